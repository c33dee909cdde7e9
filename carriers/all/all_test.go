package all

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"

	"waytrace/trace"
)

func TestCarriers(t *testing.T) {
	list, err := new(Settings).Carriers()
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, c := range list {
		codes = append(codes, c.Code)
		if !trace.ValidCarrier(c.Code) || c.Name == "" {
			t.Errorf("carrier %q, named %q: code and name must be there", c.Code, c.Name)
		}
		if c.Push != nil && (c.Push.Decode == nil || c.Push.Answer == nil) {
			t.Errorf("carrier %s pushes, but cannot decode or answer", c.Code)
		}
		codes = append(codes, c.Aliases...)
	}
	if !slices.Contains(codes, "sf") {
		t.Errorf("carriers %v, sf is missing", codes)
	}
	slices.Sort(codes)
	if n := len(codes); len(slices.Compact(codes)) != n {
		t.Errorf("a code or alias stands for two carriers: %v", codes)
	}
}

func TestWrongSettings(t *testing.T) {
	var s Settings
	s.SF.Language = "zh-CN"
	list, err := s.Carriers()
	if !errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), "carriers.sf.language") {
		t.Errorf("error %v, want ErrInvalid that names carriers.sf.language", err)
	}
	for _, c := range list {
		if c.Code == "sf" {
			t.Error("sf is in the list in spite of its wrong setting")
		}
	}
}

func TestSettingsFromFlags(t *testing.T) {
	var root struct {
		Carriers Settings `embed:"" prefix:"carriers."`
	}
	k, err := kong.New(&root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if s := root.Carriers.SF; s.Account != "main" || s.AtOnce != 64 || s.Language != "zh-Hans" {
		t.Errorf("defaults %+v", s)
	}
	_, err = k.Parse([]string{"--carriers.sf.account=shop", "--carriers.sf.language=en", "--carriers.sf.tokens=a,b", "--carriers.sf.at-once=2"})
	if err != nil {
		t.Fatal(err)
	}
	if s := root.Carriers.SF; s.Account != "shop" || s.Language != "en" || len(s.Tokens) != 2 || s.AtOnce != 2 {
		t.Errorf("from flags %+v", s)
	}
}

func TestSettingsFromYAML(t *testing.T) {
	var root struct {
		Carriers Settings `yaml:"carriers"`
	}
	const file = "carriers:\n  sf:\n    account: shop\n    language: zh-Hant\n    at_once: 3\n    addresses: [192.0.2.0/24]\n"
	if err := yaml.UnmarshalWithOptions([]byte(file), &root, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	s := root.Carriers.SF
	if s.Account != "shop" || s.Language != "zh-Hant" || s.AtOnce != 3 || len(s.Addresses) != 1 {
		t.Errorf("from YAML %+v", s)
	}
	err := yaml.UnmarshalWithOptions([]byte("carriers:\n  sf:\n    languge: en\n"), &root, yaml.Strict())
	if err == nil {
		t.Error("an unknown key was accepted")
	}
}
