package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

func openQuarantine(t testing.TB, s *Store, limit int64) *Quarantine {
	t.Helper()
	k, err := s.OpenQuarantine(limit)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// odd is a request that nobody understands.
func odd(s *Store, n int) *trace.Quarantined {
	return &trace.Quarantined{Heard: s.Now(), Carrier: "sf", Account: "main", Raw: fmt.Appendf(nil, "odd %04d", n),
		Faults: []trace.Fault{{Index: 0, Code: "invalid_time"}}}
}

func keep(t testing.TB, k *Quarantine, q *trace.Quarantined) {
	t.Helper()
	if err := k.Keep(context.Background(), q); err != nil {
		t.Fatal(err)
	}
}

// What is counted is what is there, whatever came and went, and after a restart.
func TestQuarantineCounts(t *testing.T) {
	disk := vfs.NewMem()
	s := open(t, disk)
	k := openQuarantine(t, s, 1<<20)
	one := weight(odd(s, 1))
	for range 3 {
		for n := range 4 {
			keep(t, k, odd(s, n))
		}
	}
	if got, want := k.Load(), (QuarantineLoad{4, 4 * one, 1 << 20}); got != want {
		t.Errorf("load %+v, want %+v", got, want)
	}
	if n, err := k.Drop(odd(s, 1).Hash(), odd(s, 1).Hash(), odd(s, 99).Hash()); n != 1 || err != nil {
		t.Errorf("dropped %d, %v; want 1", n, err)
	}
	if _, err := k.Find(odd(s, 1).Hash()); !errors.Is(err, trace.ErrNotFound) {
		t.Errorf("the dropped one: %v, want ErrNotFound", err)
	}
	faults := []trace.Fault{{Index: -1, Code: "no_items", Detail: strings.Repeat("long ", 100)}}
	if err := k.Refault(odd(s, 2).Hash(), faults); err != nil {
		t.Error(err)
	}
	if q, err := k.Find(odd(s, 2).Hash()); err != nil || len(q.Faults) != 1 || q.Faults[0] != faults[0] {
		t.Errorf("faults %+v, %v; want the new one", q, err)
	}
	if err := k.Refault(odd(s, 1).Hash(), faults); err != nil {
		t.Errorf("new faults for one that has gone: %v", err)
	}
	want := QuarantineLoad{3, 3 * one, 1 << 20}
	if got := k.Load(); got != want {
		t.Errorf("load %+v, want %+v", got, want)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := openQuarantine(t, open(t, disk), 1<<20).Load(); got != want {
		t.Errorf("opened again: load %+v, want %+v", got, want)
	}
}

// Where there is no room nothing new comes in, and what is there is answered as
// before.
func TestQuarantineIsFull(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 5*weight(odd(s, 1)))
	for n := range 4 {
		if k.Load().Filling() {
			t.Errorf("with %d of 5 it says that it is filling", n)
		}
		keep(t, k, odd(s, n))
	}
	var metrics bytes.Buffer
	k.WriteMetrics(&metrics)
	if !k.Load().Filling() || !strings.Contains(metrics.String(), "waytrace_quarantine_full 1\n") {
		t.Errorf("with 4 of 5: filling is %v, metrics\n%s", k.Load().Filling(), metrics.String())
	}
	keep(t, k, odd(s, 4))
	err := k.Keep(t.Context(), odd(s, 5))
	var p *trace.Problem
	if !isUnavailable(err) || !errors.As(err, &p) || p.Code != "quarantine_full" {
		t.Errorf("one too many: %v, want quarantine_full", err)
	}
	keep(t, k, odd(s, 3))
	if _, err := k.Drop(odd(s, 0).Hash()); err != nil {
		t.Fatal(err)
	}
	keep(t, k, odd(s, 5))
}

// Many at once, of which most are the same, and some are dropped meanwhile.
func TestQuarantineAtOnce(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 1<<30)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 60 {
				n := (i*7 + worker) % 20
				if worker == 0 {
					if _, err := k.Drop(odd(s, n).Hash()); err != nil {
						t.Error(err)
					}
					continue
				}
				err := k.Keep(context.Background(), odd(s, n))
				for isUnavailable(err) { // it is just being dropped: send it again
					err = k.Keep(context.Background(), odd(s, n))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, want := k.Load(), openQuarantine(t, s, 1<<30).Load(); got != want {
		t.Errorf("load %+v, counted anew %+v", got, want)
	}
	if len(k.coming)+len(k.touched) != 0 {
		t.Errorf("%d are still on their way, %d are still being changed", len(k.coming), len(k.touched))
	}
}

// A request that is being dropped is not taken in at the same time, or it would be
// answered and then be gone; nor is one dropped that is coming in.
func TestQuarantineTakesTurns(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 1<<30)
	keep(t, k, odd(s, 1))
	hash := odd(s, 1).Hash()
	if got := k.touch(dropping, [][16]byte{hash, hash}); len(got) != 1 {
		t.Fatalf("%d requests are free, want 1", len(got))
	}
	if err := k.Keep(t.Context(), odd(s, 1)); !isUnavailable(err) {
		t.Errorf("the same while it is dropped: %v, want ErrUnavailable", err)
	}
	if n, err := k.Drop(hash); n != 0 || err != nil {
		t.Errorf("dropped by two: %d, %v", n, err)
	}
	if err := k.Refault(hash, nil); err != nil {
		t.Errorf("new faults while it is dropped: %v", err)
	}
	delete(k.touched, hash)
	if q, err := k.Find(hash); err != nil || len(q.Faults) != 1 {
		t.Errorf("it has %+v, %v; want its old fault", q, err)
	}
	if err := k.enter(hash, 1); err != nil {
		t.Fatal(err)
	}
	if n, err := k.Drop(hash); n != 0 || err != nil {
		t.Errorf("dropped while it comes: %d, %v", n, err)
	}
	k.leave(hash, 1, true)
	if n, err := k.Drop(hash); n != 1 || err != nil {
		t.Errorf("dropped at last: %d, %v", n, err)
	}
}

// Whoever gives up waiting leaves the count right: the writer had it, or not.
func TestQuarantineOfTheImpatient(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 1<<30)
	for n := range 200 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(n)*time.Microsecond)
		if err := k.Keep(ctx, odd(s, n)); err != nil && !isUnavailable(err) {
			t.Error(err)
		}
		cancel()
	}
	keep(t, k, odd(s, 1000)) // behind all of them
	if got, want := k.Load(), openQuarantine(t, s, 1<<30).Load(); got != want {
		t.Errorf("load %+v, counted anew %+v", got, want)
	}
}

func TestQuarantineInStretches(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 1<<30)
	for n := range 10 {
		keep(t, k, odd(s, n))
	}
	seen := make(map[string]bool)
	for after := (*[16]byte)(nil); ; {
		items, err := k.Next(after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) == 0 {
			break
		}
		for _, item := range items {
			if item.Hash != item.Quarantined.Hash() {
				t.Errorf("%x is the request %x", item.Hash, item.Quarantined.Hash())
			}
			seen[string(item.Raw)] = true
		}
		after = &items[len(items)-1].Hash
	}
	if len(seen) != 10 {
		t.Errorf("saw %d of 10", len(seen))
	}
}

func TestQuarantineExpires(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 1<<30)
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	for n := 1; n <= 20; n++ {
		q := odd(s, n)
		q.Heard = trace.HLCAt(day(n).UnixMilli())
		keep(t, k, q)
	}
	if n, err := k.Expire(day(6)); n != 5 || err != nil {
		t.Errorf("expired %d, %v; want 5", n, err)
	}
	if got := k.Load().Requests; got != 15 {
		t.Errorf("%d are left, want 15", got)
	}
	if _, err := k.Find(odd(s, 5).Hash()); !errors.Is(err, trace.ErrNotFound) {
		t.Errorf("the fifth: %v, want ErrNotFound", err)
	}
	if _, err := k.Find(odd(s, 6).Hash()); err != nil {
		t.Errorf("the sixth: %v", err)
	}
}

func TestQuarantineOfAClosedStore(t *testing.T) {
	s := open(t, vfs.NewMem())
	k := openQuarantine(t, s, 1<<30)
	keep(t, k, odd(s, 1))
	s.Close()
	_, expired := k.Expire(time.Now().Add(time.Hour))
	_, dropped := k.Drop(odd(s, 1).Hash())
	for name, err := range map[string]error{
		"Keep": k.Keep(t.Context(), odd(s, 2)), "Expire": expired, "Drop": dropped, "Refault": k.Refault(odd(s, 1).Hash(), nil),
	} {
		if !isUnavailable(err) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
}
