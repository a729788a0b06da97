package capture

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// IsZip says by its first bytes whether the file is a zip archive. An empty archive is one too.
func IsZip(f *File) bool {
	var b [4]byte
	_, err := f.At.ReadAt(b[:], 0)
	return (err == nil || err == io.EOF) && (string(b[:]) == "PK\x03\x04" || string(b[:]) == "PK\x05\x06")
}

// Archive is an opened container: its members that can be read, and what was left aside.
type Archive struct {
	Members []*Member
	Total   int64 // files it says it has
	Skipped []Skip
}

const (
	reportBomb   = "Such a file can be made to fill a computer's memory. If it is a real export, unpack it and hand in the chat and its media as files."
	reexport     = "Export the chat again and hand in the file as it comes."
	reportLocked = "Hand it in without a password: unpack it yourself, or export the chat again."
)

// OpenZip reads a zip's directory. It unpacks nothing, and refuses an archive that cannot be what an
// export makes: one that is protected by a password, or would unfold beyond the limits.
//
// Links, folders, and names that point outside the archive are left aside and counted. Nothing is
// ever written under a name from the archive.
func OpenZip(f *File, limits Limits) (*Archive, error) {
	fault := func(reason, remedy string) error { return &FileError{File: f.Name, Reason: reason, Remedy: remedy} }
	if n := directoryRecords(f); n > int64(limits.Entries) {
		return nil, fault(fmt.Sprintf("holds %d files, more than %d", n, limits.Entries), reportBomb)
	}
	z, err := zip.NewReader(f.At, f.Size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fault("is a zip file that is cut short or damaged", "Copy it again from the phone, or export the chat again.")
	}
	if len(z.File) > limits.Entries {
		return nil, fault(fmt.Sprintf("holds %d files, more than %d", len(z.File), limits.Entries), reportBomb)
	}
	a := &Archive{}
	var total uint64
	for _, e := range z.File {
		name := entryName(e)
		clean, reason := safePath(name, e.Mode())
		if reason == "folder" {
			continue
		}
		a.Total++
		if reason != "" {
			a.Skipped = AddSkip(a.Skipped, reason, 1, name)
			continue
		}
		if e.Flags&1 != 0 || e.Method == 99 {
			return nil, fault("is protected by a password", reportLocked)
		}
		total += e.UncompressedSize64
		if e.UncompressedSize64 > uint64(limits.Total) || total > uint64(limits.Total) {
			return nil, fault(fmt.Sprintf("would unfold to more than %d GB", limits.Total>>30), reportBomb)
		}
		if bomb(e.UncompressedSize64, e.CompressedSize64, limits.Ratio) {
			return nil, fault(fmt.Sprintf("holds “%s”, which would unfold from %d to %d bytes", clean, e.CompressedSize64, e.UncompressedSize64), reportBomb)
		}
		a.Members = append(a.Members, zipMember(f, e, clean))
	}
	if bomb(total, uint64(f.Size), limits.Ratio) {
		return nil, fault(fmt.Sprintf("would unfold from %d to %d bytes", f.Size, total), reportBomb)
	}
	return a, nil
}

// bomb says whether something unfolds in a way that no text or picture does. Small things are let
// be: a few megabytes of one repeated word are somebody's joke and harm nobody.
func bomb(unpacked, packed uint64, ratio int64) bool {
	return unpacked > 16<<20 && unpacked/uint64(ratio) > packed
}

func zipMember(f *File, e *zip.File, clean string) *Member {
	modTime := e.Modified
	if modTime.Year() < 2009 { // 1980 is what a zip says when it does not know
		modTime = time.Time{}
	}
	return &Member{
		File: f, Path: clean, Name: path.Base(clean), Size: int64(e.UncompressedSize64), ModTime: modTime,
		open: func() (io.ReadCloser, error) {
			r, err := e.Open()
			if errors.Is(err, zip.ErrAlgorithm) {
				return nil, &FileError{File: clean, Reason: "is packed in a way that Despatch does not know",
					Remedy: "Unpack the zip file and hand in the chat and its media as files."}
			}
			if err != nil {
				return nil, damaged(clean)
			}
			return &memberReader{r: r, left: int64(e.UncompressedSize64), label: clean}, nil
		},
	}
}

func damaged(name string) error {
	return &FileError{File: name, Reason: "is damaged inside its zip file", Remedy: reexport}
}

// memberReader gives out exactly the bytes that the archive's directory promised, or fails.
type memberReader struct {
	r     io.ReadCloser
	left  int64
	label string
}

func (m *memberReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.left -= int64(n)
	switch {
	case m.left < 0, err == io.EOF && m.left > 0:
		return 0, damaged(m.label)
	case err != nil && err != io.EOF:
		return n, damaged(m.label)
	}
	return n, err
}

func (m *memberReader) Close() error { return m.r.Close() }

// safePath returns the name as a path inside the archive, or why there is none.
func safePath(name string, mode fs.FileMode) (clean, reason string) {
	slashed := strings.ReplaceAll(name, `\`, "/")
	switch {
	case strings.HasSuffix(slashed, "/"), mode.IsDir():
		return "", "folder"
	case mode&fs.ModeSymlink != 0:
		return "", "link"
	case mode&fs.ModeType != 0:
		return "", "not_a_file"
	case name == "", path.Clean(slashed) == ".", strings.ContainsRune(name, 0), strings.HasPrefix(slashed, "/"),
		len(slashed) > 1 && slashed[1] == ':':
		return "", "unsafe_path"
	}
	for elem := range strings.SplitSeq(slashed, "/") {
		if elem == ".." {
			return "", "unsafe_path"
		}
	}
	clean = path.Clean(slashed)
	if base := path.Base(clean); strings.HasPrefix(clean, "__MACOSX/") || base == ".DS_Store" || strings.HasPrefix(base, "._") {
		return "", "made_by_the_computer"
	}
	return clean, ""
}

// entryName returns an entry's name as text. A zip may carry it in UTF-8 and say so, in UTF-8 and not
// say so, in UTF-8 beside another encoding, or in the code page of old PCs.
func entryName(e *zip.File) string {
	if u := unicodePath(e); u != "" {
		return u
	}
	if utf8.ValidString(e.Name) {
		return e.Name
	}
	s, err := charmap.CodePage437.NewDecoder().String(e.Name)
	if err != nil {
		return strings.ToValidUTF8(e.Name, "\uFFFD")
	}
	return s
}

// unicodePath returns the name in Info-ZIP's Unicode Path extra field, if it belongs to the name.
func unicodePath(e *zip.File) string {
	for x := e.Extra; len(x) >= 4; {
		id, n := binary.LittleEndian.Uint16(x), int(binary.LittleEndian.Uint16(x[2:]))
		if len(x) < 4+n {
			return ""
		}
		data := x[4 : 4+n]
		if id == 0x7075 && n > 5 && data[0] == 1 &&
			binary.LittleEndian.Uint32(data[1:]) == crc32.ChecksumIEEE([]byte(e.Name)) && utf8.Valid(data[5:]) {
			return string(data[5:])
		}
		x = x[4+n:]
	}
	return ""
}

// directoryRecords returns how many files a zip's end record says there are, or 0. It is asked before
// the directory is read, which takes memory for each of them.
func directoryRecords(f *File) int64 {
	tail := make([]byte, min(f.Size, 66<<10))
	if n, err := f.At.ReadAt(tail, f.Size-int64(len(tail))); err != nil && err != io.EOF || n < len(tail) {
		return 0
	}
	i := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if i < 0 || len(tail) < i+22 {
		return 0
	}
	n := int64(binary.LittleEndian.Uint16(tail[i+10:]))
	if n != 0xFFFF {
		return n
	}
	if i = bytes.LastIndex(tail[:i], []byte("PK\x06\x06")); i >= 0 && len(tail) >= i+40 {
		return int64(min(binary.LittleEndian.Uint64(tail[i+32:]), 1<<62))
	}
	return n
}
