package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"waytrace/trace"
)

// livedWaybills is how many parcels have lived in the store that reads are timed in.
const livedWaybills = 50_000

func livedNumber(parcel int) string { return fmt.Sprintf("SF%013d", parcel*7_919_113) }

// appendLife appends events of one parcel, from one on to before another, as its carrier
// pushes them: codes, hubs and people are the same few; number, times and reference its
// own.
func appendLife(f *trace.Facts, s *Store, parcel, from, to int) {
	cities := [...]string{"深圳", "广州", "杭州", "上海", "北京", "武汉", "成都", "西安", "郑州", "青岛", "沈阳", "昆明"}
	couriers := [...]string{"王伟", "李强", "张磊", "刘军", "陈勇", "杨杰", "黄涛", "赵超"}
	for i := from; i < to; i++ {
		own := rand.New(rand.NewPCG(uint64(parcel), 0)) // what all its events share
		here, there := cities[own.IntN(len(cities))], cities[own.IntN(len(cities))]
		begin := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(own.IntN(60*24*3600)) * time.Second)
		dice := rand.New(rand.NewPCG(uint64(parcel), uint64(i+1)))
		at := begin.Add(time.Duration(i*3600+dice.IntN(1800)) * time.Second)
		e := f.Event()
		e.Waybill = trace.Waybill{Number: livedNumber(parcel), Carrier: "sf"}
		e.Source, e.Table, e.TextEdits = "sf", 1, true
		e.At = trace.Time{Local: at.UnixMilli(), Offset: trace.China, Zone: trace.ZoneCarrier, Raw: at.Format(time.DateTime)}
		e.CarrierID = fmt.Sprint(at.Unix()*100_000 + int64(dice.IntN(100_000)))
		e.References = []trace.Reference{{Account: trace.DefaultAccount, Text: fmt.Sprintf("DD2026%010d", parcel)}}
		text := ""
		switch {
		case i == 0:
			e.Code, e.Pair, text = "50", trace.Pair{Status: trace.PickedUp, Sub: "collected"}, "顺丰速运 已收取快件"
		case i == 7:
			here = there
			e.Code, e.Pair, text = "80", trace.Pair{Status: trace.Delivered, Sub: "signed"}, "快件已签收,签收人:本人,感谢您选择顺丰,期待再次为您服务"
		case i == 6:
			here = there
			e.Code, e.Pair, text = "204", trace.Pair{Status: trace.OutForDelivery}, fmt.Sprintf("快件已交给%s派送,联系电话1%d****%04d,请保持电话畅通",
				couriers[dice.IntN(len(couriers))], 30+dice.IntN(60), dice.IntN(10_000))
		case i%3 == 1:
			e.Code, e.Pair, text = "30", trace.Pair{Status: trace.InTransit}, fmt.Sprintf("快件在【%s%d号营业点】完成分拣,准备发往【%s集散中心】", here, dice.IntN(40), there)
		case i%3 == 2:
			e.Code, e.Pair, text = "36", trace.Pair{Status: trace.InTransit, Sub: "departed"}, fmt.Sprintf("快件已从【%s集散中心】发车,下一站【%s集散中心】", here, there)
		default:
			e.Code, e.Pair, text = "31", trace.Pair{Status: trace.InTransit, Sub: "arrived"}, fmt.Sprintf("快件到达【%s集散中心】", there)
		}
		e.Place.Address, e.Text = here+"市", trace.Text{Text: text, Lang: "zh-Hans"}
		f.Seal(e, s.Now())
	}
}

// live appends events to every step-th parcel and writes them to tables.
func live(b *testing.B, s *Store, first, step, from, to int) {
	b.Helper()
	facts := &trace.Facts{}
	for i := first; i < livedWaybills; i += step {
		appendLife(facts, s, i, from, to)
		if len(facts.Events) >= 500 || i+step >= livedWaybills {
			if _, err := s.Append(context.Background(), facts); err != nil {
				b.Fatal(err)
			}
			facts = &trace.Facts{}
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
}

// Reads of any of many parcels, of which nothing is in memory but the store's blocks:
// first with all in the lowest level, then with a third of the parcels in each of three
// tables above it.
func BenchmarkTrace(b *testing.B) {
	// Memtables take their room from the cache, too.
	s, err := Open(b.TempDir(), Options{Log: quiet, CacheSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	live(b, s, 0, 1, 0, 6)
	if err := s.db.Compact(context.Background(), []byte{'a'}, []byte{'z'}, true); err != nil {
		b.Fatal(err)
	}
	numbers := make([]string, livedWaybills)
	for i := range numbers {
		numbers[i] = livedNumber(i)
	}
	var t trace.Trace
	var body []byte
	v := trace.Variant{Events: true, Account: trace.DefaultAccount}
	show := func(parcel int, events bool) {
		if err := s.Trace(&t, numbers[parcel], "", trace.Want{Events: events}); err != nil {
			b.Fatal(err)
		}
		v.Events = events
		body = t.AppendJSON(t.AppendTag(body[:0], v), v)
	}
	for _, where := range []string{"compacted", "with L0"} {
		for i := range livedWaybills {
			show(i, true) // so that all is in the cache
		}
		for _, c := range []struct {
			name   string
			events bool
		}{{"status", false}, {"trace", true}} {
			b.Run(c.name+" "+where, func(b *testing.B) {
				dice := rand.New(rand.NewPCG(1, 2))
				b.ReportAllocs()
				for b.Loop() {
					show(dice.IntN(livedWaybills), c.events)
				}
				b.ReportMetric(float64(len(body)), "B/answer")
			})
		}
		for third := range 3 {
			live(b, s, third, 3, 6, 8)
		}
	}
}
