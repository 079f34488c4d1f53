#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A webhook, and whoever holds its events fails over: with Sentinels and as many
# replicas as "durability wait" names, and in a Cluster whose masters are killed.
# Nothing is lost, comes under another name or in another order.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Cluster;
use MDM::Events;
use MDM::Reports;
use MDM::Sentinel;
use MDM::Sink;
use MDM::Util qw(wait_for);


my @servers;

END { local $?; $_->stop for @servers }


# two nginx, a webhook, devices that report

sub begin {
    my ($name, $t, $store) = @_;

    my $other = MDM->new(redis => 0, ca => $t->ca);
    my $sink = MDM::Sink->new(dir => $t->dir, tls => 0, brief => 1,
                              hmac_key => 'failover');
    my $http = 'mdm_webhook ' . $sink->url('/') . ' name=hook from=all'
        . ' topics=mdm.*,api.*,push.* timeout=1s'
        . " hmac_key_file=$sink->{hmac_file};";

    for ($t, $other) {
        $_->write_conf(store_conf => "mdm_store main { $store }",
                       http => $http, mdm => MDM::Reports->conf);
        $_->start_nginx;
    }

    my @devices = map { MDM::Reports->device($t, "$name-$_") } 1 .. 40;
    my $load = MDM::Reports->begin(on => [ $t, $other ], pause => 0.002,
                                   devices => \@devices);
    my $self = { name => $name, t => $t, other => $other, sink => $sink,
                 load => $load };

    goes_on($self, 'at first');

    return $self;
}


# results are taken, some after what has just been

sub goes_on {
    my ($self, $when) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $n = $self->{load}->count + 60;

    ok(wait_for(40, sub { $self->{load}->count >= $n }),
       "$self->{name}: results are taken $when") or diag($self->{t}->log);

    return;
}


sub finished {
    my ($self, @masters) = @_;

    my ($name, $t, $sink, $load) = @$self{qw(name t sink load)};

    ok($load->end, "$name: devices end");
    ok(wait_for(60, sub {
        my $r = $t->api(GET => '/v1/webhooks', fresh => 1);

        $r->status == 200 && $r->json->[0]{lag_events} == 0;
    }), "$name: all events have been delivered") or diag($t->log);

    my $events = MDM::Events->new(number => qr/-(\d+)$/)
        ->arrived($sink->{ledger})->did($load->{file})->streams(@masters);
    my $v = $events->verdict;

    is($v->{$_}, 0, "$name: events $_") or diag(join "\n", $events->notes)
        for qw(lost reordered renamed other unsigned);
    note(join ' ', $load->count, 'results', map { "$_ $v->{$_}" }
                                            sort keys %$v);

    $_->quit for $t, $self->{other};

    return;
}


{
    my $t = MDM->new(redis => 0, workers => 2);
    my $s = MDM::Sentinel->new(dir => $t->dir . '/sentinel', replicas => 2);

    push @servers, $s;
    $s->start;

    my $self = begin('SENTINEL', $t, 'mode sentinel mymaster; partitions 16;'
        . join(' ', map { "server $_->{addr};" } $s->sentinels) . $s->auth
        . ' timeout 4s; durability wait 2 2s;');

    for (1 .. 2) {
        $s->failover;
        $s->wait_ok;
        goes_on($self, 'behind a failover');
    }

    my $master = $s->master;

    $master->kill9;
    ok(wait_for(20, sub { $s->master }), 'SENTINEL: there is another master');
    $master->start;
    $s->wait_ok;
    goes_on($self, 'behind the death of a master');
    finished($self, $s->master);
    $s->stop;
}


{
    my $t = MDM->new(redis => 0, workers => 2);
    my $c = MDM::Cluster->new(dir => $t->dir . '/cluster', replicas => 1);

    push @servers, $c;
    $c->start;

    my $self = begin('CLUSTER', $t, 'mode cluster; partitions 16;'
        . join(' ', map { "server $_->{addr};" } $c->nodes) . $c->auth
        . ' timeout 4s; durability wait 1 2s;');

    # the master of a partition that devices have

    for my $slot (map { $c->slot("{default/$_}") } 3, 8) {
        my $master = $c->master_of($slot);

        $master->kill9;
        ok(wait_for(20, sub { eval { $c->master_of($slot) } }),
           'CLUSTER: its replica takes its place');
        $master->start;
        $c->wait_ok;
        goes_on($self, 'behind the death of a master');
    }

    my $replica = $c->replica_of($c->master_of($c->slot('{default/5}')));

    $replica->cmd('CLUSTER', 'FAILOVER');
    ok(wait_for(20, sub { $replica->cmd('ROLE')->[0] eq 'master' }),
       'CLUSTER: a failover by hand');
    $c->wait_ok;
    goes_on($self, 'behind it');
    finished($self, grep { $_->cmd('ROLE')->[0] eq 'master' } $c->nodes);
}

finish;
