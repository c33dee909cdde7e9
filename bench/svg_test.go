package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		scale       scale
		least, most float64
		want        []float64
	}{
		{linear, 0, 10, []float64{0, 2, 4, 6, 8, 10}},
		{linear, 0, 118_000, []float64{0, 50_000, 100_000, 150_000}},
		{linear, 0, 0, []float64{0, 0.2, 0.4, 0.6, 0.8, 1}},
		{linear, 7, 7, []float64{7, 7.2, 7.4, 7.6, 7.8, 8}},
		{linear, -3, 3, []float64{-4, -2, 0, 2, 4}},
		{decades, 3, 80, []float64{2, 5, 10, 20, 50, 100}},
		{decades, 1, 1, []float64{1, 2}},
		{decades, 90, 2e6, []float64{10, 100, 1000, 1e4, 1e5, 1e6, 1e7}},
		{nines, 0, 99.95, []float64{0, 90, 99, 99.9, 99.99}},
		{nines, 0, 99.9, []float64{0, 90, 99, 99.9}},
		{nines, 0, 50, []float64{0, 90}},
	} {
		got := c.scale.ticks(c.least, c.most, 5)
		if !slices.EqualFunc(got, c.want, func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }) {
			t.Errorf("ticks of scale %d from %v to %v are %v, want %v", c.scale, c.least, c.most, got, c.want)
		}
	}
}

// Ticks cover what they are for, rise, and are not many.
func FuzzTicks(f *testing.F) {
	f.Add(0.0, 1.0)
	f.Add(99.0, 1e9)
	f.Add(1e-9, 1e-8)
	f.Fuzz(func(t *testing.T, a, b float64) {
		least, most := min(a, b), max(a, b)
		if !(least >= 1e-9 && most <= 1e15) || most > least && most-least < least*1e-6 {
			return // no chart has such an axis
		}
		for _, s := range []scale{linear, decades} {
			ticks := s.ticks(least, most, 5)
			last := ticks[len(ticks)-1]
			if !slices.IsSorted(ticks) || ticks[0] > least*1.001 || last < most*0.999 || len(ticks) < 2 || len(ticks) > 30 {
				t.Errorf("scale %d from %v to %v: %v", s, least, most, ticks)
			}
		}
	})
}

// What a scale cannot show is left out, and the rest is drawn.
func TestChartLeavesOut(t *testing.T) {
	c := chart{id: "c", x: axis{write: plainTick}, y: axis{scale: decades, write: plainTick}, lines: []line{
		{name: "a", marks: disc, points: []point{{0, 0}, {1, 10}, {2, -1}, {3, math.NaN()}, {4, 100}, {math.Inf(1), 5}}}}}
	got := string(c.svg())
	// One mark stands in the legend.
	if marks := strings.Count(got, `class="mark`); marks != 3 || strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
		t.Errorf("%d marks in\n%s", marks, got)
	}
	c.lines[0].points = c.lines[0].points[:1]
	if got := string(c.svg()); !strings.Contains(got, "nothing to show") {
		t.Errorf("of a point that cannot be shown there is\n%s", got)
	}
}

// Names that have no room beside each other stand below each other.
func TestLegend(t *testing.T) {
	c := chart{lines: []line{{name: strings.Repeat("a", 40)}, {name: strings.Repeat("b", 40)}, {name: "c"}}}
	entries, lines := c.legend()
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s%d", e.of.name[:1], e.line))
	}
	if lines != 2 || !slices.Equal(got, []string{"a0", "b1", "c1"}) || entries[2].x <= entries[1].x {
		t.Errorf("%d lines, %v", lines, got)
	}
}
