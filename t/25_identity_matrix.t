#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Whose secrets are they?  What mdm_reenroll lets be pinned, and who has the
# bootstrap token, the unlock token and the queue afterwards.  What each cell
# must be is written down below.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Device;


my $on = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(locations => <<"END")->start;
        location /any   { $on }
        location /bound { $on mdm_reenroll bound; }
        location /deny  { $on mdm_reenroll deny; }
        location /off   { $on mdm_withhold_secrets off;
            location /off/in { $on }
            location /off/on { $on mdm_withhold_secrets on; }
        }
        location /api/  { mdm_api on; }
END


# A device has a bootstrap token, an unlock token and a command in its queue.
# Then it comes with
#
#     no pin            it was migrated: a certificate that does not name it
#     same              the certificate that is pinned
#     renewed           another with the same subject, which does not name it
#     naming            one with another subject, which names it
#     not naming        one with another subject, which does not
#     after reset       the same, after an administrator has reset the pin
#     after CheckOut    the certificate that is pinned, but no Authenticate
#
# and asks: for the bootstrap token ("token", or "-": it gets none), the API
# for the unlock token ("token", or "withheld": it is marked so), and for a
# command ("-": none; "refused": the whole device is, and the one who was
# pinned before, if any, still has what is its own).

my $table = <<'END';
bootstrap        |no pin   same   renewed  naming   not naming  reset     CheckOut
any              |token    token  token    token    -           -         -
bound            |refused  token  refused  token    refused     refused   -
deny             |token    token  refused  refused  refused     -         -

unlock           |no pin   same   renewed  naming   not naming  reset     CheckOut
any              |token    token  token    token    withheld    withheld  token
bound            |token    token  token    token    token       token     token
deny             |token    token  token    token    token       withheld  token

queue            |no pin   same   renewed  naming   not naming  reset     CheckOut
any              |-        -      -        -        -           -         -
bound            |refused  -      refused  -        refused     refused   -
deny             |-        -      refused  refused  refused     -         -
END

my @columns = ('no pin', 'same', 'renewed', 'naming', 'not naming', 'reset',
               'CheckOut');

my %expected;
my $what;

for my $line (grep { /\S/ } split /\n/, $table) {
    my ($name, $cells) = split /\s*\|/, $line;

    if ($name !~ /^(?:any|bound|deny)$/) {
        $what = $name;
        next;
    }

    @{$expected{$name}{$what}}{@columns} = split ' ', $cells;
}


sub as {
    my ($d, %o) = @_;

    return bless { %$d, %o }, ref $d;
}

sub shown {
    my ($id) = @_;

    return $t->api('GET', "/v1/enrollments/$id?include_unlock_token=1")->json;
}

sub migrate {
    my ($id) = @_;

    my %topic = (UDID => $id, Topic => 'com.apple.mgmt.External.test');

    $t->api('PUT', '/migration', body => plist({ %topic, %$_ }))->status
        == 200 or die
        for { MessageType => 'Authenticate', SerialNumber => "S$id" },
            { MessageType => 'TokenUpdate', PushMagic => 'm',
              Token => plist_data('t'), UnlockToken => plist_data('unlock') };

    return;
}

# the partition's prefix

sub keys_of {
    my ($id) = @_;

    my ($key) = grep { /:e:\Q$id\E$/ } @{$t->redis('KEYS', 'mdm:*')};

    return $key =~ s/:e:.*//r;
}

# the bootstrap token, "-" or "refused"

sub bootstrap {
    my ($d) = @_;

    my $r = $d->get_bootstrap_token;

    return 'refused' if $r->status == 403;
    return $r->status if $r->status != 200;
    return '-' unless length $r->body;
    return $r->plist->{BootstrapToken} eq 'token' ? 'token' : 'another';
}

sub queue {
    my ($d) = @_;

    my $r = $d->idle;

    return 'refused' if $r->status == 403;
    return $r->status if $r->status != 200;
    return length $r->body ? $d->uuid($r) : '-';
}

my %subject = (cn => 'one of many');
my $cells = 0;

for my $policy (qw(any bound deny)) {
    for my $column (@columns) {
        my $id = "$policy-" . $column =~ s/ /-/r;
        my $name = "$policy, $column";
        my $old = $t->device($id, path => '/any',
                             cert => $t->cert(%subject));
        my %cert = (
            'no pin' => $old->cert,
            'same' => $old->cert,
            'renewed' => $t->cert(%subject),
            'naming' => $t->cert(cn => 'x', serial => "S$id"),
            'not naming' => $t->cert(cn => 'other', serial => "X$id"),
            'reset' => $t->cert(cn => 'other', serial => "X$id"),
            'CheckOut' => $old->cert,
        );
        my $new = as($old, cert => $cert{$column}, path => "/$policy");

        if ($column eq 'no pin') {
            migrate($id);
            $t->redis('HSET', keys_of($id) . ":u:$id", 'bootstrap', 'token',
                      'bootstrap_gen', 0);

        } else {
            $old->authenticate->status == 200 or die;
            $old->token_update(UnlockToken => plist_data('unlock'))->status
                == 200 or die;
            $old->set_bootstrap_token('token')->status == 200 or die;
        }

        $t->enqueue($id, $t->command("$id-1", 'ProfileList'))->status == 200
            or die;

        if ($column eq 'reset') {
            $t->api('DELETE', "/v1/enrollments/$id/certificate")->status
                == 204 or die;
        }

        if ($column eq 'CheckOut') {
            $new->checkout->status == 200 or die;

        } else {
            my $r = $new->authenticate;
            my $refused = $expected{$policy}{queue}{$column} eq 'refused';

            is($r->status, $refused ? 403 : 200, "$name: Authenticate");

            # before its TokenUpdate, too

            is(bootstrap($new), $expected{$policy}{bootstrap}{$column},
               "$name: bootstrap, before TokenUpdate");
            $new->token_update;
        }

        my $e = shown($id);

        is(bootstrap($new), $expected{$policy}{bootstrap}{$column},
           "$name: bootstrap");
        is($e->{unlock_token_withheld} ? 'withheld' : 'token',
           $expected{$policy}{unlock}{$column}, "$name: unlock");
        is($e->{device}{unlock_token}, 'dW5sb2Nr',
           "$name: the administrator has it in any case");
        is(queue($new), $expected{$policy}{queue}{$column}, "$name: queue");
        $cells += 3;

        # who was refused has disturbed nobody

        if ($expected{$policy}{queue}{$column} eq 'refused'
            && $column ne 'no pin' && $column ne 'reset')
        {
            is(bootstrap($old), 'token', "$name: the old one has its token");
            is(queue($old), "$id-1", "$name: and its command");
        }
    }
}

is($cells, 63, 'all cells were tried');


# what was withheld comes back by the device's own word

sub taken_over {
    my ($id) = @_;

    my $old = $t->device($id, path => '/any', cert => $t->cert(%subject));

    $old->authenticate;
    $old->token_update(UnlockToken => plist_data('unlock'));
    $old->set_bootstrap_token('token');

    my $new = as($old, cert => $t->cert(cn => 'other'));

    $new->authenticate->status == 200 or die;
    $new->token_update->status == 200 or die;

    return $new;
}

{
    my $from = $t->log_size;
    my $d = taken_over('BACK-1');
    my $e = shown('BACK-1');

    ok($t->wait_log(qr/the secrets of "BACK-1" are withheld/, from => $from),
       'it is a line in the error log');
    ok($e->{bootstrap_token_withheld} && $e->{has_bootstrap_token},
       'the bootstrap token is there, and marked');
    is(bootstrap($d), '-', 'withheld');
    ok($t->wait_log(qr/the bootstrap token of "BACK-1" is not given out/,
                    from => $from), 'so is its being asked for');

    my $last = (grep { $_->{event} eq 'mdm.Authenticate' } events('BACK-1'))
        [-1];

    ok($last->{data}{withheld}, 'an event says so');

    is($d->authenticate->status, 200, 'the same certificate again');
    $d->token_update;
    is(bootstrap($d), '-', 'it is withheld still');

    $d->set_bootstrap_token('token');
    is(bootstrap($d), 'token', 'a SetBootstrapToken releases that one');
    ok(shown('BACK-1')->{unlock_token_withheld}, 'and not the other');
    $d->token_update(UnlockToken => plist_data('new'));
    ok(!shown('BACK-1')->{unlock_token_withheld},
       'a TokenUpdate with UnlockToken does');

    my $row = $t->api('POST', '/v1/enrollments/query',
        body => '{"filter":{"ids":["BACK-1"]},'
                . '"options":{"include_unlock_token":true}}')
        ->json->{enrollments}[0];

    delete @{$row->{device}}{qw(os_version build model model_name product)};
    is_deeply($row->{device}, { serial_number => 'SBACK-1',
                                unlock_token => 'bmV3' },
              'a query marks nothing');

    $d = taken_over('BACK-2');
    $row = $t->api('POST', '/v1/enrollments/query',
        body => '{"filter":{"ids":["BACK-2"]},'
                . '"options":{"include_unlock_token":true}}')
        ->json->{enrollments}[0];
    ok($row->{device}{unlock_token_withheld}, 'a query marks what is');

    $d->set_bootstrap_token('');
    $d->set_bootstrap_token('mine');
    is($d->get_bootstrap_token->plist->{BootstrapToken}, 'mine',
       'one that it sets anew is its own');
}

# by an administrator

sub events {
    my ($id) = @_;

    my @all;

    for my $entry (@{$t->redis('XRANGE', keys_of($id) . ':events', '-', '+')})
    {
        my %e = @{$entry->[1]};

        $e{data} = JSON::PP->new->utf8->decode($e{data});
        push @all, \%e if grep { $_ eq $id } split /,/, $e{id};
    }

    return @all;
}

{
    my @d = map { taken_over("REL-$_") } 1 .. 5;
    my $r = $t->api('POST', '/v1/enrollments/REL-1,REL-2/secrets/release');

    is($r->status, 204, 'released') or diag($r->body);
    is(bootstrap($_), 'token', 'it has its token') for @d[0, 1];
    is(bootstrap($d[2]), '-', 'another has not');
    ok(!shown('REL-1')->{unlock_token_withheld}, 'both are released');

    my @e = grep { $_->{event} eq 'api.SecretsRelease' } events('REL-1');

    is(scalar @e, 1, 'it is an event');
    ok(exists $e[0]{data}{by} && $e[0]{data}{address} eq '127.0.0.1',
       'with who and where') if @e;

    $t->api('POST', '/v1/enrollments/REL-1/secrets/release');
    is(scalar(grep { $_->{event} eq 'api.SecretsRelease' } events('REL-1')),
       1, 'once more: nothing changed, no event');

    $r = $t->api('POST', '/v1/enrollments/REL-3,NOBODY/secrets/release');
    is($r->status, 207, 'one of them is not enrolled');
    is_deeply($r->json, { status => { NOBODY => 'not enrolled' } },
              'which one');
    is(bootstrap($d[2]), 'token', 'the other is released');

    for my $body ('', '{"filter":{"bad":1}}', '[]', '{"filter":1}') {
        is($t->api('POST', '/v1/enrollments/secrets/release', body => $body)
             ->status, 400, "filter: \"$body\" is refused");
    }

    $r = $t->api('POST', '/v1/enrollments/secrets/release',
                 body => '{"filter":{"serials":["SREL-4","SREL-1"]}}');
    is($r->status, 200, 'with a filter');
    is_deeply($r->json, { released => 1 }, 'one had something withheld');
    is(bootstrap($d[3]), 'token', 'that one has its token');
    is(bootstrap($d[4]), '-', 'the other not');

    $r = $t->api('POST', '/v1/enrollments/secrets/release',
                 body => '{"filter":{"ids":["REL-5","REL-4","NOBODY"]}}');
    is_deeply($r->json, { released => 1 }, 'with a filter by id');
    is(bootstrap($d[4]), 'token', 'it has its token');

    # taken over once more: withheld once more

    my $third = as($d[4], cert => $t->cert(cn => 'third'));

    $third->authenticate;
    $third->token_update;
    is(bootstrap($third), '-', 'another identity: withheld again');
}

# by serial numbers: those and no others, in all partitions, also those that
# the index of serial numbers has lost

{
    my %d = map { $_ => taken_over("SER-$_") } 1 .. 12;
    my @some = (2, 3, 5, 7, 11);
    my %some = map { $_ => 1 } @some;

    is(scalar(keys %{{ map { keys_of("SER-$_") => 1 } keys %d }}) > 3, 1,
       'they are in some partitions');

    for my $body ('{"filter":{"serials":["SSER-99","sser-1","SSER-"]}}',
                  '{"filter":{"serials":["SSER-2"],"ids":["SER-3"]}}',
                  '{"filter":{"serials":["SSER-2"],"enabled":false}}')
    {
        my $r = $t->api('POST', '/v1/enrollments/secrets/release',
                        body => $body);

        is_deeply([ $r->status, $r->json ], [ 200, { released => 0 } ],
                  "$body: nobody") or diag($r->body);
    }

    $t->redis('DEL', 'mdm:{default/serial:SSER-3}');

    my $r = $t->api('POST', '/v1/enrollments/secrets/release',
        body => '{"filter":{"serials":["SSER-99",'
                . join(',', map { "\"SSER-$_\"" } @some, 2) . ']}}');

    is_deeply([ $r->status, $r->json ], [ 200, { released => 5 } ],
              'five of twelve by serial number') or diag($r->body);

    for my $i (sort { $a <=> $b } keys %d) {
        my $e = shown("SER-$i");

        is(bootstrap($d{$i}), $some{$i} ? 'token' : '-',
           "SER-$i: bootstrap");
        is($e->{unlock_token_withheld} ? 'withheld' : 'token',
           $some{$i} ? 'token' : 'withheld', "SER-$i: unlock");
        is(scalar(grep { $_->{event} eq 'api.SecretsRelease' }
                  events("SER-$i")), $some{$i} ? 1 : 0, "SER-$i: event");
    }
}

# mdm_withhold_secrets off

{
    my $old = $t->device('OFF', path => '/off', cert => $t->cert(%subject))
        ->enroll;

    $old->set_bootstrap_token('token');

    my $new = as($old, cert => $t->cert(cn => 'other'));

    $new->authenticate;
    is(bootstrap($new), 'token', 'mdm_withhold_secrets off: given out');
    ok(!shown('OFF')->{bootstrap_token_withheld}, 'and not marked');

    my $d = taken_over('OFF-2');

    is(bootstrap($d), '-', 'on: withheld');
    is(bootstrap(as($d, path => '/off')), 'token', 'off: not any more');
    is(bootstrap(as($d, path => '/off/in')), 'token', 'off: inherited');
    is(bootstrap(as($d, path => '/off/on')), '-', 'on again inside');
}

# who is the same, and who is not

{
    # an empty subject is nobody's in particular; the SAN names somebody else

    my $d = $t->device('EMPTY', path => '/any',
                       cert => $t->cert(cn => '', san => [ [ DNS => 'a' ] ]))
        ->enroll;

    $d->set_bootstrap_token('token');

    my $e = as($d, cert => $t->cert(cn => '', san => [ [ DNS => 'b' ] ]));

    is($e->authenticate->status, 200, 'a certificate without a name');
    is(bootstrap($e), '-', 'is not the same as another without one');

    # one that says a serial number of its own names nobody else

    my $old = $t->device('OWN', path => '/any', cert => $t->cert(%subject))
        ->enroll;

    $old->set_bootstrap_token('token');

    my $thief = as($old, cert => $t->cert(cn => 'x', serial => 'SATT'));

    $thief->{serial} = 'SATT';
    $thief->authenticate->status == 200 or die;
    $thief->token_update;
    is(bootstrap($thief), '-', 'the message\'s own serial number: withheld');
    $thief->authenticate->status == 200 or die;
    is(bootstrap($thief), '-', 'also when it is stored');

    my $next = as($thief, cert => $t->cert(cn => 'y', serial => 'SATT'));

    $next->authenticate->status == 200 or die;
    is(bootstrap($next), '-', 'and for one that names it then');

    # a pin of before subjects were kept: the certificate tells

    $old = $t->device('BEFORE', path => '/any', cert => $t->cert(%subject))
        ->enroll;
    $old->set_bootstrap_token('token');

    my $T = keys_of('BEFORE');

    $t->redis('HDEL', "$T:e:BEFORE", 'csub');
    my $new = as($old, cert => $t->cert(%subject));

    $new->authenticate;
    is(bootstrap($new), 'token', 'no digest of the subject: from what is kept');

    $t->redis('HDEL', "$T:e:BEFORE", 'csub');
    $t->redis('DEL', "$T:crt:BEFORE");
    $new = as($old, cert => $t->cert(%subject));
    $new->authenticate;
    is(bootstrap($new), '-', 'neither: it is another one');
}


# bound at a first pin, and after a reset

sub fresh {
    my ($id, %o) = @_;

    my $path = delete $o{path} // '/bound';

    return $t->device($id, path => $path,
                      (exists $o{sn} ? (serial => delete $o{sn}) : ()),
                      cert => $t->cert(cn => 'x', %o));
}

sub serials {
    my ($serial) = @_;

    return [ sort @{$t->redis('SMEMBERS', "mdm:{default/serial:$serial}")} ];
}

{
    is(fresh('F-1')->authenticate->status, 403,
       'bound, first: it names nothing');
    is_deeply(serials('SF-1'), [], 'and left no trace');
    is(fresh('F-2', cn => 'F-2')->authenticate->status, 200,
       'bound, first: the UDID');
    is_deeply(serials('SF-2'), [ 'F-2' ], 'its serial number is indexed');
    is(fresh('F-3', serial => 'SF-3')->authenticate->status, 200,
       'bound, first: the message\'s serial number');
    is(fresh('F-4', serial => 'SF-3', sn => 'SF-3')->authenticate->status,
       403, 'bound, first: another enrollment has that');
    is(fresh('F-4', serial => 'sf-3', sn => 'sf-3')->authenticate->status,
       403, 'bound, first: in other letters, too');
    is(fresh('F-4', serial => 'SF-4', sn => 'SF-3')->authenticate->status,
       403, 'bound, first: its own in the certificate, another in the message');
    is(fresh('F-5', path => '/any', sn => 'SF-5')->authenticate->status, 200,
       'any: who has SF-5');
    is(fresh('F-6', serial => 'SF-5', sn => 'SF-5')->authenticate->status,
       403, 'bound, first: also one of an enrollment that came by any');
    is(fresh('F-6', cn => 'F-6', serial => 'SF-5', sn => 'SF-5')
         ->authenticate->status, 200, 'the UDID is enough in any case');
    is_deeply(serials('SF-5'), [ 'F-5', 'F-6' ], 'both are indexed');

    # a stale entry counts for nothing

    $t->redis('SADD', 'mdm:{default/serial:SF-7}', 'GONE', 'F-2');
    is(fresh('F-7', serial => 'SF-7')->authenticate->status, 200,
       'bound, first: those that had the number have it no more');

    # the number changes

    my $d = fresh('F-8', path => '/any', sn => 'OLD');

    $d->authenticate;
    is_deeply(serials('OLD'), [ 'F-8' ], 'the first number');
    $d->authenticate(SerialNumber => 'NEW');
    is_deeply([ serials('OLD'), serials('NEW') ], [ [], [ 'F-8' ] ],
              'another one: the index follows');

    migrate('F-9');
    is_deeply(serials('SF-9'), [ 'F-9' ], 'migrated ones are indexed');
    is(fresh('F-10', serial => 'SF-9', sn => 'SF-9')->authenticate->status,
       403, 'and have their number');

    # too many that might have it

    $t->redis('SADD', 'mdm:{default/serial:SF-11}', map { "M-$_" } 1 .. 40);
    is(fresh('F-11', serial => 'SF-11')->authenticate->status, 403,
       'bound, first: too many came with this number');

    # after a reset: what is stored counts, not what the message says

    my $r = fresh('F-12', cn => 'F-12')->enroll;

    $t->api('DELETE', '/v1/enrollments/F-12/certificate')->status == 204
        or die;
    is(fresh('F-12', serial => 'MINE', sn => 'MINE')->authenticate->status,
       403, 'bound, after a reset: the message\'s serial number');
    is(fresh('F-12', serial => 'SF-12')->authenticate->status, 200,
       'bound, after a reset: the stored one');

    # User Enrollment

    my $ue = $t->device('E-1', user_enrollment => 1, path => '/bound',
                        cert => $t->cert(cn => 'x'));

    is($ue->authenticate->status, 200,
       'bound, first: an EnrollmentID is the device\'s own');
    is(as($ue, cert => $t->cert(cn => 'x'))->authenticate->status, 403,
       'bound: another certificate must name it');
    $t->api('DELETE', '/v1/enrollments/E-1/certificate')->status == 204
        or die;
    is(as($ue, cert => $t->cert(cn => 'x'))->authenticate->status, 403,
       'bound, after a reset: also the first one');
    is(as($ue, cert => $t->cert(cn => 'E-1'))->authenticate->status, 200,
       'bound, after a reset: one that names it');

    # deny: the first, and after a reset

    is(fresh('F-20', path => '/deny')->authenticate->status, 200,
       'deny, first: any valid one');
    is(fresh('F-20', cn => 'F-20', path => '/deny')->authenticate->status,
       403, 'deny: no other');
}

# two new ids with one serial number at once: it goes to one of them

{
    my @d = map { fresh("TWIN-$_", serial => 'STWIN', sn => 'STWIN') }
            1 .. 6;
    my @c = map { $t->client(cert => $_->cert)->connect } @d;

    for my $i (0 .. $#d) {
        $c[$i]->send_request('PUT', '/bound',
            headers => [ 'Content-Type' => MDM::Device::CHECKIN ],
            body => plist({ MessageType => 'Authenticate',
                            UDID => $d[$i]->id, SerialNumber => 'STWIN',
                            Topic => 'com.apple.mgmt.External.test' }));
    }

    my @status = map { $_->read_response->status } @c;

    is(scalar(grep { $_ == 200 } @status), 1,
       'six ids with one serial number at once: one is enrolled')
        or diag("@status");
    is(scalar(grep { $_ != 200 && $_ != 403 && $_ != 503 } @status), 0,
       'the others are refused, or told to try again') or diag("@status");

    my @again = map { $status[$_] == 503 ? $d[$_]->authenticate->status : () }
                0 .. $#d;

    is(scalar(grep { $_ != 403 } @again), 0, 'those are refused then')
        or diag("@again");
}

unlike($t->access_log, qr/" 401 /, 'no device has seen 401');

finish;
