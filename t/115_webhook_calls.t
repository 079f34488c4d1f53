#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What an event that comes alone costs Redis: it is taken and it is
# acknowledged, and nobody looks once more for what is not there.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);

use MDM;
use MDM::Sink;
use MDM::Util qw(wait_for);


my $t = MDM->new(workers => 1);
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);
my $n = 40;

$t->redis_server->start;
$t->write_conf(store => 'partitions 4;',
               http => 'mdm_webhook ' . $sink->url('/') . ' name=one;');
$t->start_nginx;

# nothing is under way: all was acknowledged, and no lease is held

sub quiet {
    return $t->api(GET => '/v1/webhooks')->json->[0]{lag_events} == 0
           && !grep { /^l:one$/ }
              map { $t->redis('HKEYS', $_) } $t->redis('KEYS', 'mdm:*:out');
}

# scripts that Redis has run

sub scripts {
    my ($calls) = $t->redis('INFO', 'commandstats')
        =~ /^cmdstat_evalsha:calls=(\d+)/m;

    return $calls // 0;
}

my $device = $t->device('CALLS-1')->enroll;

ok(wait_for(10, \&quiet), 'what came before is delivered');

# the same without events, so that what else goes on is known

my $before = scripts();

for my $i (1 .. $n) {
    $device->idle;
    sleep 0.05;
}

my $polls = scripts() - $before;

$sink->clear;
$before = scripts();

for my $i (1 .. $n) {
    is($device->report('Acknowledged', "calls-$i")->status, 200,
       "report $i");
    wait_for(10, sub { $sink->stat->{requests} == $i })
        or fail("event $i");
    sleep 0.05;
}

my $each = (scripts() - $before - $polls) / $n;

is($sink->stat->{requests}, $n, 'each event came once');
cmp_ok($each, '<', 2.5, sprintf 'an event takes %.2f scripts', $each);
cmp_ok($each, '>', 1.5, 'one that takes it, one that acknowledges it');
ok(wait_for(10, \&quiet), 'and all are acknowledged');

finish;
