#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Webhooks with a Redis Cluster, and two nginx on it: each event comes, in the
# order of its device, and who is killed loses none; who takes nothing for too
# long holds back nothing any more.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::Sink;
use MDM::Util qw(wait_for);


my @t = map { MDM->new(redis => 0) } 1 .. 2;
my $c = MDM::Cluster->new(dir => $t[0]->dir . '/cluster', replicas => 1)->start;

END { local $?; $c->stop if $c }

my $sink = MDM::Sink->new(dir => $t[0]->dir, tls => 0);
my $store = 'mdm_store main { mode cluster; connect_timeout 5s; timeout 20s;'
    . ' partitions 16; '
    . join(' ', map { "server $_->{addr};" } $c->nodes) . $c->auth . ' }';

for my $t (@t) {
    $t->write_conf(store_conf => $store, http => 'mdm_webhook ' . $sink->url
                   . ' name=hook timeout=2s;');
    $t->start_nginx;
}

my @ids;

for my $i (1 .. 24) {
    my $id = "TWO-$i";
    my $d = $t[$i % 2]->device($id);

    push @ids, $id;
    $d->enroll;
    $t[1 - $i % 2]->enqueue($id, $t[0]->command("w$_", 'ProfileList'))
        for 1 .. 2;
    $d->drain;
    $t[$i % 2]->kill_worker if $i % 8 == 0;
}

sub events {
    my (%seen, %of);

    for my $line ($sink->ledger) {
        my $b = JSON::PP->new->decode($line->{body});
        my $e = $b->{acknowledge_event} || $b->{checkin_event};

        next if $seen{$b->{event_id}}++;
        push @{$of{$e->{ids}{id}}}, $b->{topic} =~ s/^mdm\.//r
            . ($e->{command_uuid} ? " $e->{command_uuid}" : '');
    }

    return \%of;
}

my $all = 'Authenticate, TokenUpdate, Connect w1, Connect w2';

ok(wait_for(60, sub {
    my $of = events();

    return !grep { @{$of->{$_} || []} < 4 } @ids;
}), 'all arrive');

my $of = events();

is(join(', ', @{$of->{$_} || []}), $all, $_) for @ids;

# what a worker that was killed has not acknowledged comes once more

ok(wait_for(20, sub {
    return $t[0]->api(GET => '/v1/webhooks')->json->[0]{lag_events} == 0;
}), 'nothing is left');


# Who has acknowledged nothing for mdm_event_hold holds back nothing any more,
# be it a webhook or a group of one who reads himself, and that is said.

my $away = MDM::Sink->new(dir => $t[0]->dir, tls => 0);

$away->tell('rule * 500');

for my $t (@t) {
    $t->reload(http => 'mdm_webhook ' . $sink->url . ' name=hook timeout=2s;'
        . ' mdm_webhook ' . $away->url . ' name=away timeout=2s;'
        . ' mdm_event_group readers; mdm_event_hold 10s; mdm_event_limit 20;');
}

# what there is of a stream, on whatever node it is

sub length_of {
    my ($tag) = @_;

    my $node = $c->master_of($c->slot("{$tag}"));

    return $node->cmd('XLEN', "mdm:{$tag}:events");
}

sub acked { return $t[0]->api(GET => '/v1/webhooks')->json }

my $d = $t[0]->device('HELD-1');

$d->enroll;
$d->authenticate for 1 .. 24;
is($d->token_update->status, 200, 'a device is served');

ok(wait_for(20, sub {
    return !grep { $_->{name} eq 'hook' && $_->{lag_events} } @{acked()};
}), 'one webhook has all of it');

my ($tag) = map { JSON::PP->new->decode($_->{body})->{event_id}
                  =~ /^(default)\.(\d+)\./ ? "$1/$2" : () }
            grep { $_->{body} =~ /"HELD-1"/ } $sink->ledger;

cmp_ok(length_of($tag), '>=', 25, 'the others have it kept');
is($t[1]->enqueue('HELD-1', $t[0]->command('h1', 'ProfileList'))->status, 503,
   'an administrator has to wait');

for my $who ('webhook "away"', 'group "readers"') {
    my $said = qr/\Q$tag}:events": $who has acknowledged nothing for 10 seconds/;

    ok(wait_for(60, sub { grep { $_->log =~ $said } @t }), "$who: it is said")
        or diag($t[0]->log);
}

ok(wait_for(40, sub { length_of($tag) <= 2 }), 'nothing of it is kept');
is($t[1]->enqueue('HELD-1', $t[0]->command('h1', 'ProfileList'))->status, 200,
   'nor has anybody to wait');


$_->quit for @t;

for my $t (@t) {
    my $said = qr/\[alert\].* has acknowledged nothing for 10 seconds/;

    $t->expect_log($said) if $t->log =~ $said;
}

$_->assert_clean for @t;

done_testing();
