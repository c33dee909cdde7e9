package relay

import (
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"waytrace/store/facttest"
	"waytrace/store/storetest"
	"waytrace/trace"
)

// A story is played by real stores on a Kafka in memory.
type story struct {
	*testing.T
	settings Settings
	relays   map[*storetest.Node]*Relay
}

// storyPartition is where all of it happens.
const storyPartition = 3

func newStory(t *testing.T) *story {
	cluster := kfake.MustCluster(kfake.NumBrokers(3), kfake.SeedTopics(trace.Partitions, topic))
	t.Cleanup(cluster.Close)
	return &story{t, Settings{Brokers: cluster.ListenAddrs(), Log: slog.New(slog.DiscardHandler)}, map[*storetest.Node]*Relay{}}
}

// join opens the relay of a node.
func (s *story) join(n *storetest.Node) *Relay {
	s.Helper()
	r, err := Open(n.Store(), n.Outbox(), s.settings)
	if err != nil {
		s.Fatal(err)
	}
	s.relays[n] = r
	s.Cleanup(func() { r.Close() })
	return r
}

// leave closes a node's relay.
func (s *story) leave(n *storetest.Node) { s.relays[n].Close() }

// hear makes a node the first to hear of the i-th waybill.
func (s *story) hear(n *storetest.Node, i int) {
	s.Helper()
	_, err := n.Push(func(f *trace.Facts) {
		f.Events = append(f.Events, factsOf(number(storyPartition, i), "scanned").Events...)
	})
	if err != nil {
		s.Fatal(err)
	}
}

// has reports whether a node knows the i-th waybill.
func (s *story) has(n *storetest.Node, i int) bool {
	var t trace.Trace
	return n.Store().Trace(&t, number(storyPartition, i), "sf", trace.Want{Events: true}) == nil && len(t.Events) > 0
}

func (s *story) until(what string, is func() bool) {
	s.Helper()
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		if is() {
			return
		}
	}
	for _, r := range s.relays {
		s.Logf("%+v fatal %q", stateOf(r, storyPartition), r.glance().Fatal)
	}
	s.Fatalf("not %s", what)
}

// dies waits for a relay to end, and leaves.
func (s *story) dies(n *storetest.Node) {
	s.Helper()
	select {
	case err := <-s.relays[n].Fatal():
		s.Logf("it ended: %v", err)
	case <-time.After(20 * time.Second):
		s.Fatal("it goes on")
	}
	s.leave(n)
	// What it has read under its own id must be what it had itself given out.
	_, known, err := n.Store().Place(storyPartition)
	if err != nil {
		s.Fatal(err)
	}
	for _, run := range known[n.Store().Node()].Runs {
		if mark, ok := n.Store().Numbered(storyPartition, run.From); !ok || mark != run.Mark {
			s.Errorf("it took number %d for its own", run.From)
		}
	}
}

// goOn gives every partition that stopped for twins the word to take what both told.
func (s *story) goOn(nodes ...*storetest.Node) {
	s.Helper()
	for _, n := range nodes {
		r := s.relays[n]
		s.until("read", func() bool {
			st := stateOf(r, storyPartition)
			if h := r.readers[storyPartition].halted.Load(); h != nil && h.reason == "twin" {
				if err := r.Skip(s.Context(), storyPartition, h.origin, h.own); err != nil {
					s.Fatal(err)
				}
			}
			return st.State == stateRunning && st.End > 0 && st.Offset == st.End
		})
	}
}

// alike waits until all nodes have the first waybills, and compares them.
func (s *story) alike(waybills int, nodes ...*storetest.Node) {
	s.Helper()
	for _, n := range nodes {
		for i := range waybills {
			s.until("everything everywhere", func() bool { return s.has(n, i) })
		}
	}
	for _, n := range nodes {
		s.leave(n)
	}
	dump := nodes[0].Dump()
	for _, n := range nodes[1:] {
		if d := facttest.Difference(dump, n.Dump()); d != "" {
			s.Errorf("two nodes differ: %s", d)
		}
	}
}

// A machine is lost; an old copy of its directory is started as it is while Kafka is
// away, hears as much as its former self had told since, meets that in the log, and is
// restored: it has everything in the end, and so have the others.
func TestRollbackAndRestore(t *testing.T) {
	s := newStory(t)
	a, sister := storetest.New(t, 1), storetest.New(t, 2)
	s.join(a)
	s.join(sister)
	s.hear(a, 0)
	s.until("heard by the sister", func() bool { return s.has(sister, 0) })
	s.until("its own read", func() bool { return stateOf(s.relays[a], storyPartition).Offset == 1 })
	time.Sleep(2500 * time.Millisecond) // until that is on its disk
	backup := a.Copy(7)
	s.hear(a, 1)
	s.hear(a, 2)
	s.until("heard by the sister", func() bool { return s.has(sister, 2) })
	s.leave(a)
	a.Close()

	s.hear(backup, 3)
	s.hear(backup, 4)
	s.join(backup)
	s.dies(backup)
	backup.Rebirth()
	s.join(backup)
	s.goOn(backup, sister)
	s.alike(5, backup, sister)
}

// A directory is copied while its node runs, and both hear something; both are restored,
// and everybody has everything.
func TestTwinsAndRestore(t *testing.T) {
	s := newStory(t)
	a, sister := storetest.New(t, 1), storetest.New(t, 2)
	s.join(a)
	s.join(sister)
	s.hear(a, 0)
	s.until("its own read", func() bool { return stateOf(s.relays[a], storyPartition).Offset == 1 })
	time.Sleep(2500 * time.Millisecond)
	twin := a.Copy(7)
	s.join(twin)
	s.until("at work", func() bool {
		st := stateOf(s.relays[twin], storyPartition)
		return st.State == stateRunning && st.End > 0 && st.Offset == st.End
	})
	// Whichever tells first ends the other; here it is the copy.
	s.hear(twin, 1)
	s.dies(a)
	s.hear(a, 2) // its carriers know nothing of that
	s.leave(twin)
	for _, n := range []*storetest.Node{a, twin} {
		n.Rebirth()
		s.join(n)
	}
	s.goOn(a, twin, sister)
	s.alike(3, a, twin, sister)
}
