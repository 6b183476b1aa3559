package httpcache_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/warmcache/warmcache/internal/redistest"
	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// A group that is ended while a variant is loaded ends that too.
func TestGroups_endTheLoadsUnderWay(t *testing.T) {
	t.Parallel()
	var cache *httpcache.Cache
	say := func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			if err := cache.InvalidateGroups(t.Context(), "http://example.com", "g"); err != nil {
				t.Error(err)
			}
		}
		answer(w, strconv.Itoa(n), "Cache-Control: max-age=600", "Vary: Foo", `Cache-Groups: "g"`)
	}
	w := newWorld(t, httpcache.Config{Redis: connect(t, redistest.Start(t).Client()), Logger: quiet()}, say)
	cache = w.cache
	w.get("http://example.com/a")
	redistest.Eventually(t, 10*time.Second, func() error { // the load comes to its end
		w.get("http://example.com/a")
		if w.count() < 2 {
			return errDown
		}
		return nil
	})
}
