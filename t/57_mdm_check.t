#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# scripts/mdm-check: what "nginx -t" cannot see, before a start or a reload.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::Sentinel;
use MDM::Util qw(read_file write_file);

my $t = MDM->new(redis => {})->start;
my $redis = $t->redis_server;
my $dir = $t->dir;
my $program = "$MDM::root/scripts/mdm-check";


# (exit code, what was printed) for a configuration

sub check {
    my (@args) = @_;

    my @cmd = ($program, '-c', "$dir/check.conf", '-p', $dir, '--nginx',
               $t->nginx_binary, @args);

    # "nginx -T" ends without freeing what it read

    my $env = $t->_env;

    $env->{ASAN_OPTIONS} .= ':detect_leaks=0';
    local @ENV{keys %$env} = values %$env;

    open my $out, '-|', @cmd or die "$!";
    local $/;
    my $text = <$out> // '';
    close $out;

    return ($? >> 8, $text);
}

sub conf {
    my (%o) = @_;

    local @{$t}{keys %o} = values %o;

    write_file("$dir/check.conf",
               $t->conf =~ s{\S+/error\.log}{$dir/check.log}r
                        =~ s{^pid \S+;}{pid $dir/check.pid;}mr);
    return;
}


# all is well

conf();

my ($rc, $text) = check();

is($rc, 0, 'a store that fits');
like($text, qr/^ok    store "main" unix:\S+: \Q$_\E: /m, "said: $_")
    for 'reachable', 'clock', 'acl', 'version', 'partitions', 'store id',
        'encryption key';
unlike($text, qr/^fail/m, 'nothing fails');
like($text, qr/^warn  store "main" \S+: persistence: appendonly is "no"/m,
     'warned of: no append-only file');
like($text, qr/^ok    location \/mdm \(\S+:\d+\): devices: /m,
     'a location of devices');

($rc, $text) = check('--json');

my $json = JSON::PP->new->decode($text);

is(ref $json, 'ARRAY', 'JSON');
is_deeply([ sort keys %{$json->[0]} ], [ qw(level text what where) ],
          'JSON: members');

($rc, $text) = check('--quiet', '--no-connect');
is("$rc$text", '0', 'quiet, without a connection');

my $before = $t->redis_dump;

check();
is($t->redis_dump, $before, 'nothing was changed');


# what does not fit

sub fails {
    my ($name, $re, %o) = @_;

    my @args = @{delete $o{args} || []};

    conf(%o);
    ($rc, $text) = check(@args);

    is($rc, 1, "$name: exit code");
    like($text, $re, $name);
    return;
}

my $id = $redis->hash('mdm:meta')->{store_id};

fails('partitions', qr/^fail  \S+ "main" \S+: partitions: the store has 256, /m,
      store => 'partitions 128;');
fails('store_id', qr/^fail .*: store id: it is store $id, "store_id" wants/m,
      store => 'store_id ' . '0' x 32 . ';');
fails('replicas', qr/^fail .*: replicas: "durability wait 1", but it has 0/m,
      store => 'durability wait 1 100ms;');
fails('an address', qr/^fail  store "main" unix:\S+: reachable: /m,
      redis_socket => "$dir/none.sock");

write_file("$dir/wrong.pass", 'wrong');
fails('a password', qr/^fail .*: WRONGPASS/m,
      store => "user $redis->{user}; password_file $dir/wrong.pass;");

write_file("$dir/key", '0123456789abcdef' x 4);
chmod 0600, "$dir/key";
conf(store => "encryption_key $dir/key;");
($rc, $text) = check();
is($rc, 0, 'a key where there was none');

$redis->cmd(HSET => 'mdm:meta', keys => '0123456789abcdef:' . 'e' x 32);
fails('a key that is missing', qr/^fail .*: values are under key 0123456789abcdef/m,
      store => "encryption_key $dir/key;");
$redis->cmd(HDEL => 'mdm:meta', 'keys');

$redis->cmd(HSET => 'mdm:meta', version => 9);
fails('a version', qr/^fail .*: version: the keyspace has version 9/m);
$redis->cmd(HSET => 'mdm:meta', version => 2);

$redis->cmd(ACL => SETUSER => $redis->{user}, '-hset', '-zadd');
fails('commands that the user may not call',
      qr/^fail .*: acl: the user may not call: hset zadd$/m);
$redis->cmd(ACL => SETUSER => $redis->{user}, '+hset', '+zadd');
$redis->cmd(ACL => LOG => 'RESET');

$redis->cmd(CONFIG => SET => 'maxmemory-policy', 'allkeys-lru');
fails('eviction', qr/^fail .*: persistence: maxmemory-policy is "allkeys-lru"/m);
$redis->cmd(CONFIG => SET => 'maxmemory-policy', 'noeviction');


# what would unenroll devices, or leave the API open

my @offline = (args => [ '--no-connect' ]);

write_file("$dir/users", "a:{PLAIN}b\n");

for my $level (qw(http server mdm)) {
    fails("auth_basic in $level",
          qr/^fail .*location \/mdm .*: auth_basic: "auth_basic Staff" answ/m,
          $level => "auth_basic Staff; auth_basic_user_file $dir/users;",
          @offline);
}

conf(server => "auth_basic Staff; auth_basic_user_file $dir/users;",
     mdm => 'auth_basic off;');
($rc, $text) = check('--no-connect');
is($rc, 0, 'auth_basic off in the location of devices');

fails('auth_request', qr/^fail .*: auth_request: "auth_request \/ask" answers/m,
      server => 'auth_request /ask;', @offline);
fails('return in the location', qr/^fail .*: return: "return" in line \d+ /m,
      mdm => 'return 204;', @offline);
fails('return in the server', qr/^fail .*: return: "return" in line \d+ /m,
      server => 'return 204;', @offline);

conf(mdm => 'allow 127.0.0.1; deny all;');
($rc, $text) = check('--no-connect');
is($rc, 0, 'deny at devices fails nothing');
like($text, qr/^warn .*location \/mdm .*: deny: /m, 'but it is said');

sub open_api {
    my ($api, %o) = @_;

    conf(%o, locations => <<"END");
        listen 0.0.0.0:%%PLAIN_PORT%%;
        location /mdm { mdm_checkin on; }
        location /api/ { mdm_api on; $api }
END

    return check('--no-connect');
}

{
    local $t->{plain_port} = MDM::Util::free_port();

    ($rc, $text) = open_api('');
    is($rc, 1, 'an open API: exit code');
    like($text, qr/^fail  location \/api\/ \(\S+:\d+\): access: the API is op/m,
         'an open API');

    for my $rule ('allow 10.0.0.0/8; deny all;', 'internal;',
                  "auth_basic A; auth_basic_user_file $dir/users;",
                  'auth_request /ask;', 'limit_except GET { deny all; }')
    {
        ($rc, $text) = open_api($rule);
        is($rc, 0, "an API with $rule");
    }

    ($rc, $text) = open_api('', verify => 'on');
    is($rc, 0, 'an API with ssl_verify_client on');
}


# includes, quotes, comments

mkdir "$dir/conf.d";
write_file("$dir/conf.d/a.conf", "auth_basic \"St;aff }\"; # {\n"
           . "auth_basic_user_file $dir/users;\n");
fails('an included file', qr/: "auth_basic St;aff \}" answers 401/,
      server => "include $dir/conf.d/*.conf;", @offline);

conf();
write_file("$dir/check.conf", "nonsense;\n");
($rc, $text) = check();
is($rc, 2, 'what nginx refuses: exit code 2');


# Sentinel and Cluster: each master

{
    my $s = MDM::Sentinel->new(dir => "$dir/sentinel")->start;

    $s->wait_ok;
    conf(store_conf => 'mdm_store main { mode sentinel mymaster; '
         . join('', map { "server $_->{addr}; " } $s->sentinels) . $s->auth . ' }');
    ($rc, $text) = check();
    is($rc, 0, 'Sentinel');
    like($text, qr/^ok    store "main" \Q${\ $s->master->{addr}}\E: acl: /m,
         'Sentinel: its master');
    $s->stop;
}

{
    my $c = MDM::Cluster->new(dir => "$dir/cluster")->start;

    conf(store_conf => 'mdm_store main { mode cluster; server '
         . ($c->nodes)[0]{addr} . '; ' . $c->auth . ' }');
    ($rc, $text) = check();
    is($rc, 0, 'Cluster');

    my @acl = $text =~ /^ok    store "main" \S+: acl: all/mg;

    is(scalar @acl, 3, 'Cluster: each master');
    $c->stop;
}

finish;
