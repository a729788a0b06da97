package room

import (
	"context"
	"errors"
	"strings"

	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// showMedia notes which uploads a message shows, so that they are gone for participants when it is. What
// an edit shows counts for the message that it edits: it goes when that goes.
func (s *Service) showMedia(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed, ev *stream.Event) error {
	content, pos := ev.Content, e.Pos
	if edited := matrix.Lookup(content, "m.new_content"); edited != nil {
		if rel, _ := matrix.LookupString(content, "m.relates_to", "rel_type"); rel == "m.replace" {
			target, _ := matrix.LookupString(content, "m.relates_to", "event_id")
			ref, ok := store.EventRef(matrix.EventID(target))
			if !ok {
				return nil
			}
			row, _, err := store.EventByRef(ctx, tx, ref)
			if errors.Is(err, store.ErrNotFound) || err == nil && row.Pruned {
				return nil
			}
			if err != nil {
				return err
			}
			content, pos = edited, row.Pos
		}
	}
	for _, path := range [][]string{{"url"}, {"info", "thumbnail_url"}} {
		uri, _ := matrix.LookupString(content, path...)
		if id, ok := strings.CutPrefix(uri, "mxc://"+string(s.Server)+"/"); ok && len(id) <= matrix.MaxIDSize {
			if err := store.UseMedia(ctx, tx, id, pos); err != nil {
				return err
			}
		}
	}
	return nil
}
