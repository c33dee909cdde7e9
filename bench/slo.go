package bench

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"waytrace/trace"
)

// An SLO is what a daemon is held to, scenario by scenario, as a file says it:
//
//	slo:
//	  - scenario: get-hot
//	    rate: 20000          # requests due a second that is judged; without it, all that were run
//	    p50: 500us           # so are p99, p99.9 and max
//	    errors: 0.1%         # of all requests, dropped ones too
//	    per_second: ">= 100" # requests answered, of the best rate
type SLO struct{ objectives []objective }

type objective struct {
	scenario string
	rate     float64 // 0: any
	most     map[string]time.Duration
	errors   float64 // part of all; -1: not judged
	least    float64 // answered a second; 0: not judged
}

// latencies are the keys of an objective that bound one.
var latencies = []string{"p50", "p99", "p99.9", "max"}

// A Breach is one way in which a run broke an SLO.
type Breach struct {
	Scenario string
	What     string // the key of the file, with the rate where it is known
	Measured string
	Allowed  string
}

// String says it in a line.
func (b Breach) String() string {
	return fmt.Sprintf("%s: %s: measured %s, allowed %s", b.Scenario, b.What, b.Measured, b.Allowed)
}

// ReadSLO reads a file of objectives. It is strict; what is wrong in it is
// trace.ErrInvalid and names the line.
func ReadSLO(file string) (*SLO, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("slo: %w", err)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		var at yaml.Error
		if errors.As(err, &at) && at.GetToken() != nil {
			return nil, fmt.Errorf("slo: %s:%d: %s: %w", file, at.GetToken().Position.Line, at.GetMessage(), trace.ErrInvalid)
		}
		return nil, fmt.Errorf("slo: %s: %v: %w", file, err, trace.ErrInvalid)
	}
	r := sloReader{file: file}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return nil, fmt.Errorf("slo: %s: want one document with slo: and a list: %w", file, trace.ErrInvalid)
	}
	var s SLO
	if err := r.entries(tree.Docs[0].Body, []string{"slo"}, func(_ string, list ast.Node) error {
		items, ok := list.(*ast.SequenceNode)
		if !ok || len(items.Values) == 0 {
			return r.fault(list, "slo wants a list of objectives, each with a scenario")
		}
		for _, item := range items.Values {
			o, err := r.objective(item)
			if err != nil {
				return err
			}
			s.objectives = append(s.objectives, o)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	return &s, nil
}

// sloReader reads the tree of one file.
type sloReader struct{ file string }

func (r sloReader) fault(at ast.Node, format string, args ...any) error {
	return fmt.Errorf("slo: %s:%d: %s: %w", r.file, at.GetToken().Position.Line, fmt.Sprintf(format, args...), trace.ErrInvalid)
}

// entries goes through name: value, all of known names.
func (r sloReader) entries(node ast.Node, known []string, each func(key string, value ast.Node) error) error {
	m, ok := node.(ast.MapNode)
	if !ok {
		return r.fault(node, "want name: value; the names are %s", strings.Join(known, ", "))
	}
	for it := m.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		if !slices.Contains(known, key) {
			return r.fault(it.Key(), "unknown key %q; there are %s", key, strings.Join(known, ", "))
		}
		if err := each(key, it.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (r sloReader) objective(node ast.Node) (objective, error) {
	o := objective{most: map[string]time.Duration{}, errors: -1}
	err := r.entries(node, slices.Concat([]string{"scenario", "rate"}, latencies, []string{"errors", "per_second"}), func(key string, value ast.Node) error {
		if _, scalar := value.(ast.ScalarNode); !scalar {
			return r.fault(value, "%s wants one value", key)
		}
		text := value.GetToken().Value
		var err error
		switch key {
		case "scenario":
			if o.scenario = text; text == "" {
				err = errors.New("want its name")
			}
		case "rate":
			o.rate, err = positive(text)
		case "errors":
			o.errors, err = partOf(text)
		case "per_second":
			number, ok := strings.CutPrefix(text, ">=")
			if !ok {
				err = errors.New(`want at least so many, such as ">= 100"`)
				break
			}
			o.least, err = positive(strings.TrimSpace(number))
		default:
			if o.most[key], err = time.ParseDuration(text); err == nil && o.most[key] <= 0 || err != nil {
				err = errors.New("want a time, such as 5ms or 1.5s")
			}
		}
		if err != nil {
			return r.fault(value, "%s %q: %v", key, text, err)
		}
		return nil
	})
	switch {
	case err != nil:
		return o, err
	case o.scenario == "":
		return o, r.fault(node, "an objective without a scenario")
	case len(o.most) == 0 && o.errors < 0 && o.least == 0:
		return o, r.fault(node, "%s is held to nothing: give it %s, errors or per_second", o.scenario, strings.Join(latencies, ", "))
	}
	return o, nil
}

func positive(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return 0, errors.New("want a number above 0")
	}
	return v, nil
}

// partOf reads 0.1% or 0.001.
func partOf(text string) (float64, error) {
	number, hundredth := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if hundredth {
		v /= 100
	}
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, errors.New("want a part of all requests, such as 0.1% or 0.001")
	}
	return v, nil
}

// An observed is what one scenario gave at one rate.
type observed struct {
	offered  float64 // 0 in a closed loop
	answered float64 // requests a second
	errors   float64 // part of all
	latency  Latency
}

// Judge lists how a run broke the SLO; none is well. Latency is that of an open
// loop, counted from when a request was due; where the scenario ran in a closed
// loop alone, that one's. A scenario or rate that was not run is a breach.
func (s *SLO) Judge(r *Results) []Breach {
	var breaches []Breach
	for _, o := range s.objectives {
		breaches = append(breaches, o.judge(r)...)
	}
	return breaches
}

func (o *objective) judge(r *Results) (breaches []Breach) {
	breach := func(what string, at *observed, measured, allowed string) {
		if at != nil && at.offered > 0 {
			what += " at " + rate(at.offered) + "/s"
		}
		breaches = append(breaches, Breach{o.scenario, what, measured, allowed})
	}
	all := observedOf(r, o.scenario)
	if len(all) == 0 {
		breach("scenario", nil, "not run", "a run with "+o.scenario)
		return breaches
	}
	if o.rate > 0 {
		// The schedule is random, so what was due is never quite what was asked for.
		near := slices.DeleteFunc(slices.Clone(all), func(at observed) bool { return math.Abs(at.offered-o.rate) > o.rate/20 })
		if len(near) == 0 {
			var rates []string
			for _, at := range all {
				if at.offered > 0 {
					rates = append(rates, rate(at.offered))
				}
			}
			measured := "no fixed rate"
			if len(rates) > 0 {
				measured = strings.Join(rates, ", ")
			}
			breach("rate", nil, measured, "a run at "+rate(o.rate)+"/s")
			return breaches
		}
		all = near
	}
	best := slices.MaxFunc(all, func(a, b observed) int { return cmp.Compare(a.answered, b.answered) })
	if best.answered < o.least {
		breach("per_second", nil, digits(best.answered), ">= "+bound(o.least, ""))
	}
	// Where arrivals were timed, the closed loop says only how much there can be.
	if open := slices.DeleteFunc(slices.Clone(all), func(at observed) bool { return at.offered == 0 }); len(open) > 0 {
		all = open
	}
	for _, at := range all {
		of := map[string]float64{"p50": at.latency.P50, "p99": at.latency.P99, "p99.9": at.latency.P999, "max": at.latency.Max}
		for _, key := range latencies {
			most, judged := o.most[key]
			switch {
			case !judged:
			case at.latency.Count == 0:
				breach(key, &at, "nothing", "<= "+bound(float64(most)/1e3, "us"))
			case of[key] > float64(most)/1e3:
				breach(key, &at, micros(of[key]), "<= "+bound(float64(most)/1e3, "us"))
			}
		}
		if o.errors >= 0 && at.errors > o.errors {
			breach("errors", &at, percent(at.errors), "<= "+percent(o.errors))
		}
	}
	return breaches
}

// observedOf lists what a scenario gave. Of a restart there is no latency.
func observedOf(r *Results, scenario string) (all []observed) {
	for _, s := range r.Sweeps {
		if s.Scenario != scenario || s.Beside != "" {
			continue
		}
		for _, p := range s.Points {
			a := &p.Subject
			var due int64
			for _, t := range a.Slices {
				due += t.Due
			}
			all = append(all, observed{a.Offered, a.Achieved, share(a.Errors+a.Dropped, due), a.Latency})
		}
	}
	limits := map[string]bool{}
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			limits[row.Limit] = true
		}
	}
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			if row.Scenario != scenario || limits[row.Name] || len(row.Slices) == 0 {
				continue
			}
			var failed, good int64
			var answered []float64
			for _, s := range row.Slices {
				failed, good = failed+s.Errors, good+s.Requests
				if s.Seconds > 0 {
					answered = append(answered, float64(s.Requests)/s.Seconds)
				}
			}
			all = append(all, observed{0, spreadOf(answered).Median, share(failed, failed+good), row.Latency})
		}
	}
	for _, s := range r.Restarts {
		if s.Scenario == scenario {
			all = append(all, observed{offered: s.Offered, errors: share(s.Failed, s.Due)})
		}
	}
	return all
}

func share(some, all int64) float64 {
	if all == 0 {
		return 0
	}
	return float64(some) / float64(all)
}
