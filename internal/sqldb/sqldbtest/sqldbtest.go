// Package sqldbtest gives tests real databases: a fresh SQLite file, and a fresh database in a
// PostgreSQL server that it starts from the machine's installed programs in a temporary folder.
package sqldbtest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"despatch/internal/sqldb"
)

// RequirePostgres names the environment variable that turns a missing PostgreSQL from a skipped
// test into a failed one.
const RequirePostgres = "DESPATCH_REQUIRE_POSTGRES"

// Each runs fn once for each database, as subtests "sqlite" and "postgres".
func Each(t *testing.T, fn func(t *testing.T, target string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite returns the path of a database that does not exist yet.
func SQLite(t testing.TB) string { return filepath.Join(t.TempDir(), "despatch.db") }

// Postgres returns the URL of an empty database of the test's own. The server is started at the
// first call and lives until [Main] ends or the process dies.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := server()
	if err != nil {
		if os.Getenv(RequirePostgres) != "" {
			t.Fatalf("PostgreSQL is required here: %v", err)
		}
		t.Skipf("skipped: this test needs PostgreSQL's programs (Debian: apt install postgresql): %v", err)
	}
	name := fmt.Sprintf("t%d", s.count.Add(1))
	if err := s.exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create database: %v", err)
	}
	t.Cleanup(func() { s.exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") })
	return s.url(name)
}

// Restart stops and starts the PostgreSQL server, for tests of a database that goes away. Between
// the two calls of the returned functions the server is down.
func Restart(t testing.TB) (stop, start func()) {
	s, err := server()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	return func() { s.stop() }, func() {
		if err := s.start(); err != nil {
			t.Fatalf("start PostgreSQL again: %v", err)
		}
	}
}

// Main runs a package's tests and stops the PostgreSQL server that they may have started.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a package that has something of its own to clear away: it returns the exit status.
func Run(m *testing.M) int {
	defer func() {
		if shared != nil {
			shared.stop()
			os.RemoveAll(shared.dir)
		}
	}()
	return m.Run()
}

type postgres struct {
	dir   string
	bin   string
	cred  *syscall.SysProcAttr
	cmd   *exec.Cmd
	admin *sql.DB
	count atomic.Int64
}

var (
	once      sync.Once
	shared    *postgres
	sharedErr error
)

func server() (*postgres, error) {
	once.Do(func() {
		p := &postgres{}
		if sharedErr = p.init(); sharedErr == nil {
			shared = p
		}
	})
	return shared, sharedErr
}

// programs finds the folder of initdb and postgres: on the path, or where Debian puts them.
func programs() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	sort.Sort(sort.Reverse(sort.StringSlice(dirs)))
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("initdb was not found")
}

func (p *postgres) init() error {
	var err error
	if p.bin, err = programs(); err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "despatch-pg"); err != nil {
		return err
	}
	p.cred = &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // PostgreSQL refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			return fmt.Errorf("running as root, and there is no user postgres to run the server: %w", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.cred.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(p.dir, uid, gid); err != nil {
			return err
		}
	}
	cmd := exec.Command(filepath.Join(p.bin, "initdb"), "-D", filepath.Join(p.dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred.Credential}
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out))
	}
	return p.start()
}

func (p *postgres) start() error {
	started := make(chan error, 1)
	cmd := exec.Command(filepath.Join(p.bin, "postgres"), "-D", filepath.Join(p.dir, "data"), "-k", p.dir, "-h", "",
		"-c", "max_connections=300", "-c", "shared_buffers=64MB", "-c", "log_min_messages=fatal")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred.Credential, Pdeathsig: syscall.SIGQUIT}
	cmd.Dir = p.dir
	go func() {
		// Pdeathsig follows the thread, so this thread must live as long as the process.
		runtime.LockOSThread()
		started <- cmd.Start()
		select {}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.cmd = cmd
	if p.admin == nil {
		var err error
		if p.admin, err = sql.Open("pgx", p.url("postgres")); err != nil {
			return err
		}
	}
	for range 200 {
		if err := p.admin.PingContext(context.Background()); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the server did not answer within 10 s")
}

func (p *postgres) stop() {
	if p.cmd != nil {
		p.cmd.Process.Signal(syscall.SIGINT) // fast shutdown
		p.cmd.Wait()
		p.cmd = nil
	}
}

func (p *postgres) url(name string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, p.dir)
}

func (p *postgres) exec(q string) error {
	_, err := p.admin.Exec(q)
	return err
}

// Open opens the target and closes it with the test.
func Open(t testing.TB, target string) *sqldb.DB {
	t.Helper()
	db, err := sqldb.Open(context.Background(), target, sqldb.Options{})
	if err != nil {
		t.Fatalf("open %s: %v", target, err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Crash returns a function that stops the PostgreSQL server as if it had crashed: it does not shut down,
// and has to recover at its next start, for which see [Restart].
func Crash(t testing.TB) func() {
	s, err := server()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	return func() {
		if s.cmd != nil {
			s.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown
			s.cmd.Wait()
			s.cmd = nil
		}
	}
}

// Disconnect has the server end every connection to a database made by [Postgres].
func Disconnect(t testing.TB, target string) {
	t.Helper()
	s, err := server()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, strings.TrimPrefix(u.Path, "/")); err != nil {
		t.Fatalf("end the connections: %v", err)
	}
}
