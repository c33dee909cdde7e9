package ingest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/bytedance/sonic"

	"waytrace/carriers"
	"waytrace/trace"
)

// quiet is a store that takes everything at once.
type quiet struct{}

func (quiet) Now() trace.HLC { return trace.HLCAt(now) }

func (quiet) Append(_ context.Context, f *trace.Facts) (int, error) {
	for i := range f.Events {
		f.Events[i].Taken = trace.Fresh
	}
	return len(f.Events), nil
}

func (quiet) Quarantine(context.Context, *trace.Quarantined) error { return nil }

// BenchmarkPush is a push of ten scans through a carrier's door, without the
// socket and without the disk.
func BenchmarkPush(b *testing.B) {
	var scans []string
	for i := range 10 {
		scans = append(scans, fmt.Sprintf(`{"No":"SF74444000318%02d","Time":"2026-11-20 16:56:54","Code":"50","Text":"顺丰速运 已收取快件","ID":"15891874144%d","Place":"深圳市","Order":"202003225d33322239ddW1df5t3"}`, i, i))
	}
	body := "[" + strings.Join(scans, ",") + "]"
	c := demo("bench")
	c.Push.Decode = func(r *carriers.Request, facts *trace.Facts) error {
		var scans []demoScan
		if err := sonic.ConfigStd.Unmarshal(r.Body, &scans); err != nil {
			return err
		}
		for i := range scans {
			s, e := &scans[i], facts.Event()
			e.Waybill, e.Source, e.Code, e.Item, e.TextEdits = trace.Waybill{Number: s.No, Carrier: "bench"}, "bench", s.Code, i, true
			e.At, _ = trace.ParseLocal(s.Time, trace.China, trace.ZoneCarrier)
			e.Text.Text, e.Place.Address, e.CarrierID = s.Text, s.Place, s.ID
			e.References = []trace.Reference{{Account: "main", Text: s.Order}}
		}
		return nil
	}
	push := New(quiet{}, nil, Options{}).Push(c)
	ctx, who := requestOf(body), trace.Asker{Account: "main", Sender: "10.0.0.1"}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := push(ctx, who); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEvents is ten events through /v1/events.
func BenchmarkEvents(b *testing.B) {
	var events []string
	for i := range 10 {
		events = append(events, fmt.Sprintf(`{"number":"SF74444000318%02d","carrier":"sf","time":"2026-11-20T16:56:54+08:00","status":"picked_up","code":"50","description":"顺丰速运 已收取快件","carrier_id":"15891874144%d","address":"深圳市","reference":"202003225d33322239ddW1df5t3"}`, i, i))
	}
	body := `{"events":[` + strings.Join(events, ",") + `]}`
	in := New(quiet{}, nil, Options{})
	ctx, who := requestOf(body), trace.Asker{Account: "main", Sender: "key"}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if err := in.Events(ctx, who); err != nil {
			b.Fatal(err)
		}
	}
}
