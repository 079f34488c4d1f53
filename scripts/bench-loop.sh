# Copyright (C) ngx_mdm_module authors
#
# scripts/bench loop; sourced by scripts/bench.  How long the event loop is
# held by large results: polls at a fixed rate, alone and beside a sender.


# loop_poll NAME FIRST: polls of eight devices, 500 a second

loop_poll() {
    local v

    "$sim" poll --dir "$dir/ca" --url "$url/mdm" --first "$2" --count 8 \
           --shared-key --connections 8 --rate 500 --cpu 1 \
           --duration "$seconds" --quiet 9>&- > "$dir/$1.out" 2>&1 \
        || fail "$(cat "$dir/$1.out")"

    for v in latency_p50 latency_p99 latency_max; do
        figure "loop_$1_$v" "$(value $v "$dir/$1.out")" us
    done
}


bench_loop() {
    local n=200 results pid

    [ $quick = 0 ] || n=40

    start
    enroll $((n + 8))
    queue 0 $n

    loop_poll alone $n

    results=$(redis eval "return #redis.call('KEYS', 'mdm:*:r:*')" 0)

    # for longer than the polls last, so that they are never alone

    "$sim" bench --mode session --dir "$dir/ca" --count $n --shared-key \
           --connections 1 --cpu 1 --slice 0.2 --duration $((seconds + 2)) \
           --inventory-size 15000000 --timeout 60 --quiet \
           --url "$url/mdm" 9>&- > "$dir/sender.out" 2>&1 &
    pid=$!

    sleep 1
    loop_poll beside $n

    wait "$pid" || fail "$(cat "$dir/sender.out")"

    results=$(($(redis eval "return #redis.call('KEYS', 'mdm:*:r:*')" 0) \
               - results))

    figure loop_results "$results" results

    awk -v a="$(value latency_p99 "$dir/beside.out")" \
        -v b="$(value latency_p99 "$dir/alone.out")" \
        'BEGIN { printf "loop_p99_ratio %.2f x\n", a / b }'

    stack_stop
}
