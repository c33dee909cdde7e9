package ingest

import (
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// A gate counts who is inside, so that no sender takes all the room and all of
// them together keep no more bodies in work than there is memory for, and lets nobody
// in while the store is busy. Refusing is cheap: it comes before anything is decoded.
// Safe for concurrent use.
type gate struct {
	mostBytes int64
	busy      func() (reason string, busy bool) // see Options.Busy; may be nil

	mu     sync.Mutex
	inside map[place]int // no entry for who is not inside
	bytes  int64
}

// secondLook is how long a request waits that finds no room, before it is looked at again.
// Often there is some by then; and whoever sends it again at once when it is refused does
// not take the processor from those who are inside.
const secondLook = 100 * time.Millisecond

// A place is a sender at a door: who is busy at one door may still enter another.
type place struct {
	door, sender string
}

// An entrance is a door as the gate knows it. Of one sender, atOnce requests may be
// inside; setting is that number's name in the config.
type entrance struct {
	name    string
	atOnce  int
	setting string
	sheds   *sheds
}

// enter lets a request of size bytes in, or says why not: ErrInvalid with code
// too_large, or ErrUnavailable with code busy and, where one would help, the setting.
// Whoever is exempt always finds room. p is filled in for a request that is let in.
func (g *gate) enter(p *pass, at *entrance, who trace.Asker, size int) error {
	if size > MaxBody {
		return tooLarge()
	}
	*p = pass{gate: g, at: at, sender: who.Sender, exempt: who.Exempt}
	if err := p.take(size); err != nil {
		return err
	}
	inflight.Inc()
	return nil
}

// A pass lets one request be inside until it leaves.
type pass struct {
	gate   *gate
	at     *entrance
	sender string
	bytes  int64
	exempt bool
}

func (p *pass) take(size int) error {
	if p.exempt {
		return nil
	}
	reason := p.try(size)
	if reason != "" {
		time.Sleep(secondLook)
		reason = p.try(size)
	}
	return p.refusal(reason)
}

// try takes room, or says in a word why there is none.
func (p *pass) try(size int) (reason string) {
	g := p.gate
	if g.busy != nil {
		if reason, busy := g.busy(); busy {
			return reason
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	here := place{p.at.name, p.sender}
	if g.inside[here] >= p.at.atOnce {
		return shedSender
	}
	if !p.weigh(size) {
		return shedBytes
	}
	g.inside[here]++
	return ""
}

// grow makes the request n bytes heavier, or fails like enter.
func (p *pass) grow(n int) error {
	if p.exempt || n == 0 {
		return nil
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if !p.weigh(n) {
		return p.refusal(shedBytes)
	}
	return nil
}

// weigh takes room for n bytes more. The gate is locked.
func (p *pass) weigh(n int) bool {
	g := p.gate
	if g.bytes > 0 && g.bytes+int64(n) > g.mostBytes {
		return false
	}
	g.bytes += int64(n)
	p.bytes += int64(n)
	return true
}

// refusal is what is said for a reason, and counts it.
func (p *pass) refusal(reason string) error {
	switch reason {
	case "":
		return nil
	case shedSender:
		return p.at.sheds.of(reason, "too many requests of this sender at once: raise %s (now %d)", p.at.setting, p.at.atOnce)
	case shedBytes:
		return p.at.sheds.of(reason, "too many bytes under way at once: raise bytes_in_flight (now %d)", p.gate.mostBytes)
	}
	return p.at.sheds.of(reason, "the store has more to do than it can: send it again in a second")
}

// leave gives the room back.
func (p *pass) leave() {
	inflight.Dec()
	if p.exempt {
		return
	}
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes -= p.bytes
	here := place{p.at.name, p.sender}
	if n := g.inside[here] - 1; n > 0 {
		g.inside[here] = n
	} else {
		delete(g.inside, here)
	}
}

// Why a request is shed, beside what Options.Busy says.
const (
	shedSender = "sender"
	shedBytes  = "bytes"
)

// sheds are what a door says and counts of the requests that it has no room for, by
// reason. A refusal is made once: under overload it is said more often than anything
// else.
type sheds struct {
	label string
	known sync.Map // of *shed, by reason
}

type shed struct {
	problem *trace.Problem
	total   *metrics.Counter
}

// shedsOf gives those of a door. The label is as that of countsOf.
func shedsOf(label string) *sheds { return &sheds{label: label} }

// of counts a request that is refused, and gives what is said of it: the same words
// for the same reason.
func (s *sheds) of(reason, format string, args ...any) error {
	made, ok := s.known.Load(reason)
	if !ok {
		made, _ = s.known.LoadOrStore(reason, &shed{
			trace.Problemf(trace.ErrUnavailable, "busy", format, args...),
			metrics.GetOrCreateCounter(fmt.Sprintf(`waytrace_ingest_shed_total{carrier=%q,reason=%q}`, s.label, reason)),
		})
	}
	refused := made.(*shed)
	refused.total.Inc()
	return refused.problem
}

var inflight = metrics.NewGauge("waytrace_ingest_inflight", nil)
