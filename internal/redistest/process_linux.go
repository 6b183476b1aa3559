package redistest

import "syscall"

// attributes makes the kernel kill the server when the test binary dies, be it
// by a panic, a timeout or kill -9, where no clean-up function runs.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
