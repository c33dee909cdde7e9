package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/goleak"
)

// beTheProgram makes the test binary the real program, so that a test can start
// it, kill it and read its exit status.
const beTheProgram = "WAYTRACE_TEST_BE_THE_PROGRAM"

// TestMain keeps the settings of whoever runs the tests out of them, and finds
// goroutines that a stopped daemon left behind.
func TestMain(m *testing.M) {
	program := os.Getenv(beTheProgram) != ""
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "WAYTRACE_") {
			os.Unsetenv(name)
		}
	}
	if program {
		main()
	}
	goleak.VerifyTestMain(m,
		// The HTTP library's own: one that tidies its workers wakes every ten seconds
		// to see that its server has stopped, one keeps the date for all servers.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// runs plays a command line with nothing on its standard input.
func runs(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return runsWith(t, "", args...)
}

func runsWith(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return status, out.String(), err.String()
}

func TestHelp(t *testing.T) {
	var paths [][]string
	kong.Visit(grammar(&commands{}).Model.Node, func(node kong.Visitable, next kong.Next) error {
		if n, ok := node.(*kong.Node); ok && n.Type == kong.CommandNode {
			var path []string
			for ; n.Parent != nil; n = n.Parent {
				path = append([]string{n.Name}, path...)
			}
			paths = append(paths, path)
		}
		return next(nil)
	})
	if len(paths) < 10 {
		t.Fatalf("found %d commands: %q", len(paths), paths)
	}
	for _, path := range paths {
		name := strings.Join(path, " ")
		status, out, err := runs(t, append(path, "--help")...)
		if status != 0 || err != "" {
			t.Errorf("%s --help: status %d, stderr %q, want 0 and nothing", name, status, err)
		}
		if !strings.Contains(out, "Example:\n\n    waytrace "+path[0]) && !strings.Contains(out, "| waytrace "+path[0]) {
			t.Errorf("%s --help has no example of itself:\n%s", name, out)
		}
	}
}

func TestWrongUsage(t *testing.T) {
	for _, c := range []struct{ args, err string }{
		{"", "waytrace: expected one of \"serve\", \"push\", \"trace\", \"keys\", \"quarantine\", ...\nwaytrace --help shows how it is used\n"},
		{"sevre", "waytrace: unexpected argument sevre, did you mean \"serve\"?\nwaytrace --help shows how it is used\n"},
		{"serve --lisen=x", "waytrace: unknown flag --lisen, did you mean \"--listen\"?\nwaytrace serve --help shows how it is used\n"},
		{"serve --store.cache=much", "waytrace: --store.cache: \"much\" is not a size: write it like 256MiB (B, KiB, MiB, GiB, TiB)\nwaytrace serve --help shows how it is used\n"},
		{"keys new", "waytrace: missing flags: --scope=SCOPE,...\nwaytrace keys new --help shows how it is used\n"},
		{"trace", "waytrace: trace: give a waybill number, or --reference\nwaytrace trace --help shows how it is used\n"},
		{"push", "waytrace: expected \"<file> ...\"\nwaytrace push --help shows how it is used\n"},
	} {
		status, out, err := runs(t, strings.Fields(c.args)...)
		if status != 2 || out != "" || err != c.err {
			t.Errorf("waytrace %s: status %d, stdout %q, stderr\n got %q\nwant %q", c.args, status, out, err, c.err)
		}
	}
}

func TestVersion(t *testing.T) {
	status, out, err := runs(t, "version")
	lines := strings.Split(out, "\n")
	if status != 0 || err != "" || len(lines) != 4 || lines[0] != "waytrace dev" ||
		!strings.HasPrefix(lines[1], "go1.") || !strings.Contains(lines[1], "/") || lines[2] != "data directory form 3" {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, err)
	}
}
