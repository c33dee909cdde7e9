package store

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// options are those of the stores of these tests, for what opens a directory by itself.
func options(fs vfs.FS) Options {
	return Options{FS: fs, Log: quiet, CacheSize: 8 << 20, MemTableSize: 1 << 20, Wall: func() int64 { return noon }}
}

func reborn(t testing.TB, fs vfs.FS) Reborn {
	t.Helper()
	r, err := Rebirth("data", options(fs))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// shipAll ships all that waits, and gives it in order of partition and number.
func shipAll(t testing.TB, s *Store, o *Outbox) (items []trace.LoadItem) {
	t.Helper()
	for p := range uint16(trace.Partitions) {
		f := follower{own: o.Bookmark(p).Own}
		for {
			load := next(t, o, p, 5, math.MaxInt)
			f.take(t, s, &load)
			items = append(items, load.Items...)
			if load.Upto == o.Bookmark(p) {
				break
			}
			acknowledge(t, o, p, load.Upto)
		}
	}
	return items
}

// halfShipped is a directory that has shipped some of what it heard, in one partition up to the middle
// of an entry.
func halfShipped(t testing.TB) (fs *vfs.MemFS, shipped [trace.Partitions]uint64) {
	t.Helper()
	fs = vfs.NewCrashableMem()
	s := open(t, fs)
	rng := rand.New(rand.NewPCG(17, 3))
	o := ship(t, s)
	var many []trace.Event
	for _, number := range neighbours(3, 250) {
		many = append(many, scan(number, "50", trace.PickedUp, 1))
	}
	push(t, s, many...)
	acknowledge(t, o, 3, next(t, o, 3, 3, math.MaxInt).Upto)
	other := newNode(t)
	hear(t, other.Store, func(f *trace.Facts) { facttest.Load(f, rng) })
	for _, facts := range other.shipped(t, new([trace.Partitions]uint64)) {
		if err := s.ApplyNews(t.Context(), facts, nil); err != nil {
			t.Fatal(err)
		}
	}
	for p := range uint16(trace.Partitions) {
		hear(t, s, func(f *trace.Facts) { facttest.Load(f, rng) })
		if p != 3 && p%2 == 0 {
			acknowledge(t, o, p, next(t, o, p, 2, math.MaxInt).Upto)
		}
		shipped[p] = o.Bookmark(p).Own
	}
	o.Close()
	s.Close()
	return fs, shipped
}

// A reborn directory has all that it had, and ships what it had not shipped under its
// new id, counted from one; so does one that is reborn again.
func TestRebirth(t *testing.T) {
	fs, shipped := halfShipped(t)
	s := open(t, fs)
	before, node, next := truth(t, s), s.node, s.next
	mark := s.mark
	var want []string
	o := ship(t, s)
	if o.parts[3].at.inside == 0 {
		t.Fatal("partition 3 is not in the middle of an entry")
	}
	waits := o.bytes()
	ghost := open(t, fs.CrashClone(vfs.CrashCloneCfg{}))
	for _, item := range shipAll(t, ghost, ship(t, ghost)) {
		want = append(want, item.Key)
	}
	o.Close()
	s.Close()
	for again := range 2 {
		r := reborn(t, fs)
		if r.Was != node || r.Is == node || r.Is == 0 || r.Records != uint64(len(want)) {
			t.Fatalf("reborn %+v, was %s with %d records to ship", r, node, len(want))
		}
		node = r.Is
		s = open(t, fs)
		if s.node != node || s.marked(mark) || len(s.starts) != 2 || s.next.seq != next.seq || s.next.waybills != next.waybills {
			t.Errorf("it is %s, the old mark counts: %t, counters %+v", s.node, s.marked(mark), s.next)
		}
		if got := truth(t, s); got != before {
			t.Error(facttest.Difference(got, before))
		}
		mustAgree(t, s)
		o = ship(t, s)
		for p := range uint16(trace.Partitions) {
			if b := o.Bookmark(p); b.Own != 0 || o.parts[p].at.inside != 0 {
				t.Errorf("partition %d: the bookmark is %+v", p, o.parts[p].at)
			}
			if n := s.next.bytes[p]; n != feedBytesOf(t, s, p) {
				t.Errorf("partition %d: %d bytes counted, %d there", p, n, feedBytesOf(t, s, p))
			}
		}
		if again == 0 && o.bytes() >= waits {
			t.Errorf("%d bytes wait, before it were %d with what was shipped in the middle of an entry", o.bytes(), waits)
		}
		clone := open(t, fs.CrashClone(vfs.CrashCloneCfg{}))
		var got []string
		for _, item := range shipAll(t, clone, ship(t, clone)) {
			got = append(got, item.Key)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("it ships\n%v, want\n%v", got, want)
		}
		mark = s.mark
		o.Close()
		s.Close()
	}
	// What it had shipped under its first id is gone from no feed: it was shipped.
	for p, own := range shipped {
		if _, known, err := open(t, fs.CrashClone(vfs.CrashCloneCfg{})).Place(uint16(p)); err != nil || len(known) != 0 {
			t.Errorf("partition %d, %d shipped: %v is known, %v", p, own, known, err)
		}
	}
}

func feedBytesOf(t testing.TB, s *Store, p uint16) (n uint64) {
	t.Helper()
	err := s.scan(keys.Feed(nil, p, 0)[:3], func(key, value []byte) (bool, error) {
		n += uint64(len(key) + len(value))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A directory that has never shipped ships all that is left of its feed; what is gone
// from it counts as read of its old id, and what it has read of its own stays.
func TestRebirthWithoutKafka(t *testing.T) {
	fs, now := vfs.NewCrashableMem(), int64(noon)
	s := trimmed(t, fs, func() int64 { return now }, 0)
	a, b := neighbours(3, 1)[0], neighbours(7, 1)[0]
	for i := range 6 {
		push(t, s, scan(a, fmt.Sprint(i), trace.InTransit, i), scan(b, fmt.Sprint(i), trace.InTransit, i))
		now += 2 * 24 * 3600_000
	}
	trim(t, s, now)
	read := trace.Known{Own: 5, Runs: []trace.Run{{Mark: s.mark, From: 1}}}
	if err := s.ApplyNews(t.Context(), nil, &trace.Progress{Partition: 7, Origins: map[trace.Origin]trace.Known{s.node: read}}); err != nil {
		t.Fatal(err)
	}
	node := s.node
	s.Close()
	if r := reborn(t, fs); r.Records != 6 {
		t.Errorf("%d records are to be shipped, want 6", r.Records)
	}
	s = trimmed(t, fs, func() int64 { return now }, 0)
	for p, want := range map[uint16]trace.Known{3: {Own: 3}, 7: read} {
		if _, known, err := s.Place(p); err != nil || !cmp.Equal(known[node], want) {
			t.Errorf("partition %d: %+v is known of the old id, %v; want %+v", p, known[node], err, want)
		}
	}
	o := ship(t, s)
	if items := shipAll(t, s, o); len(items) != 6 {
		t.Errorf("%d records are shipped, want 6", len(items))
	}
	// What was told under an old id does not count under the new one when it is trimmed.
	push(t, s, scan(a, "more", trace.InTransit, 30))
	o.Close()
	s.Close()
	reborn(t, fs)
	s = trimmed(t, fs, func() int64 { return now }, 0)
	o = ship(t, s)
	now += 8 * 24 * 3600_000
	trim(t, s, now)
	if b := *s.partitions[3].trimmed.Load(); b.Own != 0 || b.Seq == 0 {
		t.Errorf("trimmed up to %+v", b)
	}
	if items := shipAll(t, s, o); len(items) != 1 || items[0].Own != 1 {
		t.Errorf("got %+v, want the one that was not shipped", items)
	}
}

// cuttingDisk keeps a clone of itself, as a power cut would leave it, at one of its
// writes.
type cuttingDisk struct {
	vfs.FS
	mem   *vfs.MemFS
	mu    *sync.Mutex
	left  *int
	clone **vfs.MemFS
	rng   *rand.Rand
}

func (d cuttingDisk) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if *d.left--; *d.left == 0 {
		*d.clone = d.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: d.rng.IntN(101), RNG: d.rng})
	}
}

func (d cuttingDisk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return cuttingFile{f, d}, err
}

func (d cuttingDisk) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.ReuseForWrite(from, to, c)
	return cuttingFile{f, d}, err
}

type cuttingFile struct {
	vfs.File
	disk cuttingDisk
}

func (f cuttingFile) Write(b []byte) (int, error) {
	n, err := f.File.Write(b)
	f.disk.cut()
	return n, err
}

func (f cuttingFile) SyncData() error {
	err := f.File.SyncData()
	f.disk.cut()
	return err
}

// A rebirth that is cut off anywhere leaves a directory that is as it was, or refuses to
// be opened, or is reborn; another rebirth ends it, and what it ships is the same.
func TestRebirthCutOff(t *testing.T) {
	half, _ := halfShipped(t)
	ghost := open(t, half.CrashClone(vfs.CrashCloneCfg{}))
	before, node := truth(t, ghost), ghost.node
	var want []string
	for _, item := range shipAll(t, ghost, ship(t, ghost)) {
		want = append(want, item.Key)
	}
	rng := rand.New(rand.NewPCG(23, 9))
	refused, untouched, done := 0, 0, 0
	for cut := 1; ; cut++ {
		disk := half.CrashClone(vfs.CrashCloneCfg{})
		var clone *vfs.MemFS
		left := cut
		reborn(t, cuttingDisk{disk, disk, &sync.Mutex{}, &left, &clone, rng})
		if clone == nil {
			break
		}
		var was trace.Origin
		e, err := Examine("data", options(clone))
		if err != nil {
			t.Fatalf("cut off at write %d: %v", cut, err)
		}
		switch {
		case e.Reborn:
			refused++
			was = node
			if s, err := Open("data", options(clone)); err == nil {
				s.Close()
				t.Fatalf("cut off at write %d: it is opened all the same", cut)
			} else if !strings.Contains(err.Error(), "waytrace restore") {
				t.Errorf("it is refused with %v", err)
			}
		case e.Node == node:
			untouched++
			was = node
		default:
			done++
			was = e.Node
		}
		if r := reborn(t, clone); r.Was != was || r.Records != uint64(len(want)) {
			t.Fatalf("cut off at write %d: reborn %+v, want %d records of %s", cut, r, len(want), was)
		}
		s := open(t, clone)
		if got := truth(t, s); got != before {
			t.Fatal(facttest.Difference(got, before))
		}
		mustAgree(t, s)
		o := ship(t, s)
		for p := range uint16(trace.Partitions) {
			if n := feedBytesOf(t, s, p); n != s.next.bytes[p] {
				t.Fatalf("cut off at write %d, partition %d: %d bytes counted, %d there", cut, p, s.next.bytes[p], n)
			}
		}
		var got []string
		for _, item := range shipAll(t, s, o) {
			got = append(got, item.Key)
		}
		if !cmp.Equal(got, want) {
			t.Fatalf("cut off at write %d it ships\n%v, want\n%v", cut, got, want)
		}
		s.Close()
	}
	t.Logf("%d as it was, %d refused, %d reborn", untouched, refused, done)
	if refused < 2 || untouched == 0 || done == 0 {
		t.Error("not every moment was met")
	}
}

func TestExamine(t *testing.T) {
	fs := vfs.NewMem()
	s := open(t, fs)
	push(t, s, scan("SF0001", "50", trace.PickedUp, 1), scan("SF0002", "50", trace.PickedUp, 1))
	node, seq, now := s.node, s.SafeMark(), s.Now()
	s.Close()
	files, _ := fs.List("data")
	for range 2 {
		e, err := Examine("data", options(fs))
		if err != nil || e.Node != node || e.Waybills != 2 || e.Seq != seq || e.Clock < now || e.Reborn {
			t.Errorf("examined %+v, %v; want %s, seq %d, beyond %d", e, err, node, seq, now)
		}
	}
	if after, _ := fs.List("data"); len(after) != len(files) {
		t.Errorf("it had %v, and has %v", files, after)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := Examine(missing, Options{Log: quiet}); !errors.Is(err, trace.ErrNotFound) {
		t.Errorf("a directory that is not there: %v", err)
	}
	if _, err := Rebirth(missing, Options{Log: quiet}); !errors.Is(err, trace.ErrNotFound) {
		t.Errorf("the rebirth of one: %v", err)
	}
	if _, err := vfs.Default.Stat(missing); err == nil {
		t.Error("it was made")
	}
	s = open(t, fs)
	for name, f := range map[string]func() error{
		"Examine": func() error { _, err := Examine("data", options(fs)); return err },
		"Rebirth": func() error { _, err := Rebirth("data", options(fs)); return err },
	} {
		if err := f(); err == nil {
			t.Errorf("%s of a directory in use", name)
		}
	}
	s.Close()
}
