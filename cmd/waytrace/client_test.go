package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A call is a request as a daemon saw it.
type call struct {
	method, uri, contentType, authorization, body string
}

// played is a daemon that gives the answers in turn, and notes the calls.
func played(t *testing.T, answers ...func(w http.ResponseWriter)) (url string, calls *[]call) {
	t.Helper()
	calls = new([]call)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		n := len(*calls)
		*calls = append(*calls, call{r.Method, r.RequestURI, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(body)})
		if n >= len(answers) {
			t.Errorf("call %d to %s, want %d", n+1, r.RequestURI, len(answers))
			return
		}
		answers[n](w)
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func says(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return "http://" + ln.Addr().String()
}

func TestTraceJSONIsUntouched(t *testing.T) {
	const body = `{"number": "SF1", "odd":1e2}` + "\n\n"
	url, calls := played(t, says(200, body), says(200, body), says(200, body))
	for i, c := range []struct {
		args []string
		uri  string
	}{
		{[]string{"SF7444400031887"}, "/v1/traces/SF7444400031887"},
		{[]string{"SF 74/44?", "--carrier=sf", "--lang=en", "--json", "--key=wt_a_b"}, "/v1/traces/SF%2074%2F44%3F?carrier=sf&lang=en"},
		{[]string{"--reference=订单 1/2"}, "/v1/traces?reference=%E8%AE%A2%E5%8D%95+1%2F2"},
	} {
		status, out, err := runs(t, append([]string{"trace", "--to=" + url}, c.args...)...)
		if status != 0 || out != body || err != "" {
			t.Errorf("trace %q: status %d, stdout %q, stderr %q", c.args, status, out, err)
		}
		if got := (*calls)[i]; got.uri != c.uri || got.method != "GET" {
			t.Errorf("trace %q asked %s %s, want GET %s", c.args, got.method, got.uri, c.uri)
		}
	}
	if got := (*calls)[1].authorization; got != "Bearer wt_a_b" {
		t.Errorf("the key was shown as %q", got)
	}
}

func TestTraceFails(t *testing.T) {
	problem := func(status int, code, detail string) func(http.ResponseWriter) {
		return says(status, `{"type":"about:blank","status":1,"code":"`+code+`","detail":"`+detail+`"}`)
	}
	url, _ := played(t, problem(404, "not_found", "x"), problem(404, "not_found", "x"),
		problem(400, "invalid_number", "4 to 50 characters"), problem(401, "no_key", "send a key"), says(502, "<html>"))
	gone := nobody(t)
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer silent.Close()
	for _, c := range []struct{ args, want string }{
		{"SF1234 --to=" + silent.URL, silent.URL + " closed the connection without an answer: does it speak HTTPS, or plain HTTP?"},
		{"SF7444400031887 --to=" + url, "does not know SF7444400031887"},
		{"--reference=R1 --carrier=sf --to=" + url, "does not know the reference R1 at sf"},
		{"SF --to=" + url, "the answer was 400 invalid_number: 4 to 50 characters"},
		{"SF1234 --to=" + url, "the answer was 401 no_key: send a key (a key goes into --key or WAYTRACE_KEY)"},
		{"SF1234 --to=" + url, "the answer was 502 Bad Gateway"},
		{"SF1234 --to=" + gone, "nothing listens at " + gone + ": is `waytrace serve` running?"},
		{"SF1234 --to=127.0.0.1:8080", `"127.0.0.1:8080" is not a daemon's address: write http://127.0.0.1:8080`},
		{"SF1234 --to=ftp://127.0.0.1", `"ftp://127.0.0.1" is not a daemon's address: write http://127.0.0.1:8080`},
	} {
		status, out, err := runs(t, append([]string{"trace"}, strings.Fields(c.args)...)...)
		want := "waytrace: " + c.want + "\n"
		if strings.HasPrefix(c.want, "does") {
			want = "waytrace " + c.want + "\n"
		}
		if status != 1 || out != "" || err != want {
			t.Errorf("trace %s: status %d, stdout %q, stderr\n got %q\nwant %q", c.args, status, out, err, want)
		}
	}
}

// A daemon that does not answer is given up on, and so is one when we are told
// to stop.
func TestClientDoesNotWaitForEver(t *testing.T) {
	asked, done := make(chan bool, 2), make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- true
		<-done
	}))
	defer server.Close()
	defer close(done)

	c, err := newClient(server.URL+"/", "")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := c.do(ctx, "/push/sf/SECRET", "", []byte("x"))
		failed <- err
	}()
	<-asked
	cancel()
	if err := <-failed; err == nil || err.Error() != server.URL+": context canceled" {
		t.Errorf("cancelled: %v", err)
	}

	c.http.Timeout = 1 // ns
	_, err = c.do(t.Context(), "/push/sf/SECRET", "", nil)
	if err == nil || err.Error() != server.URL+" did not answer within 1ns: look at /ready on its admin listener" {
		t.Errorf("timed out: %v", err)
	}
}

const (
	sfYes   = `{"return_code":"0000","return_msg":"成功"}`
	sfNo    = `{"return_code":"1000","return_msg":"系统异常"}`
	sfYesMl = "<Response service=\"RoutePushService\"><Head>OK</Head></Response>\n"
)

func TestPush(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const xml = "<Request service=\"RoutePushService\"><Body>顺&amp;+</Body></Request>"
	const (
		sentJSON = "application/json ;charset=UTF-8" // as SF writes it
		form     = "application/x-www-form-urlencoded; charset=UTF-8"
	)
	for _, c := range []struct {
		name   string
		file   string
		args   string
		answer func(http.ResponseWriter)
		status int
		call   call
		said   string
	}{
		{"JSON", file("a.json", " {\"Body\":{}}\n"), "", says(200, sfYes), 0,
			call{"POST", "/push/sf", sentJSON, "", " {\"Body\":{}}\n"}, "taken"},
		{"refused", file("b.json", "{}"), "", says(200, sfNo), 1,
			call{"POST", "/push/sf", sentJSON, "", "{}"}, "not taken (200)"},
		{"overload", file("c.json", "{}"), "", says(503, sfYes), 1,
			call{"POST", "/push/sf", sentJSON, "", "{}"}, "not taken (503)"},
		{"not a carrier's answer", file("d.json", "{}"), "", says(200, "OK"), 1,
			call{"POST", "/push/sf", sentJSON, "", "{}"}, "not taken (200)"},
		{"XML goes as a form", file("e.xml", xml), "--token=SECRET", says(200, sfYesMl), 0,
			call{"POST", "/push/sf/SECRET", form, "", "content=%3CRequest+service%3D%22RoutePushService%22%3E%3CBody%3E%E9%A1%BA%26amp%3B%2B%3C%2FBody%3E%3C%2FRequest%3E"}, "taken"},
		{"XML refused", file("f.xml", xml), "", says(200, "<Response><Head>ERR</Head></Response>"), 1,
			call{"POST", "/push/sf", form, "", "content=%3CRequest+service%3D%22RoutePushService%22%3E%3CBody%3E%E9%A1%BA%26amp%3B%2B%3C%2FBody%3E%3C%2FRequest%3E"}, "not taken (200)"},
		{"form", file("g.txt", "content=%3CRequest%2F%3E\n"), "", says(200, sfYesMl), 0,
			call{"POST", "/push/sf", form, "", "content=%3CRequest%2F%3E"}, "taken"},
		{"XML of others", file("h.xml", xml), "--as=zto", says(200, "any"), 0,
			call{"POST", "/push/zto", "application/xml", "", xml}, "taken"},
		{"case file", file("i.push", "{\"a\":1}\n\n---- events\nSF1 …\n---- answer x\n{}\n"), "", says(200, sfYes), 0,
			call{"POST", "/push/sf", "application/json", "", "{\"a\":1}\n"}, "taken"},
		{"case file with headers", file("j.push", "Content-Type: text/plain\nQuery: a=b\n\n{\"a\":\n\n1}\n---- events\n"), "", says(200, sfYes), 0,
			call{"POST", "/push/sf?a=b", "text/plain", "", "{\"a\":\n\n1}"}, "taken"},
		{"new case file", file("k.push", "{\"a\":1}"), "", says(200, sfYes), 0,
			call{"POST", "/push/sf", "application/json", "", "{\"a\":1}"}, "taken"},
		{"case file of a call", file("n.push", "Call: notifyTrace\nQuery: a=b\n\n{}\n---- events\n"), "--as=alibaba --token=SECRET", says(200, `{"isSuccess":true}`), 0,
			call{"POST", "/push/alibaba/notifyTrace/SECRET?a=b", "application/json", "", "{}"}, "taken"},
		{"case file with a path", file("o.push", "Path: /openapi/param2/1/a/notifyTrace/7\n\n{}\n---- events\n"), "--as=alibaba", says(200, `{"isSuccess":false}`), 1,
			call{"POST", "/openapi/param2/1/a/notifyTrace/7", "application/json", "", "{}"}, "not taken (200)"},
		{"a call that is guessed", file("p.json", `{"aliOrderNo":"A","traceInfos":[]}`), "--as=alibaba", says(200, `{"isSuccess":true}`), 0,
			call{"POST", "/push/alibaba/notifyTrace", "application/json", "", `{"aliOrderNo":"A","traceInfos":[]}`}, "taken"},
		{"a call that is named", file("q.json", `{}`), "--as=alibaba --call=claimCharge", says(200, `{"isSuccess":true}`), 0,
			call{"POST", "/push/alibaba/claimCharge", "application/json", "", `{}`}, "taken"},
		{"standard input", "-", "", says(200, sfYes), 0,
			call{"POST", "/push/sf", sentJSON, "", "{\"from\":\"stdin\"}"}, "taken"},
		{"events", file("l.json", "{\"events\":[]}"), "--as=events --key=wt_a_b", says(200, `{"accepted":3,"duplicates":1,"quarantined":[{"index":0}]}`), 0,
			call{"POST", "/v1/events", "application/json", "Bearer wt_a_b", "{\"events\":[]}"}, "taken: 3 new, 1 known, 1 in quarantine"},
		{"events refused", file("m.json", "{\"events\":[]}"), "--as=events", says(401, `{"code":"no_key"}`), 1,
			call{"POST", "/v1/events", "application/json", "", "{\"events\":[]}"}, "not taken (401)"},
	} {
		var body string
		url, calls := played(t, func(w http.ResponseWriter) {
			recorded := httptest.NewRecorder()
			c.answer(recorded)
			body = recorded.Body.String()
			c.answer(w)
		})
		args := append([]string{"push", "--to=" + url, c.file}, strings.Fields(c.args)...)
		status, out, stderr := runsWith(t, `{"from":"stdin"}`, args...)
		said := c.file + ": " + c.said + "\n"
		if c.status != 0 {
			said += "waytrace: 1 of 1 not taken\n"
		}
		if status != c.status || out != strings.TrimRight(body, "\n")+"\n" || stderr != said {
			t.Errorf("%s: status %d, stdout %q, stderr\n got %q\nwant %q", c.name, status, out, stderr, said)
		}
		if len(*calls) != 1 || (*calls)[0] != c.call {
			t.Errorf("%s: calls\n got %+v\nwant %+v", c.name, *calls, c.call)
		}
	}
}

func TestPushSeveral(t *testing.T) {
	dir := t.TempDir()
	files := []string{"push", ""}
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(`{"is":"`+name+`"}`), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	url, calls := played(t, says(200, sfYes), says(200, sfNo), says(200, sfYes))
	files[1] = "--to=" + url
	status, out, stderr := runs(t, files...)
	if want := sfYes + "\n" + sfNo + "\n" + sfYes + "\n"; status != 1 || out != want {
		t.Errorf("status %d, stdout\n got %q\nwant %q", status, out, want)
	}
	if want := dir + "/a: taken\n" + dir + "/b: not taken (200)\n" + dir + "/c: taken\nwaytrace: 1 of 3 not taken\n"; stderr != want {
		t.Errorf("stderr\n got %q\nwant %q", stderr, want)
	}
	if len(*calls) != 3 {
		t.Errorf("%d calls, want 3", len(*calls))
	}
}

func TestPushFails(t *testing.T) {
	gone := nobody(t)
	good := writeFile(t, "a.json", "{}")
	empty := writeFile(t, "empty.json", " \n")
	emptyCase := writeFile(t, "empty.push", "\n---- events\n")
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{good + " --token=SECRET --to=" + gone, 1, "nothing listens at " + gone + ": is `waytrace serve` running?\n"},
		{good + " --token=SECRET --to=http://no.such.host.invalid", 1, "http://no.such.host.invalid: "},
		{"none.json", 1, "open none.json: no such file or directory\n"},
		{empty, 1, empty + ": there is nothing in it\n"},
		{emptyCase, 1, emptyCase + ": there is nothing in it\n"},
		{good + " --as=alibaba --call=notify --secret=SECRET", 1, "alibaba has no call \"notify\"; it has: notifyTrace, notifyBizEvent, claimCharge\n"},
		{good + " --as=sf --call=notify", 1, "sf has no call \"notify\"; it has: none\n"},
		{good + " --as=alibaba", 1, good + ": alibaba: the call is not one of notifyTrace, notifyBizEvent, claimCharge\n"},
		{good + " --as=zto --secret=SECRET", 1, "how zto signs is not known here: leave the secret away\n"},
		{good + " --as=events --call=x", 2, "push: /v1/events has no calls\n"},
		{good + " --as=events --token=SECRET", 2, "push: /v1/events takes no token: give --key\n"},
	} {
		status, out, stderr := runs(t, append([]string{"push"}, strings.Fields(c.args)...)...)
		if status != c.status || out != "" || !strings.HasPrefix(stderr, "waytrace: "+c.want) || strings.Contains(stderr, "SECRET") {
			t.Errorf("push %s: status %d, stdout %q, stderr\n got %q\nwant %q", c.args, status, out, stderr, c.want)
		}
	}
}

func TestQuarantineLs(t *testing.T) {
	url, calls := played(t, says(200, aQuarantine), says(403, `{"code":"missing_scope","detail":"no scope admin"}`))
	status, out, stderr := runs(t, "quarantine", "ls", "--admin="+url, "--key=wt_a_b")
	if status != 0 || out != aQuarantine || stderr != "" {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, stderr)
	}
	if got := (*calls)[0]; got != (call{"GET", "/quarantine?limit=1000", "", "Bearer wt_a_b", ""}) {
		t.Errorf("called %+v", got)
	}
	status, out, stderr = runs(t, "quarantine", "ls", "--admin="+url)
	if status != 1 || out != "" || stderr != "waytrace: the answer was 403 missing_scope: no scope admin\n" {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, stderr)
	}
}

const aQuarantine = `{"items":[
{"id":"00ff","heard":"2026-05-01T08:00:00Z","carrier":"sf","account":"main","content_type":"application/json","size":120,
 "faults":[{"index":0,"code":"time_suspect","field":"acceptTime","detail":"a year ahead"},{"index":3,"code":"missing","field":"mailno","detail":"没有运单号"}]},
{"id":"11ee","heard":"2026-05-01T08:00:01Z","account":"店铺","content_type":"application/json","size":9,
 "faults":[{"index":-1,"code":"empty_list","detail":"no\u001b[31m events\nat all"}]}],"total":2}`
