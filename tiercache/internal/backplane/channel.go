package backplane

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache/internal/clock"
	"github.com/warmcache/warmcache/tiercache/internal/redisconn"
)

// Channel is how nodes hear of each other's invalidations, and how this one knows whether it does:
// one subscription a process for all its caches. It has two goroutines, one that listens and one
// that beats.
//
// Trust runs from the moment at which a heartbeat was sent, not at which it came: one that lay in a
// buffer while this process, or the server, was frozen proves nothing about now.
type Channel struct {
	conn   *redisconn.Conn
	prefix string // of the names of channels and keys
	Clock  clock.Clock
	Clocks *serverClocks
	identity

	Seq   atomic.Uint64 // the last number given to a notice of this node
	Epoch atomic.Uint64 // grows whenever a notice may have been missed
	Trust atomic.Int64  // until then, on clock, notices count as heard

	Progress
	// how often notices were missed, or may have been and no number tells; see gap.go
	Losses     atomic.Uint64
	Subscribed atomic.Int64 // when the present subscription began

	Received, LostCount atomic.Uint64
	heardNodes          atomic.Int64 // how many others have been heard lately

	mu     sync.Mutex
	caches map[string]Subscriber
	beats  map[string]beatTimes // per master

	lineage   *lineage                        // the beating goroutine's own
	histories atomic.Pointer[map[string]bool] // that it knows

	pubsMu    sync.Mutex
	pubs      publishers
	listening bool // a subscription stands
	resumed   bool // and is not the first
	// nodes were heard for the first time soon after the subscription; see meeting
	unsure        bool
	candidate     int64        // digests of everybody alive are awaited since then; see settled
	candidateSent int64        // and prove then that what was sent before this has been heard
	Settled       atomic.Int64 // what any living node sent before then has been heard

	ctx    context.Context //nolint:containedctx // of the channel's goroutines
	cancel context.CancelFunc
	done   sync.WaitGroup
	first  chan error    // the outcome of the first attempt to be coherent
	heard  chan struct{} // a subscription stands

	evaluates atomic.Bool // the server has run a script
	Missing   missing
}

// Subscriber is a cache that notices are for.
type Subscriber interface {
	Notice(n Notice)
	Missed()           // notices may have been missed
	Server(t Takeover) // another server answers in the place of one
	Beat(now int64)    // Redis has just answered
	Pending() int      // how many invalidations Redis has yet to hear of
}

const (
	beatEvery   = 400 * time.Millisecond
	trustFor    = 1200 * time.Millisecond
	digestEvery = time.Second
	// digestNodes is the size of fleet from which on digests thin out: all nodes together send a
	// hundred a second.
	digestNodes = 100
	silentFor   = 1500 * time.Millisecond
	firstWait   = 300 * time.Millisecond
)

// New returns a Channel that has yet to be started.
func New(conn *redisconn.Conn, prefix string) *Channel {
	ch := &Channel{
		conn: conn, prefix: prefix, Clock: clock.Since(time.Now()), Clocks: newServerClocks(),
		caches: make(map[string]Subscriber), beats: make(map[string]beatTimes), lineage: newLineage(), pubs: make(publishers),
		first: make(chan error, 1), heard: make(chan struct{}, 1),
	}
	ch.rename()
	ch.ctx, ch.cancel = context.WithCancel(context.Background()) //nolint:forbidigo // ends with Redis.Close
	return ch
}

// Start begins to listen, and waits a moment for the first heartbeat to come back, so that a cache
// that is used at once doesn't begin degraded. The error is one that waiting will not mend: a wrong
// password, no right to the channels.
func (ch *Channel) Start() error {
	ch.done.Add(2)
	go ch.listen()
	go ch.beat()
	if ch.conn.Masters.Cluster != nil {
		ch.done.Add(1)
		go ch.survey()
	}
	timer := time.NewTimer(firstWait)
	defer timer.Stop()
	for {
		select {
		case err := <-ch.first:
			if forbidden(err) {
				ch.Close(firstWait)
				return err
			}
			if err == nil && (!ch.evaluates.Load() || !ch.Coherent()) { // the other one is to come
				continue
			}
			// the ages of what is read depend on what others have seen of the server's clock
			if err == nil {
				select {
				case <-ch.Clocks.met:
				case <-timer.C:
				}
			}
			if !errors.Is(err, redisconn.ErrNoAnswer) { // else it may only be busy
				return nil
			}
		case <-timer.C:
			return nil
		}
	}
}

// forbidden reports whether the server answered that we may not.
func forbidden(err error) bool {
	if errors.Is(err, redisconn.ErrReplica) || errors.Is(err, redisconn.ErrClusterNode) || errors.Is(err, errLacks) {
		return true
	}
	for _, prefix := range []string{"NOAUTH", "WRONGPASS", "NOPERM"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// Close ends the goroutines, and waits for them for a while: a client may hang on a connection,
// whatever its context says.
func (ch *Channel) Close(wait time.Duration) {
	ch.cancel()
	ended := make(chan struct{})
	go func() {
		ch.done.Wait()
		close(ended)
	}()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
	}
}

// Shared is the channel of all nodes, and own this one's. Channels know no numbers of databases, so
// the name tells; that of database 0 is as it always was.
func (ch *Channel) Shared() string {
	name := ch.prefix + "tiercache:notices"
	if db := redisconn.Database(ch.conn.Client); db != 0 {
		name += "@" + strconv.Itoa(db)
	}
	return name
}

func (ch *Channel) own() string { return ch.prefix + "tiercache:beat:" + ch.Node() }

// Next numbers a notice of this node. Each number must reach Redis sometime, or the others see a
// gap.
func (ch *Channel) Next(kind Kind, cache, rest string) Notice {
	return Notice{Kind: kind, Node: ch.Node(), Number: ch.Seq.Add(1), Cache: cache, Rest: rest}
}

// Coherent reports whether notices are heard at this moment.
func (ch *Channel) Coherent() bool { return ch.Clock.Now() < ch.Trust.Load() }

// Register has a cache hear what is said of its name.
func (ch *Channel) Register(name string, c Subscriber) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.caches[name] = c
}

// Unregister ends that.
func (ch *Channel) Unregister(name string) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	delete(ch.caches, name)
}

// All is the caches that hear.
func (ch *Channel) All() []Subscriber {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return slices.Collect(maps.Values(ch.caches))
}

// missed begins a new epoch: what is in memory must be validated before it counts as fresh.
func (ch *Channel) missed(why string, n int) {
	ch.Losses.Add(1)
	ch.begin(why, n)
}

// begin begins an epoch.
func (ch *Channel) begin(why string, n int) {
	ch.Epoch.Add(1)
	ch.LostCount.Add(uint64(n))
	ch.conn.Log.Debug("tiercache: notices may have been missed", slog.String("why", why), slog.Int("lost", n))
	for _, c := range ch.All() {
		c.Missed()
	}
}

// Holder is the address of the master that has the key, as far as that is known without asking.
func (ch *Channel) Holder(key string) string { return ch.conn.Masters.OfKey(ch.ctx, key).Addr }
