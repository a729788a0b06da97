package whatsappdb

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
)

// AES-GCM as a stream. The standard library's takes a message whole; a backup has hundreds of
// megabytes. See NIST SP 800-38D; the numbers in brackets are its sections.

// ghash is the hash of [6.4]. Multiplication by its key goes through a table of the key's products with
// all bytes.
type ghash struct {
	table [256][2]uint64
	y     [2]uint64
	part  [16]byte
	have  int
}

// reduce is what shifting a byte out of a block adds to it, by the byte.
var reduce = func() (t [256]uint64) {
	for i := range t {
		v := [2]uint64{0, uint64(i)}
		for range 8 {
			v = double(v)
		}
		t[i] = v[0]
	}
	return t
}()

// double multiplies a block by x: bits are in the order of [6.3], the first is the highest of v[0].
func double(v [2]uint64) [2]uint64 {
	carry := v[1] & 1
	v[1] = v[1]>>1 | v[0]<<63
	v[0] = v[0]>>1 ^ carry*0xe1<<56
	return v
}

func newGHASH(key [16]byte) *ghash {
	g := &ghash{}
	v := [2]uint64{binary.BigEndian.Uint64(key[:]), binary.BigEndian.Uint64(key[8:])}
	for bit := 128; bit >= 1; bit >>= 1 {
		g.table[bit] = v
		v = double(v)
	}
	for i := 1; i < 256; i++ {
		low := i & -i
		if low != i {
			g.table[i] = [2]uint64{g.table[low][0] ^ g.table[i^low][0], g.table[low][1] ^ g.table[i^low][1]}
		}
	}
	return g
}

func (g *ghash) block(b []byte) {
	y0, y1 := g.y[0]^binary.BigEndian.Uint64(b), g.y[1]^binary.BigEndian.Uint64(b[8:])
	var z0, z1 uint64
	for range 8 {
		gone := z1 & 0xFF
		t := &g.table[y1&0xFF]
		z1 = (z1>>8 | z0<<56) ^ t[1]
		z0 = z0>>8 ^ reduce[gone] ^ t[0]
		y1 >>= 8
	}
	for range 8 {
		gone := z1 & 0xFF
		t := &g.table[y0&0xFF]
		z1 = (z1>>8 | z0<<56) ^ t[1]
		z0 = z0>>8 ^ reduce[gone] ^ t[0]
		y0 >>= 8
	}
	g.y = [2]uint64{z0, z1}
}

func (g *ghash) Write(p []byte) (int, error) {
	n := len(p)
	if g.have > 0 {
		k := copy(g.part[g.have:], p)
		g.have += k
		p = p[k:]
		if g.have < 16 {
			return n, nil
		}
		g.block(g.part[:])
		g.have = 0
	}
	for ; len(p) >= 16; p = p[16:] {
		g.block(p)
	}
	g.have = copy(g.part[:], p)
	return n, nil
}

// sum pads, adds the lengths of what was hashed before and after, in bytes, and returns the hash.
func (g *ghash) sum(before, after uint64) (out [16]byte) {
	if g.have > 0 {
		clear(g.part[g.have:])
		g.block(g.part[:])
	}
	var lengths [16]byte
	binary.BigEndian.PutUint64(lengths[:], before*8)
	binary.BigEndian.PutUint64(lengths[8:], after*8)
	g.block(lengths[:])
	binary.BigEndian.PutUint64(out[:], g.y[0])
	binary.BigEndian.PutUint64(out[8:], g.y[1])
	return out
}

// gcm decrypts one message.
type gcm struct {
	block cipher.Block
	key   [16]byte // of the hash
	first [16]byte // the counter block J0 of [7.1]
}

func newGCM(key, nonce []byte) (*gcm, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use key: %w", err)
	}
	g := &gcm{block: block}
	block.Encrypt(g.key[:], g.key[:])
	if len(nonce) == 12 {
		copy(g.first[:], nonce)
		g.first[15] = 1
		return g, nil
	}
	h := newGHASH(g.key)
	h.Write(nonce)
	g.first = h.sum(0, uint64(len(nonce)))
	return g, nil
}

// holds says whether the tag belongs to the ciphertext.
func (g *gcm) holds(ctx context.Context, ciphertext io.Reader, tag []byte) (bool, error) {
	h := newGHASH(g.key)
	n, err := io.Copy(h, &ender{ctx, ciphertext})
	if err != nil {
		return false, err
	}
	sum := h.sum(0, uint64(n))
	var mask [16]byte
	g.block.Encrypt(mask[:], g.first[:])
	subtle.XORBytes(sum[:], sum[:], mask[:])
	return subtle.ConstantTimeCompare(sum[:], tag) == 1, nil
}

// plain decrypts. The tag must have been found to hold.
func (g *gcm) plain(ctx context.Context, ciphertext io.Reader) io.Reader {
	counter := g.first
	binary.BigEndian.PutUint32(counter[12:], binary.BigEndian.Uint32(counter[12:])+1)
	// The counter has 32 bits and must not carry on. It would after 64 GB less what it begins with; a
	// stream that long is cut by the caller's limit.
	return &cipher.StreamReader{S: &counter32{block: g.block, counter: counter}, R: &ender{ctx, ciphertext}}
}

// counter32 is the counter mode of [6.5]: cipher.NewCTR's carries over all 128 bits.
type counter32 struct {
	block   cipher.Block
	counter [16]byte
	stream  cipher.Stream
	left    uint64 // bytes until the 32 bits run over
}

func (c *counter32) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if c.stream == nil || c.left == 0 {
			c.stream = cipher.NewCTR(c.block, c.counter[:])
			c.left = (1<<32 - uint64(binary.BigEndian.Uint32(c.counter[12:]))) * 16
			binary.BigEndian.PutUint32(c.counter[12:], 0)
		}
		n := int(min(uint64(len(src)), c.left))
		c.stream.XORKeyStream(dst[:n], src[:n])
		dst, src, c.left = dst[n:], src[n:], c.left-uint64(n)
	}
}

// ender ends a long read when its context ends.
type ender struct {
	ctx context.Context
	r   io.Reader
}

func (e *ender) Read(p []byte) (int, error) {
	if err := e.ctx.Err(); err != nil {
		return 0, err
	}
	return e.r.Read(p)
}
