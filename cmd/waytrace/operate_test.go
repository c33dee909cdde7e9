package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// scanOf is a push of SF's with one scan.
func scanOf(number, time, code string) string {
	return fmt.Sprintf(`{"Body":{"WaybillRoute":[{"mailno":%q,"acceptTime":%q,"opCode":%q,"remark":"到达"}]}}`, number, time, code)
}

// list reads the quarantine of a daemon.
func (r *running) list(t *testing.T, query string) quarantined {
	t.Helper()
	got := r.do(t, "GET", r.admin+"/quarantine"+query, "")
	var kept quarantined
	if err := json.Unmarshal([]byte(got.body), &kept); err != nil || got.status != 200 {
		t.Fatalf("GET /quarantine%s: %d %s", query, got.status, got.body)
	}
	return kept
}

// An operator's way with what was not understood: look, replay, drop.
func TestQuarantineFromTheCommandLine(t *testing.T) {
	r := start(t)
	at := "--admin=" + r.admin
	const good = `{"mailno":"SF7444400031887","acceptTime":"2020-05-11 16:56:54","opCode":"50"}`
	garbage := `{"Body":{"WaybillRoute":[{"mailno":"SF7444400031887","acceptTime":"yesterday","opCode":"80"},` + good + `]}}`
	for range 2 {
		if got := r.push(t, garbage); got.body != success {
			t.Fatalf("garbage was answered %s", got.body)
		}
	}
	if got := r.do(t, "GET", "/v1/status/SF7444400031887", ""); !strings.Contains(got.body, `"picked_up"`) {
		t.Errorf("what is understood of it: %s", got.body)
	}

	status, out, said := runs(t, "quarantine", "ls", at)
	var kept quarantined
	if err := json.Unmarshal([]byte(out), &kept); err != nil || status != 0 || kept.Total != 1 || len(kept.Items) != 1 || kept.Bytes < int64(len(garbage)) {
		t.Fatalf("ls: status %d, %s, stderr %s", status, out, said)
	}
	id := kept.Items[0].ID
	if f := kept.Items[0].Faults; len(f) != 1 || f[0].Field != "acceptTime" || f[0].Index != 0 || kept.Items[0].Carrier != "sf" {
		t.Errorf("ls: %s", out)
	}

	var shown shownRequest
	status, out, _ = runs(t, "quarantine", "show", id, at)
	if err := json.Unmarshal([]byte(out), &shown); err != nil || status != 0 || shown.Body != garbage || shown.Account != "main" {
		t.Errorf("show: status %d, %s", status, out)
	}
	if status, out, _ = runs(t, "quarantine", "show", "--body", id, at); status != 0 || out != garbage {
		t.Errorf("show --body: status %d, %s", status, out)
	}

	status, out, said = runs(t, "quarantine", "replay", id, at)
	if status != 1 || !strings.Contains(out, `"replayed": false`) || !strings.Contains(said, id+": stays, 0 events were news; 1 faults\nwaytrace: 1 of 1 still not understood\n") {
		t.Errorf("replay: status %d, %s, stderr %s", status, out, said)
	}
	if status, _, said = runs(t, "quarantine", "replay", "--all", at); status != 0 || said != "1 read again, 0 understood, 0 events were news\n" {
		t.Errorf("replay --all: status %d, %s", status, said)
	}
	if status, _, said = runs(t, "quarantine", "replay", "--carrier=events", at); status != 0 || said != "0 read again, 0 understood, 0 events were news\n" {
		t.Errorf("replay --carrier: status %d, %s", status, said)
	}

	if status, _, said = runs(t, "quarantine", "drop", id, at); status != 0 || said != id+": dropped\n" {
		t.Errorf("drop: status %d, %s", status, said)
	}
	for _, command := range [][]string{{"drop", id}, {"show", id}, {"replay", id}} {
		if status, _, said := runs(t, "quarantine", command[0], command[1], at); status != 1 || !strings.Contains(said, "404 not_found: there is no request "+id) {
			t.Errorf("%s once it has gone: status %d, %s", command[0], status, said)
		}
	}
	if status, _, said := runs(t, "quarantine", "show", "7", at); status != 1 || !strings.Contains(said, "400 invalid_id") {
		t.Errorf("a wrong id: status %d, %s", status, said)
	}

	r.push(t, garbage)
	r.do(t, "POST", "/v1/events", `{"events":[{"number":"SF1"}]}`, "Content-Type", "application/json")
	if status, _, said := runs(t, "quarantine", "drop", "--all", at); status != 1 || said != "waytrace: this would drop all 2 requests: say --yes\n" {
		t.Errorf("drop --all: status %d, %s", status, said)
	}
	if status, _, said := runs(t, "quarantine", "drop", "--carrier=events", "--yes", at); status != 0 || said != "1 dropped\n" {
		t.Errorf("drop --carrier: status %d, %s", status, said)
	}
	if kept := r.list(t, ""); kept.Total != 1 || kept.Items[0].Carrier != "sf" {
		t.Errorf("after that: %+v", kept)
	}
	if status, _, said := runs(t, "quarantine", "drop", "--all", "--yes", at); status != 0 || said != "1 dropped\n" {
		t.Errorf("drop --all --yes: status %d, %s", status, said)
	}
	if kept := r.list(t, ""); kept.Total != 0 || kept.Bytes != 0 {
		t.Errorf("in the end: %+v", kept)
	}
	for _, args := range [][]string{{"replay"}, {"drop"}, {"replay", "--all", "--carrier=sf"}, {"drop", "00", "--all"}} {
		if status, _, said := runs(t, append([]string{"quarantine"}, args...)...); status != 2 || !strings.Contains(said, "give ids, or --all, or --carrier") {
			t.Errorf("%q: status %d, %s", args, status, said)
		}
	}
}

// A list goes on where the one before ended, newest first.
func TestQuarantinePages(t *testing.T) {
	r := start(t)
	for n := range 7 {
		r.push(t, scanOf(fmt.Sprintf("SF000%d", n), "yesterday", "50"))
	}
	r.do(t, "POST", "/v1/events", `{"events":[{"number":"SF1"}]}`, "Content-Type", "application/json")
	seen, before := 0, time.Now().Add(time.Hour)
	for after := ""; ; {
		kept := r.list(t, "?carrier=sf&limit=3"+after)
		for _, item := range kept.Items {
			heard, err := time.Parse(time.RFC3339, item.Heard)
			if seen++; err != nil || heard.After(before) || item.Carrier != "sf" {
				t.Errorf("%s of %s comes behind %s", item.Heard, item.Carrier, before)
			}
			before = heard
		}
		if kept.Total != 8 {
			t.Errorf("total %d, want 8", kept.Total)
		}
		if kept.Next == "" {
			break
		}
		after = "&after=" + kept.Next
	}
	if seen != 7 {
		t.Errorf("saw %d of 7", seen)
	}
	for path, want := range map[string]string{
		"?limit=0": "limit", "?limit=1001": "limit", "?after=x": "after", "?after=": "after", "?colour=red": "no such parameter",
		"?carrier=S!": "invalid_carrier", "?limit=1&limit=2": "more than once",
	} {
		if got := r.do(t, "GET", r.admin+"/quarantine"+path, ""); got.status != 400 || !strings.Contains(got.body, want) {
			t.Errorf("GET /quarantine%s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
}

// When there is no room for what is not understood its sender keeps it, and what is
// understood is stored all the same.
func TestFullQuarantine(t *testing.T) {
	r := start(t, "--quarantine.max-size=1MiB")
	status := func() string { return r.do(t, "GET", r.admin+"/status", "").body }
	if strings.Contains(status(), `"warning"`) {
		t.Errorf("it warns from the start: %s", status())
	}
	big := func(n int) string {
		return fmt.Sprintf(`{"Body":{"WaybillRoute":[{"mailno":"SF000%d","acceptTime":"2020-05-11 16:56:54","opCode":"50"},{"mailno":"SF000%d","remark":"%s"}]}}`, n, n, strings.Repeat("x", 300<<10))
	}
	for n := range 3 {
		if got := r.push(t, big(n)); got.status != 200 || got.body != success {
			t.Fatalf("push %d: %d %s", n, got.status, got.body)
		}
	}
	if got := r.push(t, big(3)); got.status != 503 || !strings.Contains(got.body, `"1000"`) {
		t.Errorf("one too many: %d %s", got.status, got.body)
	}
	if got := r.push(t, big(0)); got.body != success {
		t.Errorf("one that is there already: %s", got.body)
	}
	if got := r.do(t, "GET", "/v1/status/SF0003", ""); got.status != 200 {
		t.Errorf("what is understood of it: %d %s", got.status, got.body)
	}
	if got := status(); !strings.Contains(got, `"warning": "the quarantine is filling: 3 requests, 88% of 1MiB;`) {
		t.Errorf("status: %s", got)
	}
	metrics := r.do(t, "GET", r.admin+"/metrics", "").body
	for _, want := range []string{"waytrace_quarantine_full 1\n", "waytrace_quarantine_requests 3\n", "waytrace_quarantine_bytes ", `waytrace_quarantine_faults_total{carrier="sf",code="missing_time"}`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if got := r.do(t, "GET", r.admin+"/ready", ""); got.status != 200 {
		t.Errorf("ready: %d %s", got.status, got.body)
	}
	if status, _, said := runs(t, "quarantine", "drop", "--carrier=sf", "--yes", "--admin="+r.admin); status != 0 {
		t.Error(said)
	}
	if got := r.push(t, big(3)); got.body != success {
		t.Errorf("with room again: %s", got.body)
	}
}

// Codes that no table knows are reported once each; a refold goes through all
// parcels.
func TestUnmappedAndRefold(t *testing.T) {
	r := start(t)
	at := "--admin=" + r.admin
	for n := range 3 {
		r.push(t, scanOf(fmt.Sprintf("SF000%d", n), "2020-05-11 16:56:54", "odd=1"))
	}
	r.push(t, sampleJSON)
	var items []unmappedItem
	got := r.do(t, "GET", r.admin+"/unmapped", "")
	if err := json.Unmarshal([]byte(got.body), &items); err != nil || len(items) != 1 || items[0].Carrier != "sf" || items[0].Code != "odd=1" || items[0].Count != 3 || items[0].Sample.Number != "SF0000" || items[0].Sample.Text != "到达" {
		t.Errorf("unmapped: %d %s", got.status, got.body)
	}
	status, out, said := runs(t, "codes", "--unmapped", at)
	if want := "carrier,code,count,number,reason,text,first_seen\nsf,odd=1,3,SF0000,,到达,"; status != 0 || !strings.HasPrefix(out, want) || said != "1 codes that no table knows\n" {
		t.Errorf("codes --unmapped: status %d, %s, stderr %s", status, out, said)
	}
	for _, args := range [][]string{{"refold", at}, {"refold", "--notify", at}} {
		if status, out, said := runs(t, args...); status != 0 || out != "" || said != "4 parcels looked at, 0 of them changed; 0 codes that were unmapped are known now\n" {
			t.Errorf("%q: status %d, %s, stderr %s", args, status, out, said)
		}
	}
	if got := r.do(t, "POST", r.admin+"/refold?notify=perhaps", ""); got.status != 400 {
		t.Errorf("notify=perhaps: %d %s", got.status, got.body)
	}
	lines := r.do(t, "POST", r.admin+"/refold", "")
	if lines.header.Get("Content-Type") != "application/x-ndjson" || !strings.HasSuffix(lines.body, `{"done":{"waybills":4,"changed":0,"total":4,"codes":0}}`+"\n") {
		t.Errorf("refold: %v %s", lines.header, lines.body)
	}
}

// The tables are in the program; no daemon is asked.
func TestCodes(t *testing.T) {
	status, out, said := runs(t, "codes")
	if status != 0 || said != "" || !strings.HasPrefix(out, "carrier,name,version,tables,codes\nsf,SF Express,") || !strings.Contains(out, "\nalibaba,Alibaba,") {
		t.Errorf("codes: status %d, %s, stderr %s", status, out, said)
	}
	status, out, said = runs(t, "codes", "alibaba")
	if status != 0 || said != "" || !strings.HasPrefix(out, "code,reason,status,sub,meaning,source\n") || !strings.Contains(out, "\nS_CARRIER_PICKUP,,picked_up,") {
		t.Errorf("codes alibaba: status %d, %.300s, stderr %s", status, out, said)
	}
	if status, out, said = runs(t, "codes", "sf"); status != 0 || said != "" || !strings.HasPrefix(out, "table,code,reason,status,sub,meaning,source\n") || !strings.Contains(out, ",80,,delivered,signed,") {
		t.Errorf("codes sf: status %d, %.300s, stderr %s", status, out, said)
	}
	if status, _, said = runs(t, "codes", "nobody"); status != 1 || said != "waytrace: there is no carrier nobody: `waytrace codes` lists them\n" {
		t.Errorf("codes nobody: status %d, %s", status, said)
	}
	if status, _, said = runs(t, "codes", "sf", "--unmapped"); status != 2 {
		t.Errorf("codes sf --unmapped: status %d, %s", status, said)
	}
}

// An operator's word outranks the scans, and can be taken back.
func TestOverrideFromTheCommandLine(t *testing.T) {
	r := start(t)
	r.push(t, sampleJSON)
	r.do(t, "POST", "/v1/events", `{"events":[{"number":"SAME0001","carrier":"yto","date":"2026-11-01","status":"in_transit"},{"number":"SAME0001","carrier":"sto","date":"2026-11-01","status":"in_transit"}]}`, "Content-Type", "application/json")
	code := func(number string) string {
		var s struct{ Status struct{ Code string } }
		json.Unmarshal([]byte(r.do(t, "GET", "/v1/status/"+number, "").body), &s)
		return s.Status.Code
	}
	at := "--to=" + r.url
	status, out, said := runs(t, "override", "SF7444400031887", "--status=lost", "--author=li", "--reason=a flood", at)
	if status != 0 || said != "" || !strings.Contains(out, `"code":"lost"`) || strings.Contains(out, `"events"`) || code("SF7444400031887") != "lost" {
		t.Errorf("lost: status %d, %s, stderr %s; now %s", status, out, said, code("SF7444400031887"))
	}
	status, out, said = runs(t, "override", "SF7444400031887", "--withdraw", "--author=li", "--reason=found", at)
	if status != 0 || !strings.Contains(out, `"code":"delivered"`) || code("SF7444400031887") != "delivered" {
		t.Errorf("withdrawn: status %d, %s, stderr %s", status, out, said)
	}
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"SAME0001 --status=lost", 1, "400 ambiguous_carrier: several carriers have the number SAME0001: say which with ?carrier=; there are sto, yto"},
		{"SAME0001 --status=lost --carrier=yto", 0, ""},
		{"SF0000 --status=lost", 1, "404 not_found"},
		{"SF7444400031887 --status=teleported", 1, "400 invalid_status"},
		{"SF7444400031887", 2, "give --status, or --withdraw"},
		{"SF7444400031887 --status=lost --withdraw", 2, "give --status, or --withdraw"},
		{"SF7444400031887 --withdraw --sub=signed", 2, "has no --sub"},
	} {
		args := append([]string{"override", at, "--author=li", "--reason=why"}, strings.Fields(c.args)...)
		if status, _, said := runs(t, args...); status != c.status || !strings.Contains(said, c.want) {
			t.Errorf("%s: status %d, %s; want %d, %s", c.args, status, said, c.status, c.want)
		}
	}
	if got := r.do(t, "GET", "/v1/status/SAME0001?carrier=yto", ""); !strings.Contains(got.body, `"code":"lost"`) {
		t.Errorf("SAME0001 at yto: %s", got.body)
	}
	if got := r.do(t, "POST", "/v1/traces/SF7444400031887/override", `{"status":"lost","sub":null,"author":"li","reason":"x"}`, "If-None-Match", "*"); got.status != 200 || !strings.Contains(got.body, `"lost"`) {
		t.Errorf("by hand: %d %s", got.status, got.body)
	}
}

// A full list that drops the delivery is not believed at once, and is to be seen.
func TestDoubtfulLists(t *testing.T) {
	r := start(t)
	scan := func(code, hour, text string) string {
		return fmt.Sprintf(`{"location":"深圳","traceCode":%q,"traceDescCn":%q,"traceDescEn":"x","operatorName":"li","quantity":1,"traceTime":"2024-03-18T%s:00:00+08:00"}`, code, text, hour)
	}
	notify := func(scans ...string) {
		t.Helper()
		body := `{"aliOrderNo":"ALS20240318000921","traceInfos":[` + strings.Join(scans, ",") + `]}`
		if got := r.do(t, "POST", "/push/alibaba/notifyTrace", body, "Content-Type", "application/json"); !strings.Contains(got.body, `"isSuccess":true`) {
			t.Fatalf("%s was answered %s", body, got.body)
		}
	}
	pickup, signed := scan("S_CARRIER_PICKUP", "09", "已收件"), scan("S_DELIVERY_SIGNED", "18", "已签收")
	notify(pickup, signed)
	if got := r.do(t, "GET", r.admin+"/quarantine/doubtful", ""); !strings.Contains(got.body, `"items": []`) {
		t.Errorf("before any doubt: %s", got.body)
	}
	notify(pickup)
	status, out, said := runs(t, "quarantine", "ls", "--doubtful", "--admin="+r.admin)
	var list doubts
	if err := json.Unmarshal([]byte(out), &list); err != nil || status != 0 || len(list.Items) != 1 {
		t.Fatalf("status %d, %s, stderr %s", status, out, said)
	}
	d := list.Items[0]
	if d.Number != "ALS20240318000921" || d.Source != "alibaba" || len(d.Hides) != 1 || len(d.Restores) != 0 ||
		d.Hides[0].Description != "已签收" || d.Hides[0].ID == "" || d.Hides[0].Time != "2024-03-18T18:00:00+08:00" {
		t.Errorf("got %s", out)
	}
	if table := string(appendDoubts(nil, list)); !strings.Contains(table, "hide") || !strings.Contains(table, "已签收") {
		t.Errorf("as a table:\n%s", table)
	}
	notify(pickup, signed) // it was a slip
	if got := r.do(t, "GET", r.admin+"/quarantine/doubtful", ""); !strings.Contains(got.body, `"items": []`) {
		t.Errorf("when the list is whole again: %s", got.body)
	}
	if status, _, said := runs(t, "quarantine", "ls", "--doubtful", "--carrier=sf"); status != 2 {
		t.Errorf("of one carrier: status %d, %s", status, said)
	}
}

// A push that is signed as Alibaba signs goes through its gateway; the secret is
// shown nowhere.
func TestSignedPush(t *testing.T) {
	const secret = "correct-horse-battery"
	r := start(t, "--carriers.alibaba.secrets="+secret, "--carriers.alibaba.app-key=4711")
	file := writeFile(t, "trace.json", `{"aliOrderNo":"ALS20240318000921","traceInfos":[{"location":"深圳","operatorName":"li","quantity":1,"traceDescEn":"x","traceCode":"S_CARRIER_PICKUP","traceDescCn":"已收件","traceTime":"2024-03-18T09:41:07+08:00"}]}`)
	if status, out, said := runs(t, "push", "--as=alibaba", "--to="+r.url, file); status != 1 || strings.Contains(out, `"isSuccess":true`) {
		t.Errorf("unsigned: status %d, %s %s", status, out, said)
	}
	t.Setenv("WAYTRACE_SECRET", secret)
	status, out, said := runs(t, "push", "--as=alibaba", "--secret-key=4711", "--to="+r.url, file)
	if status != 0 || !strings.Contains(out, `"isSuccess":true`) || strings.Contains(out+said, secret) {
		t.Errorf("signed: status %d, %s %s", status, out, said)
	}
	if got := r.do(t, "GET", "/v1/status/ALS20240318000921", ""); got.status != 200 {
		t.Errorf("it is not there: %d %s", got.status, got.body)
	}
	t.Setenv("WAYTRACE_SECRET", "another")
	if status, out, _ := runs(t, "push", "--as=alibaba", "--secret-key=4711", "--to="+r.url, file); status != 1 || strings.Contains(out, `"isSuccess":true`) {
		t.Errorf("signed with another: status %d, %s", status, out)
	}
}

// A token as the last segment opens a carrier's gateway as it opens its doors, and is
// no part of the path that the dialect reads.
func TestGatewayByToken(t *testing.T) {
	token := strings.Repeat("0123456789abcdef", 4)
	r := start(t, "--carriers.alibaba.tokens="+token)
	const args = "?aliOrderNo=ALS20240318000921&batchId=1&chargeItemArray=%5B%7B%22code%22%3A%22basic%22%2C%22name%22%3A%22x%22%2C%22quantity%22%3A1%7D%5D"
	for path, want := range map[string]string{
		"/openapi/param2/1/ns/claimCharge/4711/" + token:       `"isSuccess":true`,
		"/push/alibaba/claimCharge/" + token:                   `"isSuccess":true`,
		"/openapi/param2/1/ns/claimCharge/4711":                `"isSuccess":false`,
		"/openapi/param2/1/ns/claimCharge/4711/" + token + "0": `"isSuccess":false`,
		"/push/alibaba/claimCharge":                            `"isSuccess":false`,
	} {
		if got := r.do(t, "GET", path+args, ""); !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
}

// A token in an account's door files what is pushed for that account.
func TestPushForAnAccount(t *testing.T) {
	usual, shop := strings.Repeat("0123456789abcdef", 4), strings.Repeat("fedcba9876543210", 4)
	file := writeFile(t, "waytrace.yaml", "carriers: {sf: {tokens: ["+usual+"], accounts: {shop: {tokens: ["+shop+"], language: en}}}}")
	r := start(t, "--config="+file)
	for token, number := range map[string]string{usual: "SF0001", shop: "SF0002"} {
		body := strings.Replace(strings.Replace(sampleJSON, "SF7444400031887", number, -1), "202003225d33322239ddW1df5t3", "order-1", -1)
		if got := r.do(t, "POST", "/push/sf/"+token, body); got.body != success {
			t.Errorf("%s: %d %s", number, got.status, got.body)
		}
	}
	if got := r.do(t, "GET", "/v1/references/order-1", ""); !strings.Contains(got.body, "SF0001") || strings.Contains(got.body, "SF0002") {
		t.Errorf("the usual account's reference leads to %s", got.body)
	}
	r.do(t, "POST", "/push/sf/"+shop, scanOf("SF0003", "yesterday", "50"))
	if kept := r.list(t, ""); kept.Total != 1 || kept.Items[0].Account != "shop" {
		t.Errorf("in quarantine: %+v", kept)
	}
}
