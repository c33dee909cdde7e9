package ingest

import (
	"reflect"
	"strings"
	"testing"

	"waytrace/trace"
)

// A line is understood as the same item of a request is.
func TestLineIsAnItem(t *testing.T) {
	who := trace.Asker{Account: "acme", Carriers: []string{"sf", "ups"}}
	for _, item := range []string{
		`{"number":"sf 7444400031887","carrier":"sf","time":"2026-11-20T16:56:54+08:00","status":"picked_up","sub":"collected","description":"收件","reference":"R-1"}`,
		` {"number":"1Z999","carrier":"ups","date":"2026-11-20","code":"I","description":"Arrived","latitude":1.5,"longitude":2}	`,
		`{"number":"1Z999","carrier":"ups","local_time":"2026-11-20T08:00:00","status":"teleported"}`,
		`{"number":"1Z999","carrier":"ups","date":"2026-11-20","time":"2026-11-20T08:00:00Z"}`,
		`{"number":"1Z999","carrier":"dhl","date":"2026-11-20","code":"I"}`,
		`{"number":1,"carrier":"ups"}`,
		`{"number":"1Z999","colour":"red"}`,
		`[]`, `7`, `null`, `"text"`, `{}`,
		`{"number":"1Z999","quantity":1e999}`,
		`{"number":"` + strings.Repeat("1", MaxLine) + `"}`,
	} {
		var asItem, asLine trace.Facts
		if err := decode([]byte(`{"events":[`+item+`]}`), who, &asItem); err != nil {
			t.Fatal(err)
		}
		Line([]byte(item), 0, who, &asLine)
		if !reflect.DeepEqual(asItem.Faults, asLine.Faults) || len(asItem.Events)+len(asLine.Events) > 0 && !reflect.DeepEqual(asItem.Events, asLine.Events) {
			t.Errorf("%.200s\nas an item: %+v %+v\nas a line:  %+v %+v", item, asItem.Events, asItem.Faults, asLine.Events, asLine.Faults)
		}
	}
}

// What would spoil a whole request spoils its line.
func TestLineIsNoJSON(t *testing.T) {
	for line, want := range map[string]string{
		``:                      "invalid_json",
		`{"number":"1Z999"`:     "invalid_json",
		`{} {}`:                 "invalid_json",
		"{\"number\":\"\xff\"}": "invalid_json",
		strings.Repeat(`[`, 2000) + strings.Repeat(`]`, 2000): "invalid_json",
	} {
		var facts trace.Facts
		Line([]byte(line), 4, trace.Asker{Account: "main"}, &facts)
		if len(facts.Events) > 0 || len(facts.Faults) != 1 || facts.Faults[0].Code != want || facts.Faults[0].Index != 4 || facts.Faults[0].Detail == "" {
			t.Errorf("%.40q: %+v %+v", line, facts.Events, facts.Faults)
		}
	}
}
