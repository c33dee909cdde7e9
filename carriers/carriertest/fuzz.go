package carriertest

import (
	"bytes"
	"reflect"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// Fuzz gives Decode bodies of all kinds, beginning with those of the case files.
// It must not panic, refuse only as ErrInvalid or ErrUnauthorized, and bring
// events that are stored and read back as they were, or are faulted; the answer
// must be well-formed.
func Fuzz(f *testing.F, c carriers.Carrier) {
	for _, file := range caseFiles(f) {
		f.Add(file.r.Body, file.r.ContentType, file.r.Query, file.r.Path, file.r.Call)
	}
	f.Fuzz(func(t *testing.T, body []byte, contentType, query, path, call string) {
		r := &carriers.Request{Body: body, ContentType: contentType, Query: query, Path: path, Call: call}
		u := understand(c, r)
		if u.err != nil && !invalid(u.err) {
			t.Errorf("refused with %v, which is neither ErrInvalid nor ErrUnauthorized", u.err)
		}
		if u.nothing() {
			t.Error("neither fact nor fault nor error came of it")
		}
		for i := range u.facts.Events {
			storedAndRead(t, &u.facts.Events[i])
		}
		answer, answerType := u.answer(c, r)
		wellFormed(t, answerType, []byte(answer))
	})
}

// storedAndRead: an event comes back from its stored form as it went in.
func storedAndRead(t *testing.T, e *trace.Event) {
	var got trace.Event
	if err := trace.DecodeEvent(&got, e.Waybill, e.At.Local, e.ID, e.Value); err != nil {
		t.Fatalf("its stored form does not read: %v\n%+v", err, e)
	}
	if again := got.Append(nil); !bytes.Equal(again, e.Value) {
		t.Errorf("stored, read and stored again\ngot  %x\nwant %x", again, e.Value)
	}
	// Where it stood in its request, and what it brought, are not stored.
	got.Item, got.Taken, got.Value, got.List, got.Unmapped = e.Item, e.Taken, e.Value, e.List, e.Unmapped
	if !reflect.DeepEqual(&got, e) {
		t.Errorf("stored and read\ngot  %+v\nwant %+v", got, *e)
	}
}
