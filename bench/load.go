package bench

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A worker does one thing after the other, as fast as it is answered. Each is
// used by one goroutine.
type worker interface {
	// prepare makes the next request ready, outside the latency. False: there is
	// nothing left to do.
	prepare() bool
	// do does it and waits for the answer. units is what the row counts, bytes the
	// size of the body that carried it.
	do(now time.Time) (units, bytes int, err error)
	close()
}

// A tally is what one worker, or all of them, got done.
type tally struct {
	requests, units, bytes int64
	errors                 int64
	firstError             error
	latency                *hdrhistogram.Histogram // nanoseconds
}

func newTally() *tally { return &tally{latency: newHistogram()} }

// newHistogram holds latencies from 0.1 µs to a minute, in nanoseconds, to three
// digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, time.Minute.Nanoseconds(), 3)
}

func record(h *hdrhistogram.Histogram, took time.Duration) {
	// Within its range the histogram takes everything.
	_ = h.RecordValue(min(took, time.Minute).Nanoseconds())
}

func (t *tally) add(o *tally) {
	t.requests += o.requests
	t.units += o.units
	t.bytes += o.bytes
	t.errors += o.errors
	if t.firstError == nil {
		t.firstError = o.firstError
	}
	t.latency.Merge(o.latency)
}

// tooManyErrors in one worker end its part: a server that is gone would give
// millions.
const tooManyErrors = 100

// work lets w work until there is nothing left, until is reached (zero: never),
// or stop is set. What was begun is finished. told hears of each request.
func (t *tally) work(w worker, until time.Time, stop *atomic.Bool, told watcher) {
	now := time.Now()
	// What was prepared is done: the stock counts it as told.
	for !stop.Load() && (until.IsZero() || now.Before(until)) && w.prepare() {
		began := time.Now()
		units, size, err := w.do(began)
		now = time.Now()
		told(now, now.Sub(began), units, err)
		if err != nil {
			t.errors++
			if t.firstError == nil {
				t.firstError = err
			}
			if t.errors >= tooManyErrors {
				return
			}
			continue
		}
		record(t.latency, now.Sub(began))
		t.requests++
		t.units += int64(units)
		t.bytes += int64(size)
	}
}

// A watcher hears of each request when it has ended: how long it took, what it was
// worth, or why it failed. Any goroutine calls it.
type watcher func(at time.Time, took time.Duration, units int, err error)

func unwatched(time.Time, time.Duration, int, error) {}

// drive lets all workers work at once for a while (0: until nothing is left) and
// closes them. It returns what they did together, and in how much time: up to
// the end of what was begun last. An error is ctx's only.
func drive(ctx context.Context, workers []worker, d time.Duration, told watcher) (*tally, time.Duration, error) {
	var stop atomic.Bool
	defer context.AfterFunc(ctx, func() { stop.Store(true) })()

	var until time.Time
	began := time.Now()
	if d > 0 {
		until = began.Add(d)
	}
	tallies := make([]*tally, len(workers))
	var all sync.WaitGroup
	for i, w := range workers {
		tallies[i] = newTally()
		all.Go(func() {
			defer w.close()
			tallies[i].work(w, until, &stop, told)
		})
	}
	all.Wait()
	elapsed := time.Since(began)

	sum := newTally()
	for _, t := range tallies {
		sum.add(t)
	}
	return sum, elapsed, ctx.Err()
}

// crew makes n workers; those made are closed when one cannot be.
func crew(n int, hire func() (worker, error)) ([]worker, error) {
	workers := make([]worker, 0, n)
	for range n {
		w, err := hire()
		if err != nil {
			for _, w := range workers {
				w.close()
			}
			return nil, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

// uniform picks any of n parcels, all equally often.
func uniform(n int, seed uint64) func() int {
	random := rand.New(rand.NewPCG(seed, 1))
	return func() int { return random.IntN(n) }
}

// zipf draws parcels so that the r-th most asked for is asked for in proportion
// to 1/r^s, and returns a long sequence of them.
func zipf(n int, s float64, length int) []int32 {
	sums := make([]float64, n)
	sum := 0.0
	for r := range sums {
		sum += 1 / math.Pow(float64(r+1), s)
		sums[r] = sum
	}
	random := rand.New(rand.NewPCG(2, 2))
	drawn := make([]int32, length)
	for i := range drawn {
		drawn[i] = int32(min(sort.SearchFloat64s(sums, random.Float64()*sum), n-1))
	}
	return drawn
}

// along picks what a sequence says, from a place of its own on.
func along(sequence []int32, seed uint64) func() int {
	at := int(mix(seed) % uint64(len(sequence)))
	return func() int {
		at++
		if at == len(sequence) {
			at = 0
		}
		return int(sequence[at])
	}
}

// A pick is one event of one parcel, both counted from 0.
type pick struct{ parcel, event int }

// eventsOfPush is how many events go in one push: as many as SF sends at most.
const eventsOfPush = 10

// A stock says which events are still to be told. One stock serves all workers
// of a store at once.
type stock struct {
	parcels *parcels
	loaded  atomic.Int64    // events of the set that were given out for loading
	fresh   atomic.Int64    // new parcels that were given out
	lists   atomic.Int64    // new parcels that were given out as full lists
	given   atomic.Int64    // events that were given out and nobody had been told before
	told    []atomic.Uint32 // by parcel of the set, how many of its events were given out
}

func newStock(p *parcels) *stock { return &stock{parcels: p, told: make([]atomic.Uint32, p.set)} }

// load gives the next events to load the set with, parcel by parcel.
func (s *stock) load(dst []pick) []pick { return s.loadNext(dst, eventsOfPush) }

// loadNext gives so many.
func (s *stock) loadNext(dst []pick, events int64) []pick {
	total := int64(s.parcels.set) * eventsLoaded
	first := s.loaded.Add(events) - events
	for n := first; n < min(first+events, total); n++ {
		i := int(n / eventsLoaded)
		dst = append(dst, pick{i, int(n % eventsLoaded)})
		s.told[i].Add(1)
	}
	s.given.Add(max(0, min(events, total-first)))
	return dst
}

// onePush gives the ten events of a parcel that nobody has heard of.
func (s *stock) onePush(dst []pick) []pick {
	i := s.parcels.set + int(s.fresh.Add(1)) - 1
	for k := range eventsOfNew {
		dst = append(dst, pick{i, k})
	}
	s.given.Add(eventsOfNew)
	return dst
}

// mostTold is how many events of one parcel are told: beyond 1,000 a waybill
// counts as a dummy, and what comes is only kept aside.
const mostTold = 900

var errUsedUp = errors.New("the parcels have got nearly 1,000 events each, beyond which they are not stored: take more with --waybills, or shorter slices")

// shares are how the events of a push are shared out over parcels.
var (
	shareOfOne  = []int{1}
	shareOfFour = []int{3, 3, 2, 2}
	shareOfTen  = slices.Repeat([]int{1}, eventsOfPush)
	shareOf40   = slices.Repeat(shareOfFour, 10)
)

// setPush gives the next events of parcels of the set that are still under way, to
// each its share. It gives none when the set is used up.
func (s *stock) setPush(dst []pick, random *rand.Rand, share []int) []pick {
	first := len(dst)
	for _, events := range share {
		i, ok := s.underWay(random, dst[first:])
		if !ok {
			return dst[:first]
		}
		k := int(s.told[i].Add(uint32(events))) - events
		for e := range events {
			dst = append(dst, pick{i, k + e})
		}
		s.given.Add(int64(events))
	}
	return dst
}

// knownPush gives ten loaded events of four parcels of the set.
func (s *stock) knownPush(dst []pick, random *rand.Rand) []pick {
	for _, events := range shareOfFour {
		i, k := random.IntN(s.parcels.set), random.IntN(eventsLoaded-events+1)
		for e := range events {
			dst = append(dst, pick{i, k + e})
		}
	}
	return dst
}

// listPush gives all so many events of a parcel that nobody has heard of, as a
// carrier tells them that tells of the whole journey each time. Such parcels have
// numbers of their carrier's own.
func (s *stock) listPush(dst []pick, events int) []pick {
	i := s.parcels.set + int(s.lists.Add(1)) - 1
	for k := range events {
		dst = append(dst, pick{i, k})
	}
	s.given.Add(int64(events))
	return dst
}

// underWay picks a parcel that can have more events and has none of those.
func (s *stock) underWay(random *rand.Rand, but []pick) (int, bool) {
tries:
	for range 1000 {
		i := random.IntN(s.parcels.set)
		if s.parcels.delivered(i) || s.told[i].Load() > mostTold {
			continue
		}
		for _, b := range but {
			if b.parcel == i {
				continue tries
			}
		}
		return i, true
	}
	return 0, false
}
