package warm

import (
	"context"
	"time"

	"github.com/warmcache/warmcache/schedule"
)

// The names of the engine's jobs.
const (
	cronJob     = "daily_cache_warmup"
	intervalJob = "interval_cache_warmup"
)

// newScheduler returns a scheduler with the jobs of the configuration, which sleeps until Start.
func (e *Engine) newScheduler() (*schedule.Scheduler, error) {
	s := schedule.New(schedule.Config{Location: e.cfg.Location, Logger: e.cfg.Logger})
	if e.cfg.SkipSchedule || e.cfg.Disabled {
		return s, nil
	}
	if err := s.Add(schedule.Job{Name: cronJob, Schedule: e.cfg.cron, Run: e.scheduled}); err != nil {
		return nil, err
	}
	if e.cfg.Interval > 0 {
		if err := s.Add(schedule.Job{Name: intervalJob, Schedule: e.cfg.interval, Run: e.scheduled}); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// cronRequest is what a run of the cron job asks for. Nodes agree on the fire times of fields.
// Those of @every count from each node's own start, so that a pass of this interval will do;
// @reboot is one more start.
func (e *Engine) cronRequest(due time.Time) Request {
	req := Request{Trigger: TriggerSchedule, every: e.cfg.cron.Length()}
	switch {
	case e.cfg.cron.String() == "@reboot":
		req.Trigger = TriggerStartup
	case req.every == 0:
		req.slot = cronJob + "@" + due.UTC().Format(time.RFC3339)
	}
	return req
}

// scheduled is the work of both jobs: it lasts as long as the run, so that the job's own record
// tells how that went. What ctx ends is the waiting; the run is ended by Stop.
func (e *Engine) scheduled(ctx context.Context) error {
	req := Request{Trigger: TriggerSchedule}
	if fired, ok := schedule.RunFromContext(ctx); ok && fired.Job == cronJob {
		req = e.cronRequest(fired.Due)
	}
	ticket, begun := e.background(ctx, req)
	if !begun {
		return nil
	}
	select {
	case <-ticket.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if _, err := ticket.Run(); err != nil {
		return err
	}
	return nil // the tasks' own errors are logged already
}
