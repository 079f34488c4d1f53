package MDM::Torture::Topology;

# Copyright (C) ngx_mdm_module authors
#
# What the ways to run Redis have in common: faults of one node, and an
# agenda of what has to follow them.  A topology has
#
#     rates()     faults a minute, by name
#     start()     launches all
#     store()     lines of the mdm_store block
#     nodes()     those that hold data; masters(): those that take writes
#     healthy()   all is as it should be
#     fault(N)    makes one; 0: not now
#     partitions(), timeout() of the store; connections() of the devices
#     relaunch(N) starts a node that was killed
#     watch()     called often; may count failovers
#     counts()    faults that only it knows of, by name
#     problems()  why the run is no good, in words

use strict;
use warnings;

use Time::HiRes qw(time);


sub new {
    my ($class, %o) = @_;

    return bless { count => {}, agenda => [], broken => {}, %o }, $class;
}


sub partitions { return 16 }
sub timeout { return '900ms' }

# a node that loads fast is back soon: results are lists, and not compressed

sub loading { return ('--hash-max-listpack-value', 1024,
                      '--rdbcompression', 'no') }


# calls that wait for replicas wait for the disk of each: more devices at a time
sub connections { return 160 }
sub watch { return }
sub problems { return () }
sub relaunch { my ($self, $node) = @_; $node->launch; return }
sub counts { return () }


sub random {
    my ($self, $from, $to) = @_;

    return $from + int $self->{rng}->($to - $from + 1);
}


sub add { my ($self, $what) = @_; $self->{count}{$what}++; return }
sub count { return $_[0]{count} }


# does something in so many milliseconds

sub after {
    my ($self, $ms, $what) = @_;

    my @all = sort { $a->[0] <=> $b->[0] }
                   @{$self->{agenda}}, [ time + $ms / 1000, $what ];

    $self->{agenda} = \@all;

    return;
}


sub run_agenda {
    my ($self) = @_;

    while (@{$self->{agenda}} && $self->{agenda}[0][0] <= time) {
        (shift @{$self->{agenda}})->[1]->();
    }

    return;
}


# ends at once all that was begun

sub settle {
    my ($self) = @_;

    while (my $next = shift @{$self->{agenda}}) {
        $next->[1]->();
    }

    return;
}


sub kill_node {
    my ($self, $node, $ms) = @_;

    $node->kill9;
    $self->add('kills');
    $self->after($ms, sub { $self->relaunch($node) unless $node->pid });

    return 1;
}


sub stop_node {
    my ($self, $node, $ms) = @_;

    my $pid = $node->pid;

    $node->disconnect;
    kill 'STOP', $pid;
    $self->add('stops');
    $self->after($ms, sub { kill 'CONT', $pid
                            if ($node->pid // 0) == $pid });

    return 1;
}


sub pause_node {
    my ($self, $node, $ms) = @_;

    my $mode = $self->random(0, 1) ? 'ALL' : 'WRITE';
    my $ok = eval { $node->cmd('CLIENT', 'PAUSE', $ms, $mode) };

    $node->disconnect;
    return 0 unless defined $ok;
    $self->add('pauses');

    return 1;
}


sub disconnect_node {
    my ($self, $node) = @_;

    my $n = eval { $node->cmd('CLIENT', 'KILL', 'TYPE', 'normal') };

    return 0 unless defined $n;
    $self->add('disconnects');

    return 1;
}


sub finish {
    my ($self) = @_;

    $self->{agenda} = [];
    $_->kill9 for $self->all_nodes;

    return;
}


sub all_nodes { my ($self) = @_; return $self->nodes }


1;
