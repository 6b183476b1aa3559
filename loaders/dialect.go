package loaders

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"
)

// identify asks the database what it is: the name of a driver says little, and sqlx does not know
// all of them. The first question is one that PostgreSQL can answer, as an error would end a
// transaction there; SQLite minds none.
func (s *source) identify(ctx context.Context) error {
	var version []string
	err := s.db.SelectContext(ctx, &version, "SELECT version()")
	if err == nil {
		if s.postgres = strings.Contains(strings.Join(version, ""), "PostgreSQL"); !s.postgres {
			return errors.New("db is neither SQLite nor PostgreSQL")
		}
		return nil
	}
	if isLocked(err) { // as SQLite alone says it
		return nil
	}
	if lite := s.db.SelectContext(ctx, &version, "SELECT sqlite_version()"); lite != nil {
		return fmt.Errorf("ask db whether it is SQLite or PostgreSQL: %w", err)
	}
	return nil
}

// rebind writes placeholders as the database has them. Rebind of a *sqlx.DB goes by the driver's
// name.
func (s *source) rebind(query string) string {
	if s.postgres {
		return sqlx.Rebind(sqlx.DOLLAR, query)
	}
	return query
}

// class is what a column's type means for comparing it with text.
type class int

const (
	typeless class = iota // SQLite
	textual
	smallint
	integer
	bigint
	uuid
	other
)

func classOf(typeName string) class {
	switch typeName {
	case "text", "character varying", "character", "citext", "name":
		return textual
	case "smallint":
		return smallint
	case "integer":
		return integer
	case "bigint":
		return bigint
	case "uuid":
		return uuid
	default:
		return other
	}
}

// fit rewrites a query for columns of a database of somebody's own in PostgreSQL, which compares no
// types that differ. Where types are as Migrate makes them, and in SQLite, which compares all, it
// changes nothing: a cast may keep an index from being read.
func (s *source) fit(query string) string {
	if !s.postgres {
		return query
	}
	if s.class("diagnosis_reports", "status") != textual {
		query = strings.ReplaceAll(query, "status = '", "CAST(status AS TEXT) = '")
	}
	for _, join := range [][2]string{{"users", "user_id"}, {"questions", "question_id"}} {
		if s.class(join[0], join[1]) != s.class("diagnosis_reports", join[1]) {
			query = strings.ReplaceAll(query, "t."+join[1]+" = s."+join[1], "CAST(t."+join[1]+" AS TEXT) = CAST(s."+join[1]+" AS TEXT)")
		}
	}
	for _, key := range []string{"execution_id", "brand_name", "user_id", "question_id"} {
		if s.class("diagnosis_reports", key) == other {
			query = strings.ReplaceAll(query, "WHERE "+key+" IN", "WHERE CAST("+key+" AS TEXT) IN")
		}
	}
	return query
}

func (s *source) class(relation, column string) class {
	if !s.postgres {
		return typeless
	}
	return classOf(s.types[relation][column])
}

var canonicalUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// storable leaves out the keys that the column could not hold, and that the database would refuse
// to compare with: PostgreSQL's text is UTF-8 without NUL, and a number or a UUID is not any text.
// To a caller they are what they are, not found.
func (s *source) storable(column string, keys []string) []string {
	if !s.postgres {
		return keys
	}
	holds := func(key string) bool { return utf8.ValidString(key) && strings.IndexByte(key, 0) < 0 }
	whole := func(bits int) func(string) bool {
		return func(key string) bool { _, err := strconv.ParseInt(key, 10, bits); return err == nil }
	}
	switch s.class("diagnosis_reports", column) {
	case smallint:
		holds = whole(16)
	case integer:
		holds = whole(32)
	case bigint:
		holds = whole(64)
	case uuid:
		holds = canonicalUUID.MatchString
	default:
	}
	kept := make([]string, 0, len(keys))
	for _, key := range keys {
		if holds(key) {
			kept = append(kept, key)
		}
	}
	return kept
}
