package bench

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"
)

//go:embed page/report.gohtml
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// WriteHTML writes the results as one page that asks for nothing from outside.
// The same results give the same bytes. The file's folder is made where it is
// missing.
func (r *Results) WriteHTML(file string) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, pageOf(r)); err != nil {
		return fmt.Errorf("results: the page: %w", err)
	}
	return writeFile(file, b.Bytes())
}

// A page is what the template is filled with.
type page struct {
	Title, When      string
	Machine, Run     string
	Load             string
	Quick            bool
	Problems, Method []string
	Counts           string
	Targets          []targetLine
	Bars             *figure
	Timelines        []part
	Sweeps           []part
	Groups           []part
	Sizes            part
	Others           []table
	Facts            []string
	MachineLines     [][2]string
	SettingLines     [][2]string
	Sides            []sidePart
	PebbleOptions    string
	Raw              []table
}

// A part is one subject of the page: its plots, then its table.
type part struct {
	Name, About string
	Figures     []figure
	Table       *table
}

type figure struct {
	Name, Words string
	SVG         template.HTML
}

// A table has the name of each line first.
type table struct {
	Name  string
	Head  []string
	Lines []tableLine
}

type tableLine struct {
	Name  string
	Cells []string
}

type targetLine struct {
	Name, How, Figure, Spread, Must, Aim, Run, Verdict string
	Sign, Class                                        string
}

type sidePart struct{ Name, Runtime, Text string }

func pageOf(r *Results) *page {
	p := &page{
		Title:   "waytrace bench " + r.Version,
		When:    fmt.Sprintf("%s run of %s, %.0f s in all", r.Mode, r.Began.UTC().Format("2006-01-02 15:04 UTC"), r.Seconds),
		Machine: r.Machine.words(), Run: r.Settings.words(), Load: r.Load.words(&r.Settings),
		Quick: r.Mode == ModeQuick, Problems: r.Problems, Method: r.Method,
		Counts:        verdicts(r.Targets),
		PebbleOptions: r.Settings.PebbleOptions,
	}
	for i := range r.Targets {
		t := &r.Targets[i]
		sign, class := t.Verdict.sign()
		p.Targets = append(p.Targets, targetLine{t.Name, t.How, t.figure(), t.between(), typeset(t.bound(t.Must)), typeset(t.bound(t.Aim)), t.Run, t.Verdict.words(), sign, class})
	}
	p.Bars = targetBars(r.Targets)
	for i := range r.Timelines {
		p.Timelines = append(p.Timelines, timelinePart(&r.Timelines[i], fmt.Sprintf("time-%d", i)))
	}
	for i := range r.Sweeps {
		p.Sweeps = append(p.Sweeps, sweepPart(&r.Sweeps[i], fmt.Sprintf("sweep-%d", i)))
	}
	for i := range r.Groups {
		g := &r.Groups[i]
		p.Groups = append(p.Groups, part{Name: g.Name, About: g.About, Table: tableOf(g.Name, rowCells(g.Rows))})
		p.Raw = append(p.Raw, rawRows(g.Name, g.Rows))
	}
	if rows := r.Calibration.Rows; len(rows) > 0 {
		p.Groups = append(p.Groups, part{Name: "Calibration", About: "what the machine itself can do, in the same run", Table: tableOf("Calibration", rowCells(rows))})
		p.Raw = append(p.Raw, rawRows("Calibration", rows))
	}
	for i := range r.Sweeps {
		p.Raw = append(p.Raw, rawSweep(&r.Sweeps[i]))
	}
	p.Sizes = sizesPart(r.Sizes)
	if len(r.Restarts) > 0 {
		p.Others = append(p.Others, *tableOf("Restarts under load", restartCells(r.Restarts)))
	}
	if len(r.Openings) > 0 {
		p.Others = append(p.Others, *tableOf("Opened after a kill", openingCells(r.Openings)))
	}
	if len(r.Memory) > 0 {
		p.Others = append(p.Others, *tableOf("Memory of the daemon", memoryCells(r.Memory)))
	}
	p.Facts = r.facts()
	p.describe(&r.Machine, &r.Settings)
	return p
}

// typeset writes a bound as books do.
var typeset = strings.NewReplacer(">=", "≥", "<=", "≤").Replace

// describe lists the machine and the settings of all sides.
func (p *page) describe(m *Machine, s *Settings) {
	p.MachineLines = said([][2]string{
		{"system", join(" ", m.System, m.Kernel)}, {"processor", m.CPU}, {"cores", strconv.Itoa(m.Cores)},
		{"GOMAXPROCS", strconv.Itoa(m.GOMAXPROCS)}, {"memory", memory(m.Memory)}, {"Go", m.Go}, {"disk", m.Disk},
		{"load before", fmt.Sprintf("%.2f", m.LoadBefore)},
	})
	p.SettingLines = said([][2]string{
		{"daemon", s.URL},
		{"waybills", thousands(int64(s.Waybills))}, {"events each", strconv.Itoa(s.EventsEach)},
		{"events of a push while loading", strconv.Itoa(s.EventsOfPush)},
		{"connections", strconv.Itoa(s.Connections)}, {"pairs", strconv.Itoa(s.Pairs)},
		{"turns that read", short(s.ReadSeconds) + " s"}, {"turns that write", short(s.WriteSeconds) + " s"},
		{"Zipf exponent of hot", short(s.ZipfExponent)}, {"seed", strconv.FormatUint(s.Seed, 10)},
	})
	for _, of := range s.Sides {
		limit := ""
		if of.MemLimit != "" {
			limit = "GOMEMLIMIT " + of.MemLimit
		}
		runtime := ""
		if of.GOMAXPROCS > 0 { // else it is no program of Go, or does not say
			runtime = join(", ", fmt.Sprintf("GOMAXPROCS %d", of.GOMAXPROCS), "GOGC "+cmp.Or(of.GOGC, "not known"), limit)
		}
		p.Sides = append(p.Sides, sidePart{of.Name, runtime, of.Text})
	}
}

// said leaves out what is not known.
func said(lines [][2]string) [][2]string {
	return slices.DeleteFunc(lines, func(l [2]string) bool { return l[1] == "" })
}

// tableOf makes a table of lines of cells, the headings first. Columns that say
// nothing are left out.
func tableOf(name string, lines [][]string) *table {
	t := &table{Name: name}
	var wanted []int
	for i := 1; i < len(lines[0]); i++ {
		if slices.ContainsFunc(lines[1:], func(l []string) bool { return l[i] != "" }) {
			wanted = append(wanted, i)
			t.Head = append(t.Head, lines[0][i])
		}
	}
	for _, cells := range lines[1:] {
		l := tableLine{Name: cells[0]}
		for _, i := range wanted {
			l.Cells = append(l.Cells, cells[i])
		}
		t.Lines = append(t.Lines, l)
	}
	return t
}

// sign is a glyph that tells a verdict without colour, and its class.
func (v Verdict) sign() (sign, class string) {
	switch v {
	case AimMet:
		return "●", "aimed"
	case MustMet:
		return "◐", "met"
	case Missed:
		return "✕", "missed"
	}
	return "○", "unrun"
}

// targetBars draws what was measured beside what it should be; nil when nothing
// was.
func targetBars(targets []Target) *figure {
	var bars []bar
	for i := range targets {
		t := &targets[i]
		if t.Measured == nil {
			continue
		}
		sign, class := t.Verdict.sign()
		b := bar{name: t.Name, class: class, value: *t.Measured, must: t.Must, aim: t.Aim}
		if t.Spread != nil {
			b.least, b.most = t.Spread.Least, t.Spread.Most
		}
		between := ""
		if words := t.between(); words != "" {
			between = "(" + words + ")"
		}
		b.words = join(", ", join(" ", sign, t.Verdict.words()+":", t.figure(), between),
			"must "+typeset(t.bound(t.Must)), "aim "+typeset(t.bound(t.Aim)))
		bars = append(bars, b)
	}
	if len(bars) == 0 {
		return nil
	}
	words := "Each bar has a scale of its own from 0. The full stroke is what it must reach or stay below, the broken one with the diamond the aim, the whiskers the least and the most of the pairs."
	return &figure{Name: "Measured, must and aim", Words: words,
		SVG: barsSVG("bars", "Measured, must and aim of each target", words+" The table above has the same figures.", bars)}
}

// timelinePart plots one scenario second by second.
func timelinePart(t *Timeline, id string) part {
	answered := line{name: "answered", color: 0}
	due := line{name: "due", color: 5, dashed: true}
	failed := line{name: "a second with errors", color: 4, marks: cross, bare: true}
	p50, p99 := line{name: "p50", color: 0}, line{name: "p99", color: 1, dashed: true}
	for _, s := range t.Seconds {
		answered.points = append(answered.points, point{s.T, s.PerSecond})
		if s.Offered > 0 {
			due.points = append(due.points, point{s.T, s.Offered})
		}
		if s.Errors > 0 {
			failed.points = append(failed.points, point{s.T, s.PerSecond})
		}
		if s.P50 > 0 { // somebody was answered
			p50.points = append(p50.points, point{s.T, s.P50})
			p99.points = append(p99.points, point{s.T, s.P99})
		}
	}
	time := axis{label: "seconds", zero: true, write: plainTick}
	rates := chart{
		id: id + "-rate", title: t.Scenario + ": throughput over time", desc: "Line plot: " + t.Unit + " a second against seconds.",
		x: time, y: axis{label: t.Unit + "/s", zero: true, write: compact}, lines: []line{answered},
	}
	for _, l := range []line{due, failed} {
		if len(l.points) > 0 {
			rates.lines = append(rates.lines, l)
		}
	}
	latency := chart{
		id: id + "-latency", title: t.Scenario + ": latency over time", desc: "Line plot: p50 and p99 of each second, logarithmic, against seconds.",
		x: time, y: axis{label: "latency", scale: decades, write: tickMicros}, lines: []line{p50, p99},
	}
	return part{Name: t.Scenario, Figures: []figure{
		{Name: "Throughput over time", SVG: rates.svg()},
		{Name: "Latency over time", SVG: latency.svg()},
	}}
}

// sweepPart plots latency against the rate of arrival, and percentile curves
// near half of the peak and near the top.
func sweepPart(s *Sweep, id string) part {
	out := part{Name: s.Scenario, About: s.words(), Table: tableOf(s.Scenario, sweepCells(s))}
	rates := chart{
		id: id + "-rates", title: s.Scenario + ": latency against the rate of arrival",
		desc: "Line plot: p50, p99 and p99.9, logarithmic, against requests due a second; the daemon's full, the bare handler's dashed.",
		x:    axis{label: "requests due a second", zero: true, write: compact},
		y:    axis{label: "latency, counted from when a request was due", scale: decades, write: tickMicros},
	}
	for i, of := range []struct {
		name string
		at   func(Latency) float64
	}{
		{"p50", func(l Latency) float64 { return l.P50 }},
		{"p99", func(l Latency) float64 { return l.P99 }},
		{"p99.9", func(l Latency) float64 { return l.P999 }},
	} {
		marks := [...]glyph{disc, square, triangle}[i]
		subject, limit := line{name: of.name, color: i, marks: marks}, line{name: "bare " + of.name, color: i, marks: marks, dashed: true}
		for _, p := range s.Points {
			subject.points = append(subject.points, point{p.Subject.Offered, of.at(p.Subject.Latency)})
			if p.Limit != nil {
				limit.points = append(limit.points, point{p.Limit.Offered, of.at(p.Limit.Latency)})
			}
		}
		if rates.lines = append(rates.lines, subject); len(limit.points) > 0 {
			rates.lines = append(rates.lines, limit)
		}
	}
	curves := chart{
		id: id + "-curve", title: s.Scenario + ": percentile curve",
		desc: "Line plot: latency, logarithmic, against percentiles, with 90, 99 and 99.9 equally far apart; the daemon's full, the bare handler's dashed.",
		x:    axis{label: "percentile", scale: nines, zero: true, write: plainTick},
		y:    axis{label: "latency, counted from when a request was due", scale: decades, write: tickMicros},
	}
	for i, p := range middleAndTop(s.Points) {
		at := rate(p.Subject.Offered) + "/s"
		if p.Fraction > 0 {
			at = percent(p.Fraction) + " of peak"
		}
		curves.lines = append(curves.lines, curve("at "+at, i, false, p.Subject.Curve))
		if p.Limit != nil {
			curves.lines = append(curves.lines, curve("bare at "+at, i, true, p.Limit.Curve))
		}
	}
	out.Figures = []figure{
		{Name: "Latency against the rate of arrival", SVG: rates.svg()},
		{Name: "Percentile curve", SVG: curves.svg()},
	}
	return out
}

// middleAndTop picks the point nearest to half of the peak and the one of the
// highest rate, which may be the same.
func middleAndTop(points []Point) (picked []*Point) {
	middle, top := 0, 0
	for i := range points {
		if math.Abs(points[i].Fraction-0.5) < math.Abs(points[middle].Fraction-0.5) {
			middle = i
		}
		if points[i].Subject.Offered > points[top].Subject.Offered {
			top = i
		}
	}
	if len(points) > 0 {
		picked = append(picked, &points[middle])
	}
	if top != middle {
		picked = append(picked, &points[top])
	}
	return picked
}

func curve(name string, color int, dashed bool, points []PercentilePoint) line {
	l := line{name: name, color: color, dashed: dashed}
	for _, p := range points {
		l.points = append(l.points, point{p.Percentile, p.Latency})
	}
	return l
}

// sizesPart plots cost against the amount of data.
func sizesPart(sizes []SizePoint) part {
	if len(sizes) == 0 {
		return part{}
	}
	events := axis{label: "events stored", scale: decades, write: compact}
	rates := chart{id: "size-rate", title: "Throughput against size", desc: "Line plot: units a second, logarithmic, against events stored, logarithmic.",
		x: events, y: axis{label: "a second", scale: decades, write: compact}}
	costs := chart{id: "size-cost", title: "Processor time against size", desc: "Line plot: processor time a unit, logarithmic, against events stored, logarithmic.",
		x: events, y: axis{label: "processor time each", scale: decades, write: tickMicros}}
	glyphs := [...]glyph{disc, square, triangle, diamond}
	for _, s := range sizes {
		i := slices.IndexFunc(rates.lines, func(l line) bool { return l.name == s.What })
		if i < 0 {
			i = len(rates.lines)
			l := line{name: s.What, color: i % 6, marks: glyphs[i%len(glyphs)], dashed: i/len(glyphs)%2 == 1}
			rates.lines, costs.lines = append(rates.lines, l), append(costs.lines, l)
		}
		rates.lines[i].points = append(rates.lines[i].points, point{float64(s.Events), s.PerSecond})
		if s.CPU > 0 {
			costs.lines[i].points = append(costs.lines[i].points, point{float64(s.Events), s.CPU})
		}
	}
	return part{Name: "Cost against size", Table: tableOf("Cost against size", sizeCells(sizes)), Figures: []figure{
		{Name: rates.title, SVG: rates.svg()}, {Name: costs.title, SVG: costs.svg()},
	}}
}

// rawRows lists every turn of a comparison.
func rawRows(name string, rows []Row) table {
	lines := [][]string{{"", "pair", "seconds", "requests", "units", "a second", "errors", "p50", "p99", "p99.9", "max", "CPU s", "debt s", "debt bytes", "busy after s", "allocs"}}
	for _, r := range rows {
		for _, s := range r.Slices {
			lines = append(lines, append(append([]string{r.Name, strconv.Itoa(s.Pair), short3(s.Seconds), thousands(s.Requests), thousands(s.Units), rate(s.PerSecond), thousands(s.Errors)},
				s.Latency.cells()...), short3(s.CPUSeconds), short3(s.DebtSeconds), thousands(s.DebtBytes), short3(s.Settled), rate(s.Mallocs)))
		}
	}
	return *tableOf(name, lines)
}

// rawSweep lists every turn of a sweep.
func rawSweep(s *Sweep) table {
	lines := [][]string{{"", "pair", "seconds", "due", "answered", "errors", "p50", "p99", "p99.9", "max", "late p99", "late max"}}
	add := func(name string, a *Arrival) {
		each := func(name string, t ArrivalSlice) {
			lines = append(lines, append(append([]string{name + ", " + rate(a.Offered) + "/s", strconv.Itoa(t.Pair), short3(t.Seconds), thousands(t.Due), thousands(t.Answered), thousands(t.Errors)},
				t.Latency.cells()...), micros(t.Lateness.P99), micros(t.Lateness.Max)))
		}
		for _, t := range a.Slices {
			each(name, t)
		}
		for _, t := range a.Late {
			each(name+", late and done again", t)
		}
	}
	for i := range s.Points {
		add(s.Scenario, &s.Points[i].Subject)
		if limit := s.Points[i].Limit; limit != nil {
			add("bare handler", limit)
		}
	}
	return *tableOf(s.Scenario+" at rates of arrival", lines)
}

// short3 writes a number to three decimals, without needless zeros.
func short3(v float64) string { return short(math.Round(v*1e3) / 1e3) }

// plainTick writes a round number of an axis.
func plainTick(v float64) string {
	return strconv.FormatFloat(v, 'g', 8, 64)
}

// compact writes a round number of an axis with k for thousands, M for millions.
func compact(v float64) string {
	switch {
	case v >= 1e6:
		return plainTick(v/1e6) + "M"
	case v >= 1e3:
		return plainTick(v/1e3) + "k"
	}
	return plainTick(v)
}

// tickMicros writes a round time of an axis, given in microseconds.
func tickMicros(us float64) string {
	switch {
	case us >= 1e6:
		return plainTick(us/1e6) + " s"
	case us >= 1e3:
		return plainTick(us/1e3) + " ms"
	}
	return plainTick(us) + " us"
}
