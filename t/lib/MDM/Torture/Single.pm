package MDM::Torture::Single;

# Copyright (C) ngx_mdm_module authors
#
# One redis-server with an AOF that is synced at each write, behind a proxy
# that cuts connections.

use strict;
use warnings;

use parent 'MDM::Torture::Topology';

use IO::Handle;
use POSIX ();

use MDM::Torture::Node;
use MDM::Util qw(free_port wait_for);


# faults a minute

sub rates {
    my ($self) = @_;

    my $control = $self->{control} // '';

    return (kill => 30) if $control eq 'everysec';
    return (cut => 5) if $control eq 'nopin';

    return (kill => 3, stop => 4, pause => 4, cut => 30, half => 3,
            stall => 3, delay => 3, chop => 2, disconnect => 3);
}


sub start {
    my ($self) = @_;

    my $everysec = ($self->{control} // '') eq 'everysec';

    $self->{node} = MDM::Torture::Node->new(
        dir => "$self->{dir}/redis",
        args => [ '--save', '', '--appendonly', 'yes', '--appendfsync',
                  $everysec ? 'everysec' : 'always',
                  '--auto-aof-rewrite-min-size', '32mb',
                  $self->loading,
                  '--loglevel', 'notice' ],
        env => $everysec ? { LD_PRELOAD => "$self->{root}/build/slowsync.so",
                             SLOWSYNC_MS => 2500 } : {})->launch;

    $self->{proxy_port} = free_port();

    pipe my $in, my $out or die "pipe: $!";

    my $pid = fork // die "fork: $!";

    if (!$pid) {
        close $out;
        open STDIN, '<&', $in;
        open STDOUT, '>', "$self->{dir}/proxy.out";
        open STDERR, '>', "$self->{dir}/proxy.err";
        { no warnings "exec"; exec "$self->{root}/build/mdmproxy", $self->{proxy_port},
             $self->{node}->port, $self->{seed}; }
        POSIX::_exit(127);
    }

    close $in;
    $out->autoflush(1);
    $self->{proxy} = $out;
    $self->{proxy_pid} = $pid;

    return;
}


sub connections { return 64 }
sub nodes { return $_[0]{node} }
sub masters { return $_[0]{node} }


sub store {
    my ($self) = @_;

    return "server 127.0.0.1:$self->{proxy_port};";
}


sub healthy { my ($self) = @_; return $self->{node}->up }


sub fault {
    my ($self, $what) = @_;

    my $node = $self->{node};

    if ($what eq 'kill') {
        return 0 unless $node->up;
        $self->kill_node($node, $self->random(50, 800));

    } elsif ($what eq 'stop') {
        return 0 unless $node->pid;
        $self->stop_node($node, $self->random(50, 1800));

    } elsif ($what eq 'pause') {
        return $self->pause_node($node, $self->random(50, 1500));

    } elsif ($what eq 'disconnect') {
        return $self->disconnect_node($node);

    } elsif ($what eq 'cut') {

        # mostly inside a reply, which has 4 to 1,000 bytes

        $self->tell('cut ' . ($self->random(1, 4) == 1 ? 'request ' : 'reply ')
                    . $self->random(1, $self->random(1, 3) == 1 ? 20000
                                                                 : 300));

    } elsif ($what eq 'half') {
        $self->tell('half');

    } elsif ($what eq 'stall') {
        $self->tell('stall ' . $self->random(50, 1500));

    } elsif ($what eq 'delay') {
        $self->tell('delay ' . $self->random(5, 200) . ' '
                    . $self->random(200, 1500));

    } elsif ($what eq 'chop') {
        $self->tell('chop ' . $self->random(200, 1000));

    } else {
        die "no fault \"$what\"";
    }

    return 1;
}


sub tell {
    my ($self, $line) = @_;

    print {$self->{proxy}} "$line\n";

    return;
}


# what the proxy did in fact

sub counts {
    my ($self) = @_;

    $self->tell('count');

    my $text = wait_for(5, sub {
        my $said = MDM::Util::read_file("$self->{dir}/proxy.out");
        return $said =~ /\n\z/ ? $said : undef;
    }) // '';

    my %n = $text =~ /(\w+) (\d+)/g;

    return (cuts => $n{cuts} // 0, stalls => $n{stalls} // 0,
            halves => $n{halves} // 0, delays => $n{delays} // 0,
            chops => $n{chops} // 0);
}


sub finish {
    my ($self) = @_;

    close delete $self->{proxy} if $self->{proxy};

    if (my $pid = delete $self->{proxy_pid}) {
        kill 'KILL', $pid;
        waitpid $pid, 0;
    }

    return $self->SUPER::finish;
}


1;
