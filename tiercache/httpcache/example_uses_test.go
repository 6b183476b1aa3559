package httpcache_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/warmcache/warmcache/tiercache"
	"github.com/warmcache/warmcache/tiercache/httpcache"
	"github.com/warmcache/warmcache/warm/admin"
)

// A handler whose answers say how long they are fresh is run once for all who ask.
func ExampleCache_Handler() {
	cache, err := httpcache.New(httpcache.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("the handler runs")
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "page "+r.URL.Path)
	})
	server := httptest.NewServer(cache.Handler(site))
	defer server.Close()
	for range 2 {
		fmt.Println(readPage(server.URL + "/a"))
	}
	// Output:
	// the handler runs
	// page /a
	// page /a
}

// A site with log-ins: pages for everybody are stored, all else passes.
func ExampleNew_site() {
	cache, err := httpcache.New(httpcache.Config{
		Name:      "site",
		TagHeader: "Surrogate-Key",          // a page names what it shows: "product-7 category-3"
		Purge:     admin.Bearer("a-secret"), // warmctl purge -tag product-7
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			w.Header().Set("Cache-Control", "private")
		} else {
			w.Header().Set("Cache-Control", "max-age=60, stale-while-revalidate=600, stale-if-error=86400")
		}
		w.Header().Set("Vary", "Cookie")
		w.Header().Set("Surrogate-Key", "product-7 category-3")
		_, _ = io.WriteString(w, "page")
	})
	_ = http.Server{Handler: cache.Handler(site)}
	// The program that changes a product ends every page that shows it.
	fmt.Println(cache.InvalidateGroups(context.Background(), "https://www.example.com", "product-7"))
	// Output: <nil>
}

// An API whose answers say nothing about caching.
func ExampleNew_api() {
	cache, err := httpcache.New(httpcache.Config{
		Name:         "api",
		DefaultTTL:   10 * time.Second, // of answers that say nothing
		StaleIfError: 10 * time.Minute,
		IgnoreClient: true, // no client can have each request reach the database
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	api := http.NewServeMux()
	api.HandleFunc("GET /brands/{name}", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"name": %q}`, r.PathValue("name"))
	})
	server := httptest.NewServer(cache.Handler(api))
	defer server.Close()
	for range 3 {
		readPage(server.URL + "/brands/Nike")
	}
	fmt.Println(cache.Stats().Misses, "miss,", cache.Stats().Hits, "hits")
	// Output: 1 miss, 2 hits
}

// A reverse proxy that does what RFC 9111 allows and not only what is safe for every site.
func ExampleNew_proxy() {
	cache, err := httpcache.New(httpcache.Config{
		Name:           "proxy",
		Heuristic:      0.1,
		StaleIfError:   time.Minute,
		Targeted:       []string{"CDN-Cache-Control"},
		StoreSetCookie: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cache.Close() //nolint:errcheck // it has no error to tell
	origin := &url.URL{Scheme: "http", Host: "127.0.0.1:9000"}
	proxy := cache.Handler(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(origin); r.SetXForwarded() },
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256},
	})
	_ = http.Server{Addr: "127.0.0.1:8082", Handler: proxy, ReadHeaderTimeout: 5 * time.Second}
}

// The same endpoint with a typed cache and behind an HTTP cache. Both ask the database once.
func Example_twoForms() {
	database := func(_ context.Context, name string) (string, error) {
		fmt.Println("the database is asked for", name)
		return `{"name": "` + name + `"}`, nil
	}
	typed, err := tiercache.New(tiercache.Config[string, string]{Name: "brand_stats", TTL: time.Hour, Load: database})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer typed.Close() //nolint:errcheck // it has no error to tell
	pages, err := httpcache.New(httpcache.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pages.Close() //nolint:errcheck // it has no error to tell

	one := http.NewServeMux()
	one.HandleFunc("GET /api/brands/{name}", func(w http.ResponseWriter, r *http.Request) {
		brand, err := typed.Get(r.Context(), r.PathValue("name"))
		answerBrand(w, brand, err)
	})
	two := http.NewServeMux()
	two.HandleFunc("GET /api/brands/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		brand, err := database(r.Context(), r.PathValue("name"))
		answerBrand(w, brand, err)
	})
	for _, h := range []http.Handler{one, pages.Handler(two)} {
		server := httptest.NewServer(h)
		for range 2 {
			fmt.Println(readPage(server.URL + "/api/brands/Nike"))
		}
		server.Close()
	}
	// Output:
	// the database is asked for Nike
	// {"name": "Nike"}
	// {"name": "Nike"}
	// the database is asked for Nike
	// {"name": "Nike"}
	// {"name": "Nike"}
}

func answerBrand(w http.ResponseWriter, body string, err error) {
	if err != nil {
		http.Error(w, "the database did not answer", http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, body)
}

// readPage is the body of a page.
func readPage(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close() //nolint:errcheck // it was read to its end
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	http.DefaultClient.CloseIdleConnections()
	return string(body)
}
