package appservice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/room"
	"despatch/internal/store"
	"despatch/internal/stream"
)

const (
	maxEvents    = 100  // in a transaction
	maxLook      = 1000 // entries of the record that are looked at for one
	maxBytes     = 2 << 20
	maxRetry     = 5 * time.Minute
	maxEphemeral = 500 // rooms of which receipts and typing are told at once
	maxAnswer    = 64 << 10
)

// Run sends each application service what concerns it, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var running sync.WaitGroup
	s.opt.Hub.OnSide(s.Published)
	for _, b := range s.all {
		if b.URL != "" {
			running.Go(func() { b.run(ctx) })
		}
	}
	running.Wait()
}

// run sends one service its transactions, one after the other.
func (b *Bridge) run(ctx context.Context) {
	wait := b.s.opt.Retry
	var at store.Appservice
	_, side := b.s.opt.Hub.Sides(1 << 62) // what is not on the record is sent only as it happens
	for ctx.Err() == nil {
		var err error
		if at.ID == "" {
			at, err = store.AppserviceByID(ctx, b.s.opt.DB.Reader(), b.ID)
		}
		more := false
		if err == nil {
			at, more, err = b.step(ctx, at)
		}
		if err == nil && !more {
			side, err = b.ephemeral(ctx, side)
		}
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			b.s.opt.Log.WarnContext(ctx, "an application service did not take a transaction; trying again", "service", b.ID, "wait", wait, "err", err)
			at.ID = "" // read again: it says what is under way
			if !b.pause(ctx, wait) {
				wait = b.s.opt.Retry // the service is there again
				continue
			}
			wait = min(2*wait, maxRetry)
			continue
		}
		wait = b.s.opt.Retry
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-b.news:
		}
	}
}

// pause waits, or less if the service makes itself heard, in which case it returns false.
func (b *Bridge) pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-b.heard:
		return false
	}
	return true
}

// Heard says that a service is there: what waits for it is sent at once.
func (b *Bridge) Heard() {
	select {
	case b.heard <- struct{}{}:
	default:
	}
}

// step sends the next transaction. What it consists of is stored before it is sent, and that it has arrived
// afterwards: so after a crash the same transaction is sent again under the same number, and a service that
// has it already knows it. more is true if there may be another.
func (b *Bridge) step(ctx context.Context, at store.Appservice) (_ store.Appservice, more bool, err error) {
	head := b.s.opt.Hub.Head()
	if at.Upto <= at.Pos {
		if at.Pos >= head {
			return at, false, nil
		}
		events, n, next, err := b.collect(ctx, at.Pos, head)
		if err != nil {
			return at, false, err
		}
		if n == 0 { // nothing of it concerns the service, so it need not be remembered either
			at.Pos, at.Upto = next, next
			return at, next < head, nil
		}
		at.Upto, at.Txn = next, at.Txn+1
		if err := b.keep(ctx, at); err != nil {
			return at, false, err
		}
		return b.deliver(ctx, at, events)
	}
	events, n, _, err := b.collect(ctx, at.Pos, at.Upto)
	if err != nil {
		return at, false, err
	}
	if n == 0 {
		at.Pos = at.Upto
		return at, true, b.keep(ctx, at)
	}
	return b.deliver(ctx, at, events)
}

func (b *Bridge) deliver(ctx context.Context, at store.Appservice, events []byte) (store.Appservice, bool, error) {
	body := append(append([]byte(`{"events":[`), events...), `]}`...)
	if err := b.put(ctx, strconv.FormatInt(at.Txn, 10), body); err != nil {
		return at, false, err
	}
	at.Pos = at.Upto
	return at, true, b.keep(ctx, at)
}

func (b *Bridge) keep(ctx context.Context, at store.Appservice) error {
	return b.s.opt.Record.Do(ctx, func(batch *recorder.Batch) error {
		return store.SetAppservice(batch.Context(), batch.Tx(), at)
	})
}

// collect lists the events of a part of the record that concern the service, up to next.
func (b *Bridge) collect(ctx context.Context, from, to int64) (events []byte, n int, next int64, err error) {
	rows, next, err := store.EventsFrom(ctx, b.s.opt.DB.Reader(), from, to, maxLook)
	if err != nil {
		return nil, 0, from, err
	}
	for i := range rows {
		row := &rows[i]
		info, ok := b.s.opt.Hub.RoomOf(row.Scope)
		if !ok || row.Body == nil {
			continue
		}
		ev, err := matrix.ParseStored(info.Version, store.EventID(row.Ref), row.Body)
		if err != nil {
			return nil, 0, from, fmt.Errorf("event at %d: %w", row.Pos, err)
		}
		if matrix.Lookup(ev.Source(), "history") != nil || !b.concerned(info.ID, ev, row.Pos) {
			continue
		}
		if n == maxEvents || len(events) > maxBytes {
			return events, n, row.Pos, nil
		}
		if n++; n > 1 {
			events = append(events, ',')
		}
		if events, err = b.show(ctx, events, info, &row.Event); err != nil {
			return nil, 0, from, err
		}
	}
	return events, n, next, nil
}

// show appends an event as the service is shown it: with the names that it has given to events.
func (b *Bridge) show(ctx context.Context, dst []byte, info stream.RoomInfo, row *store.Event) ([]byte, error) {
	v := stream.Viewer{Now: b.s.opt.Now().UnixMilli(), RoomID: true}
	b.mu.Lock()
	aliased := b.aliased
	b.mu.Unlock()
	if !aliased {
		return stream.AppendEvent(dst, info.Version, info.ID, row, v, nil), nil
	}
	var failed error
	shown := room.ReplaceIDs(stream.AppendEvent(nil, info.Version, info.ID, row, v, nil), func(id string) string {
		ref, ok := store.EventRef(matrix.EventID(id))
		if !ok {
			return id
		}
		alias, err := store.EventAlias(ctx, b.s.opt.DB.Reader(), b.ID, ref)
		if errors.Is(err, store.ErrNotFound) {
			return id
		}
		failed = errors.Join(failed, err)
		return alias
	})
	return append(dst, shown...), failed
}

// Aliased says that the service has given names to events.
func (b *Bridge) Aliased() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aliased = true
}

// ephemeral sends what is not on the record: who reads and types in rooms that concern the service. It is
// sent once, and what the service does not hear is lost: it is of the moment.
func (b *Bridge) ephemeral(ctx context.Context, since int64) (int64, error) {
	if !b.Ephemeral {
		return since, nil
	}
	rooms, upTo := b.s.opt.Hub.Sides(since)
	var list []byte
	add := func(event []byte) {
		if len(event) > 0 && len(list) > 0 {
			list = append(list, ',')
		}
		list = append(list, event...)
	}
	for i, r := range rooms {
		if i == maxEphemeral {
			break
		}
		if !b.watches(r.ID, b.s.opt.Hub.Head()-1) {
			continue
		}
		if r.Typed {
			add(stream.AppendTypingEvent(nil, r.ID, r.Typing))
		}
		if r.Read {
			receipts, err := store.Receipts(ctx, b.s.opt.DB.Reader(), r.Scope, since)
			if err != nil {
				return since, err
			}
			add(stream.AppendReceiptEvent(nil, r.ID, receipts))
		}
	}
	if len(list) == 0 {
		return upTo, nil
	}
	name := "ephemeral"
	if b.unstable {
		name = "de.sorunome.msc2409.ephemeral"
	}
	body := append(append([]byte(`{"events":[],"`+name+`":[`), list...), `]}`...)
	return upTo, b.put(ctx, "e"+strconv.FormatInt(upTo, 10), body)
}

// put sends a transaction.
func (b *Bridge) put(ctx context.Context, txn string, body []byte) error {
	status, answer, err := b.call(ctx, http.MethodPut, "/_matrix/app/v1/transactions/"+url.PathEscape(txn), body)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("transaction %s: status %d: %.200q", txn, status, answer)
	}
	return nil
}

// call makes a request to the service.
func (b *Bridge) call(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, b.URL+path, r)
	if err != nil {
		return 0, nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+b.HSToken)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := b.s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, err
}

// Ping asks the service whether it is there, and returns how long that took (MSC2659).
func (b *Bridge) Ping(ctx context.Context, txn string) (took time.Duration, status int, answer []byte, err error) {
	body := []byte(`{}`)
	if txn != "" {
		body = append(matrix.AppendString([]byte(`{"transaction_id":`), txn), '}')
	}
	start := time.Now()
	status, answer, err = b.call(ctx, http.MethodPost, "/_matrix/app/v1/ping", body)
	if err == nil && status == http.StatusOK {
		b.Heard()
	}
	return time.Since(start), status, answer, err
}

// AskUser asks the service to which alone a user name belongs to make that user, and reports whether it says
// that it has.
func (s *Service) AskUser(ctx context.Context, who matrix.UserID) bool {
	b := s.OwnerOf(who)
	return b != nil && who != b.Sender && who.Server() == s.opt.Server && b.ask(ctx, "/_matrix/app/v1/users/"+url.PathEscape(string(who)))
}

// AskAlias asks the service to which alone a room's name belongs to make that room, and reports whether it
// says that it has.
func (s *Service) AskAlias(ctx context.Context, alias matrix.RoomAlias) bool {
	b := s.OwnerOfAlias(alias)
	return b != nil && b.ask(ctx, "/_matrix/app/v1/rooms/"+url.PathEscape(string(alias)))
}

func (b *Bridge) ask(ctx context.Context, path string) bool {
	if b.URL == "" {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	status, _, err := b.call(ctx, http.MethodGet, path, nil)
	return err == nil && status == http.StatusOK
}
