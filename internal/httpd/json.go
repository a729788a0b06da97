package httpd

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// None as a request means that the body, if any, is not read; as a response, an empty object.
type None = struct{}

// Raw is one JSON object, exactly as it came or as it shall go. As a request it is checked like any
// other, belongs to the handler, and stays good after it returned. As a response it is sent unchecked.
type Raw []byte

// Appender is a response that encodes itself, so that stored bytes can be spliced into an answer without
// being decoded. AppendJSON appends one JSON object to b, which it does not keep.
type Appender interface {
	AppendJSON(b []byte) ([]byte, error)
}

// MaxDepth is how deeply objects and arrays may be nested in a request.
const MaxDepth = 100

// JSON makes a handler of h, which anyone may call: the body is decoded into a Req, the Resp encoded.
//
// An absent body is taken for an empty object, since several clients send none, except where Req is [Raw].
func JSON[Req, Resp any](a *Adapter, h func(*http.Request, *Req) (*Resp, error), opts ...Option) http.Handler {
	return JSONAs(a, func(*http.Request) (None, error) { return None{}, nil },
		func(r *http.Request, _ None, req *Req) (*Resp, error) { return h(r, req) }, opts...)
}

// JSONAs makes a handler of h, which is called on behalf of somebody: caller says who, from the request's
// headers, before a byte of the body is read.
func JSONAs[Caller, Req, Resp any](a *Adapter, caller func(*http.Request) (Caller, error),
	h func(*http.Request, Caller, *Req) (*Resp, error), opts ...Option) http.Handler {
	rt := newRoute(a, opts)
	return rt.handler(func(w http.ResponseWriter, r *http.Request) error {
		c, err := caller(r)
		if err != nil {
			return err
		}
		req := new(Req)
		if err := rt.decode(w, r, req); err != nil {
			return err
		}
		// Entered only now, so that a client that sends slowly keeps no other from writing.
		if !rt.limit.enter() {
			return rt.limit.refusal()
		}
		resp, err := callBounded(rt.limit, h, r, c, req)
		if err != nil {
			return err
		}
		return rt.respond(w, r, resp)
	})
}

// callBounded calls h and leaves the limit, also if h panics.
func callBounded[Caller, Req, Resp any](l *Limit, h func(*http.Request, Caller, *Req) (*Resp, error),
	r *http.Request, c Caller, req *Req) (*Resp, error) {
	defer l.leave()
	return h(r, c, req)
}

// decode reads the body of r into req, a pointer to a struct or a *Raw.
func (rt *route) decode(w http.ResponseWriter, r *http.Request, req any) error {
	switch req := req.(type) {
	case *None:
		return nil
	case *Raw:
		// A Raw outlives the request, so its bytes cannot come from the pool.
		b, err := rt.readBody(w, r, nil)
		if err != nil {
			return err
		}
		if err := checkObject(b); err != nil {
			return err
		}
		if !jsontext.Value(b).IsValid() {
			return describe(syntaxError(b))
		}
		*req = b
		return nil
	}
	buf := buffers.Get().(*[]byte)
	defer release(buf)
	b, err := rt.readBody(w, r, (*buf)[:0])
	if err != nil {
		return err
	}
	*buf = b
	if len(bytes.TrimLeft(b, " \t\r\n")) == 0 {
		return nil
	}
	if err := checkObject(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, req); err != nil {
		return describe(err)
	}
	return nil
}

// DecodeJSON decodes b, one JSON object, into v under the rules for request bodies. The error is an *Error.
func DecodeJSON(b []byte, v any) error {
	if err := checkObject(b); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return describe(err)
	}
	return nil
}

// readBody appends the body of r to b. The error is an *Error, or the connection is gone.
func (rt *route) readBody(w http.ResponseWriter, r *http.Request, b []byte) ([]byte, error) {
	n := r.ContentLength
	if n == 0 || r.Body == nil || r.Body == http.NoBody {
		return b, nil
	}
	if n > rt.maxBody {
		return b, TooLarge("The request is %d bytes long; at most %d are taken.", n, rt.maxBody)
	}
	conn := http.NewResponseController(w)
	conn.SetReadDeadline(time.Now().Add(rt.a.bodyTimeout()))
	if n < 0 {
		n = 2048
	}
	if free := cap(b) - len(b); int64(free) < n+1 { // one more, so that the end is seen without growing
		b = append(make([]byte, 0, len(b)+int(n)+1), b...)
	}
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		m, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+m]
		if int64(len(b)) > rt.maxBody {
			return b, TooLarge("The request is longer than %d bytes.", rt.maxBody)
		}
		if err == io.EOF {
			// A long poll must not be ended by a deadline that was for the body.
			conn.SetReadDeadline(time.Time{})
			return b, nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return b, Errorf(http.StatusRequestTimeout, "M_UNKNOWN", "The request did not arrive in time.")
		}
		if err != nil {
			return b, Unknown("The request broke off.")
		}
	}
}

// Steady bounds how long the body of r may pause, and lets it take longer than a request otherwise may: for
// uploads, which slow connections need their time for. A client that sends a byte a second is not waited
// for for ever either. It is called before the body is read.
func (a *Adapter) Steady(w http.ResponseWriter, r *http.Request) {
	length := r.ContentLength
	if length < 0 {
		length = 100 << 20
	}
	most := 10*a.bodyTimeout() + time.Duration(length/slowestUpload)*time.Second
	r.Body = &steady{ReadCloser: r.Body, conn: http.NewResponseController(w), pause: a.bodyTimeout(), until: time.Now().Add(most)}
}

// slowestUpload is how many bytes a second a long upload must come to.
const slowestUpload = 16 << 10

type steady struct {
	io.ReadCloser
	conn  *http.ResponseController
	pause time.Duration
	until time.Time
}

func (s *steady) Read(p []byte) (int, error) {
	deadline := time.Now().Add(s.pause)
	if deadline.After(s.until) {
		deadline = s.until
	}
	s.conn.SetReadDeadline(deadline)
	n, err := s.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		s.conn.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = Errorf(http.StatusRequestTimeout, "M_UNKNOWN", "The upload stopped half-way. Try again.")
	case err != nil:
		err = Unknown("The upload broke off.")
	}
	return n, err
}

// checkObject reports whether b begins as an object does and is not nested too deeply; that it is JSON is
// for the decoder to find out.
func checkObject(b []byte) error {
	t := bytes.TrimLeft(b, " \t\r\n")
	switch {
	case len(t) == 0:
		return NotJSON("The request has no body; a JSON object is needed.")
	case t[0] != '{':
		if !jsontext.Value(t).IsValid() {
			return NotJSON("The request is not JSON.")
		}
		return BadJSON("The request must be a JSON object.")
	}
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			if depth++; depth > MaxDepth {
				return BadJSON("The request is nested more than %d deep.", MaxDepth)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}

// syntaxError is why b is not a single valid value.
func syntaxError(b []byte) error {
	var v jsontext.Value
	return json.Unmarshal(b, &v)
}

// describe turns a decoder's error into one for the client. It names the place, never the value.
func describe(err error) *Error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return BadJSON("The request has the same name twice in one object.")
	}
	if se, ok := errors.AsType[*json.SemanticError](err); ok {
		at := string(se.JSONPointer)
		if at == "" {
			return BadJSON("The request has the wrong form.")
		}
		if se.JSONKind != 0 && se.GoType != nil {
			return BadJSON("The request has a %s at %q, where it does not belong.", kindName(se.JSONKind), at)
		}
		return BadJSON("The request has a wrong value at %q.", at)
	}
	if se, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return NotJSON("The request is not JSON: wrong near byte %d.", se.ByteOffset)
	}
	return NotJSON("The request is not JSON.")
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '"':
		return "string"
	case '0':
		return "number"
	case 't', 'f':
		return "boolean"
	case '{', '}':
		return "object"
	case '[', ']':
		return "array"
	case 'n':
		return "null"
	}
	return "value"
}

// Header values are shared: handlers set them by assignment, which costs no allocation.
var (
	typeJSON   = []string{"application/json"}
	noStore    = []string{"no-store"}
	noSniff    = []string{"nosniff"}
	gzipCoding = []string{"gzip"}
	varyCoding = []string{"Accept-Encoding"}
)

const (
	compressFrom = 8 << 10          // below this, a packet or two is saved at best
	slowFrom     = 64 << 10         // above this, writing may have to wait for the client
	slowTimeout  = 60 * time.Second // how long it waits
)

// respond writes resp, which is a *Raw, an Appender, or any pointer that can be encoded.
func (rt *route) respond(w http.ResponseWriter, r *http.Request, resp any) error {
	buf := buffers.Get().(*[]byte)
	defer release(buf)
	var body []byte
	switch resp := resp.(type) {
	case *Raw:
		body = *resp
	case *None:
		body = []byte("{}")
	case Appender:
		b, err := resp.AppendJSON((*buf)[:0])
		if err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		*buf, body = b, b
	default:
		out := bytes.NewBuffer((*buf)[:0])
		if err := json.MarshalWrite(out, resp); err != nil {
			return fmt.Errorf("encode the answer: %w", err)
		}
		body = out.Bytes()
		*buf = body
	}
	h := w.Header()
	h["Content-Type"] = typeJSON
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	if len(body) >= compressFrom && acceptsGzip(r) {
		zipped := compressors.Get().(*compressor)
		defer compressors.Put(zipped)
		body = zipped.compress(body)
		h["Content-Encoding"] = gzipCoding
		h["Vary"] = varyCoding
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if len(body) >= slowFrom {
		conn := http.NewResponseController(w)
		conn.SetWriteDeadline(time.Now().Add(slowTimeout))
		defer conn.SetWriteDeadline(time.Time{})
	}
	w.Write(body) // an error means that the client left: there is nobody to tell
	return nil
}

// buffers are for bodies in both directions.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// release gives a buffer back, unless it grew so much that keeping it would be waste.
func release(b *[]byte) {
	if cap(*b) <= 256<<10 {
		buffers.Put(b)
	}
}

type compressor struct {
	zw  *gzip.Writer
	out bytes.Buffer
}

var compressors = sync.Pool{New: func() any {
	zw, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return &compressor{zw: zw}
}}

// compress returns b compressed; it is good until the next call.
func (c *compressor) compress(b []byte) []byte {
	if c.out.Cap() > 1<<20 {
		c.out = bytes.Buffer{}
	}
	c.out.Reset()
	c.zw.Reset(&c.out)
	c.zw.Write(b)
	c.zw.Close()
	return c.out.Bytes()
}

// acceptsGzip reports whether the client says so; "gzip;q=0" is not worth a parser.
func acceptsGzip(r *http.Request) bool {
	for _, v := range r.Header["Accept-Encoding"] {
		if strings.Contains(v, "gzip") && !strings.Contains(v, "gzip;q=0") {
			return true
		}
	}
	return false
}
