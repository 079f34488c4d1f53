package MDM::Torture::Cluster;

# Copyright (C) ngx_mdm_module authors
#
# Three masters, a replica of each; slots move while they are in use.

use strict;
use warnings;

use parent 'MDM::Torture::Topology';

use IO::Socket::INET;
use Time::HiRes qw(time);

use MDM::Torture::Node;
use MDM::Util qw(free_port read_file spawn wait_exit wait_for);


sub partitions { return 64 }
sub timeout { return '2s' }


sub rates {
    my ($self) = @_;

    return (failover => 3, master_kill => 2.5, freeze => 0.5,
            replica_kill => 6, migrate => 5, stop => 3, pause => 2,
            disconnect => 4);
}


sub start {
    my ($self) = @_;

    for my $i (1 .. 6) {
        push @{$self->{nodes}}, MDM::Torture::Node->new(
            dir => "$self->{dir}/redis$i", port => bus_port(),
            args => [ $self->loading, '--save', '', '--appendonly', 'yes',
                      '--appendfsync', 'always',
                      '--repl-backlog-size', '32mb',
                      '--repl-diskless-sync-delay', 0, '--repl-timeout', 10,
                      '--auto-aof-rewrite-min-size', '32mb',
                      '--cluster-enabled', 'yes',
                      '--cluster-node-timeout', 2500,
                      '--cluster-migration-barrier', 2 ])->launch;
    }

    wait_for(20, sub { !grep { !$_->up } $self->nodes })
        or die "redis did not start:\n"
            . join '', map { read_file("$_->{dir}/log") }
                       grep { !$_->up } $self->nodes;

    my $pid = spawn({ out => "$self->{dir}/create.out" }, 'redis-cli',
        '--cluster', 'create', (map { '127.0.0.1:' . $_->port } $self->nodes),
        '--cluster-replicas', 1, '--cluster-yes');
    my $rc = wait_exit($pid, 60);

    if (!defined $rc || $rc != 0) {
        kill 'KILL', $pid;
        die "no cluster:\n" . read_file("$self->{dir}/create.out");
    }

    $_->{name} = $_->cmd('CLUSTER', 'MYID') for $self->nodes;

    return;
}


# a port whose bus port, 10000 above, is free as well

sub bus_port {
    for (1 .. 100) {
        my $port = free_port();

        my $s = IO::Socket::INET->new(Listen => 1, Proto => 'tcp',
            LocalAddr => '127.0.0.1', LocalPort => $port + 10000) or next;

        close $s;

        return $port;
    }

    die "no free port\n";
}


sub nodes { return @{$_[0]{nodes}} }


sub problems { my ($self) = @_; return grep { defined } $self->{spoiled} }


sub store {
    my ($self) = @_;

    return join "\n        ", 'mode cluster;',
        (map { 'server 127.0.0.1:' . $_->port . ';' } ($self->nodes)[0 .. 2]),
        'durability wait 1 900ms;';
}


# what a node knows: name to { port, master, slave_of, ok, slots }

sub view {
    my ($self, $node) = @_;

    my $text = eval { $node->cmd('CLUSTER', 'NODES') } // return undef;
    my %view;

    for (split /\n/, $text) {
        my ($name, $address, $flags, $of, undef, undef, undef, $link, @slots)
            = split ' ';

        $view{$name} = {
            port => $address =~ /:(\d+)/ ? $1 : 0,
            master => $flags =~ /master/ ? 1 : 0,
            of => $of,
            ok => $flags !~ /fail|noaddr|handshake/
                  && ($link eq 'connected' || $flags =~ /myself/) ? 1 : 0,
            slots => [ grep { !/^\[/ } @slots ],
            moving => scalar(grep { /^\[/ } @slots),
        };
    }

    return \%view;
}


# asks those that are up and have slots of their own

sub masters {
    my ($self) = @_;

    return grep {
        my $view = $self->view($_);

        $view && $view->{$_->{name}} && $view->{$_->{name}}{master}
            && @{$view->{$_->{name}}{slots}};
    } $self->nodes;
}


sub healthy {
    my ($self) = @_;

    my $n = 0;

    for my $node ($self->nodes) {
        my $view = $self->view($node) // return 0;

        return 0 if keys %$view != 6 || grep { !$_->{ok} } values %$view;
        return 0 if ($node->try_cmd('CLUSTER', 'INFO') // '')
                    !~ /cluster_state:ok/;

        my $mine = $view->{$node->{name}} // return 0;

        if (!$mine->{master}) {
            return 0 if ($node->info('replication', 'master_link_status')
                         // '') ne 'up';

        } elsif (@{$mine->{slots}}) {
            return 0 if ($node->info('replication', 'connected_slaves') // 0)
                        < 1;
            $n++;
        }
    }

    return $n == 3;
}


sub fault {
    my ($self, $what) = @_;

    my $harmless = $what =~ /^(?:stop|pause|disconnect)$/;

    # A slot that moves must not meet a failover: Redis does not replicate
    # that it moves, and its new master would go on without the keys that are
    # gone already.

    return 0 if $self->{moving} || !$harmless && ($self->{quiet} // 0) > time;

    if (!$harmless && !$self->healthy) {
        $self->{quiet} = time + 0.3;
        return 0;
    }

    my @masters = $self->masters;

    return 0 if $harmless ? !@masters : @masters != 3;

    my %master = map { $_->{name} => 1 } @masters;
    my @replicas = grep { !$master{$_->{name}} } $self->nodes;
    my $master = $masters[$self->random(0, $#masters)];
    my $replica = $replicas[$self->random(0, $#replicas)];

    if ($what eq 'failover') {
        my $ok = eval { $replica->cmd('CLUSTER', 'FAILOVER') };

        return 0 unless defined $ok;
        $self->{quiet} = time + 1;

    } elsif ($what eq 'master_kill') {
        $self->kill_node($master, $self->random(1, 4) == 1
                                  ? $self->random(20, 200)
                                  : $self->random(4000, 5500));
        $self->{quiet} = time + 1;

    } elsif ($what eq 'freeze') {
        $self->stop_node($master, $self->random(4000, 5500));
        $self->{quiet} = time + 1;

    } elsif ($what eq 'replica_kill') {
        $self->kill_node($replica, $self->random(100, 1500));

    } elsif ($what eq 'migrate') {
        return $self->migrate($master, grep { $_ != $master } @masters);

    } elsif ($what eq 'stop') {
        my $node = $self->random(0, 1) ? $master : $replica;

        return 0 unless $node->pid;
        $self->stop_node($node, $self->random(50, 900));

    } elsif ($what eq 'pause') {
        return $self->pause_node($master, $self->random(50, 500));

    } elsif ($what eq 'disconnect') {
        return $self->disconnect_node($master);

    } else {
        die "no fault \"$what\"";
    }

    return 1;
}


# live: the keys go over in small lots, while the slot is asked for

sub migrate {
    my ($self, $from, @others) = @_;

    my $to = $others[$self->random(0, $#others)];
    my $p = $self->random(0, partitions() - 1);
    my $slot = eval { $from->cmd('CLUSTER', 'KEYSLOT', "{default/$p}") };

    return 0 unless defined $slot;

    my $view = $self->view($from) // return 0;

    return 0 unless grep {
        my ($first, $last) = /^(\d+)(?:-(\d+))?$/;

        defined $first && $slot >= $first && $slot <= ($last // $first);
    } @{$view->{$from->{name}}{slots}};

    my $ok = eval {
        $to->cmd('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{name});
        $from->cmd('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{name});
    };

    return 0 unless defined $ok;

    $self->{moving} = { slot => $slot, from => $from, to => $to, keys => 0 };
    $self->after(1, sub { $self->migrate_lot });

    return 1;
}


sub migrate_lot {
    my ($self) = @_;

    my $m = $self->{moving};
    my ($from, $to) = @$m{qw(from to)};

    for my $node ($from, $to) {
        my $role = $node->info('replication', 'role') // 'unknown';

        next if $role eq 'master';

        $self->{spoiled} = "a slot moved while its node became $role: this "
            . 'run says nothing';
        $self->{moving} = undef;
        return;
    }

    local $from->{timeout} = 5;

    my $keys = eval { $from->cmd('CLUSTER', 'GETKEYSINSLOT', $m->{slot},
                                 200) };

    if (ref $keys && @$keys) {
        eval { $from->cmd('MIGRATE', '127.0.0.1', $to->port, '', 0, 5000,
                          'KEYS', @$keys) };
        $m->{keys} += @$keys;
    }

    if (!ref $keys || @$keys) {
        $self->after(2, sub { $self->migrate_lot });
        return;
    }

    # the new owner first: the slot must not be without one

    for my $node ($to, $from, grep { $_ != $to && $_ != $from }
                              $self->masters)
    {
        eval { $node->cmd('CLUSTER', 'SETSLOT', $m->{slot}, 'NODE',
                          $to->{name}) };
    }

    $self->add('migrations');
    $self->{moving} = undef;

    return;
}


# who has slots, by pairs that share them

sub watch {
    my ($self) = @_;

    return if ($self->{looked} // 0) + 0.2 > time;
    $self->{looked} = time;

    for my $node ($self->nodes) {
        my $view = $self->view($node) or next;
        my $masters = join ' ', sort grep { $view->{$_}{master}
                                            && @{$view->{$_}{slots}} }
                                     keys %$view;

        next unless ($view->{$node->{name}} || {})->{ok};
        next if 3 != split ' ', $masters;

        my %was = map { $_ => 1 } split ' ', $self->{owners} // $masters;
        my $new = grep { !$was{$_} } split ' ', $masters;

        $self->{owners} = $masters;
        $self->add('failovers') for 1 .. $new;

        last;
    }

    return;
}


1;
