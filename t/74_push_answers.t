#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What APNs answers, and what is done then: to the channel, to its topic, by
# two hosts that share a Redis.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use JSON::PP ();
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::DNS;
use MDM::Util qw(read_file);


my $topic = 'com.apple.mgmt.External.test';
my $stops = "mdm:{default/push}:c:$topic";
my $store = 'partitions 4;';

my $t = MDM->new(store => $store);
my $apns = MDM::APNs->new(dir => $t->dir);
my $push = ' mdm_push_plain on; mdm_push_wait 5s; mdm_push_window 500ms;'
           . ' mdm_push_retry 2m 15m;';

$t->redis_server->start;
$t->write_conf(http => $apns->conf . $push);
$t->start_nginx;

my $u = MDM->new(redis => 0, redis_socket => $t->redis_server->socket,
                 auth => $t->redis_server->auth, ca => $t->ca,
                 store => $store, http => $apns->conf . $push);

$u->write_conf;
$u->start_nginx;

my (%token, %device);
my $n = 0;

sub token {
    my ($id) = @_;

    $token{$id} = unpack 'H*', pack 'A32', 'token ' . ++$n;

    return $device{$id}->token_update(Token => plist_data(pack 'H*',
                                                          $token{$id}));
}

sub device {
    my ($id) = @_;

    $device{$id} = $t->device($id);
    $device{$id}->authenticate->status == 200 or die 'Authenticate';
    token($id)->status == 200 or die 'TokenUpdate';

    return $device{$id};
}

# a command, which pushes; what is said of that

sub pushed {
    my ($id, $on) = @_;

    my $r = ($on || $t)->api(PUT => "/v1/enqueue/$id",
                             body => plist($t->command('c-' . ++$n,
                                                       'ProfileList')));

    my $said = $r->json->{status}{$id} // {};

    return $said->{push_error} // $said->{command_error}
           // ($said->{push_result} ? '' : $r->body);
}

# the same of any of these hosts, now and then

sub try {
    my ($id, @on) = @_;

    sleep 0.4;

    return map { pushed($id, $_) } @on;
}

# the key of a kind in the partition of a channel; what it has

sub key {
    my ($id, $kind) = @_;

    my ($e) = @{$t->redis(KEYS => "mdm:{default/*}:e:$id")};

    return $kind eq 'e' ? $e : $e =~ s/:e:\Q$id\E$/:$kind/r;
}

sub field { return $t->redis(HGET => key($_[0], 'e'), $_[1]) // '' }

# seconds until it is pushed again; -1: it is not

sub due {
    my ($id) = @_;

    my $ms = $t->redis(ZSCORE => key($id, 'push'), $id) // return -1;

    return $ms / 1000 - time;
}

sub is_due {
    my ($id, $from, $to, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $due = due($id);

    return ok($due > $from && $due < $to, $what) || diag($due);
}

sub rule { return $apns->tell(join ' ', 'rule', @_) }

sub put {
    my $cert = $apns->cert($topic, @_);

    $t->api(PUT => '/v1/pushcert', body => read_file($cert->{key})
                                           . $cert->{pem})->status == 200
        or die 'PUT /v1/pushcert';

    return $cert;
}

sub state_of {
    return $_[0]->api(GET => "/v1/pushcert?topic=$topic")->json;
}

# as if five minutes had passed

sub probe { return $t->redis(HINCRBY => $stops, 'probe', -300) }

sub alerts {
    my ($from, $which) = @_;

    return scalar(() = join('', $t->log($from->[0]), $u->log($from->[1]))
                       =~ /\[alert\].*$which/g);
}

sub now { return [ $t->log_size, $u->log_size ] }


# answers that concern one channel

put();
device($_) for map { "D$_" } 1 .. 9;

is(pushed('D1'), '', '200');
like(field('D1', 'push'), qr/^\d+ 1 200$/, 'is remembered');
is_due('D1', 100, 135, 'the next one after mdm_push_retry');

rule($token{D2}, '410 Unregistered timestamp=' . 1000 * int(time + 60));
is(pushed('D2'), 'APNs: 410 Unregistered', '410');
like(field('D2', 'dead'), qr/^\d+ 410 Unregistered$/, 'the token is dead');
is(due('D2'), -1, 'and is not pushed to');
{
    my $before = () = $apns->ledger;

    pushed('D2');
    is(scalar(() = $apns->ledger), $before, 'nor with the next command');
}
is($device{D2}->idle->status, 200, 'its polls are served');
like($device{D2}->idle->body, qr/ProfileList/, 'and bring the command');
token('D2');
is(field('D2', 'dead'), '', 'a new token ends it');
ok(wait_for(10, sub { grep { $_->{token} eq $token{D2} } $apns->ledger }),
   'and is pushed to at once');

rule($token{D3}, '410 Unregistered timestamp=1000');
is(pushed('D3'), 'APNs: 410 Unregistered', '410 of long ago');
is(field('D3', 'dead'), '', 'does not concern the token of now');
is_due('D3', 2800, 4400, 'it is asked an hour later');

rule($token{D4}, '400 BadDeviceToken');
is(pushed('D4'), 'APNs: 400 BadDeviceToken', '400 BadDeviceToken');
like(field('D4', 'dead'), qr/^\d+ 400 BadDeviceToken$/,
     'dead, where others are taken');

rule($token{D5}, '429 TooManyRequests retry=100');
is(pushed('D5'), 'APNs: 429 TooManyRequests', '429');
is_due('D5', 99, 151, 'not before Retry-After');

rule($token{D6}, '503 ServiceUnavailable');
is(pushed('D6'), 'APNs: 503 ServiceUnavailable', '503');
is_due('D6', 710, 1085, 'after 15 minutes, more or less');

{
    my $from = now();

    rule($token{D7}, '413 PayloadTooLarge times=1');
    is(pushed('D7'), 'APNs: 413 PayloadTooLarge', '413');
    is(due('D7'), -1, 'is not tried again');
    like($t->log($from->[0]), qr/\[error\].*topic "\Q$topic\E" as a wrong request: 413 PayloadTooLarge; it is not tried again/,
         'the log tells of our fault');
    sleep 0.6;
    is(pushed('D7'), '', 'the next command is pushed for');
}

rule($token{D8}, '200 x action=reset');
like(pushed('D8'), qr/^not sent yet, .*reset the stream/, 'a reset stream');
is_due('D8', 3, 7, 'after 5 seconds, more or less');

# a late answer for a token that is not there any more

rule($token{D9}, '410 Unregistered delay=1500 timestamp='
                 . 1000 * int(time + 60));
{
    my $c = $t->client;
    my $old = $token{D9};

    $c->send_request(PUT => '/api/v1/enqueue/D9',
                     body => plist($t->command('late', 'ProfileList')));
    ok(wait_for(5, sub { grep { $_->{token} eq $old } $apns->ledger }),
       'a push under way');
    token('D9');
    is($c->read_response('PUT')->status, 207, 'its token has gone');
    is(field('D9', 'dead'), '', 'the new one is not dead');
    ok(wait_for(10, sub { grep { $_->{token} eq $token{D9} } $apns->ledger }),
       'and is pushed to');
}


# APNs takes no push of the topic: all hosts stop, one of them says so

my $from = now();

$apns->clear;
rule('*', '403 BadCertificate');
is(pushed('D1'), 'APNs: 403 BadCertificate', '403');
ok(wait_for(5, sub { $t->redis(HGET => $stops, 'stop') }), 'a stop');
is(state_of($u)->{state}, 'stopped', 'the other host shows it');
is(state_of($u)->{stopped}{reason}, '403 BadCertificate', 'and why');

my $requests = () = $apns->ledger;

is(pushed('D7'), qq{topic "$topic" is stopped: 403 BadCertificate},
   'no other push');
ok(wait_for(12, sub { (try('D7', $u))[0] =~ /is stopped: 403 Bad/ }),
   'nor by the other host');
sleep 10.5;
pushed('D7', $_) for $t, $u;
ok(scalar(() = $apns->ledger) - $requests <= 1, 'nor later');
is(alerts($from, 'is stopped on all hosts: 403 BadCertificate'), 1,
   'one alert of both hosts');
is(field('D1', 'dead') . field('D7', 'dead'), '', 'nobody is dead');

# one probe of both, in five minutes

$apns->clear;
rule('*', '403 BadCertificate');
probe();

ok(wait_for(25, sub { try('D7', $t, $u); $apns->ledger }),
   'a probe');
sleep 10.5;
pushed('D7', $_) for $t, $u;
is(scalar(() = $apns->ledger), 1, 'one');

$apns->clear;
probe();
ok(wait_for(25, sub { try('D7', $t, $u);
                      !$t->redis(HGET => $stops, 'stop') }),
   'one that is taken ends it');
ok(wait_for(12, sub { join('', try('D1', $t), try('D3', $u)) eq '' }),
   'for both hosts');
is(state_of($t)->{state}, 'ok', 'the API says so');
is(alerts($from, 'is stopped on all hosts'), 1, 'no other alert');
like($t->log($from->[0]) . $u->log($from->[1]),
     qr/\[notice\].*topic "\Q$topic\E" of tenant "default" is not stopped any more/,
     'the log says so, too');

# what comes on a connection with the certificate of before

$apns->clear;
rule($token{D7}, '403 BadCertificate delay=4000 times=1');
{
    my $c = $t->client;

    $c->send_request(PUT => '/api/v1/enqueue/D7',
                     body => plist($t->command('old', 'ProfileList')));
    ok(wait_for(5, sub { $apns->ledger }), 'a push under way');

    $from = now();
    put();

    # it is in use when the copy has been read once more

    my %used;

    wait_for(13, sub { try('D1', $t);
                       $used{$_->{client}} = 1 for $apns->ledger;
                       keys %used > 1 });
    ok(keys %used > 1, 'a new certificate is in use');
    $c->read_response('PUT');
    is(pushed('D3'), '', 'the old one stops nothing');
    is(state_of($t)->{state}, 'ok', 'nor in Redis');
    is(alerts($from, 'is stopped'), 0, 'no alert');
}

# a new certificate ends a stop

$apns->clear;
rule('*', '400 TopicDisallowed');
ok(wait_for(5, sub { (try('D1', $t))[0] =~ /TopicDisallowed/ }), 'stopped again');
ok(wait_for(5, sub { $t->redis(HGET => $stops, 'stop') }), 'a stop');
$apns->clear;
put();
is(state_of($u)->{state}, 'ok', 'a new certificate');
ok(wait_for(12, sub { join('', try('D1', $t), try('D3', $u)) eq '' }),
   'both push with it');


# the wrong gateway: nobody is dead

device("W$_") for 1 .. 30;
$t->reload;
$t->wait_old_workers;
$apns->clear;
rule('*', '400 BadDeviceToken');
$from = now();
{
    my %said;

    $said{pushed("W$_")}++ for 1 .. 30;

    is($said{'APNs: 400 BadDeviceToken'}, 20, 'twenty are tried');
    is((grep { /wrong gateway or certificate\?/ } keys %said), 1,
       'no other one is')
        or diag(explain(\%said));
    is((grep { field("W$_", 'dead') ne '' } 1 .. 30), 0, 'nobody is dead');
    is(state_of($u)->{stopped}{reason}, '20 pushes in a row were answered by'
       . ' 400 BadDeviceToken: wrong gateway or certificate?', 'why');
    is(alerts($from, 'wrong gateway or certificate'), 1, 'one alert');
}

$apns->clear;
put();
ok(wait_for(12, sub { (try('W1', $t))[0] eq '' }), 'over');


# 5xx to all: another connection after three, a pause after five

$t->reload(http => $apns->conf . $push . ' mdm_push_expiration 0;');
$t->wait_old_workers;
$apns->clear;
pushed('W2');
is(($apns->ledger)[0]{headers}{'apns-expiration'}, '0',
   'mdm_push_expiration 0: it is tried once');
$apns->clear;
rule('*', '500 InternalServerError');
$from = now();
{
    my %said;

    $said{pushed("W$_")}++ for 3 .. 12;

    is($said{'APNs: 500 InternalServerError'}, 5, 'five are tried')
        or diag(explain(\%said));
    is($said{'not sent yet, it will be tried again: APNs answers pushes of the'
             . ' topic with 5xx'}, 5, 'no other one is')
        or diag(explain(\%said));
    is($apns->stat->{accepted}, 1, 'another connection was tried');
    like($t->log($from->[0]), qr/\[error\].*topic "\Q$topic\E" is paused, APNs has answered 5 pushes in a row with 5xx, now 500/,
         'the log says so');
    is(scalar(() = $t->log($from->[0]) =~ /is paused/g), 1, 'once');
}

$apns->clear;
ok(wait_for(40, sub { try('W12', $t);
                      $t->log($from->[0]) =~ /is not paused/ }),
   'one that is taken ends it');
like($t->log($from->[0]), qr/\[notice\].*is not paused any more, after \d+ s in which \d+ pushes were held back/,
     'the log says that, too');
ok(wait_for(10, sub { (try('W12', $t))[0] eq '' }), 'all are pushed again');


# a certificate that APNs refuses, at each of four addresses; one of a file

{
    my $dns = MDM::DNS->new(file => $t->dir . '/names');
    my $file = $apns->cert("$topic.file");

    $dns->set('api.push.example' => [ ('127.0.0.1') x 4 ]);

    (my $conf = $apns->conf($file)) =~ s/127\.0\.0\.1/api.push.example/;

    $t->reload(http => $conf . $push . ' resolver 127.0.0.1:' . $dns->port
                       . ' ipv6=off;');
    $t->wait_old_workers;
    $device{F} = $t->device('F', topic => "$topic.file");
    $device{F}->authenticate;
    token('F');

    $apns->clear;
    $apns->tell('drop');
    $apns->tell('client revoked 50');
    like(pushed('F'), qr/is stopped: it refuses our certificate: TLS alert "certificate revoked"$/,
         'whatever addresses there are');
    ok(wait_for(5, sub { $t->redis(HGET => "mdm:{default/push}:s:$topic.file",
                                   'stop') }),
       'a stop without a certificate in Redis');
    is($t->api(GET => "/v1/pushcert?topic=$topic.file")->json->{state},
       'stopped', 'the API shows it');
    $dns->stop;
}

unlike($t->log . $u->log, qr/magic-|\Q$token{D1}\E|PRIVATE/,
       'no secret in the logs');

# whoever was first

for my $host ($t, $u) {
    my $stopped = qr/\[alert\].*mdm push: topic .* is stopped on all hosts/;

    $host->expect_log($stopped) if $host->log =~ $stopped;
}

finish;
