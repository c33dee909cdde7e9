package trace

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHLC(t *testing.T) {
	h := HLCAt(noon)
	if h.Milli() != noon || uint64(h)&0xffff != 0 || h != noon<<16 {
		t.Errorf("HLCAt(%d) = %#x, of %d ms", int64(noon), uint64(h), h.Milli())
	}
	if got := (h + 0xffff).Milli(); got != noon {
		t.Errorf("the last reading of a moment is of %d ms, want %d", got, int64(noon))
	}
	if got, want := h.Time(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC); !got.Equal(want) || got.Location() != time.UTC {
		t.Errorf("its time is %s, want %s", got, want)
	}
}

// Readings only grow, whatever the wall clock does.
func TestClockNeverGoesBack(t *testing.T) {
	wall := int64(noon)
	c := Clock{Wall: func() int64 { return wall }}
	if got := c.Now(); got != HLCAt(noon) {
		t.Errorf("the first reading is %#x, want the wall clock's", uint64(got))
	}
	if got := c.Now(); got != HLCAt(noon)+1 {
		t.Errorf("the second in one millisecond is %#x, want one more", uint64(got))
	}
	wall -= 3_600_000
	if got := c.Now(); got != HLCAt(noon)+2 {
		t.Errorf("an hour back: %#x, want one more than before", uint64(got))
	}
	wall += 3_600_001
	if got := c.Now(); got != HLCAt(noon+1) {
		t.Errorf("a millisecond on: %#x, want the wall clock's", uint64(got))
	}
	c.Start(HLCAt(noon+5) + 0xfffe)
	if got, want := c.Now(), HLCAt(noon+5)+0xffff; got != want {
		t.Errorf("after a start at the end of a moment %#x, want %#x", uint64(got), uint64(want))
	}
	if got, want := c.Now(), HLCAt(noon+6); got != want {
		t.Errorf("a full counter goes on with %#x, want %#x", uint64(got), uint64(want))
	}
	c.Start(1)
	if got, want := c.Now(), HLCAt(noon+6)+1; got != want {
		t.Errorf("a start in the past moved the clock: %#x, want %#x", uint64(got), uint64(want))
	}
}

func TestClockObserves(t *testing.T) {
	wall := int64(noon)
	c := Clock{Wall: func() int64 { return wall }}
	ahead := HLCAt(noon+MaxAhead.Milliseconds()) + 7
	if !c.Observe(ahead) {
		t.Error("a reading at the edge was refused")
	}
	if got := c.Now(); got != ahead+1 {
		t.Errorf("after it %#x, want %#x", uint64(got), uint64(ahead+1))
	}
	if c.Observe(HLCAt(noon + MaxAhead.Milliseconds() + 1)) {
		t.Error("a reading beyond the edge was taken")
	}
	if got := c.Now(); got != ahead+2 {
		t.Errorf("it moved the clock to %#x, want %#x", uint64(got), uint64(ahead+2))
	}
	if !c.Observe(HLCAt(noon - 1e9)) {
		t.Error("a reading of the past was refused")
	}
	if got := c.Now(); got != ahead+3 {
		t.Errorf("it moved the clock to %#x, want %#x", uint64(got), uint64(ahead+3))
	}
	if c.Observe(1<<64 - 1) {
		t.Error("the last reading of all was taken")
	}
}

// Any run of a wall clock, starts and observations: each reading is greater than
// all that were given or observed before.
func TestClockLaw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wall := int64(noon)
		c := Clock{Wall: func() int64 { return wall }}
		var last HLC
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			wall = max(0, wall+rapid.Int64Range(-100_000, 100_000).Draw(t, "wall"))
			h := HLCAt(max(0, wall+rapid.Int64Range(-100_000, 100_000).Draw(t, "heard"))) + HLC(rapid.IntRange(0, 0xffff).Draw(t, "counter"))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c.Start(h)
				last = max(last, h)
			case 1:
				if near := h.Milli() <= wall+60_000; c.Observe(h) != near {
					t.Fatalf("observed %d ms at %d ms: %t, want %t", h.Milli(), wall, !near, near)
				} else if near {
					last = max(last, h)
				}
			}
			now := c.Now()
			if now <= last || now < HLCAt(wall) {
				t.Fatalf("reading %#x after %#x, at %d ms", uint64(now), uint64(last), wall)
			}
			last = now
		}
	})
}

// Many at once: no reading twice, and each of them sees its own grow.
func TestClockAtOnce(t *testing.T) {
	var c Clock
	began := HLCAt(time.Now().UnixMilli())
	var all [8][]HLC
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			for range 2000 {
				all[i] = append(all[i], c.Now())
				if len(all[i])%100 == 0 {
					c.Observe(all[i][len(all[i])-1] + 3)
				}
			}
		})
	}
	wg.Wait()
	var readings []HLC
	for i := range all {
		if !slices.IsSorted(all[i]) {
			t.Errorf("goroutine %d saw the clock go back", i)
		}
		readings = append(readings, all[i]...)
	}
	slices.Sort(readings)
	if n := len(slices.Compact(readings)); n != 8*2000 {
		t.Errorf("%d different readings, want %d", n, 8*2000)
	}
	if readings[0] < began {
		t.Errorf("the first reading %#x is before the wall clock's %#x", uint64(readings[0]), uint64(began))
	}
}
