package trace

import "testing"

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
		h.Fold()
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
