package main

import (
	"context"
	"flag"
	"io"
	"strconv"
	"strings"

	"despatch/internal/bench"
)

// runBench measures a server of its own in another process on this machine.
func runBench(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	opt := bench.Options{Out: stdout}
	serve := flags.Bool("serve", false, "be the process that is measured")
	flags.StringVar(&opt.Database, "database", "", "a postgres:// URL of an empty database; SQLite if empty")
	flags.StringVar(&opt.Data, "data", "", "folder to use; a temporary one if empty")
	flags.IntVar(&opt.Senders, "senders", 128, "senders at once")
	flags.IntVar(&opt.Rooms, "rooms", 100, "conversations")
	flags.IntVar(&opt.Seconds, "seconds", 10, "how long to send")
	flags.BoolVar(&opt.Floors, "floors", true, "compare with a bare handler, and with one that only appends and syncs")
	rates := flags.String("rates", "10,500", "messages a second at which arrival is measured; empty for none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, text := range strings.Split(*rates, ",") {
		if n, err := strconv.Atoi(text); err == nil && n > 0 {
			opt.Rates = append(opt.Rates, n)
		}
	}
	if *serve {
		return bench.Serve(ctx, opt)
	}
	return bench.Run(ctx, opt)
}
