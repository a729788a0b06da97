package capture

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	pathpkg "path"
	"time"
)

// File is a file as it was handed in.
type File struct {
	Name    string // with slashes if it came from a folder: "Messages/inbox/asha/message_1.json"
	Size    int64
	ModTime time.Time // zero if not known
	SHA256  [32]byte
	At      io.ReaderAt
}

// NewFile returns a file whose bytes are at, with their hash.
func NewFile(ctx context.Context, name string, at io.ReaderAt, size int64, modTime time.Time) (*File, error) {
	h := sha256.New()
	n, err := io.Copy(h, &contextReader{ctx, io.NewSectionReader(at, 0, size)})
	if err != nil {
		return nil, fmt.Errorf("hash %q: %w", name, err)
	}
	if n != size {
		return nil, &FileError{File: name, Reason: fmt.Sprintf("ends after %d of its %d bytes", n, size), Remedy: "Copy the file again."}
	}
	f := &File{Name: name, Size: size, ModTime: modTime, At: at}
	h.Sum(f.SHA256[:0])
	return f, nil
}

// contextReader ends a long read when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// Source is what a parser reads: the files that were handed in together, such as a chat and its
// pictures, or a zip of both.
type Source struct {
	Files  []*File
	Limits Limits // the zero value means [DefaultLimits]
}

// Limits bound what a container may unfold to.
type Limits struct {
	Entries int   // files in a container
	Total   int64 // bytes unpacked, all together
	Ratio   int64 // unpacked to packed, of anything larger than a few megabytes
	Text    int64 // bytes of one text that is parsed
	Line    int   // bytes of one line or record
}

// DefaultLimits are far above what a phone exports.
var DefaultLimits = Limits{
	Entries: 100_000,
	Total:   64 << 30,
	Ratio:   200,
	Text:    4 << 30,
	Line:    4 << 20,
}

// Bounds returns the source's limits.
func (s *Source) Bounds() Limits {
	if s.Limits == (Limits{}) {
		return DefaultLimits
	}
	return s.Limits
}

// Options are what a person declares about an export, and the time at which it came.
type Options struct {
	Zone       *time.Location // of the device that exported; nil if not known
	DateOrder  string         // dmy, mdy or ymd; empty if the file is to say
	ReceivedAt time.Time      // nothing in the file can be later; zero if not known

	Calendar string // gregorian or buddhist; empty if the file is to say

	// What a person says of a file that does not say it itself, such as a screenshot.
	System       string // the system it was said on, such as siilo; empty if not known
	Conversation string // what the conversation is called; empty if not known
	Happened     Period // when it was said; the zero value if not known

	// Secrets are passwords, passphrases and keys to try. They are never kept, logged or recorded.
	Secrets []string
	Self    string // whose copy this is, as the source names them; empty if the source is to say

	// Tentative asks for observations even where questions remain, with instants wide enough to hold
	// every answer. They are for looking at, not for the record.
	Tentative bool
}

// Period is a stretch of time, both ends included. Either may be zero if it is not known.
type Period struct{ From, To time.Time }

// Member is a readable part of a source: a file of its own, or one in a container.
type Member struct {
	File    *File
	Path    string // inside File; empty if it is the file itself
	Name    string // its last element
	Size    int64
	ModTime time.Time
	open    func() (io.ReadCloser, error)
}

// Open returns the member's bytes. Reading fails if there are more or fewer than Size.
func (m *Member) Open() (io.ReadCloser, error) { return m.open() }

// Label returns what to call the member when speaking to its owner.
func (m *Member) Label() string {
	if m.Path != "" {
		return m.Path
	}
	return m.File.Name
}

// Member returns the file itself as a member.
func (f *File) Member() *Member {
	return &Member{
		File: f, Name: f.Name, Size: f.Size, ModTime: f.ModTime,
		open: func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(f.At, 0, f.Size)), nil },
	}
}

// Members returns every readable part of the source: the files, and instead of a zip file what is in
// it. Those left aside are counted with their reasons.
func (s *Source) Members() (members []*Member, skipped []Skip, err error) {
	for _, f := range s.Files {
		if !IsZip(f) {
			members = append(members, f.Member())
			continue
		}
		a, err := OpenZip(f, s.Bounds())
		if err != nil {
			return nil, nil, err
		}
		members = append(members, a.Members...)
		for _, k := range a.Skipped {
			skipped = AddSkip(skipped, k.Reason, k.Count, k.Detail)
		}
	}
	return members, skipped, nil
}

// Hash returns the SHA-256 of the member's bytes.
func (m *Member) Hash(ctx context.Context) ([32]byte, error) {
	if m.Path == "" {
		return m.File.SHA256, nil
	}
	var sum [32]byte
	r, err := m.Open()
	if err != nil {
		return sum, err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, &contextReader{ctx, r}); err != nil {
		return sum, fmt.Errorf("hash %q: %w", m.Label(), err)
	}
	h.Sum(sum[:0])
	return sum, nil
}

// NewMember returns a member of a container that a parser opens itself. Its bytes can be had again only
// through open, so an attachment made from it must give [Attachment.Open].
func NewMember(f *File, path string, size int64, modTime time.Time, open func() (io.ReadCloser, error)) *Member {
	return &Member{File: f, Path: path, Name: pathpkg.Base(path), Size: size, ModTime: modTime, open: open}
}
