package bench

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func dues(s *schedule) (all []time.Duration) {
	for due, ok := s.next(); ok; due, ok = s.next() {
		all = append(all, due)
	}
	return all
}

// A schedule is the same each time, and a Poisson process: its gaps are exponential,
// so that their deviation is as large as their mean, and one in e is longer than that.
func TestSchedule(t *testing.T) {
	all := dues(newSchedule(1, 10_000, steady, 10*time.Second))
	again := dues(newSchedule(1, 10_000, steady, 10*time.Second))
	other := dues(newSchedule(2, 10_000, steady, 10*time.Second))
	if len(all) != len(again) || all[0] != again[0] || all[len(all)-1] != again[len(again)-1] {
		t.Error("the same seed gave another schedule")
	}
	if len(other) == len(all) && other[0] == all[0] {
		t.Error("another seed gave the same schedule")
	}
	var sum, squares float64
	longer := 0
	last := time.Duration(0)
	for _, due := range all {
		gap := (due - last).Seconds()
		sum, squares, last = sum+gap, squares+gap*gap, due
		if gap > 1e-4 {
			longer++
		}
	}
	n := float64(len(all))
	mean := sum / n
	deviation := math.Sqrt(squares/n - mean*mean)
	if n < 99_000 || n > 101_000 || mean < 0.99e-4 || mean > 1.01e-4 || deviation < 0.97e-4 || deviation > 1.03e-4 {
		t.Errorf("%.0f arrivals, gaps of %.3g s, deviation %.3g s; want 100,000, 1e-4 and 1e-4", n, mean, deviation)
	}
	if share := float64(longer) / n; share < 0.355 || share > 0.38 {
		t.Errorf("%.3f of the gaps are longer than the mean, want 1/e", share)
	}
}

// A ramp has as many arrivals as half of its rate, a spike most of them in its middle.
func TestScheduleShapes(t *testing.T) {
	const rate, length = 10_000, 10 * time.Second
	within := func(all []time.Duration, from, to time.Duration) (n int) {
		for _, due := range all {
			if due >= from && due < to {
				n++
			}
		}
		return n
	}
	up := dues(newSchedule(1, rate, ramp, length))
	if n := len(up); n < 48_000 || n > 52_000 {
		t.Errorf("the ramp has %d arrivals, want 50,000", n)
	}
	if first, last := within(up, 0, length/4), within(up, 3*length/4, length); last < 5*first {
		t.Errorf("the ramp has %d arrivals in its first quarter, %d in its last", first, last)
	}
	peak := dues(newSchedule(1, rate, spike, length))
	if before, inside := within(peak, 0, 4*time.Second), within(peak, 4*time.Second, 6*time.Second); inside < 19_000 || inside > 21_000 || before < 7_500 || before > 8_500 {
		t.Errorf("the spike has %d arrivals in 4 s before it, %d in its 2 s", before, inside)
	}
}

// requests are a maker's that asks for one thing.
func requests(to *endpoint) maker { return &repeater{requests: [][]byte{to.get("/")}, want: 200} }

// makersOf are n of them.
func makersOf(to *endpoint, n int) (all []maker) {
	for range n {
		all = append(all, requests(to))
	}
	return all
}

// A server that stalls is charged for all who came meanwhile. In a closed loop nobody
// comes.
func TestOpenLoopCountsFromDue(t *testing.T) {
	const stall, rate, length = 200 * time.Millisecond, 1000, 600 * time.Millisecond
	stalling := func() *endpoint {
		var asked atomic.Int64
		var gate sync.RWMutex
		return at(served(t, &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
			if asked.Add(1) == 100 {
				gate.Lock()
				time.Sleep(stall)
				gate.Unlock()
			}
			gate.RLock()
			ctx.WriteString("ok")
			gate.RUnlock()
		}}))
	}
	late := func(l *tally) (n int64) {
		for _, b := range l.latency.Distribution() {
			if b.From >= (stall / 2).Nanoseconds() {
				n += b.Count
			}
		}
		return n
	}

	to := stalling()
	open := &openLoop{to: to, plan: newSchedule(1, rate, steady, length)}
	a, err := open.drive(t.Context(), makersOf(to, 4))
	if err != nil || a.errors > 0 || a.dropped > 0 || a.requests != a.due {
		t.Fatalf("%d of %d answered, %d errors, %d dropped, %v", a.requests, a.due, a.errors, a.dropped, err)
	}
	// Those of the first half of the stall waited for the second half of it at least.
	if n := late(a.tally); n < 50 {
		t.Errorf("%d requests were late by half of the stall, want about 100", n)
	}

	to = stalling()
	workers, err := crew(4, func() (worker, error) { return newClient(to, requests(to)) })
	if err != nil {
		t.Fatal(err)
	}
	closed, _, err := drive(t.Context(), workers, length, unwatched)
	if err != nil || late(closed) > late(a.tally)/2 {
		t.Errorf("%d requests of the closed loop were late, %v", late(closed), err)
	}
}

// Requests of a server that is away fail one by one, and go through when it is back.
func TestOpenLoopWithoutAServer(t *testing.T) {
	nowhere := at("127.0.0.1:1")
	open := &openLoop{to: nowhere, plan: newSchedule(1, 2000, steady, 100*time.Millisecond)}
	a, err := open.drive(t.Context(), makersOf(nowhere, 3))
	// What was made ready is tried once more at the end, on each connection.
	if err != nil || a.requests != 0 || a.errors != a.due+3 || a.due < 100 {
		t.Errorf("%d of %d answered, %d errors, %v", a.requests, a.due, a.errors, err)
	}

	var n atomic.Int64
	to := at(served(t, &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		if n.Add(1)%5 == 0 {
			ctx.SetConnectionClose() // as a server does that is about to stop
		}
		ctx.WriteString("ok")
	}}))
	open = &openLoop{to: to, plan: newSchedule(1, 2000, steady, 200*time.Millisecond)}
	a, err = open.drive(t.Context(), makersOf(to, 3))
	if err != nil || a.errors > 0 || a.requests != a.due || a.due < 300 {
		t.Errorf("%d of %d answered on connections that are closed, %d errors, the first %v, %v", a.requests, a.due, a.errors, a.firstError, err)
	}
}

// Every request that a maker made is sent, due or not: its stock counts it as told.
func TestOpenLoopSendsWhatWasMade(t *testing.T) {
	var got atomic.Int64
	to := at(served(t, &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		got.Add(int64(bytes.Count(ctx.PostBody(), []byte("mailno"))))
		ctx.WriteString(`{"return_code":"0000"}`)
	}}))
	s := newStock(newParcels(100, someDay, 0))
	makers := make([]maker, 5)
	for i := range makers {
		makers[i] = &pusher{to: to, dialect: &dialects.sfJSON, parcels: s.parcels, choose: s.onePush}
	}
	a, err := (&openLoop{to: to, plan: newSchedule(1, 500, steady, 100*time.Millisecond)}).drive(t.Context(), makers)
	if err != nil || a.errors > 0 || a.units != a.due*eventsOfNew {
		t.Errorf("%+v, %v", a.tally, err)
	}
	if got.Load() != s.given.Load() {
		t.Errorf("%d events came, %d were given out", got.Load(), s.given.Load())
	}
}

func TestOpenLoopInterrupted(t *testing.T) {
	to := at(served(t, &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) { ctx.WriteString("ok") }}))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := (&openLoop{to: to, plan: newSchedule(1, 1000, steady, time.Hour)}).drive(ctx, makersOf(to, 2))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
}

// A run whose generator was late, or did not send what was due, says nothing of the
// server.
func TestArrivalsInvalid(t *testing.T) {
	for _, c := range []struct {
		name                 string
		late, latency        time.Duration
		fraction             float64
		errors, dropped, due int64
		want                 string
	}{
		{"good", 900 * time.Microsecond, time.Millisecond, 0.5, 0, 0, 1000, ""},
		{"late", 1100 * time.Microsecond, time.Millisecond, 0.5, 0, 0, 1000, "generator was late: p99 1.10 ms, allowed are 1.00 ms"},
		{"late, and slow servers hide it", 1100 * time.Microsecond, 12 * time.Millisecond, 0.5, 0, 0, 1000, ""},
		{"late beside a slow server", 1500 * time.Microsecond, 12 * time.Millisecond, 0.8, 0, 0, 1000, "generator was late: p99 1.50 ms, allowed are 1.20 ms"},
		{"late where the cores are full", 5 * time.Millisecond, time.Millisecond, 0.9, 0, 0, 1000, ""},
		{"failed", 0, 0, 0.9, 3, 0, 1000, "3 of 1000 requests failed"},
		{"dropped", 0, 0, 0.9, 0, 7, 1000, "7 of 1000 requests were never sent"},
		{"nothing", 0, 0, 0.5, 0, 0, 0, "nothing was due"},
	} {
		a := &arrivals{tally: newTally(), due: c.due, dropped: c.dropped, lateness: newHistogram()}
		a.errors = c.errors
		for n := range 1000 {
			record(a.latency, c.latency)
			if n < 20 {
				record(a.lateness, c.late)
			} else {
				record(a.lateness, 50*time.Microsecond)
			}
		}
		if got := a.invalid(c.fraction); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// A turn in which the generator was late is done again, twice at most, and does not
// count; one that went wrong otherwise does.
func TestPunctual(t *testing.T) {
	turn := func(late time.Duration, errors, due int64) *arrivals {
		a := &arrivals{tally: newTally(), due: due, lateness: newHistogram()}
		a.errors = errors
		record(a.latency, time.Millisecond)
		record(a.lateness, late)
		return a
	}
	for _, c := range []struct {
		name     string
		fraction float64
		turns    []*arrivals
		kept     int // how many turns do not count
	}{
		{"in time", 0.5, []*arrivals{turn(0, 0, 10)}, 0},
		{"late once", 0.5, []*arrivals{turn(time.Second, 0, 10), turn(0, 0, 11)}, 1},
		{"always late", 0.8, []*arrivals{turn(time.Second, 0, 10), turn(time.Second, 0, 11), turn(time.Second, 0, 12)}, 2},
		{"late where the cores are full", 0.9, []*arrivals{turn(time.Second, 0, 10)}, 0},
		{"failed", 0.5, []*arrivals{turn(0, 3, 10)}, 0},
	} {
		w, at := newRunner(c.name, nil, 1), 0
		got, err := w.punctual(4, c.fraction, func() (*arrivals, error) {
			at++
			return c.turns[at-1], nil
		})
		if err != nil || got != c.turns[len(c.turns)-1] || at != len(c.turns) || len(w.arrival.Late) != c.kept {
			t.Errorf("%s: %d turns, %d of them late, %v", c.name, at, len(w.arrival.Late), err)
			continue
		}
		if c.kept > 0 && (w.arrival.Late[0].Due != 10 || w.arrival.Late[0].Pair != 4) {
			t.Errorf("%s: kept %+v", c.name, w.arrival.Late[0])
		}
	}
}

// Who waits beyond the bound is dropped, and counted.
func TestOpenLoopDrops(t *testing.T) {
	l := &openLoop{most: 2, lateness: newHistogram()}
	for range 5 {
		l.arrive(time.Now())
	}
	if l.due != 5 || l.dropped != 3 || len(l.waiting) != 2 {
		t.Errorf("%d due, %d dropped, %d waiting", l.due, l.dropped, len(l.waiting))
	}
}
