package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func htmlOf(t *testing.T, r *Results) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "new", "report.html")
	if err := r.WriteHTML(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// testdata/report.html can be opened in a browser.
func TestWriteHTML(t *testing.T) {
	sameAs(t, "report.html", htmlOf(t, sampleResults()))
}

// Nothing on the page makes a browser ask for anything.
func TestPageAsksForNothing(t *testing.T) {
	text := htmlOf(t, sampleResults())
	for _, no := range []string{"://", "<script", "<link", "<img", "<iframe", "@import", "url(", "src=", "href="} {
		if bytes.Contains(text, []byte(no)) {
			t.Errorf("the page has %s in it", no)
		}
	}
}

// Names and texts come from files that anybody may have written.
func TestPageEscapes(t *testing.T) {
	r := sampleResults()
	const evil = `<script>alert("1")</script> & 'more'`
	r.Version, r.Problems = evil, []string{evil}
	r.Targets[0].Name, r.Targets[0].How = evil, evil
	r.Sweeps[0].Scenario, r.Timelines[0].Scenario, r.Timelines[0].Unit, r.Sizes[0].What = evil, evil, evil, evil
	r.Groups[0].Name, r.Groups[0].Rows[0].Name = evil, evil
	r.Settings.PebbleOptions, r.Settings.Sides[0].Text = evil, evil
	text := htmlOf(t, r)
	if bytes.Contains(text, []byte("<script")) {
		t.Error("a script got onto the page")
	}
	if !bytes.Contains(text, []byte("INVALID")) {
		t.Error("the page does not say that the run is invalid")
	}
	wellFormed(t, text)
}

// Whatever is missing, there is a page.
func TestPageOfLittle(t *testing.T) {
	for name, r := range map[string]*Results{
		"nothing":    {},
		"no points":  {Sweeps: []Sweep{{Scenario: "get-hot"}}, Timelines: []Timeline{{Scenario: "soak"}}},
		"one second": {Timelines: []Timeline{{Scenario: "soak", Unit: "requests", Seconds: []Second{{PerSecond: 3, P50: 20, P99: 20}}}}},
		"one point":  {Sweeps: []Sweep{{Scenario: "get-hot", Points: []Point{{Subject: Arrival{Offered: 100, Latency: Latency{Count: 1, P50: 5, P99: 5, P999: 5}}}}}}},
		"no target":  {Targets: []Target{{Name: "one", Verdict: NotRun}}, Groups: []Group{{Name: "none"}}},
		"one size":   {Sizes: []SizePoint{{What: "hot", Events: 1000, PerSecond: 12}}},
	} {
		t.Run(name, func(t *testing.T) { wellFormed(t, htmlOf(t, r)) })
	}
}

var svgs = regexp.MustCompile(`(?s)<svg .*?</svg>`)

// wellFormed reads every SVG element of a page as XML; each has a title and a
// description of its own.
func wellFormed(t *testing.T, text []byte) {
	t.Helper()
	seen := map[string]bool{}
	for _, svg := range svgs.FindAll(text, -1) {
		var titled, described bool
		d := xml.NewDecoder(bytes.NewReader(svg))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			for _, a := range start.Attr {
				if a.Name.Local == "id" {
					if seen[a.Value] {
						t.Errorf("id %s is there twice", a.Value)
					}
					seen[a.Value] = true
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s has %s=%q", start.Name.Local, a.Name.Local, a.Value)
				}
			}
			titled = titled || start.Name.Local == "title"
			described = described || start.Name.Local == "desc"
		}
		if !titled || !described {
			t.Errorf("without title or desc:\n%s", svg)
		}
	}
}
