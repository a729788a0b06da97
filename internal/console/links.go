package console

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"despatch/internal/capture"
	chatlink "despatch/internal/capture/link"
	"despatch/internal/disclosure"
	"despatch/internal/httpd"
	"despatch/internal/store"
)

// chatsPage lists the chats of which several people's copies are on the record.
type chatsPage struct {
	frame
	Chats    []chatRow
	Next     string
	Messages int64 // that a person should look at
	Possible int64 // conversations that may be copies of one chat
}

type chatRow struct {
	Title, System, Href string
	By                  []string // who handed in the copies
}

const chatsEach = 100

func (s *Server) chats(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &chatsPage{frame: frame{Title: "Chats that several people handed in", Back: link{root + "captures", "Captured chats"}, Wide: true}}
	after, _ := strconv.ParseInt(r.FormValue("after"), 10, 64)
	list, next, err := s.Links.Chats(r.Context(), after, chatsEach)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, c := range list {
		row := chatRow{Href: chatPath(c.ID)}
		for _, x := range c.Copies {
			row.By = append(row.By, n.of(x.Person)+", "+day(x.Taken))
			if row.Title == "" {
				row.Title = x.Title
			}
			row.System = systemName(x.System)
		}
		p.Chats = append(p.Chats, row)
	}
	if len(list) == chatsEach {
		p.Next = root + "chats?after=" + strconv.FormatInt(next, 10)
	}
	if p.Messages, p.Possible, err = store.CountDoubts(r.Context(), s.DB.Reader()); err != nil {
		return err
	}
	return s.show(w, r, v, "chats", p)
}

func chatPath(id string) string { return root + "chats/" + url.PathEscape(id) }

// reading is by what right a page shows what was said: a case, or none, and then it does not.
type reading struct {
	Case     caseView // of what follows, if it is not nil
	Recorded bool
	Choice   field // of the case
	Texts    map[int64]string
	Tried    bool // texts were asked for
}

// May reports whether what was said may be shown.
func (x *reading) May() bool { return x.Case.Case != nil }

// reader reads which case a page is looked at in, and offers the visitor's cases.
func (s *Server) reader(r *http.Request, v *visit) (*reading, error) {
	x := &reading{Choice: field{Name: "case", Label: "In which case do you read what was said?", Kind: "select",
		Hint: "Without a case you see who wrote and when, and nothing of what was said. What you read is recorded.", Answer: []answer{{Text: "In none"}}}}
	all, err := s.Cases.Cases(r.Context(), v.Session.User, disclosure.Filter{})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Status != disclosure.Closed && s.viewed(c).mine(v.Session.User) {
			x.Choice.Answer = append(x.Choice.Answer, answer{Value: c.ID, Text: c.Reference + ": " + c.Title})
		}
	}
	x.Choice.choose(r.FormValue("case"))
	if x.Choice.Value == "" {
		return x, nil
	}
	c, err := s.Cases.Case(r.Context(), v.Session.User, x.Choice.Value)
	if err != nil {
		return nil, err
	}
	x.Case, x.Recorded = s.viewed(c), true
	return x, nil
}

// read reads what was said in some observations, if there is a case whose scope they are in.
func (s *Server) read(r *http.Request, v *visit, x *reading, positions []int64) error {
	if !x.May() || len(positions) == 0 {
		return nil
	}
	x.Texts, x.Tried = make(map[int64]string), true
	for part := range slices.Chunk(positions, disclosure.MostRead) {
		items, err := s.Cases.Read(r.Context(), v.Session.User, x.Case.ID, part)
		if err != nil {
			return err
		}
		for _, it := range items {
			switch {
			case it.Sealed:
				x.Texts[it.Position] = "It is sealed because of a security marking."
			case it.Destroyed:
				x.Texts[it.Position] = "Its contents were lawfully destroyed. Only the entry is left."
			default:
				x.Texts[it.Position] = it.Text
			}
		}
	}
	return nil
}

// chatPage is one chat as its copies show it together: what each lacks, what they disagree about, and
// the messages with their sources.
type chatPage struct {
	frame
	*reading
	Path     string // of the page without a choice
	Copies   []copyRow
	People   []personRow
	Missing  []string
	Shows    []chatShow
	Show     string
	Messages []chatMessage
	Next     string
	Zone     string // whose clock the times are of
	Total    int64
}

type copyRow struct {
	Letter, By, Taken, Clock, Title string
	First, Last                     string
	Messages, Lacks, Only           int64
	Notes                           []string
}

type personRow struct {
	Name  string
	Names []string // "A: Asha Rao"
}

type chatShow struct {
	Name, Text string
	Count      int
	Current    bool
	Href       string
}

type chatMessage struct {
	Number   int64 // of the observation that it is named after
	Who      string
	When     string
	ISO      string
	What     string // "Text", "Image", … where nothing is shown of it
	Text     string
	Shown    bool // Text is what was said
	Sources  []string
	Missing  []string // letters of copies that lack it though they reach over its time
	Conflict []string
	Href     string
}

const messagesEach = 50

// letter names a copy: A, B, …
func letter(n int) string {
	if n < 26 {
		return string(rune('A' + n))
	}
	return strconv.Itoa(n + 1)
}

func (s *Server) thread(r *http.Request) (*chatlink.ChatThread, error) {
	t, err := s.Links.Thread(r.Context(), r.PathValue("chat"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, httpd.NotFound("There is no such captured chat.")
	}
	return t, err
}

func (s *Server) chat(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := s.thread(r)
	if err != nil {
		return err
	}
	x, err := s.reader(r, v)
	if err != nil {
		return err
	}
	p := &chatPage{frame: frame{Title: titled(t) + " from " + copies(len(t.Copies)), Back: link{root + "chats", "Chats that several people handed in"}, Wide: true},
		reading: x, Path: chatPath(t.Chat.ID), Show: r.FormValue("show"), Total: int64(len(t.Messages))}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	view := &threadView{ChatThread: t, names: n}
	p.Copies, p.People, p.Missing, p.Zone = view.copies(), view.people(), view.missing(), view.zone()
	lists := view.lists()
	from, _ := strconv.Atoi(r.FormValue("from"))
	var list []int
	for i := range lists {
		l := &lists[i]
		q := url.Values{"show": {l.Name}}
		if x.May() {
			q.Set("case", x.Case.ID)
		}
		l.Current, l.Href = l.Name == p.Show, p.Path+"?"+q.Encode()+"#messages"
		if l.Current {
			list = l.list
			if from = max(0, min(from, len(list))); len(list) > from+messagesEach {
				q.Set("from", strconv.Itoa(from+messagesEach))
				p.Next = p.Path + "?" + q.Encode() + "#messages"
			}
		}
		p.Shows = append(p.Shows, l.chatShow)
	}
	list = list[min(from, len(list)):]
	list = list[:min(len(list), messagesEach)]
	if err := s.read(r, v, x, view.sources(list)); err != nil {
		return err
	}
	for _, k := range list {
		p.Messages = append(p.Messages, view.message(k, x))
	}
	return s.show(w, r, v, "chat", p)
}

// titled is the chat by the name that one of its copies has for it.
func titled(t *chatlink.ChatThread) string {
	for _, c := range t.Copies {
		if c.Title != "" {
			return "“" + c.Title + "”"
		}
	}
	return "A chat"
}

func copies(n int) string {
	if n == 1 {
		return "one copy"
	}
	return fmt.Sprintf("%d copies", n)
}

// threadView puts a chat into words.
type threadView struct {
	*chatlink.ChatThread
	names *names
}

// wall is a moment on the reference's clock.
func (t *threadView) wall(ms int64) string {
	at := time.UnixMilli(ms)
	if t.Floating {
		at = at.UTC()
	}
	return at.Format("2 January 2006 at 15:04:05")
}

func (t *threadView) zone() string {
	if t.Floating {
		return "Nobody said in which time zone the telephones were: times are those of copy " + letter(t.Reference) + "’s clock."
	}
	return "Times are this server’s; other copies’ clocks were set by copy " + letter(t.Reference) + "."
}

func (t *threadView) copies() []copyRow {
	var out []copyRow
	for n, c := range t.Copies {
		g := t.Gaps.Copies[n]
		row := copyRow{Letter: letter(n), By: t.names.of(c.Person), Taken: day(c.Taken), Title: c.Title, Messages: int64(g.Messages),
			Lacks: int64(g.Lacks), Only: int64(g.OnlyHere), Clock: t.clock(n)}
		if g.Messages > 0 {
			row.First, row.Last = t.wall(g.First), t.wall(g.Last)
		}
		if g.CutOff {
			row.Notes = append(row.Notes, fmt.Sprintf("Cut off at its old end: others have %s earlier.", messagesWord(g.Earlier)))
		} else if g.Earlier > 0 {
			row.Notes = append(row.Notes, fmt.Sprintf("Begins later: others have %s earlier.", messagesWord(g.Earlier)))
		}
		if g.Later > 0 {
			row.Notes = append(row.Notes, fmt.Sprintf("Ends sooner: others have %s later.", messagesWord(g.Later)))
		}
		if g.Answers > 0 {
			row.Notes = append(row.Notes, fmt.Sprintf("Has %s that answer one it lacks.", messagesWord(g.Answers)))
		}
		out = append(out, row)
	}
	return out
}

func messagesWord(n int) string {
	if n == 1 {
		return "1 message"
	}
	return number(int64(n)) + " messages"
}

// clock says how a copy's clock stands to the reference's, or to the world's if that is known.
func (t *threadView) clock(n int) string {
	if n == t.Reference {
		return "The clock that times are shown by"
	}
	c := t.Clocks[n]
	floating := len(t.Copies[n].Sightings) > 0 && t.Copies[n].Sightings[0].Floating
	var parts []string
	for _, o := range c.Offsets {
		d := -time.Duration(o.Quarters) * 15 * time.Minute
		var words string
		switch {
		case floating && !t.Floating:
			words = "UTC" + signed(d)
		case d == 0:
			words = "the same"
		case d > 0:
			words = hours(d) + " ahead"
		default:
			words = hours(-d) + " behind"
		}
		if len(parts) > 0 {
			words = "then " + words
		}
		parts = append(parts, words)
	}
	if c.Skew != 0 {
		parts = append(parts, fmt.Sprintf("and %d seconds off", max(c.Skew, -c.Skew)/1000))
	}
	return strings.Join(parts, ", ")
}

func signed(d time.Duration) string {
	switch {
	case d > 0:
		return "+" + hours(d)
	case d < 0:
		return "\u2212" + hours(-d)
	}
	return ""
}

// hours writes a duration of whole minutes: 5:30.
func hours(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d.Hours()), int(d.Minutes())%60)
}

func (t *threadView) people() []personRow {
	var out []personRow
	for _, p := range t.People {
		row := personRow{Name: p.Name}
		for n, name := range p.Names {
			if name != "" {
				row.Names = append(row.Names, letter(n)+": "+name)
			}
		}
		out = append(out, row)
	}
	return out
}

// maxTold bounds how many of one sort of gaps are told of one by one.
const maxTold = 10

// missing says what is missing from the chat, and how that is known.
func (t *threadView) missing() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	g := t.Gaps
	for _, c := range g.Copies {
		spans := slices.Clone(c.Missing)
		slices.SortStableFunc(spans, func(a, b chatlink.Span) int { return len(b.Messages) - len(a.Messages) })
		for i, s := range spans {
			if i == 3 {
				say("Copy %s lacks messages in %s more places.", letter(c.Copy), number(int64(len(spans)-3)))
				break
			}
			if len(s.Messages) == 1 {
				say("Copy %s lacks a message of %s.", letter(c.Copy), t.wall(s.From))
			} else {
				say("Copy %s lacks %s from %s to %s.", letter(c.Copy), messagesWord(len(s.Messages)), t.wall(s.From), t.wall(s.To))
			}
		}
	}
	for i, d := range g.Deletions {
		if i == maxTold {
			say("%s more were deleted.", messagesWord(len(g.Deletions)-maxTold))
			break
		}
		kept := "no copy has it any more"
		if len(d.Kept) > 0 {
			kept = "still in " + t.letters(d.Kept)
		}
		when := ""
		switch {
		case d.After != 0 && d.Before != 0:
			when = fmt.Sprintf(", between %s and %s", t.wall(d.After), moment(d.Before))
		case d.Before != 0:
			when = ", before " + moment(d.Before)
		}
		say("A message of %s by %s was deleted%s: only its note is in %s, %s.", t.wall(t.Messages[d.Message].At), t.who(d.Message), when, t.letters(d.Gone), kept)
	}
	for i, x := range g.Timers {
		if i == maxTold {
			break
		}
		at := t.wall(t.Messages[x.Message].At)
		if !x.On {
			say("Disappearing messages were switched off on %s.", at)
			continue
		}
		after := ""
		if x.Seconds > 0 {
			after = " after " + hours(time.Duration(x.Seconds)*time.Second) + " hours"
		}
		var lost []string
		for n, k := range x.Lost {
			if k > 0 {
				lost = append(lost, fmt.Sprintf("copy %s lacks %s", letter(n), messagesWord(k)))
			}
		}
		text := fmt.Sprintf("From %s messages disappeared%s", at, after)
		if len(lost) > 0 {
			text += ": of that time, " + strings.Join(lost, " and ")
		}
		say("%s.", text)
	}
	for i, x := range g.Silences {
		if i == maxTold {
			break
		}
		who := t.People[x.Person].Name
		if x.Copy < 0 {
			say("From %s to %s others sent %s and %s nothing, in any copy: something may be missing.", t.wall(x.From), t.wall(x.To), messagesWord(x.Said), who)
		} else {
			say("From %s to %s copy %s has nothing by %s, of whom others have %s there.", t.wall(x.From), t.wall(x.To), letter(x.Copy), who, messagesWord(x.Known))
		}
	}
	if n := len(g.Unknown); n > 0 {
		say("%s answer one that is in no copy, the first on %s.", messagesWord(n), t.wall(t.Messages[g.Unknown[0]].At))
	}
	for _, x := range g.Again {
		say("%s handed in copy %s after copy %s. Since then %s were deleted, %s say something else, and %s are not there any more.", t.names.of(t.Copies[x.Later].Person),
			letter(x.Later), letter(x.Earlier), messagesWord(len(x.Deleted)), number(int64(len(x.Edited))), number(int64(len(x.Removed))))
	}
	return out
}

func (t *threadView) letters(list []int) string {
	var out []string
	for _, n := range list {
		out = append(out, letter(n))
	}
	word := "copy "
	if len(out) > 1 {
		word = "copies "
	}
	return word + strings.Join(out, ", ")
}

func (t *threadView) who(k int) string {
	if p := t.Messages[k].Person; p >= 0 {
		return t.People[p].Name
	}
	return systemName(t.Copies[0].System)
}

type shownList struct {
	chatShow
	list []int
}

// lists are the messages, and those of them that somebody may want to look at.
func (t *threadView) lists() []shownList {
	all, conflicts, lacking, deleted := []int{}, []int{}, []int{}, []int{}
	for k := range t.Messages {
		m := &t.Messages[k]
		all = append(all, k)
		if len(m.Conflicts) > 0 {
			conflicts = append(conflicts, k)
		}
		if slices.Contains(m.Conflicts, chatlink.DeletedHere) {
			deleted = append(deleted, k)
		}
		if m.Person >= 0 && len(t.lackedBy(m)) > 0 {
			lacking = append(lacking, k)
		}
	}
	out := []shownList{{chatShow{Name: "", Text: "All"}, all}, {chatShow{Name: "conflicts", Text: "The copies disagree"}, conflicts},
		{chatShow{Name: "lacking", Text: "Missing from a copy"}, lacking}, {chatShow{Name: "deleted", Text: "Deleted in a copy"}, deleted}}
	for i := range out {
		out[i].Count = len(out[i].list)
	}
	return out
}

// lackedBy are the copies that reach over the time of a message and do not have it.
func (t *threadView) lackedBy(m *chatlink.Message) []int {
	var out []int
	for n := range t.Copies {
		g := &t.Gaps.Copies[n]
		if m.At < g.First || m.At > g.Last || slices.ContainsFunc(m.Seen, func(s chatlink.Seen) bool { return s.Copy == n }) {
			continue
		}
		out = append(out, n)
	}
	return out
}

func (t *threadView) sighting(m *chatlink.Message, i int) *chatlink.Sighting {
	return &t.Copies[m.Seen[i].Copy].Sightings[m.Seen[i].Index]
}

// sources are the positions that the words of some messages are best taken from.
func (t *threadView) sources(list []int) []int64 {
	var out []int64
	for _, k := range list {
		m := &t.Messages[k]
		out = append(out, t.sighting(m, max(0, m.Words)).Pos)
	}
	return out
}

func (t *threadView) message(k int, x *reading) chatMessage {
	m := &t.Messages[k]
	best := t.sighting(m, max(0, m.Words))
	out := chatMessage{Number: m.Root, Who: t.who(k), When: t.wall(m.At), ISO: iso(m.At), What: what(best), Href: chatPath(t.Chat.ID) + "/messages/" + strconv.FormatInt(m.Root, 10)}
	if x.May() {
		out.Href += "?case=" + url.QueryEscape(x.Case.ID)
		out.Text, out.Shown = x.Texts[best.Pos], false
		if _, ok := x.Texts[best.Pos]; ok {
			out.Shown = true
		}
	}
	for _, s := range m.Seen {
		out.Sources = append(out.Sources, letter(s.Copy))
	}
	if m.Person >= 0 {
		for _, n := range t.lackedBy(m) {
			out.Missing = append(out.Missing, letter(n))
		}
	}
	for _, c := range m.Conflicts {
		out.Conflict = append(out.Conflict, conflict(c))
	}
	return out
}

func conflict(c chatlink.ConflictKind) string {
	switch c {
	case chatlink.OtherWords:
		return "Other words"
	case chatlink.EditedWords:
		return "Edited"
	case chatlink.DeletedHere:
		return "Deleted in a copy"
	case chatlink.OtherTime:
		return "Other time"
	case chatlink.OtherSender:
		return "Other sender"
	case chatlink.OtherFile:
		return "Other attachment"
	}
	return string(c)
}

// what says what sort of message it is, and nothing of what it says.
func what(s *chatlink.Sighting) string {
	switch {
	case s.Deleted:
		return "The note that a message was deleted"
	case s.Kind == capture.KindSystem:
		return "A line of the system’s own"
	case s.Files != 0:
		return "Attachment: " + s.Class
	case s.Placeholder:
		return "Attachment that the copy left out: " + s.Class
	case s.Runes > 0:
		return fmt.Sprintf("Text of %d characters", s.Runes)
	}
	return capital(string(s.Kind))
}

// sourcesPage is one message as each copy has it.
type sourcesPage struct {
	frame
	*reading
	Path     string
	ID       string
	Who      string
	When     string
	Conflict []string
	Seen     []seenRow
	Links    []linkRow
}

type seenRow struct {
	Letter, By, File, Place, Sender, Written, What, Text string
	Position                                             int64
	Shown                                                bool
	Best                                                 []string // fields of the best view that come from here
}

type linkRow struct {
	A, B    string // letters
	One     int64
	Other   int64
	Why     string
	Entry   int64
	MayPart bool
}

func (s *Server) chatMessage(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, err := s.thread(r)
	if err != nil {
		return err
	}
	view := &threadView{ChatThread: t, names: &names{s: s, ctx: r.Context(), known: make(map[string]string)}}
	root, _ := strconv.ParseInt(r.PathValue("item"), 10, 64)
	k := slices.IndexFunc(t.Messages, func(m chatlink.Message) bool { return m.Root == root })
	if k < 0 {
		return httpd.NotFound("There is no such message in this chat. It may have been linked to another since.")
	}
	x, err := s.reader(r, v)
	if err != nil {
		return err
	}
	m := &t.Messages[k]
	back := chatPath(t.Chat.ID)
	if x.May() {
		back += "?case=" + url.QueryEscape(x.Case.ID)
	}
	p := &sourcesPage{frame: frame{Title: "One message, as each copy has it", Back: link{back, "The chat"}}, reading: x,
		Path: chatPath(t.Chat.ID) + "/messages/" + strconv.FormatInt(root, 10), Who: view.who(k), When: view.wall(m.At)}
	if p.ID, _, err = s.Links.LogicalMessage(r.Context(), root); err != nil {
		return err
	}
	for _, c := range m.Conflicts {
		p.Conflict = append(p.Conflict, conflict(c))
	}
	var positions []int64
	for i := range m.Seen {
		positions = append(positions, view.sighting(m, i).Pos)
	}
	if err := s.read(r, v, x, positions); err != nil {
		return err
	}
	letters := map[int64]string{}
	for i, seen := range m.Seen {
		row, err := s.seen(r, view, m, i, x)
		if err != nil {
			return err
		}
		letters[row.Position] = letter(seen.Copy)
		p.Seen = append(p.Seen, *row)
	}
	for _, pos := range positions {
		pairs, err := store.ObservationPairsOf(r.Context(), s.DB.Reader(), pos)
		if err != nil {
			return err
		}
		for _, pair := range pairs {
			if pair.A == pos && pair.State == "linked" && letters[pair.B] != "" {
				p.Links = append(p.Links, linkRow{letters[pair.A], letters[pair.B], pair.A, pair.B, because(pair), pair.Entry, true})
			}
		}
	}
	return s.show(w, r, v, "chatmessage", p)
}

// seen describes one observation of a message.
func (s *Server) seen(r *http.Request, t *threadView, m *chatlink.Message, i int, x *reading) (*seenRow, error) {
	sight := t.sighting(m, i)
	e, err := store.EntryAt(r.Context(), s.DB.Reader(), sight.Pos)
	if err != nil {
		return nil, err
	}
	row := &seenRow{Letter: letter(m.Seen[i].Copy), By: t.names.of(t.Copies[m.Seen[i].Copy].Person), Position: sight.Pos, What: what(sight), Sender: sight.Sender}
	row.Text, row.Shown = x.Texts[sight.Pos], false
	if _, ok := x.Texts[sight.Pos]; ok {
		row.Shown = true
	}
	if e.Body == nil {
		row.What = "Its contents were lawfully destroyed"
		return row, nil
	}
	o, err := capture.DecodeObservation(e.Body)
	if err != nil {
		return nil, err
	}
	row.File, row.Written = o.Origin.FileSHA256, o.Sent.Raw
	if row.Written == "" {
		row.Written = o.Sent.Local
	}
	switch {
	case o.Origin.Row != 0:
		row.Place = fmt.Sprintf("%s, row %s", o.Origin.Path, number(o.Origin.Row))
	case o.Origin.Line != 0:
		row.Place = fmt.Sprintf("line %s, bytes %s to %s", number(o.Origin.Line), number(o.Origin.ByteStart), number(o.Origin.ByteEnd))
	default:
		row.Place = fmt.Sprintf("bytes %s to %s", number(o.Origin.ByteStart), number(o.Origin.ByteEnd))
	}
	if o.Origin.Path != "" && o.Origin.Row == 0 {
		row.Place = o.Origin.Path + ", " + row.Place
	}
	for _, f := range []struct {
		from int
		name string
	}{{m.Words, "words"}, {m.Time, "time"}, {m.Sender, "sender"}, {m.Attachment, "attachment"}} {
		if f.from == i {
			row.Best = append(row.Best, f.name)
		}
	}
	return row, nil
}

// because says in words why two observations are, or may be, one message.
func because(p store.ObservationPair) string {
	if p.Said == "same" {
		return "A person says that they are the same."
	}
	why := map[chatlink.Rule]string{
		chatlink.ByNative:   "Both bear the same id of the system’s.",
		chatlink.ByFile:     "The same attachment from the same person at the same time.",
		chatlink.ByText:     "The same words from the same person in the same second.",
		chatlink.ByMinute:   "The same words from the same person in the same minute.",
		chatlink.ByDeletion: "One is the note of a deletion where the other has the message.",
		chatlink.ByOmission: "One copy left out the attachment that the other has.",
		chatlink.ByEdit:     "The words differ, and one copy says that it was edited.",
		chatlink.ByLikeness: "The words differ a little.",
		chatlink.ByPlace:    "The words differ, from the same person at the same moment.",
		chatlink.BySystem:   "The same line of the system’s own.",
		chatlink.ByContent:  "Words that nothing else in the chat has, at another time.",
		chatlink.BySender:   "The same words at the same time, from somebody else.",
	}[chatlink.Rule(p.Rule)]
	return fmt.Sprintf("%s Probability %s\u00a0%%.", why, strconv.FormatFloat(math.Floor(float64(p.Score)/10)/10, 'f', 1, 64))
}

// doubtsPage is the queue of what a person should look at: conversations first, then messages.
type doubtsPage struct {
	frame
	*reading
	Chats    []chatDoubt
	Messages []messageDoubt
	Next     string
	Said     []saidRow
	Done     string // what was just said
}

type chatDoubt struct {
	A, B    copyWords
	Reasons []string
	Entry   int64
}

type copyWords struct{ ID, Title, By, Taken string }

type messageDoubt struct {
	Why  string
	Seen [2]seenWords
}

type seenWords struct {
	Position                            int64
	By, Sender, Written, What, Text, ID string
	Shown                               bool
}

type saidRow struct {
	Words string
	When  string
	Entry int64
	May   bool // it can be taken back
}

const doubtsEach = 20

func (s *Server) doubts(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &doubtsPage{frame: frame{Title: "Possible doubles", Back: link{root + "chats", "Chats that several people handed in"}}}
	var err error
	if p.reading, err = s.reader(r, v); err != nil {
		return err
	}
	switch r.FormValue("done") {
	case "same":
		p.Done = "It is on the record that they are the same."
	case "apart":
		p.Done = "It is on the record that they are not the same."
	case "undone":
		p.Done = "It is on the record that this was taken back."
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	q := s.DB.Reader()
	a, _ := strconv.ParseInt(r.FormValue("a"), 10, 64)
	b, _ := strconv.ParseInt(r.FormValue("b"), 10, 64)
	if a == 0 {
		a = -1
		pairs, err := store.LinkedPairsIn(r.Context(), q, string(chatlink.PerhapsSame), -1, -1, doubtsEach)
		if err != nil {
			return err
		}
		for _, x := range pairs {
			d, err := s.chatDoubt(r, n, x)
			if err != nil {
				return err
			}
			p.Chats = append(p.Chats, *d)
		}
	}
	list, err := store.Doubts(r.Context(), q, a, b, doubtsEach)
	if err != nil {
		return err
	}
	var positions []int64
	for _, x := range list {
		positions = append(positions, x.A, x.B)
	}
	if err := s.read(r, v, p.reading, positions); err != nil {
		return err
	}
	for _, x := range list {
		d, err := s.messageDoubt(r, n, p.reading, x)
		if err != nil {
			return err
		}
		p.Messages = append(p.Messages, *d)
	}
	if len(list) == doubtsEach {
		last := list[len(list)-1]
		p.Next = fmt.Sprintf("%schats/doubts?a=%d&b=%d&case=%s", root, last.A, last.B, url.QueryEscape(p.Choice.Value))
	}
	if p.Said, err = s.saidRows(r, n); err != nil {
		return err
	}
	return s.show(w, r, v, "doubts", p)
}

func (s *Server) chatDoubt(r *http.Request, n *names, x store.LinkedPair) (*chatDoubt, error) {
	d := &chatDoubt{Entry: x.Entry}
	for i, scope := range []int64{x.A, x.B} {
		c, err := s.Links.Copy(r.Context(), scope)
		if err != nil {
			return nil, err
		}
		words := copyWords{c.ID, c.Title, n.of(c.Person), day(c.Taken)}
		if i == 0 {
			d.A = words
		} else {
			d.B = words
		}
	}
	var err error
	d.Reasons, err = s.Links.Reasons(r.Context(), x.Entry)
	return d, err
}

func (s *Server) messageDoubt(r *http.Request, n *names, x *reading, pair store.ObservationPair) (*messageDoubt, error) {
	d := &messageDoubt{Why: because(pair)}
	for i, pos := range []int64{pair.A, pair.B} {
		item, err := store.CapturedItemAt(r.Context(), s.DB.Reader(), pos)
		if err != nil {
			return nil, err
		}
		c, err := s.Links.Copy(r.Context(), item.Scope)
		if err != nil {
			return nil, err
		}
		e, err := store.EntryAt(r.Context(), s.DB.Reader(), pos)
		if err != nil {
			return nil, err
		}
		w := &d.Seen[i]
		w.Position, w.By, w.Sender, w.What, w.ID = pos, n.of(c.Person), item.Sender, "Its contents were lawfully destroyed", c.ID
		w.Text = x.Texts[pos]
		_, w.Shown = x.Texts[pos]
		if e.Body == nil {
			continue
		}
		o, err := capture.DecodeObservation(e.Body)
		if err != nil {
			return nil, err
		}
		sight := chatlink.See(pos, c.System, o, nil)
		w.What, w.Written = what(&sight), o.Sent.Raw
		if w.Written == "" {
			w.Written = o.Sent.Local
		}
	}
	return d, nil
}

// saidRows are the latest things that people said about doubles.
func (s *Server) saidRows(r *http.Request, n *names) ([]saidRow, error) {
	list, err := store.LinksSaid(r.Context(), s.DB.Reader(), math.MaxInt64, 10)
	if err != nil {
		return nil, err
	}
	var out []saidRow
	for _, x := range list {
		words := fmt.Sprintf("messages no. %s and no. %s", number(x.A), number(x.B))
		if x.About == "conversations" {
			var titles []string
			for _, scope := range []int64{x.A, x.B} {
				c, err := s.Links.Copy(r.Context(), scope)
				if err != nil {
					return nil, err
				}
				titles = append(titles, fmt.Sprintf("“%s” of %s", c.Title, n.of(c.Person)))
			}
			words = "the chats " + strings.Join(titles, " and ")
		}
		row := saidRow{Words: n.of(x.Person) + " said that " + words + map[bool]string{true: " are the same", false: " are not the same"}[x.Same], When: moment(x.Time), Entry: x.Entry, May: x.Undone < 0}
		if x.Undone >= 0 {
			row.Words += ", and that was taken back"
		}
		out = append(out, row)
	}
	return out, nil
}

// say records what a person says about two messages or two conversations.
func (s *Server) say(w http.ResponseWriter, r *http.Request, v *visit) error {
	same, done := false, "apart"
	switch r.PostForm.Get("answer") {
	case "same":
		same, done = true, "same"
	case "apart":
	default:
		return httpd.InvalidParam("Say whether they are the same or not. Go back and choose.")
	}
	var err error
	if a := r.PostForm.Get("chat-a"); a != "" {
		err = s.Links.SayChats(r.Context(), v.Session.User, a, r.PostForm.Get("chat-b"), same)
	} else {
		one, _ := strconv.ParseInt(r.PostForm.Get("one"), 10, 64)
		other, _ := strconv.ParseInt(r.PostForm.Get("other"), 10, 64)
		err = s.Links.Say(r.Context(), v.Session.User, one, other, same)
	}
	if err != nil {
		return err
	}
	return seeOther(w, r, root+"chats/doubts?done="+done+"&case="+url.QueryEscape(r.PostForm.Get("case")))
}

func (s *Server) undoSaid(w http.ResponseWriter, r *http.Request, v *visit) error {
	entry, err := strconv.ParseInt(r.PostForm.Get("entry"), 10, 64)
	if err != nil {
		return httpd.NotFound("Nobody has said anything in that entry.")
	}
	if err := s.Links.Undo(r.Context(), v.Session.User, entry); err != nil {
		return err
	}
	return seeOther(w, r, root+"chats/doubts?done=undone&case="+url.QueryEscape(r.PostForm.Get("case")))
}
