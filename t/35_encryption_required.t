#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# encryption_required: who may write to Redis, but has no key, gets nothing
# delivered; and the worker serves only what holds nothing plain.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use JSON::PP;
use MIME::Base64 qw(decode_base64);

use MDM;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $required = 'encryption_key %%PREFIX%%/1.key; encryption_required on;';

sub instance {
    my (%o) = @_;

    my $t = MDM->new(%o);

    for my $n (1, 2) {
        write_file($t->dir . "/$n.key", join '', map { sprintf '%02x',
                                                   rand 256 } 1 .. 32);
        chmod 0600, $t->dir . "/$n.key";
    }

    return $t->start;
}

sub command_with {
    my ($uuid, $type, $text) = @_;

    return plist({ CommandUUID => $uuid, Command => {
        RequestType => $type, Text => $text } });
}

sub tool {
    my ($t, @args) = @_;

    my $out = $t->dir . '/tool.out';
    my $pid = spawn({ out => $out }, "$MDM::root/build/mdm-reencrypt",
        '-s', 'unix:' . $t->redis_server->socket, '-u', 'default', '-p',
        write_file($t->dir . '/admin', "admin\n"), @args);
    my $rc = wait_exit($pid, 30);

    return ($rc >> 8, read_file($out));
}

sub key_of {
    my ($t, $rest) = @_;

    my ($key) = @{$t->redis('KEYS', "mdm:*$rest")};

    return $key // die "no key $rest\n";
}

sub events {
    my ($t, $name) = @_;

    my @found;

    for my $key (@{$t->redis('KEYS', 'mdm:*:events')}) {
        for my $entry (@{$t->redis('XRANGE', $key, '-', '+')}) {
            my %e = @{$entry->[1]};

            push @found, { id => $e{id}, %{decode_json($e{data})} }
                if $e{event} eq $name;
        }
    }

    return @found;
}


# without a key it is an error

{
    my $t = MDM->new(store => 'encryption_required on;');
    my ($rc, $said) = $t->test_conf;

    ok(!$rc, 'encryption_required without a key');
    like($said, qr/\[emerg\].*"encryption_required" needs an "encryption_key"/,
         'is an emerg that says so');

    write_file($t->dir . '/1.key', 'ab12' x 16);
    chmod 0600, $t->dir . '/1.key';

    for my $case ([ 'encryption_required yes;',
                    qr/invalid value "yes" in "encryption_required"/ ],
                  [ 'encryption_required on; encryption_required on;',
                    qr/"encryption_required" directive is duplicate/ ])
    {
        my ($what, $re) = @$case;

        ($rc, $said) = $t->test_conf(
            store => "encryption_key %%PREFIX%%/1.key; $what");

        ok(!$rc, "refused: $what");
        like($said, $re, 'and why');
    }
}


# forged by who can write to Redis: every plain value where a sealed one
# belongs

sub forge {
    my ($t, $d) = @_;

    my $tag = key_of($t, ':e:LIFE') =~ s/:e:LIFE$//r;

    # an EraseDevice in front of the queue

    $t->redis('HSET', "$tag:c:forged", 'body',
              command_with('forged', 'EraseDevice', 'forged'), 'type',
              'EraseDevice', 'time', 1, 'refs', 1);

    my $head = $t->redis('HGET', "$tag:e:LIFE", 'q');

    $t->redis('LPUSH', "$tag:q:LIFE", $head) if defined $head;
    $t->redis('HSET', "$tag:e:LIFE", 'q', 'forged');

    return $tag;
}

my $t = instance(store => $required);
my $d = $t->device('LIFE');

is($d->authenticate->status, 200, 'a store that had a key from the first');
is($d->token_update(UnlockToken => plist_data('unlock'))->status, 200,
   'TokenUpdate');
is($d->set_bootstrap_token('bootstrap')->status, 200, 'SetBootstrapToken');
is($t->enqueue('LIFE', command_with('true', 'RestartDevice', 'true'))
   ->status, 200, 'a command');

{
    my $tag = forge($t, $d);

    $t->expect_log(qr/command "forged" for "LIFE" in redis is not encrypted/);

    my $body = $d->idle->body;

    is($body, command_with('true', 'RestartDevice', 'true'),
       'a forged EraseDevice is not delivered, the next command is');
    is($t->redis('EXISTS', "$tag:c:forged"), 0, 'it is dropped');
    is_deeply([ events($t, 'mdm.CommandLost') ],
              [ { id => 'LIFE', command_uuid => 'forged',
                  plain => JSON::PP::true } ], 'which an event tells');
    like($t->log, qr/\[alert\].*command "forged" for "LIFE" in redis is not /,
         'and an alert');

    # behind NotNow, and an empty one

    forge($t, $d);
    unlike($d->report('NotNow', 'true')->body, qr/EraseDevice/,
           'nor is it behind NotNow');
    is($t->redis('EXISTS', "$tag:c:forged"), 0, 'it is dropped');

    forge($t, $d);
    $t->redis('HSET', "$tag:c:forged", 'body', '');
    is($d->idle->body, $body, 'an empty one holds no queue');

    forge($t, $d);
    $t->redis('HSET', "$tag:c:forged", 'body', "\xeeMK\x00forged");
    is($d->idle->body, $body, 'nor is one that is escaped');

    # one under the UUID of a true one, in its place

    my $sealed = $t->redis('HGET', "$tag:c:true", 'body');

    $t->redis('HSET', "$tag:c:true", 'body',
              command_with('true', 'EraseDevice', 'forged'));

    my $r = $t->enqueue('LIFE', command_with('true', 'RestartDevice',
                                             'true'));

    is($r->status, 500, 'a command that repeats a forged one');
    like($r->body, qr/under this CommandUUID is not encrypted/, 'and why');

    $r = $t->api(GET => '/v1/queue/LIFE');

    is($r->status, 500, 'the queue is not shown');
    like($r->json->{error}, qr/^body of \S+:c:true in redis is not encrypted/,
         'and why');
    unlike($r->body, qr/forged/, 'nothing of it');

    $t->expect_log(qr/command "true" for "LIFE" in redis is not encrypted/);
    is($d->idle->body, '', 'and it is not delivered');
    is($t->redis('EXISTS', "$tag:c:true"), 0, 'but dropped');

    # tokens

    $t->expect_log(qr/bootstrap of \S+:u:LIFE in redis is not encrypted/);

    $sealed = $t->redis('HGET', "$tag:u:LIFE", 'bootstrap');
    $t->redis('HSET', "$tag:u:LIFE", 'bootstrap', 'forged', 'unlock',
              'forged');

    for (1 .. 3) {
        is($d->get_bootstrap_token->body, '', 'a plain token is absent');
    }

    $r = $t->api(GET => '/v1/enrollments/LIFE?include_unlock_token=1');
    is($r->status, 200, 'an enrollment with a plain unlock token');
    is($r->json->{device}{unlock_token}, undef, 'has none');
    ok(!$r->json->{has_unlock_token}, 'and says so');
    ok(!$r->json->{has_bootstrap_token}, 'of both');

    $r = $t->api(POST => '/v1/enrollments/query',
                 body => '{"options":{"include_unlock_token":true}}');
    is($r->status, 200, 'a query');
    is($r->json->{enrollments}[0]{device}{unlock_token}, undef, 'has none');

    my @lines = $t->log =~ /(of \S+:u:LIFE in redis is not encrypted)/g;

    is(scalar @lines, 1, 'one line a minute says so');

    is($d->set_bootstrap_token('forged')->status, 200,
       'a token that is the same as the plain one');
    like($t->redis('HGET', "$tag:u:LIFE", 'bootstrap'), qr/^\xeeMK\x01/,
         'takes its place');
    is(plist_read($d->get_bootstrap_token->body)->{BootstrapToken}, 'forged',
       'and is there');

    # results and reports

    is($t->enqueue('LIFE', command_with('done', 'RestartDevice', 'x'))
       ->status, 200, 'one more command');
    is($d->report('Acknowledged', 'done', Text => 'result')->status, 200,
       'its result');
    is($d->ddm('status', '{"StatusItems":{},"Errors":[]}')->status, 200,
       'a status report');

    my $key = key_of($t, ':r:LIFE:done');

    $t->redis('HSET', $key, 'body', '<plist>forged</plist>', 'z', 0);

    for my $path ('/v1/queue/LIFE/done', '/v1/queue/LIFE/done?format=plist') {
        $r = $t->api(GET => $path);

        is($r->status, 500, "$path: a plain result");
        like($r->json->{error}, qr/is not encrypted, though/, 'and why');
        unlike($r->body, qr/forged/, 'nothing of it');
    }

    my ($name) = $t->redis('HGET', "$tag:sr:LIFE", 'l') =~ /:(\w+):/;

    $t->redis('HSET', "$tag:sr:LIFE", $name, '{"forged":1}');
    $r = $t->api(GET => '/v1/status-report/LIFE');

    is($r->status, 500, 'a plain status report');
    like($r->json->{error}, qr/is not encrypted, though/, 'and why');
    unlike($r->body, qr/forged/, 'nothing of it');

    # mdm-reencrypt seals nothing that was forged

    my ($rc, $said) = tool($t, '-k', $t->dir . '/1.key');

    is($rc, 1, 'mdm-reencrypt finds it');
    like($said, qr/^plain values 3 /m, 'all three');
    like($said, qr/^nothing was plain before: somebody without the key/m,
         'and leaves it');
    is($t->redis('HGET', $key, 'body'), '<plist>forged</plist>',
       'as it was');

    ($rc, $said) = tool($t, '--seal-plain', '-k', $t->dir . '/1.key');

    is($rc, 0, 'unless it is told to');
    like($t->redis('HGET', $key, 'body'), qr/^\xeeMK\x01/, 'then it does');
}


# the control: without encryption_required it is delivered

$t->reload(store => 'encryption_key %%PREFIX%%/1.key;');
$t->wait_old_workers;
forge($t, $d);
is($d->idle->body, command_with('forged', 'EraseDevice', 'forged'),
   'control: without encryption_required it is delivered');


# A store that was in use without a key: mdm-reencrypt must have said left 0.

my $u = instance();
my $e = $u->device('LIFE');

$e->enroll;
is($u->enqueue('LIFE', command_with('old', 'RestartDevice', 'old'))
   ->status, 200, 'a command from before there was a key');
is($u->redis('HGET', 'mdm:meta', 'sealed'), undef, 'mdm:meta says nothing');

# no host that has a key was there yet: it refuses, too

$u->reload(store => $required);
$u->wait_old_workers;

ok($u->wait_log(qr/it may hold values that are not encrypted, but "encrypt/),
   'encryption_required on it: the log says what is missing');
is($e->idle->status, 503, 'and the worker does not serve');

{
    my ($rc, $said) = tool($u, '--check', '-k', $u->dir . '/1.key');

    is($rc, 1, 'mdm-reencrypt --check');
    is($u->redis('HGET', 'mdm:meta', 'sealed'), undef, 'is not enough');

    ($rc, $said) = tool($u, '-k', $u->dir . '/1.key');

    is($rc, 0, 'mdm-reencrypt');
    like($said, qr/^left 0$/m, 'has nothing left');
    like($u->redis('HGET', 'mdm:meta', 'sealed'), qr/^[0-9a-f]{16}$/,
         'and says so in mdm:meta');
}

ok(wait_for(20, sub { $e->idle->status == 200 }), 'the worker serves');
is($e->idle->body, command_with('old', 'RestartDevice', 'old'),
   'and the command is there');

# after a rotation, too

$u->reload(store => 'encryption_key %%PREFIX%%/2.key %%PREFIX%%/1.key;'
                    . ' encryption_required on;');
$u->wait_old_workers;
is($e->idle->body, command_with('old', 'RestartDevice', 'old'),
   'rotated: the command is there');

# a store whose keys were forgotten by hand, and that a worker without a key
# has used, is no longer one

$u->redis('HDEL', 'mdm:meta', 'keys');
$u->reload(store => '');
$u->wait_old_workers;
ok(wait_for(5, sub { !defined $u->redis('HGET', 'mdm:meta', 'sealed') }),
   'a worker without a key takes it back');

finish();
