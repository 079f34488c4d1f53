#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# /v1/push and an enqueue with an empty body: what is pushed at once, what joins
# a push of just now, what the job sends, and what is said of it.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::APNs;
use MDM::Util qw(spawn wait_exit);


my $topic = 'com.apple.mgmt.External.test';

my $t = MDM->new;
my $apns = MDM::APNs->new(dir => $t->dir);
my $cert = $apns->cert($topic);
my $conf = $apns->conf($cert) . ' mdm_push_wait 5s; mdm_push_window 1s;'
           . ' mdm_push_ids 3;';

$t->write_conf(http => $conf);
$t->start_nginx if $t->redis_server->start;

my @ids = map { "W$_" } 1 .. 5;
my %device;

sub enroll {
    for my $id (@_) {
        $device{$id} = $t->device($id);
        $device{$id}->authenticate;
        $device{$id}->token_update(Token => plist_data(pack 'A32', $id));
    }

    return;
}

enroll(@ids);

sub token_of { return unpack 'H*', pack 'A32', $_[0] }

sub pushes_to { my $token = token_of($_[0]);
                return scalar grep { $_->{token} eq $token } $apns->ledger }

sub call_push { return $t->api(POST => '/v1/push/' . join ',', @_) }

sub owed {
    my ($id) = @_;
    my ($e) = @{$t->redis('KEYS', "mdm:*:e:$id")};

    return $t->redis('ZSCORE', $e =~ s/:e:.*/:push/r, $id);
}


# one that ends while its certificate is read, which a Redis that is busy delays

{
    my $none = 'com.apple.mgmt.External.none';

    $device{N1} = $t->device('N1');
    $device{N1}->authenticate(Topic => $none);
    $device{N1}->token_update(Topic => $none,
                              Token => plist_data(pack 'A32', 'N1'));
    $t->reload(http => $conf =~ s/mdm_push_wait 5s/mdm_push_wait 1ms/r);
    $t->wait_old_workers;

    # several, so that nothing comes between two scripts

    my $evals = sub { return $t->redis('INFO', 'commandstats')
                             =~ /cmdstat_eval:calls=(\d+)/ ? $1 : 0 };
    my $before = $evals->();
    my ($name, $password) = @{$t->redis_server->{client_auth}};
    my @busy = map { spawn({ out => $t->dir . "/busy$_.log" }, 'redis-cli',
                           '-s', $t->redis_server->socket, '--no-auth-warning',
                           '--user', $name, '--pass', $password, '-r', 400,
                           'EVAL', 'for i = 1, 3000000 do end return 1', 0) }
               1 .. 4;

    ok(wait_for(8, sub { $evals->() > $before + 8 }), 'Redis is busy');
    like(call_push('N1')->json->{status}{N1}{push_error}, qr/^not sent yet/,
         'a certificate is not read at once');
    kill 'TERM', @busy;
    wait_exit($_, 10) for @busy;

    # a minute for want of a certificate, not the end of its lease

    ok(wait_for(8, sub { (owed('N1') // 0) / 1000 - time > 30 }),
       'what ends meanwhile is stored') or diag(owed('N1') // 'none');
    $t->reload(http => $conf);
    $t->wait_old_workers;
}


# one push, whatever the queue holds, and nothing is owed then

{
    my $r = call_push('W1');

    is($r->status, 200, 'a push');
    like($r->json->{status}{W1}{push_result}, qr/^[0-9a-f-]{36}$/, 'is taken');
    is(pushes_to('W1'), 1, 'once');
    is(owed('W1'), undef, 'and none is owed');
    like($t->api(GET => '/v1/enrollments/W1')->json->{push}{result}, qr/^200/,
         'which the enrollment says');
}

# within the window it joins, and follows at its end

{
    my $r = call_push('W1');

    is_deeply($r->json, { status => { W1 => { push_joined => JSON::PP::true } } },
              'within the window it joins');
    is($r->status, 200, 'which is no failure');
    ok(wait_for(8, sub { pushes_to('W1') == 2 }), 'it is sent behind it');
    call_push('W1') for 1 .. 20;
    ok(wait_for(8, sub { pushes_to('W1') == 3 }), 'and 20 more are one');
    sleep 2;
    is(pushes_to('W1'), 3, 'not more');
}

# an empty body is the same

{
    my $r = $t->api(PUT => '/v1/enqueue/W2,NONE');

    is($r->status, 207, 'an enqueue with an empty body');
    is($r->json->{status}{NONE}{push_error}, 'not enrolled', 'nobody');
    like($r->json->{status}{W2}{push_result}, qr/./, 'a push');
    is(pushes_to('W2'), 1, 'once');
    is($t->api(GET => '/v1/queue/W2')->json->{commands}
       ? scalar @{$t->api(GET => '/v1/queue/W2')->json->{commands}} : 0, 0,
       'nothing is queued');
    is($t->api(PUT => '/v1/enqueue/W2?nopush=1')->status, 400, 'not with nopush');
}

# more than mdm_push_ids

{
    my $r = call_push(@ids, 'NONE');

    is($r->status, 207, 'more than mdm_push_ids');
    is($r->json->{push_owed}, 5, 'all are owed');
    is_deeply($r->json->{status}, { NONE => { push_error => 'not enrolled' } },
              'but one that is not there');
    ok(wait_for(8, sub { pushes_to('W5') == 1 && pushes_to('W1') == 4 }),
       'and they are sent');
}

# what fails is tried again, for an hour

{
    $apns->tell('rule ' . token_of('W3') . ' 500 InternalServerError times=1');
    sleep 1.1;

    my $r = call_push('W3');

    is($r->status, 500, 'all failed');
    is($r->json->{status}{W3}{push_error}, 'APNs: 500 InternalServerError',
       'what APNs said');
    ok(owed('W3'), 'it is owed still');
    is($t->api(GET => '/v1/enrollments/W3')->json->{push}{result},
       '500 InternalServerError', 'the enrollment says why');
}

# one that APNs answers when nobody waits any more: what it says is stored, so
# that there is no other push when the lease is over

sub ended {
    my ($id, $what, $result) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(8, sub { my $push = $t->api(GET => "/v1/enrollments/$id")
                                      ->json->{push};
                         ($push->{result} // '') eq $result }),
       "$what: its end is stored");
    is(pushes_to($id), 1, "$what: it was one push");

    return;
}

$t->reload(http => $conf =~ s/mdm_push_wait 5s/mdm_push_wait 300ms/r);
$t->wait_old_workers;
$apns->clear;
enroll(map { "L$_" } 1 .. 7);
$apns->tell('delay 1500');

{
    like(call_push('L1')->json->{status}{L1}{push_error}, qr/^not sent yet/,
         'APNs is slow');
    ended('L1', 'a late answer', '200');
    is(owed('L1'), undef, 'a late answer: none is owed');

    $t->enqueue('L2', $t->command('late', 'ProfileList'), query => '');
    ended('L2', 'a late answer to an enqueue', '200');
    like(owed('L2'), qr/\.5/, 'a late answer to an enqueue: one was sent');
}

{
    $apns->tell('rule ' . token_of('L4') . ' 410 Unregistered timestamp='
                . 1000 * int(time + 60));
    call_push(qw(L3 L4 L5));
    ended('L3', 'several at once', '200');
    ended('L4', 'several at once', '410 Unregistered');
    ended('L5', 'several at once', '200');
    ok($t->api(GET => '/v1/enrollments/L4')->json->{push}{dead},
       'a token that is dead, too');
}

# who asks goes away

{
    my $c = $t->client(plain => 1);

    $c->send_request(POST => '/api/v1/push/L6');
    ok(wait_for(5, sub { pushes_to('L6') }), 'a push is under way');
    $c->close;
    ended('L6', 'who has asked is gone', '200');
}

# and the worker ends

{
    call_push('L7');
    $t->reload;
    ok($t->wait_old_workers, 'a worker quits');
    ended('L7', 'a worker that quits', '200');
}

$apns->clear;


# who cannot be pushed to

{
    $device{W4}->message('CheckOut', Topic => $topic);

    is(call_push('W4')->json->{status}{W4}{push_error}, 'disabled',
       'one that has checked out');
    is(owed('W4'), undef, 'is owed none');

    $t->reload(http => 'mdm_push off;');

    is(call_push('W1')->json->{status}{W1}{push_error}, 'push is off', 'off');
    is(call_push('W1')->status, 500, 'is a failure');
}

$t->finish;
