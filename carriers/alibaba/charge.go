package alibaba

import (
	"strconv"

	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

// claimCharge is the argument of the call (section 5.2): a batch of charges of an
// order. The same batch again replaces them (相同批次费用修改，全量推送).
type claimCharge struct {
	AliOrderNo wire.Value `json:"aliOrderNo"`
	BatchID    wire.Value `json:"batchId"`
	chargeList
}

var claimRules = wire.Rules{
	wire.OrderNo,
	{Name: "batchId", Mandatory: true, Form: wire.Whole(63)},
	{Name: "chargeItemArray", Mandatory: true, Nested: true},
}

// A chargeList is the charges under the name in the document's table, or under
// that in its sample.
type chargeList struct {
	ChargeItemArray wire.Value `json:"chargeItemArray"`
	ChargeItemList  wire.Value `json:"chargeItemList"`
}

func (c *chargeList) charges() wire.Value {
	if !c.ChargeItemArray.Given() && c.ChargeItemList.Given() {
		chargeItemList.Inc()
		return c.ChargeItemList
	}
	return c.ChargeItemArray
}

// A chargeItem is one charge. Its code is of an enumeration that the document does
// not give.
type chargeItem struct {
	Code     wire.Value `json:"code"`
	Name     wire.Value `json:"name"`
	Quantity wire.Value `json:"quantity"`
}

var chargeRules = wire.Rules{
	{Name: "code", Mandatory: true},
	{Name: "name", Mandatory: true},
	{Name: "quantity", Mandatory: true, Form: wire.Positive},
}

// Check holds a charge against the document's table.
func (c *chargeItem) Check() []wire.Violation { return chargeRules.Check(c.Code, c.Name, c.Quantity) }

// understandCharge makes a record of the batch. What is wrong with one charge is
// wrong with the batch: half of it would replace the whole.
func understandCharge(argument []byte, facts *trace.Facts) error {
	var in claimCharge
	if err := readArgument(argument, &in); err != nil {
		return err
	}
	in.AliOrderNo = trimmed(in.AliOrderNo)
	items := in.charges()
	wrong := claimRules.Check(in.AliOrderNo, in.BatchID, items)
	var charges []trace.Charge
	if items.Given() {
		var odd []wire.Violation
		var err error
		if charges, odd, err = readCharges(items); err != nil {
			return err
		}
		wrong = append(wrong, odd...)
	}
	if len(wrong) > 0 {
		refuse(facts, wrong)
		return nil
	}
	countOrderNo(in.AliOrderNo)
	order := trace.Waybill{Number: in.AliOrderNo.Text, Carrier: code}
	facts.Records = append(facts.Records, batchOf(order, in.BatchID, charges))
	return nil
}

// readCharges reads a list of charges; there are none where anything is wrong.
func readCharges(v wire.Value) (charges []trace.Charge, wrong []wire.Violation, err error) {
	l, err := readList[chargeItem](v, "chargeItemArray")
	if err != nil {
		return nil, nil, err
	}
	if wrong = l.wrong(); wrong != nil {
		return nil, wrong, nil
	}
	charges = make([]trace.Charge, len(l.items))
	for i, item := range l.items {
		n, _ := strconv.ParseInt(item.Quantity.Text, 10, 64)
		charges[i] = trace.Charge{Code: item.Code.Text, Name: item.Name.Text, Quantity: n}
	}
	return charges, nil, nil
}

// batchOf is the record of a batch whose parameters passed their checks. 07 is
// batch 7.
func batchOf(order trace.Waybill, id wire.Value, charges []trace.Charge) trace.Record {
	n, _ := strconv.ParseUint(id.Text, 10, 63)
	return trace.Record{Waybill: order, Kind: trace.Charges, Source: code, Batch: strconv.FormatUint(n, 10), Items: charges}
}
