#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A webhook that was away is back: what waits since it gave no answer is sent at
# once, what it has told to wait is not.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Sink;
use MDM::Util qw(wait_for);


my $t = MDM->new;
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);

$t->redis_server->start;
$t->write_conf(store => 'partitions 64;', http => 'mdm_webhook '
    . $sink->url('/') . ' name=one timeout=2s;');
$t->start_nginx;

sub taken { return grep { $_->{status} =~ /^2/ } $sink->ledger }

sub events { return map { JSON::PP->new->decode($_->{body}) } taken() }

# events of one device that have been taken

sub got {
    my ($id) = @_;

    return grep { $_->{checkin_event}{udid} eq $id } events();
}

sub hook { return $t->api(GET => '/v1/webhooks')->json->[0] }


# three devices whose streams are not the same

my (@ids, %place);

for my $i (1 .. 20) {
    $t->device("BACK-$i")->enroll;
}

ok(wait_for(20, sub { events() >= 40 }), 'it takes events')
    or diag($t->log);

for my $e (events()) {
    my ($place) = $e->{event_id} =~ /^(default\.\d+)\./;

    push @ids, $e->{checkin_event}{udid} unless $place{$place}++;
}

my ($told, $silent, $other) = map { $t->device($_) } @ids[0 .. 2];


$sink->clear;
$sink->tell('rule / 503 retry=120 times=1');
is($told->authenticate->status, 200, 'a device whose event it does not take');
ok(wait_for(10, sub { $sink->ledger == 1 }), 'it says how long to wait');

my $begin = time;

$sink->tell('listen off');
$sink->tell('drop');
is($silent->authenticate->status, 200, 'a device while it is away');
ok(wait_for(10, sub { hook()->{failed} >= 3 }), 'attempts fail');

# more than ten seconds without a success; the next attempt is due at 15

sleep 0.1 while time - $begin < 10.5;

$sink->tell('listen on');
is($other->authenticate->status, 200, 'a device when it is back');
ok(wait_for(3, sub { got($other->id) && got($silent->id) }),
   'what it did not answer comes at once')
    or diag(explain([ $sink->ledger ]), time - $begin, $t->log);
sleep 1;
is(scalar(got($told->id)), 0, 'and what it has answered waits');

finish;
