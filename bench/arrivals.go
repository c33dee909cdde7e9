package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// arrive lets a scenario's requests come at a rate for a while, whatever the
// server does, once what it returns is called. Each pair has a schedule of its own,
// the same for all servers.
func (k *kit) arrive(s *Scenario, rate float64, pair, connections int, d time.Duration, watch watcher) (func(context.Context) (*arrivals, error), error) {
	makers, err := k.makers(s, connections)
	if err != nil {
		return nil, err
	}
	l := &openLoop{to: k.to, plan: newSchedule(mix(seedOf(k.seed, s.Name)+uint64(pair)), rate, s.shape, d), watch: watch}
	return func(ctx context.Context) (*arrivals, error) { return l.drive(ctx, makers) }, nil
}

// A runner is one side of a point of a sweep.
type runner struct {
	name     string
	kit      *kit
	arrival  Arrival
	latency  *hdrhistogram.Histogram
	lateness *hdrhistogram.Histogram
}

func newRunner(name string, k *kit, rate float64) *runner {
	return &runner{name: name, kit: k, arrival: Arrival{Offered: rate}, latency: newHistogram(), lateness: newHistogram()}
}

// add takes in a turn.
func (w *runner) add(pair int, a *arrivals) {
	w.latency.Merge(a.latency)
	w.lateness.Merge(a.lateness)
	w.arrival.Errors += a.errors
	w.arrival.Dropped += a.dropped
	w.arrival.Seconds += a.took.Seconds()
	w.arrival.Slices = append(w.arrival.Slices, a.slice(pair))
}

func (a *arrivals) slice(pair int) ArrivalSlice {
	return ArrivalSlice{
		Pair: pair, Seconds: a.took.Seconds(), Due: a.due, Answered: a.requests, Errors: a.errors, Latency: latencyOf(a.latency), Lateness: latencyOf(a.lateness),
	}
}

// punctual does a turn until the generator was not too late, but againAtMost times
// again at most, and gives the last one. Those before are kept apart.
func (w *runner) punctual(pair int, fraction float64, turn func() (*arrivals, error)) (*arrivals, error) {
	for again := 0; ; again++ {
		a, err := turn()
		if err != nil {
			return nil, err
		}
		if _, _, late := a.tooLate(fraction); !late || again == againAtMost {
			return a, nil
		}
		w.arrival.Late = append(w.arrival.Late, a.slice(pair))
	}
}

// sum computes the figures of all turns.
func (w *runner) sum() Arrival {
	w.arrival.Latency, w.arrival.Curve, w.arrival.Lateness = latencyOf(w.latency), curveOf(w.latency), latencyOf(w.lateness)
	if w.arrival.Seconds > 0 {
		w.arrival.Achieved = float64(w.arrival.Latency.Count) / w.arrival.Seconds
	}
	return w.arrival
}

// A generator that is late, at the 99th percentile, by more than latenessAllowed and
// by more than a tenth of the latency that it measured, measures itself.
const (
	latenessAllowed = time.Millisecond
	latenessShare   = 10
)

// judgedUpTo is the share of the peak up to which lateness makes a run invalid. Above
// it server and generator want more than the cores that they share.
const judgedUpTo = 0.8

// againAtMost is how often a turn is done again in which the generator was late: on a
// busy machine another process takes a core for a moment. What it measured has no part
// in that.
const againAtMost = 2

// tooLate reports whether the generator was, in a turn at a share of the peak.
func (a *arrivals) tooLate(fraction float64) (late, allowed time.Duration, is bool) {
	late, allowed = time.Duration(a.lateness.ValueAtPercentile(99)), max(latenessAllowed, time.Duration(a.latency.ValueAtPercentile(99)/latenessShare))
	return late, allowed, fraction <= judgedUpTo && late > allowed
}

// invalid says why the figures of a turn, at a share of the peak, are not what they
// say; "" is nothing.
func (a *arrivals) invalid(fraction float64) string {
	late, allowed, tooLate := a.tooLate(fraction)
	switch {
	case a.errors > 0:
		return fmt.Sprintf("%d of %d requests failed, the first with: %v", a.errors, a.due, a.firstError)
	case a.dropped > 0:
		return fmt.Sprintf("%d of %d requests were never sent", a.dropped, a.due)
	case a.due == 0:
		return "nothing was due"
	case tooLate:
		return fmt.Sprintf("the generator was late: p99 %s, allowed are %s", micros(float64(late.Nanoseconds())/1000), micros(float64(allowed.Nanoseconds())/1000))
	}
	return ""
}

// A course is a sweep to be made.
type course struct {
	scenario    *Scenario
	connections int
	peak        float64 // requests a second
	given       bool    // the peak is none, but a rate that somebody asked for
	limitPeak   float64
	fractions   []float64
	pairs       int
	length      time.Duration
	limit       *kit    // nil: there is none
	beside      *course // what goes on meanwhile, at its first fraction; nil: nothing
}

// sweep measures at each fraction of the peak, subject and limit in turns, and adds
// a Sweep.
func (r *run) sweep(ctx context.Context, name string, c course) error {
	sides := 1
	if c.limit != nil {
		sides = 2
	}
	shown := newStage(r.Words, name, "turns", int64(len(c.fractions)*c.pairs*sides))
	defer shown.end()
	pacers := 1
	if c.beside != nil {
		pacers = 2
	}
	defer roomForPacers(pacers)()
	result := Sweep{Scenario: c.scenario.Name, About: c.scenario.About, Unit: c.scenario.Unit, Connections: c.connections, Peak: c.peak, LimitPeak: c.limitPeak}
	if c.beside != nil {
		result.Beside = fmt.Sprintf("%s at %.0f %% of its peak", c.beside.scenario.Name, 100*c.beside.fractions[0])
	}
	for _, fraction := range c.fractions {
		rate := fraction * c.peak
		runners := []*runner{newRunner(c.scenario.Name, r.kit, rate)}
		if c.limit != nil {
			runners = append(runners, newRunner("bare handler", c.limit, rate))
		}
		share := fraction
		if c.given {
			share = 0
		}
		for pair := 1; pair <= c.pairs; pair++ {
			for n, w := range runners {
				var watched *recorder
				a, err := w.punctual(pair, share, func() (*arrivals, error) {
					watched = newRecorder(time.Now())
					watch := unwatched
					if n == 0 && pair == 1 {
						watch = watched.watch
					}
					return r.arriveBeside(ctx, w.kit, c, rate, pair, watch)
				})
				if err != nil {
					return err
				}
				if n == 0 && pair == 1 {
					line := watched.timeline(c.scenario)
					line.Scenario = fmt.Sprintf("%s at %.0f %% of its peak", c.scenario.Name, 100*fraction)
					line.offered(rate, c.scenario.shape, c.length)
					r.results.Timelines = append(r.results.Timelines, line)
				}
				if why := a.invalid(share); why != "" {
					r.problem("%s at %.0f %% of the peak, %s, pair %d: %s", name, 100*fraction, w.name, pair, why)
				}
				w.add(pair, a)
				shown.add(1)
			}
		}
		p := Point{Fraction: fraction, Subject: runners[0].sum()}
		if c.limit != nil {
			limit := runners[1].sum()
			p.Limit = &limit
			p.P99Ratio = latencyRatios(&p.Subject, p.Limit, func(l Latency) float64 { return l.P99 })
			p.P999Ratio = latencyRatios(&p.Subject, p.Limit, func(l Latency) float64 { return l.P999 })
		}
		result.Points = append(result.Points, p)
	}
	r.results.Sweeps = append(r.results.Sweeps, result)
	return nil
}

// arriveBeside lets the requests of a course come at a rate, while something else
// goes on.
func (r *run) arriveBeside(ctx context.Context, k *kit, c course, rate float64, pair int, watch watcher) (*arrivals, error) {
	load, err := k.arrive(c.scenario, rate, pair, c.connections, c.length, watch)
	if err != nil {
		return nil, err
	}
	b := c.beside
	if b == nil {
		return load(ctx)
	}
	other, err := r.kit.arrive(b.scenario, b.fractions[0]*b.peak, pair, b.connections, c.length, nil)
	if err != nil {
		return nil, err
	}
	var beside *arrivals
	var failed error
	var all sync.WaitGroup
	all.Go(func() { beside, failed = other(ctx) })
	a, err := load(ctx)
	all.Wait()
	if err := errors.Join(err, failed); err != nil {
		return nil, err
	}
	if beside.errors > 0 || beside.dropped > 0 {
		r.problem("%s beside %s: %s", b.scenario.Name, c.scenario.Name, beside.invalid(b.fractions[0]))
	}
	return a, nil
}

// latencyRatios are the subject's by the limit's, pair by pair.
func latencyRatios(subject, limit *Arrival, of func(Latency) float64) *Spread {
	var ratios []float64
	for i, s := range subject.Slices {
		if l := of(limit.Slices[i].Latency); l > 0 {
			ratios = append(ratios, of(s.Latency)/l)
		}
	}
	if len(ratios) == 0 {
		return nil
	}
	spread := spreadOf(ratios)
	return &spread
}

// offered notes what was due in each second.
func (t *Timeline) offered(rate float64, shape shape, length time.Duration) {
	for i := range t.Seconds {
		t.Seconds[i].Offered = rate * shape.at(min(1, (t.Seconds[i].T+0.5)/length.Seconds()))
	}
}
