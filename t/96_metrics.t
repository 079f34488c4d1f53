#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Metrics: sums over workers are exact, and stay over reloads and crashes.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Metrics qw(scrape sum went_back);
use MDM::Util qw(wait_for);


my $t = MDM->new(workers => 4, redis => { args => [ '--appendonly', 'yes' ] },
                 locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /metrics { mdm_metrics on; }
END

# nginx writes its log, and counts, when the answer has gone out

sub settled {
    my ($value, $name, %label) = @_;

    my $got;

    wait_for(10, sub {
        $got = sum(scrape($t), $name, %label) // 0;
        return $got >= $value;
    });

    return $got;
}


my $r = $t->request('GET', '/metrics', plain => 1);

is($r->status, 200, 'a scrape');
is($r->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8',
   'its type');
like($r->body, qr/^nginx_mdm_build_info\{version="[\d.]+",nginx="[\d.]+"\} 1$/m,
     'versions');
is($t->request('HEAD', '/metrics', plain => 1)->status, 200, 'HEAD');
is($t->request('POST', '/metrics', plain => 1, body => 'x')->status, 405,
   'POST');


# each worker counts, and the sum is exact

my $d = $t->device('UDID-1')->enroll;
my $polls = 400;

is(settled(1, 'messages_total', message => 'Authenticate', code => 200), 1,
   'Authenticate');
is(settled(1, 'messages_total', message => 'TokenUpdate', code => 200), 1,
   'TokenUpdate');

my $before = scrape($t);
my $idle = MDM::Plist::plist({ UDID => 'UDID-1', Status => 'Idle' });
my %by;

for (1 .. $polls) {
    my $r = $t->request('PUT', '/mdm', cert => $d->{cert}, fresh => 1,
                        type => 'application/x-apple-aspen-mdm',
                        body => $idle);
    $by{$r->status}++;
}

is_deeply(\%by, { 200 => $polls }, 'polls');
is(settled($polls, 'connects_total', status => 'Idle'), $polls,
   'each is counted once');
is(settled($polls, 'messages_total', message => 'Connect', code => 200),
   $polls, 'by its code');
is(settled($polls, 'request_duration_seconds_count', kind => 'connect'),
   $polls, 'its duration is');
cmp_ok(sum(scrape($t), 'redis_calls_total', store => 'main')
       - sum($before, 'redis_calls_total', store => 'main'), '>=', $polls,
       'so are its calls');
cmp_ok(sum(scrape($t), 'redis_call_duration_seconds_count', store => 'main'),
       '>=', $polls, 'and their duration');

is($t->request('PUT', '/mdm', plain => 1, body => $idle)->status, 403,
   'one without a certificate');
is(settled(1, 'messages_total', message => 'other', code => 403), 1,
   'is counted');
is($t->api(GET => '/version')->status, 200, 'the API');
is(settled(1, 'request_duration_seconds_count', kind => 'api'), 1,
   'is counted');
is(settled(1, 'redis_up', store => 'main'), 1, 'Redis is up');


# nothing goes backwards while workers are killed, and begin anew

my $stop = $t->dir . '/stop';
my @children;

for (1 .. 2) {
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        while (!-e $stop) {
            eval {
                $t->request('PUT', '/mdm', cert => $d->{cert}, fresh => 1,
                            type => 'application/x-apple-aspen-mdm',
                            body => $idle, timeout => 2);
            };
        }

        POSIX::_exit(0);
    }

    push @children, $pid;
}

my ($old, $scrapes, @back) = (scrape($t), 0);
my $first = $old;

my $look = sub {
    my $new = eval { scrape($t) } or return;

    push @back, went_back($old, $new);
    $old = $new;
    $scrapes++;
};

for my $round (1 .. 6) {
    my ($pid) = $t->workers;

    if ($round % 3 == 0) {
        kill 'HUP', $t->pid;

    } else {
        kill 'KILL', $pid;
    }

    my $until = time + 0.7;

    $look->() while time < $until;
}

$t->expect_log(qr/worker process \d+ exited on signal 9/);

is_deeply(\@back, [], 'nothing went backwards');
cmp_ok($scrapes, '>=', 50, 'in many scrapes');
cmp_ok(sum($old, 'connects_total', status => 'Idle'), '>',
       sum($first, 'connects_total', status => 'Idle') + 50,
       'while devices were served');

open my $fh, '>', $stop or die "$stop: $!";
close $fh;
waitpid $_, 0 for @children;

wait_for(10, sub { return $t->workers == 4 });
$t->wait_old_workers;


# what was counted stays, and goes on where it was

my $sum = settled(1, 'connects_total', status => 'Idle');

$t->reload;
$t->wait_old_workers;
is(sum(scrape($t), 'connects_total', status => 'Idle'), $sum,
   'a reload keeps it');
is($d->idle->status, 200, 'one more');
is(settled($sum + 1, 'connects_total', status => 'Idle'), $sum + 1,
   'is added to it');


# more workers than there are rows share one, and none of it is lost

{
    my $many = MDM->new(workers => 30, ca => $t->ca,
                        http => 'mdm_metrics_zone 512k;', locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location = /metrics { mdm_metrics on; }
END

    $many->start;
    $many->request('PUT', '/mdm', plain => 1, fresh => 1, body => $idle)
        for 1 .. 300;

    my $got;

    wait_for(10, sub {
        $got = sum(scrape($many), 'messages_total', code => 403) // 0;
        return $got >= 300;
    });

    is($got, 300, '30 workers: the sum is exact');

    # new workers find all rows taken, and get those of old ones later

    $many->reload;
    $many->wait_old_workers;
    ok(wait_for(10, sub { return defined sum(scrape($many), 'redis_up') }),
       'what is so now is told again after a reload');
}


# what lives in Redis is read by a job

my $gauges;

wait_for(45, sub {
    $gauges = scrape($t);
    return (sum($gauges, 'enrollments') // 0) == 1;
});

is(sum($gauges, 'enrollments'), 1, 'enrollments');
is(sum($gauges, $_), 0, $_) for qw(push_owed push_owed_oldest_seconds
                                   push_dead);
cmp_ok(sum($gauges, 'gauges_age_seconds'), '<=', 60, 'of just now');
is(sum($gauges, 'work_age_seconds', kind => 'push'), 0, 'no work is late');


# a store that is not there any more is not counted, though it was read

$t->reload(store_conf => 'mdm_store renamed '
                         . '{ server unix:%%REDIS_SOCKET%%; %%AUTH%% }');

my %seen;

ok(wait_for(20, sub {
    $gauges = scrape($t);
    $seen{sum($gauges, 'enrollments') // 0} = 1;

    return $seen{1} && defined sum($gauges, 'redis_up', store => 'renamed');
}), 'a store with another name');
$t->wait_old_workers;
sleep 2.5;

$gauges = scrape($t);

is(sum($gauges, 'enrollments'), 1, 'its enrollments');
ok(!$seen{2}, 'and no others');
is(sum($gauges, 'redis_up', store => 'main'), undef, 'nobody asks for main');

$t->reload(store_conf => undef);
$t->wait_old_workers;
wait_for(10, sub { return defined sum(scrape($t), 'redis_up',
                                      store => 'main') });


# Redis goes away

$t->redis_server->stop;
wait_for(10, sub { return (sum(scrape($t), 'redis_up') // 1) == 0 });
is(sum(scrape($t), 'redis_up', store => 'main'), 0, 'Redis is down');

is($d->idle->status, 503, 'a poll');
is(settled(1, 'messages_total', message => 'Connect', code => 503), 1,
   'is counted so');
cmp_ok(settled(1, 'redis_errors_total', store => 'main', kind => 'refused'),
       '>=', 1, 'its call, too');


# what a worker said that was killed goes with it, though nobody takes its row

my %old = map { $_ => 1 } $t->workers;
my ($killed) = keys %old;

kill 'STOP', $killed;
$t->write_conf(workers => 3);
kill 'HUP', $t->pid;
wait_for(20, sub { return 3 == grep { !$old{$_} } $t->workers });
wait_for(20, sub { return 4 == $t->workers(all => 1) });
kill 'KILL', $killed;
wait_for(20, sub { return 3 == $t->workers(all => 1) });
$t->{clients} = {};

$t->redis_server->start;
ok(wait_for(20, sub { return (sum(scrape($t), 'redis_up') // 0) == 1 }),
   'Redis is up for all that live');

finish;
