package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writeCertificate makes a certificate that signs itself, and gives the paths of
// certificate and key.
func writeCertificate(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, content []byte) string {
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret)
}

// shakeHands gives the name in the certificate that a client is shown.
func shakeHands(t *testing.T, server *tls.Config, client *tls.Config) (name string, state tls.ConnectionState, err error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	go tls.Server(a, server).Handshake() // its error is the client's too
	conn := tls.Client(b, client)
	if err := conn.Handshake(); err != nil {
		return "", state, err
	}
	state = conn.ConnectionState()
	return state.PeerCertificates[0].DNSNames[0], state, nil
}

func TestCertificatesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		cert, key := writeCertificate(t, dir, "one.example")
		log, said := logTo()
		pair, err := newCertificates(cert, key, log)
		if err != nil {
			t.Fatal(err)
		}
		server := pair.config()
		shows := func(want string) {
			t.Helper()
			got, _, err := shakeHands(t, server, &tls.Config{InsecureSkipVerify: true})
			if err != nil || got != want {
				t.Errorf("shown %q (%v), want %q", got, err, want)
			}
		}
		shows("one.example")

		writeCertificate(t, dir, "two.example")
		shows("one.example") // not a second yet
		time.Sleep(time.Second)
		shows("two.example")
		if said.Len() > 0 {
			t.Errorf("a good pair was logged: %s", said)
		}

		// A certificate without its key, then no certificate at all.
		keep, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		writeCertificate(t, dir, "three.example")
		fits, err := os.ReadFile(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range [][]byte{keep, []byte("nonsense")} {
			if err := os.WriteFile(key, wrong, 0o600); err != nil {
				t.Fatal(err)
			}
			said.Reset()
			for range 3 {
				time.Sleep(time.Second)
				shows("two.example")
			}
			if strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "the new certificate cannot be used, the old one stays") {
				t.Errorf("a bad pair was logged as:\n%s", said)
			}
		}
		if err := os.WriteFile(key, fits, 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		shows("three.example")
	})
}

func TestHandshake(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), "one.example")
	pair, err := newCertificates(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, state, err := shakeHands(t, pair.config(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("%v: version %x, protocol %q", err, state.Version, state.NegotiatedProtocol)
	}
	_, state, err = shakeHands(t, pair.config(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
	if err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2: %v, version %x", err, state.Version)
	}
	for name, client := range map[string]*tls.Config{
		"TLS 1.1":     {InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"HTTP/2 only": {InsecureSkipVerify: true, NextProtos: []string{"h2"}},
	} {
		if _, _, err := shakeHands(t, pair.config(), client); err == nil {
			t.Errorf("%s was let in", name)
		}
	}
}
