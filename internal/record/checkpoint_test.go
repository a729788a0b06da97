package record

import (
	"crypto/rand"
	"strings"
	"testing"

	tlogfmt "github.com/transparency-dev/formats/log"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func testKey(t testing.TB, origin string) (note.Signer, note.Verifier) {
	t.Helper()
	priv, pub, err := GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(priv)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(pub)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func TestCheckpoint(t *testing.T) {
	origin := Origin("example.gov.uk")
	s, v := testKey(t, origin)
	other, otherV := testKey(t, origin)
	c := Checkpoint{Origin: origin, Size: 48_213, Root: tlog.Hash{1, 2, 3}}
	msg, err := c.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	got, err := OpenCheckpoint(msg, v)
	if err != nil || got != c {
		t.Errorf("OpenCheckpoint = %+v, %v, want %+v", got, err, c)
	}
	// Somebody else's parser reads the same.
	tc, _, _, err := tlogfmt.ParseCheckpoint(msg, origin, v)
	if err != nil || tc.Size != 48_213 || tlog.Hash(tc.Hash) != c.Root {
		t.Errorf("formats/log reads %+v, %v", tc, err)
	}
	if _, err := OpenCheckpoint(msg, otherV); err == nil {
		t.Error("a checkpoint opened with another key")
	}
	if cosigned, err := c.Sign(other, s); err != nil {
		t.Error(err)
	} else if _, err := OpenCheckpoint(cosigned, v); err != nil {
		t.Errorf("a checkpoint with a second signature did not open: %v", err)
	}
	for i := range msg {
		bad := append([]byte(nil), msg...)
		bad[i] ^= 1
		if got, err := OpenCheckpoint(bad, v); err == nil && got != c {
			t.Fatalf("a checkpoint changed at byte %d opened as %+v", i, got)
		}
	}
	for _, text := range []string{
		origin + "\n048213\n" + c.Root.String() + "\n",
		origin + "\n-1\n" + c.Root.String() + "\n",
		origin + "\n1\n" + c.Root.String() + "\nextension\n",
		"other\n1\n" + c.Root.String() + "\n",
		"\n1\n" + c.Root.String() + "\n",
	} {
		msg, err := note.Sign(&note.Note{Text: text}, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCheckpoint(msg, v); err == nil {
			t.Errorf("opened a malformed checkpoint %q", text)
		}
	}
	if _, err := (&Checkpoint{Origin: "a\nb"}).Sign(s); err == nil || !strings.Contains(err.Error(), "origin") {
		t.Errorf("signed an origin of two lines: %v", err)
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	s, v := testKey(f, "example.gov.uk/despatch")
	c := Checkpoint{Origin: v.Name(), Size: 1, Root: tlog.Hash{1}}
	msg, err := c.Sign(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(msg)
	f.Add([]byte("a\n1\n" + tlog.Hash{}.String() + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := OpenCheckpoint(b, v); err == nil && got != c {
			t.Errorf("opened %q as %+v", b, got)
		}
		if c, err := parseCheckpoint(string(b)); err == nil && c.Text() != string(b) {
			t.Errorf("%q parsed and written is %q", b, c.Text())
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s, v := testKey(b, "example.gov.uk/despatch")
	c := Checkpoint{Origin: v.Name(), Size: 48_213}
	for b.Loop() {
		if _, err := c.Sign(s); err != nil {
			b.Fatal(err)
		}
	}
}
