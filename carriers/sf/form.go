package sf

import (
	"bytes"
	"net/url"

	"waytrace/trace"
)

// formField gives the decoded value of a field of a form; of a field given
// twice the first. A form without it, or one whose percent-encoding is broken,
// is ErrInvalid.
func formField(body []byte, field string) ([]byte, error) {
	for pair := range bytes.SplitSeq(body, []byte{'&'}) {
		name, value, _ := bytes.Cut(pair, []byte{'='})
		if n, err := url.QueryUnescape(string(name)); err != nil || n != field {
			continue
		}
		v, err := url.QueryUnescape(string(value))
		if err != nil {
			return nil, trace.Invalid("malformed_form", field, "form: field %s: %v", field, err)
		}
		return []byte(v), nil
	}
	return nil, trace.Invalid("missing_field", field, "form: there is no field %s", field)
}
