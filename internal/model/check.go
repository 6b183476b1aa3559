package model

// check returns the guarantee that the state breaks.
func (m *machine) check(s *state) broken {
	if s.wrong != fine {
		return s.wrong
	}
	quiet := m.quiet(s)
	for n := range s.node {
		p := &s.node[n]
		if p.gone {
			continue
		}
		r := s.master.record
		hit, found := m.serves(s, p), m.believes(s, p, r)
		switch {
		case (hit && p.ver < p.own || found && r.ver < p.own) && !s.excused(n):
			return brokenG1
		case quiet && found && r.ver < s.returned:
			return brokenG2
		case quiet && (hit && p.ver < s.returned || m.joinable(p) < s.returned):
			return brokenG3
		case quiet && (hit && s.now-p.born >= life || found && s.now-r.born >= life):
			return brokenG4
		}
	}
	return fine
}

// excused reports whether the node may see for now what it has ended itself: where Redis has come
// back with data that lacks what the node has forgotten, until its next heartbeat; and where a Set
// of the other node, which has returned ErrDegraded, is executed late, until that node's replay is
// heard.
func (s *state) excused(n int) bool {
	p, other := &s.node[n], &s.node[1-n]
	late := other.op.phase == failed && other.op.deed == setKey
	for _, e := range other.journal {
		late = late || e.deed == setKey && (e.state == unsettled || p.queue[0].deed != noDeed)
	}
	return p.exempt || late
}

// joinable is the value that a read gets that joins the node's flight now; as good as any where
// there is none, or it is not known yet.
func (m *machine) joinable(p *node) version {
	const anyVersion = 255
	if !m.joins(p) {
		return anyVersion
	}
	switch p.load.phase {
	case loaded, prepared:
		return p.load.ver
	default:
		return anyVersion
	}
}

// quiet reports whether all that is due has arrived: no invalidation is under way or still to be
// said to Redis, all notices have been heard, each node has had a heartbeat since the last event
// that a heartbeat would notice and a digest of the other; where a node's subscription is cut, the
// trust in its last heartbeat, and DegradedTTL, have run out, and its load has ended.
func (m *machine) quiet(s *state) bool {
	if s.lateOf > 0 {
		return false
	}
	for n := range s.node {
		p, other := &s.node[n], &s.node[1-n]
		if p.gone {
			continue
		}
		if p.op.phase != idle || p.queue[0].deed != noDeed || p.ending || !p.beat || p.run.phase >= unconfirmed {
			return false
		}
		for _, e := range p.journal {
			if e.deed != noDeed && e.state != settled && m.rules.Has(Replay) {
				return false
			}
		}
		if p.linked && (!p.heard || !other.gone && p.high != other.seq) || !p.linked && (p.heard || p.young || p.load.phase != idle) {
			return false
		}
	}
	return true
}
