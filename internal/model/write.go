package model

// writes lists what an invalidation of a node may do next: to begin, once its source was written;
// to be executed, or not, in Redis; to return.
func (m *machine) writes(s state, n int) {
	o := s.node[n].op
	switch o.phase {
	case idle:
		if s.left.Writes[n] == 0 || s.node[n].freeEntry() < 0 {
			return
		}
		for i, d := range m.Deeds {
			if done := len(m.Deeds) - int(s.left.Writes[n]); !m.InOrder || i == done {
				m.begin(s, n, d)
			}
		}
	case begun:
		if !m.rules.Has(NoticeAfterDelete) && s.canPublish(n) {
			t := s
			t.publish(n, notice{o.deed, o.number})
			t.node[n].op.phase = told
			m.to(t, act{verb: vTell, node: n})
			return
		}
		m.ask(s, n)
	case told:
		m.ask(s, n)
	case executed, failed:
		m.finishWrite(s, n)
	default:
	}
}

// begin writes to the source and makes the first move in memory. A Set writes its value to the
// source when Redis takes it: Redis decides the order of two Sets.
func (m *machine) begin(s state, n int, d deed) {
	s.left.Writes[n]--
	p := &s.node[n]
	m.end(p, d)
	p.seq++
	o := operation{phase: begun, deed: d, number: p.seq}
	if d != endOther {
		s.src++
		o.ver = s.src
	}
	if d == setKey {
		all, tag := s.readTokens()
		o.clear, o.tag = all, tag.id
	}
	if !m.rules.Has(StampAfterReply) {
		o.stamp = 1 + p.offset[d.shard()]
	}
	p.op = o
	p.journal[p.freeEntry()] = entry{deed: d, ver: o.ver, number: o.number}
	m.to(s, act{verb: vBegin, node: n, arg: uint8(d)})
}

// freeEntry is where the journal has room, or −1.
func (p *node) freeEntry() int {
	for i := range p.journal {
		if p.journal[i].deed == noDeed {
			return i
		}
	}
	return -1
}

// ask has Redis execute the operation. It may not answer: then it has executed it, or has not, or
// will later, when it reads its socket.
func (m *machine) ask(s state, n int) {
	if !s.canPublish(n) {
		return
	}
	o := &s.node[n].op
	before := s
	if o.deed == setKey && o.ver != s.src { // of two Sets the one that Redis takes later is the later one
		s.src++
		o.ver = s.src
		s.node[n].inJournal(o.number).ver = o.ver
	}
	sent := o.phase == told
	m.execute(&s, *o)
	if !sent {
		s.publish(n, notice{o.deed, o.number})
	}
	o.phase = executed
	m.to(s, act{verb: vExecute, node: n, arg: uint8(o.deed)})
	if before.left.Fail == 0 {
		return
	}
	s.left.Fail--
	before.left.Fail--
	o.phase = failed
	m.to(s, act{verb: vNoReply, node: n, arg: uint8(o.deed)})
	before.node[n].op.phase = failed
	m.to(before, act{verb: vNoRequest, node: n, arg: uint8(o.deed)})
	if before.lateOf == 0 {
		before.late, before.lateOf = before.node[n].op, uint8(n+1)
		m.to(before, act{verb: vFrozen, node: n, arg: uint8(o.deed)})
	}
}

// finishWrite makes the second move in memory and returns to the caller.
func (m *machine) finishWrite(s state, n int) {
	p := &s.node[n]
	o := p.op
	moved := o.moved
	if m.rules.Has(SecondBump) {
		if o.deed != setKey {
			m.end(p, o.deed)
		} else {
			p.load.moved, p.run.moved = true, true
		}
	}
	if o.deed == setKey {
		if !moved || !m.rules.Has(SetCompares) {
			p.has, p.ver, p.born, p.till, p.valid, p.young = true, o.ver, s.now, int8(s.now)+life, true, true
		} else {
			p.forgetEntry()
		}
	}
	e := p.inJournal(o.number)
	doubt := e.state == doubted && m.rules.Has(AnswerOfBefore)
	if e.state = unsettled; o.phase == executed && !doubt {
		e.state, e.stamp = settled, o.stamp
	}
	if o.phase == executed {
		s.returned = max(s.returned, o.ver)
	}
	if e.state == settled && m.Failover == 0 && m.Evict == 0 { // nothing needs it any more
		*e = entry{}
	}
	p.own = max(p.own, o.ver)
	p.op = operation{}
	m.to(s, act{verb: vReturn, node: n, arg: uint8(o.deed) + 10*uint8(o.phase)})
}

// inJournal is the entry of a notice's number.
func (p *node) inJournal(number uint8) *entry {
	for i := range p.journal {
		if p.journal[i].deed != noDeed && p.journal[i].number == number {
			return &p.journal[i]
		}
	}
	return &entry{}
}

// replays lists the invalidations that a node may say to Redis once more. A Set is replayed as a
// Delete. A try that failed may still lie in a frozen server's socket: it is replayed when that can
// take effect no more.
func (m *machine) replays(s state, n int) {
	p := &s.node[n]
	if m.rules.Has(Replay) && s.canPublish(n) {
		for i, e := range p.journal {
			if e.state != unsettled || m.rules.Has(ReplayAfterTry) && s.lateOf == uint8(n+1) {
				continue
			}
			t := s
			m.execute(&t, operation{deed: asReplayed(e.deed)})
			t.publish(n, notice{asReplayed(e.deed), e.number})
			to := &t.node[n].journal[i]
			to.state, to.stamp = settled, 0
			t.returned = max(t.returned, e.ver)
			m.to(t, act{verb: vReplay, node: n, arg: uint8(e.deed)})
		}
	}
	if p.ending && s.canPublish(n) {
		m.endCaches(s, n)
	}
}

func asReplayed(d deed) deed {
	if d == setKey {
		return deleteKey
	}
	return d
}

// endCaches ends all entries, once for each new history.
func (m *machine) endCaches(s state, n int) {
	p := &s.node[n]
	p.ending = false
	if now := max(s.hist[keys].id, s.hist[tokens].id); s.master.ended != now {
		s.master.ended = now
		s.master.clear = 0
		p.seq++
		s.publish(n, notice{clearAll, p.seq})
	}
	m.end(p, clearAll)
	m.to(s, act{verb: vEndCaches, node: n})
}
