package trace

import "testing"

// The sample of SF's own document: the identity that other nodes compute too.
func TestIdentityOfTheDocumentsSample(t *testing.T) {
	at, err := ParseLocal("2020-05-11 16:56:54", China, ZoneCarrier)
	if err != nil {
		t.Fatal(err)
	}
	e := Event{Waybill: Waybill{"SF7444400031887", "sf"}, Source: "sf", Code: "50", At: at,
		Place: Place{Address: "test"}, Text: Text{Text: "test"}, TextEdits: true}
	id, _ := e.identify(nil)
	if got, want := id.String(), "8072403511e7cf5e"; got != want {
		t.Errorf("identity %s, want %s", got, want)
	}
}
