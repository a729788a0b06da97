// Package protowire reads messages of Protocol Buffers field by field, without a schema: enough for
// what other systems store in that form, of which only a few fields are known.
//
// See https://protobuf.dev/programming-guides/encoding/.
package protowire

import (
	"encoding/binary"
	"errors"
)

// Field is one field of a message.
type Field struct {
	Number int
	Varint uint64 // of a number, of whatever width
	Bytes  []byte // of a text, bytes, or a message within; nil for a number. A part of what was read.
}

// Int returns a number as a signed one.
func (f Field) Int() int64 { return int64(f.Varint) }

// Text returns the bytes as a text.
func (f Field) Text() string { return string(f.Bytes) }

// ErrMalformed says that bytes are no message.
var ErrMalformed = errors.New("no message of Protocol Buffers")

// Each calls fn for each field, in the order in which they stand. A field may occur more than once; of
// one that may not, the last counts. An error of fn comes back as it is.
func Each(b []byte, fn func(Field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
			return ErrMalformed
		}
		b = b[n:]
		f := Field{Number: int(tag >> 3)}
		switch tag & 7 {
		case 0:
			if f.Varint, n = binary.Uvarint(b); n <= 0 {
				return ErrMalformed
			}
		case 1:
			if n = 8; len(b) < n {
				return ErrMalformed
			}
			f.Varint = binary.LittleEndian.Uint64(b)
		case 2:
			size, k := binary.Uvarint(b)
			if k <= 0 || size > uint64(len(b)-k) {
				return ErrMalformed
			}
			n = k + int(size)
			f.Bytes = b[k:n:n]
		case 5:
			if n = 4; len(b) < n {
				return ErrMalformed
			}
			f.Varint = uint64(binary.LittleEndian.Uint32(b))
		default:
			return ErrMalformed
		}
		b = b[n:]
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}
