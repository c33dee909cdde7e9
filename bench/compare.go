package bench

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// CompareOptions say how much of a change counts.
type CompareOptions struct {
	Rates      float64            // part of the old figure; 0 is 0.10. Also of targets
	P99        float64            // of latencies; 0 is 0.20
	Thresholds map[string]float64 // by the name of a row or a target, instead of both
	Force      bool               // compare what differs in machine or settings too
}

// A Comparison is what changed from one run to another.
type Comparison struct {
	Refused []string // why there is none
	Notes   []string // what differs besides, such as the daemon's own settings
	Changes []Change
}

// A Change is one figure of both runs.
type Change struct {
	Name      string
	Old, New  string  // written with their units; "" where that run has no such figure
	By        float64 // part of the old figure; more than 0 is a greater figure
	Threshold float64
	Verdict   ChangeVerdict
	Limit     bool // it is of a limit, so it tells of the machine, not of the daemon
}

// A ChangeVerdict is what a change means.
type ChangeVerdict string

// A change that is beyond its threshold counts where the middle of each run lies
// outside of what the turns of the other gave.
const (
	Faster      ChangeVerdict = "faster"
	Slower      ChangeVerdict = "slower"
	Better      ChangeVerdict = "better" // of a target
	Worse       ChangeVerdict = "worse"
	WithinNoise ChangeVerdict = "within noise"
	OnlyOld     ChangeVerdict = "only in the old run"
	OnlyNew     ChangeVerdict = "only in the new run"
)

// Compare compares two runs: rates and p99 of rows, p99 at equal rates of arrival,
// and targets, each with the one of the same name. Runs that are invalid, or of
// different machines or settings, are refused unless o.Force.
func Compare(old, new *Results, o CompareOptions) Comparison {
	if o.Rates == 0 {
		o.Rates = 0.10
	}
	if o.P99 == 0 {
		o.P99 = 0.20
	}
	was, is := readingsOf(old), readingsOf(new)
	c := Comparison{Notes: asides(old, new)}
	for _, name := range slices.Sorted(maps.Keys(o.Thresholds)) {
		if !slices.ContainsFunc(append(slices.Clone(was), is...), func(m reading) bool { return m.of == name }) {
			c.Refused = append(c.Refused, fmt.Sprintf("a threshold is given for %q, but neither run has such a row or target", name))
		}
	}
	if differ := differences(old, new); o.Force {
		c.Notes = append(differ, c.Notes...)
	} else {
		c.Refused = append(c.Refused, differ...)
	}
	if len(c.Refused) > 0 {
		return c
	}
	for _, m := range was {
		i := slices.IndexFunc(is, func(n reading) bool { return n.name == m.name })
		if i < 0 {
			c.Changes = append(c.Changes, Change{Name: m.name, Old: m.write(m.value.Median), Verdict: OnlyOld, Limit: m.limit})
			continue
		}
		c.Changes = append(c.Changes, m.to(is[i], o))
	}
	for _, n := range is {
		if !slices.ContainsFunc(was, func(m reading) bool { return m.name == n.name }) {
			c.Changes = append(c.Changes, Change{Name: n.name, New: n.write(n.value.Median), Verdict: OnlyNew, Limit: n.limit})
		}
	}
	return c
}

// Regressed reports whether the daemon got slower anywhere, or a target worse.
func (c *Comparison) Regressed() bool {
	return slices.ContainsFunc(c.Changes, func(d Change) bool {
		return !d.Limit && (d.Verdict == Slower || d.Verdict == Worse)
	})
}

// WriteTable writes the comparison for people.
func (c *Comparison) WriteTable(w io.Writer) error {
	var b strings.Builder
	if len(c.Refused) > 0 {
		b.WriteString("These runs cannot be compared:\n")
		for _, why := range c.Refused {
			b.WriteString(folded(why, 100))
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
	lines := [][]string{{"", "old", "new", "change", "counts from", "verdict"}}
	counts := map[ChangeVerdict]int{}
	for _, d := range c.Changes {
		by, from, verdict := "", "", string(d.Verdict)
		if d.Old != "" && d.New != "" {
			by, from = fmt.Sprintf("%+.1f %%", d.By*100), percent(d.Threshold)
		}
		if d.Limit {
			verdict += " (the limit: the machine)"
		} else {
			counts[d.Verdict]++
		}
		lines = append(lines, []string{d.Name, d.Old, d.New, by, from, verdict})
	}
	columns(&b, lines)
	var parts []string
	for _, v := range []ChangeVerdict{Slower, Worse, Faster, Better, WithinNoise, OnlyOld, OnlyNew} {
		if n := counts[v]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", join(", ", parts...))
	for _, note := range c.Notes {
		b.WriteString(folded(note, 100))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// A reading is a figure of a run that can be compared with another run's.
type reading struct {
	name   string // another one for each figure
	of     string // the row's or the target's
	value  Spread
	higher bool // more is better
	target bool
	p99    bool
	limit  bool
	write  func(float64) string
}

// readingsOf lists what a run measured.
func readingsOf(r *Results) (list []reading) {
	limits := map[string]bool{}
	for _, g := range r.Groups {
		for _, row := range g.Rows {
			limits[row.Limit] = true
		}
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		if t.Measured == nil {
			continue
		}
		value := Spread{*t.Measured, *t.Measured, *t.Measured}
		if t.Spread != nil {
			value = *t.Spread
		}
		list = append(list, reading{name: t.Name, of: t.Name, value: value, higher: t.Higher, target: true,
			write: func(v float64) string { return quantity(v, t.Unit) }})
	}
	rows := func(rows []Row, limit bool) {
		for _, row := range rows {
			if len(row.Slices) == 0 {
				continue
			}
			limit := limit || limits[row.Name]
			list = append(list,
				reading{name: row.Name + ", " + row.Unit + "/s", of: row.Name, value: row.PerSecond, higher: true, limit: limit, write: rate},
				reading{name: row.Name + ", p99", of: row.Name, value: p99s(row.Slices, func(s Slice) Latency { return s.Latency }), p99: true, limit: limit, write: micros})
		}
	}
	for _, g := range r.Groups {
		rows(g.Rows, false)
	}
	rows(r.Calibration.Rows, true)
	for _, s := range r.Sweeps {
		for _, p := range s.Points {
			if len(p.Subject.Slices) == 0 {
				continue
			}
			name := join(" ", s.Scenario, "at", nearby(p.Subject.Offered)+"/s")
			if s.Beside != "" {
				name += " beside " + s.Beside
			}
			list = append(list, reading{name: name + ", p99", of: s.Scenario, p99: true, write: micros,
				value: p99s(p.Subject.Slices, func(s ArrivalSlice) Latency { return s.Latency })})
		}
	}
	return list
}

// nearby writes a rate of arrival to two digits: a latency can be compared with
// that of nearly the same rate.
func nearby(v float64) string {
	if v <= 0 {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return rate(math.Round(v/unit) * unit)
}

// p99s are the p99 of turns.
func p99s[T any](turns []T, of func(T) Latency) Spread {
	var each []float64
	for _, t := range turns {
		each = append(each, of(t).P99)
	}
	return spreadOf(each)
}

// to judges the change from one figure to another.
func (m reading) to(n reading, o CompareOptions) Change {
	c := Change{Name: m.name, Old: m.write(m.value.Median), New: n.write(n.value.Median), Threshold: o.Rates, Verdict: WithinNoise, Limit: m.limit || n.limit}
	if m.p99 {
		c.Threshold = o.P99
	}
	if t, ok := o.Thresholds[m.of]; ok {
		c.Threshold = t
	}
	base := m.value.Median
	if base == 0 {
		base = 1 // of nothing there is no part: take it for the change itself
	}
	c.By = (n.value.Median - m.value.Median) / base
	if math.Abs(c.By) <= c.Threshold || m.value.covers(n.value.Median) || n.value.covers(m.value.Median) {
		return c
	}
	switch good := (c.By > 0) == m.higher; {
	case m.target && good:
		c.Verdict = Better
	case m.target:
		c.Verdict = Worse
	case good:
		c.Verdict = Faster
	default:
		c.Verdict = Slower
	}
	return c
}

// covers reports whether a value is among what the turns gave.
func (s Spread) covers(v float64) bool { return s.Least <= v && v <= s.Most }

// differences say what of two runs keeps them from being compared.
func differences(old, new *Results) []string {
	var differ []string
	for _, r := range []struct {
		name string
		*Results
	}{{"old", old}, {"new", new}} {
		if !r.Valid() {
			differ = append(differ, fmt.Sprintf("the %s run is invalid: %s", r.name, r.Problems[0]))
		}
	}
	a, b, s, t := &old.Machine, &new.Machine, &old.Settings, &new.Settings
	return append(differ, unlike([][3]string{
		{"processor", a.CPU, b.CPU},
		{"cores", thousands(int64(a.Cores)), thousands(int64(b.Cores))},
		{"GOMAXPROCS", thousands(int64(a.GOMAXPROCS)), thousands(int64(b.GOMAXPROCS))},
		{"memory", memory(a.Memory), memory(b.Memory)},
		{"system", a.System, b.System},
		{"disk", a.Disk, b.Disk},
		{"kind of run", string(old.Mode), string(new.Mode)},
		{"daemon", s.URL, t.URL},
		{"waybills", thousands(int64(s.Waybills)), thousands(int64(t.Waybills))},
		{"events of a waybill", thousands(int64(s.EventsEach)), thousands(int64(t.EventsEach))},
		{"events of a push", thousands(int64(s.EventsOfPush)), thousands(int64(t.EventsOfPush))},
		{"connections", thousands(int64(s.Connections)), thousands(int64(t.Connections))},
		{"seconds of a turn that reads", short(s.ReadSeconds), short(t.ReadSeconds)},
		{"seconds of a turn that writes", short(s.WriteSeconds), short(t.WriteSeconds)},
		{"Zipf exponent", short(s.ZipfExponent), short(t.ZipfExponent)},
	}, "; --force compares all the same")...)
}

// asides say what else differs: what a change of the daemon may well change.
func asides(old, new *Results) []string {
	list := unlike([][3]string{
		{"kernel", old.Machine.Kernel, new.Machine.Kernel},
		{"Go", old.Machine.Go, new.Machine.Go},
		{"seed", fmt.Sprint(old.Settings.Seed), fmt.Sprint(new.Settings.Seed)},
		{"pairs", fmt.Sprint(old.Settings.Pairs), fmt.Sprint(new.Settings.Pairs)},
	}, "")
	if old.Settings.PebbleOptions != new.Settings.PebbleOptions {
		list = append(list, "Pebble's options differ")
	}
	for _, s := range old.Settings.Sides {
		for _, t := range new.Settings.Sides {
			if s.Name == t.Name && s != t {
				list = append(list, "the settings of the "+s.Name+" differ")
			}
		}
	}
	return list
}

// unlike lists what differs: its name, the old and the new.
func unlike(fields [][3]string, hint string) (list []string) {
	for _, f := range fields {
		if f[1] != f[2] {
			list = append(list, fmt.Sprintf("%s: %q, then %q%s", f[0], f[1], f[2], hint))
		}
	}
	return list
}
