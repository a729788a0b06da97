package bundle

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"
)

// big makes a record of n messages among as many other entries. Of the messages one in ten will be redacted, one in
// twenty withheld.
func big(b testing.TB, n int) *log {
	l := newLog(b)
	for i := range n {
		l.text(fmt.Sprintf("@user%d:example.gov.uk", i%37), fmt.Sprintf("Message %d about the harbour: we met the contractor on site and agreed the next three steps, see below & reply by Friday.", i))
		l.add("other", 1, RoleContext, []byte("{}"))
	}
	return l
}

func statusOf(i int) Status {
	switch {
	case i%10 == 0:
		return Redacted
	case i%20 == 1:
		return Withheld
	}
	return Released
}

func (l *log) writeBig(b testing.TB, out io.Writer) {
	var totals Totals
	n := 0
	for i := range l.parts {
		if l.parts[i].Role == RoleMessage {
			totals.add(statusOf(n))
			n++
		}
	}
	w := l.writer(out, totals)
	if err := w.Conversation(l.roomConversation(0, uint64(n-1))); err != nil {
		b.Fatal(err)
	}
	n = 0
	for i := range l.parts {
		if l.parts[i].Role != RoleMessage {
			continue
		}
		part := l.parts[i : i+1 : i+1]
		c, err := Derive(part, "11")
		if err != nil {
			b.Fatal(err)
		}
		it := &Item{Status: statusOf(n), Content: c}
		n++
		switch it.Status {
		case Redacted:
			it.Text = "Message " + Mark("40(2)") + " about the harbour"
			it.Reasons = []Reason{{"40(2)", "Personal information", "absolute"}}
		case Withheld:
			it.Content = Content{}
			it.Reasons = []Reason{{"42", "Legal professional privilege", "qualified"}}
		}
		if err := w.Item(it, part); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkBundle100k(b *testing.B) {
	l := big(b, 100_000)
	var out bytes.Buffer
	b.Run("make", func(b *testing.B) {
		for b.Loop() {
			out.Reset()
			l.writeBig(b, &out)
		}
		b.ReportMetric(float64(out.Len())/1e6, "MB")
	})
	if out.Len() == 0 {
		l.writeBig(b, &out)
	}
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if r := verify(b, out.Bytes(), Check{Key: l.key}); !r.Genuine() || r.Totals.Items != 100_000 {
				b.Fatal(r.Problems)
			}
		}
	})
	b.Run("verify-unsigned", func(b *testing.B) {
		files := unzip(b, out.Bytes())
		files[noteFile] = nil
		bad := rezip(b, out.Bytes(), files, false)
		for b.Loop() {
			if r := verify(b, bad, Check{Key: l.key}); r.Genuine() {
				b.Fatal("held")
			}
		}
	})
	if dir := os.Getenv("BUNDLE_DIR"); dir != "" {
		if err := os.WriteFile(dir+"/bundle.zip", out.Bytes(), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyFile verifies the bundle named by BUNDLE_FILE, for profiles of that alone.
func BenchmarkVerifyFile(b *testing.B) {
	name := os.Getenv("BUNDLE_FILE")
	if name == "" {
		b.Skip("BUNDLE_FILE is not set")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r := verify(b, data, Check{}); !r.Genuine() {
			b.Fatal(r.Problems)
		}
	}
}
