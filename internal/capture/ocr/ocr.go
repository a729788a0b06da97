// Package ocr has the words in pictures read by tesseract, where that program is installed.
//
// What it reads is for searching: a machine made it, with errors, and the picture is what counts. Each
// picture is read in a process of its own, with bounds on its size, its time and its answer.
package ocr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"

	"despatch/internal/capture"
)

// Bounds of one picture.
const (
	maxBytes  = 32 << 20
	maxPixels = 60_000_000
	maxAnswer = 4 << 20
	maxTime   = 20 * time.Second
)

// Tesseract is an installed program. It is a [capture.PictureReader], safe for concurrent use.
type Tesseract struct {
	path    string
	version string
}

// Find returns the tesseract that is installed on this machine, or nil and why there is none.
func Find(ctx context.Context) (*Tesseract, error) {
	path, err := exec.LookPath("tesseract")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("ask tesseract for its version: %w", err)
	}
	words := strings.Fields(string(out))
	if len(words) < 2 || words[0] != "tesseract" {
		return nil, fmt.Errorf("%s is not tesseract", path)
	}
	return &Tesseract{path: path, version: words[1]}, nil
}

// ErrPicture means that a picture is of no kind that can be read, or too large for it.
var ErrPicture = errors.New("the picture cannot be read by machine")

// ReadPicture returns the words in a picture, line by line, and how sure the program is of them. There
// may be none. It takes up to twenty seconds.
func (t *Tesseract) ReadPicture(ctx context.Context, r io.Reader) (string, capture.Derived, error) {
	d := capture.Derived{Engine: "tesseract " + t.version}
	data, err := io.ReadAll(io.LimitReader(r, maxBytes+1))
	if err != nil {
		return "", d, err
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || len(data) > maxBytes || int64(size.Width)*int64(size.Height) > maxPixels {
		return "", d, ErrPicture
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.path, "stdin", "stdout", "-l", "eng", "tsv")
	cmd.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1") // several pictures at once are better read one by one
	cmd.Stdin = bytes.NewReader(data)
	out := &bounded{left: maxAnswer}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		return "", d, fmt.Errorf("read a picture by machine: %w", err)
	}
	text, sure := words(out.String())
	d.Confidence = sure
	return text, d, nil
}

// bounded keeps so many bytes and forgets the rest.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	b.Buffer.Write(p[:n])
	return len(p), nil
}

// words reads tesseract's table: a line for each word, with its block, paragraph and line, its
// confidence in per cent, and the word as the last of twelve columns.
func words(tsv string) (text string, sure int) {
	var b strings.Builder
	line := ""
	sum, n := 0.0, 0
	for row := range strings.Lines(tsv) {
		col := strings.Split(strings.TrimRight(row, "\r\n"), "\t")
		if len(col) != 12 || col[0] != "5" || strings.TrimSpace(col[11]) == "" {
			continue
		}
		if at := strings.Join(col[1:5], "."); line != "" && at == line {
			b.WriteByte(' ')
		} else if line != "" {
			b.WriteByte('\n')
		}
		line = strings.Join(col[1:5], ".")
		b.WriteString(strings.ToValidUTF8(col[11], "\uFFFD"))
		if conf, err := strconv.ParseFloat(col[10], 64); err == nil && conf >= 0 && conf <= 100 {
			sum += conf
			n++
		}
	}
	if n > 0 {
		sure = int(sum / float64(n))
	}
	return b.String(), sure
}
