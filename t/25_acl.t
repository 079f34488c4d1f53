#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Least privilege: the user of docs/keyspace.md is enough for all calls, and
# each of its commands is needed by some script.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Util qw(read_file write_file);

my $doc = read_file("$MDM::root/docs/keyspace.md");
my ($acl) = $doc =~ /^    (ACL SETUSER mdm .*)$/m;

ok($acl, 'the documented ACL');

my @acl = split ' ', $acl;
my ($password) = grep { /^>/ } @acl;

# what scripts call, from their sources

my %called;

for my $file (glob "$MDM::root/src/lua/*.lua") {
    $called{lc $_} = 1 for read_file($file) =~ /redis\.call\(\s*'([A-Z]+)'/g;
    $called{xadd} = 1 if $file =~ m{/_event\.lua$};
}

my %granted = map { s/^\+//r => 1 } grep { /^\+/ } @acl;
delete @granted{qw(select eval evalsha client|setname config|get
                  script|load)};

is_deeply([ sort keys %granted ], [ sort keys %called ],
          'granted is what scripts call');

my $t = MDM->new(store => 'user mdm; password_file %%PREFIX%%/password;');

$t->redis_server->start;
$t->redis(@acl);

write_file($t->dir . '/password', substr($password, 1) . "\n");
chmod 0600, $t->dir . '/password';

$t->start_nginx;

my $device = $t->device('ACL-1')->enroll;
my $body = plist({ CommandUUID => 'u1',
                   Command => { RequestType => 'ProfileList' } });

is($t->api(PUT => '/v1/enqueue/ACL-1', body => $body)->status, 200,
   'enqueue');
is($device->idle->body, $body, 'delivered');
is($device->report('NotNow', 'u1')->status, 200, 'NotNow');
is($device->report('Acknowledged', 'u1')->status, 200, 'acknowledged');
is($t->api(GET => '/v1/queue/ACL-1/u1')->json->{state}, 'acknowledged',
   'the result');
is($t->api(GET => '/v1/queue/ACL-1')->status, 200, 'the queue');
is($t->api(DELETE => '/v1/queue/ACL-1')->status, 204, 'clear it');
is($t->api(POST => '/v1/enrollments/query', body => '{}')->status, 200,
   'query');
is($t->api(GET => '/v1/enrollments/ACL-1')->status, 200, 'enrollment');
is($t->api(DELETE => '/v1/enrollments/ACL-1/certificate')->status, 204,
   'pin reset');

ok(!grep({ /NOPERM/ } split /\n/, $t->log), 'nothing was refused');

finish;
