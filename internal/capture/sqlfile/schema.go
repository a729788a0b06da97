package sqlfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"path"

	"despatch/internal/capture"
)

// Tables returns the names of the tables of a database that is not encrypted, for recognising whose it
// is; none if it is no database. It reads the schema's own pages and makes no copy if it can: nothing is
// known of the file yet, and other parsers will ask the same. It must not be relied on for reading: see
// [DB.HasTable].
func Tables(ctx context.Context, m, wal *capture.Member) ([]string, error) {
	if !Is(m) {
		return nil, nil
	}
	if m.Path == "" {
		names, ok := tablesOf(m.File.At, m.Size)
		if ok && (len(names) > 0 || wal == nil) {
			return names, nil
		}
	}
	db, err := Open(ctx, m, wal)
	if _, fault := err.(*capture.FileError); fault {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names := db.Tables()
	return names, db.Close()
}

// tablesOf reads the tree of the schema, whose root is page 1. Of each cell the beginning is enough: it
// holds the type and the name.
func tablesOf(at io.ReaderAt, size int64) (names []string, ok bool) {
	head := make([]byte, 100)
	if _, err := at.ReadAt(head, 0); err != nil {
		return nil, false
	}
	page := (plain{}).size(head)
	if page == 0 {
		return nil, false
	}
	buf := make([]byte, page)
	seen := map[uint32]bool{}
	next := []uint32{1}
	for len(next) > 0 && len(seen) < maxTables {
		n := next[0]
		next = next[1:]
		if n == 0 || seen[n] || int64(n) > size/int64(page) {
			return nil, false
		}
		seen[n] = true
		if _, err := at.ReadAt(buf, int64(n-1)*int64(page)); err != nil {
			return nil, false
		}
		h := buf
		if n == 1 {
			h = buf[100:]
		}
		cells := int(binary.BigEndian.Uint16(h[3:]))
		first := 8
		if h[0] == 5 {
			first = 12
			next = append(next, binary.BigEndian.Uint32(h[8:]))
		} else if h[0] != 13 {
			return nil, false
		}
		if first+2*cells > len(h) {
			return nil, false
		}
		for i := range cells {
			p := int(binary.BigEndian.Uint16(h[first+2*i:]))
			if p+4 > page {
				return nil, false
			}
			if h[0] == 5 {
				next = append(next, binary.BigEndian.Uint32(buf[p:]))
			} else if name := tableName(buf[p:]); name != "" && len(names) < maxTables {
				names = append(names, name)
			}
		}
	}
	return names, true
}

// tableName returns the name of the table that a cell of the schema describes, or "".
func tableName(cell []byte) string {
	_, n := varint(cell)
	_, k := varint(cell[n:])
	record := cell[n+k:]
	headSize, n := varint(record)
	if headSize < 3 || headSize > uint64(len(record)) {
		return ""
	}
	kind, a := varint(record[n:])
	length, b := varint(record[n+a:])
	if n+a+b > int(headSize) || kind < 13 || kind%2 == 0 || length < 13 || length%2 == 0 {
		return ""
	}
	kind, length = (kind-13)/2, (length-13)/2
	body := record[headSize:]
	if kind > 20 || length > 300 || kind+length > uint64(len(body)) || !bytes.Equal(body[:kind], []byte("table")) {
		return ""
	}
	return string(body[kind : kind+length])
}

// varint reads a number as SQLite writes it: https://www.sqlite.org/fileformat2.html#varint.
func varint(b []byte) (v uint64, n int) {
	for n < len(b) && n < 8 {
		v = v<<7 | uint64(b[n]&0x7F)
		n++
		if b[n-1]&0x80 == 0 {
			return v, n
		}
	}
	if n < len(b) {
		return v<<8 | uint64(b[n]), n + 1
	}
	return math.MaxUint64, n
}

// Table returns what an observation's path is for rows of a table of the database m.
func Table(m *capture.Member, table string) string {
	name := m.Path
	if name == "" {
		name = path.Base(m.File.Name)
	}
	return name + "#" + table
}

// Observation returns a message that was read from a row of a table, with its id. Sub tells apart
// several that come from one row.
func (r *Row) Observation(m *capture.Member, table string, sub int) *capture.Observation {
	where := Table(m, table)
	return &capture.Observation{
		ID: capture.ObservationID(m.File.SHA256, where, r.key, r.key, sub), Kind: capture.KindText,
		Origin:      capture.Origin{FileSHA256: hex.EncodeToString(m.File.SHA256[:]), Path: where, Row: r.key, RawSHA256: r.SHA256()},
		Attachments: []capture.Attachment{}, Reactions: []capture.Reaction{}, Edits: []capture.Edit{}, Quality: []capture.Warning{},
	}
}
