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
# san, client_ca (whose certificates clients must have), hmac_key, brief (1: a
# ledger without heads and bodies).

use strict;
use warnings;

use parent 'MDM::StandIn';

use MDM::PKI;
use MDM::Util qw(write_file);

my $count = 0;


sub new {
    my ($class, %o) = @_;

    my $dir = "$o{dir}/sink-" . ++$count;
    my $self = $class->create($dir, tls => 1, %o);

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

    return $self->launch('mdmsink', ($self->{brief} ? ('--brief', 1) : ()),
        ($server ? ('--cert', $server->{file}, '--key', $server->{key}) : ()),
        ($self->{client_ca} ? ('--ca', $self->{client_ca}{file}) : ()),
        ($self->{hmac_file} ? ('--hmac-key', $self->{hmac_file}) : ()));
}


sub url {
    my ($self, $path, $host) = @_;

    return ($self->{tls} ? 'https' : 'http') . '://' . ($host // '127.0.0.1')
           . ":$self->{port}" . ($path // '/');
}


# forgets what has been and how to answer; nothing is counted any more

sub clear {
    my ($self) = @_;

    $self->tell($_) for 'clear', 'listen on';
    $self->forget;

    return;
}


1;
