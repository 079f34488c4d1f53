package MDM::Cluster;

# Copyright (C) ngx_mdm_module authors
#
# A Redis Cluster of a test's own.
#
#     my $c = MDM::Cluster->new(dir => DIR, masters => 3, replicas => 1,
#                               tls => { ca => PKI }, timeout => 1000,
#                               args => [...])->start;
#     $c->nodes;                  # MDM::Redis, with {addr}
#     $c->auth;                   # lines for mdm_store
#     $c->master_of($slot); $c->replica_of($node);
#     $c->slot($key); $c->migrate($slot, $from, $to, sub { … });
#     $c->stop;
#
# Masters come first among the nodes, replica i belongs to master i.

use strict;
use warnings;

use IO::Socket::INET;
use Time::HiRes qw(sleep time);

use MDM::Redis;
use MDM::Util qw(free_port);


sub new {
    my ($class, %o) = @_;

    my $self = bless { masters => 3, replicas => 0, timeout => 1000,
                       args => [], %o, nodes => [] }, $class;

    mkdir $o{dir} or die "$o{dir}: $!" unless -d $o{dir};

    for my $i (0 .. $self->{masters} * (1 + $self->{replicas}) - 1) {
        my $port = _free_port();
        my @listen;

        if ($o{tls}) {
            @listen = ('--tls-port', $port, '--tls-cluster', 'yes',
                       '--tls-replication', 'yes',
                       '--tls-cert-file', $o{tls}{cert}{file},
                       '--tls-key-file', $o{tls}{cert}{key},
                       '--tls-ca-cert-file', $o{tls}{ca}{file});
        }

        my $node = MDM::Redis->new(dir => "$o{dir}/node$i",
            for => [ 'mode cluster', 'durability wait' ],
            args => [ ($o{tls} ? @listen : ('--port', $port)),
                      '--cluster-enabled', 'yes',
                      '--cluster-config-file', 'nodes.conf',
                      '--cluster-node-timeout', $self->{timeout},
                      '--appendonly', 'yes', '--appendfsync', 'always',
                      '--repl-diskless-sync-delay', '0',

                      # Redis 6.2 allows DEBUG anyway, and has no setting for it

                      (MDM::Redis::version() < 7
                       ? () : ('--enable-debug-command', 'local')),
                      @{$o{args} || []} ]);

        $node->{tcp} = $port;
        $node->{addr} = "127.0.0.1:$port";

        push @{$self->{nodes}}, $node;
    }

    return $self;
}


# nodes talk to each other 10000 above it

sub _free_port {
    for (1 .. 200) {
        my $port = free_port();

        next if $port > 22000;

        my $s = IO::Socket::INET->new(Listen => 1, Proto => 'tcp',
            LocalAddr => '127.0.0.1', LocalPort => $port + 10000) or next;

        close $s;

        return $port;
    }

    die "no free port";
}


sub nodes { return @{$_[0]{nodes}} }
sub auth { return $_[0]{nodes}[0]->auth }


sub start {
    my ($self) = @_;

    my @nodes = $self->nodes;
    my @masters = @nodes[0 .. $self->{masters} - 1];

    $_->start for @nodes;
    $_->cmd('CLUSTER', 'MEET', '127.0.0.1', $nodes[0]{tcp}) for @nodes;

    my $first = 0;

    for my $i (0 .. $#masters) {
        my $next = int(16384 * ($i + 1) / @masters);

        $masters[$i]->cmd('CLUSTER', 'ADDSLOTS', $first .. $next - 1);
        $first = $next;
    }

    for my $node (@nodes) {
        $node->{id} = $node->cmd('CLUSTER', 'MYID');
    }

    $self->_until('all nodes know each other', sub {
        for my $node (@nodes) {
            my $list = $node->cmd('CLUSTER', 'NODES');

            return 0 if grep { $list !~ /^$_->{id} /m } @nodes;
        }

        return 1;
    });

    for my $i ($self->{masters} .. $#nodes) {
        $nodes[$i]->cmd('CLUSTER', 'REPLICATE',
                        $masters[$i % $self->{masters}]{id});
    }

    $self->wait_ok;

    return $self;
}


# all nodes that run see all slots served, and replicas are in step

sub wait_ok {
    my ($self) = @_;

    $self->_until('the cluster is ok', sub {
        for my $node (grep { $_->pid } $self->nodes) {
            return 0 if $node->cmd('CLUSTER', 'INFO')
                        !~ /^cluster_state:ok/m;

            my $info = $node->cmd('INFO', 'replication');

            return 0 if $info =~ /^role:slave/m
                        && $info !~ /^master_link_status:up/m;
        }

        return 1;
    });

    return;
}


sub _until {
    my ($self, $what, $test) = @_;

    my $end = time + 30;

    while (time < $end) {
        return if eval { $test->() };
        sleep 0.05;
    }

    die "cluster: timed out waiting until $what";
}


sub slot {
    my ($self, $key) = @_;

    my ($node) = grep { $_->pid } $self->nodes;

    return $node->cmd('CLUSTER', 'KEYSLOT', $key);
}


# as the nodes themselves say

sub master_of {
    my ($self, $slot) = @_;

    for my $node (grep { $_->pid } $self->nodes) {
        my $list = $node->cmd('CLUSTER', 'NODES');
        my ($mine) = $list =~ /^(\S+ \S+ myself\S*master .*)$/m or next;
        my (undef, undef, undef, undef, undef, undef, undef, undef,
            @ranges) = split / /, $mine;

        for my $range (grep { /^\d/ } @ranges) {
            my ($first, $last) = split /-/, $range;

            return $node if $slot >= $first && $slot <= ($last // $first);
        }
    }

    die "cluster: slot $slot has no master";
}


sub replica_of {
    my ($self, $master) = @_;

    for my $node (grep { $_->pid } $self->nodes) {
        return $node if $node->cmd('CLUSTER', 'NODES')
                        =~ /^\S+ \S+ myself,slave \Q$master->{id}\E /m;
    }

    return;
}


# moves a slot; the code runs when half of its keys have gone

sub migrate {
    my ($self, $slot, $from, $to, $code) = @_;

    $to->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    $from->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});

    my @keys = sort @{$from->cmd('CLUSTER', 'GETKEYSINSLOT', $slot, 100000)};
    my $half = int(@keys / 2);

    for my $i (0 .. $#keys) {
        $code->() if $code && $i == $half;
        $from->cmd('MIGRATE', '127.0.0.1', $to->{tcp}, $keys[$i], 0, 5000);
    }

    $to->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id});
    $from->cmd('CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id});

    return scalar @keys;
}


# of what each node holds, also in the middle of a migration

sub digest {
    my ($self) = @_;

    return join ' ', map { $_->cmd('DEBUG', 'DIGEST') }
        grep { $_->pid } $self->nodes;
}


sub stop {
    my ($self) = @_;

    $_->stop for grep { $_->pid } $self->nodes;

    return;
}


1;
