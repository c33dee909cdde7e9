package kuaidi100

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/url"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

const formType = "application/x-www-form-urlencoded; charset=UTF-8"

// sign is Kuaidi100's signature of a push: the MD5 of the JSON text followed by the
// salt, as upper-case hex.
func sign(param []byte, salt string) string {
	sum := md5.New()
	sum.Write(param)
	io.WriteString(sum, salt)
	return strings.ToUpper(hex.EncodeToString(sum.Sum(nil)))
}

// param gives the JSON text of a push, as it was signed: the form's field param,
// after decoding it, in memory of keep. Without a salt the JSON may also be the whole body. A push
// whose signature is not right is ErrUnauthorized.
func (d *dialect) param(keep func([]byte) []byte, r *carriers.Request) ([]byte, error) {
	var body []byte
	signed := ""
	switch r.Shape() {
	case carriers.Empty:
		return nil, trace.Invalid("empty_body", "", "the body is empty")
	case carriers.Form:
		given, err := carriers.FormFields(keep, r.Body, "param", "sign")
		if err != nil {
			return nil, err
		}
		if given[0] == nil {
			return nil, trace.Invalid("missing_field", "param", "form: there is no field param")
		}
		body, signed = given[0], string(given[1])
	default:
		body = keep(r.Body)
	}
	if len(d.salts) == 0 || r.Kept {
		return body, nil
	}
	right := 0
	for _, salt := range d.salts {
		right |= subtle.ConstantTimeCompare([]byte(sign(body, salt)), []byte(strings.ToUpper(signed)))
	}
	switch {
	case signed == "":
		return nil, trace.Problemf(trace.ErrUnauthorized, "missing_signature", "the push has no sign")
	case right != 1:
		return nil, trace.Problemf(trace.ErrUnauthorized, "wrong_signature", "sign is not that of param with carriers.kuaidi100.salts")
	}
	return body, nil
}

// outgoing is carriers.Push.Outgoing: the payload is the JSON text.
func outgoing(payload []byte, o carriers.Sending) (*carriers.Outgoing, error) {
	body := append([]byte("param="), url.QueryEscape(string(payload))...)
	if o.Secret != "" {
		body = append(append(body, "&sign="...), sign(payload, o.Secret)...)
	}
	return &carriers.Outgoing{Path: "/push/" + code, ContentType: formType, Body: body}, nil
}
