package tierprom_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/warmcache/warmcache/extra/tierprom"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

func Example() {
	metrics := tierprom.New()
	cache, err := tiercache.New(tiercache.Config[string, string]{
		Name: "brands", TTL: time.Hour, Observer: metrics,
		Load: func(_ context.Context, key string) (string, error) { return strings.ToUpper(key), nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	engine, err := warm.New(warm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := metrics.AddCaches(cache); err != nil {
		fmt.Println(err)
		return
	}
	if err := metrics.SetEngine(engine); err != nil {
		fmt.Println(err)
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()

	for range 3 {
		if _, err := cache.Get(context.Background(), "nike"); err != nil {
			fmt.Println(err)
		}
	}
	for line := range strings.Lines(scraped(server.URL)) {
		if strings.HasPrefix(line, "tiercache_requests_total") && !strings.HasSuffix(line, " 0\n") || strings.HasPrefix(line, "tiercache_scheduler") {
			fmt.Print(line)
		}
	}
	// Output:
	// tiercache_requests_total{cache="brands",result="hit",tier="memory"} 2
	// tiercache_requests_total{cache="brands",result="miss",tier="source"} 1
	// tiercache_scheduler_running 0
}

func scraped(url string) string {
	response, err := http.Get(url) //nolint:noctx // the server is the Example's own
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
