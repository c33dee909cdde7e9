package query

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// The parameters of each kind of read. Any other is refused: a misspelt one must
// not quietly show something else.
var (
	ofOne  = []string{"carrier", "reference", "order", "lang", "fields", "include", "epoch"}
	ofMany = []string{"order", "lang", "fields", "include"}
	ofList = []string{"lang"}
)

// asked is what a read's parameters and its languages say.
type asked struct {
	trace.Variant
	carrier   string // "" is any
	reference string // "" is none
	plain     bool   // nothing was asked for but a language
}

// ask reads the parameters out of the address; only those in known may be there,
// each once. Errors are invalid_parameter, invalid_carrier or invalid_reference
// and name the parameter as their field.
func ask(ctx *fasthttp.RequestCtx, who trace.Asker, known []string) (q asked, err error) {
	q.Account = who.Account
	q.Lang = preferred(lines(ctx, acceptLanguage))
	if q.plain = len(ctx.URI().QueryString()) == 0; q.plain {
		return q, nil
	}
	var given uint
	for name, value := range ctx.QueryArgs().All() {
		i := slices.Index(known, string(name))
		if i < 0 {
			return q, trace.Invalid("invalid_parameter", clip(string(name)),
				"there is no such parameter here; there are %s", strings.Join(known, ", "))
		}
		if given>>i&1 != 0 {
			return q, trace.Invalid("invalid_parameter", known[i], "%s is given more than once", known[i])
		}
		given |= 1 << i
		if err := q.take(known[i], string(value)); err != nil {
			return q, err
		}
	}
	return q, nil
}

// take reads one parameter.
func (q *asked) take(name, value string) error {
	ok := true
	switch name {
	case "carrier":
		q.carrier = value
		return checkCarrier(value)
	case "reference":
		q.reference = value
		return checkReference(value)
	case "fields":
		fields, err := trace.ParseFields(value)
		if err != nil {
			return trace.Invalid("invalid_parameter", name, "%s", trace.Words(err))
		}
		q.Fields = fields
	case "order":
		q.Desc = value == "desc"
		if ok = q.Desc || value == "asc"; !ok {
			return refuse(name, value, "asc or desc")
		}
	case "lang":
		if q.Lang, ok = trace.ParseLang(value); !ok {
			return refuse(name, value, "zh-Hans, zh-Hant or en")
		}
	case "include":
		for what := range strings.SplitSeq(value, ",") {
			switch what {
			case "retracted":
				q.Retracted = true
			case "business":
				q.Business = true
			case "override":
				q.Override = true
			default:
				return refuse(name, value, "retracted, business or override, or several with commas")
			}
		}
	case "epoch":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 {
			return refuse(name, value, "1, the first parcel that had the number, or more")
		}
		q.Epoch = int(n)
	}
	return nil
}

func refuse(name, value, allowed string) error {
	return trace.Invalid("invalid_parameter", name, "%s is %.40q; it can be %s", name, value, allowed)
}

// clip keeps a stranger's name of a field short.
func clip(name string) string {
	const most = 64
	return strings.ToValidUTF8(name[:min(len(name), most)], "")
}

func checkCarrier(code string) error {
	if trace.ValidCarrier(code) {
		return nil
	}
	return trace.Invalid("invalid_carrier", "carrier", "%.40q is no carrier's code: 1 to 32 characters out of a-z 0-9 -", code)
}

func checkReference(text string) error {
	if trace.ValidReference(text) {
		return nil
	}
	return trace.Invalid("invalid_reference", "reference", "%.40q is no reference: 1 to %d printable characters", text, trace.MaxReference)
}

// preferred picks our language that the asker likes best, by the weights of
// Accept-Language. Of equals the one named first wins, and one that is named
// wins over "*"; a weight of 0 excludes. Where nothing fits it is Simplified
// Chinese. What does not parse is passed over: a header is not worth a refusal.
func preferred(headers [][]byte) trace.Lang {
	if len(headers) == 0 {
		return trace.ZhHans
	}
	const unnamed = -1
	var room [16]byte
	weights := [...]int{trace.ZhHans: unnamed, trace.ZhHant: unnamed, trace.EN: unnamed}
	best, most, others := trace.ZhHans, 0, 0
	for _, list := range headers {
		for len(list) > 0 {
			var item []byte
			item, list, _ = bytes.Cut(list, []byte{','})
			tag, rest, _ := bytes.Cut(item, []byte{';'})
			tag = bytes.TrimSpace(tag)
			q, ok := weight(bytes.TrimSpace(rest))
			if !ok {
				continue
			}
			if string(tag) == "*" {
				others = q
				continue
			}
			lang, ok := trace.ParseLang(string(lower(room[:], tag)))
			if !ok {
				continue
			}
			weights[lang] = max(weights[lang], q)
			if q > most {
				best, most = lang, q
			}
		}
	}
	for lang, q := range weights {
		if q == unnamed && others > most {
			best, most = trace.Lang(lang), others
		}
	}
	return best
}

// lower is a tag in small letters where it fits into room, so that ParseLang need make
// none of its own; a longer one is as it came.
func lower(room, tag []byte) []byte {
	if len(tag) > len(room) {
		return tag
	}
	for i, c := range tag {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		room[i] = c
	}
	return room[:len(tag)]
}

// weight reads ";q=0.8" behind its semicolon, in thousandths; nothing is 1.
func weight(s []byte) (thousandths int, ok bool) {
	if len(s) == 0 {
		return 1000, true
	}
	if len(s) < 3 || s[0]|0x20 != 'q' || s[1] != '=' || s[2] != '0' && s[2] != '1' {
		return 0, false
	}
	n := int(s[2]-'0') * 1000
	if s = s[3:]; len(s) == 0 {
		return n, true
	}
	if s[0] != '.' || len(s) > 4 {
		return 0, false
	}
	unit := 100
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n += int(c-'0') * unit
		unit /= 10
	}
	return n, n <= 1000
}
