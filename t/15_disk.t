#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A body that nginx cannot keep: who sends it is to come again.

use strict;
use warnings;

use lib 't/lib';
use File::Path qw(remove_tree);
use Test::More;

use MDM;
use MDM::Util qw(write_file);


my $t = MDM->new(server => 'client_body_buffer_size 16k;', locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /if/mdm {
            mdm_checkin on;
            mdm_connect on;
            if ($arg_x) { set $x 1; }
        }
        location /api/ { mdm_api on; }
        location /page/mdm {
            mdm_connect on;
            error_page 500 =503 /busy;
        }
        location = /busy { return 503 "busy\n"; }
        location /other/ { mirror /mdm; root %%PREFIX%%; }
        location /return/ { mdm_api on; return 500; }
END
$t->start;

my $d = $t->device('UDID-1')->enroll;
my $dir = $t->dir . '/tmp/body';
my $large = 'x' x 100_000;

# nginx makes its directories at the start; one that cannot be written to is
# like a disk that is full

remove_tree($dir);
write_file($dir, '');

sub busy {
    my ($r, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, 503, "$what: 503");
    like($r->header('Retry-After'), qr/^(?:[5-9]|1\d|20)$/,
         "$what: when to come again");
    is($r->body, '', "$what: no page that says 500");
    is($r->header('Content-Type'), undef, "$what: and no type");

    return $r;
}

my $from = $t->log_size;

for my $how ([], [ pieces => [ 1000, 30_000 ], delay => 0.1 ],
             [ chunked => 8192 ])
{
    my $what = @$how ? $how->[0] : 'at once';

    busy($t->request('PUT', '/mdm', cert => $d->cert, body => $large, @$how,
                     fresh => 1), "device, $what");
    busy($t->request('PUT', '/if/mdm?x=1', cert => $d->cert, body => $large,
                     @$how, fresh => 1), "device in if, $what");

    my $r = busy($t->request('PUT', '/api/v1/enqueue/UDID-1', plain => 1,
                             body => $large, @$how, fresh => 1),
                 "API, $what");

    is($r->header('Cache-Control'), 'no-store', "API, $what: Cache-Control");
}

like($t->log($from), qr/\[crit\].*tmp\/body/, 'the log tells why');

# pieces: HTTP/2 reads otherwise

busy($t->curl(http2 => 1, method => 'PUT', path => '/mdm', cert => $d->cert,
              body => $large), 'HTTP/2');

is($t->request('PUT', '/page/mdm', cert => $d->cert, body => $large,
               fresh => 1)->body, "busy\n", 'error_page is stronger');
is($t->request('PUT', '/other/x', plain => 1, body => $large, fresh => 1)
       ->status, 500, 'elsewhere it is nginx\'s own');
busy($t->request('GET', '/return/', plain => 1), 'any 500 of nginx');

# one that fits is served; and again, when there is room

is($d->idle->status, 200, 'a small one');

unlink $dir;
mkdir $dir, 0700;
is($t->request('PUT', '/mdm', cert => $d->cert, body => $large,
               headers => [ 'Content-Type' => 'application/x-apple-aspen-mdm' ])
       ->status, 400, 'a large one is read');
is($d->idle->status, 200, 'and the device goes on');


finish;
