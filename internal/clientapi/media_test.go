package clientapi_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"despatch/despatchtest"
	"despatch/internal/matrix"
	"despatch/internal/sqldb/sqldbtest"
)

// upload uploads a picture and returns its media ID.
func upload(t *testing.T, u *despatchtest.User, shade uint8) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 20, 10))
	img.Pix[0] = shade
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	status, raw := u.Do(t, "POST", "/_matrix/media/v3/upload?filename=a.png", b.Bytes())
	var resp struct {
		URI string `json:"content_uri"`
	}
	if err := json.Unmarshal(raw, &resp); err != nil || status != 200 {
		t.Fatalf("upload: %d %s", status, raw)
	}
	return resp.URI[strings.LastIndexByte(resp.URI, '/')+1:]
}

// A file is gone for participants, with its thumbnail, when every message that showed it is.
func TestFilesGoWithTheirMessages(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := despatchtest.Start(t, despatchtest.Database(target))
		asha, ben := d.User(t, "asha"), d.User(t, "ben")
		room := asha.CreateRoom(t, ben)
		n := 0
		send := func(content map[string]any) matrix.EventID {
			t.Helper()
			n++
			status, raw := asha.Do(t, "PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/send/m.room.message/m%d", room, n), content)
			var resp struct {
				ID matrix.EventID `json:"event_id"`
			}
			if err := json.Unmarshal(raw, &resp); err != nil || status != 200 {
				t.Fatalf("send: %d %s", status, raw)
			}
			return resp.ID
		}
		show := func(id string) map[string]any {
			return map[string]any{"msgtype": "m.image", "body": "a.png", "url": "mxc://example.org/" + id}
		}
		seen := func(id string, want int) {
			t.Helper()
			for _, u := range []*despatchtest.User{asha, ben} {
				for _, path := range []string{"download/example.org/" + id, "thumbnail/example.org/" + id + "?width=32&height=32&method=crop"} {
					for _, base := range []string{"/_matrix/client/v1/media/", "/_matrix/media/v3/"} {
						if status, raw := u.Do(t, "GET", base+path, nil); status != want {
							t.Errorf("%s: %d, want %d: %.80s", path, status, want, raw)
						}
					}
				}
			}
		}
		picture := upload(t, asha, 1)
		seen(picture, 200)
		first := send(show(picture))
		second := send(show(picture))
		asha.Redact(t, room, first)
		seen(picture, 200)
		asha.Redact(t, room, second)
		seen(picture, 404)
		send(show(picture)) // who kept its address cannot bring it back
		seen(picture, 404)

		// What an edit shows goes with the message that it edits.
		old, better := upload(t, asha, 2), upload(t, asha, 3)
		edited := send(show(old))
		edit := show(better)
		edit["m.new_content"] = show(better)
		edit["m.relates_to"] = map[string]any{"rel_type": "m.replace", "event_id": edited}
		send(edit)
		seen(better, 200)
		asha.Redact(t, room, edited)
		seen(old, 404)
		seen(better, 404)

		// And with one that disappears.
		if status, raw := asha.Do(t, "PUT", fmt.Sprintf("/_matrix/client/v3/rooms/%s/state/m.room.retention", room), map[string]any{"max_lifetime": 30000}); status != 200 {
			t.Fatalf("timer: %d %s", status, raw)
		}
		brief := upload(t, asha, 4)
		send(show(brief))
		seen(brief, 200)
		d.Advance(31 * time.Second)
		for range 100 {
			if status, _ := ben.Do(t, "GET", "/_matrix/client/v1/media/download/example.org/"+brief, nil); status == 404 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		seen(brief, 404)
		d.CheckRecord(t)
	})
}
