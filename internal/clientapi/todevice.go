package clientapi

import (
	"context"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"despatch/internal/httpd"
	"despatch/internal/matrix"
	"despatch/internal/record"
	"despatch/internal/recorder"
	"despatch/internal/store"
)

type sendToDeviceRequest struct {
	Messages map[matrix.UserID]map[string]jsontext.Value `json:"messages"`
}

// maxToDevice is how many messages wait for one device. Further ones are dropped, as for a device that
// never asks again.
const maxToDevice = 100

// sendToDevice implements "PUT /sendToDevice/{eventType}/{txnId}". What goes to another person's devices is put on
// the record, as anything else that one person says to another; so it must be readable. The same transaction is sent
// once, as far as it was sent lately.
func (s *Server) sendToDevice(r *http.Request, x session, req *sendToDeviceRequest) (*httpd.None, error) {
	typ := r.PathValue("type")
	txn := deviceTxn{x.User, x.Device, typ, r.PathValue("txnID")}
	if s.deviceTxns.seen(txn) {
		return &httpd.None{}, nil
	}
	if len(req.Messages) > maxToDeviceUsers {
		return nil, httpd.TooLarge("Send to at most %d people at once.", maxToDeviceUsers)
	}
	var out []deviceMessage
	for user, messages := range req.Messages {
		if _, err := matrix.ParseUserID(string(user)); err != nil {
			return nil, err
		}
		if user != x.User && typ == "m.room.encrypted" {
			return nil, httpd.Forbidden("What goes to other people is on the record here, and the record must be readable. Send it unencrypted, or into a conversation.")
		}
		some, err := s.toDevices(r.Context(), x, typ, user, messages)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	if len(out) > 0 {
		if err := s.Rec.Do(r.Context(), func(b *recorder.Batch) error { return s.storeToDevice(b, x, out) }); err != nil {
			return nil, err
		}
	}
	s.deviceTxns.add(txn)
	return &httpd.None{}, nil
}

const maxToDeviceUsers = 1000

// deviceMessage is a message to one device.
type deviceMessage struct {
	user    matrix.UserID
	device  string
	content []byte
}

// toDevices makes the messages to somebody's devices.
func (s *Server) toDevices(ctx context.Context, x session, typ string, user matrix.UserID, messages map[string]jsontext.Value) ([]deviceMessage, error) {
	devices, err := s.Identity.Devices(ctx, user)
	if err != nil {
		return nil, err
	}
	var out []deviceMessage
	for _, d := range devices {
		content, ok := messages[d.ID]
		if !ok {
			if content, ok = messages["*"]; !ok {
				continue
			}
		}
		b := matrix.AppendString([]byte(`{"type":`), typ)
		b = matrix.AppendString(append(b, `,"sender":`...), x.User)
		b = append(append(append(b, `,"content":`...), content...), '}')
		if b, err = compact(b); err != nil {
			return nil, err
		}
		if len(b) > matrix.MaxEventSize {
			return nil, httpd.TooLarge("A message to a device may have at most %d bytes.", matrix.MaxEventSize)
		}
		out = append(out, deviceMessage{user, d.ID, b})
	}
	return out, nil
}

// storeToDevice stores messages to devices, and those to other people on the record: one entry for each different
// message to a person.
func (s *Server) storeToDevice(b *recorder.Batch, x session, out []deviceMessage) error {
	type said struct {
		to   matrix.UserID
		text string
	}
	recorded := map[said]bool{}
	for _, m := range out {
		if m.user != x.User && !recorded[said{m.user, string(m.content)}] {
			recorded[said{m.user, string(m.content)}] = true
			body := matrix.AppendString([]byte(`{"type":"to_device","to":`), m.user)
			body = append(append(append(body, `,"message":`...), m.content...), '}')
			body, err := matrix.Canonical(nil, body)
			if err != nil {
				return err
			}
			b.Append(recorder.Entry{Scope: "devices of " + string(m.user), Kind: record.KindDevice, Body: body})
		}
		n, err := store.CountToDevice(b.Context(), b.Tx(), m.user, m.device)
		if err != nil {
			return err
		}
		if n >= maxToDevice {
			continue
		}
		side := s.Hub.NextSide(b)
		if err := store.AddToDevice(b.Context(), b.Tx(), m.user, m.device, side, m.content); err != nil {
			return err
		}
		b.OnCommit(func() { s.Hub.Touch(m.user, side) })
	}
	return nil
}

// deviceTxn is a transaction of a device.
type deviceTxn struct {
	user              matrix.UserID
	device, typ, text string
}

// deviceTxns remembers the newest transactions in two generations.
type deviceTxns struct {
	mu       sync.Mutex
	now, old map[deviceTxn]bool // guarded by mu
}

const deviceTxnGeneration = 5000

func (t *deviceTxns) seen(x deviceTxn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now[x] || t.old[x]
}

func (t *deviceTxns) add(x deviceTxn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.now) >= deviceTxnGeneration || t.now == nil {
		t.old, t.now = t.now, make(map[deviceTxn]bool)
	}
	t.now[x] = true
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
