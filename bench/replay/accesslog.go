package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// logParser reads the common and the combined log format of web servers:
//
//	host ident user [10/Oct/2000:13:55:36 -0700] "GET /path?query HTTP/1.1" 200 2326 …
//
// The key is the request's target, with its query. Only what a cache would answer is a read: GET
// and HEAD, with a status below 400.
type logParser struct {
	text [26]byte // the time that was parsed last: most lines have the one of the line before
	at   int64
}

const logTime = "02/Jan/2006:15:04:05 -0700"

const logShape = `it must be: host ident user [02/Jan/2006:15:04:05 -0700] "GET /path HTTP/1.1" 200 1234`

func (p *logParser) parse(line []byte) (one read, err error) {
	open := bytes.IndexByte(line, '[')
	if open < 0 || len(line) < open+1+len(logTime)+1 || line[open+1+len(logTime)] != ']' {
		return one, fmt.Errorf("no time in brackets; %s", logShape)
	}
	if one.at, err = p.time(line[open+1 : open+1+len(logTime)]); err != nil {
		return one, err
	}
	rest := line[open+1+len(logTime)+1:]
	request, rest, ok := quoted(rest)
	if !ok {
		return one, fmt.Errorf("no request in quotes; %s", logShape)
	}
	fields := bytes.Fields(rest)
	if len(fields) < 1 {
		return one, fmt.Errorf("no status after the request; %s", logShape)
	}
	status, err := strconv.Atoi(string(fields[0]))
	if err != nil || status < 100 || status > 999 {
		return one, fmt.Errorf("status %.20q must be three digits", fields[0])
	}
	if len(fields) > 1 {
		one.size = bytesOf(fields[1])
	}
	method, target, _ := bytes.Cut(request, []byte(" "))
	target, _, _ = bytes.Cut(target, []byte(" "))
	switch {
	case len(target) == 0:
		return one, skipError("no target in the request")
	case string(method) != "GET" && string(method) != "HEAD":
		return one, skipError("method other than GET and HEAD")
	case status >= 400:
		return one, skipError("status of 400 or more")
	}
	one.key = hashOf(target)
	return one, nil
}

func (p *logParser) time(text []byte) (int64, error) {
	if bytes.Equal(text, p.text[:]) {
		return p.at, nil
	}
	at, err := time.Parse(logTime, string(text))
	if err != nil {
		return 0, fmt.Errorf("time %q must be like %s", text, logTime)
	}
	copy(p.text[:], text)
	p.at = at.UnixNano()
	return p.at, nil
}

// quoted returns what stands in the first pair of quotes, in which \" is no end, and what follows.
func quoted(text []byte) (in, rest []byte, ok bool) {
	begin := bytes.IndexByte(text, '"')
	if begin < 0 {
		return nil, nil, false
	}
	for i := begin + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[begin+1 : i], text[i+1:], true
		}
	}
	return nil, nil, false
}

// bytesOf is a size, 0 where there is none ("-") or it cannot be one.
func bytesOf(text []byte) int32 {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 0 {
		return 0
	}
	return int32(n)
}
