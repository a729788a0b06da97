package demo_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"despatch/internal/demo"
	"despatch/internal/identity"
	"despatch/internal/matrix"
	"despatch/internal/server"
	"despatch/internal/store"

	"golang.org/x/mod/sumdb/note"
)

// The made-up department is complete, and its record holds.
func TestFill(t *testing.T) {
	ctx := context.Background()
	clock := demo.NewClock(demo.Start(time.Now()))
	s, err := server.New(ctx, server.Config{Data: t.TempDir(), Name: "coasts.example", Log: slog.New(slog.DiscardHandler),
		Now: clock.Now, Cost: identity.Cost{Memory: 64, Passes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := demo.Fill(ctx, s, clock); err != nil {
		t.Fatal(err)
	}
	for _, p := range demo.People {
		if _, err := s.Identity.SignIn(ctx, identity.SignIn{User: p.Login, Password: demo.Password}); err != nil {
			t.Errorf("%s cannot sign in: %v", p.Login, err)
		}
	}
	if n := len(s.Hub.Rooms(matrix.UserID("@daniel:coasts.example"), "join")); n != 4 {
		t.Errorf("daniel is in %d conversations, want 4", n)
	}
	key, err := note.NewVerifier(s.Key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := store.Verify(ctx, s.DB, key)
	if err != nil || r.Findings > 0 {
		t.Errorf("verify: %v, %v", err, r.Problems)
	}
	if d := time.Since(clock.Now()); d > time.Minute || d < -time.Minute {
		t.Errorf("afterwards the clock is %v off", d)
	}
}
