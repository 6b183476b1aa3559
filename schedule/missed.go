package schedule

import "time"

// countLimit bounds the work after a long sleep: so many missed due times are counted one by one.
const countLimit = 1000

// passed collects the due times of a job that have come.
type passed struct {
	first   time.Time
	planned time.Time   // when the first should have fired
	times   []time.Time // the latest ones, as many as may run; never empty
	total   int
	next    time.Time // the first that has not come
	fire    time.Time // next with its jitter
	err     error     // what is wrong with the schedule
}

// count walks the due times up to now and plans the one after.
func (p *passed) count(j *job, now time.Time) {
	if p.err = p.walk(j, now); p.err == nil {
		p.fire, p.err = j.delayed(p.next)
	}
}

func (p *passed) walk(j *job, now time.Time) (err error) {
	keep := max(1, int(j.Missed))
	due := p.first
	for {
		p.total++
		if p.times = append(p.times, due); len(p.times) > keep {
			p.times = p.times[1:]
		}
		if p.next, err = j.next(due); err != nil || p.next.IsZero() || p.next.After(now) {
			return err
		}
		if p.total == countLimit {
			return p.jump(j, now)
		}
		due = p.next
	}
}

// jump leaves due times uncounted where there are too many: only the latest counts then.
func (p *passed) jump(j *job, now time.Time) (err error) {
	latest := p.next
	if cron, ok := j.Schedule.(*Cron); ok {
		latest = cron.Prev(now.Add(1))
	}
	if j.length > 0 {
		latest = now.Add(-(now.Sub(p.next) % j.length))
		now = latest // the phase stays
	}
	p.times = []time.Time{latest.Round(0)}
	p.next, err = j.next(now)
	return err
}

// runs returns the runs that the job's policy makes of the due times, and a record of those it
// leaves out.
func (p *passed) runs(j *job, now time.Time, grace time.Duration) (runs []Run, left Run) {
	latest := p.times[len(p.times)-1]
	planned := latest
	if p.total == 1 {
		planned = p.planned
	}
	one := Run{Job: j.Name, Due: latest, Since: latest, planned: planned}
	left = Run{Job: j.Name, Due: latest, Since: p.first, Missed: p.total, Outcome: OutcomeMissed, planned: p.planned}
	switch {
	case j.Missed == MissedOnce:
		one.Since, one.Missed, one.planned = p.first, p.total-1, p.planned
		return []Run{one}, Run{Missed: 0}
	case j.Missed == MissedSkip && now.Sub(planned) > grace:
		return nil, left
	case j.Missed == MissedSkip:
		left.Missed--
		return []Run{one}, left
	}
	for _, due := range p.times {
		r := Run{Job: j.Name, Due: due, Since: due, planned: due}
		if p.total == 1 {
			r.planned = p.planned
		}
		runs = append(runs, r)
	}
	left.Missed -= len(runs)
	return runs, left
}
