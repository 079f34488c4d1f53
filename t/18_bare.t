#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A module that was built without libcurl (scripts/build bare): what needs it is
# refused, and all else works.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Conf;

my $so = "$MDM::root/build/bare/ngx_mdm_module.so";

plan skip_all => 'scripts/build bare makes it' if !-e $so;

$ENV{MDM_MODULE} = $so;
delete $ENV{MDM_NGINX};

my $t = MDM->new;

unlike(scalar `ldd $so`, qr/libcurl/, 'it links no libcurl');

my ($ok, $out) = $t->test_conf(http => "mdm_http_client {\n max 1;\n}\n");

ok(!$ok, 'mdm_http_client is refused');
like($out, qr/\[emerg\] .*"mdm_http_client" needs libcurl, without which this ngx_mdm_module was built \(NGX_MDM_HTTP=NO\) in \S+:\d+/,
     'which says why, and where');

$t->redis_server->start;
$t->write_conf(http => '');
$t->start_nginx;
is($t->device('B-1')->enroll->idle->status, 200, 'devices are served');

finish;
