package MDM::APNs;

# Copyright (C) ngx_mdm_module authors
#
# Apple's push service on loopback (build/mdmapns), and a proxy on the way to
# it (build/mdmconnect).
#
#     my $apns = MDM::APNs->new(dir => $t->dir);
#     my $cert = $apns->cert('com.apple.mgmt.External.test');
#     $apns->conf($cert)                   lines for http
#     $apns->tell('rule * 410 Unregistered')
#     $apns->stat->{accepted}
#     $apns->ledger                        what came, a hash each
#
#     my $proxy = MDM::APNs::Proxy->new(upstream => $apns->port);
#     $proxy->tell('auth joe:secret');
#     $proxy->count->{connections}

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

our $root = Cwd::abs_path(__FILE__ =~ s{t/lib/MDM/APNs\.pm$}{}r || '.');


sub new {
    my ($class, %o) = @_;

    my $n = ++$count;
    my $dir = "$o{dir}/apns-$n";

    mkdir $dir or die "$dir: $!";

    my $self = bless { dir => $dir, port => free_port(),
                       control => "$dir/control", ledger => "$dir/ledger" },
               $class;

    # of the server, and of the certificates that Apple gives out

    $self->{ca} = $o{ca} || MDM::PKI->new(dir => $dir, name => 'APNs CA');
    $self->{server} = $self->{ca}->issue(cn => 'apns', purpose => 'server',
        san => [ [ IP => '127.0.0.1' ], [ DNS => 'localhost' ],
                 [ DNS => 'api.push.example' ] ]);

    return $self->start;
}


sub start {
    my ($self) = @_;

    $self->{pid} = spawn({ out => "$self->{dir}/log", append => 1 },
        "$root/build/mdmapns", '--port', $self->{port},
        '--control', $self->{control}, '--cert', $self->{server}{file},
        '--key', $self->{server}{key}, '--ca', $self->{ca}{file},
        '--ledger', $self->{ledger});

    wait_for(10, sub { -S $self->{control}
                       && eval { $self->tell('stat') } })
        or die 'mdmapns: ' . read_file("$self->{dir}/log");

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


# a push certificate; the files are for one user only, as nginx wants the key

sub cert {
    my ($self, $topic, %o) = @_;

    my $ca = delete $o{ca} || $self->{ca};
    my $cert = $ca->issue(cn => "APSP:$topic", uid => $topic, %o);

    chmod 0600, $cert->{key};

    return $cert;
}


sub conf {
    my ($self, @certs) = @_;

    return 'mdm_push on;'
           . " mdm_push_server 127.0.0.1:$self->{port};"
           . " mdm_push_trusted_certificate $self->{ca}{file};"
           . join '', map { " mdm_push_certificate $_->{file} $_->{key};" }
                      @certs;
}


# one line; what is answered, which is no error

sub tell {
    my ($self, $line) = @_;

    my $s = $self->{sock} ||= IO::Socket::UNIX->new(Peer => $self->{control})
        or die "control: $!";

    print {$s} "$line\n";

    IO::Select->new($s)->can_read(10) or die "no answer to \"$line\"";

    my $answer = <$s> // die "mdmapns is gone: "
                             . read_file("$self->{dir}/log");

    $answer =~ /^error/ and die "$line: $answer";
    chomp $answer;

    return $answer;
}


sub stat { my ($self) = @_; return { split ' ', $self->tell('stat') } }


# forgets what has been and how to answer; nothing is counted any more

sub clear {
    my ($self) = @_;

    $self->tell($_) for 'clear', 'delay 0', 'stall 0', 'deaf 0',
        'streams 500', 'streams-taken 0', 'streams-bad 0', 'alpn h2',
        'client ok', 'goaway-after 0', 'goaway-times 0', 'reset-after 0', 'listen on';
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


# a device that is awake: a socket on which pushes are read

sub device {
    my ($self, $token) = @_;

    my $s = IO::Socket::UNIX->new(Peer => $self->{control})
        or die "control: $!";

    print {$s} "device $token\n";

    return $s;
}


sub DESTROY { local $?; $_[0]->stop; return }


package MDM::APNs::Proxy;

use strict;
use warnings;

use IO::Socket::INET;
use IPC::Open2 qw(open2);


sub new {
    my ($class, %o) = @_;

    my $self = bless { port => MDM::Util::free_port() }, $class;

    $self->{pid} = open2($self->{out}, $self->{in},
                         "$MDM::APNs::root/build/mdmconnect", $self->{port},
                         $o{upstream} // 0);

    $self->tell('well');

    return $self;
}


sub port { return $_[0]{port} }


sub tell {
    my ($self, $line) = @_;

    print {$self->{in}} "$line\n";
    $self->{in}->flush;

    my $answer = readline($self->{out}) // die 'mdmconnect is gone';

    chomp $answer;
    $answer eq 'error' and die "$line: error";

    return $answer;
}


sub count {
    my ($self) = @_;

    my ($connections, $requests, $last) = $self->tell('count')
        =~ /^connections (\d+) requests (\d+) last (.*)$/;

    return { connections => $connections, requests => $requests,
             last => $last };
}


sub stop {
    my ($self) = @_;

    return unless $self->{pid};

    close $self->{in};
    MDM::Util::wait_exit($self->{pid}, 10);
    $self->{pid} = undef;

    return;
}


sub DESTROY { local $?; $_[0]->stop; return }


1;
