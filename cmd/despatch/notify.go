package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	"despatch/internal/server"
	"despatch/internal/store"
)

// notifier tells systemd how the server is: sd_notify(3). Without systemd it does nothing.
type notifier struct {
	socket string
	every  time.Duration // of the watchdog; 0 if there is none
}

func newNotifier(env func(string) string) *notifier {
	n := &notifier{socket: env("NOTIFY_SOCKET")}
	if strings.HasPrefix(n.socket, "@") {
		n.socket = "\x00" + n.socket[1:] // an abstract socket
	}
	if usec, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		n.every = time.Duration(usec) * time.Microsecond / 2
	}
	return n
}

func (n *notifier) send(state string) {
	if n.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	conn.Write([]byte(state))
}

// watchdog says that the server is alive for as long as it can read its record.
func (n *notifier) watchdog(ctx context.Context, s *server.Server) {
	if n.every == 0 {
		return
	}
	tick := time.NewTicker(n.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			look, cancel := context.WithTimeout(ctx, n.every)
			if _, err := store.ReadHead(look, s.DB.Reader()); err == nil {
				n.send("WATCHDOG=1")
			}
			cancel()
		}
	}
}
