//go:build !linux

package bench

import "time"

// A pacer sleeps as exactly as Go's timers do.
type pacer struct{}

func newPacer() pacer { return pacer{} }

func (pacer) sleep(d time.Duration) { time.Sleep(max(d, quantum)) }

func (pacer) close() {}
