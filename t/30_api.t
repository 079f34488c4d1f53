#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The admin API: paths, codes and shapes of every call, many ids, queries,
# migration, pins, and what docs/openapi.yaml says of them.  Commands are
# looked at more closely in 31_api_commands.t.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64;
use Test::More;

use MDM;
use MDM::OpenAPI;
use MDM::Util 'read_file';


my $spec = MDM::OpenAPI->new;

my $t = MDM->new(
    watch => $spec->watch,
    server => 'large_client_header_buffers 4 256k;',
    locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /deny { mdm_checkin on; mdm_connect on; mdm_reenroll deny; }
        location /bound { mdm_checkin on; mdm_connect on; mdm_reenroll bound; }

        location /api/ { mdm_api on; }
        location /fleet/ { mdm_api on; mdm_tenant fleet; }
        location /few/ { mdm_api on; mdm_api_ids 5; }
        location /tight/ { mdm_api on; mdm_api_body 1k; }
        location ~ ^/t/[a-z]+/ { mdm_api on; }
        location /old/ { rewrite ^/old/(.*)$ /api/v1/$1 last; }
        location / { mdm_api on; }

        location /split/ { mdm_api on; }
        location /split/v1/enqueue/ { deny all; }
END

my ($true, $false) = (JSON::PP::true, JSON::PP::false);


# plain HTTP: the API does not look at TLS

sub call {
    my ($method, $path, %o) = @_;

    return $t->request($method, $path, plain => 1, %o);
}


# an answer that must be just so, to the byte where "want" is text

sub answer {
    my ($r, $status, $want, $name) = @_;

    is($r->status, $status, "$name: $status");

    if (!defined $want) {
        is($r->body, '', "$name: no body");
        is($r->header('Content-Type'), undef, "$name: no Content-Type");

        return $r;
    }

    is($r->header('Content-Type'), 'application/json', "$name: JSON");
    is($r->header('Content-Length'), length $r->body, "$name: its length");

    if (ref $want eq 'Regexp') {
        like($r->body, $want, "$name: the body");

    } elsif (ref $want) {
        is_deeply(eval { $r->json }, $want, "$name: the body")
            or diag($r->body);

    } else {
        is($r->body, $want, "$name: the body");
    }

    return $r;
}


sub refused {
    my ($r, $status, $error, $name) = @_;

    return answer($r, $status, ref $error ? qr/^\{"error":".*$error.*"\}$/
                                          : qq({"error":"$error"}), $name);
}


sub command { my ($uuid, %keys) = @_;
              return plist($t->command($uuid, 'DeviceLock', %keys)) }

sub queue { my ($id, $api) = @_;
            my $r = call(GET => ($api // '/api') . "/v1/queue/$id?limit=1000");
            return $r->status == 200
                ? [ map { $_->{command_uuid} } @{$r->json->{commands}} ]
                : $r->status }

sub enrollment { return call(GET => "/api/v1/enrollments/$_[0]")->json }


# methods, paths

answer(call(GET => '/api/version'), 200, '{"version":"0.1.0"}', 'version');
answer(call(GET => '/version'), 200, '{"version":"0.1.0"}', 'in the root');
answer(call(GET => '/t/a/version'), 200, '{"version":"0.1.0"}',
       'under a regular expression');

{
    my $r = call(HEAD => '/api/version');

    is($r->status, 200, 'HEAD: 200');
    is($r->body, '', 'HEAD: no body');
    is($r->header('Content-Length'), 19, 'HEAD: the length that GET has');
}

for my $call (
    [ '/version', 'GET' ], [ '/migration', 'PUT' ],
    [ '/v1/enqueue/A', 'POST, PUT' ], [ '/v1/enqueue/A,B', 'POST, PUT' ],
    [ '/v1/queue/A', 'GET, DELETE' ], [ '/v1/queue/A/B', 'GET, DELETE' ],
    [ '/v1/enrollments/A', 'GET, DELETE' ],
    [ '/v1/enrollments/A/certificate', 'DELETE' ],
    [ '/v1/enrollments/A/block', 'POST, DELETE' ],
    [ '/v1/enrollments/A/enrollment', 'PUT' ],
    [ '/v1/push/A', 'GET, POST' ], [ '/v1/pushcert', 'GET, PUT, DELETE' ],
    [ '/v1/escrowkeyunlock', 'POST' ],
) {
    my ($path, $allow) = @$call;

    for my $method (qw(GET POST PUT DELETE PATCH OPTIONS)) {
        next if $allow =~ /\b$method\b/;

        my $r = call($method => "/api$path", body => 'x');

        is($r->status . ' ' . ($r->header('Allow') // ''), "405 $allow",
           "$method $path: 405, Allow: $allow");
        is($r->body, '{"error":"the method is not allowed here"}',
           "$method $path: says so");
    }
}

# GET of this path is one enrollment, whose id is "query"

is(call(PUT => '/api/v1/enrollments/query')->header('Allow'),
   'GET, POST, DELETE', 'PUT /v1/enrollments/query: Allow');

for my $call (
    [ POST => '/v1/escrowkeyunlock', 'serial=1' ],
) {
    my ($method, $path, $body) = @$call;

    answer(call($method => "/api$path", body => $body), 501,
           '{"error":"not available in this version"}',
           "$method $path");
}

for my $path ('', 'v1', 'v1/', 'v1/x', 'v1/queue', 'v1/queue/',
              'v1/queue//A', 'v1/queue/A/', 'v1/queue/A/B/C', 'v1/enqueue/',
              'v1/enrollments/', 'v1/enrollments/A/x', 'version/', 'versions',
              'migration/x', 'v2/queue/A', 'x/v1/queue/A', 'V1/queue/A')
{
    my $r = call(GET => "/api/$path");

    # "//" is one "/" to nginx

    if ($path eq 'v1/queue//A') {
        refused($r, 404, 'not enrolled', "GET /$path");
        next;
    }

    refused($r, 404, 'there is no such API call', "GET /$path");
}

is(call(GET => '/mdm/v1/queue/A')->status, 405,
   'no API where a location does not say so');


# the path must not lead past another location's access control

{
    my $d = $t->device('SPLIT')->enroll;
    my $body = command('split-1');

    is(call(PUT => '/split/v1/enqueue/SPLIT', body => $body)->status, 403,
       'a closed location is closed');

    for my $path ('/split/v1/enqueue/SPLIT,x%2f..%2f..%2fqueue%2fy',
                  '/split/v1/enqueue/SPLIT,x/../../queue/y',
                  '/split/v1/enqueue/SPLIT,x%2f%2e%2e/%2e%2e/queue/y',
                  '/split/x/v1/enqueue/SPLIT', '/split/%2e/v1/enqueue/SPLIT',
                  '/split//v1/enqueue/SPLIT', '/split/v1/%65nqueue/SPLIT',
                  '/split/v1/queue/../enqueue/SPLIT')
    {
        like(call(PUT => $path, body => $body)->status, qr/^40[345]$/,
             "PUT $path: refused");
    }

    is_deeply(queue('SPLIT'), [], 'nothing was queued by these');
}


# ids

my $d1 = $t->device('DEV-1', serial => 'C02ONE')->enroll;
my $d2 = $t->device('DEV-2', serial => 'C02TWO')->enroll;
my $u1 = $d1->user('USER-1', short => 'joe', long => 'Joe User')->enroll;

# an id with all that has to be encoded; it comes by /migration, as any
# device could bring it

my $odd = "a b,c/d%e?f#g:h\"i\\j\xc3\xa9&k=l+m";
my $odd_path = $odd =~ s/([^A-Za-z0-9:+])/sprintf '%%%02X', ord $1/ger;

sub migrate {
    my ($type, $ids, %keys) = @_;

    my $api = delete $keys{api} // '/api';

    return call(PUT => "$api/migration", body => plist({
        MessageType => $type, Topic => 'com.apple.mgmt.External.test',
        %$ids,
        ($type eq 'TokenUpdate' ? (PushMagic => 'old-magic',
                                   Token => plist_data("\x02" x 32)) : ()),
        %keys }));
}

is(migrate('Authenticate', { UDID => $odd =~ s/:.*//r })->status, 200,
   'migration: an odd id');
is(migrate('TokenUpdate', { UDID => $odd =~ s/:.*//r,
                            UserID => $odd =~ s/^[^:]*://r })->status, 200,
   'migration: an odd user');

my $odd_chars = do { my $s = $odd; utf8::decode($s); $s };

answer(call(PUT => "/api/v1/enqueue/$odd_path,DEV-1?nopush=1",
            body => command('odd-1')), 200,
       '{"no_push":true,"command_uuid":"odd-1","request_type":"DeviceLock"}',
       'an id that is encoded');
is_deeply(queue($odd_path), [ 'odd-1' ], 'and the queue of it');
is(enrollment($odd_path)->{id}, $odd_chars, 'and it comes back decoded');
is_deeply(queue("%44EV%2D1"), [ 'odd-1' ], 'what need not be encoded may be');
answer(call(DELETE => "/api/v1/queue/$odd_path,DEV-1"), 204, undef,
       'both are emptied');

# a rewrite changes the path that nginx has decoded already

is(call(PUT => '/old/enqueue/DEV-1', body => command('old-1'))->status, 200,
   'a path that was rewritten');
is_deeply(queue('DEV-1'), [ 'old-1' ], 'leads where it was rewritten to');
call(DELETE => '/api/v1/queue/DEV-1');


# API result: shapes and codes (trap 4)

my $result = '"no_push":true,"command_uuid":"%s","request_type":"DeviceLock"}';

for my $method (qw(PUT POST)) {
    answer(call($method => '/api/v1/enqueue/DEV-1,DEV-2,DEV-1:USER-1',
                body => command("many-$method")), 200,
           '{' . sprintf($result, "many-$method"), "$method to three");
}

is_deeply(queue($_), [ 'many-PUT', 'many-POST' ], "both are queued to $_")
    for 'DEV-1', 'DEV-2', 'DEV-1:USER-1';

answer(call(PUT => '/api/v1/enqueue/DEV-1,NOPE,DEV-2,DEV-1:NOPE',
            body => command('some')), 207,
       '{"status":{"NOPE":{"command_error":"not enrolled"},'
       . '"DEV-1:NOPE":{"command_error":"not enrolled"}},'
       . sprintf($result, 'some'), 'some are not enrolled');
is_deeply(queue($_), [ 'many-PUT', 'many-POST', 'some' ],
          "the others got it: $_") for 'DEV-1', 'DEV-2';

answer(call(PUT => '/api/v1/enqueue/NOPE,NADA', body => command('none')), 500,
       '{"status":{"NOPE":{"command_error":"not enrolled"},'
       . '"NADA":{"command_error":"not enrolled"}},'
       . sprintf($result, 'none'), 'none is enrolled');

# what is no id fails alone, too

{
    my $r = call(PUT => '/api/v1/enqueue/,DEV-1,:x,y:,' . 'z' x 512,
                 body => command('bad-ids'));
    my $status = $r->json->{status};

    is($r->status, 207, 'ids that are none: 207');
    is_deeply([ sort keys %$status ], [ sort '', ':x', 'y:', 'z' x 512 ],
              'each has its error');
    like($_->{command_error}, qr/^not an enrollment id: /, 'which says so')
        for values %$status;
    is(queue('DEV-1')->[-1], 'bad-ids', 'the good one got it');
}

# the same again, in one call and in a second one: never queued twice

call(DELETE => '/api/v1/queue/DEV-1,DEV-2,DEV-1:USER-1');
answer(call(PUT => '/api/v1/enqueue/DEV-1,DEV-2,DEV-1,%44EV-1,DEV-2',
            body => command('twice')), 200, '{' . sprintf($result, 'twice'),
       'an id that is named often');
answer(call(PUT => '/api/v1/enqueue/DEV-2,DEV-1', body => command('twice')),
       200, '{"already":["DEV-2","DEV-1"],' . sprintf($result, 'twice'),
       'and the call once more');
is_deeply(queue($_), [ 'twice' ], "queued once: $_") for 'DEV-1', 'DEV-2';

answer(call(PUT => '/api/v1/enqueue/NOPE,DEV-1,NOPE', body =>
            command('twice')), 207,
       '{"status":{"NOPE":{"command_error":"not enrolled"}},'
       . '"already":["DEV-1"],' . sprintf($result, 'twice'),
       'an error is told once');

# mdm_api_ids

refused(call(PUT => '/few/v1/enqueue/A,B,C,D,E,F', body => command('few')),
        400, '6 ids in one call: at most 5 are allowed', 'too many ids');
is(call(PUT => '/few/v1/enqueue/DEV-1,B,C,D,E', body => command('few'))
       ->status, 207, 'as many as are allowed');
refused(call(DELETE => '/few/v1/queue/A,B,C,D,E,F'), 400,
        '6 ids in one call: at most 5 are allowed', 'too many to clear');
refused(call(POST => '/few/v1/enrollments/query',
             body => '{"filter":{"ids":["1","2","3","4","5","6"]}}'),
        400, 'filter.ids: at most 5 are allowed', 'too many in a query');

# mdm_api_body: 413 in JSON, whether the length is told or not

{
    my $json = '{"filter":{}}';
    my $fits = $json . ' ' x (1024 - length $json);
    my $error = qr/the body is larger than .*mdm_api_body.* allows, 1024 bytes/;

    is(call(POST => '/tight/v1/enrollments/query', body => $fits)->status,
       200, 'mdm_api_body: exactly as much');
    refused(call(POST => '/tight/v1/enrollments/query', body => "$fits "),
            413, $error, 'mdm_api_body: one byte more');
    refused(call(POST => '/tight/v1/enrollments/query', body => "$fits ",
                 chunked => 100, fresh => 1), 413, $error,
            'mdm_api_body: chunked');

    my $r = $t->client(plain => 1)->request('POST', '/tight', raw =>
        "POST /tight/v1/enrollments/query HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Length: 999999\r\nExpect: 100-continue\r\n\r\n");
    refused($r, 413, $error, 'mdm_api_body: nothing of it is waited for');
}

# an argument that is broken changes nothing

for my $query ('validate=2', 'validate=maybe') {
    refused(call(PUT => "/api/v1/enqueue/DEV-2?$query", body => command('q')),
            400, 'the argument \"validate\" is neither 0 nor 1', "?$query");
}

# nopush and what is unknown is taken as it is

is(call(PUT => '/api/v1/enqueue/DEV-2?nopush=yes&x=%zz&y', body =>
        command('args'))->status, 200, 'other arguments do not matter');

answer(call(PUT => '/api/v1/enqueue/DEV-2'), 400,
       '{"no_push":true,"command_error":"an empty body only pushes, and '
       . 'mdm_push is off"}', 'an empty body');

for my $broken ([ '', 'x', 'plist: ' ],
                [ 'cut off', substr(command('x'), 0, 200), 'plist: ' ],
                [ 'no dict', plist([ 1 ]), 'plist: ' ],
                [ 'no Command', plist({ CommandUUID => 'x' }),
                  'Command: required key is missing' ],
                [ 'Command a string', plist({ Command => 'x' }),
                  'Command: dictionary expected' ],
                [ 'no RequestType', plist({ Command => {} }),
                  'Command.RequestType: required key is missing' ],
                [ 'RequestType a number',
                  plist({ Command => { RequestType => 1 } }),
                  'Command.RequestType: string expected' ],
                [ 'an empty CommandUUID', command(''),
                  'CommandUUID: 1 to 255 bytes expected' ],
                [ 'a long CommandUUID', command('x' x 256),
                  'CommandUUID: 1 to 255 bytes expected' ],
                [ 'a line end in CommandUUID', command("a\nb"),
                  'CommandUUID: a control character' ],
                [ 'a binary plist that is none', 'bplist00' . 'x' x 60,
                  'plist: ' ])
{
    my ($what, $body, $why) = @$broken;

    answer(call(PUT => '/api/v1/enqueue/DEV-2', body => $body), 400,
           qr/^\{"no_push":true,"command_error":"\Q$why\E[^"]*"\}$/,
           "a command that is none: $what");
}

is_deeply(queue('DEV-2'), [ 'twice', 'args' ], 'nothing of that was queued');
call(DELETE => '/api/v1/queue/DEV-1,DEV-2');


# clearing queues

call(PUT => '/api/v1/enqueue/DEV-1,DEV-2', body => command("c-$_")) for 1 .. 3;

answer(call(DELETE => '/api/v1/queue/DEV-1,NOPE'), 207,
       '{"status":{"NOPE":"not enrolled"}}', 'clear: some');
is_deeply(queue('DEV-1'), [], 'clear: empty');
is_deeply(queue('DEV-2'), [ 'c-1', 'c-2', 'c-3' ], 'clear: others are not');
answer(call(DELETE => '/api/v1/queue/NOPE,NADA'), 500,
       '{"status":{"NOPE":"not enrolled","NADA":"not enrolled"}}',
       'clear: none');
answer(call(DELETE => '/api/v1/queue/DEV-1,DEV-2,DEV-1'), 204, undef,
       'clear: all, an empty one included');
is_deeply(queue('DEV-2'), [], 'clear: empty now');
refused(call(GET => '/api/v1/queue/NOPE'), 404, 'not enrolled',
        'the queue of nobody');
refused(call(GET => '/api/v1/queue/a:'), 400, qr/not an enrollment id/,
        'the queue of what is no id');


# one enrollment

{
    my $e = enrollment('DEV-1');
    my $at = qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

    like(delete $e->{$_}, $at, "enrollment: $_")
        for qw(last_seen enrolled updated);
    is_deeply($e, {
        id => 'DEV-1', type => 'Device',
        device => { serial_number => 'C02ONE', name => 'Name of DEV-1',
                    model => 'Mac14,2', model_name => 'MacBook Air',
                    product => 'Mac14,2', os_version => '15.1',
                    build => '24B83',
                    certificate_sha256 => $d1->cert->{sha256} },
        enabled => $true, token_update_tally => 1,
        awaiting_configuration => $false, migrated => $false, push => {},
        topic => 'com.apple.mgmt.External.test', queue_length => 0,
        has_bootstrap_token => $false, has_unlock_token => $false,
        users => [ 'DEV-1:USER-1' ],
    }, 'enrollment: all of a device');

    $d1->set_bootstrap_token("\0bootstrap");
    $d1->token_update(UnlockToken => plist_data("un\0lock"),
                      AwaitingConfiguration => \1);
    call(PUT => '/api/v1/enqueue/DEV-1', body => command("len-$_"))
        for 1 .. 2;

    my $all = call(GET => '/api/v1/enrollments/DEV-1?include_device_cert=1'
                   . '&include_unlock_token=true')->json;

    ok($all->{has_bootstrap_token} && $all->{has_unlock_token}
       && $all->{awaiting_configuration}, 'enrollment: secrets are there');
    is($all->{queue_length}, 2, 'enrollment: queue_length');
    is($all->{token_update_tally}, 2, 'enrollment: tally');
    is(decode_base64($all->{device}{unlock_token}), "un\0lock",
       'enrollment: unlock_token');
    is($all->{device}{device_cert}, $d1->cert->{pem},
       'enrollment: device_cert');

    my $text = call(GET => '/api/v1/enrollments/DEV-1')->body;

    ok(index($text, encode_base64("un\0lock", '')) < 0
       && index($text, 'device_cert') < 0, 'enrollment: only if asked for');
    ok(index($text . call(GET => '/api/v1/enrollments/DEV-1'
             . '?include_device_cert=1&include_unlock_token=1')->body, $_) < 0,
       'enrollment: never ' . encode_base64($_, ''))
        for 'magic-DEV-1', 'bootstrap",', encode_base64("\0bootstrap", ''),
            encode_base64("\x01\xff" x 16, '');

    my $u = enrollment('DEV-1:USER-1');

    is_deeply([ @$u{qw(type parent users)} ], [ 'User', 'DEV-1', [] ],
              'enrollment: of a user');
    is_deeply($u->{user}, { user_short_name => 'joe',
                            user_long_name => 'Joe User' },
              'enrollment: user');
    is($u->{device}{serial_number}, 'C02ONE', 'enrollment: device of a user');
}

refused(call(GET => '/api/v1/enrollments/NOPE'), 404, 'not enrolled',
        'enrollment: none');
refused(call(GET => '/api/v1/enrollments/DEV-1?include_device_cert=x'), 400,
        'the argument \"include_device_cert\" is neither 0 nor 1',
        'enrollment: a broken argument');


# reset of a pin

{
    my $d = $t->device('PIN-1', path => '/deny')->enroll;
    my $old = $d->cert;

    call(PUT => '/api/v1/enqueue/PIN-1', body => command('pin-1'));
    $d->{cert} = $t->cert(cn => 'new');
    is($d->authenticate->status, 403, 'pin: deny');
    answer(call(DELETE => '/api/v1/enrollments/PIN-1/certificate'), 204,
           undef, 'pin: reset');
    refused(call(DELETE => '/api/v1/enrollments/PIN-1/certificate'), 404,
            'no certificate is pinned', 'pin: reset once more');
    ok(!exists enrollment('PIN-1')->{device}{certificate_sha256},
       'pin: none is there');
    is_deeply(queue('PIN-1'), [ 'pin-1' ], 'pin: the queue stays');
    is($d->idle->status, 403, 'pin: the new certificate needs Authenticate');
    $d->{cert} = $old;
    is($d->idle->status, 403, 'pin: so does the old one');
    $d->{cert} = $t->cert(cn => 'newer');
    is($d->enroll->idle->status, 200, 'pin: a new one by Authenticate');
    is(enrollment('PIN-1')->{device}{certificate_sha256},
       $d->cert->{sha256}, 'pin: it is pinned');

    my $thief = $t->device('PIN-2', cert => $old);

    is($thief->authenticate->status, 403,
       'pin: the old one still belongs to its device');
}

refused(call(DELETE => '/api/v1/enrollments/NOPE/certificate'), 404,
        'not enrolled', 'pin: of nobody');
refused(call(DELETE => '/api/v1/enrollments/DEV-1:USER-1/certificate'), 400,
        'a certificate is pinned to a device, not to a user channel',
        'pin: of a user');


# migration

{
    my $d = $t->device('MIG-1', serial => 'C02MIG');
    my %ids = (UDID => 'MIG-1');

    answer(migrate('Authenticate', \%ids, SerialNumber => 'C02MIG',
                   DeviceName => 'Old name'), 200, undef,
           'migration: Authenticate');
    ok(!enrollment('MIG-1')->{enabled}, 'migration: not enabled by it');
    answer(migrate('TokenUpdate', \%ids, UnlockToken => plist_data('old')),
           200, undef, 'migration: TokenUpdate');
    answer(migrate('TokenUpdate', { %ids, UserID => 'U',
                                    UserShortName => 'mia' }), 200, undef,
           'migration: TokenUpdate of a user');

    my $e = enrollment('MIG-1');

    ok($e->{enabled} && $e->{migrated} && $e->{has_unlock_token},
       'migration: enabled, migrated, has an unlock token');
    is($e->{token_update_tally}, 1, 'migration: tally');
    is($e->{device}{name}, 'Old name', 'migration: name');
    ok(!exists $e->{device}{certificate_sha256}, 'migration: no pin');
    is_deeply($e->{users}, [ 'MIG-1:U' ], 'migration: the user');

    call(PUT => '/api/v1/enqueue/MIG-1', body => command('mig-1'));

    # what is kept of it, but for the time

    my $state = sub {
        my %keys = map { $_ => { @{$t->redis('HGETALL', $_)} } }
            @{$t->redis('KEYS', 'mdm:{default/*}:[eu]:MIG-1*')};

        delete $_->{updated} for values %keys;

        return \%keys;
    };
    my $before = $state->();

    is(keys %$before, 3, 'migration: two enrollments and a secret');

    for (1 .. 2) {
        is(migrate('TokenUpdate', \%ids, UnlockToken => plist_data('old'))
               ->status, 200, 'migration: TokenUpdate once more');
        is(migrate('Authenticate', \%ids, SerialNumber => 'C02MIG',
                   DeviceName => 'Old name')->status, 200,
           'migration: Authenticate once more');
    }

    is_deeply($state->(), $before, 'migration: that changes nothing');

    # the device's first contact pins what it brings

    my $thief = $t->device('MIG-1', cert => $d2->cert);

    is($thief->idle->status, 403,
       'migration: the certificate of another device is not pinned');

    my $r = $d->idle;

    is($r->status, 200, 'migration: first contact');
    is($d->uuid($r), 'mig-1', 'migration: it gets its command');
    $e = enrollment('MIG-1');
    is($e->{device}{certificate_sha256}, $d->cert->{sha256},
       'migration: the certificate is pinned');
    ok(!$e->{migrated}, 'migration: done');

    $thief = $t->device('MIG-1');
    is($thief->idle->status, 403, 'migration: a second one is not');

    # a replay of both

    is(migrate('Authenticate', \%ids)->status, 200, 'migration: a replay');
    is(migrate('TokenUpdate', \%ids)->status, 200, 'migration: of both');
    $e = enrollment('MIG-1');
    is($e->{device}{certificate_sha256}, $d->cert->{sha256},
       'migration: the pin stays');
    is_deeply(queue('MIG-1'), [ 'mig-1' ], 'migration: the queue stays');
    is($e->{token_update_tally}, 1, 'migration: and the tally');
    is($d->idle->status, 200, 'migration: the device is still let in');
    is($thief->idle->status, 403, 'migration: and nobody else');

    # once the device has said something itself, the old is over

    is($d->token_update->status, 200, 'migration: its own TokenUpdate');

    my $from = $t->log_size;

    $before = $t->redis_dump;
    is(migrate('TokenUpdate', \%ids, PushMagic => 'older')->status, 200,
       'migration: an older TokenUpdate');
    is(migrate('Authenticate', \%ids, SerialNumber => 'X')->status, 200,
       'migration: an older Authenticate');
    is($t->redis_dump, $before, 'migration: nothing has changed');
    like($t->log($from), qr/migration changed nothing/,
         'migration: the log says so');

    # a device that has left is not brought back by the old message

    my $gone = $t->device('MIG-2');

    migrate('Authenticate', { UDID => 'MIG-2' });
    migrate('TokenUpdate', { UDID => 'MIG-2' });
    is($gone->idle->status, 200, 'migration: another one');
    is($gone->checkout->status, 200, 'migration: which checks out');
    is(migrate('TokenUpdate', { UDID => 'MIG-2' })->status, 200,
       'migration: its old TokenUpdate');
    ok(!enrollment('MIG-2')->{enabled}, 'migration: it stays disabled');

    # mdm_reenroll bound holds for the first pin as well

    migrate('Authenticate', { UDID => 'MIG-3' }, SerialNumber => 'C02MIG3');
    migrate('TokenUpdate', { UDID => 'MIG-3' });
    is($t->device('MIG-3', path => '/bound', cert => $t->cert(cn => 'any'))
         ->idle->status, 403, 'migration: bound refuses any certificate');
    is($t->device('MIG-3', path => '/bound', cert => $t->cert(cn => 'x',
                  serial => 'C02MIG3'))->idle->status, 200,
       'migration: bound takes one that names the device');
}

refused(migrate('TokenUpdate', { UDID => 'NEW', UserID => 'U' }), 409,
        qr/migrate it first/, 'migration: a user before the device');
refused(migrate('Authenticate', { UDID => 'NEW', UserID => 'U' }), 400,
        'Authenticate of a user channel', 'migration: not of a user');
refused(migrate('CheckOut', { UDID => 'NEW' }), 400,
        'MessageType is neither Authenticate, TokenUpdate nor SetBootstrapToken',
        'migration: another message');
refused(migrate('TokenUpdate', { UDID => 'NEW' }, PushMagic => ''), 400,
        qr/PushMagic is missing/, 'migration: no PushMagic');
refused(migrate('TokenUpdate', { UDID => 'NEW' }, UnlockToken => 'text'),
        400, qr/UnlockToken is not data/, 'migration: no data');
refused(migrate('Authenticate', { UDID => 'NEW', EnrollmentID => 'E' }), 400,
        qr/UDID/, 'migration: two ids');
refused(call(PUT => '/api/migration', body => 'x'), 400, qr/./,
        'migration: no plist');
refused(call(PUT => '/api/migration'), 400, qr/./, 'migration: nothing');
refused(call(GET => '/api/v1/enrollments/NEW'), 404, 'not enrolled',
        'migration: nothing of that is there');


# 300 enrollments of all types, in a tenant of their own

my %fleet;

sub add {
    my ($type, $id, $ids, $enabled, %more) = @_;

    migrate('Authenticate', $ids, api => '/fleet', %more)
        unless $type =~ /^(?:User|Shared iPad|User Enrollment)$/;
    migrate('TokenUpdate', $ids, api => '/fleet', %more) if $enabled;

    $fleet{$id} = { id => $id, type => $type, enabled => $enabled ? $true
                                                                  : $false,
                    token_update_tally => $enabled ? 1 : 0,
                    ($more{SerialNumber} ? (device =>
                        { serial_number => $more{SerialNumber} }) : ()),
                    ($more{UserShortName} ? (user =>
                        { user_short_name => $more{UserShortName} }) : ()) };
}

for my $i (1 .. 100) {
    add('Device', "F-$i", { UDID => "F-$i" }, $i % 4, SerialNumber => "S-$i");

    if ($i <= 60) {
        add('User', "F-$i:U", { UDID => "F-$i", UserID => 'U' }, 1,
            UserShortName => 'n' . $i % 10);
        $fleet{"F-$i:U"}{device} = { serial_number => "S-$i" };
    }

    if ($i <= 40) {
        add('Shared iPad', "F-$i:s$i", { UDID => "F-$i",
            UserID => 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF' }, 1,
            UserShortName => "s$i");
        $fleet{"F-$i:s$i"}{device} = { serial_number => "S-$i" };
    }

    if ($i <= 60) {
        add('User Enrollment (Device)', "E-$i", { EnrollmentID => "E-$i" }, 1);
    }

    if ($i <= 40) {
        add('User Enrollment', "E-$i:EU", { EnrollmentID => "E-$i",
            EnrollmentUserID => 'EU' }, 1);
    }
}

is(keys %fleet, 300, 'a fleet of 300');


# all rows of a query, page by page

sub query {
    my ($body, %o) = @_;

    my $args = join '&', map { "$_=$o{$_}" } grep { defined $o{$_} }
                         qw(limit offset);
    my (@rows, $cursor, $pages);

    do {
        my $r = call(POST => "/fleet/v1/enrollments/query?$args"
                     . (defined $cursor ? "&cursor=$cursor" : ''),
                     body => $body, %{$o{how} || {}});

        $r->status == 200 or die "query: " . $r->status . ' ' . $r->body;

        my $page = $r->json;

        die "query: a page is too long" if $o{limit}
            && @{$page->{enrollments}} > $o{limit};

        push @rows, @{$page->{enrollments}};
        $cursor = $page->{next_cursor};
        $args =~ s/&?offset=\d+//;

        die "query: no end" if ++$pages > 400;
    } while (defined $cursor && !$o{one});

    delete $_->{last_seen} for @rows;

    return wantarray ? @rows : [ sort { $a->{id} cmp $b->{id} } @rows ];
}


sub fleet {
    my ($fits) = @_;

    my @fit;

    for my $id (sort keys %fleet) {
        my $row = $fleet{$id};

        local $_ = { %$row, serial => ($row->{device} || {})->{serial_number},
                     short => ($row->{user} || {})->{user_short_name} };

        push @fit, $row if $fits->();
    }

    return \@fit;
}


sub json { return JSON::PP->new->canonical->encode($_[0]) }

is_deeply(scalar query('', limit => 1000), fleet(sub { 1 }),
          'query: all, with nothing asked for');
is_deeply(scalar query('{}', limit => 37), fleet(sub { 1 }),
          'query: all, in pages of 37');
is_deeply(scalar query('{"filter":null,"options":null}', limit => 299),
          fleet(sub { 1 }), 'query: null is nothing');
is(scalar(my @first = query('', one => 1)), 100, 'query: a page has 100');
is_deeply(scalar query('{"filter":{"enabled":true}}', limit => 1000,
                       how => { chunked => 7 }), fleet(sub { $_->{enabled} }),
          'query: a body in chunks');

for my $type ('Device', 'User', 'Shared iPad', 'User Enrollment (Device)',
              'User Enrollment')
{
    is_deeply(scalar query(json({ filter => { types => [ $type ] } }),
                           limit => 17), fleet(sub { $_->{type} eq $type }),
              "query: $type");
}

is_deeply(scalar query('{"filter":{"types":["User","User Enrollment"]}}'),
          fleet(sub { $_->{type} =~ /^(?:User|User Enrollment)$/ }),
          'query: two types');
is_deeply(scalar query('{"filter":{"enabled":false}}', limit => 3),
          fleet(sub { !$_->{enabled} }), 'query: those not enabled');
is_deeply(scalar query('{"filter":{"serials":["S-7","S-77","none"]}}'),
          fleet(sub { ($_->{serial} // '') =~ /^(?:S-7|S-77)$/ }), 'query: serials');
is_deeply(scalar query('{"filter":{"user_short_names":["n3","s9"]}}',
                       limit => 2),
          fleet(sub { ($_->{short} // '') =~ /^(?:n3|s9)$/ }),
          'query: short names');
is_deeply(scalar query('{"filter":{"ids":["F-5","E-5:EU","F-5:U","NOPE",'
                       . '"F-5"]}}'),
          fleet(sub { $_->{id} =~ /^(?:F-5|E-5:EU|F-5:U)$/ }), 'query: ids');
is_deeply(scalar query(json({ filter => { ids => [ sort keys %fleet ] } }),
                       limit => 23), fleet(sub { 1 }),
          'query: all by their ids, in pages');
is_deeply(scalar query('{"filter":{"ids":["F-4","F-5","F-5:U"],'
                       . '"types":["Device","User"],"enabled":true,'
                       . '"serials":["S-4","S-5"]}}'),
          fleet(sub { $_->{id} =~ /^(?:F-5|F-5:U)$/ }),
          'query: all that is asked must fit');
is_deeply(scalar query('{"filter":{"ids":[],"serials":[],'
                       . '"user_short_names":[],"types":[],"enabled":null}}',
                       limit => 1000), fleet(sub { 1 }),
          'query: empty lists fit all');
is_deeply(scalar query('{"filter":{"ids":["NOPE"]}}'), [], 'query: nobody');

{
    my @all = map { $_->{id} } query('', limit => 1000);
    my @some = map { $_->{id} } query('', limit => 10, offset => 25,
                                      one => 1);

    is_deeply(\@some, [ @all[25 .. 34] ], 'query: offset');
    @some = map { $_->{id} } query('', limit => 90, offset => 25);
    is_deeply(\@some, [ @all[25 .. 299] ], 'query: offset, then cursors');
    is_deeply([ query('', offset => 300) ], [], 'query: offset at the end');

    my $r = call(POST => '/fleet/v1/enrollments/query?limit=5');

    like($r->body, qr/^\{"enrollments":\[\{"id":.*\],
                       "next_cursor":"[A-Za-z0-9_-]+"\}$/x,
         'query: the shape of a page');
    is(call(POST => '/fleet/v1/enrollments/query', body =>
            '{"filter":{"ids":["NOPE"]}}')->body, '{"enrollments":[]}',
       'query: the shape of an empty one');
}

is_deeply([ map { $_->{id} } @{call(POST => '/api/v1/enrollments/query',
            body => '{"filter":{"ids":["F-1","DEV-2"]}}')->json
            ->{enrollments}} ], [ 'DEV-2' ], 'query: a tenant sees its own');

{
    my $body = '{"filter":{"ids":["DEV-1"]},"options":'
        . '{"include_device_cert":true,"include_unlock_token":true}}';
    my ($row) = @{call(POST => '/api/v1/enrollments/query', body => $body)
                      ->json->{enrollments}};

    is($row->{device}{device_cert}, $d1->cert->{pem}, 'query: device_cert');
    is(decode_base64($row->{device}{unlock_token}), "un\0lock",
       'query: unlock_token');
    like($row->{last_seen}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
         'query: last_seen');
    $body =~ s/true/false/g;
    ($row) = @{call(POST => '/api/v1/enrollments/query', body => $body)
                   ->json->{enrollments}};
    delete @{$row->{device}}{qw(os_version build model model_name product)};
    is_deeply($row->{device}, { serial_number => 'C02ONE' },
              'query: not where it is not asked for');
}

for my $bad (
    [ 'x', qr/the body is not a JSON object/ ],
    [ '[]', qr/the body: an object expected/ ],
    [ '{"filter":{}}}', qr/the body is not a JSON object/ ],
    [ '{"filters":{}}', qr/filters: unknown key/ ],
    [ '{"filter":[]}', qr/filter: an object expected/ ],
    [ '{"filter":{"serial":["x"]}}', qr/filter\.serial: unknown key/ ],
    [ '{"filter":{"serials":"x"}}', qr/filter\.serials: an array expected/ ],
    [ '{"filter":{"serials":[1]}}', qr/filter\.serials\[0\]: a string/ ],
    [ '{"filter":{"types":["Device","x"]}}',
      qr/filter\.types\[1\]: unknown type/ ],
    [ '{"filter":{"enabled":1}}', qr/filter\.enabled: true or false/ ],
    [ '{"filter":{"ids":["a:"]}}', qr/filter\.ids\[0\]: not an enrollment/ ],
    [ '{"options":{"include_cert":true}}', qr/options\.include_cert: unk/ ],
    [ '{"options":{"include_device_cert":"yes"}}',
      qr/options\.include_device_cert: true or false/ ],
    [ '{"filter":{},"filter":{}}', qr/the body is not a JSON object/ ],
) {
    refused(call(POST => '/fleet/v1/enrollments/query', body => $bad->[0]),
            400, $bad->[1], "query: $bad->[0]");
}

for my $args ('limit=0', 'limit=1001', 'limit=x', 'limit=-1', 'offset=-1',
              'offset=x', 'cursor=x', 'cursor=!!!!', 'cursor=MTAwMCwwLA',
              'cursor=eHgsMCw', 'limit=%zz')
{
    refused(call(POST => "/fleet/v1/enrollments/query?$args"), 400, qr/./,
            "query: ?$args");
}


# 4,000 ids in one call

{
    my @ids = map { sprintf 'A1B2C3D4-0000-4000-8000-%012X', $_ } 1 .. 4000;
    my $c = $t->client(plain => 1)->connect;
    my $ok = 0;

    # many requests on their way at once

    while (my @some = splice @{[ @ids[$ok .. 3999] ]}, 0, 250) {
        last unless defined $some[0];

        my $out = '';

        for my $id (@some) {
            my $body = plist({ MessageType => 'Authenticate', UDID => $id,
                               Topic => 'com.apple.mgmt.x' });

            $out .= "PUT /api/migration HTTP/1.1\r\nHost: localhost\r\n"
                . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
        }

        $c->send_request('PUT', '/', raw => $out);
        $c->read_response('PUT')->status == 200 and $ok++ for @some;
        last if $ok % 250;
    }

    is($ok, 4000, 'many ids: 4,000 devices are there');

    my $r = call(PUT => '/api/v1/enqueue/' . join(',', @ids),
                 body => command('all'));

    answer($r, 200, '{' . sprintf($result, 'all'), 'many ids: queued to all');

    my $missing = grep { join(',', @{queue($_)}) ne 'all' }
                  map { $ids[$_ * 40] } 0 .. 99;

    is($missing, 0, 'many ids: each of a hundred has it');
    is(call(PUT => '/api/v1/enqueue/' . join(',', 'NOPE', @ids[1 .. 3998]),
            body => command('all-2'))->body,
       '{"status":{"NOPE":{"command_error":"not enrolled"}},'
       . sprintf($result, 'all-2'), 'many ids: one that fails');
    answer(call(DELETE => '/api/v1/queue/' . join(',', @ids)), 204, undef,
           'many ids: cleared');
    is($t->redis('EVAL', q{
        local n = 0
        for _, k in ipairs(redis.call('KEYS', 'mdm:{default/*}:c:all*')) do
            n = n + 1
        end
        return n }, 0), 0, 'many ids: no body is left');
    is(scalar @{queue($ids[$_])}, 0, 'many ids: empty') for 0, 2000, 3999;

    # too long for nginx' buffers

    is($t->client(plain => 1)->request(PUT => '/api/v1/enqueue/'
           . join(',', @ids, @ids), body => command('x'))->status, 414,
       'many ids: 414 is nginx\' answer where the line is too long');
}


# docs/openapi.yaml has the paths and methods of the table of endpoints

{
    my $c = read_file("$MDM::root/src/api/mdm_api_endpoint.c");
    my (%table, %yaml, $path);

    while ($c =~ /mdm_api(?:_acts)?\(([A-Z_|]+), "([^"]+)"/g) {
        my ($methods, $pattern) = ($1, $2);

        $table{"$_ $pattern"} = 1
            for map { s/^MDM_//r } split /\|/, $methods;
    }

    my $in = 0;

    for (split /\n/, read_file("$MDM::root/docs/openapi.yaml")) {
        $in = /^paths:/ if /^\S/;
        next unless $in;
        $path = $1 =~ s/\{[^}]*\}/*/gr if /^  (\/\S+):$/;
        $yaml{uc($1) . " $path"} = 1
            if /^    (get|put|post|delete|patch|head|options):$/;
    }

    cmp_ok(scalar keys %table, '>=', 16, 'openapi: the table was read');
    is_deeply([ sort keys %yaml ], [ sort keys %table ],
              'openapi: the calls of the table');
}

is_deeply([ $spec->found ], [], 'openapi: all answers are as it says');

finish;
