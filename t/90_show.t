#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What the module promises, shown in one place: bytes that come out as they
# went in, an impostor who changes nothing, a Redis that goes away and comes
# back, a reload in the middle of traffic, hostile plists; and that scripts/run
# shows what it says.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Util qw(free_port read_file write_file spawn wait_exit);

my $t = MDM->new(workers => 2,
                 server => 'client_max_body_size 16m;',
                 redis => { args => [qw(--appendonly yes
                                        --appendfsync always)] })->start;
my $redis = $t->redis_server;
my $device = $t->device('SHOW-1')->enroll;


# a command enqueued by curl comes out of connect byte for byte

my $command = qq{<?xml version="1.0" encoding="UTF-8"?>\r\n<plist version="1.0">}
    . "\n<!-- odd \t spacing -->  <dict><key>Command</key><dict>"
    . '<key>RequestType</key> <string>ProfileList</string></dict>'
    . "\n\n<key>CommandUUID</key><string>show-1</string></dict></plist>\n \n";

my $r = $t->curl(method => 'PUT', path => '/api/v1/enqueue/SHOW-1',
                 body => $command);
is($r->status, 200, 'enqueued by curl');
is($device->idle->body, $command, 'byte for byte');


# an impostor's certificate changes nothing in Redis

my $before = $t->redis_dump;

for my $cert ($t->cert(cn => 'impostor'), $t->foreign_cert(cn => 'SHOW-1'),
              undef)
{
    my $impostor = $t->device('SHOW-1', cert => $cert);

    for my $answer ($impostor->idle, $impostor->report('Acknowledged',
                    'show-1'), $impostor->token_update, $impostor->checkout,
                    $impostor->get_bootstrap_token)
    {
        ok($answer->status == 403 || $answer->status == 400,
           'an impostor gets ' . $answer->status);
    }
}

is($t->redis_dump, $before, 'and Redis is as it was');


# hostile plists: refused in less than 50 ms of CPU

sub cpu {
    my $sum = 0;

    $sum += (split ' ', read_file("/proc/$_/schedstat"))[0] for $t->workers;

    return $sum / 1e6;
}

# each array holds the one before it twice

sub bomb {
    my ($levels) = @_;

    my ($body, @at) = ('bplist00');

    for my $i (0 .. $levels - 1) {
        push @at, length $body;
        $body .= $i < $levels - 1 ? "\xa2" . chr($i + 1) . chr($i + 1)
                                  : "\x09";
    }

    my $table = length $body;

    return $body . join('', map { chr } @at) . "\0" x 6 . "\1\1"
           . pack('NN NN NN', 0, $levels, 0, 0, 0, $table);
}

my $nested = '<plist version="1.0">' . '<array>' x 300_000;

for my $case ([ 'a binary bomb of ' . length(bomb(31)) . ' bytes', bomb(31) ],
              [ '2 MB of nested arrays', $nested ])
{
    my ($name, $body) = @$case;

    my $spent = cpu();

    $r = $t->request('PUT', '/mdm', body => $body, cert => $device->cert,
                     headers => { 'Content-Type' =>
                                  'application/x-apple-aspen-mdm' });

    $spent = cpu() - $spent;

    is($r->status, 400, "$name: 400");

    # TLS, and with sanitizers much more, is in it

    cmp_ok($spent, '<', ($ENV{MDM_NGINX} // '') =~ /asan/ ? 1000 : 50,
           sprintf '%s: %.1f ms', $name, $spent);
}


# Redis is killed: 503 within a second, and back without a restart

$redis->kill9;

for my $i (1 .. 20) {
    my $start = time;

    $r = $device->idle;

    is($r->status, 503, "poll $i without Redis: 503") if $i < 3 || $i == 20;
    like($r->header('Retry-After'), qr/^\d+$/, 'with Retry-After')
        if $i == 1;
    cmp_ok(time - $start, '<', 1, 'within a second') if $i == 1 || $i == 20;
}

$r = $t->enqueue('SHOW-1', $t->command('show-2', 'ProfileList'));
is($r->status, 503, 'the API: 503');
like($r->json->{error} // $r->json->{command_error} // '', qr/redis/,
     'and why');

my $down = () = $t->log =~ /\[error\] [^\n]* is down /g;

cmp_ok($down, '<=', 2, 'one line a worker says so');

$redis->start;

ok(wait_for(10, sub { $device->idle->status == 200 }), 'it is back');
is($device->idle->body, $command, 'and the command is still there');
is(scalar($t->workers), 2, 'the workers are the same');


# a stalled Redis

$redis->pause;
is($device->idle->status, 503, 'Redis stands still: 503');
$redis->resume;
ok(wait_for(10, sub { $device->idle->status == 200 }), 'it goes on');


# a fleet in the middle of two reloads: every command exactly one result

SKIP: {
    my $sim = "$MDM::root/build/mdmsim";
    my $dir = $t->dir;

    skip 'no build/mdmsim', 1 if !-x $sim;

    my @who = ('--dir', "$dir/sim", '--count', 40, '--shared-key');

    my $ran = sub {
        my ($name, @args) = @_;
        my $pid = spawn({ out => "$dir/sim.$name" }, $sim, @args);

        return sub {
            my $status = wait_exit($pid, 60);

            is($status, 0, "simulator: $name")
                or diag(read_file("$dir/sim.$name"));
        };
    };

    $ran->('ca', 'ca', '--dir', "$dir/sim")->();

    my $s = MDM->new(workers => 2, server => 'mdm_reenroll bound;');

    # the simulator's CA instead of the test's

    write_file($s->ca->{file}, read_file("$dir/sim/ca.pem"));
    $s->start;

    my $url = 'https://127.0.0.1:' . $s->port . '/mdm';

    $ran->('enroll', 'enroll', @who, '--url', $url, '--connections', 40,
           '--quiet')->();

    my @ids = split /\n/, `$sim ids --count 40`;
    my $n = 0;

    my $fleet = $ran->('run', 'run', @who, '--url', $url, '--connections', 40,
                       '--duration', 6, '--notnow', 20, '--error', 10,
                       '--quiet');
    my $end = time + 4;

    while (time < $end) {
        $r = $s->enqueue(\@ids, $s->command('fleet-' . $n++, 'ProfileList'));
        $r->status == 200 or fail('enqueue: ' . $r->status);
        $s->reload if $n == 5 || $n == 10;
        sleep 0.1;
    }

    $fleet->();
    # what is left, NotNow ones included

    $ran->('poll', 'poll', @who, '--url', $url, '--connections', 40, '--quiet',
           '--requests', 40 * 3 * $n)->();

    my ($done, $left) = (0, 0);

    for my $id (@ids) {
        my $q = $s->api(GET => "/v1/queue/$id")->json;

        $left += @{$q->{commands}};

        for my $i (0 .. $n - 1) {
            my $c = $s->api(GET => "/v1/queue/$id/fleet-$i")->json;

            $done++ if ($c->{state} // '') =~ /^(?:acknowledged|error)$/;
        }
    }

    is($left, 0, 'all queues are empty');
    is($done, 40 * $n, 'every command has its result');
    ok($s->wait_old_workers(10), 'old workers are gone in 10 seconds');
}



# the main job: a device enrolls, is woken up and answers; what comes of it goes
# to a webhook and into metrics

SKIP: {
    skip 'scripts/run is not for another nginx', 1 if $ENV{MDM_NGINX};

    local $ENV{MDM_RUN_DIR} = $t->dir . '/run';
    local $ENV{MDM_RUN_PORT} = free_port();
    local $ENV{MDM_RUN_ADDRESS} = '127.0.0.1';

    my $out = $t->dir . '/run.out';
    my $pid = spawn({ out => $out }, "$MDM::root/scripts/run", '--once');
    my $status = wait_exit($pid, 300);
    my $shown = read_file($out);

    is($status, 0, 'scripts/run --once') or diag($shown);

    my ($uuid) = $shown =~ /"command_uuid": *"([^"]+)"/;

    for my $topic (qw(mdm.Authenticate mdm.TokenUpdate mdm.Connect)) {
        like($shown, qr/^ +signature ok: \{"topic":"\Q$topic\E"/m,
             "the webhook got $topic");
    }

    like($shown, qr/"topic":"mdm\.Connect".*"command_uuid":"\Q$uuid\E"/,
         'of that command');
    like($shown, qr/"name": *"example".*"lag_events"/s,
         'how far the webhook is');
    like($shown, qr/^ +nginx_mdm_commands_total\{.*"acknowledged"\} 1$/m,
         'a command was counted');
    like($shown, qr/^ +nginx_mdm_pushes_total\{outcome="taken"\} [1-9]/m,
         'and a push');
    like($shown, qr/^ +nginx_mdm_redis_up\{.*\} 1$/m, 'and Redis is up');
    unlike($shown, qr/signature (?!ok)/, 'every signature is right');
}

finish;
