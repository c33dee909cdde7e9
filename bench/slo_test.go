package bench

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"waytrace/trace"
)

func sloOf(t *testing.T, text string) (*SLO, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "slo.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := ReadSLO(file)
	return s, file, err
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Breach
	}{
		{"all is well", "slo:\n  - {scenario: get-hot, p50: 5ms, p99: 5ms, p99.9: 1s, max: 1s, errors: 0%, per_second: '>= 100'}\n", nil},
		{"every rate is judged", "slo:\n  - {scenario: get-hot, p99: 1500us}\n", []Breach{
			{"get-hot", "p99 at 94,400/s", "1.89 ms", "<= 1.5 ms"}, {"get-hot", "p99 at 106,200/s", "3.47 ms", "<= 1.5 ms"}}},
		{"one rate is", "slo:\n  - {scenario: get-hot, rate: 60000, p99: 700us, p99.9: 1ms, max: 15ms}\n", []Breach{
			{"get-hot", "p99 at 59,000/s", "800 us", "<= 700 us"}, {"get-hot", "p99.9 at 59,000/s", "1.75 ms", "<= 1 ms"}}},
		{"too few", "slo:\n  - {scenario: get-hot, per_second: '>= 200000'}\n", []Breach{{"get-hot", "per_second", "119,666", ">= 200,000"}}},
		{"another rate", "slo:\n  - {scenario: get-hot, rate: 1000, p50: 1s}\n", []Breach{
			{"get-hot", "rate", "29,500, 59,000, 82,600, 94,400, 106,200", "a run at 1,000/s"}}},
		{"errors", "slo:\n  - {scenario: restart-under-load, errors: 0.01%}\n", []Breach{
			{"restart-under-load", "errors at 20,000/s", "0.026 %", "<= 0.01 %"}}},
		{"no latency of it", "slo:\n  - {scenario: restart-under-load, p99: 1s}\n", []Breach{
			{"restart-under-load", "p99 at 20,000/s", "nothing", "<= 1 s"}}},
		{"a closed loop", "slo:\n  - {scenario: push-10, p99: 19ms, errors: 0}\n", []Breach{{"push-10", "p99", "19.2 ms", "<= 19 ms"}}},
		{"not run", "slo:\n  - {scenario: soak, errors: 0}\n", []Breach{{"soak", "scenario", "not run", "a run with soak"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _, err := sloOf(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, s.Judge(sampleResults())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Errors and requests that were never sent are both failures.
func TestJudgeCountsWhatWasDropped(t *testing.T) {
	s, _, err := sloOf(t, "slo:\n  - scenario: get-hot\n    rate: 1000\n    errors: 1%\n")
	if err != nil {
		t.Fatal(err)
	}
	r := &Results{Sweeps: []Sweep{{Scenario: "get-hot", Points: []Point{{Subject: Arrival{Offered: 1000, Errors: 6, Dropped: 5, Slices: []ArrivalSlice{{Due: 1000}}}}}}}}
	if got := s.Judge(r); len(got) != 1 || got[0].String() != "get-hot: errors at 1,000/s: measured 1.1 %, allowed <= 1 %" {
		t.Errorf("got %v", got)
	}
}

// What is wrong in a file is said with its line.
func TestReadSLOFaults(t *testing.T) {
	for text, says := range map[string]string{
		"":                                                  ": want one document with slo: and a list",
		"slo: 3\n":                                          ":1: slo wants a list of objectives, each with a scenario",
		"slo: []\n":                                         ":1: slo wants a list of objectives, each with a scenario",
		"goals:\n  - scenario: x\n":                         `:1: unknown key "goals"; there are slo`,
		"slo:\n  - scenario: x\n    p98: 1s\n":              `:3: unknown key "p98"; there are scenario, rate, p50, p99, p99.9, max, errors, per_second`,
		"slo:\n  - scenario: x\n    p99: fast\n":            `:3: p99 "fast": want a time, such as 5ms or 1.5s`,
		"slo:\n  - scenario: x\n    p99: -1s\n":             `:3: p99 "-1s": want a time, such as 5ms or 1.5s`,
		"slo:\n  - scenario: x\n    p99: [1s]\n":            `:3: p99 wants one value`,
		"slo:\n  - scenario: x\n    errors: many\n":         `:3: errors "many": want a part of all requests, such as 0.1% or 0.001`,
		"slo:\n  - scenario: x\n    errors: 101%\n":         `:3: errors "101%": want a part of all requests, such as 0.1% or 0.001`,
		"slo:\n  - scenario: x\n    rate: NaN\n":            `:3: rate "NaN": want a number above 0`,
		"slo:\n  - scenario: x\n    per_second: 100\n":      `:3: per_second "100": want at least so many, such as ">= 100"`,
		"slo:\n  - scenario: x\n    per_second: '>= 0'\n":   `:3: per_second ">= 0": want a number above 0`,
		"slo:\n  - p99: 1s\n":                               `:2: an objective without a scenario`,
		"slo:\n  - scenario: x\n    rate: 5\n":              `:2: x is held to nothing: give it p50, p99, p99.9, max, errors or per_second`,
		"slo:\n  - get-hot\n":                               `:2: want name: value; the names are scenario, rate, p50, p99, p99.9, max, errors, per_second`,
		"slo:\n  - scenario: x\n    p99: 1s\n    p99: 2s\n": `:4: mapping key "p99" already defined at [3:5]`,
	} {
		_, file, err := sloOf(t, text)
		if want := "slo: " + file + says + ": " + trace.ErrInvalid.Error(); err == nil || !errors.Is(err, trace.ErrInvalid) || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := ReadSLO(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

// Whatever a file has in it, reading it ends with an SLO or an error.
func FuzzReadSLO(f *testing.F) {
	example, err := os.ReadFile("slo.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("slo:\n  - scenario: x\n    p99: [1s]\n"))
	f.Add([]byte("slo: &a\n  - *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "slo.yaml")
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := ReadSLO(file)
		if (err == nil) != (s != nil) || err != nil && !errors.Is(err, trace.ErrInvalid) {
			t.Fatalf("%v, %v", s, err)
		}
		if s != nil {
			s.Judge(sampleResults())
		}
	})
}

func TestExampleSLO(t *testing.T) {
	s, err := ReadSLO("slo.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range s.objectives {
		names = append(names, o.scenario)
	}
	if diff := cmp.Diff([]string{"get-uniform", "get-hot", "push-10-json"}, names); diff != "" {
		t.Error(diff)
	}
}
