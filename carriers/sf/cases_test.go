package sf

import (
	"testing"

	"waytrace/carriers/carriertest"
)

func TestCases(t *testing.T)  { carriertest.Cases(t, New(Settings{})) }
func TestExam(t *testing.T)   { carriertest.Exam(t, New(Settings{})) }
func FuzzDecode(f *testing.F) { carriertest.Fuzz(f, New(Settings{})) }
