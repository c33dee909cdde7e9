package query

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// wantSound checks what every answer is: JSON, or 304 with nothing, or an error
// that blames the asker in words, and then no body. The shelf is never broken.
func wantSound(t *testing.T, ctx *fasthttp.RequestCtx, err error) {
	t.Helper()
	body, status := ctx.Response.Body(), ctx.Response.StatusCode()
	if err != nil {
		p := (*trace.Problem)(nil)
		if !errors.As(err, &p) || p.Code == "" || p.Detail == "" || len(p.Field) > 64 ||
			!errors.Is(err, trace.ErrInvalid) && !errors.Is(err, trace.ErrNotFound) {
			t.Errorf("error %#v is no problem of the asker's", err)
		}
		if len(body) > 0 {
			t.Errorf("error %v and a body: %s", err, body)
		}
		return
	}
	switch {
	case status == fasthttp.StatusNotModified && len(body) == 0:
	case status == fasthttp.StatusOK && json.Valid(body):
	default:
		t.Errorf("answered %d: %s", status, body)
	}
}

// FuzzRead reads with any query, headers and tail of a path.
func FuzzRead(f *testing.F) {
	for _, query := range []string{
		"", "carrier=sf&order=desc&lang=zh-Hant&include=retracted", "fields=number,events", "reference=order/7",
		"reference=many&carrier=sf", "order=asc&order=asc", "=&&=x&a", "fields=", "lang=%zz&order=%6", "reference=%e8%bf%90+%00",
	} {
		f.Add(query, sample, "en;q=0.5,*;q=0.1", `W/"0000000000000000", "x,y"`)
	}
	f.Add("", "", "", "*")
	f.Add("", "order/7", ";q=,;=", `W/"`)
	f.Add("lang=en", "TWICE-1\x00", "zh-,en-;q=1.0000", `"`)
	s := stocked(f)
	answers := Answers{From: s}
	f.Fuzz(func(t *testing.T, query, tail, accept, tags string) {
		for _, handle := range []func(*fasthttp.RequestCtx, trace.Asker) error{answers.Trace, answers.Status, answers.References} {
			ctx := new(fasthttp.RequestCtx)
			ctx.Init(new(fasthttp.Request), nil, nil)
			ctx.URI().SetQueryString(query)
			ctx.Request.Header.Set(fasthttp.HeaderAcceptLanguage, accept)
			ctx.Request.Header.Set(fasthttp.HeaderIfNoneMatch, tags)
			ctx.SetUserValue("tail", tail)
			wantSound(t, ctx, handle(ctx, trace.Asker{Account: trace.DefaultAccount}))
		}
	})
}

// FuzzBatch reads with any body. What it answers must be item by item what was
// asked.
func FuzzBatch(f *testing.F) {
	for _, body := range []string{
		`{"numbers":["SF7444400031887","TWICE-1","nobody","-",""],"carrier":"sf"}`, `{"numbers":[null]}`, numbers(3), "null", "{}",
		`{"numbers":["\ud800"],"x":{}}`, `{"numbers":["a","\u0000"],"numbers":[]}`, "{\"numbers\":[\"\xff\"]}", `{"numbers":[[["a"]]]}`, "[", "",
	} {
		f.Add([]byte(body), "")
	}
	f.Add([]byte(`{"numbers":["TOLD-1"]}`), "lang=en&fields=events&order=desc")
	s := stocked(f)
	f.Fuzz(func(t *testing.T, body []byte, query string) {
		ctx := new(fasthttp.RequestCtx)
		ctx.Init(new(fasthttp.Request), nil, nil)
		ctx.URI().SetQueryString(query)
		ctx.Request.SetBody(body)
		err := Answers{From: s}.TraceBatch(ctx, trace.Asker{Account: trace.DefaultAccount})
		wantSound(t, ctx, err)
		if err != nil {
			return
		}
		var asked struct {
			Numbers []string `json:"numbers"`
		}
		var answer struct {
			Items []struct {
				Number string `json:"number"`
				Trace  *struct{}
				Error  *struct{ Code string }
			} `json:"items"`
		}
		if err := errors.Join(json.Unmarshal(body, &asked), json.Unmarshal(ctx.Response.Body(), &answer)); err != nil {
			t.Fatal(err)
		}
		if len(answer.Items) != len(asked.Numbers) {
			t.Fatalf("%d items for %d numbers", len(answer.Items), len(asked.Numbers))
		}
		for i, item := range answer.Items {
			if item.Number != asked.Numbers[i] || (item.Trace == nil) == (item.Error == nil) {
				t.Errorf("item %d of %q: %+v", i, asked.Numbers[i], item)
			}
		}
	})
}
