package sf

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"waytrace/carriers"
	"waytrace/trace"
)

// Settings of the carrier. The door and the terms at the top are those of the
// usual account.
type Settings struct {
	carriers.Door `embed:"" yaml:",inline"`
	Terms         `embed:"" yaml:",inline"`

	// CodesVersion is one number for all files of codes and texts, of all accounts.
	// It is part of the code tables' version, so nodes that work together must have
	// the same files under the same number.
	CodesVersion int `name:"codes-version" help:"Number of your own files of codes and texts, 1 to 999: one more with every change of any of them." default:"0" yaml:"codes_version"`

	// Accounts are further customers of SF who are pushed to here, by name. In the
	// file alone.
	Accounts map[string]Account `kong:"-" yaml:"accounts"`
}

// An Account is a further customer of SF, with a door of its own. Of its terms
// it has the usual account's where it says nothing.
type Account struct {
	Tokens    []string `yaml:"tokens"`
	Addresses []string `yaml:"addresses"`
	Terms     `yaml:",inline"`
}

// Terms are what was agreed on with SF for one account. SF pushes in one of three
// languages, and either its standard routes or customised ones, with codes and
// descriptions of the customer's own. What a push says of its language is ignored.
// Source: the notes of SF's RoutePushService document.
type Terms struct {
	Language string   `name:"language" help:"Language of the texts that SF was asked to push: zh-Hans, zh-Hant or en." default:"zh-Hans" yaml:"language"`
	Codes    string   `name:"codes" help:"Codes of customised routes (CSV: code,reason,status,sub,meaning,source); they stand before SF's standard ones." placeholder:"FILE" yaml:"codes"`
	Texts    string   `name:"texts" help:"What codes say where SF wrote nothing in a language (CSV: code,reason,zh-Hans,zh-Hant,en)." placeholder:"FILE" yaml:"texts"`
	Secrets  []string `name:"secrets" help:"Check words that verify msgDigest where a push has one, two at once for rotation." yaml:"secrets"`
}

// The languages in which SF pushes.
const (
	hans    = "zh-Hans"
	hant    = "zh-Hant"
	english = "en"
)

// An account is what its terms become.
type account struct {
	name     string // "" is the usual one
	hint     string // of its events that have no first status
	language string
	own      *carriers.Table // nil: SF's standard codes alone
	texts    texts
	secrets  []string
}

// Carrier makes the carrier, unless a setting is wrong: ErrInvalid.
func (s Settings) Carrier() (carriers.Carrier, error) {
	d, err := s.dialect()
	if err != nil {
		return carriers.Carrier{}, err
	}
	if err := carriers.PretouchJSON(&push{}); err != nil {
		panic("BUG: sf: " + err.Error())
	}
	return carriers.Carrier{
		Code:  code,
		Name:  "SF Express",
		Push:  &carriers.Push{Door: s.Door, Accounts: s.doors(), Decode: d.decode, Names: names, Answer: answer, Yes: yes, Outgoing: outgoing},
		Codes: d.codes(),
	}, nil
}

// New makes the carrier from settings that Carrier would not refuse. Empty
// settings have their defaults; the door is the caller's to guard.
func New(s Settings) carriers.Carrier {
	c, err := s.Carrier()
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}

// doors are those of the further accounts, by name. Each takes as many pushes at
// once as the usual one.
func (s Settings) doors() map[string]carriers.Door {
	doors := make(map[string]carriers.Door)
	for name, a := range s.Accounts {
		doors[name] = carriers.Door{Account: name, Tokens: a.Tokens, Addresses: a.Addresses, AtOnce: s.AtOnce}
	}
	return doors
}

// dialect reads the files that the settings name. The error joins all that is
// wrong.
func (s Settings) dialect() (*dialect, error) {
	b := builder{tables: make(map[string]*carriers.Table)}
	d := &dialect{
		usual:     b.account("", s.Terms),
		usualName: cmp.Or(s.Account, trace.DefaultAccount),
		others:    make(map[string]*account),
		version:   uint32(TableVersion*versions + s.CodesVersion),
	}
	for _, name := range slices.Sorted(maps.Keys(s.Accounts)) {
		if name == "" || name == d.usualName {
			b.refuse("carriers.sf.accounts: %q is no name for a further account", name)
		}
		d.others[name] = b.account(name, s.Accounts[name].Terms.or(s.Terms))
	}
	switch {
	case s.CodesVersion < 0 || s.CodesVersion >= versions:
		b.refuse("carriers.sf.codes_version is %d: 1 to %d", s.CodesVersion, versions-1)
	case s.CodesVersion == 0 && b.ownFiles:
		b.refuse("carriers.sf.codes_version: number your codes and texts, 1 at first and one more with every change of any of them")
	}
	d.own = b.own
	return d, errors.Join(b.wrong...)
}

// or completes terms.
func (t Terms) or(usual Terms) Terms {
	t.Language = cmp.Or(t.Language, usual.Language)
	t.Codes = cmp.Or(t.Codes, usual.Codes)
	t.Texts = cmp.Or(t.Texts, usual.Texts)
	if len(t.Secrets) == 0 {
		t.Secrets = usual.Secrets
	}
	return t
}

// A builder makes accounts of terms and gathers what is wrong with them.
type builder struct {
	tables   map[string]*carriers.Table // by path: accounts may share a file
	own      []*carriers.Table          // the same, as they were met
	ownFiles bool
	wrong    []error
}

func (b *builder) refuse(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Errorf(format+": %w", append(args, trace.ErrInvalid)...))
}

// account makes the account of a name, "" is the usual one.
func (b *builder) account(name string, t Terms) *account {
	at := "carriers.sf"
	if name != "" {
		at += ".accounts." + name
	}
	a := &account{name: name, language: cmp.Or(t.Language, hans), secrets: t.Secrets}
	a.hint = hintOf("", name)
	if a.language != hans && a.language != hant && a.language != english {
		b.refuse("%s.language %q: set it to zh-Hans, zh-Hant or en", at, t.Language)
	}
	switch {
	case len(t.Secrets) > 2:
		b.refuse("%s.secrets has %d: two at most, the old and the new", at, len(t.Secrets))
	case slices.Contains(t.Secrets, ""):
		b.refuse("%s.secrets: one is empty", at)
	}
	if t.Codes != "" {
		a.own = b.table(at+".codes", t.Codes)
	}
	if t.Texts != "" {
		if data := b.read(at+".texts", t.Texts); data != nil {
			a.texts = b.textsOf(at+".texts", t.Texts, data)
		}
	}
	return a
}

// table reads a file of codes; nil where something is wrong with it.
func (b *builder) table(setting, path string) *carriers.Table {
	if t, known := b.tables[path]; known {
		return t
	}
	data := b.read(setting, path)
	if data == nil {
		return nil
	}
	t, err := carriers.ReadTable(path, data)
	if err != nil {
		b.wrong = append(b.wrong, fmt.Errorf("%s: %w", setting, err))
		return nil
	}
	b.tables[path] = t
	b.own = append(b.own, t)
	return t
}

func (b *builder) textsOf(setting, path string, data []byte) texts {
	t, err := readTexts(path, data)
	if err != nil {
		b.wrong = append(b.wrong, fmt.Errorf("%s: %w", setting, err))
	}
	return t
}

// read gives what is in a file; nil where it cannot be read.
func (b *builder) read(setting, path string) []byte {
	b.ownFiles = true
	data, err := os.ReadFile(path)
	if err != nil {
		b.refuse("%s: %v", setting, err)
		return nil
	}
	return data
}
