package unstructured

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"testing"

	"despatch/internal/capture"
)

// bomb is a PDF whose one page unfolds to n megabytes of a text.
func bomb(n int, text string) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write([]byte(strings.Repeat(text, n<<20/len(text))))
	w.Close()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%%PDF-1.4\n1 0 obj<</Type/Page/Contents[%s]>>endobj\n2 0 obj<</Filter/FlateDecode/Length %d>>stream\n", strings.Repeat("2 0 R ", 900), z.Len())
	b.Write(z.Bytes())
	b.WriteString("\nendstream endobj trailer<<>>")
	return b.Bytes()
}

// TestBomb reads files that are made to take for ever: they end, with what could be read and a doubt.
func TestBomb(t *testing.T) {
	for name, data := range map[string][]byte{
		"spaces":   bomb(24, "        "),
		"words":    bomb(24, "a b c d "),
		"brackets": bomb(24, "[[[[[[[["),
		"shown":    bomb(24, "BT (ab) Tj ET "),
		"names":    []byte("%PDF-1.4\n" + strings.Repeat("1 0 obj ", 1<<20)),
		"nested":   []byte("%PDF-1.4\n1 0 obj" + strings.Repeat("<<", 4<<20)),
		"trailers": []byte("%PDF-1.4\n" + strings.Repeat("trailer<<", 1<<20)),
		"strings":  []byte("%PDF-1.4\n" + strings.Repeat("1 0 obj(", 1<<20)),
		"streams":  []byte("%PDF-1.4\n" + strings.Repeat("1 0 obj<<>>stream ", 1<<20)),
	} {
		t.Run(name, func(t *testing.T) {
			_, list, err := parse(t, capture.Options{}, file(t, "x.pdf", data))
			if err != nil || len(list) != 1 || len(list[0].Text) > maxText || len(list[0].Quality) == 0 {
				t.Errorf("%d items, %v", len(list), err)
			}
		})
	}
}
