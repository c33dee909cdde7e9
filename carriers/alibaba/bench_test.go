package alibaba

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/carriers/carriertest"
)

// journey is n scans with texts of the usual length, as the JSON of a list.
func journey(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"location":"东莞","traceCode":"S_TH_IN","traceDescEn":"Arrived at the transfer hopper Dongguan","traceDescCn":"到达 东莞 转运中心","operatorName":"李四","quantity":3,"traceTime":"2024-03-18T14:%02d:%02d+08:00"}`, i/60%60, i%60)
	}
	return "[" + b.String() + "]"
}

// BenchmarkDecodeTrace is a notifyTrace of so many scans: as JSON, as a form, and as
// a form with a signature at the gateway.
func BenchmarkDecodeTrace(b *testing.B) {
	const order = "ALS20240318000921"
	defer func(was carriers.JSONLibrary) { carriers.JSONBy = was }(carriers.JSONBy)
	for _, carriers.JSONBy = range []carriers.JSONLibrary{carriers.Sonic, carriers.Std} {
		for _, n := range []int{1, 10, 100} {
			list := journey(n)
			body := `{"aliOrderNo":"` + order + `","traceInfos":` + list + `}`
			b.Run(fmt.Sprintf("%s/json/%d", carriers.JSONBy, n), func(b *testing.B) {
				carriertest.Benchmark(b, New(Settings{}), &carriers.Request{Body: []byte(body), Call: callTrace}, n)
			})
			form := "aliOrderNo=" + order + "&traceInfos=" + url.QueryEscape(list)
			b.Run(fmt.Sprintf("%s/form/%d", carriers.JSONBy, n), func(b *testing.B) {
				carriertest.Benchmark(b, New(Settings{}), &carriers.Request{Body: []byte(form), Call: callTrace}, n)
			})
			const path = "param2/1/waytrace/notifyTrace/waytrace"
			signed := form + "&_aop_signature=" + wire.Sign(path, []wire.Param{{Name: "aliOrderNo", Value: order}, {Name: "traceInfos", Value: list}}, "secret")
			b.Run(fmt.Sprintf("%s/signed/%d", carriers.JSONBy, n), func(b *testing.B) {
				carriertest.Benchmark(b, New(Settings{Secrets: []string{"secret"}}), &carriers.Request{Body: []byte(signed), Path: "/openapi/" + path}, n)
			})
		}
	}
}

// pushesOf are the whole journey of n scans as JSON and as a form.
func pushesOf(n int) map[string]*carriers.Request {
	const order = "ALS20240318000921"
	return map[string]*carriers.Request{
		"json": {Body: []byte(`{"aliOrderNo":"` + order + `","traceInfos":` + journey(n) + `}`), Call: callTrace},
		"form": {Body: []byte("aliOrderNo=" + order + "&traceInfos=" + url.QueryEscape(journey(n))), Call: callTrace},
	}
}

func BenchmarkPush(b *testing.B) {
	for form, r := range pushesOf(20) {
		b.Run(form+"/20", func(b *testing.B) { carriertest.BenchmarkPush(b, New(Settings{}), r, 20) })
	}
}

func TestFrugal(t *testing.T) {
	for _, r := range pushesOf(40) {
		carriertest.Frugal(t, New(Settings{}), r, 40)
	}
}
