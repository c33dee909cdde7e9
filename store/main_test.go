package store

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"waytrace/store/facttest"
	"waytrace/trace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The facts of these tests are made in facttest.
var (
	scan     = facttest.Scan
	fedBy100 = facttest.FedBy100
	list     = facttest.List
	charges  = facttest.Charges
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// open opens a store on a disk in memory, or on the given one.
func open(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	return openAt(t, fs, nil)
}

// openAt opens a store whose clock follows wall, in milliseconds since 1970.
func openAt(t testing.TB, fs vfs.FS, wall func() int64) *Store {
	t.Helper()
	// With the usual table of heads, with one in which hardly anything has room, and
	// with none: nobody may notice.
	heads := [...]int64{0, ringShards * 2 << 10, -1}[opened.Add(1)%3]
	s, err := Open("data", Options{FS: fs, Log: quiet, CacheSize: 8 << 20, HeadsSize: heads, MemTableSize: 1 << 20, Wall: wall})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// sealed makes facts of events, as ingest would.
func sealed(t testing.TB, s *Store, events ...trace.Event) *trace.Facts {
	t.Helper()
	facts := &trace.Facts{}
	for i := range events {
		e := facts.Event()
		*e = events[i]
		if f, ok := e.Check(s.Now().Milli()); !ok {
			t.Fatal(f)
		}
		facts.Seal(e, s.Now())
	}
	return facts
}

// judged makes facts as ingest would, readings of the clock and all.
func judged(t testing.TB, s *Store, fill func(*trace.Facts)) *trace.Facts {
	t.Helper()
	facts := &trace.Facts{}
	fill(facts)
	facts.Judge(s.Now(), s.Now, func(field string) string { return field })
	if len(facts.Faults) > 0 {
		t.Fatal(facts.Faults)
	}
	return facts
}

// hear appends the facts that fill gives.
func hear(t testing.TB, s *Store, fill func(*trace.Facts)) *trace.Facts {
	t.Helper()
	facts := judged(t, s, fill)
	if _, err := s.Append(context.Background(), facts); err != nil {
		t.Fatal(err)
	}
	return facts
}

func push(t testing.TB, s *Store, events ...trace.Event) (fresh int) {
	t.Helper()
	fresh, err := s.Append(context.Background(), sealed(t, s, events...))
	if err != nil {
		t.Fatal(err)
	}
	return fresh
}

func read(t testing.TB, s *Store, number string) *trace.Trace {
	t.Helper()
	var tr trace.Trace
	if err := s.Trace(&tr, number, "", trace.Want{Events: true}); err != nil {
		t.Fatal(err)
	}
	return &tr
}

// mustAgree checks what holds of every directory at rest: every head is the fold
// of its facts, every index has what the facts say and nothing else, and the feed
// counts its own groups without a hole.
func mustAgree(t testing.TB, s *Store) {
	t.Helper()
	if err := disagreement(s); err != nil {
		t.Error(err)
	}
}

func isUnavailable(err error) bool { return errors.Is(err, trace.ErrUnavailable) }

// opened counts the stores that tests have opened.
var opened atomic.Int64
