package MDM::DNS;

# Copyright (C) ngx_mdm_module authors
#
# A name server of a test's own: A records, for 1 second each.
#
#     my $dns = MDM::DNS->new(file => FILE);
#     $dns->set('redis.example' => [ '127.0.0.1', '127.0.0.2' ]);
#     $dns->port; $dns->pause; $dns->resume; $dns->stop;

use strict;
use warnings;

use IO::Socket::INET;

use MDM::Util qw(read_file replace_file);


sub new {
    my ($class, %o) = @_;

    my $self = bless { file => $o{file}, names => {} }, $class;
    my $s = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1')
        or die "udp: $!";

    $self->{port} = $s->sockport;
    $self->set;
    $self->{pid} = fork // die "fork: $!";

    if ($self->{pid} == 0) {
        local $SIG{TERM} = 'DEFAULT';

        my $parent = getppid;

        while (getppid == $parent) {
            my $ready = '';

            vec($ready, fileno $s, 1) = 1;
            next unless select $ready, undef, undef, 1;

            my $from = $s->recv(my $query, 512);

            $s->send($self->_answer($query), 0, $from) if defined $from;
        }

        require POSIX;
        POSIX::_exit(0);
    }

    return $self;
}


sub port { return $_[0]{port} }


sub set {
    my ($self, %names) = @_;

    my %all = %{$self->{names}} = (%{$self->{names}}, %names);

    replace_file($self->{file}, map { "$_ @{$all{$_}}\n" } sort keys %all);

    return;
}


sub _answer {
    my ($self, $query) = @_;

    my ($id) = unpack 'n', $query;
    my ($pos, @labels) = 12;

    while (my $len = ord substr $query, $pos, 1) {
        push @labels, substr $query, $pos + 1, $len;
        $pos += 1 + $len;
    }

    my $question = substr $query, 12, $pos + 5 - 12;
    my ($type) = unpack 'n', substr $query, $pos + 1, 2;
    my $name = lc join '.', @labels;
    my ($line) = read_file($self->{file}) =~ /^\Q$name\E (.*)$/m;
    my @addrs = $type == 1 && defined $line ? split / /, $line : ();

    return pack('nnnnnn', $id, defined $line ? 0x8180 : 0x8183, 1,
                scalar @addrs, 0, 0)
           . $question
           . join '', map { pack 'nnnNnC4', 0xc00c, 1, 1, 1, 4, split /\./ }
                      @addrs;
}


sub pause { my ($self) = @_; kill 'STOP', $self->{pid}; return }
sub resume { my ($self) = @_; kill 'CONT', $self->{pid}; return }


sub stop {
    my ($self) = @_;

    return unless $self->{pid};

    kill $_, $self->{pid} for 'CONT', 'TERM';
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;

    return;
}


1;
