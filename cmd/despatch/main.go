// Command despatch is the official messenger, its record, and everything around them in one program.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flags := flag.NewFlagSet("demo", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:8008", "address")
	data := flags.String("data", "", "folder")
	if len(os.Args) > 1 && os.Args[1] == "bench" {
		if err := runBench(ctx, os.Args[2:], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "despatch:", err)
			os.Exit(1)
		}
		return
	}
	if len(os.Args) < 2 || os.Args[1] != "demo" {
		fmt.Fprintln(os.Stderr, "usage: despatch demo")
		os.Exit(2)
	}
	flags.Parse(os.Args[2:])
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := runDemo(ctx, *listen, *data, os.Stdout, log); err != nil {
		fmt.Fprintln(os.Stderr, "despatch:", err)
		os.Exit(1)
	}
}
