#!/usr/bin/env bash
# Where the daemon spends its time while it is read and pushed to, for the compiler to build
# by: profile.sh PROGRAM FILE. It takes a minute or two, and nothing else should run meanwhile.
set -euo pipefail

if (($# != 2)); then
	echo "profile.sh PROGRAM FILE, such as: bench/profile.sh bin/waytrace cmd/waytrace/default.pgo" >&2
	exit 2
fi
program=$1 file=$2
waybills=${PROFILE_WAYBILLS:-200000}
dir=$(mktemp -d)
daemon=
trap '[[ -z $daemon ]] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true; rm -rf "$dir"' EXIT

"$program" serve --data="$dir/data" --listen=127.0.0.1:0 --admin-listen=127.0.0.1:0 --log-level=error >"$dir/said" 2>&1 &
daemon=$!
address() { sed -n "s|^waytrace: $1 on \(http://[^ ]*\).*|\1|p" "$dir/said"; }
for ((i = 0; i < 100; i++)); do
	[[ -z $(address listening) || -z $(address admin) ]] || break
	sleep 0.1
done
url=$(address listening) admin=$(address admin)
if [[ -z $url || -z $admin ]]; then
	echo "the daemon did not start:" >&2
	cat "$dir/said" >&2
	exit 1
fi

# Each kind of load runs at its peak for 5 s, and then for 10 s at half of that; what is loaded
# before is not in the profile. Whether the load was on time does not matter here.
for kind in mixed-95-5 mixed-50-50; do
	"$program" bench run "$kind" --target="$url" --waybills="$waybills" --duration=10s --seed="$RANDOM" \
		--out="$dir/$kind.json" >"$dir/$kind.txt" 2>&1 &
	load=$!
	until grep -q "^$kind: 1 turns" "$dir/$kind.txt"; do
		kill -0 "$load" 2>/dev/null || { cat "$dir/$kind.txt" >&2; exit 1; }
		sleep 0.2
	done
	curl -fsS -o "$dir/$kind.pgo" "$admin/debug/pprof/profile?seconds=15"
	wait "$load" || grep -q '^INVALID' "$dir/$kind.txt" || { cat "$dir/$kind.txt" >&2; exit 1; }
done
go tool pprof -proto "$dir"/*.pgo >"$dir/both" 2>"$dir/pprof" || { cat "$dir/pprof" >&2; exit 1; }
cp "$dir/both" "$file"
echo "$file: $(wc -c <"$file") bytes"
