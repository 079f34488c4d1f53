#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# HTTP requests to other servers, which are well or not: how each ends, what the
# log says, that nothing else waits meanwhile, and that a worker ends in time.
# t/sim/mdmcall.c makes them, as an endpoint does.

use strict;
use warnings;

use lib 't/lib';
use File::Basename qw(dirname);
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::APNs;
use MDM::DNS;
use MDM::PKI;
use MDM::Sink;
use MDM::Util qw(read_file write_file);


# the module that makes the calls is built for each nginx

my $so = "$MDM::root/build/mdmcall.so";

$so = dirname($ENV{MDM_NGINX}) . '/mdmcall.so'
    if $ENV{MDM_NGINX} && ($ENV{MDM_MODULE} // 1) eq '';

my $t = MDM->new(main => "load_module $so;",
                 env => { LD_PRELOAD => "$MDM::root/build/slowdns.so" },
                 server => 'location = /call { mdm_call; }');

mkdir $t->dir . "/$_" or die for qw(a b);

my $ca = MDM::PKI->new(dir => $t->dir . '/a', name => 'Sink CA');
my $foreign = MDM::PKI->new(dir => $t->dir . '/b', name => 'Foreign CA');
my $sink = MDM::Sink->new(dir => $t->dir, ca => $ca, hmac_key => 'secret');
my $plain = MDM::Sink->new(dir => $t->dir, tls => 0);
my $proxy = MDM::APNs::Proxy->new;
my $client = "mdm_http_client { trusted_certificate $ca->{file};";

my $mine = $foreign->issue(cn => 'nginx');
my $auth = write_file($t->dir . '/auth', "joe:x:y\nmore\n");
my $via = 'http://127.0.0.1:' . $proxy->port;

chmod 0600, $mine->{key}, $auth;

my $conf = "$client timeout 20s; }"
    . ' mdm_call_client max=2;'                              # 1
    . " mdm_call_client trusted_certificate=$foreign->{file};" # 2
    . " mdm_call_client proxy=$via;"                          # 3
    . " mdm_call_client proxy=$via proxy_auth_file=$auth;"    # 4
    . " mdm_call_client certificate=$mine->{file} key=$mine->{key};" # 5
    . ' mdm_call_client timeout=300ms;';                      # 6

$t->redis_server->start;
$t->write_conf(http => $conf);
$t->start_nginx;


# one call, or a list of them

sub url_of {
    my (%o) = @_;

    return '/call?' . join '&', map {
        "$_=" . $o{$_} =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ger;
    } sort keys %o;
}

sub call {
    my (%o) = @_;

    my $c = $t->client;

    $c->{timeout} = 60;

    my $r = $c->request(GET => url_of(%o));
    my $answers = eval { JSON::PP->new->decode($r->body) }
        or die 'call: ' . $r->status . ' ' . $r->body;

    return $o{n} ? @$answers : $answers->[0];
}

sub ends {
    my ($what, $outcome, $reason, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $a = call(%o);

    is($a->{outcome}, $outcome, "$what: $outcome") or diag(explain($a));
    like($a->{reason}, $reason, "$what: why");

    return $a;
}

sub answers {
    my ($what, $status, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $a = call(%o);

    is("$a->{outcome} $a->{status}", "answered $status", $what)
        or diag(explain($a));

    return $a;
}


# well

{
    my $a = answers('a GET', 200, url => $sink->url('/a?b=c'));

    is($a->{answer}, '{"taken": true}', 'what it answers');
    is($a->{reason}, '', 'no reason');
    ok($a->{ms} < 5000, 'the time');

    my ($line) = $sink->ledger;

    is("$line->{method} $line->{path}", 'GET /a?b=c', 'what was asked');
    like($line->{headers}, qr/^Host: 127\.0\.0\.1:\d+\r\n/m, 'Host');
    unlike($line->{headers}, qr/^(?:Expect|Content-Type|Cookie)/mi,
           'no header that nobody wanted');
}

$sink->clear;
answers('a POST', 200, url => $sink->url('/'), method => 'POST',
        size => 2_000_000, h => 'X-Thing:a b');

{
    my ($line) = $sink->ledger;

    is("$line->{method} $line->{length} $line->{hmac}", 'POST 2000000 none',
       'its body');
    like($line->{headers}, qr/^X-Thing: a b\r\n/m, 'its header');
    like($line->{headers}, qr/^Content-Length: 2000000\r\n/m, 'its length');
    unlike($line->{headers}, qr/^(?:Expect|Cookie)/mi,
           'no 100-continue, and no cookie is sent back');
}

for my $method (qw(PUT DELETE HEAD PATCH)) {
    $sink->clear;
    answers($method, 200, url => $sink->url('/'), method => $method,
            h => 'X-Empty:');
    is(($sink->ledger)[0]{method}, $method, "it is a $method");
    like(($sink->ledger)[0]{headers}, qr/^X-Empty:\r\n/m,
         'a header without a value');
}

$sink->clear;
answers('a GET behind a POST', 200, url => $sink->url('/'));
is(($sink->ledger)[0]{length}, 0, 'has no body');
is($sink->stat->{accepted}, 0, 'connections are kept');

answers('plain HTTP where it was written so', 200, url => $plain->url('/'));


# every status; redirects are not followed

for my $status (201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 407,
                409, 413, 418, 422, 429, 500, 502, 503, 504, 599, 999)
{
    $sink->clear;
    $sink->tell("rule * $status");
    answers("status $status", $status, url => $sink->url('/'));
    is($sink->stat->{requests}, 1, 'is asked once');
}

# libcurl 8 says 6 hours at most

for my $case ([ 'retry=7', 7, 7 ], [ 'retry=+100', 90, 101 ],
              [ 'retry=never', 0, 0 ], [ 'retry=9999999', 21600, 86400 ],
              [ 'retry=-5', 0, 0 ], [ 'close=1', 0, 0 ])
{
    $sink->clear;
    $sink->tell("rule * 503 $case->[0]");

    my $after = answers("503 $case->[0]", 503, url => $sink->url('/'))
        ->{retry_after};

    ok($after >= $case->[1] && $after <= $case->[2], "after $after s");
}


# slowly, in chunks, too large, and not at all

$sink->clear;
$sink->tell($_) for 'rule /slow 200 head=1000 body=1000 size=100000',
    'rule /chunked 200 chunked=1 size=100000',
    'rule /slower 200 chunked=1 body=1000 size=1000',
    'rule /large 200 size=5242880', 'rule /large-chunked 503 chunked=1 '
    . 'size=5242880', 'rule /one 200 size=65537', 'rule /exact 200 size=65536',
    'rule /middle 200 size=1000 action=middle',
    'rule /middle-chunked 200 size=1000 chunked=1 action=middle',
    'rule /close 200 action=close', 'rule /reset 200 action=reset',
    'rule /garbage 200 action=garbage', 'rule /none 200 action=none',
    'rule /headers 200 action=headers', 'rule /once 200 close=1',
    'rule /late 200 delay=2000', 'rule /empty 200 size=0',
    'rule /huge 200 size=17000000';

is(answers('a slow head and body', 200, url => $sink->url('/slow'),
           limit => 200000)->{bytes}, 100000, 'all of it');
is(answers('chunks', 200, url => $sink->url('/chunked'), limit => 200000)
   ->{bytes}, 100000, 'all of them');
is(answers('slow chunks', 200, url => $sink->url('/slower'))->{bytes}, 1000,
   'all of them');
is(answers('an empty answer', 200, url => $sink->url('/empty'))->{bytes}, 0,
   'nothing');
is(answers('5 MB', 200, url => $sink->url('/large'), limit => 16 << 20)
   ->{bytes}, 5242880, 'all of it');
is(answers('64 kB', 200, url => $sink->url('/exact'))->{bytes}, 65536,
   'all of it');
is(ends('a byte more', 'too large', qr/^the answer is too large$/,
        url => $sink->url('/one'))->{status}, 200, 'its status is known');
is(ends('5 MB', 'too large', qr/too large/, url => $sink->url('/large'))
   ->{status}, 200, 'so it is');
is(ends('5 MB in chunks', 'too large', qr/too large/,
        url => $sink->url('/large-chunked'), limit => 1000000)->{status}, 503,
   'whatever it is');
ends('more than 16 MB', 'too large', qr/too large/, url => $sink->url('/huge'),
     limit => 32 << 20);
ends('headers without end', 'odd', qr/headers of the answer are too large/,
     url => $sink->url('/headers'));
ends('closed in the middle', 'reset', qr/./, url => $sink->url('/middle'));
ends('closed in a chunk', 'reset', qr/./,
     url => $sink->url('/middle-chunked'));
ends('closed', 'reset', qr/./, url => $sink->url('/close'));
ends('reset', 'reset', qr/./, url => $sink->url('/reset'));
ends('no HTTP', 'odd', qr/./, url => $sink->url('/garbage'));

{
    my $a = ends('no answer', 'timeout', qr/timed out/,
                 url => $sink->url('/none'), timeout => 500);

    ok($a->{ms} >= 450 && $a->{ms} < 5000, "after $a->{ms} ms");
    ends('the time of the client', 'timeout', qr/timed out/, client => 6,
         url => $sink->url('/late'));
    answers('its default', 200, url => $sink->url('/late'));
}

answers('no keep-alive', 200, url => $sink->url('/once')) for 1, 2;

# a server that is away, and what the log says

for my $server ($plain, $sink) {
    my $at = $server->url('') =~ s{/$}{}r;

    answers('it is there', 200, url => $server->url('/'));
    $server->tell('listen off');
    $server->tell('drop');
    sleep 0.2;

    my $from = $t->log_size;

    ends('away', 'unreachable', qr/127\.0\.0\.1 port \d+/,
         url => $server->url('/secret?token=canary')) for 1 .. 3;
    $server->tell('listen on');
    answers('back', 200, url => $server->url('/'));

    my $log = $t->log($from);
    my @down = $log =~ /\[error\].* mdm http: no answer of \Q$at\E: (.*)/g;
    my @up = $log =~ /\[notice\].* mdm http: \Q$at\E answers again, after \d+ s in which 3 requests had no answer/g;

    is(scalar @down, 1, 'one line says where it went, and why')
        or diag($log);
    is(scalar @up, 1, 'and one that it is back') or diag($log);
}

{
    my $from = $t->log_size;

    ends('a large answer', 'too large', qr/too large/,
         url => $sink->url('/one'));
    unlike($t->log($from), qr/mdm http: no answer of/,
           'who gives one is there');
}

unlike(join("\n", grep { /mdm http: / } split /\n/, $t->log), qr/canary/,
       'no line says what was asked');


# who answers is somebody else

ends('another CA', 'tls', qr/certificate/, client => 2,
     url => $sink->url('/'));

{
    my $wrong = $ca->issue(cn => 'wrong', purpose => 'server',
                           san => [ [ DNS => 'other.example' ] ]);
    my $old = $ca->issue(cn => 'old', purpose => 'server', expired => 1,
                         san => [ [ IP => '127.0.0.1' ] ]);

    for my $case ([ 'another name', $wrong ], [ 'an old one', $old ]) {
        $sink->tell("certificate $case->[1]{file} $case->[1]{key}");
        $sink->tell('drop');
        sleep 0.2;
        $sink->clear;
        ends($case->[0], 'tls', qr/./, url => $sink->url('/'));
        is($sink->stat->{requests}, 0, 'nothing was sent');
    }

    $sink->tell("certificate $sink->{server}{file} $sink->{server}{key}");
    answers('the right one', 200, url => $sink->url('/'));
}

# one client's trust is not another's, on a connection that is open

answers('a connection', 200, url => $sink->url('/'));
ends('who does not trust it', 'tls', qr/certificate/, client => 2,
     url => $sink->url('/'));

ends('TLS to who speaks none', 'timeout', qr/./, timeout => 700,
     url => 'https://127.0.0.1:' . $plain->port);

# our own certificate

{
    my $strict = MDM::Sink->new(dir => $t->dir, ca => $ca,
                                client_ca => $foreign);

    answers('with our certificate', 200, url => $strict->url('/'),
            client => 5);
    ends('without one', 'tls', qr/alert/, url => $strict->url('/'));
}


# what is no request

ends('a header in a header', 'odd', qr/^the value of a header is none$/,
     url => $sink->url('/'), h => "X-A: b\r\nX-C: d");
ends('a name of a header', 'odd', qr/^the name of a header is none$/,
     url => $sink->url('/'), h => 'X A: b');
ends('a method', 'odd', qr/^the method is none$/, url => $sink->url('/'),
     method => 'GET /x');
ends("another scheme: $_", 'odd', qr/neither https: nor http:/,
     url => "$_://127.0.0.1/etc/passwd") for qw(file ftp gopher dict);
ends('a user', 'odd', qr/it names a user/,
     url => 'https://joe:canary@127.0.0.1:1/');
ends('a space', 'odd', qr/space/, url => $sink->url('/a b'));
ends('a host', 'odd', qr/URL/, url => 'https://');


# a proxy

$sink->clear;
$proxy->tell('well');
answers('through a proxy', 200, client => 3, url => $sink->url('/'));
is($proxy->count->{last}, 'CONNECT 127.0.0.1:' . $sink->port . ' HTTP/1.1',
   'by CONNECT');

sub no_connections {
    $sink->tell('drop');
    sleep 0.2;

    return;
}

no_connections();
$proxy->tell('auth joe:x:y');
ends('without its password', 'proxy', qr/^the proxy answers 407$/,
     client => 3, url => $sink->url('/'));
answers('with it', 200, client => 4, url => $sink->url('/'));
unlike(join('', map { $_->{headers} } $sink->ledger), qr/Proxy-/i,
       'which the server does not see');

for my $case (
    [ 'status 502', 'proxy', qr/^the proxy answers 502$/ ],
    [ 'status 403', 'proxy', qr/^the proxy answers 403$/ ],
    [ 'garbage', 'proxy', qr/no answer to CONNECT/ ],
    [ 'extra', 'tls', qr/./ ],
) {
    my ($how, $outcome, $why) = @$case;

    no_connections();
    $sink->clear;
    $proxy->tell($how);
    ends("proxy: $how", $outcome, $why, client => 3, url => $sink->url('/'),
         timeout => 2000);
    is($sink->stat->{requests}, 0, 'nothing was sent');
    $proxy->tell('well');
    answers("proxy: $how: over", 200, client => 3, url => $sink->url('/'));
}

for my $how ('split', 'large', 'slow 500') {
    no_connections();
    $proxy->tell($how);
    answers("proxy: $how", 200, client => 3, url => $sink->url('/'));
}

no_connections();
$proxy->tell('silent');
ends('proxy: silent', 'proxy', qr/no answer to CONNECT/, client => 3, url => $sink->url('/'),
     timeout => 700);

{
    my $spy = MDM::Sink->new(dir => $t->dir, ca => $foreign);

    $proxy->tell('well');
    $proxy->tell('upstream ' . $spy->port);
    ends('one that looks into TLS', 'tls', qr/certificate/, client => 3,
         url => $sink->url('/'));
    is($spy->stat->{requests}, 0, 'sees nothing');
    $proxy->tell('upstream 0');
}

ok($t->wait_log(qr/mdm http: no answer of https:\S+, by way of the proxy 127\.0\.0\.1:\d+: the proxy answers 407/),
   'the log names the proxy');
unlike($t->log, qr/x:y/, 'but not its password');


# many at a time: as many as the client allows, and the others behind them

$sink->clear;
no_connections();
$sink->clear;
$sink->tell('rule * 200 delay=300');

{
    my $begin = time;
    my @all = call(url => $sink->url('/'), n => 8, client => 1);
    my $took = time - $begin;

    is((grep { $_->{outcome} eq 'answered' } @all), 8, '8 of them, 2 at a time');
    is($sink->stat->{accepted}, 2, 'on 2 connections');
    ok($took > 1.1, "one behind the other: $took s");

    @all = call(url => $sink->url('/'), n => 8, client => 1, timeout => 700);

    is((grep { $_->{outcome} eq 'answered' } @all), 4, 'who waits too long');
    cmp_ok((grep { "$_->{outcome} $_->{reason}"
                   eq 'busy too many requests wait' } @all), '>=', 2,
           'is not sent');

    @all = call(url => $sink->url('/'), n => 32);
    is((grep { $_->{outcome} eq 'answered' } @all), 32, '32 at once');
}

# a client that goes away gives its request up

{
    $sink->clear;
    $sink->tell('rule * 200 action=none');

    my $c = $t->client;

    $c->send_request(GET => url_of(url => $sink->url('/'), n => 3));
    ok(wait_for(5, sub { $sink->stat->{requests} == 3 }), '3 are under way');

    my $open = $sink->stat->{open};

    $c->close;
    ok(wait_for(5, sub { $sink->stat->{open} == $open - 3 }), 'and given up');
    $sink->clear;
    answers('the next one', 200, url => $sink->url('/'));
}


# names: by the system in a thread, or by nginx's resolver

answers('localhost', 200, url => $sink->url('/', 'localhost'));
ends('a name that there is not', 'resolve', qr/resolve/,
     url => 'https://a.invalid/');

my @ids = map { "H$_" } 1 .. 4;
my @devices = map { $t->device($_)->enroll } @ids;

# the slowest of some polls, and milliseconds of the worker for each

sub polls {
    my ($worst, $n) = (0, 0);
    my ($worker) = $t->workers;
    my $cpu = sub { return (split ' ', read_file("/proc/$worker/schedstat"))[0] };
    my $before = $cpu->();
    my $end = time + 2;

    while (time < $end) {
        for my $d (@devices) {
            my $begin = time;

            $d->idle->status == 200 or die 'idle';
            $worst = time - $begin if time - $begin > $worst;
            $n++;
        }
    }

    return ($worst, ($cpu->() - $before) / $n / 1e6);
}

sub silent {
    my ($what, $reason) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my (undef, $before) = polls();
    my $c = $t->client;

    $c->{timeout} = 60;
    $c->send_request(GET => url_of(url => 'https://sink.silent/', n => 8,
                                   timeout => 6000));
    sleep 0.3;

    my ($worst, $beside) = polls();

    ok($worst < 1, "$what: polls beside it do not wait: $worst s");
    ok($beside < 1.5 * $before + 0.05,
       "$what: nor do they cost more: $before ms, $beside ms");

    my $all = JSON::PP->new->decode($c->read_response('GET')->body);

    is((grep { $_->{outcome} eq 'resolve' } @$all), 8, "$what: it is found");
    like($all->[0]{reason}, $reason, "$what: why");

    # a worker does not wait for it

    my $other = $t->client;

    $other->{timeout} = 60;
    $other->send_request(GET => url_of(url => 'https://sink.silent/', n => 8));
    sleep 0.3;

    my $begin = time;

    $t->reload(@_ > 2 ? @_[2 .. $#_] : ());
    $t->wait_old_workers(20);
    ok(time - $begin < 5, "$what: a worker ends at once") or diag(time - $begin);

    $all = JSON::PP->new->decode($other->read_response('GET')->body);
    is((grep { "$_->{outcome} $_->{reason}" eq 'busy the worker ends' } @$all),
       8, "$what: its requests are handed back");

    return;
}

my $dns = MDM::DNS->new(file => $t->dir . '/names');
my $resolver = ' resolver 127.0.0.1:' . $dns->port . ' valid=1s ipv6=off;';

silent('by the system', qr/Resolving timed out/, http => $conf . $resolver);

$dns->set('sink.example' => [ '127.0.0.2', '127.0.0.1' ]);
answers("by nginx's resolver", 200, url => $sink->url('/', 'sink.example'));
ends('a name that it does not know', 'resolve',
     qr/^the name "sink\.test" could not be resolved \(Host not found\)$/,
     url => $sink->url('/', 'sink.test'));
answers('an address', 200, url => $sink->url('/'));

no_connections();
$dns->set('sink.example' => [ '127.0.0.3' ]);
sleep 2.2;
ends('it has moved', 'unreachable', qr/./,
     url => $sink->url('/', 'sink.example'));
$dns->set('sink.example' => [ '127.0.0.1' ]);
sleep 2.2;
answers('it is back', 200, url => $sink->url('/', 'sink.example'));
$dns->pause;
silent("by nginx's resolver", qr/timed out/i, http => $conf . $resolver);
$dns->resume;
$dns->stop;


# a worker that ends waits for what was sent, but not for long

$sink->clear;
$sink->tell($_) for 'rule /soon 200 delay=1000', 'rule /never 200 action=none';

{
    my ($soon, $never) = map {
        my $c = $t->client;

        $c->{timeout} = 60;
        $c->send_request(GET => url_of(url => $sink->url($_)));
        $c;
    } '/soon', '/never';

    ok(wait_for(5, sub { $sink->stat->{requests} == 2 }), 'two are sent');

    my $begin = time;

    $t->reload(http => $conf);
    $t->wait_old_workers(20);
    ok(time - $begin < 5, 'the worker ends');

    my $a = JSON::PP->new->decode($soon->read_response('GET')->body)->[0];

    is("$a->{outcome} $a->{status}", 'answered 200', 'one was waited for');

    $a = JSON::PP->new->decode($never->read_response('GET')->body)->[0];
    is("$a->{outcome} $a->{reason}", 'reset the worker ends', 'one was not');
}

# more requests than nginx has connections for: these end at once, and no other
# does

{
    my $small = MDM->new(redis => 0, redis_socket => $t->redis_server->socket);

    $small->expect_log(qr/\[alert\].* worker_connections are not enough/);
    $small->{conf} = <<"END";
load_module $so;
events { worker_connections 16; }
http {
    access_log off;
    mdm_store main { server unix:%%REDIS_SOCKET%%; @{[ $t->var('AUTH') ]} }
    $client max 32; }
    server {
        listen 127.0.0.1:%%PORT%% ssl;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        location = /call { mdm_call; }
    }
}
END
    $sink->clear;
    $sink->tell('rule * 200 delay=200');
    $small->start_nginx;

    my $c = $small->client;
    my ($worker) = $small->workers;
    my $fds = sub { my @fd = glob "/proc/$worker/fd/*"; return scalar @fd };
    my ($all, @fds);

    for (1 .. 3) {
        $all = JSON::PP->new->decode(
            $c->request(GET => url_of(url => $sink->url('/'), n => 32))->body);
        push @fds, $fds->();

        my @starved = grep { $_->{reason} eq 'nginx has no free connection' }
                      @$all;
        my @well = grep { $_->{outcome} eq 'answered' } @$all;

        ok(@starved > 10, 'too few connections: ' . @starved . ' of 32 end');
        is(@starved + @well, 32, 'the others are answered');
    }

    ok($fds[2] <= $fds[0], "no descriptor is lost: @fds");
    $all = JSON::PP->new->decode(
        $c->request(GET => url_of(url => $sink->url('/')))->body);
    is($all->[0]{outcome}, 'answered', 'the next one, too');
}

# a worker that is told to end at once, with requests on their way

$sink->tell('rule /never 200 action=none');

{
    my $c = $t->client;

    $c->send_request(GET => url_of(url => $sink->url('/never'), n => 3));
    ok(wait_for(5, sub { grep { $_->{path} eq '/never' } $sink->ledger }),
       'a request is on its way');

    my ($worker) = $t->workers;

    kill 'TERM', $worker;
    ok(wait_for(10, sub { my ($now) = $t->workers;
                          $now && $now != $worker }), 'another worker');
}

answers('of which there are answers', 200, url => $plain->url('/'));

# the system's CAs, and a worker without a client

$t->reload(http => 'mdm_http_client { }');
$t->wait_old_workers(20);
ends("the system's CAs do not know it", 'tls', qr/certificate/,
     url => $sink->url('/'));
$t->reload(http => '');
$t->wait_old_workers(20);
is(call(url => $sink->url('/'))->{outcome}, 'off', 'nobody is configured');

finish;
