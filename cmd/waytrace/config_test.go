package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"waytrace/carriers"
)

// configOf gives the settings of `waytrace serve` with the given flags.
func configOf(t *testing.T, args ...string) (Config, error) {
	t.Helper()
	var cli commands
	_, err := grammar(&cli).Parse(append([]string{"serve"}, args...))
	return cli.Serve.Config, err
}

// writeFile writes a file into a directory of the test and gives its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// serveFlags are the flags of serve that are settings.
func serveFlags(t *testing.T) (flags []*kong.Flag) {
	t.Helper()
	for _, command := range grammar(&commands{}).Model.Children {
		if command.Name == "serve" {
			for _, flag := range command.Flags {
				if isSetting(flag) {
					flags = append(flags, flag)
				}
			}
		}
	}
	return flags
}

// Every setting can be given in three ways, and they mean the same.
func TestEverySettingHasThreeNames(t *testing.T) {
	defaults, err := configOf(t)
	if err != nil {
		t.Fatal(err)
	}
	flags := serveFlags(t)
	if len(flags) < 20 {
		t.Fatalf("%d settings, want more", len(flags))
	}
	for _, flag := range flags {
		value, inFile := "other", "other"
		switch kind := flag.Target.Kind(); {
		case flag.Enum != "":
			value = flag.EnumSlice()[len(flag.EnumSlice())-1]
			inFile = value
		case kind == reflect.Bool:
			value, inFile = "true", "true"
		case kind == reflect.Int:
			value, inFile = "9", "9"
		case flag.Target.Type() == reflect.TypeFor[time.Duration]():
			value, inFile = "3ms", "3ms"
		case kind == reflect.Int64:
			value, inFile = "3MiB", "3MiB"
		case kind == reflect.Slice:
			value, inFile = "192.0.2.1,198.51.100.0/24", "[192.0.2.1, 198.51.100.0/24]"
		}
		byFlag, err := configOf(t, "--"+flag.Name+"="+value)
		if err != nil {
			t.Errorf("--%s=%s: %v", flag.Name, value, err)
			continue
		}
		if reflect.DeepEqual(byFlag, defaults) {
			t.Errorf("--%s=%s changes nothing", flag.Name, value)
		}

		wantEnv := "WAYTRACE_" + strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(flag.Name))
		if len(flag.Envs) != 1 || flag.Envs[0] != wantEnv {
			t.Errorf("--%s is %q in the environment, want %s", flag.Name, flag.Envs, wantEnv)
			continue
		}
		t.Run(wantEnv, func(t *testing.T) {
			t.Setenv(wantEnv, value)
			if byEnv, err := configOf(t); err != nil || !reflect.DeepEqual(byEnv, byFlag) {
				t.Errorf("%s=%s: %v\n got %+v\nwant %+v", wantEnv, value, err, byEnv, byFlag)
			}
		})

		yaml, indent := "", ""
		for _, name := range fileKey(flag) {
			yaml += "\n" + indent + name + ":"
			indent += "  "
		}
		file := writeFile(t, "waytrace.yaml", yaml+" "+inFile+"\n")
		byFile, err := configOf(t, "--config="+file)
		byFile.ConfigFile = ""
		if err != nil || !reflect.DeepEqual(byFile, byFlag) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", yaml, err, byFile, byFlag)
		}
	}
}

func TestPrecedence(t *testing.T) {
	file := writeFile(t, "waytrace.yaml", `
listen: 127.0.0.1:3
at_once: 3
store: {cache: 3MiB}
insecure_no_auth: true
exempt: [192.0.2.3]
carriers:
  sf:
    at_once: 3
`)
	network := func(s string) []Network { return []Network{{netip.MustParsePrefix(s)}} }
	for _, c := range []struct {
		name            string
		flag, env, file bool
		listen          string
		atOnce          int
		cache           Size
		open            bool
		exempt          []Network
		sf              int
	}{
		{"defaults", false, false, false, "127.0.0.1:8080", 64, 0, false, nil, 64},
		{"file over default", false, false, true, "127.0.0.1:3", 3, 3 << 20, true, network("192.0.2.3/32"), 3},
		{"environment over default", false, true, false, "127.0.0.1:2", 2, 2 << 20, false, network("192.0.2.2/32"), 2},
		{"environment over file", false, true, true, "127.0.0.1:2", 2, 2 << 20, false, network("192.0.2.2/32"), 2},
		{"flag over default", true, false, false, "127.0.0.1:1", 1, 1 << 20, true, network("192.0.2.1/32"), 1},
		{"flag over environment", true, true, false, "127.0.0.1:1", 1, 1 << 20, true, network("192.0.2.1/32"), 1},
		{"flag over file", true, false, true, "127.0.0.1:1", 1, 1 << 20, true, network("192.0.2.1/32"), 1},
		{"flag over all", true, true, true, "127.0.0.1:1", 1, 1 << 20, true, network("192.0.2.1/32"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var args []string
			if c.flag {
				args = strings.Fields("--listen=127.0.0.1:1 --at-once=1 --store.cache=1MiB --insecure-no-auth --exempt=192.0.2.1 --carriers.sf.at-once=1")
			}
			if c.env {
				for _, set := range strings.Fields("LISTEN=127.0.0.1:2 AT_ONCE=2 STORE_CACHE=2MiB INSECURE_NO_AUTH=false EXEMPT=192.0.2.2 CARRIERS_SF_AT_ONCE=2") {
					name, value, _ := strings.Cut(set, "=")
					t.Setenv("WAYTRACE_"+name, value)
				}
			}
			if c.file {
				t.Setenv("WAYTRACE_CONFIG", file)
			}
			got, err := configOf(t, args...)
			if err != nil {
				t.Fatal(err)
			}
			want := Config{Listen: c.listen, AtOnce: c.atOnce, InsecureNoAuth: c.open, Exempt: c.exempt, Store: StoreSettings{Cache: c.cache}}
			is := Config{Listen: got.Listen, AtOnce: got.AtOnce, InsecureNoAuth: got.InsecureNoAuth, Exempt: got.Exempt, Store: StoreSettings{Cache: got.Store.Cache}}
			want.Carriers.SF.AtOnce, is.Carriers.SF.AtOnce = c.sf, got.Carriers.SF.AtOnce
			if !reflect.DeepEqual(is, want) {
				t.Errorf("got\n%s\nwant\n%s", is, want)
			}
		})
	}
}

func TestStrictYAML(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"", ""},
		{"# nothing but a remark\n", ""},
		{"carriers:\n  # sf:\n", ""},
		{"---\nlisten: 127.0.0.1:1\n", ""},
		{"carriers: {sf: {account: 0042}}", ""},
		{"listen: '[::1]:80'\ncarriers:\n  sf:\n    addresses:\n      - 192.0.2.1\n", ""},

		{"\n\n\n\n\n\nlisen: x", `7: unknown key "lisen"; did you mean "listen"?`},
		{"admin-listen: x", `1: unknown key "admin-listen"; did you mean "admin_listen"?`},
		{"store: {zebra: 1}", `1: unknown key "store.zebra"; there are cache, heads, memtable, sync_delay`},
		{"carriers:\n  sf:\n    toknes: [a]", `3: unknown key "carriers.sf.toknes"; did you mean "carriers.sf.tokens"?`},
		{"carriers: {fs: {}}", `1: unknown key "carriers.fs"; did you mean "carriers.sf"?`},
		{"listen: a:1\ndata: x\nlisten: a:2", `3: listen is on line 1 already`},
		{"store:\n  cache: 1MiB\n  cache: 2MiB", `3: store.cache is on line 2 already`},

		{"listen: [a, b]", `1: listen wants one value, not a list`},
		{"listen:", `1: listen wants one value, not nothing`},
		{"listen: {host: a}", `1: listen wants one value, not a section`},
		{"data: x\nat_once: many", `2: at_once wants a whole number, not "many"`},
		{"at_once: 1.5", `1: at_once wants a whole number, not "1.5"`},
		{"insecure_no_auth: 1", `1: insecure_no_auth wants true or false, not "1"`},
		{"insecure_no_auth: perhaps", `1: insecure_no_auth wants true or false, not "perhaps"`},
		{"log_level: loud", `1: log_level wants one of debug, info, warn, error, not "loud"`},
		{"store: {cache: 12 apples}", `1: store.cache: "12 apples" is not a size: write it like 256MiB (B, KiB, MiB, GiB, TiB)`},
		{"exempt: 192.0.2.1", `1: exempt wants a list, not "192.0.2.1"`},
		{"exempt:\n  - 192.0.2.1\n  - [x]", `3: exempt wants a list of texts, not a list`},
		{"exempt:\n  - nowhere", `2: exempt: "nowhere" is neither an address nor a network: write 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32`},
		{"carriers:\n  sf: soon", `2: carriers.sf wants settings, name: value, not "soon"`},
		{"- listen", `1: the file wants settings, name: value, not a list`},
		{"listen: &a x", `1: listen wants one value, not YAML's anchor`},
		{"listen: a:1\n---\ndata: x", `3: a second document: settings are one document`},
		{"carriers:\n  sf:\n    tokens: hunter2", `3: carriers.sf.tokens wants a list`},

		{"carriers: {sf: {accounts: {shop: {language: en, addresses: [192.0.2.0/24]}, other: }}}", ""},
		{"carriers: {sf: {accounts: }}", ""},
		{"carriers:\n  sf:\n    accounts:\n      shop: {toknes: [a]}", `4: unknown key "carriers.sf.accounts.shop.toknes"; did you mean "carriers.sf.accounts.shop.tokens"?`},
		{"carriers:\n  sf:\n    accounts: [shop]", `3: carriers.sf.accounts wants sections by name, not a list`},
		{"carriers:\n  sf:\n    accounts:\n      shop: soon", `4: carriers.sf.accounts.shop wants settings, name: value, not "soon"`},
		{"carriers:\n  sf:\n    accounts:\n      shop:\n      shop:", `5: carriers.sf.accounts.shop is there twice`},
		{"carriers:\n  sf:\n    accounts:\n      shop: {language: en, language: en}", `4: carriers.sf.accounts.shop.language is there twice`},
		{"quarantine: {day: 1}", `1: unknown key "quarantine.day"; did you mean "quarantine.days"?`},
		{"listen: a:1\ndata: {", `2: could not find flow mapping end token '}'`},
	} {
		file := writeFile(t, "waytrace.yaml", c.yaml)
		status, out, stderr := runs(t, "serve", "--check-config", "--config="+file)
		if c.want == "" {
			if status != 0 || stderr != "config is good\n" {
				t.Errorf("%q: status %d, stderr %q", c.yaml, status, stderr)
			}
			continue
		}
		want := "waytrace: " + file + ":" + c.want + "\n"
		if status != 1 || out != "" || stderr != want {
			t.Errorf("%q: status %d, stdout %q, stderr\n got %q\nwant %q", c.yaml, status, out, stderr, want)
		}
	}

	// What tells serve what to do is no setting.
	for _, key := range []string{"config", "check_config", "help"} {
		file := writeFile(t, "waytrace.yaml", key+": true")
		_, err := configOf(t, "--config="+file)
		if want := file + `:1: unknown key "` + key + `"; `; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", key, err, want)
		}
	}
	status, _, stderr := runs(t, "serve", "--config=/nowhere/waytrace.yaml")
	if want := "waytrace: /nowhere/waytrace.yaml: there is no such file (--config)\n"; status != 1 || stderr != want {
		t.Errorf("status %d, stderr %q, want %q", status, stderr, want)
	}
}

const goodToken = "q83vEjRWeJq83vEjRWeJq83vEjRWeJq83vEjRWeJq8w" // 43 characters of URL base64

func TestCheck(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), "one.example")
	data := t.TempDir()
	broken := writeFile(t, "keys.yaml", "keys: [{id: a}]")
	keys := writeKeys(t, "read")
	const tooOpen = " is open to the network and there is no key in %s/keys.yaml: make one with `waytrace keys new --account main --scope %s --data %s`, listen on 127.0.0.1, or let everybody in with --insecure-no-auth"
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"--listen=localhost:80 --admin-listen=[::1]:81", ""},
		{"--listen=127.0.0.1:0 --admin-listen=127.0.0.1:0", ""},
		{"--tls-cert=" + cert + " --tls-key=" + key, ""},
		{"--listen=0.0.0.0:80 --insecure-no-auth", ""},
		{"--listen=0.0.0.0:80 --admin-listen=:81 --keys-file=" + keys, ""},
		{"--carriers.sf.tokens=" + goodToken + "," + strings.Repeat("0123456789abcdef", 4), ""},
		{"--carriers.sf.addresses=192.0.2.1,2001:db8::/32", ""},

		{"--listen=8080", `listen "8080" is not an address: write host:port, such as 127.0.0.1:8080`},
		{"--admin-listen=127.0.0.1:http", `admin_listen "127.0.0.1:http" is not an address: write host:port, such as 127.0.0.1:8080`},
		{"--listen=127.0.0.1:8081", "listen and admin_listen are both 127.0.0.1:8081: give the admin listener a port of its own"},
		{"--data=" + cert + " --keys-file=none.yaml", "data: " + cert + " is a file: name a directory"},
		{"--tls-cert=" + cert, "tls_cert and tls_key go together: give both, or neither for plain HTTP"},
		{"--tls-cert=no.pem --tls-key=" + key, "tls_cert no.pem with tls_key " + key + ": open no.pem: no such file or directory"},
		{"--tls-cert=" + cert + " --tls-key=" + cert, "tls_cert " + cert + " with tls_key " + cert + ": tls: found a certificate rather than a key in the PEM for the private key"},
		{"--at-once=0", "at_once is 0: at least 1"},
		{"--store.memtable=1KiB", "store.memtable is 1KiB: at least 1MiB"},
		{"--query.cache=1KiB", "query.cache is 1KiB: at least 1MiB, or 0 for a share of the memory; query.no_cache keeps nothing"},
		{"--keys-file=" + broken, broken + ": key a: account \"\": 1 to 64 letters, digits, dots, - and _"},
		{"--listen=0.0.0.0:80", "listen 0.0.0.0:80" + fmt.Sprintf(tooOpen, data, "read", data)},
		{"--listen=:80", "listen :80" + fmt.Sprintf(tooOpen, data, "read", data)},
		{"--listen=example.org:80", "listen example.org:80" + fmt.Sprintf(tooOpen, data, "read", data)},
		{"--admin-listen=192.0.2.1:81", "admin_listen 192.0.2.1:81" + fmt.Sprintf(tooOpen, data, "admin", data)},
		{"--carriers.sf.tokens=short", "carriers.sf.tokens, number 1: only 3 bytes, 32 are wanted: make one with `openssl rand -hex 32`"},
		{"--carriers.sf.tokens=" + strings.Repeat("0123456789abcdef", 3), "carriers.sf.tokens, number 1: only 24 bytes, 32 are wanted: make one with `openssl rand -hex 32`"},
		{"--carriers.sf.tokens=" + goodToken + ",not/a/token", "carriers.sf.tokens, number 2: neither URL base64 nor hex: make one with `openssl rand -hex 32`"},
		{"--carriers.sf.tokens=" + strings.Repeat("ab", 32), "carriers.sf.tokens, number 1: not random: make one with `openssl rand -hex 32`"},
		{"--carriers.sf.tokens=" + goodToken + "," + goodToken, "carriers.sf.tokens, number 2: the same as the first"},
		{"--carriers.sf.tokens=" + goodToken + ",x" + goodToken + ",y" + goodToken, "carriers.sf.tokens has 3: two at most, the old and the new"},
		{"--carriers.sf.addresses=here", `carriers.sf.addresses: "here" is neither an address nor a network: write 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32`},
		{"--carriers.sf.at-once=0", "carriers.sf.at_once is 0: at least 1"},
		{"--carriers.sf.tokens=" + goodToken + " --carriers.alibaba.tokens=" + goodToken, "carriers.alibaba.tokens: one is carriers.sf's too: a token opens one door"},
		{"--quarantine.days=0", "quarantine.days is 0: at least 1"},
		{"--quarantine.max-size=1KiB", "quarantine.max_size is 1KiB: at least 1MiB"},
		{"--carriers.sf.language=fr", `carriers.sf.language "fr": set it to zh-Hans, zh-Hant or en: invalid`},
		{"--at-once=0 --listen=8080", "listen \"8080\" is not an address: write host:port, such as 127.0.0.1:8080\nat_once is 0: at least 1"},
	} {
		args := append([]string{"--data=" + data}, strings.Fields(c.args)...)
		config, err := configOf(t, args...)
		if err != nil {
			t.Errorf("%s: %v", c.args, err)
			continue
		}
		got := ""
		if err := config.Check(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}

func TestSecretsAreMasked(t *testing.T) {
	config, err := configOf(t, "--carriers.sf.tokens="+goodToken)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
		text := fmt.Sprintf(verb, config) + fmt.Sprintf(verb, &config)
		if strings.Contains(text, goodToken) || strings.Count(text, "tokens:\n      - \"********\"\n") != 2 {
			t.Errorf("%s of the settings:\n%s", verb, text)
		}
	}

	// Whatever a carrier calls its secrets.
	config, err = configOf(t, "--carriers.alibaba.secrets=hunter2", "--carriers.kuaidi100.salts=hunter2", "--carriers.kdniao.api-keys=hunter2", "--carriers.sf.secrets=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if text := config.String(); strings.Contains(text, "hunter2") {
		t.Errorf("the settings:\n%s", text)
	}

	// What --check-config prints is a file of settings.
	status, out, stderr := runs(t, "serve", "--check-config", "--listen=127.0.0.1:7", "--exempt=192.0.2.0/24", "--data="+t.TempDir())
	if status != 0 || stderr != "config is good\n" {
		t.Fatalf("status %d, stderr %q", status, stderr)
	}
	again, err := configOf(t, "--config="+writeFile(t, "waytrace.yaml", out))
	if err != nil {
		t.Fatal(err)
	}
	if again.String() != out {
		t.Errorf("read again:\n%s\nwant\n%s", again, out)
	}
}

// The file alone names further accounts of a carrier.
func TestAccounts(t *testing.T) {
	other := strings.Repeat("fedcba9876543210", 4)
	file := writeFile(t, "waytrace.yaml", `
carriers:
  sf:
    tokens: [`+goodToken+`]
    accounts:
      shop:
        tokens: [`+other+`]
        language: en
      mall:
        addresses: [192.0.2.0/24]
`)
	config, err := configOf(t, "--config="+file)
	if err != nil {
		t.Fatal(err)
	}
	accounts := config.Carriers.SF.Accounts
	if len(accounts) != 2 || accounts["shop"].Tokens[0] != other || accounts["shop"].Language != "en" || accounts["mall"].Addresses[0] != "192.0.2.0/24" {
		t.Errorf("accounts %+v", accounts)
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		text := fmt.Sprintf(verb, config)
		if strings.Contains(text, other) || !strings.Contains(text, "      shop:\n        tokens:\n          - \"********\"\n        language: en\n") {
			t.Errorf("%s of the settings:\n%s", verb, text)
		}
	}
}

// An account's door is judged as the usual one is, and no two overlap.
func TestCheckAccounts(t *testing.T) {
	other := strings.Repeat("fedcba9876543210", 4)
	usual := carriers.Door{Account: "main", Tokens: []string{goodToken}, Addresses: []string{"192.0.2.0/24"}, AtOnce: 1}
	for _, c := range []struct {
		account string
		door    carriers.Door
		want    string
	}{
		{"shop", carriers.Door{Tokens: []string{other}, Addresses: []string{"198.51.100.1", "198.51.100.0/24"}}, ""},
		{"shop", carriers.Door{Tokens: []string{goodToken}}, "carriers.sf.accounts.shop.tokens: one is carriers.sf's too: a token opens one door"},
		{"shop", carriers.Door{Tokens: []string{"short"}}, "carriers.sf.accounts.shop.tokens, number 1: only 3 bytes, 32 are wanted: make one with `openssl rand -hex 32`"},
		{"shop", carriers.Door{Addresses: []string{"192.0.2.1"}}, "carriers.sf.accounts.shop.addresses: 192.0.2.1/32 is within carriers.sf's: an address belongs to one account"},
		{"shop", carriers.Door{Addresses: []string{"here"}}, `carriers.sf.accounts.shop.addresses: "here" is neither an address nor a network: write 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32`},
		{"main", carriers.Door{Tokens: []string{other}}, "carriers.sf.accounts.main: that is the account of carriers.sf itself: give another name"},
	} {
		list := []carriers.Carrier{{Code: "sf", Push: &carriers.Push{Door: usual, Accounts: map[string]carriers.Door{c.account: c.door}}}}
		got := ""
		if err := errors.Join(checkDoors(list, false)...); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s %+v:\n got %s\nwant %s", c.account, c.door, got, c.want)
		}
	}
}

func TestKeysFileLiesBesideTheSettings(t *testing.T) {
	for _, c := range []struct {
		files Files
		want  string
	}{
		{Files{Data: "./data"}, "data/keys.yaml"},
		{Files{Data: "/var/lib/waytrace"}, "/var/lib/waytrace/keys.yaml"},
		{Files{Data: "./data", ConfigFile: "/etc/waytrace/waytrace.yaml"}, "/etc/waytrace/keys.yaml"},
		{Files{Data: "./data", ConfigFile: "/etc/waytrace/waytrace.yaml", KeysFile: "k.yaml"}, "k.yaml"},
	} {
		if got := c.files.Keys(); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.files, got, c.want)
		}
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want Size
		back string
	}{
		{"0", 0, "0"},
		{"1000", 1000, "1000B"},
		{"12B", 12, "12B"},
		{"64KiB", 64 << 10, "64KiB"},
		{" 256 MiB", 256 << 20, "256MiB"},
		{"1024MiB", 1 << 30, "1GiB"},
		{"7TiB", 7 << 40, "7TiB"},
		{"8388607TiB", 8388607 << 40, "8388607TiB"},
		{"8388608TiB", -1, ""},
		{"-1", -1, ""},
		{"MiB", -1, ""},
		{"1.5GiB", -1, ""},
		{"1MB", -1, ""},
		{"", -1, ""},
	} {
		var s Size
		err := s.UnmarshalText([]byte(c.text))
		if (err != nil) != (c.want < 0) || err == nil && (s != c.want || s.String() != c.back) {
			t.Errorf("%q: got %d %s, %v; want %d %s", c.text, s, s, err, c.want, c.back)
		}
	}
}

func TestNetwork(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"192.0.2.7", "192.0.2.7/32"},
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"2001:db8::1", "2001:db8::1/128"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"::ffff:192.0.2.7", "192.0.2.7/32"},
		{"::ffff:198.51.100.9/120", "198.51.100.0/24"},
		{"fe80::1%eth0", ""},
		{"10.0.0.0/33", ""},
		{"host", ""},
		{"", ""},
	} {
		got, err := parseNetwork(c.text)
		if (err != nil) != (c.want == "") || err == nil && got.String() != c.want {
			t.Errorf("%q: got %s, %v; want %s", c.text, got, err, c.want)
		}
	}
}
