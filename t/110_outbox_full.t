#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Nobody takes events: what an administrator adds is refused from the limit on,
# and nothing that cannot wait; at twice the limit the oldest events go, which
# is told; results that were not delivered go last, and as lost.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;

use MDM;
use MDM::Plist qw(plist plist_data);
use MDM::Sink;
use MDM::Util qw(wait_for);


my $limit = 30;
my $t = MDM->new(mdm => 'mdm_result_bytes 8k;');
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);
my $json = JSON::PP->new->canonical;

$t->redis_server->start;
$t->write_conf(store => 'partitions 1; connect_timeout 5s; timeout 20s;',
    http => 'mdm_webhook ' . $sink->url('/') . ' name=one timeout=2s'
            . " topics=mdm.*,api.*; mdm_event_limit $limit;");
$t->start_nginx;

sub length_of { return $t->redis('XLEN', "mdm:{default/$_[0]}:events") }

sub settled {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_for(60, sub {
        return $t->api(GET => '/v1/webhooks')->json->[0]{lag_events} == 0;
    }), $what) or diag($t->log);

    return;
}

# those of a topic that the sink has taken

sub taken {
    my ($topic) = @_;

    return grep { $_->{topic} eq $topic }
           map { $_->{status} =~ /^2/ ? $json->decode($_->{body}) : () }
           $sink->ledger;
}

sub call {
    my ($method, $path, $body, @more) = @_;

    return $t->api($method => $path, defined $body
                   ? (body => ref $body ? $json->encode($body) : $body) : (),
                   @more);
}


# what is there when the sink goes away

my $declaration = { Identifier => 'd1',
                    Type => 'com.apple.configuration.management.test',
                    Payload => { Echo => 'one' } };
my $watcher = { items => [ 'device.operating-system.version' ] };
my $setup = { steps => [ { command => { RequestType => 'ProfileList' } } ] };
my $d = $t->device('FULL-1');

$d->enroll;
is($t->device('FULL-2')->enroll->{id}, 'FULL-2', 'another device');
is($t->enqueue('FULL-1', $t->command('c1', 'ProfileList'))->status, 200,
   'a command');
is(call(PUT => '/v1/declarations', $declaration)->status, 204,
   'a declaration');
is(call(PUT => '/v1/set-declarations/s1?declaration=d1')->status, 204,
   'in a set');
is(call(PUT => '/v1/status-watchers/w1', $watcher)->status, 204, 'a watcher');
is(call(PUT => '/v1/serials/S1')->status, 204, 'a serial number');
settled('all of it arrives');

$sink->tell('rule * 500');


# each stream has as many as it may that were not delivered

sub behind {
    my ($stream) = @_;

    my ($place) = split / /, $t->redis('HGET', "mdm:{default/$stream}:out",
                                       'h:one');

    return scalar @{$t->redis('XRANGE', "mdm:{default/$stream}:events",
                              "($place", '+')};
}

sub fill {
    my ($stream, $add) = @_;

    my $i = 0;

    return wait_for(60, sub {
        $add->(++$i) if length_of($stream) < $limit;

        # the last one that was delivered stays

        return length_of($stream) >= $limit && behind($stream) >= $limit - 1;
    });
}

ok(fill(0, sub { $d->authenticate }), 'devices: as many as it may have');
is($d->token_update->status, 200, 'a device is served');


# ids and sets in one call: where ids are refused, sets are not told

{
    my $rev = sub { $t->redis('HGET', 'mdm:{default/ddm}:meta', 'rev') };
    my $was = $rev->();

    is(call(POST => '/v1/notify?set=s1&id=FULL-1')->status, 503,
       'an id of a partition that is full, and a set');
    is($rev->(), $was, 'the set is not told');
    is(call(POST => '/v1/notify?set=s1')->status, 204, 'by itself');
    cmp_ok($rev->(), '>', $was, 'it is');
}

ok(fill(ddm => sub {
    call(PUT => "/v1/status-watchers/x$_[0]", $watcher);
}), 'ddm: as many as it may have');
ok(fill(prof => sub { call(PUT => "/v1/serials/X$_[0]") }),
   'prof: as many as it may have');


# what is refused, for the time being

my $mig = { MessageType => 'Authenticate', UDID => 'MIG-1',
            Topic => 'com.apple.mgmt.External.test' };
my $before = $t->redis_dump;

for my $refused (
    [ PUT => '/v1/enqueue/FULL-1', plist($t->command('c2', 'ProfileList')) ],
    [ POST => '/v1/notify?id=FULL-1' ],
    [ POST => '/v1/notify?set=s1' ],
    [ PUT => '/v1/enrollment-sets/FULL-1?set=s1' ],
    [ PUT => '/v1/enrollment-tags/FULL-1?tag=t1' ],
    [ PUT => '/v1/enrollment-variables/FULL-1', { site => 'x' } ],
    [ PUT => '/migration', plist($mig) ],
    [ PUT => '/v1/declarations', { %$declaration, Payload => { Echo => 'two' } } ],
    [ POST => '/v1/declarations/d1/touch' ],
    [ PUT => '/v1/set-declarations/s2?declaration=d1' ],
    [ PUT => '/v1/set-filters/s1', { tag => [ 't1' ] } ],
    [ PUT => '/v1/status-subscriptions/s1',
      [ 'device.operating-system.version' ] ],
    [ PUT => '/v1/status-watchers/w2', $watcher ],
    [ PUT => '/v1/serials/S2' ],
) {
    my $r = call(@$refused);
    my $what = "$refused->[0] $refused->[1]";
    my $error = $r->json->{error};

    if ($what =~ /enqueue/) {
        $error = $r->json->{status}{'FULL-1'}{command_error};
    }

    is($r->status, 503, "$what: 503") or diag($r->body);
    like($error, qr/^the outbox is full: webhook "one" is \d+ events behind$/,
         "$what: why");
    ok($r->header('Retry-After'), "$what: Retry-After");
}

# but for work, and names that variables may have, nothing is another one

sub kept {
    return { map { /^(\S+ \S+)(.*)/s }
             grep { !/^\S+ "\S*(?::out|\{work\}\S*|:events|:vars|:job)"/ }
             split /^(?=db)/m, $_[0] };
}

is_deeply(kept($t->redis_dump), kept($before), 'and nothing has changed');


# what changes nothing, takes something away, or cannot wait

for my $served (
    [ 200, GET => '/v1/enrollments/FULL-1?include_unlock_token=1' ],
    [ 200, GET => '/v1/queue/FULL-1' ],
    [ 304, PUT => '/v1/declarations', $declaration ],
    [ 204, DELETE => '/v1/set-declarations/s1?declaration=d1' ],
    [ 204, DELETE => '/v1/declarations/d1' ],
    [ 404, PUT => '/v1/set-declarations/s1?declaration=d1' ],
    [ 204, DELETE => '/v1/status-watchers/w1' ],
    [ 204, DELETE => '/v1/serials/S1' ],
    [ 204, PUT => '/v1/setups/new', $setup ],
    [ 204, DELETE => '/v1/setups/new' ],
    [ 204, DELETE => '/v1/queue/FULL-1' ],
    [ 204, POST => '/v1/enrollments/FULL-2/block', {} ],
    [ 204, DELETE => '/v1/enrollments/FULL-2/block' ],
    [ 204, DELETE => '/v1/enrollments/FULL-2/certificate' ],
    [ 204, DELETE => '/v1/enrollments/FULL-2?force=1' ],
    [ 200, POST => '/v1/webhooks/one/test' ],
    [ 204, POST => '/v1/webhooks/one/replay',
      { since => '2001-01-01T00:00:00Z' } ],
) {
    my ($status, @call) = @$served;
    my $r = call(@call);

    is($r->status, $status, "$call[0] $call[1]: $status") or diag($r->body);
}

is($d->idle->status, 200, 'a device polls');
is($d->report('Acknowledged', 'u0')->status, 200, 'and reports');


# at twice the limit the oldest go

{
    $d->authenticate for 1 .. 2 * $limit;
    is($d->token_update->status, 200, 'twice the limit: a device is served');
    cmp_ok(length_of(0), '<=', 2 * $limit + 1, 'there are not more');

    my $dropped = $t->redis('HGET', 'mdm:{default/0}:out', 'dropped');

    cmp_ok($dropped, '>=', $limit, 'how many had to go');

    $sink->clear;
    settled('the sink is back');

    my @told = taken('mdm.EventsDropped');

    ok(@told, 'it is told');
    is($told[-1]{event}{data}{sum}, $dropped, 'how many there were in all');
    is($told[-1]{event}{id}, '', 'of no device');
    is(call(PUT => '/v1/serials/S2')->status, 204,
       'and an administrator is served');
    is($t->enqueue('FULL-1', $t->command('c3', 'ProfileList'))->status, 200,
       'his command, too');
}


# Results that were not delivered go last: of seven there is room for three.

{
    my %sent;
    my $r = $t->device('RESULT-1');

    $r->enroll;
    settled('a device of its own');

    for my $i (1 .. 7) {
        $t->enqueue('RESULT-1', $t->command("r$i", 'ProfileList'));
        settled("result $i: its command") if $i <= 3;
    }

    my $answer = sub {
        my ($i) = @_;

        my $noise = encode_base64(join('', map { chr rand 256 } 1 .. 2250), '');

        $sent{"r$i"} = $noise;
        is($r->report('Acknowledged', "r$i", Noise => $noise)->status, 200,
           "result $i");
    };

    my $there = sub {
        return join ' ', grep {
            defined $t->redis('HGET', "mdm:{default/0}:r:RESULT-1:$_", 'body')
        } map { "r$_" } 1 .. 7;
    };

    settled('commands');
    $answer->($_) for 1 .. 3;
    settled('three are delivered');
    is($there->(), 'r1 r2 r3', 'all of them are kept');

    $sink->clear;
    $sink->tell('rule * 500');

    $answer->($_) for 4 .. 6;
    is($there->(), 'r4 r5 r6', 'those that were delivered go first');

    $answer->(7);
    is($there->(), 'r5 r6 r7', 'then the oldest of the others');

    $sink->clear;
    settled('the sink is back');

    my %got = map { $_->{acknowledge_event}{command_uuid}
                    => $_->{acknowledge_event} } taken('mdm.Connect');

    is($got{r4}{raw_payload}, '', 'what has gone is sent empty');
    is($got{r4}{result_lost}, JSON::PP::true, 'and as lost');

    for my $uuid ('r5', 'r6', 'r7') {
        like(decode_base64($got{$uuid}{raw_payload}), qr/\Q$sent{$uuid}\E/,
             "$uuid is whole");
        ok(!exists $got{$uuid}{result_lost}, "$uuid is not lost");
    }
}

finish;
