#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A day of a tool that was written for NanoMDM: the calls as such tools send
# them (method, path, raw plist, form encoding as curl sets it), the answers
# read as they read them.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Util qw(read_file write_file);


my $t = MDM->new(locations => <<'END');
        location = /mdm { mdm_connect on; }
        location = /checkin { mdm_checkin on; }

        location / {
            mdm_api on;
            auth_basic "nanomdm";
            auth_basic_user_file %%PREFIX%%/htpasswd;
        }
END

write_file($t->dir . '/htpasswd', "nanomdm:{PLAIN}nanomdm\n");
$t->start;

my $auth = 'Basic ' . encode_base64('nanomdm:nanomdm', '');


# An answer as a client in Go decodes it: known members and their types; what
# is unknown is passed over.  Dies if a member has another type.

sub result {
    my ($r) = @_;

    my $o = $r->json;
    my %want = (status => 'HASH', no_push => 'JSON::PP::Boolean',
                push_error => '', command_error => '', command_uuid => '',
                request_type => '');

    for my $key (grep { exists $o->{$_} } keys %want) {
        die "$key has another type" if ref $o->{$key} ne $want{$key};
    }

    for my $id (keys %{$o->{status} || {}}) {
        my $s = $o->{status}{$id};

        die "status of $id is no object" if ref $s ne 'HASH';

        for (qw(push_error push_result command_error)) {
            die "$_ of $id is no string" if ref $s->{$_};
        }
    }

    return $o;
}


# as "curl -T", "curl --data-binary" and http.NewRequest() send it

my @agents = (
    sub { return (method => 'PUT', headers => [ 'User-Agent' => 'curl/8.7.1',
                  Accept => '*/*' ], chunked => 1) },
    sub { return (method => 'POST', headers => [ Accept => '*/*',
                  'Content-Type' => 'application/x-www-form-urlencoded' ]) },
    sub { return (method => 'PUT', headers => [ 'User-Agent' =>
                  'Go-http-client/1.1', 'Accept-Encoding' => 'gzip' ]) },
    sub { return (method => 'POST', headers => [ 'User-Agent' =>
                  'python-requests/2.32.3', Accept => '*/*',
                  Connection => 'keep-alive' ]) },
);


sub call {
    my ($method, $path, %o) = @_;

    my @headers = (Authorization => $auth, @{delete $o{headers} || []});

    return $t->request($method, $path, plain => 1, headers => \@headers, %o);
}


# the server is there, and asks who calls

is($t->request('GET', '/v1/queue/x', plain => 1)->status, 401,
   'without a password: 401');
like(call(GET => '/version')->json->{version}, qr/^\d+\.\d+/, 'version');


# two devices and a user enrol at the two URLs that NanoMDM has

my ($one, $two) = map {
    $t->device($_, path => '/checkin', serial => "C02$_")
} qw(5E5E0000-0000-4000-8000-000000000001
     5E5E0000-0000-4000-8000-000000000002);

for my $d ($one, $two) {
    is($d->authenticate->status, 200, 'Authenticate');
    is($d->token_update->status, 200, 'TokenUpdate');
}

my $user = $one->user('AAAA0000-0000-4000-8000-00000000000A',
                      short => 'joe', long => 'Joe User');

is($user->token_update->status, 200, 'TokenUpdate of a user');
$_->{path} = '/mdm' for $one, $two, $user;


# cmdr.py makes commands such as this one; tools send them in several ways

sub cmdr {
    my ($type, $uuid) = @_;

    return qq{<?xml version="1.0" encoding="UTF-8"?>\n}
        . qq{<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" }
        . qq{"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n}
        . qq{<plist version="1.0">\n<dict>\n\t<key>Command</key>\n}
        . qq{\t<dict>\n\t\t<key>RequestType</key>\n}
        . qq{\t\t<string>$type</string>\n\t</dict>\n}
        . qq{\t<key>CommandUUID</key>\n\t<string>$uuid</string>\n}
        . qq{</dict>\n</plist>\n};
}

my @uuids;

for my $agent (@agents) {
    my $uuid = sprintf 'C0DE0000-0000-4000-8000-%012d', scalar @uuids;
    my %how = $agent->();
    my $r = call(delete $how{method},
                 '/v1/enqueue/' . $one->id . '?nopush=1',
                 body => cmdr('ProfileList', $uuid), %how);

    push @uuids, $uuid;
    is($r->status, 200, "enqueue $#uuids: 200");
    is_deeply(result($r), { no_push => JSON::PP::true, command_uuid => $uuid,
              request_type => 'ProfileList' }, "enqueue $#uuids: result")
        or diag($r->body);
}

# tools look into each id's status; a success that was not pushed has none

{
    my $ids = join ',', $one->id, $two->id, $user->id, 'NO-SUCH-DEVICE';
    my $r = call(PUT => "/v1/enqueue/$ids",
                 body => cmdr('SecurityInfo', 'C0DE-SECURITY'));
    my $o = result($r);
    my @failed = grep { $o->{status}{$_}{command_error}
                        || $o->{status}{$_}{push_error} }
                 keys %{$o->{status}};

    is($r->status, 207, 'enqueue to many, one unknown: 207');
    is_deeply(\@failed, [ 'NO-SUCH-DEVICE' ], 'that one is named');
    is($o->{command_uuid}, 'C0DE-SECURITY', 'the command as well');
    ok(!exists $o->{command_error}, 'no error of all');

    $r = call(PUT => '/v1/enqueue/NO-SUCH-DEVICE',
              body => cmdr('SecurityInfo', 'C0DE-NONE'));
    is($r->status, 500, 'all unknown: 500');
    ok(result($r)->{status}{'NO-SUCH-DEVICE'}{command_error}, 'it is named');

    $r = call(PUT => '/v1/enqueue/' . $one->id, body => '<plist>');
    is($r->status, 400, 'a broken plist: 400');
    ok(result($r)->{command_error}, 'command_error says why');
    is_deeply([ grep { $_ ne 'no_push' && $_ ne 'command_error' }
                keys %{result($r)} ], [], 'and nothing else');
}


# inspect the queue, page by page as NanoHUB's client does

sub queue {
    my ($id) = @_;

    my ($cursor, @commands) = ('');

    do {
        my $o = call(GET => "/v1/queue/$id?cursor=$cursor")->json;

        for (@{$o->{commands}}) {
            die "a member is missing" if grep { !defined } @$_{qw(command_uuid
                request_type command)};
        }

        push @commands, @{$o->{commands}};
        $cursor = $o->{next_cursor} // '';
    } while ($cursor ne '');

    return @commands;
}

{
    my @queue = queue($one->id);

    is_deeply([ map { $_->{command_uuid} } @queue ],
              [ @uuids, 'C0DE-SECURITY' ], 'queue: in order');
    is(decode_base64($queue[0]{command}), cmdr('ProfileList', $uuids[0]),
       'queue: the command, base64');
    is($queue[4]{request_type}, 'SecurityInfo', 'queue: its type');
}

# the devices work on theirs

is_deeply([ $one->drain ], [ @uuids, 'C0DE-SECURITY' ],
          'the device carries them out');
is_deeply([ $user->drain ], [ 'C0DE-SECURITY' ], 'the user its own');
is_deeply([ queue($one->id) ], [], 'queue: empty now');
is_deeply([ map { $_->{command_uuid} } queue($two->id) ], [ 'C0DE-SECURITY' ],
          'queue: the other one has not asked yet');

is(call(DELETE => '/v1/queue/' . join ',', $one->id, $two->id)->status, 204,
   'clear: 204');

{
    my $r = call(DELETE => '/v1/queue/' . $two->id . ',NO-SUCH-DEVICE');

    is($r->status, 207, 'clear: 207');
    ok(!ref $r->json->{status}{'NO-SUCH-DEVICE'}, 'clear: an error is text');
}


# find devices

{
    my $ids = sub {
        my ($filter, %o) = @_;

        my $r = call(POST => '/v1/enrollments/query?limit=2',
                     body => JSON::PP::encode_json({ filter => $filter }),
                     headers => [ 'Content-Type' => 'application/json' ],
                     %o);

        return [ sort map { $_->{id} } @{$r->json->{enrollments}} ];
    };

    is_deeply($ids->({ serials => [ "C02" . $one->id ], types => [ 'Device' ]
                       }), [ $one->id ], 'query by serial number');
    is_deeply($ids->({ types => [ 'User' ] }, chunked => 10), [ $user->id ],
              'query by type');
    is_deeply($ids->({ user_short_names => [ 'joe' ] }), [ $user->id ],
              'query by short name');
    is_deeply($ids->({ ids => [ $two->id ], enabled => JSON::PP::true }),
              [ $two->id ], 'query by id');

    my ($row) = @{call(POST => '/v1/enrollments/query', body =>
        JSON::PP::encode_json({ filter => { ids => [ $one->id ] }, options =>
        { include_device_cert => JSON::PP::true } }))->json->{enrollments}};

    is($row->{device}{serial_number}, 'C02' . $one->id, 'query: serial');
    like($row->{device}{device_cert}, qr/^-----BEGIN CERTIFICATE-----\n/,
         'query: certificate');
    ok(ref $row->{enabled} && $row->{enabled}, 'query: enabled');
    is($row->{token_update_tally}, 1, 'query: tally');
    like($row->{last_seen}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
         'query: last_seen');
}


# push: an honest no

for my $method (qw(GET POST)) {
    my $r = call($method => '/v1/push/' . $one->id);

    is($r->status, 500, "$method push: 500");
    is($r->json->{status}{$one->id}{push_error}, 'push is off',
       'where it is not on');
}

{
    my $r = call(POST => '/v1/escrowkeyunlock', body => 'topic=x');

    is($r->status, 501, 'escrow keys: 501');
    like($r->json->{error}, qr/not available/, 'which says why');
}


# the push certificate, by "cat push.pem push.key | curl -T -"

{
    my $topic = 'com.apple.mgmt.External.test';
    my $cert = $t->ca->issue(cn => "APSP:$topic", uid => $topic);
    my @put = (PUT => '/v1/pushcert',
               body => $cert->{pem} . MDM::Util::read_file($cert->{key}));

    is(call(@put)->status, 409, 'its key is not kept in the clear');
    is(call(PUT => '/v1/pushcert', body => 'x')->status, 400, 'no PEM');
    is(call(GET => "/v1/pushcert?topic=$topic")->status, 404,
       'an unknown topic');
    is(call(GET => '/v1/pushcert')->status, 400, 'no topic');
}


# migration, as nano2nano sends what it has kept

{
    my $old = $t->device('5E5E0000-0000-4000-8000-000000000003',
                         path => '/mdm');
    my $message = sub {
        my ($type, %keys) = @_;

        return plist({ MessageType => $type, UDID => $old->id,
                       Topic => 'com.apple.mgmt.External.test', %keys });
    };

    for my $body ($message->('Authenticate', SerialNumber => 'C02OLD'),
                  $message->('TokenUpdate', PushMagic => 'M',
                             Token => plist_data('T'),
                             UnlockToken => plist_data('U')),
                  $message->('TokenUpdate', PushMagic => 'M',
                             Token => plist_data('T'), UserID => 'U-1',
                             UserShortName => 'mia'))
    {
        my $r = call(PUT => '/migration', body => $body,
                     headers => [ 'Content-Type' =>
                                  'application/x-apple-aspen-mdm-checkin' ]);

        is($r->status . $r->body, '200', 'migration: 200, empty');
    }

    call(PUT => '/v1/enqueue/' . $old->id, body => cmdr('ProfileList', 'C-1'));
    is_deeply([ $old->drain ], [ 'C-1' ], 'the migrated device answers');
}


# bootstrap tokens, which nano2nano leaves out, by the loop of docs/migration.md

{
    my ($loop) = read_file("$MDM::root/docs/migration.md")
                 =~ /^( +for udid in \*.*?^ +done\n)/ms
        or die 'no loop in docs/migration.md';
    my $url = 'http://127.0.0.1:' . $t->plain_port;
    my $store = $t->dir . '/nanomdm-db';

    $loop =~ s{https://mdm\.example\.com}{$url}g;

    my @macs = map { $t->device("MAC-$_", path => '/checkin') } 1 .. 3;

    mkdir $store;

    for my $mac (@macs) {
        mkdir "$store/" . $mac->id;
        call(PUT => '/migration', body => plist({ MessageType => $_,
             UDID => $mac->id, Topic => 'com.apple.mgmt.External.test',
             PushMagic => 'M', Token => plist_data('T') }))
            for qw(Authenticate TokenUpdate);
    }

    write_file("$store/MAC-1/BootstrapToken.dat", "\0secret\n1" x 40);
    write_file("$store/MAC-2/BootstrapToken.dat", '');
    write_file("$store/migrate.sh", "cd $store && KEY=nanomdm\n$loop");
    is(system('sh', "$store/migrate.sh"), 0, 'the loop of migration.md');

    my @tokens = map {
        my $r = $_->get_bootstrap_token;

        length $r->body ? $r->plist->{BootstrapToken} : '';
    } @macs;

    is_deeply(\@tokens, [ "\0secret\n1" x 40, '', '' ], 'each Mac has its token');
}

finish;
