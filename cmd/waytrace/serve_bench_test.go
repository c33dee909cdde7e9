package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/ingest"
	"waytrace/query"
	"waytrace/store"
	"waytrace/trace"
)

// A looped connection sends one request again and again, each as soon as the server
// reads, and takes the answers without a system call.
type looped struct {
	request []byte
	left    int
	last    []byte // the last answer
	keep    bool   // whether to note it
}

func (c *looped) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	c.left--
	return copy(p, c.request), nil
}

func (c *looped) Write(p []byte) (int, error) {
	if c.keep {
		c.last = append(c.last, p...)
	}
	return len(p), nil
}

func (c *looped) Close() error                     { return nil }
func (c *looped) LocalAddr() net.Addr              { return local }
func (c *looped) RemoteAddr() net.Addr             { return local }
func (c *looped) SetDeadline(time.Time) error      { return nil }
func (c *looped) SetReadDeadline(time.Time) error  { return nil }
func (c *looped) SetWriteDeadline(time.Time) error { return nil }

var local = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080}

// answerTo gives the answer to one request, head and body.
func answerTo(t testing.TB, server *fasthttp.Server, request string) string {
	t.Helper()
	c := &looped{request: []byte(request), left: 1, keep: true}
	if err := server.ServeConn(c); err != nil {
		t.Fatal(err)
	}
	return string(c.last)
}

// parcels is how many a served store has, of eight scans each.
const parcels = 1000

func parcel(i int) string { return fmt.Sprintf("SF%013d", i) }

// served is the public listener's server over a store with parcels, and the text of a
// key that may read where there is one.
func served(t testing.TB, keyed bool) (server *fasthttp.Server, key string) {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "data"), store.Options{CacheSize: 16 << 20, MemTableSize: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	path := filepath.Join(t.TempDir(), "keys.yaml")
	if keyed {
		text, entry := newKey()
		entry.Account, entry.Scopes = "shop", []string{"read"}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := editKeys(path, func([]keyEntry) ([]keyEntry, error) { return []keyEntry{entry}, nil }); err != nil {
			t.Fatal(err)
		}
		key = text
	}
	keys, err := openKeyring(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var facts trace.Facts
	for i := range parcels {
		for n := range 8 {
			when, err := trace.ParseLocal(fmt.Sprintf("2026-11-%02d 08:30:00", n+1), trace.China, trace.ZoneCarrier)
			if err != nil {
				t.Fatal(err)
			}
			e := trace.Event{Waybill: trace.Waybill{Number: parcel(i), Carrier: "sf"}, Source: "sf", Code: fmt.Sprint(30 + n), At: when,
				Place: trace.Place{Address: "深圳市"}, Text: trace.Text{Text: "快件在【深圳集散中心】完成分拣，准备发往【北京顺义集散中心】", Lang: "zh-Hans"},
				TextEdits: true, Pair: trace.Pair{Status: trace.InTransit, Sub: "departed"}, Table: 1}
			facts.Events = append(facts.Events, e)
		}
		if i%100 < 99 {
			continue
		}
		for j := range facts.Events {
			facts.Seal(&facts.Events[j], s.Now())
		}
		if _, err := s.Append(context.Background(), &facts); err != nil {
			t.Fatal(err)
		}
		facts.Events = nil
	}
	answers := query.Answers{From: s, Cache: query.NewCache(16 << 20)}
	r := newRoutes(publicDoors(ingest.New(s, nil, ingest.Options{}), s, answers, nil, &guards{keys: keys, open: true}))
	return newServer(r.serve, r.unread), key
}

func get(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
}

// BenchmarkServe is a request through the whole of the server but for the system's part
// of it. "bare" is what a server that is set as ours takes to send the bytes of the hot
// trace.
func BenchmarkServe(b *testing.B) {
	server, _ := served(b, false)
	guarded, key := served(b, true)
	hot := answerTo(b, server, get("/v1/traces/"+parcel(7)))
	_, after, _ := strings.Cut(hot, "Etag: ")
	tag, _, _ := strings.Cut(after, "\r\n")
	_, body, _ := strings.Cut(hot, "\r\n\r\n")
	bytes, content, names := []byte(body), []byte("application/json"), [][2][]byte{}
	for _, name := range []string{"X-Request-Id", "Vary", "Cache-Control", "Etag"} {
		_, after, _ := strings.Cut(hot, "\r\n"+name+": ")
		value, _, _ := strings.Cut(after, "\r\n")
		names = append(names, [2][]byte{[]byte(name), []byte(value)})
	}
	bare := newServer(func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.SetContentTypeBytes(content)
		for i := range names {
			ctx.Response.Header.SetCanonical(names[i][0], names[i][1])
		}
		ctx.Response.SetBodyRaw(bytes)
	}, nil)
	numbers := make([]string, 100)
	for i := range numbers {
		numbers[i] = `"` + parcel(i) + `"`
	}
	hundred := `{"numbers":[` + strings.Join(numbers, ",") + `]}`
	post := func(path string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: %d\r\n\r\n%s", path, len(hundred), hundred)
	}
	for _, c := range []struct {
		name, request, want string
		server              *fasthttp.Server
	}{
		{"bare", get("/v1/traces/" + parcel(7)), "200", bare},
		{"trace", get("/v1/traces/" + parcel(7)), "200", server},
		{"trace of a browser", get("/v1/traces/"+parcel(7), "User-Agent: Mozilla/5.0", "Accept: */*", "Accept-Encoding: gzip",
			"Accept-Language: zh-CN,zh;q=0.9,en;q=0.8", "Connection: keep-alive", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"), "200", server},
		{"trace with a key", get("/v1/traces/"+parcel(7), "Authorization: Bearer "+key), "200", guarded},
		{"status", get("/v1/status/" + parcel(7)), "200", server},
		{"unchanged", get("/v1/traces/"+parcel(7), "If-None-Match: "+tag), "304", server},
		{"unknown", get("/v1/traces/YT1234567890123"), "404", server},
		{"traces of 100", post("/v1/traces/batch"), "200", server},
		{"status of 100", post("/v1/status/batch"), "200", server},
	} {
		b.Run(c.name, func(b *testing.B) {
			if got := answerTo(b, c.server, c.request); !strings.HasPrefix(got, "HTTP/1.1 "+c.want) {
				b.Fatalf("answered %.300s", got)
			}
			b.ReportAllocs()
			b.ResetTimer()
			if err := c.server.ServeConn(&looped{request: []byte(c.request), left: b.N}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
