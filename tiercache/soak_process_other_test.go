//go:build !linux

package tiercache_test

// SIGSTOP of a node in a process of its own is tried where a child can be told to die with its
// parent: on Linux.
func processWeathers() []soakMode { return nil }
