package relay

import (
	"math/rand/v2"
	"sync"
	"time"

	"waytrace/trace"
)

// reached notes that Kafka has answered.
func (r *Relay) reached() {
	r.contact.Store(int64(time.Since(r.opened)))
	if r.lost.Load() && r.lost.CompareAndSwap(true, false) {
		r.log.Info("relay: Kafka answers again")
	}
}

// quiet is how long Kafka has not answered.
func (r *Relay) quiet() time.Duration {
	return time.Since(r.opened) - time.Duration(r.contact.Load())
}

// silence is how long nothing must come before Kafka counts as away. Readers ask every
// second.
const silence = 5 * time.Second

// failed counts an error that is met by trying again, and logs one of each kind now and
// then.
func (r *Relay) failed(request string, err error) {
	if r.ctx.Err() != nil {
		return
	}
	kind := errorKind(err)
	failures(request, kind).Inc()
	if r.said.due(request+" "+kind, err) {
		r.log.Warn("relay: a request failed, it is tried again for ever", "request", request, "err", trace.Words(err))
	}
	if r.quiet() >= silence && r.lost.CompareAndSwap(false, true) {
		r.log.Error("relay: Kafka does not answer; what is pushed is stored, and shipped when it is back", "err", trace.Words(err))
	}
}

// complaints keep the log short.
type complaints struct {
	mu   sync.Mutex
	when map[string]time.Time
	last string
	at   time.Time // of last
}

// complainEvery is how often one kind of error is logged.
const complainEvery = time.Minute

func (c *complaints) due(kind string, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.at = trace.Words(err), time.Now().UTC()
	if t, ok := c.when[kind]; ok && time.Since(t) < complainEvery {
		return false
	}
	if c.when == nil {
		c.when = map[string]time.Time{}
	}
	c.when[kind] = time.Now()
	return true
}

// latest is the text of the last error, and when it was; nil where there was none.
func (c *complaints) latest() (string, *time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == "" {
		return "", nil
	}
	at := c.at
	return c.last, &at
}

// pause sleeps, unless the relay closes.
func (r *Relay) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.ctx.Done():
	}
}

// A backoff says how long to wait before the next attempt. The zero value is before
// the first.
type backoff struct{ last time.Duration }

const (
	shortestPause = 50 * time.Millisecond
	longestPause  = 5 * time.Second
)

// next doubles, and wavers, so that not all ask at once.
func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, shortestPause), longestPause)
	return b.last/2 + rand.N(b.last/2+1)
}
