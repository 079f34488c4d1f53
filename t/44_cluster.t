#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mode cluster: calls go to the node that has the slot, follow MOVED and ASK,
# wait out a migration, and a node that is gone takes only its slots along.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Cluster;
use MDM::Util qw(free_port);


my $t = MDM->new(redis => 0, workers => 2, server =>
    'location = /counters { return 200 "redirects=$mdm_redis_redirects'
    . ' tryagain=$mdm_redis_tryagain"; }');
my $c = MDM::Cluster->new(dir => $t->dir . '/cluster', replicas => 1);

END { local $?; $c->stop if $c }

$c->start;

my @nodes = $c->nodes;
my $partitions = 256;

# the first seed is nobody, the second a replica

my @seeds = ('127.0.0.1:' . free_port(), $nodes[4]{addr}, $nodes[1]{addr});

sub store {
    my ($more, @servers) = @_;

    @servers = @seeds unless @servers;

    # six servers that start at once on a busy machine are slow to greet

    return (store_conf => 'mdm_store main { mode cluster; connect_timeout 5s; '
        . join(' ', map { "server $_;" } @servers) . $c->auth . " $more }");
}

# Workers that have just started know nothing yet: a call waits for the slot
# map and a handshake with the node of "mdm:meta", but no longer than "timeout",
# which a busy machine may need for 60 scripts that Redis compiles.

sub connected {
    my ($from) = @_;

    return wait_for(20, sub {
        return 2 <= (() = $t->log($from) =~ /connected to redis cluster/g)
               && 6 <= (() = $t->log($from) =~ /connected to redis \d/g) });
}

$t->write_conf(store(''));
$t->start_nginx;
connected(0) or die "no cluster:\n" . $t->log;

my @ids = map { sprintf 'CLUSTER-%03d', $_ } 1 .. 40;
my %device = map { $_ => $t->device($_)->enroll } @ids;

# where a device's keys are

sub key {
    my ($id) = @_;

    return tag($id) . ":e:$id";
}

sub tag {
    my ($id) = @_;

    our %tag;

    return $tag{$id} //= do {
        my ($key) = map { @{$_->cmd('KEYS', "mdm:*:e:$id")} }
                    grep { $_->cmd('ROLE')->[0] eq 'master' }
                    grep { $_->pid } @nodes;

        $key =~ /^(.*\})/;
        $1;
    };
}

my %on;

push @{$on{$c->master_of($c->slot(tag($_)))->{addr}}}, $_ for @ids;

is(scalar keys %on, 3, 'devices are on all three masters');

sub session {
    my ($id, $uuid) = @_;

    my $body = plist($t->command($uuid, 'DeviceLock'));

    return $t->api(PUT => "/v1/enqueue/$id?nopush=1", body => $body)->status
           == 200
           && $device{$id}->idle->body eq $body
           && $device{$id}->report('Acknowledged', $uuid)->status == 200
           && $t->api(GET => "/v1/queue/$id/$uuid")->json->{state}
              eq 'acknowledged';
}

is(scalar(grep { session($_, "first-$_") } @ids), 40,
   'enqueue, deliver and report on each');

# to all at once

is($t->enqueue(\@ids, $t->command('to-all', 'DeviceLock'))->status, 200,
   'one command to all of them');
is(scalar(grep { $device{$_}->report('Acknowledged', 'to-all')->status == 200
                 && $device{$_}->idle->body eq '' } @ids), 40,
   'which all have answered');

ok($t->log =~ /connected to redis \Q$nodes[0]{addr}\E/, 'the log names nodes');
ok($t->log !~ /\[(?:err|error|warn)\]/, 'and nothing is wrong');


# MOVED: a node has another's slot

my $id = $on{$nodes[0]{addr}}[0];
my $slot = $c->slot(tag($id));

cmp_ok($c->migrate($slot, $nodes[0], $nodes[1]), '>', 2, 'a slot has moved');
ok(session($id, 'moved'), 'the session goes on with its new node');

# ASK and TRYAGAIN: half of the keys are here, half of them there

my ($before, %answer, $took);

$c->migrate($slot, $nodes[1], $nodes[0], sub {
    $before = $c->digest;

    my $start = time;

    $answer{idle} = $device{$id}->idle;
    $took = time - $start;
    $answer{report} = $device{$id}->report('Acknowledged', 'nothing');
    $answer{enqueue} = $t->enqueue($id, $t->command('half', 'DeviceLock'));

    is($c->digest, $before, 'nothing was written meanwhile');
});

is($answer{$_}->status, 503, "$_ while the slot is on its way")
    for sort keys %answer;
cmp_ok($took, '<', 1, 'the answer came within a second');
ok($answer{idle}->header('Retry-After') > 0, 'with Retry-After');
ok(session($id, 'back'), 'the session goes on at its old node');

# a short one is only a delay

my $status;

$c->migrate($slot, $nodes[0], $nodes[1], sub { });

my $pid = fork // die;

if ($pid == 0) {
    $c->migrate($slot, $nodes[1], $nodes[0], sub { sleep 0.3 });
    POSIX::_exit(0);
}

$_->disconnect for @nodes;
sleep 0.1;
$status = $device{$id}->idle->status;
waitpid $pid, 0;
is($status, 200, 'a call waits for a migration that is short');

# a certificate's two keys must not be told apart

my $new = $t->device('CLUSTER-NEW');
my ($cert_key) = 'mdm:{default/cert:' . $new->cert->{sha256} . '}';
my $cert_slot = $c->slot($cert_key);
my $owner = $c->master_of($cert_slot);
my ($other) = grep { $_ != $owner } @nodes[0 .. 2];

$other->cmd('CLUSTER', 'SETSLOT', $cert_slot, 'IMPORTING', $owner->{id});
$owner->cmd('CLUSTER', 'SETSLOT', $cert_slot, 'MIGRATING', $other->{id});
is($new->authenticate->status, 503,
   'a certificate is not claimed while its slot moves');
is($_->cmd('CLUSTER', 'COUNTKEYSINSLOT', $cert_slot), 0, 'with neither node')
    for $owner, $other;
$other->cmd('CLUSTER', 'SETSLOT', $cert_slot, 'NODE', $other->{id});
$owner->cmd('CLUSTER', 'SETSLOT', $cert_slot, 'NODE', $other->{id});
is($new->authenticate->status, 200, 'but then');
is($other->cmd('CLUSTER', 'COUNTKEYSINSLOT', $cert_slot), 1,
   'with the node that it has moved to');
is($new->token_update->status, 200, 'and the device goes on');


# counters, of whichever worker

my %most = (redirects => 0, tryagain => 0);

for (1 .. 20) {
    my $r = $t->curl(path => '/counters');
    my %n = map { split /=/ } split / /, $r->body;

    $n{$_} > $most{$_} and $most{$_} = $n{$_} for keys %most;
}

cmp_ok($most{redirects}, '>', 0, 'MOVED and ASK are counted');
cmp_ok($most{tryagain}, '>', 0, 'TRYAGAIN too');


# an orderly failover

my $log = $t->log_size;
my $replica = $c->replica_of($nodes[1]);

$replica->cmd('CLUSTER', 'FAILOVER');
wait_for(10, sub { $replica->cmd('ROLE')->[0] eq 'master' });
wait_for(10, sub { $nodes[1]->cmd('ROLE')->[0] eq 'slave' });

my @moved = @{$on{$nodes[1]{addr}}};

is(scalar(grep { $device{$_}->idle->status == 200 } @moved), scalar @moved,
   'after a failover by hand all go on at once');
is(scalar(grep { session($_, "failover-$_") } @moved), scalar @moved,
   'with sessions');


# a master dies

$log = $t->log_size;
$nodes[2]->kill9;

my @dead = @{$on{$nodes[2]{addr}}};
my @alive = grep { my $i = $_; !grep { $_ eq $i } @dead } @ids;
my ($slow, %status) = (0);

for my $d (@dead[0 .. 2], @alive[0 .. 2]) {
    my $start = time;

    $status{$device{$d}->idle->status}++;

    $slow = time - $start if time - $start > $slow;
}

is_deeply(\%status, { 200 => 3, 503 => 3 },
          'its devices get 503, the others are served');
cmp_ok($slow, '<', 1, 'each within a second');

ok(wait_for(15, sub { $device{$dead[0]}->idle->status == 200 }),
   'a replica takes over');
ok(wait_for(2, sub { $t->enqueue($dead[0], $t->command('over', 'DeviceLock'))
                       ->status == 200 }), 'for both workers');
$device{$dead[0]}->report('Acknowledged', 'over');
is(scalar(grep { session($_, "dead-$_") } @dead), scalar @dead,
   'and has what they had');

$t->wait_log(qr/redis \Q$nodes[2]{addr}\E has no slots any more/,
             from => $log);
is(scalar(() = $t->log($log) =~ /redis \Q$nodes[2]{addr}\E is down/g), 2,
   'each worker has told once that it was down');

$nodes[2]->start;
$c->wait_ok;


# reloads while it runs, and one with other seeds

$log = $t->log_size;
$t->reload(store('', $nodes[0]{addr}));
$t->wait_old_workers;
connected($log);
is(scalar(grep { session($_, "reload-$_") } @ids[0 .. 9]), 10,
   'after a reload');


# workers that start while the cluster is down do not stay so: the script
# that compares the number of partitions had no answer then

my $meta = $c->master_of($c->slot('mdm:meta'));
my ($stopped) = grep { $_ != $meta && $_->cmd('ROLE')->[0] eq 'master' }
                grep { $_->pid } @nodes;
my @pair = ($stopped, $c->replica_of($stopped));

$_->pause for @pair;
ok(wait_for(10, sub { $meta->cmd('CLUSTER', 'INFO')
                      =~ /^cluster_state:fail/m }), 'the cluster is down');
$t->reload(store(''));
$t->wait_old_workers;
is($device{$ids[0]}->idle->status, 503, 'a cluster that is down: 503');
$_->resume for @pair;
$c->wait_ok;
ok(wait_for(5, sub { 10 == grep { $device{$_}->idle->status == 200 }
                         @ids[0 .. 9] }), 'and all is well when it is');


# another number of partitions is refused by all nodes

$log = $t->log_size;
$t->reload(store('partitions 255;'));
$t->wait_old_workers;
$t->wait_log(qr/set up with 256 partitions, but "partitions" is 255/,
             from => $log);
is_deeply([ map { $device{$_}->idle->status } @ids[0 .. 9] ], [ (503) x 10 ],
          'another number of partitions: 503');


# no seed answers

my @nobody = map { '127.0.0.1:' . free_port() } 1 .. 3;

$log = $t->log_size;
$t->reload(store('', @nobody));
$t->wait_old_workers;

my $start = time;

is($device{$ids[0]}->idle->status, 503, 'no seed answers: 503');
cmp_ok(time - $start, '<', 1, 'within a second');
$t->wait_log(qr/redis cluster is down \(connection refused\)/i, from => $log);

# a server that is no cluster

my $plain = MDM::Redis->new(dir => $t->dir . '/plain', tcp => 1)->start;

$log = $t->log_size;
$t->reload(store('', '127.0.0.1:' . $plain->port));
$t->wait_log(qr/redis cluster is down \(ERR This instance has cluster support disabled/,
             from => $log);
is($device{$ids[0]}->idle->status, 503, 'a server that is no cluster: 503');
$plain->stop;


# durability: behind WAIT

$log = $t->log_size;
$t->reload(store('durability wait 1 300ms;'));
$t->wait_old_workers;
$c->wait_ok;
connected($log);

is(scalar(grep { session($_, "wait-$_") } @ids), 40, 'with durability wait');

my $wid = $ids[0];
my $master = $c->master_of($c->slot(tag($wid)));

$replica = $c->replica_of($master);
$log = $t->log_size;
$replica->pause;
$start = time;
is($t->enqueue($wid, $t->command('short', 'DeviceLock'))->status, 503,
   'no replica confirms: 503');
cmp_ok(time - $start, '<', 1, 'within a second');
is($device{$wid}->idle->status, 200, 'a poll waits for none');
$t->wait_log(qr/0 of 1 replicas of redis \Q$master->{addr}\E have confirmed/,
             from => $log);
$replica->resume;
$c->wait_ok;
ok(wait_for(10, sub { $t->enqueue($wid, $t->command('short', 'DeviceLock'))->status == 200 }), 'the retry is confirmed');
is($device{$wid}->idle->status, 200, 'delivered');
$device{$wid}->report('Acknowledged', 'short');
is($device{$wid}->idle->body, '', 'once');

finish;
