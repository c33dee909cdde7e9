package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

// Tables pile up that nobody compacts: the store says that it is busy while the database
// still takes all that comes.
func TestBusyBeforeWritesStop(t *testing.T) {
	s := open(t, vfs.NewMem())
	s.Quiet()
	stalls := writeStalls.Get()
	for i := 1; ; i++ {
		push(t, s, scan("SF0001", fmt.Sprint(i), trace.InTransit, i))
		if err := s.db.Flush(); err != nil {
			t.Fatal(err)
		}
		s.distress.looked.Store(-int64(lookEvery)) // look at once
		reason, busy := s.Busy()
		sublevels := s.db.Metrics().Levels[0].Sublevels
		if busy != (sublevels > busySublevels) || busy && reason != "compactions" {
			t.Fatalf("with %d tables one over the other: %t %q", sublevels, busy, reason)
		}
		if busy {
			break
		}
	}
	if n := writeStalls.Get() - stalls; n > 0 {
		t.Errorf("the database held writes back %d times before", n)
	}
}

// While the disk does not answer some may wait, so that it has something to do when it
// does; others are better off elsewhere.
func TestBusyWithASlowDisk(t *testing.T) {
	for _, c := range []struct {
		waiting int
		stalled time.Duration
		want    string
	}{
		{0, 0, ""},
		{queueLength - 1, busyAfter / 2, ""},
		{queueLength, 0, "queue"},
		{0, 2 * busyAfter, ""},
		{mostWaiting, 2 * busyAfter, ""},
		{mostWaiting + 1, 2 * busyAfter, "disk"},
		{queueLength, 2 * busyAfter, "queue"},
	} {
		s := &Store{in: make(chan *request, queueLength), opened: time.Now()}
		s.distress.looked.Store(int64(time.Hour)) // there is no database to look at
		for range c.waiting {
			s.in <- nil
		}
		if c.stalled > 0 {
			s.syncing.Store(time.Now().Add(-c.stalled).UnixNano())
		}
		if reason, busy := s.Busy(); reason != c.want || busy != (c.want != "") {
			t.Errorf("%d waiting for %s: %t %q, want %q", c.waiting, c.stalled, busy, reason, c.want)
		}
	}
}
