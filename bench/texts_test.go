package bench

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"waytrace/trace"
)

var someDay = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// Pushes are what SF sends: valid JSON of at most ten routes, every value text.
func TestAppendPush(t *testing.T) {
	p := newParcels(100, someDay, 0)
	s := newStock(p)
	pushes := 0
	for picks := s.load(nil); len(picks) > 0; picks = s.load(picks[:0]) {
		pushes++
		var push struct {
			Body struct {
				WaybillRoute []struct{ Mailno, AcceptAddress, ReasonName, Orderid, AcceptTime, Remark, OpCode, ID, ReasonCode string }
			}
		}
		body := p.appendPush(nil, picks)
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(&push); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		if len(push.Body.WaybillRoute) != len(picks) || len(picks) > eventsOfPush {
			t.Fatalf("%d routes of %d events in a push", len(push.Body.WaybillRoute), len(picks))
		}
		for _, r := range push.Body.WaybillRoute {
			if number, err := trace.ParseNumber(r.Mailno); err != nil || number != r.Mailno || len(number) != numberLength {
				t.Errorf("number %q is %q, %v", r.Mailno, number, err)
			}
			if at, err := trace.ParseLocal(r.AcceptTime, trace.China, trace.ZoneCarrier); err != nil || at.Instant() > someDay.UnixMilli() {
				t.Errorf("time %q: %v, want one before the run", r.AcceptTime, err)
			}
			if len(r.ID) != 15 || len(r.Orderid) != 16 || r.AcceptAddress == "" || r.Remark == "" || pairs[r.OpCode].Status == trace.Unknown {
				t.Errorf("route is %+v", r)
			}
		}
	}
	if want := 100 * eventsLoaded / eventsOfPush; pushes != want {
		t.Errorf("%d pushes, want %d", pushes, want)
	}
}

// Every parcel's story holds together: time goes on, nothing follows delivery,
// all is judged good, and no event is told twice.
func TestStories(t *testing.T) {
	p := newParcels(1000, someDay, 0)
	var facts trace.Facts
	for i := range 1200 {
		events := 40
		if i >= p.set {
			events = eventsOfNew
		} else if p.delivered(i) {
			events = eventsLoaded
		}
		seen := map[trace.ID]bool{}
		last := int64(0)
		for k := range events {
			facts.Reset()
			e := p.event(&facts, i, k)
			if fault, ok := e.Check(someDay.UnixMilli()); !ok {
				t.Fatalf("event %d of parcel %d: %+v", k, i, fault)
			}
			if e.At.Local <= last || seen[e.ID] {
				t.Errorf("event %d of parcel %d is at %s, not after the one before, or told before", k, i, e.At.Raw)
			}
			last, seen[e.ID] = e.At.Local, true
			if delivered := e.Pair.Status == trace.Delivered; delivered != (k == events-1 && events < 40) {
				t.Errorf("event %d of %d of parcel %d has status %s", k, events, i, e.Pair.Status)
			}
			if parsed, err := trace.ParseLocal(e.At.Raw, trace.China, trace.ZoneCarrier); err != nil || parsed != e.At {
				t.Errorf("time %+v reads back as %+v, %v", e.At, parsed, err)
			}
			// What raw Pebble stores is what was pushed.
			if route := string(p.appendRoute(nil, i, k)); !strings.Contains(route, e.Text.Text) || !strings.Contains(route, e.CarrierID) ||
				!strings.Contains(route, e.Number) || !strings.Contains(route, e.References[0].Text) || !strings.Contains(route, e.At.Raw) {
				t.Errorf("event %+v is pushed as %s", e, route)
			}
		}
	}
	if at := p.scan(1, mostTold+100).at - 8*3600; at > someDay.Unix() {
		t.Errorf("the last event that a parcel may get is %d s ahead", at-someDay.Unix())
	}
}

func TestNumbersDiffer(t *testing.T) {
	p := newParcels(100, someDay, 0)
	seen := map[string]bool{}
	for i := range 300_000 {
		number := string(p.appendNumber(nil, i))
		if seen[number] {
			t.Fatalf("parcel %d has a number that was there before: %s", i, number)
		}
		seen[number] = true
	}
}

// Stored events must compress as in life: they are neither noise nor the same
// text over and over.
func TestTextsCompress(t *testing.T) {
	p := newParcels(5000, someDay, 0)
	var facts trace.Facts
	var values []byte
	for i := range 5000 {
		for k := range eventsLoaded {
			facts.Reset()
			values = append(values, p.event(&facts, i, k).Value...)
		}
	}
	var small bytes.Buffer
	z := gzip.NewWriter(&small)
	z.Write(values)
	z.Close()
	each := float64(len(values)) / 5000 / eventsLoaded
	if ratio := float64(small.Len()) / float64(len(values)); each < 120 || each > 240 || ratio < 0.15 || ratio > 0.45 {
		t.Errorf("%.0f B an event, of which gzip leaves %.2f; want 120 to 240 and 0.15 to 0.45", each, ratio)
	}
}
