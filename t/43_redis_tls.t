#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# TLS to Redis: the server's certificate is verified, by CA and by name, and
# ours is shown; what does not fit is refused, and the log says why.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use IO::Socket::INET;

use MDM;
use MDM::PKI;
use MDM::Redis;
use MDM::Util qw(free_port);

# all of them are one store

$MDM::Redis::store_id = '5' x 32;


my $on = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new;
my $dir = $t->dir;

mkdir "$dir/$_" or die $! for qw(redis-ca foreign-ca);

my $ca = MDM::PKI->new(dir => "$dir/redis-ca", name => 'Redis CA');
my $foreign = MDM::PKI->new(dir => "$dir/foreign-ca", name => 'Foreign CA');
my %server;

sub server {
    my ($name, $auth, $protocols, %cert) = @_;

    my $cert = ($cert{by} // $ca)->issue(cn => 'redis', purpose => 'server',
                                         %cert);
    my $port = free_port();

    my $r = MDM::Redis->new(dir => "$dir/server-$name", args => [
        '--tls-port', $port, '--tls-cert-file', $cert->{file},
        '--tls-key-file', $cert->{key}, '--tls-ca-cert-file', $ca->{file},
        '--tls-auth-clients', $auth, '--tls-protocols', $protocols ]);

    $r->start;

    return $server{$name} = { redis => $r, port => $port };
}

END {
    local $?;
    $_->{redis}->stop for grep { $_->{redis}->pid } values %server;
}

my $both = 'TLSv1.2 TLSv1.3';

server('a', 'no', $both, san => [ [ DNS => 'redis.example' ],
                                  [ DNS => 'localhost' ] ]);
server('b', 'yes', $both, san => [ [ IP => '127.0.0.1' ] ]);
server("1.$_", 'no', "TLSv1.$_", san => [ [ IP => '127.0.0.1' ] ]) for 2, 3;

my $client = $ca->issue(cn => 'nginx');
my $stranger = $foreign->issue(cn => 'nginx');

my $tls = "tls on; tls_trusted_certificate $ca->{file};";
my $shown = "tls_certificate $client->{file};"
            . " tls_certificate_key $client->{key};";
my $a = "server 127.0.0.1:$server{a}{port}; " . $server{a}{redis}->auth;
my $b = "server 127.0.0.1:$server{b}{port}; " . $server{b}{redis}->auth;

my $serial = 0;

sub conf {
    my ($store) = @_;

    my %conf = (store_conf => "mdm_store main { $store }",
                locations => "location /mdm { $on }"
                             . ' location /api/ { mdm_api on; }');

    if ($t->pid) {
        $t->reload(%conf);
        $t->wait_old_workers;
    } else {
        $t->write_conf(%conf);
        $t->start_nginx;
    }

    return;
}

sub works {
    my ($what, $store, $redis) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    conf($store);

    my $d = $t->device('D' . ++$serial);
    my $id = $d->id;

    is($d->authenticate->status, 200, "$what: Authenticate") or return;
    is($d->token_update->status, 200, "$what: TokenUpdate");
    is($t->enqueue($id, $t->command("c$serial", 'ProfileList'))->status, 200,
       "$what: enqueue");
    is_deeply([ $d->drain ], [ "c$serial" ], "$what: it is delivered");
    like($redis->{redis}->dump, qr/:e:$id" hash$/m, "$what: it is there");

    return $d;
}

sub refused {
    my ($what, $store, $why) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $from = $t->log_size;

    conf($store);

    ok($t->wait_log(qr/\[error\].*mdm store "main": redis \S+ is down \($why\), requests get 503/,
                    from => $from), "$what: the log says why")
        or diag($t->log($from));

    my $r = $t->device('D' . ++$serial)->authenticate;

    is($r->status, 503, "$what: 503");
    ok($r->header('Retry-After'), "$what: Retry-After");

    return;
}


works('by name', "$a $tls tls_name redis.example;", $server{a});
works('by the name of the server',
      "server localhost:$server{a}{port}; $tls " . $server{a}{redis}->auth,
      $server{a});
works('by address, with a client certificate', "$b $tls $shown", $server{b});
works('a client certificate that nobody asked for',
      "$a $tls $shown tls_name redis.example;", $server{a});

refused('another name', "$a $tls tls_name redis.example.org;",
        qr/its certificate is not for "redis\.example\.org"/);
refused('an address that is not in it', "$a $tls",
        qr/its certificate is not for "127\.0\.0\.1"/);
refused('another address', "$b $tls $shown tls_name 127.0.0.2;",
        qr/its certificate is not for "127\.0\.0\.2"/);
refused('a name where it has an address', "$b $tls $shown tls_name 127.0.0.1.;",
        qr/its certificate is not for "127\.0\.0\.1\."/);
refused('a foreign CA', "$a tls on; tls_trusted_certificate $foreign->{file};"
        . ' tls_name redis.example;',
        qr/its certificate is not trusted: [^)]+/);

# with TLS 1.3 the server says so after the handshake

refused('no client certificate', "$b $tls",
        qr/it refuses our certificate: [^)]+|the [^)]+/);
refused('a foreign client certificate',
        "$b $tls tls_certificate $stranger->{file};"
        . " tls_certificate_key $stranger->{key};",
        qr/it refuses our certificate: [^)]+|the [^)]+/);

my $plain = MDM::Redis->new(dir => "$dir/plain", tcp => 1);

END { local $?; $plain->stop if $plain && $plain->pid; }

$plain->start;

# it waits for the rest of what it takes for a command; the ClientHello of
# OpenSSL 3.5 has a line end early, so that it answers with an error

refused('a server without TLS', 'server localhost:' . $plain->port . "; $tls",
        qr/no TLS handshake within 1000ms|the TLS handshake has failed/);
refused('no TLS to a server that wants it', $a, qr/[^)]+/);

is($server{$_}{redis}->dump =~ /:e:D(?:[5-9]|\d\d)"/ ? 1 : 0, 0,
   "$_: nothing of those that were refused") for qw(a b);


# much at once, both ways: more than one TLS record and than the socket holds

my $d = works('large ones', "$a $tls tls_name redis.example; timeout 10s;",
              $server{a});
my $big = join '', map { chr(33 + $_ % 90) } map { $_ * 7919 % 104729 }
          1 .. 3_000_000;

for my $i (1 .. 3) {
    my $command = plist($t->command("big$i", 'InstallProfile',
                                    Payload => plist_data($big)));

    is($t->enqueue($d->id, $command)->status, 200, "large $i: enqueue");

    my $r = $d->idle;

    is($r->status, 200, "large $i: idle");
    ok($r->body eq $command, "large $i: byte for byte");
    is($d->report('Acknowledged', "big$i", Data => plist_data($big))->status,
       200, "large $i: its result");
}


# the server goes and comes

$server{a}{redis}->kill9;

is($t->device('AWAY')->authenticate->status, 503, 'it is away: 503');

$server{a}{redis}->restart;

ok(wait_for(10, sub { $t->device('BACK')->authenticate->status == 200 }),
   'it is back: 200');

$server{a}{redis}->pause;

is($t->device('BACK')->authenticate->status, 503, 'it stalls: 503');

$server{a}{redis}->resume;

ok(wait_for(10, sub { $t->device('BACK')->authenticate->status == 200 }),
   'it goes on: 200');


# a worker that is told to quit in the middle of a handshake finishes it, and
# what waits for it

for my $v ('1.2', '1.3') {
    my $redis = $server{$v}{redis};

    conf("server 127.0.0.1:$server{$v}{port}; $tls timeout 8s;"
         . ' connect_timeout 8s; ' . $redis->auth);

    my $late = $t->device("LATE-$v")->enroll;

    $redis->pause;
    $t->reload;

    my $c = $t->client(cert => $late->cert)->connect;

    $c->send_request(PUT => '/mdm',
                     body => plist({ UDID => "LATE-$v", Status => 'Idle' }));
    sleep 1;
    $t->reload;
    sleep 1;
    $redis->resume;
    is($c->read_response('PUT')->status, 200,
       "TLS $v: a reload during the handshake");
    $c->close;
    ok($t->wait_old_workers, "TLS $v: and the old worker ends");
}


# a handshake that gets no answer

my $silent = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1')
    or die $!;

refused('no answer', 'server localhost:' . $silent->sockport . "; $tls"
        . ' connect_timeout 300ms;', qr/no TLS handshake within 300ms/);

close $silent;


# many workers, and a reload while they talk

$t->{workers} = 2;
conf("$a $tls tls_name redis.example;");

my @d = map { $t->device("R$_")->enroll } 1 .. 4;
my @status;

for my $i (1 .. 3) {
    $t->reload;
    push @status, map { $_->idle->status } @d for 1 .. 5;
}

is_deeply([ grep { $_ != 200 } @status ], [], 'reloads: nothing fails');

finish;
