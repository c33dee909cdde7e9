package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The sample of SF's own document, in both of its forms.
const (
	sampleJSON = `{"Body":{"WaybillRoute":[{"mailno":"SF7444400031887","acceptAddress":"test","reasonName":"","orderid":"202003225d33322239ddW1df5t3","acceptTime":"2020-05-11 16:56:54","remark":"test","opCode":"50","id":"158918741444476","reasonCode":""},` +
		`{"mailno":"SF7444400031887","acceptAddress":"test","reasonName":"","orderid":"202003225d33322239ddW1df5t3","acceptTime":"2020-05-11 16:56:54","remark":"test","opCode":"80","id":"158918741457126","reasonCode":""}]}}`
	sampleXML = `<?xml version='1.0' encoding='UTF-8'?><Request service="RoutePushService" lang="zh-CN"><Body>` +
		`<WaybillRoute mailno="SF7444400031887" acceptAddress="test" reasonName="" orderid="202003225d33322239ddW1df5t3" acceptTime="2020-05-11 16:56:54" remark="test" opCode="80" id="158918741457126" reasonCode=""/>` +
		`<WaybillRoute mailno="SF7444400031887" acceptAddress="test" reasonName="" orderid="202003225d33322239ddW1df5t3" acceptTime="2020-05-11 16:56:54" remark="test" opCode="50" id="158918741444476" reasonCode=""/>` +
		`</Body></Request>`
	success = `{"return_code":"0000","return_msg":"成功"}`
)

// A running is a daemon in this process.
type running struct {
	url, admin string
	stop       context.CancelFunc
	stopped    chan error
	client     *http.Client
}

var addressLine = regexp.MustCompile(`https?://[^ \n]+`)

// start runs the daemon with flags on a directory of the test's own.
func start(t *testing.T, flags ...string) *running {
	t.Helper()
	return startOn(t, filepath.Join(t.TempDir(), "data"), flags...)
}

func startOn(t *testing.T, data string, flags ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{stop: cancel, stopped: make(chan error, 1), client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}}
	told, people := io.Pipe()
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", data, "--log-level", "error"}, flags...)
	go func() {
		if status := run(ctx, args, strings.NewReader(""), io.Discard, people); status != 0 {
			r.stopped <- fmt.Errorf("exit status %d", status)
		}
		people.Close()
		close(r.stopped)
	}()
	lines := bufio.NewScanner(told)
	var said []string
	for len(said) < 4 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "waytrace: ") { // else it is the log's
			said = append(said, lines.Text())
		}
	}
	if len(said) < 4 {
		t.Fatalf("the daemon did not start: %q", said)
	}
	r.url, r.admin = addressLine.FindString(said[0]), addressLine.FindString(said[1])
	go io.Copy(io.Discard, told)
	t.Cleanup(func() { r.close(t) })
	return r
}

func (r *running) close(t *testing.T) {
	t.Helper()
	r.client.CloseIdleConnections()
	r.stop()
	select {
	case err := <-r.stopped:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the daemon did not stop within ten seconds")
	}
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are pairs.
func (r *running) do(t *testing.T, method, address, body string, headers ...string) reply {
	t.Helper()
	if !strings.HasPrefix(address, "http") {
		address = r.url + address
	}
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, b.String()}
}

func (r *running) push(t *testing.T, body string) reply {
	t.Helper()
	return r.do(t, "POST", "/push/sf", body, "Content-Type", "application/json ;charset=UTF-8")
}

// What a newcomer does first: push the document's sample, read it back, push it
// again, push its twin.
func TestFirstLight(t *testing.T) {
	r := start(t)
	if got := r.push(t, sampleJSON); got.status != 200 || got.body != success {
		t.Fatalf("the sample was answered %d %s", got.status, got.body)
	}
	first := r.do(t, "GET", "/v1/traces/SF7444400031887", "")
	var tr struct {
		Status struct {
			Code, Sub, Since string
			Terminal         bool
		}
		Events []struct{ ID, Code, Time string }
	}
	if err := json.Unmarshal([]byte(first.body), &tr); err != nil {
		t.Fatalf("%v: %s", err, first.body)
	}
	if len(tr.Events) != 2 || tr.Events[0].Code != "50" || tr.Events[1].Code != "80" ||
		tr.Events[0].ID != "8072403511e7cf5e" || tr.Events[0].Time != "2020-05-11T16:56:54+08:00" ||
		tr.Status.Code != "delivered" || !tr.Status.Terminal || tr.Status.Since != tr.Events[1].Time {
		t.Errorf("got %s", first.body)
	}
	tag := first.header.Get("ETag")
	form := "content=" + url.QueryEscape(sampleXML)
	for _, again := range []struct{ name, contentType, body, want string }{
		{"the same again", "application/json", sampleJSON, success},
		{"its twin as a form", "application/x-www-form-urlencoded; charset=UTF-8", form, `<Response service="RoutePushService"><Head>OK</Head></Response>`},
		{"its twin, bare", "text/xml", sampleXML, `<Response service="RoutePushService"><Head>OK</Head></Response>`},
	} {
		if got := r.do(t, "POST", "/push/sf", again.body, "Content-Type", again.contentType); got.status != 200 || got.body != again.want {
			t.Errorf("%s was answered %d %s", again.name, got.status, got.body)
		}
		got := r.do(t, "GET", "/v1/traces/SF7444400031887", "")
		if got.body != first.body || got.header.Get("ETag") != tag {
			t.Errorf("%s changed the trace:\n%s\n%s", again.name, first.body, got.body)
		}
	}
	if got := r.do(t, "GET", "/v1/traces/sf7444400031887", "", "If-None-Match", tag); got.status != 304 || got.body != "" {
		t.Errorf("its own tag was answered %d %s", got.status, got.body)
	}
	for path, want := range map[string]string{
		"/v1/status/SF7444400031887":                          `"code":"delivered"`,
		"/v1/traces?reference=202003225d33322239ddW1df5t3":    `"SF7444400031887"`,
		"/v1/status?reference=202003225d33322239ddW1df5t3":    `"SF7444400031887"`,
		"/v1/references/202003225d33322239ddW1df5t3":          `"waybills":[{"number":"SF7444400031887"`,
		"/v1/traces/SF%207444400031887?fields=number":         `{"number":"SF7444400031887"}`,
		"/v1/traces/SF7444400031887?fields=status&lang=en":    `"label":"Delivered"`,
		"/v1/traces/SF7444400031887?order=desc&fields=events": `{"events":[{"id":"`,
	} {
		if got := r.do(t, "GET", path, ""); got.status != 200 || !strings.Contains(got.body, want) || got.header.Get("X-Request-Id") == "" {
			t.Errorf("GET %s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
	got := r.do(t, "POST", "/v1/status/batch", `{"numbers":["SF7444400031887","SF0000"]}`)
	if got.status != 200 || !strings.Contains(got.body, `"code":"delivered"`) || !strings.Contains(got.body, `{"number":"SF0000","error":{"code":"not_found"`) {
		t.Errorf("batch: %d %s", got.status, got.body)
	}
	got = r.do(t, "POST", "/v1/events", `{"events":[{"number":"YT1234567890123","carrier":"yto","time":"2026-11-01T08:00:00+08:00","status":"in_transit","description":"运输中","reference":"order 7"}]}`)
	if got.status != 200 || !strings.Contains(got.body, `"accepted":1`) {
		t.Errorf("events: %d %s", got.status, got.body)
	}
	if got := r.do(t, "GET", "/v1/traces?reference=order%207", ""); got.status != 200 || !strings.Contains(got.body, "YT1234567890123") {
		t.Errorf("by reference: %d %s", got.status, got.body)
	}
}

// What an operator asks.
func TestAdmin(t *testing.T) {
	r := start(t)
	r.push(t, sampleJSON)
	if got := r.push(t, `{"Body":{"WaybillRoute":[{"mailno":"SF0001","acceptTime":"yesterday","opCode":"50"}]}}`); got.body != success {
		t.Errorf("what is not understood was answered %s", got.body)
	}
	for path, want := range map[string]string{
		"/health":                        "alive",
		"/ready":                         `"ready": true`,
		"/metrics":                       `waytrace_http_requests_total{route="/push/sf",code="200"}`,
		"/status":                        `"free_bytes"`,
		"/quarantine":                    `"field": "acceptTime"`,
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/":                  "heap",
	} {
		if got := r.do(t, "GET", r.admin+path, ""); got.status != 200 || !strings.Contains(got.body, want) {
			t.Errorf("GET %s: %d %.300s, want %s", path, got.status, got.body, want)
		}
	}
	metrics := r.do(t, "GET", r.admin+"/metrics", "").body
	for _, name := range []string{
		"waytrace_http_request_duration_seconds", "waytrace_ingest_events_total", "waytrace_ingest_news_age_seconds",
		"waytrace_store_commit_duration_seconds", "waytrace_store_compaction_debt_bytes", "waytrace_ready 1", "process_resident_memory_bytes",
	} {
		if !strings.Contains(metrics, name) {
			t.Errorf("no %s in the metrics", name)
		}
	}
	got := r.do(t, "POST", r.admin+"/checkpoint", "")
	var where struct{ Directory string }
	if json.Unmarshal([]byte(got.body), &where) != nil || where.Directory == "" {
		t.Fatalf("checkpoint: %d %s", got.status, got.body)
	}
	copied := startOn(t, where.Directory)
	if got := copied.do(t, "GET", "/v1/status/SF7444400031887", ""); got.status != 200 {
		t.Errorf("the checkpoint says %d %s", got.status, got.body)
	}
}

// One directory, one daemon; and a daemon says in one line what is wrong.
func TestRefusesToStart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	r := startOn(t, data)
	taken := strings.TrimPrefix(r.url, "http://")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"open to the network", []string{"--listen", "0.0.0.0:0"}, "--insecure-no-auth"},
		{"admin open to the network", []string{"--admin-listen", "0.0.0.0:0"}, "waytrace keys new"},
		{"port taken", []string{"--listen", taken}, "address already in use"},
	} {
		var people bytes.Buffer
		args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data")}, c.args...)
		if status := run(t.Context(), args, strings.NewReader(""), io.Discard, &people); status != 1 || !strings.Contains(people.String(), c.want) {
			t.Errorf("%s: status %d, said %s", c.name, status, people.String())
		}
	}
}

// Who may come in through which door.
func TestGuards(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	newKey := func(args ...string) string {
		var out, people bytes.Buffer
		if status := run(t.Context(), append([]string{"keys", "new", "--data", data}, args...), strings.NewReader(""), &out, &people); status != 0 {
			t.Fatal(people.String())
		}
		return strings.TrimSpace(out.String())
	}
	read := newKey("--account", "shop", "--scope", "read")
	pushKey := newKey("--account", "shop", "--scope", "push", "--carrier", "yto")
	operator := newKey("--account", "ops", "--scope", "admin")
	other := newKey("--account", "other", "--scope", "read")
	swap := func(key string) string { // one character of the secret for another
		with := "A"
		if at := len(key) - 10; key[at] == 'A' {
			with = "B"
		}
		return key[:len(key)-10] + with + key[len(key)-9:]
	}
	token := strings.Repeat("0123456789abcdef", 4)
	r := startOn(t, data, "--carriers.sf.tokens", token, "--carriers.sf.account", "shop")
	bearer := func(key string) []string { return []string{"Authorization", "Bearer " + key} }
	event := `{"events":[{"number":"YT1234567890123","carrier":"%s","time":"2026-11-01T08:00:00+08:00","status":"in_transit","description":"运输中"}]}`
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		want                     string
	}{
		{"no key", "GET", "/v1/status/SF7444400031887", "", nil, 401, `"code":"no_key"`},
		{"the scheme in lower case", "GET", "/v1/status/SF0000", "", []string{"Authorization", "bearer " + read}, 404, `"not_found"`},
		{"a wrong key", "GET", "/v1/status/SF7444400031887", "", bearer(swap(read)), 401, `"code":"unknown_key"`},
		{"another scope", "GET", "/v1/status/SF7444400031887", "", bearer(pushKey), 403, `"code":"missing_scope"`},
		{"the push door without its token", "POST", "/push/sf", sampleJSON, nil, 200, `"return_code":"1000"`},
		{"a wrong token", "POST", "/push/sf/" + strings.Repeat("0", 64), sampleJSON, nil, 200, `"return_code":"1000"`},
		{"nothing was kept of it", "GET", "/v1/status/SF7444400031887", "", bearer(read), 404, `"code":"not_found"`},
		{"the token", "POST", "/push/sf/" + token, sampleJSON, nil, 200, success},
		{"a read key", "GET", "/v1/status?reference=202003225d33322239ddW1df5t3", "", bearer(read), 200, `"delivered"`},
		{"another account's reference", "GET", "/v1/references/202003225d33322239ddW1df5t3", "", bearer(other), 404, `"not_found"`},
		{"a push key, its carrier", "POST", "/v1/events", fmt.Sprintf(event, "yto"), bearer(pushKey), 200, `"accepted":1`},
		{"a push key, another carrier", "POST", "/v1/events", fmt.Sprintf(event, "sf"), bearer(pushKey), 200, `"code":"not_yours"`},
		{"a read key pushes", "POST", "/v1/events", fmt.Sprintf(event, "yto"), bearer(read), 403, `"missing_scope"`},
		{"admin behind a proxy", "GET", r.admin + "/status", "", []string{"X-Forwarded-For", "192.0.2.1"}, 401, `"no_key"`},
		{"admin with a key", "GET", r.admin + "/status", "", append(bearer(operator), "X-Forwarded-For", "192.0.2.1"), 200, `"uptime"`},
		{"readiness for everybody", "GET", r.admin + "/ready", "", []string{"X-Forwarded-For", "192.0.2.1"}, 200, `true`},
	} {
		if got := r.do(t, c.method, c.path, c.body, c.headers...); got.status != c.status || !strings.Contains(got.body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.name, got.status, got.body, c.status, c.want)
		}
	}
}

// Without tokens the push door is for this machine, unless a proxy stands
// between; with trusted proxies the client's own address counts.
func TestAddresses(t *testing.T) {
	closed := start(t)
	if got := closed.do(t, "POST", "/push/sf", sampleJSON, "X-Forwarded-For", "192.0.2.1"); !strings.Contains(got.body, `"1000"`) {
		t.Errorf("through an unknown proxy: %s", got.body)
	}
	if got := closed.do(t, "GET", "/v1/status/SF0000", "", "X-Forwarded-For", "192.0.2.1"); got.status != 401 {
		t.Errorf("through a proxy and without any key: %d %s, want 401", got.status, got.body)
	}
	for _, path := range []string{"/push/sf", "/v1/events"} {
		got := closed.do(t, "POST", path, sampleJSON, "Content-Type", "application/json", "Sec-Fetch-Site", "cross-site")
		if !strings.Contains(got.body, `"1000"`) && got.status != 401 {
			t.Errorf("for a page of another site, %s: %d %s", path, got.status, got.body)
		}
	}
	for _, headers := range [][2]string{{"Host", "evil.example"}, {"Origin", "http://evil.example"}, {"Origin", "null"}} {
		for _, path := range []string{"/push/sf", "/v1/events", closed.admin + "/checkpoint"} {
			got := closed.do(t, "POST", path, sampleJSON, "Content-Type", "application/json", headers[0], headers[1])
			if !strings.Contains(got.body, `"1000"`) && got.status != 401 {
				t.Errorf("with %s, %s: %d %s", headers, path, got.status, got.body)
			}
		}
	}
	careless := start(t, "--insecure-no-auth")
	for address, want := range map[string]int{"/v1/status/SF0000": 404, careless.admin + "/status": 401} {
		if got := careless.do(t, "GET", address, "", "X-Forwarded-For", "192.0.2.1"); got.status != want {
			t.Errorf("without keys, from elsewhere, %s: %d, want %d", address, got.status, want)
		}
	}
	r := start(t, "--trusted-proxies", "127.0.0.0/8", "--carriers.sf.addresses", "192.0.2.0/24")
	for from, want := range map[string]string{
		"192.0.2.7":               success,
		"198.51.100.1":            `"1000"`,
		"192.0.2.7, 198.51.100.1": `"1000"`, // the client claims an address, the proxy wrote the last
		"198.51.100.1, 192.0.2.7": success,
		"192.0.2.7:4711":          success,
		"":                        `"1000"`,
		"nonsense":                `"1000"`,
	} {
		if got := r.do(t, "POST", "/push/sf", sampleJSON, "X-Forwarded-For", from); !strings.Contains(got.body, want) {
			t.Errorf("from %s: %s, want %s", from, got.body, want)
		}
	}
}

// The raw bytes of strangers: each gets an answer in time, and the daemon goes
// on.
func TestAbuse(t *testing.T) {
	r := start(t)
	host := strings.TrimPrefix(r.url, "http://")
	long := strings.Repeat("A", 300)
	big := strings.Repeat("x", 2<<20)
	post := func(path, contentType, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, contentType, len(body), body)
	}
	get := func(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }
	json1 := "application/json"
	route := func(field, value string) string {
		fields := map[string]string{"mailno": `"SF0001"`, "acceptTime": `"2026-11-01 08:00:00"`, "opCode": `"50"`}
		fields[field] = value
		var list []string
		for k, v := range fields {
			list = append(list, fmt.Sprintf("%q:%s", k, v))
		}
		return `{"Body":{"WaybillRoute":[{` + strings.Join(list, ",") + `}]}}`
	}
	nextYear := time.Now().AddDate(1, 0, 0).Format("2006-01-02 15:04:05")
	for _, c := range []struct {
		name, raw string
		want      []string
	}{
		{"malformed JSON", post("/push/sf", json1, `{"Body":{"WaybillRoute":[`), []string{"200 OK", `"return_code":"1000"`}},
		{"not UTF-8", post("/push/sf", json1, "{\"Body\":\"\xff\"}"), []string{"200 OK", `"return_code":"1000"`}},
		{"an empty body", post("/push/sf", json1, ""), []string{"200 OK", `"return_code":"1000"`}},
		{"an empty form", post("/push/sf", "application/x-www-form-urlencoded", ""), []string{"200 OK", "<Head>ERR</Head>"}},
		{"XML with entities", post("/push/sf", "text/xml", `<!DOCTYPE r [<!ENTITY e "x">]><Request><Body><WaybillRoute mailno="&e;"/></Body></Request>`), []string{"200 OK", "<Head>ERR</Head>"}},
		{"XML cut off", post("/push/sf", "text/xml", `<Request><Body><WaybillRoute mailno="SF0001"`), []string{"200 OK", "<Head>ERR</Head>", `code="4002"`}},
		{"a form with bad escapes", post("/push/sf", "application/x-www-form-urlencoded", "content=%3CRequest%zz"), []string{"200 OK", "<Head>ERR</Head>"}},
		{"a wrong type", post("/push/sf", json1, `{"Body":[]}`), []string{"200 OK", success}},
		{"a list for a number", post("/push/sf", json1, route("mailno", `[1]`)), []string{"200 OK", success}},
		{"no number", post("/push/sf", json1, route("mailno", `""`)), []string{"200 OK", success}},
		{"a bad time", post("/push/sf", json1, route("acceptTime", `"2026-02-30 08:00:00"`)), []string{"200 OK", success}},
		{"a time a year ahead", post("/push/sf", json1, route("acceptTime", `"`+nextYear+`"`)), []string{"200 OK", success}},
		{"a number of 300 characters", post("/push/sf", json1, route("mailno", `"`+long+`"`)), []string{"200 OK", success}},
		{"a NUL in a number", post("/push/sf", json1, route("mailno", `"SF\u0000001"`)), []string{"200 OK", success}},
		{"a NUL in a body", post("/push/sf", json1, "{\"Body\":\x00}"), []string{"200 OK", `"return_code":"1000"`}},
		{"control characters in a reference", post("/push/sf", json1, route("orderid", `"a\u0001b"`)), []string{"200 OK", success}},
		{"2 MB", post("/push/sf", json1, big), []string{"413 Request Entity Too Large", `"return_code":"1000"`}},
		{"2 MB of form", post("/push/sf", "application/x-www-form-urlencoded", "content="+big), []string{"413 Request Entity Too Large", "<Head>ERR</Head>"}},
		{"2 MB in chunks", "POST /push/sf HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" + big + "\r\n0\r\n\r\n", []string{"413 Request Entity Too Large", "<Head>ERR</Head>"}},
		{"2 MB of events", post("/v1/events", json1, big), []string{"413 Request Entity Too Large", `"code":"too_large"`}},
		{"an unknown encoding", "POST /push/sf HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", []string{`"return_code":"1000"`}},
		{"an unknown encoding at our door", "POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", []string{"415 Unsupported Media Type"}},
		{"events that are none", post("/v1/events", json1, `{"events":3}`), []string{"400 Bad Request", `application/problem+json`}},
		{"length and chunks", "POST /push/sf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []string{"400 Bad Request", "invalid_framing", "Connection: close"}},
		{"chunks in HTTP/1.0", "POST /push/sf HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []string{"400 Bad Request", "invalid_framing"}},
		{"a length and another encoding", "POST /push/sf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: identity\r\n\r\n{}", []string{"400 Bad Request", "invalid_framing"}},
		{"two lengths", "POST /push/sf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", []string{"400 Bad Request", "invalid_framing"}},
		{"a NUL in a header", "GET /v1/status/SF0001 HTTP/1.1\r\nHost: localhost\r\nX-A: a\x00b\r\n\r\n", []string{"400 Bad Request"}},
		{"a header of 20 KB", "GET /v1/status/SF0001 HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", []string{"431 "}},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", []string{"400 Bad Request"}},
		{"a number that is too long", get("/v1/traces/" + long), []string{"400 Bad Request", `"code":"invalid_number"`, `"field":"number"`}},
		{"a number with blanks", get("/v1/status/SF%20%209999"), []string{"404 Not Found", `"code":"not_found"`}},
		{"a number with a NUL", get("/v1/status/SF%000001"), []string{"400 Bad Request", `"code":"invalid_number"`}},
		{"a broken escape", get("/v1/status/SF%2"), []string{"400 Bad Request", `"code":"invalid_path"`}},
		{"a reference of control characters", get("/v1/status?reference=%01%02"), []string{"400 Bad Request", `"code":"invalid_reference"`}},
		{"a reference with a slash", get("/v1/references/a%2Fb"), []string{"404 Not Found", `"code":"not_found"`}},
		{"a path in disguise", get("/v1/../admin"), []string{"400 Bad Request", `"code":"invalid_path"`}},
		{"a path in deeper disguise", get("/v1/%2e%2E/admin"), []string{"400 Bad Request", `"code":"invalid_path"`}},
		{"an empty segment", get("//v1/status/SF0001"), []string{"400 Bad Request", `"code":"invalid_path"`}},
		{"a path without its end", get("/v1/traces/"), []string{"404 Not Found", `"code":"no_such_path"`}},
		{"no such path", get("/v2"), []string{"404 Not Found", `"code":"no_such_path"`}},
		{"another method", get("/push/sf"), []string{"405 Method Not Allowed", "Allow: POST"}},
		{"an unknown parameter", get("/v1/status/SF0001?colour=red"), []string{"400 Bad Request", `"field":"colour"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			got := rawly(t, host, c.raw)
			for _, want := range append(c.want, "X-Request-Id: ") {
				if !strings.Contains(got, want) {
					t.Errorf("got %q, want %q in it", clipped(got), want)
				}
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("answered after %s", took)
			}
		})
	}
	if got := r.push(t, sampleJSON); got.body != success {
		t.Errorf("afterwards a good push is answered %s", got.body)
	}
	got := r.do(t, "GET", r.admin+"/quarantine", "")
	if n := strings.Count(got.body, `"id"`); n != 7 {
		t.Errorf("%d requests are in quarantine, want 7: %s", n, got.body)
	}
}

// rawly sends bytes and reads what comes until the other side closes or has
// answered.
func rawly(t *testing.T, host, raw string) string {
	t.Helper()
	c, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(4 * time.Second))
	go io.WriteString(c, raw)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\r\n", resp.Status)
	if resp.Close {
		b.WriteString("Connection: close\r\n")
	}
	resp.Header.Write(&b)
	return b.String() + "\r\n" + string(body)
}

func clipped(s string) string { return s[:min(len(s), 600)] }

// HTTPS from the first day; a certificate that is replaced while the daemon runs
// is shown to whoever comes next.
func TestHTTPS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "before.test")
	r := start(t, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(r.url, "https://") {
		t.Fatalf("it listens on %s", r.url)
	}
	shown := ""
	r.client.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // it signs itself; its name is looked at instead
		VerifyConnection: func(s tls.ConnectionState) error {
			shown = s.PeerCertificates[0].DNSNames[0]
			return nil
		},
	}}
	if got := r.push(t, sampleJSON); got.body != success || shown != "before.test" {
		t.Errorf("%s showed %s", got.body, shown)
	}
	writeCertificate(t, dir, "after.test")
	for end := time.Now().Add(5 * time.Second); shown != "after.test" && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if got := r.do(t, "GET", "/v1/status/SF7444400031887", ""); got.status != 200 {
			t.Fatalf("status %d while the certificate changes", got.status)
		}
	}
	if shown != "after.test" {
		t.Errorf("five seconds later it still shows %s", shown)
	}
}
