package carriertest

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// said is what a part of the exam holds against somebody.
func said(t *testing.T, part func(t testing.TB)) string {
	r := &recorder{TB: t}
	part(r)
	return strings.Join(r.said, "\n")
}

func wantSaid(t *testing.T, name, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("%s: said %q, want %q", name, got, want)
	}
}

var colours = carriers.MustTable("colours.csv", []byte("code,reason,status,sub,meaning,source\nred,,delivered,signed,red,test\nblue,,-,,blue,test\n"))

// coded is the dialect of lines, where a line is a code too.
func coded(mapping func(e *trace.Event) bool, table *carriers.Table, version uint32) carriers.Carrier {
	c := lines()
	good := c.Push.Decode
	c.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		err := good(r, facts)
		for i := range facts.Events {
			e := &facts.Events[i]
			e.Code = e.Text.Text
			e.Unmapped, e.Table = !colours.Map(e), 1
		}
		return err
	}
	c.Codes = &carriers.Codes{Version: version, Tables: []carriers.Table{*table}, Map: mapping}
	return c
}

func TestCodesPart(t *testing.T) {
	odd := carriers.MustTable("odd.csv", []byte("code,reason,status,sub,meaning,source\nred,,delivered,by_drone,red,test\n"))
	for name, c := range map[string]struct {
		carrier carriers.Carrier
		want    string
	}{
		"good":             {coded(colours.Map, colours, 1), ""},
		"another sub":      {coded(colours.Map, odd, 1), `odd.csv, code red: package trace does not know sub-status "by_drone"`},
		"another version":  {coded(colours.Map, colours, 2), "table version 1, the carrier has 2"},
		"maps nothing":     {coded(func(e *trace.Event) bool { return true }, colours, 1), "mapped anew it is lost.missing"},
		"knows everything": {coded(func(e *trace.Event) bool { colours.Map(e); return true }, colours, 1), `code "green"`},
		"leaves a doubt":   {coded(func(e *trace.Event) bool { known := colours.Map(e); e.Provisional = true; return known }, colours, 1), "provisional true"},
	} {
		wantSaid(t, name, examine(t, c.carrier, "red\nblue\ngreen"), c.want)
	}
}

func TestAtOncePart(t *testing.T) {
	var under atomic.Int32
	c := lines()
	good := c.Push.Decode
	c.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		defer under.Add(-1)
		if under.Add(1) > 1 {
			return trace.Invalid("busy", "", "one at a time")
		}
		for range 1000 {
			runtime.Gosched() // let the others begin
			facts.Reset()
			if err := good(r, facts); err != nil {
				return err
			}
		}
		return nil
	}
	files := make([]caseFile, 8)
	for i := range files {
		files[i] = caseFile{path: "testdata/none.push", r: carriers.Request{Body: []byte("one")}}
	}
	wantSaid(t, "one at a time", said(t, func(t testing.TB) { atOnce(t, c, files) }), "beside others")
}

func TestTableVersionPart(t *testing.T) {
	hashes := map[uint32]string{1: "0123456789abcdef"}
	wantSaid(t, "another hash", said(t, func(t testing.TB) { TableVersion(t, 1, hashes, Lines(colours)) }), `version 1 has "0123456789abcdef"`)
	wantSaid(t, "no hash", said(t, func(t testing.TB) { TableVersion(t, 2, hashes, Lines(colours)) }), `version 2 has ""`)
	hashes[1] = "57d59323e7fd0924"
	backwards := []string{Lines(colours)[1], Lines(colours)[0]}
	wantSaid(t, "the same rows in another order", said(t, func(t testing.TB) { TableVersion(t, 1, hashes, backwards) }), "")
}

func TestMostPart(t *testing.T) {
	c := lines()
	good := c.Push.Decode
	c.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		if n := bytes.Count(r.Body, []byte("\n")) + 1; n > 3 {
			facts.Fault(-1, "too_many_items", "", "more than 3 lines")
			return nil
		}
		return good(r, facts)
	}
	push := func(n int) *carriers.Request {
		return &carriers.Request{Body: []byte(strings.TrimSuffix(strings.Repeat("a\n", n), "\n"))}
	}
	for most, want := range map[int]string{3: "", 4: "of 4 items: 0 events, 1 faults", 2: "of 3 items: 3 events"} {
		wantSaid(t, fmt.Sprint(most), said(t, func(t testing.TB) { Most(t, c, most, push) }), want)
	}
}

func TestGreedyPart(t *testing.T) {
	bodies := map[string][3]string{"letters": {"one", "x", ""}}
	wantSaid(t, "one line", said(t, func(t testing.TB) { Greedy(t, lines(), carriers.Request{}, bodies) }), "")
	bodies["letters"] = [3]string{"one", "\nbad", "\nbad"}
	wantSaid(t, "many lines", said(t, func(t testing.TB) { Greedy(t, lines(), carriers.Request{}, bodies) }), "letters: 1 events, 2")
	var kept [][]byte
	spender := carriers.Carrier{Push: &carriers.Push{Decode: func(r *carriers.Request, facts *trace.Facts) error {
		for range 128 {
			kept = append(kept, bytes.Clone(r.Body))
		}
		return trace.ErrInvalid
	}}}
	wantSaid(t, "a spender", said(t, func(t testing.TB) { Greedy(t, spender, carriers.Request{}, bodies) }), "bytes allocated for a byte of body")
}

func TestFrugalPart(t *testing.T) {
	r := &carriers.Request{Body: []byte("one\ntwo\nthree\nfour")}
	frugal := lines()
	frugal.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		at, _ := trace.ParseLocal("2024-03-18 09:41:07", trace.China, trace.ZoneCarrier)
		for line := range strings.Lines(carriers.View(facts.Keep(r.Body))) {
			e := facts.Event()
			e.Waybill, e.Source, e.At, e.Text.Text = trace.Waybill{Number: "LN0001", Carrier: "lines"}, "lines", at, line
		}
		return nil
	}
	wantSaid(t, "frugal", said(t, func(t testing.TB) { Frugal(t, frugal, r, 4) }), "")
	kept := make([]string, 0, 4)
	spender := lines()
	spender.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		err := frugal.Push.Decode(r, facts)
		kept = kept[:0]
		for i := range facts.Events {
			kept = append(kept, strings.Clone(facts.Events[i].Text.Text))
		}
		return err
	}
	wantSaid(t, "a spender", said(t, func(t testing.TB) { Frugal(t, spender, r, 4) }), "a push of 4 events allocates")
}

func TestTruncatedPart(t *testing.T) {
	closed := carriers.Carrier{Push: &carriers.Push{Decode: func(r *carriers.Request, facts *trace.Facts) error {
		if !bytes.HasSuffix(r.Body, []byte(".")) {
			return trace.Invalid("cut", "", "there is no full stop")
		}
		return nil
	}}}
	for body, want := range map[string]string{"a sentence.\n": "", "two. sentences.": "the first 4 bytes"} {
		wantSaid(t, body, said(t, func(t testing.TB) { Truncated(t, closed, carriers.Request{Body: []byte(body)}) }), want)
	}
}

// sealedLines is the dialect of lines, signed: in front of the text stands the MD5 of
// text and secret in hex.
func sealedLines(verify func(r *carriers.Request, text []byte, sign string) bool) carriers.Carrier {
	c := lines()
	good := c.Push.Decode
	c.Push.Signed = true
	c.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		sign, text, found := bytes.Cut(r.Body, []byte("&"))
		switch {
		case !found:
			return trace.Invalid("broken", "", "there is no signature")
		case !verify(r, text, strings.TrimPrefix(string(sign), "sign=")):
			return trace.ErrUnauthorized
		}
		return good(&carriers.Request{Body: text}, facts)
	}
	c.Push.Outgoing = func(payload []byte, o carriers.Sending) (*carriers.Outgoing, error) {
		sign := ""
		if o.Secret != "" {
			sign = digest(payload, o.Secret)
		}
		return &carriers.Outgoing{Path: "/push/lines", Body: []byte("sign=" + sign + "&" + string(payload))}, nil
	}
	return c
}

func digest(text []byte, secret string) string {
	return fmt.Sprintf("%x", md5.Sum(append(bytes.Clone(text), secret...)))
}

func TestSignedPart(t *testing.T) {
	right := func(r *carriers.Request, text []byte, sign string) bool {
		return r.Kept || strings.EqualFold(sign, digest(text, "secret"))
	}
	by := Signing{Sending: carriers.Sending{Secret: "secret"}, Field: "sign"}
	for name, c := range map[string]struct {
		verify func(r *carriers.Request, text []byte, sign string) bool
		want   string
	}{
		"good": {right, ""},
		"asks nobody": {func(*carriers.Request, []byte, string) bool { return true },
			"signed with another secret"},
		"lets in what is not signed": {func(r *carriers.Request, text []byte, sign string) bool { return sign == "" || right(r, text, sign) },
			"not signed"},
		"asks what was kept": {func(r *carriers.Request, text []byte, sign string) bool {
			return right(&carriers.Request{}, text, sign)
		}, "out of quarantine"},
		"looks at half of the signature": {func(r *carriers.Request, text []byte, sign string) bool {
			return r.Kept || strings.HasPrefix(sign, digest(text, "secret")[:31])
		}, "byte 36 of the body"},
		"signs half of the text": {func(r *carriers.Request, text []byte, sign string) bool {
			return r.Kept || len(sign) == 32 && (sign == digest(text, "secret") || sign == digest([]byte("one\ntwo"), "secret"))
		}, "byte 38 of the body"},
	} {
		carrier := sealedLines(c.verify)
		ask := func(secret string) *carriers.Request {
			o, _ := carrier.Push.Outgoing([]byte("one\ntwo"), carriers.Sending{Secret: secret})
			return received(carrier, o, "")
		}
		wantSaid(t, name, said(t, func(t testing.TB) { signed(t, carrier, by, ask, 0, 1) }), c.want)
	}
}

// A signature in the query says nothing for the body.
func TestBesidePart(t *testing.T) {
	c := sealedLines(func(r *carriers.Request, text []byte, sign string) bool { return sign == digest(text, "secret") })
	inBody := c.Push.Decode
	inQuery := c
	push := *c.Push
	inQuery.Push = &push
	push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		var unread trace.Facts
		if r.Query == "" || inBody(&carriers.Request{Body: []byte(r.Query)}, &unread) != nil {
			return inBody(r, facts)
		}
		return lines().Push.Decode(r, facts)
	}
	o, _ := c.Push.Outgoing([]byte("one\ntwo"), carriers.Sending{Secret: "secret"})
	for name, part := range map[string]struct {
		carrier carriers.Carrier
		want    string
	}{
		"looks at the body":  {c, ""},
		"looks at the query": {inQuery, "three lines, beside what is signed"},
	} {
		wantSaid(t, name, said(t, func(t testing.TB) {
			beside(t, part.carrier, received(part.carrier, o, ""), "three lines", []byte("one\ntwo\nthree"))
		}), part.want)
	}
}

func TestReceived(t *testing.T) {
	c := carriers.Carrier{Code: "demo", Push: &carriers.Push{Gateway: "/gate/"}}
	for path, want := range map[string]carriers.Request{
		"/push/demo":       {},
		"/push/demo/a":     {Call: "a"},
		"/push/demo/a?b=c": {Call: "a", Query: "b=c"},
		"/gate/1/a?b":      {Path: "/gate/1/a", Query: "b"},
	} {
		r := received(c, &carriers.Outgoing{Path: path, ContentType: "text/plain", Body: []byte("x")}, "shop")
		if r.Call != want.Call || r.Query != want.Query || r.Path != want.Path || r.Account != "shop" || string(r.Body) != "x" || r.ContentType != "text/plain" {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

func TestHasOddLetters(t *testing.T) {
	for sent, want := range map[string]bool{
		"task K": false, "ta\u017fk": true, "\u212a": true, `"\u017F"`: true, `\u212a`: true, "a=%C5%BF": true, "a=%5Cu212A": true, "a=%zz": false,
	} {
		if got := hasOddLetters(sent); got != want {
			t.Errorf("%q: %t, want %t", sent, got, want)
		}
	}
}
