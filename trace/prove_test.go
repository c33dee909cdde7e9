package trace

import (
	stdflag "flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var proveRules = stdflag.Bool("prove-rules", false, "switch each rule of the fold off in turn and see that it is missed")

// Every rule of the fold is needed: once it is off, the laws or its own case go red.
// It runs the tests of this package anew for each, so only when it is asked to.
func TestProveRules(t *testing.T) {
	if !*proveRules {
		t.Skip("takes minutes: make prove-laws")
	}
	tests, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(off, pattern string) (output string, red bool) {
		out, err := exec.Command(tests, "-test.run", pattern, "-test.timeout", "3m", "-off", off, "-laws", "1500").CombinedOutput()
		return string(out), err != nil
	}
	const laws = "^(TestLaws|TestInterleavings)$"
	for _, pattern := range []string{laws, "^TestFoldCases$"} {
		if out, red := run("", pattern); red {
			t.Fatalf("with every rule:\n%s", out)
		}
	}
	interleaving := regexp.MustCompile(`interleaving (\d+): `)
	t.Logf("%-11s %-34s %-32s %s", "rule", "the laws", "its case", "because")
	for _, r := range ruleTable {
		by, shown := "-", "-"
		out, lawsRed := run(r.name, laws)
		if lawsRed {
			var who []string
			if m := interleaving.FindStringSubmatch(out); m != nil {
				who = append(who, "interleaving "+m[1])
			}
			if strings.Contains(out, "--- FAIL: TestLaws") {
				who = append(who, "drawn facts")
			}
			by = strings.Join(who, ", ")
			if by == "" {
				t.Errorf("without %s the laws end in another way:\n%s", r.name, out)
			}
		}
		_, caseRed := run(r.name, fmt.Sprintf("^TestFoldCases$/^%s$", r.show))
		if caseRed {
			shown = r.show
		}
		t.Logf("%-11s %-34s %-32s %s", r.name, by, shown, r.why)
		if !lawsRed && !caseRed {
			t.Errorf("nobody misses the rule %s", r.name)
		}
	}
}
