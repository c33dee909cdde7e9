#!/usr/bin/env bash
# A cluster on this machine, all on loopback: a Kafka of its own, nodes, and nginx before them, which
# passes a request that one node cannot answer to another. What it keeps lies in one directory.
set -euo pipefail

usage() {
	cat <<-'TEXT'
		cluster.sh COMMAND

		start [N]        starts Kafka, N nodes (3 the first time, then as many as there are) and nginx, waits until
		                 all are ready, and prints where they are; what runs already is left alone
		stop             stops all; what they keep stays
		wipe             stop, then removes what they keep
		status           prints where they are and how they are
		up NODE          starts one node, and returns when its process runs
		ready NODE       waits until it is ready
		down NODE        stops it in order, and waits until it is gone
		kill9 NODE       kills it, and waits until it is gone
		out NODE         nginx passes no more requests to it; returns when those that it passed are answered
		in NODE          nginx passes requests to it again
		public NODE, admin NODE, data NODE, log NODE
		                 its public and its admin address, its data directory, its log
		kafka COMMAND    kafka.sh COMMAND, for the cluster's broker

		Nodes are a, b, c and so on.

		CLUSTER_PORT     nginx's port on 127.0.0.1 (8080); the nodes have those 10, 20, 30 … further up, each with the
		                 next one for its admin listener, and Kafka the three from 5 further up
		CLUSTER_DIR      where all is kept (.cluster/PORT in the project)
		WAYTRACE         the program (bin/waytrace in the project)
	TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
port=${CLUSTER_PORT:-8080}
dir=${CLUSTER_DIR:-$root/.cluster/$port}
program=${WAYTRACE:-$root/bin/waytrace}
names=(a b c d e)
seconds=60 # that anything may take
[[ $port =~ ^[0-9]+$ ]] || { echo "CLUSTER_PORT is $port: name a port"; exit 1; }
[[ $dir == /* ]] || dir=$PWD/$dir
[[ $program == /* ]] || program=$PWD/$program

die() {
	echo "cluster: $*" >&2
	exit 1
}

need() {
	command -v "$1" >/dev/null 2>&1 || [[ -x /usr/sbin/$1 ]] || die "$1 is not here: install it, for example: apt-get install $2"
}

kafka() { KAFKA_PORT=$((port + 5)) KAFKA_DIR=$dir/kafka KAFKA_HEAP=${KAFKA_HEAP:-256m} "$root/deploy/kafka/kafka.sh" "$@"; }

# place says which node it is, counted from 1.
place() {
	local i
	for i in "${!names[@]}"; do
		[[ ${names[i]} != "${1-}" ]] || { echo $((i + 1)) && return; }
	done
	die "there is no node ${1:-without a name}: they are ${names[*]}"
}

public() { local i; i=$(place "${1-}") && echo "127.0.0.1:$((port + 10 * i))"; }
admin() { local i; i=$(place "${1-}") && echo "127.0.0.1:$((port + 10 * i + 1))"; }

nodes() { cat "$dir/nodes" 2>/dev/null || true; }

# is PIDFILE WORDS prints the process of that number if its command line has the words: a number may
# have gone to another process.
is() {
	local pid
	pid=$(cat "$1" 2>/dev/null) && [[ -n $pid ]] || return 1
	[[ " $(ps -o args= -p "$pid" 2>/dev/null) " == *" $2 "* ]] && echo "$pid"
}

running() { is "$dir/$1/pid" "$dir/$1/waytrace.yaml"; }
nginx_running() { is "$dir/nginx/pid" "$dir/nginx/nginx.conf"; }

# await SECONDS COMMAND… until it is true.
await() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || return 1
		sleep 0.05
	done
}

# A process that was killed is out of the list of processes before its port is free.
gone() { ! running "$1" && ! (exec 3<>"/dev/tcp/$(admin "$1" | tr : /)"); }
nginx_gone() { ! nginx_running; }
is_ready() { curl -fsS -m 2 -o /dev/null "http://$(admin "$1")/ready"; }

# configure writes a node's settings: they name all nodes.
configure() {
	local n
	mkdir -p "$dir/$1"
	{
		cat <<-TEXT
			listen: $(public "$1")
			admin_listen: $(admin "$1")
			data: $dir/$1/data
			keys_file: $dir/$1/keys.yaml
			trusted_proxies: [ 127.0.0.1/32 ]
			insecure_no_auth: true # all of it listens on loopback; elsewhere: waytrace keys new
			carriers:
			  sf:
			    tokens: [ $(cat "$dir/token") ]
			store:
			  cache: 64MiB
			kafka:
			  brokers: [ 127.0.0.1:$((port + 5)) ]
			  topic: waytrace
			cluster:
			  self: $1
			  key: $(cat "$dir/key")
			  nodes:
		TEXT
		for n in $(nodes); do
			echo "    - $n=http://$(admin "$n")"
		done
	} >"$dir/$1/waytrace.yaml"
}

up() {
	public "$1" >/dev/null
	! running "$1" >/dev/null || return 0
	[[ -e $dir/$1/waytrace.yaml ]] || die "there is no node $1 in $dir: cluster.sh start"
	rm -f "$dir/$1/pid"
	# A session of its own: what ends this shell does not end the node.
	(
		cd "$dir/$1"
		setsid "$BASH" -c 'echo $$ >pid && exec "$@"' node "$program" serve --config "$dir/$1/waytrace.yaml" >>log 2>&1 </dev/null &
	)
	await 5 running "$1" || { tail -n 5 "$dir/$1/log" >&2 && die "$1 ended again: $dir/$1/log"; }
}

ready() {
	local deadline=$((SECONDS + seconds))
	until is_ready "$1" 2>/dev/null; do
		running "$1" >/dev/null || { tail -n 5 "$dir/$1/log" >&2 && die "$1 has ended: $dir/$1/log"; }
		((SECONDS < deadline)) || die "$1 is not ready after $seconds s: $(curl -sS -m 2 "http://$(admin "$1")/ready" 2>&1)"
		sleep 0.1
	done
}

# end SIGNAL NODE
end() {
	local pid
	pid=$(running "$2") || return 0
	kill "-$1" "$pid" 2>/dev/null || true
	await "$seconds" gone "$2" || die "$2 (process $pid) is still there after $seconds s"
	rm -f "$dir/$2/pid"
}

nginx_nodes() {
	local n
	for n in $(nodes); do
		if [[ -e $dir/$n/out ]]; then
			echo "server $(public "$n") down;"
		else
			echo "server $(public "$n") max_fails=3 fail_timeout=2s;"
		fi
	done >"$dir/nginx/nodes.conf"
}

# nginx_reload returns when the workers of before are gone, with the requests that they passed on.
nginx_reload() {
	local pid workers
	nginx_nodes
	pid=$(nginx_running) || return 0
	workers=$(ps -o pid= --ppid "$pid" | xargs)
	kill -HUP "$pid"
	await "$seconds" ended "$workers" || die "nginx still works with the settings of before: $dir/nginx/error.log"
}

ended() { ! ps -o pid= -p "${1// /,}"; }

nginx_up() {
	! nginx_running >/dev/null || return 0
	mkdir -p "$dir/nginx"
	nginx_nodes
	sed -e "s|@dir@|$dir/nginx|g" -e "s|@port@|$port|g" "$here/nginx.conf" >"$dir/nginx/nginx.conf"
	(cd "$dir/nginx" && PATH=$PATH:/usr/sbin setsid nginx -p "$dir/nginx" -e "$dir/nginx/error.log" -c "$dir/nginx/nginx.conf" >/dev/null 2>>error.log </dev/null) ||
		{ tail -n 5 "$dir/nginx/error.log" >&2 && die "nginx did not start: $dir/nginx/error.log"; }
	await 5 nginx_running || die "nginx did not start: $dir/nginx/error.log"
}

nginx_down() {
	local pid
	pid=$(nginx_running) || return 0
	kill -QUIT "$pid" 2>/dev/null || true
	await 5 nginx_gone || kill -TERM "$pid" 2>/dev/null || true
	await 5 nginx_gone || die "nginx (process $pid) is still there"
}

start() {
	local n count=${1:-3}
	need nginx nginx
	need curl curl
	need setsid util-linux
	[[ -x $program ]] || die "$program is not there: make build"
	[[ $count =~ ^[1-5]$ ]] || die "1 to 5 nodes, not $count"
	mkdir -p "$dir"
	[[ $dir != "$root/.cluster"* || -e $root/.cluster/.gitignore ]] || echo '*' >"$root/.cluster/.gitignore"
	[[ -e $dir/nodes ]] || echo "${names[@]:0:count}" >"$dir/nodes"
	for n in key token; do
		[[ -e $dir/$n ]] || (umask 077 && head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$dir/$n")
	done
	kafka start >/dev/null
	kafka create-topic waytrace
	for n in $(nodes); do
		configure "$n"
		up "$n"
	done
	for n in $(nodes); do
		ready "$n"
	done
	nginx_up
	status
}

stop() {
	local n
	nginx_down
	for n in $(nodes); do
		end TERM "$n"
	done
	[[ ! -d $dir/kafka ]] || kafka stop
}

status() {
	local n said
	[[ -e $dir/nodes ]] || die "there is no cluster in $dir: cluster.sh start"
	printf '%-6s http://127.0.0.1:%-6s %s\n' nginx "$port" "$(nginx_running >/dev/null && echo running || echo stopped)"
	for n in $(nodes); do
		if ! running "$n" >/dev/null; then
			said=stopped
		elif is_ready "$n" 2>/dev/null; then
			said=ready
		else
			said="not ready: $(curl -sS -m 2 "http://$(admin "$n")/ready" 2>&1 || true)"
		fi
		printf '%-6s http://%-21s admin http://%-21s %s\n' "$n" "$(public "$n")" "$(admin "$n")" "$said"
	done
	printf '%-6s %s %s\n' kafka "127.0.0.1:$((port + 5))" "$(kafka status >/dev/null && echo running || echo stopped)"
	printf '%-6s %s\n' try "curl -s http://127.0.0.1:$port/push/sf/$(cat "$dir/token") -d @- <<<'{\"Body\":{\"WaybillRoute\":[{\"mailno\":\"SF7444400031887\",\"acceptTime\":\"2020-05-11 16:56:54\",\"opCode\":\"80\",\"remark\":\"test\",\"acceptAddress\":\"test\",\"id\":\"1\"}]}}'" \
		'' "curl -s http://127.0.0.1:$port/v1/traces/SF7444400031887"
}

command=${1:-help}
[[ $# == 0 ]] || shift
case $command in
start) start "$@" ;;
stop) stop ;;
wipe)
	stop
	[[ ! -d $dir/kafka ]] || kafka wipe
	rm -rf "$dir"
	;;
status) status ;;
up) up "${1-}" ;;
ready) ready "${1-}" ;;
down) end TERM "${1-}" ;;
kill9) end KILL "${1-}" ;;
public) public "${1-}" ;;
admin) admin "${1-}" ;;
data) place "${1-}" >/dev/null && echo "$dir/$1/data" ;;
log) place "${1-}" >/dev/null && echo "$dir/$1/log" ;;
out)
	place "${1-}" >/dev/null
	touch "$dir/$1/out"
	nginx_reload
	;;
in)
	place "${1-}" >/dev/null
	rm -f "$dir/$1/out"
	nginx_reload
	;;
kafka) kafka "$@" ;;
help | -h | --help) usage ;;
*)
	usage >&2
	exit 2
	;;
esac
