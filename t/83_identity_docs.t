#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# docs/identity.md: its commands are run as they stand, and nginx takes its
# configuration.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Conf;
use MDM::Util qw(read_file spawn wait_exit);


my $text = read_file("$MDM::root/docs/identity.md");
my $pki = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $pki->dir;

my @commands = $text =~ /^    ((?:openssl|printf|chmod) .*)$/mg;

cmp_ok(scalar @commands, '>=', 6, 'commands');

for my $command (@commands) {
    my $rc = wait_exit(spawn({ out => "$dir/out" }, 'sh', '-c',
                             "cd $dir && $command"), 60);

    ok(defined $rc && $rc == 0, substr $command, 0, 60)
        or diag(read_file("$dir/out"));
}

my ($http, $server)
    = $text =~ /^    (limit_req_zone.*?)^    server \{\n(.*?)^    \}$/ms;

ok(defined $server, 'a configuration');
ok($server =~ s/^ *ssl_client_certificate .*$//m, 'with a CA for TLS');
ok($server =~ s/^ *ssl_verify_client .*$//m, 'and its verification');
ok($server =~ s/^ *client_max_body_size .*$//m, 'and large bodies');

my $conf = MDM::Conf->new($pki);

s/\b(device-\w+\.(?:pem|key))/$dir\/$1/g for $http, $server;

my ($locations) = $server =~ /(^ *location .*)/ms;

$server =~ s/^ *location .*//ms;

unlike($conf->ok('docs/identity.md', http => $http, server => $server,
                 locations => $locations),
       qr/\[warn\]/, 'nothing is warned of');

my $rsa = $http =~ s/device-ca/rsa-ca/gr =~ s/^ *ra_cert.*$//mgr;

$conf->ok('its CA with RSA', http => $rsa, server => $server,
          locations => $locations);

finish;
