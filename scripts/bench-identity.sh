# Copyright (C) ngx_mdm_module authors
#
# scripts/bench identity; sourced by scripts/bench.


# identity_ca NAME KEY…: a CA of that kind, and its block mdm_ca; one whose key
# is not RSA has an RA

identity_ca() {
    local name=$1 at=$dir/identity

    shift
    mkdir -p "$at"

    {
        openssl req -x509 -nodes -newkey "$@" -keyout "$at/$name.key" \
            -out "$at/$name.pem" -days 30 -subj "/CN=$name" \
            -addext basicConstraints=critical,CA:TRUE \
            -addext keyUsage=critical,keyCertSign
        openssl req -nodes -newkey rsa:2048 -keyout "$at/$name-ra.key" \
            -out "$at/ra.csr" -subj "/CN=$name RA"
        printf 'keyUsage=critical,digitalSignature,keyEncipherment\n' \
            > "$at/ra.ext"
        openssl x509 -req -in "$at/ra.csr" -CA "$at/$name.pem" \
            -CAkey "$at/$name.key" -CAcreateserial -days 30 \
            -extfile "$at/ra.ext" -out "$at/$name-ra.pem"
    } 2> "$at/openssl.log" || fail "$(cat "$at/openssl.log")"

    chmod 600 "$at"/*.key

    echo "mdm_ca $name {
        certificate     $at/$name.pem;
        certificate_key $at/$name.key;
        threads         off;"

    [ "$1" != ec ] || echo "
        ra_certificate     $at/$name-ra.pem;
        ra_certificate_key $at/$name-ra.key;"

    echo "}"
}


# all of it by the worker's own thread, which is what is measured; keys and
# requests are made before

bench_identity() {
    local devices=1000 first name before parts issue plain=$((port + 40))

    [ $quick = 0 ] || devices=100

    http_more="$(identity_ca rsa rsa:2048)
    $(identity_ca ec ec -pkeyopt ec_paramgen_curve:P-256)
    server {
        listen 127.0.0.1:$plain;
        large_client_header_buffers 4 16k;
        mdm_scep_challenge static $dir/identity/secret;
        location /rsa { mdm_scep rsa; }
        location /ec { mdm_scep ec; }
    }"

    echo secret > "$dir/identity/secret"
    chmod 600 "$dir/identity/secret"

    start

    first=0

    for name in rsa ec; do
        before=$(cpu "$worker")

        taskset -c 1 "$sim" enroll --dir "$dir/ca" --quiet --scep-prepare \
            --scep "http://127.0.0.1:$plain/$name" --scep-challenge secret \
            --first $first --identities "$dir/identity/ids-$name" --connections 8 \
            --count $devices 9>&- > "$dir/identity.out" \
            || fail "identity: $(cat "$dir/identity.out")"

        issue=$(( ($(cpu "$worker") - before) / devices ))
        parts=$(taskset -c 0 "$root/build/scepparts" "$name" $devices)

        awk -v name="$name" -v issue=$issue -v parts="$parts" \
            -v rate="$(value scep_per_second "$dir/identity.out")" 'BEGIN {
                printf "scep_%s_issue_cpu %.1f us\n", name, issue / 1000
                printf "scep_%s_openssl_parts_cpu %.1f us\n", name, parts
                printf "scep_%s_ratio %.3f x\n", name, issue / 1000 / parts
                printf "scep_%s_per_s %.0f 1/s\n", name, rate
            }'

        first=$((first + devices))
    done
}
