//go:build !linux

package pgtest

import "syscall"

// dieWithParent has nothing to add: only Linux ties a child's life to ours.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
