package bench

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"waytrace/trace"
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

var golden = flag.Bool("golden", false, "accept what the cases give now")

// sameAs compares a text with a file of testdata.
func sameAs(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *golden {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("not what %s has (go test ./bench -args -golden accepts it):\n%s", file, diff)
	}
}

// testdata/table.txt is what a person sees.
func TestWriteTable(t *testing.T) {
	r := sampleResults()
	var got bytes.Buffer
	if err := r.WriteTable(&got); err != nil {
		t.Fatal(err)
	}
	sameAs(t, "table.txt", got.Bytes())

	r.Problems = []string{"hot traces, pair 2: 3 of 100 requests failed, the first with: no"}
	r.Mode = ModeQuick
	got.Reset()
	if err := r.WriteTable(&got); err != nil || r.Valid() {
		t.Errorf("%v; valid: %t", err, r.Valid())
	}
	if s := got.String(); !strings.Contains(s, "INVALID") || !strings.Contains(s, "pair 2") || strings.Contains(s, "no errors") || !strings.Contains(s, "QUICK") {
		t.Errorf("a quick run with errors is reported as\n%s", s)
	}
}

// What a run found comes back from its file, and a file of another schema is
// refused.
func TestReadResults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "results.json")
	want := sampleResults()
	if err := want.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	got, err := ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Row{})); diff != "" {
		t.Errorf("came back as\n%s", diff)
	}
	for text, says := range map[string]string{
		`{"schema":1,"version":"v0.0.9"}`: "schema 1",
		`{"schema":2,`:                    "unexpected EOF",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadResults(file); !errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want it invalid and %q said", text, err, says)
		}
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
