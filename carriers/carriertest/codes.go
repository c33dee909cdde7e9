package carriertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// TableVersion holds what codes mean, a line each (Lines), against the hash that
// their version has in hashes. What a code means is a promise between nodes of one
// table version: where this fails, the version is raised and gets a hash of its own;
// no hash is ever changed.
func TableVersion(t testing.TB, version uint32, hashes map[uint32]string, lines []string) {
	t.Helper()
	lines = slices.Sorted(slices.Values(lines))
	sum := sha256.Sum256(fmt.Append(nil, lines))
	if got := hex.EncodeToString(sum[:8]); got != hashes[version] {
		t.Errorf("the code table: hash %s, version %d has %q", got, version, hashes[version])
	}
}

// Lines are what the codes of a table mean, for TableVersion.
func Lines(table *carriers.Table) (lines []string) {
	for _, r := range table.Rows {
		lines = append(lines, fmt.Sprintf("%q %q %s %s", r.Code, r.Reason, r.Pair.Status, r.Pair.Sub))
	}
	return lines
}

// knownSubs: every sub-status of the code tables is one that package trace numbers,
// so that a head keeps it in a byte or two: another it keeps as its letters.
func knownSubs(t testing.TB, c carriers.Carrier) {
	size := func(sub string) int {
		var h trace.Head
		h.Pair = trace.Pair{Status: trace.InTransit, Sub: sub}
		return len(h.Append(nil))
	}
	if size("nonesuch") < size("")+len("nonesuch") {
		t.Error("this part of the exam cannot tell a sub-status that is not known")
	}
	for _, table := range c.Codes.Tables {
		for _, r := range table.Rows {
			if sub := r.Pair.Sub; sub != "" && size(sub)-size("") >= len(sub) {
				t.Errorf("%s, code %s: package trace does not know sub-status %q", table.Name, r.Code, sub)
			}
		}
	}
}

// mappedAnew: an event that comes back from its stored form is mapped to what it was
// when it was pushed, under the version that the carrier names.
func mappedAnew(t testing.TB, c carriers.Carrier, f *caseFile, events []trace.Event) {
	for i := range events {
		e := &events[i]
		var stored trace.Event
		if err := trace.DecodeEvent(&stored, e.Waybill, e.At.Local, e.ID, e.Value); err != nil {
			t.Fatalf("%s: event %s does not come back: %v", f.path, e.ID, err)
		}
		stored.Pair, stored.Provisional = trace.Pair{Status: trace.Lost, Sub: "missing"}, !e.Provisional
		known := c.Codes.Map(&stored)
		switch {
		case stored.Pair != e.Pair || stored.Provisional != e.Provisional || known == e.Unmapped:
			t.Errorf("%s: code %q, reason %q, hint %q, text %q: mapped anew it is %s, provisional %t (known %t); pushed it was %s, %t (unmapped %t)",
				f.path, e.Code, e.ReasonCode, e.Hint, e.Text.Text, pairText(stored.Pair), stored.Provisional, known, pairText(e.Pair), e.Provisional, e.Unmapped)
		case e.Table != c.Codes.Version:
			t.Errorf("%s: an event of table version %d, the carrier has %d", f.path, e.Table, c.Codes.Version)
		}
	}
}
