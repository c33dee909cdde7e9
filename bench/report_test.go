package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSpreadOf(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{nil, Spread{}},
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{9, 1}, Spread{5, 1, 9}},
		{[]float64{5, 100, 1}, Spread{5, 1, 100}},
		{[]float64{4, 3, 2, 1}, Spread{2.5, 1, 4}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("spread of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

// Percentiles are of all requests of all slices together.
func TestLatencyOf(t *testing.T) {
	h := newHistogram()
	for us := range 1000 {
		record(h, time.Duration(us+1)*time.Microsecond)
	}
	record(h, 2*time.Hour) // counts as the most there is
	l := latencyOf(h)
	if l.Count != 1001 || !near(l.P50, 501) || !near(l.P99, 991) || !near(l.P999, 1000) || !near(l.Max, 60e6) {
		t.Errorf("got %+v", l)
	}
}

// A ratio is taken pair by pair: a machine that slows down for both sides of a
// pair changes no ratio.
func TestRowHold(t *testing.T) {
	fill := func(name string, rates ...float64) *Row {
		r := &Row{Name: name}
		for i, rate := range rates {
			tally := newTally()
			tally.requests, tally.units, tally.bytes = 10, 100, 4000
			record(tally.latency, time.Millisecond)
			r.add(Slice{Pair: i + 1, PerSecond: rate}, tally, 50*time.Millisecond)
		}
		r.sum()
		return r
	}
	row, limit := fill("row", 50, 5, 40), fill("limit", 100, 10, 100)
	row.hold(limit)
	if row.Limit != "limit" || *row.OfLimit != (Spread{0.5, 0.4, 0.5}) {
		t.Errorf("held against %s: %v", row.Limit, row.OfLimit)
	}
	if row.PerSecond != (Spread{40, 5, 50}) || row.BodyBytes != 400 || row.CPU != 500 || row.Latency.Count != 3 {
		t.Errorf("row is %+v", row)
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is written %s, want %s", n, got, want)
		}
	}
}

func TestMicros(t *testing.T) {
	for us, want := range map[float64]string{
		0.7: "0.70 us", 9.99: "9.99 us", 9.999: "10.0 us", 12.34: "12.3 us", 830: "830 us", 999.6: "1.00 ms",
		1520: "1.52 ms", 99_960: "100 ms", 340_000: "340 ms", 999_900: "1.00 s", 21.5e6: "21.5 s",
	} {
		if got := micros(us); got != want {
			t.Errorf("%v us is written %s, want %s", us, got, want)
		}
	}
}

// testdata/table.txt is what a person sees.
func TestWriteTable(t *testing.T) {
	l := func(p50 float64) Latency {
		return Latency{Count: 1000, P50: p50, P99: p50 * 4, P999: p50 * 10, Max: p50 * 100}
	}
	row := func(name, unit string, rate, p50, body, cpu float64, of *Spread) Row {
		return Row{Name: name, Unit: unit, Slices: []Slice{{Settled: 0.5}, {Settled: 1.25}, {Settled: 5}}, PerSecond: Spread{rate, rate * 0.9, rate * 1.1}, Latency: l(p50), BodyBytes: body, CPU: cpu, OfLimit: of}
	}
	r := &Results{
		Version: "v0.1.0", Began: time.Date(2026, 3, 4, 5, 6, 0, 0, time.UTC), Seconds: 187.4,
		Settings: Settings{Waybills: 200_000, EventsEach: 8, EventsOfPush: 10, Connections: 64, Pairs: 3, ReadSeconds: 3, WriteSeconds: 5, ZipfExponent: 0.99},
		Machine: Machine{System: "linux/amd64", Kernel: "6.18.1", CPU: "Some CPU", Cores: 2, GOMAXPROCS: 2, Memory: 24 << 30, Go: "go1.26.8",
			Disk: "ext4 on /dev/vda", LoadBefore: 0.25},
		Load: Load{Events: 1_600_000, Seconds: 20, PerSecond: 80_000, Latency: l(2000), Settled: 1.5},
		Reads: []Row{
			row("waytrace, any parcel", "requests", 38_120, 1520, 2048.4, 25.5, &Spread{0.31, 0.3, 0.325}),
			row("waytrace, hot parcels", "requests", 60_000, 900, 2048, 15, &Spread{0.5, 0.45, 0.51}),
			row("bare handler, same bytes", "requests", 120_000, 450, 2048, 7, nil),
		},
		Writes: []Row{
			row("waytrace, a new parcel a push", "events", 100_000, 6000, 3300, 10, &Spread{0.4, 0.39, 0.41}),
			row("raw Pebble, same keys", "events", 250_000, 2000, 1780, 0, nil),
		},
		Sync:      Latency{Count: 5000, P50: 140, P99: 300, P999: 2000, Max: 21.5e6},
		Directory: Directory{Bytes: 300e6, TableBytes: 150e6, LogBytes: 149e6, Events: 2_000_000, BytesPerEvent: 150, TablePerEvent: 75},
		Problems:  []string{},
		Method:    method,
	}
	var got bytes.Buffer
	if err := r.WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "table.txt")
	want, err := os.ReadFile(file)
	if err != nil || got.String() != string(want) {
		t.Errorf("%v; the table is\n%s\nwant %s:\n%s", err, &got, file, want)
	}
	for _, must := range []string{"Closed loop", "coordinated omission is not corrected", "share the cores", "not charged"} {
		if !strings.Contains(strings.Join(strings.Fields(got.String()), " "), must) {
			t.Errorf("the table does not say %q", must)
		}
	}

	r.Problems = []string{"waytrace, any parcel, pair 2: 3 of 100 requests failed, the first with: no"}
	got.Reset()
	if err := r.WriteTable(&got); err != nil || r.Valid() {
		t.Errorf("%v; valid: %t", err, r.Valid())
	}
	if s := got.String(); !strings.Contains(s, "INVALID") || !strings.Contains(s, "pair 2") || strings.Contains(s, "no errors") {
		t.Errorf("a run with errors is reported as\n%s", s)
	}
}

func TestFolded(t *testing.T) {
	want := "- one two\n  three\n  seventeen\n"
	if got := folded("one two three  seventeen", 9); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiskOf(t *testing.T) {
	dir := t.TempDir()
	mounts := "/dev/vda / ext4 rw 0 0\ntmpfs " + filepath.Dir(dir) + " tmpfs rw 0 0\n/dev/vdb " + dir + "-other xfs rw 0 0\n"
	if got := diskOf(mounts, dir); got != "tmpfs on tmpfs" {
		t.Errorf("disk is %q", got)
	}
	if got := diskOf(mounts, "/nowhere"); got != "ext4 on /dev/vda" {
		t.Errorf("disk is %q", got)
	}
	if !(Machine{Disk: "tmpfs on tmpfs"}).inMemory() || (Machine{Disk: "ext4 on /dev/vda"}).inMemory() {
		t.Error("memory and disk are mixed up")
	}
}

// Progress without a terminal is a line for each tenth at most.
func TestStageInPlainLines(t *testing.T) {
	var out bytes.Buffer
	s := newStage(&out, "load", "events", 2000)
	for range 5 {
		s.add(250)
		s.show()
		s.show()
	}
	s.end()
	want := "load: 2,000 events\nload: 250 of 2,000 events\nload: 500 of 2,000 events\nload: 750 of 2,000 events\nload: 1,000 of 2,000 events\nload: 1,250 of 2,000 events\nload: 1,250 of 2,000 events in 0.0 s\n"
	if out.String() != want {
		t.Errorf("said\n%swant\n%s", &out, want)
	}
}
