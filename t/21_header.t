#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The client certificate in a header that a proxy sets: both forms, whose
# header is believed, and a real nginx in front.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::INET;
use IO::Socket::SSL;
use IO::Socket::UNIX;
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;
use MDM::HTTP;
use MDM::Util qw(read_file free_port);


my $header = 'mdm_checkin on; mdm_connect on;'
    . ' mdm_certificate header X-Client-Cert;';
my $proxy_port = free_port();

my $t = MDM->new(vars => { PROXY_PORT => $proxy_port }, http => <<'END',
    log_format h '$connection $mdm_enrollment_id $status';
    mdm_trusted_certificate %%CA%%;

    upstream mdm {
        server 127.0.0.1:%%PLAIN_PORT%%;
        keepalive 1;
    }
END
    locations => <<"END");
        location /h {
            $header
            mdm_trusted_proxy 127.0.0.1;
            access_log %%PREFIX%%/h.log h;
        }

        location /cidr {
            $header
            mdm_trusted_proxy 10.0.0.0/8 ::1;
            mdm_trusted_proxy 127.0.2.0/24;
        }

        location /real {
            $header
            mdm_trusted_proxy 127.0.0.1 8.8.8.8;
            set_real_ip_from 127.0.0.0/8;
            real_ip_header X-Forwarded-For;
            real_ip_recursive on;
            add_header X-Address \$remote_addr always;
        }

        location /both {
            mdm_checkin on;
            mdm_connect on;
            mdm_certificate tls header X-Client-Cert;
            mdm_trusted_proxy 127.0.0.1;
        }

        location /front {
            proxy_pass http://mdm/h;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Client-Cert \$ssl_client_escaped_cert;
        }

        location /address { return 200 "\$remote_addr"; }
        location /api/ { mdm_api on; }
    }

    server {
        listen unix:%%PREFIX%%/h.sock;

        location /unix {
            $header
            mdm_trusted_proxy unix:;
        }

        location /unix-not {
            $header
            mdm_trusted_proxy 0.0.0.0/0 ::/0;
        }

        location /unix-real {
            $header
            mdm_trusted_proxy 127.0.0.1;
            set_real_ip_from unix:;
            real_ip_header X-Forwarded-For;
        }

        location /unix-real-trusted {
            $header
            mdm_trusted_proxy unix:;
            set_real_ip_from unix:;
            real_ip_header X-Forwarded-For;
        }
    }

    server {
        listen 127.0.0.1:%%PROXY_PORT%% proxy_protocol;
        set_real_ip_from 127.0.0.0/8;
        real_ip_header proxy_protocol;
        mdm_trusted_proxy 127.0.0.1;

        location /h { $header }
        location /address { return 200 "\$remote_addr"; }
END

$t->start;


sub escaped { return $_[0] =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger }
sub rfc9440 { return ':' . encode_base64($_[0]{der}, '') . ':' }


# a client from any address of loopback, by a Unix socket, with a PROXY line

sub from {
    my ($address, %o) = @_;

    my $port = $o{port} // $t->plain_port;
    my $c = MDM::HTTP->new(port => $port, plain => $o{tls} ? 0 : 1);

    if ($o{tls}) {
        $c->{sock} = IO::Socket::SSL->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->port, LocalAddr => $address, SSL_ca => [],
            SSL_verify_mode => SSL_VERIFY_NONE, SSL_hostname => 'localhost',
            SSL_use_cert => 1, SSL_cert_file => $o{tls}{file},
            SSL_key_file => $o{tls}{key}) or die "TLS from $address";

    } elsif ($address eq 'unix') {
        $c->{sock} = IO::Socket::UNIX->new(Peer => $t->dir . '/h.sock')
            or die "unix: $!";

    } else {
        $c->{sock} = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $port, LocalAddr => $address, Proto => 'tcp')
            or die "from $address: $@";
    }

    $c->{buf} = '';
    syswrite $c->{sock}, $o{proxy} if $o{proxy};

    return $c;
}

my $local = from('127.0.0.1');


# Idle of a device, with these headers

sub idle {
    my ($client, $path, $id, @headers) = @_;

    return $client->request('PUT', $path, headers => [ 'Content-Type' =>
        MDM::Device::CONNECT, @headers ],
        body => plist({ UDID => $id, Status => 'Idle' }));
}

sub idle_is {
    my ($status, $what, @how) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = idle(@how);

    is($r->status, $status, $what);

    return $r;
}

sub device {
    my ($id, $cert) = @_;

    return $t->device($id, path => '/h', cert => undef,
                      headers => [ 'X-Client-Cert' => rfc9440($cert) ],
                      real => $cert);
}

# over plain HTTP, as from a proxy that has ended TLS

{
    no warnings 'redefine';
    my $send = \&MDM::Device::send;

    *MDM::Device::send = sub {
        my ($self, @args) = @_;
        return $send->($self, @args, $self->{path} eq '/h' ? (plain => 1)
                                                           : ());
    };
}


# both forms

my $cert;

for (1 .. 50) {
    $cert = $t->cert(cn => 'A', org => "try $_");
    last if $cert->{pem} =~ /\+.*\+/s;
}

like($cert->{pem}, qr/\+/, 'a certificate whose base64 has a "+"');

my $a = device(A => $cert)->enroll;
my $cert_b = $t->cert(cn => 'B');
my $b = device(B => $cert_b)->enroll;

is($t->enqueue('A', $t->command('for-A', 'ProfileList'))->status, 200,
   'a command for a device');
is($a->uuid($a->idle), 'for-A', 'RFC 9440: the device is itself');
is($b->idle->body, '', 'RFC 9440: so is another');

my $pem = $cert->{pem};
my $escaped = escaped($pem);
my $oneline = $pem =~ s/\n//gr;

for my $case (
    [ 'escaped PEM' => $escaped ],
    [ 'escaped PEM, lower-case hexadecimals' =>
          $escaped =~ s/(%\w\w)/lc $1/ger ],
    [ 'escaped PEM, "+" as it is' => $escaped =~ s/%2B/+/gr ],
    [ 'escaped PEM, "+", "/" and "=" as they are' =>
          $escaped =~ s/%(2B|2F|3D)/chr hex $1/ger ],
    [ 'escaped PEM, CRLF' => escaped($pem =~ s/\n/\r\n/gr) ],
    [ 'escaped PEM, no line end' => escaped($pem =~ s/\n\z//r) ],
    [ 'escaped PEM, white space around' => '%0A%20' . $escaped . '%20%0a' ],
    [ 'PEM, line ends only escaped' => $pem =~ s/\n/%0A/gr ],
    [ 'RFC 9440' => rfc9440($cert) ],
) {
    my ($name, $value) = @$case;
    my $r = idle_is(200, $name, $local, '/h', 'A', 'X-Client-Cert', $value);

    is($a->uuid($r), 'for-A', "$name: the command is there");
    is(idle($local, '/h', 'B', 'X-Client-Cert', $value)->status, 403,
       "$name: but not for another id");
}

is(idle($local, '/h', 'A', 'x-client-CERT', rfc9440($cert))->status, 200,
   'the header\'s name in other letters');

isnt(idle($local, '/h', 'A', 'X-Client-Cert',
          $escaped =~ s/%2B/%20/gr)->status, 200, 'a "+" is no space');


# what is no certificate

my $dump = $t->redis_dump;
my $base64 = encode_base64($cert->{der}, '');

for my $case (
    [ 'nonsense' => 'nonsense' ],
    [ 'a colon' => ':' ],
    [ 'an empty byte sequence' => '::' ],
    [ 'no base64' => ':!!!!:' ],
    [ 'no closing colon' => ":$base64" ],
    [ 'text behind the closing colon' => ":$base64:x" ],
    [ 'two byte sequences' => ":$base64:, :$base64:" ],
    [ 'base64 without colons' => $base64 ],
    [ 'truncated' => ':' . encode_base64(substr($cert->{der}, 0, -3), '')
                     . ':' ],
    [ 'bytes behind it' => ':' . encode_base64("$cert->{der}x", '') . ':' ],
    [ 'no DER' => ':' . encode_base64('x' x 300, '') . ':' ],
    [ 'a PEM in a byte sequence' => ':' . encode_base64($pem, '') . ':' ],
    [ 'half an escape' => "$escaped%" ],
    [ 'no escape' => "$escaped%zz" ],
    [ 'a NUL' => "$escaped%00" ],
    [ 'two certificates' => escaped($pem . $pem) ],
    [ 'text before it' => escaped("x\n$pem") ],
    [ 'a key' => escaped(read_file($cert->{key})) ],
    [ 'no end line' => escaped($pem =~ s/-----END.*//sr) ],
    [ 'twice escaped' => escaped($escaped) ],
) {
    my ($name, $value) = @$case;

    idle_is(400, "400: $name", $local, '/h', 'A', 'X-Client-Cert', $value);
}

for my $case ([ 'none' ], [ 'an empty one', 'X-Client-Cert' => '' ],
              [ 'of another name', 'Client-Cert' => rfc9440($cert) ],
              [ 'of a name alike', 'X_Client_Cert' => rfc9440($cert) ],
              [ 'of a longer name', 'X-Client-Cert2' => rfc9440($cert) ])
{
    my ($name, @h) = @$case;

    idle_is(403, "403: header: $name", $local, '/h', 'A', @h);
}

for my $case ([ 'the same' => $cert, $cert ], [ 'another' => $cert, $cert_b ])
{
    my ($name, @c) = @$case;

    idle_is(400, "400: the header twice, $name", $local, '/h', 'A',
            map { ('X-Client-Cert' => rfc9440($_)) } @c);
}

idle_is(400, '400: an empty header and a full one', $local, '/h', 'A',
        'X-Client-Cert' => '', 'X-Client-Cert' => rfc9440($cert));

# what is one, but not good

my $foreign = $t->foreign_cert(cn => 'A');

for my $case ([ 'expired', $t->cert(cn => 'A', expired => 1) ],
              [ 'not valid yet', $t->cert(cn => 'A', future => 1) ],
              [ 'a foreign CA', $foreign ],
              [ 'no clientAuth', $t->cert(cn => 'A', purpose => 'server') ],
              [ 'not the one that is pinned', $t->cert(cn => 'A') ],
              [ 'the CA itself', { der => decode_base64(
                    $t->ca->{pem} =~ s/-----.*//gr) } ])
{
    my ($name, $c) = @$case;

    idle_is(403, "403: $name", $local, '/h', 'A',
            'X-Client-Cert' => rfc9440($c));
    is(device(NEW => $c)->authenticate->status, 403,
       "403: $name: Authenticate") unless $name =~ /pinned/;
}

is($t->redis_dump, $dump, 'all these have left Redis as it was');

is(device(EARLY => $t->cert(cn => 'E', not_before => time + 120))
     ->authenticate->status, 200, 'our clock may be two minutes late');


# whose header is believed

$dump = $t->redis_dump;

is(from('127.0.0.2')->request('GET', '/address')->body, '127.0.0.2',
   'a client has another address');

my @h = ('X-Client-Cert' => rfc9440($cert));
my $size = $t->log_size;

idle_is(403, 'another address is not believed', from('127.0.0.2'), '/h', 'A',
        @h);
like($t->log($size), qr/header "X-Client-Cert" is ignored: the peer is no/,
     'and the log says so');
idle_is(403, 'another address, the header twice: also ignored',
        from('127.0.0.2'), '/h', 'A', @h, @h);
idle_is(403, 'another address, nonsense: also ignored', from('127.0.0.2'),
        '/h', 'A', 'X-Client-Cert' => 'nonsense');

for my $case ([ '127.0.2.0', 200 ], [ '127.0.2.1', 200 ],
              [ '127.0.2.255', 200 ], [ '127.0.1.255', 403 ],
              [ '127.0.3.0', 403 ], [ '127.0.0.1', 403 ])
{
    idle_is($case->[1], "127.0.2.0/24 and $case->[0]", from($case->[0]),
            '/cidr', 'A', @h);
}

# the realip module changes an address, but not whose header is believed

for my $spoof ('127.0.0.1', '8.8.8.8') {
    my $r = idle_is(403, "realip: $spoof does not open it", from('127.0.0.2'),
                    '/real', 'A', @h, 'X-Forwarded-For' => $spoof);

    is($r->header('X-Address'), $spoof, 'realip: though it is the address');
    idle_is(403, "realip: $spoof among others does not", from('127.0.0.2'),
            '/real', 'A', @h, 'X-Forwarded-For' => "$spoof, 1.2.3.4, $spoof");
}

idle_is(200, 'realip: the proxy is believed, whomever it forwards for',
        $local, '/real', 'A', @h, 'X-Forwarded-For' => '1.2.3.4');

{
    my $line = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n";
    my %o = (port => $proxy_port, proxy => $line);

    is(from('127.0.0.2', %o)->request('GET', '/address')->body, '127.0.0.1',
       'PROXY protocol: the address is changed');
    idle_is(403, 'PROXY protocol: that does not open it',
            from('127.0.0.2', %o), '/h', 'A', @h);
    $line = "PROXY TCP4 1.2.3.4 127.0.0.1 1 2\r\n";
    idle_is(200, 'PROXY protocol: the proxy is believed',
            from('127.0.0.1', %o, proxy => $line), '/h', 'A', @h);
}

# Unix sockets

my $unix = from('unix');

idle_is(200, 'unix: a trusted one', $unix, '/unix', 'A', @h);
idle_is(403, 'unix: no address stands for it', $unix, '/unix-not', 'A', @h);
idle_is(403, 'unix: nor one that realip makes', $unix, '/unix-real', 'A', @h,
        'X-Forwarded-For' => '127.0.0.1');
idle_is(200, 'unix: trusted, realip changes nothing', $unix,
        '/unix-real-trusted', 'A', @h, 'X-Forwarded-For' => '1.2.3.4');
idle_is(400, 'unix: the header twice', $unix, '/unix', 'A', @h, @h);

is($t->redis_dump, $dump, 'none of these has changed anything');


# TLS and a header

my $tls_a = from('127.0.0.1', tls => $cert);
my @hb = ('X-Client-Cert' => rfc9440($cert_b));

idle_is(403, 'header only: a certificate of TLS does not count', $tls_a, '/h',
        'A');
idle_is(403, 'header only: it is the header\'s that counts', $tls_a, '/h',
        'A', @hb);
idle_is(200, 'header only: also over TLS', $tls_a, '/h', 'B', @hb);
idle_is(200, 'both: the same', $tls_a, '/both', 'A', @h);
idle_is(200, 'both: TLS alone', $tls_a, '/both', 'A');
idle_is(200, 'both: the header alone', $local, '/both', 'A', @h);
idle_is(403, 'both: none', $local, '/both', 'A');
idle_is(403, "both: they differ, for $_", $tls_a, '/both', $_, @hb)
    for qw(A B);
idle_is(403, 'both: they differ in the CA', $tls_a, '/both', 'A',
        'X-Client-Cert' => rfc9440($foreign));
idle_is(200, 'both: a header of a stranger is ignored',
        from('127.0.0.2', tls => $cert), '/both', 'A', @hb);
idle_is(403, 'both: and opens nothing', from('127.0.0.2', tls => $cert),
        '/both', 'B', @hb);

my $r = $t->curl(http2 => 1, method => 'PUT', path => '/h',
    body => plist({ UDID => 'A', Status => 'Idle' }),
    headers => [ 'Content-Type' => MDM::Device::CONNECT, @h ]);

is("$r->{version} " . $r->status, '2 200', 'HTTP/2: a header');


# pinning is the same

{
    my $new = device(B => $t->cert(cn => 'B2'));

    is(device(B => $cert)->authenticate->status, 403,
       'another device\'s certificate is refused');
    is($new->idle->status, 403, 'a new one too');
    is($new->authenticate->status, 200, 'but for Authenticate');
    is($b->idle->status, 403, 'then the old one is out');
    is($b->authenticate->status, 200, 'and can come back by the same way');
    is($b->token_update->status, 200, 'TokenUpdate');
}


# a real nginx in front: two devices, one connection behind it

{
    my ($fa, $fb) = map { $t->device("F$_", path => '/front')->enroll } 1, 2;

    $t->enqueue([ 'F1', 'F2' ], $t->command("c-$_", 'ProfileList'))
        for 1 .. 3;
    $t->enqueue($_, $t->command("only-$_", 'ProfileList')) for 'F1', 'F2';

    my $from = -s $t->dir . '/h.log';
    my %got = map { $_ => [] } 'F1', 'F2';
    my %r;

    for (1 .. 5) {
        for my $d ($fa, $fb) {
            my $id = $d->id;

            $r{$id} = $r{$id} ? $d->report('Acknowledged',
                                           $got{$id}[-1])
                              : $d->idle;
            is($r{$id}->status, 200, "in front: $id");
            push @{$got{$id}}, $d->uuid($r{$id});
        }
    }

    is_deeply($got{$_}, [ 'c-1', 'c-2', 'c-3', "only-$_", '' ],
              "in front: $_ got its own") for 'F1', 'F2';

    my @lines = split /\n/, substr read_file($t->dir . '/h.log'), $from;
    my %connections = map { /^(\d+)/ => 1 } @lines;

    is(scalar @lines, 10, 'in front: ten requests came');
    is(scalar keys %connections, 1, 'in front: by one connection');
    is_deeply([ map { / (\S+) 200$/ } @lines ], [ ('F1', 'F2') x 5 ],
              'in front: of the devices in turn');

    # who talks to the one in front cannot choose the header

    $dump = $t->redis_dump;

    my %victim = ('Content-Type' => MDM::Device::CONNECT,
                  'X-Client-Cert' => rfc9440($fb->cert));
    my $body = plist({ UDID => 'F2', Status => 'Idle' });

    is($t->request('PUT', '/front', headers => \%victim, body => $body,
                   cert => $_)->status, 403, 'in front: a header of a client')
        for $fa->cert, undef;
    is($t->request('PUT', '/front', headers => \%victim, body => $body,
                   cert => $foreign)->status, 400,
       'in front: a foreign certificate');
    is($t->redis_dump, $dump, 'in front: nothing was changed');
}

for my $log ('access.log', 'h.log') {
    unlike(read_file($t->dir . "/$log"), qr/ 401 /,
           "$log: no device has seen 401");
}

finish;
