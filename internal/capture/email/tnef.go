package email

import (
	"encoding/binary"
	"unicode/utf16"
)

// tnef lists what is in an attachment of Outlook's own (MS-OXTNEF): files that other mail programs do not
// show. The message text in it is not read.
func (l *letter) tnef(b []byte, within string) {
	l.doubt("tnef", "It has an attachment of Outlook's own, “"+within+"”. The files in it are listed; its formatted text is not read.")
	const (
		signature   = 0x223E9F78
		rendering   = 0x00069002 // begins an attachment
		title       = 0x00018010
		data        = 0x0006800F
		properties  = 0x00069005
		longName    = 0x3707
		unicodeType = 0x001F
	)
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != signature {
		return
	}
	b = b[6:]
	name, content, open := "", []byte(nil), false
	flush := func() {
		if open && content != nil {
			l.bytes(visible(name), "document", "in “"+within+"”", content)
		}
		name, content = "", nil
	}
	for len(b) >= 11 {
		id, n := binary.LittleEndian.Uint32(b[1:]), int(binary.LittleEndian.Uint32(b[5:]))
		if n < 0 || len(b) < 11+n {
			break
		}
		value := b[9 : 9+n]
		b = b[11+n:]
		switch id {
		case rendering:
			flush()
			open = true
		case title:
			if name == "" {
				name, _ = decodeText(trimZeros(value), "windows-1252")
			}
		case data:
			content = value
		case properties:
			if s := tnefString(value, longName, unicodeType); s != "" {
				name = s
			}
		}
	}
	flush()
}

// tnefString finds a string among MAPI properties (MS-OXTNEF, 2.1.3.4), or returns "".
func tnefString(b []byte, want, unicodeType uint16) string {
	if len(b) < 4 {
		return ""
	}
	count := binary.LittleEndian.Uint32(b)
	b = b[4:]
	for ; count > 0 && len(b) >= 4; count-- {
		kind, id := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		b = b[4:]
		if id >= 0x8000 {
			return "" // named properties come last and are not read
		}
		size := 0
		switch kind &^ 0x1000 {
		case 0x02, 0x03, 0x04, 0x0A, 0x0B:
			size = 4
		case 0x05, 0x06, 0x07, 0x14, 0x40:
			size = 8
		case 0x48:
			size = 16
		case 0x1E, 0x1F, 0x0D, 0x102:
			if len(b) < 8 || binary.LittleEndian.Uint32(b) != 1 {
				return ""
			}
			n := int(binary.LittleEndian.Uint32(b[4:]))
			if n < 0 || n > len(b)-8 {
				return ""
			}
			if id == want {
				v := b[8 : 8+n]
				if kind == unicodeType {
					return utf16le(v)
				}
				s, _ := decodeText(trimZeros(v), "windows-1252")
				return s
			}
			b = b[8:]
			size = (n + 3) &^ 3
		default:
			return ""
		}
		if size > len(b) {
			return ""
		}
		b = b[size:]
	}
	return ""
}

// trimZeros returns what stands before the first zero byte.
func trimZeros(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}

// utf16le decodes UTF-16 up to the first zero.
func utf16le(b []byte) string {
	u := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		c := binary.LittleEndian.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}
