package urls

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// logged is a request as an access log has it.
type logged struct {
	user   string // "-" for nobody
	method string
	target string
	status int
}

var errLine = errors.New("neither the common nor the combined log format")

// parseLine parses a line of the common log format, or of one that begins like it, as the combined
// one does:
//
//	host ident user [time] "method target protocol" status size …
//
// It accepts more before the user, such as the virtual host of Apache's vhost_combined. A quote in
// the request is escaped as Apache (\") or nginx (\x22) does it.
func parseLine(line []byte) (logged, error) {
	text := strings.TrimRight(string(line), "\r\n")
	who, rest, ok := strings.Cut(text, " [")
	if !ok {
		return logged{}, errLine
	}
	words := strings.Fields(who)
	_, rest, ok = strings.Cut(rest, `] "`)
	if !ok || len(words) < 3 {
		return logged{}, errLine
	}
	request, rest, err := unquote(rest)
	if err != nil {
		return logged{}, err
	}
	method, request, ok := strings.Cut(request, " ")
	at := strings.LastIndexByte(request, ' ')
	if !ok || at < 0 || !strings.HasPrefix(request[at+1:], "HTTP/") {
		return logged{}, errLine
	}
	code, size, ok := strings.Cut(strings.TrimPrefix(rest, " "), " ")
	status, err := strconv.Atoi(code)
	if !ok || err != nil || status < http.StatusContinue || status > 999 || !sizeLike(size) {
		return logged{}, errLine
	}
	return logged{user: words[len(words)-1], method: method, target: request[:at], status: status}, nil
}

// sizeLike reports whether text begins with the size of an answer: a number, or "-" for none.
func sizeLike(text string) bool {
	size, _, _ := strings.Cut(text, " ")
	if size == "-" {
		return true
	}
	_, err := strconv.ParseUint(size, 10, 64)
	return err == nil
}

// unquote decodes text up to the next quote that is not escaped, and returns what is behind it.
func unquote(text string) (decoded, rest string, err error) {
	end := strings.IndexAny(text, `"\`)
	if end >= 0 && text[end] == '"' { // most lines have nothing to decode
		return text[:end], text[end+1:], nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], nil
		case c != '\\':
			b.WriteByte(c)
		case i+1 == len(text):
			return "", "", errLine
		case text[i+1] != 'x':
			i++
			b.WriteByte(escaped(text[i]))
		case i+4 > len(text):
			return "", "", errLine
		default:
			code, err := strconv.ParseUint(text[i+2:i+4], 16, 8)
			if err != nil {
				return "", "", errLine
			}
			b.WriteByte(byte(code))
			i += 3
		}
	}
	return "", "", errLine
}

// escaped is the character for which a backslash and c stand.
func escaped(c byte) byte {
	if i := strings.IndexByte("abfnrtv", c); i >= 0 {
		return "\a\b\f\n\r\t\v"[i]
	}
	return c
}
