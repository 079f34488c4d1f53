#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The status channel at its limits: reports that are stored in parts, answers
# that come in pages, and what a device costs Redis.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Status qw(doc get items join_pages ok_status pages);


my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

my $t = MDM->new(mdm => 'mdm_status_reports 10;')->start;


# in parts: more than a script takes, as it is with fewer

{
    my $d = $t->device('P-1')->enroll;
    my %many = map { ("k$_" => $_) } 1 .. 2500;
    my %declared = (management => { declarations => { configurations => [
        { identifier => 'bad', valid => 'invalid', active => $false } ] },
        'client-capabilities' => { 'supported-versions' => [ 'x' x 80 ] } });

    ok_status($d, { StatusItems => { big => \%many, %declared, vendor => {
        new => 1, old => { a => 1, b => 2 }, list => [ { identifier => 'i' } ],
        plain => [ 1 ] } }, Errors => [ { StatusItem => 'x' } ] }, 'many');
    is_deeply(doc($t, 'P-1'), { big => \%many, %declared, vendor => {
        new => 1, old => { a => 1, b => 2 }, list => [ { identifier => 'i' } ],
        plain => [ 1 ] } }, 'all of them');
    is_deeply([ map { $_->{path} }
                @{get($t, '/v1/status-errors/P-1')->{'P-1'}} ],
        [ '.Errors', '.StatusItems.management.declarations.configurations' ],
        'and errors');
    is($t->api(GET => '/v1/status-report/P-1?index=1')->status, 404,
       'one report');

    my ($key) = @{$t->redis('KEYS', 'mdm:*:sr:P-1')};

    is_deeply([ sort grep { !/^[0-9a-f]{32}$/ } @{$t->redis('HKEYS', $key)} ],
              [ 'l' ], 'no trace of its parts');

    # one more: whatever stands in its place goes

    for my $case (
        [ { new => { deep => 1 } }, { new => { deep => 1 } } ],
        [ { old => [ { identifier => 'e' } ] },
          { old => [ { identifier => 'e' } ] } ],
        [ { old => 5 }, { old => 5 } ],
        [ { list => 7 }, { list => 7 } ],
        [ { plain => { a => { b => 1 } } }, { plain => { a => { b => 1 } } } ],
        [ { plain => { a => 2 } }, { plain => { a => 2 } } ],
    ) {
        my ($send, $want) = @$case;
        my ($name) = keys %$want;

        ok_status($d, items({ vendor => $send }), 'another shape');
        is_deeply(doc($t, 'P-1')->{vendor}{$name}, $want->{$name},
                  'takes its place');
    }

    is(scalar keys %{doc($t, 'P-1')->{big}}, 2500, 'the others stay');

    # twice as many at once

    ok_status($d, items({ vendor => { list => [ { identifier => 'j' } ] },
        big => { map { ("m$_" => 1) } 1 .. 1500 } }), 'in parts');
    is_deeply([ map { scalar keys %$_ } doc($t, 'P-1')->{big} ], [ 4000 ],
              'added');
    is_deeply(doc($t, 'P-1')->{vendor}{list}, [ { identifier => 'j' } ],
              'an array for a number');

    # full ones

    my $times = get($t, '/v1/status/P-1')->{times};

    ok_status($d, items({ big => { map { ("m$_" => 1) } 1 .. 1400 } },
                        FullReport => $true), 'a full one');
    is_deeply(doc($t, 'P-1'), { big => { map { ("m$_" => 1) } 1 .. 1400 },
                                %declared }, 'is all there is, but for these');
    ok_status($d, items({ management => { declarations => { assets => [] } },
                          one => 1 }, FullReport => $true), 'a small one');
    is_deeply(doc($t, 'P-1'), { one => 1, management => {
        declarations => { assets => [] }, 'client-capabilities' =>
        $declared{management}{'client-capabilities'} } },
        'takes away what it speaks of');

    # what says the same again has another time, and is not written again

    my $v = get($t, '/v1/status-values/P-1?prefix=one')->{'P-1'}[0];
    my ($hash) = @{$t->redis('KEYS', 'mdm:*:s:P-1')};
    my $kept = $t->redis('HGET', $hash, 'one');
    my ($of) = grep { $_->{path} =~ /client-capabilities/ }
               @{get($t, '/v1/status-values/P-1')->{'P-1'}};

    ok_status($d, items({ two => 2, one => 1 }, FullReport => $true), 'again');
    is($t->redis('HGET', $hash, 'one'), $kept, 'it stays as it is');

    my $w = get($t, '/v1/status-values/P-1?prefix=one')->{'P-1'}[0];

    cmp_ok($w->{status_id}, 'gt', $v->{status_id}, 'it was reported later');
    is($w->{status_id}, $t->api(GET => '/v1/status-report/P-1')
       ->header('X-Status-Report-ID'), 'by this report');
    is_deeply([ grep { $_->{path} =~ /client-capabilities/ }
                @{get($t, '/v1/status-values/P-1')->{'P-1'}} ], [ $of ],
              'which has said nothing of the client');
}


# as much as a channel may have: answers have pages then

{
    my $d = $t->device('L-1')->enroll;

    ok_status($t->device('L-2')->enroll, items({ a => 1 }), 'another one');
    ok_status($d, items({ map { ("k$_" => 1) } 1 .. 10000 }), 'many');
    ok_status($d, items({ map { ("l$_" => 'x' x 400) } 1 .. 10000 }), 'more');

    my ($all, $n) = pages($t, '/v1/status-values/L-1,NONE,L-2', sub {
        return join_pages(@_) });
    my %seen;

    $seen{$_->{path}}++ for @{$all->{'L-1'}};
    cmp_ok($n, '>', 1, "in $n pages");
    is_deeply([ sort keys %$all ], [ 'L-1', 'L-2', 'NONE' ], 'all ids');
    is(scalar keys %seen, 20000, 'all values');
    is(scalar @{$all->{'L-1'}}, 20000, 'each once');
    is_deeply($all->{'L-2'}, get($t, '/v1/status-values/L-2')->{'L-2'},
              'those behind it, too');

    for my $cursor ('x', 'MCw', 'NCw', 'LTEs') {
        my $r = $t->api(GET => "/v1/status-values/L-1?cursor=$cursor");

        is($r->status, $cursor eq 'MCw' ? 200 : 400, "cursor=$cursor");
    }

    # one that is new is looked up, and all that is there is not

    my $scans = sub {
        my $info = $t->redis('INFO', 'commandstats');

        return join ' ', map { $info =~ /cmdstat_$_:calls=(\d+)/ ? $1 : 0 }
                         qw(hkeys hscan);
    };
    my $before = $scans->();

    ok_status($d, items({ k1 => 2, device => { model => { family => 'A' } } }),
              'a known item where there is no room');
    is($scans->(), $before, 'nobody looks through the others');

    my ($doc, $two) = pages($t, '/v1/status/L-1', sub {
        return { status => join_pages($_[0]{status}, $_[1]{status}) } });

    cmp_ok($two, '>', 1, "the document in $two pages");
    is(scalar keys %{$doc->{status}}, 20000, 'all of it');
}


# what it costs: forty items, two reports

{
    my $m = MDM->new(redis => { args => [ '--appendonly', 'yes',
        '--appendfsync', 'always' ] })->start;
    my $d = $m->device('11111111-2222-3333-4444-555555555555')->enroll;
    my $id = $d->id;
    my @items = forty();
    my $aof = sub {
        $m->redis('INFO', 'persistence') =~ /aof_current_size:(\d+)/;
        return $1;
    };
    my $n = 0;
    my $report = sub {
        my %tree;

        for my $item (@items, [ 'device.power.battery-level', $_[0] ]) {
            my ($path, $value) = @$item;
            my @path = split /\./, $path;
            my $last = pop @path;
            my $at = \%tree;

            $at = $at->{$_} //= {} for @path;
            $at->{$last} = $value;
        }

        return $json->encode(items(\%tree, FullReport => $true, n => ++$n));
    };

    ok_status($d, $report->(1), 'forty items');
    ok_status($d, $report->(2), 'and again');

    my $bytes = 0;

    for my $key (grep { /:(?:s|sl|sr|se):/ } @{$m->redis('KEYS', '*')}) {
        my $one = $m->redis('MEMORY', 'USAGE', $key, 'SAMPLES', 0);

        note("$key: $one bytes, ", $m->redis('OBJECT', 'ENCODING', $key));
        $bytes += $one;
    }

    note(scalar @items + 1, ' items');
    note("ddm_status_memory $bytes bytes");
    cmp_ok($bytes, '<=', 5000, 'memory of a device');

    # the same again: the report itself, and its time

    my $before = $aof->();

    ok_status($d, $report->(2), 'the same values');

    my ($key) = @{$m->redis('KEYS', 'mdm:*:sr:*')};
    my %kept = @{$m->redis('HGETALL', $key)};
    my ($digest) = $kept{l} =~ /:(\w+):/;
    my $wrote = $aof->() - $before - length $kept{$digest};

    note("ddm_status_unchanged_aof $wrote bytes");
    cmp_ok($wrote, '<=', 500, 'nothing but its name and time is written');
    is(scalar keys %kept, 4, 'two reports, their list, a time');
    is($m->api(GET => "/v1/status-report/$id?index=1")->status, 200, 'two');
    is($m->api(GET => "/v1/status-report/$id?index=2")->status, 404,
       'and no more');
}


# forty items of devices, as long as they usually are

sub forty {
    return (
        [ 'device.identifier.serial-number', 'C02ABCDEFGHI' ],
        [ 'device.identifier.udid', '11111111-2222-3333-4444-555555555555' ],
        [ 'device.model.family', 'iPhone' ],
        [ 'device.model.identifier', 'iPhone15,2' ],
        [ 'device.model.marketing-name', 'iPhone 14 Pro' ],
        [ 'device.model.number', 'MQ0E3LL/A' ],
        [ 'device.model.configuration-code', 'DNPQ12' ],
        [ 'device.operating-system.family', 'iOS' ],
        [ 'device.operating-system.version', '18.1.1' ],
        [ 'device.operating-system.build-version', '22B91' ],
        [ 'device.operating-system.marketing-name', 'iOS 18' ],
        [ 'device.operating-system.supplemental.build-version', '22B91' ],
        [ 'device.operating-system.supplemental.extra-version', '(a)' ],
        [ 'device.power.battery-health', 'normal' ],
        [ 'passcode.is-present', $true ],
        [ 'passcode.is-compliant', $true ],
        [ 'softwareupdate.device-id', 'D74AP' ],
        [ 'softwareupdate.install-state', 'none' ],
        [ 'softwareupdate.install-reason', { reason => [ 'none' ] } ],
        [ 'softwareupdate.failure-reason', { count => 0, reason => '' } ],
        [ 'softwareupdate.pending-version', {
            'os-version' => '18.2', 'build-version' => '22C152',
            'target-local-date-time' => '2026-12-01T02:00:00' } ],
        [ 'diskmanagement.filevault.enabled', $true ],
        (map { [ "account.list.$_", [] ] } qw(caldav carddav exchange google
            ldap mail.incoming mail.outgoing subscribed-calendar)),
        [ 'security.certificate.list', [ { identifier => 'c1',
            'common-name' => 'Example Root', 'is-identity' => $false } ] ],
        [ 'app.managed.list', [ { identifier => 'com.example.one',
            state => 'managed', version => '1.2.3' } ] ],
        [ 'management.push-token', 'x' x 44 ],
        [ 'test.string-value', 'one' ], [ 'test.integer-value', 17 ],
        [ 'test.boolean-value', $true ], [ 'test.real-value', 0.5 ],
        [ 'mdm.app', 'com.example.mdm' ], [ 'mdm.is-shared-ipad', $false ] );
}


finish;
