package sqlfile

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"despatch/internal/capture"
)

// A write-ahead log is a header and frames, each a page with a header of its own, chained by checksums:
// https://www.sqlite.org/fileformat2.html#the_write_ahead_log. What counts are the frames up to the
// last one that ends a transaction.
const (
	walHeader   = 32
	frameHeader = 24
)

// merge writes the pages of the log into the copy, and says what is missing without it.
func (c *copied) merge(ctx context.Context, wal *capture.Member, pages pageReader) ([]capture.Warning, error) {
	warnings := []capture.Warning{}
	if wal == nil {
		var mode [2]byte
		if _, err := c.file.ReadAt(mode[:], 18); err == nil && mode[1] == 2 {
			warnings = append(warnings, capture.Warning{Code: "wal_missing", Detail: "The program keeps its newest changes in a second file, “" + c.label +
				"-wal”, which was not handed in. If there is one, the newest messages are missing here. Hand in both files together."})
		}
		return warnings, nil
	}
	if wal.Size == 0 {
		return warnings, nil
	}
	unfit := func(detail string) []capture.Warning {
		return append(warnings, capture.Warning{Code: "wal_unusable", Detail: "The second file, “" + wal.Label() + "”, " + detail + ". The newest messages may be missing."})
	}
	if wal.Size < walHeader {
		return unfit("is cut short"), nil
	}
	var log logScan
	err := log.read(ctx, wal, c.page, func(frame) error { return nil })
	if err == errUnfit {
		return unfit("does not belong to this database"), nil
	}
	if err != nil {
		return nil, err
	}
	if log.damaged {
		warnings = append(warnings, capture.Warning{Code: "wal_damaged", Count: log.frames - log.good,
			Detail: "A part of the second file, “" + wal.Label() + "”, is damaged or was being written when it was copied. The newest messages may be missing."})
	}
	if log.good == 0 {
		return warnings, nil
	}
	// No page can lie farther out than the log has pages to reach it.
	reach := c.size/int64(c.page) + log.frames
	var n int64
	err = (&logScan{}).read(ctx, wal, c.page, func(f frame) error {
		if n++; n > log.good {
			return errEnough
		}
		if int64(f.page) > reach {
			return c.fault("has a second file, “"+wal.Label()+"”, that is damaged", remedyAgain)
		}
		if f.page > log.pages {
			return nil
		}
		if err := pages.decode(f.page, f.data); err != nil {
			return err
		}
		if _, err := c.file.WriteAt(f.data, int64(f.page-1)*int64(c.page)); err != nil {
			return fmt.Errorf("copy database: %w", err)
		}
		return nil
	})
	if err != nil && err != errEnough {
		return nil, err
	}
	if int64(log.pages) > reach {
		return nil, c.fault("has a second file, “"+wal.Label()+"”, that is damaged", remedyAgain)
	}
	if err := c.file.Truncate(int64(log.pages) * int64(c.page)); err != nil {
		return nil, fmt.Errorf("copy database: %w", err)
	}
	return warnings, nil
}

var (
	errUnfit  = errors.New("no log of this database")
	errEnough = errors.New("enough")
)

// frame is one page of a log.
type frame struct {
	page uint32
	data []byte // the reader's own
}

// logScan is what is learnt from reading a log.
type logScan struct {
	frames  int64  // that hang together
	good    int64  // of these, up to the end of the last transaction
	pages   uint32 // of the database after it
	damaged bool   // a frame of the same run does not hang together with the one before
}

// read calls fn for each frame whose checksums hold.
func (l *logScan) read(ctx context.Context, wal *capture.Member, page int, fn func(frame) error) error {
	r, err := wal.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	in := bufio.NewReaderSize(r, 1<<20)
	head := make([]byte, walHeader)
	if _, err := io.ReadFull(in, head); err != nil {
		return err
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch binary.BigEndian.Uint32(head) {
	case 0x377f0682:
	case 0x377f0683:
		order = binary.BigEndian
	default:
		return errUnfit
	}
	size := binary.BigEndian.Uint32(head[8:])
	if binary.BigEndian.Uint32(head[4:]) != 3007000 || size != uint32(page) {
		return errUnfit
	}
	sum := checksum(order, [2]uint32{}, head[:24])
	if sum != [2]uint32{binary.BigEndian.Uint32(head[24:]), binary.BigEndian.Uint32(head[28:])} {
		return errUnfit
	}
	buf := make([]byte, frameHeader+page)
	for {
		if l.frames&0xFF == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		switch _, err := io.ReadFull(in, buf); {
		case err == io.EOF:
			return nil
		case err == io.ErrUnexpectedEOF:
			l.damaged = true
			return nil
		case err != nil:
			return err
		}
		if string(buf[8:16]) != string(head[16:24]) {
			return nil // left over from before the log was begun anew
		}
		sum = checksum(order, sum, buf[:8])
		sum = checksum(order, sum, buf[frameHeader:])
		f := frame{page: binary.BigEndian.Uint32(buf), data: buf[frameHeader:]}
		if f.page == 0 || sum != [2]uint32{binary.BigEndian.Uint32(buf[16:]), binary.BigEndian.Uint32(buf[20:])} {
			l.frames++
			l.damaged = true
			return nil
		}
		l.frames++
		if end := binary.BigEndian.Uint32(buf[4:]); end != 0 {
			l.good, l.pages = l.frames, end
		}
		if err := fn(f); err != nil {
			return err
		}
	}
}

// checksum goes on with a log's running sum over b, whose length is a multiple of eight.
func checksum(order binary.ByteOrder, sum [2]uint32, b []byte) [2]uint32 {
	for ; len(b) >= 8; b = b[8:] {
		sum[0] += order.Uint32(b) + sum[1]
		sum[1] += order.Uint32(b[4:]) + sum[0]
	}
	return sum
}
