package bench

import (
	"math"
	"math/rand/v2"
	"time"
)

// sampleResults are what a whole run might have found; always the same.
func sampleResults() *Results {
	random := rand.New(rand.NewPCG(1, 2))
	about := func(v, by float64) float64 { return v * (1 + by*(2*random.Float64()-1)) }
	ratio := func(v float64) *Spread { return &Spread{Median: v, Least: v * 0.97, Most: v * 1.02} }
	latency := func(p50 float64) Latency {
		return Latency{Count: 100_000, P50: p50, P99: p50 * 3.2, P999: p50 * 7, Max: p50 * 60}
	}
	row := func(name, scenario, unit string, perSecond, p50, body, cpu float64, of *Spread) Row {
		r := Row{Name: name, Scenario: scenario, Unit: unit, Connections: 64, Latency: latency(p50), BodyBytes: body, CPU: cpu, OfLimit: of}
		var rates []float64
		for pair := range 3 {
			v := math.Round(about(perSecond, 0.04))
			rates = append(rates, v)
			r.Slices = append(r.Slices, Slice{Pair: pair + 1, Seconds: 3, Requests: int64(3 * v), Units: int64(3 * v), PerSecond: v,
				Latency: latency(about(p50, 0.05)), CPUSeconds: 3 * v * cpu / 1e6})
		}
		r.PerSecond = spreadOf(rates)
		return r
	}
	wrote := func(r Row, debt float64) Row {
		for i := range r.Slices {
			s := &r.Slices[i]
			s.DebtSeconds, s.DebtBytes, s.Settled = debt*float64(i+1), int64(debt*400e6), 1.25
		}
		r.DebtSeconds = Spread{debt * 2, debt, debt * 3}
		return r
	}
	target := func(name, unit string, must, aim float64, higher bool, measured float64, verdict Verdict, how string) Target {
		t := Target{Name: name, Unit: unit, Must: must, Aim: aim, Higher: higher, Run: "q", Verdict: verdict, How: how}
		if verdict != NotRun {
			t.Measured, t.Spread = &measured, ratio(measured)
		}
		return t
	}

	none := 0.0
	hot := row("hot traces", "get-hot", "requests", 118_000, 480, 2048, 7.8, ratio(0.91))
	hot.Mallocs = &none
	bare := row("bare handler, same bytes", "", "requests", 130_000, 440, 2048, 7, nil)
	status := row("status, hot", "status", "requests", 121_500, 470, 188, 7.4, ratio(0.93))
	hot.Limit, status.Limit = bare.Name, bare.Name
	fresh := wrote(row("new waybill a push", "push-10", "events", 104_000, 6000, 3300, 10, ratio(0.33)), 1)
	raw := wrote(row("raw Pebble, same keys", "", "events", 302_000, 2000, 1780, 0, nil), 0.5)
	fresh.Limit = raw.Name

	r := &Results{
		Schema: schema, Version: "v0.1.0", Began: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC), Seconds: 2187.4, Mode: ModeFull,
		Settings: Settings{
			Waybills: 1_000_000, EventsEach: 8, EventsOfPush: 10, Connections: 64, Pairs: 3, ReadSeconds: 3, WriteSeconds: 30,
			ZipfExponent: 0.99, Seed: 42, PebbleOptions: "[Options]\n  cache_size=3221225472\n  mem_table_size=67108864\n",
			Sides: []SideSettings{
				{Name: "daemon", GOMAXPROCS: 2, GOGC: "200", MemLimit: "18GiB", Text: "query:\n  cache: 3GiB\nstore:\n  cache: 3GiB\n  heads: 1536MiB\n"},
				{Name: "bare handler", GOMAXPROCS: 2, GOGC: "200", Text: "Concurrency 262144\nReadBufferSize 8192\n"},
				{Name: "generator and raw Pebble", GOMAXPROCS: 2},
			},
		},
		Machine: Machine{System: "linux/amd64", Kernel: "6.18.1", CPU: "Some CPU @ 2.50GHz", Cores: 2, GOMAXPROCS: 2, Memory: 24 << 30, Go: "go1.26.8",
			Disk: "ext4 on /dev/vda", LoadBefore: 0.25},
		Load: Load{Events: 8_000_000, Seconds: 80, PerSecond: 100_000, Latency: latency(2000), Settled: 1.5},
		Calibration: Calibration{
			Sync: Latency{Count: 5000, P50: 140, P99: 300, P999: 2000, Max: 21.5e6},
			Rows: []Row{row("bare POST", "", "requests", 98_000, 600, 44, 9, nil), row("raw Get", "", "waybills", 410_000, 120, 0, 4.5, nil)},
		},
		Groups: []Group{
			{Name: "Hot reads", About: "GET of one waybill, Zipf over all", Rows: []Row{hot, status, bare}},
			{Name: "Durable writes", About: "pushes of ten events, each answered after the sync", Writes: true, Rows: []Row{fresh, raw}},
		},
		Directory: Directory{Bytes: 1300e6, TableBytes: 600e6, LogBytes: 649e6, Events: 9_000_000, BytesPerEvent: 144.4, TablePerEvent: 66.7,
			Compacted: &Compacted{Events: 8_000_000, EventsPerTrace: 8, PerEvent: 61.2, FeedPerEvent: 9.8}},
		Restarts: []Restart{{Scenario: "restart-under-load", Offered: 20_000, Failed: 310, Due: 1_200_000, Gap: 0.84, Stopping: 0.21, Starting: 0.47}},
		Memory: []Memory{
			{When: "after the reads", RSS: 7.1e9, Heap: 240e6, Allowed: 8.6e9, Caches: map[string]string{"store.cache": "3GiB", "query.cache": "3GiB", "store.heads": "1536MiB"}},
			{When: "after the writes", RSS: 7.4e9, Heap: 260e6, Allowed: 8.6e9},
		},
		Problems: []string{},
		Method:   method,
	}

	r.Targets = []Target{
		target("hot trace GET, Zipf 0.99 over 1 M waybills, default caches / bare handler, same bytes", "x", 0.85, 0.95, true, 0.91, MustMet, "118,000/s of 130,000/s, 64 connections"),
		target("status GET, hot / bare", "x", 0.85, 0.95, true, 0.96, AimMet, "121,500/s of 126,500/s"),
		target("batch-100, waybills a second / single hot GETs a second", "x", 6, 12, true, 14.2, AimMet, ""),
		target("open loop at 50 % of own peak, p99 / bare's", "x", 2, 1.5, false, 1.62, MustMet, "1.9 ms of 1.17 ms at 59,000/s"),
		target("ingest, 10 events of one new waybill / raw, keys in the same order", "x", 0.35, 0.55, true, 0.33, Missed, "104,000 of 302,000 events/s"),
		target("acknowledgement at 50 % of the sustained rate, p50", "us", 1920, 850, false, 1100, MustMet, "F50 is 140 us"),
		target("disk per event after compaction, feed not counted", "B", 75, 45, false, 66.7, MustMet, ""),
		target("allocations per hot read", "each", 0, 0, false, 0, AimMet, ""),
		target("uniform over 12.5 M waybills / bare", "x", 0.30, 0.55, true, 0, NotRun, ""),
	}
	r.Targets[0].Subject, r.Targets[0].Limit = hot.Name, bare.Name
	r.Targets[len(r.Targets)-1].Run = "big"

	sweep := Sweep{Scenario: "get-hot", About: "GET of one waybill, Zipf over all", Unit: "requests", Connections: 64, Peak: 118_000, LimitPeak: 130_000}
	for _, f := range []float64{0.25, 0.5, 0.7, 0.8, 0.9} {
		arrival := func(p50 float64) Arrival {
			a := Arrival{Offered: f * sweep.Peak, Achieved: f * sweep.Peak * 0.999, Seconds: 30, Latency: latency(p50), Lateness: latency(8)}
			for _, p := range []float64{0, 50, 75, 90, 99, 99.9, 99.99, 99.999} {
				nines := -math.Log10(1 - p/100)
				a.Curve = append(a.Curve, PercentilePoint{p, p50 * (0.6 + 0.5*nines + 0.25*nines*nines)})
			}
			a.Curve = append(a.Curve, PercentilePoint{100, p50 * 60})
			for pair := range 3 {
				due := int64(10 * a.Offered)
				a.Slices = append(a.Slices, ArrivalSlice{Pair: pair + 1, Seconds: 10, Due: due, Answered: due, Latency: latency(p50), Lateness: latency(8)})
			}
			return a
		}
		limit := arrival(90 / (1.05 - f))
		sweep.Points = append(sweep.Points, Point{Fraction: f, Subject: arrival(130 / (1.02 - f)), Limit: &limit, P99Ratio: ratio(1.62), P999Ratio: ratio(1.8)})
	}
	sweep.Points[1].Subject.Late = []ArrivalSlice{{Pair: 2, Seconds: 10, Due: 590_000, Answered: 590_000, Latency: latency(260), Lateness: latency(700)}}
	r.Sweeps = []Sweep{sweep}

	mixed := Timeline{Scenario: "mixed-95-5", Unit: "requests"}
	for t := range 60 {
		s := Second{T: float64(t), Offered: 40_000, PerSecond: math.Round(about(40_000, 0.02)), P50: about(420, 0.1), P99: about(1900, 0.3)}
		if t == 31 || t == 32 {
			s.PerSecond, s.P99, s.Errors = 21_000, 64_000, 12
		}
		mixed.Seconds = append(mixed.Seconds, s)
	}
	r.Timelines = []Timeline{mixed}

	for i, events := range []int64{1e6, 1e7, 1e8} {
		for j, what := range []string{"hot traces", "any trace", "push-10"} {
			cost := []float64{8, 12, 20}[j] * (1 + 0.25*float64(i*j))
			r.Sizes = append(r.Sizes, SizePoint{What: what, Unit: []string{"requests", "requests", "events"}[j], Waybills: events / 8, Events: events, PerSecond: math.Round(9e5 / cost), CPU: cost})
		}
	}
	return r
}
