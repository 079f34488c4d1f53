# Copyright (C) ngx_mdm_module authors
#
# scripts/bench push and herd, and what poll and enqueue say of push; sourced by
# scripts/bench.  build/mdmapns stands for Apple's push service, on CPU 0 beside
# the worker, which has time left: Redis and the load generator have CPU 1.


# push_nginx RATE [LINE …]: Redis, mdmapns and nginx with push on

push_nginx() {
    local rate=$1 option=("${apns_options[@]}") redis=("${redis_options[@]}")

    shift

    stack_apns taskset -c 0 -- "${option[@]}"

    http_more="$(stack_push_conf)
    mdm_push_rate $rate;
    $*
    $plain_server"

    start "${redis[@]}"
}

apns_options=()
redis_options=()
plain_server=


# without_push NAME [SED …]: another nginx on the same Redis, with push off; sets
# off_url and off_worker

without_push() {
    without "$@" -e '/^ *mdm_push/d'
}


# without NAME SED …

without() {
    local own=$port at name=$1

    shift
    stack_port $((port + 1))
    at=$port
    port=$own
    off_url=https://localhost:$at
    other_nginx "$name" "$root/build/ngx_mdm_module.so" "$at" "$@"
    off_worker=$other_worker
}


# at_url URL COMMAND …

at_url() {
    local url=$1

    shift
    "$@"
}


# cpu PID: ns; apns_stat NAME: what mdmapns counts

cpu() {
    cut -d' ' -f1 "/proc/$1/schedstat"
}


apns_stat() {
    apns_tell stat \
        | awk -v n="$1" '{ for (i = 1; i < NF; i += 2) if ($i == n)
                                                       print $(i + 1) }'
}


push_key() {
    redis --no-raw eval "local n = 0
        for _, k in ipairs(redis.call('KEYS', 'mdm:*:push')) do
            if k ~= 'mdm:{work}:due:push' then
                n = n + redis.call('ZCARD', k)
            end
        end
        return n" 0 | sed 's/.* //'
}


median() {
    sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}


# plain_conf PORT: where one connection speaks for all devices

plain_conf() {
    plain_server="server {
        listen 127.0.0.1:$1;
        location = /mdm {
            mdm_checkin on;
            mdm_connect on;
            mdm_certificate         header X-Client-Cert;
            mdm_trusted_proxy       127.0.0.1;
            mdm_trusted_certificate $dir/ca/ca.pem;
        }
    }"
}


# the same poll by an nginx with push and by one without, each by its own
# "return 200", in turns of 0.2 s

poll_with_push() {
    local devices=10000 rounds=5 plain

    [ $quick = 0 ] || { devices=500; rounds=1; }

    plain=$((port + 40))
    plain_conf $plain
    redis_options=(--appendonly yes)

    push_nginx 1000r/s
    without_push off -e "s|127.0.0.1:$plain;|127.0.0.1:$((plain + 1));|"
    enroll $devices
    poll_rounds poll_push

    poll_writes $devices
    poll_minute $devices "$plain" on "$worker"
    poll_minute $devices $((plain + 1)) off "$off_worker"

    stack_stop

    plain_server=
    redis_options=()
    http_more=
}


# poll_rounds NAME: polls of nginx and of the one at off_url

poll_rounds() {
    local i out=$dir/poll.out

    for i in $(seq $rounds); do
        "$sim" bench --dir "$dir/ca" --count $devices --connections 32 \
               --shared-key --cpu 1 --slice 0.2 --duration $((2 * seconds)) \
               --worker-pid "$worker" --worker-pid "$worker" \
               --worker-pid "$off_worker" --worker-pid "$off_worker" --quiet \
               --url "$url/baseline" --url "$url/mdm" \
               --url "$off_url/baseline" --url "$off_url/mdm" \
               9>&- > "$out" || fail "poll: $(cat "$out")"

        echo "$(value worker_cpu_0 "$out") $(value worker_cpu_1 "$out")" \
            "$(value worker_cpu_2 "$out") $(value worker_cpu_3 "$out")"
    done > "$dir/poll.rounds"

    awk '{ printf "%.3f %.3f %.3f\n", $2 / $1, $4 / $3, $2 / $1 - $4 / $3 }' \
        "$dir/poll.rounds" | tee "$dir/poll.ratios" >&2

    figure "$1_on_ratio" "$(cut -d' ' -f1 "$dir/poll.ratios" | median)" x
    figure "$1_off_ratio" "$(cut -d' ' -f2 "$dir/poll.ratios" | median)" x
    figure "$1_difference" "$(cut -d' ' -f3 "$dir/poll.ratios" | median)" x
}


# enroll_plain COUNT PORT

enroll_plain() {
    echo "enrolling $1 devices" >&2

    "$sim" enroll --dir "$dir/ca" --url "http://127.0.0.1:$2/mdm" \
           --header-cert X-Client-Cert --count "$1" --topic "$topic" \
           --connections 32 --cpu 1 --shared-key --unlock-token 0 --quiet \
           9>&- > "$dir/enroll.out" || fail "enroll: $(cat "$dir/enroll.out")"
}


# passes COUNT PORT: each device polls once, over one of eight connections

passes() {
    "$sim" poll --dir "$dir/ca" --count "$1" --connections 8 --shared-key \
           --url "http://127.0.0.1:$2/mdm" --header-cert X-Client-Cert \
           --cpu 1 --quiet 9>&- > "$dir/pass.out" || fail "$(cat "$dir/pass.out")"
}


aof_size() {
    redis info persistence | tr -d '\r' | sed -n 's/^aof_current_size://p'
}


seen_long_ago() {
    redis eval "for _, k in ipairs(redis.call('KEYS', 'mdm:*:e:*')) do
            redis.call('HSET', k, 'last_seen', 1)
        end" 0 > /dev/null
}


# polls of devices that were seen less than a minute ago

poll_writes() {
    local devices=$1 n=10000 before

    [ "$devices" -ge 1000 ] && devices=1000
    [ $quick = 0 ] || n=1000

    seen_long_ago
    "$sim" poll --dir "$dir/ca" --url "$url/mdm" --count "$devices" \
           --shared-key --connections 32 --cpu 1 --quiet \
           9>&- > "$dir/pass.out" || fail "$(cat "$dir/pass.out")"

    before=$(aof_size)
    "$sim" poll --dir "$dir/ca" --url "$url/mdm" --count 32 --shared-key \
           --connections 32 --requests $n --cpu 1 --quiet \
           9>&- > "$dir/pass.out" || fail "$(cat "$dir/pass.out")"

    figure poll_push_requests "$(value requests "$dir/pass.out")" requests
    figure poll_push_aof $(($(aof_size) - before)) bytes
}


# poll_minute COUNT PORT NAME WORKER: each poll the first one of its device in a
# minute, and the same once more, which writes nothing

poll_minute() {
    local devices=$1 i pass c r aof

    for i in 1 2 3; do
        seen_long_ago

        for pass in first again; do
            c=$(cpu "$4") r=$(cpu "$redis_pid") aof=$(aof_size)
            passes "$devices" "$2"
            echo "$pass $(($(cpu "$4") - c)) $(($(cpu "$redis_pid") - r))" \
                "$(($(aof_size) - aof))"
        done
    done > "$dir/minute"

    awk -v name="poll_minute_push_$3" -v n="$devices" '
        { w[$1] += $2; r[$1] += $3; a[$1] += $4 }
        END {
            n *= 3000
            for (p in w) {
                printf "%s_%s_worker_cpu %.2f us\n", name, p, w[p] / n
                printf "%s_%s_redis_cpu %.2f us\n", name, p, r[p] / n
                printf "%s_%s_aof %.1f bytes\n", name, p, a[p] / n * 1000
            }
        }' "$dir/minute" | sort
}


# queueing with push off, on, and on while APNs is away, so that pushes are owed
# and none is sent; in turns, to as many devices.  Those of the nginx with push
# off are another tenant's: after a command that was queued with push off, the
# other nginx would walk through all queues anew.

enqueue_with_push() {
    local devices=20000 rounds=4 i p plain

    [ $quick = 0 ] || { devices=2000; rounds=1; }

    plain=$((port + 40))
    plain_conf $plain
    push_nginx 1000r/s
    without_push off -e "s|127.0.0.1:$plain;|127.0.0.1:$((plain + 1));|" \
        -e 's|^ *mdm_reenroll .*|& mdm_tenant off;|'
    enroll_plain $devices $plain
    enroll_plain $devices $((plain + 1))

    # the first command of each: what a push leaves behind is there afterwards

    enqueue_bytes off "$off_url" $((plain + 1)) > "$dir/push.bytes"
    enqueue_bytes on "$url" $plain >> "$dir/push.bytes"

    for i in $(seq $rounds); do
        enqueue_round off "$off_url" "$off_worker"
        enqueue_round on "$url" "$worker"
        apns_away
        enqueue_round owed "$url" "$worker"
        apns_tell 'listen on' > /dev/null
    done > "$dir/push.rounds"

    cat "$dir/push.bytes" "$dir/push.rounds" >&2

    for p in off on owed; do
        i=2

        for v in "rate ids/s" "worker_cpu us/id" "redis_cpu us/id"; do
            figure "enqueue_push_${p}_${v% *}" \
                "$(awk -v p=$p -v i=$i '$1 == p { print $i }' \
                       "$dir/push.rounds" | median)" "${v#* }"
            i=$((i + 1))
        done
    done

    awk '{ r[$1, ++n[$1]] = $2 }
         END { for (i = 1; i <= n["on"]; i++) print r["on", i] / r["off", i],
                                               r["owed", i] / r["off", i] }' \
        "$dir/push.rounds" > "$dir/push.ratios"
    figure enqueue_push_ratio "$(cut -d' ' -f1 "$dir/push.ratios" | median)" x
    figure enqueue_owed_ratio "$(cut -d' ' -f2 "$dir/push.ratios" | median)" x

    awk -v n=$devices '{ owed[$1] = $2; done[$1] = $3 } END {
        printf "enqueue_push_owed %.0f bytes/id\n",
               (owed["on"] - owed["off"]) / n
        printf "enqueue_push_answered %.0f bytes/id\n",
               (done["on"] - done["off"]) / n
    }' "$dir/push.bytes"

    stack_stop
    plain_server=
    http_more=
}


# forgets what is queued and owed

unqueue() {
    redis eval "for _, k in ipairs(redis.call('KEYS', 'mdm:*:e:*')) do
            redis.call('HDEL', k, 'q')
        end
        for _, p in ipairs({'mdm:*:q:*', 'mdm:*:c:*-*', 'mdm:{*/*}:push'}) do
            for _, k in ipairs(redis.call('KEYS', p)) do
                redis.call('DEL', k)
            end
        end" 0 > /dev/null
}


# enqueue_round NAME URL WORKER: one command to all of them

enqueue_round() {
    local begin end c r

    unqueue
    sleep 1

    c=$(cpu "$3") r=$(cpu "$redis_pid")
    begin=$(date +%s%N)
    at_url "$2" queue 0 $devices
    end=$(date +%s%N)

    awk -v p="$1" -v n=$devices -v t=$((end - begin)) \
        -v c=$(($(cpu "$3") - c)) -v r=$(($(cpu "$redis_pid") - r)) 'BEGIN {
            printf "%s %.0f %.2f %.2f\n", p, n * 1e9 / t, c / n / 1000,
                   r / n / 1000
        }'
}


# enqueue_bytes NAME URL PORT: what a command takes while it waits, and when it
# was pushed and answered

enqueue_bytes() {
    local before owed

    before=$(used_memory)
    at_url "$2" queue 0 $devices
    owed=$(used_memory)

    [ "$1" = off ] || watch $devices

    passes $devices "$3"
    echo "$1 $((owed - before)) $(($(used_memory) - before))"
}


# watch COUNT [CONTROL]: until mdmapns has had so many requests, or what has this
# control socket; lines of time, count, CPU of the worker and of Redis (all ns)
# in $dir/push.times

watch() {
    perl -MIO::Socket::UNIX -MTime::HiRes=sleep,clock_gettime -e '
        my ($control, $count, $log, @pids) = @ARGV;
        my $s = IO::Socket::UNIX->new(Peer => $control) or die "$control: $!\n";
        my ($last, $end) = (0, time + 300);

        open my $out, ">", $log or die "$log: $!\n";
        $out->autoflush(1);

        while ($last < $count) {
            print {$s} "stat\n";
            my ($n) = <$s> =~ / requests (\d+)/ or die "no answer\n";

            if ($n != $last) {
                my @cpu = map { open my $f, "<", "/proc/$_/schedstat"
                                    or die "$_: $!\n";
                                (split " ", <$f>)[0] } @pids;

                printf $out "%.0f %d %s\n",
                       clock_gettime(Time::HiRes::CLOCK_REALTIME()) * 1e9,
                       $n, "@cpu";
                $last = $n;
            }

            time < $end or die "$last of $count came\n";
            sleep 0.02;
        }' "${2:-$dir/apns/control}" "$1" "$dir/push.times" "$worker" \
        "$redis_pid" || fail "not all came"
}


# an outage of Apple's: commands are queued meanwhile

apns_away() {
    apns_tell 'listen off' drop > /dev/null
}


# pushes that are owed are sent when APNs is back

bench_push() {
    local devices=${devices:-50000}

    [ $quick = 0 ] || devices=3000

    plain_conf $((port + 40))
    push_nginx "1000000r/s burst=2000000" 'mdm_push_ids 1000;'
    enroll_plain $devices $((port + 40))

    push_rss
    push_api
    push_call
    push_client

    apns_tell clear > /dev/null
    apns_away
    queue 0 $devices
    sleep 1

    apns_tell 'listen on' > /dev/null
    watch $devices

    # the first and the last look tell of less than a whole one; what had been
    # taken while APNs was away comes later than the rest, and is left out

    awk -v all=$devices '
        NR == 2 { t = $1; n = $2; c = $3; r = $4 }
        NR > 2 && $2 <= 0.9 * all { n2 = $2 - n; t2 = $1 - t; c2 = $3 - c
                                    r2 = $4 - r }
        END {
            printf "push_count %d pushes\n", n2
            printf "push_per_s %.0f pushes/s\n", n2 * 1e9 / t2
            printf "push_cpu %.1f us\n", c2 / n2 / 1000
            printf "push_redis_cpu %.1f us\n", r2 / n2 / 1000
            printf "push_worker_utilization %.0f percent\n", c2 / t2 * 100
            printf "push_redis_utilization %.0f percent\n", r2 / t2 * 100
        }' "$dir/push.times"

    stack_stop
    plain_server=
    http_more=
}


# a command for one device, and its push, one call after the other

push_api() {
    local n=2000

    [ $quick = 0 ] || n=200

    queue 0 1
    "$sim" ids --first 1 --count $n 9>&- \
        | sed "s|.*|next\nurl = \"$url/v1/enqueue/&\"\n\
upload-file = \"$dir/command\"\noutput = /dev/null\n\
write-out = \"%{http_code} %{time_total}\\\\n\"\n\
cacert = \"$dir/ca/ca.pem\"\nsilent|; 1s/^next//" > "$dir/calls"

    taskset -c 1 curl -K "$dir/calls" > "$dir/times"

    [ "$(grep -c '^200 ' "$dir/times")" = $n ] \
        || fail "not all of $n calls were answered 200"

    figure push_api_p50 "$(cut -d' ' -f2 "$dir/times" | median \
                           | awk '{ printf "%.2f", $1 * 1000 }')" ms
    figure push_api_p99 "$(cut -d' ' -f2 "$dir/times" | sort -n \
        | awk '{ v[NR] = $1 } END { printf "%.2f", v[int(NR * 0.99)] * 1000 }'
        )" ms
}


# calls of /v1/push for 1,000 devices each: without what is owed

push_call() {
    local n=16 begin end c r sent

    [ $quick = 0 ] || n=2

    rm -rf "$dir/ids"
    mkdir "$dir/ids"
    "$sim" ids --first $((quick ? 500 : 3000)) --count $((n * 1000)) 9>&- \
        | split -l 1000 - "$dir/ids/"

    for f in "$dir"/ids/*; do
        printf 'url = "%s"\noutput = /dev/null\ncacert = "%s"\n%s\n' \
            "$url/v1/push/$(paste -sd, "$f")" "$dir/ca/ca.pem" silent
        echo next
    done | sed '$d' > "$dir/calls"

    c=$(cpu "$worker") r=$(cpu "$redis_pid") sent=$(apns_stat requests)
    begin=$(date +%s%N)
    taskset -c 1 curl --fail -Z --parallel-max 4 -K "$dir/calls" \
        2> /dev/null || fail "/v1/push has failed"

    end=$(date +%s%N)
    c=$(($(cpu "$worker") - c)) r=$(($(cpu "$redis_pid") - r))
    sent=$(($(apns_stat requests) - sent))
    figure push_call_sent $sent pushes

    awk -v n=$sent -v t=$((end - begin)) -v c=$c -v r=$r '
        BEGIN {
            printf "push_call_per_s %.0f pushes/s\n", n * 1e9 / t
            printf "push_call_cpu %.1f us\n", c / n / 1000
            printf "push_call_redis_cpu %.1f us\n", r / n / 1000
        }'
}


# the client alone: how fast the pushes of a call for 1,000 devices come, which
# are sent behind its scripts and before their outcomes are stored

push_client() {
    local i ids

    for i in $(seq $((quick ? 2 : 8))); do
        ids=$("$sim" ids --first $((quick ? 500 : 2000 + i * 1000)) \
                     --count 1000 9>&- | paste -sd,)
        redis eval "for _, k in ipairs(redis.call('KEYS', 'mdm:*:e:*')) do
                redis.call('HDEL', k, 'taken')
            end" 0 > /dev/null
        apns_tell clear > /dev/null
        api -o /dev/null "$url/v1/push/$ids" || fail "/v1/push has failed"
        echo "$(apns_stat requests) $(apns_stat span)"
    done > "$dir/spans"

    awk '$1 > 1 { printf "%.0f\n", ($1 - 1) * 1e6 / $2 }' "$dir/spans" \
        > "$dir/rates"
    figure push_client_per_s "$(median < "$dir/rates")" pushes/s
}


# what 500 open streams take of the worker

push_rss() {
    local before open i most=0

    figure push_rss_before "$(status VmRSS)" kB

    # a connection is there

    api -o /dev/null "$url/v1/push/$("$sim" ids --first 2499 --count 1 9>&-)" \
        || fail "/v1/push has failed"

    before=$(status RssAnon)

    apns_tell 'delay 1500' > /dev/null
    api -o /dev/null "$url/v1/push/$("$sim" ids --first 2500 --count 500 9>&- \
                                     | paste -sd,)" &

    for i in $(seq 20); do
        sleep 0.1
        open=$(status RssAnon)
        [ "$open" -le "$most" ] || most=$open
    done

    wait $! || true
    apns_tell 'delay 0' > /dev/null
    figure push_rss $((most - before)) kB
    figure push_rss_streams "$(apns_stat most)" streams
}


# 50,000 owed pushes, two hosts, when APNs is back

bench_herd() {
    local devices=${devices:-50000} rate=1000 back

    [ $quick = 0 ] || { devices=3000; rate=300; }

    apns_options=(--ledger "$dir/apns/ledger")
    plain_conf $((port + 40))
    push_nginx "${rate}r/s burst=$((rate / 2))"
    other_nginx second "$root/build/ngx_mdm_module.so" $((port + 1)) \
        -e "s|127.0.0.1:$((port + 40));|127.0.0.1:$((port + 41));|"
    enroll_plain $devices $((port + 40))

    apns_away
    queue 0 $((devices / 2))
    at_url "https://localhost:$((port + 1))" \
        queue $((devices / 2)) $((devices / 2))
    figure herd_owed "$(push_key)" pushes

    # as long as an outage lasts until hosts have become patient

    sleep $((quick ? 10 : 60))

    back=$(date +%s%3N)
    apns_tell 'listen on' > /dev/null
    watch $devices
    sleep 2

    herd_figures "$back" "$rate" $devices < "$dir/apns/ledger"
    stack_stop
    apns_options=()
    plain_server=
    http_more=
}


# herd_figures BACK RATE DEVICES: the ledger on stdin

herd_figures() {
    perl -ne '
        BEGIN { ($back, $rate, $devices) = splice @ARGV, 0, 3 }
        my ($time, $conn, $token) =
            /"time":(\d+),"connection":(\d+).*"token":"(\w+)"/ or next;
        push @at, $time - $back;
        $conns{$conn}++;
        $double++ if defined $last{$token} && $time - $last{$token} < 10_000;
        $last{$token} = $time;
        END {
            my ($most, $least, $i, $j) = (0, 9e9, 0, 0);

            # windows of 5 s that begin with a push; whole ones for the least

            for $i (0 .. $#at) {
                $j++ while $j < @at && $at[$j] < $at[$i] + 5000;
                $most = $j - $i if $j - $i > $most;
                $least = $j - $i if $at[$i] + 5000 <= $at[-1]
                                    && $j - $i < $least;
            }

            printf "herd_pushes %d pushes\n", scalar @at;
            printf "herd_devices %d devices\n", scalar keys %last;
            printf "herd_twice_in_a_window %d pushes\n", $double // 0;
            printf "herd_connections %d connections\n", scalar keys %conns;
            printf "herd_first %d ms\n", $at[0];
            printf "herd_last %d ms\n", $at[-1];
            printf "herd_5s_most %.3f x\n", $most / $rate / 5;
            printf "herd_5s_least %.3f x\n", $least / $rate / 5;
        }' "$@"
}
