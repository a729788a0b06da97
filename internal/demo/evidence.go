package demo

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"time"

	"despatch/internal/capture"
	"despatch/internal/disclosure"
	"despatch/internal/matrix"
	"despatch/internal/media"
	"despatch/internal/room"
)

// photo puts a picture into a conversation.
func (f *filler) photo(id matrix.RoomID, who, name string) error {
	picture, err := breakwater()
	if err != nil {
		return err
	}
	it, err := f.s.Media.Put(f.ctx, bytes.NewReader(picture), media.Upload{By: string(f.user(who)), Name: name, Type: "image/jpeg"})
	if err != nil {
		return err
	}
	content, err := json.Marshal(map[string]any{"msgtype": "m.image", "body": name, "url": f.s.Media.URI(it),
		"info": map[string]any{"mimetype": "image/jpeg", "size": it.Size, "w": photoWidth, "h": photoHeight}})
	if err != nil {
		return err
	}
	_, err = f.s.Rooms.Send(f.ctx, room.Draft{Sender: f.user(who), Room: id, Type: "m.room.message", Content: content})
	return err
}

const photoWidth, photoHeight = 960, 640

// breakwater paints a harbour wall at dusk: a picture that nobody has rights in.
func breakwater() ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, photoWidth, photoHeight))
	for y := range photoHeight {
		for x := range photoWidth {
			img.SetRGBA(x, y, dusk(float64(x)/photoWidth, float64(y)/photoHeight))
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 80})
	return b.Bytes(), err
}

func dusk(x, y float64) color.RGBA {
	mix := func(a, b, t float64) uint8 { return uint8(a + (b-a)*min(1, max(0, t))) }
	horizon := 0.52
	wall := 0.46 + 0.28*(1-x)*(1-x)
	switch {
	case y > wall && y < wall+0.10+0.10*(1-x) && x < 0.86: // the wall, with courses of stone
		course := math.Mod(y*34+math.Floor(x*22)*0.5, 1)
		shade := 70 + 30*math.Sin(x*60)*math.Sin(y*90)
		if course < 0.12 {
			shade -= 30
		}
		return color.RGBA{mix(shade, shade+20, x), mix(shade, shade+14, x), mix(shade+8, shade+10, x), 255}
	case x > 0.80 && x < 0.845 && y > 0.27 && y < 0.56: // the light at its end
		if y < 0.31 {
			return color.RGBA{255, 214, 140, 255}
		}
		return color.RGBA{196, 196, 190, 255}
	case y < horizon:
		t := y / horizon
		return color.RGBA{mix(52, 240, t*t), mix(84, 190, t*t), mix(120, 150, t), 255}
	default:
		t := (y - horizon) / (1 - horizon)
		ripple := 14 * math.Sin(y*240+math.Sin(x*30)*3) * (1 - t)
		return color.RGBA{mix(150+ripple, 18, t*1.4), mix(150+ripple, 52, t*1.4), mix(150+ripple, 74, t*1.4), 255}
	}
}

// Two people's copies of one chat: Daniel exported his before Eleanor deleted a message.
var (
	//go:embed whatsapp.txt
	whatsapp []byte
	//go:embed whatsapp-daniel.txt
	whatsappDaniel []byte
)

// capture puts on the record what was said in a WhatsApp group before the advice was written.
func (f *filler) capture() error {
	if err := f.at(4, "15:30"); err != nil {
		return err
	}
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		zone = time.UTC
	}
	for _, x := range []struct {
		who, name string
		text      []byte
	}{
		{"priya", "WhatsApp Chat with Quota – quick line.txt", whatsapp},
		{"daniel", "_chat.txt", whatsappDaniel},
	} {
		file, err := capture.NewFile(f.ctx, x.name, bytes.NewReader(x.text), int64(len(x.text)), f.clock.Now())
		if err != nil {
			return err
		}
		r, err := f.s.Capture.Submit(f.ctx, capture.Upload{Person: string(f.user(x.who)), Files: []*capture.File{file},
			Options: capture.Options{Zone: zone, ReceivedAt: f.clock.Now()}})
		if err == nil && len(r.Conversations) == 0 {
			err = fmt.Errorf("the WhatsApp chat was not understood: %v", r.Summary())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openCase opens the request that the records office works on.
func (f *filler) openCase() error {
	today := disclosure.DateOf(f.clock.Now())
	_, err := f.s.Cases.Open(f.ctx, f.user("ruth"), disclosure.Opening{
		Kind: disclosure.FOI, Title: "Mackerel quota: how the decision was reached",
		Request: "Please send me all messages between the Minister, her advisers and officials about the decision on the mackerel quota " +
			"for 2027, including messages sent on WhatsApp or any other app.",
		Received: today.Add(-3),
		Bounds:   disclosure.Bounds{From: today.Add(-60), To: today},
	})
	return err
}
