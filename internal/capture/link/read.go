package link

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"

	"despatch/internal/record"
	"despatch/internal/store"
)

const kindObservation = record.KindObservation

// Chat is one chat on the record, of which there are several people's copies.
type Chat struct {
	ID     string // of the captured conversation that it is known by
	Copies []ChatCopy
}

// ChatCopy is one copy of a chat.
type ChatCopy struct {
	store.CapturedConversation
	Person string // who handed it in
	Taken  int64
}

// Chats returns up to limit chats of which there are several copies, after the one with a scope, and the
// scope to go on after.
func (s *Service) Chats(ctx context.Context, after int64, limit int) ([]Chat, int64, error) {
	groups, err := store.LinkGroups(ctx, s.DB.Reader(), after, limit)
	if err != nil {
		return nil, 0, err
	}
	var out []Chat
	for _, g := range groups {
		c, err := s.chat(ctx, g.Root)
		if err != nil {
			return nil, 0, err
		}
		out = append(out, *c)
		after = g.Root
	}
	return out, after, nil
}

func (s *Service) chat(ctx context.Context, scope int64) (*Chat, error) {
	q := s.DB.Reader()
	root, scopes, err := store.GroupOf(ctx, q, scope)
	if err != nil {
		return nil, err
	}
	out := &Chat{}
	for _, x := range scopes {
		c, err := s.Copy(ctx, x)
		if err != nil {
			return nil, err
		}
		if x == root {
			out.ID = c.ID
		}
		out.Copies = append(out.Copies, *c)
	}
	return out, nil
}

// Copy returns a captured conversation and who handed it in.
func (s *Service) Copy(ctx context.Context, scope int64) (*ChatCopy, error) {
	row, err := store.CapturedConversationByScope(ctx, s.DB.Reader(), scope)
	if err != nil {
		return nil, fmt.Errorf("conversation %d: %w", scope, err)
	}
	c := &ChatCopy{CapturedConversation: row}
	if sub, err := store.SubmissionByID(ctx, s.DB.Reader(), row.Submission); err == nil {
		c.Person, c.Taken = sub.Person, sub.Time
	}
	return c, nil
}

// ChatThread is a conversation rebuilt from its copies, with what is missing from it.
type ChatThread struct {
	*Thread
	Chat *Chat
	Gaps *Gaps
}

// threads remembers the conversations that were rebuilt last.
type threads struct {
	mu   sync.Mutex
	list []rememberedThread // the latest last
}

type rememberedThread struct {
	scope   int64
	changed int64
	thread  *ChatThread
}

const maxThreads = 3

// Thread rebuilds the chat that a captured conversation is a copy of, from all copies that are on the
// record, or [store.ErrNotFound]. What it returns is shared: it must not be changed.
func (s *Service) Thread(ctx context.Context, conversation string) (*ChatThread, error) {
	q := s.DB.Reader()
	row, err := store.CapturedConversationByID(ctx, q, conversation)
	if err != nil {
		return nil, err
	}
	root, scopes, err := store.GroupOf(ctx, q, row.Scope)
	if err != nil {
		return nil, err
	}
	s.threads.mu.Lock() // held while one is made: two who ask for the same want it made once
	defer s.threads.mu.Unlock()
	changed := s.changed.Load()
	for _, t := range s.threads.list {
		if t.scope == root && t.changed == changed {
			return t.thread, nil
		}
	}
	var copies []*Copy
	roots := map[int64]int64{}
	total := 0
	for _, x := range scopes {
		c, err := s.Load(ctx, x)
		if err != nil {
			return nil, err
		}
		copies = append(copies, c)
		if err := store.MessagesIn(ctx, q, x, func(pos, root int64) { roots[pos] = root }); err != nil {
			return nil, err
		}
		if total += len(c.Sightings); total > maxSightings {
			break
		}
	}
	out := &ChatThread{Thread: Rebuild(copies, roots)}
	out.Gaps = out.Find()
	if out.Chat, err = s.chat(ctx, root); err != nil {
		return nil, err
	}
	s.threads.list = slices.DeleteFunc(s.threads.list, func(t rememberedThread) bool { return t.scope == root })
	s.threads.list = append(s.threads.list, rememberedThread{root, changed, out})
	if len(s.threads.list) > maxThreads {
		s.threads.list = slices.Clone(s.threads.list[1:])
	}
	return out, nil
}

// LogicalMessage says which message an observation is of: its id, and the positions of all observations
// of it in order. Search and disclosure ask this to show a message once that several people handed in.
func (s *Service) LogicalMessage(ctx context.Context, pos int64) (id string, observations []int64, err error) {
	q := s.DB.Reader()
	root, err := store.MessageOf(ctx, q, pos)
	if err != nil {
		return "", nil, err
	}
	e, err := store.EntryAt(ctx, q, root)
	if err != nil {
		return "", nil, err
	}
	observations, err = store.ObservationsOf(ctx, q, root)
	return MessageID(e.Ref), observations, err
}

// Reasons returns, in plain words, what a comparison rests on; entry is the position of its entry.
func (s *Service) Reasons(ctx context.Context, entry int64) ([]string, error) {
	e, err := store.EntryAt(ctx, s.DB.Reader(), entry)
	if err != nil {
		return nil, err
	}
	var x statement
	if err := json.Unmarshal(e.Body, &x); err != nil {
		return nil, fmt.Errorf("entry %d: %w", entry, err)
	}
	return x.Reasons, nil
}
