// Command despatch is the official messenger, its record, and everything around them in one program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"despatch/internal/httpd"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// command is one of the things that the program does.
type command struct {
	name, summary, long string
	run                 func(ctx context.Context, p *program, args []string) error
}

// program is what a command has of the world outside.
type program struct {
	in  io.Reader
	out io.Writer
	err io.Writer
	env func(string) string
}

// commands are what the program does, in the order in which help lists them.
func commands() []command {
	return []command{
		{"demo", "show a made-up department, in a fresh folder", demoLong, demoCommand},
		{"serve", "run the server", serveLong, serveCommand},
		{"capture", "take exported chats onto the record", captureLong, captureCommand},
		{"verify", "check a whole record against its signed checkpoint", verifyLong, verifyCommand},
		{"user", "add people, and change what they may do", userLong, userCommand},
		{"bench", "measure a server of its own on this machine", benchLong, benchCommand},
		{"version", "say from what this program was built", "", func(_ context.Context, p *program, _ []string) error { version(p.out); return nil }},
		{"help", "say what can be done", "despatch help [COMMAND | configuration]", helpCommand},
	}
}

// run does what the arguments say and returns the program's exit status: 0 if all went well, 1 if not, 2 if
// the arguments make no sense.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{in: stdin, out: stdout, err: stderr, env: os.Getenv}
	if len(args) == 0 {
		help(stderr, "")
		return 2
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == name })
	err := usagef("there is no command %q; `despatch help` lists them", name)
	if i >= 0 {
		err = commands()[i].run(ctx, p, args[1:])
	}
	return p.status(name, err)
}

// status tells of an error and returns the exit status.
func (p *program) status(command string, err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, flag.ErrHelp) {
		help(p.out, command)
		return 0
	}
	if errors.Is(err, errFound) {
		return 1 // it has been said
	}
	if code, ok := errors.AsType[exitStatus](err); ok {
		return int(code) // and this
	}
	if usage, ok := errors.AsType[errUsage](err); ok {
		fmt.Fprintln(p.err, "despatch:", usage)
		return 2
	}
	if shown, ok := errors.AsType[*httpd.Error](err); ok {
		fmt.Fprintln(p.err, "despatch:", shown.Message)
		return 1
	}
	fmt.Fprintln(p.err, "despatch:", err)
	return 1
}

// exitStatus is an outcome that has been told of and has a status of its own.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// errFound means that a check found something, and has said so.
var errFound = errors.New("something was found")

const demoLong = `
Starts everything in one process, with people, conversations, a captured chat and an open case, all made up.
It prints where to go and who can sign in. The folder is removed at the end unless --data names one.`

func demoCommand(ctx context.Context, p *program, args []string) error {
	data := ""
	own := func(flags *flag.FlagSet) {
		f := flags.Lookup("data") // a fresh folder, unless one is named
		f.Value = (*text)(&data)
	}
	c, rest, err := load("demo", args, p.env, own)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("demo takes no arguments")
	}
	if c.LogLevel == slog.LevelInfo {
		c.LogLevel = slog.LevelWarn // the demonstration's own words come first
	}
	c.Data = data
	return runDemo(ctx, &c, p.out, c.logger(p.err))
}

// text is a flag's value.
type text string

func (t *text) String() string     { return string(*t) }
func (t *text) Set(s string) error { *t = text(s); return nil }

const benchLong = `
Sends messages through a server in another process and says how many it takes, and how soon they arrive.
Flags of its own: --senders, --rooms, --seconds, --rates, --database, --data; see doc/performance.md.`

func benchCommand(ctx context.Context, p *program, args []string) error {
	return runBench(ctx, args, p.out)
}

func helpCommand(_ context.Context, p *program, args []string) error {
	topic := ""
	if len(args) > 0 {
		topic = args[0]
	}
	return help(p.out, topic)
}

// logger is the program's log, on standard error.
func (c *Config) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
