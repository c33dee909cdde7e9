package wire

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"slices"
	"strings"
)

// A Param is a parameter of the query or of a form, decoded.
type Param struct{ Name, Value string }

// Signature is the name of the parameter that a signature comes in.
const Signature = "_aop_signature"

// Sign is the signature of a request to Alibaba's gateway (AOP): the HMAC-SHA1, in
// upper-case hex, of its path and then of the names and values of its parameters
// in order of their names, but for the signature itself. The path is that from
// "param2" up to the query, without a slash in front.
//
// Nothing stands between the parts, so the signature does not say where a name
// ends and its value begins; and it does not cover a body that is no form: such a
// body may be anybody's, whatever the signature.
func Sign(path string, params []Param, secret string) string {
	params = slices.Clone(params)
	slices.SortStableFunc(params, func(a, b Param) int { return strings.Compare(a.Name, b.Name) })
	mac := hmac.New(sha1.New, []byte(secret))
	io.WriteString(mac, path)
	for _, p := range params {
		if p.Name != Signature {
			io.WriteString(mac, p.Name)
			io.WriteString(mac, p.Value)
		}
	}
	return strings.ToUpper(hex.EncodeToString(mac.Sum(nil)))
}

// Verify reports whether the signature among the parameters is that of one of the
// secrets. It takes the same time whichever byte is wrong.
func Verify(path string, params []Param, secrets []string) bool {
	at := slices.IndexFunc(params, func(p Param) bool { return p.Name == Signature })
	if at < 0 {
		return false
	}
	given, verified := []byte(params[at].Value), false
	for _, secret := range secrets {
		if hmac.Equal(given, []byte(Sign(path, params, secret))) {
			verified = true
		}
	}
	return verified
}
