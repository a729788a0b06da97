package clientapi_test

import (
	"testing"

	json "github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/matrix"
)

// The server publishes the key with which it signs, signed with it, and keeps it.
func TestServerKey(t *testing.T) {
	d := despatchtest.Start(t)
	var first matrix.KeyID
	for _, restart := range []bool{false, true} {
		if restart {
			d.Restart(t)
		}
		status, raw := d.Nobody().Do(t, "GET", "/_matrix/key/v2/server", nil)
		var v struct {
			Keys map[matrix.KeyID]struct {
				Key string `json:"key"`
			} `json:"verify_keys"`
		}
		if err := json.Unmarshal(raw, &v); status != 200 || err != nil || len(v.Keys) != 1 {
			t.Fatalf("key/v2/server = %d %s %v", status, raw, err)
		}
		for id, k := range v.Keys {
			public, err := matrix.DecodeBase64(k.Key)
			if err != nil {
				t.Fatal(err)
			}
			if err := matrix.VerifyJSON(raw, "example.org", id, public); err != nil {
				t.Error(err)
			}
			if restart && id != first {
				t.Errorf("after a restart the key is %s, not %s", id, first)
			}
			first = id
		}
	}
}
