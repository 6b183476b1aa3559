package pgtest

import "syscall"

// dieWithParent makes the kernel stop the server when the test binary dies, be it by a panic, a
// timeout or kill -9, where no clean-up function runs.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT} }
