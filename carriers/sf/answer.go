package sf

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

const (
	jsonType = "application/json; charset=utf-8"
	xmlType  = "text/xml; charset=utf-8"

	jsonSuccess = `{"return_code":"0000","return_msg":"成功"}`
	xmlSuccess  = `<Response service="RoutePushService"><Head>OK</Head></Response>`
)

// SF's codes of a failure in the XML form.
const (
	runtimeError = "4001"
	parseError   = "4002"
)

// answer is carriers.Push.Answer.
func answer(dst []byte, r *carriers.Request, err error) (body []byte, contentType string) {
	inXML := answersInXML(r)
	switch {
	case err == nil && inXML:
		return append(dst, xmlSuccess...), xmlType
	case err == nil:
		return append(dst, jsonSuccess...), jsonType
	case !inXML:
		dst = append(dst, `{"return_code":"1000","return_msg":`...)
		dst = trace.AppendString(dst, message(err))
		return append(dst, '}'), jsonType
	}
	code, text := runtimeError, "系统发生数据错误或运行时异常"
	switch {
	case errors.Is(err, trace.ErrInvalid):
		code, text = parseError, message(err)
	case errors.Is(err, trace.ErrUnauthorized):
		text = message(err)
	}
	dst = append(dst, `<Response service="RoutePushService"><Head>ERR</Head><ERROR code="`...)
	dst = append(dst, code...)
	dst = append(dst, `">`...)
	out := bytes.NewBuffer(dst)
	xml.EscapeText(out, []byte(text))
	out.WriteString(`</ERROR></Response>`)
	return out.Bytes(), xmlType
}

// answersInXML tells the form of the answer by the shape of the body. Where that
// says nothing, because the body was not read or is no form at all, the content
// type does.
func answersInXML(r *carriers.Request) bool {
	switch r.Shape() {
	case carriers.JSON:
		return false
	case carriers.XML:
		return true
	case carriers.Form:
		if carriers.FormHas(r.Body, fieldContent) {
			return true
		}
		return !isWrapped(r.Body) && !strings.Contains(strings.ToLower(r.ContentType), "json")
	}
	label := strings.ToLower(r.ContentType)
	return strings.Contains(label, "xml") || strings.Contains(label, "form-urlencoded")
}

// message says in SF's language what went wrong.
func message(err error) string {
	switch {
	case errors.Is(err, trace.ErrInvalid):
		return "报文解析失败: " + carriers.ProblemZH(err, "malformed_json", "malformed_xml", "malformed_form", "not_utf8")
	case isProblem(err, "wrong_signature"):
		return "未授权: 数字签名无效"
	case errors.Is(err, trace.ErrUnauthorized):
		return "未授权: 推送地址中的令牌或来源IP未获允许"
	case errors.Is(err, trace.ErrUnavailable):
		return "系统异常: 系统繁忙,请稍后重推"
	}
	return "系统异常"
}

func isProblem(err error, code string) bool {
	var p *trace.Problem
	return errors.As(err, &p) && p.Code == code
}
