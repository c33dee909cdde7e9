package query

import (
	"fmt"
	"testing"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// BenchmarkRead is the handlers alone: the store's part is a copy of what was
// read before; what is kept comes from the cache.
func BenchmarkRead(b *testing.B) {
	for _, events := range []int{2, 12} {
		s := shelf{}
		for i := range events {
			s.put(b, scan(b, sample, "sf", fmt.Sprintf("2020-05-%02d 16:56:54", i%10+1), fmt.Sprint(30+i), departed, sampleReference))
		}
		var known trace.Trace
		if err := s.Trace(&known, sample, "", trace.Want{Events: true}); err != nil {
			b.Fatal(err)
		}
		waybills := []trace.Waybill{known.Waybill}
		answers := Answers{From: fake{
			trace: func(dst *trace.Trace, _, _ string, want trace.Want) error {
				dst.Waybill, dst.Head, dst.Events = known.Waybill, known.Head, dst.Events[:0]
				if want.Events {
					dst.Events = append(dst.Events, known.Events...)
				}
				return nil
			},
			waybills: func(string, string) ([]trace.Waybill, error) { return waybills, nil },
		}}
		kept := answers
		kept.Cache = NewCache(1 << 20)
		settled := answers.From.(fake)
		settled.stamp = func(string) (uint32, bool) { return 1, true }
		kept.From = settled
		tag := string(known.AppendTag(nil, trace.Variant{Events: true, Account: trace.DefaultAccount}))
		for _, c := range []struct {
			name, tail, query, tag, body string
			handle                       func(*fasthttp.RequestCtx, trace.Asker) error
		}{
			{name: "trace", tail: sample, handle: answers.Trace},
			{name: "status", tail: sample, handle: answers.Status},
			{name: "unchanged", tail: sample, tag: tag, handle: answers.Trace},
			{name: "kept trace", tail: sample, handle: kept.Trace},
			{name: "kept status", tail: sample, handle: kept.Status},
			{name: "kept and unchanged", tail: sample, tag: tag, handle: kept.Trace},
			{name: "kept batch of 100", body: numbers(100), handle: kept.TraceBatch},
			{name: "parameters", tail: sample, query: "carrier=sf&order=desc&lang=en&fields=status,events", handle: answers.Trace},
			{name: "reference", query: "reference=" + sampleReference, handle: answers.Trace},
			{name: "references", tail: sampleReference, handle: answers.References},
			{name: "batch of 100", body: numbers(100), handle: answers.TraceBatch},
		} {
			b.Run(fmt.Sprintf("%d events/%s", events, c.name), func(b *testing.B) {
				var ctx fasthttp.RequestCtx
				ctx.Init(new(fasthttp.Request), nil, nil)
				ctx.URI().SetQueryString(c.query)
				ctx.Request.Header.Set(fasthttp.HeaderAcceptLanguage, "zh-CN,zh;q=0.9,en;q=0.8")
				if c.tag != "" {
					ctx.Request.Header.Set(fasthttp.HeaderIfNoneMatch, c.tag)
				}
				ctx.Request.SetBodyString(c.body)
				ctx.SetUserValue("tail", c.tail)
				who := trace.Asker{Account: trace.DefaultAccount}
				b.ReportAllocs()
				for b.Loop() {
					// As between two answers on one connection: the body's memory stays.
					ctx.Response.Header.Reset()
					if err := c.handle(&ctx, who); err != nil {
						b.Fatal(err)
					}
				}
				if want := c.tag != ""; want != (ctx.Response.StatusCode() == fasthttp.StatusNotModified) {
					b.Fatalf("answered %d", ctx.Response.StatusCode())
				}
			})
		}
	}
}

// BenchmarkFill is what a read pays for keeping its answer, in a cache that is full of
// others that were asked for, too.
func BenchmarkFill(b *testing.B) {
	c := NewCache(1 << 20)
	body := make([]byte, 2500)
	v := trace.Variant{Account: trace.DefaultAccount}
	var k key
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k.set(c, &v, fmt.Sprintf("SF%013d", i))
		c.put(&k, 1, []byte(`W/"0123456789abcdef"`), body)
		c.tag(&k, 1)
	}
}
