#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The harness itself: what all other tests believe in must be able to fail.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::FakeRedis;
use MDM::Util qw(read_file write_file spawn wait_exit);


# plists

my $data = {
    String => "a<b>&\"c\" \xc3\xa9", Empty => '', Yes => \1, No => \0,
    Number => 42, Negative => -1, Text => '42', Bytes => plist_data("\0\xff"),
    Array => [ 1, 'two', [], {} ], Dict => { 'a&b' => 'c' },
    Date => plist_date('2026-11-24T12:00:00Z'),
};

is_deeply(plist_read(plist($data)), $data, 'plist: XML and back');
is_deeply(plist_read(plist_binary($data)), $data, 'plist: binary and back');
like(plist_binary($data), qr/^bplist00/, 'plist: binary is binary');
like(plist({ a => 42, b => '42' }),
     qr{<integer>42</integer>.*<string>42</string>}s,
     'plist: a number is an integer, a string is none');
ok(!eval { plist_read('<plist><dict><key>a</key></dict></plist>'); 1 },
   'plist: a key without a value is refused');


# Redis

my $t = MDM->new(redis => { tcp => 1, args => [ '--appendonly', 'yes' ],
                            auth => 0 },
                 locations => <<'END')->start;
        location = /hello { return 200 "hello\n"; }
        location = /slow { limit_rate 20; return 200 "0123456789abcdefghij0123456789"; }
        location = /cert { return 200 "$ssl_client_verify $ssl_client_s_dn"; }
        location = /length { client_max_body_size 1k; proxy_pass http://127.0.0.1:%%PLAIN_PORT%%/echo; }
        location = /echo { return 200 "$http_content_length $http_x_a"; }
END

my $redis = $t->redis_server;

is($t->redis('SET', 'str', "a\r\n\0\xff"), 'OK', 'redis: SET');
is($t->redis('GET', 'str'), "a\r\n\0\xff", 'redis: any byte comes back');
is($t->redis('GET', 'none'), undef, 'redis: nil');
is_deeply($t->redis('EVAL', 'return {1, "a", {2}}', 0), [ 1, 'a', [ 2 ] ],
          'redis: nested array');
ok(!eval { $t->redis('NOSUCH'); 1 } && $@ =~ /unknown command/,
   'redis: an error dies with its text');

$t->redis(qw(RPUSH list 1 2 3));
$t->redis(qw(HSET hash b 2 a 1));
$t->redis(qw(SADD set y x));
$t->redis(qw(ZADD zset 1 a 2 b));
$t->redis(qw(XADD stream 1-1 k v));
$t->redis(qw(SET other v PX 100000));

my $before = $t->redis_dump;

is($t->redis_dump, $before, 'dump: the same when nothing changed');

for my $change (
    [ [qw(RPUSH list 4)], [qw(RPOP list)] ],
    [ [qw(HSET hash a 2)], [qw(HSET hash a 1)] ],
    [ [qw(SADD set z)], [qw(SREM set z)] ],
    [ [qw(ZADD zset 3 a)], [qw(ZADD zset 1 a)] ],
    [ [qw(SET str b)], [ 'SET', 'str', "a\r\n\0\xff" ] ],
    [ [qw(SET new 1)], [qw(DEL new)] ],
    [ [qw(EXPIRE list 100)], [qw(PERSIST list)] ],
) {
    my ($do, $undo) = @$change;

    $t->redis(@$do);
    isnt($t->redis_dump, $before, "dump: shows @$do");
    $t->redis(@$undo);
    is($t->redis_dump, $before, "dump: shows that @$do was undone");
}

$t->redis(qw(XADD stream 1-2 k v));
isnt($t->redis_dump, $before, 'dump: shows XADD');
$t->redis(qw(XDEL stream 1-2));
isnt($t->redis_dump, $before, 'dump: shows that a stream had an entry');

$before = $t->redis_dump;
$redis->kill9;
ok(!eval { $t->redis('PING'); 1 }, 'redis: kill -9 ends it');
$redis->start;
is($t->redis_dump, $before, 'redis: the data is there after kill -9');

$redis->restart;
is($t->redis_dump, $before, 'redis: the data is there after a restart');

$redis->pause;
$redis->disconnect;

{
    my $answered = 0;

    local $SIG{ALRM} = sub { die "alarm\n" };
    alarm 1;
    eval { $t->redis('PING'); $answered = 1 };
    alarm 0;
    ok(!$answered, 'redis: a stopped server does not answer');
}

$redis->resume;
$redis->disconnect;
is($t->redis('PING'), 'PONG', 'redis: a resumed one does');

{
    my $auth = MDM::Redis->new(dir => $t->dir . '/auth', password => 'secret',
        acl => undef)->start;

    is($auth->auth, '', 'redis: with a password nothing is documented');
    is($auth->cmd('PING'), 'PONG', 'redis: password');
    $auth->disconnect;
    $auth->{password} = undef;
    ok(!eval { $auth->cmd('PING'); 1 }, 'redis: refused without it');
    $auth->{password} = 'secret';
    $auth->stop;

    $auth = MDM::Redis->new(dir => $t->dir . '/acl',
        acl => [ 'user default on nopass ~* +@all',
                 'user mdm on >pw ~mdm:* +@all -@admin' ])->start;

    $auth->{client_auth} = [ 'mdm', 'pw' ];
    $auth->disconnect;
    is($auth->cmd('SET', 'mdm:a', 1), 'OK', 'redis: ACL user');
    ok(!eval { $auth->cmd('SET', 'a', 1); 1 } && $@ =~ /NOPERM/,
       'redis: ACL user is held');
    $auth->stop;

    # by default: the documented user

    $auth = MDM::Redis->new(dir => $t->dir . '/user', admin => 'a')->start;

    is($auth->cmd('SET', 'a', 1), 'OK', 'redis: the client may do all');
    like($auth->auth, qr/^user mdm; password_file \S+;$/,
         'redis: what nginx is told');

    my ($user, $password) = MDM::Redis::documented_user();

    $auth->disconnect;
    $auth->{client_auth} = [ $user, $password ];
    is($auth->cmd('SET', 'mdm:a', 1), 'OK', 'redis: the documented user');
    ok(!eval { $auth->cmd('SET', 'a', 1); 1 } && $@ =~ /NOPERM/,
       'redis: has its own keys only');
    ok(!eval { $auth->cmd('KEYS', 'mdm:*'); 1 } && $@ =~ /NOPERM/,
       'redis: and its own commands');
    $auth->disconnect;
    $auth->{client_auth} = undef;
    ok(!eval { $auth->cmd('GET', 'mdm:a'); 1 } && $@ =~ /NOAUTH/,
       'redis: nothing without a password');
    $auth->{client_auth} = [ 'default', 'a' ];
    $auth->stop;

    local $ENV{MDM_ACL_WITHOUT} = 'set';

    $auth->start->disconnect;
    $auth->{client_auth} = [ $user, $password ];
    ok(!eval { $auth->cmd('SET', 'mdm:a', 1); 1 } && $@ =~ /NOPERM/,
       'redis: a command that is taken away');
    $auth->stop;
}


# requests

my $r = $t->request('GET', '/hello');

is($r->status, 200, 'request: status');
is($r->body, "hello\n", 'request: body');
is($r->header('content-LENGTH'), 6, 'request: header');
is($t->request('GET', '/none')->status, 404, 'request: 404');
is($t->request('GET', '/hello', plain => 1)->body, "hello\n",
   'request: plain HTTP');
is($t->request('GET', '/slow')->body, '0123456789abcdefghij0123456789',
   'request: a slow response');

my $c = $t->client;

$c->request('GET', '/hello') for 1 .. 3;
is($c->{connects}, 1, 'request: the connection is kept');

like($t->request('GET', '/cert')->body, qr/^NONE/, 'cert: none');
like($t->request('GET', '/cert', cert => $t->cert(cn => 'D1', serial => 'C02'))
       ->body, qr/^SUCCESS (?=.*serialNumber=C02)(?=.*CN=D1)/,
     'cert: CN and serial number');
is($t->request('GET', '/cert', cert => $t->cert(expired => 1))->status, 400,
   'cert: expired is refused');
is($t->request('GET', '/cert', cert => $t->cert(future => 1))->status, 400,
   'cert: not valid yet is refused');
is($t->request('GET', '/cert', cert => $t->foreign_cert)->status, 400,
   'cert: a foreign CA is refused');

is($t->request('POST', '/length', body => 'x' x 100, chunked => 7,
               headers => [ 'X-A' => 'b' ])->body, '100 b',
   'request: chunked, and a header');
is($t->request('POST', '/length', body => 'x' x 100, pieces => [ 1, 1, 50 ],
               delay => 0.02)->body, '100 ', 'request: in slow pieces');
is($t->request('POST', '/length', body => 'x' x 2000, chunked => 1)->status,
   413, 'request: too large');
is($t->client->request('GET', '/', raw => "nonsense\r\n\r\n")->status, 400,
   'request: raw bytes');

$r = $t->curl(path => '/cert', http2 => 1, cert => $t->cert(cn => 'H2'));
is($r->{version}, '2', 'curl: HTTP/2');
is($r->body, 'SUCCESS CN=H2', 'curl: certificate');


# the life of nginx

my ($old) = $t->workers;

$t->reload(workers => 2);
is(scalar($t->workers), 2, 'reload: other settings are in force');
ok(!grep({ $_ == $old } $t->workers), 'reload: other workers');
ok($t->wait_old_workers, 'reload: the old worker ends');

my ($ok, $said) = $t->test_conf(http => 'no_such_directive on;');

ok(!$ok, 'nginx -t refuses nonsense');
like($said, qr/unknown directive "no_such_directive"/, 'and says why');
($ok, $said) = $t->test_conf(http => '');
ok($ok, 'nginx -t accepts what is right') or diag($said);


# a fake Redis

my $fake = MDM::FakeRedis->new(socket => $t->dir . '/fake.sock',
    upstream => $redis->socket,
    script => sub {
        my ($cmd, $n, $conn, $forward) = @_;

        return { split => $forward->(), size => 1 } if $cmd->[0] eq 'GET';
        return '-LOADING Redis is loading' if $cmd->[0] eq 'LOADING';
        return { close => 1 } if $cmd->[0] eq 'CLOSE';
        return { stall => 1 } if $cmd->[0] eq 'STALL';
        return $forward->();
    });

my $via = bless { socket => $fake->socket, db => 0 }, 'MDM::Redis';

is($via->cmd('GET', 'str'), "a\r\n\0\xff", 'fake: split at each byte');
is_deeply($via->cmd('LRANGE', 'list', 0, -1), [ 1, 2, 3 ], 'fake: passed on');
ok(!eval { $via->cmd('LOADING'); 1 } && $@ =~ /^LOADING/, 'fake: an error');
ok(!eval { $via->cmd('CLOSE'); 1 } && $@ =~ /closed/, 'fake: closes');
is($via->cmd('PING'), 'PONG', 'fake: the next connection works');

{
    my $answered = 0;

    local $SIG{ALRM} = sub { die "alarm\n" };
    alarm 1;
    eval { $via->cmd('STALL'); $answered = 1 };
    alarm 0;
    ok(!$answered, 'fake: stalls');
}

is($fake->connections, 2, 'fake: counts connections');
is_deeply(($fake->commands)[1], [ 1, 'GET', 'str' ], 'fake: tells commands');
$fake->stop;
ok(!eval { $via->disconnect; $via->cmd('PING'); 1 }, 'fake: is gone');


# the detectors: each must fire

sub run_perl {
    my ($code) = @_;

    my $file = write_file($t->dir . '/inner.t', "use lib 't/lib';\n"
        . "use Test::More;\nuse MDM;\n"
        . "use MDM::Util 'write_file';\n$code");
    my $pid = spawn({ out => $t->dir . '/inner.log' }, $^X, $file);
    my $rc = wait_exit($pid, 120);

    return ($rc, read_file($t->dir . '/inner.log'));
}

my $quiet = "locations => 'location / { return 204; }', redis => 0,\n"
    . "store_conf => ''";

my ($rc, $out) = run_perl("my \$t = MDM->new($quiet)->start; pass; finish;");

is($rc, 0, 'detector: a clean test passes') or diag($out);

for my $line ('2026/11/24 12:00:00 [alert] 1#1: planted',
              '2026/11/24 12:00:00 [emerg] 1#1: planted',
              '==1==ERROR: AddressSanitizer: planted',
              '==1==ERROR: LeakSanitizer: planted',
              'a.c:1:2: runtime error: planted')
{
    for my $log ('error.log', 'stderr.log') {
        ($rc, $out) = run_perl(<<"END");
my \$t = MDM->new($quiet)->start;
pass;
open my \$fh, '>>', \$t->dir . '/$log';
print \$fh "$line\\n";
close \$fh;
finish;
END
        my ($what) = $line =~ /(\[\w+\]|\w+Sanitizer|runtime error)/;

        ok($rc && $out =~ /^not ok .*no alert/m, "detector: $what in $log")
            or diag($out);
    }
}

($rc, $out) = run_perl("my \$t = MDM->new($quiet)->start; \$t->kill_worker;"
                       . 'pass; finish;');
is($rc, 0, 'detector: an alert that the test expects is none') or diag($out);

($rc, $out) = run_perl("my \$t = MDM->new($quiet)->start;"
                       . '$t->expect_log(qr/never/); pass; finish;');
ok($rc && $out =~ /^not ok .*no alert/m,
   'detector: an expected alert that does not come') or diag($out);

($rc, $out) = run_perl("my \$t = MDM->new($quiet)->start; pass;"
                       . 'done_testing;');
ok($rc && $out =~ /did not call finish/, 'detector: a test without finish()')
    or diag($out);

# what Redis refuses is told, even if the module has got along without it

($rc, $out) = run_perl("my \$t = MDM->new(locations => 'location / { return 204; }');"
    . '$t->start; pass; my $r = $t->redis_server; my $u = { %$r };'
    . '$u->{client_auth} = [ (MDM::Redis::documented_user())[0, 1] ];'
    . 'delete $u->{sock}; bless $u, "MDM::Redis"; $u->try_cmd("KEYS", "*");'
    . 'finish;');
ok($rc && $out =~ /^not ok .*nothing refused.*refused: command keys/ms,
   'detector: what Redis refuses') or diag($out);

# a worker that a client holds longer than QUIT waits for

($rc, $out) = run_perl(<<'END');
my $t = MDM->new(redis => 0, store_conf => '',
    locations => 'location / { limit_rate 1; return 200 "' . 'x' x 200
                 . '"; }')->start;
$t->client->send_request('GET', '/');
my $c = $t->client(plain => 1)->send_request('GET', '/');
sleep 1;
pass;
finish;
END

ok($rc && $out =~ /^not ok .*within 10 s/m, 'detector: nginx that hangs')
    or diag($out);

($rc, $out) = run_perl("my \$t = MDM->new($quiet)->start; pass;"
    . 'my $pid = $t->pid; kill "KILL", $t->workers, $pid; finish;');
ok($rc && $out =~ /^not ok .*ended with 0/m, 'detector: nginx that died')
    or diag($out);


# the runner counts what TAP says, and sees a program that breaks off

for my $case (
    [ 'passed, skipped, failed',
      'echo 1..3; echo "ok 1 - a"; echo "not ok 2 # SKIP b";'
      . 'echo "not ok 3 - c"; exit 1', 'x 1 1 1', 'failed FILE: test 3' ],
    [ 'passed, then died', 'echo 1..1; echo "ok 1"; kill -SEGV $$', 'x 1 1 0',
      'failed FILE: it broke off, or ran no test' ],
    [ 'too few', 'echo 1..2; echo "ok 1"', 'x 1 1 0',
      'failed FILE: it broke off, or ran no test' ],
    [ 'nothing', 'exit 0', 'x 0 1 0',
      'failed FILE: it broke off, or ran no test' ],
    [ 'all passed', 'echo 1..2; echo "ok 1"; echo "ok 2"', 'x 2 0 0' ],
    [ 'passes the second time', 'echo 1..1; [ -f $0.2 ] && echo "ok 1" && exit;'
      . 'touch $0.2; echo "not ok 1"; exit 1', 'x 1 0 0',
      'again FILE: test 1' ],
    [ 'never passes', 'echo 1..1; echo "not ok 1"; exit 1', 'x 0 1 0',
      'again FILE: test 1', 'failed FILE: test 1' ],
) {
    my ($name, $script, $counts, @told) = @$case;

    my $tally = $t->dir . '/tally';
    my $file = write_file($t->dir . '/program', "#!/bin/sh\n$script\n");

    chmod 0755, $file;
    unlink $tally;

    my $pid = spawn({ out => $t->dir . '/runner.log' }, $^X, 't/lib/runner.pl',
                    ((grep { /^again/ } @told) ? '--again' : ()), 'x', $tally,
                    1, $file);
    my $rc = wait_exit($pid, 60);

    is(read_file($tally), join('', map { s/FILE/$file/r . "\n" } @told, $counts),
       "runner: $name: the counts, and what failed");
    is($rc ? 'failed' : 'passed', $counts =~ / 0 0$/ ? 'passed' : 'failed',
       "runner: $name: the exit code");
}


# the sanitizers, where nginx was built with them

my $tree = ($ENV{MDM_NGINX} // '') =~ s{/nginx$}{/tree}r;

SKIP: {
    skip 'no sanitizer build', 4 unless -f "$tree/src/core/nginx.h"
        && read_file("$tree/objs/Makefile") =~ /-fsanitize=address/;

    my $so = $t->dir . '/planted.so';

    is(system('clang', '-shared', '-fPIC', '-g', '-fsanitize=address,undefined',
              (map { "-I$tree/$_" } qw(src/core src/event src/event/modules
                                       src/os/unix objs)),
              '-o', $so, 't/lib/planted.c'), 0, 'the planted faults compile');

    # a dynamic module's ngx_modules has the name of nginx's own

    for my $fault (
        [ 'leak', qr/LeakSanitizer/ ],
        [ 'past', qr/AddressSanitizer: heap-buffer-overflow/ ],
        [ 'undefined', qr/runtime error: shift exponent/ ],
    ) {
        my ($name, $re) = @$fault;

        my ($rc, $out) = run_perl(<<"END");
my \$t = MDM->new($quiet, main => 'load_module $so; planted $name;',
    env => { ASAN_OPTIONS => 'detect_leaks=1:detect_odr_violation=0' });
eval { \$t->start; 1 } or print STDERR \$@;
pass;
sleep 1;
finish;
END

        ok($rc && $out =~ $re, "detector: $name") or diag($out);
    }
}

finish;
