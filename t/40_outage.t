#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Redis away, slow, unwilling or lying: what clients get, what the log says,
# that it comes back by itself, and that nothing acknowledged is lost.

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
        location /api/ { mdm_api on; mdm_queue_limit 10000; }
        location = /files/a { mdm_auth on; alias %%PREFIX%%/nginx.conf; }
END

my $t = MDM->new(
    redis => { args => [ '--appendonly', 'yes', '--appendfsync', 'always' ] },
    store => 'timeout 1s; connect_timeout 500ms; max_pending 4;',
    locations => $locations)->start;


# lines that were logged since $from, as [level, text]

sub lines {
    my ($mdm, $from, $re) = @_;

    return map { /\[(\w+)\] \S+ (.*)/ ? [ $1, $2 ] : () }
           grep { /$re/ } split /\n/, $mdm->log($from);
}

sub told { my ($mdm, $from) = @_;
           return map { "[$_->[0]] $_->[1]" }
                  lines($mdm, $from, qr/\[(?:warn|error|crit)\]/) }


# 503 as it must be, within a second

sub is_503 {
    my ($do, $json, $name, $limit) = @_;

    my $begin = time;
    my $r = $do->();
    my $took = time - $begin;

    is($r->status, 503, "$name: 503");
    like($r->header('Retry-After') // 'none', qr/^[1-9]\d*$/,
         "$name: Retry-After");
    cmp_ok($took, '<', $limit // 1, "$name: soon");

    if ($json) {
        is($r->header('Content-Type'), 'application/json', "$name: JSON");
        is($r->body, '{"error":"redis is unavailable, try again"}',
           "$name: the error");

    } elsif (defined $json) {
        is($r->body, '', "$name: no body");
    }

    return;
}


# until polls are answered 200 again: seconds, or undef

sub recovers {
    my ($device, $limit) = @_;

    my $begin = time;

    return wait_for($limit // 10, sub { $device->idle->status == 200 })
           && time - $begin;
}

sub lock_plist { return plist($t->command($_[0], 'DeviceLock')) }

sub put {
    my ($mdm, $id, $uuid) = @_;

    return $mdm->api(PUT => "/v1/enqueue/$id", plain => 1,
                     body => lock_plist($uuid));
}

sub queue {
    my ($mdm, $id) = @_;

    my ($cursor, @uuids) = ('');

    do {
        my $body = $mdm->api(GET => "/v1/queue/$id?limit=1000&cursor=$cursor",
                             plain => 1)->body;

        push @uuids, $body =~ /"command_uuid":"([^"]+)"/g;
        ($cursor) = $body =~ /,"next_cursor":"([^"]+)"\}$/;
    } while (defined $cursor);

    return \@uuids;
}


# killed

my $d = $t->device('DEV-1')->enroll;
my @calls = (
    [ 'a poll', sub { $d->idle }, 0 ],
    [ 'a report', sub { $d->report('Acknowledged', 'x') }, 0 ],
    [ 'a check-in', sub { $d->token_update }, 0 ],
    [ 'an enqueue', sub { put($t, 'DEV-1', 'lost') }, 1 ],
    [ 'a queue', sub { $t->api(GET => '/v1/queue/DEV-1', plain => 1) }, 1 ],
    [ 'a clear', sub { $t->api(DELETE => '/v1/queue/DEV-1', plain => 1) },
      1 ],
    [ 'a query', sub { $t->api(POST => '/v1/enrollments/query',
                               plain => 1) }, 1 ],
    [ 'mdm_auth', sub { $t->request(GET => '/files/a', cert => $d->cert) } ],
);

is(put($t, 'DEV-1', 'kept')->status, 200, 'before: enqueued');
is($t->request(GET => '/files/a', cert => $d->cert)->status, 200,
   'before: mdm_auth');

my $from = $t->log_size;

$t->redis_server->kill9;
is_503($_->[1], $_->[2], "killed: $_->[0]") for @calls;

{
    my %status;

    $status{$d->idle->status}++ for 1 .. 200;
    is_deeply(\%status, { 503 => 200 }, 'killed: 200 more polls');

    my @down = grep { /is down/ } told($t, $from);
    my @still = grep { /is still down/ } told($t, $from);

    is(@down, 1, 'killed: one line says so') or diag($t->log($from));
    like($down[0] // '',
         qr/^\[error\] .*"main": redis \S+ is down \(.+\), requests get 503$/,
         'killed: and why');
    cmp_ok(scalar @still, '<=', 1, 'killed: and once if the why changes');
    is(told($t, $from) - @down - @still, 0, 'killed: nothing else is told')
        or diag(join "\n", told($t, $from));
}

$t->redis_server->start;
{
    my $took = recovers($d);

    ok(defined $took && $took < 3, 'back: within 3 s, without a restart')
        or diag($took // 'never');

    # the last of the connections to the server says it

    wait_for(5, sub {
        lines($t, $from, qr/\[notice\].*is up again after/) });
    is(scalar lines($t, $from, qr/\[notice\].*is up again after/), 1,
       'back: one line says so');
    is(scalar(grep { !/is (?:still )?down/ } told($t, $from)), 0,
       'back: no error');
    is_deeply(queue($t, 'DEV-1'), [ 'kept' ], 'back: what was kept is there');
    is($t->request(GET => '/files/a', cert => $d->cert)->status, 200,
       'back: mdm_auth');
}


# stopped, not killed

$from = $t->log_size;
$t->redis_server->pause;
is_503(sub { $d->idle }, 0, 'stalled: the first waits for "timeout"', 3);
is_503($_->[1], $_->[2], "stalled: $_->[0]") for @calls[0, 3, 4, 7];
is(scalar(grep { /is down \(no reply within 1000ms\)/ } told($t, $from)), 1,
   'stalled: one line says so');
$t->redis_server->resume;
{
    my $took = recovers($d);

    ok(defined $took && $took < 3, 'stalled: back within 3 s')
        or diag($took // 'never');
}
is_deeply([ $d->drain ], [ 'kept' ], 'stalled: and works');


# The same with the defaults: nobody waits for a second, all are told to come
# again, and when the server goes on, so does everything, within two.  For as
# many seconds as MDM_OUTAGE says.

{
    my $s = MDM->new(server => 'location = /counters { return 200'
        . ' "$mdm_redis_refused $mdm_redis_timeouts $mdm_redis_pending"; }'
        )->start;
    my @d = map { $s->device("STALL-$_")->enroll } 1 .. 4;
    my (@late, @other, $n);
    my $worst = 0;

    # polls in a second

    my $rate = sub {
        my $until = time + 1;
        my $polls = 0;

        $polls += grep { $_->idle->status == 200 } @d while time < $until;

        return $polls;
    };

    my $before = $rate->();

    $from = $s->log_size;
    $s->redis_server->pause;

    my $end = time + ($ENV{MDM_OUTAGE} // 5);

    while (time < $end) {
        for my $d (@d) {
            my $begin = time;
            my $status = $d->idle->status;
            my $took = time - $begin;

            $n++;
            $worst = $took if $took > $worst;
            push @late, $took if $took >= 1;
            push @other, $status if $status != 503;
        }

        sleep 0.02;
    }

    cmp_ok($n, '>', 50, 'defaults: many polls while it is stalled');
    is_deeply(\@other, [], 'defaults: each gets 503');
    is_deeply(\@late, [], 'defaults: each within a second');
    is(scalar(grep { /is down \(no reply within 900ms\)/ } told($s, $from)),
       1, 'defaults: one line says that it is down');

    $s->redis_server->resume;

    my $took = recovers($d[0]);

    ok(defined $took && $took < 2, 'defaults: back within 2 s')
        or diag($took // 'never');
    is_deeply([ map { $_->idle->status } @d ], [ (200) x 4 ],
              'defaults: for all');

    # the machine may have other things to do for a moment

    my $after;

    wait_for(5, sub { ($after = $rate->()) > $before / 3 });
    cmp_ok($after, '>', $before / 3, 'defaults: at the rate of before');
    note("$n polls while it was stalled, the slowest took $worst s; back "
         . "after $took s; $before polls/s before, $after afterwards");

    my ($refused, $timeouts, $pending)
        = split / /, $s->request(GET => '/counters')->body;

    cmp_ok($refused, '>=', $n - 4, 'counters: calls that were refused');
    cmp_ok($timeouts, '>=', 1, 'of which some had timed out');
    is($pending, 0, 'none is pending');
}


# max_pending: calls above it do not wait

{
    my @c = map { $t->client(cert => $d->cert)->connect } 1 .. 7;
    my $body = plist({ UDID => 'DEV-1', Status => 'Idle' });
    my $begin = time;

    $from = $t->log_size;
    $t->redis_server->pause;

    $_->send_request(PUT => '/mdm', body => $body) for @c;

    # those that were refused are answered while the others wait

    my $ready = '';

    wait_for(5, sub {
        my $rin = '';

        vec($rin, fileno $_->{sock}, 1) = 1 for @c;
        select $ready = $rin, undef, undef, 0;

        return (grep { vec $ready, fileno $_->{sock}, 1 } @c) >= 3;
    });

    my @status = map { vec($ready, fileno $_->{sock}, 1)
                       ? $_->read_response('PUT')->status : 0 } @c;

    $t->redis_server->resume;

    my $full = grep { $_ == 503 } @status;

    is($full, 3, 'max_pending: above four, calls are refused at once')
        or diag("@status");

    @status = map { $status[$_] || $c[$_]->read_response('PUT')->status }
              0 .. 6;
    is_deeply([ sort @status ], [ (200) x 4, (503) x 3 ],
              'max_pending: the others are answered when it goes on')
        or diag("@status, after " . (time - $begin) . ' s');
    is(scalar(grep { /"max_pending"/ } told($t, $from)), 1,
       'max_pending: one line says so');
    is($d->idle->status, 200, 'max_pending: there is room again');
}


# scripts are gone

{
    $from = $t->log_size;

    for (1 .. 2) {
        $t->redis('SCRIPT', 'FLUSH');
        is($d->idle->status, 200, 'SCRIPT FLUSH: a poll');
        is(put($t, 'DEV-1', "flush-$_")->status, 200,
           'SCRIPT FLUSH: an enqueue');
    }

    is_deeply([ $d->drain ], [ 'flush-1', 'flush-2' ],
              'SCRIPT FLUSH: reports');
    is_deeply([ told($t, $from) ], [], 'SCRIPT FLUSH: no error');

    # EVAL brings them back

    $t->redis('CONFIG', 'RESETSTAT');
    $d->idle for 1 .. 3;
    like($t->redis('INFO', 'commandstats'), qr/cmdstat_evalsha:calls=3,/,
         'SCRIPT FLUSH: EVALSHA from then on');
    unlike($t->redis('INFO', 'commandstats'), qr/cmdstat_eval:/,
           'SCRIPT FLUSH: and no EVAL');
}


# a server that is full: what writes is refused, polls go on

{
    my ($key) = @{$t->redis('KEYS', 'mdm:*:e:DEV-1')};

    put($t, 'DEV-1', "oom-$_") for 1 .. 2;
    $from = $t->log_size;
    $t->redis('CONFIG', 'SET', 'maxmemory', 1);
    is_503(sub { put($t, 'DEV-1', 'oom-3') }, 1, 'OOM: an enqueue');
    is($d->uuid($d->idle), 'oom-1', 'OOM: a poll');
    is($t->api(GET => '/v1/queue/DEV-1', plain => 1)->status, 200,
       'OOM: what only reads');

    # a result frees more than it takes: devices come last

    is($d->uuid($d->report('Acknowledged', 'oom-1')), 'oom-2',
       'OOM: a report');
    is($t->api(GET => '/v1/queue/DEV-1/oom-1', plain => 1)->json->{state},
       'acknowledged', 'OOM: its result is kept');

    for (1 .. 5) {
        is(put($t, 'DEV-1', 'oom-3')->status, 503, 'OOM: an enqueue');
        is($d->idle->status, 200, 'OOM: a poll');
    }

    # a poll that would write last_seen

    $t->redis('CONFIG', 'SET', 'maxmemory', 0);
    $t->redis('HSET', $key, 'last_seen', 1);
    $t->redis('CONFIG', 'SET', 'maxmemory', 1);
    is($d->uuid($d->idle), 'oom-2', 'OOM: a poll whose last_seen is old');
    is($t->redis('HGET', $key, 'last_seen'), 1, 'OOM: last_seen must wait');
    is_deeply([ map { /answers (\w+), requests get 503/ } told($t, $from) ],
              [ 'OOM' ], 'OOM: one line says so')
        or diag(join "\n", told($t, $from));
    $t->redis('CONFIG', 'SET', 'maxmemory', 0);

    is($d->uuid($d->idle), 'oom-2', 'OOM over: a poll');
    cmp_ok($t->redis('HGET', $key, 'last_seen'), '>', 1,
           'OOM over: last_seen is written');
    is(put($t, 'DEV-1', 'oom-3')->status, 200, 'OOM over: an enqueue');
    is(scalar lines($t, $from, qr/\[notice\].*does not answer OOM any more/),
       1, 'OOM over: one line says so');
    is_deeply([ $d->drain ], [ 'oom-2', 'oom-3' ], 'OOM over: all are there');
}


# a replica

{
    $from = $t->log_size;
    $t->redis('REPLICAOF', '127.0.0.1', 1);
    is_503(sub { put($t, 'DEV-1', 'replica') }, 1, 'READONLY: an enqueue');
    is_503(sub { $d->token_update }, 0, 'READONLY: a check-in');

    for (1 .. 5) {
        is(put($t, 'DEV-1', 'replica')->status, 503, 'READONLY: an enqueue');
        is($d->idle->status, 200, 'READONLY: a poll');
    }

    is_deeply([ map { /answers (\w+), requests get 503/ } told($t, $from) ],
              [ 'READONLY' ], 'READONLY: one line says so')
        or diag(join "\n", told($t, $from));
    $t->redis('REPLICAOF', 'NO', 'ONE');
    ok(wait_for(3, sub { put($t, 'DEV-1', 'replica')->status == 200 }),
       'READONLY: over');
    is(scalar lines($t, $from,
                    qr/\[notice\].*does not answer READONLY any more/), 1,
       'READONLY: one line says so');
    is_deeply([ $d->drain ], [ 'replica' ], 'READONLY: carried out once');
}


# Killed while calls are on their way, three times: whatever was answered
# 200 is there, in order and once.

{
    my $log = $t->dir . '/acknowledged';
    my $w = $t->device('WRITER')->enroll;
    my $r = $t->device('REPORTER')->enroll;
    my @pids;

    put($t, 'REPORTER', "r-$_") for 1 .. 300;

    my $child = sub {
        my ($name, $do) = @_;
        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            $t->{clients} = {};
            open my $fh, '>', "$log.$name" or POSIX::_exit(1);

            for my $i (1 .. 100000) {
                my $status = eval { $do->($i)->status } // 0;

                syswrite $fh, "$i\n" if $status == 200;
                sleep($status == 200 ? 0.002 : 0.01);
                last if -e "$log.stop";
            }

            POSIX::_exit(0);
        }

        push @pids, $pid;
    };

    $child->(writer => sub { put($t, 'WRITER', "w-$_[0]") });
    $child->(reporter => sub {
        return $r->report('Acknowledged', 'r-' . ($_[0] % 300 + 1)) });

    my $count = sub { return read_file("$log.$_[0]") =~ tr/\n// };

    for my $round (1 .. 3) {
        my ($n, $m) = map { $count->($_) } qw(writer reporter);

        wait_for(10, sub { $count->('writer') > $n + 40
                           && $count->('reporter') > $m + 20 })
            or diag('no traffic');
        $t->redis_server->kill9;
        $n = $count->('writer');
        $t->redis_server->start;
        ok(wait_for(10, sub { $count->('writer') > $n + 20 }),
           "killed under way: traffic goes on ($round)");
    }

    write_file("$log.stop", '');
    is(wait_exit($_, 20), 0, 'killed under way: a client ends') for @pids;

    my @written = map { "w-$_" } split /\n/, read_file("$log.writer");
    my %acknowledged = map { $_ => 1 } @written;
    my @queue = @{queue($t, 'WRITER')};
    my %seen;

    cmp_ok(scalar @written, '>', 100, 'killed under way: many were taken');
    is(scalar(grep { $seen{$_}++ } @queue), 0,
       'killed under way: none is queued twice');
    is_deeply([ grep { $acknowledged{$_} } @queue ], \@written,
              'killed under way: all that were acknowledged, in order');

    my $lost = 0;

    for my $i (map { $_ % 300 + 1 } split /\n/, read_file("$log.reporter")) {
        my $s = $t->api(GET => "/v1/queue/REPORTER/r-$i", plain => 1)->json;

        $lost++ if ($s->{state} // '') ne 'acknowledged';
    }

    is($lost, 0, 'killed under way: no result that was answered 200 is lost');
}


# a server that says strange things

my $real = $t->redis_server;
my $dir = $t->dir;
my $mode = "$dir/mode";

sub mode { return replace_file($mode, @_) }

mode('ok');

my $fake = MDM::FakeRedis->new(socket => "$dir/fake.sock",
    upstream => $real->socket,
    script => sub {
        my ($cmd, $n, $conn, $forward) = @_;

        my ($do, $text) = read_file($mode) =~ /^(\S+) ?(.*)/s;
        my $call = uc $cmd->[0] eq 'EVALSHA';

        return { split => $forward->(), size => 1 } if $do eq 'split';
        return "-$text" if $do eq 'all';
        return $forward->() unless $call && $do ne 'ok';
        return "-$text" if $do eq 'error';
        return $text if $do eq 'say';
        return ($forward->(), "+more\r\n") if $do eq 'more';
        return { close => 1 } if $do eq 'close';
        return { reset => 1 } if $do eq 'reset';
        return { stall => 1 } if $do eq 'stall';

        # not before it was carried out

        if ($do eq 'once') {
            mode('ok');
            $forward->() if $text eq 'done';
            return { close => 1 };
        }

        if ($do eq 'half') {
            my $reply = $forward->();

            return (substr($reply, 0, length($reply) / 2) || '*',
                    { close => 1 });
        }

        die "mode $do\n";
    });

my $f = MDM->new(redis => 0, redis_socket => $fake->socket, ca => $t->ca,
                 auth => $real->auth,
                 locations => $locations,

                 # of Perl's making: on a busy machine it is slow to greet

                 store => 'timeout 1s; connect_timeout 2s;')->start;
my $fd = $f->device('FAKE');

wait_for(20, sub { eval { $fd->enroll } }) or die 'no fake Redis';

for my $error ('LOADING Redis is loading the dataset in memory',
               'READONLY You can\'t write against a read only replica.',
               'OOM command not allowed when used memory > \'maxmemory\'.',
               'MISCONF Redis is configured to save RDB snapshots',
               'BUSY Redis is busy running a script.',
               'NOREPLICAS Not enough good replicas to write.',
               'CLUSTERDOWN The cluster is down',
               'MASTERDOWN Link with MASTER is down',
               'TRYAGAIN Multiple keys request during rehashing of slot',
               'ERR Error running script (call to f_0): @user_script:3: '
               . '-OOM command not allowed when used memory > \'maxmemory\'')
{
    my ($code) = $error =~ /\b(?!ERR)([A-Z]{3,})\b/;

    $code = 'OOM' if $error =~ /-OOM/;
    $from = $f->log_size;
    mode("error $error");
    is_503(sub { $fd->idle }, 0, "$code: a poll");
    is_503(sub { $f->api(GET => '/v1/queue/FAKE', plain => 1) }, 1,
           "$code: API");
    is_503(sub { put($f, 'FAKE', 'x') }, 1, "$code: enqueue");
    is_503(sub { $f->request(GET => '/files/a', cert => $fd->cert) }, undef,
           "$code: mdm_auth");
    is($fd->idle->status, 503, "$code: again") for 1 .. 5;
    is_deeply([ map { /answers (\w+), requests get 503/ } told($f, $from) ],
              [ $code ], "$code: one line says so")
        or diag(join "\n", told($f, $from));
    mode('ok');
    is($fd->token_update->status, 200, "$code: over at once");
    is(scalar lines($f, $from,
                    qr/\[notice\].*does not answer \Q$code\E any more/), 1,
       "$code: one line says so");
}

# what is no such state is our error: 500, but told at most once a second

{
    $from = $f->log_size;
    mode('error ERR something is wrong');

    my $begin = int time;
    my %status;

    $status{$fd->idle->status}++ for 1 .. 20;
    is_deeply(\%status, { 500 => 20 }, 'an unknown error: 500');
    is($f->api(GET => '/v1/enrollments/FAKE', plain => 1)->json->{error},
       'the script "enrollment_get" failed', 'an unknown error: to the API');
    cmp_ok(scalar(grep { /the script "idle" has failed \(ERR something/ }
                  told($f, $from)), '<=', 2 + time - $begin,
           'an unknown error: is not told each time');
    mode('ok');
    is($fd->idle->status, 200, 'an unknown error: over');
}

# a reply byte by byte, those of the handshake as well

{
    mode('split');
    $f->reload;
    ok(defined recovers($fd), 'split: the handshake');

    my $body = lock_plist('split');

    is(put($f, 'FAKE', 'split')->status, 200, 'split: an enqueue');
    is($fd->idle->body, $body, 'split: a command');
    is_deeply(queue($f, 'FAKE'), [ 'split' ], 'split: a queue');
    is($f->api(GET => '/v1/enrollments/FAKE', plain => 1)->json
         ->{queue_length}, 1, 'split: nested replies');
    is_deeply([ $fd->drain ], [ 'split' ], 'split: a report');
    mode('ok');
}

# what cannot be used

for my $case (
    [ 'no reply of Redis', 'say HTTP/1.1 400 Bad Request' ],
    [ 'a broken length', 'say $x' ],
    [ 'a length out of range', 'say $99999999999999' ],
    [ 'too many elements', 'say *2000000000' ],
    [ 'nested without end', 'say ' . "*1\r\n" x 5000 ],
    [ 'zeros', "say \0\0\0\0" ],
    [ 'a reply too many', 'more' ],
    [ 'half a reply', 'half' ],
    [ 'closed', 'close' ],
    [ 'reset', 'reset' ],
) {
    my ($what, $how) = @$case;

    $from = $f->log_size;
    mode($how);

    my @status = map { $fd->idle->status } 1 .. 3;

    ok(!(grep { $_ != 503 && !($how eq 'more' && $_ == 200) } @status),
       "$what: 503") or diag("@status");
    mode('ok');

    my $took = recovers($fd);

    ok(defined $took && $took < 3, "$what: and it comes back")
        or diag($took // 'never');
    is($fd->uuid($fd->idle), '', "$what: replies fit their requests");

    # a new worker has no long pause yet between attempts to connect

    $f->reload;
}

# A script answers with an array.  Anything else is the reply to something
# else: it is not taken for "no command", and the connection is made anew.

for my $reply ('+OK', ':1', '$-1', "\$1\r\nx", '*-1', '*0', "*1\r\n\$1\r\nx",
               "*1\r\n+OK", "*2\r\n\$-1\r\n:2",
               "*4\r\n:1\r\n*0\r\n*0\r\n*0", "*1\r\n:-99")
{
    my $name = $reply =~ s/\r\n/ /gr;

    $from = $f->log_size;
    mode("say $reply");

    my $status = $fd->token_update->status;

    if ($reply =~ /^\*\d/) {
        like($status, qr/^(?:400|403|50[03])$/, "reply $name: TokenUpdate");

    } else {
        is($status, 503, "reply $name: TokenUpdate");

        # once a connection; the next one may be there already

        ok(grep({ /cannot be used: a script's reply is no array/ }
                told($f, $from)) >= 1, "reply $name: the log says so")
            or diag(map { "$_\n" } told($f, $from));
    }

    like($fd->idle->status, qr/^(?:200|400|403|50[03])$/,
         "reply $name: Idle");
    like($f->api(GET => '/v1/enrollments/FAKE', plain => 1)->status,
         qr/^(?:200|404|50[03])$/, "reply $name: API");
    mode('ok');

    my $took = recovers($fd);

    ok(defined $took && $took < 3, "reply $name: and it comes back");
    $f->reload if $reply !~ /^\*\d/;
}

# NOAUTH on a connection that was good: it is made anew

{
    my $before = $fake->connections;

    mode('error NOAUTH Authentication required.');
    is_503(sub { $fd->idle }, 0, 'NOAUTH: a poll');
    mode('ok');

    my $took = recovers($fd);

    ok(defined $took && $took < 3, 'NOAUTH: comes back');
    cmp_ok($fake->connections, '>', $before, 'NOAUTH: by a new connection');
    $f->reload;
}

# a server that is not ready yet when it is connected to

{
    mode('all LOADING Redis is loading the dataset in memory');
    $from = $f->log_size;
    $f->reload;
    ok(wait_for(5, sub { grep { /LOADING/ } told($f, $from) }),
       'LOADING at the handshake: the log says so');
    is_503(sub { $fd->idle }, 0, 'LOADING at the handshake');
    mode('ok');

    my $took = recovers($fd);

    ok(defined $took && $took < 3, 'LOADING at the handshake: comes back');
}

# A good connection breaks: a call whose reply had not begun is made once
# more, and one that was carried out already does no harm.

for my $how ('lost', 'done') {
    my $uuid = "once-$how";

    put($f, 'FAKE', $uuid) if $how eq 'done';
    $from = $f->log_size;
    ok(defined recovers($fd), "$how: up");
    sleep 1.1;          # a younger connection is not trusted
    mode("once $how");

    if ($how eq 'lost') {
        is(put($f, 'FAKE', $uuid)->status, 200, "$how: made once more");
        is_deeply(queue($f, 'FAKE'), [ $uuid ], "$how: queued once");
        is_deeply([ $fd->drain ], [ $uuid ], "$how: carried out");

    } else {
        is($fd->report('Acknowledged', $uuid)->status, 200,
           "$how: made once more");
        is($f->api(GET => "/v1/queue/FAKE/$uuid", plain => 1)->json->{state},
           'acknowledged', "$how: its result");
        is_deeply(queue($f, 'FAKE'), [], "$how: the queue");
    }

    is_deeply([ grep { /is down/ } told($f, $from) ], [],
              "$how: it was not down");
}


# the server stalls a call that was abandoned, then answers another

{
    mode('stall');

    my $c = $f->client(cert => $fd->cert)->connect;

    $c->send_request(PUT => '/mdm',
                     body => plist({ UDID => 'FAKE', Status => 'Idle' }));
    wait_for(5, sub { grep { $_->[1] eq 'EVALSHA' } $fake->commands });
    $c->close;
    mode('ok');

    my $took = recovers($fd);

    ok(defined $took && $took < 5, 'stalled and abandoned: comes back');
}


# passwords

{
    my $p = MDM->new(redis => { password => 'right' }, ca => $t->ca,
                     locations => $locations,
                     store => 'password_file %%PREFIX%%/password;');
    my $pd = $p->device('PASS');

    write_file($p->dir . '/password', "wrong\n");
    $p->start;
    ok($p->wait_log(qr/\[error\].*is down \(WRONGPASS/),
       'a wrong password: the log says so');
    is_503(sub { $pd->idle }, 0, 'a wrong password');
    is(scalar(grep { /WRONGPASS/ } told($p, 0)), 1,
       'a wrong password: once');
    unlike($p->log, qr/wrong/, 'a wrong password: it is not logged');

    write_file($p->dir . '/password', "right\n");
    $p->reload;
    ok(wait_for(5, sub { $pd->authenticate->status == 200 }),
       'the right one, by a reload');

    # no password where one is asked for

    $p->reload(store => '');
    ok($p->wait_log(qr/\[error\].*is down \(NOAUTH/),
       'no password: the log says so');
    is_503(sub { $pd->idle }, 0, 'no password');
    $p->reload(store => 'password_file %%PREFIX%%/password;');
    ok(wait_for(5, sub { $pd->token_update->status == 200 }), 'and back');
}

finish;
