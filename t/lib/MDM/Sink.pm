package MDM::Sink;

# Copyright (C) ngx_mdm_module authors
#
# A server on loopback that takes HTTP requests, such as webhooks, well or badly
# (build/mdmsink; t/sim/mdmsink.c says what it can be told).
#
#     my $sink = MDM::Sink->new(dir => $t->dir, hmac_key => 'secret');
#     $sink->url('/hook')
#     $sink->tell('rule * 503 retry=2 times=1')
#     $sink->stat->{requests}
#     $sink->ledger                        what came since clear(), a hash each
#
# new() takes tls (1; 0: plain HTTP), ca (MDM::PKI that its certificate is of),
# san, client_ca (whose certificates clients must have), hmac_key.

use strict;
use warnings;

use Cwd ();
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP ();

use MDM::PKI;
use MDM::Util qw(free_port read_file slurp_from spawn wait_exit wait_for
                 write_file);

my $count = 0;
my $root = Cwd::abs_path(__FILE__ =~ s{t/lib/MDM/Sink\.pm$}{}r || '.');


sub new {
    my ($class, %o) = @_;

    my $dir = "$o{dir}/sink-" . ++$count;

    mkdir $dir or die "$dir: $!";

    my $self = bless { tls => 1, %o, dir => $dir, port => free_port(),
                       control => "$dir/control", ledger => "$dir/ledger" },
               $class;

    if ($self->{tls}) {
        $self->{ca} ||= MDM::PKI->new(dir => $dir, name => 'Sink CA');
        $self->{server} = $self->{ca}->issue(cn => 'sink', purpose => 'server',
            san => $o{san} || [ [ IP => '127.0.0.1' ], [ DNS => 'localhost' ],
                                [ DNS => 'sink.example' ] ]);
    }

    if (defined $o{hmac_key}) {
        $self->{hmac_file} = write_file("$dir/hmac.key", $o{hmac_key});
        chmod 0600, $self->{hmac_file};
    }

    return $self->start;
}


sub start {
    my ($self) = @_;

    my $server = $self->{server};

    $self->{pid} = spawn({ out => "$self->{dir}/log", append => 1 },
        "$root/build/mdmsink", '--port', $self->{port},
        '--control', $self->{control}, '--ledger', $self->{ledger},
        ($server ? ('--cert', $server->{file}, '--key', $server->{key}) : ()),
        ($self->{client_ca} ? ('--ca', $self->{client_ca}{file}) : ()),
        ($self->{hmac_file} ? ('--hmac-key', $self->{hmac_file}) : ()));

    wait_for(10, sub { -S $self->{control} && eval { $self->tell('stat') } })
        or die 'mdmsink: ' . read_file("$self->{dir}/log");

    return $self;
}


sub stop {
    my ($self) = @_;

    return unless $self->{pid};

    kill 'TERM', $self->{pid};
    wait_exit($self->{pid}, 10);
    $self->{pid} = undef;
    delete $self->{sock};
    unlink $self->{control};

    return;
}


sub port { return $_[0]{port} }
sub ca { return $_[0]{ca} }


sub url {
    my ($self, $path, $host) = @_;

    return ($self->{tls} ? 'https' : 'http') . '://' . ($host // '127.0.0.1')
           . ":$self->{port}" . ($path // '/');
}


# one line; what is answered, which is no error

sub tell {
    my ($self, $line) = @_;

    my $s = $self->{sock} ||= IO::Socket::UNIX->new(Peer => $self->{control})
        or die "control: $!";

    print {$s} "$line\n";

    IO::Select->new($s)->can_read(10) or die "no answer to \"$line\"";

    my $answer = <$s> // die "mdmsink is gone: "
                             . read_file("$self->{dir}/log");

    $answer =~ /^error/ and die "$line: $answer";
    chomp $answer;

    return $answer;
}


sub stat { my ($self) = @_; return { split ' ', $self->tell('stat') } }


# forgets what has been and how to answer; nothing is counted any more

sub clear {
    my ($self) = @_;

    $self->tell($_) for 'clear', 'listen on';
    $self->{from} = -s $self->{ledger} || 0;

    return;
}


# since clear()

sub ledger {
    my ($self) = @_;

    my $text = slurp_from($self->{ledger}, $self->{from} // 0);

    # a line that is being written ends later

    $text =~ s/[^\n]*\z//;

    return map { JSON::PP->new->decode($_) } split /\n/, $text;
}


sub DESTROY { local $?; $_[0]->stop; return }


1;
