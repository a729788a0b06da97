package ocr

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Picture is a screenshot with lines of text.
func Picture(t *testing.T, lines ...string) []byte {
	t.Helper()
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		t.Fatal(err)
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: 28, DPI: 96})
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 900, 60+60*len(lines)))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	for i, l := range lines {
		d := font.Drawer{Dst: img, Src: image.NewUniform(color.Black), Face: face, Dot: fixed.P(30, 60+60*i)}
		d.DrawString(l)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadPicture(t *testing.T) {
	o, err := Find(t.Context())
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("skipped: tesseract is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	text, d, err := o.ReadPicture(t.Context(), bytes.NewReader(Picture(t, "The patient in bed seven", "needs the letter today")))
	if err != nil || text != "The patient in bed seven\nneeds the letter today" {
		t.Errorf("read %q, %v", text, err)
	}
	if !strings.HasPrefix(d.Engine, "tesseract ") || d.Confidence < 60 || d.Confidence > 100 {
		t.Errorf("read by %+v", d)
	}
	if text, _, err := o.ReadPicture(t.Context(), bytes.NewReader(Picture(t))); err != nil || text != "" {
		t.Errorf("an empty picture says %q, %v", text, err)
	}
	if _, _, err := o.ReadPicture(t.Context(), strings.NewReader("no picture")); !errors.Is(err, ErrPicture) {
		t.Errorf("no picture: %v", err)
	}
}

func TestWords(t *testing.T) {
	row := func(cols ...string) string { return strings.Join(cols, "\t") + "\n" }
	tsv := row("level", "page_num", "block_num", "par_num", "line_num", "word_num", "left", "top", "width", "height", "conf", "text") +
		row("4", "1", "1", "1", "1", "0", "0", "0", "9", "9", "-1", "") +
		row("5", "1", "1", "1", "1", "1", "0", "0", "9", "9", "90.5", "Dr") +
		row("5", "1", "1", "1", "1", "2", "0", "0", "9", "9", "70.5", "Ash") +
		row("5", "1", "1", "1", "2", "1", "0", "0", "9", "9", "40", "yes") + "broken\n"
	// (90.5 + 70.5 + 40) / 3 = 67
	if text, sure := words(tsv); text != "Dr Ash\nyes" || sure != 67 {
		t.Errorf("read %q, sure by %d per cent", text, sure)
	}
}

func FuzzWords(f *testing.F) {
	f.Add("5\t1\t1\t1\t1\t1\t0\t0\t9\t9\t90\tDr\n")
	f.Fuzz(func(t *testing.T, tsv string) {
		if text, sure := words(tsv); sure < 0 || sure > 100 || len(text) > 3*len(tsv) {
			t.Errorf("%q, %d", text, sure)
		}
	})
}
