package sf

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"waytrace/carriers"
	"waytrace/trace"
)

// The content types that SF's document gives for its two forms.
const (
	sentJSON = "application/json ;charset=UTF-8"
	sentForm = "application/x-www-form-urlencoded; charset=UTF-8"
)

// yes is carriers.Push.Yes.
func yes(body []byte) bool {
	var said struct {
		Code string `json:"return_code"`
	}
	return carriers.ReadJSON(body, &said) == nil && said.Code == "0000" || bytes.Contains(body, []byte("<Head>OK</Head>"))
}

// outgoing is carriers.Push.Outgoing: JSON as it is, or in the gateway's form and
// with the simple digest where there is a secret; XML as a field of a form; a form
// as it is. A secret for anything but JSON is ErrInvalid, for SF signs nothing
// else.
func outgoing(payload []byte, o carriers.Sending) (*carriers.Outgoing, error) {
	out := &carriers.Outgoing{Path: "/push/" + code}
	shape := (&carriers.Request{Body: payload}).Shape()
	switch {
	case o.Call != "":
		return nil, fmt.Errorf("sf: there is no call %q, all is pushed to the door itself: %w", o.Call, trace.ErrInvalid)
	case shape == carriers.Empty:
		return nil, fmt.Errorf("sf: there is nothing to send: %w", trace.ErrInvalid)
	case shape == carriers.JSON && o.Secret == "":
		out.ContentType, out.Body = sentJSON, payload
	case shape == carriers.JSON:
		out.ContentType, out.Body = sentForm, wrap(payload, o, time.Now())
	case o.Secret != "":
		return nil, fmt.Errorf("sf: a secret signs JSON alone, and this is none: %w", trace.ErrInvalid)
	case shape == carriers.XML:
		out.ContentType, out.Body = sentForm, []byte("content="+url.QueryEscape(string(payload)))
	default:
		out.ContentType, out.Body = sentForm, bytes.TrimRight(payload, "\r\n")
	}
	return out, nil
}

// wrap puts a push into a form of SF's gateway, as it is sent at a time.
func wrap(payload []byte, o carriers.Sending, at time.Time) []byte {
	var id [16]byte
	rand.Read(id[:]) // never fails
	timestamp := strconv.FormatInt(at.UnixMilli(), 10)
	var b strings.Builder
	for _, f := range [...][2]string{
		{"partnerID", cmp.Or(o.Key, "waytrace")},
		{"requestID", fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])},
		{"serviceCode", "RoutePushService"},
		{fieldTimestamp, timestamp},
		{fieldDigest, simpleMD5(string(payload) + timestamp + o.Secret)},
		{fieldData, string(payload)},
	} {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(f[0] + "=" + url.QueryEscape(f[1]))
	}
	return []byte(b.String())
}
