package clientapi

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

type sendToDeviceRequest struct {
	Messages map[matrix.UserID]map[string]jsontext.Value `json:"messages"`
}

// maxToDevice is how many messages wait for one device. Further ones are dropped, as for a device that
// never asks again.
const maxToDevice = 100

// sendToDevice implements "PUT /sendToDevice/{eventType}/{txnId}" between one person's own devices. What
// people say to each other goes into a conversation: here it would not be on the record. A message that
// is sent twice may arrive twice.
func (s *Server) sendToDevice(r *http.Request, x session, req *sendToDeviceRequest) (*httpd.None, error) {
	for user := range req.Messages {
		if user != x.User {
			return nil, httpd.Forbidden("Messages to other people go into a conversation, where they are on the record.")
		}
	}
	own, err := s.Identity.Devices(r.Context(), x.User)
	if err != nil {
		return nil, err
	}
	type message struct {
		device  string
		content []byte
	}
	var out []message
	for _, d := range own {
		content, ok := req.Messages[x.User][d.ID]
		if !ok {
			if content, ok = req.Messages[x.User]["*"]; !ok {
				continue
			}
		}
		b := matrix.AppendString([]byte(`{"type":`), r.PathValue("type"))
		b = matrix.AppendString(append(b, `,"sender":`...), x.User)
		b = append(append(append(b, `,"content":`...), content...), '}')
		if b, err = compact(b); err != nil {
			return nil, err
		}
		if len(b) > matrix.MaxEventSize {
			return nil, httpd.TooLarge("A message to a device may have at most %d bytes.", matrix.MaxEventSize)
		}
		out = append(out, message{d.ID, b})
	}
	if len(out) == 0 {
		return &httpd.None{}, nil
	}
	return &httpd.None{}, s.Rec.Do(r.Context(), func(b *recorder.Batch) error {
		for _, m := range out {
			n, err := store.CountToDevice(b.Context(), b.Tx(), x.User, m.device)
			if err != nil {
				return err
			}
			if n >= maxToDevice {
				continue
			}
			side := s.Hub.NextSide(b)
			if err := store.AddToDevice(b.Context(), b.Tx(), x.User, m.device, side, m.content); err != nil {
				return err
			}
			b.OnCommit(func() { s.Hub.Touch(x.User, side) })
		}
		return nil
	})
}

// received forgets the messages to a device that it has: those that were in the answer before the one
// it now asks for.
func (s *Server) received(ctx context.Context, x session, upTo int64) error {
	key := toDeviceKey{x.User, x.Device}
	if sent, ok := s.toDevice.Load(key); !ok || sent.(int64) > upTo {
		return nil
	}
	s.toDevice.Delete(key)
	return s.Rec.Do(ctx, func(b *recorder.Batch) error {
		return store.DeleteToDevice(b.Context(), b.Tx(), x.User, x.Device, upTo)
	})
}

type toDeviceKey struct {
	user   matrix.UserID
	device string
}
