// Package bench measures the daemon from outside, over HTTP, and holds each
// figure against the least that the same work costs on the same machine.
//
// [Run] starts a daemon, loads it with made-up parcels (texts.go), and lets it
// and its limits take turns in one run: reads against a bare handler that sends
// the same bytes (bare.go), durable writes against raw Pebble (calibrate.go).
// [Results] go to people as a table (report.go) and to machines as JSON.
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
	"sync"
	"time"
)

// Options say what to measure and how. Zero values have the defaults named.
type Options struct {
	Waybills    int           // that the daemon is loaded with, eight events each; 0 is 200,000, the least is 100
	Connections int           // that ask at once, and writers of raw Pebble; 0 is 64
	Pairs       int           // how many turns each side gets; 0 is 3
	ReadSlice   time.Duration // length of a turn that reads; 0 is 3 s
	WriteSlice  time.Duration // length of a turn that writes; 0 is 5 s

	Dir  string // for the scratch directory, on the disk to be measured; made where it is missing; "" is the system's for temporary files
	Keep bool   // leave the scratch directory there

	// Command makes a command of this program, with its arguments; nil is the
	// running binary. Run calls it with `serve` and with `bench --bare-handler`.
	Command func(args ...string) *exec.Cmd
	Version string    // of the program, for the report
	Words   io.Writer // what is going on, for people; nil is nowhere
}

func (o Options) withDefaults() (Options, error) {
	set := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	set(&o.Waybills, 200_000)
	set(&o.Connections, 64)
	set(&o.Pairs, 3)
	if o.ReadSlice == 0 {
		o.ReadSlice = 3 * time.Second
	}
	if o.WriteSlice == 0 {
		o.WriteSlice = 5 * time.Second
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

// How long a side may go on compacting before the next has its turn.
const (
	settleAfterLoad  = 15 * time.Second
	settleAfterSlice = 5 * time.Second
)

// Run measures. It returns an error when it could not: then there are no
// results. Results can be there and not be valid; see Problems. When ctx ends,
// it stops early with ctx's error. The processes that it started have ended and
// the scratch directory is gone when it returns.
func Run(ctx context.Context, o Options) (results *Results, err error) {
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
	r := &run{Options: o, scratch: scratch, parcels: newParcels(o.Waybills, began)}
	r.results = Results{
		Schema:  1,
		Version: o.Version,
		Began:   began.UTC().Truncate(time.Second),
		Settings: Settings{
			Waybills: o.Waybills, EventsEach: eventsLoaded, EventsOfPush: eventsOfPush,
			Connections: o.Connections, Pairs: o.Pairs,
			ReadSeconds: o.ReadSlice.Seconds(), WriteSeconds: o.WriteSlice.Seconds(), ZipfExponent: zipfExponent,
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

	for _, step := range []func(context.Context) error{
		r.startDaemon, r.load, r.reads, r.openLimit, r.writes, r.finish,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
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
	stock   *stock // of the daemon

	daemon *child
	bare   *child
	raw    *rawStore
	seeds  uint64
	closed sync.Once
}

// seed is another one each time: a worker that chose as the one of the turn
// before did would ask for what is in the caches.
func (r *run) seed() uint64 {
	r.seeds++
	return r.seeds
}

// close ends everything that was started.
func (r *run) close() (err error) {
	r.closed.Do(func() {
		for _, c := range []*child{r.bare, r.daemon} {
			if c != nil {
				err = errors.Join(err, c.stop())
			}
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
		for _, c := range []*child{r.bare, r.daemon} {
			if c != nil {
				c.stop()
			}
		}
		r.clear()
	})
	fmt.Fprintf(os.Stderr, "bench: %s; is there room where --dir points?\n", message)
	os.Exit(1)
}

func (r *run) data() string { return filepath.Join(r.scratch, "data") }

// problem notes what makes the run invalid.
func (r *run) problem(format string, args ...any) {
	r.results.Problems = append(r.results.Problems, fmt.Sprintf(format, args...))
}

func (r *run) startDaemon(ctx context.Context) (err error) {
	if r.results.Machine.inMemory() {
		r.problem("the scratch directory is %s, in memory, where durable means nothing: name one on a disk with --dir", r.results.Machine.Disk)
	}
	r.daemon, err = start(ctx, "daemon", r.Command("serve",
		"--data", r.data(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"))
	return err
}

// load fills the daemon, waits until it has settled, and looks whether it has
// what it acknowledged.
func (r *run) load(ctx context.Context) error {
	r.stock = newStock(r.parcels)
	workers, err := crew(r.Connections, func() (worker, error) {
		return newPusher(r.daemon.addr, r.parcels, r.stock.load)
	})
	if err != nil {
		return err
	}
	shown := newStage(r.Words, "load", "events", int64(r.Waybills)*eventsLoaded)
	t, took, err := drive(ctx, workers, 0, shown.add)
	shown.end()
	switch {
	case err != nil:
		return err
	case t.errors > 0:
		return fmt.Errorf("load: %d of %d pushes failed, the first with: %w", t.errors, t.errors+t.requests, t.firstError)
	}
	r.results.Load = Load{
		Events: t.units, Seconds: took.Seconds(), PerSecond: float64(t.units) / took.Seconds(), Latency: latencyOf(t.latency),
		Settled: r.daemon.settle(ctx, settleAfterLoad).Seconds(),
	}
	return r.check()
}

// check asks for some parcels and counts their events: the figures are worth
// nothing when acknowledged events are not there.
func (r *run) check() error {
	c := &conn{addr: r.daemon.addr}
	defer c.close()
	asked, wrong, first := 0, 0, ""
	count := func(i, want int) error {
		number := string(r.parcels.appendNumber(nil, i))
		a, err := c.do(get(c.addr, tracesPath+number), time.Now())
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
	old := uniform(r.Waybills, 3)
	for range 200 {
		i := old()
		if err := count(i, int(r.stock.told[i].Load())); err != nil {
			return err
		}
	}
	if fresh := int(r.stock.fresh.Load()); fresh > 0 {
		late := uniform(fresh, 4)
		for range 50 {
			if err := count(r.Waybills+late(), eventsOfNew); err != nil {
				return err
			}
		}
	}
	if wrong > 0 {
		r.problem("%d of %d parcels asked for have not the events that they were pushed, the first: %s", wrong, asked, first)
	}
	return nil
}

// finish looks whether everything acknowledged is there, stops the daemon, and
// measures its directory.
func (r *run) finish(context.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	daemon := r.daemon
	r.daemon = nil
	if err := daemon.stop(); err != nil {
		r.problem("%v", err)
	}
	events := r.results.Load.Events
	for i := range r.results.Writes {
		if i%2 == 0 { // the daemon's
			events += r.results.Writes[i].units
		}
	}
	var err error
	r.results.Directory, err = measure(r.data(), events)
	return err
}
