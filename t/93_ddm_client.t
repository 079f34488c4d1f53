#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What clients say that they can do: unsupported declarations are named, and
# left out where that is wanted; one that refuses the command is not told again.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new(locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /less {
            mdm_checkin on;
            mdm_connect on;
            mdm_ddm_withhold on;
        }
        location /api-less/ { mdm_api on; mdm_ddm_withhold on; }
END

my $json = JSON::PP->new->canonical->utf8->allow_nonref;
my $true = JSON::PP::true;
my $type = 'com.apple.configuration';


sub call {
    my ($want, $method, $path, $body) = @_;

    my $r = $t->request($method, $path =~ m{^/} ? $path : "/api/v1/$path",
        plain => 1, defined $body ? (body => ref $body ? $json->encode($body)
                                                       : $body) : ());

    is($r->status, $want, "$method $path: $want") or diag($r->body);

    return length $r->body ? $json->decode($r->body) : undef;
}


sub settle {
    wait_for(30, sub {
        my $r = call(200, GET => 'ddm/rollout');

        return $r->{state} eq 'done' && $r->{rolled_out} == $r->{rev};
    }) or fail('the rollout ends');
}


sub put {
    my ($id, $name, %payload) = @_;

    call(204, PUT => 'declarations?validate=0', { Identifier => $id,
         Type => $name, Payload => \%payload });
    call(204, PUT => "set-declarations/s?declaration=$id");
}


# a report of status; types: those it supports

sub says {
    my ($d, $types, %more) = @_;

    my $items = $types ? { management => { 'client-capabilities' => {
        'supported-versions' => [ '1.0.0' ], 'supported-payloads' => {
            declarations => { configurations => $types,
                activations => [ 'com.apple.activation.simple' ] },
            'status-items' => [ 'device.model.family' ] } } } } : {};

    is($d->message('DeclarativeManagement', Endpoint => 'status',
        Data => plist_data($json->encode({ Errors => [], StatusItems =>
            { %$items, %{$more{items} // {}} },
            $more{full} ? (FullReport => $true) : () })))->status, 200,
       'a report');
}


sub answer {
    my ($d, $endpoint) = @_;

    return $json->decode($d->message('DeclarativeManagement',
                                     Endpoint => $endpoint)->body);
}


# identifiers of a manifest

sub ids {
    my ($items) = @_;

    return join ' ', sort map { $_->{Identifier} }
                          map { @$_ } values %{$items->{Declarations}};
}


# takes all commands: how many tell of declarations, and their token

sub told {
    my ($d, $answer) = @_;

    my ($n, $token) = (0);
    my $r = $d->idle;

    while ($r->status == 200 && length $r->body) {
        my $c = plist_read($r->body);

        if ($c->{Command}{RequestType} eq 'DeclarativeManagement') {
            $n++;
            $token = $json->decode("$c->{Command}{Data}")
                     ->{SyncTokens}{DeclarationsToken};
        }

        $r = $d->report($answer // 'Acknowledged', $c->{CommandUUID});
    }

    return wantarray ? ($n, $token) : $n;
}


# a partition that no channel was in before gets the sets a moment later

sub told_first {
    my ($d, $answer) = @_;

    my @told;

    wait_for(30, sub { @told = told($d, $answer); return $told[0] })
        or fail('a new device is told');

    return @told;
}


put('c-test', "$type.management.test", Echo => 'x');
put('c-new', "$type.new.thing", a => 1);
put('c-items', "$type.management.status-subscriptions", StatusItems =>
    [ { Name => 'device.model.family' }, { Name => 'device.not.there' } ]);
put('act', 'com.apple.activation.simple',
    StandardConfigurations => [ 'c-test' ]);
call(204, PUT => 'status-subscriptions/s', [ 'device.model.marketing-name' ]);
call(204, PUT => 'set-filters/s', { type => [ 'Device' ] });
settle();


# what is named

my @types = map { "$type.$_" } qw(management.status-subscriptions
                                  management.test);
my @all = qw(act c-items c-new c-test ngx_mdm.status-subscriptions
             ngx_mdm.status-subscriptions.activation);

{
    my $d = $t->device('U-1')->enroll;
    my $path = 'enrollment-declarations/U-1';

    told_first($d);
    is_deeply(call(200, GET => $path)->{unsupported}, [],
              'nothing is known yet');

    says($d, \@types);

    my $m = call(200, GET => $path);
    my %why = map { $_->{identifier} => $_->{reason} } @{$m->{unsupported}};

    is_deeply([ sort keys %why ], [ qw(c-items c-new),
              'ngx_mdm.status-subscriptions' ], 'what it does not support');
    like($why{'c-new'}, qr/ the type "$type\.new\.thing"$/, 'a type');
    like($why{'c-items'}, qr/ the status item "device\.not\.there"$/,
         'a status item');
    like($why{'ngx_mdm.status-subscriptions'}, qr/"device\.model\.marketing-name"$/,
         'and of the list of the set');
    is(ids($m), "@all", 'the manifest has all of them');
    is(ids(answer($d, 'declaration-items')), "@all", 'what the device gets');

    # what a full report does not speak of stays, else it is another one

    says($d, undef, full => 1, items => { x => 1 });
    is(@{call(200, GET => $path)->{unsupported}}, 3, 'a full report');
    is_deeply([ sort keys %{call(200, GET => 'status/U-1')->{status}} ],
              [ qw(management x) ], 'takes other values');
    says($d, [ @types, "$type.new.thing" ], full => 1);
    is_deeply([ map { $_->{identifier} }
                @{call(200, GET => $path)->{unsupported}} ],
              [ 'c-items', 'ngx_mdm.status-subscriptions' ],
              'one that speaks of them');
    is_deeply(call(200, GET => 'status/U-1')->{status}{x}, undef,
              'and has no more');

    $d->enroll;
    is_deeply(call(200, GET => $path)->{unsupported}, [],
              'enrolled again: nothing is known');
}


# what a system does not have, where the client has not said so

{
    my $d = $t->device('O-1');

    call(204, PUT => 'declarations?validate=0', { Identifier => 'c-passcode',
         Type => "$type.passcode.settings",
         Payload => { MinimumComplexCharacters => 1 } });
    call(204, PUT => 'declarations?validate=0', { Identifier => 'c-disk',
         Type => "$type.diskmanagement.settings", Payload => {} });
    call(204, PUT => "set-declarations/o?declaration=$_")
        for qw(c-passcode c-disk);
    call(204, PUT => 'enrollment-sets/O-1?set=o');

    ok($d->authenticate(OSVersion => '13.0')->status == 200
       && $d->token_update->status == 200, 'an older system');
    settle();
    told_first($d);

    is_deeply([ grep { $_->{identifier} =~ /^c-(?:disk|passcode)$/ }
                @{call(200, GET => 'enrollment-declarations/O-1')
                  ->{unsupported}} ], [
        { identifier => 'c-disk', reason =>
          qq(the type "$type.diskmanagement.settings" needs macOS 15.0, )
          . 'the device has 13.0' },
        { identifier => 'c-passcode', reason =>
          'Payload.MinimumComplexCharacters needs macOS 13.1, '
          . 'the device has 13.0' } ], 'a type and a key');
}


# what is for another channel, or for devices that are managed otherwise

{
    my $path = 'enrollment-declarations/M-1';
    my %ids = ('c-math' => [ 'math.settings', {} ],
               'c-tasks' => [ 'services.background-tasks', {} ],
               'c-pass' => [ 'passcode.settings', { MinimumLength => 4 } ]);

    for my $id (sort keys %ids) {
        call(204, PUT => 'declarations?validate=0', { Identifier => $id,
             Type => "$type.$ids{$id}[0]", Payload => $ids{$id}[1] });
        call(204, PUT => "set-declarations/m?declaration=$id");
    }

    call(204, PUT => "enrollment-sets/$_?set=m") for qw(M-1 M-1:USER E-1);

    my $d = $t->device('M-1');
    my $user = $d->user('USER');
    my $e = $t->device('E-1', user_enrollment => 1);

    $_->authenticate(OSVersion => '26.0') for $d, $e;
    is($_->token_update->status, 200, 'enrolled') for $d, $user, $e;
    settle();

    my $why = sub {
        my $m = call(200, GET => "enrollment-declarations/$_[0]");

        return { map { $_->{identifier} => $_->{reason} =~ s/^the type "\S+"//r }
                 grep { $ids{$_->{identifier}} } @{$m->{unsupported}} };
    };

    is_deeply($why->('M-1'), { 'c-math' => ': only on the user channel' },
              'the device channel');
    is_deeply($why->('M-1:USER'), { 'c-tasks' => ': not on the user channel' },
              'the user channel');
    is_deeply($why->('E-1'), { map { $_ => ': not with User Enrollment' }
                               keys %ids }, 'User Enrollment');

    # supervised, or not: the device says it in an answer

    for my $supervised (0, 1) {
        $t->enqueue('M-1', $t->command("info-$supervised",
            'DeviceInformation', Queries => [ 'IsSupervised' ]));

        my $r = $d->idle;

        while ($r->status == 200 && length $r->body) {
            my $c = plist_read($r->body);

            $r = $d->report('Acknowledged', $c->{CommandUUID},
                $c->{Command}{RequestType} eq 'DeviceInformation'
                ? (QueryResponses => { IsSupervised => \$supervised }) : ());
        }

        is_deeply($why->('M-1'), $supervised
            ? { 'c-math' => ': only on the user channel' }
            : { 'c-math' => ': needs a supervised device',
                'c-tasks' => ': needs a supervised device' },
            $supervised ? 'supervised' : 'not supervised');
    }

    # nothing is taken away for it

    is(scalar(grep { $ids{$_} } split / /, ids(call(200, GET => $path))), 3,
       'the manifest has all of them');
}


# what is left out

{
    my $d = $t->device('W-1', path => '/less')->enroll;
    my ($n, $token) = told_first($d);
    my $less = '/api-less/v1/enrollment-declarations/W-1';

    is($n, 1, 'told');
    is(ids(answer($d, 'declaration-items')), "@all", 'all, at first');

    says($d, \@types);

    my $items = answer($d, 'declaration-items');

    is(ids($items), join(' ', grep { $_ ne 'c-new' } @all),
       'then without what it does not support');
    isnt($items->{DeclarationsToken}, $token, 'by another token');
    is(answer($d, 'tokens')->{SyncTokens}{DeclarationsToken},
       $items->{DeclarationsToken}, 'in tokens');

    ($n, $token) = told($d);
    is($n, 1, 'it is told');
    is($token, $items->{DeclarationsToken}, 'with the same token');

    my $shown = call(200, GET => $less);

    is_deeply([ @$shown{qw(Declarations DeclarationsToken)} ],
              [ @$items{qw(Declarations DeclarationsToken)} ],
              'the API shows the same');
    is(@{$shown->{unsupported}}, 3, 'and names what is not there');

    says($d, [ reverse @types ]);
    is(told($d), 0, 'the same in another order: nothing is told');
    says($d, [ @types, "$type.new.thing" ]);
    is(told($d), 1, 'more: it is told');
    is(ids(answer($d, 'declaration-items')), "@all", 'and has all');
    isnt(answer($d, 'tokens')->{SyncTokens}{DeclarationsToken}, $token,
         'by another token again');
}


# one that refuses the command

sub change {
    call(204, PUT => 'declarations', { Identifier => 'c-test',
         Type => "$type.management.test", Payload => { Echo => $_[0] } });
    settle();
}

{
    my $d = $t->device('R-1')->enroll;
    my $path = 'enrollment-declarations/R-1';

    ok(!exists call(200, GET => $path)->{refused}, 'no mark');
    is((told_first($d, 'Error'))[0], 1, 'told, and refused');
    like(call(200, GET => $path)->{refused}, qr/^\d{4}-.*Z$/, 'marked');

    change('one');
    is(told($d), 0, 'a change: it is not told');
    call(204, POST => 'notify?id=R-1');
    is(told($d), 0, 'not by a call either');

    $d->enroll;
    ok(!exists call(200, GET => $path)->{refused}, 'enrolled: no mark');
    is(told($d, 'Error'), 1, 'it is told again, and refuses again');
    change('two');
    is(told($d), 0, 'a change: it is not told');

    # another system

    says($d, undef, items => { device => { 'operating-system' =>
        { version => '99.1' } } });
    ok(!exists call(200, GET => $path)->{refused}, 'upgraded: no mark');
    is(told($d), 1, 'it is told');
    change('three');
    is(told($d), 1, 'and of changes, too');
}

$t->finish;
