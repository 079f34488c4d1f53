#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Names of servers: they are resolved again, by nginx's resolver, before each
# attempt to connect, and nothing blocks meanwhile.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::DNS;
use MDM::Util qw(free_port);

# all of them are one store

$MDM::Redis::store_id = '5' x 32;


# what the C library asks is none of it

my $t = MDM->new(redis => { tcp => 1 },
                 env => { RES_OPTIONS => 'timeout:1 attempts:1' });
my $dns = MDM::DNS->new(file => $t->dir . '/names');

END { local $?; $dns->stop if $dns }

my $port = $t->redis_server->port;
my $resolver = 'resolver 127.0.0.1:' . $dns->port . ' ipv6=off;';

$t->redis_server->start;

sub store {
    my ($more, $host, $at) = @_;

    $host //= 'redis.example';
    $at //= $port;

    return (store_conf => "mdm_store main { server $host:$at; %%AUTH%% $more }");
}

# unknown at start, and for the resolver too

$t->write_conf(store($resolver));
$t->start_nginx;
$t->wait_log(qr/\[error\] .* redis redis\.example:$port is down \(the name "redis\.example" could not be resolved \(3: Host not found\)\)/);
is($t->device('DNS-1')->authenticate->status, 503, 'an unknown name: 503');

$dns->set('redis.example' => [ '127.0.0.1' ]);

my $device = $t->device('DNS-1');

ok(wait_for(5, sub { $device->authenticate->status == 200 }),
   'it is asked again');
$t->wait_log(qr/redis 127\.0\.0\.1:$port is up again/);
is($device->token_update->status, 200, 'and all is well');

# the server moves: the name is resolved again when the connection is lost

my $other = MDM::Redis->new(dir => $t->dir . '/other', args =>
                            [ '--bind', '127.0.0.2', '--port', $port ]);

$other->start;
$dns->set('redis.example' => [ '127.0.0.2' ]);
sleep 1.1;

my $log = $t->log_size;

$t->redis_server->stop;
$t->wait_log(qr/connected to redis 127\.0\.0\.2:$port|redis 127\.0\.0\.2:$port is up again/, from => $log);
$device = $t->device('DNS-2')->enroll;
is($device->idle->status, 200, 'it has moved');

# the resolver is away: the last address may still be right

$dns->pause;
sleep 1.1;
$log = $t->log_size;
$other->restart;
$t->wait_log(qr/"redis\.example" could not be resolved/, from => $log);
ok(wait_for(5, sub { $device->idle->status == 200 }),
   'without a resolver the last address is used');

# which is not waited for: other requests go on

my $start = time;

is($t->request(GET => '/nothing')->status, 404, 'nginx serves meanwhile');
cmp_ok(time - $start, '<', 0.5, 'at once');
$dns->resume;

# the resolver of http

$dns->set('redis.example' => [ '127.0.0.1', '127.0.0.2' ]);
$log = $t->log_size;
$t->reload(store(''), http => $resolver);
$t->wait_old_workers;
ok(wait_for(5, sub { $device->idle->status == 200 }),
   'the resolver of http, and the address of two that answers');

# a name that is not known when nginx starts, without a resolver

my ($ok, $out) = $t->test_conf(store(''), http => '');

ok(!$ok, 'without a resolver it must be known at start');
like($out, qr/\[emerg\] .* host not found in server "redis\.example:$port" of mdm store "main"/,
     'the message');

# one that is known, to nginx only

$t->redis_server->start;
$log = $t->log_size;
$t->reload(store('', 'localhost'), http => '');
$t->wait_old_workers;
is($t->device('DNS-3')->enroll->idle->status, 200, 'a name of /etc/hosts');
$other->stop;

finish;
