package query

import (
	"fmt"
	"testing"
)

func TestReferences(t *testing.T) {
	d := open(t, stocked(t))
	const picked = `{"code":"picked_up","sub":"collected","label":"%s","since":"%s","terminal":false}`
	first, second := "2020-05-09T10:00:00+08:00", "2020-05-08T10:00:00+08:00"
	list := func(label string) string {
		return `{"reference":"order/7","waybills":[` +
			`{"number":"TWICE-1","carrier":"sf","status":` + fmt.Sprintf(picked, label, first) + `},` +
			`{"number":"SECOND-2","carrier":"sf","status":` + fmt.Sprintf(picked, label, second) + `}]}`
	}
	for _, c := range []struct{ target, want string }{
		{"/v1/references/order/7", list("已揽收")},
		{"/v1/references/order%2F7", list("已揽收")},
		{"/v1/references/order%2f7?lang=en", list("Picked up")},
		{"/v1/references/" + sampleReference + "?lang=en", `{"reference":"` + sampleReference + `","waybills":[{"number":"` + sample +
			`","carrier":"sf","status":{"code":"delivered","sub":"signed","label":"Delivered","since":"2020-05-11T16:56:54+08:00","terminal":true}}]}`},
	} {
		w := d.get(c.target)
		if w.StatusCode != 200 || w.body != c.want || w.Header.Get("Content-Type") != "application/json" {
			t.Errorf("GET %s: %d %s\n got %s\nwant %s", c.target, w.StatusCode, w.Header.Get("Content-Type"), w.body, c.want)
		}
	}
	wantJSON(t, "the shop's own", dig(d.read("/v1/references/"+sampleReference, "Account", "shop"), "waybills", 0, "number"), `"OTHER-1"`)
	if w := d.get("/v1/references/order%252F7"); w.StatusCode != 404 {
		t.Errorf("a reference that is decoded twice: %d, want 404", w.StatusCode)
	}

	many := d.read("/v1/references/many")
	wantJSON(t, "beyond the cap", dig(many, "more"), "20")
	// Of the first thousand numbers MANY-0059 is the newest; of equals the first comes first.
	for i, want := range map[int]string{0: "MANY-0059", 1: "MANY-0119", 15: "MANY-0959", 16: "MANY-0058", 999: "MANY-0960"} {
		wantJSON(t, fmt.Sprint("waybill ", i), dig(many, "waybills", i, "number"), `"`+want+`"`)
	}
	if n := len(many["waybills"].([]any)); n != maxWaybills {
		t.Errorf("%d waybills, want %d", n, maxWaybills)
	}
}
