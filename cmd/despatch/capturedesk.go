package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/internal/capture"
	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/server"
)

// localCapture puts files on the record by a server in this process.
type localCapture struct{ s *server.Server }

func (l *localCapture) submit(ctx context.Context, as string, files []*capture.File, o captureOptions, progress func(int64)) (*capture.Receipt, error) {
	opt, err := o.options()
	if err != nil {
		return nil, err
	}
	user := matrix.UserID(as)
	if !strings.HasPrefix(as, "@") {
		user = matrix.UserID("@" + as + ":" + string(l.s.Name))
	}
	if _, err := l.s.Identity.Person(ctx, user); err != nil {
		return nil, err
	}
	return l.s.Capture.Submit(ctx, capture.Upload{Person: string(user), Files: files, Options: opt, Progress: progress})
}

// remoteCapture has the running server do it, at its desk: the files are sent there, and lines with its
// progress come back, the last one with the receipt or with what went wrong.
type remoteCapture struct{ dir string }

type captureRequest struct {
	As      string         `json:"as"`
	Options captureOptions `json:"options"`
}

type captureLine struct {
	Messages int64            `json:"messages,omitzero"`
	Receipt  *capture.Receipt `json:"receipt,omitzero"`
	Error    string           `json:"error,omitzero"`
}

const (
	modifiedHeader = "Last-Modified"
	pathHeader     = "Despatch-Path" // a file's name with its folders, which a form's file name has not
)

func (d *remoteCapture) submit(ctx context.Context, as string, files []*capture.File, o captureOptions, progress func(int64)) (*capture.Receipt, error) {
	path, done, err := deskPath(d.dir)
	if err != nil {
		return nil, err
	}
	defer done()
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() { w.CloseWithError(writeCapture(form, captureRequest{as, o}, files)) }()
	defer body.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	r, err := http.NewRequestWithContext(ctx, "POST", "http://desk/capture", body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("another Despatch has the folder open, but does not answer at its desk: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	var receipt *capture.Receipt
	err = lines(resp.Body, func(raw []byte) error {
		var l captureLine
		if err := json.Unmarshal(raw, &l); err != nil {
			return err
		}
		if l.Error != "" {
			return errors.New(l.Error)
		}
		if receipt = l.Receipt; receipt == nil {
			progress(l.Messages)
		}
		return nil
	})
	if err == nil && receipt == nil {
		err = errors.New("the server stopped before it was done; hand the files in again, and it goes on where it was")
	}
	return receipt, err
}

func writeCapture(form *multipart.Writer, q captureRequest, files []*capture.File) error {
	head, err := form.CreateFormField("request")
	if err != nil {
		return err
	}
	if err := json.MarshalWrite(head, q); err != nil {
		return err
	}
	for _, f := range files {
		h := make(map[string][]string)
		h["Content-Disposition"] = []string{multipart.FileContentDisposition("file", f.Name)}
		h[pathHeader] = []string{url.PathEscape(f.Name)}
		h[modifiedHeader] = []string{f.ModTime.UTC().Format(http.TimeFormat)}
		part, err := form.CreatePart(h)
		if err != nil {
			return err
		}
		if _, err := io.Copy(part, io.NewSectionReader(f.At, 0, f.Size)); err != nil {
			return err
		}
	}
	return form.Close()
}

// captureAtDesk serves what remoteCapture asks for.
func captureAtDesk(s *server.Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		control.SetReadDeadline(time.Time{}) // a large export takes as long as it takes
		control.SetWriteDeadline(time.Time{})
		say := func(l captureLine) {
			b, err := json.Marshal(l)
			if err == nil {
				w.Write(append(b, '\n'))
				control.Flush()
			}
		}
		receipt, err := captureForm(r, s, func(n int64) { say(captureLine{Messages: n}) })
		if err != nil {
			text := err.Error()
			if shown, ok := errors.AsType[*httpd.Error](err); ok {
				text = shown.Message
			}
			say(captureLine{Error: text})
			return
		}
		say(captureLine{Receipt: receipt})
	})
}

func captureForm(r *http.Request, s *server.Server, progress func(int64)) (*capture.Receipt, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, err
	}
	head, err := form.NextPart()
	if err != nil {
		return nil, err
	}
	var q captureRequest
	raw, err := io.ReadAll(io.LimitReader(head, 64<<10))
	if err == nil {
		err = json.Unmarshal(raw, &q)
	}
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	var files []*capture.File
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		f, done, err := spool(r.Context(), s.Data, part)
		if err != nil {
			return nil, err
		}
		defer done()
		files = append(files, f)
	}
	return (&localCapture{s}).submit(r.Context(), q.As, files, q.Options, progress)
}

// spool keeps a file that is sent until it has been read.
func spool(ctx context.Context, dir string, part *multipart.Part) (*capture.File, func(), error) {
	tmp, err := os.CreateTemp(dir, "capture-*")
	if err != nil {
		return nil, nil, err
	}
	os.Remove(tmp.Name()) // it lives as long as it is open
	size, err := io.Copy(tmp, part)
	if err != nil {
		tmp.Close()
		return nil, nil, err
	}
	modified, _ := http.ParseTime(part.Header.Get(modifiedHeader))
	name, err := url.PathUnescape(part.Header.Get(pathHeader))
	if err != nil || name == "" {
		name = part.FileName()
	}
	f, err := capture.NewFile(ctx, name, tmp, size, modified)
	if err != nil {
		tmp.Close()
		return nil, nil, err
	}
	return f, func() { tmp.Close() }, nil
}
