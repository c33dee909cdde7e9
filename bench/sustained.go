package bench

import (
	"context"
	"fmt"
	"time"
)

// A Sustained is ingest without a break, in events a second.
type Sustained struct {
	Seconds      float64 `json:"seconds"`
	PerSecond    float64 `json:"per_second"`
	FirstSeconds float64 `json:"first_seconds"` // how long First is, from the beginning
	First        float64 `json:"first_per_second"`
	LastSeconds  float64 `json:"last_seconds"` // how long Last is, up to the end
	Last         float64 `json:"last_per_second"`
	Latency      Latency `json:"latency"`
	DebtBytes    int64   `json:"debt_bytes"`   // left to be compacted at the end
	DebtSeconds  float64 `json:"debt_seconds"` // until that was small
}

// Of so many parts the first and the last are compared: minutes 1 and 2 with minutes 25
// to 30 of thirty.
const (
	partsOfSustained = 180
	partsOfFirst     = partsOfSustained * 2 / 30
	partsOfLast      = partsOfSustained * 5 / 30
)

// sustained pushes to the large directory for long.
func (b *big) sustained(ctx context.Context) error {
	scenario := must("push-10-json")
	workers, err := b.kit.clients(scenario, b.Connections)
	if err != nil {
		return err
	}
	d := b.large.daemon
	payBack(ctx, d.debt)
	shown := newStage(b.Words, "ingest", "seconds", int64(b.sizes.Ingest.Seconds()))
	began := time.Now()
	watched := newRecorder(began)
	watched.step = b.sizes.Ingest / partsOfSustained
	t, took, err := drive(ctx, workers, b.sizes.Ingest, func(at time.Time, took time.Duration, units int, err error) {
		watched.watch(at, took, units, err)
		shown.count.Store(int64(at.Sub(began).Seconds()))
	})
	shown.end()
	if err != nil {
		return err
	}
	line := watched.timeline(scenario)
	for len(line.Seconds) < partsOfSustained && took >= b.sizes.Ingest {
		line.Seconds = append(line.Seconds, Second{T: float64(len(line.Seconds)) * line.Step}) // nothing was answered
	}
	line.Scenario = fmt.Sprintf("%s for %s on the large directory", scenario.Name, b.sizes.Ingest)
	b.results.Timelines = append(b.results.Timelines, line)
	s := Sustained{Seconds: took.Seconds(), PerSecond: float64(t.units) / took.Seconds(), Latency: latencyOf(t.latency)}
	s.DebtBytes, _ = d.debt()
	s.DebtSeconds = payBack(ctx, d.debt).Seconds()
	b.rememberOf(d, "after sustained ingest")
	switch {
	case t.errors > 0:
		b.problem("sustained ingest: %d of %d requests failed, the first with: %v", t.errors, t.errors+t.requests, t.firstError)
	case len(line.Seconds) < partsOfSustained:
		b.problem("sustained ingest ended after %.1f s: %v", took.Seconds(), errUsedUp)
		return nil
	}
	s.FirstSeconds, s.First = line.mean(0, partsOfFirst)
	s.LastSeconds, s.Last = line.mean(partsOfSustained-partsOfLast, partsOfSustained)
	b.results.Sustained = &s
	return ctx.Err()
}

// mean is the rate of some parts of a timeline, and how long they are together.
func (t *Timeline) mean(from, to int) (seconds, perSecond float64) {
	sum := 0.0
	for _, s := range t.Seconds[from:to] {
		sum += s.PerSecond
	}
	return float64(to-from) * t.Step, sum / float64(to-from)
}

// words is what came of it.
func (s *Sustained) words() string {
	return fmt.Sprintf("ingest without a break for %s s: %s events/s, p50 %s, p99 %s, p99.9 %s, max %s; the first %s s %s, the last %s s %s; %s were left to compact, of which the store worked off for %.1f s what was beyond %s",
		short3(s.Seconds), rate(s.PerSecond), micros(s.Latency.P50), micros(s.Latency.P99), micros(s.Latency.P999), micros(s.Latency.Max),
		short3(s.FirstSeconds), rate(s.First), short3(s.LastSeconds), rate(s.Last), megabytes(s.DebtBytes), s.DebtSeconds, megabytes(allowedDebt))
}
