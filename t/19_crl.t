#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm_crl: certificates from a header and from a signature that were revoked.

use strict;
use warnings;

use lib 't/lib';
use IO::Socket::SSL::Utils qw(PEM_key2string);
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;
use MDM::PKI;
use MDM::Util qw(read_file write_file spawn wait_exit);


my $on = 'mdm_checkin on; mdm_connect on;';
my $header = "$on mdm_certificate header X-Client-Cert;"
    . ' mdm_trusted_proxy 127.0.0.1;';
my $signature = "$on mdm_certificate signature;";

my $t = MDM->new(
    server => 'large_client_header_buffers 4 32k;',
    locations => <<"END");
        location /h { $header mdm_crl %%PREFIX%%/crl.pem; }
        location /s { $signature mdm_crl %%PREFIX%%/crl.pem; }
        location /free { $header }
        location /old { $header mdm_crl %%PREFIX%%/old.pem; }
        location /old-s { $signature mdm_crl %%PREFIX%%/old.pem; }
        location /other { $header mdm_crl %%PREFIX%%/other.pem; }
        location /outer { mdm_crl %%PREFIX%%/crl.pem;
            location /outer/in { $header }
            location /outer/own { $header
                                  mdm_trusted_certificate %%CA2%%; }
            location /outer/none { $header mdm_crl %%PREFIX%%/none.pem; }
        }
        location /api/ { mdm_api on; }
END

my $dir = $t->dir;


# lists, made by "openssl ca"

my $n = 0;

sub openssl {
    my (@args) = @_;

    my $log = "$dir/openssl.log";

    wait_exit(spawn({ out => $log }, 'openssl', @args), 60) == 0
        or die "openssl @args: " . read_file($log);

    return read_file($log);
}

sub serial {
    my ($cert) = @_;

    return openssl('x509', '-noout', '-serial', '-in', $cert->{file})
        =~ /serial=([0-9A-F]+)/ ? $1 : die;
}

sub crl {
    my ($name, $ca, $revoked, %o) = @_;

    my $base = "$dir/ca-" . ++$n;
    my $key = write_file("$base.key", PEM_key2string($ca->{key_obj}));

    write_file("$base.index", join '', map {
        join("\t", 'R', '361231000000Z', '250101000000Z', serial($_),
             'unknown', '/CN=x') . "\n" } @$revoked);
    write_file("$base.number", "01\n");
    write_file("$base.conf", <<"END");
[ca]
default_ca = ca_default
[ca_default]
database = $base.index
crlnumber = $base.number
default_md = sha256
default_crl_days = 30
END

    openssl('ca', '-gencrl', '-config', "$base.conf", '-cert', $ca->{file},
            '-keyfile', $key, '-out', "$base.crl",
            ($o{expired} ? ('-crl_lastupdate', '20200101000000Z',
                            '-crl_nextupdate', '20200201000000Z') : ()));

    return write_file("$dir/$name", read_file("$base.crl"));
}


my $good = $t->cert(cn => 'good');
my $bad = $t->cert(cn => 'bad');
my $later = $t->cert(cn => 'later');
my $foreign = MDM::PKI->new(dir => $dir, name => 'Another CA');

$t->{vars}{CA2} = $t->ca->{file};
$t->{vars}{FOREIGN} = $foreign->{file};

crl('crl.pem', $t->ca, [ $bad ]);
crl('none.pem', $t->ca, [ ]);
crl('old.pem', $t->ca, [ ], expired => 1);
crl('other.pem', $foreign, [ ]);

$t->{http} = ($t->{http} // '') . "mdm_trusted_certificate %%CA%%;\n";
$t->start;


my $cms = 0;

sub signed {
    my ($body, $cert) = @_;

    my $file = "$dir/cms-" . ++$cms;

    openssl('cms', '-sign', '-in', write_file("$file.in", $body), '-binary',
            '-outform', 'DER', '-out', "$file.der", '-signer', $cert->{file},
            '-inkey', $cert->{key});

    return encode_base64(read_file("$file.der"), '');
}

sub authenticate {
    my ($path, $cert) = @_;

    my $body = plist({ MessageType => 'Authenticate',
                       UDID => "D-$cert->{cn}",
                       Topic => 'com.apple.mgmt.External.test' });

    return $t->request('PUT', $path, plain => 1, body => $body, headers => [
        'Content-Type' => MDM::Device::CHECKIN,
        $path =~ m{^/(?:s|old-s)$}
            ? ('Mdm-Signature' => signed($body, $cert))
            : ('X-Client-Cert' => ':' . encode_base64($cert->{der}, '') . ':')
    ])->status;
}

for my $case ([ '/h', 'header' ], [ '/s', 'signature' ],
              [ '/outer/in', 'an outer list' ],
              [ '/outer/own', 'an outer list, a CA file of its own' ])
{
    my ($path, $name) = @$case;
    my $from = $t->log_size;

    is(authenticate($path, $good), 200, "$name: not revoked");
    is(authenticate($path, $bad), 403, "$name: revoked");
    ok($t->wait_log(qr/answered 403: [^\n]*: certificate revoked/,
                    from => $from), "$name: the log says so");
    is(authenticate($path, $later), 200, "$name: not yet revoked");
}

is(authenticate('/free', $bad), 200, 'without mdm_crl: all the same');
is(authenticate('/outer/none', $bad), 200, 'a list of its own: not in that');

for my $path ('/old', '/old-s') {
    my $from = $t->log_size;

    is(authenticate($path, $good), 403, "$path: an expired list refuses");
    ok($t->wait_log(qr/answered 403: [^\n]*: CRL has expired/,
                    from => $from), "$path: the log says so");
}

{
    my $from = $t->log_size;

    is(authenticate('/other', $good), 403,
       'a list of another CA: refused, as ssl_crl does');
    ok($t->wait_log(qr/answered 403: [^\n]*unable to get certificate CRL/,
                    from => $from), 'the log says so');
}

like($t->stderr . $t->log,
     qr/\[warn\].*a list in "mdm_crl [^"]*old\.pem" has expired/,
     'an expired list is told at start');


# it is read at a reload

crl('crl.pem', $t->ca, [ $bad, $later ]);
is(authenticate('/h', $later), 200, 'before a reload');
$t->reload;
$t->wait_old_workers;
is(authenticate('/h', $later), 403, 'after it: revoked');
is(authenticate('/s', $later), 403, 'also for signatures');
is(authenticate('/h', $good), 200, 'others are not');

# two CAs, each with its list, in one file

{
    my $other = $foreign->issue(cn => 'foreign');
    my $bad_other = $foreign->issue(cn => 'bad-foreign');

    write_file("$dir/two-ca.pem",
               read_file($t->ca->{file}) . read_file($foreign->{file}));
    crl('other.pem', $foreign, [ $bad_other ]);
    write_file("$dir/two.pem", read_file("$dir/crl.pem")
               . read_file("$dir/other.pem"));

    $t->reload(locations => <<"END");
        location /two { $header mdm_crl two.pem;
                        mdm_trusted_certificate two-ca.pem; }
        location /api/ { mdm_api on; }
END
    $t->wait_old_workers;

    is(authenticate('/two', $good), 200, 'two lists: the first CA');
    is(authenticate('/two', $other), 200, 'two lists: the second');
    is(authenticate('/two', $bad), 403, 'two lists: revoked by the first');
    is(authenticate('/two', $bad_other), 403,
       'two lists: revoked by the second');
}

# of http {}

{
    my $http = $t->{http};

    $t->reload(http => "$http mdm_crl crl.pem;\n", locations => <<"END");
        location /http { $header }
        location /api/ { mdm_api on; }
END
    $t->wait_old_workers;

    is(authenticate('/http', $good), 200, 'http: not revoked');
    is(authenticate('/http', $bad), 403, 'http: revoked');
    $t->write_conf(http => $http);
}


# wrong ones

write_file("$dir/empty.pem", '');
write_file("$dir/text.pem", "no list\n");
write_file("$dir/broken.pem", read_file("$dir/crl.pem")
           =~ s/(BEGIN X509 CRL-----\n.{20})./$1!/r);

for my $case (
    [ 'mdm_crl gone.pem;', qr/BIO_new_file\("[^"]*gone\.pem"\) failed/ ],
    [ 'mdm_crl empty.pem;', qr/PEM_read_bio_X509_CRL\("[^"]*empty\.pem"\)/ ],
    [ 'mdm_crl text.pem;', qr/PEM_read_bio_X509_CRL\("[^"]*text\.pem"\)/ ],
    [ 'mdm_crl broken.pem;', qr/PEM_read_bio_X509_CRL\("[^"]*broken\.pem"\)/ ],
    [ 'mdm_crl %%CA%%;', qr/PEM_read_bio_X509_CRL\("[^"]*"\) failed/ ],
    [ 'mdm_crl crl.pem; mdm_crl crl.pem;', qr/"mdm_crl" directive is dupl/ ],
    [ 'mdm_crl "";', qr/no file in "mdm_crl"/ ],
    [ 'mdm_crl;', qr/invalid number of arguments in "mdm_crl"/ ],
) {
    my ($text, $re) = @$case;
    my ($ok, $said) = $t->test_conf(locations =>
                                    "location /h { $header $text }\n");

    ok(!$ok, "$text: is refused");
    like($said, qr/\[emerg\].*/, "$text: emerg");
    like($said, $re, "$text: why");
}

{
    my ($ok, $said) = $t->test_conf(http => '',
        locations => "location /h { $on mdm_crl crl.pem; }\n");

    ok(!$ok, 'mdm_crl without mdm_trusted_certificate: is refused');
    like($said, qr/\[emerg\].*"mdm_crl" needs "mdm_trusted_certificate"/,
         'why');
}

finish;
