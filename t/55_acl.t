#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Least privilege: the user of docs/keyspace.md has what scripts call and no
# more, each of its commands is missed where it is taken away, and the suite
# sees that.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP 'encode_json';
use Test::More;

use MDM;
use MDM::Sink;
use MDM::Util qw(read_file);

my ($user, undef, @rules) = MDM::Redis::documented_user();

is($user, 'mdm', 'the documented user');
ok(!grep({ /^(?:\+@|allcommands|allkeys|~\*|allchannels|&)/ } @rules),
   'has no category of commands, no foreign keys, no channels')
    or diag("@rules");
is_deeply([ grep { /^~/ } @rules ], [ '~mdm:*' ], 'has keys of one prefix');

# what scripts call, from their sources

my %called;

for my $file (glob "$MDM::root/src/lua/*.lua") {
    $called{lc $_} = 1 for read_file($file) =~ /redis\.call\(\s*'([A-Z]+)'/g;
    $called{xadd} = 1 if $file =~ m{/_event\.lua$};
}

$called{'xinfo|groups'} = delete $called{xinfo};

# what the module calls by itself

my @module = qw(select eval evalsha client|setname script|load info
                wait waitaof role cluster|slots asking);
my %granted = map { s/^\+//r => 1 } grep { /^\+/ } @rules;
my %script = %granted;

delete @script{@module};
is_deeply([ sort keys %script ], [ sort keys %called ],
          'granted is what scripts call');


# A bit of everything.  A request that is refused ends nothing: what Redis
# has refused is told by its ACL LOG.

my $t = MDM->new(server => 'mdm_queue_limit 8;');
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);

$t->{http} = 'mdm_webhook ' . $sink->url . ' name=hook;'
             . ' mdm_event_group readers;';
$t->start;
my $n = 0;

is_deeply([ grep { $_ ne '+waitaof' } sort keys %MDM::Redis::unknown ], [],
          'the server knows each command, but for one of Redis 7.2');

sub ddm {
    my ($method, $path, $body) = @_;

    return $t->api($method, "/v1/$path",
                   $body ? (body => encode_json($body)) : ());
}


# patience: seconds that a rollout may take

sub tour {
    my ($patience) = @_;

    my $id = 'ACL-' . ++$n;
    my $d = $t->device($id);
    my @bad;
    my ($a, $c) = ("a$n", "c$n");
    my $set = "set-declarations/set$n?declaration=";

    my $step = sub {
        my ($what, $r, $status) = @_;

        push @bad, "$what: " . $r->status if $r->status != ($status // 200);

        return $r;
    };
    my $queue = sub { return $t->enqueue($id, $t->command($_[0],
                                                          'ProfileList')) };

    $step->('a declaration', ddm(PUT => 'declarations', { Identifier => $c,
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => "$n" } }), 204);
    $step->('one that refers', ddm(PUT => 'declarations', { Identifier => $a,
        Type => 'com.apple.activation.simple', Payload =>
            { StandardConfigurations => [ $c ], Predicate => "$n" } }), 204);
    $step->('into a set', ddm(PUT => $set . $_), 204) for $a, $c;
    $step->('its sets', ddm(GET => "declaration-sets/$c"));
    $step->('its own', ddm(PUT => "status-subscriptions/$id?kind=enrollment",
                           [ 'device.model.family' ]), 204);
    $step->('Authenticate', $d->authenticate);
    $step->('TokenUpdate', $d->token_update);
    push @bad, tour_of_events($id, $step);

    $step->('a user', $d->user("USER-$n")->token_update);
    $step->('SetBootstrapToken', $d->set_bootstrap_token('token'));
    $step->('tokens', $d->message('DeclarativeManagement',
                                  Endpoint => 'tokens'));
    $step->('notify', ddm(POST => "notify?declaration=$c&id=$id"), 204);
    $step->('out of the set', ddm(DELETE => $set . $_), 204) for $a, $c;
    $step->('deleted', ddm(DELETE => "declarations/$_"), 204) for $a, $c;
    eval { $d->drain; 1 } or push @bad, "the queue: $@";
    $step->("enqueue $_", $queue->("u$_")) for 1 .. 5;
    $step->('the same again', $queue->('u2'));
    $step->('Idle', $d->idle);
    $step->('NotNow', $d->report('NotNow', 'u1'));
    $step->('Acknowledged', $d->report('Acknowledged', 'u1'));
    $step->('out of turn', $d->report('Acknowledged', 'u4'));
    $step->('enrollment', $t->api(GET => "/v1/enrollments/$id"));
    $step->('queue', $t->api(GET => "/v1/queue/$id?after=u2"));
    $step->('result', $t->api(GET => "/v1/queue/$id/u1"));
    $step->('delete', $t->api(DELETE => "/v1/queue/$id/u5"), 204);
    $step->('clear', $t->api(DELETE => "/v1/queue/$id"), 204);
    $step->('query', $t->api(POST => '/v1/enrollments/query', body => '{}'));

    my $challenge = $step->('challenge', $t->api(POST => '/v1/challenge'));

    $step->('challenges', $t->api(GET => '/v1/challenges'));
    $step->('its end', $t->api(DELETE => '/v1/challenges/'
        . (eval { $challenge->json->{challenge_id} } // 'none')), 204);

    push @bad, tour_of_declarations($id, $d, $step, $patience);

    # a queue that is too long to be emptied at once

    $step->('one more', $queue->('u9'));

    my ($e) = @{$t->redis('KEYS', "mdm:{*}:e:$id")};

    $t->redis('RPUSH', $e =~ s/:e:/:q:/r, map { "long$_" } 1 .. 600) if $e;
    $step->('Authenticate anew', $d->authenticate);

    $step->('CheckOut', $d->checkout);
    $step->('reset', $t->api(DELETE => "/v1/enrollments/$id/certificate"),
            204);

    return @bad;
}


# who gets events: a webhook, and a group that has not acknowledged all

sub tour_of_events {
    my ($id, $step) = @_;

    my ($e) = @{$t->redis('KEYS', "mdm:{*}:e:$id")};

    return 'no key' unless $e;

    my $stream = $e =~ s/:e:.*/:events/r;

    $t->redis('XGROUP', 'CREATE', $stream, 'readers', '0', 'MKSTREAM');
    $t->redis('XREADGROUP', 'GROUP', 'readers', 'me', 'COUNT', 1, 'STREAMS',
              $stream, '>');
    $t->redis('XADD', $stream =~ s/events$/dead:hook/r, '*',
              event => 'mdm.Pin', id => $id, data => '{}', entry => '1-1');
    $step->('webhooks', $t->api(GET => '/v1/webhooks'));
    $step->('since', $t->api(POST => '/v1/webhooks/hook/replay',
                             body => '{"since":"2026-01-01T00:00:00Z"}'), 204);
    $step->('dead', $t->api(POST => '/v1/webhooks/hook/replay',
                            body => '{"dead":true}'), 204);

    return;
}


# what is in a set gets to a device, and what that says of it

sub tour_of_declarations {
    my ($id, $d, $step, $patience) = @_;

    my @bad;
    my $conf = sub {
        return $step->('a declaration', $t->api(PUT => '/v1/declarations',
            body => qq({"Identifier":"c-$n","Type":"com.apple.configuration.)
                    . qq(management.test","Payload":{"Echo":"$_[0]"}})), 204);
    };

    $conf->(1);
    $step->('declarations', $t->api(GET => '/v1/declarations'));
    $step->('in use', $t->api(PUT => "/v1/set-declarations/s-$n?declaration="
                                     . "c-$n"), 204);
    $step->('needed', $t->api(DELETE => "/v1/declarations/c-$n"), 409);
    $conf->(2);
    $step->('sets', $t->api(GET => '/v1/sets'));
    $step->('assigned', $t->api(PUT => "/v1/enrollment-sets/$id?set=s-$n"),
            204);

    my $refused;

    wait_for($patience, sub {
        my $rollout = $t->api(GET => '/v1/ddm/rollout')->body;

        return 1 if $rollout =~ /"state":"done","rev":(\d+),.*"rolled_out":\1,/;

        # it may never end, and that is known by now

        $refused = $patience < 40 && @{$t->redis('ACL', 'LOG', 1)};

        return $refused;
    }) && !$refused or push @bad, 'rollout';

    $step->('tokens', $d->ddm('tokens'));
    $step->('items', $d->ddm('declaration-items'));
    $step->('manifest', $t->api(GET => "/v1/enrollment-declarations/$id"));
    $step->('subscriptions', $t->api(PUT => "/v1/status-subscriptions/s-$n",
            body => '["device.model.family"]'), 204);
    $step->('not assigned', $t->api(DELETE => "/v1/enrollment-sets/$id?set="
                                              . "s-$n"), 204);
    $step->('out of use', $t->api(DELETE => "/v1/set-declarations/s-$n"
                                            . "?declaration=c-$n"), 204);
    $step->('gone', $t->api(DELETE => "/v1/declarations/c-$n"), 204);
    $step->('status', $d->ddm('status', '{"StatusItems":{"device":{"operating'
        . '-system":{"version":"18.1"}}},"Errors":[],"FullReport":true}'));
    $step->('status again', $d->ddm('status', '{"StatusItems":{"device":{'
        . '"operating-system":{"version":"18.2"}}},"Errors":[{"StatusItem":'
        . '"device.x","Reasons":[{"Code":"Error.Unknown"}]}]}'));
    $step->('status in full', $d->ddm('status',
        '{"StatusItems":{},"Errors":[],"FullReport":true}'));
    $step->('status question', $t->api(POST => '/v1/status/query',
        body => '{"item":"device.operating-system.version","predicate":'
                . '{"op":">","value":"18.1"}}'));
    $step->('errors', $t->api(GET => "/v1/status-errors/$id"));
    $step->('values', $t->api(GET => "/v1/status-values/$id"));
    $step->('report', $t->api(GET => "/v1/status-report/$id?index=0"));

    return @bad;
}


sub refused {
    my %seen = map { $_->{object} => 1 } map { my %e = @$_; \%e }
               @{$t->redis('ACL', 'LOG', 128)};

    $t->redis('ACL', 'LOG', 'RESET');

    return sort keys %seen;
}

my @bad = tour(40);

ok(!@bad, 'with all of them: all is well') or diag("@bad");
is_deeply([ refused() ], [], 'with all of them: nothing is refused');

# not reached: only after ten thousand results of one device; only when a
# worker looks for jobs of others, every 10 seconds; only where pushes are sent

delete @script{qw(zpopmin zrange)};

for my $command (sort keys %script) {
    $t->redis('ACL', 'SETUSER', $user, "-$command");
    @bad = tour(10);

    # behind it: webhooks and jobs go on meanwhile

    $t->redis('ACL', 'SETUSER', $user, "+$command");
    is_deeply([ refused() ], [ $command ], "without $command: it is refused");
}

# what is called at connect; three of them it can do without

for my $command (qw(evalsha eval client|setname info script|load)) {
    SKIP: {
        my $said = $t->redis_server->try_cmd('ACL', 'SETUSER', $user,
                                             "-$command");

        skip 'Redis 6.2 takes no subcommand away', 2 if ref $said;

        $t->redis('SCRIPT', 'FLUSH') if $command eq 'eval';
        $t->reload;
        @bad = tour($command =~ /\||^info$/ ? 40 : 10);
        is_deeply([ refused() ], [ $command ],
                  "without $command: it is refused");

        if ($command =~ /\||^info$/) {
            ok(!@bad, "without $command: all is well") or diag("@bad");
        }

        $t->redis('ACL', 'SETUSER', $user, "+$command");
    }
}

# a tour that was refused halfway may have left a lease of 15 seconds behind

$t->reload;
@bad = tour(40);
ok(!@bad, 'all of them again: all is well') or diag("@bad");
is_deeply([ refused() ], [], 'all of them again: nothing is refused');

finish;
