#!/bin/sh

# Copyright (C) ngx_mdm_module authors
#
# secrets.sh DIRECTORY OWNER: makes what is not there yet
#
#     redis.pass     the password of the user "mdm" of Redis
#     users.acl      Redis' users: "mdm" may what docs/keyspace.md lists,
#                    and who does not log in may PING
#     mdm.key        the key of secrets at rest (docs/encryption.md): keep a
#                    copy where the backups of Redis are not
#
# and gives all to OWNER.

set -eu

dir=$1
owner=$2
keyspace=${0%/*}/keyspace.md

umask 077

if [ ! -s "$dir/redis.pass" ]; then
    openssl rand -hex 32 > "$dir/redis.pass.new"
    mv "$dir/redis.pass.new" "$dir/redis.pass"
fi

if [ ! -s "$dir/mdm.key" ]; then
    openssl rand -hex 32 > "$dir/mdm.key.new"
    mv "$dir/mdm.key.new" "$dir/mdm.key"
fi

# a newer image may need further commands: made anew each time

rules=$(sed -n 's/^    ACL SETUSER mdm on >secret //p' "$keyspace")
[ -n "$rules" ] || { echo "secrets.sh: no ACL in $keyspace" >&2; exit 1; }

hash=$(tr -d '\n' < "$dir/redis.pass" | openssl dgst -sha256 -r | cut -c1-64)

cat > "$dir/users.acl.new" <<END
user default on nopass resetkeys resetchannels -@all +ping
user mdm on #$hash $rules
END

mv "$dir/users.acl.new" "$dir/users.acl"

chown -R "$owner" "$dir"
chmod 750 "$dir"
