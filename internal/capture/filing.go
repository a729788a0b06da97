package capture

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"

	"despatch/internal/media"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

// A batch is small enough that other people's messages get in between, and large enough that its
// commit costs little.
const (
	batchEntries = 500
	batchBytes   = 1 << 20
)

// filing puts messages on the record in batches. One goroutine commits while the parser reads on.
type filing struct {
	ctx      context.Context
	service  *Service
	person   string
	progress func(int64)

	pictures *pictures
	detect   func(*Observation, []string) *Finding
	mail     bool // the messages are mails, with headers

	chats map[string]*filedChat // by conversation
	order []*filedChat
	batch []recorder.Entry
	bytes int

	queue chan []recorder.Entry
	done  chan struct{}
	fault error // set by the committing goroutine before it closes done
	filed int64 // messages put on the record; the committing goroutine's until done is closed
}

// filedChat is one conversation on its way to the record.
type filedChat struct {
	id       string
	existing map[[32]byte]bool // what was there before, if anything was
	earlier  bool              // because another submission brought it
	fresh    int64
}

func newFiling(ctx context.Context, s *Service, person string, progress func(int64)) *filing {
	f := &filing{ctx: ctx, service: s, person: person, progress: progress, chats: map[string]*filedChat{}, queue: make(chan []recorder.Entry, 2), done: make(chan struct{})}
	go f.commit()
	return f
}

// add takes a message from the parser.
func (f *filing) add(o *Observation) error {
	chat, err := f.chat(o)
	if err != nil {
		return err
	}
	ref, err := refOfObservation(o.ID)
	if err != nil {
		return err
	}
	if chat.existing[[32]byte(ref)] {
		return nil
	}
	if err := f.pictures.read(f.ctx, o); err != nil {
		return fmt.Errorf("read the picture of %s: %w", o.ID, err)
	}
	for i := range o.Attachments {
		if err := f.keep(chat, &o.Attachments[i]); err != nil {
			return fmt.Errorf("attachment of %s: %w", o.ID, err)
		}
	}
	live, err := filedOf(o)
	if err != nil {
		return err
	}
	if f.detect != nil {
		var headers []string
		if f.mail {
			headers = f.pictures.headers(o)
		}
		if found := f.detect(o, headers); found != nil {
			live.seal = &sealEntry{Observation: o.ID, Person: f.person, Finding: found}
		}
	}
	r := recordedObservation(*o)
	if r.Text == r.Body && (r.Kind == KindText || r.Kind == KindNote) { // as DecodeObservation puts it back
		r.Text = ""
	}
	body, err := encode(r)
	if err != nil {
		return fmt.Errorf("encode message %s: %w", o.ID, err)
	}
	class := store.ClassMessage
	if o.Kind == KindSystem {
		class = store.ClassOther
	}
	chat.fresh++
	f.batch = append(f.batch, recorder.Entry{Scope: Scope(chat.id), Kind: record.KindObservation, Body: body, Ref: ref, Class: class, Live: live})
	if f.bytes += len(body); len(f.batch) >= batchEntries || f.bytes >= batchBytes {
		return f.flush()
	}
	return nil
}

// keep keeps an attachment that has no file of its own.
func (f *filing) keep(chat *filedChat, a *Attachment) error {
	if a.Presence != Present || a.Open == nil {
		return nil
	}
	var sum [32]byte
	if err := unhex(&sum, a.SHA256); err != nil {
		return err
	}
	_, err := store.ContentByHash(f.ctx, f.service.DB.Reader(), sum)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	r, err := a.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	item, err := f.service.Media.Put(f.ctx, &contextReader{f.ctx, r}, media.Upload{By: f.person, Name: a.Name, Evidence: true, Scope: Scope(chat.id)})
	if err == nil && item.SHA256 != sum {
		err = fmt.Errorf("%q reads differently the second time", a.Name)
	}
	return err
}

// chat returns the conversation of a message, and at its first message looks what is there of it.
func (f *filing) chat(o *Observation) (*filedChat, error) {
	if n := o.Conversation; n < len(f.order) && f.order[n] != nil {
		return f.order[n], nil
	}
	c := &filedChat{id: conversationID(o)}
	for len(f.order) <= o.Conversation {
		f.order = append(f.order, nil)
	}
	f.order[o.Conversation] = c
	q := f.service.DB.Reader()
	row, err := store.CapturedConversationByID(f.ctx, q, c.id)
	if errors.Is(err, store.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for conversation %s: %w", c.id, err)
	}
	c.existing, c.earlier = map[[32]byte]bool{}, row.Submission != "" // else a run was broken off
	err = store.CapturedRefs(f.ctx, q, row.Scope, func(ref []byte) error {
		if len(ref) == 32 {
			c.existing[[32]byte(ref)] = true
		}
		return nil
	})
	return c, err
}

// refOfObservation is the reference under which a message is on the record: the hash in its id.
func refOfObservation(id string) ([]byte, error) {
	hash, ok := strings.CutPrefix(id, "obs_")
	ref, err := idEncoding.DecodeString(hash)
	if _, corrupt := err.(base32.CorruptInputError); !ok || corrupt || len(ref) != 32 {
		return nil, fmt.Errorf("%q is no id of an observation", id)
	}
	return ref, err
}

func (f *filing) flush() error {
	if len(f.batch) == 0 {
		return nil
	}
	select {
	case f.queue <- f.batch:
		f.batch, f.bytes = make([]recorder.Entry, 0, batchEntries), 0
		return nil
	case <-f.done:
		return f.fault
	}
}

// commit puts batches on the record until the queue is closed or one fails.
func (f *filing) commit() {
	defer close(f.done)
	for batch := range f.queue {
		f.fault = f.service.Record.Do(f.ctx, func(b *recorder.Batch) error {
			for _, e := range batch {
				pos := b.Append(e)
				if x, ok := e.Live.(*filed); ok && x.seal != nil {
					if err := seal(b, *x.seal, pos); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if f.fault != nil {
			return
		}
		f.filed += int64(len(batch))
		if f.progress != nil {
			f.progress(f.filed)
		}
	}
}

// close waits until everything is on the record, or says why it is not.
func (f *filing) close() error {
	err := f.flush()
	close(f.queue)
	<-f.done
	return errors.Join(err, f.fault)
}

// conversations says how the run's conversations stand on the record.
func (f *filing) conversations(ctx context.Context, run *ParseRun) ([]FiledConversation, error) {
	list := []FiledConversation{}
	for i, c := range f.order {
		if c == nil {
			continue
		}
		row, err := store.CapturedConversationByID(ctx, f.service.DB.Reader(), c.id)
		if err != nil {
			return nil, err
		}
		have, err := store.CapturedRangeOf(ctx, f.service.DB.Reader(), row.Scope)
		if err != nil {
			return nil, err
		}
		filed := FiledConversation{ID: c.id, Items: have.Items, New: have.Items, First: have.First, Last: have.Last, Kind: "unknown", Earlier: c.earlier}
		if c.earlier {
			filed.New = c.fresh
		}
		if i < len(run.Conversations) {
			filed.Title, filed.Kind = run.Conversations[i].Title, run.Conversations[i].Kind
		}
		list = append(list, filed)
	}
	return list, nil
}

// sealed counts the messages in the run's conversations that are sealed.
func (f *filing) sealed(ctx context.Context) (n int64, err error) {
	if f.detect == nil {
		return 0, nil
	}
	for _, c := range f.order {
		if c == nil {
			continue
		}
		row, err := store.CapturedConversationByID(ctx, f.service.DB.Reader(), c.id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		k, err := store.SealedInScope(ctx, f.service.DB.Reader(), row.Scope)
		if err != nil {
			return 0, err
		}
		n += k
	}
	return n, nil
}
