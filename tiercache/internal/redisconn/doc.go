// Package redisconn is one client of Redis, with what stands between it and whoever asks.
//
// Each operation has a deadline that is kept even where the client ignores contexts, and a master
// that does not answer, or not in time, costs its readers no more than a few operations: each
// master of a Cluster has a breaker of its own. Keys are sorted by the master that has them. Errors
// come back without what a server repeats of passwords, keys and values.
//
// It knows commands, masters and time. It must never know what a key or a value stands for, and it
// decides nothing about what was read. A client whose options would make a cache wrong is refused.
package redisconn
