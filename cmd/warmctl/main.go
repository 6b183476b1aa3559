// Command warmctl looks after the warm-up of a service, from a terminal or from a pipeline.
//
//	warmctl verify                  checks configuration, Redis, database, tasks and schedule; exit code 1 on a finding
//	warmctl next EXPR               says when a cron expression fires
//	warmctl status                  shows a running service's warm-up
//	warmctl run [TASK...]           runs tasks there, and shows their progress
//	warmctl hot CACHE               shows the hottest keys of a cache
//	warmctl explain CACHE KEY       says why a read of a key would answer as it does
//	warmctl purge URL|-tag TAG      ends answers of an HTTP cache, everywhere
//
// status to explain talk to the service's admin handler: -addr says where, the environment variable
// ADMIN_TOKEN has the token. purge sends that token to the URL itself, or to -addr. Every command
// takes -json. The exit code is 0 where all is well, 1 where something is found or fails, 2 where
// the command itself is wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// The exit codes.
const (
	exitOK    = 0
	exitFound = 1 // a finding, or a failure
	exitUsage = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	hide := secrets(os.Getenv)
	code := run(ctx, os.Args[1:], terminal{
		out: os.Stdout, err: os.Stderr, live: isTerminal(os.Stdout), env: os.Getenv, hide: hide,
	})
	os.Exit(code)
}

// terminal is what a command reads and writes.
type terminal struct {
	out, err io.Writer
	live     bool // out is a person's terminal: lines may be redrawn
	env      func(string) string
	hide     redaction // for others' texts
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// command is one of warmctl's.
type command struct {
	name, args, what string
	run              func(ctx context.Context, t terminal, args []string) error
}

func commands() []command {
	return []command{
		{"verify", "", "check configuration, Redis, database, tasks and schedule", verify},
		{"next", "EXPR", "say when a cron expression fires", next},
		{"status", "", "show a running service's warm-up", status},
		{"run", "[TASK...]", "run tasks in a running service, all without names", execute},
		{"hot", "CACHE", "show the hottest keys of a cache", hot},
		{"explain", "CACHE KEY", "say why a read of a key would answer as it does", explain},
		{"purge", "URL|-tag TAG", "end answers of an HTTP cache, everywhere", purge},
	}
}

// errFound says that a command did its work and found something: there is nothing more to print.
var errFound = errors.New("found")

// usageError is a command line that cannot be obeyed.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// run runs one command line and returns the exit code: no success where the output was lost, as on
// a full disk.
func run(ctx context.Context, args []string, t terminal) int {
	out := &output{Writer: t.out}
	t.out = out
	code := obey(ctx, args, t)
	if out.err != nil {
		say(t.err, "warmctl: the output cannot be written: %v\n", out.err)
		code = max(code, exitFound)
	}
	return code
}

// output remembers the first error of a writer.
type output struct {
	io.Writer

	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	o.err = cmp.Or(o.err, err)
	return n, err
}

func obey(ctx context.Context, args []string, t terminal) int {
	if len(args) == 0 {
		usage(t.err)
		return exitUsage
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(t.out)
		return exitOK
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		say(t.err, "warmctl: there is no command %q\n", args[0])
		usage(t.err)
		return exitUsage
	}
	err := all[i].run(ctx, t, args[1:])
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp): // flag has printed it
		return exitOK
	case errors.Is(err, errFound):
		return exitFound
	case errors.As(err, &wrong):
		say(t.err, "warmctl %s: %v\n", args[0], err)
		return exitUsage
	default:
		say(t.err, "warmctl %s: %v\n", args[0], err)
		return exitFound
	}
}

func usage(w io.Writer) {
	say(w, "warmctl looks after the warm-up of a service.\n\n")
	for _, c := range commands() {
		say(w, "  warmctl %-18s %s\n", c.name+" "+c.args, c.what)
	}
	say(w, "\nwarmctl COMMAND -h lists the flags of a command. Exit codes: 0 all is well, 1 a finding or a failure, 2 a wrong command line.\n")
}

// flags is a command's flag set, which may stand between, before and behind its arguments.
type flags struct {
	*flag.FlagSet

	json *bool
}

func newFlags(t terminal, name, args, what string) flags {
	f := flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.SetOutput(io.Discard)
	f.json = f.Bool("json", false, "print JSON")
	f.Usage = func() {
		say(t.out, "warmctl %s %s: %s\n\n", name, args, what)
		f.SetOutput(t.out)
		f.PrintDefaults()
		f.SetOutput(io.Discard)
	}
	return f
}

// parse returns the arguments that are no flags: least at least and most at most. Behind "--"
// nothing is a flag.
func (f flags) parse(args []string, least, most int) ([]string, error) {
	var rest, words []string
	if i := slices.Index(args, "--"); i >= 0 {
		args, rest = args[:i], args[i+1:]
	}
	for len(args) > 0 {
		if err := f.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, usageError{err.Error()}
		}
		if args = f.Args(); len(args) > 0 {
			words, args = append(words, args[0]), args[1:]
		}
	}
	words = append(words, rest...)
	if len(words) < least || len(words) > most {
		return nil, usageError{fmt.Sprintf("%d arguments given; %s", len(words), hint(least, most))}
	}
	return words, nil
}

func hint(least, most int) string {
	if least == most {
		return fmt.Sprintf("it takes %d", least)
	}
	return fmt.Sprintf("it takes %d to %d", least, most)
}
