package despatchtest_test

import (
	"testing"

	"despatch/despatchtest"
	"despatch/internal/matrix"
	"despatch/internal/sqldb/sqldbtest"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// Two people talk: what one sends the other gets, and what is deleted is gone for both and stays on the
// record.
func TestConversation(t *testing.T) {
	sqldbtest.Each(t, func(t *testing.T, target string) {
		d := despatchtest.Start(t, despatchtest.Database(target))
		alice, bob := d.User(t, "alice"), d.User(t, "bob")
		for _, version := range []matrix.RoomVersion{matrix.V10, matrix.V11, matrix.V12} {
			t.Run("version "+string(version), func(t *testing.T) {
				room := alice.CreateRoomWith(t, map[string]any{"name": "Fisheries", "room_version": version}, bob)
				bob.Sync(t, 0)
				id := alice.Send(t, room, "The quota is agreed.")
				got := bob.Sync(t, 5000).Rooms.Join[room].Timeline.Events
				if len(got) != 1 || got[0].ID != id || got[0].Body() != "The quota is agreed." {
					t.Fatalf("bob got %+v", got)
				}
				alice.Redact(t, room, id)
				for _, e := range bob.Messages(t, room, 50) {
					if e.ID == id && (len(e.Content) != 0 || e.Unsigned["redacted_because"] == nil) {
						t.Errorf("after deletion bob is shown %+v", e)
					}
				}
				if body := d.Entry(t, id).Body; !containsText(body, "The quota is agreed.") {
					t.Errorf("the record has %s", body)
				}
			})
		}
		d.CheckRecord(t)
		d.Restart(t)
		d.CheckRecord(t)
	})
}

func containsText(b []byte, s string) bool {
	for i := 0; i+len(s) <= len(b); i++ {
		if string(b[i:i+len(s)]) == s {
			return true
		}
	}
	return false
}
