package model

// rename numbers the random tokens anew, in the order of their places: which of them are equal is
// all that counts, and states that differ in no more than their names are one.
func (s *state) rename() {
	var names [64]uint8
	s.fresh = 0
	name := func(at *uint8) {
		if *at == 0 {
			return
		}
		if names[*at] == 0 {
			s.fresh++
			names[*at] = s.fresh
		}
		*at = names[*at]
	}
	for _, d := range [...]*data{&s.master, &s.replica} {
		name(&d.clear)
		name(&d.mark)
		name(&d.tag.id)
		name(&d.tag.mark)
		name(&d.record.clear)
		name(&d.record.tag)
	}
	for n := range s.node {
		p := &s.node[n]
		name(&p.clear)
		name(&p.tag)
		name(&p.load.got.clear)
		name(&p.load.got.tag)
		name(&p.load.clear)
		name(&p.load.mark)
		name(&p.load.tag)
		name(&p.op.clear)
		name(&p.op.tag)
		name(&p.run.clear)
		name(&p.run.tag)
	}
	name(&s.late.clear)
	name(&s.late.tag)
}
