package capture

import (
	"context"
	"errors"
)

// Together sorts files that somebody chose at once into submissions. A chat and the files that no
// parser knows by themselves, such as its pictures, belong together; two chats do not. Parsers that
// take anything are not asked.
func Together(ctx context.Context, parsers []Parser, files []*File) ([][]*File, error) {
	if len(files) < 2 {
		return [][]*File{files}, nil
	}
	var asked []Parser
	for _, p := range parsers {
		if _, any := p.(interface{ LastResort() }); !any {
			asked = append(asked, p)
		}
	}
	known := func(files ...*File) (bool, error) {
		for _, p := range asked {
			ok, err := p.Recognise(ctx, &Source{Files: files})
			if fault := (*FileError)(nil); err != nil && !errors.As(err, &fault) {
				return false, err
			}
			if ok || err != nil {
				return true, nil
			}
		}
		return false, nil
	}
	var chats, rest []*File
	loose := 0 // chats that are no containers, which have what belongs to them inside
	for _, f := range files {
		is, err := known(f)
		if err != nil {
			return nil, err
		}
		if !is {
			rest = append(rest, f)
			continue
		}
		chats = append(chats, f)
		if !IsZip(f) {
			loose++
		}
	}
	if whole, err := known(files...); err != nil {
		return nil, err
	} else if whole && (len(chats) == 0 || len(chats) == 1 && loose == 1) {
		return [][]*File{files}, nil
	}
	out := make([][]*File, 0, len(files))
	for _, f := range append(chats, rest...) {
		out = append(out, []*File{f})
	}
	return out, nil
}
