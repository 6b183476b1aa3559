package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/bench/internal/dataset"
	"github.com/warmcache/warmcache/bench/internal/source"
	"github.com/warmcache/warmcache/loaders"
	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/warm"
)

// start is one start of a service; its arms differ in nothing but when they warm and when they are
// asked.
type start struct {
	path   string // of the database
	redis  string // host:port
	brand  string // what is asked for
	source source.Config
	log    *slog.Logger
}

// outcome is what a start was measured at.
type outcome struct {
	Start   int           `json:"start"`
	Arm     arm           `json:"arm"`
	Brand   string        `json:"brand"`
	Latency time.Duration `json:"latency_ns"` // of the first request: from the dial to the last byte
	Cache   string        `json:"cache"`      // the tier that answered it
	Ready   time.Duration `json:"ready_ns"`   // from the start until the readiness gate was open; 0 where nobody waited for it
	Queries int           `json:"queries"`    // that the request and the start's warming sent to the source
	Rows    int           `json:"rows"`       // that they returned
}

// run starts the service, asks it once, lets its warming end, and stops it.
func (s start) run(ctx context.Context, a arm) (o outcome, err error) {
	began := time.Now()
	db, err := dataset.Open(s.path)
	if err != nil {
		return o, err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	slowed := source.New(db, s.source)
	client := redis.NewClient(&redis.Options{Addr: s.redis, ContextTimeoutEnabled: true})
	defer client.Close() //nolint:errcheck // nothing is left to lose
	// Both arms wait for a late Redis, rather than be refused as a measurement: it shows in the
	// figures.
	tier, err := tiercache.NewRedis(client, tiercache.RedisConfig{Timeout: 5 * time.Second, Logger: s.log})
	if err != nil {
		return o, err
	}
	defer tier.Close() //nolint:errcheck // nothing is left to lose
	caches, err := loaders.Open(ctx, slowed, tier, loaders.Config{Logger: s.log})
	if err != nil {
		return o, err
	}
	defer caches.Close() //nolint:errcheck // nothing is left to lose
	engine, err := warm.New(warm.Config{Redis: tier, Disabled: a == off, SkipSchedule: true, Logger: s.log})
	if err != nil {
		return o, err
	}
	defer engine.Stop(ctx) //nolint:errcheck // where it matters it was stopped before
	if err := engine.Add(caches.Targets()...); err != nil {
		return o, err
	}
	address, stop, err := serve(ctx, handler(caches))
	if err != nil {
		return o, err
	}
	defer stop()
	before := slowed.Log() // loaders.Open has looked at the schema
	if err := engine.Start(ctx); err != nil {
		return o, err
	}
	o = outcome{Arm: a, Brand: s.brand}
	if a == atReady {
		// The built-in loaders are all Required: the gate opens when the last of them is done.
		select {
		case <-engine.Ready():
			o.Ready = time.Since(began)
		case <-ctx.Done():
			return o, ctx.Err()
		}
	}
	o.Latency, o.Cache, err = ask(ctx, address, s.brand)
	if err != nil {
		return o, err
	}
	if err := engine.Stop(ctx); err != nil { // waits for the start-up run
		return o, err
	}
	after := slowed.Log()
	o.Queries, o.Rows = after.Queries-before.Queries, after.Rows-before.Rows
	return o, s.check(a, o, engine.History())
}

// serve serves a handler on an address of its own until stop.
func serve(ctx context.Context, h http.Handler) (address string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Close
	}()
	return listener.Addr().String(), func() {
		server.Close() //nolint:errcheck // the one request there was is over
		<-served
	}, nil
}

// check refuses a measurement that is not of what it says.
func (start) check(a arm, o outcome, runs []warm.Run) error {
	switch {
	case a == off && len(runs) != 0:
		return fmt.Errorf("%d runs with warming off", len(runs))
	case a == off && o.Cache != tiercache.FromSource.String():
		return fmt.Errorf("answered from %s with warming off and an empty Redis", o.Cache)
	case a == off:
		return nil
	case len(runs) != 1:
		return fmt.Errorf("%d runs, want the one at start", len(runs))
	case runs[0].SuccessRate() != 100:
		return fmt.Errorf("the start-up run: %w", runs[0].Err())
	case a == atReady && o.Cache != tiercache.FromMemory.String():
		return fmt.Errorf("answered from %s after the gate was open", o.Cache)
	}
	return nil
}

// handler answers as examples/brandapi does.
func handler(caches *loaders.Caches) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/brands/{name}", func(w http.ResponseWriter, r *http.Request) {
		entry, err := caches.Brands.GetEntry(r.Context(), r.PathValue("name"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("X-Cache", entry.Source.String())
		_ = json.NewEncoder(w).Encode(entry.Value) // the one client there is says what it misses
	})
	return mux
}

// ask sends one request over a connection of its own.
func ask(ctx context.Context, addr, name string) (took time.Duration, tier string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/api/brands/"+url.PathEscape(name), http.NoBody)
	if err != nil {
		return 0, "", err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	began := time.Now()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(response.Body)
	took = time.Since(began)
	switch {
	case err != nil:
		return 0, "", err
	case response.StatusCode != http.StatusOK:
		return 0, "", fmt.Errorf("%s: %s", response.Status, body)
	case len(body) == 0:
		return 0, "", errors.New("an empty answer")
	}
	return took, response.Header.Get("X-Cache"), nil
}
