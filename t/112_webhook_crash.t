#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Two nginx on one Redis send events to a webhook while they are killed between
# taking events and acknowledging them, told to reload and to quit, and while
# Redis is killed: each event comes, what comes again has the same event_id and
# body, and those of a device come in their order.
#
# MDM_KILLS: how often workers are killed (200).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Events;
use MDM::Reports;
use MDM::Sink;
use MDM::Util qw(wait_for write_file);


my $partitions = 128;
my $asan = `"@{[ MDM->nginx_binary ]}" -V 2>&1` =~ /-fsanitize=/;
my $kills = $ENV{MDM_KILLS} || ($asan ? 60 : 200);

my $t = MDM->new(workers => 2, redis => { args => [ '--appendonly', 'yes',
                                                    '--appendfsync',
                                                    'always' ] });
my $other = MDM->new(workers => 2, redis => 0, ca => $t->ca,
                     redis_socket => $t->redis_server->socket,
                     auth => $t->redis_server->auth);
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0, brief => 1,
                          hmac_key => 'crash');


# that can be seen: a ledger in which something is wrong

{
    my $file = $t->dir . '/planted';
    my $redis = $t->redis_server;
    my ($n, @nodes) = (0);

    $redis->start;

    my $line = sub {
        my ($event, $uuid, %o) = @_;

        return sprintf '{"n":%d,"status":%d,"action":"%s","hmac":"%s",'
            . '"event_id":"default.1.%s","topic":"%s","id":"D","answer":"%s",'
            . '"uuid":"%s","digest":"%s"}' . "\n", ++$n,
            $o{status} // 200, $o{action} // 'answer', $o{hmac} // 'ok',
            $event, $o{topic} // 'mdm.Connect',
            $o{answer} // 'Acknowledged', $uuid, $o{digest} // 'a';
    };
    my $judged = sub {
        my ($did, @lines) = @_;

        write_file($file, @lines);
        write_file("$file.did", map { "D\t$_\tAcknowledged\n" } @$did);

        my $e = MDM::Events->new(number => qr/-(\d+)$/)->arrived($file)
                           ->did("$file.did");

        $e->streams(@nodes) if @nodes;

        my $v = $e->verdict;

        return join ' ', map { "$_ $v->{$_}" } grep { $v->{$_} }
               qw(lost reordered renamed other unsigned);
    };

    is($judged->([ 'u-1', 'u-2' ], $line->('1-0', 'u-1'),
                 $line->('1-0', 'u-1'), $line->('2-0', 'u-2', status => 503),
                 $line->('2-0', 'u-2')), '', 'control: all is well');
    is($judged->([ 'u-1', 'u-2' ], $line->('1-0', 'u-1'),
                 $line->('2-0', 'u-2', action => 'reset')), 'lost 1',
       'control: one was not taken');
    is($judged->([ 'u-1', 'u-2' ], $line->('2-0', 'u-2'),
                 $line->('1-0', 'u-1')), 'reordered 2',
       'control: the other way round, in the stream and on the device');
    is($judged->([ 'u-1' ], $line->('1-0', 'u-1'), $line->('2-0', 'u-1')),
       'renamed 1', 'control: another event_id');
    is($judged->([ 'u-1' ], $line->('1-0', 'u-1'),
                 $line->('1-0', 'u-1', digest => 'b')), 'renamed 1',
       'control: another body');
    is($judged->([ 'u-1' ], $line->('1-0', 'u-1', answer => 'Error',
                                    hmac => 'bad')), 'other 1 unsigned 1',
       'control: another status, and a bad signature');

    # no device was told of it, and it is in no stream any more

    my $key = 'mdm:{default/1}:events';
    my @update = (topic => 'mdm.TokenUpdate', answer => '');
    my @came = ($line->('1-0', '', @update),
                $line->('2-0', '', @update, status => 503));

    @nodes = ($redis);
    $redis->cmd('XADD', $key, $_, 'f', 'v') for '1-0', '2-0';
    is($judged->([], @came), 'lost 1', 'control: one waits in the stream');
    $redis->cmd('XTRIM', $key, 'MAXLEN', 0);
    is($judged->([], @came), 'lost 1', 'control: one was only answered 503');
    is($judged->([], @came, $line->('2-0', '', @update)), '',
       'control: all was taken at last');
    $redis->cmd('DEL', $key);
}


# one connection a worker, so that each that is killed leaves one lease

my $http = 'mdm_webhook ' . $sink->url('/crash') . ' name=crash from=all'
    . ' topics=mdm.*,api.*,push.* timeout=1s connections=2'
    . " hmac_key_file=$sink->{hmac_file};";

for ($t, $other) {
    $_->write_conf(store => "partitions $partitions;", http => $http,
                   mdm => MDM::Reports->conf);
    $_->start_nginx;
    $_->expect_log(qr/worker process \d+ exited on signal 9/);
}

my @devices = map { MDM::Reports->device($t, "CRASH-$_") } 1 .. 100;
my @loads = map {
    my $half = $_;

    MDM::Reports->begin(on => [ $t, $other ], devices =>
        [ grep { ($_->id =~ /(\d+)$/)[0] % 2 == $half } @devices ]);
} 0, 1;

sub taken { my $n = 0; $n += $_->count for @loads; return $n }


# runners that have taken events and not acknowledged all, by partition

my $LEASES = <<'LUA';
local found = {}

for p = 0, tonumber(ARGV[1]) - 1 do
    local key = 'mdm:{default/' .. p .. '}:out'
    local lease = redis.call('HGET', key, 'l:crash')

    if lease then
        found[#found + 1] = p
        found[#found + 1] = string.match(lease, '^%S+')
    end
end

return found
LUA

sub leases {
    return { @{$t->redis('EVAL', $LEASES, 0, $partitions)} };
}


# kill -9 of whoever is at it; those count whose lease stands when they are gone

{
    my ($killed, $between, $end) = (0, 0, time + 600);

    $sink->tell('rule * 200 delay=20');

    while ($between < $kills && time < $end) {
        my $leases = leases();
        my %alive = map { $_ => 1 } $t->workers, $other->workers;
        my ($p) = grep { $leases->{$_} =~ /^(\d+)-/ && $alive{$1} }
                  keys %$leases;

        if (!defined $p) {
            sleep 0.002;
            next;
        }

        my ($pid) = $leases->{$p} =~ /^(\d+)/;

        kill 'KILL', $pid;
        $killed++;
        wait_for(5, sub { !kill 0, $pid });
        $between++ if (leases()->{$p} // '') eq $leases->{$p};
    }

    is($between, $kills, 'workers are killed between take and acknowledgement');
    note("$killed kills, $between of them between both");
    $sink->clear;
}


# SIGHUP and SIGQUIT under load, of either; the receiver is cross, and away

for my $nginx ($t, $other) {
    $sink->tell('rule * 503 times=20');
    $nginx->reload;
    sleep 0.3;
    $sink->tell('rule * 200 action=reset times=10');
    $nginx->reload;
    ok($nginx->wait_old_workers(20), 'SIGHUP: old workers end');

    $sink->tell($_) for 'listen off', 'drop';
    sleep 0.3;
    is($nginx->quit, 0, 'SIGQUIT: it ends');
    $sink->clear;
    $nginx->start_nginx;
    sleep 0.3;
}


# kill -9 of Redis, which syncs always

for (1 .. 4) {
    my $before = taken();

    sleep 0.2 + rand 0.2;
    $t->redis_server->kill9;
    sleep 0.1;
    $t->redis_server->start;
    ok(wait_for(20, sub { taken() > $before + 20 }),
       'kill -9 of Redis: devices are served again');
}


# all that is left comes by itself, and nothing is missing

ok($_->end, 'devices end') for @loads;

my $did = $t->dir . '/did';

write_file($did, map { MDM::Util::read_file($_->{file}) } @loads);

ok(wait_for(60, sub {
    my $r = $other->api(GET => '/v1/webhooks', fresh => 1);

    $r->status == 200 && $r->json->[0]{lag_events} == 0;
}), 'all events have been delivered') or diag($t->log, $other->log);

my $events = MDM::Events->new(number => qr/-(\d+)$/)
    ->arrived($sink->{ledger})->did($did)->streams($t->redis_server);
my $v = $events->verdict;

is($v->{$_}, 0, "events $_") or diag(join "\n", $events->notes)
    for qw(lost reordered renamed other unsigned);
cmp_ok(taken(), '>', $kills, 'many results were taken');
cmp_ok($v->{repeated}, '>', 0, 'some came again');
note(join ' ', taken(), 'results', map { "$_ $v->{$_}" } sort keys %$v);


# a zone that one of those that were killed had locked is told, too

my $zone = qr/\[alert\].*shared memory zone .* was locked by/;

$_->log =~ $zone and $_->expect_log($zone) for $t, $other;

finish;
