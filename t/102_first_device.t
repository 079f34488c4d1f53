#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# docs/first-device.md from its first line to its last: its commands are run as
# they stand, in their order, in one shell, and nginx has its configuration.
# Only paths and ports are others.  The vendor, Apple and the iPhone are played.

use strict;
use warnings;

use lib 't/lib';
use File::Path ();
use IO::Socket::SSL::Utils;
use IPC::Open2 qw(open2);
use MIME::Base64 qw(decode_base64);
use Test::More;

use MDM;
use MDM::APNs;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

for my $program (qw(jq qrencode)) {
    plan skip_all => "no $program: scripts/setup installs it"
        unless grep { -x "$_/$program" } split /:/, $ENV{PATH};
}

my $text = read_file("$MDM::root/docs/first-device.md");
my $topic = 'com.apple.mgmt.External.0f1e2d3c';

# what takes root's rights, Debian's servers or an hour

my @elsewhere = (qr/^apt-get /, qr/^certbot /, qr{^scripts/build module$},
                 qr/^systemctl /, qr/^nginx -t$/);

my @blocks = $text =~ /\n\n((?:    \S.*\n(?:    .*\n|\n(?=    ))*))/g;
my ($conf) = map { s/^    //mgr } grep { /^    mdm_store /m } @blocks;
my @lines = map { /^    (\S.*)$/mg } grep { !/^    mdm_store /m } @blocks;

ok(defined $conf, 'a configuration');
cmp_ok(scalar @lines, '>=', 30, 'commands');

for my $re (@elsewhere) {
    ok(scalar(grep { /$re/ } @lines), "one like $re");
}

# the image is built with the same packages

{
    my ($image) = read_file("$MDM::root/docker/Dockerfile")
        =~ /^( +dpkg-dev.*?)\n\n/ms;
    my %there = map { $_ => 1 } map { split ' ' } grep { /^apt-get/ } @lines;

    is(join(' ', grep { !$there{$_} } split /[\s\\]+/, $image =~ s/^\s+//r),
       '', 'what docker/Dockerfile builds with is there');
}


# the host

my $t = MDM->new(redis => { auth => 0, file => '' }, api_path => '');
my $dir = $t->dir;
my $apns = MDM::APNs->new(dir => $dir);
my $live = "$dir/etc/letsencrypt/live/mdm.example.com";
my $mdm = "$dir/etc/nginx/mdm";

File::Path::make_path($live, map { "$dir$_" }
                      qw(/etc/nginx/modules-enabled /usr/lib/nginx/modules));

write_file("$live/fullchain.pem", $t->{server_cert}{pem});
write_file("$live/privkey.pem", read_file($t->{server_cert}{key}));
chmod 0600, "$live/privkey.pem";

$t->redis_server->{file} = write_file("$dir/redis.conf", '');
$t->redis_server->start;

my $redis = 'redis-cli -s ' . $t->redis_server->socket;
my $url = 'https://localhost:' . $t->port;

my @here = (
    [ qr{/usr/local/src/ngx_mdm_module}, $MDM::root ],
    [ qr{/usr/lib/nginx/modules}, "$dir/usr/lib/nginx/modules" ],
    [ qr{(?<![\w.])/etc/}, "$dir/etc/" ],
    [ qr{/var/log/nginx/mdm\.log}, "$dir/error.log" ],
    [ qr{\bredis-cli\b}, $redis ],
    [ qr{127\.0\.0\.1:8080}, '127.0.0.1:' . $t->plain_port ],
);

sub here {
    my ($line) = @_;

    $line =~ s/$_->[0]/$_->[1]/g for @here;

    return $line;
}

$conf = here($conf);

for ([ qr{^ *listen +\[::\]:443 ssl;\n}m, '' ],
     [ qr{listen +443 ssl;}, 'listen 127.0.0.1:' . $t->port . ' ssl;' ],
     [ qr{server +127\.0\.0\.1:6379;},
       'server unix:' . $t->redis_server->socket . ';' ],
     [ qr{https://mdm\.example\.com/}, "$url/" ],
     [ qr{server_name +mdm\.example\.com;}, 'server_name localhost;' ])
{
    my ($from, $to) = @$_;

    ok($conf =~ s/$from/$to/g, "in the configuration: $from");
}

$t->{conf} = <<"END";
events { }

http {
    access_log %%PREFIX%%/access.log;
    client_body_temp_path %%PREFIX%%/tmp/body;
    proxy_temp_path %%PREFIX%%/tmp/proxy;
    fastcgi_temp_path %%PREFIX%%/tmp/fastcgi;
    uwsgi_temp_path %%PREFIX%%/tmp/uwsgi;
    scgi_temp_path %%PREFIX%%/tmp/scgi;

    mdm_push_server 127.0.0.1:@{[ $apns->port ]};
    mdm_push_trusted_certificate @{[ $apns->ca->{file} ]};

$conf
}
END


# a shell

my $pid = open2(my $out, my $in, 'exec bash 2>&1');

sub sh {
    my ($line) = @_;

    my $end = 'end-of-command';
    my $said = '';

    print {$in} here($line), "\nprintf '\\n%s %d\\n' $end \$?\n";
    $in->flush;

    local $SIG{ALRM} = sub { die "it hangs: $line\n" };

    alarm 60;

    while (my $got = <$out>) {
        if ($got =~ /^$end (\d+)$/) {
            alarm 0;
            chop $said;

            return ($1, $said);
        }

        $said .= $got;
    }

    die "the shell is gone: $line\n";
}

# does all up to the line that begins so, without what is done elsewhere; what
# the last one has said

sub up_to {
    my ($re) = @_;

    my $said;

    while (defined(my $line = shift @lines)) {
        if (!grep { $line =~ /$_/ } @elsewhere) {
            (my $rc, $said) = sh($line);
            is($rc, 0, substr $line, 0, 70) or diag($said);
        }

        return $said if $line =~ /$re/;
    }

    die "no line like $re\n";
}


# up to nginx

up_to(qr{^echo 'load_module});

is(read_file("$dir/etc/nginx/modules-enabled/60-mdm.conf"),
   "load_module modules/ngx_mdm_module.so;\n", 'the module is loaded');
ok(-s "$dir/usr/lib/nginx/modules/ngx_mdm_module.so", 'and is there');

up_to(qr{^systemctl restart nginx});

is($t->redis('CONFIG', 'GET', 'appendfsync')->[1], 'always',
   'Redis keeps what it is told');
like(read_file("$dir/redis.conf"), qr/^appendonly yes$/m, 'for good');
is((stat "$mdm/$_")[2] & 077, 0, "$_ is nobody's else")
    for qw(device-ca.key mdm.key admin.pass);

{
    my ($ok, $said) = $t->test_conf;

    ok($ok, 'nginx takes the configuration') or diag($said);
    unlike($said, qr/\[(?:warn|error|emerg|alert|crit)\]/, 'quietly');
}

$t->start_nginx;


# the push certificate: a vendor, and Apple, who does not look at his signature

like(up_to(qr{^mdm \$api/version}), qr/"version"/, 'the API answers');

is((sh('curl -sS -o /dev/null -w "%{http_code}" $api/version'))[1], '401',
   'and nobody else');

up_to(qr{/mdm-pushcert csr });

{
    my $vendor = $apns->ca->issue(cn => 'MDM vendor');
    my $ca = $apns->ca->{file};

    is((sh("$MDM::root/scripts/mdm-pushcert vendor-sign --vendor-cert"
           . " $vendor->{file} --vendor-key $vendor->{key} --chain $ca"
           . " --chain $ca --out push.b64 push.csr"))[0], 0, 'the vendor');

    my ($csr) = decode_base64(read_file("$mdm/push.b64"))
        =~ m{<key>PushCertRequestCSR</key>\s*<string>([^<]*)};

    write_file("$dir/csr.der", decode_base64($csr));
    write_file("$dir/apns.key", PEM_key2string($apns->ca->{key_obj}));

    my ($rc, $said) = sh("openssl x509 -req -inform DER -in $dir/csr.der"
                         . " -CA $ca -CAkey $dir/apns.key -set_serial 77"
                         . " -days 365 -subj '/UID=$topic/CN=APSP'"
                         . ' -out push.pem');

    is($rc, 0, 'Apple') or diag($said);
}

my $said = up_to(qr{/mdm-pushcert put });

like($said, qr/^topic +\Q$topic\E\nnot after +20/, 'the server has it');


# the link, and the iPhone

$said = up_to(qr{^qrencode });
cmp_ok(length $said, '>', 1000, 'a QR code');

my ($link) = read_file("$mdm/link.json")
    =~ m{"url": *"(\Q$url\E/enroll/[^"]+)"};

ok(defined $link, 'a link') or diag(read_file("$mdm/link.json"));

my @iphone = ('--quiet', '--kinds', 'iphone:1', '--count', 1, '--server-ca',
              $t->{server_ca}{file}, '--identities', "$dir/iphone", '--topic',
              $topic);

sub iphone {
    my ($command, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$dir/iphone.out" }, $sim, $command,
                             @iphone, @args), 120);

    is($rc, 0, "the iPhone: $command") or diag(read_file("$dir/iphone.out"));

    return;
}

iphone('enroll', '--way', 'link', '--link', $link // '', '--profile-ca',
       $t->{server_ca}{file});

like(up_to(qr{query \| jq \.$}), qr/"enabled": true/, 'it is in the list');

my $awake = spawn({ out => "$dir/awake.out" }, $sim, 'run', @iphone, '--url',
                  "$url/mdm", '--wake', $apns->{control}, '--duration', 600);


# the first command

like(up_to(qr{\$api/v1/enqueue/}), qr/"push_result"/, 'Apple takes the push');

{
    my $ask = shift @lines;

    ok(wait_for(20, sub { ($said) = (sh($ask))[1];
                          $said =~ /^"acknowledged"$/m }), $ask);
    like($said, qr/"DeviceName": "/, 'with what was asked for') or diag($said);
}


# the way out

up_to(qr{/unenroll$});

my $forget = shift @lines;

is((sh($forget))[0], 22, 'it cannot be forgotten yet');
ok(wait_for(20, sub { (sh('mdm $api/v1/enrollments/$id'))[1]
                      =~ /"queue_length": *0\b/ }),
   'it has taken the command');

kill 'TERM', $awake;
wait_exit($awake, 20);
iphone('checkout', '--url', "$url/mdm");

is((sh($forget))[0], 0, $forget);
isnt((sh('mdm $api/v1/enrollments/$id'))[0], 0, 'it is forgotten');
is_deeply(\@lines, [], 'that was all');

close $in;
waitpid $pid, 0;

finish;
