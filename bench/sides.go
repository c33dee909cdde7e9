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
	row    Row
	hire   func() (worker, error)
	cpu    func() (time.Duration, bool)
	settle func(ctx context.Context, most time.Duration) time.Duration // nil: nothing goes on afterwards
}

// turn gives the machine to one side for a while, on new connections. Pair 0
// does not count.
func (s *side) turn(ctx context.Context, r *run, pair int, d time.Duration) error {
	workers, err := crew(r.Connections, s.hire)
	if err != nil {
		return fmt.Errorf("%s: %w", s.row.Name, err)
	}
	before, known := s.cpu()
	t, took, err := drive(ctx, workers, d, nil)
	if err != nil {
		return err
	}
	after, _ := s.cpu()
	slice := Slice{
		Pair: pair, Seconds: took.Seconds(), Requests: t.requests, Units: t.units, Errors: t.errors,
		PerSecond: float64(t.units) / took.Seconds(), Latency: latencyOf(t.latency),
	}
	if known {
		slice.CPUSeconds = (after - before).Seconds()
	}
	if s.settle != nil {
		slice.Settled = s.settle(ctx, settleAfterSlice).Seconds()
	}
	switch {
	case t.errors > 0:
		r.problem("%s, pair %d: %d of %d requests failed, the first with: %v", s.row.Name, pair, t.errors, t.errors+t.requests, t.firstError)
	case t.requests == 0:
		r.problem("%s, pair %d: nothing was done", s.row.Name, pair)
	case took < d:
		r.problem("%s, pair %d ended after %.1f s: %v", s.row.Name, pair, took.Seconds(), errUsedUp)
	}
	if pair > 0 {
		s.row.add(slice, t, after-before)
	}
	return nil
}

// sampled is how many answers the bare handler gives in turn: enough for their
// sizes to be as mixed as the daemon's.
const sampled = 256

// reads compares the daemon's answers with those of the bare handler.
func (r *run) reads(ctx context.Context) error {
	if err := r.startBare(ctx); err != nil {
		return err
	}
	hot := zipf(r.Waybills, zipfExponent, 1<<20)
	reading := func(addr string, choice func(seed uint64) func() int) func() (worker, error) {
		return func() (worker, error) { return newReader(addr, r.parcels, choice(r.seed())) }
	}
	all := func(seed uint64) func() int { return uniform(r.Waybills, seed) }
	hottest := func(seed uint64) func() int { return along(hot, seed) }

	cold := &side{row: Row{Name: "waytrace, any parcel", Unit: "requests"}, hire: reading(r.daemon.addr, all), cpu: r.daemon.cpu}
	bare := &side{row: Row{Name: "bare handler, same bytes", Unit: "requests"}, hire: reading(r.bare.addr, all), cpu: r.bare.cpu}
	warm := &side{row: Row{Name: "waytrace, hot parcels", Unit: "requests"}, hire: reading(r.daemon.addr, hottest), cpu: r.daemon.cpu}
	// Bare stands in the middle, next to both.
	sides := []*side{cold, bare, warm}

	shown := newStage(r.Words, "reads", "turns", int64(len(sides)*(r.Pairs+1)))
	defer shown.end()
	for pair := range r.Pairs + 1 {
		for _, s := range sides {
			d := r.ReadSlice
			if pair == 0 {
				d /= 3 // not counted: fills caches and grows buffers
			}
			if err := s.turn(ctx, r, pair, d); err != nil {
				return err
			}
			shown.add(1)
		}
	}
	bare.row.sum()
	for _, s := range []*side{cold, warm} {
		s.row.sum()
		s.row.hold(&bare.row)
	}
	r.results.Reads = []Row{cold.row, warm.row, bare.row}
	return nil
}

// startBare records answers of the daemon and starts the process that gives
// them again.
func (r *run) startBare(ctx context.Context) error {
	parcel := uniform(r.Waybills, 5)
	answers := make([]Recorded, sampled)
	for i := range answers {
		path := tracesPath + string(r.parcels.appendNumber(nil, parcel()))
		a, err := ask(r.daemon.addr, get(r.daemon.addr, path))
		if err != nil {
			return err
		}
		if answers[i], err = recorded(a); err != nil {
			return fmt.Errorf("GET %s: %w", path, err)
		}
	}
	file := filepath.Join(r.scratch, "answers.json")
	text, err := json.Marshal(answers)
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return err
	}
	r.bare, err = start(ctx, "bare handler", r.Command("bench", "--bare-handler", file))
	return err
}

// openLimit opens raw Pebble and loads it with as many events as the daemon.
func (r *run) openLimit(ctx context.Context) error {
	options, err := storeOptions(r.data())
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
	r.raw.settle(ctx, settleAfterLoad)
	return err
}

// writes compares durable pushes with raw commits of the same keys.
func (r *run) writes(ctx context.Context) error {
	type choice = func(dst []pick) []pick
	pushing := func(next func() choice) func() (worker, error) {
		return func() (worker, error) { return newPusher(r.daemon.addr, r.parcels, next()) }
	}
	committing := func(next func() choice) func() (worker, error) {
		return func() (worker, error) { return &committer{raw: r.raw, next: next()}, nil }
	}
	one := func(s *stock) func() choice {
		return func() choice { return s.onePush }
	}
	four := func(s *stock) func() choice {
		return func() choice {
			random := rand.New(rand.NewPCG(r.seed(), 6))
			return func(dst []pick) []pick { return s.setPush(dst, random) }
		}
	}
	self := func() (time.Duration, bool) { return cpuTime(os.Getpid()) }

	daemon := func(name string, hire func() (worker, error)) *side {
		return &side{row: Row{Name: "waytrace, " + name, Unit: "events"}, hire: hire, cpu: r.daemon.cpu, settle: r.daemon.settle}
	}
	raw := func(name string, hire func() (worker, error)) *side {
		return &side{row: Row{Name: "raw Pebble, " + name, Unit: "events"}, hire: hire, cpu: self, settle: r.raw.settle}
	}
	sides := []*side{
		daemon("a new parcel a push", pushing(one(r.stock))), raw("same keys", committing(one(r.raw.stock))),
		daemon("four of the set a push", pushing(four(r.stock))), raw("same keys again", committing(four(r.raw.stock))),
	}
	sync := newHistogram()
	shown := newStage(r.Words, "writes", "turns", int64(len(sides)*r.Pairs))
	defer shown.end()
	for pair := 1; pair <= r.Pairs; pair++ {
		if err := r.measureSync(ctx, sync); err != nil {
			return err
		}
		for _, s := range sides {
			if err := s.turn(ctx, r, pair, r.WriteSlice); err != nil {
				return err
			}
			shown.add(1)
		}
	}
	for i, s := range sides {
		s.row.sum()
		if i%2 == 1 {
			sides[i-1].row.hold(&s.row)
		}
	}
	for _, s := range sides {
		r.results.Writes = append(r.results.Writes, s.row)
	}
	r.results.Sync = latencyOf(sync)
	return nil
}

func (r *run) measureSync(ctx context.Context, h *hdrhistogram.Histogram) error {
	if _, err := measureSync(ctx, filepath.Join(r.scratch, "sync"), min(r.WriteSlice, time.Second), h); err != nil {
		return fmt.Errorf("append and fdatasync: %w", err)
	}
	return nil
}
