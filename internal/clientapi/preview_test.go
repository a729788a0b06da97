package clientapi

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// What is inside a network, or nowhere, is never reached.
func TestPreviewAddresses(t *testing.T) {
	p := &Previews{}
	for text, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true,
		"127.0.0.1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "0.0.0.0": false,
		"100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false, "198.18.0.1": false, "::1": false, "fe80::1": false,
		"fd00::1": false, "64:ff9b::a00:1": false, "2002:7f00:1::": false, "::": false, "ff02::1": false, "::ffff:10.0.0.1": false,
	} {
		if got := p.public(netip.MustParseAddr(text).Unmap()); got != want {
			t.Errorf("%s is reached: %v, want %v", text, got, want)
		}
	}
	p.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	if !p.public(netip.MustParseAddr("127.0.0.1")) || p.public(netip.MustParseAddr("10.0.0.1")) {
		t.Error("the networks that are allowed are not those that were named")
	}
	for _, text := range []string{"file:///etc/passwd", "gopher://example.org/", "http://user:word@example.org/", "http:///x", "javascript:x"} {
		if u, err := url.Parse(text); err == nil && checkLink(u) == nil {
			t.Errorf("%s was taken for a page", text)
		}
	}
}

func TestOpenGraph(t *testing.T) {
	for page, want := range map[string]map[string]any{
		`<title>Plain  title</title><meta name="description" content="About it">`:                            {"og:title": "Plain title", "og:description": "About it"},
		`<title>x</title><meta property="og:title" content="Better"><meta property="og:title" content="No">`: {"og:title": "Better"},
		`<META PROPERTY="og:type" CONTENT="video.movie"/>`:                                                   {"og:type": "video.movie"},
		`<p>nothing`: {},
	} {
		got := openGraph(strings.NewReader(page))
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", page, got, want)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %s is %v, want %v", page, k, got[k], v)
			}
		}
	}
}

func FuzzOpenGraph(f *testing.F) {
	f.Add(`<title>a</title><meta property=og:title content="b">`)
	f.Add("<meta property='og:\xff' content='\xff'><title>")
	f.Fuzz(func(t *testing.T, page string) {
		for k, v := range openGraph(strings.NewReader(page)) {
			if text, _ := v.(string); len(text) > maxPreviewText+len("…") || len(k) > 64 {
				t.Errorf("%q has %d bytes", k, len(text))
			}
		}
	})
}
