#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Setups: what new devices get, and how they come out of Setup Assistant,
# whatever becomes of the commands, of the device and of the worker.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use Time::HiRes qw(sleep time);

use MDM;
use MDM::Sentinel;
use MDM::Util qw(read_file spawn wait_exit);


my $t = MDM->new(workers => 2, store => 'partitions 16;',
                 locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }

        location /always {
            mdm_checkin on;
            mdm_connect on;
            mdm_release always;
        }

        location /off {
            mdm_checkin on;
            mdm_connect on;
            mdm_release off;
        }

        location /api/ { mdm_api on; }
END

my $json = JSON::PP->new->canonical;
my $true = JSON::PP::true;


sub put {
    my ($name, $setup) = @_;

    my $r = $t->api(PUT => "/v1/setups/$name",
                    body => ref $setup ? $json->encode($setup) : $setup);

    return $r->status;
}

sub gone { return $t->api(DELETE => "/v1/setups/$_[0]")->status }

sub shown { return $t->api(GET => "/v1/enrollments/$_[0]")->json }

sub step { my ($type, %keys) = @_;
           return { command => { RequestType => $type, %keys } } }

sub events {
    my ($id, $name) = @_;

    return map { JSON::PP->new->utf8->decode($_->{data}) }
        grep { $_->{event} eq $name && $_->{id} eq $id }
        map { my %e = @{$_->[1]}; \%e }
        map { @{$t->redis('XRANGE', $_, '-', '+')} }
        @{$t->redis('KEYS', 'mdm:{default/*}:events')};
}

sub left { return sort grep { /:w:|:wait$/ } @{$t->redis('KEYS', '*')} }

sub waiting {
    my ($id, %o) = @_;

    my $d = $t->device($id, %o);

    is($d->authenticate->status, 200, "$id: Authenticate");
    is($d->token_update(AwaitingConfiguration => \1)->status, 200,
       "$id: TokenUpdate, and it waits");

    return $d;
}

# polls, and answers as is said by RequestType: what was asked, in its order

sub answer {
    my ($d, %how) = @_;

    my @types;
    my $r = $d->idle;

    while (length $r->body) {
        my $c = plist_read($r->body);
        my $type = $c->{Command}{RequestType};

        push @types, $type;
        return @types if ($how{$type} // '') eq 'stop' || @types > 50;
        $r = $d->report($how{$type} // 'Acknowledged', $c->{CommandUUID});
    }

    return @types;
}


# what is put

is(put('office', { filter => { model => [ 'Mac*' ] }, set => 'office',
       hold => 'acknowledged', timeout => '15m',
       steps => [ step('AccountConfiguration',
                       SkipPrimarySetupAccountCreation => $true),
                  step('ProfileList') ] }), 204, 'a setup is put');

my $got = $t->api(GET => '/v1/setups/office')->json;

is("$got->{timeout} $got->{hold} " . @{$got->{steps}}, '900 acknowledged 2',
   'and read');
is_deeply($t->api(GET => '/v1/setups')->json, [ 'office' ], 'and listed');
for my $bad ('', '[]', '{', '{"why":1}', '{"filter":[]}',
             '{"filter":{"serial":["x"]}}', '{"filter":{"model":[]}}',
             '{"filter":{"model":[1]}}', '{"set":""}', '{"set":1}',
             '{"hold":"x"}', '{"timeout":0}', '{"timeout":"2d"}',
             '{"steps":{}}', '{"steps":[{}]}', '{"steps":[1]}',
             '{"steps":[{"command":1}]}', '{"steps":[{"command":{}}]}',
             '{"steps":[{"command":{"RequestType":"A"},"x":1}]}',
             '{"steps":[{"command_plist":"!"}]}',
             '{"steps":[{"command_plist":"QQ=="}]}',
             '{"steps":[{"command":{"RequestType":"DeviceConfigured"}}]}',
             '{"steps":[{"command":{"RequestType":"A","CommandUUID":"B"}}]}',
             '{"steps":[{"command_plist":"'
             . encode_base64(plist($t->command('U', 'ProfileList')), '')
             . '"}]}',
             '{"steps":[{"command":{"RequestType":1}}]}')
{
    is(put('bad', $bad), 400, "refused: " . substr $bad, 0, 60);
}

is($t->api(GET => '/v1/setups/bad')->status, 404, 'none of these is there');
is(put('bad', { steps => [ (step('ProfileList')) x 33 ] }), 400,
   'too many steps');
is(put('office', {}), 204, 'it is changed');
gone($_) for @{$t->api(GET => '/v1/setups')->json};
is(scalar(map { @{$t->redis('XRANGE', $_, '-', '+')} }
          'mdm:{default/prof}:events') >= 3, 1, 'changes are events');

{
    is(put("n$_", {}), 204, "setup $_") for 1 .. 32;
    is(put('n33', {}), 409, 'one too many');
    is(put('n1', { hold => 'none' }), 204, 'not one that is there');
    gone("n$_") for 1 .. 32;
}


# all acknowledged

put('b-mac', { filter => { model => [ 'Mac*' ] }, hold => 'acknowledged',
    set => 'office', steps => [ step('AccountConfiguration',
        SkipPrimarySetupAccountCreation => $true),
        step('Settings', Settings => [ { Item => 'DeviceName',
             DeviceName => '${serial} at ${site}' } ]) ] });
put('a-all', { steps => [ { command_plist => encode_base64(plist({ Command => {
    RequestType => 'InstallProfile', Payload => plist_data('x'x 50) } }),
    '') } ] });
put('c-ipad', { filter => { model => [ 'iPad*' ] },
    steps => [ step('ProfileList') ] });
put('d-tag', { filter => { tag => [ 'la*' ] },
    steps => [ step('SecurityInfo') ] });
$t->api(PUT => '/v1/declarations?nonotify=1', body => $json->encode({
    Identifier => 'com.example.x', Payload => { Echo => 'x' },
    Type => 'com.apple.configuration.management.test' }));
$t->api(PUT => '/v1/set-declarations/office?declaration=com.example.x');

{
    $t->api(PUT => '/v1/enrollment-variables/MAC-1?variable=site&value=north');

    my $d = waiting('MAC-1');
    my $shown = shown('MAC-1');

    ok($shown->{awaiting_configuration} && !$shown->{awaiting},
       'it waits, and is let out');

    my @got;
    my $r = $d->idle;

    for (1 .. 3) {
        my $c = plist_read($r->body);

        push @got, $c->{Command}{RequestType};
        is($c->{Command}{Settings}[0]{DeviceName}, 'SMAC-1 at north',
           'variables are filled in') if $c->{Command}{Settings};
        is(scalar(events('MAC-1', 'mdm.Released')), 0, 'not yet');
        $r = $d->report('Acknowledged', $c->{CommandUUID});
    }

    is_deeply(\@got, [ qw(InstallProfile AccountConfiguration Settings) ],
              'the steps, by the names of setups');

    my $c = plist_read($r->body);

    is($c->{Command}{RequestType}, 'DeviceConfigured',
       'the way out comes in the same exchange');
    is((events('MAC-1', 'mdm.Released'))[0]{why}, 'answered', 'an event');
    $r = $d->report('Acknowledged', $c->{CommandUUID});
    is(plist_read($r->body)->{Command}{RequestType}, 'DeclarativeManagement',
       'behind it come declarations') if length $r->body;
    ok(!shown('MAC-1')->{awaiting_configuration}, 'it does not wait any more');
    is_deeply([ left() ], [], 'nothing is left');
    is_deeply($t->api(GET => '/v1/enrollment-sets/MAC-1')->json, [ 'office' ],
              'it has the set');
    is_deeply((events('MAC-1', 'mdm.Setup'))[0],
              { setups => [ 'a-all', 'b-mac' ], commands => 3 }, 'an event');

    $d->drain;
    is($d->token_update->status, 200, 'another TokenUpdate');
    is_deeply([ answer($d) ], [], 'brings nothing');

    $d->authenticate;
    $d->token_update(AwaitingConfiguration => \1);
    is_deeply([ grep { $_ ne 'DeclarativeManagement' } answer($d) ],
              [ qw(InstallProfile AccountConfiguration Settings
                   DeviceConfigured) ], 'an enrolment anew does');
}


# who does not wait gets the commands, and no way out

{
    my $d = $t->device('MAC-2');

    $t->api(PUT => '/v1/enrollment-tags/MAC-2?tag=lab');
    $d->authenticate;
    $d->token_update;
    is_deeply([ grep { $_ ne 'DeclarativeManagement' } answer($d) ],
              [ qw(InstallProfile AccountConfiguration Settings
                   SecurityInfo) ], 'all that fits');
    is_deeply([ left() ], [], 'nothing is left');
}


# an error is an answer

{
    my $d = waiting('MAC-3');

    is_deeply([ grep { $_ ne 'DeclarativeManagement' }
                answer($d, Settings => 'Error',
                       InstallProfile => 'CommandFormatError') ],
              [ qw(InstallProfile AccountConfiguration Settings
                   DeviceConfigured) ], 'errors: it comes out');
}


# NotNow for ever, and a device that goes away: the time ends it

put('b-mac', { filter => { model => [ 'Mac*' ] }, hold => 'acknowledged',
    timeout => '2s', steps => [ step('AccountConfiguration',
        SkipPrimarySetupAccountCreation => $true), step('ProfileList') ] });
gone('a-all');

{
    my $d = waiting('MAC-4');
    my $away = waiting('MAC-5');
    my @got = answer($d, AccountConfiguration => 'NotNow',
                     ProfileList => 'NotNow');

    is_deeply([ grep { $_ ne 'DeclarativeManagement' } @got ],
              [ qw(AccountConfiguration ProfileList) ], 'NotNow');
    is(plist_read($away->idle->body)->{Command}{RequestType},
       'AccountConfiguration', 'another one has been asked, and is away');

    ok(wait_for(20, sub { events('MAC-4', 'mdm.Released')
                          && events('MAC-5', 'mdm.Released') }),
       'the time is over');
    is((events('MAC-4', 'mdm.Released'))[0]{why}, 'timeout', 'which is said');
    is(scalar(@{(events('MAC-4', 'mdm.Released'))[0]{dropped}}), 1,
       'what is of no use any more goes');

    for ($d, $away) {
        my @now = grep { $_ ne 'DeclarativeManagement' } answer($_);

        is($now[0], 'DeviceConfigured', 'it is let out first');
        is(scalar(grep { $_ eq 'DeviceConfigured' } @now), 1, 'once');
        is(scalar(grep { $_ eq 'AccountConfiguration' } @now), 0,
           'nothing that it would refuse by now');
    }

    is_deeply([ left() ], [], 'nothing is left');
}


# a command that is taken out of the queue is not waited for longer than that

{
    my $d = waiting('MAC-6');

    $t->api(DELETE => '/v1/queue/MAC-6');
    ok(wait_for(20, sub { events('MAC-6', 'mdm.Released') }), 'queue cleared');
    is_deeply([ answer($d) ], [ 'DeviceConfigured' ], 'it comes out');
}


# DeclarativeManagement never holds

put('b-mac', { filter => { model => [ 'Mac*' ] }, hold => 'acknowledged',
    steps => [ step('ProfileList'), step('DeclarativeManagement') ] });

{
    my $d = waiting('MAC-7');
    my @got = answer($d, DeclarativeManagement => 'stop');

    is("@got[0, 1]", 'ProfileList DeviceConfigured',
       'it is let out before it is asked');
}


# hold none: at once, and behind what was said

put('b-mac', { filter => { model => [ 'Mac*' ] },
    steps => [ step('ProfileList'), step('SecurityInfo') ] });

{
    my $d = waiting('MAC-8');

    $t->enqueue('MAC-8', $t->command(undef, 'UserList'));
    is_deeply([ grep { $_ ne 'DeclarativeManagement' } answer($d,
                ProfileList => 'NotNow') ],
              [ qw(ProfileList SecurityInfo ProfileList DeviceConfigured
                   ProfileList UserList ProfileList) ],
              'the way out waits for nobody');
    is_deeply([ left() ], [], 'nothing is left');
}


# no setup fits

{
    my $d = waiting('IPHONE-1');
    my $other = $t->device('IPHONE-2');

    ok(scalar(events('IPHONE-1', 'mdm.Released')), 'a Mac by its model');

    gone($_) for @{$t->api(GET => '/v1/setups')->json};

    for ($d, $other) {
        $_->authenticate(Model => 'MQ', ProductName => 'iPhone12,1');
        $_->token_update(AwaitingConfiguration => \1);
    }

    is(scalar(events('IPHONE-2', 'mdm.Waiting')), 1, 'an event');
    ok(shown('IPHONE-2')->{awaiting}, 'the API says so');
    ok($t->wait_log(qr/"IPHONE-2" waits in Setup Assistant/), 'and the log');
    is_deeply([ answer($other) ], [], 'nothing is queued');
    is_deeply([ left() ], [], 'nothing is left');

    $t->enqueue('IPHONE-2', $t->command(undef, 'DeviceConfigured'));
    answer($other);
    ok(!shown('IPHONE-2')->{awaiting}, 'a tool lets it out');

    $other->{path} = '/always';
    $other->authenticate(ProductName => 'iPhone12,1');
    $other->token_update(AwaitingConfiguration => \1);
    is_deeply([ answer($other) ], [ 'DeviceConfigured' ],
              'mdm_release always: it is let out');

    put('any', { steps => [ step('ProfileList') ] });
    $other->{path} = '/off';
    $other->authenticate(ProductName => 'iPhone12,1');
    $other->token_update(AwaitingConfiguration => \1);
    is_deeply([ answer($other) ], [ 'ProfileList' ],
              'mdm_release off: the commands alone');
    ok(shown('IPHONE-2')->{awaiting}, 'it waits');
    gone('any');
}


# a user of a Shared iPad

put('users', { filter => { type => [ 'Shared iPad' ] },
    hold => 'acknowledged', steps => [ step('ProfileList') ] });

{
    my $d = $t->device('IPAD-1');
    my $user = $d->user('FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF', short => 'ann');

    $d->authenticate(ProductName => 'iPad13,1');
    $d->token_update;
    is_deeply([ answer($d) ], [], 'the device gets nothing');
    $user->token_update(AwaitingConfiguration => \1);
    is_deeply([ answer($user) ], [ qw(ProfileList UserConfigured) ],
              'its user does');
    gone('users');
}


# workers that end

put('all', { hold => 'acknowledged', steps => [ step('ProfileList'),
    step('SecurityInfo'), step('UserList') ] });

{
    my $d = waiting('MAC-10');
    my @got;

    for (1 .. 3) {
        my $c = plist_read($d->idle->body);

        push @got, $c->{Command}{RequestType};
        $t->kill_worker('KILL', $_) for $t->workers;
        $d->report('Acknowledged', $c->{CommandUUID});
    }

    push @got, answer($d);
    is_deeply([ grep { $_ ne 'DeclarativeManagement' } @got ],
              [ qw(ProfileList SecurityInfo UserList DeviceConfigured) ],
              'killed between steps: one way out, the last one');
}

# behind token_update, before the setups were read: they cannot be, as long as

{
    my $key = 'mdm:{default/prof}:setup';

    $t->redis('RENAME', $key, "$key.away");
    $t->redis('SET', $key, 'no set');

    my $d = waiting('MAC-11');

    is_deeply([ answer($d) ], [], 'nothing has begun');
    $t->redis('DEL', $key);
    $t->redis('RENAME', "$key.away", $key);
    ok(wait_for(60, sub { events('MAC-11', 'mdm.Setup') }), 'a job does');
    is_deeply([ answer($d) ],
              [ qw(ProfileList SecurityInfo UserList DeviceConfigured) ],
              'once');
    is_deeply([ left() ], [], 'nothing is left');
}

gone($_) for @{$t->api(GET => '/v1/setups')->json};


# a failover of Redis in the midst of it

{
    my $o = MDM->new(redis => 0, workers => 2);
    my $s = MDM::Sentinel->new(dir => $o->dir . '/sentinel', replicas => 2,
                               args => [ '--min-replicas-to-write', 1 ]);
    my ($insist, $count);

    # a device repeats what was not answered

    $insist = sub {
        my ($do) = @_;
        my ($end, $r) = time + 30;

        while (time < $end) {
            $r = eval { $do->() };
            return $r if $r && $r->status == 200;
            $count++;
            sleep 0.1;
        }

        die 'no answer';
    };

    $s->start;
    $o->write_conf(store_conf => 'mdm_store main { mode sentinel mymaster; '
        . join(' ', map { "server $_->{addr};" } $s->sentinels) . $s->auth
        . ' partitions 16; durability wait 1 400ms; }');
    $o->start_nginx;

    is($o->api(PUT => '/v1/setups/all', body => $json->encode({
           hold => 'acknowledged', steps => [ step('ProfileList'),
           step('SecurityInfo') ] }))->status, 204, 'a setup, with Sentinel');

    # before TokenUpdate; before the first answer; before the last one; before
    # the way out is answered

    my $trouble = sub {
        my ($how) = @_;

        return $s->failover if $how eq 'failover';

        my $dead = $s->master;

        $dead->kill9;

        return $dead;
    };

    for ([ 0, 'kill' ], [ 1, 'failover' ], [ 2, 'kill' ], [ 3, 'failover' ]) {
        my ($when, $how) = @$_;
        my $d = $o->device("FAILOVER-$when");
        my (@types, %known, $dead);
        my $fails = sub {
            $dead = $trouble->($how) if @types == $when && !$dead;
        };

        $count = 0;
        is($insist->(sub { $d->authenticate })->status, 200, 'Authenticate');
        $fails->();
        $insist->(sub { $d->token_update(AwaitingConfiguration => \1) });

        my $r = $insist->(sub { $d->idle });

        while (length $r->body && @types < 20) {
            my $c = plist_read($r->body);

            push @types, $c->{Command}{RequestType}
                unless $known{$c->{CommandUUID}}++;
            $fails->();
            $r = $insist->(sub { $d->report('Acknowledged',
                                            $c->{CommandUUID}) });
        }

        is_deeply(\@types, [ qw(ProfileList SecurityInfo DeviceConfigured) ],
                  "$how, $when answered: one way out, the last one")
            or diag("@types");
        note("$count attempts failed");

        $dead->start if $how eq 'kill';
        $s->wait_ok;
        ok(!$o->api(GET => "/v1/enrollments/FAILOVER-$when")->json
           ->{awaiting_configuration}, 'it is out');
    }

    is_deeply([ grep { /:w:|:wait$/ } @{$s->master->cmd('KEYS', '*')} ], [],
              'nothing is left');
    $o->quit;
    $s->stop;
}


# many at once

SKIP: {
    my $sim = "$MDM::root/build/mdmsim";

    skip 'no build/mdmsim', 1 unless -x $sim;

    my $n = $ENV{MDM_SETUP_MACS} || 250;
    my $made = File::Temp->newdir('mdm-setup-XXXXXX', TMPDIR => 1);
    my @fleet = ('--dir', "$made/ca", '--quiet', '--kinds', 'mac:1',
                 '--count', $n, '--shared-key', '--connections', 64);

    my $run = sub {
        my ($command, @args) = @_;

        my $to = "$made/$command.out";
        my $rc = wait_exit(spawn({ out => $to }, $sim, $command, @args), 300);
        my $out = read_file($to);

        is($rc, 0, "mdmsim $command") or diag($out);

        return { $out =~ /^(\S+) ([\d.]+) \S+$/mg };
    };

    $run->('ca', '--dir', "$made/ca");

    my $many = MDM->new(workers => 2, ca => { file => "$made/ca/ca.pem" },
                        server => 'large_client_header_buffers 4 16k;')->start;

    push @fleet, '--url', 'https://127.0.0.1:' . $many->port . '/mdm';

    is($many->api(PUT => '/v1/setups/mac', body => $json->encode({
           hold => 'acknowledged', steps => [ step('ProfileList'),
           step('DeviceInformation', Queries => [ 'OSVersion' ]) ] }))->status,
       204, 'a setup');

    is($run->('enroll', @fleet, '--awaiting')->{enrolled}, $n,
       "$n Macs enroll at once");

    my $v = $run->('poll', @fleet, '--error', 20);

    is($v->{commands}, 3 * $n, 'each gets its three commands');
    is($v->{released}, $n, 'each is let out');
    note("p99 of the release: $v->{release_p99} us");
    cmp_ok($v->{release_p99}, '<=', 2_000_000,
           'within two seconds of its last answer');
    is(scalar(grep { /:w:|:wait$/ } @{$many->redis('KEYS', '*')}), 0,
       'nobody is stuck');

    my @waiting = grep { $many->redis('HGET', $_, 'awaiting') }
                  @{$many->redis('KEYS', '*:e:*')};

    # those that have answered DeviceConfigured itself with an error

    ok(@waiting < 0.3 * $n, scalar(@waiting) . ' refuse to come out');
}


finish;
