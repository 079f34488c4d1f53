#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Many devices get certificates by SCEP and enroll, all at once, through two
# hosts, and the master of their Redis dies meanwhile: each gets one, none gets
# two, and each is enrolled.
#
#     MDM_DEVICES=N    so many (200); scripts/storm takes 5,000

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use File::Temp ();
use JSON::PP ();
use MIME::Base64;
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::CA;
use MDM::Sentinel;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = $ENV{MDM_SIM} || "$MDM::root/build/mdmsim";

-x $sim or plan skip_all => "no $sim: scripts/build sim makes it";

my $devices = $ENV{MDM_DEVICES} || 200;
my $half = int($devices / 2);
my $made = File::Temp->newdir('mdm-storm-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $ca = MDM::CA->new("$made", 'ca', key => 'ec:P-256');
my $ra = $ca->ra('ra');

my $s = MDM::Sentinel->new(dir => "$made/sentinel", replicas => 2,
                           args => [ '--min-replicas-to-write', 2 ]);

END { local $?; $s->stop if $s }

$s->start;


# two hosts, which know the same CA and the same Redis, and not each other

my @hosts = map {
    MDM->new(redis => 0, ca => { file => $ca->{chain} },
             mdm => 'mdm_reenroll bound;',
             http => "mdm_ca devices { certificate $ca->{chain};"
                     . " certificate_key $ca->{key};"
                     . " ra_certificate $ra->{cert};"
                     . " ra_certificate_key $ra->{key}; }",
             server => 'large_client_header_buffers 4 16k;'
                       . ' location /scep { mdm_scep devices; }',
             store_conf => 'mdm_store main { mode sentinel mymaster; '
                           . join(' ', map { "server $_->{addr};" }
                                  $s->sentinels)
                           . $s->auth . ' durability wait 2 400ms; }')
} 1 .. 2;

$_->start_nginx for @hosts;


sub sim {
    my ($name, @args) = @_;

    return spawn({ out => "$made/$name.out" }, $sim, @args);
}

sub figures {
    my ($name) = @_;

    my %v = read_file("$made/$name.out") =~ /^(\S+) ([\d.]+) \S+$/mg;

    return \%v;
}


# one challenge a device, bound to it

wait_exit(sim('ids', 'ids', '--count', $devices, '--kinds', 'iphone:1'), 60);

my @ids = split /\n/, read_file("$made/ids.out");
my @challenges = map {
    my $r = $hosts[0]->request(POST => '/api/v1/challenge', plain => 1,
                               body => JSON::PP::encode_json({ udid => $_ }));

    $r->status == 200 ? $r->json->{challenge} . "\n" : die $r->body;
} @ids;

my @part = ([ 0, $half ], [ $half, $devices - $half ]);


# half of them through each host, which begins anew where there was no answer

sub enroll {
    my ($i, $host, @more) = @_;

    my ($first, $count) = @{$part[$i]};
    my $t = $hosts[$host];
    my $file = write_file("$made/challenges-$i",
                          @challenges[$first .. $first + $count - 1]);

    return sim("enroll-$i", 'enroll', '--quiet', '--kinds', 'iphone:1',
               '--identities', "$made/identities", '--first', $first,
               '--count', $count, '--scep-challenge-file', $file,
               '--scep', 'http://127.0.0.1:' . $t->plain_port . '/scep',
               '--url', 'https://localhost:' . $t->port . '/mdm',
               '--server-ca', $t->{server_ca}{file}, '--connections', 16,
               '--retries', 1000, '--max-errors', 1_000_000, @more);
}

# as the master has it; nothing while there is none

sub ledger {
    my ($like) = @_;

    my $keys = eval { $s->master->cmd('KEYS', "mdm:{default/$like") };

    return $keys ? scalar @$keys : 0;
}

my $begin = time;
my @pid = map { enroll($_, $_) } 0, 1;


# in the midst of it

my $old = $s->master;

ok(wait_for(300, sub { sleep $devices / 10000;
                       return ledger('sn:*') >= $devices / 4 }),
   'some have certificates');
$old->kill9;

my $before = ledger('sn:*');

cmp_ok($before, '<', $devices, 'a master dies before all have one');
ok(wait_for(30, sub { my $master = eval { $s->master };
                      return $master && $master->{addr} ne $old->{addr} }),
   'another one takes over');
$old->start;

my @rc = map { wait_exit($_, 300 + $devices / 5) } @pid;
my @v = map { figures("enroll-$_") } 0, 1;
my %sum;

for my $v (@v) {
    $sum{$_} += $v->{$_} // 0
        for qw(scep_issued scep_failed scep_retries scep_warnings enrolled);
}

is(join(' ', map { $_ // 'hangs' } @rc), '0 0', 'both halves end')
    or diag(map { substr read_file("$made/enroll-$_.out"), 0, 2000 } 0, 1);
is($sum{scep_issued}, $devices, 'each device has a certificate');
is($sum{enrolled}, $devices, 'and is enrolled');
cmp_ok($sum{scep_retries}, '>', 0, 'some had to ask again');
is($sum{scep_warnings}, 0, 'nothing to object to');
note(sprintf '%d devices in %.1f s, %d retries', $devices, time - $begin,
     $sum{scep_retries});

$s->wait_ok;


# the ledger, as Redis has it and as the API tells it

is(ledger('cert:*}:x'), $devices, 'so many certificates are in the ledger');
is(ledger('sn:*'), $devices, 'so many serial numbers');
is(ledger('spki:*'), $devices, 'so many keys');

my (%of, %serial, $cursor);

do {
    my $r = $hosts[1]->request(GET => '/api/v1/certificates?state=pinned'
        . '&limit=500' . (defined $cursor ? "&cursor=$cursor" : ''),
        plain => 1)->json;

    push @{$of{$_->{id}}}, $_->{sha256} for @{$r->{certificates}};
    $serial{$_->{certificate_serial}}++ for @{$r->{certificates}};
    $cursor = $r->{next_cursor};
    $cursor =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge
        if defined $cursor;
} while (defined $cursor);

is(scalar keys %serial, $devices, 'each with a number of its own');
is(scalar keys %of, $devices, 'each the pin of a device');
is(scalar(grep { @$_ != 1 } values %of), 0, 'which has no other one');

my $other = 0;

for my $i (0 .. $#ids) {
    my ($pem) = read_file("$made/identities/1-$i.pem")
                =~ /-----BEGIN CERTIFICATE-----\n(.*?)-----END/s;

    $other++ if ($of{$ids[$i]}[0] // '') ne sha256_hex(decode_base64($pem));
}

is($other, 0, 'and what the device was given');


# they poll, those of one host through the other one

@pid = map {
    my ($first, $count) = @{$part[$_]};
    my $t = $hosts[1 - $_];

    sim("poll-$_", 'poll', '--quiet', '--kinds', 'iphone:1', '--identities',
        "$made/identities", '--first', $first, '--count', $count,
        '--url', 'https://localhost:' . $t->port . '/mdm', '--server-ca',
        $t->{server_ca}{file}, '--connections', 16);
} 0, 1;

is(join(' ', map { wait_exit($_, 300) // 'hangs' } @pid), '0 0',
   'each polls through the other host');


# and a request that comes late, through the other host, changes nothing

is(wait_exit(enroll(0, 1, '--scep-keep'), 300), 0, 'they enroll once more');
is(figures('enroll-0')->{scep_kept}, $half, 'with what they have');
is(ledger('cert:*}:x'), $devices, 'no certificate more');

finish;
