// Command handler puts an HTTP cache before a net/http handler, or before another server.
//
//	go run ./examples/handler
//	curl -i http://127.0.0.1:8081/report?week=7
//
// site.go is all that the first form takes. With -proxy URL the requests go to another server:
//
//	ADDR=127.0.0.1:8082 go run ./examples/handler -proxy http://127.0.0.1:8081
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/warmcache/warmcache/internal/dsn"
)

const usage = `usage: handler [-proxy URL] [-redis URL] [-warm SITEMAP-OR-LOG [-base URL]]

An HTTP cache before a slow report, or before another server.

  -proxy URL    the server that requests go to, such as http://127.0.0.1:9000; default: the report
  -redis URL    the cache's second tier, redis://USER:PASSWORD@HOST:6379/0; default: none
  -warm WHAT    fetch URLs before anybody asks: the URL or the file of a sitemap, the second of which
                ends in .xml or .xml.gz, or an access log in the common or combined log format
  -base URL     scheme and host by which visitors ask, for -warm; default: the address it listens on

  ADDR          the environment's: HOST:PORT to listen on; default 127.0.0.1:8081
  ADMIN_TOKEN   the environment's: the bearer token with which PURGE requests may end answers;
                default: nobody may
`

// options is what the command line and the environment say.
type options struct {
	addr  string
	token string
	proxy *url.URL       // nil = the report
	redis *redis.Options // nil = none
	warm  string         // "" = nothing
	base  *url.URL       // nil = where it listens
}

func main() {
	o, err := parse(os.Args[1:], os.Getenv)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
		return
	case err != nil:
		fmt.Fprintf(os.Stderr, "handler: %v\n\n%s", err, usage)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, o, slog.Default(), nil); err != nil {
		fmt.Fprintf(os.Stderr, "handler: %v\n", err)
		os.Exit(1)
	}
}

// parse reads the command line. No error repeats a URL: there may be a password in it.
func parse(args []string, env func(string) string) (options, error) {
	f := flag.NewFlagSet("handler", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	proxy, base := f.String("proxy", "", ""), f.String("base", "", "")
	second, warm := f.String("redis", "", ""), f.String("warm", "", "")
	if err := f.Parse(args); err != nil {
		return options{}, err
	}
	if f.NArg() > 0 {
		return options{}, fmt.Errorf("it takes flags only, and %d arguments were given", f.NArg())
	}
	o := options{addr: "127.0.0.1:8081", token: env("ADMIN_TOKEN"), warm: *warm}
	if addr := env("ADDR"); addr != "" {
		o.addr = addr
	}
	var err error
	if o.proxy, err = site("-proxy", *proxy); err != nil {
		return options{}, err
	}
	if o.base, err = site("-base", *base); err != nil {
		return options{}, err
	}
	if o.base != nil && (o.warm == "" || strings.Trim(o.base.Path, "/") != "") {
		return options{}, errors.New("-base: want a scheme and a host, and -warm beside it")
	}
	if *second != "" {
		if o.redis, err = dsn.ParseRedis(*second); err != nil {
			return options{}, errors.New("-redis: want a URL such as redis://USER:PASSWORD@HOST:6379/0; percent-encode / ? # and @ of a password")
		}
	}
	return o, nil
}

// site parses a scheme and a host; "" is nil.
func site(name, text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no URL is the default
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, fmt.Errorf("%s: want a URL without user and query, such as http://127.0.0.1:9000", name)
	}
	return u, nil
}
