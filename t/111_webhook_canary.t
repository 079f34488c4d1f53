#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# With webhooks, some of which fail, no secret is where somebody looks who is
# to see none: not those of the configuration (HMAC keys, headers, passwords of
# proxies), not those of devices, and no message, in logs, metrics, health and
# the API's list, nor, where there is a key, in what Redis writes to its disk.

use strict;
use warnings;

use lib 't/lib';
use File::Find ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;

use MDM;
use MDM::APNs;
use MDM::Canary qw(canary holds);
use MDM::PKI;
use MDM::Plist qw(plist_data);
use MDM::Sink;
use MDM::Util qw(read_file wait_for write_file);


my $json = JSON::PP->new->canonical;

# what an administrator configures, and what a device and he say; the first of
# each kind may stand in Redis: there it belongs to scripts (encryption.md)

my %conf = map { $_ => canary($_) } qw(hmac header proxy wrong);
my %plain = map { $_ => canary($_) } qw(token magic);
my %sealed = map { $_ => canary($_) } qw(unlock bootstrap message result
                                          notnow command);


sub start {
    my (%o) = @_;

    my $t = MDM->new(redis => { args => [ '--appendonly', 'yes',
        '--aof-use-rdb-preamble', 'no', '--rdbcompression', 'no' ] },
        locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /metrics { mdm_metrics on; }
        location /health { mdm_health on; }
END

    my $dir = $t->dir;
    my $ca = MDM::PKI->new(dir => $dir, name => 'Sink CA');
    my $good = MDM::Sink->new(dir => $dir, ca => $ca, hmac_key => $conf{hmac});
    my $bad = MDM::Sink->new(dir => $dir, tls => 0, hmac_key => $conf{hmac});
    my $proxy = MDM::APNs::Proxy->new;
    my %file = (header => write_file("$dir/header",
                                     "X-Secret: $conf{header}\n"),
                proxy => write_file("$dir/proxy", "joe:$conf{proxy}\n"));

    write_file("$dir/mdm.key", join '', map { sprintf '%02x', rand 256 }
                                        1 .. 32);
    chmod 0600, values %file, "$dir/mdm.key";
    $proxy->tell("auth joe:$conf{proxy}");

    my $more = "hmac_key_file=$good->{hmac_file} header_file=$file{header}"
        . ' timeout=2s topics=mdm.*,api.*';
    my $via = 'http://127.0.0.1:' . $proxy->port;

    $t->redis_server->start;
    $t->write_conf(
        store => 'partitions 1; connect_timeout 5s; timeout 20s; '
                 . ($o{key} ? "encryption_key $dir/mdm.key;" : ''),
        http => "mdm_http_client { proxy $via; proxy_auth_file $file{proxy}; }"
                . ' mdm_webhook ' . $good->url('/good')
                . " name=good trusted_certificate=$ca->{file} $more;"
                . ' mdm_webhook ' . $bad->url('/bad')
                . " name=bad proxy=off $more;"
                . " mdm_webhook https://127.0.0.1:$good->{port}/none"
                . " name=none trusted_certificate=$ca->{file} proxy=$via"
                . " $more;");
    $t->start_nginx;

    @$t{qw(good bad proxy)} = ($good, $bad, $proxy);

    return $t;
}


# a life, of which one webhook gets all, and the others get nothing

sub live {
    my ($t, $what) = @_;

    $t->{bad}->tell('rule * 422 times=3');
    $t->{bad}->tell('rule * 500');

    my $d = $t->device('LIFE');

    is($d->authenticate(Note => $sealed{message})->status, 200,
       "$what: Authenticate");
    is($d->token_update(Token => plist_data($plain{token}),
                        PushMagic => $plain{magic},
                        UnlockToken => plist_data($sealed{unlock}))->status,
       200, "$what: TokenUpdate");
    is($d->set_bootstrap_token($sealed{bootstrap})->status, 200,
       "$what: SetBootstrapToken");
    is($t->enqueue('LIFE', $t->command('c1', 'InstallProfile',
        Payload => plist_data($sealed{command})))->status, 200,
       "$what: a command");
    is($d->idle->status, 200, "$what: Idle");
    is($d->report('NotNow', 'c1', Note => $sealed{notnow})->status, 200,
       "$what: NotNow");
    is($d->report('Acknowledged', 'c1', Note => $sealed{result})->status, 200,
       "$what: Acknowledged");

    # one that stays in its queue

    is($t->enqueue('LIFE', $t->command('c2', 'InstallProfile',
        Payload => plist_data($sealed{command})))->status, 200,
       "$what: another command");

    ok(wait_for(30, sub {
        my %event = map { $_->{event_id} => 1 }
                    grep { $_->{path} eq '/good' } $t->{good}->ledger;

        return 7 == keys %event;
    }), "$what: one webhook gets all of it") or diag($t->log);
    ok(wait_for(30, sub {
        return $t->redis('EXISTS', 'mdm:{default/0}:dead:bad');
    }), "$what: one puts a message aside") or diag($t->log);

    is($t->api(POST => '/v1/webhooks/bad/test')->json->{status}, 500,
       "$what: a test of what fails");

    return;
}


# where somebody may look

sub seen {
    my ($t) = @_;

    my %text = (
        'error.log' => $t->log . $t->stderr,
        'access.log' => $t->access_log,
        metrics => $t->request('GET', '/metrics', plain => 1)->body,
        health => $t->request('GET', '/health/ready', plain => 1)->body,
        webhooks => $t->api(GET => '/v1/webhooks')->body,
        test => $t->api(POST => '/v1/webhooks/none/test')->body,
    );

    like($text{metrics}, qr/^nginx_mdm_/m, 'there are metrics');
    like($text{health}, qr/^\{/, 'there is health');
    is(scalar @{$json->decode($text{webhooks})}, 3, 'there are webhooks');

    return %text;
}


# what Redis has written

sub disk {
    my ($t) = @_;

    my ($rdb, $aof) = ('', '');
    my $dir = $t->redis('CONFIG', 'GET', 'dir')->[1];

    $t->redis('SAVE');

    File::Find::find(sub {
        $rdb .= read_file($_) if /\.rdb$/;
        $aof .= read_file($_) if /\.aof$/;
    }, $dir);

    return (rdb => $rdb, aof => $aof);
}

sub found {
    my ($value, %text) = @_;

    return join ' ', grep { holds($text{$_}, $value) } sort keys %text;
}


# Without a key the search finds what is in the files, and in logs what is put
# there.

{
    my $t = start();

    live($t, 'no key');

    my %disk = disk($t);

    for my $name (sort keys %sealed) {
        is(found($sealed{$name}, %disk), 'aof rdb', "control: $name is seen");
    }

    my $planted = canary('planted');

    $t->request('GET', "/nothing/$planted", plain => 1);

    ok(wait_for(10, sub { $t->access_log =~ /\Q$planted\E/ }),
       'control: a line is there');

    is(found($planted, seen($t)), 'access.log error.log',
       'control: what is in logs is seen');

    $t->{$_}->stop for qw(good bad proxy);
}


{
    my $t = start(key => 1);

    live($t, 'key');

    # the secrets are those that were used

    my ($line) = $t->{good}->ledger;

    like($line->{headers}, qr/^X-Secret: \Q$conf{header}\E\r$/m,
         'the header is sent');
    is($line->{hmac}, 'ok', 'it is signed');
    cmp_ok($t->{proxy}->count->{requests}, '>=', 1, 'the proxy is asked');

    my $raw = join '', map { decode_base64($_) }
              map { $_->{body} =~ /"raw_payload":"([^"]*)"/g }
              $t->{good}->ledger;

    ok(holds($raw, $sealed{$_}), "$_ is sent")
        for qw(message result notnow unlock bootstrap);

    # the password is wrong for a while, and a webhook is asked for by hand

    $t->{proxy}->tell("auth joe:$conf{wrong}");
    is($t->device('OTHER')->enroll->{id}, 'OTHER', 'another device');
    ok($t->wait_log(qr/webhook "none" has not taken event .*407/),
       'the proxy says no') or diag($t->log);

    my %text = (seen($t), disk($t));

    for my $name (sort keys %conf) {
        is(found($conf{$name}, %text), '', "$name of the configuration");
    }

    for my $name (sort keys %sealed) {
        is(found($sealed{$name}, %text), '', "$name is nowhere");
    }

    delete @text{qw(rdb aof)};

    for my $name (sort keys %plain) {
        is(found($plain{$name}, %text), '', "$name is not told");
    }

    $t->{$_}->stop for qw(good bad proxy);
}

finish;
