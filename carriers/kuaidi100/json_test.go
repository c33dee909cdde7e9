package kuaidi100

import (
	"bytes"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// said is what counts of a push.
type said struct {
	Status, Message, ComNew carriers.Loose
	Lists                   []saidList
}

type saidList struct {
	Nu, Com, State carriers.Loose
	Scans          []scan
}

func (p *push) said() (s said) {
	s = said{Status: p.Status, Message: p.Message, ComNew: p.ComNew}
	for _, l := range p.lists {
		s.Lists = append(s.Lists, saidList{l.Nu, l.Com, l.State, append([]scan{}, l.scans...)})
	}
	return s
}

// scanned reads a push in one pass, and what that reads with readAnyPush as well.
func scanned(t *testing.T, param []byte) (taken bool) {
	t.Helper()
	p := new(push)
	if !p.scan(bytes.Clone(param)) {
		return false
	}
	want, err := readAnyPush(param)
	if err != nil || want.odd || want.many || !reflect.DeepEqual(p.said(), want.said()) {
		t.Errorf("%s:\n%+v, want\n%+v, %v", param, p.said(), want.said(), err)
	}
	for _, l := range want.lists {
		if l.odd != "" {
			t.Errorf("%s: taken, though %s is odd", param, l.odd)
		}
	}
	return true
}

// params are the JSON texts of the cases.
func params(t testing.TB) map[string]string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.push")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases: ", err)
	}
	all := make(map[string]string)
	for _, name := range names {
		name = strings.TrimSuffix(filepath.Base(name), ".push")
		body := carriertest.Body(t, name)
		if form, err := url.ParseQuery(body); err == nil && form.Has("param") {
			body = form.Get("param")
		}
		all[name] = body
	}
	return all
}

// Most cases are of the usual form, and so is what the benchmark reads.
func TestScanReadsWhatIsUsual(t *testing.T) {
	taken := 0
	all := params(t)
	for _, param := range all {
		if scanned(t, []byte(param)) {
			taken++
		}
	}
	if taken < len(all)/2 {
		t.Errorf("%d of %d cases are read in one pass, want half of them at least", taken, len(all))
	}
}

// What one pass takes is read the same by the reader of all that there is.
func FuzzScan(f *testing.F) {
	for _, param := range params(f) {
		f.Add([]byte(param))
	}
	f.Fuzz(func(t *testing.T, param []byte) { scanned(t, param) })
}

// A push leaves nothing in the memory that the next one reads into.
func TestPushesDoNotMeet(t *testing.T) {
	d := New(Settings{})
	read := func(body string) trace.Facts {
		var facts trace.Facts
		if err := d.Push.Decode(&carriers.Request{Body: []byte(body)}, &facts); err != nil {
			t.Fatal(err)
		}
		return facts
	}
	const full = `{"status":"polling","lastResult":{"state":"3","com":"yuantong","nu":"YT1234567890123","data":[` +
		`{"ftime":"2024-03-18 10:00:00","context":"a","status":"b","statusCode":"1","location":"c","areaName":"d,e,f","areaCenter":"1,2"},{"ftime":"2024-03-18 09:00:00","context":"g"}]}}`
	const bare = `{"lastResult":{"com":"yuantong","nu":"YT1234567890124","data":[{"ftime":"2024-03-18 10:00:00","context":"a"}]}}`
	want := read(bare)
	for range 4 {
		read(full)
		if got := read(bare); !reflect.DeepEqual(got.Events, want.Events) {
			t.Fatalf("behind a full push\n%+v, want\n%+v", got.Events, want.Events)
		}
	}
}
