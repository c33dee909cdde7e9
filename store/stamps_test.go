package store

import (
	"context"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

// A number's stamp moves with each change of it before the change is synced, with no
// repeat and no other number's change, and is settled again afterwards.
func TestStamps(t *testing.T) {
	s, hold := heldDisk(t)
	defer s.Close()
	defer close(hold)
	for len(hold) > 0 {
		<-hold // what opening did not need
	}
	number, other := "SF7444400031887", "YT1234567890123"
	stamp := func(number string, want bool) uint32 {
		t.Helper()
		stamp, settled := s.Stamp(number)
		if settled != want {
			t.Fatalf("%s: settled is %v, want %v", number, settled, want)
		}
		return stamp
	}
	none, before := stamp(number, true), stamp(other, true)

	done := make(chan error, 1)
	facts := sealed(t, s, scan(number, "50", trace.PickedUp, 1))
	go func() {
		_, err := s.Append(context.Background(), facts)
		done <- err
	}()
	for read := false; !read; time.Sleep(time.Millisecond) {
		var got trace.Trace
		read = s.Trace(&got, number, "", trace.Want{Events: true}) == nil
	}
	seen := stamp(number, false) // by readers, and not synced
	if seen == none {
		t.Error("a change is seen, and the stamp is as before")
	}
	hold <- struct{}{}
	hold <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := stamp(number, true); got != seen {
		t.Errorf("the stamp is %d when the change is synced, and was %d when it was seen", got, seen)
	}
	if got := stamp(other, true); got != before {
		t.Errorf("another number's stamp moved from %d to %d", before, got)
	}
	for range 4 {
		hold <- struct{}{}
	}
	if fresh := push(t, s, scan(number, "50", trace.PickedUp, 1)); fresh != 0 {
		t.Fatalf("a repeat brought %d events", fresh)
	}
	if got := stamp(number, true); got != seen {
		t.Error("a repeat moved the stamp")
	}
}

// What a failed write would have changed is never settled again, and the table of heads
// is not asked any more.
func TestFailedWriteNeverSettles(t *testing.T) {
	s := open(t, vfs.NewMem())
	number := "SF7444400031887"
	push(t, s, scan(number, "50", trace.PickedUp, 1))
	cell := s.stamps.begin(s.stamps.hash(number))
	s.fail(context.Canceled)
	if _, settled := s.Stamp(number); settled {
		t.Error("a change under way when a write failed is settled")
	}
	if list, ok := s.heads.get(nil, s.stamps.hash(number), number); ok {
		t.Errorf("the table gives %d bytes after a failed write", len(list))
	}
	s.stamps.land(cell)
}

// A store that was opened on a directory knows all its numbers once its scan is
// through, and says of others that there are none without the database.
func TestKnownAfterOpening(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	push(t, s, scan("SF7444400031887", "50", trace.PickedUp, 1), scan("YT1234567890123", "50", trace.PickedUp, 2))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, fs)
	<-s.learned
	if !s.known.complete.Load() {
		t.Fatal("the scan has ended and the filter is not complete")
	}
	for _, number := range []string{"SF7444400031887", "YT1234567890123"} {
		if s.known.lacks(s.stamps.hash(number)) {
			t.Errorf("%s is lacking", number)
		}
		if got := read(t, s, number); len(got.Events) != 1 {
			t.Errorf("%s has %d events, want 1", number, len(got.Events))
		}
	}
	unheard := 0 // one by chance in 200
	for _, number := range []string{"SF0000000000000", "SF0000000000001", "SF0000000000002", "SF0000000000003"} {
		if s.known.lacks(s.stamps.hash(number)) {
			unheard++
		}
	}
	if unheard == 0 {
		t.Error("four numbers that were never heard are known")
	}
}

// The scan after opening puts heads into the table too, and the writer goes on from
// them as from those of the disk.
func TestHeadsAfterOpening(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	push(t, s, scan("SF7444400031887", "50", trace.PickedUp, 1), scan("YT1234567890123", "50", trace.PickedUp, 2))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open("data", Options{FS: fs, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	<-s.learned
	if _, n := s.heads.size(); n != 2 {
		t.Errorf("the table holds %d numbers, want 2", n)
	}
	if fresh := push(t, s, scan("SF7444400031887", "50", trace.PickedUp, 1), scan("SF7444400031887", "80", trace.Delivered, 3)); fresh != 1 {
		t.Errorf("a repeat and an event brought %d events, want 1", fresh)
	}
	mustAgree(t, s)
}

// What has changed since the scan looked is not put in as it was.
func TestScanIsNotBelievedOverAChange(t *testing.T) {
	s := open(t, vfs.NewMem())
	hash := s.stamps.hash("SF7444400031887")
	before := s.stamps.all()
	cell := s.stamps.begin(hash)
	if s.stamps.same(hash, before) {
		t.Error("a number is as it was though a batch changes it")
	}
	during := s.stamps.all()
	s.stamps.land(cell)
	if s.stamps.same(hash, before) || s.stamps.same(hash, during) {
		t.Error("a number is as it was though a batch has changed it")
	}
}
