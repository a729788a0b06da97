package room

import (
	"context"
	"strings"

	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/sqldb"
	"despatch/internal/store"
	"despatch/internal/stream"
)

// shownMedia are the places in a message that name an upload.
var shownMedia = [][]string{
	{"url"}, {"info", "thumbnail_url"},
	{"m.new_content", "url"}, {"m.new_content", "info", "thumbnail_url"},
}

// showMedia notes which uploads a message shows, so that they are gone for participants when it is.
func (s *Service) showMedia(ctx context.Context, tx *sqldb.Tx, e *recorder.Committed, ev *stream.Event) error {
	for _, path := range shownMedia {
		uri, _ := matrix.LookupString(ev.Content, path...)
		if id, ok := strings.CutPrefix(uri, "mxc://"+string(s.Server)+"/"); ok && len(id) <= matrix.MaxIDSize {
			if err := store.UseMedia(ctx, tx, id, e.Pos); err != nil {
				return err
			}
		}
	}
	return nil
}
