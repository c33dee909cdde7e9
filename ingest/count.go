package ingest

import (
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// apiLabel stands for a carrier where events come through /v1/events, which
// may be anybody's.
const apiLabel = "api"

// counts is what one door counts of the events that came through it.
type counts struct {
	fresh, repeated, quarantined *metrics.Counter
	age                          *metrics.Histogram
}

// count counts what a request brought, once the store has it.
func (c *counts) count(facts *trace.Facts, heard trace.HLC) {
	fresh, repeated := 0, 0
	for i := range facts.Events {
		switch e := &facts.Events[i]; e.Taken {
		case trace.Fresh:
			fresh++
			age := heard.Milli() - e.At.Instant()
			c.age.Update(max(0, float64(age)/1000))
		case trace.Changed:
			fresh++
		case trace.Repeat:
			repeated++
		}
	}
	c.fresh.Add(fresh)
	c.repeated.Add(repeated)
	c.quarantined.Add(len(facts.Faults))
}

// A reason is why a request was refused.
type reason uint8

const (
	invalid      reason = iota // it does not parse
	unauthorized               // no token, a wrong signature
	large                      // over a limit of size
	encoded                    // in an encoding or a form that is not read
	limited                    // over a rate limit
	busy                       // too many at once
	failed                     // the store could not take it
	ours                       // an error of no kind: a mistake of ours
	reasons
)

var reasonNames = [reasons]string{"invalid", "unauthorized", "too_large", "encoding", "rate_limited", "busy", "unavailable", "internal"}

func (r reason) String() string { return reasonNames[r] }

// refusals is what one door counts of the requests that it turned away.
type refusals [reasons]struct {
	total *metrics.Counter
	log   seldom
}

// count counts a refusal, and says whether it is worth a line in the log and
// how many were missed since the line before.
func (r *refusals) count(why reason) (missed int, ok bool) {
	r[why].total.Inc()
	return r[why].log.now(time.Now())
}

// A seldom says yes once a minute. Safe for concurrent use.
type seldom struct {
	mu     sync.Mutex
	last   time.Time
	missed int
}

func (s *seldom) now(now time.Time) (missed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.last.IsZero() && now.Sub(s.last) < time.Minute {
		s.missed++
		return 0, false
	}
	missed = s.missed
	s.last, s.missed = now, 0
	return missed, true
}

// countsOf gives the counters of a door once and for all: looking them up by
// name would cost more than counting. The label is a configured carrier's code
// or apiLabel, never what a stranger wrote.
func countsOf(label string) *counts {
	events := func(result string) *metrics.Counter {
		return metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_ingest_events_total{carrier=%q,result=%q}`, label, result))
	}
	return &counts{
		fresh: events("fresh"), repeated: events("repeated"), quarantined: events("quarantined"),
		age: metrics.GetOrCreateHistogram(fmt.Sprintf(`waytrace_ingest_news_age_seconds{carrier=%q}`, label)),
	}
}

func refusalsOf(label string) *refusals {
	r := new(refusals)
	for why := range reasons {
		r[why].total = metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_ingest_requests_refused_total{carrier=%q,reason=%q}`, label, why))
	}
	return r
}
