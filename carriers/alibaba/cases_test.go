package alibaba

import (
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
)

func TestCases(t *testing.T)  { carriertest.Cases(t, New(Settings{})) }
func TestExam(t *testing.T)   { carriertest.Exam(t, New(Settings{})) }
func FuzzDecode(f *testing.F) { carriertest.Fuzz(f, New(Settings{})) }

func TestSigned(t *testing.T) {
	c := New(Settings{Secrets: []string{"new-secret", "old-secret"}, AppKey: "100200"})
	carriertest.Signed(t, c, carriertest.Signing{Sending: carriers.Sending{Key: "100200", Secret: "old-secret"}, Field: "_aop_signature"})
}

func FuzzLibraries(f *testing.F) { carriertest.FuzzLibraries(f, New(Settings{}), nil) }

func TestTruncated(t *testing.T) {
	for _, name := range []string{"trace-journey", "event-confirmed", "charge"} {
		carriertest.Truncated(t, New(Settings{}), *carriertest.Request(t, name))
	}
}

func TestMaxItems(t *testing.T) {
	carriertest.Most(t, New(Settings{}), MaxItems, func(n int) *carriers.Request {
		return &carriers.Request{Call: callTrace, Body: []byte(notify(journey(n)))}
	})
}

// A body as large as a door lets in cannot make us hold much more than itself.
func TestGreedyBodies(t *testing.T) {
	const order = `{"aliOrderNo":"` + orderNo + `",`
	carriertest.Greedy(t, New(Settings{}), carriers.Request{Call: callTrace}, map[string][3]string{
		"empty scans":  {order + `"traceInfos":[`, `{},`, `{}]}`},
		"numbers":      {order + `"traceInfos":[`, `1,`, `1]}`},
		"list as text": {order + `"traceInfos":"[`, `{},`, `{}]"}`},
		"references":   {order + `"referenceNo":"`, `a,`, `","traceInfos":[{"location":"x","traceCode":"S_TH_IN","traceTime":"2024-03-18T09:00:00Z"}]}`},
		"deep":         {``, `[`, ``},
		"escapes":      {order + `"traceInfos":"`, `\n`, `"}`},
		"fields":       {``, `a=b&`, `a=b`},
		"one field":    {`request=`, `%20`, ``},
	})
}
