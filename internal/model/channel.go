package model

// channel lists what a node may hear, miss and find out.
func (m *machine) channel(s state, n int) {
	p := &s.node[n]
	if next := p.queue[0]; next.deed != noDeed {
		t := s
		q := &t.node[n]
		q.queue = [2]notice{p.queue[1]}
		lost := t
		m.hear(q, next)
		m.to(t, act{verb: vHear, node: n, arg: uint8(next.deed)})
		if s.left.Lose > 0 {
			lost.left.Lose--
			m.to(lost, act{verb: vLose, node: n, arg: uint8(next.deed)})
		}
	}
	if t := s; m.beat(&t, n) != s {
		m.to(t, act{verb: vBeat, node: n, arg: map[bool]uint8{false: 1}[p.linked]})
	}
	m.digest(s, n)
	m.link(s, n)
	if s.left.Die > 0 {
		t := s
		t.left.Die--
		t.node[n] = node{gone: true, seq: p.seq}
		if t.master.lease == uint8(n+1) {
			t.master.lease = 0
		}
		m.to(t, act{verb: vDie, node: n})
	}
}

// hear is what a notice does. Its number shows whether one before it is missing.
func (m *machine) hear(p *node, n notice) {
	if n.number > p.high+1 {
		m.missed(p)
	}
	p.high = max(p.high, n.number)
	m.end(p, n.deed)
}

// missed is what a node does that has found out that a notice was lost.
func (m *machine) missed(p *node) {
	if m.rules.Has(Numbers) {
		m.epoch(p)
		p.run.breaks = true
	}
}

// digest is a node's last number, said to the other one. A number that is missing is waited for,
// longer than an operation may take.
func (m *machine) digest(s state, from int) {
	number, p := s.node[from].seq, &s.node[1-from]
	underway := s.node[from].op.phase == begun || s.node[from].op.phase == told
	if p.gone || !p.linked || underway || p.queue[0].deed != noDeed || p.high == number && p.run.phase != beaten {
		return
	}
	if number > p.high {
		m.missed(p)
		p.high = number
	}
	if p.run.phase == beaten {
		p.run.phase = confirmed
	}
	m.to(s, act{verb: vDigest, node: from})
}

// link lists what may become of a node's subscription.
func (m *machine) link(s state, n int) {
	p := &s.node[n]
	if p.linked {
		if s.left.Cut > 0 {
			s.left.Cut--
			p.linked, p.queue = false, [2]notice{}
			m.to(s, act{verb: vCut, node: n})
		}
		return
	}
	if p.heard || p.young || p.load.young {
		t := s
		q := &t.node[n]
		q.heard, q.young, q.load.young = false, false, false
		m.to(t, act{verb: vLapse, node: n})
	}
	p.linked, p.beat = true, false
	if m.rules.Has(EpochOnSubscribe) {
		m.epoch(p)
	}
	m.to(s, act{verb: vConnect, node: n})
}

// beat is a heartbeat that Redis has answered, and that has come back where the subscription lives.
func (m *machine) beat(s *state, n int) state {
	p := &s.node[n]
	p.heard, p.beat, p.exempt = p.heard || p.linked, true, false
	if p.run.phase == unconfirmed && p.linked {
		if p.run.phase = beaten; !m.rules.Has(ConfirmAfterDigest) || s.node[1-n].gone {
			p.run.phase = confirmed
		}
	}
	if by := p.known - s.clock; by != 0 {
		p.shift += max(0, by)
		if p.known = s.clock; m.rules.Has(StepIsEpoch) {
			m.epoch(p)
		}
	}
	for i := range shards {
		if h := s.hist[i]; p.hist[i] != h.id {
			p.hist[i] = h.id
			m.takeover(p, i, h)
		} else if m.Failover > 0 {
			m.forget(s, p, i)
		}
		if !m.rules.Has(StampAfterReply) {
			p.offset[i] = s.master.offset[i]
		}
	}
	return *s
}

// takeover is what a node does that finds another history than the one it knows: what it has
// invalidated beyond the branch is said again. What is not known to lie before it is beyond it.
func (m *machine) takeover(p *node, shard int, h history) {
	m.epoch(p)
	p.run.breaks = true
	if !m.rules.Has(Replid) {
		return // the server's run_id was known from long ago
	}
	restarted := h.parent == 0
	for i := range p.journal {
		e := &p.journal[i]
		if e.deed == noDeed || e.deed.shard() != shard {
			continue
		}
		if e.state == trying {
			e.state = doubted
		}
		if e.state != settled {
			continue
		}
		beyond := restarted || e.stamp > h.branch+1 || e.stamp == 0 && m.rules.Has(UnstampedIsBeyond)
		if beyond {
			e.state, e.stamp = unsettled, 0
		}
	}
	lost := restarted && m.rules.Has(RestartEnds) || !restarted && h.branch < p.dropped[shard] && m.rules.Has(LostHistoryEnds)
	if lost {
		m.end(p, clearAll)
		p.ending, p.dropped[shard] = true, 0
	}
}

// forget stamps the entries of the journal that Redis has executed before this heartbeat was sent,
// and drops those whose stamp every connected replica has acknowledged.
func (m *machine) forget(s *state, p *node, shard int) {
	for i := range p.journal {
		e := &p.journal[i]
		if e.deed == noDeed || e.deed.shard() != shard || e.state != settled {
			continue
		}
		if !m.rules.Has(UntilReplicated) {
			*e = entry{}
			continue
		}
		stamped := e.stamp != 0
		if !stamped {
			e.stamp = 1 + s.master.offset[shard]
		}
		acked := s.attached && s.replica.offset[shard]+1 >= e.stamp
		if (acked || !s.attached && stamped) && p.load.phase != looked { // HoldLife is longer than a look-up
			p.dropped[shard] = max(p.dropped[shard], e.stamp-1)
			*e = entry{}
		}
	}
}
