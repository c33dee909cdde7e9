package kdniao

import (
	"bytes"
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

const formType = "application/x-www-form-urlencoded; charset=UTF-8"

// sign is Kdniao's signature of a push: the MD5 of the JSON text followed by the
// key, as lower-case hex, and that in base64. None of its letters is one that a
// form could spoil.
func sign(data []byte, key string) string {
	sum := md5.Sum(append(bytes.Clone(data), key...))
	return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString(sum[:])))
}

// A form is what stands around the JSON text of a push.
type form struct {
	data        []byte // the JSON text, as it was signed
	signature   string
	requestType string
	id          string // the EBusinessID, where the form has it
}

// read takes a push apart. A push whose signature is not right is ErrUnauthorized.
func (d *dialect) read(r *carriers.Request) (form, error) {
	f, err := readForm(r)
	if err != nil || len(d.keys) == 0 || r.Kept {
		return f, err
	}
	right := 0
	for _, key := range d.keys {
		want := []byte(sign(f.data, key))
		right |= subtle.ConstantTimeCompare(want, []byte(f.signature))
		// Kdniao encodes the signature, and some forms encode it once more.
		if again, err := url.QueryUnescape(f.signature); err == nil {
			right |= subtle.ConstantTimeCompare(want, []byte(again))
		}
	}
	switch {
	case f.signature == "":
		return form{}, trace.Problemf(trace.ErrUnauthorized, "missing_signature", "the push has no DataSign")
	case right != 1:
		return form{}, trace.Problemf(trace.ErrUnauthorized, "wrong_signature", "DataSign is not that of RequestData with carriers.kdniao.api_keys")
	}
	return f, nil
}

// readForm reads the fields of a push. The JSON may also be the whole body: then it
// is not signed.
func readForm(r *carriers.Request) (form, error) {
	switch r.Shape() {
	case carriers.Empty:
		return form{}, trace.Invalid("empty_body", "", "the body is empty")
	case carriers.Form:
	default:
		return form{data: r.Body}, nil
	}
	given, err := carriers.FormFields(bytes.Clone, r.Body, "RequestData", "DataSign", "RequestType", "EBusinessID")
	switch {
	case err != nil:
		return form{}, err
	case len(given[0]) == 0:
		return form{}, trace.Invalid("missing_field", "RequestData", "form: there is no field RequestData")
	}
	return form{given[0], string(given[1]), strings.TrimSpace(string(given[2])), string(given[3])}, nil
}

// outgoing is carriers.Push.Outgoing: the payload is the JSON text, and the key's
// name the EBusinessID.
func outgoing(payload []byte, o carriers.Sending) (*carriers.Outgoing, error) {
	body := []byte("RequestType=" + traces)
	if o.Key != "" {
		body = append(append(body, "&EBusinessID="...), url.QueryEscape(o.Key)...)
	}
	body = append(append(body, "&RequestData="...), url.QueryEscape(string(payload))...)
	if o.Secret != "" {
		body = append(append(body, "&DataSign="...), url.QueryEscape(sign(payload, o.Secret))...)
	}
	return &carriers.Outgoing{Path: "/push/" + code, ContentType: formType, Body: body}, nil
}
