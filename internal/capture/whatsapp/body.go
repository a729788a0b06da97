package whatsapp

import (
	"encoding/hex"
	"path"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"despatch/internal/capture"
)

// classifier tells what sort of message a body is.
//
// An iPhone puts an invisible mark, U+200E, before what WhatsApp itself writes. Where a chat has such
// marks and a phrase of WhatsApp's stands without one, somebody may have typed it; that is said.
type classifier struct {
	apple  bool             // the chat is from an iPhone
	marks  bool             // it has WhatsApp's marks
	angles map[string]int64 // how often a whole body is such a text in angle brackets
	find   func(name string) (m, twin *capture.Member)
	hash   func(m *capture.Member) (string, error)
}

const mark = "\u200E"

func marked(s string) bool {
	return strings.HasPrefix(strings.TrimLeft(s, " \u200F\u202A\u202B\uFEFF"), mark)
}

// notice sets what a line without a sender is.
func (c *classifier) notice(o *capture.Observation) {
	text := visible(o.Body)
	o.Kind, o.Text = capture.KindSystem, text
	if code, _, duration, ok := callWords.find(text); ok {
		o.Kind, o.Call = capture.KindCall, callOf(code, duration)
		return
	}
	o.System = systemEvent(text)
}

func systemEvent(text string) *capture.SystemEvent {
	code, actor, value, ok := noticeWords.find(text)
	if !ok {
		code = codeOther
	}
	e := &capture.SystemEvent{Code: code, Actor: actor, Value: value}
	if strings.HasPrefix(code, "disappearing") && code != "disappearing_off" {
		e.TTL = ttl(text)
	}
	return e
}

// ttl returns the seconds after which messages disappear. WhatsApp offers 24 hours, 7 days and 90
// days, so the number says it in any language.
func ttl(text string) int64 {
	n := 0
	for _, r := range text + " " {
		if unicode.Is(unicode.Nd, r) {
			n = n*10 + int(plain(r)-'0')
			continue
		}
		switch n {
		case 24:
			return 24 * 3600
		case 7:
			return 7 * 24 * 3600
		case 90:
			return 90 * 24 * 3600
		}
		n = 0
	}
	return 0
}

// message sets what a message of somebody is, from its verbatim body.
func (c *classifier) message(o *capture.Observation) error {
	text := strings.ReplaceAll(o.Body, "\r\n", "\n")
	text, o.State.Edited = c.cutEdited(text)
	o.Kind, o.Text = capture.KindText, display(text)
	if strings.TrimSpace(o.Text) == "" {
		o.Kind = capture.KindUnknown
		o.Doubt("empty_body", "Nothing stands after the name. Some phones write so for media that could be looked at once.")
		return nil
	}
	first, rest, more := strings.Cut(text, "\n")
	if !more && len(text) <= 400 && c.phrase(o, text) {
		return nil
	}
	if c.omitted(o, first, rest) || c.place(o, first, rest, more) || poll(o, text) {
		return nil
	}
	return c.attached(o, text)
}

// phrase recognises bodies that are one phrase of WhatsApp's.
func (c *classifier) phrase(o *capture.Observation, text string) bool {
	is, folded := marked(text), fold(text)
	if code, _, _, ok := deletedWords.findFolded(text, folded); ok {
		o.Kind, o.Text, o.State.Deleted, o.State.DeletedBy = capture.KindDeleted, "", true, code
		c.unmarked(o, is)
		return true
	}
	if folded == "null" && visible(text) == "null" {
		o.Kind, o.Text = capture.KindUnknown, ""
		o.Doubt("null_body", "WhatsApp writes “null” for media that could be looked at once, and for some calls. It may also have been typed.")
		return true
	}
	if code, _, duration, ok := callWords.findFolded(text, folded); ok && c.apple {
		o.Kind, o.Text, o.Call = capture.KindCall, "", callOf(code, duration)
		c.unmarked(o, is)
		return true
	}
	if _, live := liveWords.exact[folded]; live {
		o.Kind, o.Text, o.Location = capture.KindLocation, "", &capture.Location{Live: true}
		return true
	}
	if _, once := viewOnceWords.exact[strings.Trim(folded, "<>")]; once {
		o.Kind, o.Text, o.State.ViewOnce = capture.KindViewOnce, "", true
		o.Attachments = append(o.Attachments, capture.Attachment{Class: "media", Presence: capture.Omitted})
		return true
	}
	if _, _, _, waiting := waitingWords.findFolded(text, folded); waiting {
		o.Kind, o.Text = capture.KindUnknown, ""
		o.Doubt("not_delivered", "The message had not reached the phone when the chat was exported.")
		return true
	}
	if _, _, _, notice := c.notices(is).findFolded(text, folded); notice && c.apple {
		o.Text = visible(text)
		o.System = systemEvent(o.Text)
		o.Kind, o.Sender = capture.KindSystem, ""
		return true
	}
	return false
}

// notices returns the notices to look for in what has a sender.
func (c *classifier) notices(marked bool) *vocabulary {
	if marked {
		return noticeWords
	}
	return encryptionWords
}

func (c *classifier) unmarked(o *capture.Observation, is bool) {
	if c.apple && c.marks && !is {
		o.Doubt("phrase_without_mark", "WhatsApp marks such lines invisibly in this chat, and this one is not marked: somebody may have typed it.")
	}
}

func callOf(code, duration string) *capture.Call {
	medium, outcome, _ := strings.Cut(code, " ")
	return &capture.Call{Medium: medium, Outcome: outcome, Duration: duration}
}

// cutEdited takes the note that a message was edited off its end. It stands in angle brackets; in a
// language we do not know, WhatsApp's mark before it tells.
func (c *classifier) cutEdited(text string) (string, bool) {
	trimmed := strings.TrimRight(text, " \u200E\u200F\u202C\n")
	if !strings.HasSuffix(trimmed, ">") {
		return text, false
	}
	i := strings.LastIndexByte(trimmed, '<')
	if i <= 0 {
		return text, false
	}
	inner := trimmed[i+1 : len(trimmed)-1]
	before := strings.TrimRight(trimmed[:i], " \u200E\u200F\u202A")
	byForm := strings.HasSuffix(trimmed[:i], mark) && before != "" && !strings.ContainsAny(inner, ":：\n") &&
		path.Ext(strings.TrimRight(inner, ".")) == "" && !attachedWords.is(inner)
	if len(inner) > 200 || !(editedWords.is(inner) || byForm) {
		return text, false
	}
	return before, true
}

// omitted recognises media that the export left out, with what was said under it.
func (c *classifier) omitted(o *capture.Observation, first, caption string) bool {
	line := strings.TrimSpace(visible(first))
	if line == "" || len(line) > 300 {
		return false
	}
	a := capture.Attachment{Presence: capture.Omitted}
	inner, bracketed := strings.CutPrefix(line, "<")
	inner, closed := strings.CutSuffix(inner, ">")
	if code, _, _, ok := omittedWords.find(strings.TrimSpace(inner)); ok && bracketed == closed {
		a.Class = code
	} else if bracketed && closed && !c.apple && c.angles[line] >= 3 && !strings.ContainsAny(inner, "<>:") {
		a.Class = "media"
		o.Doubt("phrase_by_form", "Taken for left-out media by its form; the language's own phrase is not known.")
	} else if name, detail, ok := omittedDocument(line); ok {
		a.Class, a.Name, a.Detail = "document", name, detail
	} else {
		return false
	}
	o.Kind, o.Text = capture.KindMedia, display(caption)
	if a.Class == "contact" {
		o.Kind = capture.KindContact
	}
	if !bracketed {
		c.unmarked(o, marked(first) || strings.Contains(first, mark))
	}
	o.Attachments = append(o.Attachments, a)
	return true
}

// omittedDocument reads "Report.pdf • 3 pages document omitted".
func omittedDocument(line string) (name, detail string, ok bool) {
	folded := strings.ToLower(line)
	for _, p := range omitted {
		if p.code != "document" {
			continue
		}
		for _, f := range p.forms {
			if head, is := strings.CutSuffix(folded, f); is && len(head) > 4 && len(folded) == len(line) {
				name, detail, _ = strings.Cut(strings.TrimRight(line[:len(head)], " •"), " • ")
				return strings.TrimSpace(name), strings.TrimSpace(detail), strings.Contains(name, ".")
			}
		}
	}
	return "", "", false
}

// place recognises a place that was shared: a word, a colon, and a map's address.
func (c *classifier) place(o *capture.Observation, first, rest string, more bool) bool {
	line := visible(first)
	if _, coords, ok := strings.Cut(line, ": https://maps.google.com/?q="); ok && !more {
		lat, long, ok := strings.Cut(coords, ",")
		word := line[:strings.Index(line, ": https://")]
		if ok && coordinate(lat) && coordinate(long) && len(word) <= 40 && !strings.ContainsAny(word, ".,!?") {
			o.Kind, o.Text = capture.KindLocation, ""
			o.Location = &capture.Location{Latitude: lat, Longitude: long, URL: "https://maps.google.com/?q=" + coords}
			return true
		}
		return false
	}
	whole := line
	if more {
		whole += "\n" + visible(rest)
	}
	if i := strings.Index(whole, "https://foursquare.com/v/"); i > 0 && !strings.ContainsAny(whole[i:], " \n") {
		name := strings.TrimSuffix(strings.TrimSpace(whole[:i]), ":")
		o.Kind, o.Text, o.Location = capture.KindLocation, "", &capture.Location{URL: whole[i:], Name: strings.TrimSpace(name)}
		return true
	}
	return false
}

func coordinate(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && len(s) <= 24 && strings.Trim(s, "0123456789.") == ""
}

// poll recognises a poll by its form, in any language: a word and a colon, the question, and lines
// "WORD: text (n votes)" that all begin with the same word.
func poll(o *capture.Observation, text string) bool {
	head, rest, more := strings.Cut(text, "\n")
	word, ok := strings.CutSuffix(visible(head), ":")
	if !more || !ok || word == "" || len(word) > 40 || strings.ContainsAny(word, " .") {
		return false
	}
	p := &capture.Poll{Options: []capture.PollOption{}}
	var question []string
	option := ""
	for l := range strings.SplitSeq(strings.TrimRight(rest, "\n"), "\n") {
		w, body, ok := strings.Cut(visible(l), ": ")
		votes, text, counted := votesOf(body)
		if ok && counted && (option == "" || w == option) && !strings.Contains(w, " ") && len(question) > 0 {
			option = w
			p.Options = append(p.Options, capture.PollOption{Text: text, Votes: votes})
			continue
		}
		if len(p.Options) > 0 {
			return false
		}
		question = append(question, visible(l))
	}
	if len(p.Options) < 2 {
		return false
	}
	p.Question = strings.Join(question, "\n")
	o.Kind, o.Text, o.Poll = capture.KindPoll, p.Question, p
	return true
}

// votesOf reads the end of "Friday (3 votes)".
func votesOf(s string) (votes int64, text string, ok bool) {
	i := strings.LastIndexByte(s, '(')
	if i <= 0 || !strings.HasSuffix(s, ")") || len(s)-i > 60 {
		return 0, "", false
	}
	digits := 0
	for _, r := range s[i:] {
		if unicode.Is(unicode.Nd, r) && digits < 9 {
			votes = votes*10 + int64(plain(r)-'0')
			digits++
		}
	}
	return votes, strings.TrimSpace(s[:i]), digits > 0
}

// attached recognises files that came with a message, and what was said under them.
func (c *classifier) attached(o *capture.Observation, text string) error {
	var said []string
	for i, l := range strings.Split(text, "\n") {
		name, before, detail, ok := c.attachmentLine(l, i == 0)
		if !ok {
			said = append(said, l)
			continue
		}
		a, err := c.attachment(o, name)
		if err != nil {
			return err
		}
		a.Detail = detail
		o.Attachments = append(o.Attachments, a)
		if before != "" {
			said = append(said, before)
		}
	}
	if len(o.Attachments) == 0 {
		return nil
	}
	o.Kind, o.Text = capture.KindMedia, display(strings.Join(said, "\n"))
	if o.Attachments[0].Class == "contact" {
		o.Kind = capture.KindContact
	}
	return nil
}

// attachmentLine reads one line that names a file:
//
//	<attached: 00000012-PHOTO-2023-10-27-22-42-29.jpg>
//	IMG-20211115-WA0010.jpg (file attached)
//	<00000012-PHOTO-2023-10-27-22-42-29.jpg eklendi>
//	Report.pdf • 1 page <attached: 00000002-Report.pdf>
//
// A line that anybody could have typed counts only if there is such a file, or WhatsApp made the name.
func (c *classifier) attachmentLine(l string, first bool) (name, before, detail string, ok bool) {
	line := strings.TrimRight(l, " \u200E\u200F\u202C")
	if strings.HasSuffix(line, ">") {
		i := strings.LastIndexByte(line, '<')
		if i < 0 {
			return
		}
		inner := visible(line[i+1 : len(line)-1])
		own := marked(l) || strings.HasSuffix(line[:i], mark) || !c.marks
		name, known := insideAngles(inner)
		before = display(line[:i])
		if attachedWords.is(inner) && looksLikeFile(before) { // "F <attached>", as old phones wrote it
			name, before, known = before, "", true
		}
		if name == "" || !c.isFile(name) && !(known && own && looksLikeFile(name)) {
			return "", "", "", false
		}
		before, detail = documentDetail(before)
		return name, before, detail, true
	}
	if !first || !strings.HasSuffix(line, ")") {
		return
	}
	i := strings.LastIndex(line, " (")
	if i <= 0 {
		return
	}
	name = visible(line[:i])
	words := visible(line[i+2 : len(line)-1])
	if c.isFile(name) && len(words) <= 60 || looksLikeFile(name) && attachedWords.is(words) {
		return name, "", "", true
	}
	return "", "", "", false
}

// insideAngles reads "attached: F" or "F eklendi". known says that the word is one of WhatsApp's.
func insideAngles(inner string) (name string, known bool) {
	for _, sep := range []string{":", "："} {
		if word, file, ok := strings.Cut(inner, sep); ok && len(word) <= 60 {
			return strings.TrimSpace(file), attachedWords.is(word)
		}
	}
	if i := strings.LastIndexByte(inner, ' '); i > 0 {
		return strings.TrimSpace(inner[:i]), attachedWords.is(inner[i+1:])
	}
	return "", false
}

// documentDetail takes "Report.pdf • 1 page" apart from what somebody said.
func documentDetail(before string) (said, detail string) {
	if i := strings.Index(before, " • "); i > 0 && looksLikeFile(before[:i]) {
		return "", visible(before)
	}
	return before, ""
}

// isFile says whether a name is that of a file handed in, or one that WhatsApp makes.
func (c *classifier) isFile(name string) bool {
	if len(name) > 300 || name == "" {
		return false
	}
	if _, ok := mediaDay([]byte(name)); ok && looksLikeFile(name) && !strings.Contains(name, " ") {
		return true
	}
	m, _ := c.find(name)
	return m != nil
}

func looksLikeFile(s string) bool {
	ext := path.Ext(s)
	return len(ext) >= 2 && len(ext) <= 6 && len(s) > len(ext) && len(s) <= 300 && strings.Trim(ext[1:], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// attachment returns what is known of a named file.
func (c *classifier) attachment(o *capture.Observation, name string) (capture.Attachment, error) {
	a := capture.Attachment{Name: name, Class: classOf(name), Presence: capture.NamedAbsent}
	m, twin := c.find(name)
	if m == nil {
		return a, nil
	}
	a.Path, a.Size, a.Within = m.Path, m.Size, hex.EncodeToString(m.File.SHA256[:])
	sum, err := c.hash(m)
	if fault, is := err.(*capture.FileError); is {
		a.Presence = capture.Corrupt
		o.Doubt("media_damaged", fault.Error())
		return a, nil
	}
	if err != nil {
		return a, err
	}
	a.Presence, a.SHA256 = capture.Present, sum
	if twin != nil {
		if other, err := c.hash(twin); err == nil && other != sum {
			o.Doubt("two_files_of_this_name", "The archive holds two different files of this name; the other has SHA-256 "+other+".")
		}
	}
	return a, nil
}

// classOf tells from a file's name what it is.
func classOf(name string) string {
	upper := strings.ToUpper(name)
	for _, k := range []struct{ mark, class string }{
		{"-PHOTO-", "image"}, {"-VIDEO-", "video"}, {"-AUDIO-", "audio"}, {"-STICKER-", "sticker"}, {"-GIF-", "gif"},
	} {
		if strings.Contains(upper, k.mark) {
			return k.class
		}
	}
	if len(upper) > 4 {
		switch upper[:4] {
		case "STK-":
			return "sticker"
		case "PTT-", "AUD-":
			return "audio"
		case "DOC-":
			return "document"
		}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".heic", ".heif", ".bmp", ".tif", ".tiff":
		return "image"
	case ".webp":
		return "sticker"
	case ".gif":
		return "gif"
	case ".mp4", ".mov", ".3gp", ".mkv", ".avi", ".webm":
		return "video"
	case ".opus", ".ogg", ".m4a", ".mp3", ".aac", ".amr", ".wav":
		return "audio"
	case ".vcf":
		return "contact"
	}
	return "document"
}

// display returns text for reading: without the invisible marks at the ends of its lines and without
// empty lines at its ends. Marks inside a line stay: they may direct somebody's Arabic or Hebrew.
func display(s string) string {
	s = norm.NFC.String(s)
	if !strings.ContainsAny(s, mark+"\uFEFF\r") {
		return strings.Trim(s, " \n")
	}
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.Trim(l, mark+"\uFEFF")
	}
	return strings.Trim(strings.Join(lines, "\n"), " \n")
}
