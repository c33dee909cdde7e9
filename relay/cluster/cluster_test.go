package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"waytrace/trace"
)

// A world is nodes that reach each other in memory, under synctest's clock. Its fields
// are changed between rounds, under the lock.
type world struct {
	t     *testing.T
	mu    sync.Mutex
	nodes []*host
}

// A host is one node of a world.
type host struct {
	*Cluster
	world  *world
	name   string
	report Report
	skew   time.Duration // of its clock
	cut    bool          // from all others
	log    bytes.Buffer
}

// found makes nodes a, b, c … and runs them. The change comes before a host runs.
func found(t *testing.T, n int, change func(*host)) *world {
	w := &world{t: t}
	var nodes []Node
	for i := range n {
		name := string(rune('a' + i))
		nodes = append(nodes, Node{name, "http://" + name + ":1"})
	}
	for i, node := range nodes {
		h := &host{world: w, name: node.Name, report: good}
		h.report.Node = fmt.Sprintf("%016x", i+1)
		h.Cluster = New(Settings{Nodes: nodes, Self: node.Name, Key: testKey}, h.self, slog.New(slog.NewTextHandler(&h.log, nil)))
		h.http.Transport = h
		h.wall = func() int64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return time.Now().Add(h.skew).UnixMilli()
		}
		if change != nil {
			change(h)
		}
		w.nodes = append(w.nodes, h)
	}
	for _, h := range w.nodes {
		h.Run()
		t.Cleanup(h.Close)
	}
	synctest.Wait()
	return w
}

// self is what the daemon says: the cluster's own doubts are among its reasons.
func (h *host) self() Report {
	reasons := h.Reasons()
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	r := h.report
	r.Reasons = append(slices.Clone(r.Reasons), reasons...)
	r.Ready = r.Ready && len(reasons) == 0
	return r
}

// RoundTrip carries a question from this host to another one.
func (h *host) RoundTrip(r *http.Request) (*http.Response, error) {
	w := h.world
	w.mu.Lock()
	cut, to := h.cut, (*host)(nil)
	for _, other := range w.nodes {
		if other.name == r.URL.Hostname() {
			to, cut = other, cut || other.cut
		}
	}
	w.mu.Unlock()
	if cut || to == nil {
		return nil, &url.Error{Op: "Get", URL: r.URL.String(), Err: syscall.ECONNREFUSED}
	}
	if r.Header.Get("Authorization") != "Bearer "+testKey {
		w.t.Errorf("%s asks without the key", h.name)
	}
	b, err := json.Marshal(to.Report())
	return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(b)), Request: r}, err
}

// change changes hosts while nobody looks.
func (w *world) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

// after lets time pass, and gives all who were asked a moment to answer.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// agreed are the owners of partitions 0 to 5, which all of the hosts must agree on.
func (w *world) agreed(hosts ...*host) string {
	w.t.Helper()
	all := ""
	for i, h := range hosts {
		owners := ""
		for p := range uint16(6) {
			name, mine := h.Owner(p)
			if mine != (name == h.name) {
				w.t.Errorf("%s: partition %d belongs to %s, mine %t", h.name, p, name, mine)
			}
			owners += name
		}
		if i > 0 && owners != all {
			w.t.Errorf("%s says %s and %s says %s", hosts[0].name, all, h.name, owners)
		}
		all = owners
	}
	return all
}

func (h *host) metrics() string {
	var b strings.Builder
	h.WriteMetrics(&b)
	return b.String()
}

// said is what the log has heard since it was asked last.
func (h *host) said() string {
	defer h.log.Reset()
	return h.log.String()
}

func TestAlone(t *testing.T) {
	c := New(Settings{}, func() Report { return good }, nil)
	c.Run()
	defer c.Close()
	name, mine := c.OwnerOf("SF7444400031887")
	var b strings.Builder
	c.WriteMetrics(&b)
	if name != "" || !mine || c.Owners() != nil || len(c.Sisters()) != 0 || c.Clock() != nil || c.Reasons() != nil || b.Len() != 0 {
		t.Errorf("owner %q %t, owners %v, sisters %v, clock %v, reasons %q, metrics %s", name, mine, c.Owners(), c.Sisters(), c.Clock(), c.Reasons(), &b)
	}
}

// One node dies, is stood in for, and comes back.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 3, nil)
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		w.after(2 * time.Second)
		if got := w.agreed(a, b, c); got != "abcabc" {
			t.Errorf("at first: %s", got)
		}
		if got, _ := a.OwnerOf("SF7444400031887"); got != "a" { // partition 12 of three
			t.Errorf("SF7444400031887 belongs to %s", got)
		}
		want := []Share{{"a", []uint16{0, 3, 6, 9, 12, 15}}, {"b", []uint16{1, 4, 7, 10, 13}}, {"c", []uint16{2, 5, 8, 11, 14}}}
		if got := a.Owners(); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("owners %v, want %v", got, want)
		}

		w.change(func() { b.cut = true })
		w.after(29 * time.Second)
		if got := w.agreed(a, c); got != "abcabc" {
			t.Errorf("after 29 s: %s", got)
		}
		if s := a.Sisters()[0]; s.Ready || len(s.Reasons) != 1 || s.Reasons[0] != "nothing listens at http://b:1: is waytrace running there?" {
			t.Errorf("a sees %+v", s)
		}
		w.after(3 * time.Second)
		if got := w.agreed(a, c); got != "accacc" {
			t.Errorf("after 32 s: %s", got)
		}
		// Cut off from both it acts for all; it cannot know better.
		if got := w.agreed(b); got != "bbbbbb" {
			t.Errorf("b, cut off: %s", got)
		}
		if m := a.metrics(); !strings.Contains(m, "waytrace_cluster_sister_ready{sister=\"b\"} 0\n") || !strings.Contains(m, "waytrace_cluster_sister_ready{sister=\"c\"} 1\n") ||
			!strings.Contains(m, "waytrace_cluster_owned_partitions 6\n") {
			t.Errorf("metrics of a:\n%s", m)
		}
		if m := c.metrics(); !strings.Contains(m, "waytrace_cluster_owned_partitions 10\n") {
			t.Errorf("metrics of c:\n%s", m)
		}
		if got := a.said(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "not been ready for long") || !strings.Contains(got, "sister=b") {
			t.Errorf("the log of a: %s", got)
		}

		w.change(func() { b.cut = false })
		w.after(2 * time.Second)
		if got := w.agreed(a, b, c); got != "abcabc" {
			t.Errorf("b is back: %s", got)
		}
		if got := a.said(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "ready again") {
			t.Errorf("the log of a: %s", got)
		}
	})
}

// A node that knows itself that it is not ready gives its share away at the same time.
func TestNotReadyMyself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 2, nil)
		a, b := w.nodes[0], w.nodes[1]
		w.after(2 * time.Second)
		w.change(func() { a.report.Ready, a.report.Reasons = false, []string{"the disk is full"} })
		w.after(25 * time.Second)
		if got := w.agreed(a, b); got != "ababab" {
			t.Errorf("after 25 s: %s", got)
		}
		if s := b.Sisters()[0]; s.Ready || fmt.Sprint(s.Reasons) != "[the disk is full]" || time.Since(s.Since) < 24*time.Second {
			t.Errorf("b sees %+v", s)
		}
		w.after(7 * time.Second)
		if got := w.agreed(a, b); got != "bbbbbb" {
			t.Errorf("after 32 s: %s", got)
		}
		if got := a.said(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "this node has not been ready for long") || !strings.Contains(got, "the disk is full") {
			t.Errorf("the log of a: %s", got)
		}
		w.change(func() { a.report.Ready, a.report.Reasons = true, nil })
		w.after(2 * time.Second)
		if got := w.agreed(a, b); got != "ababab" {
			t.Errorf("in the end: %s", got)
		}
	})
}

// A sister that was never seen is waited for as long as one that has gone.
func TestNeverSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 2, func(h *host) { h.cut = h.name == "b" })
		a := w.nodes[0]
		w.after(28 * time.Second)
		if got := w.agreed(a); got != "ababab" {
			t.Errorf("after 28 s: %s", got)
		}
		w.after(4 * time.Second)
		if got := w.agreed(a); got != "aaaaaa" {
			t.Errorf("after 32 s: %s", got)
		}
	})
}

// A node is not ready before it has asked the others once.
func TestFirstRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := pair(t, "http://b:1", io.Discard)
		c.http.Transport = slow{time.Hour}
		c.Run()
		time.Sleep(limit - time.Millisecond)
		if got := c.Reasons(); len(got) != 1 || !strings.Contains(got[0], "asked for the first time") {
			t.Errorf("before: %q", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got := c.Reasons(); got != nil {
			t.Errorf("after: %q", got)
		}
		c.Close()
	})
}

// Of three clocks the one that is off is wrong, and its node is taken out; once it is
// right again, so is the node.
func TestClockOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 3, nil)
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		w.after(2 * time.Second)
		w.change(func() { b.skew = -59 * time.Second })
		w.after(2 * time.Second)
		if err := b.Clock(); err != nil {
			t.Errorf("59 s: %v", err)
		}
		w.change(func() { b.skew = -75 * time.Second })
		// Its own clock was set: it need not ask anybody.
		err := b.Clock()
		if err == nil || !strings.Contains(err.Error(), "this node's clock is 1m15s behind the other nodes': set it right (by NTP)") || !errors.Is(err, trace.ErrUnavailable) {
			t.Errorf("75 s: %v", err)
		}
		w.after(2 * time.Second)
		if a.Clock() != nil || c.Clock() != nil {
			t.Errorf("a: %v, c: %v", a.Clock(), c.Clock())
		}
		if s := a.Sisters()[0]; s.Ready || *s.Ahead != -75 || !strings.Contains(fmt.Sprint(s.Reasons), "1m15s behind") {
			t.Errorf("a sees %+v, ahead %g", s, *s.Ahead)
		}
		if m := b.metrics(); !strings.Contains(m, "waytrace_cluster_clock_difference_seconds{sister=\"a\"} 75\n") || !strings.Contains(m, "waytrace_cluster_clock_off 1\n") {
			t.Errorf("metrics of b:\n%s", m)
		}
		if got := b.said(); strings.Count(got, "level=ERROR") != 1 || strings.Count(got, "level=WARN") != 2 {
			t.Errorf("the log of b: %s", got)
		}
		if got := a.said(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "ahead=-1m15s") {
			t.Errorf("the log of a: %s", got)
		}

		// Cut off it does not forget.
		w.change(func() { b.cut = true })
		w.after(10 * time.Minute)
		if b.Clock() == nil {
			t.Error("it has forgotten that its clock is wrong")
		}
		w.change(func() { b.skew = 0 })
		if err := b.Clock(); err != nil {
			t.Errorf("set right: %v", err)
		}
		w.change(func() { b.cut = false })
		w.after(2 * time.Second)
		if got := w.agreed(a, b, c); got != "abcabc" {
			t.Errorf("in the end: %s", got)
		}
		if got := b.said(); !strings.Contains(got, "this node's clock is right again") {
			t.Errorf("the log of b: %s", got)
		}
	})
}

// Of two clocks nobody knows which one is wrong: it is said, and nothing more.
func TestTwoClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 2, func(h *host) {
			if h.name == "b" {
				h.skew = time.Hour
			}
		})
		a, b := w.nodes[0], w.nodes[1]
		w.after(3 * time.Second)
		for _, h := range w.nodes {
			if h.Clock() != nil || h.Reasons() != nil {
				t.Errorf("%s: %v, %q", h.name, h.Clock(), h.Reasons())
			}
			if got := h.said(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "a node's clock is far from this one's") {
				t.Errorf("the log of %s: %s", h.name, got)
			}
		}
		if got := w.agreed(a, b); got != "ababab" {
			t.Errorf("owners: %s", got)
		}
	})
}

// Nodes that judge differently are told, once, and once more when it changes.
func TestDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 2, func(h *host) {
			if h.name == "b" {
				h.report.Tables = map[string]uint32{"sf": 4, "alibaba": 1}
			}
		})
		a := w.nodes[0]
		w.after(10 * time.Second)
		const want = "the code table of sf has version 3 here and 4 there"
		if s := a.Sisters()[0]; !s.Ready || fmt.Sprint(s.Differs) != "["+want+"]" {
			t.Errorf("a sees %+v", s)
		}
		if got := a.said(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
			t.Errorf("the log of a: %s", got)
		}
		if m := a.metrics(); !strings.Contains(m, "waytrace_cluster_sister_differs{sister=\"b\"} 1\n") {
			t.Errorf("metrics of a:\n%s", m)
		}
		// Of one that cannot be reached nobody knows; coming back it is no news.
		w.change(func() { a.cut = true })
		w.after(2 * time.Second)
		if s := a.Sisters()[0]; s.Ready || s.Differs != nil {
			t.Errorf("a, cut off, sees %+v", s)
		}
		w.change(func() { a.cut = false })
		w.after(2 * time.Second)
		if s := a.Sisters()[0]; !s.Ready || s.Differs == nil || a.said() != "" {
			t.Errorf("a, back, sees %+v", s)
		}
		w.change(func() { a.report.Tables = map[string]uint32{"sf": 4, "alibaba": 1} })
		w.after(2 * time.Second)
		if s := a.Sisters()[0]; s.Differs != nil || a.said() != "" {
			t.Errorf("a sees %+v", s)
		}
	})
}

// Two nodes with one id are named by all three, for as long as both are there.
func TestTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := found(t, 3, func(h *host) {
			if h.name == "c" {
				h.report.Node = fmt.Sprintf("%016x", 2)
			}
		})
		a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
		w.after(10 * time.Second)
		for _, h := range []struct {
			*host
			twins string // of the two sisters
			count int
			lines int
		}{{a, "c b", 2, 2}, {b, " b", 1, 1}, {c, " c", 1, 1}} {
			var twins []string
			for _, s := range h.Sisters() {
				twins = append(twins, s.Twin)
			}
			if got := strings.Join(twins, " "); got != h.twins {
				t.Errorf("%s sees twins %q, want %q", h.name, got, h.twins)
			}
			if m := h.metrics(); !strings.Contains(m, fmt.Sprintf("waytrace_cluster_twins %d\n", h.count)) {
				t.Errorf("metrics of %s:\n%s", h.name, m)
			}
			if got := h.said(); strings.Count(got, "\n") != h.lines || strings.Count(got, "copies of one directory") != h.lines {
				t.Errorf("the log of %s: %s", h.name, got)
			}
		}
		// One that has gone and is elsewhere now is no twin.
		w.change(func() { c.cut = true })
		w.after(5 * time.Second)
		if s := a.Sisters(); s[0].Twin != "" || s[1].Twin != "" {
			t.Errorf("c has gone: %+v", s)
		}
		w.change(func() { c.cut, c.report.Node = false, fmt.Sprintf("%016x", 3) })
		w.after(5 * time.Second)
		if s := b.Sisters(); s[0].Twin != "" || s[1].Twin != "" {
			t.Errorf("c is born anew: %+v", s)
		}
	})
}

// Asking goes on once a second, whoever is slow, and ends with Close.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := pair(t, "http://b:1", io.Discard)
		c.http.Transport = counting{&asked}
		c.Run()
		time.Sleep(10*time.Second + 500*time.Millisecond)
		c.Close()
		if asked != 11 {
			t.Errorf("asked %d times in 10.5 s, want 11", asked)
		}
		time.Sleep(10 * time.Second)
		if asked != 11 {
			t.Errorf("asked %d times, closed after 11", asked)
		}
	})
}

type counting struct{ asked *int }

func (c counting) RoundTrip(*http.Request) (*http.Response, error) {
	*c.asked++
	return nil, syscall.ECONNRESET
}
