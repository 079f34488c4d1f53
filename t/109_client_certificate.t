#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Certificates that expire soon, those that other servers ask us for, and those
# of a CA: a warning of each when nginx starts, and once a day.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);

use MDM;
use MDM::CA;
use MDM::Conf;
use MDM::PKI;
use MDM::Util qw(wait_for write_file);


my $t = MDM->new(workers => 2);
my $ca = MDM::PKI->new(dir => $t->dir, name => 'Client CA');

sub cert {
    my ($days) = @_;

    my $cert = $ca->issue(cn => "days-$days", not_before => time - 86400 * 200,
                          not_after => time + 86400 * $days + 3600);

    chmod 0600, $cert->{key};

    return $cert;
}

my ($long, $soon, $late, $gone) = map { cert($_) } 92, 89, 9, -2;

sub client {
    my ($cert) = @_;

    return "mdm_http_client { certificate $cert->{file};"
           . " certificate_key $cert->{key}; }\n";
}

sub hook {
    my ($name, $cert) = @_;

    return "mdm_webhook http://127.0.0.1:9/ name=$name"
           . ($cert ? " certificate=$cert->{file} key=$cert->{key}" : '')
           . ";\n";
}


# two CAs: of one the certificate ends soon, of the other that of its RA

my $old = MDM::CA->new($t->dir, 'old', key => 'ec:P-256', days => 60);
my $new = MDM::CA->new($t->dir, 'new', key => 'ec:P-256');
my $ra = $new->ra('ra', days => 8);

my $cas = "mdm_ca old { certificate $old->{cert};"
    . " certificate_key $old->{key}; }"
    . " mdm_ca new { certificate $new->{cert}; certificate_key $new->{key};"
    . " ra_certificate $ra->{cert}; ra_certificate_key $ra->{key}; }\n";


# nginx -t

my $conf = MDM::Conf->new($t);

sub warned {
    my ($http) = @_;

    return [ map { s/^.*\[warn\] [^:]*: //r =~ s/"[^"]*\/(cert-\d+)\.pem"/$1/r
                   =~ s/ in \S+nginx\.conf:\d+$/ in a line/r }
             grep { /\[warn\].*certificate/ }
             split /\n/, $conf->ok('certificates', http => $http) ];
}

sub line {
    my ($what, $cert, $why) = @_;

    my ($file) = $cert->{file} =~ /(cert-\d+)\.pem$/;

    return "directive \"$what\": certificate $file $why in a line";
}

my $near = 'expires within 90 days';

is_deeply(warned(client($long) . hook('a', $long)), [],
          'those that are good for long');
is_deeply(warned(client($soon)),
          [ line('mdm_http_client', $soon, $near) ], 'mdm_http_client');
is_deeply(warned(client($long) . hook('a', $soon) . hook('b', $late)),
          [ line('mdm_webhook', $soon, $near),
            line('mdm_webhook', $late, 'expires within 10 days') ],
          'each webhook');
is_deeply(warned(client($soon) . hook('a') . hook('b')),
          [ line('mdm_http_client', $soon, $near) ],
          'who inherits it says nothing');
is_deeply(warned(hook('a', $gone)),
          [ line('mdm_webhook', $gone, 'has expired') ],
          'one that has expired');


# a day later, by one of the workers

my $later = $t->dir . '/later';

$t->{env} = { LD_PRELOAD => "$MDM::root/build/laterday.so",
              LATERDAY => $later };
$t->{http} = $cas . client($late) . hook('a') . hook('b', $soon)
    . hook('c', $long);
$t->start;

my $warnings = sub {
    my ($from) = @_;

    return join ' ',
           map { /directive "(\w+)": .* within (\d+)/ ? "$1 $2" : () }
           grep { /\[warn\].*certificate/ } split /\n/, $t->log($from);
};

my $of_cas = sub {
    my ($from) = @_;

    return [ map { /mdm ca "(\w+)": (\w+) "\S+" expires within \d+ days/
                       ? "$1: $2" : () }
             grep { /\[warn\]/ } split /\n/, $t->log($from) ];
};

my $device = $t->device('LATER-1')->enroll;
my $size = $t->log_size;

my $ends = [ 'old: certificate', 'new: ra_certificate' ];

is($warnings->(), 'mdm_http_client 10 mdm_webhook 90', 'at start');
is_deeply($of_cas->(), $ends, 'also of CAs');
$device->idle for 1 .. 5;
sleep 0.5;
is($warnings->($size), '', 'not again on the same day');
is_deeply($of_cas->($size), [], 'nor of CAs');

write_file($later, '');

ok(wait_for(20, sub {
    eval { $t->request('GET', '/', plain => 1, fresh => 1) } for 1 .. 4;
    return $warnings->($size) ne '' && @{$of_cas->($size)};
}), 'a day later');
sleep 1;
is($warnings->($size), 'mdm_http_client 10 mdm_webhook 90', 'once again');
is_deeply($of_cas->($size), $ends, 'also of CAs');

is(wait_for(10, sub { return $device->idle->status == 200 }), 1,
   'devices are served');

finish;
