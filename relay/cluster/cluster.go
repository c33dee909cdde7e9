// Package cluster says which node acts for a parcel where only one should: every node
// stores and answers everything, but one alone polls, notifies and books.
//
// The nodes ask each other how they are, once a second; nothing is voted on. Each
// decides from what it sees, by the same rule, so that two that see the same decide the
// same; while they do not, both may act, and what acts must bear that.
//
//	c := cluster.New(settings, report, log)
//	c.Run()
//	if name, mine := c.OwnerOf(number); mine { … }
//	c.Close()
package cluster

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"waytrace/trace"
)

// A Cluster is the nodes as one of them sees them. Its methods are safe for concurrent
// use.
type Cluster struct {
	settings Settings
	self     func() Report
	log      *slog.Logger
	start    string // of the reports
	digest   string // of the nodes
	me       int    // which of the nodes this one is
	http     http.Client
	wall     func() int64 // the physical clock, milliseconds since 1970

	mu    sync.RWMutex
	mine  Report // what this node would say of itself, as of a second ago
	nodes []node // as settings.Nodes

	told told // what the log has heard; of look alone

	stop    context.CancelFunc
	running sync.WaitGroup
}

// A node is what is known of one: of a sister by asking, of this one by looking.
type node struct {
	standing
	asked    bool    // at least once, whatever came of it
	trouble  string  // why the last question had no good answer; "" when it had one
	answered bool    // the last question was answered by a report, if by a wrong node's
	report   Report  // the last one; zero before
	clock    reading // as of the last good answer; zero before
}

// How often a sister is asked, and how long she may take.
const (
	often = time.Second
	limit = 2 * time.Second
)

// New makes a cluster of settings that Check has found good. self says how this node is,
// whenever that is asked for; it may call methods of the cluster. log hears of what a
// person should look at, once; nil is silence.
func New(settings Settings, self func() Report, log *slog.Logger) *Cluster {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Cluster{
		settings: settings, self: self, log: log,
		start: rand.Text(), digest: digest(settings.Nodes),
		http: http.Client{
			Timeout: limit,
			// A sister sends nobody elsewhere; whoever does is not one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport:     &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true, MaxResponseHeaderBytes: maxReport},
		},
		wall:  func() int64 { return time.Now().UnixMilli() },
		nodes: make([]node, len(settings.Nodes)),
		stop:  func() {},
	}
	now := time.Now()
	for i := range c.nodes {
		c.nodes[i].since = now
		if settings.Nodes[i].Name == settings.Self {
			c.me = i
		}
	}
	c.told.init(len(c.nodes))
	return c
}

// Run begins to ask the sisters; Close ends it. Nobody is asked where there are none.
func (c *Cluster) Run() {
	if len(c.nodes) == 0 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for i := range c.nodes {
		do := func() { c.ask(ctx, i) }
		if i == c.me {
			do = c.look
		}
		c.running.Go(func() { repeat(ctx, do) })
	}
}

// repeat does something now and then once a second, until ctx ends.
func repeat(ctx context.Context, do func()) {
	tick := time.NewTicker(often)
	defer tick.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// Close ends what Run began, and gives up the connections.
func (c *Cluster) Close() {
	c.stop()
	c.running.Wait()
	c.http.CloseIdleConnections()
}

// Ask asks every sister once, for whoever wants to know without running: it returns
// when all have answered, or had their time, or ctx has ended.
func (c *Cluster) Ask(ctx context.Context) {
	if len(c.nodes) == 0 {
		return
	}
	var all sync.WaitGroup
	for i := range c.nodes {
		if i != c.me {
			all.Go(func() { c.ask(ctx, i) })
		}
	}
	all.Wait()
	c.look()
}

// Report is what this node says of itself now: the answer to a sister's question.
func (c *Cluster) Report() Report {
	r := c.self()
	r.Name, r.Start, r.Clock, r.Nodes = c.settings.Self, c.start, c.wall(), c.digest
	return r
}

// Owner is who acts for a partition, by name, and whether that is this node. Where
// there are no nodes but this one it is, without a name.
func (c *Cluster) Owner(partition uint16) (name string, mine bool) {
	if len(c.nodes) == 0 {
		return "", true
	}
	at := c.owners()[partition%trace.Partitions]
	return c.settings.Nodes[at].Name, at == c.me
}

// OwnerOf is Owner of a waybill's partition.
func (c *Cluster) OwnerOf(number string) (name string, mine bool) {
	return c.Owner(trace.PartitionOf(number))
}

// owners is who acts for each partition now.
func (c *Cluster) owners() (owners [trace.Partitions]int) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	now := time.Now()
	for p := range owners {
		owners[p] = owner(uint16(p), c.nodes, now)
	}
	return owners
}

// Clock says why this node's word about time must not count: nil when it may. It is
// wrong when it is 60 s or more from the majority's; the error's kind is
// ErrUnavailable. Of two nodes nobody can tell which one is wrong: then it is nil.
func (c *Cluster) Clock() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if ahead := c.majority(); ahead != 0 {
		return trace.Problemf(trace.ErrUnavailable, "clock_off", "%s", clockWords(ahead))
	}
	return nil
}

func clockWords(ahead time.Duration) string {
	where := "behind"
	if ahead < 0 {
		ahead, where = -ahead, "ahead of"
	}
	return fmt.Sprintf("this node's clock is %s %s the other nodes': set it right (by NTP)", ahead.Round(time.Second), where)
}

// majority is how far the majority's clock is ahead of this node's, or 0 when that is
// near enough. The lock is held.
func (c *Cluster) majority() time.Duration {
	var room [16]time.Duration
	all := room[:0]
	for i := range c.nodes {
		if ahead, known := c.aheadOf(&c.nodes[i]); known {
			all = append(all, ahead)
		}
	}
	return judge(all, len(c.nodes))
}

// Reasons are why this node is not to be used, as far as its sisters can tell: its clock
// is off, or they have not been asked yet. nil when there are none.
func (c *Cluster) Reasons() (reasons []string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for i := range c.nodes {
		if i != c.me && !c.nodes[i].asked {
			reasons = append(reasons, "the other nodes are being asked for the first time")
			break
		}
	}
	if ahead := c.majority(); ahead != 0 {
		reasons = append(reasons, clockWords(ahead))
	}
	return reasons
}
