package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var testContext = context.Background()

func quick(t *testing.T, role string) Options {
	return Options{
		Waybills: 400, Connections: 4, Pairs: 2, ReadSlice: 60 * time.Millisecond, WriteSlice: 30 * time.Millisecond,
		Dir: filepath.Join(t.TempDir(), "scratch"), Command: again(role), Version: "v1",
	}
}

// A whole run against a small daemon: every row has its slices, every figure is
// there, nothing is left behind.
func TestRun(t *testing.T) {
	t.Parallel()
	var words bytes.Buffer
	o := quick(t, "good")
	o.Words = &words
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Valid() && !r.Machine.inMemory() {
		t.Errorf("problems: %v, want none", r.Problems)
	}
	if r.Load.Events != 400*eventsLoaded || r.Load.PerSecond <= 0 || r.Load.Latency.Count != 400*eventsLoaded/eventsOfPush {
		t.Errorf("load is %+v", r.Load)
	}
	if len(r.Reads) != 3 || len(r.Writes) != 4 {
		t.Fatalf("%d rows of reads, %d of writes, want 3 and 4", len(r.Reads), len(r.Writes))
	}
	for i, row := range append(r.Reads, r.Writes...) {
		limit := i == 2 || i == 4 || i == 6
		switch {
		case len(row.Slices) != 2:
			t.Errorf("%s: %d slices, want 2", row.Name, len(row.Slices))
		case row.PerSecond.Median <= 0 || row.Latency.P50 <= 0 || row.Latency.P50 > row.Latency.Max || row.BodyBytes < 100:
			t.Errorf("%s: %+v", row.Name, row)
		case limit && row.OfLimit != nil:
			t.Errorf("%s is a limit and is held against %s", row.Name, row.Limit)
		case !limit && (row.OfLimit == nil || row.OfLimit.Median <= 0):
			t.Errorf("%s is held against nothing", row.Name)
		}
	}
	// The bare handler gives the daemon's answers; uniform, so the same sizes on average.
	if cold, bare := r.Reads[0].BodyBytes, r.Reads[2].BodyBytes; bare < cold*0.95 || bare > cold*1.05 {
		t.Errorf("bodies of %.0f B from the daemon, %.0f B from the bare handler", cold, bare)
	}
	if r.Sync.Count == 0 || r.Sync.P50 <= 0 {
		t.Errorf("fdatasync: %+v", r.Sync)
	}
	stored := int64(400*eventsLoaded) + r.Writes[0].units + r.Writes[2].units
	if d := r.Directory; d.Events != stored || d.TableBytes != 1000 || d.Bytes != 1000+int64(len(someOptions)) {
		t.Errorf("directory is %+v, want %d events", d, stored)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
	for _, want := range []string{"load: 3,200 of 3,200 events", "reads: 9 of 9 turns", "writes: 8 of 8 turns"} {
		if !strings.Contains(words.String(), want) {
			t.Errorf("said %q, want %q in it", words.String(), want)
		}
	}

	file := filepath.Join(t.TempDir(), "out", "results.json")
	if err := r.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var back Results
	if err := json.Unmarshal(text, &back); err != nil || back.Writes[3].Slices[1].Units != r.Writes[3].Slices[1].Units {
		t.Errorf("results.json does not read back: %v", err)
	}
}

// Acknowledged events that are not there make the figures worthless.
func TestRunFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	o := quick(t, "forgets")
	o.Pairs = 1
	r, err := Run(t.Context(), o)
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
	o := quick(t, "refuses") // each seventh push, once the parcels are loaded
	o.Pairs = 1
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var failed int64
	for _, row := range r.Writes {
		for _, s := range row.Slices {
			failed += s.Errors
		}
	}
	if all := strings.Join(r.Problems, "\n"); failed == 0 || !strings.Contains(all, `"1000"`) {
		t.Errorf("%d errors, problems are %q, want the refusals", failed, all)
	}
}

func TestRunWithoutADaemon(t *testing.T) {
	o := quick(t, "mute")
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
	o := quick(t, "dies")
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
	o := quick(t, "good")
	o.ReadSlice = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	o.Words = onWord("reads", cancel)
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
