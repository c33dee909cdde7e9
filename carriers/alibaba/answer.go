package alibaba

import (
	"encoding/json"
	"errors"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

const (
	jsonType = "application/json; charset=utf-8"

	successAnswer = `{"isSuccess":true,"errorCode":null,"message":""}`
)

// answer is carriers.Push.Answer.
func answer(dst []byte, _ *carriers.Request, err error) (body []byte, contentType string) {
	if err == nil {
		return append(dst, successAnswer...), jsonType
	}
	subCode, message := failureOf(err)
	dst = append(dst, `{"isSuccess":false,"errorCode":`...)
	dst = trace.AppendString(dst, subCode)
	dst = append(dst, `,"message":`...)
	dst = trace.AppendString(dst, message)
	return append(dst, '}'), jsonType
}

// failureOf gives the sub-code of an error, and its words with what is known
// besides.
func failureOf(err error) (subCode, message string) {
	if v, ok := errors.AsType[wire.Violation](err); ok {
		return v.Code, v.Message()
	}
	more := ""
	p, isProblem := errors.AsType[*trace.Problem](err)
	switch {
	case isProblem && p.Code == unsignedBody:
		subCode, more = wire.NoPermission, "签名不覆盖此类报文体,请将参数作为表单字段或查询参数签名并发送"
	case errors.Is(err, trace.ErrUnauthorized):
		subCode, more = wire.NoPermission, "签名、令牌或来源IP未获允许"
	case isProblem && p.Code == "unknown_call":
		subCode, more = wire.IllegalValue, "接口名称不存在"
	case errors.Is(err, trace.ErrInvalid):
		subCode, more = wire.BadFormat, carriers.ProblemZH(err, "malformed_json", "malformed_form")
	default:
		subCode, more = wire.Failed, "系统繁忙,请稍后重试"
	}
	return subCode, wire.Words(subCode) + ": " + more
}

// yes is carriers.Push.Yes.
func yes(body []byte) bool {
	var said struct {
		IsSuccess any `json:"isSuccess"`
	}
	return json.Unmarshal(body, &said) == nil && (said.IsSuccess == true || said.IsSuccess == "true")
}
