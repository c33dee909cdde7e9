package cluster

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"waytrace/trace"
)

func TestOwner(t *testing.T) {
	now := time.Now()
	ready := func(ago time.Duration) node { return node{standing: standing{true, now.Add(-ago)}} }
	away := func(ago time.Duration) node { return node{standing: standing{false, now.Add(-ago)}} }
	const blink = 30*time.Second - 1
	for _, c := range []struct {
		name  string
		nodes []node
		want  []int // of partitions 0, 1, 2, …
	}{
		{"one node", []node{ready(0)}, []int{0, 0, 0}},
		{"one node that is away", []node{away(time.Hour)}, []int{0, 0, 0}},
		{"all are ready", []node{ready(0), ready(0), ready(0)}, []int{0, 1, 2, 0, 1, 2}},
		{"one is away for a moment", []node{ready(0), away(blink), ready(0)}, []int{0, 1, 2}},
		{"one is out", []node{ready(0), away(30 * time.Second), ready(0)}, []int{0, 2, 2, 0, 2, 2}},
		{"the last is out", []node{ready(0), ready(0), away(time.Minute)}, []int{0, 1, 0}},
		{"two are out", []node{away(time.Minute), away(time.Hour), ready(0)}, []int{2, 2, 2}},
		{"the next one is away for a moment", []node{away(time.Minute), away(blink), ready(0)}, []int{1, 1, 2}},
		{"all are out", []node{away(time.Minute), away(time.Minute), away(time.Minute)}, []int{0, 1, 2}},
	} {
		for p, want := range c.want {
			if got := owner(uint16(p), c.nodes, now); got != want {
				t.Errorf("%s: partition %d belongs to %d, want %d", c.name, p, got, want)
			}
		}
	}
}

// Whatever the nodes have been through: whoever sees the same says the same, a node
// that is not out keeps what is at home there, one that is out has nothing while
// another one is left, and only what was at home with it moves.
func TestOwnerLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		nodes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) node {
			ago := time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds ago")) * time.Second
			return node{standing: standing{rapid.Bool().Draw(t, "ready"), now.Add(-ago)}}
		}), 1, 20).Draw(t, "nodes")
		left := 0
		for i := range nodes {
			if !nodes[i].out(now) {
				left++
			}
		}
		for p := range uint16(trace.Partitions) {
			got, home := owner(p, nodes, now), int(p)%len(nodes)
			switch {
			case got < 0 || got >= len(nodes):
				t.Fatalf("partition %d belongs to nobody: %d", p, got)
			case !nodes[home].out(now) && got != home:
				t.Fatalf("partition %d was taken from %d by %d", p, home, got)
			case left > 0 && nodes[got].out(now):
				t.Fatalf("partition %d belongs to %d, which is out, and %d are left", p, got, left)
			case left == 0 && got != home:
				t.Fatalf("nobody is left and partition %d went from %d to %d", p, home, got)
			}
			for at := home; at != got; at = (at + 1) % len(nodes) {
				if !nodes[at].out(now) {
					t.Fatalf("partition %d passed over %d", p, at)
				}
			}
		}
	})
}

func TestStanding(t *testing.T) {
	now := time.Now()
	s := standing{false, now}
	for _, step := range []struct {
		after time.Duration
		ready bool
		out   bool // just before that
	}{
		{29 * time.Second, false, false}, // still since the start
		{30 * time.Second, true, true},
		{31 * time.Second, true, false},
		{40 * time.Second, false, false},
		{69 * time.Second, false, false},
		{70 * time.Second, false, true},
		{71 * time.Second, true, true},
		{72 * time.Second, false, false},
	} {
		at := now.Add(step.after)
		if got := s.out(at); got != step.out {
			t.Errorf("after %s: out %t, want %t", step.after, got, step.out)
		}
		s.set(step.ready, at)
	}
}
