#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A device's certificate from its challenge to its renewal, by a simulated
# device that asks as Apple's do: SCEP, Authenticate, polls, and a renewal by a
# PKCSReq or a RenewalReq, under CAs of several kinds.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;

use MDM;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

my $made = File::Temp->newdir('mdm-renewal-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $rsa = MDM::CA->new("$made", 'rsa');
my $large = MDM::CA->new("$made", 'large', key => 'rsa:4096');
my $ec = MDM::CA->new("$made", 'ec', key => 'ec:P-256');
my $sub = MDM::CA->new("$made", 'root')->sub_ca('middle')
              ->sub_ca('lowest', key => 'ec:P-384');
my %ca = (rsa => [ $rsa ], large => [ $large ], ec => [ $ec, $ec->ra('ra') ],
          sub => [ $sub, $sub->ra('ra') ]);
my $bundle = write_file("$made/bundle.pem",
                        map { read_file($_->[0]{chain}) } values %ca);
my $http = '';

for my $name (sort keys %ca) {
    my ($ca, $ra) = @{$ca{$name}};

    $http .= "mdm_ca $name { certificate $ca->{chain};"
             . " certificate_key $ca->{key};"
             . ($ra ? " ra_certificate $ra->{cert};"
                      . " ra_certificate_key $ra->{key};" : '') . " }\n";
}

my $t = MDM->new(redis => {}, http => $http, mdm => 'mdm_reenroll bound;',
                 ca => { file => $bundle },
                 server => 'large_client_header_buffers 4 16k;'
                           . ' ssl_verify_depth 3;',
                 locations => join "\n", <<'END',
        location /mdm { mdm_checkin on; mdm_connect on; mdm_reenroll bound; }
        location /api/ { mdm_api on; }
END
                 map { "location /scep/$_ { mdm_scep $_; }" } sort keys %ca);

$t->start;

my $scep = 'http://127.0.0.1:' . $t->plain_port . '/scep';
my $url = 'https://localhost:' . $t->port . '/mdm';
my @common = ('--quiet', '--kinds', 'iphone:1', '--server-ca',
              $t->{server_ca}{file}, '--count', 1);


sub sim {
    my ($command, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$made/out" }, $sim, $command, @common,
                             (grep { $_ eq '--ca-cert' } @args)
                             ? () : ('--identities', "$made/ids"), @args),
                       120);
    my $out = read_file("$made/out");
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => defined $rc ? $rc >> 8 : -1, out => $out, v => \%v };
}

sub challenge {
    my (%o) = @_;

    my $r = $t->request(POST => '/api/v1/challenge',
                         body => JSON::PP::encode_json(\%o));

    is($r->status, 200, 'a challenge') or diag($r->body);

    return $r->json->{challenge};
}

my $out = "$made/ids.txt";

wait_exit(spawn({ out => $out }, $sim, 'ids', '--count', 40, '--kinds',
                'iphone:1'), 30);

my @ids = split /\n/, read_file($out);

sub certificates {
    my ($n) = @_;

    return @{$t->request(GET => "/api/v1/certificates?id=$ids[$n]")->json
             ->{certificates}};
}

sub states { return join ' ', sort map { "$_->{purpose} $_->{state}" }
                 certificates($_[0]) }

sub events {
    my ($id, $name) = @_;

    return grep { my %e = @{$_->[1]}; $e{event} eq $name
                      && ($e{id} // '') eq $id }
        map { @{$t->redis('XRANGE', $_, '-', '+')} }
        @{$t->redis('KEYS', 'mdm:{default/*}:events')};
}


# a first certificate, and its renewal, under each kind of CA

my $n = 0;

for my $name (sort keys %ca) {
    my @device = ('--first', $n, '--url', $url);
    my $r = sim('enroll', @device, '--scep', "$scep/$name", '--scep-challenge',
                challenge(udid => $ids[$n], person => 'ann@example.com'));

    is("$r->{rc} " . join(' ', map { $r->{v}{$_} // '' }
                          qw(scep_issued scep_warnings enrolled)),
       '0 1 0 1', "$name: SCEP, and the device enrolls") or diag($r->{out});
    is(states($n), 'device pinned', 'the ledger has its certificate');
    is((certificates($n))[0]{ca}, $name, 'of this CA');
    is(sim('poll', @device, '--requests', 1)->{rc}, 0, 'it polls');

    my @kind = $n % 2 ? '--scep-renewal' : ();
    my $then = (qw(token authenticate poll poll))[$n];

    $r = sim('renew', @device, '--scep', "$scep/$name", '--then', $then, @kind);
    is("$r->{rc} $r->{v}{scep_issued} $r->{v}{scep_warnings}", '0 1 0',
       "$name: renewed without a challenge, then $then") or diag($r->{out});
    is(states($n), 'device replaced renew pinned', 'the new one is its pin');
    is(scalar(events($ids[$n], 'mdm.CertificateRenewed')), 1, 'an event');
    is(sim('poll', @device, '--requests', 1)->{rc}, 0, 'it polls with it');
    is(sim('poll', @device, '--requests', 1, '--previous')->{rc}, 0,
       'the former one is good for a while');

    $n++;
}


# a challenge is for one key, and for whom it is bound to

{
    my $c = challenge();
    my @device = ('--first', 10);

    is(sim('enroll', @device, '--scep', "$scep/rsa", '--scep-challenge', $c,
           '--url', $url)->{rc}, 0, 'a challenge that is bound to nobody');

    my $r = sim('enroll', '--first', 11, '--scep', "$scep/rsa",
                '--scep-challenge', $c);

    is($r->{v}{scep_badRequest}, 1, 'it is used up');
    ok($t->wait_log(qr/badRequest: the challenge is used up, transaction "/),
       'the log says so');
    is(sim('enroll', '--first', 11, '--scep', "$scep/rsa",
           '--scep-challenge', 'x' x 43)->{v}{scep_badRequest}, 1,
       'one that nobody made');
    is(sim('enroll', '--first', 11, '--scep', "$scep/rsa")
       ->{v}{scep_badRequest}, 1, 'none');
    unlike($t->log, qr/\Q$c/, 'challenges are not logged');

    $c = challenge(udid => $ids[12]);
    $r = sim('enroll', '--first', 13, '--scep', "$scep/rsa",
             '--scep-challenge', $c, '--url', $url);
    is("$r->{v}{scep_issued} $r->{v}{enrolled}", '1 0',
       'another device has its certificate, but cannot enroll with it')
        or diag($r->{out});
    ok($t->wait_log(qr/the certificate is bound to another device/),
       'the log says why');

    $r = sim('enroll', '--first', 14, '--scep', "$scep/rsa",
             '--scep-challenge', challenge(udid => $ids[14]),
             '--scep-key-of', 10);
    is($r->{v}{scep_badRequest}, 1, 'a key of another device');
    ok($t->wait_log(qr/badRequest: the public key is another device's/),
       'the log says so');

    my @refused = events('', 'mdm.CertificateRefused');

    is(scalar(@refused), 1, 'an event, where a challenge was known');
}


# a renewal by who may not

{
    my $r = sim('enroll', '--first', 20, '--scep', "$scep/rsa",
                '--scep-challenge', challenge());

    is($r->{v}{scep_issued}, 1, 'a certificate that no device enrolled with');

    $r = sim('renew', '--first', 20, '--scep', "$scep/rsa", '--scep-renewal');
    is($r->{v}{scep_badRequest}, 1, 'is not renewed');

    $r = sim('renew', '--first', 1, '--scep', "$scep/ec", '--scep-renewal');
    is($r->{v}{scep_badRequest}, 1, 'nor one of another CA');

    my $id = "/api/v1/enrollments/$ids[2]";

    is($t->request(DELETE => "$id/certificate")->status, 204, 'a pin is reset')
        or diag($t->request(GET => $id)->body);
    $r = sim('renew', '--first', 2, '--scep', "$scep/rsa", '--scep-renewal');
    is($r->{v}{scep_badRequest}, 1, 'nor one that is the pin no more');
    ok($t->wait_log(qr/not signed with the pinned certificate of a device/),
       'the log says so');

    $r = sim('renew', '--first', 0, '--scep', "$scep/ec", '--scep-challenge',
             'x' x 43);
    is($r->{v}{scep_badRequest}, 1, 'a challenge that is there must be right');

    $r = sim('renew', '--first', 0, '--scep', "$scep/ec", '--url', $url,
             '--then', 'token', '--scep-challenge',
             challenge(udid => $ids[0], purpose => 'renew'));
    is("$r->{rc} $r->{v}{scep_issued}", '0 1', 'and then it is')
        or diag($r->{out});
}


# one of the same CA that nobody has entered, such as another tenant's

{
    my $r = sim('enroll', '--first', 30, '--url', $url, '--ca-cert',
                $rsa->{cert}, '--ca-key', $rsa->{key});

    is($r->{v}{enrolled}, 0, 'a certificate that is in no ledger')
        or diag($r->{out});
    ok($t->wait_log(qr/is of a CA of ours, but in no ledger of this tenant/),
       'the log says so');
}

finish;
