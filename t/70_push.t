#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Pushes by HTTP/2 to a stand-in for APNs: what is sent, what comes of the
# answers, streams, GOAWAY, PING, and the end of a worker.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::Util qw(read_file);


my $topic = 'com.apple.mgmt.External.test';

my $t = MDM->new;
my $apns = MDM::APNs->new(dir => $t->dir);
my $cert = $apns->cert($topic);
my $other = $apns->cert('com.apple.mgmt.External.other');
my $expired = $apns->cert('com.apple.mgmt.External.old', expired => 1);

$t->write_conf(http => $apns->conf($cert, $other, $expired)
               . ' mdm_push_wait 5s;');
$t->start_nginx if $t->redis_server->start;

my %token;


# a device with a token of its own

sub device {
    my ($id, %o) = @_;

    my $d = $t->device($id, %o);

    $token{$id} = unpack 'H*', pack 'A32', "token of $id";

    $d->authenticate->status == 200 or die 'Authenticate';
    $d->token_update(Token => plist_data(pack 'H*', $token{$id}),
                     %{$o{keys} || {}})->status == 200 or die 'TokenUpdate';

    return $d;
}

sub push_to { my (@ids) = @_; return $t->push_at_once(@ids) }

sub error_of {
    my ($r, $id) = @_;

    return $r->json->{status}{$id}{push_error} // '(none)';
}

sub pushed {
    my ($what, @ids) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = push_to(@ids);

    is($r->status, 200, $what) or diag($r->body);

    return $r;
}


# what is sent

device('A');
device('B');
device('O', topic => 'com.apple.mgmt.External.other');

$apns->clear;

{
    my $r = pushed('a push', 'A');
    my $result = $r->json->{status}{A}{push_result};
    my @got = $apns->ledger;

    is(scalar @got, 1, 'one request comes of it');
    like($result, qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
         'the result is the apns-id, lower case');

    my $h = $got[0]{headers};
    my $expiration = delete $h->{'apns-expiration'};

    is_deeply($h, {
        ':method' => 'POST', ':scheme' => 'https',
        ':authority' => '127.0.0.1:' . $apns->port,
        ':path!' => "/3/device/$token{A}",
        'content-type' => 'application/json', 'apns-topic' => $topic,
        'apns-push-type' => 'mdm', 'apns-priority' => '10',
        'apns-id!' => $result,
    }, 'its headers; path and id are kept out of tables');

    ok(abs($expiration - time - 7 * 86400) < 60, 'it expires in a week');
    is($got[0]{body}, '{"mdm":"magic-A"}', 'its body');
}

is($t->api(GET => '/v1/push/A')->status, 200, 'by GET, too');

{
    my $r = pushed('two at a time', 'A', 'B');

    isnt($r->json->{status}{A}{push_result}, $r->json->{status}{B}{push_result},
         'each has its id');
    is($apns->stat->{accepted}, 1, 'all on the connection that is there');
}

pushed('another topic', 'O');
is($apns->stat->{accepted}, 2, 'which has a connection of its own');

device('Q', keys => { PushMagic => "q\"\\\xc3\xa9" });
pushed('a magic that JSON has to escape', 'Q');
is(($apns->ledger)[-1]{body}, "{\"mdm\":\"q\\\"\\\\\xc3\xa9\"}",
   'which comes as it is');


# what is not sent

device('X', topic => 'com.apple.mgmt.External.none');
device('E', topic => 'com.apple.mgmt.External.old');
device('G')->checkout;

{
    my $n = $apns->ledger;
    my $r = push_to('A', 'X', 'E', 'G', 'nobody');

    is($r->status, 207, 'some of several');
    is($r->json->{status}{A}{push_error}, undef, 'who can, is pushed to');
    is(error_of($r, 'X'), 'no push certificate for topic'
       . ' "com.apple.mgmt.External.none"', 'no certificate');
    is(error_of($r, 'E'), 'the push certificate of topic'
       . ' "com.apple.mgmt.External.old" has expired', 'an expired one');
    is(error_of($r, 'G'), 'disabled', 'a device that has checked out');
    is(error_of($r, 'nobody'), 'not enrolled', 'an unknown id');
    is(push_to('nobody')->status, 500, 'none of several');
    is(scalar(() = $apns->ledger) - $n, 1, 'one request comes of all that');
}


# what APNs says

for my $case ([ 410, 'Unregistered' ], [ 400, 'BadDeviceToken' ],
              [ 429, 'TooManyRequests' ],
              [ 500, 'InternalServerError' ], [ 503, 'Shutdown' ],
              [ 413, 'PayloadTooLarge' ], [ 404, 'BadPath' ])
{
    my ($status, $reason) = @$case;

    $apns->clear;
    $apns->tell("rule $token{A} $status $reason retry=7 timestamp=1");

    my $r = push_to('A', 'B');

    is($r->status, 207, "$status $reason");
    is(error_of($r, 'A'), "APNs: $status $reason", 'is said');
    ok($r->json->{status}{B}{push_result}, 'of that one only');
}

$apns->clear;
$apns->tell("rule $token{A} 410");
is(error_of(push_to('A'), 'A'), 'APNs: 410', 'an answer without a body');

$apns->clear;
$apns->tell("rule $token{A} 400 x action=large");
like(error_of(push_to('A'), 'A'), qr/^not sent yet, .*too large$/,
     'an answer of 8 kB');


# streams

my @many = map { "M$_" } 1 .. 40;

device($_) for @many;

$apns->clear;
$apns->tell('streams-now 3');
pushed('streams are few', @many);
is($apns->stat->{most}, 3, 'no more than APNs allows');
is(scalar(() = $apns->ledger), 40, 'each once');

$apns->tell('streams-now 500');
$apns->tell('delay 300');
pushed('streams are many', @many);
ok($apns->stat->{most} > 30, 'and are used') or diag($apns->stat->{most});

# 1, then 500 behind the first 200, 1 again behind a bad token

$apns->clear;
$apns->tell($_) for 'streams 1', 'streams-taken 500', 'streams-bad 1',
    "rule $token{M20} 400 BadDeviceToken times=1", 'drop';
$t->wait_log(qr/connection to APNs is given up/);

{
    my $r = push_to(@many);

    is($r->status, 207, 'one stream, many, one, many');
    is(error_of($r, 'M20'), 'APNs: 400 BadDeviceToken', 'the bad one');
    is((grep { $_->{push_result} } values %{$r->json->{status}}), 39,
       'all others');
    is($apns->stat->{accepted}, 1, 'one connection');
}

# lowered while streams are open

$apns->clear;
pushed('a new start', 'A');

$apns->tell('delay 500');

{
    my $c = $t->client;

    $c->send_request(POST => '/api/v1/push/' . join ',', @many);
    ok(wait_for(5, sub { $apns->stat->{most} >= 40 }), 'forty are open');

    $apns->tell('streams-now 1');
    $apns->tell('clear');
    $apns->tell('delay 20');

    my $d = $t->client;

    $d->send_request(POST => '/api/v1/push/' . join ',', @many[0 .. 9]);

    is($c->read_response('POST')->status, 200, 'those end');
    is($d->read_response('POST')->status, 200, 'and so do the next');
    ok($apns->stat->{most} <= 41, 'none was opened meanwhile')
        or diag($apns->stat->{most});
}

# refused streams

$apns->clear;
$apns->tell("rule $token{A} 200 action=refuse times=2");
pushed('a stream that is refused twice', 'A');
is(scalar(() = $apns->ledger), 3, 'the third one is taken');

$apns->clear;
$apns->tell("rule $token{A} 200 action=refuse");

{
    my $r = push_to('A', 'B');

    like(error_of($r, 'A'), qr/^not sent yet, it will be tried again: APNs refused the stream$/,
         'one that is always refused');
    ok($r->json->{status}{B}{push_result}, 'holds up nobody');
    is(scalar(grep { $_->{token} eq $token{A} } $apns->ledger), 3,
       'three times and no more');
}

$apns->clear;
$apns->tell("rule $token{A} 200 action=reset");
like(error_of(push_to('A'), 'A'), qr/^not sent yet, .*APNs reset the stream/,
     'a stream that is reset');
is(scalar(() = $apns->ledger), 1, 'is not pushed again at once');


# GOAWAY loses nothing and is no error

my $log = $t->log_size;

for my $how ('', 'reason=IdleTimeout', 'last=none', 'last=middle') {
    my $from = $t->log_size;

    $apns->clear;
    pushed('a connection', 'A');
    $apns->tell('drop');
    $t->wait_log(qr/connection to APNs is given up/, from => $from);
    $apns->clear;
    $apns->tell("goaway-as $how");
    $apns->tell('goaway-after 20');
    $apns->tell('goaway-times 1');
    $apns->tell('delay 50');

    my $r = pushed("GOAWAY $how", @many);

    is((grep { $_->{push_result} } values %{$r->json->{status}}), 40,
       'all are taken');

    my %answered = map { $_->{token} => 1 }
                   grep { !$_->{refused} } $apns->ledger;

    is(scalar keys %answered, 40, 'indeed');
    pushed('and the next', 'A');
    is($apns->stat->{accepted}, 2, 'on one more connection');
}

# twice on a connection: all may go on, then the last one is known

$apns->clear;
pushed('a connection', 'A');
$apns->tell('delay 300');

{
    my $c = $t->client;

    $c->send_request(POST => '/api/v1/push/' . join ',', @many);
    wait_for(5, sub { $apns->stat->{requests} >= 40 });
    $apns->tell('goaway');
    $apns->tell('goaway last=middle');

    my $r = $c->read_response('POST');

    is($r->status, 200, 'GOAWAY twice') or diag($r->body);
}

unlike($t->log($log), qr/\[(?:error|crit|alert)\]/, 'none of it is an error');


# whoever waits, waits for mdm_push_wait; the push goes on

$t->reload(http => $apns->conf($cert) . ' mdm_push_wait 300ms;');
$apns->clear;
pushed('a connection', 'A');
$apns->tell("rule $token{A} 200 delay=1500");

{
    my $begin = time;
    my $r = push_to('A', 'B');

    ok(time - $begin < 1.2, 'the answer does not wait for APNs');
    is($r->status, 207, 'one is late');
    like(error_of($r, 'A'), qr/^not sent yet, it will be tried again: no answer of APNs within 3\d\d ms$/,
         'which is said');
    ok($r->json->{status}{B}{push_result}, 'the other one is taken');
}

sleep 1.5;
pushed('what was late has done no harm', 'B');

# a client that goes away stops nothing

$apns->clear;
$apns->tell('delay 200');

{
    my $c = $t->client;

    $c->send_request(POST => '/api/v1/push/' . join ',', @many);
    wait_for(5, sub { $apns->stat->{requests} >= 1 });
    $c->close;
    ok(wait_for(5, sub { $apns->stat->{requests} == 40 }),
       'a client that goes away stops no push');
}

# devices that are awake, and one that comes later

$apns->clear;

{
    my $awake = $apns->device($token{A});

    pushed('a device that is awake', 'A', 'B');
    is(scalar <$awake>, "push $token{A} {\"mdm\":\"magic-A\"}\n",
       'hears of it');

    my $late = $apns->device($token{B});

    is(scalar <$late>, "push $token{B} {\"mdm\":\"magic-B\"}\n",
       'one that comes later, too');
}


# PING after a silence; without pushes the connection is closed

$t->reload(http => $apns->conf($cert) . ' mdm_push_ping 1s; mdm_push_wait 5s;');
$t->wait_old_workers;
$apns->clear;
pushed('a connection', 'A');
ok(wait_for(5, sub { $apns->stat->{pings} >= 2 }), 'PINGs come');
ok(wait_for(8, sub { $apns->stat->{open} == 0 }),
   'a connection without pushes is closed');
ok($apns->stat->{goaways} >= 1, 'by GOAWAY');
pushed('the next push', 'A');
is($apns->stat->{accepted}, 2, 'makes another one');


# through a proxy

my $proxy = MDM::APNs::Proxy->new;
my $at = 'http://127.0.0.1:' . $proxy->port;
my $auth = $t->dir . '/proxy.auth';

MDM::Util::write_file($auth, "joe:s3cret:x\n");
chmod 0600, $auth;

$t->reload(http => $apns->conf($cert)
           . " mdm_push_proxy $at auth_file=$auth; mdm_push_wait 5s;");
$t->wait_old_workers;
$apns->clear;
$proxy->tell('auth joe:s3cret:x');
pushed('through a proxy with a password', @many);
is($proxy->count->{last}, 'CONNECT 127.0.0.1:' . $apns->port . ' HTTP/1.1',
   'which is asked for APNs');
is($proxy->count->{connections}, 1, 'once');

for my $how ('split', 'slow 700') {
    $apns->tell('drop');
    $t->wait_log(qr/connection to APNs is given up/, from => $log);
    $log = $t->log_size;
    $proxy->tell($how);
    pushed("a proxy whose answer is $how", 'A');
}


# a worker that ends: what is under way ends first, nothing is left open

$t->reload(http => $apns->conf($cert) . ' mdm_push_wait 5s;');
$t->wait_old_workers;
$apns->clear;
pushed('a connection', 'A');
$apns->tell('delay 800');

{
    my $c = $t->client;

    $c->send_request(POST => '/api/v1/push/' . join ',', @many);
    ok(wait_for(5, sub { $apns->stat->{requests} >= 41 }), 'forty under way');
    $t->reload;

    my $r = $c->read_response('POST');

    is($r->status, 200, 'they end, though the worker was told to quit');
    ok($t->wait_old_workers(5), 'and then it does');
    ok(wait_for(5, sub { $apns->stat->{open} == 0 }), 'nothing is left open');
}

# one that is never answered gets 10 seconds

$apns->clear;
$apns->tell("rule $token{A} 200 action=none");

{
    my $c = $t->client;

    $c->send_request(POST => '/api/v1/push/A');
    ok(wait_for(5, sub { $apns->stat->{requests} >= 1 }), 'one under way');

    my $begin = time;

    $t->reload;
    like(error_of($c->read_response('POST'), 'A'), qr/^not sent yet/,
         'its client is answered in time');
    ok($t->wait_old_workers(15), 'the worker ends');

    my $took = time - $begin;

    ok($took > 5 && $took < 13, 'within 10 s') or diag($took);
}

# SIGQUIT with a push under way

$apns->clear;
pushed('a connection', 'A');
$apns->tell('delay 700');

{
    my $c = $t->client;

    $c->send_request(POST => '/api/v1/push/A,B');
    wait_for(5, sub { $apns->stat->{requests} >= 3 });
    is($t->quit, 0, 'SIGQUIT');
    is($c->read_response('POST')->status, 200, 'the client gets its answer');
    ok(wait_for(5, sub { $apns->stat->{open} == 0 }), 'nothing is left open');
}


# secrets are in no log

unlike($t->log, qr/magic-|\Q$token{A}\E|s3cret|PRIVATE/,
       'neither magic nor token nor password nor key');


# another tenant has certificates of its own

(my $conf = $apns->conf($cert)) =~ s/(mdm_push_certificate [^;]+)/$1 tenant=b/;

$apns->clear;
$t->start_nginx if $t->write_conf(http => "$conf mdm_push_wait 5s;");
is(error_of(push_to('A'), 'A'), qq{no push certificate for topic "$topic"},
   'the certificate of another tenant');

$t->reload(http => "$conf mdm_tenant b; mdm_push_wait 5s;");
device('A');
pushed('a device of that tenant', 'A');


# at most 64 connections, the longest idle goes

my @topics = map { "com.apple.mgmt.External.n$_" } 1 .. 66;

$t->reload(http => $apns->conf(map { $apns->cert($_) } @topics)
           . ' mdm_push_wait 5s;');
$t->wait_old_workers;
device("N$_", topic => $topics[$_ - 1]) for 1 .. 66;
$apns->clear;
pushed("topic $_", "N$_") for 1 .. 64;
is($apns->stat->{open}, 64, '64 connections');
pushed('the first one', 'N1');
pushed('two more', 'N65', 'N66');
ok(wait_for(5, sub { $apns->stat->{open} == 64 }), '64 still');
is($apns->stat->{accepted}, 66, 'the two were made');
pushed('the first one is kept', 'N1');
is($apns->stat->{accepted}, 66, 'since it was used');
pushed('the second one', 'N2');
is($apns->stat->{accepted}, 67, 'is made again');
$t->quit;


# off

$t->start_nginx if $t->write_conf(http => '');

{
    my $r = push_to('A', 'nobody');

    is($r->status, 500, 'mdm_push is off');
    is(error_of($r, 'A'), 'push is off', 'which is said');
    is(error_of($r, 'nobody'), 'push is off', 'of all');
}

finish;
