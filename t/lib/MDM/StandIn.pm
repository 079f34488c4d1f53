package MDM::StandIn;

# Copyright (C) ngx_mdm_module authors
#
# What stands for somebody else's server on loopback, such as mdmapns and
# mdmsink: a program with a control socket that takes lines, and a ledger of
# what came, a line of JSON each.
#
#     $self->launch('mdmsink', '--hmac-key', $file);
#     $self->tell('rule * 503 times=1'); $self->stat->{requests};
#     $self->forget; $self->ledger;        # what came since
#     $self->stop;

use strict;
use warnings;

use Cwd ();
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();

use MDM::Util qw(free_port read_file slurp_from spawn wait_exit wait_for);

our $root = Cwd::abs_path(__FILE__ =~ s{t/lib/MDM/StandIn\.pm$}{}r || '.');


# it gets a directory of its own in that of the test

sub create {
    my ($class, $dir, %o) = @_;

    mkdir $dir or die "$dir: $!";

    return bless { %o, dir => $dir, port => free_port(),
                   control => "$dir/control", ledger => "$dir/ledger" },
                 $class;
}


sub launch {
    my ($self, $program, @args) = @_;

    $self->{program} = $program;
    $self->{pid} = spawn({ out => "$self->{dir}/log", append => 1 },
        "$root/build/$program", '--port', $self->{port},
        '--control', $self->{control}, '--ledger', $self->{ledger}, @args);

    wait_for(10, sub { -S $self->{control} && eval { $self->tell('stat') } })
        or die "$program: " . read_file("$self->{dir}/log");

    return $self;
}


sub stop {
    my ($self) = @_;

    return unless $self->{pid};

    kill 'TERM', $self->{pid};

    if (!defined wait_exit($self->{pid}, 10)) {
        kill 'KILL', $self->{pid};
        wait_exit($self->{pid}, 10);
    }

    $self->{pid} = undef;
    delete $self->{sock};
    unlink $self->{control};

    return;
}


sub port { return $_[0]{port} }
sub ca { return $_[0]{ca} }


# one line; what is answered, which is no error

sub tell {
    my ($self, $line) = @_;

    my $s = $self->{sock} ||= IO::Socket::UNIX->new(Peer => $self->{control})
        or die "control: $!";

    print {$s} "$line\n";

    IO::Select->new($s)->can_read(10) or die "no answer to \"$line\"";

    my $answer = <$s> // die "$self->{program} is gone: "
                             . read_file("$self->{dir}/log");

    $answer =~ /^error/ and die "$line: $answer";
    chomp $answer;

    return $answer;
}


sub stat { my ($self) = @_; return { split ' ', $self->tell('stat') } }


# what is in the ledger by now

sub forget {
    my ($self) = @_;

    $self->{from} = -s $self->{ledger} || 0;

    return;
}


sub ledger {
    my ($self) = @_;

    my $text = slurp_from($self->{ledger}, $self->{from} // 0);

    # a line that is being written ends later

    $text =~ s/[^\n]*\z//;

    return map { JSON::PP->new->decode($_) } split /\n/, $text;
}


sub DESTROY { local $?; $_[0]->stop; return }


1;
