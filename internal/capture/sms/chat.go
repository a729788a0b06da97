package sms

import (
	"slices"
	"strings"

	"despatch/internal/capture"
)

// chat returns the conversation of a record: those with the same numbers in the same file. The numbers
// are what Android itself tells conversations apart by, so they are its id.
func (r *reading) chat(o *capture.Observation, numbers []string, contactName string) *capture.Conversation {
	sorted := slices.Clone(numbers)
	slices.Sort(sorted)
	o.Chat = strings.Join(sorted, "~")
	key := string(r.backup.member.File.SHA256[:]) + o.Chat
	if o.Chat == "" {
		key += r.backup.path
	}
	i, ok := r.chats[key]
	if !ok && len(r.run.Conversations) >= maxNumbers { // the last one takes what is beyond
		o.Conversation = maxNumbers - 1
		o.Doubt("too_many_conversations", "The file has more conversations than any telephone. This one is listed with others.")
		return &r.run.Conversations[maxNumbers-1]
	}
	if !ok {
		i = len(r.run.Conversations)
		r.chats[key] = i
		r.run.Conversations = append(r.run.Conversations, r.conversation(sorted, o.Chat, contact(contactName)))
	}
	o.Conversation = i
	return &r.run.Conversations[i]
}

func (r *reading) conversation(numbers []string, id, title string) capture.Conversation {
	c := capture.Conversation{ID: id, Kind: "dm", Path: r.backup.path, Viewpoint: r.self, Title: title}
	if len(numbers) > 1 {
		c.Kind = "group"
	}
	if len(numbers) == 0 {
		c.Kind = "unknown"
	}
	me := capture.Participant{Name: r.self, IsSelf: capture.Yes}
	if r.number != "" {
		me.Phone, me.Identifiers = r.number, identifiers(r.number)
	}
	c.Participants = append(c.Participants, me)
	names := make([]string, 0, len(numbers))
	for _, n := range numbers {
		p := capture.Participant{Name: r.people.called(n), Identifiers: identifiers(n), IsSelf: capture.No}
		if isNumber(n) {
			p.Phone = n
		}
		names = append(names, p.Name)
		c.Participants = append(c.Participants, p)
	}
	if c.Title == "" || len(numbers) > 1 || r.people.name[id] != "" {
		c.Title = strings.Join(names, ", ")
	}
	return c
}

// wrote counts a message for its sender.
func (r *reading) wrote(c *capture.Conversation, o *capture.Observation) {
	for i := range c.Participants {
		if c.Participants[i].Name == o.Sender {
			c.Participants[i].Messages++
			return
		}
	}
	if len(c.Participants) < maxParts {
		p := capture.Participant{Name: o.Sender, IsSelf: capture.No, Messages: 1, Identifiers: identifiers(bare(o.Sender))}
		if isNumber(bare(o.Sender)) {
			p.Phone = bare(o.Sender)
		}
		c.Participants = append(c.Participants, p)
	}
}
