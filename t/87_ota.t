#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Enrolment over the air: a Profile Service behind a link or a login, an
# identity for an hour, the profile; and each of its messages forged, repeated
# or swapped with another device's.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;

use MDM;
use MDM::Apple;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit write_file);

my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

my $made = File::Temp->newdir('mdm-ota-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $apple = MDM::Apple->new("$made");
my $strange = MDM::Apple->new("$made");
my $ca = MDM::CA->new("$made", 'devices');
my $signer = MDM::CA->new("$made", 'signer-root')->ra('signer');
my $key = write_file("$made/store.key", 'k' x 31 . "\x01");

chmod 0600, $key;

my $block = <<"END";
        identifier   com.example.mdm;
        display_name "Example";
        organization "Example Ltd";
        topic        com.apple.mgmt.External.test;
        server_url   https://localhost:%%PORT%%/mdm;
        identity     scep devices https://localhost:%%PORT%%/scep;
        enroll_url   https://localhost:%%PORT%%/enroll;
        sign         $signer->{chain} $signer->{key};
        apple_ca     $apple->{ca};
END

my $seal = "encryption_key $key;";
my %conf = (ca => { file => $ca->{chain} },
            server => 'large_client_header_buffers 4 16k;',
            http => <<"HTTP", locations => <<'END');
    mdm_ca devices { certificate $ca->{chain}; certificate_key $ca->{key}; }
    mdm_enrollment main { $block }
    mdm_enrollment other { $block }
HTTP
        location /mdm { mdm_checkin on; mdm_connect on; mdm_reenroll bound; }
        location /scep { mdm_scep devices; }
        location /api/ { mdm_api on; }
        location /enroll/ { mdm_enroll main link ota; }
        location /other/ { mdm_enroll other link ota; }
        location = /any { mdm_enroll main ota; mdm_enroll_allow any; }
        location = /none { mdm_enroll main ota; }
        location = /person {
            mdm_enroll main ota;
            mdm_enroll_person $arg_user;
        }
        location = /both {
            mdm_enroll main ade ota;
            mdm_enroll_allow any;
        }
END

my $t = MDM->new(%conf, redis => {}, store => $seal)->start;
my $scep = 'https://localhost:' . $t->port . '/scep';


sub get { return $t->request(GET => $_[0]) }

sub post {
    my ($path, $der) = @_;

    return $t->request(POST => $path, body => $der, headers =>
                       [ 'Content-Type' => 'application/pkcs7-signature' ]);
}

# a profile, whose signature holds

sub profile {
    my ($r, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, 200, $what) or diag($r->body), return {};
    is($r->header('Content-Type'), 'application/x-apple-aspen-config',
       'it is a profile');

    my $in = write_file("$made/profile", $r->body);
    my $rc = wait_exit(spawn({ out => "$made/openssl.log" }, 'openssl', 'cms',
                             '-verify', '-inform', 'DER', '-in', $in,
                             '-noverify', '-out', "$made/profile.plist"), 30);

    is($rc, 0, 'signed') or return {};

    return plist_read(read_file("$made/profile.plist"));
}

sub begin {
    my ($path) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $p = profile(get($path), 'the first profile');

    is($p->{PayloadType}, 'Profile Service', 'asks who it is');

    return $p->{PayloadContent} // {};
}

# what the device says, signed with Apple's certificate

sub said {
    my ($d, $challenge, %keys) = @_;

    return $d->said(OS_VERSION => undef, DEVICE_NAME => 'a device',
                    CHALLENGE => $challenge, %keys);
}

sub first { my ($d, @said) = @_; return $d->sign(said($d, @said)) }

sub refused {
    my ($what, $r, $why, $status) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, $status // 403, "refused: $what") or diag($r->body);
    like($r->body, $why, 'and why') if $why;

    return;
}

my $number = 0;

# the identity for an hour: of the device, but with another key

sub identity {
    my ($d, $r) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $p = profile($r, 'the second profile');
    my ($payload) = @{$p->{PayloadContent} // []};

    is($payload->{PayloadType}, 'com.apple.security.scep', 'an identity');
    is(scalar @{$p->{PayloadContent} // []}, 1, 'alone');

    my $n = $number++;
    my $rc = wait_exit(spawn({ out => "$made/sim.log" }, $sim, 'enroll',
        '--quiet', '--kinds', 'iphone:1', '--server-ca',
        $t->{server_ca}{file}, '--identities', "$made/ids", '--first', $n,
        '--count', 1, '--scep', $scep, '--scep-challenge',
        $payload->{PayloadContent}{Challenge} // ''), 60);

    is($rc, 0, 'by SCEP') or diag(read_file("$made/sim.log"));

    my ($pem) = glob "$made/ids/*-$n.pem";

    return bless { %$d, cert => $pem, key => $pem }, ref $d;
}

sub second {
    my ($d, @said) = @_;

    return $d->sign(said($d, @said), chain => 0);
}

sub link_to {
    my (%o) = @_;

    my $r = $t->api(POST => '/v1/enrollment-links', body =>
                    JSON::PP::encode_json({ enrollment => 'main', %o }));

    is($r->status, 201, 'a link') or diag($r->body);

    my ($path) = ($r->json->{url} // '') =~ m{(/enroll/.*)$};

    return $path;
}


# all of it, by a link

my $d = $apple->device('C02IPHONE001');
my $path = link_to(sets => ['office'], person => 'ann@example.com');
my $service = begin($path);

is($service->{URL}, 'https://localhost' . $path,
   'it comes back to the link');
is_deeply([ sort @{$service->{DeviceAttributes}} ],
          [ sort qw(UDID VERSION PRODUCT SERIAL DEVICE_NAME IMEI MEID
                    MAC_ADDRESS_EN0 LANGUAGE) ], 'with what is asked for');

my $challenge = $service->{Challenge};
my $id = identity($d, post($path, first($d, $challenge)));

{
    my $p = profile(post($path, second($id, $challenge)), 'the last profile');

    ok($p->{IsEncrypted}, 'is encrypted to the device');
    ok(!defined $p->{PayloadContent}, 'all of its payloads');
    ok(defined $p->{EncryptedPayloadContent}, 'are in it');
}


# messages of others

{
    my $evil = $strange->device('C02IPHONE001', udid => $d->{udid});
    my $mac = $apple->device('C02MAC000001');
    my $other = link_to();
    my ($mine) = $path =~ m{/([^/]+)$};
    my $dump = $t->redis_dump;

    refused('another CA', post($path, first($evil, $challenge)));
    refused('no challenge', post($path, first($d, undef)),
            qr/challenge/);
    refused('an empty challenge', post($path, first($d, '')));
    (my $bad = $challenge) =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/e;
    refused('a challenge that was changed', post($path, first($d, $bad)),
            qr/not one of ours/);
    refused('a challenge of another link', post($other, first($d, $challenge)),
            qr/another link/);
    refused('a challenge of a link without one',
            post('/any', first($d, $challenge)));
    refused('another block', post("/other/$mine", first($d, $challenge)));
    refused('two signers', post($path, $d->sign(said($d, $challenge),
                                                with => [ $mac ])));
    refused('no message', post($path, said($d, $challenge)));

    # with the identity of another one

    refused('the identity, for another device',
            post($path, second($id, $challenge, UDID => $mac->{udid})),
            qr/another device/);
    refused('the identity, for another serial number',
            post($path, second($id, $challenge, SERIAL => 'C02X')),
            qr/another device/);
    refused('the identity, by another link',
            post($other, second($id, $challenge)), qr/another link/);
    refused('the identity, without the link',
            post('/any', second($id, $challenge)));
    refused('the identity, in another block',
            post("/other/$mine", second($id, $challenge)));

    is($t->redis_dump, $dump, 'nothing is another');
}

# the identity enrolls nowhere

{
    my $r = $t->request(PUT => '/mdm', cert => { file => $id->{cert},
        key => $id->{key} }, headers =>
        [ 'Content-Type' => 'application/x-apple-aspen-mdm-checkin' ],
        body => plist({ MessageType => 'Authenticate',
        UDID => $d->{udid}, SerialNumber => $d->{serial},
        Topic => 'com.apple.mgmt.External.test' }));

    is($r->status, 403, 'it is never pinned');
}


# who may begin

refused('nobody', get('/none'), qr/takes a link/);
refused('nobody is logged in', get('/person?user='), qr/takes a link/);
refused('a link that there is not', get('/enroll/' . 'x' x 43));
refused('no link', get('/enroll/'));
is($t->request(HEAD => $path)->status, 200, 'a look at a link');

{
    my $in = begin('/person?user=bob');
    my $e = $apple->device('C02IPHONE002');

    is($in->{URL}, 'https://localhost/person',
       'who has logged in comes back without a login');

    my $again = identity($e, post('/person', first($e, $in->{Challenge})));

    profile(post('/person', second($again, $in->{Challenge})),
            'the profile of who has logged in');
}

begin('/any');

# behind a proxy that ends TLS

{
    my $r = $t->request(GET => '/any', plain => 1,
                        headers => [ Host => 'mdm.example.com' ]);

    is(profile($r, 'by a proxy')->{PayloadContent}{URL},
       'https://mdm.example.com/any', 'the device comes back by TLS');
}

{
    my $bound = link_to(serial => 'C02OTHER0001');
    my $in = begin($bound);

    refused('a link for another device',
            post($bound, first($d, $in->{Challenge})), qr/another device/);
}


# both ways in one place

{
    my $in = begin('/both');
    my $e = $apple->device('C02IPHONE003');

    identity($e, post('/both', first($e, $in->{Challenge})));
    is(post('/both', $e->info)->status, 200, 'MachineInfo at the same URL');
}


# the simulator, which reads all profiles as a device does

{
    my $once = link_to(uses => 1, tags => ['lab']);
    my $who = $apple->device('SIM');

    my $run = sub {
        my ($first, $link) = @_;

        my $rc = wait_exit(spawn({ out => "$made/sim.log" }, $sim, 'enroll',
            '--quiet', '--kinds', 'iphone:1', '--server-ca',
            $t->{server_ca}{file}, '--identities', "$made/sims", '--first',
            $first, '--count', 1, '--way', 'ota', '--link',
            'https://localhost:' . $t->port . $link, '--apple-cert',
            $who->{cert}, '--apple-key', $who->{key}, '--apple-chain',
            $apple->{ca}, '--profile-ca', "$made/signers.pem"), 120);
        my $out = read_file("$made/sim.log");

        return ($rc, $out);
    };

    write_file("$made/signers.pem", read_file($signer->{chain}));

    my ($rc, $out) = $run->(1000, $once);

    is($rc, 0, 'mdmsim enroll --way ota') or diag($out);
    like($out, qr/^enrolled 1 /m, 'it is enrolled');

    my @e = @{$t->redis('KEYS', 'mdm:{default/*}:e:*')};

    is(scalar @e, 1, 'one device is enrolled');
    is($t->redis('HGET', $e[0], 'way'), 'ota', 'by this way');

    ($rc, $out) = $run->(1001, $once);
    isnt($rc, 0, 'the link is used up');
    like($out, qr/410|used/, 'and the device is told');
}


# a store without an encryption_key has a key of its own; one that gets an
# encryption_key later does not believe what was sealed before

is($t->redis(qw(HGET mdm:meta seal)), undef, 'nothing is sealed without a key');

$t = MDM->new(%conf, redis => {}, workers => 2)->start;
$scep = 'https://localhost:' . $t->port . '/scep';

{
    my $e = $apple->device('C02IPHONE004');
    my $in = begin('/any');
    my $own = $t->redis(qw(HGET mdm:meta seal)) // '';

    like($own, qr/^[0-9a-f]{64}$/, 'made when it is needed');
    like($t->stderr, qr/\[warn\] .*without "encryption_key"/, 'with a warning');

    my $again = identity($e, post('/any', first($e, $in->{Challenge})));

    profile(post('/any', second($again, $in->{Challenge})),
            'the profile, without an encryption_key');
    is($t->redis(qw(HGET mdm:meta seal)), $own, 'made once');

    $t->reload(store => $seal);
    ok($t->wait_old_workers, 'the old workers are gone');
    refused('a challenge of before', post('/any', first($e, $in->{Challenge})),
            qr/not one of ours/);
    is($t->redis(qw(HGET mdm:meta seal)), undef, 'the key is gone');
    is(post('/any', first($e, begin('/any')->{Challenge}))->status, 200,
       'one that was sealed with the encryption_key');
}

finish;
