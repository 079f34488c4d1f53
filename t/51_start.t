#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A worker that starts and meets no traffic: it has shaken hands with Redis
# within 100 ms, and there is nothing to tell.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Cluster;
use MDM::PKI;
use MDM::Redis;
use MDM::Sentinel;
use MDM::Util qw(spawn);


my $t = MDM->new(redis => { tcp => 1, for => [ 'durability wait' ] },
                 workers => 2);
my $dir = $t->dir;

mkdir "$dir/redis-ca" or die $!;

my $ca = MDM::PKI->new(dir => "$dir/redis-ca", name => 'Redis CA');
my $cert = $ca->issue(cn => 'redis', purpose => 'server,client',
                      san => [ [ IP => '127.0.0.1' ],
                               [ DNS => 'localhost' ] ]);
my $tls = "tls on; tls_trusted_certificate $ca->{file};";
my $secure = MDM::Redis->new(dir => "$dir/secure", args => [
    '--tls-port', my $port = MDM::Util::free_port(),
    '--tls-cert-file', $cert->{file}, '--tls-key-file', $cert->{key},
    '--tls-ca-cert-file', $ca->{file}, '--tls-auth-clients', 'no' ]);
my $second = MDM::Redis->new(dir => "$dir/second");
my $c = MDM::Cluster->new(dir => "$dir/cluster");
my $s = MDM::Sentinel->new(dir => "$dir/sentinel", replicas => 1);

END { local $?; $_->stop for grep { $_ } $c, $s, $secure, $second }

$_->start for $t->redis_server, $secure, $second, $c, $s;


# Seconds from a worker's start to its last line about a connection, of
# whichever worker took longer; "n" are the lines of each, one a server and
# one of the cluster.

sub start {
    my ($n, $conf) = @_;

    my $log = $t->log_size;
    my (@pids, $begin);

    $t->write_conf(store_conf => $conf);
    $t->{pid} = spawn({ out => "$dir/stderr.log", append => 1,
                        env => $t->_env }, $t->_argv);

    wait_for(20, sub { @pids = $t->workers; $begin //= time if @pids;
                       return @pids == 2 }) or die 'no workers';
    $begin = time;

    my $up = sub {
        return 2 * $n <= (() = $t->log($log)
                              =~ /: mdm store "\w+": connected to /g);
    };

    sleep 0.002 until $up->() || time - $begin > 3;

    my $took = time - $begin;

    # nothing that comes later

    sleep 1.2;
    $t->quit;

    return ($took, grep { /\[(?:warn|error|crit|alert|emerg)\]/
                          && !/settings of redis/ }
                   split /\n/, $t->log($log));
}

sub main { return "mdm_store main { @_ }" }

my $unix = 'server unix:%%REDIS_SOCKET%%; %%AUTH%%';
my @of = (
    [ 'a Unix socket', 1, main($unix) ],
    [ 'TCP', 1, main('server 127.0.0.1:%%REDIS_PORT%%; %%AUTH%%') ],
    [ 'several stores', 3, main($unix)
      . "mdm_store other { $unix timeout 300ms; }"
      . 'mdm_store third { server unix:' . $second->socket . '; '
      . $second->auth . ' }' ],
    [ 'durability wait', 1, main("$unix durability wait 0 100ms;") ],
    [ 'TLS', 1, main("server 127.0.0.1:$port; $tls " . $secure->auth) ],
    [ 'Sentinel', 1, main('mode sentinel mymaster; ' . $s->auth
      . join '', map { " server $_->{addr};" } $s->sentinels) ],
    [ 'Cluster', 4, main('mode cluster; ' . $c->auth
      . join '', map { " server $_->{addr};" } $c->nodes) ],
);

for my $of (@of) {
    my ($name, $n, $conf) = @$of;

    my (@took, @bad);

    # a busy machine may be late, a worker that sleeps is so each time

    for (1 .. 8) {
        (my $took, @bad) = start($n, $conf);

        push @took, $took;
        last if $took < 0.1 && !@bad;
    }

    cmp_ok($took[-1], '<', 0.1, "$name: hands are shaken within 100 ms")
        or diag("@took");
    is_deeply(\@bad, [], "$name: no line above notice");
}


# a call right behind the start is answered

$t->write_conf(store_conf => main($unix));
$t->start_nginx;
$t->device('EARLY')->enroll;
sleep 1;

my %status;

for (1 .. 2) {
    my @c = map { $t->client(plain => 1)->connect } 1 .. 8;

    $_->send_request(GET => '/api/v1/queue/EARLY') for @c;
    $status{$_->read_response('GET')->status}++ for @c;
    sleep 0.2;
}

is_deeply(\%status, { 200 => 16 }, 'and calls of a second later are taken');

finish;
