#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The device simulator by itself: its certificates, signatures and messages
# before openssl and plistutil, its transport against a plain nginx, its
# behaviour against a small scripted MDM server, and what it does when a
# server is hostile.  The module is not needed.
#
#     prove t/sim/mdmsim.t           MDM_SIM names another binary

use strict;
use warnings;

use Cwd ();
use File::Basename;
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Test::More;
use Time::HiRes qw(sleep time);

my $root = Cwd::abs_path(dirname(__FILE__) . '/../..');
my $sim = $ENV{MDM_SIM} || "$root/build/mdmsim";
my $nginx = $ENV{MDM_NGINX} || '/usr/sbin/nginx';
my $parent = $$;
my @children;

plan skip_all => "no $sim: scripts/build sim makes it" unless -x $sim;

my $tmp = File::Temp->newdir('mdmsim-XXXXXX', TMPDIR => 1);
my $dir = "$tmp";

END {
    if ($$ == $parent) {
        my $rc = $?;
        for my $pid (@children) {
            kill 'QUIT', $pid;
            waitpid $pid, 0;
        }
        $? = $rc;
    }
}


sub slurp {
    my ($name) = @_;
    open my $f, '<:raw', $name or return '';
    local $/;
    return scalar <$f>;
}

sub spew {
    my ($name, $data) = @_;
    open my $f, '>:raw', $name or die "$name: $!";
    print $f $data;
    close $f or die "$name: $!";
}

# runs a command: its exit code and output; 128 + N after a signal

sub run {
    my (@cmd) = @_;

    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDOUT, '>', "$dir/out" or POSIX::_exit(126);
        open STDERR, '>', "$dir/err" or POSIX::_exit(126);
        exec @cmd or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    my $rc = $? & 127 ? 128 + ($? & 127) : $? >> 8;

    return ($rc, slurp("$dir/out"), slurp("$dir/err"));
}

sub sim {
    my ($rc, $out, $err) = run($sim, @_);

    diag("@_: $err") if $err =~ /Sanitizer|runtime error/ || $rc > 128;
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => $rc, out => $out, err => $err, v => \%v };
}

sub port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "listen: $!";
    return $s->sockport;
}


# certificates

is(sim('ca', '--dir', "$dir/ca")->{rc}, 0, 'ca');
is(sim('ca', '--dir', "$dir/ca")->{rc}, 2, 'a CA is not overwritten');
is((stat "$dir/ca/ca.key")[2] & 077, 0, 'its key is private');

is(sim('cert', '--dir', "$dir/ca", '--device', 7, '--out', "$dir/d7")->{rc},
   0, 'cert');
my $pem = slurp("$dir/d7.pem");
is(sim('cert', '--dir', "$dir/ca", '--device', 7, '--out', "$dir/d7",
       '--force')->{rc}, 0, 'cert again');
is(slurp("$dir/d7.pem"), $pem, 'the same bytes');

my @verify = ('openssl', 'verify', '-x509_strict', '-CAfile',
              "$dir/ca/ca.pem");
is((run(@verify, '-purpose', 'sslclient', "$dir/d7.pem"))[0], 0,
   'openssl verify takes it for a client');
isnt((run(@verify, '-purpose', 'sslserver', "$dir/d7.pem"))[0], 0,
     'and for nothing else');
is((run(@verify, '-purpose', 'sslserver', "$dir/ca/server.pem"))[0], 0,
   'the certificate for the server');

my $id7 = sim('ids', '--first', 7, '--count', 1)->{out};
chomp $id7;
like($id7, qr/^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/, 'an id');
like((run('openssl', 'x509', '-in', "$dir/d7.pem", '-noout', '-subject'))[1],
     qr/CN ?= ?\Q$id7\E, serialNumber ?= ?[0-9A-Z]{12}$/, 'the subject');
like(slurp("$dir/d7.key"), qr/PRIVATE KEY/, 'the key');

for my $type ('RSA:2048', 'ED25519') {
    my ($alg, $bits) = split /:/, $type;
    my @new = ('openssl', 'req', '-x509', '-nodes', '-days', 2, '-subj',
               '/O=Outside/CN=CA', '-keyout', "$dir/o.key", '-out',
               "$dir/o.pem", '-newkey', lc $alg . ($bits ? ":$bits" : ''));
    is((run(@new))[0], 0, "another CA, $type");
    my @ca = ('--ca-cert', "$dir/o.pem", '--ca-key', "$dir/o.key");
    sim('cert', @ca, '--device', 1, '--out', "$dir/$alg-$_") for 1, 2;
    is(slurp("$dir/$alg-1.pem"), slurp("$dir/$alg-2.pem"), 'the same bytes');
    is((run('openssl', 'verify', '-purpose', 'sslclient', '-CAfile',
            "$dir/o.pem", "$dir/$alg-1.pem"))[0], 0, 'verifies');
}

my $bad = sim('cert', '--ca-cert', "$dir/ca/ca.pem", '--ca-key',
              "$dir/o.key", '--device', 1, '--out', "$dir/x");
is($bad->{rc}, 2, 'a key of another CA');
like($bad->{err}, qr/is not the key of/, 'says so');


# ids

my @ids = split /\n/, sim('ids', '--count', 20000)->{out};
my %seen = map { $_ => 1 } @ids;
is(scalar @ids, 20000, 'ids');
is(scalar keys %seen, 20000, 'all distinct');
is($ids[7], $id7, 'the number tells which');
isnt(sim('ids', '--count', 1, '--seed', 2)->{out}, "$ids[0]\n",
     'another seed, other devices');
like(sim('ids', '--count', 1, '--kinds', 'shared', '--users', 1,
         '--channels', 'user')->{out},
     qr/^\Q$ids[0]\E:user1\.0\@appleid\.example\.com$/, 'a user');


# messages, and the binary form of them

my $command = <<'XML';
<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><dict><!-- x --><key>CommandUUID</key>
<string>u&amp;1-&#x4e2d;<![CDATA[<]]></string><key>Command</key><dict>
<key>RequestType</key><string>DeviceInformation</string><key>Queries</key>
<array><string>UDID</string><string>DeviceName</string>
<string>BatteryLevel</string><string>IsSupervised</string></array>
</dict></dict></plist>
XML

spew("$dir/cmd.xml", $command);
run('plistutil', '-i', "$dir/cmd.xml", '-o', "$dir/cmd.bin", '-f', 'bin');

my $differ = 0;
my $forms = 0;

for my $kind (qw(iphone ipad mac tv shared byod macbyod)) {
    for my $what (qw(Authenticate TokenUpdate SetBootstrapToken CheckOut Idle
                     Acknowledged Error CommandFormatError NotNow))
    {
        my @m = ('message', '--kinds', $kind, '--device', 3, '--what', $what,
                 '--result-size', 3000);
        spew("$dir/m.xml", sim(@m, '--command', "$dir/cmd.xml")->{out});
        spew("$dir/m.bin",
             sim(@m, '--command', "$dir/cmd.bin", '--binary')->{out});
        unlink "$dir/1", "$dir/2", "$dir/3";
        run('plistutil', '-i', "$dir/m.bin", '-o', "$dir/1", '-f', 'xml');
        run('plistutil', '-i', "$dir/m.xml", '-o', "$dir/2", '-f', 'bin');
        run('plistutil', '-i', "$dir/2", '-o', "$dir/3", '-f', 'xml');

        # padding depends on the size of what was written
        my ($a, $b) = map { my $s = slurp($_);
            $s =~ s/<key>SimulatorPadding.*?<\/array>//s; $s }
            "$dir/1", "$dir/3";
        $forms++ if slurp("$dir/m.bin") =~ /^bplist00/ && $a =~ /<dict>/;
        $differ++ if $a eq '' || $a ne $b;
    }
}

is($forms, 63, 'plistutil reads every binary message');
is($differ, 0, 'which says the same as the XML');

my $text = sim('message', '--device', 7, '--what', 'Acknowledged',
               '--command', "$dir/cmd.bin")->{out};
like($text, qr/<string>u&amp;1-\xe4\xb8\xad&lt;<\/string>/, 'the UUID');
like($text, qr/<key>UDID<\/key>\s*<string>\Q$id7\E</, 'a query');
like($text, qr/<key>BatteryLevel<\/key>\s*<real>/, 'another');
like(sim('message', '--device', 7)->{out}, qr/Idle.*\Q$id7\E/s, 'Idle');
unlike(sim('message', '--kinds', 'byod', '--what', 'Authenticate')->{out},
       qr/UDID|SerialNumber|IMEI/, 'User Enrollment withholds');


# signatures

for my $how ([], ['--sign-noattr'], ['--sign-sha1'],
             ['--sign-noattr', '--sign-sha1', '--binary'])
{
    spew("$dir/body", sim('message', '--dir', "$dir/ca", '--device', 7,
                          '--what', 'TokenUpdate', '--signature',
                          "$dir/sig", @$how)->{out});
    my $b64 = slurp("$dir/sig");
    like($b64, qr/^[A-Za-z0-9+\/]+=*$/, "signature @$how: one line");
    spew("$dir/sig.der", decode_base64($b64));

    my @cms = ('openssl', 'cms', '-verify', '-binary', '-inform', 'DER',
               '-in', "$dir/sig.der", '-content', "$dir/body", '-CAfile',
               "$dir/ca/ca.pem", '-purpose', 'sslclient', '-out',
               '/dev/null');
    is((run(@cms))[0], 0, 'verifies');
    spew("$dir/body", slurp("$dir/body") . ' ');
    isnt((run(@cms))[0], 0, 'but not another body');
}


# a plain nginx

my ($tls, $http) = (port(), port());
my $url = "https://127.0.0.1:$tls/";

spew("$dir/nginx.conf", <<"CONF");
worker_processes 1;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log info;
events { worker_connections 1024; }
http {
    access_log $dir/access.log combined buffer=64k flush=1s;
    log_format id '\$ssl_client_s_dn|\$status|\$http_client_cert';
    client_body_temp_path $dir/body_temp;
    proxy_temp_path $dir/proxy_temp;
    fastcgi_temp_path $dir/fastcgi_temp;
    uwsgi_temp_path $dir/uwsgi_temp;
    scgi_temp_path $dir/scgi_temp;
    keepalive_requests 1000000;
    large_client_header_buffers 4 32k;
    ssl_session_cache shared:a:1m;
    ssl_session_tickets off;
    server {
        listen 127.0.0.1:$tls ssl;
        listen 127.0.0.1:$http;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate $dir/ca/server.pem;
        ssl_certificate_key $dir/ca/server.key;
        ssl_client_certificate $dir/ca/ca.pem;
        ssl_verify_client on;
        location / { return 200; }
        location /id { access_log $dir/id.log id; return 200; }
        location /503 { return 503; }
        location /few { keepalive_requests 3; return 200; }
    }
}
CONF

my $pid = fork // die "fork: $!";
if ($pid == 0) {
    open STDERR, '>', "$dir/stderr";
    exec $nginx, '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf"
        or POSIX::_exit(127);
}
push @children, $pid;

for (1 .. 100) {
    last if IO::Socket::INET->new(PeerAddr => "127.0.0.1:$tls");
    sleep 0.1;
}

my @net = ('--dir', "$dir/ca", '--server-ca', "$dir/ca/ca.pem", '--quiet');
my $r;

$r = sim('enroll', @net, '--url', $url, '--count', 30, '--users', 2,
         '--kinds', 'iphone,mac,shared,tv,byod,macbyod');
is($r->{rc}, 0, 'enroll') or diag($r->{err});
is($r->{v}{enrolled}, 30, 'all of them');
is($r->{v}{handshakes}, 30, 'a connection each');
cmp_ok($r->{v}{requests}, '>', 60, 'with their users');

$r = sim('poll', @net, '--url', "${url}id", '--count', 25);
is("$r->{rc} $r->{v}{requests} $r->{v}{handshakes}", '0 25 25',
   'poll: each device once');

sleep 0.2;
my %dn = map { $_ => 1 } slurp("$dir/id.log") =~ /CN=([0-9A-F-]{36})\|200/g;
is_deeply([sort keys %dn], [sort @ids[0 .. 24]],
          'each with its own certificate');

$r = sim('poll', @net, '--url', $url, '--count', 128, '--connections', 128,
         '--requests', 3000);
is("$r->{rc} $r->{v}{requests} $r->{v}{handshakes}", '0 3000 128',
   '128 connections kept alive');

$r = sim('poll', @net, '--url', $url, '--requests', 200, '--reopen-every',
         10, '--connections', 2);
is($r->{rc}, 0, 'reopen');
cmp_ok(abs($r->{v}{handshakes} - 20), '<', 3, 'every ten requests');

$r = sim('poll', @net, '--url', $url, '--requests', 60, '--new-connection');
is("$r->{rc} $r->{v}{handshakes}", '0 60', 'a connection each time');

$r = sim('poll', @net, '--url', "${url}few", '--requests', 30,
         '--connections', 1);
is("$r->{rc} $r->{v}{handshakes}", '0 10', 'the server ends connections');

$r = sim('session', @net, '--url', $url, '--count', 10, '--requests', 50,
         '--resume', 'on');
is("$r->{rc} $r->{v}{handshakes}", '0 50', 'session');
cmp_ok($r->{v}{handshakes_resumed}, '>=', 30, 'resumed');

for my $version ('1.2', '1.3') {
    $r = sim('session', @net, '--url', $url, '--count', 5, '--tls',
             $version, '--shared-key');
    is("$r->{rc} $r->{v}{handshakes} $r->{v}{handshakes_resumed}", '0 5 0',
       "TLS $version");
}

$r = sim('run', @net, '--url', $url, '--count', 6, '--enroll', '--interval',
         0.5, '--duration', 2, '--connections', 6);
is($r->{rc}, 0, 'run') or diag($r->{err});
is($r->{v}{enrolled}, 6, 'enrolls first');
cmp_ok(abs($r->{v}{visits} + $r->{v}{visits_skipped} - 24), '<=', 2,
       'then polls in its interval');

$r = sim('poll', @net, '--url', $url, '--rate', 100, '--duration', 1);
cmp_ok(abs($r->{v}{requests} - 100), '<=', 5, 'open loop');

is(sim('checkout', @net, '--url', $url, '--count', 5)->{v}{visits}, 5,
   'checkout');

$r = sim('poll', @net, '--url', "http://127.0.0.1:$http/id", '--count', 1,
         '--header-cert', 'Client-Cert', '--header-format', 'rfc9440',
         '--sign', '--binary', '--chunked');
is($r->{rc}, 0, 'header, signature, binary, chunks') or diag($r->{err});

$r = sim('run', @net, '--url', $url, '--abort', 30, '--duration', 1);
is($r->{rc}, 0, 'hanging up is no error') or diag($r->{err});
cmp_ok($r->{v}{aborted}, '>', 0, 'but is counted');

$r = sim('poll', @net, '--url', "${url}503", '--count', 3);
is("$r->{rc} $r->{v}{status_503} $r->{v}{errors}", '1 3 3', 'a status');
is(sim('poll', @net, '--url', "${url}503", '--count', 3, '--max-errors',
       3)->{rc}, 0, 'that is allowed');

$r = sim('poll', '--dir', "$dir/ca", '--server-ca', "$dir/o.pem", '--url',
         $url, '--count', 1);
is("$r->{rc} $r->{v}{errors_tls}", '1 1', 'a server nobody trusts');

my ($worker) = slurp("/proc/$pid/task/$pid/children") =~ /^(\d+)/;
SKIP: {
    skip 'no list of children in /proc', 4 unless $worker;

    $r = sim('bench', @net, '--url', "${url}a", '--url', "${url}b",
             '--worker-pid', $worker, '--slice', 0.1, '--duration', 3,
             '--connections', 8, '--count', 100);
    is($r->{rc}, 0, 'bench') or diag($r->{err});
    cmp_ok($r->{v}{ratio_1_median}, '>', 0.4, 'the same costs the same');
    cmp_ok($r->{v}{ratio_1_median}, '<', 2.5, 'nearly');

    $r = sim('bench', @net, '--url', $url, '--url', $url, '--mode',
             'session', '--worker-pid', $worker, '--duration', 2);
    is($r->{rc}, 1, 'bench of sessions needs commands');
}


# a scripted MDM server: commands for whoever asks, oldest first

sub server {
    my ($handler) = @_;

    my $listen = IO::Socket::INET->new(Listen => 128, ReuseAddr => 1,
                                       LocalAddr => '127.0.0.1')
        or die "listen: $!";

    my $child = fork // die "fork: $!";
    if ($child == 0) {
        $SIG{PIPE} = 'IGNORE';
        $SIG{QUIT} = sub { POSIX::_exit(0) };
        $handler->($listen);
        POSIX::_exit(0);
    }

    push @children, $child;
    return $listen->sockport;
}

sub read_request {
    my ($c) = @_;
    my $buf = '';

    while ($buf !~ /\r\n\r\n/) {
        sysread($c, $buf, 65536, length $buf) or return;
    }
    my ($head, $body) = $buf =~ /^(.*?)\r\n\r\n(.*)$/s;
    my ($n) = $head =~ /^Content-Length: (\d+)/mi;
    while (length $body < ($n || 0)) {
        sysread($c, $body, 65536, length $body) or return;
    }
    return $body;
}

sub answer {
    my ($c, $body) = @_;
    syswrite $c, "HTTP/1.1 200 OK\r\nContent-Length: " . length($body)
                 . "\r\n\r\n$body";
}

my $types = 'UserList|ProfileList|SecurityInfo|DeviceLock';

my $port = server(sub {
    my ($listen) = @_;
    my (%queue, %refused);
    open my $log, '>>', "$dir/mdm.log";
    $log->autoflush(1);

    my $select = IO::Select->new($listen);
    while (1) {
        for my $c ($select->can_read) {
            if ($c == $listen) {
                my $new = $listen->accept;
                setsockopt $new, IPPROTO_TCP, TCP_NODELAY, 1;
                $select->add($new);
                next;
            }
            my $body = read_request($c);
            if (!defined $body) {
                $select->remove($c);
                close $c;
                next;
            }
            my ($id) = $body =~ /<key>UDID<\/key>\s*<string>([^<]+)/;
            my ($status) = $body =~ /<key>Status<\/key>\s*<string>(\w+)/;
            my ($uuid) = $body =~ /<key>CommandUUID<\/key>\s*<string>([^<]+)/;
            print $log "$id $status " . ($uuid || '-') . "\n";

            my $q = $queue{$id} ||= [map { "$id-$_" } split /\|/, $types];
            %{ $refused{$id} } = () if $status ne 'NotNow';
            if ($status eq 'NotNow') {
                $refused{$id}{$uuid} = 1;
            } elsif ($uuid) {
                @$q = grep { $_ ne $uuid } @$q;
            }
            my ($next) = grep { !$refused{$id}{$_} } @$q;
            my ($type) = ($next || '') =~ /-(\w+)$/;
            answer($c, !$next ? '' : "<plist><dict><key>CommandUUID</key>"
                . "<string>$next</string><key>Command</key><dict>"
                . "<key>RequestType</key><string>$type</string></dict>"
                . "</dict></plist>");
        }
    }
});

my $mdm = "http://127.0.0.1:$port/";

$r = sim('poll', '--url', $mdm, '--count', 10, '--quiet', '--ledger',
         "$dir/ledger");
is("$r->{rc} $r->{v}{commands_acknowledged} $r->{v}{requests}",
   '0 40 50', 'commands are answered until none is left');

my $ledger = slurp("$dir/ledger");
is(() = $ledger =~ /\tCommand:\w+\t\S+\t-$/mg, 40, 'the ledger: commands');
is(() = $ledger =~ /\tAcknowledged\t\S+\t200$/mg, 40, 'and answers');
like($ledger, qr/^\d+\.\d{6}\t\Q$ids[0]\E\tIdle\t-\t200$/m, 'and Idle');

$r = sim('poll', '--url', $mdm, '--first', 100, '--count', 50, '--notnow',
         100, '--quiet');
is("$r->{rc} $r->{v}{commands_notnow} $r->{v}{commands_acknowledged}",
   '0 200 0', 'NotNow ends the exchange');

$r = sim('run', '--url', $mdm, '--first', 200, '--count', 20, '--notnow',
         50, '--error', 20, '--format-error', 20, '--requests', 2000,
         '--quiet');
is($r->{rc}, 0, 'a mixed lot') or diag($r->{err});
is($r->{v}{commands_acknowledged} + $r->{v}{commands_error}
   + $r->{v}{commands_format_error}, 80, 'each finished once');
cmp_ok($r->{v}{commands_notnow}, '>', 10, 'some after a NotNow');
like(slurp("$dir/mdm.log"), qr/ CommandFormatError /, 'the server saw it');


# a result that did not get through is sent again, before an Idle

$port = server(sub {
    my ($listen) = @_;
    my $n = 0;
    open my $log, '>>', "$dir/again.log";
    $log->autoflush(1);
    while (my $c = $listen->accept) {
        while (defined(my $body = read_request($c))) {
            my ($status) = $body =~ /<key>Status<\/key>\s*<string>(\w+)/;
            print $log "$status\n";
            $n++;
            if ($n == 2) {
                syswrite $c, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
            } elsif ($n == 3) {
                last;
            } elsif ($n == 1) {
                answer($c, "<plist><dict><key>CommandUUID</key><string>u"
                    . "</string><key>Command</key><dict><key>RequestType"
                    . "</key><string>DeviceLock</string></dict></dict>"
                    . "</plist>");
            } else {
                answer($c, '');
            }
        }
        close $c;
    }
});

$r = sim('run', '--url', "http://127.0.0.1:$port/", '--count', 1,
         '--connections', 1, '--requests', 6, '--quiet', '--max-errors', 2);
is("$r->{rc} $r->{v}{results_resent} $r->{v}{commands_acknowledged}",
   '0 2 1', 'results are sent until they are taken');
is(join(' ', split /\n/, slurp("$dir/again.log")),
   'Idle Acknowledged Acknowledged Acknowledged Idle Idle',
   'and nothing in between');


# hostile servers

my $cmd = '<plist><dict><key>CommandUUID</key><string>u</string><key>Command'
    . '</key><dict><key>RequestType</key><string>%s</string></dict></dict>'
    . '</plist>';

sub ok200 { "HTTP/1.1 200 OK\r\nContent-Length: " . length($_[0])
            . "\r\n\r\n$_[0]" }

my @hostile = (
    ['nothing', 'closed', ''],
    ['not HTTP', 'protocol', "SSH-2.0-x\r\n\r\n"],
    ['a status of two digits', 'protocol', "HTTP/1.1 20 OK\r\n\r\n"],
    ['an endless header', 'protocol',
     "HTTP/1.1 200 OK\r\nX: " . 'a' x 100_000],
    ['a header without a colon', 'protocol',
     "HTTP/1.1 200 OK\r\nfoo\r\n\r\n"],
    ['two lengths', 'protocol', "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
     . "Content-Length: 5\r\n\r\nhello"],
    ['a negative length', 'protocol',
     "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
    ['a huge length', 'protocol',
     "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"],
    ['over the limit', 'protocol',
     "HTTP/1.1 200 OK\r\nContent-Length: 16777217\r\n\r\n"],
    ['length and chunks', 'protocol', "HTTP/1.1 200 OK\r\n"
     . "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    ['a bad chunk', 'protocol', "HTTP/1.1 200 OK\r\n"
     . "Transfer-Encoding: chunked\r\n\r\nzz\r\n"],
    ['a huge chunk', 'protocol', "HTTP/1.1 200 OK\r\n"
     . "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"],
    ['bytes after the answer', 'protocol',
     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n"],
    ['a body cut off', 'closed',
     "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"],
    ['an upgrade', 'protocol', "HTTP/1.1 101 Switching\r\n\r\n"],
    ['not a plist', 'protocol', ok200('hello')],
    ['an empty plist', 'protocol', ok200('<plist><dict></dict></plist>')],
    ['deep arrays', 'protocol', ok200('<plist><dict><key>a</key>'
     . '<array>' x 100_000)],
    ['an internal subset', 'protocol',
     ok200('<!DOCTYPE plist [<!ENTITY a "b">]>' . sprintf $cmd, 'X')],
    ['an unknown entity', 'protocol', ok200(sprintf $cmd, '&evil;')],
    ['an unclosed comment', 'protocol', ok200('<!-- ' . $cmd)],
    ['a long UUID', 'protocol',
     ok200((sprintf $cmd, 'X') =~ s/>u</'>' . 'u' x 5000 . '<'/er)],
    ['a bad bplist', 'protocol', ok200('bplist00' . "\xff" x 64)],
    ['a bplist that is short', 'protocol', ok200('bplist00')],
);

$port = server(sub {
    my ($listen) = @_;
    my $i = 0;
    while (my $c = $listen->accept) {
        read_request($c);
        syswrite $c, $hostile[$i++ % @hostile][2];
        close $c;
    }
});

for my $h (@hostile) {
    $r = sim('poll', '--url', "http://127.0.0.1:$port/", '--count', 1,
             '--connections', 1, '--timeout', 5);
    is("$r->{rc} " . ($r->{v}{"errors_$h->[1]"} // ''), '1 1',
       "hostile: $h->[0]") or diag($r->{err});
}

# one that never stops, and one that says nothing

$port = server(sub {
    my ($listen) = @_;
    while (my $c = $listen->accept) {
        while (defined read_request($c)) {
            answer($c, sprintf $cmd, 'DeviceLock');
        }
        close $c;
    }
});

$r = sim('poll', '--url', "http://127.0.0.1:$port/", '--count', 1,
         '--max-commands', 20);
is("$r->{rc} $r->{v}{errors_protocol} $r->{v}{commands_acknowledged}",
   '1 1 20', 'commands without end');

$r = sim('poll', '--url', "http://127.0.0.1:$port/", '--count', 1,
         '--notnow', 100);
is($r->{rc}, 1, 'a refused command that comes again at once');
like($r->{err}, qr/refused with NotNow came again/, 'is told');

$port = server(sub { my ($listen) = @_; my @keep;
                     while (my $c = $listen->accept) { push @keep, $c } });

my $begin = time;
$r = sim('poll', '--url', "http://127.0.0.1:$port/", '--count', 1,
         '--timeout', 1);
is("$r->{rc} $r->{v}{errors_timeout}", '1 1', 'silence');
cmp_ok(time - $begin, '<', 10, 'has an end');

my $child = fork // die "fork: $!";
if ($child == 0) {
    open STDOUT, '>', "$dir/int.out";
    open STDERR, '>', "$dir/int.err";
    exec $sim, 'poll', '--url', "http://127.0.0.1:$port/", '--duration', 60
        or POSIX::_exit(127);
}
sleep 1;
kill 'INT', $child;
waitpid $child, 0;
is($?, 0, 'SIGINT ends it');
like(slurp("$dir/int.out"), qr/^interrupted 1 count$/m, 'with a report');


# the command line

for my $c (['poll'], ['frob'], ['poll', '--url', 'ftp://x/'],
           ['poll', '--url', 'http://192.0.2.1/'],
           ['poll', '--url', 'https://127.0.0.1/'],
           ['poll', '--url', 'http://127.0.0.1/', '--count', '0'],
           ['poll', '--url', 'http://127.0.0.1/', '--count', '1x'],
           ['poll', '--url', 'http://127.0.0.1/', '--count', '-1'],
           ['poll', '--url', 'http://127.0.0.1/', '--slice', '1'],
           ['poll', '--url', 'http://127.0.0.1/', '--nosuch'],
           ['poll', '--url', "http://127.0.0.1/\r\nX: y"],
           ['poll', '--url', 'http://127.0.0.1/', '--header-cert', "a b",
            '--dir', "$dir/ca"],
           ['poll', '--url', 'http://127.0.0.1/', '--notnow', 60, '--error',
            60],
           ['ids', '--kinds', 'toaster'], ['cert', '--device', 1],
           ['message', '--what', 'Hello'])
{
    $r = sim(@$c);
    is($r->{rc}, 2, 'refused: ' . join(' ', @$c) =~ s/\s+/ /gr);
    like($r->{err}, qr/^(mdmsim|usage): /, 'with a word');
}


kill 'QUIT', $pid;
waitpid $pid, 0;
is($?, 0, 'nginx ends well');
@children = grep { $_ != $pid } @children;
unlike(slurp("$dir/error.log"), qr/\[(alert|emerg|crit)\]/, 'no alert');
like(slurp("$dir/id.log"), qr/\|200\|:MI[A-Za-z0-9+\/=]+:$/m,
     'the header held a certificate');

done_testing();
