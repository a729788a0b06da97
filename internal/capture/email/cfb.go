package email

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// cfbMagic begins a compound file (MS-CFB, 2.2), the container of MSG files.
var cfbMagic = []byte("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")

// Bounds of a compound file.
const (
	maxCFBEntries = 200_000
	cfbEnd        = 0xFFFFFFFA // sectors from here on are marks
)

var errCFB = errors.New("compound file is damaged")

// compound is a compound file in memory: storages, which are folders, with streams, which are files.
type compound struct {
	data    []byte
	shift   uint
	fat     []uint32
	mini    []uint32
	minis   []byte // the stream that small streams are in
	cutoff  uint64
	entries []cfbEntry
	left    int64 // bytes that may still be read: streams that share sectors could be endless
}

type cfbEntry struct {
	name               string
	kind               byte // 1 storage, 2 stream, 5 root
	left, right, child uint32
	start              uint32
	size               uint64
}

// storage is a folder of a compound file.
type storage struct {
	file    *compound
	streams map[string]*cfbEntry
	folders map[string]*storage
	order   []string // of folders, as the file has them
}

// openCFB reads the directory of a compound file.
func openCFB(data []byte) (*storage, error) {
	if len(data) < 512 || string(data[:8]) != string(cfbMagic) {
		return nil, errCFB
	}
	c := &compound{data: data, shift: uint(binary.LittleEndian.Uint16(data[30:])), cutoff: uint64(binary.LittleEndian.Uint32(data[56:])), left: 4*int64(len(data)) + 1<<20}
	if c.shift != 9 && c.shift != 12 || binary.LittleEndian.Uint16(data[32:]) != 6 || c.cutoff > 1<<16 {
		return nil, errCFB
	}
	if err := c.readFAT(); err != nil {
		return nil, err
	}
	dir, err := c.chain(binary.LittleEndian.Uint32(data[48:]), 1<<62)
	if err != nil || len(dir) < 128 || len(dir)/128 > maxCFBEntries {
		return nil, errCFB
	}
	for ; len(dir) >= 128; dir = dir[128:] {
		c.entries = append(c.entries, c.entry(dir[:128]))
	}
	root := &c.entries[0]
	if root.kind != 5 {
		return nil, errCFB
	}
	if c.minis, err = c.chain(root.start, root.size); err != nil {
		return nil, err
	}
	table, err := c.chain(binary.LittleEndian.Uint32(data[60:]), 1<<62)
	if err != nil {
		return nil, err
	}
	c.mini = words32(table)
	return c.folder(root, make([]bool, len(c.entries)), 0)
}

func (c *compound) entry(b []byte) cfbEntry {
	n := int(binary.LittleEndian.Uint16(b[64:]))
	u := make([]uint16, 0, 32)
	for i := 0; i+1 < min(n, 64); i += 2 {
		if w := binary.LittleEndian.Uint16(b[i:]); w != 0 {
			u = append(u, w)
		}
	}
	e := cfbEntry{name: string(utf16.Decode(u)), kind: b[66], left: binary.LittleEndian.Uint32(b[68:]), right: binary.LittleEndian.Uint32(b[72:]),
		child: binary.LittleEndian.Uint32(b[76:]), start: binary.LittleEndian.Uint32(b[116:]), size: binary.LittleEndian.Uint64(b[120:])}
	if c.shift == 9 {
		e.size &= 0xFFFFFFFF // the upper half may be anything
	}
	return e
}

func (c *compound) sector(n uint32) []byte {
	size := uint64(1) << c.shift
	at := (uint64(n) + 1) << c.shift
	if at >= uint64(len(c.data)) {
		return nil
	}
	return c.data[at:min(at+size, uint64(len(c.data)))]
}

func words32(b []byte) []uint32 {
	w := make([]uint32, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		w = append(w, binary.LittleEndian.Uint32(b))
	}
	return w
}

// readFAT reads the table of which sector follows which.
func (c *compound) readFAT() error {
	list := words32(c.data[76:512])
	next := binary.LittleEndian.Uint32(c.data[68:])
	most := len(c.data)>>c.shift + 1
	for n := 0; next < cfbEnd; n++ {
		s := words32(c.sector(next))
		if len(s) < 2 || n > most {
			return errCFB
		}
		list = append(list, s[:len(s)-1]...)
		next = s[len(s)-1]
	}
	for _, n := range list {
		if n >= cfbEnd {
			continue
		}
		s := c.sector(n)
		if s == nil || len(c.fat) > most+1<<c.shift {
			return errCFB
		}
		c.fat = append(c.fat, words32(s)...)
	}
	return nil
}

// chain returns the bytes of a chain of sectors, at most size of them.
func (c *compound) chain(start uint32, size uint64) ([]byte, error) {
	var out []byte
	for n := start; n < cfbEnd && uint64(len(out)) < size; {
		s := c.sector(n)
		if s == nil || uint64(n) >= uint64(len(c.fat)) || len(out) > len(c.data) {
			return nil, errCFB
		}
		out = append(out, s...)
		n = c.fat[n]
	}
	if uint64(len(out)) > size {
		out = out[:size]
	}
	return out, nil
}

// read returns the bytes of a stream.
func (c *compound) read(e *cfbEntry) ([]byte, error) {
	if e.size > uint64(len(c.data)) || int64(e.size) > c.left {
		return nil, errCFB
	}
	c.left -= int64(e.size)
	if e.size >= c.cutoff {
		b, err := c.chain(e.start, e.size)
		if err == nil && uint64(len(b)) < e.size {
			err = errCFB
		}
		return b, err
	}
	out := make([]byte, 0, e.size)
	for n := e.start; n < cfbEnd && uint64(len(out)) < e.size; {
		at := uint64(n) << 6
		if at+64 > uint64(len(c.minis)) && at >= uint64(len(c.minis)) || uint64(n) >= uint64(len(c.mini)) {
			return nil, errCFB
		}
		out = append(out, c.minis[at:min(at+64, uint64(len(c.minis)))]...)
		if len(out) > len(c.data) {
			return nil, errCFB
		}
		n = c.mini[n]
	}
	if uint64(len(out)) < e.size {
		return nil, errCFB
	}
	return out[:e.size], nil
}

// folder reads a storage's tree of names.
func (c *compound) folder(e *cfbEntry, seen []bool, depth int) (*storage, error) {
	s := &storage{file: c, streams: map[string]*cfbEntry{}, folders: map[string]*storage{}}
	if depth > maxDepth {
		return nil, errCFB
	}
	stack := []uint32{e.child}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if n >= uint32(len(c.entries)) || seen[n] {
			continue
		}
		seen[n] = true
		x := &c.entries[n]
		stack = append(stack, x.left, x.right)
		switch x.kind {
		case 2:
			s.streams[x.name] = x
		case 1:
			sub, err := c.folder(x, seen, depth+1)
			if err != nil {
				return nil, err
			}
			s.folders[x.name] = sub
			s.order = append(s.order, x.name)
		}
	}
	return s, nil
}

// stream returns the bytes of a stream, or nil if there is none or it is damaged.
func (s *storage) stream(name string) []byte {
	e := s.streams[name]
	if e == nil {
		return nil
	}
	b, err := s.file.read(e)
	if err != nil {
		return nil
	}
	return b
}
