package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"
)

// manyConnections is the other number of connections that rows are measured at.
const manyConnections = 256

// The names of rows by which targets find them.
const (
	rowHot         = "hot traces"
	rowUniform     = "uniform traces"
	rowStatus      = "status"
	rowUnknown     = "unknown numbers"
	rowBatch       = "batch of 100"
	rowBareTraces  = "bare handler, traces"
	rowBareStatus  = "bare handler, status"
	rowBareUnknown = "bare handler, unknown"

	rowUncached     = "uniform traces, rendered cache off"
	rowBareUncached = "bare handler, the same traces"

	rowNew       = "pushes of one new parcel"
	rowFour      = "pushes of four parcels"
	rowTen       = "pushes of ten parcels"
	rowForty     = "pushes of 100 events, 40 parcels"
	rowRawNew    = "raw Pebble, keys in the same order"
	rowRawRandom = "raw Pebble, random keys"
	rowRaw100    = "raw Pebble, random keys, groups of 100"
	rowResend    = "pushes of known events"
	rowFirst     = "pushes of four parcels, beside repeats"

	rowSlowSync = "pushes of four parcels, every sync 2 ms longer"
	rowFastSync = "pushes of four parcels, syncs as they are"
)

func at256(name string) string { return fmt.Sprintf("%s, %d connections", name, manyConnections) }

// batchShare is how many connections that ask for one parcel stand for one that asks for
// a hundred.
const batchShare = 4

// reads compares the daemon's answers with those of the bare handler.
func (r *run) reads(ctx context.Context) error {
	hot := must("get-hot")
	bareTraces, k, err := r.limitOf(ctx, rowBareTraces, must("get-uniform"), r.Connections)
	if err != nil {
		return err
	}
	r.bare = k
	bareStatus, _, err := r.limitOf(ctx, rowBareStatus, must("status"), r.Connections)
	if err != nil {
		return err
	}
	bareUnknown, _, err := r.limitOf(ctx, rowBareUnknown, must("get-404"), r.Connections)
	if err != nil {
		return err
	}
	held := func(limit *side, name, scenario string, connections int) *side {
		s := r.ours(name, must(scenario), connections)
		s.limit = limit
		return s
	}
	hotSide := held(bareTraces, rowHot, hot.Name, r.Connections)
	if err := r.askForAll(ctx, "ask for each status once", statusPath); err != nil {
		return err
	}
	if err := r.askForAll(ctx, "ask for each trace once", tracesPath); err != nil {
		return err
	}
	// Each side stands next to its limit.
	err = r.compare(ctx, Group{Name: "Reads", About: fmt.Sprintf("closed loop, %d connections", r.Connections)}, []*side{
		held(bareTraces, rowUniform, "get-uniform", r.Connections), bareTraces, hotSide,
		// Each connection has a hundred questions under way.
		held(hotSide, rowBatch, "batch-100", max(1, r.Connections/batchShare)),
		held(bareStatus, rowStatus, "status", r.Connections), bareStatus,
		bareUnknown, held(bareUnknown, rowUnknown, "get-404", r.Connections),
	}, r.Pairs, r.ReadSlice, r.ReadSlice/4)
	if err != nil {
		return err
	}
	r.readPeak = r.results.row(rowHot).PerSecond.Median
	r.remember("after reading")
	if r.Quick || r.Connections == manyConnections {
		return nil
	}
	many := func(name string, s *side, limit *side) *side {
		scenario := must(s.row.Scenario)
		other := &side{row: Row{Name: at256(name), Scenario: s.row.Scenario, Unit: s.row.Unit}, limit: limit, cpu: s.cpu, mallocs: s.mallocs}
		from := r.kit
		if s == bareTraces {
			from = r.bare
		}
		other.hire = func() ([]worker, error) { return from.clients(scenario, manyConnections) }
		return other
	}
	bareMany := many(rowBareTraces, bareTraces, nil)
	uniformSide := r.ours(rowUniform, must("get-uniform"), manyConnections)
	return r.compare(ctx, Group{Name: "Reads by many", About: fmt.Sprintf("closed loop, %d connections", manyConnections)}, []*side{
		many(rowUniform, uniformSide, bareMany), bareMany, many(rowHot, hotSide, bareMany),
	}, r.Pairs, r.ReadSlice, r.ReadSlice/4)
}

// askForAll asks for each trace of the set once, unmeasured: rows that read are of a
// daemon that has been up for a while.
func (r *run) askForAll(ctx context.Context, name, path string) error {
	shown := newStage(r.Words, name, "answers", int64(r.Waybills))
	defer shown.end()
	return r.kit.askEach(ctx, path, r.Connections, shown.watch)
}

// sweepFractions are the rates of a sweep, as shares of the peak.
func (r *run) sweepFractions() []float64 {
	if r.Quick {
		return []float64{0.5, 0.8}
	}
	return []float64{0.25, 0.5, 0.7, 0.8, 0.9}
}

// arrivals lets hot reads come at rates, beside the bare handler at the same.
func (r *run) arrivals(ctx context.Context) error {
	return r.sweep(ctx, "Arrivals, reads", course{
		scenario: must("get-hot"), connections: r.Connections, peak: r.readPeak, limitPeak: r.results.row(rowBareTraces).PerSecond.Median,
		fractions: r.sweepFractions(), pairs: r.Pairs, length: r.ReadSlice, limit: r.bare,
	})
}

// disk compacts all there is and measures what an event takes, before anything but
// the set is stored.
func (r *run) disk(ctx context.Context) error {
	if done, err := r.daemon.compact(ctx); !done || err != nil {
		return err // where it cannot be asked to, the target says that it was not run
	}
	status, err := ask(r.daemon.admin, r.daemon.admin.get("/status"))
	if err != nil {
		return err
	}
	var said struct {
		Store struct {
			Tables int64 `json:"tables_bytes"` // without the feed
			Feed   int64 `json:"feed_tables_bytes"`
		} `json:"store"`
	}
	if err := json.Unmarshal(status.Body, &said); err != nil {
		return fmt.Errorf("status of the daemon: %w", err)
	}
	if events := float64(r.results.Load.Events); said.Store.Tables > 0 {
		r.results.Directory.Compacted = &Compacted{
			Events: r.results.Load.Events, EventsPerTrace: eventsLoaded,
			PerEvent: float64(said.Store.Tables) / events, FeedPerEvent: float64(said.Store.Feed) / events,
		}
	}
	return ctx.Err()
}

// writes compares durable pushes with raw commits of the same keys.
func (r *run) writes(ctx context.Context) error {
	rawNew := r.rawSide(rowRawNew, "push-10-new", func() func([]pick) []pick { return r.raw.stock.onePush }, r.Connections)
	rawRandom := r.rawSide(rowRawRandom, "push-10-json", r.random(shareOfFour), r.Connections)
	raw100 := r.rawSide(rowRaw100, "push-100-json", r.random(shareOf40), r.Connections)
	held := func(limit *side, name, scenario string) *side {
		s := r.ours(name, must(scenario), r.Connections)
		s.limit = limit
		return s
	}
	sync := newHistogram()
	if err := r.measureSync(ctx, sync); err != nil {
		return err
	}
	err := r.compare(ctx, Group{Name: "Durable writes", About: fmt.Sprintf("closed loop, %d connections, each push answered after the sync", r.Connections), Writes: true}, []*side{
		held(rawNew, rowNew, "push-10-new"), rawNew,
		held(rawRandom, rowFour, "push-10-json"), rawRandom, held(rawRandom, rowTen, "push-10-spread"),
		raw100, held(raw100, rowForty, "push-100-json"),
	}, r.Pairs, r.WriteSlice, 0)
	if err != nil {
		return err
	}
	if err := r.measureSync(ctx, sync); err != nil {
		return err
	}
	r.results.Calibration.Sync = latencyOf(sync)
	r.pushPeak = r.results.row(rowFour).PerSecond.Median / eventsOfPush
	r.remember("after writing")

	first, again := r.ours(rowFirst, must("push-10-json"), r.Connections), r.ours(rowResend, must("resend"), r.Connections)
	again.limit = first
	err = r.compare(ctx, Group{Name: "Repeats", About: "pushes of known events beside first ones", Writes: true},
		[]*side{first, again}, r.Pairs, r.WriteSlice, 0)
	if err != nil {
		return err
	}
	return r.calibrate(ctx)
}

// calibrate measures what else the machine can do: raw Pebble's Get, and a handler
// that takes pushes and does nothing.
func (r *run) calibrate(ctx context.Context) error {
	barePost, _, err := r.limitOf(ctx, "bare handler, pushes", must("resend"), r.Connections)
	if err != nil {
		return err
	}
	seed := r.Seed
	get := &side{
		row: Row{Name: "raw Pebble, Get", Unit: "events"},
		cpu: func() (time.Duration, bool) { return 0, false },
		hire: func() ([]worker, error) {
			// Nobody waits for anything here: more would only stand in each other's way.
			return crew(2*runtime.GOMAXPROCS(0), func() (worker, error) {
				seed++
				random := rand.New(rand.NewPCG(seed, 9))
				return &asker{raw: r.raw, pick: func() int { return random.IntN(r.Waybills * eventsLoaded) }}, nil
			})
		},
	}
	if err := r.compare(ctx, Group{Name: "Calibration", About: "what else the machine can do"}, []*side{barePost, get}, r.Pairs, r.ReadSlice, 0); err != nil {
		return err
	}
	last := len(r.results.Groups) - 1
	r.results.Calibration.Rows = append(r.results.Groups[last].Rows, *r.results.row(rowBareTraces))
	r.results.Groups = r.results.Groups[:last]
	return nil
}

// acknowledged lets pushes come at rates, shares of what they can be sustained at: with
// what they leave to compact.
func (r *run) acknowledged(ctx context.Context) error {
	fractions := r.sweepFractions()
	if !r.Quick {
		fractions = []float64{0.25, 0.5, 0.8}
	}
	return r.sweep(ctx, "Arrivals, pushes", course{
		scenario: must("push-10-json"), connections: r.Connections, peak: r.pushPeak,
		fractions: fractions, pairs: r.Pairs, length: r.WriteSlice / 2,
	})
}

// besideShare is the share of its peak at which pushes come beside reads.
const besideShare = 0.3

// besides lets reads come while pushes do. The peak is that of reads beside the
// same pushes, and the bare handler has them beside it too.
func (r *run) besides(ctx context.Context) error {
	if err := r.askForAll(ctx, "ask for each trace once more", tracesPath); err != nil {
		return err
	}
	pushes := &course{scenario: must("push-10-json"), connections: r.Connections, peak: r.pushPeak, fractions: []float64{besideShare}}
	const turns = 4
	d := r.WriteSlice / 2
	beside, err := r.kit.arrive(pushes.scenario, besideShare*r.pushPeak, 0, r.Connections, turns*d, nil)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := beside(ctx)
		done <- err
	}()
	// Pushes put answers out of date, and memtables are full in time: what counts is what
	// reads come to then.
	var peak float64
	for turn := range turns {
		var fastest float64
		if fastest, err = r.fastest(ctx, must("get-hot"), d); err != nil {
			break
		}
		if turn > 0 {
			peak += fastest / (turns - 1)
		}
	}
	if other := <-done; err == nil {
		err = other
	}
	if err != nil {
		return err
	}
	return r.sweep(ctx, "Arrivals, mixed", course{
		scenario: must("get-hot"), connections: r.Connections, peak: peak,
		fractions: []float64{0.8}, pairs: r.Pairs, length: d, limit: r.bare, beside: pushes,
	})
}

// fastest is how many requests a second a closed loop brings to an end.
func (r *run) fastest(ctx context.Context, s *Scenario, d time.Duration) (float64, error) {
	workers, err := r.kit.clients(s, r.Connections)
	if err != nil {
		return 0, err
	}
	t, took, err := drive(ctx, workers, d, unwatched)
	return float64(t.requests) / took.Seconds(), err
}

// others runs each kind of load that no row has had yet, for a short while.
func (r *run) others(ctx context.Context) error {
	had := map[string]bool{}
	for _, g := range r.results.Groups {
		for _, row := range g.Rows {
			had[row.Scenario] = true
		}
	}
	var sides []*side
	for i := range Scenarios {
		if s := &Scenarios[i]; !had[s.Name] && s.shape == steady && s.Name != "soak" {
			sides = append(sides, r.ours(s.Name, s, r.Connections))
		}
	}
	d := r.ReadSlice
	if r.Quick {
		d = r.ReadSlice / 2
	}
	return r.compare(ctx, Group{Name: "Other loads", About: fmt.Sprintf("closed loop, %d connections, one turn each", r.Connections), Writes: true}, sides, 1, d, 0)
}

// restarted stops the daemon and starts it again under load.
func (r *run) restarted(ctx context.Context) error {
	return r.restartUnderLoad(ctx, must("restart"), 0.1*r.readPeak, r.Connections, 2*r.ReadSlice+min(20*r.ReadSlice, 4*time.Second))
}

// restartUnderLoad is a scenario during which the daemon is stopped and started
// again.
func (r *run) restartUnderLoad(ctx context.Context, s *Scenario, rate float64, connections int, d time.Duration) error {
	shown := newStage(r.Words, "Restart under load", "restarts", 1)
	defer shown.end()
	defer roomForPacers(1)()
	result := Restart{Scenario: s.Name, Offered: rate}
	watched := newRecorder(time.Now())
	load, err := r.kit.arrive(s, rate, 0, connections, d, watched.watch)
	if err != nil {
		return err
	}
	again := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			again <- ctx.Err()
			return
		case <-time.After(d / 4):
		}
		began := time.Now()
		err := r.daemon.stop()
		result.Stopping = time.Since(began).Seconds()
		if err == nil {
			began = time.Now()
			err = r.daemon.start(ctx)
			result.Starting = time.Since(began).Seconds()
		}
		again <- err
	}()
	a, err := load(ctx)
	if other := <-again; err == nil {
		err = other
	}
	if err != nil {
		return err
	}
	line := watched.timeline(s)
	line.offered(rate, s.shape, d)
	r.results.Timelines = append(r.results.Timelines, line)
	result.Due, result.Failed, result.Gap = a.due, a.errors+a.dropped, watched.longestGap().Seconds()
	if err := r.daemon.scanned(ctx); err != nil {
		return err
	}
	r.results.Restarts = append(r.results.Restarts, result)
	shown.add(1)
	return r.check()
}

// withoutCache reads with the rendered cache off and the store in the block cache.
func (r *run) withoutCache(ctx context.Context) error {
	flags := []string{"--query.no-cache", "--store.cache=4GiB"}
	if !r.daemon.knows(flags...) {
		return nil
	}
	if err := r.daemon.restart(ctx, flags...); err != nil {
		return err
	}
	// What reads need is in the block cache after each block was asked for once.
	if err := r.askForAll(ctx, "fill the block cache", tracesPath); err != nil {
		return err
	}
	r.daemon.settle(ctx, 3*r.settling)
	subject := r.ours(rowUncached, must("get-uniform"), r.Connections)
	subject.row.Setting = fmt.Sprint(flags)
	bare := &side{
		row:  Row{Name: rowBareUncached, Scenario: "get-uniform", Unit: "requests"},
		hire: func() ([]worker, error) { return r.bare.clients(must("get-uniform"), r.Connections) },
		cpu:  r.bares[0].cpu,
	}
	subject.limit = bare
	err := r.compare(ctx, Group{Name: "Reads without the rendered cache", About: "closed loop, the store in the block cache"},
		[]*side{subject, bare}, r.Pairs, r.ReadSlice, r.ReadSlice/4)
	if err != nil {
		return err
	}
	return r.daemon.restart(ctx)
}

// slowSync pushes with every sync lengthened, in turns with a daemon whose syncs are
// as they are.
func (r *run) slowSync(ctx context.Context) error {
	flags := []string{"--store.sync-delay=2ms"}
	if !r.daemon.knows(flags...) {
		return nil
	}
	slow, fast := r.ours(rowSlowSync, must("push-10-json"), r.Connections), r.ours(rowFastSync, must("push-10-json"), r.Connections)
	slow.row.Setting = fmt.Sprint(flags)
	slow.limit = fast
	for s, with := range map[*side][]string{slow: flags, fast: nil} {
		hire := s.hire
		s.hire = func() ([]worker, error) {
			if err := r.daemon.restart(ctx, with...); err != nil {
				return nil, err
			}
			return hire()
		}
	}
	err := r.compare(ctx, Group{Name: "Longer syncs", About: "closed loop, the daemon started anew for each turn", Writes: true},
		[]*side{slow, fast}, r.Pairs, r.WriteSlice, 0)
	if err != nil {
		return err
	}
	return r.daemon.restart(ctx)
}
