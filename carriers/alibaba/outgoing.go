package alibaba

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

// outgoing is carriers.Push.Outgoing: the argument of a call as a logistics company
// sends it. With a secret that is a signed form for the gateway, a parameter for
// each member of the argument, complex ones as JSON text; without, the argument
// itself.
func outgoing(payload []byte, o carriers.Sending) (*carriers.Outgoing, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil || members == nil {
		return nil, fmt.Errorf("alibaba: the payload is not a JSON object: %w", trace.ErrInvalid)
	}
	call := cmp.Or(o.Call, guess(members))
	if !slices.Contains(calls[:], call) {
		return nil, fmt.Errorf("alibaba: the call is not one of %s: %w", strings.Join(calls[:], ", "), trace.ErrInvalid)
	}
	if o.Secret == "" {
		return &carriers.Outgoing{Path: "/push/alibaba/" + call, ContentType: "application/json", Body: payload}, nil
	}
	path := gateway + "1/waytrace/" + call + "/" + url.PathEscape(cmp.Or(o.Key, "waytrace"))
	var params []wire.Param
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var text bytes.Buffer
		if s := ""; json.Unmarshal(members[name], &s) == nil {
			text.WriteString(s) // of null nothing
		} else {
			json.Compact(&text, members[name]) // which was read already
		}
		params = append(params, wire.Param{Name: name, Value: text.String()})
	}
	signature := wire.Sign(strings.TrimPrefix(path, "/openapi/"), params, o.Secret)
	form := make([]string, 0, len(params)+1)
	for _, p := range append(params, wire.Param{Name: wire.Signature, Value: signature}) {
		form = append(form, url.QueryEscape(p.Name)+"="+url.QueryEscape(p.Value))
	}
	return &carriers.Outgoing{
		Path: path, ContentType: "application/x-www-form-urlencoded; charset=UTF-8", Body: []byte(strings.Join(form, "&")),
	}, nil
}

// guess tells the call by a member that it alone has; "" where there is none.
func guess(members map[string]json.RawMessage) string {
	for _, c := range [...]struct{ member, call string }{
		{"traceInfos", callTrace}, {"eventCode", callBizEvent}, {"chargeItemArray", callCharge}, {"chargeItemList", callCharge},
	} {
		if _, is := members[c.member]; is {
			return c.call
		}
	}
	return ""
}
