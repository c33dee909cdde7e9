package carriers

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"waytrace/trace"
)

func TestFormFields(t *testing.T) {
	const absent = "(absent)"
	for _, c := range []struct{ form, param, sign string }{
		{"param=a&sign=b", "a", "b"},
		{"sign=b&x=y&param=a", "a", "b"},
		{"param=%7B%22a%22%3A+1%7D&sign=%2B+%2b", `{"a": 1}`, "+ +"},
		{"param=a=b&sign==", "a=b", "="},
		{"PARAM=a&Sign=b", "a", "b"},
		{" param =a&+sign%20=b", "a", "b"},
		{"%70aram=a&s%69gn=b", "a", "b"},
		{"param=a&param=b", "a", absent},
		{"param=&param=b", "b", absent},
		{"param=&sign", "", ""},
		{"x=%zz&param=a", "a", absent},
		{"%zz=1&param=a", "a", absent},
		{"params=a&para=b&xsign=c", absent, absent},
		{"&&=&=x&", absent, absent},
		{"", absent, absent},
		{"{}", absent, absent},
		{"param=%e4%b8%ad", "中", absent},
		{"param=a;sign=b", "a;sign=b", absent},
	} {
		got, err := FormFields(bytes.Clone, []byte(c.form), "param", "sign")
		if err != nil {
			t.Errorf("%s: %v", c.form, err)
			continue
		}
		for i, want := range []string{c.param, c.sign} {
			text := string(got[i])
			if got[i] == nil {
				text = absent
			}
			if text != want {
				t.Errorf("%s: field %d is %q, want %q", c.form, i, text, want)
			}
			if has := FormHas([]byte(c.form), []string{"param", "sign"}[i]); has != (want != absent) {
				t.Errorf("%s: FormHas of field %d is %t", c.form, i, has)
			}
		}
	}
}

func TestFormField(t *testing.T) {
	for form, want := range map[string]string{
		"a=1&content=x%20y": "x y",
		"content=":          "",
		"a=%":               "missing_field: form: there is no field content, field content",
		"content=%4":        `malformed_form: form: field content: invalid URL escape "%4", field content`,
		"Content=%zz&a=":    `malformed_form: form: field content: invalid URL escape "%zz", field content`,
	} {
		got, err := FormField(bytes.Clone, []byte(form), "content")
		said := string(got)
		if p, ok := errors.AsType[*trace.Problem](err); ok && errors.Is(err, trace.ErrInvalid) {
			said = fmt.Sprintf("%v, field %s", p, p.Field)
		}
		if said != want {
			t.Errorf("%s: got %q, want %q", form, said, want)
		}
	}
}

// A value is in memory of its own, encoded or not.
func TestFormFieldIsACopy(t *testing.T) {
	form := []byte("a=plain&b=%2b")
	got, err := FormFields(bytes.Clone, form, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	clear(form)
	if string(got[0]) != "plain" || string(got[1]) != "+" {
		t.Errorf("after the form was overwritten: %q", got)
	}
}

func TestFormPairs(t *testing.T) {
	var got string
	for name, value := range FormPairs([]byte("a=1&&b&=c&d=%20=&e=5")) {
		got += fmt.Sprintf("%s:%s ", name, value)
		if string(name) == "d" {
			break
		}
	}
	if want := "a:1 b: :c d:%20= "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A field that nobody asks for costs no more than the decoding of its name.
func TestFormFieldsOfOthers(t *testing.T) {
	form := []byte("some_field=%20%20&another+name=x&%61=y&content=z")
	if n := testing.AllocsPerRun(100, func() { FormHas(form, "content") }); n > 4 {
		t.Errorf("%v allocations to find one field among four", n)
	}
}

func FuzzFormValue(f *testing.F) {
	for _, s := range []string{"", "a+b", "%E4%b8%ad", "%", "%4", "%zz", "100%25+", "+%+", "%2%35"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		want, wantErr := url.QueryUnescape(string(sent))
		got, err := FormValue(bytes.Clone, sent)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) || err == nil && (got == nil || string(got) != want) {
			t.Errorf("%q is %q, %v; want %q, %v", sent, got, err, want, wantErr)
		}
	})
}
