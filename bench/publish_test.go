package bench

import (
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	for want, m := range map[string]Machine{ // of the suite
		"some-2-cores.json":                        {CPU: "Some CPU @ 2.50GHz", Cores: 2},
		"intel-xeon-platinum-8259cl-64-cores.json": {CPU: "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", Cores: 64},
		"amd-epyc-9r14-96-core-1-core.json":        {CPU: "AMD EPYC 9R14 96-Core Processor", Cores: 1},
		"linux-arm64-4-cores.json":                 {System: "linux/arm64", Cores: 4},
		"etc-passwd-2-cores.json":                  {CPU: "../../etc/passwd", Cores: 2},
	} {
		r := &Results{Machine: m, Mode: ModeFull}
		if got := r.FileName(); got != want {
			t.Errorf("%+v is kept in %s, want %s", m, got, want)
		}
		r.Mode = ModeBig
		if got, want := r.FileName(), strings.TrimSuffix(want, ".json")+"-big.json"; got != want || m.FileNames()[1] != got {
			t.Errorf("a big run on %+v is kept in %s, want %s", m, got, want)
		}
	}
}

// A suite and a big run make one table, in which each target is the one that was measured.
func TestMarkdownTogether(t *testing.T) {
	suite, large := sampleResults(), sampleResults()
	large.Mode = ModeBig
	large.Targets = large.Targets[len(large.Targets)-1:]
	of := 0.4
	large.Targets[0].Measured, large.Targets[0].Verdict = &of, MustMet
	text := Markdown(suite, large)
	if strings.Contains(text, "not run") || strings.Count(text, large.Targets[0].Name) != 1 || !strings.Contains(text, "| 0.40 | ≥ 0.3 |") {
		t.Errorf("got\n%s", text)
	}
	if !strings.Contains(text, ", full run of") || !strings.Contains(text, ", big run of") {
		t.Errorf("where the figures are from is missing:\n%s", text)
	}
}

// testdata/targets.md is what a README shows.
func TestMarkdown(t *testing.T) {
	r := sampleResults()
	r.Targets[1].Name = "status | hot <b>"
	text := Markdown(r)
	r.Mode, r.Problems = ModeQuick, []string{"it failed"}
	sameAs(t, "targets.md", []byte(text+"\n---\n\n"+Markdown(r)))
}
