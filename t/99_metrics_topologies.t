#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Metrics and health with a Redis Cluster and two hosts: one of them reads what
# lives in Redis, both tell of it.  And with Sentinels: a failover, planned or
# not, takes nothing from a counter, and is told.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Cluster;
use MDM::Metrics qw(scrape sum went_back);
use MDM::Sentinel;
use MDM::Sink;
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

    return $host->request('GET', '/health/ready', plain => 1, fresh => 1);
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


# Sentinels: a failover, planned or not, takes nothing from a counter

$_->assert_clean for $t, $other;
$c->stop;

$t = MDM->new(redis => 0, workers => 2, locations => $locations);

my $s = MDM::Sentinel->new(dir => $t->dir . '/sentinel', replicas => 2);

END { local $?; $s->stop if $s }

$s->start;

my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);

$t->write_conf(store_conf => 'mdm_store main { mode sentinel mymaster;'
    . ' durability wait 1 2s; timeout 4s; partitions 4; '
    . join(' ', map { "server $_->{addr};" } $s->sentinels) . $s->auth . ' }',
    http => 'mdm_webhook ' . $sink->url . ' name=hook timeout=2s;');
$t->start_nginx;

my ($old, $scrapes, @back, %up) = (undef, 0);

sub look {
    my $new = eval { scrape($t) } or return;

    push @back, went_back($old, $new) if $old;
    $old = $new;
    $scrapes++;
    $up{sum($new, 'redis_up', store => 'main') // ''}++;

    return $new;
}

# each worker says it of itself

sub all_ready {
    my $n = 0;

    return wait_for(30, sub {
        $n = ready($t)->status == 200 ? $n + 1 : 0;
        return $n == 10;
    });
}

ok(all_ready(), 'ready') or diag(ready($t)->body);

# a replica may be slow at first

my @d = map {
    my $d = $t->device("SENTINEL-$_");

    wait_for(30, sub { eval { $d->enroll } }) // die "it cannot enroll: $@";
} 1 .. 4;

ok(wait_for(20, sub {
    return (sum(look(), 'webhook_deliveries_total', outcome => 'taken') // 0)
           >= 8;
}), 'all events are taken');
ok(wait_for(60, sub { return (sum(look(), 'enrollments') // 0) == 4 }),
   'enrollments');
is(sum(look(), 'redis_up', store => 'main'), 1, 'Redis is up');

sub work {
    my ($seconds) = @_;

    my ($end, $i) = (time + $seconds, 0);
    my %status;

    while (time < $end) {
        my $r = eval { $d[$i++ % 4]->token_update };

        $status{$r ? $r->status : 'none'}++;
        look();
        sleep 0.02;
    }

    return \%status;
}

my $status;

ok(wait_for(20, sub {
    $status = work(1);
    return join(' ', keys %$status) eq '200';
}), 'devices are served') or diag(explain($status));


# an orderly failover

my $calls = sum(look(), 'redis_calls_total', store => 'main');

$s->failover;
work(3);
ok(all_ready(), 'ready again after a failover') or diag(ready($t)->body);
ok(wait_for(20, sub { return (sum(look(), 'redis_up') // 0) == 1 }),
   'Redis is up for all workers');
cmp_ok(sum(look(), 'redis_calls_total', store => 'main'), '>', $calls,
       'calls go on to be counted');


# the master dies

%up = ();

my $master = $s->master;

$master->kill9;
$status = work(6);
ok($status->{503}, 'devices get 503 for a while') or diag(explain($status));
ok($up{0}, 'Redis is down') or diag(explain(\%up));
cmp_ok(sum(look(), 'messages_total', code => 503), '>=', $status->{503} // 1,
       'each 503 is counted');
cmp_ok(sum(look(), 'redis_errors_total', store => 'main'), '>', 0,
       'so are calls that failed');

$master->start;
$s->wait_ok;
ok(all_ready(), 'ready again with another master') or diag(ready($t)->body);
ok(wait_for(30, sub { return (sum(look(), 'redis_up') // 0) == 1 }),
   'Redis is up');


# what lives in Redis comes from the new master

ok(wait_for(60, sub {
    my $m = look();

    return (sum($m, 'enrollments') // 0) == 4
           && (sum($m, 'gauges_age_seconds') // 99) < 20
           && (sum($m, 'webhook_lag_events') // 1) == 0;
}), 'what the job reads is there, and new') or diag(explain(scrape($t)));

is_deeply(\@back, [], 'nothing went back');
cmp_ok($scrapes, '>=', 100, 'in many scrapes');

$sink->stop;

finish;
