package main

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// newModule is a module of its own that has the carriers' contract from this
// checkout, its own list of carriers and none of their folders.
func newModule(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	ours, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod := read(t, filepath.Join(ours, "go.mod"))
	_, rest, found := strings.Cut(mod, "module waytrace\n")
	if !found {
		t.Fatalf("go.mod does not begin with our module: %.40q", mod)
	}
	write(t, filepath.Join(root, "go.mod"), "module elsewhere\n"+rest+"\nrequire waytrace v0.0.0\n\nreplace waytrace => "+ours+"\n")
	write(t, filepath.Join(root, "go.sum"), read(t, filepath.Join(ours, "go.sum")))
	write(t, filepath.Join(root, "carriers/all/all.go"), read(t, "../all/all.go"))
	return root
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// snapshot is what lies under root, by path.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[path] = read(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// listTest asks the list for the new carrier, and for its settings as flags and in
// the file.
const listTest = `package all

import (
	"testing"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

func TestListed(t *testing.T) {
	list, err := new(Settings).Carriers()
	if err != nil {
		t.Fatal(err)
	}
	if c := list[len(list)-1]; c.Code != "acme" || c.Name != "Acme" {
		t.Errorf("last in the list: %s, named %s", c.Code, c.Name)
	}
	var root struct {
		Carriers Settings ` + "`embed:\"\" prefix:\"carriers.\" yaml:\"carriers\"`" + `
	}
	if _, err := kong.Must(&root).Parse([]string{"--carriers.acme.account=shop"}); err != nil || root.Carriers.Acme.Account != "shop" {
		t.Errorf("flag: account %q, error %v", root.Carriers.Acme.Account, err)
	}
	err = yaml.UnmarshalWithOptions([]byte("carriers: {acme: {account: market, at_once: 3}}"), &root, yaml.Strict())
	if a := root.Carriers.Acme; err != nil || a.Account != "market" || a.AtOnce != 3 {
		t.Errorf("file: %+v, error %v", a, err)
	}
}
`

// The new folder passes as it is.
func TestNewFolderPasses(t *testing.T) {
	root := newModule(t)
	var said strings.Builder
	if err := run(root, []string{"acme"}, &said); err != nil {
		t.Fatal(err)
	}
	for path := range snapshot(t, root) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(name, "carriers/") && !strings.Contains(said.String(), name+"\n") {
			t.Errorf("it wrote %s and did not say so:\n%s", name, said.String())
		}
	}
	write(t, filepath.Join(root, "carriers/all/listed_test.go"), listTest)
	for _, args := range [][]string{{"vet", "./..."}, {"test", "-count=1", "./..."}} {
		c := exec.Command("go", args...)
		c.Dir = root
		c.Env = append(os.Environ(), "GOFLAGS=-mod=mod -buildvcs=false", "GOPROXY=off", "GOWORK=off")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// What it makes is complete: every file that the real carrier decides on says so,
// and nothing of a template is left in any.
func TestNewFolderSaysWhatToChange(t *testing.T) {
	files, err := render(carrier{Code: "acme", Brand: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	decided := []string{"acme.go", "acme_test.go", "answer.go", "codes.csv", "codes.go", "codes_test.go", "json.go"}
	for _, f := range files {
		content := string(f.content)
		if strings.Contains(content, "{{"+".") || strings.Contains(content, "<no value>") {
			t.Errorf("%s: a place was not filled in:\n%s", f.name, content)
		}
		named := strings.Contains(content, " The carrier's document, ")
		if want := slices.Contains(decided, f.name); named != want {
			t.Errorf("%s: names a place to change: %t, want %t", f.name, named, want)
		}
		decided = slices.DeleteFunc(decided, func(name string) bool { return name == f.name })
	}
	if len(decided) > 0 {
		t.Errorf("there is no %s", decided)
	}
}

func TestRefusesNames(t *testing.T) {
	known := []carriers.Carrier{{Code: "seventeentrack", Name: "17TRACK", Aliases: []string{"seventeen"}}}
	root := newModule(t)
	write(t, filepath.Join(root, "carriers/zto/zto.go"), "package zto\n")
	before := snapshot(t, root)
	for name, want := range map[string]string{
		"Acme":                  "no carrier's code",
		"ac me":                 "no carrier's code",
		"../acme":               "no carrier's code",
		strings.Repeat("a", 33): "no carrier's code",
		"sf-freight":            `take "sffreight"`,
		"-":                     `has a "-"`,
		"17track":               "begins with a digit",
		"go":                    "a word of Go",
		"len":                   "a word of Go",
		"internal":              "something else to Go",
		"events":                "our own door",
		"seventeentrack":        "is taken: it is a door of 17TRACK",
		"seventeen":             "is taken: it is a door of 17TRACK (carriers/seventeentrack)",
		"json":                  "has another file json.go",
		"fmt":                   "the import of fmt",
		"carriers":              "the import of waytrace/carriers",
		"maker":                 "the type maker",
		"sf":                    "the import of waytrace/carriers/sf",
		"all":                   "carriers/all is there already",
		"zto":                   "carriers/zto is there already",
	} {
		if _, err := scaffold(root, name, known); !errors.Is(err, trace.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want ErrInvalid with %q", name, err, want)
		}
	}
	for _, args := range [][]string{nil, {""}, {"acme", "beta"}} {
		if err := run(root, args, new(strings.Builder)); err == nil || !strings.Contains(err.Error(), "make carrier NAME=") {
			t.Errorf("arguments %q: error %v, want the way to call it", args, err)
		}
	}
	if after := snapshot(t, root); !maps.Equal(before, after) {
		t.Errorf("a refusal changed something: %d files, were %d", len(after), len(before))
	}
}

// Nothing is left of a folder whose line could not be added.
func TestLeavesNothingBehind(t *testing.T) {
	root := newModule(t)
	list := filepath.Join(root, "carriers/all/all.go")
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	if _, err := scaffold(root, "acme", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a list: error %v", err)
	}
	write(t, list, "package all\n")
	if _, err := scaffold(root, "acme", nil); !errors.Is(err, trace.ErrInvalid) {
		t.Errorf("with an empty list: error %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, "carriers/acme")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("carriers/acme is there: %v", err)
	}
}

func TestAddToList(t *testing.T) {
	const source = `// Package all is the list.
package all

import (
	"errors"

	"waytrace/carriers"
	"waytrace/carriers/sf"
	"waytrace/carriers/yto"
)

// Settings of all carriers.
type Settings struct {
	SF  sf.Settings  ` + "`embed:\"\" prefix:\"sf.\" yaml:\"sf\"`" + `
	YTO yto.Settings ` + "`embed:\"\" prefix:\"yto.\" yaml:\"yto\"`" + ` // of Shanghai
	// Below is more to come.
}

var none = errors.New("no carrier")

type maker interface {
	Carrier() (carriers.Carrier, error)
}
`
	const added = `// Package all is the list.
package all

import (
	"errors"

	"waytrace/carriers"
	"waytrace/carriers/sf"
	"waytrace/carriers/speedaf"
	"waytrace/carriers/yto"
)

// Settings of all carriers.
type Settings struct {
	SF  sf.Settings  ` + "`embed:\"\" prefix:\"sf.\" yaml:\"sf\"`" + `
	YTO yto.Settings ` + "`embed:\"\" prefix:\"yto.\" yaml:\"yto\"`" + ` // of Shanghai
	// Below is more to come.
	Speedaf speedaf.Settings ` + "`embed:\"\" prefix:\"speedaf.\" yaml:\"speedaf\"`" + `
}

var none = errors.New("no carrier")

type maker interface {
	Carrier() (carriers.Carrier, error)
}
`
	got, err := addToList([]byte(source), "waytrace", "speedaf")
	if err != nil || string(got) != added {
		t.Errorf("error %v, got:\n%s\nwant:\n%s", err, got, added)
	}
	for name, source := range map[string]string{
		"no Go":           "package",
		"no contract":     "package all\n\ntype Settings struct{}\n",
		"no Settings":     "package all\n\nimport _ \"waytrace/carriers\"\n",
		"a field already": strings.Replace(source, "YTO yto", "SpeedAF yto", 1),
	} {
		if got, err := addToList([]byte(source), "waytrace", "speedaf"); !errors.Is(err, trace.ErrInvalid) {
			t.Errorf("%s: error %v, got:\n%s", name, err, got)
		}
	}
}

// The brand comes from carriers/codes.csv where that has one.
func TestBrand(t *testing.T) {
	for name, want := range map[string]string{"speedaf": "Speedaf", "best": "BEST Express"} {
		root := newModule(t)
		if _, err := scaffold(root, name, nil); err != nil {
			t.Fatal(err)
		}
		if source := read(t, filepath.Join(root, "carriers", name, name+".go")); !strings.Contains(source, `"`+want+`"`) {
			t.Errorf("%s: its brand is not %s", name, want)
		}
	}
}
