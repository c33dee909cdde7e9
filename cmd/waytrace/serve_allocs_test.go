//go:build !race

package main

import (
	"strings"
	"testing"
)

// A read that is answered from memory takes none, from the first byte of the request to
// the last one of the answer. (The race detector lets pools forget.)
func TestHotReadsTakeNoMemory(t *testing.T) {
	server, _ := served(t, false)
	guarded, key := served(t, true)
	_, after, _ := strings.Cut(answerTo(t, server, get("/v1/traces/"+parcel(7))), "Etag: ")
	tag, _, _ := strings.Cut(after, "\r\n")
	const requests = 2000
	for _, c := range []struct {
		name, request string
		want          string
		keyed         bool
	}{
		{"trace", get("/v1/traces/" + parcel(7)), "200", false},
		{"status", get("/v1/status/" + parcel(7)), "200", false},
		{"unchanged", get("/v1/traces/"+parcel(7), "If-None-Match: "+tag), "304", false},
		{"unknown", get("/v1/traces/YT1234567890123"), "404", false},
		{"English", get("/v1/traces/"+parcel(7), "Accept-Language: en", "User-Agent: test", "Accept: */*"), "200", false},
		{"with a key", get("/v1/traces/"+parcel(7), "Authorization: Bearer "+key), "200", true},
	} {
		s := server
		if c.keyed {
			s = guarded
		}
		if got := answerTo(t, s, c.request); !strings.HasPrefix(got, "HTTP/1.1 "+c.want) {
			t.Fatalf("%s: %.200s", c.name, got)
		}
		n := testing.AllocsPerRun(5, func() {
			if err := s.ServeConn(&looped{request: []byte(c.request), left: requests}); err != nil {
				t.Fatal(err)
			}
		})
		// A connection has some of its own, and now and then the collector empties a pool.
		if n > requests/20 {
			t.Errorf("%s: %.0f allocations in %d requests", c.name, n, requests)
		}
	}
}
