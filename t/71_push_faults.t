#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Pushes where something is wrong on the way to APNs: each fault has its line in
# the error log and its words in the answer, and ends when it is over.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::DNS;
use MDM::PKI;
use MDM::Util qw(free_port);


my $topic = 'com.apple.mgmt.External.test';

my $t = MDM->new;
my $apns = MDM::APNs->new(dir => $t->dir);
my $cert = $apns->cert($topic);

mkdir $t->dir . '/other' or die;

my $foreign = MDM::PKI->new(dir => $t->dir . '/other', name => 'Foreign CA');
my $wait = ' mdm_push_wait 8s;';

$t->redis_server->start;
$t->write_conf(http => $apns->conf($cert) . $wait);
$t->start_nginx;

my @ids = map { "D$_" } 1 .. 12;

for my $id (@ids) {
    my $d = $t->device($id);

    $d->authenticate;
    $d->token_update(Token => plist_data(pack 'A32', $id));
}

sub token_of { return unpack 'H*', pack 'A32', $_[0] }

sub push_to {
    my (@to) = @_;

    return $t->push_at_once(@to);
}

sub error_of {
    my ($r, $id) = @_;

    return $r->json->{status}{$id}{push_error} // '(none)';
}

sub works {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r;
    my $ok = wait_for(10, sub { $r = push_to('D1'); $r->status == 200 });

    ok($ok, $what) or diag($r->body);

    return;
}

# what is said of a push, and in the log: one line of it

sub fails {
    my ($what, $error, $level, $log) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $from = $t->log_size;
    my $r = push_to('D1', 'D2');

    is($r->status, 500, "$what: 500") or diag($r->body);
    like(error_of($r, $_), $error, "$what: $_ hears why") for 'D1', 'D2';
    like(error_of(push_to('D3'), 'D3'), $error, "$what: again");

    my @lines = grep { /mdm push: topic .* cannot be pushed to/ }
                split /\n/, $t->log($from);

    is(scalar @lines, 1, "$what: one line in the log") or diag(@lines);
    like($lines[0] // '', qr/\[$level\].*\Q$topic\E" cannot be pushed to, .*$log/,
         "$what: that says so");

    return;
}

sub recovers {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $from = $t->log_size;

    works("$what: over");
    like($t->log($from), qr/\[notice\].*mdm push: topic "\Q$topic\E" can be pushed to again, by 127\.0\.0\.1:\d+, after \d+ s in which \d+ pushes were not sent/,
         "$what: the log says so");

    return;
}


sub fresh {
    my (%o) = @_;

    $t->redis(DEL => "mdm:{default/push}:s:$topic");
    $t->reload(http => $apns->conf($cert) . $wait, %o);
    $t->wait_old_workers(20);
    $apns->clear;

    return;
}

my $waits = qr/^not sent yet, it will be tried again: /;


# APNs is away

works('at first');
$apns->tell('listen off');
$apns->tell('drop');
$t->wait_log(qr/connection to APNs is given up/);
fails('APNs is away', qr/$waits.*refused$/, 'error', qr/connection refused/i);
$apns->tell('listen on');
recovers('APNs is away');

# for longer: attempts are few, and nothing piles up

{
    $apns->tell('listen off');
    $apns->tell('drop');
    sleep 0.2;

    my $from = $t->log_size;
    my ($worker) = $t->workers;
    my $fds = sub { my @fd = glob "/proc/$worker/fd/*"; return scalar @fd };
    my $before = $fds->();
    my $end = time + 6;
    my ($n, $slow) = (0, 0);

    while (time < $end) {
        my $begin = time;

        push_to('D1');
        $slow++ if time - $begin > 1;
        $n++;
        sleep 0.02;
    }

    my $attempts = () = $t->log($from) =~ /connecting to APNs has failed/g;

    ok($n > 100, "$n pushes meanwhile");
    ok($attempts >= 3 && $attempts <= 12, "few attempts to connect: $attempts");
    is($slow, 0, 'none of the pushes waits');
    ok($fds->() <= $before + 2, 'no descriptor is lost');
    $apns->tell('listen on');
    recovers('APNs was away for longer');
}


# who answers is somebody else

my $lies = $foreign->issue(cn => 'lies', purpose => 'server',
                           san => [ [ IP => '127.0.0.1' ] ]);
my $wrong = $apns->ca->issue(cn => 'wrong', purpose => 'server',
                             san => [ [ DNS => 'push.example' ] ]);

fresh();
$apns->tell("certificate $lies->{file} $lies->{key}");
fails('another CA', qr/${waits}its certificate is not trusted: /, 'error',
      qr/\(does a proxy or a firewall look into TLS\?\).*not trusted/);
$apns->tell("certificate $apns->{server}{file} $apns->{server}{key}");
recovers('another CA');

fresh();
$apns->tell("certificate $wrong->{file} $wrong->{key}");
fails('another name', qr/${waits}its certificate is not for "127\.0\.0\.1"$/,
      'error', qr/look into TLS\?\).*is not for "127\.0\.0\.1"/);
$apns->tell("certificate $apns->{server}{file} $apns->{server}{key}");
recovers('another name');

for my $alpn ('none', 'http/1.1') {
    fresh();
    $apns->tell("alpn $alpn");
    fails("ALPN $alpn", qr/${waits}.*(?:ALPN|TLS)/, 'error',
          qr/does not speak the protocol \(ALPN\)|TLS handshake has failed/);
    $apns->tell('alpn h2');
    recovers("ALPN $alpn");
}


# our certificate is refused: by TLS, by GOAWAY

for my $why (qw(expired revoked)) {
    fresh();
    $t->expect_log(qr/\[alert\].*TLS alert "certificate $why"/);
    $apns->tell("client $why");
    fails("our certificate is $why",
          qr/^topic "\Q$topic\E" is stopped: it refuses our certificate: TLS alert "certificate $why"$/,
          'error', qr/TLS alert "certificate $why"/);

    my $n = $apns->stat->{accepted};

    push_to('D1') for 1 .. 5;
    is($apns->stat->{accepted}, $n, 'it is not tried again at once');
}

fresh();
$t->expect_log(qr/\[alert\].*GOAWAY \d+ BadCertificate/);
works('a connection');
$apns->tell('goaway reason=BadCertificate');
$t->wait_log(qr/GOAWAY 0 BadCertificate/);
like(error_of(push_to('D1'), 'D1'), qr/^topic "\Q$topic\E" is stopped: .*BadCertificate\)$/,
     'GOAWAY that names the certificate');


# the proxy

my $proxy = MDM::APNs::Proxy->new;
my $via = ' mdm_push_proxy http://127.0.0.1:' . $proxy->port . ';';

for my $case (
    [ 'auth joe:x', qr/the proxy does not take our name and password \(407\)/ ],
    [ 'status 502', qr/the proxy answers 502/ ],
    [ 'status 403', qr/the proxy answers 403/ ],
    [ 'extra', qr/the proxy sends bytes behind its answer/ ],
    [ 'garbage', qr/the proxy answers what is no HTTP/ ],
    [ 'large', qr/the head of the proxy's answer is too large/ ],
    [ 'silent', qr/no answer of the proxy within 5000ms/ ],
) {
    my ($how, $why) = @$case;

    fresh(http => $apns->conf($cert) . $wait . $via);
    $proxy->tell($how);
    fails("proxy: $how", qr/$waits$why$/, 'error', $why);
    $proxy->tell('well');
    recovers("proxy: $how");
}

# one that looks into TLS

{
    my $spy = MDM::APNs->new(dir => $t->dir, ca => $foreign);

    fresh(http => $apns->conf($cert) . $wait . $via);
    $proxy->tell('upstream ' . $spy->port);
    fails('interception', qr/${waits}its certificate is not trusted: /,
          'error', qr/look into TLS\?\)/);
    is($spy->stat->{requests}, 0, 'the spy sees no push');
    $proxy->tell('upstream 0');
    recovers('interception');
}

# one that forgets a connection without a word: nothing comes back any more

fresh(http => $apns->conf($cert) . " mdm_push_ping 3s; mdm_push_wait 20s;"
              . $via);
$proxy->tell('well');
works('a connection that is forgotten');
$proxy->tell('black');

{
    my $begin = time;
    my $from = $t->log_size;

    ok($t->wait_log(qr/does not answer a PING/, from => $from, timeout => 15),
       'a PING finds it');
    works('the next push arrives');
    ok(time - $begin < 14, 'soon');
}

$proxy->stop;


# APNs says nothing any more: found within 15 s, and what is under way then goes
# out on another connection

fresh(http => $apns->conf($cert) . ' mdm_push_wait 30s;');
works('a connection that falls silent');
$apns->tell('freeze');

{
    my $begin = time;
    my $from = $t->log_size;
    my $a = $t->client;
    my $b = $t->client;

    $_->{timeout} = 40 for $a, $b;
    $a->send_request(POST => '/api/v1/push/D1');
    sleep 6;
    $b->send_request(POST => '/api/v1/push/D2');

    like(error_of($a->read_response('POST'), 'D1'),
         qr/${waits}APNs did not answer within 10 s$/, 'after 10 s it is over');

    my $r = $b->read_response('POST');

    is($r->status, 200, 'a later one goes out on another connection')
        or diag($r->body);

    my $took = time - $begin;

    ok($took > 9 && $took < 17, 'within 15 s') or diag($took);
    like($t->log($from), qr/APNs does not answer a PING/, 'by a PING');
}

# it answers PINGs, but no push

fresh(http => $apns->conf($cert) . ' mdm_push_wait 30s;');
works('a connection');
$apns->tell('stall 1');
like(error_of(push_to('D1'), 'D1'), qr/${waits}APNs did not answer within 10 s$/,
     'a push that is not answered');
$apns->tell('stall 0');
$apns->tell('clear');
works('the next one is');
is($apns->stat->{accepted}, 0, 'on the same connection');

# every third one gets no answer

$apns->clear;
$apns->tell('rule * 200 every=3 action=none');

{
    my $r = push_to(@ids);
    my @lost = grep { error_of($r, $_) =~ /did not answer/ } @ids;

    is(scalar @lost, 4, 'every third one is lost');
    is((grep { $_->{push_result} } values %{$r->json->{status}}), 8,
       'the others are taken');
}


# reset at any byte

fresh();

for my $at (1, 30, 80, 150, 300, 500, 800) {
    $apns->clear;
    $apns->tell("reset-after $at");
    $apns->tell('reset-times 2');
    $apns->tell('drop');
    sleep 0.1;

    # one that was lost before APNs had said anything is no connection at all

    my $r;
    my $ok = wait_for(10, sub { $r = push_to(@ids); $r->status == 200 });

    ok($ok, "two connections are reset behind $at bytes") or diag($r->body);
    is((grep { $_->{push_result} } values %{$r->json->{status}}), 12,
       'none is lost');
}


# 500 of all that is pushed on one connection

fresh();
works('a connection');
$apns->clear;
$apns->tell('rule * 500 InternalServerError times=3');

{
    my $from = $t->log_size;

    is(error_of(push_to($_), $_), 'APNs: 500 InternalServerError', "$_: 500")
        for @ids[0 .. 2];
    works('the next one');
    is($apns->stat->{accepted}, 1, 'three in a row make another connection');
    like($t->log($from), qr/\[notice\].*3 pushes with 5xx in a row/,
         'which the log says');
}

# the connection was idle for too long, APNs thinks

fresh();
works('a connection');
$apns->clear;
$apns->tell('rule * 400 IdleTimeout times=1');
is(push_to('D1')->status, 200, 'IdleTimeout: the push goes out once more');
is($apns->stat->{accepted}, 1, 'on another connection');


# names: the first address is of no use, later there is another one

{
    my $dns = MDM::DNS->new(file => $t->dir . '/names');

    $dns->set('api.push.example' => [ '127.0.0.2', '127.0.0.1' ]);

    (my $conf = $apns->conf($cert)) =~ s/127\.0\.0\.1/api.push.example/;

    fresh(http => $conf . $wait . ' resolver 127.0.0.1:' . $dns->port
                  . ' valid=1s ipv6=off;');
    works('the first address is of no use');
    $dns->stop;
    $apns->tell('drop');
    sleep 1.2;
    works('the name server is away, the addresses are still right');
}

unlike($t->log, qr/magic-|\Q@{[token_of('D1')]}\E/, 'no secret in the log');

finish;
