package trace

import "testing"

// A parcel of eight events is read into a trace that was used before, and shown.
func BenchmarkLoadAndShow(b *testing.B) {
	var s shelf
	s.merge(b, sealedEight(b))
	ids := s.ids()
	var tr Trace
	var dst []byte
	v := Variant{Events: true, Account: "main"}
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.load(b, &tr, ids)
		}
	})
	b.Run("show", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			dst = tr.AppendJSON(tr.AppendTag(dst[:0], v), v)
		}
	})
}

func BenchmarkAppendString(b *testing.B) {
	var dst []byte
	for name, s := range map[string]string{
		"Chinese": "【深圳市】快件已到达【深圳宝安集散中心】,准备发往下一站",
		"ASCII":   "158918741444476",
		"escapes": "快件\"已\\到\"\n<广州>\x01",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendString(dst[:0], s)
			}
		})
	}
}

func BenchmarkAppendTime(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendTime(dst[:0], noon, China)
	}
}
