package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/facttest"
	"waytrace/store/keys"
	"waytrace/trace"
)

// history makes up events of many waybills, as several sources tell them: out of order,
// with repeats, edited texts, fuller copies, references, numbers of two carriers, and one
// number that has more events than a waybill may. They are sealed with readings that do
// not ascend either.
func history(rng *rand.Rand, n int) *trace.Facts {
	facts := &trace.Facts{}
	base := trace.HLCAt(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	for i := range n {
		number := fmt.Sprintf("SF%06d", rng.IntN(n/8+1))
		minute := rng.IntN(300)
		if rng.IntN(3) == 0 {
			number, minute = "SF999999", rng.IntN(900)
		}
		e := facttest.Scan(number, fmt.Sprint(rng.IntN(4)), trace.Status(rng.IntN(12)), minute%600)
		switch rng.IntN(8) {
		case 0:
			e = facttest.FedBy100(number, trace.Status(rng.IntN(12)), minute%600)
		case 1:
			e.Source, e.TextEdits = fmt.Sprint("api:shop ", rng.IntN(3)), false
		case 2:
			e.Text.Text = fmt.Sprint("派送 ", rng.IntN(3))
		case 3:
			e.CarrierID = fmt.Sprint(rng.IntN(3))
		}
		for range rng.IntN(3) {
			e.References = append(e.References, trace.Reference{Account: "main", Text: fmt.Sprint("order ", rng.IntN(n/4+1))})
		}
		if rng.IntN(50) == 0 {
			e.References = append(e.References, trace.Reference{Account: "main", Text: "leads\x00nowhere"})
		}
		e.Item = i
		*facts.Event() = e
		facts.Seal(&facts.Events[i], base+trace.HLC(rng.IntN(1<<30)))
	}
	return facts
}

// A directory that was built in bulk has what pushing the same events gives, byte for
// byte, however little memory there was to sort them.
func TestBulkIsWhatAppendMakes(t *testing.T) {
	for _, memory := range []int64{0, 256 << 10, 8 << 10} {
		t.Run(fmt.Sprint(memory), func(t *testing.T) {
			facts := history(rand.New(rand.NewPCG(6, uint64(memory))), 5000)
			pushed := open(t, vfs.NewMem())
			var wanted Imported
			var told []int
			for chunk := range slices.Chunk(slices.Clone(facts.Events), 100) {
				f := &trace.Facts{Events: slices.Clone(chunk)}
				for i := range f.Events { // the store unites copies in place
					f.Events[i].References = slices.Clone(f.Events[i].References)
				}
				if _, err := pushed.Append(t.Context(), f); err != nil {
					t.Fatal(err)
				}
				for i := range f.Events {
					switch f.Events[i].Taken {
					case trace.Fresh:
						wanted.Events++
					case trace.TooMany:
						wanted.Refused++
						told = append(told, f.Events[i].Item)
					default:
						wanted.Known++
					}
				}
			}
			wanted.Waybills = pushed.waybills.Load()
			if wanted.Refused == 0 || wanted.Known == 0 || wanted.Waybills < 500 {
				t.Fatalf("the history is too plain: %+v", wanted)
			}

			fs := vfs.NewMem()
			var refused []int
			last := uint64(0)
			b, err := OpenBulk("data", Options{FS: fs, Log: quiet}, BulkOptions{Memory: memory,
				Refused:  func(e *trace.Event) error { refused = append(refused, e.Item); return nil },
				Progress: func(done, total uint64) { last = done * 1000 / total }})
			if err != nil {
				t.Fatal(err)
			}
			order := slices.Collect(slices.Chunk(facts.Events, 70))
			rand.New(rand.NewPCG(7, 7)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for _, chunk := range order {
				if err := b.Add(&trace.Facts{Events: chunk}); err != nil {
					t.Fatal(err)
				}
			}
			done, err := b.Finish(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if memory > 0 && len(b.events.runs) < 10 || memory == 0 && b.events.file != nil {
				t.Errorf("%d runs were written", len(b.events.runs))
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			slices.Sort(refused)
			if done != wanted || last != 1000 || !slices.Equal(refused, told) {
				t.Errorf("imported %+v, %d of 1000; want %+v; %d refused, want %d", done, last, wanted, len(refused), len(told))
			}

			v, err := VerifyDirectory("data", Options{FS: fs, Log: quiet}, func(Verified) bool { return true })
			if err != nil || v.Findings > 0 || v.Waybills != wanted.Waybills || v.Events != wanted.Events {
				t.Errorf("verified %+v, %v", v, err)
			}
			s := open(t, fs)
			if got := s.waybills.Load(); got != wanted.Waybills {
				t.Errorf("it counts %d waybills, want %d", got, wanted.Waybills)
			}
			if lines := difference(t, pushed, s, keys.KindWaybill, keys.KindReference, keys.KindUnmapped, keys.KindJudgement); lines != "" {
				t.Errorf("pushed and imported differ:\n%.400s", lines)
			}
			if feed := rows(t, s, keys.KindFeed); len(feed) > 0 {
				t.Errorf("history is told as news: %q", feed[0])
			}
			// It goes on as any node does.
			e := facttest.Scan("SF000001", "80", trace.Delivered, 700)
			if push(t, s, e) != 1 || push(t, s, e) != 0 || s.Counted(trace.PartitionOf("SF000001")) != 1 || s.Now() <= facts.Events[0].Heard {
				t.Error("it does not go on as a new node does")
			}
		})
	}
}

// rows are all pairs of a kind.
func rows(t *testing.T, s *Store, kind byte) (all []string) {
	t.Helper()
	err := s.scan([]byte{kind}, func(key, value []byte) (bool, error) {
		all = append(all, fmt.Sprintf("%q %x", key, value))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func difference(t *testing.T, a, b *Store, kinds ...byte) string {
	t.Helper()
	for _, kind := range kinds {
		if d := facttest.Difference(strings.Join(rows(t, a, kind), "\n"), strings.Join(rows(t, b, kind), "\n")); d != "" {
			return d
		}
	}
	return ""
}

// What comes in order needs no sorting, and makes the same directory.
func TestBulkSorted(t *testing.T) {
	facts := history(rand.New(rand.NewPCG(8, 8)), 3000)
	made := func(fill func(b *Bulk)) *Store {
		fs := vfs.NewMem()
		b, err := OpenBulk("data", Options{FS: fs, Log: quiet}, BulkOptions{Refused: func(*trace.Event) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		fill(b)
		if _, err := b.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		return open(t, fs)
	}
	added := made(func(b *Bulk) {
		if err := b.Add(facts); err != nil {
			t.Fatal(err)
		}
	})
	byWaybill := map[trace.Waybill][]trace.Event{}
	for _, e := range facts.Events {
		byWaybill[e.Waybill] = append(byWaybill[e.Waybill], e)
	}
	var waybills []trace.Waybill
	for w := range byWaybill {
		waybills = append(waybills, w)
	}
	slices.SortFunc(waybills, byName)
	sorted := made(func(b *Bulk) {
		for numbers := range slices.Chunk(slices.CompactFunc(slices.Clone(waybills), func(a, b trace.Waybill) bool { return a.Number == b.Number }), 100) {
			first, end := numbers[0].Number, numbers[len(numbers)-1].Number
			mine := slices.DeleteFunc(slices.Clone(waybills), func(w trace.Waybill) bool { return w.Number < first || w.Number > end })
			err := b.Sorted(t.Context(), func(f *trace.Facts) (bool, error) {
				if len(mine) == 0 {
					return false, nil
				}
				f.Events = append(f.Events, byWaybill[mine[0]]...)
				mine = mine[1:]
				return true, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	if lines := difference(t, added, sorted, keys.KindWaybill, keys.KindReference); lines != "" {
		t.Errorf("added and sorted differ:\n%.400s", lines)
	}
	if got, want := sorted.waybills.Load(), added.waybills.Load(); got != want {
		t.Errorf("%d waybills, want %d", got, want)
	}
}

// What a Bulk does not take, and what ends it.
func TestBulkRefuses(t *testing.T) {
	fs := vfs.NewMem()
	b, err := OpenBulk("data", Options{FS: fs, Log: quiet}, BulkOptions{Memory: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	leg := facttest.Scan("SF0001", "1", trace.InTransit, 1)
	leg.Leg = trace.LegTo{Waybill: trace.Waybill{Number: "YT0001"}}
	unmapped := facttest.Scan("SF0001", "1", trace.Unknown, 1)
	unmapped.Unmapped = true
	for name, f := range map[string]*trace.Facts{
		"a leg": {Events: []trace.Event{leg}}, "an unknown code": {Events: []trace.Event{unmapped}},
		"records": {Records: []trace.Record{facttest.Charges("YT0001", "1", 1)}}, "a sister's": {Judged: true},
	} {
		if err := b.Add(f); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, err := OpenBulk("data", Options{FS: fs, Log: quiet}, BulkOptions{}); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a directory that is there: %v", err)
	}
	facts := history(rand.New(rand.NewPCG(9, 9)), 5000)
	if err := b.Add(facts); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(t.Context()); !errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), "SF999999") {
		t.Errorf("a waybill with too many events: %v", err)
	}
}

// Whenever the power is cut, the directory is that of a new node with nothing in it, or
// whole.
func TestBulkCrash(t *testing.T) {
	facts := history(rand.New(rand.NewPCG(10, 10)), 2000)
	whole, empty := 0, 0
	for at := 0; ; at++ {
		disk := vfs.NewCrashableMem()
		ctx, stop := context.WithCancel(t.Context())
		cut := &cutting{FS: disk, left: at, off: stop}
		b, err := OpenBulk("data", Options{FS: cut, Log: quiet}, BulkOptions{Memory: 1 << 20, Refused: func(*trace.Event) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Add(facts); err != nil {
			t.Fatal(err)
		}
		_, failed := b.Finish(ctx)
		stop()
		left := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(11, uint64(at)))})
		if cut.clone != nil {
			left = cut.clone
		}
		b.Close()
		s, err := Open("data", Options{FS: left, Log: quiet, CacheSize: 1 << 20, MemTableSize: 256 << 10})
		if err != nil {
			t.Fatalf("cut at table %d: %v", at, err)
		}
		waybills := len(slices.DeleteFunc(rows(t, s, keys.KindWaybill), func(row string) bool { return !strings.Contains(row, `\x00\x00`) }))
		if n := s.waybills.Load(); n != uint64(waybills) || waybills == 0 && len(rows(t, s, keys.KindReference)) > 0 {
			t.Errorf("cut at table %d: it counts %d waybills and has %d", at, n, waybills)
		}
		s.Close()
		if waybills == 0 {
			empty++
		} else {
			whole++
		}
		if cut.clone == nil {
			if failed != nil || waybills == 0 {
				t.Errorf("nothing was cut, and %d waybills are there: %v", waybills, failed)
			}
			break
		}
	}
	if whole != 1 || empty < 3 {
		t.Errorf("%d times whole, %d times empty", whole, empty)
	}
}

// cutting is a disk whose power is cut when the table of that number is begun.
type cutting struct {
	vfs.FS
	left  int
	off   func()
	clone *vfs.MemFS
}

func (c *cutting) Create(name string, of vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, bulkEnding) && strings.Contains(name, "table-") {
		if c.left--; c.left < 0 && c.clone == nil {
			c.clone = c.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(12, 12))})
			c.off()
		}
	}
	return c.FS.Create(name, of)
}

// The sorter gives every pair, in order, from memory and from runs.
func TestSorter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, most := range []int{1, 100, 5000, 1 << 20} {
		s := newSorter(vfs.NewMem(), "runs", most)
		var want []string
		for range 600 {
			key, value := make([]byte, rng.IntN(12)), make([]byte, rng.IntN(200))
			for i := range key {
				key[i] = byte(rng.IntN(3))
			}
			want = append(want, fmt.Sprintf("%x %x", key, value))
			if err := s.add(key, value); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		var before []byte
		err := s.merge(t.Context(), func(key, value []byte) error {
			if bytes.Compare(before, key) > 0 {
				t.Fatalf("%x comes behind %x", key, before)
			}
			before = append(before[:0], key...)
			got = append(got, fmt.Sprintf("%x %x", key, value))
			return nil
		})
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("portions of %d bytes: %v, %d pairs, want %d", most, err, len(got), len(want))
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	}
}

// A disk that fails is told of.
func TestSorterFails(t *testing.T) {
	s := newSorter(brokenFS{vfs.NewMem()}, "runs", 100)
	for range 100 {
		if err := s.add(make([]byte, 20), make([]byte, 20)); err != nil {
			return
		}
	}
	t.Error("nothing was said of a disk that takes nothing")
}

type brokenFS struct{ vfs.FS }

func (brokenFS) OpenReadWrite(string, vfs.DiskWriteCategory, ...vfs.OpenOption) (vfs.File, error) {
	return nil, errors.New("broken")
}

// The tables lie where no compaction has anything left to do, in the form that one would
// have given them.
func TestBulkLiesLow(t *testing.T) {
	fs := vfs.NewMem()
	b, err := OpenBulk("data", Options{FS: fs, Log: quiet}, BulkOptions{Refused: func(*trace.Event) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Add(history(rand.New(rand.NewPCG(3, 3)), 5000)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := b.store.db.Metrics()
	if m.Levels[6].TablesCount < 2 || m.Levels[6].TablesSize < 9*m.Total().TablesSize/10 {
		t.Errorf("%d tables of %d bytes are in the lowest level, of %d bytes in all", m.Levels[6].TablesCount, m.Levels[6].TablesSize, m.Total().TablesSize)
	}
}
