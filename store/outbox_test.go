package store

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// ship opens the outbox of a store.
func ship(t testing.TB, s *Store) *Outbox {
	t.Helper()
	o, err := s.OpenOutbox()
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func next(t testing.TB, o *Outbox, p uint16, records, bytes int) trace.Load {
	t.Helper()
	load, err := o.Next(p, records, bytes)
	if err != nil {
		t.Fatal(err)
	}
	return load
}

func acknowledge(t testing.TB, o *Outbox, p uint16, b trace.Bookmark) {
	t.Helper()
	if err := o.Told(p, b); err != nil {
		t.Fatal(err)
	}
}

// neighbours are numbers of one partition.
func neighbours(p uint16, n int) (all []string) {
	for i := 0; len(all) < n; i++ {
		if number := fmt.Sprintf("SF%06d", i); trace.PartitionOf(number) == p {
			all = append(all, number)
		}
	}
	return all
}

// A follower is what a test knows of shipping one partition.
type follower struct {
	own, seq uint64
}

// take checks that a load follows on what was shipped before.
func (f *follower) take(t testing.TB, s *Store, load *trace.Load) (facts []*trace.Facts) {
	t.Helper()
	for _, item := range load.Items {
		var n trace.News
		x := &trace.Facts{}
		if err := trace.DecodeNews(&n, item.Value, x); err != nil {
			t.Fatal(err)
		}
		if n.Own != f.own+1 || n.Own != item.Own || item.Seq <= f.seq || n.Origin != s.Node() || !s.marked(n.Mark) {
			t.Fatalf("record %d of seq %d (%+v) follows on %d of seq %d", item.Own, item.Seq, n, f.own, f.seq)
		}
		if item.Void != (n.Number == "") || !item.Void && (n.Number != item.Key || x.Empty()) {
			t.Fatalf("record %d says %+v, void: %t, key %s", item.Own, n, item.Void, item.Key)
		}
		f.own, f.seq = item.Own, item.Seq
		facts = append(facts, x)
	}
	if load.Upto.Own != f.own || load.Upto.Seq < f.seq {
		t.Fatalf("the load ends at %+v, its last record is %d of seq %d", load.Upto, f.own, f.seq)
	}
	return facts
}

// Whatever happens to a node, its records leave it in order, each with the next number,
// and where the feed goes on after a restart or a crash, shipping does, too: with what
// was shipped last, or behind it.
func TestOutboxInOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 3))
	for round := range 4 {
		disk := vfs.NewCrashableMem()
		wall := int64(noon)
		var s *Store
		var o *Outbox
		begin := func() {
			var err error
			s, err = Open("data", Options{FS: disk, Log: quiet, CacheSize: 1 << 20, MemTableSize: 256 << 10,
				Wall: func() int64 { return wall }, FeedAge: time.Hour, FeedSize: 200 << 10})
			if err != nil {
				t.Fatal(err)
			}
			o = ship(t, s)
		}
		begin()
		var seen [trace.Partitions]follower
		sister, other, heard := newNode(t), newNode(t), [trace.Partitions]uint64{}
		for step := range 120 {
			p := uint16(rng.IntN(trace.Partitions))
			f := &seen[p]
			switch rng.IntN(10) {
			case 0, 1, 2, 3:
				hear(t, s, func(f *trace.Facts) { facttest.Load(f, rng) })
			case 4: // a sister's news, which must not be shipped
				hear(t, other.Store, func(f *trace.Facts) { facttest.Load(f, rng) })
				again := heard
				sister.apply(t, other.shipped(t, &again)...)
				(&node{Store: s}).apply(t, other.shipped(t, &heard)...)
			case 5, 6, 7:
				load := next(t, o, p, 1+rng.IntN(5), 1+rng.IntN(2000))
				for _, facts := range f.take(t, s, &load) {
					sister.apply(t, facts)
				}
				acknowledge(t, o, p, load.Upto)
			case 8:
				wall += rng.Int64N(40 * time.Minute.Milliseconds())
				if err := s.TrimFeed(time.UnixMilli(wall)); err != nil {
					t.Fatal(err)
				}
			case 9:
				if rng.IntN(2) == 0 {
					disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				} else {
					o.Close()
				}
				s.Close() // a ghost, when it crashed
				begin()
				for p := range uint16(trace.Partitions) {
					if b := o.Bookmark(p); b.Own > seen[p].own || b.Seq < s.partitions[p].trimmed.Load().Seq {
						t.Fatalf("round %d, partition %d: reopened at %+v, record %d was shipped last", round, p, b, seen[p].own)
					} else {
						seen[p].own, seen[p].seq = b.Own, b.Seq
					}
				}
			}
			if step%10 > 0 {
				continue
			}
			if least, most := waiting(t, s, o); o.bytes() < least || o.bytes() > most {
				t.Fatalf("round %d: %d bytes are said to wait, %d to %d do", round, o.bytes(), least, most)
			}
		}
		for p := range uint16(trace.Partitions) {
			for {
				load := next(t, o, p, 7, 4000)
				for _, facts := range seen[p].take(t, s, &load) {
					sister.apply(t, facts)
				}
				if load.Upto == o.Bookmark(p) {
					break
				}
				acknowledge(t, o, p, load.Upto)
			}
			if w := o.Waiting(p); w != (Waiting{}) {
				t.Errorf("when all was shipped %+v waits", w)
			}
			if seen[p].own != s.Counted(p) || o.Bookmark(p).Seq != o.Tip(p) {
				t.Errorf("partition %d: %d records of %d were shipped, up to seq %d of %d", p, seen[p].own, s.Counted(p), o.Bookmark(p).Seq, o.Tip(p))
			}
		}
		if got, want := truth(t, sister.Store), truth(t, s); got != want {
			t.Errorf("round %d: what was shipped is not what is here: %s", round, facttest.Difference(got, want))
		}
		o.Close()
		s.Close()
	}
}

// waiting adds up the entries from the first of ours behind the bookmarks on, and all
// behind them, one in the middle of an entry with all of it: for what others told before a
// start is not known to be theirs before it was read.
func waiting(t testing.TB, s *Store, o *Outbox) (least, most uint64) {
	t.Helper()
	for p := range uint16(trace.Partitions) {
		b := o.Bookmark(p)
		if b.Own == s.Counted(p) {
			continue
		}
		ours := false
		err := s.scan(keys.Feed(nil, p, 0)[:3], func(key, value []byte) (bool, error) {
			k, _ := keys.Parse(key)
			var e trace.FeedEntry
			if err := trace.DecodeFeedEntry(&e, value); err != nil {
				return false, err
			}
			if k.Seq+uint64(e.Changes())-1 <= b.Seq {
				return true, nil
			}
			ours = ours || slices.ContainsFunc(e.Groups, func(g trace.Group) bool { return g.Own > b.Own })
			n := uint64(len(key) + len(value))
			most += n
			if ours {
				least += n
			}
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return least, most
}

// A push of many parcels is one entry, which is shipped in parts: also over a restart
// none of it goes twice.
func TestEntryInParts(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	var events []trace.Event
	numbers := neighbours(3, 9)
	for _, number := range numbers {
		events = append(events, scan(number, "50", trace.PickedUp, 1), scan(number, "80", trace.Delivered, 2))
	}
	push(t, s, events...)
	var got []string
	for range 4 {
		o := ship(t, s)
		for range 2 {
			load := next(t, o, 3, 2, math.MaxInt)
			for _, item := range load.Items {
				got = append(got, item.Key)
			}
			acknowledge(t, o, 3, load.Upto)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = open(t, fs)
	}
	if !slices.Equal(got, numbers) {
		t.Errorf("shipped %v, want %v", got, numbers)
	}
	o := ship(t, s)
	if b := o.Bookmark(3); b.Bytes != s.next.bytes[3] || o.bytes() != 0 {
		t.Errorf("at the end the bookmark is %+v, %d bytes were written, %d wait", b, s.next.bytes[3], o.bytes())
	}
	// A bookmark that no load has named is in the middle of its entry all the same.
	if at, err := s.placeOf(3, trace.Bookmark{Seq: 4, Own: 2}); err != nil || at.inside != 1 {
		t.Errorf("behind the second parcel: %+v, %v", at, err)
	}
}

// A load ends where its bytes do, but has one record at least.
func TestLoadLimits(t *testing.T) {
	s := open(t, vfs.NewMem())
	for _, number := range neighbours(3, 5) {
		push(t, s, scan(number, "50", trace.PickedUp, 1))
	}
	o := ship(t, s)
	all := next(t, o, 3, math.MaxInt, math.MaxInt)
	size := len(all.Items[0].Value)
	for _, c := range []struct{ records, bytes, want int }{
		{0, 0, 1}, {1, math.MaxInt, 1}, {3, math.MaxInt, 3}, {99, 1, 1}, {99, 2 * size, 2}, {99, 3*size - 1, 2}, {99, 99 * size, 5},
	} {
		if load := next(t, o, 3, c.records, c.bytes); len(load.Items) != c.want {
			t.Errorf("up to %d records of %d bytes: %d, want %d", c.records, c.bytes, len(load.Items), c.want)
		}
	}
}

// What came from sisters is passed over, read or not, and then nothing waits.
func TestForeignIsPassedOver(t *testing.T) {
	a, b := newNode(t), newNode(t)
	number := neighbours(3, 1)[0]
	bookmarks := new([trace.Partitions]uint64)
	o := ship(t, b.Store)
	for i := range 6 {
		push(t, a.Store, scan(number, fmt.Sprint(i), trace.PickedUp, i))
		b.apply(t, a.shipped(t, bookmarks)...)
		if i == 1 || i == 4 {
			continue // the next load has two of them
		}
		if i == 3 { // nobody has noted what came before the outbox was opened
			o.Close()
			o = ship(t, b.Store)
		}
		load := next(t, o, 3, 10, math.MaxInt)
		if len(load.Items) > 0 || load.Upto.Seq != o.Tip(3) || load.Upto.Bytes != b.next.bytes[3] {
			t.Fatalf("after %d of a sister's: %+v, the tip is %d, %d bytes were written", i+1, load, o.Tip(3), b.next.bytes[3])
		}
		acknowledge(t, o, 3, load.Upto)
	}
	push(t, b.Store, scan(number, "ours", trace.Delivered, 30))
	push(t, a.Store, scan(number, "theirs", trace.Delivered, 31))
	b.apply(t, a.shipped(t, bookmarks)...)
	load := next(t, o, 3, 10, math.MaxInt)
	if len(load.Items) != 1 || load.Upto.Own != 1 || load.Upto.Bytes != b.next.bytes[3] {
		t.Errorf("ours between theirs: %+v", load)
	}
}

// heldDisk is a store on a disk whose log is synced only when the test says so.
func heldDisk(t testing.TB) (s *Store, hold chan struct{}) {
	t.Helper()
	hold = make(chan struct{}, 1000)
	for range 8 {
		hold <- struct{}{} // enough to open
	}
	s, err := Open("data", Options{FS: slowDisk{vfs.NewMem(), hold}, Log: quiet, CacheSize: 8 << 20, MemTableSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s, hold
}

// Nothing leaves that is not synced: neither a new event, nor what has become of an old
// one meanwhile.
func TestNothingUnsyncedLeaves(t *testing.T) {
	s, hold := heldDisk(t)
	defer s.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	letGo := sync.OnceFunc(func() { close(hold) })
	defer letGo()
	number := neighbours(3, 1)[0]
	e := scan(number, "50", trace.PickedUp, 1)
	push(t, s, e)
	o := ship(t, s)
	for len(hold) > 0 {
		<-hold
	}
	<-o.Bell(3)
	e.Text.Text = "改派"
	tip := o.Tip(3)
	wg.Go(func() {
		if _, err := s.Append(context.Background(), sealed(t, s, e, scan(number, "80", trace.Delivered, 2))); err != nil {
			t.Error(err)
		}
	})
	for o.Tip(3) == tip {
		time.Sleep(time.Millisecond)
	}
	loaded := make(chan trace.Load, 1)
	wg.Go(func() {
		load, err := o.Next(3, 10, math.MaxInt)
		if err != nil {
			t.Error(err)
		}
		loaded <- load
	})
	select {
	case load := <-loaded:
		t.Fatalf("%d records left while the disk was held", len(load.Items))
	case <-o.Bell(3):
		t.Error("the bell rang before the sync")
	case <-time.After(50 * time.Millisecond):
	}
	letGo()
	load := <-loaded
	if len(load.Items) != 1 {
		t.Fatalf("%d records up to the safe mark, want 1", len(load.Items))
	}
	if facts := newsOf(t, load.Items[0].Value); len(facts.Events) != 1 {
		t.Errorf("the record has %d events, want 1", len(facts.Events))
	}
	<-o.Bell(3)
	if load := next(t, o, 3, 10, math.MaxInt); len(load.Items) != 2 {
		t.Errorf("%d records after the sync, want 2", len(load.Items))
	}
}

// After a failed write nothing leaves any more.
func TestNextOnABrokenDisk(t *testing.T) {
	n := newNode(t)
	push(t, n.Store, scan(neighbours(3, 1)[0], "50", trace.PickedUp, 1))
	o := ship(t, n.Store)
	n.fail(errLost)
	if _, err := o.Next(3, 10, math.MaxInt); !isUnavailable(err) {
		t.Errorf("Next: %v", err)
	}
	o.flushed = time.Time{}
	for _, c := range []struct {
		name string
		err  error
	}{{"Told", o.Told(3, trace.Bookmark{Seq: 1, Own: 1})}, {"Park", o.Park(trace.ParkedItem{Partition: 3, Seq: 1})}, {"Close", o.Close()}} {
		if !isUnavailable(c.err) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
}

var errLost = fmt.Errorf("the disk is lost")

// What is parked ships void, for ever, and is accounted for.
func TestParked(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	numbers := neighbours(3, 3)
	for _, number := range numbers {
		push(t, s, scan(number, "50", trace.PickedUp, 1))
	}
	o := ship(t, s)
	load := next(t, o, 3, 10, math.MaxInt)
	want := trace.ParkedItem{Partition: 3, Seq: load.Items[1].Seq, Own: 2, Waybill: trace.Waybill{Number: numbers[1], Carrier: "sf"},
		Bytes: 7_000_000, Reason: "too large", At: noon}
	for range 2 { // the second time changes nothing
		if err := o.Park(want); err != nil {
			t.Fatal(err)
		}
	}
	check := func() {
		t.Helper()
		var parked []trace.ParkedItem
		if err := o.EachParked(func(item trace.ParkedItem) bool {
			parked = append(parked, item)
			return true
		}); err != nil || !slices.Equal(parked, []trace.ParkedItem{want}) {
			t.Errorf("parked is %+v, %v; want %+v", parked, err, want)
		}
		var m bytes.Buffer
		o.WriteMetrics(&m)
		if !strings.Contains(m.String(), "\nwaytrace_outbox_parked 1\n") {
			t.Errorf("metrics\n%s", m.String())
		}
	}
	check()
	f := follower{}
	load = next(t, o, 3, 10, math.MaxInt)
	f.take(t, s, &load)
	if !load.Items[1].Void || load.Items[0].Void || load.Items[2].Void || load.Items[1].Key != numbers[1] {
		t.Errorf("got %+v", load.Items)
	}
	o.Close()
	s.Close()
	s = open(t, fs)
	o = ship(t, s)
	check()
	load = next(t, o, 3, 10, math.MaxInt)
	if !load.Items[1].Void {
		t.Error("after a restart it is shipped whole")
	}
	acknowledge(t, o, 3, load.Upto)
	if len(o.parts[3].parked) != 0 {
		t.Error("what was shipped void is still to be shipped void")
	}
	check()
}

// An event that is in the feed and nowhere else is told as nothing, so that what comes
// behind it goes on.
func TestMissingEvent(t *testing.T) {
	s := open(t, vfs.NewMem())
	numbers := neighbours(3, 2)
	e := scan(numbers[0], "50", trace.PickedUp, 1)
	push(t, s, e, scan(numbers[1], "50", trace.PickedUp, 1))
	id := sealed(t, s, e).Events[0].ID
	if err := s.db.Delete(keys.Event(nil, e.Waybill, e.At.Local, id), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	o := ship(t, s)
	for range 2 {
		load := next(t, o, 3, 10, math.MaxInt)
		if len(load.Items) != 2 || !load.Items[0].Void || load.Items[1].Void {
			t.Fatalf("got %+v", load.Items)
		}
	}
	var parked []trace.ParkedItem
	o.EachParked(func(item trace.ParkedItem) bool {
		parked = append(parked, item)
		return true
	})
	if len(parked) != 1 || parked[0].Waybill != e.Waybill || parked[0].Own != 1 || !strings.Contains(parked[0].Reason, id.String()) || parked[0].At == 0 {
		t.Errorf("parked is %+v", parked)
	}
}

// Of a record of which an event is missing the rest is told, and it is known that it is
// not whole.
func TestMissingPart(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	number := neighbours(3, 1)[0]
	e, kept := scan(number, "50", trace.PickedUp, 1), scan(number, "80", trace.Delivered, 2)
	push(t, s, e, kept)
	if err := s.db.Delete(keys.Event(nil, e.Waybill, e.At.Local, sealed(t, s, e).Events[0].ID), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	for restart := range 2 {
		o := ship(t, s)
		for range 2 {
			load := next(t, o, 3, 10, math.MaxInt)
			var n trace.News
			var facts trace.Facts
			if len(load.Items) != 1 || load.Items[0].Void || trace.DecodeNews(&n, load.Items[0].Value, &facts) != nil ||
				len(facts.Events) != 1 || facts.Events[0].Code != "80" {
				t.Fatalf("start %d: got %+v, %+v", restart, load.Items, facts)
			}
		}
		parked := 0
		o.EachParked(func(item trace.ParkedItem) bool {
			if parked++; !item.Partly || item.Waybill != e.Waybill {
				t.Errorf("start %d: parked is %+v", restart, item)
			}
			return true
		})
		if parked != 1 || o.parked.Load() != 1 {
			t.Errorf("start %d: %d records are parked, %d are counted", restart, parked, o.parked.Load())
		}
		s.Close()
		s = open(t, fs)
	}
}

// What came from other nodes fills no outbox, however much of it there is: what waits
// begins with the first record of ours.
func TestForeignFillsNothing(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem(), Log: quiet, CacheSize: 8 << 20, MemTableSize: 1 << 20, OutboxSize: 2000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := ship(t, s)
	number, other := neighbours(3, 1)[0], newNode(t)
	heard := [trace.Partitions]uint64{}
	theirs := func() {
		before := s.feedBytes()
		for i := range 100 {
			push(t, other.Store, scan(number, fmt.Sprint(heard[3], i), trace.InTransit, i))
		}
		(&node{Store: s}).apply(t, other.shipped(t, &heard)...)
		if got := s.feedBytes() - before; got < 4000 {
			t.Fatalf("they fill %d bytes only", got)
		}
	}
	theirs()
	if o.bytes() != 0 || o.Waiting(3) != (Waiting{}) {
		t.Errorf("%d bytes wait: %+v", o.bytes(), o.Waiting(3))
	}
	before := s.feedBytes()
	for i := range 3 {
		push(t, s, scan(number, fmt.Sprint("ours", i), trace.Delivered, 200+i))
	}
	ours := s.feedBytes() - before
	if w := o.Waiting(3); o.bytes() != ours || w.Bytes != ours || w.Records != 3 {
		t.Errorf("%d bytes wait: %+v; want %d", o.bytes(), w, ours)
	}
	// Also when it came behind ours, once those are shipped.
	load := next(t, o, 3, 10, math.MaxInt)
	theirs()
	acknowledge(t, o, 3, load.Upto)
	before = s.feedBytes()
	push(t, s, scan(number, "another", trace.Delivered, 300))
	if got, want := o.bytes(), s.feedBytes()-before; len(load.Items) != 3 || got != want {
		t.Errorf("%d records shipped, %d bytes wait, want %d", len(load.Items), got, want)
	}
	if load := next(t, o, 3, 10, math.MaxInt); len(load.Items) != 1 || load.Items[0].Own != 4 || load.Upto.Bytes != s.feedBytes() {
		t.Errorf("what comes next is %+v", load)
	}
}

// A long run of what other nodes told is passed over in steps, each of which can be noted.
func TestForeignInSteps(t *testing.T) {
	s := open(t, vfs.NewMem())
	const entries = 6
	for range entries {
		w := writer{store: s, batch: s.db.NewBatch()}
		w.entry.Groups = []trace.Group{{Waybill: trace.Waybill{Number: strings.Repeat("long", mostPassed/16)}, Changes: []trace.Change{{Kind: trace.Refolded}}}}
		w.enter(3)
		if err := w.batch.Commit(nil); err != nil {
			t.Fatal(err)
		}
		s.safe.Store(s.next.seq - 1)
		s.ring(w.entries)
	}
	o := ship(t, s)
	steps := 0
	for last := uint64(0); ; steps++ {
		load := next(t, o, 3, 10, math.MaxInt)
		if len(load.Items) > 0 {
			t.Fatalf("shipped is %+v", load.Items)
		}
		if load.Upto.Bytes == last {
			break
		}
		if got := load.Upto.Bytes - last; got > mostPassed+s.feedBytes()/entries {
			t.Errorf("%d bytes at once", got)
		}
		last = load.Upto.Bytes
		acknowledge(t, o, 3, load.Upto)
	}
	if steps < 2 || o.Bookmark(3).Bytes != s.feedBytes() || o.Bookmark(3).Seq != o.Tip(3) {
		t.Errorf("after %d steps it is at %+v of %d bytes", steps, o.Bookmark(3), s.feedBytes())
	}
}

// Opening the outbox does not wait for anybody to listen, whatever is heard meanwhile.
func TestOpenOutboxWhileBusy(t *testing.T) {
	s := open(t, vfs.NewMem())
	number := neighbours(15, 1)[0] // the last to be rung for
	push(t, s, scan(number, "50", trace.PickedUp, 1))
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		e := []entered{{partition: 15, ours: true, behind: 0, last: 1}}
		for {
			select {
			case <-stop:
				return
			default:
				s.ring(e)
			}
		}
	})
	defer busy.Wait()
	defer close(stop)
	for i := range 400 {
		opened := make(chan *Outbox, 1)
		go func() { opened <- ship(t, s) }()
		select {
		case o := <-opened:
			o.Close()
		case <-time.After(10 * time.Second):
			<-s.outbox.Load().Bell(15) // else the end would hang, too
			t.Fatalf("round %d: it cannot be opened", i)
		}
	}
}

// A push that would make too large a record becomes several, and none of it is lost.
func TestLargeGroups(t *testing.T) {
	a, b := newNode(t), newNode(t)
	text := strings.Repeat("x", 1500)
	number := neighbours(3, 1)[0]
	facts := hear(t, a.Store, func(f *trace.Facts) {
		for i := range 600 {
			e := scan(number, fmt.Sprint(i), trace.InTransit, i%900)
			e.Text.Text = text
			*f.Event() = e
		}
		for i := range 40 {
			r := charges(number, fmt.Sprint("batch ", i), 1)
			r.Items = slices.Repeat([]trace.Charge{{Code: "freight", Name: strings.Repeat("y", 200)}}, 40)
			r.Carrier = "sf"
			f.Records = append(f.Records, r)
		}
	})
	whole := 0
	for i := range facts.Events {
		whole += len(facts.Events[i].Value)
	}
	if whole < 3*shareBytes {
		t.Fatalf("the events have %d bytes: nothing to be cut", whole)
	}
	o := ship(t, a.Store)
	load := next(t, o, 3, 100, math.MaxInt)
	f := follower{}
	for _, facts := range f.take(t, a.Store, &load) {
		b.apply(t, facts)
	}
	if len(load.Items) < whole/shareBytes {
		t.Errorf("%d records of %d bytes in all", len(load.Items), whole)
	}
	for _, item := range load.Items {
		if n := len(item.Value); n > shareBytes*5/4 {
			t.Errorf("a record has %d bytes", n)
		}
	}
	if got, want := truth(t, b.Store), truth(t, a.Store); got != want {
		t.Error(facttest.Difference(got, want))
	}
	mustAgree(t, a.Store)
}

// A counting log counts its lines of warning and beyond.
type countingLog struct {
	slog.Handler
	lines *[]string
}

func (l countingLog) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		*l.lines = append(*l.lines, r.Message)
	}
	return nil
}

// A full outbox refuses pushes and says so, takes what sisters tell, and is open again
// when Kafka has taken enough.
func TestFullOutbox(t *testing.T) {
	var lines []string
	s, err := Open("data", Options{FS: vfs.NewMem(), Log: slog.New(countingLog{quiet.Handler(), &lines}), CacheSize: 8 << 20, MemTableSize: 1 << 20, OutboxSize: 4000})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	number := neighbours(3, 1)[0]
	i := 0
	another := func() error {
		i++
		_, err := s.Append(t.Context(), sealed(t, s, scan(number, fmt.Sprint(i), trace.InTransit, i)))
		return err
	}
	for range 60 {
		if err := another(); err != nil {
			t.Fatalf("without an outbox: %v", err)
		}
	}
	o := ship(t, s)
	for range 2 {
		err := another()
		var p *trace.Problem
		if !isUnavailable(err) || !asProblem(err, &p) || p.Code != "outbox_full" {
			t.Fatalf("with %d bytes waiting: %v", o.bytes(), err)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "outbox is full") {
		t.Errorf("the log says %q", lines)
	}
	other := newNode(t)
	push(t, other.Store, scan(number, "theirs", trace.Delivered, 500))
	for _, facts := range other.shipped(t, new([trace.Partitions]uint64)) {
		if err := s.ApplyNews(t.Context(), facts, nil); err != nil {
			t.Errorf("a sister's news: %v", err)
		}
	}
	acknowledge(t, o, 3, next(t, o, 3, math.MaxInt, math.MaxInt).Upto)
	for range 60 {
		if err = another(); err != nil {
			break
		}
	}
	if !isUnavailable(err) || len(lines) != 3 || !strings.Contains(lines[1], "filling") {
		t.Errorf("filled again: %v, the log says %q", err, lines)
	}
	mustAgree(t, s)
}

func asProblem(err error, p **trace.Problem) (ok bool) {
	*p, ok = err.(*trace.Problem)
	return ok
}

// There is one outbox at a time, and one that was closed can be opened again.
func TestOneOutbox(t *testing.T) {
	s := open(t, vfs.NewMem())
	o := ship(t, s)
	if _, err := s.OpenOutbox(); err == nil {
		t.Error("a second outbox was opened")
	}
	o.Close()
	o = ship(t, s)
	s.Close()
	if _, err := o.Next(3, 1, 1); err != nil {
		t.Errorf("an empty load of a closed store: %v", err)
	}
	if err := o.Close(); !isUnavailable(err) {
		t.Errorf("Close after the store's: %v", err)
	}
	if _, err := s.OpenOutbox(); !isUnavailable(err) {
		t.Errorf("OpenOutbox after Close: %v", err)
	}
}

// Bookmarks are on disk after a second, or when the outbox is closed.
func TestBookmarksAreKept(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := open(t, disk)
	number := neighbours(3, 1)[0]
	o := ship(t, s)
	ships := func(i int) {
		push(t, s, scan(number, fmt.Sprint(i), trace.InTransit, i))
		acknowledge(t, o, 3, next(t, o, 3, 1, math.MaxInt).Upto)
	}
	ships(1)
	o.flushed = time.Now().Add(-flushEvery)
	ships(2)
	ships(3)
	push(t, s, scan(number, "synced", trace.InTransit, 4)) // and what was written before it
	if !o.soon.Stop() {
		t.Error("nobody will write the last bookmark, when nothing follows")
	}
	at := func() uint64 {
		clone := open(t, disk.CrashClone(vfs.CrashCloneCfg{}))
		defer clone.Close()
		return ship(t, clone).Bookmark(3).Own
	}
	if got := at(); got != 2 {
		t.Errorf("after a crash the bookmark is at %d, want 2", got)
	}
	ships(4)
	o.flushLater()
	push(t, s, scan(number, "synced too", trace.InTransit, 5))
	if got := at(); got != 4 {
		t.Errorf("a moment later the bookmark is at %d, want 4", got)
	}
	ships(5)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if got := at(); got != 5 {
		t.Errorf("after the end the bookmark is at %d, want 5", got)
	}
}

// The metrics say what waits, and since when.
func TestOutboxMetrics(t *testing.T) {
	n := newNode(t)
	number := neighbours(3, 1)[0]
	push(t, n.Store, scan(number, "50", trace.PickedUp, 1))
	n.pass(time.Minute)
	push(t, n.Store, scan(number, "80", trace.Delivered, 2))
	n.pass(time.Minute)
	o := ship(t, n.Store)
	for _, want := range []string{"120\n", "60\n", "0\n"} {
		var m bytes.Buffer
		o.WriteMetrics(&m)
		left := 2 - o.Bookmark(3).Own
		for _, line := range []string{fmt.Sprintf("waytrace_outbox_records{partition=\"3\"} %d\n", left), "waytrace_outbox_oldest_seconds " + want,
			fmt.Sprintf("waytrace_outbox_bytes %d\n", o.bytes()), "waytrace_outbox_limit_bytes 21474836480\n", "waytrace_outbox_parked 0\n"} {
			if !strings.Contains(m.String(), line) {
				t.Errorf("no %q in\n%s", line, m.String())
			}
		}
		acknowledge(t, o, 3, next(t, o, 3, 1, math.MaxInt).Upto)
	}
	var m bytes.Buffer
	n.WriteMetrics(&m)
	for _, line := range []string{fmt.Sprintf("waytrace_store_feed_bytes %d\n", n.next.bytes[3]), "waytrace_store_feed_oldest_seconds 120\n"} {
		if !strings.Contains(m.String(), line) {
			t.Errorf("no %q in\n%s", line, m.String())
		}
	}
}
