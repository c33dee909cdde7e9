package wire

import (
	"strings"
	"unicode/utf8"
)

// A Contact is a person or a company at an address (section 4.1, Contact).
type Contact struct {
	Mobile          Value `json:"mobile"`
	Telephone       Value `json:"telephone"`
	Email           Value `json:"email"`
	Name1           Value `json:"name1"`
	Name2           Value `json:"name2"`
	Street1         Value `json:"street1"`
	Street2         Value `json:"street2"`
	CountryCode     Value `json:"countryCode"`
	City            Value `json:"city"`
	PostalCode      Value `json:"postalCode"`
	StateRegionCode Value `json:"stateRegionCode"`
}

// Check holds it against the document's table. Of telephone numbers and addresses
// of mail that table wants a length alone.
func (c *Contact) Check() []Violation {
	return contactRules.Check(c.Mobile, c.Telephone, c.Email, c.Name1, c.Name2, c.Street1, c.Street2, c.CountryCode,
		c.City, c.PostalCode, c.StateRegionCode)
}

// name2 is mandatory in the table, and blank in every sample: it may be.
var contactRules = Rules{
	{Name: "mobile", Mandatory: true, Max: 32},
	{Name: "telephone", Max: 32},
	{Name: "email", Max: 64},
	{Name: "name1", Mandatory: true, Max: 64},
	{Name: "name2", Blank: true, Max: 64},
	{Name: "street1", Mandatory: true, Max: 128},
	{Name: "street2", Max: 128},
	{Name: "countryCode", Mandatory: true, Form: countryCode},
	{Name: "city", Mandatory: true, Max: 32},
	{Name: "postalCode", Max: 35},
	{Name: "stateRegionCode", Max: 40},
}

// countryCode wants [A-Z]{2}. Whether there is such a country is not asked.
func countryCode(text string) (code, limit string) {
	switch {
	case utf8.RuneCountInString(text) != 2:
		return WrongLength, "2"
	case strings.ContainsFunc(text, func(r rune) bool { return !isLetter(r) }):
		return NotLetters, ""
	case strings.ToUpper(text) != text:
		return BadFormat, ""
	}
	return "", ""
}
