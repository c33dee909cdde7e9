package bench

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// schema is the form of Results that this program writes.
const schema = 2

// Results is everything a run found out, also what results.json holds. Times of
// day are UTC, latencies are in microseconds.
type Results struct {
	Schema  int       `json:"schema"` // 2
	Version string    `json:"version"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"` // how long it all took
	Mode    Mode      `json:"mode"`

	Settings    Settings    `json:"settings"`
	Machine     Machine     `json:"machine"`
	Load        Load        `json:"load"`
	Calibration Calibration `json:"calibration"`

	Targets   []Target    `json:"targets"`
	Groups    []Group     `json:"groups"`
	Sweeps    []Sweep     `json:"sweeps"`
	Timelines []Timeline  `json:"timelines"`
	Restarts  []Restart   `json:"restarts"`
	Openings  []Opening   `json:"openings,omitempty"`
	Sustained *Sustained  `json:"sustained,omitempty"`
	Sizes     []SizePoint `json:"sizes"`
	Memory    []Memory    `json:"memory"`
	Directory Directory   `json:"directory"`

	// Problems make the run invalid: what it measured is not what it says.
	Problems []string `json:"problems"`
	Method   []string `json:"method"`
}

// Valid reports whether the figures may be used.
func (r *Results) Valid() bool { return len(r.Problems) == 0 }

// A Mode is what kind of run it was.
type Mode string

const (
	ModeFull   Mode = "full"   // the suite
	ModeQuick  Mode = "quick"  // the suite with little data and short turns: a look, not a measurement
	ModeBig    Mode = "big"    // over a directory of a hundred million events
	ModeTarget Mode = "target" // scenarios against a daemon that somebody else runs
	ModeSingle Mode = "single" // scenarios against a daemon of its own
)

// Settings are what the run was asked to do.
type Settings struct {
	Waybills     int     `json:"waybills"`
	EventsEach   int     `json:"events_each"`
	EventsOfPush int     `json:"events_of_push"` // while loading
	Connections  int     `json:"connections"`    // and writers of raw Pebble, where a row does not say otherwise
	Pairs        int     `json:"pairs"`
	ReadSeconds  float64 `json:"read_seconds"`
	WriteSeconds float64 `json:"write_seconds"`
	ZipfExponent float64 `json:"zipf_exponent"`
	Seed         uint64  `json:"seed"`          // of every choice and of every arrival
	URL          string  `json:"url,omitempty"` // of somebody else's daemon

	// Of a big run, whose Waybills are the large directory's.
	SmallWaybills  int     `json:"small_waybills,omitempty"`
	MiddleWaybills int     `json:"middle_waybills,omitempty"` // of the directory beside the rivals, and theirs
	IngestSeconds  float64 `json:"ingest_seconds,omitempty"`  // without a break

	PebbleOptions string         `json:"pebble_options"` // of the daemon's store, and so of raw Pebble
	Sides         []SideSettings `json:"sides"`
}

// SideSettings are how one of the processes was set.
type SideSettings struct {
	Name       string `json:"name"` // daemon, bare handler, generator and raw Pebble
	GOMAXPROCS int    `json:"gomaxprocs"`
	GOGC       string `json:"gogc"`               // as the runtime has it; "" is not known
	MemLimit   string `json:"memlimit,omitempty"` // GOMEMLIMIT
	Text       string `json:"text"`               // all its settings, as it prints them itself
}

// Load is how the set got in, before anything was compared.
type Load struct {
	Events    int64   `json:"events"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency"`
	Settled   float64 `json:"settled_seconds"` // how long the store went on working afterwards
}

// Calibration is what the machine itself can do, measured in the same run.
type Calibration struct {
	Sync Latency `json:"fdatasync_4k"` // append 4 KiB and wait for the disk, one at a time: F
	Rows []Row   `json:"rows"`         // bare GET, bare POST, raw Pebble's commits and Gets
}

// A Group is rows that took turns, so that they can be compared.
type Group struct {
	Name   string `json:"name"`
	About  string `json:"about"`
	Writes bool   `json:"writes"`
	Rows   []Row  `json:"rows"`
}

// A Row is one side of a comparison.
type Row struct {
	Name        string   `json:"name"`
	Scenario    string   `json:"scenario,omitempty"` // that it ran
	Unit        string   `json:"unit"`               // what is counted: requests, events, waybills
	Connections int      `json:"connections"`
	Setting     string   `json:"setting,omitempty"` // what the side was set to for this row alone
	PerSecond   Spread   `json:"per_second"`
	Latency     Latency  `json:"latency"` // of requests, over all slices
	BodyBytes   float64  `json:"body_bytes"`
	CPU         float64  `json:"cpu_microseconds"`  // processor time of the answering process a unit; 0 is not known
	Mallocs     *float64 `json:"mallocs,omitempty"` // heap allocations of the answering process a unit; nil is not known
	DebtSeconds Spread   `json:"debt_seconds"`      // charged to its slices: until compactions had caught up
	Slices      []Slice  `json:"slices"`

	Limit   string  `json:"limit,omitempty"`    // name of the row that this one is held against
	OfLimit *Spread `json:"of_limit,omitempty"` // this row's rate by the limit's, pair by pair

	histogram *hdrhistogram.Histogram
	units     int64
	bytes     int64
	requests  int64
	cpu       time.Duration
	mallocs   float64
	counted   bool // mallocs are known
}

// A Slice is one stretch of time in which one side had the machine.
type Slice struct {
	Pair        int     `json:"pair"`
	Seconds     float64 `json:"seconds"` // under load
	Requests    int64   `json:"requests"`
	Units       int64   `json:"units"`
	PerSecond   float64 `json:"per_second"` // units by the time under load and the debt's
	Errors      int64   `json:"errors"`
	Latency     Latency `json:"latency"`
	CPUSeconds  float64 `json:"cpu_seconds"`     // of the answering process; of raw Pebble's, generator and all
	DebtSeconds float64 `json:"debt_seconds"`    // charged: until the compaction debt was small again
	DebtBytes   int64   `json:"debt_bytes"`      // when the load ended
	Settled     float64 `json:"settled_seconds"` // how long the side went on working after that, uncharged
	Mallocs     float64 `json:"mallocs"`         // of the answering process; 0 too where they are not known
}

// A Sweep is one scenario at several rates of arrival, beside its limit.
type Sweep struct {
	Scenario    string  `json:"scenario"`
	About       string  `json:"about"`
	Unit        string  `json:"unit"`
	Connections int     `json:"connections"`
	Peak        float64 `json:"peak_per_second"`       // of requests, closed loop
	LimitPeak   float64 `json:"limit_peak_per_second"` // the bare handler's; 0 where there is no limit
	Beside      string  `json:"beside,omitempty"`      // what else went on meanwhile
	Points      []Point `json:"points"`
}

// A Point is one rate of arrival. Latency counts from the time at which a
// request was due.
type Point struct {
	Fraction float64  `json:"fraction"` // of the peak, or of the rate that was given
	Subject  Arrival  `json:"subject"`
	Limit    *Arrival `json:"limit,omitempty"` // of the bare handler at the same rate, in turns with the subject
	// Ratios of the subject's to the limit's, pair by pair; nil where there is none.
	P99Ratio  *Spread `json:"p99_ratio,omitempty"`
	P999Ratio *Spread `json:"p999_ratio,omitempty"`
}

// An Arrival is what came of requests that came when they were due, whatever
// the server did.
type Arrival struct {
	Offered  float64           `json:"offered_per_second"`  // requests due
	Achieved float64           `json:"achieved_per_second"` // requests answered well
	Seconds  float64           `json:"seconds"`
	Errors   int64             `json:"errors"`
	Dropped  int64             `json:"dropped"` // due and never sent
	Latency  Latency           `json:"latency"`
	Curve    []PercentilePoint `json:"curve"`
	Lateness Latency           `json:"lateness"` // of the generator: from due to sent, where the connection was free
	Slices   []ArrivalSlice    `json:"slices"`
	Late     []ArrivalSlice    `json:"late,omitempty"` // turns done again, because the generator was late; they count nowhere
}

// An ArrivalSlice is one turn of an Arrival.
type ArrivalSlice struct {
	Pair     int     `json:"pair"`
	Seconds  float64 `json:"seconds"`
	Due      int64   `json:"due"`
	Answered int64   `json:"answered"`
	Errors   int64   `json:"errors"`
	Latency  Latency `json:"latency"`
	Lateness Latency `json:"lateness"`
}

// A PercentilePoint is one point of a percentile curve.
type PercentilePoint struct {
	Percentile float64 `json:"percentile"` // 0 to 100
	Latency    float64 `json:"latency"`    // microseconds
}

// A Timeline is one scenario second by second, or in longer steps.
type Timeline struct {
	Scenario string   `json:"scenario"`
	Unit     string   `json:"unit"`
	Step     float64  `json:"step_seconds"`
	Seconds  []Second `json:"seconds"`
}

// A Second is what was answered within one step of a timeline.
type Second struct {
	T         float64 `json:"t"` // seconds since the timeline began, at the beginning of this step
	PerSecond float64 `json:"per_second"`
	Offered   float64 `json:"offered_per_second,omitempty"` // requests due; 0 in a closed loop
	P50       float64 `json:"p50"`
	P99       float64 `json:"p99"`
	Errors    int64   `json:"errors"`
}

// A Restart is what a load met while the daemon was stopped and started again.
type Restart struct {
	Scenario string  `json:"scenario"`
	Offered  float64 `json:"offered_per_second"`
	Failed   int64   `json:"failed"` // requests, of Due
	Due      int64   `json:"due"`
	Gap      float64 `json:"gap_seconds"`      // the longest without a good answer
	Stopping float64 `json:"stopping_seconds"` // from the signal to the end of the process
	Starting float64 `json:"starting_seconds"` // from there until it listened
}

// A Target is a figure that the daemon should reach.
type Target struct {
	Name     string   `json:"name"`
	Unit     string   `json:"unit"` // x for a ratio
	Must     float64  `json:"must"`
	Aim      float64  `json:"aim"`
	Higher   bool     `json:"higher"`             // more is better
	Measured *float64 `json:"measured,omitempty"` // the median; nil was not run
	Spread   *Spread  `json:"spread,omitempty"`
	Verdict  Verdict  `json:"verdict"`
	Run      string   `json:"run"` // q: of every full run; big: of a big one
	How      string   `json:"how"` // both sides, with their figures
	Subject  string   `json:"subject,omitempty"`
	Limit    string   `json:"limit,omitempty"` // names of rows, where it is the ratio of two
}

// A Verdict is what became of a target.
type Verdict string

const (
	AimMet  Verdict = "aim"     // the aim is reached
	MustMet Verdict = "met"     // the must is, the aim is not
	Missed  Verdict = "missed"  // not even the must
	NotRun  Verdict = "not run" // nothing was measured
)

// A SizePoint is a cost at an amount of data.
type SizePoint struct {
	What      string  `json:"what"` // name of the row
	Unit      string  `json:"unit"`
	Waybills  int64   `json:"waybills"`
	Events    int64   `json:"events"`
	PerSecond float64 `json:"per_second"`
	CPU       float64 `json:"cpu_microseconds"`
}

// Memory is what the daemon took at one moment, and what it was allowed.
type Memory struct {
	When    string            `json:"when"`
	RSS     int64             `json:"rss_bytes"`
	Heap    int64             `json:"heap_bytes"`    // of Go, in use
	Caches  map[string]string `json:"caches"`        // settings that bound memory, as given
	Allowed int64             `json:"allowed_bytes"` // configured caches + memtables + 300 MB; 0 is not known
}

// Latency is a distribution of times, in microseconds.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percentile float64) float64 { return float64(h.ValueAtPercentile(percentile)) / 1000 }
	return Latency{Count: h.TotalCount(), P50: at(50), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000}
}

// curveOf gives the percentile curve of a histogram, denser towards its end.
func curveOf(h *hdrhistogram.Histogram) []PercentilePoint {
	points := []PercentilePoint{}
	for _, p := range []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.975, 99.99, 99.995, 99.999, 99.9995, 99.9999} {
		// A percentile that fewer than one request is beyond is the maximum again.
		if p > 50 && float64(h.TotalCount())*(100-p)/100 < 1 {
			break
		}
		points = append(points, PercentilePoint{p, float64(h.ValueAtPercentile(p)) / 1000})
	}
	return append(points, PercentilePoint{100, float64(h.Max()) / 1000})
}

// A Spread is what several slices gave.
type Spread struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func spreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return Spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Least: v[0], Most: v[n-1]}
}

// add takes in a slice.
func (r *Row) add(s Slice, t *tally, cpu time.Duration) {
	if r.histogram == nil {
		r.histogram = newHistogram()
	}
	r.Slices = append(r.Slices, s)
	r.histogram.Merge(t.latency)
	r.units += t.units
	r.bytes += t.bytes
	r.requests += t.requests
	r.cpu += cpu
	r.mallocs += s.Mallocs
}

// sum computes the row's own figures from its slices.
func (r *Row) sum() {
	rates, debts := make([]float64, len(r.Slices)), make([]float64, len(r.Slices))
	for i, s := range r.Slices {
		rates[i], debts[i] = s.PerSecond, s.DebtSeconds
	}
	r.PerSecond, r.DebtSeconds = spreadOf(rates), spreadOf(debts)
	if r.histogram != nil {
		r.Latency = latencyOf(r.histogram)
	}
	if r.units > 0 {
		r.BodyBytes = float64(r.bytes) / float64(r.requests)
		r.CPU = r.cpu.Seconds() * 1e6 / float64(r.units)
		if r.counted {
			each := r.mallocs / float64(r.units)
			r.Mallocs = &each
		}
	}
}

// hold compares the row with its limit, each slice with the one of the same
// pair.
func (r *Row) hold(limit *Row) {
	r.Limit = limit.Name
	if of := ratios(r, limit); len(of) > 0 {
		spread := spreadOf(of)
		r.OfLimit = &spread
	}
}

// ratios are the rates of one row by those of another, pair by pair.
func ratios(row, limit *Row) (of []float64) {
	for _, s := range row.Slices {
		for _, l := range limit.Slices {
			if l.Pair == s.Pair && l.PerSecond > 0 {
				of = append(of, s.PerSecond/l.PerSecond)
			}
		}
	}
	return of
}

// row finds a row of any group by its name; nil is none.
func (r *Results) row(name string) *Row {
	for g := range r.Groups {
		for i := range r.Groups[g].Rows {
			if row := &r.Groups[g].Rows[i]; row.Name == name {
				return row
			}
		}
	}
	return nil
}
