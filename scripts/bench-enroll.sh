# Copyright (C) ngx_mdm_module authors
#
# scripts/bench enroll; sourced by scripts/bench.


# enroll_start KIND KEY…: a server whose CA and whose signer of profiles have
# keys of that kind; what a device gets when it is there: five commands, and the
# way out of Setup Assistant

enroll_start() {
    local kind=$1 at=$dir/identity ca
    local sign="$dir/ca/server.pem $dir/ca/server.key"

    ca=$(identity_ca "$kind" off "${@:2}")

    # the server's own certificate has P-256

    if [ "$kind" = rsa ]; then
        openssl req -x509 -nodes -newkey rsa:2048 -days 30 -subj /CN=signer \
            -keyout "$at/signer.key" -out "$at/signer.pem" 2> /dev/null
        sign="$at/signer.pem $at/signer.key"
        chmod 600 "$at/signer.key"
    fi

    client_ca=$at/$kind.pem
    http_more="$ca

    mdm_enrollment main {
        identifier   com.example.mdm;
        topic        $topic;
        server_url   $url/life;
        capabilities per-user-connections bootstraptoken;
        identity     scep $kind $url/scep;
        enroll_url   $url/enroll;
        sign         $sign;
    }"
    locations='location = /life {
            mdm_checkin on;
            mdm_connect on;
            mdm_release always;
        }
        location = /scep { mdm_scep '$kind'; }
        location /enroll { mdm_enroll main link; }'

    start

    api -o /dev/null -T - "$url/v1/setups/all" <<'JSON' || fail "no setup"
{"hold":"acknowledged","steps":[
 {"command":{"RequestType":"DeviceInformation","Queries":["DeviceName","OSVersion","SerialNumber"]}},
 {"command":{"RequestType":"SecurityInfo"}},
 {"command":{"RequestType":"ProfileList"}},
 {"command":{"RequestType":"InstalledApplicationList"}},
 {"command":{"RequestType":"CertificateList"}}]}
JSON
}


# CPU of all of the worker's threads so far, in microseconds, then that of Redis

enroll_cpu() {
    cat "/proc/$worker/task"/*/schedstat \
        | awk -v r="$(cpu "$redis_pid")" \
              '{ n += $1 } END { printf "%d %d\n", n / 1000, r / 1000 }'
}


# enroll_sim COMMAND [OPTION …]: on the devices of this round

enroll_sim() {
    local command=$1

    shift

    taskset -c 1 "$sim" "$command" --quiet --kinds iphone:1 --topic "$topic" \
        --first "$first" --count "$devices" --connections 8 \
        --server-ca "$dir/ca/ca.pem" --identities "$dir/identity/ids" "$@" \
        9>&- > "$dir/enroll.out" || fail "$(cat "$dir/enroll.out")"
}


# One part after the other, all devices each, so that each part is known by
# itself.  Each device has connections of its own, as it would by itself: one
# for the profile, one for SCEP, one to check in, one for its commands.

enroll_round() {
    local i link

    link=$(api -d "{\"enrollment\":\"main\",\"uses\":$devices}" \
               "$url/v1/enrollment-links" \
           | sed -n 's/.*"url": *"\([^"]*\)".*/\1/p')
    [ -n "$link" ] || fail "no link"

    rm -rf "$dir/identity/ids" "$dir/profiles"
    mkdir "$dir/profiles"

    for i in $(seq "$devices"); do
        printf 'url = "%s"\noutput = "%s"\n' "$link" "$dir/profiles/$i"
    done > "$dir/profiles.conf"

    enroll_cpu
    taskset -c 1 curl -sS --fail --no-sessionid -H 'Connection: close' \
        --cacert "$dir/ca/ca.pem" -K "$dir/profiles.conf" 9>&- \
        || fail "no profile"
    enroll_cpu

    perl -0777 -ne 'm{<key>Challenge</key>\s*<string>([^<]+)} or die;
                    print "$1\n"' "$dir"/profiles/* > "$dir/challenges"

    enroll_cpu
    enroll_sim enroll --scep "$url/scep" --scep-prepare \
        --scep-challenge-file "$dir/challenges"
    enroll_cpu
    enroll_sim enroll --url "$url/life" --awaiting
    enroll_cpu
    enroll_sim poll --url "$url/life"
    enroll_cpu

    i=$(value commands_acknowledged "$dir/enroll.out")
    [ "$i" = $((devices * 6)) ] || fail "$i commands of $devices devices"
}


# enroll_life KIND KEY…

enroll_life() {
    local kind=$1 devices=60 rounds=7 first=0 i

    [ $quick = 0 ] || { devices=20; rounds=3; }

    enroll_start "$@"

    # the first ones meet a cold server

    enroll_round > /dev/null
    first=$devices

    for i in $(seq "$rounds"); do
        enroll_round | tr '\n' ' '
        echo
        first=$((first + devices))
    done > "$dir/enroll.rounds"

    enroll_figures "$kind" < "$dir/enroll.rounds"
    stack_stop
}


# medians of the rounds, a device; between the profile and SCEP nothing is done
# that counts

enroll_figures() {
    awk -v kind="$1" -v n="$devices" '
        function median(list,    i, k, x) {
            for (i = 2; i <= NR; i++) {
                x = list[i]
                for (k = i - 1; k > 0 && list[k] > x; k--) {
                    list[k + 1] = list[k]
                }
                list[k + 1] = x
            }
            return list[int((NR + 1) / 2)]
        }

        {
            profile[NR] = ($3 - $1) / n
            scep[NR] = ($7 - $5) / n
            checkin[NR] = ($9 - $7) / n
            commands[NR] = ($11 - $9) / n
            all[NR] = profile[NR] + scep[NR] + checkin[NR] + commands[NR]
            redis[NR] = ($4 - $2 + $12 - $6) / n
        }

        END {
            part["profile"] = median(profile)
            part["scep"] = median(scep)
            part["checkin"] = median(checkin)
            part["commands"] = median(commands)
            sum = part["profile"] + part["scep"] + part["checkin"]
            sum += part["commands"]
            split("profile scep checkin commands", names, " ")

            for (i = 1; i <= 4; i++) {
                printf "enroll_%s_%s_cpu %.0f us\n", kind, names[i],
                       part[names[i]]
                printf "enroll_%s_%s_share %.1f %%\n", kind, names[i],
                       100 * part[names[i]] / sum
            }

            x = median(all)
            printf "enroll_%s_cpu %.0f us\n", kind, x
            printf "enroll_%s_cpu_min %.0f us\n", kind, all[1]
            printf "enroll_%s_cpu_max %.0f us\n", kind, all[NR]
            printf "enroll_%s_redis_cpu %.0f us\n", kind, median(redis)
            printf "enroll_%s_per_s %.0f 1/s\n", kind, 1e6 / x
        }'
}


# a profile, built and signed, against CMS_sign() alone

enroll_profile() {
    local kind rounds=101 out

    [ $quick = 0 ] || rounds=11

    scripts/build profile >&2

    for kind in rsa ec; do
        read -r -a out <<< "$(taskset -c 0 "$root/build/profileparts" \
                                  $kind $rounds)"

        figure profile_${kind}_cms_sign_cpu "${out[0]}" us
        figure profile_${kind}_build_cpu "${out[1]}" us
        figure profile_${kind}_cpu "${out[2]}" us
        figure profile_${kind}_ratio "${out[3]}" x
        figure profile_${kind}_ratio_min "${out[4]}" x
        figure profile_${kind}_ratio_max "${out[5]}" x
    done
}


bench_enroll() {
    local client_ca

    enroll_profile
    enroll_life ec ec -pkeyopt ec_paramgen_curve:P-256
    enroll_life rsa rsa:2048

    http_more=
    locations=
    client_ca=

    [ -z "${MDM_BENCH_MODULE-}" ] || against_polls
}
