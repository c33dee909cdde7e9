package kuaidi100

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

func signed() carriers.Carrier { return New(Settings{Salts: []string{"spring-salt", "winter-salt"}}) }
func open() carriers.Carrier   { return New(Settings{}) }

// decode gives what a JSON text means where no salt is set.
func decode(param string) (*trace.Facts, error) {
	facts := new(trace.Facts)
	err := open().Push.Decode(&carriers.Request{Body: []byte(param)}, facts)
	return facts, err
}

// caseParam is the JSON text of a case file.
func caseParam(t testing.TB, name string) string {
	return string(inForm([]byte(carriertest.Body(t, name))))
}

// inForm is the JSON text in the form of a case file, where it is not encoded.
func inForm(body []byte) []byte {
	param, _, _ := bytes.Cut(bytes.TrimPrefix(body, []byte("param=")), []byte("&sign="))
	return param
}

func TestStatesStay(t *testing.T) {
	carriertest.States(t, signed(),
		carriertest.Lists{Before: "bare-not-understood", After: "bare-before", Newest: "in_transit.general"},
		carriertest.Lists{Before: "bare-before", After: "bare", Newest: "available_for_pickup.shop"},
		carriertest.Lists{Before: "journey-before", After: "journey", Newest: "out_for_delivery.general"})
}

// A state that may belong to a scan that was not understood is said of no other.
func TestStateOfMissingScan(t *testing.T) {
	const scans = `{"time":"2024-03-02 10:00:00","context":"谢谢"},{"time":"2024-03-01 10:00:00","context":"已揽收"}`
	list := func(scans string) string {
		return `{"lastResult":{"nu":"YT8800123456701","com":"yuantong","state":"3","data":[` + scans + `]}}`
	}
	facts, err := decode(list(scans))
	if err != nil || facts.Events[0].Pair.Status != trace.Delivered || facts.Events[0].Code != "3" || facts.Events[0].Provisional {
		t.Errorf("whole: %+v, %v", facts.Events, err)
	}
	facts, err = decode(list(`{"time":"soon","context":"已签收"},` + scans))
	if err != nil || facts.Events[0].Pair.Status != trace.Unknown || facts.Events[0].Hint != "" || len(facts.Faults) != 1 {
		t.Errorf("with a scan missing: %+v, %v", facts.Events, err)
	}
}

// What is delivered by its words alone is provisional.
func TestProvisional(t *testing.T) {
	for _, c := range []struct {
		scan        string
		want        trace.Status
		provisional bool
	}{
		{`"context":"已签收"`, trace.Delivered, true},
		{`"context":"已签收","status":"签收"`, trace.Delivered, false},
		{`"context":"已签收","statusCode":"301"`, trace.Delivered, false},
		{`"context":"已签收","statusCode":"999","status":"签收"`, trace.Delivered, false},
		{`"context":"已签收","statusCode":"999"`, trace.Delivered, true},
		{`"context":"无法签收","status":"新词"`, trace.AttemptFailed, true},
		{`"context":"已签收","statusCode":"202"`, trace.Unknown, false},
		{`"context":"谢谢"`, trace.Unknown, false},
	} {
		facts, err := decode(`{"lastResult":{"nu":"YT8800123456701","com":"yuantong","data":[{"time":"2024-03-02 10:00:00",` + c.scan + `}]}}`)
		if err != nil || len(facts.Events) != 1 {
			t.Fatal(facts, err)
		}
		if e := facts.Events[0]; e.Pair.Status != c.want || e.Provisional != c.provisional {
			t.Errorf("%s: %v, provisional %t; want %v, %t", c.scan, e.Pair, e.Provisional, c.want, c.provisional)
		}
	}
}

// The signature of the published formula, and of the same with one byte changed.
func TestSign(t *testing.T) {
	const param, salt, want = `{"status":"polling","lastResult":{"nu":"1"}}`, "s4lt", "F4501EFAA4DFB4BAAAAA3101049F06B8"
	if got := sign([]byte(param), salt); got != want {
		t.Errorf("sign = %s, want %s", got, want)
	}
	d := &dialect{salts: []string{salt}}
	ask := func(param, signature string) error {
		_, err := d.param(bytes.Clone, &carriers.Request{Body: []byte("param=" + param + "&sign=" + signature)})
		return err
	}
	for name, c := range map[string]struct {
		param, sign string
		right       bool
	}{
		"as published":         {param, want, true},
		"in small letters":     {param, strings.ToLower(want), true},
		"a byte of the text":   {strings.Replace(param, `"1"`, `"2"`, 1), want, false},
		"a blank more":         {param + " ", want, false},
		"a digit of the sign":  {param, "E" + want[1:], false},
		"a digit less":         {param, want[:31], false},
		"a digit more":         {param, want + "0", false},
		"none":                 {param, "", false},
		"that of another salt": {param, sign([]byte(param), "salt"), false},
		"that without a salt":  {param, sign([]byte(param), ""), false},
	} {
		if err := ask(c.param, c.sign); c.right != (err == nil) || err != nil && !errors.Is(err, trace.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	kept := &carriers.Request{Body: []byte("param=" + param + "&sign=00"), Kept: true}
	if _, err := d.param(bytes.Clone, kept); err != nil {
		t.Errorf("out of quarantine: %v", err)
	}
}

// What we send is what we take.
func TestOutgoing(t *testing.T) {
	payload := caseParam(t, "journey")
	for _, secret := range []string{"spring-salt", "winter-salt", "summer-salt", ""} {
		o, err := signed().Push.Outgoing([]byte(payload), carriers.Sending{Secret: secret})
		if err != nil || o.Path != "/push/kuaidi100" {
			t.Fatal(o, err)
		}
		var facts trace.Facts
		err = signed().Push.Decode(&carriers.Request{Body: o.Body, ContentType: o.ContentType}, &facts)
		if right := secret == "spring-salt" || secret == "winter-salt"; right != (err == nil) || right && len(facts.Events) != 7 {
			t.Errorf("with secret %q: %d events, %v", secret, len(facts.Events), err)
		}
		facts.Reset()
		if err := open().Push.Decode(&carriers.Request{Body: o.Body}, &facts); err != nil || len(facts.Events) != 7 {
			t.Errorf("to an open door, with secret %q: %d events, %v", secret, len(facts.Events), err)
		}
	}
}

// Samples of others, where they lie beside the project.
func TestSharedSamples(t *testing.T) {
	sample, err := os.ReadFile("../../../shared/samples/kuaidi100/push_param_polling.json")
	if err != nil {
		t.Skip("there are no samples beside the project: ", err)
	}
	events := carriertest.Journey(t, open(), &carriers.Request{Body: sample}, "zto", 9, trace.Pair{Status: trace.Exception, Sub: "general"})
	if e := events[4]; e.Place != (trace.Place{State: "上海", City: "上海", Address: "松江区"}) {
		t.Errorf("%+v", e)
	}
	answer, err := os.ReadFile("../../../shared/samples/kuaidi100/push_reply_ok.json")
	if err != nil {
		t.Fatal(err)
	}
	if !yes(answer) {
		t.Errorf("no success: %s", answer)
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		salts  []string
		signed bool
		wrong  string
	}{
		{nil, false, ""},
		{[]string{"a"}, true, ""},
		{[]string{"a", "b"}, true, ""},
		{[]string{"a", "b", "c"}, false, "carriers.kuaidi100.salts has 3"},
		{[]string{"a", ""}, false, "carriers.kuaidi100.salts: an empty salt"},
	} {
		carrier, err := Settings{Salts: c.salts}.Carrier()
		switch {
		case c.wrong == "" && (err != nil || carrier.Push.Signed != c.signed):
			t.Errorf("salts %q: signed %t, %v", c.salts, carrier.Push.Signed, err)
		case c.wrong != "" && (!errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("salts %q: %v, want %s", c.salts, err, c.wrong)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, `{"result":true,"returnCode":"200","message":"成功"}`},
		{trace.Invalid("malformed_json", "", "byte 1"), `{"result":false,"returnCode":"400","message":"报文无效: malformed_json"}`},
		{trace.ErrInvalid, `{"result":false,"returnCode":"400","message":"报文无效"}`},
		{trace.ErrUnauthorized, `{"result":false,"returnCode":"401","message":"签名错误或未授权"}`},
		{trace.ErrUnavailable, `{"result":false,"returnCode":"500","message":"系统繁忙,请稍后重推"}`},
		{errors.New("of no kind"), `{"result":false,"returnCode":"500","message":"系统异常"}`},
	} {
		got, contentType := answer(nil, &carriers.Request{}, c.err)
		if string(got) != c.want || contentType != "application/json; charset=utf-8" || yes(got) != (c.err == nil) {
			t.Errorf("%v: %s of type %s, want %s", c.err, got, contentType, c.want)
		}
	}
	for _, no := range []string{"", "OK", `{"result":"true"}`, `{"returnCode":"200"}`} {
		if yes([]byte(no)) {
			t.Errorf("success: %s", no)
		}
	}
}

// scans is a push of n scans, the newest first.
func scans(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"time":"2024-05-12 02:%02d:%02d","context":"快件到达【杭州萧山中转场】，准备发往下一站","ftime":"2024-05-12 02:%02d:%02d","areaCode":"CN330100000000","areaName":"浙江,杭州市","status":"在途","location":"","areaCenter":"120.153576,30.287459","areaPinYin":"hang zhou shi","statusCode":"0"}`,
			59-i/60, 59-i%60, 59-i/60, 59-i%60)
	}
	return `{"status":"polling","billstatus":"got","message":"","lastResult":{"message":"ok","nu":"78120045561203","ischeck":"0","com":"zhongtong","status":"200","state":"0","data":[` + b.String() + `]}}`
}

func TestMaxScans(t *testing.T) {
	carriertest.Most(t, open(), MaxScans, func(n int) *carriers.Request { return &carriers.Request{Body: []byte(scans(n))} })
}

func TestGreedyBodies(t *testing.T) {
	carriertest.Greedy(t, open(), carriers.Request{}, map[string][3]string{
		"empty scans": {`{"lastResult":{"nu":"YT8800123456701","com":"yuantong","data":[`, `{},`, `{}]}}`},
		"numbers":     {`{"lastResult":{"nu":"YT8800123456701","com":"yuantong","data":[`, `1,`, `1]}}`},
		"second list": {`{"lastResult":{"nu":"YT8800123456701","com":"yuantong","data":[]},"destResult":{"nu":"YT8800123456701","com":"yuantong","data":[`, `1,`, `1]}}`},
		"deep":        {``, `[`, ``},
		"long text":   {`{"lastResult":{"nu":"YT8800123456701","com":"yuantong","data":[{"time":"2024-05-12 02:00:00","context":"`, `，签收`, `"}]}}`},
		"escapes":     {`{"lastResult":{"nu":"YT8800123456701","com":"yuantong","data":[{"context":"`, `\n`, `"}]}}`},
		"fields":      {``, `a=b&`, `a=b`},
		"percent":     {`param=`, `%20`, ``},
	})
}

func TestTruncated(t *testing.T) {
	carriertest.Truncated(t, open(), carriers.Request{Body: []byte(caseParam(t, "words"))})
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 15} {
		o, err := outgoing([]byte(scans(n)), carriers.Sending{Secret: "spring-salt"})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { carriertest.Benchmark(b, signed(), &carriers.Request{Body: o.Body}, n) })
	}
}

func BenchmarkPush(b *testing.B) {
	o, err := outgoing([]byte(scans(15)), carriers.Sending{Secret: "spring-salt"})
	if err != nil {
		b.Fatal(err)
	}
	carriertest.BenchmarkPush(b, signed(), &carriers.Request{Body: o.Body}, 15)
}

func TestFrugal(t *testing.T) {
	o, err := outgoing([]byte(scans(40)), carriers.Sending{Secret: "spring-salt"})
	if err != nil {
		t.Fatal(err)
	}
	carriertest.Frugal(t, signed(), &carriers.Request{Body: o.Body}, 40)
}

// The state of the whole parcel ends a journey whose scans have no codes, whatever it
// was before, and takes a false end back when a second push agrees.
func TestAStateEndsAndTakesBack(t *testing.T) {
	push := func(state, more string) string {
		return `{"lastResult":{"nu":"YT8800123456701","com":"yuantong","state":"` + state + `","data":[` + more +
			`{"time":"2024-03-02 10:00:00","context":"快件交接完成"},{"time":"2024-03-01 18:00:00","context":"已发往上海转运中心"},` +
			`{"time":"2024-03-01 10:00:00","context":"已揽收"}]}}`
	}
	carriertest.Hear(t, New(Settings{}), "application/json",
		carriertest.Hearing{After: 0, Body: push("5", ""), Want: "out_for_delivery.general"},
		carriertest.Hearing{After: time.Hour, Body: push("3", ""), Want: "delivered.general"},
		carriertest.Hearing{After: 3 * time.Hour, Body: push("0", `{"time":"2024-03-02 12:00:00","context":"已到达上海转运中心"},`), Want: "delivered.general"},
		carriertest.Hearing{After: 3*time.Hour + 31*time.Minute, Body: push("0", `{"time":"2024-03-02 12:00:00","context":"已到达上海转运中心"},`), Want: "in_transit.arrived"})
}
