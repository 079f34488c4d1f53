# Copyright (C) ngx_mdm_module authors
#
# scripts/bench ddm --large; sourced by scripts/bench.  What takes long in one
# script of Redis, and what polls notice of it: 500 a second, of eight devices
# that have no part in it.  With MDM_BENCH_MODULE, the module of another built
# tree, all of it is done with that one before.

large_prefix=
large_first=
large_pid=


# large_start PARTITIONS: an empty Redis, and scripts by their SHA

large_start() {
    local tree=$root name

    main_more="partitions $1;"

    [ -z "${stack_module-}" ] || tree=$(dirname "$(dirname "$stack_module")")
    [ -d "$tree/src/lua" ] || tree=$root

    start --slowlog-log-slower-than 100 --slowlog-max-len 100000

    : > "$dir/scripts"

    for name in "$tree"/src/lua/[a-z]*.lua; do
        [ -f "$name" ] || continue

        name=$(basename "$name" .lua)
        sh "$tree/scripts/embed-lua" "$tree/src/lua" "$name" \
            > "$dir/script.lua"

        # which leaves it there, so that nothing is compiled later

        echo "$(redis -x script load < "$dir/script.lua") $name" \
            >> "$dir/scripts"
    done
}


# large_enroll COUNT: devices 0 …, and the eight that poll

large_enroll() {
    large_first=$1
    enroll $(($1 + 8))
}


# large_batch: a call of the API for each line "METHOD PATH BODY" of stdin

large_batch() {
    awk -v url="$url" -v ca="$dir/ca/ca.pem" '{
        body = $0
        sub(/^[^ ]+ [^ ]+ ?/, "", body)
        gsub(/"/, "\\\"", body)

        if (NR > 1) { print "next" }

        printf "silent\nshow-error\nrequest = \"%s\"\n", $1
        printf "url = \"%s%s\"\ncacert = \"%s\"\n", url, $2, ca
        print "output = \"/dev/null\"\nwrite-out = \"%{http_code}\\n\""

        if (body != "") {
            print "header = \"Content-Type: application/json\""
            printf "data-raw = \"%s\"\n", body
        }
    }' > "$dir/batch"

    curl -K "$dir/batch" > "$dir/batch.out" || fail "calls of the API failed"

    if grep -qv '^20[0-9]$\|^304$' "$dir/batch.out"; then
        fail "calls of the API were answered: $(sort "$dir/batch.out" \
                                                | uniq -c | paste -sd' ')"
    fi
}


# large_call METHOD PATH-FILE [BODY]: one call, whose path may be longer than
# curl takes; only the build that is compared with may refuse it

large_call() {
    perl -It/lib -MMDM::HTTP -e '
        my ($port, $method, $file, $body) = @ARGV;

        open my $in, "<", $file or die "$file: $!\n";
        chomp(my $path = <$in>);

        my $r = MDM::HTTP->new(port => $port, timeout => 120)->request(
            $method, $path, !defined $body ? () : (body => $body,
                headers => ["Content-Type" => "application/json"]));

        die "$method " . substr($path, 0, 60) . " is answered "
            . $r->status . "\n" unless $r->status =~ /^20[0-6]$/;
    ' "$port" "$@" || [ "$large_prefix" = large_before_ ] || fail "a call failed"
}


# large_path PREFIX FIRST COUNT [SUFFIX]: in $dir/path

large_path() {
    {
        printf '%s' "$1"
        "$sim" ids --first "$2" --count "$3" 9>&- | paste -sd, | tr -d '\n'
        printf '%s' "${4-}"
    } > "$dir/path"
}


# large_measure NAME COMMAND …: its longest script, and the polls beside it

large_measure() {
    local name=$large_prefix$1 begin end rc=0

    shift
    echo "$name" >&2

    # what was begun before it is over

    sleep 0.3
    redis slowlog reset > /dev/null

    # not on the CPU of Redis, whose scripts it would stop in the middle

    "$sim" poll --dir "$dir/ca" --url "$url/mdm" --first "$large_first" \
           --count 8 --shared-key --connections 8 --rate 500 --cpu 0 \
           --duration 300 --max-errors 1000000 --quiet \
           9>&- > "$dir/beside.out" 2> "$dir/beside.err" &
    large_pid=$!
    server_pids="$server_pids $large_pid"

    sleep 0.5
    begin=$(date +%s%N)
    "$@" || rc=$?
    end=$(date +%s%N)
    sleep 1

    kill -INT "$large_pid"
    wait "$large_pid" || true
    server_pids=${server_pids% "$large_pid"}

    redis --csv slowlog get -1 \
        | { grep -oE '[0-9]+,"EVALSHA(_RO)?","[0-9a-f]{40}"' || true; } \
        | awk -F '[,"]+' -v names="$dir/scripts" '
            BEGIN {
                while ((getline line < names) > 0) {
                    split(line, a, " ")
                    name[a[1]] = a[2]
                }
            }

            { n = ($3 in name) ? name[$3] : substr($3, 1, 12) }

            { calls[n]++; sum[n] += $1 }

            $1 > max[n] { max[n] = $1 }

            END {
                for (n in max) {
                    printf "%d %s (us at most; %d calls, %.2f s)\n",
                           max[n], n, calls[n], sum[n] / 1e6
                }
            }
        ' | sort -rn > "$dir/slow"

    head -n 3 "$dir/slow" >&2

    awk -v n="$name" '
        NR == 1 {
            printf "%s_script %.1f ms\n", n, $1 / 1000
            printf "%s_name %s script\n", n, $2
        }

        END { if (NR == 0) { printf "%s_script 0.1 ms\n", n } }
    ' "$dir/slow"
    awk -v n="$name" -v t=$((end - begin)) \
        'BEGIN { printf "%s_time %.2f s\n", n, t / 1e9 }'
    awk -v n="$name" '
        $1 == "latency_p99" { printf "%s_poll_p99 %.1f ms\n", n, $2 / 1000 }
        $1 == "latency_max" { printf "%s_poll_max %.1f ms\n", n, $2 / 1000 }
        $1 == "status_503" { refused = $2 }
        END { printf "%s_poll_503 %d polls\n", n, refused }
    ' "$dir/beside.out"

    return $rc
}


# large_settle SECONDS: what was filled in is everywhere

large_settle() {
    rolled_out_within "$1" \
        || echo "not rolled out within $1 s; going on nevertheless" >&2
}


# large_declarations COUNT: c.1 …, in sets of up to 1,000 that are for who has
# the tag "fleet"

large_declarations() {
    echo "$1 declarations" >&2

    seq "$1" | awk '{
        printf "PUT /v1/declarations?nonotify=1 " \
               "{\"Type\":\"com.apple.configuration.management.test\"," \
               "\"Identifier\":\"com.example.bench.c.%d\"," \
               "\"Payload\":{\"Echo\":\"%d\"}}\n", $1, $1
    }' | large_batch

    seq "$1" | awk '{
        printf "PUT /v1/set-declarations/c.%d?nonotify=1&" \
               "declaration=com.example.bench.c.%d\n", ($1 - 1) / 1000, $1
    }' | large_batch

    seq 0 $((($1 - 1) / 1000)) | awk '{
        printf "PUT /v1/set-filters/c.%d?nonotify=1 {\"tag\":[\"fleet\"]}\n", $1
    }' | large_batch

    large_settle 60
}


# large_tag COUNT TAG …: devices get tags, and nobody is told

large_tag() {
    local n=$1 tag

    shift

    for tag; do
        "$sim" ids --count "$n" 9>&- | awk -v t="$tag" '{
            printf "PUT /v1/enrollment-tags/%s?nonotify=1&tag=%s\n", $1, t
        }' | large_batch
    done
}


# large_told NAME SECONDS: one declaration is another one; how many channels a
# second are told of it

large_told() {
    local begin end

    begin=$(date +%s%N)
    put /v1/declarations "$(declaration configuration.management.test \
        com.example.bench.c.1 "{\"Echo\":\"$begin\"}")"
    rolled_out_within "$2" || true
    end=$(date +%s%N)

    awk -v n="$large_prefix$1" -v q="$(rollout queued)" -v t=$((end - begin)) \
        'BEGIN {
            printf "%s_told %d channels\n", n, q
            printf "%s_rate %.0f channels/s\n", n, q * 1e9 / t
        }'
}


# large_change COUNT CHANNELS: one of so many declarations changes

large_change() {
    local n=$1 channels=$2

    large_start $((channels / 500 + 16))
    large_declarations "$n"
    large_enroll "$channels"

    large_measure "assign_$n" large_tag "$channels" fleet

    large_measure "change_$n" large_told "change_$n" \
        $((30 + channels / 1000))

    # enrolled again, they get what their tag gives

    large_measure "token_update_$n" enroll $((channels < 10 ? channels : 10))

    if [ "$n" = "$large_most" ]; then
        echo /v1/declarations > "$dir/path"
        large_measure "list_$n" large_call GET "$dir/path"

        large_path /v1/enrollment-declarations/ 0 1
        large_measure "manifest_$n" large_call GET "$dir/path"

        large_declared "$n" "$channels"
    fi

    stack_stop
}


# large_declared COUNT CHANNELS: what devices say of their declarations

large_declared() {
    local ids=$(($2 < 44 ? $2 : 44))

    {
        printf '{"StatusItems":{"management":{"declarations":{'
        printf '"activations":[],"assets":[],"management":[],'
        printf '"configurations":['
        seq "$1" | awk '{
            printf "%s{\"identifier\":\"com.example.bench.c.%d\"," \
                   "\"active\":true,\"valid\":\"valid\"," \
                   "\"server-token\":\"0123456789abcdef0123456789abcdef%08d\"}",
                   (NR > 1 ? "," : ""), $1, $1
        }'
        printf ']}}},"Errors":[]}'
    } > "$dir/report"

    large_report 0 "$dir/report"
    large_clone 0 0 "$ids"

    large_path /v1/declaration-status/ 0 "$ids"
    large_measure "declaration_status_${ids}_$1" large_call GET "$dir/path"
}


# large_report DEVICE FILE: a status report

large_report() {
    if [ ! -f "$dir/device.$1.pem" ]; then
        "$sim" cert --dir "$dir/ca" --shared-key --device "$1" --force \
               --out "$dir/device.$1" 9>&-
    fi

    "$sim" message --dir "$dir/ca" --shared-key --device "$1" \
           --what DeclarativeManagement --endpoint status --data "$2" \
           9>&- > "$dir/message"

    api --cert "$dir/device.$1.pem" --key "$dir/device.$1.key" -o /dev/null \
        -H 'Content-Type: application/x-apple-aspen-mdm-checkin' \
        -T "$dir/message" "$url/mdm" || fail "a report was refused"
}


# large_clone DEVICE FIRST COUNT: the same values are kept of others, too

large_clone() {
    "$sim" ids --first "$2" --count "$3" 9>&- | redis -x eval "
        local tag = {}

        for _, key in ipairs(redis.call('KEYS', 'mdm:*:e:*')) do
            local t, id = string.match(key, '^(mdm:{.-}):e:(.*)\$')
            tag[id] = t
        end

        for _, kind in ipairs({':s:', ':sl:'}) do
            local value = redis.call('DUMP', tag[ARGV[1]] .. kind .. ARGV[1])

            for id in string.gmatch(value and ARGV[2] or '', '[^\\n]+') do
                redis.call('RESTORE', tag[id] .. kind .. id, 0, value,
                           'REPLACE')
            end
        end

        return redis.status_reply('OK')" 0 \
        "$("$sim" ids --first "$1" --count 1 9>&-)" > "$dir/clone.out"

    grep -q '^OK' "$dir/clone.out" || fail "$(cat "$dir/clone.out")"
}


# values FIRST COUNT: a report of them

large_values() {
    printf '{"StatusItems":{"bench":{'
    seq "$1" $(($1 + $2 - 1)) | awk '{
        printf "%s\"value-%d\":\"this is value %d\"",
               (NR > 1 ? "," : ""), $1, $1
    }'
    printf '}},"Errors":[]}'
}


large_filters() {
    local sets=$1 tags=$2 n=$large_devices name=${1}_$2
    local one=declaration=com.example.bench.c.1

    large_start $((n / 125 + 1))
    large_enroll "$n"
    large_tag "$n" fleet red green blue grey

    echo "$sets sets with filters of $tags tags" >&2

    put '/v1/declarations?nonotify=1' "$(declaration \
        configuration.management.test com.example.bench.common \
        '{"Echo":"all"}')"
    put '/v1/declarations?nonotify=1' "$(declaration \
        configuration.management.test com.example.bench.c.1 '{"Echo":"one"}')"
    put "/v1/set-declarations/s.1?nonotify=1&$one" ''

    seq "$sets" | awk -v tags="$tags" '{
        list = $1 == 1 ? "\"fleet\"" : "\"tag-" $1 "-1\""

        for (i = 2; i <= tags; i++) {
            list = list ",\"tag-" $1 "-" i "\""
        }

        printf "PUT /v1/set-declarations/s.%d?nonotify=1&" \
               "declaration=com.example.bench.common\n", $1
        printf "PUT /v1/set-filters/s.%d?nonotify=1 {\"tag\":[%s]}\n", $1, list
    }' | large_batch

    large_settle 60

    large_measure "rollout_$name" large_told "rollout_$name" 20

    if [ "$sets" = "$large_sets" ] && [ "$tags" = 100 ]; then
        large_measure "touch_$sets" large_touch "touch_$sets"

        printf '/v1/notify?declaration=com.example.bench.common' > "$dir/path"
        large_measure "notify_$sets" large_call POST "$dir/path"
    fi

    stack_stop
}


large_output() {
    redis info stats | tr -d '\r' | sed -n 's/^total_net_output_bytes://p'
}


# what each partition is told of it

large_touch() {
    local before parts

    parts=$((large_devices / 125 + 1))
    before=$(large_output)

    api -X POST -o /dev/null \
        "$url/v1/declarations/com.example.bench.common/touch" \
        || fail "touch"
    rolled_out_within 30 || true

    figure "$large_prefix${1}_bytes" $((($(large_output) - before) / parts)) \
           bytes/partition
}


large_status() {
    local n=$large_ids i

    large_start 16
    large_enroll "$n"

    # a report has 10,000 values at most, a channel 20,000

    for i in 0 1; do
        large_values $((i * large_values)) "$large_values" > "$dir/report"
        large_report 0 "$dir/report"
    done

    large_clone 0 1 19
    large_path /v1/status-values/ 0 20
    large_measure "status_values_20_$((2 * large_values))" \
        large_call GET "$dir/path"

    large_measure "report_one_more" large_more 5

    large_values 0 40 > "$dir/report"
    large_report 20 "$dir/report"
    large_clone 20 0 "$n"
    large_path /v1/status-values/ 0 "$n"
    large_measure "status_values_${n}_40" large_call GET "$dir/path"

    # watchers, and reports of devices of their own

    seq "$large_watchers" | awk -v n="$large_watchers" '{
        list = ""

        for (i = 1; i <= n; i++) {
            list = list (i > 1 ? "," : "") "\"watch" $1 ".item" i ".\""
        }

        printf "PUT /v1/status-watchers/w.%d?validate=0&nonotify=1 " \
               "{\"items\":[%s],\"set\":\"watched\"}\n", $1, list
    }' | large_batch
    large_settle 60

    report > "$dir/report"
    large_measure "report_watched" large_reports

    stack_stop
}


# reports with one new value each

large_more() {
    local i

    for i in $(seq "$1"); do
        large_values $((2 * large_values + i)) 1 > "$dir/report"
        large_report 0 "$dir/report"
    done
}


large_reports() {
    "$sim" bench --dir "$dir/ca" --count 8 --connections 8 --shared-key \
           --cpu 0 --slice 0.2 --duration 3 --url "$url/mdm" --send idle \
           --url "$url/mdm" --send "status:$dir/report" --quiet \
           9>&- > "$dir/reports.out" || fail "$(cat "$dir/reports.out")"
}


# large_queues PARTITIONS

large_queues() {
    local n=$large_ids name=$1 i many=200
    local command='{"RequestType":"ProfileList"}'

    [ "$n" -ge 1000 ] || many=20

    large_start "$1"
    large_enroll "$n"

    large_path /v1/enqueue/ 0 "$n"
    large_measure "enqueue_${n}_in_$name" \
        large_call PUT "$dir/path" "$command"

    large_path /v1/queue/ 0 "$n"
    large_measure "clear_${n}_in_$name" large_call DELETE "$dir/path"

    # long queues

    if [ "$1" = 1 ]; then
        large_path /v1/enqueue/ 0 $many

        for i in $(seq 990); do
            echo "PUT $(cat "$dir/path") $command"
        done | large_batch

        large_measure "enqueue_${many}_long" \
            large_call PUT "$dir/path" "$command"

        large_path /v1/queue/ 0 $many
        large_measure "clear_${many}_long" large_call DELETE "$dir/path"
    fi

    stack_stop
}


# without anything

large_quiet() {
    large_start 256
    large_enroll 100
    large_measure quiet sleep 5
    stack_stop
}


large_lines() {
    local line

    for line in ${MDM_BENCH_LINES:-quiet queues change filters status}; do
        case $line in
            queues)
                large_queues 256
                large_queues 1
                ;;
            change)
                large_change 1010 "$large_devices"
                large_change $((large_most / 2)) $((large_devices / 10))
                large_change "$large_most" $((large_devices / 20))
                ;;
            fleet)
                large_most=
                large_change 1010 "${devices:-150000}"
                ;;
            filters)
                large_filters $((large_sets / 10)) 10
                large_filters "$large_sets" 10
                large_filters "$large_sets" 100
                ;;
            quiet|status)
                "large_$line"
                ;;
            *)
                fail "MDM_BENCH_LINES: $line"
                ;;
        esac
    done
}


bench_ddm_large() {
    local large_devices=${devices:-500} large_most=10000 large_sets=1000
    local large_ids=10000 large_values=10000 large_watchers=100

    if [ $quick = 1 ]; then
        large_devices=${devices:-200} large_most=2200 large_sets=100
        large_ids=1000 large_values=1000 large_watchers=20
    fi

    [ "$large_devices" -ge 100 ] || fail "--devices: 100 at least"

    if [ -n "${MDM_BENCH_MODULE-}" ]; then
        stack_module=$MDM_BENCH_MODULE
        large_prefix=large_before_
        large_lines
        stack_module=
    fi

    large_prefix=large_
    large_lines
    main_more=
}
