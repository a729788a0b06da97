package clientapi

import (
	"net/http"

	"despatch/internal/httpd"
	"despatch/internal/record"
	"despatch/internal/store"
)

type recordReceiptResponse struct {
	Position   int64  `json:"position"`
	Time       int64  `json:"time"`
	Entry      []byte `json:"entry"`          // base64
	Salt       []byte `json:"salt,omitempty"` // with which the entry commits to the body, base64
	Body       []byte `json:"body,omitempty"` // the message as it was recorded, base64
	Proof      string `json:"proof"`          // C2SP .tlog-proof
	Checkpoint string `json:"checkpoint"`
	Key        string `json:"vkey"`
}

// recordReceipt shows somebody where a message that they may read stands on the record, and proves it: the
// entry by the tree, and the message by the entry's commitment unless it has been deleted since.
func (s *Server) recordReceipt(r *http.Request, x session, _ *httpd.None) (*recordReceiptResponse, error) {
	_, row, err := s.find(r, x)
	if err != nil {
		return nil, err
	}
	ctx, q := r.Context(), s.DB.Reader()
	e, err := store.EntryAt(ctx, q, row.Pos)
	if err != nil {
		return nil, err
	}
	scope, err := store.ScopeByID(ctx, q, e.Scope)
	if err != nil {
		return nil, err
	}
	head := s.Rec.Head()
	entry := store.LogEntry(&e, record.ScopeTag(scope.Salt, scope.Name))
	tree := record.NewReader(head.Edge, record.TilesFunc(func(level int, n int64) ([]byte, error) {
		return store.TileData(ctx, q, level, n)
	}))
	proof, err := tree.Inclusion(head.Edge.Size, e.Pos, record.LeafHash(&entry))
	if err != nil {
		return nil, err
	}
	resp := &recordReceiptResponse{Position: e.Pos, Time: e.Time, Entry: entry.Append(nil), Key: s.Key,
		Proof: string(record.FormatProof(e.Pos, proof, head.Checkpoint, nil)), Checkpoint: string(head.Checkpoint)}
	if !row.Pruned {
		resp.Salt, resp.Body = e.Salt, e.Body
	}
	return resp, nil
}
