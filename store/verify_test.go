package store

import (
	"bytes"
	"context"
	"errors"
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

func on(Verified) bool { return true }

// manyHeard is a node that heard facts of all kinds for some hours.
func manyHeard(t *testing.T, pushes int) *node {
	t.Helper()
	n, rng := newNode(t), rand.New(rand.NewPCG(5, 5))
	for range pushes {
		hear(t, n.Store, func(f *trace.Facts) { facttest.Load(f, rng) })
		n.pass(time.Duration(rng.Int64N(int64(20 * time.Minute))))
	}
	return n
}

// sound is the verification of a store in which nothing is to be found.
func sound(t *testing.T, s *Store) Verified {
	t.Helper()
	done, err := s.Verify(on)
	if err != nil || done.Findings != 0 || len(done.Found) != 0 {
		t.Fatalf("%+v, %v; want no findings", done, err)
	}
	return done
}

func TestVerify(t *testing.T) {
	n := manyHeard(t, 200)
	done := sound(t, n.Store)
	if done.Waybills < 40 || done.Waybills != done.Total || done.Events < 400 || done.Records < 10 {
		t.Errorf("%+v were read", done)
	}
	empty := sound(t, open(t, vfs.NewMem()))
	if empty.Waybills != 0 || empty.Total != 0 {
		t.Errorf("of nothing %+v were read", empty)
	}
}

// A store that is not as it should be: what is wrong is named.
func TestVerifyFinds(t *testing.T) {
	const number, child = "SF7444400031887", "YT1234567890123"
	sf, yt := trace.Waybill{Number: number, Carrier: "sf"}, trace.Waybill{Number: child, Carrier: "yto"}
	picked := scan(number, "50", trace.PickedUp, 1)
	picked.References = []trace.Reference{{Account: "main", Text: "order 1"}}
	onward := scan(number, "99", trace.InTransit, 20)
	onward.Leg = trace.LegTo{Waybill: yt, Role: trace.Forwarded}
	newStore := func(t *testing.T) (s *Store, event []byte) {
		s = open(t, vfs.NewMem())
		first := sealed(t, s, picked)
		if _, err := s.Append(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		push(t, s, onward)
		hear(t, s, func(f *trace.Facts) {
			list(f, fedBy100(child, trace.PickedUp, 30), fedBy100(child, trace.InTransit, 40))
			f.Records = append(f.Records, charges(child, "batch 1", 2))
			f.Legs = append(f.Legs, trace.LegFact{Waybill: sf, To: trace.LegTo{Waybill: trace.Waybill{Number: "AAAA1"}}, Since: scan("", "", 0, 50).At.Instant()})
		})
		sound(t, s)
		e := &first.Events[0]
		return s, keys.Event(nil, sf, e.At.Local, e.ID)
	}
	get := func(t *testing.T, s *Store, key []byte) []byte {
		value, closer, err := s.db.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		defer closer.Close()
		return bytes.Clone(value)
	}
	head := func(t *testing.T, s *Store, w trace.Waybill) *trace.Head {
		h := &trace.Head{}
		if err := trace.DecodeHead(h, get(t, s, keys.Head(nil, w))); err != nil {
			t.Fatal(err)
		}
		return h
	}
	of := func(t *testing.T, s *Store, prefix []byte) (key []byte) {
		if err := s.scan(prefix, func(k, _ []byte) (bool, error) { key = bytes.Clone(k); return false, nil }); err != nil {
			t.Fatal(err)
		}
		return key
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, s *Store, b *pebble.Batch, event []byte)
		at     trace.Waybill
		want   []string // all that is found, in this order, by what it says
	}{
		{"a status that follows from nothing", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			h := head(t, s, yt)
			h.Pair = trace.Pair{Status: trace.Delivered, Sub: "signed"}
			b.Set(keys.Head(nil, yt), h.Append(nil), nil)
		}, yt, []string{"its head is not the fold of its facts: it is delivered.signed and should be in_transit"}},
		{"a milestone that follows from nothing", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			h := head(t, s, yt)
			h.Milestones = [len(h.Milestones)]trace.Moment{}
			b.Set(keys.Head(nil, yt), h.Append(nil), nil)
		}, yt, []string{"milestones"}},
		{"an event that is gone", func(t *testing.T, _ *Store, b *pebble.Batch, event []byte) { b.Delete(event, nil) },
			sf, []string{"is not stored"}},
		{"an event that says something else", func(t *testing.T, s *Store, b *pebble.Batch, event []byte) {
			var e trace.Event
			k, _ := keys.Parse(event)
			if err := trace.DecodeEvent(&e, sf, k.Local, k.ID, get(t, s, event)); err != nil {
				t.Fatal(err)
			}
			e.Operator = "Li"
			b.Set(event, e.Append(nil), nil)
		}, sf, []string{"is another"}},
		{"an event under another identity", func(t *testing.T, s *Store, b *pebble.Batch, event []byte) {
			value := get(t, s, event)
			b.Delete(event, nil)
			event[len(event)-1] ^= 1
			b.Set(event, value, nil)
		}, sf, []string{"is stored as", "is not stored"}},
		{"an event that cannot be read", func(t *testing.T, _ *Store, b *pebble.Batch, event []byte) { b.Set(event, []byte("?"), nil) },
			sf, []string{"it cannot be read", "is not stored"}},
		{"a head that is gone", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) { b.Delete(keys.Head(nil, yt), nil) },
			trace.Waybill{}, []string{"legs", "it has 2 events and 1 records, and no head", "counts 2 waybills and has the heads of 1"}},
		{"a head that cannot be read", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) { b.Set(keys.Head(nil, yt), []byte("?"), nil) },
			trace.Waybill{}, []string{"legs", "its head cannot be read"}},
		{"a head of nothing", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			var h trace.Head
			w := trace.Waybill{Number: "AAAA1", Carrier: "usps"}
			h.Fold(w, nil)
			b.Set(keys.Head(nil, w), h.Append(nil), nil)
		}, trace.Waybill{}, []string{"it has a head and no facts", "counts 2 waybills and has the heads of 3"}},
		{"a reference that does not lead back", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Delete(keys.Reference(nil, picked.References[0], sf), nil)
		}, sf, []string{`reference "order 1" of main, which does not lead back`}},
		{"a reference that nobody named", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Set(keys.Reference(nil, trace.Reference{Account: "main", Text: "order 2"}, sf), nil, nil)
		}, sf, []string{`reference "order 2" of main leads to it`}},
		{"no way back from the number that an event names", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) { b.Delete(keys.Leg(nil, yt, sf), nil) },
			sf, []string{"it goes on under " + child}},
		{"no way back from the number that was told", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Delete(keys.Leg(nil, trace.Waybill{Number: "AAAA1"}, sf), nil)
		}, sf, []string{"it goes on under AAAA1"}},
		{"a way back to nobody", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Set(keys.Leg(nil, yt, trace.Waybill{Number: "AAAA2", Carrier: "usps"}), nil, nil)
		}, trace.Waybill{Number: "AAAA2", Carrier: "usps"}, []string{"leads back to it, and it is not there"}},
		{"a record that is gone", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			b.Delete(of(t, s, keys.Records(nil, yt)), nil)
		},
			yt, []string{"records"}},
		{"a record that says something else", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			r := charges(child, "batch 1", 3)
			b.Set(of(t, s, keys.Records(nil, yt)), r.Append(nil), nil)
		}, yt, []string{"records"}},
		{"a record under another's key", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			r := charges(child, "batch 2", 2)
			b.Set(of(t, s, keys.Records(nil, yt)), r.Append(nil), nil)
		}, yt, []string{"is stored as", "records"}},
		{"a record that cannot be read", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			b.Set(of(t, s, keys.Records(nil, yt)), []byte("?"), nil)
		}, yt, []string{"it cannot be read", "records"}},
		{"a record of nobody", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			r := charges("AAAA2", "batch 1", 2)
			b.Set(keys.Record(nil, r.Waybill, r.Kind, r.Key()), r.Append(nil), nil)
		}, trace.Waybill{Number: "AAAA2", Carrier: "yto"}, []string{"it has 0 events and 1 records, and no head"}},
		{"a feed that cannot be read", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			b.Set(of(t, s, []byte{keys.KindFeed}), []byte("?"), nil)
		}, trace.Waybill{}, []string{"of partition 7 cannot be read"}},
		{"a feed with a hole", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			e := trace.FeedEntry{Mark: 1, Groups: []trace.Group{{Waybill: yt, Own: 9, Changes: []trace.Change{{Kind: trace.EventAdded, ID: 1}}}}}
			b.Set(keys.Feed(nil, 7, 1000), e.Append(nil), nil)
		}, yt, []string{"partition 7 of the feed has number 9 behind"}},
		{"a feed of another partition", func(t *testing.T, s *Store, b *pebble.Batch, _ []byte) {
			e := trace.FeedEntry{Mark: 1, Groups: []trace.Group{{Waybill: yt, Changes: []trace.Change{{Kind: trace.EventAdded, ID: 1}}}}}
			b.Set(keys.Feed(nil, 3, 1000), e.Append(nil), nil)
		}, yt, []string{"partition 3 of the feed tells of it"}},
		{"a bookmark that cannot be read", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Set(keys.Bookmark(nil, followerKafka, 3), []byte{0x80}, nil)
		}, trace.Waybill{}, []string{"cannot be read"}},
		{"a position that cannot be read", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Set(keys.Position(nil, 3), []byte{0x80}, nil)
		}, trace.Waybill{}, []string{"cannot be read"}},
		{"a quarantined request that cannot be read", func(t *testing.T, _ *Store, b *pebble.Batch, _ []byte) {
			b.Set(keys.Quarantine(nil, [16]byte{1}), []byte("?"), nil)
		}, trace.Waybill{}, []string{"cannot be read"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, event := newStore(t)
			b := s.db.NewBatch()
			c.damage(t, s, b, event)
			if err := b.Commit(pebble.Sync); err != nil {
				t.Fatal(err)
			}
			done, err := s.Verify(on)
			if err != nil || done.Findings != uint64(len(done.Found)) {
				t.Fatalf("%+v, %v", done, err)
			}
			var got []string
			for i, f := range done.Found {
				got = append(got, f.Number+" "+f.Carrier+": "+f.What)
				if i >= len(c.want) || !strings.Contains(f.What, c.want[i]) || c.at != (trace.Waybill{}) && (f.Number != c.at.Number || f.Carrier != c.at.Carrier) {
					t.Errorf("found %q", got[i])
				}
			}
			if len(got) != len(c.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

// Much that is wrong is counted, and the first of it is named.
func TestVerifyNamesTheFirst(t *testing.T) {
	s := open(t, vfs.NewMem())
	b := s.db.NewBatch()
	for i := range 150 {
		r := charges("AAAA"+string(rune('A'+i/26))+string(rune('A'+i%26)), "batch 1", 2)
		b.Set(keys.Record(nil, r.Waybill, r.Kind, r.Key()), r.Append(nil), nil)
	}
	if err := b.Commit(pebble.Sync); err != nil {
		t.Fatal(err)
	}
	done, err := s.Verify(func(v Verified) bool {
		if v.Findings != v.Waybills || len(v.Found) != 0 {
			t.Errorf("on the way: %+v", v)
		}
		return true
	})
	if err != nil || done.Findings != 150 || len(done.Found) != maxFindings || done.Found[0].Number != "AAAAAA" {
		t.Errorf("%d findings, %d named, %v", done.Findings, len(done.Found), err)
	}
}

// Pushes go on while the store is read, and what is read is of one moment.
func TestVerifyUnderLoad(t *testing.T) {
	n := manyHeard(t, 20)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(6, 6))
		for ctx.Err() == nil {
			hear(t, n.Store, func(f *trace.Facts) { facttest.Load(f, rng) })
			n.pass(time.Minute)
		}
	})
	defer wg.Wait()
	defer stop()
	for seq := uint64(0); ; {
		sound(t, n.Store)
		if now := n.SafeMark(); now > seq+500 && seq > 0 {
			return
		} else if seq == 0 {
			seq = now
		}
	}
}

// Whoever asked may have gone, and a store that closes waits for nobody.
func TestVerifyEnds(t *testing.T) {
	n := newNode(t)
	for i := range 4 * tellAfter {
		push(t, n.Store, scan("SF"+string(rune('A'+i/26))+string(rune('A'+i%26))+"12", "50", trace.PickedUp, 1))
	}
	done, err := n.Verify(func(v Verified) bool { return v.Waybills < 2*tellAfter })
	if err != nil || done.Waybills != 2*tellAfter || done.Total != 4*tellAfter {
		t.Errorf("%+v, %v", done, err)
	}
	var closed sync.WaitGroup
	done, err = n.Verify(func(v Verified) bool {
		if v.Waybills == tellAfter {
			closed.Go(func() { n.Close() })
			<-n.closing
		}
		return true
	})
	closed.Wait()
	if err != nil || done.Waybills != 2*tellAfter {
		t.Errorf("while it closed: %+v, %v", done, err)
	}
	if _, err := n.Verify(on); !errors.Is(err, trace.ErrUnavailable) {
		t.Errorf("of a closed store: %v", err)
	}
}

// Under other settings every head may differ: that is no damage.
func TestVerifyOfAStaleFold(t *testing.T) {
	defer func(before trace.FoldSettings) { trace.Folding = before }(trace.Folding)
	disk := vfs.NewMem()
	s := open(t, disk)
	push(t, s, scan("SF7444400031887", "50", trace.PickedUp, 1))
	trace.Folding.HidePreTransit = true
	_, err := s.Verify(on)
	var p *trace.Problem
	if !errors.As(err, &p) || p.Code != "fold_first" || !errors.Is(err, trace.ErrUnavailable) {
		t.Errorf("%v, want fold_first", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	done, err := VerifyDirectory("data", Options{FS: disk, Log: quiet, CacheSize: 1 << 20}, on)
	if err != nil || done.Findings != 0 || done.Waybills != 1 || trace.Folding.HidePreTransit {
		t.Errorf("the directory as it was folded: %+v, %v, %+v", done, err, trace.Folding)
	}
}

// A directory is read as it lies, and stays so.
func TestVerifyDirectory(t *testing.T) {
	n := manyHeard(t, 20)
	clone := vfs.NewMem()
	if _, err := vfs.Clone(n.fs, clone, "data", "data"); err != nil {
		t.Fatal(err)
	}
	files := func() (all string) {
		names, err := clone.List("data")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		for _, name := range names {
			if name == "LOCK" {
				continue // held while it is open
			}
			info, err := clone.Stat("data/" + name)
			if err != nil {
				t.Fatal(err)
			}
			all += name + " " + info.ModTime().String() + "\n"
		}
		return all
	}
	before := files()
	done, err := VerifyDirectory("data", Options{FS: clone, Log: quiet, CacheSize: 1 << 20}, on)
	if err != nil || done.Findings != 0 || done.Waybills == 0 || done.Waybills != sound(t, n.Store).Waybills {
		t.Errorf("%+v, %v", done, err)
	}
	if after := files(); after != before {
		t.Errorf("the directory was\n%sand is\n%s", before, after)
	}
	if _, err := VerifyDirectory("nothing", Options{FS: clone, Log: quiet}, on); err == nil {
		t.Error("a directory that is not there is verified")
	}
}

// A disk that has lost something is told as that, wherever it is: also in the feed.
func TestVerifyOfADamagedDisk(t *testing.T) {
	n := manyHeard(t, 200)
	if err := n.db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := n.Checkpoint("copy"); err != nil {
		t.Fatal(err)
	}
	names, err := n.fs.List("copy")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name, ".sst") {
			continue
		}
		f, err := n.fs.OpenReadWrite("copy/"+name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("nothing of what was there"), 300); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	_, err = VerifyDirectory("copy", Options{FS: n.fs, Log: quiet, CacheSize: 1 << 20}, on)
	if err == nil || !strings.Contains(err.Error(), "the disk has lost some of what was written") {
		t.Errorf("a damaged table: %v", err)
	}
}
