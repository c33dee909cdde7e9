package trace

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// eight is a parcel's life in eight scans of a source with fine codes, the
// journey that most figures are given for.
func eight(t tb) []Event {
	t.Helper()
	events := journey(t, "2026-02-25 10:00:00 pre_transit.order_created", "2026-02-25 16:56:54 picked_up.collected",
		"2026-02-25 20:10:11 in_transit.departed", "2026-02-26 03:20:00 in_transit.arrived", "2026-02-26 05:00:01 in_transit.departed",
		"2026-02-27 07:30:30 out_for_delivery", "2026-02-27 09:00:00 attempt_failed.not_home", "2026-02-27 15:00:00 delivered.signed")
	for i := range events {
		e := &events[i]
		e.Place.Address, e.TextEdits = "深圳市", true
		e.CarrierID, e.References = "158918741444476", []Reference{{"main", "202003225d33322239ddW1df5t3"}}
		e.Text = Text{Text: "【深圳市】快件已到达【深圳宝安集散中心】,准备发往下一站", Lang: "zh-Hans"}
	}
	return events
}

func BenchmarkSeal(b *testing.B) {
	var f Facts
	*f.Event() = eight(b)[3]
	b.ReportAllocs()
	for b.Loop() {
		f.buf = f.buf[:0]
		f.Seal(&f.Events[0], 1)
	}
}

func BenchmarkCheck(b *testing.B) {
	e := eight(b)[3]
	b.ReportAllocs()
	for b.Loop() {
		if f, ok := e.Check(noon); !ok {
			b.Fatal(f)
		}
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	s := sealed(eight(b)[3])
	var e Event
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeEvent(&e, s.Waybill, s.At.Local, s.ID, s.Value); err != nil {
			b.Fatal(err)
		}
	}
}

// sealedEight is eight, as a push hands them to the writer.
func sealedEight(b *testing.B) []Event {
	events := eight(b)
	for i := range events {
		events[i] = *sealed(events[i])
	}
	return events
}

// A push of a waybill's whole life that nobody has told before.
func BenchmarkTakeFoldAppend(b *testing.B) {
	events := sealedEight(b)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var h Head
		for i := range events {
			if taken, err := h.Take(&events[i], nil); taken != Fresh || err != nil {
				b.Fatal(taken, err)
			}
		}
		h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
		dst = h.Append(dst[:0])
	}
	b.ReportMetric(float64(len(dst)), "B/head")
}

// The normal case of a push: all of it is known.
func BenchmarkDecodeHeadTakeRepeats(b *testing.B) {
	events := sealedEight(b)
	var s shelf
	s.merge(b, sealedEight(b))
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeHead(&h, s.head); err != nil {
			b.Fatal(err)
		}
		for i := range events {
			if taken, err := h.Take(&events[i], nil); taken != Repeat || err != nil {
				b.Fatal(taken, err)
			}
		}
	}
}

// perEvent gives a benchmark's time by the events that each round was about.
func perEvent(b *testing.B, events int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
}

// A fold of a journey in increments; of forty scans that a list spoke of, every other one
// of them told by another source too; of a number that three parcels had.
func BenchmarkFold(b *testing.B) {
	var plain Head
	for _, e := range sealedEight(b) {
		if _, err := plain.Take(&e, nil); err != nil {
			b.Fatal(err)
		}
	}
	listed := fortyListed(b)
	for i, x := range slices.Clone(listed.head.Entries) {
		e := journey(b, "2026-02-01 10:00:00 in_transit")[0]
		e.Waybill, e.Source, e.At, e.Code = yto, "kdniao", x.At, fmt.Sprint("other ", i)
		if e.At.Raw = fmt.Sprint(i); i%2 == 0 {
			listed.tell(b, fmt.Sprint("other ", i), e)
		}
	}
	used, _ := viewed(b, "yto: 2025-01-01 10:00:00 picked_up", "yto: 2025-01-05 10:00:00 delivered",
		"yto: 2025-06-01 10:00:00 picked_up", "yto: 2025-06-05 10:00:00 delivered", "yto: 2026-01-01 10:00:00 picked_up")
	for _, c := range []struct {
		name string
		of   Waybill
		head *Head
	}{{"plain", Waybill{"SF7444400031887", "sf"}, &plain}, {"listed by two", yto, &listed.head}, {"three parcels", yto, used}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.head.Fold(c.of, nil)
			}
			perEvent(b, len(c.head.Entries))
		})
	}
}

// fortyListed is a desk that has heard a list of forty scans, and one of thirty-nine.
func fortyListed(b *testing.B) *desk {
	var lines []string
	labels := ""
	for i := range 40 {
		lines = append(lines, time.UnixMilli(noon).Add(time.Duration(i-40)*time.Hour).UTC().Format("2006-01-02 15:04:05")+" in_transit")
		labels += " " + string(rune('\u4e00'+i))
	}
	d := newDesk(b)
	for i, e := range journey(b, lines...) {
		e.Waybill, e.Source = yto, "kuaidi100"
		d.tell(b, string(rune('\u4e00'+i)), e)
	}
	if got := d.hear(labels, 0); got != "news" {
		b.Fatal(got)
	}
	return d
}

// A list of forty scans: judged as the newest again, as one with a scan taken back, and
// as one that is doubted.
func BenchmarkJudge(b *testing.B) {
	d := fortyListed(b)
	all := make([]ID, 0, 40)
	for _, id := range d.byKey {
		all = append(all, id)
	}
	order := map[string][]ID{"again": all, "less one": nil, "less a half": nil}
	for i := range d.head.Entries {
		if i != 5 {
			order["less one"] = append(order["less one"], d.head.Entries[i].ID)
		}
		if i == 0 || i > 22 {
			order["less a half"] = append(order["less a half"], d.head.Entries[i].ID)
		}
	}
	for _, name := range []string{"again", "less one", "less a half"} {
		has := order[name]
		slices.Sort(has)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l := List{Waybill: yto, Source: "kuaidi100", Stamp: Stamp{HLCAt(noon + 1e6), 7}, Has: has}
				if news := d.head.Judge(yto, &l, &d.judge); news == (name == "again") || l.Doubtful != (name == "less a half") {
					b.Fatal(news, l.Doubtful)
				}
			}
			perEvent(b, len(has))
		})
	}
}

// A list of forty scans is taken into a head that has them: all are repeats, then each
// gets a newer stamp.
func BenchmarkTakeList(b *testing.B) {
	d := fortyListed(b)
	var facts Facts
	var lines []string
	for i := range 40 {
		lines = append(lines, time.UnixMilli(noon).Add(time.Duration(i-40)*time.Hour).UTC().Format("2006-01-02 15:04:05")+" in_transit")
	}
	for _, e := range journey(b, lines...) {
		e.Waybill, e.Source = yto, "kuaidi100"
		*facts.Event() = e
	}
	for i := range facts.Events {
		facts.Seal(&facts.Events[i], facts.Events[i].Heard)
	}
	l := List{Waybill: yto, Source: "kuaidi100", Stamp: Stamp{HLCAt(noon + 1e6), 7}}
	for i := range facts.Events {
		l.Shows = append(l.Shows, facts.Events[i].ID)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range facts.Events {
			if taken, err := d.head.Take(&facts.Events[i], nil); taken != Repeat || err != nil {
				b.Fatal(taken, err)
			}
		}
		l.Heard++
		if !d.head.TakeList(&l) {
			b.Fatal("the list is no news")
		}
	}
	perEvent(b, len(facts.Events))
}

func BenchmarkDecodeHead(b *testing.B) {
	var s shelf
	s.merge(b, sealedEight(b))
	var h Head
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeHead(&h, s.head); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	var s shelf
	s.merge(b, sealedEight(b))
	tr := s.trace(b)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = tr.AppendJSON(dst[:0], Variant{Events: true, Account: "main"})
	}
	b.ReportMetric(float64(len(dst)), "B/answer")
}

func BenchmarkAppendStatus(b *testing.B) {
	var s shelf
	s.merge(b, sealedEight(b))
	tr := s.trace(b)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = tr.AppendJSON(dst[:0], Variant{Account: "main"})
	}
}

func BenchmarkAppendTag(b *testing.B) {
	var s shelf
	s.merge(b, sealedEight(b))
	tr := s.trace(b)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = tr.AppendTag(dst[:0], Variant{Events: true, Account: "main"})
	}
}

func BenchmarkParseLocal(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseLocal("2020-05-11 16:56:54", China, ZoneCarrier); err != nil {
			b.Fatal(err)
		}
	}
}
