package room

import (
	"context"
	"errors"
	"fmt"
	"time"

	"despatch/internal/eventauth"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// due says that a message has been sent that disappears at a time.
func (s *Service) due(at int64) {
	select {
	case s.expire <- at:
	default: // the loop has been told already and will ask the database
	}
}

// ClockChanged has Run look at once at what is due: the clock has been put forward.
func (s *Service) ClockChanged() { s.due(1) }

// expireBatch is how many messages disappear in one transaction.
const expireBatch = 100

// Run makes messages disappear from the live view when their time has come, until ctx ends. What was
// due while the server was down disappears first. It must run once.
func (s *Service) Run(ctx context.Context) error {
	if err := s.loadTxns(ctx); err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "earlier transactions could not be read; each will be looked up", "err", err)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := int64(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case at := <-s.expire:
			if next > 0 && next <= at {
				continue
			}
			next = at
		case <-timer.C:
			var err error
			if next, err = s.disappear(ctx); err != nil && ctx.Err() == nil {
				s.Log.WarnContext(ctx, "messages that are due did not disappear; trying again", "err", err)
				next = s.Now().Add(5 * time.Second).UnixMilli()
			}
		}
		wait := time.Minute
		if next > 0 {
			wait = min(wait, max(0, time.Duration(next-s.Now().UnixMilli())*time.Millisecond))
		}
		timer.Reset(wait)
	}
}

// disappear redacts what is due and returns when the next message is, or 0.
func (s *Service) disappear(ctx context.Context) (next int64, err error) {
	for {
		due, err := store.Expiries(ctx, s.DB.Reader(), s.Now().UnixMilli(), expireBatch)
		if err != nil {
			return 0, err
		}
		if len(due) == 0 {
			return store.NextExpiry(ctx, s.DB.Reader())
		}
		err = s.Rec.Do(ctx, func(b *recorder.Batch) error {
			for _, x := range due {
				if err := s.disappearOne(b, x); err != nil {
					return fmt.Errorf("message at %d: %w", x.Pos, err)
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
}

// disappearOne redacts a message in the name of its sender or, if they may not any more, of somebody in
// the room who may. If nobody may, the message is pruned without an event: it is gone for whoever asks.
func (s *Service) disappearOne(b *recorder.Batch, x store.Expiry) error {
	ctx, tx := b.Context(), b.Tx()
	if err := store.DeleteExpiry(ctx, tx, x); err != nil {
		return err
	}
	entry, err := store.EntryAt(ctx, tx, x.Pos)
	if err != nil {
		return err
	}
	row, scope, err := store.EventByRef(ctx, tx, entry.Ref)
	if err != nil {
		return err
	}
	if row.Pruned || row.Body == nil {
		return nil
	}
	sc, err := store.ScopeByID(ctx, tx, scope)
	if err != nil {
		return err
	}
	lv, err := s.load(b, matrix.RoomID(sc.Name))
	if err != nil {
		return err
	}
	ev, err := lv.parse(&row)
	if err != nil {
		return err
	}
	for _, who := range append([]matrix.UserID{ev.Sender}, s.Hub.Members(lv.id, "join")...) {
		d := Draft{Sender: who, Room: lv.id, Type: matrix.TypeRedaction, Redacts: ev.ID,
			Content: []byte(`{"org.despatch.reason":"expired"}`), Reason: "expired"}
		_, err := s.append(b, lv, d, 0)
		if err == nil {
			return s.redactEdits(b, lv, d, x.Pos)
		}
		var no *eventauth.Rejection
		if !errors.As(err, &no) {
			return err
		}
	}
	if err := store.UnuseMedia(ctx, tx, x.Pos, b.Now()); err != nil {
		return err
	}
	return store.Prune(ctx, tx, x.Pos, x.Pos, "expired")
}
