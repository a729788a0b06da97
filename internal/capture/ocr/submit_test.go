package ocr_test

import (
	"bytes"
	"os/exec"
	"testing"
	"time"

	"despatch/despatchtest"
	"despatch/internal/capture"
	"despatch/internal/capture/ocr"
	"despatch/internal/sqldb/sqldbtest"
	"despatch/internal/store"
)

func TestMain(m *testing.M) { sqldbtest.Main(m) }

// TestSubmit hands a picture in to a whole Despatch and finds its words in the message.
func TestSubmit(t *testing.T) {
	if _, err := exec.LookPath("tesseract"); err != nil {
		t.Skip("skipped: tesseract is not installed")
	}
	d := despatchtest.Start(t)
	data := ocr.Picture(t, "Harbour works begin", "on Monday morning")
	f, err := capture.NewFile(t.Context(), "Screenshot.png", bytes.NewReader(data), int64(len(data)), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	asha := d.User(t, "asha")
	rc, err := d.Capture.Submit(t.Context(), capture.Upload{Person: string(asha.ID), Files: []*capture.File{f}})
	if err != nil || rc.Status != capture.StatusRead || len(rc.Conversations) != 1 {
		t.Fatalf("receipt is %+v, %v", rc, err)
	}
	e, err := store.EntryAt(t.Context(), d.DB.Reader(), rc.Conversations[0].First)
	if err != nil {
		t.Fatal(err)
	}
	o, err := capture.DecodeObservation(e.Body)
	if err != nil || o.Text != "Harbour works begin\non Monday morning" || o.Body != "" || o.Derived == nil || len(o.Quality) != 1 || o.Quality[0].Code != "machine_read" {
		t.Errorf("the message is %+v, %v", o, err)
	}

	// A marking that a machine reads in a picture is one too.
	data = ocr.Picture(t, "UK SECRET", "the convoy leaves at six")
	if f, err = capture.NewFile(t.Context(), "Screenshot2.png", bytes.NewReader(data), int64(len(data)), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if rc, err = d.Capture.Submit(t.Context(), capture.Upload{Person: string(asha.ID), Files: []*capture.File{f}}); err != nil {
		t.Fatal(err)
	}
	seal, err := store.SealedAt(t.Context(), d.DB.Reader(), rc.Conversations[0].First)
	if err != nil || seal.Marking != "UK SECRET" || seal.Place != "picture" {
		t.Errorf("the seal is %+v, %v", seal, err)
	}
}
