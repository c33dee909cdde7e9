package query

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"waytrace/trace"
)

func TestSample(t *testing.T) {
	d := open(t, stocked(t))
	const file = "testdata/SF7444400031887.json"
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, golden); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/v1/traces/" + sample, "/v1/traces/sf%207444400031887", "/v1/traces?reference=" + sampleReference} {
		w := d.get(target)
		if w.StatusCode != http.StatusOK || w.body != want.String() {
			t.Errorf("GET %s: %d\n got %s\nwant %s (%s)", target, w.StatusCode, w.body, want.String(), file)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Vary": "Accept-Language, Authorization", "Cache-Control": "private, no-cache",
		} {
			if got := w.Header.Get(name); got != want {
				t.Errorf("GET %s: %s is %q, want %q", target, name, got, want)
			}
		}
	}

	// A status is the same without events.
	whole := object(t, want.String())
	delete(whole, "events")
	b, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, "status", d.read("/v1/status/"+sample), string(b))
	wantJSON(t, "status by reference", d.read("/v1/status?reference="+sampleReference), string(b))
}

func TestParameters(t *testing.T) {
	d := open(t, stocked(t))
	for _, c := range []struct {
		target string
		path   []any
		want   string
	}{
		{"/v1/traces/" + sample + "?order=desc", []any{"events", 0, "code"}, `"80"`},
		{"/v1/traces/" + sample + "?order=asc", []any{"events", 0, "code"}, `"50"`},
		{"/v1/traces/" + sample + "?order=desc", []any{"events", 1, "code"}, `"50"`},
		{"/v1/traces/" + sample + "?include=retracted", []any{"events", 0, "code"}, `"50"`},
		{"/v1/traces/" + sample + "?fields=number,carrier", nil, `{"carrier":"sf","number":"SF7444400031887"}`},
		{"/v1/traces/" + sample + "?fields=events&order=desc", []any{"events", 0, "code"}, `"80"`},
		{"/v1/status/" + sample + "?fields=number%2Cevents", nil, `{"number":"SF7444400031887"}`},
		{"/v1/status/" + sample + "?order=desc", []any{"status", "code"}, `"delivered"`},
		{"/v1/traces/TWICE-1", []any{"carrier"}, `"yto"`},
		{"/v1/traces/TWICE-1", []any{"also"}, `["sf"]`},
		{"/v1/traces/TWICE-1", []any{"also_numbers"}, `null`},
		{"/v1/traces/TWICE-1?carrier=sf", []any{"carrier"}, `"sf"`},
		{"/v1/traces/TWICE-1?carrier=sf", []any{"also"}, `["yto"]`},
		{"/v1/traces/twice-1", []any{"number"}, `"TWICE-1"`},
		{"/v1/traces/%20TW%20ICE%09-1", []any{"number"}, `"TWICE-1"`},
		{"/v1/traces/TOLD-1", []any{"events", 0, "description"}, `"已收取快件"`},
		{"/v1/traces/TOLD-1?lang=en", []any{"events", 0, "description"}, `"Shipment collected"`},
		{"/v1/traces/TOLD-1?lang=en", []any{"status", "label"}, `"In transit"`},
		{"/v1/traces/TOLD-1?lang=zh-Hant", []any{"status", "label"}, `"運輸中"`},
		{"/v1/traces/TOLD-1?lang=zh-TW", []any{"status", "label"}, `"運輸中"`},

		// The reference leads to SF's parcel of that number, not to YTO's newer one.
		{"/v1/traces?reference=order/7", []any{"carrier"}, `"sf"`},
		{"/v1/traces?reference=order%2F7", []any{"number"}, `"TWICE-1"`},
		{"/v1/traces?reference=order/7", []any{"also"}, `["yto"]`},
		{"/v1/traces?reference=order/7", []any{"also_numbers"}, `["SECOND-2"]`},
		{"/v1/status?reference=order/7&fields=number,also_numbers", nil, `{"also_numbers":["SECOND-2"],"number":"TWICE-1"}`},
		{"/v1/traces?reference=order/7&carrier=sf", []any{"number"}, `"TWICE-1"`},
		// Of 1,020 the first thousand are read; of two as new, the first.
		{"/v1/traces?reference=many", []any{"number"}, `"MANY-0059"`},
		{"/v1/traces?reference=many", []any{"also_numbers", 0}, `"MANY-0000"`},
		{"/v1/traces?reference=many", []any{"also_numbers", 998}, `"MANY-0999"`},
		{"/v1/traces?reference=many", []any{"also_numbers", 999}, `null`},
	} {
		wantJSON(t, c.target+" "+fmt.Sprint(c.path), dig(d.read(c.target), c.path...), c.want)
	}
}

func TestAccounts(t *testing.T) {
	d := open(t, stocked(t))
	// Every key sees every number; references only its own account's.
	theirs := d.read("/v1/traces?reference="+sampleReference, "Account", "shop")
	wantJSON(t, "the shop's reference", dig(theirs, "number"), `"OTHER-1"`)
	wantJSON(t, "another's number", dig(d.read("/v1/status/"+sample, "Account", "shop"), "number"), `"`+sample+`"`)
	wantJSON(t, "another's references", dig(d.read("/v1/status/"+sample, "Account", "shop"), "references"), `null`)
	unknown, another := d.get("/v1/traces?reference=theirs", "Account", "shop"), d.get("/v1/traces?reference=theirs", "Account", "nobody")
	if unknown.StatusCode != http.StatusNotFound || unknown.body != another.body {
		t.Errorf("another account's reference: %d %s, want 404 like an unknown one's: %s", unknown.StatusCode, unknown.body, another.body)
	}
	if mine, others := d.get("/v1/status/"+sample), d.get("/v1/status/"+sample, "Account", "shop"); mine.Header.Get("ETag") == others.Header.Get("ETag") {
		t.Error("one tag for two accounts that see different references")
	}
}

func TestRefusals(t *testing.T) {
	d := open(t, stocked(t))
	long := strings.Repeat("9", 300)
	for _, c := range []struct {
		target, code, field string
		status              int
	}{
		{"/v1/traces/NOBODY-1", "not_found", "", 404},
		{"/v1/status/NOBODY-1", "not_found", "", 404},
		{"/v1/traces/" + sample + "?carrier=zto", "not_found", "", 404},
		{"/v1/traces?reference=nobody", "not_found", "", 404},
		{"/v1/traces?reference=order/7&carrier=zto", "not_found", "", 404},
		{"/v1/references/nobody", "not_found", "", 404},

		{"/v1/traces", "invalid_number", "number", 400},
		{"/v1/traces/", "invalid_number", "number", 400},
		{"/v1/status", "invalid_number", "number", 400},
		{"/v1/traces/" + long, "invalid_number", "number", 400},
		{"/v1/traces/SF1", "invalid_number", "number", 400},
		{"/v1/traces/SF744440%00031887", "invalid_number", "number", 400},
		{"/v1/traces/SF744440%0131887", "invalid_number", "number", 400},
		{"/v1/traces/SF744440%ff31887", "invalid_number", "number", 400},
		{"/v1/traces/SF%2F7444400031887", "invalid_number", "number", 400},
		{"/v1/traces/%E9%A1%BA%E4%B8%B07444", "invalid_number", "number", 400},
		{"/v1/traces/%20%20%20%20%20", "invalid_number", "number", 400},
		{"/v1/traces/SF1?nonsense=1", "invalid_parameter", "nonsense", 400},

		{"/v1/traces/" + sample + "?Order=desc", "invalid_parameter", "Order", 400},
		{"/v1/traces/" + sample + "?epoch=0", "invalid_parameter", "epoch", 400},
		{"/v1/traces/" + sample + "?" + long + "=1", "invalid_parameter", long[:64], 400},
		{"/v1/traces/" + sample + "?%ff%fe=1", "invalid_parameter", "", 400},
		{"/v1/traces/" + sample + "?order=up", "invalid_parameter", "order", 400},
		{"/v1/traces/" + sample + "?order", "invalid_parameter", "order", 400},
		{"/v1/traces/" + sample + "?order=", "invalid_parameter", "order", 400},
		{"/v1/traces/" + sample + "?order=asc&order=asc", "invalid_parameter", "order", 400},
		{"/v1/traces/" + sample + "?lang=fr", "invalid_parameter", "lang", 400},
		{"/v1/traces/" + sample + "?lang=", "invalid_parameter", "lang", 400},
		{"/v1/traces/" + sample + "?fields=number,nothing", "invalid_parameter", "fields", 400},
		{"/v1/traces/" + sample + "?fields=", "invalid_parameter", "fields", 400},
		{"/v1/traces/" + sample + "?fields=number,", "invalid_parameter", "fields", 400},
		{"/v1/traces/" + sample + "?include=everything", "invalid_parameter", "include", 400},
		{"/v1/traces/" + sample + "?carrier=", "invalid_carrier", "carrier", 400},
		{"/v1/traces/" + sample + "?carrier=SF", "invalid_carrier", "carrier", 400},
		{"/v1/traces/" + sample + "?carrier=" + long, "invalid_carrier", "carrier", 400},
		{"/v1/traces/" + sample + "?reference=" + sampleReference, "invalid_parameter", "reference", 400},
		{"/v1/traces?reference=", "invalid_reference", "reference", 400},
		{"/v1/traces?reference=a%00b", "invalid_reference", "reference", 400},
		{"/v1/traces?reference=a%0ab", "invalid_reference", "reference", 400},
		{"/v1/traces?reference=%ff", "invalid_reference", "reference", 400},
		{"/v1/traces?reference=" + strings.Repeat("9", 129), "invalid_reference", "reference", 400},
		{"/v1/references/", "invalid_reference", "reference", 400},
		{"/v1/references", "invalid_reference", "reference", 400},
		{"/v1/references/a%1fb", "invalid_reference", "reference", 400},
		{"/v1/references/many?order=desc", "invalid_parameter", "order", 400},
		{"/v1/references/many?lang=xx", "invalid_parameter", "lang", 400},
	} {
		w := d.get(c.target)
		got := object(t, w.body)
		if w.StatusCode != c.status || got["code"] != c.code || text(got, "field") != c.field || text(got, "detail") == "" {
			t.Errorf("GET %.80s: %d %s, want %d %s on field %q", c.target, w.StatusCode, w.body, c.status, c.code, c.field)
		}
		if len(w.body) > 400 {
			t.Errorf("GET %.80s: a refusal of %d bytes echoes too much: %s", c.target, len(w.body), w.body)
		}
		if cache := w.Header.Get("Cache-Control"); cache != "private, no-cache" {
			t.Errorf("GET %.80s: Cache-Control is %q", c.target, cache)
		}
	}
	const clear = "longer than 50 characters; a number has 4 to 50 characters once blanks are removed"
	if got := object(t, d.get("/v1/traces/"+long).body)["detail"]; got != clear {
		t.Errorf("detail of a number too long: got %q, want %q", got, clear)
	}
}

func TestLanguageOfTheAsker(t *testing.T) {
	d := open(t, stocked(t))
	target := "/v1/status/" + sample
	for _, c := range []struct{ accept, label string }{
		{"", "已签收"}, {"en", "Delivered"}, {"en-GB,en;q=0.8", "Delivered"}, {"zh-TW,zh;q=0.9,en;q=0.8", "已簽收"}, {"fr", "已签收"},
	} {
		got := d.read(target, "Accept-Language", c.accept)
		if dig(got, "status", "label") != c.label {
			t.Errorf("Accept-Language %q: got %v, want %s", c.accept, dig(got, "status", "label"), c.label)
		}
	}
	if got := dig(d.read(target+"?lang=zh-Hant", "Accept-Language", "en"), "status", "label"); got != "已簽收" {
		t.Errorf("lang beside Accept-Language: got %v, want lang to win", got)
	}
	if got := dig(d.read(target, "Accept-Language", "fr", "Accept-Language", "en;q=0.1"), "status", "label"); got != "Delivered" {
		t.Errorf("two Accept-Language headers: got %v, want both read", got)
	}
}

func TestHead(t *testing.T) {
	d := open(t, stocked(t))
	for _, target := range []string{"/v1/traces/" + sample, "/v1/status?reference=order/7", "/v1/references/many"} {
		get, head := d.get(target), d.ask(http.MethodHead, target, "")
		if head.StatusCode != http.StatusOK || head.body != "" || head.ContentLength != int64(len(get.body)) ||
			head.Header.Get("ETag") != get.Header.Get("ETag") || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d, %d bytes, %v; want GET's without a body", target, head.StatusCode, head.ContentLength, head.Header)
		}
		if w := d.ask(http.MethodHead, target, "", "If-None-Match", get.Header.Get("ETag")); w.StatusCode != http.StatusNotModified {
			t.Errorf("HEAD %s with its tag: %d, want 304", target, w.StatusCode)
		}
	}
}

// A broken store is not the asker's fault, whatever kind its errors have below.
func TestTroubleBelow(t *testing.T) {
	for _, c := range []struct {
		below  error
		status int
	}{
		{fmt.Errorf("head: broken value: %w", trace.ErrInvalid), 500},
		{errors.New("disk on fire"), 500},
		{fmt.Errorf("disk busy: %w", trace.ErrUnavailable), 503},
	} {
		heads := open(t, fake{
			trace: func(*trace.Trace, string, string, trace.Want) error { return c.below },
			waybills: func(string, string) ([]trace.Waybill, error) {
				return []trace.Waybill{{Number: sample, Carrier: "sf"}}, nil
			},
		})
		index := open(t, fake{waybills: func(string, string) ([]trace.Waybill, error) { return nil, c.below }})
		for _, w := range []answer{
			heads.get("/v1/traces/" + sample), heads.get("/v1/traces/"+sample, "If-None-Match", "*"), heads.get("/v1/traces?reference=x"),
			heads.get("/v1/references/x"), heads.ask("POST", "/v1/traces/batch", `{"numbers":["`+sample+`"]}`),
			index.get("/v1/status?reference=x"), index.get("/v1/references/x"),
		} {
			if w.StatusCode != c.status || !strings.Contains(w.body, c.below.Error()) {
				t.Errorf("%s over %q: %d %s, want %d", w.Request.URL, c.below, w.StatusCode, w.body, c.status)
			}
		}
	}

	// An index that is ahead of the heads, and one that says not found in its own way.
	stale := open(t, fake{
		trace: func(*trace.Trace, string, string, trace.Want) error { return trace.ErrNotFound },
		waybills: func(_, reference string) ([]trace.Waybill, error) {
			if reference == "none" {
				return nil, trace.ErrNotFound
			}
			return []trace.Waybill{{Number: sample, Carrier: "sf"}}, nil
		},
	})
	for _, target := range []string{"/v1/traces?reference=x", "/v1/references/x", "/v1/references/none"} {
		if w := stale.get(target); w.StatusCode != http.StatusNotFound || object(t, w.body)["code"] != "not_found" {
			t.Errorf("GET %s: %d %s, want 404", target, w.StatusCode, w.body)
		}
	}
}

// Answers must not share the memory that reads use again.
func TestAtOnce(t *testing.T) {
	d := open(t, stocked(t))
	var readers sync.WaitGroup
	for reader := range 8 {
		readers.Go(func() {
			for i := range 100 {
				number := fmt.Sprintf("MANY-%04d", (reader*13+i)%maxWaybills)
				w := d.get("/v1/traces/" + number + "?fields=number,legs,references")
				want := `{"number":"` + number + `","references":["many"],"legs":[{"carrier":"sf","number":"` + number + `","role":"main"}]}`
				if w.body != want {
					t.Errorf("got %s, want %s", w.body, want)
				}
			}
		})
	}
	readers.Wait()
}

func TestCounts(t *testing.T) {
	d := open(t, stocked(t))
	counts := func() string {
		var b strings.Builder
		for _, r := range []results{ofTrace, ofStatus, ofBatch, ofReferences} {
			fmt.Fprint(&b, r.found.Get(), r.notFound.Get(), r.notModified.Get(), r.invalid.Get(), ";")
		}
		return b.String()
	}
	for _, r := range []results{ofTrace, ofStatus, ofBatch, ofReferences} {
		r.found.Set(0)
		r.notFound.Set(0)
		r.notModified.Set(0)
		r.invalid.Set(0)
	}
	d.get("/v1/traces/" + sample)
	d.get("/v1/traces/"+sample, "If-None-Match", "*")
	d.get("/v1/traces/NOBODY")
	d.get("/v1/traces/-")
	d.get("/v1/status/" + sample)
	d.get("/v1/references/many")
	d.get("/v1/references/many", "If-None-Match", "*")
	d.get("/v1/references/none")
	d.ask("POST", "/v1/status/batch", `{"numbers":["`+sample+`","TOLD-1","NOBODY","-"]}`)
	d.ask("POST", "/v1/traces/batch", `{}`)
	if got, want := counts(), "1 1 1 1;1 0 0 0;2 1 0 2;1 1 1 0;"; got != want {
		t.Errorf("found, not found, not modified, invalid of trace; status; batch; references: got %s, want %s", got, want)
	}
}
