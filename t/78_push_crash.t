#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Workers and Redis are killed, and nginx is told to reload and to quit, while
# commands are queued and pushed for: no channel whose commands wait remains
# unpushed for longer than 30 s.  And no token, magic or key is in a log, nor
# a key in what Redis writes.
#
# MDM_KILLS: how often workers are killed (30).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::Fleet;
use MDM::Util qw(read_file wait_exit write_file);


my $topic = 'com.apple.mgmt.External.test';
my $kills = $ENV{MDM_KILLS} || 30;
my $bound = 30;

my $t = MDM->new(workers => 2, redis => { args => [ '--appendonly', 'yes',
                                                    '--appendfsync', 'always',
                                                    '--rdbcompression',
                                                    'no' ] });
my $apns = MDM::APNs->new(dir => $t->dir);
my $cert = $apns->cert($topic);
my $f = MDM::Fleet->new(test => $t, apns => $apns);
my $key = write_file($t->dir . '/mdm.key',
                     map { sprintf '%02x', rand 256 } 1 .. 32);

chmod 0600, $key;
$t->redis_server->start;
$t->write_conf(store => "partitions 4; encryption_key $key;",
               http => $apns->conf . ' mdm_push_wait 3s; mdm_push_window 1s;'
                       . ' mdm_push_retry 5m 1h;');
$t->start_nginx;
is($t->api(PUT => '/v1/pushcert', body => read_file($cert->{key})
                                          . $cert->{pem})->status,
   200, 'a push certificate');

# requests: [id, when, whether it was answered by 200 or 207]

my @asked;


# sends one and does not wait

sub ask {
    my ($id) = @_;

    my $c = $t->client(plain => 1);

    $c->send_request(PUT => "/api/v1/enqueue/$id",
                     body => plist($t->command("c-$id", 'ProfileList')));
    push @asked, my $asked = [ $id, time, 0 ];

    return ($c, $asked);
}


sub answered {
    my ($c, $asked) = @_;

    my $r = eval { $c->read_response('PUT') } or return;

    $asked->[2] = $r->status =~ /^20[07]$/
                  && !$r->json->{status}{$asked->[0]}{command_error};

    return;
}


# all workers at once

sub kill_workers {
    my @old = $t->workers;

    kill 'KILL', @old;

    my %old = map { $_ => 1 } @old;

    $t->{clients} = {};

    return wait_for(20, sub { my @now = $t->workers;
                              @now == 2 && !grep { $old{$_} } @now });
}


# the next command of a channel stands in its enrollment

sub waits { return defined $f->field($_[0], 'q') }


sub redis_is_back {
    return wait_for(10, sub { 4 == grep {
        my $r = $t->api(GET => '/v1/enrollments/R1', fresh => 1);
        $r->status == 200 } 1 .. 4 });
}


# when each was pushed to behind its last command: id => seconds until then

sub pushed_after {
    my ($last) = @_;

    my %took;

    for my $line ($apns->ledger) {
        my ($id) = pack('H*', $line->{token}) =~ /^token of (\S+) *$/;
        my $took = $line->{time} / 1000 - ($last->{$id} // 9e9);

        # the ledger knows milliseconds

        $took{$id} //= $took if $took >= -0.002;
    }

    return %took;
}


# Each one whose commands wait has a push that was sent behind its last
# command, within 30 s, and its end was stored.  Returns how many they were.

sub all_pushed {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my (%last, %lost, %took, @never);

    for my $asked (@asked) {
        my ($id, $when, $ok) = @$asked;

        $last{$id} = $when if $ok || waits($id);
        $lost{$id} = 1 if $ok && !waits($id);
    }

    is_deeply([ sort keys %lost ], [], "$what: what was answered is queued");

    wait_for($bound + 5, sub { %took = pushed_after(\%last);
                               @never = grep { !exists $took{$_} } keys %last;
                               !@never });

    my ($slowest) = sort { $b <=> $a } values %took, 0;

    ok(!@never && $slowest <= $bound, "$what: nobody is unpushed for 30 s")
        or diag("never: @never, slowest: $slowest");
    ok(wait_for($bound, sub { !grep { ($f->field($_, 'push') // '')
                                      !~ / 200$/ } keys %last }),
       "$what: and the end of each push is stored");
    note(sprintf '%d of %d, slowest %.1f s', scalar keys %last,
         scalar @asked, $slowest);

    @asked = ();
    $apns->clear;

    return scalar keys %last;
}


# that can be seen

{
    my $begin = time;

    $f->device($_) for 'SEEN', 'UNSEEN';
    $f->enqueue('SEEN');
    $f->enqueue('UNSEEN', query => '?nopush=1');
    ok(waits('UNSEEN'), 'control: a command waits');
    is(join(' ', keys %{{ pushed_after({ SEEN => $begin,
                                         UNSEEN => $begin }) }}),
       'SEEN', 'control: and nobody was told');
}


# kill -9 of all workers: a little after the request, while the push is under
# way, and about when it is answered; in rounds, as workers that live for a
# moment only push to nobody

sub kill_round {
    my (@ids) = @_;

    my ($sent, $back) = (0, 0);

    $f->device($_) for @ids;
    $apns->clear;

    for my $i (0 .. $#ids) {
        my $id = $ids[$i];
        my $token = $f->token_of($id);
        my $how = $i % 3;

        # a table of rules has its end

        $apns->tell('clear');
        $apns->tell("rule $token 200 delay=5000 times=1") if $how == 1;
        $apns->tell("rule $token 200 delay=5 times=1") if $how == 2;

        my ($c, $asked) = ask($id);

        wait_for(2, sub { $f->pushes($id) }) if $how != 0;
        sleep rand($how == 0 ? 0.006 : 0.01);
        kill_workers() or die "no new workers:\n" . $t->log;
        $sent++ if $f->pushes($id);
        $back++ if ($f->field($id, 'push') // '') ne '';
        answered($c, $asked);
    }

    note(@ids . " kills, $sent behind the push, $back when it was stored");
    ok($sent > $back, 'some were killed between push and answer')
        or diag("$sent, $back");

    return all_pushed('kill -9');
}

{
    my @ids = map { "K$_" } 1 .. $kills;
    my $queued = 0;

    $t->expect_log(qr/worker process \d+ exited on signal 9/);
    $queued += kill_round(splice @ids, 0, 30) while @ids;
    ok($queued > $kills / 3, 'and many were queued by then');
}


# kill -9 of Redis, which syncs always

{
    my @ids = map { "R$_" } 1 .. 40;

    $f->device($_) for @ids;
    $apns->clear;
    $apns->tell('delay 5');

    for my $round (0 .. 3) {
        my @open = map { [ ask($_) ] } @ids[10 * $round .. 10 * $round + 9];

        sleep rand 0.02;
        $t->redis_server->kill9;
        sleep 0.3;
        $t->redis_server->start;
        answered(@$_) for @open;
        redis_is_back() or die "no Redis:\n" . $t->log;
    }

    cmp_ok(all_pushed('kill -9 of Redis'), '>', 3, 'some were queued');
}


# SIGHUP and SIGQUIT under load; a client of its own asks, and writes down what
# was answered

sub load {
    my ($file, @ids) = @_;

    my $parent = $$;
    my $pid = fork // die "fork: $!";

    return $pid if $pid;

    open my $out, '>', $file or POSIX::_exit(1);

    for (my $i = 0; !-e "$file.stop" && getppid() == $parent; $i++) {
        my $id = $ids[$i % @ids];
        my $r = eval {
            my $c = $t->client(plain => 1);
            my $when = time;
            my $r = $c->request(PUT => "/api/v1/enqueue/$id", body =>
                plist($t->command("load-$i", 'ProfileList')));

            syswrite $out, "$id $when\n" if $r->status =~ /^20[07]$/;
            $r;
        };

        sleep($r ? 0.005 : 0.05);
    }

    POSIX::_exit(0);
}

{
    my @ids = map { "L$_" } 1 .. 40;
    my $file = $t->dir . '/load';

    $f->device($_) for @ids;
    $apns->clear;
    $apns->tell('delay 50');

    my $pid = load($file, @ids);

    wait_for(10, sub { -s $file });

    for (1 .. 5) {
        sleep 0.5;
        $t->reload;
    }

    ok($t->wait_old_workers(20), 'SIGHUP: old workers end');

    for (1 .. 2) {
        sleep 0.5;
        is($t->quit, 0, 'SIGQUIT: it ends');
        $t->start_nginx;
    }

    sleep 0.5;
    write_file("$file.stop", '');
    wait_exit($pid, 20);

    my %last = map { split / / } split /\n/, read_file($file);

    push @asked, map { [ $_, $last{$_}, 1 ] } keys %last;
    is(all_pushed('SIGHUP and SIGQUIT'), 40, 'all had commands');
}


# no alert but of those that were killed; a zone that one of them had locked
# is told, too

my $zone = qr/\[alert\].*shared memory zone .* was locked by/;

$t->expect_log($zone) if $t->log =~ $zone;


# nothing secret is in a log, at any level: what APNs, Redis, and devices say
# is none of its business

{
    my $from = $t->log_size;
    my $d = $f->device('CANARY');

    $t->{log} = 'debug';
    $t->reload;
    $t->wait_old_workers;
    $apns->clear;

    my $token = pack 'A32', 'token of CANARY';
    my @rules = ('410 Unregistered timestamp=1', '400 BadDeviceToken',
                 '429 TooManyRequests', '500 InternalServerError',
                 '413 PayloadTooLarge', '200 x action=reset',
                 '200 x action=large');

    for my $rule (@rules, '200') {
        $apns->tell('clear');
        $apns->tell('rule ' . unpack('H*', $token) . " $rule");
        $t->push_at_once('CANARY');
    }

    ok($f->pushes('CANARY') >= @rules, 'all of that was pushed');
    is($f->token('CANARY', 'token of CANARY')->status, 200, 'TokenUpdate');
    like($d->idle->status, qr/^200$/, 'Idle');

    my ($key_line) = (split /\n/, read_file($cert->{key}))[2];
    my %secret = (magic => 'magic-CANARY', token => $token,
                  'token in hex' => unpack('H*', $token),
                  'token in base64' => encode_base64($token, ''),
                  'the key' => $key_line, 'PEM' => 'PRIVATE KEY');
    my %log = ('error.log' => $t->log, 'access.log' => $t->access_log,
               stderr => $t->stderr);

    for my $name (sort keys %secret) {
        is_deeply([ grep { index(lc $log{$_}, lc $secret{$name}) >= 0 }
                    sort keys %log ], [], "$name is in no log");
    }

    cmp_ok(index($log{'error.log'}, '[debug]'), '>', 0, 'which has all levels')
        if `@{[ $t->nginx_binary ]} -V 2>&1` =~ /--with-debug/;

    # RDB and AOF

    $t->redis('SAVE');

    my $dir = $t->redis_server->{dir};
    my $kept = join '', map { read_file($_) }
               grep { -f } glob "$dir/*.rdb $dir/*.aof $dir/*/*";

    ok(index($kept, 'magic-CANARY') >= 0, 'what Redis writes was read');
    is(index($kept, $key_line), -1, 'the key is not in it');
    is(index($kept, 'PRIVATE KEY'), -1, 'nor any other');
    ok(index($kept, (split /\n/, $cert->{pem})[3]) >= 0,
       'but the certificate is');
}

finish;
