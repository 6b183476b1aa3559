package model

// random is a token that has never been before.
func (s *state) random() uint8 {
	s.fresh++
	return s.fresh
}

// readTokens makes the tokens that are missing, as whoever reads them does.
func (s *state) readTokens() (all uint8, tag token) {
	m := &s.master
	if m.clear == 0 {
		m.clear = s.random()
	}
	if m.mark == 0 {
		m.mark, m.count = s.random(), 0
	}
	if m.tag.id == 0 {
		m.tag = token{s.random(), m.mark, m.count}
	}
	return m.clear, m.tag
}

// execute is the script of an invalidation.
func (m *machine) execute(s *state, o operation) {
	d := &s.master
	d.offset[o.deed.shard()]++
	switch o.deed {
	case deleteKey:
		d.record = record{}
		if m.rules.Has(Hold) {
			d.record.kind = hold
		}
	case setKey:
		d.record = record{kind: value, ver: o.ver, clear: o.clear, tag: o.tag, born: s.now, dead: s.serverTime() + life}
	case endTag, endOther:
		if d.mark == 0 {
			d.mark, d.count = s.random(), 0
		}
		if d.count++; m.rules.Has(CountIsTime) { // all servers' time grows
			d.count = max(d.count, s.counted+1)
			s.counted = d.count
		}
		if o.deed == endTag {
			d.tag = token{s.random(), d.mark, d.count}
		}
	case clearAll:
		d.clear = 0
	case noDeed:
	}
	if o.deed.shard() == keys && m.rules.Has(DropLease) {
		d.lease = 0
	}
}

// serverTime is the wall clock of the server.
func (s *state) serverTime() int8 { return int8(s.now) + s.clock }

// publish sends a notice from a node to the other one. A subscription that is cut hears nothing.
func (s *state) publish(from int, n notice) {
	to := &s.node[1-from]
	if !to.linked || to.gone {
		return
	}
	for i := range to.queue {
		if to.queue[i].deed == noDeed {
			to.queue[i] = n
			return
		}
	}
}

// canPublish reports whether a notice from the node finds room.
func (s *state) canPublish(from int) bool {
	to := &s.node[1-from]
	return to.gone || !to.linked || to.queue[1].deed == noDeed
}

// server lists what may happen to Redis and to the links.
func (m *machine) server(s state) {
	for i := range shards {
		if s.attached && (s.replica != s.master) && (m.Cluster || i == keys) {
			m.to(m.sync(s, i), act{verb: vSync, arg: uint8(i)})
		}
	}
	if s.attached && s.left.Detach > 0 {
		t := s
		t.left.Detach--
		t.attached = false
		m.to(t, act{verb: vDetach})
	}
	if s.left.Failover > 0 {
		m.failover(s)
	}
	if s.left.Evict > 0 {
		m.evict(s)
	}
	if s.lateOf > 0 && s.canPublish(int(s.lateOf-1)) {
		t := s
		by := int(s.lateOf - 1)
		m.execute(&t, s.late)
		t.publish(by, notice{s.late.deed, s.late.number})
		t.late, t.lateOf = operation{}, 0
		m.to(t, act{verb: vLate, node: by, arg: uint8(s.late.deed)})
		t = s // or refuses it, as its time is over
		t.late, t.lateOf = operation{}, 0
		m.to(t, act{verb: vTooLate, node: by, arg: uint8(s.late.deed)})
	}
	if s.left.Step > 0 {
		for _, by := range []int8{-2, 2} {
			t := s
			t.left.Step--
			t.clock += by
			t.node[0].beat, t.node[1].beat = false, false
			m.to(t, act{verb: vStep, arg: uint8(by + 2)})
		}
	}
	if s.left.Tick > 0 {
		t := s
		t.left.Tick--
		t.now++
		m.to(t, act{verb: vTick})
	}
}

// sync brings the replica up to date, in one shard or in both.
func (m *machine) sync(s state, shard int) state {
	old := s.replica
	s.replica = s.master
	if m.Cluster {
		take := &s.replica
		if shard == keys {
			take.clear, take.tag, take.mark, take.count = old.clear, old.tag, old.mark, old.count
			take.ended = old.ended
		} else {
			take.record, take.lease = old.record, old.lease
		}
		take.offset[1-shard] = old.offset[1-shard]
	}
	return s
}

// failover puts the replica in the master's place, or restarts the master from its snapshot. What
// was under way on the master's notices is lost.
func (m *machine) failover(s state) {
	for i := range shards {
		if !m.Cluster && i != keys {
			continue
		}
		t := s
		t.left.Failover--
		verb := vFailover
		if m.Restart {
			verb = vRestart
		}
		for j := range shards {
			if m.Cluster && j != i {
				continue
			}
			h := history{t.hist[j].id + 1, t.hist[j].id, t.replica.offset[j]}
			if m.Restart {
				h.parent = 0
			}
			t.hist[j] = h
			for n := range t.node {
				p := &t.node[n]
				if m.Restart || t.replica.offset[j] < p.dropped[j] {
					p.exempt, p.load.floor = true, 0
				}
			}
		}
		other := m.sync(state{replica: t.master, master: t.replica}, i) // t.master, with the shard of t.replica
		t.master = other.replica
		t.replica, t.attached, t.left.Detach = data{}, false, 0
		for n := range t.node {
			t.node[n].queue = [2]notice{}
			t.node[n].beat = false
		}
		m.to(t, act{verb: verb, arg: uint8(i)})
	}
}

// evict removes something that a full Redis may remove.
func (m *machine) evict(s state) {
	s.left.Evict--
	s.evicted = true
	if s.master.record.kind != nothing {
		t := s
		t.master.record = record{}
		m.to(t, act{verb: vEvict, arg: 0})
	}
	if s.master.mark != 0 && m.deeds(endTag) {
		t := s
		t.master.mark, t.master.count, t.master.tag = 0, 0, token{} // they are one hash
		m.to(t, act{verb: vEvict, arg: 1})
	}
	if s.master.clear != 0 && m.deeds(clearAll) {
		t := s
		t.master.clear = 0
		m.to(t, act{verb: vEvict, arg: 2})
	}
}
