package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// QuarantineCmd is `waytrace quarantine`.
type QuarantineCmd struct {
	Ls     QuarantineLsCmd     `cmd:"" help:"List what is in quarantine, or the full lists that were not believed."`
	Show   QuarantineShowCmd   `cmd:"" help:"Show one request whole."`
	Replay QuarantineReplayCmd `cmd:"" help:"Have requests read again, by the decoders as they are now."`
	Drop   QuarantineDropCmd   `cmd:"" help:"Remove requests for good."`
}

// Help is the example of --help.
func (*QuarantineCmd) Help() string {
	return `Quarantine keeps pushes that were acknowledged but not understood, in whole or in part.

Example:

	waytrace quarantine ls
	waytrace quarantine replay --all`
}

// QuarantineLsCmd is `waytrace quarantine ls`.
type QuarantineLsCmd struct {
	Operator
	Carrier  string `help:"Of this carrier's door only; events stands for /v1/events." placeholder:"CODE"`
	Limit    int    `help:"Up to so many, 1 to 1000." default:"1000"`
	After    string `help:"Those behind an earlier list: what it gave as next." placeholder:"NEXT"`
	Doubtful bool   `help:"List the full lists that were not believed, and what they would hide."`
}

// Help is the example of --help.
func (*QuarantineLsCmd) Help() string {
	return `Newest first: a table on a terminal, JSON elsewhere.

Example:

	waytrace quarantine ls
	waytrace quarantine ls --carrier sf | jq '.items[].faults[].code'
	waytrace quarantine ls --doubtful`
}

// Validate is asked by kong.
func (c *QuarantineLsCmd) Validate() error {
	if c.Doubtful && (c.Carrier != "" || c.After != "") {
		return errors.New("--doubtful lists all of them: leave --carrier and --after away")
	}
	return nil
}

// Run lists the quarantine of a daemon.
func (c *QuarantineLsCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	if c.Doubtful {
		return c.doubtful(ctx, std, daemon)
	}
	got, err := daemon.do(ctx, "/quarantine"+queryOf("carrier", c.Carrier, "after", c.After, "limit", strconv.Itoa(c.Limit)), "", nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return got.problem()
	}
	if !isTerminal(std.out) {
		_, err = std.out.Write(got.body)
		return err
	}
	var kept quarantined
	if err := json.Unmarshal(got.body, &kept); err != nil {
		return fmt.Errorf("%s: the answer is not a quarantine: is this the admin listener?", c.Admin)
	}
	if len(kept.Items) > 0 {
		if _, err := std.out.Write(appendQuarantine(nil, kept)); err != nil {
			return err
		}
	}
	if kept.Next != "" {
		fmt.Fprintf(std.err, "there are more: --after %s\n", plain(kept.Next))
	}
	fmt.Fprintf(std.err, "%d in quarantine\n", kept.Total)
	return nil
}

func (c *QuarantineLsCmd) doubtful(ctx context.Context, std *streams, daemon *client) error {
	got, err := daemon.do(ctx, "/quarantine/doubtful", "", nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return got.problem()
	}
	if !isTerminal(std.out) {
		_, err = std.out.Write(got.body)
		return err
	}
	var list doubts
	if err := json.Unmarshal(got.body, &list); err != nil {
		return fmt.Errorf("%s: the answer is not a list of doubts: is this the admin listener?", c.Admin)
	}
	if len(list.Items) > 0 {
		if _, err := std.out.Write(appendDoubts(nil, list)); err != nil {
			return err
		}
	}
	fmt.Fprintf(std.err, "%d doubtful\n", len(list.Items))
	return nil
}

// queryOf writes names and values in turn, but for empty values.
func queryOf(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// quarantined is the answer of GET /quarantine.
type quarantined struct {
	Items []struct {
		ID          string      `json:"id"`
		Heard       string      `json:"heard"` // RFC 3339
		Carrier     string      `json:"carrier"`
		Account     string      `json:"account"`
		ContentType string      `json:"content_type"`
		Size        int         `json:"size"` // bytes
		Faults      []faultItem `json:"faults"`
	} `json:"items"`
	Next  string `json:"next"`
	Total int    `json:"total"`
	Bytes int64  `json:"bytes"`
}

// appendQuarantine appends a table with a row for each fault; what belongs to
// the request stands in its first row.
func appendQuarantine(dst []byte, q quarantined) []byte {
	rows := [][]string{{"ID", "HEARD", "DOOR", "ACCOUNT", "BYTES", "ITEM", "CODE", "FIELD", "DETAIL"}}
	for _, item := range q.Items {
		door := item.Carrier
		if door == "" {
			door = "/v1/events"
		}
		row := []string{item.ID, item.Heard, door, item.Account, strconv.Itoa(item.Size)}
		if len(item.Faults) == 0 {
			rows = append(rows, row)
		}
		for _, f := range item.Faults {
			rows = append(rows, append(row, f.where(), f.Code, f.Field, f.Detail))
			row = make([]string, 5)
		}
	}
	return appendTable(dst, rows)
}

// where is the item that a fault is about.
func (f faultItem) where() string {
	if f.Index < 0 {
		return "all"
	}
	return strconv.Itoa(f.Index)
}

// doubts is the answer of GET /quarantine/doubtful.
type doubts struct {
	Items []struct {
		Number   string    `json:"number"`
		Carrier  string    `json:"carrier"`
		Source   string    `json:"source"`
		Heard    string    `json:"heard"`
		Hides    []doubted `json:"hides"`
		Restores []doubted `json:"restores"`
	} `json:"items"`
}

// A doubted event is one about which a list is not believed.
type doubted struct {
	ID string `json:"id"`
	scan
}

// appendDoubts appends a table with a row for each event that a list would hide or
// show again.
func appendDoubts(dst []byte, list doubts) []byte {
	rows := [][]string{{"NUMBER", "CARRIER", "SOURCE", "HEARD", "WOULD", "EVENT", "TIME", "STATUS", "TEXT"}}
	for _, d := range list.Items {
		row := []string{d.Number, d.Carrier, d.Source, d.Heard}
		for _, part := range []struct {
			would  string
			events []doubted
		}{{"hide", d.Hides}, {"show", d.Restores}} {
			for _, e := range part.events {
				rows = append(rows, append(row, part.would, e.ID, clock(e.Time+e.LocalTime+e.Date), pair(e.Status, e.Sub), e.Description))
				row = make([]string, 4)
			}
		}
	}
	return appendTable(dst, rows)
}

// QuarantineShowCmd is `waytrace quarantine show`.
type QuarantineShowCmd struct {
	Operator
	ID   string `arg:"" help:"The request's id, as ls gives it."`
	Body bool   `help:"Nothing but the body, byte for byte."`
}

// Help is the example of --help.
func (*QuarantineShowCmd) Help() string {
	return `With its faults and its body: for people on a terminal, JSON elsewhere.

Example:

	waytrace quarantine show 8c4f5e0fd6b8fa1d0f1a2b3c4d5e6f70
	waytrace quarantine show --body 8c4f5e0fd6b8fa1d0f1a2b3c4d5e6f70 > request.json`
}

// shownRequest is the answer of GET /quarantine/{id}.
type shownRequest struct {
	ID          string      `json:"id"`
	Heard       string      `json:"heard"`
	Carrier     string      `json:"carrier"`
	Account     string      `json:"account"`
	ContentType string      `json:"content_type"`
	Query       string      `json:"query"`
	Path        string      `json:"path"`
	Call        string      `json:"call"`
	Faults      []faultItem `json:"faults"`
	Body        string      `json:"body"`
	Base64      []byte      `json:"body_base64"`
}

// Run shows one request.
func (c *QuarantineShowCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	got, err := daemon.do(ctx, "/quarantine/"+url.PathEscape(c.ID), "", nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return got.problem()
	}
	if !c.Body && !isTerminal(std.out) {
		_, err = std.out.Write(got.body)
		return err
	}
	var r shownRequest
	if err := json.Unmarshal(got.body, &r); err != nil || r.ID == "" {
		return fmt.Errorf("%s: the answer is not a quarantined request: is this the admin listener?", c.Admin)
	}
	body := append([]byte(r.Body), r.Base64...)
	if !c.Body {
		body = r.append(nil)
	}
	_, err = std.out.Write(body)
	return err
}

// append appends the request for people: a line for each thing that is known of
// it, then its faults, then the body, in which every line is made plain.
func (r *shownRequest) append(dst []byte) []byte {
	door := r.Carrier
	if door == "" {
		door = "/v1/events"
	}
	rows := [][]string{{"id", r.ID}, {"heard", r.Heard}, {"door", door}, {"account", r.Account}}
	for _, more := range [][]string{{"call", r.Call}, {"path", r.Path}, {"query", r.Query}, {"content type", r.ContentType}} {
		if more[1] != "" {
			rows = append(rows, more)
		}
	}
	for _, f := range r.Faults {
		rows = append(rows, []string{"fault", joined(" ", "item "+f.where()+":", f.Code, f.Field, f.Detail)})
	}
	dst = append(appendTable(dst, rows), '\n')
	if len(r.Base64) > 0 {
		return fmt.Appendf(dst, "%d bytes that are not text: see --body\n", len(r.Base64))
	}
	for line := range strings.Lines(r.Body) {
		dst = append(append(dst, plain(line)...), '\n')
	}
	return dst
}
