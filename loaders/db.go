package loaders

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jmoiron/sqlx"
)

// DB is what the loaders need of a database. *sqlx.DB, *sqlx.Conn and *sqlx.Tx satisfy it; use a
// *sqlx.DB in a service: on the other two, which are one connection, the loaders take turns. The
// package never closes it.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	SelectContext(ctx context.Context, dest any, query string, args ...any) error
	Rebind(query string) string
}

// source is a database with its dialect.
type source struct {
	db       DB
	postgres bool
	types    map[string]map[string]string // of the columns by table, as checkSchema has read them
	log      *slog.Logger
}

func newSource(ctx context.Context, db DB) (*source, error) {
	one := false
	switch d := db.(type) {
	case nil:
		return nil, errNilDB
	case *sqlx.DB:
		if d == nil {
			return nil, errNilDB
		}
	case *sqlx.Conn:
		if d == nil {
			return nil, errNilDB
		}
		one = true
	case *sqlx.Tx:
		if d == nil {
			return nil, errNilDB
		}
		one = true
	}
	s := &source{db: db, log: slog.Default()}
	if one {
		s.db = &connection{DB: db, turn: make(chan struct{}, 1)}
	}
	return s, s.identify(ctx)
}

var errNilDB = errors.New("db is nil: want a *sqlx.DB, *sqlx.Conn or *sqlx.Tx")

// connection makes the users of a single connection take turns: PostgreSQL's refuses a second query
// while one runs.
type connection struct {
	DB

	turn chan struct{}
}

func (c *connection) SelectContext(ctx context.Context, dest any, query string, args ...any) error {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
		return c.DB.SelectContext(ctx, dest, query, args...)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// selectRows reads a whole result. Nothing of the connection is held when it returns, so that a
// loader which then waits in emit starves nobody, even with a pool of one connection; every query
// here is bounded by a LIMIT or by its list of keys.
func selectRows[R any](ctx context.Context, s *source, query string, args ...any) ([]R, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var rows []R
	err := s.db.SelectContext(ctx, &rows, s.rebind(query), args...)
	if err == nil {
		return rows, nil
	}
	// A driver may call it an interrupted query; callers look for the context's error.
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return nil, err
}

// chunk is the most keys of one IN list: far below what either database takes, and few round trips
// for thousands of keys.
const chunk = 500

// selectIn runs a query whose one placeholder is an IN list once for each chunk of keys. With an
// error come the rows read before it. column is the one that the list is compared with.
func selectIn[R any](ctx context.Context, s *source, query, column string, keys []string) ([]R, error) {
	keys, query = s.storable(column, keys), s.fit(query)
	var all []R
	for len(keys) > 0 {
		n := min(chunk, len(keys))
		expanded, args, err := sqlx.In(query, keys[:n])
		if err != nil {
			return all, err
		}
		rows, err := selectRows[R](ctx, s, expanded, args...)
		if err != nil {
			return all, err
		}
		all = append(all, rows...)
		keys = keys[n:]
	}
	return all, nil
}
