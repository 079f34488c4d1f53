#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm_tenants: which tenants may be asked for.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Util qw(write_file);


my $device = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(http => "mdm_tenants b.test a.test c;\n", locations => <<"END",
        mdm_tenant \$host;

        location /mdm { $device }
        location /api/ { mdm_api on; }
        location /auth/ { mdm_auth on; alias %%PREFIX%%/www/; }

        location /any/mdm { mdm_tenants any; $device }
        location /any/api/ { mdm_tenants any; mdm_api on; }
        location /one/mdm { mdm_tenants x.test; $device }
        location /one/api/ { mdm_tenants x.test; mdm_api on; }
        location /fixed/api/ { mdm_tenant c; mdm_api on; }

        location /nested/ {
            mdm_tenants x.test;
            location /nested/api/ { mdm_api on; }
        }

        location /if/api/ {
            mdm_api on;
            mdm_tenants x.test;
            if (\$http_x_if) { set \$x 1; }
        }
    }

    server {
        listen 127.0.0.1:%%PLAIN_PORT%%;
        server_name any.test;
        mdm_tenant \$host;
        mdm_tenants any;
        location /api/ { mdm_api on; }
END
);

mkdir $t->dir . '/www';
write_file($t->dir . '/www/a.txt', "file\n");
$t->start;

my $cert = $t->cert(cn => 'UDID-1');

sub api_of {
    my ($host, $path, %o) = @_;

    return $t->request('GET', $path, plain => 1, %o,
                       headers => [ Host => $host, @{$o{headers} || []} ]);
}

sub device_of {
    my ($host, $path) = @_;

    return $t->device('UDID-1', cert => $cert, path => $path,
                      headers => [ Host => $host ]);
}

for my $host (qw(a.test b.test c)) {
    is(api_of($host, '/api/v1/declarations')->status, 200, "$host: API");
    is(device_of($host, '/mdm')->authenticate->status, 200, "$host: device");
    is(device_of($host, '/mdm')->token_update->status, 200, "$host: tokens");
    is($t->request('GET', '/auth/a.txt', cert => $cert,
                   headers => [ Host => $host ])->status, 200,
       "$host: mdm_auth");
}

my $before = $t->redis_dump;

for my $host (qw(d.test a.tes a.testt a B default any), 1 .. 40) {
    my $r = api_of($host, '/api/v1/declarations');

    is($r->status, 404, "$host: API");
    is($r->json->{error}, 'there is no tenant "' . lc($host) . '"',
       "$host: why");

    $r = $t->request('PUT', '/api/v1/declarations', plain => 1,
        headers => [ Host => $host ],
        body => '{"Identifier":"x","Type":"com.apple.configuration'
              . '.management.test","Payload":{"Echo":"x"}}');
    is($r->status, 404, "$host: a declaration");

    $r = device_of($host, '/mdm')->authenticate;
    is($r->status, 403, "$host: device");
    is($r->body, '', "$host: which is told nothing");
    is(device_of($host, '/mdm')->idle->status, 403, "$host: its connect");
    is($t->request('GET', '/auth/a.txt', cert => $cert,
                   headers => [ Host => $host ])->status, 403,
       "$host: mdm_auth");
}

is_deeply($t->redis_dump, $before, 'nothing of it came to Redis');

# names that cannot be one

for my $prefix ('', '/any') {
    is(api_of('a_~b', "$prefix/api/v1/declarations")->status, 400,
       "no name: API $prefix");
    is(device_of('a_~b', "$prefix/mdm")->idle->status, 400,
       "no name: device $prefix");
}

is(api_of('a_~b', '/api/v1/declarations')->json->{error},
   'mdm_tenant "a_~b" is not 1 to 64 letters, digits, "-", "." or "_"',
   'an error of the API is JSON');

# inheritance

is(api_of('d.test', '/any/api/v1/declarations')->status, 200, 'any');
is(device_of('d.test', '/any/mdm')->authenticate->status, 200, 'any: device');
is(api_of('any.test', '/api/v1/declarations')->status, 200, 'any of a server');

for my $prefix (qw(/one /nested /if)) {
    is(api_of('x.test', "$prefix/api/v1/declarations")->status, 200,
       "$prefix: its own");
    is(api_of('a.test', "$prefix/api/v1/declarations")->status, 404,
       "$prefix: not the outer one's");
    is(api_of('a.test', "$prefix/api/v1/declarations",
              headers => [ 'X-If' => 1 ])->status, 404, "$prefix, if");
}

is(api_of('d.test', '/fixed/api/v1/declarations')->status, 200, 'fixed');

finish;
