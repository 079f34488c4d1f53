#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Mdm-Signature, made by openssl: the forms that devices send, what is
# refused, bodies of every kind, what a signature alone does not open.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::SSL::Utils;
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;
use MDM::Util qw(read_file write_file spawn wait_exit);


my $on = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(server => 'mdm_trusted_certificate %%CA%%;'
                           . ' large_client_header_buffers 4 32k;',
    locations => <<"END");
        location /s { $on mdm_certificate signature; }
        location /tls { $on mdm_certificate tls signature; }
        location /not { $on }

        location /file {
            $on
            mdm_certificate signature;
            client_body_in_file_only clean;
        }

        location /small {
            $on
            mdm_certificate signature;
            client_body_buffer_size 1k;
        }

        location = /file.txt {
            mdm_auth on;
            mdm_certificate tls signature;
            root %%PREFIX%%;
        }

        location /api/ { mdm_api on; }
    }

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        server_name small.test;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        mdm_trusted_certificate %%CA%%;
        mdm_certificate signature;
        location / { $on }
END

$t->start;

my $dir = $t->dir;
my $cms = 0;


# a certificate with another key than PKI makes: RSA, or a CA's below ours

sub issue {
    my ($key, %o) = @_;

    my $issuer = $o{issuer} // [ @{$t->ca}{qw(cert_obj key_obj)} ];
    my ($cert) = CERT_create(subject => { commonName => $o{cn} },
        issuer => $issuer, key => $key, digest => 'sha256',
        not_before => time - 86400, not_after => time + 86400 * 30,
        ($o{CA} ? (CA => 1) : (purpose => 'client')));
    my $file = "$dir/issued-" . ++$cms;
    my $pem = PEM_cert2string($cert);

    return { file => write_file("$file.pem", $pem), pem => $pem,
             key => write_file("$file.key", PEM_key2string($key)),
             key_obj => $key, cert_obj => $cert };
}


# the outer four levels in BER, of indefinite length, as devices write them

sub ber {
    my ($in, $depth) = @_;

    my $out = '';

    while (length $in) {
        my ($tag, $len) = unpack 'C2', $in;
        my $at = 2;

        if ($len > 0x80) {
            $at += $len - 0x80;
            $len = hex unpack 'H*', substr $in, 2, $at - 2;
        }

        my $whole = substr $in, 0, $at + $len, '';

        $out .= $tag & 0x20 && $depth < 4
            ? chr($tag) . "\x80" . ber(substr($whole, $at), $depth + 1)
              . "\0\0"
            : $whole;
    }

    return $out;
}


# the value of the header

sub cms {
    my ($body, $cert, @args) = @_;

    my $ber = grep { $_ eq 'BER' } @args;

    @args = grep { $_ ne 'BER' } @args;

    my $name = "$dir/cms-" . ++$cms;
    my @signers = map { ('-signer', $_->{file}, '-inkey', $_->{key}) }
                      ref $cert eq 'ARRAY' ? @$cert : $cert;
    my $pid = spawn({ out => "$name.log" }, 'openssl', 'cms', '-sign', '-in',
        write_file("$name.in", $body), '-binary', '-outform', 'DER', '-out',
        "$name.der", @signers, @args);

    wait_exit($pid, 60) == 0
        or die 'openssl: ' . read_file("$name.log");

    my $der = read_file("$name.der");

    return encode_base64($ber ? ber($der, 0) : $der, '');
}

sub put {
    my ($path, $type, $body, $signature, %o) = @_;

    my @signatures = ref $signature ? @$signature
                     : defined $signature ? $signature : ();

    return $t->request('PUT', $path, body => $body, headers => [
        'Content-Type' => $type, map { ('Mdm-Signature' => $_) } @signatures
    ], %o);
}

my $idle = plist({ UDID => 'A', Status => 'Idle' });

sub idle_is {
    my ($status, $what, $signature, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = put($o{path} // '/s', MDM::Device::CONNECT, $o{body} // $idle,
                $signature, map { $_ => $o{$_} }
                    grep { !/^(?:path|body)$/ } keys %o);

    is($r->status, $status, $what);

    return $r;
}

sub checkin {
    my ($cert, $message, %o) = @_;

    my $body = plist($message);

    return put('/s', MDM::Device::CHECKIN, $body, cms($body, $cert), %o);
}

sub enroll {
    my ($id, $cert) = @_;

    my %topic = (UDID => $id, Topic => 'com.apple.mgmt.External.x');

    is(checkin($cert, { %topic, MessageType => 'Authenticate',
                        SerialNumber => 'S' })->status, 200,
       "$id: Authenticate, signed");
    is(checkin($cert, { %topic, MessageType => 'TokenUpdate',
                        PushMagic => 'm', Token => plist_data('t') })->status,
       200, "$id: TokenUpdate, signed");

    return;
}


# the forms

my %cert = (RSA => issue(KEY_create_rsa(2048), cn => 'A'),
            EC => $t->cert(cn => 'B'));

enroll(A => $cert{RSA});
enroll(B => $cert{EC});

is($t->enqueue([ 'A', 'B' ], $t->command('c-1', 'ProfileList'))->status, 200,
   'a command for both');

for my $case (
    [ 'as devices do: SHA-1, no attributes, BER',
      qw(-md sha1 -noattr BER) ],
    [ 'SHA-1, no attributes, DER', qw(-md sha1 -noattr) ],
    [ 'SHA-1, attributes', qw(-md sha1) ],
    [ 'SHA-256, attributes' ],
    [ 'SHA-256, attributes, BER', 'BER' ],
    [ 'SHA-256, no attributes', qw(-md sha256 -noattr) ],
    [ 'SHA-384', qw(-md sha384) ],
    [ 'SHA-512, no attributes, BER', qw(-md sha512 -noattr BER) ],
    [ 'the signer by its key id', '-keyid' ],
    [ 'no S/MIME capabilities', '-nosmimecap' ],
) {
    my ($name, @args) = @$case;

    for my $key (qw(RSA EC)) {
        my $id = $key eq 'RSA' ? 'A' : 'B';
        my $body = plist({ UDID => $id, Status => 'Idle' });
        my $signature = cms($body, $cert{$key}, @args);
        my $r = idle_is(200, "$key, $name", $signature, body => $body);

        is($r->plist->{CommandUUID}, 'c-1', "$key, $name: the command");
    }
}

like(decode_base64(cms($idle, $cert{RSA}, 'BER')), qr/\A\x30\x80/,
     'BER is BER');

idle_is(200, 'RSA-PSS', cms($idle, $cert{RSA}, '-keyopt',
                            'rsa_padding_mode:pss'));

# a CA between

my $middle = issue(KEY_create_ec('prime256v1'), cn => 'Middle', CA => 1);
my $below = issue(KEY_create_ec('prime256v1'), cn => 'C',
                  issuer => [ @{$middle}{qw(cert_obj key_obj)} ]);

{
    my $body = plist({ UDID => 'C', MessageType => 'Authenticate',
                       Topic => 'com.apple.mgmt.External.x' });

    is(put('/s', MDM::Device::CHECKIN, $body, cms($body, $below))->status,
       403, 'a CA between that is not sent');
    is(put('/s', MDM::Device::CHECKIN, $body,
           cms($body, $below, '-certfile', $middle->{file}))->status, 200,
       'a CA between that is sent');
}


# what is refused

my $dump = $t->redis_dump;
my $good = cms($idle, $cert{RSA}, qw(-md sha1 -noattr));
my $attr = cms($idle, $cert{RSA});
my $der = decode_base64($good);

for my $case (
    [ 'none' => undef ], [ 'an empty one' => '' ],
) {
    idle_is(403, "403: $case->[0]", $case->[1]);
}

for my $case (
    [ 'no base64' => 'x!x' ], [ 'base64 of nothing' => '====' ],
    [ 'base64 of nonsense' => encode_base64('x' x 500, '') ],
    [ 'half of it' => encode_base64(substr($der, 0, 300), '') ],
    [ 'one byte less' => encode_base64(substr($der, 0, -1), '') ],
    [ 'bytes behind it' => encode_base64("${der}x", '') ],
    [ 'no SignedData' => encode_base64("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7"
                                       . "\x0d\x01\x07\x01", '') ],
    [ 'a certificate' => encode_base64($t->cert->{der}, '') ],
    [ 'a byte sequence of RFC 9440' => ":$good:" ],
    [ 'PEM' => '-----BEGIN CMS-----' . $good . '-----END CMS-----' ],
    [ 'it twice' => [ $good, $good ] ],
    [ 'two' => [ $good, $attr ] ],
    [ 'long nonsense' => 'A' x 20000 ],
) {
    idle_is(400, "400: $case->[0]", $case->[1]);
}

my $foreign = $t->foreign_cert(cn => 'A');

for my $case (
    [ 'attached content' => cms($idle, $cert{RSA}, '-nodetach') ],
    [ 'attached content, BER' => cms($idle, $cert{RSA}, '-stream') ],
    [ 'no certificate' => cms($idle, $cert{RSA}, '-nocerts') ],
    [ 'the certificate of another beside' =>
          cms($idle, $cert{RSA}, '-nocerts', '-certfile', $cert{EC}{file}) ],
    [ 'two signers' => cms($idle, [ $cert{RSA}, $cert{EC} ]) ],
    [ 'a foreign CA' => cms($idle, $foreign) ],
    [ 'a foreign CA, which is sent' => cms($idle, $foreign, '-certfile',
          $t->{foreign_ca}{file}) ],
    [ 'expired' => cms($idle, $t->cert(cn => 'A', expired => 1)) ],
    [ 'not valid yet' => cms($idle, $t->cert(cn => 'A', future => 1)) ],
    [ 'no clientAuth' => cms($idle, $t->cert(cn => 'A',
                                             purpose => 'server')) ],
    [ 'MD5' => cms($idle, $cert{RSA}, qw(-md md5)) ],
    [ 'another device' => cms($idle, $cert{EC}) ],
    [ 'a fresh certificate' => cms($idle, $t->cert(cn => 'A')) ],
    [ 'another body' => cms($idle . "\n", $cert{RSA}) ],
    [ 'an empty body' => cms('', $cert{RSA}) ],
    [ 'a body with CRLF' => cms($idle =~ s/\n/\r\n/gr, $cert{RSA}) ],
) {
    idle_is(403, "403: $case->[0]", $case->[1]);
}

# one byte of the body, at each end and in the middle

for my $signature ($good, $attr) {
    my $how = $signature eq $good ? 'no attributes' : 'attributes';

    for my $body (map({ my $other = $idle; substr($other, $_, 1) ^= "\x20";
                        $other } 20, index($idle, '>A<') + 1, -3),
                  "$idle\n", " $idle", substr($idle, 0, -1))
    {
        isnt($body, $idle, 'it is another');

        my $r = put('/s', MDM::Device::CONNECT, $body, $signature);

        is($r->status, 403, "403: a body of one byte else, $how");
    }
}

# one bit of the signature

for my $from (1 .. 24) {
    my $bad = $der;

    substr($bad, -$from * 11, 1) ^= chr(1 << $from % 8);

    my $r = put('/s', MDM::Device::CONNECT, $idle, encode_base64($bad, ''));

    like($r->status, qr/^40[03]$/, "refused: a bit, $from");
}

is($t->redis_dump, $dump, 'all these have left Redis as it was');
idle_is(200, 'the good one is still good', $good);


# bodies

sub idle_body { my (%more) = @_;
                return { UDID => 'A', Status => 'Idle', %more } }

my $binary = plist_binary(idle_body());
my $large = plist(idle_body(Filler => 'x' x 300_000));
my $large_binary = plist_binary(idle_body(Filler => 'y' x 300_000));

for my $case ([ 'binary' => $binary ], [ 'large' => $large ],
              [ 'large, binary' => $large_binary ],
              [ 'XML with CRLF' => $idle =~ s/\n/\r\n/gr ],
              [ 'white space behind it' => "$idle\n\n" ])
{
    my ($name, $body) = @$case;
    my $signature = cms($body, $cert{RSA}, qw(-md sha1 -noattr));
    my %o = (body => $body);
    my $off = substr($body, 0, -1) . chr(ord(substr $body, -1) ^ 1);

    idle_is(200, "body: $name", $signature, %o);
    idle_is(200, "body: $name, chunked", $signature, %o, chunked => 1);
    idle_is(200, "body: $name, small chunks", $signature, %o, chunked => 4001);
    idle_is(200, "body: $name, in a file", $signature, %o, path => '/file');
    idle_is(200, "body: $name, in a file, chunked", $signature, %o,
            path => '/file', chunked => 7001);
    idle_is(200, "body: $name, buffer of 1k", $signature, %o,
            path => '/small');
    idle_is(200, "body: $name, in pieces", $signature, %o,
            pieces => [ 100, 900, 1500, 1 ], delay => 0.001);
    idle_is(403, "body: $name, its last byte else, $_", $signature,
            body => $off, path => $_) for '/s', '/file', '/small';
}

is_deeply([ glob("$dir/tmp/body/*") ], [], 'no file of a body is left');

{
    my $r = $t->curl(http2 => 1, method => 'PUT', path => '/s',
        body => $large, headers => [ 'Content-Type' => MDM::Device::CONNECT,
        'Mdm-Signature' => cms($large, $cert{RSA}) ]);

    is("$r->{version} " . $r->status, '2 200', 'HTTP/2, a large body');
    is($r->plist->{CommandUUID}, 'c-1', 'HTTP/2: the command');
}

# a result that comes signed is kept as it came

{
    my $result = plist({ UDID => 'A', Status => 'Acknowledged',
                         CommandUUID => 'c-1', Filler => 'z' x 5000 });
    my $r = put('/s', MDM::Device::CONNECT, $result, cms($result, $cert{RSA}),
                chunked => 999);

    is($r->status, 200, 'a signed result');
    is($t->api('GET', '/v1/queue/A/c-1?format=plist')->body, $result,
       'is kept byte for byte');
}


# the header's size

{
    my @extra = map { issue($cert{RSA}{key_obj}, cn => "extra $_") }
                1 .. 8;
    my $file = write_file("$dir/extra.pem", map { $_->{pem} } @extra);
    my $long = cms($idle, $cert{RSA}, '-certfile', $file);

    cmp_ok(length $long, '>', 8192, 'a signature above 8k');
    idle_is(200, 'large_client_header_buffers 4 32k takes it', $long);

    my @h = (Host => 'small.test', 'Content-Type' => MDM::Device::CONNECT);

    is($t->request('PUT', '/', sni => 'small.test', body => $idle,
           headers => [ @h, 'Mdm-Signature' => $good ])->status, 200,
       'nginx\'s default is enough for most');
    is($t->request('PUT', '/', sni => 'small.test', body => $idle,
           headers => [ @h, 'Mdm-Signature' => $long ])->status, 400,
       'but not for that one');
}


# what a signature alone does not open

{
    my $set = { UDID => 'A', MessageType => 'SetBootstrapToken',
                BootstrapToken => plist_data('SECRET') };
    my $get = { UDID => 'A', MessageType => 'GetBootstrapToken' };
    my $token = { UDID => 'A', MessageType => 'GetToken',
                  TokenServiceType => 'com.apple.maid' };

    is(checkin($cert{RSA}, $set)->status, 200, 'SetBootstrapToken, signed');

    my $r = checkin($cert{RSA}, $get);

    is($r->status, 403, 'GetBootstrapToken, only signed');
    unlike($r->body, qr/data/, 'holds no token');
    is(checkin($cert{RSA}, $token)->status, 403, 'GetToken, only signed');
    like($t->log, qr/a signature alone does not open a secret/,
         'the log says why');

    my $body = plist($get);
    my $signature = cms($body, $cert{RSA});

    for my $how ([ 'signed over TLS', $signature ], [ 'over TLS', undef ]) {
        $r = put('/tls', MDM::Device::CHECKIN, $body, $how->[1],
                 cert => $cert{RSA});
        is($r->status, 200, "GetBootstrapToken, $how->[0]");
        is($r->plist->{BootstrapToken}, 'SECRET', 'holds the token');
    }

    is(put('/tls', MDM::Device::CHECKIN, $body, $signature)->status, 403,
       'GetBootstrapToken, signed, TLS without a certificate');
    is(put('/s', MDM::Device::CHECKIN, $body, $signature,
           cert => $cert{RSA})->status, 403,
       'GetBootstrapToken, where a certificate of TLS does not count');

    write_file("$dir/file.txt", 'content');

    for my $method (qw(GET PUT)) {
        my @o = (headers => [ 'Mdm-Signature' => cms('', $cert{RSA}) ],
                 ($method eq 'PUT' ? (body => '') : ()));

        is($t->request($method, $_, @o)->status, 403,
           "mdm_auth: $method $_, only signed") for '/file.txt';
    }

    is($t->request('GET', '/file.txt', cert => $cert{RSA})->body, 'content',
       'mdm_auth: a certificate of TLS opens it');
    is($t->request('GET', '/file.txt', cert => $cert{RSA}, headers =>
           [ 'Mdm-Signature' => 'nonsense' ])->body, 'content',
       'mdm_auth: a signature is not looked at');
}


# TLS and a signature

my %a = (cert => $cert{RSA}, path => '/tls');
my %b = (cert => $cert{EC}, path => '/tls');

idle_is(200, 'TLS and a signature: the same', $good, %a);
idle_is(200, 'TLS and a signature: TLS alone', undef, %a);
idle_is(200, 'TLS and a signature: the signature alone', $good,
        path => '/tls');
idle_is(403, 'TLS and a signature: none', undef, path => '/tls');

$dump = $t->redis_dump;

idle_is(403, 'they differ: TLS is the right one', cms($idle, $cert{EC}), %a);
idle_is(403, 'they differ: the signature is', $good, %b);
like($t->log, qr/certificate of Mdm-Signature differs from that of the conn/,
     'the log says so');
idle_is(403, 'TLS is right, the signature is of a stranger',
        cms($idle, $foreign), %a);
idle_is(403, 'TLS is right, the signature is over something else',
        cms("$idle ", $cert{RSA}), %a);
idle_is(400, 'TLS is right, the signature is nonsense', 'nonsense!', %a);
idle_is(400, 'TLS is right, the signature comes twice', [ $good, $good ], %a);
idle_is(200, 'mdm_certificate tls: a signature is not looked at', 'nonsense!',
        %a, path => '/not');
idle_is(403, 'mdm_certificate tls: and opens nothing', $good, path => '/not');
is($t->redis_dump, $dump, 'none of these has changed anything');

unlike($t->access_log, qr/" 401 /, 'no device has seen 401');

finish;
