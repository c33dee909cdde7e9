package main

import (
	"strings"
	"testing"
)

// At a terminal a bar shows how far it is.
func TestVerifyOnTerminal(t *testing.T) {
	url, _ := played(t, says(200, `{"progress":{"waybills":64,"total":128}}`+"\n"+`{"done":{"waybills":128,"total":128,"events":7}}`))
	status, seen := onTerminal(t, 100, "verify", "--admin="+url)
	if status != 0 || !strings.Contains(seen, "128 of 128") || !strings.Contains(seen, "100 %") ||
		!strings.HasSuffix(seen, "128 parcels with 7 events and 0 records were read\nall of it fits\n") {
		t.Errorf("status %d, seen\n%s", status, seen)
	}
	a, b := twins(t)
	status, seen = onTerminal(t, 100, "verify", "--admin="+a.url, "--peer="+b.url, "--lag=1ms")
	if status != 0 || !strings.Contains(seen, "50 of 50") || !strings.HasSuffix(seen, "they are alike\n") {
		t.Errorf("status %d, seen\n%s", status, seen)
	}
	a.hear(t, aScan("SF0007", 9))
	if status, seen := onTerminal(t, 100, "verify", "--admin="+a.url, "--peer="+b.url, "--lag=1ms"); status != 1 ||
		!strings.Contains(seen, "SF0007 sf: event ") || !strings.HasSuffix(seen, "waytrace: 1 parcels differ\n") {
		t.Errorf("status %d, seen\n%s", status, seen)
	}
}
