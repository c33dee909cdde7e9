// Package bench measures the daemon from outside, over HTTP, and holds each
// figure against the least that the same work costs on the same machine.
//
// [Run] is the suite: it starts a daemon, loads it with made-up parcels
// (texts.go), and lets it and its limits take turns (sides.go): reads against a
// bare handler that sends the same bytes (bare.go), durable writes against raw
// Pebble (calibrate.go); at fixed rates of arrival too (openloop.go). What it
// should reach stands in targets.go. [RunBig] measures what only much data, much
// time, or other databases show (big.go). [RunScenarios] runs single kinds of load
// (scenarios.go), also against a daemon that somebody else runs.
//
// [Results] go to people as a table and a page, and to machines as JSON.
package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Options say what to measure and how. Zero values have the defaults named, those
// in brackets for Quick.
type Options struct {
	Quick       bool          // a look in under three minutes
	Waybills    int           // that the daemon is loaded with, eight events each; 0 is 1,000,000 (100,000; 20,000 of somebody else's), the least is 100
	Connections int           // that ask at once, and writers of raw Pebble; 0 is 64
	Pairs       int           // how many turns each side gets; 0 is 3 (1)
	ReadSlice   time.Duration // length of a turn that reads; 0 is 4 s (1.5 s)
	WriteSlice  time.Duration // length of a turn that writes; 0 is 30 s (3 s)
	Seed        uint64        // of every choice; 0 is 1, or one of its own against somebody else's daemon

	Dir   string   // for the scratch directory, on the disk to be measured; made where it is missing; "" is the system's for temporary files
	Keep  bool     // leave the scratch directory there
	Serve []string // further flags of the daemon

	// Command makes a command of this program, with its arguments; nil is the
	// running binary. Run calls it with `serve` and with `bench handler`.
	Command func(args ...string) *exec.Cmd
	Version string    // of the program, for the report
	Words   io.Writer // what is going on, for people; nil is nowhere

	settling time.Duration // how long a side may go on working before the next has its turn; 0 is 5 s
}

func (o Options) withDefaults() (Options, error) {
	set := func(n *int, full, quick int) {
		if *n == 0 {
			*n = full
			if o.Quick {
				*n = quick
			}
		}
	}
	last := func(d *time.Duration, full, quick time.Duration) {
		if *d == 0 {
			*d = full
			if o.Quick {
				*d = quick
			}
		}
	}
	set(&o.Waybills, 1_000_000, 100_000)
	set(&o.Connections, 64, 64)
	set(&o.Pairs, 3, 1)
	last(&o.ReadSlice, 4*time.Second, 1500*time.Millisecond)
	last(&o.WriteSlice, 30*time.Second, 3*time.Second)
	last(&o.settling, 5*time.Second, 5*time.Second)
	if o.Seed == 0 {
		o.Seed = 1
	}
	if o.Words == nil {
		o.Words = io.Discard
	}
	if o.Command == nil {
		self, err := os.Executable()
		if err != nil {
			return o, fmt.Errorf("find the running program: %w", err)
		}
		o.Command = func(args ...string) *exec.Cmd { return exec.Command(self, args...) }
	}
	switch {
	case o.Waybills < 100:
		return o, fmt.Errorf("%d waybills are too few to be asked for at random: take 100 or more", o.Waybills)
	case o.Connections < 1 || o.Pairs < 1 || o.ReadSlice < 0 || o.WriteSlice < 0:
		return o, errors.New("connections, pairs and slices are at least 1")
	}
	return o, nil
}

// zipfExponent is how uneven the hot reads are.
const zipfExponent = 0.99

// Run measures the whole suite. It returns an error when it could not: then there
// are no results. Results can be there and not be valid; see Problems. When ctx
// ends, it stops early with ctx's error. The processes that it started have ended
// and the scratch directory is gone when it returns.
func Run(ctx context.Context, o Options) (*Results, error) {
	mode := ModeFull
	if o.Quick {
		mode = ModeQuick
	}
	return carryOut(ctx, o, mode, method, func(r *run) []step {
		return []step{
			// Each part that pushes begins with the set as it was loaded.
			r.startDaemon, r.load, r.disk, r.reads, r.arrivals, r.withoutCache, r.save,
			r.openLimit, r.writes, r.anew, r.acknowledged, r.anew, r.besides, r.anew, r.others, r.anew, r.restarted, r.slowSync, r.finish,
		}
	})
}

// A step is one part of a run.
type step = func(ctx context.Context) error

// carryOut makes a run of steps.
func carryOut(ctx context.Context, o Options, mode Mode, method []string, steps func(r *run) []step) (results *Results, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			return nil, fmt.Errorf("scratch directory: %w", err)
		}
	}
	scratch, err := os.MkdirTemp(o.Dir, "waytrace-bench-")
	if err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	began := time.Now()
	r := &run{Options: o, scratch: scratch, parcels: newParcels(o.Waybills, began, o.Seed)}
	r.results = Results{
		Schema:  schema,
		Version: o.Version,
		Began:   began.UTC().Truncate(time.Second),
		Mode:    mode,
		Settings: Settings{
			Waybills: o.Waybills, EventsEach: eventsLoaded, EventsOfPush: eventsOfPush,
			Connections: o.Connections, Pairs: o.Pairs, Seed: o.Seed,
			ReadSeconds: o.ReadSlice.Seconds(), WriteSeconds: o.WriteSlice.Seconds(), ZipfExponent: zipfExponent,
			Sides: []SideSettings{ownSettings()},
		},
		Machine:  inspect(scratch),
		Problems: []string{},
		Method:   method,
	}
	defer func() {
		// The interrupt of a terminal reaches the servers too: how they end says nothing then.
		if closing := r.close(); ctx.Err() == nil {
			err = errors.Join(err, closing)
		}
	}()
	for _, step := range steps(r) {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	switch mode {
	case ModeFull, ModeQuick:
		r.results.judge()
	case ModeBig:
		r.results.judge()
		r.results.Targets = slices.DeleteFunc(r.results.Targets, func(t Target) bool { return t.Run != bigRun })
	}
	r.results.Seconds = time.Since(began).Seconds()
	return &r.results, nil
}

// A run is what Run holds on to.
type run struct {
	Options
	results Results
	scratch string
	parcels *parcels

	daemon   *daemon // its own; nil is somebody else's
	sites    []*site // of a big run, whose large one's daemon that is
	kit      *kit    // for the daemon
	bares    []*child
	raw      *rawStore
	bare     *kit    // of the bare handler that answers with traces
	readPeak float64 // of hot traces, requests a second in a closed loop
	pushPeak float64 // pushes of ten events a second
	closed   sync.Once
}

// close ends everything that was started.
func (r *run) close() (err error) {
	r.closed.Do(func() {
		for _, c := range r.bares {
			err = errors.Join(err, c.stop())
		}
		if r.daemon != nil {
			err = errors.Join(err, r.daemon.stop())
		}
		for _, st := range r.sites {
			err = errors.Join(err, st.daemon.stop())
		}
		if r.raw != nil {
			err = errors.Join(err, r.raw.close())
		}
		err = errors.Join(err, r.clear())
	})
	return err
}

func (r *run) clear() error {
	if r.Keep {
		fmt.Fprintf(r.Words, "the stores were left in %s\n", r.scratch)
		return nil
	}
	return os.RemoveAll(r.scratch)
}

// fatal is for raw Pebble, which cannot go on after a failed write (most often a
// full disk) and whose goroutines must not either.
func (r *run) fatal(message string) {
	r.closed.Do(func() {
		for _, c := range r.bares {
			c.stop()
		}
		if r.daemon != nil {
			r.daemon.stop()
		}
		r.clear()
	})
	fmt.Fprintf(os.Stderr, "bench: %s; is there room where --dir points?\n", message)
	os.Exit(1)
}

// problem notes what makes the run invalid.
func (r *run) problem(format string, args ...any) {
	r.results.Problems = append(r.results.Problems, fmt.Sprintf(format, args...))
}

// startDaemon starts the daemon to be measured.
func (r *run) startDaemon(ctx context.Context) (err error) {
	if r.results.Machine.inMemory() {
		r.problem("the scratch directory is %s, in memory, where durable means nothing: name one on a disk with --dir", r.results.Machine.Disk)
	}
	r.daemon = &daemon{command: r.Command, data: filepath.Join(r.scratch, "data"), flags: r.Serve}
	if err := r.daemon.start(ctx); err != nil {
		return err
	}
	settings, err := r.daemon.settings(ctx)
	if err != nil {
		return err
	}
	r.results.Settings.Sides = append(r.results.Settings.Sides, settings)
	r.kit = newKit(at(r.daemon.addr), r.parcels, newStock(r.parcels), r.Seed)
	return nil
}

// load fills the daemon, waits until it has settled, and looks whether it has
// what it acknowledged.
func (r *run) load(ctx context.Context) error {
	workers, err := crew(r.Connections, func() (worker, error) {
		return newClient(r.kit.to, r.kit.pusher(&dialects.sfJSON, r.kit.stock.load))
	})
	if err != nil {
		return err
	}
	shown := newStage(r.Words, "load", "events", int64(r.Waybills)*eventsLoaded)
	t, took, err := drive(ctx, workers, 0, shown.watch)
	shown.end()
	switch {
	case err != nil:
		return err
	case t.errors > 0:
		return fmt.Errorf("load: %d of %d pushes failed, the first with: %w", t.errors, t.errors+t.requests, t.firstError)
	}
	r.results.Load = Load{
		Events: t.units, Seconds: took.Seconds(), PerSecond: float64(t.units) / took.Seconds(), Latency: latencyOf(t.latency),
	}
	if r.daemon != nil {
		r.results.Load.Settled = r.daemon.settle(ctx, 3*r.settling).Seconds()
		if err := r.daemon.scanned(ctx); err != nil {
			return err
		}
		r.remember("after loading")
	}
	return r.check()
}

// check asks for some parcels and counts their events: the figures are worth
// nothing when acknowledged events are not there.
func (r *run) check() error { return r.checkKit(r.kit) }

// checkKit asks the server of a kit.
func (r *run) checkKit(k *kit) error {
	c := &conn{to: k.to}
	defer c.close()
	asked, wrong, first := 0, 0, ""
	count := func(number string, want int) error {
		a, err := c.do(c.to.get(tracesPath+number), time.Now())
		if err != nil {
			return err
		}
		var trace struct{ Events []json.RawMessage }
		if a.Status == 200 {
			if err := json.Unmarshal(a.Body, &trace); err != nil {
				return fmt.Errorf("GET %s%s: %w", tracesPath, number, err)
			}
		}
		asked++
		if got := len(trace.Events); got != want {
			if wrong++; wrong == 1 {
				first = fmt.Sprintf("%s has %d (status %d), want %d", number, got, a.Status, want)
			}
		}
		return nil
	}
	old := uniform(k.parcels.set, 3)
	for range 200 {
		i := old()
		if err := count(string(k.parcels.appendNumber(nil, i)), int(k.stock.told[i].Load())); err != nil {
			return err
		}
	}
	if fresh := int(k.stock.fresh.Load()); fresh > 0 {
		late := uniform(fresh, 4)
		for range 50 {
			if err := count(string(k.parcels.appendNumber(nil, k.parcels.set+late())), eventsOfNew); err != nil {
				return err
			}
		}
	}
	for d, list := range k.heard.last {
		if err := count(string(d.number(k.parcels, nil, list[0].parcel)), len(list)); err != nil {
			return err
		}
	}
	if wrong > 0 {
		r.problem("%d of %d parcels asked for have not the events that they were pushed, the first: %s", wrong, asked, first)
	}
	return nil
}

// finish looks whether everything acknowledged is there, stops the daemon, and
// measures its directory.
func (r *run) finish(ctx context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.daemon == nil {
		return nil
	}
	r.remember("at the end")
	d := r.daemon
	r.daemon = nil
	if err := d.stop(); err != nil {
		r.problem("%v", err)
	}
	directory, err := measure(d.data, r.kit.stock.given.Load())
	directory.Compacted = r.results.Directory.Compacted
	r.results.Directory = directory
	return err
}
