package whatsapp

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"despatch/internal/capture"
)

// longChat makes an Android chat of n messages by a handful of people, with what chats have: several
// lines, media, deletions, edits, links, system lines, names with colons in bodies.
func longChat(n int) []byte {
	var b bytes.Buffer
	at := time.Date(2022, 1, 1, 8, 0, 0, 0, time.UTC)
	people := []string{"Asha Rao", "Tom Field", "+44 7700 900123", "Priya: Policy", "Jürgen Müller"}
	b.WriteString("01/01/2022, 08:00 - Messages and calls are end-to-end encrypted. No one outside of this chat, not even WhatsApp, can read or listen to them. Tap to learn more.\n")
	for i := 1; i < n; i++ {
		at = at.Add(time.Duration(i%7) * time.Minute)
		fmt.Fprintf(&b, "%s - ", at.Format("02/01/2006, 15:04"))
		who := people[i*i%len(people)]
		switch i % 40 {
		case 1:
			fmt.Fprintf(&b, "%s: IMG-%s-WA%04d.jpg (file attached)\nthe %dth picture\n", who, at.Format("20060102"), i%10000, i)
		case 2:
			fmt.Fprintf(&b, "%s: <Media omitted>\n", who)
		case 3:
			fmt.Fprintf(&b, "%s: This message was deleted\n", who)
		case 4:
			fmt.Fprintf(&b, "%s: number %d, corrected <This message was edited>\n", who, i)
		case 5:
			fmt.Fprintf(&b, "%s: a list:\n1. water\n2. roads\n\n3. message %d\n", who, i)
		case 6:
			fmt.Fprintf(&b, "%s added %s\n", people[i%3], people[(i+1)%3])
		case 7:
			fmt.Fprintf(&b, "%s: see https://www.example.gov.uk/documents/%d?from=chat 😀\n", who, i)
		default:
			fmt.Fprintf(&b, "%s: message number %d says what people say on an ordinary working day\n", who, i)
		}
	}
	return b.Bytes()
}

func BenchmarkParse100k(b *testing.B) {
	data := longChat(100_000)
	f := file(b, "WhatsApp Chat with Water.txt", data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		n := 0
		run, err := Parser{}.Parse(context.Background(), &capture.Source{Files: []*capture.File{f}}, capture.Options{Zone: time.UTC}, func(o *capture.Observation) error {
			n++
			return nil
		})
		if err != nil || n != 100_000 || run.Status != capture.StatusRead {
			b.Fatalf("read %d messages, %s, %v", n, run.Status, err)
		}
	}
}

// TestMemory shows that a long chat takes memory for what is learnt of it, not for its text.
func TestMemory(t *testing.T) {
	data := longChat(200_000)
	f := file(t, "_chat.txt", data)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak uint64
	n := 0
	_, err := Parser{}.Parse(t.Context(), &capture.Source{Files: []*capture.File{f}}, capture.Options{}, func(o *capture.Observation) error {
		if n++; n%20_000 == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapAlloc-before.HeapAlloc)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if limit := uint64(8 << 20); peak > limit {
		t.Errorf("live heap grew by %d bytes while reading a chat of %d bytes, want at most %d", peak, len(data), limit)
	}
	t.Logf("a chat of %d bytes took %d bytes", len(data), peak)
}
