package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// QuarantineCmd is `waytrace quarantine`.
type QuarantineCmd struct {
	Ls QuarantineLsCmd `cmd:"" help:"List what is in quarantine."`
}

// Help is the example of --help.
func (*QuarantineCmd) Help() string {
	return `Quarantine keeps pushes that were acknowledged but not understood, in whole or in part.

Example:

	waytrace quarantine ls`
}

// QuarantineLsCmd is `waytrace quarantine ls`.
type QuarantineLsCmd struct {
	Admin string `help:"The daemon's admin listener." default:"http://127.0.0.1:8081"`
	Key   string `help:"API key with scope admin, where the listener is not on this machine." placeholder:"KEY"`
}

// Help is the example of --help.
func (*QuarantineLsCmd) Help() string {
	return `A table on a terminal, JSON elsewhere.

Example:

	waytrace quarantine ls
	waytrace quarantine ls | jq '.items[].faults[].code'`
}

// Run lists the quarantine of a daemon.
func (c *QuarantineLsCmd) Run(ctx context.Context, std *streams) error {
	daemon, err := newClient(c.Admin, c.Key)
	if err != nil {
		return err
	}
	defer daemon.close()
	got, err := daemon.do(ctx, "/quarantine", "", nil)
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
	fmt.Fprintf(std.err, "%d in quarantine\n", kept.Total)
	return nil
}

// quarantined is the answer of GET /quarantine.
type quarantined struct {
	Items []struct {
		ID          string `json:"id"`
		Heard       string `json:"heard"` // RFC 3339
		Carrier     string `json:"carrier"`
		Account     string `json:"account"`
		ContentType string `json:"content_type"`
		Size        int    `json:"size"` // bytes
		Faults      []struct {
			Index  int    `json:"index"` // -1 is the request itself
			Code   string `json:"code"`
			Field  string `json:"field"`
			Detail string `json:"detail"`
		} `json:"faults"`
	} `json:"items"`
	Total int `json:"total"`
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
			index := "all"
			if f.Index >= 0 {
				index = strconv.Itoa(f.Index)
			}
			rows = append(rows, append(row, index, f.Code, f.Field, f.Detail))
			row = make([]string, 5)
		}
	}
	return appendTable(dst, rows)
}
