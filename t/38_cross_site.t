#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The API and pages of other origins: what is refused, before anything is read,
# what is allowed, and what each response tells a browser.

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Util qw(write_file);


my $console = 'https://admin.example.com';

my $t = MDM->new(locations => <<"END", server => 'mdm_api_origin off;',
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; client_max_body_size 1m; }
        location ~ ^/re/ { mdm_api on; }

        location /cors/ {
            mdm_api on;
            mdm_api_origin $console http://127.0.0.1:9000;
            client_max_body_size 100k;

            if (\$arg_no = 1) { return 403; }
        }

        location /closed/ {
            mdm_api on;
            mdm_api_origin $console;
            auth_basic mdm;
            auth_basic_user_file %%PREFIX%%/htpasswd;
        }

        location /any/ {
            satisfy any;
            allow all;
            mdm_api on;
        }

        location /mirrored/ { mirror /api/v1/queue/UDID-1; alias %%PREFIX%%/; }
        location /plain/ { return 200 "plain\\n"; }
END
    http => "mdm_api_origin $console;");

write_file($t->dir . '/htpasswd', "admin:{PLAIN}secret\n");
write_file($t->dir . '/page.txt', "page\n");

$t->start;
$t->device('UDID-1')->enroll;

my $port = $t->port;
my $serial = 0;

# queues a command; returns the response, and whether it was queued

sub enqueue {
    my ($path, @headers) = @_;

    my $uuid = 'C-' . ++$serial;
    my %o = ref $headers[0] ? %{shift @headers} : ();
    my $r = $t->request('POST', "$path/v1/enqueue/UDID-1?nopush=1",
        headers => [ 'Content-Type' => 'text/plain', @headers ],
        body => plist($t->command($uuid, 'EraseDevice')), %o);

    my $list = $t->api('GET', '/v1/queue/UDID-1')->json->{commands};
    my $queued = grep { $_->{command_uuid} eq $uuid } @$list;

    $t->api('DELETE', '/v1/queue/UDID-1') if $queued;

    return ($r, $queued);
}


# every combination over plain HTTP and TLS

my $p = $t->plain_port;

my @table = (

    # what,  plain, headers, allowed

    [ 'no header of a browser', 1, [], 1 ],
    [ 'the same, TLS', 0, [], 1 ],

    [ 'same-origin', 1, [ 'Sec-Fetch-Site' => 'same-origin' ], 1 ],
    [ 'none', 1, [ 'Sec-Fetch-Site' => 'none' ], 1 ],
    [ 'same-site', 1, [ 'Sec-Fetch-Site' => 'same-site' ], 0 ],
    [ 'cross-site', 1, [ 'Sec-Fetch-Site' => 'cross-site' ], 0 ],
    [ 'another word', 1, [ 'Sec-Fetch-Site' => 'Same-Origin' ], 0 ],
    [ 'no word', 1, [ 'Sec-Fetch-Site' => '' ], 0 ],
    [ 'two times', 1, [ 'Sec-Fetch-Site' => 'same-origin',
                        'sec-fetch-site' => 'same-origin' ], 0 ],
    [ 'two words', 1, [ 'Sec-Fetch-Site' => 'same-origin, none' ], 0 ],

    [ 'our origin', 1, [ Host => 'mdm.example.com',
                         Origin => 'http://mdm.example.com' ], 1 ],
    [ 'and same-origin', 1, [ Host => 'mdm.example.com',
                              Origin => 'http://mdm.example.com',
                              'Sec-Fetch-Site' => 'same-origin' ], 1 ],
    [ 'but cross-site', 1, [ Host => 'mdm.example.com',
                             Origin => 'http://mdm.example.com',
                             'Sec-Fetch-Site' => 'cross-site' ], 0 ],
    [ 'a proxy has ended TLS', 1, [ Host => 'mdm.example.com',
                                    Origin => 'https://mdm.example.com' ], 1 ],
    [ 'case', 1, [ Host => 'MDM.example.com',
                   Origin => 'HTTP://mdm.EXAMPLE.com' ], 1 ],
    [ 'a port', 1, [ Host => "mdm.example.com:$p",
                     Origin => "http://mdm.example.com:$p" ], 1 ],
    [ 'the port of the scheme', 1, [ Host => 'mdm.example.com:80',
                                     Origin => 'http://mdm.example.com' ], 1 ],
    [ 'the port of the scheme in Origin', 1,
      [ Host => 'mdm.example.com', Origin => 'http://mdm.example.com:80' ],
      1 ],
    [ 'the port of another scheme', 1,
      [ Host => 'mdm.example.com:443', Origin => 'http://mdm.example.com' ],
      0 ],
    [ 'another port', 1, [ Host => "mdm.example.com:$p",
                           Origin => 'http://mdm.example.com:1' ], 0 ],
    [ 'a port here, none there', 1, [ Host => "mdm.example.com:$p",
                                      Origin => 'http://mdm.example.com' ],
      0 ],
    [ 'none here, a port there', 1, [ Host => 'mdm.example.com',
                                      Origin => "http://mdm.example.com:$p" ],
      0 ],
    [ 'IPv6', 1, [ Host => "[::1]:$p", Origin => "http://[::1]:$p" ], 1 ],
    [ 'IPv6, written otherwise', 1,
      [ Host => "[::1]:$p", Origin => "http://[0:0:0:0:0:0:0:1]:$p" ], 1 ],
    [ 'IPv6, another', 1, [ Host => "[::1]:$p",
                            Origin => "http://[::2]:$p" ], 0 ],
    [ 'IPv4', 1, [ Host => "127.0.0.1:$p",
                   Origin => "http://127.0.0.1:$p" ], 1 ],

    [ 'another host', 1, [ Host => 'mdm.example.com',
                           Origin => 'http://evil.example.com' ], 0 ],
    [ 'a longer host', 1, [ Host => 'mdm.example.com',
                            Origin => 'http://mdm.example.com.evil' ], 0 ],
    [ 'a shorter host', 1, [ Host => 'mdm.example.com',
                             Origin => 'http://mdm.example' ], 0 ],
    [ 'null', 1, [ Origin => 'null' ], 0 ],
    [ 'null and same-origin', 1, [ Origin => 'null',
                                   'Sec-Fetch-Site' => 'same-origin' ], 0 ],
    [ 'an empty Origin', 1, [ Origin => '' ], 0 ],
    [ 'a list', 1, [ Host => 'a', Origin => 'http://a, http://b' ], 0 ],
    [ 'a space', 1, [ Host => 'a', Origin => 'http://a http://b' ], 0 ],
    [ 'a path', 1, [ Host => 'a', Origin => 'http://a/' ], 0 ],
    [ 'a user', 1, [ Host => 'a', Origin => 'http://x@a' ], 0 ],
    [ 'an extension', 1, [ Host => 'a', Origin => 'chrome-extension://a' ],
      0 ],
    [ 'a file', 1, [ Host => 'a', Origin => 'file://' ], 0 ],
    [ 'no scheme', 1, [ Host => 'a', Origin => 'a' ], 0 ],
    [ 'a bad port', 1, [ Host => 'a', Origin => 'http://a:' ], 0 ],
    [ 'a port too high', 1, [ Host => 'a', Origin => 'http://a:65616' ], 0 ],
    [ 'two origins', 1, [ Host => 'a', Origin => 'http://a',
                          Origin => 'http://a' ], 0 ],
    [ 'two origins, ours last', 1, [ Host => 'a', Origin => 'http://b',
                                     Origin => 'http://a' ], 0 ],

    [ 'our origin, TLS', 0, [ Host => 'mdm.example.com',
                              Origin => 'https://mdm.example.com' ], 1 ],
    [ 'our origin and port, TLS', 0,
      [ Host => "localhost:$port", Origin => "https://localhost:$port" ], 1 ],
    [ 'without TLS', 0, [ Host => 'mdm.example.com',
                          Origin => 'http://mdm.example.com' ], 0 ],
    [ 'without TLS, the same port', 0,
      [ Host => "localhost:$port", Origin => "http://localhost:$port" ], 0 ],
    [ 'the console is not allowed here', 1, [ Origin => $console ], 0 ],
);

for my $case (@table) {
    my ($what, $plain, $headers, $allowed) = @$case;

    my ($r, $queued) = enqueue('/api', { plain => $plain }, @$headers);

    is($r->status, $allowed ? 200 : 403, "$what: status");
    is($queued, $allowed, $allowed ? "$what: is queued"
                                   : "$what: nothing is queued");
    is($r->body, '{"error":"cross-site request"}', "$what: why")
        unless $allowed;
}


# HTTP/2 has :authority

for my $case ([ "https://127.0.0.1:$port", 200 ],
              [ 'https://127.0.0.1', 403 ], [ 'https://evil.example', 403 ])
{
    my $r = $t->curl(http2 => 1, method => 'DELETE',
        path => '/api/v1/queue/UDID-1', headers => [ Origin => $case->[0] ]);

    is($r->{version}, 2, 'HTTP/2');
    is($r->status, $case->[1] == 200 ? 204 : 403, "origin $case->[0]");
}


# HTTP/1.0 without a Host

my $c = $t->client(plain => 1);
my $r = $c->request(DELETE => '', raw =>
    "DELETE /api/v1/queue/UDID-1 HTTP/1.0\r\nOrigin: http://a\r\n\r\n");

is($r->status, 403, 'an origin where there is no Host');


# methods: reads pass, but for one that acts

my @cross = ('Sec-Fetch-Site' => 'cross-site', Origin => 'https://evil.test');

for my $case ([ GET => '/v1/queue/UDID-1', 200 ],
              [ HEAD => '/v1/queue/UDID-1', 200 ],
              [ GET => '/version', 200 ],
              [ GET => '/v1/pushcert', 400 ],
              [ GET => '/v1/nothing', 404 ],
              [ OPTIONS => '/v1/queue/UDID-1', 405 ],
              [ GET => '/v1/push/UDID-1', 403 ],
              [ HEAD => '/v1/push/UDID-1', 403 ],
              [ GET => '/v1/push/UDID-1,UDID-2', 403 ],
              [ POST => '/v1/push/UDID-1', 403 ],
              [ POST => '/v1/enrollments/query', 403 ],
              [ PUT => '/v1/enqueue/UDID-1', 403 ],
              [ DELETE => '/v1/queue/UDID-1', 403 ],
              [ PATCH => '/v1/queue/UDID-1', 403 ],
              [ XYZZY => '/v1/queue/UDID-1', 403 ],
              [ PUT => '/migration', 403 ],
              [ POST => '/v1/nothing', 403 ])
{
    my ($method, $path, $status) = @$case;

    for my $prefix (qw(/api /re /any)) {
        $r = $t->request($method, "$prefix$path", plain => 1,
                         headers => \@cross);

        is($r->status, $status, "$method $prefix$path from another origin");
        isnt($r->header('Cache-Control'), undef, 'is not kept');
    }
}

is($t->request('GET', '/api/v1/push/UDID-1', plain => 1)->status,
   500, 'GET of push without a browser, as it was');
is($t->request('GET', '/api/v1/%70ush/UDID-1', plain => 1,
               headers => \@cross)->status, 404, 'the path in other words');
is($t->request('PUT', '/mdm', plain => 1, headers => \@cross,
               body => 'x')->header('Cache-Control'), undef,
   'a device is asked for nothing of this');
is($t->request('POST', '/plain/', plain => 1, headers => \@cross)->body,
   "plain\n", 'nor is another location');


# before the body is read, and the connection goes on

$c = $t->client(plain => 1);
$r = $c->request('POST', '/api/v1/enqueue/UDID-1',
    headers => [ @cross, 'Content-Length' => 20000 ], body => 'x');
is($r->status, 403, 'the body has not come');

$c = $t->client(plain => 1);
$r = $c->request('POST', '/api/v1/enqueue/UDID-1', headers => \@cross,
                 body => 'x' x 20000);
is($r->status, 403, 'a body that nobody reads');
is($c->request('GET', '/api/version')->status, 200, 'and the next request');
is($c->{connects}, 1, 'on one connection');

my $from = $t->log_size;

$r = $t->request('POST', '/api/v1/enqueue/UDID-1', headers => \@cross,
                 body => 'x' x 500_000, plain => 1, fresh => 1);
is($r->status, 403, 'a large one');
unlike($t->log($from), qr/buffered to a temporary file/, 'is not spooled');


# a mirror reads it, too, and its request has the same headers

$t->enqueue('UDID-1', $t->command('STAYS', 'ProfileList'));
$r = $t->request('DELETE', '/mirrored/page.txt', plain => 1,
                 headers => \@cross);
is($r->status, 405, 'a request that is mirrored');
is(scalar @{$t->api('GET', '/v1/queue/UDID-1')->json->{commands}}, 1,
   'its mirror is refused');
$r = $t->request('DELETE', '/mirrored/page.txt', plain => 1);
is($r->status, 405, 'one that is not cross-site');
ok(wait_for(5, sub {
    !@{$t->api('GET', '/v1/queue/UDID-1')->json->{commands}};
}), 'its mirror is not');


# CORS

sub cors {
    my ($r) = @_;

    return join '|', map { $r->header("Access-Control-$_") // '' }
        qw(Allow-Origin Allow-Credentials Expose-Headers Allow-Methods
           Allow-Headers Max-Age);
}

my $actual = "true|Allow, Retry-After, X-Status-Report-ID,"
           . " X-Status-Report-Index|||";
my @preflight = (Origin => $console,
                 'Access-Control-Request-Method' => 'PUT',
                 'Access-Control-Request-Headers' => 'content-type');

for my $prefix (qw(/cors /closed)) {
    $r = $t->request('OPTIONS', "$prefix/v1/enqueue/UDID-1", plain => 1,
                     headers => [ @preflight,
                                  'Sec-Fetch-Site' => 'cross-site' ]);

    is($r->status, 204, "$prefix: preflight");
    is($r->body, '', 'has no body');
    is(cors($r), "$console|true|Allow, Retry-After, X-Status-Report-ID,"
       . ' X-Status-Report-Index|GET, HEAD, POST, PUT, DELETE|'
       . 'Authorization, Content-Type, If-Modified-Since|7200',
       'what it allows');
    is($r->header('Vary'), 'Origin', 'Vary');
    is($r->header('Cache-Control'), 'no-store', 'Cache-Control');
}

for my $origin ($console, 'http://127.0.0.1:9000') {
    my $queued;

    ($r, $queued) = enqueue('/cors', { plain => 1 }, Origin => $origin,
                            'Sec-Fetch-Site' => 'cross-site');

    is($r->status, 200, "$origin: allowed");
    is($queued, 1, 'is queued');
    is(cors($r), "$origin|$actual", 'and may read the answer');
    is($r->header('Vary'), 'Origin', 'Vary');
}

for my $case ([ GET => '/cors/v1/queue/UDID-1', 200 ],
              [ GET => '/cors/v1/nothing', 404 ],
              [ OPTIONS => '/cors/v1/queue/UDID-1', 405 ],
              [ GET => '/cors/v1/push/UDID-1', 500 ],
              [ PUT => '/cors/v1/enqueue/UDID-1', 413 ],
              [ GET => '/cors/v1/queue/UDID-1?no=1', 403 ],
              [ DELETE => '/closed/v1/queue/UDID-1', 401 ])
{
    my ($method, $path, $status) = @$case;

    $r = $t->request($method, $path, plain => 1, fresh => 1,
        headers => [ Origin => $console, 'Sec-Fetch-Site' => 'same-site',
                     $status == 413 ? ('Content-Length' => 200_000) : () ]);
    is($r->status, $status, "$method $path from the console");
    is(cors($r), "$console|$actual", 'an error can be read, too');
}

for my $origin ('https://evil.test', 'null', 'https://admin.example.com:8443',
                'http://admin.example.com', 'https://ADMIN.example.com')
{
    $r = $t->request('OPTIONS', '/cors/v1/enqueue/UDID-1', plain => 1,
                     headers => [ @preflight[2 .. 5], Origin => $origin ]);
    is($r->status, 405, "$origin: preflight, as it was");
    is(cors($r), '|||||', 'allows nothing');

    $r = $t->request('GET', '/cors/v1/queue/UDID-1', plain => 1,
                     headers => [ Origin => $origin ]);
    is($r->status, 200, "$origin: a read");
    is(cors($r), '|||||', 'that it cannot see');
    is($r->header('Vary'), 'Origin', 'Vary');

    ($r) = enqueue('/cors', { plain => 1 }, Origin => $origin);
    is($r->status, 403, "$origin: a command");
    is(cors($r), '|||||', 'nor this answer');
}

$r = $t->request('GET', '/cors/v1/queue/UDID-1', plain => 1,
                 headers => [ Origin => $console, Origin => $console ]);
is(cors($r), '|||||', 'two origins are none');
($r) = enqueue('/cors', { plain => 1 }, Origin => $console,
               Origin => $console);
is($r->status, 403, 'and are refused');
is($t->request('GET', '/api/version', plain => 1,
               headers => [ Origin => $console ])->header('Vary'), undef,
   'mdm_api_origin off');


# every response of the API

for my $case ([ GET => '/api/version', 200 ],
              [ GET => '/api/v1/nothing', 404 ],
              [ PATCH => '/api/version', 405 ],
              [ DELETE => '/api/v1/queue/UDID-1', 204 ],
              [ GET => '/api/v1/queue/UDID-9', 404 ],
              [ PUT => '/api/v1/enqueue/UDID-1', 413 ],
              [ GET => '/closed/version', 401 ],
              [ GET => '/cors/version?no=1', 403 ])
{
    my ($method, $path, $status) = @$case;

    $r = $t->request($method, $path, plain => 1, fresh => 1, headers =>
        $status == 413 ? [ 'Content-Length' => 2_000_000 ] : []);

    my $what = "$method $path, " . $r->status;

    is($r->status, $status, $what) if $path !~ /UDID-9/;
    is($r->header('Cache-Control'), 'no-store', "$what: Cache-Control");
    is($r->header('X-Content-Type-Options'), 'nosniff', "$what: type");
    is($r->header('Content-Security-Policy'),
       "default-src 'none'; sandbox", "$what: policy");
}

is($t->request('GET', '/closed/version', plain => 1, headers => [
       Authorization => 'Basic ' . encode_base64('admin:secret', '') ])
       ->status, 200, 'basic authentication as before');

finish;
