#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Webhooks: events arrive in their order, signed, whole; those of a sink that is
# away, slow or cross arrive later, and nobody else waits for it; a worker that
# is killed between delivery and acknowledgement loses nothing.
#
# MDM_KILLS: how often workers are killed (5).

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(hmac_sha256_base64);
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::PKI;
use MDM::Sink;
use MDM::Util qw(read_file wait_for write_file);


my $kills = $ENV{MDM_KILLS} || 5;
my $t = MDM->new(workers => 2);
my $ca = MDM::PKI->new(dir => $t->dir, name => 'Sink CA');
my $sink = MDM::Sink->new(dir => $t->dir, ca => $ca, hmac_key => 'hook-secret');
my $other = MDM::Sink->new(dir => $t->dir, tls => 0);
my $header = write_file($t->dir . '/header', "Authorization: Bearer hush\n");

my $key = write_file($t->dir . '/mdm.key',
                     map { sprintf '%02x', rand 256 } 1 .. 32);

chmod 0600, $header, $key;

my $one = 'mdm_webhook ' . $sink->url('/one?a=b') . ' name=one timeout=2s'
    . " trusted_certificate=$ca->{file} hmac_key_file=$sink->{hmac_file}"
    . " header_file=$header;";
my $two = 'mdm_webhook ' . $other->url('/two') . ' name=two timeout=2s'
    . ' payload=off topics=mdm.*,api.*;';

$t->redis_server->start;
$t->write_conf(store => "partitions 4; encryption_key $key;", http => "$one $two");
$t->start_nginx;

sub hooks {
    return { map { $_->{name} => $_ } @{$t->api(GET => '/v1/webhooks')->json} };
}

# waits until sinks have had all

sub settled {
    my ($what, @names) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $ok = wait_for(60, sub {
        my $hooks = hooks();

        return !grep { $hooks->{$_}{lag_events} } @names;
    });

    ok($ok, $what) or diag(explain(hooks()), $t->log);

    return;
}

sub body { return JSON::PP->new->decode($_[0]{body}) }

# of one device, each event once, in the order in which they first came

sub events_of {
    my ($s, $id) = @_;

    my (%seen, @list);

    for my $line ($s->ledger) {
        my $b = body($line);
        my $e = $b->{acknowledge_event} || $b->{checkin_event} || $b->{event};

        next unless ($e->{ids} ? $e->{ids}{id} : $e->{id}) eq $id;
        push @list, $b if $line->{status} =~ /^2/ && !$seen{$b->{event_id}}++;
    }

    return @list;
}

sub topics { return join ' ', map { $_->{topic} =~ s/^mdm\.//r } @_ }


# what a device does

my $d = $t->device('HOOK-1');

$d->enroll;
$t->enqueue('HOOK-1', $t->command('h1', 'ProfileList'));
is($d->idle->status, 200, 'Idle');
is($d->report('NotNow', 'h1')->status, 200, 'NotNow');
is($d->report('Acknowledged', 'h1', Long => 'x' x 5000)->status, 200,
   'Acknowledged');
is($d->set_bootstrap_token('boot')->status, 200, 'SetBootstrapToken');

settled('all have arrived', qw(one two));

{
    my @lines = $sink->ledger;
    my @e = events_of($sink, 'HOOK-1');

    is(topics(@e),
       'Authenticate TokenUpdate Connect Connect SetBootstrapToken',
       'in their order');
    is_deeply([ grep { $_->{hmac} ne 'ok' } @lines ], [], 'signed');
    is_deeply([ grep { $_->{attempt} ne '1' || $_->{tenant} ne 'default'
                       || $_->{path} ne '/one?a=b' } @lines ], [],
              'X-Mdm-Attempt, X-Mdm-Tenant, the path');
    like($lines[0]{headers}, qr/^Authorization: Bearer hush\r$/m,
         'a header of the file');
    like($lines[0]{headers},
         qr{^Content-Type: application/json; charset=utf-8\r$}m,
         'Content-Type');
    is($lines[0]{signature}, hmac_sha256_base64($lines[0]{body}, 'hook-secret')
       . '=', 'base64 of the HMAC-SHA256');
    like($e[0]{event_id}, qr/^default\.[0-3]\.\d+-\d+$/, 'event_id');
    like($e[0]{created_at}, qr/^20\d\d-\d\d-\d\dT[\d:.]+Z$/, 'created_at');
    like(decode_base64($e[0]{checkin_event}{raw_payload}), qr/Authenticate/,
         'the message');
    is($e[3]{acknowledge_event}{command_uuid}, 'h1', 'command_uuid');
    like(decode_base64($e[3]{acknowledge_event}{raw_payload}), qr/x{5000}/,
         'a result that was compressed');
    like(decode_base64($e[4]{checkin_event}{raw_payload}),
         qr/BootstrapToken/, 'the bootstrap token');

    my @two = events_of($other, 'HOOK-1');

    is(topics(@two), 'Authenticate TokenUpdate api.Enqueue Connect Connect '
       . 'SetBootstrapToken', 'all topics of the other one');
    is_deeply([ grep { $_ ne '' } map { ($_->{acknowledge_event}
                || $_->{checkin_event} || {})->{raw_payload} // '' } @two ],
              [], 'without payloads');
    is($two[2]{event}{data}{request_type}, 'ProfileList', 'our own event');
    is((grep { $_->{signature} ne '' } $other->ledger), 0, 'no key: unsigned');
}


# a worker knows since when webhooks are there, and need not ask for each batch

sub asked {
    return ($t->redis('INFO', 'commandstats')
            =~ /^cmdstat_hsetnx:calls=(\d+)/m)[0] // 0;
}

{
    my $before = asked();

    for my $i (1 .. 8) {
        $t->device("ASKED-$i")->enroll;
        settled('each by itself', qw(one two)) if $i % 2;
    }

    settled('all arrive', qw(one two));
    cmp_ok(asked() - $before, '<=', 4, 'each worker asks once');
}


# what concerns no partition has a stream of its own

{
    $other->clear;
    is($t->api(POST => '/v1/challenge')->status, 200, 'a challenge');
    settled('it arrives', 'two');

    my ($b) = grep { $_->{topic} eq 'api.Challenge' }
              map { body($_) } $other->ledger;

    like($b->{event_id}, qr/^default\.ca\.\d+-\d+$/, 'its stream');
    is($b->{event}{data}{change}, 'new', 'what has changed');
}


# the test call

{
    my $r = $t->api(POST => '/v1/webhooks/one/test');

    is($r->status, 200, 'a test');
    is($r->json->{status}, 200, 'what the sink says');
    like($r->json->{ms}, qr/^\d+$/, 'how long it took');
    is(body(($sink->ledger)[-1])->{topic}, 'mdm.Test', 'what it gets');
    is($t->api(POST => '/v1/webhooks/none/test')->status, 404, 'none');
}


# A sink that is away; the other one, and devices, do not wait for it.  Each
# device has its order.

{
    $sink->clear;
    $sink->tell('listen off');
    $sink->tell('drop');
    $other->clear;

    my @d = map { $t->device("AWAY-$_") } 1 .. 6;

    for my $device (@d) {
        $device->enroll;
        $t->enqueue($device->id, $t->command("a$_", 'ProfileList')) for 1 .. 3;
        $device->drain;
    }

    settled('the other one has all', 'two');
    is(topics(events_of($other, 'AWAY-1')), 'Authenticate TokenUpdate '
       . 'api.Enqueue api.Enqueue api.Enqueue Connect Connect Connect',
       'in their order');

    my $h = hooks()->{one};

    cmp_ok($h->{lag_events}, '>=', 30, 'lag_events');
    cmp_ok($h->{failed}, '>=', 1, 'failed');
    like($h->{last_error}, qr/refused|reset|connect/i, 'last_error');

    my $r = $t->api(POST => '/v1/webhooks/one/test');

    is($r->status, 502, 'a test says so');
    ok($r->json->{error}, 'why');

    # back, but cross at first

    $sink->tell('rule * 404 times=2');
    $sink->tell('rule * 200 action=reset times=2');
    $sink->tell('rule * 503 retry=1 times=2');
    $sink->tell('listen on');

    settled('all arrive when it is back', 'one');

    for my $device (@d) {
        my @e = events_of($sink, $device->id);

        is(topics(@e), 'Authenticate TokenUpdate Connect Connect Connect',
           $device->id . ': all, in their order');
        is(join(' ', map { $_->{acknowledge_event}{command_uuid} } @e[2 .. 4]),
           'a1 a2 a3', 'the commands, too');
    }

    ok((grep { $_->{attempt} > 1 } $sink->ledger), 'X-Mdm-Attempt');
}


# a body that it does not take, three times

{
    $sink->clear;
    $sink->tell('rule * 422 times=3');
    $t->device('DEAD-1')->enroll;

    settled('what is not taken is put aside', 'one');
    is(topics(events_of($sink, 'DEAD-1')), 'TokenUpdate',
       'and the next one goes');
    is(hooks()->{one}{skipped}, 1, 'skipped');
    ok($t->wait_log(qr/has not taken event default\.\d\.\S+ in 3 attempts/),
       'the log says so');

    $sink->clear;
    is($t->api(POST => '/v1/webhooks/one/replay',
               body => '{"dead":true}')->status, 204, 'once more');
    ok(wait_for(20, sub { events_of($sink, 'DEAD-1') }), 'it comes');
    is(topics(events_of($sink, 'DEAD-1')), 'Authenticate', 'that one alone');
}


# a slow sink holds up nobody

{
    $sink->clear;
    $sink->tell('rule * 200 delay=1500 times=4');

    my $begin = time;

    $t->device("SLOW-$_")->enroll for 1 .. 4;

    ok(wait_for(5, sub {
        grep { ($t->redis('HGET', "mdm:{default/$_}:out", 'l:one') // '')
               =~ /^\d+-[0-9a-f]{9,16}-[0-9a-f]+ \d+$/ } 0 .. 3;
    }), 'who is at it has a name that no other host has');

    cmp_ok(time - $begin, '<', 4, 'devices do not wait');
    settled('the other one has all', 'two');
    cmp_ok(time - $begin, '<', 5, 'nor does the other webhook');
    settled('the slow one in the end', 'one');
}


# a worker is killed between delivery and acknowledgement

{
    $sink->clear;
    $sink->tell('rule * 200 delay=100');

    my @d = map { $t->device("KILL-$_") } 1 .. $kills;

    for my $i (0 .. $#d) {
        $d[$i]->enroll;
        $t->enqueue($d[$i]->id, $t->command("k$_", 'ProfileList')) for 1 .. 3;
        $d[$i]->drain;
        $t->kill_worker;
    }

    settled('all arrive', 'one');

    my %bodies;

    push @{$bodies{$_->{event_id}}}, $_->{body} for $sink->ledger;

    is_deeply([ grep { my %s = map { $_ => 1 } @$_; keys %s != 1 }
                values %bodies ], [], 'what is repeated is the same');

    is(topics(events_of($sink, $_->id)),
       'Authenticate TokenUpdate Connect Connect Connect', $_->id . ': all')
        for @d;
}


# other workers; what was written meanwhile, and one that is new

{
    $sink->clear;
    $other->clear;
    $t->device('BEFORE-1')->enroll;
    $t->reload(http => "$one $two mdm_webhook " . $other->url('/three')
                       . ' name=three;');
    $t->device('AFTER-1')->enroll;
    settled('all arrive', qw(one two three));
    is(topics(events_of($sink, $_)), 'Authenticate TokenUpdate', $_)
        for qw(BEFORE-1 AFTER-1);
    cmp_ok((grep { $_->{path} eq '/three' } $other->ledger), '>=', 4,
           'a new one begins a minute before');

    is($t->api(DELETE => '/v1/webhooks/three')->status, 409,
       'one that is configured cannot be forgotten');
    $t->reload(http => "$one $two");
    ok(exists hooks()->{three}, 'its place is kept');
    ok(!exists hooks()->{three}{url}, 'and it has no URL');
    is($t->api(DELETE => '/v1/webhooks/three')->status, 204, 'forgotten');
    ok(!exists hooks()->{three}, 'it is');
    is($t->api(DELETE => '/v1/webhooks/three')->status, 404, 'once');
}


# The outbox is full: an administrator is told, devices go on.

{
    $sink->clear;
    $sink->tell('rule * 500');
    $t->reload(http => "$one $two mdm_event_limit 20;");

    my $f = $t->device('FULL-1');

    $f->enroll;
    $f->authenticate for 1 .. 25;
    is($f->token_update->status, 200, 'a device is served');

    my $r = $t->enqueue('FULL-1', $t->command('f1', 'ProfileList'));

    is($r->status, 503, 'an administrator is not');
    like($r->json->{status}{'FULL-1'}{command_error},
         qr/^the outbox is full: webhook "one" is \d+ events behind$/, 'why');
    ok($t->wait_log(qr/events" fills: it has \d+ events of the 20/),
       'the log warns');

    $sink->clear;
    settled('and later it is', 'one');
    is($t->enqueue('FULL-1', $t->command('f1', 'ProfileList'))->status, 200,
       'an administrator, too');
}


unlike($t->log, qr/hook-secret|Bearer|hush/, 'no secret in the log');
unlike($t->redis_dump, qr/x{100}|BootstrapToken/,
       'nor what is encrypted in redis');

finish;
