package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"waytrace/bench"
)

// A big run is kept beside the suite of its machine, and both are one table of the page.
func TestBenchPublish(t *testing.T) {
	dir := t.TempDir()
	page, kept := filepath.Join(dir, "page.md"), filepath.Join(dir, "results")
	if err := os.WriteFile(page, []byte("before\n"+benchMark+"old\n"+benchMarkEnd+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	one, two := 1.5, 2.5
	for _, r := range []*bench.Results{
		{Schema: 2, Mode: bench.ModeFull, Targets: []bench.Target{{Name: "of the suite", Measured: &one, Verdict: bench.AimMet}, {Name: "of much data", Verdict: bench.NotRun}}},
		{Schema: 2, Mode: bench.ModeBig, Targets: []bench.Target{{Name: "of much data", Measured: &two, Verdict: bench.Missed}}},
	} {
		r.Machine = bench.Machine{CPU: "Some CPU", Cores: 2}
		file := filepath.Join(dir, string(r.Mode)+".json")
		if err := r.WriteJSON(file); err != nil {
			t.Fatal(err)
		}
		if status, _, err := runs(t, "bench", "publish", file, "--dir", kept, "--readme", page); status != 0 {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for _, want := range []string{"before\n" + benchMark, benchMarkEnd + "\nafter\n", "| of the suite | 1.50 |", "| of much data | 2.50 |", "full run of", "big run of"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("want %q once in\n%s", want, got)
		}
	}
	if strings.Contains(got, "not run") || strings.Contains(got, "old") {
		t.Errorf("the page is\n%s", got)
	}
	for _, name := range []string{"some-2-cores.json", "some-2-cores-big.json"} {
		if _, err := os.Stat(filepath.Join(kept, name)); err != nil {
			t.Error(err)
		}
	}
}
