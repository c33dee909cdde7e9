package store

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/trace"
)

// A directory knows under which start it gave out each number, also after many starts,
// and that it did not give out what lies beyond.
func TestNumbered(t *testing.T) {
	fs := vfs.NewMem()
	number := neighbours(3, 1)[0]
	var marks []uint64 // by number, from 1
	for round := range 5 {
		s := open(t, fs)
		for i := range round { // the first start gives out none
			push(t, s, scan(number, fmt.Sprint(round, i), trace.InTransit, 10*round+i))
			marks = append(marks, s.mark)
		}
		for i, want := range marks {
			if got, ok := s.Numbered(3, uint64(i+1)); !ok || got != want {
				t.Errorf("start %d: number %d was given out under %x, %t; want %x", round, i+1, got, ok, want)
			}
		}
		for _, own := range []uint64{0, uint64(len(marks)) + 1, 1 << 40} {
			if mark, ok := s.Numbered(3, own); ok {
				t.Errorf("start %d: number %d was given out under %x, want never", round, own, mark)
			}
		}
		if _, ok := s.Numbered(4, 1); ok {
			t.Error("another partition has given out a number")
		}
		s.Close()
	}
}

// What a crash took back is given out again, by the next start.
func TestNumberedAfterACrash(t *testing.T) {
	disk := vfs.NewCrashableMem()
	s := open(t, disk)
	number := neighbours(3, 1)[0]
	push(t, s, scan(number, "1", trace.PickedUp, 1))
	clone := disk.CrashClone(vfs.CrashCloneCfg{})
	push(t, s, scan(number, "2", trace.InTransit, 2))
	before := s.mark
	s = open(t, clone)
	push(t, s, scan(number, "two", trace.InTransit, 3))
	if first, _ := s.Numbered(3, 1); first != before {
		t.Errorf("number 1 was given out under %x, want %x", first, before)
	}
	if second, ok := s.Numbered(3, 2); !ok || second != s.mark || second == before {
		t.Errorf("number 2 was given out under %x, %t; want %x", second, ok, s.mark)
	}
}

// After a rebirth all that is to be shipped counts as given out by the one start under the
// new id, until the next.
func TestNumberedAfterARebirth(t *testing.T) {
	fs := vfs.NewMem()
	number := neighbours(3, 1)[0]
	s := open(t, fs)
	for i := range 3 {
		push(t, s, scan(number, fmt.Sprint(i), trace.InTransit, i))
	}
	was := s.mark
	s.Close()
	reborn(t, fs)
	s = open(t, fs)
	push(t, s, scan(number, "new", trace.Delivered, 10))
	first, ok := s.Numbered(3, 1)
	if !ok || first == was || first == s.mark {
		t.Errorf("number 1 was given out under %x, %t", first, ok)
	}
	for own, want := range map[uint64]uint64{3: first, 4: s.mark} {
		if got, ok := s.Numbered(3, own); !ok || got != want {
			t.Errorf("number %d was given out under %x, %t; want %x", own, got, ok, want)
		}
	}
}
