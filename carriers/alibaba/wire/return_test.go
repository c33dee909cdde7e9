package wire

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

const (
	goodContact = `{"mobile":"+86-13900000000","name1":"李四","name2":"","street1":"软件园二期9号","countryCode":"CN","city":"厦门"}`
	goodReturn  = `{"aliOrderNo":"ALS20240318000921","reasonCode":"R1","reasonName":"拒收","returnType":"WAREHOUSE_RETURN","contact":` + goodContact + `}`
)

// without takes a member out of a JSON object: by another name it is not known.
func without(object, member string) string {
	return strings.Replace(object, `"`+member+`":`, `"no_`+member+`":`, 1)
}

func said(wrong []Violation) string {
	var lines []string
	for _, v := range wrong {
		lines = append(lines, v.Error())
	}
	return strings.Join(lines, "\n")
}

func TestReturn(t *testing.T) {
	pickup := strings.Replace(goodReturn, WarehouseReturn, SelfPickup, 1)
	contact := func(json string) string { return strings.Replace(goodReturn, goodContact, json, 1) }
	both(t, func(t *testing.T) {
		for _, c := range []struct{ name, call, want, to string }{
			{"to a warehouse", goodReturn, "", "李四"},
			{"to a warehouse, contact as text", contact(string(trace.AppendString(nil, goodContact))), "", "李四"},
			{"to a warehouse, no contact", without(goodReturn, "contact"), "4001 contact: 不能为空", ""},
			{"to a warehouse, contact null", contact(`null`), "4001 contact: 不能为空", ""},
			{"to a warehouse, contact blank", contact(`" "`), "4001 contact: 不能为空", ""},
			{"to a warehouse, contact is text", contact(`"李四"`), "4028 contact: 数据格式不正确", ""},
			{"to a warehouse, contact is a list", contact(`[` + goodContact + `]`), "4028 contact: 数据格式不正确", ""},
			{"to a warehouse, contact without a city", without(goodReturn, "city"), "4001 contact.city: 不能为空", "李四"},
			{"to a warehouse, empty contact", contact(`{}`), "4001 contact.mobile: 不能为空\n4001 contact.name1: 不能为空\n4001 contact.name2: 不能为空\n" +
				"4001 contact.street1: 不能为空\n4001 contact.countryCode: 不能为空\n4001 contact.city: 不能为空", ""},
			{"fetched", without(pickup, "contact"), "", ""},
			{"fetched, with a contact", pickup, "", ""},
			{"fetched, with an empty contact", strings.Replace(pickup, goodContact, `{}`, 1), "", ""},
			{"in another way", strings.Replace(goodReturn, WarehouseReturn, "BY_DRONE", 1), "4033 returnType: 枚举值不支持", "李四"},
			{"in another case", strings.Replace(goodReturn, WarehouseReturn, "warehouse_return", 1), "4033 returnType: 枚举值不支持", "李四"},
			{"in another way, no contact", without(strings.Replace(goodReturn, WarehouseReturn, "BY_DRONE", 1), "contact"), "4033 returnType: 枚举值不支持", ""},
			{"in no way", without(goodReturn, "returnType"), "4001 returnType: 不能为空", "李四"},
			{"no order number", without(goodReturn, "aliOrderNo"), "4001 aliOrderNo: 不能为空", "李四"},
			{"no reason", without(without(pickup, "reasonCode"), "reasonName"), "4001 reasonCode: 不能为空\n4001 reasonName: 不能为空", ""},
			{"remark is an object", strings.Replace(goodReturn, `"reasonCode"`, `"remark":{},"reasonCode"`, 1), "4028 remark: 数据格式不正确", "李四"},
			{"nothing", `{}`, "4001 aliOrderNo: 不能为空\n4001 reasonCode: 不能为空\n4001 reasonName: 不能为空\n4001 returnType: 不能为空", ""},
		} {
			var r Return
			if err := carriers.ReadJSON([]byte(c.call), &r); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			to, wrong, err := r.Check()
			if got := said(wrong); err != nil || got != c.want || to.Name1.Text != c.to {
				t.Errorf("%s: to %q, %v\ngot:\n%s\nwant, to %q:\n%s", c.name, to.Name1.Text, err, got, c.to, c.want)
			}
		}
		broken := Return{ReturnType: Value{Text: WarehouseReturn}, Contact: Value{JSON: `{"city":`}}
		if _, _, err := broken.Check(); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("a contact that is no JSON: %v, want ErrInvalid", err)
		}
	})
}

// Each member of a contact: whether it must be there, and how long it may be.
func TestContact(t *testing.T) {
	both(t, func(t *testing.T) {
		for _, c := range []struct {
			member    string
			mandatory bool
			most      int // characters; 0: see TestRules
		}{
			{"mobile", true, 32}, {"telephone", false, 32}, {"email", false, 64}, {"name1", true, 64}, {"name2", true, 64},
			{"street1", true, 128}, {"street2", false, 128}, {"countryCode", true, 0}, {"city", true, 32},
			{"postalCode", false, 35}, {"stateRegionCode", false, 40},
		} {
			check := func(json, want string) {
				t.Helper()
				var contact Contact
				if err := carriers.ReadJSON([]byte(json), &contact); err != nil {
					t.Fatal(err)
				}
				if got := said(contact.Check()); got != want {
					t.Errorf("%s\ngot:\n%s\nwant:\n%s", json, got, want)
				}
			}
			// Of two members of one name the last one counts.
			with := func(value string) string {
				return strings.TrimSuffix(goodContact, "}") + `,"` + c.member + `":"` + value + `"}`
			}
			missing := ""
			if c.mandatory {
				missing = "4001 " + c.member + ": 不能为空"
			}
			check(without(goodContact, c.member), missing)
			if c.member == "name2" {
				missing = "" // blank in the document's samples
			}
			check(with(""), missing)
			check(with(" "), missing)
			if c.most == 0 {
				check(with("DEU"), "4014 "+c.member+": 长度必须等于规定长度 2")
				continue
			}
			check(with(strings.Repeat("字", c.most)), "")
			check(with(strings.Repeat("字", c.most+1)), "4012 "+c.member+": 长度必须小于或等于最大长度 "+strconv.Itoa(c.most))
		}
	})
}
