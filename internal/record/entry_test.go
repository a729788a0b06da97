package record

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

func TestEntryForm(t *testing.T) {
	e := Entry{Time: 0x0102030405060708, ScopeTag: [32]byte{9, 31: 10}, Seq: 0x1112131415161718, Kind: KindHold, Commitment: [32]byte{11, 31: 12}}
	b := e.Append(nil)
	if len(b) != EntrySize {
		t.Fatalf("entry is %d bytes, want %d", len(b), EntrySize)
	}
	want := append([]byte{1, 65, 1, 2, 3, 4, 5, 6, 7, 8, 9}, make([]byte, 30)...)
	want = append(want, 10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 11)
	want = append(append(want, make([]byte, 30)...), 12)
	if !bytes.Equal(b, want) {
		t.Errorf("entry = %x\nwant    %x", b, want)
	}
	got, err := ParseEntry(b)
	if err != nil || got != e {
		t.Errorf("ParseEntry = %+v, %v, want %+v", got, err, e)
	}
	for name, bad := range map[string][]byte{
		"empty":   nil,
		"short":   b[:81],
		"long":    append(b[:82:82], 0),
		"version": append([]byte{2}, b[1:]...),
		"no kind": append([]byte{1, 0}, b[2:]...),
		"time":    append([]byte{1, 1, 0x80}, b[3:]...),
	} {
		if _, err := ParseEntry(bad); err == nil {
			t.Errorf("ParseEntry of a bad entry (%s) succeeded", name)
		}
	}
}

func FuzzParseEntry(f *testing.F) {
	e := testEntry(1)
	f.Add(e.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEntry(b)
		if err != nil {
			return
		}
		if got := e.Append(nil); !bytes.Equal(got, b) {
			t.Errorf("%x parsed and written is %x", b, got)
		}
	})
}

func TestCommit(t *testing.T) {
	salt := [32]byte{1, 2, 3}
	for _, n := range []int{0, 1, 700, 1023, 1024, 1025, 70_000} {
		body := bytes.Repeat([]byte{'x'}, n)
		want := sha256.Sum256(append(append([]byte("despatch/body/v1"), salt[:]...), body...))
		if got := Commit(&salt, body); got != want {
			t.Errorf("Commit of %d bytes = %x, want %x", n, got, want)
		}
	}
	want := sha256.Sum256(append(append([]byte("despatch/scope/v1"), salt[:]...), "!room:x"...))
	if got := ScopeTag(salt, "!room:x"); got != want {
		t.Errorf("ScopeTag = %x, want %x", got, want)
	}
}

func TestBundle(t *testing.T) {
	var b []byte
	for i := range int64(5) {
		e := testEntry(i)
		b = AppendBundled(b, &e)
	}
	got, err := ParseBundle(b)
	if err != nil || len(got) != 5 || got[4] != testEntry(4) {
		t.Errorf("ParseBundle = %v, %v", got, err)
	}
	if _, err := ParseBundle(b[1:]); err == nil {
		t.Error("ParseBundle of a cut bundle succeeded")
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := range 256 {
		s := Kind(k).String()
		if seen[s] {
			t.Errorf("two kinds are called %q", s)
		}
		seen[s] = true
	}
	if got := Kind(200).String(); got != "kind 200" {
		t.Errorf("unknown kind is called %q", got)
	}
}

func BenchmarkCommit700(b *testing.B) {
	salt := [32]byte{1}
	body := make([]byte, 700)
	b.ReportAllocs()
	for b.Loop() {
		Commit(&salt, body)
	}
}

func BenchmarkLeafHash(b *testing.B) {
	e := testEntry(1)
	b.ReportAllocs()
	for b.Loop() {
		LeafHash(&e)
	}
}
