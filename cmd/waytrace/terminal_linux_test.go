package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// onTerminal plays a command line at a terminal of so many columns where nobody
// types, and gives what is to be seen there.
func onTerminal(t *testing.T, columns int, args ...string) (status int, seen string) {
	t.Helper()
	return playTerminal(t, columns, "", args)
}

// saysAtTerminal does so with a user who has typed a line.
func saysAtTerminal(t *testing.T, typed string, args ...string) (status int, seen string) {
	t.Helper()
	return playTerminal(t, 100, typed+"\n", args)
}

func playTerminal(t *testing.T, columns int, typed string, args []string) (status int, seen string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no terminals to play with: %v", err)
	}
	defer master.Close()
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no terminals to play with: %v", err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	var stdin io.Reader = strings.NewReader("")
	if typed != "" {
		stdin = terminal
		if _, err := io.WriteString(master, typed); err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(master) // ends with an error when the terminal is closed
		read <- b
	}()
	status = run(t.Context(), args, stdin, terminal, terminal)
	terminal.Close()
	return status, string(bytes.ReplaceAll(<-read, []byte("\r\n"), []byte("\n")))
}

const aTrace = `{"number":"SF7444400031887","carrier":"sf","references":["R-1","订单2"],"legs":[{"carrier":"sf","number":"SF7444400031887","role":"main"},{"number":"1Z999","role":"last_mile"},{"carrier":"yto","number":"YT1","role":"return"}],"earlier":2,"also":["yto"],
"status":{"code":"delivered","sub":"signed","label":"已签收","since":"2020-05-11T16:56:54+08:00","terminal":true},
"events":[
{"date":"2020-05-09","status":"pre_transit","description":"order made"},
{"local_time":"2020-05-10T08:00:00","status":"unknown","code":"777","description":"\u001b[2J\u202eevil\ntext","city":"Lille","country":"FR"},
{"time":"2020-05-11T08:56:54.5Z","status":"picked_up","sub":"collected","description":"顺丰速运已收取快件，正在发往下一站","address":"深圳","city":"深圳","state":"广东"},
{"time":"2020-05-11T16:56:54+08:00","status":"delivered","sub":"signed","description":"handed over to the consignee at the front door"}]}`

func TestTraceOnTerminal(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	url, _ := played(t, says(200, aTrace), says(200, aTrace))
	status, seen := onTerminal(t, 102, "trace", "SF7444400031887", "--to="+url)
	const want = `SF7444400031887  sf  已签收 delivered/signed  since 2020-05-11 16:56:54 +08:00
references: R-1, 订单2
goes on as: 1Z999 (last mile), yto YT1 (return)
parcels before under this number: 2
also at: yto

2020-05-09                  pre_transit                      order made
2020-05-10 08:00:00         unknown              Lille, FR   [2Jevil text
2020-05-11 08:56:54 UTC     picked_up/collected  深圳, 广东  顺丰速运已收取快件，正在发往下一站
2020-05-11 16:56:54 +08:00  delivered/signed                 handed over to the consignee at the front
                                                             door
`
	if status != 0 || seen != want {
		t.Errorf("status %d, seen\n%s\nwant\n%s", status, seen, want)
	}
	if strings.Contains(seen, "\x1b") || strings.Contains(seen, "\u202e") {
		t.Errorf("a stranger's text commands the terminal: %q", seen)
	}

	// --json is JSON there too.
	if status, seen := onTerminal(t, 80, "trace", "SF7444400031887", "--json", "--to="+url); status != 0 || seen != aTrace {
		t.Errorf("status %d, seen %q", status, seen)
	}
}

func TestTraceInColours(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	url, _ := played(t, says(200, aTrace), says(200, aTrace))
	_, seen := onTerminal(t, 200, "trace", "SF7444400031887", "--to="+url)
	for _, want := range []string{"\x1b[1mSF7444400031887\x1b[0m", "\x1b[32m已签收 delivered/signed\x1b[0m", "\x1b[32mdelivered/signed     \x1b[0m"} {
		if !strings.Contains(seen, want) {
			t.Errorf("seen %q, want in it %q", seen, want)
		}
	}
	t.Setenv("TERM", "dumb")
	if _, seen := onTerminal(t, 200, "trace", "SF7444400031887", "--to="+url); strings.Contains(seen, "\x1b") {
		t.Errorf("colours on a dumb terminal: %q", seen)
	}
}

func TestQuarantineOnTerminal(t *testing.T) {
	url, _ := played(t, says(200, aQuarantine), says(200, `{"items":[],"total":0}`), says(200, "<html>"))
	status, seen := onTerminal(t, 80, "quarantine", "ls", "--admin="+url)
	const want = `ID    HEARD                 DOOR        ACCOUNT  BYTES  ITEM  CODE          FIELD       DETAIL
00ff  2026-05-01T08:00:00Z  sf          main     120    0     time_suspect  acceptTime  a year ahead
                                                        3     missing       mailno      没有运单号
11ee  2026-05-01T08:00:01Z  /v1/events  店铺     9      all   empty_list                no[31m events at all
2 in quarantine
`
	if status != 0 || seen != want {
		t.Errorf("status %d, seen\n%s\nwant\n%s", status, seen, want)
	}
	if status, seen := onTerminal(t, 80, "quarantine", "ls", "--admin="+url); status != 0 || seen != "0 in quarantine\n" {
		t.Errorf("empty: status %d, seen %q", status, seen)
	}
	if status, seen := onTerminal(t, 80, "quarantine", "ls", "--admin="+url); status != 1 || seen != "waytrace: "+url+": the answer is not a quarantine: is this the admin listener?\n" {
		t.Errorf("another server: status %d, seen %q", status, seen)
	}
}

func TestKeysOnTerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.yaml")
	_, entry := newKey()
	entry.ID, entry.Account, entry.Scopes, entry.Created, entry.Note = "abc", "main", []string{"read"}, "2026-05-01T08:00:00Z", "仓库"
	_, second := newKey()
	second.ID, second.Account, second.Scopes, second.Created, second.Carriers = "defghi", "shop", []string{"read", "push"}, "2026-05-02T08:00:00Z", []string{"sf", "yto"}
	if err := editKeys(path, func([]keyEntry) ([]keyEntry, error) { return []keyEntry{entry, second}, nil }); err != nil {
		t.Fatal(err)
	}
	status, seen := onTerminal(t, 80, "keys", "ls", "--keys-file="+path)
	const want = `ID      ACCOUNT  SCOPES     CARRIERS  CREATED               NOTE
abc     main     read       -         2026-05-01T08:00:00Z  仓库
defghi  shop     read push  sf yto    2026-05-02T08:00:00Z
`
	if status != 0 || seen != want {
		t.Errorf("status %d, seen\n%s\nwant\n%s", status, seen, want)
	}
}

// With many files there is a bar, and the answers stand above it.
func TestPushOnTerminal(t *testing.T) {
	args := []string{"push"}
	var answers []func(http.ResponseWriter)
	for i := range 20 {
		args = append(args, writeFile(t, "a.json", "{}"))
		answers = append(answers, says(200, strings.Replace(sfYes, "成功", fmt.Sprint("answer ", i), 1)))
	}
	answers[7] = says(200, strings.Replace(sfNo, "系统异常", "answer 7", 1))
	url, _ := played(t, answers...)
	status, seen := onTerminal(t, 80, append(args, "--to="+url)...)
	if status != 1 || !strings.Contains(seen, "20 of 20") || !strings.Contains(seen, "100 %") {
		t.Errorf("status %d, seen %q", status, seen)
	}
	for i := range 20 {
		if n := strings.Count(seen, fmt.Sprintf(`"answer %d"`, i)); n != 1 {
			t.Errorf("answer %d is seen %d times", i, n)
		}
	}
	if strings.Count(seen, "taken") != 2 || strings.Count(seen, args[8]+": not taken (200)\n") != 1 || !strings.HasSuffix(seen, "waytrace: 1 of 20 not taken\n") {
		t.Errorf("want a line for the one that was not taken, and the sum: %q", seen)
	}
}

// A bar that does not get to its end ends all the same.
func TestPushStopsOnTerminal(t *testing.T) {
	url, _ := played(t, says(200, sfYes))
	status, seen := onTerminal(t, 80, "push", "--to="+url, writeFile(t, "a.json", "{}"), "none.json", "none.json")
	if status != 1 || !strings.Contains(seen, "1 of 3") || !strings.Contains(seen, "waytrace: open none.json: no such file or directory\n") {
		t.Errorf("status %d, seen %q", status, seen)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"exactly 10", 10, "exactly 10"},
		{"two words", 8, "two|words"},
		{"two words", 3, "two|wor|ds"},
		{"one  two", 4, "one|two"},
		{"顺丰速运", 4, "顺丰|速运"},
		{"顺丰速运", 5, "顺丰|速运"},
		{"顺丰 速运", 5, "顺丰|速运"},
		{"a顺丰b", 3, "a顺|丰b"},
		{"anything", 0, "anything"},
		{"", 5, ""},
	} {
		if got := strings.Join(wrap(c.text, c.width), "|"); got != c.want {
			t.Errorf("%q in %d columns: got %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
