#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm-store reindex: what has no entry in the index of serial numbers gets
# one, of all tenants, while nginx serves.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Redis;
use MDM::Reindex;
use MDM::Util qw(read_file spawn wait_exit);


my $t = MDM->new(redis => {}, store => 'timeout 20s; partitions 16;',
                 locations => $MDM::Reindex::locations)->start;

my $redis = $t->redis_server;
my $dir = $t->dir;
my $tool = MDM::Reindex->new($t);

$tool->allow($redis);

my $server = 'unix:' . $redis->socket;


sub index_keys { return sort @{$redis->cmd('KEYS', 'mdm:{*/serial:*}')} }

sub lose_index {
    $redis->cmd('DEL', $_) for index_keys();

    return;
}


# no store yet is none, wrong arguments are named

$tool->ends('an argument', [ $server, 'more' ], 2, 'usage: mdm-store .*');
$tool->ends('no tenant', [ $server, '--tenant', 'a/b' ], 2,
            'mdm-store: "a/b" is no name of a tenant');
$tool->ends('no number', [ $server, '--wait', 'x' ], 2,
            'mdm-store: "x" is not a number');

{
    my ($rc, $said) = $t->mdm_store('show', '--tenant', 'b', '-s', $server);

    is($rc, 2, 'an option of reindex is none of another command');
}

{
    my $other = MDM::Redis->new(dir => "$dir/other");

    $other->start;
    $tool->allow($other);
    $tool->ends('an empty Redis', [ 'unix:' . $other->socket ], 2,
                'mdm-store: there is no mdm:meta, so no store');

    $other->cmd('HSET', 'mdm:meta', 'partitions', '16', 'version', '9');
    $tool->ends('a later keyspace', [ 'unix:' . $other->socket ], 2,
                'mdm-store: its keyspace is of version 9, .*');
    $other->cmd('HSET', 'mdm:meta', 'partitions', '0', 'version', '2');
    $tool->ends('no partitions', [ 'unix:' . $other->socket ], 2,
                'mdm-store: mdm:meta has "0" for partitions');
    $other->stop;
}

$tool->ends('a store without devices', [ $server ], 0, 'devices 0',
            'entered 0', 'complete yes');


# two tenants

my $n = 30;
my @a = map { $t->device("A-$_", serial => "SA$_")->enroll } 1 .. $n;
my @b = map { $t->device("B-$_", serial => "SB$_", path => '/b/mdm')->enroll }
        1 .. 5;

# one of both, under the same number; users have that of their device

push @b, $t->device('B-6', serial => 'SA1', path => '/b/mdm')->enroll;

my $user = $a[0]->user('U-1');

is($user->token_update->status, 200, 'a user');

# it counts devices, not all that is a hash; some have left

is($a[9]->checkout->status, 200, 'one checks out');

my @keys = index_keys();

is(@keys, $n + 6, 'all have an entry from the first');

my $said = $tool->ends('nothing to do', [ $server ], 0,
                       "tenant b devices 6 entered 0",
                       "tenant default devices $n entered 0",
                       'devices ' . ($n + 6), 'entered 0', 'complete yes');

is(() = $said =~ /^tenant /mg, 2, 'two tenants');


# the index is lost

lose_index();
is_deeply($tool->found('', 'SA1', 'SA2', 'SA30'), [],
          'without an index: nobody');

$tool->ends('one tenant', [ $server, '--tenant', 'b' ], 0,
            'tenant b devices 6 entered 6', 'devices 6', 'entered 6',
            'complete yes');
is_deeply($tool->found('', 'SA1'), [], 'the other one has none still');
is_deeply($tool->found('/b', 'SA1', 'SB2'), [ 'B-2', 'B-6' ], 'that one has');

$tool->ends('all', [ $server ], 0, 'tenant b devices 6 entered 0',
            "tenant default devices $n entered $n", 'devices ' . ($n + 6),
            "entered $n", 'complete yes');
is_deeply($tool->found('', 'SA2', 'SA30', 'SA10'), [ 'A-10', 'A-2', 'A-30' ],
          'they are found again');
is_deeply($tool->found('', 'SA1'), [ 'A-1', $user->id ], 'users, too');
is_deeply($tool->found('/b', 'SA1'), [ 'B-6' ], 'each in its tenant');
is_deeply([ index_keys() ], \@keys, 'the index is what it was');

{
    my $r = $t->api('POST', '/v1/enrollments/query',
                    body => '{"filter":{"serials":["SA3","SA4"]}}');

    is_deeply([ sort map { $_->{id} } @{$r->json->{enrollments}} ],
              [ 'A-3', 'A-4' ], 'a filter finds them');
}

$tool->ends('a tenant that is none', [ $server, '--tenant', 'nobody' ], 0,
            'tenant nobody devices 0 entered 0', 'complete yes');


# keys that look alike, an id whose enrollment is gone

$redis->cmd('SET', $_, 'x')
    for 'mdm:{/3}:ids', 'mdm:{x}:ids', 'mdm:{a b/3}:ids', 'mdm:{x/}:ids',
        'mdm:{x/y}:ids', 'mdm:{x/1}:e:}:ids', 'mdm:{x/1/2}:ids';
$redis->cmd('ZADD', 'mdm:{default/3}:ids', 0, 'GONE');

$said = $tool->ends('keys that look alike', [ $server ], 0,
                    "tenant default devices $n entered 0", 'complete yes');
is(() = $said =~ /^tenant /mg, 2, 'still two tenants');


# stale ones: they are nobody's, and go when they are read

$redis->cmd('DEL', 'mdm:{default/serial:SA5}');
$redis->cmd('SADD', 'mdm:{default/serial:SA5}', 'A-6', 'GONE');
$tool->ends('beside stale ones', [ $server ], 0, 'entered 1');
is_deeply([ sort @{$redis->cmd('SMEMBERS', 'mdm:{default/serial:SA5}')} ],
          [ 'A-5', 'A-6', 'GONE' ], 'the right one is added');
is_deeply($tool->found('', 'SA5'), [ 'A-5' ], 'and found alone');
is_deeply($redis->cmd('SMEMBERS', 'mdm:{default/serial:SA5}'), [ 'A-5' ],
          'the others have gone');


# many, in slices; a signal ends it, and once more does the rest

my $many = 2000;

$redis->cmd('EVAL', <<'END', 0, $many);
for i = 1, tonumber(ARGV[1]) do
    local id = 'M-' .. i

    redis.call('ZADD', 'mdm:{many/0}:ids', 0, id)
    redis.call('HSET', 'mdm:{many/0}:e:' .. id, 'type', 'Device', 'enabled',
               '1', 'serial', 'SM' .. i)
end
END

{
    my $pid = spawn({ out => "$dir/tool.log" },
                    "$MDM::root/build/mdm-store", $tool->args($server),
                    '--wait', 30, '--tenant', 'many');

    ok(wait_for(10, sub {
        return @{$redis->cmd('KEYS', 'mdm:{many/serial:*}')} != 0 }),
       'it is at work');
    is($a[0]->idle->status, 200, 'nginx serves meanwhile');
    is($t->device('NEW', serial => 'SNEW')->enroll->id, 'NEW',
       'and enrolls');
    kill 'TERM', $pid;

    my $rc = wait_exit($pid, 20);

    is($rc >> 8, 1, 'ended early: 1') or diag(read_file("$dir/tool.log"));
    like(read_file("$dir/tool.log"), qr/^complete no$/m, 'and says so');
}

$tool->ends('once more', [ $server ], 0, "tenant many devices $many .*",
            'devices ' . ($many + $n + 7), 'complete yes');
is(@{$redis->cmd('KEYS', 'mdm:{many/serial:*}')}, $many, 'all are entered');


# a user who may not

$redis->cmd('ACL', 'SETUSER', 'mdm-reindex', '-cluster|slots');
$tool->ends('without CLUSTER SLOTS', [ $server ], 2,
            'mdm-store: \S+: CLUSTER SLOTS: NOPERM .*');
$tool->allow($redis);
$redis->cmd('ACL', 'SETUSER', 'mdm-reindex', '-scan');
$tool->ends('without SCAN', [ $server ], 2, 'mdm-store: \S+: NOPERM .*');
$tool->ends('of one tenant', [ $server, '--tenant', 'b' ], 0, 'complete yes');
$tool->allow($redis);
$redis->cmd('ACL', 'SETUSER', 'mdm-reindex', '-sadd');
lose_index();
$tool->ends('without SADD', [ $server ], 2, 'mdm-store: \S+: .*');

finish;
