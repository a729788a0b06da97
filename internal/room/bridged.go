package room

import (
	"context"
	"errors"
	"fmt"

	json "github.com/go-json-experiment/json"

	"despatch/internal/eventauth"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

type (
	viaKey     struct{}
	claimedKey struct{}
)

// Via returns a context in which everything that is sent bears a bridge's name on the record: it is brought
// in by the bridge in other people's names.
func Via(ctx context.Context, bridge string) context.Context {
	return context.WithValue(ctx, viaKey{}, bridge)
}

func viaOf(ctx context.Context) string {
	via, _ := ctx.Value(viaKey{}).(string)
	return via
}

// Claimed returns a context in which what is sent bears the time that a bridge claims for it, in milliseconds.
// When it arrived is on the record beside it.
func Claimed(ctx context.Context, ms int64) context.Context {
	return context.WithValue(ctx, claimedKey{}, ms)
}

// source is what the record says of how an event came in: through which bridge, when it arrived, and whether
// as history. What time the event claims for itself is in its origin_server_ts.
func (d *Draft) source(now int64) []byte {
	if d.Via == "" {
		return nil
	}
	raw, err := json.Marshal(struct {
		Bridge   string `json:"bridge"`
		History  bool   `json:"history,omitzero"`
		Received int64  `json:"received"`
	}{d.Via, d.history != nil, now})
	if err != nil {
		panic(fmt.Sprintf("source of an event: %v", err)) // a string and two others always encode
	}
	return raw
}

// Bridged is one event of a conversation that was held elsewhere.
type Bridged struct {
	Alias    string // the name that the bridge has given it, or ""
	Sender   matrix.UserID
	Type     string
	StateKey *string
	Content  []byte
	Time     int64 // when it was said, in milliseconds
}

// Batch is a part of a conversation that was held elsewhere, in order.
type Batch struct {
	Room    matrix.RoomID
	By      matrix.UserID // in whose name the bridge brings it in
	Forward bool          // it follows what is in the room
	// ForwardIfEmpty has it follow if nobody has said anything in the room yet.
	ForwardIfEmpty bool
	Events         []Bridged
}

// MaxBatch is how many events a bridge may bring in at once.
const MaxBatch = 2000

// BringIn puts a part of a conversation on the record, all of it or nothing. Unless it is to follow, it
// stands in the live view before everything that has been said in the room; on the record it stands where
// it arrived, with the bridge's name. Events whose alias is known are not brought in again. It returns the
// id of each event.
//
// Who is named as a sender need not be in the room any more: By answers for them, and must be in it.
func (s *Service) BringIn(ctx context.Context, batch Batch) ([]matrix.EventID, error) {
	if len(batch.Events) > MaxBatch {
		return nil, fmt.Errorf("%w: at most %d events at once", ErrLimit, MaxBatch)
	}
	for i := range batch.Events {
		e := &batch.Events[i]
		if err := s.check(&Draft{Type: e.Type, StateKey: e.StateKey, Content: e.Content}); err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		if e.StateKey != nil || e.Type == matrix.TypeRedaction {
			return nil, &Refused{"History has messages, edits and reactions only."}
		}
	}
	profiles, err := s.profiles(ctx, batch)
	if err != nil {
		return nil, err
	}
	var ids []matrix.EventID
	return ids, s.Rec.Do(ctx, func(b *recorder.Batch) error {
		var err error
		ids, err = s.bringIn(b, viaOf(ctx), batch, profiles)
		return err
	})
}

// profiles are those of the senders.
func (s *Service) profiles(ctx context.Context, batch Batch) (map[matrix.UserID]Profile, error) {
	out := make(map[matrix.UserID]Profile)
	for i := range batch.Events {
		who := batch.Events[i].Sender
		if _, ok := out[who]; ok {
			continue
		}
		p, err := s.Profile(ctx, who)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", who, err)
		}
		out[who] = p
	}
	return out, nil
}

func (s *Service) bringIn(b *recorder.Batch, via string, batch Batch, profiles map[matrix.UserID]Profile) ([]matrix.EventID, error) {
	lv, err := s.load(b, batch.Room)
	if err != nil {
		return nil, err
	}
	if lv.snap.Event(matrix.TypeMember, string(batch.By)).Membership() != "join" {
		return nil, &eventauth.Rejection{Reason: "whoever brings history in must be in the conversation"}
	}
	ids, fresh, err := s.knownAliases(b, via, batch)
	if err != nil || fresh == 0 {
		return ids, err
	}
	forward := batch.Forward
	var place *store.Place
	if !forward {
		before, err := store.FirstMessage(b.Context(), b.Tx(), lv.scope)
		switch {
		case errors.Is(err, store.ErrNotFound):
			forward = true // there is nothing that it could stand before
		case err != nil:
			return nil, err
		default:
			first, err := store.FirstHistory(b.Context(), b.Tx(), lv.scope, before)
			if err != nil {
				return nil, err
			}
			// Never 0, and never one before it: tokens of history are told from others by that.
			place = &store.Place{Before: before, Ord: min(first, -1) - int64(len(batch.Events))}
		}
	}
	for i := range batch.Events {
		e := &batch.Events[i]
		if ids[i] != "" {
			continue
		}
		if forward {
			if err := s.ensureJoined(b, lv, via, batch.By, e.Sender, profiles[e.Sender]); err != nil {
				return nil, err
			}
		}
		content, err := s.unalias(b, via, e.Content)
		if err != nil {
			return nil, err
		}
		d := Draft{Sender: e.Sender, Room: lv.id, Type: e.Type, Content: content, Claimed: e.Time, Via: via}
		if place != nil {
			d.history = &store.Place{Before: place.Before, Ord: place.Ord + int64(i)}
		}
		ev, err := s.append(b, lv, d, 0)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		ids[i] = ev.ID
		if e.Alias != "" {
			ref, _ := store.EventRef(ev.ID)
			if err := store.SetEventAlias(b.Context(), b.Tx(), via, e.Alias, ref); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

// knownAliases finds the events that have been brought in already, and counts the others. A batch of which
// any message is known has been brought in as a whole: its reactions, to which bridges give a new name each
// time, are known too.
func (s *Service) knownAliases(b *recorder.Batch, via string, batch Batch) (ids []matrix.EventID, fresh int, err error) {
	ids = make([]matrix.EventID, len(batch.Events))
	messages, known := 0, 0
	for i := range batch.Events {
		e := &batch.Events[i]
		if e.Type != "m.reaction" {
			messages++
		}
		if e.Alias == "" {
			continue
		}
		ref, err := store.EventByAlias(b.Context(), b.Tx(), via, e.Alias)
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, 0, err
		}
		ids[i] = store.EventID(ref)
		if e.Type != "m.reaction" {
			known++
		}
	}
	if messages > 0 && known == messages {
		return ids, 0, nil
	}
	for _, id := range ids {
		if id == "" {
			fresh++
		}
	}
	return ids, fresh, nil
}

// ensureJoined has somebody join a room, asked in by the bridge if need be.
func (s *Service) ensureJoined(b *recorder.Batch, lv *live, via string, by, who matrix.UserID, p Profile) error {
	state := lv.snap.Event(matrix.TypeMember, string(who)).Membership()
	if state == "join" {
		return nil
	}
	key := string(who)
	if state != "invite" {
		_, err := s.append(b, lv, Draft{Sender: by, Room: lv.id, Type: matrix.TypeMember, StateKey: &key, Content: memberContent("invite", p, nil), Via: via}, 0)
		if err != nil {
			return fmt.Errorf("invite %s: %w", who, err)
		}
	}
	_, err := s.append(b, lv, Draft{Sender: who, Room: lv.id, Type: matrix.TypeMember, StateKey: &key, Content: memberContent("join", p, nil), Via: via}, 0)
	if err != nil {
		return fmt.Errorf("have %s join: %w", who, err)
	}
	return nil
}

// unalias puts the ids of events in place of the names that the bridge gave them.
func (s *Service) unalias(b *recorder.Batch, via string, content []byte) ([]byte, error) {
	var failed error
	out := ReplaceIDs(content, func(id string) string {
		ref, err := store.EventByAlias(b.Context(), b.Tx(), via, id)
		if err != nil {
			if !errors.Is(err, store.ErrNotFound) {
				failed = err
			}
			return id
		}
		return string(store.EventID(ref))
	})
	return out, failed
}

// maxReplaced bounds the ids that are looked up in one event.
const maxReplaced = 50

// ReplaceIDs returns JSON in which each string that is nothing but an event's id, or a name for one, has
// been replaced. What is only part of a text is left alone.
func ReplaceIDs(raw []byte, with func(string) string) []byte {
	var out []byte
	from, n := 0, 0
	for i := 0; i < len(raw) && n < maxReplaced; i++ {
		if raw[i] != '"' {
			continue
		}
		end := i + 1
		for end < len(raw) && raw[end] != '"' {
			if raw[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(raw) {
			break
		}
		if text := raw[i+1 : end]; len(text) > 40 && len(text) <= matrix.MaxIDSize && text[0] == '$' {
			n++
			if id, ok := matrix.String(raw[i : end+1]); ok {
				if new := with(id); new != id {
					out = matrix.AppendString(append(out, raw[from:i]...), new)
					from = end + 1
				}
			}
		}
		i = end
	}
	if out == nil {
		return raw
	}
	return append(out, raw[from:]...)
}
