package clientapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"time"

	"despatch/internal/capture"
	"despatch/internal/httpd"
)

const (
	maxCapture = 4 << 30 // bytes of an export
	maxField   = 1 << 10
	sampleSize = 5 // messages shown before somebody puts a chat on the record
)

// captureResponse is what the messenger shows of an export: before it is put on the record, and after.
type captureResponse struct {
	*capture.ParseRun
	Summary []string               `json:"summary"`
	Sample  []*capture.Observation `json:"sample,omitempty"`
	Receipt *captureReceipt        `json:"receipt,omitempty"`
}

type captureReceipt struct {
	Reference string `json:"reference"`
	Position  int64  `json:"position"`
	Time      int64  `json:"time"`
	SHA256    string `json:"sha256"`
	Repeated  bool   `json:"repeated"`
}

// capture takes an export from a person's phone onto the record, or with ?preview=1 only says what would
// be. What the file leaves open is asked: a refusal with the code ORG_DESPATCH_NEEDS_ANSWER has the
// questions, and the same file is sent again with the answers.
func (s *Server) capture(w http.ResponseWriter, r *http.Request) error {
	x, err := s.caller(r)
	if err != nil {
		return err
	}
	file, opt, done, err := s.readExport(r)
	if err != nil {
		return err
	}
	defer done()
	resp, err := s.captureFile(r.Context(), string(x.User), file, opt, r.URL.Query().Get("preview") != "")
	if err != nil {
		return err
	}
	raw, err := marshal(resp)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, err = w.Write(raw)
	return err
}

func (s *Server) captureFile(ctx context.Context, person string, file *capture.File, opt capture.Options, preview bool) (*captureResponse, error) {
	resp := &captureResponse{}
	var fault *capture.FileError
	p, err := capture.MakePreview(ctx, s.Capture.Parsers, []*capture.File{file}, opt, func(o *capture.Observation) error {
		if len(resp.Sample) < sampleSize {
			resp.Sample = append(resp.Sample, o)
		}
		return nil
	})
	if errors.As(err, &fault) || err == nil && p.Fault != nil {
		if fault == nil {
			fault = p.Fault
		}
		return nil, httpd.Errorf(http.StatusUnprocessableEntity, "M_INVALID_PARAM", "%s", fault.Error())
	} else if err != nil {
		return nil, err
	}
	resp.ParseRun = p.ParseRun
	resp.Summary = p.ParseRun.Summary("")
	if len(p.Questions) > 0 {
		return nil, &httpd.Error{Status: http.StatusConflict, Code: "ORG_DESPATCH_NEEDS_ANSWER",
			Message: "The file leaves something open that only you can answer.", Fields: map[string]any{"questions": p.Questions}}
	}
	if preview {
		return resp, nil
	}
	rc, err := s.Capture.Submit(ctx, capture.Upload{Person: person, Files: []*capture.File{file}, Options: opt})
	if err != nil {
		return nil, err
	}
	resp.Summary = rc.Summary()
	resp.Receipt = &captureReceipt{Reference: rc.Submission, Position: rc.Position, Time: rc.ReceivedAt, Repeated: rc.Repeated}
	if len(rc.Files) > 0 {
		resp.Receipt.SHA256 = fmt.Sprint(rc.Files[0].SHA256)
	}
	return resp, nil
}

// readExport spools the request's file to disk and reads the declared options.
func (s *Server) readExport(r *http.Request) (file *capture.File, opt capture.Options, done func(), err error) {
	opt.ReceivedAt = s.Now()
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, opt, nil, httpd.Unknown("Send the file as a form with a field called file.")
	}
	tmp, err := os.CreateTemp(s.Temp, "capture-*")
	if err != nil {
		return nil, opt, nil, err
	}
	os.Remove(tmp.Name()) // it lives as long as it is open
	done = func() { tmp.Close() }
	defer func() {
		if err != nil {
			done()
		}
	}()
	name := ""
	for {
		part, perr := parts.NextPart()
		if perr == io.EOF {
			break
		} else if perr != nil {
			return nil, opt, nil, httpd.Unknown("The upload broke off. Please try again.")
		}
		if part.FormName() == "file" {
			name = part.FileName()
			n, cerr := io.Copy(tmp, io.LimitReader(part, maxCapture+1))
			if cerr != nil {
				return nil, opt, nil, cerr
			}
			if n > maxCapture {
				return nil, opt, nil, httpd.TooLarge("Exports may have at most %d GB. Export the chat without media, or in parts.", maxCapture>>30)
			}
			continue
		}
		if err = declare(&opt, part); err != nil {
			return nil, opt, nil, err
		}
	}
	if name == "" {
		return nil, opt, nil, httpd.MissingParam("No file was sent.")
	}
	size, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, opt, nil, err
	}
	file, err = capture.NewFile(r.Context(), name, tmp, size, time.Time{})
	return file, opt, done, err
}

func declare(opt *capture.Options, part *multipart.Part) error {
	raw, err := io.ReadAll(io.LimitReader(part, maxField))
	if err != nil {
		return httpd.Unknown("The upload broke off. Please try again.")
	}
	value := string(raw)
	switch part.FormName() {
	case "zone":
		if value == "" {
			return nil
		}
		if opt.Zone, err = time.LoadLocation(value); err != nil {
			return httpd.InvalidParam("There is no time zone %q. Zones are called Europe/London, for instance.", value)
		}
	case "date_order":
		opt.DateOrder = value
	case "calendar":
		opt.Calendar = value
	}
	return nil
}
