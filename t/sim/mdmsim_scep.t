#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The simulator's SCEP client, which plays Apple's, before a small server made
# of openssl's tools (t/lib/MDM/SCEPPeer.pm): what it sends, what it takes for
# a reply and what it does not, renewal, and who it is afterwards.
#
#     prove t/sim/mdmsim_scep.t      MDM_SIM names another binary

use strict;
use warnings;

use Cwd ();
use Digest::SHA 'sha1_hex';
use File::Basename;
use File::Temp;
use Test::More;

my $root;

BEGIN {
    $root = Cwd::abs_path(dirname(__FILE__) . '/../..');
    unshift @INC, "$root/t/lib";
}

use MDM::SCEPPeer;
use MDM::Util qw(free_port read_file spawn wait_exit wait_for write_file);

my $sim = $ENV{MDM_SIM} || "$root/build/mdmsim";
my $nginx = $ENV{MDM_NGINX} || '/usr/sbin/nginx';

plan skip_all => "no $sim: scripts/build sim makes it" unless -x $sim;

my $tmp = File::Temp->newdir('mdmsim-XXXXXX', TMPDIR => 1);
my $dir = "$tmp";
my $peer = MDM::SCEPPeer->new(dir => $dir);
my $fresh = 0;


# runs the simulator; v: its figures

sub sim {
    my (@args) = @_;

    my $rc = wait_exit(spawn({ out => "$dir/out" }, $sim, @args), 120);
    my $out = read_file("$dir/out");

    diag("@args: $out") if $out =~ /Sanitizer|runtime error/
                           || !defined $rc || $rc & 127;

    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => defined $rc ? $rc >> 8 : -1, out => $out, v => \%v };
}


# SCEP alone, of one device, with nothing from before

sub enroll {
    my (@args) = @_;

    return sim('enroll', '--scep', $peer->url, '--count', 1, '--identities',
               "$dir/fresh-" . ++$fresh, '--quiet', @args);
}

sub stored { return "$dir/fresh-$fresh/1-0.pem" }

sub is_issued {
    my ($r, $what) = @_;

    ok($r->{rc} == 0 && $r->{v}{scep_issued}, $what) or diag($r->{out});
    return $r;
}

# it must fail, and say why

sub is_refused {
    my ($r, $why, $what) = @_;

    my ($said) = $r->{out} =~ /: SCEP: (.*)/;

    ok($r->{rc} == 1 && ($said // '') =~ $why && $r->{v}{scep_failed}
       && !$r->{v}{scep_issued}, $what) or diag($r->{out});
    return $r;
}

sub openssl {
    my (@args) = @_;

    my $rc = wait_exit(spawn({ out => "$dir/out" }, 'openssl', @args), 30);

    return ($rc, read_file("$dir/out"));
}


# an ordinary enrolment

my $r = is_issued(enroll('--scep-challenge', 'Ab-_3~x'), 'a certificate');
my @seen = $peer->seen;

is_deeply([ map { $_->{operation} } @seen ],
          [ qw(GetCACaps GetCACert PKIOperation) ], 'the three operations');
is($r->{v}{scep_warnings}, 0, 'nothing to object to');

my $sent = $seen[2];

is($sent->{method}, 'POST', 'POST, as it is offered');
is($sent->{message}, 19, 'PKCSReq');
is($sent->{digest}, 'sha256', 'SHA-256');
is($sent->{cipher}, 'aes-128-cbc', 'AES');
is($sent->{recipients}, 1, 'one recipient');
like($sent->{transaction}, qr/^[0-9A-F]{40}$/, 'transactionID');
like($sent->{nonce}, qr/^[0-9a-f]{32}$/, 'senderNonce');
is(join(' ', sort $sent->{tags} =~ /../g), '04 13 13',
   'OCTET STRING and PrintableString');
is($sent->{challenge}, 'Ab-_3~x', 'the challenge');
is($sent->{usage}, 'Digital Signature, Key Encipherment', 'the key usage');
is($sent->{bits}, 2048, 'the size of the key');
like($sent->{signer}, qr/O = mdmsim, CN = [0-9A-F-]{36}$/, 'the subject');
is($sent->{signer}, $sent->{signer_issuer}, 'self-signed');

is((openssl('verify', '-CAfile', $peer->ca, '-purpose', 'sslclient',
            stored()))[0], 0, 'what is kept is the certificate');
is((openssl('pkey', '-in', stored(), '-check', '-noout'))[0], 0,
   'and a sound key');
is((stat stored())[2] & 077, 0, 'which is private');

my $nonce = $sent->{nonce};
my $id = $sent->{transaction};

is_issued(enroll(), 'the same device again, in another place');
@seen = $peer->seen;
is($seen[2]{transaction}, $id, 'the same key, so the same transaction');
isnt($seen[2]{nonce}, $nonce, 'another nonce');
is($seen[2]{challenge}, undef, 'no challenge is none');

is_issued(enroll('--scep-bits', 1024, '--scep-usage', 4, '--scep-subject',
                 'CN=x ${serial} y,OU=${id}', '--scep-name', 'a b/c'),
          'another profile');
@seen = $peer->seen;
is($seen[2]{bits}, 1024, 'its size of key');
is($seen[2]{usage}, 'Key Encipherment', 'its key usage');
like($seen[2]{subject}, qr/^CN = x \w{12} y, OU = [0-9A-F-]{36}$/,
     'its subject');
is($seen[1]{query}, 'a%20b%2Fc', 'its name of a CA');


# capabilities

for my $case (
    [ "AES\nSHA-1", 'sha1', 'aes-128-cbc', 'GET' ],
    [ "SHA-512\r\nDES3\r\n", 'sha512', 'des-ede3-cbc', 'GET' ],
    [ "DES3\nAES\nSHA-1\nSHA-256\nPOSTPKIOperation", 'sha256', 'aes-128-cbc',
      'POST' ],
    [ "AES\nSHA-256\nPOSTPKIOperation \nX", 'sha256', 'aes-128-cbc', 'GET' ],
) {
    my ($caps, $digest, $cipher, $method) = @$case;

    $peer->set(caps => $caps, digest => $digest);
    is_issued($r = enroll(), "$digest, $cipher, $method");
    @seen = $peer->seen;
    is("$seen[2]{digest} $seen[2]{cipher} $seen[2]{method}",
       "$digest $cipher $method", 'as the capabilities say');
    is($r->{v}{scep_warnings}, 0, 'and so is the reply');
}

for my $caps ('', "AES \nSHA-256\n", "AES\n SHA-256\n", "aes\nSHA-256\n",
              "SHA-256\nSCEPStandard\n", "AES,SHA-256\n", "AES\nMD5\n")
{
    $peer->set(caps => $caps);
    is_refused(enroll(), qr/GetCACaps offers neither/,
               'not enough: ' . $caps =~ s/\n/|/gr);
}

$peer->set;
$peer->seen;
is_issued(enroll('--scep-get'), 'GET, if one likes');
@seen = $peer->seen;
is($seen[2]{method}, 'GET', 'it is GET');
like($seen[2]{query}, qr{^[A-Za-z0-9+/]+(%3D){0,2}$}, 'base64 as macOS has it');
like($seen[2]{query}, qr{[+/]}, 'with bare characters');

for my $case ([ 'sha1', 'aes256', 'aes-256-cbc' ],
              [ 'sha384', 'aes192', 'aes-192-cbc' ],
              [ 'sha512', 'des3', 'des-ede3-cbc' ])
{
    $peer->set(digest => $case->[0]);
    is_issued(enroll('--scep-digest', $case->[0], '--scep-cipher',
                     $case->[1]), "@$case[0, 1], if one likes");
    @seen = $peer->seen;
    is("$seen[2]{digest} $seen[2]{cipher}", "@$case[0, 2]", 'are used');
}


# GetCACert

for my $case ([ root => 1 ], [ ra => 3 ], [ split => 4 ]) {
    my ($certs, $n) = @$case;

    $peer->set(certs => $certs);
    is_issued($r = enroll(), "GetCACert: $certs");
    is($r->{v}{scep_warnings}, 0, 'nothing to object to');
    $peer->seen;

    $peer->set(certs => $certs, digest => 'sha1');
    is_issued($r = enroll('--scep-legacy'), 'an old client');
    is($r->{v}{scep_warnings}, 0, 'gets the same algorithms back');
    @seen = $peer->seen;
    is("$seen[2]{digest} $seen[2]{cipher} $seen[2]{recipients}",
       "sha1 des-cbc $n", 'DES, SHA-1, encrypted to every certificate');
}

for my $case (
    [ { certs => 'none' }, qr/no RA with key usage keyEncipherment/ ],
    [ { certs => 'short' }, qr/does not have the chain/ ],
    [ { certs => 'ra', certs_type => 'application/x-x509-ca-cert' },
      qr/not one certificate/ ],
    [ { certs_type => 'application/x-x509-ca-ra-cert' }, qr/not a PKCS #7/ ],
    [ { certs_type => 'application/x-x509-ca-cert; charset=utf-8' },
      qr/content type/ ],
    [ { certs_type => 'application/X-x509-ca-cert' }, qr/content type/ ],
    [ { junk => "\n" }, qr/not one certificate/ ],
    [ { certs => 'ra', junk => "\n" }, qr/not a PKCS #7/ ],
) {
    $peer->set(%{$case->[0]});
    is($r = is_refused(enroll(), $case->[1],
                       join ' ', 'not: ', %{$case->[0]})->{v}
            {scep_bad_server}, 1, 'it is the server');
}

for my $certs (qw(root ra)) {
    my $der = read_file($peer->ca =~ s/pem$/der/r);

    $peer->set(certs => $certs);
    is_issued(enroll('--scep-fingerprint', uc sha1_hex($der)),
              "$certs: the fingerprint of the root");
    is_refused(enroll('--scep-fingerprint', sha1_hex("$der ")),
               qr/fingerprint is [0-9a-f]{40}/, "$certs: another one");
}


# replies

$peer->set(certs => 'ra');

my %wrong = (
    signer => qr/another certificate than GetCACert/,
    signers => qr/2 signers/,
    signature => qr/signature of the reply is wrong/,
    attributes => qr/no signed attributes/,
    message => qr/messageType/,
    transaction => qr/another transaction/,
    tag => qr/another transaction/,
    twice => qr/another transaction/,
    nonce => qr/recipientNonce/,
    status => qr/pkiStatus/,
    envelope => qr/without enveloped data/,
    recipient => qr/does not open/,
    key => qr/no certificate in the reply has our key/,
    foreign => qr/a CA that was not shown/,
);

for my $wrong (sort keys %wrong) {
    $peer->set(certs => 'ra', wrong => $wrong);
    $r = is_refused(enroll(), $wrong{$wrong}, "wrong: $wrong");
    is($r->{v}{scep_bad_reply}, 1, 'it is the reply');
    ok(!-e stored(), 'nothing is kept');
}

for my $case ([ { wrong => 'order' }, qr/not the first one/ ],
              [ { wrong => 'bare' }, qr/certificate is not in the reply/ ],
              [ { digest => 'sha512' }, qr/signed with SHA512/ ],
              [ { cipher => 'des-ede3-cbc' }, qr/not encrypted with aes128/ ])
{
    $peer->set(certs => 'ra', %{$case->[0]});
    is_issued($r = enroll(), join ' ', 'forgiven:', %{$case->[0]});
    is($r->{v}{scep_warnings}, 1, 'but told');
    like($r->{out}, $case->[1], 'in words');
}

$peer->set(type => 'text/html');
is_refused(enroll(), qr{content type "text/html"}, 'another content type');

my @infos = qw(badAlg badMessageCheck badRequest badTime badCertId);

for my $n (0 .. 4) {
    $peer->set(fail => $n, fail_text => $n % 2 ? "dürfen\nnicht" : '');
    $r = is_refused(enroll(), $n % 2 ? qr/FAILURE $infos[$n] \(dürfen\?nicht\)/
                                     : qr/FAILURE $infos[$n]$/m, $infos[$n]);
    is($r->{v}{"scep_$infos[$n]"}, 1, 'is counted');
}

$peer->set(fail => 7);
is_refused(enroll(), qr/without a failInfo/, 'a failInfo that there is not');

$peer->set(challenge => 'secret');
is_issued(enroll('--scep-challenge', 'secret'), 'the right challenge');
is_refused(enroll('--scep-challenge', 'other'), qr/badRequest/,
           'a wrong one');


# PENDING

$peer->set(pending => 2);
$peer->seen;
is_issued($r = enroll('--scep-retry-delay', 0.2), 'PENDING twice');
is($r->{v}{scep_pending}, 2, 'is counted');
ok($r->{v}{scep_p50} >= 400_000, 'it waits in between');
@seen = $peer->seen;
is(join(' ', map { $_->{message} // '-' } @seen), '- - 19 20 20',
   'CertPoll after PKCSReq');
is($seen[4]{transaction}, $seen[2]{transaction}, 'of the same transaction');
isnt($seen[4]{nonce}, $seen[3]{nonce}, 'with a nonce of its own');

$peer->set(pending => 9);
is_refused(enroll('--scep-retry-delay', 0.1, '--scep-retries', 2),
           qr/still PENDING after 2 retries/, 'not for ever');
is(scalar $peer->seen, 5, 'as often as it should');


# faults of the network

$peer->set(drop => 3);
is_issued($r = enroll(), 'three answers that do not come');
ok($r->{v}{scep_retries} >= 1, 'are asked for again');

$peer->set(drop => 20);
is_refused(enroll('--new-connection'), qr/closed before the answer/,
           'but not for ever');
$peer->set(status => 503);
is_refused(enroll(), qr/HTTP status 503/, 'another status');
is(enroll('--retries', 2)->{v}{scep_retries}, 2, '--retries repeats it all');
$peer->set;


# faults on purpose

my %faults = (
    transaction => qr/badRequest|recipientNonce|another transaction/,
    nonce => qr/badRequest|recipientNonce/,
    type => qr/badRequest/,
    poll => qr/badCertId/,
    envelope => qr/badMessageCheck/,
    csr => qr/badMessageCheck/,
    signature => qr/HTTP status 400/,
    signers => qr/HTTP status 400/,
    attributes => qr/./,
    challenge => qr/badRequest/,
);

$peer->set(challenge => 'secret');

for my $fault (sort keys %faults) {
    $peer->seen;
    is_refused(enroll('--scep-challenge', 'secret', '--scep-fault', $fault),
               $faults{$fault}, "fault: $fault");
    @seen = $peer->seen;
    my $saw = $seen[2];

    is($saw->{signers}, $fault eq 'signers' ? 2 : 1, 'signers');

    if ($fault eq 'attributes') {
        is($saw->{attributes}, 0, 'there were none');
    } elsif ($fault eq 'transaction' || $fault eq 'nonce') {
        ok(!defined $saw->{$fault}, 'it was not there');
    } elsif ($fault eq 'type') {
        is($saw->{message}, 99, 'it was another one');
    } elsif ($fault eq 'poll') {
        is($saw->{message}, 20, 'without a request before');
    }
}

is_issued(enroll('--scep-challenge', 'secret', '--scep-fault', 'signer'),
          'a signer with another key than the request');
@seen = $peer->seen;
is($seen[2]{signer}, $seen[2]{signer_issuer}, 'signs itself');
$peer->set;


# a fleet: challenges, keys, and what is kept

write_file("$dir/challenges", join "\r\n", map { "one-$_" } 1 .. 12);

my @fleet = ('--scep', $peer->url, '--identities', "$dir/fleet", '--quiet');

$peer->seen;
is_issued($r = sim('enroll', @fleet, '--count', 12, '--connections', 4,
                   '--scep-challenge-file', "$dir/challenges"), 'a fleet');
is($r->{v}{scep_issued}, 12, 'all of it');

@seen = grep { $_->{operation} eq 'PKIOperation' } $peer->seen;
is(join(' ', sort map { $_->{challenge} } @seen),
   join(' ', sort map { "one-$_" } 1 .. 12), 'each its own challenge');

my %keys = map { $_ => 1 }
           map { (openssl('pkey', '-in', "$dir/fleet/1-$_.pem", '-pubout'))[1] }
           0 .. 11;

is(scalar keys %keys, 12, 'and its own key');

is(sim('enroll', @fleet, '--count', 13, '--scep-challenge-file',
       "$dir/challenges")->{rc}, 2, 'a file that is too short');

$r = sim('enroll', '--scep', $peer->url, '--identities', "$dir/ahead",
         '--quiet', '--count', 3, '--scep-prepare');
is($r->{v}{scep_issued}, 3, 'requests that are made in advance');
is(join(' ', map { $_->{operation} =~ s/^(...).*/$1/r } $peer->seen),
   join(' ', ('Get') x 6, ('PKI') x 3), 'are sent when all are there');

$peer->set(busy => 1);
$r = sim('enroll', '--scep', $peer->url, '--identities', "$dir/ahead",
         '--quiet', '--count', 2, '--first', 20, '--scep-prepare');
is(scalar(grep { $_->{operation} eq 'PKIOperation' } $peer->seen), 2,
   'one that is refused is not sent again');
isnt($r->{rc}, 0, 'and a failure') or diag($r->{out});
$peer->set;

my $before = read_file("$dir/fleet/1-3.pem");

$r = sim('enroll', @fleet, '--count', 13, '--scep-keep');
is("$r->{v}{scep_kept} $r->{v}{scep_issued}", '12 1',
   'who has a certificate keeps it');
is(read_file("$dir/fleet/1-3.pem"), $before, 'it is the same one');

$peer->seen;
is_issued(sim('enroll', @fleet, '--first', 3, '--count', 1),
          'enrolling once more');
isnt((openssl('pkey', '-in', "$dir/fleet/1-3.pem", '-pubout'))[1],
     (openssl('pkey', '-in', "$dir/fleet/1-3.old.pem", '-pubout'))[1],
     'takes another key');

is_issued(sim('enroll', @fleet, '--first', 50, '--count', 1, '--scep-key-of',
              5), 'the key of another device');
is((openssl('pkey', '-in', "$dir/fleet/1-50.pem", '-pubout'))[1],
   (openssl('pkey', '-in', "$dir/fleet/1-5.pem", '-pubout'))[1],
   'is the key of that device');


# renewal, and who a device is: a server that wants certificates

my ($tls, $plain) = (free_port(), free_port());

is(sim('ca', '--dir', "$dir/ca")->{rc}, 0, 'a certificate of the server');

write_file("$dir/nginx.conf", <<"CONF");
worker_processes 1;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log info;
events { }
http {
    log_format id '\$ssl_client_serial \$request_length';
    access_log $dir/access.log id;
    client_body_temp_path $dir/body_temp;
    proxy_temp_path $dir/proxy_temp;
    fastcgi_temp_path $dir/fastcgi_temp;
    uwsgi_temp_path $dir/uwsgi_temp;
    scgi_temp_path $dir/scgi_temp;
    server {
        listen 127.0.0.1:$tls ssl;
        ssl_certificate $dir/ca/server.pem;
        ssl_certificate_key $dir/ca/server.key;
        ssl_client_certificate @{[ $peer->ca ]};
        ssl_verify_client optional;
        location / {
            if (\$ssl_client_verify != SUCCESS) { return 403; }
            return 200;
        }
        location /scep {
            access_log off;
            proxy_pass http://127.0.0.1:@{[ $peer->port ]};
        }
    }
}
CONF

my $pid = spawn({ out => "$dir/nginx.out" }, $nginx, '-p', $dir, '-c',
                "$dir/nginx.conf");

ok(wait_for(10, sub { -s "$dir/nginx.pid" }), 'nginx runs')
    or diag(read_file("$dir/nginx.out"));

sub serial {
    my ($file) = @_;

    return (openssl('x509', '-in', "$dir/fleet/$file.pem", '-noout',
                    '-serial'))[1] =~ s/^serial=|\s//gr;
}

# the serial numbers of the next requests, whose lines may come a bit later

my $read = 0;

sub presented {
    my ($n) = @_;

    my @lines;

    wait_for(10, sub {
        @lines = split /\n/, substr read_file("$dir/access.log"), $read;
        return @lines >= $n;
    });

    $read += length "$_\n" for @lines;

    my %serials = map { (split)[0] => 1 } @lines;

    return join ' ', sort keys %serials;
}

my @device = ('--identities', "$dir/fleet", '--first', 7, '--count', 1,
              '--quiet', '--server-ca', "$dir/ca/ca.pem");
my $url = "https://127.0.0.1:$tls/mdm";

$r = sim('enroll', @device, '--scep', "https://127.0.0.1:$tls/scep",
         '--url', $url);
is("$r->{rc} $r->{v}{scep_issued} $r->{v}{enrolled} $r->{v}{status_200}",
   '0 1 1 2', 'SCEP over TLS, and then it enrolls');
is(presented(2), serial('1-7'), 'with the certificate that it was given');

is(sim('poll', @device, '--url', $url)->{rc}, 0, 'polls');
is(presented(1), serial('1-7'), 'with the same one');

my $old = serial('1-7');

$peer->seen;
$r = sim('renew', @device, '--scep', $peer->url);
is("$r->{rc} $r->{v}{scep_issued}", '0 1', 'renewal');
@seen = $peer->seen;
is($seen[2]{message}, 19, 'PKCSReq');
is($seen[2]{signer_issuer}, 'O = Test, CN = root',
   'signed by the certificate that it has');
is(serial('1-7.old'), $old, 'which is kept');
isnt(serial('1-7'), $old, 'beside the new one');

sim('poll', @device, '--url', $url);
is(presented(1), serial('1-7'), 'the new one is used from then on');
sim('poll', @device, '--url', $url, '--previous');
is(presented(1), $old, 'and the old one if it is asked for');

for my $case ([ token => 1 ], [ authenticate => 2 ], [ poll => 1 ]) {
    my ($then, $requests) = @$case;

    $peer->seen;
    $r = sim('renew', @device, '--scep', $peer->url, '--scep-renewal',
             '--url', $url, '--then', $then);
    is("$r->{rc} $r->{v}{scep_issued} $r->{v}{status_200}", "0 1 $requests",
       "renewal, then $then");
    is(presented($requests), serial('1-7'), 'with the new certificate');
    is(($peer->seen)[2]{message}, 17, 'RenewalReq');
}

my $key = (openssl('pkey', '-in', "$dir/fleet/1-7.pem", '-pubout'))[1];

sim('renew', @device, '--scep', $peer->url, '--scep-same-key');
is((openssl('pkey', '-in', "$dir/fleet/1-7.pem", '-pubout'))[1], $key,
   'renewal of the same key');

kill 'QUIT', $pid;
is(wait_exit($pid, 10), 0, 'nginx ends');


# calls that are wrong

for my $args ([ 'renew' ], [ 'enroll', '--scep-challenge', 'x' ],
              [ 'enroll', '--scep', $peer->url ],
              [ 'enroll', '--scep', $peer->url, '--dir', $dir,
                '--shared-key' ],
              [ 'enroll', '--scep', $peer->url, '--dir', $dir,
                '--scep-cipher', 'rot13' ],
              [ 'enroll', '--scep', $peer->url, '--dir', $dir,
                '--scep-bits', '2047' ],
              [ 'enroll', '--scep', $peer->url, '--dir', $dir,
                '--scep-fault', 'x' ],
              [ 'enroll', '--scep', $peer->url, '--dir', $dir,
                '--scep-fingerprint', 'abc' ],
              [ 'enroll', '--scep', 'http://192.0.2.1/', '--dir', $dir ],
              [ 'renew', '--scep', $peer->url, '--dir', $dir,
                '--first', 90, '--count', 1 ],
              [ 'poll', '--url', $url, '--identities', "$dir/none",
                '--count', 1 ])
{
    is(sim(@$args)->{rc}, 2, "not: @$args[0 .. ($#$args > 5 ? 5 : $#$args)]");
}

$peer->stop;
is_refused(enroll(), qr/cannot connect/, 'nobody is there');

done_testing();
