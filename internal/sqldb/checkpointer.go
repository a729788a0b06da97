package sqldb

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// checkpointer moves SQLite's write-ahead log into the database file, outside of anybody's COMMIT.
//
// A background PASSIVE checkpoint does most of the copying but can never reset the log while the
// writer is always inside: measured, the log then grows to ten times the database. So the writer
// itself does a cheap PASSIVE step now and then, and a RESTART, which makes the next transaction
// begin at the start of the log, once the log is longer than restartPages.
type checkpointer struct {
	writer *pool
	side   *sql.DB // a connection of its own for the background steps
	rows   int     // committed since the writer's last step; owned by the writer
	quit   chan struct{}
	done   sync.WaitGroup
}

const (
	stepRows     = 2000 // rows between two steps of the writer
	restartPages = 4000 // pages of 8 KiB: 32 MB
	sideInterval = 250 * time.Millisecond
)

func newCheckpointer(path string, writer *pool) *checkpointer {
	c := &checkpointer{writer: writer, quit: make(chan struct{})}
	side, err := sql.Open("sqlite", sqliteDSN(path, []string{"busy_timeout(100)", "wal_autocheckpoint(0)", "synchronous(FULL)", "cache_size(-1000)"}))
	if err != nil {
		return c
	}
	side.SetMaxOpenConns(1)
	c.side = side
	c.done.Add(1)
	go c.background()
	return c
}

func (c *checkpointer) background() {
	defer c.done.Done()
	tick := time.NewTicker(sideInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-tick.C:
			// Failure is harmless: the log is only longer for a while.
			c.side.Exec("PRAGMA wal_checkpoint(PASSIVE)")
		}
	}
}

// committed is called by the writer between two transactions.
func (c *checkpointer) committed(ctx context.Context, n int) {
	if c.rows += n; c.rows < stepRows {
		return
	}
	c.rows = 0
	var busy, pages, moved int64
	if err := c.writer.QueryRow(ctx, "PRAGMA wal_checkpoint(PASSIVE)").Scan(&busy, &pages, &moved); err != nil {
		return
	}
	if pages > restartPages {
		// Do not let a slow reader hold up the writer: give up after 20 ms and try at the next step.
		c.writer.db.ExecContext(ctx, "PRAGMA busy_timeout=20")
		c.writer.QueryRow(ctx, "PRAGMA wal_checkpoint(RESTART)").Scan(&busy, &pages, &moved)
		c.writer.db.ExecContext(ctx, "PRAGMA busy_timeout=5000")
	}
}

func (c *checkpointer) stop() {
	close(c.quit)
	c.done.Wait()
	if c.side != nil {
		c.side.Close()
	}
}
