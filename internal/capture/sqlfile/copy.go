package sqlfile

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"despatch/internal/capture"
)

// A pageReader turns the pages of a file that was handed in into the pages of a plain database.
type pageReader interface {
	// size returns the bytes of a page, by the file's first bytes; 0 if the file is no database.
	size(head []byte) int
	// decode decodes page number n, from 1, in place.
	decode(n uint32, page []byte) error
}

// plain is a database that is not encrypted.
type plain struct{}

func (plain) size(head []byte) int {
	if string(head[:16]) != magic {
		return 0
	}
	n := int(binary.BigEndian.Uint16(head[16:]))
	if n == 1 {
		n = 65536
	}
	if n < 512 || n&(n-1) != 0 {
		return 0
	}
	return n
}

func (plain) decode(uint32, []byte) error { return nil }

// fill copies the database, decoded.
func (c *copied) fill(ctx context.Context, m *capture.Member, pages pageReader) error {
	r, err := m.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, 1<<20)
	head, err := in.Peek(100)
	if err == io.EOF {
		return c.fault("is no database: it is too short", remedyAgain)
	}
	if err != nil {
		return err
	}
	if c.page = pages.size(head); c.page == 0 {
		return c.fault("is no SQLite database", remedyOther)
	}
	out := bufio.NewWriterSize(c.file, 1<<20)
	page := make([]byte, c.page)
	for n := int64(1); ; n++ {
		if n&0xFF == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if n > 1<<32-2 {
			return c.fault("is larger than any SQLite database", remedyOther)
		}
		switch _, err := io.ReadFull(in, page); {
		case err == io.EOF:
			if err := out.Flush(); err != nil {
				return fmt.Errorf("copy database: %w", err)
			}
			return nil
		case err == io.ErrUnexpectedEOF:
			return c.fault(fmt.Sprintf("is cut short: it ends inside page %d", n), remedyAgain)
		case err != nil:
			return err
		}
		if err := pages.decode(uint32(n), page); err != nil {
			return err
		}
		if _, err := out.Write(page); err != nil {
			return fmt.Errorf("copy database: %w", err)
		}
		c.size += int64(c.page)
	}
}

// check looks at the copy's header once the log is merged: SQLite itself would take a database that is
// cut short for a whole one until it meets the missing page.
func (c *copied) check() error {
	head := make([]byte, 100)
	if _, err := c.file.ReadAt(head, 0); err != nil {
		return c.fault("is no database: it is too short", remedyAgain)
	}
	info, err := c.file.Stat()
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	c.size = info.Size()
	if c.page = (plain{}).size(head); c.page == 0 || int(head[20]) > c.page-480 {
		return c.fault("is no SQLite database", remedyOther)
	}
	has, says := c.size/int64(c.page), int64(binary.BigEndian.Uint32(head[28:]))
	if current := string(head[24:28]) == string(head[92:96]); current && says > has { // else an old SQLite wrote it, and the count means nothing
		return c.fault(fmt.Sprintf("is cut short: it has %d of its %d pages", has, says), remedyAgain)
	}
	// The log is in the copy now; SQLite must not look for one.
	if _, err := c.file.WriteAt([]byte{1, 1}, 18); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	return nil
}
