#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The configuration: what nginx -t refuses, and what it says.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Conf;
use MDM::Util qw(read_file write_file);


# nginx -t

my $n = MDM->new(redis => 0, redis_socket => '/nonexistent.sock');
my $dir = $n->dir;

my %file = (
    empty => write_file("$dir/empty", ''),
    text => write_file("$dir/text", "no certificate\n"),
    broken => write_file("$dir/broken", $n->ca->{pem} =~ s/\n\w{10}/\nxx/r),
    half => write_file("$dir/half", $n->ca->{pem}
                                    . substr($n->ca->{pem}, 0, 200)),
);

my $conf = MDM::Conf->new($n);

sub conf_ok { return $conf->ok(@_) }
sub refused { return $conf->refused(@_) }

conf_ok('the default');

# the same for every directive that takes a value

my %bad = (
    mdm_tenant => [ 'must be 1 to 64 letters', 'a/b', '"{a}"', '""', 'a:b',
                    'x' x 65, "\xc3\xa9" ],
    mdm_tenants => [ 'must be 1 to 64 letters|named twice|"any" beside names',
                     'a/b', '"a b"', '""', 'x' x 65, 'a $b', 'a b a', 'a any',
                     'any any' ],
    mdm_api_origin => [ 'is no origin|a browser writes the origin|named twice',
                        '*', 'null', '""', 'admin.example.com', 'https://',
                        'https://*.example.com', 'https://a/', 'https://a/x',
                        'https://a?', 'https://a,b', 'https://u@a',
                        'ftp://a', 'https://a:', 'https://a:x',
                        'https://a:65536', 'https://a:443', 'http://a:80',
                        'https://A', 'HTTPS://a', '"https://a b"',
                        'https://a https://a', 'https://a off',
                        "https://\xc3\xa9", '//a', 'https://[::1' ],
    mdm_auth => [ 'invalid value "yes" in "mdm_auth" directive', 'yes' ],
    mdm_certificate => [ 'invalid source "\w*" in "mdm_certificate"', 'cert',
                         'tls foo', '""' ],
    mdm_trusted_certificate => [ 'BIO_new_file\("/nonexistent"\) failed',
                                 '/nonexistent' ],
    mdm_trusted_proxy => [ 'invalid address "\S+" in "mdm_trusted_proxy"',
                           'nonsense', '1.2.3.4/33', '1.2.3', 'unix:/a',
                           '::1/129' ],
    mdm_validate => [ 'invalid value "\w+"', 'on', 'warning' ],
    mdm_reenroll => [ 'invalid value "\w+"', 'none' ],
    mdm_user_authenticate => [ 'invalid value "\w+"', 'allow' ],
    mdm_queue_limit => [ 'invalid number|must be above 0', 0, -1, 'x', '1k',
                         '99999999999999999999' ],
    mdm_event_limit => [ 'invalid number', -1, 'x' ],
    mdm_api_ids => [ 'invalid number|must be above 0', 0, 'x' ],
    mdm_api_body => [ 'invalid value|must be above 0', 0, 'x', '1x' ],
    mdm_plist_nodes => [ 'invalid number|must be above 0', 0, 'x' ],
    mdm_plist_depth => [ 'invalid number|value must be', 0, 513, 'x' ],
    mdm_challenge_ttl => [ 'invalid value|value must be', 0, 'x', '31d' ],
    mdm_challenge_limit => [ 'invalid number|value must be', 0, 'x', 1000001 ],
    mdm_renew_grace => [ 'invalid value|value must be', 'x', '31d' ],
    mdm_result_ttl => [ 'invalid value|must be above 0', 0, 'x', '1x' ],
    mdm_result_bytes => [ 'invalid value', -1, 'x', '1x', '64mb' ],
    mdm_event_payload => [ 'invalid value "1"', 1 ],
    mdm_audit_reads => [ 'invalid value "always"', 'always' ],
    mdm_keep_certificate => [ 'invalid value "keep"', 'keep' ],
    mdm_withhold_secrets => [ 'invalid value "maybe"', 'maybe' ],
    mdm_ddm_withhold => [ 'invalid value "some"', 'some' ],
    mdm_threads => [ 'unknown thread pool', 'nowhere', 'on' ],
);

my %good = (mdm_tenant => 'a.b-c_D1', mdm_tenants => 'b a.b-c_D1 c',
    mdm_api_origin => 'https://a.example http://[::1]:8080 https://b:80',
    mdm_auth => 'off',
    mdm_certificate => 'tls',
    mdm_trusted_certificate => '%%CA%%', mdm_validate => 'strict',
    mdm_reenroll => 'bound', mdm_user_authenticate => 'accept',
    mdm_queue_limit => 1, mdm_event_limit => 0, mdm_api_ids => 1,
    mdm_api_body => '1k',
    mdm_plist_nodes => 1, mdm_plist_depth => 512, mdm_result_ttl => '1d',
    mdm_result_bytes => '1m', mdm_challenge_ttl => '30d',
    mdm_challenge_limit => 1000000, mdm_renew_grace => 0,
    mdm_event_payload => 'on', mdm_audit_reads => 'on',
    mdm_keep_certificate => 'off', mdm_withhold_secrets => 'off',
    mdm_ddm_withhold => 'on',
    mdm_threads => 'off');

for my $name (sort keys %bad) {
    my ($why, @values) = @{$bad{$name}};

    refused(mdm => "$name $_;", $why) for @values;
}

refused(mdm => "$_ $good{$_}; $_ $good{$_};", "\"$_\" directive is duplicate")
    for sort keys %good;

my $all = join ' ', map { "$_ $good{$_};" } sort keys %good;

conf_ok('each directive at each level', http => $all, server => $all,
        mdm => $all);
conf_ok('addresses', mdm => 'mdm_trusted_proxy unix: 127.0.0.1 10.0.0.0/8'
        . ' ::1; mdm_trusted_proxy fe80::/10;');
like(conf_ok('an address with low bits', mdm => 'mdm_trusted_proxy'
             . ' 10.0.0.1/8;'), qr/low address bits .* are meaningless/,
     'that is a warning');

refused(mdm => "$_ on; $_ on;", 'is duplicate')
    for qw(mdm_api);
refused(mdm => "$_ off;", "\"$_\" directive is duplicate")
    for qw(mdm_checkin mdm_connect);
refused({ locations => "location / { $_ yes; }" }, "$_ yes",
        "invalid value \"yes\" in \"$_\"")
    for qw(mdm_checkin mdm_connect mdm_api);
refused($_->[0] => $_->[1], 'is not allowed here')
    for map { my $d = $_; map { [ $_ => "$d on;" ] } qw(http server) }
            qw(mdm_checkin mdm_connect mdm_api);
refused(mdm => "$_;", "invalid number of arguments in \"$_\"")
    for qw(mdm_certificate mdm_tenant mdm_tenants mdm_trusted_proxy
           mdm_api_origin);

for (qw(mdm_checkin mdm_connect mdm_api)) {
    conf_ok("$_ in if", locations => "location / { if (\$arg_x) { $_ on; } }");
    conf_ok("$_ in limit_except",
            locations => "location / { limit_except GET { $_ on; } }");
}

refused({ locations => 'location / { mdm_connect on; if ($arg_x) {'
          . ' mdm_api on; } }' }, 'mdm_api in if',
        '"mdm_api" cannot be in one location');
like(conf_ok('a tenant that is not listed', mdm => 'mdm_tenants a b;'),
     qr/\[warn\] .*"mdm_tenant default" is none of "mdm_tenants"/,
     'that is a warning');
unlike(conf_ok('one that is found out later',
               mdm => 'mdm_tenants a b; mdm_tenant $host;'),
       qr/\[warn\]/, 'that is none');

# what does not go together, or lacks something

refused(mdm => 'mdm_api on;', '"mdm_api" cannot be in one location');
refused(mdm => 'mdm_auth on;', '"mdm_auth" has no use in one location');
refused(server => 'mdm_auth on;', '"mdm_auth" has no use in one location');
refused(mdm => 'mdm_tenant $nosuch;', 'unknown "nosuch" variable');
refused(mdm => "mdm_certificate $_->[0];", $_->[1])
    for [ 'tls tls', 'duplicate source "tls"' ],
        [ 'signature signature', 'duplicate source "signature"' ],
        [ 'header A header B', 'duplicate source "header"' ],
        [ 'header', 'no name of a header' ],
        [ 'header ""', 'invalid name of a header' ],
        [ 'header "a b"', 'invalid name of a header' ],
        [ 'header a:', 'invalid name of a header' ],
        [ 'signature', '"mdm_certificate signature" needs'
                       . ' "mdm_trusted_certificate"' ],
        [ 'tls signature', 'needs "mdm_trusted_certificate"' ],
        [ 'header A', 'needs "mdm_trusted_certificate"' ];
refused(mdm => 'mdm_certificate header A; mdm_trusted_certificate %%CA%%;',
        '"mdm_certificate header" needs "mdm_trusted_proxy"');
refused({ locations => 'location / { mdm_auth on; mdm_certificate header A;'
          . ' mdm_trusted_proxy unix:; }' }, 'mdm_auth, no CA',
        'needs "mdm_trusted_certificate"');
refused(mdm => "mdm_trusted_certificate $_->[0];", $_->[1])
    for [ '""', 'no file in "mdm_trusted_certificate"' ],
        [ $file{empty}, 'PEM_read_bio_X509\("\S+/empty"\) failed' ],
        [ $file{text}, 'PEM_read_bio_X509\("\S+/text"\) failed' ],
        [ $file{broken}, 'PEM_read_bio_X509\("\S+/broken"\) failed' ],
        [ $file{half}, 'PEM_read_bio_X509\("\S+/half"\) failed' ],
        [ $dir, 'failed' ];
conf_ok('an incomplete identity where nothing asks for it',
        http => 'mdm_certificate header A;',
        mdm => 'mdm_certificate tls;');
like(conf_ok('tls without ssl_verify_client',
             server => 'ssl_verify_depth 1;',
             locations => '} server { listen 127.0.0.1:%%PORT%% ssl;'
             . ' server_name b; ssl_certificate %%SERVER_CERT%%;'
             . ' ssl_certificate_key %%SERVER_KEY%%;'
             . ' location / { mdm_connect on; }'),
     qr/\[warn\] .*without "ssl_verify_client"/, 'that is a warning');

# what we tell operators to write

{
    my ($readme) = read_file("$MDM::root/README.md")
                   =~ /^    load_module \S+\n(.*?^    \}\n)\n(?! )/ms
        or die 'no configuration in README.md';

    $readme =~ s{(_key\s+)/[^;]+;}{$1%%SERVER_KEY%%;};
    $readme =~ s{(ssl_certificate\s+)/[^;]+;}{$1%%SERVER_CERT%%;};
    $readme =~ s{(client_certificate\s+)/[^;]+;}{$1%%CA%%;};
    $readme =~ s{\blisten(\s+)443}{listen${1}127.0.0.1:%%PORT%%};

    # not where this nginx was built to log

    $readme =~ s{^( +http \{)$}{$1 access_log off;}m;

    unlike(conf_ok('README.md', conf => $readme), qr/\[warn\]/,
           'of which nothing is warned of');

    $n->write_conf(conf => undef);
}


# the table of what operators have got wrong

$n->{vars}{TEXT} = $file{text};

# push certificates

{
    my $topic = 'com.apple.mgmt.External.test';
    my $good = $n->cert(uid => $topic);
    my $other = $n->cert(uid => 'com.example.app');
    my $old = $n->cert(uid => $topic, expired => 1);

    chmod 0600, $_->{key} for $good, $other, $old;

    my %push = (
        CERT => $good->{file}, KEY => $good->{key},
        NONE => $other->{file}, NONE_KEY => $other->{key},
        OLD => $old->{file}, OLD_KEY => $old->{key},
        OPEN => write_file("$dir/open.key", read_file($good->{key})),
        BOTH => write_file("$dir/both.pem", read_file($good->{file}),
                           read_file($good->{key})),
        AUTH => write_file("$dir/auth", "joe:secret\n"),
        AUTH_OPEN => write_file("$dir/auth.open", "joe:secret\n"),
        AUTH_BAD => write_file("$dir/auth.bad", "joe\n"),
    );

    chmod 0600, @push{qw(BOTH AUTH AUTH_BAD)};
    chmod 0644, @push{qw(OPEN AUTH_OPEN)};

    $n->{vars}{"PUSH_$_"} = $push{$_} for keys %push;

    my $resolver = 'resolver 127.0.0.1;';

    conf_ok('push', http => "$resolver mdm_push on;"
            . ' mdm_push_certificate %%PUSH_CERT%% %%PUSH_KEY%%;'
            . ' mdm_push_certificate %%PUSH_BOTH%% tenant=b;'
            . ' mdm_push_wait 1s; mdm_push_ping 5m; mdm_push_plain on;'
            . ' mdm_push_expiration 0; mdm_push_retry 1m 1m 1h;'
            . ' mdm_push_window 500ms; mdm_push_rate 1r/s burst=1;'
            . ' mdm_push_ids 1000;'
            . ' mdm_push_trusted_certificate %%CA%%;'
            . ' mdm_push_server api.push.apple.com:2197;'
            . ' mdm_push_proxy http://proxy.example:3128/'
            . ' auth_file=%%PUSH_AUTH%%;');
    conf_ok('push to an address needs no resolver', http => 'mdm_push on;'
            . ' mdm_push_server [::1]:443;');
    conf_ok('a proxy with an address, too', http => 'mdm_push on;'
            . ' mdm_push_proxy http://127.0.0.1:3128;');
    conf_ok('push is off', http => 'mdm_push off; mdm_push_proxy off;'
            . ' mdm_push_certificate %%PUSH_CERT%% %%PUSH_KEY%%;');
}
$conf->table('t/01_conf.tsv');

finish;
