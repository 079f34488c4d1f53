#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Who reads the streams of events himself: the programs of docs/events.md, as
# its user, get all events, and what they have not acknowledged stays.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Util qw(read_file spawn wait_exit wait_for write_file);


my $text = read_file("$MDM::root/docs/events.md");

# the block that has this line

sub block {
    my ($line) = @_;

    my @blocks = grep { /^    \Q$line\E/m } $text =~ /((?:^    .*\n|^\n)+)/mg;

    return $blocks[0] =~ s/^    //mgr;
}

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
    my $python = '/usr/bin/python3';

    skip 'python3-redis is not installed', 2
        if system("$python -c 'import redis' 2>/dev/null");

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

# nobody reads: what is there stays, and an administrator has to wait

my $d = $t->device('READ-3');

$d->enroll;
$d->authenticate for 1 .. 25;
is($d->token_update->status, 200, 'a device is served');

my $r = $t->enqueue('READ-3', $t->command('r1', 'ProfileList'));

is($r->status, 503, 'an administrator is not');
like($r->json->{status}{'READ-3'}{command_error},
     qr/^the outbox is full: group "bridge" is \d+ events behind$/, 'why');

finish;
