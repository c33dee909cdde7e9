package store

import (
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

// trimmed opens a store whose clock stands at noon and whose feed has limits.
func trimmed(t testing.TB, fs vfs.FS, wall func() int64, size int64) *Store {
	t.Helper()
	s, err := Open("data", Options{FS: fs, Log: quiet, CacheSize: 8 << 20, MemTableSize: 1 << 20, Wall: wall, FeedSize: size})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func trim(t testing.TB, s *Store, now int64) {
	t.Helper()
	if err := s.TrimFeed(time.UnixMilli(now)); err != nil {
		t.Fatal(err)
	}
}

// entries are the first seqs of a partition's feed.
func entries(t testing.TB, s *Store, p uint16) (seqs []uint64) {
	t.Helper()
	err := s.EachFeedEntry(p, 0, func(first uint64, _ *trace.FeedEntry) bool {
		seqs = append(seqs, first)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return seqs
}

// An outbox that has waited for seven days and more is kept, and goes once it was
// shipped; what comes after a restart goes on with the numbers.
func TestTrimByAge(t *testing.T) {
	fs, now := vfs.NewMem(), int64(noon)
	s := trimmed(t, fs, func() int64 { return now }, 0)
	number := neighbours(3, 1)[0]
	o := ship(t, s)
	for day := range 9 {
		push(t, s, scan(number, fmt.Sprint(day), trace.InTransit, day))
		now += 24 * time.Hour.Milliseconds()
	}
	trim(t, s, now)
	if got := entries(t, s, 3); len(got) != 9 {
		t.Fatalf("entries %v are left, nothing was shipped", got)
	}
	// Nor while nobody ships, as between two starts.
	o.Close()
	trim(t, s, now)
	s.Close()
	s = trimmed(t, fs, func() int64 { return now }, 0)
	trim(t, s, now)
	if got := entries(t, s, 3); len(got) != 9 {
		t.Fatalf("entries %v are left while the outbox is closed, nothing was shipped", got)
	}
	o = ship(t, s)
	first := next(t, o, 3, 1, math.MaxInt)
	acknowledge(t, o, 3, first.Upto)
	trim(t, s, now)
	if got := entries(t, s, 3); len(got) != 8 || got[0] != 2 {
		t.Fatalf("entries %v are left, one was shipped", got)
	}
	acknowledge(t, o, 3, next(t, o, 3, 99, math.MaxInt).Upto)
	trim(t, s, now)
	if got := entries(t, s, 3); len(got) != 7 || got[0] != 3 {
		t.Fatalf("entries %v are left, two are older than seven days", got)
	}
	now += 30 * 24 * time.Hour.Milliseconds()
	trim(t, s, now)
	if got := entries(t, s, 3); len(got) != 0 || s.feedBytes() != 0 {
		t.Fatalf("entries %v are left, %d bytes: all are old", got, s.feedBytes())
	}
	tip, counted := o.Tip(3), s.Counted(3)
	// Not closed: what trimming wrote must be enough.
	s.Close()
	s = trimmed(t, fs, func() int64 { return now }, 0)
	o = ship(t, s)
	if b := o.Bookmark(3); b.Seq != 9 || b.Own != 9 || o.Tip(3) != tip || s.Counted(3) != counted || o.bytes() != 0 {
		t.Errorf("after a restart the bookmark is %+v, the tip %d, counted %d, %d bytes wait", b, o.Tip(3), s.Counted(3), o.bytes())
	}
	push(t, s, scan(number, "80", trace.Delivered, 30))
	if load := next(t, o, 3, 9, math.MaxInt); len(load.Items) != 1 || load.Items[0].Own != 10 || load.Items[0].At != now {
		t.Errorf("what comes next: %+v", load)
	}
	if got := read(t, s, number); len(got.Events) != 10 {
		t.Errorf("%d events are left", len(got.Events))
	}
}

// The oldest of what is too much goes, whichever partition has it, but not what waits
// for Kafka.
func TestTrimBySize(t *testing.T) {
	now := int64(noon)
	fs := vfs.NewMem()
	s := trimmed(t, fs, func() int64 { return now }, 2000)
	a, b := neighbours(3, 1)[0], neighbours(7, 1)[0]
	for i := range 40 {
		push(t, s, scan([]string{a, b}[i%2], fmt.Sprint(i), trace.InTransit, i))
		now += 10_000
	}
	o := ship(t, s)
	trim(t, s, now)
	if got := s.feedBytes(); got <= 2000 || len(entries(t, s, 3)) != 20 {
		t.Errorf("%d bytes are left, nothing was shipped", got)
	}
	acknowledge(t, o, 3, next(t, o, 3, 99, math.MaxInt).Upto)
	trim(t, s, now)
	if x, y := entries(t, s, 3), entries(t, s, 7); len(x) != 1 || len(y) != 20 || s.feedBytes() > 2000 {
		t.Errorf("entries %v and %v are left, %d bytes: the first are shipped", x, y, s.feedBytes())
	}
	o.Close()
	var lines []string
	s.log = slog.New(countingLog{quiet.Handler(), &lines})
	for i := range 20 {
		push(t, s, scan(a, fmt.Sprint(100+i), trace.InTransit, i))
		now += 10_000
	}
	trim(t, s, now)
	trim(t, s, now+60_000)
	if x, y := entries(t, s, 3), entries(t, s, 7); len(x) != 20 || len(y) != 20 || s.feedBytes() <= 2000 {
		t.Errorf("entries %v and %v are left, %d bytes: what was not shipped must stay", x, y, s.feedBytes())
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "larger than its limit") {
		t.Errorf("the log says %q", lines)
	}
	trim(t, s, now+25*time.Hour.Milliseconds())
	if len(lines) != 2 {
		t.Errorf("a day later the log says %q", lines)
	}
	// Until it is said that nobody will ship it.
	if err := s.ForgetOutbox(); err != nil {
		t.Fatal(err)
	}
	trim(t, s, now)
	x, y := entries(t, s, 3), entries(t, s, 7)
	if got := s.feedBytes(); got > 2000 || got < 1800 || len(y) != 1 || y[0] != 40 || len(x) != 20 || x[0] != 41 {
		t.Errorf("%d bytes are left, entries %v and %v: the oldest should have gone", got, x, y)
	}
	// Whoever ships again all the same begins with what is left, and the hole shows.
	s.Close()
	s = trimmed(t, fs, func() int64 { return now }, 2000)
	lines, s.log = nil, slog.New(countingLog{quiet.Handler(), &lines})
	o = ship(t, s)
	if len(lines) != 2 || !strings.Contains(lines[0], "does not go back to the beginning") {
		t.Errorf("the log says %q", lines)
	}
	if err := s.ForgetOutbox(); err == nil {
		t.Error("an open outbox was forgotten")
	}
	if load := next(t, o, 3, 99, math.MaxInt); len(load.Items) != 20 || load.Items[0].Own != 21 {
		t.Errorf("partition 3: %d records from %+v on", len(load.Items), load.Items[0])
	}
	if load := next(t, o, 7, 99, math.MaxInt); len(load.Items) != 1 || load.Items[0].Own != 20 || o.Bookmark(7).Own != 19 || o.bytes() != s.feedBytes() {
		t.Errorf("partition 7: %+v at %+v, %d bytes wait of %d", load, o.Bookmark(7), o.bytes(), s.feedBytes())
	}
}

// More than one step goes at once, too.
func TestTrimInSteps(t *testing.T) {
	now := int64(noon)
	s := trimmed(t, vfs.NewMem(), func() int64 { return now }, 0)
	number := neighbours(3, 1)[0]
	for i := range trimEntries + 10 {
		b := s.db.NewBatch()
		w := writer{store: s, batch: b}
		w.entry.Groups = []trace.Group{{Waybill: trace.Waybill{Number: number, Carrier: "sf"}, Changes: []trace.Change{{Kind: trace.Refolded}}}}
		w.enter(3)
		if err := b.Commit(nil); err != nil {
			t.Fatal(err)
		}
		s.safe.Store(uint64(i + 1))
		s.ring(w.entries)
	}
	now += 8 * 24 * time.Hour.Milliseconds()
	trim(t, s, now)
	if got := entries(t, s, 3); len(got) != 0 || s.feedBytes() != 0 {
		t.Errorf("%d entries are left, %d bytes", len(got), s.feedBytes())
	}
}
