#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# mdm-reencrypt: all that a store keeps comes under the newest key, while
# nginx serves, and an older key goes only when nothing needs it.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use MIME::Base64 qw(decode_base64 encode_base64);
use Time::HiRes qw(sleep);

use MDM;
use MDM::Redis;
use MDM::Util qw(free_port read_file spawn wait_exit write_file);


my $t = MDM->new(redis => { auth => 0 }, mdm => 'mdm_event_payload on;',
                 store => 'timeout 20s; partitions 8;')->start;
my $redis = $t->redis_server;
my $dir = $t->dir;
my $server = 'unix:' . $redis->socket;

for my $n (1 .. 3) {
    write_file("$dir/$n.key", encode_base64(join '', map { chr rand 256 }
                                                     1 .. 32));
    chmod 0600, "$dir/$n.key";
}

my @k = map { "$dir/$_.key" } 0 .. 3;


sub keys_are {
    my (@files) = @_;

    $t->reload(store => 'timeout 20s; partitions 8; '
                        . (@files ? "encryption_key @files;" : ''));
    ok($t->wait_old_workers, 'the old workers are gone');

    return;
}

sub start_tool {
    my (@args) = @_;

    return spawn({ out => "$dir/tool.log" },
                 "$MDM::root/build/mdm-reencrypt", @args);
}

sub tool {
    my (@args) = @_;

    my $pid = start_tool(@args);
    my $rc = wait_exit($pid, 60);

    die "mdm-reencrypt hangs\n" unless defined $rc;

    return ($rc >> 8, read_file("$dir/tool.log"));
}

sub tool_is {
    my ($what, $args, $rc, @lines) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($got, $said) = tool(@$args);

    is($got, $rc, "$what: ends with $rc") or diag($said);
    like($said, qr/^$_$/m, "$what: $_") for @lines;

    return $said;
}

sub body {
    my ($uuid, $text) = @_;

    return plist({ CommandUUID => $uuid, Command => {
        RequestType => 'InstallProfile',
        Payload => plist_data($text // "body of $uuid") } });
}


# a store with all kinds of values

my %device;

for my $n (1 .. 20) {
    my $d = $device{$n} = $t->device("D-$n");

    $d->authenticate;
    $d->token_update(UnlockToken => plist_data("unlock $n"));
    $d->set_bootstrap_token("bootstrap $n");
    $t->enqueue("D-$n", body("c$n"));
    $d->report('Acknowledged', "r$n", Result => "result $n");
    $d->report('Acknowledged', "l$n", Result => "large $n" . 'x' x 3000);
}

sub all_there {
    my ($what) = @_;

    my @bad;

    for my $n (sort { $a <=> $b } keys %device) {
        my $d = $device{$n};

        push @bad, "bootstrap $n" unless plist_read($d->get_bootstrap_token
            ->body)->{BootstrapToken} eq "bootstrap $n";
        push @bad, "command $n" unless $d->idle->body eq body("c$n");
        push @bad, "unlock $n" unless decode_base64($t->api(GET =>
            "/v1/enrollments/D-$n?include_unlock_token=1")
            ->json->{device}{unlock_token} // '') eq "unlock $n";
        push @bad, "result $n" unless $t->api(GET =>
            "/v1/queue/D-$n/r$n?format=plist")->body =~ /result $n</;
        push @bad, "large $n" unless $t->api(GET =>
            "/v1/queue/D-$n/l$n?format=plist")->body =~ /large ${n}x{3000}</;
    }

    is("@bad", '', "$what: all is there");

    return;
}

# ids of keys by the values that are under them

sub under {
    my %n;

    for my $key (@{$redis->cmd('KEYS', 'mdm:*')}) {
        next unless $key =~ /\}:[cru]:/;

        my $hash = $redis->hash($key);

        for my $field (grep { defined } @{$hash}{qw(body unlock bootstrap)}) {
            $n{$field =~ /^\xeeMK\x01(.{8})/s ? unpack('H*', $1)
                                              : 'plain'}++;
        }
    }

    return \%n;
}

is_deeply(under(), { plain => 100 }, 'all is plain');


# what it does not take

tool_is('no key', [ '-s', $server ], 2, 'usage: mdm-reencrypt .*');
tool_is('an odd argument', [ '-s', $server, '-k', $k[1], 'x' ], 2,
        'usage: mdm-reencrypt .*');
tool_is('no file', [ '-k', '/nonexistent' ], 2,
        'mdm-reencrypt: /nonexistent: No such file or directory');
tool_is('no key in it', [ '-k', "$dir/nginx.conf" ], 2,
        "mdm-reencrypt: $dir/nginx.conf holds neither 32 bytes .*");
tool_is('one key twice', [ '-k', $k[1], '-k', $k[1] ], 2,
        "mdm-reencrypt: $k[1]: the same key as another one");
tool_is('no server', [ '-k', $k[1], '-s', 'unix:/nonexistent' ], 2,
        'mdm-reencrypt: unix:/nonexistent: No such file or directory');
tool_is('no number', [ '-k', $k[1], '-b', 'x' ], 2,
        'mdm-reencrypt: "x" is not a number');
tool_is('no store', [ '-k', $k[1], '-s', $server, '-n', 5 ], 2,
        "mdm-reencrypt: $server: there is no mdm:meta, so no store");


# plain values; nginx has the key first

keys_are($k[1]);
$device{1}->idle;

my ($id1) = $redis->hash('mdm:meta')->{keys} =~ /^([0-9a-f]{16}):/;

tool_is('check of plain values', [ '-c', '-s', $server, '-k', $k[1] ], 1,
        'rewritten 0', "key $id1 newest values 1 events 0 $k[1]",
        'plain values 99 events 80', 'unopened values 0 events 0',
        'left 179', 'complete yes');
is_deeply(under(), { $id1 => 1, plain => 99 }, 'check changes nothing');

tool_is('plain values', [ '-s', $server, '-k', $k[1], '-b', 10 ], 1,
        'rewritten 99', "key $id1 newest values 100 events 0 $k[1]",
        'plain values 0 events 80', 'left 80');
is_deeply(under(), { $id1 => 100 }, 'all is sealed');
all_there('plain values');

tool_is('once more', [ '-s', $server, '-k', $k[1] ], 1, 'rewritten 0',
        "key $id1 newest values 100 events 0 $k[1]", 'left 80');
tool_is('retired too early', [ '--retire', '-s', $server, '-k', $k[1] ], 1,
        'left 80', 'older keys are still needed: none was retired');
tool_is('events, too', [ '--drop-events', '-s', $server, '-k', $k[1] ], 0,
        'events_dropped 80', 'plain values 0 events 0', 'left 0');
tool_is('all is done', [ '--check', '-s', $server, '-k', $k[1] ], 0,
        'left 0', 'complete yes');


# a new key, while devices come and go

$device{21} = $t->device('D-21');
$device{21}->authenticate;
$device{21}->token_update(UnlockToken => plist_data('unlock 21'));
$device{21}->set_bootstrap_token('bootstrap 21');
$t->enqueue('D-21', body('c21'));
$device{21}->report('Acknowledged', 'r21', Result => 'result 21');
$device{21}->report('Acknowledged', 'l21', Result => 'large 21' . 'x' x 3000);

keys_are($k[2], $k[1]);
$device{1}->set_bootstrap_token('bootstrap 1');

my ($id2) = $redis->hash('mdm:meta')->{keys} =~ /^([0-9a-f]{16}):/;

isnt($id2, $id1, 'another key');
tool_is('without the old one', [ '-s', $server, '-k', $k[2] ], 2,
        "mdm-reencrypt: $server: it holds values that are encrypted with key"
        . " $id1, which is in no file of \"encryption_key\".*");
tool_is('check without it', [ '-c', '-s', $server, '-k', $k[2] ], 1,
        "body of mdm:.* cannot be opened: it is encrypted with key $id1,.*",
        "key $id2 newest values 1 events 0 $k[2]",
        'unopened values 104 events 4', 'left 108');
tool_is('retire without it', [ '--retire', '-s', $server, '-k', $k[2] ], 1,
        'older keys are still needed: none was retired');

my $pid = start_tool('-s', $server, '-k', $k[2], '-k', $k[1], '-b', 1,
                     '--wait', 5);
my ($rounds, $bad) = (0, 0);

while (waitpid($pid, POSIX::WNOHANG()) == 0) {
    for my $n (1 .. 21) {
        my $d = $device{$n};

        $bad++ if $d->set_bootstrap_token("bootstrap $rounds")->status != 200
            || '' . plist_read($d->get_bootstrap_token->body)
                    ->{BootstrapToken} ne "bootstrap $rounds";
        $bad++ if $d->idle->body ne body("c$n");
        $bad++ if $t->enqueue("D-$n", body("c$n"))->status != 200;
    }

    $rounds++;
}

my $rc = $? >> 8;
my $said = read_file("$dir/tool.log");

is($rc, 1, 'while it serves: some events are left') or diag($said);
ok($rounds > 0, "while it serves: $rounds rounds");
is($bad, 0, 'while it serves: nothing failed');
like($said, qr/^key $id1 older values 0 events 4 /m,
     'while it serves: no value is under the old key');
is_deeply(under(), { $id2 => 105 }, 'all is under the new key');
$device{$_}->set_bootstrap_token("bootstrap $_") for keys %device;
all_there('while it serves');

# one that a webhook has not taken is one of the outbox in another place

{
    my $old = pack 'H*', $id1;
    my ($event, $stream);

    for my $key (@{$redis->cmd('KEYS', 'mdm:*:events')}) {
        for my $entry (@{$redis->cmd('XRANGE', $key, '-', '+')}) {
            my %f = @{$entry->[1]};

            ($event, $stream) = ($entry->[1], $key)
                if index($f{raw} // '', $old) == 4;
        }
    }

    $redis->cmd('XADD', $stream =~ s/events$/dead:hook/r, '*', @$event,
                entry => '1-1', why => 'status 404');
}

tool_is('events go', [ '-s', $server, '-k', $k[2], '-k', $k[1],
        '--drop-events' ], 0, 'events_dropped 5', 'unopened values 0 events 0',
        'left 0');
tool_is('retired', [ '--retire', '-s', $server, '-k', $k[2], '-k', $k[1] ], 0,
        'rewritten 0', 'left 0', 'older keys are retired: their files can go');
like($redis->hash('mdm:meta')->{keys}, qr/^$id2:[0-9a-f]{32}$/,
     'mdm:meta names the new one alone');

keys_are($k[2]);
all_there('the old key is gone');

tool_is('a key that nobody has', [ '--retire', '-s', $server, '-n', 1, '-k',
        $k[3] ], 2, 'mdm-reencrypt: .*no store');
tool_is('a key that is not in use', [ '--retire', '-s', $server, '-k',
        $k[3] ], 1, 'older keys are still needed: none was retired');


# one command for many partitions, in more than one round: sealed for each

{
    my @many = map { $t->device("MANY-$_")->enroll } 1 .. 20;
    my @ids = map { $_->id } @many;
    my $large = body('large', 'x' x 3_000_000);

    is($t->enqueue(\@ids, $large)->status, 200, 'one command for many');
    is(scalar(grep { $_->idle->body ne $large } @many), 0,
       'each gets it as it was');
    is($t->enqueue(\@ids, $large)->status, 200, 'once more');

    my @kept = map { $redis->cmd('HGET', $_, 'body') }
               @{$redis->cmd('KEYS', 'mdm:*:c:large')};

    ok(@kept > 4, 'they are in ' . @kept . ' partitions');
    is(scalar keys %{{ map { substr($_, 0, 24) => 1 } @kept }}, scalar @kept,
       'sealed for each of them');
    is($t->api(DELETE => '/v1/queue/' . join ',', @ids)->status, 204,
       'and gone');

    $redis->disconnect;                     # its buffer has become large
    $t->{clients} = {};
}


# in pieces: ended by a signal, gone on with

keys_are($k[3], $k[2]);
$pid = start_tool('-s', $server, '-k', $k[3], '-k', $k[2], '-b', 1,
                  '--wait', 20);

wait_for(20, sub { (under()->{$id2} // 0) < 100 });
kill 'TERM', $pid;
is(wait_exit($pid, 20) >> 8, 1, 'ended by a signal');

$said = read_file("$dir/tool.log");
like($said, qr/^complete no$/m, 'it has not come to the end');

my ($cursor) = $said =~ /^cursor (\d+)$/m;
my ($first) = $said =~ /^rewritten (\d+)$/m;

ok($cursor, 'it says where it was');
ok($first > 0 && $first < 105, "it has done $first");
all_there('half way');

$said = tool_is('the rest', [ '-s', $server, '-k', $k[3], '-k', $k[2],
                '--cursor', $cursor ], 1, 'complete no');

tool_is('all of it', [ '-s', $server, '-k', $k[3], '-k', $k[2] ], 1,
        'rewritten 0', 'complete yes', "key $id2 older values 0 events 40 .*");
tool_is('not from the middle', [ '--retire', '-s', $server, '-k', $k[3],
        '-k', $k[2], '--cursor', $cursor ], 1,
        'older keys are still needed: none was retired');


# what cannot be opened is said, and left as it is

my ($key) = @{$redis->cmd('KEYS', 'mdm:*:u:D-1')};
my $value = $redis->cmd('HGET', $key, 'unlock');

$redis->cmd('HSET', $key, 'unlock', substr($value, 0, 60) . 'xx');
tool_is('tampered', [ '-s', $server, '-k', $k[3], '-k', $k[2] ], 1,
        "unlock of \Q$key\E cannot be opened: it was changed, or belongs to"
        . ' another place', 'unopened values 1 events 0');
is($redis->cmd('HGET', $key, 'unlock'), substr($value, 0, 60) . 'xx',
   'and is left as it is');
$redis->cmd('HSET', $key, 'unlock', $value);

$redis->cmd('SET', 'mdm:{default/0}:u:ODD', 'of another type');
tool_is('a key of another type', [ '-s', $server, '-k', $k[3], '-k', $k[2],
        '--drop-events' ], 0, 'unopened values 0 events 0', 'left 0');
tool_is('retired, too', [ '--retire', '-s', $server, '-k', $k[3], '-k',
        $k[2] ], 0, 'older keys are retired: their files can go');


# with an ACL user, as docs/encryption.md says, and by TLS

my ($acl) = read_file("$MDM::root/docs/encryption.md")
            =~ /^    (ACL SETUSER mdm-reencrypt .*)$/m;
my ($password) = $acl =~ / >(\S+)/;

write_file("$dir/password", "$password\n");
$redis->cmd(split ' ', $acl);
$redis->cmd('ACL', 'SETUSER', 'default', 'resetpass', '>other');

my @user = ('-u', 'mdm-reencrypt', '-p', "$dir/password");

$redis->disconnect;
$redis->{password} = 'other';

tool_is('an ACL user', [ '-s', $server, @user, '-k', $k[1], '-k', $k[3],
        '--drop-events' ], 0, 'rewritten 105', 'left 0');
tool_is('an ACL user retires', [ '-s', $server, @user, '-k', $k[1], '-k',
        $k[3], '--retire' ], 0,
        'older keys are retired: their files can go');
tool_is('no password', [ '-s', $server, '-k', $k[1] ], 2,
        'mdm-reencrypt: redis: NOAUTH .*');

my $port = free_port();
my $ca = $t->{server_ca};
my $cert = $t->{server_cert};

my $tls = MDM::Redis->new(dir => "$dir/tls", auth => 0, args => [ '--tls-port', $port,
    '--tls-cert-file', $cert->{file}, '--tls-key-file', $cert->{key},
    '--tls-ca-cert-file', $ca->{file}, '--tls-auth-clients', 'no' ]);

$tls->start;
$tls->cmd('HSET', 'mdm:meta', 'partitions', 8, 'version', 2);
$tls->cmd('HSET', 'mdm:{default/1}:u:X', 'unlock', 'token');

tool_is('TLS', [ '-s', "127.0.0.1:$port", '--tls-ca', $ca->{file}, '-k',
        $k[1] ], 0, 'rewritten 1');
tool_is('TLS by name', [ '-s', "localhost:$port", '--tls-ca', $ca->{file},
        '-k', $k[1] ], 0, 'rewritten 0');
tool_is('TLS, another CA', [ '-s', "127.0.0.1:$port", '--tls-ca',
        $t->{ca}{file}, '-k', $k[1] ], 2,
        'mdm-reencrypt: 127.0.0.1:\d+: its certificate: .*');
tool_is('TLS, another name', [ '-s', "127.0.0.1:$port", '--tls-ca',
        $ca->{file}, '--tls-name', 'other.example', '-k', $k[1] ], 2,
        'mdm-reencrypt: 127.0.0.1:\d+: its certificate: hostname mismatch');
$tls->stop;

finish;
