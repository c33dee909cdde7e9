package alibaba

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// readBoth reads the argument of a trace in one pass, and what that reads with the
// reader of all that there is as well; then its list in the same way.
func readBoth(t *testing.T, a argument) (taken, listTaken bool) {
	t.Helper()
	var fast, any notifyTrace
	if !a.scan(&fast) {
		return false, false
	}
	if err := readArgument(a.json(), &any); err != nil || !sameValues(fast.AliOrderNo, any.AliOrderNo) || !sameValues(fast.TraceInfos, any.TraceInfos) || !sameValues(fast.ReferenceNo, any.ReferenceNo) {
		t.Errorf("%s:\n%+v, want\n%+v, %v", a.json(), fast, any, err)
	}
	items, ok := scanList[traceInfo](fast.TraceInfos.Nested())
	if !ok {
		return true, false
	}
	raw, code, err := fast.TraceInfos.List(MaxItems)
	if code != "" || err != nil || len(raw) != len(items) {
		t.Fatalf("%s: %d items, want %d, %s, %v", fast.TraceInfos.Nested(), len(items), len(raw), code, err)
	}
	for i := range raw {
		var want traceInfo
		code, err := wire.Value{JSON: string(raw[i])}.Object(&want)
		same := true
		for _, name := range traceInfoNames {
			same = same && sameValues(*items[i].Field(name), *want.Field(name))
		}
		if code != "" || err != nil || !same {
			t.Errorf("%s: %+v, want %+v, %s, %v", raw[i], items[i], want, code, err)
		}
	}
	return true, true
}

// sameValues compares values, but for blanks in their JSON, which the other reader may
// have moved.
func sameValues(a, b wire.Value) bool {
	compact := func(v wire.Value) string {
		var out bytes.Buffer
		if v.JSON != "" && json.Compact(&out, []byte(v.JSON)) != nil {
			return v.JSON
		}
		return out.String()
	}
	return a.Text == b.Text && a.Sent == b.Sent && compact(a) == compact(b)
}

func TestScanReadsWhatIsUsual(t *testing.T) {
	list := journey(20)
	text, _ := json.Marshal(list)
	for name, a := range map[string]argument{
		"JSON":         {text: []byte(`{"aliOrderNo":"ALS20240318000921","other":{"a":[1]},"traceInfos":` + list + `}`)},
		"list as text": {text: []byte(`{"aliOrderNo":"ALS20240318000921","referenceNo":null,"traceInfos":` + string(text) + `}`)},
		"form":         {params: []wire.Param{{Name: "aliOrderNo", Value: "ALS20240318000921"}, {Name: "other", Value: "x"}, {Name: "traceInfos", Value: list}}},
	} {
		if taken, listTaken := readBoth(t, a); !taken || !listTaken {
			t.Errorf("%s: taken %t, its list %t", name, taken, listTaken)
		}
	}
	for name, a := range map[string]argument{
		"another case":           {text: []byte(`{"aliorderno":"ALS20240318000921","traceInfos":` + list + `}`)},
		"another case in a form": {params: []wire.Param{{Name: "aliorderno", Value: "ALS20240318000921"}, {Name: "traceInfos", Value: list}}},
		"no object":              {text: []byte(`[]`)},
	} {
		if taken, _ := readBoth(t, a); taken {
			t.Errorf("%s: taken", name)
		}
	}
	tooMany := "[" + strings.Repeat("{},", MaxItems) + "{}]"
	for _, list := range []string{"", "[]", "{}", "[1]", `[{"TRACECODE":"x"}]`, `[{"traceCode":"x"}`, tooMany} {
		if _, ok := scanList[traceInfo](list); ok {
			t.Errorf("the list %.40s is taken", list)
		}
	}
}

// What is read in one pass means the same to the reader of all that there is, as JSON
// and as a form.
func FuzzScan(f *testing.F) {
	names, err := filepath.Glob("testdata/*.push")
	if err != nil || len(names) == 0 {
		f.Fatal("no cases: ", err)
	}
	for _, name := range names {
		f.Add([]byte(carriertest.Body(f, strings.TrimSuffix(filepath.Base(name), ".push"))))
	}
	f.Add([]byte(`{"aliOrderNo":"ALS20240318000921","traceInfos":` + journey(2) + `}`))
	f.Add([]byte("aliOrderNo=ALS20240318000921&traceInfos=" + url.QueryEscape(journey(2))))
	f.Fuzz(func(t *testing.T, body []byte) {
		readBoth(t, argument{text: body})
		if params, err := parameters(bytes.Clone, nil, body); err == nil {
			if a := argumentOf(params); a.params != nil || a.text != nil {
				readBoth(t, a)
			}
		}
	})
}

// Strings of events lie in memory of the facts: the request's may be used again.
func TestNothingRefersIntoTheBody(t *testing.T) {
	body := `{"aliOrderNo":"ALS20240318000921","referenceNo":"A,B","traceInfos":` + journey(2) + `}`
	form := "aliOrderNo=ALS20240318000921&referenceNo=A,B&traceInfos=" + url.QueryEscape(journey(2))
	for _, body := range []string{body, form} {
		read := func(scribble bool) string {
			var facts trace.Facts
			r := carriers.Request{Body: []byte(body), Call: callTrace}
			if err := New(Settings{}).Push.Decode(&r, &facts); err != nil || len(facts.Events) != 2 {
				t.Fatalf("%d events, %v", len(facts.Events), err)
			}
			if scribble {
				clear(r.Body)
			}
			return fmt.Sprintf("%+v %+v", facts.Events, facts.Lists)
		}
		if got, want := read(true), read(false); !reflect.DeepEqual(got, want) {
			t.Errorf("the facts have become\n%s, want\n%s", got, want)
		}
	}
}
