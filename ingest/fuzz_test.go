package ingest

import (
	"errors"
	"fmt"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// FuzzEvents reads any body without panic, and finds the same in it with either
// JSON library.
func FuzzEvents(f *testing.F) {
	for _, body := range []string{
		`{"events":[{"number":"SF7444400031887","carrier":"sf","time":"2026-11-20T16:56:54+08:00","status":"picked_up","sub":"collected","description":"收件","reference":"R-1"}]}`,
		`{"events":[{"number":"1Z999","carrier":"ups","local_time":"2026-11-20T08:00:00","code":"I","quantity":3,"latitude":-1.5e1,"longitude":0,"references":["a","\ud800"]},7,null]}`,
		`{"events":[{"number":"1Z999","carrier":"ups","date":"2026-11-20","code":"\u0000","lang":"zh-TW"},{"date":"2026-11-20","date":"2026-11-21"}]}`,
		`{"events":[{"quantity":01}]}`, `{"events":[{"quantity":1.0,"a":tru}]}`, `{"events":[]}x`, `{"events":[{"a":"` + "\xff\x01" + `"}]}`, ` [1E400] `, `"`, ``,
	} {
		f.Add([]byte(body))
	}
	who := trace.Asker{Account: "main", Carriers: []string{"sf", "ups"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		read := func(library carriers.JSONLibrary) string {
			defer func(before carriers.JSONLibrary) { carriers.JSONBy = before }(carriers.JSONBy)
			carriers.JSONBy = library
			var facts trace.Facts
			if err := decode(body, who, &facts); err != nil {
				if !errors.Is(err, trace.ErrInvalid) {
					t.Fatalf("%q: %v is not ErrInvalid", body, err)
				}
				return err.Error()
			}
			facts.Judge(trace.HLCAt(now), func() trace.HLC { return trace.HLCAt(now) }, carriers.Names(nil).Of)
			return fmt.Sprintf("%+v %+v", facts.Events, facts.Faults)
		}
		if got, want := read(carriers.Sonic), read(carriers.Std); got != want {
			t.Errorf("%q\nread by sonic: %s\nread by std:   %s", body, got, want)
		}
	})
}

// FuzzOverride reads any body without panic; a word that it takes says who and why,
// or the checks of every override find what is missing.
func FuzzOverride(f *testing.F) {
	for _, body := range []string{
		`{"status":"delivered","sub":"signed","author":"li","reason":"the consignee called"}`,
		`{"status":null,"author":"li","reason":"x"}`, `{"status":"unknown"}`, `{"status":"lost","status":null}`, `{"a":[]}`, `[`, ``,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := readOverride(body)
		switch {
		case err != nil && !errors.Is(err, trace.ErrInvalid):
			t.Errorf("%q: %v is not ErrInvalid", body, err)
		case err == nil && o.Pair.Status == trace.Unknown && o.Pair.Sub != "":
			t.Errorf("%q: it withdraws with sub-status %q", body, o.Pair.Sub)
		}
	})
}
