package sqlfile

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
)

// walker goes over the trees that a database's tables and indices are, before SQLite reads them: each
// page belongs to one tree, once. SQLite does not look for that, and a few pages that point to one
// another again and again could keep it busy for ever.
//
// See https://www.sqlite.org/fileformat2.html#b_tree_pages.
type walker struct {
	c    *copied
	file *os.File
	seen []uint64 // a bit for each page
	buf  []byte
}

// maxDepth is SQLite's own bound.
const maxDepth = 20

func (c *copied) walker() (*walker, error) {
	f, err := os.Open(c.path())
	if err != nil {
		return nil, fmt.Errorf("read the copy: %w", err)
	}
	return &walker{c: c, file: f, seen: make([]uint64, c.size/int64(c.page)/64+1), buf: make([]byte, c.page)}, nil
}

func (w *walker) close() { w.file.Close() }

// mark notes that a page has been seen, and says whether it was the first time.
func (w *walker) mark(n int64) bool {
	bit := uint64(1) << (n % 64)
	if w.seen[n/64]&bit != 0 {
		return false
	}
	w.seen[n/64] |= bit
	return true
}

// walk goes over the tree below a page.
func (w *walker) walk(ctx context.Context, root int64) error { return w.visit(ctx, root, 0) }

func (w *walker) visit(ctx context.Context, n int64, depth int) error {
	if n < 1 || n > w.c.size/int64(w.c.page) || depth > maxDepth || !w.mark(n) {
		return w.damaged(n)
	}
	if n&0xFF == 0 && ctx.Err() != nil {
		return ctx.Err()
	}
	children, err := w.children(n)
	if err != nil {
		return err
	}
	if children == nil {
		return w.damaged(n)
	}
	for _, child := range children {
		if err := w.visit(ctx, int64(child), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) damaged(n int64) error {
	return w.c.fault(fmt.Sprintf("is a damaged database (page %d)", n), remedyAgain)
}

// children returns the pages that an inner page points to; none for a leaf, and nil for what is neither.
func (w *walker) children(n int64) ([]uint32, error) {
	offset := 0
	if n == 1 {
		offset = 100
	}
	var head [12]byte
	at := (n - 1) * int64(w.c.page)
	if _, err := w.file.ReadAt(head[:], at+int64(offset)); err != nil {
		return nil, fmt.Errorf("read the copy: %w", err)
	}
	switch head[0] {
	case 10, 13:
		return []uint32{}, nil
	case 2, 5:
	default:
		return nil, nil
	}
	if _, err := w.file.ReadAt(w.buf, at); err != nil {
		return nil, fmt.Errorf("read the copy: %w", err)
	}
	cells := int(binary.BigEndian.Uint16(head[3:]))
	if offset+12+2*cells > len(w.buf) {
		return nil, nil
	}
	children := make([]uint32, 0, cells+1)
	for i := range cells {
		p := int(binary.BigEndian.Uint16(w.buf[offset+12+2*i:]))
		if p+4 > len(w.buf) {
			return nil, nil
		}
		children = append(children, binary.BigEndian.Uint32(w.buf[p:]))
	}
	return append(children, binary.BigEndian.Uint32(head[8:])), nil
}
