#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The programs of the documentation run: those of docs/events.md that read the
# streams of events themselves get all events, as its user, and what they have
# not acknowledged stays; the receiver of docs/webhooks.md takes what is signed,
# and nothing else.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(hmac_sha256);
use HTTP::Tiny;
use MIME::Base64 qw(encode_base64);
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::Util qw(free_port read_file spawn wait_exit wait_for write_file);


my $text = read_file("$MDM::root/docs/events.md");

# the block that has this line

sub block {
    my ($line, $from) = @_;

    my @blocks = grep { /^    \Q$line\E/m }
                 ($from // $text) =~ /((?:^    .*\n|^\n)+)/mg;

    return $blocks[0] =~ s/^    //mgr;
}

my $reader;
my $python = '/usr/bin/python3';
my $no_redis = system("$python -c 'import redis' 2>/dev/null");

my $t = MDM->new;

$t->redis_server->start;
$t->write_conf(store => 'partitions 2;',
               http => 'mdm_event_group bridge; mdm_event_limit 20;');
$t->start_nginx;

my ($rule) = $text =~ /^    ACL SETUSER (.*)$/m;

$t->redis('ACL', 'SETUSER', split ' ', $rule);

my ($socket) = $t->conf =~ /server\s+unix:([^;\s]+)/;
my $out = $t->dir . '/out';

sub runs {
    my ($what, $id, $env, @cmd) = @_;

    write_file($out, '');

    my $pid = spawn({ out => $out, env => $env }, @cmd);

    $t->device($id)->enroll;

    ok(wait_for(20, sub { read_file($out) =~ /TokenUpdate/ }),
       "$what: it gets events") or diag(read_file($out), $t->log);
    like(read_file($out), qr/^mdm:\{default\/[01]\}:events mdm\.Authenticate/m,
         "$what: in their order");
    kill 'TERM', $pid;
    wait_exit($pid, 10);

    return;
}

SKIP: {
    skip 'python3-redis is not installed', 2 if $no_redis;

    runs('Python', 'READ-1',
         { REDIS_URL => "unix://reader:secret\@$socket", PARTITIONS => 2 },
         $python, write_file($t->dir . '/bridge.py', block('import os, redis')));
}

for my $p (0, 1) {
    eval { $t->redis('XGROUP', 'CREATE', "mdm:{default/$p}:events", 'bridge',
                     '0', 'MKSTREAM') };
}

my $c = write_file($t->dir . '/bridge.c', block('#include <hiredis/'));

is(system('gcc', '-Wall', '-Wextra', '-Werror', '-o', $t->dir . '/bridge', $c,
          '-lhiredis'), 0, 'C: it compiles');
runs('C', 'READ-2', {}, $t->dir . '/bridge', $socket, 2);

# on a Cluster

SKIP: {
    skip 'python3-redis is not installed', 2 if $no_redis;

    my $of = MDM->new(redis => 0);
    my $c = MDM::Cluster->new(dir => $of->dir . '/cluster')->start;
    my ($more) = $text =~ /the user needs `([^`]*)`/;
    my $out = $of->dir . '/out';

    $of->write_conf(http => 'mdm_event_group bridge;', store_conf =>
        'mdm_store main { mode cluster; partitions 4; '
        . join(' ', map { "server $_->{addr};" } $c->nodes) . $c->auth . ' }');
    $of->start_nginx;
    $_->cmd('ACL', 'SETUSER', split ' ', "$rule $more") for $c->nodes;

    my ($first) = $c->nodes;
    my $program = write_file($of->dir . '/cluster.py',
                             block('from redis.cluster'));

    write_file($out, '');
    $reader = spawn({ out => $out, env => { PARTITIONS => 4, REDIS_URL =>
                          "redis://reader:secret\@$first->{addr}" } },
                    $python, $program);

    my @ids = map { "SLOT-$_" } 1 .. 8;

    $of->device($_)->enroll for @ids;

    ok(wait_for(30, sub {
        my $got = read_file($out);

        return !grep { $got !~ /mdm\.TokenUpdate \Q$_\E$/m } @ids;
    }), 'Cluster: it gets all events') or diag(read_file($out), $of->log);
    ok(scalar(() = read_file($out) =~ /^mdm:\{default\/(?!0)/mg),
       'Cluster: of several streams');

    kill 'TERM', $reader;
    $reader = undef if defined wait_exit($reader, 10);
    $of->quit;
    $c->stop;
}

# nobody reads: what is there stays, and an administrator has to wait

my $d = $t->device('READ-3');

$d->enroll;
$d->authenticate for 1 .. 25;
is($d->token_update->status, 200, 'a device is served');

my $r = $t->enqueue('READ-3', $t->command('r1', 'ProfileList'));

is($r->status, 503, 'an administrator is not');
like($r->json->{status}{'READ-3'}{command_error},
     qr/^the outbox is full: group "bridge" is \d+ events behind$/, 'why');


# A receiver: it is changed in its port and the name of its file only.

my $receiver;

END { kill 'KILL', grep { $_ } $reader, $receiver }

SKIP: {
    skip 'python3 is not installed', 1 unless -x $python;

    my ($port, $key) = (free_port(), 'of the receiver');
    my $hook = MDM->new;
    my $file = write_file($hook->dir . '/hook.key', "$key\n");
    my $log = $hook->dir . '/receiver.out';
    my $program = block('class Hook', read_file("$MDM::root/docs/webhooks.md"));

    chmod 0600, $file;

    is($program =~ s{'/etc/hook\.key'}{'$file'}, 1, 'receiver: its key');
    is($program =~ s{\b8080\b}{$port}, 1, 'receiver: its port');

    $receiver = spawn({ out => $log }, $python, '-u',
                      write_file($hook->dir . '/receiver.py', $program));

    sub post {
        my ($body, %headers) = @_;

        my $r = HTTP::Tiny->new(timeout => 10)->post("http://127.0.0.1:$port/",
            { content => $body, headers => \%headers });

        return $r->{status};
    }

    my $mac = sub { encode_base64(hmac_sha256(@_), '') };
    my $body = '{"topic":"mdm.Test","event_id":"default.0.1-0"}';

    ok(wait_for(10, sub { post($body) == 403 }), 'receiver: unsigned')
        or diag(read_file($log));
    is(post($body, 'X-Hmac-Signature' => $mac->($body, $key)), 200,
       'receiver: a true HMAC');
    is(post($body, 'X-Hmac-Signature' => $mac->($body, 'another')), 403,
       'receiver: that of another key');
    is(post("$body ", 'X-Hmac-Signature' => $mac->($body, $key)), 403,
       'receiver: that of another body');
    is(post($body, 'X-Hmac-Signature' => 'x'), 403, 'receiver: none at all');
    is(post($body, 'X-Hmac-Signature' => $mac->($body, $key)), 200,
       'receiver: once more');
    is(scalar(() = read_file($log) =~ /^mdm\.Test default\.0\.1-0$/mg), 1,
       'receiver: and drops what it has had');

    # and of the module

    my $conf = "mdm_webhook http://127.0.0.1:$port/ name=py hmac_key_file=";

    $hook->redis_server->start;
    $hook->write_conf(store => 'partitions 1; connect_timeout 5s; timeout 20s;',
                     http => "$conf$file;");
    $hook->start_nginx;
    $hook->device('HOOK-1')->enroll;

    ok(wait_for(20, sub {
        return join(' ', read_file($log) =~ /^mdm\.(\S+ default\.0)\.\S+$/mg)
            eq 'Test default.0 Authenticate default.0 TokenUpdate default.0';
    }), 'receiver: takes what the module has signed')
        or diag(read_file($log), $hook->log);

    write_file($file, "another\n");
    $hook->reload;
    $hook->device('HOOK-2')->enroll;
    ok($hook->wait_log(qr/"py" has not taken event \S+ at attempt 1: \S+ 403/),
       'receiver: and not by another key') or diag($hook->log);

    kill 'TERM', $receiver;
    $receiver = undef if defined wait_exit($receiver, 10);
}

finish;
