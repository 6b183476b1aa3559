//go:build !linux

package redistest

import "syscall"

// attributes has nothing to add: only Linux ties a child's life to ours.
func attributes() *syscall.SysProcAttr { return nil }
