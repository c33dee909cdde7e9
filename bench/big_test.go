package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func smallBig(t *testing.T, role string) BigOptions {
	o := BigOptions{Options: small(t, role), Small: 200, Middle: 300, Ingest: 360 * time.Millisecond, Fill: time.Second, Postgres: "somewhere"}
	o.Waybills = 800
	return o
}

// A whole big run against small daemons: every target has its figure, but for the rival
// that was not named; what was acknowledged survives each kill; nothing is left behind.
func TestRunBig(t *testing.T) {
	t.Parallel()
	var words bytes.Buffer
	o := smallBig(t, "good")
	o.Words = &words
	r, err := RunBig(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, r)
	if r.Mode != ModeBig || r.Settings.Waybills != 800 {
		t.Errorf("%s of %d waybills", r.Mode, r.Settings.Waybills)
	}
	for _, target := range r.Targets {
		if target.Run != bigRun || (target.Verdict == NotRun) != strings.Contains(target.Name, "Redis") {
			t.Errorf("%s (%s) is %s", target.Name, target.Run, target.Verdict)
		}
	}
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			if len(row.Slices) != 2 || row.PerSecond.Median <= 0 {
				t.Errorf("%s: %d slices, %v", row.Name, len(row.Slices), row.PerSecond)
			}
		}
	}
	if len(r.Openings) != openingsAsked || r.Openings[0].LogBytes != 7_000_000 || r.Openings[2].Ready <= 0 || r.Openings[2].Scanned < r.Openings[2].Ready {
		t.Errorf("openings: %+v", r.Openings)
	}
	if s := r.Sustained; s == nil || s.First <= 0 || s.Last <= 0 || !near(s.FirstSeconds, 0.024) || !near(s.LastSeconds, 0.06) || s.DebtBytes != 5 {
		t.Errorf("sustained: %+v", s)
	}
	var sizes []int64
	for _, s := range r.Sizes {
		sizes = append(sizes, s.Events)
	}
	if !slices.Equal(sizes, slices.Repeat([]int64{1600, 2400, 6400}, 3)) {
		t.Errorf("sizes of %v events", sizes)
	}
	if r.Directory.Events <= 6400 || len(r.Memory) < 10 || r.Memory[0].RSS == 0 {
		t.Errorf("directory %+v, memory %+v", r.Directory, r.Memory)
	}
	if last := r.Settings.Sides[len(r.Settings.Sides)-1]; last.Name != "PostgreSQL" || last.Text != "durable = on" {
		t.Errorf("the rival's settings are %+v", last)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
	for _, want := range []string{"build the large directory: 6,400 events", "kill and open: 3 of 3 times", "load PostgreSQL: 2,400 of 2,400 events"} {
		if !strings.Contains(words.String(), want) {
			t.Errorf("said %q, want %q in it", words.String(), want)
		}
	}

	file := filepath.Join(t.TempDir(), "results.json")
	if err := r.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	back, err := ReadResults(file)
	if err != nil {
		t.Fatal(err)
	}
	var table bytes.Buffer
	if err := back.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	page := htmlOf(t, back)
	for _, want := range []string{"Opened after a kill", "ingest without a break", "Cost against size", "directories of 200, 300 and 800 waybills x 8 events, ingest for 0.36 s"} {
		if !strings.Contains(table.String(), want) || !bytes.Contains(page, []byte(want)) {
			t.Errorf("%q is missing in\n%s", want, &table)
		}
	}
}

// What fails late does not take away what was measured before.
func TestRunBigKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	o := smallBig(t, "no rival")
	r, err := RunBig(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Valid() || r.row(rowIngestLarge) == nil || r.row(rowReadOurs) != nil || !strings.Contains(strings.Join(r.Problems, "\n"), "beside rivals: ") {
		t.Errorf("problems %q", r.Problems)
	}
	if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
		t.Errorf("%d things are left in the scratch directory", len(left))
	}
}

// An interrupted run is no part that failed, and leaves no process and no directory.
func TestRunBigInterrupted(t *testing.T) {
	for _, word := range []string{"build the small", "ingest: "} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			o := smallBig(t, "good")
			o.Ingest = time.Hour
			ctx, cancel := context.WithCancel(t.Context())
			o.Words = onWord(word, cancel)
			if _, err := RunBig(ctx, o); !errors.Is(err, context.Canceled) {
				t.Errorf("error is %v, want context.Canceled", err)
			}
			if left, _ := os.ReadDir(o.Dir); len(left) != 0 {
				t.Errorf("%d things are left in the scratch directory", len(left))
			}
		})
	}
}

func TestRunBigRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(o *BigOptions)
		says   string
	}{
		"few waybills":         {func(o *BigOptions) { o.Middle = 99 }, "take 100 or more"},
		"a small one as large": {func(o *BigOptions) { o.Small = 800 }, "take more for the large one"},
		"time that runs back":  {func(o *BigOptions) { o.Ingest = -1 }, "take more than 0"},
		"more than disks hold": {func(o *BigOptions) { o.Waybills = 1 << 40 }, "are needed: free"},
	} {
		o := smallBig(t, "good")
		c.change(&o)
		if _, err := RunBig(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q said", name, err, c.says)
		}
	}
}

// What the settings allow is known where they say all sizes.
func TestAllowedMemory(t *testing.T) {
	for text, want := range map[string]int64{"64MiB": 64 << 20, "1GiB": 1 << 30, "300": 300, "8KiB": 8192} {
		if got, ok := bytesOf(text); got != want || !ok {
			t.Errorf("%s is %d, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "MiB", "1.5GiB", "7XiB", "3 MiB"} {
		if got, ok := bytesOf(text); ok {
			t.Errorf("%q is %d", text, got)
		}
	}
	settings := map[string]string{"store.cache": "1GiB", "store.memtable": "1MiB", "store.heads": "2MiB", "query.cache": "3MiB"}
	if got := allowedMemory(settings); got != 1<<30+(3+2+3)<<20+memoryBesides {
		t.Errorf("allowed are %d", got)
	}
	delete(settings, "query.cache")
	if got := allowedMemory(settings); got != 0 {
		t.Errorf("of settings that do not say, %d are allowed", got)
	}
}
