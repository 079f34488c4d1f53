package MDM::Reports;

# Copyright (C) ngx_mdm_module authors
#
# Devices that send one result after the other while servers fail, and write
# down what was taken; each is sent until it is.
#
#     $t->write_conf(mdm => MDM::Reports->conf, …);
#     my @d = map { MDM::Reports->device($t, $_) } 'A', 'B';
#     my $load = MDM::Reports->begin(devices => \@d, on => [ $t, $other ],
#                                    pause => 0.005);
#     $load->count;
#     $load->end;                          # false: it had to be killed
#     $load->{file}                        # lines "id TAB uuid TAB status"
#
# "on" is whom they ask, by chance.  The CommandUUIDs of a device end with -1,
# -2, …  They come through a proxy, which saves handshakes of TLS.

use strict;
use warnings;

use POSIX ();
use Time::HiRes qw(sleep);

use MDM::Util qw(read_file wait_exit wait_for write_file);

my $count = 0;


sub conf {
    return 'mdm_certificate header X-Cert; mdm_trusted_certificate %%CA%%;'
        . ' mdm_trusted_proxy 127.0.0.1;';
}


# one that has enrolled; a busy disk may be too slow for replicas at first

sub device {
    my ($class, $t, $id) = @_;

    my $pem = $t->cert(cn => $id)->{pem}
        =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
    my $d = $t->device($id, cert => undef, plain => 1,
                       headers => [ 'X-Cert' => $pem ]);

    return wait_for(30, sub { eval { $d->enroll } })
           // die "$id cannot enroll: $@";
}


sub begin {
    my ($class, %o) = @_;

    my $dir = $o{on}[0]->dir;
    my $self = bless { pause => 0.005, %o,
                       file => "$dir/reports-" . ++$count }, $class;

    # connections that two processes use are none

    $_->{clients} = {} for @{$o{on}};

    write_file($self->{file}, '');

    $self->{pid} = fork // die "fork: $!";
    $self->_run if !$self->{pid};

    return $self;
}


sub _run {
    my ($self) = @_;

    my $parent = getppid;

    srand;
    open my $out, '>>', $self->{file} or POSIX::_exit(1);

    my @devices = @{$self->{devices}};
    my @on = @{$self->{on}};
    my %next = map { $_->id => 1 } @devices;

    for (my $i = 0; getppid == $parent; $i++) {
        last if -e "$self->{file}.stop";

        my $d = $devices[$i % @devices];
        my $uuid = $d->id . '-' . $next{$d->id};

        # now and then another worker

        $d->{test} = $on[int rand @on];
        $d->{test}{clients} = {} if rand() < 0.1;

        my $r = eval { $d->report('Acknowledged', $uuid) };

        if ($r && $r->status == 200) {
            syswrite $out, join("\t", $d->id, $uuid, 'Acknowledged') . "\n";
            $next{$d->id}++;
        }

        sleep $self->{pause};
    }

    POSIX::_exit(0);
}


sub count {
    my ($self) = @_;

    return scalar(() = read_file($self->{file}) =~ /\n/g);
}


sub end {
    my ($self) = @_;

    write_file("$self->{file}.stop", '');

    my $rc = wait_exit($self->{pid}, 30);

    kill 'KILL', $self->{pid} unless defined $rc;
    $self->{pid} = undef;

    return defined $rc && $rc == 0;
}


sub DESTROY {
    my ($self) = @_;

    local $?;

    if ($self->{pid} && $self->{pid} != $$) {
        kill 'KILL', $self->{pid};
        waitpid $self->{pid}, 0;
    }

    return;
}


1;
