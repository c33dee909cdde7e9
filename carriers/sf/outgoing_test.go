package sf

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// What goes out is understood as what came in, in every form.
func TestOutgoing(t *testing.T) {
	const secret = "case-check-word"
	json, xml, form := carriertest.Body(t, "document-json"), carriertest.Body(t, "document-xml"), carriertest.Body(t, "document-form")
	want, err := decode(Settings{}, json, "")
	if err != nil {
		t.Fatal(err)
	}
	push := New(Settings{Terms: Terms{Secrets: []string{secret}}}).Push
	for _, c := range []struct {
		name, payload string
		sending       carriers.Sending
		contentType   string
	}{
		{"json", json, carriers.Sending{}, "application/json ;charset=UTF-8"},
		{"json, key alone", json, carriers.Sending{Key: "HKSHOP01"}, "application/json ;charset=UTF-8"},
		{"json, signed", json, carriers.Sending{Secret: secret}, "application/x-www-form-urlencoded; charset=UTF-8"},
		{"xml", xml, carriers.Sending{}, "application/x-www-form-urlencoded; charset=UTF-8"},
		{"form", form + "\r\n", carriers.Sending{}, "application/x-www-form-urlencoded; charset=UTF-8"},
	} {
		out, err := push.Outgoing([]byte(c.payload), c.sending)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if out.Path != "/push/sf" || out.ContentType != c.contentType {
			t.Errorf("%s: to %s as %s, want /push/sf as %s", c.name, out.Path, out.ContentType, c.contentType)
		}
		var got trace.Facts
		if err := push.Decode(&carriers.Request{Body: out.Body, ContentType: out.ContentType}, &got); err != nil || len(got.Events) != len(want.Events) {
			t.Errorf("%s: %d events, error %v\n%s", c.name, len(got.Events), err, out.Body)
		}
	}
	for name, c := range map[string]struct {
		payload string
		sending carriers.Sending
	}{
		"nothing":      {" \n", carriers.Sending{}},
		"a call":       {json, carriers.Sending{Call: "notifyTrace"}},
		"xml, signed":  {xml, carriers.Sending{Secret: secret}},
		"form, signed": {form, carriers.Sending{Secret: secret}},
	} {
		if out, err := push.Outgoing([]byte(c.payload), c.sending); !errors.Is(err, trace.ErrInvalid) || out != nil {
			t.Errorf("%s: %+v, error %v, want ErrInvalid", name, out, err)
		}
	}
}

func TestWrap(t *testing.T) {
	const payload = `{"language":"zh-CN","orderId":"QIAO-20200618-004"}`
	at := time.UnixMilli(12312334453453)
	got, err := url.ParseQuery(string(wrap([]byte(payload), carriers.Sending{Key: "HKSHOP01", Secret: "fjcg5PGKaNpPSHFAZ4QsCOkV71R3zVci"}, at)))
	if err != nil {
		t.Fatal(err)
	}
	if id := got.Get("requestID"); len(id) != 36 || strings.Count(id, "-") != 4 {
		t.Errorf("requestID %q is no UUID", id)
	}
	got.Del("requestID")
	want := url.Values{"partnerID": {"HKSHOP01"}, "serviceCode": {"RoutePushService"}, "timestamp": {"12312334453453"},
		"msgDigest": {"OwYXm3XG9fjHK7A+/t7Ckw=="}, "msgData": {payload}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestYes(t *testing.T) {
	for body, want := range map[string]bool{
		jsonSuccess: true, xmlSuccess: true, `{"return_code": "0000"}`: true,
		`{"return_code":"1000","return_msg":"0000"}`: false, `{"return_code":0}`: false, `0000`: false, ``: false, `OK`: false,
		`<Response service="RoutePushService"><Head>ERR</Head><ERROR code="4001">OK</ERROR></Response>`: false,
	} {
		if got := yes([]byte(body)); got != want {
			t.Errorf("%s: %t, want %t", body, got, want)
		}
	}
	// Our own answers are what is asked for.
	for _, contentType := range []string{"application/json", formType} {
		r := &carriers.Request{ContentType: contentType}
		good, _ := answer(nil, r, nil)
		bad, _ := answer(nil, r, trace.ErrUnavailable)
		if !yes(good) || yes(bad) {
			t.Errorf("to %s: %s is %t, %s is %t", contentType, good, yes(good), bad, yes(bad))
		}
	}
}
