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
			check(&facts, nil, trace.HLCAt(now))
			return fmt.Sprintf("%+v %+v", facts.Events, facts.Faults)
		}
		if got, want := read(carriers.Sonic), read(carriers.Std); got != want {
			t.Errorf("%q\nread by sonic: %s\nread by std:   %s", body, got, want)
		}
	})
}
