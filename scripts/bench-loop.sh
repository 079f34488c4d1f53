# Copyright (C) ngx_mdm_module authors
#
# scripts/bench loop; sourced by scripts/bench.  How long the event loop is
# held by large results: polls at a fixed rate, alone and beside a sender, and
# then, with a module that tells of it, the longest handler (t/sim/looptime.c).


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


# loop_send FIRST COUNT SECONDS: results of 15 MB, one device after the other.
# It stands for a device elsewhere, so it gives way to those who are measured.

loop_send() {
    nice -n 19 "$sim" bench --mode session --dir "$dir/ca" \
           --first "$1" --count "$2" \
           --shared-key --connections 1 --cpu 1 --slice 0.2 --duration "$3" \
           --inventory-size 15000000 --timeout 60 --quiet \
           --url "$url/mdm" 9>&- > "$dir/sender.out" 2>&1
}


loop_results() {
    redis eval "return #redis.call('KEYS', 'mdm:*:r:*')" 0
}


# the longest handler: built and run apart, since to look costs time

loop_handler() {
    local n=$1 file place rest

    scripts/build loop >&2

    stack_module=$root/build/loop/objs/ngx_mdm_module.so
    stack_env="LD_PRELOAD=$root/build/loop/looptime.so MDM_LOOPTIME=$dir/looptime"

    rm -f "$dir"/looptime.*

    start
    enroll $((n + 8))
    queue 0 $n
    loop_send 0 $n "$seconds" || fail "$(cat "$dir/sender.out")"
    figure loop_handler_results "$(loop_results)" results
    stack_stop

    stack_module=
    stack_env=

    file=$(ls -S "$dir"/looptime.* | head -n 1)

    echo "handler, longest in us, how many over 1, 2, 5, 10 ms:" >&2

    # a worker that starts or ends holds up nobody

    while read -r place rest; do
        echo "$(addr2line -fse "$root/build/loop/objs/ngx_mdm_module.so" \
                          "0x$place" | head -n 1) $rest"
    done < "$file" | grep -v '_process \|_conf ' | tee "$dir/handlers" >&2

    figure loop_handler_max "$(awk '$2 > n { n = $2 } END { print n + 0 }' \
                               "$dir/handlers")" us
}


bench_loop() {
    local n=200 results pid

    [ $quick = 0 ] || n=40

    # threads would share its core with a worker that is bound to it

    affinity=

    start
    enroll $((n + 8))
    queue 0 $n

    loop_poll alone $n

    results=$(loop_results)

    # for longer than the polls last, so that they are never alone

    loop_send 0 $n $((seconds + 2)) &
    pid=$!

    sleep 1
    loop_poll beside $n

    wait "$pid" || fail "$(cat "$dir/sender.out")"

    figure loop_results $(($(loop_results) - results)) results

    awk -v a="$(value latency_p99 "$dir/beside.out")" \
        -v b="$(value latency_p99 "$dir/alone.out")" \
        'BEGIN { printf "loop_p99_ratio %.2f x\n", a / b }'

    stack_stop

    loop_handler $n
}
