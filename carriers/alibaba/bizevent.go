package alibaba

import (
	"bytes"
	"encoding/json"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

// notifyBizEvent is the argument of the call (section 5.1): what became of an order
// at the company's own warehouse and beyond.
type notifyBizEvent struct {
	AliOrderNo wire.Value `json:"aliOrderNo"`
	EventTime  wire.Value `json:"eventTime"`
	EventCode  wire.Value `json:"eventCode"`
	Status     wire.Value `json:"status"`
	Reason     wire.Value `json:"reason"`
	ExtInfo    wire.Value `json:"extInfo"`
}

// The EventCodes that bring something with them, and what a status may be.
const (
	checkWeight   = "CHECK_WEIGHT"
	confirm       = "CONFIRM"
	carrierPickup = "CARRIER_PICKUP"

	success = "SUCCESS"
	failure = "FAILURE"
)

var eventCodes = []string{"WAREHOUSE_INBOUND", "WAREHOUSE_OUTBOUND", checkWeight, confirm, "PALLETIZE", carrierPickup, "DELIVERY"}

var bizEventRules = wire.Rules{
	wire.OrderNo,
	{Name: "eventTime", Mandatory: true, Form: wire.Moment},
	{Name: "eventCode", Mandatory: true, Enum: eventCodes},
	{Name: "status", Mandatory: true, Enum: []string{success, failure, "IN_PROGRESS"}},
	{Name: "reason", When: wire.Condition{Name: "status", Is: failure}, Max: 128},
	{Name: "extInfo", Nested: true},
}

// extInfo is what an event brings with it: each EventCode something else.
type extInfo struct {
	Packages    wire.Value `json:"packages"`
	TrackNo     wire.Value `json:"trackNo"`
	BatchID     wire.Value `json:"batchId"`
	CarrierName wire.Value `json:"carrierName"`
	Location    wire.Value `json:"location"`
	chargeList
}

// What an event must bring with it, it must bring where it is a success. The first
// rule is that of the event's own status.
var (
	ofSuccess = wire.Condition{Name: "status", Is: success}

	weightRules  = wire.Rules{{Name: "status"}, {Name: "packages", When: ofSuccess, Nested: true}}
	confirmRules = wire.Rules{
		{Name: "status"},
		{Name: "trackNo", When: ofSuccess, Form: wire.Number},
		{Name: "batchId", When: ofSuccess, Form: wire.Whole(63)},
		{Name: "chargeItemArray", When: ofSuccess, Nested: true},
	}
	pickupRules = wire.Rules{{Name: "status"}, {Name: "carrierName", When: ofSuccess}, {Name: "location", When: ofSuccess}}
)

// understandBizEvent makes a record of the event. A confirmed order goes on under the
// number that comes with it, and is charged for; a pick-up says who carries it.
func understandBizEvent(argument []byte, facts *trace.Facts) error {
	var in notifyBizEvent
	if err := readArgument(argument, &in); err != nil {
		return err
	}
	in.AliOrderNo = trimmed(in.AliOrderNo)
	in.EventCode = withoutBlanks(in.EventCode)
	if !in.Status.Given() {
		statusDefault.Inc()
		in.Status.Text = success
	}
	wrong := bizEventRules.Check(in.AliOrderNo, in.EventTime, in.EventCode, in.Status, in.Reason, in.ExtInfo)

	var ext extInfo
	said, bad, err := in.readExt(&ext)
	if err != nil {
		return err
	}
	var charges []trace.Charge
	if bad != "" {
		wrong = append(wrong, wire.Violation{Code: bad, Field: "extInfo"})
	} else {
		var odd []wire.Violation
		if charges, odd, err = in.checkExt(&ext); err != nil {
			return err
		}
		wrong = append(wrong, wire.At("extInfo.", odd)...)
	}
	if len(wrong) > 0 {
		refuse(facts, wrong)
		return nil
	}
	countOrderNo(in.AliOrderNo)

	order, at := trace.Waybill{Number: in.AliOrderNo.Text, Carrier: code}, timeOf(in.EventTime)
	facts.Records = append(facts.Records, trace.Record{
		Waybill: order, Kind: trace.Business, Source: code,
		Event: in.EventCode.Text, At: at, Status: in.Status.Text, Reason: in.Reason.Text, Ext: said,
	})
	if in.Status.Text != success {
		return nil
	}
	var to trace.LegTo
	switch in.EventCode.Text {
	case confirm:
		if number, err := trace.ParseNumber(ext.TrackNo.Text); err == nil && number != order.Number {
			to = trace.LegTo{Waybill: trace.Waybill{Number: number}, Role: trace.LastMile}
		}
		facts.Records = append(facts.Records, batchOf(order, ext.BatchID, charges))
	case carrierPickup:
		to.Carrier = carriers.CodeOf(carriers.ByBrand, ext.CarrierName.Text)
	}
	if to != (trace.LegTo{}) {
		facts.Legs = append(facts.Legs, trace.LegFact{Waybill: order, To: to, Since: at.Instant()})
	}
	return nil
}

// readExt reads what the event brings with it, and gives it as compact JSON too, for
// the record. code is BadFormat where it is neither an object nor the text of one.
func (in *notifyBizEvent) readExt(ext *extInfo) (said, code string, err error) {
	v := in.ExtInfo
	if !v.Given() {
		return "", "", nil
	}
	if code, err := v.Object(ext); err != nil || code != "" {
		return "", code, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(v.Nested())); err != nil {
		return "", "", trace.Invalid("malformed_json", "extInfo", "JSON: extInfo: %v", err)
	}
	return compact.String(), "", nil
}

// checkExt holds what the event brings with it against the table of its code, and
// gives the charges among it.
func (in *notifyBizEvent) checkExt(ext *extInfo) (charges []trace.Charge, wrong []wire.Violation, err error) {
	status := wire.Value{Text: in.Status.Text} // what is wrong with it was said before
	switch in.EventCode.Text {
	case checkWeight:
		wrong = weightRules.Check(status, ext.Packages)
		if ext.Packages.Given() {
			packages, err := readList[wire.Package](ext.Packages, "packages")
			if err != nil {
				return nil, nil, err
			}
			wrong = append(wrong, packages.wrong()...)
		}
	case confirm:
		items := ext.charges()
		wrong = confirmRules.Check(status, ext.TrackNo, ext.BatchID, items)
		if items.Given() {
			var odd []wire.Violation
			if charges, odd, err = readCharges(items); err != nil {
				return nil, nil, err
			}
			wrong = append(wrong, odd...)
		}
	case carrierPickup:
		wrong = pickupRules.Check(status, ext.CarrierName, ext.Location)
	}
	return charges, wrong, nil
}
