package protowire

import (
	"errors"
	"testing"
)

// The examples are those of the encoding's own description.
func TestEach(t *testing.T) {
	in := []byte{0x08, 0x96, 0x01, 0x12, 0x07, 't', 'e', 's', 't', 'i', 'n', 'g', 0x1a, 0x03, 0x08, 0x96, 0x01, 0x25, 1, 0, 0, 0, 0x29, 2, 0, 0, 0, 0, 0, 0, 0}
	var got []Field
	if err := Each(in, func(f Field) error { got = append(got, f); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 5 || got[0].Number != 1 || got[0].Varint != 150 || got[1].Text() != "testing" || got[2].Number != 3 || len(got[2].Bytes) != 3 || got[3].Varint != 1 || got[4].Varint != 2 {
		t.Errorf("got %+v", got)
	}
	for _, bad := range [][]byte{{0x08}, {0x12, 0x05, 'x'}, {0x00, 0x01}, {0x0b}, {0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, {0x25, 1}, {0x29, 1}} {
		if err := Each(bad, func(Field) error { return nil }); !errors.Is(err, ErrMalformed) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

func FuzzEach(f *testing.F) {
	f.Add([]byte{0x08, 0x96, 0x01, 0x12, 0x01, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		n := 0
		Each(b, func(f Field) error { n += len(f.Bytes); return nil })
		if n > len(b) {
			t.Errorf("%d bytes come from %d", n, len(b))
		}
	})
}
