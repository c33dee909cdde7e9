package alibaba

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

const orderNo = "ALS20240318000921"

// decode gives what a request means to a carrier with settings s, and what it is
// answered.
func decode(s Settings, r carriers.Request) (facts *trace.Facts, answered string, err error) {
	facts = new(trace.Facts)
	push := New(s).Push
	err = push.Decode(&r, facts)
	told := err
	if told == nil {
		told = facts.Refusal
	}
	b, _ := push.Answer(nil, &r, told)
	return facts, string(b), err
}

func notify(traces string) string {
	return `{"aliOrderNo":"` + orderNo + `","traceInfos":` + traces + `}`
}

// The ways to send an argument mean the same.
func TestFormsAreTwins(t *testing.T) {
	list := journey(3)
	want, _, err := decode(Settings{}, carriers.Request{Call: callTrace, Body: []byte(notify(list))})
	if err != nil || len(want.Events) != 3 || len(want.Lists) != 1 {
		t.Fatalf("JSON: %d events, %v", len(want.Events), err)
	}
	members := url.Values{"aliOrderNo": {orderNo}, "traceInfos": {list}}.Encode()
	whole := url.Values{"request": {notify(list)}, "access_token": {"t"}}.Encode()
	for name, r := range map[string]carriers.Request{
		"form":             {Call: callTrace, Body: []byte(members)},
		"one field":        {Call: callTrace, Body: []byte(whole)},
		"query":            {Call: callTrace, Query: members},
		"one of the query": {Call: callTrace, Query: whole},
		"both":             {Call: callTrace, Query: "aliOrderNo=" + orderNo, Body: []byte(url.Values{"traceInfos": {list}}.Encode())},
		"list as text":     {Call: callTrace, Body: []byte(notify(string(trace.AppendString(nil, list))))},
		"gateway":          {Path: gateway + "1/ns/notifyTrace/key", Body: []byte(members)},
		"one in capitals":  {Call: callTrace, Body: []byte(url.Values{"Request": {notify(list)}}.Encode())},
		"PARAM":            {Call: callTrace, Query: url.Values{"PARAM": {notify(list)}}.Encode()},
		"Data":             {Call: callTrace, Body: []byte(url.Values{"Data": {notify(list)}}.Encode())},
		"byte order mark":  {Call: callTrace, Body: []byte("\xef\xbb\xbf" + notify(list))},
	} {
		got, _, err := decode(Settings{}, r)
		if err != nil || !reflect.DeepEqual(got.Events, want.Events) || !reflect.DeepEqual(got.Lists, want.Lists) || len(got.Faults) > 0 || got.Refusal != nil {
			t.Errorf("%s (%v)\ngot  %+v\n     %+v, faults %v\nwant %+v\n     %+v", name, err, got.Events, got.Lists, got.Faults, want.Events, want.Lists)
		}
	}
}

// signed is a request with a signature over its path and parameters.
func signed(secret, path string, params ...wire.Param) carriers.Request {
	form := url.Values{wire.Signature: {wire.Sign(path, params, secret)}}
	for _, p := range params {
		form.Add(p.Name, p.Value)
	}
	r := carriers.Request{Body: []byte(form.Encode()), ContentType: "application/x-www-form-urlencoded"}
	if call, ok := strings.CutPrefix(path, "push/alibaba/"); ok {
		r.Call = call
	} else {
		r.Path = "/openapi/" + path
	}
	return r
}

func TestSignature(t *testing.T) {
	const path = "param2/1/waytrace/notifyTrace/100200"
	params := []wire.Param{{Name: "aliOrderNo", Value: orderNo}, {Name: "traceInfos", Value: journey(1)}, {Name: "_aop_timestamp", Value: "1710726067000"}}
	good := signed("new-secret", path, params...)
	change := func(r carriers.Request, how func(r *carriers.Request)) carriers.Request {
		how(&r)
		return r
	}
	asJSON := carriers.Request{Path: good.Path, Body: []byte(notify(journey(1))), Query: "_aop_signature=" + wire.Sign(path, nil, "new-secret")}
	beside := func(body string) carriers.Request { // what is signed is in the query
		return carriers.Request{Path: good.Path, Query: string(good.Body), Body: []byte(body)}
	}
	const forged = "aliOrderNo=ALS20240318000922"
	both := Settings{Secrets: []string{"new-secret", "old-secret"}}
	for _, c := range []struct {
		name string
		s    Settings
		r    carriers.Request
		want bool
	}{
		{"right", both, good, true},
		{"the other secret", both, signed("old-secret", path, params...), true},
		{"the secret of nobody", both, signed("any-secret", path, params...), false},
		{"at our own door", both, signed("new-secret", "push/alibaba/notifyTrace", params...), true},
		{"in the query", both, carriers.Request{Path: good.Path, Query: string(good.Body)}, true},
		{"in the query, with an empty body", both, beside(" \n"), true},
		{"in query and form", both, func() carriers.Request {
			r := signed("new-secret", path, append(params, wire.Param{Name: "access_token", Value: "t"})...)
			r.Body, r.Query = []byte(strings.Replace(string(r.Body), "access_token=t&", "", 1)), "access_token=t"
			return r
		}(), true},
		{"over the bare path, for JSON", both, asJSON, false},
		{"in the query, for JSON", both, beside(notify(journey(1))), false},
		{"in the query, for a list", both, beside("[" + notify(journey(1)) + "]"), false},
		{"in the query, for JSON behind blanks", both, beside("\xef\xbb\xbf\r\n" + notify(journey(1))), false},
		{"in the query, for XML", both, beside("<a/>"), false},
		{"in the query, for another form", both, beside(forged), false},
		{"in the query, for JSON in a form", both, beside(url.Values{"request": {notify(journey(1))}}.Encode()), false},
		{"in the query, for JSON as text", both, beside(`"` + notify(journey(1)) + `"`), false},
		{"in the query, for JSON, out of quarantine", both, change(asJSON, func(r *carriers.Request) { r.Kept = true }), true},
		{"twice", both, change(good, func(r *carriers.Request) { r.Query = "_aop_signature=0" }), false},
		{"twice, in another case", both, signed("new-secret", path, append(params, wire.Param{Name: "_AOP_signature", Value: "0"})...), false},
		{"a parameter twice", both, signed("new-secret", path, append(params, params[0])...), false},
		{"a parameter twice, in another case", both, signed("new-secret", path, append(params, wire.Param{Name: "aliorderno", Value: orderNo})...), false},
		{"a parameter in two pieces", both, func() carriers.Request {
			// Of what is signed together nobody can tell where one parameter ends.
			whole := wire.Param{Name: "request", Value: "[]request" + notify(journey(1))}
			pieces := url.Values{wire.Signature: {wire.Sign(path, []wire.Param{whole}, "new-secret")}, "request": {"[]", notify(journey(1))}}
			return carriers.Request{Path: good.Path, Body: []byte(pieces.Encode())}
		}(), false},
		{"a parameter twice, without a secret", Settings{}, change(good, func(r *carriers.Request) { r.Query = forged }), true},
		{"another path", both, change(good, func(r *carriers.Request) { r.Path = strings.Replace(r.Path, "100200", "100201", 1) }), false},
		{"another call", both, change(signed("new-secret", "push/alibaba/notifyTrace", params...), func(r *carriers.Request) { r.Call = callCharge }), false},
		{"a byte of a value", both, change(good, func(r *carriers.Request) { r.Body = []byte(strings.Replace(string(r.Body), "S_TH_IN", "S_TH_IM", 1)) }), false},
		{"a byte of a name", both, change(good, func(r *carriers.Request) {
			r.Body = []byte(strings.Replace(string(r.Body), "_aop_timestamp", "_aop_timestamq", 1))
		}), false},
		{"a parameter more", both, change(good, func(r *carriers.Request) { r.Query = "x=1" }), false},
		{"a byte of the signature", both, change(good, func(r *carriers.Request) {
			at := strings.Index(string(r.Body), "_aop_signature=") + len("_aop_signature=")
			r.Body = slices.Clone(r.Body)
			r.Body[at] ^= 1
		}), false},
		{"none", both, carriers.Request{Path: good.Path, Body: []byte(notify(journey(1)))}, false},
		{"none, out of quarantine", both, carriers.Request{Path: good.Path, Body: []byte(notify(journey(1))), Kept: true}, true},
		{"none, without a secret", Settings{}, carriers.Request{Path: good.Path, Body: []byte(notify(journey(1)))}, true},
		{"nobody's, without a secret", Settings{}, signed("any-secret", path, params...), true},
		{"the app key", Settings{Secrets: both.Secrets, AppKey: "100200"}, good, true},
		{"another app key", Settings{Secrets: both.Secrets, AppKey: "100201"}, good, false},
		{"another app key, without a secret", Settings{AppKey: "100201"}, good, false},
		{"another app key, out of quarantine", Settings{AppKey: "100201"}, change(good, func(r *carriers.Request) { r.Kept = true }), true},
	} {
		facts, answered, err := decode(c.s, c.r)
		switch {
		case c.want && (err != nil || len(facts.Events) != 1 || answered != successAnswer):
			t.Errorf("%s: %d events, error %v, answered %s", c.name, len(facts.Events), err, answered)
		case !c.want && (!errors.Is(err, trace.ErrUnauthorized) || !facts.Empty() || len(facts.Faults) > 0 || !strings.Contains(answered, `"errorCode":"4106"`)):
			t.Errorf("%s: error %v, want ErrUnauthorized; facts %+v, answered %s", c.name, err, facts, answered)
		}
	}
	if !New(both).Push.Signed || New(Settings{}).Push.Signed {
		t.Error("the door is signed where there is a secret, and only there")
	}
}

// The case at the gateway is signed as a company with the secret would sign it.
func TestSignedCase(t *testing.T) {
	r := carriers.Request{Path: "/openapi/param2/1/waytrace/notifyTrace/100200", Body: []byte(carriertest.Body(t, "gateway-signed"))}
	facts, answered, err := decode(Settings{AppKey: "100200", Secrets: []string{"test-secret"}}, r)
	if err != nil || len(facts.Events) != 9 || answered != successAnswer {
		t.Errorf("%d events, error %v, answered %s", len(facts.Events), err, answered)
	}
}

// The signature comes before everything else: nobody learns which calls there are.
func TestSignatureComesFirst(t *testing.T) {
	for _, r := range []carriers.Request{
		{Path: gateway + "1/ns/order/booking/key", Body: []byte(`{}`)},
		{Call: callTrace, Body: []byte(`<`)},
		{Call: callTrace},
	} {
		if _, _, err := decode(Settings{Secrets: []string{"secret"}}, r); !errors.Is(err, trace.ErrUnauthorized) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestMalformedParameters(t *testing.T) {
	for _, r := range []carriers.Request{
		{Call: callTrace, Query: "a=%"},
		{Call: callTrace, Query: "%zz=1"},
		{Call: callTrace, Body: []byte("%zz=1")},
		{Call: callTrace, Body: []byte("a=%ff")},
		{Call: callTrace, Body: []byte("%ff=a")},
	} {
		if _, answered, err := decode(Settings{}, r); !errors.Is(err, trace.ErrInvalid) || !strings.Contains(answered, `"4028"`) {
			t.Errorf("%+v: %v, answered %s", r, err, answered)
		}
	}
}

func TestParsePath(t *testing.T) {
	for path, want := range map[string]string{
		"/openapi/param2/1/ns/notifyTrace/key":   "notifyTrace key true",
		"/openapi/param2/1/ns/order/booking/key": "order/booking key false",
		"/openapi/param2/1/ns/claimCharge/k%20y": "claimCharge k%20y true",
		"/openapi/param2/1/notifyTrace/key":      "1/notifyTrace/key  false",
		"/openapi/param2/1/ns/notifyTrace/":      "1/ns/notifyTrace/  false",
		"/openapi/param2/":                       "  false",
		"/push/alibaba/notifyTrace":              "/push/alibaba/notifyTrace  false",
	} {
		call, key, known := parsePath(path)
		if got := fmt.Sprintf("%s %s %t", call, key, known); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}

// What a company would send is understood, signed or not.
func TestOutgoing(t *testing.T) {
	charge := `{"aliOrderNo":"` + orderNo + `","batchId":1,"note":null,"chargeItemList":[ {"code":"basic","name":"基础 费用&","quantity":10} ]}`
	for _, c := range []struct {
		payload string
		o       carriers.Sending
		path    string
	}{
		{notify(journey(2)), carriers.Sending{}, "/push/alibaba/notifyTrace"},
		{notify(journey(2)), carriers.Sending{Secret: "secret"}, "/openapi/param2/1/waytrace/notifyTrace/waytrace"},
		{notify(journey(2)), carriers.Sending{Secret: "secret", Key: "100 200"}, "/openapi/param2/1/waytrace/notifyTrace/100%20200"},
		{charge, carriers.Sending{}, "/push/alibaba/claimCharge"},
		{charge, carriers.Sending{Secret: "secret"}, "/openapi/param2/1/waytrace/claimCharge/waytrace"},
		{strings.Replace(charge, "List", "Array", 1), carriers.Sending{}, "/push/alibaba/claimCharge"},
		{`{"aliOrderNo":"` + orderNo + `","eventTime":"2024-03-18T09:41:07Z","eventCode":"DELIVERY","status":"SUCCESS","extInfo":{"a":[1, "b"]}}`,
			carriers.Sending{Secret: "secret"}, "/openapi/param2/1/waytrace/notifyBizEvent/waytrace"},
		{charge, carriers.Sending{Call: callCharge, Secret: "secret"}, "/openapi/param2/1/waytrace/claimCharge/waytrace"},
	} {
		out, err := New(Settings{}).Push.Outgoing([]byte(c.payload), c.o)
		if err != nil || out.Path != c.path {
			t.Errorf("%s, %+v: %+v, %v; want path %s", c.payload, c.o, out, err, c.path)
			continue
		}
		r := carriers.Request{Body: out.Body, ContentType: out.ContentType}
		if r.Path = out.Path; c.o.Secret == "" {
			r.Path, r.Call = "", out.Path[strings.LastIndexByte(out.Path, '/')+1:]
		}
		s := Settings{Secrets: []string{c.o.Secret}}
		if c.o.Secret == "" {
			s = Settings{}
		}
		facts, answered, err := decode(s, r)
		if err != nil || facts.Empty() || answered != successAnswer {
			t.Errorf("%s, %+v: %+v, answered %s, error %v", c.payload, c.o, facts, answered, err)
		}
	}
	for _, c := range []struct{ payload, call string }{
		{`[]`, ""}, {`null`, ""}, {`{`, ""}, {`{"aliOrderNo":"x"}`, ""}, {notify(journey(1)), "notifyPaid"},
	} {
		if out, err := New(Settings{}).Push.Outgoing([]byte(c.payload), carriers.Sending{Call: c.call}); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%s, call %q: %+v, %v; want ErrInvalid", c.payload, c.call, out, err)
		}
	}
}

func TestYes(t *testing.T) {
	for body, want := range map[string]bool{
		successAnswer: true, `{"isSuccess":"true"}`: true, `{"message":"x","isSuccess": true}`: true,
		`{"isSuccess":false,"errorCode":"4012","message":"true"}`: false, `{"isSuccess":"false"}`: false, `{}`: false, `true`: false, ``: false,
	} {
		if got := New(Settings{}).Push.Yes([]byte(body)); got != want {
			t.Errorf("%s: %t, want %t", body, got, want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, `{"isSuccess":true,"errorCode":null,"message":""}`},
		{fmt.Errorf("on the way: %w", wire.Violation{Code: wire.TooLong, Field: "location", Limit: "32"}),
			`{"isSuccess":false,"errorCode":"4012","message":"location: 长度必须小于或等于最大长度 32"}`},
		{trace.ErrUnauthorized, `{"isSuccess":false,"errorCode":"4106","message":"没有权限: 签名、令牌或来源IP未获允许"}`},
		{trace.Problemf(trace.ErrUnauthorized, unsignedBody, "x"),
			`{"isSuccess":false,"errorCode":"4106","message":"没有权限: 签名不覆盖此类报文体,请将参数作为表单字段或查询参数签名并发送"}`},
		{trace.ErrUnavailable, `{"isSuccess":false,"errorCode":"5001","message":"业务处理过程出现错误: 系统繁忙,请稍后重试"}`},
		{trace.Problemf(trace.ErrUnavailable, "busy", "raise it"), `{"isSuccess":false,"errorCode":"5001","message":"业务处理过程出现错误: 系统繁忙,请稍后重试"}`},
		{errors.New("of no kind"), `{"isSuccess":false,"errorCode":"5001","message":"业务处理过程出现错误: 系统繁忙,请稍后重试"}`},
		{trace.Invalid("unknown_call", "", "x"), `{"isSuccess":false,"errorCode":"4042","message":"非法的参数值: 接口名称不存在"}`},
		{trace.Invalid("too_large", "", "x"), `{"isSuccess":false,"errorCode":"4028","message":"数据格式不正确: 报文超过大小限制"}`},
		{trace.Invalid("malformed_json", "", `byte 1: "`), `{"isSuccess":false,"errorCode":"4028","message":"数据格式不正确: JSON格式错误 (byte 1: \")"}`},
		{trace.Invalid("another", "", "x"), `{"isSuccess":false,"errorCode":"4028","message":"数据格式不正确: another"}`},
		{trace.ErrInvalid, `{"isSuccess":false,"errorCode":"4028","message":"数据格式不正确: 请求无效"}`},
	} {
		if got, kind := answer(nil, nil, c.err); string(got) != c.want || kind != jsonType {
			t.Errorf("%v: got %s (%s), want %s", c.err, got, kind, c.want)
		}
	}
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		s    Settings
		want string
	}{
		{Settings{}, ""},
		{Settings{AppKey: "100200", Secrets: []string{"a", "b"}}, ""},
		{Settings{Secrets: []string{"a", "b", "c"}}, "carriers.alibaba.secrets has 3"},
		{Settings{Secrets: []string{"hush", ""}}, "carriers.alibaba.secrets"},
		{Settings{Secrets: []string{" hush"}}, "carriers.alibaba.secrets"},
		{Settings{AppKey: "a/b"}, "carriers.alibaba.app_key"},
	} {
		got, err := c.s.Carrier()
		if c.want == "" {
			if err != nil || got.Code != "alibaba" {
				t.Errorf("%+v: %v", c.s, err)
			}
			continue
		}
		if !errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%+v: %v, want ErrInvalid with %q", c.s, err, c.want)
		}
	}
}

// Too much of anything is kept aside whole, and acknowledged: to send it again would
// not help.
func TestTooMany(t *testing.T) {
	item := `{"code":"basic","name":"基础费用","quantity":1}`
	many := "[" + strings.Repeat(item+",", MaxItems) + item + "]"
	charge := `{"aliOrderNo":"` + orderNo + `","batchId":1,"chargeItemArray":%s}`
	for name, r := range map[string]carriers.Request{
		"charges": {Call: callCharge, Body: fmt.Appendf(nil, charge, many)},
		"commas":  {Call: callCharge, Body: fmt.Appendf(nil, charge, "["+strings.Repeat("0,", 100*MaxItems)+"0]")},
	} {
		facts, answered, err := decode(Settings{}, r)
		if err != nil || !facts.Empty() || len(facts.Faults) != 1 || facts.Faults[0].Code != "too_many_items" || facts.Faults[0].Index != -1 || answered != successAnswer {
			t.Errorf("%s: faults %+v, error %v, answered %s", name, facts.Faults, err, answered)
		}
	}
	var params strings.Builder
	for i := range maxParams + 1 {
		fmt.Fprintf(&params, "a%d=1&&", i)
	}
	if _, _, err := decode(Settings{}, carriers.Request{Call: callTrace, Body: []byte(params.String())}); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("%d parameters: %v", maxParams+1, err)
	}
}

// A referenceNo of any length costs no more than an event may have.
func TestManyReferences(t *testing.T) {
	var parts []string
	for i := range 10 * trace.MaxReferences {
		parts = append(parts, fmt.Sprint("PO-", i))
	}
	refs := referencesOf(wire.Value{Text: orderNo}, wire.Value{Text: strings.Join(parts, ",")}, "main")
	if len(refs) != trace.MaxReferences+1 {
		t.Errorf("%d references, want %d: one too many, so that it is noticed", len(refs), trace.MaxReferences+1)
	}
}

func TestForwardedTo(t *testing.T) {
	for text, want := range map[string]string{
		"包裹重新安排转运,转 【YT8962646785389】": "YT8962646785389",
		"转【 sf 7444400031887 】。":       "SF7444400031887",
		"转【】":                          "",
		"转【${trackingNo}】":             "",
		"转【运单YT8962646785389】":         "",
		"转 YT8962646785389":            "",
		"在【YT8962646785389】转":          "",
		"转【【YT8962646785389】":          "",
		"转【YT8962646785389】】":          "",
		"【转】转【YT8962646785389】":        "",
		"":                             "",
	} {
		if got := forwardedTo(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

// The hashes of the table's versions: see carriertest.TableVersion.
var tableHashes = map[uint32]string{
	1: "c6879f7e3bc3993d",
}

func TestTableVersion(t *testing.T) {
	carriertest.TableVersion(t, TableVersion, tableHashes, carriertest.Lines(codes))
}

// Every code of the document has its row.
func TestCodes(t *testing.T) {
	for _, code := range append(strings.Fields(`S_CARRIER_PICKUP S_CLEARANCE_START S_CLEARANCE_COMPLETE S_TH_IN S_TH_ARRANGE S_TH_OUT S_TH_IN_LAST
		S_DELIVERY_SCHEDULED S_DELIVERY_SIGNED UNKONWN F_CARRIER_PICKUP_5033 F_CARRIER_PICKUP_RT_5034 F_CARRIER_PICKUP_RT_5035 F_CLEARANCE_5037
		F_CLEARANCE_5038 F_DELIVERY_5043 F_DELIVERY_5044 F_DELIVERY_5045 F_DELIVERY_5046 F_DELIVERY_5047 F_DELIVERY_5048 F_DELIVERY_5049
		F_DELIVERY_5050 F_DELIVERY_5051 F_DELIVERY_5052 F_DELIVERY_5053`), eventCodes...) {
		if _, known := codes.Find(code, ""); !known {
			t.Errorf("%s has no row", code)
		}
	}
}

// A stored event is mapped anew as it was mapped when it came.
func TestMap(t *testing.T) {
	c := New(Settings{})
	for _, r := range codes.Rows {
		stored := trace.Event{Code: r.Code}
		known := c.Codes.Map(&stored)
		p := stored.Pair
		facts, _, err := decode(Settings{}, carriers.Request{Call: callTrace, Body: []byte(notify(
			`[{"location":"深圳","traceCode":"` + r.Code + `","traceTime":"2024-03-18T09:00:00Z"}]`))})
		if err != nil || len(facts.Events) != 1 || !known || facts.Events[0].Pair != p || facts.Events[0].Unmapped {
			t.Errorf("%s: mapped anew %+v (known %t), decoded %+v, %v", r.Code, p, known, facts.Events, err)
		}
	}
	stored := trace.Event{Code: "S_LOADED"}
	if known := c.Codes.Map(&stored); known || stored.Pair != (trace.Pair{}) {
		t.Errorf("an unknown code: %+v, %t", stored.Pair, known)
	}
}

// Every contradiction that is accepted is counted, once for each time.
func TestLeniencesAreCounted(t *testing.T) {
	all := map[string]*metrics.Counter{
		"order_no": orderNoLength, "event_time": eventTime, "event_code": eventCode, "blank": blankInCode, "unknown": otherUnknown,
		"list": chargeItemList, "status": statusDefault, "offset": timeWithoutZone, "plus": unescapedPlus, "order_no_blanks": orderNoBlanks,
	}
	for _, c := range []struct{ file, want string }{
		{"trace-journey", ""},
		{"event-confirmed", ""},
		{"charge", ""},
		{"lenient-order-no-of-13", "order_no 1"},
		{"lenient-event-time-and-event-code", "event_code 1 event_time 1 order_no 1"},
		{"lenient-both-times", ""},
		{"lenient-blanks-in-codes", "blank 2"},
		{"lenient-unknown-spellings", "unknown 1"},
		{"lenient-event-codes", "event_code 7"},
		{"lenient-time-without-offset", "offset 1"},
		{"lenient-unescaped-plus", "plus 2"},
		{"lenient-unescaped-plus-event", "plus 1"},
		{"lenient-order-no-with-blanks", "order_no_blanks 1"},
		{"lenient-charge-item-list", "list 1"},
		{"lenient-event-without-status", "status 1"},
		{"lenient-event-code-with-blank", "blank 1"},
		{"event-confirmed-ext-as-text", "list 1"},
	} {
		before := map[string]uint64{}
		for name, counter := range all {
			before[name] = counter.Get()
		}
		call := callTrace
		body := carriertest.Body(t, c.file)
		switch {
		case strings.Contains(body, "eventCode"):
			call = callBizEvent
		case strings.Contains(body, "chargeItem"):
			call = callCharge
		}
		if _, answered, err := decode(Settings{}, carriers.Request{Call: call, Body: []byte(body)}); err != nil || answered != successAnswer {
			t.Errorf("%s: %v, answered %s", c.file, err, answered)
		}
		var counted []string
		for name, counter := range all {
			if n := counter.Get() - before[name]; n > 0 {
				counted = append(counted, fmt.Sprint(name, " ", n))
			}
		}
		slices.Sort(counted)
		if got := strings.Join(counted, " "); got != c.want {
			t.Errorf("%s: counted %q, want %q", c.file, got, c.want)
		}
	}
}

// What is no JSON deep inside is refused like what is none at all; in a text that
// should be a list it is a wrong value.
func TestMalformedInside(t *testing.T) {
	const broken = "[{\"location\":\"a\x01b\"}]"
	event := `{"aliOrderNo":"` + orderNo + `","eventTime":"2024-03-18T09:41:07Z","eventCode":"%s","status":"SUCCESS","extInfo":%s}`
	defer func(was carriers.JSONLibrary) { carriers.JSONBy = was }(carriers.JSONBy)
	for _, carriers.JSONBy = range []carriers.JSONLibrary{carriers.Sonic, carriers.Std} {
		for name, r := range map[string]carriers.Request{
			"trace":    {Call: callTrace, Body: []byte(notify(broken))},
			"charge":   {Call: callCharge, Body: []byte(`{"aliOrderNo":"` + orderNo + `","batchId":1,"chargeItemArray":` + broken + `}`)},
			"ext":      {Call: callBizEvent, Body: fmt.Appendf(nil, event, "DELIVERY", `{"note":`+broken+`}`)},
			"packages": {Call: callBizEvent, Body: fmt.Appendf(nil, event, "CHECK_WEIGHT", `{"packages":`+broken+`}`)},
			"charges":  {Call: callBizEvent, Body: fmt.Appendf(nil, event, "CONFIRM", `{"trackNo":"SF7444400031887","batchId":1,"chargeItemArray":`+broken+`}`)},
			"event":    {Call: callBizEvent, Body: []byte(`[}`)},
		} {
			facts, _, err := decode(Settings{}, r)
			if !errors.Is(err, trace.ErrInvalid) || !facts.Empty() || len(facts.Faults) > 0 {
				t.Errorf("%s, %s: %v, facts %+v", carriers.JSONBy, name, err, facts)
			}
		}
		facts, answered, err := decode(Settings{}, carriers.Request{Call: callTrace, Body: []byte(notify(string(trace.AppendString(nil, broken))))})
		if err != nil || len(facts.Faults) != 1 || !strings.Contains(answered, `"4028"`) {
			t.Errorf("%s, text: faults %+v, error %v, answered %s", carriers.JSONBy, facts.Faults, err, answered)
		}
	}
}

// An argument that is no object, and extInfo that has too much in it, are kept aside.
func TestShapes(t *testing.T) {
	event := `{"aliOrderNo":"` + orderNo + `","eventTime":"2024-03-18T09:41:07Z","eventCode":"CHECK_WEIGHT","status":"SUCCESS","extInfo":{"packages":[` +
		strings.Repeat("0,", MaxItems) + `0]}}`
	for _, c := range []struct {
		call, body, code string
	}{
		{callTrace, `[]`, "4028"}, {callBizEvent, `[]`, "4028"}, {callCharge, `[]`, "4028"},
		{callBizEvent, event, "too_many_items"},
	} {
		facts, _, err := decode(Settings{}, carriers.Request{Call: c.call, Body: []byte(c.body)})
		if err != nil || !facts.Empty() || len(facts.Faults) != 1 || facts.Faults[0].Code != c.code {
			t.Errorf("%s %.40s: faults %+v, error %v; want %s", c.call, c.body, facts.Faults, err, c.code)
		}
	}
}

// An account of the door counts before that of the settings.
func TestAccount(t *testing.T) {
	for _, c := range []struct{ settings, door, want string }{{"", "", "main"}, {"shop", "", "shop"}, {"shop", "other", "other"}} {
		facts, _, err := decode(Settings{Door: carriers.Door{Account: c.settings}}, carriers.Request{Call: callTrace, Account: c.door, Body: []byte(notify(journey(1)))})
		if err != nil || len(facts.Events) != 1 || !slices.Equal(facts.Events[0].References, []trace.Reference{{Account: c.want, Text: orderNo}}) {
			t.Errorf("%+v: %+v, %v", c, facts.Events, err)
		}
	}
}
