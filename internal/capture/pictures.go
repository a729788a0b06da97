package capture

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// PictureReader has the words in a picture read by machine. It bounds the time that it takes; an error
// means that this picture cannot be read.
type PictureReader interface {
	ReadPicture(ctx context.Context, r io.Reader) (text string, by Derived, err error)
}

// pictureTime bounds how long the pictures of one submission are read: its owner waits.
const pictureTime = 2 * time.Minute

// pictures has the pictures of a submission read: those whose parser says that their words are not
// known. What a machine reads is no part of a parser's run, which must come out the same everywhere.
type pictures struct {
	reader PictureReader
	files  []*File
	until  time.Time
	now    func() time.Time

	within  *File    // the archive opened last
	archive *Archive // of it
}

// read adds the words in a picture to its message. What cannot be read stays in doubt.
func (p *pictures) read(ctx context.Context, o *Observation) error {
	i := slices.IndexFunc(o.Quality, func(w Warning) bool { return w.Code == WordsNotRead })
	if p == nil || p.reader == nil || i < 0 || len(o.Attachments) == 0 || o.Text != "" || p.now().After(p.until) {
		return nil
	}
	r, err := p.open(&o.Attachments[0])
	if err != nil || r == nil {
		return err
	}
	defer r.Close()
	text, by, err := p.reader.ReadPicture(ctx, r)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return nil // its owner is told already that the words are not known
	}
	o.Quality = slices.Delete(o.Quality, i, i+1)
	if text = strings.TrimSpace(text); text == "" {
		o.Doubt("no_words_found", "A machine found no words in the picture.")
		return nil
	}
	o.Text, o.Derived = text, &by
	o.Doubt("machine_read", fmt.Sprintf("The words were read from the picture by machine (%s), which is %d per cent sure of them. Only the picture counts.", by.Engine, by.Confidence))
	return nil
}

// open opens the file of an attachment; nil means that it is nowhere.
func (p *pictures) open(a *Attachment) (io.ReadCloser, error) {
	if a.Open != nil {
		return a.Open()
	}
	i := slices.IndexFunc(p.files, func(f *File) bool { return hex.EncodeToString(f.SHA256[:]) == a.Within })
	if i < 0 {
		return nil, nil
	}
	f := p.files[i]
	if a.Path == "" {
		return f.Member().Open()
	}
	if p.within != f {
		archive, err := OpenZip(f, DefaultLimits)
		if err != nil {
			return nil, err
		}
		p.within, p.archive = f, archive
	}
	if j := slices.IndexFunc(p.archive.Members, func(m *Member) bool { return m.Path == a.Path }); j >= 0 {
		return p.archive.Members[j].Open()
	}
	return nil, nil
}
