# Copyright (C) ngx_mdm_module authors
#
# scripts/bench inventory; sourced by scripts/bench.  Two nginx serve the same
# Redis, each with devices of a tenant of its own: the module of this tree, and
# the one that MDM_BENCH_MODULE names, which is measured in turns with it.


# inventory_fleet URL COUNT: enrolled, each with one command, and eight more
# without

inventory_fleet() {
    local url=$1

    enroll $(($2 + 8))
    queue 0 "$2"
}


# how many results there are

kept_results() {
    redis eval "return #redis.call('KEYS', 'mdm:*:r:*')" 0
}


aof_bytes() {
    redis info persistence | tr -d '\r' \
        | sed -n 's/^aof_current_size://p'
}


# inventory_size BYTES DEVICES: sessions with one result of that size

inventory_size() {
    local out=$dir/inventory.out name=inventory_$(($1 / 1000))k deflate
    local urls=(--url "$url/baseline") pids=(--worker-pid "$worker")
    local memory aof results u=1

    if [ -n "$other_worker" ]; then
        inventory_fleet "$other_url" "$2"
        urls+=(--url "$other_url/mdm")
        pids+=(--worker-pid "$other_worker")
        u=2
    fi

    inventory_fleet "$url" "$2"
    urls+=(--url "$url/mdm")
    pids+=(--worker-pid "$worker")

    memory=$(used_memory)
    aof=$(aof_bytes)
    results=$(kept_results)

    "$sim" bench --mode session --dir "$dir/ca" --count "$2" --shared-key \
           --connections 2 --cpu 1 --slice 0.1 --duration "$seconds" \
           --inventory-size "$1" "${pids[@]}" --redis-pid "$redis_pid" \
           "${urls[@]}" --quiet 9>&- > "$out" || fail "$(cat "$out")"

    # all that were sent, those to warm up, too

    results=$(($(kept_results) - results))

    deflate=$(value deflate_cpu "$out")

    figure "${name}_result_bytes" "$(value result_bytes "$out")" bytes
    figure "${name}_sessions" "$(value sessions_$u "$out")" sessions
    inventory_cpu "$name" "$u" "$deflate"
    figure "${name}_deflate_cpu" "$deflate" us

    awk -v n="$results" -v m=$(($(used_memory) - memory)) -v name="$name" \
        -v a=$(($(aof_bytes) - aof)) 'BEGIN {
        printf "%s_redis_bytes %.0f bytes/result\n", name, m / n
        printf "%s_aof_bytes %.0f bytes/result\n", name, a / n
    }'

    if [ -n "$other_worker" ]; then
        inventory_cpu "${name}_before" 1 "$deflate"

        awk -v a="$(value worker_cpu_2 "$out")" \
            -v b="$(value worker_cpu_1 "$out")" -v d="$deflate" \
            -v name="$name" 'BEGIN {
            printf "%s_ratio %.3f x\n", name, a / b
            printf "%s_ratio_without_deflate %.3f x\n", name, (a - d) / (b - d)
        }'
    fi

    inventory_beside "$name" "$1" "$2"
}


# inventory_cpu NAME I DEFLATE: of the URL with that number

inventory_cpu() {
    figure "$1_worker_cpu" "$(value "worker_cpu_$2" "$dir/inventory.out")" us
    awk -v c="$(value "worker_cpu_$2" "$dir/inventory.out")" -v d="$3" \
        -v name="$1" \
        'BEGIN { printf "%s_worker_cpu_without_deflate %.1f us\n", name, c - d }'
    figure "$1_redis_cpu" "$(value "redis_cpu_$2" "$dir/inventory.out")" us
}


# inventory_beside NAME BYTES DEVICES: idle polls of others, 200 a second,
# while one device after the other sends its result

inventory_beside() {
    local pid u=$url n=$1

    [ -z "$other_worker" ] || set -- "$@" "$other_url"

    for u in "$url" ${4+"$4"}; do
        [ "$u" = "$url" ] || n=${1}_before

        queue_to "$u" "$3"

        "$sim" poll --dir "$dir/ca" --url "$u/mdm" --first "$3" --count 8 \
               --shared-key --connections 8 --rate 200 --cpu 1 \
               --duration 4 --quiet 9>&- > "$dir/beside.out" 2>&1 &
        pid=$!

        "$sim" bench --mode session --dir "$dir/ca" --count "$3" \
               --shared-key --connections 1 --cpu 1 --slice 0.2 \
               --duration 4 --inventory-size "$2" --quiet \
               --url "$u/baseline" --url "$u/mdm" 9>&- > "$dir/busy.out" 2>&1 \
            || fail "$(cat "$dir/busy.out")"

        wait "$pid" || fail "$(cat "$dir/beside.out")"

        figure "${n}_idle_p50" "$(value latency_p50 "$dir/beside.out")" us
        figure "${n}_idle_p99" "$(value latency_p99 "$dir/beside.out")" us
    done
}


queue_to() {
    local url=$1

    queue 0 "$2"
}


bench_inventory() {
    local other_worker= other_url= other_port

    stores="mdm_tenant after; client_body_buffer_size 1m;"

    # a result is kept; the figures do not wait for a disk

    start --appendonly yes --appendfsync everysec

    if [ -n "${MDM_BENCH_MODULE-}" ]; then
        stack_port $((port + 1))
        other_port=$port
        stack_port "${MDM_BENCH_PORT:-8543}"
        port=${url##*:}
        other_nginx before "$MDM_BENCH_MODULE" "$other_port" \
            -e "s|mdm_tenant .*;|mdm_tenant before;|"
        other_url=https://localhost:$other_port
    fi

    if [ $quick = 1 ]; then
        inventory_size 20000 300
        inventory_size 200000 300
        inventory_size 2000000 100

    else
        inventory_size 20000 6000
        inventory_size 200000 3000
        inventory_size 2000000 400
    fi

    stack_stop
    stores=
}
