#!/usr/bin/env bash
# Shows on a cluster of its own what a cluster is for: pushes and reads go on through nginx while a node
# dies and comes back, and in the end all nodes hold the same. Exits 1 if anything failed.
#
#	demo.sh [--seconds N]          three nodes; one is killed with -9, and started again
#	demo.sh --two [--seconds N]    two nodes; one is replaced: taken out, stopped, wiped, cloned from the other
#
# N is how long each act lasts that has no end of its own (5). CLUSTER_PORT is where the cluster's ports
# begin (drawn at random), WAYTRACE the program (bin/waytrace in the project).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
nodes=3 length=5
while (($#)); do
	case $1 in
	--two) nodes=2 ;;
	--seconds) length=${2:?--seconds wants a number} && shift ;;
	*) sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit 2 ;;
	esac
	shift
done
[[ $length =~ ^[1-9][0-9]*$ ]] || { echo "--seconds $length: a whole number" && exit 2; }

export WAYTRACE=${WAYTRACE:-$here/../../bin/waytrace}
tmp=$(mktemp -d)
export CLUSTER_DIR=$tmp/cluster
began=$SECONDS failed=0 loads=()

free() {
	local offset
	for offset in 0 5 6 7 10 11 20 21 30 31; do
		! (exec 3<>"/dev/tcp/127.0.0.1/$(($1 + offset))") 2>/dev/null || return 1
	done
}
until [[ -n ${CLUSTER_PORT-} ]]; do
	try=$((20000 + RANDOM % 170 * 50))
	! free "$try" || CLUSTER_PORT=$try
done
export CLUSTER_PORT
door=http://127.0.0.1:$CLUSTER_PORT

cluster() { "$here/cluster.sh" "$@"; }
say() { printf '%3d s  %s\n' $((SECONDS - began)) "$*"; }
wrong() { failed=1 && say "FAILED: $*"; }

# The load reads which act is on at the beginning of each round, and ends when there is none.
end() {
	local status=$?
	trap '' INT TERM
	rm -f "$tmp/act"
	[[ ${#loads[@]} == 0 ]] || wait "${loads[@]}" || true
	if [[ $status =~ ^(0|130|143)$ ]]; then # done, or interrupted
		cluster wipe >/dev/null || status=1
		rm -rf "$tmp"
	else
		cluster stop >/dev/null || true
		echo "logs and data are left in $tmp"
	fi
	exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# pushes COUNT FIRST writes what curl is to do: COUNT pushes of the parcels from FIRST on. Every fourth
# comes again with what happened next, so that one parcel's scans come to several nodes.
pushes() {
	awk -v count="$1" -v first="$2" -v door="$door" '
	function scan(n, minute, status, words) {
		return sprintf("{\\\"number\\\":\\\"%s\\\",\\\"carrier\\\":\\\"sf\\\",\\\"time\\\":\\\"2026-03-01T08:%02d:00+08:00\\\",\\\"status\\\":\\\"%s\\\",\\\"description\\\":\\\"%s\\\"}",
			n, minute, status, words)
	}
	BEGIN {
		for (i = 0; i < count; i++) {
			later = i % 4 == 3
			n = sprintf("SF%013d", first + i - (later ? 3 : 0))
			events = later ? scan(n, 59, "delivered", "signed for") : scan(n, i % 20, "picked_up", "collected") "," scan(n, 20 + i % 30, "in_transit", "departed")
			if (i) print "next"
			print "url = \"" door "/v1/events#" n "\""
			print "header = \"Content-Type: application/json\""
			print "data = \"{\\\"events\\\":[" events "]}\""
			print "output = \"/dev/null\"\nmax-time = 10\nwrite-out = \"%{http_code} %{time_total} %{url}\\n\""
		}
	}'
}

# reads COUNT UPTO: reads of parcels that all nodes have had for a while.
reads() {
	awk -v count="$1" -v upto="$2" -v door="$door" -v seed="$RANDOM$RANDOM" '
	BEGIN {
		srand(seed)
		for (i = 0; i < count; i++) {
			n = int(rand() * upto)
			if (n % 4 == 3) n -= 3
			if (i) print "next"
			printf "url = \"%s/v1/status/SF%013d\"\n", door, n
			print "output = \"/dev/null\"\nmax-time = 10\nwrite-out = \"%{http_code} %{time_total} %{url}\\n\""
		}
	}'
}

ask() { curl -sS --no-progress-meter -Z --parallel-max 8 -K - 2>>"$tmp/curl.log" || true; }

now() { echo "${EPOCHREALTIME/[.,]/}"; } # in microseconds

# load KIND RATE FROM sends so many a second, in rounds of a quarter of a second, until no act is on; a round
# that takes longer is followed by the next at once. What was answered goes to a file for each act.
load() {
	local kind=$1 each=$(($2 / 4)) from=$3 act due left
	trap '' INT TERM # the round that is on is finished
	((each >= 1)) || each=1
	due=$(now)
	while act=$(cat "$tmp/act" 2>/dev/null); do
		"$kind" "$each" "$from" | ask >>"$tmp/$kind.$act"
		[[ $kind == reads ]] || from=$((from + each))
		due=$((due + 250000))
		left=$((due - $(now)))
		if ((left > 0)); then
			sleep "$((left / 1000000)).$(printf %06d $((left % 1000000)))"
		elif ((left < -1000000)); then
			due=$(now)
		fi
	done
}

act() { echo "$1" >"$tmp/act.new" && mv "$tmp/act.new" "$tmp/act"; }

# tell ACT WORDS prints what was asked during an act and how it was answered.
tell() {
	local kind line
	for kind in pushes reads; do
		sort -k2,2n "$tmp/$kind.$1" | awk -v kind="$kind" '
		$1 != 200 { bad++ }
		{ t[NR] = $2 * 1000 }
		function at(p) { i = int(p * NR + 0.999); return t[i < 1 ? 1 : i] }
		END { printf "%d %s, %d failed, p50 %.1f ms, p99 %.1f ms, slowest %.0f ms", NR, kind, bad, at(0.5), at(0.99), t[NR]; exit bad > 0 || NR == 0 }' \
			>"$tmp/line" || failed=1
		line=$(cat "$tmp/line")
		echo "         $line"
	done
}

# figure NODE NAME adds up a figure of the node's partitions.
figure() {
	curl -fsS -m 5 "http://$(cluster admin "$1")/relay" | awk -F '[:,]' -v name="\"$2\"" '$1 ~ name { sum += $2 } END { print sum + 0 }'
}

# settled: nothing is on its way between nodes.
settled() {
	local n
	for n in $names; do
		[[ $(figure "$n" waiting) == 0 && $(figure "$n" lag_records) == 0 ]] || return 1
	done
}

settle() {
	local deadline=$((SECONDS + 60))
	until settled; do
		((SECONDS < deadline)) || { wrong "after 60 s something is still on its way between nodes" && return; }
		sleep 0.1
	done
}

# count NODE says how many of the parcels in $tmp/numbers a node answers.
count() {
	split -l 1000 -a 4 "$tmp/numbers" "$tmp/batch."
	local file
	for file in "$tmp"/batch.*; do
		awk 'BEGIN { printf "{\"numbers\":[" } { printf "%s\"%s\"", (NR > 1 ? "," : ""), $1 } END { print "]}" }' "$file" |
			curl -fsS -m 10 -H 'Content-Type: application/json' --data-binary @- "http://$(cluster public "$1")/v1/status/batch"
	done | grep -o '"trace":{' | wc -l
	rm -f "$tmp"/batch.*
}

names="a b c"
[[ $nodes == 3 ]] || names="a b"
say "a cluster of $nodes nodes (${names// /, }), Kafka and nginx: $door"
cluster start "$nodes" >/dev/null

fill=1000
pushes "$fill" 0 | ask >"$tmp/pushes.fill"
settle
mark=$(now)
pushes 2000 "$fill" | ask >>"$tmp/pushes.fill" &
reads 2000 "$fill" | ask >"$tmp/reads.fill"
wait $!
rate=$((2000 * 1000000 / ($(now) - mark) / 2))
fill=3000
settle
tell fill
say "half load, with all of it on this machine: $rate pushes and $rate reads a second"

act before
load pushes "$rate" "$fill" &
loads+=($!)
load reads "$rate" "$fill" &
loads+=($!)
sleep "$length"

mark=$(now)
if [[ $nodes == 3 ]]; then
	act dead
	cluster kill9 b
	say "b is killed (-9)"
	sleep "$length"
	act back
	mark=$(now)
	cluster up b
else
	act dead
	cluster out b
	deadline=$((SECONDS + 60))
	until [[ $(figure b waiting) == 0 ]]; do # what it has not told is nowhere else
		((SECONDS < deadline)) || { wrong "b does not get rid of what it has to tell" && exit 1; }
		sleep 0.05
	done
	cluster down b
	rm -rf "$(cluster data b)"
	say "b was taken out of nginx, stopped, and its directory removed"
	sleep "$length"
	act back
	mark=$(now)
	"$WAYTRACE" clone --from "http://$(cluster admin a)" --data "$(cluster data b)" >"$tmp/clone.log" 2>&1 ||
		{ tail -n 5 "$tmp/clone.log" && wrong "the clone"; }
	say "b has a clone of a, after $((($(now) - mark) / 1000)) ms"
	cluster up b
fi
cluster ready b
say "b is ready again, $((($(now) - mark) / 1000)) ms after it was begun"
[[ $nodes == 3 ]] || cluster in b
sleep "$length"
act after
sleep "$length"
rm "$tmp/act"
wait "${loads[@]}" || true
loads=()
mark=$(now)
settle
say "the load is over; $((($(now) - mark) / 1000)) ms later nothing is on its way between nodes"

while read -r name words; do
	echo "       $words"
	tell "$name"
done <<-TEXT
	before all nodes were there
	dead b was gone
	back b came back
	after all were there again
TEXT
say "nginx passed on to another node: $(grep -cE "while (connecting to|reading|sending)" "$CLUSTER_DIR/nginx/error.log" || true)"

awk '$1 == 200 { sub(".*#", "", $3); print $3 }' "$tmp"/pushes.* | sort -u >"$tmp/numbers"
for n in $names; do
	has=$(count "$n")
	say "$n answers $has of $(wc -l <"$tmp/numbers") parcels that were acknowledged"
	[[ $has == "$(wc -l <"$tmp/numbers")" ]] || wrong "$n lacks some"
done
first=a
for n in $names; do
	"$WAYTRACE" verify --admin "http://$(cluster admin "$n")" >"$tmp/verify.log" 2>&1 || { cat "$tmp/verify.log" && wrong "waytrace verify of $n"; }
	tail -n 1 "$tmp/verify.log" | sed "s/^/         verify $n: /"
	[[ $n != "$first" ]] || continue
	"$WAYTRACE" verify --admin "http://$(cluster admin "$first")" --peer "http://$(cluster admin "$n")" >"$tmp/verify.log" 2>&1 ||
		{ cat "$tmp/verify.log" && wrong "$first and $n differ"; }
	tail -n 1 "$tmp/verify.log" | sed "s/^/         verify $first and $n: /"
	first=$n
done
[[ $failed == 0 ]] || { say "something failed" && exit 1; }
say "no request failed, and all nodes hold the same"
