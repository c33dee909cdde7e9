package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"waytrace/relay"
	"waytrace/relay/cluster"
	"waytrace/store"
)

// DoctorCmd is `waytrace doctor`.
type DoctorCmd struct {
	Config
}

// Help is the example of --help.
func (*DoctorCmd) Help() string {
	return `Takes the settings of serve, and looks at what they lead to: files, disk, keys, certificates, the
daemon, its sisters and their clocks, Kafka. It changes nothing, and a daemon that runs is not
disturbed. The exit status is 1 when something has failed.

Example:

	waytrace doctor --config /etc/waytrace/waytrace.yaml`
}

// checks are what is looked at, in this order. Each gives a finding for everything that
// a person should know, or one that all is well.
var checks = []struct {
	name string
	look func(*examination) []finding
}{
	{"config", (*examination).config},
	{"keys", (*examination).keys},
	{"certificate", (*examination).certificate},
	{"daemon", (*examination).daemon},
	{"data", (*examination).data},
	{"disk", (*examination).disk},
	{"sisters", (*examination).sisters},
	{"clock", (*examination).clock},
	{"kafka", (*examination).kafka},
}

// checkLimit is how long one check may take.
const checkLimit = 10 * time.Second

// An examination is one run of all checks.
type examination struct {
	*Config
	ctx     context.Context  // of the check that runs
	running string           // address of the daemon's admin listener; "" when none answers
	nodes   *cluster.Cluster // nil when the settings of the cluster are wrong; asked once
}

// A finding is one line of what doctor says.
type finding struct {
	level   level
	text    string
	command string // that would mend it; may be empty
}

// A level says how bad a finding is.
type level uint8

const (
	passed level = iota
	warned
	failed
)

var levels = [...]struct{ word, colour string }{passed: {"ok", green}, warned: {"warning", yellow}, failed: {"FAILED", red}}

func found(l level, format string, args ...any) []finding {
	return []finding{{level: l, text: fmt.Sprintf(format, args...)}}
}

// Run looks at everything and says what it found.
func (c *DoctorCmd) Run(ctx context.Context, std *streams) error {
	e := &examination{Config: &c.Config}
	if settings, err := c.cluster(); err == nil {
		// What is wrong with a carrier's settings is for the check of the settings to say.
		known, _ := c.Carriers.Carriers()
		report := reportOf(&c.Config, known)
		e.nodes = cluster.New(settings, func() cluster.Report { return report }, nil)
		defer e.nodes.Close()
	}
	count, look := [len(levels)]int{}, lookOf(std.out)
	for _, check := range checks {
		limited, cancel := context.WithTimeout(ctx, checkLimit)
		e.ctx = limited
		findings := check.look(e)
		cancel()
		if ctx.Err() != nil {
			return errors.New("stopped before all was looked at")
		}
		for _, f := range findings {
			count[f.level]++
			l := levels[f.level]
			fmt.Fprintf(std.out, "%s  %-11s  %s\n", look.paint(l.colour, fmt.Sprintf("%-7s", l.word)), check.name, plain(f.text))
			if f.command != "" {
				fmt.Fprintf(std.out, "%22s$ %s\n", "", plain(f.command))
			}
		}
	}
	if count[failed] > 0 {
		return fmt.Errorf("%d failed, %d warnings", count[failed], count[warned])
	}
	if count[warned] > 0 {
		fmt.Fprintf(std.err, "%d warnings\n", count[warned])
	}
	return nil
}

// config judges the settings as a start would.
func (e *examination) config() (all []finding) {
	if err := e.Check(); err != nil {
		for line := range strings.Lines(err.Error()) {
			all = append(all, found(failed, "%s", line)...)
		}
		return all
	}
	for _, doubt := range e.doubts() {
		all = append(all, found(warned, "%s", doubt)...)
	}
	if len(all) > 0 {
		return all
	}
	return found(passed, "the settings are good (%s)", cmp.Or(e.ConfigFile, "no --config"))
}

// keys looks at the file of keys, and whether there are any where some are needed.
func (e *examination) keys() (all []finding) {
	path := e.Keys()
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found(passed, "%s is not there: only this machine may read, and operate", path)
	case err != nil:
		return found(failed, "%v", err)
	}
	entries, err := readKeys(path)
	if err != nil {
		return found(failed, "%v", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		all = append(all, finding{warned, path + " can be read by other users of this machine", "chmod 600 " + path})
	}
	operators := 0
	for _, k := range entries {
		if slices.Contains(k.Scopes, "admin") {
			operators++
		}
	}
	if !loopback(e.AdminListen) && operators == 0 {
		all = append(all, finding{warned, "no key has scope admin, so nobody can operate this node from another machine",
			"waytrace keys new --scope admin" + e.flags()})
	}
	return append(all, found(passed, "%d keys in %s, %d of them for operators", len(entries), path, operators)...)
}

// expiresSoon is how long before its end a certificate is to be renewed.
const expiresSoon = 14 * 24 * time.Hour

// certificate looks at the certificates that are shown, to clients and to Kafka.
func (e *examination) certificate() (all []finding) {
	if e.TLSCert == "" {
		if loopback(e.Listen) {
			all = found(passed, "none: the public listener is plain HTTP, for this machine alone")
		} else {
			all = found(warned, "none: the public listener is plain HTTP on %s: set tls_cert and tls_key, unless a proxy in front has a certificate", e.Listen)
		}
	}
	for _, pair := range [][2]string{{e.TLSCert, e.TLSKey}, {e.Kafka.TLSCert, e.Kafka.TLSKey}} {
		if pair[0] == "" {
			continue
		}
		loaded, err := tls.LoadX509KeyPair(pair[0], pair[1])
		if err != nil {
			all = append(all, found(failed, "%s with %s: %v", pair[0], pair[1], err)...)
			continue
		}
		all = append(all, judgeCertificate(pair[0], loaded.Leaf, time.Now()))
	}
	return all
}

func judgeCertificate(path string, leaf *x509.Certificate, now time.Time) finding {
	end := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		return finding{failed, fmt.Sprintf("%s has expired on %s: renew it; a running daemon reads it by itself", path, end), ""}
	case now.Before(leaf.NotBefore):
		return finding{failed, fmt.Sprintf("%s is good from %s on only: is the clock right?", path, leaf.NotBefore.UTC().Format(time.DateTime)), ""}
	case left < expiresSoon:
		return finding{warned, fmt.Sprintf("%s expires on %s: renew it; a running daemon reads it by itself", path, end), ""}
	}
	return finding{passed, fmt.Sprintf("%s is good until %s", path, end), ""}
}

// daemon asks whether one runs with these settings, and is ready.
func (e *examination) daemon() []finding {
	host, port, err := net.SplitHostPort(e.AdminListen)
	if err != nil || port == "0" {
		return found(passed, "not asked: admin_listen %s is no address to ask at", e.AdminListen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // what is listened to everywhere is asked from here
	}
	address := net.JoinHostPort(host, port)
	conn, err := (&net.Dialer{}).DialContext(e.ctx, "tcp", address)
	if errors.Is(err, unix.ECONNREFUSED) {
		return found(passed, "none runs: nothing listens at %s", address)
	} else if err != nil {
		return found(failed, "%v", err)
	}
	conn.Close()
	to, err := newClient("http://"+address, "")
	if err != nil {
		return found(failed, "%v", err)
	}
	defer to.close()
	a, err := to.do(e.ctx, "/ready", "", nil)
	if err != nil {
		return found(failed, "%v", err)
	}
	var said struct {
		Ready   bool
		Reasons []string
	}
	if err := json.Unmarshal(a.body, &said); err != nil || a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
		return found(failed, "something else than waytrace listens at %s: stop it, or choose another admin_listen", to.base)
	}
	e.running = to.base
	if !said.Ready {
		return found(failed, "the one at %s is not ready: %s", to.base, strings.Join(said.Reasons, "; "))
	}
	return found(passed, "the one at %s is ready", to.base)
}

// data looks at the directory.
func (e *examination) data() []finding {
	info, err := os.Stat(e.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existing(e.Data)
		if err := unix.Access(parent, unix.W_OK|unix.X_OK); err != nil {
			return found(failed, "%s is not there, and cannot be made in %s: %v", e.Data, parent, err)
		}
		return found(passed, "%s is not there: the first start makes it", e.Data)
	case err != nil:
		return found(failed, "%v", err)
	case !info.IsDir():
		return found(failed, "%s is a file: name a directory", e.Data)
	}
	if err := unix.Access(e.Data, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return found(failed, "%s cannot be written by this user: %v: change its owner, or choose another directory with --data", e.Data, err)
	}
	if e.running != "" {
		return found(passed, "%s is left to the daemon that runs", e.Data)
	}
	if entries, err := os.ReadDir(e.Data); err == nil && len(entries) == 0 {
		return found(passed, "%s is empty: the first start fills it", e.Data)
	}
	held, err := store.Examine(e.Data, store.Options{Log: slog.New(slog.DiscardHandler)})
	switch {
	case err != nil:
		return found(failed, "%v", err)
	case held.Reborn:
		return []finding{{failed, e.Data + " is being made a new node, which was not finished", "waytrace restore --data " + e.Data}}
	}
	return found(passed, "%s has form %d, node %s, %d waybills", e.Data, store.Form, held.Node, held.Waybills)
}

// existing is the nearest directory above a path that is there.
func existing(path string) string {
	path, err := filepath.Abs(path)
	for err == nil {
		if _, missing := os.Stat(path); missing == nil || path == filepath.Dir(path) {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// disk looks at the room that is left where the data are.
func (e *examination) disk() []finding {
	var s unix.Statfs_t
	if err := unix.Statfs(existing(e.Data), &s); err != nil {
		return found(failed, "%s: %v", e.Data, err)
	}
	return []finding{judgeDisk(s.Bavail*uint64(s.Bsize), s.Blocks*uint64(s.Bsize), uint64(e.Store.Memtable))}
}

// judgeDisk says what so many free bytes mean. The store needs some memtables' room for
// itself before it takes a write; one more is for what comes meanwhile.
func judgeDisk(free, total, memtable uint64) finding {
	text := fmt.Sprintf("%.1f GiB of %.1f GiB are free", float64(free)/(1<<30), float64(total)/(1<<30))
	switch {
	case free < 4*memtable:
		return finding{failed, text + ": that is too little for the store to take writes: free some", ""}
	case free < total/10:
		return finding{warned, text + ": free some, or move the data to a larger disk", ""}
	}
	return finding{passed, text, ""}
}

// sisters asks all of them how they are.
func (e *examination) sisters() (all []finding) {
	if e.nodes == nil {
		return found(failed, "not asked: the settings of the cluster are wrong")
	}
	e.nodes.Ask(e.ctx)
	for _, s := range e.nodes.Sisters() {
		name := s.Name + ": "
		switch {
		case s.Twin != "":
			all = append(all, found(failed, "%sit runs on a copy of the directory of %s: stop the copy, and make it a node of its own there with `waytrace restore`", name, s.Twin)...)
		case s.Ahead == nil:
			all = append(all, found(failed, "%s%s", name, strings.Join(s.Reasons, "; "))...)
		case !s.Ready:
			all = append(all, found(warned, "%snot ready: %s", name, strings.Join(s.Reasons, "; "))...)
		default:
			all = append(all, found(passed, "%sready, version %s, node %s", name, s.Version, s.Node)...)
		}
		for _, differs := range s.Differs {
			all = append(all, found(warned, "%s%s: give both the same", name, differs)...)
		}
	}
	if all == nil {
		return found(passed, "none: this node is alone")
	}
	return all
}

// doubtfulClock is by how much a sister's clock may differ before somebody should know.
const doubtfulClock = 2 * time.Second

// clock compares this machine's with the sisters', who have been asked.
func (e *examination) clock() (all []finding) {
	if e.nodes == nil {
		return found(failed, "not compared: the settings of the cluster are wrong")
	}
	if err := e.nodes.Clock(); err != nil {
		all = found(failed, "%s", failureOf(err).Detail)
	}
	compared := 0
	for _, s := range e.nodes.Sisters() {
		if s.Ahead == nil {
			continue
		}
		compared++
		if d := time.Duration(*s.Ahead * float64(time.Second)); d.Abs() > doubtfulClock {
			all = append(all, found(warned, "%s: its clock differs from this machine's by %s: let NTP set both", s.Name, d.Round(100*time.Millisecond).Abs())...)
		}
	}
	switch {
	case all != nil:
		return all
	case compared == 0:
		return found(passed, "it is %s here; there is no sister to compare it with", time.Now().UTC().Format(time.RFC3339))
	}
	return found(passed, "compared with %d, none of which differs by more than %s", compared, doubtfulClock)
}

// kafka looks at the topic.
func (e *examination) kafka() (all []finding) {
	if len(e.Kafka.Brokers) == 0 {
		return found(passed, "none: this node keeps what it hears to itself")
	}
	report, err := relay.CheckTopic(e.ctx, e.Config.kafka(slog.New(slog.DiscardHandler)))
	if err != nil {
		return found(failed, "%v", err)
	}
	worth := map[relay.Level]level{relay.Fine: passed, relay.Risky: warned, relay.Broken: failed}
	for _, f := range report.Findings {
		if f.Level != relay.Fine {
			all = append(all, finding{worth[f.Level], f.Text, f.Command})
		}
	}
	if all == nil {
		return found(passed, "topic %s is as it should be, on %d brokers", report.Topic, report.Brokers)
	}
	return all
}
