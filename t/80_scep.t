#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# SCEP: the configuration of a server, GetCACaps and GetCACert, and enrolment
# by clients that were written by others.

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64;
use Test::More;

use MDM;
use MDM::CA;
use MDM::Conf;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $pki = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $pki->dir;

my $rsa = MDM::CA->new($dir, 'rsa');
my $ec = MDM::CA->new($dir, 'ec', key => 'ec:P-256');
my $sub = MDM::CA->new($dir, 'root')->sub_ca('middle')
              ->sub_ca('lowest', key => 'ec:P-384');

my $low = MDM::CA->new($dir, 'top')->sub_ca('low');
my $split = MDM::CA->new($dir, 'split');

my %ra = (ec => $ec->ra('ra'), sub => $sub->ra('ra'),
          split => $split->ra('ra'));

my $secret = write_file("$dir/secret", "s3cret\n");

chmod 0600, $secret;

sub block {
    my ($name, $ca, $ra, $more) = @_;

    return "mdm_ca $name { certificate $ca->{chain};"
           . " certificate_key $ca->{key}; @{[ $more // '' ]}"
           . ($ra ? " ra_certificate $ra->{cert};"
                    . " ra_certificate_key $ra->{key};" : '') . ' }';
}

my $cas = block('rsa', $rsa) . block('ec', $ec, $ra{ec})
          . block('sub', $sub, $ra{sub}) . block('bare', $ec)
          . block('low', $low) . block('split', $split, $ra{split})
          . block('other', $rsa, undef, 'tenant other;');

my $headers = 'large_client_header_buffers 4 16k;';


# nginx -t

{
    my $conf = MDM::Conf->new($pki);

    my $try = sub {
        return (http => $cas, server => $_[1] // $headers,
                locations => "location /scep { $_[0] }");
    };

    my $refused = sub {
        my ($text, $why) = @_;

        $conf->refused({ $try->($text) }, $text, $why);
    };

    unlike($conf->ok('a SCEP server', $try->('mdm_scep rsa;')), qr/\[warn\]/,
           'nothing is warned of');
    $conf->ok('one with an RA', $try->('mdm_scep ec;'));
    $conf->ok('off', $try->('mdm_scep off;'));
    $conf->ok('an if', $try->('if ($arg_x) { mdm_scep rsa; }'));
    $conf->ok('a limit_except',
              $try->('mdm_scep rsa; limit_except GET { deny all; }'));
    $conf->ok('all of it', $try->("mdm_scep rsa; mdm_scep_legacy sha1 des3 des;"
                                  . " mdm_scep_challenge static $secret;"));
    $conf->ok("none, with $_", $try->("mdm_scep rsa; mdm_scep_challenge none; $_"))
        for 'allow 10.0.0.0/8; deny all;', 'deny 10.0.0.1;', 'deny ::1;',
            'deny unix:;', 'allow ::1; allow all; deny ::2;',
            map { "auth_basic $_; auth_basic_user_file $secret;" }
                'a', 'offs', '$host';

    # on Debian 13 the provider is a package of its own

    {
        local $pki->{env} = { OPENSSL_MODULES => '/nonexistent' };

        $refused->('mdm_scep rsa; mdm_scep_legacy des;',
                   q{needs OpenSSL's legacy provider for "des": on Debian 13}
                   . ' it is in the package openssl-provider-legacy in ');
        $conf->ok('the others need none',
                  $try->('mdm_scep rsa; mdm_scep_legacy sha1 des3;'));
    }

    like($conf->ok('short headers', $try->('mdm_scep rsa;', '')),
         qr/\[warn\] .*"large_client_header_buffers" has buffers of 8192/,
         'they are warned of');

    $refused->('mdm_scep nosuch;', 'mdm ca "nosuch" is not defined in'
                                   . ' \S+nginx.conf:\d+');
    $refused->('mdm_scep bare;', 'needs an "ra_certificate" of mdm ca "bare"');
    $refused->('mdm_scep "";', 'has no name of a CA');
    $refused->('mdm_scep rsa; mdm_scep rsa;', 'is duplicate');
    $refused->("mdm_scep rsa; $_ on;", '"mdm_scep" cannot be in one location')
        for qw(mdm_checkin mdm_connect mdm_api mdm_auth_request);
    $refused->("mdm_scep rsa; mdm_scep_challenge none; $_",
               'gives a certificate to everybody: location "/scep" has no')
        for '', 'allow all;', 'allow 10.0.0.0/8; allow ::1; allow unix:;',
            "auth_basic off; auth_basic_user_file $secret;", 'auth_basic a;';
    $refused->("mdm_scep rsa; mdm_scep_challenge $_->[0];", $_->[1])
        for [ 'twice', 'must be "once", "none" or "static FILE"' ],
            [ 'static', 'must be "once", "none" or "static FILE"' ],
            [ 'none x', 'must be "once", "none" or "static FILE"' ],
            [ 'static /nonexistent', 'open\(\) "/nonexistent" failed' ],
            [ 'static ' . write_file("$dir/empty", "\n"),
              'must have 1 to 1024 bytes' ],
            [ 'static ' . write_file("$dir/lengthy", 'x' x 1025),
              'must have 1 to 1024 bytes' ];
    $refused->("mdm_scep rsa; mdm_scep_legacy $_->[0];", $_->[1])
        for [ 'md5', 'must be "sha1", "des3", "des" or "off"' ],
            [ 'off sha1', 'has "off" beside others' ];
}


my $bundle = write_file("$dir/bundle", map { read_file($_->{chain}) }
                                       $rsa, $ec, $sub);
my $format = 'log_format scep "$request_method $uri $mdm_scep_operation '
             . '$mdm_scep_status $mdm_ca_serial";'
             . ' access_log %%PREFIX%%/scep.log scep;';
my $t = MDM->new(http => $cas . $format, ca => { file => $bundle },
                 locations => <<"END", server => $headers)->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        mdm_scep_challenge static $secret;
        location /rsa { mdm_scep rsa; }
        location /ec { mdm_scep ec; }
        location /sub { mdm_scep sub; mdm_scep_legacy sha1 des3 des; }
        location /low { mdm_scep low; }
        location /strict { mdm_scep rsa; mdm_scep_legacy off; }
        location /once { mdm_scep ec; mdm_scep_challenge once; }
        location /other { mdm_scep other; }
        location /old { mdm_scep rsa; mdm_scep_legacy sha1 des3 des; }
        location /oldra { mdm_scep ec; mdm_scep_legacy sha1 des3 des; }
        location /oldsplit { mdm_scep split; mdm_scep_legacy sha1 des3 des; }
        location /none {
            mdm_scep rsa;
            mdm_scep_challenge none;
            allow 127.0.0.1;
            deny all;
        }
END

my $http = $t->client(plain => 1);

sub logged { return ok($t->wait_log(qr/\Q$_[0]\E/), "logged: $_[0]") }

sub get { return $http->request('GET', $_[0]) }

sub der { my ($pem) = read_file($_[0]) =~ /-----BEGIN[^\n]+\n(.*?)-----END/s;
          return decode_base64($pem) }


# GetCACaps: whole lines, and those that Apple wants (scep#23)

{
    my $r = get('/rsa?operation=GetCACaps');

    is($r->status, 200, 'GetCACaps');
    is($r->header('Content-Type'), 'text/plain', 'its type');
    is($r->body, "AES\nDES3\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-1\n"
                 . "SHA-256\nSHA-512\n", 'what is offered');
    is(get('/strict?operation=GetCACaps')->body,
       "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\nSHA-512\n",
       'without what is legacy');
}


# GetCACert: the second type only where there is an RA
# (ultimate-ca-manager#101, jscep#35)

{
    my $r = get('/rsa?operation=GetCACert&message=nothing');

    is($r->status, 200, 'GetCACert');
    is($r->header('Content-Type'), 'application/x-x509-ca-cert', 'its type');
    is($r->body, der($rsa->{cert}), 'the CA itself');

    $r = get('/low?operation=GetCACert');
    is($r->header('Content-Type'), 'application/x-x509-ca-cert',
       'one below another CA, without an RA');
    is($r->body, der($low->{cert}), 'by itself');

    for (qw(ec sub)) {
        $r = get("/$_?operation=GetCACert");
        is($r->header('Content-Type'), 'application/x-x509-ca-ra-cert',
           "with an RA: $_");

        my $file = write_file("$dir/certs.p7", $r->body);
        my $said = run('openssl', 'pkcs7', '-inform', 'DER', '-in', $file,
                       '-print_certs', '-noout');

        is_deeply([ $said =~ /subject=CN ?= ?(\w+)/g ],
                  $_ eq 'ec' ? [ qw(ra ec) ] : [ qw(ra lowest middle root) ],
                  'the RA, the CA, and all up to the root');
    }
}


# what is nothing

is(get('/rsa')->status, 400, 'no operation');
is(get('/rsa?operation=GetNextCACert')->status, 400, 'another operation');
is(get('/rsa?operation=PKIOperation')->status, 400, 'no message');
is(get('/rsa?operation=PKIOperation&message=AAAA')->status, 400, 'no CMS');
is($http->request('POST', '/rsa?operation=PKIOperation', body => 'x')->status,
   400, 'no CMS in a body');
is($http->request('POST', '/rsa?operation=PKIOperation',
                  body => 'x' x 1_100_000)->status, 413, 'a large one');

{
    my $r = $http->request('PUT', '/rsa?operation=GetCACaps', body => 'x');

    is($r->status, 405, 'another method');
    is($r->header('Allow'), 'GET, POST', 'those that there are');
}

is(get('/other?operation=GetCACaps')->status, 403,
   'a tenant that the CA does not serve');
logged('mdm ca "other" does not serve tenant "default"');


# clients of others

sub run {
    my (@argv) = @_;

    my $out = "$dir/run.log";
    my $rc = wait_exit(spawn({ out => $out }, @argv), 60);
    my $said = read_file($out);

    $said .= "exit $rc" if !defined $rc || $rc != 0;

    return $said;
}

sub there { return grep { -x "$_/$_[0]" } split /:/, $ENV{PATH} }

sub pem { my ($pem) = read_file($_[0]) =~ /(-----BEGIN.*?-----END[^\n]+\n)/s;
          return $pem }

# that the certificate is of this CA, and of no subject of the client's own

sub issued {
    my ($what, $file, $ca, $cn) = @_;

    my @form = read_file($file) =~ /^-----BEGIN/m ? () : (-inform => 'DER');
    my $pem = "$file.pem";

    run('openssl', 'x509', @form, '-in', $file, '-out', $pem);

    like(run('openssl', 'verify', '-CAfile', $ca->{chain}, '-purpose',
             'sslclient', $pem), qr/: OK/, "$what: a certificate of the CA");
    like(run('openssl', 'x509', '-in', $pem, '-noout', '-subject'),
         $cn ? qr/^subject=CN ?= ?\Q$cn\E/m
             : qr/^subject=CN ?= ?[0-9a-f]{32}$/m,
         "$what: the subject is ours");

    return;
}

SKIP: {
    skip('scepclient is not installed', 1) if !there('scepclient');

    # DES and SHA-1, whatever is offered (scep#253, certificates#2100); RSA keys
    # for the CA and the RA, as it encrypts to both.  What it has made for
    # itself stands beside the key, and is taken for that of any other key.

    for (qw(old none oldsplit)) {
        my $made = "$dir/scepclient-$_";
        my $cert = "$made/cert.pem";

        mkdir $made;

        my $said = run('scepclient', '-server-url',
                       'http://127.0.0.1:' . $t->plain_port . "/$_",
                       '-private-key', "$made/key", '-certificate', $cert,
                       '-challenge', 's3cret', '-debug');

        if ($_ eq 'none') {
            ok(! -e $cert, 'scepclient, where DES is not accepted');
            logged('mdm scep: badAlg: cipher of the envelope is not accepted');
            next;
        }

        ok(-s $cert, "scepclient, $_") or diag($said);
        issued("scepclient, $_", $cert, $_ eq 'old' ? $rsa : $split)
            if -s $cert;
    }
}

# the same of the simulator, which encrypts to every certificate that there is

sub sim {
    my ($where, $number, @args) = @_;

    return run("$MDM::root/build/mdmsim", 'enroll', '--quiet', '--kinds',
               'iphone:1', '--count', 1, '--first', $number, '--identities',
               "$dir/sim",
               '--scep', 'http://127.0.0.1:' . $t->plain_port . "/$where",
               '--scep-challenge', @args);
}

SKIP: {
    skip('no build/mdmsim', 1) if !-x "$MDM::root/build/mdmsim";

    my $n = 0;

    for (['old', $rsa], ['oldra', $ec], ['oldsplit', $split], ['sub', $sub]) {
        my ($name, $ca) = @$_;
        my $said = sim($name, ++$n, 's3cret', '--scep-legacy');

        like($said, qr/^scep_issued 1 /m, "DES and SHA-1, $name")
            or diag($said);
        unlike($said, qr/^scep_warnings [1-9]/m, 'it gets the same back');
        issued("mdmsim, $name", "$dir/sim/1-$n.pem", $ca);
    }

    like(sim('rsa', 0, 's3cret', '--scep-legacy'), qr/^scep_badAlg 1 /m,
         'where DES is not accepted');

    # who has signed it is known, though no nonce can be sent back

    sim('rsa', 0, 's3cret', '--scep-fault', 'nonce');
    logged('mdm scep: badMessageCheck: message has no senderNonce');

    # what an access log has of it

    my $log = sub { return read_file($t->dir . '/scep.log') };

    ok(wait_for(10, sub { $log->() =~ m{^POST /rsa .* badMess}m }),
       'the access log has all');

    my ($got) = run('openssl', 'x509', '-in', "$dir/sim/1-1.pem", '-noout',
                    '-serial') =~ /^serial=(\w+)/m;

    like($log->(), qr/^$_$/m, "variables: $_")
        for 'GET /old GetCACaps - -', 'GET /old GetCACert - -',
            'POST /old PKIOperation success ' . lc($got // ''),
            'POST /rsa PKIOperation badAlg -',
            'POST /rsa PKIOperation badMessageCheck -', 'GET /rsa - - -';
}

SKIP: {
    skip('pki of strongSwan is not installed', 1)
        if !there('pki') || run('pki', '--help') !~ /--scep /;

    for (['rsa', $rsa, $rsa], ['ec', $ec, $ra{ec}], ['sub', $sub, $ra{sub}],
         ['once', $ec, $ra{ec}])
    {
        my ($name, $ca, $to) = @$_;
        my $key = "$dir/pki-$name.key";
        my $cert = "$dir/pki-$name.der";
        my $url = 'http://127.0.0.1:' . $t->plain_port . "/$name";

        run('openssl', 'genrsa', '-traditional', '-out', $key, 2048);

        my $pki = sub {
            return run('sh', '-c', 'out=$1; shift; exec "$@" > "$out"', 'sh',
                       $cert, 'pki', '--scep', '--url', $url, '--in', $key,
                       '--dn', 'CN=client', '--cacert-enc', $to->{cert},
                       '--cacert-sig', $to->{cert}, '--cacert', $ca->{cert},
                       @_);
        };

        # 5.9.8 takes AES and SHA-256 for missing where they are offered

        my @try = ('--cipher', 'aes', '--digest', 'sha256');
        my $said = $pki->(@try, '--password', 's3cret');

        if ($said =~ /not supported by CA/) {
            @try = ('--cipher', 'des3', '--digest', 'sha1');
            $said = $pki->(@try, '--password', 's3cret');
        }

        if ($name eq 'once') {
            ok(!-s $cert, 'pki --scep, a challenge that nobody knows');
            next;
        }

        ok(-s $cert, "pki --scep, $name, @try") or diag($said);
        issued("pki --scep, $name", $cert, $ca) if -s $cert;

        $pki->(@try, '--password', 'wrong');
        ok(!-s $cert, 'but not with a wrong challenge');
    }

    logged('badRequest: the challenge is wrong, transaction "');
    logged('badRequest: the challenge is not known, or has expired, transaction "');
}

# strongSwan's renews by a RenewalReq (core#1901), which its present certificate
# signs: that has to be the pin of a device

SKIP: {
    skip('pki of strongSwan is not installed', 1)
        if !there('pki') || run('pki', '--help') !~ /--scep /;

    for (['rsa', $rsa, $rsa], ['ec', $ec, $ra{ec}]) {
        my ($name, $ca, $to) = @$_;
        my $old = "$dir/pki-$name.der.pem";
        my $key = "$dir/pki-$name.key";
        my $new = "$dir/pki-$name-new";

        run('openssl', 'genrsa', '-traditional', '-out', "$new.key", 2048);

        my $renew = sub {
            return run('sh', '-c', 'out=$1; shift; exec "$@" > "$out"', 'sh',
                       "$new.der", 'pki', '--scep', '--url',
                       'http://127.0.0.1:' . $t->plain_port . "/$name",
                       '--in', "$new.key", '--dn', 'CN=client', '--cert', $old,
                       '--key', $key, '--cacert-enc', $to->{cert},
                       '--cacert-sig', $to->{cert}, '--cacert', $ca->{cert},
                       '--cipher', 'des3', '--digest', 'sha1');
        };

        my $said = $renew->();

        ok(!-s "$new.der", "pki --scep, $name, of no device: no renewal")
            or diag($said);

        my $device = $t->device("PKI-$name",
                                cert => { file => $old, key => $key })->enroll;

        $said = $renew->();
        ok(-s "$new.der", "pki --scep, $name, renewed by 17") or diag($said);
        next if !-s "$new.der";
        issued("pki --scep, $name", "$new.der", $ca, "PKI-$name");

        $device->{cert} = { file => "$new.der.pem", key => "$new.key" };
        is($device->idle->status, 200, 'it is good for the device');
    }

    logged('a renewal is not signed with the pinned certificate of a device');
}


# certmonger's helper alone, which asks for what is offered, and behind its
# daemon, which makes the messages that the helper sends

SKIP: {
    my ($helper) = grep { -x } map { "$_/certmonger/scep-submit" }
                   '/usr/libexec', '/usr/lib';

    skip('certmonger is not installed', 1) if !$helper;

    for (['rsa', $rsa], ['ec', $ec], ['sub', $sub]) {
        my ($name, $ca) = @$_;
        my @ask = ($helper, '-u',
                   'http://127.0.0.1:' . $t->plain_port . "/$name");
        my $made = "$dir/certmonger-$name";

        like(run(@ask, '-c'), qr/^AES\n.*^POSTPKIOperation\n.*^SHA-256\n/ms,
             "scep-submit, $name: the capabilities");

        my @certs = run(@ask, '-C') =~ /(-----BEGIN.*?-----END[^\n]+\n)/gs;

        # the one that reads requests first

        is($certs[0], pem(($ra{$name} || $ca)->{cert}), 'the RA, or the CA');
        ok((grep { $_ eq pem($ca->{cert}) } @certs), 'and the CA');

        # it finds a CA beside an RA only

        my $trust = $ra{$name} ? '' : "-N $ca->{cert}";

        mkdir $_ for $made, map { "$made/$_" } qw(cas requests local tmp);

        my $said = run('env', "HOME=$made", "CERTMONGER_CONFIG_DIR=$made",
            "CERTMONGER_CAS_DIR=$made/cas", "CERTMONGER_TMPDIR=$made/tmp",
            "CERTMONGER_REQUESTS_DIR=$made/requests",
            "CERTMONGER_LOCAL_CA_DIR=$made/local", 'certmonger', '-s', '-n',
            '-L', '-P', "$made/socket", '-c',
            "sh -c 'getcert add-scep-ca -c ours -u $ask[2] $trust && "
            . "getcert request -c ours -f $made/cert.pem -k $made/key.pem"
            . " -N CN=client -L s3cret -w'");

        ok(-s "$made/cert.pem", "certmonger, $name") or diag($said);
        issued("certmonger, $name", "$made/cert.pem", $ca)
            if -s "$made/cert.pem";
    }
}

unlike($t->log, qr/s3cret/, 'challenges are not logged');

finish;
