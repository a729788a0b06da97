package media

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"despatch/internal/httpd"
	"despatch/internal/store"
)

// Size is a thumbnail's size. A cropped one fills it, a scaled one fits into it.
type Size struct {
	Width, Height int
	Crop          bool
}

// sizes are those that are made, smallest first: Client-Server API, "Thumbnails". Clients get the smallest
// that is not smaller than what they ask for.
var sizes = []Size{
	{32, 32, true}, {96, 96, true}, {320, 320, true},
	{320, 240, false}, {640, 480, false}, {800, 600, false}, {1600, 1200, false},
}

func (z Size) made() Size {
	var last Size
	for _, have := range sizes {
		if have.Crop != z.Crop {
			continue
		}
		if last = have; have.Width >= z.Width && have.Height >= z.Height {
			break
		}
	}
	return last
}

func (z Size) String() string {
	how := "s"
	if z.Crop {
		how = "c"
	}
	return fmt.Sprintf("%dx%d%s", z.Width, z.Height, how)
}

// Bounds on pictures that are decoded. The memory is what the decoded picture takes.
const (
	maxPixels     = 50e6
	maxSide       = 30_000
	maxPicture    = 160 << 20
	maxScaling    = 20 * time.Second // how long a request waits for its turn
	jpegQuality   = 82
	progressivePx = 8 // bytes a pixel, while a progressive JPEG is decoded
)

// Thumbnail returns an upload made smaller, as a JPEG, or a PNG where it is transparent. It is made when
// first asked for and then kept, encrypted with a key that goes when the content's goes.
func (s *Service) Thumbnail(ctx context.Context, id string, z Size) (contentType string, f *File, err error) {
	_, c, err := s.find(ctx, id)
	if err != nil {
		return "", nil, err
	}
	z = z.made()
	name := c.File + "." + z.String()
	key := thumbnailKey(c.Key, z)
	if f, err = s.openThumbnail(name, key); err != nil {
		if err = s.makeThumbnail(ctx, c, z, name, key); err != nil {
			return "", nil, err
		}
		if f, err = s.openThumbnail(name, key); err != nil {
			return "", nil, err
		}
	}
	if contentType, err = thumbnailType(f); err != nil {
		f.Close()
	}
	return contentType, f, err
}

// thumbnailKey derives the key of a thumbnail, so that it need not be stored and destroyed by itself.
func thumbnailKey(key []byte, z Size) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("despatch thumbnail " + z.String()))
	return m.Sum(nil)
}

func (s *Service) openThumbnail(name string, key []byte) (*File, error) {
	f, err := s.folder.openFile(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	size := plainSize(info.Size())
	if size < 0 {
		f.Close()
		return nil, errSealed
	}
	return openSealed(f, key, size)
}

// thumbnailType tells by its first bytes which of the two it is.
func thumbnailType(f *File) (string, error) {
	var head [8]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return "", fmt.Errorf("read a thumbnail: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if string(head[:]) == pngMagic {
		return "image/png", nil
	}
	return "image/jpeg", nil
}

// makeThumbnail decodes, scales and keeps. One is made at a time.
func (s *Service) makeThumbnail(ctx context.Context, c store.Content, z Size, name string, key []byte) error {
	wait := time.NewTimer(maxScaling)
	defer wait.Stop()
	select {
	case s.scaling <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return httpd.LimitExceeded(2*time.Second, "Too many pictures are being made smaller at once. Try again in a moment.")
	}
	defer func() { <-s.scaling }()
	if f, err := s.openThumbnail(name, key); err == nil {
		return f.Close() // made while this request waited
	}
	f, err := s.openContent(c)
	if err != nil {
		return err
	}
	defer f.Close()
	encoded, err := shrink(f, c.Type, z)
	if err != nil {
		return err
	}
	return s.explain(s.keepThumbnail(name, key, encoded))
}

// keepThumbnail writes a thumbnail. It can be made again, so it need not be durable; but it must be whole.
func (s *Service) keepThumbnail(name string, key, encoded []byte) error {
	f, err := s.folder.create()
	if err != nil {
		return err
	}
	defer s.folder.remove(f.Name()) // fails once it has its name
	w := newSealer(f, key)
	if _, err = w.Write(encoded); err == nil {
		err = w.Close()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	err = os.Rename(f.Name(), s.folder.path(name))
	if errors.Is(err, fs.ErrNotExist) { // destroyed meanwhile
		return httpd.NotFound("That file is here no more.")
	}
	return err
}

// shrink returns the picture in f, made to fit, as JPEG or PNG.
func shrink(f *File, mediaType string, z Size) ([]byte, error) {
	if err := bounded(f, mediaType); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	img, err := decode(bufio.NewReaderSize(f, 64<<10), mediaType)
	if err != nil {
		return nil, unreadable(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	img = scale(img, z, upright(f, mediaType))
	var out bytes.Buffer
	if opaque(img) {
		err = jpeg.Encode(&out, img, &jpeg.Options{Quality: jpegQuality})
	} else {
		err = png.Encode(&out, img)
	}
	return out.Bytes(), err
}

func unreadable(err error) error {
	if errors.Is(err, errSealed) {
		return err
	}
	return httpd.Unknown("This picture cannot be made smaller: it is damaged or of a kind that is not known here.")
}

func decode(r io.Reader, mediaType string) (image.Image, error) {
	switch mediaType {
	case "image/jpeg":
		return jpeg.Decode(r)
	case "image/png", "image/apng":
		return png.Decode(r)
	case "image/gif":
		return gif.Decode(r) // its first picture
	case "image/webp":
		return webp.Decode(r)
	}
	return nil, fmt.Errorf("no thumbnails of %s", mediaType)
}

// bounded refuses a picture that would take too much memory, by what its header says.
func bounded(r io.Reader, mediaType string) error {
	var cfg image.Config
	var err error
	perPixel := int64(4)
	head := bufio.NewReaderSize(r, 64<<10)
	switch mediaType {
	case "image/jpeg":
		perPixel = 3
		var progressive bool
		if progressive, cfg, err = jpegConfig(head); progressive {
			perPixel = progressivePx
		}
	case "image/png", "image/apng":
		if cfg, err = png.DecodeConfig(head); err == nil && (cfg.ColorModel == color.NRGBA64Model || cfg.ColorModel == color.RGBA64Model) {
			perPixel = 8
		}
	case "image/gif":
		cfg, err = gif.DecodeConfig(head)
		perPixel = 1
	case "image/webp":
		cfg, err = webp.DecodeConfig(head)
	default:
		return httpd.Unknown("There are small pictures of pictures only.")
	}
	if err != nil {
		return unreadable(err)
	}
	w, h := int64(cfg.Width), int64(cfg.Height)
	if w <= 0 || h <= 0 || w > maxSide || h > maxSide || w*h > maxPixels || w*h*perPixel > maxPicture {
		return httpd.TooLarge("This picture has too many points to be made smaller here.")
	}
	return nil
}

// jpegConfig reads the size of a JPEG picture, and whether it is progressive, which takes more memory.
func jpegConfig(r *bufio.Reader) (progressive bool, cfg image.Config, err error) {
	var soi [2]byte
	if _, err = io.ReadFull(r, soi[:]); err != nil {
		return
	}
	for {
		m, err := jpegMarker(r)
		if err != nil {
			return false, cfg, err
		}
		if m == 0x01 || m >= 0xd0 && m <= 0xd8 {
			continue
		}
		seg, err := jpegSegment(r)
		if err != nil {
			return false, cfg, err
		}
		if m >= 0xc0 && m <= 0xc2 && len(seg) >= 6 {
			cfg.Height, cfg.Width = int(seg[1])<<8|int(seg[2]), int(seg[3])<<8|int(seg[4])
			return m == 0xc2, cfg, nil
		}
		if m == markSOS || m == markEOI {
			return false, cfg, errDamaged("JPEG")
		}
	}
}

// upright is which way is up, 1 to 8 as in Exif.
func upright(r io.Reader, mediaType string) int {
	if mediaType != "image/jpeg" {
		return 1 // the others are shown as they are
	}
	br := bufio.NewReader(r)
	br.Discard(2)
	for {
		m, err := jpegMarker(br)
		if err != nil || m == markSOS || m == markEOI {
			return 1
		}
		seg, err := jpegSegment(br)
		if err != nil {
			return 1
		}
		if m == markAPP1 && bytes.HasPrefix(seg, []byte("Exif\x00\x00")) {
			return max(1, orientation(seg[6:]))
		}
	}
}

// scale makes img fit z and turns it upright. A picture that is smaller stays so.
func scale(img image.Image, z Size, orientation int) image.Image {
	turned := orientation >= 5
	if turned {
		z.Width, z.Height = z.Height, z.Width
	}
	src := img.Bounds()
	if z.Crop {
		src = centre(src, z)
	}
	w, h := src.Dx(), src.Dy()
	if w > z.Width || h > z.Height {
		if w*z.Height > h*z.Width {
			w, h = z.Width, max(1, h*z.Width/w)
		} else {
			w, h = max(1, w*z.Height/h), z.Height
		}
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.BiLinear.Scale(dst, dst.Bounds(), img, src, draw.Src, nil)
	return turn(dst, orientation)
}

// centre is the middle of a picture in the proportions of z.
func centre(r image.Rectangle, z Size) image.Rectangle {
	w, h := r.Dx(), r.Dy()
	if w*z.Height > h*z.Width {
		cut := (w - h*z.Width/z.Height) / 2
		return image.Rect(r.Min.X+cut, r.Min.Y, r.Max.X-cut, r.Max.Y)
	}
	cut := (h - w*z.Height/z.Width) / 2
	return image.Rect(r.Min.X, r.Min.Y+cut, r.Max.X, r.Max.Y-cut)
}

// turn turns and mirrors a picture as the orientation of Exif says.
func turn(src *image.RGBA, orientation int) *image.RGBA {
	if orientation <= 1 || orientation > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	dw, dh := w, h
	if orientation >= 5 {
		dw, dh = h, w
	}
	dst := image.NewRGBA(image.Rect(0, 0, dw, dh))
	for y := range h {
		for x := range w {
			dx, dy := x, y
			switch orientation {
			case 2:
				dx = w - 1 - x
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dy = h - 1 - y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			copy(dst.Pix[dst.PixOffset(dx, dy):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}

func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}
