package console

import (
	"strings"

	"despatch/internal/store"
)

// sealedGallery has the pages about possible spillages.
func sealedGallery() map[string]framed {
	row := sealedRow{SealedItem: store.SealedItem{Pos: 48213, Entry: 48214, Time: 1792000000000, Marking: "SECRET – UK EYES ONLY", Reason: "caveat", Place: "text", Line: 3, State: store.Sealed}, By: "Asha Rao"}
	kept := row
	kept.Pos, kept.State, kept.Why, kept.Decided, kept.Reason, kept.Line = 48300, store.Kept, "It is what it says. "+strings.Repeat("unbroken", 40), "Sam Okoro, 1 November 2026 at 10:00", "foreign", 0
	list := &sealedPage{frame: frame{Title: "Possible spillages", Wide: true}, Rows: []sealedRow{row, kept}, Older: "/console/x", Done: "The message stays sealed.",
		Shows: []sealedShow{{"/x", "To be looked at", 1, true}, {"/y", "Kept sealed", 1, false}}}
	one := &sealPage{frame: frame{Title: "Message no. 48 213 is sealed", Back: link{root + "spillage", "Possible spillages"}}, Row: row, Sender: "ليلى حسن", Written: "27/10/2023, 10:00:05", Subject: "Convoy",
		Text: "SECRET\n" + strings.Repeat("unbroken", 40), Cut: true, Machine: true, Files: []string{"plan.pdf", strings.Repeat("name", 40)}, Doubts: []string{"The words were read from the picture by machine."}, Open: true,
		Answer: field{Name: "answer", Label: "What is it?", Kind: "radios", Answer: []answer{{Value: "keep", Text: "A spillage"}, {Value: "release", Text: "A false alarm", Hint: "It is shown."}}},
		Reason: field{Name: "reason", Label: "Why?", Kind: "area", Rows: 3, Hint: "Your reason is on the record."}}
	one.wrong("Choose what it is.", &one.Answer)
	one.wrong("Give a reason.", &one.Reason)
	return map[string]framed{"spillage": list, "spillage-empty": &sealedPage{frame: frame{Title: "Possible spillages", Wide: true}}, "sealed": one,
		"sealed-released": &sealPage{frame: frame{Title: "Message no. 48 213 was released"}, Row: kept}}
}
