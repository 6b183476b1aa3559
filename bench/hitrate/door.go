package main

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/warmcache/warmcache/loaders"
)

// read marks a request's context, which a load that it causes is given too. So the database's own
// log can tell what readers have asked it from what warming has.
type read struct{ asked atomic.Int64 }

type readKey struct{}

// door is the database as the caches see it: SQLite, in a transaction that is undone at the end,
// with a log of who asked.
//
// A statement that reads whole tables is asked of SQLite once, until the next report is written:
// the answer is the same, and it counts as asked each time.
type door struct {
	db       loaders.DB
	tx       *sqlx.Tx
	answers  *answers
	mu       sync.Mutex // one connection
	now      map[string]reflect.Value
	measured atomic.Bool

	demand atomic.Int64 // statements asked for by readers, of requests that are measured
	warm   atomic.Int64 // all others, while measuring
}

// answers are those to statements on the rows that a file has, kept between runs on it.
type answers struct {
	mu   *sync.Mutex
	rows map[string]reflect.Value
}

func newAnswers() answers { return answers{mu: new(sync.Mutex), rows: make(map[string]reflect.Value)} }

func openDoor(ctx context.Context, db *sqlx.DB, a *answers) (*door, error) {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &door{db: tx, tx: tx, answers: a}, nil
}

func (d *door) close() error { return d.tx.Rollback() }

// Rebind is the database's.
func (d *door) Rebind(query string) string { return d.db.Rebind(query) }

// ExecContext runs a statement.
func (d *door) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.db.ExecContext(ctx, query, args...)
}

// SelectContext runs a query; dest is a pointer to a slice, as for sqlx.
func (d *door) SelectContext(ctx context.Context, dest any, query string, args ...any) error {
	r, reader := ctx.Value(readKey{}).(*read)
	if reader {
		r.asked.Add(1)
	}
	if d.measured.Load() {
		if reader {
			d.demand.Add(1)
		} else {
			d.warm.Add(1)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.Contains(query, " IN (") || strings.Contains(query, "sqlite_") {
		return d.db.SelectContext(ctx, dest, query, args...)
	}
	return d.whole(ctx, dest, query, args...)
}

// whole is a query that reads a whole table or index.
func (d *door) whole(ctx context.Context, dest any, query string, args ...any) error {
	rows, key := d.now, fmt.Sprint(reflect.TypeOf(dest), query, args)
	if rows == nil { // nothing was written yet
		d.answers.mu.Lock()
		defer d.answers.mu.Unlock()
		rows = d.answers.rows
	}
	to := reflect.ValueOf(dest).Elem()
	if have, ok := rows[key]; ok {
		to.Set(reflect.AppendSlice(reflect.MakeSlice(to.Type(), 0, have.Len()), have))
		return nil
	}
	if err := d.db.SelectContext(ctx, dest, query, args...); err != nil {
		return err
	}
	rows[key] = reflect.AppendSlice(reflect.MakeSlice(to.Type(), 0, to.Len()), to)
	return nil
}

// newest is the last moment of the demo data.
func newest() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }

// publish writes a report, as the service does that is simulated.
func (d *door) publish(ctx context.Context, r report) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = make(map[string]reflect.Value)
	_, err := d.db.ExecContext(ctx, d.db.Rebind(`INSERT INTO diagnosis_reports (execution_id, brand_name, user_id, question_id, status, score, created_at)
		VALUES (?, ?, ?, ?, 'completed', 50, ?)`),
		r.id, r.brand, r.user, r.question, newest().Add(r.at).Format("2006-01-02 15:04:05.000+00:00"))
	return err
}
