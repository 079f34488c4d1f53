#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Each operation of docs/openapi.yaml is called for real, with each answer of
# success that it may give, and all of them are as it says.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64;
use Test::More;

use MDM;
use MDM::APNs;
use MDM::CA;
use MDM::OpenAPI;
use MDM::Sink;
use MDM::Util qw(read_file);

my $spec = MDM::OpenAPI->new;
my $t = MDM->new(watch => $spec->watch);
my $apns = MDM::APNs->new(dir => $t->dir);
my $ca = MDM::CA->new($t->dir, 'devices');
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);

$t->{http} = $apns->conf($apns->cert('com.apple.mgmt.External.test'))
             . ' mdm_push_plain on;' . <<"END";
    mdm_webhook @{[ $sink->url ]} name=sink;
    mdm_webhook http://127.0.0.1:1/ name=away;

    mdm_ca devices {
        certificate $ca->{cert};
        certificate_key $ca->{key};
    }

    mdm_enrollment main {
        identifier com.example.mdm;
        server_url https://mdm.example/mdm;
        identity scep devices https://mdm.example/scep;
        enroll_url https://mdm.example/enroll;
    }

    mdm_enrollment bare {
        identifier com.example.bare;
        server_url https://mdm.example/mdm;
        identity scep devices https://mdm.example/scep;
    }
END
$t->start;

my $json = JSON::PP->new->canonical;


# a call, whose status must be this one

sub call {
    my ($status, $method, $path, $body, @headers) = @_;

    my $r = $t->request($method, $path =~ /^\/(?!v1)/ ? "/api$path"
                                                       : "/api/v1/$path",
        plain => 1, headers => \@headers,
        defined $body ? (body => ref $body ? $json->encode($body) : $body)
                      : ());

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, $status, "$method $path: $status") or diag($r->body);

    return $r;
}


# the checker finds what it is there for

{
    package Answer;

    sub new { my ($class, %o) = @_; return bless \%o, $class }
    sub status { return $_[0]{status} }
    sub body { return $_[0]{body} }
    sub header { return $_[0]{type} }
}

my $planted = MDM::OpenAPI->new;

sub found {
    my ($why, $method, $path, %o) = @_;

    my @bad = $planted->check($method, $path,
        Answer->new(status => 200, type => 'application/json', body => '{}',
                    %o));

    like("@bad", $why, "found: $method $path: $why");

    return;
}

found(qr/^$/, GET => '/version', body => '{"version":"1"}');
found(qr/Missing property/, GET => '/version');
found(qr/Expected string - got number/, GET => '/version',
      body => '{"version":1}');
found(qr/Properties not allowed: more/, GET => '/version',
      body => '{"version":"1","more":1}');
found(qr/418 is not documented/, GET => '/version', status => 418);
found(qr/200 comes as text\/plain/, GET => '/version', type => 'text/plain');
found(qr/no JSON/, GET => '/version', body => '{');
found(qr/204 has a body/, DELETE => '/v1/queue/A', status => 204);
found(qr/Missing property/, GET => '/v1/queue/A');
found(qr/got null/, GET => '/v1/queue?identifier=A',
      body => '{"commands":null}');
found(qr/Not in enum list/, GET => '/v1/queue?identifier=A&uuid=B',
      body => '{"command_uuid":"B","state":"lost"}');
ok(scalar(grep { $_ eq 'GET /v1/sets: 200' } $planted->unseen),
   'found: what was not called');


# webhooks

{
    call(200, GET => 'webhooks');
    call(200, POST => 'webhooks/sink/test', '');
    call(204, POST => 'webhooks/sink/replay', { dead => JSON::PP::true });
    call(400, POST => 'webhooks/sink/replay', { dead => 'x' });
    call(400, POST => 'webhooks/sink/replay', { since => 'yesterday' });
    call(404, POST => 'webhooks/none/replay', { dead => JSON::PP::true });
    call(404, POST => 'webhooks/none/test', '');
    call(502, POST => 'webhooks/away/test', '');
    call(409, DELETE => 'webhooks/sink');
    call(404, DELETE => 'webhooks/none');
    $t->redis('HSET', 'mdm:{default/0}:out', 'h:past', '0-0 1');
    call(200, GET => 'webhooks');
    call(204, DELETE => 'webhooks/past');
}


# what needs nothing

call(200, GET => '/version');
call(400, $_ => 'pushcert') for qw(GET PUT DELETE);
call(404, $_ => 'pushcert?topic=com.apple.mgmt.none') for qw(GET DELETE);
call(200, GET => 'pushcerts');
call(501, POST => 'escrowkeyunlock');

{
    my $id = call(200, POST => 'challenge', { udid => 'DEV-1', serial => 'S',
        person => 'anna', purpose => 'device', uses => 2, ttl => '1h' })
        ->json->{challenge_id};

    call(200, POST => 'challenge');
    call(400, POST => 'challenge', { uses => 0 });
    call(200, GET => 'challenges?limit=1');
    call(204, DELETE => "challenges/$id");
    call(404, DELETE => "challenges/$id");
}

call(204, PUT => 'serials/C02X', { sets => ['office'], tags => ['lab'],
     variables => { site => 'north' }, asset => 'A-17' });
call(204, PUT => 'serials/C02Y');
call(400, PUT => 'serials/C02Z', { set => [] });
call(200, GET => 'serials/C02X');
call(404, GET => 'serials/C02Z');
call(200, GET => 'serials?limit=1');
call(204, DELETE => 'serials/C02X');
call(404, DELETE => 'serials/C02X');

{
    my $id = call(201, POST => 'enrollment-links', { enrollment => 'main',
        person => 'anna', sets => [ 'office' ], tags => [ 'lab' ],
        variables => { site => 'north' }, uses => 2, ttl => '1h' })
        ->json->{id};

    call(400, POST => 'enrollment-links', {});
    call(404, POST => 'enrollment-links', { enrollment => 'none' });
    call(409, POST => 'enrollment-links', { enrollment => 'bare' });
    call(200, GET => 'enrollment-links?limit=1');
    call(204, DELETE => "enrollment-links/$id");
    call(404, DELETE => "enrollment-links/$id");
    call(200, POST => 'enrollment-profiles/main?serial=S');
    call(404, POST => 'enrollment-profiles/none');
    call(400, POST => 'enrollment-profiles/main?plain=2');
}

{
    my $topic = 'com.apple.mgmt.External.openapi';
    my $cert = $t->ca->issue(cn => "APSP:$topic", uid => $topic);
    my $pem = $cert->{pem} . read_file($cert->{key});

    call(200, PUT => 'pushcert', $pem);
    call(200, GET => "pushcert?topic=$topic");
    call(200, GET => 'pushcerts');
    call(204, DELETE => "pushcert?topic=$topic");
}


# enrollments

my $d = $t->device('DEV-1', serial => 'SERIAL1')->enroll;
my $user = $d->user('USER-1')->enroll;
my $other = $t->device('DEV-2')->enroll;

call(200, GET => 'certificates?limit=1');
call(200, GET => 'certificates?id=DEV-1&state=pinned');
call(400, GET => 'certificates?state=new');
call(400, GET => 'certificates/x');
call(404, GET => 'certificates/' . 'a' x 64);

{
    my $sha256 = 'b' x 64;

    $t->redis('HSET', "mdm:{default/cert:$sha256}:x", ca => 'devices',
              serial => '01', purpose => 'device', state => 'issued',
              until => 2000000000, der => 'one');
    call(200, GET => "certificates/$sha256");
    call(200, GET => "certificates/$sha256?format=pem");
}

call(200, PUT => '/migration', plist({ MessageType => 'Authenticate',
    UDID => 'OLD-1', Topic => 'com.apple.mgmt.External.test' }));
$d->message('SetBootstrapToken', BootstrapToken => plist_data('secret'));

my ($serial) = call(200, GET => 'enrollments/DEV-1?include_device_cert=1')
               ->json->{device}{serial_number};

call(200, GET => 'enrollments/DEV-1:USER-1');
call(404, GET => 'enrollments/NONE');
call(200, GET => 'enrollments?serial=' . ($serial // 'none'));
call(200, POST => 'enrollments/query', { filter => { ids => [ 'DEV-1' ] },
     options => { include_device_cert => JSON::PP::true } });
call(200, POST => 'enrollments/query?limit=1');
call(400, POST => 'enrollments/query', { nonsense => 1 });
call(204, POST => 'enrollments/DEV-1/secrets/release');
call(207, POST => 'enrollments/DEV-1,NONE/secrets/release');
call(200, POST => 'enrollments/secrets/release',
     { filter => { ids => [ 'DEV-1' ] } });
call(204, DELETE => 'enrollments/DEV-2/certificate');

call(204, PUT => 'setups/office', { filter => { model => [ 'Mac*' ] },
     set => 'office', hold => 'acknowledged', timeout => '15m',
     steps => [ { command => { RequestType => 'ProfileList' } } ] });
call(200, PUT => 'setups/odd?warnings=1',
     { steps => [ { command => { RequestType => 'SomethingNew' } } ] });
call(200, GET => 'setups');
call(200, GET => 'setups/office');
call(400, PUT => 'setups/office', { nonsense => 1 });
call(204, DELETE => "setups/$_") for qw(office odd);
call(404, $_ => 'setups/office') for qw(GET DELETE);

call(204, POST => 'enrollments/DEV-2/block', { reason => 'lost' });
call(200, GET => 'enrollments/DEV-2');
call(204, DELETE => 'enrollments/DEV-2/block');
call(404, DELETE => 'enrollments/DEV-2/block');
call(400, POST => 'enrollments/DEV-2/block', { nonsense => 1 });
call(409, DELETE => 'enrollments/DEV-2');
call(200, POST => 'enrollments/DEV-2/unenroll?profile=com.example.mdm');
call(207, POST => 'enrollments/DEV-2,NONE/unenroll?profile=com.example.mdm');
call(500, POST => 'enrollments/NONE/unenroll?profile=com.example.mdm');
call(400, POST => 'enrollments/DEV-2/unenroll');

{
    my $d = $t->device('DEV-9')->enroll;

    call(409, PUT => 'enrollments/DEV-9/enrollment?name=main');
    $t->enqueue('DEV-9', $t->command('PROFILES', 'ProfileList'));
    $d->idle;
    $d->report('Acknowledged', 'PROFILES',
               ProfileList => [ { PayloadIdentifier => 'com.example.mdm' } ]);
    call(204, PUT => 'enrollments/DEV-9/enrollment?name=main');
    call(404, PUT => 'enrollments/DEV-9/enrollment?name=none');
    call(400, PUT => 'enrollments/DEV-9/enrollment');
}

call(204, DELETE => 'enrollments/DEV-9?force=1');


# pushes

for my $method (qw(GET POST)) {
    call(200, $method => 'push/DEV-1');
    call(207, $method => 'push/DEV-1,NONE');
    call(500, $method => 'push/NONE');
}


# commands

my $n = 0;

for my $method (qw(PUT POST)) {
    my $body = sub { plist($t->command('U' . ++$n, 'ProfileList')) };

    call(200, $method => 'enqueue/DEV-1?nopush=1', $body->());
    call(207, $method => 'enqueue/DEV-1,NONE', $body->());
    call(500, $method => 'enqueue/NONE', $body->());
    call(400, $method => 'enqueue/DEV-1', 'nonsense');
    call(200, $method => 'enqueue/DEV-1', $json->encode(
         { RequestType => 'SomethingNew' }), 'Content-Type', 'application/json');
    call(200, $method => 'enqueue/DEV-1', plist($t->command("U$n", 'ProfileList')))
        for 1 .. 2;
}

call(200, GET => 'queue/DEV-1?limit=2');
call(404, GET => 'queue/NONE');

my $command = plist_read($d->idle->body)->{CommandUUID};

$d->report('NotNow', $command);
call(200, GET => "queue/DEV-1/$command");
$d->idle;
$d->report('Acknowledged', $command, ProfileList => []);
call(200, GET => "queue/DEV-1/$command");
call(200, GET => "queue/DEV-1/$command?format=json");
call(200, GET => "queue/DEV-1/$command?format=plist");

$command = plist_read($d->idle->body)->{CommandUUID};
$d->report('Error', $command, ErrorChain => [ { ErrorCode => plist_int(1),
           ErrorDomain => 'x', LocalizedDescription => 'y' } ]);
call(200, GET => "queue/DEV-1/$command");
call(404, GET => 'queue/DEV-1/none');

my @queue = @{call(200, GET => 'queue/DEV-1')->json->{commands}};

call(204, DELETE => "queue/DEV-1/$queue[-1]{command_uuid}");
call(404, DELETE => "queue/DEV-1/$queue[-1]{command_uuid}");
call(207, DELETE => 'queue/DEV-1,NONE');
call(500, DELETE => 'queue/NONE');
call(204, DELETE => 'queue/DEV-1');


# declarations, sets, filters

my $declaration = { Identifier => 'com.example.test',
    Type => 'com.apple.configuration.management.test',
    Payload => { Echo => 'x' } };

call(204, PUT => 'declarations', $declaration);
call(304, PUT => 'declarations', $declaration);
call(200, PUT => 'declarations?warnings=1', $declaration);
call(200, PUT => 'declarations?warnings=1',
     { %$declaration, Identifier => 'two', Type => 'com.apple.configuration.new' });
call(400, PUT => 'declarations', '{');
call(200, GET => 'declarations');
call(200, GET => 'declarations/com.example.test');
call(404, GET => 'declarations/none');
call(204, POST => 'declarations/com.example.test/touch');

my $in = 'set-declarations/base?declaration=com.example.test';

call(204, PUT => $in);
call(304, PUT => $in);
call(409, DELETE => 'declarations/com.example.test');
call(200, GET => 'set-declarations/base');
call(200, GET => 'declaration-sets/com.example.test');
call(200, GET => 'sets');

my $filter = { type => [ 'User' ], model => [ 'Mac*' ], tag => [ 'lab' ] };

call(204, PUT => 'set-filters/base', $filter);
call(304, PUT => 'set-filters/base', $filter);
call(200, GET => 'set-filters/base');
call(204, DELETE => 'set-filters/base');
call(304, DELETE => 'set-filters/base');
call(404, GET => 'set-filters/base');


# what an enrollment is given

for my $what ([ sets => 'set=base' ], [ tags => 'tag=lab' ],
              [ variables => 'variable=site&value=north', 'variable=site' ])
{
    my ($name, $put, $delete) = @$what;

    $delete //= $put;

    call(204, PUT => "enrollment-$name/DEV-1?$put");
    call(304, PUT => "enrollment-$name/DEV-1?$put");
    call(200, GET => "enrollment-$name/DEV-1");
    call(204, DELETE => "enrollment-$name/DEV-1?$delete");
    call(304, DELETE => "enrollment-$name/DEV-1?$delete");
}

call(204, PUT => 'enrollment-variables/DEV-1', { site => 'north', x => undef });

for my $path (qw(enrollment-sets-all enrollment-sets-all/sets)) {
    call(204, PUT => 'enrollment-sets/DEV-1?set=base');
    call(204, DELETE => "$path/DEV-1");
    call(304, DELETE => "$path/DEV-1");
}

call(204, PUT => 'enrollment-sets/DEV-1?set=base');

my $subscribed = [ 'device.model.family' ];

call(204, PUT => 'status-subscriptions/base', $subscribed);
call(304, PUT => 'status-subscriptions/base', $subscribed);
call(200, PUT => 'status-subscriptions/base', [ 'device.model.familly' ]);
call(200, GET => 'status-subscriptions/base');
call(204, DELETE => 'status-subscriptions/base');
call(304, DELETE => 'status-subscriptions/base');
call(200, GET => 'enrollment-declarations/DEV-1');
call(404, GET => 'enrollment-declarations/NONE');
call(204, POST => 'notify?set=base&id=DEV-1');
ok(wait_for(20, sub { call(200, GET => 'ddm/rollout')->json->{state}
                      eq 'done' }), 'the rollout is done');


# status

my $manifest = call(200, GET => 'enrollment-declarations/DEV-1')
               ->json->{Declarations}{Configurations}[0];

$d->ddm('status', $json->encode({
    StatusItems => { device => { model => { family => 'Mac' },
                     'operating-system' => { version => '15.1' } },
        management => { declarations => { activations => [], assets => [],
            management => [], configurations => [
                { identifier => $manifest->{Identifier},
                  'server-token' => $manifest->{ServerToken},
                  active => JSON::PP::false, valid => 'invalid',
                  reasons => [ { code => 'Error.X' } ] } ] } } },
    Errors => [ { StatusItem => 'device.x', Reasons => [ { code => 'y' } ] } ],
}));

call(200, GET => "$_/DEV-1")
    for qw(declaration-status status-errors status-values status-report status);
call(200, GET => "$_/DEV-1,DEV-2")
    for qw(declaration-status status-errors status-values);
call(404, GET => 'status-report/DEV-2');
call(404, GET => 'status/NONE');
call(200, POST => 'status/query', { item => 'device.model.family',
     predicate => { op => '=', value => 'Mac' } });

my $watcher = { items => [ 'device.' ], set => 'base' };

call(204, PUT => 'status-watchers/os', $watcher);
call(304, PUT => 'status-watchers/os', $watcher);
call(200, GET => 'status-watchers/os');
call(200, GET => 'status-watchers');
call(404, GET => 'status-watchers/none');
call(204, DELETE => 'status-watchers/os');
call(304, DELETE => 'status-watchers/os');

call(204, DELETE => 'set-declarations/base?declaration=com.example.test');
call(304, DELETE => 'set-declarations/base?declaration=com.example.test');
call(204, DELETE => 'declarations/com.example.test');
call(304, DELETE => 'declarations/com.example.test');

is_deeply([ $spec->found ], [], 'all answers are as openapi.yaml says')
    or diag(join "\n", $spec->found);
is_deeply([ $spec->unseen ], [], 'and all that it says was answered');

finish;
