#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The configuration: what nginx -t refuses, and what it says.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Util qw(write_file);


# nginx -t

my $n = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $n->dir;

my %file = (
    empty => write_file("$dir/empty", ''),
    text => write_file("$dir/text", "no certificate\n"),
    broken => write_file("$dir/broken", $n->ca->{pem} =~ s/\n\w{10}/\nxx/r),
    half => write_file("$dir/half", $n->ca->{pem}
                                    . substr($n->ca->{pem}, 0, 200)),
    password => write_file("$dir/password", "secret\n"),
    lines => write_file("$dir/lines", "a\nb\n"),
    newline => write_file("$dir/newline", "\n"),
    long => write_file("$dir/long", 'x' x 5000),
);

chmod 0600, @file{qw(password lines newline long)};

my %accepted = map { $_ => 1 } qw(http server mdm api store locations
                                  store_conf);

sub conf_ok {
    my ($what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($ok, $said) = $n->test_conf(map({ $_ => undef } keys %accepted), %o);

    ok($ok, "accepted: $what") or diag($said);
    unlike($said, qr/\[(?:emerg|alert|crit|error)\]/, "quietly: $what");

    return $said;
}

sub refused {
    my ($where, $text, $why) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %o = ref $where ? %$where : ($where => $text);
    my ($ok, $said) = $n->test_conf(map({ $_ => undef } keys %accepted), %o);

    ok(!$ok, "refused: $text");

    my @emerg = grep { /\[emerg\]/ } split /\n/, $said;

    is(scalar @emerg, 1, "one line says why: $text") or diag($said);
    like($emerg[0] // '', qr/$why/, "and what: $text");

    return;
}

conf_ok('the default');

# the same for every directive that takes a value

my %bad = (
    mdm_tenant => [ 'must be 1 to 64 letters', 'a/b', '"{a}"', '""', 'a:b',
                    'x' x 65, "\xc3\xa9" ],
    mdm_auth => [ 'invalid value "yes" in "mdm_auth" directive', 'yes' ],
    mdm_certificate => [ 'invalid source "\w*" in "mdm_certificate"', 'cert',
                         'tls foo', '""' ],
    mdm_trusted_certificate => [ 'BIO_new_file\("/nonexistent"\) failed',
                                 '/nonexistent' ],
    mdm_trusted_proxy => [ 'invalid address "\S+" in "mdm_trusted_proxy"',
                           'nonsense', '1.2.3.4/33', '1.2.3', 'unix:/a',
                           '::1/129' ],
    mdm_validate => [ 'invalid value "\w+"', 'on', 'warning' ],
    mdm_reenroll => [ 'invalid value "\w+"', 'none' ],
    mdm_user_authenticate => [ 'invalid value "\w+"', 'allow' ],
    mdm_queue_limit => [ 'invalid number|must be above 0', 0, -1, 'x', '1k',
                         '99999999999999999999' ],
    mdm_event_limit => [ 'invalid number', -1, 'x' ],
    mdm_api_ids => [ 'invalid number|must be above 0', 0, 'x' ],
    mdm_plist_nodes => [ 'invalid number|must be above 0', 0, 'x' ],
    mdm_plist_depth => [ 'invalid number|value must be', 0, 513, 'x' ],
    mdm_result_ttl => [ 'invalid value|must be above 0', 0, 'x', '1x' ],
    mdm_event_payload => [ 'invalid value "1"', 1 ],
    mdm_keep_certificate => [ 'invalid value "keep"', 'keep' ],
);

my %good = (mdm_tenant => 'a.b-c_D1', mdm_auth => 'off',
    mdm_certificate => 'tls',
    mdm_trusted_certificate => '%%CA%%', mdm_validate => 'strict',
    mdm_reenroll => 'bound', mdm_user_authenticate => 'accept',
    mdm_queue_limit => 1, mdm_event_limit => 0, mdm_api_ids => 1,
    mdm_plist_nodes => 1, mdm_plist_depth => 512, mdm_result_ttl => '1d',
    mdm_event_payload => 'on', mdm_keep_certificate => 'off');

for my $name (sort keys %bad) {
    my ($why, @values) = @{$bad{$name}};

    refused(mdm => "$name $_;", $why) for @values;
}

refused(mdm => "$_ $good{$_}; $_ $good{$_};", "\"$_\" directive is duplicate")
    for sort keys %good;

my $all = join ' ', map { "$_ $good{$_};" } sort keys %good;

conf_ok('each directive at each level', http => $all, server => $all,
        mdm => $all);
conf_ok('addresses', mdm => 'mdm_trusted_proxy unix: 127.0.0.1 10.0.0.0/8'
        . ' ::1; mdm_trusted_proxy fe80::/10;');
like(conf_ok('an address with low bits', mdm => 'mdm_trusted_proxy'
             . ' 10.0.0.1/8;'), qr/low address bits .* are meaningless/,
     'that is a warning');

refused(mdm => "$_ on; $_ on;", 'is duplicate')
    for qw(mdm_api);
refused(mdm => "$_ off;", "\"$_\" directive is duplicate")
    for qw(mdm_checkin mdm_connect);
refused({ locations => "location / { $_ yes; }" }, "$_ yes",
        "invalid value \"yes\" in \"$_\"")
    for qw(mdm_checkin mdm_connect mdm_api);
refused($_->[0] => $_->[1], 'is not allowed here')
    for map { my $d = $_; map { [ $_ => "$d on;" ] } qw(http server) }
            qw(mdm_checkin mdm_connect mdm_api);
refused(mdm => "$_;", "invalid number of arguments in \"$_\"")
    for qw(mdm_certificate mdm_tenant mdm_trusted_proxy);

# what does not go together, or lacks something

refused(mdm => 'mdm_api on;', '"mdm_api" cannot be in one location');
refused(mdm => 'mdm_auth on;', '"mdm_auth" has no use in one location');
refused(server => 'mdm_auth on;', '"mdm_auth" has no use in one location');
refused(mdm => 'mdm_tenant $nosuch;', 'unknown "nosuch" variable');
refused(mdm => "mdm_certificate $_->[0];", $_->[1])
    for [ 'tls tls', 'duplicate source "tls"' ],
        [ 'signature signature', 'duplicate source "signature"' ],
        [ 'header A header B', 'duplicate source "header"' ],
        [ 'header', 'no name of a header' ],
        [ 'header ""', 'invalid name of a header' ],
        [ 'header "a b"', 'invalid name of a header' ],
        [ 'header a:', 'invalid name of a header' ],
        [ 'signature', '"mdm_certificate signature" needs'
                       . ' "mdm_trusted_certificate"' ],
        [ 'tls signature', 'needs "mdm_trusted_certificate"' ],
        [ 'header A', 'needs "mdm_trusted_certificate"' ];
refused(mdm => 'mdm_certificate header A; mdm_trusted_certificate %%CA%%;',
        '"mdm_certificate header" needs "mdm_trusted_proxy"');
refused({ locations => 'location / { mdm_auth on; mdm_certificate header A;'
          . ' mdm_trusted_proxy unix:; }' }, 'mdm_auth, no CA',
        'needs "mdm_trusted_certificate"');
refused(mdm => "mdm_trusted_certificate $_->[0];", $_->[1])
    for [ '""', 'no file in "mdm_trusted_certificate"' ],
        [ $file{empty}, 'PEM_read_bio_X509\("\S+/empty"\) failed' ],
        [ $file{text}, 'PEM_read_bio_X509\("\S+/text"\) failed' ],
        [ $file{broken}, 'PEM_read_bio_X509\("\S+/broken"\) failed' ],
        [ $file{half}, 'PEM_read_bio_X509\("\S+/half"\) failed' ],
        [ $dir, 'failed' ];
conf_ok('an incomplete identity where nothing asks for it',
        http => 'mdm_certificate header A;',
        mdm => 'mdm_certificate tls;');
like(conf_ok('tls without ssl_verify_client',
             server => 'ssl_verify_depth 1;',
             locations => '} server { listen 127.0.0.1:%%PORT%% ssl;'
             . ' server_name b; ssl_certificate %%SERVER_CERT%%;'
             . ' ssl_certificate_key %%SERVER_KEY%%;'
             . ' location / { mdm_connect on; }'),
     qr/\[warn\] .*without "ssl_verify_client"/, 'that is a warning');

# stores

refused({ store_conf => '', mdm => undef }, 'no store',
        'no "mdm_store" is defined');
refused({ store_conf => '', locations => "location / { $_ on; root /; }" },
        "no store, $_", 'no "mdm_store" is defined')
    for qw(mdm_checkin mdm_connect mdm_api mdm_auth);
conf_ok('no store where none is needed', store_conf => '',
        locations => 'location / { mdm_api off; mdm_validate off; }');

my $server = 'server unix:/a;';

for my $case (
    [ 'mdm_store main;', 'has no opening "\{"' ],
    [ 'mdm_store { server unix:/a; }', 'invalid number of arguments' ],
    [ 'mdm_store a b { server unix:/a; }', 'invalid number of arguments' ],
    [ 'mdm_store "" { server unix:/a; }', 'has no name' ],
    [ 'mdm_store a/b { server unix:/a; }', 'the name may have letters' ],
    [ 'mdm_store main { }', 'mdm store "main" has no "server"' ],
    [ "mdm_store main { $server } mdm_store main { $server }",
      'mdm store "main" is already defined in \S+nginx\.conf:\d+' ],
    [ "mdm_store main { $server $server }",
      'has 2 servers, "mode single" takes one' ],
    [ "mdm_store main { $server user joe; }",
      'has "user" but no "password_file"' ],
) {
    refused({ store_conf => $case->[0] }, @$case);
}

for my $case (
    [ 'nosuch 1;', 'unknown directive "nosuch" in "mdm_store"' ],
    [ 'server;', 'invalid number of arguments in "server"' ],
    [ 'mode sentinel mymaster;', '"mode sentinel" is not supported in this' ],
    [ 'mode cluster;', '"mode cluster" is not supported in this version' ],
    [ 'mode sentinel;', 'invalid mode "sentinel"' ],
    [ 'mode double;', 'invalid mode "double"' ],
    [ 'mode single; mode single;', '"mode" directive is duplicate' ],
    [ 'tls on;', '"tls on" is not supported in this version' ],
    [ 'tls maybe;', 'invalid value "maybe" in "tls"' ],
    [ 'tls_trusted_certificate %%CA%%;', 'is not supported in this version' ],
    [ 'tls_certificate %%CA%%;', 'is not supported in this version' ],
    [ 'tls_certificate_key %%CA%%;', 'is not supported in this version' ],
    [ 'tls_name a;', 'is not supported in this version' ],
    [ 'encryption_key %%CA%%;', 'is not supported in this version' ],
    [ 'durability wait 1 1s;', '"durability wait" is not supported in this' ],
    [ 'durability some;', 'invalid durability "some"' ],
    [ 'user "";', '"user" directive is empty' ],
    [ 'user a; user b;', '"user" directive is duplicate' ],
    [ 'password_file "";', '"password_file" directive is empty' ],
    [ 'password_file /nonexistent;', 'open\(\) "/nonexistent" failed' ],
    [ "password_file $dir;", 'is not a regular file' ],
    [ "password_file $file{empty};", 'is empty' ],
    [ "password_file $file{newline};", 'is empty' ],
    [ "password_file $file{lines};", 'has more than one line' ],
    [ "password_file $file{long};", 'is longer than 4096 bytes' ],
    [ "password_file $file{password}; password_file $file{password};",
      '"password_file" directive is duplicate' ],
    [ 'database x;', 'invalid value "x" in "database" directive' ],
    [ 'database -1;', 'invalid value "-1" in "database" directive' ],
    [ 'database 1; database 2;', '"database" directive is duplicate' ],
    [ 'timeout 0;', '"timeout" directive must not be 0' ],
    [ 'timeout x;', '"timeout" directive has an invalid value' ],
    [ 'timeout 1s; timeout 1s;', '"timeout" directive is duplicate' ],
    [ 'connect_timeout 0;', '"connect_timeout" directive must not be 0' ],
    [ 'connect_timeout 100d;', 'has a value that is too large' ],
    [ 'max_pending 0;', 'invalid value "0" in "max_pending" directive' ],
    [ 'partitions 0;', 'it must be a number from 1 to 16384' ],
    [ 'partitions 16385;', 'it must be a number from 1 to 16384' ],
    [ 'partitions 1; partitions 1;', '"partitions" directive is duplicate' ],
) {
    refused(store => @$case);
}

for my $case ([ 'localhost:0', 'invalid port in server' ],
              [ 'localhost:x', 'invalid port in server' ],
              [ '""', '(?:no host|invalid) .*server' ],
              [ 'unix:', 'no path in the unix domain socket in server' ],
              [ 'no such host.invalid', 'invalid number of arguments' ],
              [ 'nosuchhost.invalid', 'host not found in server' ])
{
    my ($address, $why) = @$case;

    refused({ store_conf => "mdm_store main { server $address; }" },
            "server $address;", $why);
}

refused($_ => 'mdm_store other;', 'mdm store "other" is not defined')
    for qw(server mdm api);
refused(mdm => 'mdm_store main; mdm_store main;', 'is duplicate');

conf_ok('all of a store', store => "mode single; password_file"
    . " $file{password}; user joe; database 15; timeout 1500ms;"
    . ' connect_timeout 1m; max_pending 1; partitions 16384; tls off;'
    . ' durability none;');
conf_ok('a store by name, its port left out', store_conf =>
        'mdm_store a.b-c_1 { server 127.0.0.1; }', server =>
        'mdm_store a.b-c_1;');
write_file("$dir/store.inc", "timeout 1s;\n");
conf_ok('a store with an include', store => "include $dir/store.inc;");
write_file("$dir/store.inc", "timeout x;\n");
refused(store => "include $dir/store.inc;",
        '"timeout" directive has an invalid value in \S+/store\.inc:1');
chmod 0644, $file{password};
like(conf_ok('a password for all', store => "password_file $file{password};"),
     qr/\[warn\] \S+ password file "\S+" is readable by everybody/,
     'that is a warning');

finish;
