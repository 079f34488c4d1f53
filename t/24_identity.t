#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Who has no certificate that counts is refused before its body is read; one
# that nginx did not verify is told apart from none; claims go with their
# certificates.

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;


my $on = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(locations => <<"END", server => <<'END')->start;
        location /mdm { $on }
        location /h {
            $on
            mdm_certificate header X-Client-Cert;
            mdm_trusted_proxy 127.0.0.1;
        }
        location /both {
            $on
            mdm_certificate tls header X-Client-Cert;
            mdm_trusted_proxy 127.0.0.1;
        }
        location /s { $on mdm_certificate tls signature; }
        location /api/ { mdm_api on; }
    }

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        server_name lax.test;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        ssl_client_certificate %%CA%%;
        ssl_verify_client optional_no_ca;
        mdm_trusted_certificate %%CA%%;
        location / { $on }
        location /both {
            $on
            mdm_certificate tls header X-Client-Cert;
            mdm_trusted_proxy 127.0.0.1;
        }
        location /auth/ { mdm_auth on; root %%PREFIX%%; }
END
        mdm_trusted_certificate %%CA%%;
        large_client_header_buffers 4 32k;
        client_body_buffer_size 16k;
END

sub header_cert { return ':' . encode_base64($_[0]{der}, '') . ':' }


# refused before the body: only its header is sent

my $large = 15 * 1024 * 1024;
my $foreign = $t->foreign_cert(cn => 'x');
my $d = $t->device('D-1')->enroll;

sub head {
    my ($path, %o) = @_;

    my $headers = join '', map { "$_: $o{headers}{$_}\r\n" }
                           sort keys %{$o{headers} || {}};

    return ($o{method} // 'PUT') . " $path HTTP/1.1\r\nHost: "
        . ($o{host} // 'localhost')
        . "\r\nContent-Type: application/x-apple-aspen-mdm\r\n"
        . 'Content-Length: ' . ($o{length} // $large) . "\r\n$headers\r\n";
}

my @early = (
    [ 'tls: no certificate', '/mdm', { }, 403, qr/no client certificate/ ],
    [ 'header: none', '/h', { plain => 1 }, 403, qr/no client certificate/ ],
    [ 'header: no certificate in it', '/h',
      { plain => 1, headers => { 'X-Client-Cert' => 'x' } }, 400,
      qr/client certificate header holds no certificate/ ],
    [ 'header: of another CA', '/h',
      { plain => 1, headers => { 'X-Client-Cert' => header_cert($foreign) } },
      403, qr/client certificate header: / ],
    [ 'tls and header: neither', '/both', { }, 403,
      qr/no client certificate/ ],
    [ 'tls: POST', '/mdm', { method => 'POST' }, 405, qr/a device sends PUT/ ],
    [ 'tls: not verified', '/mdm',
      { sni => 'lax.test', host => 'lax.test', cert => $foreign }, 403,
      qr/the client certificate is not verified \([^)]+\)/ ],
);

for my $case (@early) {
    my ($name, $path, $o, $status, $re) = @$case;
    my $from = $t->log_size;
    my $c = $t->client(plain => $o->{plain}, cert => $o->{cert},
                       sni => $o->{sni}, timeout => 10);

    $c->send_request('PUT', $path, raw => head($path, %$o));

    my $r = eval { $c->read_response };

    is($r && $r->status, $status, "$name: before the body") or diag($@);
    ok($t->wait_log(qr/mdm request is answered $status: $re/, from => $from),
       "$name: why") or diag($t->log($from));
    unlike($t->log($from), qr/buffered to a temporary file/,
           "$name: no temporary file");
}

like($t->access_log, qr{"PUT /mdm HTTP/1.1" 403 0 }, 'the access log has it');

# the connection goes on behind the body that nobody wants

{
    my $c = $t->client(timeout => 20);
    my $from = $t->log_size;

    for (1 .. 3) {
        my $r = $c->request('PUT', '/mdm', headers => [ 'Content-Type' =>
                            MDM::Device::CONNECT ], body => 'x' x 300_000);

        is($r->status, 403, "a body of 300 kB, request $_: refused");
    }

    is($c->{connects}, 1, 'all on one connection');
    unlike($t->log($from), qr/buffered to a temporary file/,
           'no temporary file');

    my $chunked = $c->request('PUT', '/mdm', chunked => 8192,
        headers => [ 'Content-Type' => MDM::Device::CONNECT ],
        body => 'x' x 100_000);

    is($chunked->status, 403, 'chunked');

    for my $method (qw(GET DELETE)) {
        is($c->request($method, '/mdm')->status, 405, "$method: 405");
    }
}

# who has one is heard

is($d->idle->status, 200, 'a device with a certificate');
is($d->connect(Status => 'Idle', Filler => 'x' x 200_000)->status, 200,
   'also with a body in a temporary file');
is($t->request('PUT', '/h', plain => 1,
       headers => [ 'Content-Type' => MDM::Device::CONNECT,
                    'X-Client-Cert' => header_cert($d->cert) ],
       body => plist({ UDID => 'D-1', Status => 'Idle' }))->status, 200,
   'and one in a header');

# where a signature may come, the body is wanted

{
    my $from = $t->log_size;
    my $r = $t->request('PUT', '/s', body => 'x' x 300_000,
        headers => [ 'Content-Type' => MDM::Device::CONNECT ]);

    is($r->status, 403, 'signature: 403, too');
    like($t->log($from), qr/buffered to a temporary file/,
         'signature: but the body was read');
}

# over HTTP/2

{
    my $r = $t->curl(http2 => 1, method => 'PUT', path => '/mdm',
        body => 'x' x 300_000,
        headers => [ 'Content-Type' => MDM::Device::CONNECT ]);

    is($r->{status}, 403, 'HTTP/2: refused');
}


# optional_no_ca

{
    my @lax = (sni => 'lax.test', cert => $foreign);
    my $body = plist({ UDID => 'D-1', Status => 'Idle' });
    my @type = (Host => 'lax.test', 'Content-Type' => MDM::Device::CONNECT);

    my $from = $t->log_size;

    is($t->request('GET', '/auth/x', @lax, headers => [ Host => 'lax.test' ])
         ->status, 403, 'mdm_auth: not verified');
    ok($t->wait_log(qr/answered 403: the client certificate is not verified/,
                    from => $from), 'mdm_auth: the log says so');

    is($t->request('PUT', '/both', @lax, body => $body,
           headers => [ @type, 'X-Client-Cert' => header_cert($d->cert) ])
         ->status, 200, 'not verified, but a header has one');

    $from = $t->log_size;
    is($t->request('PUT', '/', sni => 'lax.test', body => $body,
                   headers => [ @type ])->status, 403, 'none at all');
    ok($t->wait_log(qr/answered 403: no client certificate/, from => $from),
       'is told as before');
}


# claims

sub claim_ends {
    my ($cert) = @_;

    my $ttl = $t->redis('TTL', "mdm:{default/cert:$cert->{sha256}}");

    return $ttl < 0 ? $ttl : time + $ttl;
}

sub near { return abs($_[0] - $_[1]) < 60 }

{
    my $in_a_year = time + 365 * 86400;

    ok(near(claim_ends($d->cert), $in_a_year + 86400),
       'a claim ends a day after its certificate') or diag(claim_ends($d->cert));

    my $soon = $t->cert(cn => 'soon', not_after => time + 3600);
    my $e = $t->device('SOON', cert => $soon);

    $e->authenticate;
    ok(near(claim_ends($soon), time + 3600 + 86400),
       'of one that ends soon: a day after that') or diag(claim_ends($soon));

    # one of before

    $t->redis('PERSIST', "mdm:{default/cert:$soon->{sha256}}");
    $e->authenticate;
    ok(near(claim_ends($soon), time + 3600 + 86400),
       'one that had no end gets it at the next Authenticate');

    is($t->device('THIEF', cert => $soon)->authenticate->status, 403,
       'it is nobody else\'s until then');
    is($e->token_update->status, 200, 'and the device\'s');

    # a renewal after the claim is gone

    $t->redis('DEL', "mdm:{default/cert:$soon->{sha256}}");

    my $new = bless { %$e, cert => $t->cert(cn => 'soon') }, ref $e;

    is($new->authenticate->status, 200, 'a renewal when it is gone');
    is($new->token_update->status, 200, 'goes on');
}

# migrated ones, too

{
    my $m = $t->device('MIG');

    $t->api('PUT', '/migration', body => plist({ UDID => 'MIG',
        Topic => 'com.apple.mgmt.x', %$_ }))->status == 200 or die
        for { MessageType => 'Authenticate' },
            { MessageType => 'TokenUpdate', PushMagic => 'm',
              Token => plist_data('t') };

    is($m->idle->status, 200, 'a migrated device');
    ok(near(claim_ends($m->cert), time + 366 * 86400),
       'its claim ends with its certificate');
}

unlike($t->access_log, qr/" (?:401|5\d\d) /, 'no device has seen 401 or 5xx');

finish;
