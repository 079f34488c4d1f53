#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Check-in messages: what is answered, what is in Redis afterwards, which
# events were written.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA 'sha256';
use JSON::PP ();
use Test::More;

use MDM;

use constant {
    XML => 'application/xml',
    SHARED => 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
};


my $t = MDM->new(locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /accept {
            mdm_checkin on;
            mdm_user_authenticate accept;
        }
        location /raw { mdm_checkin on; mdm_event_payload on; }
        location /quiet {
            mdm_checkin on;
            mdm_event_limit 0;
            mdm_keep_certificate off;
        }
        location /api/ { mdm_api on; }
END

my $sent = 0;          # requests of devices
my $refused = 0;       # those that were refused


# the digest of a subject that is a short common name, in DER

sub subject {
    my ($cn) = @_;

    my $der = "\x06\x03\x55\x04\x03" . pack('a C/a', "\x0c", $cn);

    $der = pack('a C/a', $_, $der) for "\x30", "\x31", "\x30";

    return sha256($der);
}


# the partition's prefix, by a CRC16 (XMODEM) of our own

sub tag {
    my ($id) = @_;

    my $crc = 0;

    for my $byte (unpack 'C*', $id =~ s/:.*//r) {
        $crc ^= $byte << 8;

        for (1 .. 8) {
            $crc = ($crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1) & 0xffff;
        }
    }

    return 'mdm:{default/' . $crc % 256 . '}';
}


sub enrollment { my ($id) = @_;
                 return $t->redis_server->hash(tag($id) . ":e:$id") }
sub field { my ($id, $f) = @_;
            return $t->redis('HGET', tag($id) . ":e:$id", $f) }
sub pin { my $raw = field($_[0], 'cert');
          return defined $raw ? unpack('H*', $raw) : undef }
sub secret { my ($id, $f) = @_;
             return $t->redis('HGET', tag($id) . ":u:$id", $f) }


# events of an id's partition that were written since the last call

my %last;

sub events {
    my ($id) = @_;

    my $key = tag($id) . ':events';
    my @new;

    for my $entry (@{$t->redis('XRANGE', $key, $last{$key} // '-', '+')}) {
        my ($at, $pairs) = @$entry;
        my %e = @$pairs;

        $last{$key} = "($at";
        $e{data} = JSON::PP->new->utf8->decode($e{data});
        push @new, \%e if $e{id} eq $id;
    }

    return \@new;
}


sub event {
    my ($name, $id, %data) = @_;

    return { event => $name, id => $id, data => \%data };
}


# a response that must be just so

sub answer {
    my ($r, $status, $type, $name, $body) = @_;

    $sent++;
    is($r->status, $status, "$name: $status");
    is($r->header('Content-Type'), $type,
       "$name: Content-Type " . ($type // 'none'));

    if (!defined $type) {
        is($r->body, '', "$name: no body");
        is($r->header('Content-Length'), 0, "$name: Content-Length 0");
    }

    is_deeply($r->plist, $body, "$name: the plist") if $body;

    return $r;
}


sub ok200 { my ($r, $name) = @_; return answer($r, 200, undef, $name) }


# refused: no 401, no body, and not one byte of Redis has changed

sub refused {
    my ($status, $name, $do) = @_;

    my $before = $t->redis_dump;

    answer($do->(), $status, undef, $name);
    is($t->redis_dump, $before, "$name: Redis is unchanged");
    $refused++;

    return;
}


sub near {
    my ($time) = @_;

    return defined $time && $time =~ /^\d+$/ && abs(time - $time) <= 120;
}


# The five forms of an id.  Each has all of a life: enrolled, asked, checked
# out.

my $device = $t->device('UDID-1', serial => 'C02TEST');
my $user = $device->user('USER-1', short => 'joe', long => 'Joe User');
my $shared = $device->user(SHARED, short => 'mia@example.com');
my $byod = $t->device('EID-1', user_enrollment => 1);
my $byod_user = $byod->user('EUSER-1');

for my $form (
    [ $device, 'Device', 'UDID-1' ],
    [ $user, 'User', 'UDID-1:USER-1', 'UDID-1' ],
    [ $shared, 'Shared iPad', 'UDID-1:mia@example.com', 'UDID-1' ],
    [ $byod, 'User Enrollment (Device)', 'EID-1' ],
    [ $byod_user, 'User Enrollment', 'EID-1:EUSER-1', 'EID-1' ],
) {
    my ($d, $type, $id, $parent) = @$form;

    if (!$parent) {
        ok200($d->authenticate, "$type: Authenticate");

        my $e = enrollment($id);
        my $once = delete $e->{once};

        is(length $once, 8, "$type: once");
        ok(near(delete $e->{$_}), "$type: $_ after Authenticate")
            for qw(enrolled last_seen);
        like(delete $e->{cert_serial}, qr/^(?:[0-9a-f]{2})+$/,
             "$type: its serial number");
        ok(delete $e->{cert_end} > time, "$type: and its end");
        is_deeply($e, {
            type => $type, enabled => 0,
            csub => subject($d->cert->{cn}),
            cert => pack('H*', $d->cert->{sha256}),
            tally => 0, gen => 1, era => 1,
            topic => 'com.apple.mgmt.External.test',
            serial => $d->{serial} // "S$id", name => "Name of $id",
            model => 'Mac14,2', model_name => 'MacBook Air',
            product => 'Mac14,2', os => '15.1', build => '24B83',
        }, "$type: the enrollment after Authenticate");

        is($t->redis('GET', tag($id) . ":crt:$id"), $d->cert->{der},
           "$type: the certificate is kept");
        is($t->redis('GET', "mdm:{default/cert:$d->{cert}{sha256}}"), $id,
           "$type: the certificate is claimed");
        is_deeply(events($id),
                  [ event('mdm.Authenticate', $id, gen => 1) ],
                  "$type: event of Authenticate");

        # not enabled yet

        ok200($d->idle, "$type: Idle before the TokenUpdate");
    }

    ok200($d->token_update, "$type: TokenUpdate");

    my $e = enrollment($id);

    ok(near(delete $e->{$_}), "$type: $_ after TokenUpdate")
        for qw(updated last_seen);
    is(delete $e->{token}, "\x01\xff" x 16, "$type: the token, raw");

    my %is = (type => $type, enabled => 1, tally => 1, magic => "magic-$id",
              era => 1, topic => 'com.apple.mgmt.External.test');

    $is{parent} = $parent if $parent;

    if ($type eq 'User') {
        @is{qw(short_name long_name)} = ('joe', 'Joe User');

    } elsif ($type eq 'Shared iPad') {
        @is{qw(short_name long_name)} = ('mia@example.com', 'Joe');
    }

    delete @$e{qw(once cert cert_serial cert_end csub gen serial name model model_name product os build
                  enrolled)} unless $parent;
    delete $e->{once};
    is_deeply($e, \%is, "$type: the enrollment after TokenUpdate");

    is_deeply(events($id), [ event('mdm.TokenUpdate', $id, tally => 1) ],
              "$type: event of TokenUpdate");
    is($t->redis('ZSCORE', tag($id) . ':ids', $id), 0, "$type: in the index");

    ok200($d->token_update, "$type: a second TokenUpdate");
    is(field($id, 'tally'), 2, "$type: the tally goes up");
    is_deeply(events($id), [ event('mdm.TokenUpdate', $id, tally => 2) ],
              "$type: event of the second TokenUpdate");

    my $r = $t->api('GET', '/v1/enrollments/' . $id =~ s/@/%40/r);

    is($r->status, 200, "$type: the API knows it");
    is($r->json->{id}, $id, "$type: the API's id");
    is($r->json->{type}, $type, "$type: the API's type");
    is($r->json->{parent}, $parent, "$type: the API's parent");

    $t->enqueue($id, $t->command("c-$id", 'ProfileList'));

    $r = answer($d->idle, 200, 'application/xml; charset=UTF-8',
                "$type: a command");
    is($d->uuid($r), "c-$id", "$type: it is the one of this channel");
    ok200($d->report('Acknowledged', "c-$id"), "$type: Acknowledged");
    is($t->redis('EXISTS', tag($id) . ":r:$id:c-" . $id =~ s/:/%3A/r), 1,
       "$type: the result is kept");
    events($id);
}

is_deeply([ sort @{$t->redis('SMEMBERS', tag('UDID-1') . ':users:UDID-1')} ],
          [ 'UDID-1:USER-1', 'UDID-1:mia@example.com' ],
          'the users of a device');
is_deeply($t->redis('SMEMBERS', tag('EID-1') . ':users:EID-1'),
          [ 'EID-1:EUSER-1' ], 'the users of a user enrollment');

is($t->redis('GET', 'mdm:{default/cert:' . $user->cert->{sha256} . '}'),
   'UDID-1', 'the certificate belongs to the device, never to a user');
is(pin('UDID-1:USER-1'), undef, 'a user channel has no pin');


# CheckOut

ok200($user->checkout, 'CheckOut of a user');
is(field('UDID-1:USER-1', 'enabled'), 0, 'the user is disabled');
is(field($_, 'enabled'), 1, "$_ is not")
    for 'UDID-1', 'UDID-1:mia@example.com';
is_deeply(events('UDID-1:USER-1'),
          [ event('mdm.CheckOut', 'UDID-1:USER-1', users => 0) ],
          'event of the user\'s CheckOut');

{
    my $before = $t->redis_dump;

    ok200($user->checkout, 'a second CheckOut of a user');
    is($t->redis_dump, $before, 'a second CheckOut changes nothing');
}

$t->enqueue('UDID-1', $t->command('gone', 'ProfileList'));
ok200($device->checkout, 'CheckOut of a device');
is(field($_, 'enabled'), 0, "$_ is disabled")
    for 'UDID-1', 'UDID-1:USER-1', 'UDID-1:mia@example.com';
is_deeply([ grep { $_->{event} =~ /^mdm/ } @{events('UDID-1')} ],
          [ event('mdm.CheckOut', 'UDID-1', users => 2) ],
          'event of the device\'s CheckOut');
ok200($device->idle, 'Idle of a disabled device: no command');
ok200($shared->checkout, 'CheckOut of a user of a device that is gone');

$device->token_update;
is($device->uuid($device->idle), 'gone', 'a TokenUpdate enables it again');


# Authenticate again: a fresh start of the device and its users

$_->token_update for $user, $shared;
$t->enqueue([ 'UDID-1', 'UDID-1:USER-1', 'UDID-1:mia@example.com' ],
            $t->command("again-$_", 'ProfileList')) for 1 .. 3;
$device->report('NotNow', 'again-1');
is($t->redis('HGET', tag('UDID-1') . ':c:again-1', 'refs'), 3,
   'commands wait for the device and its users');
events($_) for 'UDID-1', 'UDID-1:USER-1';

ok200($device->authenticate, 'Authenticate again');

my $e = enrollment('UDID-1');

is($e->{gen}, 2, 'the second Authenticate');
is($e->{tally}, 0, 'the tally starts anew');
is($e->{enabled}, 0, 'the device is disabled');
ok(!exists $e->{$_}, "$_ of before is gone") for qw(token magic q updated);

for my $id ('UDID-1:USER-1', 'UDID-1:mia@example.com') {
    $e = enrollment($id);
    is($e->{enabled}, 0, "$id is disabled");
    is($e->{tally}, 0, "$id: the tally starts anew");
    ok(!exists $e->{$_}, "$id: $_ is gone") for qw(token magic topic q);
}

is_deeply([ map { @{$t->redis('KEYS', "*:$_:*")} } qw(q nn c) ], [],
          'all queues and the bodies of the commands are gone');
is_deeply(events('UDID-1'),
          [ event('mdm.Authenticate', 'UDID-1', gen => 2) ],
          'event of the second Authenticate');

$device->token_update;
is(field('UDID-1', 'tally'), 1, 'tally 1: newly enrolled');
ok200($device->idle, 'no command of before comes back');

my $old = $device->cert;
my $new = $t->cert(cn => 'UDID-1');
my $size = $t->log_size;

$_->{cert} = $new for $device, $user, $shared;
ok200($device->authenticate, 'Authenticate with a new certificate');
is(pin('UDID-1'), $device->cert->{sha256}, 'the new one is pinned');
is($t->redis('GET', tag('UDID-1') . ':crt:UDID-1'), $device->cert->{der},
   'the new one is kept');
is_deeply([ grep { $_->{event} eq 'mdm.Authenticate' } @{events('UDID-1')} ],
          [ event('mdm.Authenticate', 'UDID-1', gen => 3,
                  cert => $device->cert->{sha256},
                  replaced => $old->{sha256}) ],
          'event: a pin was replaced');
like($t->log($size),
     qr/\[notice\].*\Q$old->{sha256} by $device->{cert}{sha256}\E/,
     'log: a pin was replaced');

{
    my $thief = $t->device('UDID-1', cert => $old);

    refused(403, 'TokenUpdate with the replaced certificate',
            sub { $thief->token_update });
}

$_->token_update for $device, $user;
events($_) for 'UDID-1', 'UDID-1:USER-1';


# TokenUpdate: the unlock token

my $unlock = join '', map { chr } 0 .. 255;

ok200($device->token_update(UnlockToken => plist_data($unlock)),
      'TokenUpdate with an UnlockToken');
is(secret('UDID-1', 'unlock'), $unlock, 'it is kept');
ok200($device->token_update, 'TokenUpdate without one');
is(secret('UDID-1', 'unlock'), $unlock, 'absent: it stays');
ok200($device->token_update(UnlockToken => plist_data('')),
      'TokenUpdate with an empty one');
is(secret('UDID-1', 'unlock'), $unlock, 'empty: it stays');
ok200($device->token_update(UnlockToken => plist_data('x' x 65536)),
      'TokenUpdate with one of 64 kB');
is(secret('UDID-1', 'unlock'), 'x' x 65536, 'it takes the place');
refused(400, 'an UnlockToken over 64 kB',
        sub { $device->token_update(UnlockToken => plist_data('x' x 65537)) });
refused(400, 'an UnlockToken that is a string',
        sub { $device->token_update(UnlockToken => 'text') });
$device->token_update(UnlockToken => plist_data($unlock));
events('UDID-1');

$device->authenticate;
$device->token_update;
is(secret('UDID-1', 'unlock'), $unlock, 'a renewal keeps the unlock token');

$device->token_update(Token => plist_data("\0" x 255),
                      AwaitingConfiguration => \1);
is(field('UDID-1', 'awaiting'), 1, 'AwaitingConfiguration is kept');
is(field('UDID-1', 'token'), "\0" x 255, 'a long token');
is(secret('UDID-1', 'unlock'), $unlock,
   'a later TokenUpdate that waits keeps the unlock token');
$device->token_update(AwaitingConfiguration => \0);
is(field('UDID-1', 'awaiting'), undef, 'AwaitingConfiguration false');

$device->authenticate;
$device->token_update(AwaitingConfiguration => \1);
is(secret('UDID-1', 'unlock'), undef,
   'a re-enrolment drops the unlock token');

$device->authenticate;
$device->token_update(AwaitingConfiguration => \1,
                      UnlockToken => plist_data('new'));
is(secret('UDID-1', 'unlock'), 'new',
   'one that comes with the re-enrolment is kept');


# bootstrap tokens

my $token = "\0\xff<bootstrap>" . join '', map { chr } 0 .. 255;

events('UDID-1');
ok200($device->get_bootstrap_token, 'GetBootstrapToken: none is kept');
ok200($device->set_bootstrap_token($token), 'SetBootstrapToken');
is(secret('UDID-1', 'bootstrap'), $token, 'it is kept');
answer($device->get_bootstrap_token, 200, XML, 'GetBootstrapToken',
       { BootstrapToken => plist_data($token) });
answer($user->get_bootstrap_token, 200, XML, 'GetBootstrapToken of a user',
       { BootstrapToken => plist_data($token) });
is_deeply(events('UDID-1'),
          [ { event => 'mdm.SetBootstrapToken', id => 'UDID-1',
              data => { deleted => JSON::PP::false } } ],
          'event of SetBootstrapToken: without the token');

{
    my $before = $t->redis_dump;

    ok200($device->set_bootstrap_token($token), 'the same token again');
    is($t->redis_dump, $before, 'the same token again changes nothing');
}

ok200($device->set_bootstrap_token(undef), 'SetBootstrapToken without one');
is(secret('UDID-1', 'bootstrap'), undef, 'absent: it is deleted');
ok200($device->get_bootstrap_token, 'GetBootstrapToken: it was deleted');
is_deeply(events('UDID-1'),
          [ { event => 'mdm.SetBootstrapToken', id => 'UDID-1',
              data => { deleted => JSON::PP::true } } ],
          'event: it was deleted');

{
    my $before = $t->redis_dump;

    ok200($device->set_bootstrap_token(undef), 'deleted again');
    is($t->redis_dump, $before, 'deleted again: nothing changes');
}

ok200($user->set_bootstrap_token('by a user'), 'SetBootstrapToken of a user');
is(secret('UDID-1', 'bootstrap'), 'by a user', 'the token is the device\'s');
ok200($device->set_bootstrap_token(''), 'an empty BootstrapToken');
is(secret('UDID-1', 'bootstrap'), undef, 'empty: it is deleted');

ok200($device->set_bootstrap_token('y' x 65536), 'a BootstrapToken of 64 kB');
answer($device->get_bootstrap_token, 200, XML, 'and back',
       { BootstrapToken => plist_data('y' x 65536) });
refused(400, 'a BootstrapToken over 64 kB',
        sub { $device->set_bootstrap_token('y' x 65537) });
refused(400, 'a BootstrapToken that is a string',
        sub { $device->set_bootstrap_token(undef, BootstrapToken => 'text') });

# a renewal: the same Authenticate, but the device does not wait

$device->set_bootstrap_token($token);
$new = $t->cert(cn => 'UDID-1');
$_->{cert} = $new for $device, $user, $shared;
ok200($device->authenticate, 'renewal: Authenticate');
answer($device->get_bootstrap_token, 200, XML, 'renewal: before TokenUpdate',
       { BootstrapToken => plist_data($token) });
ok200($device->token_update, 'renewal: TokenUpdate');
answer($device->get_bootstrap_token, 200, XML, 'renewal: the token is there',
       { BootstrapToken => plist_data($token) });

$device->authenticate;
$device->token_update(AwaitingConfiguration => \0);
answer($device->get_bootstrap_token, 200, XML,
       'renewal: AwaitingConfiguration is false',
       { BootstrapToken => plist_data($token) });

$user->token_update(AwaitingConfiguration => \1);
$device->token_update(AwaitingConfiguration => \1);
answer($device->get_bootstrap_token, 200, XML,
       'a user, or a later TokenUpdate, that waits: the token is there',
       { BootstrapToken => plist_data($token) });

# a re-enrolment

$device->authenticate;
ok200($device->token_update(AwaitingConfiguration => \1),
      're-enrolment: TokenUpdate');
ok200($device->get_bootstrap_token, 're-enrolment: the token was dropped');

$device->authenticate;
$device->set_bootstrap_token('early');
$device->token_update(AwaitingConfiguration => \1);
answer($device->get_bootstrap_token, 200, XML,
       're-enrolment: a token that is newer than it stays',
       { BootstrapToken => plist_data('early') });


# UserAuthenticate

sub user_authenticate {
    my ($d, $path, %keys) = @_;

    local $d->{path} = $path;

    return $d->message('UserAuthenticate', %keys);
}

my %digest = (DigestResponse => 'Digest username="joe"');

refused(410, 'UserAuthenticate: refused', sub {
    user_authenticate($user, '/mdm') });
refused(410, 'UserAuthenticate: refused, with a digest', sub {
    user_authenticate($user, '/mdm', %digest) });
refused(400, 'UserAuthenticate: on the device channel', sub {
    user_authenticate($device, '/mdm') });
refused(400, 'UserAuthenticate: on the device channel, accepting', sub {
    user_authenticate($device, '/accept') });

{
    my $before = $t->redis_dump;

    my $r = answer(user_authenticate($user, '/accept'), 200, XML,
                   'UserAuthenticate: accepted', { DigestChallenge => '' });

    like($r->body, qr{<key>DigestChallenge</key>\s*<string></string>},
         'the challenge is there, and empty');
    ok200(user_authenticate($user, '/accept', %digest),
          'UserAuthenticate: the second step');

    my $late = $device->user('USER-NEW', short => 'new');

    answer(user_authenticate($late, '/accept'), 200, XML,
           'UserAuthenticate: of a user that is not there yet',
           { DigestChallenge => '' });
    is($t->redis_dump, $before, 'UserAuthenticate: Redis is unchanged');
}


# the others

{
    my $before = $t->redis_dump;

    answer($device->message('ReturnToService'), 200, XML, 'ReturnToService',
           { ReturnToService => { Enabled => \0 } });
    is($t->redis_dump, $before, 'ReturnToService: Redis is unchanged');
}

refused(400, 'DeclarativeManagement: unknown Endpoint', sub {
    $device->message('DeclarativeManagement', Endpoint => 'token') });
refused(400, 'DeclarativeManagement: no Endpoint', sub {
    $device->message('DeclarativeManagement') });
refused(400, 'GetToken: unknown service', sub {
    $device->message('GetToken', TokenServiceType => 'com.apple.maid') });
refused(400, 'GetToken: no service', sub { $device->message('GetToken') });


# what cannot be used

my %id = (UDID => 'UDID-1');

sub body {
    my ($message) = @_;

    return sub { $device->send($device->CHECKIN, $message) };
}

for my $bad (
    [ 'unknown MessageType', { %id, MessageType => 'NextYear' } ],
    [ 'MessageType in another case', { %id, MessageType => 'tokenupdate' } ],
    [ 'MessageType with a space', { %id, MessageType => 'CheckOut ' } ],
    [ 'empty MessageType', { %id, MessageType => '' } ],
    [ 'no MessageType', { %id } ],
    [ 'MessageType is a number', { %id, MessageType => 5 } ],
    [ 'MessageType of a connect', { %id, MessageType => 'Connect',
                                    Status => 'Idle' } ],
    [ 'MessageType is data', { %id,
                               MessageType => plist_data('CheckOut') } ],
    [ 'neither UDID nor EnrollmentID', { MessageType => 'CheckOut' } ],
    [ 'UDID and EnrollmentID', { %id, EnrollmentID => 'EID-1',
                                 MessageType => 'CheckOut' } ],
    [ 'UDID and EnrollmentUserID', { %id, EnrollmentUserID => 'E',
                                     MessageType => 'CheckOut' } ],
    [ 'EnrollmentID and UserID', { EnrollmentID => 'UDID-1', UserID => 'U',
                                   MessageType => 'CheckOut' } ],
    [ 'only a UserID', { UserID => 'U', MessageType => 'CheckOut' } ],
    [ 'only an EnrollmentUserID', { EnrollmentUserID => 'U',
                                    MessageType => 'CheckOut' } ],
    [ 'empty UDID', { UDID => '', MessageType => 'CheckOut' } ],
    [ 'empty EnrollmentID', { EnrollmentID => '',
                              MessageType => 'CheckOut' } ],
    [ 'empty UserID', { %id, UserID => '', MessageType => 'CheckOut' } ],
    [ 'empty EnrollmentUserID', { EnrollmentID => 'EID-1',
        EnrollmentUserID => '', MessageType => 'CheckOut' } ],
    [ 'UDID is a number', { UDID => 5, MessageType => 'CheckOut' } ],
    [ 'UDID is an array', { UDID => [ 'UDID-1' ],
                            MessageType => 'CheckOut' } ],
    [ 'UserID is data', { %id, UserID => plist_data('USER-1'),
                          MessageType => 'CheckOut' } ],
    [ 'Shared iPad without UserShortName', { %id, UserID => SHARED,
                                             MessageType => 'CheckOut' } ],
    [ 'Shared iPad with an empty one', { %id, UserID => SHARED,
        UserShortName => '', MessageType => 'CheckOut' } ],
    [ 'the root is an array', [ 'CheckOut' ] ],
    [ 'the root is a string', plist('CheckOut') ],
    [ 'no plist', 'CheckOut' ],
    [ 'JSON', '{"MessageType":"CheckOut","UDID":"UDID-1"}' ],
    [ 'an empty dictionary', {} ],
) {
    refused(400, $bad->[0], body($bad->[1]));
}

my %update = (%id, MessageType => 'TokenUpdate', Topic => 'topic',
              PushMagic => 'magic', Token => plist_data('token'));

for my $key (qw(Topic PushMagic Token)) {
    my %less = %update;

    delete $less{$key};
    refused(400, "TokenUpdate without $key", body(\%less));
    refused(400, "TokenUpdate with an empty $key", body({ %update,
        $key => $key eq 'Token' ? plist_data('') : '' }));
    refused(400, "TokenUpdate with another type of $key", body({ %update,
        $key => $key eq 'Token' ? 'text' : plist_data('text') }));
    refused(400, "TokenUpdate with too long a $key", body({ %update,
        $key => $key eq 'Token' ? plist_data('x' x 256) : 'x' x 256 }));
}

refused(400, 'Authenticate without Topic', sub {
    $device->message('Authenticate', SerialNumber => 'X') });
refused(400, 'Authenticate with an empty Topic', sub {
    $device->authenticate(Topic => '') });
refused(400, 'Authenticate with a number as Topic', sub {
    $device->authenticate(Topic => 5) });
refused(400, 'Authenticate with too long a Topic', sub {
    $device->authenticate(Topic => 'x' x 256) });
refused(400, 'Authenticate on a user channel', sub { $user->authenticate });

# the five messages of who is not enrolled, with what they need

my %message = (
    TokenUpdate => sub { $_[0]->token_update },
    CheckOut => sub { $_[0]->checkout },
    UserAuthenticate => sub { $_[0]->message('UserAuthenticate') },
    SetBootstrapToken => sub { $_[0]->set_bootstrap_token('thief') },
    'SetBootstrapToken without a token' =>
        sub { $_[0]->set_bootstrap_token(undef) },
    GetBootstrapToken => sub { $_[0]->get_bootstrap_token },
    GetToken => sub { $_[0]->message('GetToken', TokenServiceType => 'x') },
    ReturnToService => sub { $_[0]->message('ReturnToService') },
    DeclarativeManagement =>
        sub { $_[0]->message('DeclarativeManagement', Endpoint => 'tokens') },
    Idle => sub { $_[0]->idle },
    Acknowledged => sub { $_[0]->report('Acknowledged', 'u') },
    NotNow => sub { $_[0]->report('NotNow', 'u') },
);

my $stranger = $t->device('STRANGER');

for my $who (
    [ 'not enrolled', $stranger->user('U') ],
    [ 'another device\'s certificate',
      $t->device('UDID-1', cert => $byod->cert)->user('USER-1') ],
    [ 'a certificate of nobody',
      $t->device('UDID-1', cert => $stranger->cert)->user('USER-1') ],
    [ 'no certificate', $t->device('UDID-1', cert => undef)->user('USER-1') ],
) {
    my ($what, $d) = @$who;

    for my $name (sort keys %message) {
        refused(403, "$name: $what", sub { $message{$name}->($d) });
    }
}

for my $name (sort keys %message) {
    next if $name eq 'UserAuthenticate';

    refused(403, "$name: not enrolled, device channel",
            sub { $message{$name}->($stranger) });
}

refused(403, 'Authenticate: no certificate', sub {
    $t->device('NEW', cert => undef)->authenticate });
refused(403, 'Authenticate: another device\'s certificate', sub {
    $t->device('NEW', cert => $byod->cert)->authenticate });
refused(403, 'Authenticate of a device, by another one', sub {
    $t->device('UDID-1', cert => $byod->cert)->authenticate });
refused(403, 'no TLS', sub {
    $device->send($device->CHECKIN,
                  { %id, MessageType => 'CheckOut' }, plain => 1,
                  cert => undef) });

for my $cert ($t->foreign_cert(cn => 'UDID-1'),
              $t->cert(cn => 'UDID-1', expired => 1))
{
    my $before = $t->redis_dump;
    my $r = $t->device('UDID-1', cert => $cert)->authenticate;

    is($r->status, 400, 'a certificate that nginx refuses: 400');
    is($t->redis_dump, $before, 'and Redis is unchanged');
}


# a device has a bounded number of users

{
    my $d = $t->device('MANY')->enroll;
    my $key = tag('MANY') . ':users:MANY';

    $t->redis('SADD', $key, map { "MANY:$_" } 1 .. 999);
    ok200($d->user('LAST')->token_update, 'the 1000th user');
    refused(403, 'the 1001st user', sub { $d->user('MORE')->token_update });
    ok200($d->user('LAST')->token_update, 'the 1000th again');
    $t->redis('DEL', $key);
}


# settings of events and certificates

{
    my $d = $t->device('RAW', path => '/raw');

    ok200($d->authenticate, 'mdm_event_payload: Authenticate');
    ok200($d->token_update, 'mdm_event_payload: TokenUpdate');
    ok200($d->set_bootstrap_token('secret'),
          'mdm_event_payload: SetBootstrapToken');
    ok200($d->checkout, 'mdm_event_payload: CheckOut');

    my @events = @{events('RAW')};

    is_deeply([ map { $_->{event} } @events ],
              [ map { "mdm.$_" } qw(Authenticate TokenUpdate
                                    SetBootstrapToken CheckOut) ],
              'mdm_event_payload: the events');

    for my $event (@events) {
        my ($type) = $event->{event} =~ /(\w+)$/;

        if ($type eq 'SetBootstrapToken') {
            ok(!exists $event->{raw}, "mdm_event_payload: not with $type");

        } else {
            is(plist_read($event->{raw})->{MessageType}, $type,
               "mdm_event_payload: the message of $type");
        }
    }

    $d = $t->device('QUIET', path => '/quiet');
    ok200($d->authenticate, 'mdm_event_limit 0: Authenticate');
    ok200($d->token_update, 'mdm_event_limit 0: TokenUpdate');
    ok200($d->set_bootstrap_token('x'), 'mdm_event_limit 0: a token');
    ok200($d->checkout, 'mdm_event_limit 0: CheckOut');
    is_deeply(events('QUIET'), [], 'mdm_event_limit 0: no event');
    is($t->redis('EXISTS', tag('QUIET') . ':crt:QUIET'), 0,
       'mdm_keep_certificate off: it is not kept');
    is(pin('QUIET'), $d->cert->{sha256},
       'mdm_keep_certificate off: its digest is');
}


# never 401

my @status = $t->access_log =~ /" (\d{3}) \d+ "/g;

cmp_ok(scalar(@status), '>=', $sent, 'the access log has all requests');
cmp_ok(scalar(grep { $_ >= 400 } @status), '>=', $refused,
       'the access log has all that were refused');
is_deeply([ grep { $_ == 401 || $_ >= 500 } @status ], [],
          'no device was answered 401, or 500 and above');
unlike($t->log, qr/magic-|com\.apple\.mgmt|secret|bootstrap>/,
       'no token and no magic in the log');

finish;
