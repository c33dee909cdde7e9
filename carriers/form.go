package carriers

import (
	"bytes"
	"iter"
	"net/url"

	"waytrace/trace"
)

// FormPairs ranges over the fields of a form or a query in their order: name and
// value as they were sent, borrowed from it.
func FormPairs(form []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for pair := range bytes.SplitSeq(form, []byte{'&'}) {
			if len(pair) == 0 {
				continue
			}
			name, value, _ := bytes.Cut(pair, []byte{'='})
			if !yield(name, value) {
				return
			}
		}
	}
}

// FormFields gives the decoded values of fields of a form, in memory of their own,
// and nil for each that is not there. A name counts in any case, encoded or not,
// with blanks around it or not; of a field given more than once the first value
// that is not empty. Broken percent-encoding in one of the values is ErrInvalid with
// the code malformed_form; all other fields count for nothing.
func FormFields(form []byte, names ...string) ([][]byte, error) {
	values := make([][]byte, len(names))
	for sent, value := range FormPairs(form) {
		i := fieldNamed(sent, names)
		if i < 0 || len(values[i]) > 0 {
			continue
		}
		plain, err := url.QueryUnescape(string(value))
		if err != nil {
			return nil, trace.Invalid("malformed_form", names[i], "form: field %s: %v", names[i], err)
		}
		values[i] = []byte(plain)
	}
	return values, nil
}

// FormField gives the decoded value of one field, as FormFields does. A form
// without it is ErrInvalid with the code missing_field.
func FormField(form []byte, name string) ([]byte, error) {
	values, err := FormFields(form, name)
	if err != nil {
		return nil, err
	}
	if values[0] == nil {
		return nil, trace.Invalid("missing_field", name, "form: there is no field %s", name)
	}
	return values[0], nil
}

// FormHas reports whether a form has a field, whatever its value.
func FormHas(form []byte, name string) bool {
	names := []string{name}
	for sent := range FormPairs(form) {
		if fieldNamed(sent, names) >= 0 {
			return true
		}
	}
	return false
}

// maxFieldName is how long the name of a field may be that is looked for, as it was
// sent.
const maxFieldName = 64

// fieldNamed finds the one of the names that a field was sent under, or -1.
func fieldNamed(sent []byte, names []string) int {
	if len(sent) > maxFieldName {
		return -1
	}
	if bytes.ContainsAny(sent, "%+") {
		plain, err := url.QueryUnescape(string(sent))
		if err != nil {
			return -1
		}
		sent = []byte(plain)
	}
	sent = bytes.TrimSpace(sent)
	for i, name := range names {
		if len(sent) == len(name) && bytes.EqualFold(sent, []byte(name)) {
			return i
		}
	}
	return -1
}
