#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Owed pushes: a device whose commands wait is woken, and woken again, until it
# has fetched them, whatever happens to a push, to a worker or to a host.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::Util qw(read_file);


my $topic = 'com.apple.mgmt.External.test';
my $store = 'partitions 4;';

my $t = MDM->new(workers => 2, store => $store);
my $apns = MDM::APNs->new(dir => $t->dir);
my $cert = $apns->cert($topic);
my %token;
my $n = 0;

sub conf {
    my ($more) = @_;

    return (http => $apns->conf($cert) . ' mdm_push_wait 5s;'
            . " mdm_push_window 2s; mdm_push_retry 3s 5s 1h; $more");
}

sub device {
    my ($id) = @_;
    my $d = $t->device($id);

    $d->authenticate->status == 200 or die 'Authenticate';
    token($d, "token of $id");

    return $d;
}

sub token {
    my ($d, $text) = @_;

    $token{$d->id} = unpack 'H*', pack 'A32', $text;

    return $d->token_update(Token => plist_data(pack 'H*', $token{$d->id}))
             ->status == 200 || die 'TokenUpdate';
}

sub enqueue {
    my ($ids, $query, $on) = @_;
    my $uuid = 'c-' . ++$n;
    my $r = ($on || $t)->api(PUT => "/v1/enqueue/$ids" . ($query // ''),
                             body => plist($t->command($uuid, 'ProfileList')));

    return wantarray ? ($r, $uuid) : $r;
}

# what came to APNs for a device since clear()

sub pushes {
    my ($id) = @_;

    return grep { $_->{token} eq $token{$id} } $apns->ledger;
}

sub came {
    my ($id, $count, $seconds, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for($seconds, sub { pushes($id) >= $count });

    return is(scalar(() = pushes($id)), $count, $what);
}

# how many came for each of them; others are pushed to meanwhile

sub seen {
    my (@ids) = @_;
    my %of = map { $token{$_} => $_ } @ids;
    my %seen;

    $seen{$of{$_->{token}}}++ for grep { $of{$_->{token}} } $apns->ledger;

    return \%seen;
}

# where its entry and its enrollment are

sub place {
    my ($id) = @_;
    my ($key) = @{$t->redis('KEYS', "mdm:*:e:$id")};

    return $key =~ s/:e:.*//r;
}

sub field { my ($id, $f) = @_; return $t->redis('HGET', place($id) . ":e:$id", $f) }
sub due { my ($id) = @_; return $t->redis('ZSCORE', place($id) . ':push', $id) }
sub owed { return map { @{$t->redis('ZRANGE', $_, 0, -1)} } @{$t->redis('KEYS', '*:push')} }


# with mdm_push off nothing is owed

$t->write_conf;
$t->start_nginx if $t->redis_server->start;

my $off = device('OFF');

{
    my ($r) = enqueue('OFF');

    is($r->status, 200, 'mdm_push off: a command');
    is($r->json->{no_push}, JSON::PP::true(), 'that is not pushed for');
    is_deeply($t->redis('KEYS', '*:push'), [], 'nothing is owed');
    is_deeply($t->redis('KEYS', '*:meta'), [ 'mdm:meta' ], 'and nothing noted');
}


# it is on: one push, by whoever has queued the command

$t->reload(conf(''));
$t->wait_old_workers;

# in another second, so that it has not spoken since the push

device('A');
sleep 1.1;
$apns->clear;

{
    my ($r, $uuid) = enqueue('A');

    is($r->status, 200, 'a command') or diag($r->body);
    like($r->json->{status}{A}{push_result},
         qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
         'and its push');

    my @got = pushes('A');

    is(scalar @got, 1, 'one came');
    is($got[0]{headers}{'apns-topic'}, $topic, 'its topic');
    is($got[0]{headers}{'apns-push-type'}, 'mdm', 'its type');
    is($got[0]{headers}{'apns-priority'}, 10, 'its priority');
    is($got[0]{headers}{'apns-id!'}, $r->json->{status}{A}{push_result},
       'its id');
    ok(abs($got[0]{headers}{'apns-expiration'} - time - 7 * 86400) < 60,
       'it expires in a week');
    is($got[0]{body}, '{"mdm":"magic-A"}', 'its body');
    like(field('A', 'push'), qr/^\d+ 1 200$/, 'the result is stored');
    like(due('A'), qr/\.5$/, 'the next one will follow');
}

# a device that does not come is woken again, with the intervals

came('A', 2, 15, 'a push that got lost is followed by another one');
came('A', 3, 15, 'and by another one');
ok(wait_for(5, sub { field('A', 'push') =~ / 3 200$/ }), 'three times so far');
ok(due('A') / 1000 - time > 3000, 'the last interval comes next');


# 50 commands in a second: one push, and one more behind the window

device('FIFTY');
$apns->clear;

{
    my $c = $t->client;
    my $begin = time;
    my %said;

    for (1 .. 50) {
        my $s = enqueue('FIFTY')->json->{status}{FIFTY};

        $said{$_}++ for keys %$s;
    }

    my $took = time - $begin;

    ok($took < 2, 'fifty commands within the window') or diag($took);
    is_deeply(\%said, { push_result => 1, push_joined => 49 },
              'one push was for all of them');
    came('FIFTY', 2, 8, 'and one more came behind the window');

    my @at = map { $_->{time} } pushes('FIFTY');

    ok($at[1] - $at[0] > 1900, 'not before') or diag("@at");
    is($t->redis('LLEN', place('FIFTY') . ':q:FIFTY'), 49, 'all are queued');
}


# many at once: the job has them, at once

{
    my @ids = map { "M$_" } 1 .. 120;

    device($_) for @ids;
    $apns->clear;

    my ($r) = enqueue(join ',', @ids);

    is($r->status, 200, '120 devices');
    is($r->json->{push_owed}, 120, 'are owed a push');
    ok(wait_for(10, sub { keys %{seen(@ids)} == 120 }), 'which comes');
    is_deeply([ grep { $_ > 1 } values %{seen(@ids)} ], [], 'once');
}


# nopush=1

device('NO');
$apns->clear;

{
    my ($r) = enqueue('NO', '?nopush=1');

    is($r->json->{no_push}, JSON::PP::true(), 'nopush=1');
    is(due('NO'), undef, 'owes nothing');
}


# a new token, while commands wait, is pushed to at once

{
    my $d = device('NEW');

    enqueue('NEW');
    $apns->clear;
    token($d, 'another token of NEW');
    came('NEW', 1, 3, 'a new token is pushed to at once');
}


# an answer empties the queue, and nothing is owed any more

{
    my $d = device('DONE');
    my ($r, $uuid) = enqueue('DONE');

    ok(defined due('DONE'), 'owed while it waits');
    like($d->idle->body, qr/$uuid/, 'it comes');
    ok(defined due('DONE'), 'and while it is being done');
    is($d->report('Acknowledged', $uuid)->status, 200, 'it is done');
    is(due('DONE'), undef, 'not owed any more');
}


# NotNow: it waits a quarter of an hour, and is pushed for then

{
    my $d = device('LATER');
    my ($r, $uuid) = enqueue('LATER');

    $d->idle;
    is($d->report('NotNow', $uuid)->status, 200, 'NotNow');
    $apns->clear;
    sleep 6;
    is(scalar(() = pushes('LATER')), 0, 'it is not asked again at once');
    ok(due('LATER') / 1000 - time > 800, 'but later');

    enqueue('LATER');
    came('LATER', 1, 5, 'a new command behind it is pushed at once');

    # time passes

    my $e = place('LATER') . ':e:LATER';
    my $q = place('LATER') . ':q:LATER';

    $d->idle;
    $d->report('NotNow', $_) for $uuid, "c-$n";
    $t->redis('HSET', $e, last_seen => int time - 1000);
    $t->redis('HSET', $e, push => int(time - 1000) . ' 1 200');
    $t->redis('ZADD', place('LATER') . ':push', int(1000 * time) - 5 + 0.5,
              'LATER');
    $apns->clear;
    enqueue('A', '?nopush=1');
    came('LATER', 1, 30, 'and then for those that it has refused');
}


# APNs loses it: it is pushed again

device('LOST');
$apns->clear;
$apns->tell("rule $token{LOST} 200 action=reset times=1");

{
    my ($r) = enqueue('LOST');

    is($r->status, 207, 'a push that got lost');
    like($r->json->{status}{LOST}{push_error},
         qr/^not sent yet, it will be tried again: /, 'is said');
    is($r->json->{status}{LOST}{command_error}, undef,
       'its command is queued');
    came('LOST', 2, 20, 'and is sent again');
    like(field('LOST', 'push'), qr/ 1 200$/, 'it is taken');
}


# a token that is dead: no more pushes until a new one comes

{
    my $d = device('DEAD');

    $apns->clear;
    $apns->tell("rule $token{DEAD} 410 Unregistered timestamp="
                . 1000 * (time + 100));

    my ($r) = enqueue('DEAD');

    is($r->json->{status}{DEAD}{push_error}, 'APNs: 410 Unregistered',
       'a dead token');
    like(field('DEAD', 'dead'), qr/^\d+ 410 Unregistered$/, 'is noted');
    is(due('DEAD'), undef, 'nothing is owed to it');
    ($r) = enqueue('DEAD');
    is($r->json->{status}{DEAD}{push_error}, 'APNs: 410 Unregistered',
       'the next one says so');
    is($r->status, 207, 'although the command is queued');
    came('DEAD', 1, 1, 'without asking APNs');
    like($d->idle->body, qr/RequestType/, 'the device itself is served');
    $apns->clear;
    token($d, 'a living token of DEAD');
    came('DEAD', 1, 5, 'a new token is pushed to');
    is(field('DEAD', 'dead'), undef, 'it is not dead any more');
}


# a worker that is killed between the lease and the answer

device('KILLED');
$apns->clear;
$apns->tell("rule $token{KILLED} 200 delay=8000 times=1");

{
    my $c = $t->client;

    $c->send_request(PUT => '/api/v1/enqueue/KILLED',
                     body => plist($t->command('killed', 'ProfileList')));
    ok(wait_for(5, sub { pushes('KILLED') == 1 }), 'a push is under way');

    my $begin = time;

    $t->kill_worker('KILL', $_) for $t->workers;

    ok(wait_for(30, sub { pushes('KILLED') >= 2 }),
       'kill -9: pushed again within 30 s');
    note(sprintf 'after %.1f s', time - $begin);
}


# two hosts, one Redis: one push

{
    my $u = MDM->new(redis => 0, redis_socket => $t->redis_server->socket,
                     auth => $t->redis_server->auth, ca => $t->ca,
                     store => $store, conf(''))->start_nginx;

    my @ids = map { "T$_" } 1 .. 150;

    device($_) for @ids;
    $apns->clear;

    enqueue((join ',', @ids[0 .. 119]), '', $t);
    enqueue((join ',', @ids[30 .. 149]), '', $u);

    ok(wait_for(10, sub { keys %{seen(@ids)} == 150 }), 'two hosts push');
    sleep 1;

    # what the second one has queued may have come behind the first push

    is_deeply([ grep { $_ > 1 } values %{seen(@ids[0 .. 29, 120 .. 149])} ],
              [], 'once');
    $u->assert_clean;
}


# what was queued while it was off is owed when it is on

is($t->redis('EXISTS', place('OFF') . ':meta'), 1, 'a partition was walked');
ok(wait_for(20, sub { field('OFF', 'push') }), 'and what waited there pushed');

finish;
