#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Push certificates that are kept in Redis: PUT, GET and DELETE of
# /v1/pushcert, two hosts that use them, a renewed one, what is said of those
# that end or are missing, and that no key is where it must not be.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use File::Find ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::Util qw(read_file write_file);


my $topic = 'com.apple.mgmt.External.test';
my $other = 'com.apple.mgmt.External.other';

my $t = MDM->new(workers => 2, redis => { args => [ '--appendonly', 'yes',
                                                    '--rdbcompression',
                                                    'no' ] });
my $apns = MDM::APNs->new(dir => $t->dir);
my $key = write_file($t->dir . '/mdm.key',
                     join('', map { sprintf '%02x', 7 * $_ } 1 .. 32) . "\n");

chmod 0600, $key;

my $push = ' mdm_push_wait 15s;';
my $store = "encryption_key $key;";
my @all;


# all of it as one text, as NanoMDM takes it

sub text {
    my ($cert) = @_;

    push @all, $cert;

    return read_file($cert->{key}) . $cert->{pem};
}

sub put {
    my ($cert, $on) = @_;

    return ($on || $t)->api(PUT => '/v1/pushcert', body => text($cert));
}

sub get { return $t->api(GET => "/v1/pushcert?topic=$_[0]") }

my $n = 0;

sub device {
    my ($id, %o) = @_;

    my $d = $t->device($id, %o);

    $d->{token} = unpack 'H*', pack 'A32', 'token ' . ++$n;

    is($d->authenticate->status, 200, "$id: Authenticate");
    is($d->token_update(Token => plist_data(pack 'H*', $d->{token}))->status,
       200, "$id: TokenUpdate");

    return $d;
}

sub error_of {
    my ($on, $id) = @_;

    $t->push_forget($id);

    my $r = $on->api(POST => "/v1/push/$id");

    return $r->json->{status}{$id}{push_error} // '';
}

# by what certificate the last push came

sub by { my @got = $apns->ledger; return @got ? $got[-1]{client} : '' }


# nothing is kept in the clear unless it is wanted so

my $first = $apns->cert($topic);

$t->write_conf(http => $apns->conf . $push);
$t->start_nginx if $t->redis_server->start;

{
    my $r = put($first);

    is($r->status, 409, 'no encryption_key: refused');
    like($r->json->{error}, qr/encryption_key.*mdm_push_plain/s, 'why');
    is(get($topic)->status, 404, 'nothing is there');
}

my $plain = $apns->cert("$topic.plain");

$t->reload(http => $apns->conf . "$push mdm_push_plain on;");
is(put($plain)->status, 200, 'mdm_push_plain: taken');
is($t->api(DELETE => "/v1/pushcert?topic=$topic.plain")->status, 204,
   'and deleted');


# the calls

my $file = $apns->cert("$topic.file", not_after => time + 2 * 86400 - 60);
my $from = $t->log_size;

$t->{store} = $store;
$t->reload(http => $apns->conf($file) . $push);

for my $case (
    [ 'no PEM', 'nothing', qr/no certificate in PEM form/ ],
    [ 'no key', $first->{pem}, qr/no private key/ ],
    [ 'another key', $first->{pem} . read_file($plain->{key}),
      qr/does not belong/ ],
    [ 'an expired one', do { my $c = $apns->cert($topic, expired => 1);
                             text($c) }, qr/has expired on 20\d\d-/ ],
    [ 'one of an app', text($apns->cert('com.example.app')),
      qr/does not begin with "com\.apple\.mgmt"/ ],
    [ 'two of them', text($first) . $plain->{pem}, qr/several certificates/ ],
) {
    my ($what, $body, $why) = @$case;
    my $r = $t->api(PUT => '/v1/pushcert', body => $body);

    is($r->status, 400, $what);
    like($r->json->{error}, $why, "$what: why");
}

is(put($file)->status, 409, 'a topic of mdm_push_certificate');
is($t->api(DELETE => "/v1/pushcert?topic=$topic.file")->status, 409,
   'which is not deleted either');
is(get("$topic.file")->json->{state}, 'expiring', 'but shown');
is($t->api(GET => '/v1/pushcert')->status, 400, 'GET without a topic');
ok($t->wait_log(qr/\[warn\].*push certificate of topic "\Q$topic\E\.file", tenant "default", expires on \S+, within 2 days/,
                from => $from), 'that a file ends is told at the start');

my $r = put($first);

is($r->status, 200, 'PUT');
is_deeply([ sort keys %{$r->json} ], [ 'not_after', 'topic' ],
          'what is answered');
is($r->json->{topic}, $topic, 'the topic');
like($r->json->{not_after}, qr/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
     'when it ends');

$r = get($topic)->json;
is($r->{state}, 'ok', 'GET: its state');
is($r->{sha256}, $first->{sha256}, 'which one it is');

$t->redis(HSET => "mdm:{default/push}:c:$topic", 'stop', 'BadCertificate',
          'since', 1);
$r = get($topic)->json;
is($r->{state}, 'stopped', 'one that APNs does not take');
is_deeply($r->{stopped}, { reason => 'BadCertificate',
                           since => '1970-01-01T00:00:01Z' }, 'why');
is(put($first)->status, 200, 'put once more');
is(get($topic)->json->{state}, 'ok', 'that ends it');

is_deeply([ sort map { $_->{topic} }
            @{$t->api(GET => '/v1/pushcerts')->json->{pushcerts}} ],
          [ $topic, "$topic.file" ], 'all of them');


# the tool

{
    my $tool = "$MDM::root/scripts/mdm-pushcert";
    my $dir = $t->dir;
    my $url = 'http://127.0.0.1:' . $t->plain_port . '/api';

    local $ENV{LC_ALL} = 'C';

    is(system("$tool csr --key $dir/new.key --out $dir/new.csr >/dev/null"
              . " 2>&1"), 0, 'mdm-pushcert csr');
    is((stat "$dir/new.key")[2] & 07777, 0600, 'a key for one user');
    like(read_file("$dir/new.csr"), qr/^-----BEGIN CERTIFICATE REQUEST-----/,
         'and a request');

    # what the vendor sends to Apple: the request, signed by him

    my $vendor = $apns->ca->issue(cn => 'MDM vendor');
    my $ca = $apns->ca->{file};
    my $sign = "$tool vendor-sign --vendor-cert $vendor->{file}"
               . " --vendor-key $vendor->{key} --out $dir/push.b64"
               . " --chain $ca";

    is(system("$sign --chain $ca $dir/new.csr >/dev/null 2>&1"), 0,
       'mdm-pushcert vendor-sign');

    my $plist = decode_base64(read_file("$dir/push.b64"));
    my %part = $plist =~ m{<key>(\w+)</key>\s*<string>([^<]*)</string>}g;

    is_deeply([ sort keys %part ],
              [ qw(PushCertCertificateChain PushCertRequestCSR
                   PushCertSignature) ], 'what is in it');
    is(scalar(() = $part{PushCertCertificateChain}
                   =~ /-----BEGIN CERTIFICATE-----/g), 3, 'his chain');

    write_file("$dir/csr.der", decode_base64($part{PushCertRequestCSR}));
    write_file("$dir/csr.sig", decode_base64($part{PushCertSignature}));
    system("openssl x509 -in $vendor->{file} -pubkey -noout >$dir/vendor.pub");

    is(system("openssl dgst -sha256 -verify $dir/vendor.pub -signature"
              . " $dir/csr.sig $dir/csr.der >/dev/null 2>&1"), 0,
       'his signature fits');
    is(`openssl req -in $dir/new.csr -outform DER`,
       read_file("$dir/csr.der"), 'of this request');
    ok(!-e "$dir/push.b64.der", 'nothing else is left');
    like(`$sign $dir/new.csr 2>&1`, qr/--chain is needed twice/,
         'half a chain');

    # one that somebody has changed

    (my $bad = read_file("$dir/csr.der")) =~ s/.\z/chr(ord($&) ^ 1)/es;

    write_file("$dir/bad.csr", $bad);
    isnt(system("$sign --chain $ca $dir/bad.csr >/dev/null 2>&1"), 0,
         'a request whose signature does not fit');

    like(`$tool put --url $url $first->{key} $first->{file} 2>&1`,
         qr/^topic +\Q$topic\E\nnot after +20/, 'mdm-pushcert put');
    like(`$tool put --url $url $first->{file} 2>&1`,
         qr/400 .*there is no private key/, 'what the server says');
}


# two hosts

my $u = MDM->new(redis => 0, redis_socket => $t->redis_server->socket,
                 auth => $t->redis_server->auth, ca => $t->ca,
                 store => $store, http => $apns->conf . $push);

$u->write_conf;
$u->start_nginx;

device('A');
device('B');
$apns->clear;

for my $host ($t, $u) {
    is(error_of($host, 'A'), '', 'a push by it');
    is(by(), $first->{sha256}, 'with that certificate');
}

is(error_of($t, 'B'), '', 'one more');

# another topic has none, and no call of the request asks for it

$from = $t->log_size;
device('X', topic => $other);
ok($t->wait_log(qr/\[warn\].*1 TokenUpdates of tenant "default" came with a topic that has no push certificate, the last one with "\Q$other\E"/,
                from => $from), 'a TokenUpdate without a certificate is told');
is(error_of($t, 'X'), "no push certificate for topic \"$other\"",
   'nobody pushes to it');
is(put($apns->cert($other))->status, 200, 'it gets one');
ok(wait_for(12, sub { error_of($t, 'X') eq '' }), 'and is pushed to');


# a renewed one: both take it within 10 s, what is under way ends in peace

{
    my $new = $apns->cert($topic, not_after => time + 6 * 86400 - 60);

    $from = $t->log_size;
    $apns->clear;
    error_of($t, 'A');
    sleep 1.5;

    $r = put($new);
    is($r->status, 200, 'a renewed one');
    like(join(' ', @{$r->json->{warnings} || []}),
         qr/newer: it ends on .*it ends within 30 days/, 'its warnings');

    my $begin = time;
    my %used;

    while (time - $begin < 14 && keys %used < 2) {
        for my $host ($t, $u) {
            next if $used{$host};

            is(error_of($host, 'B'), '', 'pushes go on');
            $used{$host} = time - $begin if by() eq $new->{sha256};
        }

        sleep 0.25;
    }

    for my $host ($t, $u) {
        ok(($used{$host} // 99) < 10.5, 'it is used within 10 s')
            or diag($used{$host});
    }

    # each of the workers has made one connection more, and keeps it

    my $accepted = $apns->stat->{accepted};
    my $end = time + 11;

    while (time < $end) {
        error_of($_, 'B') for $t, $u;
        sleep 0.5;
    }

    ok($apns->stat->{accepted} <= $accepted + 1,
       'connections are not made again and again');
    is(by(), $new->{sha256}, 'all by the new one');

    # that it ends soon is said once, by one of both hosts

    my $line = qr/\[warn\].*push certificate of topic "\Q$topic\E", tenant "default", expires on \S+, within 6 days/;

    ok(wait_for(15, sub { ($t->log($from) . $u->log) =~ $line }),
       'that it ends is told');
    is(scalar(() = ($t->log($from) . $u->log) =~ /$line/g), 1, 'once');

    my @events = map { +{ @{$_->[1]} } }
                 @{$t->redis(XRANGE => 'mdm:{default/push}:events', '-', '+')};
    my @said = grep { $_->{event} eq 'push.CertificateExpires' } @events;

    is(scalar @said, 1, 'by an event, too');
    is($said[0]{id}, $topic, 'of this topic');

    my @put = grep { $_->{event} eq 'api.PushCertificate'
                     && $_->{id} eq $topic } @events;

    is(JSON::PP->new->decode($put[-1]{data})->{replaced}, $first->{sha256},
       'the audit has what was replaced');

    # a push that is under way when the next one comes, in the only worker of
    # a host: its copy is 2 s old then

    my $c = $u->client;

    $apns->clear;
    $apns->tell("rule $_ 200 delay=9500")
        for unpack 'H*', pack 'A32', 'token 1';

    sleep 10.1;
    error_of($u, 'B');
    is(put($first)->status, 200, 'the first one again');
    sleep 2;
    $c->send_request(POST => '/api/v1/push/A');

    ok(wait_for(9, sub { error_of($u, 'B') eq ''
                         && by() eq $first->{sha256} }),
       'it is used while a push is under way');

    my ($late) = grep { $_->{token} eq unpack 'H*', pack 'A32', 'token 1' }
                 $apns->ledger;

    is($late->{client}, $new->{sha256}, 'which went by the other one');
    is($c->read_response('POST')->status, 200, 'and is answered');
}


# deleted

is($t->api(DELETE => "/v1/pushcert?topic=$topic")->status, 204, 'DELETE');
is($t->api(DELETE => "/v1/pushcert?topic=$topic")->status, 404, 'once');

for my $host ($t, $u) {
    ok(wait_for(12, sub { error_of($host, 'A')
                          eq "no push certificate for topic \"$topic\"" }),
       'nobody pushes with it any more');
}


# another key of the store: what is under the old one is not left behind

{
    my $new = write_file($t->dir . '/mdm-2.key',
                         join('', map { sprintf '%02x', 5 * $_ } 1 .. 32)
                         . "\n");
    my $password = write_file($t->dir . '/admin.pass.pem', "admin\n");
    my @sealed = (HGET => "mdm:{default/push}:c:$topic", 'key');

    chmod 0600, $new, $password;

    is(put($first)->status, 200, 'put again');

    my $old = $t->redis(@sealed);

    $u->quit;
    $t->{store} = "encryption_key $new $key;";
    $t->reload;

    my $said = `$MDM::root/build/mdm-reencrypt -s unix:@{[ $t->redis_server->socket ]} -u default -p $password -k $new -k $key 2>&1`;

    like($said, qr/^left +0$/m, 'mdm-reencrypt') or diag($said);
    isnt(unpack('H24', $t->redis(@sealed)), unpack('H24', $old),
         'the key is under the new one');
    ok(wait_for(12, sub { error_of($t, 'A') eq '' }), 'and can be used');
}


# keys: the lines of each, but for the first one, which begins alike in all of
# them

sub found {
    my ($dir, @keys) = @_;

    my %lines = map { $_ => 1 }
                map { my (undef, @l) = split /\n/,
                      read_file($_->{key}) =~ s/^-----.*\n//gmr;
                      grep { length > 40 } @l } @keys;
    my @found;

    File::Find::find({ no_chdir => 1, wanted => sub {
        return unless -f $_ && !/\.(?:key|pem)$/;

        my $text = read_file($_);

        for my $line (keys %lines) {
            push @found, $_ if index($text, substr($line, 4, 32)) >= 0;
        }
    } }, $dir);

    return @found;
}

$t->redis('SAVE');

my @sealed = grep { $_->{key} ne $plain->{key} } @all;

is(join(' ', found($_->dir, @sealed)), '', 'no key in a log, RDB or AOF')
    for $t, $u;
unlike($t->redis_dump, qr/PRIVATE KEY/, 'none in Redis');
ok(index(join('', map { read_file($_) } glob($t->dir . '/redis/*.rdb '
                                             . $t->dir . '/redis/*/*')),
         substr((split /\n/, $first->{pem})[3], 0, 40)) >= 0,
   'certificates are found in them');

isnt(join(' ', found($t->dir, $plain)), '',
     'and so is the key that was not encrypted');

$t->quit;

finish;
