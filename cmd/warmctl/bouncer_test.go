package main_test

import (
	"strings"
	"testing"

	"github.com/warmcache/warmcache/internal/pgtest"
)

// pgbouncer refuses the parameter by which a session only reads: it is left out then. What it
// answers here is no schema, so that something is wrong all the same.
func TestVerify_behindPgbouncer(t *testing.T) {
	t.Parallel()
	got := call(t, []string{"DATABASE_URL=postgres://app:pw@" + pgtest.Bouncer(t) + "/db?sslmode=disable&default_query_exec_mode=simple_protocol"}, "verify")
	if strings.Contains(got.out+got.err, "startup parameter") || strings.Contains(got.out+got.err, "does not answer") {
		t.Errorf("it does not come through:\n%s%s", got.out, got.err)
	}
}
