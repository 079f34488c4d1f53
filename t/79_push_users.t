#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What users of other servers have met, as far as t/70 to t/76 do not have it:
# t/README.md says which test has what.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Errno ();
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::DNS;
use MDM::Fleet;
use MDM::Util qw(read_file);


my $asan = `"@{[ MDM->nginx_binary ]}" -V 2>&1` =~ /-fsanitize=/;
my $topic = 'com.apple.mgmt.External.test';

my $t = MDM->new(store => 'partitions 4;');
my $apns = MDM::APNs->new(dir => $t->dir);
my $cert = $apns->cert($topic);
my $expired = $apns->cert("$topic.old", expired => 1);
my $f = MDM::Fleet->new(test => $t, apns => $apns);
my $push = ' mdm_push_wait 8s; mdm_push_window 1s; mdm_push_retry 1m 1h;';

$t->redis_server->start;
$t->write_conf(http => $apns->conf($cert, $expired)
                       . "$push mdm_push_plain on;");
$t->start_nginx;


# kB of memory of the only worker, and its descriptors; the sanitizer keeps what
# was freed

sub memory {
    return 0 if $asan;

    my ($worker) = $t->workers;
    my ($kb) = read_file("/proc/$worker/status") =~ /^VmRSS:\s+(\d+)/m;

    return $kb;
}

sub descriptors {
    my ($worker) = $t->workers;
    my @fd = glob "/proc/$worker/fd/*";

    return scalar @fd;
}


# how often Redis has run each command

sub commands {
    my $text = $t->redis('INFO', 'commandstats');

    return { $text =~ /^cmdstat_([^:]+):calls=(\d+)/mg };
}

sub fast_forward {
    my ($id, $seconds) = @_;

    my ($node, $tag) = $f->place($id);
    my $due = int(1000 * time) - 5 + 0.5;

    $node->cmd('HSET', "$tag:e:$id", last_seen => int time - $seconds,
               push => int(time - $seconds) . ' 400 200');
    $node->cmd('HDEL', "$tag:e:$id", 'taken');
    $node->cmd('ZADD', "$tag:push", $due, $id);

    return;
}


# 50 commands in a second to one device that sleeps

{
    $f->device('FIFTY');
    sleep 1.1;
    $apns->clear;
    $f->enqueue('FIFTY') for 1 .. 50;

    # a tenant that was told of is looked at every 5 s

    $f->came('FIFTY', 2, 10, '50 commands: one push, and one more');

    my @at = map { $_->{time} } $f->pushes('FIFTY');

    cmp_ok(($at[1] // 0) - $at[0], '>', 950, 'behind the window')
        or diag("@at");
}


# however old a command is, it is pushed for

{
    $f->device('OLD');
    $f->enqueue('OLD', query => '?nopush=1');

    my ($node, $tag) = $f->place('OLD');

    fast_forward('OLD', 400 * 86400);
    $node->cmd('HSET', "$tag:e:OLD", updated => int time - 400 * 86400);
    $apns->clear;
    $f->device('OTHER');
    $f->enqueue('OTHER');
    $f->came('OLD', 1, 20, 'a command of last year is pushed for');
}


# two channels with the same token

{
    $f->device('TWIN-1');
    $f->device('TWIN-2');
    $f->token('TWIN-2', 'token of TWIN-1');
    sleep 1.1;
    $apns->clear;
    $apns->tell('rule ' . $f->token_of('TWIN-1') . ' 413 x times=1');

    my $r = $f->enqueue([ 'TWIN-1', 'TWIN-2' ]);
    my %said = %{$r->json->{status}};
    my ($bad) = grep { $said{$_}{push_error} } keys %said;
    my ($good) = grep { $said{$_}{push_result} } keys %said;
    my @ids = map { $_->{headers}{'apns-id!'} } $apns->ledger;

    is(scalar @ids, 2, 'the same token: a push to each') or diag($r->body);
    is($said{$bad // ''}{push_error}, 'APNs: 413 x', 'one failed');
    is($said{$good // ''}{push_result} // '', $ids[1], 'one has its id');
    like($f->field($bad, 'push'), qr/ 413 x$/, 'which the one is told');
    like($f->field($good, 'push'), qr/ 200$/, 'and not the other one');
}


# a token that is never reached: each time later, at most in a quarter of an
# hour

{
    my @due;

    $f->device('LOST');
    $apns->clear;
    $apns->tell('rule ' . $f->token_of('LOST') . ' 200 action=reset');

    for (1 .. 10) {
        my ($node, $tag) = $f->place('LOST');

        $node->cmd('HDEL', "$tag:e:LOST", 'taken');
        $f->enqueue('LOST');
        push @due, $f->due('LOST') / 1000 - time;
    }

    for my $i (0 .. 9) {
        my $want = 5 * 2 ** $i;

        $want = 900 if $want > 900;
        ok($due[$i] > 0.75 * $want && $due[$i] < 1.25 * $want,
           "a push that is lost: about $want s") or diag($due[$i]);
    }

    my ($node, $tag) = $f->place('LOST');

    $node->cmd('DEL', "$tag:push");
}


# nothing is due: no queue is looked through for that

{
    my @ids = map { "Q$_" } 1 .. 300;

    $f->device($_) for @ids;
    $f->enqueue([ @ids ]);

    for my $id (@ids) {
        my ($node, $tag) = $f->place($id);

        $node->cmd('ZADD', "$tag:push", int(1000 * (time + 3600)) + 0.5, $id);
    }

    sleep 2;

    my $before = commands();

    sleep 10;

    my $after = commands();
    my %n = map { $_ => $after->{$_} - ($before->{$_} // 0) } keys %$after;

    is_deeply([ grep { $n{$_} } qw(scan keys hscan sscan zscan) ], [],
              '300 queues that wait are not scanned');
    cmp_ok(($n{hmget} // 0) + ($n{hget} // 0) + ($n{hgetall} // 0), '<', 100,
           'nor read') or diag(explain(\%n));
    cmp_ok($n{evalsha} // 0, '<', 100, 'looks are few');
}


# the network is gone: little is tried, nothing piles up, and all is sent when
# it is back

{
    my @ids = map { "N$_" } 1 .. 300;

    $f->device($_) for @ids;
    sleep 1.1;
    $apns->clear;
    $apns->tell('listen off');
    $apns->tell('drop');
    $f->enqueue([ @ids ]);
    sleep 1;

    my $from = $t->log_size;
    my ($fds, $kb) = (descriptors(), memory());
    my ($most, $end) = (0, time + 8);

    while (time < $end) {
        my $now = descriptors();

        $most = $now if $now > $most;
        $f->enqueue([ @ids[0 .. 119] ]);
        sleep 0.2;
    }

    my $attempts = () = $t->log($from) =~ /connecting to APNs has failed/g;

    cmp_ok($attempts, '<=', 14, 'no network: few attempts to connect');
    cmp_ok($attempts, '>=', 2, 'but some');
    cmp_ok($most, '<=', $fds + 6, 'no descriptor more');
    cmp_ok(memory() - $kb, '<', 4096, 'nor memory') or diag(memory(), " $kb");
    is_deeply([ grep { !defined $f->due($_) } @ids ], [], 'all are owed');

    $apns->clear;

    my $begin = time;
    my %count;

    ok(wait_for(15, sub { %count = $f->pushed(@ids);
                          !grep { !$_ } values %count }),
       'it is back: all come');
    note(sprintf 'all after %.1f s', time - $begin);
    cmp_ok(($apns->ledger)[0]{time} / 1000 - $begin, '<', 5,
           'the first one within 5 s');
}


# a certificate that was made anew, with a topic that no device has; one that
# has expired

{
    my $new = $apns->cert("$topic.new");
    my $r = $t->api(PUT => '/v1/pushcert', body => read_file($new->{key})
                                                   . $new->{pem});

    is($r->status, 200, 'another topic');
    like(join(' ', @{$r->json->{warnings} || []}),
         qr/\Q$topic\E\b.*Devices with another topic cannot be pushed/s,
         'warns when it is put') or diag($r->body);
    is($t->api(GET => "/v1/pushcert?topic=$topic.old")->json->{state},
       'expired', 'one that has expired is shown');
    ok($t->wait_log(qr/\[warn\].*topic "\Q$topic\E\.old".*has expired on/),
       'and told');
}


# the first address cannot be reached: nobody answers there

{
    my $dns = MDM::DNS->new(file => $t->dir . '/names');
    my $mute = IO::Socket::INET->new(Listen => 1, Proto => 'tcp',
        LocalAddr => '127.0.0.3', LocalPort => $apns->port) or die $!;
    my @full;

    # what waits to be accepted is all that there is room for

    for (1 .. 8) {
        push @full, IO::Socket::INET->new(PeerAddr => '127.0.0.3',
            PeerPort => $apns->port, Proto => 'tcp', Blocking => 0);
    }

    sleep 0.2;
    $dns->set('api.push.example' => [ '127.0.0.3', '127.0.0.1' ]);

    (my $conf = $apns->conf($cert)) =~ s/127\.0\.0\.1/api.push.example/;

    $t->reload(http => "$conf mdm_push_wait 20s; resolver 127.0.0.1:"
                       . $dns->port . ' ipv6=off;');
    $t->wait_old_workers;
    $f->device("V$_") for 1 .. 4;
    $apns->clear;

    my $begin = time;
    my $r = $f->enqueue('V1', timeout => 30);

    ok(wait_for(20, sub { $f->pushes('V1') }),
       'the first address cannot be reached: the next one is tried')
        or diag($r->body);
    note(sprintf 'after %.1f s', time - $begin);
    $begin = time;
    $f->enqueue('V2');
    ok(wait_for(20, sub { $f->pushes('V2') }), 'and pushed to from then on');
    cmp_ok(time - $begin, '<', 1, 'at once');
    $dns->stop;
}


# 100,000 pushes on one connection

{
    my @ids = map { "H$_" } 1 .. 100;
    my $n = $asan ? 100 : 1000;

    $t->reload(http => $apns->conf($cert) . ' mdm_push_wait 20s;'
                       . ' mdm_push_window 1ms; mdm_push_rate 1000000r/s;');
    $t->wait_old_workers;
    $f->device($_) for @ids;
    $apns->clear;

    my $path = '/v1/push/' . join ',', @ids;
    my ($kb, $bad) = (0, 0);
    my $begin = time;

    for my $i (1 .. $n) {
        my $r = $t->api(POST => $path);

        $bad++ if $r->status != 200;
        diag($r->body) if $r->status != 200 && $bad == 1;
        $kb = memory() if $i == 100;
    }

    my $stat = $apns->stat;

    is($bad, 0, 100 * $n . ' pushes: all are taken');
    cmp_ok($stat->{requests}, '>', 80 * $n, 'and sent');

    # it may be there from a push that was due before

    cmp_ok($stat->{accepted}, '<=', 1, 'on one connection');
    cmp_ok(memory() - $kb, '<', 2048, 'memory does not grow')
        or diag(memory(), " $kb");
    note(sprintf '%d in %.1f s', $stat->{requests}, time - $begin);
}

finish;
