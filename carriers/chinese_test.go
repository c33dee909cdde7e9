package carriers

import (
	"errors"
	"fmt"
	"testing"

	"waytrace/trace"
)

func TestFailureZH(t *testing.T) {
	for want, err := range map[string]error{
		"报文无效: malformed_json": fmt.Errorf("sf: %w", trace.Invalid("malformed_json", "", "byte 1")),
		"报文无效":                 trace.ErrInvalid,
		"签名错误或未授权":             trace.Problemf(trace.ErrUnauthorized, "wrong_signature", "no"),
		"系统繁忙,请稍后重推":           trace.ErrUnavailable,
		"系统异常":                 errors.New("of no kind"),
	} {
		if got := FailureZH(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestProblemZH(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{trace.Invalid("malformed_json", "", "byte 1"), "JSON格式错误 (byte 1)"},
		{fmt.Errorf("sf: %w", trace.Invalid("malformed_form", "", "%%zz")), "表单URL编码错误"},
		{trace.Invalid("missing_field", "content", "there is none"), "缺少表单字段 content"},
		{trace.Invalid("too_large", "", "2 MiB"), "报文超过大小限制"},
		{trace.Invalid("another", "", "x"), "another"},
		{trace.ErrInvalid, "请求无效"},
	} {
		if got := ProblemZH(c.err, "malformed_json"); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestLangOf(t *testing.T) {
	for text, want := range map[string]string{"快件已签收": "zh-Hans", "DHL: 已揽收": "zh-Hans", "Delivered, signed for": "", "。，": "", "": ""} {
		if got := LangOf(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
