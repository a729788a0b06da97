package nextcloud

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"despatch/internal/capture"
	"despatch/internal/capture/capturetest"
)

// talk answers as the documentation of Nextcloud Talk says that its server does. It is not Nextcloud:
// that could not be run here.
type talk struct {
	*httptest.Server
	t testing.TB

	mu       sync.Mutex
	ids      []int64 // of the messages, ascending
	requests int
	wrong    []string    // what was asked as the documentation does not allow
	trouble  map[int]int // status to answer to the nth request
	during   func(n int) // called before the nth request is answered; mu is held
	stuck    bool        // give out the first page for ever
	waits    []time.Duration
}

const roomToken, appPassword = "abc123xyz", "mele:AAAAA-BBBBB"

func newTalk(t testing.TB, n int) *talk {
	s := &talk{t: t, trouble: map[int]int{}}
	for i := range n {
		s.ids = append(s.ids, int64(1000+7*i))
	}
	mux := http.NewServeMux()
	const base = "/ocs/v2.php/apps/spreed/api/"
	mux.HandleFunc("GET "+base+"v4/room/{room}", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, `{"token":"`+roomToken+`","type":2,"displayName":"Harbour works"}`)
	})
	mux.HandleFunc("GET "+base+"v4/room/{room}/participants", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, `[{"actorType":"users","actorId":"mele","displayName":"Mele Tau"},{"actorType":"users","actorId":"sione","displayName":"Sione"}]`)
	})
	mux.HandleFunc("GET "+base+"v1/reaction/{room}/{id}", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, `{"👍":[{"actorType":"users","actorId":"mele","actorDisplayName":"Mele Tau","timestamp":1760009999}]}`)
	})
	mux.HandleFunc("GET "+base+"v1/chat/{room}", s.chat)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests++
		if s.during != nil {
			s.during(s.requests)
		}
		user, password, _ := r.BasicAuth()
		if r.Header.Get("OCS-APIRequest") != "true" || user+":"+password != appPassword {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if status := s.trouble[s.requests]; status != 0 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *talk) answer(w http.ResponseWriter, data string) {
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"ocs":{"meta":{"status":"ok","statuscode":200,"message":"OK"},"data":%s}}`, data)
}

// raw is a message as the server writes it: escaped, and with a number that no float can hold.
func raw(id int64) string {
	reactions := "[]"
	if id%350 == 0 {
		reactions = `{"👍":2}`
	}
	return fmt.Sprintf(`{"id":%d,"token":"%s","actorType":"users","actorId":"sione","actorDisplayName":"Sione","timestamp":%d,"message":"M\u0101l\u014d %d \/","messageParameters":[],"systemMessage":"","messageType":"comment","reactions":%s,"big":9007199254740993}`,
		id, roomToken, 1760000000+id/10, id, reactions)
}

// chat implements "Receive chat messages of a conversation".
func (s *talk) chat(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	last, _ := strconv.ParseInt(q.Get("lastKnownMessageId"), 10, 64)
	if q.Get("setReadMarker") != "0" || q.Get("markNotificationsAsRead") != "0" || q.Get("noStatusUpdate") != "1" || limit < 1 || limit > 200 || r.PathValue("room") != roomToken {
		s.wrong = append(s.wrong, r.URL.String())
	}
	var page []string
	given := int64(0)
	add := func(id int64) bool { page = append(page, raw(id)); given = id; return len(page) < limit }
	if q.Get("lookIntoFuture") == "1" {
		if q.Get("timeout") != "0" {
			s.wrong = append(s.wrong, r.URL.String())
		}
		for _, id := range s.ids {
			if id > last && !add(id) {
				break
			}
		}
	} else {
		for i := len(s.ids) - 1; i >= 0; i-- {
			if id := s.ids[i]; (last == 0 || id < last || s.stuck) && !add(id) {
				break
			}
		}
	}
	if len(page) == 0 {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("X-Chat-Last-Given", strconv.FormatInt(given, 10))
	s.answer(w, "["+strings.Join(page, ",")+"]")
}

func (s *talk) client() *Client {
	return &Client{Server: s.URL, Allowed: []string{s.URL + "/"}, Token: appPassword + "\n", HTTP: s.Client(),
		Wait: func(ctx context.Context, d time.Duration) error { s.waits = append(s.waits, d); return ctx.Err() },
		Now:  func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }}
}

// checkDump reads a dump and compares it with what the server has.
func (s *talk) checkDump(t *testing.T, path string) *capturetest.Run {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != len(s.ids)+4 {
		t.Fatalf("the dump has %d lines, want %d messages and 4", len(lines), len(s.ids))
	}
	for i, id := range s.ids {
		if !strings.HasPrefix(lines[i+3], `{"message":`+raw(id)) {
			t.Fatalf("line %d is %s, want %s", i+4, lines[i+3], raw(id))
		}
	}
	r := capturetest.Must(t, Parser{}, capture.Options{}, capturetest.File(t, "talk.jsonl", data))
	if len(r.Messages) != len(s.ids) || r.Coverage.LikelyTruncated {
		t.Fatalf("%d messages, want %d", len(r.Messages), len(s.ids))
	}
	for i, id := range s.ids {
		if o := r.Messages[i]; o.NativeID != fmt.Sprint(id) || o.Body != fmt.Sprintf("Mālō %d /", id) || o.Sent.Min != (1760000000+id/10)*1000 || o.Sender != "Sione" || o.Chat != roomToken {
			t.Fatalf("message %d is %+v", i, o)
		}
	}
	if c := r.Conversations[0]; c.Title != "Harbour works" || c.Kind != "group" || c.ID != roomToken || c.Tenant == "" || len(c.Participants) != 2 {
		t.Errorf("the conversation is %+v", c)
	}
	return r
}

func TestFetch(t *testing.T) {
	for _, n := range []int{0, 1, 199, 200, 201, 950} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			s := newTalk(t, n)
			path := filepath.Join(t.TempDir(), "talk.jsonl")
			if err := s.client().Fetch(t.Context(), roomToken, path, nil); err != nil {
				t.Fatal(err)
			}
			if len(s.wrong) > 0 {
				t.Errorf("asked for %q", s.wrong)
			}
			if n == 0 {
				return // a dump without a message is no chat to read
			}
			r := s.checkDump(t, path)
			for i, id := range s.ids {
				want := 0
				if id%350 == 0 {
					want = 2 // by count: one of them with a name
				}
				if x := r.Messages[i].Reactions; len(x) != want || want == 2 && (x[0].Actor != "Mele Tau" || x[1].Actor != "") {
					t.Errorf("reactions to %d are %+v", id, x)
				}
			}
			if _, err := os.Stat(path + ".part"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the pages are still there: %v", err)
			}
		})
	}
}

// TestFetchMeanwhile has people talk while the history is fetched.
func TestFetchMeanwhile(t *testing.T) {
	s := newTalk(t, 500)
	s.during = func(n int) {
		if n < 9 {
			s.ids = append(s.ids, s.ids[len(s.ids)-1]+3)
		}
	}
	path := filepath.Join(t.TempDir(), "talk.jsonl")
	if err := s.client().Fetch(t.Context(), roomToken, path, nil); err != nil {
		t.Fatal(err)
	}
	s.checkDump(t, path)
}

// TestFetchTrouble has the server refuse now and then, and says how long to wait.
func TestFetchTrouble(t *testing.T) {
	s := newTalk(t, 450)
	s.trouble[1], s.trouble[4], s.trouble[5] = 503, 429, 500
	path := filepath.Join(t.TempDir(), "talk.jsonl")
	if err := s.client().Fetch(t.Context(), roomToken, path, nil); err != nil {
		t.Fatal(err)
	}
	s.checkDump(t, path)
	long := 0
	for _, d := range s.waits {
		if d >= 7*time.Second {
			long++
		}
	}
	if long != 3 {
		t.Errorf("waited %v", s.waits)
	}
}

// TestFetchResumes breaks a fetch off after each number of requests, and once in the midst of a line.
func TestFetchResumes(t *testing.T) {
	for stop := 2; stop <= 8; stop++ {
		s := newTalk(t, 950)
		path := filepath.Join(t.TempDir(), "talk.jsonl")
		ctx, cancel := context.WithCancel(t.Context())
		s.during = func(n int) {
			if n == stop {
				cancel()
			}
		}
		if err := s.client().Fetch(ctx, roomToken, path, nil); !errors.Is(err, context.Canceled) {
			t.Fatalf("broken off: %v", err)
		}
		kept, err := os.ReadFile(path + ".part")
		if err != nil || stop > 4 && !strings.Contains(string(kept), `"messages"`) {
			t.Fatalf("after %d requests there are %d bytes, %v", stop, len(kept), err)
		}
		if stop%2 == 0 {
			kept = append(kept, `{"newer":false,"messages":[{"mess`...)
			if err := os.WriteFile(path+".part", kept, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		before := s.requests
		s.during = nil
		if err := s.client().Fetch(t.Context(), roomToken, path, nil); err != nil {
			t.Fatal(err)
		}
		s.checkDump(t, path)
		if again := s.requests - before; stop > 4 && again >= 12 {
			t.Errorf("%d requests after the break at %d", again, stop)
		}
	}
}

func TestFetchRefuses(t *testing.T) {
	s := newTalk(t, 10)
	path := filepath.Join(t.TempDir(), "talk.jsonl")
	for name, c := range map[string]struct {
		change func(*Client)
		room   string
	}{
		"another server": {func(c *Client) { c.Allowed = []string{"https://cloud.example.org"} }, roomToken},
		"no server":      {func(c *Client) { c.Allowed = nil }, roomToken},
		"without TLS":    {func(c *Client) { c.Server = "http://cloud.example.org"; c.Allowed = []string{c.Server} }, roomToken},
		"with a name":    {func(c *Client) { c.Server = "https://me:x@cloud.example.org"; c.Allowed = []string{c.Server} }, roomToken},
		"no password":    {func(c *Client) { c.Token = "" }, roomToken},
		"a wild room":    {func(*Client) {}, "../../x"},
	} {
		client := s.client()
		c.change(client)
		if err := client.Fetch(t.Context(), c.room, path, nil); !errors.As(err, new(*Problem)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.requests != 0 {
		t.Errorf("%d requests were made", s.requests)
	}
	client := s.client()
	client.Token = "mele:wrong"
	if err := client.Fetch(t.Context(), roomToken, path, nil); err == nil || !strings.Contains(err.Error(), "app password") {
		t.Errorf("a wrong password: %v", err)
	}
	s = newTalk(t, 500)
	s.stuck = true
	if err := s.client().Fetch(t.Context(), roomToken, path+"2", nil); err == nil || !strings.Contains(err.Error(), "again and again") {
		t.Errorf("a server that is stuck: %v", err)
	}
	elsewhere := httptest.NewTLSServer(http.RedirectHandler("https://elsewhere.example.org/", http.StatusFound))
	t.Cleanup(elsewhere.Close)
	client = &Client{Server: elsewhere.URL, Allowed: []string{elsewhere.URL}, Token: "x", HTTP: elsewhere.Client()}
	if err := client.Fetch(t.Context(), roomToken, path+"3", nil); err == nil || !strings.Contains(err.Error(), "elsewhere.example.org") {
		t.Errorf("a redirect: %v", err)
	}
}

// golden is an answer of the API by its documentation and by what Talk's own Android client reads.
const golden = `{"ocs":{"meta":{"status":"ok"},"data":[
 {"id":10,"token":"tok","actorType":"users","actorId":"a","actorDisplayName":"Ann","timestamp":1700000000,"systemMessage":"conversation_created","messageType":"system","message":"{actor} created the conversation","messageParameters":{"actor":{"type":"user","id":"a","name":"Ann"}}},
 {"id":11,"token":"tok","actorType":"users","actorId":"a","actorDisplayName":"Ann","timestamp":1700000001,"systemMessage":"","messageType":"comment","message":"Hi {mention-user1}, {unknown}","messageParameters":{"mention-user1":{"type":"user","id":"b","name":"Bob"}},"expirationTimestamp":1700003601,"lastEditTimestamp":1700000050,"lastEditActorId":"m","lastEditActorDisplayName":"Mod","threadId":9},
 {"id":12,"token":"tok","actorType":"users","actorId":"b","actorDisplayName":"Bob","timestamp":1700000002,"systemMessage":"","messageType":"comment","message":"{file}","messageParameters":{"file":{"type":"file","id":"5","name":"plan.pdf","size":77,"mimetype":"application/pdf","link":"https://c/f/5"}},"parent":{"id":11,"actorDisplayName":"Ann","message":"Hi","timestamp":1700000001},"reactions":{"❤":1}},
 {"id":13,"token":"tok","actorType":"guests","actorId":"g","actorDisplayName":"","timestamp":1700000003,"systemMessage":"","messageType":"comment_deleted","message":"Message deleted by author","messageParameters":[]},
 {"id":14,"token":"tok","actorType":"users","actorId":"b","actorDisplayName":"Bob","timestamp":1700000004,"systemMessage":"","messageType":"comment","message":"{object}","messageParameters":{"object":{"type":"geo-location","id":"geo:1","name":"Pier","latitude":"52.5200","longitude":"13.40"}}},
 {"id":12,"token":"tok","actorType":"users","actorId":"b","timestamp":1700000002,"systemMessage":"","messageType":"comment","message":"again"}]}}`

func TestAnswer(t *testing.T) {
	r := capturetest.Must(t, Parser{}, capture.Options{Self: "Bob"}, capturetest.File(t, "answer.json", []byte(golden)))
	if len(r.Messages) != 5 || r.Reconciliation.InFile != 6 || r.Reconciliation.System != 1 || r.Reconciliation.Skipped[0].Reason != "same_message_twice" {
		t.Fatalf("%d messages, books %+v", len(r.Messages), r.Reconciliation)
	}
	if o := r.Messages[0]; o.Kind != "system" || o.System.Code != "group_created" || o.Text != "Ann created the conversation" {
		t.Errorf("10 is %+v", o)
	}
	if o := r.Messages[1]; o.Text != "Hi @Bob, {unknown}" || o.Body != "Hi {mention-user1}, {unknown}" || o.State.Expires != 3600 || !o.State.Edited || o.State.EditedAt.Min != 1700000050000 ||
		o.Quality[0].Code != "edited_by_other" || o.Thread.NativeID != "9" || o.Sent.Min != 1700000001000 || o.Sent.Max != 1700000001999 || o.Sent.Clock != "server" {
		t.Errorf("11 is %+v", o)
	}
	if o := r.Messages[2]; o.Kind != "media" || o.Attachments[0].Name != "plan.pdf" || o.Attachments[0].Size != 77 || o.ReplyTo.NativeID != "11" || o.ReplyTo.Author != "Ann" || len(o.Reactions) != 1 || o.Reactions[0].Value != "❤" {
		t.Errorf("12 is %+v", o)
	}
	if o := r.Messages[3]; o.Kind != "deleted" || !o.State.Deleted || o.Sender != "guests/g" || o.Body != "Message deleted by author" {
		t.Errorf("13 is %+v", o)
	}
	if o := r.Messages[4]; o.Kind != "location" || o.Location.Latitude != "52.5200" || o.Location.Name != "Pier" {
		t.Errorf("14 is %+v", o)
	}
	if r.Conversations[0].Viewpoint != "Bob" {
		t.Errorf("the conversation is %+v", r.Conversations[0])
	}
}

func FuzzTalk(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"format":"` + DumpFormat + `","server":"https://c","room":"tok"}` + "\n" + `{"room":{"type":1,"displayName":"x"}}` + "\n" + `{"message":` + raw(350) + `,"reactions":{"👍":[{"actorId":"a"}]}}` + "\n" + `{"end":{"messages":1,"whole":true}}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) { capturetest.Fuzz(t, Parser{}, "x.json", data) })
}
