package console

import (
	"context"
	"net/http"
	"slices"

	"despatch/internal/record"
	"despatch/internal/store"
)

// lostPage is for a device that was lost or stolen.
type lostPage struct {
	frame
	Person somebody
	Which  field
}

func (s *Server) newLostPage(r *http.Request) (*lostPage, []store.Device, error) {
	who, err := s.who(r)
	if err != nil {
		return nil, nil, err
	}
	devices, err := s.Identity.Devices(r.Context(), who.ID)
	if err != nil {
		return nil, nil, err
	}
	p := &lostPage{frame: frame{Title: "Report a lost device of " + who.Name, Back: link{who.Path(), who.Name}}, Person: who,
		Which: field{Name: "which", Label: "Which device was lost?", Kind: "radios",
			Hint: "It is signed out at once. Messages stay on the record."}}
	for _, d := range devices {
		p.Which.Answer = append(p.Which.Answer, answer{Value: "device " + d.ID, Text: deviceName(d), Hint: "Last seen " + moment(d.SeenAt)})
	}
	p.Which.Answer = append(p.Which.Answer, answer{Value: "all", Text: "All of them, or nobody knows", Hint: "Signs the person out everywhere, here too."})
	return p, devices, nil
}

// deviceName is how a device is called on pages.
func deviceName(d store.Device) string {
	if d.Name == "" {
		return "A device without a name (" + d.ID + ")"
	}
	return d.Name
}

func (s *Server) lostPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, _, err := s.newLostPage(r)
	if err != nil {
		return err
	}
	if d := r.FormValue("device"); d != "" {
		p.Which.choose("device " + d)
	}
	return s.show(w, r, v, "lost", p)
}

func (s *Server) lost(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, devices, err := s.newLostPage(r)
	if err != nil {
		return err
	}
	p.Which.read(r)
	if !p.Which.chosen() {
		p.wrong("Choose which device was lost.", &p.Which)
		return s.show(w, r, v, "lost", p)
	}
	end := func(ctx context.Context) error { return s.Identity.SignOutAll(ctx, v.by(), p.Person.ID, nil) }
	if i := slices.IndexFunc(devices, func(d store.Device) bool { return "device "+d.ID == p.Which.Value }); i >= 0 {
		end = func(ctx context.Context) error {
			return s.Identity.RemoveDevice(ctx, v.by(), p.Person.ID, devices[i].ID)
		}
	}
	return s.change(w, r, v, p, p.Person, "signed-out", record.KindSession, end)
}
