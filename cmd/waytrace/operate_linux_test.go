package main

import (
	"fmt"
	"strings"
	"testing"
)

// Who drops all is asked first.
func TestDropAsks(t *testing.T) {
	r := start(t)
	for n := range 3 {
		r.push(t, scanOf(fmt.Sprintf("SF000%d", n), "yesterday", "50"))
	}
	for _, said := range []string{"", "n", "what"} {
		status, seen := saysAtTerminal(t, said, "quarantine", "drop", "--all", "--admin="+r.admin)
		if status != 1 || !strings.Contains(seen, "drop all 3 requests? They are lost. [y/N]") || !strings.Contains(seen, "nothing was dropped") {
			t.Errorf("%q: status %d, seen %q", said, status, seen)
		}
	}
	if n := r.list(t, "").Total; n != 3 {
		t.Fatalf("%d are left, want 3", n)
	}
	status, seen := saysAtTerminal(t, "y", "quarantine", "drop", "--all", "--admin="+r.admin)
	if status != 0 || !strings.Contains(seen, "3 of 3") || !strings.HasSuffix(seen, "3 dropped\n") {
		t.Errorf("yes: status %d, seen %q", status, seen)
	}
}

// What an operator sees at a terminal.
func TestOperatingOnTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	r := start(t)
	at := "--admin=" + r.admin
	r.push(t, sampleJSON)
	r.push(t, scanOf("SF0001", "yesterday", "50"))
	r.push(t, scanOf("SF0001", "2020-05-11 16:56:54", "odd"))
	id := r.list(t, "").Items[0].ID
	for _, c := range []struct {
		args string
		want []string
	}{
		{"quarantine replay --all " + at, []string{"1 of 1", "1 read again, 0 understood"}},
		{"quarantine replay --carrier=sf " + at, []string{"1 read again, 0 understood"}},
		{"quarantine show " + id + " " + at, []string{"id            " + id, "fault         item 0: invalid_time acceptTime", `"acceptTime":"yesterday"`}},
		{"quarantine ls --doubtful " + at, []string{"0 doubtful"}},
		{"refold " + at, []string{"2 parcels looked at"}},
		{"codes", []string{"CARRIER    NAME", "SF Express"}},
		{"codes alibaba", []string{"CODE  ", "S_CARRIER_PICKUP"}},
		{"codes --unmapped " + at, []string{"CARRIER  CODE  COUNT", "sf       odd   1", "1 codes that no table knows"}},
		{"override SF7444400031887 --status=lost --author=li --reason=flood --to=" + r.url, []string{"SF7444400031887  sf  已丢失 lost"}},
	} {
		status, seen := onTerminal(t, 200, strings.Fields(c.args)...)
		if status != 0 {
			t.Errorf("%s: status %d, seen %q", c.args, status, seen)
		}
		for _, want := range c.want {
			if !strings.Contains(seen, want) {
				t.Errorf("%s: seen\n%s\nwant in it %s", c.args, seen, want)
			}
		}
	}
}
