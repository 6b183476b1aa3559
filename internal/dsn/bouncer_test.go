package dsn_test

import (
	"net"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/internal/dsn"
	"github.com/warmcache/warmcache/internal/pgtest"
)

// pgbouncer refuses parameters of the session that it does not know: none is sent that the address
// does not name.
func TestParseDatabase_sendsNoStartupParameters(t *testing.T) {
	addr := pgtest.Bouncer(t)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	for text, taken := range map[string]bool{
		"postgres://app:pw@" + addr + "/db?sslmode=disable&default_query_exec_mode=simple_protocol":                     true,
		"postgres://app:pw@" + addr + "/db?default_query_exec_mode=simple_protocol&connect_timeout=9":                   true,
		"host=" + host + " port=" + port + " user=app password=pw dbname=db default_query_exec_mode=simple_protocol":    true,
		"postgres://app:pw@" + addr + "/db?default_query_exec_mode=simple_protocol&application_name=brands":             true,
		"postgres://app:pw@" + addr + "/db?default_query_exec_mode=simple_protocol&search_path=other&sslmode=disable":   false,
		"postgres://app:pw@" + addr + "/db?default_query_exec_mode=simple_protocol&statement_timeout=1&sslmode=disable": false,
		"postgres://app:pw@" + addr + "/db?sslmode=disable":                                                             false, // it prepares
	} {
		d, err := dsn.ParseDatabase(text)
		if err != nil {
			t.Fatal(err)
		}
		db := sqlx.NewDb(stdlib.OpenDB(*d.Postgres), "pgx")
		var one int
		if err := db.GetContext(t.Context(), &one, "SELECT 1"); (err == nil) != taken {
			t.Errorf("%s: %v; want it taken: %t", text, err, taken)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}
