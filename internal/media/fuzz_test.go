package media

import (
	"bufio"
	"bytes"
	"image/jpeg"
	"image/png"
	"testing"
)

func reader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// Whatever a picture is like, removing its metadata ends, never makes it longer by more than an orientation,
// and a second time changes nothing.
func fuzzStrip(f *testing.F, mediaType string) {
	strip := stripper(mediaType)
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, twice bytes.Buffer
		if strip(&once, reader(b)) != nil {
			return
		}
		if once.Len() > len(b)+64 {
			t.Errorf("%d bytes became %d", len(b), once.Len())
		}
		if err := strip(&twice, reader(once.Bytes())); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("the second time gives something else: %v", err)
		}
	})
}

func FuzzStripJPEG(f *testing.F) {
	var b bytes.Buffer
	jpeg.Encode(&b, gradient(16, 16), nil)
	f.Add(b.Bytes())
	f.Add(append([]byte{0xff, 0xd8}, append(segment(markAPP1, "Exif\x00\x00"+string(exifOrientation(6))), b.Bytes()[2:]...)...))
	fuzzStrip(f, "image/jpeg")
}

func FuzzStripPNG(f *testing.F) {
	var b bytes.Buffer
	png.Encode(&b, gradient(16, 16))
	f.Add(b.Bytes())
	f.Add(append(append(bytes.Clone(b.Bytes()[:33]), pngChunk("eXIf", string(exifOrientation(6)))...), b.Bytes()[33:]...))
	fuzzStrip(f, "image/png")
}

func FuzzStripWebP(f *testing.F) {
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBP0000\r\x00\x00\x0000000000000000"))
	fuzzStrip(f, "image/webp")
}

func FuzzOrientation(f *testing.F) {
	f.Add(exifOrientation(6))
	f.Fuzz(func(t *testing.T, b []byte) {
		if o := orientation(b); o < 0 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	f := start(b, b.TempDir()+"/despatch.db")
	f.opt.MaxUpload = 1 << 30
	data := random(1 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		data[0]++
		data[1] += data[0]
		if _, err := f.Put(b.Context(), bytes.NewReader(data), Upload{By: "@asha:example.org"}); err != nil {
			b.Fatal(err)
		}
	}
}
