package crashtest

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// disk mounts a small file system that the test can fill and have all to itself.
func disk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Skipf("skipped: a file system of its own cannot be mounted (it takes root): %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill writes a file until nothing more fits.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; size /= 2 {
		for {
			if _, err := f.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
}

// refused waits until the senders are answered with 503, and looks at the words.
func (w *world) refused(t *testing.T, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if answer, ok := w.refusal(); ok {
			for _, word := range words {
				if strings.Contains(answer, word) {
					return
				}
			}
			t.Errorf("the refusal is %s, which says none of %q", answer, words)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was refused")
		}
	}
}

// refusal is the answer of a message that is refused with 503 just now.
func (w *world) refusal() (answer string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.said[max(0, len(w.said)-len(w.tokens)):] {
		if m.status == http.StatusServiceUnavailable {
			return m.answer, true
		}
	}
	return "", false
}

// settled waits for the load to have made so many more messages.
func (w *world) settled(t *testing.T, more int) {
	t.Helper()
	_, from, _ := w.count(0)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, n, _ := w.count(0); n >= from+more {
			return
		}
		if time.Now().After(deadline) {
			_, n, _ := w.count(0)
			t.Fatalf("only %d messages were taken in 20 s", n-from)
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := disk(t)
	w := newWorld(t, filepath.Join(dir, "data"), "", senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	ballast := filepath.Join(dir, "ballast")
	for range 3 {
		w.settled(t, 200)
		fill(t, ballast)
		w.refused(t, "disk is full")
		time.Sleep(200 * time.Millisecond)
		if status := upload(t, p.addr, w.tokens[0], 300<<10); status < 500 {
			t.Errorf("an upload to a full disk is answered with %d", status)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		t.Logf("taken again %s after there was space", w.works(t, p.addr, 5*time.Second).Round(time.Millisecond))
	}
	w.settled(t, 200)
	l.stop(t)
	if status := upload(t, p.addr, w.tokens[0], 300<<10); status != http.StatusOK {
		t.Errorf("an upload after there was space is answered with %d", status)
	}
	finish(t, w, p)
}

// finish compares while the server runs, and again after it was started once more.
func finish(t *testing.T, w *world, p *process) {
	t.Helper()
	w.again(t, p.addr)
	w.delivered(t, p.addr)
	w.check(t)
	p.kill()
	p = w.start(t)
	w.again(t, p.addr)
	w.delivered(t, p.addr)
	w.check(t)
	if t.Failed() {
		t.Logf("%s", p.said())
	}
}

func upload(t *testing.T, addr, token string, size int) int {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+addr+"/_matrix/media/v3/upload", io.LimitReader(zeros{}, int64(size)))
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = int64(size)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFileLimit is TestFullDisk for those who are not root: the process may not make a file longer.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), "", senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	w.settled(t, 100)
	limit(t, p, 4096)
	w.refused(t, "disk gave an error", "disk is full")
	time.Sleep(200 * time.Millisecond)
	limit(t, p, ^uint64(0))
	t.Logf("taken again %s after the limit was lifted", w.works(t, p.addr, 5*time.Second).Round(time.Millisecond))
	w.settled(t, 100)
	l.stop(t)
	finish(t, w, p)
}

// limit bounds the length of the files that a process may write.
func limit(t *testing.T, p *process, n uint64) {
	t.Helper()
	lim := syscall.Rlimit{Cur: n, Max: ^uint64(0)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.cmd.Process.Pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(&lim)), 0, 0, 0)
	if errno != 0 {
		t.Fatalf("prlimit: %v", errno)
	}
}

// TestDiskAborts has the kernel stop writing to a disk under the running server, as it does when the disk
// gives errors: what was not synced by then is lost, as after a power cut.
func TestDiskAborts(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("skipped: mounting a disk takes root")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 128<<20); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Skipf("skipped: this machine cannot make a disk in a file: %s: %v %s", name, err, out)
		}
	}
	run("mkfs.ext4", "-q", image)
	run("mount", "-o", "loop", image, dir)
	mounted := true
	t.Cleanup(func() {
		if mounted {
			exec.Command("umount", "-l", dir).Run()
		}
	})
	w := newWorld(t, filepath.Join(dir, "data"), "", senders, rooms)
	p := w.start(t)
	l := w.load(p.addr, true)
	w.settled(t, 300)
	run("mount", "-o", "remount,abort", dir)
	w.refused(t, "disk gave an error", "cannot be written to")
	if status := upload(t, p.addr, w.tokens[0], 300<<10); status < 500 {
		t.Errorf("an upload to a disk that is gone is answered with %d", status)
	}
	close(l.quit)
	l.wg.Wait()
	w.delivered(t, p.addr) // it can still be read
	p.kill()
	run("umount", dir)
	mounted = false
	run("mount", "-o", "loop", image, dir)
	mounted = true
	finish(t, w, w.start(t))
}

// TestReadOnlyFolder starts the server on a disk that can only be read: it must say so and go.
func TestReadOnlyFolder(t *testing.T) {
	t.Parallel()
	dir := disk(t)
	w := newWorld(t, filepath.Join(dir, "data"), "", 2, 1)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skipf("skipped: the disk cannot be made read-only: %v", err)
	}
	p := w.spawn(t)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the server runs on a disk that it cannot write to")
	}
	if p.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(p.said(), "read-only") {
		t.Errorf("exit status %d, saying %q; want a failure that names the read-only folder", p.cmd.ProcessState.ExitCode(), p.said())
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	p = w.start(t)
	w.works(t, p.addr, time.Second)
	w.check(t)
}
