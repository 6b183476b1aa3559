package warm

import (
	"errors"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/tiercache"
)

// said is what a task's error was asked. Its methods may be the user's, and block: the engine asks
// them once, as the task ends, and never with Engine.mu held.
type said struct {
	reason string // why the task is not ok, without a word of the loader's error
	away   bool   // it waits for Redis
	lost   bool   // some of it did not reach Redis
	oom    bool   // which had no room for it
	back   bool   // entries were taken back, and that is all
	capped bool   // the loader had more than MaxItems
}

// asked is t with what its error says. Engine.mu must not be held.
func (t TaskRun) asked() TaskRun {
	s := t.ask()
	t.answer = &s
	return t
}

// said returns the answers of asked. What was never asked has no error of the user's, unless it is
// a record that the user has made.
func (t TaskRun) said() said {
	if t.answer != nil {
		return *t.answer
	}
	return t.ask()
}

func (t TaskRun) ask() said {
	return said{
		reason: reason(t),
		away:   errors.Is(t.Err, errRedisAway),
		lost:   errors.Is(t.Err, tiercache.ErrDegraded),
		oom:    redis.HasErrorPrefix(t.Err, "OOM"),
		back:   errors.As(t.Err, new(takenBackError)),
		capped: errors.Is(t.Result.Err, tiercache.ErrMaxItems),
	}
}

// reason says why a task is not ok without a word of the loader's error.
func reason(t TaskRun) string {
	var panicked *tiercache.PanicError
	var inTask taskTimeoutError
	var inRun runTimeoutError
	switch {
	case t.Err == nil:
		return ""
	case errors.Is(t.Err, errRedisAway):
		return errRedisAway.Error()
	case t.Status == TaskSkipped:
		return t.Err.Error() // the engine's own
	case errors.As(t.Err, &inTask):
		return inTask.Error()
	case errors.As(t.Err, &inRun):
		return inRun.Error()
	case errors.Is(t.Err, ErrStopped):
		return "the engine stopped"
	case t.Status == TaskCancelled, t.Status == TaskAbandoned:
		return "the run was cancelled"
	case errors.As(t.Err, &panicked):
		return "the loader panicked; the log has its stack"
	case errors.Is(t.Err, tiercache.ErrGoexit):
		return "the loader called runtime.Goexit"
	case t.Result.Err == nil:
		return t.Err.Error() // the engine's own
	default:
		return "the loader returned an error; the log has it"
	}
}
