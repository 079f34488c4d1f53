#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Bodies where anybody may come: what is larger than the core reads is refused
# unread, or as soon as that is seen, whatever client_max_body_size allows.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);

use MDM;
use MDM::CA;
use MDM::Util qw(read_file wait_for);

use constant { KB => 1024, MB => 1024 * 1024 };


# 64 MB is what MDM.pm lets in

my $t = MDM->new(server => 'large_client_header_buffers 4 16k;');
my $ca = MDM::CA->new($t->dir, 'device-ca');

$t->{http} = <<"END";
    log_format length '\$request_method \$request_uri \$status '
                      '\$request_length';
    access_log %%PREFIX%%/length.log length;

    mdm_ca devices {
        certificate $ca->{cert};
        certificate_key $ca->{key};
    }

    mdm_enrollment main {
        identifier com.example.mdm;
        topic com.apple.mgmt.External.0f1e2d3c;
        apple_ca $ca->{cert};
        server_url https://localhost:%%PORT%%/mdm;
        identity scep devices https://localhost:%%PORT%%/scep;
        enroll_url https://localhost:%%PORT%%/enroll;
    }
END

$t->{locations} = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /scep { mdm_scep devices; }
        location = /file {
            mdm_scep devices;
            client_body_in_file_only clean;
        }
        location = /large {
            mdm_scep devices;
            client_body_buffer_size 4m;
        }
        location = /enroll { mdm_enroll main ade; }
        location = /enroll-file {
            mdm_enroll main ade;
            client_body_in_file_only clean;
        }
END

$t->start;

my %limit = (scep => [ 'mdm_scep', MB, '?operation=PKIOperation', 400 ],
             enroll => [ 'mdm_enroll', 64 * KB, '', 403 ]);

sub post {
    my ($path, $size, %o) = @_;

    my %type = (headers => [ 'Content-Type' => 'application/x-pki-message' ]);

    return $t->curl(method => 'POST', path => $path, body => 'x' x $size,
                    %type, %o)->status if $o{http2};

    return $t->request(POST => $path, body => 'x' x $size, fresh => 1,
                       plain => 1, %type, %o)->status;
}

# Octets that nginx has read of a request that was refused, but for what it
# threw away at the end: the log has them when the connection has ended.

sub taken {
    my ($uri) = @_;

    my $n;

    wait_for(10, sub {
        ($n) = read_file($t->dir . '/length.log')
            =~ m{ \Q$uri\E 413 (\d+)$}m;
    }) or die "$uri is not in the log\n";

    return $n;
}

sub refused {
    my ($what, $name, $status) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($status, 413, $what);
    like($t->log($t->{from} // 0),
         qr/\[error\] .*the body is larger than "$name" takes, \d+ bytes/,
         'the log says so');

    return $t->{from} = $t->log_size;
}


for my $place (['/scep', 'scep'], ['/file', 'scep'], ['/large', 'scep'],
               ['/enroll', 'enroll'], ['/enroll-file', 'enroll'])
{
    my ($path, $kind) = @$place;
    my ($name, $limit, $query, $status) = @{$limit{$kind}};

    for my $how ([ 'Content-Length' ], [ 'one chunk', chunked => 1 ],
                 [ 'chunks', chunked => 1000 ],
                 [ 'HTTP/2', http2 => 1 ],
                 [ 'HTTP/2, no length', http2 => 1, no_length => 1 ])
    {
        my ($what, @how) = @$how;

        is(post("$path$query", $limit, @how), $status,
           "$path, $what: as much as the core reads");
        is(post("$path$query", $limit - 10, @how), $status, 'and a bit less');
        refused("$path, $what: one octet more", $name,
                post("$path$query", $limit + 1, @how));
        refused("$path, $what: twice as much", $name,
                post("$path$query", 2 * $limit, @how));
    }
}

unlike($t->log, qr/too large (?:chunked )?body/, 'nginx itself has let it in');


# nobody waits for it, or asks for it

for (['/scep?operation=PKIOperation', 'mdm_scep'], ['/enroll', 'mdm_enroll']) {
    my ($path, $name) = @$_;
    my $start = time;

    refused("$path: Expect", $name, $t->client(plain => 1)->request(
        POST => $path, raw => "POST $path HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Length: 2000000\r\nExpect: 100-continue\r\n\r\n")->status);
    cmp_ok(time - $start, '<', 2, 'at once');
}


# neither memory nor, but where all goes there, a file is taken

{
    my ($worker) = $t->workers;
    my $n = 0;

    # AddressSanitizer keeps what was freed for a while

    my $asan = `"@{[ MDM->nginx_binary ]}" -V 2>&1` =~ /-fsanitize=/;
    my $peak = sub {
        return (read_file("/proc/$worker/status") =~ /^VmHWM:\s+(\d+)/m)[0];
    };

    # from now on: Linux takes "5" as that

    my $reset = sub {
        open my $fh, '>', "/proc/$worker/clear_refs" or return;
        print $fh "5\n";
        close $fh;
    };

    for my $path ('/scep', '/file', '/large', '/enroll') {
        for my $how ([ 'Content-Length' ], [ 'one chunk', chunked => 1 ],
                     [ 'chunks', chunked => 30000 ],
                     [ 'HTTP/2, no length', http2 => 1, no_length => 1 ])
        {
            my ($what, @how) = @$how;
            $reset->();

            my $before = $peak->();
            my $uri = "$path?operation=PKIOperation&n=" . ++$n;

            is(post($uri, 30 * MB, @how), 413, "$path, $what: 30 MB");
            cmp_ok($peak->() - $before, '<', ($asan ? 29 : 6) * KB,
                   'takes no memory');

            # where all is to go to a file, nginx does that by itself; and by
            # HTTP/2 what does not tell its length

            cmp_ok(taken($uri), '<', $path eq '/large' ? 7 * MB : 1.5 * MB,
                   'and is not read to its end')
                unless $what =~ /no length/
                    || ($path eq '/file' && $what ne 'Content-Length');
        }
    }
}


# it is for these locations alone

{
    my $device = $t->device('BODY-1')->enroll;
    my $r = $t->request(PUT => '/mdm', cert => $device->cert,
                        headers => [ 'Content-Type' => MDM::Device::CONNECT ],
                        body => 'x' x (2 * MB));

    is($r->status, 400, 'a device may send as much');
    is($t->api(POST => '/v1/challenge', body => ' ' x (2 * MB))->status, 400,
       'so may who has the API');
}

finish;
