package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A recorder makes a timeline of what it watches.
type recorder struct {
	began time.Time
	step  time.Duration // what is counted together: a second, or set before anything is watched

	mu       sync.Mutex
	now      *hdrhistogram.Histogram // of the step under way
	second   int
	units    int64
	errors   int64
	seconds  []Second
	lastGood time.Time
	gap      time.Duration // the longest without a good answer
}

func newRecorder(began time.Time) *recorder {
	return &recorder{began: began, step: time.Second, now: newHistogram(), lastGood: began}
}

// watch is a watcher. What comes late for a step that is over counts for the one
// under way.
func (r *recorder) watch(at time.Time, took time.Duration, units int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for second := int(at.Sub(r.began) / r.step); second > r.second; {
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

// turn closes the step under way, of which so much is over, 1 being all of it.
func (r *recorder) turn(took float64) {
	l := latencyOf(r.now)
	r.seconds = append(r.seconds, Second{T: float64(r.second) * r.step.Seconds(), PerSecond: float64(r.units) / (took * r.step.Seconds()), P50: l.P50, P99: l.P99, Errors: r.errors})
	r.now.Reset()
	r.units, r.errors = 0, 0
	r.second++
}

// timeline ends the recording.
func (r *recorder) timeline(s *Scenario) Timeline {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A last step of which there was hardly any would be an outlier.
	if part := float64(time.Since(r.began))/float64(r.step) - float64(r.second); part > 0.2 && r.units > 0 {
		r.turn(min(part, 1))
	}
	return Timeline{Scenario: s.Name, Unit: s.Unit, Step: r.step.Seconds(), Seconds: r.seconds}
}

// longestGap is the longest time without a good answer, so far.
func (r *recorder) longestGap() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(r.gap, time.Since(r.lastGood))
}
