#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What KMFDDM's own end-to-end tests ask of a server, in their order: codes,
# lists, values of status flat down to leaves, errors, current declarations.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new(locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location / { mdm_api on; }
END

my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $test = 'com.apple.configuration.management.test';


sub call {
    my ($want, $method, $path, $body) = @_;

    my $r = $t->request($method, "/v1/$path", plain => 1,
                        defined $body ? (body => $body) : ());

    is($r->status, $want, "$method $path: $want") or diag($r->body);

    return length $r->body ? $json->decode($r->body) : undef;
}


sub status {
    my ($d, $report) = @_;

    is($d->message('DeclarativeManagement', Endpoint => 'status',
                   Data => plist_data($json->encode($report)))->status, 200,
       'a status report');
}


# rows without what changes from run to run, sorted

sub rows {
    my ($list) = @_;

    delete @$_{qw(timestamp status_id status_received)} for @$list;

    return [ sort { $json->encode($a) cmp $json->encode($b) } @$list ];
}


# declarations

my $body = qq({"Type":"$test","Payload":{"Echo":"test"},"Identifier":"d-1"});

call(304, DELETE => 'declarations/d-1');
call(404, GET => 'declarations/d-1');
is_deeply(call(200, GET => 'declarations'), [], 'none');
call(204, PUT => 'declarations', $body);
call(304, PUT => 'declarations', $body);
is_deeply(call(200, GET => 'declarations'), [ 'd-1' ], 'one');

my $d1 = call(200, GET => 'declarations/d-1');
my $token = delete $d1->{ServerToken};

is_deeply($d1, $json->decode($body), 'as it was put');
call(204, POST => 'declarations/d-1/touch');
isnt(call(200, GET => 'declarations/d-1')->{ServerToken}, $token, 'touched');


# sets

call(304, DELETE => 'set-declarations/s-1?declaration=d-1');
is_deeply(call(200, GET => 'set-declarations/s-1'), [], 'none');
call(204, PUT => 'set-declarations/s-1?declaration=d-1');
call(409, DELETE => 'declarations/d-1');
is_deeply(call(200, GET => 'set-declarations/s-1'), [ 'd-1' ], 'in it');

call(304, DELETE => 'enrollment-sets/E-1?set=s-1');
is_deeply(call(200, GET => 'enrollment-sets/E-1'), [], 'none');
call(204, PUT => 'enrollment-sets/E-1?set=s-1');
is_deeply(call(200, GET => 'enrollment-sets/E-1'), [ 's-1' ], 'given');
call(204, DELETE => 'enrollment-sets-all/sets/E-1');
call(304, DELETE => 'enrollment-sets-all/sets/E-1');


# values of status

my $e1 = $t->device('E-1')->enroll;

my @items = qw(device.identifier.udid management.declarations
               test.string-value);
my @configurations = map { "com.apple.configuration.$_" }
                     qw(legacy management.test passcode.settings);

status($e1, { Errors => [], StatusItems => {
    management => {
        declarations => { activations => [], configurations => [],
                          assets => [], management => [] },
        'client-capabilities' => {
            'supported-versions' => [ '1.0.0' ],
            'supported-features' => {},
            'supported-payloads' => {
                'status-items' => \@items,
                declarations => { activations => [], assets => [],
                    configurations => \@configurations,
                    management => [ 'com.apple.management.properties' ] } } } },
    device => {
        identifier => { udid => 'E-1', 'serial-number' => 'S1' },
        model => { family => 'Mac' },
        'operating-system' => { family => 'macOS', version => '13.3.1',
            supplemental => { 'extra-version' => '(a)' } } } } });

my $capable = '.StatusItems.management.client-capabilities.';

is_deeply(rows(call(200, GET => 'status-values/E-1')->{'E-1'}), rows([
    map { { path => $_->[0], value => $_->[1] } }
        [ '.StatusItems.device.identifier.serial-number', 'S1' ],
        [ '.StatusItems.device.identifier.udid', 'E-1' ],
        [ '.StatusItems.device.model.family', 'Mac' ],
        [ '.StatusItems.device.operating-system.family', 'macOS' ],
        [ '.StatusItems.device.operating-system.supplemental.extra-version',
          '(a)' ],
        [ '.StatusItems.device.operating-system.version', '13.3.1' ],
        [ "${capable}supported-versions", '1.0.0' ],
        (map { [ "${capable}supported-payloads.status-items", $_ ] } @items),
        (map { [ "${capable}supported-payloads.declarations.configurations",
                 $_ ] } @configurations),
        [ "${capable}supported-payloads.declarations.management",
          'com.apple.management.properties' ]
    ]), 'values, one row an element');

is(scalar @{call(200, GET => 'status-values/E-1?prefix=.StatusItems.device.%25')
            ->{'E-1'}}, 6, 'a prefix with a %');


# errors, and the status of declarations

my $e2 = $t->device('E-2')->enroll;
my $failed = {
    identifier => 'd-2', active => JSON::PP::false, valid => 'unknown',
    'server-token' => 'none', reasons => [ {
        code => 'Info.NotReferencedByActivation',
        description => "Configuration \x{201c}d-2:none\x{201d} is alone.",
        details => { Identifier => 'd-2', ServerToken => 'none' } } ] };

sub report {
    my ($configuration) = @_;

    return { Errors => [], StatusItems => { management => { declarations => {
        activations => [], assets => [], management => [],
        configurations => [ $configuration ] } } } };
}

status($e2, report($failed));

is_deeply(rows(call(200, GET => 'status-errors/E-2')->{'E-2'}), [ {
    path => '.StatusItems.management.declarations.configurations',
    error => $failed } ], 'a declaration that failed is an error');
is_deeply(call(200, GET => 'declaration-status/NONE'), { NONE => [] },
          'nothing of one that is not there');

my ($row) = @{rows(call(200, GET => 'declaration-status/E-2')->{'E-2'})};

is_deeply($row->{reasons}, $failed->{reasons}, 'its reasons');
ok(!$row->{current}, 'it is not current');

call(204, PUT => 'declarations',
     qq({"Type":"$test","Payload":{"Echo":"2"},"Identifier":"d-2"}));
call(204, PUT => 'enrollment-sets/E-1?set=s-2');
call(204, PUT => 'set-declarations/s-2?declaration=d-2');

my $current = { %$failed, 'server-token' =>
                call(200, GET => 'declarations/d-2')->{ServerToken} };

# the change of a set is rolled out in the background

wait_for(30, sub {
    status($e1, report($current));

    return call(200, GET => 'declaration-status/E-1,E-2')
           ->{'E-1'}[0]{current};
}) or fail('what was given is current');

call(204, DELETE => 'set-declarations/s-2?declaration=d-2');
call(204, DELETE => 'enrollment-sets/E-1?set=s-2');
call(204, DELETE => 'declarations/d-2');
call(304, DELETE => 'declarations/d-2');

$t->finish;
