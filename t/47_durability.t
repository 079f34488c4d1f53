#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# durability wait: what is answered 200 has been confirmed by replicas, and
# settings that are weaker than the promise are told to the log.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Redis;
use MDM::Util qw(free_port);


my $t = MDM->new(redis => { tcp => 1, for => [ 'durability wait' ], args => [
    '--appendonly', 'yes', '--appendfsync', 'always',
    '--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1' ] },
    store => 'durability wait 1 300ms; timeout 4s;',
    server => 'location /health { mdm_health on; }');

my @replicas;

END { local $?; $_->stop for grep { $_->pid } @replicas }

sub replica {
    my $n = @replicas;
    my $r = MDM::Redis->new(dir => $t->dir . "/replica$n", args => [
        '--replicaof', '127.0.0.1', $t->redis_server->port,
        '--masterauth', 'admin' ]);

    push @replicas, $r->start;

    ok(wait_for(20, sub { $r->cmd('INFO', 'replication')
                          =~ /^master_link_status:up/m }), 'a replica');

    return $r;
}

sub health {
    my ($what, $name) = @_;

    my $r = $t->request(GET => '/health/ready', plain => 1);

    is($r->json->{redis}, $what, $name);
    is($r->status, 200, 'and the host is ready');
}

my $serial = 0;

sub device_lock {
    return $t->enqueue('WAIT-1', $t->command('lock-' . ++$serial,
                                             'DeviceLock'));
}

sub warnings {
    my ($from) = @_;

    return map { /settings of redis \S+ are (.*)/ ? $1 : () }
           split /\n/, $t->log($from);
}

# a promise that nothing keeps

$t->redis_server->start;
$t->redis(CONFIG => SET => appendonly => 'no');
$t->redis(CONFIG => SET => maxmemory => '1gb');
$t->redis(CONFIG => SET => 'maxmemory-policy' => 'allkeys-lru');
$t->start_nginx;
$t->wait_log(qr/settings of redis/);

my ($warning, @more) = warnings(0);

is(scalar @more, 0, 'one warning');
like($warning, $_, "it says $_") for qr/weaker than "durability wait 1"/,
    qr/maxmemory-policy is "allkeys-lru"/, qr/appendonly is "no"/,
    qr/it has 0 replicas/, qr/min-replicas-to-write is 0/;

my $device = $t->device('WAIT-1');

is($device->authenticate->status, 503, 'no replica: 503');
$t->wait_log(qr/\[error\] .* 0 of 1 replicas of redis \S+ have confirmed a write within 300ms, requests that write get 503/);

# a reconnect tells the same once only, another one again

my $log = $t->log_size;

$t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
sleep 0.5;
is(scalar warnings($log), 0, 'nothing new is not told again');

$t->redis(CONFIG => SET => appendonly => 'yes');
$t->redis(CONFIG => SET => appendfsync => 'everysec');
$t->redis(CONFIG => SET => 'maxmemory-policy' => 'noeviction');
$t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
$t->wait_log(qr/settings of redis/, from => $log);
($warning) = warnings($log);
unlike($warning, qr/maxmemory/, 'eviction is off now');

# a server with WAITAOF needs no appendfsync

my $waitaof = ref $t->redis_server->try_cmd('WAITAOF', 0, 0, 1) eq 'ARRAY';

my $unknown = qr/\[notice\] .* redis \S+ does not tell the module: /;

unlike($warning, qr/appendfsync/, 'what INFO does not say is no warning');

if ($waitaof) {
    unlike($t->log, qr/appendfsync/, 'WAITAOF makes up for appendfsync');
} else {
    like($t->log($log), qr/${unknown}appendfsync \(must be "always", as there is no WAITAOF\)$/m,
         'that appendfsync is not known is told');
}

# as promised

$t->redis(CONFIG => SET => appendfsync => 'always');
$t->redis(CONFIG => SET => 'min-replicas-to-write' => 1);

my $replica = replica();

$log = $t->log_size;
$t->redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok(wait_for(10, sub { $device->authenticate->status == 200 }),
   'a replica confirms: 200');
$t->wait_log(qr/writes to redis \S+ are confirmed again, \d+ batches were not/,
             from => $log);
is(scalar warnings($log), 0, 'no warning');
is(scalar(() = $t->log =~ /$unknown/g), 1, 'what is not known is told once');
is($device->token_update->status, 200, 'and so on');
is($replica->cmd('KEYS', '*:e:WAIT-1')->[0],
   $t->redis('KEYS', '*:e:WAIT-1')->[0], 'it has the enrollment');

# a replica that stands still, or is gone

sub stalled {
    my ($what) = @_;

    my $uuid = "stalled-$what";
    my $command = $t->command($uuid, 'DeviceLock');
    my $start = time;

    is($t->enqueue('WAIT-1', $command)->status, 503, "$what: 503");
    cmp_ok(time - $start, '<', 2, 'within two seconds');
    health('unconfirmed', 'which is told');
    $start = time;
    is($device->idle->status, 200, 'a poll is served');
    cmp_ok(time - $start, '<', 0.25, 'without waiting');

    return $command;
}

$t->redis(CONFIG => SET => 'min-replicas-to-write' => 0);
$replica->pause;

my $command = stalled('stalled');

# many at once: each has its answer in time, as they share their WAITs, which
# would be 4.8 s one after the other

my $many = 16;
my $soon = 3;
my @pids;

for my $i (1 .. $many) {
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        # a connection of its own, whose TLS handshake does not count

        $t->{clients} = {};
        $t->request(GET => '/nothing');

        my $start = time;
        my $status = $t->enqueue('WAIT-1', $t->command("many-$i",
                                                       'DeviceLock'))->status;

        require POSIX;
        POSIX::_exit($status == 503 && time - $start < $soon ? 0 : 1);
    }

    push @pids, $pid;
}

my $bad = 0;

for my $pid (@pids) {
    waitpid $pid, 0;
    $bad++ if $?;
}

is($bad, 0, "$many at once: 503 each, within $soon s");
$replica->resume;
ok(wait_for(5, sub { $t->enqueue('WAIT-1', $command)->status == 200 }),
   'the retry is confirmed');
health('up', 'which is told');
is($device->report('Acknowledged', 'stalled-stalled')->status, 200,
   'and is there once');

# which of them were written is not known; their retries double none

my @retries = map { $t->enqueue('WAIT-1', $t->command("many-$_",
                                                      'DeviceLock'))->status }
              1 .. $many;

is("@retries", "@{[(200) x $many]}", 'their retries are confirmed');
is($device->drain, $many, 'and each is there once');

# gone

$replica->stop;
stalled('gone');
$replica->start;
ok(wait_for(20, sub { device_lock()->status == 200 }),
   'the replica is back');

# two replicas asked for, one there

$log = $t->log_size;
$t->reload(store => 'durability wait 2 100ms;');
$t->wait_old_workers;
$t->wait_log(qr/it has 1 replicas/, from => $log);
is(device_lock()->status, 503, 'one of two: 503');
$t->wait_log(qr/1 of 2 replicas of redis \S+ have confirmed/, from => $log);
replica();
ok(wait_for(5, sub { device_lock()->status == 200 }),
   'two of two: 200');

# none asked for: the server's own disk is enough

$log = $t->log_size;
$t->reload(store => 'durability wait 0 100ms;');
$t->wait_old_workers;
is(device_lock()->status, 200, 'wait 0');
is(scalar warnings($log), 0, 'no warning');

# without INFO there is nothing to judge, which is told

$t->redis('ACL', 'SETUSER', 'mdm', '-info');
$log = $t->log_size;
$t->reload(store => 'durability wait 2 100ms;');
$t->wait_old_workers;
is(device_lock()->status, 200,
   'a server that does not tell its settings');
is(scalar warnings($log), 0, 'no warning');
like($t->log($log), qr/${unknown}maxmemory-policy \(must be "noeviction"\), appendonly \(must be "yes"\), .*min-replicas-to-write \(should be 2\)$/m,
     'but a notice of what is not known');
unlike($t->redis('INFO', 'commandstats'), qr/^cmdstat_config\|get/m,
       'CONFIG GET is never called');
$t->redis('ACL', 'LOG', 'RESET');

finish;
