package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// A daemon is one of our own, in a process of its own. It can be stopped and
// started again, on the same address and directory.
type daemon struct {
	*child
	command func(args ...string) *exec.Cmd
	data    string
	flags   []string
	admin   *endpoint
}

func (d *daemon) args(flags ...string) []string {
	listen := "127.0.0.1:0"
	if d.child != nil {
		listen = d.addr
	}
	args := append([]string{"serve", "--data", d.data, "--listen", listen, "--admin-listen", "127.0.0.1:0"}, d.flags...)
	return append(args, flags...)
}

// start starts it with further flags.
func (d *daemon) start(ctx context.Context, flags ...string) error {
	c, err := start(ctx, "daemon", d.command(d.args(flags...)...))
	if err != nil {
		return err
	}
	d.child = c
	select {
	case admin := <-c.said.admin:
		d.admin = at(admin)
		return nil
	case <-time.After(startWithin):
		return fmt.Errorf("the daemon did not say where its admin listener is; it said:\n%s", c.said)
	case <-c.done:
		return fmt.Errorf("the daemon ended; it said:\n%s", c.said)
	}
}

// stop ends it, when it runs.
func (d *daemon) stop() error {
	if d.child == nil {
		return nil
	}
	return d.child.stop()
}

// restart stops it and starts it again with further flags, and waits until it has
// read its heads.
func (d *daemon) restart(ctx context.Context, flags ...string) error {
	if err := d.stop(); err != nil {
		return err
	}
	if err := d.start(ctx, flags...); err != nil {
		return err
	}
	return d.scanned(ctx)
}

// knows reports whether it takes flags, without starting it.
func (d *daemon) knows(flags ...string) bool {
	_, err := d.print(flags...)
	return err == nil
}

// print is what it says of its settings.
func (d *daemon) print(flags ...string) (string, error) {
	cmd := d.command(append(d.args(flags...), "--check-config")...)
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	cmd.Env = withoutSettings(cmd.Env)
	text, err := cmd.Output()
	return string(text), err
}

// settings are how it is set.
func (d *daemon) settings(context.Context) (SideSettings, error) {
	text, err := d.print()
	if err != nil {
		return SideSettings{}, fmt.Errorf("ask the daemon for its settings: %w", err)
	}
	s := SideSettings{Name: "daemon", Text: text, MemLimit: os.Getenv("GOMEMLIMIT"), GOGC: cmp.Or(os.Getenv("GOGC"), "100")}
	m, err := d.metrics()
	if err != nil {
		return s, err
	}
	s.GOMAXPROCS = int(m["go_gomaxprocs"])
	if limit := m["go_memlimit_bytes"]; limit > 0 && limit < 1<<60 {
		s.MemLimit = strconv.FormatFloat(limit, 'f', 0, 64)
	}
	if percent, ok := m["waytrace_gogc_percent"]; ok {
		s.GOGC = strconv.FormatFloat(percent, 'f', 0, 64)
	}
	return s, nil
}

// ownSettings are how the generator is set, in whose process raw Pebble is.
func ownSettings() SideSettings {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return SideSettings{
		Name: "generator and raw Pebble", GOMAXPROCS: runtime.GOMAXPROCS(0), GOGC: strconv.Itoa(percent), MemLimit: os.Getenv("GOMEMLIMIT"),
		Text: "raw Pebble: the daemon's OPTIONS, in this process",
	}
}

// metrics are the figures that it tells of itself, by name, labels and all.
func (d *daemon) metrics() (map[string]float64, error) {
	a, err := ask(d.admin, d.admin.get("/metrics"))
	if err != nil {
		return nil, fmt.Errorf("metrics of the daemon: %w", err)
	}
	m := make(map[string]float64)
	for line := range bytes.Lines(a.Body) {
		name, value, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		if n, err := strconv.ParseFloat(value, 64); ok && err == nil {
			m[name] = n
		}
	}
	return m, nil
}

// mallocs is how many allocations its heap has seen. False where it does not tell.
func (d *daemon) mallocs() (float64, bool) {
	m, err := d.metrics()
	n, ok := m["go_memstats_mallocs_total"]
	return n, ok && err == nil
}

// compactWithin is how long compacting all there is may take.
const compactWithin = 10 * time.Minute

// compact lets it compact all there is, and waits for that. False: it does not do
// that when asked.
func (d *daemon) compact(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, compactWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+d.admin.addr+"/compact", nil)
	if err != nil {
		return false, err
	}
	request.Close = true
	answer, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return false, fmt.Errorf("compact: %w", err)
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK, nil
}

// scanWithin is how long a daemon may go on reading its heads after it was started.
const scanWithin = 15 * time.Minute

// scanned waits until the daemon has read its heads, which it does behind its back
// after each start and which takes the time of whoever is measured meanwhile. One
// that tells nothing of a scan makes none.
func (d *daemon) scanned(ctx context.Context) error {
	ticks := time.NewTicker(50 * time.Millisecond)
	defer ticks.Stop()
	for began := time.Now(); ; {
		m, err := d.metrics()
		switch {
		case err != nil:
			return err
		case m["waytrace_store_scan_pending"] == 0:
			return nil
		case time.Since(began) > scanWithin:
			return fmt.Errorf("the daemon still reads its heads, %s after it was started", scanWithin)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticks.C:
		}
	}
}

// debt is how many bytes wait to be compacted, and whether some are being.
func (d *daemon) debt() (bytes int64, busy bool) {
	m, err := d.metrics()
	if err != nil {
		return 0, false
	}
	return int64(m["waytrace_store_compaction_debt_bytes"]), m["waytrace_store_compactions_running"] > 0
}

// rss is the memory that the process has from the system, in bytes; 0 is not known.
func (c *child) rss() int64 {
	kib, err := strconv.ParseInt(strings.TrimSuffix(fieldOf(contents(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid)), "VmRSS"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// memorySettings are the settings that bound memory.
var memorySettings = []string{"store.cache", "store.memtable", "store.heads", "query.cache"}

// remember notes how much memory the daemon takes now.
func (r *run) remember(when string) {
	if r.daemon != nil {
		r.rememberOf(r.daemon, when)
	}
}

// rememberOf notes how much memory one of the daemons takes now, all set alike.
func (r *run) rememberOf(d *daemon, when string) {
	m, err := d.metrics()
	if err != nil {
		return
	}
	now := Memory{When: when, RSS: d.rss(), Heap: int64(m["go_memstats_heap_inuse_bytes"]), Caches: map[string]string{}}
	for _, s := range r.results.Settings.Sides {
		if s.Name == "daemon" {
			for _, name := range memorySettings {
				if value := setting(s.Text, name); value != "" {
					now.Caches[name] = value
				}
			}
		}
	}
	now.Allowed = allowedMemory(now.Caches)
	r.results.Memory = append(r.results.Memory, now)
}

// memoryBesides is what a daemon may take beside its caches and memtables.
const memoryBesides = 300_000_000 // bytes

// allowedMemory is how much memory the settings allow; 0 where they do not say.
func allowedMemory(settings map[string]string) int64 {
	allowed := int64(memoryBesides)
	for _, name := range memorySettings {
		n, ok := bytesOf(settings[name])
		if !ok {
			return 0
		}
		if name == "store.memtable" {
			n *= 3 // of which there may be so many
		}
		allowed += n
	}
	return allowed
}

// bytesOf reads a size as settings write it, such as 64MiB.
func bytesOf(text string) (int64, bool) {
	number := strings.TrimRight(text, "KMGiB")
	n, err := strconv.ParseInt(number, 10, 64)
	shift, known := map[string]int{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30}[text[len(number):]]
	return n << shift, known && err == nil
}

// setting finds "section: … name: value" in settings as YAML.
func setting(text, name string) string {
	section, key, _ := strings.Cut(name, ".")
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line != "" && line[0] != ' ' {
			inside = line == section+":"
			continue
		}
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && inside && k == key {
			v, _, _ = strings.Cut(v, " #")
			return strings.TrimSpace(v)
		}
	}
	return ""
}
