package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestEscapeForm(t *testing.T) {
	for _, text := range []string{"", "plain-_.*", "a b&c=d+e%", "快件 <x y='1'/>"} {
		if got, want := string(escapeForm([]byte("x="+text), 2)), "x="+url.QueryEscape(text); got != strings.ReplaceAll(want, "%2A", "*") {
			t.Errorf("%q is escaped as %q, want %q", text, got, want)
		}
	}
}

// The XML form says what the JSON says.
func TestXMLForm(t *testing.T) {
	p := newParcels(100, someDay, 0)
	picks := []pick{{1, 0}, {1, 1}, {2, 5}}
	form, err := url.ParseQuery(string(p.appendXMLForm(nil, picks)))
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		Routes []struct {
			Mailno     string `xml:"mailno,attr"`
			AcceptTime string `xml:"acceptTime,attr"`
			Remark     string `xml:"remark,attr"`
			OpCode     string `xml:"opCode,attr"`
			ID         string `xml:"id,attr"`
		} `xml:"Body>WaybillRoute"`
	}
	if err := xml.Unmarshal([]byte(form.Get("content")), &request); err != nil || len(request.Routes) != len(picks) {
		t.Fatalf("%v, %d routes", err, len(request.Routes))
	}
	for n, r := range request.Routes {
		inJSON := string(p.appendRoute(nil, picks[n].parcel, picks[n].event))
		for _, part := range []string{r.Mailno, r.AcceptTime, r.Remark, r.OpCode, r.ID} {
			if part == "" || !strings.Contains(inJSON, `"`+part+`"`) {
				t.Errorf("%q is not in %s", part, inJSON)
			}
		}
	}
}

// Full lists are valid, and tell of as many scans of one parcel as they were given.
func TestFullLists(t *testing.T) {
	p := newParcels(100, someDay, 5)
	for _, n := range []int{1, 10, 100} {
		picks := newStock(p).listPush(nil, n)
		var ali struct {
			AliOrderNo string
			TraceInfos []struct{ Location, TraceCode, TraceDescCn, TraceTime string }
		}
		if err := json.Unmarshal(p.appendNotifyTrace(nil, picks), &ali); err != nil || len(ali.AliOrderNo) != 17 || len(ali.TraceInfos) != n {
			t.Fatalf("%v, order %q, %d scans, want %d", err, ali.AliOrderNo, len(ali.TraceInfos), n)
		}
		for _, i := range ali.TraceInfos {
			if _, err := time.Parse(time.RFC3339, i.TraceTime); err != nil || i.TraceCode == "" || i.Location == "" || i.TraceDescCn == "" {
				t.Errorf("%v, %+v", err, i)
			}
		}
		if last := ali.TraceInfos[n-1].TraceCode; (last == "S_DELIVERY_SIGNED") != (n >= eventsLoaded) {
			t.Errorf("a journey of %d ends with %s", n, last)
		}
		form, err := url.ParseQuery(string(p.appendSubscribed(nil, picks)))
		if err != nil {
			t.Fatal(err)
		}
		var kd struct {
			LastResult struct {
				Nu, Com, State string
				Data           []struct{ Ftime, Context, StatusCode string }
			}
		}
		if err := json.Unmarshal([]byte(form.Get("param")), &kd); err != nil || len(kd.LastResult.Nu) != 14 || len(kd.LastResult.Data) != n {
			t.Fatalf("%v, %+v", err, kd.LastResult)
		}
		for i, scan := range kd.LastResult.Data {
			if scan.Context == "" || scan.StatusCode == "" || i > 0 && scan.Ftime >= kd.LastResult.Data[i-1].Ftime {
				t.Errorf("scan %d is %+v, want one before the one above it", i, scan)
			}
		}
	}
}

// Two seeds have no numbers in common.
func TestSeedsDiffer(t *testing.T) {
	seen := map[uint64]uint64{}
	for seed := range uint64(20) {
		p := newParcels(100, someDay, seed)
		for i := range 5000 {
			if other, ok := seen[p.digits(i)]; ok {
				t.Fatalf("seeds %d and %d have a number in common", seed, other)
			}
			seen[p.digits(i)] = seed
		}
	}
}

// Several requests on the way at once are answered one by one.
func TestPipelined(t *testing.T) {
	to := at(served(t, &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		fmt.Fprintf(ctx, "%s%s", ctx.Path(), strings.Repeat("x", int(ctx.ConnRequestNum())*700))
	}}))
	c, err := newClient(to, &pipelined{maker: requests(to), depth: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for range 3 {
		if !c.prepare() || bytes.Count(c.requests, []byte("GET ")) != 16 {
			t.Fatalf("made %q", c.requests)
		}
		units, size, err := c.do(time.Now())
		if err != nil || units != 16 || size < 16*700 {
			t.Errorf("%d units of %d B, %v", units, size, err)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	for _, c := range []struct{ url, addr, host, prefix string }{
		{"http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1:8080", ""},
		{"https://trace.example.com", "trace.example.com:443", "trace.example.com", ""},
		{"http://[::1]/behind/", "[::1]:80", "[::1]", "/behind"},
	} {
		e, err := parseEndpoint(c.url, "", nil)
		if err != nil || e.addr != c.addr || e.host != c.host || e.prefix != c.prefix || (e.tls != nil) != strings.HasPrefix(c.url, "https") {
			t.Errorf("%s: %+v, %v", c.url, e, err)
		}
	}
	for _, wrong := range []string{"", "127.0.0.1:8080", "ftp://h", "http://u@h", "http://h/?q", "http://h/#f", "http://:80 "} {
		if e, err := parseEndpoint(wrong, "", nil); err == nil {
			t.Errorf("%q was taken for %+v", wrong, e)
		}
	}
	e := &endpoint{host: "h", prefix: "/p", key: "k", tokens: map[string]string{"sf": "t"}}
	if got, want := string(e.get("/v1")), "GET /p/v1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer k\r\n\r\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := e.door("sf", ""); got != "/push/sf/t" {
		t.Errorf("SF's door is %s", got)
	}
	if got := e.door("alibaba", "notifyTrace"); got != "/push/alibaba/notifyTrace" {
		t.Errorf("Alibaba's door is %s", got)
	}
}

// A second has its own figures, and a silence is noticed.
func TestRecorder(t *testing.T) {
	began := time.Now()
	r := newRecorder(began)
	for _, at := range []int{100, 900, 1500, 4200} {
		r.watch(began.Add(time.Duration(at)*time.Millisecond), time.Duration(at)*time.Microsecond, 10, nil)
	}
	r.watch(began.Add(4300*time.Millisecond), 0, 0, fmt.Errorf("refused"))
	r.watch(began.Add(5100*time.Millisecond), time.Millisecond, 10, nil)
	line := r.timeline(must("get-hot"))
	var rates []float64
	for _, s := range line.Seconds {
		rates = append(rates, s.PerSecond)
	}
	if fmt.Sprint(rates) != "[20 10 0 0 10]" || line.Seconds[4].Errors != 1 || !near(line.Seconds[1].P50, 1500) || r.gap != 2700*time.Millisecond {
		t.Errorf("%+v, the longest gap %s", line, r.gap)
	}
}

// setting reads what the daemon prints.
func TestSetting(t *testing.T) {
	text := "listen: a\nstore:\n  cache: 1GiB # of blocks\n  heads: 0\nquery:\n  cache: 64MiB\n"
	for name, want := range map[string]string{"store.cache": "1GiB", "query.cache": "64MiB", "store.heads": "0", "query.heads": "", "feed.cache": ""} {
		if got := setting(text, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
