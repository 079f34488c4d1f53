#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Handlers in every kind of location and of block: prefix, exact, regex, named,
# nested, "if", "limit_except"; and in subrequests.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Util qw(write_file free_port);


my $device = 'mdm_checkin on; mdm_connect on;';
my $only = 'allow 127.0.0.1; deny all;';

# not every nginx has the addition module

my $nginx = MDM::nginx_binary();
my $addition = `$nginx -V 2>&1` =~ /http_addition_module/;
my $around = !$addition ? '' : <<'END';
        location /around/ {
            add_before_body /api/version;
            add_after_body /api/v1/nothing;
            addition_types text/plain;
            root %%PREFIX%%/www;
        }
END

my $t = MDM->new(vars => { APP_PORT => free_port() },
    locations => <<"END");
        location /mdm { $device }
        location /api/ { mdm_api on; }

        location /if/mdm { $device if (\$http_x_if) { set \$x 1; } }
        location /if/api/ { mdm_api on; if (\$http_x_if) { set \$x 1; } }

        location = /version { mdm_api on; if (\$http_x_if) { set \$x 1; } }

        location ~ ^/regex/mdm { $device if (\$http_x_if) { set \$x 1; } }
        location ~ ^/regex/a.i/ { mdm_api on; if (\$http_x_if) { set \$x 1; } }

        location /named/mdm { try_files /nonexistent \@mdm; }
        location \@mdm { $device if (\$http_x_if) { set \$x 1; } }
        location /named/api/ { try_files /nonexistent \@api; }
        location \@api { mdm_api on; if (\$http_x_if) { set \$x 1; } }

        location /limit/mdm { $device limit_except GET { $only } }
        location /limit/api/ { mdm_api on; limit_except GET { $only } }
        location ~ ^/limitre/api/ { mdm_api on; limit_except GET { $only } }
        location /limit/denied/ { mdm_api on; limit_except GET { deny all; } }
        location /limit/allowed/ { mdm_api on; limit_except PUT { deny all; } }

        # set in the block itself

        location /in/mdm {
            root %%PREFIX%%/www;
            if (\$request_method = PUT) { mdm_connect on; mdm_checkin on; }
        }

        location /in/api/ {
            root %%PREFIX%%/www;
            if (\$http_x_if) { mdm_api on; }
        }

        location /in/limit/ {
            root %%PREFIX%%/www;
            limit_except GET { mdm_api on; $only }
        }

        location /off/api/ {
            mdm_api on;
            root %%PREFIX%%/www;
            if (\$http_x_if) { mdm_api off; }
        }

        location /other/api/ {
            mdm_api on;
            if (\$http_x_if) { proxy_pass http://127.0.0.1:%%APP_PORT%%; }
        }

        # nested: none of it is inherited

        location /nested/api/ {
            mdm_api on;
            location /nested/api/files/ { root %%PREFIX%%/www; }
            location /nested/api/deep/ { mdm_api on;
                location /nested/api/deep/v1/queue/ { return 418; } }
            location /nested/api/if/ { root %%PREFIX%%/www;
                if (\$http_x_if) { set \$x 1; } }
            location /nested/api/limit/ { root %%PREFIX%%/www;
                limit_except GET { $only } }
        }

        location /nested/mdm {
            $device
            location /nested/mdm/files/ { root %%PREFIX%%/www; }
        }

        # subrequests

        location /ssi/ { ssi on; root %%PREFIX%%/www; }
        location /mirror/ { mirror /api/v1/queue/UDID-1; root %%PREFIX%%/www; }
        location /mirror/mdm { mirror /mdm; alias %%PREFIX%%/www/mirror/a.txt; }
        location /auth/ { auth_request /check; root %%PREFIX%%/www; }
        location /auth-gone/ { auth_request /gone; root %%PREFIX%%/www; }
        location = /check { internal; mdm_api on;
            rewrite ^ /v1/queue/UDID-1 break; }
        location = /gone { internal; mdm_api on;
            rewrite ^ /v1/nothing break; }
        $around
    }

    server {
        listen 127.0.0.1:%%APP_PORT%%;
        return 200 "the other\\n";
END

my $www = $t->dir . '/www';

mkdir $_ for $www, map { "$www/$_" }
    qw(in in/api in/limit off off/api nested nested/api nested/mdm
       nested/api/files nested/api/if nested/api/limit nested/mdm/files ssi
       mirror auth auth-gone around);

write_file("$www/$_", "file\n")
    for qw(in/mdm in/api/version in/limit/version off/api/version
           nested/api/files/version nested/api/if/version
           nested/api/limit/version nested/mdm/files/version mirror/a.txt
           auth/a.txt auth-gone/a.txt around/a.txt);

my %page = (
    one => '<!--# include virtual="/api/version" -->',
    two => '<!--# include virtual="/api/v1/queue/UDID-1" -->,'
         . '<!--# include virtual="/api/version" -->',
    many => join(',', ('<!--# include virtual="/api/v1/queue/UDID-1" -->') x 9),
    wait => '<!--# include virtual="/api/v1/queue/UDID-1" wait="yes" -->',
    error => '<!--# include virtual="/api/v1/nothing" -->',
    empty => '<!--# include virtual="/mdm" -->',
    set => '<!--# include virtual="/api/version" set="v" -->'
         . '<!--# echo var="v" encoding="none" -->',
);

write_file("$www/ssi/$_.html", "<p>$page{$_}</p>\n" . 'x' x 5000 . "\nend\n")
    for keys %page;

$t->start;

my $d = $t->device('UDID-1')->enroll;
my $version = $t->api('GET', '/version')->body;
my $queue = '{"commands":[]}';
my $n = 0;


# a device's location: what a device sends is understood, with and without "if"

for my $path (qw(/mdm /if/mdm /regex/mdm /named/mdm)) {
    for my $headers ([], [ 'X-If' => 1 ]) {
        my $what = $path . (@$headers ? ' with if' : '');
        my $e = $t->device('D-' . ++$n, path => $path, headers => $headers);

        is($e->authenticate->status, 200, "$what: Authenticate");
        is($e->token_update->status, 200, "$what: TokenUpdate");
        is($e->idle->status, 200, "$what: Idle");
        is($t->request('GET', $path, headers => $headers)->status, 405,
           "$what: GET");
    }
}

for my $path (qw(/limit/mdm /in/mdm)) {
    my $e = $t->device('D-' . ++$n, path => $path);

    is($e->authenticate->status, 200, "$path: Authenticate");
    is($e->token_update->status, 200, "$path: TokenUpdate");
    is($e->idle->status, 200, "$path: Idle");
}

is($t->request('GET', '/limit/mdm')->status, 405, 'limit_except: GET');
is($t->request('GET', '/in/mdm')->body, "file\n", 'without the block');


# an API location

sub api_works {
    my ($prefix, @headers) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $what = $prefix . (@headers ? ' with if' : '');
    my $uuid = 'C-' . ++$n;
    my @o = (plain => 1, headers => \@headers);

    is($t->request('GET', "$prefix/version", @o)->body, $version,
       "$what: GET");
    is($t->request('PUT', "$prefix/v1/enqueue/UDID-1?nopush=1", @o,
                   body => plist($t->command($uuid, 'ProfileList')))->status,
       200, "$what: PUT");
    like($t->request('GET', "$prefix/v1/queue/UDID-1", @o)->body, qr/$uuid/,
         "$what: it is there");
    is($t->request('DELETE', "$prefix/v1/queue/UDID-1", @o)->status, 204,
       "$what: DELETE");
    is($t->request('POST', "$prefix/v1/enqueue/UDID-1", @o,
                   headers => [ @headers, 'Sec-Fetch-Site' => 'cross-site' ],
                   body => 'x')->status, 403, "$what: cross-site");
    is($t->request('GET', "$prefix/version", @o)->header('Cache-Control'),
       'no-store', "$what: Cache-Control");

    return;
}

for my $prefix (qw(/api /if/api /regex/api /named/api)) {
    api_works($prefix);
    api_works($prefix, 'X-If' => 1);
}

api_works($_) for qw(/limit/api /limitre/api);

is($t->request('GET', '/version', headers => [ 'X-If' => $_ ])->body,
   $version, 'an exact location') for '', 1;

is($t->request('GET', '/limit/denied/version')->status, 200, 'GET is allowed');
is($t->request('PUT', '/limit/denied/v1/enqueue/UDID-1', body => '')->status,
   403, 'PUT is not');
is($t->request('GET', '/limit/allowed/version')->status, 403, 'GET is not');
is($t->request('PUT', '/limit/allowed/v1/enqueue/UDID-1?nopush=1',
               body => plist($t->command('L-1', 'ProfileList')))->status, 200,
   'PUT is');

is($t->request('GET', '/in/api/version')->body, "file\n", 'without if');
is($t->request('GET', '/in/api/version', headers => [ 'X-If' => 1 ])->body,
   $version, 'mdm_api in if');
is($t->request('GET', '/in/limit/version')->body, "file\n",
   'without limit_except');
is($t->request('DELETE', '/in/limit/v1/queue/UDID-1')->status, 204,
   'mdm_api in limit_except');
is($t->request('GET', '/off/api/version')->body, $version, 'on');
$_ = $t->request('GET', '/off/api/version', headers => [ 'X-If' => 1 ]);
is($_->body, "file\n", 'off in if');
is($_->header('Cache-Control'), undef, 'and no header of the API');
$_ = $t->request('GET', '/other/api/version', headers => [ 'X-If' => 1 ]);
is($_->body, "the other\n", 'another handler in if');
is($_->header('Cache-Control'), undef, 'and no header of the API');


# nested locations are others

is($t->request('GET', "/nested/api/$_/version")->body, "file\n",
   "nested: $_") for qw(files if limit);
is($t->request('GET', '/nested/api/if/version', headers => [ 'X-If' => 1 ])
       ->body, "file\n", 'nested, if');
is($t->request('PUT', "/nested/api/$_/version", body => '')->status, 405,
   "nested, PUT: $_") for qw(files if limit);
is($t->request('GET', '/nested/mdm/files/version')->body, "file\n",
   'nested in a location of devices');
is($t->request('GET', '/nested/api/deep/version')->body, $version,
   'nested and on');
is($t->request('GET', '/nested/api/deep/v1/queue/UDID-1')->status, 418,
   'nested in that');


# SSI: the page goes on behind what it includes

my %want = (one => $version, two => "$queue,$version",
            many => join(',', ($queue) x 9), wait => $queue,
            error => '{"error":"there is no such API call"}', empty => '',
            set => $version);

$t->request('DELETE', '/api/v1/queue/UDID-1');

for my $plain (1, 0) {
    for my $name (sort keys %want) {
        my $r = $t->request('GET', "/ssi/$name.html", plain => $plain);

        is($r->status, 200, "SSI, $name");
        is($r->body, "<p>$want{$name}</p>\n" . 'x' x 5000 . "\nend\n",
           "SSI, $name: the whole page");
        is($r->header('Cache-Control'), undef, 'the page is not the API');
    }
}

for my $name (sort keys %want) {
    my $r = $t->curl(http2 => 1, path => "/ssi/$name.html");

    is($r->body, "<p>$want{$name}</p>\n" . 'x' x 5000 . "\nend\n",
       "SSI by HTTP/2, $name");
}

is($t->request('HEAD', '/ssi/two.html')->status, 200, 'HEAD of such a page');


# other subrequests

if ($addition) {
    is($t->request('GET', '/around/a.txt')->body,
       $version . "file\n" . '{"error":"there is no such API call"}',
       'before and behind a file');
}

is($t->request('GET', '/auth/a.txt')->body, "file\n", 'auth_request');
is($t->request('GET', '/auth-gone/a.txt')->status, 500,
   'auth_request of what is not there');

for (1 .. 3) {
    is($t->request('GET', '/mirror/a.txt', plain => 1)->body, "file\n",
       'mirrored');
}

$t->enqueue('UDID-1', $t->command('M-1', 'ProfileList'));
is($t->request('DELETE', '/mirror/a.txt', plain => 1)->status, 405,
   'DELETE of a file, mirrored');
ok(wait_for(5, sub {
    $t->api('GET', '/v1/queue/UDID-1')->body eq $queue;
}), 'the mirror did it');

my $m = $t->device('D-M', path => '/mirror/mdm');

$m->authenticate;
ok(wait_for(5, sub {
    $t->api('GET', '/v1/enrollments/D-M')->status == 200;
}), 'a message that was mirrored');

finish;
