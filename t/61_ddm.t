#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Declarative management as a device sees it: one token everywhere, the
# manifest that was handed out, one command for many changes, variables,
# subscriptions; and what an enrollment is given over the API.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha1_hex);
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new(workers => 2, api_path => '/api', locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /strict/ { mdm_api on; mdm_validate strict; }
END

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

use constant EMPTY => sha1_hex('');


sub call {
    my ($method, $path, %o) = @_;
    my $api = delete $o{api} // '/api';

    $o{body} = $json->encode($o{body}) if ref $o{body};

    return $t->request($method, "$api/v1/$path", plain => 1, %o);
}


sub status {
    my ($want, $name, @call) = @_;

    my $r = call(@call);

    is($r->status, $want, "$name: $want") or diag($r->body);

    return $r;
}


# what the body says

sub got { return $json->decode(status(@_)->body) }
sub get { return $json->decode(call(GET => @_)->body) }


sub declaration {
    my ($id, $type, $payload) = @_;

    return { Identifier => $id, Type => "com.apple.$type",
             Payload => $payload };
}


sub put_declaration {
    my ($args, @declaration) = @_;

    my $r = call(PUT => "declarations$args",
                 body => declaration(@declaration));

    $r->status == 204 || $r->status == 200
        or fail("PUT $declaration[0]: " . $r->status . ' ' . $r->body);

    return;
}


sub settle {
    wait_for(10, sub {
        my $r = get('ddm/rollout');

        return $r->{state} eq 'done' && $r->{rolled_out} == $r->{rev};
    }) or fail('the rollout ends');

    return;
}


# what a device asks

sub endpoint { my ($d, $endpoint) = @_;
               return $d->message('DeclarativeManagement',
                                  Endpoint => $endpoint) }

sub answer {
    my ($d, $endpoint) = @_;

    my $r = endpoint($d, $endpoint);

    is($r->status, 200, "$endpoint: 200") or return {};
    is($r->header('Content-Type'), 'application/json', "$endpoint: JSON");

    return $json->decode($r->body);
}


sub token { return answer($_[0], 'tokens')->{SyncTokens}{DeclarationsToken} }

sub items { my $items = answer($_[0], 'declaration-items');
            return { map { my $array = $_;
                           map { ("$array $_->{Identifier}"
                                  => $_->{ServerToken}) }
                           @{$items->{Declarations}{$array}} }
                     keys %{$items->{Declarations}} } }


# the TokensResponse in a command

sub data_of { my ($command) = @_;
              return $json->decode($command->{Data}{data}) }


# Idle, then Acknowledged: the commands, as Perl data

sub told {
    my ($d) = @_;

    my @commands;
    my $r = $d->idle;

    while ($r->status == 200 && length $r->body) {
        my $command = plist_read($r->body);

        push @commands, $command->{Command};
        $r = $d->report('Acknowledged', $command->{CommandUUID});
    }

    return @commands;
}


sub told_once {
    my ($d, $name) = @_;

    my @commands = told($d);

    is(scalar @commands, 1, "$name: one command") or return {};
    is($commands[0]{RequestType}, 'DeclarativeManagement', "$name: of DDM");

    return data_of($commands[0]);
}


sub quiet { my ($d, $name) = @_;
            is(scalar(my @none = told($d)), 0, "$name: no command") }


# nothing assigned

my $d = $t->device('DEV-1')->enroll;

quiet($d, 'a new device');
is(token($d), EMPTY, 'no declarations: the token of the empty list');
is_deeply(answer($d, 'declaration-items'),
          { Declarations => { Activations => [], Assets => [],
                              Configurations => [], Management => [] },
            DeclarationsToken => EMPTY }, 'no declarations: four arrays');

for my $bad ('', 'Tokens', 'declaration', 'declaration/', 'declaration/asset',
             'declaration/asset/', 'declaration/assets/x',
             'declaration/com.apple.asset.data/x', 'status/x')
{
    is(endpoint($d, $bad)->status, 400, "Endpoint \"$bad\": 400");
}

is(endpoint($d, 'declaration/asset/x')->status, 404, 'not assigned: 404');


# one token in all three places

put_declaration('', 'conf/1 x', 'configuration.management.test',
                { Echo => 'a "b" ${none}' });
put_declaration('', 'act', 'activation.simple',
                { StandardConfigurations => [ 'conf/1 x' ] });

for my $id ('act', 'conf%2F1%20x') {
    status(204, "set-declarations $id",
           PUT => "set-declarations/base?declaration=$id");
}

status(204, 'enrollment-sets', PUT => 'enrollment-sets/DEV-1?set=base');
status(304, 'the same', PUT => 'enrollment-sets/DEV-1?set=base');
is_deeply(get('enrollment-sets/DEV-1'), [ 'base' ], 'GET enrollment-sets');
settle();

my $items = answer($d, 'declaration-items');
my $tokens = answer($d, 'tokens');
my $data = told_once($d, 'assigned');

is_deeply($data, $tokens, 'Data is what "tokens" says');
is($items->{DeclarationsToken}, $tokens->{SyncTokens}{DeclarationsToken},
   'declaration-items have the same token');
like($tokens->{SyncTokens}{Timestamp},
     qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'Timestamp: seconds, UTC');
quiet($d, 'acknowledged');

my $conf = answer($d, 'declaration/configuration/conf/1 x');

is_deeply($conf, { Type => 'com.apple.configuration.management.test',
                   Identifier => 'conf/1 x', Payload =>
                       { Echo => 'a "b" ' },
                   ServerToken => items($d)->{'Configurations conf/1 x'} },
          'a declaration, its identifier holds "/"; an undefined variable');
is_deeply(answer($d, 'declaration/configuration/conf%2F1%20x'), $conf,
          'the same, percent-encoded');
is(endpoint($d, 'declaration/asset/act')->status, 404, 'another kind: 404');

my $shown = get('enrollment-declarations/DEV-1');

is_deeply([ @$shown{qw(Declarations DeclarationsToken)} ],
          [ @$items{qw(Declarations DeclarationsToken)} ],
          'the API shows the same');
is($shown->{Timestamp}, $tokens->{SyncTokens}{Timestamp}, 'and its time');
status(404, 'of one that is not enrolled',
       GET => 'enrollment-declarations/NOBODY');


# the snapshot: what was handed out can be had while all changes

my $old = items($d);

put_declaration('', 'conf/1 x', 'configuration.management.test',
                { Echo => 'new' });
settle();

my $body = answer($d, 'declaration/configuration/conf/1 x');

is($body->{ServerToken}, $old->{'Configurations conf/1 x'},
   'snapshot: the ServerToken that was listed');
is($body->{Payload}{Echo}, 'a "b" ', 'snapshot: the text that was listed');

status(204, 'taken out', DELETE => 'set-declarations/base?declaration=act');
settle();
is(answer($d, 'declaration/activation/act')->{ServerToken},
   $old->{'Activations act'}, 'snapshot: taken out, but listed');
status(204, 'deleted', DELETE => 'declarations/act');
is(answer($d, 'declaration/activation/act')->{ServerToken},
   $old->{'Activations act'}, 'snapshot: deleted, but listed');

my $new = items($d);

is_deeply([ keys %$new ], [ 'Configurations conf/1 x' ], 'the next manifest');
is(endpoint($d, 'declaration/activation/act')->status, 404,
   'after the next manifest: 404');
is(answer($d, 'declaration/configuration/conf/1 x')->{Payload}{Echo}, 'new',
   'after the next manifest: the new text');

is(told_once($d, 'three changes')->{SyncTokens}{DeclarationsToken},
   token($d), 'the token of the moment of delivery');


# ten changes, one command; after its delivery another one

for my $n (1 .. 10) {
    put_declaration('', 'conf/1 x', 'configuration.management.test',
                    { Echo => "ten $n" });
    settle() if $n % 3 == 0;
}

settle();

{
    my $r = $d->idle;
    my $command = plist_read($r->body);

    is(data_of($command->{Command})->{SyncTokens}{DeclarationsToken},
       token($d), 'ten changes: the last');
    is_deeply([ map { $_->{request_type} }
                @{get('queue/DEV-1')->{commands}} ],
              [ 'DeclarativeManagement' ], 'ten changes: one command');

    status(204, 'a direct change', PUT => 'enrollment-variables/DEV-1',
           body => { unused => 'x' });
    is(scalar @{get('queue/DEV-1')->{commands}}, 1,
       'what changes nothing for it is not told');

    put_declaration('', 'conf/1 x', 'configuration.management.test',
                    { Echo => 'after delivery' });
    settle();
    is(scalar @{get('queue/DEV-1')->{commands}}, 2,
       'a change after the delivery: another command');

    # NotNow: it will be sent again, with the token of then

    $d->report('NotNow', $command->{CommandUUID});
    told($d);
    quiet($d, 'drained');
}

put_declaration('?nonotify=1', 'conf/1 x', 'configuration.management.test',
                { Echo => 'quiet' });
settle();
quiet($d, 'nonotify of a declaration');
status(204, 'nonotify', DELETE => 'enrollment-sets/DEV-1?set=base&nonotify=1');
quiet($d, 'nonotify of a set');
is(token($d), EMPTY, 'but it counts');
status(304, 'again', DELETE => 'enrollment-sets/DEV-1?set=base');
status(204, 'back', PUT => 'enrollment-sets/DEV-1?set=base&nonotify=1');

{
    put_declaration('', 'conf/1 x', 'configuration.management.test',
                    { Echo => 'not now' });
    settle();

    my $uuid = $d->uuid($d->idle);

    $d->report('NotNow', $uuid);
    put_declaration('', 'conf/1 x', 'configuration.management.test',
                    { Echo => 'later' });
    settle();

    is_deeply([ map { $_->{command_uuid} } @{get('queue/DEV-1')->{commands}} ],
              [ $uuid ], 'refused by NotNow: it waits, one is enough');
    is(told_once($d, 'after NotNow')->{SyncTokens}{DeclarationsToken},
       token($d), 'with the token of then');
}


# a fresh start: one command after the TokenUpdate

{
    my $time = answer($d, 'tokens')->{SyncTokens}{Timestamp};
    my $token = token($d);

    $d->authenticate;
    is(token($d), EMPTY, 'Authenticate: nothing');
    $d->token_update;
    is(told_once($d, 'enrolled again')->{SyncTokens}{DeclarationsToken},
       $token, 'enrolled again: the same token');
    cmp_ok(answer($d, 'tokens')->{SyncTokens}{Timestamp}, 'gt', $time,
           'the time has not run backwards');
    $d->token_update;
    quiet($d, 'another TokenUpdate');

    $d->checkout;
    is(token($d), EMPTY, 'CheckOut: nothing');
    $d->enroll;
    told_once($d, 'enrolled after CheckOut');
}

status(204, 'before it enrolls', PUT => 'enrollment-sets/DEV-2?set=base');
is_deeply(get('enrollment-sets/DEV-2'), [ 'base' ], 'it is kept');

my $e = $t->device('DEV-2');

$e->authenticate(SerialNumber => 'S2', Model => 'Mac15,3', OSVersion => '14.1');
$e->token_update;

# its partition had no declarations yet: a job brings them, at once

ok(wait_for(5, sub { @{get('queue/DEV-2')->{commands}} }), 'a command comes');
told_once($e, 'assigned before it enrolled');
is(token($e), token($d), 'the same sets, the same token');


# variables

put_declaration('', 'vars', 'configuration.management.test',
    { Echo => '${serial}|${site}|$${site}|${enrollment_id}|${device_id}' });
status(204, 'vars', PUT => 'set-declarations/vars?declaration=vars');

for my $id ('DEV-1', 'DEV-2') {
    status(204, "vars of $id", PUT => "enrollment-sets/$id?set=vars");
}

settle();
told($_) for $d, $e;

status(204, 'a variable', PUT => 'enrollment-variables/DEV-2',
       body => { site => "n\"o\nrth", other => 'x' });
status(304, 'the same variable', PUT => 'enrollment-variables/DEV-2',
       body => { site => "n\"o\nrth" });
told_once($e, 'a variable that is used');
quiet($d, 'another enrollment');

{
    my ($one, $two) = (items($d), items($e));

    is($one->{'Configurations conf/1 x'}, $two->{'Configurations conf/1 x'},
       'without variables: the same ServerToken');
    isnt($one->{'Configurations vars'}, $two->{'Configurations vars'},
         'with variables: its own');

    my $vars = answer($e, 'declaration/configuration/vars');

    is($vars->{Payload}{Echo}, "S2|n\"o\nrth|\${site}|DEV-2|DEV-2",
       'filled in, escaped');
    is($vars->{ServerToken}, $two->{'Configurations vars'},
       'the ServerToken that was listed');

    status(204, 'another value', PUT =>
           'enrollment-variables/DEV-2?variable=site&value=south');
    is(answer($e, 'declaration/configuration/vars')->{Payload}{Echo},
       "S2|n\"o\nrth|\${site}|DEV-2|DEV-2", 'the snapshot has the old value');

    my $three = items($e);

    is($three->{'Configurations conf/1 x'},
       $two->{'Configurations conf/1 x'}, 'the other one is as it was');
    isnt($three->{'Configurations vars'}, $two->{'Configurations vars'},
         'the one with it is not');
    is(answer($e, 'declaration/configuration/vars')->{Payload}{Echo},
       'S2|south|${site}|DEV-2|DEV-2', 'the next one has the new value');
}

is_deeply(get('enrollment-variables/DEV-2'), { other => 'x', site => 'south' },
          'GET variables');
status(204, 'null', PUT => 'enrollment-variables/DEV-2',
       body => { site => undef });
is_deeply(get('enrollment-variables/DEV-2'), { other => 'x' }, 'it is gone');
status(204, 'DELETE all', DELETE => 'enrollment-variables/DEV-2');
status(304, 'DELETE all, again', DELETE => 'enrollment-variables/DEV-2');

for my $bad ([ 'no JSON' => '{' ], [ 'an array' => [] ],
             [ 'a number' => { a => 1 } ], [ 'a name' => { 'a b' => 'x' } ],
             [ 'a long name' => { 'a' x 65 => 'x' } ],
             [ 'a long value' => { a => 'x' x 1025 } ])
{
    status(400, "variables: $bad->[0]", PUT => 'enrollment-variables/DEV-2',
           body => $bad->[1]);
}

status(409, '65 variables', PUT => 'enrollment-variables/DEV-2',
       body => { map { ("v$_" => 1 . '') } 1 .. 65 });
is_deeply(get('enrollment-variables/DEV-2'), {}, 'none was kept');


# tags and filters

status(204, 'a tag', PUT => 'enrollment-tags/DEV-2?tag=lab%201');
is_deeply(get('enrollment-tags/DEV-2'), [ 'lab 1' ], 'GET tags');
put_declaration('', 'org', 'management.organization-info', { Name => 'x' });
status(204, 'org', PUT => 'set-declarations/org?declaration=org');
told($e);
status(204, 'a filter', PUT => 'set-filters/org', body => { tag => [ 'lab*' ],
       model => [ 'Mac*' ], type => [ 'Device' ] });
settle();
told_once($e, 'a filter that fits');
ok(exists items($e)->{'Management org'}, 'a filter that fits');
ok(!exists items($d)->{'Management org'}, 'and one that does not');
status(204, 'without the tag', DELETE => 'enrollment-tags/DEV-2?tag=lab%201');
told_once($e, 'a filter that does not fit any more');
ok(!exists items($e)->{'Management org'}, 'it is gone');
status(204, 'the tag', PUT => 'enrollment-tags/DEV-2?tag=lab%201&nonotify=1');
status(204, 'no filter', DELETE => 'set-filters/org');
settle();
told_once($e, 'a set that was left by its filter');

for my $path (qw(enrollment-sets enrollment-tags)) {
    status(400, "$path: no argument", PUT => "$path/DEV-1");
    status(400, "$path: no argument", DELETE => "$path/DEV-1");
}

is_deeply(get('enrollment-tags/NOBODY'), [], 'nothing given: an empty array');
status(409, 'sets', PUT => "enrollment-sets/MANY?set=$_")
    for grep { call(PUT => "enrollment-sets/MANY?set=$_")->status != 204 }
        1 .. 101;
is(scalar @{get('enrollment-sets/MANY')}, 100, '100 sets');
status(204, 'all', DELETE => 'enrollment-sets-all/MANY');
status(304, 'all again', DELETE => 'enrollment-sets-all/sets/MANY');


# a user channel

my $u = $e->user('U1', short => 'joe', long => 'Joe');

status(204, 'a user', PUT => 'enrollment-sets/DEV-2:U1?set=vars');
$u->enroll;
told_once($u, 'a user channel');
is(answer($u, 'declaration/configuration/vars')->{Payload}{Echo},
   'S2||${site}|DEV-2:U1|DEV-2', 'serial and device of its device');
is(endpoint($u, 'declaration/configuration/conf/1 x')->status, 404,
   'what its device has is not its own');
is(endpoint($e->user('U2'), 'tokens')->status, 200, 'an unknown user');
{
    my $thief = $t->device('DEV-2');

    is(endpoint($thief, $_)->status, 403, "$_: another certificate")
        for 'tokens', 'declaration-items', 'declaration/asset/x';
}
$e->enroll;
told($e);
is(token($u), EMPTY, 'the Authenticate of the device: nothing');
$u->token_update;
told_once($u, 'the user again');


# subscriptions

status(204, 'of an enrollment', PUT => 'status-subscriptions/DEV-1',
       body => [ 'device.model.family', 'device.operating-system.version',
                 'device.model.family' ]);
is_deeply(get('status-subscriptions/DEV-1'),
          [ 'device.model.family', 'device.operating-system.version' ],
          'sorted, each once');
told($d);

{
    my $have = items($d);
    my $c = answer($d, 'declaration/configuration/ngx_mdm.status-'
                       . 'subscriptions');
    my $a = answer($d, 'declaration/activation/ngx_mdm.status-'
                       . 'subscriptions.activation');

    is_deeply($c->{Payload}, { StatusItems =>
        [ { Name => 'device.model.family' },
          { Name => 'device.operating-system.version' } ] }, 'the items');
    is($c->{Type}, 'com.apple.configuration.management.status-subscriptions',
       'their type');
    is_deeply($a->{Payload}, { StandardConfigurations =>
        [ 'ngx_mdm.status-subscriptions' ] }, 'their activation');
    is($c->{ServerToken},
       $have->{'Configurations ngx_mdm.status-subscriptions'},
       'the ServerToken that was listed');
}

status(204, 'of a set', PUT => 'status-subscriptions/base',
       body => { StatusItems => [ { Name => 'passcode.is-compliant' } ] });
settle();
is_deeply(get('enrollment-declarations/DEV-1')->{StatusItems},
          [ 'device.model.family', 'device.operating-system.version',
            'passcode.is-compliant' ], 'the union of both');
is_deeply(get('status-subscriptions/base'), [ 'passcode.is-compliant' ],
          'GET of a set');
status(200, 'an unknown item', PUT => 'status-subscriptions/DEV-1',
       body => [ 'next.year' ]);
status(400, 'an unknown item, strict', PUT => 'status-subscriptions/DEV-1',
       api => '/strict', body => [ 'next.year.2' ]);

# per system: DEV-1 is a Mac with 15.1

is_deeply(got(200, 'items that a Mac lacks', PUT =>
              'status-subscriptions/DEV-1',
              body => [ 'content-cache.info', 'app.managed.list',
                        'device.model.family' ]),
          { warnings => [
              'status item "app.managed.list" needs macOS 26.0, '
            . 'this is 15.1',
              'status item "content-cache.info" needs macOS 27.0, this is '
              . '15.1' ] }, 'what is wrong with them');
is_deeply(get('status-subscriptions/DEV-1'),
          [ 'app.managed.list', 'content-cache.info', 'device.model.family' ],
          'they are subscribed to all the same');
status(400, 'refused where it is strict', PUT =>
       'status-subscriptions/DEV-1?kind=enrollment', api => '/strict',
       body => [ 'app.managed.list' ]);
status(204, 'unless it is told not to look', PUT =>
       'status-subscriptions/DEV-1?validate=0', api => '/strict',
       body => [ 'app.managed.list' ]);
status(204, 'a set is for any system', PUT => 'status-subscriptions/systems',
       body => [ 'app.managed.list' ]);
is_deeply(got(200, 'a set for some systems', PUT =>
              'status-subscriptions/systems?os=iPadOS:17.1,tvOS',
              body => [ 'app.managed.list', 'device.model.family' ]),
          { warnings => [
              'status item "app.managed.list" needs iOS 17.2, this is 17.1',
              'status item "app.managed.list" is not on tvOS' ] },
          'what is wrong on which');
status(304, 'for others', PUT => 'status-subscriptions/systems?os=iOS:17.2',
       body => [ 'app.managed.list', 'device.model.family' ]);
status(400, 'a system that is none', PUT =>
       'status-subscriptions/systems?os=Windows', body => []);
status(204, 'no more', DELETE => 'status-subscriptions/systems');

status(400, 'no list', PUT => 'status-subscriptions/DEV-1', body => { a => 1 });
status(204, 'DELETE', DELETE => 'status-subscriptions/DEV-1');
status(304, 'DELETE again', DELETE => 'status-subscriptions/DEV-1');
is_deeply(get('status-subscriptions/DEV-1'), [], 'none');
status(204, 'a set of that name', PUT =>
       'status-subscriptions/DEV-1?kind=set', body => [ 'test.string-value' ]);
status(409, 'both', GET => 'status-subscriptions/DEV-1');
is_deeply(get('status-subscriptions/DEV-1?kind=set'), [ 'test.string-value' ],
          'kind=set');
is_deeply(get('status-subscriptions/DEV-1?kind=enrollment'), [],
          'kind=enrollment');
status(400, 'kind', GET => 'status-subscriptions/DEV-1?kind=x');


# a body that is lost is our trouble: the device keeps what it has

{
    put_declaration('', 'lost', 'configuration.management.test',
                    { Echo => 'lost' });
    status(204, 'lost', PUT => 'set-declarations/base?declaration=lost');
    settle();
    items($d);
    $t->redis('DEL', 'mdm:{default/ddm}:d:lost');
    is(endpoint($d, 'declaration/configuration/lost')->status, 503,
       'a body that is gone: 503');
    like($t->log, qr/the declaration "lost" is not in redis/, 'a line');
}


# what is left behind: manifests with nobody go, references are right

{
    my %refs;
    my @keys = @{$t->redis('KEYS', 'mdm:{default/*}:*')};

    for (grep { /:e:/ } @keys) {
        my ($tag) = /^(.*?\}):/;
        my $token = $t->redis('HGET', $_, 'dt');

        $refs{"$tag:dm:$token"}++ if defined $token;
    }

    my (@wrong, $old);

    for (grep { /:dm:/ } @keys) {
        my $n = $t->redis('HGET', $_, 'refs');
        my $ttl = $t->redis('TTL', $_);

        push @wrong, $_ if $n != ($refs{$_} // 0)
                           || ($n == 0) != ($ttl >= 0);
        delete $refs{$_};
        $old++ if $n == 0;
    }

    is_deeply(\@wrong, [], 'references are right');
    is_deeply(\%refs, {}, 'each channel has its manifest');
    ok($old, 'old ones are left to expire');
}

finish;
