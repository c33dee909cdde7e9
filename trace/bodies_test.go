package trace

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// bodiesFile has, a line a parcel, what its answers hash to: the bytes that a platform got
// must stay what they are, whatever makes them. To be recorded anew (go test -run Bodies
// -update) only when an answer is meant to change.
const bodiesFile = "testdata/bodies.txt"

const bodyParcels = 300

// wild makes up the facts of a parcel: any of its fields may be there, in any form that a
// stored event can have, so also texts that nobody would accept today.
type wild struct{ *rand.Rand }

func (d wild) one(of ...string) string { return of[d.IntN(len(of))] }

func (d wild) text() string {
	if d.IntN(3) == 0 {
		return ""
	}
	var b strings.Builder
	for range d.IntN(12) {
		b.WriteString(d.one("快件到达【", "深圳宝安集散中心", "】", "a", "plain words ", "\"", "\\", "/", "\n", "\r", "\t", "\x00", "\x1f", "\x7f",
			"é", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\ufffd", "\uffff", "\U00010000", "📦", "\U0010ffff", "\u2028", "\xff", "\xe6", "\xe6\xb7",
			"\xed\xa0\x80", "\xc0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf0\x9f\x93", "<b>&", "12345678", "签"))
	}
	return b.String()
}

func (d wild) time() Time {
	t := Time{Local: noon - d.Int64N(90*86_400_000), Precision: Precision(d.IntN(int(precisions))), Zone: Zone(d.IntN(int(zones)))}
	switch d.IntN(6) {
	case 0:
		t.Local = firstLocal + d.Int64N(lastLocal-firstLocal)
	case 1, 2:
		t.Local = t.Local / 1000 * 1000
	}
	if t.Precision == Day {
		t.Local = floor(t.Local, 86_400_000) * 86_400_000
	}
	if t.Zone != ZoneUnknown {
		t.Offset = [...]int16{China, 0, -5 * 60, 345, -959, 959}[d.IntN(6)]
	}
	if t.Raw = t.canonical(); d.IntN(3) == 0 {
		t.Raw = d.one("2026/02/27 09:30", "yesterday", "20260227", "27.2.\"26\"")
	}
	return t
}

func (d wild) place() Place {
	return Place{Address: d.text(), City: d.text(), State: d.text(), Country: d.one("", "CN", "US"), Postal: d.one("", "12207")}
}

func (d wild) words() Text {
	return Text{Text: d.text(), Reason: d.text(), EN: d.text(), ZH: d.text(), Lang: d.one("", "zh-Hans", "zh-Hant", "en", "zh-TW", "en-US", "de")}
}

func (d wild) event() Event {
	e := Event{
		Waybill: Waybill{"SF7444400031887", "sf"}, Source: d.one("sf", "sf", "sf", "sf", "kuaidi100", "api:main"),
		Code: d.one("", "50", "80", "\"x\""), ReasonCode: d.one("", "", "17"), At: d.time(), Text: d.words(),
		Pair: Pair{Status(d.IntN(int(statuses))), d.one(append(subTable[:], "own_word", "other_word")...)}, Table: d.Uint32N(3),
		CarrierID: d.one("", "158918741444476"), Provisional: d.IntN(8) == 0, Heard: HLCAt(noon - d.Int64N(1e9)),
	}
	if d.IntN(2) == 0 {
		e.Place = d.place()
	}
	if d.IntN(3) == 0 {
		e.Operator, e.SignedBy, e.Quantity, e.Hint = d.text(), d.text(), d.Uint32N(3), d.one("", "4")
		e.Latitude, e.Longitude = float64(d.IntN(181)-90)/3, float64(d.IntN(361)-180)*1.00001/2
	}
	if d.IntN(3) == 0 {
		e.TextEdits = true
		for i := range d.IntN(4) {
			t := d.words()
			t.Heard = e.Heard + HLC(i)
			e.Revisions = append(e.Revisions, t)
		}
		if n := len(e.Revisions); n == 1 {
			e.Revisions = nil
		} else if n > 1 {
			e.Text = e.Revisions[n-1]
		}
	}
	for range d.IntN(3) {
		e.References = append(e.References, Reference{d.one("main", "other"), d.one("202003225d33322239ddW1df5t3", "PO 7", "编号 \"9\"")})
	}
	if d.IntN(12) == 0 {
		e.Leg = LegTo{Waybill{d.one("YT1234567890123", "SF0000000000001"), d.one("", "yto")}, Role(d.IntN(int(roles)))}
	}
	return e
}

// parcel gives the stored form of a parcel's head and events.
func (d wild) parcel(t tb) *shelf {
	t.Helper()
	s := new(shelf)
	simple := d.IntN(2) == 0
	batch := make([]Event, 1+d.IntN(12))
	for i := range batch {
		batch[i] = d.event()
		if simple { // what nearly all are: of one source, of one epoch, without legs
			batch[i].Source, batch[i].Leg, batch[i].At.Local = "sf", LegTo{}, noon-d.Int64N(30*86_400_000)
		}
	}
	s.take(t, batch...)
	var h Head
	if err := DecodeHead(&h, s.head); err != nil {
		t.Fatal(err)
	}
	if d.IntN(3) == 0 {
		stamp := Stamp{HLCAt(noon), 7}
		for i := range h.Entries {
			if d.IntN(4) == 0 {
				h.raise(h.Entries[i].ID, Marks{Hide: stamp})
			}
		}
		h.raise(1, Marks{Hide: stamp})
	}
	if d.IntN(5) == 0 {
		h.TakeOverride(&Override{Pair: Pair{Delivered, "signed"}, Author: d.text(), Reason: d.text(), Stamp: Stamp{HLCAt(noon), 9}})
	}
	if d.IntN(5) == 0 {
		h.TakeLeg(&LegFact{To: LegTo{Waybill{"LP00123456789012", "cainiao"}, LastMile}, Since: noon - d.Int64N(1e9)}, false)
	}
	h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
	s.head = h.Append(nil)
	return s
}

var bodyVariants = [...]Variant{
	{Events: true, Account: "main"},
	{Events: true, Account: "main", Lang: EN},
	{Events: true, Account: "other", Lang: ZhHant, Desc: true},
	{Account: "main"},
	{Events: true, Account: "main", Retracted: true, Override: true, Business: true},
	{Events: true, Epoch: 1},
	{Events: true, Fields: 1<<3 | 1<<6},
}

// appendAnswers appends tags and bodies of all variants.
func appendAnswers(b []byte, tr *Trace) []byte {
	for _, v := range bodyVariants {
		b = append(tr.AppendTag(b, v), '\n')
		b = append(tr.AppendJSON(b, v), '\n')
	}
	return b
}

func TestBodies(t *testing.T) {
	var got bytes.Buffer
	var answers [][]byte
	for i := range bodyParcels {
		d := wild{rand.New(rand.NewPCG(uint64(i), 6))}
		tr := d.parcel(t).trace(t)
		if d.IntN(4) == 0 {
			tr.Also, tr.AlsoNumbers = []string{"cainiao", "yto"}, []string{"SF7444400031888"}
		}
		b := appendAnswers(nil, tr)
		fmt.Fprintf(&got, "parcel %d: %x\n", i, sha256.Sum256(b))
		answers = append(answers, b)
	}
	if *update {
		if err := os.WriteFile(bodiesFile, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(bodiesFile)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(want))
	for i := 0; lines.Scan(); i++ {
		have, _ := got.ReadString('\n')
		if have != lines.Text()+"\n" {
			t.Errorf("got %swant %s, see %s; the answers are now\n%s", have, lines.Text(), bodiesFile, answers[i])
			return
		}
	}
	if got.Len() > 0 {
		t.Errorf("%s ends before %s", bodiesFile, got.String())
	}
}
