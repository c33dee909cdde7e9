package cluster

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"waytrace/trace"
)

var good = Report{
	Node: "00c0ffee00c0ffee", Ready: true, Version: "v0.1.0", Form: 3,
	Settings: map[string]string{"fold.epoch_days": "60", "fold.hide_pre_transit": "false"},
	Tables:   map[string]uint32{"sf": 3, "alibaba": 1},
	Name:     "a", Start: "X", Clock: 1_700_000_000_000, Nodes: "1234",
}

func TestReportParse(t *testing.T) {
	b, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := got.parse(b); err != nil || !cmp.Equal(got, good) {
		t.Errorf("%v\n%s", err, cmp.Diff(good, got))
	}
	if err := got.parse([]byte(strings.Replace(string(b), `"form":3`, `"form":4,"moon":"full"`, 1))); err != nil || got.Form != 4 {
		t.Errorf("a newer node's: %v, %+v", err, got)
	}
	for _, text := range []string{
		``, `null`, `{}`, `[]`, `"ready"`, `<html>`, string(b) + "x",
		strings.Replace(string(b), "00c0ffee00c0ffee", "00C0FFEE00C0FFEE", 1),
		strings.Replace(string(b), "00c0ffee00c0ffee", "00c0ffee", 1),
		strings.Replace(string(b), `"name":"a"`, `"name":"a\nb"`, 1),
		strings.Replace(string(b), `"name":"a"`, `"name":""`, 1),
		strings.Replace(string(b), "1700000000000", "-1", 1),
		strings.Replace(string(b), "1700000000000", "1e99", 1),
		strings.Replace(string(b), "1700000000000", "9223372036854775807", 1),
	} {
		if err := new(Report).parse([]byte(text)); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%s: %v, want invalid", text, err)
		}
	}
}

func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Report)
		want   string
	}{
		{"the same", func(*Report) {}, ""},
		{"another node, another day, another version", func(r *Report) {
			r.Node, r.Name, r.Version, r.Form, r.Clock, r.Start, r.Ready = "11c0ffee11c0ffee", "b", "v0.2.0", 4, 7, "Y", false
		}, ""},
		{"nodes", func(r *Report) { r.Nodes = "5678" }, "cluster.nodes is another list there"},
		{"a setting", func(r *Report) { r.Settings["fold.epoch_days"] = "30" }, "fold.epoch_days is 60 here and 30 there"},
		{"a setting that it does not know", func(r *Report) { delete(r.Settings, "fold.epoch_days") }, "fold.epoch_days is 60 here and not said there"},
		{"a setting of its own", func(r *Report) { r.Settings["fold.moon"] = "full" }, "fold.moon is not said here and full there"},
		{"a table", func(r *Report) { r.Tables["sf"] = 4 }, "the code table of sf has version 3 here and 4 there"},
		{"no table", func(r *Report) { delete(r.Tables, "sf") }, "there is no code table of sf there"},
		{"a table more", func(r *Report) { r.Tables["zto"] = 1 }, "there is no code table of zto here"},
		{"all at once", func(r *Report) { r.Nodes, r.Settings, r.Tables = "", nil, map[string]uint32{"sf": 2} },
			"cluster.nodes is another list there|fold.epoch_days is 60 here and not said there|fold.hide_pre_transit is false here and not said there|" +
				"there is no code table of alibaba there|the code table of sf has version 3 here and 2 there"},
	} {
		var there Report
		b, _ := json.Marshal(good)
		if err := json.Unmarshal(b, &there); err != nil {
			t.Fatal(err)
		}
		c.change(&there)
		if got := strings.Join(differences(&good, &there), "|"); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// Whatever a stranger answers: it is refused, or it is a report that can be compared and
// shown.
func FuzzReport(f *testing.F) {
	b, _ := json.Marshal(good)
	f.Add(b)
	f.Add([]byte(`{"node":"0000000000000000","name":"b","clock_ms":1,"tables":{"sf":-1}}`))
	f.Add([]byte(`{"node":"0000000000000000","name":"b","clock_ms":9223372036854775807,"settings":{"":""},"tables":{"":7}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Report
		if err := r.parse(b); err != nil {
			if !errors.Is(err, trace.ErrInvalid) {
				t.Fatalf("%v is not invalid", err)
			}
			return
		}
		if list := differences(&r, &r); list != nil {
			t.Fatalf("it differs from itself: %q", list)
		}
		for _, line := range differences(&good, &r) {
			if n := utf8.RuneCountInString(line); n == 0 || n > 300 {
				t.Fatalf("a difference of %d characters", n)
			}
		}
	})
}
