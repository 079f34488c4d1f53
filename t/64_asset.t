#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The document of an asset: scripts/mdm-asset describes a file, and nginx
# serves it to enrolled devices just as described, and to nobody else.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Util qw(read_file write_file spawn wait_exit);

my $t = MDM->new(locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }

        location /assets/ {
            mdm_auth on;
            root %%PREFIX%%/www;
            types { application/json json; application/pem pem; }
            default_type application/octet-stream;
        }
END

my $dir = $t->dir;
my $base = 'https://127.0.0.1:' . $t->port . '/assets/';

mkdir "$dir/www";
mkdir "$dir/www/assets";


# (exit code, standard output, standard error)

sub asset {
    my (@args) = @_;

    my $pid = spawn({ out => "$dir/asset.out" }, 'sh', '-c',
        'exec "$@" 2> ' . "$dir/asset.err", 'sh',
        "$MDM::root/scripts/mdm-asset", @args);
    my $rc = wait_exit($pid, 30);

    return ($rc >> 8, read_file("$dir/asset.out"),
            read_file("$dir/asset.err"));
}


# a device, one that is not enrolled, one whose CA nobody knows

my $device = $t->device('ASSET-1')->enroll;
my $other = $t->cert(cn => 'ASSET-2');

my %document = (
    'user.json' => '{"UserName":"joe","Password":"secret"}',
    'empty.json' => '',
    'cert.pem' => "-----BEGIN CERTIFICATE-----\n" . 'x' x 70000,
    'a b+c.bin' => join('', map { chr } 0 .. 255) x 1000,
);
my %type = (json => 'application/json', pem => 'application/pem',
            bin => 'application/octet-stream');

for my $name (sort keys %document) {
    my $file = write_file("$dir/www/assets/$name", $document{$name});
    my ($rc, $out, $err) = asset('--url', $base, $file);

    is($rc, 0, "$name: described") or diag($err);

    my $d = JSON::PP->new->utf8->decode($out);
    my $r = $d->{Payload}{Reference};

    is($d->{Type}, 'com.apple.asset.data', "$name: Type");
    is($d->{Identifier}, $name, "$name: Identifier");
    is($d->{Payload}{Authentication}{Type}, 'MDM', "$name: Authentication");
    like($out, qr/"Size" : \d+/, "$name: Size is a number");

    my ($path) = $r->{DataURL} =~ m{^https://[^/]+(/.*)$};
    my $got = $t->request('GET', $path, cert => $device->cert);

    is($got->status, 200, "$name: the device gets it");
    is(length $got->body, $r->{Size}, "$name: Size");
    is(sha256_hex($got->body), $r->{'Hash-SHA-256'}, "$name: digest");
    is($got->header('Content-Type'), $r->{ContentType}, "$name: type");
    is($r->{ContentType}, $type{($name =~ /(\w+)$/)[0]}, "$name: by name");

    is($t->request('GET', $path, cert => $other)->status, 403,
       "$name: not for a device that is not enrolled");
    is($t->request('GET', $path)->status, 403,
       "$name: not without a certificate");
}


# a declaration that exists: what else is in it stays

my $file = "$dir/www/assets/user.json";
my $old = write_file("$dir/old.json", JSON::PP->new->utf8->encode({
    Type => 'com.apple.asset.credential.userpassword', Identifier => 'joe',
    ServerToken => 'old', Payload => { Accessible => 'AfterFirstUnlock',
        Reference => { DataURL => 'https://mdm.example.com/x/user.json',
                       Size => 1, 'Hash-SHA-256' => 'ABC' } } }));
my ($rc, $out, $err) = asset($old, $file);

is($rc, 0, 'a declaration is filled in') or diag($err);
is_deeply(JSON::PP->new->utf8->decode($out), {
    Type => 'com.apple.asset.credential.userpassword', Identifier => 'joe',
    Payload => { Accessible => 'AfterFirstUnlock', Reference => {
        DataURL => 'https://mdm.example.com/x/user.json',
        ContentType => 'application/json', Size => 38,
        'Hash-SHA-256' => sha256_hex($document{'user.json'}) } } },
    'and nothing else is changed');


# refused

for my $case ([ qr/not a file/, '--url', $base, "$dir/none" ],
              [ qr/--url is needed/, $file ],
              [ qr/not an https/, '--url', 'http://x/y', $file ],
              [ qr/not a JSON object/, '--url', $base, $file, $file ],
              [ qr/MDM or None/, '--url', $base, '--authentication', 'x',
                $file ])
{
    my ($why, @args) = @$case;

    @args = (@args[0, 1], write_file("$dir/bad.json", '[]'), $file)
        if $why =~ /JSON/;
    ($rc, $out, $err) = asset(@args);
    is($rc, 1, "refused: $why");
    like($err, $why, 'and said so');
}


# sent to the API, once it has declarations

SKIP: {
    my $api = 'http://127.0.0.1:' . $t->plain_port . '/api';

    skip 'no declarations in this build', 5
        if $t->api(GET => '/v1/declarations')->status == 404;

    my @put = ('--put', $api, '--nonotify', '--url', $base, '--identifier',
               'com.example.user', $file);

    ($rc, $out, $err) = asset(@put);
    is($rc, 0, 'put') or diag($err);
    like($err, qr/changed/, 'put: changed');
    ($rc, $out, $err) = asset(@put);
    is($rc, 0, 'put again');
    like($err, qr/as it was/, 'put again: nothing new');
    is($t->api(GET => '/v1/declarations/com.example.user')->json
         ->{Payload}{Reference}{Size}, 38, 'put: it is there');
}

finish;
