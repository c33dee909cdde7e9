package alibaba

import (
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
func (d *dialect) open(keep func([]byte) []byte, r *carriers.Request) (call string, a argument, err error) {
	call, path := r.Call, "push/alibaba/"+r.Call
	key, known := "", slices.Contains(calls[:], call)
	if r.Path != "" {
		call, key, known = parsePath(r.Path)
		path = strings.TrimPrefix(r.Path, "/openapi/")
	}
	shape := r.Shape()
	signed := len(d.secrets) > 0 && !r.Kept
	if signed && shape != carriers.Form && shape != carriers.Empty {
		return "", argument{}, trace.Problemf(trace.ErrUnauthorized, unsignedBody,
			"%s does not cover such a body: sign and send the arguments as form fields or query", wire.Signature)
	}
	var params []wire.Param
	if shape != carriers.JSON {
		if params, err = parameters(keep, nil, []byte(r.Query)); err != nil {
			return "", argument{}, err
		}
	}
	if shape == carriers.Form {
		if params, err = parameters(keep, params, r.Body); err != nil {
			return "", argument{}, err
		}
	}
	switch {
	case signed && !wire.Verify(path, params, d.secrets):
		return "", argument{}, trace.Problemf(trace.ErrUnauthorized, "wrong_signature", "%s is missing or wrong", wire.Signature)
	case signed && repeated(params):
		return "", argument{}, trace.Problemf(trace.ErrUnauthorized, "repeated_parameter", "a parameter comes twice: %s is over one of each name", wire.Signature)
	case r.Path != "" && d.appKey != "" && key != d.appKey && !r.Kept:
		return "", argument{}, trace.Problemf(trace.ErrUnauthorized, "wrong_app_key", "the app key at the end of the path is not the one of this door")
	case !known:
		return "", argument{}, trace.Invalid("unknown_call", "", "there is no call %.40q: there are %s", call, strings.Join(calls[:], ", "))
	}
	switch shape {
	case carriers.JSON:
		return call, argument{text: keep(r.Body)}, nil
	case carriers.XML:
		return "", argument{}, trace.Invalid("malformed_json", "", "the body is XML: send JSON or a form")
	}
	if a = argumentOf(params); a.text == nil && a.params == nil {
		return "", argument{}, trace.Invalid("empty_body", "", "there is no argument in body or query")
	}
	return call, a, nil
}

// An argument is that of a call: JSON text, or a parameter for each of its members, where
// complex ones are still JSON text.
type argument struct {
	text   []byte
	params []wire.Param
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
func parameters(keep func([]byte) []byte, params []wire.Param, encoded []byte) ([]wire.Param, error) {
	for before, after := range carriers.FormPairs(encoded) {
		if len(params) == maxParams {
			return nil, trace.Invalid("malformed_form", "", "more than %d parameters", maxParams)
		}
		plain, err := carriers.FormValue(keep, before)
		if err != nil {
			return nil, trace.Invalid("malformed_form", "", "the name of parameter %d: %v", len(params)+1, err)
		}
		name := carriers.View(plain)
		plain, err = carriers.FormValue(keep, after)
		value := carriers.View(plain)
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

// argumentOf finds the argument: the JSON of the one parameter that holds all of it, or
// all parameters but the gateway's own.
func argumentOf(params []wire.Param) argument {
	for _, name := range wholeArgument {
		if i := slices.IndexFunc(params, func(p wire.Param) bool { return strings.EqualFold(p.Name, name) }); i >= 0 {
			return argument{text: []byte(params[i].Value)}
		}
	}
	params = slices.DeleteFunc(params, func(p wire.Param) bool { return isOfGateway(p.Name) })
	if len(params) == 0 {
		return argument{}
	}
	return argument{params: params}
}

// read reads the argument into a struct of wire.Value: in one pass where it is as it
// usually is, texts referring into it.
func (a argument) read(into wire.Fields) error {
	if a.scan(into) {
		return nil
	}
	for _, name := range into.Names() {
		*into.Field(name) = wire.Value{}
	}
	return readArgument(a.json(), into)
}

// scan reads the argument in one pass. It reports false, having read some of it, where
// readArgument has to.
func (a argument) scan(into wire.Fields) bool {
	if a.params == nil {
		s := carriers.ScanJSON(carriers.View(a.text))
		wire.Scan(&s, into)
		return s.Fine()
	}
	for _, p := range a.params {
		if v := into.Field(p.Name); v != nil {
			*v = wire.Value{Text: p.Value, Sent: true}
		} else if slices.ContainsFunc(into.Names(), func(name string) bool { return strings.EqualFold(name, p.Name) }) {
			return false
		}
	}
	return true
}

// json is the argument as one object.
func (a argument) json() []byte {
	if a.params == nil {
		return a.text
	}
	var object []byte
	for i, p := range a.params {
		between := byte(',')
		if i == 0 {
			between = '{'
		}
		object = append(object, between)
		object = trace.AppendString(object, p.Name)
		object = append(object, ':')
		object = trace.AppendString(object, p.Value)
	}
	return append(object, '}')
}

// isOfGateway tells the gateway's own parameters: the signature, _aop_timestamp,
// _aop_datePattern and the token.
func isOfGateway(name string) bool {
	return strings.HasPrefix(name, "_aop_") || name == "access_token"
}
