#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Which store it is: a Redis that comes back empty, or another one, is never
# taken for that of the fleet: 503 and one alert, until somebody says so.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Redis;
use MDM::Util qw(read_file write_file);


my $t = MDM->new(workers => 2, redis => {}, locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /files/ { mdm_auth on; alias %%PREFIX%%/; }
END

my $redis = $t->redis_server;
my $dir = $t->dir;
my @server = ('-s', 'unix:' . $redis->socket, '-u', $redis->{user},
              '-p', $redis->{password_file});
my @id;

write_file("$dir/file", 'content');

sub store_id { return $redis->hash('mdm:meta')->{store_id} // '' }

sub alerts {
    my ($from) = @_;

    return grep { /\[alert\]/ } split /\n/, $t->log($from);
}

# all workers have met what there is now

my $stranger = $t->device('STRANGER');

sub settled {
    my ($status) = @_;

    return wait_for(10, sub {
        for (1 .. 8) {
            my $r = $stranger->send(MDM::Device::CONNECT,
                                    { Status => 'Idle', UDID => 'STRANGER' },
                                    fresh => 1);

            return 0 if $r->status != $status;
        }

        return 1;
    });
}

sub adopt {
    my ($old) = @_;

    my ($rc, $said) = $t->mdm_store('adopt', $old, @server);

    is($rc, 0, 'adopt') or diag($said);
    like($said, qr/^store [0-9a-f]{32} takes the place of $old$/,
         'adopt says so');

    return;
}


# the first start

wait_for(10, sub { $id[0] = store_id() });
like($id[0], qr/^[0-9a-f]{32}$/, 'a store has an id');

my $d = $t->device('ID-1')->enroll;

is($d->idle->status, 200, 'a device');
ok(settled(403), 'a stranger is told so');

my $started = time;

is($stranger->idle->status, 403, 'and again');
cmp_ok(time - $started, '<', 0.5, 'without much waiting');


# comes back empty, under load

my @pids;
my $until = time + 6;

for my $i (1 .. 4) {
    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        my %seen;

        $t->{clients} = {};

        while (time < $until) {
            my $r = eval { $d->idle };

            $seen{$r->status}++ if $r;
            sleep 0.002;
        }

        write_file("$dir/seen.$i", join ' ', map { "$_=$seen{$_}" }
                                                 sort keys %seen);
        require POSIX;
        POSIX::_exit(0);
    }

    push @pids, $pid;
}

$t->expect_log(qr/\[alert\] .*mdm store "main": redis \S+ is not the store/);

my $served = () = $t->access_log =~ /\n/g;

ok(wait_for(10, sub { (() = $t->access_log =~ /\n/g) > $served + 50 }),
   'under load');

my $from = $t->log_size;

$redis->kill9;
$redis->start;
waitpid $_, 0 for @pids;

my $seen = join ' ', map { read_file("$dir/seen.$_") } 1 .. 4;

like($seen, qr/200=/, 'under load: polls were answered');
like($seen, qr/503=/, 'under load: then 503');
unlike($seen, qr/(?:40\d|500)=/, 'under load: nothing else') or diag($seen);
is(scalar(my @one = alerts($from)), 1, 'one alert of all workers');
like($one[0], qr/it has no store id, not $id[0]: it is empty, or another database/,
     'it says what is wrong');
like($one[0], qr/say so by "mdm-store adopt $id[0]"/, 'and what to do');
unlike($t->log($from), qr/not enrolled/, 'no device is "not enrolled"');
is(join('', @{$redis->cmd('KEYS', '*')}), '', 'nothing was written');
is($t->api(GET => '/v1/enrollments/ID-1')->status, 503, 'the API: 503');
is($t->request(GET => '/files/file', cert => $d->cert)->status, 503,
   'mdm_auth: 503');
is($t->device('ID-2')->authenticate->status, 503, 'Authenticate: 503');

# a reload does not forget

$t->reload;
$t->wait_old_workers;
ok(settled(503), 'a reload remembers');
is(scalar alerts($from), 1, 'and is quiet');

# until somebody says so

my ($rc, $said) = $t->mdm_store('adopt', 'x', @server);

is($rc, 2, 'adopt: no id');
like($said, qr/"x" is no id of a store/, 'adopt: it says so');
adopt($id[0]);
ok(settled(403), 'workers go on with it');

$id[1] = store_id();
like($id[1], qr/^[0-9a-f]{32}$/, 'it has an id');
isnt($id[1], $id[0], 'of its own');
is($redis->hash('mdm:meta')->{adopted}, $id[0], 'and says of which');
is($d->enroll->idle->status, 200, 'a device');
($rc, $said) = $t->mdm_store('show', @server);
is($rc, 0, 'show');
like($said, qr/^store_id $id[1]$/m, 'show: the id');
like($said, qr/^version 2$/m, 'show: the version');


# emptied while connected

$from = $t->log_size;
$redis->cmd('FLUSHALL');

is($d->idle->status, 503, 'FLUSHALL: 503');
is($t->api(GET => '/v1/enrollments/ID-1')->status, 503, 'the API: 503');
is($t->request(GET => '/files/file', cert => $d->cert)->status, 503,
   'mdm_auth: 503');
ok(settled(503), 'all workers');
unlike($t->log($from), qr/not enrolled/, 'no device is "not enrolled"');
is(scalar alerts($from), 1, 'one alert');
adopt($id[1]);
ok(settled(403), 'on again');
$id[2] = store_id();
is($d->enroll->idle->status, 200, 'a device');


# another database, after a reload, and back

$from = $t->log_size;
$t->reload(store => 'database 5;');
$t->wait_old_workers;
is($d->idle->status, 503, 'another database: 503');
ok(settled(503), 'all workers');
is(scalar alerts($from), 1, 'one alert');
$t->reload(store => '');
$t->wait_old_workers;
ok(wait_for(5, sub { $d->idle->status == 200 }), 'the right one again');

$redis->cmd('CONFIG', 'SET', 'appendonly', 'yes');
wait_for(5, sub { $redis->cmd('INFO', 'persistence')
                  =~ /aof_rewrite_in_progress:0/ });
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok(wait_for(10, sub { $d->idle->status == 200 }),
   'new connections to the same one');


# another store at the same place: its data stays as it is

$from = $t->log_size;
$redis->cmd('HSET', 'mdm:meta', 'store_id', 'f' x 32);
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok(settled(503), 'another store: 503');
is($d->idle->status, 503, 'a device that it knows: 503');
wait_for(5, sub { alerts($from) });
is(scalar(@one = alerts($from)), 1, 'one alert');
like($one[0], qr/it is another store: its id is f{32}, not $id[2]/,
     'with both ids');

# pinned by the directive

$t->reload(store => 'store_id ' . 'f' x 32 . ';');
$t->wait_old_workers;
ok(wait_for(5, sub { $d->idle->status == 200 }), 'store_id: this one');

# which is remembered

$t->reload(store => '');
$t->wait_old_workers;
is($d->idle->status, 200, 'it was learned by that');
$from = $t->log_size;
$t->reload(store => "store_id $id[0];");
$t->wait_old_workers;
is($d->idle->status, 503, 'store_id: another one');
ok(settled(503), 'all workers');
is(scalar alerts($from), 1, 'one alert');

# over a restart, with an empty server

$t->quit;
$redis->cmd('FLUSHALL');
$t->start_nginx;
is($d->idle->status, 503, 'store_id, a restart, an empty server: 503');
is(join('', @{$redis->cmd('KEYS', '*')}), '', 'nothing was written');
adopt($id[0]);
ok(settled(403), 'store_id, adopted');
$t->quit;
$t->write_conf(store => '');
$redis->cmd('FLUSHALL');
$t->start_nginx;
is($d->enroll->idle->status, 200, 'without: an empty server is a first start');

for my $bad ('abc', 'F' x 32, 'f' x 31 . 'g', 'f' x 33) {
    my ($ok, $text) = $t->test_conf(store => "store_id $bad;");

    is($ok, 0, "store_id $bad");
    like($text, qr/\[emerg\].*invalid "store_id" "$bad", it is 32 lower-case hexadecimal digits/,
         'it says why');
}

$t->{test_problem} = '';


# the version

$t->write_conf(store => '');
$t->expect_log(qr/\[alert\] .* cannot be used by this release/);
$from = $t->log_size;
$redis->cmd('HSET', 'mdm:meta', 'version', 3, 'release', '9.9');
$redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
ok(settled(503), 'another version: 503');
is($d->idle->status, 503, 'for each device');
wait_for(5, sub { alerts($from) });
is(scalar(@one = alerts($from)), 1, 'one alert');
like($one[0], qr/its keyspace is of version 3, release 0\.\S+ knows version 2\): it needs release 9\.9 or a later one, see docs\/upgrade\.md/,
     'which says what is needed');
$redis->cmd('HSET', 'mdm:meta', 'version', 2);
ok(wait_for(5, sub { $d->idle->status == 200 }), 'the known one again');

# one of before the first release, with the field and without

for my $what ('version', 'none') {
    $from = $t->log_size;
    $redis->cmd('HSET', 'mdm:meta', 'version', 1, 'release', '0.1.0');
    $redis->cmd('HDEL', 'mdm:meta', 'version') if $what eq 'none';
    $redis->cmd('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    ok(settled(503), "$what: 503");
    wait_for(5, sub { alerts($from) });
    is(scalar(@one = alerts($from)), 1, "$what: one alert");
    like($one[0], qr/its keyspace is of version 1, release 0\.\S+ knows version 2\): it is of before the first release, set up a new store, see docs\/upgrade\.md/,
         "$what: which says what is needed");
    $redis->cmd('HSET', 'mdm:meta', 'version', 2);
    ok(wait_for(5, sub { $d->idle->status == 200 }), "$what: and again");
}

finish;
