#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What "nginx -t" says of ways in that need Apple's CA and a key to seal with;
# and the configuration of docs/ade.md, which it takes.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Apple;
use MDM::CA;
use MDM::Conf;
use MDM::Util qw(read_file write_file);


my $pki = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $pki->dir;
my $conf = MDM::Conf->new($pki);

my $ca = MDM::CA->new($dir, 'devices');
my $apple = MDM::Apple->new($dir);
my $key = write_file("$dir/store.key", 'k' x 31 . "\x01");

chmod 0600, $key;

my $block = sub {
    return "mdm_ca devices { certificate $ca->{cert};"
        . " certificate_key $ca->{key}; }\nmdm_enrollment main {"
        . ' identifier com.example.mdm; server_url https://mdm.example/mdm;'
        . ' identity scep devices https://mdm.example/scep;'
        . " enroll_url https://mdm.example/enroll; $_[0] }";
};

my %with = (http => $block->("apple_ca $apple->{ca};"),
            store => "encryption_key $key;",
            server => 'large_client_header_buffers 4 16k;');
my $login = 'mdm_enroll_login https://idp.example/?state=$mdm_enroll_state;';
my $person = 'mdm_enroll_person $remote_user;';

sub location { return (locations => "location /x { $_[0] }") }

sub refuses {
    my ($text, $why, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $conf->refused({ %with, %o, location($text) }, $text, $why);
}


for my $text ('mdm_enroll main ade;', 'mdm_enroll main link ota ade;',
              "mdm_enroll main ade; $person $login",
              'mdm_enroll main ade; mdm_enroll_allow any;'
              . ' mdm_enroll_replace none;',
              "mdm_enroll main ade; $person mdm_enroll_login off;",
              "if (\$arg_x) { mdm_enroll main ade; }")
{
    unlike($conf->ok($text, %with, location($text)), qr/\[warn\]/,
           'nothing is warned of');
}

$conf->ok('a login without ade', %with, location("mdm_enroll main link;"
                                                 . " $login"));
$conf->ok('ade without a key', %with, store => '',
          location('mdm_enroll main ade;'));

like($conf->ok('short headers', %with, server => '',
               location('mdm_enroll main ade;')),
     qr/\[warn\] .*"large_client_header_buffers" has buffers of 8192/,
     'they are warned of');

refuses('mdm_enroll main ade;', '"ade" needs "apple_ca" in mdm enrollment',
        http => $block->(''));
refuses('mdm_enroll main ota;', '"ota" needs "apple_ca" in mdm enrollment',
        http => $block->(''));
like($conf->ok('ota without a key', %with, store => '',
               location('mdm_enroll main ota;')),
     qr/\[warn\] .*without "encryption_key" .* a challenge of "ota"/,
     'it is warned of');
like($conf->ok('a login without a key', %with, store => '',
               location("mdm_enroll main ade; $person $login")),
     qr/\[warn\] .*without "encryption_key" .* of "mdm_enroll_login"/,
     'it is warned of');
refuses("mdm_enroll main ade; $login",
        '"mdm_enroll_login" needs "mdm_enroll_person"');
refuses("mdm_enroll main ade; $person mdm_enroll_login https://x;",
        'has no variable');
refuses("mdm_enroll main ade; $person $login $login", 'is duplicate');
refuses('mdm_enroll main ade; mdm_enroll_allow some;', 'must be ');
refuses('mdm_enroll main ade; mdm_enroll_replace some;',
        'must be ');


# docs/ade.md

{
    my $text = read_file("$MDM::root/docs/ade.md");
    my ($store, $http, $server) = $text
        =~ /^    mdm_store main \{\n(.*?)^    \}\n(.*?)^    server \{\n(.*?)^    \}$/ms;

    ok(defined $server, 'a configuration');

    $store =~ s/^ *server .*$//m;
    $store =~ s{/etc/nginx/mdm\.key}{$key};
    $http =~ s/device-ca\.pem/$ca->{cert}/;
    $http =~ s/device-ca\.key/$ca->{key}/;
    $http =~ s/apple-ca\.pem/$apple->{ca}/;

    my ($locations) = $server =~ /(^ *location .*)/ms;

    $server =~ s/^ *location .*//ms;

    unlike($conf->ok('docs/ade.md', store => $store, http => $http,
                     server => $server, locations => $locations),
           qr/\[warn\]/, 'nothing is warned of');
}

finish;
