package zoom

import (
	"context"
	"regexp"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// reading is one chat while it is read, line by line.
type reading struct {
	*tally.Book
	ctx    context.Context
	opt    capture.Options
	limits capture.Limits
	member *capture.Member
	chat   *tally.Chat

	start    started
	dated    bool // the names or the person tell the day
	relative bool // times are counted from the start
	period   bool // the day is the person's word
	days     int64
	previous int64 // seconds of the day of the message before

	open       bool
	head       header
	text       []string
	raw        []byte
	from, end  int64
	line, more int64
	lossy      bool
}

// meeting reads one chat.
func (r *reading) meeting() error {
	m := r.member
	var err error
	if r.chat, err = r.Chat(capture.Conversation{Kind: "meeting", Title: topic(m), Path: m.Path}); err != nil {
		return err
	}
	if r.opt.Self != "" {
		r.chat.Self(r.opt.Self)
	}
	r.start, r.dated = startOf(m)
	rule := "name_of_folder_or_file"
	if p := r.opt.Happened; !r.dated && !p.From.IsZero() && !p.To.IsZero() {
		r.declared(p)
		rule = "declared"
	}
	err = r.Read(m, func(in *tally.Input) (int64, error) {
		n, err := tally.Lines(in, m.Label(), r.limits, r.next)
		if err == nil {
			err = r.flush()
		}
		return n, err
	})
	if err != nil {
		return err
	}
	switch {
	case r.dated:
		value := civil(wall(r.start.day)).UTC().Format("2006-01-02")
		d := capture.Decision{About: "date", Value: value, Rule: rule, Support: 1, By: "file"}
		if rule == "declared" {
			d.By = "person"
		}
		r.Run.Decide(d)
		if r.relative {
			r.Run.Decide(capture.Decision{About: "clock", Value: "counted from the start", Rule: "times_before_the_start", Support: r.chat.Size(), By: "file"})
		} else if r.opt.Zone == nil && !r.start.utc {
			r.Warn("zone_unknown", "The chat shows the clock of whoever saved it, and not its zone. Without the zone, times may be off by up to 14 hours.")
		}
	case r.chat.Size() > 0:
		r.Warn("date_unknown", "Zoom writes times without a date, and neither the file nor its folder is named after one. Say on which day the meeting was, or hand in the folder that Zoom made.")
	}
	return nil
}

// declared takes the day from what a person says, if it is one day.
func (r *reading) declared(p capture.Period) {
	zone := r.opt.Zone
	if zone == nil {
		zone = time.UTC
	}
	a, b := p.From.In(zone), p.To.In(zone)
	if a.Year() != b.Year() || a.YearDay() != b.YearDay() {
		return
	}
	r.start = started{day: capture.Civil{Year: a.Year(), Month: int(a.Month()), Day: a.Day()}}
	r.dated, r.period = true, true
}

func (r *reading) next(l *tally.Line) error {
	h, ok := parseHeader(l.Text)
	if ok {
		if err := r.flush(); err != nil {
			return err
		}
		r.open, r.head, r.text, r.raw = true, h, r.text[:0], append(r.raw[:0], l.Raw...)
		r.from, r.end, r.line, r.more, r.lossy = l.Start, l.End, l.Number, 0, l.Lossy
		return nil
	}
	if !r.open {
		if strings.TrimSpace(l.Text) == "" {
			r.Run.Reconciliation.InFile++
			r.Run.Reconciliation.Skipped = capture.AddSkip(r.Run.Reconciliation.Skipped, "empty_line", 1, "")
			return nil
		}
		r.Skip("before_first_message", l.Text)
		return nil
	}
	if len(r.raw)+len(l.Raw) > r.limits.Line {
		return &capture.FileError{File: r.member.Label(), Reason: "has a message that is too long for any meeting", Remedy: "Hand in the file as Zoom saved it."}
	}
	r.text = append(r.text, l.Text)
	r.raw = append(r.raw, l.Raw...)
	r.end = l.End
	r.more++
	r.lossy = r.lossy || l.Lossy
	r.Run.Reconciliation.InFile++
	r.Run.Reconciliation.Continuation++
	return nil
}

// body returns what was said: without the tab that Zoom sets before each line of it.
func (r *reading) body() string {
	lines := make([]string, 0, len(r.text)+1)
	if r.head.inline {
		lines = append(lines, r.head.body)
	}
	for _, s := range r.text {
		if !r.head.inline {
			s = strings.TrimPrefix(s, "\t")
		}
		lines = append(lines, s)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n\r\t ")
}

// Replies, reactions and edits are written as text, in the language of the program. These are the
// English ones.
var (
	replying = regexp.MustCompile(`(?s)^Replying to "(.*?)"[ \t]*\n\s*\n?(.*)$`)
	reacted  = regexp.MustCompile(`(?s)^Reacted to "(.*)" with "?([^"\n]+?)"?$`)
	removed  = regexp.MustCompile(`(?s)^Removed an? "?([^"\n]+?)"? reaction from "(.*)"$`)
	file     = regexp.MustCompile(`^(?:Sent a file:|\[File\]|File:) ?(.+)$`)
)

// flush hands out the message that has been read.
func (r *reading) flush() error {
	if !r.open {
		return nil
	}
	r.open = false
	h := &r.head
	o := tally.Observation(r.member, r.raw, r.from, r.end, r.line, r.more+1, 0)
	if r.lossy {
		o.Doubt("not_text", "Some bytes are no text in the file's encoding.")
	}
	o.Sender = r.chat.Person(h.sender, "", "")
	o.Body = r.body()
	o.Text = o.Body
	o.Sent = r.when(o)
	if h.to != "" {
		o.To = []capture.Recipient{{Name: h.to}}
		if h.direct {
			o.To[0].Role = "private"
		}
	}
	switch {
	case o.Body == "":
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "The file has a message here without its contents.")
	case reacted.MatchString(o.Body):
		g := reacted.FindStringSubmatch(o.Body)
		r.reaction(o, g[1], g[2], false)
	case removed.MatchString(o.Body):
		g := removed.FindStringSubmatch(o.Body)
		r.reaction(o, g[2], g[1], true)
	case replying.MatchString(o.Body):
		g := replying.FindStringSubmatch(o.Body)
		o.ReplyTo = &capture.Ref{QuotedText: g[1]}
		o.Text = strings.TrimSpace(g[2])
	case file.MatchString(o.Body):
		name := file.FindStringSubmatch(o.Body)[1]
		o.Kind = capture.KindMedia
		if err := r.Export.Name(r.ctx, o, tally.Class("", name), tally.Name(name), r.member); err != nil {
			return err
		}
	}
	return r.chat.Item(o)
}

// reaction makes of the line that tells of one what it is: a line by the system, with the reaction.
// Which message it is to, only the beginning of its text tells.
func (r *reading) reaction(o *capture.Observation, quoted, value string, gone bool) {
	at := o.Sent
	o.ReplyTo = &capture.Ref{QuotedText: strings.TrimSuffix(strings.TrimSuffix(quoted, "..."), "…")}
	code := "reaction_added"
	if gone {
		code = "reaction_removed"
	}
	o.Reactions = append(o.Reactions, capture.Reaction{Value: strings.TrimSpace(value), Actor: o.Sender, At: &at, Removed: gone})
	o.Kind, o.System = capture.KindSystem, &capture.SystemEvent{Code: code, Actor: o.Sender, Value: strings.TrimSpace(value)}
}

// when returns when a message was sent.
func (r *reading) when(o *capture.Observation) capture.Instant {
	h := &r.head
	hour := h.hour
	switch h.half {
	case "am":
		hour %= 12
	case "pm":
		hour = hour%12 + 12
	}
	second := int64(hour*3600 + h.min*60 + h.sec)
	if h.date != "" {
		if g := localName.FindStringSubmatch(h.date); g != nil {
			if day := number(g[1:4]); day.Valid() && hour < 24 {
				day.Hour, day.Minute, day.Second = hour, h.min, h.sec
				if !r.dated {
					r.start, r.dated = started{day: day}, true
				}
				return capture.Local(h.stamp, day, h.seconds, r.opt.Zone)
			}
		}
	}
	if !r.dated {
		return r.undated()
	}
	start := r.start.day
	startOfDay := int64(start.Hour*3600 + start.Minute*60 + start.Second)
	if r.chat.Size() == 0 {
		// A clock cannot show a time before the meeting; a count from its start begins near nought.
		r.relative = r.start.utc || r.start.clock && second+300 < startOfDay && second < 12*3600 && startOfDay-second > 1800 && second < 4*3600
	}
	if r.relative {
		c := civil(wall(start) + second)
		if r.start.utc {
			at := capture.At(h.stamp, (wall(start)+second)*1000, "s", "recording_relative")
			return at
		}
		at := capture.Local(h.stamp, c, true, r.opt.Zone)
		at.Clock = "recording_relative"
		return at
	}
	if hour > 23 {
		return r.undated()
	}
	if second+12*3600 < r.previous && r.chat.Size() > 0 {
		r.days++ // past midnight
	}
	r.previous = second
	c := civil(wall(capture.Civil{Year: start.Year, Month: start.Month, Day: start.Day}) + r.days*86400 + second)
	return capture.Local(h.stamp, c, h.seconds, r.opt.Zone)
}

// undated is a time of an unknown day: it lies within what a person has declared, and before the file
// was handed in.
func (r *reading) undated() capture.Instant {
	at := capture.Undated(r.head.stamp)
	at.Ambiguous = []string{"date"}
	if from := r.opt.Happened.From; !from.IsZero() {
		at.Min = from.UnixMilli()
	}
	if !r.opt.ReceivedAt.IsZero() {
		at.Max = r.opt.ReceivedAt.UnixMilli()
	}
	if to := r.opt.Happened.To; !to.IsZero() {
		at.Max = to.UnixMilli()
	}
	at.Max = max(at.Max, at.Min)
	return at
}
