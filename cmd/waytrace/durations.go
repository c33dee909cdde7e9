package main

import (
	"fmt"
	"io"
	"math"
	"math/bits"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// durations is a histogram of how long the answers of a route took, with the buckets and
// in the form of VictoriaMetrics' own, for what happens a hundred thousand times a
// second: nobody waits for a lock. It is in parts, by connection, and every duration is
// counted. Who reads it meanwhile may see one counted whose sum is still to come.
type durations struct {
	route string
	parts [4]struct {
		counts [durationBuckets]atomic.Uint64
		sum    atomic.Uint64 // nanoseconds
		_      [64]byte      // keeps the next part's line of the processor's cache away
	}
}

// The first bucket has all that is faster than its end, the last one all that is slower
// than the end before it.
const (
	bucketsPerDecimal = 18
	firstEnd          = -7 // 100 ns, as a power of ten of seconds
	lastEnd           = 3
	durationBuckets   = (lastEnd-firstEnd)*bucketsPerDecimal + 2
)

// bucketEnd is where a bucket ends, in seconds.
func bucketEnd(i int) float64 { return math.Pow(10, firstEnd+float64(i)/bucketsPerDecimal) }

// bucketEnds are the last nanoseconds of the buckets; bucketFrom is the first bucket in
// which a number of nanoseconds of so many bits may be.
var bucketEnds, bucketFrom = func() (ends [durationBuckets]int64, from [64]int) {
	for i := range ends {
		ends[i] = int64(bucketEnd(i) * 1e9)
	}
	ends[len(ends)-1] = math.MaxInt64
	for n := 1; n < len(from); n++ {
		from[n] = sort.Search(len(ends), func(i int) bool { return ends[i] >= 1<<(n-1) })
	}
	return ends, from
}()

// add counts a duration of a connection's.
func (d *durations) add(took time.Duration, connection uint64) {
	n := max(int64(took), 0)
	i := bucketFrom[bits.Len64(uint64(n))]
	for n > bucketEnds[i] {
		i++
	}
	p := &d.parts[connection%uint64(len(d.parts))]
	p.counts[i].Add(1)
	p.sum.Add(uint64(n))
}

// write writes the histogram in Prometheus text form; nothing where nothing was counted.
func (d *durations) write(w io.Writer) {
	const name = "waytrace_http_request_duration_seconds"
	var count, sum uint64
	for i := range durationBuckets {
		n := uint64(0)
		for p := range d.parts {
			n += d.parts[p].counts[i].Load()
		}
		if n > 0 {
			fmt.Fprintf(w, "%s_bucket{route=%q,vmrange=%q} %d\n", name, d.route, bucketRange(i), n)
		}
		count += n
	}
	if count == 0 {
		return
	}
	for p := range d.parts {
		sum += d.parts[p].sum.Load()
	}
	fmt.Fprintf(w, "%s_sum{route=%q} %g\n%s_count{route=%q} %d\n", name, d.route, float64(sum)/1e9, name, d.route, count)
}

func bucketRange(i int) string {
	from, to := "0", "+Inf"
	if i > 0 {
		from = fmt.Sprintf("%.3e", bucketEnd(i-1))
	}
	if i < durationBuckets-1 {
		to = fmt.Sprintf("%.3e", bucketEnd(i))
	}
	return from + "..." + to
}

// routeDurations are those of all routes: one each, however many listeners have it.
var routeDurations struct {
	mu  sync.Mutex
	all []*durations
}

func init() {
	metrics.RegisterMetricsWriter(func(w io.Writer) {
		routeDurations.mu.Lock()
		defer routeDurations.mu.Unlock()
		for _, d := range routeDurations.all {
			d.write(w)
		}
	})
}

func durationsOf(route string) *durations {
	routeDurations.mu.Lock()
	defer routeDurations.mu.Unlock()
	for _, d := range routeDurations.all {
		if d.route == route {
			return d
		}
	}
	d := &durations{route: route}
	routeDurations.all = append(routeDurations.all, d)
	return d
}
