# Copyright (C) ngx_mdm_module authors
#
# scripts/bench setup; sourced by scripts/bench.


# setup_fleet COMMAND OPTION …: all of the fleet at once, each with a
# connection of its own

setup_fleet() {
    local command=$1

    shift

    "$sim" "$command" --dir "$dir/ca" --url "$url/mdm" --quiet \
           --kinds mac:1 --count "$macs" --shared-key --cpu 1 \
           --connections "$macs" "$@" 9>&- > "$dir/setup-$command.out" 2>&1 \
        || fail "$command: $(cat "$dir/setup-$command.out")"
}


# Macs in Setup Assistant, all at once: enrolled, given what a setup says, let
# out when each command has its answer, one of five an error

bench_setup() {
    local macs=1000 calls sends later

    [ $quick = 0 ] || macs=200

    start

    api -X PUT -o /dev/null -d '{"hold":"acknowledged","steps":[
        {"command":{"RequestType":"ProfileList"}},
        {"command":{"RequestType":"DeviceInformation",
                    "Queries":["OSVersion"]}}]}' "$url/v1/setups/mac" \
        || fail "no setup"

    read -r calls sends <<< "$(api "$url/counters")"
    setup_fleet enroll --awaiting
    read -r later sends <<< "$(api "$url/counters")"

    figure setup_macs "$macs" devices
    figure setup_enrolled "$(value enrolled "$dir/setup-enroll.out")" devices
    awk -v n="$macs" -v c=$((later - calls)) \
        'BEGIN { printf "setup_calls_an_enrollment %.2f calls\n", c / n }'
    awk -v n="$macs" -v t="$(value elapsed "$dir/setup-enroll.out")" \
        'BEGIN { printf "setup_enroll_rate %.0f 1/s\n", n / t }'

    setup_fleet poll --error 20

    figure setup_released "$(value released "$dir/setup-poll.out")" devices
    figure setup_stuck "$(redis eval "return #redis.call('KEYS', '*:w:*')
        + #redis.call('KEYS', '*:wait')" 0)" keys

    for v in p50 p99 max; do
        awk -v n="setup_release_$v" \
            -v us="$(value "release_$v" "$dir/setup-poll.out")" \
            'BEGIN { printf "%s %.1f ms\n", n, us / 1000 }'
    done

    stack_stop
}
