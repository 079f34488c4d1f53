# Copyright (C) ngx_mdm_module authors
#
# scripts/bench against; sourced by scripts/bench.  The module of this tree and
# the one that MDM_BENCH_MODULE names, each in an nginx with a Redis of its
# own: two builds may differ in what they keep there.  One client holds
# connections to both and turns from one to the other every 0.2 s, so whatever
# else the machine does meets both.


# against_nginx SED …: nginx with the other module; sets other_worker and
# other_url

against_nginx() {
    local own=$port

    stack_port $((port + 1))
    other_url=https://localhost:$port
    set -- "$port" "$@"
    port=$own

    other_nginx other "$MDM_BENCH_MODULE" "$@"
}


# on_both COMMAND …: first with the other one, then with ours

on_both() {
    local ours=$url url

    for url in "$other_url" "$ours"; do
        "$@"
    done
}


# against NAME CONNECTIONS ROUNDS [--send WHAT]: the median of the ratios of
# worker CPU, ours to the other one, and what both took in the round that has it

against() {
    local name=against_$1 c=$2 rounds=$3 i send=() suffix=_c$2
    local calls sends calls2 sends2 out=$dir/against.out

    shift 3
    send=("$@")
    [ "$c" != 32 ] || suffix=

    for i in $(seq "$rounds"); do
        read -r calls sends <<< "$(api "$other_url/counters")"
        read -r calls2 sends2 <<< "$(api "$url/counters")"

        "$sim" bench --dir "$dir/ca" --count "$devices" --connections "$c" \
               --shared-key --cpu 1 --slice 0.2 --duration "$seconds" \
               --worker-pid "$other_worker" --worker-pid "$worker" --quiet \
               --url "$other_url/mdm" "${send[@]}" \
               --url "$url/mdm" "${send[@]}" \
               9>&- > "$out" || fail "$name: $(cat "$out")"

        echo "$(value ratio_1 "$out") $(value worker_cpu_0 "$out")" \
            "$(value worker_cpu_1 "$out")" \
            "$(batch "$(api "$other_url/counters")" "$calls" "$sends")" \
            "$(batch "$(api "$url/counters")" "$calls2" "$sends2")"
    done > "$dir/against.rounds"

    cat "$dir/against.rounds" >&2

    sort -n "$dir/against.rounds" \
        | awk -v n="$name" -v s="$suffix" -v r="$rounds" '
            NR == 1 { printf "%s_ratio_min%s %.3f x\n", n, s, $1 }
            NR == int((r + 1) / 2) {
                printf "%s_ratio%s %.3f x\n", n, s, $1
                printf "%s_before_worker_cpu%s %.2f us\n", n, s, $2
                printf "%s_worker_cpu%s %.2f us\n", n, s, $3
                printf "%s_before_calls_a_send%s %.1f calls\n", n, s, $4
                printf "%s_calls_a_send%s %.1f calls\n", n, s, $5
            }
            END { printf "%s_ratio_max%s %.3f x\n", n, s, $1 }'
}


against_ddm() {
    declarations ''
    rolled_out
    sync_all "$devices" sync
}


# both, each with a Redis of its own

against_start() {
    local c

    start
    stack_server taskset -c 1 -- other --port 0 \
        --unixsocket "$dir/other/redis.sock"

    for c in $(seq 100); do
        [ -S "$dir/other/redis.sock" ] && break
        sleep 0.05
    done

    against_nginx -e "s|unix:$dir/redis/redis.sock|unix:$dir/other/redis.sock|"

    on_both enroll $devices
}


against_polls() {
    local devices=10000 rounds=5 c other_worker= other_url=

    [ $quick = 0 ] || { devices=500; rounds=1; }

    against_start

    for c in 32 1 128; do
        against poll $c $rounds
    done

    stack_stop
}


bench_against() {
    local devices=10000 rounds=5 c other_worker= other_url=

    [ -n "${MDM_BENCH_MODULE-}" ] \
        || fail "MDM_BENCH_MODULE names the build to compare with"

    [ $quick = 0 ] || { devices=500; rounds=1; }

    against_start

    for c in 32 1 128; do
        against poll $c $rounds
    done

    on_both against_ddm
    report > "$dir/report"

    for c in 32 1 128; do
        against tokens $c $rounds --send tokens
    done

    against status 32 $rounds --send "status:$dir/report"
    stack_stop

    against_cluster
}


# polls of a Cluster of three masters each

against_cluster() {
    local first second cluster_port

    cluster_of ours
    first=$cluster_port
    cluster_of other
    second=$cluster_port
    stack_port "${MDM_BENCH_PORT:-8543}"

    main="127.0.0.1:$first; mode cluster"
    start
    against_nginx -e "s|server 127.0.0.1:$first;|server 127.0.0.1:$second;|"

    on_both enroll $devices

    for c in 32 1 128; do
        against cluster $c $rounds
    done

    stack_stop
}
