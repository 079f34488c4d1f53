#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Connects: commands go out, results come in.  The traps are those that other
# servers fell into.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64 'decode_base64';
use Test::More;

use MDM;

use constant {
    T => 'mdm:{default/0}',
    COMMAND => 'application/xml; charset=UTF-8',
    WEEK => 7 * 86400,
};


my $t = MDM->new(workers => 2, store => 'partitions 1; timeout 20s;',
                 locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /short { mdm_connect on; mdm_result_ttl 1s; }
        location /few { mdm_connect on; mdm_queue_limit 3; }
        location /quiet { mdm_connect on; mdm_event_limit 0; }
        location /raw { mdm_connect on; mdm_event_payload on; }
        location /api/ { mdm_api on; }
END

my $enrolled = 0;


sub device { return $t->device($_[0] // 'D-' . ++$enrolled)->enroll }


# queues commands, one call each

sub queue {
    my ($d, @uuids) = @_;

    for my $uuid (@uuids) {
        my $r = $t->enqueue($d->id, $t->command($uuid, 'ProfileList'));

        $r->status == 200 or die 'enqueue: ' . $r->status . $r->body;
    }

    return;
}


# what is queued, as the API tells

sub queued {
    my ($d) = @_;

    return [ map { $_->{command_uuid} }
             @{$t->api('GET', '/v1/queue/' . $d->id)->json->{commands}} ];
}


# what is queued, as Redis keeps it: the head is in the hash

sub queue_keys {
    my ($d) = @_;

    my $id = $d->id;
    my $head = $t->redis('HGET', T . ":e:$id", 'q');

    return [ (defined $head ? $head : ()),
             @{$t->redis('LRANGE', T . ":q:$id", 0, -1)} ];
}


sub result { my ($d, $uuid, $query) = @_;
             return $t->api('GET', '/v1/queue/' . $d->id . "/$uuid"
                            . ($query // '')) }
sub state_of { my ($d, $uuid) = @_;
               my $r = result($d, $uuid);
               return $r->status == 200 ? $r->json->{state} : $r->status }
sub refs { return $t->redis('HGET', T . ":c:$_[0]", 'refs') }


# the answer must carry this command, or none ("")

sub gets {
    my ($d, $r, $uuid, $name) = @_;

    if ($r->status != 200) {
        return is($r->status, 200, $name);
    }

    if ($uuid eq '') {
        return is_deeply([ $r->body, $r->header('Content-Length'),
                           $r->header('Content-Type') ], [ '', 0, undef ],
                         "$name: no command");
    }

    is($r->header('Content-Type'), COMMAND, "$name: Content-Type");

    return is($d->uuid($r), $uuid, "$name: $uuid");
}


# not one byte of Redis changes, nor does Redis count a write

sub unchanged {
    my ($name, $do) = @_;

    my ($now) = @{$t->redis('TIME')};

    # a minute may be over since the devices were seen

    for my $key (@{$t->redis('KEYS', T . ':e:*')}) {
        $t->redis('HSET', $key, 'last_seen', $now);
    }

    my $dirty = sub {
        my ($n) = $t->redis('INFO', 'persistence')
                  =~ /rdb_changes_since_last_save:(\d+)/;
        return $n;
    };

    my $before = $t->redis_dump;
    my $changes = $dirty->();

    $do->();

    is($dirty->(), $changes, "$name: no write");
    is($t->redis_dump, $before, "$name: Redis is unchanged");

    return;
}


my $last = '-';

sub events {
    my @new;

    for my $entry (@{$t->redis('XRANGE', T . ':events', $last, '+')}) {
        my ($at, $pairs) = @$entry;
        my %e = @$pairs;

        $last = "($at";
        $e{data} = JSON::PP->new->utf8->decode($e{data});
        push @new, \%e if $e{event} eq 'mdm.Connect';
    }

    return \@new;
}


sub event {
    my ($d, %data) = @_;

    return { event => 'mdm.Connect', id => $d->id, data => {
        map { $_ => $_ eq 'known'
                  ? ($data{known} ? JSON::PP::true : JSON::PP::false)
                  : $data{$_} } keys %data } };
}


# further connections of the same device

sub connection { my ($d) = @_; return $t->client(cert => $d->cert) }

sub put {
    my ($d, %keys) = @_;

    return MDM::HTTP::_format('PUT', '/mdm', {
        headers => [ 'Content-Type' => $d->CONNECT ],
        body => plist({ %{$d->{ids}}, %keys }) });
}


# all send before any reads; what came back

sub at_once {
    my ($clients, @requests) = @_;

    for my $i (0 .. $#requests) {
        $clients->[$i]->send_request('PUT', '/mdm', raw => $requests[$i]);
    }

    return map { $clients->[$_]->read_response('PUT') } 0 .. $#requests;
}


# requests of one connection in one go; what came back

sub pipeline {
    my ($client, @requests) = @_;

    my @responses;

    while (@requests) {
        my @now = splice @requests, 0, 50;

        $client->send_request('PUT', '/mdm', raw => join '', @now);
        push @responses, map { $client->read_response('PUT') } @now;
    }

    return @responses;
}


# the statuses

{
    my $d = device();

    gets($d, $d->idle, '', 'Idle, nothing queued');
    queue($d, qw(s1 s2 s3 s4));
    events();

    gets($d, $d->idle, 's1', 'Idle');
    gets($d, $d->idle, 's1', 'Idle again: delivery is not dequeue');
    is_deeply(queued($d), [qw(s1 s2 s3 s4)], 'Idle leaves the queue alone');
    is_deeply(events(), [], 'Idle writes no event');

    my %e = (request_type => 'ProfileList', known => 1);

    gets($d, $d->report('Acknowledged', 's1'), 's2', 'Acknowledged');
    is_deeply(events(), [ event($d, %e, status => 'Acknowledged',
                                command_uuid => 's1') ],
              'Acknowledged: event');
    gets($d, $d->report('Error', 's2', ErrorChain => [ {
             ErrorCode => 12021, ErrorDomain => 'MCMDMErrorDomain',
             LocalizedDescription => 'no', USEnglishDescription => 'no' } ]),
         's3', 'Error');
    is_deeply(events(), [ event($d, %e, status => 'Error',
                                command_uuid => 's2') ], 'Error: event');
    gets($d, $d->report('CommandFormatError', 's3'), 's4',
         'CommandFormatError');
    is_deeply(events(), [ event($d, %e, status => 'CommandFormatError',
                                command_uuid => 's3') ],
              'CommandFormatError: event');
    gets($d, $d->report('NotNow', 's4'), '', 'NotNow, nothing else queued');
    is_deeply(events(), [ event($d, status => 'NotNow', command_uuid => 's4',
                                tally => 1) ], 'NotNow: event');
    gets($d, $d->idle, 's4', 'Idle: the refused one again');

    is(state_of($d, 's1'), 'acknowledged', 'state: acknowledged');
    is(state_of($d, 's2'), 'error', 'state: error');
    is(state_of($d, 's3'), 'command_format_error',
       'state: command_format_error');
    is(state_of($d, 's4'), 'not_now', 'state: not_now');
    is_deeply(queued($d), [ 's4' ], 'only the refused one is still queued');

    my ($first) = $t->redis('HGET', T . ':nn:' . $d->id, 's4') =~ /^(\d+):1$/;

    ok(defined $first && abs(time - $first) < 120, 'NotNow: when');
    $d->report('NotNow', 's4');
    $d->report('NotNow', 's4');
    is($t->redis('HGET', T . ':nn:' . $d->id, 's4'), "$first:3",
       'NotNow: the first time stays, the tally counts');
    is(result($d, 's4')->json->{not_now}{tally}, 3, 'NotNow: in the API');

    my $n = 0;

    for my $bad (undef, '', 'idle', 'ACKNOWLEDGED', 'Idle ', 'Done', 'Drop',
                 "Idle\n", 5, plist_data('Idle'), [ 'Idle' ], \1)
    {
        my $name = defined $bad ? 'Status ' . plist($bad) =~
                   s/.*<plist[^>]*>\s*(.*?)\s*<\/plist>.*/$1/sr =~ s/\s+/ /gr
                                : 'no Status';

        my @status = defined $bad ? (Status => $bad) : ();

        # it names a command: that leaves the queue, or comes for ever

        my $uuid = 'bad-' . ++$n;

        queue($d, $uuid);
        events();
        gets($d, $d->connect(@status, CommandUUID => $uuid,
                             Answer => "of $uuid"), 's4', $name);
        is_deeply(queued($d), [ 's4' ], "$name: it left the queue");
        is_deeply(events(), [ event($d, status => 'unreadable', known => 1,
                                    command_uuid => $uuid,
                                    request_type => 'ProfileList') ],
                  "$name: event");

        my $r = result($d, $uuid);

        is($r->json->{state}, 'unreadable', "$name: state");
        is($r->json->{status}, 'unreadable', "$name: status");
        is(plist_read(decode_base64($r->json->{result}))->{Answer},
           "of $uuid", "$name: what came is kept");

        unchanged($name, sub {
            my $r = $d->connect(@status);

            is($r->status, 400, "$name: names no command: 400");
            is($r->body, '', "$name: names no command: no body");
        });
    }
}


# trap 1: after NotNow all that were refused are skipped until another status
# comes; then oldest first

{
    my $d = device();

    queue($d, qw(a b c));
    gets($d, $d->idle, 'a', 'trap 1: Idle');
    gets($d, $d->report('NotNow', 'a'), 'b', 'trap 1: NotNow, the next');
    gets($d, $d->report('NotNow', 'b'), 'c', 'trap 1: NotNow, the next');
    gets($d, $d->report('NotNow', 'c'), '', 'trap 1: all were refused');
    gets($d, $d->report('NotNow', 'c'), '', 'trap 1: still');

    queue($d, 'd');
    gets($d, $d->report('NotNow', 'c'), 'd', 'trap 1: a new one is offered');
    gets($d, $d->report('Acknowledged', 'd'), 'a',
         'trap 1: another status: oldest first');
    gets($d, $d->report('NotNow', 'a'), '', 'trap 1: refused again');
    gets($d, $d->idle, 'a', 'trap 1: Idle: oldest first');
    gets($d, $d->report('Error', 'a'), 'b', 'trap 1: Error: oldest first');
    queue($d, 'e');
    gets($d, $d->report('NotNow', 'b'), 'e', 'trap 1: c is skipped');
    gets($d, $d->report('CommandFormatError', 'e'), 'b',
         'trap 1: CommandFormatError: oldest first');
    gets($d, $d->report('Acknowledged', 'c'), 'b',
         'trap 1: one out of the middle');
    gets($d, $d->report('Acknowledged', 'b'), '', 'trap 1: all are done');

    is($t->redis('EXISTS', T . ':nn:' . $d->id, T . ':q:' . $d->id), 0,
       'trap 1: no key is left');
    is(scalar @{$t->redis('KEYS', T . ':c:[a-e]')}, 0,
       'trap 1: no command is left');
}


# trap 2: what is reported twice, or was never asked

{
    my $d = device();

    queue($d, qw(t1 t2 t3));
    $d->report('Acknowledged', 't1', Answer => 'first');

    unchanged('trap 2: duplicate Acknowledged', sub {
        gets($d, $d->report('Acknowledged', 't1', Answer => 'second'), 't2',
             'trap 2: duplicate Acknowledged');
        gets($d, $d->report('Error', 't1'), 't2',
             'trap 2: another final status');
        gets($d, $d->report('NotNow', 't1'), 't2',
             'trap 2: NotNow after a final status');
    });

    is_deeply(queued($d), [qw(t2 t3)], 'trap 2: it does not come back');
    is(plist_read(result($d, 't1', '?format=plist')->body)->{Answer},
       'first', 'trap 2: the first result counts');

    unchanged('trap 2: NotNow of an unknown command', sub {
        gets($d, $d->report('NotNow', 'nobody'), 't2',
             'trap 2: NotNow of an unknown command');
    });

    events();
    gets($d, $d->report('Acknowledged', 'unknown'), 't2',
         'trap 2: an unknown command');
    is_deeply(queued($d), [qw(t2 t3)], 'trap 2: the queue is as it was');
    is_deeply(events(), [ event($d, status => 'Acknowledged', known => 0,
                                command_uuid => 'unknown',
                                request_type => '') ],
              'trap 2: event: not known');

    my $r = result($d, 'unknown')->json;

    is($r->{state}, 'acknowledged', 'trap 2: its result is kept');
    ok(!$r->{was_queued}, 'trap 2: was_queued is false');
    ok(result($d, 't1')->json->{was_queued}, 'trap 2: t1 was queued');

    # one that an administrator took back

    $t->api('DELETE', '/v1/queue/' . $d->id . '/t2');
    gets($d, $d->report('Acknowledged', 't2'), 't3',
         'trap 2: a command that was taken back');

    # after a re-enrolment

    $d->enroll;
    queue($d, 'new');
    gets($d, $d->report('Acknowledged', 't3'), 'new',
         'trap 2: a command of before the re-enrolment');
    unchanged('trap 2: t1 after the re-enrolment', sub {
        gets($d, $d->report('Acknowledged', 't1'), 'new',
             'trap 2: a finished one of before the re-enrolment');
    });
    is_deeply(queued($d), [ 'new' ], 'trap 2: the queue is as it was');

    # without a usable CommandUUID: kept, or it would be sent for ever

    for my $bad (undef, '', 'x' x 256, 5) {
        my $name = 'trap 2: CommandUUID ' . substr $bad // 'missing', 0, 9;
        my $answer = "an answer $name";

        events();
        gets($d, $d->connect(Status => 'Acknowledged', Answer => $answer,
                             (defined $bad ? (CommandUUID => $bad) : ())),
             'new', $name);
        is(plist_read($t->redis('HGET', T . ':r:' . $d->id . ':', 'body'))
             ->{Answer}, $answer, "$name: the result is kept");
        is_deeply(events(), [ event($d, status => 'Acknowledged', known => 0,
                                    command_uuid => '', request_type => '') ],
                  "$name: event");
    }

    is_deeply(queued($d), [ 'new' ], 'trap 2: the queue is as it was');
    like($t->log, qr/\[warn\].*without a usable CommandUUID/,
         'trap 2: the log says so');
}


# trap 3: order is that of the calls, within one second, too

{
    my $d = device();
    my @uuids = map { sprintf '%x-%d', $_ * 2654435761 % 2 ** 32, $_ } 1 .. 60;

    queue($d, @uuids);
    is_deeply(queued($d), \@uuids, 'trap 3: queued in order');
    is_deeply([ $d->drain ], \@uuids, 'trap 3: delivered in order');
    is_deeply(queued($d), [], 'trap 3: nothing is left');
}


# trap 5: a body is there once, until the last reference is gone

{
    my @d = map { device() } 1 .. 4;
    my @ids = map { $_->id } @d;
    my $r = $t->enqueue(\@ids, $t->command('shared', 'ProfileList'));

    is($r->status, 200, 'trap 5: queued to four');
    is(refs('shared'), 4, 'trap 5: one body, four references');
    $t->enqueue(\@ids, $t->command('shared', 'ProfileList'));
    is(refs('shared'), 4, 'trap 5: queued again: no more references');

    $d[0]->report('Acknowledged', 'shared');
    $d[0]->report('Acknowledged', 'shared');
    is(refs('shared'), 3, 'trap 5: acknowledged, twice');
    $d[1]->report('NotNow', 'shared');
    is(refs('shared'), 3, 'trap 5: NotNow keeps it');
    $t->api('DELETE', "/v1/queue/$ids[1]/shared");
    is(refs('shared'), 2, 'trap 5: taken back');
    $t->api('DELETE', "/v1/queue/$ids[2]");
    is(refs('shared'), 1, 'trap 5: the queue was cleared');
    is($d[3]->uuid($d[3]->idle), 'shared', 'trap 5: still deliverable');
    $d[3]->authenticate;
    is($t->redis('EXISTS', T . ':c:shared'), 0,
       'trap 5: gone with the last reference, by a re-enrolment');

    # all at once, while it is queued again

    $_->enroll for @d;
    $t->enqueue(\@ids, $t->command('race', 'ProfileList'));

    my @clients = map { connection($_) } @d, @d;
    my @all = (@d, @d);

    my @answers = at_once(\@clients, map { put($_, Status => 'Acknowledged',
                                               CommandUUID => 'race') } @all);

    is_deeply([ map { $_->status } @answers ], [ (200) x 8 ],
              'trap 5: all acknowledge at once');
    is($t->redis('EXISTS', T . ':c:race'), 0, 'trap 5: the body is gone');
    is_deeply([ map { @{queue_keys($_)} } @d ], [], 'trap 5: no queue left');
}


# trap 10: user channels

{
    my $d = device();
    my ($u, $v) = map { $d->user("U-$_")->enroll } 1, 2;

    queue($d, qw(d1 d2));
    queue($u, qw(u1 u2));
    queue($v, 'v1');
    queue($_, 'common') for $d, $u, $v;

    gets($d, $d->idle, 'd1', 'trap 10: the device\'s queue');
    gets($u, $u->idle, 'u1', 'trap 10: the user\'s queue');
    gets($v, $v->idle, 'v1', 'trap 10: the other user\'s queue');
    gets($u, $u->report('Acknowledged', 'd1'), 'u1',
         'trap 10: a user cannot answer for the device');
    is_deeply(queued($d), [qw(d1 d2 common)], 'trap 10: its queue is whole');
    gets($u, $u->report('NotNow', 'u1'), 'u2', 'trap 10: NotNow of a user');
    gets($d, $d->report('NotNow', 'd1'), 'd2', 'trap 10: of the device');
    gets($u, $u->report('Acknowledged', 'u2'), 'u1', 'trap 10: the user\'s');
    gets($u, $u->report('Acknowledged', 'u1'), 'common', 'trap 10: common');
    gets($u, $u->report('Acknowledged', 'common'), '', 'trap 10: the end');
    is_deeply(queued($d), [qw(d1 d2 common)], 'trap 10: device, untouched');
    is_deeply(queued($v), [qw(v1 common)], 'trap 10: other user, untouched');
    is(refs('common'), 2, 'trap 10: references');

    is($u->set_bootstrap_token('x')->status, 200,
       'trap 10: SetBootstrapToken of a user');
    is($u->get_bootstrap_token->status, 200,
       'trap 10: GetBootstrapToken of a user');
    is($u->checkout->status, 200, 'trap 10: CheckOut of a user');
    is($d->user('U-3')->checkout->status, 200,
       'trap 10: CheckOut of a user that is not there');
    gets($d, $d->user('U-3')->idle, '',
         'trap 10: Idle of a user that is not there');
    gets($d, $d->user('U-3')->report('Acknowledged', 'x'), '',
         'trap 10: Acknowledged of a user that is not there');

    $d->authenticate;
    is_deeply([ map { @{queue_keys($_)} } $d, $u, $v ], [],
              'trap 10: Authenticate of the device clears its users, too');
    is_deeply([ map { $t->redis('HGET', T . ':e:' . $_->id, 'enabled') }
                    $d, $u, $v ], [ 0, 0, 0 ],
              'trap 10: and disables all of them');
    is(scalar @{$t->redis('KEYS', T . ':c:*1')}, 0,
       'trap 10: the bodies are gone');
}


# trap 11: a poll that finds nothing writes nothing

{
    my $d = device();
    my $u = $d->user('U')->enroll;
    my $key = T . ':e:' . $d->id;

    unchanged('trap 11: Idle, nothing queued', sub {
        gets($_, $_->idle, '', 'trap 11: Idle') for ($d, $u) x 5;
    });

    queue($d, 'poll');
    unchanged('trap 11: Idle, a command queued', sub {
        gets($d, $d->idle, 'poll', 'trap 11: Idle') for 1 .. 5;
    });

    my ($now) = @{$t->redis('TIME')};
    my $old = $now - 61;

    $t->redis('HSET', $key, 'last_seen', $old);
    events();
    my $before = $t->redis_dump;

    gets($d, $d->idle, 'poll', 'trap 11: Idle after a minute');

    my $seen = $t->redis('HGET', $key, 'last_seen');

    cmp_ok($seen, '>=', $now, 'trap 11: last_seen was written');
    cmp_ok($seen, '<=', $now + 30, 'trap 11: with the time of Redis');
    is($t->redis_dump =~ s/"last_seen" = "$seen"/"last_seen" = "$old"/r,
       $before, 'trap 11: and nothing else was') if $seen != $now;
    is_deeply(events(), [], 'trap 11: no event');

    $t->redis('HSET', $key, 'last_seen', $seen - 40);
    $before = $t->redis_dump;
    gets($d, $d->idle, 'poll', 'trap 11: Idle within the minute');
    is($t->redis('HGET', $key, 'last_seen'), $seen - 40,
       'trap 11: last_seen is not written twice a minute');
    $d->report('Acknowledged', 'poll');
    is($t->redis('HGET', $key, 'last_seen'), $seen - 40,
       'trap 11: nor by an Acknowledged');
}


# bytes go out as they came in

{
    my $d = device();
    my $head = '<?xml version="1.0" encoding="UTF-8"?>';
    my $plain = plist({ CommandUUID => 'B', Command => {
        RequestType => 'ProfileList', ManagedOnly => \1 } });

    my %form = (
        plain => $plain,
        CRLF => $plain =~ s/\n/\r\n/gr,
        'one line' => $plain =~ s/[\n\t]//gr,
        'no prolog' => $plain =~ s/.*(?=<plist)//sr,
        'white space around' => $plain =~ s/$/ \t\n\n\r\n/r,
        'white space within' =>
            $plain =~ s/></> \t\r\n <!-- odd -->\n<!-- \x{c3}\x{a9} --></gr,
        entities => $plain =~ s/ProfileList/&#80;rofile&#x4c;ist/r,
        CDATA => $plain =~ s/(ProfileList)/<![CDATA[$1]]>/r,
        attributes =>
            $plain =~ s/version="1.0">\n<dict>/version='1.0'  >\n<dict >/r,
        'another order' => "$head<plist><dict><key>Command</key><dict>"
            . '<key>RequestType</key><string>ProfileList</string></dict>'
            . '<key>CommandUUID</key><string>B</string></dict></plist>',
        'further keys' => $plain =~ s{<dict>}{<dict><key>X</key>
            <string>\xc3\xa9\xf0\x9f\x8d\x8e</string>}r,
        binary => plist_binary($plain),
    );

    for my $form (sort keys %form) {
        my $body = $form{$form};
        my $uuid = "bytes-$form" =~ s/ /-/gr;
        my $r;

        # the UUID in place of "B"; a binary string is as long

        if ($form eq 'binary') {
            $uuid = 'B';

        } else {
            $body =~ s/<string>B</<string>$uuid</ or die $form;
        }

        $r = $t->enqueue($d->id, $body);
        is($r->status, 200, "bytes: $form is queued") or diag($r->body);

        $r = $d->idle;
        is($r->header('Content-Length'), length $body,
           "bytes: $form: the length");
        ok($r->body eq $body, "bytes: $form: goes out as it came in");
        is($t->api('GET', '/v1/queue/' . $d->id)->json->{commands}[0]{command},
           MIME::Base64::encode_base64($body, ''),
           "bytes: $form: in the API, too");
        gets($d, $d->report('Acknowledged', $uuid), '', "bytes: $form: done");
    }
}


# results

sub stored {
    my ($d, $uuid) = @_;

    return $t->redis_server->hash(T . ':r:' . $d->id . ":$uuid");
}

{
    my $d = device();
    my %size;

    my $body_of = sub {
        my ($uuid, %keys) = @_;

        return plist({ %{$d->{ids}}, Status => 'Acknowledged',
                       CommandUUID => $uuid, %keys });
    };

    my $short = length $body_of->('r1', Fill => '');
    my $noise = join '', map { chr int rand 256 } 1 .. 5000;

    # [ name, keys, kept compressed? ]

    for my $case (
        [ 'short', {}, 0 ],
        [ '1024 bytes', { Fill => 'x' x (1024 - $short) }, 0 ],
        [ '1025 bytes', { Fill => 'x' x (1025 - $short) }, 1 ],
        [ '200 kB', { QueryResponses => { map { ("Key$_" => "Value $_" x 5) }
                                          1 .. 2000 } }, 1 ],
        [ 'noise', { Fill => plist_data($noise) }, 1 ],
        [ 'UTF-8', { Fill => "\xc3\xa9\xf0\x9f\x8d\x8e&<>" x 300 }, 1 ],
        [ 'CRLF', { Fill => 'y' x 2000 }, 1 ],
        [ 'binary', { Fill => plist_data($noise) }, undef ],
    ) {
        my ($name, $keys, $z) = @$case;
        my $uuid = 'r' . scalar(keys %size) % 10;
        my $body = $body_of->($uuid, %$keys);

        $body =~ s/\n/\r\n/g if $name eq 'CRLF';
        $body = plist_binary($body) if $name eq 'binary';
        $size{$name} = length $body;

        gets($d, $d->send($d->CONNECT, $body), '', "result: $name");

        my $r = stored($d, $uuid);

        if (defined $z) {
            is($r->{z}, $z, "result: $name: compressed $z");
        }

        $r->{z} ? cmp_ok(length $r->{body}, '<', length $body,
                         "result: $name: smaller")
                : ok($r->{body} eq $body, "result: $name: kept as it is");

        my $json = result($d, $uuid)->json;

        ok(decode_base64($json->{result}) eq $body,
           "result: $name: comes back byte for byte");
        is($json->{status}, 'Acknowledged', "result: $name: status");

        my $plist = result($d, $uuid, '?format=plist');

        ok($plist->body eq $body, "result: $name: as it is, too");
        is($plist->header('Content-Type'), 'application/x-plist',
           "result: $name: Content-Type");
        cmp_ok($t->redis('TTL', T . ':r:' . $d->id . ":$uuid"), '>',
               WEEK - 120, "result: $name: is kept for a week");
    }

    is($size{'1024 bytes'}, 1024, 'result: exactly 1024 bytes were sent');
    is($size{'1025 bytes'}, 1025, 'result: exactly 1025 bytes were sent');
    cmp_ok($t->redis('TTL', T . ':done:' . $d->id), '>', WEEK - 120,
           'result: the tombstones stay for a week');
    cmp_ok($t->redis('TTL', T . ':done:' . $d->id), '<=', WEEK,
           'result: and no longer');

    # a result whose tombstone is all that is left

    $t->redis('DEL', T . ':r:' . $d->id . ':r1');
    is(state_of($d, 'r1'), 'finished', 'result: gone, its tombstone is there');
    unchanged('result: reported again', sub {
        $d->report('Acknowledged', 'r1');
    });
}

{
    my $d = device();

    $d->{path} = '/short';
    queue($d, 'brief');
    gets($d, $d->report('Acknowledged', 'brief'), '', 'mdm_result_ttl 1s');
    cmp_ok($t->redis('PTTL', T . ":$_"), '<=', 1000,
           "mdm_result_ttl 1s: $_ expires")
        for 'r:' . $d->id . ':brief', 'done:' . $d->id;
    ok(wait_for(20, sub { result($d, 'brief')->status == 404 }),
       'mdm_result_ttl 1s: the result expired');
    is($t->redis('EXISTS', T . ":$_"), 0, "mdm_result_ttl 1s: $_ is gone")
        for 'r:' . $d->id . ':brief', 'done:' . $d->id;
    gets($d, $d->report('Acknowledged', 'brief'), '',
         'mdm_result_ttl 1s: reported after that');

    # tests behind this one compare what is in Redis

    ok(wait_for(20, sub {
        return !$t->redis('EXISTS', map { T . ":$_:" . $d->id } qw(rb ru)) }),
       'mdm_result_ttl 1s: what was reported after that expired, too');
}

# results kept are bounded; the oldest goes, by the order in which they came

{
    my $d = device();

    $d->{path} = '/few';

    for my $uuid (qw(zz yy xx ww vv)) {
        gets($d, $d->report('Acknowledged', $uuid), '', 'results kept');
    }

    is_deeply([ map { state_of($d, $_) } qw(zz yy xx ww vv) ],
              [ 404, 404, ('acknowledged') x 3 ],
              'results kept: the newest');
    is($t->redis('ZCARD', T . ':done:' . $d->id), 3,
       'results kept: as many tombstones');
    like(result($d, 'vv')->json->{finished},
         qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, 'results kept: when');

    $t->redis('DEL', T . ':r:' . $d->id . ':vv');

    my $r = result($d, 'vv')->json;

    is($r->{state}, 'finished', 'results kept: only the tombstone');
    like($r->{finished}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
         'results kept: the time of the tombstone');
}


# a body that Redis lost

{
    my $d = device();
    my $size = $t->log_size;

    queue($d, qw(lost kept));
    $t->redis('DEL', T . ':c:lost');
    gets($d, $d->idle, 'kept', 'a lost command is dropped');
    is_deeply(queued($d), [ 'kept' ], 'a lost command: it left the queue');
    like($t->log($size), qr/\[error\].*body of command "lost"/,
         'a lost command: the log says so');
}


# a channel that is not enabled

{
    my $d = device();

    queue($d, 'later');
    $d->checkout;
    unchanged('disabled: Idle', sub {
        gets($d, $d->idle, '', 'disabled: Idle');
    });
    gets($d, $d->report('NotNow', 'later'), '', 'disabled: NotNow');
    gets($d, $d->report('Acknowledged', 'other'), '',
         'disabled: a result is taken');
    is(state_of($d, 'other'), 'acknowledged', 'disabled: it is kept');
    queue($d, 'more');
    $d->token_update;
    is_deeply([ $d->drain ], [qw(later more)],
              'disabled: the commands wait for the next TokenUpdate');
}


# settings of events

{
    my $d = device();

    queue($d, qw(e1 e2));
    events();
    $d->{path} = '/quiet';
    $d->report('NotNow', 'e1');
    $d->report('Acknowledged', 'e1');
    is_deeply(events(), [], 'mdm_event_limit 0: no event');

    $d->{path} = '/raw';
    $d->report('NotNow', 'e2', Text => 'not now');
    $d->report('Acknowledged', 'e2', Text => 'raw');
    is_deeply([ map { plist_read($_->{raw})->{Text} } @{events()} ],
              [ 'not now', 'raw' ], 'mdm_event_payload: the message');
}


# two connections of one device

{
    my $d = device();
    my @c = map { connection($d) } 1 .. 8;
    my @two = map { my $c = $_; sub { $c->request('PUT', '/mdm', raw =>
                                                  put($d, @_)) } } @c[0, 1];
    my ($one, $other) = @two;

    queue($d, qw(o1 o2 o3));
    gets($d, $one->(Status => 'Idle'), 'o1', 'overlap: one');
    gets($d, $other->(Status => 'Idle'), 'o1', 'overlap: the other');
    gets($d, $one->(Status => 'Acknowledged', CommandUUID => 'o1'), 'o2',
         'overlap: one acknowledges');
    gets($d, $other->(Status => 'NotNow', CommandUUID => 'o1'), 'o2',
         'overlap: the other does not now: too late');
    gets($d, $other->(Status => 'NotNow', CommandUUID => 'o2'), 'o3',
         'overlap: the other puts off');
    gets($d, $one->(Status => 'Acknowledged', CommandUUID => 'o2'), 'o3',
         'overlap: one acknowledges that');
    gets($d, $other->(Status => 'Error', CommandUUID => 'o3'), '',
         'overlap: an error');
    gets($d, $one->(Status => 'Acknowledged', CommandUUID => 'o3'), '',
         'overlap: too late');
    is(state_of($d, 'o3'), 'error', 'overlap: the first result counts');

    # all at the same time

    my @uuids = map { "x$_" } 1 .. 6;

    queue($d, @uuids);
    events();

    for my $i (0 .. $#uuids) {
        my @r = at_once(\@c, (put($d, Status => 'Idle')) x @c);

        is_deeply([ map { $d->uuid($_) } @r ], [ ($uuids[$i]) x @c ],
                  "overlap: all get $uuids[$i]");

        @r = at_once(\@c, map { put($d, Status => 'Acknowledged',
                                    CommandUUID => $uuids[$i], By => $_) }
                          1 .. @c);
        is_deeply([ map { $d->uuid($_) } @r ],
                  [ ($uuids[$i + 1] // '') x @c ],
                  "overlap: all acknowledge $uuids[$i], once");
    }

    is_deeply([ map { $_->{data}{command_uuid} } @{events()} ], \@uuids,
              'overlap: one event for each');
    is_deeply(queue_keys($d), [], 'overlap: nothing is left');
}


# a full queue, all of it put off

{
    my $d = device();
    my @uuids = map { "n$_" } 1 .. 1000;
    my $c = $t->client;

    my @r = pipeline($c, map { MDM::HTTP::_format('PUT',
        '/api/v1/enqueue/' . $d->id . '?nopush=1',
        { body => plist($t->command($_, 'ProfileList')) }) } @uuids);

    is(scalar(grep { $_->status == 200 } @r), 1000, 'queue of 1000: queued');

    my $r = $t->enqueue($d->id, $t->command('n1001', 'ProfileList'));

    is($r->status, 500, 'queue of 1000: no more');
    is($r->json->{status}{$d->id}{command_error}, 'the queue is full',
       'queue of 1000: why');
    is($t->redis('EXISTS', T . ':c:n1001'), 0, 'queue of 1000: no body left');
    is_deeply(queue_keys($d), \@uuids, 'queue of 1000: in order');

    @r = pipeline(connection($d), map { put($d, Status => 'NotNow',
                                            CommandUUID => $_) } @uuids);
    is_deeply([ map { $d->uuid($_) } @r ], [ @uuids[1 .. 999], '' ],
              'queue of 1000: all put off, each in its turn');
    is($t->redis('HLEN', T . ':nn:' . $d->id), 1000,
       'queue of 1000: all are noted');
    is_deeply(queue_keys($d), \@uuids, 'queue of 1000: still in order');
    gets($d, $d->idle, 'n1', 'queue of 1000: the oldest comes first');
    gets($d, $d->report('NotNow', 'n500'), '', 'queue of 1000: none is left');

    @r = pipeline(connection($d), map { put($d, Status => 'Acknowledged',
                                            CommandUUID => $_) } @uuids);
    is_deeply([ map { $d->uuid($_) } @r ], [ @uuids[1 .. 999], '' ],
              'queue of 1000: all done, oldest first');
    is_deeply(queue_keys($d), [], 'queue of 1000: empty');
    is($t->redis('EXISTS', T . ':nn:' . $d->id, T . ':q:' . $d->id), 0,
       'queue of 1000: no key is left');
    is(scalar @{$t->redis('KEYS', T . ':c:n[0-9]*')}, 0,
       'queue of 1000: no body is left');
    is($t->redis('ZCARD', T . ':done:' . $d->id), 1000,
       'queue of 1000: all are remembered');
}


is_deeply([ grep { $_ == 401 || $_ >= 500 }
            $t->access_log =~ m{"PUT /(?!api)\S* HTTP/\S+" (\d+)}g ], [],
          'no device was answered 401, or 500 and above');

finish;
