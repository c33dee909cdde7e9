package sf

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"waytrace/trace"
)

// A wording is what a code says to people, in the languages that were given.
type wording struct{ hans, hant, en string }

// in gives the wording in one of SF's languages.
func (w wording) in(language string) string {
	switch language {
	case hant:
		return w.hant
	case english:
		return w.en
	}
	return w.hans
}

// texts are the wordings of an account's codes, by code and reason.
type texts map[[2]string]wording

// textsHead is the first line of a file of texts.
var textsHead = []string{"code", "reason", "zh-Hans", "zh-Hant", "en"}

// readTexts reads the texts of codes from CSV with the columns code, reason,
// zh-Hans, zh-Hant, en. Lines that begin with # are for people. An empty reason
// stands for all reasons that have no row of their own. What is wrong is
// ErrInvalid and names the row.
func readTexts(name string, data []byte) (texts, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.Comment = '#'
	r.FieldsPerRecord = len(textsHead)
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, err, trace.ErrInvalid)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], textsHead) {
		return nil, fmt.Errorf("%s: its first line is not %s: %w", name, strings.Join(textsHead, ","), trace.ErrInvalid)
	}
	all := make(texts)
	for _, row := range rows[1:] {
		key, w := [2]string{row[0], row[1]}, wording{row[2], row[3], row[4]}
		bad := func(text string) bool { return len(text) > trace.MaxText || !utf8.ValidString(text) }
		_, twice := all[key]
		switch {
		case row[0] == "" || w == wording{}:
			return nil, fmt.Errorf("%s, row %q: a code and at least one text must be there: %w", name, row, trace.ErrInvalid)
		case twice:
			return nil, fmt.Errorf("%s: code %q with reason %q stands there twice: %w", name, row[0], row[1], trace.ErrInvalid)
		case slices.ContainsFunc(row, bad):
			return nil, fmt.Errorf("%s, code %q: a text is longer than %d bytes, or not UTF-8: %w", name, row[0], trace.MaxText, trace.ErrInvalid)
		}
		all[key] = w
	}
	return all, nil
}

// fill completes a text with what the account's file says of its code: in the
// account's language where SF wrote nothing, and in the other languages. What SF
// wrote stands.
func (a *account) fill(t *trace.Text, opCode, reason string) {
	w, known := a.texts[[2]string{opCode, reason}]
	if !known {
		w, known = a.texts[[2]string{opCode, ""}]
	}
	if !known {
		return
	}
	if t.Text == "" {
		t.Text = w.in(a.language)
	}
	if a.language != english {
		t.EN = w.en
	}
	// A Chinese account's text is the Chinese one, in whichever script.
	if a.language == english || t.Text == "" {
		if t.ZH = w.hans; t.ZH == "" {
			t.ZH = w.hant
		}
	}
}
