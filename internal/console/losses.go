package console

import (
	"net/http"

	"despatch/internal/capture/office"
	"despatch/internal/store"
)

// lossesPage lists what people declared lost.
type lossesPage struct {
	frame
	Tabs   []navItem
	Whose  field
	Name   string
	Losses []lossRow
}

type lossRow struct {
	store.DeclaredLoss
	Name   string
	Reason string
}

const lossesEach = 500

func (s *Server) losses(w http.ResponseWriter, r *http.Request, v *visit) error {
	p := &lossesPage{frame: frame{Title: "Declared losses", Wide: true}, Tabs: tabs("losses"), Whose: whoseField("The user name of who declared them.")}
	id, name, err := s.whose(r, &p.Whose, &p.frame)
	if err != nil {
		return err
	}
	if len(p.Problems) > 0 {
		return s.show(w, r, v, "losses", p)
	}
	p.Name = name
	if err := s.Office.Looked(r.Context(), v.User, "the declared losses", s.filterWords(name)); err != nil {
		return err
	}
	list, err := store.DeclaredLosses(r.Context(), s.DB.Reader(), string(id), lossesEach)
	if err != nil {
		return err
	}
	n := &names{s: s, ctx: r.Context(), known: make(map[string]string)}
	for _, x := range list {
		p.Losses = append(p.Losses, lossRow{x, n.of(x.Person), office.Text(office.LossReasons, x.Reason)})
	}
	return s.show(w, r, v, "losses", p)
}
