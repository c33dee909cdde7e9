package store

import "testing"

// A list holds each carrier's last head, in byte order of the carriers.
func TestReplaceHead(t *testing.T) {
	var list []byte
	for _, put := range [][2]string{{"sf", "1"}, {"yto", "2"}, {"cainiao", "3"}, {"sf", "four"}} {
		list = replaceHead(nil, list, put[0], []byte(put[1]))
	}
	var got []string
	for rest := list; len(rest) > 0; {
		var carrier, head []byte
		carrier, head, rest = nextHead(rest)
		got = append(got, string(carrier), string(head))
	}
	want := []string{"cainiao", "3", "sf", "four", "yto", "2"}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}
