package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// gate stands before the routes: until they are there, every path says how far the start is.
type gate struct {
	routes        atomic.Pointer[http.Handler]
	filled, total atomic.Int64 // reports of the demo data; 0 filled is before that begins
}

// open lets requests through to the routes.
func (g *gate) open(routes http.Handler) { g.routes.Store(&routes) }

// ServeHTTP answers /healthz with 200 for as long as the process lives.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		reply(w, http.StatusOK, struct {
			Status string `json:"status"`
		}{"alive"})
		return
	}
	if routes := g.routes.Load(); routes != nil {
		(*routes).ServeHTTP(w, r)
		return
	}
	w.Header().Set("Retry-After", "1")
	message := "the service is starting"
	if n := g.filled.Load(); n > 0 {
		message = fmt.Sprintf("the service is starting: the database is being filled, %d of %d reports are done", n, g.total.Load())
	}
	reply(w, http.StatusServiceUnavailable, problem{message})
}
