package httpcache

import (
	"net/http"
	"slices"
	"testing"
)

// What caches nearer to the origin have said of an answer stays with it in Redis.
func TestCodec_status(t *testing.T) {
	t.Parallel()
	want := []string{"origin; hit", "edge; hit"}
	data, _ := codec{}.Encode(nil, newAnswer(http.StatusOK, http.Header{"A": {"1"}, "Cache-Status": want}))
	v, err := codec{}.Decode(data)
	if err != nil || !slices.Equal(v.told, want) {
		t.Errorf("Cache-Status %q, %v, want %q", v.told, err, want)
	}
}
