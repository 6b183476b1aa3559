// Package dataset keeps the SQLite file that the benchmarks read: the demo data of package loaders,
// made once and kept between runs.
package dataset

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/jmoiron/sqlx"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/warmcache/warmcache/loaders"
)

// seed makes the data the same on every machine.
const seed = 1

// Folder is where files are kept by default: warmcache-bench in the user's cache folder, "" where
// there is none.
func Folder() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "warmcache-bench")
}

// File returns the path of a file with that many reports, in folder. It makes what is missing, and
// tells notice before that.
func File(ctx context.Context, folder string, reports int, notice func(string)) (string, error) {
	if folder == "" {
		return "", errors.New("dataset: this user has no cache folder: name one")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("dataset: %w", err)
	}
	path := filepath.Join(folder, fmt.Sprintf("reports-%d.db", reports))
	if _, err := os.Stat(path); err != nil {
		notice(fmt.Sprintf("making a database of %d reports, once", reports))
	}
	db, err := Open(path)
	if err != nil {
		return "", err
	}
	defer db.Close() //nolint:errcheck // SeedDemo has committed
	// A set that is there is left as it is; one that was interrupted never was.
	if err := loaders.SeedDemo(ctx, db, reports, seed); err != nil {
		return "", fmt.Errorf("dataset: %w", err)
	}
	return path, nil
}

// Open opens a file for ten queries at a time, as the services do. The caller closes it.
func Open(path string) (*sqlx.DB, error) {
	options := url.Values{
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)"}, "_txlock": {"immediate"}, "_time_format": {"sqlite"},
	}
	db, err := sqlx.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	db.SetMaxOpenConns(10)
	db.SetMaxIdleConns(10)
	return db, nil
}
