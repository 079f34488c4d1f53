#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Devices that sleep until the stand-in for Apple's push service wakes them:
# which ones come, when, and for what; and what it keeps for those that are
# away.  curl sends the pushes, a small scripted server answers the devices.
#
#     prove t/sim/mdmsim_wake.t      MDM_SIM names another binary

use strict;
use warnings;

use Cwd ();
use File::Basename;
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use Test::More;
use Time::HiRes qw(sleep time);

my $root;

BEGIN {
    $root = Cwd::abs_path(dirname(__FILE__) . '/../..');
    unshift @INC, "$root/t/lib";
}

use MDM::APNs;
use MDM::Util qw(free_port read_file slurp_from spawn wait_exit wait_for
                 write_file);

my $sim = $ENV{MDM_SIM} || "$root/build/mdmsim";

plan skip_all => "no $sim: scripts/build sim makes it" unless -x $sim;

my $tmp = File::Temp->newdir('mdmsim-XXXXXX', TMPDIR => 1);
my $dir = "$tmp";
my $apns = MDM::APNs->new(dir => $dir);
my $cert = $apns->cert('com.apple.mgmt.External.test');
my (@ids, @tokens, @magics);


# the command is in the file, for who comes first; a line of the log each

sub answer {
    my ($c, $body) = @_;

    my ($id) = $body =~ /<key>UDID<\/key>\s*<string>([^<]+)/;
    my ($what) = $body =~ /<key>(?:Status|MessageType)<\/key>
                           \s*<string>(\w+)/x;
    my $text = '';

    if ($what eq 'Idle' && rename "$dir/command", "$dir/taken") {
        $text = '<plist><dict><key>CommandUUID</key><string>u</string>'
                . '<key>Command</key><dict><key>RequestType</key>'
                . '<string>DeviceLock</string></dict></dict></plist>';
    }

    open my $log, '>>', "$dir/visits" or die "visits: $!";
    print {$log} "$what $id\n";
    close $log or die "visits: $!";

    sleep 0.3 if -e "$dir/slow";

    return syswrite $c, "HTTP/1.1 200 OK\r\nContent-Length: "
                        . length($text) . "\r\n\r\n$text";
}


sub serve {
    my ($listen) = @_;

    my $all = IO::Select->new($listen);
    my %in;

    while (1) {
        for my $c ($all->can_read) {
            if ($c == $listen) {
                $all->add(scalar $c->accept);
                next;
            }

            if (!sysread $c, $in{$c}, 65536, length($in{$c} //= '')) {
                delete $in{$c};
                $all->remove($c);
                close $c;
                next;
            }

            while ($in{$c} =~ /\A.*?Content-Length: (\d+).*?\r\n\r\n/si
                   && length($in{$c}) >= $+[0] + $1)
            {
                my $n = $+[0] + $1;

                answer($c, substr $in{$c}, 0, $n, '');
            }
        }
    }

    return;
}


my $listen = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1')
    or die "listen: $!";
my $parent = $$;
my $server = fork // die "fork: $!";

if ($server == 0) {
    serve($listen);
    exit;
}

END {
    if (defined $parent && $$ == $parent) {
        my $rc = $?;

        kill 'KILL', $server if $server;
        waitpid $server, 0 if $server;
        $? = $rc;
    }
}

my $url = 'http://127.0.0.1:' . $listen->sockport . '/mdm';

for my $i (0 .. 2) {
    my $text = qx($sim message --device $i --what TokenUpdate);

    my ($id) = $text =~ /<key>UDID<\/key>\s*<string>([^<]+)/;
    my ($magic) = $text =~ /<key>PushMagic<\/key>\s*<string>([^<]+)/;
    my ($token) = $text =~ /<key>Token<\/key>\s*<data>([^<]+)/;

    push @ids, $id;
    push @magics, $magic;
    push @tokens, unpack 'H*', decode_base64($token);
}


sub pushed {
    my ($i, $magic) = @_;

    my $body = sprintf '{"mdm":"%s"}', $magic // $magics[$i];

    return qx(curl -sS --http2 -o /dev/null -w '%{http_code}' \\
              --cacert $apns->{ca}{file} --cert $cert->{file} \\
              --key $cert->{key} -d '$body' \\
              https://localhost:$apns->{port}/3/device/$tokens[$i] 2>&1);
}


my $running;

sub sleeping {
    unlink "$dir/visits";

    return $running = spawn({ out => "$dir/out" }, $sim, 'run', '--url', $url,
        '--count', 3, '--wake', $apns->{control}, '--quiet', @_);
}


sub ended {
    my $rc = (wait_exit($running, 20) // 0) >> 8;
    my $out = read_file("$dir/out");

    return { rc => $rc, out => $out, v => { $out =~ /^(\w+) ([\d.]+) /mg } };
}


sub visits {
    return map { my ($what, $id) = split ' ';
                 my ($i) = grep { $ids[$_] eq $id } 0 .. $#ids;
                 "$what $i" }
           split /\n/, slurp_from("$dir/visits", 0);
}


# nobody comes by himself

{
    sleeping('--duration', 1);

    my $r = ended();

    is("$r->{rc} $r->{v}{requests} $r->{v}{pushes}", '0 0 0', 'all sleep')
        or diag($r->{out});
}


# who was pushed to, comes

sleeping('--duration', 30);
sleep 0.3;

is(pushed(1), 200, 'a push');
ok(wait_for(5, sub { visits() }), 'a device comes');
is_deeply([ visits() ], [ 'Idle 1' ], 'that one, and asks once');

write_file("$dir/command", '');
pushed(2);
ok(wait_for(5, sub { visits() >= 3 }), 'another one comes');
is_deeply([ (visits())[1 .. 2] ], [ 'Idle 2', 'Acknowledged 2' ],
          'and does what waits for it');


# while it is there

write_file("$dir/slow", '');
pushed(0);
ok(wait_for(5, sub { visits() == 4 }), 'a device is there');
pushed(0);
unlink "$dir/slow";
ok(wait_for(5, sub { visits() == 5 }), 'a push meanwhile has it ask again');

kill 'TERM', $running;

{
    my $r = ended();

    is("$r->{rc} $r->{v}{pushes} $r->{v}{visits} $r->{v}{errors}", '0 4 4 0',
       'the report') or diag($r->{out});
}


# one push is kept for who is away, the last one

pushed(0, 'an-old-one');
pushed(0);
pushed(1);

sleeping('--duration', 1);

{
    my $r = ended();

    is("$r->{rc} $r->{v}{pushes} $r->{v}{pushes_wrong}", '0 2 0',
       'the last one is kept') or diag($r->{out});
    is_deeply([ sort(visits()) ], [ 'Idle 0', 'Idle 1' ],
              'who was away comes later');
}

sleeping('--duration', 1);
is(ended()->{v}{pushes}, 0, 'what was handed over is not kept');


# a device does not come for the magic of another one

sleeping('--duration', 2);
sleep 0.3;
pushed(0, $magics[1]);

{
    my $r = ended();

    is("$r->{rc} $r->{v}{pushes_wrong} $r->{v}{requests}", '1 1 0',
       'a wrong magic wakes nobody') or diag($r->{out});
}


# they enroll first

sleeping('--enroll', '--duration', 2);
ok(wait_for(5, sub { visits() == 9 }), 'with --enroll all come once');
is(scalar(grep { /^TokenUpdate / } visits()), 3, 'to enroll');
pushed(2);
is(ended()->{rc}, 0, 'and then sleep');
is((visits())[-1], 'Idle 2', 'until they are woken');


# how not to call it

for my $o ([ '--rate', 1 ], [ '--interval', 5 ]) {
    sleeping(@$o);
    is(ended()->{rc}, 2, "--wake with $o->[0]");
}

$apns->stop;
sleeping();
is(ended()->{rc}, 2, 'nobody is there');

done_testing();
