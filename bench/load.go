package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
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
// or stop is set. What was begun is finished. took is told of each success.
func (t *tally) work(w worker, until time.Time, stop *atomic.Bool, took func(units int)) {
	now := time.Now()
	// What was prepared is done: the stock counts it as told.
	for !stop.Load() && (until.IsZero() || now.Before(until)) && w.prepare() {
		began := time.Now()
		units, size, err := w.do(began)
		now = time.Now()
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
		if took != nil {
			took(units)
		}
	}
}

// drive lets all workers work at once for a while (0: until nothing is left) and
// closes them. It returns what they did together, and in how much time: up to
// the end of what was begun last. An error is ctx's only.
func drive(ctx context.Context, workers []worker, d time.Duration, took func(units int)) (*tally, time.Duration, error) {
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
			tallies[i].work(w, until, &stop, took)
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

// A reader asks for one parcel's trace after the other.
type reader struct {
	conn    conn
	parcels *parcels
	pick    func() int // which parcel next
	request []byte
	number  int // where in request the number stands
}

const tracesPath = "/v1/traces/"

func newReader(addr string, p *parcels, pick func() int) (*reader, error) {
	r := &reader{conn: conn{addr: addr}, parcels: p, pick: pick}
	r.number = len("GET " + tracesPath)
	r.request = get(addr, tracesPath+string(p.appendNumber(nil, 0)))
	return r, r.conn.open(time.Now())
}

func (r *reader) prepare() bool {
	r.parcels.appendNumber(r.request[:r.number], r.pick())
	return true
}

func (r *reader) do(now time.Time) (units, size int, err error) {
	a, err := r.conn.do(r.request, now)
	switch {
	case err != nil:
		return 0, 0, err
	case a.Status != 200:
		return 0, 0, fmt.Errorf("GET %s: status %d: %.200s", r.request[len("GET "):r.number+numberLength], a.Status, a.Body)
	}
	return 1, len(a.Body), nil
}

func (r *reader) close() { r.conn.close() }

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

// A pusher pushes events the way SF does and wants to hear "0000".
type pusher struct {
	conn    conn
	parcels *parcels
	next    func(dst []pick) []pick // which events; none: nothing left
	picks   []pick
	body    []byte
	request []byte
}

var pushed = []byte(`"0000"`)

func newPusher(addr string, p *parcels, next func(dst []pick) []pick) (*pusher, error) {
	w := &pusher{conn: conn{addr: addr}, parcels: p, next: next}
	return w, w.conn.open(time.Now())
}

func (w *pusher) prepare() bool {
	if w.picks = w.next(w.picks[:0]); len(w.picks) == 0 {
		return false
	}
	w.body = w.parcels.appendPush(w.body[:0], w.picks)
	w.request = fmt.Appendf(w.request[:0], "POST /push/sf HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json ;charset=UTF-8\r\nContent-Length: %d\r\n\r\n",
		w.conn.addr, len(w.body))
	w.request = append(w.request, w.body...)
	return true
}

func (w *pusher) do(now time.Time) (units, size int, err error) {
	a, err := w.conn.do(w.request, now)
	switch {
	case err != nil:
		return 0, 0, err
	case a.Status != 200 || !bytes.Contains(a.Body, pushed):
		return 0, 0, fmt.Errorf("POST /push/sf: status %d: %.200s", a.Status, a.Body)
	}
	return len(w.picks), len(w.body), nil
}

func (w *pusher) close() { w.conn.close() }

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
	told    []atomic.Uint32 // by parcel of the set, how many of its events were given out
}

func newStock(p *parcels) *stock { return &stock{parcels: p, told: make([]atomic.Uint32, p.set)} }

// load gives the next events to load the set with, parcel by parcel.
func (s *stock) load(dst []pick) []pick {
	total := int64(s.parcels.set) * eventsLoaded
	first := s.loaded.Add(eventsOfPush) - eventsOfPush
	for n := first; n < min(first+eventsOfPush, total); n++ {
		i := int(n / eventsLoaded)
		dst = append(dst, pick{i, int(n % eventsLoaded)})
		s.told[i].Add(1)
	}
	return dst
}

// onePush gives the ten events of a parcel that nobody has heard of.
func (s *stock) onePush(dst []pick) []pick {
	i := s.parcels.set + int(s.fresh.Add(1)) - 1
	for k := range eventsOfNew {
		dst = append(dst, pick{i, k})
	}
	return dst
}

// mostTold is how many events of one parcel are told: beyond 1,000 a waybill
// counts as a dummy, and what comes is only kept aside.
const mostTold = 900

var errUsedUp = errors.New("the parcels have got nearly 1,000 events each, beyond which they are not stored: take more with --waybills, or shorter slices")

// setPush gives the next events of four parcels of the set that are still under
// way: 3, 3, 2 and 2. It gives none when the set is used up.
func (s *stock) setPush(dst []pick, random *rand.Rand) []pick {
	share := [...]int{3, 3, 2, 2}
	var chosen [len(share)]int
	for n, events := range share {
		i, ok := s.underWay(random, chosen[:n])
		if !ok {
			return dst[:0]
		}
		chosen[n] = i
		k := int(s.told[i].Add(uint32(events))) - events
		for e := range events {
			dst = append(dst, pick{i, k + e})
		}
	}
	return dst
}

// underWay picks a parcel that can have more events and is none of those.
func (s *stock) underWay(random *rand.Rand, but []int) (int, bool) {
tries:
	for range 1000 {
		i := random.IntN(s.parcels.set)
		if s.parcels.delivered(i) || s.told[i].Load() > mostTold {
			continue
		}
		for _, b := range but {
			if b == i {
				continue tries
			}
		}
		return i, true
	}
	return 0, false
}
