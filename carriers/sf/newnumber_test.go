package sf

import (
	"strings"
	"testing"

	"waytrace/trace"
)

func TestNewNumber(t *testing.T) {
	const own = "SF1390275648600"
	for _, c := range []struct{ remark, want string }{
		{"快件已退回,新单号为SF1390275648699", "SF1390275648699"},
		{"新單號為 sf1390275648699。", "SF1390275648699"},
		{"New waybill: SF139027564869 (12 digits)", "SF139027564869"},
		{"SFA390275648699", "SFA390275648699"},
		{"SF1390275648699,SF1390275648699", "SF1390275648699"},
		{"SF1390275648600 -> SF1390275648699", "SF1390275648699"},
		{"原单号SF1390275648655,新单号SF1390275648699", "SF1390275648699"},
		{"原運單SF1390275648655 新運單SF1390275648699", "SF1390275648699"},
		{"Original waybill SF1390275648655, new waybill SF1390275648699", "SF1390275648699"},
		{"新单号444400031887", "444400031887"},
		{"Tracking no. 444400031887123", "444400031887123"},
		{"电话075512345678,新单号SF1390275648699", "SF1390275648699"},
		{"新单号SF1390275648699,运单444400031887", "SF1390275648699"},

		{"", ""},
		{"快件已退回", ""},
		{"新单号SF1390275648600", ""},
		{"新单号sf1390275648600", ""},
		{"原单号SF1390275648699", ""},
		{"SF1390275648699或SF1390275648698", ""},
		{"运单444400031887或运单444400031888", ""},
		{"新单号SF1390275648699或SF1390275648698,运单444400031887", ""},
		{"致电075512345678", ""},
		{"单号见短信,致电13800138000", ""},
		{"新单号SF13902756486", ""},
		{"新单号SF13902756486991", ""},
		{"新单号SFAB90275648699", ""},
		{"新单号SFA39027564869", ""},
		{"新单号SF139027564869X", ""},
		{"新单号XSF1390275648699", ""},
		{"新单号SF1390275648699-1", ""},
		{"新单号4444000318871", ""},
		{"新单号 SF 1390275648699", ""},
	} {
		if got := newNumber(c.remark, own); got != c.want {
			t.Errorf("%q: %q, want %q", c.remark, got, c.want)
		}
	}
	if got := newNumber("SF1390275648600", " sf1390275648600"); got != "" {
		t.Errorf("its own number, written otherwise: %q", got)
	}
	if got := newNumber("SF1390275648600", "no/number"); got != "SF1390275648600" {
		t.Errorf("of a parcel without a good number: %q", got)
	}
}

func TestRoles(t *testing.T) {
	for _, c := range []struct {
		opCode, words string
		status        trace.Status
		want          trace.Role
	}{
		{"648", "", trace.Returning, trace.Return},
		{"648", "退回", trace.Returning, trace.Return},
		{"648", "Returned", trace.Returning, trace.Return},
		{"648", "转寄", trace.Returning, trace.Forwarded},
		{"648", "轉寄", trace.Returning, trace.Forwarded},
		{"648", "FORWARDED", trace.Returning, trace.Forwarded},
		{"648", "转寄后退回", trace.Returning, trace.Return},
		{"631", "转寄", trace.Returning, trace.Return},
		{"99", "", trace.InTransit, trace.Forwarded},
		{"99", "转寄", trace.Returning, trace.Return},
		{"99", "退回", trace.InTransit, trace.Return},
	} {
		r := &route{said: said[string]{Mailno: "SF1390275648600", OpCode: c.opCode, Remark: c.words + " SF1390275648699"}}
		want := trace.LegTo{Waybill: trace.Waybill{Number: "SF1390275648699", Carrier: "sf"}, Role: c.want}
		if got := legOf(r, trace.Pair{Status: c.status}); got != want {
			t.Errorf("%s %q: %+v, want %s", c.opCode, r.Remark, got, c.want)
		}
	}
	r := &route{said: said[string]{Mailno: "SF1390275648600", OpCode: "80", Remark: "新单号SF1390275648699"}}
	if got := legOf(r, trace.Pair{Status: trace.Delivered}); got != (trace.LegTo{}) {
		t.Errorf("code 80: %+v", got)
	}
}

// An edited remark may bring the number or take it away; the status stays.
func TestRemarkDecidesNoStatus(t *testing.T) {
	for _, remark := range []string{"", "快件已转寄,新单号SF1390275648699", "快件已退回"} {
		facts, err := decode(Settings{}, oneRoute(`"opCode":"648","remark":"`+remark+`"`), "")
		if err != nil || facts.Events[0].Pair != (trace.Pair{Status: trace.Returning}) ||
			(facts.Events[0].Leg != trace.LegTo{}) != strings.Contains(remark, "SF") {
			t.Errorf("%q: %+v, error %v", remark, facts.Events, err)
		}
	}
}

// What is found is an SF number that the remark has and that is not the parcel's.
func FuzzNewNumber(f *testing.F) {
	f.Add("原单号SF1390275648655,新单号sf1390275648699", "SF1390275648600")
	f.Add("Tracking no. 444400031887123", "444400031887")
	f.Fuzz(func(t *testing.T, remark, own string) {
		got := newNumber(remark, own)
		canonical, err := trace.ParseNumber(got)
		switch {
		case got == "":
		case err != nil || canonical != got || !isNumber(got) && !isOldForm(got):
			t.Errorf("%q is no number of SF's (%v)", got, err)
		case !strings.Contains(strings.ToUpper(remark), got) || got == own:
			t.Errorf("%q is not new, or not in %q", got, remark)
		}
	})
}
