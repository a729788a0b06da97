package teams

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/net/html"

	"despatch/internal/capture"
	"despatch/internal/capture/htmlfile"
	"despatch/internal/capture/jsonfile"
	"despatch/internal/capture/tally"
)

// personal reads messages.json of the export of a personal account of Teams or Skype.
func (r *reading) personal(p part, in *tally.Input) (int64, error) {
	r.collectAssets()
	j, err := jsonfile.NewReader(in, p.member.Label(), r.limits)
	if err != nil {
		return 0, err
	}
	j.Fold = fold
	for j.More() {
		err = j.Object(func(key string) error {
			switch key {
			case "userId":
				v, err := j.Value()
				r.self = v.Str()
				return err
			case "conversations":
				if j.Kind() != '[' {
					return j.Skip()
				}
				return j.Array(func() error { return r.conversation(p.member, j) })
			}
			return j.Skip()
		})
		if err != nil {
			break
		}
	}
	j.Warn(r.Run)
	return j.Offset(), err
}

// collectAssets lists the media of the export by their ids, which their names begin with.
func (r *reading) collectAssets() {
	r.assets = map[string]*capture.Member{}
	for _, m := range r.Export.Members {
		base := tally.Base(m)
		id, _, _ := strings.Cut(base, ".")
		if !strings.HasPrefix(id, "0-") {
			continue
		}
		if path.Ext(base) == ".json" { // what the service knew of it
			r.Export.Named(m)
			continue
		}
		r.assets[id] = m
	}
}

// conversation reads one conversation. Its name and id stand before its messages.
func (r *reading) conversation(m *capture.Member, j *jsonfile.Reader) error {
	if j.Kind() != '{' {
		return j.Skip()
	}
	about := capture.Conversation{Path: m.Path, Kind: "unknown"}
	var c *tally.Chat
	return j.Object(func(key string) error {
		switch key {
		case "id", "displayName", "threadProperties":
			v, err := j.Value()
			if err != nil {
				return err
			}
			switch {
			case key == "id":
				about.ID = v.Str()
			case key == "displayName":
				about.Title = v.Str()
			case v.Str("topic") != "" && about.Title == "":
				about.Title = v.Str("topic")
			}
			return nil
		case "messageList":
			if j.Kind() != '[' {
				return j.Skip()
			}
			switch {
			case strings.HasPrefix(about.ID, "8:"), strings.HasPrefix(about.ID, "2:"), strings.HasPrefix(about.ID, "28:"), strings.HasSuffix(about.ID, "@unq.gbl.spaces"):
				about.Kind = "dm"
			case strings.Contains(about.ID, "meeting_"):
				about.Kind = "meeting"
			case strings.HasPrefix(about.ID, "19:"):
				about.Kind = "group"
			}
			if about.Title == "" {
				about.Title = handle(about.ID)
			}
			if c = r.chats[about.ID]; c == nil {
				var err error
				if c, err = r.Chat(about); err != nil {
					return err
				}
				r.chats[about.ID] = c
			}
			return j.Array(func() error {
				rec, err := j.Record()
				if err != nil {
					return err
				}
				return r.skypeMessage(m, c, about.ID, rec)
			})
		}
		return j.Skip()
	})
}

// handle returns somebody's name in an id such as 8:live:asha.
func handle(id string) string {
	_, name, ok := strings.Cut(id, ":")
	if !ok {
		return id
	}
	return strings.TrimPrefix(name, "live:")
}

// skypeMessage reads one message.
func (r *reading) skypeMessage(m *capture.Member, c *tally.Chat, key string, rec *jsonfile.Record) error {
	if rec.Kind != '{' {
		r.Skip("no_message", string(rec.Raw))
		return nil
	}
	o := tally.Observation(m, rec.Raw, rec.Start, rec.End, rec.Line, rec.Lines, 0)
	rec.Doubt(o)
	o.Chat, o.NativeID = key, rec.Str("id")
	var ok bool
	if o.Sent, ok = tally.RFC3339(rec.Str("originalarrivaltime"), "server"); !ok {
		n, _ := rec.Int("id")
		if o.Sent, ok = tally.Epoch(rec.Str("id"), n, "ms", "server"); !ok {
			o.Doubt("no_time", "The file does not say when it was sent.")
		}
	}
	from := rec.Str("from")
	if i := strings.LastIndex(from, "/"); i >= 0 {
		from = from[i+1:]
	}
	name := rec.Str("displayName")
	if name == "" && from != "" {
		name = handle(from)
	}
	o.Sender = c.Person(name, "skype", from)
	if from != "" && from == r.self {
		c.Self(o.Sender)
	}
	o.Body = rec.Str("content")
	kind := rec.Str("messagetype")
	o.Text = o.Body
	if kind != "Text" && strings.ContainsAny(o.Body, "<&") {
		o.Text = htmlfile.TextOf(o.Body)
		r.marks(c, o)
	}
	if err := r.skypeMedia(o, rec.Value, kind); err != nil {
		return err
	}
	if _, deleted := rec.Int("properties", "deletetime"); !deleted {
		r.skypeKind(c, o, kind)
	}
	r.skypeProperties(c, o, rec.At("properties"))
	return c.Item(o)
}

// marks reads the marks that Skype sets in a text: that it was edited, and whom it quotes.
func (r *reading) marks(c *tally.Chat, o *capture.Observation) {
	if len(o.Body) > 1<<20 {
		return
	}
	z := html.NewTokenizer(strings.NewReader(o.Body))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			switch t.Data {
			case "e_m":
				if n, err := strconv.ParseInt(htmlfile.TokenAttr(&t, "ts_ms"), 10, 64); err == nil {
					if at, ok := tally.Epoch(htmlfile.TokenAttr(&t, "ts_ms"), n, "ms", "server"); ok && htmlfile.TokenAttr(&t, "t") != "" {
						o.State.Edited, o.State.EditedAt = true, &at
					}
				}
			case "quote":
				ref := &capture.Ref{NativeID: htmlfile.TokenAttr(&t, "messageid"), Author: tally.Name(htmlfile.TokenAttr(&t, "authorname"))}
				if n, err := strconv.ParseInt(htmlfile.TokenAttr(&t, "timestamp"), 10, 64); err == nil {
					if at, ok := tally.Epoch(htmlfile.TokenAttr(&t, "timestamp"), n*1000, "s", "server"); ok {
						ref.Sent = &at
					}
				}
				if o.ReplyTo == nil {
					o.ReplyTo = ref
				}
			case "blockquote":
				if id := htmlfile.TokenAttr(&t, "itemid"); id != "" && o.ReplyTo == nil {
					o.ReplyTo = &capture.Ref{NativeID: id}
				}
			}
		}
	}
}

// skypeMedia reads the files of a message, which the export may have for a time.
func (r *reading) skypeMedia(o *capture.Observation, v *jsonfile.Value, kind string) error {
	name := ""
	if strings.Contains(o.Body, "<URIObject") {
		if n, err := htmlfile.Fragment([]byte(o.Body[:min(len(o.Body), 1<<20)])); err == nil {
			name = htmlfile.Attr(htmlfile.Find(n, htmlfile.Tag("originalname")), "v")
		}
	}
	class := map[string]string{"RichText/UriObject": "image", "RichText/Media_Video": "video", "RichText/Media_AudioMsg": "audio", "RichText/Media_GenericFile": "document",
		"RichText/Media_FlikMsg": "sticker", "RichText/Media_CallRecording": "video", "RichText/Media_Album": "image"}[kind]
	refs := v.List("amsreferences")
	for i, x := range refs {
		a := capture.Attachment{Name: tally.Name(name), Class: class, Presence: capture.NamedAbsent}
		m := r.assets[x.Str()]
		if a.Name == "" || i > 0 {
			if a.Name = tally.Name(x.Str()); m != nil {
				a.Name = tally.Base(m)
			}
		}
		if a.Class == "" {
			a.Class = tally.Class("", a.Name)
		}
		if m != nil {
			if err := r.Export.Attach(r.ctx, &a, m); err != nil {
				return err
			}
		}
		o.Attachments = append(o.Attachments, a)
	}
	if len(refs) == 0 && class != "" && kind != "RichText/Media_Album" {
		o.Attachments = append(o.Attachments, capture.Attachment{Name: tally.Name(name), Class: class, Presence: capture.Omitted})
	}
	return nil
}

// skypeEvents are our names for what Skype itself says in a conversation.
var skypeEvents = map[string]string{
	"AddMember": "member_added", "DeleteMember": "member_removed", "MemberJoined": "member_joined", "MemberLeft": "member_left", "TopicUpdate": "subject_changed", "PictureUpdate": "icon_changed",
	"RoleUpdate": "admin_changed", "HistoryDisclosedUpdate": "settings_changed", "JoiningEnabledUpdate": "settings_changed", "MemberConsumptionHorizonUpdate": "other",
}

// skypeKind settles what sort of message it is.
func (r *reading) skypeKind(c *tally.Chat, o *capture.Observation, kind string) {
	activity, isActivity := strings.CutPrefix(kind, "ThreadActivity/")
	switch {
	case kind == "Event/Call":
		o.Kind, o.Call = capture.KindCall, &capture.Call{Outcome: "answered"}
		n, err := htmlfile.Fragment([]byte(o.Body[:min(len(o.Body), 1<<20)]))
		if err != nil {
			return
		}
		list := htmlfile.Find(n, htmlfile.Tag("partlist"))
		switch typ := htmlfile.Attr(list, "type"); typ {
		case "missed":
			o.Call.Outcome = "missed"
		case "started":
			o.Kind, o.Call = capture.KindSystem, nil
			o.System = &capture.SystemEvent{Code: "call_started", Actor: o.Sender}
		}
		if list == nil {
			return
		}
		htmlfile.All(list, htmlfile.Tag("part"), func(p *html.Node) {
			if o.Call == nil {
				return
			}
			o.To = append(o.To, capture.Recipient{Name: tally.Name(htmlfile.Text(htmlfile.Find(p, htmlfile.Tag("name"))))})
			if d := htmlfile.Text(htmlfile.Find(p, htmlfile.Tag("duration"))); d != "" && o.Call.Duration == "" {
				o.Call.Duration = d
			}
		})
	case isActivity:
		code := skypeEvents[activity]
		if code == "" {
			code = "other"
		}
		o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: code, Actor: o.Sender, Value: tally.Sample(o.Text)}
	case kind == "RichText/Contacts":
		o.Kind = capture.KindContact
	case kind == "RichText/Location":
		o.Kind, o.Location = capture.KindLocation, &capture.Location{Name: tally.Sample(o.Text)}
		if n, err := htmlfile.Fragment([]byte(o.Body[:min(len(o.Body), 1<<20)])); err == nil {
			at := htmlfile.Find(n, htmlfile.Tag("location"))
			o.Location.Latitude, o.Location.Longitude = micro(htmlfile.Attr(at, "latitude")), micro(htmlfile.Attr(at, "longitude"))
		}
	case kind == "Poll":
		o.Kind = capture.KindPoll
	case strings.HasPrefix(kind, "EndToEndEncryption"):
		o.Kind = capture.KindUnknown
		o.Doubt("end_to_end_encrypted", "This message was in a private conversation of Skype; the export does not have its contents.")
	case len(o.Attachments) > 0:
		o.Kind = capture.KindMedia
	case o.Body == "":
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The export has a message here without its contents. It was probably deleted.")
	}
}

// micro writes a coordinate that is given in millionths of a degree.
func micro(s string) string {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || !strings.ContainsAny(s, "0123456789") {
		return s
	}
	return strconv.FormatFloat(float64(n)/1e6, 'f', 6, 64)
}

// skypeProperties reads what became of a message.
func (r *reading) skypeProperties(c *tally.Chat, o *capture.Observation, v *jsonfile.Value) {
	at := func(key string) (*capture.Instant, bool) {
		n, ok := v.Int(key)
		if !ok {
			return nil, false
		}
		i, ok := tally.Epoch(v.Str(key), n, "ms", "server")
		return &i, ok
	}
	if i, ok := at("edittime"); ok {
		o.State.Edited, o.State.EditedAt = true, i
	}
	if i, ok := at("deletetime"); ok {
		o.Kind, o.State.Deleted, o.State.DeletedAt = capture.KindDeleted, true, i
	}
	list := v.At("emotions")
	if list != nil && list.Kind == '"' {
		list = jsonfile.Parse(list.Text)
	}
	for _, e := range list.List() {
		for _, u := range e.List("users") {
			re := capture.Reaction{Value: e.Str("key"), Actor: c.Person("", "skype", u.Str("mri"))}
			if n, ok := u.Int("time"); ok {
				if i, ok := tally.Epoch(u.Str("time"), n, "ms", "server"); ok {
					re.At = &i
				}
			}
			o.Reactions = append(o.Reactions, re)
		}
	}
}
