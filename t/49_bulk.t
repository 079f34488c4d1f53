#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Large calls and rounds of the API do not hold devices up: they have a
# connection to Redis of their own.  Also what a call that is late, large or
# given up does to others.

use strict;
use warnings;

use lib 't/lib';
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::FakeRedis;
use MDM::Util qw(read_file replace_file write_file wait_exit);


my $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /counters { return 200
            "$mdm_redis_refused $mdm_redis_timeouts $mdm_redis_pending"; }
END

my $t = MDM->new(workers => 2, locations => $locations,
    http => 'large_client_header_buffers 4 512k; keepalive_requests 100000;'
            . ' client_body_buffer_size 1m;')->start;
my $dir = $t->dir;
my @poller = map { $t->device("POLL-$_")->enroll } 1 .. 4;
my @sender = map { $t->device("SEND-$_")->enroll } 1 .. 3;


# in a process of its own, until it is told to end: "status seconds" a request

sub run {
    my ($name, $do) = @_;

    unlink "$dir/$name.end";

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        $t->{clients} = {};
        open my $fh, '>', "$dir/$name.out" or POSIX::_exit(1);
        $fh->autoflush(1);

        # the TLS handshake is none of it

        eval { $do->() };

        until (-e "$dir/$name.end" || getppid() == 1) {
            my $begin = time;
            my $status = eval { $do->()->status } // 0;

            printf $fh "%s %.4f\n", $status, time - $begin;
        }

        POSIX::_exit(0);
    }

    return { pid => $pid, name => $name };
}

sub ended {
    my (@runs) = @_;

    my @seen;

    write_file("$dir/$_->{name}.end", '') for @runs;

    for my $run (@runs) {
        wait_exit($run->{pid}, 60);
        push @seen, map { [ split / / ] }
                    split /\n/, read_file("$dir/$run->{name}.out");
    }

    return @seen;
}

sub polls {
    return map { my $d = $poller[$_];
                 run("poll-$_", sub { sleep 0.005; $d->idle }) } 0 .. 3;
}

sub summary {
    my ($what, @seen) = @_;

    my @times = sort { $a <=> $b } map { $_->[1] } @seen;
    my %status;

    $status{$_->[0]}++ for @seen;
    note(sprintf '%s: %d, median %.1f ms, p99 %.1f ms, slowest %.1f ms',
         $what, scalar @times, map { 1000 * $_ } $times[$#times / 2],
         $times[$#times * 0.99], $times[-1]);

    return ($times[-1], %status);
}


# what this machine does without them

my @polls = polls();

sleep 1.5;

my ($alone, %alone) = summary('polls alone', ended(@polls));

is_deeply([ keys %alone ], [ 200 ], 'polls alone: 200');


# three devices that send 15 MB each, again and again

my $text = join '', map { "<dict><key>Identifier</key><string>com.example.$_"
    . "</string><key>Version</key><string>$_.0</string></dict>\n" } 1 .. 150000;
my $noise = do {
    open my $fh, '<:raw', '/dev/urandom' or die $!;
    read $fh, my $bytes, 15_000_000;
    $bytes;
};

$text = substr $text, 0, 15_000_000;
$text =~ tr/<>//d;

# What one of them takes alone says whether this machine can show anything: to
# compress it is the worker's, to keep it is Redis' single thread's.

my $one = do {
    my $begin = time;

    $t->redis('SET', 'one', $noise);
    $t->redis('DEL', 'one');
    time - $begin;
};
my $busy = $alone > 0.05 || $one > 0.15
    ? sprintf('a poll alone takes up to %.0f ms, 15 MB to Redis %.0f ms',
              1000 * $alone, 1000 * $one) : '';

for my $kind ('text', 'noise') {
    my @send;

    for my $i (0 .. 2) {
        my %message = (%{$sender[$i]{ids}}, CommandUUID => "bulk-$kind",
                       Status => 'Acknowledged');
        my $body = $kind eq 'text'
            ? plist({ %message, Text => $text })
            : plist_binary({ %message, Data => plist_data($noise) });

        push @send, run("send-$i", sub {
            return $t->request(PUT => '/mdm', cert => $sender[$i]->cert,
                               body => $body, timeout => 60) });
    }

    wait_for(20, sub { !grep { !-s "$dir/send-$_.out" } 0 .. 2 });
    @polls = polls();
    sleep 3;

    my ($slowest, %status) = summary("polls beside 15 MB of $kind",
                                     ended(@polls));
    my (undef, %sent) = summary("results of 15 MB of $kind", ended(@send));

    SKIP: {
        skip "this machine is too busy: $busy", 3 if $busy;

        is_deeply([ keys %status ], [ 200 ],
                  "$kind: each poll is answered 200");
        is_deeply([ keys %sent ], [ 200 ], "$kind: so is each result")
            or diag(explain \%sent);
        cmp_ok($slowest, '<', 0.5, "$kind: no poll takes over 500 ms");
    }
}


# 10,000 queues are cleared by calls of the API, beside polls

{
    my @ids = map { sprintf 'Q-%05d', $_ } 1 .. 10000;
    my %fields = @{$t->redis('HGETALL',
                             $t->redis('KEYS', 'mdm:*:e:POLL-1')->[0])};
    my @flat = map { $_ => $fields{$_} }
               grep { !/^(?:cert|serial|pin)/ } sort keys %fields;
    my @keys = map { my $p = crc16($_) % 256; "mdm:{default/$p}:e:$_" } @ids;

    is(scalar(grep { $_ eq 'mdm:{default/' . crc16('POLL-1') % 256
                           . '}:e:POLL-1' }
              @{$t->redis('KEYS', 'mdm:*:e:POLL-1')}), 1,
       'where an enrollment is');

    while (my @some = splice @keys, 0, 1000) {
        $t->redis('EVAL', 'for i = 1, #KEYS do redis.call("HSET", KEYS[i], '
                  . 'unpack(ARGV)) end', scalar @some, @some, @flat);
    }

    # what a busy machine has not done in time is repeated

    ok(wait_for(20, sub { $t->enqueue(\@ids, $t->command('clear', 'DeviceLock'))
                            ->status == 200 }), 'a command for 10,000');

    my $path = '/v1/queue/' . join ',', @ids;
    my @clear = map { run("clear-$_", sub {
        return $t->api(DELETE => $path, timeout => 60) }) } 0 .. 3;

    wait_for(20, sub { !grep { !-s "$dir/clear-$_.out" } 0 .. 3 });
    @polls = polls();
    sleep 3;

    my ($slowest, %status) = summary('polls beside', ended(@polls));
    my (undef, %cleared) = summary('clearing 10,000 queues', ended(@clear));

    is_deeply([ keys %status ], [ 200 ],
              'clearing 10,000 queues: each poll is answered 200');

    # a busy machine may refuse one, never silently

    ok($cleared{204} && !grep({ !/^(?:204|503)$/ } keys %cleared),
       'the calls are carried out, or told to come again')
        or diag(explain \%cleared);
}


# CRC16 as Redis has it

sub crc16 {
    my ($text) = @_;

    my $crc = 0;

    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte << 8;
        $crc = ($crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1) & 0xffff
            for 1 .. 8;
    }

    return $crc;
}


# A server that is slow, as told by a file: "which calls of which connection
# wait for how long".

my $real = $t->redis_server;
my $mode = "$dir/mode";

sub mode { return replace_file($mode, @_) }

mode('ok');

my $fake = MDM::FakeRedis->new(socket => "$dir/fake.sock",
    upstream => $real->socket,
    script => sub {
        my ($cmd, $n, $conn, $forward) = @_;

        my $call = uc $cmd->[0] eq 'EVALSHA';
        my ($do, $time) = split / /, read_file($mode);

        return $forward->() if $do eq 'ok' || !$call;

        # the name of a key that the call has

        return $forward->() unless grep { /\Q$do\E/ } @$cmd;
        return ({ sleep => $time }, $forward->());
    });
my $f = MDM->new(redis => 0, redis_socket => $fake->socket, ca => $t->ca,
                 auth => $real->auth, locations => $locations,
                 store => 'timeout 600ms; connect_timeout 3s;')->start;
my $fd = $f->device('FAKE-1');

wait_for(20, sub { eval { $fd->enroll } }) or die 'no fake Redis';

sub told { return grep { /\[(?:warn|error|crit)\]/ }
                  split /\n/, $f->log($_[0]) }

# an API call that is late has its 503, and devices do not notice

{
    my $from = $f->log_size;

    is($f->api(GET => '/v1/queue/FAKE-1')->status, 200, 'an API call');
    mode('FAKE-1 0.5');

    my $slow = $f->client(plain => 1)->connect;

    $slow->send_request(GET => '/api/v1/queue/FAKE-1');
    sleep 0.1;
    mode('ok');

    my $begin = time;

    is($fd->idle->status, 200, 'a poll beside a slow call of the API: 200');
    cmp_ok(time - $begin, '<', 0.3, 'which does not wait for it');
    is($slow->read_response('GET')->status, 200, 'the slow call: 200');

    # each of these is in time, the last of them for the connection is not

    mode('FAKE-1 0.2');

    my @c = map { $f->client(plain => 1)->connect } 1 .. 5;

    $_->send_request(GET => '/api/v1/queue/FAKE-1') for @c;

    my %status;

    $status{$_->read_response('GET')->status}++ for @c;
    mode('ok');
    cmp_ok($status{200} // 0, '>=', 2,
           'five calls of 200 ms each: those in time are answered 200');
    is($f->api(GET => '/v1/queue/FAKE-1')->status, 200, 'and it goes on');
    is_deeply([ told($from) ], [], 'by the same connection')
        or diag(told($from));
}

# a client that goes away while its 4 MB are on their way

$noise = substr $noise, 0, 4_000_000;

for my $how ('before', 'meanwhile') {
    my $c = $f->client(cert => $fd->cert)->connect;
    my $body = plist_binary({ UDID => 'FAKE-1', Status => 'Acknowledged',
                              CommandUUID => "gone-$how",
                              Data => plist_data($noise) });

    $c->send_request(PUT => '/mdm', body => $body);
    sleep($how eq 'before' ? 0.05 : 0.2);
    $c->close;
    mode('ok');
    ok(wait_for(10, sub { (split / /, $f->request(GET => '/counters')->body)[2]
                          == 0 }), "gone $how: nothing is left");
    is($fd->idle->status, 200, "gone $how: the next poll");
}

finish;
