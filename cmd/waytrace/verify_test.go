package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/relay/cluster"
	"waytrace/store"
	"waytrace/trace"
)

// A stand is the two doors of verifying over a store of the test's own.
type stand struct {
	*store.Store
	url, data string
	report    cluster.Report
	draining  atomic.Bool
	asked     func(path string) // is told of each question before it is answered, if it is set
}

func newStand(t *testing.T) *stand {
	t.Helper()
	d := &stand{data: filepath.Join(t.TempDir(), "data")}
	var err error
	if d.Store, err = store.Open(d.data, store.Options{CacheSize: 1 << 20, MemTableSize: 1 << 20, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	d.report = cluster.Report{Node: d.Status().Node, Version: "dev", Form: store.Form,
		Settings: map[string]string{"fold.epoch_days": "60", "kafka.topic": "none"}, Tables: map[string]uint32{"sf": 1}}
	a := &admin{store: d.Store, draining: d.draining.Load,
		node: &node{cluster: cluster.New(cluster.Settings{}, func() cluster.Report { return d.report }, nil)}}
	everybody := func(*fasthttp.RequestCtx) (trace.Asker, error) { return trace.Asker{}, nil }
	r := newRoutes([]door{{method: "GET", path: "/verify", guard: everybody, handle: a.verify, refuse: refuse},
		{method: "GET", path: "/digests", guard: everybody, handle: a.digests, refuse: refuse}})
	server := newServer(func(ctx *fasthttp.RequestCtx) {
		if d.asked != nil {
			d.asked(string(ctx.RequestURI()))
		}
		r.serve(ctx)
	}, r.unread)
	server.WriteTimeout = 0
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	d.url = "http://" + ln.Addr().String()
	t.Cleanup(func() {
		if err := errors.Join(server.Shutdown(), <-served, d.Close()); err != nil {
			t.Error(err)
		}
	})
	return d
}

// aScan is a scan of SF's.
func aScan(number string, minute int) trace.Event {
	at, err := trace.ParseLocal(fmt.Sprintf("2020-05-11 16:%02d:00", minute), trace.China, trace.ZoneCarrier)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return trace.Event{Waybill: trace.Waybill{Number: number, Carrier: "sf"}, Source: "sf", Code: "50", At: at, TextEdits: true,
		Text: trace.Text{Text: "已收件"}, Pair: trace.Pair{Status: trace.PickedUp}, Table: 1}
}

// hear pushes events.
func (d *stand) hear(t *testing.T, events ...trace.Event) {
	t.Helper()
	facts := &trace.Facts{}
	for _, e := range events {
		*facts.Event() = e
	}
	facts.Judge(d.Now(), d.Now, func(field string) string { return field })
	if _, err := d.Append(context.Background(), facts); err != nil {
		t.Error(err)
	}
}

// verified plays a command.
func verified(t *testing.T, c VerifyCmd) (out, people string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if err := c.Validate(); err != nil {
		return "", "", err
	}
	err = c.Run(t.Context(), &streams{strings.NewReader(""), &stdout, &stderr})
	return stdout.String(), stderr.String(), err
}

func TestVerifyADaemon(t *testing.T) {
	d := newStand(t)
	for i := range 300 {
		d.hear(t, aScan(fmt.Sprintf("SF%04d", i), 1), aScan(fmt.Sprintf("SF%04d", i), 2))
	}
	out, people, err := verified(t, VerifyCmd{Operator: Operator{Admin: d.url}})
	if want := "300 parcels with 600 events and 0 records were read\nall of it fits\n"; err != nil || out != "" || people != want {
		t.Errorf("out %q, people %q, %v; want %q", out, people, err, want)
	}
	d.draining.Store(true)
	if _, _, err := verified(t, VerifyCmd{Operator: Operator{Admin: d.url}}); err == nil || !strings.Contains(err.Error(), "stopping") {
		t.Errorf("while it stops: %v", err)
	}
}

// Two daemons are asked through their own doors.
func TestVerifyDaemons(t *testing.T) {
	a, b := start(t), start(t)
	for _, r := range []*running{a, b} {
		response, err := r.client.Post(r.url+"/push/sf", "application/json", strings.NewReader(sampleJSON))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
	}
	if status, out, people := runs(t, "verify", "--admin", a.admin); status != 0 || out != "" || people != "1 parcels with 2 events and 0 records were read\nall of it fits\n" {
		t.Errorf("status %d, out %q, people %q", status, out, people)
	}
	if status, out, people := runs(t, "verify", "--admin", a.admin, "--peer", b.admin, "--lag", "1ms"); status != 0 || out != "" || !strings.HasSuffix(people, "they are alike\n") {
		t.Errorf("status %d, out %q, people %q", status, out, people)
	}
	response, err := b.client.Post(b.url+"/push/sf", "application/json", strings.NewReader(strings.ReplaceAll(sampleJSON, "SF7444400031887", "SF7444400031888")))
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if status, out, _ := runs(t, "verify", "--admin", a.admin, "--peer", b.admin, "--lag", "1ms"); status != 1 || out != "SF7444400031888 sf: missing here\n" {
		t.Errorf("status %d, out %q", status, out)
	}
}

// A directory without a daemon is read as it lies; one that a daemon has open is not.
func TestVerifyADirectory(t *testing.T) {
	defer func(before trace.FoldSettings) { trace.Folding = before }(trace.Folding)
	d := newStand(t)
	d.hear(t, aScan("SF7444400031887", 1))
	if _, _, err := verified(t, VerifyCmd{Data: d.data}); err == nil {
		t.Error("a directory that a daemon has open is verified")
	}
	copied := filepath.Join(t.TempDir(), "copy")
	if err := d.Checkpoint(copied); err != nil {
		t.Fatal(err)
	}
	out, people, err := verified(t, VerifyCmd{Data: copied})
	if want := "1 parcels with 1 events and 0 records were read\nall of it fits\n"; err != nil || out != "" || people != want {
		t.Errorf("out %q, people %q, %v; want %q", out, people, err, want)
	}
	if _, _, err := verified(t, VerifyCmd{Data: filepath.Join(t.TempDir(), "nothing")}); err == nil {
		t.Error("a directory that is not there is verified")
	}
}

// What is found is printed, a stranger's words without what a terminal would obey.
func TestVerifySaysWhatItFound(t *testing.T) {
	const found = `"found":[{"number":"SF7444400031887","carrier":"sf","what":"its head is\u001b[2J not the fold"},{"what":"it counts wrong"}]`
	for _, c := range []struct {
		name     string
		answer   func(http.ResponseWriter)
		out, err string
	}{
		{"two things", says(200, `{"progress":{"waybills":1,"total":9}}`+"\n"+`{"done":{"waybills":9,"total":9,"findings":2,`+found+`}}`),
			"SF7444400031887 sf: its head is[2J not the fold\nthe directory: it counts wrong\n", "2 things do not fit"},
		{"more than are named", says(200, `{"done":{"waybills":9,"findings":200,`+found+`}}`),
			"SF7444400031887 sf: its head is[2J not the fold\nthe directory: it counts wrong\n", "200 things do not fit; the first 2 are listed"},
		{"an error", says(200, `{"progress":{}}`+"\n"+`{"error":{"code":"fold_first","detail":"run it"}}`), "", "the daemon gave up: fold_first: run it"},
		{"cut off", says(200, `{"progress":{"waybills":1}}`), "", "ended the answer before it had done"},
		{"cut off in a line", says(200, `{"progress":{"wayb`), "", "ended the answer before it had done: unexpected EOF"},
		{"something else", says(200, `[1]`), "", "is this the admin listener?"},
		{"refused", says(401, `{"code":"unauthorized","detail":"no"}`), "", "the answer was 401 unauthorized: no (a key goes into --key"},
	} {
		url, calls := played(t, c.answer)
		out, _, err := verified(t, VerifyCmd{Operator: Operator{Admin: url, Key: "secret"}})
		if out != c.out || err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: out %q, %v; want %q, %q", c.name, out, err, c.out, c.err)
		}
		if len(*calls) != 1 || (*calls)[0].uri != "/verify" || (*calls)[0].authorization != "Bearer secret" {
			t.Errorf("%s: asked %+v", c.name, *calls)
		}
	}
}

func TestVerifyIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	url, _ := played(t, func(w http.ResponseWriter) {
		io.WriteString(w, `{"progress":{}}`+"\n")
		w.(http.Flusher).Flush()
		cancel()
		<-ctx.Done()
	})
	c := VerifyCmd{Operator: Operator{Admin: url}}
	if err := c.Run(ctx, &streams{nil, io.Discard, io.Discard}); err == nil || err.Error() != "stopped" {
		t.Errorf("interrupted: %v", err)
	}
}

// twins are two stands that heard the same of many parcels.
func twins(t *testing.T) (a, b *stand) {
	t.Helper()
	a, b = newStand(t), newStand(t)
	for i := range 50 {
		for _, d := range []*stand{a, b} {
			d.hear(t, aScan(fmt.Sprintf("SF%04d", i), 1), aScan(fmt.Sprintf("SF%04d", i), 2))
		}
	}
	return a, b
}

func between(a, b *stand) VerifyCmd {
	return VerifyCmd{Operator: Operator{Admin: a.url}, Peer: b.url, Lag: time.Millisecond}
}

func TestVerifyAPeer(t *testing.T) {
	a, b := twins(t)
	out, people, err := verified(t, between(a, b))
	if want := "50 parcels were compared with " + b.url + "\nthey are alike\n"; err != nil || out != "" || people != want {
		t.Fatalf("out %q, people %q, %v; want %q", out, people, err, want)
	}

	a.hear(t, aScan("SF0007A", 1))
	b.hear(t, aScan("AAAA1", 1), aScan("ZZZZ1", 1)) // before and behind all that is there
	revised, referred, newer := aScan("SF0011", 2), aScan("SF0012", 2), aScan("SF0013", 2)
	revised.Text.Text = "派送中"
	referred.References = []trace.Reference{{Account: "main", Text: "PO 7"}}
	newer.Table, newer.Pair = 2, trace.Pair{Status: trace.Delivered}
	a.hear(t, revised)
	b.hear(t, referred, newer, aScan("SF0014", 3))
	id := func(e trace.Event) string {
		var f trace.Facts
		*f.Event() = e
		f.Seal(&f.Events[0], 1)
		return f.Events[0].ID.String()
	}
	scan := id(aScan("SF0011", 2))
	want := strings.Join([]string{
		"AAAA1 sf: missing here",
		"SF0007A sf: missing there",
		`SF0011 sf: text "已收件" of event ` + scan + ` differs; text "派送中" of event ` + scan + " is missing there",
		`SF0012 sf: reference "PO 7" of main, of event ` + id(referred) + " is missing here",
		"SF0013 sf: the facts are the same, and what they mean is not: code tables or settings differ, or did when it was folded last",
		"SF0014 sf: event " + id(aScan("SF0014", 3)) + " is missing here",
		"ZZZZ1 sf: missing here",
	}, "\n") + "\n"
	out, _, err = verified(t, between(a, b))
	if err == nil || err.Error() != "7 parcels differ" || out != want {
		t.Errorf("%v, out\n%swant\n%s", err, out, want)
	}
	out, _, err = verified(t, between(b, a))
	if err == nil || strings.Count(out, "\n") != 7 || !strings.Contains(out, "AAAA1 sf: missing there\n") {
		t.Errorf("the other way round: %v, out\n%s", err, out)
	}
}

// Of much that differs the first is named, and of very much the rest is left alone.
func TestVerifyAVeryDifferentPeer(t *testing.T) {
	a, b := twins(t)
	var more []trace.Event
	for i := range 150 {
		more = append(more, aScan(fmt.Sprintf("YT%04d", i), 1))
	}
	b.hear(t, more...)
	changed := aScan("SF0007", 1)
	for i := range 9 {
		changed.References = append(changed.References, trace.Reference{Account: "main", Text: fmt.Sprint("PO ", i)})
	}
	a.hear(t, changed)
	out, _, err := verified(t, between(a, b))
	if err == nil || err.Error() != "151 parcels differ; the first 100 are listed" || strings.Count(out, "\n") != maxNamed || strings.Count(out, `reference "PO `) != maxParts ||
		!strings.Contains(out, "; and 4 more\nYT0000 sf: missing here\n") {
		t.Errorf("%v, out\n%s", err, out)
	}
	for _, c := range []struct{ here, there *stand }{{a, b}, {b, a}} {
		here, err := newClient(c.here.url, "")
		if err != nil {
			t.Fatal(err)
		}
		there, err := newClient(c.there.url, "")
		if err != nil {
			t.Fatal(err)
		}
		var stdout bytes.Buffer
		p := comparison{std: &streams{nil, &stdout, io.Discard}, here: side{client: here}, there: side{client: there}, most: 10}
		err = errors.Join(p.introduce(t.Context(), true), p.ranges(t.Context(), &bar{}))
		here.close()
		there.close()
		if err != nil || len(p.suspects) != 10 || !p.full {
			t.Fatalf("%d suspects, %t, %v", len(p.suspects), p.full, err)
		}
		if err := p.judge(t.Context()); err == nil || err.Error() != "10 parcels differ, of the first 10 that seemed to; the rest was not compared" || strings.Count(stdout.String(), "\n") != 10 {
			t.Errorf("%v, out\n%s", err, stdout.String())
		}
		here.close()
		there.close()
	}
}

// Where tables or settings differ, heads may: then it is said, and the facts count.
func TestVerifyAPeerWithOtherTables(t *testing.T) {
	a, b := twins(t)
	newer := aScan("SF0013", 2)
	newer.Table, newer.Pair = 2, trace.Pair{Status: trace.Delivered}
	b.hear(t, newer)
	b.report.Tables = map[string]uint32{"sf": 2, "yto": 1}
	b.report.Settings = map[string]string{"fold.epoch_days": "90", "kafka.topic": "waytrace"}
	const said = "fold.epoch_days is 60 here and 90 there\nthe code table of sf is 1 here and 2 there\nthe code table of yto is not known here and 1 there\n"
	out, people, err := verified(t, between(a, b))
	if want := said + "so only the facts are compared, and not what they mean (--heads compares both)\n"; err != nil || out != "" || !strings.HasPrefix(people, want) {
		t.Errorf("out %q, people %q, %v; want %q", out, people, err, want)
	}
	c := between(a, b)
	c.Heads = true
	out, people, err = verified(t, c)
	if err == nil || !strings.HasPrefix(out, "SF0013 sf: the facts are the same, ") || !strings.HasPrefix(people, said+"50 parcels") {
		t.Errorf("with heads: out %q, people %q, %v", out, people, err)
	}
}

// What was on its way when it was looked at first, and has come when it is looked at
// again, is no difference; what does not come to rest is said.
func TestVerifyAPeerUnderLoad(t *testing.T) {
	a, b := twins(t)
	a.hear(t, aScan("SF0020", 3), aScan("SF0051", 1))
	looks := 0
	b.asked = func(path string) {
		if strings.Contains(path, "number=") {
			if looks++; looks == 1 {
				b.hear(t, aScan("SF0020", 3), aScan("SF0051", 1))
			}
		}
	}
	if out, people, err := verified(t, between(a, b)); err != nil || out != "" || !strings.HasSuffix(people, "they are alike\n") || looks != 2 {
		t.Errorf("after %d looks out %q, people %q, %v", looks, out, people, err)
	}
	a.hear(t, aScan("SF0020", 4))
	looks, b.asked = 0, nil
	a.asked = func(path string) {
		if strings.Contains(path, "number=") {
			looks++
			a.hear(t, aScan("SF0020", 5+looks))
		}
	}
	out, _, err := verified(t, between(a, b))
	if out != "" || err == nil || !strings.HasPrefix(err.Error(), "1 parcels changed each time they were looked at") || looks != maxLooks {
		t.Errorf("after %d looks out %q, %v", looks, out, err)
	}
}

func TestVerifyAPeerRefuses(t *testing.T) {
	a, b := newStand(t), newStand(t)
	if _, _, err := verified(t, between(a, a)); err == nil || !strings.Contains(err.Error(), "are both node "+a.report.Node) {
		t.Errorf("the daemon itself: %v", err)
	}
	b.draining.Store(true)
	if _, _, err := verified(t, between(a, b)); err == nil || !strings.Contains(err.Error(), b.url+": the daemon gave up: stopping: ") {
		t.Errorf("a peer that stops: %v", err)
	}
	c := between(a, a)
	c.Peer = nobody(t)
	if _, _, err := verified(t, c); err == nil || !strings.Contains(err.Error(), "nothing listens at "+c.Peer) {
		t.Errorf("nobody: %v", err)
	}
	const header = `{"header":{"node":"0000000000000001","fold":"","settings":{},"tables":{}}}` + "\n"
	for name, answer := range map[string]string{"without an end": header, "of nothing": header + `{"done":{}}`} {
		url, _ := played(t, says(200, header), says(200, answer))
		c.Peer = url
		if _, _, err := verified(t, c); err == nil || !strings.HasPrefix(err.Error(), url) {
			t.Errorf("an answer %s: %v", name, err)
		}
	}
	for _, wrong := range [][]string{{"--data", "x", "--peer", "y"}, {"--lag=-1s"}} {
		if status, _, said := runs(t, append([]string{"verify"}, wrong...)...); status != 2 {
			t.Errorf("verify %v: %d %s, want wrong usage", wrong, status, said)
		}
	}
	t.Setenv("WAYTRACE_DATA", t.TempDir())
	if status, _, said := runs(t, "verify", "--admin", nobody(t)); status != 1 || !strings.Contains(said, "nothing listens") {
		t.Errorf("with WAYTRACE_DATA: %d %s, want the daemon asked", status, said)
	}
}

// digestLines asks a stand, and gives the lines between the header and the end.
func digestLines(t *testing.T, d *stand, query string) (lines []digestLine) {
	t.Helper()
	response, err := http.Get(d.url + "/digests" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for all := json.NewDecoder(response.Body); ; {
		var line digestLine
		if err := all.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if line.Progress == nil {
			lines = append(lines, line)
		}
	}
	if n := len(lines); n < 2 || lines[0].Header == nil || lines[n-1].Done == nil {
		t.Fatalf("%s: %+v", query, lines)
	}
	return lines[1 : len(lines)-1]
}

// The ranges join without a gap and have every number that there could be; a range has
// its waybills, and a waybill its facts.
func TestDigests(t *testing.T) {
	d, _ := twins(t)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	after, seen, n := "", uint64(0), 0
	ranges := digestLines(t, d, "?heads=8")
	for i, line := range ranges {
		r := line.Range
		if r == nil || r.From != after || (r.To == "") != (i == len(ranges)-1) {
			t.Fatalf("range %d: %+v behind %q", i, line, after)
		}
		one := digestLines(t, d, "?from="+r.From+"&to="+r.To)
		if len(one) != 1 || *one[0].Range != *r {
			t.Errorf("range %d alone is %+v, was %+v", i, one, r)
		}
		each := digestLines(t, d, "?from="+r.From+"&to="+r.To+"&each=1")
		for _, line := range each {
			if want := fmt.Sprintf("SF%04d", n); line.Waybill.Number != want {
				t.Errorf("%s stands where %s should", line.Waybill.Number, want)
			}
			n++
		}
		if uint64(len(each)) != r.Waybills {
			t.Errorf("range %d has %d waybills, and says %d", i, len(each), r.Waybills)
		}
		after, seen = r.To, seen+r.Waybills
	}
	if seen != 50 || len(ranges) != 7 {
		t.Errorf("%d waybills in %d ranges", seen, len(ranges))
	}
	if lines := digestLines(t, d, "?after=SF0047&heads=8"); len(lines) != 1 || lines[0].Range.Waybills != 2 || lines[0].Range.From != "SF0047" {
		t.Errorf("behind a number: %+v", lines)
	}
	if lines := digestLines(t, d, "?number=SF0007&carrier=sf"); len(lines) != 5 || lines[0].Waybill.Number != "SF0007" || lines[4].Part == nil {
		t.Errorf("one waybill: %+v", lines)
	}
	for query, status := range map[string]int{
		"?number=SF0007&carrier=yto":       404,
		"?number=SF0007":                   400,
		"?carrier=sf":                      400,
		"?number=SF0007&carrier=sf&each=1": 400,
		"?from=sf0007":                     400,
		"?from=SF%00":                      400,
		"?after=SF0007&to=SF0009":          400,
		"?from=SF0007&to=SF0009&each=2":    400,
		"?heads=0":                         400,
		"?heads=65537":                     400,
		"?heads=x":                         400,
		"?what=ever":                       400,
	} {
		response, err := http.Get(d.url + "/digests" + query)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("%s: status %d, want %d", query, response.StatusCode, status)
		}
	}
}

// An answer that nobody reads to its end is given up, and is no fault of ours.
func TestDigestsToNobody(t *testing.T) {
	d, _ := twins(t)
	defer failures.Store(failures.Load())
	complain := func(id string, err error) { t.Errorf("a complaint: %s: %v", id, err) }
	failures.Store(&complain)
	a := &admin{store: d.Store, draining: never, node: &node{cluster: cluster.New(cluster.Settings{}, func() cluster.Report { return d.report }, nil)}}
	for name, work := range map[string]func(*digesting) error{
		"ranges": func(g *digesting) error { return g.ranges("") },
		"each":   func(g *digesting) error { return g.one("", "", true) },
	} {
		g := digesting{admin: a, waybills: 1}
		g.work = func() error { return work(&g) }
		g.answer(bufio.NewWriterSize(deaf{}, 16))
		if g.done.Waybills > 2 {
			t.Errorf("%s: it went on for %d waybills", name, g.done.Waybills)
		}
	}
}
