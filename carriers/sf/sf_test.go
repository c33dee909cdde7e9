package sf

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"

	"waytrace/carriers"
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

// caseBody is the body of a case file.
func caseBody(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".push"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(content), "\n\n")
	body, _, _ := strings.Cut(rest, "\n---- events\n")
	return body
}

// The two forms of SF's document say the same, so they must mean the same.
func TestFormsAreTwins(t *testing.T) {
	want, err := decode(Settings{}, caseBody(t, "document-json"), "application/json")
	if err != nil || len(want.Events) != 2 {
		t.Fatalf("the document's sample: %d events, %v", len(want.Events), err)
	}
	got, err := decode(Settings{}, caseBody(t, "document-form"), formType)
	if err != nil || !reflect.DeepEqual(got.Events, want.Events) {
		t.Errorf("the form (%v)\ngot  %+v\nwant %+v", err, got.Events, want.Events)
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

func TestSettings(t *testing.T) {
	body := caseBody(t, "document-json")
	for _, c := range []struct {
		settings          Settings
		account, language string
	}{
		{Settings{}, "main", "zh-Hans"},
		{Settings{Language: "en"}, "main", "en"},
		{Settings{Door: carriers.Door{Account: "shop"}, Language: "zh-Hant"}, "shop", "zh-Hant"},
	} {
		facts, err := decode(c.settings, body, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range facts.Events {
			if e.References[0].Account != c.account || e.Text.Lang != c.language {
				t.Errorf("%+v: reference %v, language %s", c.settings, e.References, e.Text.Lang)
			}
		}
		if _, err := c.settings.Carrier(); err != nil {
			t.Errorf("%+v: %v", c.settings, err)
		}
	}
	if _, err := (Settings{Language: "fr"}).Carrier(); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("language fr: %v, want ErrInvalid", err)
	}
}

// A push is refused at every byte where it may break off.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"document-json", "document-form", "document-xml", "single-object"} {
		body := strings.TrimSpace(caseBody(t, name))
		for n := range body {
			facts, err := decode(Settings{}, body[:n], "")
			if !errors.Is(err, trace.ErrInvalid) || len(facts.Events)+len(facts.Faults) > 0 {
				t.Fatalf("%s, its first %d bytes: %d events, %d faults, error %v", name, n, len(facts.Events), len(facts.Faults), err)
			}
		}
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
	return map[string]string{"json": inBody(list), "json with numbers": inBody(loose), "xml": xml, "form": asForm(xml)}
}

func TestMaxRoutes(t *testing.T) {
	for form, body := range many(MaxRoutes) {
		if facts, err := decode(Settings{}, body, ""); err != nil || len(facts.Events) != MaxRoutes || len(facts.Faults) != 0 {
			t.Errorf("%s: %d events, %d faults, error %v; want %d events", form, len(facts.Events), len(facts.Faults), err, MaxRoutes)
		}
	}
	for form, body := range many(MaxRoutes + 1) {
		facts, err := decode(Settings{}, body, "")
		if err != nil || len(facts.Events) != 0 || len(facts.Faults) != 1 || facts.Faults[0].Code != "too_many_items" || facts.Faults[0].Index != -1 {
			t.Errorf("%s: %d events, faults %v, error %v; want the one fault too_many_items of the request", form, len(facts.Events), facts.Faults, err)
		}
	}
}

// A body as large as a door lets in cannot make us hold much more than itself.
func TestGreedyBodies(t *testing.T) {
	const size = 1 << 20
	fill := func(before, piece, after string) string {
		return before + strings.Repeat(piece, (size-len(before)-len(after))/len(piece)) + after
	}
	for name, body := range map[string]string{
		"empty routes":     fill(`{"Body":{"WaybillRoute":[`, `{},`, `{}]}}`),
		"absent routes":    fill(`{"Body":{"WaybillRoute":[`, `null,`, `null]}}`),
		"numbers":          fill(`{"Body":{"WaybillRoute":[`, `1,`, `1]}}`),
		"deep":             fill(``, `[`, ``),
		"elements":         fill(`<Request><Body>`, `<WaybillRoute/>`, `</Body></Request>`),
		"attributes":       fill(`<Request><Body><WaybillRoute `, `a="" `, `/></Body></Request>`),
		"attributes, form": "content=" + fill(`<Request+`, `a=""+`, `/>`),
		"levels":           fill(``, `<a>`, ``),
		"a long name":      fill(`<`, `a`, `/>`),
		"fields":           fill(``, `a=b&`, `a=b`),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		facts, err := decode(Settings{}, body, "")
		runtime.ReadMemStats(&after)
		if len(facts.Events) != 0 || len(facts.Faults) > 1 || err == nil && len(facts.Faults) == 0 {
			t.Errorf("%s: %d events, %d faults, error %v", name, len(facts.Events), len(facts.Faults), err)
		}
		// All that was ever allocated, given back or not.
		if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 100 {
			t.Errorf("%s: %d MiB for a body of 1 MiB", name, got)
		}
	}
}

// What one push left in the memory that is used again must not show in the next.
func TestNothingIsLeftBehind(t *testing.T) {
	full, sparse := caseBody(t, "journey"), `{"Body":{"WaybillRoute":[{"mailno":"SF0000000001","acceptTime":"2024-03-18 09:41:07"},{"mailno":"SF0000000002","acceptTime":"2024-03-18 09:41:08"}]}}`
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

func TestManyAtOnce(t *testing.T) {
	d := New(Settings{}).Push
	var group sync.WaitGroup
	for _, name := range []string{"journey", "document-json", "document-form", "one-broken-route", "locker", "numbers-as-numbers"} {
		body := caseBody(t, name)
		want, err := decode(Settings{}, body, "")
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for range 200 {
				var facts trace.Facts
				if err := d.Decode(&carriers.Request{Body: []byte(body)}, &facts); err != nil || !reflect.DeepEqual(facts.Events, want.Events) {
					t.Errorf("%s: beside others\ngot  %+v (%v)\nwant %+v", name, facts.Events, err, want.Events)
					return
				}
			}
		})
	}
	group.Wait()
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

// FuzzLibraries holds the two JSON libraries against each other.
func FuzzLibraries(f *testing.F) {
	for _, name := range []string{"journey", "numbers-as-numbers", "one-broken-route", "missing-fields", "single-object", "shape-array", "shape-list-is-text", "malformed-trailing"} {
		f.Add([]byte(caseBody(f, name)))
	}
	d := New(Settings{}).Push
	f.Fuzz(func(t *testing.T, body []byte) {
		lower := bytes.ToLower(body)
		for _, odd := range []string{"\u017f", "\u212a", `\u017f`, `\u212a`} {
			if bytes.Contains(lower, []byte(odd)) || bytes.Contains(body, []byte(odd)) {
				t.Skip("encoding/json alone takes these letters for s and k in names")
			}
		}
		with := func(l carriers.JSONLibrary) (facts trace.Facts, err error) {
			carriers.JSONBy = l
			defer func() { carriers.JSONBy = carriers.Sonic }()
			err = d.Decode(&carriers.Request{Body: body}, &facts)
			return facts, err
		}
		fast, fastErr := with(carriers.Sonic)
		std, stdErr := with(carriers.Std)
		if fmt.Sprint(fastErr) != fmt.Sprint(stdErr) || !reflect.DeepEqual(fast, std) {
			t.Errorf("sonic: %+v %v\nstd:   %+v %v", fast, fastErr, std, stdErr)
		}
	})
}
