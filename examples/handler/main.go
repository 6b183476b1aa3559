// Command handler puts a cache before a net/http handler: as many requests as may come, the slow handler behind it is asked once a minute and path.
//
//	go run ./examples/handler
//	curl -i http://127.0.0.1:8081/report?week=7
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, "127.0.0.1:8081"); err != nil {
		fmt.Fprintf(os.Stderr, "handler: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, addr string) error {
	cached, err := newCached("pages", http.HandlerFunc(report))
	if err != nil {
		return err
	}
	defer cached.Close() //nolint:errcheck // it has no error to tell
	server := &http.Server{Addr: addr, Handler: cached, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // ListenAndServe says it
	defer stop()
	slog.InfoContext(ctx, "listening", slog.String("url", "http://"+addr))
	if err := server.ListenAndServe(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// report stands for a handler that is worth a cache.
func report(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(2 * time.Second):
		_, _ = fmt.Fprintf(w, "the report of week %q, made at %s\n", r.URL.Query().Get("week"), time.Now().Format(time.TimeOnly))
	case <-r.Context().Done():
	}
}
