package backplane

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// A Notice is what one node tells the others over Redis pub/sub, one line of text: "W1 kind node
// number cache rest". It never holds a value.
//
//	K  the key rest of the cache was set or deleted
//	O  one record of the key was taken back by the node whose warm run wrote it: rest is its id in hexadecimal, a space, and the key
//	E  the key rest of the cache was expired
//	C  the cache was cleared
//	T  the tag rest of the cache was invalidated
//	D  a digest: number is the last one that the node has used; no cache, no rest
//	B  a heartbeat, on the node's own channel: number is when it was sent, on the node's own clock; rest is the master that it went through
type Notice struct {
	Kind   Kind
	Node   string
	Number uint64
	Cache  string
	Rest   string

	// Of the key, only the record with this id is meant; 0 is whatever stands there.
	Own uint64

	// The rest is not said.

	Made      int64  // when the try that publishes it began
	Takeovers uint64 // how often another server had answered by then
}

// Kind is what a notice is about.
type Kind byte

// The kinds.
const (
	KindKey    Kind = 'K'
	KindBack   Kind = 'O'
	KindExpire Kind = 'E'
	KindClear  Kind = 'C'
	KindTag    Kind = 'T'
	KindDigest Kind = 'D'
	KindBeat   Kind = 'B'
)

const noticeMagic = "W1"

// MaxNameBytes bounds the name of a cache.
const MaxNameBytes = 128

// String is the notice as it is sent.
func (n Notice) String() string {
	kind, rest := n.Kind, n.Rest
	if n.Own != 0 {
		kind, rest = KindBack, strconv.FormatUint(n.Own, 16)+" "+rest
	}
	return noticeMagic + " " + string(rune(kind)) + " " + n.Node + " " + strconv.FormatUint(n.Number, 10) + " " + n.Cache + " " + rest
}

var errNotice = errors.New("malformed notice")

func parseNotice(text string) (Notice, error) {
	parts := strings.SplitN(text, " ", 6)
	if len(parts) != 6 || parts[0] != noticeMagic || len(parts[1]) != 1 || parts[2] == "" || len(parts[2]) > 64 || len(parts[4]) > MaxNameBytes {
		return Notice{}, errNotice
	}
	number, err := strconv.ParseUint(parts[3], 10, 64)
	if err != nil || number > 1<<62 {
		return Notice{}, errNotice
	}
	n := Notice{Kind: Kind(parts[1][0]), Node: parts[2], Number: number, Cache: parts[4], Rest: parts[5]}
	switch n.Kind {
	case KindKey, KindExpire, KindClear, KindTag, KindDigest, KindBeat:
		return n, nil
	case KindBack:
		id, key, found := strings.Cut(n.Rest, " ")
		if n.Own, err = strconv.ParseUint(id, 16, 64); err != nil || !found || n.Own == 0 {
			return Notice{}, errNotice
		}
		n.Rest = key
		return n, nil
	default:
		return Notice{}, errNotice
	}
}

const (
	// reorderWindow is how long a number may be missing because notices travel on several
	// connections.
	reorderWindow = 150 * time.Millisecond
	// mostMissing is how many numbers may be missing at once; more are a loss at once.
	mostMissing = 4096
	// publisherLife is how long a node is remembered that says nothing.
	publisherLife = time.Minute
)

// publishers tells from the numbers of the notices whether one was lost. Only the channel's
// listener uses it.
type publishers map[string]*publisher

type publisher struct {
	high    uint64           // the highest number seen
	missing map[uint64]int64 // numbers below it that were not, with when that was noticed
	heard   int64            // when it last said anything
	digest  int64            // when its last digest came that left nothing missing
	// it lived when a subscription ended, and has not been heard since; see gap.go
	awaited bool
}

// hear notes a number of a node at a moment. Where a node is heard for the first time in the middle
// of its numbers, those before are missing, as they may have been meant for us; not before the
// moment meeting, soon after we subscribed, when all nodes are heard for the first time, and what
// they said before was said to an empty memory, or is covered by the epoch that began then, or by
// the one that ends the meeting.
func (p publishers) hear(n Notice, now, meeting int64) (lost int) {
	node, number, isDigest := n.Node, n.Number, n.Kind == KindDigest
	pub := p[node]
	if pub == nil {
		pub = &publisher{missing: make(map[uint64]int64)}
		p[node] = pub
		if now < meeting {
			pub.high = number
		}
	}
	pub.heard = now
	switch {
	case number > pub.high:
		last := number
		if !isDigest {
			last-- // the number itself has come
		}
		if last-pub.high > mostMissing {
			lost = int(min(last-pub.high, 1<<30))
			clear(pub.missing)
		} else {
			for n := pub.high + 1; n <= last; n++ {
				pub.missing[n] = now
			}
		}
		pub.high = number
	case !isDigest:
		delete(pub.missing, number)
	}
	if isDigest && len(pub.missing) == 0 {
		pub.digest = now
	}
	return lost
}

// lost counts the numbers that have been missing for too long, and forgets them: they are gone.
func (p publishers) lost(now int64) (lost int) {
	for node, pub := range p {
		if len(pub.missing) > 0 {
			late := 0
			for _, since := range pub.missing {
				if now-since > int64(reorderWindow) {
					late++
				}
			}
			if late > 0 || len(pub.missing) > mostMissing {
				lost += len(pub.missing)
				clear(pub.missing)
			}
		}
		if now-pub.heard > int64(publisherLife) && !pub.awaited {
			delete(p, node)
		}
	}
	return lost
}

// settled reports whether each node that is alive has sent a digest since then which left
// nothing missing. One that has said nothing for patience is dead.
func (p publishers) settled(since, now, patience int64) bool {
	for _, pub := range p {
		if (pub.awaited || now-pub.heard < patience) && pub.digest <= since {
			return false
		}
	}
	return true
}
