package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"waytrace/bench"
)

// The loads that the bench makes are such as the daemon takes: what is pushed in each
// dialect is stored and understood, what is asked is answered. The bench looks itself
// whether what was acknowledged is there. make bench-quick has all of them.
func TestBenchSpeaksWithTheDaemon(t *testing.T) {
	r := start(t)
	names := []string{"push-10-json", "push-10-xml", "push-10-alibaba", "push-10-kuaidi100", "resend", "get-304", "batch-100", "mixed-50-50"}
	again := func(args ...string) *exec.Cmd {
		// The bench takes settings out of the environment, and this looks like one.
		return exec.Command("env", append([]string{beTheProgram + "=1", os.Args[0]}, args...)...)
	}
	results, err := bench.RunScenarios(t.Context(), bench.SingleOptions{
		Options:   bench.Options{Waybills: 300, Connections: 3, Seed: 7, Dir: filepath.Join(t.TempDir(), "scratch"), Command: again},
		Scenarios: names, URL: r.url, Rate: 300, Duration: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range results.Problems {
		if !strings.Contains(p, "the generator was late") { // the machine's own affair
			t.Error(p)
		}
	}
	if metrics := r.do(t, "GET", r.admin+"/metrics", "").body; !strings.Contains(metrics, "waytrace_quarantine_requests 0\n") {
		t.Error("something was not understood")
	}
	if unmapped := r.do(t, "GET", r.admin+"/unmapped", "").body; strings.TrimSpace(unmapped) != "[]" {
		t.Errorf("codes that no table knows: %s", unmapped)
	}
}
