#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Cluster and Sentinel over TLS: the host that Redis tells is the one that
# its certificate must be for.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::PKI;
use MDM::Redis;
use MDM::Sentinel;


# all of them are one store

$MDM::Redis::store_id = '5' x 32;


my $t = MDM->new(redis => 0);
my $dir = $t->dir;

mkdir "$dir/redis-ca" or die $!;

my $ca = MDM::PKI->new(dir => "$dir/redis-ca", name => 'Redis CA');
my %cert = map { $_ => $ca->issue(cn => $_, purpose => 'server,client',
                                  san => [ [ IP => '127.0.0.1' ] ]) }
               qw(cluster sentinel);
my $other = $ca->issue(cn => 'other', purpose => 'server,client',
                       san => [ [ DNS => 'redis.example' ] ]);
my $client = $ca->issue(cn => 'nginx');

my $c = MDM::Cluster->new(dir => "$dir/cluster",
                          tls => { ca => $ca, cert => $cert{cluster} });
my $s = MDM::Sentinel->new(dir => "$dir/sentinel", replicas => 1,
                           tls => { ca => $ca, cert => $cert{sentinel} });

END { local $?; $_->stop for grep { $_ } $c, $s }

my $tls = "tls on; tls_trusted_certificate $ca->{file};"
          . " tls_certificate $client->{file};"
          . " tls_certificate_key $client->{key};";

sub store {
    my ($mode, $of, @servers) = @_;

    # on a busy machine TLS takes its time

    return (store_conf => "mdm_store main { mode $mode; connect_timeout 5s; "
            . $tls . ' ' . $of->auth
            . join(' ', map { " server $_->{addr};" } @servers) . ' }');
}

sub fleet {
    my ($name) = @_;

    my $n = 0;

    for my $i (1 .. 8) {
        my $d = $t->device("$name-$i");

        $n++ if $d->authenticate->status == 200
                && $d->token_update->status == 200
                && $t->enqueue($d->id, $t->command("c$i", 'DeviceLock'))
                     ->status == 200
                && ($d->drain)[0] eq "c$i";
    }

    return $n;
}

$c->start;
$c->master_of($c->slot('mdm:meta'))->cmd('HSET', 'mdm:meta', 'store_id',
                                         $MDM::Redis::store_id);
$t->write_conf(store('cluster', $c, ($c->nodes)[1]));
$t->start_nginx;
wait_for(20, sub { 3 <= (() = $t->log =~ /connected to redis 127\.0\.0\.1:/g) });
is(fleet('CLUSTER'), 8, 'a cluster: sessions on all nodes');
is(scalar(() = $t->log =~ /connected to redis 127\.0\.0\.1:/g), 3,
   'each is connected to');
ok($t->log !~ /\[err/, 'and nothing is wrong');

# a node whose certificate is for somebody else

my $node = ($c->nodes)[2];

$node->cmd('CONFIG', 'SET', 'tls-cert-file', $other->{file},
           'tls-key-file', $other->{key});

my $log = $t->log_size;

$node->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
$t->wait_log(qr/redis \Q$node->{addr}\E is down \(its certificate is not for "127\.0\.0\.1"\)/,
             from => $log);
$c->stop;

$s->start;
$log = $t->log_size;
$t->reload(store('sentinel mymaster', $s, $s->sentinels));
$t->wait_old_workers;
$t->wait_log(qr/connected to redis 127\.0\.0\.1:/, from => $log);
is(fleet('SENTINEL'), 8, 'behind Sentinels: sessions');

$log = $t->log_size;
$s->failover;
ok(wait_for(30, sub { fleet('AFTER') == 8 }), 'after a failover, too');
$s->stop;

finish;
