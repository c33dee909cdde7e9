package ingest

import (
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// A gate counts who is inside, so that no sender takes all the room and all of
// them together keep no more bodies in work than there is memory for. Refusing is
// cheap: it comes before anything is decoded. Safe for concurrent use.
type gate struct {
	mostBytes int64

	mu     sync.Mutex
	inside map[place]int // no entry for who is not inside
	bytes  int64
}

// A place is a sender at a door: who is busy at one door may still enter another.
type place struct {
	door, sender string
}

// enter lets a request of size bytes in, or says why not: ErrInvalid with code
// too_large, or ErrUnavailable with code busy and the setting that would help.
// Of one sender, atOnce requests may be inside a door; setting is that number's
// name in the config. Whoever is exempt always finds room.
func (g *gate) enter(door string, who trace.Asker, size, atOnce int, setting string) (*pass, error) {
	if size > MaxBody {
		return nil, tooLarge()
	}
	p := &pass{gate: g, place: place{door, who.Sender}, exempt: who.Exempt}
	if err := p.take(size, atOnce, setting); err != nil {
		return nil, err
	}
	inflight.Inc()
	return p, nil
}

// A pass lets one request be inside until it leaves.
type pass struct {
	gate   *gate
	place  place
	bytes  int64
	exempt bool
}

func (p *pass) take(size, atOnce int, setting string) error {
	if p.exempt {
		return nil
	}
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside[p.place] >= atOnce {
		return trace.Problemf(trace.ErrUnavailable, "busy", "too many requests of this sender at once: raise %s (now %d)", setting, atOnce)
	}
	if err := p.weigh(size); err != nil {
		return err
	}
	g.inside[p.place]++
	return nil
}

// grow makes the request n bytes heavier, or fails like enter.
func (p *pass) grow(n int) error {
	if p.exempt {
		return nil
	}
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	return p.weigh(n)
}

// weigh takes room for n bytes more. The gate is locked.
func (p *pass) weigh(n int) error {
	g := p.gate
	if g.bytes > 0 && g.bytes+int64(n) > g.mostBytes {
		return trace.Problemf(trace.ErrUnavailable, "busy", "too many bytes under way at once: raise bytes_in_flight (now %d)", g.mostBytes)
	}
	g.bytes += int64(n)
	p.bytes += int64(n)
	return nil
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
	if g.inside[p.place]--; g.inside[p.place] == 0 {
		delete(g.inside, p.place)
	}
}

var inflight = metrics.NewGauge("waytrace_ingest_inflight", nil)
