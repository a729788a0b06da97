package disclosure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"despatch/internal/capture"
	"despatch/internal/media"
	"despatch/internal/store"
)

// Kept are the files that Despatch keeps: uploads, and what came inside captured conversations. It implements [Files].
type Kept struct {
	Media   *media.Service
	Capture *capture.Service // nil if nothing is captured
}

// Attached implements [Files].
func (k Kept) Attached(ctx context.Context, uri string) (pos int64, ok bool, err error) {
	id, ok := k.Media.ParseURI(uri)
	if !ok {
		return 0, false, nil
	}
	it, err := k.Media.Item(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return 0, false, nil
	}
	return it.Pos, err == nil, err
}

// OpenFile implements [Files].
func (k Kept) OpenFile(ctx context.Context, sum string) (io.ReadCloser, error) {
	raw, err := hex.DecodeString(sum)
	if err != nil || len(raw) != 32 {
		return nil, fmt.Errorf("%q is no SHA-256: %w", sum, fs.ErrNotExist)
	}
	f, err := k.Media.Content(ctx, [32]byte(raw))
	if err == nil {
		return f, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if k.Capture != nil {
		r, _, err := k.Capture.Attachment(ctx, [32]byte(raw))
		if err == nil {
			return r, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	return nil, fs.ErrNotExist
}
