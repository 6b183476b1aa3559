package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// What follows shows keys, and the plan asks the source: all of it is for those alone who may run
// tasks. Values are never shown.

// hotKeys is the answer of hot.
type hotKeys struct {
	Cache string                     `json:"cache"`
	Keys  []tiercache.HotKey[string] `json:"keys"`           // the hottest first
	Note  string                     `json:"note,omitempty"` // why they are not what the whole fleet reads
}

const (
	mostKeyBytes = 8 << 10
	planTime     = 10 * time.Minute // of a dry run; the engine's own timeout is the usual end
)

// hot shows a cache's hottest keys: ?cache=NAME&n=20.
func (h *handler) hot(w http.ResponseWriter, r *http.Request) {
	if !h.authorized(w, r) {
		return
	}
	n := 20
	if text := r.FormValue("n"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > 10_000 {
			fail(w, http.StatusBadRequest, fmt.Sprintf("n %s: want a number from 1 to 10000", quote(text)))
			return
		}
	}
	cache := r.FormValue("cache")
	keys, err := h.engine.Hot(r.Context(), cache, n)
	found := hotKeys{Cache: cache, Keys: keys}
	switch {
	case errors.Is(err, tiercache.ErrNotLearning):
		fail(w, http.StatusNotFound, err.Error())
		return
	case err != nil && keys == nil: // an unknown cache, or a closed one
		fail(w, codeOf(err), err.Error())
		return
	case err != nil:
		h.cfg.Logger.WarnContext(r.Context(), "admin: the fleet's hot keys could not be read", slog.Any("error", err))
		found.Note = "Redis did not answer: these are the keys of this process alone"
	}
	answer(w, http.StatusOK, found)
}

// explain says why a read of a key would answer as it does: ?cache=NAME&key=KEY.
func (h *handler) explain(w http.ResponseWriter, r *http.Request) {
	if !h.authorized(w, r) {
		return
	}
	key := r.FormValue("key")
	if len(key) > mostKeyBytes || !r.Form.Has("key") {
		fail(w, http.StatusBadRequest, fmt.Sprintf("want a key of at most %d bytes, as in ?cache=NAME&key=KEY", mostKeyBytes))
		return
	}
	e, err := h.engine.Explain(r.Context(), r.FormValue("cache"), key)
	if err != nil {
		code := codeOf(err)
		if code == http.StatusInternalServerError {
			code = http.StatusBadRequest // the key is none of the cache's
		}
		fail(w, code, err.Error())
		return
	}
	answer(w, http.StatusOK, e)
}

// plan makes a dry run and answers with what a run would do. The body is that of execute, of which
// it heeds the tasks.
func (h *handler) plan(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		wrongMethod(w, "POST")
		return
	}
	if !h.authorized(w, r) {
		return
	}
	o, code, err := readOrder(w, r)
	if err != nil {
		fail(w, code, err.Error())
		return
	}
	// A server's own WriteTimeout counts from the request on. Where there is none to move, there is
	// none in the way.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(planTime))
	p, err := h.engine.Plan(r.Context(), warm.Request{Tasks: o.Tasks, Sequential: o.Sequential, Trigger: warm.TriggerHTTP})
	if err != nil {
		fail(w, codeOf(err), err.Error())
		return
	}
	answer(w, http.StatusOK, p)
}
