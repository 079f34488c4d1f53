#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# scripts/import-kmfddm: from a small server that answers as KMFDDM does, and
# from files, into another such server that notes what it is asked, and into
# the API of the module.

use strict;
use warnings;

use lib 't/lib';
use HTTP::Tiny ();
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Test::More;

use MDM;
use MDM::Util qw(read_file write_file spawn wait_exit);

my $t = MDM->new->start;
my $dir = $t->dir;
my $json = JSON::PP->new->utf8->canonical;
my @servers;

END { if (@servers) { my $rc = $?; kill 'TERM', @servers;
                      waitpid $_, 0 for @servers; $? = $rc } }


sub unescape { return $_[0] =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ger }


# a KMFDDM; what changes it goes to LOG, a line each: method, path and query

sub kmfddm {
    my ($log, $state) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Listen => 16, ReuseAddr => 1) or die "listen: $!";
    my $pid = fork // die "fork: $!";

    if ($pid) {
        push @servers, $pid;
        return 'http://127.0.0.1:' . $listen->sockport . '/kmf';
    }

    @servers = ();
    $SIG{TERM} = sub { POSIX::_exit(0) };
    alarm 120;

    my $auth = 'Basic ' . encode_base64('kmfddm:the key', '');

    while (my $c = $listen->accept) {
        my $in = '';

        while ($in !~ /\r\n\r\n/) {
            last unless sysread $c, $in, 65536, length $in;
        }

        my ($method, $uri) = $in =~ m{^(\S+) /kmf(\S+)} or next;
        my $len = $in =~ /^Content-Length: (\d+)/mi ? $1 : 0;
        my ($head, $body) = split /\r\n\r\n/, $in, 2;

        while (length $body < $len) {
            last unless sysread $c, $body, 65536, length $body;
        }

        my ($status, $out) = $head =~ /^Authorization: (.*)$/mi
            && $1 =~ /^\Q$auth\E\r?$/ ? serve($state, $method, $uri, $body)
                                      : (401, '');

        if ($method ne 'GET') {
            open my $fh, '>>', $log or die;
            print $fh "$method $uri $status\n";
            close $fh;
        }

        print $c "HTTP/1.1 $status X\r\nConnection: close\r\n"
            . ($status == 204 || $status == 304 ? "\r\n"
               : 'Content-Length: ' . length($out) . "\r\n\r\n$out");
        close $c;
    }

    POSIX::_exit(0);
}


sub serve {
    my ($s, $method, $uri, $body) = @_;

    my ($path, $query) = split /\?/, $uri, 2;
    my %q = map { map { unescape($_) } split /=/, $_, 2 }
            split /&/, $query // '';

    $path = unescape($path);

    if ($path eq '/v1/declarations') {
        return (200, $json->encode([ sort keys %{$s->{d}} ]))
            if $method eq 'GET';

        my $id = $json->decode($body)->{Identifier};

        return (400, '{"error":"no refuses"}') if $id =~ /refused/;
        return (304, '') if ($s->{d}{$id} // '') eq $body;
        $s->{d}{$id} = $body;
        return (204, '');
    }

    # Go's multiplexer cleans paths, and redirects

    return (301, '') if $path =~ m{//|/\.\.?(?:/|$)};
    return (200, $s->{d}{$s->{as}{$1}} // '') if $path =~ m{^/v1/declarations/(.*)}
                                           && exists $s->{as}{$1};
    return exists $s->{d}{$1} ? (200, $s->{d}{$1}) : (404, '')
        if $path =~ m{^/v1/declarations/(.*)};
    return (200, $json->encode([ sort keys %{$s->{set}} ]))
        if $path eq '/v1/sets';
    return (204, '') if $path eq '/v1/notify';

    my ($what, $name) = $path =~ m{^/v1/(set-declarations|enrollment-sets)
                                   /(.*)}x or return (404, '');
    my $part = $what eq 'set-declarations' ? 'set' : 'enrollment';
    my $value = $part eq 'set' ? $q{declaration} : $q{set};

    if ($method eq 'GET') {
        my @all = sort keys %{$s->{$part}{$name} || {}};

        return (200, @all ? $json->encode(\@all) : 'null');
    }

    return (304, '') if $s->{$part}{$name}{$value};
    $s->{$part}{$name}{$value} = 1;

    return (204, '');
}


# (exit code, standard output, standard error)

sub import_it {
    my (@args) = @_;

    local $ENV{KMFDDM_KEY} = 'the key';
    my $pid = spawn({ out => "$dir/import.out" }, 'sh', '-c',
        'exec "$@" 2> ' . "$dir/import.err", 'sh',
        "$MDM::root/scripts/import-kmfddm", @args);
    my $rc = wait_exit($pid, 60);

    return ($rc >> 8, read_file("$dir/import.out"),
            read_file("$dir/import.err"));
}


sub log_of { my ($name) = @_;
             my @lines = -e $name ? split /\n/, read_file($name) : ();
             unlink $name;
             return @lines }


my %d = (
    'a/1 x' => { Type => 'com.apple.activation.simple',
                 Payload => { StandardConfigurations => [ 'c1', 'c2' ] } },
    c1 => { Type => 'com.apple.configuration.management.test',
            Payload => { Echo => "\x{e9} \x{1f600}",
                         EchoDataAssetReference => 'z' } },
    c2 => { Type => 'com.apple.configuration.passcode.settings',
            Payload => { MinimumLength => 6, RequirePasscode => \1 } },
    z => { Type => 'com.apple.asset.useridentity',
           Payload => { FullName => 'x' } },
    m => { Type => 'com.apple.management.properties',
           Payload => { age => 18 } },
);

$d{$_}{Identifier} = $_ for keys %d;

my %text = map { $_ => $json->encode({ %{$d{$_}}, ServerToken => "t$_" }) }
           keys %d;
my $from = kmfddm("$dir/from.log", {
    d => { %text },
    set => { 'all of it' => { map { $_ => 1 } keys %d }, none => {},
             small => { z => 1, c1 => 1 } },
    enrollment => { 'E-1' => { 'all of it' => 1, small => 1 },
                    'E-1:u' => { small => 1 } },
});
my $to = kmfddm("$dir/to.log", {});

write_file("$dir/ids", "# ids\nE-1\n\n E-1:u \nE-2\n");

my @all = ('--from', $from, '--enrollments', "$dir/ids", '--to', $to,
           '--to-user', 'kmfddm:the key');


# dry

my ($rc, $out, $err) = import_it(@all, '--dry-run', '--notify');

is($rc, 0, 'dry run') or diag($err);
is(scalar(() = $out =~ m{^would PUT /v1/declarations\?nonotify=1: }mg), 5,
   'dry run: declarations');
like($out, qr{nonotify=1: the declaration "\Q$_\E" \($d{$_}{Type}\)$}m,
     "dry run: names $_") for sort keys %d;
like($out, qr{^would PUT /v1/set-declarations/small\?\S+: "z" of "small"$}m,
     'dry run: names what a set has');
is(scalar(() = $out =~ m{^would PUT /v1/set-declarations/}mg), 7,
   'dry run: sets');
is(scalar(() = $out =~ m{^would PUT /v1/enrollment-sets/}mg), 3,
   'dry run: enrollments');
is(join('', log_of("$dir/to.log")), '', 'dry run: nothing was sent');


# in earnest

($rc, $out, $err) = import_it(@all);
is($rc, 0, 'import') or diag($err);
is($out, "declarations: 5, of which 5 changed\nmembers: 7, of which 7"
   . " changed\nassignments: 3, of which 3 changed\n", 'import: the count');

my @log = log_of("$dir/to.log");

is(scalar(grep { !/nonotify=1/ } @log), 0, 'import: no device is told');
is(scalar @log, 15, 'import: no call more');

{
    my $r = HTTP::Tiny->new->get("$to/v1/declarations",
        { headers => { Authorization => 'Basic '
                       . encode_base64('kmfddm:the key', '') } });

    is_deeply($json->decode($r->{content}), [ sort keys %d ],
              'import: all are there');

    for my $id (sort keys %d) {
        $r = HTTP::Tiny->new->get("$to/v1/declarations/"
            . $id =~ s/([^\w])/sprintf '%%%02X', ord $1/ger,
            { headers => { Authorization => 'Basic '
                           . encode_base64('kmfddm:the key', '') } });
        is($r->{content}, $text{$id}, "import: $id, byte for byte");
    }
}

($rc, $out, $err) = import_it(@all, '--notify');
is($rc, 0, 'again') or diag($err);
like($out, qr/declarations: 5, of which 0 changed/, 'again: nothing new');
is(scalar(grep { /notify\?/ } log_of("$dir/to.log")), 0,
   'again: nobody is told');


# one notification, of what changed

my $second = kmfddm("$dir/second.log", { set => { small => { z => 1 } } });

($rc, $out, $err) = import_it('--from', $from, '--to', $second, '--to-user',
    'kmfddm:the key', '--enrollments', "$dir/ids", '--notify', '--quiet');
is($rc, 0, 'notify') or diag($err);
is($out, '', 'notify: quiet');
@log = log_of("$dir/second.log");
is_deeply([ grep { /v1.notify/ } @log ],
          [ 'POST /v1/notify?set=all%20of%20it&set=small&id=E-1&id=E-1:u'
            . ' 204' ], 'notify: once, at the end');
like($log[-1], qr/notify/, 'notify: last');


# from files; one is refused, one is nonsense

mkdir "$dir/files";
write_file("$dir/files/$_.json", $text{$_}) for qw(c1 c2 z);
write_file("$dir/files/refused.json", $text{c1} =~ s/"c1"/"refused"/r);
write_file("$dir/files/bad.json", '{"Type":"com.apple.x.y"');
write_file("$dir/files/bad2.json",
           '{"Type":"com.apple.x.y","Identifier":"x","Payload":{}}');
write_file("$dir/files/readme.txt", 'not a declaration');

my $third = kmfddm("$dir/third.log", {});

($rc, $out, $err) = import_it('--dir', "$dir/files", '--set', 'files',
    '--to', $third, '--to-user', 'kmfddm:the key');
is($rc, 1, 'files: some are wrong');
like($err, qr/bad\.json" is not a declaration/, 'files: not JSON');
like($err, qr/"com\.apple\.x\.y" is of no kind/, 'files: type');
like($err, qr/"refused" \(com\.apple\.\S+\): 400: no refuses/,
     'files: what the server says');
like($out, qr/^declarations: 3, of which 3 changed$/m,
     'files: the others are copied');


# identifiers that the source cannot serve: a line each, and all the rest

my %odd = ('/a' => $text{z} =~ s/"z"/"\/a"/r, 'a//b' => $text{z},
           '..' => $text{z}, other => $text{c2}, gone => $text{z});
my $half = kmfddm("$dir/half.log", {
    d => { %text, %odd }, as => { other => 'c2', gone => 'nowhere' },
    set => { small => { z => 1, c1 => 1, '/a' => 1 }, 'a/../b' => { z => 1 } },
    enrollment => { 'E-1' => { small => 1 } },
});
my $fourth = kmfddm("$dir/fourth.log", {});

write_file("$dir/odd-ids", "..\nE-1\n");
($rc, $out, $err) = import_it('--from', $half, '--to', $fourth, '--to-user',
    'kmfddm:the key', '--enrollments', "$dir/odd-ids");
is($rc, 1, 'not served: that is said');
like($err, qr/the declaration "\Q$_\E": GET \S+: (?:301|200)/, "not served: $_")
    for '/a', 'a//b', '..';
like($err, qr/the declaration "other": its server answers with "c2"/,
     'not served: another one in its place');
like($err, qr/the declaration "gone" is not a declaration/,
     'not served: nothing in its place');
like($err, qr{the set "a/\.\./b": GET \S+: 301}, 'not served: a set');
like($err, qr{the sets of "\.\.": GET \S+: 301}, 'not served: an enrollment');
like($err, qr{the set "small" names "/a", which is not there},
     'not served: nor what a set has of it');
like($out, qr/^declarations: 5, of which 5 changed$/m,
     'not served: the others are copied');
like($out, qr/^members: 2, of which 2 changed$/m, 'not served: and sets');
like($out, qr/^assignments: 1, of which 1 changed$/m,
     'not served: and assignments');


# clear errors

{
    local $ENV{KMFDDM_KEY};

    ($rc, $out, $err) = import_it('--from', $from, '--to', $to, '--key',
                                  'wrong');
    is($rc, 1, 'a wrong key');
    like($err, qr/refuses the user "kmfddm"/, 'a wrong key: said');
}

($rc, $out, $err) = import_it('--from', $from, '--to', $to);
like($err, qr/see --to-user/, 'no password of the API');
($rc, $out, $err) = import_it('--from', 'http://127.0.0.1:1', '--to', $to);
is($rc, 1, 'nobody is there');
like($err, qr/127\.0\.0\.1:1/, 'nobody is there: said');
is((import_it('--to', $to))[0], 2, 'neither --from nor --dir');


# into the module's own API

SKIP: {
    my $api = 'http://127.0.0.1:' . $t->plain_port . '/api';

    skip 'no declarations in this build', 9
        if $t->api(GET => '/v1/declarations')->status == 404;

    $t->device('E-1')->enroll->user('u')->enroll;
    $t->device('E-2')->enroll;

    my @own = ('--from', $from, '--enrollments', "$dir/ids", '--to', $api);

    ($rc, $out, $err) = import_it(@own);
    is($rc, 0, 'own API') or diag($err);
    like($out, qr/members: 7, of which 7 changed/, 'own API: all is new');
    is_deeply([ sort @{$t->api(GET => '/v1/declarations')->json} ],
              [ sort keys %d ], 'own API: declarations');
    is_deeply($t->api(GET => '/v1/declarations/c2')->json->{Payload},
              { MinimumLength => 6, RequirePasscode => JSON::PP::true },
              'own API: a payload');
    is_deeply([ sort @{$t->api(GET => '/v1/set-declarations/small')->json} ],
              [ 'c1', 'z' ], 'own API: a set');
    is_deeply([ sort @{$t->api(GET => '/v1/enrollment-sets/E-1')->json} ],
              [ 'all of it', 'small' ], 'own API: sets of a device');
    is_deeply($t->api(GET => '/v1/enrollment-sets/E-1:u')->json,
              [ 'small' ], 'own API: sets of a user');

    ($rc, $out, $err) = import_it(@own);
    is($rc, 0, 'own API, again') or diag($err);
    is($out, "declarations: 5, of which 0 changed\nmembers: 7, of which 0"
       . " changed\nassignments: 3, of which 0 changed\n",
       'own API, again: nothing new');

    # names that a path cannot hold, and what the check refuses

    mkdir "$dir/more";
    write_file("$dir/more/1.json", $json->encode({ Identifier => '/a//b',
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => 'x' } }));
    write_file("$dir/more/2.json", $json->encode({ Identifier => 'wrong',
        Type => 'com.apple.configuration.passcode.settings',
        Payload => { MinimumLength => 'six' } }));

    @own = ('--dir', "$dir/more", '--set', '../x', '--to', $api);

    ($rc, $out, $err) = import_it(@own);
    is($rc, 1, 'own API: the check refuses one');
    like($err, qr/"wrong" \(com\S+\): 400: Payload\.MinimumLength/,
         'own API: which, and why');
    is_deeply($t->api(GET => '/v1/set-declarations?identifier=..%2Fx')->json,
              [ '/a//b' ], 'own API: a set that no path can hold');
    ($rc, $out, $err) = import_it(@own, '--no-validate');
    is($rc, 0, 'own API: --no-validate') or diag($err);
    is_deeply([ sort @{$t->api(GET => '/v1/set-declarations?identifier=..%2Fx')
                       ->json} ], [ '/a//b', 'wrong' ],
              'own API: all is there');
}

finish;
