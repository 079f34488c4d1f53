#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Declarations against Apple's schema, as mdm_validate says; warnings; what is
# too large; watchers of status values.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new(locations => <<'END')->start;
        location /warn/ { mdm_api on; client_max_body_size 4m; }
        location /off/ { mdm_api on; mdm_validate off; }
        location /strict/ { mdm_api on; mdm_validate strict; }
END

my $json = JSON::PP->new->canonical->allow_nonref;


sub call {
    my ($method, $path, $body) = @_;

    return $t->request($method, $path, plain => 1,
        defined $body ? (body => ref $body ? $json->encode($body) : $body)
                      : ());
}


sub put {
    my ($location, $type, $payload, $query) = @_;

    return call('PUT', "/$location/v1/declarations" . ($query // ''),
                { Identifier => 'a/1', Type => "com.apple.$type",
                  Payload => $payload });
}


sub refused {
    my ($r, $status, $error, $name) = @_;

    is($r->status, $status, "$name: $status");
    is(eval { $r->json->{error} }, $error, "$name: why");
}


# a warning, the only one; strict refuses it

sub warned {
    my ($type, $payload, $warning, $name) = @_;

    my $r = put(warn => $type, $payload, '?warnings=1');

    is($r->status, 200, "$name: taken");
    is_deeply(eval { $r->json->{warnings} }, [ $warning ], "$name: warned");
    refused(put(strict => $type, $payload), 400, $warning, "$name: strict");
}


my $test = 'configuration.management.test';

refused(put(warn => $test, { Echo => 1 }), 400,
        'Payload.Echo: string expected, integer found', 'warn');
warned($test, {}, 'Payload.Echo: required key is missing', 'a missing key');
warned('configuration.passcode.settings', { MinimumLength => 17 },
       'Payload.MinimumLength: out of range', 'a range');
refused(put(strict => $test, { Echo => 'x', Ecko => 1 }), 400,
        'Payload.Ecko: unknown key', 'strict');
is(call('DELETE', '/warn/v1/declarations/a%2F1')->status, 204, 'gone');
warned('activation.simple', { StandardConfigurations => ['none'] },
       'Payload.StandardConfigurations[0]: there is no declaration "none"',
       'a reference');
is(call('DELETE', '/warn/v1/declarations/a%2F1')->status, 204, 'gone');
warned($test, { Echo => '${site} ${serial}' },
       'Payload.Echo: no enrollment has a variable "site"', 'a variable');
is(call('PUT', '/warn/v1/enrollment-variables/E?variable=site&value=n')
   ->status, 204, 'a variable');
is(put(strict => $test, { Echo => '${site}' })->status, 204,
   'somebody has it');
refused(put(off => $test, { Echo => 1 }, '?validate=1'), 400,
        'Payload.Echo: string expected, integer found',
        'asked for where it is off');

is(put(off => $test, {})->status, 204, 'off');
is(put(strict => $test, { a => 1 }, '?validate=0')->status, 204,
   'not asked for where it is strict');

my $r = put(warn => $test, { Echo => 'x', Ecko => 1 });

is($r->status, 204, 'a warning keeps nothing away');
is($r->body, '', 'and is not in the answer');
like($t->log, qr{\[notice\].*declaration "a/1": Payload\.Ecko: unknown key},
     'but in the log');

for my $changed (0, 1) {
    $r = put(warn => $test, { Echo => $changed ? 'y' : 'x', Ecko => 1 },
             '?warnings=1');

    is($r->status, 200, 'unless it is asked for');
    is_deeply($r->json, { changed => $changed ? JSON::PP::true
                                              : JSON::PP::false,
                          warnings => ['Payload.Ecko: unknown key'] },
              'as JSON');
}


# predicates

is(call('PUT', '/warn/v1/declarations', {
        Identifier => 'b', Type => "com.apple.$test",
        Payload => { Echo => 'x' } })->status, 204, 'what is referred to');

for ([ '@status(device.model.family) == "iPad"', undef ],
     [ '(@property(a)',
       'Payload.Predicate: an operator or ")" expected, at byte 14' ],
     [ '@property(a) + 1 > 2', undef ],
     [ '@status(device.colour) == 1',
       'Payload.Predicate: unknown status item "device.colour"' ])
{
    my ($predicate, $error) = @$_;

    $r = put(strict => 'activation.simple',
             { StandardConfigurations => [ 'b' ],
               Predicate => $predicate });

    defined $error ? refused($r, 400, $error, $predicate)
                   : is($r->status, 204, $predicate);

    warned('activation.simple', { StandardConfigurations => [ 'b' ],
                                  Predicate => $predicate }, $error,
           $predicate) if defined $error;
}


# sizes

refused(put(warn => 'configuration.x', { a => 'x' x (1024 * 1024) }), 400,
        'a declaration has 1 MiB at most', 'too large');
is(put(warn => 'configuration.x', { a => 'x' x (1024 * 1024 - 200) })->status,
   204, 'nearly so');

my $deep = '[' x 100 . ']' x 100;

refused(call('PUT', '/warn/v1/declarations',
             '{"Identifier":"d","Type":"com.apple.configuration.x",'
             . '"Payload":{"a":' . $deep . '}}'),
        400, 'JSON: nested too deep', 'too deep');


# watchers

my $watchers = '/warn/v1/status-watchers';

is(call('GET', $watchers)->body, '[]', 'no watchers');
is(call('PUT', "$watchers/os%2F1",
        { items => ['device.operating-system.', 'mdm.app'], set => 'a/b' })
   ->status, 204, 'a watcher');
is(call('PUT', "$watchers/os%2F1",
        { set => 'a/b', items => ['mdm.app', 'device.operating-system.'] })
   ->status, 304, 'the same');
is_deeply(call('GET', $watchers)->json,
          [ { name => 'os/1', set => 'a/b',
              items => ['device.operating-system.', 'mdm.app'] } ], 'a list');
is_deeply(call('GET', "$watchers/os%2F1")->json,
          { set => 'a/b', items => ['device.operating-system.', 'mdm.app'] },
          'one');
refused(call('PUT', "$watchers/w", {}), 400,
        'items: an array of 1 to 100 strings expected', 'of nothing');
is(call('DELETE', "$watchers/os%2F1")->status, 204, 'gone');
is(call('DELETE', "$watchers/os%2F1")->status, 304, 'twice');
refused(call('GET', "$watchers/os%2F1"), 404, 'there is no such watcher',
        'gone');

$t->finish;
