# Copyright (C) ngx_mdm_module authors
#
# For scripts/run and scripts/bench, which source it: a private Redis on a
# Unix socket and an nginx on loopback, both in $dir, ended at exit.

redis_pid=
nginx_pid=
server_pids=

# of the simulator's devices

topic=com.apple.mgmt.External.4b5b2e1a-5d0b-4a5f-9a8e-0c9d5e3f7a21


fail() {
    echo "$0: $*" >&2
    tail -n 20 "$dir/error.log" >&2 2>/dev/null || true
    exit 1
}


# waits up to ten seconds for a process to end

ended() {
    local i

    for i in $(seq 100); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done

    return 1
}


stack_stop() {
    local pid

    trap '' INT TERM

    if [ -n "$nginx_pid" ]; then
        kill -QUIT "$nginx_pid" 2>/dev/null || true
        ended "$nginx_pid" || kill "$nginx_pid" 2>/dev/null || true
        nginx_pid=
    fi

    # the last one first: an nginx before the servers that it uses

    for pid in $(printf '%s\n' $server_pids | tac) $redis_pid; do
        kill "$pid" 2>/dev/null || true
        ended "$pid" || true
    done

    server_pids=
    redis_pid=
}


# a directory of our own, which a run that is still up keeps

stack_dir() {
    dir=$1
    mkdir -p "$dir"
    exec 9> "$dir/.lock"
    flock -n 9 || { echo "$0: another run is up in $dir" >&2; exit 1; }

    trap stack_stop EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM

    rm -rf "$dir"/{apns,ca,redis,sink,tmp,*.pem,*.key,*.log,nginx.pid}
    mkdir -p "$dir"/{apns,redis,sink,tmp}
}


# the first free port from $1 on, in $port

stack_port() {
    port=$1

    while (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        port=$((port + 1))
    done
}


# stack_redis [PREFIX COMMAND …] -- [OPTION …]

stack_redis() {
    local i before=()

    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        before+=("$1")
        shift
    done

    shift

    "${before[@]}" redis-server --port 0 \
        --unixsocket "$dir/redis/redis.sock" --dir "$dir/redis" --save '' \
        --logfile "$dir/redis/redis.log" "$@" 9>&- &
    redis_pid=$!

    for i in $(seq 100); do
        redis ping >/dev/null 2>&1 && return 0
        kill -0 "$redis_pid" 2>/dev/null || break
        sleep 0.05
    done

    fail "redis-server did not start"
}


# stack_options [PREFIX COMMAND …] [-- OPTION …]: sets before and options, which
# are arrays of the caller

stack_options() {
    before=()

    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        before+=("$1")
        shift
    done

    [ $# = 0 ] || shift

    options=("$@")
}


# stack_server [PREFIX COMMAND …] -- NAME [OPTION …]: a further one

stack_server() {
    local before options name

    stack_options "$@"
    name=${options[0]}

    rm -rf "${dir:?}/$name"
    mkdir -p "$dir/$name"

    "${before[@]}" redis-server --dir "$dir/$name" --save '' \
        --logfile "$dir/$name/redis.log" "${options[@]:1}" 9>&- &
    server_pids="$server_pids $!"
    sleep 0.2
}


# stack_stand_in PROGRAM PORT [OPTION …]: starts it with the caller's before and
# options, and what is in his directory, at; returns when it listens

stack_stand_in() {
    local i program=$1 port=$2

    shift 2

    "${before[@]}" "$root/build/$program" --port "$port" \
        --control "$at/control" --cert "$at/server.pem" \
        --key "$at/server.key" "$@" "${options[@]}" 9>&- &
    server_pids="$server_pids $!"

    for i in $(seq 100); do
        [ -S "$at/control" ] && return 0
        kill -0 $! 2>/dev/null || break
        sleep 0.05
    done

    fail "$program did not start"
}


# stack_apns [PREFIX COMMAND …] [-- OPTION …]: a stand-in for Apple's push
# service, and a push certificate of $topic that it takes; sets apns_port

stack_apns() {
    local own=$port at=$dir/apns before options

    stack_options "$@"
    stack_port $((port + 1000))
    apns_port=$port
    port=$own

    {
        stack_cert "$at" ca '/CN=APNs CA' basicConstraints=critical,CA:TRUE
        stack_cert "$at" server /CN=localhost \
            subjectAltName=DNS:localhost,IP:127.0.0.1
        stack_cert "$at" push "/UID=$topic/CN=APSP" extendedKeyUsage=clientAuth
    } 2> "$at/openssl.log" || fail "$(cat "$at/openssl.log")"

    stack_stand_in mdmapns "$apns_port" --ca "$at/ca.pem"
}


# stack_sink [PREFIX COMMAND …] [-- OPTION …]: a server of the administrator's
# that takes webhooks, by TLS; sets sink_url

stack_sink() {
    local own=$port at=$dir/sink before options own_port

    stack_options "$@"
    stack_port $((port + 2000))
    own_port=$port
    sink_url=https://localhost:$own_port/hook
    port=$own

    {
        stack_cert "$at" ca '/CN=Sink CA' basicConstraints=critical,CA:TRUE
        stack_cert "$at" server /CN=localhost \
            subjectAltName=DNS:localhost,IP:127.0.0.1
        openssl rand -hex -out "$at/hmac.key" 32
        chmod 600 "$at/hmac.key"
    } 2> "$at/openssl.log" || fail "$(cat "$at/openssl.log")"

    stack_stand_in mdmsink "$own_port" --hmac-key "$at/hmac.key"
}


# what nginx is told of it, in http, with further parameters

stack_hook_conf() {
    echo "    mdm_webhook $sink_url hmac_key_file=$dir/sink/hmac.key" \
         "trusted_certificate=$dir/sink/ca.pem $*;"
}


# stack_cert DIRECTORY NAME SUBJECT EXTENSION: signed by the CA there, or by
# itself if it is that

stack_cert() {
    local dir=$1 at=$1/$2 by

    by=(-CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial)
    [ "$2" != ca ] || by=(-signkey "$at.key")

    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$at.key" -subj "$3" -out "$at.csr"
    echo "$4" > "$at.ext"
    openssl x509 -req -in "$at.csr" -days 365 -out "$at.pem" \
        -extfile "$at.ext" "${by[@]}"
    chmod 600 "$at.key"
}


# what nginx is told of the push service, in http

stack_push_conf() {
    cat <<CONF
    mdm_push on;
    mdm_push_server 127.0.0.1:$apns_port;
    mdm_push_trusted_certificate $dir/apns/ca.pem;
    mdm_push_certificate $dir/apns/push.pem $dir/apns/push.key;
CONF
}


# stack_tell CONTROL LINE …: what is answered by what has this control socket

stack_tell() {
    perl -MIO::Socket::UNIX -e '
        my $s = IO::Socket::UNIX->new(Peer => shift) or die "control: $!\n";
        for my $line (@ARGV) {
            print {$s} "$line\n";
            print scalar <$s>;
        }' "$@"
}


apns_tell() {
    stack_tell "$dir/apns/control" "$@"
}


sink_tell() {
    stack_tell "$dir/sink/control" "$@"
}


redis() {
    redis-cli -s "$dir/redis/redis.sock" "$@"
}


# what every configuration here begins with

stack_conf() {

    # started by root, workers run as another user, who must reach the socket

    if [ "$(id -u)" = 0 ]; then
        echo "user root;"
    fi

    cat <<CONF
load_module ${stack_module:-$root/build/ngx_mdm_module.so};

daemon    off;
pid       $dir/nginx.pid;
error_log $dir/error.log notice;
CONF
}


# "listen … http2" of $1, or what took its place in nginx 1.25.1

stack_listen() {
    local version

    version=$(nginx -v 2>&1 | sed 's,.*/\([0-9.]*\).*,\1,')

    if printf '1.25.1\n%s\n' "$version" | sort -V -C; then
        echo "listen $1 ssl; http2 on;"
    else
        echo "listen $1 ssl http2;"
    fi
}


stack_conf_http() {
    cat <<CONF
    client_body_temp_path $dir/tmp/body;
    proxy_temp_path       $dir/tmp/proxy;
    fastcgi_temp_path     $dir/tmp/fastcgi;
    scgi_temp_path        $dir/tmp/scgi;
    uwsgi_temp_path       $dir/tmp/uwsgi;
CONF
}


# starts nginx with $dir/nginx.conf and waits for the API at $url

stack_nginx() {
    local i

    env ${stack_env-} nginx -p "$dir" -c "$dir/nginx.conf" 9>&- &
    nginx_pid=$!

    for i in $(seq 100); do
        api "$url/version" >/dev/null 2>&1 && return 0
        kill -0 "$nginx_pid" 2>/dev/null || break
        sleep 0.05
    done

    fail "nginx did not start, or the API does not answer"
}


# by whom the server's certificate is trusted is $stack_ca

api() {
    curl -sS --fail-with-body --cacert "${stack_ca:-$dir/ca/ca.pem}" "$@"
}
