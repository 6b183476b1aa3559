package warm

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/warmcache/warmcache/tiercache"
)

// Plan is what a run would do: task by task, in their order, and cache by cache.
type Plan struct {
	Tasks    []TaskPlan  `json:"tasks"`
	Caches   []CachePlan `json:"caches"`
	Findings []Finding   `json:"findings"` // what [Engine.Lint] would say after such a run
}

// TaskPlan is what a run of a task would do. Counts are of judged entries.
type TaskPlan struct {
	Name            string     `json:"name"`
	Cache           string     `json:"cache,omitempty"` // empty for a function
	After           []string   `json:"after"`
	Status          TaskStatus `json:"status"` // of the dry run; skipped for a function, of which nothing is known before it runs
	Reason          string     `json:"reason,omitempty"`
	DurationSeconds decimal    `json:"duration_seconds"` // what the source took
	Items           int        `json:"items"`
	Bytes           int64      `json:"bytes"`        // of records in Redis
	Cost            int64      `json:"cost"`         // in memory, of those that fit and are not there yet
	FreshMemory     int        `json:"fresh_memory"` // already there, and fresh
	FreshRedis      int        `json:"fresh_redis"`
	NoRoom          int        `json:"no_room"`        // would go to Redis only
	Failed          int        `json:"failed"`         // could not be stored
	Keys            []string   `json:"keys,omitempty"` // the first of them; not for everybody's eyes
}

// CachePlan is what the tasks of a cache would do to its memory.
type CachePlan struct {
	Name     string `json:"name"`
	Capacity int64  `json:"capacity"`
	Used     int64  `json:"used"`   // now
	Takes    int64  `json:"takes"`  // what the tasks would add
	Evicts   int64  `json:"evicts"` // what would have to leave for it, as tasks that run at the same time don't see what the others take
}

// plannedKeys is how many keys of a task a plan shows.
const plannedKeys = 20

// Plan makes a dry run of what req names, and tells what a run would do, what it would cost, and
// what would have to leave for it. It asks the source, and Redis for what it holds, and writes
// nothing. It waits for its turn as Run does, and fails as Run does.
func (e *Engine) Plan(ctx context.Context, req Request) (Plan, error) {
	req.DryRun = true
	run, err := e.Run(ctx, req)
	if err != nil {
		return Plan{}, err
	}
	e.mu.Lock()
	tasks := slices.Clone(e.tasks)
	e.mu.Unlock()
	p := Plan{Tasks: []TaskPlan{}, Caches: []CachePlan{}, Findings: []Finding{}}
	for _, tr := range run.Tasks {
		i := slices.IndexFunc(tasks, func(t *task) bool { return t.name == tr.Name })
		if i < 0 || len(req.Tasks) > 0 && !slices.Contains(req.Tasks, tr.Name) { // the run was shared with others
			continue
		}
		t := tasks[i]
		plan := tr.planned(t)
		p.Tasks = append(p.Tasks, plan)
		p.Findings = append(p.Findings, lintRun(t, tr, tr.Ended.Sub(tr.Started))...)
		p.take(t, plan)
	}
	for i, c := range p.Caches {
		p.Caches[i].Evicts = max(0, c.Used+c.Takes-c.Capacity)
	}
	return p, nil
}

// take adds what a task takes to its cache's plan.
func (p *Plan) take(t *task, plan TaskPlan) {
	cache, ok := t.target.(sized)
	if !ok {
		return
	}
	i := slices.IndexFunc(p.Caches, func(c CachePlan) bool { return c.Name == plan.Cache })
	if i < 0 {
		s := cache.Stats()
		i = len(p.Caches)
		p.Caches = append(p.Caches, CachePlan{Name: plan.Cache, Capacity: s.Capacity, Used: s.Cost})
	}
	p.Caches[i].Takes += plan.Cost
}

// planned is the plan of a task whose dry run is t.
func (t TaskRun) planned(of *task) TaskPlan {
	var p TaskPlan
	if t.plan != nil {
		p = *t.plan
	}
	p.Name, p.After, p.Status, p.Reason = of.name, append([]string{}, of.opts.After...), t.Status, reason(t)
	if of.target != nil {
		p.Cache = of.target.Name()
	}
	if !t.Started.IsZero() {
		p.DurationSeconds = decimal(t.Ended.Sub(t.Started).Seconds())
	}
	return p
}

// planning collects what a dry run finds. A loader that was abandoned may go on to find more.
type planning struct {
	mu   sync.Mutex
	over bool
	plan TaskPlan
	seen map[string]struct{} // an entry may be judged twice
}

func newPlanning() *planning { return &planning{seen: make(map[string]struct{})} }

func (p *planning) judge(j tiercache.Judgement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, again := p.seen[j.Key]; again || p.over {
		return
	}
	p.seen[j.Key] = struct{}{}
	if j.Err != nil {
		p.plan.Failed++
		return
	}
	p.plan.Items++
	p.plan.Bytes += int64(j.Bytes)
	if j.InMemory {
		p.plan.FreshMemory++
	} else if j.Fits {
		p.plan.Cost += j.Cost
	}
	if j.InRedis {
		p.plan.FreshRedis++
	}
	if !j.Fits {
		p.plan.NoRoom++
	}
	if len(p.plan.Keys) < plannedKeys {
		p.plan.Keys = append(p.plan.Keys, j.Key)
	}
}

func (p *planning) end() *TaskPlan {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	plan := p.plan
	return &plan
}

// String is the plan as one line for a log: "popular_brands: 20 items, 12 kB, 1.2s".
func (p TaskPlan) String() string {
	return fmt.Sprintf("%s: %d items, %d bytes, %s", p.Name, p.Items, p.Bytes, short(time.Duration(float64(p.DurationSeconds)*float64(time.Second))))
}
