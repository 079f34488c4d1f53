#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Stores and tenants: which Redis, by which way, with which password, and
# what is said when it does not fit.  The variables for the access log.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Device;
use MDM::Redis;
use MDM::Util qw(read_file write_file);


my $on = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(redis => { tcp => 1, acl => [
        'user default on >main-password ~* &* +@all',
        'user mdm on >mdm-password ~mdm:* resetchannels +@all -@admin'
        . ' -@dangerous +client|setname',
        'user noselect on >mdm-password ~mdm:* resetchannels +@all -select',
        'user elsewhere on >mdm-password ~other:* resetchannels +@all',
        'user off off >mdm-password ~* +@all',
    ] });

my $dir = $t->dir;
my $redis = $t->redis_server;

$redis->{client_auth} = [ 'default', 'main-password' ];

# without users; the plain password is that of "default"

my $second = MDM::Redis->new(dir => "$dir/second", tcp => 1,
                             password => 'second-password');

END { local $?; $second->stop if $second && $second->pid; }

$second->start;
$redis->start;

# without either: everybody may do all

my $bare = MDM::Redis->new(dir => "$dir/bare", tcp => 1, auth => 0);

$bare->start;

END { local $?; $bare->stop if $bare && $bare->pid; }

sub password {
    my ($name, $text) = @_;

    my $file = write_file("$dir/$name.password", $text);

    chmod 0600, $file;

    return $file;
}

my $main = password(main => 'main-password');
my $mdm = password(mdm => "mdm-password\n");
my $crlf = password(crlf => "mdm-password\r\n");
my $wrong = password(wrong => "wrong-password\n");
my $other = password(second => "second-password\n");

$t->{vars} = { SECOND => $second->socket, SECOND_PORT => $second->port,
              BARE => $bare->socket, BARE_PORT => $bare->port };

my $format = <<'END';
    log_format v '$request_method $request_uri $status '
                 'id=$mdm_enrollment_id message=$mdm_message '
                 'status=$mdm_status uuid=$mdm_command_uuid '
                 'type=$mdm_request_type cert=$mdm_certificate '
                 'tenant=$mdm_tenant time=$mdm_redis_time '
                 'calls=$mdm_redis_calls sends=$mdm_redis_sends '
                 'error="$mdm_error"';
END

my $locations = <<"END";
        location /mdm { $on }
        location /api/ { mdm_api on; }
        location /files/ { mdm_auth on; alias %%PREFIX%%/; }
        location /static { return 200 x; }
        access_log %%PREFIX%%/v.log v;
END


# each way to a Redis: a device enrolls by it; as "main" is another one each
# time, it has to be told that it takes the place of the one before

my $serial = 0;
my $known;

sub adopt {
    my ($store) = @_;

    my ($server) = $store =~ /server (\S+?);/;
    my @args;

    $server =~ s/%%(\w+)%%/{ REDIS_SOCKET => $redis->socket,
                             REDIS_PORT => $redis->port,
                             %{$t->{vars}} }->{$1}/ge;

    push @args, $1 eq 'user' ? '-u' : $1 eq 'database' ? '-n' : '-p', $2
        while $store =~ /\b(user|database|password_file) (\S+?);/g;

    my ($rc, $said) = $t->mdm_store('adopt', $known, '-s', $server, @args);

    is($rc, 0, 'adopt') or diag($said);
    ($known) = $said =~ /^store (\S+)/;

    return;
}

sub try {
    my ($what, $store) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %conf = (store_conf => "mdm_store main { $store }", http => $format,
                locations => $locations);

    adopt($store) if $known;

    $t->pid ? $t->reload(%conf) : $t->write_conf(%conf) && $t->start_nginx;

    my $d = $t->device('D' . ++$serial);

    is($d->authenticate->status, 200, "$what: Authenticate") or return;
    $known //= $redis->hash('mdm:meta')->{store_id};
    is($d->token_update->status, 200, "$what: TokenUpdate");
    is($t->enqueue($d->id, $t->command('c', 'ProfileList'))->status, 200,
       "$what: enqueue");
    is_deeply([ $d->drain ], [ 'c' ], "$what: the command is delivered");

    return $d;
}

sub is_in {
    my ($what, $d, $r, $database) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $id = $d->id;
    my $dump = $r->dump;

    like($dump, qr/^db$database "mdm:\{default\/\d+\}:e:$id" hash$/m,
         "$what: is in database $database");
    is(scalar(() = $dump =~ /:e:$id"/g), 1, "$what: and in no other");

    return;
}

my $unix = "server unix:%%REDIS_SOCKET%%;";
my $tcp = "server 127.0.0.1:%%REDIS_PORT%%;";

is_in('unix, password', try('unix, password', "$unix password_file $main;"),
      $redis, 0);
is_in('TCP, user', try('TCP, user', "$tcp user mdm; password_file $mdm;"),
      $redis, 0);
is_in('a name, user', try('a name, user', 'server localhost:%%REDIS_PORT%%;'
      . " user mdm; password_file $crlf;"), $redis, 0);
is_in('TCP, database', try('TCP, database', "$tcp database 3;"
      . " password_file $main;"), $redis, 3);
is_in('unix, user, database', try('unix, user, database',
      "$unix user mdm; password_file $mdm; database 15;"), $redis, 15);
is_in('a user without SELECT', try('a user without SELECT',
      "$unix user noselect; password_file $mdm;"), $redis, 0);
is_in('password without a user', try('password without a user',
      "server 127.0.0.1:%%SECOND_PORT%%; password_file $other;"), $second, 0);

ok($t->wait_old_workers, 'the workers of before are gone');
unlike($redis->cmd('CLIENT', 'LIST'), qr/user=(?:mdm|noselect)/,
       'and have left no connection');

is_in('unix, no password', try('unix, no password', 'server unix:%%BARE%%;'),
      $bare, 0);
is_in('TCP, no password, a database', try('TCP, no password, a database',
      'server 127.0.0.1:%%BARE_PORT%%; database 2;'), $bare, 2);


# what does not fit: 503, and the log says why, without the password

sub refused {
    my ($what, $store, $why) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @before = ($redis->dump, $second->dump);
    my $from = $t->log_size;

    $t->reload(store_conf => "mdm_store main { $store }");

    my $d = $t->device('D' . ++$serial);
    my $r = $d->authenticate;

    is($r->status, 503, "$what: Authenticate");
    like($r->header('Retry-After'), qr/^\d+$/, "$what: Retry-After");
    is($d->idle->status, 503, "$what: Idle");
    $r = $t->api('GET', '/v1/enrollments/D1');
    is($r->status, 503, "$what: API");
    ok($r->json->{error}, "$what: API: an error");
    is($t->request('GET', '/files/mdm.password', cert => $d->cert)->status,
       503, "$what: mdm_auth");
    ok($t->wait_log($why, from => $from), "$what: the log says why")
        or diag($t->log($from));
    unlike($t->log($from), qr/mdm-password|main-password|wrong-password/,
           "$what: the log has no password");

    $t->wait_old_workers;
    is($redis->dump . $second->dump, join('', @before),
       "$what: nothing was written");

    return;
}

my $down = 'mdm store "main": redis \S+ is down ';

refused('no password', $unix, qr/$down\(NOAUTH/);
refused('a wrong password', "$unix password_file $wrong;", qr/$down\(WRONGPASS/);
refused('a user\'s wrong password', "$tcp user mdm; password_file $wrong;",
        qr/$down\(WRONGPASS/);
refused('an unknown user', "$unix user nobody; password_file $mdm;",
        qr/$down\(WRONGPASS/);
refused('a user that is off', "$unix user off; password_file $mdm;",
        qr/$down\(WRONGPASS/);
refused('a user without SELECT', "$unix user noselect; password_file $mdm;"
        . ' database 1;', qr/$down\(NOPERM/);
refused('a user of other keys', "$unix user elsewhere; password_file $mdm;",
        qr/$down\(.*(?:NOPERM|permission|can't run|can't access)/i);
refused('a database that is not there', "$unix password_file $main;"
        . ' database 16;', qr/$down\(ERR DB index is out of range/);
refused('a port where nobody listens', 'server 127.0.0.1:1;',
        qr/$down\(.*connection refused/);
refused('a socket that is not there', 'server unix:%%PREFIX%%/none.sock;',
        qr/$down\(.*no such file/);

# what speaks, but is no Redis

refused('a web server', 'server 127.0.0.1:%%PLAIN_PORT%%;', qr/$down\(/);


# the number of partitions is fixed by the first

adopt("$unix password_file $main;");
refused('partitions', "$unix password_file $main; partitions 128;",
        qr/$down\(it was set up with 256 partitions, but "partitions" is 128/);
is_in('partitions as before', try('partitions as before',
      "$unix password_file $main; partitions 256;"), $redis, 0);
is($redis->hash('mdm:meta')->{partitions}, 256, 'the number is in mdm:meta');

my $few = try('partitions, another database',
              "$unix password_file $main; partitions 1; database 9;");

like($redis->dump, qr/^db9 "mdm:\{default\/0\}:e:@{[ $few->id ]}"/m,
     'partitions 1: all is in one');
refused('partitions, another database', "$unix password_file $main;"
        . ' database 9;',
        qr/$down\(it was set up with 1 partitions, but "partitions" is 256/);


# stores by name; tenants

try('before all is gone', "$unix password_file $main;");
$t->wait_old_workers;
$redis->cmd('FLUSHALL');
$second->cmd('FLUSHALL');
adopt("$unix password_file $main;");

my $both = "mdm_store main { $unix password_file $main; }\n"
    . "    mdm_store second { server unix:%%SECOND%%; password_file $other; }";

$t->reload(store_conf => $both, locations => $locations . <<"END");
        location /second/mdm { $on mdm_store second; }
        location /second/api/ { mdm_api on; mdm_store second; }
        location /second/files/ {
            mdm_auth on;
            mdm_store second;
            alias %%PREFIX%%/;
        }

        location /tenant/mdm { $on mdm_tenant \$arg_t; }
        location /tenant/api/ { mdm_api on; mdm_tenant \$arg_t; }
        location /tenant/files/ {
            mdm_auth on;
            mdm_tenant \$arg_t;
            alias %%PREFIX%%/;
        }
    }

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        listen 127.0.0.1:%%PLAIN_PORT%%;
        server_name ~.;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        ssl_client_certificate %%CA%%;
        ssl_verify_client optional;
        mdm_tenant \$host;
        location /mdm { $on }
        location /api/ { mdm_api on; }
        location /files/ { mdm_auth on; alias %%PREFIX%%/; }
        access_log %%PREFIX%%/v.log v;
END

write_file("$dir/file", 'content');

# the same id, with a certificate of its own, in two places that must not know
# of each other

sub apart {
    my ($what, @places) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @d;

    for my $i (0, 1) {
        my ($prefix, $query, %how) = @{$places[$i]};

        $d[$i] = $t->device('SAME', cert => $t->cert(cn => "SAME $i"),
                            path => "$prefix/mdm$query");

        my $ask = sub {
            my ($method, $path, %o) = @_;

            $path .= $path =~ /\?/ ? $query =~ s/\?/&/r : $query;

            return $t->request($method, "$prefix$path", %how, %o);
        };

        # with the SNI and the Host of the place

        $d[$i]{ask} = $ask;
        $d[$i]{say} = sub {
            my ($message) = @_;

            return $ask->('PUT', '/mdm', cert => $d[$i]->cert,
                body => plist({ UDID => 'SAME', %$message }),
                headers => [ @{$how{headers} || []}, 'Content-Type' =>
                    $message->{Status} ? MDM::Device::CONNECT
                                       : MDM::Device::CHECKIN ]);
        };

        is($d[$i]{say}->({ MessageType => 'Authenticate',
                           Topic => 'com.apple.mgmt.x' })->status, 200,
           "$what: $i: Authenticate");
        is($d[$i]{say}->({ MessageType => 'TokenUpdate', PushMagic => 'm',
            Topic => 'com.apple.mgmt.x', Token => plist_data('t') })->status,
           200, "$what: $i: TokenUpdate");
        is($ask->('PUT', '/api/v1/enqueue/SAME?nopush=1', body =>
                  plist($t->command("for-$i", 'ProfileList')))->status, 200,
           "$what: $i: enqueue");
    }

    for my $i (0, 1) {
        my $d = $d[$i];
        my $r = $d->{say}->({ Status => 'Idle' });

        is($d->uuid($r), "for-$i", "$what: $i: has its own command");
        is($d->{ask}->('GET', '/api/v1/enrollments/SAME')->json->{device}
             {certificate_sha256}, $d->cert->{sha256},
           "$what: $i: has its own pin");
        is($d->{ask}->('GET', '/files/file', cert => $d->cert)->status, 200,
           "$what: $i: mdm_auth knows it");
        is($d->{ask}->('GET', '/files/file', cert => $d[1 - $i]->cert)
             ->status, 403, "$what: $i: mdm_auth does not know the other");

        my $other = bless { %$d, cert => $d[1 - $i]->cert }, ref $d;

        is($d->{ask}->('GET', '/api/v1/queue/SAME/for-' . (1 - $i))->status,
           404, "$what: $i: has not the other's command");
    }

    return;
}

apart('two stores', [ '', '' ], [ '/second', '' ]);
apart('tenants by an argument', [ '/tenant', '?t=a' ], [ '/tenant', '?t=A' ]);
apart('tenants by $host', map {
    [ '', '', sni => $_, headers => [ Host => $_ ] ]
} 'a.test', 'b.test');

like($redis->dump, qr/"mdm:\{\Q$_\E\/\d+\}:e:SAME"/, "tenant $_ has its keys")
    for qw(default a A a.test b.test);
like($second->dump, qr/"mdm:\{default\/\d+\}:e:SAME"/,
     'so has the second store');

my @before = ($redis->dump, $second->dump);
my $d = $t->device('SAME');

for my $bad ('', '%20', 'a/b', '{x}', 'x' x 65, "%00", '%c3%a9', 'a:b') {
    my $size = $t->log_size;
    my $query = "?t=$bad";

    is($t->request('PUT', "/tenant/mdm$query", cert => $d->cert,
           headers => [ 'Content-Type' => MDM::Device::CHECKIN ],
           body => plist({ UDID => 'X', MessageType => 'Authenticate',
                           Topic => 'com.apple.mgmt.x' }))->status, 400,
       "tenant \"$bad\": 400");
    is($t->request('GET', "/tenant/api/version$query")->status, 400,
       "tenant \"$bad\": API: 400");
    is($t->request('GET', "/tenant/files/file$query", cert => $d->cert)
         ->status, 400, "tenant \"$bad\": mdm_auth: 400");
    like($t->log($size), qr/mdm_tenant ".*" is not 1 to 64 letters/s,
         "tenant \"$bad\": the log says so");
}

for my $host ('x' x 65 . '.test', '[::1]') {
    is($t->request('PUT', '/mdm', plain => 1,
           headers => [ Host => $host, 'Content-Type' =>
                        MDM::Device::CONNECT ],
           body => plist({ UDID => 'X', Status => 'Idle' }))->status, 400,
       "\$host $host is no tenant: 400");
}

is($redis->dump . $second->dump, join('', @before),
   'none of these has written anything');

# one store away, the other one goes on

$second->stop;

is($t->device('ALONE')->enroll->idle->status, 200,
   'one store is down: the other one serves');
is($t->device('ALONE', path => '/second/mdm')->authenticate->status, 503,
   'and that one does not');


# variables

my $from;

sub logged {
    my ($r, $what, $want) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $line;

    wait_for(10, sub {
        ($line) = substr(read_file("$dir/v.log"), $from) =~ /^(.*)\n\z/s;
        return defined $line;
    });

    $from = -s "$dir/v.log";

    my %got = $line =~ /(\w+)=("[^"]*"|\S+)/g;

    ($got{code}) = $line =~ /^\S+ \S+ (\d+)/;

    is($got{$_}, $want->{$_}, "variables: $what: $_")
        for sort grep { !ref $want->{$_} } keys %$want;
    like($got{$_}, $want->{$_}, "variables: $what: $_")
        for sort grep { ref $want->{$_} } keys %$want;

    return;
}

ok(wait_for(10, sub { read_file("$dir/v.log") =~ /ALONE.*503|503 id=ALONE/ }),
   'the log is there');
$from = -s "$dir/v.log";

my %none = (id => '-', message => '-', status => '-', uuid => '-',
            type => '-', cert => '-', tenant => '-', time => '-',
            error => '"-"');

$d = $t->device('VAR');

my %mine = (cert => $d->cert->{sha256}, tenant => 'default', id => 'VAR',
            time => qr/^\d+\.\d{3}$/, code => 200, error => '"-"');

logged($t->request('GET', '/static'), 'no location of ours',
       { %none, code => 200, calls => qr/^\d+$/, sends => qr/^\d+$/ });
logged($d->authenticate, 'Authenticate', { %none, %mine,
       message => 'Authenticate' });
logged($d->token_update, 'TokenUpdate', { %none, %mine,
       message => 'TokenUpdate' });
logged($d->idle, 'Idle, nothing to do', { %none, %mine,
       message => 'Connect', status => 'Idle' });
logged($t->enqueue('VAR', $t->command('u-1', 'ProfileList')), 'API',
       { %none, %mine, cert => '-', uuid => 'u-1', type => 'ProfileList' });
logged($t->enqueue([ 'VAR', 'ALONE' ], $t->command('u-2', 'DeviceLock')),
       'API, two ids', { %none, %mine, cert => '-', id => '-', uuid => 'u-2',
       type => 'DeviceLock' });
logged($d->idle, 'Idle, a command', { %none, %mine, message => 'Connect',
       status => 'Idle', uuid => 'u-1', type => 'ProfileList' });
logged($d->report('Acknowledged', 'u-1'), 'Acknowledged, a command',
       { %none, %mine, message => 'Connect', status => 'Acknowledged',
         uuid => 'u-1', type => 'DeviceLock' });
logged($d->report('NotNow', 'u-2'), 'NotNow, nothing to do',
       { %none, %mine, message => 'Connect', status => 'NotNow',
         uuid => 'u-2' });
logged($d->get_bootstrap_token, 'GetBootstrapToken', { %none, %mine,
       message => 'GetBootstrapToken' });
logged($t->request('GET', '/files/file', cert => $d->cert), 'mdm_auth',
       { %none, %mine, message => 'auth' });
logged($t->request('GET', '/files/file'), 'mdm_auth, refused', { %none,
       code => 403, tenant => 'default', message => 'auth',
       error => '"no client certificate"' });
logged($t->request('PUT', '/mdm', body => 'x'), 'no certificate', { %none,
       code => 403, tenant => 'default', error => '"no client certificate"' });
logged($d->send(MDM::Device::CONNECT, 'x'), 'no plist', { %none,
       code => 400, tenant => 'default', cert => $d->cert->{sha256},
       error => qr/^".+"$/ });
logged($d->report('Sometimes', 'u-2'), 'an unknown status', { %none, %mine,
       message => 'Connect', status => 'unreadable', uuid => 'u-2' });
logged($t->request('GET', '/mdm', cert => $d->cert), 'GET', { %none,
       code => 405, tenant => 'default', cert => $d->cert->{sha256},
       error => '"a device sends PUT"' });
logged($t->api('GET', '/v1/nothing'), 'API: nothing', { %none, code => 404,
       tenant => 'default', error => '"there is no such API call"' });
logged($d->checkout, 'CheckOut', { %none, %mine, message => 'CheckOut' });
logged($d->user('U')->idle, 'a user', { %none, %mine, id => 'VAR:U',
       message => 'Connect', status => 'Idle' });
logged($t->device("a\"\n\\b")->authenticate, 'an id with all kinds of bytes',
       { code => qr/^(?:200|400)$/ });

unlike(read_file("$dir/v.log"), qr/magic|mdm-password/,
       'no secret is in the log');

finish;
