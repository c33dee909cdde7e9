package sf

import (
	"fmt"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
)

// scans are n routes with texts of the usual length.
func scans(n int) []route {
	routes := make([]route, n)
	for i := range routes {
		routes[i].said = said[string]{
			Mailno:        fmt.Sprintf("SF13902756%05d", i),
			AcceptAddress: "杭州市",
			Orderid:       fmt.Sprintf("DD2024031800%04d", i),
			AcceptTime:    "2024-03-18 12:10:45",
			Remark:        "快件在【杭州萧山中转场】完成分拣,准备发往 【成都双流中转场】",
			OpCode:        "30",
			ID:            fmt.Sprintf("1710735045%05d", i),
		}
	}
	return routes
}

func inJSON(routes []route) string {
	var b strings.Builder
	for i, r := range routes {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"mailno":%q,"acceptAddress":%q,"reasonName":"","orderid":%q,"acceptTime":%q,"remark":%q,"opCode":%q,"id":%q,"reasonCode":""}`,
			r.Mailno, r.AcceptAddress, r.Orderid, r.AcceptTime, r.Remark, r.OpCode, r.ID)
	}
	return `{"Body":{"WaybillRoute":[` + b.String() + `]}}`
}

func inXML(routes []route) string {
	var b strings.Builder
	for _, r := range routes {
		fmt.Fprintf(&b, `<WaybillRoute mailno=%q acceptAddress=%q reasonName="" orderid=%q acceptTime=%q remark=%q opCode=%q id=%q reasonCode=""/>`,
			r.Mailno, r.AcceptAddress, r.Orderid, r.AcceptTime, r.Remark, r.OpCode, r.ID)
	}
	return `<?xml version='1.0' encoding='UTF-8'?><Request service="RoutePushService" lang="zh-CN"><Body>` + b.String() + `</Body></Request>`
}

func benchmarkDecode(b *testing.B, body string, events int) {
	carriertest.Benchmark(b, New(Settings{}), &carriers.Request{Body: []byte(body)}, events)
}

func BenchmarkDecodeJSON(b *testing.B) {
	defer func(was carriers.JSONLibrary) { carriers.JSONBy = was }(carriers.JSONBy)
	for _, carriers.JSONBy = range []carriers.JSONLibrary{carriers.Sonic, carriers.Std} {
		for _, n := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/%d", carriers.JSONBy, n), func(b *testing.B) { benchmarkDecode(b, inJSON(scans(n)), n) })
		}
	}
}

func BenchmarkDecodeXML(b *testing.B) {
	for _, n := range []int{1, 10} {
		b.Run(fmt.Sprintf("form/%d", n), func(b *testing.B) { benchmarkDecode(b, asForm(inXML(scans(n))), n) })
		b.Run(fmt.Sprintf("bare/%d", n), func(b *testing.B) { benchmarkDecode(b, inXML(scans(n)), n) })
	}
}

// pushesOf are a push of n routes in each of SF's forms.
func pushesOf(n int) map[string]*carriers.Request {
	return map[string]*carriers.Request{"json": {Body: []byte(inJSON(scans(n)))}, "xml": {Body: []byte(inXML(scans(n)))}, "form": {Body: []byte(asForm(inXML(scans(n))))}}
}

func BenchmarkPush(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		for form, r := range pushesOf(n) {
			b.Run(fmt.Sprintf("%s/%d", form, n), func(b *testing.B) { carriertest.BenchmarkPush(b, New(Settings{}), r, n) })
		}
	}
}

func TestFrugal(t *testing.T) {
	for _, r := range pushesOf(20) {
		carriertest.Frugal(t, New(Settings{}), r, 20)
	}
}
