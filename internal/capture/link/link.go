// Package link finds out which observations of several people's copies of a chat are the same message.
//
// The first half of the package is pure: it compares copies, and says whether they are of one
// conversation and on what evidence, how the clocks of the two differ, who is called what, which
// observations are the same message and with what probability, and what one copy has and another
// lacks. It has no database, no clock and no chance in it, so that the same copies always give the same
// answer.
//
// The second half puts the answer on the record as statements beside the observations, which are never
// changed: a statement can be contradicted by a person, and that can be undone. Tables are a
// projection of the statements.
//
// What is certain enough is linked; what is likely waits for a person; what remains is a finding: one
// copy has it and the other does not.
package link

import (
	"slices"

	"despatch/internal/capture"
)

// Copy is one conversation of one file that was handed in: one person's copy of a chat.
type Copy struct {
	ID        string // of the captured conversation
	System    string // whatsapp, …
	Kind      string // dm, group, mailbox, … or unknown
	Title     string
	File      string // SHA-256 of the file handed in, in hexadecimal
	Person    string // who handed it in
	Viewpoint string // whose copy it is, as named in it; empty if not known
	Taken     int64  // when it was handed in, in milliseconds since 1970 UTC: the copy was made before
	Truncated bool   // the parser found that the copy is likely cut off at its old end
	Sightings []Sighting
}

// Sighting is what is compared of an observation.
type Sighting struct {
	Pos     int64 // of the observation on the record, or any number that is its own
	Ordinal int64 // in its file

	// From and To enclose the time of sending, in milliseconds, both included. If the zone is not
	// known, they are what the clock showed, as if it had been in UTC, and Floating is set.
	From, To int64
	Floating bool

	Sender string
	Kind   capture.Kind
	Code   string // of a system line
	TTL    int64  // seconds of a disappearing timer that a system line sets, or that the message has
	Class  string // of its attachment: image, …; empty if it has none

	Native uint64 // match key of an id that all parties share; 0 if there is none
	Print  uint64 // fingerprint of what was said; 0 if nothing was
	Files  uint64 // fingerprint of the attachments that are present; 0 if none is
	Runes  int    // length of what was said, folded

	Placeholder bool // an attachment is named or spoken of, and is not there
	Deleted     bool // only the note that it was deleted is left
	Edited      bool
	ViewOnce    bool

	Head  string // the beginning of what was said, folded: for likeness
	Quote uint64 // fingerprint of what it answers to; 0 if it quotes nothing
	ReFor uint64 // match key of the id of what it answers to; 0 if not known
}

// system reports whether the system itself speaks.
func (s *Sighting) system() bool { return s.Kind == capture.KindSystem }

// width is how many milliseconds the time of sending may vary over.
func (s *Sighting) width() int64 { return s.To - s.From + 1 }

// farthest is how far a clock may be from UTC: [capture.Local] widens instants of unknown zone by it.
const farthest = 14 * 3600_000

// See returns what is compared of an observation. Names are those of the conversation's participants,
// which may be spoken to with an @; they may be nil.
func See(pos int64, system string, o *capture.Observation, names *Names) Sighting {
	s := Sighting{Pos: pos, Ordinal: o.Ordinal, From: o.Sent.Min, To: o.Sent.Max, Sender: o.Sender, Kind: o.Kind,
		Deleted: o.State.Deleted || o.Kind == capture.KindDeleted, Edited: o.State.Edited || len(o.Edits) > 0, ViewOnce: o.State.ViewOnce,
		TTL: o.State.Expires, Native: NativeKey(system, o)}
	if o.Sent.Zone == capture.ZoneUnknown && o.Sent.Max-o.Sent.Min >= 2*farthest && len(o.Sent.Ambiguous) == 0 {
		s.From, s.To, s.Floating = s.From+farthest, s.To-farthest, true
	}
	if s.To < s.From {
		s.To = s.From
	}
	for i := range o.Attachments {
		a := &o.Attachments[i]
		if s.Class == "" || s.Class == "media" {
			s.Class = a.Class
		}
		if a.Presence == capture.Present && a.SHA256 != "" {
			s.Files += hash("file", a.SHA256) // the same whatever their order
		} else {
			s.Placeholder = true
		}
	}
	if s.ViewOnce {
		s.Placeholder = true
	}
	if s.Deleted {
		return s
	}
	s.say(o, names)
	if o.ReplyTo != nil {
		if o.ReplyTo.QuotedText != "" {
			s.Quote = hash("text", fold(o.ReplyTo.QuotedText, names))
		}
		if o.ReplyTo.NativeID != "" {
			r := *o
			r.NativeID = o.ReplyTo.NativeID
			s.ReFor = NativeKey(system, &r)
		}
	}
	return s
}

// say sets the fingerprint of what was said. What is not text has one that no language is in.
func (s *Sighting) say(o *capture.Observation, names *Names) {
	switch {
	case o.Kind == capture.KindSystem:
		if o.System != nil {
			s.Code = o.System.Code
			s.TTL = o.System.TTL
		}
		if s.Code != "" && s.Code != "other" {
			s.Print = hash("system", s.Code)
			return
		}
	case o.Call != nil:
		s.Print = hash("call", o.Call.Medium)
		return
	case o.Poll != nil:
		s.Print = hash("poll", fold(o.Poll.Question, names))
		return
	case o.Location != nil:
		if l := o.Location; l.Latitude != "" {
			s.Print = hash("place", l.Latitude+","+l.Longitude)
		} else {
			s.Print = hash("place", "live")
		}
		return
	}
	text := o.Text
	if text == "" && o.Kind == capture.KindText {
		text = o.Body
	}
	if o.Subject != "" {
		text = o.Subject + "\n" + text
	}
	folded := fold(text, names)
	if folded == "" {
		return
	}
	s.Print, s.Runes, s.Head = hash("text", folded), len([]rune(folded)), head(folded, 200)
}

// content is the fingerprint of all that a sighting holds; 0 if it holds nothing that can be compared.
func (s *Sighting) content() uint64 {
	switch {
	case s.Deleted:
		return 0
	case s.Files != 0:
		return mix(s.Print, s.Files)
	case s.Placeholder:
		return 0
	}
	return s.Print
}

// informative reports whether two messages of this content are hardly ever two different messages.
func (s *Sighting) informative() bool {
	return !s.Deleted && (s.Files != 0 || s.Runes >= 24 && !s.Placeholder && !s.system())
}

// put sorts a copy's sightings into the order in which they were sent, as far as the copy shows it.
// Files mostly stand in that order or in its reverse; where they do not, times tell.
func (c *Copy) put() {
	slices.SortStableFunc(c.Sightings, func(a, b Sighting) int {
		switch {
		case a.Ordinal < b.Ordinal:
			return -1
		case a.Ordinal > b.Ordinal:
			return 1
		case a.Pos < b.Pos:
			return -1
		case a.Pos > b.Pos:
			return 1
		}
		return 0
	})
	up, back := 0, 0
	const step = 3 * 3600_000 // more than clocks are put back by
	for i := 1; i < len(c.Sightings); i++ {
		a, b := &c.Sightings[i-1], &c.Sightings[i]
		if b.From > a.From+step {
			up++
		} else if b.From < a.From-step {
			back++
		}
	}
	if back*20 > up { // in reverse, or in no order of time
		slices.SortStableFunc(c.Sightings, func(a, b Sighting) int {
			switch {
			case a.From < b.From:
				return -1
			case a.From > b.From:
				return 1
			}
			return 0
		})
	}
}
