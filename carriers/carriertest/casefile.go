package carriertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"waytrace/carriers"
	"waytrace/trace"
)

// A caseFile is a request and what its file says we make of it.
type caseFile struct {
	path    string
	request []byte // headers and body, as they stand in the file
	want    string // from the line "---- events" to the end; "" in a new file
	r       carriers.Request
}

const separator = "\n---- events\n"

// Cases plays every case file in testdata: the request must still be understood
// and answered as the file says. With -golden the files are rewritten instead.
func Cases(t *testing.T, c carriers.Carrier) {
	for _, f := range caseFiles(t) {
		t.Run(f.name(), func(t *testing.T) {
			got := f.play(t, c)
			switch {
			case got == f.want:
			case *golden:
				if err := os.WriteFile(f.path, append(slices.Clip(f.request), "\n"+got...), 0o644); err != nil {
					t.Fatal(err)
				}
			case f.want == "":
				t.Errorf("%s: it is new; run the test with -golden and read what is added to it:\n%s", f.path, got)
			default:
				t.Errorf("%s: not what the file says\ngot:\n%s\nwant:\n%s", f.path, got, f.want)
			}
		})
	}
}

// Request is the request of a case of the carrier that is being tested.
func Request(t testing.TB, name string) *carriers.Request {
	t.Helper()
	f := readCase(t, filepath.Join("testdata", name+".push"))
	return f.copyRequest()
}

// Body is the body of a case.
func Body(t testing.TB, name string) string {
	t.Helper()
	return string(Request(t, name).Body)
}

// caseFiles reads the case files of the carrier that is being tested.
func caseFiles(t testing.TB) []caseFile {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.push"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no case files testdata/*.push (%v)", err)
	}
	files := make([]caseFile, len(paths))
	for i, path := range paths {
		files[i] = readCase(t, path)
	}
	return files
}

func readCase(t testing.TB, path string) caseFile {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parseCase(content)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	f.path = path
	return f
}

// parseCase takes a case file apart.
func parseCase(content []byte) (f caseFile, err error) {
	f.request = content
	// The last such line: a body may hold one too, what follows never does.
	if at := bytes.LastIndex(content, []byte(separator)); at >= 0 {
		f.request, f.want = content[:at], string(content[at+1:])
	}
	f.r.Body = f.request
	head, body, found := bytes.Cut(f.request, []byte("\n\n"))
	if !found || !isHeader(head) {
		return f, nil
	}
	f.r.Body = body
	for line := range strings.Lines(string(head)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch name {
		case "Content-Type":
			f.r.ContentType = value
		case "Query":
			f.r.Query = value
		case "Path":
			f.r.Path = value
		case "Call":
			f.r.Call = value
		case "Account":
			f.r.Account = value
		default:
			return f, fmt.Errorf("header %q: only Content-Type, Query, Path, Call and Account may stand above the body", line)
		}
	}
	return f, nil
}

// isHeader reports whether every line looks like "Name: value".
func isHeader(head []byte) bool {
	for line := range bytes.Lines(head) {
		name, _, found := bytes.Cut(line, []byte(": "))
		if !found || len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool {
			return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && r != '-'
		}) {
			return false
		}
	}
	return true
}

func (f *caseFile) name() string {
	return strings.TrimSuffix(filepath.Base(f.path), ".push")
}

// copyRequest is the case's request in memory of its own.
func (f *caseFile) copyRequest() *carriers.Request {
	r := f.r
	r.Body = bytes.Clone(r.Body)
	return &r
}

// play gives what the file should say below the request.
func (f *caseFile) play(t testing.TB, c carriers.Carrier) string {
	r := f.copyRequest()
	u := understand(c, r)
	var b strings.Builder
	b.WriteString("---- events\n")
	for i := range u.facts.Events {
		writeEvent(&b, &u.facts.Events[i])
	}
	writeOthers(&b, &u.facts)
	b.WriteString("---- status\n")
	writeStatus(&b, u.facts.Events, heads(t, u.facts.Events))
	b.WriteString("---- faults\n")
	if u.err != nil {
		fmt.Fprintf(&b, "refused: %v\n", u.err)
	}
	for _, fault := range u.facts.Faults {
		writeFault(&b, fault)
	}
	if u.facts.Refusal != nil {
		fmt.Fprintf(&b, "kept, and refused: %v\n", u.facts.Refusal)
	}
	body, contentType := u.answer(c, r)
	fmt.Fprintf(&b, "---- answer %s\n%s\n", contentType, body)
	return b.String()
}

// writeEvent writes an event as one line: number, time, where its zone came
// from, status, what else was given, identity.
func writeEvent(b *strings.Builder, e *trace.Event) {
	fmt.Fprintf(b, "%s %s %s %s", e.Number, when(e.At), e.At.Zone, pairText(e.Pair))
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, " %s=%s", name, quote(value))
		}
	}
	if e.Carrier != e.Source {
		field("carrier", e.Carrier)
		field("source", e.Source)
	}
	field("code", e.Code)
	field("reason_code", e.ReasonCode)
	field("hint", e.Hint)
	field("id", e.CarrierID)
	field("place", e.Place.Address)
	field("city", e.Place.City)
	field("state", e.Place.State)
	field("country", e.Place.Country)
	field("postal", e.Place.Postal)
	field("text", e.Text.Text)
	field("reason", e.Text.Reason)
	field("text_en", e.Text.EN)
	field("text_zh", e.Text.ZH)
	field("lang", e.Text.Lang)
	field("operator", e.Operator)
	field("signed_by", e.SignedBy)
	if e.Quantity != 0 {
		fmt.Fprintf(b, " quantity=%d", e.Quantity)
	}
	if e.Latitude != 0 || e.Longitude != 0 {
		fmt.Fprintf(b, " at=%v,%v", e.Latitude, e.Longitude)
	}
	for _, r := range e.References {
		field("reference", r.Account+"/"+r.Text)
	}
	if raw := time.UnixMilli(e.At.Local).UTC().Format(time.DateTime); raw != e.At.Raw {
		field("raw_time", e.At.Raw)
	}
	if e.Provisional {
		b.WriteString(" provisional")
	}
	if e.TextEdits {
		b.WriteString(" edits")
	}
	if e.Unmapped {
		b.WriteString(" unmapped")
	}
	if e.Leg != (trace.LegTo{}) {
		writeLeg(b, e.Leg)
	}
	if e.List > 0 {
		fmt.Fprintf(b, " list=%d", e.List)
	}
	fmt.Fprintf(b, " %s\n", e.ID)
}

func writeLeg(b *strings.Builder, l trace.LegTo) {
	fmt.Fprintf(b, " leg=%s:%s/%s", l.Role, l.Carrier, l.Number)
}

// writeOthers writes a line for each fact that is no event.
func writeOthers(b *strings.Builder, facts *trace.Facts) {
	for i, l := range facts.Lists {
		fmt.Fprintf(b, "list %d: %s of %s by %s, %d events", i+1, l.Number, l.Carrier, l.Source, len(l.Has))
		if l.Partial {
			b.WriteString(", partial")
		}
		b.WriteByte('\n')
	}
	for _, l := range facts.Legs {
		fmt.Fprintf(b, "leg: %s of %s since %s", l.Number, l.Carrier, time.UnixMilli(l.Since).UTC().Format(time.RFC3339))
		writeLeg(b, l.To)
		b.WriteByte('\n')
	}
	for _, r := range facts.Records {
		switch r.Kind {
		case trace.Charges:
			fmt.Fprintf(b, "charges: %s of %s by %s, batch %s:", r.Number, r.Carrier, r.Source, quote(r.Batch))
			for _, c := range r.Items {
				fmt.Fprintf(b, " %s(%s)=%d", quote(c.Code), quote(c.Name), c.Quantity)
			}
		case trace.Business:
			fmt.Fprintf(b, "business: %s of %s by %s: %s %s %s", r.Number, r.Carrier, r.Source, quote(r.Event), when(r.At), quote(r.Status))
			if r.Reason != "" {
				fmt.Fprintf(b, " reason=%s", quote(r.Reason))
			}
			if r.Ext != "" {
				fmt.Fprintf(b, " ext=%s", r.Ext)
			}
		}
		b.WriteByte('\n')
	}
}

// writeStatus writes a line for each waybill: its status, since when, and the
// codes of its events in their order.
func writeStatus(b *strings.Builder, events []trace.Event, heads map[trace.Waybill]*trace.Head) {
	codes := make(map[trace.ID]string)
	var waybills []trace.Waybill
	for i := range events {
		e := &events[i]
		codes[e.ID] = e.Code
		if e.Code == "" {
			codes[e.ID] = pairText(e.Pair)
		}
		if !slices.Contains(waybills, e.Waybill) {
			waybills = append(waybills, e.Waybill)
		}
	}
	for _, w := range waybills {
		h := heads[w]
		fmt.Fprintf(b, "%s %s", w.Number, pairText(h.Pair))
		if h.Since.Known {
			fmt.Fprintf(b, " since %s", when(h.Since.At))
		}
		b.WriteString(" after")
		for _, x := range h.Entries {
			b.WriteString(" " + quote(codes[x.ID]))
		}
		b.WriteByte('\n')
	}
}

func writeFault(b *strings.Builder, f trace.Fault) {
	if f.Index < 0 {
		b.WriteString("request:")
	} else {
		fmt.Fprintf(b, "item %d:", f.Index)
	}
	fmt.Fprintf(b, " %s", f.Code)
	if f.Field != "" {
		fmt.Fprintf(b, " %s", f.Field)
	}
	fmt.Fprintf(b, " %q\n", f.Detail)
}

// when is a time as exactly as its source gave it.
func when(t trace.Time) string {
	switch b := trace.AppendTime(nil, t.Instant(), t.Offset); {
	case t.Precision == trace.Day:
		return string(b[:len("2006-01-02")])
	case t.Zone == trace.ZoneUnknown:
		return strings.TrimSuffix(string(b), "Z")
	case t.Precision == trace.Minute:
		return string(b) + "~minute"
	default:
		return string(b)
	}
}

func pairText(p trace.Pair) string {
	if p.Sub == "" {
		return p.Status.String()
	}
	return p.Status.String() + "." + p.Sub
}

// quote leaves plain words as they are.
func quote(s string) string {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_./:", r) {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
