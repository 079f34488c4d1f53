#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mode sentinel: the master is where a Sentinel says, if ROLE agrees, and the
# module follows it.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Sentinel;
use MDM::Util qw(free_port write_file);


my $t = MDM->new(redis => 0, workers => 2);
my $s = MDM::Sentinel->new(dir => $t->dir . '/sentinel', replicas => 2,
                           args => [ '--min-replicas-to-write', 1 ],
                           sentinel_password => 'watch');

END { local $?; $s->stop if $s }

$s->start;

my $password = $t->dir . '/sentinel.password';

write_file($password, "watch\n");
chmod 0600, $password;

my @sentinels = map { $_->{addr} } $s->sentinels;

sub store {
    my ($more, @servers) = @_;

    @servers = ('127.0.0.1:' . free_port(), @sentinels) unless @servers;

    return (store_conf => 'mdm_store main { mode sentinel mymaster;'
        . " sentinel_password_file $password; "
        . join(' ', map { "server $_;" } @servers) . $s->auth . " $more }");
}

$t->write_conf(store('durability wait 1 400ms;'));
$t->start_nginx;

my $device = $t->device('SENTINEL-1')->enroll;
my $serial = 0;

sub session {
    my $uuid = 'command-' . ++$serial;

    # what an earlier one has left behind comes first

    return $t->enqueue('SENTINEL-1', $t->command($uuid, 'DeviceLock'))->status
           == 200
           && grep { $_ eq $uuid } eval { $device->drain };
}

# each worker has its connections: ask often enough to meet both

sub sessions { return scalar grep { session() } 1 .. 6 }

my $master = $s->master;

is(sessions(), 6, 'the master is found');
$t->wait_log(qr/connected to redis \Q$master->{addr}\E/);
ok($t->log !~ /\[(?:err|error|warn)\]/, 'and nothing is wrong')
    or diag grep { /\[(?:err|error|warn)/ } split /^/, $t->log;


# an orderly failover

my $log = $t->log_size;
my $new = $s->failover;

isnt($new->{addr}, $master->{addr}, 'a failover by hand');
ok(wait_for(5, sub { session() }), 'it is followed');
$t->wait_log(qr/connected to redis \Q$new->{addr}\E|redis \Q$new->{addr}\E is up again/, from => $log);
$s->wait_ok;
is(sessions(), 6, 'with all that was there');


# the master dies

$master = $new;
$log = $t->log_size;
$master->kill9;

my ($slow, %status) = (0);
my $end = time + 20;

while (time < $end) {
    my $start = time;
    my $status = $device->idle->status;

    $status{$status}++;
    $slow = time - $start if time - $start > $slow;

    last if $status == 200 && $status{503};
    sleep 0.05;
}

is_deeply([ sort keys %status ], [ 200, 503 ],
          'a master dies: 503 until there is a new one');
cmp_ok($slow, '<', 1, 'each within a second');
$master->start;
$s->wait_ok;
is(sessions(), 6, 'and all is well again');
is(scalar(() = $t->log($log) =~ /\[error\] .* is down/g), 2,
   'each worker has told once')
    or diag grep { /error/ } split /^/, $t->log($log);


# a replica that is called the master: ROLE says otherwise

my ($replica) = $s->replicas;
my $liar = MDM::Redis->new(dir => $t->dir . '/liar', file =>
    $t->dir . '/liar.conf', tcp => 1, args => [ '--sentinel' ],
    auth => 0, password => 'watch');

# by another name, or the others would tell it better

write_file($t->dir . '/liar.conf',
    "sentinel monitor liar 127.0.0.1 $replica->{tcp} 5\n"
    . "sentinel down-after-milliseconds liar 60000\n");
$liar->start;

my %lie = store('', '127.0.0.1:' . $liar->port);

$lie{store_conf} =~ s/mymaster/liar/;
$log = $t->log_size;
$t->reload(%lie);
$t->wait_log(qr/redis \Q$replica->{addr}\E is down \(it is no master/,
             from => $log);
$t->wait_old_workers;
is($device->idle->status, 503, 'a replica is not taken for the master');

# one that knows nothing among others does not matter

$t->reload(store('', '127.0.0.1:' . $liar->port, @sentinels));
$t->wait_old_workers;
ok(wait_for(5, sub { sessions() == 6 }), 'the next Sentinel is asked');
$liar->stop;


# Sentinels that know nothing, or are not there

$log = $t->log_size;

my %other = store('');

$other{store_conf} =~ s/mymaster/other/;
$t->reload(%other);
$t->wait_log(qr/redis other is down \(the Sentinel \S+ knows no master "other"/,
             from => $log);
$t->wait_old_workers;
is($device->idle->status, 503, 'an unknown master: 503');

$log = $t->log_size;
$t->reload(store('', map { '127.0.0.1:' . free_port() } 1 .. 2));
$t->wait_log(qr/redis mymaster is down \(connection refused\)/i,
             from => $log);
$t->wait_old_workers;

my $start = time;

is($device->idle->status, 503, 'no Sentinel: 503');
cmp_ok(time - $start, '<', 1, 'within a second');

$log = $t->log_size;
write_file($password, "wrong\n");
$t->reload(store(''));
$t->wait_log(qr/redis mymaster is down \(.*WRONGPASS/, from => $log);
$t->wait_old_workers;
is($device->idle->status, 503, 'a wrong password for Sentinels: 503');

finish;
