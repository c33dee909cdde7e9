package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A recorder makes a timeline of what it watches.
type recorder struct {
	began time.Time

	mu       sync.Mutex
	now      *hdrhistogram.Histogram // of the second under way
	second   int
	units    int64
	errors   int64
	seconds  []Second
	lastGood time.Time
	gap      time.Duration // the longest without a good answer
}

func newRecorder(began time.Time) *recorder {
	return &recorder{began: began, now: newHistogram(), lastGood: began}
}

// watch is a watcher. What comes late for a second that is over counts for the one
// under way.
func (r *recorder) watch(at time.Time, took time.Duration, units int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for second := int(at.Sub(r.began) / time.Second); second > r.second; {
		r.turn(1)
	}
	if err != nil {
		r.errors++
		return
	}
	r.units += int64(units)
	record(r.now, took)
	if gap := at.Sub(r.lastGood); gap > r.gap {
		r.gap = gap
	}
	r.lastGood = at
}

// turn closes the second under way, which took so many.
func (r *recorder) turn(took float64) {
	l := latencyOf(r.now)
	r.seconds = append(r.seconds, Second{T: float64(r.second), PerSecond: float64(r.units) / took, P50: l.P50, P99: l.P99, Errors: r.errors})
	r.now.Reset()
	r.units, r.errors = 0, 0
	r.second++
}

// timeline ends the recording.
func (r *recorder) timeline(s *Scenario) Timeline {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A last second of which there was hardly any would be an outlier.
	if part := time.Since(r.began).Seconds() - float64(r.second); part > 0.2 && r.units > 0 {
		r.turn(min(part, 1))
	}
	return Timeline{Scenario: s.Name, Unit: s.Unit, Seconds: r.seconds}
}

// longestGap is the longest time without a good answer, so far.
func (r *recorder) longestGap() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.gap, time.Since(r.lastGood))
}
