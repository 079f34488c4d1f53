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

use parent 'MDM::StandIn';

use IO::Socket::UNIX;

use MDM::PKI;

my $count = 0;


sub new {
    my ($class, %o) = @_;

    my $dir = "$o{dir}/apns-" . ++$count;
    my $self = $class->create($dir);

    # of the server, and of the certificates that Apple gives out

    $self->{ca} = $o{ca} || MDM::PKI->new(dir => $dir, name => 'APNs CA');
    $self->{server} = $self->{ca}->issue(cn => 'apns', purpose => 'server',
        san => [ [ IP => '127.0.0.1' ], [ DNS => 'localhost' ],
                 [ DNS => 'api.push.example' ] ]);

    return $self->start;
}


sub start {
    my ($self) = @_;

    return $self->launch('mdmapns', '--cert', $self->{server}{file},
        '--key', $self->{server}{key}, '--ca', $self->{ca}{file});
}


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


# forgets what has been and how to answer; nothing is counted any more

sub clear {
    my ($self) = @_;

    $self->tell($_) for 'clear', 'delay 0', 'stall 0', 'deaf 0',
        'streams 500', 'streams-taken 0', 'streams-bad 0', 'alpn h2',
        'client ok', 'goaway-after 0', 'goaway-times 0', 'reset-after 0',
        'listen on';
    $self->forget;

    return;
}


# a device that is awake: a socket on which pushes are read

sub device {
    my ($self, $token) = @_;

    my $s = IO::Socket::UNIX->new(Peer => $self->{control})
        or die "control: $!";

    print {$s} "device $token\n";

    return $s;
}


package MDM::APNs::Proxy;

use strict;
use warnings;

use IO::Socket::INET;
use IPC::Open2 qw(open2);


sub new {
    my ($class, %o) = @_;

    my $self = bless { port => MDM::Util::free_port() }, $class;

    $self->{pid} = open2($self->{out}, $self->{in},
                         "$MDM::StandIn::root/build/mdmconnect", $self->{port},
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
