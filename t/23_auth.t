#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm_auth: an access check in front of files and of other servers.

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;
use MDM::Util qw(read_file write_file free_port);


my $t = MDM->new(store => 'timeout 500ms; connect_timeout 500ms;',
    vars => { APP_PORT => free_port() },
    http => <<'END', locations => <<'END');
    log_format id '$request_uri $status $mdm_enrollment_id "$mdm_error"';
    mdm_trusted_certificate %%CA%%;
END
        access_log %%PREFIX%%/id.log id;
        mdm_trusted_proxy 127.0.0.1;

        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }

        location /api-auth/ { mdm_api on; mdm_auth on; }

        location /files/ {
            mdm_auth on;
            root %%PREFIX%%/www;
        }

        location /files/open/ {
            mdm_auth off;
            root %%PREFIX%%/www;
        }

        location /header/ {
            mdm_auth on;
            mdm_certificate header X-Client-Cert;
            alias %%PREFIX%%/www/files/;
        }

        location /app/ {
            mdm_auth on;
            proxy_pass http://127.0.0.1:%%APP_PORT%%;
            proxy_set_header X-Device $mdm_enrollment_id;
            proxy_set_header X-Digest $mdm_certificate;
        }

        # redirected inside: to what is open, to what is not

        location /accel/ {
            mdm_auth on;
            proxy_pass http://127.0.0.1:%%APP_PORT%%;
        }

        location /accel-open/ {
            proxy_pass http://127.0.0.1:%%APP_PORT%%;
        }

        location /inside/ {
            internal;
            mdm_auth on;
            alias %%PREFIX%%/www/files/;
        }

        location /try/ {
            root %%PREFIX%%/www;
            try_files $uri /files/a.txt;
        }

        location /rewrite/ { rewrite ^/rewrite/(.*)$ /files/$1 last; }

        # error pages

        location /page/ {
            mdm_auth on;
            error_page 403 /sorry;
            error_page 503 /sorry;
            root %%PREFIX%%/www;
        }

        location = /sorry { return 200 "sorry $mdm_enrollment_id\n"; }

        location /page-closed/ {
            mdm_auth on;
            error_page 403 503 /files/a.txt;
            root %%PREFIX%%/www;
        }

        location /page-named/ {
            mdm_auth on;
            error_page 403 503 = @named;
            root %%PREFIX%%/www;
        }

        location @named { return 200 "named\n"; }

        # with nginx's own checks

        location /any/ {
            satisfy any;
            mdm_auth on;
            auth_basic mdm;
            auth_basic_user_file %%PREFIX%%/htpasswd;
            alias %%PREFIX%%/www/files/;
        }

        location /all/ {
            mdm_auth on;
            auth_basic mdm;
            auth_basic_user_file %%PREFIX%%/htpasswd;
            alias %%PREFIX%%/www/files/;
        }

        location /any-deny/ {
            satisfy any;
            mdm_auth on;
            deny all;
            alias %%PREFIX%%/www/files/;
        }

        location /any-allow/ {
            satisfy any;
            mdm_auth on;
            allow 127.0.0.1;
            alias %%PREFIX%%/www/files/;
        }

        location /deny/ {
            mdm_auth on;
            deny all;
            alias %%PREFIX%%/www/files/;
        }

        # subrequests

        location /request/ {
            auth_request /check;
            alias %%PREFIX%%/www/files/;
        }

        location /request-both/ {
            mdm_auth on;
            auth_request /check;
            alias %%PREFIX%%/www/files/;
        }

        location = /check { internal; mdm_auth on; root %%PREFIX%%/www; }

        # as a handler: for auth_request, and for who asks from elsewhere

        location = /ask {
            mdm_auth_request on;
            add_header X-Device $mdm_enrollment_id always;
            add_header X-Message $mdm_message always;
        }

        location = /ask-header {
            mdm_auth_request on;
            mdm_certificate header X-Client-Cert;
            add_header X-Device $mdm_enrollment_id;
        }

        location = /ask-tenant { mdm_auth_request on; mdm_tenant $arg_tenant; }
        location = /ask-page { mdm_auth_request on; error_page 403 /sorry; }
        location = /ask-limit { limit_except GET { mdm_auth_request on; }
                                root %%PREFIX%%/www; }

        location /gate/ {
            auth_request /inner;
            auth_request_set $who $mdm_enrollment_id;
            proxy_pass http://127.0.0.1:%%APP_PORT%%;
            proxy_set_header X-Device $who;
        }

        location /gate-later/ {
            auth_request /inner;
            error_page 500 = @later;
            alias %%PREFIX%%/www/files/;
        }

        location = /inner { internal; mdm_auth_request on; }

        location @later { add_header Retry-After 5 always; return 503; }
    }

    server {
        listen 127.0.0.1:%%APP_PORT%%;

        location / {
            return 200 "$request_method $request_uri $http_x_device $http_x_digest $http_content_length";
        }

        location /other-host/ {
            auth_request /ask-elsewhere;
            auth_request_set $who $upstream_http_x_device;
            add_header X-Who $who;
            alias %%PREFIX%%/www/files/;
        }

        location = /ask-elsewhere {
            internal;
            proxy_pass http://127.0.0.1:%%PLAIN_PORT%%/ask-header;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Client-Cert $http_x_cert;
        }

        location /accel { add_header X-Accel-Redirect /inside/a.txt; return 200 x; }
        location /accel-open { add_header X-Accel-Redirect /inside/a.txt; return 200 x; }
END

my $dir = $t->dir;

mkdir "$dir/$_" for qw(www www/files www/files/open www/files/index
                       www/page www/page-closed www/page-named);
write_file("$dir/www/files/a.txt", 'content');
write_file("$dir/www/check", 'ok');
write_file("$dir/www/files/open/b.txt", 'open');
write_file("$dir/www/files/index/index.html", 'the index');
write_file("$dir/www/$_/a.txt", 'page')
    for qw(page page-closed page-named);
write_file("$dir/htpasswd", "joe:{PLAIN}secret\n");

$t->start;


my @basic = (Authorization => 'Basic ' . encode_base64('joe:secret', ''));
my @wrong = (Authorization => 'Basic ' . encode_base64('joe:wrong', ''));

sub get {
    my ($path, $cert, %o) = @_;

    return $t->request(delete $o{method} // 'GET', $path, cert => $cert, %o);
}

sub get_is {
    my ($status, $body, $path, $cert, %o) = @_;

    my $what = delete $o{what};
    my $r = get($path, $cert, %o);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, $status, "$what: $path: $status");
    is($r->body, $body, "$what: $path: body") if defined $body;

    return $r;
}

my $d = $t->device('D1')->enroll;
my $user = $d->user('U1')->enroll;
my $out = $t->device('OUT')->enroll;
my $fresh = $t->device('FRESH');

is($fresh->authenticate->status, 200, 'one that has only authenticated');
is($out->checkout->status, 200, 'one that has checked out');

my $old = $t->device('CHANGED')->enroll;
my $new = bless { %$old, cert => $t->cert(cn => 'CHANGED') }, ref $old;

$new->enroll;

my %closed = (
    'no certificate' => undef,
    'an unknown certificate' => $t->cert(cn => 'D1'),
    'checked out' => $out->cert,
    'no TokenUpdate yet' => $fresh->cert,
    'a certificate that was replaced' => $old->cert,
);


# files

my $dump = $t->redis_dump;

get_is(200, 'content', '/files/a.txt', $d->cert, what => 'enrolled');
get_is(200, 'content', '/files/a.txt', $new->cert, what => 'renewed');
get_is(404, undef, '/files/none', $d->cert, what => 'enrolled');
get_is(200, 'the index', '/files/index/', $d->cert, what => 'enrolled');
get_is(301, undef, '/files/index', $d->cert, what => 'enrolled');
get_is(405, undef, '/files/a.txt', $d->cert, what => 'POST',
       method => 'POST', body => 'x' x 100_000);
get_is(206, 'ont', '/files/a.txt', $d->cert, what => 'a range',
       headers => [ Range => 'bytes=1-3' ]);

for my $name (sort keys %closed) {
    my $cert = $closed{$name};

    for my $path ('/files/a.txt', '/files/none', '/files/index/',
                  '/files/index', '/app/x')
    {
        my $r = get_is(403, undef, $path, $cert, what => $name);

        unlike($r->body, qr/content|GET/, "$name: $path: is not given away");
        is($r->header('WWW-Authenticate'), undef,
           "$name: $path: no challenge");
    }

    get_is(200, 'open', '/files/open/b.txt', $cert, what => "$name, open");
    get_is(403, undef, '/files/a.txt', $cert, what => "$name, POST",
           method => 'POST', body => 'x' x 100_000);
    get_is(403, undef, '/files/a.txt', $cert, what => "$name, HEAD",
           method => 'HEAD');
}

get_is(400, undef, '/files/a.txt', $t->foreign_cert(cn => 'D1'),
       what => 'a foreign CA');
get_is(400, undef, '/files/a.txt', $t->cert(cn => 'D1', expired => 1),
       what => 'expired');
get_is(403, undef, '/files/a.txt', undef, what => 'without TLS', plain => 1);

my $r = get_is(200, '', '/files/a.txt', $d->cert, what => 'HEAD',
               method => 'HEAD');

is($r->header('Content-Length'), 7, 'HEAD: the length');

my %rfc9440 = ('X-Client-Cert' =>
               ':' . encode_base64($d->cert->{der}, '') . ':');

get_is(200, 'content', '/header/a.txt', undef, what => 'a header',
       plain => 1, headers => \%rfc9440);
get_is(403, undef, '/header/a.txt', undef, what => 'no header', plain => 1);
get_is(400, undef, '/header/a.txt', undef, what => 'a header of nonsense',
       plain => 1, headers => [ 'X-Client-Cert' => 'nonsense' ]);

$r = $t->curl(http2 => 1, path => '/files/a.txt', cert => $d->cert);
is("$r->{version} " . $r->body, '2 content', 'HTTP/2');
$r = $t->curl(http2 => 1, path => '/files/a.txt');
is($r->status, 403, 'HTTP/2, no certificate');


# in front of another server, which learns who it is

get_is(200, 'GET /app/x?a=1 D1 ' . $d->cert->{sha256} . ' ', '/app/x?a=1',
       $d->cert, what => 'proxied',
       headers => [ 'X-Device' => 'another', 'X-Digest' => 'another' ]);
get_is(200, 'POST /app/x D1 ' . $d->cert->{sha256} . ' 200000', '/app/x',
       $d->cert, what => 'proxied, with a body', method => 'POST',
       body => 'x' x 200_000);

# the API behind a device's certificate is both

is(get('/api-auth/version', $d->cert)->status, 200, 'mdm_api, enrolled');
is(get('/api-auth/version', undef)->status, 403, 'mdm_api, no certificate');
is(get('/api-auth/v1/enrollments/D1', $d->cert)->json->{id}, 'D1',
   'mdm_api, with a call of its own');


# redirects inside nginx

get_is(200, 'content', '/accel/x', $d->cert, what => 'X-Accel-Redirect');
get_is(403, undef, '/accel/x', undef, what => 'X-Accel-Redirect');
get_is(200, 'content', '/accel-open/x', $d->cert,
       what => 'X-Accel-Redirect from an open location');
get_is(403, undef, '/accel-open/x', undef,
       what => 'X-Accel-Redirect from an open location');
get_is(404, undef, '/inside/a.txt', $d->cert, what => 'internal');

for my $path ('/try/none', '/rewrite/a.txt', '/files/index/') {
    my $body = $path =~ /index/ ? 'the index' : 'content';

    get_is(200, $body, $path, $d->cert, what => 'redirected');
    get_is(403, undef, $path, $closed{$_}, what => "redirected, $_")
        for sort keys %closed;
}

get_is(200, 'page', '/page/a.txt', $d->cert, what => 'error_page');
get_is(403, "sorry \n", '/page/a.txt', undef, what => 'error_page');
get_is(403, "sorry \n", '/page/a.txt', $out->cert, what => 'error_page');
$r = get_is(403, undef, '/page-closed/a.txt', undef,
            what => 'error_page that is closed');
unlike($r->body, qr/content/, 'error_page that is closed: stays so');
get_is(200, "named\n", '/page-named/a.txt', undef,
       what => 'error_page, named');


# with nginx's own checks

my $cert = $d->cert;

for my $case (
    [ '/any/a.txt', 'the certificate', $cert, undef, 200 ],
    [ '/any/a.txt', 'the password', undef, \@basic, 200 ],
    [ '/any/a.txt', 'both', $cert, \@basic, 200 ],
    [ '/any/a.txt', 'the certificate, a wrong password', $cert, \@wrong, 200 ],
    [ '/any/a.txt', 'the password, a wrong certificate', $out->cert, \@basic,
      200 ],

    # auth_basic has the last word: no place for devices

    [ '/any/a.txt', 'none', undef, undef, 401 ],
    [ '/any/a.txt', 'both wrong', $out->cert, \@wrong, 401 ],
    [ '/all/a.txt', 'both', $cert, \@basic, 200 ],
    [ '/all/a.txt', 'the password', undef, \@basic, 403 ],
    [ '/all/a.txt', 'none', undef, undef, 403 ],
    [ '/all/a.txt', 'the certificate', $cert, undef, 401 ],
    [ '/any-deny/a.txt', 'the certificate', $cert, undef, 200 ],
    [ '/any-deny/a.txt', 'none', undef, undef, 403 ],
    [ '/any-deny/a.txt', 'a wrong one', $out->cert, undef, 403 ],
    [ '/any-allow/a.txt', 'the address', undef, undef, 200 ],
    [ '/deny/a.txt', 'the certificate', $cert, undef, 403 ],
    [ '/deny/a.txt', 'none', undef, undef, 403 ],
) {
    my ($path, $what, $c, $h, $status) = @$case;

    get_is($status, $status == 200 ? 'content' : undef, $path, $c,
           what => $what, ($h ? (headers => $h) : ()));
}

# nginx runs access checks for main requests only: auth_request to a location
# with mdm_auth opens everything, as it does with "deny all" there

get_is(200, 'content', '/request/a.txt', undef,
       what => 'mdm_auth in a subrequest checks nothing');
get_is(403, undef, '/request-both/a.txt', undef,
       what => 'mdm_auth beside auth_request');
get_is(200, 'content', '/request-both/a.txt', $cert,
       what => 'mdm_auth beside auth_request');

# asked: 204, 403 or 503

$r = get_is(204, '', '/ask', $cert, what => 'asked');
is($r->header('X-Device') . ' ' . $r->header('X-Message'), 'D1 auth',
   'who it is');
get_is(204, '', '/ask', $cert, what => 'asked by HEAD', method => 'HEAD');
get_is(204, '', '/ask', $cert, what => 'asked by POST', method => 'POST',
       body => 'x' x 300_000);
$r = $t->curl(http2 => 1, path => '/ask', cert => $cert);
is("$r->{version} " . $r->status, '2 204', 'asked by HTTP/2');

for my $name (sort keys %closed) {
    $r = get_is(403, undef, '/ask', $closed{$name}, what => "asked, $name");
    is($r->header('WWW-Authenticate'), undef, "asked, $name: no challenge");
    is($r->header('X-Message'), 'auth', 'though it is known what it was');
    get_is(403, undef, '/gate/x', $closed{$name}, what => "auth_request, $name");
}

get_is(204, undef, '/ask-header', undef, what => 'asked with a header',
       plain => 1, headers => \%rfc9440);
get_is(403, undef, '/ask-header', undef, what => 'asked without one',
       plain => 1);
get_is(403, undef, '/ask-header', undef, what => 'asked with nonsense',
       plain => 1, headers => [ 'X-Client-Cert' => 'nonsense' ]);
get_is(204, undef, '/ask-tenant?tenant=default', $cert, what => 'a tenant');
get_is(403, undef, '/ask-tenant?tenant=a%2Fb', $cert, what => 'none');
get_is(403, "sorry \n", '/ask-page', undef, what => 'asked, error_page');
get_is(204, undef, '/ask-limit', $cert, what => 'asked, limit_except',
       method => 'POST', body => 'x');
get_is(403, undef, '/ask-limit', undef, what => 'asked, limit_except',
       method => 'POST', body => 'x');
get_is(200, 'GET /gate/x D1  ', '/gate/x', $cert, what => 'auth_request');
get_is(200, 'POST /gate/x D1  100000', '/gate/x', $cert,
       what => 'auth_request, with a body', method => 'POST',
       body => 'x' x 100_000);

sub elsewhere {
    my (%headers) = @_;

    my $c = MDM::HTTP->new(port => $t->{vars}{APP_PORT}, plain => 1);

    return $c->request('GET', '/other-host/a.txt', headers => [ %headers ]);
}

$r = elsewhere('X-Cert' => $rfc9440{'X-Client-Cert'});
is($r->status . ' ' . $r->body . ' ' . $r->header('X-Who'), '200 content D1',
   'auth_request of another host');
is(elsewhere()->status, 403, 'which has no certificate');

is($t->redis_dump, $dump, 'none of all this has written anything');

like(read_file("$dir/id.log"), qr{^/files/a\.txt 200 D1 "-"$}m,
     'the log has the id');
like(read_file("$dir/id.log"), qr{^/files/a\.txt 403 - "no client cert}m,
     'and why one was refused');


# the state changes

is($d->checkout->status, 200, 'CheckOut');
get_is(403, undef, '/files/a.txt', $cert, what => 'after CheckOut');
is($d->enroll->idle->status, 200, 'enrolled again');
get_is(200, 'content', '/files/a.txt', $cert, what => 'enrolled again');
is($t->api('DELETE', '/v1/enrollments/D1/certificate')->status, 204,
   'the pin is reset');
get_is(403, undef, '/files/a.txt', $cert, what => 'without a pin');
$d->enroll;
is($d->user('U1')->enroll->checkout->status, 200, 'CheckOut of a user');
get_is(200, 'content', '/files/a.txt', $cert, what => 'after that');


# Redis is away, slow, or comes back

$t->redis_server->stop(save => 1);

sub away {
    my ($what) = @_;

    for my $case ([ '/files/a.txt', 503 ], [ '/app/x', 503 ],
                  [ '/accel-open/x', 503 ], [ '/all/a.txt', 503 ],
                  [ '/any-deny/a.txt', 503 ], [ '/page/a.txt', 503 ],
                  [ '/page-closed/a.txt', 503 ], [ '/ask', 503 ],
                  [ '/ask-limit', 503, 'POST' ], [ '/gate-later/a.txt', 503 ])
    {
        my ($path, $status, $method) = @$case;
        my $r = get_is($status, undef, $path, $cert, what => $what,
                       method => $method // 'GET');

        like($r->header('Retry-After'), qr/^\d+$/,
             "$what: $path: Retry-After, once");
        unlike($r->body, qr/content|GET/, "$what: $path: nothing else");
    }

    get_is(403, undef, '/files/a.txt', undef,
           what => "$what, no certificate");
    get_is(200, 'open', '/files/open/b.txt', $cert, what => "$what, open");

    return;
}

away('Redis is down');

$t->redis_server->start;
ok(wait_for(20, sub { get('/files/a.txt', $cert)->status == 200 }),
   'Redis is back: it opens again') or diag($t->log);

$t->redis_server->pause;
get_is(503, undef, '/files/a.txt', $cert, what => 'Redis hangs')
    ->header('Retry-After');
$t->redis_server->resume;
ok(wait_for(20, sub { get('/files/a.txt', $cert)->status == 200 }),
   'Redis goes on: it opens again') or diag($t->log);


# a client that goes away while Redis is asked

$t->redis_server->pause;

for my $path (('/files/a.txt', '/ask', '/gate/x') x 5) {
    my $c = $t->client(cert => $cert);

    $c->send_request('GET', $path);
    $c->close;
}

$t->redis_server->resume;
ok(wait_for(20, sub { get('/files/a.txt', $cert)->status == 200 }),
   'clients that went away disturb nobody') or diag($t->log);

finish;
