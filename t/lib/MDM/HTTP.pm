package MDM::HTTP;

# Copyright (C) ngx_mdm_module authors
#
# An HTTP/1.1 client that does what a test asks, also what no good client
# would do.
#
#     my $c = MDM::HTTP->new(port => P, cert => $cert, plain => 1);
#     my $r = $c->request('PUT', '/mdm', body => …, headers => [a => 1, …],
#                         chunked => 1, pieces => […], delay => 0.05);
#     $r->status, $r->body, $r->header('Retry-After'), $r->json
#
# headers: a list, so that one may come twice.  chunked: a number is the size
# of a chunk (1: the whole body in one).  pieces: what is written at a time,
# numbers of bytes, with "delay" seconds between.  no_length: neither
# Content-Length nor chunks.  raw: the whole request as text.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::SSL;
use Time::HiRes qw(sleep time);


sub new {
    my ($class, %o) = @_;

    return bless { host => '127.0.0.1', timeout => 20, %o }, $class;
}


sub connect {
    my ($self) = @_;

    my %tcp = (PeerAddr => $self->{host}, PeerPort => $self->{port},
               Proto => 'tcp', Timeout => 10);

    if ($self->{plain}) {
        $self->{sock} = IO::Socket::INET->new(%tcp)
            or die "connect to port $self->{port}: $@\n";

    } else {
        my $cert = $self->{cert};

        $self->{sock} = IO::Socket::SSL->new(%tcp,
            SSL_verify_mode => SSL_VERIFY_NONE,
            SSL_ca => [],                # or it reads the system's, 27 ms
            SSL_hostname => $self->{sni} || 'localhost',
            ($self->{tls} ? (SSL_version => $self->{tls}) : ()),
            ($cert ? (SSL_use_cert => 1, SSL_cert_file => $cert->{file},
                      SSL_key_file => $cert->{key}) : ()),
        ) or die "TLS connect to port $self->{port}: $! "
            . IO::Socket::SSL::errstr() . "\n";
    }

    $self->{sock}->blocking(1);
    $self->{buf} = '';
    $self->{connects}++;

    return $self;
}


sub close {
    my ($self) = @_;

    if ($self->{sock}) {
        $self->{plain} ? CORE::close($self->{sock})
                       : $self->{sock}->close(SSL_no_shutdown => 1);
        $self->{sock} = undef;
    }

    return;
}


# is the connection still there?  what the server closed while it was idle
# can be read

sub alive {
    my ($self) = @_;

    return 0 unless $self->{sock};

    # a session ticket of TLS 1.3 can be read, too, and is no end

    while (IO::Select->new($self->{sock})->can_read(0)) {
        return 0 if $self->{plain};

        $self->{sock}->blocking(0);
        my $n = sysread $self->{sock}, my $byte, 1;
        my $again = $SSL_ERROR == SSL_WANT_READ;
        $self->{sock}->blocking(1);

        return 0 if defined $n || !$again;
    }

    return 1;
}


sub request {
    my ($self, $method, $path, %o) = @_;

    $self->send_request($method, $path, %o);

    return $self->read_response($method);
}


sub send_request {
    my ($self, $method, $path, %o) = @_;

    $self->close if $self->{sock} && !$self->alive;
    $self->connect unless $self->{sock};

    my $out = $o{raw} // _format($method, $path, \%o);

    local $SIG{PIPE} = 'IGNORE';

    my @pieces = $o{pieces} ? @{$o{pieces}} : ();

    while (length $out) {
        my $piece = substr $out, 0, (@pieces ? shift @pieces : length $out),
                           '';

        $self->_write($piece) or last;
        sleep $o{delay} if $o{delay} && length $out;
    }

    return $self;
}


sub _format {
    my ($method, $path, $o) = @_;

    my $body = $o->{body};
    my @h = ref $o->{headers} eq 'HASH' ? %{$o->{headers}}
                                        : @{$o->{headers} || []};
    my %has;

    for (my $i = 0; $i < @h; $i += 2) {
        $has{lc $h[$i]} = 1;
    }

    my $out = "$method $path HTTP/1.1\r\n";

    $out .= "Host: localhost\r\n" unless $has{host};

    while (my ($name, $value) = splice @h, 0, 2) {
        $out .= "$name: $value\r\n";
    }

    if ($o->{chunked}) {
        my $size = $o->{chunked} > 1 ? $o->{chunked} : length $body || 1;

        $out .= "Transfer-Encoding: chunked\r\n\r\n";

        while (length $body) {
            my $chunk = substr $body, 0, $size, '';

            $out .= sprintf("%x\r\n", length $chunk) . "$chunk\r\n";
        }

        return $out . "0\r\n\r\n";
    }

    if (defined $body && !$has{'content-length'} && !$o->{no_length}) {
        $out .= 'Content-Length: ' . length($body) . "\r\n";
    }

    return "$out\r\n" . ($body // '');
}


sub _write {
    my ($self, $data) = @_;

    my $off = 0;

    while ($off < length $data) {
        my $n = syswrite $self->{sock}, $data,
                         min(length($data) - $off, 16384), $off;

        # the server may answer, and close, before it has read all

        return 0 unless defined $n;
        $off += $n;
    }

    return 1;
}


sub min { return $_[0] < $_[1] ? $_[0] : $_[1] }


sub read_response {
    my ($self, $method) = @_;

    my ($head, $r);

    $self->{end} = time + $self->{timeout};

    do {
        my $i;

        while (($i = index $self->{buf}, "\r\n\r\n") < 0) {
            $self->_fill or die "no response: the connection was closed"
                . " after \"" . substr($self->{buf}, 0, 80) . "\"\n";
        }

        $head = substr $self->{buf}, 0, $i + 4, '';
        $r = MDM::HTTP::Response->parse($head);

    } while ($r->status == 100);

    my $te = $r->header('Transfer-Encoding') // '';
    my $length = $r->header('Content-Length');
    my $body = '';

    if (($method // '') eq 'HEAD' || $r->status =~ /^(?:204|304)$/) {
        # no body

    } elsif ($te eq 'chunked') {
        while (1) {
            $self->_fill_to(sub { index($self->{buf}, "\r\n") >= 0 });
            $self->{buf} =~ s/^([0-9a-fA-F]+)\r\n// or die "bad chunk";
            my $size = hex $1;

            $self->_fill_to(sub { length $self->{buf} >= $size + 2 });
            $body .= substr $self->{buf}, 0, $size, '';
            substr $self->{buf}, 0, 2, '';
            last if $size == 0;
        }

    } elsif (defined $length) {
        $self->_fill_to(sub { length $self->{buf} >= $length });
        $body = substr $self->{buf}, 0, $length, '';

    } else {
        1 while $self->_fill;
        ($body, $self->{buf}) = ($self->{buf}, '');
    }

    $r->{body} = $body;

    if (lc($r->header('Connection') // '') eq 'close') {
        $self->close;
    }

    return $r;
}


sub _fill_to {
    my ($self, $enough) = @_;

    until ($enough->()) {
        $self->_fill or die "the response ended too early\n";
    }

    return;
}


sub _fill {
    my ($self) = @_;

    my $sock = $self->{sock} or return 0;

    unless (!$self->{plain} && $sock->pending) {
        my $left = $self->{end} - time;

        IO::Select->new($sock)->can_read($left > 0 ? $left : 0)
            or die "no response within $self->{timeout} s\n";
    }

    my $n = sysread $sock, $self->{buf}, 65536, length $self->{buf};

    return $n ? 1 : 0;
}


package MDM::HTTP::Response;

use JSON::PP ();


sub parse {
    my ($class, $head) = @_;

    my ($line, @lines) = split /\r\n/, $head;

    $line =~ m{^HTTP/([\d.]+) (\d{3})} or die "bad status line: $line\n";

    my $self = bless { version => $1, status => 0 + $2, headers => [],
                       body => '' }, $class;

    for (@lines) {
        my ($name, $value) = /^([^:]+):\s*(.*?)\s*$/ or next;

        push @{$self->{headers}}, [ $name, $value ];
    }

    return $self;
}


sub status { return $_[0]{status} }
sub body { return $_[0]{body} }


sub header {
    my ($self, $name) = @_;

    my @values = map { $_->[1] }
                 grep { lc $_->[0] eq lc $name } @{$self->{headers}};

    return @values ? join(', ', @values) : undef;
}


sub json {
    my ($self) = @_;

    return JSON::PP->new->utf8->decode($self->{body});
}


sub plist {
    my ($self) = @_;

    require MDM::Plist;

    return MDM::Plist::plist_read($self->{body});
}


1;
