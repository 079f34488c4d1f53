#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Metrics of webhooks and of the outbox, and webhooks in the answer of
# mdm_health: what is counted is exact, and stays over reloads and crashes.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);

use MDM;
use MDM::Metrics qw(scrape sum went_back);
use MDM::Sink;
use MDM::Util qw(wait_for);


my $t = MDM->new(workers => 2, locations => <<'END',
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /metrics { mdm_metrics on; }
        location /health { mdm_health on; }
END
                 store => 'partitions 2; connect_timeout 5s; timeout 5s;');

my $one = MDM::Sink->new(dir => $t->dir, tls => 0);
my $two = MDM::Sink->new(dir => $t->dir, tls => 0);

my $first = 'mdm_webhook ' . $one->url('/secret-path') . ' name=one'
            . ' timeout=1s topics=mdm.*,mdm.Connect.Idle;';
my $second = 'mdm_webhook ' . $two->url('/') . ' name=two timeout=1s;';

$t->{http} = "mdm_event_limit 40; $first $second";
$two->stop;
$t->start;

sub count {
    my ($webhook, $outcome) = @_;

    return sum(scrape($t), 'webhook_deliveries_total', webhook => $webhook,
               outcome => $outcome) // -1;
}

# what is of webhooks and outboxes

sub shown {
    my $m = scrape($t);

    return join '', map { "$_ $m->{$_}\n" }
                    grep { /_(?:webhook|outbox|gauges)_/ && !/_bucket/ }
                    sort keys %$m;
}

sub is_soon {
    my ($what, $get, $value, $seconds) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got;

    wait_for($seconds // 20, sub {
        $got = $get->();
        return defined $got && $got == $value;
    });

    is($got, $value, $what) or diag(shown());

    return;
}

sub counted {
    my ($webhook, $outcome, $value, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_soon($what, sub { return count($webhook, $outcome) }, $value);

    return;
}

# what a job reads of Redis comes every 15 seconds

sub gauge {
    my ($name, $test, $what, %label) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $got;

    ok(wait_for(50, sub {
        $got = sum(scrape($t), $name, %label);
        return defined $got && $test->($got);
    }), $what) or diag($got, shown());

    return;
}


# they are there before anything is sent: an alert sees the first failure

is(count($_->[0], $_->[1]), 0, "$_->[0]: $_->[1] is there")
    for [ one => 'taken' ], [ one => 'dead' ], [ two => 'unreachable' ];
is(sum(scrape($t), 'webhook_duration_seconds_count', webhook => 'one'), 0,
   'so are durations');
is(sum(scrape($t), 'outbox_dropped_total'), 0, 'nothing was dropped');


# each event is counted once, whoever of the workers has sent it

my @d = map { $t->device("COUNT-$_")->enroll } 1 .. 6;

counted('one', 'taken', 12, 'Authenticate and TokenUpdate of each');
is_soon('each has a duration', sub {
    return sum(scrape($t), 'webhook_duration_seconds_count',
               webhook => 'one');
}, 12);
is(count('two', 'taken'), 0, 'the other one has taken none');
cmp_ok(count('two', 'unreachable'), '>=', 1, 'it cannot be reached');


# what a worker knows: one of two fails, and the host is ready

my %seen;

ok(wait_for(20, sub {
    my $r = $t->request('GET', '/health/ready', plain => 1, fresh => 1);

    $seen{$r->status}++;

    return $r->json->{webhooks}{failing} == 1
           && $r->json->{webhooks}{configured} == 2;
}), 'health says that one of two fails');
is_deeply([ keys %seen ], [ 200 ], 'and that the host is ready');
unlike($t->request('GET', '/health/ready', plain => 1)->body,
       qr/secret|127|\btwo\b/, 'without a name or an address');


# who is behind, and how full the outbox is

gauge('webhook_lag_events', sub { $_[0] == 12 }, 'events wait',
      webhook => 'two');
gauge('webhook_lag_seconds', sub { $_[0] > 1 && $_[0] < 200 }, 'for so long',
      webhook => 'two');
gauge('webhook_lag_events', sub { $_[0] == 0 }, 'none for the other one',
      webhook => 'one');
gauge('outbox_events', sub { $_[0] >= 12 }, 'the outbox has them');
gauge('outbox_fill_ratio', sub { $_[0] > 0.1 && $_[0] < 0.4 },
      'and is not full');


# one that is there again has them all, and does not fail any more

$two->start;

counted('two', 'taken', 12, 'it is there again');
gauge('webhook_lag_events', sub { $_[0] == 0 }, 'nothing waits',
      webhook => 'two');
gauge('webhook_lag_seconds', sub { $_[0] == 0 }, 'for no time',
      webhook => 'two');

my $well = 0;

ok(wait_for(20, sub {
    my $r = $t->request('GET', '/health/ready', plain => 1, fresh => 1);

    $well = $r->json->{webhooks}{failing} == 0 ? $well + 1 : 0;

    return $well == 20;
}), 'it does not fail any more, whichever worker is asked');


# what a receiver can do wrong

sub event { return $d[0]->token_update->status }

for (['503 times=1', 'error'], ['404 times=1', 'refused'],
     ['302 times=1', 'odd'], ['200 times=1 delay=2500', 'timeout'],
     ['200 times=1 action=middle', 'reset'],
     ['200 times=1 action=garbage', 'odd'])
{
    my ($rule, $outcome) = @$_;
    my $before = count('two', $outcome);

    $two->tell('clear');
    $two->tell("rule * $rule");
    is(event(), 200, 'an event');

    # a machine that is slow has a timeout of its own

    ok(wait_for(20, sub { return count('two', $outcome) > $before }),
       "$rule: $outcome") or diag(shown());
    is_soon('it comes later', sub { return count('two', 'taken') },
            13 + ($seen{later}++ // 0));
}

$two->tell('clear');
$two->tell('rule * 413 times=3');
is(event(), 200, 'one whose body is the trouble');
counted('two', 'refused', 4, 'three attempts');
counted('two', 'dead', 1, 'it is put aside');


# an event whose result is gone

$two->tell('listen off');
$two->tell('drop');
is($t->enqueue('COUNT-1', $t->command('lost', 'ProfileList'))->status, 200,
   'a command');
$d[0]->idle;
is($d[0]->report('Acknowledged', 'lost')->status, 200, 'is answered');
ok(wait_for(20, sub { return count('one', 'taken') >= 21 }), 'one has it')
    or diag(shown());
is(sum(scrape($t), 'webhook_results_lost_total', webhook => 'one'), 0,
   'who has it at once, has all of it');

my ($key) = grep { /:r:COUNT-1:lost$/ } @{$t->redis('KEYS', 'mdm:*')};

is($t->redis('DEL', $key), 1, 'its result is gone');
$two->tell('listen on');
is_soon('one that comes later has lost it', sub {
    return sum(scrape($t), 'webhook_results_lost_total', webhook => 'two');
}, 1);


# messages that are sent once

my $taken = count('one', 'taken');

is($d[1]->idle->status, 200, 'Idle');
counted('one', 'taken', $taken + 1, 'is counted, too');

$one->tell('rule * 200 delay=900');

# each of two workers has 1,000 places

for (1 .. 4000) {
    $d[1]->idle;
    last if $_ > 2000 && $_ % 100 == 0 && count('one', 'dropped') >= 10;
}

cmp_ok(count('one', 'dropped'), '>=', 10, 'those without room are dropped');
$one->tell('clear');


# names are of the configuration

my $text = join ' ', keys %{scrape($t)};

unlike($text, qr/COUNT-|secret-path|127\.0\.0\.1|"default"/,
       'no id, address or tenant is named');


# it stays over a reload, and over the death of a worker

my $old = scrape($t);

for (1 .. 2) {
    $t->reload;
    $t->kill_worker;

    is_deeply([ went_back($old, scrape($t)) ], [], 'nothing went back');
    $old = scrape($t);
}

$t->wait_old_workers;
$taken = count('two', 'taken');
is(event(), 200, 'one more');
counted('two', 'taken', $taken + 1, 'is added to it');


# one that is not configured any more is "other" until it is forgotten

$t->reload(http => "mdm_event_limit 40; $first");
$t->wait_old_workers;

is(event(), 200, 'one without a webhook that wants it') for 1 .. 3;

gauge('webhook_lag_events', sub { $_[0] >= 3 }, 'they wait for nobody',
      webhook => 'other');
is(sum(scrape($t), 'webhook_lag_events', webhook => 'two'), undef,
   'it has no name');
is(count('two', 'taken'), $taken + 1, 'what it has taken stays counted');

# the oldest go, and are counted, for each of 80 events in a partition

for (1 .. 100) {
    last if event() != 200;
}

gauge('outbox_fill_ratio', sub { $_[0] >= 1 }, 'the outbox is full');

# as Redis counts them

sub dropped {
    my $sum = 0;

    $sum += $t->redis('HGET', $_, 'dropped') // 0
        for grep { /:out$/ } @{$t->redis('KEYS', 'mdm:*')};

    return $sum;
}

cmp_ok(dropped(), '>=', 4, 'events were dropped');
is_soon('as many as Redis says', sub {
    return sum(scrape($t), 'outbox_dropped_total');
}, dropped(), 50);

is($t->api(DELETE => '/v1/webhooks/two')->status, 204, 'it is forgotten');
gauge('outbox_fill_ratio', sub { $_[0] < 1 }, 'the outbox is not full now');
ok(wait_for(50, sub {
    return !defined sum(scrape($t), 'webhook_lag_events', webhook => 'other');
}), 'nobody is behind');

# Redis may forget what was read, and all else: nothing of it is new

is_deeply([ went_back($old, scrape($t)) ], [], 'nothing went back');
cmp_ok(dropped(), '>=', 4, 'outboxes still count what was dropped');

for my $keys (qr/work\}:gauges$/, qr/:out$/) {
    $old = scrape($t);
    $t->redis('DEL', 'mdm:{work}:gauges',
              grep { $_ =~ $keys } @{$t->redis('KEYS', 'mdm:*')});

    # at the next turn of the job, which may be the one behind this one

    ok(wait_for(100, sub {
        return $t->redis('HEXISTS', 'mdm:{work}:gauges', 'v default');
    }), 'it is read again');

    my $age = 0;

    gauge('gauges_age_seconds', sub {
        my $new = $_[0] < $age;

        $age = $_[0];
        return $new;
    }, 'and told');

    is_deeply([ went_back($old, scrape($t)) ], [], 'nothing went back');
    is(sum(scrape($t), 'outbox_dropped_total'),
       sum($old, 'outbox_dropped_total'), 'what was dropped stays counted');
}

$one->stop;
$two->stop;

finish;
