package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// KeysCmd is `waytrace keys`.
type KeysCmd struct {
	New    KeysNewCmd    `cmd:"" help:"Make a key and print it, once."`
	Ls     KeysLsCmd     `cmd:"" help:"List the keys, never what they are."`
	Revoke KeysRevokeCmd `cmd:"" help:"Take a key away."`
}

// Help is the example of --help.
func (*KeysCmd) Help() string {
	return `Keys open /v1 and, with scope admin, the admin listener. A running daemon sees a change within a second.

Example:

	waytrace keys new --account main --scope read
	waytrace keys ls
	waytrace keys revoke k3m9x2ab`
}

// KeysNewCmd is `waytrace keys new`.
type KeysNewCmd struct {
	Files
	Account string   `help:"Account whose references the key sees." default:"main"`
	Scope   []string `help:"What it is for: read, push, book, changes, admin; may be given again." required:"" enum:"read,push,book,changes,admin"`
	Carrier []string `help:"Carrier whose events it may push (default: all); may be given again."`
	Note    string   `help:"A word to remember it by."`
}

// Help is the example of --help.
func (*KeysNewCmd) Help() string {
	return `The key goes to standard output, once; the file keeps its SHA-256.

Example:

	waytrace keys new --account main --scope read --scope push --carrier sf --note "warehouse 3"`
}

// Run makes a key.
func (c *KeysNewCmd) Run(std *streams) error {
	if len(c.Carrier) > 0 && !slices.Contains(c.Scope, "push") {
		return errors.New("--carrier says whose events a key may push: add --scope push")
	}
	text, entry := newKey()
	entry.Account, entry.Carriers, entry.Note = c.Account, c.Carrier, c.Note
	for _, scope := range keyScopes { // in their order, once each
		if slices.Contains(c.Scope, scope) {
			entry.Scopes = append(entry.Scopes, scope)
		}
	}
	if err := entry.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(c.Keys()), 0o700); err != nil {
		return err
	}
	err := editKeys(c.Keys(), func(entries []keyEntry) ([]keyEntry, error) {
		return append(entries, entry), nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "key %s of account %s, for %s, is in %s; it is shown this once:\n",
		entry.ID, entry.Account, strings.Join(entry.Scopes, ", "), c.Keys())
	fmt.Fprintln(std.out, text)
	return nil
}

// KeysLsCmd is `waytrace keys ls`.
type KeysLsCmd struct {
	Files
}

// Help is the example of --help.
func (*KeysLsCmd) Help() string {
	return `A table on a terminal, JSON elsewhere.

Example:

	waytrace keys ls --data /var/lib/waytrace`
}

// Run lists the keys.
func (c *KeysLsCmd) Run(std *streams) error {
	ring, err := readKeys(c.Keys())
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(std.err, "no key was made yet: there is no %s\n", c.Keys())
	} else if err != nil {
		return err
	}
	if !isTerminal(std.out) {
		type item struct {
			ID       string   `json:"id"`
			Account  string   `json:"account"`
			Scopes   []string `json:"scopes"`
			Carriers []string `json:"carriers,omitempty"`
			Created  string   `json:"created"`
			Note     string   `json:"note,omitempty"`
		}
		items := make([]item, len(ring))
		for i, e := range ring {
			items[i] = item{e.ID, e.Account, e.Scopes, e.Carriers, e.Created, e.Note}
		}
		return json.NewEncoder(std.out).Encode(map[string]any{"keys": items})
	}
	rows := [][]string{{"ID", "ACCOUNT", "SCOPES", "CARRIERS", "CREATED", "NOTE"}}
	for _, e := range ring {
		carriers := "all"
		if len(e.Carriers) > 0 {
			carriers = strings.Join(e.Carriers, " ")
		} else if !slices.Contains(e.Scopes, "push") {
			carriers = "-"
		}
		rows = append(rows, []string{e.ID, e.Account, strings.Join(e.Scopes, " "), carriers, e.Created, e.Note})
	}
	if len(ring) == 0 {
		return nil
	}
	_, err = std.out.Write(appendTable(nil, rows))
	return err
}

// KeysRevokeCmd is `waytrace keys revoke`.
type KeysRevokeCmd struct {
	Files
	ID string `arg:"" help:"The key's id, as keys ls shows it."`
}

// Help is the example of --help.
func (*KeysRevokeCmd) Help() string {
	return `A running daemon refuses the key within a second.

Example:

	waytrace keys revoke k3m9x2ab`
}

// Run revokes a key.
func (c *KeysRevokeCmd) Run(std *streams) error {
	// Somebody may have the whole key at hand.
	if id, ok := keyID(c.ID); ok {
		c.ID = id
	}
	left := 0
	err := editKeys(c.Keys(), func(entries []keyEntry) ([]keyEntry, error) {
		kept := slices.DeleteFunc(slices.Clone(entries), func(e keyEntry) bool { return e.ID == c.ID })
		if len(kept) == len(entries) {
			return nil, fmt.Errorf("there is no key %q in %s: `waytrace keys ls%s` lists them", c.ID, c.Keys(), c.flags())
		}
		left = len(kept)
		return kept, nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "key %s is revoked\n", c.ID)
	if left == 0 {
		fmt.Fprintln(std.err, "it was the last one: without keys /v1 is open on loopback, and serve will not start on another address")
	}
	return nil
}
