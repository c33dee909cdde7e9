package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// A header is found however a client writes its name: names that are looked for as they
// stand are those that the server makes of them.
func TestNamesOfHeaders(t *testing.T) {
	all := append([][]byte{authorization, origin, fetchSite, requestID, misframedName}, proxyNames...)
	for _, name := range all {
		for _, written := range []string{string(name), strings.ToLower(string(name)), strings.ToUpper(string(name))} {
			seen := ""
			server := newServer(func(ctx *fasthttp.RequestCtx) { seen = string(ctx.Request.Header.PeekCanonical(name)) }, nil)
			answerTo(t, server, get("/", written+": value"))
			if seen != "value" {
				t.Errorf("%s is not found as %s", written, name)
			}
		}
	}
}

// Without any key this machine alone is let in, by its own name, with nothing between.
func TestWhoIsNear(t *testing.T) {
	server, _ := served(t, false)
	for host, near := range map[string]bool{
		"127.0.0.1:8080": true, "127.0.0.1": true, "127.0.0.1:": true, "localhost": true, "localhost:1": true, "LOCALHOST:8080": true,
		"localhost.": true, "[::1]:8080": true, "[::1]": true, "127.0.0.2:80": true, "[::ffff:127.0.0.1]:1": true,
		"127.0.0.1.example.com": false, "localhost.example.com:80": false, "127.0.0.10.1": false,
		"localhost8080": false, "example.com": false, "10.0.0.1": false, "localhosts": false, "127.0.0.11:80": true,
	} {
		request := fmt.Sprintf("GET /v1/status/%s HTTP/1.1\r\nHost: %s\r\n\r\n", parcel(1), host)
		if got := answerTo(t, server, request); strings.HasPrefix(got, "HTTP/1.1 200") != near {
			t.Errorf("Host %q: %.60q, want near: %v", host, got, near)
		}
	}
	for _, header := range []string{
		"X-Forwarded-For: 203.0.113.9", "x-forwarded-for: 127.0.0.1", "FORWARDED: for=127.0.0.1", "via: 1.1 proxy", "X-REAL-IP: 127.0.0.1",
		"Origin: https://example.com", "origin: null", "Sec-Fetch-Site: cross-site", "SEC-FETCH-SITE: same-site",
	} {
		if got := answerTo(t, server, get("/v1/status/"+parcel(1), header)); !strings.HasPrefix(got, "HTTP/1.1 401") {
			t.Errorf("%s: %.60q, want 401", header, got)
		}
	}
	for _, header := range []string{"Origin: http://localhost:8080", "Sec-Fetch-Site: none", "Sec-Fetch-Site: same-origin", "X-Forwarded-For:"} {
		if got := answerTo(t, server, get("/v1/status/"+parcel(1), header)); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("%s: %.60q, want 200", header, got)
		}
	}
}

// usualName lets nobody in whom the closer look would not.
func FuzzUsualName(f *testing.F) {
	for _, host := range []string{"127.0.0.1:8080", "localhost", "localhost:", "localhost:1:2", "127.0.0.1x", ""} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if usualName(host) && !closeName(host) {
			t.Errorf("%q is no name of this machine's own", host)
		}
	})
}
