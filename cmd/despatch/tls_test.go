package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate makes a certificate for this machine and writes it with its key.
func writeCertificate(t *testing.T, certFile, keyFile, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if status, _, errs := despatch(t, "", "serve", "--data", filepath.Join(dir, "a"), "--server-name", "example.org", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key); status != 1 || !strings.Contains(errs, "certificate") {
		t.Errorf("without a certificate: %d %s", status, errs)
	}
	pool := writeCertificate(t, cert, key, "first")
	s := startServing(t, "--data", filepath.Join(dir, "b"), "--server-name", "example.org", "--tls-cert", cert, "--tls-key", key)
	url := s.url(t)
	if !strings.HasPrefix(url, "https://") {
		t.Errorf("address %s", url)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	resp, err := client.Get(url + "/health")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("/health: %d", resp.StatusCode)
	}
}

// A certificate that was renewed is used without a restart, and the old one while the new one is half written.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	name := func() string {
		t.Helper()
		c.looked = time.Time{} // as if half a minute had gone
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.Subject.CommonName
	}
	writeCertificate(t, c.cert, c.key, "first")
	if got := name(); got != "first" {
		t.Errorf("got %s", got)
	}
	os.WriteFile(c.cert, []byte("half"), 0o600)
	os.Chtimes(c.cert, time.Now(), time.Now().Add(time.Minute))
	if got := name(); got != "first" {
		t.Errorf("while it is written: %s", got)
	}
	writeCertificate(t, c.cert, c.key, "second")
	os.Chtimes(c.cert, time.Now(), time.Now().Add(2*time.Minute))
	if got := name(); got != "second" {
		t.Errorf("after it was renewed: %s", got)
	}
}
