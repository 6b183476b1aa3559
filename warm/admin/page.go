package admin

import (
	"embed"
	"net/http"
)

//go:embed page.html page.css page.js
var files embed.FS

// page serves one part of the page. The parts name each other relatively, so that the page works
// below any prefix.
func page(name, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		text, err := files.ReadFile(name)
		if err != nil {
			fail(w, http.StatusInternalServerError, "the page is not in this program")
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		_, _ = w.Write(text) // a client that is gone is nobody to tell
	}
}
