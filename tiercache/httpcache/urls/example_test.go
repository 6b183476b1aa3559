package urls_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/warmcache/warmcache/tiercache/httpcache/urls"
)

const log = `192.0.2.7 - - [27/Nov/2026:04:43:52 +0000] "GET / HTTP/1.1" 200 512 "-" "Mozilla/5.0"
192.0.2.8 - - [27/Nov/2026:04:43:53 +0000] "GET /brands/Nike?week=7 HTTP/1.1" 200 2048 "-" "Mozilla/5.0"
192.0.2.9 - - [27/Nov/2026:04:43:54 +0000] "POST /orders HTTP/1.1" 201 17 "-" "Mozilla/5.0"
192.0.2.7 - - [27/Nov/2026:04:43:55 +0000] "GET /brands/Nike?week=7 HTTP/1.1" 304 - "-" "Mozilla/5.0"
`

func ExampleAccessLog() {
	folder, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system's folder for what nobody keeps
	name := filepath.Join(folder, "access.log")
	if err := os.WriteFile(name, []byte(log), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	source := urls.AccessLog{
		Files:   []string{name}, // and access.log.1, access.log.2.gz
		Base:    "https://www.example.com",
		Headers: []http.Header{{"Accept-Encoding": {"gzip, deflate, br, zstd"}}}, // as browsers send it
		Report: func(r urls.LogReport) {
			fmt.Printf("%d lines: %d counted, %d skipped, %d broken\n", r.Lines, r.Counted, r.Skipped, r.Broken)
		},
	}
	// An HTTP cache takes it as cache.RegisterURLs("log", source.URLs, httpcache.WarmOptions{}).
	err = source.URLs(context.Background(), func(url string, _ http.Header) error {
		fmt.Println(url)
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// https://www.example.com/brands/Nike?week=7
	// https://www.example.com/
	// 4 lines: 3 counted, 1 skipped, 0 broken
}

func ExampleSitemap() {
	source := urls.Sitemap{
		URL:  "http://127.0.0.1:8081/sitemap.xml", // where it is fetched from
		Base: "https://www.example.com",           // as which visitors ask
		Max:  1000,
		Report: func(r urls.SitemapReport) {
			slog.Info("sitemap read", slog.Int("urls", r.Emitted), slog.Int("files", r.Files))
		},
	}
	// An HTTP cache takes it as cache.RegisterURLs("sitemap", source.URLs,
	// httpcache.WarmOptions{}).
	_ = source.URLs(context.Background(), func(url string, _ http.Header) error {
		fmt.Println(url)
		return nil
	})
}
