package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"waytrace/trace"
)

// method says what the figures are and what they are not. It is printed below
// them.
var method = []string{
	"The sides of a comparison take turns in one run, so that drift of the machine meets both. A ratio is taken pair by pair; it is the median, with the least and the most.",
	"Server and generator share the cores of one machine, and talk over loopback. Trust the ratio; another machine gives other absolute figures.",
	"Each part that pushes begins with the directory as it was loaded and compacted, so that traces have the length that the results name.",
	"Reads are measured after each status and each trace was asked for once, and after the daemon has read its heads, which it does behind its back when it was started.",
	"Peaks are of a closed loop: each connection asks again as soon as it is answered. Their latency is the time of service under full load; while the server stalls, nobody asks, so it says little about a fixed rate of arrivals.",
	"Sweeps are an open loop: requests are due at random (Poisson) times from a seeded schedule, whatever the server does, and latency counts from the time at which a request was due. Lateness is the generator's own part of that; a turn with too much of it is done again, twice at most, and its figures are kept apart (late turns).",
	"The bare handler is fasthttp in a process of its own, set as the daemon's server is, giving recorded answers in turn without reading the question.",
	"CPU each is processor time of the answering process for one request or event, in user and in system; of raw Pebble, with the generator that it lives in.",
	"Raw Pebble runs in the generator's process, with the options that the daemon's Pebble wrote down: synced commits in groups of the push's size, one key an event, loaded like the daemon; keys and values as the store makes them, without heads, feed, references, checks, or HTTP.",
	"Turns that write leave compactions behind. The time until they have caught up (debt) is charged: it counts as time of the turn. What a side does after that, up to 5 s before the next turn (busy after), is not.",
}

// WriteJSON writes the results to a file, for programs. Its folder is made where
// it is missing.
func (r *Results) WriteJSON(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return writeFile(file, append(text, '\n'))
}

// writeFile writes a file of results, and makes its folder where it is missing.
func writeFile(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// ReadResults reads what WriteJSON wrote. Another schema is trace.ErrInvalid.
func ReadResults(file string) (*Results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	var r Results
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&r); err != nil {
		return nil, fmt.Errorf("results: %s: %v: %w", file, err, trace.ErrInvalid)
	}
	if r.Schema != schema {
		return nil, fmt.Errorf("results: %s has schema %d, this program reads %d; measure again with it, or read the file with the version that wrote it (%q): %w",
			file, r.Schema, schema, r.Version, trace.ErrInvalid)
	}
	return &r, nil
}

// WriteTable writes the results for people.
func (r *Results) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "waytrace bench %s, %s, %s\n", r.Version, r.Mode, r.Began.UTC().Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(&b, "%s\n%s\n", r.Machine.words(), r.Settings.words())
	if words := r.Load.words(&r.Settings); words != "" {
		fmt.Fprintf(&b, "%s\n", words)
	}
	if r.Mode == ModeQuick {
		fmt.Fprintf(&b, "QUICK: little data and short turns; a look, not a measurement\n")
	}

	writeTargets(&b, r.Targets)
	for _, g := range r.Groups {
		fmt.Fprintf(&b, "\n%s\n", join(": ", g.Name, g.About))
		writeRows(&b, g.Rows)
	}
	if len(r.Calibration.Rows) > 0 {
		b.WriteString("\nCalibration\n")
		writeRows(&b, r.Calibration.Rows)
	}
	for i := range r.Sweeps {
		writeSweep(&b, &r.Sweeps[i])
	}
	r.writeRest(&b)

	b.WriteString("\nHow to read it\n")
	for _, line := range r.Method {
		b.WriteString(folded(line, 100))
	}
	if r.Valid() {
		fmt.Fprintf(&b, "\nno errors; %.0f s in all\n", r.Seconds)
	} else {
		b.WriteString("\nINVALID: these figures are not what they say\n")
		for _, p := range r.Problems {
			b.WriteString(folded(p, 100))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (m Machine) words() string {
	return join(", ", plural(m.Cores, "core"), m.CPU, memory(m.Memory), join(" ", m.System, m.Kernel),
		m.Go, fmt.Sprintf("GOMAXPROCS %d", m.GOMAXPROCS), m.Disk, fmt.Sprintf("load before %.2f", m.LoadBefore))
}

func (s *Settings) words() string {
	url := ""
	if s.URL != "" {
		url = "of the daemon at " + s.URL
	}
	sizes := ""
	if s.SmallWaybills > 0 {
		sizes = fmt.Sprintf("directories of %s, %s and %s waybills x %d events, ingest for %s s", thousands(int64(s.SmallWaybills)),
			thousands(int64(s.MiddleWaybills)), thousands(int64(s.Waybills)), s.EventsEach, short(s.IngestSeconds))
	}
	return join(", ", url, sizes, plural(s.Connections, "connection"), plural(s.Pairs, "pair"),
		fmt.Sprintf("turns of %s s reading and %s s writing", short(s.ReadSeconds), short(s.WriteSeconds)),
		"hot is Zipf "+short(s.ZipfExponent), fmt.Sprintf("seed %d", s.Seed))
}

// words is how the set got in; "" where none was loaded.
func (l *Load) words(s *Settings) string {
	if l.Events == 0 {
		return ""
	}
	return fmt.Sprintf("loaded %s waybills x %d events by pushes of %d in %.1f s: %s events/s, p50 %s, p99 %s, max %s; busy %.1f s more",
		thousands(int64(s.Waybills)), s.EventsEach, s.EventsOfPush, l.Seconds, rate(l.PerSecond),
		micros(l.Latency.P50), micros(l.Latency.P99), micros(l.Latency.Max), l.Settled)
}

// verdicts says how many targets have each verdict, the worst first.
func verdicts(targets []Target) string {
	var parts []string
	for _, v := range []Verdict{Missed, MustMet, AimMet, NotRun} {
		n := 0
		for _, t := range targets {
			if t.Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v.words()))
		}
	}
	return join(", ", parts...)
}

// words is a verdict for people.
func (v Verdict) words() string {
	switch v {
	case AimMet:
		return "aim met"
	case MustMet:
		return "must met"
	case Missed:
		return "MISSED"
	}
	return string(v)
}

// figure is what was measured of a target; "-" where nothing was.
func (t *Target) figure() string {
	if t.Measured == nil {
		return "-"
	}
	return quantity(*t.Measured, t.Unit)
}

// between is the spread of what was measured.
func (t *Target) between() string {
	if t.Measured == nil || t.Spread == nil {
		return ""
	}
	return t.Spread.words(func(v float64) string { return quantity(v, t.Unit) })
}

// bound is what a target allows: at least, or at most, so much.
func (t *Target) bound(v float64) string {
	if t.Higher {
		return ">= " + bound(v, t.Unit)
	}
	return "<= " + bound(v, t.Unit)
}

// columns writes lines of aligned cells, the first to the left and the others to
// the right. Columns in which no line but the first says anything are left out.
func columns(b *strings.Builder, lines [][]string) {
	first := 0
	for _, cells := range lines {
		first = max(first, utf8.RuneCountInString(cells[0]))
	}
	var padded strings.Builder
	t := tabwriter.NewWriter(&padded, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, cells := range lines {
		// The writer aligns all columns alike, so this one is padded by hand.
		fmt.Fprintf(t, "%-*s\t", first, cells[0])
		for i, cell := range cells[1:] {
			if slices.ContainsFunc(lines[1:], func(l []string) bool { return l[i+1] != "" }) {
				fmt.Fprintf(t, "%s\t", cell)
			}
		}
		fmt.Fprintln(t)
	}
	t.Flush() // a strings.Builder takes everything
	for l := range strings.Lines(padded.String()) {
		b.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
}

// writeTargets writes what was measured beside what it should be.
func writeTargets(b *strings.Builder, targets []Target) {
	if len(targets) == 0 {
		return
	}
	fmt.Fprintf(b, "\nTargets: %s\n", verdicts(targets))
	lines := [][]string{{"", "measured", "spread", "must", "aim", "run", "verdict"}}
	for i := range targets {
		t := &targets[i]
		lines = append(lines, []string{t.Name, t.figure(), t.between(), t.bound(t.Must), t.bound(t.Aim), t.Run, t.Verdict.words()})
	}
	columns(b, lines)
}

// rateUnit is the heading of a column of rates.
func rateUnit(rows []Row) string {
	for i := range rows {
		if rows[i].Unit != rows[0].Unit {
			return mixedUnits
		}
	}
	if len(rows) == 0 {
		return mixedUnits
	}
	return rows[0].Unit + "/s"
}

const mixedUnits = "a second"

// label is a row's name with what sets it apart from the others of its table.
func (row *Row) label(rows []Row) string {
	name := row.Name
	if rateUnit(rows) == mixedUnits {
		name += ", " + row.Unit
	}
	return join("; ", name, row.Setting)
}

// writeRows writes one comparison: a line for each side, with the median and the
// spread of its turns.
func writeRows(b *strings.Builder, rows []Row) {
	if len(rows) == 0 {
		return
	}
	columns(b, rowCells(rows))
}

// rowCells is a comparison as a table, its headings first.
func rowCells(rows []Row) [][]string {
	lines := [][]string{{"", rateUnit(rows), "least", "most", "of limit", "spread", "conns", "p50", "p99", "p99.9", "max", "body", "CPU each", "allocs each", "debt", "busy after"}}
	for i := range rows {
		r := &rows[i]
		of, between, cpu, allocs, debt, busy, body, conns := "", "", "", "", "", "", "", ""
		if r.OfLimit != nil {
			of, between = digits(r.OfLimit.Median), r.OfLimit.words(digits)
		}
		if r.CPU > 0 {
			cpu = micros(r.CPU)
		}
		if r.Mallocs != nil {
			allocs = digits(*r.Mallocs)
		}
		if r.DebtSeconds.Most > 0 {
			debt = fmt.Sprintf("%.1f s", r.DebtSeconds.Median)
		}
		if r.BodyBytes > 0 {
			body = rate(r.BodyBytes) + " B"
		}
		if r.Connections > 0 {
			conns = thousands(int64(r.Connections))
		}
		after := make([]float64, len(r.Slices))
		for i, s := range r.Slices {
			after[i] = s.Settled
		}
		if s := spreadOf(after); s.Most > 0 {
			busy = fmt.Sprintf("%.1f s", s.Median)
		}
		lines = append(lines, append(append([]string{r.label(rows),
			rate(r.PerSecond.Median), rate(r.PerSecond.Least), rate(r.PerSecond.Most), of, between, conns},
			r.Latency.cells()...), body, cpu, allocs, debt, busy))
	}
	return lines
}

// cells are p50, p99, p99.9 and the most; empty where nothing was counted.
func (l Latency) cells() []string {
	if l.Count == 0 {
		return []string{"", "", "", ""}
	}
	return []string{micros(l.P50), micros(l.P99), micros(l.P999), micros(l.Max)}
}

// writeSweep writes one scenario at several rates of arrival.
func writeSweep(b *strings.Builder, s *Sweep) {
	fmt.Fprintf(b, "\n%s at rates of arrival: %s\n", s.Scenario, s.words())
	columns(b, sweepCells(s))
}

func (s *Sweep) words() string {
	peaks := ""
	if s.Peak > 0 {
		peaks = "peak " + rate(s.Peak) + "/s"
		if s.LimitPeak > 0 {
			peaks += ", the bare handler's " + rate(s.LimitPeak) + "/s"
		}
	}
	beside := ""
	if s.Beside != "" {
		beside = "beside " + s.Beside
	}
	return join("; ", s.About, peaks, plural(s.Connections, "connection"), beside)
}

// sweepCells is a sweep as a table, its headings first. What is the limit's
// stands in brackets behind what is the daemon's.
func sweepCells(s *Sweep) [][]string {
	lines := [][]string{{"of peak", "due/s", "answered/s", "errors", "dropped", "p50", "p99", "p99.9", "max", "bare p99", "bare p99.9", "p99 ratio", "p99.9 ratio", "late p99", "done again"}}
	for i := range s.Points {
		p := &s.Points[i]
		of, errors, dropped, bare99, bare999, again := "", "", "", "", "", ""
		if p.Fraction > 0 {
			of = percent(p.Fraction)
		}
		if p.Subject.Errors > 0 {
			errors = thousands(p.Subject.Errors)
		}
		if p.Subject.Dropped > 0 {
			dropped = thousands(p.Subject.Dropped)
		}
		late := len(p.Subject.Late)
		if p.Limit != nil {
			late += len(p.Limit.Late)
		}
		if late > 0 {
			again = plural(late, "turn")
		}
		if p.Limit != nil {
			bare99, bare999 = micros(p.Limit.Latency.P99), micros(p.Limit.Latency.P999)
		}
		lines = append(lines, append(append([]string{of, rate(p.Subject.Offered), rate(p.Subject.Achieved), errors, dropped},
			p.Subject.Latency.cells()...), bare99, bare999, ratioCell(p.P99Ratio), ratioCell(p.P999Ratio), micros(p.Subject.Lateness.P99), again))
	}
	return lines
}

func ratioCell(s *Spread) string {
	if s == nil {
		return ""
	}
	if between := s.words(digits); between != "" {
		return digits(s.Median) + " (" + between + ")"
	}
	return digits(s.Median)
}

// restartCells is a table of restarts under load, its headings first.
func restartCells(restarts []Restart) [][]string {
	lines := [][]string{{"", "due/s", "due", "failed", "longest gap", "stopping", "starting"}}
	for _, s := range restarts {
		lines = append(lines, []string{s.Scenario, rate(s.Offered), thousands(s.Due), thousands(s.Failed), micros(s.Gap * 1e6), micros(s.Stopping * 1e6), micros(s.Starting * 1e6)})
	}
	return lines
}

// openingCells is a table of starts after a kill, its headings first.
func openingCells(openings []Opening) [][]string {
	lines := [][]string{{"", "log", "ready", "heads read", "RSS when ready"}}
	for i, o := range openings {
		lines = append(lines, []string{fmt.Sprintf("opening %d", i+1), megabytes(o.LogBytes), micros(o.Ready * 1e6), micros(o.Scanned * 1e6), megabytes(o.RSS)})
	}
	return lines
}

// sizeCells is a table of costs at amounts of data, its headings first.
func sizeCells(sizes []SizePoint) [][]string {
	lines := [][]string{{"", "waybills", "events", "a second", "CPU each"}}
	for _, s := range sizes {
		cpu := ""
		if s.CPU > 0 {
			cpu = micros(s.CPU)
		}
		lines = append(lines, []string{join(", ", s.What, s.Unit), thousands(s.Waybills), thousands(s.Events), rate(s.PerSecond), cpu})
	}
	return lines
}

// memoryCells is a table of what the daemon took, its headings first.
func memoryCells(memories []Memory) [][]string {
	lines := [][]string{{"", "RSS", "Go heap", "allowed", "caches"}}
	for _, m := range memories {
		allowed := ""
		if m.Allowed > 0 {
			allowed = megabytes(m.Allowed)
		}
		var caches []string
		for name, value := range m.Caches {
			caches = append(caches, name+" "+value)
		}
		slices.Sort(caches)
		lines = append(lines, []string{m.When, megabytes(m.RSS), megabytes(m.Heap), allowed, join(", ", caches...)})
	}
	return lines
}

// writeRest writes what is no comparison.
func (r *Results) writeRest(b *strings.Builder) {
	if len(r.Restarts) > 0 {
		b.WriteString("\nRestarts under load\n")
		columns(b, restartCells(r.Restarts))
	}
	if len(r.Openings) > 0 {
		b.WriteString("\nOpened after a kill\n")
		columns(b, openingCells(r.Openings))
	}
	if len(r.Sizes) > 0 {
		b.WriteString("\nCost against size\n")
		columns(b, sizeCells(r.Sizes))
	}
	if len(r.Memory) > 0 {
		b.WriteString("\nMemory of the daemon\n")
		columns(b, memoryCells(r.Memory))
	}
	for _, words := range r.facts() {
		fmt.Fprintf(b, "\n%s\n", words)
	}
}

// facts are sentences for what needs no table.
func (r *Results) facts() (facts []string) {
	sustained := ""
	if r.Sustained != nil {
		sustained = r.Sustained.words()
	}
	for _, words := range []string{sustained, r.Calibration.words(), r.Directory.words()} {
		if words != "" {
			facts = append(facts, words)
		}
	}
	return facts
}

// words is what a sync costs; "" where none was measured.
func (c *Calibration) words() string {
	s := c.Sync
	if s.Count == 0 {
		return ""
	}
	return fmt.Sprintf("fdatasync of a 4 KiB append, one at a time: p50 %s, p99 %s, p99.9 %s, max %s (%s times)",
		micros(s.P50), micros(s.P99), micros(s.P999), micros(s.Max), thousands(s.Count))
}

// words is what lies on the disk; "" where it was not looked at.
func (d *Directory) words() string {
	if d.Bytes == 0 {
		return ""
	}
	compacted := ""
	if c := d.Compacted; c != nil {
		compacted = fmt.Sprintf("compacted, %.1f B an event in tables and %.1f B more of feed, of %s events, %.1f a waybill",
			c.PerEvent, c.FeedPerEvent, thousands(c.Events), c.EventsPerTrace)
	}
	return join("; ", fmt.Sprintf("directory at the end: %s for %s events, %.0f B an event; tables alone %.0f B an event, write-ahead log %s (what is in no table yet, and files kept for reuse)",
		megabytes(d.Bytes), thousands(d.Events), d.BytesPerEvent, d.TablePerEvent, megabytes(d.LogBytes)), compacted)
}
