package wire

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The vector that the gateway's documentation publishes.
const vectorPath, vectorSecret, vectorSignature = "param2/1/system/currentTime/1000000", "test123", "33E54F4F7B989E3E0E912D3FBD2F1A03CA7CCE88"

var vectorParams = []Param{{"b", "2"}, {Signature, "not signed itself"}, {"a", "1"}}

func TestSign(t *testing.T) {
	if got := Sign(vectorPath, vectorParams, vectorSecret); got != vectorSignature {
		t.Errorf("got %s, want %s", got, vectorSignature)
	}
	if vectorParams[0].Name != "b" {
		t.Error("the caller's parameters were sorted")
	}
	for name, got := range map[string]string{
		"another path":     Sign("param2/1/system/currentTime/1000001", vectorParams, vectorSecret),
		"a slash in front": Sign("/"+vectorPath, vectorParams, vectorSecret),
		"another value":    Sign(vectorPath, []Param{{"b", "3"}, {"a", "1"}}, vectorSecret),
		"another name":     Sign(vectorPath, []Param{{"c", "2"}, {"a", "1"}}, vectorSecret),
		"one missing":      Sign(vectorPath, []Param{{"a", "1"}}, vectorSecret),
		"one more":         Sign(vectorPath, []Param{{"b", "2"}, {"a", "1"}, {"c", ""}}, vectorSecret),
		"another secret":   Sign(vectorPath, vectorParams, "test124"),
	} {
		if got == vectorSignature {
			t.Errorf("%s: the same signature", name)
		}
	}
}

// The vectors that lie beside the project.
func TestSharedVector(t *testing.T) {
	data, err := os.ReadFile("../../../../shared/signature-vectors.json")
	if err != nil {
		t.Skip("there are no vectors beside the project: ", err)
	}
	var vectors []struct {
		Name, Output string
		Input        json.RawMessage
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, v := range vectors {
		if v.Name != "aop.signature" {
			continue
		}
		tried++
		var in struct {
			URLPath, AppSecret string
			Params             map[string]string
		}
		if err := json.Unmarshal(v.Input, &in); err != nil {
			t.Fatal(err)
		}
		var params []Param
		for name, value := range in.Params {
			params = append(params, Param{name, value})
		}
		if got := Sign(in.URLPath, params, in.AppSecret); got != v.Output {
			t.Errorf("got %s, want %s", got, v.Output)
		}
	}
	if tried == 0 {
		t.Error("there is no vector aop.signature")
	}
}

func TestVerify(t *testing.T) {
	signed := func(signature string) []Param { return []Param{{"a", "1"}, {Signature, signature}, {"b", "2"}} }
	for _, c := range []struct {
		name    string
		params  []Param
		secrets []string
		want    bool
	}{
		{"right", signed(vectorSignature), []string{vectorSecret}, true},
		{"the second secret", signed(vectorSignature), []string{"newer", vectorSecret}, true},
		{"the first secret", signed(vectorSignature), []string{vectorSecret, "older"}, true},
		{"neither secret", signed(vectorSignature), []string{"newer", "older"}, false},
		{"no secret", signed(vectorSignature), nil, false},
		{"one byte", signed("0" + vectorSignature[1:]), []string{vectorSecret}, false},
		{"lower case", signed(strings.ToLower(vectorSignature)), []string{vectorSecret}, false},
		{"cut short", signed(vectorSignature[:39]), []string{vectorSecret}, false},
		{"empty", signed(""), []string{vectorSecret}, false},
		{"none", []Param{{"a", "1"}, {"b", "2"}}, []string{vectorSecret}, false},
	} {
		if got := Verify(vectorPath, c.params, c.secrets); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
