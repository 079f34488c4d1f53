#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What the error log says of requests, how often, and in which characters.

use strict;
use warnings;

use lib 't/lib';
use Encode ();
use Test::More;

use MDM;
use MDM::Util qw(write_file);


my $t = MDM->new(locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /auth/ { mdm_auth on; root %%PREFIX%%; }
        location /file/ { root %%PREFIX%%; }
        location /tenant { mdm_checkin on; mdm_tenant $http_x_tenant; }
        location /ssi/ { ssi on; root %%PREFIX%%; }
END

mkdir $t->dir . "/$_" for qw(auth ssi);
write_file($t->dir . '/ssi/a.html', '<!--# include virtual="/api/version" -->'
           . '<!--# include virtual="/file/gone" -->');
$t->start;

my $d = $t->device('UDID-1')->enroll;

sub lines {
    my ($from, $re) = @_;

    return grep { $_ =~ $re } split /\n/, $t->log($from);
}


# who has no certificate cannot fill the log

my $from = $t->log_size;

$t->request('PUT', '/mdm', plain => 1, body => 'x') for 1 .. 50;
$t->request('GET', '/mdm', plain => 1) for 1 .. 20;
$t->request('GET', '/auth/x', plain => 1) for 1 .. 20;

my @info = lines($from, qr/\[info\].*(?:is answered 40[35])/);
my @warn = lines($from, qr/\[warn\]/);

is(scalar @info, 90, 'each has a line of level info');
is(scalar @warn, 1, 'one line at warn');
like($warn[0], qr/mdm: 1 request without a device's certificate was refused/,
     'tells of the first');

$from = $t->log_size;
$t->reload;
$t->wait_old_workers;
@warn = lines($from, qr/\[warn\]/);
is(scalar @warn, 1, 'one more when the worker ends');
like($warn[0], qr/mdm: 89 requests without a device's certificate were/,
     'has the number of the others');

# one that has a certificate is told of

$from = $t->log_size;
$t->device('UDID-2')->idle;
is(scalar lines($from, qr/\[warn\].*"UDID-2" is answered 403/), 1,
   'a device that is not enrolled');
$d->send('application/x-apple-aspen-mdm', 'x');
is(scalar lines($from, qr/\[warn\].*mdm request is answered 400/), 1,
   'a device whose message cannot be read');


# "while …" is said where it is so, and does not stay

$from = $t->log_size;

for my $path (qw(/mdm /auth/x)) {
    my $c = $t->client(plain => 1);

    $c->request('PUT', $path, body => 'x');
    $c->request('GET', '/file/gone');
    is($c->{connects}, 1, "$path: one connection");
    $c->close;
}

my $c = $t->client(cert => $d->cert);
is($c->request('GET', '/auth/gone')->status, 404, 'mdm_auth lets pass');
is($c->request('GET', '/file/gone')->status, 404, 'and the next request');
is($c->request('PUT', '/mdm', body => plist({ MessageType => 'x' }))->status,
   400, 'a message that is refused');
is($c->request('GET', '/file/gone')->status, 404, 'and the next request');
is($c->{connects}, 1, 'on one connection');
$c->close;
$t->request('GET', '/ssi/a.html');

my @mdm = lines($from, qr/mdm (?:request|\w+ of)/);
my @gone = lines($from, qr/open\(\).*gone/);

ok(@mdm >= 3, 'lines of ours');
is(scalar(grep { / while / } @mdm), 0, 'none says twice what it is about')
    or diag(@mdm);
ok(@gone >= 5, 'lines of others');
is(scalar(grep { / while / } @gone), 0, 'none has a word of ours')
    or diag(@gone);
is(scalar lines($from, qr/while (?:handling mdm|sending mdm|waiting for redis)/),
   0, 'nothing was under way');


# characters: a made-up tenant may hold any byte, an id most

my @hidden = (0x01, 0x1b, 0x7f, 0x80, 0x85, 0x9b, 0xad, 0x61c, 0x180e,
              0x200b .. 0x200f, 0x2028 .. 0x202e, 0x2060, 0x2066 .. 0x2069,
              0xfeff, 0xfff9, 0xe0041);
my @invalid = ("\xff", "\xc0\xaf", "\xe2\x80", "\xed\xa0\x80",
               "\xf4\x90\x80\x80", "\xe2A\x80", "\x80", "\xe0\x80\xaf",
               "\xf8\x88\x80\x80\x80", "\xc3");
my @shown = ("\xc3\xa9", "\xc2\xa0", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
             "\xe6\x97\xa5", "\xe2\x80\x90", "\xe2\x80\xaf");

sub said_of {
    my ($bytes) = @_;

    my $from = $t->log_size;

    $t->request('PUT', '/tenant', cert => $d->cert, body => 'x',
                headers => [ 'X-Tenant' => "X${bytes}Y" ]);

    my ($line) = lines($from, qr/mdm_tenant .* is not 1 to 64/);

    return ($line // '') =~ /"X(.*)Y" is not/ ? $1 : undef;
}

for my $u (@hidden) {
    my $bytes = Encode::encode('UTF-8', chr $u);

    is(said_of($bytes), join('', map { sprintf '\\x%02x', ord }
                                 split //, $bytes),
       sprintf('U+%04X is escaped', $u));
}

for my $bytes (@invalid) {
    is(said_of($bytes), join('', map { /[ -~]/ ? $_ : sprintf '\\x%02x', ord }
                                 split //, $bytes),
       'not UTF-8: ' . unpack 'H*', $bytes);
}

for my $bytes (@shown) {
    is(said_of($bytes), $bytes, 'stays: ' . unpack 'H*', $bytes);
}

$from = $t->log_size;
$t->device("X\xe2\x80\xaeY\"", cert => $d->cert)->idle;
is(scalar lines($from, qr/"X\\xe2\\x80\\xaeY\\x22" is answered/), 1,
   'an id of a device');

finish;
