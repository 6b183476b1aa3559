package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/warmcache/warmcache/internal/dsn"
)

// openDatabase opens what DATABASE_URL names, an SQLite file or a PostgreSQL database, for reading
// alone, and asks it something. No error shows the text: there may be a password in it.
func openDatabase(ctx context.Context, text string, hide redaction) (db *sqlx.DB, name string, err error) {
	if text == "" {
		return nil, "", errors.New("DATABASE_URL is not set: want the path of an SQLite file, or postgres://USER:PASSWORD@HOST:5432/NAME")
	}
	d, err := dsn.ParseDatabase(text)
	if err != nil {
		return nil, "", err
	}
	if d.Postgres != nil {
		return openPostgres(ctx, d, hide)
	}
	if db, err = openSQLite(d.Path); err != nil {
		return nil, "", err
	}
	return asked(ctx, db, "SQLite file "+d.Path, hide)
}

// asked is a database that has answered.
func asked(ctx context.Context, db *sqlx.DB, name string, hide redaction) (*sqlx.DB, string, error) {
	var one int
	if err := db.GetContext(ctx, &one, "SELECT 1"); err != nil {
		return nil, "", errors.Join(fmt.Errorf("%s does not answer: %w", name, hide.error(err)), db.Close())
	}
	return db, name, nil
}

// openPostgres has sessions that only read. pgbouncer does not let a session say so; nothing here
// writes, with or without it.
func openPostgres(ctx context.Context, d dsn.Database, hide redaction) (*sqlx.DB, string, error) {
	const readOnly = "default_transaction_read_only"
	cfg, name := d.Postgres, d.String()
	cfg.RuntimeParams[readOnly] = "on"
	db, _, err := asked(ctx, sqlx.NewDb(stdlib.OpenDB(*cfg), "pgx"), name, hide)
	if err == nil || !strings.Contains(err.Error(), "unsupported startup parameter: "+readOnly) {
		return db, name, err
	}
	delete(cfg.RuntimeParams, readOnly)
	return asked(ctx, sqlx.NewDb(stdlib.OpenDB(*cfg), "pgx"), name, hide)
}

func openSQLite(path string) (*sqlx.DB, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("DATABASE_URL: there is no such file: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("DATABASE_URL: %s is no regular file", path)
	}
	options := url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}, "_time_format": {"sqlite"}, "mode": {"ro"}}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	return sqlx.Open("sqlite", uri.String())
}
