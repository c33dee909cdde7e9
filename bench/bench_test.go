package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testContext = context.Background()

func small(t *testing.T, role string) Options {
	return Options{
		Waybills: 400, Connections: 4, Pairs: 2, ReadSlice: 60 * time.Millisecond, WriteSlice: 60 * time.Millisecond,
		Dir: filepath.Join(t.TempDir(), "scratch"), Command: again(role), Version: "v1", settling: 20 * time.Millisecond,
	}
}

// valid fails the test unless a run found nothing wrong but what hangs on the machine
// that the test runs on.
func valid(t *testing.T, r *Results) {
	t.Helper()
	for _, p := range r.Problems {
		if !strings.Contains(p, "the generator was late") && !strings.Contains(p, "in memory") {
			t.Errorf("a problem: %s", p)
		}
	}
}

// The whole suite against a small daemon: every row has its slices, every target that
// is not a big run's is judged, nothing is left behind.
func TestRun(t *testing.T) {
	t.Parallel()
	var words bytes.Buffer
	o := small(t, "good")
	o.Words = &words
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, r)
	if r.Load.Events != 400*eventsLoaded || r.Load.PerSecond <= 0 || r.Load.Latency.Count != 400*eventsLoaded/eventsOfPush {
		t.Errorf("load is %+v", r.Load)
	}
	for _, g := range r.Groups {
		pairs := 2
		if g.Name == "Other loads" {
			pairs = 1
		}
		for _, row := range g.Rows {
			switch {
			case len(row.Slices) != pairs:
				t.Errorf("%s: %d slices, want %d", row.Name, len(row.Slices), pairs)
			case row.PerSecond.Median <= 0 || row.Latency.P50 <= 0 || row.Latency.P50 > row.Latency.Max:
				t.Errorf("%s: %+v", row.Name, row)
			case row.Limit != "" && (row.OfLimit == nil || row.OfLimit.Median <= 0 || r.row(row.Limit) == nil):
				t.Errorf("%s is not held against %s", row.Name, row.Limit)
			}
		}
	}
	for i := range Scenarios {
		if s := &Scenarios[i]; s.shape == steady && s.Name != "soak" {
			ran := false
			for _, g := range r.Groups {
				for _, row := range g.Rows {
					ran = ran || row.Scenario == s.Name
				}
			}
			if !ran {
				t.Errorf("no row ran %s", s.Name)
			}
		}
	}
	// The bare handler gives the daemon's answers; uniform, so the same sizes on average.
	if cold, bare := r.row(rowUniform).BodyBytes, r.row(rowBareTraces).BodyBytes; bare < cold*0.95 || bare > cold*1.05 {
		t.Errorf("bodies of %.0f B from the daemon, %.0f B from the bare handler", cold, bare)
	}
	for _, target := range r.Targets {
		if (target.Verdict == NotRun) != (target.Run == bigRun) {
			t.Errorf("%s is %s", target.Name, target.Verdict)
		}
	}
	if len(r.Sweeps) != 3 || len(r.Sweeps[0].Points) != 5 || len(r.Restarts) != 1 || len(r.Timelines) == 0 {
		t.Errorf("%d sweeps, %d restarts, %d timelines", len(r.Sweeps), len(r.Restarts), len(r.Timelines))
	}
	for _, p := range r.Sweeps[0].Points {
		if p.Limit == nil || p.P99Ratio == nil || p.Subject.Latency.Count == 0 || len(p.Subject.Slices) != 2 || p.Subject.Slices[0].Due != p.Limit.Slices[0].Due {
			t.Errorf("at %.2f: %+v", p.Fraction, p)
		}
	}
	if f := r.Restarts[0]; f.Failed == 0 || f.Failed >= f.Due || f.Gap <= 0 {
		t.Errorf("the restart failed %d of %d, the longest gap was %.3f s", f.Failed, f.Due, f.Gap)
	}
	if sync := r.Calibration.Sync; sync.Count == 0 || sync.P50 <= 0 || len(r.Calibration.Rows) != 3 {
		t.Errorf("calibration: %+v", r.Calibration)
	}
	if d := r.Directory; d.Compacted == nil || d.Compacted.PerEvent != 50 || d.TableBytes != 1000 || d.Events <= r.Load.Events {
		t.Errorf("directory is %+v", d)
	}
	if len(r.Settings.Sides) != 3 || len(r.Memory) < 2 || r.Memory[0].Caches["store.cache"] != "1MiB" {
		t.Errorf("sides %+v, memory %+v", r.Settings.Sides, r.Memory)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
	for _, want := range []string{"load: 3,200 of 3,200 events", "ask for each trace once: 400 of 400 answers", "Reads: 24 of 24 turns", "Durable writes: 14 of 14 turns"} {
		if !strings.Contains(words.String(), want) {
			t.Errorf("said %q, want %q in it", words.String(), want)
		}
	}

	file := filepath.Join(t.TempDir(), "out", "results.json")
	if err := r.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	back, err := ReadResults(file)
	if err != nil || back.row(rowFour).Slices[1].Units != r.row(rowFour).Slices[1].Units {
		t.Errorf("results.json does not read back: %v", err)
	}
}

// Single kinds of load, against a daemon that somebody else runs: its parcels are new,
// and a rate that was given is held.
func TestRunScenarios(t *testing.T) {
	t.Parallel()
	d, err := start(t.Context(), "daemon", again("good")("serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.stop()
	o := small(t, "good")
	o.Connections = 8
	for range 2 { // twice: the second run must not find the first one's parcels
		r, err := RunScenarios(t.Context(), SingleOptions{
			Options: o, URL: "http://" + d.addr, Scenarios: []string{"get-hot", "push-10-xml"}, Rate: 500, Duration: 400 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		valid(t, r)
		if r.Mode != ModeTarget || r.Settings.URL == "" || len(r.Targets) != 0 || len(r.Sweeps) != 2 {
			t.Fatalf("%s of %q, %d targets, %d sweeps", r.Mode, r.Settings.URL, len(r.Targets), len(r.Sweeps))
		}
		p := r.Sweeps[0].Points[0]
		if due := p.Subject.Slices[0].Due; due < 130 || due > 280 || p.Subject.Latency.Count != due || p.Limit == nil {
			t.Errorf("%d were due in 0.4 s at 500 a second, %d answered", due, p.Subject.Latency.Count)
		}
	}
}

func TestRunScenariosRefuses(t *testing.T) {
	for name, o := range map[string]SingleOptions{
		"an unknown name":       {Scenarios: []string{"get-cold"}},
		"to stop another's":     {Scenarios: []string{"restart"}, URL: "http://127.0.0.1:1"},
		"an address of no kind": {URL: "ftp://127.0.0.1"},
		"an address with more":  {URL: "http://127.0.0.1/?a=b"},
		"a negative rate":       {Rate: -1},
	} {
		if _, err := RunScenarios(t.Context(), o); err == nil {
			t.Errorf("%s: ran", name)
		}
	}
}

// Acknowledged events that are not there make the figures worthless.
func TestRunFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	r, err := RunScenarios(t.Context(), SingleOptions{Options: small(t, "forgets"), Rate: 100, Duration: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(r.Problems, "\n"); r.Valid() || !strings.Contains(all, "have not the events that they were pushed, the first: SF") {
		t.Errorf("problems are %q, want missing events among them", all)
	}
}

// An answer that is not success is an error, in the slice that it came in.
func TestRunCountsRefusals(t *testing.T) {
	t.Parallel()
	// Each seventh push is refused, once the parcels are loaded.
	r, err := RunScenarios(t.Context(), SingleOptions{Options: small(t, "refuses"), Scenarios: []string{"push-10-json"}, Duration: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	failed := r.Sweeps[0].Points[0].Subject.Errors
	for _, s := range r.Groups[0].Rows[0].Slices {
		failed += s.Errors
	}
	if all := strings.Join(r.Problems, "\n"); failed == 0 || !strings.Contains(all, `"1000"`) {
		t.Errorf("%d errors, problems are %q, want the refusals", failed, all)
	}
}

func TestRunWithoutADaemon(t *testing.T) {
	o := small(t, "mute")
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "no room for") {
		t.Errorf("error is %v, want the daemon's last words", err)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
}

// Who wonders why nothing answers any more is told.
func TestRunWithADaemonThatDies(t *testing.T) {
	o := small(t, "dies")
	_, err := Run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "load:") || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "out of luck") {
		t.Errorf("error is %v, want what failed and the daemon's last words", err)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
}

// An interrupted run leaves no process and no directory.
func TestRunInterrupted(t *testing.T) {
	o := small(t, "good")
	o.ReadSlice = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	o.Words = onWord("Reads", cancel)
	_, err := Run(ctx, o)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
}

// onWord does something when a word is said.
func onWord(word string, do func()) writer {
	return func(p []byte) (int, error) {
		if bytes.Contains(p, []byte(word)) {
			do()
		}
		return len(p), nil
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestRunRefusesNonsense(t *testing.T) {
	for name, o := range map[string]Options{
		"few waybills":   {Waybills: 99},
		"no connections": {Connections: -1},
		"no pairs":       {Pairs: -1},
		"negative slice": {ReadSlice: -1},
	} {
		if _, err := Run(t.Context(), o); err == nil {
			t.Errorf("%s: ran", name)
		}
	}
}
