package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"waytrace/trace"
)

// A fakeReader knows which carriers have a number, the newest first.
type fakeReader map[string][]string

func (r fakeReader) Trace(t *trace.Trace, number, carrier string, _ trace.Want) error {
	have := slices.Clone(r[number])
	if at := slices.Index(have, carrier); at > 0 {
		have[0], have[at] = have[at], have[0]
	}
	if len(have) == 0 || carrier != "" && have[0] != carrier {
		return fmt.Errorf("number %s: %w", number, trace.ErrNotFound)
	}
	if have[0] == "broken" {
		return errors.New("disk on fire")
	}
	t.Waybill, t.Also = trace.Waybill{Number: number, Carrier: have[0]}, have[1:]
	return nil
}

func TestOverride(t *testing.T) {
	from := fakeReader{"SF1234": {"sf"}, "SAME1": {"yto", "sf"}, "ODD1": {"broken"}}
	const good = `"author":"li","reason":"the consignee called"}`
	var taken []trace.Override
	store := &fakeStore{onAppend: func(_ context.Context, f *trace.Facts) error { taken = append(taken, f.Overrides...); return nil }}
	override := New(store, nil, Options{}).Override(from)
	for _, c := range []struct {
		number, query, body string
		want                string // what was taken, or code and field
	}{
		{"sf 1234", "", `{"status":"delivered","sub":"signed",` + good, "SF1234 sf delivered signed li: the consignee called"},
		{"SF1234", "", `{"status":"lost",` + good, "SF1234 sf lost  li: the consignee called"},
		{"SF1234", "carrier=sf", `{"status":null,"sub":null,` + good, "SF1234 sf unknown  li: the consignee called"},
		{"SAME1", "carrier=sf", `{"status":"lost",` + good, "SAME1 sf lost  li: the consignee called"},

		{"SAME1", "", `{"status":"lost",` + good, "ambiguous_carrier carrier"},
		{"SF1234", "carrier=yto", `{"status":"lost",` + good, "not_found "},
		{"SF9999", "", `{"status":"lost",` + good, "not_found "},
		{"SF", "", `{"status":"lost",` + good, "invalid_number number"},
		{"SF1234", "carrier=S!", `{"status":"lost",` + good, "invalid_carrier carrier"},
		{"SF1234", "", `{"status":"teleported",` + good, "invalid_status status"},
		{"SF1234", "", `{"status":"unknown",` + good, "invalid_status status"},
		{"SF1234", "", `{"status":"",` + good, "invalid_status status"},
		{"SF1234", "", `{"status":7,` + good, "invalid_type status"},
		{"SF1234", "", `{` + good, "missing_field status"},
		{"SF1234", "", `{"status":null,"sub":"signed",` + good, "missing_status status"},
		{"SF1234", "", `{"status":"lost","sub":"NOT A SUB",` + good, "invalid_sub sub"},
		{"SF1234", "", `{"status":"lost","author":" ","reason":"x"}`, "missing_field author"},
		{"SF1234", "", `{"status":"lost","author":"li"}`, "missing_field reason"},
		{"SF1234", "", `{"status":"lost","author":"li","reason":"` + strings.Repeat("x", trace.MaxField+1) + `"}`, "too_long reason"},
		{"SF1234", "", `{"status":"lost","colour":"red",` + good, "unknown_field colour"},
		{"SF1234", "", `[]`, "invalid_type "},
		{"SF1234", "", `null`, "invalid_type "},
		{"SF1234", "", `{"status":`, "invalid_json "},
		{"SF1234", "", ``, "invalid_json "},
	} {
		taken = nil
		ctx := requestOf(c.body)
		ctx.Request.SetRequestURI("/x?" + c.query)
		ctx.SetUserValue("tail", c.number)
		err := override(ctx, trace.Asker{Account: "main"})
		got := ""
		var p *trace.Problem
		switch {
		case errors.As(err, &p):
			got = p.Code + " " + p.Field
		case err == nil && len(taken) == 1:
			o := taken[0]
			got = fmt.Sprintf("%s %s %s %s %s: %s", o.Number, o.Carrier, o.Pair.Status, o.Pair.Sub, o.Author, o.Reason)
		}
		if got != c.want || err != nil && len(taken) > 0 {
			t.Errorf("%s?%s %.80s: got %q (%v), want %q", c.number, c.query, c.body, got, err, c.want)
		}
		if err == nil && taken[0].Heard != trace.HLCAt(now) {
			t.Errorf("%s: heard at %d", c.body, taken[0].Heard)
		}
	}

	ctx := requestOf(`{"status":"lost",` + good)
	ctx.SetUserValue("tail", "ODD1")
	if err := override(ctx, trace.Asker{}); !errors.Is(err, trace.ErrUnavailable) {
		t.Errorf("a reader that fails: %v, want ErrUnavailable", err)
	}
	ctx.SetUserValue("tail", "SF1234")
	store.onAppend = func(context.Context, *trace.Facts) error { return errors.New("disk on fire") }
	if err := override(ctx, trace.Asker{}); !errors.Is(err, trace.ErrUnavailable) {
		t.Errorf("a store that fails: %v, want ErrUnavailable", err)
	}
	ctx.SetUserValue("tail", "SAME1")
	if err := override(ctx, trace.Asker{}); err == nil || !strings.Contains(err.Error(), "there are sf, yto") {
		t.Errorf("two carriers: %v, want their names", err)
	}
}
