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
use MDM::Reindex;
use MDM::Util qw(read_file spawn wait_exit);


my $t = MDM->new(redis => 0, locations => $MDM::Reindex::locations);

my $dir = $t->dir;
my $tool = MDM::Reindex->new($t);
my $n = 30;
my $c = MDM::Cluster->new(dir => "$dir/cluster", replicas => 1)->start;

END { local $?; $c->stop if $c }

my @nodes = $c->nodes;
my @masters = @nodes[0 .. 2];


# two tenants, with the same numbers

$tool->allow($_) for @nodes;

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
    is_deeply($tool->found('', @names), [], 'it is lost');

    $tool->ends($node->{addr}, [ $node->{addr} ], 0,
                "tenant b devices $n entered $n",
                "tenant default devices $n entered $n", 'devices ' . 2 * $n,
                'entered ' . 2 * $n, 'complete yes');
    is(scalar @{$tool->found('', @names)}, $n, 'all are found again');
    is(scalar @{$tool->found('/b', @names)}, $n,
       'those of the other tenant, too');
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
                 "$MDM::root/build/mdm-store", $tool->args($nodes[0]{addr}));
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
