package bench

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Results is everything a run found out, also what results.json holds. Times of
// day are UTC, latencies are in microseconds.
type Results struct {
	Schema   int       `json:"schema"` // 1
	Version  string    `json:"version"`
	Began    time.Time `json:"began"`
	Seconds  float64   `json:"seconds"` // how long it all took
	Settings Settings  `json:"settings"`
	Machine  Machine   `json:"machine"`

	Load      Load      `json:"load"`
	Reads     []Row     `json:"reads"`
	Writes    []Row     `json:"writes"`
	Sync      Latency   `json:"fdatasync_4k"` // append 4 KiB and wait for the disk, one at a time
	Directory Directory `json:"directory"`

	// Problems make the run invalid: what it measured is not what it says.
	Problems []string `json:"problems"`
	Method   []string `json:"method"`
}

// Valid reports whether the figures may be used.
func (r *Results) Valid() bool { return len(r.Problems) == 0 }

// Settings are what the run was asked to do.
type Settings struct {
	Waybills      int     `json:"waybills"`
	EventsEach    int     `json:"events_each"`
	EventsOfPush  int     `json:"events_of_push"`
	Connections   int     `json:"connections"` // and writers of raw Pebble
	Pairs         int     `json:"pairs"`
	ReadSeconds   float64 `json:"read_seconds"`
	WriteSeconds  float64 `json:"write_seconds"`
	ZipfExponent  float64 `json:"zipf_exponent"`
	PebbleOptions string  `json:"pebble_options"` // of the daemon's store, and so of raw Pebble
}

// Load is how the set got in, before anything was compared.
type Load struct {
	Events    int64   `json:"events"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"per_second"`
	Latency   Latency `json:"latency"`
	Settled   float64 `json:"settled_seconds"` // how long the store went on working afterwards
}

// A Row is one side of a comparison.
type Row struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"` // what is counted: requests, events
	PerSecond Spread  `json:"per_second"`
	Latency   Latency `json:"latency"` // of requests, over all slices
	BodyBytes float64 `json:"body_bytes"`
	CPU       float64 `json:"cpu_microseconds"` // processor time of the answering process a unit; 0 is not known
	Slices    []Slice `json:"slices"`

	Limit   string  `json:"limit,omitempty"`    // name of the row that this one is held against
	OfLimit *Spread `json:"of_limit,omitempty"` // this row's rate by the limit's, pair by pair

	histogram *hdrhistogram.Histogram
	units     int64
	bytes     int64
	requests  int64
	cpu       time.Duration
}

// A Slice is one stretch of time in which one side had the machine.
type Slice struct {
	Pair       int     `json:"pair"`
	Seconds    float64 `json:"seconds"`
	Requests   int64   `json:"requests"`
	Units      int64   `json:"units"`
	PerSecond  float64 `json:"per_second"`
	Errors     int64   `json:"errors"`
	Latency    Latency `json:"latency"`
	CPUSeconds float64 `json:"cpu_seconds"`     // of the answering process; of raw Pebble's, generator and all
	Settled    float64 `json:"settled_seconds"` // how long the side went on working afterwards, uncharged
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
}

// sum computes the row's own figures from its slices.
func (r *Row) sum() {
	rates := make([]float64, len(r.Slices))
	for i, s := range r.Slices {
		rates[i] = s.PerSecond
	}
	r.PerSecond = spreadOf(rates)
	if r.histogram != nil {
		r.Latency = latencyOf(r.histogram)
	}
	if r.units > 0 {
		r.BodyBytes = float64(r.bytes) / float64(r.requests)
		r.CPU = r.cpu.Seconds() * 1e6 / float64(r.units)
	}
}

// hold compares the row with its limit, each slice with the one of the same
// pair.
func (r *Row) hold(limit *Row) {
	r.Limit = limit.Name
	var ratios []float64
	for _, s := range r.Slices {
		for _, l := range limit.Slices {
			if l.Pair == s.Pair && l.PerSecond > 0 {
				ratios = append(ratios, s.PerSecond/l.PerSecond)
			}
		}
	}
	if len(ratios) > 0 {
		of := spreadOf(ratios)
		r.OfLimit = &of
	}
}
