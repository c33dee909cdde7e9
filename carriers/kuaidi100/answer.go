package kuaidi100

import (
	"errors"

	"waytrace/carriers"
	"waytrace/trace"
)

const (
	jsonType = "application/json; charset=utf-8"
	success  = `{"result":true,"returnCode":"200","message":"成功"}`
)

// answer is carriers.Push.Answer. Kuaidi100 reads result alone.
func answer(dst []byte, _ *carriers.Request, err error) (body []byte, contentType string) {
	if err == nil {
		return append(dst, success...), jsonType
	}
	returnCode := "500"
	switch {
	case errors.Is(err, trace.ErrInvalid):
		returnCode = "400"
	case errors.Is(err, trace.ErrUnauthorized):
		returnCode = "401"
	}
	dst = append(dst, `{"result":false,"returnCode":"`...)
	dst = append(dst, returnCode...)
	dst = append(dst, `","message":`...)
	dst = trace.AppendString(dst, carriers.FailureZH(err))
	return append(dst, '}'), jsonType
}

// yes is carriers.Push.Yes.
func yes(body []byte) bool {
	var a struct {
		Result bool `json:"result"`
	}
	return carriers.ReadJSON(body, &a) == nil && a.Result
}
