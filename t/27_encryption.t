#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# encryption_key: no secret stands in what Redis and nginx write to disk, all
# of them come back, keys are rotated, and what cannot be opened is no answer.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use File::Find ();
use MIME::Base64 qw(decode_base64 encode_base64);

use MDM;
use MDM::Util qw(read_file write_file);


sub command_with {
    my ($uuid, $text) = @_;

    return plist({ CommandUUID => $uuid, Command => {
        RequestType => 'InstallProfile', Payload => plist_data($text) } });
}


# Canaries: what must not be found.  Random, so that nothing compresses it.

sub canary {
    my ($name) = @_;

    return join '', "CANARY-$name-", map { ('a' .. 'z')[rand 26] } 1 .. 24;
}

# all ways in which a canary may be written; base64 has three alignments

sub ways {
    my ($canary) = @_;

    my @ways = ($canary, unpack('H*', $canary), uc unpack('H*', $canary));

    for my $shift (0 .. 2) {
        my $text = encode_base64(('x' x $shift) . $canary, '');

        push @ways, substr $text, 4, length($canary) - 8;
    }

    return @ways;
}


# every file below a directory, but what nginx is configured with

sub files {
    my ($dir) = @_;

    my %text;

    File::Find::find({ no_chdir => 1, wanted => sub {
        $text{$File::Find::name} = read_file($_)
            if -f && !m{/pki/|/curl\.|/[^/]*\.key$|nginx\.conf$};
    } }, $dir);

    return %text;
}


# a life of a device, with a canary in everything that is secret

my %made;
my @kinds = qw(unlock bootstrap command delivered result large migrated);

sub live {
    my (%o) = @_;

    my $key = $o{key};
    my %canary = map { $_ => canary($_) } @kinds;
    my $what = $key ? 'with a key' : 'without';

    my $t = MDM->new(redis => { args => [
            '--appendonly', 'yes', '--appendfsync', 'always',
            '--rdbcompression', 'no', '--aof-use-rdb-preamble', 'no',
            '--slowlog-log-slower-than', 0, '--slowlog-max-len', 10000 ] },
        mdm => 'mdm_event_payload on;', api => 'mdm_event_payload on;',
        %o);

    if ($key) {
        write_file($t->dir . '/1.key', $key);
        chmod 0600, $t->dir . '/1.key';
    }

    $t->start;

    my $d = $t->device('LIFE-1');

    is($d->authenticate->status, 200, "$what: Authenticate");
    is($d->token_update(UnlockToken => plist_data($canary{unlock}))->status,
       200, "$what: TokenUpdate");
    is($d->set_bootstrap_token($canary{bootstrap})->status, 200,
       "$what: SetBootstrapToken");

    my $pending = command_with('pending', $canary{command});
    my $first = command_with('first', $canary{delivered});

    is($t->enqueue('LIFE-1', $first)->status, 200, "$what: enqueue");
    is($t->enqueue('LIFE-1', $pending)->status, 200, "$what: and another");

    is($d->idle->body, $first, "$what: the command comes as it was");
    is($d->report('NotNow', 'first', Note => $canary{result})->body, $pending,
       "$what: NotNow, the next one");
    is($d->report('NotNow', 'pending')->body, '', "$what: NotNow, no more");

    is($d->report('Acknowledged', 'first', Secret => $canary{result})->status,
       200, "$what: a result");
    is($d->report('Acknowledged', 'unknown', Secret => $canary{large},
                  Filler => 'x' x 5000)->status, 200, "$what: a large one");
    is($t->api(PUT => '/migration', body => plist({
            MessageType => 'TokenUpdate', UDID => 'LIFE-2',
            Topic => 'com.apple.mgmt.x', PushMagic => 'magic',
            Token => plist_data('token'),
            UnlockToken => plist_data($canary{migrated}) }))->status, 200,
       "$what: migration");

    @{$t}{qw(canary life)} = (\%canary, $d);
    come_back($t, $what);

    return $t;
}


# all of it is there for who may see it

sub come_back {
    my ($t, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($canary, $d) = @{$t}{qw(canary life)};

    is(plist_read($d->get_bootstrap_token->body)->{BootstrapToken},
       $canary->{bootstrap}, "$what: GetBootstrapToken");
    is($d->idle->body, command_with('pending', $canary->{command}),
       "$what: the pending command");

    for my $case ([ 'LIFE-1', 'unlock' ], [ 'LIFE-2', 'migrated' ]) {
        my ($id, $name) = @$case;
        my $r = $t->api(GET => "/v1/enrollments/$id?include_unlock_token=1");

        is(decode_base64($r->json->{device}{unlock_token} // ''),
           $canary->{$name}, "$what: UnlockToken of $id");
    }

    my $r = $t->api(POST => '/v1/enrollments/query',
                    body => '{"options":{"include_unlock_token":true}}');

    is_deeply({ map { $_->{id} => decode_base64($_->{device}{unlock_token}) }
                grep { $_->{id} =~ /^LIFE/ } @{$r->json->{enrollments}} },
              { 'LIFE-1' => $canary->{unlock},
                'LIFE-2' => $canary->{migrated} },
              "$what: UnlockTokens of a query");

    $r = $t->api(GET => '/v1/queue/LIFE-1')->json->{commands};
    is(scalar @$r, 1, "$what: the queue");
    is(decode_base64($r->[0]{command}),
       command_with('pending', $canary->{command}), "$what: its command");

    like($t->api(GET => '/v1/queue/LIFE-1/first?format=plist')->body,
         qr/$canary->{result}/, "$what: the result");

    my $large = $t->api(GET => '/v1/queue/LIFE-1/unknown')->json->{result};

    like(decode_base64($large), qr/$canary->{large}.*x{5000}|x{5000}.*$canary->{large}/s,
         "$what: the large one");

    return;
}


# what stands in files: by canary, the files that hold it

sub found {
    my ($t) = @_;

    my $redis = $t->redis_server;

    $redis->cmd('SAVE');
    $redis->cmd('BGREWRITEAOF');
    wait_for(20, sub {
        my $info = $redis->cmd('INFO', 'persistence');

        return $info =~ /^aof_rewrite_in_progress:0\r?$/m
            && $info =~ /^aof_rewrite_scheduled:0\r?$/m;
    }) or die "no end of BGREWRITEAOF\n";

    my %text = files($t->dir);

    $text{slowlog} = join "\n", map { join ' ', @{$_->[3]} }
                     @{$redis->cmd('SLOWLOG', 'GET', -1)};

    my %found;

    for my $name (@kinds) {
        for my $way (ways($t->{canary}{$name})) {
            for my $file (keys %text) {
                $found{$name}{$file} = 1 if index($text{$file}, $way) >= 0;
            }
        }
    }

    return (\%found, \%text);
}


my $key = join '', map { sprintf '%02x', rand 256 } 1 .. 32;


# the control: without a key, the search finds

{
    my $t = live();

    # before the file is rewritten, too

    my %text = files($t->dir);
    my $aof = join '', @text{grep { /\.aof$/ } keys %text};

    ok(index($aof, $t->{canary}{$_}) >= 0
       || index($aof, encode_base64($t->{canary}{$_}, '')) >= 0,
       "control: AOF as written: $_") for grep { $_ ne 'large' } @kinds;

    my ($found, $text) = found($t);

    for my $name (grep { $_ ne 'delivered' } @kinds) {
        my @files = sort keys %{$found->{$name}};

        ok(grep({ /\.rdb$/ } @files), "control: RDB: $name");
        ok(grep({ /\.aof$/ } @files), "control: AOF: $name");

        # it shows the beginning of an argument

        ok(grep({ $_ eq 'slowlog' } @files), "control: SLOWLOG: $name")
            if $name =~ /^(?:unlock|bootstrap|migrated)$/;
    }
}


# with a key: nowhere

my $t = live(key => $key, store => 'encryption_key %%PREFIX%%/1.key;');
my $redis = $t->redis_server;
my $dir = $t->dir;
my $d = $t->{life};

{
    my %text = files($dir);

    for my $name (@kinds) {
        my @in = grep { my $text = $text{$_};
                        grep { index($text, $_) >= 0 }
                            ways($t->{canary}{$name}) } keys %text;

        is("@in", '', "in no file as written: $name");
    }

    my ($found, $text) = found($t);

    is(join(' ', sort keys %{$found->{$_}}), '', "in no file: $_")
        for @kinds;

    ok(grep({ /\.rdb$/ } keys %$text), 'RDB was there');
    ok(grep({ /\.aof$/ } keys %$text), 'AOF was there');
    ok(grep({ /error\.log$/ } keys %$text), 'error.log was there');
    ok(grep({ /access\.log$/ } keys %$text), 'access.log was there');

    my $bytes = pack 'H*', $key;

    is(join(' ', grep { my $file = $_;
                        grep { index($text->{$file}, $_) >= 0 }
                            ways($bytes) } keys %$text), '',
       'the key is in no file');
}


# what is where

my ($tag) = map { /^(mdm:\{default\/\d+\}):u:LIFE-1$/ ? $1 : () }
            @{$redis->cmd('KEYS', 'mdm:*:u:LIFE-1')};
my %kept = (
    unlock => [ "$tag:u:LIFE-1", 'unlock' ],
    bootstrap => [ "$tag:u:LIFE-1", 'bootstrap' ],
    command => [ "$tag:c:pending", 'body' ],
    result => [ "$tag:r:LIFE-1:first", 'body' ],
    large => [ "$tag:r:LIFE-1:unknown", 'body' ],
);

# the id of the key that a value is under; "" for a plain one

sub under {
    my ($value) = @_;

    return $value =~ /^\xeeMK\x01(.{8})/s ? unpack('H*', $1) : '';
}

sub kept { return $redis->cmd('HGET', @{$kept{$_[0]}}) }

my ($id) = $redis->hash('mdm:meta')->{keys} =~ /^([0-9a-f]{16}):[0-9a-f]{32}$/;

ok($id, 'mdm:meta names the key');
is(under(kept($_)), $id, "sealed: $_") for sort keys %kept;

my @raw = map { my %e = @{$_->[1]}; $e{raw} // () }
          @{$redis->cmd('XRANGE', "$tag:events", '-', '+')};

ok(@raw >= 6, 'events carry messages');
is(scalar(grep { under($_) ne $id } @raw), 0, 'all sealed');

# equal values: the nonce is made from the value and its place

my $sealed = kept('bootstrap');

is($d->set_bootstrap_token($t->{canary}{bootstrap})->status, 200,
   'the same bootstrap token');
is(kept('bootstrap'), $sealed, 'is sealed to the same');


# a key in front of it: what is read is renewed

my $second;

sub key_file {
    my ($n, $text) = @_;

    write_file("$dir/$n.key", $text);
    chmod 0600, "$dir/$n.key";

    return;
}

key_file(2, encode_base64(join('', map { chr rand 256 } 1 .. 32)));
key_file(3, join '', map { chr rand 128 } 1 .. 31, 0);
key_file(3, join '', "\xff", map { chr rand 256 } 1 .. 31);

sub keys_are {
    my (@n) = @_;

    $t->reload(store => @n ? "encryption_key @{[ map { qq($dir/$_.key) } @n ]};"
                           : '');
    ok($t->wait_old_workers, 'the old workers are gone');

    return;
}

my $events = $redis->cmd('XLEN', "$tag:events");

keys_are(2, 1);
is($d->idle->status, 200, 'rotated: idle');

($second) = $redis->hash('mdm:meta')->{keys} =~ /^([0-9a-f]{16}):\S+ $id:\S+$/;
ok($second, 'rotated: mdm:meta names both keys');

is(under(kept('command')), $second, 'rotated: the command was renewed');
is(under(kept($_)), $id, "rotated: not yet: $_")
    for qw(unlock bootstrap result large);

# a retry with what was sealed under the old key

$redis->cmd('HSET', $kept{bootstrap}[0], 'bootstrap', $sealed);
is($d->set_bootstrap_token($t->{canary}{bootstrap})->status, 200,
   'rotated: the same bootstrap token');
is(under(kept('bootstrap')), $second, 'rotated: it was renewed');

my $pending = command_with('pending', $t->{canary}{command});
my $old = do {
    keys_are(1, 2);
    $t->api(GET => '/v1/queue/LIFE-1');
    kept('command');
};

is(under($old), $id, 'the other way round, too');
keys_are(2, 1);
is($t->enqueue('LIFE-1', $pending)->status, 200,
   'rotated: the same command once more');
is($t->api(GET => '/v1/queue/LIFE-1')->json->{commands}[0]{command_uuid},
   'pending', 'rotated: it is queued once');
is(scalar @{$t->api(GET => '/v1/queue/LIFE-1')->json->{commands}}, 1,
   'rotated: and only once');

$redis->cmd('HSET', @{$kept{command}}, $old);

my $r = $t->enqueue('LIFE-1', command_with('pending', 'something else'));

is($r->status, 500, 'rotated: another command with its UUID');
like($r->json->{status}{'LIFE-1'}{command_error},
     qr/already used by another command/, 'rotated: is refused');
is(kept('command'), $old, 'rotated: and changes nothing');

# queued to one more: the body is renewed by the script

my ($other) = grep { $_ ne 'LIFE-1' } map { /:e:(.*)$/ ? $1 : () }
              @{$redis->cmd('KEYS', "$tag:e:*")};
my $twin;

for my $n (1 .. 2000) {
    last if defined $other;

    my $s = $t->device("TWIN-$n", cert => $d->cert)->id;
    my $crc = 0;

    for my $c (unpack 'C*', $s) {
        $crc ^= $c << 8;
        $crc = $crc & 0x8000 ? ($crc << 1) ^ 0x1021 : $crc << 1 for 1 .. 8;
        $crc &= 0xffff;
    }

    $other = $s if 'mdm:{default/' . $crc % 256 . '}' eq $tag;
}

$twin = $t->device($other)->enroll;
is($t->enqueue($other, $pending)->status, 200, 'rotated: one more queue');
is(under(kept('command')), $second, 'rotated: the body was renewed');

come_back($t, 'rotated');
is(under(kept($_)), $second, "rotated: renewed: $_") for sort keys %kept;
is($redis->cmd('TTL', $kept{result}[0]) > 0, 1, 'rotated: a result expires');

my @events = map { my %e = @{$_->[1]}; $e{event} }
             @{$redis->cmd('XRANGE', "$tag:events", '-', '+')};

is(scalar(grep { $_ eq 'mdm.SetBootstrapToken' } @events), 1,
   'repeated bootstrap tokens wrote one event');


# what cannot be written back is an answer all the same

$redis->cmd('HSET', $kept{bootstrap}[0], 'bootstrap', $sealed);
$d->idle;
$redis->cmd('ACL', 'SETUSER', 'mdm', '-hset');

my $from = $t->log_size;

$r = $d->get_bootstrap_token;
$redis->cmd('ACL', 'SETUSER', 'mdm', '+hset');
$redis->cmd('ACL', 'LOG', 'RESET');
is($r->status, 200, 'renewing is refused: 200');
is(plist_read($r->body)->{BootstrapToken}, $t->{canary}{bootstrap},
   'renewing is refused: the token comes');
is(under(kept('bootstrap')), $id, 'renewing is refused: it stays');
like($t->log($from), qr/\[warn\].*could not be written back/,
     'renewing is refused: the log says so');
is(() = $t->log($from) =~ /could not be written back/g, 1, 'once');


# a long queue is renewed in steps

{
    my $long = $t->device('LONG-1')->enroll;

    keys_are(1, 2);
    $t->enqueue('LONG-1', command_with("long-$_", "text $_")) for 1 .. 40;
    keys_are(2, 1);

    for my $n (32, 40) {
        my $list = $t->api(GET => '/v1/queue/LONG-1')->json->{commands};

        is_deeply([ map { $_->{command} } @$list ],
                  [ map { encode_base64(command_with("long-$_", "text $_"),
                                        '') } 1 .. 40 ],
                  'a long queue comes back');
        is(scalar(grep { under($redis->cmd('HGET', $_, 'body')) eq $second }
                  @{$redis->cmd('KEYS', 'mdm:*:c:long-*')}), $n,
           "and $n of it were renewed");
    }
}


# keys that do not fit: nothing is served

sub refused {
    my ($what, $why, @n) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $from = $t->log_size;
    my $dump = $t->redis_dump;

    keys_are(@n);

    for my $r ($d->idle, $d->get_bootstrap_token,
               $t->enqueue('LIFE-1', $pending),
               $t->api(GET => '/v1/enrollments/LIFE-1'))
    {
        is($r->status, 503, "$what: 503");
        ok($r->header('Retry-After'), "$what: Retry-After");
    }

    ok($t->wait_log(qr/\[error\] .*$why/, from => $from), "$what: the log")
        or diag($t->log($from));
    is(() = $t->log($from) =~ /\[error\]/g, 1, "$what: says it once");
    is($t->redis_dump, $dump, "$what: nothing was changed");

    return;
}

refused('another key', qr/mdm store "main": .*\(it holds values that are encrypted with key $second, which is in no file of "encryption_key": add it behind the newest\), requests get 503/, 3);
refused('no key', qr/it holds values that are encrypted with key $second, but there is no "encryption_key": add one with that key\), requests get 503/);
refused('an older one is missing', qr/encrypted with key $id, which is in no file/, 2);
refused('a newer one is missing', qr/encrypted with key $second, which is in no file/, 1);
refused('another in front of one', qr/encrypted with key $id, which is in no file/, 3, 2);

keys_are(2, 1);
is($d->idle->status, 200, 'the right keys');

my $meta = $redis->hash('mdm:meta')->{keys};

$redis->cmd('HSET', 'mdm:meta', 'keys', $meta =~ s/(.)$/$1 eq '0' ? 1 : 0/er);
refused('another check value', qr/the check value of key $id in mdm:meta is another one/,
        2, 1);
$redis->cmd('HSET', 'mdm:meta', 'keys', $meta);

keys_are(2, 1);
come_back($t, 'the right keys again');


# what was tampered with: an error, and nothing is lost

sub unopened {
    my ($what, $name, $value, $why, $call, $status) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $good = kept($name);

    $redis->cmd('HSET', @{$kept{$name}}, $value);

    my $from = $t->log_size;
    my $dump = $t->redis_dump =~ s/^.*last_seen.*\n//mgr;
    my $r = $call->();
    my $log = $t->log($from);

    is($r->status, $status, "$what: $status");
    is($r->header('Retry-After') ? 1 : 0, $status == 503 ? 1 : 0,
       "$what: Retry-After for a device");
    is($r->body, '', "$what: nothing for the device") if $status == 503;
    like($r->json->{error}, qr/^$kept{$name}[1] of \Q$kept{$name}[0]\E .*$why/,
         "$what: the API says it") if $status == 500;

    my @error = grep { /\[error\]/ } split /\n/, $log;

    is(scalar @error, 1, "$what: one line in the log") or diag($log);
    like($error[0] // '',
         qr/$kept{$name}[1] of \Q$kept{$name}[0]\E in redis cannot be opened: .*$why/,
         "$what: says it");
    is($t->redis_dump =~ s/^.*last_seen.*\n//mgr, $dump,
       "$what: nothing was changed");

    $redis->cmd('HSET', @{$kept{$name}}, $good);
    is($call->()->status, 200, "$what: mended");

    return;
}

my %call = (
    unlock => sub {
        $t->api(GET => '/v1/enrollments/LIFE-1?include_unlock_token=1') },
    bootstrap => sub { $d->get_bootstrap_token },
    command => sub { $d->idle },
    result => sub { $t->api(GET => '/v1/queue/LIFE-1/first') },
    large => sub { $t->api(GET => '/v1/queue/LIFE-1/unknown') },
);
my %status = (unlock => 500, bootstrap => 503, command => 503, result => 500,
              large => 500);
my $changed = 'it was changed, or belongs to another place';

for my $name (sort keys %call) {
    my $good = kept($name);
    my $bad = $good;

    substr($bad, 30, 1) ^= "\x01";
    unopened("$name, a bit", $name, $bad, $changed, $call{$name},
             $status{$name});

    $bad = $good;
    substr($bad, 4, 8, pack 'H*', 'f' x 16);
    unopened("$name, a key that is not there", $name, $bad,
             'it is encrypted with key f{16}, which is in no file',
             $call{$name}, $status{$name});

    unopened("$name, cut off", $name, substr($good, 0, 39), 'it is cut off',
             $call{$name}, $status{$name});
    unopened("$name, another version", $name, $good =~ s/^(...)\x01/$1\x02/sr,
             'another version', $call{$name}, $status{$name});
}

unopened('the queue', 'command', substr(kept('command'), 0, 50), $changed,
         sub { $t->api(GET => '/v1/queue/LIFE-1') }, 500);
unopened('a query', 'unlock', substr(kept('unlock'), 0, 50), $changed, sub {
    $t->api(POST => '/v1/enrollments/query', body => '{"filter":{"ids":'
            . '["LIFE-1"]},"options":{"include_unlock_token":true}}') }, 500);


# what belongs to another device, or to another field

$twin->set_bootstrap_token('of the twin');
$twin->token_update(UnlockToken => plist_data('of the twin'));

my $alien = $redis->hash("$tag:u:$other");

unopened('the twin\'s bootstrap token', 'bootstrap', $alien->{bootstrap},
         $changed, $call{bootstrap}, 503);
unopened('the twin\'s unlock token', 'unlock', $alien->{unlock}, $changed,
         $call{unlock}, 500);
unopened('one token for the other', 'bootstrap', kept('unlock'), $changed,
         $call{bootstrap}, 503);
unopened('a result for another', 'result', kept('large'), $changed,
         $call{result}, 500);

# the flag that says that a result is compressed

for my $case ([ 'large', 0 ], [ 'result', 1 ]) {
    my ($name, $z) = @$case;

    $redis->cmd('HSET', $kept{$name}[0], 'z', $z);
    is($call{$name}->()->status, 500, "z of the $name result is turned over");
    $redis->cmd('HSET', $kept{$name}[0], 'z', 1 - $z);
    is($call{$name}->()->status, 200, 'and back');
}


# an empty store, first plain: the key comes later

{
    my $plain = live();

    $dir = $plain->dir;
    $t = $plain;
    $redis = $t->redis_server;
    key_file(1, $key);
    keys_are(1);

    is($t->{life}->set_bootstrap_token($t->{canary}{bootstrap})->status, 200,
       'key on plain: the same bootstrap token');
    is(under(kept('bootstrap')), $id, 'key on plain: was sealed');
    is($t->enqueue('LIFE-1', command_with('pending', $t->{canary}{command}))
         ->status, 200, 'key on plain: the same command');
    is($t->enqueue('LIFE-1', command_with('pending', 'another'))->status, 500,
       'key on plain: another command');

    come_back($t, 'key on plain');
    is(under(kept($_)), $id, "key on plain: renewed: $_") for sort keys %kept;
    come_back($t, 'key on plain, renewed');
}


# without a key: a token that looks sealed comes back as it is, with one too

{
    my $looks = "\xeeMK\x01" . 'x' x 50;

    keys_are(1);

    my $device = $t->device('LOOKS-1')->enroll;

    $redis->cmd('HDEL', 'mdm:meta', 'keys');
    keys_are();
    is($device->set_bootstrap_token($looks)->status, 200, 'it looks sealed');
    is(plist_read($device->get_bootstrap_token->body)->{BootstrapToken},
       $looks, 'it comes back');
    $device->set_bootstrap_token($looks);

    keys_are(1);
    is($device->set_bootstrap_token($looks)->status, 200,
       'it looks sealed, now with a key');
    is(plist_read($device->get_bootstrap_token->body)->{BootstrapToken},
       $looks, 'it comes back, with a key');

    @events = map { my %e = @{$_->[1]};
                    $e{event} eq 'mdm.SetBootstrapToken'
                        && $e{id} eq 'LOOKS-1' ? 1 : () }
              map { @{$redis->cmd('XRANGE', $_, '-', '+')} }
              @{$redis->cmd('KEYS', 'mdm:*:events')};
    is(scalar @events, 1, 'and has changed once');
}

finish;
