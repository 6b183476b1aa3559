package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/warmcache/warmcache/warm"
	"github.com/warmcache/warmcache/warm/admin"
)

const (
	drainWithin = 2 * time.Second // from a signal until running requests and warm-ups are cut short
	stopWithin  = 4 * time.Second // from a signal until the process ends, whatever still hangs
)

// begin answers on the listener; what ends that comes from the channel.
func begin(ctx context.Context, log *slog.Logger, listener net.Listener, handler http.Handler) (*http.Server, <-chan error) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.InfoContext(ctx, "starting: every path but /healthz answers 503 until the database is ready", slog.String("at", "http://"+listener.Addr().String()))
	return server, failed
}

// serve answers until ctx ends; then it lets running requests and warm-ups end, but not for long.
func serve(ctx context.Context, log *slog.Logger, server *http.Server, failed <-chan error, engine *warm.Engine) error {
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		log.InfoContext(ctx, "stopping")
	}
	time.AfterFunc(stopWithin, func() {
		log.WarnContext(ctx, "something did not stop in time")
		os.Exit(0)
	})
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainWithin)
	defer cancel()
	var warming sync.WaitGroup
	warming.Go(func() { // beside Shutdown, which waits for the event streams, and those for the engine
		if err := engine.Stop(drain); err != nil {
			log.WarnContext(ctx, "warm-ups were cut short", slog.Any("error", err))
		}
	})
	if err := server.Shutdown(drain); err != nil {
		log.WarnContext(ctx, "requests were cut short", slog.Any("error", errors.Join(err, server.Close())))
	}
	warming.Wait()
	return err
}

// authorize says who may run warm-ups: who has the token; without one, who reaches a loopback
// address by a name of its own.
func authorize(token string, addr net.Addr) func(*http.Request) error {
	if token != "" {
		return admin.Bearer(token)
	}
	tcp, ok := addr.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	return func(r *http.Request) error {
		switch {
		case !loopback:
			return errors.New("ADMIN_TOKEN is not set, and the service does not listen on a loopback address")
		case !isLoopback(r.Host): // a page of another site whose name was bent to 127.0.0.1
			return errors.New("ADMIN_TOKEN is not set, and the request's Host is not a loopback address")
		}
		return nil
	}
}

func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") || ip != nil && ip.IsLoopback()
}
