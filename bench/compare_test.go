package bench

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// change finds what became of a figure.
func change(t *testing.T, c Comparison, name string) Change {
	t.Helper()
	i := slices.IndexFunc(c.Changes, func(d Change) bool { return d.Name == name })
	if i < 0 {
		t.Fatalf("nothing about %q in %+v", name, c)
	}
	return c.Changes[i]
}

// shift multiplies what a row did.
func shift(r *Results, row string, rates, p99 float64) {
	at := r.row(row)
	at.PerSecond = Spread{at.PerSecond.Median * rates, at.PerSecond.Least * rates, at.PerSecond.Most * rates}
	for i := range at.Slices {
		at.Slices[i].Latency.P99 *= p99
	}
}

func TestCompare(t *testing.T) {
	wide := func(r *Results) { // one turn went wrong, so that half the rate is among what it gave
		at := r.row("hot traces")
		at.PerSecond.Least = at.PerSecond.Median / 2
	}
	for _, c := range []struct {
		name      string
		old, new  func(*Results)
		o         CompareOptions
		figure    string
		want      ChangeVerdict
		regressed bool
	}{
		{name: "the same", figure: "hot traces, requests/s", want: WithinNoise},
		{name: "slower", new: func(r *Results) { shift(r, "hot traces", 0.8, 1) }, figure: "hot traces, requests/s", want: Slower, regressed: true},
		{name: "faster", new: func(r *Results) { shift(r, "hot traces", 1.2, 1) }, figure: "hot traces, requests/s", want: Faster},
		{name: "below the threshold", new: func(r *Results) { shift(r, "hot traces", 0.92, 1) }, figure: "hot traces, requests/s", want: WithinNoise},
		{name: "a lower threshold", new: func(r *Results) { shift(r, "hot traces", 0.92, 1) }, o: CompareOptions{Thresholds: map[string]float64{"hot traces": 0.05}},
			figure: "hot traces, requests/s", want: Slower, regressed: true},
		{name: "within the old spread", old: wide, new: func(r *Results) { shift(r, "hot traces", 0.8, 1) }, figure: "hot traces, requests/s", want: WithinNoise},
		{name: "within the new spread", old: func(r *Results) { shift(r, "hot traces", 0.6, 1) }, new: wide, figure: "hot traces, requests/s", want: WithinNoise},
		{name: "p99 up", new: func(r *Results) { shift(r, "hot traces", 1, 1.3) }, figure: "hot traces, p99", want: Slower, regressed: true},
		{name: "p99 down", new: func(r *Results) { shift(r, "hot traces", 1, 0.7) }, figure: "hot traces, p99", want: Faster},
		{name: "p99 up a little", new: func(r *Results) { shift(r, "hot traces", 1, 1.15) }, figure: "hot traces, p99", want: WithinNoise},
		{name: "p99 at a rate", new: func(r *Results) {
			for i := range r.Sweeps[0].Points[1].Subject.Slices {
				r.Sweeps[0].Points[1].Subject.Slices[i].Latency.P99 *= 1.5
			}
		}, figure: "get-hot at 59,000/s, p99", want: Slower, regressed: true},
		{name: "the machine got slower", new: func(r *Results) { shift(r, "bare handler, same bytes", 0.8, 1) }, figure: "bare handler, same bytes, requests/s", want: Slower},
		{name: "a target got worse", new: func(r *Results) { r.Targets[6].set(Spread{80, 79, 81}) }, figure: r6, want: Worse, regressed: true},
		{name: "a target got better", new: func(r *Results) { r.Targets[6].set(Spread{40, 39, 41}) }, figure: r6, want: Better},
		{name: "from nothing", new: func(r *Results) { r.Targets[7].set(Spread{0.3, 0.3, 0.3}) }, figure: "allocations per hot read", want: Worse, regressed: true},
		{name: "not run any more", new: func(r *Results) { r.Targets[0].Measured = nil }, figure: sampleResults().Targets[0].Name, want: OnlyOld},
		{name: "run for the first time", old: func(r *Results) { r.Targets[0].Measured = nil }, figure: sampleResults().Targets[0].Name, want: OnlyNew},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, new := sampleResults(), sampleResults()
			if c.old != nil {
				c.old(old)
			}
			if c.new != nil {
				c.new(new)
			}
			got := Compare(old, new, c.o)
			if d := change(t, got, c.figure); d.Verdict != c.want || got.Regressed() != c.regressed {
				t.Errorf("%+v, regressed %t; want %s, %t", d, got.Regressed(), c.want, c.regressed)
			}
		})
	}
}

const r6 = "disk per event after compaction, feed not counted"

func TestCompareRefuses(t *testing.T) {
	for says, change := range map[string]func(*Results){
		`processor: "Some CPU @ 2.50GHz", then "Another"`: func(r *Results) { r.Machine.CPU = "Another" },
		`cores: "2", then "8"`:                            func(r *Results) { r.Machine.Cores = 8 },
		`disk: "ext4 on /dev/vda", then "tmpfs on tmpfs"`: func(r *Results) { r.Machine.Disk = "tmpfs on tmpfs" },
		`kind of run: "full", then "quick"`:               func(r *Results) { r.Mode = ModeQuick },
		`waybills: "1,000,000", then "7"`:                 func(r *Results) { r.Settings.Waybills = 7 },
		`connections: "64", then "256"`:                   func(r *Results) { r.Settings.Connections = 256 },
		`the new run is invalid: it failed`:               func(r *Results) { r.Problems = []string{"it failed"} },
	} {
		new := sampleResults()
		change(new)
		shift(new, "hot traces", 0.5, 1)
		got := Compare(sampleResults(), new, CompareOptions{})
		if len(got.Refused) != 1 || !strings.Contains(got.Refused[0], says) || len(got.Changes) > 0 || got.Regressed() {
			t.Errorf("want it refused for %s, got %+v", says, got)
		}
		if forced := Compare(sampleResults(), new, CompareOptions{Force: true}); len(forced.Refused) > 0 || !forced.Regressed() || !strings.Contains(forced.Notes[0], says) {
			t.Errorf("forced although %s: %+v", says, forced)
		}
	}
	got := Compare(sampleResults(), sampleResults(), CompareOptions{Force: true, Thresholds: map[string]float64{"hot trace": 0.05}})
	if len(got.Refused) != 1 || !strings.Contains(got.Refused[0], `"hot trace"`) {
		t.Errorf("a threshold of nothing: %+v", got)
	}
}

// testdata/compare.txt is what a person sees.
func TestWriteComparison(t *testing.T) {
	new := sampleResults()
	shift(new, "hot traces", 0.8, 1.3)
	shift(new, "status, hot", 1.3, 1)
	shift(new, "raw Pebble, same keys", 0.8, 1)
	new.Targets[6].set(Spread{40, 39, 41})
	new.Targets[0].Measured = nil
	new.Machine.Go = "go1.26.9"
	new.Settings.PebbleOptions += "[Level]\n"
	new.Settings.Sides[0].GOGC = "400"
	var b bytes.Buffer
	c := Compare(sampleResults(), new, CompareOptions{Thresholds: map[string]float64{"status, hot": 0.05}})
	if err := c.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	new.Machine.Cores = 8
	b.WriteString("\n")
	c = Compare(sampleResults(), new, CompareOptions{})
	if err := c.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	sameAs(t, "compare.txt", b.Bytes())
}
