#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Bodies that nginx puts into a temporary file come in pieces, so that others
# have their turn: whole, broken off, stalled, with more behind them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use MDM;

use constant {
    CONNECT => 'application/x-apple-aspen-mdm',
    BUFFER => 16384,
    MB => 1024 * 1024,
};


my $t = MDM->new(store => 'partitions 1; timeout 20s;',
                 main => 'error_log %%PREFIX%%/debug.log debug;',
                 locations => <<'END')->start;
        location /mdm {
            mdm_checkin on;
            mdm_connect on;
            client_body_buffer_size 16k;
        }
        location /impatient {
            mdm_checkin on;
            mdm_connect on;
            client_body_buffer_size 16k;
            client_body_timeout 1s;
        }
        location /api/ { mdm_api on; }
END

my $d = $t->device('LARGE')->enroll;
my $reports = 0;


sub message {
    my ($size) = @_;

    my $uuid = 'r' . ++$reports;
    my $m = { UDID => 'LARGE', Status => 'Acknowledged', CommandUUID => $uuid,
              Fill => '' };
    my $more = $size - length plist($m);

    $m->{Fill} = substr '0123456789abcdef' x ($more / 16 + 1), 0, $more;

    return ($uuid, plist($m));
}


sub arrived {
    my ($r, $uuid, $body, $name) = @_;

    is($r->status, 200, "$name: 200");

    my $back = $t->api('GET', "/v1/queue/LARGE/$uuid?format=plist");

    ok($back->status == 200 && $back->body eq $body,
       "$name: all of it arrived") or diag($back->status);

    return;
}


sub left_over {
    return scalar(grep { -f } glob($t->dir . '/tmp/body/*'));
}


# just below and above what nginx keeps in memory, and what is a piece

for my $size (BUFFER, BUFFER * 5 / 4 - 1, BUFFER * 5 / 4, BUFFER * 5 / 4 + 1,
              2 * BUFFER, MB / 4 - 1, MB / 4, MB / 4 + 1, MB + 12345, 3 * MB)
{
    my ($uuid, $body) = message($size);

    arrived($t->request('PUT', '/mdm', cert => $d->cert, body => $body,
                        headers => [ 'Content-Type' => CONNECT ]),
            $uuid, $body, "$size bytes");
}

for my $how ([ 100, 500 ], [ BUFFER - 1, BUFFER ], [ BUFFER, 5 * BUFFER ],
             [ BUFFER + 1, 400000 ], [ 300000, 2 * MB ])
{
    my ($chunk, $size) = @$how;
    my ($uuid, $body) = message($size);

    arrived($t->request('PUT', '/mdm', cert => $d->cert, body => $body,
                        headers => [ 'Content-Type' => CONNECT ],
                        chunked => $chunk),
            $uuid, $body, "$size bytes in chunks of $chunk");
}

is(left_over(), 0, 'no temporary file stays');


# others have their turn

SKIP: {
    skip 'this nginx has no debug log', 1
        if `nginx -V 2>&1` !~ /--with-debug/;

    my ($uuid, $body) = message(3 * MB);
    my $log = $t->dir . '/debug.log';
    my $before = -s $log;

    arrived($t->request('PUT', '/mdm', cert => $d->cert, body => $body,
                        headers => [ 'Content-Type' => CONNECT ]),
            $uuid, $body, '3 MB');

    my @turns = substr(MDM::Util::read_file($log), $before)
                =~ /mdm body read: (\d+) bytes so far/g;

    cmp_ok(scalar(@turns), '>=', 3 * MB / (MB / 4 + 4 * BUFFER) - 1,
           '3 MB: in turns of a quarter of a megabyte');
}


# slow pieces

{
    my ($uuid, $body) = message(100000);

    arrived($t->request('PUT', '/mdm', cert => $d->cert, body => $body,
                        headers => [ 'Content-Type' => CONNECT ],
                        delay => 0.02,
                        pieces => [ 1000, 15000, 1, 20000, 30000, 16384, 1 ]),
            $uuid, $body, 'slow pieces');
}


# broken off

{
    my (undef, $body) = message(MB);
    my $before = $t->redis_dump;
    my $c = $t->client(cert => $d->cert);
    my $size = $t->log_size;

    $c->send_request('PUT', '/mdm', raw => "PUT /mdm HTTP/1.1\r\n"
        . "Host: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n"
        . substr $body, 0, 600000);
    $c->close;

    ok($t->wait_log(qr/client prematurely closed connection/, from => $size),
       'half of it: nginx has seen it');
    ok($t->redis_dump eq $before, 'half of it: Redis is unchanged');
    is(left_over(), 0, 'half of it: no temporary file stays');
}


# stalled

{
    my (undef, $body) = message(MB);
    my $c = $t->client(cert => $d->cert);

    $c->send_request('PUT', '/impatient', raw => "PUT /impatient HTTP/1.1\r\n"
        . "Host: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n"
        . substr $body, 0, 500000);

    my $r = eval { $c->read_response('PUT') };

    ok(!defined $r || $r->status == 408,
       'stalled: 408, or closed, as nginx does it');
    ok(wait_for(10, sub { left_over() == 0 }),
       'stalled: no temporary file stays');
}


# with another one behind it

{
    my @messages = map { [ message($_) ] } 400000, 500, 2 * MB, 30000;
    my $c = $t->client(cert => $d->cert);

    $c->send_request('PUT', '/mdm', raw => join '', map {
        MDM::HTTP::_format('PUT', '/mdm', { body => $_->[1],
            headers => [ 'Content-Type' => CONNECT ] }) } @messages);

    arrived($c->read_response('PUT'), @$_, "pipelined: $_->[0]")
        for @messages;
    is($c->{connects}, 1, 'pipelined: on one connection');
}


# a reload while it comes in

{
    my ($uuid, $body) = message(MB);
    my $c = $t->client(cert => $d->cert);

    $c->send_request('PUT', '/mdm', raw => "PUT /mdm HTTP/1.1\r\n"
        . "Host: localhost\r\nContent-Type: " . CONNECT
        . "\r\nContent-Length: " . length($body) . "\r\n\r\n"
        . substr $body, 0, 500000);

    $t->reload;
    $c->_write(substr $body, 500000);
    arrived($c->read_response('PUT'), $uuid, $body, 'reload in the middle');
}


# the API, too

{
    my $command = $t->command('big', 'InstallProfile',
        Payload => plist_data('abc' x 300000));

    my $r = $t->request('PUT', '/api/v1/enqueue/LARGE?nopush=1',
                        body => plist($command));

    is($r->status, 200, 'a large command: queued') or diag($r->body);
    ok($d->idle->body eq plist($command), 'a large command: byte for byte');
    $d->report('Acknowledged', 'big');
}

finish;
