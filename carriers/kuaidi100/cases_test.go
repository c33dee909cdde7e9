package kuaidi100

import (
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
)

func TestCases(t *testing.T)  { carriertest.Cases(t, signed()) }
func TestExam(t *testing.T)   { carriertest.Exam(t, signed()) }
func FuzzDecode(f *testing.F) { carriertest.Fuzz(f, open()) }

func TestSigned(t *testing.T) {
	carriertest.Signed(t, signed(), carriertest.Signing{Sending: carriers.Sending{Secret: "spring-salt"}, Field: "sign", Payload: inForm})
}

func FuzzLibraries(f *testing.F) { carriertest.FuzzLibraries(f, open(), inForm) }
