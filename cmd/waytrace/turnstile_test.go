package main

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whoever finds no place is told so and when to come again, whoever is inside notices
// nothing, and a place that becomes free is anybody's.
func TestNoPlace(t *testing.T) {
	const most = 16
	r := start(t, "--connections", "16")
	host := strings.TrimPrefix(r.url, "http://")
	ask := func(c net.Conn) *http.Response {
		t.Helper()
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write([]byte("GET /v1/status/SF0001 HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	var inside []net.Conn
	for range most {
		c := dial()
		defer c.Close()
		if got := ask(c).StatusCode; got != 404 {
			t.Fatalf("connection %d of %d is answered %d", len(inside)+1, most, got)
		}
		inside = append(inside, c)
	}
	for range 3 {
		c := dial()
		got := ask(c)
		c.Close()
		if got.StatusCode != 503 || got.Header.Get("Retry-After") != "1" || got.Header.Get("Content-Type") != "application/problem+json" || !got.Close {
			t.Errorf("one connection more is answered %d %v", got.StatusCode, got.Header)
		}
	}
	for _, c := range inside {
		if got := ask(c).StatusCode; got != 404 {
			t.Errorf("who was inside is answered %d", got)
		}
	}
	inside[0].Close()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		c := dial()
		got := ask(c).StatusCode
		c.Close()
		if got == 404 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a place is free, and one more connection is answered %d", got)
		}
	}
}
