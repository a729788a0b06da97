package clientapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/capture/office"
	"despatch/internal/identity"
)

// sent is a file under way.
type sent struct {
	ID     string `json:"id"`
	Offset int64  `json:"offset"`
}

// ask calls the API and reads the answer, which must be a success.
func ask[T any](t *testing.T, u *despatchtest.User, method, path string, body any) T {
	t.Helper()
	var out T
	status, raw := u.Do(t, method, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s = %d %s", method, path, status, raw)
	}
	if err := json.Unmarshal(raw, &out, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, raw)
	}
	return out
}

// part sends bytes of a file and returns how much is there.
func part(t *testing.T, d *despatchtest.Server, u *despatchtest.User, id string, offset int, data []byte) (int, int64) {
	t.Helper()
	req, err := http.NewRequest("PUT", fmt.Sprintf("%s/_despatch/v1/uploads/%s?offset=%d", d.URL, id, offset), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+u.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var x sent
	json.UnmarshalRead(resp.Body, &x)
	return resp.StatusCode, x.Offset
}

func sendFile(t *testing.T, d *despatchtest.Server, u *despatchtest.User, name, data string) string {
	t.Helper()
	x := ask[sent](t, u, "POST", "/_despatch/v1/uploads", map[string]any{"name": name, "size": len(data)})
	if status, at := part(t, d, u, x.ID, 0, []byte(data)); status != 200 || at != int64(len(data)) {
		t.Fatalf("sending %s = %d, %d bytes there", name, status, at)
	}
	return x.ID
}

type receipt struct {
	Submission string `json:"submission"`
	Position   int64  `json:"position"`
	Status     string `json:"status"`
	Fault      string `json:"fault"`
	Repeated   bool   `json:"repeated"`
	SHA256     string `json:"sha256"`
	SystemName string `json:"system_name"`
	Messages   int64  `json:"messages"`
	NoZone     bool   `json:"no_zone"`
	Balanced   bool   `json:"balanced"`
	Questions  []struct {
		About string `json:"about"`
	} `json:"questions"`
	Uploads []string `json:"uploads"`
	About   office.About
}

const ward = "13/04/2021, 10:15 - Asha Rao: Bed 4 is free from noon.\n27/04/2021, 08:02 - Ben Carter: Who has the keys?\n"

// TestCaptureResumes breaks an upload off, begins it again, and puts the file on the record once.
func TestCaptureResumes(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	begin := map[string]any{"name": "WhatsApp Chat with Ward 7.txt", "size": len(ward), "modified": 1700000000000}
	x := ask[sent](t, alice, "POST", "/_despatch/v1/uploads", begin)
	if status, at := part(t, d, alice, x.ID, 0, []byte(ward[:40])); status != 200 || at != 40 {
		t.Fatalf("the first part = %d, %d bytes there, want 40", status, at)
	}
	if status, _ := part(t, d, bob, x.ID, 40, []byte(ward[40:])); status != http.StatusNotFound {
		t.Errorf("somebody else went on with it: %d", status)
	}
	alice.Fails(t, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{x.ID}}, http.StatusConflict, "ORG_DESPATCH_UNFINISHED")
	d.Restart(t)
	again := ask[sent](t, alice, "POST", "/_despatch/v1/uploads", begin)
	if again.ID != x.ID || again.Offset != 40 {
		t.Fatalf("begun again: %+v, want %s at 40", again, x.ID)
	}
	if status, at := part(t, d, alice, x.ID, 10, []byte("out of place")); status != 200 || at != 40 {
		t.Errorf("a part out of place = %d, %d bytes there, want 40", status, at)
	}
	if status, at := part(t, d, alice, x.ID, 40, []byte(ward[40:]+"more than was announced")); status != 200 || at != int64(len(ward)) {
		t.Fatalf("the rest = %d, %d bytes there, want %d", status, at, len(ward))
	}
	got := ask[receipt](t, alice, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{x.ID}, "answers": map[string]any{"zone": "Europe/London"},
		"about": map[string]any{"subject": "Beds", "weight": "routine", "reason": "urgent"}})
	sum := sha256.Sum256([]byte(ward))
	if got.Status != "read" || got.Messages != 2 || got.SHA256 != hex.EncodeToString(sum[:]) || got.SystemName != "WhatsApp" || !got.Balanced || got.About.Subject != "Beds" {
		t.Errorf("receipt %+v", got)
	}
	alice.Fails(t, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{x.ID}}, http.StatusNotFound, "M_NOT_FOUND") // nothing is left behind
	id := sendFile(t, d, alice, "again.txt", ward)
	if second := ask[receipt](t, alice, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{id}}); !second.Repeated || second.Submission != got.Submission {
		t.Errorf("the same file again: %+v", second)
	}
	bob.Fails(t, "GET", "/_despatch/v1/capture/"+got.Submission, nil, http.StatusNotFound, "M_NOT_FOUND")
	for _, wrong := range []map[string]any{{"name": "", "size": 1}, {"name": "x", "size": 0}, {"name": "x", "size": int64(5) << 30}} {
		if status, raw := alice.Do(t, "POST", "/_despatch/v1/uploads", wrong); status < 400 || status >= 500 {
			t.Errorf("%v = %d %s", wrong, status, raw)
		}
	}
	d.CheckRecord(t)
}

// TestCaptureKeeps keeps what cannot be read, or is in question, and files it once it is answered.
func TestCaptureKeeps(t *testing.T) {
	d := despatchtest.Start(t)
	alice := d.User(t, "alice")
	id := sendFile(t, d, alice, "WhatsApp Chat with Ward 7.txt", "03/04/2021, 10:15 - Asha Rao: Bed 4 is free.\n")
	p := ask[struct{ Found []receipt }](t, alice, "POST", "/_despatch/v1/capture/preview", map[string]any{"uploads": []string{id}})
	if len(p.Found) != 1 || len(p.Found[0].Questions) != 1 || p.Found[0].Questions[0].About != "date_order" || !p.Found[0].NoZone {
		t.Fatalf("previewed %+v", p)
	}
	got := ask[receipt](t, alice, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{id}})
	if got.Status != "needs_answer" || got.Position == 0 {
		t.Fatalf("with its question open: %+v", got)
	}
	if o := ask[struct{ Answers int }](t, alice, "GET", "/_despatch/v1/mine/owed", nil); o.Answers != 1 {
		t.Errorf("owed %+v, want an answer", o)
	}
	answered := ask[receipt](t, alice, "POST", "/_despatch/v1/capture/"+got.Submission+"/answers", map[string]any{"date_order": "dmy", "zone": "Europe/London"})
	if answered.Status != "read" || answered.Messages != 1 || answered.NoZone || answered.Submission != got.Submission {
		t.Errorf("answered: %+v", answered)
	}
	if o := ask[struct{ Answers int }](t, alice, "GET", "/_despatch/v1/mine/owed", nil); o.Answers != 0 {
		t.Errorf("owed %+v, want nothing", o)
	}
	// A zip that ends too soon is a fault of the file, and no reason to refuse it.
	id = sendFile(t, d, alice, "WhatsApp Chat - Asha.zip", "PK\x03\x04"+strings.Repeat("broken", 50))
	broken := ask[receipt](t, alice, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{id}})
	if broken.Status == "read" || broken.Position == 0 || broken.Status == "unreadable" && broken.Fault == "" {
		t.Errorf("a broken zip: %+v", broken)
	}
	d.CheckRecord(t)
}

// TestMine is asked for something and answers in each way.
func TestMine(t *testing.T) {
	d := despatchtest.Start(t)
	alice, bob := d.User(t, "alice"), d.User(t, "bob")
	ruth := d.User(t, "ruth", identity.Staff, identity.Records)
	for range 3 {
		if _, err := d.Office.Ask(t.Context(), ruth.ID, office.Ask{Person: alice.ID, Why: "leaving", What: "Your copies of Ward 7", Due: d.Office.Now().Add(48 * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	type mine struct {
		Requests    []struct{ ID, State string }
		Submissions []receipt
		Losses      []struct{ ID string }
		Owed        struct{ Requests, Overdue int }
	}
	if m := ask[mine](t, alice, "GET", "/_despatch/v1/mine", nil); len(m.Requests) != 3 || m.Owed.Requests != 3 || m.Owed.Overdue != 0 {
		t.Errorf("asked: %+v", m)
	}
	d.Advance(5 * 24 * time.Hour)
	if m := ask[mine](t, alice, "GET", "/_despatch/v1/mine", nil); m.Owed.Overdue != 3 {
		t.Errorf("five days later: %+v", m)
	}
	id := sendFile(t, d, alice, "chat.txt", ward)
	bob.Fails(t, "POST", "/_despatch/v1/notes", map[string]any{"with": []string{"Asha"}, "channel": "telephone", "from": time.Now().UnixMilli(), "text": "x", "request": "R1"}, http.StatusNotFound, "M_NOT_FOUND")
	ask[receipt](t, alice, "POST", "/_despatch/v1/capture", map[string]any{"uploads": []string{id}, "request": "R1"})
	alice.Fails(t, "POST", "/_despatch/v1/requests/R2/nothing", map[string]any{"statement": "I have none.", "password": "wrong"}, http.StatusForbidden, "M_FORBIDDEN")
	bob.Fails(t, "POST", "/_despatch/v1/requests/R2/nothing", map[string]any{"statement": "I have none.", "password": despatchtest.Password}, http.StatusNotFound, "M_NOT_FOUND")
	ask[struct{}](t, alice, "POST", "/_despatch/v1/requests/R2/nothing", map[string]any{"statement": "I have none.", "password": despatchtest.Password})
	ask[struct{}](t, alice, "POST", "/_despatch/v1/losses", map[string]any{"device": "My phone", "held": "Ward 7", "lost_on": "May 2026", "reason": "stolen", "request": "R3", "password": despatchtest.Password})
	n := ask[receipt](t, alice, "POST", "/_despatch/v1/notes", map[string]any{"with": []string{"Dr Ash"}, "channel": "telephone", "from": time.Now().UnixMilli(), "zone": "Europe/London", "text": "Bed 4 goes to Mrs H."})
	if n.Status != "read" || n.Messages != 1 {
		t.Errorf("the note: %+v", n)
	}
	m := ask[mine](t, alice, "GET", "/_despatch/v1/mine", nil)
	states := map[string]string{}
	for _, r := range m.Requests {
		states[r.ID] = r.State
	}
	if fmt.Sprint(states) != "map[R1:handed_in R2:nothing R3:lost]" || len(m.Losses) != 1 || len(m.Submissions) != 2 || m.Owed.Requests != 0 {
		t.Errorf("at the end %v: %+v", states, m)
	}
	d.CheckRecord(t)
}
