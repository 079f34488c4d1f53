#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# encryption_key: neither a secret nor a digest of it that a guess could be
# compared with reaches Redis.  A device lives, with a canary in everything
# that is secret; SLOWLOG with all commands, MONITOR, and the bytes on the way
# to Redis and back are searched for it, and for its MD5, SHA-1 and SHA-256.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Digest::MD5 qw(md5);
use Digest::SHA qw(sha1 sha256);
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();
use Time::HiRes qw(sleep);

use MDM;
use MDM::Canary qw(canary ways);
use MDM::Util qw(read_file spawn wait_exit write_file);


my $json = JSON::PP->new->canonical;
my $tool = "$MDM::root/build/mdm-reencrypt";


# a proxy of Redis that keeps what goes each way

package Wire;

sub new {
    my ($class, $dir, $upstream) = @_;

    my $self = bless { socket => "$dir/wire.sock", to => "$dir/wire.to",
                       from => "$dir/wire.from" }, $class;

    my $listen = IO::Socket::UNIX->new(Local => $self->{socket}, Listen => 64)
        or die "$self->{socket}: $!";

    chmod 0777, $self->{socket};

    my $parent = $$;

    $self->{pid} = fork // die "fork: $!";

    if ($self->{pid} == 0) {
        eval { $self->serve($listen, $upstream, $parent) };
        POSIX::_exit(0);
    }

    $self->clear;

    return $self;
}

sub clear {
    my ($self) = @_;

    MDM::Util::write_file($self->{$_}, '') for qw(to from);

    return;
}

sub serve {
    my ($self, $listen, $upstream, $parent) = @_;

    my %peer;
    my $select = IO::Select->new($listen);

    $SIG{PIPE} = 'IGNORE';

    while (getppid() == $parent) {
        for my $sock ($select->can_read(0.5)) {

            if ($sock == $listen) {
                my $down = $listen->accept or next;
                my $up = IO::Socket::UNIX->new(Peer => $upstream) or next;

                $peer{$down} = [ $up, $self->{to} ];
                $peer{$up} = [ $down, $self->{from} ];
                $select->add($down, $up);
                next;
            }

            my ($other, $file) = @{$peer{$sock} || next};

            if (sysread $sock, my $bytes, 65536) {
                open my $fh, '>>:raw', $file or die "$file: $!";
                syswrite $fh, $bytes;

                while (length $bytes) {
                    my $n = syswrite $other, $bytes or last;
                    substr $bytes, 0, $n, '';
                }

            } else {
                $select->remove($sock, $other);
                delete @peer{$sock, $other};
                close $_ for $sock, $other;
            }
        }
    }

    return;
}

sub stop {
    my ($self) = @_;

    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;

    return;
}

package main;


# MONITOR into a file

sub monitor {
    my ($t) = @_;

    my $file = $t->dir . '/monitor';
    my $parent = $$;
    my $sock = IO::Socket::UNIX->new(Peer => $t->redis_server->socket)
        or die "monitor: $!";

    syswrite $sock, "AUTH default admin\r\nMONITOR\r\n";
    write_file($file, '');

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        my $select = IO::Select->new($sock);

        while (getppid() == $parent) {
            next unless $select->can_read(0.5);
            sysread $sock, my $bytes, 65536 or last;

            open my $fh, '>>:raw', $file or last;
            syswrite $fh, $bytes;
        }

        POSIX::_exit(0);
    }

    $t->{monitor} = $pid;
    wait_for(5, sub { read_file($file) =~ /\+OK\r\n\+OK/ });

    return;
}


# forgets what was recorded

sub forget {
    my ($t) = @_;

    $t->{wire}->clear;
    write_file($t->dir . '/monitor', '');
    $t->redis('SLOWLOG', 'RESET');

    return;
}


# what was recorded, by where

sub recorded {
    my ($t) = @_;

    # this one is seen by MONITOR when all before it were

    my $mark = "mark-$$-" . ++$t->{mark};

    $t->redis('ECHO', $mark);
    wait_for(10, sub { read_file($t->dir . '/monitor') =~ /$mark/ })
        or die "MONITOR does not follow\n";

    my %escape = (n => "\n", r => "\r", t => "\t", a => "\a", b => "\b",
                  '"' => '"', '\\' => '\\');
    my $seen = read_file($t->dir . '/monitor')
        =~ s/\\(?:x([0-9a-f]{2})|(.))/defined $1 ? chr hex $1
                                                  : $escape{$2}/gser;

    return (
        monitor => $seen,
        slowlog => join("\n", map { join ' ', @{$_->[3]} }
                              @{$t->redis('SLOWLOG', 'GET', -1)}),
        'to redis' => read_file($t->{wire}{to}),
        'from redis' => read_file($t->{wire}{from}),
        'error.log' => $t->log,
        'access.log' => $t->access_log,
    );
}


# all that redis keeps

sub kept_text {
    my ($t) = @_;

    return $t->redis_dump =~ s/\\x([0-9a-f]{2})/chr hex $1/ger;
}


# where "value" was seen (its canary) and where a digest of it was; half of a
# digest is one, too

sub seen {
    my ($value, $canary, %text) = @_;

    my (%plain, %digest);

    for my $where (keys %text) {
        for my $way (ways($canary)) {
            $plain{$where} = 1 if index($text{$where}, $way) >= 0;
        }

        for my $part ($value, $canary) {
            for my $digest (md5($part), sha1($part), sha256($part)) {
                for my $way (ways(substr $digest, 0, 12)) {
                    $digest{$where} = 1 if index($text{$where}, $way) >= 0;
                }
            }
        }
    }

    return (join(' ', sort keys %plain), join(' ', sort keys %digest));
}


# what a device and an administrator say

my $pin = sprintf '%06d', 100000 + int rand 800000;
my %canary = map { $_ => canary($_) } qw(unlock bootstrap command result
                                         report);
my $erase = plist({ CommandUUID => 'erase', Command => {
    RequestType => 'EraseDevice', PIN => $pin } });
my $profile = plist({ CommandUUID => 'profile', Command => {
    RequestType => 'InstallProfile',
    Payload => plist_data($canary{command}) } });
my $report = $json->encode({ StatusItems => { device => { model => {
    family => 'Mac' } } }, Errors => [], Unknown => $canary{report} });

# each: the value as it is kept, and what to search for in it

my %secret = (
    pin => [ $pin, "<string>$pin</string>" ],
    erase => [ $erase, "<string>$pin</string>" ],
    command => [ $profile, $canary{command} ],
    bootstrap => [ $canary{bootstrap}, $canary{bootstrap} ],
    unlock => [ $canary{unlock}, $canary{unlock} ],
    report => [ $report, $canary{report} ],
);


sub said {
    my ($t, $what) = @_;

    my $d = $t->{life};

    is($t->enqueue('LIFE', $erase)->status, 200, "$what: EraseDevice");
    is($t->enqueue('LIFE', $profile)->status, 200, "$what: InstallProfile");
    is($d->set_bootstrap_token($canary{bootstrap})->status, 200,
       "$what: SetBootstrapToken");
    is($d->ddm('status', $report)->status, 200, "$what: status report");

    return;
}


sub several {
    my ($uuid, $text) = @_;

    return plist({ CommandUUID => $uuid, Command => {
        RequestType => 'InstallProfile',
        Payload => plist_data($text // 'several') } });
}


sub read_back {
    my ($t, $what) = @_;

    my $d = $t->{life};

    is(plist_read($d->get_bootstrap_token->body)->{BootstrapToken},
       $canary{bootstrap}, "$what: GetBootstrapToken");

    my $r = $t->api(GET => '/v1/enrollments/LIFE?include_unlock_token=1');

    is(decode_base64($r->json->{device}{unlock_token} // ''),
       $canary{unlock}, "$what: UnlockToken");

    $r = $t->api(GET => '/v1/queue/LIFE')->json->{commands};

    is(join(' ', map { $_->{command_uuid} } @$r), 'erase profile',
       "$what: the queue");
    is(decode_base64($r->[0]{command}), $erase, "$what: its command");
    is($t->api(GET => '/v1/status-report/LIFE')->body, $report,
       "$what: the report");

    return;
}


sub start {
    my (%o) = @_;

    my $t = MDM->new(redis => { args => [
        '--slowlog-log-slower-than', 0, '--slowlog-max-len', 100000 ] },
        mdm => 'mdm_event_payload on;', api => 'mdm_event_payload on;', %o);

    for my $n (1, 2) {
        write_file($t->dir . "/$n.key", join '', map { sprintf '%02x',
                                                   rand 256 } 1 .. 32);
        chmod 0600, $t->dir . "/$n.key";
    }

    $t->redis_server->start;
    $t->{wire} = Wire->new($t->dir, $t->redis_server->socket);
    $t->{redis_socket} = $t->{wire}{socket};

    monitor($t);
    $t->start_nginx;

    $t->{life} = $t->device('LIFE');

    is($t->{life}->authenticate->status, 200, 'Authenticate');
    is($t->{life}->token_update(UnlockToken => plist_data($canary{unlock}))
       ->status, 200, 'TokenUpdate');

    return $t;
}


sub stop {
    my ($t) = @_;

    kill 'TERM', $t->{monitor};
    waitpid $t->{monitor}, 0;
    $t->quit;
    $t->{wire}->stop;

    return;
}


# Without a key the search finds: the values everywhere, and a digest that is
# planted.

my $t = start(mdm => '', api => '');

said($t, 'no key');
read_back($t, 'no key');

{
    my %text = recorded($t);

    for my $name (sort keys %secret) {
        my ($plain) = seen(@{$secret{$name}}, %text);

        like($plain, qr/from redis.*monitor.*to redis/,
             "control: $name is seen");
    }

    # for later: commands in many partitions

    my @many = map { "M-$_" } 1 .. 24;

    $t->device($_)->enroll for @many;
    is($t->enqueue([ @many ], several('all'))->status, 200,
       'no key: a command for many');
    is($t->enqueue([ @many[0 .. 11] ], several('half'))->status, 200,
       'no key: one for half of them');

    my @digests = map { (md5($_), sha1($_), sha256($_)) }
                  map { $_->[0] } values %secret;
    my $socket = IO::Socket::UNIX->new(Peer => $t->{wire}{socket});

    syswrite $socket, "AUTH default admin\r\n";
    sysread $socket, my $ok, 100;

    for my $digest (@digests) {
        for my $way ($digest, unpack('H*', $digest),
                     encode_base64($digest, ''))
        {
            syswrite $socket, sprintf "*2\r\n\$4\r\nECHO\r\n\$%d\r\n%s\r\n",
                                      length $way, $way;
            sysread $socket, my $reply, 100;
        }
    }

    %text = recorded($t);

    for my $name (sort keys %secret) {
        my (undef, $digest) = seen(@{$secret{$name}}, %text);

        like($digest, qr/from redis monitor slowlog to redis/,
             "control: planted digests of $name are seen");
    }
}


# What is there from before there was a key: it is read in the clear, and no
# more than that.

$t->{store} = 'encryption_key %%PREFIX%%/1.key;';
$t->write_conf;
$t->reload;
$t->wait_old_workers;
forget($t);

is($t->enqueue('LIFE', plist({ CommandUUID => 'erase', Command => {
    RequestType => 'EraseDevice', PIN => '000000' } }))->status, 500,
   'plain: another command under a UUID that is used');
said($t, 'plain');

is($t->{life}->set_bootstrap_token($canary{bootstrap})->status, 200,
   'plain: the same token again');

read_back($t, 'plain');

{
    my @many = map { "M-$_" } 1 .. 24;

    for my $uuid ('all', 'half') {
        my $r = $t->enqueue([ @many ], several($uuid, 'other'));

        is($r->status, $uuid eq 'all' ? 500 : 207,
           "plain: another command under UUID $uuid");
        $r = $t->enqueue([ @many ], several($uuid));
        is($r->status, $uuid eq 'all' ? 200 : 207, "plain: the same, $uuid");
    }

    my $plain = grep { $t->redis('HGET', $_, 'body') !~ /^\xeeMK\x01/ }
                @{$t->redis('KEYS', 'mdm:*:c:*')};

    is($plain, 0, 'plain: in each partition it is sealed');

    my @lengths = map { $t->api(GET => "/v1/enrollments/$_")
                            ->json->{queue_length} } @many;

    is("@lengths", join(' ', (2) x 24), 'plain: and each has it once');
}

is($t->api(GET => '/v1/status-report/LIFE?index=1')->body, $report,
   'plain: the report of before');

my $key_id = qr/^\xeeMK\x01/;

sub kept {
    my ($t, $rest, $field) = @_;

    my ($key) = @{$t->redis('KEYS', "mdm:*$rest")};

    return $t->redis('HGET', $key, $field) // '';
}

ok(wait_for(5, sub { kept($t, ':u:LIFE', 'unlock') =~ $key_id }),
   'plain: the unlock token is sealed when it is read');
like(kept($t, ':c:erase', 'body'), $key_id, 'plain: the command');
like(kept($t, ':u:LIFE', 'bootstrap'), $key_id, 'plain: the bootstrap token');
ok(wait_for(5, sub { my ($name) = kept($t, ':sr:LIFE', 'l') =~ /:(\w+):\d$/;
                     kept($t, ':sr:LIFE', $name) =~ $key_id }),
   'plain: the report, under another name');
is($t->api(GET => '/v1/status-report/LIFE?index=1')->body, $report,
   'plain: which can be read');

{
    my @told = map { my %e = @{$_->[1]}; $e{id} eq 'LIFE' ? $e{event} : () }
               map { @{$t->redis('XRANGE', $_, '-', '+')} }
               @{$t->redis('KEYS', 'mdm:*:events')};

    is(scalar(grep { $_ eq 'mdm.SetBootstrapToken' } @told), 1,
       'plain: the token is not taken for another one');
    is(scalar(grep { $_ eq 'api.Enqueue' } @told), 2,
       'plain: nor is the command');
}

{
    my %text = recorded($t);

    delete $text{'from redis'};
    delete $text{'error.log'};

    # the name of the old report is told once more: it is taken from it

    for my $name (sort keys %secret) {
        my ($plain, $digest) = seen(@{$secret{$name}}, %text);

        is($plain, '', "plain before: $name is not told again");
        is($digest, '', "plain before: nor is a digest of $name")
            if $name ne 'report';
    }
}

forget($t);
said($t, 'sealed');
read_back($t, 'sealed');

{
    my %text = (recorded($t), redis => kept_text($t));

    delete $text{'error.log'};

    for my $name (sort keys %secret) {
        my ($plain, $digest) = seen(@{$secret{$name}}, %text);

        is($plain, '', "sealed: $name is nowhere");
        is($digest, '', "sealed: nor is a digest of $name");
    }
}

stop($t);


# the same by mdm-reencrypt

$t = start();
said($t, 'tool');
$t->quit;
forget($t);

{
    # as the user that the documentation gives it

    my ($user) = read_file("$MDM::root/docs/encryption.md")
        =~ /^ +ACL SETUSER (mdm-reencrypt .*)$/m;

    $t->redis('ACL', 'SETUSER', split / /, $user);

    my $pid = spawn({ out => $t->dir . '/tool.out' }, $tool,
                    '-s', 'unix:' . $t->{wire}{socket}, '-k',
                    $t->dir . '/1.key', '-u', 'mdm-reencrypt', '-p',
                    write_file($t->dir . '/password', "secret\n"),
                    '--drop-events');

    is(wait_exit($pid, 30) >> 8, 0, 'mdm-reencrypt')
        or diag(read_file($t->dir . '/tool.out'));

    my %text = recorded($t);

    delete $text{'from redis'};

    for my $name (sort keys %secret) {
        my ($plain, $digest) = seen(@{$secret{$name}}, %text);

        is($plain, '', "mdm-reencrypt: $name is not told again");
        is($digest, '', "mdm-reencrypt: nor is a digest of $name")
            if $name ne 'report';
    }

    %text = (redis => kept_text($t));

    for my $name (sort keys %secret) {
        my ($plain, $digest) = seen(@{$secret{$name}}, %text);

        is($plain, '', "mdm-reencrypt: $name is not in redis");
        is($digest, '', "mdm-reencrypt: nor is a digest of $name");
    }
}

kill 'TERM', $t->{monitor};
waitpid $t->{monitor}, 0;
$t->{wire}->stop;


# with a key from the first: nowhere at all

$t = start(store => 'encryption_key %%PREFIX%%/1.key;');

said($t, 'key');
said($t, 'again');
read_back($t, 'key');

is($t->{life}->idle->body, $erase, 'key: the command is delivered');

my $result = $t->{life}->report('Error', 'erase',
                                Note => $canary{result});

is($result->body, $profile, 'key: the next one');
like($t->api(GET => '/v1/queue/LIFE/erase?format=plist')->body,
     qr/$canary{result}/, 'key: the result');
is($t->enqueue('LIFE', $profile)->status, 200, 'key: one that is queued');

# across a rotation, too

$t->{store} = 'encryption_key %%PREFIX%%/2.key %%PREFIX%%/1.key;';
$t->write_conf;
$t->reload;
$t->wait_old_workers;

is($t->enqueue('LIFE', $profile)->status, 200, 'rotated: the same command');
is($t->enqueue('LIFE', plist({ CommandUUID => 'profile', Command => {
    RequestType => 'InstallProfile', Payload => plist_data('other') } }))
   ->status, 500, 'rotated: another one');
is($t->{life}->set_bootstrap_token($canary{bootstrap})->status, 200,
   'rotated: the same token');
is($t->{life}->ddm('status', $report)->status, 200,
   'rotated: the same report');
is(scalar split(/ /, kept($t, ':sr:LIFE', 'l')), 1,
   'which is known by its name under the older key');

{
    my %text = recorded($t);

    for my $name (sort keys %secret) {
        my ($plain, $digest) = seen(@{$secret{$name}}, %text);

        is($plain, '', "with a key: $name is nowhere");
        is($digest, '', "with a key: nor is a digest of $name");
    }

    my ($plain) = seen($canary{result}, $canary{result}, %text);

    is($plain, '', 'with a key: the result is nowhere');
    ok(index($text{'to redis'}, 'EVALSHA') >= 0, 'the wire was read');
    ok(index($text{slowlog}, 'EVALSHA') >= 0, 'so was SLOWLOG');
}

stop($t);

finish();
