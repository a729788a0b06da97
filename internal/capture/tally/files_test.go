package tally

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"despatch/internal/capture"
)

// TestRows reads rows with their bytes: quoted line ends, empty lines, a mark of the byte order.
func TestRows(t *testing.T) {
	file := "\xEF\xBB\xBFa;b\r\n1;\"two\nlines\"\r\n\n\n3;\xff\n"
	var got []string
	n, err := CSV(strings.NewReader(file), "x.csv", capture.DefaultLimits, 0, func(r *Row) error {
		got = append(got, fmt.Sprintf("%q line %d+%d %q %v", file[r.Start:r.End], r.Line, r.Lines, r.Fields, r.Lossy))
		return nil
	})
	want := []string{`"a;b\r\n" line 1+1 ["a" "b"] false`, `"1;\"two\nlines\"\r\n" line 2+2 ["1" "two\nlines"] false`, `"3;\xff\n" line 6+1 ["3" "` + "\uFFFD" + `"] true`}
	if fmt.Sprint(got) != fmt.Sprint(want) || err != nil || n != int64(len(file)) {
		t.Errorf("got %s, %d, %v\nwant %s", got, n, err, want)
	}
}

func TestTextLines(t *testing.T) {
	file := "\xEF\xBB\xBFone\r\n\ntw\xffo\nlast"
	var got []string
	n, err := Lines(strings.NewReader(file), "x.txt", capture.DefaultLimits, func(l *Line) error {
		got = append(got, fmt.Sprintf("%d %q %q %v", l.Number, file[l.Start:l.End], l.Text, l.Lossy))
		return nil
	})
	want := []string{`1 "one\r\n" "one" false`, `2 "\n" "" false`, `3 "tw\xffo\n" "tw` + "\uFFFD" + `o" true`, `4 "last" "last" false`}
	if fmt.Sprint(got) != fmt.Sprint(want) || err != nil || n != int64(len(file)) {
		t.Errorf("got %s, %d, %v\nwant %s", got, n, err, want)
	}
	limits := capture.DefaultLimits
	limits.Line = 100_000
	for _, in := range []string{strings.Repeat("x", 300_000), "\"" + strings.Repeat("x\n", 300_000)} {
		_, err := Lines(strings.NewReader(in), "x", limits, func(*Line) error { return nil })
		_, err2 := CSV(strings.NewReader(in), "x", limits, ',', func(*Row) error { return nil })
		if f := (*capture.FileError)(nil); strings.Count(in, "\n") == 0 && !errors.As(err, &f) || !errors.As(err2, &f) {
			t.Errorf("too long a line: %v, %v", err, err2)
		}
	}
}

// TestTar reads an archive in which a stranger points outside it, links, and repeats a name.
func TestTar(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{{Name: "a/one.txt"}, {Name: "../evil"}, {Name: "/etc/passwd"}, {Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc"}, {Name: "a/one.txt"}, {Name: "dir/", Typeflag: tar.TypeDir}, {Name: "b.txt"}} {
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, 5
		}
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			io.WriteString(w, "bytes")
		}
	}
	w.Close()
	open := func(data []byte) ([]*capture.Member, []capture.Skip, error) {
		f, err := capture.NewFile(t.Context(), "x.tar", bytes.NewReader(data), int64(len(data)), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		if !IsTar(f) {
			t.Error("a tar is not known as one")
		}
		return Tar(f, capture.DefaultLimits)
	}
	members, skipped, err := open(b.Bytes())
	if err != nil || len(members) != 2 || members[0].Path != "a/one.txt" || members[1].Path != "b.txt" {
		t.Fatalf("members %v, %v", members, err)
	}
	if fmt.Sprint(skipped) != "[{unsafe_path 2 ../evil} {not_a_file 1 link} {two_files_of_this_name 1 a/one.txt}]" {
		t.Errorf("skipped %v", skipped)
	}
	r, _ := members[1].Open()
	if got, _ := io.ReadAll(r); string(got) != "bytes" {
		t.Errorf("b.txt holds %q", got)
	}
	if _, _, err := open(b.Bytes()[:514]); err == nil {
		t.Error("a tar that is cut short is taken whole")
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,\"two\nlines\"\n\n3,4"))
	f.Fuzz(func(t *testing.T, data []byte) {
		last := int64(0)
		n, err := CSV(bytes.NewReader(data), "x", capture.DefaultLimits, 0, func(r *Row) error {
			if r.Start < last || r.End > int64(len(data)) || !bytes.Equal(data[r.Start:r.End], r.Raw) {
				t.Errorf("bytes %d to %d of %d after %d", r.Start, r.End, len(data), last)
			}
			if line := int64(bytes.Count(data[:r.Start], []byte("\n"))) + 1; line != r.Line {
				t.Errorf("line %d, want %d", r.Line, line)
			}
			last = r.End
			return nil
		})
		if fault := (*capture.FileError)(nil); err != nil && !errors.As(err, &fault) {
			t.Errorf("%v does not say what to do", err)
		}
		if err == nil && n != int64(len(data)) {
			t.Errorf("%d of %d bytes read", n, len(data))
		}
	})
}

func FuzzTar(f *testing.F) {
	f.Add([]byte("x"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := capture.NewFile(t.Context(), "x.tar", bytes.NewReader(data), int64(len(data)), time.Time{})
		if err != nil {
			return
		}
		members, _, err := Tar(file, capture.DefaultLimits)
		if fault := (*capture.FileError)(nil); err != nil && !errors.As(err, &fault) {
			t.Errorf("%v does not say what to do", err)
		}
		for _, m := range members {
			if r, err := m.Open(); err == nil {
				n, _ := io.Copy(io.Discard, r)
				if n != m.Size {
					t.Errorf("%s has %d bytes, not %d", m.Path, n, m.Size)
				}
			}
		}
	})
}
