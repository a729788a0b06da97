package media

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"despatch/internal/httpd"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

type fixture struct {
	*Service
	db  *sqldb.DB
	rec *recorder.Recorder
}

func start(t testing.TB, target string) *fixture {
	t.Helper()
	db := sqldbtest.Open(t, target)
	if err := store.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	private, _, err := record.GenerateKey(rand.Reader, record.Origin("example.org"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	rec, err := recorder.Open(t.Context(), recorder.Options{DB: db, Signer: signer, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	s, err := New(Options{Dir: filepath.Join(t.TempDir(), "media"), Server: "example.org", DB: db, Record: rec, Log: log, MaxUpload: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{s, db, rec}
}

func each(t *testing.T, fn func(t *testing.T, f *fixture)) {
	sqldbtest.Each(t, func(t *testing.T, target string) { fn(t, start(t, target)) })
}

func (f *fixture) put(t testing.TB, data []byte, u Upload) Item {
	t.Helper()
	if u.By == "" {
		u.By = "@asha:example.org"
	}
	it, err := f.Put(t.Context(), bytes.NewReader(data), u)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func (f *fixture) read(t testing.TB, id string) []byte {
	t.Helper()
	_, file, err := f.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	b, err := io.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files lists what is in the folder.
func (f *fixture) files(t testing.TB) (out []string) {
	t.Helper()
	filepath.WalkDir(f.opt.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			t.Fatal(err)
		}
		if !e.IsDir() {
			out = append(out, path)
		}
		return nil
	})
	return out
}

func (f *fixture) entries(t testing.TB) (out []string) {
	t.Helper()
	err := store.Entries(t.Context(), f.db.Reader(), 0, 1<<60, func(e *store.Entry) error {
		out = append(out, e.Kind.String()+" "+string(e.Body))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func random(n int) []byte {
	b := make([]byte, n)
	mathrand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func TestPutAndOpen(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		for i, n := range []int{0, 1, 100, chunkSize - 1, chunkSize, chunkSize + 1, 2 * chunkSize, 5*chunkSize + 17} {
			data := random(n)
			it := f.put(t, data, Upload{Name: "Plan.bin", Type: "application/x-plan"})
			if it.Size != int64(n) || it.SHA256 != sha256.Sum256(data) {
				t.Errorf("%d bytes: %+v", n, it)
			}
			if got := f.read(t, it.ID); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back as %d others", n, len(got))
			}
			if err := f.Verify(t.Context(), it.SHA256); err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
			want := fmt.Sprintf(`media {"by":"@asha:example.org","id":%q,"media_type":%q,"name":"Plan.bin","sha256":"%x","size":%d,"type":"media"}`, it.ID, it.Type, it.SHA256, n)
			if got := f.entries(t)[i]; got != want {
				t.Errorf("entry %s\nwant  %s", got, want)
			}
		}
		for _, path := range f.files(t) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Contains(raw, random(100)[:16]) {
				t.Errorf("%s is not encrypted", path)
			}
		}
		for _, id := range []string{"", "nothing", "../../etc/passwd", strings.Repeat("a", 100), "a b"} {
			if _, _, err := f.Open(t.Context(), id); err == nil || !strings.Contains(err.Error(), "M_NOT_FOUND") {
				t.Errorf("Open(%q): %v", id, err)
			}
		}
	})
}

func TestSameContentIsKeptOnce(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		data := random(1000)
		var wg sync.WaitGroup
		ids := make([]string, 8)
		for i := range ids {
			wg.Go(func() { ids[i] = f.put(t, data, Upload{Name: fmt.Sprint(i)}).ID })
		}
		wg.Wait()
		if n := len(f.files(t)); n != 1 {
			t.Errorf("%d files, want 1", n)
		}
		if n := len(f.entries(t)); n != 8 {
			t.Errorf("%d entries, want one for each upload", n)
		}
		for _, id := range ids {
			if !bytes.Equal(f.read(t, id), data) {
				t.Errorf("%s has changed", id)
			}
		}
	})
}

func TestDestroy(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		it := f.put(t, picture(t, 400, 300), Upload{})
		other := f.put(t, []byte("stays"), Upload{})
		if _, file, err := f.Thumbnail(t.Context(), it.ID, Size{96, 96, true}); err != nil {
			t.Fatal(err)
		} else {
			file.Close()
		}
		if n := len(f.files(t)); n != 3 {
			t.Fatalf("%d files, want 3", n)
		}
		boom := errors.New("not approved")
		err := f.rec.Do(t.Context(), func(b *recorder.Batch) error { return errors.Join(f.Service.Destroy(b, it.SHA256), boom) })
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		f.read(t, it.ID)
		if err := f.rec.Do(t.Context(), func(b *recorder.Batch) error { return f.Service.Destroy(b, it.SHA256) }); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Open(t.Context(), it.ID); err == nil {
			t.Error("a destroyed content can be opened")
		}
		if _, err := f.Content(t.Context(), it.SHA256); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Content: %v", err)
		}
		if n := len(f.files(t)); n != 1 {
			t.Errorf("%d files, want 1", n)
		}
		f.read(t, other.ID)
		again := f.put(t, picture(t, 400, 300), Upload{})
		if again.SHA256 != it.SHA256 {
			t.Error("the same content has another hash")
		}
		f.read(t, again.ID)
	})
}

func TestUse(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		it := f.put(t, []byte("a picture, say"), Upload{})
		do := func(fn func(context.Context, *sqldb.Tx) error) {
			t.Helper()
			if err := f.rec.Do(ctx, func(b *recorder.Batch) error { return fn(b.Context(), b.Tx()) }); err != nil {
				t.Fatal(err)
			}
		}
		open := func(want bool) {
			t.Helper()
			_, file, err := f.Open(ctx, it.ID)
			if err == nil {
				file.Close()
			}
			if (err == nil) != want {
				t.Errorf("Open: %v, want it shown: %v", err, want)
			}
		}
		open(true)
		do(func(ctx context.Context, tx *sqldb.Tx) error { return store.UseMedia(ctx, tx, it.ID, 10) })
		do(func(ctx context.Context, tx *sqldb.Tx) error { return store.UseMedia(ctx, tx, it.ID, 20) })
		do(func(ctx context.Context, tx *sqldb.Tx) error { return store.UnuseMedia(ctx, tx, 10, 1) })
		do(func(ctx context.Context, tx *sqldb.Tx) error { return store.UnuseMedia(ctx, tx, 99, 1) })
		open(true)
		do(func(ctx context.Context, tx *sqldb.Tx) error { return store.UnuseMedia(ctx, tx, 20, 2) })
		open(false)
		if file, err := f.Content(ctx, it.SHA256); err != nil {
			t.Errorf("the record lost it: %v", err)
		} else {
			file.Close()
		}
		if got, err := f.Item(ctx, it.ID); err != nil || got != it {
			t.Errorf("Item = %+v, %v", got, err)
		}
		do(func(ctx context.Context, tx *sqldb.Tx) error { return store.UseMedia(ctx, tx, it.ID, 30) })
		open(false)
	})
}

func TestLimits(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	ctx := t.Context()
	f.put(t, make([]byte, 4<<20), Upload{})
	before := len(f.files(t))
	for name, r := range map[string]io.Reader{
		"one byte more":          bytes.NewReader(make([]byte, 4<<20+1)),
		"without an end":         neverEnding{},
		"picture without an end": io.MultiReader(bytes.NewReader(picture(t, 10, 10)), neverEnding{}),
	} {
		_, err := f.Put(ctx, r, Upload{})
		if e, ok := errors.AsType[*httpd.Error](err); !ok || e.Code != "M_TOO_LARGE" {
			t.Errorf("%s: %v", name, err)
		}
	}
	boom := errors.New("connection reset")
	if _, err := f.Put(ctx, io.MultiReader(bytes.NewReader(random(500_000)), iotest.ErrReader(boom)), Upload{}); !errors.Is(err, boom) {
		t.Errorf("broken upload: %v", err)
	}
	if n := len(f.files(t)); n != before {
		t.Errorf("%d files, want %d: something was left behind", n, before)
	}
	if n := len(f.entries(t)); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	big := f.put(t, make([]byte, 5<<20), Upload{Evidence: true})
	if big.Size != 5<<20 {
		t.Errorf("evidence of %d bytes", big.Size)
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Whatever fails, nothing is on the record that is not on disk, and nothing is left lying about.
func TestDiskFails(t *testing.T) {
	for _, step := range []string{"create", "sync", "rename", "sync folder"} {
		for _, cause := range []error{syscall.ENOSPC, syscall.EROFS, syscall.EIO} {
			t.Run(step+" "+cause.Error(), func(t *testing.T) {
				f := start(t, sqldbtest.SQLite(t))
				f.folder.fail = func(s string) error {
					if s == step {
						return &fs.PathError{Op: step, Path: "media", Err: cause}
					}
					return nil
				}
				_, err := f.Put(t.Context(), bytes.NewReader(random(100_000)), Upload{})
				e, shown := errors.AsType[*httpd.Error](err)
				switch {
				case err == nil:
					t.Fatal("acknowledged")
				case cause == syscall.ENOSPC && (!shown || e.Status != http.StatusInsufficientStorage || !strings.Contains(e.Message, "full")):
					t.Errorf("full disk: %v", err)
				case cause == syscall.EROFS && (!shown || e.Status != http.StatusServiceUnavailable):
					t.Errorf("read-only disk: %v", err)
				}
				if n := len(f.files(t)); n != 0 {
					t.Errorf("%d files left", n)
				}
				if n := len(f.entries(t)); n != 0 {
					t.Errorf("%d entries", n)
				}
				f.folder.fail = nil
				f.put(t, random(100_000), Upload{})
			})
		}
	}
}

// A real full disk: a file system of one megabyte.
func TestDiskFull(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	if err := syscall.Mount("tmpfs", f.folder.path(tempDir), "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("skipped: mounting a small file system needs root: %v", err)
	}
	defer syscall.Unmount(f.folder.path(tempDir), 0)
	_, err := f.Put(t.Context(), bytes.NewReader(random(3<<20)), Upload{})
	if e, ok := errors.AsType[*httpd.Error](err); !ok || e.Status != http.StatusInsufficientStorage {
		t.Errorf("Put on a full disk: %v", err)
	}
	if n := len(f.files(t)); n != 0 {
		t.Errorf("%d files left", n)
	}
}

func TestCrash(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	kept := f.put(t, []byte("kept"), Upload{})
	// What a crash can leave: a file half written, and one in place whose transaction was not committed.
	os.WriteFile(filepath.Join(f.folder.path(tempDir), "half"), []byte("x"), 0o600)
	orphan, err := f.folder.create()
	if err != nil {
		t.Fatal(err)
	}
	orphan.Close()
	if _, err := f.folder.keep(orphan.Name()); err != nil {
		t.Fatal(err)
	}
	s, err := New(f.opt)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.files(t)); n != 2 {
		t.Errorf("%d files after starting again, want 2", n)
	}
	if n, err := s.Sweep(t.Context(), time.Hour, time.Now()); err != nil || n != 0 {
		t.Errorf("Sweep removed %d young files, %v", n, err)
	}
	if n, err := s.Sweep(t.Context(), time.Hour, time.Now().Add(2*time.Hour)); err != nil || n != 1 {
		t.Errorf("Sweep removed %d, %v; want the one that no content has", n, err)
	}
	f.read(t, kept.ID)
}

// Any changed byte, and any cut, is noticed.
func TestDamage(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	data := random(2*chunkSize + 1000)
	it := f.put(t, data, Upload{})
	path := f.files(t)[0]
	good, _ := os.ReadFile(path)
	const sealed = chunkSize + tagSize
	damaged := map[string][]byte{
		"cut at a chunk": good[:sealed],
		"cut":            good[:len(good)-1],
		"longer":         append(bytes.Clone(good), 0),
		"swapped":        append(append(bytes.Clone(good[sealed:2*sealed]), good[:sealed]...), good[2*sealed:]...),
		"empty":          nil,
	}
	for _, at := range []int{0, 100, sealed - 1, sealed, 2 * sealed, len(good) - 1} {
		b := bytes.Clone(good)
		b[at] ^= 1
		damaged[fmt.Sprintf("byte %d", at)] = b
	}
	for name, b := range damaged {
		os.WriteFile(path, b, 0o600)
		if err := f.Verify(t.Context(), it.SHA256); !errors.Is(err, errSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	os.WriteFile(path, good, 0o600)
	if err := f.Verify(t.Context(), it.SHA256); err != nil {
		t.Error(err)
	}
}

func TestServe(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	data := random(3 * chunkSize)
	it := f.put(t, data, Upload{Name: "Kätzchen \"1\".bin"})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		it, file, err := f.Open(r.Context(), it.ID)
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		Serve(w, r, it, file, "", false)
	})
	for _, rng := range [][2]int{{0, 10}, {chunkSize - 5, chunkSize + 5}, {2*chunkSize - 1, 3 * chunkSize}, {100, 2*chunkSize + 100}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", rng[0], rng[1]-1))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 206 || !bytes.Equal(w.Body.Bytes(), data[rng[0]:rng[1]]) {
			t.Errorf("bytes %v: status %d, %d bytes", rng, w.Code, w.Body.Len())
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for k, want := range map[string]string{
		"Content-Type":           "application/octet-stream",
		"Content-Disposition":    `attachment; filename="K_tzchen _1_.bin"; filename*=utf-8''K%C3%A4tzchen%20%221%22.bin`,
		"X-Content-Type-Options": "nosniff",
		"Cache-Control":          "private, no-store",
	} {
		if got := w.Header().Get(k); got != want {
			t.Errorf("%s: %s, want %s", k, got, want)
		}
	}
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Error("a file could run scripts")
	}
}

func TestTypes(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	svg := `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	for _, tt := range []struct {
		data, said, want string
		inline           bool
	}{
		{"plain words", "text/plain", "text/plain", true},
		{"a,b\n1,2\n3,4\n", "text/csv", "text/csv", true},
		{"plain words", "text/html", "text/plain", true},
		{"<!DOCTYPE html><script>alert(1)</script>", "text/plain", "text/html", false},
		{"<!DOCTYPE html><script>alert(1)</script>", "image/png", "text/html", false},
		{svg, "image/png", "image/svg+xml", false},
		{svg, "image/svg+xml", "image/svg+xml", false},
		{"%PDF-1.7 …", "application/pdf", "application/pdf", false},
		{"\x00\x01\x02\x03", "image/png", "application/octet-stream", false},
		{"\x00\x01\x02\x03", "text/html", "application/octet-stream", false},
		{"\x00\x01\x02\x03", "application/x-thing; charset=x", "application/x-thing", false},
		{"\x00\x01\x02\x03", "no type\r\nX: y", "application/octet-stream", false},
		{string(picture(t, 4, 4)), "application/octet-stream", "image/jpeg", true},
		{"OggS\x00\x02" + strings.Repeat("\x00", 22) + "\x01\x1eOpusHead", "audio/ogg", "audio/ogg", true},
	} {
		it := f.put(t, []byte(tt.data), Upload{Type: tt.said})
		h := http.Header{}
		SetHeaders(h, it.Type, "", false)
		if it.Type != tt.want || (h.Get("Content-Disposition") == "inline") != tt.inline {
			t.Errorf("%.20q said to be %s: %s, %s; want %s, inline %v", tt.data, tt.said, it.Type, h.Get("Content-Disposition"), tt.want, tt.inline)
		}
	}
	for name, want := range map[string]string{"../../etc/passwd": ".._.._etc_passwd", "a\r\nb": "a__b", "ok\u202efdp.exe": "ok_fdp.exe",
		" x ": "x", strings.Repeat("é", 200) + ".pdf": strings.Repeat("é", 125) + ".pdf"} {
		if got := f.put(t, []byte("x"), Upload{Name: name}).Name; got != want {
			t.Errorf("name %q became %q, want %q", name, got, want)
		}
	}
}

// picture is a JPEG of a gradient.
func picture(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, gradient(w, h), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gradient(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.RGBA{uint8(255 * x / w), uint8(255 * y / h), 100, 255})
		}
	}
	return img
}

const secret = "51.5034N 0.1276W iPhone of Asha"

// exif is Exif data with an orientation and a secret, in either order of bytes.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("MM")
	if order.AppendUint16(nil, 1)[0] == 1 {
		b = []byte("II")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(order.AppendUint16(b, 0x010f), 2) // the camera's maker
	b = order.AppendUint32(order.AppendUint32(b, uint32(len(secret))), 38)
	b = order.AppendUint16(order.AppendUint16(b, 0x0112), 3)
	b = order.AppendUint16(order.AppendUint32(b, 1), orientation)
	b = order.AppendUint32(order.AppendUint16(b, 0), 0)
	return append(b, secret...)
}

func segment(m byte, data string) []byte {
	return append([]byte{0xff, m, byte((len(data) + 2) >> 8), byte(len(data) + 2)}, data...)
}

func TestStripJPEG(t *testing.T) {
	plain := picture(t, 64, 48)
	body := plain[2:]
	icc := segment(markAPP2, "ICC_PROFILE\x00\x01\x01profile")
	for _, o := range []uint16{1, 6} {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			dirty := []byte{0xff, 0xd8}
			dirty = append(dirty, segment(markAPP0, "JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x01\x01"+secret)...)
			dirty = append(dirty, segment(markAPP1, "Exif\x00\x00"+string(exif(order, o)))...)
			dirty = append(dirty, segment(markAPP1, "http://ns.adobe.com/xap/1.0/\x00<xmp>"+secret)...)
			dirty = append(dirty, segment(markAPP2, "MPF\x00"+secret)...)
			dirty = append(dirty, icc...)
			dirty = append(dirty, segment(0xed, "Photoshop 3.0\x00"+secret)...)
			dirty = append(dirty, 0xff, 0xff, 0xff) // fill
			dirty = append(dirty, segment(markComment, secret)...)
			dirty = append(dirty, body...)
			dirty = append(dirty, "the film of a moving picture, "+secret...)
			f := start(t, sqldbtest.SQLite(t))
			it := f.put(t, dirty, Upload{Type: "image/jpeg"})
			got := f.read(t, it.ID)
			if bytes.Contains(got, []byte("Asha")) || bytes.Contains(got, []byte("film")) {
				t.Errorf("orientation %d: metadata is left", o)
			}
			if !bytes.HasSuffix(got, body[len(body)-len(plain)/2:]) || !bytes.Contains(got, icc) {
				t.Error("the picture or its profile was changed")
			}
			a, err := jpeg.Decode(bytes.NewReader(plain))
			if err != nil {
				t.Fatal(err)
			}
			b, err := jpeg.Decode(bytes.NewReader(got))
			if err != nil || !samePicture(a, b) {
				t.Errorf("the picture was changed: %v", err)
			}
			if up := upright(bytes.NewReader(got), "image/jpeg"); up != int(o) {
				t.Errorf("orientation %d became %d", o, up)
			}
			if !strings.Contains(f.entries(t)[0], `"stripped":true`) {
				t.Errorf("entry %s", f.entries(t)[0])
			}
			whole := f.put(t, dirty, Upload{Type: "image/jpeg", Evidence: true})
			if !bytes.Equal(f.read(t, whole.ID), dirty) {
				t.Error("evidence was changed")
			}
		}
	}
}

func samePicture(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			if a.At(x, y) != b.At(x, y) {
				return false
			}
		}
	}
	return true
}

func pngChunk(kind, data string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func TestStripPNG(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, gradient(40, 30)); err != nil {
		t.Fatal(err)
	}
	clean := b.Bytes()
	dirty := append([]byte{}, clean[:33]...) // up to the end of IHDR
	dirty = append(dirty, pngChunk("tEXt", "Comment\x00"+secret)...)
	dirty = append(dirty, pngChunk("iTXt", "XML:com.adobe.xmp\x00"+secret)...)
	dirty = append(dirty, pngChunk("eXIf", string(exif(binary.BigEndian, 3)))...)
	dirty = append(dirty, pngChunk("prVt", secret)...)
	dirty = append(dirty, clean[33:]...)
	dirty = append(dirty, secret...)
	var out bytes.Buffer
	if err := stripPNG(&out, reader(dirty)); err != nil {
		t.Fatal(err)
	}
	want := append(append(append([]byte{}, clean[:33]...), pngChunk("eXIf", string(exifOrientation(3)))...), clean[33:]...)
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %q", out.Bytes())
	}
	if _, err := png.Decode(&out); err != nil {
		t.Error(err)
	}
}

func TestStripWebP(t *testing.T) {
	// The smallest lossless picture, of one point.
	raw, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	if err != nil {
		t.Fatal(err)
	}
	chunk := func(kind, data string) string {
		s := kind + string(binary.LittleEndian.AppendUint32(nil, uint32(len(data)))) + data
		if len(data)%2 == 1 {
			s += "\x00"
		}
		return s
	}
	riff := func(chunks string) []byte {
		return []byte("RIFF" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(chunks)+4))) + "WEBP" + chunks)
	}
	vp8x := func(flags byte) string { return chunk("VP8X", string([]byte{flags, 0, 0, 0, 0, 0, 0, 0, 0, 0})) }
	pixels := string(raw[12:])
	for _, tt := range []struct{ in, want []byte }{
		{raw, raw},
		{append(bytes.Clone(raw), secret...), raw},
		{riff(vp8x(0x1c) + chunk("ICCP", "odd") + pixels + chunk("EXIF", string(exif(binary.LittleEndian, 1))) + chunk("XMP ", secret)),
			riff(vp8x(0x10) + chunk("ICCP", "odd") + pixels)},
		{riff(vp8x(0x0c) + pixels + chunk("EXIF", "Exif\x00\x00"+string(exif(binary.BigEndian, 8))) + chunk("ABCD", secret)),
			riff(vp8x(0x08) + pixels + chunk("EXIF", string(exifOrientation(8))))},
	} {
		var out bytes.Buffer
		if err := stripWebP(&out, reader(tt.in)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), tt.want) {
			t.Errorf("got  %q\nwant %q", out.Bytes(), tt.want)
		}
	}
}

func TestDamagedPictures(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	good := picture(t, 30, 20)
	var p bytes.Buffer
	png.Encode(&p, gradient(30, 20))
	for name, data := range map[string][]byte{
		"JPEG cut":          good[:len(good)-2],
		"JPEG cut early":    good[:30],
		"JPEG wrong marker": append(append(bytes.Clone(good[:136]), 'x', 'y'), good[136:]...),
		"JPEG length 0":     append(append(bytes.Clone(good[:2]), 0xff, 0xe1, 0, 0), good[2:]...),
		"PNG cut":           p.Bytes()[:p.Len()-12],
		"PNG huge chunk":    append(append(bytes.Clone(p.Bytes()[:33]), 0xff, 0xff, 0xff, 0xff), "tEXt"...),
		"WebP cut":          []byte("RIFF\xff\xff\x00\x00WEBPVP8L"),
		"WebP wrong chunk":  []byte("RIFF\x10\x00\x00\x00WEBPVP8L\xff\xff\xff\x7f1234"),
	} {
		_, err := f.Put(t.Context(), bytes.NewReader(data), Upload{})
		if e, ok := errors.AsType[*httpd.Error](err); !ok || e.Status != 400 || !strings.Contains(e.Message, "damaged") {
			t.Errorf("%s: %v", name, err)
		}
		f.put(t, data, Upload{Evidence: true})
	}
}

func TestThumbnail(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		ctx := t.Context()
		wide := f.put(t, picture(t, 1200, 300), Upload{})
		for _, tt := range []struct {
			ask  Size
			w, h int
		}{
			{Size{32, 32, true}, 32, 32}, {Size{50, 50, true}, 96, 96}, {Size{320, 240, false}, 320, 80}, {Size{300, 200, false}, 320, 80},
			{Size{641, 100, false}, 800, 200}, {Size{5000, 5000, false}, 1200, 300}, {Size{-1, 0, false}, 320, 80},
		} {
			for range 2 { // made, then kept
				typ, file, err := f.Thumbnail(ctx, wide.ID, tt.ask)
				if err != nil {
					t.Fatalf("%v: %v", tt.ask, err)
				}
				img, _, err := image.Decode(file)
				file.Close()
				if err != nil || typ != "image/jpeg" || img.Bounds().Dx() != tt.w || img.Bounds().Dy() != tt.h {
					t.Errorf("%v: %s of %v, %v; want %d × %d", tt.ask, typ, img.Bounds(), err, tt.w, tt.h)
				}
			}
		}
		if n := len(f.entries(t)); n != 1 {
			t.Errorf("%d entries: a thumbnail is no upload", n)
		}
		for _, path := range f.files(t) { // damage each: it is made again
			if strings.HasSuffix(path, "32x32c") {
				os.WriteFile(path, random(500), 0o600)
			}
		}
		if _, file, err := f.Thumbnail(ctx, wide.ID, Size{32, 32, true}); err == nil {
			if _, err := io.ReadAll(file); err != nil {
				t.Errorf("damaged thumbnail: %v", err)
			}
			file.Close()
		} else if !errors.Is(err, errSealed) {
			t.Error(err)
		}

		seeThrough := image.NewNRGBA(image.Rect(0, 0, 200, 100))
		var b bytes.Buffer
		png.Encode(&b, seeThrough)
		it := f.put(t, b.Bytes(), Upload{})
		if typ, file, err := f.Thumbnail(ctx, it.ID, Size{96, 96, true}); err != nil || typ != "image/png" {
			t.Errorf("transparent: %s, %v", typ, err)
		} else {
			file.Close()
		}
		text := f.put(t, []byte("words"), Upload{})
		if _, _, err := f.Thumbnail(ctx, text.ID, Size{96, 96, true}); err == nil {
			t.Error("a thumbnail of words")
		}
	})
}

func TestOrientation(t *testing.T) {
	// One red point at the top left of a white picture of 40 × 20 blocks.
	src := image.NewRGBA(image.Rect(0, 0, 40, 20))
	for i := range src.Pix {
		src.Pix[i] = 255
	}
	src.Set(0, 0, color.RGBA{255, 0, 0, 255})
	for o, want := range map[int]image.Point{1: {0, 0}, 2: {39, 0}, 3: {39, 19}, 4: {0, 19}, 5: {0, 0}, 6: {19, 0}, 7: {19, 39}, 8: {0, 39}} {
		got := turn(src, o)
		if got.At(want.X, want.Y) != (color.RGBA{255, 0, 0, 255}) {
			t.Errorf("orientation %d: the point is not at %v", o, want)
		}
		if (got.Rect.Dx() == 20) != (o >= 5) {
			t.Errorf("orientation %d: %v", o, got.Rect)
		}
	}
	f := start(t, sqldbtest.SQLite(t))
	plain := picture(t, 400, 200)
	up := append(append(bytes.Clone(plain[:2]), segment(markAPP1, "Exif\x00\x00"+string(exif(binary.LittleEndian, 6)))...), plain[2:]...)
	_, file, err := f.Thumbnail(t.Context(), f.put(t, up, Upload{}).ID, Size{320, 240, false})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if img, err := jpeg.Decode(file); err != nil || img.Bounds().Dx() != 120 || img.Bounds().Dy() != 240 {
		t.Errorf("a picture taken upright is %v, %v; want 120 × 240", img.Bounds(), err)
	}
}

// A picture that is small as a file and huge in memory is refused by its header.
func TestPictureBomb(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	ihdr := func(w, h uint32, depth, kind byte) []byte {
		b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
		return append([]byte(pngMagic), pngChunk("IHDR", string(append(b, depth, kind, 0, 0, 0)))...)
	}
	end := append(pngChunk("IDAT", "x\x9c\x03\x00\x00\x00\x00\x01"), pngChunk("IEND", "")...)
	sof := func(m byte, w, h int) []byte {
		b := append([]byte{0xff, 0xd8}, segment(m, string([]byte{8, byte(h >> 8), byte(h), byte(w >> 8), byte(w), 1, 1, 0x11, 0}))...)
		b = append(b, segment(markSOS, "\x01\x01\x00\x00\x3f\x00")...)
		return append(b, 0xff, 0xd9)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, data := range map[string][]byte{
		"PNG 30000 × 30000":            append(ihdr(30000, 30000, 8, 6), end...),
		"PNG 1 × 2 000 000":            append(ihdr(1, 2_000_000, 8, 6), end...),
		"PNG 16 bit 5000 × 5000":       append(ihdr(5000, 5000, 16, 6), end...),
		"JPEG 65535 × 65535":           sof(0xc0, 65535, 65535),
		"progressive JPEG 6000 × 5000": sof(0xc2, 6000, 5000),
	} {
		it := f.put(t, data, Upload{})
		_, _, err := f.Thumbnail(t.Context(), it.ID, Size{96, 96, true})
		if e, ok := errors.AsType[*httpd.Error](err); !ok || e.Code != "M_TOO_LARGE" {
			t.Errorf("%s: %v", name, err)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 30<<20 {
		t.Errorf("%d MB were allocated to refuse them", grown>>20)
	}
}

// Memory does not grow with a file's size.
func TestMemory(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	it, err := f.Put(t.Context(), io.LimitReader(neverEnding{}, 64<<20), Upload{Evidence: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(t.Context(), it.SHA256); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
		t.Errorf("64 MB in and out allocated %d MB", grown>>20)
	}
}

func TestURI(t *testing.T) {
	f := start(t, sqldbtest.SQLite(t))
	it := f.put(t, []byte("x"), Upload{})
	if id, ok := f.ParseURI(f.URI(it)); !ok || id != it.ID {
		t.Errorf("ParseURI(%s) = %s, %v", f.URI(it), id, ok)
	}
	for _, bad := range []string{"", "mxc://example.org/", "mxc://elsewhere.org/abc", "mxc://example.org/a/b", "https://example.org/abc"} {
		if _, ok := f.ParseURI(bad); ok {
			t.Errorf("ParseURI(%q) is ok", bad)
		}
	}
}
