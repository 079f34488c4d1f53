# Copyright (C) ngx_mdm_module authors
#
# scripts/bench identity; sourced by scripts/bench.


# identity_ca NAME THREADS KEY…: a CA of that kind, and its block mdm_ca; one
# whose key is not RSA has an RA

identity_ca() {
    local name=$1 threads=$2 at=$dir/identity

    shift 2
    mkdir -p "$at"

    {
        openssl req -x509 -nodes -newkey "$@" -keyout "$at/$name.key" \
            -out "$at/$name.pem" -days 30 -subj "/CN=$name" \
            -addext basicConstraints=critical,CA:TRUE \
            -addext keyUsage=critical,keyCertSign
        openssl req -nodes -newkey rsa:2048 -keyout "$at/$name-ra.key" \
            -out "$at/ra.csr" -subj "/CN=$name RA"
        printf 'keyUsage=critical,digitalSignature,keyEncipherment\n' \
            > "$at/ra.ext"
        openssl x509 -req -in "$at/ra.csr" -CA "$at/$name.pem" \
            -CAkey "$at/$name.key" -CAcreateserial -days 30 \
            -extfile "$at/ra.ext" -out "$at/$name-ra.pem"
    } 2> "$at/openssl.log" || fail "$(cat "$at/openssl.log")"

    chmod 600 "$at"/*.key

    echo "mdm_ca $name {
        certificate     $at/$name.pem;
        certificate_key $at/$name.key;
        threads         $threads;"

    [ "$1" != ec ] || echo "
        ra_certificate     $at/$name-ra.pem;
        ra_certificate_key $at/$name-ra.key;"

    echo "}"
}


# identity_start CA…: a server with a location of SCEP for each, whose blocks
# are in $cas

identity_start() {
    local name

    rm -rf "$dir/identity"/ids-*
    echo secret > "$dir/identity/secret"
    chmod 600 "$dir/identity/secret"

    http_more="$cas
    server {
        listen 127.0.0.1:$plain;
        large_client_header_buffers 4 16k;
        mdm_scep_challenge static $dir/identity/secret;
        $(for name; do echo "location /$name { mdm_scep $name; }"; done)
    }"

    start
}


# identity_issue CA COUNT [OPTION …]: certificates for the next COUNT devices,
# whose keys and requests are made before, and which look at the answers behind
# that; $first counts them.  By the command "pinned".

identity_issue() {
    local name=$1 count=$2

    shift 2

    "${pinned[@]}" "$sim" enroll --dir "$dir/ca" --quiet --scep-prepare \
        --scep "http://127.0.0.1:$plain/$name" --scep-challenge secret \
        --first "$first" --identities "$dir/identity/ids-$name" \
        --count "$count" "$@" 9>&- > "$dir/identity-$name.out" \
        || fail "identity: $(cat "$dir/identity-$name.out")"
}


# CPU of the worker, all of it in its own thread, in rounds, in turn with that
# of OpenSSL: the machine is another one every minute

identity_cpu() {
    local devices=150 rounds=7 first=0 name round before

    [ $quick = 0 ] || { devices=30; rounds=3; }

    cas="$(identity_ca rsa off rsa:2048)
    $(identity_ca ec off ec -pkeyopt ec_paramgen_curve:P-256)"

    identity_start rsa ec

    for name in rsa ec; do
        : > "$dir/identity/rounds"

        for round in $(seq "$rounds"); do
            before=$(cpu "$worker")
            identity_issue $name $devices --connections 8
            first=$((first + devices))

            echo "$(( ($(cpu "$worker") - before) / devices ))" \
                 "$(taskset -c 0 "$root/build/scepparts" $name $devices)" \
                 "$(value scep_per_second "$dir/identity-$name.out")" \
                 >> "$dir/identity/rounds"
        done

        identity_figures $name < "$dir/identity/rounds"
    done

    stack_stop
}


# of each the median of the rounds, and of the ratio the least and the greatest

identity_figures() {
    awk -v name="$1" '
        function sorted(list,    i, k, x) {
            for (i = 2; i <= NR; i++) {
                x = list[i]
                for (k = i - 1; k > 0 && list[k] > x; k--) {
                    list[k + 1] = list[k]
                }
                list[k + 1] = x
            }
            return list[int((NR + 1) / 2)]
        }

        {
            issue[NR] = $1 / 1000
            parts[NR] = $2 + 0
            rate[NR] = $3 + 0
            ratio[NR] = $1 / 1000 / $2
        }

        END {
            printf "scep_%s_issue_cpu %.1f us\n", name, sorted(issue)
            printf "scep_%s_openssl_parts_cpu %.1f us\n", name, sorted(parts)
            printf "scep_%s_ratio %.3f x\n", name, sorted(ratio)
            printf "scep_%s_ratio_min %.3f x\n", name, ratio[1]
            printf "scep_%s_ratio_max %.3f x\n", name, ratio[NR]
            printf "scep_%s_per_s %.0f 1/s\n", name, sorted(rate)
        }'
}


# identity_poll FILE: eight devices poll 500 times a second

identity_poll() {
    "$sim" poll --dir "$dir/ca" --url "$url/mdm" --count 8 --shared-key \
           --connections 8 --rate 500 --duration "$duration" --quiet \
           9>&- > "$dir/poll.out" 2>&1 || fail "$(cat "$dir/poll.out")"

    value latency_p99 "$dir/poll.out" >> "$1"
}


issued() {
    redis eval "return #redis.call('KEYS', 'mdm:{default/sn:*')" 0
}


# what polls notice of 20 certificates a second by a CA whose signature takes
# long: by the worker itself, and by its threads.  In turns, as a machine that
# others use, too, holds up a poll in a hundred all by itself.

identity_polls() {
    local name v round rounds=7 duration=6 first=0

    [ $quick = 0 ] || { rounds=1; duration=4; }

    # neither the worker, nor its threads, nor Redis, nor devices are bound to a
    # CPU: who wakes up takes one that is free

    affinity=
    pinned=()

    cas="$(identity_ca loop off rsa:4096)
    $(identity_ca pool default rsa:4096)"

    identity_start loop pool
    enroll 8
    taskset -acp 0,1 $redis_pid > /dev/null
    rm -f "$dir"/identity/p99-*

    for round in $(seq $rounds); do
        for name in loop pool; do
            identity_poll "$dir/identity/p99-$name-alone"
            identity_beside $name $(((duration + 4) * 20))
        done
    done

    for name in loop pool; do
        paste -d ' ' "$dir/identity/p99-$name-alone" \
              "$dir/identity/p99-$name-beside" | tee -a /dev/stderr \
            | awk '{ print $2 / $1 }' > "$dir/identity/p99-$name-ratio"

        for v in alone beside; do
            figure "scep_poll_p99_${name}_$v" \
                "$(median < "$dir/identity/p99-$name-$v")" us
        done
    done

    figure scep_poll_p99_ratio_threads_off \
        "$(median < "$dir/identity/p99-loop-ratio")" x
    figure scep_poll_p99_ratio "$(median < "$dir/identity/p99-pool-ratio")" x

    stack_stop
}


# identity_beside NAME COUNT: polls while so many devices ask for certificates

identity_beside() {
    local before got pid

    before=$(issued)

    # they are elsewhere: never in the way of those who are measured

    (chrt --idle -p 0 "$BASHPID"
     identity_issue "$1" "$2" --rate 20 --connections 16) &
    pid=$!

    while [ "$(issued)" = "$before" ] && kill -0 $pid 2>/dev/null; do
        sleep 0.1
    done

    before=$(issued)
    identity_poll "$dir/identity/p99-$1-beside"
    got=$(($(issued) - before))
    wait $pid || fail "$(cat "$dir/identity-$1.out")"
    first=$((first + $2))

    [ $got -ge $((duration * 18)) ] \
        || fail "$got certificates in $duration seconds, not 20 a second"
}


bench_identity() {
    local plain=$((port + 40)) cas pinned=(taskset -c 1)

    local line

    for line in ${MDM_BENCH_LINES:-cpu polls}; do
        case $line in
        cpu)    identity_cpu ;;
        polls)  identity_polls ;;
        *)      fail "MDM_BENCH_LINES: $line" ;;
        esac
    done
}
