package kdniao

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

func noon() time.Time { return time.Date(2024, 5, 13, 4, 0, 0, 0, time.UTC) }

func signed() carriers.Carrier {
	return newCarrier(Settings{APIKeys: []string{"key-of-spring", "key-of-winter"}, EBusinessID: "1550009"}, noon)
}

func open() carriers.Carrier { return newCarrier(Settings{}, noon) }

// decode gives what a JSON text means where no key is set.
func decode(data string) (*trace.Facts, error) {
	facts := new(trace.Facts)
	err := open().Push.Decode(&carriers.Request{Body: []byte(data)}, facts)
	return facts, err
}

// caseData is the JSON text of a case file.
func caseData(t testing.TB, name string) string {
	return string(inForm([]byte(carriertest.Body(t, name))))
}

// inForm is the JSON text in the form of a case file, where it is not encoded.
func inForm(body []byte) []byte {
	data, _, _ := bytes.Cut(bytes.TrimPrefix(body, []byte("RequestData=")), []byte("&RequestType="))
	return data
}

func TestStatesStay(t *testing.T) {
	carriertest.States(t, signed(),
		carriertest.Lists{Before: "bare-not-understood", After: "bare-before", Newest: "in_transit.general"},
		carriertest.Lists{Before: "bare-before", After: "bare", Newest: "available_for_pickup.shop"},
		carriertest.Lists{Before: "journey-before", After: "journey", Newest: "out_for_delivery.general"})
}

// parcel is a push of one parcel.
func oneParcel(states, scans string) string {
	return `{"EBusinessID":"1550001","Data":[{"ShipperCode":"YTO","LogisticCode":"YT8800123456701",` + states + `,"Traces":[` + scans + `]}]}`
}

// A state that may belong to a scan that was not understood is said of no other.
func TestStateOfMissingScan(t *testing.T) {
	const scans = `{"AcceptTime":"2024-03-01 10:00:00","AcceptStation":"已揽收"},{"AcceptTime":"2024-03-02 10:00:00","AcceptStation":"谢谢"}`
	facts, err := decode(oneParcel(`"State":3`, scans))
	if err != nil || facts.Events[1].Pair.Status != trace.Delivered || facts.Events[1].Code != "3" || facts.Events[1].Provisional {
		t.Errorf("whole: %+v, %v", facts.Events, err)
	}
	facts, err = decode(oneParcel(`"State":3`, scans+`,{"AcceptTime":"soon","AcceptStation":"已签收"}`))
	if err != nil || facts.Events[1].Pair.Status != trace.Unknown || facts.Events[1].Hint != "" || len(facts.Faults) != 1 {
		t.Errorf("with a scan missing: %+v, %v", facts.Events, err)
	}
}

// What is delivered by its words alone is provisional, until a state says so too.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		states, scan string
		want, as     string // its code and its hint
		provisional  bool
	}{
		{`"State":"3","StateEx":"304"`, `"AcceptStation":"已签收","Action":"301"`, "delivered.signed", "301/", false},
		{`"State":"3","StateEx":"304"`, `"AcceptStation":"已签收"`, "delivered.signed_by_other", "304/", false},
		{`"State":"3","StateEx":"399"`, `"AcceptStation":"已签收"`, "delivered.signed", "3/", false},
		{`"State":"3"`, `"AcceptStation":"已签收","Action":"999"`, "delivered.signed", "999/3", false},
		{`"State":"2"`, `"AcceptStation":"已签收"`, "delivered.signed", "/", true},
		{`"State":"2"`, `"AcceptStation":"谢谢"`, "in_transit.general", "/2", false},
		{`"State":"4","StateEx":"402"`, `"AcceptStation":"谢谢"`, "exception.general", "/4", false},
		{`"State":"0"`, `"AcceptStation":"无法签收"`, "attempt_failed.general", "/", true},
		{`"State":null`, `"AcceptStation":"谢谢"`, "unknown.", "/", false},
		{`"State":"3"`, `"AcceptStation":"已签收","Action":"403"`, "unknown.", "403/", false},
	} {
		facts, err := decode(oneParcel(c.states, `{"AcceptTime":"2024-03-02 10:00:00",`+c.scan+`}`))
		if err != nil || len(facts.Events) != 1 {
			t.Fatal(facts, err)
		}
		e := facts.Events[0]
		if got := e.Pair.Status.String() + "." + e.Pair.Sub; got != c.want || e.Code+"/"+e.Hint != c.as || e.Provisional != c.provisional {
			t.Errorf("%s, %s: %s as %s/%s, provisional %t; want %s as %s, %t", c.states, c.scan, got, e.Code, e.Hint, e.Provisional, c.want, c.as, c.provisional)
		}
	}
}

// The signature of the published formula, and of the same with one byte changed.
func TestSign(t *testing.T) {
	const data, key, want = `{"ShipperCode":"SF","LogisticCode":"SF1"}`, "K", "OThhMjRmNzUxMGJlMmI3NjZjMDc4YjVkNmUwNDdhODc="
	if got := sign([]byte(data), key); got != want {
		t.Errorf("sign = %s, want %s", got, want)
	}
	d := &dialect{keys: []string{key}}
	ask := func(data, signature string) error {
		_, err := d.read(&carriers.Request{Body: []byte("RequestData=" + data + "&RequestType=101&DataSign=" + signature)})
		return err
	}
	for name, c := range map[string]struct {
		data, sign string
		right      bool
	}{
		"as published":        {data, want, true},
		"encoded":             {data, url.QueryEscape(want), true},
		"encoded twice":       {data, url.QueryEscape(url.QueryEscape(want)), true},
		"a byte of the text":  {strings.Replace(data, `"SF1"`, `"SF2"`, 1), want, false},
		"a blank more":        {data + " ", want, false},
		"a letter":            {data, "P" + want[1:], false},
		"a letter less":       {data, want[:43], false},
		"large letters":       {data, strings.ToUpper(want), false},
		"none":                {data, "", false},
		"that of another key": {data, sign([]byte(data), "L"), false},
		"that without a key":  {data, sign([]byte(data), ""), false},
	} {
		if err := ask(c.data, c.sign); c.right != (err == nil) || err != nil && !errors.Is(err, trace.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
	kept := &carriers.Request{Body: []byte("RequestData=" + data + "&DataSign=00"), Kept: true}
	if _, err := d.read(kept); err != nil {
		t.Errorf("out of quarantine: %v", err)
	}
}

// What we send is what we take.
func TestOutgoing(t *testing.T) {
	payload := caseData(t, "journey")
	for _, secret := range []string{"key-of-spring", "key-of-winter", "key-of-summer", ""} {
		o, err := signed().Push.Outgoing([]byte(payload), carriers.Sending{Key: "1550001", Secret: secret})
		if err != nil || o.Path != "/push/kdniao" {
			t.Fatal(o, err)
		}
		var facts trace.Facts
		err = signed().Push.Decode(&carriers.Request{Body: o.Body, ContentType: o.ContentType}, &facts)
		if right := secret == "key-of-spring" || secret == "key-of-winter"; right != (err == nil) || right && len(facts.Events) != 6 {
			t.Errorf("with secret %q: %d events, %v", secret, len(facts.Events), err)
		}
		facts.Reset()
		if err := open().Push.Decode(&carriers.Request{Body: o.Body}, &facts); err != nil || len(facts.Events) != 6 {
			t.Errorf("to an open door, with secret %q: %d events, %v", secret, len(facts.Events), err)
		}
	}
}

// Samples of others, where they lie beside the project: what Kdniao answers when it
// is asked, which it pushes in the same form.
func TestSharedSamples(t *testing.T) {
	const folder = "../../../shared/samples/"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("there are no samples beside the project: ", err)
	}
	for file, want := range map[string]struct {
		carrier string
		events  int
		status  trace.Pair
	}{
		"sto/kdniao_query_response.json":       {"sto", 11, trace.Pair{Status: trace.Delivered, Sub: "signed"}},
		"best_htky/kdniao_query_response.json": {"best", 10, trace.Pair{Status: trace.Delivered, Sub: "signed"}},
	} {
		sample, err := os.ReadFile(folder + file)
		if err != nil {
			t.Fatal(err)
		}
		r := &carriers.Request{Body: []byte(`{"Data":[` + string(sample) + `]}`)}
		for _, e := range carriertest.Journey(t, open(), r, want.carrier, want.events, want.status) {
			if e.Pair.Status == trace.Unknown || e.Unmapped {
				t.Errorf("%s: not understood: %+v", file, e)
			}
		}
	}

	// One in the same words, in an envelope of its own.
	sample, err := os.ReadFile(folder + "zto/kdniao_style_trace_10_nodes.json")
	if err != nil {
		t.Fatal(err)
	}
	parcel := strings.NewReplacer(`"outWaybillNo"`, `"LogisticCode"`, `"carrierCode"`, `"Carrier"`, `"ZTO001",`, `"ZTO001", "ShipperCode": "ZTO",`).Replace(string(sample))
	r := &carriers.Request{Body: []byte(`{"Data":[` + parcel + `]}`)}
	for _, e := range carriertest.Journey(t, open(), r, "zto", 10, trace.Pair{Status: trace.Delivered, Sub: "signed"}) {
		if e.Unmapped {
			t.Errorf("code %q is not in the table", e.Code)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		settings Settings
		signed   bool
		wrong    string
	}{
		{Settings{}, false, ""},
		{Settings{APIKeys: []string{"a"}, EBusinessID: "test1550001"}, true, ""},
		{Settings{APIKeys: []string{"a", "b"}}, true, ""},
		{Settings{APIKeys: []string{"a", "b", "c"}}, false, "carriers.kdniao.api_keys has 3"},
		{Settings{APIKeys: []string{""}}, false, "carriers.kdniao.api_keys: an empty key"},
		{Settings{EBusinessID: `15"`}, false, `carriers.kdniao.ebusiness_id "15\""`},
	} {
		carrier, err := c.settings.Carrier()
		switch {
		case c.wrong == "" && (err != nil || carrier.Push.Signed != c.signed):
			t.Errorf("%+v: signed %t, %v", c.settings, carrier.Push.Signed, err)
		case c.wrong != "" && (!errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%+v: %v, want %s", c.settings, err, c.wrong)
		}
	}
}

// References belong to the account whose door it came through, else to that of the
// settings.
func TestAccounts(t *testing.T) {
	for _, c := range []struct{ setting, door, want string }{{"", "", "main"}, {"shop", "", "shop"}, {"shop", "other", "other"}} {
		d := newCarrier(Settings{Door: carriers.Door{Account: c.setting}}, noon).Push
		var facts trace.Facts
		if err := d.Decode(&carriers.Request{Body: []byte(caseData(t, "journey")), Account: c.door}, &facts); err != nil {
			t.Fatal(err)
		}
		for _, e := range facts.Events {
			if len(e.References) != 1 || e.References[0] != (trace.Reference{Account: c.want, Text: "DD20240511001"}) {
				t.Errorf("%+v: references %v", c, e.References)
			}
		}
	}
}

func TestAnswers(t *testing.T) {
	push := signed().Push
	for _, c := range []struct {
		body string
		err  error
		want string
	}{
		{`{"EBusinessID":"1550001"}`, nil, `{"EBusinessID":"1550001","UpdateTime":"2024-05-13 12:00:00","Success":true,"Reason":""}`},
		{`{"eBusinessId":1550001}`, nil, `{"EBusinessID":"1550001","UpdateTime":"2024-05-13 12:00:00","Success":true,"Reason":""}`},
		{`RequestData={"EBusinessID":"1"}&EBusinessID=2`, nil, `{"EBusinessID":"2","UpdateTime":"2024-05-13 12:00:00","Success":true,"Reason":""}`},
		{`RequestData={"EBusinessID":"\"}`, nil, `{"EBusinessID":"1550009","UpdateTime":"2024-05-13 12:00:00","Success":true,"Reason":""}`},
		{"", trace.ErrUnauthorized, `{"EBusinessID":"1550009","UpdateTime":"2024-05-13 12:00:00","Success":false,"Reason":"签名错误或未授权"}`},
		{"", trace.Invalid("too_large", "", "2 MiB"), `{"EBusinessID":"1550009","UpdateTime":"2024-05-13 12:00:00","Success":false,"Reason":"报文无效: too_large"}`},
		{"", trace.ErrInvalid, `{"EBusinessID":"1550009","UpdateTime":"2024-05-13 12:00:00","Success":false,"Reason":"报文无效"}`},
		{"", trace.ErrUnavailable, `{"EBusinessID":"1550009","UpdateTime":"2024-05-13 12:00:00","Success":false,"Reason":"系统繁忙,请稍后重推"}`},
		{"", errors.New("of no kind"), `{"EBusinessID":"1550009","UpdateTime":"2024-05-13 12:00:00","Success":false,"Reason":"系统异常"}`},
	} {
		got, contentType := push.Answer(nil, &carriers.Request{Body: []byte(c.body)}, c.err)
		if string(got) != c.want || contentType != "application/json; charset=utf-8" || yes(got) != (c.err == nil) {
			t.Errorf("to %s, %v: %s of type %s, want %s", c.body, c.err, got, contentType, c.want)
		}
	}
	for _, no := range []string{"", "OK", `{"Success":"true"}`, `{"EBusinessID":"1"}`} {
		if yes([]byte(no)) {
			t.Errorf("success: %s", no)
		}
	}
}

// scans is a push of n scans of one parcel.
func scans(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"AcceptTime":"2024-05-12 02:%02d:%02d","AcceptStation":"快件到达【杭州萧山中转场】，准备发往下一站","Location":"杭州市","Action":"2","Remark":""}`, i/60, i%60)
	}
	return `{"EBusinessID":"1550001","PushTime":"2024-05-13 10:45:00","Count":"1","Data":[{"EBusinessID":"1550001","OrderCode":"DD1","ShipperCode":"ZTO","LogisticCode":"78120045561203","Success":true,"Reason":"","State":"2","StateEx":"2","Location":"杭州市","Traces":[` + b.String() + `]}]}`
}

func TestMaxScans(t *testing.T) {
	carriertest.Most(t, open(), MaxScans, func(n int) *carriers.Request { return &carriers.Request{Body: []byte(scans(n))} })
}

func TestGreedyBodies(t *testing.T) {
	carriertest.Greedy(t, open(), carriers.Request{}, map[string][3]string{
		"empty parcels": {`{"Data":[`, `{},`, `{}]}`},
		"no parcels":    {`{"Data":[`, `1,`, `1]}`},
		"empty scans":   {`{"Data":[{"ShipperCode":"YTO","LogisticCode":"YT8800123456701","Traces":[`, `{},`, `{}]}]}`},
		"numbers":       {`{"Data":[{"ShipperCode":"YTO","LogisticCode":"YT8800123456701","Traces":[`, `1,`, `1]}]}`},
		"deep":          {``, `[`, ``},
		"long text":     {`{"Data":[{"ShipperCode":"YTO","LogisticCode":"YT8800123456701","Traces":[{"AcceptTime":"2024-05-12 02:00:00","AcceptStation":"`, `，签收`, `"}]}]}`},
		"escapes":       {`{"Data":[{"ShipperCode":"YTO","LogisticCode":"YT8800123456701","Traces":[{"AcceptStation":"`, `\n`, `"}]}]}`},
		"fields":        {``, `a=b&`, `a=b`},
		"percent":       {`RequestData=`, `%20`, ``},
	})
}

func TestTruncated(t *testing.T) {
	carriertest.Truncated(t, open(), carriers.Request{Body: []byte(caseData(t, "two-parcels"))})
}

func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 15} {
		o, err := outgoing([]byte(scans(n)), carriers.Sending{Secret: "key-of-spring"})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) { carriertest.Benchmark(b, signed(), &carriers.Request{Body: o.Body}, n) })
	}
}

// The state of the whole parcel ends a journey whose scans have no codes, whatever it
// was before, and takes a false end back when a second push agrees.
func TestAStateEndsAndTakesBack(t *testing.T) {
	push := func(state string) string {
		const scans = `{"AcceptTime":"2024-03-01 10:00:00","AcceptStation":"已揽收"},` +
			`{"AcceptTime":"2024-03-01 18:00:00","AcceptStation":"已发往上海转运中心"},` +
			`{"AcceptTime":"2024-03-02 10:00:00","AcceptStation":"快件交接完成"}`
		return "RequestType=101&RequestData=" + url.QueryEscape(oneParcel(`"State":"`+state+`"`, scans))
	}
	carriertest.Hear(t, New(Settings{}), "application/x-www-form-urlencoded",
		carriertest.Hearing{After: 0, Body: push("2"), Want: "in_transit.general"},
		carriertest.Hearing{After: time.Hour, Body: push("3"), Want: "delivered.signed"},
		carriertest.Hearing{After: 2 * time.Hour, Body: push("3"), Want: "delivered.signed"},
		carriertest.Hearing{After: 3 * time.Hour, Body: push("2"), Want: "delivered.signed"},
		carriertest.Hearing{After: 3*time.Hour + 40*time.Minute, Body: push("2"), Want: "delivered.signed"},
		carriertest.Hearing{After: 9*time.Hour + time.Minute, Body: push("2"), Want: "in_transit.general"})
}
