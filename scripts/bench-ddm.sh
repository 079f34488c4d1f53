# Copyright (C) ngx_mdm_module authors
#
# scripts/bench ddm; sourced by scripts/bench.


# put PATH BODY|"": a change of the API; 204 and 304 are fine

put() {
    local args=(-X PUT -o /dev/null)

    [ -z "$2" ] || args+=(-H 'Content-Type: application/json' --data-raw "$2")

    api "${args[@]}" "$url$1" || fail "PUT $1"
}


# rollout FIELD: of the progress

rollout() {
    api "$url/v1/ddm/rollout" | sed 's/[{}"]//g; s/,/\n/g' \
        | sed -n "s/^$1://p"
}


# rolled_out_within SECONDS: 1 if that is not enough.  All on one connection, a
# handshake each time would be what polls wait for.

rolled_out_within() {
    perl -It/lib -MMDM::HTTP -MTime::HiRes=sleep,time -e '
        my ($port, $seconds) = @ARGV;
        my $http = MDM::HTTP->new(port => $port);
        my $end = time() + $seconds;

        while (time() < $end) {

            # a worker that is busy may refuse it

            my $r = $http->request("GET", "/v1/ddm/rollout");
            my $is = $r->status == 200 ? $r->json : {state => ""};

            exit 0 if $is->{state} eq "done" && $is->{rev} == $is->{rolled_out};
            sleep 0.05;
        }

        exit 1;
    ' "$port" "$1"
}


# waits until all that was changed is rolled out

rolled_out() {
    rolled_out_within 300 && return 0

    fail "the rollout does not end: $(api "$url/v1/ddm/rollout")"
}


declaration() {
    printf '{"Type":"com.apple.%s","Identifier":"%s","Payload":%s}' \
        "$1" "$2" "$3"
}


# ten declarations in a set that a filter gives to all devices;
# declarations "" or "?nonotify=1"

declarations() {
    local i sep='?'

    for i in 1 2 3 4 5 6 7 8; do
        put "/v1/declarations$1" "$(declaration \
            configuration.management.test "bench.$i" "{\"Echo\":\"$i\"}")"
    done

    put "/v1/declarations$1" "$(declaration activation.simple bench.on \
        '{"StandardConfigurations":["bench.1","bench.2","bench.3","bench.4"]}')"
    put "/v1/declarations$1" "$(declaration management.properties bench.p \
        '{"age":18}')"

    [ -z "$1" ] || sep="$1&"

    for i in 1 2 3 4 5 6 7 8 on p; do
        put "/v1/set-declarations/bench${sep}declaration=bench.$i" ''
    done

    put "/v1/set-filters/bench$1" '{"type":["Device"]}'
}


# sync_all COUNT NAME: all devices take what is queued, and sync

sync_all() {
    "$sim" poll --ddm --dir "$dir/ca" --url "$url/mdm" --count "$1" \
           --shared-key --connections 32 --cpu 1 --quiet \
           9>&- > "$dir/$2.out" || fail "sync: $(cat "$dir/$2.out")"
}


# a report of 20 items; @n@ is another number in each

report() {
    local i

    printf '{"StatusItems":{"device":{"operating-system":{'
    printf '"version":"18.@n@","build-version":"22B@n@","family":"iOS",'
    printf '"marketing-name":"iOS 18","supplemental":{'
    printf '"build-version":"22B@n@","extra-version":"(a)"}},'
    printf '"power":{"battery-health":"normal"},"identifier":{'
    printf '"serial-number":"C02ABCDEFGHI","udid":"0000-@n@"},'
    printf '"model":{"family":"iPhone","identifier":"iPhone15,2",'
    printf '"marketing-name":"iPhone 14 Pro","number":"MQ0E3LL/A"}},'
    printf '"passcode":{"is-present":true,"is-compliant":true},'
    printf '"softwareupdate":{"install-state":"none","device-id":"d@n@"},'
    printf '"test":{"string-value":"s@n@","integer-value":@n@,'
    printf '"boolean-value":true}},"Errors":[]}'
}


# side by side: Idle and what "--send" names

ddm_poll() {
    local name=$1 c=$2 suffix=_c$2

    [ "$c" != 32 ] || suffix=

    "$sim" bench --dir "$dir/ca" --count "$devices" --connections "$c" \
           --shared-key --cpu 1 --slice 0.2 --duration "$seconds" \
           --worker-pid "$worker" --redis-pid "$redis_pid" \
           --url "$url/mdm" --send idle --url "$url/mdm" --send "$3" --quiet \
           9>&- > "$dir/ddm.out" || fail "$name: $(cat "$dir/ddm.out")"

    figure "ddm_${name}_cpu_ratio$suffix" "$(value ratio_1 "$dir/ddm.out")" x
    figure "ddm_${name}_poll_worker_cpu$suffix" \
        "$(value worker_cpu_0 "$dir/ddm.out")" us

    for v in worker_cpu redis_cpu latency_p50 latency_p99; do
        figure "ddm_${name}_$v$suffix" "$(value ${v}_1 "$dir/ddm.out")" us
    done
}


bench_ddm() {
    local devices=10000 c

    [ $quick = 0 ] || devices=500

    # what a device asks for most often, and what it reports

    start
    enroll $devices
    declarations ''
    rolled_out
    sync_all $devices sync

    awk -v n=$devices '$1 == "elapsed" {
        printf "ddm_first_syncs %.0f devices/s\n", n / $2 }' "$dir/sync.out"
    [ "$(value ddm_reports "$dir/sync.out")" = $devices ] \
        || fail "not all devices synced: $(cat "$dir/sync.out")"

    for c in 32 1 128; do
        ddm_poll tokens "$c" tokens
    done

    report > "$dir/report"
    ddm_poll status 32 "status:$dir/report"
    awk '$1 == "worker_cpu_1" {
        printf "ddm_status_rate %.0f reports/s of one core\n", 1e6 / $2 }' \
        "$dir/ddm.out"

    stack_stop

    # a change that all devices must hear of

    devices=100000
    [ $quick = 0 ] || devices=1000

    start
    enroll $devices
    ddm_rollout $devices
    stack_stop
}


# ddm_memory NAME COUNT BYTES EVENTS: of them, what the outbox grew by; its
# length is limited

ddm_memory() {
    local events

    events=$(($(events_memory) - $4))

    awk -v name="$1" -v n="$2" -v m="$3" -v e="$events" 'BEGIN {
        printf "%s_bytes %.0f bytes/device\n", name, (m - e) / n
        printf "%s_event_bytes %.0f bytes/device\n", name, e / n
    }'
}


ddm_rollout() {
    local before after begin end cpu redis_cpu events

    # assigned, and nobody told: what a manifest costs in memory

    events=$(events_memory)
    before=$(used_memory)
    declarations '?nonotify=1'
    rolled_out
    after=$(used_memory)

    ddm_memory ddm_redis "$1" $((after - before)) "$events"

    # one declaration changes

    events=$(events_memory)
    before=$(used_memory)
    cpu=$(cut -d' ' -f1 "/proc/$worker/schedstat")
    redis_cpu=$(cut -d' ' -f1 "/proc/$redis_pid/schedstat")
    begin=$(date +%s%N)

    put /v1/declarations "$(declaration configuration.management.test \
        bench.1 '{"Echo":"changed"}')"
    rolled_out

    end=$(date +%s%N)
    cpu=$(($(cut -d' ' -f1 "/proc/$worker/schedstat") - cpu))
    redis_cpu=$(($(cut -d' ' -f1 "/proc/$redis_pid/schedstat") - redis_cpu))
    after=$(used_memory)

    figure ddm_rollout_devices "$1" devices
    figure ddm_rollout_queued "$(rollout queued)" devices
    awk -v t=$((end - begin)) \
        'BEGIN { printf "ddm_rollout_time %.2f s\n", t / 1e9 }'
    awk -v n="$1" -v c=$cpu \
        'BEGIN { printf "ddm_rollout_worker_cpu %.2f us/device\n", c / n / 1000 }'
    awk -v n="$1" -v c=$redis_cpu \
        'BEGIN { printf "ddm_rollout_redis_cpu %.2f us/device\n", c / n / 1000 }'
    ddm_memory ddm_rollout_redis "$1" $((after - before)) "$events"

    [ "$(rollout queued)" = "$1" ] || fail "not all were queued"
}
