#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Calls of work: what takes long runs on a thread pool of nginx's, here the
# deflating and sealing of a large result.  Where the pool is full, where there
# is none, whose settings hold, and what a client that goes away and a worker
# that is told to quit do to it.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use MIME::Base64 'decode_base64';
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Util qw(read_file replace_file spawn wait_exit write_file);

use constant CONNECT => 'application/x-apple-aspen-mdm';


my $threads = `"@{[ MDM->nginx_binary ]}" -V 2>&1` =~ /--with-threads/;

$threads or plan skip_all => 'this nginx has no threads';

my $dir = File::Temp::tempdir('mdm-t-XXXXXX', TMPDIR => 1, CLEANUP => 1);

write_file("$dir/key", join '', map { sprintf '%02x', $_ * 7 % 256 } 1 .. 32);
chmod 0600, "$dir/key";

my $mdm = 'mdm_checkin on; mdm_connect on; client_body_buffer_size 1m; '
    . 'client_max_body_size 64m;';

my $t = MDM->new(
    store => "partitions 1; encryption_key $dir/key; timeout 20s;",

    # one at a time: nobody may wait

    main => "thread_pool full threads=1 max_queue=0;\n"
            . 'thread_pool one threads=1;',
    http => 'mdm_threads full;',
    locations => <<"END")->start;
        location /mdm { $mdm mdm_threads default; }
        location /one { $mdm mdm_threads one; }
        location /off { $mdm mdm_threads off; }
        location /full { $mdm }
        location /payload { $mdm mdm_threads one; mdm_event_payload on; }
        location /outer {
            mdm_threads one;
            location /outer/in { $mdm }
        }
        location /api/ { mdm_api on; mdm_threads default; }
END

my $d = $t->device('WORK')->enroll;
my $n = 0;


# words, so that it takes its time and becomes smaller

sub text {
    my ($bytes) = @_;
    my $s = '';

    srand 7;
    $s .= sprintf "%08x word %d\n", rand 0xffffffff, rand 50
        while length $s < 65536;

    return substr $s x (1 + $bytes / length $s), 0, $bytes;
}


sub report {
    my ($uuid, $bytes) = @_;

    return '<?xml version="1.0"?><plist version="1.0"><dict>'
        . "<key>CommandUUID</key><string>$uuid</string>"
        . '<key>Log</key><string>' . text($bytes) . '</string>'
        . '<key>Status</key><string>Acknowledged</string>'
        . '<key>UDID</key><string>WORK</string></dict></plist>';
}


sub queued {
    my $uuid = 'w-' . ++$n;

    $t->enqueue('WORK', $t->command($uuid, 'ProfileList'));

    return $uuid;
}


sub put {
    my ($path, $body) = @_;

    return $t->request(PUT => $path, cert => $d->cert, body => $body,
                       headers => [ 'Content-Type' => CONNECT ]);
}


sub result {
    my ($uuid) = @_;

    return $t->api('GET', "/v1/queue/WORK/$uuid")->json;
}


# without asking the API for megabytes of JSON, again and again

sub is_kept {
    my ($uuid) = @_;

    return wait_for(20, sub {
        $t->redis('EXISTS', "mdm:{default/0}:r:WORK:$uuid");
    });
}


sub kept {
    my ($uuid, $body, $name) = @_;
    my $j = result($uuid);

    is($j->{state}, 'acknowledged', "$name: the command is done")
        or diag(explain({ %$j, result => undef }));
    ok(decode_base64($j->{result} // '') eq $body, "$name: kept as it came");

    return;
}


# wherever it is done, the same is kept

for my $path ('/mdm', '/one', '/off', '/payload', '/outer/in') {
    for my $bytes (100, 65000, 66000, 400_000) {
        my $uuid = queued();
        my $body = report($uuid, $bytes);
        my $r = put($path, $body);

        is($r->status, 200, "$path, $bytes bytes: 200");
        kept($uuid, $body, "$path, $bytes bytes");
    }
}

# the threads give way to the event loop, whose own policy stays

{
  SKIP: {
        my ($worker) = $t->workers;
        my %policy = policies($worker);
        my $own = delete $policy{$worker};

        skip 'nginx itself has another policy', 2 if $own != 0;

        my ($thread) = grep { $policy{$_} == 3 } keys %policy;

        ok($thread, 'a thread that worked: SCHED_BATCH')
            or diag(explain(\%policy));

        # sched_getattr()

        my $number = { x86_64 => 315, aarch64 => 275 }->{(POSIX::uname())[4]};
        my ($major, $minor) = (POSIX::uname())[2] =~ /^(\d+)\.(\d+)/;

        skip 'this kernel knows no slices', 1
            if !$number || $major * 1000 + $minor < 6012;

        my $attr = "\0" x 48;

        syscall $number, int($thread // 0), $attr, 48, 0;
        is((unpack 'L2 Q l L Q3', $attr)[5], 100_000,
           'and has the CPU for 0.1 ms at a time');
    }
}

# while it computes it gets what CPU others leave, and where they leave none it
# is not forgotten

SKIP: {
    my ($worker) = $t->workers;
    my ($cpu) = read_file('/proc/self/status')
        =~ /^Cpus_allowed_list:\s*(\d+)/m;

    my $all = "$dir/all";

    # the worker is of the same user

    skip 'nobody here comes back from SCHED_IDLE', 3
        if wait_exit(spawn({ out => $all }, 'sh', '-c',
                           'chrt -i -p 0 $$ && chrt -b -p 0 $$'), 10) != 0;

    my @on = ('taskset', '-a', '-c', '-p');

    is(wait_exit(spawn({ out => $all }, @on, $cpu, $worker), 10), 0,
       'the worker and a busy process on one CPU');

    my $busy = spawn({ out => $all }, 'taskset', '-c', $cpu, $^X, '-e',
                     'alarm 60; 1 while 1');
    my $watch = fork // die "fork: $!";

    if ($watch == 0) {
        my %seen;

        for (1 .. 2000) {
            my %policy = policies($worker);

            $seen{$_} = 1 for values %policy;
            replace_file("$dir/seen", join ' ', sort keys %seen);
            sleep 0.005;
        }

        POSIX::_exit(0);
    }

    my $begin = time;

    for (1 .. 20) {
        my $uuid = queued();

        put('/mdm', report($uuid, 400_000));
        is_kept($uuid);
    }

    # some milliseconds each; of 1027 parts of a CPU SCHED_IDLE has 3

    cmp_ok(time - $begin, '<', 10, 'no thread waits for long');

    kill 'KILL', $busy, $watch;
    waitpid $_, 0 for $busy, $watch;

    like(read_file("$dir/seen"), qr/\b5\b/, 'SCHED_IDLE while it computes');

    my $list = read_file('/proc/self/status') =~ /^Cpus_allowed_list:\s*(\S+)/m
        ? $1 : $cpu;

    wait_exit(spawn({ out => $all }, @on, $list, $worker), 10);
}

{
    my %e = @{$t->redis('XREVRANGE', 'mdm:{default/0}:events', '+', '-',
                        'COUNT', 1)->[0][1]};

    cmp_ok(length($e{raw} // ''), '<', 10, 'no payload unless it is asked for');

    my ($got) = grep { length($_->{raw} // '') > 400_000 }
        map { +{ @{$_->[1]} } }
        @{$t->redis('XRANGE', 'mdm:{default/0}:events', '-', '+')};

    ok($got, 'a payload of 400 kB is in the outbox');
    like(substr($got->{raw} // '', 0, 3), qr/^\xeeMK/, 'sealed');
}


# a full queue: one is at work, and a second one has no place

{
    my $c = $t->client(cert => $d->cert);
    my $size = $t->log_size;
    my ($r, $uuid);

    $c->send_request('PUT', '/full', body => report('busy', 16_000_000),
                     headers => [ 'Content-Type' => CONNECT ]);

    for (1 .. 200) {
        $uuid = "probe-$_";
        $r = put('/full', report($uuid, 70_000));
        last if $r->status != 200;
    }

    is($r->status, 503, 'a full queue: 503');
    like($r->header('Retry-After'), qr/^\d+$/, 'a full queue: Retry-After');
    like($t->log($size), qr/too much work waits/, 'a full queue: the log');
    is($t->api('GET', "/v1/queue/WORK/$uuid")->status, 404,
       'a full queue: nothing has changed');

    is(put('/full', report('small', 1000))->status, 200,
       'a full queue: what is small needs none');
    is($d->idle->status, 200, 'a full queue: nor does a poll');

    # between reading the body and the rest others may take the thread

    like($c->read_response->status, qr/^(?:200|503)$/,
         'a full queue: who was first gets an answer, too');
    ok(wait_for(20, sub {
        put('/full', report($uuid, 70_000))->status == 200 }),
       'a full queue: and the other one, later');
}


# polls go on meanwhile, and the work is done though its client goes away

sub policies {
    my ($pid) = @_;
    my %policy;

    for my $file (glob "/proc/$pid/task/*/stat") {
        my ($tid) = $file =~ m{task/(\d+)};

        # behind the name, which may have blanks, field 3 is the first one

        $policy{$tid} = (split ' ', read_file($file) =~ s/^.*\) //sr)[38];
    }

    return %policy;
}


sub goes_away {
    my ($path, $uuid, $body, $after) = @_;

    my $c = $t->client(cert => $d->cert);

    $c->send_request('PUT', $path, body => $body,
                     headers => [ 'Content-Type' => CONNECT ]);
    sleep $after;
    $c->close;

    return;
}

for my $i (1 .. 4) {
    my $uuid = queued();
    my $body = report($uuid, 4_000_000);

    goes_away($i % 2 ? '/one' : '/mdm', $uuid, $body, 0.01 * ($i % 4));

    is($d->idle->status, 200, "a client goes away ($i): polls go on");

    ok(is_kept($uuid),
       "a client goes away ($i): the result is kept all the same");
    kept($uuid, $body, "a client goes away ($i)") if $i == 4;
}


# QUIT waits for it

{
    my $uuid = queued();
    my $body = report($uuid, 5_000_000);
    my $c = $t->client(cert => $d->cert);

    $c->send_request('PUT', '/one', body => $body,
                     headers => [ 'Content-Type' => CONNECT ]);
    $t->kill_worker('QUIT');

    is($c->read_response->status, 200, 'QUIT of a worker: answered');
    kept($uuid, $body, 'QUIT of a worker');

    $uuid = queued();
    $body = report($uuid, 5_000_000);
    goes_away('/one', $uuid, $body, 0);
    $t->kill_worker('QUIT');

    ok(is_kept($uuid),
       'QUIT of a worker whose client goes away: the result is kept');
}


# a reload in the middle of it

{
    my $uuid = queued();
    my $body = report($uuid, 5_000_000);
    my $c = $t->client(cert => $d->cert);

    $c->send_request('PUT', '/one', body => $body,
                     headers => [ 'Content-Type' => CONNECT ]);
    $t->reload;

    is($c->read_response->status, 200, 'reload: answered');
    kept($uuid, $body, 'reload');
}

# what the configuration refuses

{
    my $bad = MDM->new(redis => 0, redis_socket => '/nonexistent',
                       mdm => 'mdm_threads nowhere;');
    my ($ok, $out) = $bad->test_conf;

    ok(!$ok, 'a pool that is not defined: refused');
    like($out, qr/unknown thread pool "nowhere"/, 'and why');
}

finish;
