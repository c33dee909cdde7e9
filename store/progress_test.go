package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"waytrace/store/keys"
	"waytrace/trace"
)

// How far a partition was read is read back, with facts or without, and the feed is not
// touched by it.
func TestPlace(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	if at, known, err := s.Place(3); err != nil || at != (trace.Position{}) || len(known) != 0 {
		t.Errorf("nothing was read: %+v, %v, %v", at, known, err)
	}
	first := trace.Progress{Partition: 3, Position: trace.Position{Offset: 1 << 40, Last: 1 << 63}, Origins: map[trace.Origin]trace.Known{
		7:       {Own: 9, Runs: []trace.Run{{Mark: 1 << 63, From: 1}, {Mark: 5, From: 8}}},
		1 << 63: {Own: 1},
	}}
	second := trace.Progress{Partition: 3, Position: trace.Position{Offset: 1<<40 + 1}, Origins: map[trace.Origin]trace.Known{7: {Own: 10}}}
	other := trace.Progress{Partition: 2, Position: trace.Position{Offset: 5, Last: 6}}
	for _, p := range []*trace.Progress{&first, &second, &other} {
		if err := s.ApplyNews(t.Context(), nil, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ApplyNews(t.Context(), &trace.Facts{}, &other); err != nil || s.SafeMark() != 0 {
		t.Errorf("without facts: %v, the feed is at %d", err, s.SafeMark())
	}
	s.Close()
	s = open(t, fs)
	at, known, err := s.Place(3)
	if want := (map[trace.Origin]trace.Known{7: {Own: 10}, 1 << 63: {Own: 1}}); err != nil || at != second.Position || !cmp.Equal(known, want) {
		t.Errorf("read back: %+v, %+v, %v; want %+v, %+v", at, known, err, second.Position, want)
	}
	if at, known, err := s.Place(2); err != nil || at != other.Position || len(known) != 0 {
		t.Errorf("the other partition: %+v, %v, %v", at, known, err)
	}
	if err := s.db.Set(keys.Position(nil, 2), []byte{1}, nil); err != nil {
		t.Fatal(err)
	}
	if at, _, err := s.Place(2); err == nil || at != (trace.Position{}) {
		t.Errorf("a broken position is read as %+v, %v", at, err)
	}
}

// What was read of other nodes is there exactly as far as the position says, whenever
// the power is cut: nothing twice, nothing left out.
func TestCrashOfReading(t *testing.T) {
	read, first := crashReading(t, *crashRounds/2, func(s *Store, facts *trace.Facts, p *trace.Progress) error {
		return s.ApplyNews(context.Background(), facts, p)
	})
	t.Logf("%d records read", read)
	if first != nil {
		t.Error(first)
	}
}

// The same test must fail where the position is written apart from the facts.
func TestCrashOfReadingFindsGaps(t *testing.T) {
	_, first := crashReading(t, *crashRounds/2, func(s *Store, facts *trace.Facts, p *trace.Progress) error {
		if err := s.ApplyNews(context.Background(), nil, p); err != nil {
			return err
		}
		return s.ApplyNews(context.Background(), facts, nil)
	})
	if first == nil {
		t.Error("positions that are written before the facts were not found out")
	}
}

// crashReading reads a log into a store, partition by partition, and cuts the power in
// the middle of it. The error is the first record that is not where the position says.
func crashReading(t *testing.T, rounds int, apply func(*Store, *trace.Facts, *trace.Progress) error) (read int, first error) {
	const partitions, origin = 4, trace.Origin(77)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for round := range rounds {
		disk := vfs.NewCrashableMem()
		s, err := Open("data", Options{FS: disk, Log: quiet, CacheSize: 1 << 20, MemTableSize: 256 << 10})
		if err != nil {
			t.Fatal(err)
		}
		var stop atomic.Bool
		var count atomic.Int64
		var wg sync.WaitGroup
		reached, enough := make(chan struct{}), int64(20+rng.IntN(100))
		for p := range uint16(partitions) {
			number := neighbours(p, 1)[0]
			wg.Go(func() {
				for own := uint64(1); !stop.Load(); own++ {
					facts := sealed(t, s, scan(number, fmt.Sprint(own), trace.InTransit, int(own%900)))
					progress := &trace.Progress{Partition: p, Position: trace.Position{Offset: int64(own)},
						Origins: map[trace.Origin]trace.Known{origin: {Own: own}}}
					if err := apply(s, facts, progress); err != nil {
						t.Error(err)
						return
					}
					if count.Add(1) == enough {
						close(reached)
					}
				}
			})
		}
		select {
		case <-reached:
		case <-time.After(30 * time.Second):
			t.Fatal("the readers do not get on")
		}
		clone := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 20, 50, 100}[round%4], RNG: rand.New(rand.NewPCG(seed, uint64(round)))})
		stop.Store(true)
		wg.Wait()
		s.Close()
		read += int(count.Load())
		c := open(t, clone)
		for p := range uint16(partitions) {
			at, known, err := c.Place(p)
			if err != nil {
				t.Fatal(err)
			}
			var tr trace.Trace
			if at.Offset > 0 {
				if err := c.Trace(&tr, neighbours(p, 1)[0], "", trace.Want{Events: true}); err != nil && first == nil {
					first = fmt.Errorf("round %d, partition %d: read to %d: %w", round, p, at.Offset, err)
				}
			}
			if got := int64(len(tr.Events)); (got != at.Offset || uint64(got) != known[origin].Own) && first == nil {
				first = fmt.Errorf("round %d, partition %d: %d records are there, the position is %d, the origin's number %d", round, p, got, at.Offset, known[origin].Own)
			}
		}
		mustAgree(t, c)
		c.Close()
	}
	return read, first
}
