package store

import (
	"sync/atomic"
	"time"
)

// distress is what was seen last of the database's own trouble, at most lookEvery old.
type distress struct {
	looked atomic.Int64           // when, since the store was opened
	reason atomic.Pointer[string] // nil is none
}

// At these the database is about to hold writes back by itself, for as long as it
// likes: half as many tables one over the other as make it stop, and the last
// memtable before those in memory are full.
const (
	busySublevels = stopSublevels / 2
	// busyAfter is how long a write may be under way before more are refused, while
	// mostWaiting others wait behind it: a sixth of what the carriers wait. Those who
	// wait are what a disk has to do that is slow, and has not stopped: with nobody
	// let in, each of its syncs would be of next to nothing.
	busyAfter   = 500 * time.Millisecond
	mostWaiting = queueLength / 4
)

// Busy reports whether the store has more to do than it can: then a write that is
// refused now costs less than one that waits. reason is one word: queue, disk,
// memtables or compactions.
func (s *Store) Busy() (reason string, busy bool) {
	waiting := len(s.in)
	switch {
	case waiting == cap(s.in):
		return "queue", true
	case waiting > mostWaiting && s.Stalled() > busyAfter:
		return "disk", true
	}
	now := int64(time.Since(s.opened))
	if last := s.distress.looked.Load(); now-last >= int64(lookEvery) && s.distress.looked.CompareAndSwap(last, now) {
		s.distress.reason.Store(s.troubled())
	}
	if why := s.distress.reason.Load(); why != nil {
		return *why, true
	}
	return "", false
}

// troubled says what holds the database up; nil is nothing.
func (s *Store) troubled() *string {
	if s.enter() != nil {
		return nil
	}
	defer s.leave()
	m := s.db.Metrics()
	s.pace.saw(m.Levels[0].Sublevels, m.Compact.EstimatedDebt)
	why := "compactions"
	switch {
	case m.Levels[0].Sublevels > busySublevels:
	case m.MemTable.Size >= stopMemtables*s.memtable: // the first are smaller, and may be more
		why = "memtables"
	default:
		return nil
	}
	return &why
}
