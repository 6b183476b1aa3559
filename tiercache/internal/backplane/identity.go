package backplane

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// identity is how other nodes know this process. It is random; but two processes that are restored
// from one snapshot of a machine have the same, and each would take the other's notices for its
// own. The heartbeats show it: one comes back that this process has not sent. Then it takes another
// identity.
type identity struct {
	name atomic.Pointer[string]

	sentMu sync.Mutex
	sent   []int64 // when the last heartbeats were sent, which are their numbers
}

// mostSent is how many heartbeats may be on their way: those of a few seconds, through many
// masters.
const mostSent = 4096

var errTwin = errors.New("another process had this one's identity")

// Node is this process, as the others see it.
func (id *identity) Node() string { return *id.name.Load() }

// Become gives the process that identity.
func (id *identity) Become(name string) { id.name.Store(&name) }

// rename gives the process another identity.
func (id *identity) rename() { id.Become(fmt.Sprintf("%016x", rand.Uint64())) }

// sending notes a heartbeat before it is sent.
func (id *identity) sending(number int64) {
	id.sentMu.Lock()
	defer id.sentMu.Unlock()
	if len(id.sent) >= mostSent {
		id.sent = append(id.sent[:0], id.sent[mostSent/2:]...)
	}
	id.sent = append(id.sent, number)
}

// mine reports whether this process has sent a heartbeat.
func (id *identity) mine(number int64) bool {
	id.sentMu.Lock()
	defer id.sentMu.Unlock()
	return slices.Contains(id.sent, number)
}

// renamed takes another identity. What the other process said under this one was not heard.
func (ch *Channel) renamed(now int64) {
	ch.rename()
	ch.conn.Log.Warn("tiercache: another process has the identity of this one, as after a machine was cloned: this one takes another",
		slog.Duration("up", time.Duration(now)))
	ch.missed("another process had this one's identity", 0)
}
