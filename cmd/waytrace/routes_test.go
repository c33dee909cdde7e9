package main

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/query"
	"waytrace/store"
	"waytrace/trace"
)

// A visitor asks the public doors of a daemon that knows one carrier more, from an
// address of its choice.
type visitor struct {
	routes *routes
	seen   []carriers.Request // what the carrier's dialect was given
}

// odd is a carrier that has all that a door can have.
func (v *visitor) odd(p carriers.Push) carriers.Carrier {
	p.Decode = func(r *carriers.Request, _ *trace.Facts) error {
		seen := *r
		seen.Body = append([]byte(nil), r.Body...)
		v.seen = append(v.seen, seen)
		return nil
	}
	p.Answer = func(dst []byte, _ *carriers.Request, err error) ([]byte, string) {
		switch {
		case errors.Is(err, trace.ErrUnauthorized):
			return append(dst, "NOT YOU"...), "text/plain"
		case err != nil:
			return append(dst, "NO"...), "text/plain"
		}
		return append(dst, "YES"...), "text/plain"
	}
	return carriers.Carrier{Code: "odd", Aliases: []string{"strange"}, Push: &p}
}

func visit(t *testing.T, p carriers.Push) *visitor {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{CacheSize: 1 << 20, MemTableSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	keys, err := openKeyring(t.TempDir()+"/keys.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor{}
	v.routes = newRoutes(publicDoors(ingest.New(s, nil, ingest.Options{}), s, query.Answers{From: s}, []carriers.Carrier{v.odd(p)}, &guards{keys: keys, open: true}))
	return v
}

// ask gives status, body and the Allow header.
func (v *visitor) ask(method, uri, from string) (status int, body, allow string) {
	var request fasthttp.Request
	request.Header.SetMethod(method)
	request.SetRequestURI("http://localhost" + uri)
	request.Header.SetHost("localhost")
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(&request, &net.TCPAddr{IP: net.ParseIP(from), Port: 1}, nil)
	ctx.Request.Header.SetRequestURI(uri)
	v.seen = nil
	v.routes.serve(ctx)
	return ctx.Response.StatusCode(), string(ctx.Response.Body()), string(ctx.Response.Header.Peek(fasthttp.HeaderAllow))
}

const (
	here      = "127.0.0.1"
	elsewhere = "203.0.113.9"
)

// Each call of a carrier has a door of its own, and its gateway leads to the same
// dialect.
func TestDoorsOfACarrier(t *testing.T) {
	v := visit(t, carriers.Push{Calls: []string{"notify", "charge"}, Gateway: "/open/param2/", ByGet: true})
	const missing, wrongMethod = "no_such_path", "method_not_allowed"
	for _, c := range []struct {
		method, uri string
		want, allow string
		call, path  string
	}{
		{"POST", "/push/odd/notify", "YES", "", "notify", ""},
		{"POST", "/push/strange/charge", "YES", "", "charge", ""},
		{"GET", "/push/odd/notify?a=1", "YES", "", "notify", ""},
		{"POST", "/open/param2/1/ns/order/booking/7", "YES", "", "", "/open/param2/1/ns/order/booking/7"},
		{"GET", "/open/param2/x?a=1", "YES", "", "", "/open/param2/x"},

		{"POST", "/push/odd", missing, "", "", ""},
		{"POST", "/push/odd/unknown", missing, "", "", ""},
		{"POST", "/open/param2/", missing, "", "", ""},
		{"HEAD", "/push/odd/notify", wrongMethod, "POST, GET", "", ""},
		{"PUT", "/push/odd/charge/token", wrongMethod, "POST, GET", "", ""},
		{"HEAD", "/open/param2/1/ns/notify/7", wrongMethod, "POST, GET", "", ""},
		{"DELETE", "/open/param2/x", wrongMethod, "POST, GET", "", ""},
	} {
		_, body, allow := v.ask(c.method, c.uri, here)
		if !strings.Contains(body, c.want) || allow != c.allow {
			t.Errorf("%s %s: %s, allow %q; want %s, %q", c.method, c.uri, body, allow, c.want, c.allow)
		}
		switch {
		case c.want != "YES" && len(v.seen) > 0:
			t.Errorf("%s %s: it was pushed all the same", c.method, c.uri)
		case c.want == "YES" && (len(v.seen) != 1 || v.seen[0].Call != c.call || v.seen[0].Path != c.path):
			t.Errorf("%s %s: the dialect was given %+v, want call %q, path %q", c.method, c.uri, v.seen, c.call, c.path)
		}
	}
}

// A door that is pushed to by POST alone knows no GET.
func TestNoPushByGet(t *testing.T) {
	v := visit(t, carriers.Push{})
	for _, method := range []string{"GET", "HEAD"} {
		if status, _, allow := v.ask(method, "/push/odd", here); status != 405 || allow != "POST" || len(v.seen) > 0 {
			t.Errorf("%s: %d, allow %q, %d pushes", method, status, allow, len(v.seen))
		}
	}
}

// Where pushes are signed the door is open to every address; the token's path is
// there too.
func TestSignedDoor(t *testing.T) {
	token := strings.Repeat("0123456789abcdef", 4)
	v := visit(t, carriers.Push{Signed: true, Gateway: "/open/", Door: carriers.Door{Account: "main", Tokens: []string{token}}})
	for uri, want := range map[string]string{
		"/push/odd": "YES", "/open/x": "YES", "/push/odd/" + token: "YES", "/push/odd/" + token[1:] + "x": "NOT YOU",
	} {
		if _, body, _ := v.ask("POST", uri, elsewhere); body != want {
			t.Errorf("%s: %s, want %s", uri, body, want)
		}
	}
}

// A token or an address that one of several doors knows gives that door's account.
func TestDoorsOfAccounts(t *testing.T) {
	usual, shop, mall := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4), strings.Repeat("02468ace13579bdf", 4)
	v := visit(t, carriers.Push{Gateway: "/open/",
		Door: carriers.Door{Account: "main", Tokens: []string{usual}},
		Accounts: map[string]carriers.Door{
			"shop": {Tokens: []string{mall[:63] + "0", shop}, Addresses: []string{"203.0.113.0/28"}},
			"mall": {Tokens: []string{mall}, Addresses: []string{"198.51.100.1"}},
		}})
	for _, c := range []struct{ uri, from, account string }{
		{"/push/odd/" + usual, elsewhere, "main"},
		{"/push/odd/" + shop, elsewhere, "shop"},
		{"/push/odd/" + mall, elsewhere, "mall"},
		{"/push/odd", elsewhere, "shop"}, // by its address
		{"/push/odd", "198.51.100.1", "mall"},
		{"/open/x", "198.51.100.1", "mall"},
		{"/push/odd", "198.51.100.2", ""},
		{"/push/odd", here, ""},
		{"/push/odd/" + strings.ToUpper(shop), elsewhere, ""},
		{"/push/odd/" + shop[:63], elsewhere, ""},
	} {
		_, body, _ := v.ask("POST", c.uri, c.from)
		switch {
		case c.account == "" && (body != "NOT YOU" || len(v.seen) > 0):
			t.Errorf("%s from %s: %s, %d pushes", c.uri, c.from, body, len(v.seen))
		case c.account != "" && (len(v.seen) != 1 || v.seen[0].Account != c.account):
			t.Errorf("%s from %s: %s, the dialect was given %+v; want account %s", c.uri, c.from, body, v.seen, c.account)
		}
	}
}

// A door with something behind its tail.
func TestTailInTheMiddle(t *testing.T) {
	v := visit(t, carriers.Push{})
	for _, c := range []struct {
		method, uri string
		status      int
		want, allow string
	}{
		{"POST", "/v1/traces/SF1234/override", 400, "invalid_json", ""},
		{"POST", "/v1/traces/%41%2F/override", 400, "invalid_json", ""},
		{"POST", "/v1/traces/%zz/override", 400, "invalid_path", ""},
		{"GET", "/v1/traces/SF1234/override", 405, "method_not_allowed", "POST"},
		{"POST", "/v1/traces/SF1234/overrides", 404, "no_such_path", ""},
		{"POST", "/v1/traces/override", 405, "method_not_allowed", "GET"},
		{"POST", "/v1/traces/a/b/override", 404, "no_such_path", ""},
		{"POST", "/v1/traces//override", 400, "invalid_path", ""},
		{"HEAD", "/v1/traces/SF1234", 404, "not_found", ""},
	} {
		status, body, allow := v.ask(c.method, c.uri, here)
		if status != c.status || !strings.Contains(body, c.want) || allow != c.allow {
			t.Errorf("%s %s: %d %s, allow %q; want %d %s, %q", c.method, c.uri, status, body, allow, c.status, c.want, c.allow)
		}
	}
}
