package query

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"waytrace/trace"
)

func TestTags(t *testing.T) {
	s := stocked(t)
	d := open(t, s)
	targets := []string{
		"/v1/traces/" + sample, "/v1/status/" + sample, "/v1/traces?reference=" + sampleReference, "/v1/references/" + sampleReference,
		"/v1/traces/" + sample + "?fields=number", "/v1/traces/" + sample + "?fields=events",
	}
	tags := make(map[string]string)
	for _, target := range targets {
		w := d.get(target)
		tag := w.Header.Get("ETag")
		if !strings.HasPrefix(tag, `W/"`) || len(tag) != len(`W/"0123456789abcdef"`) {
			t.Fatalf("GET %s: ETag %q", target, tag)
		}
		tags[target] = tag
		for _, brought := range []string{
			tag, strings.TrimPrefix(tag, "W/"), "*", ` * `, `"x", ` + tag, `W/"a,b" ,` + tag + `, "c"`, `,, ` + tag,
		} {
			w := d.get(target, "If-None-Match", brought)
			if w.StatusCode != http.StatusNotModified || w.body != "" {
				t.Errorf("GET %s with If-None-Match %s: %d %s, want 304", target, brought, w.StatusCode, w.body)
			}
			if w.Header.Get("ETag") != tag || w.Header.Get("Vary") == "" || w.Header.Get("Cache-Control") == "" || w.Header.Get("Content-Type") != "" {
				t.Errorf("GET %s: headers of 304: %v", target, w.Header)
			}
		}
		for _, brought := range []string{`W/"0000000000000000"`, strings.Trim(tag, `W/"`), `"x" ` + "x" + tag, `"`, `W/`, "**", `"` + tag} {
			if w := d.get(target, "If-None-Match", brought); w.StatusCode != http.StatusOK || w.Header.Get("ETag") != tag || w.body == "" {
				t.Errorf("GET %s with If-None-Match %s: %d, want 200", target, brought, w.StatusCode)
			}
		}
		if w := d.get(target, "If-None-Match", `"x"`, "If-None-Match", tag); w.StatusCode != http.StatusNotModified {
			t.Errorf("GET %s with two If-None-Match: %d, want 304", target, w.StatusCode)
		}
	}
	if tags["/v1/traces/"+sample] != tags["/v1/traces?reference="+sampleReference] {
		t.Error("the same answer has two tags, by number and by reference")
	}

	// Whatever changes what is shown changes the tag.
	seen := make(map[string]string)
	for _, target := range []string{
		"/v1/traces/" + sample, "/v1/status/" + sample, "/v1/traces/" + sample + "?lang=en", "/v1/traces/" + sample + "?lang=zh-Hant",
		"/v1/traces/" + sample + "?order=desc", "/v1/traces/" + sample + "?fields=number", "/v1/references/" + sampleReference,
		"/v1/references/" + sampleReference + "?lang=en", "/v1/traces/TWICE-1", "/v1/traces/TWICE-1?carrier=sf", "/v1/traces?reference=order/7",
	} {
		tag := d.get(target).Header.Get("ETag")
		if before, ok := seen[tag]; ok {
			t.Errorf("%s and %s have one tag %s", before, target, tag)
		}
		seen[tag] = target
	}
	late := scan(t, sample, "sf", "2020-05-11 15:00:00", "36", departed)
	s.put(t, late)
	for _, target := range targets[:3] {
		w := d.get(target, "If-None-Match", tags[target])
		if w.StatusCode != http.StatusOK || w.Header.Get("ETag") == tags[target] {
			t.Errorf("GET %s after a late scan: %d %s, want a new tag", target, w.StatusCode, w.Header.Get("ETag"))
		}
	}
	if got := d.read("/v1/traces/"+sample, "If-None-Match", tags["/v1/traces/"+sample]); len(got["events"].([]any)) != 3 {
		t.Errorf("after a tag that no longer fits: %v, want all three events", got["events"])
	}

	// A tag is answered for what it stands for only.
	if w := d.get("/v1/traces/NOBODY-1", "If-None-Match", "*"); w.StatusCode != http.StatusNotFound {
		t.Errorf("an unknown number with If-None-Match *: %d, want 404", w.StatusCode)
	}
}

func TestTagsNeedNoEvents(t *testing.T) {
	s := stocked(t)
	var read []bool
	d := open(t, fake{waybills: s.Waybills, trace: func(dst *trace.Trace, number, carrier string, want trace.Want) error {
		read = append(read, want.Events)
		return s.Trace(dst, number, carrier, want)
	}})
	tag := d.get("/v1/traces/" + sample).Header.Get("ETag")
	d.get("/v1/traces/"+sample, "If-None-Match", tag)
	d.get("/v1/traces/" + sample + "?fields=status,legs")
	d.get("/v1/traces/"+sample+"?fields=status", "If-None-Match", `"old"`)
	d.get("/v1/status/" + sample)
	d.get("/v1/traces/"+sample, "If-None-Match", `"old"`)
	if got, want := fmt.Sprint(read), "[true false false false false false true]"; got != want {
		t.Errorf("reads with events: got %s, want %s", got, want)
	}
}

func TestNoTagOnARefusal(t *testing.T) {
	s := stocked(t)
	d := open(t, fake{trace: func(dst *trace.Trace, number, carrier string, want trace.Want) error {
		if want.Events {
			return fmt.Errorf("disk busy: %w", trace.ErrUnavailable)
		}
		return s.Trace(dst, number, carrier, want)
	}})
	w := d.get("/v1/traces/"+sample, "If-None-Match", `"old"`)
	if w.StatusCode != http.StatusServiceUnavailable || w.Header.Get("ETag") != "" {
		t.Errorf("events that cannot be read: %d with tag %q, want 503 without", w.StatusCode, w.Header.Get("ETag"))
	}
}
