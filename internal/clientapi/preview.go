package clientapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/gif" // the kinds of pictures of which the size is told
	_ "image/jpeg"
	_ "image/png"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"

	"despatch/internal/httpd"
	"despatch/internal/media"
)

// Previews fetches what a link leads to, to show its title and picture (Client-Server API, "URL previews"). It is off
// unless it is set: it tells others' servers that somebody here has been sent their address. It connects to public
// addresses only, whatever a name resolves to and wherever a page leads, so that nobody reaches through it what is
// inside the organisation's network.
type Previews struct {
	Allowed []netip.Prefix // networks that are not public and may be reached all the same
	Log     *slog.Logger

	once   sync.Once
	client *http.Client
	slots  chan struct{}

	mu   sync.Mutex
	kept map[string]keptPreview // guarded by mu
}

type keptPreview struct {
	raw []byte
	at  time.Time
}

const (
	previewTimeout   = 10 * time.Second
	maxPreviewPage   = 1 << 20 // bytes of a page that are read
	maxPreviewImage  = 5 << 20
	maxPreviewText   = 1000 // bytes of a title or a description
	maxPreviewsKept  = 500
	previewKept      = time.Hour
	previewsAtOnce   = 8
	previewRedirects = 5
)

var errPrivate = errors.New("this address is not a public one")

func (p *Previews) start() {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		// Asked of the address that is really connected to, after the name has been resolved.
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if !p.public(ap.Addr().Unmap()) {
			return fmt.Errorf("%s: %w", ap.Addr(), errPrivate)
		}
		return nil
	}}
	p.slots = make(chan struct{}, previewsAtOnce)
	p.kept = make(map[string]keptPreview)
	p.client = &http.Client{
		Timeout: previewTimeout,
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) >= previewRedirects {
				return errors.New("too many redirections")
			}
			return checkLink(r.URL)
		},
	}
}

// special are the networks that are not public although netip does not say so (RFC 6890 and its registry).
var special = func() (out []netip.Prefix) {
	for _, s := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10", "3fff::/20"} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}()

// public reports whether an address is one of the Internet's, or allowed.
func (p *Previews) public(a netip.Addr) bool {
	for _, n := range p.Allowed {
		if n.Contains(a) {
			return true
		}
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, n := range special {
		if n.Contains(a) {
			return false
		}
	}
	return true
}

// checkLink refuses links that no page has an address like.
func checkLink(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.User != nil:
		return errPrivate
	case len(u.String()) > 2048:
		return errors.New("this address is too long")
	}
	return nil
}

// linkPreview implements "GET /media/preview_url".
func (s *Server) linkPreview(r *http.Request, x session, _ *httpd.None) (*httpd.Raw, error) {
	if s.Previews == nil {
		return nil, httpd.NotFound("Links are not looked up here.")
	}
	p := s.Previews
	p.once.Do(p.start)
	u, err := url.Parse(r.URL.Query().Get("url"))
	if err != nil || checkLink(u) != nil {
		return nil, httpd.InvalidParam("url is no address of a page.")
	}
	p.mu.Lock()
	kept, ok := p.kept[u.String()]
	p.mu.Unlock()
	if ok && s.Now().Sub(kept.at) < previewKept {
		return (*httpd.Raw)(&kept.raw), nil
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	ctx, cancel := context.WithTimeout(r.Context(), previewTimeout)
	defer cancel()
	found, err := s.look(ctx, x, u)
	if err != nil {
		p.Log.InfoContext(r.Context(), "a link could not be looked up", "err", err)
		return nil, httpd.Errorf(http.StatusBadGateway, "M_UNKNOWN", "There is no preview of this link.")
	}
	raw, err := marshal(found)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.kept) >= maxPreviewsKept {
		clear(p.kept)
	}
	p.kept[u.String()] = keptPreview{raw, s.Now()}
	return (*httpd.Raw)(&raw), nil
}

// get fetches at most so many bytes.
func (p *Previews) get(ctx context.Context, u *url.URL, most int64) ([]byte, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("User-Agent", "Despatch (link preview)")
	req.Header.Set("Accept", "text/html, image/*;q=0.8")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("the answer was %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most))
	return body, resp.Header.Get("Content-Type"), err
}

// look fetches a page and says what it is.
func (s *Server) look(ctx context.Context, x session, u *url.URL) (map[string]any, error) {
	body, contentType, err := s.Previews.get(ctx, u, maxPreviewPage)
	if err != nil {
		return nil, err
	}
	typ, _, _ := mime.ParseMediaType(contentType)
	if strings.HasPrefix(typ, "image/") {
		return s.picture(ctx, x, u, map[string]any{})
	}
	if typ != "text/html" && typ != "application/xhtml+xml" {
		return map[string]any{}, nil
	}
	text, err := charset.NewReader(bytes.NewReader(body), contentType)
	if err != nil {
		return nil, err
	}
	found := openGraph(text)
	link, _ := found["og:image"].(string)
	delete(found, "og:image")
	if link == "" {
		return found, nil
	}
	at, err := u.Parse(link)
	if err != nil || checkLink(at) != nil {
		return found, nil
	}
	return s.picture(ctx, x, at, found)
}

// picture fetches a picture and keeps it for those who are shown the preview. A page without its picture is shown
// all the same.
func (s *Server) picture(ctx context.Context, x session, u *url.URL, found map[string]any) (map[string]any, error) {
	body, contentType, err := s.Previews.get(ctx, u, maxPreviewImage+1)
	if err != nil || len(body) > maxPreviewImage {
		return found, nil
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		return found, nil
	}
	it, err := s.Media.Put(ctx, bytes.NewReader(body), media.Upload{By: string(x.User), Type: contentType})
	if err != nil {
		return nil, err
	}
	found["og:image"], found["og:image:type"], found["matrix:image:size"] = s.Media.URI(it), it.Type, it.Size
	found["og:image:width"], found["og:image:height"] = size.Width, size.Height
	return found, nil
}

// openGraph reads what a page says of itself: the Open Graph properties, or its title and description.
func openGraph(r io.Reader) map[string]any {
	found := map[string]any{}
	z := html.NewTokenizer(r)
	z.SetMaxBuf(256 << 10)
	title, description, inTitle := "", "", false
	for {
		switch z.Next() {
		case html.ErrorToken:
			if found["og:title"] == nil && title != "" {
				found["og:title"] = cutText(title)
			}
			if found["og:description"] == nil && description != "" {
				found["og:description"] = cutText(description)
			}
			return found
		case html.StartTagToken, html.SelfClosingTagToken:
			name, has := z.TagName()
			inTitle = string(name) == "title"
			if string(name) != "meta" {
				continue
			}
			var property, content string
			for has {
				var k, v []byte
				k, v, has = z.TagAttr()
				switch string(k) {
				case "property", "name":
					property = strings.ToLower(string(v))
				case "content":
					content = string(v)
				}
			}
			switch {
			case strings.HasPrefix(property, "og:") && len(property) < 64 && len(found) < 50 && found[property] == nil:
				found[property] = cutText(content)
			case property == "description":
				description = content
			}
		case html.TextToken:
			if inTitle && len(title) < maxPreviewText {
				title += string(z.Text())
			}
		case html.EndTagToken:
			inTitle = false
		}
	}
}

func cutText(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if len(text) > maxPreviewText {
		text = strings.ToValidUTF8(text[:maxPreviewText], "") + "…"
	}
	return text
}
