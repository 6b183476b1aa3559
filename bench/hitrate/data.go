package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/warmcache/warmcache/bench/internal/dataset"
)

// copyOf returns a file of demo data that one process has for itself: it writes into it, and undoes
// that. The original is made once.
func copyOf(ctx context.Context, folder string, reports int) (path string, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	path = filepath.Join(folder, fmt.Sprintf("reports-%d.db", reports))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	original, err := dataset.File(ctx, filepath.Dir(folder), reports, func(what string) { fmt.Fprintln(os.Stderr, what) })
	if err != nil {
		return "", err
	}
	from, err := os.Open(original)
	if err != nil {
		return "", err
	}
	defer from.Close() //nolint:errcheck // it was read
	to, err := os.Create(path + ".part")
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(path+".part", path)
}
