package wire

// A Return is the argument of order/return, by which Alibaba asks for an order to be
// given back (section 4.3). The platform's door holds such calls against it.
type Return struct {
	AliOrderNo Value `json:"aliOrderNo"`
	ReasonCode Value `json:"reasonCode"`
	ReasonName Value `json:"reasonName"`
	ReturnType Value `json:"returnType"`
	Contact    Value `json:"contact"`
	Remark     Value `json:"remark"`
}

// The ways in which an order is given back.
const (
	WarehouseReturn = "WAREHOUSE_RETURN" // 仓库退货: to the contact
	SelfPickup      = "SELF_PICKUP"      // 自提退货: the customer fetches it
)

var returnRules = Rules{
	OrderNo,
	{Name: "reasonCode", Mandatory: true},
	{Name: "reasonName", Mandatory: true},
	{Name: "returnType", Mandatory: true, Enum: []string{WarehouseReturn, SelfPickup}},
	{Name: "contact", When: Condition{Name: "returnType", Is: WarehouseReturn}, Nested: true},
	{Name: "remark"},
}

// Check holds it against the document's table, and reads whom it goes back to. The
// contact of one that the customer fetches need not be filled in, and is not looked
// at. err is as that of Value.Object.
func (r *Return) Check() (to Contact, wrong []Violation, err error) {
	wrong = returnRules.Check(r.AliOrderNo, r.ReasonCode, r.ReasonName, r.ReturnType, r.Contact, r.Remark)
	if !r.Contact.Given() || r.ReturnType.Text == SelfPickup {
		return Contact{}, wrong, nil
	}
	switch code, err := r.Contact.Object(&to); {
	case err != nil:
		return Contact{}, nil, err
	case code != "":
		wrong = append(wrong, Violation{Code: code, Field: "contact"})
	default:
		wrong = append(wrong, At("contact.", to.Check())...)
	}
	return to, wrong, nil
}
