package main_test

import (
	"cmp"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// house holds the floors of docs/DESIGN.md: imports go down only, never sideways. A room covers its folder and
// everything below it; of two rooms that cover a file, the upper row has it, so that the narrower one stands first.
// Inside a room everything is free.
//
// In a folder, * and <company> stand for one name; <company> among what a room may import is the room's own
// company. The words:
//
//	may      the rooms of ours that it may import, in tests too
//	tests    what its _test.go files may import besides: the exams, and nothing else
//	outside  where it is given, the only packages from outside the standard library (tests have testLibraries too)
var house = []floor{
	{"floor 4", []room{
		{folder: "cmd/waytrace", may: everything},
	}},
	{"floor 3", []room{
		{folder: "ingest", may: contracts},
		{folder: "pollers", may: contracts},
		{folder: "query", may: contracts},
		{folder: "relay", may: contracts, tests: "store/storetest store/facttest"},
		{folder: "proxy", may: contracts},
		{folder: "simulate", may: contracts},
	}},
	{"floor 2", []room{
		{folder: "carriers/all", may: contracts + " carriers/*", tests: "carriers/carriertest"},
		// Makes a carrier's folder, so it asks the list which names are taken.
		{folder: "carriers/newcarrier", may: "trace carriers carriers/all"},
		{folder: "platforms/all", may: contracts + " platforms/*", tests: "platforms/platformtest"},
		// The one way sideways: what a company's two folders share.
		{folder: "carriers/<company>/wire", may: contracts},
		{folder: "carriers/carriertest", may: "trace carriers", exam: true},
		{folder: "platforms/platformtest", may: "trace platforms", exam: true},
		{folder: "carriers/<company>", may: contracts + " carriers/<company>/wire", tests: "carriers/carriertest"},
		{folder: "platforms/<company>", may: contracts + " carriers/<company>/wire", tests: "platforms/platformtest"},
		// The cellar knows no dialect: who asks one again for a refold is handed to it.
		{folder: "store/keys", may: "trace"},
		{folder: "store/facttest", may: "trace store/keys"}, // what both exams of the store are made of
		{folder: "store/storetest", may: "trace store store/keys store/facttest", exam: true},
		{folder: "store", may: "trace store/keys", tests: "store/facttest"},
	}},
	{"floor 1", []room{
		{folder: "carriers", may: "trace", tests: "carriers/carriertest"},
		{folder: "platforms", may: "trace", tests: "platforms/platformtest"},
	}},
	{"floor 0", []room{
		{folder: "trace", outside: "github.com/VictoriaMetrics/easyproto"},
	}},
	{"outside", []room{
		{folder: "bench/calibrate.go", may: "trace store/keys"},
		{folder: "bench/rivals", may: "trace carriers carriers/sf"},
		{folder: "bench", may: "trace"},
	}},
}

// fences say which rooms alone, or never, import a package from outside and those below it; in tests too.
var fences = []fence{
	{name: "pebble", path: "github.com/cockroachdb/pebble", only: "store store/storetest bench/calibrate.go"},
	{name: "kafka-go", path: "github.com/segmentio/kafka-go", only: "relay"},
	{name: "pgx", path: "github.com/jackc/pgx", only: "bench/rivals"},
	{name: "go-redis", path: "github.com/redis/go-redis", only: "bench/rivals"},
	{name: "fasthttp", path: "github.com/valyala/fasthttp", never: "trace store store/keys"},
	{name: "sonic", path: "github.com/bytedance/sonic", never: "trace store store/keys"},
}

const (
	contracts     = "trace carriers platforms"
	everything    = "everything"
	testLibraries = "pgregory.net/rapid github.com/google/go-cmp go.uber.org/goleak"
)

type floor struct {
	name  string
	rooms []room
}

type room struct {
	folder, may, tests, outside string
	exam                        bool // support for tests: only who names it under tests imports it
}

type fence struct {
	name, path, only, never string
}

var printMap = flag.Bool("map", false, "print who imports whom, floor by floor")

func TestFloors(t *testing.T) {
	module, root := findModule(t)
	l := law{module}

	t.Run("offenders are refused", func(t *testing.T) {
		for _, c := range []struct{ file, imports string }{
			{"ingest/ingest.go", "waytrace/store"},
			{"ingest/ingest.go", "waytrace/store/keys"},
			{"ingest/ingest.go", "waytrace/query"},
			{"ingest/ingest.go", "waytrace/carriers/sf"},
			{"ingest/ingest_test.go", "waytrace/store"},
			{"ingest/ingest_test.go", "waytrace/carriers/carriertest"},
			{"query/page/page.go", "waytrace/relay"},
			{"relay/webhooks/sign.go", "waytrace/cmd/waytrace"},
			{"proxy/book.go", "waytrace/platforms/alibaba"},
			{"pollers/pace.go", "waytrace/carriers/all"},
			{"simulate/journey.go", "waytrace/bench"},
			{"carriers/client.go", "waytrace/carriers/sf"},
			{"carriers/client.go", "waytrace/platforms"},
			{"carriers/client.go", "waytrace/carriers/carriertest"},
			{"carriers/sf/push.go", "waytrace/carriers/zto"},
			{"carriers/sf/push.go", "waytrace/carriers/all"},
			{"carriers/sf/push.go", "waytrace/carriers/zto/wire"},
			{"carriers/sf/push.go", "waytrace/carriers/carriertest"},
			{"carriers/sf/push.go", "waytrace/store"},
			{"carriers/sf/push.go", "waytrace/ingest"},
			{"carriers/sf/push_test.go", "waytrace/carriers/zto"},
			{"carriers/sf/wire/sign.go", "waytrace/carriers/sf"},
			{"carriers/all/all.go", "waytrace/carriers/carriertest"},
			{"carriers/newcarrier/main.go", "waytrace/carriers/sf"},
			{"carriers/sf/push.go", "waytrace/carriers/newcarrier"},
			{"carriers/all/all.go", "waytrace/platforms/alibaba"},
			{"carriers/carriertest/exam.go", "waytrace/ingest"},
			{"carriers/carriertest/exam.go", "waytrace/carriers/sf"},
			{"platforms/alibaba/notify.go", "waytrace/carriers/alibaba"},
			{"platforms/alibaba/notify.go", "waytrace/carriers/cainiao/wire"},
			{"platforms/alibaba/notify.go", "waytrace/platforms/douyin"},
			{"store/writer.go", "waytrace/carriers"},
			{"store/keys/keys.go", "waytrace/store"},
			{"store/writer.go", "waytrace/store/storetest"},
			{"relay/ship.go", "waytrace/store/storetest"},
			{"relay/replication_test.go", "waytrace/store"},
			{"query/query_test.go", "waytrace/store/storetest"},
			{"trace/fold.go", "waytrace/carriers"},
			{"trace/fold_test.go", "waytrace/store"},
			{"bench/load.go", "waytrace/store/keys"},
			{"bench/load.go", "waytrace/ingest"},
			{"bench/calibrate.go", "waytrace/store"},
			{"bench/calibrate_test.go", "waytrace/store/keys"},
			{"cmd/waytrace/daemon.go", "waytrace/carriers/carriertest"},
			{"cmd/waytrace/daemon.go", "waytrace/attic"},
			{"attic/attic.go", "waytrace/trace"},
			{"attic/attic.go", "strings"},

			{"cmd/waytrace/daemon.go", "github.com/cockroachdb/pebble/v2"},
			{"cmd/waytrace/daemon_test.go", "github.com/cockroachdb/pebble/v2/vfs"},
			{"store/keys/keys.go", "github.com/cockroachdb/pebble/v2"},
			{"bench/load.go", "github.com/cockroachdb/pebble/v2"},
			{"store/feed.go", "github.com/segmentio/kafka-go"},
			{"cmd/waytrace/daemon.go", "github.com/segmentio/kafka-go"},
			{"store/writer.go", "github.com/valyala/fasthttp"},
			{"store/keys/keys.go", "github.com/bytedance/sonic"},
			{"trace/json.go", "github.com/bytedance/sonic/ast"},
			{"trace/json.go", "github.com/goccy/go-yaml"},
			{"trace/json_test.go", "github.com/goccy/go-yaml"},
			{"trace/fold.go", "pgregory.net/rapid"},
			{"trace/codec.go", "github.com/VictoriaMetrics/easyprotobuf"},
			{"trace/codec.go", "github.com/VictoriaMetrics/metrics"},
		} {
			if why := l.refuses(c.file, c.imports); why == "" {
				t.Errorf("%s may import %s, want it refused", c.file, c.imports)
			}
		}
	})

	t.Run("neighbours who keep the law are let in", func(t *testing.T) {
		for _, c := range []struct{ file, imports string }{
			{"cmd/waytrace/daemon.go", "waytrace/store"},
			{"cmd/waytrace/daemon.go", "waytrace/carriers/all"},
			{"cmd/waytrace/bench.go", "waytrace/bench"},
			{"cmd/waytrace/routes.go", "github.com/valyala/fasthttp"},
			{"ingest/ingest.go", "waytrace/trace"},
			{"ingest/ingest.go", "waytrace/carriers"},
			{"ingest/ingest_test.go", "testing/synctest"},
			{"query/query.go", "waytrace/query/page"},
			{"query/page/page.go", "waytrace/query"},
			{"proxy/book.go", "waytrace/platforms"},
			{"relay/kafka.go", "github.com/segmentio/kafka-go"},
			{"relay/kafka/client.go", "github.com/segmentio/kafka-go/protocol"},
			{"relay/replication_test.go", "waytrace/store/storetest"},
			{"store/storetest/node.go", "github.com/cockroachdb/pebble/v2/vfs"},
			{"store/storetest/node.go", "waytrace/store"},
			{"carriers/all/all.go", "waytrace/carriers/sf"},
			{"carriers/all/all_test.go", "waytrace/carriers/carriertest"},
			{"carriers/newcarrier/main.go", "waytrace/carriers/all"},
			{"carriers/sf/push.go", "waytrace/carriers"},
			{"carriers/sf/push.go", "waytrace/carriers/sf/wire"},
			{"carriers/sf/push.go", "github.com/bytedance/sonic"},
			{"carriers/sf/push_test.go", "waytrace/carriers/carriertest"},
			{"carriers/carriertest/exam.go", "waytrace/carriers"},
			{"platforms/alibaba/notify.go", "waytrace/carriers/alibaba/wire"},
			{"store/writer.go", "waytrace/store/keys"},
			{"store/writer.go", "github.com/cockroachdb/pebble/v2"},
			{"store/crash_test.go", "github.com/cockroachdb/pebble/v2/vfs"},
			{"store/keys/keys.go", "waytrace/trace"},
			{"trace/codec.go", "github.com/VictoriaMetrics/easyproto"},
			{"trace/fold_test.go", "pgregory.net/rapid"},
			{"bench/load.go", "waytrace/trace"},
			{"bench/calibrate.go", "github.com/cockroachdb/pebble/v2"},
			{"bench/calibrate.go", "waytrace/store/keys"},
		} {
			if why := l.refuses(c.file, c.imports); why != "" {
				t.Errorf("want it let in: %s", why)
			}
		}
	})

	t.Run("the code", func(t *testing.T) {
		files := importsUnder(t, root)
		if len(files["cmd/waytrace/floors_test.go"]) == 0 {
			t.Fatalf("this file is not among the %d read under %s", len(files), root)
		}
		if *printMap {
			fmt.Print(l.draw(files))
		}
		for _, file := range slices.Sorted(maps.Keys(files)) {
			if placeOf(file).name == "" {
				t.Errorf("%s: its folder stands on no floor, give it a row in cmd/waytrace/floors_test.go", file)
				continue
			}
			for _, imported := range files[file] {
				if why := l.refuses(file, imported); why != "" {
					t.Error(why)
				}
			}
		}
	})
}

// law is the house as a module's files have to keep it.
type law struct {
	module string
}

// refuses says why file, a path from the module's root, may not import the package; "" when it may.
func (l law) refuses(file, imported string) string {
	refuse := func(rule string) string {
		return fmt.Sprintf("%s imports %s: %s (docs/DESIGN.md says why; the rows are in cmd/waytrace/floors_test.go)", file, imported, rule)
	}
	from := placeOf(file)
	if from.name == "" {
		return refuse("its folder stands on no floor, give it a row")
	}
	test := strings.HasSuffix(file, "_test.go")

	if package_, ours := strings.CutPrefix(imported, l.module+"/"); ours {
		to := placeOf(package_)
		may := from.may
		switch {
		case to.name == "":
			return refuse("it stands on no floor, give it a row")
		case to.name == from.name:
			return ""
		case to.exam:
			may = "" // everything stops short of the exams
		}
		if test {
			may += " " + from.tests
		}
		for _, allowed := range strings.Fields(may) {
			if allowed == everything {
				return ""
			}
			if _, ok := match(strings.ReplaceAll(allowed, "<company>", from.company), to.name); ok {
				return ""
			}
		}
		return refuse(fmt.Sprintf("%s may import of ours only: %s", from.name, cmp.Or(strings.TrimSpace(may), "nothing")))
	}

	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	within := func(folder string) bool { return imported == folder || strings.HasPrefix(imported, folder+"/") }
	for _, f := range fences {
		switch {
		case !within(f.path):
		case f.only != "" && !slices.Contains(strings.Fields(f.only), from.name):
			return refuse(fmt.Sprintf("%s belongs in %s only", f.name, f.only))
		case slices.Contains(strings.Fields(f.never), from.name):
			return refuse(fmt.Sprintf("%s never comes into %s", f.name, from.name))
		}
	}
	if from.outside != "" {
		open := strings.Fields(from.outside)
		if test {
			open = append(open, strings.Fields(testLibraries)...)
		}
		if !slices.ContainsFunc(open, within) {
			return refuse(fmt.Sprintf("%s may import from outside only: %s", from.name, strings.Join(open, " ")))
		}
	}
	return ""
}

// draw prints one line a package: what of ours it imports, which fenced packages, and what its tests add.
func (l law) draw(files map[string][]string) string {
	type package_ struct{ code, fenced, tests []string }
	packages := make(map[string]package_)
	for file, imports := range files {
		folder := path.Dir(file)
		p := packages[folder]
		for _, imported := range imports {
			if ours, ok := strings.CutPrefix(imported, l.module+"/"); ok {
				if !strings.HasSuffix(file, "_test.go") {
					p.code = append(p.code, ours)
				} else if ours != folder {
					p.tests = append(p.tests, ours)
				}
			}
			for _, f := range fences {
				if imported == f.path || strings.HasPrefix(imported, f.path+"/") {
					p.fenced = append(p.fenced, f.name)
				}
			}
		}
		packages[folder] = p
	}
	lines := make(map[string]string) // by floor
	for _, folder := range slices.Sorted(maps.Keys(packages)) {
		p := packages[folder]
		sorted := func(names []string) string {
			slices.Sort(names)
			return strings.Join(slices.Compact(names), " ")
		}
		line := fmt.Sprintf("  %-24s %s", folder, cmp.Or(sorted(p.code), "-"))
		if p.fenced != nil {
			line += "  | " + sorted(p.fenced)
		}
		p.tests = slices.DeleteFunc(p.tests, func(name string) bool { return slices.Contains(p.code, name) })
		if len(p.tests) > 0 {
			line += "  (tests: " + sorted(p.tests) + ")"
		}
		lines[placeOf(folder).floor] += strings.TrimRight(line, " ") + "\n"
	}
	var drawn strings.Builder
	for _, f := range append(slices.Clone(house), floor{name: "no floor"}) {
		if lines[f.name] != "" {
			drawn.WriteString(f.name + "\n" + lines[f.name])
		}
	}
	return drawn.String()
}

// place is where a file or a package lies: its room, the room's name with * and <company> filled in.
type place struct {
	room
	floor, name, company string
}

// placeOf finds the place of a file or a package; its name is "" when no room covers it.
func placeOf(of string) place {
	parts := strings.Split(of, "/")
	for _, f := range house {
		for _, r := range f.rooms {
			depth := min(strings.Count(r.folder, "/")+1, len(parts))
			name := strings.Join(parts[:depth], "/")
			if company, ok := match(r.folder, name); ok {
				return place{r, f.name, name, company}
			}
		}
	}
	return place{floor: "no floor"}
}

// match holds a name against a pattern, part by part, and says whom <company> stood for.
func match(pattern, name string) (company string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(name, "/")
	if len(want) != len(got) {
		return "", false
	}
	for i := range want {
		switch {
		case want[i] == got[i]:
		case strings.HasSuffix(got[i], ".go"):
			return "", false
		case want[i] == "<company>":
			company = got[i]
		case want[i] != "*":
			return "", false
		}
	}
	return company, true
}

// findModule goes up from the test's folder to go.mod: the module's name and its root.
func findModule(t *testing.T) (module, root string) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
		if err == nil {
			first, _, _ := strings.Cut(string(mod), "\n")
			module, found := strings.CutPrefix(strings.TrimSpace(first), "module ")
			if !found {
				t.Fatalf("%s/go.mod begins with %q, want the module's name", root, first)
			}
			return module, root
		}
		up := filepath.Dir(root)
		if up == root {
			t.Fatal("no go.mod above the test's folder")
		}
		root = up
	}
}

// importsUnder reads the imports of every Go file of the module, by path from its root, whatever the file's build
// tags. Folders with a go.mod of their own are not ours.
func importsUnder(t *testing.T, root string) map[string][]string {
	t.Helper()
	files := make(map[string][]string)
	err := filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			name := entry.Name()
			_, noModule := os.Stat(filepath.Join(at, "go.mod"))
			if at != root && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || noModule == nil) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(at, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), at, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, at)
		if err != nil {
			return err
		}
		imports := []string{}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, imported)
		}
		files[filepath.ToSlash(file)] = imports
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
