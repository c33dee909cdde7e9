package carriers

import (
	"strings"
	"testing"

	"waytrace/trace"
)

var states = MustTable("states.csv", []byte(`code,reason,status,sub,meaning,source
0,,-,,nothing yet,test
2,,in_transit,general,on its way,test
3,,delivered,signed,signed for,test
30,,picked_up,collected,collected,test
`))

func TestMap(t *testing.T) {
	for _, c := range []struct {
		code, hint, text, want string
		known, provisional     bool
	}{
		{"30", "", "已签收", "picked_up.collected", true, false},
		{"30", "3", "", "picked_up.collected", true, false},
		{"0", "3", "已签收", "unknown.", true, false},
		{"99", "3", "已揽收", "delivered.signed", false, false},
		{"99", "98", "已签收", "delivered.signed", false, true},
		{"99", "", "谢谢", "unknown.", false, false},
		{"", "3", "", "delivered.signed", true, false},
		{"", "", "已签收", "delivered.signed", true, true},
		{"", "", "", "unknown.", true, false},
	} {
		e := trace.Event{Code: c.code, Hint: c.hint, Text: trace.Text{Text: c.text}, Pair: trace.Pair{Status: trace.Lost}, Provisional: true}
		known := states.Map(&e)
		if got := e.Pair.Status.String() + "." + e.Pair.Sub; got != c.want || known != c.known || e.Provisional != c.provisional {
			t.Errorf("code %q, hint %q, text %q: %s, known %t, provisional %t; want %s, %t, %t",
				c.code, c.hint, c.text, got, known, e.Provisional, c.want, c.known, c.provisional)
		}
	}
}

func TestConfirm(t *testing.T) {
	for _, c := range []struct {
		code, text string
		states     []string
		want, as   string // its code and its hint
	}{
		{"", "已签收", []string{"3"}, "delivered.signed", "3/"},
		{"", "谢谢", []string{"2"}, "in_transit.general", "/2"},
		{"", "已揽收", []string{"2"}, "picked_up.collected", "/"},
		{"", "已揽收", []string{"2", "3"}, "delivered.signed", "3/"},
		{"", "谢谢", []string{"", "77", "0", "3", "2"}, "delivered.signed", "3/"},
		{"", "谢谢", []string{"0"}, "unknown.", "/"},
		{"", "谢谢", nil, "unknown.", "/"},
		{"30", "谢谢", []string{"3"}, "picked_up.collected", "30/"},
		{"0", "谢谢", []string{"3"}, "unknown.", "0/"},
		{"99", "谢谢", []string{"3"}, "delivered.signed", "99/3"},
	} {
		e := trace.Event{Code: c.code, Text: trace.Text{Text: c.text}}
		states.Map(&e)
		states.Confirm(&e, c.states...)
		if got := e.Pair.Status.String() + "." + e.Pair.Sub; got != c.want || e.Code+"/"+e.Hint != c.as || strings.HasPrefix(got, "delivered") && e.Provisional {
			t.Errorf("code %q, text %q, states %q: %s as %s/%s, provisional %t; want %s as %s", c.code, c.text, c.states, got, e.Code, e.Hint, e.Provisional, c.want, c.as)
		}
	}
	// What it said of itself stands.
	e := trace.Event{Code: "99", Hint: "30"}
	states.Map(&e)
	if states.Confirm(&e, "3"); e.Hint != "30" || e.Pair.Status != trace.PickedUp {
		t.Errorf("an event with a hint: %v, hint %q", e.Pair, e.Hint)
	}
}
