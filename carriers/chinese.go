package carriers

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"waytrace/trace"
)

// FailureZH says in Chinese why a push was not taken, for the answer to a source
// that has no words of its own for that.
func FailureZH(err error) string {
	var p *trace.Problem
	switch {
	case errors.Is(err, trace.ErrInvalid) && errors.As(err, &p):
		return "报文无效: " + p.Code
	case errors.Is(err, trace.ErrInvalid):
		return "报文无效"
	case errors.Is(err, trace.ErrUnauthorized):
		return "签名错误或未授权"
	case errors.Is(err, trace.ErrUnavailable):
		return "系统繁忙,请稍后重推"
	}
	return "系统异常"
}

// problemsZH are the codes of problems with a request, in Chinese.
var problemsZH = map[string]string{
	"empty_body":           "报文为空",
	"not_utf8":             "报文不是有效的UTF-8编码",
	"malformed_json":       "JSON格式错误",
	"malformed_xml":        "XML格式错误",
	"malformed_form":       "表单URL编码错误",
	"missing_field":        "缺少表单字段",
	"too_deep":             "报文嵌套层数过多",
	"too_large":            "报文超过大小限制",
	"unsupported_encoding": "不支持的Content-Encoding",
	"invalid_encoding":     "报文解压失败",
}

// ProblemZH says in Chinese what is wrong with a request: the words for the code of
// the problem in err, with the field that is missing, or the code itself where
// there are no words for it. What detailed names are the codes that the problem's
// detail is told of, too.
func ProblemZH(err error, detailed ...string) string {
	var p *trace.Problem
	if !errors.As(err, &p) {
		return "请求无效"
	}
	text, known := problemsZH[p.Code]
	if !known {
		return p.Code
	}
	switch {
	case p.Code == "missing_field":
		text += " " + p.Field
	case slices.Contains(detailed, p.Code):
		text += " (" + p.Detail + ")"
	}
	return text
}

// LangOf is the language of a text of a source that writes simplified Chinese where
// it writes Chinese: zh-Hans where there is a Chinese character in it, else not
// known.
func LangOf(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return "zh-Hans"
	}
	return ""
}
