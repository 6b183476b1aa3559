package backplane

// Between two subscriptions there is a gap: what was said then is never heard. It need not be a
// loss. Each node numbers what it says, and says its last number again and again: the first digest
// after the gap shows whether a node that was known before has used numbers meanwhile, and those
// are missing then, which is a loss like any other. Three things no number tells, and they are
// losses too: what was said before the first subscription, what a node said that is never heard
// again, and what one said that is heard for the first time.
//
// The epoch that begins with each subscription covers what memory holds. The losses are for what
// an epoch doesn't reach: the entries that a warm run has written to Redis; see confirm.go.

// patience is how long a node that is alive may be silent: in a large fleet digests are rare.
func (ch *Channel) patience() int64 { return 3 * ch.digestPause() }

// gapBegins notes that a subscription has ended, and who lived when it last showed that it stood.
func (ch *Channel) gapBegins(s *session) {
	if !s.confirmed.Load() {
		return // the gap goes on
	}
	ch.pubsMu.Lock()
	defer ch.pubsMu.Unlock()
	ch.listening = false
	for _, pub := range ch.pubs {
		if pub.heard > s.alive.Load()-ch.patience() {
			pub.awaited = true
		}
	}
}

// gapEnds notes that a subscription stands.
func (ch *Channel) gapEnds(now int64) {
	ch.pubsMu.Lock()
	defer ch.pubsMu.Unlock()
	if ch.Subscribed.Load() == 0 {
		ch.Losses.Add(1)
	} else {
		ch.resumed = true
	}
	ch.Subscribed.Store(now)
	ch.listening = true
}

// giveUp ends the wait for nodes that lived when the gap began. What those said last that are not
// heard again was lost, if they said anything. It must be called with pubsMu held.
func (ch *Channel) giveUp(now int64) {
	if !ch.listening {
		return
	}
	subscribed, over := ch.Subscribed.Load(), now-ch.Subscribed.Load() > ch.patience()
	for _, pub := range ch.pubs {
		switch {
		case !pub.awaited:
		case pub.heard >= subscribed:
			pub.awaited = false
		case over:
			pub.awaited = false
			ch.Losses.Add(1)
		}
	}
}

// meetStranger counts a loss where a node that is heard for the first time, right after a gap, has
// said something before. It must be called with pubsMu held.
func (ch *Channel) meetStranger(n Notice) {
	said := n.Number
	if n.Kind != KindDigest {
		said-- // this one has come
	}
	if ch.resumed && said > 0 {
		ch.Losses.Add(1)
	}
}

// settleUpTo notes, when a heartbeat has come back, up to which moment all has been heard, or
// counted as lost: up to the sending of an earlier heartbeat, once a digest of everybody alive has
// come after that one. After a gap that begins anew when everybody alive must have been heard:
// also a digest that was on its way all through the gap has come by then. sent is when the
// heartbeat was sent. It must be called with pubsMu held.
func (ch *Channel) settleUpTo(sent int64) {
	now := ch.Clock.Now()
	switch {
	case ch.resumed && now < ch.meeting():
		ch.candidate, ch.candidateSent = now, sent
	case ch.pubs.settled(ch.candidate, now, ch.patience()):
		ch.Settled.Store(ch.candidateSent)
		ch.candidate, ch.candidateSent = now, sent
	}
}
