#!/bin/sh
# Runs a command beside a PostgreSQL and a Redis of its own, both durable, and stops them
# afterwards. Their addresses are in POSTGRES and REDIS while it runs; they listen on
# sockets in a directory of their own only.
#
#	bench/rivals/rivals.sh DIR COMMAND [ARGUMENT...]
#
# DIR is on the disk that matters; their data is in DIR/rivals, which goes away with them
# unless KEEP is set, and is used again then.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 DIR COMMAND [ARGUMENT...]" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)/rivals
shift
[ -n "${KEEP:-}" ] || [ ! -e "$dir" ] || { echo "$0: $dir is there already: remove it, or set KEEP" >&2; exit 1; }

initdb=$(command -v initdb || ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1 || true)
if [ -z "$initdb" ] || ! command -v redis-server >/dev/null; then
	[ "$(id -u)" = 0 ] || { echo "$0: install postgresql and redis-server first" >&2; exit 1; }
	apt-get install -y --no-install-recommends postgresql redis-server >&2
	initdb=$(ls /usr/lib/postgresql/*/bin/initdb | tail -n 1)
fi
bin=$(dirname "$initdb")

# PostgreSQL does not run as root.
as=
owner=$(id -un)
if [ "$(id -u)" = 0 ]; then
	owner=postgres
	as="runuser -u $owner --"
fi
sockets=$(mktemp -d /tmp/rivals.XXXXXX) # short: a socket's name has little room
mkdir -p "$dir/redis"
chown "$owner" "$sockets" "$dir" "$dir/redis"
redis_pid=

stop() {
	status=$?
	trap - EXIT INT TERM
	[ -z "$redis_pid" ] || redis-cli -s "$sockets/redis" shutdown nosave >/dev/null 2>&1 || kill "$redis_pid" 2>/dev/null || true
	[ ! -f "$dir/postgres/postmaster.pid" ] || (cd / && $as "$bin/pg_ctl" -D "$dir/postgres" -m fast -w stop >&2) || true
	[ -z "$redis_pid" ] || wait "$redis_pid" 2>/dev/null || true
	rm -rf "$sockets"
	[ -n "${KEEP:-}" ] || rm -rf "$dir"
	exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A quarter of the memory is what its manual advises for the cache.
quarter=$(awk '/^MemTotal:/ { print int($2 / 4096) "MB" }' /proc/meminfo)
if [ ! -f "$dir/postgres/PG_VERSION" ]; then
	(cd / && $as "$initdb" -D "$dir/postgres" -U waytrace -A trust -E UTF8 --locale=C >&2)
fi
(cd / && $as "$bin/pg_ctl" -D "$dir/postgres" -l "$dir/postgres/log" -w -o "-c listen_addresses='' -c unix_socket_directories=$sockets -c max_connections=100 -c synchronous_commit=on -c fsync=on -c full_page_writes=on -c shared_buffers=$quarter -c effective_io_concurrency=64 -c max_wal_size=8GB -c checkpoint_timeout=15min -c wal_compression=on -c wal_buffers=64MB -c jit=off" start >&2)
(cd "$dir/redis" && exec $as redis-server --port 0 --unixsocket "$sockets/redis" --unixsocketperm 777 --dir "$dir/redis" --appendonly yes --appendfsync always --save '' --daemonize no >"$dir/redis/log" 2>&1) &
redis_pid=$!
for _ in $(seq 600); do
	redis-cli -s "$sockets/redis" ping >/dev/null 2>&1 && break
	kill -0 "$redis_pid" 2>/dev/null || { cat "$dir/redis/log" >&2; exit 1; }
	sleep 0.1
done

POSTGRES="postgres://waytrace@/postgres?host=$sockets"
REDIS="unix://$sockets/redis"
export POSTGRES REDIS
"$@"
