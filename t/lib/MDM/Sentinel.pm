package MDM::Sentinel;

# Copyright (C) ngx_mdm_module authors
#
# A master, its replicas and Sentinels of a test's own.
#
#     my $s = MDM::Sentinel->new(dir => DIR, replicas => 2, sentinels => 3,
#                                tls => { ca => CA, cert => CERT },
#                                args => [...])->start;
#     $s->servers;          # MDM::Redis, with {tcp} and {addr}
#     $s->sentinels;        # the same
#     $s->auth;             # lines for mdm_store
#     $s->master; $s->replicas; $s->failover; $s->stop;

use strict;
use warnings;

use Time::HiRes qw(sleep time);

use MDM::Redis;
use MDM::Util qw(free_port write_file);


sub new {
    my ($class, %o) = @_;

    my $self = bless { replicas => 2, sentinels => 3, down => 500,
                       name => 'mymaster', %o, servers => [],
                       watchers => [] }, $class;

    mkdir $o{dir} or die "$o{dir}: $!" unless -d $o{dir};

    for my $i (0 .. $self->{replicas}) {
        my $port = free_port();
        my @more;

        if ($i > 0) {
            @more = ('--replicaof', '127.0.0.1', $self->{servers}[0]{tcp});
        }

        # Sentinel writes into this file

        my $file = "$o{dir}/server$i.conf";

        write_file($file, "\n");

        my $server = MDM::Redis->new(dir => "$o{dir}/server$i",
            for => [ 'mode sentinel', 'durability wait' ],
            file => $file, again => 1, password => $o{password},
            args => [ $self->_listen($port), '--appendonly', 'yes',
                      '--appendfsync', 'always',
                      '--repl-diskless-sync-delay', '0',
                      ($o{password} ? ('--masterauth', $o{password}) : ()),
                      @more, @{$o{args} || []} ]);

        $server->{tcp} = $port;
        $server->{addr} = "127.0.0.1:$port";

        push @{$self->{servers}}, $server;
    }

    for my $i (0 .. $self->{sentinels} - 1) {
        my $port = free_port();
        my $dir = "$o{dir}/sentinel$i";
        my $name = $self->{name};

        mkdir $dir or die "$dir: $!";

        write_file("$dir.conf", <<"END" . ($o{password} ? <<"AUTH" : ''));
sentinel monitor $name 127.0.0.1 $self->{servers}[0]{tcp} 2
sentinel down-after-milliseconds $name $self->{down}
sentinel failover-timeout $name 3000
sentinel parallel-syncs $name 2
END
sentinel auth-pass $name $o{password}
AUTH

        my $sentinel = MDM::Redis->new(dir => $dir, file => "$dir.conf",
            args => [ $self->_listen($port), '--sentinel' ], auth => 0,
            password => $o{sentinel_password});

        $sentinel->{tcp} = $port;
        $sentinel->{addr} = "127.0.0.1:$port";

        push @{$self->{watchers}}, $sentinel;
    }

    return $self;
}


sub _listen {
    my ($self, $port) = @_;

    my $tls = $self->{tls} or return ('--port', $port);

    return ('--port', 0, '--tls-port', $port, '--tls-replication', 'yes',
            '--tls-cert-file', $tls->{cert}{file},
            '--tls-key-file', $tls->{cert}{key},
            '--tls-ca-cert-file', $tls->{ca}{file});
}


sub servers { return @{$_[0]{servers}} }
sub auth { return $_[0]{servers}[0]->auth }
sub sentinels { return @{$_[0]{watchers}} }


sub start {
    my ($self) = @_;

    $_->start for $self->servers, $self->sentinels;

    # without it each failover takes ten seconds; Redis 6.2 does not have it

    $_->try_cmd('SENTINEL', 'DEBUG', 'info-period', 500)
        for $self->sentinels;

    $self->wait_ok;

    return $self;
}


# Replicas are in step, and Sentinels know of all; for a while, as one that
# has just started again may look well before it is told what it is.

sub wait_ok {
    my ($self) = @_;

    my $end = time + 30;
    my $since;

    while (time < $end) {
        if (eval { $self->_ok }) {
            $since //= time;
            return if time - $since >= 1;

        } else {
            $since = undef;
        }

        sleep 0.05;
    }

    die 'sentinel: timed out waiting for replicas and Sentinels';
}


sub _ok {
    my ($self) = @_;

    my @servers = grep { $_->pid } $self->servers;
    my @sentinels = grep { $_->pid } $self->sentinels;

    return 0 if 1 != grep { $_->cmd('ROLE')->[0] eq 'master' } @servers;

    my $port = $self->master->{tcp};

    for my $server ($self->replicas) {
        my $info = $server->cmd('INFO', 'replication');

        return 0 if $info !~ /^master_link_status:up/m
                    || $info !~ /^master_port:$port\r?$/m;
    }

    for my $sentinel (@sentinels) {
        my %m = @{$sentinel->cmd('SENTINEL', 'master', $self->{name})};

        return 0 if $m{'num-other-sentinels'} < @sentinels - 1
                    || $m{'num-slaves'} < @servers - 1
                    || $m{port} != $port || $m{flags} ne 'master';
    }

    return 1;
}


sub master {
    my ($self) = @_;

    my ($master) = grep { $_->cmd('ROLE')->[0] eq 'master' }
                   grep { $_->pid } $self->servers;

    return $master;
}


sub replicas {
    my ($self) = @_;

    return grep { $_->cmd('ROLE')->[0] eq 'slave' }
           grep { $_->pid } $self->servers;
}


# an orderly one; returns the new master

sub failover {
    my ($self) = @_;

    my $old = $self->master;
    my ($sentinel) = grep { $_->pid } $self->sentinels;

    $sentinel->cmd('SENTINEL', 'FAILOVER', $self->{name});

    my $end = time + 20;

    while (time < $end) {
        return $self->master if $old->cmd('ROLE')->[0] eq 'slave';
        sleep 0.05;
    }

    die 'sentinel: no failover';
}


sub stop {
    my ($self) = @_;

    $_->stop for grep { $_->pid } $self->sentinels, $self->servers;

    return;
}


1;
