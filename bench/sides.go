package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A side is one row of a comparison at work.
type side struct {
	row     Row
	limit   *side // that it is held against; nil is none
	hire    func() ([]worker, error)
	cpu     func() (time.Duration, bool)
	mallocs func() (float64, bool) // nil: not asked
	// Of sides that write: how long it goes on working, and how many bytes wait to be
	// compacted.
	settle func(ctx context.Context, most time.Duration) time.Duration
	debt   func() (bytes int64, busy bool)
}

// allowedDebt is how much may wait to be compacted when a turn that writes is over;
// what it takes to get there is charged to the turn.
const (
	allowedDebt = 256 << 20
	debtWithin  = 3 * time.Minute
)

// turn gives the machine to one side for a while, on new connections. Pair 0
// does not count.
func (s *side) turn(ctx context.Context, r *run, pair int, d time.Duration) error {
	workers, err := s.hire()
	if err != nil {
		return fmt.Errorf("%s: %w", s.row.Name, err)
	}
	if s.debt != nil {
		payBack(ctx, s.debt) // what others left
	}
	s.row.Connections = len(workers)
	idle, counted := s.unasked()
	before, known := s.cpu()
	t, took, err := drive(ctx, workers, d, unwatched)
	if err != nil {
		return err
	}
	after, _ := s.cpu()
	slice := Slice{Pair: pair, Seconds: took.Seconds(), Requests: t.requests, Units: t.units, Errors: t.errors, Latency: latencyOf(t.latency)}
	if known {
		slice.CPUSeconds = (after - before).Seconds()
	}
	if counted {
		now, ok := s.mallocs()
		slice.Mallocs, s.row.counted = max(0, now-idle), ok
	}
	if s.debt != nil {
		slice.DebtBytes, _ = s.debt()
		slice.DebtSeconds = payBack(ctx, s.debt).Seconds()
		slice.Settled = s.settle(ctx, r.settling).Seconds()
	}
	slice.PerSecond = float64(t.units) / (slice.Seconds + slice.DebtSeconds)
	switch {
	case t.errors > 0:
		r.problem("%s, pair %d: %d of %d requests failed, the first with: %v", s.row.Name, pair, t.errors, t.errors+t.requests, t.firstError)
	case t.requests == 0 && pair > 0:
		r.problem("%s, pair %d: nothing was done", s.row.Name, pair)
	case took < d:
		r.problem("%s, pair %d ended after %.1f s: %v", s.row.Name, pair, took.Seconds(), errUsedUp)
	case slice.DebtSeconds >= debtWithin.Seconds():
		r.problem("%s, pair %d left more to compact than was done within %s", s.row.Name, pair, debtWithin)
	}
	if pair > 0 {
		s.row.add(slice, t, after-before)
	}
	return ctx.Err()
}

// unasked is what the count of allocations will be when it is asked for next, if
// nothing but that happens meanwhile: being asked costs some.
func (s *side) unasked() (float64, bool) {
	if s.mallocs == nil {
		return 0, false
	}
	first, ok1 := s.mallocs()
	second, ok2 := s.mallocs()
	return second + (second - first), ok1 && ok2
}

// payBack waits until the debt is small, or nobody works on it: of what lies in the
// upper levels some counts as debt that is not compacted before more comes. It
// returns how long the work went on.
func payBack(ctx context.Context, debt func() (bytes int64, busy bool)) (took time.Duration) {
	began := time.Now()
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for quiet := 0; quiet < 3 && took < debtWithin; {
		bytes, busy := debt()
		if bytes <= allowedDebt {
			return took
		}
		select {
		case <-ctx.Done():
			return took
		case <-ticks.C:
		}
		quiet++
		if busy {
			quiet, took = 0, time.Since(began)
		}
	}
	return took
}

// compare lets sides take turns, and adds their rows as a group. warm is the length
// of a turn before, which does not count: it fills caches and grows buffers.
func (r *run) compare(ctx context.Context, g Group, sides []*side, pairs int, d, warm time.Duration) error {
	first := 1
	if warm > 0 {
		first = 0
	}
	shown := newStage(r.Words, g.Name, "turns", int64(len(sides)*(pairs+1-first)))
	defer shown.end()
	for pair := first; pair <= pairs; pair++ {
		length := d
		if pair == 0 {
			length = warm
		}
		for _, s := range sides {
			if err := s.turn(ctx, r, pair, length); err != nil {
				return err
			}
			shown.add(1)
		}
	}
	for _, s := range sides {
		s.row.sum()
	}
	for _, s := range sides {
		if s.limit != nil {
			s.row.hold(&s.limit.row)
		}
		g.Rows = append(g.Rows, s.row)
	}
	r.results.Groups = append(r.results.Groups, g)
	return nil
}

// ours is the daemon's side of a scenario.
func (r *run) ours(name string, s *Scenario, connections int) *side {
	return r.sideOf(r.daemon, r.kit, name, s, connections)
}

// sideOf is a server's side of a scenario. d is nil where the server is no daemon of
// our own.
func (r *run) sideOf(d *daemon, k *kit, name string, s *Scenario, connections int) *side {
	made := &side{
		row:  Row{Name: name, Scenario: s.Name, Unit: s.Unit},
		hire: func() ([]worker, error) { return k.clients(s, connections) },
		cpu:  func() (time.Duration, bool) { return 0, false },
	}
	if d != nil {
		// Of the process that runs when they are asked: it may be another one by then.
		made.cpu = func() (time.Duration, bool) { return d.cpu() }
		made.mallocs = d.mallocs
		if s.Writes {
			made.settle = func(ctx context.Context, most time.Duration) time.Duration { return d.settle(ctx, most) }
			made.debt = d.debt
		}
	}
	return made
}

// limitOf is the bare handler's side of a scenario. It starts the handler with
// answers that the daemon gives to the same requests.
func (r *run) limitOf(ctx context.Context, name string, s *Scenario, connections int) (*side, *kit, error) {
	c, err := r.startBare(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	k := r.kit.beside(at(c.addr))
	return &side{
		row:  Row{Name: name, Scenario: s.Name, Unit: s.Unit},
		hire: func() ([]worker, error) { return k.clients(s, connections) },
		cpu:  c.cpu,
	}, k, nil
}

// The bare handler gives 256 answers in turn, enough for their sizes to be as mixed as
// the daemon's, or fewer where they are large, as those to batches are.
const (
	sampled      = 256
	sampledBytes = 8 << 20
)

// startBare records answers of the daemon and starts the process that gives
// them again.
func (r *run) startBare(ctx context.Context, s *Scenario) (*child, error) {
	made, err := r.kit.makers(s, 1)
	if err != nil {
		return nil, err
	}
	one := &conn{to: r.kit.to}
	defer one.close()
	var answers []Recorded
	for size := 0; len(answers) < sampled && size < sampledBytes; {
		requests, n := made[0].next()
		err := one.ask(requests, n, time.Now(), func(a answer) error {
			answers = append(answers, recorded(a))
			size += len(a.Body)
			_, _, err := made[0].judge(a)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("record answers: %w", err)
		}
	}
	file := filepath.Join(r.scratch, fmt.Sprintf("answers-%d.json", len(r.bares)))
	text, err := json.Marshal(answers)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	c, err := start(ctx, "bare handler", r.Command("bench", "handler", file))
	if err != nil {
		return nil, err
	}
	r.bares = append(r.bares, c)
	if len(r.bares) == 1 {
		own := ownSettings()
		own.Name, own.Text = "bare handler", "the daemon's server with a handler that gives recorded answers in turn"
		r.results.Settings.Sides = append(r.results.Settings.Sides, own)
	}
	return c, nil
}

// rawSide is raw Pebble's side of a scenario: groups of as many events.
func (r *run) rawSide(name, scenario string, next func() func(dst []pick) []pick, connections int) *side {
	return &side{
		row: Row{Name: name, Scenario: scenario, Unit: "events"},
		hire: func() ([]worker, error) {
			return crew(connections, func() (worker, error) { return &committer{raw: r.raw, next: next()}, nil })
		},
		cpu:    func() (time.Duration, bool) { return cpuTime(os.Getpid()) },
		settle: r.raw.settle, debt: r.raw.debt,
	}
}

// random makes choices of raw Pebble's stock, each worker by its own chance.
func (r *run) random(share []int) func() func(dst []pick) []pick {
	n := r.Seed
	return func() func(dst []pick) []pick {
		n++
		random := rand.New(rand.NewPCG(mix(n), 6))
		return func(dst []pick) []pick { return r.raw.stock.setPush(dst, random, share) }
	}
}

// openLimit opens raw Pebble and loads it with as many events as the daemon.
func (r *run) openLimit(ctx context.Context) error {
	options, err := storeOptions(r.daemon.data)
	if err != nil {
		return err
	}
	r.results.Settings.PebbleOptions = options
	if r.raw, err = openRaw(filepath.Join(r.scratch, "raw"), options, r.parcels, r.fatal); err != nil {
		return err
	}
	shown := newStage(r.Words, "raw Pebble", "events", int64(r.Waybills)*eventsLoaded)
	err = r.raw.load(ctx, shown.add)
	shown.end()
	r.raw.settle(ctx, 3*r.settling)
	return err
}

func (r *run) measureSync(ctx context.Context, h *hdrhistogram.Histogram) error {
	if _, err := measureSync(ctx, filepath.Join(r.scratch, "sync"), min(r.WriteSlice, 3*time.Second), h); err != nil {
		return fmt.Errorf("append and fdatasync: %w", err)
	}
	return nil
}
