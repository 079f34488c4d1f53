package MDM::Torture::Node;

# Copyright (C) ngx_mdm_module authors
#
# A redis-server (or Sentinel) on loopback that is killed and started again.
# Nothing here waits for it to come up, and a call to it is given up soon:
# it may be stopped.
#
#     my $node = MDM::Torture::Node->new(dir => DIR, args => [...],
#                                        env => {...}, timeout => 0.5);
#     $node->launch; $node->up; $node->try_cmd('PING'); $node->kill9;

use strict;
use warnings;

use parent 'MDM::Redis';

use IO::Socket::INET;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVTIMEO SO_SNDTIMEO);

use MDM::Util qw(free_port spawn wait_exit);


sub new {
    my ($class, %o) = @_;

    mkdir $o{dir} or die "$o{dir}: $!" unless -d $o{dir};

    return bless { program => 'redis-server', args => [], env => {},
                   timeout => 0.5, port => free_port(), db => 0, %o }, $class;
}


sub launch {
    my ($self) = @_;

    $self->disconnect;
    $self->{pid} = spawn({ out => "$self->{dir}/log", append => 1,
                           env => $self->{env} },
        $self->{program}, @{$self->{args}},
        '--port', $self->{port}, '--bind', '127.0.0.1',
        '--dir', $self->{dir}, '--daemonize', 'no');

    return $self;
}


sub _connect {
    my ($self) = @_;

    return if $self->{sock};

    $self->{sock} = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}, Timeout => 1)
        or die "port $self->{port}: $!\n";

    my $time = pack 'l!l!', int $self->{timeout},
                    ($self->{timeout} - int $self->{timeout}) * 1e6;

    setsockopt $self->{sock}, SOL_SOCKET, $_, $time
        for SO_RCVTIMEO, SO_SNDTIMEO;

    $self->{buf} = '';

    return;
}


# what came too late must not answer the next call

sub cmd {
    my ($self, @args) = @_;

    my $reply = eval { $self->SUPER::cmd(@args) };

    if ($@) {
        my $error = $@;

        $self->disconnect if $error =~ /^redis:|^port /;
        die $error;
    }

    return $reply;
}


sub up {
    my ($self) = @_;

    return 0 unless $self->{pid};

    my $pong = eval { $self->cmd('PING') };

    return defined $pong && $pong eq 'PONG' ? 1 : 0;
}


# a field of INFO, undef where it does not answer

sub info {
    my ($self, $section, $field) = @_;

    my $info = eval { $self->cmd('INFO', $section) } // return undef;

    return $info =~ /^\Q$field\E:(.*?)\r?$/m ? $1 : undef;
}


sub kill9 {
    my ($self) = @_;

    return unless $self->{pid};

    $self->disconnect;
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;

    return;
}


# true if it has ended by itself

sub ended {
    my ($self) = @_;

    return 0 unless $self->{pid};
    return waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
}


1;
