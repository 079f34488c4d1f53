#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Webhooks of tenants: one of a tenant gets its events alone, one of all gets
# those of each, and the ids of events say whose they are.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Sink;
use MDM::Util qw(wait_for);


my $device = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(workers => 2, locations => <<"END", store => 'partitions 2;');
        location /mdm { $device }
        location /api/ { mdm_api on; }
        location /b/mdm { mdm_tenant b; $device }
        location /b/api/ { mdm_tenant b; mdm_api on; }
        location /c/mdm { mdm_tenant c; $device }
        location /c/api/ { mdm_tenant c; mdm_api on; }
END

my %sink = map { $_ => MDM::Sink->new(dir => $t->dir, tls => 0) }
           qw(all b default);

$t->{http} = join ' ', map {
    'mdm_webhook ' . $sink{$_}->url . " name=$_ timeout=2s"
    . ($_ eq 'default' ? '' : ' tenant=' . ($_ eq 'all' ? '*' : $_)) . ';'
} sort keys %sink;

$t->start;

my %path = (default => '/mdm', b => '/b/mdm', c => '/c/mdm');

# "tenant topic id" of what came, each once

sub came {
    my ($name) = @_;

    my %seen;

    for my $line ($sink{$name}->ledger) {
        my $body = JSON::PP->new->decode($line->{body});
        my ($tenant) = $body->{event_id} =~ /^([^.]+)\./;

        is($tenant, $line->{tenant}, 'X-Mdm-Tenant is that of event_id')
            if $tenant ne $line->{tenant};
        $seen{"$line->{tenant} $body->{topic} "
              . $body->{checkin_event}{udid}} = 1;
    }

    my @list = sort keys %seen;

    return @list;
}

sub enrolled {
    return sort map { my $tenant = $_;
                      map { ("$tenant mdm.Authenticate $_",
                             "$tenant mdm.TokenUpdate $_") }
                      "ONE-$tenant", 'SAME' } @_;
}

for my $tenant (sort keys %path) {
    for my $id ("ONE-$tenant", 'SAME') {
        $t->device($id, path => $path{$tenant})->enroll;
    }
}

my %wanted = (all => [ enrolled(sort keys %path) ], b => [ enrolled('b') ],
              default => [ enrolled('default') ]);

for my $name (sort keys %wanted) {
    my $n = @{$wanted{$name}};

    wait_for(20, sub { $n <= came($name) });
    is_deeply([ came($name) ], $wanted{$name}, "$name: what it is to get");
}

# who is told of them by the API

for (['/api', 'all default'], ['/b/api', 'all b'], ['/c/api', 'all']) {
    my ($path, $names) = @$_;
    my $hooks = $t->request(GET => "$path/v1/webhooks")->json;

    is(join(' ', sort map { $_->{name} } @$hooks), $names, "$path: $names");
}

is($t->request(POST => '/c/api/v1/webhooks/b/test')->status, 404,
   "another tenant's is not there");

# one tenant's that waits keeps nothing from the others

$sink{b}->tell('rule * 503');
$t->device('TWO', path => $path{$_})->enroll for sort keys %path;

ok(wait_for(20, sub { 3 == grep { /TokenUpdate TWO$/ } came('all') }),
   'all: has those of each, while another one refuses them');
ok(wait_for(20, sub { grep { /TokenUpdate TWO$/ } came('default') }),
   'default: has its own');

finish;
