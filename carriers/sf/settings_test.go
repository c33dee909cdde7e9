package sf

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// from decodes what came through the door of an account.
func from(t *testing.T, c carriers.Carrier, account, body string) []trace.Event {
	t.Helper()
	var facts trace.Facts
	if err := c.Push.Decode(&carriers.Request{Body: []byte(body), Account: account}, &facts); err != nil || len(facts.Faults) > 0 {
		t.Fatalf("faults %v, error %v", facts.Faults, err)
	}
	return facts.Events
}

// An account that says nothing of its terms has the usual one's, and so has one
// that the settings do not know; references belong to whose door it was.
func TestAccounts(t *testing.T) {
	further := map[string]Account{"hk": {Terms: Terms{Language: "zh-Hant"}}, "plain": {}}
	for _, c := range []struct {
		settings        Settings
		account         string
		owner, language string
	}{
		{Settings{}, "", "main", "zh-Hans"},
		{Settings{Terms: Terms{Language: "en"}}, "", "main", "en"},
		{Settings{Door: carriers.Door{Account: "shop"}, Terms: Terms{Language: "zh-Hant"}}, "", "shop", "zh-Hant"},
		{Settings{Door: carriers.Door{Account: "shop"}, Terms: Terms{Language: "en"}}, "shop", "shop", "en"},
		{Settings{Accounts: further}, "", "main", "zh-Hans"},
		{Settings{Accounts: further}, "hk", "hk", "zh-Hant"},
		{Settings{Accounts: further, Terms: Terms{Language: "en"}}, "plain", "plain", "en"},
		{Settings{Accounts: further, Terms: Terms{Language: "en"}}, "gone", "gone", "en"},
	} {
		for _, e := range from(t, New(c.settings), c.account, carriertest.Body(t, "document-json")) {
			if e.References[0].Account != c.owner || e.Text.Lang != c.language {
				t.Errorf("%+v, account %q: reference %v, language %s; want %s, %s", c.settings, c.account, e.References, e.Text.Lang, c.owner, c.language)
			}
		}
	}
}

// The accounts are read from YAML as they are written in a settings file.
func TestAccountsInYAML(t *testing.T) {
	const file = `
language: zh-Hans
at_once: 5
codes_version: 3
accounts:
  hk:
    tokens: [one, two]
    addresses: [192.0.2.0/24]
    language: zh-Hant
    codes: hk-codes.csv
    texts: hk-texts.csv
    secrets: [word]
  plain: {}
`
	want := Settings{
		Door: carriers.Door{AtOnce: 5}, Terms: Terms{Language: "zh-Hans"}, CodesVersion: 3,
		Accounts: map[string]Account{"plain": {}, "hk": {
			Tokens: []string{"one", "two"}, Addresses: []string{"192.0.2.0/24"},
			Terms: Terms{Language: "zh-Hant", Codes: "hk-codes.csv", Texts: "hk-texts.csv", Secrets: []string{"word"}},
		}},
	}
	var got Settings
	if err := yaml.UnmarshalWithOptions([]byte(file), &got, yaml.Strict()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
	}
	for _, account := range []string{"{tokns: [a]}", "{account: b}", "{at_once: 1}", "{codes_version: 1}"} {
		if err := yaml.UnmarshalWithOptions([]byte("accounts: {hk: "+account+"}"), &got, yaml.Strict()); err == nil {
			t.Errorf("%s was read", account)
		}
	}
}

func TestDoors(t *testing.T) {
	s := Settings{Door: carriers.Door{Tokens: []string{"usual"}, AtOnce: 7}, Accounts: map[string]Account{
		"b": {Addresses: []string{"192.0.2.0/24"}}, "a": {Tokens: []string{"one", "two"}},
	}}
	want := map[string]carriers.Door{
		"a": {Account: "a", Tokens: []string{"one", "two"}, AtOnce: 7},
		"b": {Account: "b", Addresses: []string{"192.0.2.0/24"}, AtOnce: 7},
	}
	if got := s.doors(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (Settings{}).doors(); len(got) != 0 {
		t.Errorf("no further account: %+v", got)
	}
}

// A text is shown in the language that was asked for, as far as it is at hand.
func TestLanguages(t *testing.T) {
	c := withAccounts()
	shown := func(e *trace.Event, lang trace.Lang) string {
		_, rest, _ := strings.Cut(string(e.AppendJSON(nil, lang)), `"description":"`)
		text, _, _ := strings.Cut(rest, `"`)
		return text
	}
	for _, x := range []struct{ account, remark, opCode, hans, hant, en string }{
		{"", "快件已签收", "80", "快件已签收", "快件已签收", "快件已签收"},
		{"hk", "快件已簽收", "80", "快件已簽收", "快件已簽收", "快件已簽收"},
		{"overseas", "Signed for", "80", "Signed for", "Signed for", "Signed for"},
		{"shop", "快件已签收", "80", "快件已签收", "快件已签收", "Signed for"},
		{"shop", "", "A10", "门店已收件", "门店已收件", "Accepted at the counter"},
		{"shop", "", "B1", "內部節點", "內部節點", "內部節點"},
		{"hk-shop", "門店收件", "A10", "門店收件", "門店收件", "Accepted at the counter"},
		{"hk-shop", "", "A10", "門店已收件", "門店已收件", "Accepted at the counter"},
		{"hk-shop", "", "A70", "未能派送", "未能派送", "Not delivered"},
		{"hk-shop", "", "44", "", "", ""},
		{"overseas-shop", "Collected", "A10", "门店已收件", "门店已收件", "Collected"},
		{"overseas-shop", "", "B1", "內部節點", "內部節點", "內部節點"},
	} {
		e := &from(t, c, x.account, oneRoute(`"opCode":"`+x.opCode+`","remark":"`+x.remark+`"`))[0]
		for lang, want := range map[trace.Lang]string{trace.ZhHans: x.hans, trace.ZhHant: x.hant, trace.EN: x.en} {
			if got := shown(e, lang); got != want {
				t.Errorf("account %q, remark %q, code %s, in %s: %q, want %q (%+v)", x.account, x.remark, x.opCode, lang, got, want, e.Text)
			}
		}
	}
}

// The same push brings the same text, however often: the files decide alone.
func TestTextsAreNoRevisions(t *testing.T) {
	c := withAccounts()
	first, again := from(t, c, "shop", carriertest.Body(t, "custom-account")), from(t, c, "shop", carriertest.Body(t, "custom-account"))
	for i := range first {
		if first[i].Text != again[i].Text {
			t.Errorf("code %s: %+v, then %+v", first[i].Code, first[i].Text, again[i].Text)
		}
	}
}

func TestBadSettings(t *testing.T) {
	folder := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const head, textHead = "code,reason,status,sub,meaning,source\n", "code,reason,zh-Hans,zh-Hant,en\n"
	good, goodTexts := file("good.csv", head+"A1,,delivered,,m,s\n"), file("texts.csv", "\xef\xbb\xbf"+textHead+"A1,,一,,\n")
	account := func(terms Terms) map[string]Account { return map[string]Account{"shop": {Terms: terms}} }
	for _, c := range []struct {
		settings Settings
		want     string // "" for good ones
	}{
		{Settings{Terms: Terms{Codes: good, Texts: goodTexts}, CodesVersion: 999}, ""},
		{Settings{CodesVersion: 2}, ""}, // the files are gone again, their number is not
		{Settings{Terms: Terms{Secrets: []string{"a", "b"}}}, ""},
		{Settings{Terms: Terms{Language: "fr"}}, `carriers.sf.language "fr": set it to`},
		{Settings{Accounts: account(Terms{Language: "zh"})}, `carriers.sf.accounts.shop.language "zh": set it to`},
		{Settings{Accounts: map[string]Account{"": {}}}, `accounts: "" is no name`},
		{Settings{Accounts: map[string]Account{"main": {}}}, `accounts: "main" is no name`},
		{Settings{Door: carriers.Door{Account: "shop"}, Accounts: account(Terms{})}, `accounts: "shop" is no name`},
		{Settings{Terms: Terms{Secrets: []string{"a", "b", "c"}}}, "carriers.sf.secrets has 3: two at most"},
		{Settings{Accounts: account(Terms{Secrets: []string{""}})}, "carriers.sf.accounts.shop.secrets: one is empty"},
		{Settings{CodesVersion: -1}, "codes_version is -1: 1 to 999"},
		{Settings{CodesVersion: 1000}, "codes_version is 1000: 1 to 999"},
		{Settings{Terms: Terms{Codes: good}}, "codes_version: number your codes"},
		{Settings{Terms: Terms{Texts: goodTexts}}, "codes_version: number your codes"},
		{Settings{Accounts: account(Terms{Codes: good})}, "codes_version: number your codes"},
		{Settings{Terms: Terms{Codes: filepath.Join(folder, "none.csv")}, CodesVersion: 1}, "carriers.sf.codes: open "},
		{Settings{Accounts: account(Terms{Texts: filepath.Join(folder, "none.csv")}), CodesVersion: 1}, "carriers.sf.accounts.shop.texts: open "},
		{Settings{Terms: Terms{Codes: file("status.csv", head+"A1,,collected,,m,s\n")}, CodesVersion: 1}, `code "A1": there is no status "collected"`},
		{Settings{Terms: Terms{Codes: file("empty.csv", "")}, CodesVersion: 1}, "its first line is not code,reason,status"},
		{Settings{Terms: Terms{Codes: goodTexts}, CodesVersion: 1}, "texts.csv: "},
		{Settings{Terms: Terms{Texts: good}, CodesVersion: 1}, "good.csv: "},
		{Settings{Terms: Terms{Texts: file("head.csv", "code,reason,zh,zh-Hant,en\n")}, CodesVersion: 1}, "its first line is not code,reason,zh-Hans"},
		{Settings{Terms: Terms{Texts: file("code.csv", textHead+",,一,,\n")}, CodesVersion: 1}, "a code and at least one text"},
		{Settings{Terms: Terms{Texts: file("text.csv", textHead+"A1,,,,\n")}, CodesVersion: 1}, "a code and at least one text"},
		{Settings{Terms: Terms{Texts: file("twice.csv", textHead+"A1,,一,,\nA1,,二,,\n")}, CodesVersion: 1}, `code "A1" with reason "" stands there twice`},
		{Settings{Terms: Terms{Texts: file("long.csv", textHead+"A1,,"+strings.Repeat("a", trace.MaxText+1)+",,\n")}, CodesVersion: 1}, "longer than 2048 bytes"},
		{Settings{Terms: Terms{Texts: file("gbk.csv", textHead+"A1,,\xb4\xf3,,\n")}, CodesVersion: 1}, "not UTF-8"},
	} {
		_, err := c.settings.Carrier()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", c.settings, err)
		case c.want != "" && (!errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v:\n%v\nwant ErrInvalid with %q", c.settings, err, c.want)
		}
	}
	// All that is wrong is said at once, and never a secret.
	_, err := Settings{Terms: Terms{Language: "fr", Secrets: []string{"hush", "hush", "hush"}}, CodesVersion: -1}.Carrier()
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, "hush") }) {
		t.Errorf("%v", err)
	}
}
