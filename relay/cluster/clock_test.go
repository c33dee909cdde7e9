package cluster

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name  string
		ahead []time.Duration
		nodes int
		want  time.Duration
	}{
		{"alone", nil, 1, 0},
		{"nobody was heard", nil, 3, 0},
		{"two nodes, far apart", []time.Duration{time.Hour}, 2, 0},
		{"all alike", []time.Duration{0, s}, 3, 0},
		{"just near enough", []time.Duration{60*s - 1, 2 * time.Hour}, 3, 0},
		{"behind", []time.Duration{60 * s, 61 * s}, 3, 60 * s},
		{"ahead", []time.Duration{-60 * s, -61 * s}, 3, -60 * s},
		{"another one is off", []time.Duration{0, time.Hour}, 3, 0},
		{"one of three is silent", []time.Duration{time.Hour}, 3, 0},
		{"two against two", []time.Duration{0, time.Hour, time.Hour}, 4, 0},
		{"three against one", []time.Duration{time.Hour, time.Hour, time.Hour}, 4, time.Hour},
		{"three of five, two of them against one", []time.Duration{time.Hour, time.Hour}, 5, time.Hour},
		{"three of seven are no majority", []time.Duration{time.Hour, time.Hour}, 7, 0},
	} {
		if got := judge(c.ahead, c.nodes); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// A node that most others agree with is never off, one that most others are far from on
// one side always is, and never are all of them.
func TestJudgeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		clocks := rapid.SliceOfN(rapid.IntRange(-200, 200), 1, 9).Draw(t, "clocks")
		off := 0
		for i, mine := range clocks {
			var ahead []time.Duration
			near, before, behind := 0, 0, 0
			for j, clock := range clocks {
				d := time.Duration(clock-mine) * time.Second
				if i != j {
					ahead = append(ahead, d)
				}
				switch {
				case d >= tooFar:
					before++
				case d <= -tooFar:
					behind++
				default:
					near++
				}
			}
			got := judge(ahead, len(clocks))
			switch {
			case 2*near > len(clocks) && got != 0:
				t.Fatalf("%d of %d are near to %d, and it is off by %s", near, len(clocks), mine, got)
			case 2*before > len(clocks) && got < tooFar, 2*behind > len(clocks) && got > -tooFar:
				t.Fatalf("%d before and %d behind %d of %d, and it is off by %s", before, behind, mine, len(clocks), got)
			}
			if got != 0 {
				off++
			}
		}
		if off == len(clocks) {
			t.Fatalf("all of %v are off", clocks)
		}
	})
}

// What a sister's clock showed is carried on by steady time: a wall clock that is set
// shows at once, in both directions, though the sister says nothing any more.
func TestDifferenceWithoutAnswer(t *testing.T) {
	now := time.Now()
	r := reading{1_000_000, now}
	for _, c := range []struct {
		wall  int64
		after time.Duration
		want  time.Duration
	}{
		{1_000_000, 0, 0},
		{998_500, 0, 1500 * time.Millisecond},
		{1_600_000, 10 * time.Minute, 0},
		{1_700_000, 10 * time.Minute, -100 * time.Second},
		{1_500_000, 10 * time.Minute, 100 * time.Second},
	} {
		if got := r.difference(c.wall, now.Add(c.after)); got != c.want {
			t.Errorf("wall %d after %s: %s, want %s", c.wall, c.after, got, c.want)
		}
	}
}

func TestApart(t *testing.T) {
	far := false
	for _, step := range []struct {
		ahead time.Duration
		want  bool
	}{{59 * time.Second, false}, {-60 * time.Second, true}, {59 * time.Second, true}, {-54 * time.Second, true}, {53 * time.Second, false}, {59 * time.Second, false}} {
		if far = apart(step.ahead, far); far != step.want {
			t.Errorf("%s: %t, want %t", step.ahead, far, step.want)
		}
	}
}
