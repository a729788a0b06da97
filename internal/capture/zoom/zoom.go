// Package zoom reads the chats of meetings that Zoom saves: meeting_saved_chat.txt and chat.txt on a
// participant's computer, and the chat of a recording in the cloud.
//
// Zoom writes the time of day, or the time since a recording began, and no date. The date comes from
// the name of the folder or of the file, or from the person who hands it in; else the day of a message
// is not known, and its interval says so. Private messages are there only if whoever saved the chat was
// in them.
package zoom

import (
	"context"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/tally"
)

// Parser reads saved meeting chats. It is a [capture.Parser].
type Parser struct{}

func (Parser) Name() string    { return "zoom-chat" }
func (Parser) Version() string { return "1" }

// filtered is what a saved chat leaves out.
var filtered = []string{"message_ids", "others_private_messages", "before_joining", "edit_times", "deleted"}

// The ways in which a message begins:
//
//	10:02:11 From Asha Rao to Everyone:           what was said follows on the next lines
//	10:02:11	 From Asha Rao : what was said
//	00:02:11	Asha Rao:	what was said         in a recording from the cloud
//	2024-05-05 10:02:11 From Asha Rao to Tom(Direct Message):
var (
	fromHeader  = regexp.MustCompile(`^(?:(\d{4}-\d\d-\d\d)[ T])?(\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp]\.?[Mm]\.?))?[ \t]+(From|Von|De|Da|Van|Från|Fra|Od)[ \t]+(.*)$`)
	cloudHeader = regexp.MustCompile(`^(\d{1,2}):(\d\d):(\d\d)\t+([^\t]{1,200}?) ?:(?:\t(.*)|)$`)
)

// header is the beginning of a message.
type header struct {
	stamp          string
	date           string // if the line has one
	hour, min, sec int
	seconds        bool
	half           string // am, pm, or empty
	sender, to     string
	direct         bool
	body           string
	inline         bool // the text stands on the same line
}

func parseHeader(s string) (header, bool) {
	if m := fromHeader.FindStringSubmatchIndex(s); m != nil {
		get := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return s[m[2*i]:m[2*i+1]]
		}
		h := header{date: get(1), seconds: get(4) != "", half: strings.ToLower(strings.ReplaceAll(get(5), ".", ""))}
		h.hour, _ = strconv.Atoi(get(2))
		h.min, _ = strconv.Atoi(get(3))
		h.sec, _ = strconv.Atoi(get(4))
		h.stamp = strings.TrimSpace(s[:m[12]])
		return h, h.who(get(7), toWords[get(6)]) && h.valid()
	}
	if m := cloudHeader.FindStringSubmatch(s); m != nil {
		h := header{stamp: m[1] + ":" + m[2] + ":" + m[3], seconds: true, sender: tally.Name(m[4]), body: m[5], inline: m[5] != ""}
		h.hour, _ = strconv.Atoi(m[1])
		h.min, _ = strconv.Atoi(m[2])
		h.sec, _ = strconv.Atoi(m[3])
		return h, h.valid()
	}
	return header{}, false
}

// toWords are the words between the names, for each word before them: Zoom writes them in the language
// of the program.
var toWords = map[string][]string{
	"From": {" to "}, "Von": {" an "}, "De": {" à ", " para ", " a "}, "Da": {" a "}, "Van": {" aan ", " naar "}, "Från": {" till "}, "Fra": {" til "}, "Od": {" do ", " za "},
}

func (h *header) valid() bool { return h.hour < 100 && h.min < 60 && h.sec < 60 && h.sender != "" }

// direct ends the name of whoever a private message is to, in the forms that Zoom has used.
var direct = regexp.MustCompile(`(?i) ?\((?:direct message|privately|private|direktnachricht|privat|mensaje directo|message direct|mensagem direta|messaggio diretto|direct bericht)\) ?$`)

// who reads the names, and the text if it stands behind them: "Asha to Tom (Privately) : psst".
func (h *header) who(s string, between []string) bool {
	names, body, inline := s, "", false
	if t := strings.TrimRight(s, " \t"); strings.HasSuffix(t, ":") {
		names = strings.TrimSuffix(t, ":")
	} else if i := strings.Index(s, " : "); i >= 0 {
		names, body, inline = s[:i], s[i+3:], true
	} else if i := strings.Index(s, ":\t"); i >= 0 {
		names, body, inline = s[:i], s[i+2:], true
	} else if i := strings.Index(s, ": "); i >= 0 {
		names, body, inline = s[:i], s[i+2:], true
	} else {
		return false
	}
	names = strings.TrimSpace(names)
	for _, sep := range between {
		if i := strings.LastIndex(names, sep); i > 0 {
			h.to, names = strings.TrimSpace(names[i+len(sep):]), names[:i]
			break
		}
	}
	if at := direct.FindStringIndex(h.to); at != nil {
		h.direct, h.to = true, h.to[:at[0]]
	}
	h.sender, h.to, h.body, h.inline = tally.Name(names), tally.Name(h.to), body, inline
	return h.sender != ""
}

// maxProbes bounds the texts that are looked into.
const maxProbes = 200

// chats finds the saved chats of an export.
func chats(x *tally.Export, first bool) ([]*capture.Member, error) {
	var list []*capture.Member
	for i, m := range x.Members {
		if ext := strings.ToLower(path.Ext(tally.Base(m))); ext != ".txt" && len(x.Members) > 1 || i > maxProbes && ext != ".txt" {
			continue
		}
		is, err := isChat(m)
		if err != nil {
			return nil, err
		}
		if is {
			list = append(list, m)
			if first {
				break
			}
		}
	}
	return list, nil
}

// isChat says by its content whether a text is a saved chat: it begins with a message.
func isChat(m *capture.Member) (bool, error) {
	r, err := m.Open()
	if err != nil {
		return false, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, 16<<10))
	if err != nil {
		return false, err
	}
	text := strings.TrimPrefix(string(b), "\uFEFF")
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		h, ok := parseHeader(line)
		return ok && (fromHeader.MatchString(line) && (h.to != "" || strings.Contains(line, " : ") || h.date == "") || cloudHeader.MatchString(line)), nil
	}
	return false, nil
}

// Recognise says whether the source holds the chat of a meeting.
func (Parser) Recognise(ctx context.Context, src *capture.Source) (bool, error) {
	x, err := tally.Open(src)
	if err != nil {
		return false, err
	}
	list, err := chats(x, true)
	return len(list) > 0, err
}

// Parse reads the chats of meetings, one after the other.
func (p Parser) Parse(ctx context.Context, src *capture.Source, opt capture.Options, emit func(*capture.Observation) error) (*capture.ParseRun, error) {
	b := tally.New(ctx, p, "zoom", "lines", filtered, emit)
	b.Run.Variant = "saved_chat"
	var err error
	if b.Export, err = tally.Open(src); err != nil {
		return b.Close(err)
	}
	list, err := chats(b.Export, false)
	if err != nil {
		return b.Close(err)
	}
	if len(list) == 0 {
		return b.Close(&capture.FileError{File: src.Files[0].Name, Reason: "holds no chat of a Zoom meeting",
			Remedy: "In the meeting open the chat, choose Save chat, and hand in the file meeting_saved_chat.txt."})
	}
	for _, m := range list {
		b.Export.Chat(m)
	}
	for _, m := range list {
		again, err := b.Again(m)
		if err == nil && !again {
			r := &reading{Book: b, ctx: ctx, opt: opt, limits: src.Bounds(), member: m}
			err = r.meeting()
		}
		if err != nil {
			return b.Close(err)
		}
	}
	return b.Close(nil)
}

// started is when a meeting or its recording began, as far as names tell.
type started struct {
	day   capture.Civil // the day, and the time if there is one
	clock bool
	utc   bool // the name is in UTC: that of a recording in the cloud
}

var (
	localName = regexp.MustCompile(`(\d{4})-(\d\d)-(\d\d)(?:[ _](\d\d)\.(\d\d)\.(\d\d))?`)
	cloudName = regexp.MustCompile(`GMT(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)`)
)

// startOf reads from the names of a chat's file and folders when its meeting was.
func startOf(m *capture.Member) (started, bool) {
	where := m.File.Name + "/" + m.Path
	if g := cloudName.FindStringSubmatch(where); g != nil {
		s := started{clock: true, utc: true, day: number(g[1:])}
		return s, s.day.Valid()
	}
	all := localName.FindAllStringSubmatch(where, -1)
	for i := len(all) - 1; i >= 0; i-- {
		s := started{clock: all[i][4] != "", day: number(all[i][1:])}
		if s.day.Valid() {
			return s, true
		}
	}
	return started{}, false
}

func number(g []string) capture.Civil {
	var n [6]int
	for i := range min(6, len(g)) {
		n[i], _ = strconv.Atoi(g[i])
	}
	return capture.Civil{Year: n[0], Month: n[1], Day: n[2], Hour: n[3], Minute: n[4], Second: n[5]}
}

// topic returns a meeting's name from its folder: "2021-05-05 14.30.00 Water supply 98765432101".
func topic(m *capture.Member) string {
	for _, name := range []string{path.Base(tally.Dir(m)), tally.Base(m), m.File.Name} {
		at := localName.FindStringIndex(name)
		if at == nil {
			continue
		}
		s := strings.TrimSpace(name[at[1]:])
		s = strings.TrimSuffix(s, path.Ext(s))
		if i := strings.LastIndexByte(s, ' '); i > 0 && len(s)-i > 9 && strings.Trim(s[i+1:], "0123456789") == "" {
			s = s[:i]
		}
		if s != "" {
			return s
		}
	}
	return ""
}

// wall returns a time as seconds on the clock of the wall, counted in UTC.
func wall(c capture.Civil) int64 { return c.UTC().Unix() }

func civil(seconds int64) capture.Civil {
	t := time.Unix(seconds, 0).UTC()
	return capture.Civil{Year: t.Year(), Month: int(t.Month()), Day: t.Day(), Hour: t.Hour(), Minute: t.Minute(), Second: t.Second()}
}
