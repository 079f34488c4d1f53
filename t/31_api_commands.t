#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Commands by the admin API: bytes that are kept, JSON, the schema, limits,
# the queue and its pages, what became of one, shared bodies, the audit.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Util 'write_file';


my $t = MDM->new(
    vars => { QUEUE => 3 },
    locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /strict/ { mdm_api on; mdm_validate strict; }
        location /off/ { mdm_api on; mdm_validate off; }
        location /full/ { mdm_api on; mdm_queue_limit %%QUEUE%%; }
        location /spool/ { mdm_api on; client_body_buffer_size 1k; }
        location /admin/ {
            mdm_api on;
            auth_basic "MDM";
            auth_basic_user_file %%PREFIX%%/htpasswd;
        }
END

write_file($t->dir . '/htpasswd', "alice:{PLAIN}secret\n"
           . "o\"br\xc3\xafen\\:{PLAIN}secret\n");
$t->start;

my $json_pp = JSON::PP->new->utf8->canonical->allow_nonref;


sub call {
    my ($method, $path, %o) = @_;

    return $t->request($method, $path, plain => 1, %o);
}


sub put { my ($id, $body, %o) = @_;
          my $api = delete $o{api} // '/api';
          my $args = delete $o{args} // '';
          return call(PUT => "$api/v1/enqueue/$id$args", body => $body, %o) }

sub put_json { my ($id, $body, %o) = @_;
               return put($id, ref $body ? $json_pp->encode($body) : $body,
                          headers => [ 'Content-Type' => 'application/json' ],
                          %o) }

sub lock_plist { return plist($t->command($_[0], 'DeviceLock')) }

sub queue { my ($id, $args) = @_;
            return call(GET => "/api/v1/queue/$id?"
                        . ($args // 'limit=1000'))->json->{commands} }

sub uuids { return [ map { $_->{command_uuid} } @{queue(@_)} ] }
sub clear { return call(DELETE => "/api/v1/queue/$_[0]")->status }
sub state_of { my ($id, $uuid) = @_;
               return call(GET => "/api/v1/queue/$id/$uuid") }


my $d = $t->device('DEV-1')->enroll;


# bytes: what is enqueued is what the queue shows and the device gets

my $xml = lock_plist('bytes-xml');
my %bytes = (
    'XML' => lock_plist('B'),
    'odd XML' => "\xef\xbb\xbf<?xml version='1.0'?>\r\n<!-- c -->\r\n"
        . "<plist version='1.0'>\r\n<dict><key>CommandUUID</key>"
        . "<string>B</string>\t<key>Command</key><dict>"
        . "<key>RequestType</key><string>DeviceLock</string>"
        . "<key>Message</key><string>&#233; &lt;b&gt; &amp; "
        . "<![CDATA[<x>]]></string></dict></dict></plist>\r\n\r\n",
    'no declaration' => '<plist><dict><key>Command</key><dict>'
        . '<key>RequestType</key><string>DeviceLock</string></dict>'
        . '<key>CommandUUID</key><string>B</string></dict></plist>',
    'binary' => plist_binary($t->command('B', 'DeviceLock',
                                         Message => 'x' x 100)),
    'a megabyte' => plist($t->command('B', 'InstallProfile',
        Payload => plist_data(join '', map { chr } 0 .. 255),
        Comment => 'x' x 1_000_000)),
);

for my $what (sort keys %bytes) {
    my $body = $bytes{$what} =~ s/>B</>bytes</r;
    my %how = $what eq 'a megabyte' ? (chunked => 30000, api => '/spool')
                                    : ();

    $body = $bytes{$what} if $what eq 'binary';

    my $uuid = $what eq 'binary' ? 'B' : 'bytes';
    my $r = put('DEV-1', $body, %how, args => '?validate=0',
                headers => [ 'Content-Type' => 'application/xml' ]);

    is($r->status, 200, "$what: enqueued") or diag($r->body);
    is($r->json->{command_uuid}, $uuid, "$what: its CommandUUID");
    like(call(GET => '/api/v1/queue/DEV-1')->body,
         qr/^\{"commands":\[\{[^{]*,"command":"
            \Q@{[ encode_base64($body, '') ]}\E"\}\]\}$/x,
         "$what: the queue shows its bytes");
    $r = $d->idle;
    ok($r->body eq $body, "$what: the device gets its bytes");
    is($r->header('Content-Length'), length $body, "$what: all of them");
    is($d->report('Acknowledged', $uuid)->body, '', "$what: done");

    # so that the next one may have the same CommandUUID

    $t->redis('EVAL', q{
        for _, k in ipairs(redis.call('KEYS', 'mdm:{default/*}:done:*')) do
            redis.call('DEL', k)
        end}, 0);
}

# a command without a CommandUUID gets one

{
    my $r = put('DEV-1', plist({ Command => { RequestType => 'DeviceLock',
                                              PIN => '123456' } }));
    my $uuid = $r->json->{command_uuid};

    like($uuid, qr/^[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}$/,
         'no CommandUUID: one is made');
    is_deeply($d->idle->plist, { CommandUUID => $uuid,
              Command => { RequestType => 'DeviceLock', PIN => '123456' } },
              'no CommandUUID: the device gets it');
    isnt(put('DEV-1', plist({ Command => { RequestType => 'DeviceLock' } }))
           ->json->{command_uuid}, $uuid, 'no CommandUUID: another each time');
    clear('DEV-1');
}


# JSON

for my $form (
    [ 'bare', { RequestType => 'DeviceLock', CommandUUID => 'json',
                PIN => '123456', Message => "\x{e9} <&>" } ],
    [ 'full', { CommandUUID => 'json', Command => {
                RequestType => 'DeviceLock', PIN => '123456',
                Message => "\x{e9} <&>" } } ],
) {
    my ($what, $body) = @$form;
    my $r = put_json('DEV-1', $body);

    is($r->body, '{"no_push":true,"command_uuid":"json",'
       . '"request_type":"DeviceLock"}', "JSON: $what");
    is_deeply(plist_read(decode_base64(queue('DEV-1')->[0]{command})),
              { CommandUUID => 'json', Command => {
                RequestType => 'DeviceLock', PIN => '123456',
                Message => "\xc3\xa9 <&>" } }, "JSON: $what: as a plist");
    clear('DEV-1');
}

{
    my $payload = encode_base64(join('', map { chr } 0 .. 255), '');
    my $r = put_json('DEV-1', qq({"RequestType":"InstallProfile",
        "Payload":"$payload","Made":{"\$date":"2026-01-07T04:04:46Z"},
        "Blob":{"\$data":"AAEC"},"Deep":{"a":[1,-2,2.5,true,false,"x",
        {"b":[]},{}]},"Big":9223372036854775807}),
        headers => [ 'Content-Type' => 'application/json; charset=utf-8' ]);
    my $uuid = $r->json->{command_uuid};

    is($r->status, 200, 'JSON: all types');
    like($uuid, qr/^[0-9A-F]{8}-/, 'JSON: a CommandUUID is made');

    my ($profile, @unknown) = @{$r->json->{warnings}};

    like($profile, qr/^Command\.Payload: profile expected: /,
         'JSON: bytes that are no profile');
    is_deeply(\@unknown, [ map { "Command.$_: unknown key" }
              qw(Made Blob Deep Big) ], 'JSON: warnings of the schema');

    my $c = $d->idle->plist;

    is_deeply($c, { CommandUUID => $uuid, Command => {
        RequestType => 'InstallProfile',
        Payload => plist_data(join '', map { chr } 0 .. 255),
        Made => plist_date('2026-01-07T04:04:46Z'),
        Blob => plist_data("\0\1\2"),
        Deep => { a => [ 1, -2, plist_real("$c->{Command}{Deep}{a}[2]"),
                         \1, \0, 'x', { b => [] }, {} ] },
        Big => plist_int('9223372036854775807') } },
        'JSON: data, date, nested, as the device gets it');
    is("$c->{Command}{Deep}{a}[2]" + 0, 2.5, 'JSON: a real');
    clear('DEV-1');

    # a date where the schema has one

    $r = put_json('DEV-1', { RequestType => 'ScheduleOSUpdate',
                             CommandUUID => 'json-date', Updates => [ {
                             InstallAction => 'Default',
                             ProductVersion => '18.1' } ] });
    is($r->body, '{"no_push":true,"command_uuid":"json-date",'
       . '"request_type":"ScheduleOSUpdate"}', 'JSON: an array of objects');
    clear('DEV-1');
}

for my $bad (
    [ 'x', qr/^JSON: line 1, column / ],
    [ '[]', qr/^JSON: object expected/ ],
    [ '{"RequestType":"DeviceLock","RequestType":"x"}', qr/^JSON: .*dupl/ ],
    [ '{"PIN":"1"}', qr/^Command\.RequestType: required key is missing/ ],
    [ '{"RequestType":"DeviceLock","PIN":null}',
      qr/^Command\.PIN: null is not allowed/ ],
    [ '{"Command":{"RequestType":"DeviceLock","a":{"b":[1,null]}}}',
      qr/^Command\.a\.b\[1\]: null is not allowed/ ],
    [ '{"RequestType":"InstallProfile","Payload":"no base64!"}',
      qr/^Command\.Payload: / ],
    [ '{"RequestType":"DeviceLock","x":{"$date":"yesterday"}}',
      qr/^Command\.x: / ],
    [ '{"RequestType":"DeviceLock","a":' . '[' x 40 . ']' x 40 . '}',
      qr/nested too deep/ ],
    [ "{\"RequestType\":\"DeviceLock\",\"a\":\"\\u0001\"}",
      qr/^Command\.a: / ],
) {
    my ($body, $why) = @$bad;
    my $r = put_json('DEV-1', $body);

    is($r->status, 400, 'JSON: refused: ' . substr $body, 0, 60);
    like($r->json->{command_error}, $why, 'JSON: says where');
}

is_deeply(uuids('DEV-1'), [], 'JSON: nothing of that is queued');


# the schema

for my $case (
    # what, command, in warn, in strict
    [ 'all is right', { RequestType => 'DeviceLock', PIN => '123456' },
      undef, undef ],
    [ 'an unknown command', { RequestType => 'NoSuch' },
      'Command.RequestType: unknown command "NoSuch"', 'same' ],
    [ 'an unknown key', { RequestType => 'DeviceLock', Sound => 'x' },
      'Command.Sound: unknown key', 'same' ],
    [ 'a missing key', { RequestType => 'DeviceInformation' },
      'Command.Queries: required key is missing', 'same' ],
    [ 'a PIN of letters', { RequestType => 'DeviceLock', PIN => 'abcdef' },
      'Command.PIN: 6 digits expected', 'same' ],
    [ 'an app from nowhere', { RequestType => 'InstallApplication' },
      'Command: one of iTunesStoreID, Identifier, ManifestURL expected',
      'same' ],
    [ 'flags of the App Store', { RequestType => 'InstallApplication',
          iTunesStoreID => 361309726, ManagementFlags => 0 }, undef, undef ],
    [ 'an integer out of a list', { RequestType => 'InstallApplication',
          iTunesStoreID => 1, Options => { PurchaseMethod => 4 } },
      'Command.Options.PurchaseMethod: 4 is not an allowed value', 'same' ],
    [ 'another device', { RequestType => 'EnableLostMode', Message => 'x' },
      'Command: not on macOS', 'same' ],
    [ 'a wrong type', { RequestType => 'DeviceLock', PIN => 123456 },
      400, 'Command.PIN: string expected, integer found' ],
    [ 'a wrong type in an array', { RequestType => 'DeviceInformation',
                                    Queries => [ 'UDID', 1 ] },
      400, 'Command.Queries[1]: string expected, integer found' ],
) {
    my ($what, $command, $warn, $strict) = @$case;
    my $body = plist({ CommandUUID => 'schema', Command => $command });
    my $r = put('DEV-1', $body);
    my $type = $command->{RequestType};

    my %ok = (no_push => JSON::PP::true, command_uuid => 'schema',
              request_type => $type);

    if ($warn && $warn eq '400') {
        is($r->status, 400, "warn: $what: 400");
        is_deeply($r->json, { no_push => JSON::PP::true,
                              command_error => $strict },
                  "warn: $what: where it is");
        is_deeply(uuids('DEV-1'), [], "warn: $what: is not queued");

    } else {
        is($r->status, 200, "warn: $what: 200");
        is_deeply($r->json, { %ok, ($warn ? (warnings => [ $warn ]) : ()) },
                  "warn: $what: what it says");
        clear('DEV-1');
    }

    $r = put('DEV-1', $body, api => '/strict');

    if ($strict) {
        is($r->status, 400, "strict: $what: 400");
        is($r->json->{command_error}, $strict eq 'same' ? $warn : $strict,
           "strict: $what: where it is");
        is_deeply(uuids('DEV-1'), [], "strict: $what: is not queued");

    } else {
        is($r->status, 200, "strict: $what: 200");
        clear('DEV-1');
    }

    for my $how ([ '/strict', '?validate=0' ], [ '/api', '?validate=false' ],
                 [ '/off', '' ])
    {
        $r = put('DEV-1', $body, api => $how->[0], args => $how->[1]);
        is($r->status, 200, "$how->[0]$how->[1]: $what: 200");
        is_deeply($r->json, \%ok, "$how->[0]$how->[1]: $what: no word of it");
        clear('DEV-1');
    }
}

# what the facts of its one device say: supervision, version, channel

{
    my $p = $t->device('PHONE');
    my %phone = (ProductName => 'iPhone12,1', OSVersion => '16.1');

    is($p->authenticate(%phone)->status, 200, 'facts: a telephone');
    is($p->token_update->status, 200, 'facts: enrols');

    for my $case ([ 'a Mac\'s', { RequestType => 'SetRecoveryLock',
                                  NewPassword => 'x' },
                    'Command: not on iOS' ],
                  [ 'a later one\'s', { RequestType => 'InstallApplication',
                                        Identifier => 'a.b', Attributes => {
                      RelayUUID => '1B4E28BA-2FA1-11D2-883F-0016D3CCA427' } },
                    'Command.Attributes.RelayUUID: needs iOS 17.0, the device '
                    . 'has 16.1' ])
    {
        my ($what, $command, $text) = @$case;
        my $body = plist({ CommandUUID => 'facts', Command => $command });

        is_deeply(put('PHONE', $body)->json->{warnings}, [ $text ],
                  "facts: $what");
        clear('PHONE');
        is(put('PHONE', $body, api => '/strict')->json->{command_error},
           $text, "facts: $what: strict");
        is_deeply(put('PHONE,DEV-1', $body)->json->{warnings}, undef,
                  "facts: $what: not where there are two");
        clear('PHONE');
        clear('DEV-1');
    }

    my $u = $d->user('U')->enroll;

    is_deeply(put($u->id, lock_plist('user'))->json->{warnings},
              [ 'Command: not on the user channel' ], 'facts: a user');
    clear($u->id);
    is(put('NOBODY', lock_plist('none'))->json->{warnings}, undef,
       'facts: nobody');
}

is(put('DEV-1', plist({ CommandUUID => 'x', Extra => 1,
       Command => { RequestType => 'DeviceLock' } }))->json->{warnings}[0],
   'Extra: unknown key beside Command', 'warn: a key beside Command');
clear('DEV-1');


# mdm_queue_limit

$t->device("FULL-$_")->enroll for 1 .. 2;

is(put('FULL-1', lock_plist("f-$_"), api => '/full')->status, 200,
   "limit: command $_") for 1 .. 3;

{
    my $r = put('FULL-1,FULL-2', lock_plist('f-4'), api => '/full');

    is($r->status, 207, 'limit: one queue is full');
    is($r->body, '{"status":{"FULL-1":{"command_error":"the queue is full"}},'
       . '"no_push":true,"command_uuid":"f-4","request_type":"DeviceLock"}',
       'limit: it says so, the other one got it');
    is(put('FULL-1', lock_plist('f-4'), api => '/full')->status, 500,
       'limit: 500 where it is the only one');
    is(put('FULL-1', lock_plist('f-2'), api => '/full')->status, 200,
       'limit: what is queued already is no more');
    is_deeply(uuids('FULL-1'), [ 'f-1', 'f-2', 'f-3' ],
              'limit: the queue is as it was');
    is(call(DELETE => '/api/v1/queue/FULL-1/f-2')->status, 204,
       'limit: one less');
    is(put('FULL-1', lock_plist('f-4'), api => '/full')->status, 200,
       'limit: there is room again');
    is(put('FULL-1', lock_plist('f-5'))->status, 200,
       'limit: another location has its own');
    is_deeply(uuids('FULL-1'), [ 'f-1', 'f-3', 'f-4', 'f-5' ],
              'limit: in order');
}


# a CommandUUID stands for one command

{
    my $other = plist($t->command('f-1', 'RestartDevice'));
    my $r = put('FULL-1', $other);

    is($r->status, 500, 'UUID: other bytes under the same one');
    is($r->json->{status}{'FULL-1'}{command_error},
       'CommandUUID is already used by another command', 'UUID: says so');
    is(queue('FULL-1')->[0]{request_type}, 'DeviceLock',
       'UUID: the first one stays');
}

# a call that is repeated later than the answer

{
    my $full = $t->device('AGAIN')->enroll;

    put('AGAIN', lock_plist('again'));
    is_deeply([ $full->drain ], [ 'again' ], 'repeated: carried out');
    is(put('AGAIN', lock_plist('again'))->status, 200, 'repeated: 200');
    is_deeply(uuids('AGAIN'), [], 'repeated: not queued again');
    is_deeply([ $full->drain ], [], 'repeated: nor carried out again');
}

# a disabled channel keeps what is queued until it is enabled

{
    my $off = $t->device('OFF')->enroll;

    $off->checkout;
    is(put('OFF', lock_plist('off-1'))->status, 200, 'disabled: queued');
    is($off->idle->body, '', 'disabled: not given out');
    $off->token_update;
    is($off->uuid($off->idle), 'off-1', 'disabled: until it is enabled');
}


# the queue page by page while it moves

{
    my $m = $t->device('MOVE')->enroll;
    my @all = map { sprintf 'm-%02d', $_ } 1 .. 30;
    my $next;

    put('MOVE', lock_plist($_)) for @all;

    my $page = sub {
        my ($cursor, $args) = @_;
        my $body = call(GET => '/api/v1/queue/MOVE?' . ($args // 'limit=10')
                        . ($cursor ? "&cursor=$cursor" : ''))->body;

        ($next) = $body =~ /,"next_cursor":"([A-Za-z0-9_-]+)"\}$/;

        return [ $body =~ /"command_uuid":"([^"]+)"/g ];
    };

    is_deeply($page->(), [ @all[0 .. 9] ], 'pages: the first');

    my $first = $next;

    is_deeply($page->($first), [ @all[10 .. 19] ], 'pages: the second');
    is_deeply($page->($next), [ @all[20 .. 29] ], 'pages: the third');
    is($next, undef, 'pages: no more');
    is_deeply($page->(undef, 'offset=25'), [ @all[25 .. 29] ],
              'pages: offset');
    is_deeply($page->(undef, 'offset=28&limit=1'), [ $all[28] ],
              'pages: offset and limit');
    ok(defined $next, 'pages: and there is more');
    is_deeply($page->(undef, 'offset=30'), [], 'pages: offset at the end');

    # the head is answered, another one comes

    my $r = $m->idle;

    $r = $m->report('Acknowledged', $m->uuid($r)) for 1 .. 5;
    put('MOVE', lock_plist('m-31'));
    push @all, 'm-31';
    is_deeply($page->($first), [ @all[10 .. 19] ],
              'pages: go on where they were after the head has gone');

    # the entry that was next has gone, and the last one shown

    call(DELETE => "/api/v1/queue/MOVE/m-$_") for 11, 10;
    is_deeply($page->($first), [ @all[11 .. 20] ],
              'pages: go on behind what is left of the page before');

    # all that the cursor knows

    call(DELETE => "/api/v1/queue/MOVE/m-0$_") for 6 .. 9;
    is_deeply([ @{$page->($first)}, @{$page->($next)} ], [ @all[11 .. 30] ],
              'pages: begin anew, nothing is left out');
    is($next, undef, 'pages: no more');

    for my $args ('limit=0', 'limit=1001', 'limit=x', 'offset=-1',
                  'offset=1000001', 'cursor=x', 'cursor=!!!!', 'cursor=YQ',
                  'cursor=LA', 'cursor=%zz')
    {
        my $r = call(GET => "/api/v1/queue/MOVE?$args");

        is($r->status, 400, "pages: ?$args: 400");
        like($r->json->{error}, qr/./, "pages: ?$args: says why");
    }

    clear('MOVE');
    put('MOVE', plist($t->command("big-$_", 'DeviceLock',
        Comment => 'x' x 1_100_000)), args => '?validate=0') for 1 .. 6;
    is_deeply($page->(), [ map { "big-$_" } 1 .. 4 ],
              'pages: one ends after 4 MB');
    is_deeply($page->($next), [ 'big-5', 'big-6' ], 'pages: and goes on');
    clear('MOVE');
}


# what became of a command

{
    my $s = $t->device('STATE')->enroll;
    my $time = qr/"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"/;
    my %report = map { $_ => { %{$s->{ids}}, CommandUUID => "s-$_",
                               Status => $_ } }
        qw(Acknowledged Error CommandFormatError);

    put('STATE', lock_plist("s-$_"))
        for qw(Acknowledged Error CommandFormatError NotNow);

    like(state_of('STATE', 's-Error')->body, qr/^\{"command_uuid":"s-Error",
         "request_type":"DeviceLock","state":"pending","queued":$time\}$/x,
         'state: pending');

    $s->report('NotNow', 's-NotNow') for 1 .. 2;
    like(state_of('STATE', 's-NotNow')->body, qr/^\{"command_uuid":
         "s-NotNow","request_type":"DeviceLock","state":"not_now",
         "queued":$time,"not_now":\{"first":$time,"tally":2\}\}$/x,
         'state: not_now');
    is(queue('STATE')->[3]{not_now}{tally}, 2,
       'state: not_now in the queue');

    for my $status (qw(Acknowledged Error CommandFormatError)) {
        my $message = plist($report{$status});
        my $name = { Acknowledged => 'acknowledged', Error => 'error',
                     CommandFormatError => 'command_format_error' }->{$status};

        is($s->send(MDM::Device::CONNECT, $message)->status, 200,
           "state: $status");
        like(state_of('STATE', "s-$status")->body, qr/^\{"command_uuid":
             "s-$status","request_type":"DeviceLock","state":"$name",
             "finished":$time,"status":"$status","was_queued":true,
             "result":"\Q@{[ encode_base64($message, '') ]}\E"\}$/x,
             "state: $name");

        my $r = call(GET => "/api/v1/queue/STATE/s-$status?format=plist");

        is($r->body, $message, "state: $name: the result as it is");
        is($r->header('Content-Type'), 'application/x-plist',
           "state: $name: its type");
    }

    # a result of many bytes, of a command that was never queued

    my $large = plist({ %{$s->{ids}}, Status => 'Acknowledged',
        CommandUUID => 'never/queued, 1%', List => [ map { "Line $_" }
                                                  1 .. 5000 ] });

    is($s->send(MDM::Device::CONNECT, $large)->status, 200,
       'state: a large result');

    my $path = 'never%2Fqueued%2C%201%25';
    my $state = state_of('STATE', $path)->json;

    ok(decode_base64(delete $state->{result}) eq $large,
       'state: comes back as it was');
    is_deeply([ @$state{qw(command_uuid state was_queued)} ],
              [ 'never/queued, 1%', 'acknowledged', JSON::PP::false ],
              'state: it was not queued');
    ok(!exists $state->{request_type}, 'state: what is unknown is left out');
    ok(call(GET => "/api/v1/queue/STATE/$path?format=plist")->body eq $large,
       'state: and as a plist');

    my ($key) = @{$t->redis('KEYS', 'mdm:*:r:STATE:never*')};

    cmp_ok(length $t->redis('HGET', $key, 'body'), '<', length($large) / 4,
           'state: in Redis it is small');
    $t->redis('DEL', $key);
    like(state_of('STATE', $path)->body, qr/^\{"command_uuid":
         "never\\?\/queued,\ 1%","state":"finished","finished":$time\}$/x,
         'state: finished, the result is gone');

    for my $none ([ '/api/v1/queue/STATE/none', 'this enrollment has no '
                    . 'such command' ],
                  [ '/api/v1/queue/NOPE/s-Error', 'not enrolled' ],
                  [ '/api/v1/queue/STATE/s-NotNow?format=plist',
                    'there is no result' ],
                  [ "/api/v1/queue/STATE/$path?format=plist",
                    'there is no result' ])
    {
        my $r = call(GET => $none->[0]);

        is($r->status, 404, "state: $none->[0]: 404");
        is($r->body, qq({"error":"$none->[1]"}), 'state: says so');
    }

    is(call(GET => '/api/v1/queue/STATE/s-Error?format=xml')->body,
       '{"error":"the argument \"format\" is neither json nor plist"}',
       'state: another format');
    is(state_of('STATE', 'x' x 256)->status, 400, 'state: a long UUID');

    # taken back

    is(call(DELETE => '/api/v1/queue/STATE/s-NotNow')->status, 204,
       'taken back');

    my $r = call(DELETE => '/api/v1/queue/STATE/s-NotNow');

    is($r->status, 404, 'taken back: not twice');
    is($r->body, '{"error":"the command is not in the queue"}', 'says so');
    is(call(DELETE => '/api/v1/queue/NOPE/x')->body,
       '{"error":"not enrolled"}', 'taken back: of nobody');
    is($s->report('Acknowledged', 's-NotNow')->status, 200,
       'taken back: the device answers it yet');
    is(state_of('STATE', 's-NotNow')->json->{was_queued}, JSON::PP::false,
       'taken back: its answer is kept');
    is_deeply(uuids('STATE'), [], 'taken back: the queue is empty');
}


# a body that many have goes away with the last of them (trap 5)

{
    my $s = $t->device('SHARE')->enroll;
    my @users = map { $s->user("U$_")->enroll } 1 .. 4;
    my $ids = join ',', 'SHARE', map { $_->id } @users;
    my $bodies = sub { scalar @{$t->redis('KEYS', 'mdm:*:c:share*')} };
    my $refs = sub {
        my ($key) = @{$t->redis('KEYS', 'mdm:*:c:share')};

        return $key ? $t->redis('HGET', $key, 'refs') : 'gone';
    };

    put($ids, lock_plist('share'));
    is($bodies->(), 1, 'shared: one body');
    is($refs->(), 5, 'shared: by five');
    put($ids, lock_plist('share'));
    is($refs->(), 5, 'shared: the same call counts nothing');

    $s->idle;
    $s->report('Acknowledged', 'share');
    is($refs->(), 4, 'shared: one has answered');
    $s->report('Acknowledged', 'share');
    is($refs->(), 4, 'shared: twice is once');

    $users[0]->report('NotNow', 'share');
    is($refs->(), 4, 'shared: NotNow keeps it');
    call(DELETE => '/api/v1/queue/SHARE:U1/share') for 1 .. 2;
    is($refs->(), 3, 'shared: taken back');
    clear('SHARE:U2') for 1 .. 2;
    is($refs->(), 2, 'shared: a queue cleared');
    is($users[2]->report('Error', 'share')->status, 200, 'shared: an error');
    is($refs->(), 1, 'shared: one is left');
    is($users[3]->uuid($users[3]->idle), 'share', 'shared: who still gets it');
    $users[3]->report('CommandFormatError', 'share');
    is($refs->(), 'gone', 'shared: the last one takes it away');
    is($bodies->(), 0, 'shared: nothing is left');

    # Authenticate clears the device's queue and those of its users

    put($ids, lock_plist("share-$_")) for 1 .. 3;
    is($bodies->(), 3, 'shared: three bodies');
    $s->authenticate(OSVersion => '15.2');
    is($bodies->(), 0, 'shared: Authenticate takes them away');
}


# audit events

{
    my $a = $t->device('AUDIT')->enroll;
    my ($key) = @{$t->redis('KEYS', 'mdm:*:e:AUDIT')};
    my $stream = $key =~ s/:e:AUDIT$/:events/r;
    my $last = '-';
    my $events = sub {
        my @new;

        for my $entry (@{$t->redis('XRANGE', $stream, $last, '+')}) {
            my %e = @{$entry->[1]};

            $last = "($entry->[0]";
            next unless $e{event} =~ /^api\./;

            my $data = $json_pp->decode($e{data});

            push @new, [ $e{event}, $e{id}, $data ];
        }

        return \@new;
    };
    my $basic = sub { return [ Authorization => 'Basic '
                               . encode_base64($_[0], '') ] };
    my %who = (by => 'alice', address => '127.0.0.1');
    my %as = (api => '/admin', headers => $basic->('alice:secret'));

    $events->();

    is(put('AUDIT', lock_plist('a-1'), api => '/admin')->status, 401,
       'audit: the location asks for a password');
    is(put('AUDIT', lock_plist('a-1'), api => '/admin',
           headers => $basic->('alice:wrong'))->status, 401,
       'audit: the right one');
    is_deeply($events->(), [], 'audit: who was refused did nothing');

    is(put('AUDIT,NOPE,AUDIT:U', lock_plist('a-1'), %as)->status, 207,
       'audit: enqueue');
    is_deeply($events->(), [ [ 'api.Enqueue', 'AUDIT', { %who,
        command_uuid => 'a-1', request_type => 'DeviceLock',
        failed => 1 } ] ], 'audit: api.Enqueue');
    put('AUDIT', lock_plist('a-1'), %as);
    put('NOPE', lock_plist('a-9'), %as);
    is_deeply($events->(), [], 'audit: what changed nothing is no event');

    put('AUDIT', lock_plist('a-2'), %as);
    $events->();
    call(DELETE => '/admin/v1/queue/AUDIT/a-2', headers => $as{headers})
        for 1 .. 2;
    is_deeply($events->(), [ [ 'api.CommandDelete', 'AUDIT',
              { %who, command_uuid => 'a-2' } ] ],
              'audit: api.CommandDelete');
    call(DELETE => '/admin/v1/queue/AUDIT', headers => $as{headers})
        for 1 .. 2;
    is_deeply($events->(), [ [ 'api.QueueClear', 'AUDIT',
              { %who, removed => 1 } ] ], 'audit: api.QueueClear');
    call(PUT => '/admin/migration', headers => $as{headers}, body => plist({
        MessageType => 'TokenUpdate', UDID => 'AUDIT', UserID => 'V',
        Topic => 'com.apple.mgmt.x', PushMagic => 'm',
        Token => plist_data('t') }));
    is_deeply($events->(), [], 'audit: a migration that is kept back');
    call(DELETE => '/admin/v1/enrollments/AUDIT/certificate',
         headers => $as{headers}) for 1 .. 2;
    is_deeply($events->(), [ [ 'api.PinReset', 'AUDIT',
              { %who, cert => $a->cert->{sha256} } ] ],
              'audit: api.PinReset');

    $a->enroll;
    $events->();

    # who

    put('AUDIT', lock_plist('w-1'), api => '/admin',
        headers => $basic->("o\"br\xc3\xafen\\:secret"));
    is($events->()->[0][2]{by}, "o\"br\x{ef}en\\", 'audit: an odd name');

    my $boss = $t->cert(cn => 'boss', org => 'Example');

    $t->request(PUT => '/api/v1/enqueue/AUDIT', cert => $boss,
                body => lock_plist('w-2'));
    like($events->()->[0][2]{by},
         qr/^(?=.*\bCN=boss\b)(?=.*\bO=Example\b)/,
         'audit: the subject of a certificate');

    $t->request(PUT => '/api/v1/enqueue/AUDIT', cert => $boss,
                body => lock_plist('w-3'),
                headers => $basic->('alice:wrong'));
    like($events->()->[0][2]{by}, qr/CN=boss/,
         'audit: a name in a header does not hide the certificate');

    put('AUDIT', lock_plist('w-4'));
    is_deeply($events->()->[0][2], { by => '', address => '127.0.0.1',
              command_uuid => 'w-4', request_type => 'DeviceLock' },
              'audit: nobody');

    put('AUDIT', lock_plist('w-5'), api => '/admin',
        headers => $basic->("\xff\xfe:x"));
    is_deeply($events->(), [], 'audit: a name of broken UTF-8 is refused');
    put('AUDIT', lock_plist('w-6'), headers => $basic->("\xff\xfe:x"));
    is($events->()->[0][2]{by}, '%FF%FE',
       'audit: where nobody asks it cannot break the event');
}

finish;
