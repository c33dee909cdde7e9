package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"waytrace/trace"
)

const benchWaybills = 20_000

// loaded opens a store on the disk with waybills of eight events.
func loaded(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.TempDir(), Options{Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	for i := 0; i < benchWaybills; i += 100 {
		var events []trace.Event
		for w := range 100 {
			for e := range 8 {
				events = append(events, scan(fmt.Sprintf("SF%013d", i+w), fmt.Sprint(30+e), trace.InTransit, e*40))
			}
		}
		if _, err := s.Append(context.Background(), sealed(b, s, events...)); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkRead(b *testing.B) {
	s := loaded(b)
	for _, c := range []struct {
		name   string
		events bool
	}{{"status", false}, {"trace of 8", true}} {
		b.Run(c.name, func(b *testing.B) {
			var t trace.Trace
			b.ReportAllocs()
			for b.Loop() {
				if err := s.Trace(&t, fmt.Sprintf("SF%013d", rand.IntN(benchWaybills)), "", trace.Want{Events: c.events}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("unknown", func(b *testing.B) {
		var t trace.Trace
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Trace(&t, fmt.Sprintf("YT%013d", rand.IntN(benchWaybills)), "", trace.Want{}); err == nil {
				b.Fatal("found")
			}
		}
	})
}

// BenchmarkAppend gives the time of one event in pushes of ten, from callers
// that wait for the disk.
func BenchmarkAppend(b *testing.B) {
	s := loaded(b)
	var n atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := int(n.Add(1))
			if i%10 != 0 {
				continue // ten events an operation, so that one is one event
			}
			var events []trace.Event
			for e := range 10 {
				events = append(events, scan(fmt.Sprintf("SF%013d", rand.IntN(benchWaybills)), fmt.Sprint(i), trace.InTransit, e*60))
			}
			if _, err := s.Append(context.Background(), sealed(b, s, events...)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
