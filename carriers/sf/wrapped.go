package sf

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"net/url"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

// fieldContent is the field that has the XML of a push in SF's form mode.
const fieldContent = "content"

// The fields of a form of SF's gateway that matter here. It has partnerID,
// requestID and serviceCode too. Source: SF's page on calls and their signature
// (open.sf-express.com/developSupport/976720).
const (
	fieldData      = "msgData"
	fieldTimestamp = "timestamp"
	fieldDigest    = "msgDigest"
)

// isWrapped reports whether a form is one of SF's gateway.
func isWrapped(body []byte) bool {
	return !carriers.FormHas(body, fieldContent) && carriers.FormHas(body, fieldData)
}

// unwrap gives the push that a form of SF's gateway has in msgData: one variant,
// seen in Hong Kong, sends the JSON form so. A form with a digest is refused with
// ErrUnauthorized when the digest is of none of the secrets; without secrets, or
// without a digest, the door alone guards. What is given lies in memory of keep.
func unwrap(keep func([]byte) []byte, r *carriers.Request, secrets []string) (data []byte, err error) {
	if data, err = carriers.FormField(keep, r.Body, fieldData); err != nil {
		return nil, err
	}
	if !carriers.FormHas(r.Body, fieldDigest) || r.Kept || len(secrets) == 0 {
		return data, nil
	}
	given, err := carriers.FormFields(keep, r.Body, fieldDigest, fieldTimestamp)
	if err != nil {
		return nil, err
	}
	// A sender that forgets to escape the plus signs of Base64 sends blanks.
	said := []byte(strings.ReplaceAll(string(given[0]), " ", "+"))
	right := 0
	for _, secret := range secrets {
		text := string(data) + string(given[1]) + secret
		right |= subtle.ConstantTimeCompare(said, []byte(standardMD5(text)))
		right |= subtle.ConstantTimeCompare(said, []byte(simpleMD5(text)))
	}
	if right != 1 {
		return nil, trace.Problemf(trace.ErrUnauthorized, "wrong_signature", "msgDigest is not that of msgData, timestamp and the check word")
	}
	return data, nil
}

// standardMD5 is SF's standard digest of msgData, timestamp and check word: the
// MD5 of their URL encoding, in Base64. SF's third digest, SM3, is not read.
func standardMD5(text string) string { return simpleMD5(javaEscaper.Replace(url.QueryEscape(text))) }

// simpleMD5 is SF's simple digest: the MD5 of the text itself, in Base64.
func simpleMD5(text string) string {
	sum := md5.Sum([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// javaEscaper makes of Go's URL encoding the one of java.net.URLEncoder, with
// which SF signs: it leaves the star and escapes the tilde.
var javaEscaper = strings.NewReplacer("%2A", "*", "~", "%7E")
