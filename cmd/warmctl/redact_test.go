package main_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/warmcache/warmcache/internal/redistest"
)

// A password that is a common word hides nothing else.
func TestRedaction_leaves_JSON_alone(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--requirepass", "redis")
	got, r := verify(t, "DATABASE_URL="+database(t), "REDIS_URL=redis://:redis@"+server.Addr())
	got.want(t, 0, `"name": "redis"`)
	if !r.OK || strings.Contains(got.out, "***") {
		t.Errorf("corrupted: %s", got.out)
	}
}

// What looks like another driver's connection string, or like a URL with a raw password, is refused
// by its form: no part of it is shown.
func TestRedaction_refuses_by_form(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"DATABASE_URL=user:hun-ter2@tcp(127.0.0.1:3306)/db", "DATABASE_URL=user:hun/ter2@tcp(h)/d", "DATABASE_URL=mysql://user:hun-ter2@h/d",
		"DATABASE_URL=postgres://user:p@hun/ter2@127.0.0.1:1/x", "DATABASE_URL=postgres://user:hun#ter2@127.0.0.1:1/x", "DATABASE_URL=postgres:/user:hun-ter2@h/d",
		"DATABASE_URL=host=127.0.0.1 port=1 user=u password=hun-ter2 dbname=x", "DATABASE_URL=sqlite:user:hun-ter2@h",
		"DATABASE_URL=host=127.0.0.1;user=u;password=hun-ter2", "DATABASE_URL=/data/x.db?_key=hun-ter2",
		"REDIS_URL=redis://user:hun/ter2@127.0.0.1:1/0", "REDIS_URL=redis://user:p@hun/ter2@127.0.0.1:1/0", "REDIS_URL=redis://user:hun?ter2@127.0.0.1:1",
	} {
		got := call(t, []string{address, "HOME=/nonexistent"}, "verify", "-json")
		got.want(t, 1, "_URL")
		if text := got.out + got.err; strings.Contains(text, "hun") || strings.Contains(text, "ter2@") {
			t.Errorf("%s: a part of the password is shown:\n%s", address, text)
		}
	}
	call(t, []string{"DATABASE_URL=host=127.0.0.1 port=1 user=u password=hun-ter2 dbname=x"}, "verify").want(t, 1, `PostgreSQL database "x" on 127.0.0.1:1 does not answer`)
}

func TestToken_with_a_line_break(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := call(t, []string{"ADMIN_TOKEN=" + token + "\n"}, "run", "numbers", "-addr", s.addr)
	got.want(t, 1, "does not accept the token")
	if strings.Contains(got.out+got.err, "no service answers") || strings.Contains(got.out+got.err, token) {
		t.Errorf("%s", got.err)
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close() //nolint:errcheck // nothing can be written to it
	for _, args := range [][]string{{"next", "@daily"}, {"next", "-json", "@daily"}, {"help"}, {"next", "-h"}} {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Stdout = full
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 1 {
			t.Errorf("%q: exit code %d, want 1", args, cmd.ProcessState.ExitCode())
		}
	}
}
