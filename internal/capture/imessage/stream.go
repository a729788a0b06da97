package imessage

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// streamHead begins what NSArchiver writes: version 4, little-endian, its name, version 1000.
var streamHead = []byte("\x04\x0bstreamtyped\x81\xe8\x03")

// attributed returns the words of an attributed string, as the column attributedBody has them. They are
// the first string of the stream: its class, the mark that characters follow, how many bytes they are, and
// the bytes. The length is one byte, or three, or five: 0x81 says that two bytes follow, 0x82 four. Clipped
// says that the stream ends before the string does.
func attributed(b []byte) (s string, clipped, ok bool) {
	if !bytes.HasPrefix(b, streamHead) {
		return "", false, false
	}
	i := bytes.Index(b, []byte("NSString"))
	if i < 0 {
		return "", false, false
	}
	b = b[i+len("NSString"):]
	if i = bytes.Index(b, []byte{0x84, 0x01, '+'}); i < 0 {
		return "", false, false
	}
	b = b[i+3:]
	if len(b) == 0 {
		return "", false, false
	}
	n := int64(b[0])
	switch {
	case b[0] == 0x81 && len(b) >= 3:
		n, b = int64(binary.LittleEndian.Uint16(b[1:])), b[3:]
	case b[0] == 0x82 && len(b) >= 5:
		n, b = int64(binary.LittleEndian.Uint32(b[1:])), b[5:]
	case b[0] >= 0x80:
		return "", false, false
	default:
		b = b[1:]
	}
	if n > int64(len(b)) {
		n, clipped = int64(len(b)), true
	}
	return strings.ToValidUTF8(string(b[:n]), "\uFFFD"), clipped, true
}

// Bounds of a property list. Real ones have a few dozen values.
const (
	maxValues = 100_000
	maxNested = 20
)

// plist is a binary property list (CoreFoundation, CFBinaryPList.c) whose values are read as they are asked
// for.
type plist struct {
	data    []byte
	refSize int
	offsets []uint64
	asked   int
	left    int64 // bytes that may still be given out: values may be asked for often
}

// readPlist returns the root of a binary property list: a map, a list, a string, bytes, a number, a
// boolean, or nil if it is none.
func readPlist(data []byte) any {
	if len(data) < 40 || !bytes.HasPrefix(data, []byte("bplist0")) {
		return nil
	}
	tail := data[len(data)-32:]
	offSize, refSize := int(tail[6]), int(tail[7])
	count, top, table := binary.BigEndian.Uint64(tail[8:]), binary.BigEndian.Uint64(tail[16:]), binary.BigEndian.Uint64(tail[24:])
	if offSize < 1 || offSize > 8 || refSize < 1 || refSize > 8 || count > maxValues || top >= count || table > uint64(len(data)) || table+count*uint64(offSize) > uint64(len(data)) {
		return nil
	}
	p := &plist{data: data, refSize: refSize, left: 4 * int64(len(data))}
	for i := range count {
		p.offsets = append(p.offsets, number(data[table+i*uint64(offSize):][:offSize]))
	}
	return p.value(top, 0)
}

func number(b []byte) uint64 {
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// value reads one value. What is damaged is nil.
func (p *plist) value(ref uint64, depth int) any {
	if p.asked++; p.asked > maxValues || depth > maxNested || ref >= uint64(len(p.offsets)) || p.offsets[ref] >= uint64(len(p.data)) {
		return nil
	}
	b := p.data[p.offsets[ref]:]
	kind, n := b[0]>>4, uint64(b[0]&15)
	switch kind {
	case 0:
		return n == 9
	case 1, 2:
		size := 1 << min(n, 4)
		if len(b) < 1+size {
			return nil
		}
		return scalar(kind, b[1:1+size])
	case 3: // a date, in seconds since 2001
		if len(b) < 9 {
			return nil
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
	}
	b = b[1:]
	if n == 15 {
		if len(b) < 1 || b[0]>>4 != 1 || b[0]&15 > 3 || len(b) < 1+1<<(b[0]&15) {
			return nil
		}
		size := 1 << (b[0] & 15)
		n, b = number(b[1:1+size]), b[1+size:]
	}
	if n > uint64(len(b)) || int64(n) > p.left {
		return nil
	}
	p.left -= int64(n)
	switch kind {
	case 4:
		return b[:n]
	case 5:
		return strings.ToValidUTF8(string(b[:n]), "\uFFFD")
	case 6:
		if n*2 > uint64(len(b)) {
			return nil
		}
		u := make([]uint16, n)
		for i := range u {
			u[i] = binary.BigEndian.Uint16(b[2*i:])
		}
		return string(utf16.Decode(u))
	case 10, 12:
		var list []any
		for i := range n {
			r, ok := p.ref(b, i)
			if !ok {
				return nil
			}
			list = append(list, p.value(r, depth+1))
		}
		return list
	case 13:
		m := map[string]any{}
		for i := range n {
			k, ok1 := p.ref(b, i)
			v, ok2 := p.ref(b, n+i)
			if !ok1 || !ok2 {
				return nil
			}
			if name, ok := p.value(k, depth+1).(string); ok && utf8.ValidString(name) {
				m[name] = p.value(v, depth+1)
			}
		}
		return m
	}
	return nil
}

func (p *plist) ref(b []byte, i uint64) (uint64, bool) {
	at := i * uint64(p.refSize)
	if at+uint64(p.refSize) > uint64(len(b)) {
		return 0, false
	}
	return number(b[at : at+uint64(p.refSize)]), true
}

// scalar reads a whole number or a fraction as a fraction.
func scalar(kind byte, b []byte) any {
	if kind == 1 {
		return float64(int64(number(b)))
	}
	switch len(b) {
	case 4:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return nil
}
