#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What "nginx -t" says of mdm_enrollment, and of the locations where devices
# come for a profile.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::CA;
use MDM::Conf;
use MDM::Util qw(read_file write_file);


my $pki = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $pki->dir;
my $conf = MDM::Conf->new($pki);

my $ca = MDM::CA->new($dir, 'devices');
my $root = MDM::CA->new($dir, 'root');
my $web = $root->sub_ca('web', ext => [ 'basicConstraints=CA:FALSE' ]);
my $old = MDM::CA->expired($dir, $web);
my $secret = $root->sub_ca('secret', ext => [ 'basicConstraints=CA:FALSE' ],
                           pass => 's3cret');
my $pass = write_file("$dir/pass", "s3cret\n");
my $empty = write_file("$dir/empty.pem", '');

chmod 0600, $pass;

my %with = (
    identifier => 'com.example.mdm',
    server_url => 'https://mdm.example/mdm',
    identity => 'scep devices https://mdm.example/scep',
    enroll_url => 'https://mdm.example/enroll',
);

# a block, with others of these, or without those that are undef

sub block {
    my (%o) = @_;

    my %all = (%with, %o);

    return "mdm_ca devices { certificate $ca->{cert};"
        . " certificate_key $ca->{key}; }\nmdm_enrollment main {\n"
        . join('', map { "$_ $all{$_};\n" } grep { defined $all{$_} }
               sort keys %all) . '}';
}

my $link = 'location /enroll { mdm_enroll main link; }';

sub takes {
    my ($what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $conf->ok($what, http => block(%o), locations => $link);
}

sub refuses {
    my ($name, $value, $why) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $conf->refused({ http => block($name => $value),
                            locations => $link },
                          defined $value ? "$name $value;" : "no $name", $why);
}


# what is taken

unlike(takes('a block'), qr/\[warn\]/, 'nothing is warned of');
unlike(takes('all of it', display_name => '"Ex ä"', organization => 'Ex',
             description => 'd', topic => 'com.apple.mgmt.External.x',
             checkin_url => 'https://mdm.example/checkin?x=1',
             access_rights => 8191, sign_message => 'on', checkout => 'off',
             pin => 'on', capabilities => 'per-user-connections bootstraptoken'
                                          . ' token',
             identity => 'scep devices http://mdm.example/scep keysize=4096'
                         . ' retries=0 retry_delay=3600 fingerprint=off',
             trust_certificate => "$root->{cert} $web->{cert}",
             apple_ca => $root->{cert}, sign => "$web->{chain} $web->{key}",
             minimum_os => '"iOS" "18.1"'), qr/\[warn\]/, 'nor here');
takes('a key with a password', sign => "$secret->{cert} $secret->{key} $pass");
takes('no capabilities', capabilities => 'off');
takes('an RSR and a beta', minimum_os => 'iOS "16.1 (a)";'
      . ' minimum_os macOS 15.2 build=24C101 beta=abc "description=Beta 1"');
like(takes('self-signed', sign => "$root->{cert} $root->{key}"),
     qr/\[warn\] .*is self-signed: devices will show profiles as not verified/,
     'a signer of its own is warned of');
$conf->ok('the CA behind it', locations => $link,
          http => block() =~ s/\A(mdm_ca .*?\})\n(.*)\z/$2\n$1/sr);
$conf->ok('off', http => block(),
          locations => 'location /enroll { mdm_enroll off; }');
$conf->ok('a person', http => block(enroll_url => undef),
          locations => 'location /enroll { mdm_enroll main link;'
                       . ' mdm_enroll_person $remote_user; }');
$conf->ok('Apple Configurator', http => block(),
          locations => 'location = /MDMServiceConfig {'
                       . ' mdm_enroll main config; }');
$conf->ok('an if', http => block(),
          locations => 'location /x { if ($arg_x) { mdm_enroll main link; } }');


# what a block cannot have

refuses($_, undef, "mdm enrollment \"main\" has no \"$_\"")
    for qw(identifier server_url identity);

refuses($_->[0], $_->[1], $_->[2]) for
    [ server_url => 'http://mdm.example/mdm',
      '"server_url" "http://mdm.example/mdm" must begin with "https://"' ],
    [ server_url => '"https://mdm .example"', 'is not a URL' ],
    [ server_url => 'https:///mdm', 'is not a URL' ],
    [ checkin_url => 'mdm.example', 'must begin with "https://"' ],
    [ enroll_url => 'https://mdm.example/enroll?x=1', 'has arguments' ],
    [ topic => 'com.example.mgmt', 'does not begin with "com.apple.mgmt."' ],
    [ identifier => "\"a\tb\"", 'has control characters' ],
    [ display_name => "\"\xff\"", 'not UTF-8' ],
    [ access_rights => 0, 'must be a number from 1 to 8191' ],
    [ access_rights => 2, '"access_rights" 2 has 2 without 1' ],
    [ access_rights => 129, '"access_rights" 129 has 128 without 64' ],
    [ capabilities => 'everything', 'must be "per-user-connections"' ],
    [ pin => 'on', '"pin" needs "trust_certificate"' ],
    [ identity => 'acme devices https://x/', 'it must be "scep"' ],
    [ identity => 'scep nosuch https://x/', 'mdm ca "nosuch" is not defined' ],
    [ identity => 'scep devices ftp://x/', 'or "http://"' ],
    [ identity => 'scep devices https://x/ keysize=3072',
      'it must be 1024, 2048 or 4096' ],
    [ identity => 'scep devices https://x/ keysize=1024',
      'is less than "key_minimum" of mdm ca "devices"' ],
    [ identity => 'scep devices https://x/ retries=101', 'from 0 to 100' ],
    [ identity => 'scep devices https://x/ retry_delay=0', 'from 1 to 3600' ],
    [ identity => 'scep devices https://x/ retries=1 retries=2',
      'it is there twice' ],
    [ identity => 'scep devices https://x/ fingerprint=md5',
      'must be "on" or "off"' ],
    [ identity => 'scep devices https://x/ key=1', 'it must be "keysize="' ],
    [ trust_certificate => '/nonexistent', 'open\(\) "/nonexistent" failed' ],
    [ trust_certificate => $empty, 'no certificates in PEM can be read' ],
    [ apple_ca => $empty, 'no certificates in PEM can be read from apple_ca' ],
    [ sign => "$web->{cert} $root->{key}", 'does not fit its key' ],
    [ sign => "$old->{cert} $old->{key}", 'has expired' ],
    [ sign => "$web->{cert} $empty", 'no key in PEM can be read' ],
    [ sign => "$secret->{cert} $secret->{key}", 'has a password' ],
    [ minimum_os => 'BeOS 5', 'must name "iOS"' ],
    [ minimum_os => 'iOS 18.x', 'it must be such as "18.1"' ],
    [ minimum_os => 'iOS 18.1 builds=1', 'it must be "build="' ],
    [ minimum_os => 'iOS 18.1 description=x', 'without "beta="' ],
    [ minimum_os => 'iOS 18.1; minimum_os iOS 18.2', 'names a system twice' ],
    [ renewal => 'on', 'unknown directive "renewal" in "mdm_enrollment"' ];

$conf->refused({ http => block() . ' mdm_enrollment main { }',
                 locations => $link }, 'a second one of this name',
               'mdm enrollment "main" is already defined in \S+:\d+');
$conf->refused({ http => 'mdm_enrollment a/b { }', locations => $link },
               'a name', 'the name may have letters');


# and a location

sub location_refused {
    my ($text, $why, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $conf->refused({ http => block(%o),
                            locations => "location /enroll { $text }" },
                          $text, $why);
}

location_refused('mdm_enroll none link;',
                 'mdm enrollment "none" is not defined in \S+:\d+');
location_refused('mdm_enroll main;', 'names no way');
location_refused('mdm_enroll main links;',
                 'must be "link", "ota", "ade" or "config"');
location_refused('mdm_enroll main link link;', 'names a way twice');
location_refused('mdm_enroll main link config;', 'has "config" beside others');
location_refused('mdm_enroll main link; mdm_enroll main link;',
                 'is duplicate');
location_refused("mdm_enroll main $_;", "\"$_\" needs \"apple_ca\"")
    for qw(ade ota);
location_refused('mdm_enroll main link;', '"link" needs "enroll_url"',
                 enroll_url => undef);
location_refused("mdm_enroll main link; $_;",
                 '"mdm_enroll" cannot be in one location with')
    for 'mdm_checkin on', 'mdm_connect on', 'mdm_api on', 'mdm_scep devices',
        'mdm_auth_request on', 'mdm_auth on';
location_refused('mdm_enroll main link; mdm_enroll_person bob;',
                 'everybody would be the same person');
location_refused('mdm_enroll main link; mdm_enroll_allow some;',
                 'must be "list" or "any"');
location_refused('mdm_enroll main link; mdm_enroll_replace some;',
                 'must be "any" or "none"');


# docs/enrollment.md: nginx takes what it shows

{
    my $text = read_file("$MDM::root/docs/enrollment.md");
    my ($http, $server)
        = $text =~ /^    (mdm_ca .*?)^    server \{\n(.*?)^    \}$/ms;

    ok(defined $server, 'a configuration');

    my ($locations) = $server =~ /(^ *location .*)/ms;
    my $ra = $ca->ra('ra');
    my %file = ('device-ca.pem' => $ca->{cert}, 'device-ca.key' => $ca->{key},
                'device-ra.pem' => $ra->{cert}, 'device-ra.key' => $ra->{key},
                'mdm.example.com.pem' => $web->{chain},
                'mdm.example.com.key' => $web->{key});

    s/(?<![\w.])(device-\w+\.(?:pem|key)|mdm\.example\.com\.(?:pem|key))/$file{$1}/g
        for $http, $server;

    unlike($conf->ok('docs/enrollment.md', http => $http, locations => $locations,
                     server => 'large_client_header_buffers 4 16k;'),
           qr/\[warn\]/, 'nothing is warned of');

    my ($config) = $text =~ /^    (location = \/MDMServiceConfig \{.*?^    \})/ms;

    $conf->ok('MDMServiceConfig', http => $http, locations => $config);
}

finish;
