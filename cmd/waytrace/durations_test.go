package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// A duration is counted in the bucket that VictoriaMetrics' own histogram has for it.
func TestDurationBuckets(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 10_000 {
		took := time.Duration(100 * math.Pow(10, 10*random.Float64()))
		if random.IntN(2) == 0 {
			took = time.Duration(1) << random.IntN(40)
		}
		if took <= 100 || took >= 1000*time.Second {
			continue
		}
		var d durations
		d.add(took, random.Uint64())
		var theirs metrics.Histogram
		theirs.Update(took.Seconds())
		theirs.VisitNonZeroBuckets(func(vmrange string, _ uint64) {
			var b strings.Builder
			if d.write(&b); !strings.Contains(b.String(), fmt.Sprintf("vmrange=%q} 1\n", vmrange)) {
				t.Fatalf("%d ns: want %s, got\n%s", took, vmrange, &b)
			}
		})
	}
	for took, want := range map[time.Duration]string{
		-1: `vmrange="0...1.000e-07"} 1`, 0: `vmrange="0...1.000e-07"} 1`, 100: `vmrange="0...1.000e-07"} 1`,
		2000 * time.Second: `vmrange="1.000e+03...+Inf"} 1`, math.MaxInt64: `vmrange="1.000e+03...+Inf"} 1`,
	} {
		var d durations
		d.add(took, 0)
		var b strings.Builder
		if d.write(&b); !strings.Contains(b.String(), want) {
			t.Errorf("%d ns: no %s in\n%s", took, want, &b)
		}
	}
}

// Everything is counted, from however many connections at once, and once however often a
// route is opened.
func TestDurationsAtOnce(t *testing.T) {
	const route = "/test/of/durations"
	var all sync.WaitGroup
	for connection := range uint64(8) {
		all.Go(func() {
			d := durationsOf(route)
			for range 1000 {
				d.add(250*time.Millisecond, connection)
			}
		})
	}
	all.Wait()
	var b strings.Builder
	metrics.WritePrometheus(&b, false)
	for _, line := range []string{
		`_bucket{route="` + route + `",vmrange="2.448e-01...2.783e-01"} 8000`, `_sum{route="` + route + `"} 2000`, `_count{route="` + route + `"} 8000`,
	} {
		if strings.Count(b.String(), "waytrace_http_request_duration_seconds"+line+"\n") != 1 {
			t.Errorf("no %s, or more than one, in the metrics", line)
		}
	}
}
