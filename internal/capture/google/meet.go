package google

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// The chat of a recorded meeting is written like subtitles: from when to when it was shown, counted
// from the beginning of the recording, and then who said what.
var (
	cue     = regexp.MustCompile(`^(\d+):(\d\d):(\d\d)\.(\d{3}),(\d+):(\d\d):(\d\d)\.(\d{3})$`)
	speaker = regexp.MustCompile(`^([^:]{1,120}): ?(.*)$`)
	begun   = regexp.MustCompile(`(\d{4})[-/_](\d\d)[-/_](\d\d)(?: at|,)? (\d\d)[:_.](\d\d)(?: ?(?:GMT|UTC)([+-−]\d{1,2})?(?::?(\d\d))?)?`)
)

// meetChat says whether a text is the chat of a meeting: subtitles in which most begin with a name.
func meetChat(s string) bool {
	lines := strings.Split(strings.TrimPrefix(s, "\uFEFF"), "\n")
	cues, named := 0, 0
	for i, l := range lines {
		if cue.MatchString(strings.TrimSpace(l)) {
			cues++
			if i+1 < len(lines) && speaker.MatchString(strings.TrimSpace(lines[i+1])) {
				named++
			}
		}
	}
	return cues > 0 && named*2 > cues && cue.MatchString(strings.TrimSpace(lines[0]))
}

// start reads from a file's name when its recording began: to the minute.
func start(name string, zone *time.Location) (first, last int64, ok bool) {
	m := begun.FindStringSubmatch(name)
	if m == nil {
		return 0, 0, false
	}
	n := func(s string) int { v, _ := strconv.Atoi(s); return v }
	c := capture.Civil{Year: n(m[1]), Month: n(m[2]), Day: n(m[3]), Hour: n(m[4]), Minute: n(m[5])}
	if !c.Valid() {
		return 0, 0, false
	}
	if !strings.Contains(m[0], "GMT") && !strings.Contains(m[0], "UTC") {
		at := capture.Local(m[0], c, false, zone)
		return at.Min, at.Max, true
	}
	offset := time.Duration(n(strings.TrimPrefix(m[6], "+")))*time.Hour + time.Duration(n(m[7]))*time.Minute
	if strings.HasPrefix(m[6], "-") {
		offset = time.Duration(n(m[6]))*time.Hour - time.Duration(n(m[7]))*time.Minute
	}
	t := c.UTC().Add(-offset).UnixMilli()
	return t, t + 59_999, true
}

// meeting reads the chat of a meeting.
func (r *reading) meeting(m *capture.Member) error {
	again, err := r.Again(m)
	if err != nil || again {
		return err
	}
	name := tally.Base(m)
	chat, err := r.Chat(capture.Conversation{Kind: "meeting", Title: title(name), Path: m.Path})
	if err != nil {
		return err
	}
	first, last, known := start(name, r.opt.Zone)
	if !known && m.Path != "" {
		first, last, known = start(m.File.Name, r.opt.Zone)
	}
	if known {
		r.Decide("meeting_start", time.UnixMilli(first).UTC().Format("2006-01-02T15:04Z"), "file_name", 1, 0)
	} else {
		r.Warn("date_unknown", "The times in this file are counted from the beginning of a recording, and its name does not say when that was.")
	}
	k := &meetReader{reading: r, chat: chat, member: m, first: first, last: last, known: known}
	return r.Read(m, func(in *tally.Input) (int64, error) {
		n, err := tally.Lines(in, m.Label(), r.limits, k.line)
		if err == nil {
			err = k.flush()
		}
		return n, err
	})
}

// title returns a meeting's name from that of its file.
func title(name string) string {
	s := strings.TrimSuffix(name, path.Ext(name))
	for _, tail := range []string{" - Chat transcript", " - Chat", " - Attendance Report", " - Attendance report", " chat"} {
		s = strings.TrimSuffix(s, tail)
	}
	if i := begun.FindStringIndex(s); i != nil {
		s = strings.TrimRight(s[:i[0]], " (-") + strings.TrimLeft(s[i[1]:], ") ")
	}
	return strings.TrimSpace(s)
}

// meetReader reads the chat of a meeting line by line.
type meetReader struct {
	*reading
	chat        *tally.Chat
	member      *capture.Member
	first, last int64 // when the recording began
	known       bool

	open       bool
	raw        []byte
	stamp      string
	from       int64 // since the recording began
	text       []string
	start, end int64
	line0      int64
	lines      int64
	lossy      bool
}

func (k *meetReader) line(l *tally.Line) error {
	text := strings.TrimSpace(l.Text)
	if m := cue.FindStringSubmatch(text); m != nil {
		if err := k.flush(); err != nil {
			return err
		}
		n := func(i int) int64 { v, _ := strconv.ParseInt(m[i], 10, 32); return v }
		*k = meetReader{reading: k.reading, chat: k.chat, member: k.member, first: k.first, last: k.last, known: k.known,
			open: true, stamp: text, from: n(1)*3600_000 + n(2)*60_000 + n(3)*1000 + n(4), start: l.Start, line0: l.Number}
	} else if !k.open {
		if text != "" {
			k.Skip("before_first_message", l.Text)
		}
		return nil
	} else if len(k.raw)+len(l.Raw) > k.limits.Line {
		return &capture.FileError{File: k.member.Label(), Reason: "has a message that is too long for any meeting", Remedy: "Hand in the file as it comes from Google Drive."}
	} else {
		k.text = append(k.text, l.Text)
	}
	k.raw = append(k.raw, l.Raw...)
	k.end = l.End
	k.lines++
	k.lossy = k.lossy || l.Lossy
	return nil
}

func (k *meetReader) flush() error {
	if !k.open {
		return nil
	}
	k.open = false
	o := tally.Observation(k.member, k.raw, k.start, k.end, k.line0, k.lines, 0)
	if k.lossy {
		o.Doubt("not_text", "Some bytes are no text in the file's encoding.")
	}
	text := strings.TrimRight(strings.Join(k.text, "\n"), "\n \t")
	o.Body = text
	if m := speaker.FindStringSubmatch(strings.SplitN(text, "\n", 2)[0]); m != nil {
		o.Sender = tally.Name(m[1])
		o.Body = text[len(m[0])-len(m[2]):]
	} else {
		o.Doubt("sender_unknown", "The file does not say who wrote it.")
	}
	o.Text = o.Body
	switch {
	case k.known:
		o.Sent = tally.Between(k.stamp, k.first+k.from, k.last+k.from, "min", "recording_relative")
		o.Sent.Zone = capture.ZoneOffset
		if k.last-k.first > 60_000 {
			o.Sent.Zone = capture.ZoneUnknown
		}
	default:
		o.Sent = unknownDay(k.stamp, k.opt)
	}
	if o.Body == "" {
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The file has a message here without its contents.")
	}
	return k.chat.Item(o)
}

// unknownDay is a time of which only a person may know the day.
func unknownDay(raw string, opt capture.Options) capture.Instant {
	at := capture.Undated(raw)
	at.Ambiguous, at.Clock = []string{"date"}, "recording_relative"
	if !opt.Happened.From.IsZero() {
		at.Min = opt.Happened.From.UnixMilli()
	}
	if !opt.ReceivedAt.IsZero() {
		at.Max = opt.ReceivedAt.UnixMilli()
	}
	if to := opt.Happened.To; !to.IsZero() && to.UnixMilli() >= at.Min {
		at.Max = to.UnixMilli()
	}
	at.Max = max(at.Max, at.Min)
	return at
}

// columns says where things stand in an attendance report.
type columns struct{ first, last, name, email, duration, joined, left int }

func attendanceOf(c map[string]int) *columns {
	at := func(names ...string) int {
		for _, n := range names {
			if i, ok := c[n]; ok {
				return i
			}
		}
		return -1
	}
	l := &columns{at("firstname"), at("lastname"), at("name", "participantname", "fullname"), at("email", "emailaddress"), at("duration", "timeincall"), at("timejoined", "jointime", "joined"), at("timeexited", "timeleft", "leavetime", "exited")}
	if l.joined < 0 || l.left < 0 || l.first < 0 && l.name < 0 || l.duration < 0 {
		return nil
	}
	return l
}

// attendance reads who was in a meeting: a system line for each row.
func (r *reading) attendance(m *capture.Member) error {
	again, err := r.Again(m)
	if err != nil || again {
		return err
	}
	chat, err := r.Chat(capture.Conversation{Kind: "meeting", Title: title(tally.Base(m)), Path: m.Path})
	if err != nil {
		return err
	}
	var l *columns
	return r.Read(m, func(in *tally.Input) (int64, error) {
		return tally.CSV(in, m.Label(), r.limits, 0, func(row *tally.Row) error {
			if l == nil {
				if l = attendanceOf(tally.Columns(row.Fields)); l == nil {
					return &capture.FileError{File: m.Label(), Reason: "has no heading that names its columns", Remedy: "Hand in the report as it was downloaded."}
				}
				return nil
			}
			return r.attended(m, chat, l, row)
		})
	})
}

var dayInName = regexp.MustCompile(`(\d{4})[-/_](\d\d)[-/_](\d\d)`)

func (r *reading) attended(m *capture.Member, chat *tally.Chat, l *columns, row *tally.Row) error {
	get := func(i int) string {
		if i < 0 || i >= len(row.Fields) {
			return ""
		}
		return strings.TrimSpace(row.Fields[i])
	}
	name := tally.Name(get(l.first) + " " + get(l.last))
	if l.first < 0 {
		name = tally.Name(get(l.name))
	}
	o := tally.Observation(m, row.Raw, row.Start, row.End, row.Line, row.Lines, 0)
	who := chat.Person(name, "email", get(l.email))
	o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: "attended", Actor: who, Value: get(l.duration)}
	o.Body = strings.TrimRight(string(row.Raw), "\r\n")
	if row.Lossy {
		o.Body = strings.ToValidUTF8(o.Body, "\uFFFD")
	}
	o.Text = strings.TrimSpace(who + ": " + get(l.joined) + " – " + get(l.left) + ", " + get(l.duration))
	raw := get(l.joined)
	at, ok := tally.When(raw, r.opt.Zone, r.opt.DateOrder)
	if day := dayInName.FindString(tally.Base(m)); !ok && day != "" {
		at, ok = tally.When(strings.ReplaceAll(strings.ReplaceAll(day, "/", "-"), "_", "-")+" "+raw, r.opt.Zone, "")
		at.Raw = raw
	}
	if !ok {
		at = unknownDay(raw, r.opt)
		r.Warn("date_unknown", "The report shows times of day, and neither it nor its name says of which day.")
	}
	o.Sent = at
	return chat.Item(o)
}
