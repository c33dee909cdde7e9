package sf

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// Digests with what they were taken of: SF publishes the first, the others were
// computed by its formulas.
var digests = []struct {
	data, timestamp, secret, want string
	of                            func(string) string
}{
	{`{"language":"zh-CN","orderId":"QIAO-20200618-004"}`, "12312334453453", "fjcg5PGKaNpPSHFAZ4QsCOkV71R3zVci", "IIKJtuLVzoFTu4kHI8M8vA==", standardMD5},
	{`{"language":"zh-CN","orderId":"QIAO-20200618-004"}`, "12312334453453", "fjcg5PGKaNpPSHFAZ4QsCOkV71R3zVci", "OwYXm3XG9fjHK7A+/t7Ckw==", simpleMD5},
	{"中 *~+", "1", "test", "enEGxDrktGqdJiLR3VtTkA==", standardMD5},
}

func TestDigests(t *testing.T) {
	for _, c := range digests {
		if got := c.of(c.data + c.timestamp + c.secret); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.data, c.timestamp, got, c.want)
		}
	}
}

// A digest holds for what was signed and for nothing else.
func TestUnwrap(t *testing.T) {
	form := func(data, timestamp, digest string) []byte {
		return []byte(url.Values{fieldData: {data}, fieldTimestamp: {timestamp}, fieldDigest: {digest}}.Encode())
	}
	for _, c := range digests {
		// Each piece with one byte changed.
		other := func(s string) string { return s[:len(s)-2] + string(s[len(s)-2]^1) + s[len(s)-1:] }
		secrets := []string{"the old one", c.secret}
		for name, x := range map[string]struct {
			body    []byte
			secrets []string
			kept    bool
			good    bool
		}{
			"as signed":         {form(c.data, c.timestamp, c.want), secrets, false, true},
			"first secret":      {form(c.data, c.timestamp, c.want), []string{c.secret, "the next one"}, false, true},
			"plus as blank":     {form(c.data, c.timestamp, strings.ReplaceAll(c.want, "+", " ")), secrets, false, true},
			"data changed":      {form(other(c.data+" "), c.timestamp, c.want), secrets, false, false},
			"time changed":      {form(c.data, c.timestamp+"1", c.want), secrets, false, false},
			"no time":           {[]byte(url.Values{fieldData: {c.data}, fieldDigest: {c.want}}.Encode()), secrets, false, false},
			"digest changed":    {form(c.data, c.timestamp, other(c.want)), secrets, false, false},
			"digest cut":        {form(c.data, c.timestamp, c.want[:len(c.want)-1]), secrets, false, false},
			"digest empty":      {form(c.data, c.timestamp, ""), secrets, false, false},
			"secret changed":    {form(c.data, c.timestamp, c.want), []string{other(c.secret)}, false, false},
			"changed, kept":     {form(c.data, c.timestamp, other(c.want)), secrets, true, true},
			"changed, no check": {form(c.data, c.timestamp, other(c.want)), nil, false, true},
			"no digest":         {[]byte(url.Values{fieldData: {c.data}}.Encode()), secrets, false, true},
		} {
			data, err := unwrap(bytes.Clone, &carriers.Request{Body: x.body, Kept: x.kept}, x.secrets)
			switch {
			case x.good && (err != nil || string(data) != c.data):
				t.Errorf("%s, %s: %q, error %v", c.want, name, data, err)
			case !x.good && (!errors.Is(err, trace.ErrUnauthorized) || data != nil):
				t.Errorf("%s, %s: %q, error %v, want ErrUnauthorized", c.want, name, data, err)
			}
		}
	}
	for name, body := range map[string]string{
		"broken data": "msgData=%7B%2&msgDigest=a", "broken time": "msgData=%7B%7D&timestamp=%&msgDigest=a", "broken digest": "msgData=%7B%7D&msgDigest=%g1",
	} {
		var p *trace.Problem
		if _, err := unwrap(bytes.Clone, &carriers.Request{Body: []byte(body)}, []string{"secret"}); !errors.As(err, &p) || p.Code != "malformed_form" {
			t.Errorf("%s: %v, want malformed_form", name, err)
		}
	}
}

// The vectors that lie beside the project, where they do.
func TestSharedVectors(t *testing.T) {
	content, err := os.ReadFile("../../../shared/signature-vectors.json")
	if err != nil {
		t.Skip("there are no vectors beside the project: ", err)
	}
	var all []struct {
		Name          string
		Input, Output json.RawMessage
	}
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	met := 0
	for _, v := range all {
		of := map[string]func(string) string{"sf.msgDigest.standard_md5": standardMD5, "sf.msgDigest.simple_md5": simpleMD5, "sf.java_urlencode": standardMD5}[v.Name]
		if of == nil {
			continue
		}
		met++
		var in struct{ MsgData, Timestamp, CheckWord string }
		var want string
		if err := errors.Join(json.Unmarshal(v.Input, &in), json.Unmarshal(v.Output, &want)); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if got := of(in.MsgData + in.Timestamp + in.CheckWord); got != want {
			t.Errorf("%s: %s, want %s", v.Name, got, want)
		}
	}
	if met != 3 {
		t.Errorf("%d vectors of SF's MD5 digests, want 3", met)
	}
}

// Only the account that has the secret asks for it.
func TestSecretsAreAnAccounts(t *testing.T) {
	body := []byte(carriertest.Body(t, "wrapped-wrong-digest"))
	d := withAccounts().Push
	for account, want := range map[string]error{"hk": trace.ErrUnauthorized, "": nil, "shop": nil} {
		var facts trace.Facts
		if err := d.Decode(&carriers.Request{Body: body, Account: account}, &facts); !errors.Is(err, want) {
			t.Errorf("account %q: %v, want %v", account, err, want)
		}
	}
	if d.Signed {
		t.Error("the door is open to everybody, and most of SF's pushes are not signed")
	}
}
