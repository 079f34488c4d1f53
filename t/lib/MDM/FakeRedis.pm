package MDM::FakeRedis;

# Copyright (C) ngx_mdm_module authors
#
# A scripted Redis: speaks the protocol of a server, and misbehaves as told.
#
#     my $fake = MDM::FakeRedis->new(socket => PATH,        # or port => 0
#         upstream => $redis->socket,
#         script => sub {
#             my ($cmd, $n, $conn, $forward) = @_;
#             return $forward->() if uc $cmd->[0] ne 'EVALSHA';
#             return '-LOADING Redis is loading the dataset in memory';
#         });
#
# The script is called for each command: $cmd its words, $n its number on
# this connection, $conn the number of the connection, both from 1.
# $forward->() has the real server at "upstream" carry the command out and
# returns its reply as it came.  The script returns a list of actions that
# are carried out in order:
#
#     "+OK\r\n"             bytes to send (CR LF is added to a line)
#     { split => BYTES, size => N, delay => S }    sent N bytes a write
#     { sleep => S }        later
#     { stall => 1 }        no reply, and nothing more is read
#     { close => 1 }        the connection is closed; { reset => 1 }: by RST
#
# accept => sub { my ($conn) = @_; … } may return actions for a new
# connection.  Each connection is a process of its own, so nothing that the
# script remembers outlives it; $fake->commands reads back what came.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep time);

use MDM::Util qw(read_file write_file);


sub new {
    my ($class, %o) = @_;

    my $self = bless { %o }, $class;

    if ($o{socket}) {
        unlink $o{socket};
        $self->{listen} = IO::Socket::UNIX->new(Local => $o{socket},
            Listen => 64) or die "$o{socket}: $!";
        chmod 0777, $o{socket};

    } else {
        $self->{listen} = IO::Socket::INET->new(Listen => 64,
            LocalAddr => '127.0.0.1', LocalPort => $o{port} || 0,
            ReuseAddr => 1) or die "listen: $!";
        $self->{port} = $self->{listen}->sockport;
    }

    $self->{log} ||= ($o{socket} // "/tmp/mdm-fake-$$-$self->{port}")
                     . '.commands';
    write_file($self->{log}, '');

    return $self->start;
}


sub start {
    my ($self) = @_;

    my $parent = $$;
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        # this is a child, which must not run the test's END blocks
        eval { $self->_serve($parent) };
        print STDERR "# fake redis: $@" if $@;
        POSIX::_exit($@ ? 1 : 0);
    }

    $self->{pid} = $pid;
    $self->{owner} = $$;

    return $self;
}


sub port { return $_[0]{port} }
sub socket { return $_[0]{socket} }


# what came: a list of [connection, word, …]

sub commands {
    my ($self) = @_;

    return map { [ map { s/%([0-9a-f]{2})/chr hex $1/ger } split / / ] }
           split /\n/, read_file($self->{log});
}


# how many connections were accepted

sub connections {
    my ($self) = @_;

    my %seen = map { $_->[0] => 1 } $self->commands;

    return scalar keys %seen;
}


sub clear { write_file($_[0]{log}, ''); return }


# ends all connections and the listener

sub stop {
    my ($self) = @_;

    if ($self->{pid} && $self->{owner} == $$) {
        kill 'TERM', $self->{pid};
        waitpid $self->{pid}, 0;
        $self->{pid} = undef;
        close $self->{listen};
        unlink $self->{socket} if $self->{socket};
    }

    return;
}


sub DESTROY {
    my ($self) = @_;

    local $?;

    if (($self->{owner} // 0) == $$) {
        $self->stop;
        unlink $self->{log};
    }

    return;
}


sub _note {
    my ($self, $conn, @words) = @_;

    open my $fh, '>>:raw', $self->{log} or die "$self->{log}: $!";
    syswrite $fh, join(' ', $conn,
        map { s/([^\x21-\x24\x26-\x7e])/sprintf '%%%02x', ord $1/ger }
        @words) . "\n";

    return;
}


sub _serve {
    my ($self, $parent) = @_;

    my %children;
    my $conn = 0;

    $SIG{$_} = sub {
        kill 'KILL', keys %children;
        POSIX::_exit(0);
    } for qw(TERM INT HUP);

    $SIG{PIPE} = 'IGNORE';

    while (1) {
        my $rin = '';

        vec($rin, fileno $self->{listen}, 1) = 1;
        select $rin, undef, undef, 0.5;

        while ((my $gone = waitpid -1, POSIX::WNOHANG()) > 0) {
            delete $children{$gone};
        }

        if (getppid() != $parent) {
            kill 'KILL', keys %children;
            return;
        }

        next unless vec $rin, fileno $self->{listen}, 1;

        my $sock = $self->{listen}->accept or next;

        $conn++;
        $self->_note($conn, '(accepted)');

        my $pid = fork // die "fork: $!";

        if ($pid == 0) {
            $SIG{$_} = 'DEFAULT' for qw(TERM INT HUP);
            eval { $self->_connection($sock, $conn) };
            print STDERR "# fake redis: $@" if $@ && $@ ne "end\n";
            POSIX::_exit(0);
        }

        $children{$pid} = 1;
        close $sock;
    }
}


sub _connection {
    my ($self, $sock, $conn) = @_;

    close $self->{listen};

    if (!$self->{socket}) {
        setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    }

    my $n = 0;
    my %in = (sock => $sock, buf => '');

    if ($self->{accept}) {
        _act($sock, $self->{accept}->($conn));
    }

    while (my $cmd = _command(\%in)) {
        $self->_note($conn, @$cmd);

        my $forward = sub { return $self->_forward($cmd) };

        _act($sock, $self->{script}->($cmd, ++$n, $conn, $forward));
    }

    return;
}


sub _act {
    my ($sock, @actions) = @_;

    for my $action (@actions) {
        if (!ref $action) {
            $action .= "\r\n" unless $action =~ /\n\z/;
            _send($sock, $action);

        } elsif (defined $action->{split}) {
            my $bytes = $action->{split};

            while (length $bytes) {
                _send($sock, substr $bytes, 0, $action->{size} || 1, '');
                sleep $action->{delay} if $action->{delay};
            }

        } elsif ($action->{sleep}) {
            sleep $action->{sleep};

        } elsif ($action->{stall}) {
            sleep 3600;

        } elsif ($action->{reset}) {
            setsockopt $sock, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
            close $sock;
            die "end\n";

        } elsif ($action->{close}) {
            close $sock;
            die "end\n";

        } else {
            die "unknown action\n";
        }
    }

    return;
}


sub _send {
    my ($sock, $bytes) = @_;

    my $off = 0;

    while ($off < length $bytes) {
        my $n = syswrite $sock, $bytes, length($bytes) - $off, $off;

        die "end\n" unless defined $n;
        $off += $n;
    }

    return;
}


sub _line {
    my ($in) = @_;

    my $i;

    while (($i = index $in->{buf}, "\r\n") < 0) {
        sysread $in->{sock}, $in->{buf}, 65536, length $in->{buf} or return;
    }

    my $line = substr $in->{buf}, 0, $i;

    substr $in->{buf}, 0, $i + 2, '';

    return $line;
}


sub _bytes {
    my ($in, $len) = @_;

    while (length $in->{buf} < $len) {
        sysread $in->{sock}, $in->{buf}, 65536, length $in->{buf} or return;
    }

    return substr $in->{buf}, 0, $len, '';
}


sub _command {
    my ($in) = @_;

    my $line = _line($in) // return;
    my @words;

    # what is no array of strings is an error of the module under test

    $line =~ /^\*(\d+)$/ or die "bad command: $line\n";

    for (1 .. $1) {
        my $head = _line($in) // return;

        $head =~ /^\$(\d+)$/ or die "bad command: $head\n";

        my $word = _bytes($in, $1 + 2) // return;

        $word =~ s/\r\n\z// or die "bad command: no CR LF\n";
        push @words, $word;
    }

    return \@words;
}


# the raw reply of the real server

sub _forward {
    my ($self, $cmd) = @_;

    my $up = $self->{up} ||= do {
        my $sock = IO::Socket::UNIX->new(Peer => $self->{upstream})
            or die "upstream: $!\n";
        { sock => $sock, buf => '' };
    };

    _send($up->{sock}, '*' . @$cmd . "\r\n"
          . join '', map { '$' . length($_) . "\r\n$_\r\n" } @$cmd);

    return _raw($up);
}


sub _raw {
    my ($in) = @_;

    my $line = _line($in) // die "upstream is gone\n";
    my $raw = "$line\r\n";

    if ($line =~ /^\$(\d+)$/) {
        $raw .= _bytes($in, $1 + 2) // die "upstream is gone\n";

    } elsif ($line =~ /^\*(\d+)$/) {
        $raw .= _raw($in) for 1 .. $1;
    }

    return $raw;
}


1;
