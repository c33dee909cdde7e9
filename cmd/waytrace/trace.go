package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-runewidth"
)

// TraceCmd is `waytrace trace`.
type TraceCmd struct {
	Number    string `arg:"" optional:"" help:"Waybill number."`
	Reference string `help:"Your own reference, in place of the number." placeholder:"REF"`
	Carrier   string `help:"The carrier, where several have the number." placeholder:"CODE"`
	Lang      string `help:"Language: zh-Hans, zh-Hant or en." placeholder:"TAG"`
	JSON      bool   `name:"json" help:"JSON, also on a terminal."`
	To        string `help:"The daemon." default:"http://127.0.0.1:8080"`
	Key       string `help:"API key with scope read." placeholder:"KEY"`
}

// Help is the example of --help.
func (*TraceCmd) Help() string {
	return `A timeline on a terminal; elsewhere the daemon's JSON, untouched.

Example:

	waytrace trace SF7444400031887 --lang en
	waytrace trace --reference ORDER-20200511 | jq .status.code`
}

// Validate is asked by kong.
func (c *TraceCmd) Validate() error {
	if (c.Number == "") == (c.Reference == "") {
		return errors.New("give a waybill number, or --reference")
	}
	return nil
}

// Run shows a trace.
func (c *TraceCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := newClient(c.To, c.Key)
	if err != nil {
		return err
	}
	defer daemon.close()
	path, what, query := "/v1/traces", "", url.Values{}
	if c.Number != "" {
		path += "/" + url.PathEscape(c.Number)
		what = plain(c.Number)
	} else {
		query.Set("reference", c.Reference)
		what = "the reference " + plain(c.Reference)
	}
	if c.Carrier != "" {
		query.Set("carrier", c.Carrier)
		what += " at " + plain(c.Carrier)
	}
	if c.Lang != "" {
		query.Set("lang", c.Lang)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	got, err := daemon.do(ctx, path, "", nil)
	switch {
	case err != nil:
		return err
	case got.status == http.StatusNotFound:
		fmt.Fprintf(std.err, "waytrace does not know %s\n", what)
		return errSaid
	case got.status != http.StatusOK:
		return got.problem()
	}
	if c.JSON || !isTerminal(std.out) {
		_, err = std.out.Write(got.body)
		return err
	}
	var t timeline
	if err := json.Unmarshal(got.body, &t); err != nil || t.Number == "" {
		return fmt.Errorf("%s: the answer is not a trace: is this waytrace's public listener?", c.To)
	}
	_, err = std.out.Write(t.append(nil, lookOf(std.out)))
	return err
}

// A timeline is what the terminal shows of a trace.
type timeline struct {
	Number      string   `json:"number"`
	Carrier     string   `json:"carrier"`
	References  []string `json:"references"`
	Also        []string `json:"also"`
	AlsoNumbers []string `json:"also_numbers"`
	Status      struct {
		Code  string `json:"code"`
		Sub   string `json:"sub"`
		Label string `json:"label"`
		Since string `json:"since"`
	} `json:"status"`
	Legs    []leg  `json:"legs"`
	Earlier int    `json:"earlier"`
	Events  []scan `json:"events"`
}

// A leg is a number that the parcel has, or goes on under.
type leg struct {
	Carrier string `json:"carrier"`
	Number  string `json:"number"`
	Role    string `json:"role"`
}

// others are the numbers that the parcel goes on under, each with its carrier and
// what it is to the journey.
func (t *timeline) others() (names []string) {
	for _, l := range t.Legs {
		if l.Role != "main" {
			names = append(names, plain(joined(" ", l.Carrier, l.Number))+" ("+plain(strings.ReplaceAll(l.Role, "_", " "))+")")
		}
	}
	return names
}

// earlier says how many parcels had the number before.
func (t *timeline) earlier() []string {
	if t.Earlier == 0 {
		return nil
	}
	return []string{strconv.Itoa(t.Earlier)}
}

// A scan is what the terminal shows of an event.
type scan struct {
	Time        string `json:"time"`       // RFC 3339; or
	LocalTime   string `json:"local_time"` // without a zone; or
	Date        string `json:"date"`
	Status      string `json:"status"`
	Sub         string `json:"sub"`
	Code        string `json:"code"`
	Description string `json:"description"`
	Address     string `json:"address"`
	City        string `json:"city"`
	State       string `json:"state"`
	Country     string `json:"country"`
}

// append appends the status in a line and a line for each event: local time,
// status, place and text. A text that is too long for the terminal goes on
// below itself.
func (t *timeline) append(dst []byte, l look) []byte {
	s := &t.Status
	line := l.paint(bold, plain(t.Number)) + "  " + plain(t.Carrier) + "  " + l.paint(colourOf(s.Code), joined(" ", s.Label, pair(s.Code, s.Sub)))
	if s.Since != "" {
		line += "  since " + clock(s.Since)
	}
	dst = append(append(dst, line...), '\n')
	for _, more := range []struct {
		name  string
		items []string
	}{{"references", t.References}, {"goes on as", t.others()}, {"parcels before under this number", t.earlier()},
		{"also at", t.Also}, {"also numbers", t.AlsoNumbers}} {
		if len(more.items) > 0 {
			dst = append(dst, l.paint(dim, more.name+": "+plain(strings.Join(more.items, ", ")))+"\n"...)
		}
	}
	if len(t.Events) > 0 {
		dst = append(dst, '\n')
	}
	var rows [][4]string // time, status, place, text
	var widths [3]int
	for _, e := range t.Events {
		status := pair(e.Status, e.Sub)
		if status == "" {
			status = "code " + plain(e.Code)
		}
		row := [4]string{clock(e.Time + e.LocalTime + e.Date), status, e.place(), plain(e.Description)}
		for i := range widths {
			widths[i] = max(widths[i], runewidth.StringWidth(row[i]))
		}
		rows = append(rows, row)
	}
	const gap = 2
	indent := widths[0] + widths[1] + widths[2] + 3*gap
	room := l.width - indent
	if room < 20 {
		room = 0 // a narrow terminal breaks lines better than we do
	}
	for i, row := range rows {
		dst = append(dst, l.paint(dim, pad(row[0], widths[0]+gap))...)
		dst = append(dst, l.paint(colourOf(t.Events[i].Status), pad(row[1], widths[1]+gap))...)
		dst = append(dst, pad(row[2], widths[2]+gap)...)
		for n, part := range wrap(row[3], room) {
			if n > 0 {
				dst = append(dst, strings.Repeat(" ", indent)...)
			}
			dst = append(dst, part...)
			dst = append(bytes.TrimRight(dst, " "), '\n')
		}
	}
	return dst
}

// place is where it happened, from near to far, nothing said twice.
func (e *scan) place() string {
	var parts []string
	for _, part := range []string{e.Address, e.City, e.State, e.Country} {
		if part = plain(part); part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// clock is a time of an answer as people read it.
func clock(s string) string {
	s = plain(s)
	if len(s) > len("2006-01-02T15:04:05") && s[10] == 'T' {
		zone := strings.TrimLeft(s[19:], ".0123456789")
		if zone == "Z" {
			zone = "UTC"
		}
		return s[:10] + " " + s[11:19] + " " + zone
	}
	return strings.Replace(s, "T", " ", 1)
}

// pair is a status with its sub-status.
func pair(status, sub string) string { return joined("/", status, sub) }

func joined(by string, parts ...string) string {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i] = plain(parts[i])
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), by)
}

// colourOf says how a status looks: green is well, yellow wants a look, red is
// trouble.
func colourOf(status string) string {
	switch status {
	case "delivered":
		return green
	case "attempt_failed", "available_for_pickup", "returning":
		return yellow
	case "exception", "lost", "returned", "cancelled":
		return red
	}
	return ""
}
