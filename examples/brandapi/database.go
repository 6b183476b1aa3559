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

	"github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/warmcache/warmcache/internal/dsn"
)

// openDatabase opens the database, creates the schema where it is missing, and fills it where it is empty.
func openDatabase(ctx context.Context, d dsn.Database, reports int, log *slog.Logger) (*sqlx.DB, error) {
	db, err := connect(d)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	if err := fill(ctx, db, reports, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	log.InfoContext(ctx, "database is ready", slog.String("name", d.String()))
	return db, nil
}

func connect(d dsn.Database) (*sqlx.DB, error) {
	if d.Postgres != nil {
		return sqlx.NewDb(stdlib.OpenDB(*d.Postgres), "pgx"), nil
	}
	if err := checkFile(d.Path, d.ReadOnly); err != nil {
		return nil, err
	}
	options := url.Values{"_pragma": {"busy_timeout(5000)"}, "_time_format": {"sqlite"}}
	if d.ReadOnly || !writable(d.Path) {
		options.Set("mode", "ro")
	} else {
		options["_pragma"] = append(options["_pragma"], "journal_mode(WAL)", "synchronous(NORMAL)")
		options.Set("_txlock", "immediate")
	}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: d.Path}).EscapedPath(), RawQuery: options.Encode()}
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
