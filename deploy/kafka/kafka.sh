#!/usr/bin/env bash
# One Apache Kafka on this machine, for tests, proofs and a first try: no container, no tarball.
# The jars come from Maven Central, once; the broker is its own controller (KRaft) and listens on
# loopback. Several live beside each other, each under its own KAFKA_PORT and the port after it.
set -euo pipefail

usage() {
	cat <<-'TEXT'
		kafka.sh COMMAND

		fetch             the jars, if they are not there
		start [--sasl]    starts, waits until it serves, and prints KAFKA_BROKERS=…; nothing to do if it runs.
		                  --sasl adds a listener with TLS and passwords (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512) on
		                  the second port after KAFKA_PORT, and writes how to reach it to DIR/sasl.env
		stop              stops it in order and waits until it is gone
		kill9             kills it and waits until it is gone: what it said it has, it has
		restart           stop, then start as before
		wipe              stop, then removes all that it keeps
		status            prints KAFKA_BROKERS=…, or exits 1 when it does not run
		pid               prints its process id, or exits 1
		create-topic NAME [PARTITIONS [KEY=VALUE…]]
		                  as waytrace wants a topic (16 partitions), with settings of its own; nothing to do if it is there
		topics ARG…       kafka-topics.sh ARG… on this broker; also: configs, offsets, consume

		KAFKA_PORT        the port on 127.0.0.1 (19092); the next one is the controller's
		KAFKA_DIR         where it keeps its data and its log (.kafka/PORT in the project)
		KAFKA_LIBS        where the jars are (.kafka/libs in the project)
		KAFKA_HEAP        of the Java process (512m)
		KAFKA_ADVERTISED  the address that it tells clients to use (127.0.0.1:PORT), such as that of a proxy before it
	TEXT
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.kafka
port=${KAFKA_PORT:-19092}
dir=${KAFKA_DIR:-$cache/$port}
libs=${KAFKA_LIBS:-$cache/libs}
[[ $port =~ ^[0-9]+$ ]] || { echo "KAFKA_PORT is $port: name a port"; exit 1; }
[[ $dir == /* ]] || dir=$PWD/$dir
[[ $libs == /* ]] || libs=$PWD/$libs
controller=$((port + 1))
sasl=$((port + 2))
seconds=60 # that it may take to start or to stop

die() {
	echo "kafka: $*" >&2
	exit 1
}

need() {
	command -v "$1" >/dev/null 2>&1 || die "$1 is not here: install it, for example: apt-get install $2"
}

# The cache ignores itself, so that no checkout shows it.
home() {
	mkdir -p "$1"
	[[ $1 != "$cache"* || -e $cache/.gitignore ]] || echo '*' >"$cache/.gitignore"
}

# locked FILE COMMAND… runs one at a time. What the command starts must not hold the lock: 9>&-.
locked() {
	local file=$1
	shift
	need flock util-linux
	home "$(dirname "$file")"
	exec 9>"$file"
	flock 9
	"$@"
	exec 9>&-
}

fetched() { [[ -e $libs/pom.xml ]] && cmp -s "$here/pom.xml" "$libs/pom.xml"; }

fetch_now() {
	! fetched || return 0
	need mvn maven
	local to=$libs.new
	rm -rf "$to"
	mvn -q -B -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime "-DoutputDirectory=$to" 9>&- </dev/null >&2 || die "Maven could not fetch the jars"
	cp "$here/pom.xml" "$to/" # last: jars with a pom beside them are all there
	rm -rf "$libs"
	mv "$to" "$libs"
}

fetch() {
	need java default-jre-headless
	fetched || locked "$libs.lock" fetch_now
}

# tool CLASS ARG… is one of Kafka's own commands. It is short, so it is hardly worth compiling.
tool() {
	java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=file:$here/log4j2.properties" -cp "$libs/*" "$@"
}

# running prints the broker's process id. A number that another process was given since is not its own.
running() {
	local pid
	pid=$(cat "$dir/pid" 2>/dev/null) && [[ -n $pid ]] || return 1
	[[ " $(ps -o args= -p "$pid" 2>/dev/null) " == *" kafka.Kafka $dir/server.properties "* ]] && echo "$pid"
}

# say prints a log's end to stderr.
say() { tail -n "${2:-15}" "$1" | sed 's/^/kafka:   /' >&2; }

uuid() {
	local id
	for _ in 1 2 3 4 5 6 7 8 9; do
		id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n')
		[[ $id == -* ]] || break # Kafka's tools would take it for an option
	done
	echo "$id"
}

# certificates makes an authority that lives for this directory alone, and one certificate for loopback.
certificates() {
	need openssl openssl
	(
		cd "$dir"
		umask 077
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=waytrace test CA" \
			-keyout ca.key -out ca.pem
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=localhost" -keyout server.key -out server.csr
		printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' >server.ext
		openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.pem
		cat server.key server.pem ca.pem >keystore.pem
		rm -f server.csr server.ext ca.srl ca.key
	) >"$dir/openssl.log" 2>&1 || { say "$dir/openssl.log" && die "openssl made no certificate"; }
}

# format gives the directory its identity, once, and its passwords.
format() {
	local with=$1 settings=() password
	rm -f "$dir/sasl.env"
	if [[ -n $with ]]; then
		certificates
		password=$(head -c 18 /dev/urandom | base64 | tr '+/' 'xy')
		(
			umask 077
			printf '%s\n' "KAFKA_SASL_BROKERS=127.0.0.1:$sasl" "KAFKA_SASL_USERNAME=waytrace" \
				"KAFKA_SASL_PASSWORD=$password" "KAFKA_SASL_CA=$dir/ca.pem" >"$dir/sasl.env"
		)
		settings=(--add-scram "SCRAM-SHA-256=[name=waytrace,password=$password]"
			--add-scram "SCRAM-SHA-512=[name=waytrace,password=$password]")
	fi
	configure
	tool kafka.tools.StorageTool format -t "$(uuid)" -c "$dir/server.properties" --ignore-formatted "${settings[@]}" \
		>"$dir/format.log" 2>&1 9>&- </dev/null || { say "$dir/format.log" && die "the directory $dir was not formatted"; }
}

# configure writes the settings anew: the addresses may be others than last time.
configure() {
	local listeners="PLAINTEXT://127.0.0.1:$port" advertised="PLAINTEXT://${KAFKA_ADVERTISED:-127.0.0.1:$port}" user password
	(
		umask 077
		exec >"$dir/server.properties"
		if [[ -e $dir/sasl.env ]]; then
			user=$(sed -n 's/^KAFKA_SASL_USERNAME=//p' "$dir/sasl.env")
			password=$(sed -n 's/^KAFKA_SASL_PASSWORD=//p' "$dir/sasl.env")
			listeners+=",SASL_SSL://127.0.0.1:$sasl"
			advertised+=",SASL_SSL://127.0.0.1:$sasl"
			local plain=org.apache.kafka.common.security.plain.PlainLoginModule
			local scram=org.apache.kafka.common.security.scram.ScramLoginModule
			cat <<-TEXT
				sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
				ssl.keystore.type=PEM
				ssl.keystore.location=$dir/keystore.pem
				ssl.client.auth=none
				listener.name.sasl_ssl.plain.sasl.jaas.config=$plain required user_$user="$password";
				listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=$scram required;
				listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=$scram required;
			TEXT
		fi
		cat "$here/server.properties"
		cat <<-TEXT
			controller.quorum.voters=1@127.0.0.1:$controller
			listeners=$listeners,CONTROLLER://127.0.0.1:$controller
			advertised.listeners=$advertised
			log.dirs=$dir/data
		TEXT
	)
}

open() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

start_now() {
	local with=$1 from deadline
	if running >/dev/null; then
		[[ -z $with || -e $dir/sasl.env ]] || die "it runs without the listener for passwords: wipe it first"
		return 0
	fi
	! open || die "another process listens on 127.0.0.1:$port: give KAFKA_PORT another port"
	if [[ ! -e $dir/data/meta.properties ]]; then
		format "$with"
	elif [[ -n $with && ! -e $dir/sasl.env ]]; then
		die "$dir was made without passwords: wipe it first"
	else
		configure
	fi
	touch "$dir/kafka.log"
	from=$(($(wc -c <"$dir/kafka.log") + 1))
	# A session of its own: what ends this shell does not end the broker.
	need setsid util-linux
	rm -f "$dir/pid"
	(
		cd "$dir"
		exec 9>&-
		setsid "$BASH" -c 'echo $$ >pid && exec java "$@"' kafka -Xms64m "-Xmx${KAFKA_HEAP:-512m}" -XX:+UseSerialGC \
			"-Dlog4j2.configurationFile=file:$here/log4j2.properties" -cp "$libs/*" kafka.Kafka "$dir/server.properties" \
			>>kafka.log 2>&1 </dev/null &
	)
	deadline=$((SECONDS + seconds))
	until tail -c "+$from" "$dir/kafka.log" | grep -q 'Kafka Server started'; do
		sleep 0.1
		# Before its number is written it is about to start; after that it is there, or it has ended.
		[[ ! -s $dir/pid ]] || running >/dev/null || { say "$dir/kafka.log" && die "it ended again: $dir/kafka.log"; }
		((SECONDS < deadline)) || { say "$dir/kafka.log" && end KILL && die "not ready after $seconds s: $dir/kafka.log"; }
	done
}

start() {
	local with=
	case ${1-} in
	'') ;;
	--sasl) with=yes ;;
	*) die "start takes --sasl and nothing else" ;;
	esac
	fetch
	mkdir -p "$dir"
	locked "$dir/lock" start_now "$with"
	brokers
}

brokers() { echo "KAFKA_BROKERS=127.0.0.1:$port"; }

# end SIGNAL sends it and waits until the process is gone, with its port.
end() {
	local pid deadline
	pid=$(running) || return 0
	kill "-$1" "$pid" 2>/dev/null || true
	deadline=$((SECONDS + seconds))
	# A process that was killed is out of the list of processes before its port is free.
	while running >/dev/null || open; do
		((SECONDS < deadline)) || die "process $pid is still there after $seconds s"
		sleep 0.05
	done
	rm -f "$dir/pid"
}

# ask CLASS ARG… runs one of Kafka's commands on this broker.
ask() {
	running >/dev/null || die "it does not run: kafka.sh start"
	local class=$1
	shift
	tool "$class" --bootstrap-server "127.0.0.1:$port" "$@"
}

create() {
	local name=${1:?the topic} partitions=${2:-16} settings=() s
	shift $(($# < 2 ? $# : 2))
	for s in "$@"; do
		settings+=(--config "$s")
	done
	ask org.apache.kafka.tools.TopicCommand --create --if-not-exists --topic "$name" --partitions "$partitions" --replication-factor 1 \
		--config cleanup.policy=delete --config retention.ms=604800000 \
		--config max.message.bytes=1048576 --config unclean.leader.election.enable=false "${settings[@]}" >/dev/null
}

command=${1:-help}
[[ $# == 0 ]] || shift
case $command in
fetch) fetch ;;
start) start "$@" ;;
stop) end TERM ;;
kill9) end KILL ;;
restart) end TERM && start ;;
wipe)
	end TERM
	rm -rf "$dir"
	;;
status) running >/dev/null && brokers ;;
pid) running ;;
create-topic) create "$@" ;;
topics) ask org.apache.kafka.tools.TopicCommand "$@" ;;
configs) ask kafka.admin.ConfigCommand "$@" ;;
offsets) ask org.apache.kafka.tools.GetOffsetShell "$@" ;;
consume) ask org.apache.kafka.tools.consumer.ConsoleConsumer "$@" ;;
help | -h | --help) usage ;;
*)
	usage >&2
	exit 2
	;;
esac
