// Package dsn reads the addresses of DATABASE_URL and REDIS_URL. What a text is is told by its
// form, and no error repeats a part of one: there may be a password in it. For the same reason a
// text is refused in which a password may have been taken for a host or for a name, which are
// shown.
package dsn

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// A Database is what DATABASE_URL names: a PostgreSQL database, or an SQLite file.
type Database struct {
	Postgres *pgx.ConnConfig // nil for SQLite
	Path     string          // of the SQLite file, absolute
	ReadOnly bool            // the SQLite file is not to be written
}

// String says which database it is, without a password.
func (d Database) String() string {
	if d.Postgres != nil {
		return fmt.Sprintf("PostgreSQL database %q on %s:%d", d.Postgres.Database, d.Postgres.Host, d.Postgres.Port)
	}
	return "database file " + d.Path
}

const postgresForms = "postgres://USER:PASSWORD@HOST:5432/NAME or host=HOST user=USER password=PASSWORD dbname=NAME"

var (
	errPostgres = errors.New("DATABASE_URL is not understood; it must be like " + postgresForms +
		"; in the first form, percent-encode / ? # and @ of a password, in the second, quote blanks with '")
	errDatabase = errors.New("DATABASE_URL must be the path of an SQLite file, sqlite:PATH, or " + postgresForms)
	errRedis    = errors.New("REDIS_URL is not understood; it must be like redis://USER:PASSWORD@HOST:6379/0, rediss://… or unix://…; percent-encode / ? # and @ of a password")
)

// keywords is the beginning of a keyword string of PostgreSQL, such as host=db.
var keywords = regexp.MustCompile(`(?i)^\s*(host|hostaddr|port|user|password|passfile|dbname|database|sslmode|service|servicefile|connect_timeout|application_name|options)\s*=`)

// misread is what no host, user or name has, unless more of the text was taken for it: the signs by
// which other systems separate a password, such as host=db;password=….
const misread = "@=;&"

// ParseDatabase reads DATABASE_URL.
func ParseDatabase(text string) (Database, error) {
	if scheme, rest, ok := strings.Cut(text, "://"); ok && (strings.EqualFold(scheme, "postgres") || strings.EqualFold(scheme, "postgresql")) {
		if !plain(rest) {
			return Database{}, errPostgres
		}
		return postgres(strings.ToLower(scheme) + "://" + rest)
	}
	if keywords.MatchString(text) {
		return postgres(text)
	}
	return sqlite(text)
}

// plain reports whether nothing behind a URL's scheme can be a password beside its place: with one
// of / ? # in a password, what stands before it is taken for a port and what stands behind it for a
// name.
func plain(rest string) bool {
	i := strings.IndexAny(rest, "/?#")
	return i < 0 || !strings.ContainsAny(rest[i:], "@#")
}

// parameters are what a connection may set on the server. Any other word is refused here, as the
// server's own error would repeat it.
func parameters() []string {
	return []string{
		"application_name", "client_encoding", "datestyle", "default_transaction_read_only", "idle_in_transaction_session_timeout", "lock_timeout", "options", "search_path",
		"statement_timeout", "target_session_attrs", "timezone",
	}
}

func postgres(text string) (Database, error) {
	cfg, err := pgx.ParseConfig(text)
	if err != nil {
		return Database{}, errPostgres // not err, which repeats the text
	}
	shown := []string{cfg.Host, cfg.Database, cfg.User}
	for _, other := range cfg.Fallbacks {
		shown = append(shown, other.Host)
	}
	if strings.ContainsAny(strings.Join(shown, ""), misread) || strings.Contains(cfg.User, ":") {
		return Database{}, errPostgres
	}
	for name := range cfg.RuntimeParams {
		if !slices.Contains(parameters(), strings.ToLower(name)) {
			return Database{}, errors.New("DATABASE_URL has an option that is not known; known are those of libpq and " + strings.Join(parameters(), ", "))
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	return Database{Postgres: cfg}, nil
}

var (
	// foreign is the address of some other thing: a scheme that is not a drive's letter, or the
	// user:password@host of MySQL.
	foreign = regexp.MustCompile(`;|://|^[A-Za-z][A-Za-z0-9+.-]+:|@|(?i)\b(password|passwd|pwd)\s*=`)
	// within is what a path may not be even where its scheme says that it is one.
	within = regexp.MustCompile(`;|://|:[^/]*@|@tcp\(|@unix\(|(?i)\b(password|passwd|pwd)\s*=`)
)

func sqlite(text string) (Database, error) {
	path, refused := text, foreign
	_, rest, _ := strings.Cut(text, "://")
	authority, _, _ := strings.Cut(rest, "/")
	for _, scheme := range []string{"sqlite://", "sqlite:", "file:"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			path, refused = rest, within
			break
		}
	}
	path, options, _ := strings.Cut(path, "?")
	switch {
	case strings.HasPrefix(path, ":memory:"):
		return Database{}, errors.New("DATABASE_URL=:memory: is not supported: name a file")
	case path == "" || refused.MatchString(path) || strings.Contains(authority, "@"):
		return Database{}, errDatabase
	case options != "" && options != "mode=ro":
		return Database{}, errors.New("DATABASE_URL: the only option of an SQLite file is ?mode=ro")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return Database{}, errors.New("DATABASE_URL: the working folder is not known: name the file by an absolute path")
	}
	return Database{Path: path, ReadOnly: options != ""}, nil
}

// ParseRedis reads REDIS_URL, which must not be empty.
func ParseRedis(text string) (*redis.Options, error) {
	options, err := redis.ParseURL(text)
	if err != nil {
		return nil, errRedis // not err, which repeats the text
	}
	parsed, err := url.Parse(text)
	_, rest, _ := strings.Cut(text, "://")
	// Without a host ParseURL takes localhost, which nobody means who forgot a slash.
	if err != nil || !plain(rest) || strings.ContainsAny(options.Addr, misread+",") || parsed.Scheme != "unix" && parsed.Host == "" {
		return nil, errRedis
	}
	return options, nil
}

// RedisReply is what may be shown of an error that Redis answered: a server that does not know AUTH
// or HELLO repeats their arguments, which hold the password.
func RedisReply(err error) error {
	if head, _, found := strings.Cut(err.Error(), "with args beginning with"); found {
		return errors.New(strings.TrimRight(head, ", ") + " (its arguments are not shown)")
	}
	return err
}
