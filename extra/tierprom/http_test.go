package tierprom_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/extra/tierprom"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/httpcache"
)

// counted is an HTTP cache with these figures.
type counted struct {
	name  string
	stats httpcache.Stats
}

func (c counted) Name() string           { return c.name }
func (c counted) Stats() httpcache.Stats { return c.stats }
func (c counted) Tiers() tiercache.Stats { return tiercache.Stats{MemoryHits: 7} }

// Every counter of Stats has a sample of its own: each is set to another figure, and looked for.
func TestHTTP_everyOutcome(t *testing.T) {
	t.Parallel()
	c := counted{name: "pages"}
	want := make(map[float64]string)
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for field, value := range v.Fields() {
			if value.Kind() == reflect.Struct {
				fill(value)
				continue
			}
			n := uint64(1000 + len(want))
			value.SetUint(n)
			want[float64(n)] = field.Name
		}
	}
	fill(reflect.ValueOf(&c.stats).Elem())
	metrics := tierprom.New()
	if err := metrics.AddHTTPCaches(c); err != nil {
		t.Fatal(err)
	}
	got := scrape(t, metrics)
	for name, value := range got {
		if strings.HasPrefix(name, "tiercache_http_") {
			delete(want, value)
		}
	}
	if len(want) > 0 {
		t.Errorf("nothing shows %v", want)
	}
	check(t, got, map[string]float64{"tiercache_requests_total pages hit memory": 7})
	if err := metrics.AddHTTPCaches(c); err == nil || !strings.Contains(err.Error(), `a cache "pages" already`) {
		t.Errorf("the same name again: error %v", err)
	}
	if err := metrics.AddHTTPCaches(nil); err == nil || !strings.Contains(err.Error(), "a cache is nil") {
		t.Errorf("nil: error %v", err)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	cache, err := httpcache.New(httpcache.Config{Name: "pages"})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	h := cache.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "page")
	}))
	metrics := tierprom.New()
	if err := metrics.AddHTTPCaches(cache); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodGet, http.MethodGet, http.MethodPost} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, "/", http.NoBody))
	}
	check(t, scrape(t, metrics), map[string]float64{
		"tiercache_http_requests_total pages  miss":       1,
		"tiercache_http_requests_total pages  hit":        2,
		"tiercache_http_requests_total pages method pass": 1,
	})
}
