package relay

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"waytrace/trace"
)

// Settings say where the topic is and how to get there. Brokers are needed; the zero
// value of anything else is its default.
type Settings struct {
	Brokers     []string // host:port of some of the cluster's brokers, to begin with
	Topic       string   // "waytrace"
	ClientID    string   // how brokers name this client in their logs: "waytrace"
	TLS         bool     // speak TLS, version 1.2 or later
	CA          string   // file of the certificates (PEM) that are trusted; empty trusts the system's
	Cert, Key   string   // files (PEM) of what is shown to the brokers; empty shows nothing
	SASL        string   // "none", "plain", "scram-sha-256" or "scram-sha-512"
	User        string
	Password    string
	Compression string // of batches on their way: "lz4", "none", "snappy" or "zstd"

	// MaxLag is how many records, of all partitions together, a node may be behind when
	// it becomes ready after its start: 10,000.
	MaxLag int

	Log *slog.Logger // nil is slog.Default
}

func (s Settings) withDefaults() Settings {
	for _, d := range []struct {
		field *string
		value string
	}{{&s.Topic, "waytrace"}, {&s.ClientID, "waytrace"}, {&s.SASL, "none"}, {&s.Compression, "lz4"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if s.MaxLag == 0 {
		s.MaxLag = 10_000
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	return s
}

func (s *Settings) tls() (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("kafka: %w", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, say(trace.ErrInvalid, "kafka.ca: %s holds no certificate", s.CA)
		}
	}
	if s.Cert != "" || s.Key != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.Key)
		if err != nil {
			return nil, fmt.Errorf("kafka: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

func (s *Settings) login() (sasl.Mechanism, error) {
	algorithm := scram.SHA256
	switch s.SASL {
	case "none":
		return nil, nil
	case "plain":
		return plain.Mechanism{Username: s.User, Password: s.Password}, nil
	case "scram-sha-256":
	case "scram-sha-512":
		algorithm = scram.SHA512
	default:
		return nil, say(trace.ErrInvalid, "kafka.sasl is %q: use none, plain, scram-sha-256 or scram-sha-512", s.SASL)
	}
	m, err := scram.Mechanism(algorithm, s.User, s.Password)
	if err != nil {
		return nil, say(trace.ErrInvalid, "kafka.user or kafka.password cannot be used for %s: %v", s.SASL, err)
	}
	return m, nil
}
