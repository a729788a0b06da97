package httpd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"despatch/internal/httpd"

	"github.com/go-json-experiment/json"
)

type greeting struct {
	Name  string `json:"name"`
	Times int    `json:"times"`
}

type answer struct {
	Text string `json:"text"`
}

// start serves mux as the program does, and returns its address and what it logged.
func start(t *testing.T, a *httpd.Adapter, routes func(mux *http.ServeMux)) (string, *syncBuffer) {
	t.Helper()
	logged := new(syncBuffer)
	a.Log = slog.New(slog.NewTextHandler(logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mux := http.NewServeMux()
	routes(mux)
	mux.Handle("/_matrix/", httpd.NoRoute(a, mux))
	s := httptest.NewUnstartedServer(nil)
	s.Config = httpd.NewServer(httpd.CORS(mux), a.Log)
	s.Start()
	t.Cleanup(s.Close)
	return s.URL, logged
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Transport{DisableCompression: true}).RoundTrip(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp, string(b)
}

func errcode(t *testing.T, body string) string {
	t.Helper()
	var e struct {
		Code string `json:"errcode"`
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		t.Fatalf("error body %q: %v", body, err)
	}
	return e.Code
}

func TestBodies(t *testing.T) {
	url, _ := start(t, &httpd.Adapter{}, func(mux *http.ServeMux) {
		a := &httpd.Adapter{}
		mux.Handle("POST /_matrix/greet", httpd.JSON(a, func(r *http.Request, g *greeting) (*answer, error) {
			return &answer{strings.Repeat("hello "+g.Name, g.Times)}, nil
		}, httpd.MaxBody(2000)))
		mux.Handle("PUT /_matrix/raw", httpd.JSON(a, func(r *http.Request, c *httpd.Raw) (*httpd.Raw, error) {
			return c, nil
		}))
	})
	nested := func(n int) string {
		return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code, want               string
	}{
		{"good", "POST", "greet", `{"name":"Asha","times":1,"more":[1,2]}`, 200, "", `{"text":"hello Asha"}`},
		{"absent", "POST", "greet", ``, 200, "", `{"text":""}`},
		{"spaces", "POST", "greet", " \n", 200, "", `{"text":""}`},
		{"not JSON", "POST", "greet", `{"name":`, 400, "M_NOT_JSON", ""},
		{"text", "POST", "greet", `hello`, 400, "M_NOT_JSON", ""},
		{"array", "POST", "greet", `[]`, 400, "M_BAD_JSON", ""},
		{"null", "POST", "greet", `null`, 400, "M_BAD_JSON", ""},
		{"wrong type", "POST", "greet", `{"name":7}`, 400, "M_BAD_JSON", ""},
		{"fraction", "POST", "greet", `{"times":1.5}`, 400, "M_BAD_JSON", ""},
		{"duplicate", "POST", "greet", `{"name":"a","name":"b"}`, 400, "M_BAD_JSON", ""},
		{"duplicate in what is not decoded", "POST", "greet", `{"x":{"a":1,"\u0061":2}}`, 400, "M_BAD_JSON", ""},
		{"bad UTF-8", "POST", "greet", "{\"name\":\"\xff\"}", 400, "M_NOT_JSON", ""},
		{"half a surrogate pair", "POST", "greet", `{"name":"\ud800"}`, 400, "M_NOT_JSON", ""},
		{"more after it", "POST", "greet", `{"name":"a"} {}`, 400, "M_NOT_JSON", ""},
		{"too long", "POST", "greet", `{"name":"` + strings.Repeat("a", 2000) + `"}`, 413, "M_TOO_LARGE", ""},
		{"100 deep", "PUT", "raw", nested(100), 200, "", nested(100)},
		{"101 deep", "PUT", "raw", nested(101), 400, "M_BAD_JSON", ""},
		{"deep only in a string", "PUT", "raw", `{"a":"` + strings.Repeat("[", 500) + `\""}`, 200, "", `{"a":"` + strings.Repeat("[", 500) + `\""}`},
		{"raw kept as it is", "PUT", "raw", ` {"b": 1e3, "a" : "é"}`, 200, "", ` {"b": 1e3, "a" : "é"}`},
		{"raw absent", "PUT", "raw", ``, 400, "M_NOT_JSON", ""},
		{"raw duplicate", "PUT", "raw", `{"a":{"b":1,"b":1}}`, 400, "M_BAD_JSON", ""},
		{"raw cut", "PUT", "raw", `{"a":{"b":1}`, 400, "M_NOT_JSON", ""},
		{"raw bad UTF-8", "PUT", "raw", "{\"a\":\"\xc3\x28\"}", 400, "M_NOT_JSON", ""},
		{"unknown path", "GET", "nothing", ``, 404, "M_UNRECOGNIZED", ""},
		{"wrong method", "GET", "greet", ``, 405, "M_UNRECOGNIZED", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := do(t, tt.method, url+"/_matrix/"+tt.path, tt.body)
			if resp.StatusCode != tt.status {
				t.Fatalf("status %d, want %d: %s", resp.StatusCode, tt.status, body)
			}
			if tt.code == "" && body != tt.want {
				t.Errorf("got %s, want %s", body, tt.want)
			}
			if tt.code != "" && errcode(t, body) != tt.code {
				t.Errorf("got %s, want %s", body, tt.code)
			}
			if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "*" {
				t.Errorf("Access-Control-Allow-Origin = %q", got)
			}
			if tt.status == 405 && resp.Header.Get("Allow") != "POST" {
				t.Errorf("Allow = %q, want POST", resp.Header.Get("Allow"))
			}
		})
	}
}

// A body without a declared length is bounded as well.
func TestChunkedBody(t *testing.T) {
	a := &httpd.Adapter{}
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("POST /_matrix/len", httpd.JSON(a, func(r *http.Request, c *httpd.Raw) (*answer, error) {
			return &answer{fmt.Sprint(len(*c))}, nil
		}, httpd.MaxBody(10000)))
	})
	for n, want := range map[int]int{9000: 200, 10001: 413} {
		body := `{"a":"` + strings.Repeat("x", n-8) + `"}`
		resp, err := http.Post(url+"/_matrix/len", "application/json", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != want {
			t.Errorf("%d bytes: status %d, want %d", n, resp.StatusCode, want)
		}
		if want == 200 && string(b) != fmt.Sprintf(`{"text":"%d"}`, n) {
			t.Errorf("%d bytes: %s", n, b)
		}
	}
}

func TestErrors(t *testing.T) {
	full := errors.New("no space left: SECRET-PATH")
	a := &httpd.Adapter{Explain: func(err error) *httpd.Error {
		if errors.Is(err, full) {
			return httpd.Unavailable("The disk is full.")
		}
		return nil
	}}
	fail := map[string]error{
		"matrix":  fmt.Errorf("send: %w", httpd.Forbidden("You are not in this conversation.")),
		"limited": httpd.LimitExceeded(1500*time.Millisecond, "Too many."),
		"token":   httpd.UnknownToken(true, "Sign in again."),
		"inner":   errors.New("insert event: SECRET-BODY"),
		"full":    fmt.Errorf("insert: %w", full),
		"timeout": context.DeadlineExceeded,
	}
	url, logged := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("GET /_matrix/{which}", httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*httpd.None, error) {
			return nil, fail[r.PathValue("which")]
		}))
	})
	for _, tt := range []struct {
		which  string
		status int
		want   string
	}{
		{"matrix", 403, `{"errcode":"M_FORBIDDEN","error":"You are not in this conversation."}`},
		{"limited", 429, `{"errcode":"M_LIMIT_EXCEEDED","error":"Too many.","retry_after_ms":1500}`},
		{"token", 401, `{"errcode":"M_UNKNOWN_TOKEN","error":"Sign in again.","soft_logout":true}`},
		{"inner", 500, ""},
		{"full", 503, ""},
		{"timeout", 500, ""},
	} {
		resp, body := do(t, "GET", url+"/_matrix/"+tt.which+"?access_token=SECRET-TOKEN", "")
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", tt.which, resp.StatusCode, tt.status)
		}
		if tt.want != "" && body != tt.want {
			t.Errorf("%s: %s, want %s", tt.which, body, tt.want)
		}
		if strings.Contains(body, "SECRET") {
			t.Errorf("%s: shows what is not for the client: %s", tt.which, body)
		}
		if tt.status >= 500 {
			var e struct {
				Code, ID string
			}
			var m map[string]any
			json.Unmarshal([]byte(body), &m)
			e.Code, _ = m["errcode"].(string)
			e.ID, _ = m["request_id"].(string)
			if e.Code != "M_UNKNOWN" || e.ID == "" || !strings.Contains(logged.String(), e.ID) {
				t.Errorf("%s: %s: want M_UNKNOWN and an id that is in the log", tt.which, body)
			}
		}
	}
	if resp, _ := do(t, "GET", url+"/_matrix/limited", ""); resp.Header.Get("Retry-After") != "2" {
		t.Errorf("Retry-After = %q, want 2", resp.Header.Get("Retry-After"))
	}
	if strings.Contains(logged.String(), "SECRET-TOKEN") {
		t.Error("the log holds a token from a query")
	}
}

func TestPanic(t *testing.T) {
	a := &httpd.Adapter{Writes: httpd.NewLimit(1)}
	var statuses []int
	var mu sync.Mutex
	a.Observe = func(_ string, status int, _ time.Duration) {
		mu.Lock()
		statuses = append(statuses, status)
		mu.Unlock()
	}
	url, logged := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("POST /_matrix/panic", httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*httpd.None, error) {
			panic("no such thing")
		}, httpd.Write))
		mux.Handle("GET /_matrix/half", httpd.Func(a, func(w http.ResponseWriter, r *http.Request) error {
			io.WriteString(w, "half of it")
			return errors.New("the disk went away")
		}))
	})
	for range 3 { // the limit of one is left each time
		resp, body := do(t, "POST", url+"/_matrix/panic", "{}")
		if resp.StatusCode != 500 || errcode(t, body) != "M_UNKNOWN" {
			t.Errorf("status %d: %s", resp.StatusCode, body)
		}
	}
	if !strings.Contains(logged.String(), "no such thing") || !strings.Contains(logged.String(), "httpd_test.go") {
		t.Error("the panic and its stack are not in the log")
	}
	resp, err := http.Get(url + "/_matrix/half")
	if err == nil {
		if _, err = io.ReadAll(resp.Body); err == nil {
			t.Error("a response that broke off looks whole")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(statuses) < 3 || statuses[0] != 500 {
		t.Errorf("observed %v", statuses)
	}
}

func TestLimit(t *testing.T) {
	a := &httpd.Adapter{Writes: httpd.NewLimit(2)}
	inside, release := make(chan bool, 2), make(chan bool)
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("PUT /_matrix/write", httpd.JSON(a, func(r *http.Request, _ *httpd.Raw) (*httpd.None, error) {
			inside <- true
			<-release
			return nil, nil
		}, httpd.Write))
		mux.Handle("GET /_matrix/read", httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*httpd.None, error) {
			return nil, nil
		}))
	})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { do(t, "PUT", url+"/_matrix/write", "{}") })
		<-inside
	}
	if resp, body := do(t, "PUT", url+"/_matrix/write", "{}"); resp.StatusCode != 429 || !strings.Contains(body, "retry_after_ms") {
		t.Errorf("third write: %d %s", resp.StatusCode, body)
	}
	if resp, body := do(t, "GET", url+"/_matrix/read", ""); resp.StatusCode != 200 || body != "{}" {
		t.Errorf("read beside full writes: %d %s", resp.StatusCode, body)
	}
	close(release)
	wg.Wait()
	if n := a.Writes.Inside(); n != 0 {
		t.Errorf("%d still inside", n)
	}
}

// A client that sends its body too slowly is told so, and does not hold a place among the writers.
func TestSlowBody(t *testing.T) {
	a := &httpd.Adapter{Writes: httpd.NewLimit(1), BodyTimeout: 200 * time.Millisecond}
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("PUT /_matrix/write", httpd.JSON(a, func(r *http.Request, _ *httpd.Raw) (*httpd.None, error) { return nil, nil }, httpd.Write))
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "PUT /_matrix/write HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{\"a\"")
	if resp, body := do(t, "PUT", url+"/_matrix/write", "{}"); resp.StatusCode != 200 {
		t.Errorf("beside a slow client: %d %s", resp.StatusCode, body)
	}
	conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	b := make([]byte, 500)
	n, err := conn.Read(b)
	if err != nil || !bytes.HasPrefix(b[:n], []byte("HTTP/1.1 408")) {
		t.Errorf("slow client got %q, %v", b[:n], err)
	}
}

// A long poll with a body outlives the time allowed for the body.
func TestLongPollAfterBody(t *testing.T) {
	a := &httpd.Adapter{BodyTimeout: 100 * time.Millisecond}
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("POST /_matrix/sync", httpd.JSON(a, func(r *http.Request, _ *greeting) (*answer, error) {
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(400 * time.Millisecond):
				return &answer{"late"}, nil
			}
		}))
	})
	if resp, body := do(t, "POST", url+"/_matrix/sync", `{"name":"a"}`); body != `{"text":"late"}` {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
}

func TestClientGone(t *testing.T) {
	seen := make(chan int, 1)
	a := &httpd.Adapter{Observe: func(_ string, status int, _ time.Duration) { seen <- status }}
	inside := make(chan bool)
	url, logged := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("GET /_matrix/sync", httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*answer, error) {
			close(inside)
			<-r.Context().Done()
			return nil, fmt.Errorf("wait: %w", r.Context().Err())
		}))
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-inside; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, "GET", url+"/_matrix/sync", nil)
	http.DefaultClient.Do(req)
	if got := <-seen; got != httpd.StatusClientGone {
		t.Errorf("status %d, want %d", got, httpd.StatusClientGone)
	}
	if strings.Contains(logged.String(), "level=ERROR") {
		t.Errorf("logged as an error: %s", logged)
	}
}

// An identifier may hold a slash, if it is encoded; the path's pattern sees one segment.
func TestPathValues(t *testing.T) {
	a := &httpd.Adapter{}
	url, _ := start(t, a, func(mux *http.ServeMux) {
		echo := httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*answer, error) {
			return &answer{r.PathValue("roomID") + " " + r.PathValue("type") + " " + r.PathValue("key")}, nil
		})
		mux.Handle("GET /_matrix/rooms/{roomID}/state/{type}/{key}", echo)
		mux.Handle("GET /_matrix/rooms/{roomID}/state/{type}/{$}", echo)
		mux.Handle("GET /_matrix/rooms/{roomID}/state/{type}", echo)
	})
	for path, want := range map[string]string{
		"/_matrix/rooms/!a%2Fb:x.org/state/m.room.name/":                      "!a/b:x.org m.room.name ",
		"/_matrix/rooms/!a%2Fb:x.org/state/m.room.name":                       "!a/b:x.org m.room.name ",
		"/_matrix/rooms/%21a:x.org/state/t/%40u%2F..%2F%3F:x.org":             "!a:x.org t @u/../?:x.org",
		"/_matrix/rooms/!%E2%82%AC:x.org/state/t/%252F":                       "!€:x.org t %2F",
		"/_matrix/rooms/!a:x.org/state/t/%2E%2E":                              "!a:x.org t ..",
		"/_matrix/rooms/!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM/state/t": "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM t ",
	} {
		if resp, body := do(t, "GET", url+path, ""); body != `{"text":"`+want+`"}` {
			t.Errorf("%s: %d %s, want %q", path, resp.StatusCode, body, want)
		}
	}
	for _, path := range []string{"/_matrix/rooms/!a%00:x.org/state/t", "/_matrix/rooms/!%ff:x.org/state/t"} {
		if resp, body := do(t, "GET", url+path, ""); resp.StatusCode != 400 || errcode(t, body) != "M_INVALID_PARAM" {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	resp, _ := do(t, "OPTIONS", url+"/_matrix/rooms/!a:x.org/state/t", "")
	if resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("OPTIONS: %d %v", resp.StatusCode, resp.Header)
	}
}

type spliced struct{ events [][]byte }

func (s *spliced) AppendJSON(b []byte) ([]byte, error) {
	b = append(b, `{"events":[`...)
	for i, e := range s.events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, `]}`...), nil
}

func TestResponses(t *testing.T) {
	a := &httpd.Adapter{}
	event := []byte(`{"body":"` + strings.Repeat("x", 100) + `"}`)
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("GET /_matrix/spliced/{n}", httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*spliced, error) {
			var n int
			fmt.Sscan(r.PathValue("n"), &n)
			s := new(spliced)
			for range n {
				s.events = append(s.events, event)
			}
			return s, nil
		}))
		mux.Handle("GET /_matrix/broken", httpd.JSON(a, func(r *http.Request, _ *httpd.None) (*struct{ C chan int }, error) {
			return &struct{ C chan int }{make(chan int)}, nil
		}))
	})
	for _, n := range []int{0, 1, 20, 1000, 5000} {
		_, plain := do(t, "GET", fmt.Sprintf("%s/_matrix/spliced/%d", url, n), "")
		want := `{"events":[` + strings.TrimSuffix(strings.Repeat(string(event)+",", n), ",") + `]}`
		if plain != want {
			t.Errorf("%d events: %d bytes, want %d", n, len(plain), len(want))
		}
		resp, zipped := do(t, "GET", fmt.Sprintf("%s/_matrix/spliced/%d", url, n), "", "Accept-Encoding", "gzip, br")
		if resp.Header.Get("Content-Encoding") == "gzip" {
			if len(want) < 8<<10 {
				t.Errorf("%d events: %d bytes compressed", n, len(want))
			}
			zr, err := gzip.NewReader(strings.NewReader(zipped))
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(zr)
			zipped = string(b)
		} else if len(want) >= 8<<10 {
			t.Errorf("%d events: %d bytes not compressed", n, len(want))
		}
		if zipped != want {
			t.Errorf("%d events compressed: %d bytes, want %d", n, len(zipped), len(want))
		}
	}
	if resp, body := do(t, "GET", url+"/_matrix/broken", ""); resp.StatusCode != 500 || errcode(t, body) != "M_UNKNOWN" {
		t.Errorf("an answer that cannot be encoded: %d %s", resp.StatusCode, body)
	}
}

func TestCallerComesBeforeBody(t *testing.T) {
	a := &httpd.Adapter{}
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("PUT /_matrix/send", httpd.JSONAs(a, func(r *http.Request) (string, error) {
			if tok := httpd.AccessToken(r); tok != "" {
				return tok, nil
			}
			return "", httpd.MissingToken()
		}, func(r *http.Request, who string, _ *httpd.Raw) (*answer, error) { return &answer{who}, nil }))
	})
	if resp, body := do(t, "PUT", url+"/_matrix/send", "not JSON"); resp.StatusCode != 401 || errcode(t, body) != "M_MISSING_TOKEN" {
		t.Errorf("without a token: %d %s", resp.StatusCode, body)
	}
	for _, h := range []string{"Bearer abc", "bearer abc"} {
		if _, body := do(t, "PUT", url+"/_matrix/send", "{}", "Authorization", h); body != `{"text":"abc"}` {
			t.Errorf("with %q: %s", h, body)
		}
	}
	if _, body := do(t, "PUT", url+"/_matrix/send?access_token=abc", "{}"); body != `{"text":"abc"}` {
		t.Errorf("with a token in the query: %s", body)
	}
}

func TestRemoteAddr(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"192.0.2.1:99", "", "192.0.2.1"},
		{"192.0.2.1:99", "198.51.100.7", "192.0.2.1"}, // not a proxy of ours: it may say what it likes
		{"127.0.0.1:99", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:99", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"}, // the first may be forged
		{"127.0.0.1:99", "nonsense", "127.0.0.1"},
		{"127.0.0.1:99", "", "127.0.0.1"},
		{"[::ffff:192.0.2.1]:99", "", "192.0.2.1"},
		{"@", "", "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got := httpd.RemoteAddr(r, trusted).String(); got != tt.want {
			t.Errorf("RemoteAddr(%s, %q) = %s, want %s", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}

func TestAssets(t *testing.T) {
	files := fstest.MapFS{
		"app.js":     {Data: []byte(strings.Repeat("export const a = 1;\n", 100))},
		"ui/list.js": {Data: []byte("export {}")},
		"a.png":      {Data: bytes.Repeat([]byte{1, 2, 3, 4}, 500)},
	}
	assets, err := httpd.NewAssets("/assets/", files)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(httpd.Secure(assets, httpd.AppPolicy, true))
	defer s.Close()
	resp, body := do(t, "GET", s.URL+assets.URL("app.js"), "")
	if resp.StatusCode != 200 || body != string(files["app.js"].Data) {
		t.Fatalf("app.js: %d, %d bytes", resp.StatusCode, len(body))
	}
	for k, want := range map[string]string{
		"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable",
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": httpd.AppPolicy, "X-Frame-Options": "DENY",
	} {
		if got := resp.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if again, _ := do(t, "GET", s.URL+"/assets/app.js", "", "If-None-Match", resp.Header.Get("ETag")); again.StatusCode != 304 || again.Header.Get("Cache-Control") != "no-cache" {
		t.Errorf("asked again: %d %v", again.StatusCode, again.Header)
	}
	zipped, zbody := do(t, "GET", s.URL+assets.URL("app.js"), "", "Accept-Encoding", "gzip")
	if zipped.Header.Get("Content-Encoding") != "gzip" || len(zbody) >= len(body) || zipped.Header.Get("ETag") == resp.Header.Get("ETag") {
		t.Errorf("compressed: %v, %d bytes", zipped.Header, len(zbody))
	}
	if r, _ := do(t, "GET", s.URL+assets.URL("a.png"), "", "Accept-Encoding", "gzip"); r.Header.Get("Content-Encoding") != "" {
		t.Error("a picture was compressed")
	}
	for _, path := range []string{"/assets/", "/assets/none.js", "/assets/ui", "/assets/..%2fassets.go", "/assets/0123456789abcdef/app.js"} {
		if r, _ := do(t, "GET", s.URL+path, ""); r.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", path, r.StatusCode)
		}
	}
	if r, _ := do(t, "POST", s.URL+assets.URL("app.js"), ""); r.StatusCode != 405 {
		t.Errorf("POST: %d, want 405", r.StatusCode)
	}
	files["ui/list.js"] = &fstest.MapFile{Data: []byte("export { }")}
	changed, _ := httpd.NewAssets("/assets/", files)
	if changed.URL("app.js") == assets.URL("app.js") {
		t.Error("the address did not change with the set")
	}
}

// discard is a ResponseWriter that costs next to nothing.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkSend is what the adapter adds to the sending of a message of 576 bytes.
func BenchmarkSend(b *testing.B) {
	a := &httpd.Adapter{Log: slog.New(slog.DiscardHandler), Writes: httpd.NewLimit(256)}
	var n atomic.Int64
	a.Observe = func(string, int, time.Duration) { n.Add(1) }
	mux := http.NewServeMux()
	type sent struct {
		EventID string `json:"event_id"`
	}
	mux.Handle("PUT /_matrix/client/v3/rooms/{roomID}/send/{type}/{txnID}",
		httpd.JSONAs(a, func(r *http.Request) (string, error) { return httpd.AccessToken(r), nil },
			func(r *http.Request, who string, c *httpd.Raw) (*sent, error) {
				return &sent{"$31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM"}, nil
			}, httpd.Write))
	mux.Handle("/_matrix/", httpd.NoRoute(a, mux))
	h := httpd.CORS(mux)
	body := []byte(`{"msgtype":"m.text","body":"` + strings.Repeat("message ", 65) + `"}`)
	req := httptest.NewRequest("PUT", "/_matrix/client/v3/rooms/!abc:example.gov.uk/send/m.room.message/txn1", nil)
	req.Header.Set("Authorization", "Bearer abcdefghijklmnopqrstuvwxyz0123456789")
	req.ContentLength = int64(len(body))
	reader := bytes.NewReader(body)
	req.Body = io.NopCloser(reader)
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		h.ServeHTTP(&discard{http.Header{}}, req)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`{}`, `{"name":"a","times":3}`, `[`, `{"name":"a","name":"b"}`, "{\"name\":\"\xff\"}", `{"a":"\\"}`, `{"a":"\"[[["}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var g greeting
		err := httpd.DecodeJSON(b, &g)
		if err == nil {
			return
		}
		if e, ok := errors.AsType[*httpd.Error](err); !ok || e.Status != 400 {
			t.Errorf("%q: %v", b, err)
		}
	})
}

// An upload may take long, but not pause for long.
func TestSteady(t *testing.T) {
	a := &httpd.Adapter{BodyTimeout: 300 * time.Millisecond}
	url, _ := start(t, a, func(mux *http.ServeMux) {
		mux.Handle("POST /_matrix/upload", httpd.Func(a, func(w http.ResponseWriter, r *http.Request) error {
			a.Steady(w, r)
			n, err := io.Copy(io.Discard, r.Body)
			if err == nil {
				fmt.Fprint(w, n)
			}
			return err
		}))
	})
	send := func(length int, pause time.Duration) string {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /_matrix/upload HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", length)
		for range length {
			time.Sleep(pause)
			io.WriteString(conn, "x")
		}
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		b, _ := io.ReadAll(conn)
		return string(b)
	}
	if got := send(8, 100*time.Millisecond); !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.HasSuffix(got, "8") {
		t.Errorf("slow but steady: %q", got)
	}
	if got := send(8, 500*time.Millisecond); !strings.HasPrefix(got, "HTTP/1.1 408") {
		t.Errorf("with long pauses: %q", got)
	}
	if got := send(50, 100*time.Millisecond); !strings.HasPrefix(got, "HTTP/1.1 408") {
		t.Errorf("a byte at a time, for ever: %q", got)
	}
}
