package bench

import (
	"context"
	"fmt"
	"time"
)

// An Opening is one start of the daemon after it was killed under load.
type Opening struct {
	LogBytes int64   `json:"log_bytes"`       // in no table yet when it was killed, as the daemon said last
	Ready    float64 `json:"ready_seconds"`   // from the start of the process until it is ready
	Scanned  float64 `json:"scanned_seconds"` // until it has read its heads too
	RSS      int64   `json:"rss_bytes"`       // when it was ready
}

// openingsAsked is how often the daemon is killed and started again.
const openingsAsked = 3

// openings kills the large directory's daemon when its log is full, and measures how
// soon it is ready again.
func (b *big) openings(ctx context.Context) error {
	shown := newStage(b.Words, "kill and open", "times", openingsAsked)
	defer shown.end()
	d := b.large.daemon
	for n := range openingsAsked {
		log, err := b.fillLog(ctx)
		if err != nil {
			return err
		}
		if err := d.kill(); err != nil {
			return err
		}
		began := time.Now()
		if err := d.start(ctx); err != nil {
			return err
		}
		if err := d.ready(ctx); err != nil {
			return err
		}
		o := Opening{LogBytes: log, Ready: time.Since(began).Seconds(), RSS: d.rss()}
		if err := d.scanned(ctx); err != nil {
			return err
		}
		o.Scanned = time.Since(began).Seconds()
		b.results.Openings = append(b.results.Openings, o)
		b.rememberOf(d, fmt.Sprintf("after opening again, %d", n+1))
		if err := b.check(); err != nil {
			return err
		}
		shown.add(1)
	}
	return nil
}

// fillLog pushes until the log holds nearly as much as it ever did within a turn, and
// says how much that is. Nothing is under way when it returns.
func (b *big) fillLog(ctx context.Context) (int64, error) {
	workers, err := b.kit.clients(must("push-10-json"), b.Connections)
	if err != nil {
		return 0, err
	}
	until, stop := context.WithCancel(ctx)
	defer stop()
	seen := make(chan struct{})
	go func() {
		defer close(seen)
		b.watchLog(until)
		stop()
	}()
	t, _, err := drive(until, workers, 3*b.WriteSlice, unwatched)
	stop()
	<-seen
	switch {
	case ctx.Err() != nil:
		return 0, err
	case t.errors > 0:
		b.problem("pushes before the daemon was killed: %d of %d failed, the first with: %v", t.errors, t.errors+t.requests, t.firstError)
	}
	// Those under way have ended, and a flush may have.
	m, err := b.large.daemon.metrics()
	return logOf(m), err
}

// logOf is how much the log holds that is in no table yet, in bytes.
func logOf(metrics map[string]float64) int64 { return int64(metrics["waytrace_store_wal_bytes"]) }

// watchLog looks at the daemon's log for the length of a turn, and then returns as soon
// as it is nearly as large as it was then.
func (b *big) watchLog(ctx context.Context) {
	const nearly = 0.95
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	most := int64(0)
	for began := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		m, err := b.large.daemon.metrics()
		if err != nil {
			continue
		}
		now := logOf(m)
		most = max(most, now)
		if time.Since(began) > b.WriteSlice && float64(now) >= nearly*float64(most) {
			return
		}
	}
}
