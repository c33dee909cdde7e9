package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// OverrideCmd is `waytrace override`.
type OverrideCmd struct {
	Number   string `arg:"" help:"Waybill number."`
	Status   string `help:"What became of the parcel, such as delivered." placeholder:"STATUS"`
	Sub      string `help:"Its sub-status, such as signed." placeholder:"SUB"`
	Author   string `help:"Who says so." required:"" placeholder:"NAME"`
	Reason   string `help:"Why." required:"" placeholder:"TEXT"`
	Withdraw bool   `help:"Take an earlier word back: the scans count again."`
	Carrier  string `help:"The carrier, where several have the number." placeholder:"CODE"`
	To       string `help:"The daemon." default:"http://127.0.0.1:8080"`
	Key      string `help:"API key with scope admin." placeholder:"KEY"`
}

// Help is the example of --help.
func (*OverrideCmd) Help() string {
	return `An operator's word outranks all scans, until another one takes its place or it is withdrawn. The
status that it makes goes to standard output: a line on a terminal, JSON elsewhere.

Example:

	waytrace override SF7444400031887 --status delivered --sub signed --author li --reason 'the consignee called'
	waytrace override SF7444400031887 --withdraw --author li --reason 'it was another parcel'`
}

// Validate is asked by kong.
func (c *OverrideCmd) Validate() error {
	switch {
	case c.Withdraw == (c.Status != ""):
		return errors.New("give --status, or --withdraw")
	case c.Withdraw && c.Sub != "":
		return errors.New("a word that is withdrawn has no --sub")
	}
	return nil
}

// Run gives a daemon an operator's word.
func (c *OverrideCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := newClient(c.To, c.Key)
	if err != nil {
		return err
	}
	defer daemon.close()
	word := map[string]any{"status": nil, "author": c.Author, "reason": c.Reason}
	if c.Status != "" {
		word["status"] = c.Status
	}
	if c.Sub != "" {
		word["sub"] = c.Sub
	}
	body, err := json.Marshal(word)
	if err != nil {
		return err
	}
	got, err := daemon.send(ctx, http.MethodPost, "/v1/traces/"+url.PathEscape(c.Number)+"/override"+queryOf("carrier", c.Carrier), "application/json", body)
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
	var t timeline
	if err := json.Unmarshal(got.body, &t); err != nil || t.Number == "" {
		return fmt.Errorf("%s: the answer is not a status: is this waytrace's public listener?", c.To)
	}
	_, err = std.out.Write(t.append(nil, lookOf(std.out)))
	return err
}
