#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Reload, quit, upgrade and death under traffic; clients that go away; a
# worker's memory.  Traffic is that of the device simulator: a request that
# is not answered 200 is an error of the run.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::FakeRedis;
use MDM::Util qw(read_file write_file spawn wait_exit);


my $sim = $ENV{MDM_SIM} || "$MDM::root/build/mdmsim";

-x $sim or plan skip_all => "no $sim: scripts/build sim makes it";

my $asan = `"@{[ MDM->nginx_binary ]}" -V 2>&1` =~ /-fsanitize=/;
my $work = File::Temp->newdir('mdm-life-XXXXXX', TMPDIR => 1);
my @sims;

sub sim {
    my ($name, @args) = @_;

    return spawn({ out => "$work/$name.out" }, $sim, @args);
}

sub sim_done {
    my ($pid, $name, $seconds) = @_;

    my $rc = wait_exit($pid, $seconds // 60);
    my $out = read_file("$work/$name.out");
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => $rc, out => $out, %v };
}

sim_done(sim('ca', 'ca', '--dir', "$work/ca"), 'ca')->{rc} == 0
    or die read_file("$work/ca.out");

my $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
END

my $t = MDM->new(
    workers => 2, ca => { file => "$work/ca/ca.pem" },
    store => 'timeout 2s;', locations => $locations,
    http => 'keepalive_requests 100000;',

    # for the new binary of an upgrade

    main => 'env ASAN_OPTIONS; env UBSAN_OPTIONS; env LSAN_OPTIONS;')->start;
my @fleet = ('--dir', "$work/ca", '--count', 40, '--quiet');
my @url = ('--url', 'https://127.0.0.1:' . $t->port . '/mdm');

is(sim_done(sim('enroll', 'enroll', @fleet, @url), 'enroll')->{rc}, 0,
   'a fleet of 40 is enrolled') or diag(read_file("$work/enroll.out"));

my @ids = do { my $pid = sim('ids', 'ids', '--count', 40);
               wait_exit($pid, 20);
               split /\n/, read_file("$work/ids.out") };

is(scalar @ids, 40, 'with 40 ids');


# traffic in the background; "more" waits for that many further answers

my $traffic;

sub traffic {
    my (@more) = @_;

    my $n = ++$traffic->{n};

    $traffic->{name} = "run-$n";
    $traffic->{pid} = sim("run-$n", 'run', @fleet, @url, '--interval', 0.1,
        '--connections', 16, '--reopen-every', 20, '--duration', 100,
        '--notnow', 10, '--result-size', 3000, '--ledger',
        "$work/run-$n.ledger", @more);
    more(50);

    return;
}

sub more {
    my ($n) = @_;

    my $ledger = "$work/$traffic->{name}.ledger";
    my $have = read_file($ledger) =~ tr/\n//;

    wait_for(20, sub { (read_file($ledger) =~ tr/\n//) >= $have + $n })
        or diag('no traffic');

    return;
}

sub end_traffic {
    my ($name) = @_;

    kill 'TERM', $traffic->{pid};

    my $r = sim_done($traffic->{pid}, $traffic->{name});

    is($r->{rc}, 0, "$name: the fleet has seen no error") or diag($r->{out});
    is($r->{errors}, 0, "$name: none at all");
    is($r->{responses} - $r->{status_200}, 0, "$name: each answer was 200");

    return $r;
}


# API calls in the background, each by a connection of its own

sub calls {
    my ($name) = @_;

    my $file = "$work/$name.calls";
    my $pid = fork // die "fork: $!";

    return { pid => $pid, file => $file, name => $name } if $pid;

    for (my $n = 0; !-e "$file.end" && getppid() != 1; $n++) {
        my $r = eval { $t->request(GET => "/api/v1/queue/$ids[$n % 40]",
                                   plain => 1, fresh => 1) };
        my $said = $r ? $r->status : $@ =~ s/\n/ /gr;

        open my $fh, '>>', $file;
        print $fh "$said\n";
        close $fh;
    }

    POSIX::_exit(0);
}

sub end_calls {
    my ($calls) = @_;

    write_file("$calls->{file}.end", '');
    wait_exit($calls->{pid}, 30);

    my @said = split /\n/, read_file($calls->{file});
    my @bad = grep { $_ ne '200' } @said;

    cmp_ok(scalar @said, '>', 10, "$calls->{name}: the API was busy");
    is(scalar @bad, 0, "$calls->{name}: no call of it has failed")
        or diag("@bad[0 .. ($#bad < 5 ? $#bad : 5)]");

    return;
}


# what devices are given to do meanwhile

my $commands = 0;

sub command {
    my $uuid = 'life-' . ++$commands;
    my $r = eval { $t->request(PUT => '/api/v1/enqueue/' . join(',', @ids),
        plain => 1, fresh => 1, body => plist({ CommandUUID => $uuid,
        Command => { RequestType => 'ProfileList' } })) };

    is($r ? $r->status : $@, 200, "command $uuid is queued");

    return;
}

sub gone { my ($pid, $seconds) = @_;
           return wait_for($seconds, sub { !kill 0, $pid }) }


# reloads under traffic

traffic();
{
    my $slow = 0;
    my $calls = calls('HUP');

    for my $i (1 .. 5) {
        my @old = $t->workers;

        command();
        $t->reload;
        more(20);
        $slow++ unless wait_for(10, sub { !grep { kill 0, $_ } @old });
    }

    is($slow, 0, 'HUP: old workers are gone within 10 s, five times');
    end_calls($calls);

    my $r = end_traffic('HUP');

    cmp_ok($r->{commands_acknowledged}, '>', 40,
           'HUP: devices were busy meanwhile');
}


# a worker that is killed: others go on, and a new one comes

for my $i (1 .. 2) {
    my $pid = $t->kill_worker('KILL');

    is(scalar($t->workers), 2, "kill -9: two workers again ($i)");
    isnt(($t->workers)[0], $pid, "kill -9: another one ($i)");
    is($t->request(GET => '/api/version', plain => 1, fresh => 1)->status,
       200, "kill -9: they serve ($i)");
}

# the same under traffic: a device whose request was lost repeats it, and
# nothing else is lost

traffic('--retries', 20, '--max-errors', 100000);
{
    my $r;

    for (1 .. 4) {
        command();
        $t->kill_worker('KILL');
        more(50);
    }

    kill 'TERM', $traffic->{pid};
    $r = sim_done($traffic->{pid}, $traffic->{name});
    is($r->{rc}, 0, 'kill -9 under traffic: the fleet goes on')
        or diag($r->{out});
    is($r->{visits_failed}, 0, 'kill -9 under traffic: nobody gave up');

    $r = sim_done(sim('drain', 'poll', @fleet, @url), 'drain');
    is($r->{rc}, 0, 'kill -9 under traffic: the queues are drained')
        or diag($r->{out});

    my @lost;

    for my $id (@ids) {
        for my $n (1 .. $commands) {
            my $state = eval { $t->request(GET =>
                "/api/v1/queue/$id/life-$n", plain => 1)->json->{state} };

            push @lost, "$id $n " . ($state // $@)
                unless ($state // '') eq 'acknowledged';
        }
    }

    is(scalar @lost, 0, "kill -9 under traffic: all $commands commands of"
       . ' each device were answered') or diag("@lost");
}

traffic();
more(50);

# what TERM does to one worker is up to the master as well

$t->kill_worker('QUIT');
more(50);
end_traffic('QUIT of one worker');


# calls that are under way when nginx is told to end

sub api_ids { return $t->client(plain => 1)->connect
                  ->send_request(GET => "/api/v1/queue/$ids[$_[0]]") }

sub paused {
    my ($signal, $name) = @_;

    my @c;

    $t->redis_server->pause;
    push @c, api_ids($_) for 0 .. 5;
    sleep 0.1;          # until they are read: a new worker must not get them

    if ($signal eq 'HUP') {
        $t->reload;

    } else {
        kill $signal, $t->pid;
        wait_for(5, sub { $t->log =~ /gracefully shutting down\n/ });
        sleep 0.1;
    }

    $t->redis_server->resume;

    my @status = map { my $c = $_;
        eval { $c->read_response('GET')->status } // $@ } @c;

    is_deeply(\@status, [ (200) x 6 ],
              "$name: calls that were under way are answered");

    return;
}

paused('HUP', 'HUP');
ok($t->wait_old_workers(10), 'HUP: and then the old workers end');

{
    my $begin = time;

    paused('QUIT', 'QUIT');
    is($t->quit, 0, 'QUIT: nginx ends with 0');
    cmp_ok(time - $begin, '<', 10, 'QUIT: within 10 s');
    $t->start_nginx;
}

# a call that Redis never answers: QUIT waits for its timeout, not for ever

{
    $t->redis_server->pause;

    my $c = api_ids(0);

    sleep 0.1;

    my $begin = time;

    is($t->quit(15), 0, 'QUIT with a stalled Redis: ends with 0');
    cmp_ok(time - $begin, '<', 10, 'QUIT with a stalled Redis: within 10 s');
    is($c->read_response('GET')->status, 503,
       'QUIT with a stalled Redis: the client is told');
    $t->redis_server->resume;
    $t->start_nginx;
}

# TERM does not wait

{
    $t->redis_server->pause;

    my @c = map { api_ids($_) } 0 .. 3;

    sleep 0.1;

    my $begin = time;

    kill 'TERM', $t->pid;
    is(wait_exit($t->pid, 10), 0, 'TERM: nginx ends with 0');
    cmp_ok(time - $begin, '<', 3, 'TERM: at once');
    $t->{pid} = undef;
    $t->redis_server->resume;
    $t->start_nginx;
}


# Clients that go away while their call is under way.  With max_pending 8,
# calls that were not counted down would soon leave no room.

sub abort {
    my (@c) = @_;

    sleep 0.05;
    $_->close for @c;

    return;
}

$t->reload(store => 'timeout 5s; max_pending 8;', workers => 1);

for my $round (1 .. 4) {
    $t->redis_server->pause;
    abort(map { api_ids($_) } 0 .. 5);
    $t->redis_server->resume;
    ok(wait_for(5, sub {
        my @s = map { api_ids($_) } 0 .. 2;
        return 3 == grep { $_->read_response('GET')->status == 200 } @s;
    }), "aborted while Redis stalls: others are served ($round)");
}

# broken off in the middle of a body, or of a header

for my $bytes (10, 80, 300) {
    my $c = $t->client(plain => 1)->connect;
    my $body = 'x' x 1000;

    $c->send_request(PUT => '/api/v1/enqueue/A', raw => substr(
        "PUT /api/v1/enqueue/A HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Length: 1000\r\n\r\n$body", 0, $bytes));
    $c->close;
}

is($t->request(GET => '/api/version', plain => 1, fresh => 1)->status, 200,
   'aborted within a request: others are served');


# while the connection to Redis comes up calls wait, and may go away as well

{
    my $mode = "$work/mode";

    write_file($mode, 'stall');

    my $fake = MDM::FakeRedis->new(socket => "$work/fake.sock",
        upstream => $t->redis_server->socket,
        script => sub {
            my ($cmd, $n, $conn, $forward) = @_;

            wait_for(10, sub { read_file($mode) eq 'ok' });

            return $forward->();
        });
    my $f = MDM->new(redis => 0, redis_socket => $fake->socket,
                     auth => $t->redis_server->auth,
                     ca => $t->ca, locations => $locations,
                     store => 'connect_timeout 8s; timeout 8s;'
                              . 'max_pending 6;')->start;
    my $get = sub { return $f->client(plain => 1)->connect
                        ->send_request(GET => "/api/v1/queue/$ids[0]") };

    abort(map { $get->() } 1 .. 5) for 1 .. 3;

    my @c = map { $get->() } 1 .. 6;

    sleep 0.05;

    my $r = $get->()->read_response('GET');

    is($r->status, 503, 'waiting: calls above max_pending are refused');
    $_->close for @c[0 .. 2];
    write_file($mode, 'ok');
    is($_->read_response('GET')->status, 200,
       'waiting: answered when Redis is there') for @c[3 .. 5];

    # a worker that quits while its connection has not come up

    write_file($mode, 'stall');
    $f->reload;
    @c = map { $get->() } 1 .. 2;
    sleep 0.05;
    kill 'HUP', $f->pid;
    sleep 0.05;
    write_file($mode, 'ok');
    is($_->read_response('GET')->status, 200,
       'waiting: answered by a worker that quits') for @c;
    ok(wait_for(10, sub { $f->workers(all => 1) == 1 }),
       'waiting: which then ends');
}


# worker_shutdown_timeout

$t->reload(store => 'timeout 30s;', workers => 2);

{
    my $conf = $t->conf =~ s/^.*?(?=worker_processes)//sr;

    $conf =~ s/(worker_shutdown_timeout) 20s/$1 1s/ or die;
    $t->reload(conf => $conf);

    # one client that does not end its request, one whose call is under way

    my $held = $t->client(plain => 1)->connect;

    $held->send_request(PUT => '/', raw => "PUT /api/v1/enqueue/A HTTP/1.1\r\n"
        . "Host: localhost\r\nContent-Length: 1000\r\n\r\nhalf");
    is($t->request(GET => "/api/v1/queue/$ids[0]", plain => 1, fresh => 1)
         ->status, 200, 'shutdown timeout: serves');
    $t->redis_server->pause;

    my $c = api_ids(0);

    sleep 0.1;

    my @old = $t->workers;
    my $begin = time;

    delete $t->{conf};
    $t->reload(store => 'timeout 2s;');
    ok(wait_for(15, sub { !grep { kill 0, $_ } @old }),
       'shutdown timeout: workers end in spite of client and Redis');
    cmp_ok(time - $begin, '<', 10, 'shutdown timeout: soon');
    $t->redis_server->resume;
    ok(wait_for(10, sub { $t->request(GET => "/api/v1/queue/$ids[0]",
                          plain => 1, fresh => 1)->status == 200 }),
       'shutdown timeout: the new ones serve');
}


# many reloads: what each leaves behind would add up (leaks are told at the
# end by the sanitizer build)

for my $i (1 .. 10) {
    $t->reload;
    $t->request(GET => "/api/v1/queue/$ids[$i]", plain => 1, fresh => 1);
}

ok($t->wait_old_workers(10), 'many reloads: only the last workers are left');


# Upgrade of the binary: USR2, WINCH, QUIT.  nginx takes USR2 for what it is
# only if who has started it is gone, and WINCH only if it is a daemon.

{
    $t->quit;
    is($t->{exit}, 0, 'upgrade: the first nginx ended');

    $t->write_conf(daemon => 'on');

    my $pid = spawn({ out => $t->dir . '/stderr.log', append => 1,
                      env => $t->_env }, $t->_argv);

    is(wait_exit($pid, 30), 0, 'upgrade: nginx runs as a daemon');
    ok(wait_for(10, sub { read_file($t->dir . '/nginx.pid') }),
       'upgrade: its pid is there');

    my ($old) = read_file($t->dir . '/nginx.pid') =~ /^(\d+)/;

    $t->{pid} = $old;
    $t->_wait_workers;
    traffic();

    my @workers = $t->workers;
    my $calls = calls('upgrade');

    kill 'USR2', $old;

    my $new = wait_for(20, sub {
        my ($now) = read_file($t->dir . '/nginx.pid') =~ /^(\d+)/ or return;

        return $now != $old && -e $t->dir . '/nginx.pid.oldbin' ? $now : 0;
    });

    ok($new, 'upgrade: USR2 starts a new master')
        or die substr $t->log, -3000;
    $t->{pid} = $new;
    ok(wait_for(20, sub { $t->workers == 2 }), 'upgrade: with workers');
    more(30);
    kill 'WINCH', $old;
    ok(wait_for(10, sub { !grep { kill 0, $_ } @workers }),
       'upgrade: WINCH: the old workers are gone within 10 s');
    more(30);
    command();
    more(30);
    kill 'QUIT', $old;
    ok(gone($old, 10), 'upgrade: the old master ends within 10 s');
    command();
    more(50);
    end_calls($calls);

    my $r = end_traffic('upgrade');

    cmp_ok($r->{commands_acknowledged}, '>', 20,
           'upgrade: devices were busy meanwhile');
    kill 'QUIT', $new;
    ok(gone($new, 10), 'upgrade: the new master ends within 10 s');
    $t->{pid} = undef;
}


# a worker's memory: what a poll leaves behind would add up

SKIP: {
    skip 'the sanitizer keeps freed memory', 4 if $asan;

    $t->{daemon} = 'off';
    $t->{workers} = 1;
    $t->start_nginx;

    my ($worker) = $t->workers;
    my $rss = sub { read_file("/proc/$worker/status") =~ /^VmRSS:\s+(\d+)/m;
                    return $1 };
    my @rss;

    for my $polls (6000, 18000) {
        my $r = sim_done(sim('poll', 'poll', @fleet, @url, '--requests',
                             $polls, '--connections', 32), 'poll');

        is($r->{rc}, 0, "memory: $polls polls") or diag($r->{out});
        push @rss, $rss->();
    }

    is(($t->workers)[0], $worker, 'memory: by one worker');
    cmp_ok($rss[1] - $rss[0], '<', 512,
           'memory: 18,000 polls more take less than 512 kB')
        or diag("@rss");
}

finish;
