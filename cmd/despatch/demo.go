package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"despatch/internal/demo"
	"despatch/internal/identity"
	"despatch/internal/server"
)

// runDemo starts a made-up department in a fresh folder and serves it until ctx ends.
func runDemo(ctx context.Context, c *Config, stdout io.Writer, log *slog.Logger) error {
	began := time.Now()
	if c.Data == "" {
		dir, err := os.MkdirTemp("", "despatch-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c.Data = dir
	} else if old, err := os.ReadDir(c.Data); err == nil && len(old) > 0 {
		return fmt.Errorf("%[1]s is not empty, and the demonstration needs a fresh folder; to go on with one that was made earlier, run `despatch serve --data %[1]s`", c.Data)
	}
	unlock, err := lockFolder(c.Data)
	if err != nil {
		return err
	}
	defer unlock()
	c.ServerName = "coasts.example"
	name, err := c.name()
	if err != nil {
		return err
	}
	ln, err := listen(c)
	if err != nil {
		return err
	}
	clock := demo.NewClock(demo.Start(began))
	s, err := server.New(ctx, server.Config{Data: c.Data, Name: name, Log: log, Now: clock.Now,
		Cost: identity.Cost{Memory: 8 << 10, Passes: 1}}) // everybody knows the password: it need not be hard to guess
	if err != nil {
		ln.Close()
		return err
	}
	defer s.Close()
	if err := demo.Fill(ctx, s, clock); err != nil {
		ln.Close()
		return err
	}
	printDemo(stdout, c.address(), c.Data, time.Since(began))
	c.Drain = min(c.Drain, 5*time.Second)
	return serve(ctx, c, s, ln, newMetrics(), log)
}

func printDemo(w io.Writer, url, data string, took time.Duration) {
	fmt.Fprintf(w, "\nDespatch is ready (in %d ms). Everything here is made up, and gone when you stop it with Ctrl-C.\n\n", took.Milliseconds())
	fmt.Fprintf(w, "  Messenger                 %s/\n", url)
	fmt.Fprintf(w, "  Records office, IT desk   %s/console/\n", url)
	fmt.Fprintf(w, "  Any Matrix client         homeserver %s\n\n", url)
	fmt.Fprintf(w, "Sign in as (password for all: %s)\n\n", demo.Password)
	for _, p := range demo.People {
		fmt.Fprintf(w, "  %-10s %-20s %s\n", p.Login, p.Name, p.Job)
	}
	fmt.Fprintf(w, "\nTry: daniel in one browser and priya in another (a private window), then ruth in the records office.\n")
	fmt.Fprintf(w, "The record lies in %s\n\n", strings.TrimSuffix(data, "/"))
}
