package trace

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Each rule is in the table once, in its order, with a case of its own.
func TestRuleTable(t *testing.T) {
	cases := map[string]bool{}
	for _, f := range caseFiles(t) {
		cases[f.name] = true
	}
	names := map[string]bool{}
	for i, r := range ruleTable {
		if r.rule != 1<<i {
			t.Errorf("%s is row %d of the table, and bit %b", r.name, i, r.rule)
		}
		if names[r.name] || r.name == "" || r.why == "" {
			t.Errorf("row %d: the name %q is there twice, or something is missing: %q", i, r.name, r.why)
		}
		names[r.name] = true
		if !cases[r.show] {
			t.Errorf("rule %s is shown by %q, which is no case", r.name, r.show)
		}
	}
	if want := rule(1) << len(ruleTable); rulesEnd != want {
		t.Errorf("there are rules up to %b, and %d in the table", rulesEnd, len(ruleTable))
	}
}

// A rule is there because something goes wrong without it: the case that shows it
// means something else, or something that depends on the order, once it is off.
func TestEveryRuleIsNeeded(t *testing.T) {
	files := caseFiles(t)
	was := off
	defer func() { off = was }()
	for _, r := range ruleTable {
		t.Run(r.name, func(t *testing.T) {
			i := slices.IndexFunc(files, func(f caseFile) bool { return f.name == r.show })
			if i < 0 {
				t.Fatalf("there is no case %q", r.show)
			}
			off = was
			if got := play(t, files[i]).outcome(t); got != files[i].want {
				t.Fatalf("%s fails with the rule", r.show)
			}
			off = was | r.rule
			p := play(t, files[i])
			if p.outcome(t) != files[i].want {
				return
			}
			random := rand.New(rand.NewPCG(1, uint64(r.rule)))
			want := p.heads()
			for range 24 {
				if got, _ := p.shuffled(t, random); !maps.EqualFunc(got, want, bytes.Equal) {
					return
				}
			}
			t.Errorf("%s means the same without the rule, which is there because %s", r.show, strings.TrimSuffix(r.why, "."))
		})
	}
}
