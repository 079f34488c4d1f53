#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Devices that are blocked, told to go, and forgotten.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;

use MDM;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit);


my $made = File::Temp->newdir('mdm-block-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $ca = MDM::CA->new("$made", 'devices');
my $t = MDM->new(http => <<"END",
    mdm_ca devices { certificate $ca->{chain}; certificate_key $ca->{key}; }

    mdm_enrollment main {
        identifier com.example.main;
        topic com.apple.mgmt.External.test;
        server_url https://localhost/mdm;
        identity scep devices https://localhost/scep;
    }
END
                 mdm => 'mdm_scep devices;', store => 'partitions 4;',
                 locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; mdm_reenroll any; }
        location /api/ { mdm_api on; }
        location /scep { mdm_scep devices; }
END


sub shown { return $t->api(GET => "/v1/enrollments/$_[0]")->json }

sub block {
    my ($id, $body) = @_;

    return $t->api(POST => "/v1/enrollments/$id/block",
                   $body ? (body => JSON::PP::encode_json($body)) : ());
}

sub unblock { return $t->api(DELETE => "/v1/enrollments/$_[0]/block") }

sub forget {
    my ($id, $query) = @_;

    return $t->api(DELETE => "/v1/enrollments/$id" . ($query // ''));
}

sub events {
    my ($id, $name) = @_;

    return map { JSON::PP->new->utf8->decode($_->{data}) }
        grep { $_->{event} eq $name && $_->{id} eq $id }
        map { my %e = @{$_->[1]}; \%e }
        map { @{$t->redis('XRANGE', $_, '-', '+')} }
        @{$t->redis('KEYS', 'mdm:{default/*}:events')};
}

sub queue {
    my ($id, $type) = @_;

    return $t->enqueue($id, $t->command(undef, $type));
}

sub keys_of {
    my ($id) = @_;

    return sort grep { !/:events$/ } @{$t->redis('KEYS', "*$id*")};
}

sub iphone {
    my ($id, $version) = @_;

    my $d = $t->device($id);

    $d->authenticate(ProductName => 'iPhone12,1', OSVersion => $version);
    $d->token_update;

    return $d;
}


# what a blocked device sends is refused, and nothing of it is lost

{
    my $d = $t->device('BLOCK-1')->enroll;
    my $user = $d->user('USER-1')->enroll;
    my $other = $t->device('BLOCK-2')->enroll;

    $d->set_bootstrap_token('token');
    queue('BLOCK-1', 'DeviceInformation');

    my $pin = shown('BLOCK-1')->{device}{certificate_sha256};

    is(block('BLOCK-1', { reason => 'stolen, ü' })->status, 204, 'blocked');

    my $shown = shown('BLOCK-1');

    is($shown->{blocked}{reason}, 'stolen, ü', 'the API shows it')
        or diag(explain($shown));
    ok($shown->{blocked}{since} && !$shown->{blocked}{unenroll},
       'since when, and how');
    ok(!$shown->{device}{certificate_sha256}, 'nothing is pinned');
    ok(shown('BLOCK-1:USER-1')->{blocked}, 'of a user, too');

    my ($row) = @{$t->api(GET => '/v1/enrollments?serial=SBLOCK-1')->json
                  ->{enrollments}};

    ok($row->{blocked}, 'a query shows it');

    my %said = (idle => $d->idle, user => $user->idle,
                answer => $d->report('Acknowledged', 'X'),
                authenticate => $d->authenticate,
                token => $d->token_update, bootstrap => $d->get_bootstrap_token,
                checkout => $d->checkout, ddm => $d->ddm('tokens'));

    is($said{$_}->status, 403, "$_: 403") for sort keys %said;
    is($said{idle}->body, '', 'without a body');

    my $again = $t->device('BLOCK-1');

    is($again->authenticate->status, 403, 'nor by another certificate');

    my $new = $t->device('BLOCK-3', serial => 'sblock-1');

    is($new->authenticate->status, 403, 'nor by another UDID, with its serial');
    is($t->api(GET => '/v1/enrollments/BLOCK-3')->status, 404,
       'which is not known then');
    is($other->idle->status, 200, 'another device is');

    my @e = events('BLOCK-1', 'api.Block');

    is(scalar @e, 1, 'an event');
    is("$e[0]{address} $e[0]{reason}", '127.0.0.1 stolen, ü', 'says why');

    is(block('BLOCK-1', { reason => 'lost' })->status, 204, 'once more');
    is(shown('BLOCK-1')->{blocked}{reason}, 'lost', 'with another reason');

    is(unblock('BLOCK-1')->status, 204, 'not any more');
    is(scalar(events('BLOCK-1', 'api.Unblock')), 1, 'an event');
    is(shown('BLOCK-1')->{device}{certificate_sha256}, $pin,
       'the same certificate is pinned');
    ok(!shown('BLOCK-1')->{blocked}, 'nothing is shown');
    like($d->idle->body, qr/DeviceInformation/, 'its queue is there');
    is($user->idle->status, 200, 'its user, too');
    is($again->idle->status, 403, 'another certificate is not');
    is($new->authenticate->status, 200, 'the serial number enrolls');
    is(unblock('BLOCK-1')->status, 404, 'there is nothing to undo');
    is_deeply($t->redis('HGETALL', 'mdm:{default/block}'), [],
              'nothing is left');
}


# two with one serial number: it is that of whoever was blocked last

{
    $t->device($_, serial => 'SAME')->enroll for 'SAME-1', 'SAME-2';
    is(block($_)->status, 204, "$_ is blocked") for 'SAME-1', 'SAME-2';

    my ($e) = grep { /:e:SAME-1$/ } keys_of('SAME-1');

    $t->redis('HSET', $e, 'serial', 'OTHER');
    is(block('SAME-1')->status, 204, 'one of them by another serial number');
    is($t->device('SAME-3', serial => 'SAME')->authenticate->status, 403,
       'nobody enrolls by that of the other one');
    is($t->device('SAME-4', serial => 'OTHER')->authenticate->status, 403,
       'nor by its own');
    unblock($_) for 'SAME-1', 'SAME-2';
    is_deeply($t->redis('HGETALL', 'mdm:{default/block}'), [],
              'nothing is left');
}


# what is refused changes nothing

{
    $t->device('BLOCK-4')->enroll->user('U')->enroll;

    my $before = $t->redis_dump;

    is($t->api(POST => '/v1/enrollments/BLOCK-4/block', body => $_)->status,
       400, "refused: $_")
        for '[]', '{', '{"why":"x"}', '{"unenroll":1}', '{"reason":1}',
            '{"reason":"' . 'x' x 256 . '"}', '{"reason":"a\u0000b"}',
            '{"reason":"a\nb"}';

    is(block('BLOCK-4:U')->status, 400, 'a user channel');
    is(unblock('BLOCK-4:U')->status, 400, 'the same');
    is(block('NOBODY')->status, 404, 'not enrolled');
    is(unblock('NOBODY')->status, 404, 'not blocked');
    is_deeply($t->redis_dump, $before, 'nothing has changed');
}


# told to go, in the way that its system knows

{
    my @table = (
        [ 'iPhone12,1', '17.0', 403 ], [ 'iPhone12,1', '16.7.10', 401 ],
        [ 'iPad13,1', '18.1', 403 ], [ 'Mac14,2', '14.0', 403 ],
        [ 'Mac14,2', '13.7', 401 ], [ 'iMac21,1', '26.0', 403 ],
        [ 'AppleTV14,1', '17', 403 ], [ 'AppleTV14,1', '16.6', 401 ],
        [ 'Watch6,1', '10.0', 403 ], [ 'Watch6,1', '9.6', 401 ],
        [ 'RealityDevice14,1', '1.1', 403 ],
        [ 'RealityDevice14,1', '1.0.3', 401 ], [ 'Strange1,1', '99', 401 ],
    );

    for my $i (0 .. $#table) {
        my ($product, $version, $status) = @{$table[$i]};
        my $d = $t->device("LEAVE-$i");

        $d->authenticate(ProductName => $product, OSVersion => $version);
        $d->token_update;
        block("LEAVE-$i", { unenroll => JSON::PP::true });

        for my $r ($d->idle, $d->token_update, $d->authenticate) {
            is($r->status, $status, "$product $version: $status");

            if ($status == 403) {
                is_deeply($r->json, { code => 'com.apple.unrecognized.device' },
                          'with the code');
                is($r->header('Content-Type'), 'application/json', 'as JSON');

            } else {
                is($r->body, '', 'without a body');
            }
        }

        ok(shown("LEAVE-$i")->{blocked}{unenroll}, 'the API shows it');
    }

    block('LEAVE-1');
    is($t->device('LEAVE-1')->idle->status, 403, 'just refused');
}


# one that waits for its first pin gets none

{
    my $d = $t->device('MIGRATED');

    for my $m ({ MessageType => 'Authenticate' },
               { MessageType => 'TokenUpdate', PushMagic => 'm',
                 Token => plist_data('t') })
    {
        is($t->api(PUT => '/migration', body => plist({ UDID => 'MIGRATED',
               Topic => 'com.apple.mgmt.External.test', %$m }))->status, 200,
           'migrated');
    }

    block('MIGRATED');
    is($d->idle->status, 403, 'a poll is no first contact');
    ok(!shown('MIGRATED')->{device}{certificate_sha256}, 'nothing is pinned');
    unblock('MIGRATED');
    is($d->idle->status, 200, 'it is one now');
}


# SCEP

SKIP: {
    my $sim = "$MDM::root/build/mdmsim";

    skip 'no build/mdmsim', 1 unless -x $sim;

    my $out = "$made/out";
    my @common = ('--quiet', '--kinds', 'iphone:1', '--count', 1,
                  '--identities', "$made/ids", '--scep',
                  'http://127.0.0.1:' . $t->plain_port . '/scep');

    wait_exit(spawn({ out => $out }, $sim, 'ids', '--count', 3, '--kinds',
                    'iphone:1'), 30);

    my @ids = split /\n/, read_file($out);

    my $enroll = sub {
        my ($n, %bound) = @_;

        my $c = $t->api(POST => '/v1/challenge',
                        body => JSON::PP::encode_json(\%bound))
            ->json->{challenge};

        wait_exit(spawn({ out => $out }, $sim, 'enroll', @common, '--first',
                        $n, '--scep-challenge', $c), 60);

        my %v = read_file($out) =~ /^(\S+) ([\d.]+) \S+$/mg;

        return ($v{scep_issued} // 0) . ' ' . ($v{scep_badRequest} // 0);
    };

    $t->device($ids[0], serial => 'C02BLOCKED')->enroll;
    block($ids[0]);

    is($enroll->(0, udid => $ids[0]), '0 1', 'no certificate for its UDID');
    ok($t->wait_log(qr/badRequest: the device is blocked/), 'the log says so');
    is($enroll->(1, serial => 'c02blocked'), '0 1', 'nor for its serial');
    is($enroll->(2, udid => $ids[2]), '1 0', 'another device gets one');
    unblock($ids[0]);
    is($enroll->(1, serial => 'C02BLOCKED'), '1 0', 'and then this one, too');
}


# an enrolment profile

{
    $t->device('PROFILE', serial => 'C02PROFILE')->enroll;

    my $path = '/v1/enrollment-profiles/main?plain=1&serial=c02profile';

    is($t->api(POST => $path)->status, 200, 'there is one');
    block('PROFILE');
    is($t->api(POST => $path)->status, 403, 'not for one that is blocked');
    is($t->api(POST => '/v1/enrollment-profiles/main?plain=1')->status, 200,
       'but for anybody');
}


# told to drop its profile

{
    my $d = $t->device('GO-1')->enroll;
    my $path = '/v1/enrollments/GO-1/unenroll';

    is($t->api(POST => $path)->status, 400, 'which profile?');
    is($t->api(POST => "$path?profile=a%0Ab")->status, 400, 'no text');
    is($t->api(POST => "$path?profile=x", body => '{}')->status, 400,
       'a body');

    my $r = $t->api(POST => "$path?profile=com.example.%3Cmdm%3E");

    is($r->status, 200, 'queued') or diag($r->body);
    is($r->json->{request_type}, 'RemoveProfile', 'a command');

    my $command = plist_read($d->idle->body);

    is_deeply($command, { CommandUUID => $r->json->{command_uuid},
        Command => { RequestType => 'RemoveProfile',
                     Identifier => 'com.example.<mdm>' } }, 'this one');
    is(scalar(events('GO-1', 'api.Enqueue')), 1, 'it is an event');
    is($t->api(POST => '/v1/enrollments/GO-9/unenroll?profile=x')->status,
       500, 'not enrolled: as of any command');
    is($t->api(POST => '/v1/enrollments/GO-9/unenroll')->status, 404,
       'not enrolled');
    is($t->api(POST => '/v1/enrollments/GO-1,GO-9/unenroll')->status, 400,
       'which profile of several?');

    my ($key) = @{$t->redis('KEYS', '*:e:GO-1')};

    $t->redis('HSET', $key, enrollment => 'main');
    $d->report('Acknowledged', $command->{CommandUUID});
    is($t->api(POST => $path)->status, 200, 'that of its block');
    is(plist_read($d->idle->body)->{Command}{Identifier}, 'com.example.main',
       'which has this one');
    $t->redis('HSET', $key, enrollment => 'gone');
    is($t->api(POST => $path)->status, 400, 'a block that is gone');
}


# forgotten: nothing is left

{
    my $d = $t->device('FORGET-1')->enroll;
    my @users = map { $d->user("U-$_")->enroll } 1 .. 3;

    $d->set_bootstrap_token('token');
    $t->api(PUT => '/v1/enrollment-tags/FORGET-1?tag=lab');
    queue('FORGET-1', 'DeviceInformation') for 1 .. 3;
    $d->drain;
    queue('FORGET-1', 'DeviceInformation') for 1 .. 3;
    $users[0]->report('Acknowledged', 'unknown');

    is(forget('FORGET-1')->status, 409, 'not while it is enabled');
    is($d->idle->status, 200, 'it is as it was');
    $d->report('Acknowledged', 'X');
    $d->checkout;

    my $kept = $t->redis('KEYS', 'mdm:{default/cert:*');

    is(forget('FORGET-1')->status, 204, 'forgotten');
    is_deeply([ keys_of('FORGET-1') ], [], 'no key is left');
    is(scalar(@{$t->redis('KEYS', 'mdm:{default/cert:*')}), @$kept - 1,
       'nor the claim');
    is(forget('FORGET-1')->status, 404, 'once');
    is($d->idle->status, 403, 'it is not known');
    is_deeply([ map { $_->{users} } events('FORGET-1', 'api.Forget') ], [ 3 ],
              'an event');

    my $other = $t->device('FORGET-2', cert => $d->cert);

    is($other->authenticate->status, 200, 'its certificate is free');
}

{
    my $d = $t->device('FORGET-3')->enroll;
    my $user = $d->user('U')->enroll;

    is(forget('FORGET-3:U', '?force=1')->status, 204, 'a user');
    is($t->api(GET => '/v1/enrollments/FORGET-3:U')->status, 404, 'is gone');
    is_deeply(shown('FORGET-3')->{users}, [], 'its device knows none');
    is($d->idle->status, 200, 'and is there');
    is($user->token_update->status, 200, 'it comes again');

    is(forget('FORGET-3', '?force=2')->status, 400, 'what is no flag');
    is(forget('FORGET-3', '?force=1')->status, 204, 'a device');
    is_deeply([ keys_of('FORGET-3') ], [], 'with its user');
    is($d->enroll->idle->status, 200, 'it enrolls anew');
}

# much of it, slice by slice

{
    my $d = $t->device('FORGET-4')->enroll;

    $d->report('Acknowledged', "unknown-$_") for 1 .. 1200;
    $d->user("U-$_")->enroll for 1 .. 150;
    block('FORGET-4', { unenroll => JSON::PP::true });

    is(forget('FORGET-4', '?force=1')->status, 204, 'in slices');
    is_deeply([ grep { !/block/ } keys_of('FORGET-4') ], [], 'nothing is left');
    is($d->authenticate->status, 403, 'it is blocked still');
    is(unblock('FORGET-4')->status, 204, 'until it is not');
    is(scalar(events('FORGET-4', 'api.Unblock')), 1, 'an event');
    is($d->enroll->idle->status, 200, 'it enrolls again');
}

# who erased itself is listed so

{
    my $d = $t->device('ERASED')->enroll;

    queue('ERASED', 'EraseDevice');
    $d->report('Acknowledged', $d->uuid($d->idle));

    like(shown('ERASED')->{erased}, qr/^\d{4}-\d\d-\d\dT/, 'when it was');
    like($t->api(GET => '/v1/enrollments?serial=SERASED')->json
         ->{enrollments}[0]{erased}, qr/^\d{4}-/, 'a query says so, too');
}


finish;
