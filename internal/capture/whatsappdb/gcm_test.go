package whatsappdb

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"io"
	"math/rand/v2"
	"testing"
)

// TestGCM holds the stream against the standard library's, for all sorts of lengths.
func TestGCM(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 1000, 4096, 100_003} {
		for _, nonceSize := range []int{12, 16, 7} {
			key, nonce, text := random(32), random(nonceSize), random(n)
			block, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			oracle, err := cipher.NewGCMWithNonceSize(block, nonceSize)
			if err != nil {
				t.Fatal(err)
			}
			sealed := oracle.Seal(nil, nonce, text, nil)
			g, err := newGCM(key, nonce)
			if err != nil {
				t.Fatal(err)
			}
			body, tag := sealed[:n], sealed[n:]
			if ok, err := g.holds(t.Context(), &oneByOne{body}, tag); err != nil || !ok {
				t.Errorf("%d bytes, nonce of %d: the tag does not hold, %v", n, nonceSize, err)
			}
			got, err := io.ReadAll(g.plain(t.Context(), bytes.NewReader(body)))
			if err != nil || !bytes.Equal(got, text) {
				t.Errorf("%d bytes, nonce of %d: decrypted wrongly, %v", n, nonceSize, err)
			}
			tag[n%16] ^= 1
			if ok, _ := g.holds(t.Context(), bytes.NewReader(body), tag); ok {
				t.Errorf("%d bytes: a changed tag holds", n)
			}
		}
	}
}

// TestGCMCounter lets the 32 bits of the counter run over.
func TestGCMCounter(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	c := &counter32{block: block}
	for i := range c.counter {
		c.counter[i] = 0xFF
	}
	c.counter[15] = 0xFE
	got := make([]byte, 64)
	c.XORKeyStream(got[:20], got[:20])
	c.XORKeyStream(got[20:], got[20:])
	want := make([]byte, 64)
	for i, last := range [][4]byte{{0xFF, 0xFF, 0xFF, 0xFE}, {0xFF, 0xFF, 0xFF, 0xFF}, {}, {0, 0, 0, 1}} {
		b := bytes.Repeat([]byte{0xFF}, 16)
		copy(b[12:], last[:])
		block.Encrypt(want[16*i:], b)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got %x\nwant %x", got, want)
	}
}

// oneByOne reads in pieces that are no blocks.
type oneByOne struct{ b []byte }

func (o *oneByOne) Read(p []byte) (int, error) {
	if len(o.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), 13)], o.b)
	o.b = o.b[n:]
	return n, nil
}

func BenchmarkGHASH(b *testing.B) {
	g := newGHASH([16]byte{1, 2, 3})
	data := make([]byte, 1<<20)
	b.SetBytes(1 << 20)
	for b.Loop() {
		g.Write(data)
	}
}
