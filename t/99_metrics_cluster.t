#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Metrics and health with a Redis Cluster and two hosts: one of them reads what
# lives in Redis, both tell of it.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::Metrics qw(scrape sum);
use MDM::Util qw(wait_for);


my $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /metrics { mdm_metrics on; }
        location /health { mdm_health on; }
END

my $t = MDM->new(redis => 0, locations => $locations);
my $c = MDM::Cluster->new(dir => $t->dir . '/cluster');

END { local $?; $c->stop if $c }

$c->start;

my $store = 'mdm_store main { mode cluster; partitions 16; connect_timeout 5s; '
            . join(' ', map { "server $_->{addr};" } $c->nodes)
            . $c->auth . ' }';

my $other = MDM->new(redis => 0, locations => $locations, ca => $t->ca,
                     store_conf => $store);

$t->write_conf(store_conf => $store);
$t->start_nginx;
$other->start;

sub ready {
    my ($host) = @_;

    return $host->request('GET', '/health/ready', plain => 1);
}

for my $host ($t, $other) {
    is(wait_for(20, sub { return ready($host)->status == 200 }), 1,
       'a host is ready') or diag(ready($host)->body);
}

$t->device("UDID-$_")->enroll for 1 .. 12;

for my $host ($t, $other) {
    wait_for(60, sub {
        return (sum(scrape($host), 'enrollments') // 0) == 12;
    });

    my $m = scrape($host);

    is(sum($m, 'enrollments'), 12, 'enrollments of all partitions');
    is(sum($m, 'push_owed'), 0, 'no push is owed');
    is(sum($m, 'redis_up', store => 'main'), 1, 'the cluster is up');
}

is(sum(scrape($other), 'messages_total', message => 'Authenticate') // 0, 0,
   'messages are of a host');

# a master is away, and its slots with it

($c->nodes)[0]->pause;

is(wait_for(20, sub {
    $t->device("UDID-$_")->idle for 1 .. 12;
    return ready($t)->status == 503;
}), 1, 'a master is away') or diag(ready($t)->body);

($c->nodes)[0]->resume;

is(wait_for(30, sub {
    eval { $t->device("UDID-$_")->idle } for 1 .. 12;
    return ready($t)->status == 200;
}), 1, 'and back') or diag(ready($t)->body);

finish;
