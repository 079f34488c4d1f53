# Copyright (C) ngx_mdm_module authors
#
# scripts/bench metrics; sourced by scripts/bench.  What a scrape takes, and
# what counting adds to a poll: two nginx on one Redis, one of which has a
# location with mdm_metrics.


# microseconds of CPU that the worker has used

metrics_cpu() {
    awk '{ printf "%d", $1 / 1000 }' "/proc/$worker/schedstat"
}


bench_metrics() {
    local devices=10000 rounds=5 scrapes=1000 c i before other_worker= own
    local other_url out=$dir/metrics.out

    [ $quick = 0 ] || { devices=500; rounds=1; scrapes=100; }

    locations="location = /metrics { mdm_metrics on; }"

    start
    enroll $devices

    own=$port
    stack_port $((port + 1))
    other_url=https://localhost:$port
    c=$port
    port=$own

    other_nginx off "${stack_module:-$root/build/ngx_mdm_module.so}" "$c" \
        -e '/mdm_metrics on/d'

    # the median of rounds, in each of which both take turns

    for c in 32 128; do

        for i in $(seq $rounds); do
            "$sim" bench --dir "$dir/ca" --count $devices --connections $c \
                   --shared-key --cpu 1 --slice 0.2 --duration "$seconds" \
                   --worker-pid "$other_worker" --worker-pid "$worker" \
                   --url "$other_url/mdm" --url "$url/mdm" --quiet \
                   9>&- > "$out" || fail "metrics: $(cat "$out")"

            echo "$(value ratio_1 "$out") $(value worker_cpu_0 "$out")" \
                "$(value worker_cpu_1 "$out")"
        done > "$dir/metrics.rounds"

        cat "$dir/metrics.rounds" >&2

        sort -n "$dir/metrics.rounds" | awk -v c=$c -v r=$rounds '
            NR == int((r + 1) / 2) {
                printf "metrics_poll_ratio_c%s %.3f x\n", c, $1
                printf "metrics_off_worker_cpu_c%s %.2f us\n", c, $2
                printf "metrics_on_worker_cpu_c%s %.2f us\n", c, $3
                printf "metrics_added_c%s %.2f us\n", c, $3 - $2
            }'
    done

    before=$(metrics_cpu)

    api "$url/metrics?[1-$scrapes]" -o "$out" > /dev/null \
        || fail "metrics: a scrape failed"

    figure metrics_scrape_cpu $((($(metrics_cpu) - before) / scrapes)) us
    figure metrics_scrape_bytes "$(wc -c < "$out")" bytes

    stack_stop
}
