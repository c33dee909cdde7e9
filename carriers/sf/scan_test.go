package sf

import (
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// scanned reads XML with scanXML, and with readAnyXML what that reads.
func scanned(t *testing.T, data []byte) (taken bool, routes []route) {
	t.Helper()
	fast, any := new(push), new(push)
	before := string(data)
	taken = fast.scanXML(data, new(trace.Facts))
	if string(data) != before {
		t.Errorf("%q has become %q, which the other reader would read", before, data)
	}
	if !taken {
		return false, nil
	}
	if err := any.readAnyXML(data); err != nil || !reflect.DeepEqual(fast.Body.WaybillRoute, any.Body.WaybillRoute) {
		t.Errorf("%q:\n%+v, want\n%+v, %v", data, fast.Body.WaybillRoute, any.Body.WaybillRoute, err)
	}
	return true, fast.Body.WaybillRoute
}

// What SF sends is read in one pass.
func TestScanXMLReadsWhatSFWrites(t *testing.T) {
	bare := `<WaybillRoute id='1' mailno="SF1"/>`
	for name, c := range map[string]struct {
		xml    string
		routes int
	}{
		"as in the bench":             {inXML(scans(10)), 10},
		"document":                    {formContent(t, "document-form"), 2},
		"entities":                    {formContent(t, "entities"), 1},
		"lines":                       {"<?xml version=\"1.0\"?>\r\n<Request>\n\t<Body >\r\n" + bare + "\n</Body\n>\n</Request>\n ", 1},
		"an end tag":                  {"<Request><Body><WaybillRoute\nmailno = 'SF1' ></WaybillRoute></Body></Request>", 1},
		"beside the body":             {"<Request><Head/><Other>" + bare + "</Other><Body>" + bare + "</Body></Request>", 1},
		"an end of a line in a value": {"<Request><Body><WaybillRoute remark='a&#10;b'/></Body></Request>", 1},
		"no routes":                   {"<Request/>", 0},
	} {
		taken, routes := scanned(t, []byte(c.xml))
		if !taken || len(routes) != c.routes {
			t.Errorf("%s: taken %t, %d routes, want %d", name, taken, len(routes), c.routes)
		}
	}
}

// formContent is the content of a case's form.
func formContent(t *testing.T, name string) string {
	t.Helper()
	form, err := url.ParseQuery(carriertest.Body(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return form.Get(fieldContent)
}

// What is not plain is left to the other reader, be it right or wrong.
func TestScanXMLLeavesTheRest(t *testing.T) {
	inside := func(s string) string { return "<Request><Body>" + s + "</Body></Request>" }
	tooMany := strings.Repeat("<WaybillRoute/>", MaxRoutes+1)
	for name, xml := range map[string]string{
		"nothing": "", "text": "x", "a comment": inside("<!-- a -->"), "a DOCTYPE": "<!DOCTYPE a><a/>", "CDATA": inside("<![CDATA[a]]>"),
		"an instruction": inside("<?a b?>"), "another version": "<?xml version='1.1'?><a/>", "another encoding": "<?xml version='1.0' encoding='GBK'?><a/>",
		"a namespace": "<a xmlns='b'/>", "a prefix": "<a:b/>", "a prefix of an attribute": "<a b:c='d'/>", "an unknown entity": "<a b='&nbsp;'/>",
		"an entity of what is no character": "<a b='&#0;'/>", "no end of an entity": "<a b='&amp'/>", "a control character": "<a b='\x01'/>",
		"a return in a value": "<a b='\r\n'/>", "U+FFFE": "<a b='\uFFFE'/>", "not UTF-8": "<a b='\xff'/>", "less in a value": "<a b='<'/>",
		"text in the body": inside("x"), "two roots": "<a/><b/>", "text behind": "<a/>x", "no end": "<a>", "another end": "<a></b>", "too many ends": "</a>",
		"no value": "<a b/>", "no quotes": "<a b=c/>", "an open quote": "<a b='c/>", "an open tag": "<a b='c' /", "a digit in front": "<1/>", "deep": inside("<a><b/></a>"),
		"too many routes": inside(tooMany), "too many attributes": "<a " + strings.Repeat("b='' ", maxAttributes+1) + "/>", "a long element": "<a b='" + strings.Repeat("=", mostEquals) + "'/>",
	} {
		if taken, _ := scanned(t, []byte(xml)); taken {
			t.Errorf("%s: taken", name)
		}
	}
}

// What the one pass takes, the reader of all XML reads the same.
func FuzzScanXML(f *testing.F) {
	names, err := filepath.Glob("testdata/*.push")
	if err != nil || len(names) == 0 {
		f.Fatal("no cases: ", err)
	}
	for _, name := range names {
		body := carriertest.Body(f, strings.TrimSuffix(filepath.Base(name), ".push"))
		if form, err := url.ParseQuery(body); err == nil && form.Has(fieldContent) {
			body = form.Get(fieldContent)
		}
		if strings.HasPrefix(body, "<") {
			f.Add([]byte(body))
		}
	}
	f.Add([]byte(inXML(scans(2))))
	f.Add([]byte("<a><Body><WaybillRoute id='&#x4E2D;&lt;]]>'></WaybillRoute></Body></a>"))
	f.Fuzz(func(t *testing.T, data []byte) { scanned(t, data) })
}

// Strings of routes lie in memory of the facts: the request's may be used again.
func TestNothingRefersIntoTheBody(t *testing.T) {
	for name, body := range map[string]string{"json": inJSON(scans(3)), "xml": inXML(scans(3)), "form": asForm(inXML(scans(3))), "entities": carriertest.Body(t, "entities")} {
		read := func(scribble bool) trace.Facts {
			var facts trace.Facts
			r := carriers.Request{Body: []byte(body)}
			if err := New(Settings{}).Push.Decode(&r, &facts); err != nil || len(facts.Events) == 0 {
				t.Fatalf("%s: %d events, %v", name, len(facts.Events), err)
			}
			if scribble {
				clear(r.Body)
			}
			return facts
		}
		if got, want := read(true), read(false); !reflect.DeepEqual(got.Events, want.Events) {
			t.Errorf("%s: the events have become\n%+v, want\n%+v", name, got.Events, want.Events)
		}
	}
}
