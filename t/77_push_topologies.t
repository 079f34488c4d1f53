#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Owed pushes in each kind of store: with Sentinels and a failover in the
# middle, in a cluster, and with an encryption_key; by two hosts, too.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::Cluster;
use MDM::Fleet;
use MDM::Sentinel;
use MDM::Util qw(read_file write_file);


my $topic = 'com.apple.mgmt.External.test';
my $push = ' mdm_push_wait 5s; mdm_push_window 1s; mdm_push_retry 3s 1h;';

my @servers;

END { local $?; $_->stop for @servers }


sub put_certificate {
    my ($f) = @_;

    my $cert = $f->{apns}->cert($topic);

    return $f->{test}->api(PUT => '/v1/pushcert',
                           body => read_file($cert->{key}) . $cert->{pem});
}


# nginx with a store, and a certificate in it

sub start {
    my ($name, %o) = @_;

    my $nodes = delete $o{nodes};
    my $plain = delete $o{plain} // 'mdm_push_plain on;';
    my $t = delete $o{test} // MDM->new(redis => 0, workers => 2);
    my $apns = MDM::APNs->new(dir => $t->dir);

    $t->write_conf(http => $apns->conf . "$push $plain", %o);
    $t->start_nginx;

    my $f = MDM::Fleet->new(test => $t, apns => $apns,
                            $nodes ? (nodes => $nodes) : ());

    $f->{http} = $t->{http};
    is(put_certificate($f)->status, 200, "$name: a push certificate");

    return $f;
}


# a push, its retry, a new token, an answer

sub commands {
    my ($f, $name, $n) = @_;

    my $d = $f->device("A$n");

    # it has spoken before the push, not in the second of it

    sleep 1.1;
    $f->{apns}->clear;

    my ($r, $uuid) = $f->enqueue("A$n");

    is($r->status, 200, "$name: a command") or diag($r->body);
    like($r->json->{status}{"A$n"}{push_result} // '', qr/^[0-9a-f-]{36}$/,
         "$name: and its push");
    is(scalar(() = $f->pushes("A$n")), 1, "$name: one came");
    is(($f->pushes("A$n"))[0]{body}, "{\"mdm\":\"magic-A$n\"}",
       "$name: with its magic");
    like($f->field("A$n", 'push'), qr/^\d+ 1 200$/,
         "$name: its end is stored");
    like($f->due("A$n"), qr/\.5$/, "$name: the next one will follow");
    $f->came("A$n", 2, 12, "$name: it does, as the device does not come");

    $f->token("A$n", "another token of A$n");
    $f->came("A$n", 1, 5, "$name: a new token is pushed to at once");

    like($d->idle->body, qr/$uuid/, "$name: the device comes");
    is($d->report('Acknowledged', $uuid)->status, 200,
       "$name: and has done it");
    is($f->due("A$n"), undef, "$name: nothing is owed any more");

    return;
}


# many at once, in all partitions

sub many {
    my ($f, $name, $n) = @_;

    my @ids = map { "M$n-$_" } 1 .. 120;

    $f->device($_) for @ids;
    $f->{apns}->clear;

    my $r = $f->enqueue([ @ids ]);

    is($r->status, 200, "$name: 120 devices") or diag($r->body);
    is($r->json->{push_owed}, 120, "$name: are owed a push");
    wait_for(10, sub { (() = $f->{apns}->ledger) >= 120 });

    my %count = $f->pushed(@ids);

    is_deeply([ grep { $count{$_} != 1 } @ids ], [],
              "$name: which comes to each, once");

    return;
}


# a push without a command

sub push_call {
    my ($f, $name, $n) = @_;

    $f->device("P$n");
    $f->{apns}->clear;

    my $call = sub { return $f->{test}->api(POST => "/v1/push/P$n") };
    my $r = $call->();

    is($r->status, 200, "$name: /v1/push") or diag($r->body);
    is($f->due("P$n"), undef, "$name: owes nothing behind it");
    is($call->()->json->{status}{"P$n"}{push_joined}, JSON::PP::true(),
       "$name: the next one joins");
    $f->came("P$n", 2, 8, "$name: and comes behind the window");

    return;
}


# A topic that APNs does not take, until there is a new certificate.  A worker
# sees that within 10 s; what is owed is tried after 30 s.

sub stopped {
    my ($f, $name, $n) = @_;

    my ($t, $apns) = @$f{qw(test apns)};
    my $owed = "S$n-2";

    $f->device("S$n-$_") for 1 .. 3;
    $t->expect_log(qr/\[alert\].*topic .* is stopped on all hosts/);
    $apns->clear;
    $apns->tell('rule * 403 BadCertificate');
    is($f->enqueue("S$n-1")->json->{status}{"S$n-1"}{push_error},
       'APNs: 403 BadCertificate', "$name: 403");
    ok(wait_for(5, sub { $t->api(GET => "/v1/pushcert?topic=$topic")->json
                           ->{state} eq 'stopped' }),
       "$name: the topic is stopped");
    is($f->enqueue($owed)->status, 207, "$name: a command is queued then");
    ok(defined $f->due($owed), "$name: and owed");

    $apns->clear;
    is(put_certificate($f)->status, 200, "$name: a new certificate");
    ok(wait_for(15, sub { $f->enqueue("S$n-3", fresh => 1);
                          $f->pushes("S$n-3") }),
       "$name: the next command is pushed for");

    return $owed;
}


sub all {
    my ($f, $name, $n) = @_;

    commands($f, $name, $n);
    many($f, $name, $n);
    push_call($f, $name, $n);

    return;
}


# Sentinels

{
    my $t = MDM->new(redis => 0, workers => 2);
    my $s = MDM::Sentinel->new(dir => $t->dir . '/sentinel', replicas => 2,
                               args => [ '--min-replicas-to-write', 1 ]);

    push @servers, $s;
    $s->start;

    my $servers = join ' ', map { "server $_->{addr};" } $s->sentinels;
    my $f = start('sentinel', test => $t, nodes => sub { $s->master },
        store_conf => 'mdm_store main { mode sentinel mymaster;'
            . " partitions 8; durability wait 1 400ms; $servers "
            . $s->auth . ' }');

    all($f, 'sentinel', 1);

    # a failover while pushes are under way: what they have come to cannot be
    # stored by then

    my @ids = map { "F$_" } 1 .. 20;

    $f->device($_) for @ids, 'G';
    $f->{apns}->clear;
    $f->{apns}->tell("rule $_ 200 delay=1500 times=1")
        for map { $f->token_of($_) } @ids;

    my $c = $t->client;

    $c->send_request(PUT => '/api/v1/enqueue/' . join(',', @ids),
                     body => plist($t->command('failover', 'ProfileList')));
    ok(wait_for(5, sub { (() = $f->{apns}->ledger) >= 20 }),
       'failover: pushes are under way');

    my $begin = time;

    $s->failover;
    $c->read_response('PUT');
    ok(wait_for(30, sub { !grep { ($f->field($_, 'push') // '') !~ / 200$/ }
                          @ids }), 'failover: the end of each is stored')
        or diag(map { "$_ " . ($f->field($_, 'push') // '-') . "\n" } @ids);
    note(sprintf 'after %.1f s', time - $begin);

    is_deeply([ grep { !defined $f->due($_) } @ids ], [],
              'failover: and the next push is owed');
    ok(wait_for(10, sub { $f->enqueue('G')->status == 200 }),
       'failover: the next command');
    ok(wait_for(20, sub { $f->pushes('G') }), 'failover: is pushed for');

    # the master dies while they are

    $s->wait_ok;
    $f->device($_) for map { "K$_" } 1 .. 10;
    $f->{apns}->clear;
    $f->{apns}->tell('stall 1');
    $c = $t->client;
    $c->send_request(PUT => '/api/v1/enqueue/' . join(',', map { "K$_" } 1 .. 10),
                     body => plist($t->command('died', 'ProfileList')));
    ok(wait_for(5, sub { (() = $f->{apns}->ledger) >= 10 }),
       'a master dies: pushes are under way');

    my $master = $s->master;

    $master->kill9;
    $f->{apns}->clear;
    $begin = time;

    my %count;

    ok(wait_for(30, sub { %count = $f->pushed(map { "K$_" } 1 .. 10);
                          !grep { !$_ } values %count }),
       'a master dies: all are pushed to again');
    note(sprintf 'after %.1f s', time - $begin);
    $master->start;
    $s->wait_ok;
    stopped($f, 'sentinel', 1);
    is_deeply([ $f->refused ], [], 'sentinel: nothing was refused');
    $t->assert_clean;
    $s->stop;
}


# a cluster, and two hosts

{
    my $t = MDM->new(redis => 0, workers => 2);
    my $c = MDM::Cluster->new(dir => $t->dir . '/cluster')->start;

    push @servers, $c;

    my $store = 'mdm_store main { mode cluster; partitions 12; '
                . join(' ', map { "server $_->{addr};" } $c->nodes)
                . $c->auth . ' }';
    my $f = start('cluster', test => $t, nodes => sub { $c->nodes },
                  store_conf => $store);

    all($f, 'cluster', 2);

    my $u = MDM->new(redis => 0, ca => $t->ca, store_conf => $store,
                     http => $f->{http})->start_nginx;
    my @ids = map { "T$_" } 1 .. 150;

    $f->device($_) for @ids;
    $f->{apns}->clear;
    $f->enqueue([ @ids[0 .. 119] ]);
    $f->enqueue([ @ids[30 .. 149] ], on => $u);
    ok(wait_for(10, sub { my %count = $f->pushed(@ids);
                          !grep { !$_ } values %count }),
       'two hosts push to all');
    sleep 1;

    my %count = $f->pushed(@ids);

    is_deeply([ grep { $count{$_} > 1 } @ids[0 .. 29, 120 .. 149] ], [],
              'once where one command is queued');
    is_deeply([ grep { $count{$_} > 2 } @ids ], [],
              'and at most once more where two are');
    stopped($f, 'cluster', 2);
    is_deeply([ $f->refused ], [], 'cluster: nothing was refused');
    $_->assert_clean for $t, $u;
    $c->stop;
}


# encryption_key

{
    my $t = MDM->new(workers => 2);
    my $key = write_file($t->dir . '/mdm.key',
                         map { sprintf '%02x', rand 256 } 1 .. 32);

    chmod 0600, $key;
    $t->redis_server->start;

    my $f = start('encryption_key', test => $t, plain => '',
                  store => "partitions 4; encryption_key $key;");

    all($f, 'encryption_key', 3);
    $f->came(stopped($f, 'encryption_key', 3), 1, 60,
             'encryption_key: what was owed comes, too');
    unlike($t->redis_dump, qr/PRIVATE KEY/,
           'encryption_key: the key of the certificate is sealed');
}

finish;
