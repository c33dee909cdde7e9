package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Loading tells every event of the set once, whoever asks.
func TestStockLoad(t *testing.T) {
	p := newParcels(1234, someDay, 0)
	s := newStock(p)
	var mu sync.Mutex
	told := map[pick]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for picks := s.load(nil); len(picks) > 0; picks = s.load(picks[:0]) {
				mu.Lock()
				for _, e := range picks {
					told[e]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for i := range 1234 {
		for k := range eventsLoaded {
			if told[pick{i, k}] != 1 {
				t.Fatalf("event %d of parcel %d was told %d times", k, i, told[pick{i, k}])
			}
		}
	}
	if len(told) != 1234*eventsLoaded {
		t.Errorf("%d events were told, want %d", len(told), 1234*eventsLoaded)
	}
	if i, n := 1233, s.told[1233].Load(); n != eventsLoaded {
		t.Errorf("parcel %d counts %d events told, want %d", i, n, eventsLoaded)
	}
}

// Pushes into the set go on where the parcels' stories stopped, until no parcel
// can have more.
func TestStockSetPush(t *testing.T) {
	p := newParcels(100, someDay, 0)
	s := newStock(p)
	for len(s.load(nil)) > 0 {
	}
	random := rand.New(rand.NewPCG(1, 1))
	next := make([]int, p.set)
	for i := range next {
		next[i] = eventsLoaded
	}
	pushes := 0
	for picks := s.setPush(nil, random, shareOfFour); len(picks) > 0; picks = s.setPush(picks[:0], random, shareOfFour) {
		pushes++
		parcels := map[int]bool{}
		for _, e := range picks {
			parcels[e.parcel] = true
			if e.event != next[e.parcel] || p.delivered(e.parcel) {
				t.Fatalf("told event %d of parcel %d, want %d; delivered: %t", e.event, e.parcel, next[e.parcel], p.delivered(e.parcel))
			}
			next[e.parcel]++
		}
		if len(picks) != eventsOfPush || len(parcels) != 4 {
			t.Fatalf("%d events of %d parcels in a push", len(picks), len(parcels))
		}
	}
	if most := slices.Max(next); most < mostTold || most >= 1000 || pushes < 75*mostTold/eventsOfPush/2 {
		t.Errorf("after %d pushes a parcel has %d events", pushes, most)
	}
}

func TestStockOnePush(t *testing.T) {
	s := newStock(newParcels(100, someDay, 0))
	for n := range 3 {
		picks := s.onePush(nil)
		if len(picks) != eventsOfPush || picks[0] != (pick{100 + n, 0}) || picks[9] != (pick{100 + n, 9}) {
			t.Errorf("push %d is %v", n, picks)
		}
	}
}

// Zipf 0.99 over 1,000: the first parcel is asked for 1 time in 7.7, twice as
// often as the second.
func TestZipf(t *testing.T) {
	const length = 200_000
	drawn := zipf(1000, zipfExponent, length)
	counts := make([]int, 1000)
	for _, i := range drawn {
		counts[i]++
	}
	if first := float64(counts[0]) / length; first < 0.120 || first > 0.136 {
		t.Errorf("the first has a share of %.3f, want 0.128", first)
	}
	if ratio := float64(counts[0]) / float64(counts[1]); ratio < 1.85 || ratio > 2.13 {
		t.Errorf("the first is asked for %.2f times as often as the second, want 1.99", ratio)
	}
	if counts[999] == 0 {
		t.Error("the last is never asked for")
	}
	a, b := along(drawn, 1), along(drawn, 2)
	same := 0
	for range 1000 {
		if a() == b() {
			same++
		}
	}
	if same > 200 {
		t.Errorf("two workers agreed %d times in 1,000", same)
	}
}

// A sleeper takes so long for each request; every fails-th fails.
type sleeper struct {
	takes  time.Duration
	fails  int
	left   int
	n      int
	closed bool
}

func (s *sleeper) prepare() bool { s.n++; return s.n <= s.left }
func (s *sleeper) close()        { s.closed = true }
func (s *sleeper) do(time.Time) (int, int, error) {
	time.Sleep(s.takes)
	if s.fails > 0 && s.n%s.fails == 0 {
		return 0, 0, errors.New("failed")
	}
	return 10, 100, nil
}

func TestDrive(t *testing.T) {
	const endless = 1 << 30
	t.Run("for a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			workers := []worker{&sleeper{takes: 10 * time.Millisecond, left: endless}, &sleeper{takes: 30 * time.Millisecond, left: endless}}
			sum, took, err := drive(t.Context(), workers, time.Second, unwatched)
			// The slower one ends its 34th after the second is over: that counts, and so does its time.
			if err != nil || took != 1020*time.Millisecond || sum.requests != 134 || sum.units != 1340 || sum.bytes != 13400 || sum.errors != 0 {
				t.Errorf("%+v in %s, %v", sum, took, err)
			}
			l := latencyOf(sum.latency)
			if !near(l.P50, 10_000) || !near(l.P99, 30_000) || !near(l.Max, 30_000) || l.Count != 134 {
				t.Errorf("latency is %+v", l)
			}
			if !workers[0].(*sleeper).closed {
				t.Error("the workers were not closed")
			}
		})
	})
	t.Run("until nothing is left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var told int
			sum, took, err := drive(t.Context(), []worker{&sleeper{takes: time.Minute, left: 3}}, 0, func(_ time.Time, _ time.Duration, n int, _ error) { told += n })
			if err != nil || sum.requests != 3 || told != 30 || took != 3*time.Minute {
				t.Errorf("%d requests, %d told, in %s, %v", sum.requests, told, took, err)
			}
		})
	})
	t.Run("errors are counted apart", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sum, _, _ := drive(t.Context(), []worker{&sleeper{takes: time.Millisecond, left: 100, fails: 4}}, 0, unwatched)
			if sum.requests != 75 || sum.errors != 25 || sum.latency.TotalCount() != 75 || sum.firstError == nil {
				t.Errorf("%+v", sum)
			}
		})
	})
	t.Run("too many errors end it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			sum, _, _ := drive(t.Context(), []worker{&sleeper{left: endless, fails: 1}}, time.Hour, unwatched)
			if sum.errors != tooManyErrors {
				t.Errorf("%d errors, want %d", sum.errors, tooManyErrors)
			}
		})
	})
	t.Run("interrupted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			sum, _, err := drive(ctx, []worker{&sleeper{takes: 300 * time.Millisecond, left: endless}}, time.Hour, unwatched)
			if !errors.Is(err, context.DeadlineExceeded) || sum.requests != 4 {
				t.Errorf("%d requests, %v; want the fourth to be finished", sum.requests, err)
			}
		})
	})
}

// near: the histograms keep three digits.
func near(got, want float64) bool { return got > want*0.998 && got < want*1.002 }
