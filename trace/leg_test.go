package trace

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

var parent = Waybill{"SF7444400031887", "sf"}

// forwarded is a head that an event at ten says goes on under some numbers.
func forwarded(t tb, to ...LegTo) *Head {
	t.Helper()
	h := new(Head)
	for i, l := range to {
		e := journey(t, fmt.Sprintf("2026-03-01 %02d:00:00 in_transit.forwarded", 10+i))[0]
		e.Leg = l
		if taken, err := h.Take(sealed(e), nil); taken != Fresh || err != nil {
			t.Fatal(taken, err)
		}
	}
	return h
}

func drawn(h *Head, kin Kin) string {
	h.Fold(parent, kin)
	var all []string
	for _, l := range h.Legs {
		all = append(all, strings.TrimRight(fmt.Sprint(l.Number, " ", l.Carrier, " ", l.Role), " "))
	}
	return strings.Join(all, ", ")
}

func TestDrawLegs(t *testing.T) {
	at := int64(noon)
	tell := func(h *Head, since int64, to LegTo) {
		if taken := h.TakeLeg(&LegFact{Waybill: parent, To: to, Since: since}, false); taken != Fresh {
			t.Fatalf("leg to %v: %v", to, taken)
		}
	}
	to := func(number, carrier string, role Role) LegTo { return LegTo{Waybill{number, carrier}, role} }
	for _, c := range []struct {
		name string
		make func() *Head
		want string
	}{
		{"none", func() *Head { return forwarded(t, LegTo{}) }, ""},
		{"one that an event names", func() *Head { return forwarded(t, to("AAAA1", "yto", LastMile)) }, "AAAA1 yto last_mile"},
		{"one number in two events", func() *Head { return forwarded(t, to("AAAA1", "yto", Forwarded), to("AAAA1", "yto", Forwarded)) }, "AAAA1 yto forwarded"},
		{"the parcel itself", func() *Head { return forwarded(t, to(parent.Number, parent.Carrier, Forwarded)) }, ""},
		{"the parcel itself, its carrier not named", func() *Head { return forwarded(t, to(parent.Number, "", Forwarded)) }, ""},
		{"the same number at another carrier", func() *Head { return forwarded(t, to(parent.Number, "yto", LastMile)) }, "SF7444400031887 yto last_mile"},
		{"in the order of time", func() *Head {
			h := forwarded(t, to("BBBB1", "yto", Forwarded))
			tell(h, at-1e9, to("CCCC1", "yto", Return))
			tell(h, at+1e9, to("AAAA1", "yto", Forwarded))
			return h
		}, "CCCC1 yto return, BBBB1 yto forwarded, AAAA1 yto forwarded"},
		{"at one time in the order of numbers", func() *Head {
			h := new(Head)
			for _, n := range []string{"DDDD1", "BBBB1", "CCCC1", "AAAA1"} {
				tell(h, at, to(n, "yto", LastMile))
			}
			return h
		}, "AAAA1 yto last_mile, BBBB1 yto last_mile, CCCC1 yto last_mile, DDDD1 yto last_mile"},
		{"a carrier that was told by itself", func() *Head {
			h := forwarded(t, to("AAAA1", "", LastMile))
			tell(h, at, to("", "usps", LastMile))
			return h
		}, "AAAA1 usps last_mile"},
		{"of two carriers the one that was told for the earlier time", func() *Head {
			h := forwarded(t, to("AAAA1", "", LastMile))
			tell(h, at, to("", "usps", LastMile))
			tell(h, at-1, to("", "gofo", LastMile))
			return h
		}, "AAAA1 gofo last_mile"},
		{"a carrier by itself is no leg", func() *Head {
			h := forwarded(t, LegTo{})
			tell(h, at, to("", "usps", LastMile))
			return h
		}, ""},
		{"a carrier that was named stands", func() *Head {
			h := forwarded(t, to("AAAA1", "yto", LastMile))
			tell(h, at, to("", "usps", LastMile))
			return h
		}, "AAAA1 yto last_mile"},
	} {
		if got := drawn(c.make(), nil); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Beyond the caps nothing is told, but what another node took is taken.
func TestLegCaps(t *testing.T) {
	var h Head
	for i := range mostTold + 1 {
		l := LegFact{Waybill: parent, To: LegTo{Waybill{fmt.Sprintf("AAAA%03d", i), "yto"}, Forwarded}, Since: int64(i)}
		want := Fresh
		if i == mostTold {
			want = TooMany
		}
		if got := h.TakeLeg(&l, false); got != want {
			t.Fatalf("leg %d was taken as %v, want %v", i, got, want)
		}
		if got := h.TakeLeg(&l, true); i < mostTold && got != Repeat || i == mostTold && got != Fresh {
			t.Errorf("leg %d from elsewhere was taken as %v", i, got)
		}
	}
	got := strings.Split(drawn(&h, nil), ", ")
	if len(got) != MaxLegs || got[0] != "AAAA000 yto forwarded" || got[MaxLegs-1] != fmt.Sprintf("AAAA%03d yto forwarded", MaxLegs-1) {
		t.Errorf("legs %q, want the first %d", got, MaxLegs)
	}
}

// A child that names its parent, itself or anything else contributes but its own
// events: nothing is asked for twice, and nothing runs in a circle.
func TestLegsInACircle(t *testing.T) {
	child := Waybill{"AAAA1", "yto"}
	a, b := forwarded(t, LegTo{child, Forwarded}), forwarded(t, LegTo{parent, Forwarded}, LegTo{child, Forwarded})
	asked := map[Waybill]int{}
	kin := func(w Waybill) (string, *Head) {
		asked[w]++
		switch w {
		case parent:
			return w.Carrier, a
		case child:
			return w.Carrier, b
		}
		return w.Carrier, nil
	}
	a.Fold(parent, kin)
	if len(asked) != 1 || asked[child] != 1 {
		t.Errorf("asked for %v, want the child once", asked)
	}
	b.Fold(child, kin)
	if len(b.Legs) != 1 || b.Legs[0].Waybill != parent {
		t.Errorf("legs of the child %v, want its parent alone", b.Legs)
	}
	first := string(a.Append(nil))
	for range 3 {
		b.Fold(child, kin)
		a.Fold(parent, kin)
	}
	if string(a.Append(nil)) != first {
		t.Error("folding again changed the head")
	}
}

// What a head says of a leg changes with what is shown of the child, and with
// nothing else of it.
func TestLegKnowsItsChild(t *testing.T) {
	child := Waybill{"AAAA1", "yto"}
	h, other := forwarded(t, LegTo{child, LastMile}), new(Head)
	fold := func() string {
		h.Fold(parent, func(Waybill) (string, *Head) { return "yto", other })
		return string(h.Append(nil))
	}
	unknown := func() string {
		h.Fold(parent, func(w Waybill) (string, *Head) { return w.Carrier, nil })
		return string(h.Append(nil))
	}()
	if h.Legs[0].Child != 0 {
		t.Errorf("of an unknown child the hash is %x, want 0", h.Legs[0].Child)
	}
	empty := fold()
	if empty == unknown {
		t.Error("a child without events and none are the same head")
	}
	e := journey(t, "2026-03-02 10:00:00 out_for_delivery")[0]
	e.Waybill, e.Source = child, "yto"
	if _, err := other.Take(sealed(e), nil); err != nil {
		t.Fatal(err)
	}
	told := fold()
	if told == empty || h.Pair.Status != OutForDelivery {
		t.Errorf("the child's event is not in the head: %v", h.Pair)
	}
	other.References = []Reference{{"main", "order 1"}}
	other.Records = 9
	if fold() != told {
		t.Error("the child's references and records are in the head")
	}
	e.Operator = "Li"
	if taken, err := other.Take(sealed(e), func() (*Event, error) { old := e; old.Operator = ""; return sealed(old), nil }); taken != Changed || err != nil {
		t.Fatal(taken, err)
	}
	if fold() == told {
		t.Error("a fuller telling of the child's event does not show in the head")
	}
}

func TestCheckOfLegs(t *testing.T) {
	now := int64(noon)
	good := LegFact{Waybill: Waybill{" sf7444400031887 ", "sf"}, To: LegTo{Waybill{"yt 1234567890123", ""}, LastMile}, Since: now}
	for _, c := range []struct {
		name   string
		change func(*LegFact)
		code   string
	}{
		{"as it is", func(*LegFact) {}, ""},
		{"a carrier alone", func(l *LegFact) { l.To.Waybill = Waybill{Carrier: "yto"} }, ""},
		{"neither number nor carrier", func(l *LegFact) { l.To.Waybill = Waybill{} }, "missing_number"},
		{"a number that is none", func(l *LegFact) { l.Number = "?" }, "invalid_number"},
		{"a carrier that is none", func(l *LegFact) { l.Carrier = "SF" }, "invalid_carrier"},
		{"a new number that is none", func(l *LegFact) { l.To.Number = "ab" }, "invalid_number"},
		{"a new carrier that is none", func(l *LegFact) { l.To.Carrier = "YTO express" }, "invalid_carrier"},
		{"a role beyond the last", func(l *LegFact) { l.To.Role = roles }, "invalid_role"},
		{"before 2000", func(l *LegFact) { l.Since = earliest - 1 }, "time_suspect"},
		{"26 hours ahead", func(l *LegFact) { l.Since = now + MaxFuture.Milliseconds() }, ""},
		{"a millisecond more", func(l *LegFact) { l.Since = now + MaxFuture.Milliseconds() + 1 }, "time_suspect"},
	} {
		l := good
		c.change(&l)
		f, ok := l.check(now)
		if ok != (c.code == "") || f.Code != c.code {
			t.Errorf("%s: fault %+v, ok %t; want %q", c.name, f, ok, c.code)
		}
		if ok && (l.Number != "SF7444400031887" || l.To.Number != "" && l.To.Number != "YT1234567890123") {
			t.Errorf("%s: numbers %q and %q, want the canonical ones", c.name, l.Number, l.To.Number)
		}
	}
	names := []string{}
	for r := range roles {
		names = append(names, r.String())
	}
	if slices.Sort(names); len(slices.Compact(names)) != int(roles) || Role(200).String() != "main" {
		t.Errorf("roles are named %q", names)
	}
}
