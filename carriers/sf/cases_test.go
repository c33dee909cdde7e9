package sf

import (
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
)

func TestCases(t *testing.T)  { carriertest.Cases(t, withAccounts()) }
func TestExam(t *testing.T)   { carriertest.Exam(t, withAccounts()) }
func FuzzDecode(f *testing.F) { carriertest.Fuzz(f, withAccounts()) }

func TestSigned(t *testing.T) {
	carriertest.Signed(t, withAccounts(), carriertest.Signing{Sending: carriers.Sending{Secret: "case-check-word"}, Field: "msgDigest", Account: "hk"})
}

func FuzzLibraries(f *testing.F) { carriertest.FuzzLibraries(f, New(Settings{}), nil) }

// FuzzCustomised is FuzzDecode for an account that has all that there is to agree
// on.
func FuzzCustomised(f *testing.F) {
	carriertest.Fuzz(f, New(Settings{CodesVersion: 1, Terms: Terms{Language: "en",
		Codes: "testdata/shop-codes.csv", Texts: "testdata/shop-texts.csv", Secrets: []string{"case-check-word"}}}))
}

// withAccounts is the carrier of the cases: those that name no account meet the
// defaults, the others one of these.
func withAccounts() carriers.Carrier {
	shop := Terms{Codes: "testdata/shop-codes.csv", Texts: "testdata/shop-texts.csv"}
	return New(Settings{CodesVersion: 1, Accounts: map[string]Account{
		"hk":            {Terms: Terms{Language: "zh-Hant", Secrets: []string{"another-check-word", "case-check-word"}}},
		"overseas":      {Terms: Terms{Language: "en"}},
		"shop":          {Terms: shop},
		"hk-shop":       {Terms: Terms{Language: "zh-Hant", Codes: shop.Codes, Texts: shop.Texts}},
		"overseas-shop": {Terms: Terms{Language: "en", Codes: shop.Codes, Texts: shop.Texts}},
	}})
}
