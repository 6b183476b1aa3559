package model

// end is what an invalidation does to a node's memory: the entry leaves, the generation moves, and
// what it knows of tokens that are ended is forgotten.
func (m *machine) end(p *node, d deed) {
	if d == endOther {
		return
	}
	p.forgetEntry()
	p.load.moved, p.run.moved, p.op.moved = true, true, true
	switch d {
	case endTag:
		p.tag = 0
	case clearAll:
		p.clear = 0
	case deleteKey, setKey, noDeed, endOther:
	}
}

// forgetEntry takes the key out of memory.
func (p *node) forgetEntry() {
	p.has, p.ver, p.born, p.till, p.valid, p.young = false, 0, 0, 0, false, false
}

// epoch begins an epoch: what was there before must be validated.
func (m *machine) epoch(p *node) {
	p.valid, p.load.blind = false, true
	if m.rules.Has(EpochForgetsTokens) {
		p.clear, p.tag = 0, 0
	}
}

// trusts reports whether the node may believe what it remembers of Redis's tokens.
func (m *machine) trusts(p *node) bool { return p.heard || !m.rules.Has(TrustTokens) }

// serves reports whether a hit would serve what is in memory as fresh.
func (m *machine) serves(s *state, p *node) bool {
	return p.has && p.valid && int8(s.now) < p.till && (p.heard || p.young || !m.rules.Has(Trust))
}

// believes reports whether the node, if it looked the key up now, would believe the record.
func (m *machine) believes(s *state, p *node, r record) bool {
	if r.kind != value || m.remaining(s, p, r) <= 0 {
		return false
	}
	if m.bypasses(p) {
		return false
	}
	if m.rules.Has(Disbelieve) {
		if p.ending { // as by a Clear in the journal
			return false
		}
		for _, e := range p.journal {
			if e.deed != noDeed && r.ver < e.ver {
				return false
			}
		}
	}
	d := &s.master
	known := func(token, here, there uint8) bool {
		return token == there || here != 0 && token == here && m.trusts(p)
	}
	return known(r.clear, p.clear, d.clear) && known(r.tag, p.tag, d.tag.id)
}

// remaining is how long the record still is fresh by the node's reckoning.
func (m *machine) remaining(s *state, p *node, r record) int8 {
	left := r.dead - s.serverTime()
	if m.rules.Has(StepCorrects) {
		left -= p.shift
	}
	return min(left, life)
}

// loads lists what a node's look-up may do next.
func (m *machine) loads(s state, n int) {
	p := &s.node[n]
	f := &p.load
	switch f.phase {
	case idle:
		m.look(s, n)
	case looked:
		verb := vMiss
		if f.phase = missed; f.got.kind == value {
			all, tag := s.readTokens()
			if m.believes(&s, p, f.got) {
				f.phase, verb = judged, vJudge
			}
			p.clear, p.tag = m.learn(p, all, tag.id)
		}
		m.to(s, act{verb: verb, node: n, arg: f.got.ver})
	case judged:
		r := f.got
		m.fill(&s, n, r.ver, int8(s.now)+m.remaining(&s, p, r), r.born)
		m.finish(&s, n, r.ver)
		m.to(s, act{verb: vFill, node: n, arg: r.ver})
	case missed:
		m.takeLease(s, n)
	case leased, alone:
		withLease := f.phase == leased
		f.ver, f.born = s.src, s.now
		f.phase = loaded
		if !withLease {
			f.clear = 0
		}
		m.to(s, act{verb: vSource, node: n, arg: f.ver})
	case loaded:
		if f.clear == 0 { // nobody is told
			ver := f.ver
			m.fill(&s, n, ver, int8(f.born)+life, f.born)
			m.finish(&s, n, ver)
			m.to(s, act{verb: vFill, node: n, arg: ver})
			return
		}
		m.prepare(s, n)
	case prepared:
		m.commit(s, n)
	default:
	}
}

// learn is what the node knows after it has read tokens.
func (m *machine) learn(p *node, all, tag uint8) (knownAll, knownTag uint8) {
	if p.heard || !m.rules.Has(TrustTokens) {
		return all, tag
	}
	return 0, 0
}

// look begins a flight with a look at Redis, which may not answer.
func (m *machine) look(s state, n int) {
	p := &s.node[n]
	if s.left.Loads[n] == 0 || m.serves(&s, p) {
		return
	}
	s.left.Loads[n]--
	p.load = load{phase: looked, got: s.master.record, floor: p.own, young: true}
	if s.excused(n) {
		p.load.floor = 0
	}
	if m.bypasses(p) {
		p.load.phase, p.load.got = alone, record{}
		m.to(s, act{verb: vBypass, node: n})
		return
	}
	m.to(s, act{verb: vLook, node: n, arg: s.master.record.ver + 10*uint8(s.master.record.kind)})
	if s.left.Fail > 0 {
		s.left.Fail--
		p.load.phase, p.load.got = alone, record{}
		m.to(s, act{verb: vAlone, node: n})
	}
}

// bypasses reports whether the node does not ask Redis, as that has yet to hear of what it has
// ended.
func (m *machine) bypasses(p *node) bool {
	for _, e := range p.journal {
		if e.deed != noDeed && e.state == unsettled && m.rules.Has(Bypass) {
			return true
		}
	}
	return false
}

// takeLease reads the tokens, and then asks for the lease.
func (m *machine) takeLease(s state, n int) {
	f := &s.node[n].load
	if s.master.record.kind == value && f.got != s.master.record {
		if f.phase, f.got = looked, s.master.record; s.excused(n) {
			f.floor = 0
		}
		m.to(s, act{verb: vLook, node: n, arg: f.got.ver + 10})
		return
	}
	if s.master.lease != 0 && m.rules.Has(Lease) {
		return // it waits
	}
	all, tag := s.readTokens()
	s.master.lease = uint8(n + 1)
	f.phase, f.clear, f.mark, f.count = leased, all, s.master.mark, s.master.count
	p := &s.node[n]
	p.clear, p.tag = m.learn(p, all, tag.id)
	m.to(s, act{verb: vLease, node: n})
}

// prepare reads the tokens of the value's tags, and refuses what was ended since the load began.
func (m *machine) prepare(s state, n int) {
	p := &s.node[n]
	f := &p.load
	all, tag := s.readTokens()
	if !m.rules.Has(ClearTokenBefore) {
		f.clear = all
	}
	refused := m.rules.Has(TagCount) && (tag.count > f.count || m.rules.Has(TagOrigin) && tag.mark != f.mark)
	if f.phase, f.tag = prepared, tag.id; refused {
		if s.master.lease == uint8(n+1) {
			s.master.lease = 0
		}
		m.finish(&s, n, f.ver)
		m.to(s, act{verb: vRefuse, node: n, arg: s.node[n].load.ver})
		return
	}
	m.to(s, act{verb: vTags, node: n})
}

// commit stores what the load brought if the lease still is its own. The answer may be lost.
func (m *machine) commit(s state, n int) {
	lost := s
	p := &s.node[n]
	f := p.load
	if s.master.lease != uint8(n+1) && m.rules.Has(Lease) {
		m.finish(&s, n, f.ver)
		m.to(s, act{verb: vCommitRefused, node: n, arg: f.ver})
		return
	}
	store := func(s *state) {
		s.master.lease = 0
		dead := s.serverTime() + life - int8(s.now-f.born)
		s.master.record = record{kind: value, ver: f.ver, clear: f.clear, tag: f.tag, born: f.born, dead: dead}
	}
	store(&s)
	m.fill(&s, n, f.ver, int8(f.born)+life, f.born)
	m.finish(&s, n, f.ver)
	m.to(s, act{verb: vCommit, node: n, arg: f.ver})
	if lost.left.Fail > 0 { // the commit was never executed, but the value is here
		lost.left.Fail--
		m.fill(&lost, n, f.ver, int8(f.born)+life, f.born)
		m.finish(&lost, n, f.ver)
		m.to(lost, act{verb: vCommitLost, node: n, arg: f.ver})
	}
}

// fill stores in memory what a flight has found, if the key's generation has not moved since the
// flight began.
func (m *machine) fill(s *state, n int, ver version, till int8, born uint8) {
	p := &s.node[n]
	if p.load.moved && m.rules.Has(FillSameGeneration) {
		return
	}
	p.has, p.ver, p.till, p.born, p.valid, p.young = true, ver, till, born, !p.load.blind, p.load.young
}

// finish hands the flight's value to those who wait. A read that began after an invalidation has
// not joined a flight from before it.
func (m *machine) finish(s *state, n int, ver version) {
	p := &s.node[n]
	floor := p.load.floor
	if m.joins(p) {
		floor = p.own
	}
	if ver < floor && !s.excused(n) {
		s.wrong = brokenG1
	}
	p.load = load{}
}

// joins reports whether a read that begins now joins the flight.
func (m *machine) joins(p *node) bool {
	f := &p.load
	return f.phase != idle && (!m.rules.Has(JoinSameGeneration) || !f.moved && !f.blind)
}
