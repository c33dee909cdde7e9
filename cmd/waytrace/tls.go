package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"
)

// certificates are a certificate and its key, read again when their files
// change. A pair that cannot be used leaves the one before in place.
type certificates struct {
	pair *watched[*tls.Certificate]
}

// newCertificates reads both files. What is wrong with a later pair is logged
// once.
func newCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	read := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("tls_cert %s with tls_key %s: %w", certFile, keyFile, err)
		}
		return &pair, nil
	}
	pair, err := watch([]string{certFile, keyFile}, read, func(err error) {
		log.Error("the new certificate cannot be used, the old one stays", "err", err)
	})
	if err != nil {
		return nil, err
	}
	return &certificates{pair}, nil
}

// config is for a listener: TLS 1.2 and later, HTTP/1.1.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return c.pair.get(), nil
		},
	}
}
