#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The mdm_store block: what nginx -t refuses, and what it says.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Conf;
use MDM::Util qw(write_file);


# nginx -t

my $n = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $n->dir;

my %file = (
    empty => write_file("$dir/empty", ''),
    password => write_file("$dir/password", "secret\n"),
    lines => write_file("$dir/lines", "a\nb\n"),
    newline => write_file("$dir/newline", "\n"),
    long => write_file("$dir/long", 'x' x 5000),
    raw => write_file("$dir/raw", "\n" . join '', map { chr } 1 .. 31),
    hex => write_file("$dir/hex", '00112233445566778899aabbccddeeff' x 2, "\n"),
    base64 => write_file("$dir/base64",
                         "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"),
    twice => write_file("$dir/twice", '00112233445566778899AABBCCDDEEFF' x 2),
    short => write_file("$dir/short", '00112233445566778899aabbccddeeff' . "\n"),
    word => write_file("$dir/word", 'correct horse battery staple 123'),
    zero => write_file("$dir/zero", '0' x 64),
);

chmod 0600, @file{qw(password lines newline long raw hex base64 twice short
                     word zero)};

my $conf = MDM::Conf->new($n);

sub conf_ok { return $conf->ok(@_) }
sub refused { return $conf->refused(@_) }

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
    [ 'mode sentinel;', 'invalid mode "sentinel"' ],
    [ 'mode double;', 'invalid mode "double"' ],
    [ 'mode single; mode single;', '"mode" directive is duplicate' ],
    [ 'tls maybe;', 'invalid value "maybe" in "tls"' ],
    [ 'tls on;', 'mdm store "main" has "tls on" but no '
                 . '"tls_trusted_certificate"' ],
    [ 'tls on; tls on;', '"tls" directive is duplicate' ],
    [ 'tls on; tls_trusted_certificate %%CA%%; tls_name a;'
      . ' tls_certificate %%CA%%;', 'mdm store "main" has only one of '
      . '"tls_certificate" and "tls_certificate_key"' ],
    [ 'tls on; tls_trusted_certificate %%CA%%; tls_name a;'
      . ' tls_certificate_key %%CA%%;', 'mdm store "main" has only one of '
      . '"tls_certificate" and "tls_certificate_key"' ],
    [ 'tls on; tls_trusted_certificate /nowhere/ca.pem; tls_name a;',
      '/nowhere/ca.pem' ],
    [ 'tls on; tls_trusted_certificate %%CA%%; tls_name a;'
      . ' tls_certificate %%CA%%; tls_certificate_key /nowhere/key.pem;',
      '/nowhere/key.pem' ],
    [ 'tls_name a;', 'mdm store "main" has "tls_name" but no "tls on": '
      . 'everything would go in the clear' ],
    [ 'tls off; tls_trusted_certificate %%CA%%;', 'mdm store "main" has '
      . '"tls_trusted_certificate" but no "tls on": everything would go in '
      . 'the clear' ],
    [ 'tls_certificate %%CA%%;', 'mdm store "main" has "tls_certificate" but '
      . 'no "tls on": everything would go in the clear' ],
    [ 'tls_certificate_key %%CA%%;', 'mdm store "main" has '
      . '"tls_certificate_key" but no "tls on": everything would go in the '
      . 'clear' ],
    [ "password_file $file{word}; tls_name a;", 'mdm store "main" has '
      . '"tls_name" but no "tls on": everything would go in the clear, and so '
      . 'would the password of "password_file"' ],
    [ 'tls_name "";', '"tls_name" directive is empty' ],
    [ 'tls_name a; tls_name a;', '"tls_name" directive is duplicate' ],
    [ 'encryption_key;', 'invalid number of arguments' ],
    [ "encryption_key @{[ ('a') x 9 ]};", 'invalid number of arguments' ],
    [ 'encryption_key "";', 'has an empty file name' ],
    [ 'encryption_key /nonexistent;', 'open\(\) "/nonexistent" failed' ],
    [ "encryption_key $dir;", 'is not a regular file' ],
    [ "encryption_key $file{hex}; encryption_key $file{raw};",
      'is duplicate' ],
    [ "encryption_key $file{hex} $file{raw} $file{twice};",
      'twice" holds the same key as another one' ],
    (map { [ "encryption_key $file{raw} $file{$_};",
             "encryption key file \"$file{$_}\" holds neither 32 bytes nor"
             . ' one line with 64 hex digits or the base64 of 32 bytes' ] }
         qw(empty newline short long lines)),
    [ "encryption_key $file{word};", 'is a text of 32 characters' ],
    [ "encryption_key $file{zero};", 'holds one byte 32 times' ],
    [ 'durability wait 1 1s;', 'must not be more than half of "timeout"' ],
    [ 'timeout 300ms; durability wait 1 151ms;', 'which is 300ms' ],
    [ 'durability wait 1;', 'invalid durability "wait"' ],
    [ 'durability wait x 1s;', 'invalid number of replicas "x"' ],
    [ 'durability wait 101 1s;', 'it must be from 0 to 100' ],
    [ 'durability wait 1 0;', 'invalid time "0" in "durability"' ],
    [ 'durability none; durability none;', '"durability" .* duplicate' ],
    [ 'durability some;', 'invalid durability "some"' ],
    [ 'mode sentinel "";', 'invalid mode "sentinel"' ],
    [ 'mode cluster m;', 'invalid mode "cluster"' ],
    [ 'mode cluster; database 1;', 'a cluster has only 0' ],
    [ 'sentinel_user u;', '"sentinel_user" or .* without "mode sentinel"' ],
    [ 'mode sentinel m; sentinel_user u;',
      '"sentinel_user" but no "sentinel_password_file"' ],
    [ 'resolver 127.0.0.1; resolver 127.0.0.1;', '"resolver" .* duplicate' ],
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
    [ 'queue_limit 0;', 'it must be a number from 1 to' ],
    [ 'event_limit -1;', 'it must be a number from 0 to' ],
    [ 'event_limit 1; event_limit 1;', '"event_limit" directive is duplicate' ],
    [ 'result_ttl 0;', '"result_ttl" directive must not be 0' ],
    [ 'result_ttl x;', '"result_ttl" directive has an invalid value' ],
    [ 'result_ttl 1d; result_ttl 1d;', '"result_ttl" directive is duplicate' ],
    [ 'status_index a/b;', 'is not the name of a status item' ],
    [ 'status_index a a;', 'status item "a" is named twice' ],
    [ 'status_index a; status_index b;', '"status_index" directive is dupl' ],
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
conf_ok('a Sentinel store', store => 'mode sentinel mymaster; server a.invalid;'
    . " server 127.0.0.1:26379; sentinel_user joe; resolver 127.0.0.1;"
    . " sentinel_password_file $file{password}; durability wait 2 400ms;");
conf_ok('a Cluster store', store =>
        'mode cluster; server 127.0.0.1:7000; durability wait 0 1ms;');
conf_ok('a store by name, its port left out', store_conf =>
        'mdm_store a.b-c_1 { server 127.0.0.1; }', server =>
        'mdm_store a.b-c_1;');
write_file("$dir/store.inc", "timeout 1s;\n");
conf_ok('a store with an include', store => "include $dir/store.inc;");
write_file("$dir/store.inc", "timeout x;\n");
refused(store => "include $dir/store.inc;",
        '"timeout" directive has an invalid value in \S+/store\.inc:1');
chmod 0644, $file{password};
my $said = conf_ok('keys', store => "encryption_key $file{base64} $file{raw}"
                   . " $file{hex};");

like($said, qr/mdm store "main": encryption key [0-9a-f]{16} is in "$file{$_}"/,
     "the id of the $_ key is said") for qw(base64 raw hex);
unlike($said, qr/readable by everybody/, 'no warning');
unlike($said, qr/AAECAw|00112233|01020304/i, 'and no key');
conf_ok('a key by a relative name', store => 'encryption_key hex;');

chmod 0644, $file{raw};
like(conf_ok('a key for all', store => "encryption_key $file{raw};"),
     qr/\[warn\] .*encryption key file "$file{raw}" is readable by everybody/,
     'a key that all may read is warned of');

like(conf_ok('a password for all', store => "password_file $file{password};"),
     qr/\[warn\] \S+ password file "\S+" is readable by everybody/,
     'that is a warning');

finish;
