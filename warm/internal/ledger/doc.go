// Package ledger keeps, in Redis, what a fleet knows of the passes over one task's source.
//
// A Ledger says which pass was the last complete one, which node has the lock of the pass that goes
// on, how long everybody waits after one that failed, and which keys a pass has left. A lock alone
// is not "once": the node that comes after its release would do it all again. So a claim looks at
// the ledger and at the lock in one script. All times are the server's, and differences of them.
//
// It knows a key, tokens and a tiercache.Redis. It must never know what a task is, run one, decide
// when one is due, or read a node's wall clock: what to do with an answer is for package warm.
package ledger
