#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm_health: live and ready, from what a worker knows.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Util qw(wait_for);


my $t = MDM->new(redis => { args => [ '--appendonly', 'yes' ] },
                 locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /health { mdm_health on; }
        location ~ ^/x/(live|ready)$ { mdm_health on; }
        location /limited { mdm_health on; limit_except GET { deny all; } }
END

sub ask {
    my ($path, %o) = @_;

    return $t->request($o{method} // 'GET', $path, plain => 1);
}

sub ready { return ask('/health/ready') }

is(wait_for(10, sub { return ready()->status == 200 }), 1, 'it is ready');

my $r = ready();

is_deeply($r->json, { ready => JSON::PP::true, redis => 'up',
                      stores => { main => 'up' },
                      draining => JSON::PP::false, push => 'off',
                      webhooks => 'off' },
          'says so');
is($r->header('Content-Type'), 'application/json', 'in JSON');

for (['/health', 200], ['/health/', 200], ['/health/live', 200],
     ['/health/other', 404], ['/health/live/x', 404], ['/x/live', 200],
     ['/x/ready', 200], ['/limited/ready', 200])
{
    is(ask($_->[0])->status, $_->[1], $_->[0]);
}

is(ask('/health', method => 'POST')->status, 405, 'POST');
is(ask('/health/ready', method => 'HEAD')->status, 200, 'HEAD');
is(ask('/limited/ready', method => 'DELETE')->status, 403, 'limit_except');


# Redis is away, loads, takes no writes: no round trip, and never slow

my $d = $t->device('UDID-1')->enroll;

$t->redis_server->stop;

is(wait_for(10, sub { return ready()->status == 503 }), 1, 'Redis is away');

my $begin = time;

$r = ready() for 1 .. 50;

cmp_ok(time - $begin, '<', 2, 'which takes no time to say');
is($r->json->{redis}, 'down', 'says what it is');
is($r->json->{ready}, JSON::PP::false, 'not ready');
is(ask('/health/live')->status, 200, 'though it lives');
unlike($r->body, qr/sock|127\.0\.0\.1|password/, 'names no address');

$t->redis_server->start;

is(wait_for(10, sub { return ready()->status == 200 }), 1, 'it is back');

# one that is full refuses the API, and serves devices

$t->redis('CONFIG', 'SET', 'maxmemory', 1);
is($t->enqueue('UDID-1', $t->command('c1', 'ProfileList'))->status, 503,
   'Redis is full');
is($d->idle->status, 200, 'a device is served');
is(ready()->json->{redis}, 'oom', 'it is told');
is(ready()->status, 200, 'but no reason to come to another one');
$t->redis('CONFIG', 'SET', 'maxmemory', 0);
is($t->enqueue('UDID-1', $t->command('c2', 'ProfileList'))->status, 200,
   'it is not any more');
is(ready()->json->{redis}, 'up', 'which is told');

# one that is a replica now refuses what devices write

$t->redis('REPLICAOF', '127.0.0.1', '1');
is($d->set_bootstrap_token('x')->status, 503, 'a replica');
is(ready()->status, 503, 'so the worker is not ready');
like(ready()->json->{redis}, qr/^(?:readonly|down|connecting)$/, 'why');
$t->redis('REPLICAOF', 'NO', 'ONE');
is(wait_for(15, sub {
    $d->set_bootstrap_token('y' . rand);
    return ready()->status == 200;
}), 1, 'it is the master again');


# a worker that ends says so, to whoever has begun to ask before that

my $slow = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                 PeerPort => $t->plain_port)
    or die "connect: $@";

print $slow "GET /health/ready HTTP/1.1\r\nHost: localhost\r\n";
$slow->flush;
sleep 0.3;

$t->reload;
print $slow "Connection: close\r\n\r\n";
$slow->flush;

my $answer = do { local $/; <$slow> };

like($answer, qr/^HTTP\/1\.1 503 /, 'a worker that ends');
like($answer, qr/"ready":false,.*"draining":true/, 'says so');
is(wait_for(10, sub { return ready()->status == 200 }), 1,
   'the next one is ready');

finish;
