package model

// warms lists what a node's warm run may do next. The look at the generations before the write is
// left out: a process may freeze between it and the write.
func (m *machine) warms(s state, n int) {
	p := &s.node[n]
	r := &p.run
	switch r.phase {
	case idle:
		if s.left.Runs[n] == 0 {
			return
		}
		s.left.Runs[n]--
		all, tag := s.readTokens()
		p.clear, p.tag = m.learn(p, all, tag.id)
		*r = run{phase: opened, clear: all, tag: tag.id}
		m.to(s, act{verb: vRun, node: n})
	case opened:
		r.phase, r.ver, r.born = read, s.src, s.now
		m.to(s, act{verb: vRunSource, node: n, arg: r.ver})
	case read:
		m.fillAbsent(s, n)
	case confirmed:
		if s.canPublish(n) {
			m.confirm(s, n)
		}
	default:
	}
}

// fillAbsent is the warm write: it fills what is absent, and replaces what is older, but no hold.
func (m *machine) fillAbsent(s state, n int) {
	p := &s.node[n]
	r := &p.run
	have := &s.master.record
	younger := have.kind == value && have.ver >= r.ver && m.rules.Has(WarmKeepsYounger)
	if have.kind == hold || younger {
		*r = run{}
		m.to(s, act{verb: vRunRefused, node: n})
		return
	}
	*have = record{kind: value, ver: r.ver, clear: r.clear, tag: r.tag, warm: uint8(n + 1), born: r.born, dead: s.serverTime() + life}
	if !r.moved && !r.breaks {
		p.has, p.ver, p.born, p.till, p.valid, p.young = true, r.ver, r.born, int8(r.born)+life, true, true
	}
	r.phase = unconfirmed
	ver := r.ver
	if !m.rules.Has(Confirm) {
		*r = run{}
	}
	m.to(s, act{verb: vRunWrite, node: n, arg: ver})
}

// confirm settles the run: what an invalidation may have overtaken is taken back. Where notices
// were missed, that is what may have been written over a hold that is gone.
func (m *machine) confirm(s state, n int) {
	p := &s.node[n]
	r := p.run
	doubtful := r.moved || r.breaks && m.rules.Has(ValidateOnBreak) && (s.evicted || s.hist[keys].id > 1)
	p.run = run{}
	if !doubtful {
		m.to(s, act{verb: vConfirm, node: n})
		return
	}
	if s.master.record.warm == uint8(n+1) {
		s.master.record = record{kind: hold}
	}
	p.seq++
	s.publish(n, notice{deleteKey, p.seq})
	p.forgetEntry()
	m.to(s, act{verb: vTakeBack, node: n})
}
