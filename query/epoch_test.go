package query

import (
	"slices"
	"testing"

	"waytrace/trace"
)

// reused is a shelf with a number that two parcels had, 61 days apart, and whose
// second one is told by lists of another source that took a scan back.
func reused(t testing.TB) shelf {
	t.Helper()
	s := shelf{}
	s.put(t,
		scan(t, "AGAIN-1", "sf", "2020-01-01 10:00:00", "50", collected),
		scan(t, "AGAIN-1", "sf", "2020-01-03 10:00:00", "80", signed),
		scan(t, "AGAIN-1", "sf", "2020-03-04 10:00:00", "50", collected),
		scan(t, "AGAIN-1", "sf", "2020-03-05 10:00:00", "80", signed))
	p := s[trace.Waybill{Number: "AGAIN-1", Carrier: "sf"}]
	last := p.head.Entries[len(p.head.Entries)-1].ID
	p.head.TakeList(&trace.List{Shows: []trace.ID{p.head.Entries[2].ID}, Hides: []trace.ID{last}, Stamp: trace.Stamp{Heard: heard + 1}})
	p.head.Fold(trace.Waybill{Number: "AGAIN-1", Carrier: "sf"}, nil)
	p.stored = p.head.Append(nil)
	return s
}

func TestEpochsAndWhatWasTakenBack(t *testing.T) {
	d := open(t, reused(t))
	tags := make(map[string]bool)
	for _, c := range []struct {
		query, status string
		earlier       any
		codes         []string
	}{
		{"", "picked_up", 1.0, []string{"50"}},
		{"?epoch=2", "picked_up", 1.0, []string{"50"}},
		{"?epoch=1", "delivered", nil, []string{"50", "80"}},
		{"?epoch=1&order=desc", "delivered", nil, []string{"80", "50"}},
		{"?include=retracted", "picked_up", 1.0, []string{"50", "80 retracted"}},
		{"?include=business,retracted", "picked_up", 1.0, []string{"50", "80 retracted"}},
	} {
		w := d.get("/v1/traces/AGAIN-1" + c.query)
		var codes []string
		got := object(t, w.body)
		events, _ := dig(got, "events").([]any)
		for _, e := range events {
			e := e.(map[string]any)
			code := e["code"].(string)
			if e["retracted"] == true {
				code += " retracted"
			}
			codes = append(codes, code)
		}
		status, earlier := dig(got, "status", "code"), dig(got, "earlier")
		if status != c.status || earlier != c.earlier || !slices.Equal(codes, c.codes) {
			t.Errorf("%s: %v, earlier %v, events %q; want %s, %v, %q", c.query, status, earlier, codes, c.status, c.earlier, c.codes)
		}
		tag := w.Header.Get("ETag")
		if tags[tag] {
			t.Errorf("%s: the tag of another variant", c.query)
		}
		tags[tag] = true
		if again := d.get("/v1/traces/AGAIN-1"+c.query, "If-None-Match", tag); again.StatusCode != 304 {
			t.Errorf("%s with its tag: %d, want 304", c.query, again.StatusCode)
		}
	}
	for query, code := range map[string]string{"?epoch=3": "not_found", "?epoch=0": "invalid_parameter", "?epoch=-1": "invalid_parameter",
		"?epoch=x": "invalid_parameter", "?include=retracted,": "invalid_parameter", "?include=": "invalid_parameter"} {
		if got := dig(object(t, d.get("/v1/traces/AGAIN-1"+query).body), "code"); got != code {
			t.Errorf("%s: %v, want %s", query, got, code)
		}
	}
}
