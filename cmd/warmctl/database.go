package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// openDatabase opens what DATABASE_URL names, an SQLite file or a PostgreSQL database, for reading
// alone, and asks it something. No error shows the text: there may be a password in it.
func openDatabase(ctx context.Context, text string, hide redaction) (db *sqlx.DB, name string, err error) {
	switch {
	case text == "":
		return nil, "", errors.New("DATABASE_URL is not set: want the path of an SQLite file, or postgres://USER:PASSWORD@HOST:5432/NAME")
	case strings.HasPrefix(text, "postgres://"), strings.HasPrefix(text, "postgresql://"):
		if !readable(text) {
			return nil, "", errors.New("DATABASE_URL is not understood: @, /, ? and # of a user or password must be percent-encoded, as in postgres://USER:p%40ss@HOST:5432/NAME")
		}
		return openPostgres(ctx, text, hide)
	case keywords.MatchString(text):
		return openPostgres(ctx, text, hide)
	default:
		db, name, err = openSQLite(text)
	}
	if err != nil {
		return nil, "", err
	}
	return asked(ctx, db, name, hide)
}

// asked is a database that has answered.
func asked(ctx context.Context, db *sqlx.DB, name string, hide redaction) (*sqlx.DB, string, error) {
	var one int
	if err := db.GetContext(ctx, &one, "SELECT 1"); err != nil {
		return nil, "", errors.Join(fmt.Errorf("%s does not answer: %w", name, hide.error(err)), db.Close())
	}
	return db, name, nil
}

// keywords is PostgreSQL's other form, such as "host=db user=app password=x dbname=y".
var keywords = regexp.MustCompile(`(?i)(^|\s)(host|hostaddr|port|user|password|passfile|dbname|database|service|sslmode)\s*=`)

// foreign is what other drivers take: USER:PASSWORD@tcp(HOST)/NAME.
var foreign = regexp.MustCompile(`:.*@|@(tcp|unix)\(`)

// openPostgres has sessions that only read. pgbouncer does not let a session say so; nothing here
// writes, with or without it.
func openPostgres(ctx context.Context, text string, hide redaction) (*sqlx.DB, string, error) {
	cfg, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, "", errors.New("DATABASE_URL is not understood; it must be like postgres://USER:PASSWORD@HOST:5432/NAME")
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	name := fmt.Sprintf("PostgreSQL database %q on %s:%d", cfg.Database, cfg.Host, cfg.Port)
	const readOnly = "default_transaction_read_only"
	cfg.RuntimeParams[readOnly] = "on"
	db, _, err := asked(ctx, sqlx.NewDb(stdlib.OpenDB(*cfg), "pgx"), name, hide)
	if err == nil || !strings.Contains(err.Error(), "unsupported startup parameter: "+readOnly) {
		return db, name, err
	}
	delete(cfg.RuntimeParams, readOnly)
	return asked(ctx, sqlx.NewDb(stdlib.OpenDB(*cfg), "pgx"), name, hide)
}

func openSQLite(text string) (*sqlx.DB, string, error) {
	path := text
	for _, scheme := range []string{"sqlite://", "sqlite:", "file:"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			path, _, _ = strings.Cut(rest, "?")
			break
		}
	}
	if path == "" || strings.Contains(path, "://") || foreign.MatchString(path) || strings.HasPrefix(path, ":memory:") {
		return nil, "", errors.New("DATABASE_URL must be the path of an SQLite file, sqlite:PATH, or postgres://USER:PASSWORD@HOST:5432/NAME")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, "", fmt.Errorf("DATABASE_URL: %w", err)
	}
	if info, err := os.Stat(path); err != nil {
		if strings.ContainsAny(text, "@=") { // it may be no path at all
			return nil, "", errors.New("DATABASE_URL: there is no such file; want the path of an SQLite file, or postgres://USER:PASSWORD@HOST:5432/NAME")
		}
		return nil, "", fmt.Errorf("DATABASE_URL: there is no such file: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("DATABASE_URL: %s is no regular file", path)
	}
	options := url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}, "_time_format": {"sqlite"}, "mode": {"ro"}}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}
	db, err := sqlx.Open("sqlite", uri.String())
	return db, "SQLite file " + path, err
}
