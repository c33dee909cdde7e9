package bench

import "testing"

func TestFileName(t *testing.T) {
	for want, m := range map[string]Machine{
		"some-2-cores.json":                        {CPU: "Some CPU @ 2.50GHz", Cores: 2},
		"intel-xeon-platinum-8259cl-64-cores.json": {CPU: "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", Cores: 64},
		"amd-epyc-9r14-96-core-1-core.json":        {CPU: "AMD EPYC 9R14 96-Core Processor", Cores: 1},
		"linux-arm64-4-cores.json":                 {System: "linux/arm64", Cores: 4},
		"etc-passwd-2-cores.json":                  {CPU: "../../etc/passwd", Cores: 2},
	} {
		if got := m.FileName(); got != want {
			t.Errorf("%+v is kept in %s, want %s", m, got, want)
		}
	}
}

// testdata/targets.md is what a README shows.
func TestMarkdown(t *testing.T) {
	r := sampleResults()
	r.Targets[1].Name = "status | hot <b>"
	text := r.Markdown()
	r.Mode, r.Problems = ModeQuick, []string{"it failed"}
	sameAs(t, "targets.md", []byte(text+"\n---\n\n"+r.Markdown()))
}
