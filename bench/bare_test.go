package bench

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// served runs a server for the length of a test.
func served(t *testing.T, server *fasthttp.Server) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().String()
}

var date = regexp.MustCompile(`Date: [^\r]+`)

// The bare handler's answers are the daemon's, byte for byte, but for the date.
func TestBareHandlerIsTheSame(t *testing.T) {
	settings := func(h fasthttp.RequestHandler) *fasthttp.Server {
		return &fasthttp.Server{Handler: h, Name: "waytrace", NoDefaultContentType: true}
	}
	daemon := served(t, settings(func(ctx *fasthttp.RequestCtx) {
		ctx.Response.Header.Set("X-Request-Id", "7E4ND-1")
		ctx.Response.Header.SetContentType("application/json")
		ctx.Response.Header.Set("Etag", `W/"0123456789abcdef"`)
		ctx.Response.Header.Set("Vary", "Accept-Language, Authorization")
		ctx.Response.Header.Set("Cache-Control", "private, no-cache")
		if string(ctx.Path()) == "/ccc" {
			ctx.SetStatusCode(404) // what is not success is recorded too
		}
		ctx.WriteString(`{"number":"` + string(ctx.Path()) + `","text":"运单"}`)
	}))
	var answers []Recorded
	var want [][]byte
	for _, path := range []string{"/a", "/bb", "/ccc"} {
		a, err := ask(at(daemon), at(daemon).get(path))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, date.ReplaceAll(append(bytes.Clone(a.Head), a.Body...), nil))
		answers = append(answers, recorded(a))
	}
	// As it goes through the file.
	text, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	answers = nil
	if err := json.Unmarshal(text, &answers); err != nil {
		t.Fatal(err)
	}

	c := &conn{to: at(served(t, settings(bareHandler(answers))))}
	defer c.close()
	seen := map[string]int{}
	for range 30 {
		a, err := c.do(c.to.get("/v1/traces/anything"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		seen[string(date.ReplaceAll(append(bytes.Clone(a.Head), a.Body...), nil))]++
	}
	for _, w := range want {
		if seen[string(w)] != 10 {
			t.Errorf("%d of 30 answers are\n%s\nwant 10", seen[string(w)], w)
		}
	}
	for got := range seen {
		if !bytes.Contains(bytes.Join(want, []byte("|")), []byte(got)) {
			t.Errorf("an answer of its own:\n%s", got)
		}
	}
}

func TestServeBareWantsAnswers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"none": "[]", "torn": `[{"head"`} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := ServeBare(t.Context(), &fasthttp.Server{}, file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error is %v, want one that names the file", name, err)
		}
	}
	if err := ServeBare(t.Context(), &fasthttp.Server{}, filepath.Join(dir, "missing")); err == nil {
		t.Error("served without a file")
	}
}
