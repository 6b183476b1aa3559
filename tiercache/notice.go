package tiercache

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// A notice is what one node tells the others over Redis pub/sub, one line of text: "W1 kind node
// number cache rest". It never holds a value.
//
//	K  the key rest of the cache was set or deleted
//	R  the same of a record that a warm run has taken back: nobody has invalidated the key
//	E  the key rest of the cache was expired
//	C  the cache was cleared
//	T  the tag rest of the cache was invalidated
//	D  a digest: number is the last one that the node has used; no cache, no rest
//	B  a heartbeat, on the node's own channel: number is when it was sent, on the node's own clock; rest is the master that it went through
type notice struct {
	kind   noticeKind
	node   string
	number uint64
	cache  string
	rest   string

	// The rest is not said.

	own       uint64 // of the key, only the record with this id is meant; 0 is whatever stands there
	made      int64  // when the try that publishes it began
	takeovers uint64 // how often another server had answered by then
}

type noticeKind byte

const (
	noticeKey    noticeKind = 'K'
	noticeBack   noticeKind = 'R'
	noticeExpire noticeKind = 'E'
	noticeClear  noticeKind = 'C'
	noticeTag    noticeKind = 'T'
	noticeDigest noticeKind = 'D'
	noticeBeat   noticeKind = 'B'
)

const noticeMagic = "W1"

func (n notice) String() string {
	kind := n.kind
	if n.own != 0 {
		kind = noticeBack
	}
	return noticeMagic + " " + string(rune(kind)) + " " + n.node + " " + strconv.FormatUint(n.number, 10) + " " + n.cache + " " + n.rest
}

var errNotice = errors.New("malformed notice")

func parseNotice(text string) (notice, error) {
	parts := strings.SplitN(text, " ", 6)
	if len(parts) != 6 || parts[0] != noticeMagic || len(parts[1]) != 1 || parts[2] == "" || len(parts[2]) > 64 || len(parts[4]) > maxNameBytes {
		return notice{}, errNotice
	}
	number, err := strconv.ParseUint(parts[3], 10, 64)
	if err != nil || number > 1<<62 {
		return notice{}, errNotice
	}
	n := notice{kind: noticeKind(parts[1][0]), node: parts[2], number: number, cache: parts[4], rest: parts[5]}
	switch n.kind {
	case noticeKey, noticeBack, noticeExpire, noticeClear, noticeTag, noticeDigest, noticeBeat:
		return n, nil
	default:
		return notice{}, errNotice
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
	awaited bool             // it lived when a subscription ended, and has not been heard since; see gap.go
}

// hear notes a number of a node at a moment. Where a node is heard for the first time in the middle
// of its numbers, those before are missing, as they may have been meant for us; not before the
// moment meeting, soon after we subscribed, when all nodes are heard for the first time, and what
// they said before was said to an empty memory, or is covered by the epoch that began then, or by
// the one that ends the meeting.
func (p publishers) hear(n notice, now, meeting int64) (lost int) {
	node, number, isDigest := n.node, n.number, n.kind == noticeDigest
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
