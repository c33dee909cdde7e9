package query

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

func TestBatch(t *testing.T) {
	d := open(t, stocked(t))
	const body = `{"numbers":["TOLD-1","NOBODY-1","sf 7444400031887","-","","twice-1","TOLD-1","A\u0000B\n"]}`
	for _, kind := range []string{"traces", "status"} {
		// Each item shows what a single read shows, under the number as it was asked.
		single := func(number, query string) string { return d.get("/v1/" + kind + "/" + number + query).body }
		for _, query := range []string{"", "?lang=en&order=desc", "?fields=number,status&include=retracted"} {
			want := `{"items":[` +
				`{"number":"TOLD-1","trace":` + single("TOLD-1", query) + `},` +
				`{"number":"NOBODY-1","error":{"code":"not_found"}},` +
				`{"number":"sf 7444400031887","trace":` + single(sample, query) + `},` +
				`{"number":"-","error":{"code":"invalid_number"}},` +
				`{"error":{"code":"invalid_number"}},` +
				`{"number":"twice-1","trace":` + single("TWICE-1", query) + `},` +
				`{"number":"TOLD-1","trace":` + single("TOLD-1", query) + `},` +
				`{"number":"A\u0000B\n","error":{"code":"invalid_number"}}]}`
			w := d.ask(http.MethodPost, "/v1/"+kind+"/batch"+query, body)
			if w.StatusCode != http.StatusOK || w.body != want || w.Header.Get("Content-Type") != "application/json" {
				t.Errorf("POST /v1/%s/batch%s: %d %s\n got %s\nwant %s", kind, query, w.StatusCode, w.Header.Get("Content-Type"), w.body, want)
			}
			if w.Header.Get("ETag") != "" || w.Header.Get("Cache-Control") == "" {
				t.Errorf("POST /v1/%s/batch%s: headers %v, want no tag, and private", kind, query, w.Header)
			}
		}
	}
	if w := d.ask(http.MethodPost, "/v1/traces/batch", `{"numbers":["NOBODY-1"]}`); w.body != `{"items":[{"number":"NOBODY-1","error":{"code":"not_found"}}]}` {
		t.Errorf("none known: %d %s", w.StatusCode, w.body)
	}

	named := object(t, d.ask(http.MethodPost, "/v1/status/batch", `{"carrier":"sf","numbers":["TWICE-1","TOLD-1"]}`).body)
	wantJSON(t, "one carrier's", dig(named, "items", 0, "trace", "carrier"), `"sf"`)
	named = object(t, d.ask(http.MethodPost, "/v1/status/batch", "\t{ \"numbers\" : [ \"TWICE-1\" , \"TOLD-1\" ] , \"carrier\" : \"yto\" }\r\n").body)
	wantJSON(t, "another's", dig(named, "items", 0, "trace", "carrier"), `"yto"`)
	wantJSON(t, "another's", dig(named, "items", 1, "error", "code"), `"not_found"`)

	english := object(t, d.ask(http.MethodPost, "/v1/traces/batch", `{"numbers":["TOLD-1"]}`, "Accept-Language", "en").body)
	wantJSON(t, "Accept-Language", dig(english, "items", 0, "trace", "events", 0, "description"), `"Shipment collected"`)

	most := object(t, d.ask(http.MethodPost, "/v1/status/batch", numbers(maxBatch)).body)
	if n := len(most["items"].([]any)); n != maxBatch {
		t.Errorf("%d items, want %d", n, maxBatch)
	}
	for _, i := range []int{0, 7, maxBatch - 1} {
		wantJSON(t, fmt.Sprint("item ", i), dig(most, "items", i, "trace", "number"), fmt.Sprintf(`"MANY-%04d"`, i%100))
	}
}

// numbers is the body of a batch of n.
func numbers(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("MANY-%04d", i%100)
	}
	b, _ := json.Marshal(map[string]any{"numbers": list})
	return string(b)
}

func TestBatchRefusals(t *testing.T) {
	d := open(t, stocked(t))
	for _, c := range []struct{ query, body, code, field string }{
		{"", "", "invalid_json", ""},
		{"", "{", "invalid_json", ""},
		{"", `{"numbers":["TOLD-1"]`, "invalid_json", ""},
		{"", `{"numbers":["TOLD-1"],}`, "invalid_json", ""},
		{"", `{"numbers":["TOLD-1"]}}`, "invalid_json", ""},
		{"", `{"numbers":["TOLD-1"]}{}`, "invalid_json", ""},
		{"", "{\"numbers\":[\"TO\x00LD-1\"]}", "invalid_json", ""},
		{"", "\xef\xbb\xbf{}", "invalid_json", ""},
		{"", `["TOLD-1"]`, "invalid_json", ""},
		{"", `"TOLD-1"`, "invalid_json", ""},
		{"", "null", "invalid_json", ""},
		{"", strings.Repeat("[", 100_000), "invalid_json", ""},
		{"", `{"numbers":["TOLD-1"],"numbers":["TOLD-1"]}`, "invalid_json", "numbers"},
		{"", `{}`, "invalid_numbers", "numbers"},
		{"", `{"carrier":"sf"}`, "invalid_numbers", "numbers"},
		{"", `{"numbers":[]}`, "invalid_numbers", "numbers"},
		{"", `{"numbers":null}`, "invalid_numbers", "numbers"},
		{"", `{"numbers":"TOLD-1"}`, "invalid_numbers", "numbers"},
		{"", `{"numbers":[1234567890]}`, "invalid_numbers", "numbers"},
		{"", `{"numbers":["TOLD-1",{"number":"TOLD-1"}]}`, "invalid_numbers", "numbers"},
		{"", numbers(maxBatch + 1), "invalid_numbers", "numbers"},
		{"", `{"numbers":["TOLD-1"],"carrier":"SF"}`, "invalid_carrier", "carrier"},
		{"", `{"numbers":["TOLD-1"],"carrier":""}`, "invalid_carrier", "carrier"},
		{"", `{"numbers":["TOLD-1"],"carrier":null}`, "invalid_carrier", "carrier"},
		{"", `{"numbers":["TOLD-1"],"carrier":7}`, "invalid_carrier", "carrier"},
		{"", `{"Numbers":["TOLD-1"]}`, "unknown_field", "Numbers"},
		{"", `{"numbers":["TOLD-1"],"lang":"en"}`, "unknown_field", "lang"},
		{"?carrier=sf", `{"numbers":["TOLD-1"]}`, "invalid_parameter", "carrier"},
		{"?reference=order/7", `{"numbers":["TOLD-1"]}`, "invalid_parameter", "reference"},
		{"?order=up", `{"numbers":["TOLD-1"]}`, "invalid_parameter", "order"},
		{"?fields=nothing", `{"numbers":["TOLD-1"]}`, "invalid_parameter", "fields"},
	} {
		w := d.ask(http.MethodPost, "/v1/traces/batch"+c.query, c.body)
		got := object(t, w.body)
		if w.StatusCode != http.StatusBadRequest || got["code"] != c.code || text(got, "field") != c.field || text(got, "detail") == "" {
			t.Errorf("%.80s with %s: %d %s, want 400 %s on field %q", c.body, c.query, w.StatusCode, w.body, c.code, c.field)
		}
	}
}

// post hands a body straight to a handler.
func post(t testing.TB, handle func(*fasthttp.RequestCtx, trace.Asker) error, body string) *fasthttp.RequestCtx {
	t.Helper()
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(new(fasthttp.Request), nil, nil)
	ctx.Request.Header.SetMethod(fasthttp.MethodPost)
	ctx.Request.SetBodyString(body)
	if err := handle(ctx, trace.Asker{Account: trace.DefaultAccount}); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// wantEnd checks that the first n of all items have a trace and the others ask
// for another try.
func wantEnd(t *testing.T, ctx *fasthttp.RequestCtx, n, all int) {
	t.Helper()
	var answer struct {
		Items []struct {
			Number string
			Trace  json.RawMessage
			Error  struct{ Code string }
		}
	}
	if err := json.Unmarshal(ctx.Response.Body(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Items) != all {
		t.Fatalf("%d items, want %d", len(answer.Items), all)
	}
	for i, item := range answer.Items {
		if read := i < n; item.Number == "" || (item.Trace != nil) != read || (item.Error.Code == "unavailable") == read {
			t.Fatalf("item %d of %d: number %q, error %q; want %d with a trace, the others unavailable", i, all, item.Number, item.Error.Code, n)
		}
	}
}

func TestBatchEndsInTime(t *testing.T) {
	s := stocked(t)
	synctest.Test(t, func(t *testing.T) {
		slow := fake{trace: func(dst *trace.Trace, number, carrier string, want trace.Want) error {
			time.Sleep(150 * time.Millisecond)
			return s.Trace(dst, number, carrier, want)
		}}
		began := time.Now()
		ctx := post(t, Answers{From: slow}.TraceBatch, numbers(maxBatch))
		if took := time.Since(began); took >= 3*time.Second {
			t.Errorf("it took %s, want under 3 s", took)
		}
		wantEnd(t, ctx, int(batchTime/(150*time.Millisecond))+1, maxBatch)
	})
}

func TestBatchEndsInSize(t *testing.T) {
	var large trace.Trace
	if err := stocked(t).Trace(&large, sample, "", trace.Want{Events: true}); err != nil {
		t.Fatal(err)
	}
	large.Events[0].Text.Text = strings.Repeat("运", 1<<20)
	ctx := post(t, Answers{From: fake{trace: func(dst *trace.Trace, _, _ string, _ trace.Want) error {
		dst.Waybill, dst.Head, dst.Events = large.Waybill, large.Head, append(dst.Events[:0], large.Events...)
		return nil
	}}}.TraceBatch, numbers(100))
	// Each trace is a little more than 3 MiB.
	wantEnd(t, ctx, batchBytes/(3<<20)+1, 100)
}

func TestBatchFailsWithTheStore(t *testing.T) {
	s := stocked(t)
	reads := 0
	d := open(t, fake{trace: func(dst *trace.Trace, number, carrier string, want trace.Want) error {
		if reads++; reads == 3 {
			return errors.Join(trace.ErrUnavailable, errors.New("disk busy"))
		}
		return s.Trace(dst, number, carrier, want)
	}})
	w := d.ask(http.MethodPost, "/v1/traces/batch", numbers(10))
	if w.StatusCode != http.StatusServiceUnavailable || strings.Contains(w.body, "items") || reads != 3 {
		t.Errorf("after %d reads: %d %s, want 503 at the third and nothing of the answer", reads, w.StatusCode, w.body)
	}
}

// What is read by hand says the same as what encoding/json reads.
func FuzzPlainBatch(f *testing.F) {
	for _, body := range []string{
		numbers(3), `{"numbers":["A"]}`, " {\t\"numbers\" :\r[ \"A\" ,\n\"\" ] } \n", `{"numbers":["A",]}`, `{"numbers":[]}`, `{"numbers":["A"]}x`,
		`{"numbers":["A"],"carrier":"sf"}`, `{"numbers":["\u0041"]}`, `{"numbers":["运"]}`, `{"number":["A"]}`, `{"numbers":["A" "B"]}`, `{"numbers":["A]}`, numbers(maxBatch + 1),
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := plainBatch(body, nil)
		if !ok {
			return
		}
		var want struct {
			Numbers []string `json:"numbers"`
		}
		strict := json.NewDecoder(strings.NewReader(string(body)))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&want); err != nil || !json.Valid(body) || !slices.Equal(got, want.Numbers) {
			t.Errorf("%q: %q, want %q (%v)", body, got, want.Numbers, err)
		}
	})
}

// A batch shows what is kept as it shows what is read, and keeps what it has read.
func TestBatchKeeps(t *testing.T) {
	s := stocked(t)
	reads := 0
	from := fake{stamp: s.Stamp, trace: func(dst *trace.Trace, number, carrier string, want trace.Want) error {
		reads++
		return s.Trace(dst, number, carrier, want)
	}}
	d := openAll(t, Answers{From: from, Cache: NewCache(1 << 20)})
	without := open(t, s)
	const body = `{"numbers":["TOLD-1","NOBODY-1","sf 7444400031887","-","","twice-1","TOLD-1"]}`
	for _, c := range []struct {
		query, carrier string
		thenNone       bool
	}{{"", "", true}, {"?lang=en", "", false}, {"", `,"carrier":"sf"`, false}} {
		for _, kind := range []string{"traces", "status"} {
			target, body := "/v1/"+kind+"/batch"+c.query, strings.TrimSuffix(body, "}")+c.carrier+"}"
			want := without.ask(http.MethodPost, target, body).body
			for i := range 3 {
				before := reads
				if got := d.ask(http.MethodPost, target, body).body; got != want {
					t.Errorf("POST %s, time %d:\n got %s\nwant %s", target, i, got, want)
				}
				// Who is unknown is looked for each time.
				if n := reads - before; i > 0 && c.thenNone != (n == 1) {
					t.Errorf("POST %s, time %d: %d reads", target, i, n)
				}
			}
		}
	}
	// What a single read keeps is a batch's too, and the other way round.
	before := reads
	d.get("/v1/traces/MANY-0001")
	d.ask(http.MethodPost, "/v1/traces/batch", `{"numbers":["MANY-0001","MANY-0002"]}`)
	w := d.get("/v1/traces/MANY-0002")
	if n := reads - before; n != 2 || w.body != without.get("/v1/traces/MANY-0002").body || w.Header.Get("ETag") != without.get("/v1/traces/MANY-0002").Header.Get("ETag") {
		t.Errorf("%d reads of two numbers, and %s with %v", n, w.body, w.Header)
	}
}
