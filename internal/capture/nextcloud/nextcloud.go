// Package nextcloud fetches conversations of Nextcloud Talk by its chat API, which is the only way out
// of it, and reads what was fetched: the dumps that [Fetch] writes, and answers of the API that
// somebody saved.
//
// Fetching and reading are apart: a dump is a file like any other export, is kept whole, and can be
// read again. It holds each message exactly as the server sent it.
//
// Talk does not give out earlier versions of edited messages, the words of deleted ones, or who has
// read what; messages that have expired are gone from its database.
package nextcloud

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// Parser reads dumps and saved answers. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "nextcloud-talk" }
func (Parser) Version() string { return "1" }

var filtered = []string{"earlier_versions", "deleted", "receipts", "expired"}

// DumpFormat names the form of a dump, on its first line.
const DumpFormat = "despatch nextcloud talk 1"

// maxProbes bounds the files that are looked into.
const maxProbes = 2000

type form int

const (
	formNone form = iota
	formDump
	formAnswer
)

// formOf says by its content what a file is.
func formOf(m *capture.Member) (form, error) {
	if m.Size == 0 {
		return formNone, nil
	}
	r, err := m.Open()
	if err != nil {
		return formNone, err
	}
	defer r.Close()
	head, err := io.ReadAll(io.LimitReader(r, 256<<10))
	if err != nil {
		return formNone, err
	}
	if strings.HasPrefix(string(head), `{"format":"`+DumpFormat+`"`) {
		return formDump, nil
	}
	if !strings.Contains(string(head), `"ocs"`) {
		return formNone, nil
	}
	k := jsonfile.Paths(strings.NewReader(string(head)), 256<<10, nil)
	if k["ocs.data[].actorType"] && k["ocs.data[].messageType"] && k["ocs.data[].token"] {
		return formAnswer, nil
	}
	return formNone, nil
}

// Recognise says whether the source holds messages of Talk.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	for i, m := range x.Members {
		if i == maxProbes || ctx.Err() != nil {
			return false, ctx.Err()
		}
		if f, err := formOf(m); err != nil || f != formNone {
			return f != formNone, err
		}
	}
	return false, nil
}

// reader is one run.
type reader struct {
	*tally.Book
	ctx    context.Context
	limits capture.Limits
	rooms  map[string]*room // by server and token
}

// room is one conversation.
type room struct {
	*tally.Chat
	server string
	token  string
	seen   map[int64]bool // messages, by their ids
}

// maxMessages bounds the messages of one run, whose ids are remembered.
const maxMessages = 5_000_000

// Parse reads the messages in the order of the files.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	r := &reader{Book: tally.New(ctx, p, "nextcloud", "records", filtered, emit), ctx: ctx, limits: src.Bounds(), rooms: map[string]*room{}}
	x, err := tally.Open(src)
	if err != nil {
		return r.Close(err)
	}
	r.Export = x
	for i, m := range x.Members {
		if i == maxProbes {
			break
		}
		f, err := formOf(m)
		if err != nil {
			return r.Close(err)
		}
		if f == formNone {
			continue
		}
		if r.Run.Variant = "dump"; f == formAnswer {
			r.Run.Variant = "answer"
		}
		again, err := r.Again(m)
		if err == nil && !again {
			err = r.Read(m, func(in *tally.Input) (int64, error) { return r.file(m, f, in) })
		}
		if err != nil {
			return r.Close(err)
		}
	}
	for _, c := range r.rooms {
		if opt.Self != "" {
			c.Self(opt.Self)
		}
	}
	return r.Close(nil)
}

func (r *reader) file(m *capture.Member, f form, in *tally.Input) (int64, error) {
	j, err := jsonfile.NewReader(in, m.Label(), r.limits)
	if err != nil {
		return 0, err
	}
	defer j.Warn(r.Run)
	if f == formDump {
		err = r.dump(m, j)
	} else {
		err = r.answer(m, j)
	}
	if err == nil && j.More() && f == formAnswer {
		r.Warn("after_the_end", "Something stands behind the end of a file.")
		_, err = io.Copy(io.Discard, in)
		return m.Size, err
	}
	return j.Offset(), err
}

// room returns a conversation, which it opens at its first message.
func (r *reader) room(m *capture.Member, server, token string) (*room, error) {
	key := server + "\n" + token
	if c := r.rooms[key]; c != nil {
		return c, nil
	}
	chat, err := r.Chat(capture.Conversation{Kind: "unknown", ID: token, Tenant: server, Path: m.Path})
	if err != nil {
		return nil, err
	}
	c := &room{Chat: chat, server: server, token: token, seen: map[int64]bool{}}
	r.rooms[key] = c
	return c, nil
}

// dump reads the lines of a dump: what it is, the room, its participants, the messages, and the end.
func (r *reader) dump(m *capture.Member, j *jsonfile.Reader) error {
	server, token, ended := "", "", false
	for j.More() {
		rec, err := j.Record()
		if err != nil {
			return err
		}
		switch {
		case rec.Has("format"):
			server, token = host(rec.Str("server")), rec.Str("room")
		case rec.Has("message"):
			c, err := r.room(m, server, token)
			if err != nil {
				return err
			}
			if err := r.message(c, m, rec, rec.At("message"), rec.At("reactions")); err != nil {
				return err
			}
		case rec.Has("room"):
			c, err := r.room(m, server, token)
			if err != nil {
				return err
			}
			v := c.Conversation()
			v.Title = tally.Name(rec.Str("room", "displayName"))
			if n, ok := rec.Int("room", "type"); ok && n > 0 && n < int64(len(roomKinds)) {
				v.Kind = roomKinds[n]
			}
		case rec.Has("participants"):
			c, err := r.room(m, server, token)
			if err != nil {
				return err
			}
			for _, p := range rec.List("participants") {
				c.Person(p.Str("displayName"), "nextcloud", actor(p.Str("actorType"), p.Str("actorId")))
			}
		case rec.Has("end"):
			ended = rec.True("end", "whole")
		default:
			r.Skip("unknown_line", string(rec.Raw[:min(len(rec.Raw), 100)]))
		}
	}
	if !ended {
		r.Run.Coverage.LikelyTruncated = true
		r.Warn("dump_not_whole", "The dump was broken off before everything was fetched. Run the same command again to fetch the rest.")
	}
	return nil
}

// roomKinds are Talk's types of conversation, by their number.
var roomKinds = []string{"unknown", "dm", "group", "group", "channel", "dm", "dm"}

func host(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return tally.Name(server)
	}
	return u.Host + strings.TrimSuffix(u.Path, "/")
}

// actor is how somebody is known on a server.
func actor(sort, id string) string {
	if id == "" {
		return ""
	}
	return sort + "/" + id
}

// answer reads one answer of the API. Those to a question about the history have the newest first.
func (r *reader) answer(m *capture.Member, j *jsonfile.Reader) error {
	if j.Kind() != '{' {
		return j.Skip()
	}
	return j.Object(func(key string) error {
		if key != "ocs" || j.Kind() != '{' {
			return j.Skip()
		}
		return j.Object(func(key string) error {
			if key != "data" || j.Kind() != '[' {
				return j.Skip()
			}
			return j.Array(func() error {
				rec, err := j.Record()
				if err != nil {
					return err
				}
				c, err := r.room(m, "", rec.Str("token"))
				if err != nil {
					return err
				}
				return r.message(c, m, rec, rec.Value, nil)
			})
		})
	})
}

// message hands out one message.
func (r *reader) message(c *room, m *capture.Member, rec *jsonfile.Record, v, who *jsonfile.Value) error {
	id, ok := v.Int("id")
	if v == nil || v.Kind != '{' || !ok {
		r.Skip("no_message", string(rec.Raw[:min(len(rec.Raw), 100)]))
		return nil
	}
	if c.seen[id] {
		r.Skip("same_message_twice", strconv.FormatInt(id, 10))
		return nil
	}
	if len(c.seen) >= maxMessages {
		return &capture.FileError{File: m.Label(), Reason: fmt.Sprintf("has more than %d messages", maxMessages), Remedy: "Fetch it in parts."}
	}
	c.seen[id] = true
	o := tally.Observation(m, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, 0)
	o.NativeID, o.Chat = strconv.FormatInt(id, 10), c.token
	rec.Doubt(o)
	sec, ok := v.Int("timestamp")
	if ok && sec > 0 && sec < 1<<38 {
		o.Sent, _ = tally.Epoch(v.Str("timestamp"), sec*1000, "s", "server")
	} else {
		o.Sent = capture.Undated(v.Str("timestamp"))
	}
	o.Body = v.Str("message")
	o.Text = fillIn(o.Body, v.At("messageParameters"))
	if code := v.Str("systemMessage"); code != "" {
		r.event(o, v, code)
		return c.Item(o)
	}
	o.Sender = c.Person(v.Str("actorDisplayName"), "nextcloud", actor(v.Str("actorType"), v.Str("actorId")))
	if err := r.content(o, m, v); err != nil {
		return err
	}
	r.state(o, v, sec)
	relations(o, v)
	r.reactions(c, o, v, who)
	return c.Item(o)
}

// fillIn puts the names of people and things where Talk has placeholders: {mention-user1}, {file}.
func fillIn(s string, params *jsonfile.Value) string {
	if params == nil || !strings.Contains(s, "{") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			break
		}
		j := strings.IndexByte(s[i:], '}')
		if j < 0 {
			break
		}
		key := s[i+1 : i+j]
		p := params.At(key)
		if p == nil || p.Str("name") == "" {
			b.WriteString(s[:i+1])
			s = s[i+1:]
			continue
		}
		b.WriteString(s[:i])
		if strings.HasPrefix(key, "mention-") {
			b.WriteByte('@')
		}
		b.WriteString(p.Str("name"))
		s = s[i+j+1:]
	}
	b.WriteString(s)
	return b.String()
}

// eventCodes are the system messages of Talk that have a name of ours.
var eventCodes = map[string]string{
	"conversation_created": "group_created", "conversation_renamed": "subject_changed", "description_set": "description_changed",
	"avatar_set": "icon_changed", "user_added": "member_added", "user_removed": "member_removed", "guest_joined": "member_joined",
	"moderator_promoted": "admin_changed", "moderator_demoted": "admin_changed", "call_started": "call_started", "call_ended": "call_ended",
	"call_ended_everyone": "call_ended", "call_missed": "call_missed", "message_deleted": "message_deleted", "message_edited": "message_edited",
	"reaction": "reaction", "reaction_deleted": "reaction", "reaction_revoked": "reaction", "history_cleared": "cleared",
	"message_expiration_enabled": "disappearing_on", "message_expiration_disabled": "disappearing_off",
	"recording_started": "recording_started", "recording_stopped": "recording_stopped", "poll_voted": "poll_voted", "poll_closed": "poll_closed",
}

func (r *reader) event(o *capture.Observation, v *jsonfile.Value, code string) {
	o.Kind = capture.KindSystem
	o.System = &capture.SystemEvent{Code: "other", Actor: v.Str("actorDisplayName"), Value: code}
	if ours, ok := eventCodes[code]; ok {
		o.System.Code = ours
		o.System.Value = v.Str("messageParameters", "user", "name")
	}
	if code == "message_expiration_enabled" {
		r.Warn("disappearing", "Messages were made to disappear after a time. Those that had gone when the conversation was fetched are not in it.")
	}
	if code == "history_cleared" {
		r.Run.Coverage.LikelyTruncated = true
		r.Warn("history_cleared", "Somebody cleared the history of the conversation. What was said before is not in it.")
	}
}

// content says what sort of message it is.
func (r *reader) content(o *capture.Observation, m *capture.Member, v *jsonfile.Value) error {
	params := v.At("messageParameters")
	if params == nil || params.Kind != '{' { // Talk writes [] for none
		return nil
	}
	keys := map[string]bool{}
	for _, p := range params.Members {
		if keys[p.Key] {
			continue
		}
		keys[p.Key] = true
		p := params.At(p.Key)
		switch p.Str("type") {
		case "file":
			o.Kind = capture.KindMedia
			if err := r.Export.Name(r.ctx, o, tally.Class(p.Str("mimetype"), p.Str("name")), p.Str("name"), m); err != nil {
				return err
			}
			a := &o.Attachments[len(o.Attachments)-1]
			if a.Presence != capture.Present {
				a.Size, _ = p.Int("size")
				a.Size = max(0, a.Size)
				a.Detail = p.Str("link")
			}
			if o.Body == "{"+"file"+"}" {
				o.Text = ""
			}
		case "geo-location":
			o.Kind = capture.KindLocation
			o.Location = &capture.Location{Latitude: p.Str("latitude"), Longitude: p.Str("longitude"), Name: p.Str("name")}
		case "talk-poll":
			o.Kind = capture.KindPoll
			o.Poll = &capture.Poll{Question: p.Str("name"), Options: []capture.PollOption{}}
			o.Doubt("poll_options_absent", "The API gives out the question of a poll, not its options and votes.")
		}
	}
	return nil
}

func (r *reader) state(o *capture.Observation, v *jsonfile.Value, sent int64) {
	if v.Str("messageType") == "comment_deleted" || v.True("deleted") {
		o.Kind = capture.KindDeleted
		o.State.Deleted = true
		o.Text = ""
	}
	if at, ok := v.Int("lastEditTimestamp"); ok && at > 0 && at < 1<<38 {
		o.State.Edited = true
		when, _ := tally.Epoch(v.Str("lastEditTimestamp"), at*1000, "s", "server")
		o.State.EditedAt = &when
		if id := v.Str("lastEditActorId"); id != "" && id != v.Str("actorId") {
			o.Doubt("edited_by_other", "“"+tally.Name(v.Str("lastEditActorDisplayName"))+"” edited it, who did not write it.")
		}
	}
	if at, ok := v.Int("expirationTimestamp"); ok && at > sent {
		o.State.Expires = at - sent
	}
}

// relations says which message it answers, and which thread it is part of.
func relations(o *capture.Observation, v *jsonfile.Value) {
	if p := v.At("parent"); p != nil && p.Kind == '{' && p.Has("id") {
		o.ReplyTo = &capture.Ref{NativeID: p.Str("id"), Author: p.Str("actorDisplayName"), QuotedText: fillIn(p.Str("message"), p.At("messageParameters"))}
		if sec, ok := p.Int("timestamp"); ok && sec > 0 && sec < 1<<38 {
			at, _ := tally.Epoch(p.Str("timestamp"), sec*1000, "s", "server")
			o.ReplyTo.Sent = &at
		}
	}
	if id := v.Str("threadId"); id != "" && id != "0" && id != o.NativeID {
		o.Thread = &capture.Ref{NativeID: id}
	}
}

// maxReactions bounds what is taken over of a count, which a file may put at anything.
const maxReactions = 1000

// reactions takes over who reacted or, where that was not fetched, how many.
func (r *reader) reactions(c *room, o *capture.Observation, v, who *jsonfile.Value) {
	counts := v.At("reactions")
	if counts == nil || counts.Kind != '{' {
		return
	}
	var keys []string
	for _, e := range counts.Members {
		if !slices.Contains(keys, e.Key) && len(keys) < maxReactions {
			keys = append(keys, e.Key)
		}
	}
	for _, emoji := range keys {
		n, _ := counts.Int(emoji)
		for _, p := range who.List(emoji) {
			if n <= 0 || len(o.Reactions) >= maxReactions {
				break
			}
			x := capture.Reaction{Value: emoji, Actor: c.Person(p.Str("actorDisplayName"), "nextcloud", actor(p.Str("actorType"), p.Str("actorId")))}
			if sec, ok := p.Int("timestamp"); ok && sec > 0 && sec < 1<<38 {
				at, _ := tally.Epoch(p.Str("timestamp"), sec*1000, "s", "server")
				x.At = &at
			}
			o.Reactions = append(o.Reactions, x)
			n--
		}
		for ; n > 0 && len(o.Reactions) < maxReactions; n-- {
			o.Reactions = append(o.Reactions, capture.Reaction{Value: emoji})
		}
	}
}
