package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"despatch/internal/demo"
	"despatch/internal/httpd"
	"despatch/internal/identity"
	"despatch/internal/server"
)

// runDemo starts a made-up department in a fresh folder and serves it until ctx ends.
func runDemo(ctx context.Context, listen, data string, stdout io.Writer, log *slog.Logger) error {
	began := time.Now()
	if data == "" {
		dir, err := os.MkdirTemp("", "despatch-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		data = dir
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", listen, err)
	}
	clock := demo.NewClock(demo.Start(began))
	s, err := server.New(ctx, server.Config{Data: data, Name: "coasts.example", Log: log, Now: clock.Now,
		Cost: identity.Cost{Memory: 8 << 10, Passes: 1}}) // everybody knows the password: it need not be hard to guess
	if err != nil {
		return err
	}
	defer s.Close()
	if err := demo.Fill(ctx, s, clock); err != nil {
		return err
	}
	url := "http://" + ln.Addr().String()
	printDemo(stdout, url, data, time.Since(began))
	web := httpd.NewServer(s.Handler(), log)
	stopped := make(chan error, 1)
	go func() { stopped <- web.Serve(ln) }()
	select {
	case err := <-stopped:
		return err
	case <-ctx.Done():
	}
	s.Drain()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return web.Shutdown(grace)
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
