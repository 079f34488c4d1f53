#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm-store reindex in a cluster: it is called once, for any node, and enters
# what is on all of them, also while a slot moves.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $t = MDM->new(redis => 0, locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /b/mdm { mdm_tenant b; mdm_checkin on; mdm_connect on; }
        location /b/api/ { mdm_tenant b; mdm_api on; }
END

my $dir = $t->dir;
my $n = 30;
my $c = MDM::Cluster->new(dir => "$dir/cluster", replicas => 1)->start;

END { local $?; $c->stop if $c }

my @nodes = $c->nodes;
my @masters = @nodes[0 .. 2];


# the user of docs/keyspace.md

my ($rules) = read_file("$MDM::root/docs/keyspace.md")
    =~ /^ {4}ACL SETUSER mdm-reindex (.*)$/m or die;

write_file("$dir/reindex.pass", "secret\n");

sub user_of {
    my ($node) = @_;

    $node->cmd('ACL', 'SETUSER', 'mdm-reindex', split ' ', $rules);

    return;
}

sub tool {
    my ($server, @args) = @_;

    return $t->mdm_store('reindex', '-s', $server, '-u', 'mdm-reindex', '-p',
                         "$dir/reindex.pass", @args);
}

sub reindex_is {
    my ($what, $args, $rc, @lines) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($got, $said) = tool(@$args);

    is($got, $rc, "$what: ends with $rc") or diag($said);
    like($said, qr/^$_$/m, "$what: $_") for @lines;

    return $said;
}

# devices by serial number, as the API finds them

sub found {
    my ($path, @serials) = @_;

    my $r = $t->request('GET', "$path/api/v1/enrollments?"
                               . join '&', map { "serial=$_" } @serials);

    return [ $r->status ] if $r->status != 200;

    return [ sort map { $_->{id} } @{$r->json->{enrollments}} ];
}


# two tenants, with the same numbers

user_of($_) for @nodes;

$t->write_conf(store_conf => 'mdm_store main { mode cluster;'
    . ' connect_timeout 5s; timeout 20s; partitions 16; '
    . join(' ', map { "server $_->{addr};" } @nodes) . $c->auth . ' }');
$t->start_nginx;

for my $i (1 .. $n) {
    $t->device("C-$i", serial => "SC$i")->enroll;
    $t->device("D-$i", serial => "SC$i", path => '/b/mdm')->enroll;
}

sub lose_cluster {
    my @lost;

    for my $i (0 .. $#masters) {
        my $keys = $masters[$i]->cmd('KEYS', 'mdm:{*/serial:*}');

        $masters[$i]->cmd('DEL', $_) for @$keys;
        $lost[$i] = @$keys;
    }

    return @lost;
}

my @names = map { "SC$_" } 1 .. $n;

for my $node (@nodes[0, 2, 4]) {
    is(scalar(grep { $_ } lose_cluster()), 3, 'the index was on all masters');
    is_deeply(found('', @names), [], 'it is lost');

    reindex_is($node->{addr}, [ $node->{addr} ], 0,
               "tenant b devices $n entered $n",
               "tenant default devices $n entered $n", 'devices ' . 2 * $n,
               'entered ' . 2 * $n, 'complete yes');
    is(scalar @{found('', @names)}, $n, 'all are found again');
    is(scalar @{found('/b', @names)}, $n, 'those of the other tenant, too');
}

# a slot moves meanwhile: it waits for the end of it

{
    my $key = 'mdm:{default/serial:SC1}';
    my $slot = $c->slot($key);
    my $from = $c->master_of($slot);
    my ($to) = grep { $_ != $from } @masters;
    my $pid;

    lose_cluster();

    $to->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    $from->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});

    $pid = spawn({ out => "$dir/tool.log" },
                 "$MDM::root/build/mdm-store", 'reindex', '-s',
                 $nodes[0]{addr}, '-u', 'mdm-reindex', '-p',
                 "$dir/reindex.pass");
    is(wait_exit($pid, 1), undef, 'a slot moves: it waits');

    for my $node ($to, $from) {
        $node->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id});
    }

    my $rc = wait_exit($pid, 20);

    is($rc, 0, 'then it goes on') or diag(read_file("$dir/tool.log"));
    like(read_file("$dir/tool.log"), qr/^entered @{[ 2 * $n ]}$/m,
         'with all of them');
    is_deeply($to->cmd('SMEMBERS', $key), [ 'C-1' ],
              'also the one in that slot');
}


finish;
