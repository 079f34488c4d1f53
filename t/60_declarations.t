#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Declarations, sets and filters over the API, and their way to channels: the
# rollout, its progress, and one command a channel.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new(workers => 2, locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /other/ { mdm_api on; mdm_tenant other; }
END

my $json = JSON::PP->new->canonical->allow_nonref;


sub api {
    my ($method, $path, $body) = @_;

    return $t->request($method, "/api/v1/$path", plain => 1,
        defined $body ? (body => ref $body ? $json->encode($body) : $body)
                      : ());
}


sub status {
    my ($want, $name, @call) = @_;

    my $r = api(@call);

    is($r->status, $want, "$name: $want") or diag($r->body);
    is($r->body, '', "$name: no body") if $want == 204 || $want == 304;

    return $r;
}


sub list {
    my ($path) = @_;

    return $json->decode(api('GET', $path)->body);
}


# until the last change is with everybody

sub settle {
    my $r;

    wait_for(10, sub {
        $r = $json->decode(api('GET', 'ddm/rollout')->body);

        return $r->{state} eq 'done' && $r->{rolled_out} == $r->{rev};
    }) or fail('the rollout ends');

    return $r;
}


# the commands that a device gets, all acknowledged, as Perl data

sub told {
    my ($device) = @_;

    my @commands;
    my $r = $device->idle;

    while ($r->status == 200 && length $r->body) {
        my $command = plist_read($r->body);

        push @commands, $command->{Command};
        $r = $device->report('Acknowledged', $command->{CommandUUID});
    }

    return @commands;
}


sub told_once {
    my ($device, $name) = @_;

    my @commands = told($device);

    is(scalar @commands, 1, "$name: one command");
    is($commands[0]{RequestType}, 'DeclarativeManagement', "$name: the one");

    return $commands[0];
}


sub declaration {
    my ($id, $type, %payload) = @_;

    return {Identifier => $id, Type => "com.apple.$type",
            Payload => \%payload};
}


# what is wrong with a declaration, and where

for ([ '', qr/^the body is empty, / ], [ '[]', qr/^JSON: object expected/ ],
     [ '{"Identifier":"a","Type":"com.apple.configuration.x"}',
       qr/^Payload: missing/ ],
     [ '{"Identifier":"","Type":"com.apple.configuration.x","Payload":{}}',
       qr/^Identifier: has 1 to 64/ ],
     [ '{"Identifier":"' . 'a' x 65
       . '","Type":"com.apple.configuration.x","Payload":{}}',
       qr/^Identifier: has 1 to 64/ ],
     [ '{"Identifier":"ngx_mdm.x","Type":"com.apple.configuration.x",'
       . '"Payload":{}}', qr/^Identifier: .*reserved/ ],
     [ '{"Identifier":"a","Type":"com.example.x","Payload":{}}',
       qr/^Type: / ],
     [ '{"Identifier":"a","Type":"com.apple.configuration.x","Payload":[]}',
       qr/^Payload: object/ ],
     [ '{"Identifier":"a","Type":"com.apple.configuration.x","Payload":{},'
       . '"More":1}', qr/^More: / ],
     [ '{"Identifier":"a","Type":"com.apple.configuration.x",'
       . '"Payload":{"a":"${b"}}', qr/^Payload: .*variable/ ])
{
    my ($body, $error) = @$_;
    my $r = status(400, substr($body, 0, 60), 'PUT', 'declarations', $body);

    like($json->decode($r->body)->{error}, $error, "says why");
}

is_deeply(list('declarations'), [], 'none');
is_deeply(list('sets'), [], 'no sets');
is_deeply(list('set-declarations/nobody'), [], 'nothing in no set');
is_deeply(list('declaration-sets/nothing'), [], 'in no set');
status(404, 'none to be had', 'GET', 'declarations/nothing');
status(304, 'none to delete', 'DELETE', 'declarations/nothing');
status(404, 'none to touch', 'POST', 'declarations/nothing/touch');


# references

my $conf = declaration('a conf/1', 'configuration.management.test',
                       Echo => 'hello');
my $act = declaration('act', 'activation.simple',
                      StandardConfigurations => [ 'a conf/1' ]);

# an activation may come first, as KMFDDM's syncdir.py has it

my $r = status(200, 'a reference to nothing', 'PUT', 'declarations?warnings=1',
               $act);

is_deeply($json->decode($r->body)->{warnings},
          [ 'Payload.StandardConfigurations[0]: there is no declaration '
            . '"a conf/1"' ], 'names it');
status(204, 'put', 'PUT', 'declarations', $conf);
is_deeply($json->decode(status(200, 'no more', 'PUT',
                               'declarations?warnings=1', $act)->body)
          ->{warnings}, [], 'there is one');
status(304, 'put again', 'PUT', 'declarations', $conf);
status(304, 'put in other words', 'PUT', 'declarations',
       ' { "Payload" : {"Echo":"hello"}, "ServerToken": "x",'
       . '"Type":"com.apple.configuration.management.test",'
       . ' "Identifier":"a conf/1"}');
is_deeply(list('declarations'), [ 'a conf/1', 'act' ], 'listed');

my $got = $json->decode(api('GET', 'declarations/a%20conf%2F1')->body);
my $token = delete $got->{ServerToken};

is_deeply($got, $conf, 'what was put');
like($token, qr/^[0-9a-f]{40}$/, 'a ServerToken');

status(204, 'reals', 'PUT', 'declarations?validate=0',
       '{"Identifier":"real","Type":"com.apple.configuration.management.test",'
       . '"Payload":{"b":0.1,"a":[1.10,1e3]}}');
like(api('GET', 'declarations/real')->body,
     qr/"Payload":\{"a":\[1\.10,1e3\],"b":0\.1\}/, 'as they were written');
status(204, 'enough of them', 'DELETE', 'declarations/real');

status(204, 'touch', 'POST', 'declarations/a%20conf%2F1/touch');
isnt($json->decode(api('GET', 'declarations/a%20conf%2F1')->body)
     ->{ServerToken}, $token, 'another ServerToken');
like(status(409, 'it is referred to', 'DELETE', 'declarations/a%20conf%2F1')
     ->body, qr/act/, 'by whom');
like(status(409, 'nor does it become another kind', 'PUT',
            'declarations?validate=0',
            declaration('a conf/1', 'asset.useridentity'))->body,
     qr/\\"act\\" refers to it/, 'by whom');


# sets

status(400, 'which declaration?', 'PUT', 'set-declarations/s1');
status(404, 'no such declaration', 'PUT', 'set-declarations/s1?declaration=x');

for my $id ('a%20conf%2F1', 'act') {
    status(204, 'into a set', 'PUT', "set-declarations/s1?declaration=$id");
    status(304, 'again', 'PUT', "set-declarations/s1?declaration=$id");
}

is_deeply(list('sets'), [ 's1' ], 'a set');
is_deeply(list('set-declarations/s1'), [ 'a conf/1', 'act' ], 'its content');
is_deeply(list('declaration-sets/act'), [ 's1' ], 'where it is');
like(status(409, 'it is in a set', 'DELETE', 'declarations/act')->body,
     qr/s1/, 'in which');
like(status(409, 'and keeps its kind', 'PUT', 'declarations?validate=0',
            declaration('act', 'configuration.management.test'))->body,
     qr/in the set \\"s1\\"/, 'in which');
is($t->request('GET', '/other/v1/sets', plain => 1)->body, '[]',
   'another tenant has none of it');


# filters, and who gets what

my @phones = map { $t->device("phone$_")->enroll } 1 .. 5;

for ([ '{}', 'object with' ], [ '{"typ":["Device"]}', 'only' ],
     [ '{"type":[]}', 'type: ' ], [ '{"tag":[1]}', 'tag\[0\]: ' ])
{
    like(status(400, $_->[0], 'PUT', 'set-filters/s1', $_->[0])->body,
         qr/$_->[1]/, 'says why');
}

status(404, 'no filter', 'GET', 'set-filters/s1');
status(204, 'a filter', 'PUT', 'set-filters/s1', '{"type":["Device"]}');
status(304, 'the same', 'PUT', 'set-filters/s1', '{ "type" : ["Device"] }');
is(api('GET', 'set-filters/s1')->body, '{"type":["Device"]}', 'as it is');

my $progress = settle();

is($progress->{partitions}, $progress->{done}, 'all partitions are done');


# the command, its Data, and what the device finds

sub tokens {
    my ($device) = @_;

    return $json->decode($device->ddm('tokens')->body)->{SyncTokens};
}

my $now = tokens($phones[0]);

for my $device (@phones) {
    my $command = told_once($device, 'enrolled');

    # partitions get them one after another: the time may be another one

    is($json->decode("$command->{Data}")->{SyncTokens}{DeclarationsToken},
       $now->{DeclarationsToken}, 'with the token of now');
}

my $items = $json->decode($phones[0]->ddm('declaration-items')->body);

is($items->{DeclarationsToken}, $now->{DeclarationsToken}, 'the same token');
is_deeply([ map { $_->{Identifier} } map { @{$items->{Declarations}{$_}} }
            qw(Activations Configurations Assets Management) ],
          [ 'act', 'a conf/1' ], 'the manifest');

my $r1 = $phones[0]->ddm('declaration/configuration/a conf/1');

is($r1->status, 200, 'a declaration');
is_deeply($json->decode($r1->body),
          {%$conf, ServerToken =>
           $items->{Declarations}{Configurations}[0]{ServerToken}},
          'as it was put, with the token of the manifest');
is($phones[0]->ddm('declaration/asset/act')->status, 404, 'not of that kind');


# ten changes, one command; the snapshot of before stays

$conf->{Payload}{Echo} = "hello $_",
    status(204, "change $_", 'PUT', 'declarations', $conf) for 1 .. 10;
settle();

is($json->decode($phones[0]->ddm('declaration/configuration/a conf/1')->body)
   ->{Payload}{Echo}, 'hello', 'what its manifest named');

for my $device (@phones) {
    told_once($device, 'ten changes');
}

$phones[0]->ddm('declaration-items');
is($json->decode($phones[0]->ddm('declaration/configuration/a conf/1')->body)
   ->{Payload}{Echo}, 'hello 10', 'and then the new one');


# without a word, and with one

$conf->{Payload}{Echo} = 'quiet';
status(204, 'a change', 'PUT', 'declarations?nonotify=1', $conf);
settle();
is(scalar told($phones[1]), 0, 'nobody is told');
isnt(tokens($phones[1])->{DeclarationsToken}, $now->{DeclarationsToken},
     'but it is there');

status(400, 'whom?', 'POST', 'notify');
status(404, 'no such set', 'POST', 'notify?set=nobody');
status(204, 'by set', 'POST', 'notify?set=s1');
settle();
told_once($_, 'by set') for @phones;

my $id = $phones[2]->id;

status(204, 'by id', 'POST', "notify?id=$id&id=$id");
told_once($phones[2], 'by id');


# who enrols later, or again

my $late = $t->device('late')->enroll;
my @late;

wait_for(10, sub { @late = told($late) }) or fail('a new device is told');
is(scalar @late, 1, 'a new device is told once');

$late->enroll;
told_once($late, 'enrolled again');

$t->finish;
