package loaders

import (
	"fmt"
	"strings"
	"time"
)

// instantLayout is how SeedDemo writes times. PostgreSQL reads it as a timestamptz; as text in
// SQLite it sorts by time, and beside what a driver with _time_format=sqlite or SQLite's own
// datetime() writes.
const instantLayout = "2006-01-02 15:04:05.000-07:00"

// instant scans a time in whatever form the database returns it, as UTC. A SQLite driver knows a
// column's declared type and gives a time.Time; of an expression such as MAX(created_at) it knows
// none, and gives the stored text. NULL is the zero time.
type instant struct{ time.Time }

// Scan implements sql.Scanner.
func (t *instant) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
		return nil
	case time.Time:
		t.Time = v.UTC()
		return nil
	case string:
		return t.parse(v)
	case []byte:
		return t.parse(string(v))
	default:
		return fmt.Errorf("a %T (%v) is no time: want UTC text such as %q", src, src, instantLayout)
	}
}

// moment is an instant whose fault is for its row alone: an error of Scan would end the whole
// query.
type moment struct {
	instant

	fault error
}

// Scan implements sql.Scanner.
func (m *moment) Scan(src any) error {
	m.fault = m.instant.Scan(src)
	return nil
}

func (t *instant) parse(text string) error {
	clock := text
	// time.Time.String, as a SQLite driver without _time_format stores it, appends the zone's name,
	// which may be anything, and the monotonic reading.
	if parts := strings.Fields(text); len(parts) > 3 {
		clock = strings.Join(parts[:3], " ")
	}
	for _, layout := range []string{
		"2006-01-02 15:04:05.999999999Z07:00",
		"2006-01-02T15:04:05.999999999Z07:00",
		"2006-01-02 15:04:05.999999999",
		"2006-01-02T15:04:05.999999999",
		"2006-01-02 15:04:05.999999999 -0700",
		"2006-01-02 15:04",
		"2006-01-02",
	} {
		if parsed, err := time.Parse(layout, clock); err == nil {
			t.Time = parsed.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is no time: want UTC text such as %q", text, instantLayout)
}
