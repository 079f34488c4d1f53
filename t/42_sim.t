#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A fleet of 200 devices of all kinds, with users, enrolls, and polls while
# commands are queued for it; some refuse with NotNow, some fail, some hang
# up.  At the end all queues are empty, each command has exactly one result,
# and that is the one which the device sent.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Util qw(read_file spawn wait_exit);


my $sim = $ENV{MDM_SIM} || "$MDM::root/build/mdmsim";

-x $sim or plan skip_all => "no $sim: scripts/build sim makes it";

my $work = File::Temp->newdir('mdm-sim-XXXXXX', TMPDIR => 1);
my $ledger = "$work/ledger";


sub sim { my ($name, @args) = @_;
          return spawn({ out => "$work/$name.out" }, $sim, @args) }

sub done {
    my ($pid, $name) = @_;

    my $rc = wait_exit($pid, 60);
    my $out = read_file("$work/$name.out");

    is($rc, 0, "$name: no error") or diag($out);

    return { $out =~ /^(\S+) ([\d.]+) \S+$/mg };
}


wait_exit(sim('ca', 'ca', '--dir', "$work/ca"), 20);

my $t = MDM->new(
    workers => 2, ca => { file => "$work/ca/ca.pem" },
    http => 'keepalive_requests 100000;',
    server => 'large_client_header_buffers 4 64k;',
    locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; mdm_reenroll bound; }
        location /api/ { mdm_api on; }
END

my @fleet = ('--count', 200, '--users', 1, '--kinds',
             'iphone:4,ipad:2,mac:4,tv:1,shared:2,byod:2,macbyod:1');
my @how = (@fleet, '--dir', "$work/ca", '--quiet', '--url',
           'https://127.0.0.1:' . $t->port . '/mdm');

sub call { my ($method, $path, %o) = @_;
           return $t->request($method, "/api$path", plain => 1, %o) }


# enrollment

my $r = done(sim('enroll', 'enroll', @how, '--bootstrap-token',
                 '--connections', 16), 'enroll');

is($r->{enrolled}, 200, 'enroll: 200 devices');

wait_exit(sim('ids', 'ids', @fleet, '--channels', 'all'), 20);

my @ids = split /\n/, read_file("$work/ids.out");

cmp_ok(scalar @ids, '>', 250, 'with users');

my (%type, @rows);

{
    my $cursor = '';

    do {
        my $page = call(POST => "/v1/enrollments/query?limit=150$cursor")
                       ->json;

        push @rows, @{$page->{enrollments}};
        $cursor = $page->{next_cursor} ? "&cursor=$page->{next_cursor}" : '';
    } while ($cursor ne '');
}

$type{$_->{type}}++ for @rows;
is_deeply([ sort map { $_->{id} } @rows ], [ sort @ids ],
          'enroll: all are there, and nobody else');
is(scalar(grep { !$_->{enabled} || $_->{token_update_tally} != 1 } @rows), 0,
   'enroll: all are enabled');
is(join(', ', sort keys %type), 'Device, Shared iPad, User, User Enrollment, '
   . 'User Enrollment (Device)', 'enroll: of all types');


# commands while the fleet polls

my %command = (
    info => { RequestType => 'DeviceInformation',
              Queries => [ 'UDID', 'DeviceName', 'OSVersion' ] },
    profiles => { RequestType => 'ProfileList' },
    security => { RequestType => 'SecurityInfo' },
    apps => { RequestType => 'InstalledApplicationList' },
    certificates => { RequestType => 'CertificateList' },
);
my @uuids = map { "fleet/$_" } sort keys %command;

my $run = sim('run', 'run', @how, '--channels', 'all', '--interval', 0.7,
    '--connections', 24, '--reopen-every', 8, '--duration', 120,
    '--notnow', 25, '--error', 10, '--format-error', 5, '--abort', 2,
    '--result-size', 3000, '--ledger', $ledger);

for my $name (sort keys %command) {
    my $uuid = "fleet/$name";
    my $body = plist({ CommandUUID => $uuid, Command => $command{$name} });
    my $had = read_file($ledger) =~ tr/\n//;

    # in two calls that meet in the middle, and the first once more

    my @calls = ([ @ids[0 .. 179] ], [ @ids[120 .. $#ids] ],
                 [ @ids[0 .. 179] ]);

    is_deeply([ map { call(PUT => '/v1/enqueue/' . join(',', @$_),
                           body => $body)->status } @calls ],
              [ 200, 200, 200 ], "$uuid is queued for all");
    wait_for(20, sub { (read_file($ledger) =~ tr/\n//) > $had + 60 });
}

# all are answered: no command is referred to any more

my $left;

ok(wait_for(60, sub { $left = @{$t->redis('KEYS', 'mdm:*:c:fleet*')};
                      return !$left }), 'run: all queues become empty')
    or diag("$left bodies are left");
kill 'TERM', $run;
$r = done($run, 'run');
is($r->{responses} - $r->{status_200}, 0, 'run: each answer was 200');
cmp_ok($r->{$_}, '>', 0, "run: $_")
    for qw(commands_notnow commands_error commands_format_error
           commands_acknowledged aborted);


# what devices say they have sent: the answers that were taken

my (%sent, $twice);

for (split /\n/, read_file($ledger)) {
    my (undef, $id, $what, $uuid) = split /\t/;

    next if $what !~ /^(?:Acknowledged|Error|CommandFormatError)$/;
    $uuid =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    $sent{"$id $uuid"}{$what}++;
}

is(scalar(grep { keys %$_ != 1 } values %sent), 0,
   'ledger: no device has changed its mind');


# what the server has

my ($missing, $differ, $length) = (0, 0, 0);

for my $id (@ids) {
    for my $uuid (@uuids) {
        my $path = $uuid =~ s{/}{%2F}r;
        my $s = call(GET => "/v1/queue/$id/$path")->json;

        if (($s->{state} // '') !~ /^(?:acknowledged|error|
                                      command_format_error)$/x
            || !$s->{was_queued})
        {
            $missing++;
            next;
        }

        # an answer that was sent by who hung up is in no ledger

        my ($what) = keys %{$sent{"$id $uuid"} || { $s->{status} => 1 }};

        $differ++ if $what ne $s->{status};
    }

    $length += call(GET => "/v1/enrollments/$id")->json->{queue_length};
}

is($missing, 0, 'server: each command has its result');
is($differ, 0, 'server: which is the one that the device sent');
is($length, 0, 'server: all queues are empty');
is(scalar @{$t->redis('KEYS', "mdm:*:$_:*")}, 0, "server: no key of :$_:")
    for qw(q nn);
is(scalar @{$t->redis('KEYS', 'mdm:*:r:*')}, @ids * @uuids,
   'server: so many results, and no more');
cmp_ok(scalar keys %sent, '>', @ids * @uuids * 0.9, 'ledger: most are in it');


# the outbox tells each result once

{
    my (%told, $unknown);

    for my $stream (@{$t->redis('KEYS', 'mdm:*:events')}) {
        for my $entry (@{$t->redis('XRANGE', $stream, '-', '+')}) {
            my %e = @{$entry->[1]};

            next if $e{event} ne 'mdm.Connect';

            my $data = JSON::PP::decode_json($e{data});

            next if $data->{status} eq 'NotNow';
            $told{"$e{id} $data->{command_uuid}"}++;
            $unknown++ unless $data->{known};
        }
    }

    is(scalar keys %told, @ids * @uuids, 'events: one for each result');
    is(scalar(grep { $_ != 1 } values %told), 0, 'events: none twice');
    is($unknown // 0, 0, 'events: no result of a command that was not queued');
}


# the fleet leaves

$r = done(sim('checkout', 'checkout', @how, '--channels', 'device',
              '--connections', 16), 'checkout');

is(scalar @{call(POST => '/v1/enrollments/query',
                 body => '{"filter":{"enabled":true}}')->json
            ->{enrollments}}, 0, 'checkout: nobody is enabled any more');

finish;
