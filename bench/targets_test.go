package bench

import (
	"testing"
	"time"
)

func TestTargetJudge(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		name   string
		target Target
		want   Verdict
	}{
		{"more is better, aim", Target{Must: 0.5, Aim: 0.8, Higher: true, Measured: at(0.8)}, AimMet},
		{"more is better, must", Target{Must: 0.5, Aim: 0.8, Higher: true, Measured: at(0.79)}, MustMet},
		{"more is better, missed", Target{Must: 0.5, Aim: 0.8, Higher: true, Measured: at(0.49)}, Missed},
		{"less is better, aim", Target{Must: 2, Aim: 1.5, Measured: at(1.5)}, AimMet},
		{"less is better, must", Target{Must: 2, Aim: 1.5, Measured: at(2)}, MustMet},
		{"less is better, missed", Target{Must: 2, Aim: 1.5, Measured: at(2.1)}, Missed},
		{"none at all", Target{Must: 0, Aim: 0, Measured: at(0)}, AimMet},
		{"not measured", Target{Must: 2, Aim: 1.5}, NotRun},
	} {
		if c.target.judge(); c.target.Verdict != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.target.Verdict, c.want)
		}
	}
}

// Of a run that measured nothing, every target is there and was not run.
func TestTargetsOfNothing(t *testing.T) {
	r := &Results{}
	r.judge()
	if len(r.Targets) != len(goals) {
		t.Fatalf("%d targets, want %d", len(r.Targets), len(goals))
	}
	for _, target := range r.Targets {
		if target.Verdict != NotRun || target.Measured != nil {
			t.Errorf("%s is %s", target.Name, target.Verdict)
		}
	}
}

// find judges results and gives one target of them.
func find(t *testing.T, r *Results, name string) Target {
	t.Helper()
	r.judge()
	for _, target := range r.Targets {
		if target.Name == name {
			return target
		}
	}
	t.Fatalf("there is no target %q", name)
	return Target{}
}

// What the acknowledgement must be hangs on the disk.
func TestAcknowledgementTarget(t *testing.T) {
	r := &Results{
		Calibration: Calibration{Sync: Latency{Count: 100, P50: 200, P99: 1000}},
		Sweeps: []Sweep{{Scenario: "push-10-json", Points: []Point{{Fraction: 0.5, Subject: Arrival{Slices: []ArrivalSlice{
			{Latency: Latency{P50: 1900, P99: 12_000}}, {Latency: Latency{P50: 2200, P99: 9000}}, {Latency: Latency{P50: 900, P99: 10_000}},
		}}}}}},
	}
	p50 := find(t, r, "acknowledgement at 50 % of the sustained rate: p50")
	if !near(p50.Must, 3*0.2+1.5) || !near(p50.Aim, 2.5*0.2+0.5) || *p50.Measured != 1.9 || p50.Verdict != MustMet {
		t.Errorf("p50 is %+v", p50)
	}
	p99 := find(t, r, "acknowledgement at 50 % of the sustained rate: p99")
	if !near(p99.Must, 3*1+8) || !near(p99.Aim, 2*1+1.5) || *p99.Measured != 10 || p99.Verdict != MustMet {
		t.Errorf("p99 is %+v", p99)
	}
}

// Allocations are counted for each unit, and what the runtime does by itself is none.
func TestAllocationsTarget(t *testing.T) {
	row := Row{Name: rowHot, Unit: "requests", counted: true}
	for pair, mallocs := range []float64{900, 1100, 1000} {
		tally := newTally()
		tally.units, tally.requests = 100_000, 100_000
		row.add(Slice{Pair: pair + 1, Units: 100_000, Mallocs: mallocs}, tally, time.Second)
	}
	row.sum()
	r := &Results{Groups: []Group{{Rows: []Row{row}}}}
	if hot := find(t, r, "allocations per hot read"); hot.Measured == nil || *hot.Measured != 0 || hot.Verdict != AimMet || !near(*row.Mallocs, 0.01) {
		t.Errorf("%+v", hot)
	}
}
