package alibaba

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

// The calls that a logistics company makes (section 5 of the document).
const (
	callTrace    = "notifyTrace"
	callBizEvent = "notifyBizEvent"
	callCharge   = "claimCharge"
)

var calls = [...]string{callTrace, callBizEvent, callCharge}

// gateway is the path of Alibaba's own gateway, of which the document names the
// parts (接口参数1–4): behind it stand version, namespace, the name of the call, which
// may have several segments, and the app key.
const gateway = "/openapi/param2/"

// open finds the call and its argument, once its signature has been verified. The
// signature is over path, query and form: where there is a secret the argument comes
// from those alone.
func (d *dialect) open(r *carriers.Request) (call string, argument []byte, err error) {
	call, path := r.Call, "push/alibaba/"+r.Call
	key, known := "", slices.Contains(calls[:], call)
	if r.Path != "" {
		call, key, known = parsePath(r.Path)
		path = strings.TrimPrefix(r.Path, "/openapi/")
	}
	shape := r.Shape()
	signed := len(d.secrets) > 0 && !r.Kept
	if signed && shape != carriers.Form && shape != carriers.Empty {
		return "", nil, trace.Problemf(trace.ErrUnauthorized, unsignedBody,
			"%s does not cover such a body: sign and send the arguments as form fields or query", wire.Signature)
	}
	var params []wire.Param
	if shape != carriers.JSON {
		if params, err = parameters(nil, []byte(r.Query)); err != nil {
			return "", nil, err
		}
	}
	if shape == carriers.Form {
		if params, err = parameters(params, r.Body); err != nil {
			return "", nil, err
		}
	}
	switch {
	case signed && !wire.Verify(path, params, d.secrets):
		return "", nil, trace.Problemf(trace.ErrUnauthorized, "wrong_signature", "%s is missing or wrong", wire.Signature)
	case signed && repeated(params):
		return "", nil, trace.Problemf(trace.ErrUnauthorized, "repeated_parameter", "a parameter comes twice: %s is over one of each name", wire.Signature)
	case r.Path != "" && d.appKey != "" && key != d.appKey && !r.Kept:
		return "", nil, trace.Problemf(trace.ErrUnauthorized, "wrong_app_key", "the app key at the end of the path is not the one of this door")
	case !known:
		return "", nil, trace.Invalid("unknown_call", "", "there is no call %.40q: there are %s", call, strings.Join(calls[:], ", "))
	}
	switch shape {
	case carriers.JSON:
		return call, r.Body, nil
	case carriers.XML:
		return "", nil, trace.Invalid("malformed_json", "", "the body is XML: send JSON or a form")
	}
	argument = argumentOf(params)
	if argument == nil {
		return "", nil, trace.Invalid("empty_body", "", "there is no argument in body or query")
	}
	return call, argument, nil
}

// unsignedBody is the code of the problem with a body that the signature does not
// cover.
const unsignedBody = "unsigned_body"

// parsePath takes a path of the gateway apart. known is false where it is none, or
// names no call of ours.
func parsePath(path string) (call, key string, known bool) {
	behind, found := strings.CutPrefix(path, gateway)
	parts := strings.Split(behind, "/")
	if !found || len(parts) < 4 || slices.Contains(parts, "") {
		return behind, "", false
	}
	last := len(parts) - 1
	call, key = strings.Join(parts[2:last], "/"), parts[last]
	return call, key, slices.Contains(calls[:], call)
}

// maxParams is how many parameters a request may have. A call has seven at most.
const maxParams = 100

// parameters appends those of a query or a form, decoded, in their order. What is
// not encoded as it should be is ErrInvalid.
func parameters(params []wire.Param, encoded []byte) ([]wire.Param, error) {
	for before, after := range carriers.FormPairs(encoded) {
		if len(params) == maxParams {
			return nil, trace.Invalid("malformed_form", "", "more than %d parameters", maxParams)
		}
		name, err := url.QueryUnescape(string(before))
		if err != nil {
			return nil, trace.Invalid("malformed_form", "", "the name of parameter %d: %v", len(params)+1, err)
		}
		value, err := url.QueryUnescape(string(after))
		switch {
		case err != nil:
			return nil, trace.Invalid("malformed_form", "", "parameter %.40q: %v", name, err)
		case !utf8.ValidString(name) || !utf8.ValidString(value):
			return nil, trace.Invalid("not_utf8", "", "parameter %.40q is not UTF-8", name)
		}
		params = append(params, wire.Param{Name: name, Value: value})
	}
	return params, nil
}

// repeated reports whether two of the parameters have the same name, in any case. The
// gateway signs a map, which has each name once.
func repeated(params []wire.Param) bool {
	for i, p := range params {
		if slices.ContainsFunc(params[:i], func(q wire.Param) bool { return strings.EqualFold(p.Name, q.Name) }) {
			return true
		}
	}
	return false
}

// wholeArgument are the parameters that may hold the whole argument as JSON, in any
// case. The document calls it 请求参数 and Request, and does not say how it is sent; at
// the gateway a complex argument is JSON text in one parameter.
var wholeArgument = [...]string{"request", "param", "data"}

// argumentOf puts the argument together: the JSON of the one parameter that holds
// all of it, or an object with a member for each parameter, where complex ones are
// still JSON text. nil where there is none but the gateway's own.
func argumentOf(params []wire.Param) []byte {
	for _, name := range wholeArgument {
		if i := slices.IndexFunc(params, func(p wire.Param) bool { return strings.EqualFold(p.Name, name) }); i >= 0 {
			return []byte(params[i].Value)
		}
	}
	var object []byte
	for _, p := range params {
		if isOfGateway(p.Name) {
			continue
		}
		between := byte(',')
		if object == nil {
			between = '{'
		}
		object = append(object, between)
		object = trace.AppendString(object, p.Name)
		object = append(object, ':')
		object = trace.AppendString(object, p.Value)
	}
	if object == nil {
		return nil
	}
	return append(object, '}')
}

// isOfGateway tells the gateway's own parameters: the signature, _aop_timestamp,
// _aop_datePattern and the token.
func isOfGateway(name string) bool {
	return strings.HasPrefix(name, "_aop_") || name == "access_token"
}
