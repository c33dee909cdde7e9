package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
)

// method says what the figures are and what they are not. It is printed below
// them.
var method = []string{
	"Closed loop: each connection asks again as soon as it is answered. Latency is the time of service under full load, and coordinated omission is not corrected: while the server stalls, nobody asks, so p99 and p99.9 say less than they would at a fixed rate of arrivals.",
	"Server and generator share the cores of one machine, and talk over loopback. Trust the ratio; another machine gives other absolute figures.",
	"The sides take turns in one run, so that drift of the machine meets both. A ratio is the median over the pairs, with the least and the most.",
	"The bare handler is fasthttp in a process of its own, set as the daemon's server is, giving recorded answers in turn without reading the question.",
	"CPU each is processor time of the answering process for one request or event, in user and in system; of raw Pebble, with the generator that it lives in.",
	"Raw Pebble runs in the generator's process, with the options that the daemon's Pebble wrote down: synced commits of ten events, one key each, loaded like the daemon; keys and values as the store makes them, without heads, feed, references, checks, or HTTP.",
	"Short turns that write leave flushes and compactions behind. Each side may go on with them, up to 5 s, before the next turn (busy after, the median), and is not charged for that; longer turns (--write-slice) charge more of it.",
}

// WriteJSON writes the results to a file, for programs. Its folder is made where
// it is missing.
func (r *Results) WriteJSON(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("results: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("results: %w", err)
	}
	return nil
}

// WriteTable writes the results for people.
func (r *Results) WriteTable(w io.Writer) error {
	var b strings.Builder
	m, s := r.Machine, r.Settings
	fmt.Fprintf(&b, "waytrace bench %s, %s\n", r.Version, r.Began.Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(&b, "%s\n", join(", ", plural(m.Cores, "core"), m.CPU, memory(m.Memory), strings.TrimSpace(m.System+" "+m.Kernel),
		m.Go, fmt.Sprintf("GOMAXPROCS %d", m.GOMAXPROCS), m.Disk, fmt.Sprintf("load before %.2f", m.LoadBefore)))
	fmt.Fprintf(&b, "%s connections, %s, turns of %s s reading and %s s writing\n",
		thousands(int64(s.Connections)), plural(s.Pairs, "pair"), short(s.ReadSeconds), short(s.WriteSeconds))
	fmt.Fprintf(&b, "loaded %s waybills x %d events by pushes of %d in %.1f s: %s events/s, p50 %s, p99 %s, max %s; busy %.1f s more\n",
		thousands(int64(s.Waybills)), s.EventsEach, s.EventsOfPush, r.Load.Seconds, thousands(int64(r.Load.PerSecond)),
		micros(r.Load.Latency.P50), micros(r.Load.Latency.P99), micros(r.Load.Latency.Max), r.Load.Settled)

	b.WriteString("\nReads: GET /v1/traces/{number}; hot is Zipf " + short(s.ZipfExponent) + "\n")
	writeRows(&b, r.Reads, "requests/s", "answer", false)
	b.WriteString("\nDurable writes: pushes of ten events, each answered after the sync\n")
	writeRows(&b, r.Writes, "events/s", "body", true)

	fmt.Fprintf(&b, "\nfdatasync of a 4 KiB append, one at a time: p50 %s, p99 %s, p99.9 %s, max %s (%s times)\n",
		micros(r.Sync.P50), micros(r.Sync.P99), micros(r.Sync.P999), micros(r.Sync.Max), thousands(r.Sync.Count))
	d := r.Directory
	fmt.Fprintf(&b, "directory at the end: %s for %s events, %.0f B an event; tables alone %.0f B an event, write-ahead log %s (what is in no table yet, and files kept for reuse)\n",
		megabytes(d.Bytes), thousands(d.Events), d.BytesPerEvent, d.TablePerEvent, megabytes(d.LogBytes))

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

// writeRows writes one comparison: a line for each side, with the median and the
// spread of its turns. busy is how long a side went on working after a turn;
// reads leave nothing to do.
func writeRows(b *strings.Builder, rows []Row, rate, body string, busy bool) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	cells := func(first string, others []string, last string) {
		if busy {
			others = append(others, last)
		}
		// Only the first column is aligned to the left, so it is padded by hand.
		fmt.Fprintf(t, "%-32s\t%s\t\n", first, strings.Join(others, "\t"))
	}
	cells("", []string{rate, "least", "most", "of limit", "p50", "p99", "p99.9", "max", body, "CPU each"}, "busy after")
	for _, r := range rows {
		of := ""
		if r.OfLimit != nil {
			of = fmt.Sprintf("%.2f (%.2f-%.2f)", r.OfLimit.Median, r.OfLimit.Least, r.OfLimit.Most)
		}
		cpu := "-"
		if r.CPU > 0 {
			cpu = micros(r.CPU)
		}
		after := make([]float64, len(r.Slices))
		for i, s := range r.Slices {
			after[i] = s.Settled
		}
		cells(r.Name, []string{
			thousands(int64(r.PerSecond.Median)), thousands(int64(r.PerSecond.Least)), thousands(int64(r.PerSecond.Most)), of,
			micros(r.Latency.P50), micros(r.Latency.P99), micros(r.Latency.P999), micros(r.Latency.Max),
			thousands(int64(r.BodyBytes+0.5)) + " B", cpu,
		}, fmt.Sprintf("%.1f s", spreadOf(after).Median))
	}
	t.Flush() // a strings.Builder takes everything
}

// thousands writes a number with commas.
func thousands(n int64) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// micros writes a time, given in microseconds, to three digits.
func micros(us float64) string {
	digits := func(v float64) string {
		switch {
		case v < 9.995:
			return strconv.FormatFloat(v, 'f', 2, 64)
		case v < 99.95:
			return strconv.FormatFloat(v, 'f', 1, 64)
		}
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	switch {
	case us < 999.5:
		return digits(us) + " us"
	case us < 999.5e3:
		return digits(us/1e3) + " ms"
	}
	return digits(us/1e6) + " s"
}

// short writes a number without needless zeros.
func short(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

func memory(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f GiB", float64(n)/(1<<30))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return thousands(int64(n)) + " " + word + "s"
}

// join leaves out what is empty.
func join(by string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, by)
}

// folded breaks a text into lines of at most width bytes and marks the first.
func folded(text string, width int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
			b.WriteString("- ")
			at = 2
		case at+1+len(word) > width:
			b.WriteString("\n  ")
			at = 2
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len(word)
	}
	b.WriteByte('\n')
	return b.String()
}
