# Copyright (C) ngx_mdm_module authors
#
# scripts/bench webhook, and what poll says of webhooks and metrics; sourced by
# scripts/bench.  build/mdmsink takes the events, by TLS, on CPU 1 beside Redis.

# in Redis' streams of a tenant: the events that the webhook has to get

hook_events() {
    redis eval "local list, wanted = {}, {}
        for name in string.gmatch(ARGV[1], '%S+') do
            wanted['mdm.' .. name] = true
        end
        for _, key in ipairs(redis.call('KEYS', 'mdm:{*/*}:events')) do
            local tenant, x = string.match(key, '^mdm:{([^/]+)/([^}]+)}')
            if tenant == ARGV[2] then
                for _, e in ipairs(redis.call('XRANGE', key, '-', '+')) do
                    for i = 1, #e[2], 2 do
                        if e[2][i] == 'event' and wanted[e[2][i + 1]] then
                            list[#list + 1] = tenant .. '.' .. x .. '.' .. e[1]
                        end
                    end
                end
            end
        end
        return list" 0 \
        "Authenticate TokenUpdate CheckOut SetBootstrapToken Connect" "$1"
}


# hook_lost NAME: of those in $dir/expected, what mdmsink has

hook_lost() {
    perl -e '
        my ($name, $expected, $ids) = @ARGV;
        my (%seen, %last, $n, $again, $lost, $odd);

        open my $f, "<", $ids or die "$ids: $!\n";

        while (<$f>) {
            /"status":2\d\d,.*"action":"answer"/ or next;

            my ($stream, $ms, $seq)
                = /"event_id":"([^"]+)\.(\d+)-(\d+)"/ or next;

            $_ = "$stream.$ms-$seq";
            $n++;
            $again++, next if $seen{$_}++;

            my $at = $ms * 1e4 + $seq;
            $odd++ if $at < ($last{$stream} // 0);
            $last{$stream} = $at;
        }

        open $f, "<", $expected or die "$expected: $!\n";
        chomp, $seen{$_} or $lost++ while <$f>;

        printf "%s_lost %d events\n", $name, $lost // 0;
        printf "%s_again %d events\n", $name, $again // 0;
        printf "%s_reordered %d events\n", $name, $odd // 0;
        ' "$1" "$dir/expected" "$dir/sink/ledger"
}


# hook_rate NAME COUNT: from a tenth to nine tenths of them

hook_rate() {
    awk -v all="$2" -v name="$1" '
        $2 >= all / 10 && !n { t = $1; n = $2; c = $3; r = $4 }
        n && $2 <= 0.9 * all { n2 = $2 - n; t2 = $1 - t; c2 = $3 - c
                               r2 = $4 - r }
        END {
            if (!n2) {
                print "too few looks at what came" > "/dev/stderr"
                exit 1
            }

            printf "%s_events %d events\n", name, all
            printf "%s_per_s %.0f events/s\n", name, n2 * 1e9 / t2
            printf "%s_worker_cpu %.1f us\n", name, c2 / n2 / 1000
            printf "%s_redis_cpu %.1f us\n", name, r2 / n2 / 1000
            printf "%s_worker_utilization %.0f percent\n", name, c2 / t2 * 100
        }' "$dir/push.times"
}


# hook_queue URL FIRST COUNT DEPTH: so many commands to these devices

hook_queue() {
    local i ids

    ids=$("$sim" ids --first "$2" --count "$3" 9>&- | paste -sd,)
    echo '{"RequestType":"DeviceInformation","Queries":["DeviceName",
"OSVersion","SerialNumber","BuildVersion","ModelName","ProductName",
"BatteryLevel","DeviceCapacity","AvailableDeviceCapacity","WiFiMAC"]}' \
        > "$dir/command"

    for i in $(seq "$4"); do
        [ "$i" = 1 ] || echo next
        printf '%s\n' "url = \"$1/v1/enqueue/$ids\"" \
            "upload-file = \"$dir/command\"" 'output = /dev/null' \
            'header = "Content-Type: application/json"' \
            "cacert = \"$dir/ca/ca.pem\"" silent fail
    done > "$dir/calls"

    taskset -c 1 curl -K "$dir/calls" || fail "an API call"
}


# reports to both, as many devices a round as there are connections, whose
# queues are not empty before it ends

hook_reports() {
    local i out=$dir/reports.out

    for i in $(seq "$rounds"); do
        "$sim" bench --dir "$dir/ca" --count 32 --connections 32 \
               --first $(((i - 1) * 32)) --shared-key --cpu 1 --slice 0.1 \
               --duration 4 --worker-pid "$off_worker" --worker-pid "$worker" \
               --redis-pid "$redis_pid" --quiet \
               --url "$off_url/mdm" --send result \
               --url "$url/mdm" --send result \
               9>&- > "$out" || fail "reports: $(cat "$out")"

        awk -v v="ratio_1 worker_cpu_0 worker_cpu_1 redis_cpu_0 redis_cpu_1 \
                  requests_1" '
            { value[$1] = $2 }
            END {
                n = split(v, name, " ")
                printf "%.3f", value["redis_cpu_1"] / value["redis_cpu_0"]
                for (i = 1; i <= n; i++) printf " %s", value[name[i]]
                print ""
            }' "$out"
    done > "$dir/hook.rounds"

    cat "$dir/hook.rounds" >&2

    set -- redis_ratio ratio off_worker_cpu worker_cpu off_redis_cpu redis_cpu

    for i in 1 2 3 4 5 6; do
        figure "webhook_report_$1" \
            "$(cut -d' ' -f$i "$dir/hook.rounds" | median)" \
            "$([ $i -lt 3 ] && echo x || echo us)"
        shift
    done

    figure webhook_reports \
        "$(awk '{ n += $7 } END { print n }' "$dir/hook.rounds")" requests
}


bench_webhook() {
    local rounds=5 depth=600 devices=15000 other_worker= off_url= off_worker=
    local n plain

    [ $quick = 0 ] || { rounds=1; devices=2000; }

    stack_sink taskset -c 1 -- --ledger "$dir/sink/ledger" --brief 1

    # no answer: what reports cost is looked at alone

    sink_tell 'rule * 200 action=none' > /dev/null

    plain=$((port + 40))
    plain_conf $plain
    http_more="mdm_tenant with;
    $(stack_hook_conf name=bench tenant=with connections=8 timeout=10m)
    $plain_server"

    start
    without without -e '/mdm_webhook/d' \
        -e 's/mdm_tenant with/mdm_tenant without/' \
        -e "s|127.0.0.1:$plain;|127.0.0.1:$((plain + 1));|"

    enroll $((rounds * 32))
    at_url "$off_url" enroll $((rounds * 32))
    hook_queue "$url" 0 $((rounds * 32)) $depth
    hook_queue "$off_url" 0 $((rounds * 32)) $depth
    hook_reports

    # what has piled up is delivered

    hook_events with > "$dir/expected"
    n=$(wc -l < "$dir/expected")
    sink_tell clear drop > /dev/null
    watch "$n" "$dir/sink/control"
    hook_rate webhook_backlog "$n"
    hook_lost webhook_backlog

    hook_outage
    hook_steady
    stack_stop
    http_more=
    plain_server=
}


# devices enroll while the sink is away

hook_outage() {
    local begin n

    begin=$(date +%s)
    hook_settled
    : > "$dir/sink/ledger"
    sink_tell clear 'listen off' drop > /dev/null

    hook_events with | sort > "$dir/before"
    enroll $devices /mdm 0 1000
    hook_events with | sort | comm -13 "$dir/before" - > "$dir/expected"
    n=$(wc -l < "$dir/expected")

    # as long as an outage has to last until all are sent at once behind it

    while [ $(($(date +%s) - begin)) -lt $((quick ? 12 : 30)) ]; do
        sleep 1
    done

    figure webhook_outage $(($(date +%s) - begin)) s
    begin=$(date +%s%N)
    sink_tell 'listen on' > /dev/null
    watch "$n" "$dir/sink/control"

    awk -v b="$begin" -v all="$n" '
        $2 > 0 && !t { t = 1; printf "webhook_back_first %.1f s\n",
                              ($1 - b) / 1e9 }
        $2 >= all { printf "webhook_back_last %.1f s\n", ($1 - b) / 1e9; exit }
        ' "$dir/push.times"
    hook_rate webhook_back "$n"
    hook_settled
    hook_lost webhook_back
}


# 500 reports a second, each of another device, so that hardly ever two events
# of a partition wait together: what an event costs then, by what the same
# reports cost without a webhook

hook_steady() {
    local count=1500 first=1000 i name at w c r

    [ $quick = 0 ] || count=500

    at_url "$off_url" enroll $count /mdm 0 $first

    for i in $(seq "$rounds"); do
        for name in with without; do
            at=$plain w=$worker

            if [ $name = without ]; then
                at=$((plain + 1)) w=$off_worker
                hook_queue "$off_url" $first $count 1
            else
                hook_queue "$url" $first $count 1
            fi

            hook_settled
            c=$(cpu "$w") r=$(cpu "$redis_pid")
            "$sim" poll --dir "$dir/ca" --first $first --count $count \
                   --connections 8 --shared-key --rate 500 --cpu 1 --quiet \
                   --url "http://127.0.0.1:$at/mdm" \
                   --header-cert X-Client-Cert 9>&- > "$dir/pass.out" \
                || fail "$(cat "$dir/pass.out")"
            hook_settled
            echo "$name $(($(cpu "$w") - c)) $(($(cpu "$redis_pid") - r))"
        done
    done > "$dir/hook.steady"

    awk -v n=$count '
        $1 == "with" { c = $2; r = $3 }
        $1 == "without" { print (c - $2) / n / 1000, (r - $3) / n / 1000 }
        ' "$dir/hook.steady" > "$dir/hook.each"

    figure webhook_steady_worker_cpu \
        "$(cut -d' ' -f1 "$dir/hook.each" | median)" us
    figure webhook_steady_redis_cpu \
        "$(cut -d' ' -f2 "$dir/hook.each" | median)" us
}


# until the webhook has acknowledged all

hook_settled() {
    local i

    for i in $(seq 600); do
        api "$url/v1/webhooks" | grep -q '"lag_events": *0[,}]' && return 0
        sleep 0.1
    done

    fail "the webhook is behind: $(api "$url/v1/webhooks")"
}


# the same poll by an nginx with a webhook and metrics, and by one without

poll_with_events() {
    local devices=10000 rounds=5 off_url= off_worker= other_worker=

    [ $quick = 0 ] || { devices=500; rounds=1; }

    stack_sink taskset -c 1
    http_more=$(stack_hook_conf name=bench)
    locations='location = /metrics { mdm_metrics on; }'

    start
    without off -e '/mdm_webhook/d' -e '/mdm_metrics on/d'
    enroll $devices
    hook_settled
    poll_rounds poll_events

    stack_stop
    http_more=
    locations=
}
