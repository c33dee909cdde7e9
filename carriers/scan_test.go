package carriers

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// parcel is what the scan's tests read: texts, a list of objects, and a raw part.
type parcel struct {
	No, Name Loose
	Scans    []scanned
	Raw      json.RawMessage
}

type scanned struct{ Time, Text Loose }

var (
	parcelNames  = []string{"No", "Name", "Scans", "Raw"}
	scannedNames = []string{"Time", "Text"}
)

// scanParcel reads a parcel with a JSONScan. A list or a raw part that comes twice it
// does not take.
func scanParcel(data []byte) (p parcel, ok bool) {
	s := ScanJSON(View(data))
	for s.Open('{'); s.Member(); {
		switch s.Name {
		case "No":
			s.Loose(&p.No)
		case "Name":
			s.Loose(&p.Name)
		case "Raw":
			if p.Raw != nil {
				return p, false
			}
			p.Raw = json.RawMessage(s.Skip())
		case "Scans":
			if p.Scans != nil || s.Next() != '[' {
				return p, false
			}
			p.Scans = []scanned{}
			for s.Open('['); s.Item(); {
				var one scanned
				for s.Open('{'); s.Member(); {
					switch s.Name {
					case "Time":
						s.Loose(&one.Time)
					case "Text":
						s.Loose(&one.Text)
					default:
						s.Other(scannedNames)
					}
				}
				p.Scans = append(p.Scans, one)
			}
		default:
			s.Other(parcelNames)
		}
	}
	return p, s.Fine()
}

func TestJSONScan(t *testing.T) {
	for body, want := range map[string]*parcel{
		`{}`: {},
		"\xef\xbb\xbf { \"No\" : \"SF1\" , \"Name\" : null }\r\n":                     {No: Loose{Text: "SF1"}},
		`{"No":-1.50e+3,"Name":false,"other":[1,{"x":[]},"\u4e2d",0.1E-2,true,null]}`: {No: Loose{Text: "-1.50e+3"}, Name: Loose{Text: "false"}},
		`{"No":"a\"\\\/\u4e2d\n","Raw": {"No": [ ] } }`:                               {No: Loose{Text: "a\"\\/中\n"}, Raw: json.RawMessage(`{"No": [ ] }`)},
		`{"Scans":[]}`: {Scans: []scanned{}},
		`{"Scans":[{},{"Text":"签收","x":"y"},{"Time":1,"Time":null,"Text":"a","Text":2}]}`: {Scans: []scanned{{}, {Text: Loose{Text: "签收"}}, {Time: Loose{Text: "1"}, Text: Loose{Text: "2"}}}},
		// Good JSON, but for the other reader.
		`{"no":"SF1"}`: nil, `{"N\u006f":"SF1"}`: nil, `{"No":{}}`: nil, `{"No":[]}`: nil, `[]`: nil, `null`: nil, `{"Scans":{}}`: nil,
		`{"x":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`: nil,
		// Bad JSON.
		``: nil, ` `: nil, `{`: nil, `{"No"}`: nil, `{"No":}`: nil, `{"No":"a"`: nil, `{"No":"a}`: nil, `{"No":"a"}}`: nil, `{"No":"a"} x`: nil, `{,}`: nil,
		`{"No":"a",}`: nil, `{"No":"a" "Name":"b"}`: nil, `{"Scans":[{},]}`: nil, `{"Scans":[{}}`: nil, `{"Scans":[{} {}]}`: nil, `{"No":01}`: nil, `{"No":1.}`: nil,
		`{"No":-}`: nil, `{"No":1e}`: nil, `{"No":+1}`: nil, `{"No":nul}`: nil, `{"No":tru}`: nil, `{"x":nan}`: nil, `{"No":"\x"}`: nil, `{"x":"\u12g4"}`: nil,
		"{\"No\":\"a\nb\"}": nil, "{\"x\":\"\\\x01\"}": nil, "{\"x\":\"\\n\x01\"}": nil, "{\"x\":\"\xff\"}": nil, `{"x":"\`: nil, `{No:1}`: nil, `{"No":'a'}`: nil,
	} {
		got, ok := scanParcel([]byte(body))
		if ok != (want != nil) || ok && !reflect.DeepEqual(got, *want) {
			t.Errorf("%s: %+v, fine %t; want %+v", body, got, ok, want)
		}
	}
}

// What a scan takes, ReadJSON takes as well, and reads the same.
func FuzzJSONScan(f *testing.F) {
	for _, body := range []string{`{"No":"SF1","Name":1.5e3,"Scans":[{"Time":"2026","Text":"\u4e2d\\"},{"x":[{}]}],"Raw":[1,"]",{}]}`,
		`{"No":null,"other":{"a":"\"}"},"Raw":"x"}`, `{"no":1}`, "\xef\xbb\xbf{}", `{"Scans":[{"Time":-0.0}]}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := scanParcel(data)
		if !ok {
			return
		}
		var want parcel
		if err := ReadJSON(data, &want); err != nil {
			t.Fatalf("%q is fine, but %v", data, err)
		}
		if want.Scans == nil {
			want.Scans = got.Scans // null
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", data, got, want)
		}
	})
}

// What is cut off anywhere is not fine.
func TestJSONScanOfAPiece(t *testing.T) {
	const whole = `{"No":"SF1","Name":-1.5e3,"Scans":[{"Time":true,"Text":"\u4e2d"}],"Raw":[null,"x",{"y":0}]}`
	if _, ok := scanParcel([]byte(whole)); !ok || errors.Is(ReadJSON([]byte(whole), new(parcel)), ErrMismatch) {
		t.Fatal("the whole is not fine")
	}
	for n := range len(whole) {
		if _, ok := scanParcel([]byte(whole[:n])); ok {
			t.Errorf("%s is fine", whole[:n])
		}
	}
}
