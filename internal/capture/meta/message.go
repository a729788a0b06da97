package meta

import (
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"despatch/internal/capture"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// chatPart is one file of a chat while it is read.
type chatPart struct {
	*reading
	chat   *tally.Chat
	thread *thread
	part   part
}

// readJSON reads the messages of a JSON file, of either form.
func (c *chatPart) readJSON(in *tally.Input) (int64, error) {
	j, err := jsonfile.NewReader(in, c.part.member.Label(), c.limits)
	if err != nil {
		return 0, err
	}
	err = j.Object(func(key string) error {
		if key != "messages" {
			return j.Skip()
		}
		return j.Array(func() error {
			rec, err := j.Record()
			if err != nil {
				return err
			}
			if rec.Kind != '{' {
				c.Skip("no_message", string(rec.Raw))
				return nil
			}
			o, err := c.message(rec)
			if err != nil {
				return err
			}
			return c.chat.Item(o)
		})
	})
	j.Warn(c.Run)
	if err == nil && j.More() {
		c.Warn("after_the_end", "Something stands behind the end of a file.")
		_, err = io.Copy(io.Discard, in)
		return c.part.member.Size, err
	}
	return j.Offset(), err
}

// text returns a text as it was written, and notes on the message where it had to be mended.
func (c *chatPart) text(o *capture.Observation, s string) string {
	t, how := mend(s)
	switch how {
	case mended:
		c.Decide("text_encoding", "utf-8 bytes as characters", "every character fits a byte and the bytes are UTF-8", 1, 0)
		if !hasDoubt(o, "text_mended") {
			o.Doubt("text_mended", "Facebook wrote each byte of the text as a character. It was put together again.")
		}
	case mixed:
		if c.part.form == formJSON {
			c.Decide("text_encoding", "utf-8 bytes as characters", "every character fits a byte and the bytes are UTF-8", 0, 1)
			if !hasDoubt(o, "text_not_mended") {
				o.Doubt("text_not_mended", "The text is not written as Facebook writes texts. It is kept as it stands.")
			}
		}
	}
	return t
}

func hasDoubt(o *capture.Observation, code string) bool {
	for _, q := range o.Quality {
		if q.Code == code {
			return true
		}
	}
	return false
}

type mending int

const (
	whole  mending = iota // nothing to mend
	mended                // put together again
	mixed                 // neither
)

// mend puts together a text whose bytes were written as characters, U+00C3 U+00A9 for é. It does so
// only if all of the text is such: then [Garble] is the way back.
func mend(s string) (string, mending) {
	ascii, narrow := true, true
	for _, r := range s {
		ascii = ascii && r < 0x80
		narrow = narrow && r <= 0xFF
	}
	if ascii {
		return s, whole
	}
	if !narrow {
		return s, mixed
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	if !utf8.Valid(b) {
		return s, mixed
	}
	return string(b), mended
}

// Garble writes a text as Facebook writes it: each byte as a character.
func Garble(s string) string {
	b := make([]rune, len(s))
	for i := range len(s) {
		b[i] = rune(s[i])
	}
	return string(b)
}

// key returns the first of several names that a field has in the two forms.
func first(v *jsonfile.Value, names ...string) string {
	for _, n := range names {
		if s := v.Str(n); s != "" {
			return s
		}
	}
	return ""
}

// message reads one message.
func (c *chatPart) message(rec *jsonfile.Record) (*capture.Observation, error) {
	o := tally.Observation(c.part.member, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, 0)
	o.Chat = c.thread.id
	rec.Doubt(o)
	o.Sender = tally.Name(c.text(o, first(rec.Value, "sender_name", "senderName")))
	o.Sent = c.sent(o, rec.Value)
	o.Body = c.text(o, first(rec.Value, "content", "text"))
	o.Text = o.Body
	if err := c.attachments(o, rec.Value); err != nil {
		return nil, err
	}
	if share := rec.At("share"); share != nil {
		c.share(o, share)
	}
	for _, v := range rec.List("reactions") {
		r := capture.Reaction{Value: c.text(o, v.Str("reaction")), Actor: tally.Name(c.text(o, v.Str("actor")))}
		if n, ok := v.Int("timestamp"); ok {
			if at, ok := tally.Epoch(v.Str("timestamp"), n*1000, "s", "server"); ok {
				r.At = &at
			}
		} else if n, ok := v.Int("timestamp_ms"); ok {
			if at, ok := tally.Epoch(v.Str("timestamp_ms"), n, "ms", "server"); ok {
				r.At = &at
			}
		}
		o.Reactions = append(o.Reactions, r)
	}
	c.kind(o, rec.Value)
	return o, nil
}

func (c *chatPart) sent(o *capture.Observation, v *jsonfile.Value) capture.Instant {
	raw := first(v, "timestamp_ms", "timestamp")
	n, _ := strconv.ParseInt(raw, 10, 64)
	precision := "ms"
	if n > 0 && n < 100_000_000_000 { // seconds: milliseconds would be before 1973
		n, precision = n*1000, "s"
	}
	at, ok := tally.Epoch(raw, n, precision, "server")
	if !ok {
		o.Doubt("no_time", "The file does not say when it was sent.")
	}
	return at
}

// kind settles what sort of message it is.
func (c *chatPart) kind(o *capture.Observation, v *jsonfile.Value) {
	var users []string
	for _, u := range v.List("users") {
		name, _ := mend(u.Str("name"))
		users = append(users, tally.Name(name))
	}
	call := v.Has("call_duration")
	kind := v.Str("type")
	switch {
	case len(o.Attachments) > 0 && o.Attachments[0].Class == "sticker":
		o.Kind = capture.KindSticker
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	}
	switch {
	case call || kind == "Call":
		o.Kind, o.Call = capture.KindCall, &capture.Call{Outcome: "answered"}
		seconds, ok := v.Int("call_duration")
		if ok {
			o.Call.Duration = v.Str("call_duration")
		}
		switch {
		case v.True("missed"):
			o.Call.Outcome = "missed"
		case seconds == 0:
			o.Call.Outcome = "no_answer"
		}
		if strings.Contains(strings.ToLower(o.Body), "video") {
			o.Call.Medium = "video"
		}
	case kind == "Subscribe":
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: "member_added", Actor: o.Sender, Value: strings.Join(users, ", ")}
		for _, u := range users {
			c.chat.Person(u, "", "")
		}
	case kind == "Unsubscribe":
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: "member_removed", Actor: o.Sender, Value: strings.Join(users, ", ")}
		if len(users) == 0 || len(users) == 1 && users[0] == o.Sender {
			o.System.Code = "member_left"
		}
	case kind == "Payment":
		o.Kind = capture.KindPayment
	}
	if v.True("is_unsent") || v.True("isUnsent") {
		o.Kind = capture.KindDeleted
		o.State.Deleted, o.State.DeletedBy = true, "sender"
	}
	if v.True("is_taken_down") {
		o.State.Deleted = true
		o.Doubt("taken_down", "Meta has taken its contents down.")
	}
	if v.True("is_geoblocked_for_viewer") {
		o.Doubt("geoblocked", "Its contents are not shown in the country of the download.")
	}
	if o.Kind == capture.KindText && o.Body == "" && o.Text == "" {
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The download has a message here without its contents. It may have been a message that disappeared, a reaction, or something that Meta does not export.")
	}
}

// lists are the keys under which files of a message stand.
var lists = []struct{ key, class string }{
	{"photos", "image"}, {"videos", "video"}, {"audio_files", "audio"}, {"files", "document"}, {"gifs", "gif"}, {"media", ""},
}

func (c *chatPart) attachments(o *capture.Observation, v *jsonfile.Value) error {
	for _, l := range lists {
		for _, x := range v.List(l.key) {
			uri := first(x, "uri", "url")
			if uri == "" {
				uri = x.Str()
			}
			uri, _ = mend(uri)
			class := l.class
			if class == "" {
				class = tally.Class("", uri)
			}
			if err := c.Export.Name(c.ctx, o, class, uri, c.part.member); err != nil {
				return err
			}
			if thumb := c.Export.Find(x.Str("thumbnail", "uri"), c.part.member); thumb != nil {
				c.Export.Named(thumb)
			}
		}
	}
	if s := v.At("sticker"); s != nil && s.Kind == '{' {
		uri, _ := mend(s.Str("uri"))
		return c.Export.Name(c.ctx, o, "sticker", uri, c.part.member)
	}
	return nil
}

// share adds what a message passes on: a link, with the words that came with it.
func (c *chatPart) share(o *capture.Observation, v *jsonfile.Value) {
	link, words := c.text(o, v.Str("link")), c.text(o, v.Str("share_text"))
	var lines []string
	for _, s := range []string{o.Text, words, link} {
		if s != "" && !strings.Contains(strings.Join(lines, "\n"), s) {
			lines = append(lines, s)
		}
	}
	o.Text = strings.Join(lines, "\n")
	if owner := c.text(o, v.Str("original_content_owner")); owner != "" {
		o.Forward = &capture.Ref{Author: owner, QuotedText: words}
	}
}
