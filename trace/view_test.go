package trace

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// viewed is a head of scans of some sources, as "source: line" has them.
func viewed(t tb, lines ...string) (*Head, map[ID]string) {
	t.Helper()
	h, names := new(Head), map[ID]string{}
	for i, line := range lines {
		source, scan, _ := strings.Cut(line, ": ")
		e := journey(t, scan)[0]
		e.Waybill, e.Source, e.Code = yto, source, fmt.Sprint(i)
		s := sealed(e)
		if taken, err := h.Take(s, nil); taken != Fresh || err != nil {
			t.Fatal(taken, err)
		}
		names[s.ID] = string(rune('a' + i))
	}
	return h, names
}

// What is seen of each scan: its epoch, "-" where another source tells it better, and
// who tells of it.
func TestView(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"one source", []string{"yto: 2026-03-01 10:00:00 in_transit", "yto: 2026-03-01 10:00:30 in_transit"}, "a0 b0"},
		{"the carrier's own", []string{"zto: 2026-03-01 10:00:00 in_transit", "yto: 2026-03-01 10:00:30 in_transit", "kdniao: 2026-03-01 10:00:59 in_transit"},
			"a0- b0(kdniao,yto,zto) c0-"},
		{"the first by name", []string{"zto: 2026-03-01 10:00:00 in_transit", "kuaidi100: 2026-03-01 10:00:30 in_transit"}, "a0- b0(kuaidi100,zto)"},
		{"another finer status", []string{"yto: 2026-03-01 10:00:00 in_transit.departed", "kdniao: 2026-03-01 10:00:00 in_transit.arrived"}, "a0(kdniao,yto) b0-"},
		{"another status", []string{"yto: 2026-03-01 10:00:00 in_transit", "kdniao: 2026-03-01 10:00:00 picked_up"}, "a0 b0"},
		{"another minute", []string{"yto: 2026-03-01 10:00:59 in_transit", "kdniao: 2026-03-01 10:01:00 in_transit"}, "a0 b0"},
		{"a minute and a day", []string{"yto: 2026-03-01 00:00:00 in_transit", "kdniao: 2026-03-01 in_transit"}, "a0 b0"},
		{"two days", []string{"yto: 2026-03-01 in_transit", "kdniao: 2026-03-02 in_transit"}, "a0 b0"},
		{"one day", []string{"yto: 2026-03-01 delivered", "kdniao: 2026-03-01 delivered.signed"}, "a0(kdniao,yto) b0-"},
		{"a minute and its second", []string{"yto: 2026-03-01 10:00 delivered", "kdniao: 2026-03-01 10:00:59 delivered"}, "a0(kdniao,yto) b0-"},
		{"no status", []string{"yto: 2026-03-01 10:00:00 unknown", "kdniao: 2026-03-01 10:00:00 unknown"}, "a0 b0"},
		{"before 1970, in one minute", []string{"yto: 1969-12-31 23:59:10 in_transit", "kdniao: 1969-12-31 23:59:50 in_transit"}, "a0(kdniao,yto) b0-"},
		{"around 1970, in two", []string{"yto: 1969-12-31 23:59:59 in_transit", "kdniao: 1970-01-01 00:00:01 in_transit"}, "a0 b0"},
		{"two parcels", []string{"yto: 2025-01-01 10:00:00 delivered", "yto: 2025-03-02 10:00:00 picked_up", "yto: 2025-03-03 10:00:00 delivered"}, "a0 b1 c1"},
		{"a scan that another source tells better begins none",
			[]string{"yto: 2025-01-01 10:00:00 delivered", "yto: 2025-03-02 10:00:00 picked_up", "kdniao: 2025-03-02 10:00:05 picked_up"}, "a0 b1(kdniao,yto) c1-"},
		{"two parcels and a lost one", []string{"yto: 2025-01-01 10:00:00 lost", "yto: 2025-04-02 10:00:00 pre_transit", "yto: 2025-07-02 10:00:00 picked_up"}, "a0 b1 c1"},
	} {
		h, names := viewed(t, c.lines...)
		v := h.view("yto")
		var got []string
		for i := range h.Entries {
			s := fmt.Sprint(names[h.Entries[i].ID], v.epoch(i))
			if !v.shown(i) {
				s += "-"
			} else if sources := v.sources(i); sources != nil {
				s += "(" + strings.Join(sources, ",") + ")"
			}
			got = append(got, s)
		}
		// Ties are in the order of identities, which says nothing here.
		want := strings.Fields(c.want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}

// Which parcel was under way: by when an operator's word was given, and by when a leg
// began.
func TestEpochOfAMoment(t *testing.T) {
	h, _ := viewed(t, "yto: 2025-01-01 10:00:00 picked_up", "yto: 2025-01-05 10:00:00 delivered",
		"yto: 2025-06-01 10:00:00 picked_up", "yto: 2025-06-05 10:00:00 delivered", "yto: 2026-01-01 10:00:00 picked_up")
	v := h.view("yto")
	if v.epochs != 3 {
		t.Fatalf("%d epochs, want 3", v.epochs)
	}
	for _, c := range []struct {
		at              string
		begun, underWay int
	}{
		{"2024-01-01 00:00", 0, 0}, {"2025-01-01 10:00", 0, 0}, {"2025-01-05 10:00", 0, 0}, {"2025-01-05 10:01", 0, 1}, {"2025-03-05 10:00", 0, 1}, {"2025-03-06 10:00", 1, 1}, {"2025-05-31 23:00", 1, 1},
		{"2025-06-01 10:00", 1, 1}, {"2025-12-31 00:00", 2, 2}, {"2026-01-01 10:00", 2, 2}, {"2030-01-01 00:00", 2, 2},
	} {
		at, err := time.ParseInLocation("2006-01-02 15:04", c.at, time.FixedZone("", int(China)*60))
		if err != nil {
			t.Fatal(err)
		}
		if got := v.epochAt(at.UnixMilli()); got != c.begun {
			t.Errorf("%s: parcel %d had begun, want %d", c.at, got, c.begun)
		}
		if got := v.underWay(at.UnixMilli()); got != c.underWay {
			t.Errorf("%s: parcel %d was under way, want %d", c.at, got, c.underWay)
		}
	}
	h.Fold(yto, nil)
	if h.Epochs() != 3 || h.Earlier != 2 || h.start != 4 || h.Pair.Status != PickedUp {
		t.Errorf("%d epochs, %d earlier, from entry %d, %v", h.Epochs(), h.Earlier, h.start, h.Pair)
	}
	for epoch, want := range []Status{Delivered, Delivered, PickedUp} {
		if m, _ := h.MeaningOf(yto, epoch, nil); m.Pair.Status != want {
			t.Errorf("parcel %d: %v, want %v", epoch, m.Pair.Status, want)
		}
	}
}

// An empty head is seen as one parcel of which nothing is known.
func TestViewOfNothing(t *testing.T) {
	var h Head
	h.Fold(yto, nil)
	v := h.view("yto")
	if v.epochs != 1 || v.start(0) != 0 || v.epochAt(noon) != 0 || v.underWay(noon) != 0 || h.Pair != (Pair{}) || !h.Empty() {
		t.Errorf("%+v of %+v", v, h)
	}
	var back Head
	if err := DecodeHead(&back, h.Append(nil)); err != nil {
		t.Error(err)
	}
}
