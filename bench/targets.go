package bench

import (
	"fmt"
	"math"
)

// A goal is a target before it is measured.
type goal struct {
	name, unit string
	must, aim  float64
	lower      bool // less is better
	run        string
	measure    func(r *Results, t *Target) // sets Measured and How, and where they hang on the machine Must and Aim
}

// In which runs a target is measured.
const (
	everyRun = "q"
	bigRun   = "big"
)

// goals are all there are, in the order in which they are shown.
var goals = []goal{
	{name: "hot trace GET / bare handler", unit: "x", must: 0.85, aim: 0.95, run: everyRun, measure: ratioOf(rowHot, rowBareTraces)},
	{name: "status GET, hot / bare handler", unit: "x", must: 0.85, aim: 0.95, run: everyRun, measure: ratioOf(rowStatus, rowBareStatus)},
	{name: "unknown number / bare handler", unit: "x", must: 0.80, aim: 0.95, run: everyRun, measure: ratioOf(rowUnknown, rowBareUnknown)},
	{name: "uniform trace GET / bare handler", unit: "x", must: 0.60, aim: 0.90, run: everyRun, measure: ratioOf(rowUniform, rowBareTraces)},
	{name: "uniform, rendered cache off / bare handler", unit: "x", must: 0.40, aim: 0.65, run: everyRun, measure: ratioOf(rowUncached, rowBareUncached)},
	{name: "batch-100, waybills / single hot GETs", unit: "x", must: 6, aim: 12, run: everyRun, measure: ratioOf(rowBatch, rowHot)},
	{name: "open loop at 50 % of the peak: p99 / bare handler's", unit: "x", must: 2, aim: 1.5, lower: true, run: everyRun,
		measure: besideLimit("get-hot", false, 0.5, func(p *Point) *Spread { return p.P99Ratio }, func(l Latency) float64 { return l.P99 })},
	{name: "open loop at 50 % of the peak: p99.9 / bare handler's", unit: "x", must: 2, aim: 1.5, lower: true, run: everyRun,
		measure: besideLimit("get-hot", false, 0.5, func(p *Point) *Spread { return p.P999Ratio }, func(l Latency) float64 { return l.P999 })},
	{name: "at 80 % beside ingest at 30 %: p99.9 / bare handler's", unit: "x", must: 4, aim: 2, lower: true, run: everyRun,
		measure: besideLimit("get-hot", true, 0.8, func(p *Point) *Spread { return p.P999Ratio }, func(l Latency) float64 { return l.P999 })},
	{name: "ingest, 10 events of 4 waybills / raw Pebble", unit: "x", must: 0.40, aim: 0.65, run: everyRun, measure: ratioOf(rowFour, rowRawRandom)},
	{name: "ingest, 10 events of one new waybill / raw Pebble", unit: "x", must: 0.35, aim: 0.55, run: everyRun, measure: ratioOf(rowNew, rowRawNew)},
	{name: "ingest, 10 events of 10 waybills / raw Pebble", unit: "x", must: 0.25, aim: 0.45, run: everyRun, measure: ratioOf(rowTen, rowRawRandom)},
	{name: "ingest, 100 events of 40 waybills / raw Pebble", unit: "x", must: 0.40, aim: 0.65, run: everyRun, measure: ratioOf(rowForty, rowRaw100)},
	{name: "ingest with every sync 2 ms longer / without", unit: "x", must: 0.6, aim: 0.8, run: everyRun, measure: ratioOf(rowSlowSync, rowFastSync)},
	{name: "acknowledgement at 50 % of the sustained rate: p50", unit: "ms", lower: true, run: everyRun,
		measure: acknowledgement(func(l Latency) float64 { return l.P50 }, 3, 1.5, 2.5, 0.5, "F50")},
	{name: "acknowledgement at 50 % of the sustained rate: p99", unit: "ms", lower: true, run: everyRun,
		measure: acknowledgement(func(l Latency) float64 { return l.P99 }, 3, 8, 2, 1.5, "F99")},
	{name: "repeats of known events / first sends", unit: "x", must: 0.9, aim: 2, run: everyRun, measure: ratioOf(rowResend, rowFirst)},
	{name: "disk per event after compaction, without the feed", unit: "B", must: 75, aim: 45, lower: true, run: everyRun, measure: diskPerEvent},
	{name: "allocations per hot read", unit: "each", must: 0, aim: 0, lower: true, run: everyRun, measure: allocations(rowHot)},
	{name: "allocations per pushed event", unit: "each", must: 1, aim: 0.3, lower: true, run: everyRun, measure: allocations(rowFour)},

	{name: "uniform over 12.5 M waybills / bare handler", unit: "x", must: 0.30, aim: 0.55, run: bigRun, measure: ratioOf(rowUniformLarge, rowUniformBare)},
	{name: "ingest: minutes 25 to 30 / minutes 1 to 2", unit: "x", must: 0.60, aim: 0.85, run: bigRun, measure: sustainedIngest},
	{name: "growth from 1 M to 100 M events: hot", unit: "x", must: 0.90, aim: 0.98, run: bigRun, measure: ratioOf(rowHotLarge, rowHotSmall)},
	{name: "growth from 1 M to 100 M events: uniform", unit: "x", must: 0.50, aim: 0.70, run: bigRun, measure: ratioOf(rowUniformLarge, rowUniformSmall)},
	{name: "growth from 1 M to 100 M events: ingest", unit: "x", must: 0.50, aim: 0.75, run: bigRun, measure: ratioOf(rowIngestLarge, rowIngestSmall)},
	{name: "open and ready at 100 M events with a full log", unit: "s", must: 6, aim: 3, lower: true, run: bigRun, measure: openAgain},
	{name: "reads / PostgreSQL", unit: "x", must: 3, aim: 5, run: bigRun, measure: ratioOf(rowReadOurs, rowReadPostgres)},
	{name: "reads / Redis", unit: "x", must: 1, aim: 1.5, run: bigRun, measure: ratioOf(rowReadOurs, rowReadRedis)},
	{name: "writes / PostgreSQL", unit: "x", must: 1.5, aim: 3, run: bigRun, measure: ratioOf(rowWriteOurs, rowWritePostgres)},
	{name: "writes / Redis", unit: "x", must: 1, aim: 1.5, run: bigRun, measure: ratioOf(rowWriteOurs, rowWriteRedis)},
}

// judge computes all targets from what was measured.
func (r *Results) judge() {
	r.Targets = make([]Target, len(goals))
	for i, g := range goals {
		t := Target{Name: g.name, Unit: g.unit, Must: g.must, Aim: g.aim, Higher: !g.lower, Run: g.run}
		g.measure(r, &t)
		t.judge()
		r.Targets[i] = t
	}
}

// judge says what became of a target.
func (t *Target) judge() {
	reached := func(limit float64) bool {
		if t.Higher {
			return *t.Measured >= limit
		}
		return *t.Measured <= limit
	}
	switch {
	case t.Measured == nil:
		t.Verdict = NotRun
	case reached(t.Aim):
		t.Verdict = AimMet
	case reached(t.Must):
		t.Verdict = MustMet
	default:
		t.Verdict = Missed
	}
}

// set notes the middle of a spread as what was measured.
func (t *Target) set(s Spread) {
	t.Measured, t.Spread = &s.Median, &s
}

// ratioOf is the rate of one row by that of another, pair by pair.
func ratioOf(subject, limit string) func(r *Results, t *Target) {
	return func(r *Results, t *Target) {
		t.Subject, t.Limit = subject, limit
		s, l := r.row(subject), r.row(limit)
		if s == nil || l == nil {
			return
		}
		of := ratios(s, l)
		if len(of) == 0 {
			return
		}
		t.set(spreadOf(of))
		t.How = fmt.Sprintf("%s %s/s of %.0f B by %s %s/s of %.0f B, %d and %d connections",
			thousands(int64(s.PerSecond.Median)), s.Unit, s.BodyBytes, thousands(int64(l.PerSecond.Median)), l.Unit, l.BodyBytes, s.Connections, l.Connections)
		if many, other := r.row(at256(subject)), r.row(at256(limit)); many != nil && other != nil {
			if of := ratios(many, other); len(of) > 0 {
				t.How += fmt.Sprintf("; %.2f at %d", spreadOf(of).Median, many.Connections)
			}
		}
	}
}

// point finds a point of the sweep of a scenario, with or without something
// beside it.
func (r *Results) point(scenario string, beside bool, fraction float64) *Point {
	for i := range r.Sweeps {
		if s := &r.Sweeps[i]; s.Scenario == scenario && (s.Beside != "") == beside {
			for n := range s.Points {
				if math.Abs(s.Points[n].Fraction-fraction) < 0.001 {
					return &s.Points[n]
				}
			}
		}
	}
	return nil
}

// besideLimit is a latency of a sweep by the bare handler's at the same rate.
func besideLimit(scenario string, beside bool, fraction float64, ratio func(*Point) *Spread, of func(Latency) float64) func(r *Results, t *Target) {
	return func(r *Results, t *Target) {
		p := r.point(scenario, beside, fraction)
		if p == nil || ratio(p) == nil {
			return
		}
		t.set(*ratio(p))
		t.How = fmt.Sprintf("%s by %s at %s requests/s", micros(of(p.Subject.Latency)), micros(of(p.Limit.Latency)), thousands(int64(p.Subject.Offered)))
	}
}

// acknowledgement is a latency of pushes at half of their peak. What it must and
// should be hangs on what the disk needs for a sync: so many times as long, and so
// many milliseconds.
func acknowledgement(of func(Latency) float64, mustTimes, mustMore, aimTimes, aimMore float64, f string) func(r *Results, t *Target) {
	return func(r *Results, t *Target) {
		sync := of(r.Calibration.Sync) / 1000
		t.Must, t.Aim = mustTimes*sync+mustMore, aimTimes*sync+aimMore
		p := r.point("push-10-json", false, 0.5)
		if p == nil || r.Calibration.Sync.Count == 0 {
			return
		}
		var each []float64
		for _, s := range p.Subject.Slices {
			each = append(each, of(s.Latency)/1000)
		}
		t.set(spreadOf(each))
		t.How = fmt.Sprintf("%s is %s; at %s pushes/s", f, micros(1000*sync), thousands(int64(p.Subject.Offered)))
	}
}

func diskPerEvent(r *Results, t *Target) {
	if c := r.Directory.Compacted; c != nil {
		t.set(Spread{c.PerEvent, c.PerEvent, c.PerEvent})
		t.How = fmt.Sprintf("%s events, %.0f a waybill; the feed takes %.1f B an event beside it", thousands(c.Events), c.EventsPerTrace, c.FeedPerEvent)
	}
}

// openAgain is how long the daemon took until it was ready after it was killed.
func openAgain(r *Results, t *Target) {
	var each []float64
	var logs []string
	for _, o := range r.Openings {
		each = append(each, o.Ready)
		logs = append(logs, fmt.Sprintf("%s with %s", micros(1e6*o.Ready), megabytes(o.LogBytes)))
	}
	if len(each) > 0 {
		t.set(spreadOf(each))
		t.How = join(", ", logs...) + " in the log"
	}
}

// sustainedIngest is how much of its rate ingest without a break keeps.
func sustainedIngest(r *Results, t *Target) {
	if s := r.Sustained; s != nil && s.First > 0 {
		of := s.Last / s.First
		t.set(Spread{of, of, of})
		t.How = s.words()
	}
}

// allocations are those of the daemon's heap for each unit of a row, to one digit
// behind the point: what the runtime does beside the requests is less.
func allocations(row string) func(r *Results, t *Target) {
	return func(r *Results, t *Target) {
		t.Subject = row
		s := r.row(row)
		if s == nil || s.Mallocs == nil {
			return
		}
		var each []float64
		for _, slice := range s.Slices {
			if slice.Units > 0 {
				each = append(each, math.Round(slice.Mallocs/float64(slice.Units)*10)/10)
			}
		}
		t.set(spreadOf(each))
		t.How = fmt.Sprintf("%.3f of the daemon's heap for each of %s %s", *s.Mallocs, thousands(s.units), s.Unit)
	}
}
