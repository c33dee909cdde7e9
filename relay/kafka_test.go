package relay

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"waytrace/trace"
)

// certify makes a certificate for this machine, and gives it for a server, and the files
// of it and its key.
func certify(t *testing.T) (pair tls.Certificate, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string][]byte{cert: certPEM, key: keyPEM} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if pair, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	return pair, cert, key
}

// A Kafka that wants TLS and a login is spoken to over real connections; one that refuses
// says why.
func TestTLSAndLogins(t *testing.T) {
	pair, cert, key := certify(t)
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	_, other, otherKey := certify(t)
	for _, c := range []struct {
		name  string
		tls   *tls.Config
		login string // the mechanism that the broker's user has
		edit  func(s *Settings)
		says  string // why it fails; empty where it does not
	}{
		{"tls", &tls.Config{Certificates: []tls.Certificate{pair}}, "", func(s *Settings) { s.TLS, s.CA = true, cert }, ""},
		{"mutual tls", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, "",
			func(s *Settings) { s.TLS, s.CA, s.Cert, s.Key = true, cert, cert, key }, ""},
		{"plain", nil, "PLAIN", func(s *Settings) { s.SASL = "plain" }, ""},
		{"scram 256", nil, "SCRAM-SHA-256", func(s *Settings) { s.SASL = "scram-sha-256" }, ""},
		{"scram 512 over tls", &tls.Config{Certificates: []tls.Certificate{pair}}, "SCRAM-SHA-512",
			func(s *Settings) { s.SASL, s.TLS, s.CA = "scram-sha-512", true, cert }, ""},

		{"another certificate is trusted", &tls.Config{Certificates: []tls.Certificate{pair}}, "", func(s *Settings) { s.TLS, s.CA = true, other }, "name the file of its authority in kafka.ca"},
		{"the system's are trusted", &tls.Config{Certificates: []tls.Certificate{pair}}, "", func(s *Settings) { s.TLS = true }, "name the file of its authority in kafka.ca"},
		{"a login where there is none", nil, "", func(s *Settings) { s.SASL = "scram-sha-256" }, "kafka.sasl"},
		{"another certificate is shown", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}, "",
			func(s *Settings) { s.TLS, s.CA, s.Cert, s.Key = true, cert, other, otherKey }, "certificate"},
		{"no tls", &tls.Config{Certificates: []tls.Certificate{pair}}, "", func(*Settings) {}, "kafka.tls"},
		{"no login", nil, "PLAIN", func(*Settings) {}, "kafka.sasl"},
		{"a wrong password, plain", nil, "PLAIN", func(s *Settings) { s.SASL, s.Password = "plain", "wrong" }, "kafka.password"},
		{"a wrong password, scram", nil, "SCRAM-SHA-256", func(s *Settings) { s.SASL, s.Password = "scram-sha-256", "wrong" }, "kafka.password"},
		{"a wrong user", nil, "SCRAM-SHA-512", func(s *Settings) { s.SASL, s.User = "scram-sha-512", "nobody" }, "kafka.user"},
		{"another way to log in", nil, "PLAIN", func(s *Settings) { s.SASL = "scram-sha-256" }, "kafka.sasl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			options := []kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(trace.Partitions, topic)}
			if c.tls != nil {
				options = append(options, kfake.TLS(c.tls))
			}
			if c.login != "" {
				options = append(options, kfake.EnableSASL(), kfake.Superuser(c.login, "waytrace", "se=cr,et"))
			}
			cluster := kfake.MustCluster(options...)
			defer cluster.Close()
			s := Settings{Brokers: cluster.ListenAddrs(), User: "waytrace", Password: "se=cr,et", Log: slog.New(slog.DiscardHandler)}
			c.edit(&s)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			report, err := CheckTopic(ctx, s)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("it says %v, want something about %s", err, c.says)
				} else if text := err.Error(); strings.Contains(text, "(*Client)") || strings.HasSuffix(text, ": invalid") {
					t.Errorf("it says %s", text)
				}
				// Those who ship hear the same, whatever they ask first.
				b, err := newBroker(s, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				if err := b.Produce(ctx, 3, []trace.LoadItem{{Key: "x"}}); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "(*Client)") {
					t.Errorf("to produce gives %v", err)
				}
				return
			}
			if err != nil || report.Brokers != 1 {
				t.Fatalf("%+v, %v", report, err)
			}
			n := newNode(1)
			n.hear(3, "one")
			r, err := Open(n, n, s)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if err := r.Replicated(ctx, 1<<3); err != nil {
				t.Error(err, r.glance().LastError)
			}
		})
	}
}

// A plain listener hangs up on who speaks TLS, for it takes that for a request of many
// megabytes, or waits for those.
func TestTLSToAPlainListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.ReadFull(c, make([]byte, 4))
			c.Close()
		}
	})
	defer served.Wait()
	defer l.Close()
	s := Settings{Brokers: []string{l.Addr().String()}, TLS: true}
	if _, err := CheckTopic(t.Context(), s); err == nil || !strings.Contains(err.Error(), "speak TLS here (kafka.tls)") {
		t.Errorf("it says %v", err)
	}
	b := &broker{secure: true}
	silent := &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
	if err := b.unwelcome(silent); !strings.Contains(err.Error(), "speak TLS here (kafka.tls)") || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it says %v", err)
	}
}

// Settings that cannot work are refused before anything is asked.
func TestSettings(t *testing.T) {
	_, cert, _ := certify(t)
	for name, s := range map[string]Settings{
		"no broker":          {},
		"an unknown login":   {Brokers: []string{"localhost:1"}, SASL: "kerberos"},
		"no certificate":     {Brokers: []string{"localhost:1"}, TLS: true, CA: os.Args[0]},
		"a missing file":     {Brokers: []string{"localhost:1"}, TLS: true, CA: cert + ".not"},
		"a missing key":      {Brokers: []string{"localhost:1"}, TLS: true, Cert: cert, Key: cert + ".not"},
		"a broken password":  {Brokers: []string{"localhost:1"}, SASL: "scram-sha-256", User: "u", Password: "\x00"},
		"no such compressor": {Brokers: []string{"localhost:1"}, Compression: "lzma"},
	} {
		if r, err := Open(newNode(1), newNode(1), s); err == nil {
			r.Close()
			t.Errorf("%s is accepted", name)
		} else if !errors.Is(err, trace.ErrInvalid) && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		} else if strings.HasSuffix(err.Error(), ": invalid") {
			t.Errorf("%s: it says %v", name, err)
		}
	}
}
