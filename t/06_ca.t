#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Blocks mdm_ca: what nginx -t refuses and warns of, and what a worker says.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::CA;
use MDM::Conf;
use MDM::Util qw(read_file write_file);


my $n = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $n->dir;

my $rsa = MDM::CA->new($dir, 'rsa');
my $ec = MDM::CA->new($dir, 'ec', key => 'ec:P-256');
my $sub = $rsa->sub_ca('sub', key => 'ec:P-384');
my $ra = $ec->ra('ra');

my $conf = MDM::Conf->new($n);

sub block {
    my ($ca, $more, $name) = @_;

    return 'mdm_ca ' . ($name // 'devices') . " { certificate $ca->{chain};"
           . " certificate_key $ca->{key}; " . ($more // '') . ' }';
}

sub ra_of { return "ra_certificate $_[0]{cert}; ra_certificate_key $_[0]{key};" }

sub ca_ok {
    my ($what, $ca, $more) = @_;

    my $said = $conf->ok($what, http => block($ca, $more));

    unlike($said, qr/\[warn\]/, "$what: nothing is warned of");

    return;
}

sub ca_refused {
    my ($why, $ca, $more) = @_;

    $conf->refused(http => block($ca, $more), $why);

    return;
}

sub ca_warns {
    my ($why, $what, $ca, $more) = @_;

    like($conf->ok($what, http => block($ca, $more)),
         qr/\[warn\] .*$why.* in \S+nginx\.conf:\d+/, "$what is warned of");

    return;
}


# what can be used

ca_ok('an RSA root', $rsa);
ca_ok('an EC root', $ec);
ca_ok('RSA of 4096 bits', MDM::CA->new($dir, 'big', key => 'rsa:4096'));
ca_ok('a CA below a root', $sub);
ca_ok('an RA', $ec, ra_of($ra));
ca_ok('all that there is', $ec, ra_of($ra) . <<"END");
    previous $rsa->{cert} $sub->{cert};
    subject "CN=\${id},serialNumber=\${serial},OU=\${person},O=Example\\, Inc";
    lifetime 90d; renew 20d; backdate 0; digest sha384; key_minimum 3072;
    tenant a b; ledger optional; threads off;
END

$conf->ok('two of them', http => block($rsa) . block($ec, ra_of($ra), 'b'));

my $locked = MDM::CA->new($dir, 'locked', pass => 'secret');
my $pass = write_file("$dir/pass", "\nwrong\r\nsecret\r\n");
my $wrong = write_file("$dir/wrong", "wrong\n");

chmod 0600, $pass, $wrong;

ca_ok('a key with a password', $locked, "password_file $pass;");


# what cannot

ca_refused('the key of certificate_key "\S+" has a password, and there is no'
           . ' "password_file"', $locked);
ca_refused('no password of "\S+wrong" opens the key of certificate_key', $locked,
           "password_file $wrong;");
ca_refused('open\(\) "/nonexistent" failed', $locked,
           'password_file /nonexistent;');

my $text = write_file("$dir/text", "nothing\n");
my $half = write_file("$dir/half", read_file($rsa->{cert}),
                      substr read_file($rsa->{cert}), 0, 200);
my $large = write_file("$dir/large", 'x' x 70000);

ca_refused("no certificates in PEM can be read from certificate \"$_->[0]\"",
           { chain => $_->[0], key => $rsa->{key} })
    for [ $text ], [ $half ];
ca_refused('is too large', { chain => $large, key => $rsa->{key} });
ca_refused('no key in PEM can be read from certificate_key "\S+text"',
           { chain => $rsa->{cert}, key => $text });
ca_refused('open\(\) "/nonexistent" failed',
           { chain => '/nonexistent', key => $rsa->{key} });
ca_refused("certificate \"\Q$rsa->{cert}\E\" does not fit the key",
           { chain => $rsa->{cert}, key => $ec->{key} });
ca_refused('certificate "\S+" has expired', MDM::CA->expired($dir, $rsa));
ca_refused('has an RSA key that is not of 2048 to 4096 bits',
           MDM::CA->new($dir, 'small', key => 'rsa:1024'));
ca_refused('neither RSA nor EC P-256 or P-384',
           MDM::CA->new($dir, 'odd', key => 'ec:P-521'));
ca_refused('basicConstraints is not CA:TRUE', $ra);
ca_refused('lacks keyUsage keyCertSign',
           MDM::CA->new($dir, 'crl', ext => [ 'keyUsage=critical,cRLSign' ]));
ca_refused('is not followed by its chain', {
    key => $sub->{key}, chain => write_file("$dir/mixed",
                                            read_file($sub->{cert}),
                                            read_file($ec->{cert}))
});

ca_refused('has no "ra_certificate_key"', $ec,
           "ra_certificate $ra->{cert};");
ca_refused('has no "ra_certificate"', $ec,
           "ra_certificate_key $ra->{key};");
ca_refused('ra_certificate "\S+" is not issued by the CA', $rsa, ra_of($ra));
ca_refused('ra_certificate "\S+" has a key that is not RSA', $ec,
           ra_of($ec->ra('ecra', key => 'ec:P-256')));
ca_refused('ra_certificate "\S+" lacks keyUsage digitalSignature and', $ec,
           ra_of($ec->ra('signs', ext => [ 'keyUsage=digitalSignature' ])));
ca_refused('ra_certificate "\S+" does not fit the key', $ec,
           "ra_certificate $ra->{cert}; ra_certificate_key $rsa->{key};");
ca_refused('previous "\S+" is no CA', $ec, "previous $ra->{cert};");

$conf->refused(http => 'mdm_ca a { }', 'mdm ca "a" has no "certificate"');
$conf->refused(http => "mdm_ca a { certificate $rsa->{cert}; }",
               'mdm ca "a" has no "certificate_key"');
$conf->refused(http => 'mdm_ca a/b { }', 'the name may have letters');
$conf->refused(http => block($rsa) . block($ec),
               'mdm ca "devices" is already defined in \S+nginx.conf:\d+');
$conf->refused(server => block($rsa), '"mdm_ca" directive is not allowed');

ca_refused($_->[1], $ec, $_->[0])
    for [ 'subject CN;', '"subject" "CN" has an RDN without "=", at'
                         . ' character 1' ],
        [ 'subject "CN=${udid}";', 'a variable that is none of \$\{id\}, '
                         . '.*at character 4' ],
        [ 'subject "CN=a,XX=b";', 'attribute that is not known, at' ],
        [ 'lifetime 0;', 'must not be 0' ],
        [ 'lifetime x;', 'invalid value' ],
        [ 'lifetime 10d; renew 10d;', '"renew" must be less than "lifetime"' ],
        [ 'renew 366d;', '"renew" must be less than "lifetime"' ],
        [ 'backdate x;', 'invalid value' ],
        [ 'digest sha1;', 'it must be "sha256", "sha384" or "sha512"' ],
        [ 'key_minimum 512;', 'a number from 1024 to 8192' ],
        [ 'tenant a/b;', 'must be 1 to 64 letters' ],
        [ 'tenant a a;', 'tenant "a" is named twice' ],
        [ 'ledger off;', 'must be "required" or "optional"' ],
        [ 'threads nowhere;', 'unknown thread pool "nowhere"' ],
        [ 'colour red;', 'unknown directive "colour" in "mdm_ca"' ],
        map { [ "$_; $_;", 'is duplicate' ] }
            'lifetime 1d', 'backdate 1d', 'digest sha256', 'tenant a',
            'ledger optional', 'threads off', 'subject CN=a',
            "previous $rsa->{cert}";


# what is odd

ca_warns('certificate "\S+" expires within 3\d days', 'one that ends soon',
         MDM::CA->new($dir, 'late', days => 30));
ca_warns('ra_certificate "\S+" expires within \d+ days', 'an RA that ends soon',
         $ec, ra_of($ec->ra('late', days => 10)));
ca_warns('does not lead to a root', 'a chain that is cut',
         { chain => $sub->{cert}, key => $sub->{key} });

chmod 0644, $rsa->{key};
ca_warns('certificate_key "\S+" is readable by everybody', 'an open key', $rsa);
chmod 0600, $rsa->{key};


# what a worker does

my $t = MDM->new(http => block(MDM::CA->new($dir, 'slow', key => 'rsa:4096'),
                               undef, 'slow')
                         . block($ec, ra_of($ra), 'quick')
                         . block($rsa, 'threads default;', 'told')
                         . block($rsa, 'threads off;', 'off'))->start;

my $said = sub { return read_file($t->dir . "/error.log") };

like($said->(), qr/\[notice\] .*mdm ca "slow": a signature takes [\d.]+ ms,/,
     'a signature is measured');
like($said->(), qr/mdm ca "slow": .* ms, thread pool "default" is used/,
     'what is slow goes to a thread');
like($said->(), qr/\[notice\] .*mdm ca "quick": a signature takes/,
     'the other is measured, too');
unlike($said->(), qr/mdm ca "(?:told|off)": a signature/,
       'what is told is not measured');

finish;
