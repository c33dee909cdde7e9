package cluster

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// told is what the log has heard of each node, so that it hears of a change once.
type told struct {
	out, far []bool
	twin     []string
	differs  []string
	off      bool // this node's own clock
}

func (t *told) init(nodes int) {
	t.out, t.far = make([]bool, nodes), make([]bool, nodes)
	t.twin, t.differs = make([]string, nodes), make([]string, nodes)
}

// A line is one for the log.
type line struct {
	level slog.Level
	text  string
	args  []any
}

// look sees how this node is itself, and tells the log what has changed.
func (c *Cluster) look() {
	mine := c.Report() // not under the lock: it may ask the cluster
	c.mu.Lock()
	c.mine = mine
	c.nodes[c.me].report, c.nodes[c.me].asked = mine, true
	c.nodes[c.me].set(mine.Ready, time.Now())
	c.mu.Unlock()
	for _, l := range c.changes() { // nor is this: a log may be slow
		c.log.Log(context.Background(), l.level, "cluster: "+l.text, l.args...)
	}
}

// changes are what the log has not heard yet.
func (c *Cluster) changes() (lines []line) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	tell := func(level slog.Level, text string, args ...any) { lines = append(lines, line{level, text, args}) }
	t, now, twins := &c.told, time.Now(), c.twins()
	for i := range c.nodes {
		n, name := &c.nodes[i], c.settings.Nodes[i].Name
		if out := n.out(now); out != t.out[i] {
			t.out[i] = out
			switch me := i == c.me; {
			case !out && me:
				tell(slog.LevelInfo, "this node is ready again and acts for its share")
			case !out:
				tell(slog.LevelInfo, "a node is ready again and acts for its share", "sister", name)
			case me:
				tell(slog.LevelWarn, "this node has not been ready for long: others act for its share", "after", patience, "reasons", n.report.Reasons)
			default:
				tell(slog.LevelWarn, "a node has not been ready for long: others act for its share", "sister", name, "after", patience, "reasons", n.reasons())
			}
		}
		if i == c.me {
			continue
		}
		if twins[i] != t.twin[i] {
			if t.twin[i] = twins[i]; twins[i] != "" {
				tell(slog.LevelError, "two nodes run on copies of one directory: stop the copy, and make it a node of its own with `waytrace restore`",
					"sister", name, "other", twins[i], "node", n.report.Node)
			}
		}
		if n.trouble != "" || !n.asked {
			continue
		}
		if differs := strings.Join(differences(&c.mine, &n.report), "; "); differs != t.differs[i] {
			if t.differs[i] = differs; differs != "" {
				tell(slog.LevelWarn, "a node judges by other settings than this one: make them the same", "sister", name, "differs", differs)
			}
		}
		ahead, _ := c.aheadOf(n)
		if far := apart(ahead, t.far[i]); far != t.far[i] {
			if t.far[i] = far; far {
				tell(slog.LevelWarn, "a node's clock is far from this one's: set both right (by NTP)", "sister", name, "ahead", ahead.Round(time.Second))
			}
		}
	}
	ahead := c.majority()
	switch off := ahead != 0; {
	case off && !t.off:
		tell(slog.LevelError, clockWords(ahead), "help", "full lists are refused until then, and this node is not ready")
	case !off && t.off:
		tell(slog.LevelInfo, "this node's clock is right again")
	}
	t.off = ahead != 0
	return lines
}

// apart reports whether clocks are too far from each other. Once they are, they must
// come well within the limit, or noise at the limit would be told each second.
func apart(ahead time.Duration, before bool) bool {
	if before {
		return ahead.Abs() >= tooFar-tooFar/10
	}
	return ahead.Abs() >= tooFar
}
