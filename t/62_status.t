#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The status channel: reports come in, are merged, indexed, watched, kept as
# they came, and shown by the API.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA 'sha256_hex';
use File::Find ();
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Status qw(doc events get items ok_status pages status
                   values_of);
use MDM::Util qw(read_file spawn wait_exit write_file);


my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);


sub last_event { return (events($_[0], 'mdm.StatusChanged'))[-1] }

sub query {
    my ($t, $item, $op, $value, %o) = @_;

    my (@rows, $cursor, $pages);

    do {
        my $r = $t->api(POST => '/v1/status/query', body => $json->encode({
            item => $item, predicate => { op => $op, value => $value },
            %o, (defined $cursor ? (cursor => $cursor) : ()) }));

        $r->status == 200 or die $r->body;
        push @rows, @{$r->json->{enrollments}};
        $cursor = $r->json->{next_cursor};
        die "query: no end\n" if ++$pages > 1000;
    } while (defined $cursor);

    return (\@rows, $pages);
}

sub found { return [ map { $_->{id} } @{(query(@_))[0]} ] }


my $t = MDM->new(http => 'mdm_status_index device.operating-system.version '
    . 'device.model.family passcode.is-compliant test.integer-value '
    . 'test.real-value;',
    mdm => 'mdm_status_errors 20; mdm_status_reports 10;')->start;


# merging

{
    my $d = $t->device('S-1')->enroll;

    is_deeply($t->api(GET => '/v1/status/S-1')->json,
              { id => 'S-1', status => {}, times => {} }, 'nothing yet');
    is_deeply(get($t, '/v1/status-values/S-1'), { 'S-1' => [] },
              'no values yet');

    ok_status($d, items({
        device => { model => { family => 'iPhone', identifier => 'iPhone14,2' },
                    'operating-system' => { version => '17.4',
                                            family => 'iOS' } },
        passcode => { 'is-compliant' => $true },
        softwareupdate => { 'failure-reason' => { count => 0,
                                                  reason => 'a.b' } },
        test => { 'array-value' => [ { key1 => 'a' }, { key1 => 'b' } ],
                  'integer-value' => 9007199254740993,
                  'real-value' => 0.1 },
        app => { managed => { list => [
            { identifier => 'com.one', state => 'managed' },
            { identifier => 'com.two', state => 'queued' } ] } },
        account => { list => { caldav => [] } },
        vendor => { new => { one => 1, two => [ 1, 2 ], empty => {} },
                    data => { 'com.x' => 1 } },
    }), 'the first report');

    is_deeply(values_of($t, 'S-1'), {
        'device.model.family' => 'iPhone',
        'device.model.identifier' => 'iPhone14,2',
        'device.operating-system.version' => '17.4',
        'device.operating-system.family' => 'iOS',
        'passcode.is-compliant' => 'true',
        'softwareupdate.failure-reason.count' => '0',
        'softwareupdate.failure-reason.reason' => 'a.b',
        'test.array-value.key1' => 'a,b',
        'test.integer-value' => '9007199254740993',
        'test.real-value' => '0.1',
        'app.managed.list.identifier/com.one' => 'com.one',
        'app.managed.list.state/com.one' => 'managed',
        'app.managed.list.identifier/com.two' => 'com.two',
        'app.managed.list.state/com.two' => 'queued',
        'vendor.new.one' => '1',
        'vendor.new.two' => '1,2',
        'vendor.data.com.x' => '1',
    }, 'values, down to leaves');

    # a prefix, or a pattern as that of SQL's LIKE

    for my $case (
        [ 'device.model.f', 'device.model.family' ],
        [ '.StatusItems.device.model.f', 'device.model.family' ],
        [ 'softwareupdate.failure-reason.r',
          'softwareupdate.failure-reason.reason' ],
        [ 'softwareupdate.failure-reason.reason.x', '' ],
        [ 'app.managed.list.state',
          'app.managed.list.state/com.one app.managed.list.state/com.two' ],
        [ '.StatusItems.device.model.%25',
          'device.model.family device.model.identifier' ],
        [ 'device.model.%25', 'device.model.family device.model.identifier' ],
        [ '%25.family', 'device.model.family device.operating-system.family' ],
        [ '%25family%25', 'device.model.family '
          . 'device.operating-system.family' ],
        [ '.StatusItems.%25.m_del.f%25', 'device.model.family' ],
        [ '.StatusItems.%25.m\\_del.f%25', '' ],
        [ '.Stat', scalar keys %{values_of($t, 'S-1')} ],
        [ '%25', scalar keys %{values_of($t, 'S-1')} ],
        [ 'model%25', '' ],
    ) {
        my ($prefix, $paths) = @$case;
        my @found = sort keys %{values_of($t, 'S-1', $prefix)};

        is($paths =~ /^\d+$/ ? scalar @found : "@found", $paths,
           "prefix=$prefix");
    }

    is($t->api(GET => '/v1/status-values/S-1?prefix=%25' . 'x' x 255)->status,
       400, 'a pattern that is too long');

    my $doc = $t->api(GET => '/v1/status/S-1');

    is_deeply($doc->json->{status}, {
        device => { model => { family => 'iPhone', identifier => 'iPhone14,2' },
                    'operating-system' => { version => '17.4',
                                            family => 'iOS' } },
        passcode => { 'is-compliant' => $true },
        softwareupdate => { 'failure-reason' => { count => 0,
                                                  reason => 'a.b' } },
        test => { 'array-value' => [ { key1 => 'a' }, { key1 => 'b' } ],
                  'integer-value' => 9007199254740993,
                  'real-value' => 0.1 },
        app => { managed => { list => [
            { identifier => 'com.one', state => 'managed' },
            { identifier => 'com.two', state => 'queued' } ] } },
        account => { list => { caldav => [] } },
        vendor => { new => { one => 1, two => [ 1, 2 ], empty => {} },
                    data => { 'com.x' => 1 } },
    }, 'the document');
    like($doc->json->{times}{'device.model.family'},
         qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'its times');
    is(scalar keys %{$doc->json->{times}}, 15, 'a time for each item');

    # incremental

    ok_status($d, items({
        device => { 'operating-system' => { version => '17.10' } },
        app => { managed => { list => [
            { identifier => 'com.two', _removed => $true },
            { identifier => 'com.one', version => '2' },
            { identifier => 'com.three' } ] } },
        test => { 'array-value' => [], 'real-value' => undef },
        account => { list => { caldav => [ { identifier => 'c' } ] } },
        vendor => { new => { one => 2 } },
    }), 'an incremental report');

    my $v = values_of($t, 'S-1');

    is($v->{'device.operating-system.version'}, '17.10', 'a new value');
    is($v->{'device.model.family'}, 'iPhone', 'what is not in it stays');
    is_deeply(doc($t, 'S-1')->{test}, { 'array-value' => [],
              'integer-value' => 9007199254740993, 'real-value' => undef },
              'a plain array is replaced, null');
    is(scalar(grep { /^test/ } keys %$v), 1, 'neither has rows');
    is($v->{'vendor.new.one'}, '2', 'an unknown one');
    is_deeply([ grep { /^app|^account/ } sort keys %$v ],
              [ 'account.list.caldav.identifier/c',
                'app.managed.list.identifier/com.one',
                'app.managed.list.identifier/com.three',
                'app.managed.list.version/com.one' ], 'elements by identifier');
    is($v->{'app.managed.list.version/com.one'}, '2',
       'an element is replaced');

    ok_status($d, items({ account => { list => { caldav => [] } },
                          app => { managed => { list => [] } } }),
              'empty arrays');
    is(scalar(grep { /^app|^account/ } keys %{values_of($t, 'S-1')}), 4,
       'take no element away');

    # another shape

    ok_status($d, items({ vendor => { new => 5 } }), 'a scalar for an object');
    is_deeply(values_of($t, 'S-1', 'vendor.'),
              { 'vendor.data.com.x' => '1', 'vendor.new' => '5' },
              'takes its place');
    ok_status($d, items({ vendor => { new => { deep => { er => 1 } } } }),
              'and back');
    is_deeply(values_of($t, 'S-1', '.StatusItems.vendor.n'),
              { 'vendor.new.deep.er' => '1' }, 'and back');
    ok_status($d, items({ vendor => { new => { deep => [
              { identifier => 'x' } ] } } }), 'elements for an object');
    is_deeply(doc($t, 'S-1')->{vendor}{new}, { deep => [
              { identifier => 'x' } ] }, 'take its place');
    ok_status($d, items({ vendor => { new => { deep => [ 1 ] } } }),
              'a plain array for elements');
    is_deeply(doc($t, 'S-1')->{vendor}{new}, { deep => [ 1 ] },
              'takes their place');

    # elements without an identifier take the place of none

    ok_status($d, items({ app => { managed => { list => [
        { identifier => 'com.five', _removed => $false }, { state => 'x' },
        ] } }, vendor => { list => [ { identifier => 'v' } ] } }),
        'one without an identifier');
    is_deeply(doc($t, 'S-1')->{app}{managed}{list}, [
        { identifier => 'com.five' },
        { identifier => 'com.one', version => '2' },
        { identifier => 'com.three' } ],
        'is left out, the others stay; _removed: false is no value');
    like($t->log, qr/1 values .* of "S-1" are left out, .*"app\.managed\.list"/,
         'said in the log');
    ok_status($d, items({ app => { managed => { list => [
        { state => 'x' } ] } }, vendor => { list => [ { n => 1 } ] } }),
        'all without one');
    is(scalar @{doc($t, 'S-1')->{app}{managed}{list}}, 3, 'are left out');
    is_deeply(doc($t, 'S-1')->{vendor}{list}, [ { identifier => 'v' } ],
              'where no item is known, too');
    like($t->log, qr/the array "vendor\.list" .* of "S-1" is left out/,
         'said in the log');
    ok_status($d, items({ vendor => { plain => [ { n => 1 } ] } }),
              'where there are no others');
    is_deeply(doc($t, 'S-1')->{vendor}{plain}, [ { n => 1 } ], 'they stay');

    # what has no place

    ok_status($d, items({ device => undef, app => 5,
                          management => { declarations => undef } }),
              'null for items');
    is(doc($t, 'S-1')->{device}{model}{family}, 'iPhone', 'erases nothing');

    # full

    ok_status($d, items({ device => { model => { family => 'iPad' } },
        app => { managed => { list => [ { identifier => 'com.four' } ] } } },
        FullReport => $true), 'a full report');
    is_deeply(doc($t, 'S-1'), { device => { model => { family => 'iPad' } },
        app => { managed => { list => [ { identifier => 'com.four' } ] } } },
        'is all there is');

    my $times = get($t, '/v1/status/S-1')->{times};

    is(join(' ', sort keys %$times), 'app.managed.list device.model.family',
       'and its times');
}


# reports as they came

{
    my $d = $t->device('R-1')->enroll;
    my $big = $json->encode(items({ test => { 'string-value' => 'x' x 5000 }}));
    my @sent = (' { "StatusItems" : {} ,"Errors":[]}', $big,
                'not JSON', '{"StatusItems":{"a":1}');

    is($t->api(GET => '/v1/status-report/R-1')->status, 404, 'none yet');
    is($t->api(GET => '/v1/status-report/NONE')->status, 404, 'not enrolled');

    ok_status($d, $_, 'a report, broken or not') for @sent;

    my @id;

    for my $i (0 .. 3) {
        my $r = $t->api(GET => "/v1/status-report/R-1?index=$i");

        is($r->body, $sent[3 - $i], "index $i: as it came");
        is($r->header('X-Status-Report-Index'), $i, "index $i: its header");
        is($r->header('Content-Type'), 'application/json', 'JSON');
        like($r->header('Last-Modified'), qr/ GMT$/, 'Last-Modified');
        push @id, $r->header('X-Status-Report-ID');
        is($t->api(GET => "/v1/status-report/R-1?status_id=$id[-1]")->body,
           $sent[3 - $i], 'by its id');
    }

    is($t->api(GET => '/v1/status-report/R-1')->header('X-Status-Report-ID'),
       $id[0], 'the newest without an argument');
    is($t->api(GET => '/v1/status-report/R-1?index=4')->status, 404, 'no more');
    is($t->api(GET => '/v1/status-report/R-1?index=x')->status, 400, 'index=x');
    is($t->api(GET => '/v1/status-report/R-1?status_id=1')->status, 404,
       'no such id');
    like($t->log, qr/is kept but not understood/, 'said in the log');

    my ($value) = grep { $_->{path} =~ /string-value/ }
                  @{get($t, '/v1/status-values/R-1')->{'R-1'}};

    is($value->{status_id}, $id[2], 'a value names its report');

    # once more, as after a lost answer

    ok_status($d, $sent[3], 'repeated');
    is($t->api(GET => '/v1/status-report/R-1')->header('X-Status-Report-ID'),
       $id[0], 'is the same report');

    ok_status($d, items({ n => $_ }), "report $_") for 1 .. 12;
    is($t->api(GET => '/v1/status-report/R-1?index=9')->status, 200, 'ten');
    is($t->api(GET => '/v1/status-report/R-1?index=10')->status, 404,
       'and no more');

    my ($key) = @{$t->redis('KEYS', 'mdm:*:sr:R-1')};

    # ten and their list

    is($t->redis('HLEN', $key), 11, 'the others are gone');

    # A, B, A: the first one is dropped, the last one is not

    ok_status($d, items({ n => 12 }), 'again, the last');
    ok_status($d, items({ n => 'B' }), 'B');
    ok_status($d, items({ n => 12 }), 'again, not the last');
    is($t->api(GET => "/v1/status-report/R-1?index=$_")->json->{StatusItems}{n},
       $_ == 1 ? 'B' : 12, "A, B, A: $_") for 0 .. 2;
    is(doc($t, 'R-1')->{n}, 12, 'and counts');

    my $r = $d->message('DeclarativeManagement', Endpoint => 'status');

    is($r->status, 400, 'no Data');
    is($d->message('DeclarativeManagement', Endpoint => 'none')->status, 400,
       'another endpoint');
}


# errors

{
    my $d = $t->device('E-1')->enroll;

    my $error = sub {
        return { StatusItem => "item-$_[0]", Reasons => [
            { Code => 'Error.Unknown', Details => { Error => 'x' } } ] };
    };

    ok_status($d, { StatusItems => {}, Errors => [ map { $error->($_) } 1 .. 3,
        ], }, 'errors');
    ok_status($d, { StatusItems => {}, Errors => [
        { statusitem => 'low', reasons => [ { code => 'x' } ] } ] },
        'lower case');

    my $list = get($t, '/v1/status-errors/E-1,S-1,NONE');

    is_deeply([ sort keys %$list ], [ qw(E-1 NONE S-1) ], 'ids');
    is_deeply($list->{NONE}, [], 'not enrolled: none');
    is_deeply($list->{'S-1'}, [], 'none');
    is_deeply([ map { $_->{error}{StatusItem} // $_->{error}{statusitem} }
                @{$list->{'E-1'}} ], [ qw(low item-1 item-2 item-3) ],
              'newest first');
    is_deeply($list->{'E-1'}[1]{error}, $error->(1), 'an error');
    is($list->{'E-1'}[0]{path}, '.Errors', 'path');
    like($list->{'E-1'}[0]{timestamp}, qr/^\d.*Z$/, 'timestamp');
    like($list->{'E-1'}[0]{status_id}, qr/^\d{16}$/, 'status_id');

    is(scalar @{get($t, '/v1/status-errors/E-1?limit=2&offset=3')->{'E-1'}}, 1,
       'paged');

    for my $n (1 .. 4) {
        ok_status($d, { StatusItems => {}, Errors => [
            map { $error->("$n-$_") } 1 .. 8 ] }, "more errors $n");
    }

    is(scalar @{get($t, '/v1/status-errors/E-1?limit=100')->{'E-1'}}, 20,
       'mdm_status_errors');
}


# declarations

{
    my $d = $t->device('D-1')->enroll;
    my ($e) = @{$t->redis('KEYS', 'mdm:*:e:D-1')};
    my ($T) = $e =~ /^(mdm:\{.*?\})/;

    $t->redis('HSET', $e, 'dt', 'abc');
    $t->redis('HSET', "$T:dm:abc", 'items', $json->encode({ Declarations => {
        Activations => [ { Identifier => 'a/b', ServerToken => 't2' } ],
        Configurations => [ { Identifier => 'com.example.c',
                              ServerToken => 't1' } ] } }));

    ok_status($d, items({ management => { declarations => {
        configurations => [
            { identifier => 'com.example.c', 'server-token' => 't1',
              active => $true, valid => 'valid' },
            { identifier => 'old', 'server-token' => 't0', active => $false,
              valid => 'invalid', reasons => [
                  { code => 'Error.X', details => { n => 1 } } ] } ],
        activations => [ { identifier => 'a/b', 'server-token' => 't1',
                           active => $true, valid => 'valid' } ],
        assets => [], management => [] } } }), 'declarations');

    my $list = get($t, '/v1/declaration-status/D-1')->{'D-1'};

    is(scalar @$list, 3, 'three declarations');
    like($list->[0]{status_received}, qr/Z$/, 'status_received');

    my $id = $list->[0]{status_id};

    like($id, qr/^\d{16}$/, 'status_id');
    delete @$_{qw(status_received status_id)} for @$list;

    is_deeply($list, [
        { identifier => 'a/b', active => $true, valid => 'valid',
          'server-token' => 't1', ManifestType => 'activations',
          current => $false },
        { identifier => 'com.example.c', active => $true, valid => 'valid',
          'server-token' => 't1', ManifestType => 'configurations',
          current => $true },
        { identifier => 'old', active => $false, valid => 'invalid',
          'server-token' => 't0', ManifestType => 'configurations',
          current => $false,
          ReasonsJSON => 'W3siY29kZSI6IkVycm9yLlgiLCJkZXRhaWxzIjp7Im4iOjF9fV0=',
          reasons => [ { code => 'Error.X', details => { n => 1 } } ] } ],
        'what they are');

    is_deeply(values_of($t, 'D-1'), {}, 'they are no values');

    # one that failed is an error, once, until something of it changes

    my $failed = sub {
        return [ grep { delete @$_{qw(timestamp status_id)} }
                 @{get($t, '/v1/status-errors/D-1')->{'D-1'}} ];
    };
    my %old = (path => '.StatusItems.management.declarations.configurations',
               error => { identifier => 'old', 'server-token' => 't0',
                          active => $false, valid => 'invalid', reasons =>
                          [ { code => 'Error.X', details => { n => 1 } } ] });

    is_deeply($failed->(), [ \%old ], 'an error');

    ok_status($d, items({ management => { declarations => {
        configurations => [ $old{error} ] } } }), 'the same');
    is_deeply($failed->(), [ \%old ], 'is none');

    my $c = { %{$old{error}}, identifier => 'c' };

    ok_status($d, { StatusItems => { management => { declarations => {
        configurations => [ $c, $old{error} ], assets => [
            { identifier => 's', active => $true, valid => 'invalid' } ] } } },
        Errors => [ { StatusItem => 'x' } ] }, 'another one, and an error');
    is_deeply($failed->(), [ { path => '.Errors', error =>
        { StatusItem => 'x' } }, { %old, error => $c }, \%old ],
        'are, the newest first');

    ok_status($d, items({ management => { declarations => {
        configurations => [
            { identifier => 'com.example.c', 'server-token' => 't1',
              active => $true, valid => 'valid' }, $old{error} ],
        assets => [] } } }), 'as before');
    ok_status($d, items({ x => 1 }), 'a report without declarations');
    is(scalar @{get($t, '/v1/declaration-status/D-1')->{'D-1'}}, 3,
       'erases nothing');
    ok_status($d, items({ x => 2 }, FullReport => $true), 'a full one');
    is(scalar @{get($t, '/v1/declaration-status/D-1')->{'D-1'}}, 3,
       'erases nothing either');

    ok_status($d, items({ management => { declarations => {
        configurations => [] } } }), 'one list alone');
    is(scalar @{get($t, '/v1/declaration-status/D-1')->{'D-1'}}, 1,
       'is replaced whole, the others stay');
    is_deeply(get($t, '/v1/declaration-status/NONE,S-1'),
              { NONE => [], 'S-1' => [] }, 'none');
}


# who may

{
    my $d = $t->device('W-1')->enroll;
    my $other = $t->device('W-1', cert => $t->cert(cn => 'x'));

    is(status($other, items({ a => 1 }))->status, 403, 'another certificate');
    is(status($t->device('W-2'), items({ a => 1 }))->status, 403,
       'not enrolled');
    is_deeply(doc($t, 'W-1'), {}, 'nothing came of it');

    my $u = $d->user('USER-1');

    ok_status($u, items({ a => 1 }), 'an unknown user channel');
    $u->enroll;
    ok_status($u, items({ a => 2 }), 'a user channel');
    is_deeply(doc($t, 'W-1:USER-1'), { a => 2 }, 'has a status of its own');
    is_deeply(doc($t, 'W-1'), {}, 'and the device another');

    ok_status($d, items({ device => { model => { family => 'Mac' } } }),
              'the device');
    is_deeply(found($t, 'device.model.family', '=', 'Mac'), [ 'W-1' ],
              'is found');

    $d->enroll;
    is_deeply(doc($t, 'W-1'), {}, 're-enrolment forgets');
    is_deeply(found($t, 'device.model.family', '=', 'Mac'), [],
              'in the index, too');
    is($t->api(GET => '/v1/status-report/W-1')->status, 404, 'and reports');
    is_deeply(doc($t, 'W-1:USER-1'), {}, 'and of users');
    is_deeply([ grep { !/:(?:e|ids|users|events|u|crt)\b|\/serial:/ }
                @{$t->redis('KEYS', '*W-1*')} ], [], 'no key is left');

    ok_status($d, items({ device => { model => { family => 'Mac' } } }),
              'again');
    is($d->checkout->status, 200, 'CheckOut');
    is_deeply(doc($t, 'W-1'), {}, 'CheckOut forgets');
}


# watchers

{
    my $d = $t->device('N-1')->enroll;
    my ($e) = @{$t->redis('KEYS', 'mdm:*:e:N-1')};
    my ($T) = $e =~ /^(mdm:\{.*?\})/;

    my $before = () = events($t, 'mdm.StatusChanged');

    is($before, 0, 'nobody watches: no event');

    $t->redis('HSET', "$T:ddm", 'to', 7, 'w', $json->encode({
        os => { items => [ 'device.operating-system.' ] },
        all => { items => [ 'device.', 'app.' ], set => 'in' },
        out => { items => [ '' ], set => 'out' } }));
    $t->redis('HSET', "$T:d:N-1", 's:in', 1);

    ok_status($d, items({ device => {
        model => { family => 'Mac' },
        'operating-system' => { version => '15.1' } },
        test => { 'string-value' => 'unwatched' },
        app => { managed => { list => [ { identifier => 'a' } ] } } }),
        'a first report');

    is_deeply([ sort { $a->{item} cmp $b->{item} }
                events($t, 'mdm.StatusChanged') ], [
        { id => 'N-1', item => 'app.managed.list', identifier => 'a',
          old => undef, new => { identifier => 'a' }, watchers => [ 'all' ] },
        { id => 'N-1', item => 'device.model.family', old => undef,
          new => 'Mac', watchers => [ 'all' ] },
        { id => 'N-1', item => 'device.operating-system.version',
          old => undef, new => '15.1', watchers => [ 'all', 'os' ] } ],
        'events');

    my $n = () = events($t, 'mdm.StatusChanged');

    ok_status($d, items({ device => {
        'operating-system' => { version => '15.2' },
        model => { family => 'Mac' } } }), 'a change');

    my @e = events($t, 'mdm.StatusChanged');

    is(@e - $n, 1, 'one event');
    is_deeply($e[-1], { id => 'N-1', old => '15.1', new => '15.2',
                        item => 'device.operating-system.version',
                        watchers => [ 'all', 'os' ] }, 'what changed');

    ok_status($d, items({ app => { managed => { list => [
        { identifier => 'a', _removed => $true } ] } } }), 'removed');
    is_deeply(last_event($t),
        { id => 'N-1', item => 'app.managed.list', identifier => 'a',
          old => { identifier => 'a' }, new => undef,
          watchers => [ 'all' ] }, 'an element is gone');

    $n = () = events($t, 'mdm.StatusChanged');
    ok_status($d, items({ app => { managed => { list => [
        map { { identifier => "app-$_" } } 1 .. 150 ] } } }), '150 changes');
    is(scalar(() = events($t, 'mdm.StatusChanged')) - $n, 100, '100 events');
    is_deeply([ events($t, 'mdm.StatusChangesDropped') ],
              [ { id => 'N-1', dropped => 50 } ], 'and one more');

    ok_status($d, items({ device => { model => { family => 'x' x 5000 } } }),
              'a large value');
    is_deeply(last_event($t),
        { id => 'N-1', item => 'device.model.family', old => 'Mac',
          new => undef, large => $true, watchers => [ 'all' ] },
        'is left out');

    # a set by its filter

    $t->redis('HSET', "$T:ddm", 'to', 8);
    $t->redis('HSET', "$T:dd", 'out', '0 1 1 0 0', '#0', 'out',
              'in', '1 1 1 0 0', '#1', 'in');
    $t->redis('HSET', "$T:df", 'any', "\x03", 'type', "\x03", 'tag', "\x01",
              'type:Device', "\x01", 'type:User', "\x02", 'tag*la', "\x01",
              'tag#', ' 2 ');
    ok_status($d, items({ unknown => 1 }), 'not in the set');
    $t->redis('HSET', "$T:d:N-1", 't:lab%2F1', 1);
    ok_status($d, items({ unknown => 2 }), 'in the set');
    is_deeply([ map { "@{$_->{watchers}} $_->{new}" }
                grep { $_->{item} eq 'unknown' }
                events($t, 'mdm.StatusChanged') ], [ 'out 2' ],
              'a set by its filter');
    $t->redis('HDEL', "$T:d:N-1", 't:lab%2F1');

    ok_status($d, items({ app => { managed => { list => [
        map { { identifier => "app-$_" } } 60 .. 150 ] } } },
        FullReport => $true), 'a full report');
    is(scalar(grep { $_->{item} eq 'device.operating-system.version'
                     && !defined $_->{new} }
              events($t, 'mdm.StatusChanged')), 1, 'takes it away');

    # as many watchers as there may be: all but those of a report stay where
    # they are, and a full report takes away what they watch

    $t->redis('HSET', "$T:ddm", 'to', 9, 'w', $json->encode({ map {
        my $w = $_;
        ("w$w" => { items => [ 'gone.', map { "vendor.w$w.item-$_." }
                                            1 .. 99 ] })
    } 1 .. 100 }));

    my $count = sub { my $n = () = events($t, 'mdm.StatusChanged'); $n };

    $n = $count->();
    ok_status($d, items({ vendor => { w7 => { 'item-8' => { a => 1 } },
        w8 => { 'item-0' => { a => 1 } } }, gone => { x => 1 } }),
        'one is watched by one, one by nobody, one by all');
    is($count->() - $n, 2, 'two events');
    is_deeply([ map { $_->{item} . ' ' . @{$_->{watchers}} }
                (events($t, 'mdm.StatusChanged'))[-2, -1] ],
              [ 'gone.x 100', 'vendor.w7.item-8.a 1' ], 'who watches them');

    ok_status($d, items({ b => 1 }, FullReport => $true), 'a full one');
    is_deeply([ map { "$_->{item} @{$_->{watchers}}[0]" }
                grep { !defined $_->{new} }
                (events($t, 'mdm.StatusChanged'))[-2, -1] ],
              [ 'gone.x w1', 'vendor.w7.item-8.a w7' ], 'takes them away');

    $n = $count->();
    ok_status($d, items({ b => 2 }), 'a change that nobody watches');
    ok_status($d, ' ' . $json->encode(items({ b => 2 })), 'no change');
    is($count->(), $n, 'no event');

    $t->redis('HSET', "$T:ddm", 'w', '[1,', 'to', 10);
    ok_status($d, items({ b => 3 }), 'watchers that nobody can read');
    is($count->(), $n, 'are none');
    $t->redis('HDEL', "$T:ddm", 'w');
}


# limits

{
    my $d = $t->device('L-1')->enroll;

    my $deep = '{"StatusItems":' . '{"a":' x 40 . '1' . '}' x 40 . '}';

    ok_status($d, $deep, 'too deep');
    ok_status($d, items({ map { ("k$_" => 1) } 1 .. 10001 }), 'too many');
    is_deeply(doc($t, 'L-1'), {}, 'are kept as they came only');
    ok_status($d, items({ map { ("k$_" => 1) } 1 .. 10000 }), 'many');
    is(scalar keys %{doc($t, 'L-1')}, 10000, 'all of them');
    ok_status($d, items({ map { ("l$_" => 'x' x 400) } 1 .. 10000 }), 'more');
    ok_status($d, items({ map { ("m$_" => 1) } 1 .. 10 }), 'no room');
    is(scalar keys %{doc($t, 'L-1')}, 20000, 'no more');

    like($t->log, qr/10 new values in a status report of "L-1" are left out/,
         'said in the log');
    ok_status($d, items({ m1 => 1 }, FullReport => $true), 'full');
    is_deeply(doc($t, 'L-1'), { m1 => 1 }, 'a full one makes room');

    ok_status($d, items({ 'x' x 2000 => 1, '' => 1, "a\tb" => 1, y => 1,
        app => { managed => { list => [ { identifier => 'i' x 2000 } ] } } }),
        'names that are none');
    is_deeply(doc($t, 'L-1'), { m1 => 1, y => 1,
              app => { managed => { list => [] } } }, 'are left out');

    ok_status($d, items({ "\x{e4}" => "\x{263a}\0" }), 'other characters');
    is(doc($t, 'L-1')->{"\x{e4}"}, "\x{263a}\0", 'come back');
}


# queries over many partitions

{
    my $cert = $t->cert(cn => 'fleet');
    my @versions = ('9.3', '15', '17.4', '17.4.1', '17.10', '17.40', '18.0');
    my %version;

    for my $i (1 .. 300) {
        my $id = sprintf 'Q-%03d', $i;
        my $d = $t->device($id, cert => $t->cert(cn => $id))->enroll;

        $version{$id} = $versions[$i % @versions];

        my $r = status($d, items({
            device => { model => { family => $i % 3 ? 'iPhone' : 'iPad' },
                        'operating-system' => { version => $version{$id} } },
            passcode => { 'is-compliant' => $i % 2 ? $true : $false },
            test => { 'integer-value' => $i - 150,
                      'real-value' => ($i - 150) / 4 } }));

        die $r->status if $r->status != 200;
    }

    my $num = sub {
        my ($x, $y) = map { [ split /\./ ] } @_;

        for (0 .. 3) {
            my $c = ($x->[$_] // -1) <=> ($y->[$_] // -1);

            return $c if $c;
        }

        return 0;
    };

    my %test = ('=' => sub { $_[0] == 0 }, '!=' => sub { $_[0] != 0 },
                '<' => sub { $_[0] < 0 }, '<=' => sub { $_[0] <= 0 },
                '>' => sub { $_[0] > 0 }, '>=' => sub { $_[0] >= 0 });
    my $item = 'device.operating-system.version';

    for my $op (sort keys %test) {
        for my $v ('17.4', '17', '17.10', '1', '99') {
            my @want = grep { $test{$op}->($num->($version{$_}, $v)) }
                       sort keys %version;
            my ($rows, $pages) = query($t, $item, $op, $v, limit => 37);

            is_deeply([ sort grep { /^Q/ } map { $_->{id} } @$rows ], \@want,
                      "version $op $v, in $pages pages");
            is(scalar(grep { $_->{value} ne ($version{$_->{id}} // 'x') }
                      grep { $_->{id} =~ /^Q/ } @$rows), 0, 'their values');
        }
    }

    for my $begin ('', '1', '17', '17.', '17.4', '17.4.', '18.0', 'x') {
        my @want = grep { index($version{$_}, $begin) == 0 }
                   sort keys %version;

        is_deeply([ sort grep { /^Q/ } @{found($t, $item, 'begins', $begin)} ],
                  \@want, "version begins $begin");
    }

    my $rows = (query($t, $item, '=', '17.4', limit => 1000))[0];

    is($rows->[0]{value}, '17.4', 'a row has the value');

    my %q = (
        'passcode.is-compliant' => [ [ '=', $true, sub { $_[0] % 2 } ],
                                     [ '<', $true, sub { !($_[0] % 2) } ] ],
        'device.model.family' => [
            [ '=', 'iPad', sub { !($_[0] % 3) } ],
            [ 'begins', 'iP', sub { 1 } ], [ '>', 'iPad', sub { $_[0] % 3 } ],
            [ '<', 'iPad', sub { 0 } ] ],
        'test.integer-value' => [
            [ '<', 0, sub { $_[0] < 150 } ], [ '<=', -3, sub { $_[0] <= 147 } ],
            [ '>', 9, sub { $_[0] > 159 } ], [ '=', 7, sub { $_[0] == 157 } ],
            [ '>', '9', sub { 0 } ] ],
        'test.real-value' => [
            [ '<', 0.3, sub { $_[0] < 152 } ],
            [ '>=', -1.25, sub { $_[0] >= 145 } ] ],
    );

    for my $name (sort keys %q) {
        for my $case (@{$q{$name}}) {
            my ($op, $v, $fits) = @$case;
            my @want = map { sprintf 'Q-%03d', $_ } grep { $fits->($_) }
                       1 .. 300;

            is_deeply([ sort grep { /^Q/ } @{found($t, $name, $op, $v)} ],
                      \@want, "$name $op $v");
        }
    }

    # a change moves it

    ok_status($t->device('Q-MOVE')->enroll, items({ device => {
        'operating-system' => { version => '3.1' } } }), 'one more');

    my $d = $t->device('Q-MOVE2')->enroll;

    ok_status($d, items({ device => { 'operating-system' =>
        { version => '3.1' } } }), 'another');
    is_deeply([ sort @{found($t, $item, '<', '4')} ], [ qw(Q-MOVE Q-MOVE2) ],
              'both');
    ok_status($d, items({ device => { 'operating-system' =>
        { version => '5' } } }), 'another value');
    is_deeply(found($t, $item, '<', '4'), [ 'Q-MOVE' ], 'it moves');
    ok_status($d, items({ device => { 'operating-system' =>
        { version => undef } } }), 'null');
    is_deeply([ grep { /MOVE/ } @{found($t, $item, '!=', '4')} ], [ 'Q-MOVE' ],
              'null is in no index');
    ok_status($d, items({ device => { 'operating-system' =>
        { version => 'x' x 300 } } }), 'a long one');
    is_deeply([ grep { /MOVE/ } @{found($t, $item, '!=', '4')} ], [ 'Q-MOVE' ],
              'nor is a long one');

    # what is refused

    for my $case (
        [ '', qr/^the body is empty, / ], [ '[]', qr/an object expected/ ],
        [ '{}', qr/^item: a string/ ],
        [ '{"item":"device.model.name"}', qr/mdm_status_index/ ],
        [ '{"item":"device.model.family"}', qr/^predicate: an object/ ],
        [ '{"item":"device.model.family","predicate":{"op":"~","value":"x"}}',
          qr/^predicate\.op/ ],
        [ '{"item":"device.model.family","predicate":{"op":"<"}}',
          qr/^predicate\.value/ ],
        [ '{"item":"device.model.family","predicate":{"op":"begins",'
          . '"value":1}}', qr/^predicate\.value/ ],
        [ '{"item":"device.model.family","predicate":{"op":"=","value":"x"},'
          . '"limit":0}', qr/^limit/ ],
        [ '{"item":"device.model.family","predicate":{"op":"=","value":"x"},'
          . '"cursor":"%"}', qr/cursor/ ],
        [ '{"item":"device.model.family","predicate":{"op":"=","value":"x"},'
          . '"more":1}', qr/^more: unknown key/ ],
    ) {
        my $r = $t->api(POST => '/v1/status/query', body => $case->[0]);

        is($r->status, 400, "$case->[0]: 400");
        like($r->json->{error}, $case->[1], 'says why');
    }

    is($t->api(GET => '/v1/status-values/Q-001,:x')->status, 400,
       'a broken id');

    my $many = get($t, '/v1/status-values/'
                       . join(',', sort keys %version) . '?prefix=device.model');

    is(scalar keys %$many, 300, 'values of many');
    is($many->{'Q-003'}[0]{value}, 'iPad', 'each its own');
}


# directives

for my $case (
    [ 'mdm_status_index a a;', qr/named twice/ ],
    [ 'mdm_status_index a/b;', qr/not the name of a status item/ ],
    [ 'mdm_status_index ' . join(' ', map { "i$_" } 1 .. 33) . ';',
      qr/names too many items/ ],
    [ 'mdm_status_reports 1001;', qr/must be between 0 and 1000/ ],
    [ 'mdm_status_errors x;', qr/invalid number/ ],
) {
    my ($rc, $said) = MDM->new(redis => 0, redis_socket => '/nonexistent',
                               auth => '', http => $case->[0])->test_conf;

    is($rc, 0, "$case->[0]: refused");
    like($said, $case->[1], 'says why');
}


# none is kept

{
    my $n = MDM->new(mdm => 'mdm_status_reports 0; mdm_status_errors 0;')
        ->start;
    my $d = $n->device('O-1')->enroll;

    ok_status($d, { StatusItems => { a => 1 }, Errors => [ { x => 1 } ] },
              'no reports');
    is_deeply(doc($n, 'O-1'), { a => 1 }, 'values');
    is($n->api(GET => '/v1/status-report/O-1')->status, 404, 'no report');
    is_deeply(get($n, '/v1/status-errors/O-1'), { 'O-1' => [] }, 'no errors');
}


# with a key, reports are not to be read

{
    my $k = MDM->new(redis => { auth => 0, args => [ '--appendonly', 'yes',
            '--appendfsync', 'always', '--rdbcompression', 'no' ] },
        store => 'encryption_key %%PREFIX%%/1.key;');

    write_file($k->dir . '/1.key',
               join '', map { sprintf '%02x', rand 256 } 1 .. 32);
    chmod 0600, $k->dir . '/1.key';
    $k->start;

    my $d = $k->device('K-1')->enroll;
    my $rand = sub { join '', map { ('a' .. 'z')[rand 26] } 1 .. 24 };
    my ($canary, $plain) = ('CANARY-' . $rand->(), 'VALUE-' . $rand->());
    my $report = $json->encode({ StatusItems => { v => $plain },
                                 More => $canary });
    my $large = $json->encode({ StatusItems => { v => $plain, w => 'x' x 3000 },
                                More => $canary });

    ok_status($d, $report, 'sealed');
    ok_status($d, $large, 'a large one');
    is($k->api(GET => '/v1/status-report/K-1?index=1')->body, $report,
       'comes back');
    is($k->api(GET => '/v1/status-report/K-1')->body, $large,
       'the large one, too');

    $k->redis('SAVE');

    my %in;

    File::Find::find({ no_chdir => 1, wanted => sub {
        return unless -f && /\.(?:rdb|aof)$/;

        my $text = read_file($_);

        for my $what ($canary, $plain) {
            $in{$what}++ if index($text, $what) >= 0;
        }
    } }, $k->dir);

    ok(!$in{$canary}, 'the report stands in no file');
    ok($in{$plain}, 'the value does, in the clear');

    # another key: what is read comes under it, and mdm-reencrypt does the rest

    write_file($k->dir . '/2.key',
               join '', map { sprintf '%02x', rand 256 } 1 .. 32);
    chmod 0600, $k->dir . '/2.key';

    my ($key) = @{$k->redis('KEYS', 'mdm:*:sr:K-1')};
    my $under = sub {
        my %hash = @{$k->redis('HGETALL', $key)};
        my %n;

        $n{unpack 'H*', substr $hash{$_}, 4, 8}++
            for grep { /^[0-9a-f]{32}$/ } keys %hash;

        return join ' ', sort values %n;
    };

    $k->reload(store => 'encryption_key %%PREFIX%%/2.key %%PREFIX%%/1.key;');
    is($under->(), '2', 'both are under one key');
    is($k->api(GET => '/v1/status-report/K-1')->body, $large, 'read');
    is($under->(), '1 1', 'one has come under the new one');

    my $out = $k->dir . '/tool.log';
    my $pid = spawn({ out => $out }, "$MDM::root/build/mdm-reencrypt",
        '-s', 'unix:' . $k->redis_server->socket,
        '-k', $k->dir . '/2.key', '-k', $k->dir . '/1.key');

    is(wait_exit($pid, 60), 0, 'mdm-reencrypt') or diag(read_file($out));
    like(read_file($out), qr/^rewritten 1$/m, 'has found the other');
    is($under->(), '2', 'both are under one key again');
    is($k->api(GET => '/v1/status-report/K-1?index=1')->body, $report,
       'comes back');
}


finish;
