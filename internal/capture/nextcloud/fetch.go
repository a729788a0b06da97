package nextcloud

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Client fetches from one server, as one person.
type Client struct {
	Server  string   // https://cloud.example.org, with the folder that Nextcloud is in, if any
	Allowed []string // the servers that may be fetched from, as in Server; no other is
	Token   string   // an app password: "user:password", or only the password
	HTTP    *http.Client
	Wait    func(ctx context.Context, d time.Duration) error // nil waits by the clock
	Now     func() time.Time                                 // nil is time.Now
}

// Bounds of a fetch.
const (
	pageSize   = 200      // messages: the most that Talk gives at once
	maxAnswer  = 32 << 20 // bytes
	maxPages   = 100_000
	maxRefused = 6                      // times that a request is made again
	between    = 200 * time.Millisecond // between two requests
	longest    = 2 * time.Minute        // that a server may ask to wait
)

// verbatim keeps what the server sends letter by letter, but for the spaces between.
var verbatim = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true), jsontext.PreserveRawStrings(true))

// Problem is why nothing can be fetched, in words for the person who asked for it.
type Problem struct{ Text string }

func (p *Problem) Error() string { return p.Text }

var tokenForm = regexp.MustCompile(`^[a-zA-Z0-9]{4,64}$`)

// Fetch writes a conversation to a dump file. What is fetched is kept page by page in path + ".part",
// so that a fetch that was broken off goes on where it stopped, when Fetch is called again.
//
// The history is fetched from the newest message to the oldest, and then what came meanwhile. In the
// dump the messages are in the order of the server, the oldest first. Nothing is marked as read.
// Progress, if not nil, is told how many messages there are.
func (c *Client) Fetch(ctx context.Context, room, path string, progress func(messages int64)) error {
	if err := c.check(room); err != nil {
		return err
	}
	p, err := openPart(path+".part", strings.TrimSuffix(c.Server, "/"), room)
	if err != nil {
		return err
	}
	defer p.close()
	if progress == nil {
		progress = func(int64) {}
	}
	f := &fetch{Client: c, ctx: ctx, room: room, part: p, progress: progress}
	if err := f.all(); err != nil {
		return err
	}
	if err := p.assemble(path, c.now()); err != nil {
		return fmt.Errorf("write the dump %s: %w", path, err)
	}
	return os.Remove(path + ".part")
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// check refuses what must not be asked, before anything is.
func (c *Client) check(room string) error {
	u, err := url.Parse(c.Server)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return &Problem{fmt.Sprintf("“%s” is no address of a Nextcloud: write it as https://cloud.example.org.", c.Server)}
	}
	if !slices.ContainsFunc(c.Allowed, func(a string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(c.Server, "/") }) {
		return &Problem{fmt.Sprintf("%s is not among the servers that may be fetched from. The setting nextcloud-servers lists them.", c.Server)}
	}
	if !tokenForm.MatchString(room) {
		return &Problem{"The room's token is the last part of its address in the browser: …/call/TOKEN."}
	}
	if strings.TrimSpace(c.Token) == "" {
		return &Problem{"There is no app password. Make one in Nextcloud under Settings, Security, Devices & sessions."}
	}
	return nil
}

// fetch is one fetch under way.
type fetch struct {
	*Client
	ctx      context.Context
	room     string
	part     *part
	progress func(int64)
	asked    bool
}

func (f *fetch) all() error {
	if !f.part.described {
		var about struct {
			Room         jsontext.Value `json:"room"`
			Participants jsontext.Value `json:"participants"`
		}
		var err error
		if about.Room, _, err = f.get("api/v4/room/"+f.room, nil); err != nil {
			return err
		}
		if about.Participants, _, err = f.get("api/v4/room/"+f.room+"/participants", nil); err != nil {
			if p := (*refused)(nil); !errors.As(err, &p) || p.status != http.StatusForbidden {
				return err
			}
			about.Participants = jsontext.Value("[]") // guests may not see them
		}
		if err := f.part.add(partLine{About: &partAbout{Room: about.Room, Participants: about.Participants}}); err != nil {
			return err
		}
	}
	for !f.part.reachedOldest {
		if err := f.page(false); err != nil {
			return err
		}
	}
	for f.part.reachedNewest = false; !f.part.reachedNewest; {
		if err := f.page(true); err != nil {
			return err
		}
	}
	return nil
}

// page fetches one page: of what is newer than the newest message, or older than the oldest.
func (f *fetch) page(newer bool) error {
	if f.part.pages >= maxPages {
		return &Problem{fmt.Sprintf("The conversation has more than %d pages.", maxPages)}
	}
	q := url.Values{"limit": {strconv.Itoa(pageSize)}, "setReadMarker": {"0"}, "markNotificationsAsRead": {"0"}, "noStatusUpdate": {"1"},
		"lookIntoFuture": {"0"}, "includeLastKnown": {"0"}}
	last := f.part.oldest
	if newer {
		last = f.part.newest
		q.Set("lookIntoFuture", "1")
		q.Set("timeout", "0") // do not wait for somebody to say something
	}
	if last > 0 {
		q.Set("lastKnownMessageId", strconv.FormatInt(last, 10))
	}
	data, h, err := f.get("api/v1/chat/"+f.room, q)
	if err != nil {
		return err
	}
	var list []jsontext.Value
	if data != nil {
		if err := json.Unmarshal(data, &list, verbatim); err != nil {
			return &Problem{"The server's answer is not one of Nextcloud Talk's."}
		}
	}
	line := partLine{Newer: newer}
	if given, err := strconv.ParseInt(h.Get("X-Chat-Last-Given"), 10, 64); err == nil {
		line.Last = given
	}
	for _, m := range list {
		id, err := idOf(m)
		if err != nil {
			return err
		}
		item := dumpMessage{Message: m}
		if hasReactions(m) {
			if item.Reactions, _, err = f.get(fmt.Sprintf("api/v1/reaction/%s/%d", f.room, id), nil); err != nil {
				if p := (*refused)(nil); !errors.As(err, &p) {
					return err
				}
				item.Reactions = nil // the message is gone meanwhile, or the server is too old
			}
		}
		line.Messages = append(line.Messages, item)
		line.ids = append(line.ids, id)
	}
	line.End = len(list) == 0
	if !line.End && !line.moves(last) {
		return &Problem{"The server gives out the same messages again and again. What has been fetched is kept; tell whoever looks after the server."}
	}
	if err := f.part.add(line); err != nil {
		return err
	}
	f.progress(f.part.messages)
	return nil
}

func idOf(m jsontext.Value) (int64, error) {
	var v struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(m, &v, verbatim); err != nil || v.ID <= 0 {
		return 0, &Problem{"The server's answer has a message without a number. It is not one of Nextcloud Talk's."}
	}
	return v.ID, nil
}

func hasReactions(m jsontext.Value) bool {
	var v struct {
		Reactions jsontext.Value `json:"reactions"`
	}
	return json.Unmarshal(m, &v, verbatim) == nil && len(v.Reactions) > 2 && v.Reactions.Kind() == '{'
}

// refused is an answer that says no.
type refused struct {
	status int
	text   string
}

func (r *refused) Error() string { return r.text }

// get asks the server, politely and several times if need be, and returns what it answers; nil if there
// is nothing more (304).
func (f *fetch) get(what string, q url.Values) (jsontext.Value, http.Header, error) {
	u := strings.TrimSuffix(f.Server, "/") + "/ocs/v2.php/apps/spreed/" + what
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	pause := time.Second
	for n := 1; ; n++ {
		if f.asked {
			if err := f.wait(between); err != nil {
				return nil, nil, err
			}
		}
		f.asked = true
		data, h, status, err := f.ask(u)
		switch {
		case f.ctx.Err() != nil:
			return nil, nil, f.ctx.Err()
		case err == nil && status == http.StatusNotModified:
			return nil, h, nil
		case err == nil && status == http.StatusOK:
			var v struct {
				OCS struct {
					Data jsontext.Value `json:"data"`
				} `json:"ocs"`
			}
			if err := json.Unmarshal(data, &v, verbatim); err != nil || v.OCS.Data == nil {
				return nil, nil, &Problem{"The server's answer is not one of Nextcloud Talk's. Is the address right?"}
			}
			return v.OCS.Data, h, nil
		case err == nil && status != http.StatusTooManyRequests && status < 500:
			return nil, nil, refusal(status)
		}
		if p := (*Problem)(nil); errors.As(err, &p) {
			return nil, nil, err
		}
		if n == maxRefused {
			if err == nil {
				err = refusal(status)
			}
			return nil, nil, fmt.Errorf("ask %s, %d times: %w", f.Server, n, err)
		}
		if s, e := strconv.Atoi(h.Get("Retry-After")); e == nil && s > 0 {
			pause = min(time.Duration(s)*time.Second, longest)
		}
		if err := f.wait(pause); err != nil {
			return nil, nil, err
		}
		pause = min(2*pause, longest)
	}
}

func refusal(status int) error {
	text := fmt.Sprintf("The server answered %d.", status)
	switch status {
	case http.StatusUnauthorized:
		text = "The server does not accept the app password. Make a new one in Nextcloud under Settings, Security."
	case http.StatusForbidden, http.StatusNotFound:
		text = "The server knows no such conversation, or you are not in it."
	case http.StatusPreconditionFailed:
		text = "The conversation is locked by its lobby, so nothing of it can be fetched now."
	case http.StatusTooManyRequests:
		text = "The server asks to be left alone for a while. Try again later: what has been fetched is kept."
	}
	return &refused{status, text}
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.Wait != nil {
		return c.Wait(ctx, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fetch) wait(d time.Duration) error { return f.Client.wait(f.ctx, d) }

// ask makes one request. It does not follow the server to another.
func (f *fetch) ask(u string) ([]byte, http.Header, int, error) {
	ctx, cancel := context.WithTimeout(f.ctx, 90*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, nil, 0, err
	}
	req.Header.Set("OCS-APIRequest", "true")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Despatch")
	token := strings.TrimSpace(f.Token)
	if strings.Contains(token, ":") {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(token)))
	} else {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{}
	if f.HTTP != nil {
		client = *f.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, http.Header{}, 0, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 && res.StatusCode < 400 && res.StatusCode != http.StatusNotModified {
		return nil, nil, 0, &Problem{fmt.Sprintf("The server sends us on to another address, %s. Give that one, if it is right.", host(res.Header.Get("Location")))}
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(data) > maxAnswer {
		err = &Problem{fmt.Sprintf("The server's answer is longer than %d MB.", maxAnswer>>20)}
	}
	return data, res.Header, res.StatusCode, err
}

// part is what has been fetched so far, a line for each page.
type part struct {
	f              *os.File
	server, room   string
	described      bool
	oldest, newest int64
	reachedOldest  bool
	reachedNewest  bool
	pages          int
	messages       int64
	at             int64 // where the next line goes
	older, newer   []int64
	about          int64
}

type partLine struct {
	Server   string        `json:"server,omitempty"`
	Room     string        `json:"room,omitempty"`
	About    *partAbout    `json:"about,omitempty"`
	Newer    bool          `json:"newer,omitzero"`
	Last     int64         `json:"last,omitzero"` // X-Chat-Last-Given
	End      bool          `json:"end,omitzero"`
	Messages []dumpMessage `json:"messages,omitempty"`

	ids []int64
}

type partAbout struct {
	Room         jsontext.Value `json:"room"`
	Participants jsontext.Value `json:"participants"`
}

// dumpMessage is a message as it stands in a dump.
type dumpMessage struct {
	Message   jsontext.Value `json:"message"`
	Reactions jsontext.Value `json:"reactions,omitempty"` // who reacted, where anybody has
}

// span returns the lowest and the highest number that the page leads to.
func (l *partLine) span() (low, high int64) {
	ids := l.ids
	if l.Last > 0 {
		ids = append(slices.Clone(ids), l.Last)
	}
	if len(ids) == 0 {
		return 0, 0
	}
	return slices.Min(ids), slices.Max(ids)
}

// moves says whether the page leads further than the last one did.
func (l *partLine) moves(last int64) bool {
	low, high := l.span()
	if l.Newer {
		return high > last
	}
	return last == 0 || low < last
}

// openPart opens what an earlier fetch has left, or begins.
func openPart(path, server, room string) (*part, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	p := &part{f: f, server: server, room: room}
	if err := p.load(); err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *part) close() { p.f.Close() }

// load reads the lines that are whole and cuts off what a crash has left of the last one.
func (p *part) load() error {
	r := bufio.NewReaderSize(p.f, 1<<20)
	for n := 0; ; n++ {
		raw, err := r.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		var l partLine
		if err := json.Unmarshal(raw, &l, verbatim); err != nil {
			break
		}
		if n == 0 && (l.Server != p.server || l.Room != p.room) {
			return &Problem{fmt.Sprintf("%s is of another conversation. Move it away, or name another file.", p.f.Name())}
		}
		for _, m := range l.Messages {
			id, err := idOf(m.Message)
			if err != nil {
				return err
			}
			l.ids = append(l.ids, id)
		}
		p.took(&l, int64(len(raw)))
	}
	if err := p.f.Truncate(p.at); err != nil {
		return err
	}
	if p.at == 0 {
		return p.add(partLine{Server: p.server, Room: p.room})
	}
	return nil
}

// add appends a line, durably.
func (p *part) add(l partLine) error {
	b, err := json.Marshal(l, verbatim)
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if _, err := p.f.WriteAt(b, p.at); err != nil {
		return err
	}
	if err := p.f.Sync(); err != nil {
		return err
	}
	p.took(&l, int64(len(b)))
	return nil
}

func (p *part) took(l *partLine, size int64) {
	at := p.at
	p.at += size
	if l.About != nil {
		p.described, p.about = true, at
		return
	}
	if l.Server != "" {
		return
	}
	p.pages++
	p.messages += int64(len(l.Messages))
	low, high := l.span()
	if low > 0 && (p.oldest == 0 || low < p.oldest) {
		p.oldest = low
	}
	p.newest = max(p.newest, high)
	switch {
	case l.Newer:
		p.newer = append(p.newer, at)
		p.reachedNewest = l.End
	default:
		p.older = append(p.older, at)
		p.reachedOldest = p.reachedOldest || l.End
	}
}

// assemble writes the dump: the pages of the history backwards, then what came after.
func (p *part) assemble(path string, now time.Time) (err error) {
	out, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			out.Close()
			os.Remove(path + ".new")
		}
	}()
	w := bufio.NewWriterSize(out, 1<<20)
	line := func(v any) error {
		b, err := json.Marshal(v, verbatim)
		if err == nil {
			_, err = w.Write(append(b, '\n'))
		}
		return err
	}
	err = line(struct {
		Format  string `json:"format"`
		Server  string `json:"server"`
		Room    string `json:"room"`
		Fetched string `json:"fetched"`
	}{DumpFormat, p.server, p.room, now.UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	about, err := p.line(p.about)
	if err != nil {
		return err
	}
	if err := line(struct {
		Room jsontext.Value `json:"room"`
	}{about.About.Room}); err != nil {
		return err
	}
	if err := line(struct {
		Participants jsontext.Value `json:"participants"`
	}{about.About.Participants}); err != nil {
		return err
	}
	n := int64(0)
	last := int64(0)
	pages := slices.Clone(p.older)
	slices.Reverse(pages)
	for _, at := range append(pages, p.newer...) {
		l, err := p.line(at)
		if err != nil {
			return err
		}
		slices.SortFunc(l.Messages, func(a, b dumpMessage) int { x, _ := idOf(a.Message); y, _ := idOf(b.Message); return int(x - y) })
		for _, m := range l.Messages {
			if id, _ := idOf(m.Message); id <= last {
				continue // a page that overlaps another
			} else {
				last = id
			}
			n++
			if err := line(m); err != nil {
				return err
			}
		}
	}
	type end struct {
		Messages int64 `json:"messages"`
		Whole    bool  `json:"whole"`
	}
	if err := line(struct {
		End end `json:"end"`
	}{end{n, true}}); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), out.Sync(), out.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// line reads a line again.
func (p *part) line(at int64) (*partLine, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(p.f, at, p.at-at), 64<<10)
	raw, err := r.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	l := &partLine{}
	return l, json.Unmarshal(bytes.TrimSpace(raw), l, verbatim)
}
