package wire

import (
	"errors"
	"strings"
	"testing"

	"waytrace/trace"
)

func TestRules(t *testing.T) {
	text := func(s string) Value { return Value{Text: s} }
	for _, c := range []struct {
		name string
		rule Rule
		v    Value
		want string
	}{
		{"given", Rule{Mandatory: true}, text("x"), ""},
		{"missing", Rule{Mandatory: true}, Value{}, "4001"},
		{"blank", Rule{Mandatory: true}, text(" \t"), "4001"},
		{"not wanted", Rule{Max: 1, Enum: []string{"A"}, Form: Positive}, Value{}, ""},
		{"object for text", Rule{}, Value{JSON: `{}`}, "4028"},
		{"object", Rule{Mandatory: true, Nested: true}, Value{JSON: `{}`}, ""},
		{"nested missing", Rule{Mandatory: true, Nested: true}, Value{}, "4001"},
		{"as long as may be, in characters", Rule{Max: 3}, text("运单号"), ""},
		{"too long", Rule{Max: 3}, text("运单号码"), "4012"},
		{"too short", Rule{Min: 3, Max: 4}, text("运单"), "4013"},
		{"one of", Rule{Enum: []string{"A", "B"}}, text("B"), ""},
		{"none of", Rule{Enum: []string{"A", "B"}}, text("b"), "4033"},
		{"length before form", Rule{Max: 2, Form: Positive}, text("-11"), "4012"},
		{"order number", OrderNo, text("AB12"), ""},
		{"order number of 32", OrderNo, text(strings.Repeat("7", 32)), ""},
		{"order number of 33", OrderNo, text(strings.Repeat("7", 33)), "4012"},
		{"order number of 3", OrderNo, text("AB1"), "4013"},
		{"order number in small letters", OrderNo, text("ab12"), "4004"},
		{"order number with a blank", OrderNo, text("AB12 "), "4004"},
		{"number", Rule{Form: Number}, text("1Z 999-aa"), ""},
		{"number too short", Rule{Form: Number}, text(" 1 Z 9 "), "4013"},
		{"number too long", Rule{Form: Number}, text(strings.Repeat("9", 51)), "4012"},
		{"no number", Rule{Form: Number}, text("运单1Z999"), "4004"},
		{"whole", Rule{Form: Whole(32)}, text("0"), ""},
		{"largest whole", Rule{Form: Whole(32)}, text("4294967295"), ""},
		{"larger", Rule{Form: Whole(32)}, text("4294967296"), "4016"},
		{"negative", Rule{Form: Whole(63)}, text("-1"), "4010"},
		{"larger than any", Rule{Form: Whole(63)}, text("99999999999999999999"), "4016"},
		{"with a plus", Rule{Form: Whole(63)}, text("+1"), "4002"},
		{"no digits", Rule{Form: Whole(63)}, text("B1"), "4002"},
		{"negative letters", Rule{Form: Whole(63)}, text("-B1"), "4002"},
		{"digits of another script", Rule{Form: Whole(63)}, text("１"), "4002"},
		{"not whole", Rule{Form: Whole(63)}, text("1.0"), "4010"},
		{"one", Rule{Form: Positive}, text("1"), ""},
		{"zero", Rule{Form: Positive}, text("0"), "4011"},
		{"less than zero", Rule{Form: Positive}, text("-1"), "4011"},
		{"plus one", Rule{Form: Positive}, text("+1"), "4002"},
		{"no number at all", Rule{Form: Positive}, text("one"), "4002"},
		{"a half", Rule{Form: Positive}, text("0.5"), "4011"},
		{"largest", Rule{Form: Positive}, text("9223372036854775807"), ""},
		{"too large", Rule{Form: Positive}, text("9223372036854775808"), "4016"},
		{"far less than zero", Rule{Form: Positive}, text("-99999999999999999999"), "4011"},
		{"decimal", Rule{Form: Decimal(2)}, text("10.25"), ""},
		{"decimal without point", Rule{Form: Decimal(2)}, text("10"), ""},
		{"too many places", Rule{Form: Decimal(2)}, text("10.125"), "4019"},
		{"comma", Rule{Form: Decimal(2)}, text("10,25"), "4002"},
		{"nothing behind the point", Rule{Form: Decimal(2)}, text("10."), "4002"},
		{"nothing in front of it", Rule{Form: Decimal(2)}, text(".5"), "4002"},
		{"negative decimal", Rule{Form: Decimal(2)}, text("-1"), "4015"},
		{"may be blank", Rule{Blank: true}, Value{Sent: true}, ""},
		{"blanks", Rule{Blank: true}, Value{Text: " ", Sent: true}, ""},
		{"may be blank, not missing", Rule{Blank: true}, Value{}, "4001"},
		{"country", Rule{Form: countryCode}, text("CN"), ""},
		{"country of three letters", Rule{Form: countryCode}, text("CHN"), "4014"},
		{"country of one letter", Rule{Form: countryCode}, text("C"), "4014"},
		{"country in digits", Rule{Form: countryCode}, text("86"), "4005"},
		{"country in Chinese", Rule{Form: countryCode}, text("中国"), "4005"},
		{"country in small letters", Rule{Form: countryCode}, text("cn"), "4028"},
		{"moment", Rule{Form: Moment}, text("2015-01-09T13:13:02+0100"), ""},
		{"no moment", Rule{Form: Moment}, text("2015-01-09"), "4020"},
	} {
		c.rule.Name = "field"
		wrong := Rules{c.rule}.Check(c.v)
		got := ""
		if len(wrong) > 0 {
			got = wrong[0].Code
		}
		if got != c.want || len(wrong) > 1 {
			t.Errorf("%s: %v, want %q", c.name, wrong, c.want)
		}
	}
}

// A violation of a number says which one it passes.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		form func(text string) (code, limit string)
		text string
		want string
	}{
		{Whole(32), "4294967296", "4016 field: 必须小于或等于最大值 4294967295"},
		{Whole(63), "9223372036854775808", "4016 field: 必须小于或等于最大值 9223372036854775807"},
		{Positive, "9223372036854775808", "4016 field: 必须小于或等于最大值 9223372036854775807"},
		{Decimal(2), "1.234", "4019 field: 精确的小数点位不正确 2"},
		{Decimal(2), "-0.5", "4015 field: 必须大于或等于最小值 0"},
		{Number, "1Z9", "4013 field: 长度必须大于或等于最小长度 4"},
		{Number, strings.Repeat("9", 51), "4012 field: 长度必须小于或等于最大长度 50"},
		{countryCode, "C", "4014 field: 长度必须等于规定长度 2"},
	} {
		wrong := Rules{{Name: "field", Form: c.form}}.Check(Value{Text: c.text})
		if len(wrong) != 1 || wrong[0].Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.text, wrong, c.want)
		}
	}
}

func TestRulesInOrder(t *testing.T) {
	rules := Rules{
		{Name: "status", Enum: []string{"SUCCESS", "FAILURE"}},
		{Name: "reason", When: Condition{"status", "FAILURE"}, Max: 4},
		{Name: "note", Mandatory: true},
	}
	for _, c := range []struct{ status, reason, note, want string }{
		{"SUCCESS", "", "x", ""},
		{"FAILURE", "why", "x", ""},
		{"FAILURE", "", "x", "4001 reason: 不能为空"},
		{"FAILURE", "because", "", "4012 reason: 长度必须小于或等于最大长度 4\n4001 note: 不能为空"},
		{"MAYBE", "", "", "4033 status: 枚举值不支持\n4001 note: 不能为空"},
		{"", "", "x", ""},
	} {
		var said []string
		for _, v := range rules.Check(Value{Text: c.status}, Value{Text: c.reason}, Value{Text: c.note}) {
			said = append(said, v.Error())
			if !errors.Is(v, trace.ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", v)
			}
		}
		if got := strings.Join(said, "\n"); got != c.want {
			t.Errorf("%+v:\ngot  %s\nwant %s", c, got, c.want)
		}
	}
}

func TestViolationNamesItsPath(t *testing.T) {
	wrong := At("a[1].", At("b[2].", []Violation{{Code: Empty, Field: "c"}, {Code: BadFormat}}))
	if got, want := wrong[0].Message(), "a[1].b[2].c: 不能为空"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := wrong[1].Message(), "a[1].b[2]: 数据格式不正确"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := (Violation{Code: BadFormat}).Message(), "数据格式不正确"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestConditionOnNothing(t *testing.T) {
	defer func() {
		if said, _ := recover().(string); !strings.HasPrefix(said, "BUG: ") {
			t.Errorf("said %q", said)
		}
	}()
	Rules{{Name: "reason", When: Condition{"nonesuch", "x"}}}.Check(Value{})
}

func TestPackage(t *testing.T) {
	good := Package{PackageType: Value{Text: "WPX"}, Quantity: Value{Text: "1"}, Unit: Value{Text: "cm"}, Length: Value{Text: "1"},
		Width: Value{Text: "1.5"}, Height: Value{Text: "2.25"}, Weight: Value{Text: "10"}, WeightUnit: Value{Text: "kg"}}
	if wrong := good.Check(); wrong != nil {
		t.Errorf("a good one: %v", wrong)
	}
	if wrong := new(Package).Check(); len(wrong) != 8 || wrong[0].Field != "packageType" || wrong[7].Field != "weightUnit" {
		t.Errorf("an empty one: %v", wrong)
	}
}
