package cluster

import (
	"fmt"
	"io"
	"time"
)

// A Sister is another node as this one sees it.
type Sister struct {
	Name    string    `json:"name"`
	URL     string    `json:"url"`
	Node    string    `json:"node,omitempty"` // id of its directory; "" when it never answered
	Ready   bool      `json:"ready"`
	Since   time.Time `json:"since"`             // when it became ready, or was not any more
	Reasons []string  `json:"reasons,omitempty"` // why it is not ready
	Version string    `json:"version,omitempty"`
	Form    int       `json:"form,omitempty"` // of its directory
	// Ahead is how many seconds its clock is ahead of this node's; nil when it never
	// answered.
	Ahead *float64 `json:"clock_difference_seconds,omitempty"`
	// Differs is what it has not in common with this node and should, in words.
	Differs []string `json:"differs,omitempty"`
	// Twin is the name of another node that shows the same id at this moment; "" is
	// none, as should be.
	Twin string `json:"twin,omitempty"`
}

// Sisters are all nodes but this one, in the order of the settings.
func (c *Cluster) Sisters() []Sister {
	c.mu.RLock()
	defer c.mu.RUnlock()
	sisters, twins := make([]Sister, 0, len(c.nodes)), c.twins()
	for i := range c.nodes {
		if i == c.me {
			continue
		}
		n, at := &c.nodes[i], c.settings.Nodes[i]
		s := Sister{Name: at.Name, URL: at.URL, Node: n.report.Node, Ready: n.ready, Since: n.since.UTC(),
			Version: n.report.Version, Form: n.report.Form, Twin: twins[i]}
		if !n.ready {
			s.Reasons = n.reasons()
		}
		if ahead, known := c.aheadOf(n); known {
			seconds := ahead.Seconds()
			s.Ahead = &seconds
		}
		if n.trouble == "" && n.asked {
			s.Differs = differences(&c.mine, &n.report)
		}
		sisters = append(sisters, s)
	}
	return sisters
}

// reasons are why a node is not ready.
func (n *node) reasons() []string {
	switch {
	case n.trouble != "":
		return []string{n.trouble}
	case !n.asked:
		return []string{"not asked yet"}
	}
	return n.report.Reasons
}

// aheadOf is how far a node's clock is ahead of this one's, where it is known. The
// lock is held.
func (c *Cluster) aheadOf(n *node) (ahead time.Duration, known bool) {
	if n.clock.clock == 0 {
		return 0, false
	}
	return n.clock.difference(c.wall(), time.Now()), true
}

// twins names for each node another one that shows the same id now, or "". The lock is
// held.
func (c *Cluster) twins() []string {
	ids, twins := make([]string, len(c.nodes)), make([]string, len(c.nodes))
	for i := range c.nodes {
		switch n := &c.nodes[i]; {
		case i == c.me:
			ids[i] = c.mine.Node
		case n.answered:
			ids[i] = n.report.Node
		}
	}
	for i, id := range ids {
		for j, other := range ids {
			if i != j && id != "" && id == other {
				twins[i] = c.settings.Nodes[j].Name
			}
		}
	}
	return twins
}

// A Share is which partitions a node acts for.
type Share struct {
	Node       string   `json:"node"` // its name
	Partitions []uint16 `json:"partitions"`
}

// Owners says who acts for what now, in the order of the settings.
func (c *Cluster) Owners() []Share {
	if len(c.nodes) == 0 {
		return nil
	}
	shares := make([]Share, len(c.nodes))
	for i, n := range c.settings.Nodes {
		shares[i] = Share{n.Name, []uint16{}}
	}
	for p, at := range c.owners() {
		shares[at].Partitions = append(shares[at].Partitions, uint16(p))
	}
	return shares
}

// WriteMetrics writes in Prometheus text form how the nodes are at this moment; nothing
// where there is one alone.
func (c *Cluster) WriteMetrics(w io.Writer) {
	if len(c.nodes) == 0 {
		return
	}
	number := map[bool]int{true: 1}
	twins := 0
	for _, s := range c.Sisters() {
		fmt.Fprintf(w, "waytrace_cluster_sister_ready{sister=%q} %d\n", s.Name, number[s.Ready])
		fmt.Fprintf(w, "waytrace_cluster_sister_differs{sister=%q} %d\n", s.Name, number[len(s.Differs) > 0])
		if s.Ahead != nil {
			fmt.Fprintf(w, "waytrace_cluster_clock_difference_seconds{sister=%q} %g\n", s.Name, *s.Ahead)
		}
		twins += number[s.Twin != ""]
	}
	owned := 0
	for _, at := range c.owners() {
		owned += number[at == c.me]
	}
	fmt.Fprintf(w, "waytrace_cluster_clock_off %d\nwaytrace_cluster_owned_partitions %d\nwaytrace_cluster_twins %d\n",
		number[c.Clock() != nil], owned, twins)
}
