package sf

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

const formType = "application/x-www-form-urlencoded; charset=UTF-8"

// decode gives what a body means to a carrier with settings s.
func decode(s Settings, body, contentType string) (*trace.Facts, error) {
	facts := new(trace.Facts)
	err := New(s).Push.Decode(&carriers.Request{Body: []byte(body), ContentType: contentType}, facts)
	return facts, err
}

func asForm(xml string) string { return "content=" + url.QueryEscape(xml) }

// The two forms of SF's document say the same, so they must mean the same.
func TestFormsAreTwins(t *testing.T) {
	want, err := decode(Settings{}, carriertest.Body(t, "document-json"), "application/json")
	if err != nil || len(want.Events) != 2 {
		t.Fatalf("the document's sample: %d events, %v", len(want.Events), err)
	}
	form := carriertest.Body(t, "document-form")
	for _, body := range []string{form, "a=b&" + form, strings.Replace(form, "content=", "%63ontent=", 1), form + "&content=other&msgData=%7B%7D"} {
		got, err := decode(Settings{}, body, formType)
		if err != nil || !reflect.DeepEqual(got.Events, want.Events) {
			t.Errorf("%.20s… (%v)\ngot  %+v\nwant %+v", body, err, got.Events, want.Events)
		}
	}
}

// Samples of others, where they lie beside the project.
func TestSharedSamples(t *testing.T) {
	const folder = "../../../shared/samples/sf_cn"
	if _, err := os.Stat(folder); err != nil {
		t.Skip("there are no samples beside the project: ", err)
	}
	sample := func(name string) string {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	xml := sample("routepush_form_content.xml")
	for form, body := range map[string]string{
		"json": sample("routepush_json.json"), "xml": xml, "form": asForm(xml), "form, percent": "content=" + url.PathEscape(xml),
	} {
		facts, err := decode(Settings{}, body, "")
		if err != nil || len(facts.Faults) > 0 || len(facts.Events) != 2 {
			t.Errorf("%s: %d events, faults %v, error %v", form, len(facts.Events), facts.Faults, err)
			continue
		}
		first, last := facts.Events[0], facts.Events[1]
		if first.Number != "SF7444400031887" || first.Pair.Status != trace.PickedUp || last.Pair.Status != trace.InTransit ||
			first.Place.Address != "深圳市" || last.CarrierID != "158918741457126" || len(last.References) != 1 {
			t.Errorf("%s: %+v", form, facts.Events)
		}
	}
}

func TestTruncated(t *testing.T) {
	for _, name := range []string{"document-json", "document-form", "document-xml", "single-object", "wrapped"} {
		carriertest.Truncated(t, New(Settings{}), carriers.Request{Body: []byte(carriertest.Body(t, name))})
	}
}

// many is a push of n routes in every form that there is.
func many(n int) map[string]string {
	routeJSON := func(i int) string {
		return fmt.Sprintf(`{"mailno":"SF%010d","acceptTime":"2024-03-18 09:41:07","opCode":"50"}`, i)
	}
	var list, loose, elements []string
	for i := range n {
		list = append(list, routeJSON(i))
		loose = append(loose, strings.ReplaceAll(routeJSON(i), `"50"`, `50`))
		elements = append(elements, fmt.Sprintf(`<WaybillRoute mailno="SF%010d" acceptTime="2024-03-18 09:41:07" opCode="50"/>`, i))
	}
	inBody := func(routes []string) string {
		return `{"Body":{"WaybillRoute":[` + strings.Join(routes, ",") + `]}}`
	}
	xml := "<Request><Body>" + strings.Join(elements, "") + "</Body></Request>"
	return map[string]string{"json": inBody(list), "json with numbers": inBody(loose), "xml": xml, "form": asForm(xml),
		"wrapped": "timestamp=1&msgData=" + url.QueryEscape(inBody(list))}
}

func TestMaxRoutes(t *testing.T) {
	for form := range many(0) {
		t.Run(form, func(t *testing.T) {
			carriertest.Most(t, New(Settings{}), MaxRoutes, func(n int) *carriers.Request { return &carriers.Request{Body: []byte(many(n)[form])} })
		})
	}
}

func TestGreedyBodies(t *testing.T) {
	carriertest.Greedy(t, New(Settings{}), carriers.Request{}, map[string][3]string{
		"empty routes":     {`{"Body":{"WaybillRoute":[`, `{},`, `{}]}}`},
		"absent routes":    {`{"Body":{"WaybillRoute":[`, `null,`, `null]}}`},
		"numbers":          {`{"Body":{"WaybillRoute":[`, `1,`, `1]}}`},
		"deep":             {``, `[`, ``},
		"elements":         {`<Request><Body>`, `<WaybillRoute/>`, `</Body></Request>`},
		"attributes":       {`<Request><Body><WaybillRoute `, `a="" `, `/></Body></Request>`},
		"attributes, form": {`content=<Request+`, `a=""+`, `/>`},
		"levels":           {``, `<a>`, ``},
		"a long name":      {`<`, `a`, `/>`},
		"fields":           {``, `a=b&`, `a=b`},
		"escaped names":    {``, `%61=b&`, `a=b`},
		"wrapped":          {`msgData={"Body":{"WaybillRoute":[`, `{},`, `{}]}}`},
	})
}

// What one push left in the memory that is used again must not show in the next.
func TestNothingIsLeftBehind(t *testing.T) {
	full, sparse := carriertest.Body(t, "journey"), `{"Body":{"WaybillRoute":[{"mailno":"SF0000000001","acceptTime":"2024-03-18 09:41:07"},{"mailno":"SF0000000002","acceptTime":"2024-03-18 09:41:08"}]}}`
	d := New(Settings{}).Push
	var facts trace.Facts
	for _, body := range []string{full, sparse, full, sparse, `{"Body":{}}`} {
		facts.Reset()
		if err := d.Decode(&carriers.Request{Body: []byte(body)}, &facts); err != nil {
			t.Fatal(err)
		}
		if body != sparse {
			continue
		}
		for _, e := range facts.Events {
			if e.Code != "" || e.Text.Text != "" || e.Place.Address != "" || e.CarrierID != "" || e.References != nil {
				t.Errorf("left behind by another push: %+v", e)
			}
		}
	}
	if len(facts.Events) != 0 || len(facts.Faults) != 1 {
		t.Errorf("an empty Body: %d events, faults %v", len(facts.Events), facts.Faults)
	}
}

func TestAnswers(t *testing.T) {
	const (
		json, xml = "application/json; charset=utf-8", "text/xml; charset=utf-8"
		ok        = `<Response service="RoutePushService"><Head>OK</Head></Response>`
		fault     = `<Response service="RoutePushService"><Head>ERR</Head><ERROR code="4001">系统发生数据错误或运行时异常</ERROR></Response>`
	)
	unavailable := trace.Problemf(trace.ErrUnavailable, "busy", "too much at once")
	for _, c := range []struct {
		body, contentType string
		err               error
		want, wantType    string
	}{
		{`{"Body":{}}`, formType, nil, `{"return_code":"0000","return_msg":"成功"}`, json},
		{` [`, "text/xml", errors.New("of no kind"), `{"return_code":"1000","return_msg":"系统异常"}`, json},
		{"", "application/json", unavailable, `{"return_code":"1000","return_msg":"系统异常: 系统繁忙,请稍后重推"}`, json},
		{"", "", trace.ErrUnauthorized, `{"return_code":"1000","return_msg":"未授权: 推送地址中的令牌或来源IP未获允许"}`, json},
		{"", "application/json", trace.Invalid("too_large", "", "2 MiB"), `{"return_code":"1000","return_msg":"报文解析失败: 报文超过大小限制"}`, json},
		{"hello", "application/json", trace.Invalid("missing_field", "content", ""), `{"return_code":"1000","return_msg":"报文解析失败: 缺少表单字段 content"}`, json},
		{"content=", "application/json", nil, ok, xml},
		{"serviceCode=x&msgData=%7B%22a%22%3A%22content=%22", formType, nil, `{"return_code":"0000","return_msg":"成功"}`, json},
		{"msgData=", formType, trace.Problemf(trace.ErrUnauthorized, "wrong_signature", ""), `{"return_code":"1000","return_msg":"未授权: 数字签名无效"}`, json},
		{"<a/>", "application/json", nil, ok, xml},
		{"hello", "", nil, ok, xml},
		{"", formType, nil, ok, xml},
		{"", "Application/XML", nil, ok, xml},
		{"", formType, unavailable, fault, xml},
		{"<", "", errors.New("of no kind"), fault, xml},
		{"", formType, trace.ErrUnauthorized, strings.Replace(fault, "系统发生数据错误或运行时异常", "未授权: 推送地址中的令牌或来源IP未获允许", 1), xml},
		{"<a", "", trace.Invalid("malformed_xml", "", `<&>`), `<Response service="RoutePushService"><Head>ERR</Head><ERROR code="4002">报文解析失败: XML格式错误 (&lt;&amp;&gt;)</ERROR></Response>`, xml},
	} {
		r := &carriers.Request{Body: []byte(c.body), ContentType: c.contentType}
		got, gotType := answer([]byte("-"), r, c.err)
		if string(got) != "-"+c.want || gotType != c.wantType {
			t.Errorf("to %q of type %q, error %v\ngot  %s %s\nwant %s %s", c.body, c.contentType, c.err, gotType, got, c.wantType, c.want)
		}
	}
}
