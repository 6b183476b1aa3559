package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// database is what DATABASE_URL names: a PostgreSQL database, or an SQLite file.
type database struct {
	postgres *pgx.ConnConfig // nil for SQLite
	path     string          // of the SQLite file, absolute
	readOnly bool            // the SQLite file is not to be written
}

// name says which database it is, without a password.
func (d database) name() string {
	if d.postgres != nil {
		return fmt.Sprintf("PostgreSQL database %q on %s:%d", d.postgres.Database, d.postgres.Host, d.postgres.Port)
	}
	return "database file " + d.path
}

// parseDatabase reads DATABASE_URL. No error shows the text: there may be a password in it.
func parseDatabase(text string) (database, error) {
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		cfg, err := pgx.ParseConfig(text)
		if err != nil {
			return database{}, errors.New("DATABASE_URL is not understood; it must be like postgres://USER:PASSWORD@HOST:5432/NAME")
		}
		if cfg.ConnectTimeout == 0 {
			cfg.ConnectTimeout = 5 * time.Second
		}
		return database{postgres: cfg}, nil
	}
	path, options := text, ""
	for _, scheme := range []string{"sqlite://", "sqlite:", "file:"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			path, options, _ = strings.Cut(rest, "?")
			break
		}
	}
	switch {
	case path == "" || strings.Contains(path, "://"):
		return database{}, errors.New("DATABASE_URL must be the path of an SQLite file, sqlite:PATH, or postgres://USER:PASSWORD@HOST:5432/NAME")
	case strings.HasPrefix(path, ":memory:"):
		return database{}, errors.New("DATABASE_URL=:memory: is not supported: name a file")
	case options != "" && options != "mode=ro":
		return database{}, errors.New("DATABASE_URL: the only option of an SQLite file is ?mode=ro")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return database{}, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return database{path: path, readOnly: options != ""}, nil
}

// openDatabase opens the database, creates the schema where it is missing, and fills it where it is empty.
func openDatabase(ctx context.Context, d database, reports int, log *slog.Logger) (*sqlx.DB, error) {
	db, err := d.open()
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	if err := fill(ctx, db, reports, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	log.InfoContext(ctx, "database is ready", slog.String("name", d.name()))
	return db, nil
}

func (d database) open() (*sqlx.DB, error) {
	if d.postgres != nil {
		return sqlx.NewDb(stdlib.OpenDB(*d.postgres), "pgx"), nil
	}
	if err := checkFile(d.path, d.readOnly); err != nil {
		return nil, err
	}
	options := url.Values{"_pragma": {"busy_timeout(5000)"}, "_time_format": {"sqlite"}}
	if d.readOnly || !writable(d.path) {
		options.Set("mode", "ro")
	} else {
		options["_pragma"] = append(options["_pragma"], "journal_mode(WAL)", "synchronous(NORMAL)")
		options.Set("_txlock", "immediate")
	}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: d.path}).EscapedPath(), RawQuery: options.Encode()}
	return sqlx.Open("sqlite", uri.String())
}

// checkFile finds what is wrong with a path in words that SQLite does not have, and makes the file where it is missing.
func checkFile(path string, readOnly bool) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && readOnly:
		return errors.New("it does not exist, and mode=ro makes none")
	case errors.Is(err, fs.ErrNotExist):
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("its folder %s does not exist", filepath.Dir(path))
		}
		if err != nil {
			return fmt.Errorf("it cannot be made: %w", err)
		}
		return file.Close()
	case err != nil:
		return err
	case info.IsDir():
		return errors.New("it is a folder")
	case !info.Mode().IsRegular():
		return errors.New("it is no regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	return file.Close()
}

// writable says whether the file may be written. A file that nobody may write is read-only for the superuser too.
func writable(path string) bool {
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o222 == 0 {
		return false
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	return err == nil && file.Close() == nil
}
