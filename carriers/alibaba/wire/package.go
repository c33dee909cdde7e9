package wire

// A Package is what the document tells of a parcel's boxes (package).
type Package struct {
	PackageType Value `json:"packageType"`
	Quantity    Value `json:"quantity"`
	Unit        Value `json:"unit"`
	Length      Value `json:"length"`
	Width       Value `json:"width"`
	Height      Value `json:"height"`
	Weight      Value `json:"weight"`
	WeightUnit  Value `json:"weightUnit"`
}

// Check holds it against the document's table. The type is not held against the
// enumeration: that has BOX alone, and the document's sample has another.
func (p *Package) Check() []Violation {
	return packageRules.Check(p.PackageType, p.Quantity, p.Unit, p.Length, p.Width, p.Height, p.Weight, p.WeightUnit)
}

var packageRules = Rules{
	{Name: "packageType", Mandatory: true},
	{Name: "quantity", Mandatory: true, Form: Positive},
	{Name: "unit", Mandatory: true, Enum: []string{"mm", "cm", "m", "in", "ft"}},
	{Name: "length", Mandatory: true, Form: Decimal(2)},
	{Name: "width", Mandatory: true, Form: Decimal(2)},
	{Name: "height", Mandatory: true, Form: Decimal(2)},
	{Name: "weight", Mandatory: true, Form: Decimal(2)},
	{Name: "weightUnit", Mandatory: true, Enum: []string{"mg", "g", "dg", "kg", "t", "lb"}},
}
