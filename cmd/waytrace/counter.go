package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// A counter shows how many of something are done: a bar on a terminal, elsewhere a line
// every meterEvery. It is safe for concurrent use.
type counter struct {
	mu    sync.Mutex
	w     io.Writer
	doing string // such as "writing"
	what  string // such as "events"
	total int64
	told  time.Time
	bars  *mpb.Progress // nil where nobody looks
	bar   *mpb.Bar
}

func newCounter(w io.Writer, doing, what string, total int64) *counter {
	c := &counter{w: w, doing: doing, what: what, total: total, told: time.Now()}
	if isTerminal(w) {
		c.bars = mpb.New(mpb.WithOutput(w), mpb.WithWidth(40))
		c.bar = c.bars.AddBar(total, mpb.PrependDecorators(decor.Name(doing+" "), decor.CountersNoUnit("%d of %d "+what)),
			mpb.AppendDecorators(decor.Percentage(), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	}
	return c
}

// set says how many are done; what was said before stays where that is more.
func (c *counter) set(done int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.bar != nil:
		c.bar.SetCurrent(max(done, c.bar.Current()))
	case time.Since(c.told) >= meterEvery:
		c.told = time.Now()
		fmt.Fprintf(c.w, "%s: %d of %d %s\n", c.doing, done, c.total, c.what)
	}
}

func (c *counter) close() {
	if c.bar != nil {
		c.bar.Abort(false) // does nothing to one that is complete
		c.bars.Wait()
	}
}
