package MDM::Torture::Sentinel;

# Copyright (C) ngx_mdm_module authors
#
# A master, two replicas and three Sentinels.

use strict;
use warnings;

use parent 'MDM::Torture::Topology';

use Time::HiRes qw(time);

use MDM::Torture::Node;
use MDM::Util qw(write_file wait_for);


my $NAME = 'mdm';
my $DOWN = 1000;            # milliseconds until a Sentinel calls it down


sub rates {
    my ($self) = @_;

    return (failover => 10) if $self->{control};

    return (failover => 2.5, master_kill => 2.5, freeze => 0.5, replica_kill => 3,
            sentinel_kill => 2, stop => 3, pause => 2, disconnect => 4);
}


sub start {
    my ($self) = @_;

    my @nodes = map { $self->node($_) } 1 .. 3;

    $self->{nodes} = \@nodes;
    $nodes[0]->launch;

    for (1, 2) {
        push @{$nodes[$_]{args}}, '--replicaof', '127.0.0.1 '
                                                 . $nodes[0]->port;
        $nodes[$_]->launch;
    }

    # what it starts with next time depends on who is the master then

    splice @{$_->{args}}, -2 for @nodes[1, 2];

    for my $i (1 .. 3) {
        my $dir = "$self->{dir}/sentinel$i";

        mkdir $dir;
        write_file("$dir/sentinel.conf", <<"END");
sentinel monitor $NAME 127.0.0.1 @{[ $nodes[0]->port ]} 2
sentinel down-after-milliseconds $NAME $DOWN
sentinel failover-timeout $NAME 4000
sentinel parallel-syncs $NAME 2
END

        push @{$self->{sentinels}}, MDM::Torture::Node->new(dir => $dir,
            args => [ "$dir/sentinel.conf", '--sentinel' ])->launch;
    }

    $self->{master} = $nodes[0]->port;

    return;
}


sub node {
    my ($self, $i) = @_;

    return MDM::Torture::Node->new(dir => "$self->{dir}/redis$i",
        args => [ $self->loading, '--save', '', '--appendonly', 'yes',
                  '--appendfsync', 'always',
                  '--repl-backlog-size', '32mb',
                  '--repl-diskless-sync-delay', 0, '--repl-timeout', 10,
                  '--auto-aof-rewrite-min-size', '32mb' ]);
}


sub timeout { return '2s' }
sub nodes { return @{$_[0]{nodes}} }
sub all_nodes { return (@{$_[0]{nodes}}, @{$_[0]{sentinels} || []}) }

sub masters { my ($self) = @_; return grep { $_ } $self->master }


sub store {
    my ($self) = @_;

    # Between the promotion of a replica and the word to the others the old
    # master goes on, and what the other replica confirms to it is lost: all
    # replicas must confirm, one of two is not enough.

    my %durability = (nowait => 'none', wait1 => 'wait 1 900ms');
    my $durability = $durability{$self->{control} // ''} // 'wait 2 900ms';

    return join "\n        ", "mode sentinel $NAME;",
        (map { 'server 127.0.0.1:' . $_->port . ';' } @{$self->{sentinels}}),
        "durability $durability;";
}


# the port that most Sentinels call the master

sub master_port {
    my ($self) = @_;

    my %votes;

    for my $sentinel (@{$self->{sentinels}}) {
        my $r = eval { $sentinel->cmd('SENTINEL', 'get-master-addr-by-name',
                                      $NAME) };

        $votes{$r->[1]}++ if ref $r;
    }

    my ($port) = sort { $votes{$b} <=> $votes{$a} || $a <=> $b } keys %votes;

    return $port;
}


sub master {
    my ($self) = @_;

    my $port = $self->master_port // return undef;
    my ($node) = grep { $_->port == $port } $self->nodes;

    return $node;
}


sub healthy {
    my ($self) = @_;

    for my $sentinel (@{$self->{sentinels}}) {
        my $port = eval { $sentinel->cmd('SENTINEL',
            'get-master-addr-by-name', $NAME)->[1] } // return 0;

        $self->{agreed} //= $port;

        my %info = eval { @{$sentinel->cmd('SENTINEL', 'master', $NAME)} };

        delete $self->{agreed}, return 0
            if $port != $self->{agreed} || ($info{flags} // '') ne 'master'
               || $info{'num-slaves'} < 2 || $info{'num-other-sentinels'} < 2;
    }

    delete $self->{agreed};

    my $master = $self->master or return 0;
    my $info = eval { $master->cmd('INFO', 'replication') } // return 0;
    my $online = () = $info =~ /state=online/g;

    return $info =~ /^role:master/m && $online == 2 ? 1 : 0;
}


sub fault {
    my ($self, $what) = @_;

    # what WAIT promises is about one that fails: two at once are too much

    my $harmless = $what =~ /^(?:stop|pause|disconnect|sentinel_kill)$/;

    return 0 if !$harmless && ($self->{quiet} // 0) > time;

    if (!$harmless && !$self->healthy) {
        $self->{quiet} = time + 0.3;
        return 0;
    }

    my $master = $self->master or return 0;
    my @replicas = grep { $_ != $master } $self->nodes;
    my $replica = $replicas[$self->random(0, 1)];
    my $sentinel = $self->{sentinels}[$self->random(0, 2)];

    if ($what eq 'failover') {
        my $ok = eval { $sentinel->cmd('SENTINEL', 'FAILOVER', $NAME) };

        return 0 unless defined $ok;
        $self->{quiet} = time + 2;

    } elsif ($what eq 'master_kill') {

        # in most cases long enough for a failover

        $self->kill_node($master, $self->random(1, 4) == 1
                                  ? $self->random(20, 200)
                                  : $self->random(2000, 3500));
        $self->{quiet} = time + 2;

    } elsif ($what eq 'freeze') {

        # when it wakes up it does not know that it is not the master any more

        $self->stop_node($master, $self->random(2500, 4000));
        $self->{quiet} = time + 2;

    } elsif ($what eq 'replica_kill') {
        $self->kill_node($replica, $self->random(100, 1500));

    } elsif ($what eq 'sentinel_kill') {
        return 0 if grep { !$_->pid } @{$self->{sentinels}};
        $sentinel->kill9;
        $self->add('sentinel_kills');
        $self->after($self->random(100, 2000), sub { $sentinel->launch });

    } elsif ($what eq 'stop') {
        my $node = $self->random(0, 1) ? $master : $replica;

        return 0 unless $node->pid;
        $self->stop_node($node, $self->random(50, 500));

    } elsif ($what eq 'pause') {
        return $self->pause_node($master, $self->random(50, 500));

    } elsif ($what eq 'disconnect') {
        return $self->disconnect_node($master);

    } else {
        die "no fault \"$what\"";
    }

    return 1;
}


# An administrator who starts a dead master again makes it a replica; one who
# does not know leaves that to the Sentinels, which takes them ten seconds.

sub relaunch {
    my ($self, $node) = @_;

    my $port = $self->master_port;
    my @args = @{$node->{args}};

    if (defined $port && $port != $node->port && $self->random(1, 8) > 1) {
        push @{$node->{args}}, '--replicaof', "127.0.0.1 $port";
    }

    $node->launch;
    $node->{args} = \@args;

    return;
}


sub watch {
    my ($self) = @_;

    return if ($self->{looked} // 0) + 0.1 > time;
    $self->{looked} = time;

    my $port = $self->master_port // return;

    if ($port != $self->{master}) {
        my ($old) = grep { $_->port == $self->{master} } $self->nodes;

        $self->{master} = $port;
        $self->add('failovers');

        # in most cases sooner than the Sentinels

        $self->after(300, sub { $self->rejoin($old, 20) })
            if $self->random(1, 8) > 1;
    }

    return;
}


# tells a former master who the new one is

sub rejoin {
    my ($self, $node, $tries) = @_;

    return if $node->port == $self->{master} || !$node->pid
              || ($node->info('replication', 'role') // '') eq 'slave';

    my $ok = eval { $node->cmd('REPLICAOF', '127.0.0.1', $self->{master}) };

    $self->after(300, sub { $self->rejoin($node, $tries - 1) })
        if !defined $ok && $tries > 0;

    return;
}


1;
