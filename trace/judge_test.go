package trace

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var yto = Waybill{"YT1234567890123", "yto"}

// A desk is where lists of one waybill are heard: its clock is the test's.
type desk struct {
	head  Head
	judge Judgement
	byID  map[ID]string
	byKey map[string]ID // by label
}

// scans are told to the desk: their labels are a, b, c and so on.
func newDesk(t tb, lines ...string) *desk {
	d := &desk{byID: map[ID]string{}, byKey: map[string]ID{}}
	for i, e := range journey(t, lines...) {
		e.Waybill, e.Source = yto, "kuaidi100"
		d.tell(t, string(rune('a'+i)), e)
	}
	return d
}

func (d *desk) tell(t tb, label string, e Event) {
	t.Helper()
	s := sealed(e)
	if taken, err := d.head.Take(s, nil); taken != Fresh || err != nil {
		t.Fatal(taken, err)
	}
	d.byID[s.ID], d.byKey[label] = label, s.ID
	d.head.Fold(yto, nil)
}

// hear judges a list of some scans, heard some time after noon, and says what it
// means: "news", "doubt" or "old", and what it hides or shows again.
func (d *desk) hear(labels string, after time.Duration, change ...func(*List)) string {
	l := &List{Waybill: yto, Source: "kuaidi100", Stamp: Stamp{HLCAt(noon + after.Milliseconds()), 7}}
	for _, label := range strings.Fields(labels) {
		l.Has = append(l.Has, d.byKey[label])
	}
	slices.Sort(l.Has)
	for _, c := range change {
		c(l)
	}
	if !d.head.Judge(yto, l, &d.judge) {
		return "old"
	}
	said := "news"
	if l.Doubtful {
		said = "doubt"
	}
	var before []ID
	for i := range d.head.Entries {
		if x := &d.head.Entries[i]; x.Hidden() {
			before = append(before, x.ID)
		}
	}
	d.judge.Note(l)
	d.head.TakeList(l)
	d.head.Fold(yto, nil)
	said += d.labels(" -", l.Hides)
	if l.Doubtful {
		return said + d.labels(" +", l.Restores)
	}
	return said + d.labels(" +", slices.DeleteFunc(before, d.head.Hides))
}

func (d *desk) labels(sign string, ids []ID) (s string) {
	var all []string
	for _, id := range ids {
		all = append(all, d.byID[id])
	}
	if slices.Sort(all); len(all) > 0 {
		s = sign + strings.Join(all, "")
	}
	return s
}

// hidden are the scans that are taken back.
func (d *desk) hidden() string {
	var ids []ID
	for i := range d.head.Entries {
		if x := &d.head.Entries[i]; x.Hidden() {
			ids = append(ids, x.ID)
		}
	}
	return d.labels("", ids)
}

// Five scans on the road, and six that end at the door.
var (
	onTheRoad = []string{"2026-02-25 10:00:00 picked_up", "2026-02-25 20:00:00 in_transit.departed", "2026-02-26 10:00:00 in_transit.arrived",
		"2026-02-26 20:00:00 in_transit.departed", "2026-02-27 10:00:00 in_transit.arrived"}
	toTheDoor = append(slices.Clip(onTheRoad), "2026-02-28 10:00:00 delivered.signed")
)

// Each clause of the promise: a list, how long after noon it is heard, and what it
// means.
func TestJudge(t *testing.T) {
	type heard struct {
		labels string
		after  time.Duration
		want   string
	}
	const minute, hour = time.Minute, time.Hour
	for _, c := range []struct {
		name   string
		scans  []string
		heard  []heard
		hidden string
	}{
		{"the first list takes nothing back", onTheRoad, []heard{{"a b", 0, "news"}}, ""},
		{"the newest list again", onTheRoad, []heard{{"a b c", 0, "news"}, {"a b c", hour, "old"}}, ""},
		{"one of five is left out", onTheRoad, []heard{{"a b c d e", 0, "news"}, {"a c d e", minute, "news -b"}}, "b"},
		{"half is left out", onTheRoad, []heard{{"a b c d", 0, "news"}, {"a d", minute, "news -bc"}}, "bc"},
		{"more than half is left out", onTheRoad, []heard{{"a b c d e", 0, "news"}, {"a e", minute, "doubt -bcd"}}, ""},
		{"what the list forgets is not left out", onTheRoad, []heard{{"a b c d e", 0, "news"}, {"e", minute, "news"}}, ""},
		{"what lies behind its newest", onTheRoad, []heard{{"a b c d e", 0, "news"}, {"a b c d", minute, "doubt -e"}}, ""},
		{"what lies behind it, and something before", onTheRoad, []heard{{"a b c d e", 0, "news"}, {"a c d", minute, "news -be"}}, "be"},
		{"an end is left out", append(slices.Clip(toTheDoor), "2026-03-01 10:00:00 unknown"),
			[]heard{{"a b c d e f", 0, "news"}, {"a b c d e g", minute, "doubt -f"}}, ""},
		{"the doubt is upheld half an hour later", toTheDoor,
			[]heard{{"a b c d e f", 0, "news"}, {"a b c d e", hour, "doubt -f"}, {"a b c d e", hour + 30*minute, "news -f"}}, "f"},
		{"a millisecond less is too soon", toTheDoor,
			[]heard{{"a b c d e f", 0, "news"}, {"a b c d e", hour, "doubt -f"}, {"a b c d e", hour + 30*minute - time.Millisecond, "old"}}, ""},
		{"another list may uphold it", append(slices.Clip(toTheDoor), "2026-03-01 10:00:00 exception.delay"),
			[]heard{{"a b c d e f", 0, "news"}, {"a b c d e", hour, "doubt -f"}, {"a b c d e g", 2 * hour, "news -f"}}, "f"},
		{"a doubt of less does not cover more", toTheDoor,
			[]heard{{"a b c d e f", 0, "news"}, {"a b c d e", hour, "doubt -f"}, {"a b c d", 2 * hour, "doubt -ef"}}, ""},
		{"a doubt of more covers less", toTheDoor,
			[]heard{{"a b c d e f", 0, "news"}, {"a b c", hour, "doubt -def"}, {"a b c d e", 2 * hour, "news -f"}}, "f"},
		{"a list between showed it", toTheDoor,
			[]heard{{"a b c d e f", 0, "news"}, {"a b c d e", hour, "doubt -f"}, {"a b c d e f", hour + minute, "news"},
				{"a b c d e", 2 * hour, "doubt -f"}}, ""},
		{"an older state again", onTheRoad,
			[]heard{{"a b", 0, "news"}, {"a b c", hour, "news"}, {"a b c d", 2 * hour, "news"}, {"a b c", 3 * hour, "doubt -d"},
				{"a b c", 3*hour + 30*minute, "old"}, {"a b c", 9*hour - time.Millisecond, "old"}, {"a b c", 9 * hour, "news -d"}}, "d"},
		{"an older state that lacks one in the middle", onTheRoad,
			[]heard{{"a c d e", 0, "news"}, {"a b c d e", hour, "news"}, {"a c d e", 2 * hour, "doubt -b"}}, ""},
		{"an older state that lacks nothing is news", onTheRoad,
			[]heard{{"d e", 0, "news"}, {"b c d e", hour, "news"}, {"d e", 2 * hour, "news"}}, ""},
		{"what was taken back is told again, with more", onTheRoad,
			[]heard{{"a b c d", 0, "news"}, {"a c d", hour, "news -b"}, {"a b c d e", 2 * hour, "news +b"}}, ""},
		{"what was taken back is told again by an older state", onTheRoad,
			[]heard{{"a b c d", 0, "news"}, {"a c d", hour, "news -b"}, {"a b c d", 2 * hour, "doubt +b"}, {"a b c d", 8 * hour, "news +b"}}, ""},
		{"a correction, and its opposite", onTheRoad,
			[]heard{{"a b c d", 0, "news"}, {"a c d e", hour, "news -b"}, {"a b d e", 2 * hour, "news -c +b"}}, "c"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDesk(t, c.scans...)
			for i, h := range c.heard {
				if got := d.hear(h.labels, h.after); got != h.want {
					t.Errorf("list %d, %q after %s: %s, want %s", i+1, h.labels, h.after, got, h.want)
				}
			}
			if got := d.hidden(); got != c.hidden {
				t.Errorf("taken back %q, want %q", got, c.hidden)
			}
		})
	}
}

// A list whose item was not understood leaves out nothing, and still shows again.
func TestJudgeOfAPartialList(t *testing.T) {
	partial := func(l *List) { l.Partial = true }
	d := newDesk(t, toTheDoor...)
	d.hear("a b c d e f", 0)
	if got := d.hear("a", time.Hour, partial); got != "news" {
		t.Errorf("%s, want news that hides nothing", got)
	}
	d.hear("a c d e f", 2*time.Hour)
	if got := d.hear("a b c", 3*time.Hour, partial); got != "news +b" {
		t.Errorf("%s, want b shown again", got)
	}
}

// A list that equals one of which a part was not understood is no replay of it: what
// was not understood then may be what is missing now.
func TestWholeListLikeAPartialOne(t *testing.T) {
	for _, c := range []struct {
		partial bool
		want    string
	}{{true, "news -b"}, {false, "doubt -b"}} {
		d := newDesk(t, onTheRoad...)
		d.hear("a c d e", 0, func(l *List) { l.Partial = c.partial })
		d.hear("a b c d e", time.Hour)
		if got := d.hear("a c d e", 2*time.Hour); got != c.want {
			t.Errorf("the first list was partial %t: %s, want %s", c.partial, got, c.want)
		}
	}
}

// Which of two scans of one second comes first in the fold's order is their hashes'
// affair: a list that drops one of them means the same whichever that is.
func TestJudgeOfScansInOneSecond(t *testing.T) {
	for _, c := range []struct {
		name  string
		scans []string
		heard map[string]string // labels, and what they mean
	}{
		{"at the beginning", []string{"2026-02-25 10:00:00 in_transit.arrived", "2026-02-25 10:00:00 in_transit.arrived", "2026-02-26 10:00:00 in_transit.departed",
			"2026-02-27 10:00:00 out_for_delivery"}, map[string]string{"a c d": "news -b", "b c d": "news -a"}},
		{"at the end", []string{"2026-02-25 10:00:00 picked_up", "2026-02-26 10:00:00 in_transit.departed", "2026-02-27 10:00:00 out_for_delivery",
			"2026-02-27 10:00:00 out_for_delivery"}, map[string]string{"a b c": "news -d", "a b d": "news -c"}},
	} {
		for labels, want := range c.heard {
			d := newDesk(t, c.scans...)
			d.hear("a b c d", 0)
			if got := d.hear(labels, time.Hour); got != want {
				t.Errorf("%s, %q: %s, want %s", c.name, labels, got, want)
			}
		}
	}
}

// A list speaks of its own source, of what came in lists, and of its own epoch.
func TestJudgeKeepsToItsOwn(t *testing.T) {
	d := newDesk(t, onTheRoad...)
	other := journey(t, "2026-02-26 12:00:00 exception.delay")[0]
	other.Waybill, other.Source = yto, "kdniao"
	d.tell(t, "x", other)
	d.hear("x", 0, func(l *List) { l.Source = "kdniao" })
	pushed := journey(t, "2026-02-26 13:00:00 exception.weather")[0]
	pushed.Waybill, pushed.Source = yto, "kuaidi100"
	d.tell(t, "y", pushed)
	d.hear("a b c d e", time.Minute)
	if got := d.hear("a c d e", time.Hour); got != "news -b" {
		t.Errorf("%s, want nothing but b taken back", got)
	}

	again := newDesk(t, "2025-10-01 10:00:00 picked_up", "2025-10-03 10:00:00 delivered", "2026-02-25 10:00:00 picked_up", "2026-02-26 10:00:00 in_transit")
	again.hear("a b", 0)
	if got := again.hear("c d", time.Hour); got != "news" {
		t.Errorf("the list of the new parcel: %s, want nothing taken back", got)
	}
	if got := again.hear("a", 2*time.Hour); got != "doubt -b" {
		t.Errorf("an old list of the old parcel: %s, want a doubt about its end alone", got)
	}
}

// What quarantine replays is heard when it was heard: a list that is older than what
// showed a scan cannot take it back, and one older than what hid it cannot show it.
func TestJudgeOfAnOlderReading(t *testing.T) {
	d := newDesk(t, onTheRoad...)
	d.hear("a b c d", time.Hour)
	if got := d.hear("a c d", 0); got != "news" {
		t.Errorf("an older list without b: %s, want nothing taken back", got)
	}
	d.hear("a c d e", 2*time.Hour)
	if got := d.hear("a b d e", 90*time.Minute); got != "news" {
		t.Errorf("an older list with b: %s, want nothing shown again", got)
	}
	if got := d.hidden(); got != "b" {
		t.Errorf("taken back %q, want b", got)
	}
}

// Of a list whose events were all refused nothing is said.
func TestJudgeOfNothing(t *testing.T) {
	d := newDesk(t, onTheRoad...)
	if got := d.hear("", 0); got != "old" {
		t.Errorf("an empty list: %s, want no news", got)
	}
	d.byKey["z"] = 12345
	if got := d.hear("z", 0); got != "old" {
		t.Errorf("a list of an event that was not taken: %s, want no news", got)
	}
}

// The newest lists are remembered, and of doubts the oldest that are not stale: it
// is they that make a correction firm. What is forgotten is no news a second time.
func TestJudgementForgets(t *testing.T) {
	var j Judgement
	minute := func(n int) Stamp { return Stamp{HLCAt(noon + int64(n)*60_000), 9} }
	for i := range firmKept + 3 {
		if !j.Note(&List{Stamp: minute(i), Shows: []ID{ID(i)}}) {
			t.Fatalf("list %d is not noted", i)
		}
	}
	if j.Note(&List{Stamp: minute(1), Shows: []ID{1}}) || len(j.Firm) != firmKept || j.Firm[0].Stamp != minute(firmKept+2) {
		t.Errorf("%d lists are remembered, want the last %d", len(j.Firm), firmKept)
	}
	for i, f := range j.Firm[1:] {
		if !j.Firm[i].After(f.Stamp) {
			t.Fatalf("list %d is not older than the one before", i+1)
		}
	}
	doubts := func() (minutes []int) {
		for _, d := range j.Doubted {
			minutes = append(minutes, int(d.Heard.Milli()-noon)/60_000)
		}
		return minutes
	}
	for i := range 2 * doubtedKept {
		j.Note(&List{Stamp: Stamp{minute(i).Heard, 10}, Doubtful: true, Hides: []ID{ID(i)}})
	}
	if got := doubts(); len(got) != doubtedKept || got[0] != 0 || got[doubtedKept-1] != 2*doubtedKept-1 {
		t.Errorf("doubts of the minutes %v are remembered, want the first and the last", got)
	}
	j.Note(&List{Stamp: Stamp{minute(25 * 60).Heard, 10}, Doubtful: true})
	if got := doubts(); len(got) != doubtedKept || got[0] != 1 || got[doubtedKept-1] != 25*60 {
		t.Errorf("a day later doubts of the minutes %v are remembered, want the stalest gone", got)
	}
}

// A list that comes every minute without a false end is believed after half an hour,
// however many came meanwhile, each with a scan more.
func TestManyDoubtsDoNotHideEachOther(t *testing.T) {
	lines := []string{"2026-02-01 00:00:00 in_transit", "2026-02-01 01:00:00 delivered"}
	for i := range 60 {
		lines = append(lines, fmt.Sprintf("2026-02-02 %02d:%02d:00 in_transit", i/60, i%60))
	}
	d := newDesk(t, lines...)
	d.hear("a b", 0)
	labels := []string{"a"}
	for i := range 60 {
		labels = append(labels, string(rune('c'+i)))
		got := d.hear(strings.Join(labels, " "), time.Duration(i+1)*time.Minute)
		if firm := !strings.Contains(got, "doubt"); firm != (i >= 30) {
			t.Fatalf("list %d, %d minutes after the first doubt: %s", i, i, got)
		}
	}
}

// A list is noted once, whoever judged it.
func TestNote(t *testing.T) {
	var j Judgement
	firm := &List{Stamp: Stamp{5, 1}, Shows: []ID{1, 2}}
	doubtful := &List{Stamp: Stamp{6, 1}, Shows: []ID{1}, Hides: []ID{2}, Doubtful: true, Restores: []ID{3}}
	for _, l := range []*List{firm, doubtful} {
		if !j.Note(l) || j.Note(l) {
			t.Errorf("%v: noted not once", l.Stamp)
		}
	}
	if got, want := j.Firm[0].Digest, digest([]ID{1, 2}); got != want {
		t.Errorf("digest %x, want that of what it shows, %x", got, want)
	}
	if got, want := j.Doubted[0].Digest, digest([]ID{1, 3}); got != want {
		t.Errorf("digest %x of a doubtful list, want that of all it had, %x", got, want)
	}
}

func judgements(t tb) []Judgement {
	d := newDesk(t, toTheDoor...)
	d.hear("a b c d e f", 0)
	d.hear("a c", time.Hour)
	d.hear("a c d e f", 2*time.Hour)
	d.hear("a b c d e f", 3*time.Hour)
	d.hear("a c d e f", 4*time.Hour, func(l *List) { l.Partial = true })
	return []Judgement{{}, d.judge}
}

func TestJudgementRoundTrip(t *testing.T) {
	for _, want := range judgements(t) {
		value := want.Append(nil)
		got := Judgement{Firm: []FirmList{{Digest: 1}}}
		if err := DecodeJudgement(&got, value); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("-written +read\n%s", diff)
		}
		for n := range value {
			if err := DecodeJudgement(&got, value[:n]); !errors.Is(err, ErrInvalid) {
				t.Errorf("cut off after %d of %d bytes: %v, want ErrInvalid", n, len(value), err)
			}
		}
		for name, broken := range map[string][]byte{
			"another form":              append([]byte{judgementForm + 1}, value[1:]...),
			"something behind the end":  append(slices.Clone(value), 0),
			"more lists than bytes":     {judgementForm, 0xff, 0x7f},
			"more than can be counted":  append([]byte{judgementForm}, bytes.Repeat([]byte{0xff}, 12)...),
			"more doubts than are here": {judgementForm, 0, 9},
		} {
			if err := DecodeJudgement(&got, broken); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v, want ErrInvalid", name, err)
			}
		}
	}
}

func FuzzDecodeJudgement(f *testing.F) {
	for _, j := range judgements(f) {
		f.Add(j.Append(nil))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var j, again Judgement
		if err := DecodeJudgement(&j, value); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first := j.Append(nil)
		if err := DecodeJudgement(&again, first); err != nil || !bytes.Equal(again.Append(nil), first) {
			t.Fatalf("%x is written as %x, which comes back as %x: %v", value, first, again.Append(nil), err)
		}
		d := newDesk(t, toTheDoor...)
		d.judge = j
		d.hear("a b c", time.Hour)
		d.hear("a b", 2*time.Hour)
	})
}

// Doubts that were forgotten are no news when a sister tells them again.
func TestForgottenDoubtsAreNoNews(t *testing.T) {
	var j Judgement
	told := func() (news int) {
		for _, minute := range append(slices.Collect(func(yield func(int) bool) {
			for i := range 2 * doubtedKept {
				if !yield(i) {
					return
				}
			}
		}), 1500, 1501, 1502) {
			if j.Note(&List{Stamp: Stamp{HLCAt(noon + int64(minute)*60_000), 10}, Doubtful: true}) {
				news++
			}
		}
		return news
	}
	if first, second := told(), told(); first != 2*doubtedKept+3 || second != 0 {
		t.Errorf("%d doubts were news at first and %d again, want %d and none", first, second, 2*doubtedKept+3)
	}
}
