package trace

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestKnown(t *testing.T) {
	type step struct {
		own, mark uint64
		want      Verdict
	}
	for _, c := range []struct {
		name  string
		steps []step
		own   uint64
		runs  []Run
	}{
		{"from the first on", []step{{1, 7, FollowsOn}, {2, 7, FollowsOn}, {3, 7, FollowsOn}}, 3, []Run{{7, 1}}},
		{"the log begins later", []step{{2, 7, Gap}}, 0, nil},
		{"repeats", []step{{1, 7, FollowsOn}, {2, 7, FollowsOn}, {1, 7, Repeated}, {2, 7, Repeated}, {3, 7, FollowsOn}}, 3, []Run{{7, 1}}},
		{"a gap changes nothing", []step{{1, 7, FollowsOn}, {3, 8, Gap}, {2, 7, FollowsOn}}, 2, []Run{{7, 1}}},
		{"a restart", []step{{1, 7, FollowsOn}, {2, 8, FollowsOn}, {1, 7, Repeated}, {2, 8, Repeated}, {3, 8, FollowsOn}}, 3, []Run{{7, 1}, {8, 2}}},
		{"one number under two marks", []step{{1, 7, FollowsOn}, {2, 7, FollowsOn}, {2, 8, Twin}}, 2, []Run{{7, 1}}},
		{"a number of before the restart under the mark since", []step{{1, 7, FollowsOn}, {2, 8, FollowsOn}, {1, 8, Twin}}, 2, []Run{{7, 1}, {8, 2}}},
		{"a mark that had ended goes on", []step{{1, 7, FollowsOn}, {2, 8, FollowsOn}, {3, 7, Twin}, {3, 8, FollowsOn}}, 3, []Run{{7, 1}, {8, 2}}},
		{"number 0", []step{{0, 7, Repeated}}, 0, nil},
		{"the last number there is", []step{{1<<64 - 1, 7, Gap}}, 0, nil},
	} {
		var k Known
		for i, s := range c.steps {
			if got := k.Take(s.own, s.mark); got != s.want {
				t.Errorf("%s: step %d, number %d under %d: verdict %d, want %d", c.name, i+1, s.own, s.mark, got, s.want)
			}
		}
		if diff := cmp.Diff(Known{c.own, c.runs}, k); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}

// The newest starts are remembered; a number of before them is a repeat under any mark.
func TestKnownForgets(t *testing.T) {
	var k Known
	for i := uint64(1); i <= maxRuns+10; i++ {
		if got := k.Take(i, 100+i); got != FollowsOn {
			t.Fatalf("number %d: verdict %d", i, got)
		}
	}
	if len(k.Runs) != maxRuns || k.Runs[0] != (Run{111, 11}) {
		t.Errorf("%d runs are kept, the first is %+v", len(k.Runs), k.Runs[0])
	}
	if forgotten, kept := k.Take(10, 7), k.Take(11, 7); forgotten != Repeated || kept != Twin {
		t.Errorf("a number of a start that was forgotten: verdict %d; of one that was not: %d", forgotten, kept)
	}
}

// A copy that went on is independent of what it was copied from: what was not written
// is forgotten with it.
func TestKnownCopies(t *testing.T) {
	var k Known
	k.Take(1, 7)
	tried := k
	tried.Take(2, 8)
	tried.Take(3, 9)
	other := k
	other.Take(2, 10)
	if want := (Known{1, []Run{{7, 1}}}); !cmp.Equal(k, want) {
		t.Errorf("it became %+v", k)
	}
	if want := (Known{3, []Run{{7, 1}, {8, 2}, {9, 3}}}); !cmp.Equal(tried, want) {
		t.Errorf("the copy became %+v", tried)
	}
	if want := (Known{2, []Run{{7, 1}, {10, 2}}}); !cmp.Equal(other, want) {
		t.Errorf("the other copy became %+v", other)
	}
}

// An operator's word goes on behind a gap, or behind twins, and says nothing of what
// lies before.
func TestKnownSkip(t *testing.T) {
	k := Known{5, []Run{{7, 1}}}
	k.Skip(9)
	for _, s := range []struct {
		own, mark uint64
		want      Verdict
	}{{8, 1, Repeated}, {10, 7, Gap}, {9, 3, FollowsOn}, {9, 7, Twin}, {10, 7, FollowsOn}} {
		if got := k.Take(s.own, s.mark); got != s.want {
			t.Errorf("number %d under %d: verdict %d, want %d", s.own, s.mark, got, s.want)
		}
	}
	k.Skip(0)
	if got := k.Take(1, 7); got != FollowsOn {
		t.Errorf("after a skip to before the first: verdict %d for the first", got)
	}
}

// numbered is a number with its mark, as one daemon gave it out.
type numbered struct{ own, mark uint64 }

// starts draws what a node numbers behind own, over some starts with marks of its own.
func starts(r *rapid.T, own, mark uint64) (given []numbered) {
	for range rapid.IntRange(1, 4).Draw(r, "starts") {
		mark++
		for range rapid.IntRange(1, 5).Draw(r, "numbers") {
			own++
			given = append(given, numbered{own, mark})
		}
	}
	return given
}

// However often an honest node ships something again, each number is applied once and
// in order.
func TestKnownAppliesOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		given := starts(r, 0, 0)
		var k Known
		var applied []numbered
		for at := 0; at < len(given); {
			n := given[at]
			want := FollowsOn
			if at < len(applied) {
				want = Repeated
			}
			if got := k.Take(n.own, n.mark); got != want {
				r.Fatalf("%+v: verdict %d, want %d; %+v was applied", n, got, want, applied)
			} else if got == FollowsOn {
				applied = append(applied, n)
			}
			at++
			if at < len(given) && rapid.IntRange(0, 3).Draw(r, "again") == 0 {
				at -= rapid.IntRange(0, at).Draw(r, "from")
			}
		}
		if !slices.Equal(applied, given) {
			r.Fatalf("%+v was applied, %+v was given out", applied, given)
		}
	})
}

// Of two daemons that have one id and went apart, whoever reads both learns it by the
// time that each has told something, whichever comes when.
func TestKnownFindsTwins(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		before := starts(r, 0, 0)
		from := before[len(before)-1].own
		var k Known
		for _, n := range before {
			k.Take(n.own, n.mark)
		}
		one, other := starts(r, from, 1000), starts(r, from, 2000)
		if rapid.Bool().Draw(r, "one was running on") {
			for i := range one {
				one[i].mark = before[len(before)-1].mark
			}
		}
		lanes := [][]numbered{one, other}
		told := [2]bool{}
		for !told[0] || !told[1] {
			lane := rapid.IntRange(0, 1).Draw(r, "lane")
			if len(lanes[lane]) == 0 {
				lane = 1 - lane
			}
			n := lanes[lane][0]
			lanes[lane], told[lane] = lanes[lane][1:], true
			switch got := k.Take(n.own, n.mark); {
			case got == Twin:
				return
			case got != FollowsOn:
				r.Fatalf("%+v of lane %d: verdict %d", n, lane, got)
			}
		}
		r.Fatalf("both were believed: %+v", k)
	})
}
