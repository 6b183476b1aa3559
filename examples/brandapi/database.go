package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/warmcache/warmcache/internal/dsn"
	"github.com/warmcache/warmcache/loaders"
)

// openDatabase opens the database, creates the schema where it is missing, and fills it where it is
// empty; progress hears of it. Nothing is changed in a database that is not to be written.
func openDatabase(ctx context.Context, d dsn.Database, reports int, log *slog.Logger, progress func(done int)) (*sqlx.DB, error) {
	db, readOnly, err := connect(ctx, d, log)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	err = checkTables(ctx, db)
	if err == nil && !readOnly {
		err = prepare(ctx, db, d, log)
	}
	if err == nil && !readOnly {
		err = fill(ctx, db, reports, log, progress)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	log.InfoContext(ctx, "database is ready", slog.String("name", d.String()))
	return db, nil
}

// connect returns a pool, and whether the database is read-only. It changes nothing: what is there
// may be another application's.
func connect(ctx context.Context, d dsn.Database, log *slog.Logger) (db *sqlx.DB, readOnly bool, err error) {
	if d.Postgres != nil {
		return sqlx.NewDb(stdlib.OpenDB(*d.Postgres), "pgx"), false, nil
	}
	if err := checkFile(d.Path, d.ReadOnly); err != nil {
		return nil, false, err
	}
	readOnly = d.ReadOnly || !writable(d.Path)
	options := url.Values{"_pragma": {"busy_timeout(5000)", "synchronous(NORMAL)"}, "_time_format": {"sqlite"}, "_txlock": {"immediate"}}
	if readOnly {
		options.Set("mode", "ro")
		options.Del("_txlock")
		still, err := immutable(d.Path)
		if err != nil {
			return nil, false, err
		}
		if still {
			options.Set("immutable", "1")
			log.WarnContext(ctx, "the file and its folder are read-only: it is read as it is now, and must not change while the service runs")
		}
	}
	uri := url.URL{Scheme: "file", Opaque: (&url.URL{Path: d.Path}).EscapedPath(), RawQuery: options.Encode()}
	db, err = sqlx.Open("sqlite", uri.String())
	return db, readOnly, err
}

// immutable reports whether a file must be read with immutable=1, and fails where it cannot be read
// at all. SQLite reads a file in WAL mode with the help of two others beside it, which it must be
// able to make; without them, what a writer has left in the log would be missing.
func immutable(path string) (bool, error) {
	const readVersion, wal = 19, 2 // of https://sqlite.org/fileformat.html
	header := make([]byte, readVersion+1)
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	if _, err := io.ReadFull(file, header); err != nil || header[readVersion] != wal {
		return false, nil // one that is too short is SQLite's to judge
	}
	if _, err := os.Stat(path + "-shm"); err == nil {
		return false, nil
	}
	probe, err := os.CreateTemp(filepath.Dir(path), ".brandapi-*")
	if err == nil {
		return false, errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return false, errors.New("it is in WAL mode, its log (the file -wal) holds changes, and its folder is read-only: make the folder writable, or run PRAGMA wal_checkpoint(TRUNCATE) where it is")
	}
	return true, nil
}

// prepare creates what is missing, and lets readers and a writer go on beside each other in SQLite.
// That changes the file, so it comes after all that may refuse it.
func prepare(ctx context.Context, db *sqlx.DB, d dsn.Database, log *slog.Logger) error {
	if err := loaders.Migrate(ctx, db); err != nil {
		return err
	}
	if d.Postgres != nil {
		return nil
	}
	if _, err := db.ExecContext(ctx, "PRAGMA journal_mode(WAL)"); err != nil { // another process may be at it
		log.WarnContext(ctx, "the file is not switched to WAL", slog.Any("error", err))
	}
	return nil
}

// checkFile finds what is wrong with a path in words that SQLite does not have, and makes the file
// where it is missing.
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

// writable reports whether the file may be written. A file that nobody may write is read-only for
// the superuser too.
func writable(path string) bool {
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o222 == 0 {
		return false
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	return err == nil && file.Close() == nil
}
