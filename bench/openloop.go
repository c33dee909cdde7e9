package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A schedule says when requests are due: a Poisson process, so that each gap is
// exponential and none depends on another one, or on how the server does. It is
// the same each time for a seed, a rate and a shape.
type schedule struct {
	random *rand.Rand
	rate   float64 // requests a second
	shape  shape
	length time.Duration
	due    time.Duration // of the request before
}

func newSchedule(seed uint64, rate float64, shape shape, length time.Duration) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, 8)), rate: rate, shape: shape, length: length}
}

// next says when the next request is due, since the beginning. False: the time is
// over.
func (s *schedule) next() (time.Duration, bool) {
	for {
		s.due += time.Duration(s.random.ExpFloat64() / s.rate * float64(time.Second))
		if s.due >= s.length {
			return 0, false
		}
		// Of the arrivals at the full rate a shape keeps its share, by chance.
		if s.shape == steady || s.random.Float64() < s.shape.at(float64(s.due)/float64(s.length)) {
			return s.due, true
		}
	}
}

// An openLoop sends requests when they are due, on whichever of its connections
// is free. Where none is, they wait, and their latency goes on counting: it
// begins when a request is due, so that a server that stalls is charged for all
// who come meanwhile.
//
// One thread, the pacer (pacer_linux.go), sleeps until requests are due and writes
// them itself. Each connection has a goroutine that is always reading, also while
// nothing was asked: so an answer finds it waiting, and whoever writes need not
// wake anybody. Having read an answer, it makes its connection's next request and
// takes over who waits.
type openLoop struct {
	to    *endpoint
	plan  *schedule
	watch watcher // nil: nobody

	began    time.Time
	lateness *hdrhistogram.Histogram // the pacer's

	mu      sync.Mutex // guards what follows, and what callers say it does
	free    []*caller
	waiting []time.Time // when they were due, oldest first
	most    int         // that may wait
	due     int64
	dropped int64
	ended   time.Time // when the last was due; zero before that
}

// arrivals is what an open loop found.
type arrivals struct {
	*tally
	due      int64
	dropped  int64 // of due, never sent
	lateness *hdrhistogram.Histogram
	took     time.Duration // until the last was answered
}

// mostWaiting is how many seconds of arrivals may wait for a free connection;
// those beyond are dropped.
const mostWaiting = 10

// A caller is one connection of an open loop.
type caller struct {
	loop    *openLoop
	conn    conn
	maker   maker
	request []byte // the next one
	answers int    // to come for it; 0: there is nothing left to ask
	tally   *tally
	call    chan struct{} // there is a request and no connection
	writing sync.Mutex    // held by the pacer while it writes request; taken with loop.mu held, never the other way round

	// Guarded by loop.mu.
	live net.Conn  // that is being read from; nil: the caller waits for call
	due  time.Time // of the request under way; zero: none is
	sent time.Time
}

// drive sends what the plan says, each maker's requests on a connection of its
// own, and returns when all is answered. An error is ctx's only.
func (l *openLoop) drive(ctx context.Context, makers []maker) (*arrivals, error) {
	l.lateness = newHistogram()
	l.most = max(10_000, int(mostWaiting*l.plan.rate))
	if l.watch == nil {
		l.watch = unwatched
	}
	callers := make([]*caller, len(makers))
	for i, m := range makers {
		c := &caller{loop: l, conn: conn{to: l.to}, maker: m, call: make(chan struct{}, 1), tally: newTally()}
		c.request, c.answers = m.next()
		if c.answers > 0 {
			c.dial()
			l.free = append(l.free, c)
		}
		callers[i] = c
	}
	l.began = time.Now()
	var all, guard sync.WaitGroup
	for _, c := range callers {
		all.Go(func() { c.run(ctx) })
	}
	over := make(chan struct{})
	guard.Go(func() { l.hangUp(callers, over) })

	l.pace(ctx)
	l.end(callers)
	all.Wait()
	took := time.Since(l.began)
	close(over)
	guard.Wait()

	a := &arrivals{tally: newTally(), due: l.due, dropped: l.dropped, lateness: l.lateness, took: took}
	for _, c := range callers {
		a.add(c.tally)
	}
	return a, ctx.Err()
}

// roomForPacers gives the generator's goroutines threads beside those of its pacers,
// until it is told to stop: else a pacer that wakes waits until one of them lets go.
// With it lateness is half of what it is without, or less.
func roomForPacers(pacers int) (stop func()) {
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + pacers)
	return func() { runtime.GOMAXPROCS(before) }
}

// pace sends each request when it is due.
func (l *openLoop) pace(ctx context.Context) {
	p := newPacer()
	defer p.close()
	next, more := l.plan.next()
	for more && ctx.Err() == nil {
		for more && time.Since(l.began) >= next {
			l.arrive(l.began.Add(next))
			next, more = l.plan.next()
		}
		p.sleep(next - time.Since(l.began))
	}
}

// arrive sends a request that is due, or lets it wait.
func (l *openLoop) arrive(due time.Time) {
	l.mu.Lock()
	l.due++
	if len(l.free) == 0 {
		if len(l.waiting) < l.most {
			l.waiting = append(l.waiting, due)
		} else {
			l.dropped++
		}
		l.mu.Unlock()
		return
	}
	c := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	now := time.Now()
	c.due, c.sent = due, now
	live := c.live
	if live != nil {
		c.writing.Lock()
	}
	l.mu.Unlock()
	record(l.lateness, now.Sub(due))
	if live == nil {
		c.call <- struct{}{}
		return
	}
	live.Write(c.request) // when that fails, reading fails too
	c.writing.Unlock()
}

// end lets the callers go that have nothing to do.
func (l *openLoop) end(callers []*caller) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
	for _, c := range callers {
		if !c.due.IsZero() {
			continue // it hears of the end when it is answered
		}
		if c.live != nil {
			c.live.Close()
		} else {
			close(c.call)
		}
	}
}

// hangUp closes connections on which an answer takes too long, and gives up who
// waits for too long after the end.
func (l *openLoop) hangUp(callers []*caller, over chan struct{}) {
	ticks := time.NewTicker(patience / 10)
	defer ticks.Stop()
	for {
		select {
		case <-over:
			return
		case <-ticks.C:
		}
		l.mu.Lock()
		for _, c := range callers {
			if c.live != nil && !c.due.IsZero() && time.Since(c.sent) > patience {
				c.live.Close()
			}
		}
		if !l.ended.IsZero() && time.Since(l.ended) > patience {
			l.dropped += int64(len(l.waiting))
			l.waiting = nil
		}
		l.mu.Unlock()
	}
}

// run answers for one connection until all is over.
func (c *caller) run(ctx context.Context) {
	defer c.conn.close()
	for c.answers > 0 {
		var units, size int
		err := c.reconnect()
		switch {
		case errors.Is(err, errOver):
			c.clear(ctx)
			return
		case err == nil:
			err = c.conn.receive(c.answers, func(a answer) error {
				u, n, err := c.maker.judge(a)
				units, size = units+u, size+n
				return err
			})
		}
		due := c.answered()
		if due.IsZero() {
			continue // the server closed a connection on which nothing was asked, or all is over
		}
		now := time.Now()
		took := now.Sub(due)
		c.loop.watch(now, took, units, err)
		if err == nil {
			record(c.tally.latency, took)
			c.tally.requests++
			c.tally.units += int64(units)
			c.tally.bytes += int64(size)
		} else {
			c.tally.errors++
			if c.tally.firstError == nil {
				c.tally.firstError = err
			}
		}
		c.writing.Lock() // an answer can be here before the pacer is back from writing
		c.request, c.answers = c.maker.next()
		c.writing.Unlock()
		c.takeOver()
	}
}

var errOver = errors.New("the open loop is over")

// reconnect waits, where there is no connection, until there is something to ask,
// and asks it on a new one. errOver: nothing more is asked.
func (c *caller) reconnect() error {
	l := c.loop
	l.mu.Lock()
	live, idle, over := c.live, c.due.IsZero(), !l.ended.IsZero()
	l.mu.Unlock()
	switch {
	case live != nil && !(idle && over):
		return nil
	case idle && over:
		return errOver
	case idle:
		if _, ok := <-c.call; !ok {
			return errOver
		}
	}
	if err := c.dial(); err != nil {
		return err
	}
	_, err := c.conn.net.Write(c.request)
	if err != nil {
		return c.conn.fail(err)
	}
	return nil
}

// dial opens a connection, from which run is to read.
func (c *caller) dial() error {
	if err := c.conn.open(time.Now()); err != nil {
		return err
	}
	c.loop.mu.Lock()
	c.live = c.conn.net
	c.loop.mu.Unlock()
	return nil
}

// answered says when the request was due that was under way; zero where none was.
// A connection that was closed is forgotten.
func (c *caller) answered() (due time.Time) {
	c.loop.mu.Lock()
	defer c.loop.mu.Unlock()
	if c.conn.net == nil {
		c.live = nil
	}
	return c.due
}

// takeOver sends the request that has waited longest, or makes the connection free.
func (c *caller) takeOver() {
	l := c.loop
	l.mu.Lock()
	c.due = time.Time{}
	switch {
	case c.answers == 0:
		l.mu.Unlock()
		return
	case len(l.waiting) == 0:
		if l.ended.IsZero() {
			l.free = append(l.free, c)
		}
		l.mu.Unlock()
		return
	}
	c.due, c.sent = l.waiting[0], time.Now()
	l.waiting = l.waiting[1:]
	live := c.live
	l.mu.Unlock()
	if live != nil {
		live.Write(c.request) // when that fails, reading fails too
	}
}

// clear sends the request that was made ready and never due: the stock counts its
// events as told.
func (c *caller) clear(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	c.conn.close()
	err := c.conn.ask(c.request, c.answers, time.Now(), func(a answer) error {
		_, _, err := c.maker.judge(a)
		return err
	})
	if err != nil {
		c.tally.errors++
		if c.tally.firstError == nil {
			c.tally.firstError = fmt.Errorf("after the last was due: %w", err)
		}
	}
}

// quantum is the least that the pacer sleeps. Arrivals are late by half of it on
// average; waking for each would take the server's time.
const quantum = 50 * time.Microsecond
