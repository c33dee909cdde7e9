package alibaba

import (
	"slices"
	"strconv"
	"strings"

	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

// notifyTrace is the argument of the call (section 5.3): all that is known of an
// order's journey (全量). referenceNo is not in its table; where it comes it is what
// it is in a booking: other numbers of the order, with commas between them.
type notifyTrace struct {
	AliOrderNo  wire.Value `json:"aliOrderNo"`
	TraceInfos  wire.Value `json:"traceInfos"`
	ReferenceNo wire.Value `json:"referenceNo"`
}

// Field is wire.Fields.
func (t *notifyTrace) Field(name string) *wire.Value {
	switch name {
	case "aliOrderNo":
		return &t.AliOrderNo
	case "traceInfos":
		return &t.TraceInfos
	case "referenceNo":
		return &t.ReferenceNo
	}
	return nil
}

// Names is wire.Fields.
func (*notifyTrace) Names() []string { return notifyTraceNames }

var notifyTraceNames = []string{"aliOrderNo", "traceInfos", "referenceNo"}

var notifyTraceRules = wire.Rules{
	wire.OrderNo,
	{Name: "traceInfos", Mandatory: true, Nested: true},
}

// A traceInfo is one scan (Trace). eventTime is the name of traceTime in the
// document's sample.
type traceInfo struct {
	Location     wire.Value `json:"location"`
	TraceCode    wire.Value `json:"traceCode"`
	TraceDescEn  wire.Value `json:"traceDescEn"`
	TraceDescCn  wire.Value `json:"traceDescCn"`
	OperatorName wire.Value `json:"operatorName"`
	Quantity     wire.Value `json:"quantity"`
	TraceTime    wire.Value `json:"traceTime"`
	EventTime    wire.Value `json:"eventTime"`
}

// Field is wire.Fields.
func (t *traceInfo) Field(name string) *wire.Value {
	switch name {
	case "location":
		return &t.Location
	case "traceCode":
		return &t.TraceCode
	case "traceDescEn":
		return &t.TraceDescEn
	case "traceDescCn":
		return &t.TraceDescCn
	case "operatorName":
		return &t.OperatorName
	case "quantity":
		return &t.Quantity
	case "traceTime":
		return &t.TraceTime
	case "eventTime":
		return &t.EventTime
	}
	return nil
}

// Names is wire.Fields.
func (*traceInfo) Names() []string { return traceInfoNames }

var traceInfoNames = []string{"location", "traceCode", "traceDescEn", "traceDescCn", "operatorName", "quantity", "traceTime", "eventTime"}

// A code that is not in the table of codes is no violation: it is reported as
// unmapped.
var traceInfoRules = wire.Rules{
	{Name: "location", Mandatory: true, Max: 32},
	{Name: "traceCode", Mandatory: true},
	{Name: "traceDescEn", Max: 128},
	{Name: "traceDescCn", Max: 128},
	{Name: "operatorName", Max: 16},
	{Name: "quantity", Form: wire.Whole(32)},
	{Name: "traceTime", Mandatory: true, Form: wire.Moment},
}

// Check brings a scan into the form of the document's table, and holds it against
// that.
func (t *traceInfo) Check() []wire.Violation {
	if !t.TraceTime.Given() && t.EventTime.Given() {
		eventTime.Inc()
		t.TraceTime = t.EventTime
	}
	t.TraceCode = withoutBlanks(t.TraceCode)
	return traceInfoRules.Check(t.Location, t.TraceCode, t.TraceDescEn, t.TraceDescCn, t.OperatorName, t.Quantity, t.TraceTime)
}

// understandTrace makes a full list of the scans. One that violates the document
// spoils only itself, and the list says nothing of what it leaves out then; the
// request is refused with the first violation all the same.
func understandTrace(a argument, account string, facts *trace.Facts) error {
	var in notifyTrace
	if err := a.read(&in); err != nil {
		return err
	}
	in.AliOrderNo = trimmed(in.AliOrderNo)
	wrong := notifyTraceRules.Check(in.AliOrderNo, in.TraceInfos)
	var infos list[traceInfo]
	if in.TraceInfos.Given() {
		var err error
		if infos, err = readList[traceInfo](in.TraceInfos, "traceInfos"); err != nil {
			return err
		}
		wrong = append(wrong, infos.whole...)
	}
	if len(wrong) > 0 {
		return violated(wrong)
	}
	countOrderNo(in.AliOrderNo)

	order := trace.Waybill{Number: in.AliOrderNo.Text, Carrier: code}
	references := referencesOf(in.AliOrderNo, in.ReferenceNo, account)
	listed := infos.good > 0 // else there is nothing that the source is known to know
	if listed {
		facts.Events = slices.Grow(facts.Events, infos.good)
		facts.OpenList(order, code, -1)
	}
	for i := range infos.items {
		for _, v := range infos.bad[i] {
			facts.Fault(i, v.Code, v.Field, v.Message())
			if facts.Refusal == nil {
				facts.Refusal = v
			}
		}
		if infos.bad[i] == nil {
			e := facts.Event()
			e.Waybill, e.Source, e.Item, e.References = order, code, i, references
			infos.items[i].fill(e)
		}
	}
	if listed {
		facts.CloseList()
	}
	return nil
}

// fill makes an event of a scan that passed its check.
func (t *traceInfo) fill(e *trace.Event) {
	e.Code = t.TraceCode.Text
	pair, known := codes.Find(e.Code, "")
	e.Pair, e.Table, e.Unmapped = pair, TableVersion, !known
	if slices.Contains(eventCodes, e.Code) {
		eventCode.Inc()
	} else if e.Code == "UNKNOWN" {
		otherUnknown.Inc()
	}
	e.At = timeOf(t.TraceTime)
	e.Place.Address = t.Location.Text
	switch cn, en := t.TraceDescCn, t.TraceDescEn; {
	case cn.Given():
		e.Text = trace.Text{Text: cn.Text, EN: en.Text, Lang: "zh-Hans"}
	case en.Given():
		e.Text = trace.Text{Text: en.Text, Lang: "en"}
	}
	e.Operator = t.OperatorName.Text
	if t.Quantity.Given() {
		n, _ := strconv.ParseUint(t.Quantity.Text, 10, 32)
		e.Quantity = uint32(n)
	}
	if e.Code == rescheduled {
		if number := forwardedTo(t.TraceDescCn.Text); number != "" && number != e.Number {
			e.Leg = trace.LegTo{Waybill: trace.Waybill{Number: number}, Role: trace.Forwarded}
		}
	}
}

// timeOf gives a time that passed its check.
func timeOf(v wire.Value) trace.Time {
	t, _ := wire.ParseTime(v.Text)
	if t.Zone == trace.ZoneDefault {
		timeWithoutZone.Inc()
	}
	if strings.Contains(v.Text, " ") { // it has no blank but that one
		unescapedPlus.Inc()
	}
	return t
}

// rescheduled is the code of a parcel that goes on under a new number. Its Chinese
// text ends in that number: 转【…】.
const rescheduled = "F_CARRIER_PICKUP_RT_5035"

// forwardedTo gives the number that stands in the one pair of brackets behind 转. It
// gives "" where there is none such, several, or no number in it: the document's
// text has ${trackingNo} there, which may have been left unfilled.
func forwardedTo(text string) string {
	before, rest, found := strings.Cut(text, "【")
	inside, after, closed := strings.Cut(rest, "】")
	if !found || !closed || !strings.HasSuffix(strings.TrimSpace(before), "转") || strings.ContainsAny(after, "【】") || strings.Contains(inside, "【") {
		return ""
	}
	number, err := trace.ParseNumber(inside)
	if err != nil {
		return ""
	}
	return number
}

// referencesOf gives the references of an order: its own number, and each part of
// referenceNo. All events of a request share them: each one once, so that none is
// moved when they are sorted.
func referencesOf(orderNo, referenceNo wire.Value, account string) []trace.Reference {
	references := []trace.Reference{{Account: account, Text: orderNo.Text}}
	for part := range strings.SplitSeq(referenceNo.Text, ",") {
		r := trace.Reference{Account: account, Text: strings.Clone(strings.TrimSpace(part))}
		if r.Text != "" && !slices.Contains(references, r) {
			references = append(references, r)
		}
		if len(references) > trace.MaxReferences {
			break // too many already
		}
	}
	return slices.Clip(references)
}
