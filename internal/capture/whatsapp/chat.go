package whatsapp

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"despatch/internal/capture"
)

// chat is one chat of an export on its way: what has been learnt of it so far.
type chat struct {
	member *capture.Member
	export *export
	limits capture.Limits
	opt    capture.Options
	run    *capture.ParseRun
	index  int // in the run's conversations
	bom    int64

	shape      shape
	crlf       bool // headers follow CR LF, and a bare LF is a line end inside a message
	names      *names
	angles     map[string]int64
	marks      bool
	clockWords map[string]bool // words after the time that turned out to mean nothing

	orders   []order   // the ways to read dates that are still open; one when it is decided
	era      int       // how many years the calendar is ahead
	undated  bool      // the calendar is not known
	verdicts []verdict // of each header, in the order of the file
	senders  map[string]int64
}

// verdict is what is thought of one header-like line after looking at all of them.
type verdict uint8

const (
	sound      verdict = iota
	impossible         // it has a date that does not exist: it is no header
	suspect            // its time stands out from its neighbours': it may be part of a message
)

// maxShapes bounds the shapes voted on, maxHeaders the headers that are looked at together.
const (
	maxShapes  = 256
	maxHeaders = 2 << 20
)

// vote counts the headers of one shape.
type vote struct {
	shape    shape
	count    int64
	line     int64 // of the first
	afterLF  int64
	afterCR  int64 // after CR LF
	firstRaw string
}

// learn makes the first two passes.
func (c *chat) learn(ctx context.Context) error {
	votes, marks, blank, err := c.vote(ctx)
	if err != nil {
		return err
	}
	if len(votes) == 0 && !blank {
		return &capture.FileError{File: c.member.Label(), Reason: "has the name of a WhatsApp chat, but no line in it begins as a message does",
			Remedy: "Export the chat again and hand in the file as it comes. If it is as it came, tell the records office: it may be a new form."}
	}
	c.marks = marks
	c.run.Conversations = append(c.run.Conversations, capture.Conversation{Path: c.member.Path, Kind: "unknown", Participants: []capture.Participant{}})
	c.senders = map[string]int64{}
	c.names = newLearner().learn()
	if len(votes) == 0 {
		return nil // an empty chat
	}
	c.elect(votes)
	return c.prove(ctx)
}

// vote counts the shapes of all header-like lines. It says too whether the chat has WhatsApp's marks,
// and whether there is nothing in it at all.
func (c *chat) vote(ctx context.Context) (list []*vote, marks, blank bool, err error) {
	byShape := map[shape]*vote{}
	var scanner stampScanner
	blank = true
	previous := endNone
	err = c.lines(ctx, func(l *line) error {
		blank = blank && len(bytes.TrimSpace(l.text)) == 0
		marks = marks || bytes.Contains(l.text, []byte(mark))
		after := previous
		previous = l.ends
		st, ok := scanner.scan(l.text)
		if !ok {
			return nil
		}
		v := byShape[st.shape]
		if v == nil {
			if len(list) == maxShapes {
				return nil
			}
			v = &vote{shape: st.shape, line: l.number, firstRaw: st.raw}
			byShape[st.shape] = v
			list = append(list, v)
		}
		v.count++
		switch after {
		case endLF:
			v.afterLF++
		case endCRLF:
			v.afterCR++
		}
		return nil
	})
	return list, marks, blank, err
}

// elect takes the shape with the most headers, or of equals the first in the file.
func (c *chat) elect(votes []*vote) {
	sort.SliceStable(votes, func(i, j int) bool { return votes[i].count > votes[j].count })
	won := votes[0]
	c.shape = won.shape
	// An iPhone ends messages with CR LF and lines inside a message with LF alone.
	c.crlf = won.afterCR >= 3 && won.afterLF*3 <= won.afterCR
	var others int64
	for _, v := range votes[1:] {
		others += v.count
	}
	if c.run.Variant == "" {
		c.run.Variant = won.shape.variant()
	}
	c.decide(capture.Decision{About: "header_shape", Value: won.shape.String(), Rule: "most_lines", Support: won.count, Conflicts: others, By: "file", Detail: "for example “" + won.firstRaw + "”"})
	if others > 0 {
		v := votes[1]
		c.warn(capture.Warning{Code: "other_header_shape", Line: v.line, Count: others,
			Detail: fmt.Sprintf("Lines such as “%s” look like the beginning of a message, but not of one in this file. They are kept as part of the message they stand in.", v.firstRaw)})
	}
	if c.crlf {
		c.decide(capture.Decision{About: "message_end", Value: "crlf", Rule: "most_headers_follow_crlf", Support: won.afterCR, Conflicts: won.afterLF, By: "file"})
		if won.afterLF > 0 {
			c.warn(capture.Warning{Code: "header_inside", Count: won.afterLF, Detail: "Messages in this file end in one way and lines inside a message in another. Lines that look like the beginning of a message follow a line end of the second sort; they are kept as part of the message they stand in."})
		}
	}
}

func (c *chat) decide(d capture.Decision) {
	if len(c.export.chats) > 1 {
		d.Detail = strings.TrimSpace(d.Detail + " in “" + c.member.Label() + "”")
	}
	c.run.Decide(d)
}

func (c *chat) warn(w capture.Warning) {
	if len(c.export.chats) > 1 {
		w.Detail += " In “" + c.member.Label() + "”."
	}
	c.run.Warn(w)
}

// lookalike says whether a line is kept from being a header by nothing but the line end before it.
func (c *chat) lookalike(scanner *stampScanner, l *line, previous end) bool {
	if !c.crlf || previous != endLF {
		return false
	}
	st, ok := scanner.scan(l.text)
	return ok && st.shape == c.shape
}

// header reads the stamp of a line that may begin a message.
func (c *chat) header(scanner *stampScanner, l *line, previous end) (stamp, bool) {
	if c.shape.style == 0 || c.crlf && previous == endLF {
		return stamp{}, false
	}
	st, ok := scanner.scan(l.text)
	if !ok || st.shape != c.shape {
		return stamp{}, false
	}
	if st.half == halfUnknown && c.clockWords[st.marker] {
		st.half = halfNone
	}
	return st, true
}

// prove makes the second pass: it collects what tells names and dates, and settles them.
func (c *chat) prove(ctx context.Context) error {
	l := newLearner()
	c.angles = map[string]int64{}
	var stamps []packed
	var raws rawSamples
	named := map[int]int64{}
	latestHour := map[string]int{}
	var scanner stampScanner
	previous := endNone
	err := c.lines(ctx, func(ln *line) error {
		st, ok := c.header(&scanner, ln, previous)
		previous = ln.ends
		if ok {
			if len(stamps) == maxHeaders {
				return &capture.FileError{File: c.member.Label(), Reason: fmt.Sprintf("has more than %d messages, which no WhatsApp chat has", maxHeaders),
					Remedy: "Hand in the file as WhatsApp exports it."}
			}
			stamps = append(stamps, pack(&st))
			raws.see(&st)
			if st.half == halfUnknown {
				latestHour[st.marker] = max(latestHour[st.marker], st.hour)
			}
			rest := ln.text[st.rest:]
			l.see(rest)
			c.seeAngles(rest)
		}
		if len(stamps) > 0 {
			if day, ok := mediaDay(ln.text); ok {
				if _, taken := named[len(stamps)-1]; !taken {
					named[len(stamps)-1] = day
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.names = l.learn()
	c.settleNames()
	c.settleHalves(latestHour)
	c.settleDates(stamps, named, raws)
	return nil
}

// seeAngles counts bodies that are nothing but a text in angle brackets.
func (c *chat) seeAngles(rest []byte) {
	if i := bytes.Index(rest, []byte(": <")); i > 0 && bytes.HasSuffix(rest, []byte(">")) && len(rest)-i < 80 && len(c.angles) < 1000 {
		c.angles[visible(string(rest[i+2:]))]++
	}
}

func (c *chat) settleNames() {
	for _, long := range c.names.longer {
		c.decide(capture.Decision{About: "sender_name", Value: long, Rule: "shared_by_all_its_lines", Support: c.names.known[long], By: "file",
			Detail: "The name holds a colon."})
	}
	var n int64
	for _, doubt := range c.names.doubted {
		if doubt {
			n++
		}
	}
	if n > 0 {
		c.warn(capture.Warning{Code: "sender_name_in_doubt", Count: n, Detail: "Names stand before more than one colon on their only line; the shorter name is taken."})
	}
}

// settleHalves decides what the words after a time mean that are no known marker of a half of the
// day. A word after a time past noon of the 24-hour clock means nothing; else it is not known which
// half it is, and instants are wide enough for both.
func (c *chat) settleHalves(latestHour map[string]int) {
	c.clockWords = map[string]bool{}
	for _, word := range slices.Sorted(maps.Keys(latestHour)) {
		if latestHour[word] > 12 {
			c.clockWords[word] = true
			continue
		}
		c.warn(capture.Warning{Code: "half_day_unknown", Detail: "“" + word + "” after the time is not known to be before or after noon. Times may be either."})
	}
}

// rawSamples keeps the first header whose date differs between day first and month first.
type rawSamples struct {
	raw   string
	stamp packed
	any   string
	first packed
}

func (r *rawSamples) see(st *stamp) {
	if r.any == "" {
		r.any, r.first = st.raw, pack(st)
	}
	d := st.date
	if st.shape.yearAt >= 0 {
		d[st.shape.yearAt] = 0
	}
	if r.raw == "" && (d[0] != d[1] || st.shape.yearAt == 0) && d[0] <= 12 && d[1] <= 12 && (st.shape.yearAt != 0 || d[1] != d[2] && d[2] <= 12) {
		r.raw, r.stamp = st.raw, pack(st)
	}
}

// settleDates decides how dates are read, or asks, and looks for headers that stand out.
func (c *chat) settleDates(stamps []packed, named map[int]int64, raws rawSamples) {
	list := weigh(stamps, c.shape, c.latest(), named)
	c.askCalendar(stamps, raws)
	d, o, ok := c.declared(list)
	if !ok {
		d, o, ok = decide(list, stamps, c.shape)
	}
	if !ok {
		if raws.raw == "" {
			raws.raw, raws.stamp = raws.any, raws.first
		}
		c.ask(orderQuestion(list, raws.raw, raws.stamp, c.shape))
		c.orders = orders(c.shape)[:2]
	} else {
		c.orders = []order{o}
		c.decide(d)
	}
	c.judge(stamps)
}

// latest returns the day, since 1970, after which nothing in the file can have been written, with two
// days to spare for zones and for clocks that are not quite right.
func (c *chat) latest() int64 {
	var t time.Time
	for _, at := range []time.Time{c.member.ModTime, c.member.File.ModTime, c.opt.ReceivedAt} {
		if !at.IsZero() && at.Year() >= 2009 && (t.IsZero() || at.Before(t)) {
			t = at
		}
	}
	if t.IsZero() {
		return 0
	}
	return t.Unix()/86400 + 2
}

// declared returns the order that a person declared, unless the file shows that it cannot be.
func (c *chat) declared(list []evidence) (capture.Decision, order, bool) {
	if c.opt.DateOrder == "" {
		return capture.Decision{}, order{}, false
	}
	for _, e := range list {
		if e.order.name != c.opt.DateOrder {
			continue
		}
		disproved := false
		for _, other := range list {
			disproved = disproved || other.over12 > 20*e.over12
		}
		if disproved {
			c.warn(capture.Warning{Code: "declared_order_impossible", Count: e.impossible,
				Detail: "The declared order of day and month makes dates that do not exist. The file's own dates are followed instead."})
			return capture.Decision{}, order{}, false
		}
		return capture.Decision{About: "date_order", Value: e.order.name, Rule: "declared", Support: e.named, Conflicts: e.impossible, By: "person"}, e.order, true
	}
	if c.shape.yearAt >= 0 && c.shape.yearAt != 2 {
		return capture.Decision{}, order{}, false // the year shows where it is; nothing to declare
	}
	c.warn(capture.Warning{Code: "declared_order_unfit", Detail: "The declared order does not fit dates such as " + c.shape.String() + "."})
	return capture.Decision{}, order{}, false
}

// askCalendar asks when years are those of another calendar.
func (c *chat) askCalendar(stamps []packed, raws rawSamples) {
	if c.shape.yearAt < 0 || len(stamps) == 0 {
		return
	}
	var buddhist, islamic int
	for _, p := range stamps {
		year := int(p>>(48-16*int(c.shape.yearAt))) & 0xFFFF
		switch {
		case year >= 2500 && year < 2700:
			buddhist++
		case year >= 1300 && year < 1600:
			islamic++
		}
	}
	switch {
	case buddhist*2 > len(stamps) && c.opt.Calendar != "gregorian":
		c.era = 543
		if c.opt.Calendar == "buddhist" {
			c.decide(capture.Decision{About: "calendar", Value: "buddhist", Rule: "declared", Support: int64(buddhist), By: "person"})
			return
		}
		c.ask(capture.Question{About: "calendar", Example: raws.any, Text: "The years in this file look like those of the Buddhist calendar, 543 years ahead. Are they?",
			Answers: []capture.Answer{{Value: "buddhist", Meaning: "yes: subtract 543 years"}, {Value: "gregorian", Meaning: "no: take the years as they stand"}}})
	case islamic*2 > len(stamps):
		c.undated = true
		c.ask(capture.Question{About: "calendar", Example: raws.any, Answers: []capture.Answer{},
			Text: "The years in this file are not those of the Gregorian calendar. Set the phone's calendar to Gregorian and export the chat again."})
	}
}

func (c *chat) ask(q capture.Question) { c.run.Questions = append(c.run.Questions, q) }

// judge looks at every header under the order that was decided: which have a date that does not
// exist, and which stand out from their neighbours as a forged line does.
func (c *chat) judge(stamps []packed) {
	c.verdicts = make([]verdict, len(stamps))
	times := make([]int64, len(stamps))
	var bad, back int64
	var previous int64
	for i, p := range stamps {
		times[i] = -1
		for _, o := range c.orders {
			if m, ok := p.minute(o, c.shape.yearAt < 0); ok {
				times[i] = m
				break
			}
		}
		if times[i] < 0 {
			c.verdicts[i] = impossible
			bad++
			continue
		}
		if previous != 0 && times[i] < previous-1440 {
			back++
		}
		previous = times[i]
	}
	if bad > 0 {
		c.warn(capture.Warning{Code: "impossible_date", Count: bad, Detail: "Lines begin as a message does, with a date that does not exist. They are kept as part of the message they stand in."})
	}
	if len(c.orders) != 1 {
		return
	}
	if back > 0 {
		c.warn(capture.Warning{Code: "time_goes_back", Count: back, Detail: "The time goes back by more than a day from one message to the next."})
	}
	var odd int64
	for _, i := range standingOut(times) {
		c.verdicts[i] = suspect
		odd++
	}
	if odd > 0 {
		c.warn(capture.Warning{Code: "header_suspect", Count: odd, Detail: "The time of these messages stands out from those before and after. They may be lines inside another message that only look like one."})
	}
}

// A line inside a message that looks like a header has some time of its own, after which the chat's
// time returns. maxOdd bounds how many headers may stand out in a row before it is the clock that was
// set, and not the line that is odd.
const maxOdd = 50

// standingOut returns the headers after which, or after a few of which, time returns to where it was.
// Times are minutes; negative ones are of lines that are no headers.
func standingOut(times []int64) []int {
	const day = 1440
	var odd, back []int
	base := int64(-1)
	for i, t := range times {
		switch {
		case t < 0:
		case base >= 0 && t < base-day:
			back = append(back, i)
			if len(back) > maxOdd {
				base, back = t, back[:0]
			}
		case base >= 0 && t > base+day && returns(times[i+1:], base-day, t-day):
			odd = append(odd, i)
		default:
			odd = append(odd, back...)
			back = back[:0]
			base = max(base, t)
		}
	}
	sort.Ints(odd)
	return odd
}

// returns says whether one of the next few times lies between two others.
func returns(next []int64, from, to int64) bool {
	for _, t := range next[:min(len(next), 4)] {
		if t >= from && t < to {
			return true
		}
	}
	return false
}
