#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A Redis user that lacks a command is found when a worker connects: 503, and
# one line that names it, not a script that ends half-way.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Redis;
use MDM::Util qw(read_file);


my $t = MDM->new->start;
my $redis = $t->redis_server;
my ($user, undef, @rules) = MDM::Redis::documented_user();
my %called;

for my $file (glob "$MDM::root/src/lua/*.lua") {
    $called{lc $_} = 1 for read_file($file) =~ /redis\.call\(\s*'([A-Z]+)'/g;
}

my $d = $t->device('PROBE-1')->enroll;

is($d->idle->status, 200, 'a user that has all');
is_deeply([ grep { /probe/ } @{$redis->cmd('KEYS', '*')} ], [],
          'nothing is left of the probe');

sub reconnect {
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    return;
}

# each command that scripts call

for my $command (sort keys %called) {
    my $from = $t->log_size;

    $redis->cmd('ACL', 'SETUSER', $user, "-$command");
    reconnect();
    ok($t->wait_log(qr/\[error\] .*mdm store "main": redis \S+ is (?:still )?down \(its user may not call \Q$command\E: see "Redis ACL" in docs\/keyspace\.md\), requests get 503/,
                    from => $from), "without $command: one line says so")
        or diag($t->log($from));
    is($d->idle->status, 503, "without $command: 503");
    $redis->cmd('ACL', 'SETUSER', $user, "+$command");
    ok(wait_for(5, sub { $d->idle->status == 200 }),
       "with $command again: 200");
}

# several: one line

my $from = $t->log_size;

$redis->cmd('ACL', 'SETUSER', $user, '-zadd', '-xadd', '-del', '-set');
reconnect();
ok($t->wait_log(qr/may not call set, xadd, zadd, del: see/, from => $from),
   'several: one line names all');
is(scalar(() = $t->log($from) =~ /\[error\].*may not call/g), 1,
   'and once');
is($d->authenticate->status, 503, 'Authenticate: 503');
ok($redis->cmd('TTL', 'mdm:probe') <= 60, 'what is left goes by itself');
$redis->cmd('ACL', 'SETUSER', $user, '+zadd', '+xadd', '+del', '+set');
ok(wait_for(5, sub { $d->idle->status == 200 }), 'with all of them: 200');
is($redis->cmd('EXISTS', 'mdm:probe'), 0, 'nothing is left');

# a command that the server does not know: renamed away

my $renamed = MDM::Redis->new(dir => $t->dir . '/renamed',
    args => [ '--rename-command', 'ZPOPMIN', '' ], auth => 0)->start;

END { local $?; $renamed->stop if $renamed && $renamed->pid; }

$from = $t->log_size;
$t->reload(store_conf => 'mdm_store other { server unix:' . $renamed->socket
                         . '; }');
$t->wait_old_workers;
is($d->idle->status, 503, 'renamed: 503');
ok($t->wait_log(qr/may not call zpopmin: see/, from => $from),
   'renamed: one line says so');

$t->redis('ACL', 'LOG', 'RESET');

finish;
