# Copyright (C) ngx_mdm_module authors
#
# scripts/bench memory; sourced by scripts/bench.  Whether a worker grows.


# status FIELD: of the worker, in kB

status() {
    awk -v f="$1:" '$1 == f { print $2 }' "/proc/$worker/status"
}


# traffic N ROUNDS: N requests by 1,000 devices.  In each round four commands
# are queued for all of them, and the last one once more by 100 calls of one
# id; some are refused with NotNow first, some fail, results have 3 kB, and
# connections last 50 requests.

traffic() {
    local i n

    for i in $(seq "$2"); do
        for n in 1 2 3 4; do
            queue 0 1000
        done

        api -T "$dir/command" -o /dev/null \
            "$url/v1/enqueue/{$(head -n 100 "$dir/ids/aa" | paste -sd,)}" \
            || fail "enqueue failed"

        "$sim" poll --dir "$dir/ca" --url "$url/keep" --count 1000 \
               --shared-key --connections 32 --reopen-every 50 --cpu 1 \
               --requests $(($1 / $2)) --notnow 5 --error 2 \
               --result-size 3000 --quiet \
               9>&- > "$dir/memory.out" || fail "$(cat "$dir/memory.out")"

        requests=$((requests + $(value requests "$dir/memory.out")))
        commands=$((commands + $(value commands "$dir/memory.out")))
        handshakes=$((handshakes + $(value handshakes "$dir/memory.out")))

        status RssAnon >> "$dir/memory.kB"
        echo "$requests requests: $(tail -n 1 "$dir/memory.kB") kB" >&2
    done
}


bench_memory() {
    local n=1000000 requests=0 commands=0 handshakes=0 rss same

    [ $quick = 0 ] || n=100000

    start
    same=$worker
    enroll 1000 /keep

    traffic $((n / 20)) 1

    rss=$(status VmRSS)
    requests=0 commands=0 handshakes=0
    rm "$dir/memory.kB"

    traffic $n 20

    [ "$(pgrep -P "$nginx_pid" | head -n 1)" = "$same" ] \
        || fail "another worker than before"

    figure memory_requests $requests requests
    figure memory_commands $commands commands
    figure memory_handshakes $handshakes handshakes
    figure memory_rss_before "$rss" kB
    figure memory_rss_after "$(status VmRSS)" kB

    # what is not shared, after each twentieth; it goes up and down by the
    # connections that were open last

    awk '
        NR <= 5 { first += $1 }
        NR > 15 { last += $1 }
        { if (!min || $1 < min) { min = $1 } if ($1 > max) { max = $1 } }
        END {
            printf "memory_private_first_quarter %.0f kB\n", first / 5
            printf "memory_private_last_quarter %.0f kB\n", last / 5
            printf "memory_private_min %d kB\n", min
            printf "memory_private_max %d kB\n", max
        }' "$dir/memory.kB"

    stack_stop
}
