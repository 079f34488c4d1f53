#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# An enrolled device that means harm: plists that are bombs, ids that would
# break a key, a hash tag or a line of the log; and limits, exactly.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;

use constant {
    CHECKIN => 'application/x-apple-aspen-mdm-checkin',
    CONNECT => 'application/x-apple-aspen-mdm',
    FORGED => '2026/11/24 00:00:00 [notice] 1#1: forged',
};


my $t = MDM->new(store => 'timeout 20s;', locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /memory {
            mdm_checkin on;
            mdm_connect on;
            client_body_buffer_size 8m;
        }
        location /limits {
            mdm_checkin on;
            mdm_connect on;
            mdm_plist_depth 5;
            mdm_plist_nodes 50;
        }
        location /accept {
            mdm_checkin on;
            mdm_user_authenticate accept;
        }
        location /api/ { mdm_api on; }
        location /limits-api/ {
            mdm_api on;
            mdm_plist_depth 5;
            mdm_plist_nodes 50;
        }
END

my $d = $t->device('HOSTILE')->enroll;
my ($enrollment) = @{$t->redis('KEYS', 'mdm:*:e:HOSTILE')};
my ($worker) = $t->workers;

# 50 ms of CPU; a sanitizer makes all slower

my $asan = MDM::Util::read_file($t->nginx_binary) =~ /__asan_init/;
my $limit = 0.050 * ($asan ? 15 : 1);

my $peak = 0;


# seconds of CPU that the worker has used

sub cpu {
    my ($ns) = MDM::Util::read_file("/proc/$worker/schedstat") =~ /^(\d+) /
        or die "no schedstat of the worker";

    return $ns / 1e9;
}


# A body that a check-in must refuse.  Of a report to connect only the top
# level is read: what stands before the place where its nesting breaks counts,
# and these begin with a UDID and "Idle", unless "connect" says 400.  It may
# take one of three tries to be quick enough: pages that the kernel has to
# find first are not our doing.

sub hostile {
    my ($name, $body, %o) = @_;

    my $path = $o{path} // '/mdm';
    my $best = 1e9;
    my %status;

    # an Idle writes it once a minute

    $t->redis('HSET', $enrollment, 'last_seen', $t->redis('TIME')->[0]);

    my $before = $t->redis_dump;

    for my $type (CONNECT, CHECKIN) {
        for (1 .. 3) {
            my $begin = cpu();
            my $r = $t->request('PUT', $path, cert => $d->cert,
                                body => $body,
                                headers => [ 'Content-Type' => $type ]);
            my $used = cpu() - $begin;

            $status{$type}{$r->status . ' ' . length $r->body} = 1;
            $best = $used if $used < $best;
            last if $used < $limit;
        }

        cmp_ok($best, '<', $limit, sprintf '%s: %.1f ms', $name,
               $best * 1000);
        $peak = $best if $best > $peak;
        $best = 1e9;
    }

    my $connect = $o{connect} // 200;

    is_deeply([ keys %{$status{+CHECKIN}} ], [ '400 0' ],
              "$name: check-in: 400, no body");
    is_deeply([ keys %{$status{+CONNECT}} ], [ "$connect 0" ],
              "$name: connect: $connect, no body");
    ok($t->redis_dump eq $before, "$name: Redis is unchanged");
    is_deeply([ $t->workers ], [ $worker ], "$name: the worker lives");

    return;
}


# What the device would say, with room for more: good by itself as an Idle
# and as a check-in.

my $doctype = '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" '
    . '"http://www.apple.com/DTDs/PropertyList-1.0.dtd">';
my $head = qq{<?xml version="1.0" encoding="UTF-8"?>\n$doctype\n};
my $open = '<plist version="1.0"><dict><key>UDID</key><string>HOSTILE</string>'
    . '<key>Status</key><string>Idle</string>'
    . '<key>MessageType</key><string>ReturnToService</string>';
my $close = '</dict></plist>';
my $good = $head . $open . $close;


sub xml { return $head . $open . $_[0] . $close }


sub good {
    my ($name, $body, %o) = @_;

    my $before = $t->redis_dump;
    my @status;

    for my $type (CONNECT, CHECKIN) {
        my $r = $t->request('PUT', $o{path} // '/mdm', cert => $d->cert,
                            headers => [ 'Content-Type' => $type ],
                            body => $body);

        push @status, $r->status;
    }

    is_deeply(\@status, [ 200, 200 ], "$name: 200");
    ok($t->redis_dump eq $before, "$name: Redis is unchanged");

    return;
}


# a binary plist of objects that are given as bytes

sub bplist {
    my ($objects, %o) = @_;

    my $out = 'bplist00';
    my @offsets;

    for my $object (@$objects) {
        push @offsets, length $out;
        $out .= $object;
    }

    my $table = length $out;
    my $wide = $table > 255;

    $out .= pack(($wide ? 'n*' : 'C*'), @offsets);

    return $out . pack('x6 C C Q> Q> Q>', $o{offset_size} // ($wide ? 2 : 1),
        $o{ref_size} // 1, $o{count} // scalar @$objects, $o{root} // 0,
        $o{table} // $table);
}


sub bstring {
    my ($s) = @_;

    return pack('C', 0x50 + length $s) . $s if length $s < 15;
    return pack('C C C', 0x5f, 0x10, length $s) . $s;
}


# the message in binary: objects 1 to 6 are its keys and values, 7 the key of
# the eighth

sub binary {
    my ($more, %o) = @_;

    return bplist([
        pack('C*', 0xd4, 1, 3, 5, 7, 2, 4, 6, 8),
        (map { bstring($_) } qw(UDID HOSTILE Status Idle MessageType
                                ReturnToService More)), @$more ], %o);
}


good('a good message', $good);
good('a good message without prolog', $open . $close);
good('a good message, binary', binary([ bstring('x') ]));
good('an array, binary', binary([ pack('C*', 0xa1, 7) ]));


# bombs, within 50 ms of the worker's CPU

# each array holds the next one twice: 2^28 strings

my $bomb = bplist([ pack('C*', 0xd1, 1, 2), bstring('a'),
                    (map { pack 'C*', 0xa2, $_ + 1, $_ + 1 } 2 .. 29),
                    bstring('abc') ]);

is(length $bomb, 164, 'a bomb of 164 bytes');
hostile('a bomb of 164 bytes', $bomb, connect => 400);
hostile('a bomb in a message', binary([
    (map { pack 'C*', 0xa2, $_ + 1, $_ + 1 } 8 .. 35), bstring('x') ]));
hostile('a bomb of dictionaries', binary([
    (map { pack 'C*', 0xd2, 1, 3, $_ + 1, $_ + 1 } 8 .. 35), bstring('x') ]));
hostile('a bomb, 15 to each', binary([
    (map { pack 'C*', 0xae, ($_ + 1) x 14 } 8 .. 35), bstring('x') ]));

for my $n (2 * 1024 * 1024, 480_000) {
    my $what = sprintf '%.1f MB of nested arrays', $n / 1e6;
    my $half = int $n / 15;

    hostile($what, xml('<key>A</key>' . '<array>' x $half
                       . '</array>' x $half));
    hostile("$what, never closed", $head . $open . '<key>A</key>'
            . '<array>' x ($n / 7));
    hostile("$what, from the start", '<plist>' . '<array>' x $half
            . '</array>' x $half . '</plist>', connect => 400);
    hostile("$what, in memory", xml('<key>A</key>' . '<array>' x $half
                                    . '</array>' x $half),
            path => '/memory');
    hostile("$what: dictionaries", xml('<key>A</key>'
            . '<dict><key>k</key>' x ($n / 25) . '<true/>'
            . '</dict>' x ($n / 25)));
    hostile("$what: empty ones, side by side",
            xml('<key>A</key><array>' . '<array/>' x ($n / 8) . '</array>'))
        if $n > 1e6;
}

hostile('nested arrays, binary', binary([
    (map { pack 'C*', 0xa1, $_ + 1 } 8 .. 100), bstring('x') ]));

my $laughs = join '', map {
    qq{<!ENTITY l$_ "} . ('&l' . ($_ - 1) . ';') x 10 . '">' } 1 .. 9;

hostile('billion laughs', '<?xml version="1.0"?><!DOCTYPE plist [ '
        . "<!ENTITY l0 \"lol\">$laughs ]>$open<key>A</key>"
        . "<string>&l9;</string>$close", connect => 400);
hostile('quadratic blow-up', '<?xml version="1.0"?><!DOCTYPE plist [ '
        . '<!ENTITY a "' . 'a' x 50000 . "\">]>$open<key>A</key><string>"
        . '&a;' x 50000 . "</string>$close", connect => 400);
hostile('external entity', '<?xml version="1.0"?><!DOCTYPE plist [ '
        . "<!ENTITY x SYSTEM \"file:///etc/passwd\"> ]>$open<key>A</key>"
        . "<string>&x;</string>$close", connect => 400);
hostile('unknown entity', xml('<key>A</key><string>&x;</string>'));

hostile('100,000 keys', xml(join '', map { "<key>k$_</key><true/>" }
                            1 .. 100_000));
hostile('100,000 keys, all the same', xml('<key>k</key><true/>' x 100_000));
hostile('40,000 keys, all the same', xml('<key>k</key><true/>' x 40_000));
hostile('100,000 keys without values', xml('<key>k</key>' x 100_000));
hostile('2 MB of <', xml('<' x 2e6));
hostile('2 MB of comments', xml('<!-- -->' x 250_000 . '<key>'));
hostile('a comment of 2 MB, never closed', xml('<!--' . '-' x 2e6));
hostile('a string of 2 MB, never closed',
        $head . $open . '<key>A</key><string>' . 'x' x 2e6);
hostile('2 MB of entities, never closed',
        $head . $open . '<key>A</key><string>' . '&amp;' x 400_000);
hostile('2 MB of CDATA, never closed',
        $head . $open . '<key>A</key><string>' . '<![CDATA[' x 220_000);
hostile('2 MB of ]]', $head . $open . '<key>A</key><string><![CDATA['
        . ']]' x 1e6);
hostile('2 MB of attributes', '<plist ' . 'a="b" ' x 330_000,
        connect => 400);
hostile('2 MB of processing instructions', '<?x?>' x 400_000,
        connect => 400);
hostile('2 MB of white space', ' ' x 2e6, connect => 400);
hostile('2 MB of zeros', "\0" x 2e6, connect => 400);
hostile('2 MB of bad base64', xml('<key>A</key><data>' . 'A' x 2e6
                                  . '!</data>'));
hostile('a number of 2 MB', xml('<key>A</key><integer>' . '9' x 2e6
                                . '</integer>'));
hostile('2 MB behind the plist', $good . 'x' x 2e6);

cmp_ok($peak, '<', $limit, sprintf 'the most a bomb took: %.1f ms',
       $peak * 1000);


# broken ones

{
    my $body = xml('<key>A</key><array><string>s</string><data>AAAA</data>'
                   . '<integer>1</integer></array>');
    my $end = length($body) - 1;

    good('before it is truncated', $body);
    hostile("truncated at $_ of $end", substr($body, 0, $_), connect =>
            substr($body, 0, $_) =~ m{Idle</string>} ? 200 : 400)
        for map { int $end * $_ / 10 } 1 .. 9;
    hostile("truncated by $_", substr $body, 0, length($body) - $_)
        for 1, 2, 8, 9;

    $body = plist_binary({ UDID => 'HOSTILE', Status => 'Idle',
        MessageType => 'ReturnToService', A => [ 1, 'two' ],
        D => plist_data("\0" x 100) });
    good('before it is truncated, binary', $body);
    hostile("binary: truncated at $_", substr($body, 0, $_), connect => 400)
        for map { int length($body) * $_ / 6 } 1 .. 5;
    hostile("binary: truncated by $_", substr($body, 0, length($body) - $_),
            connect => 400)
        for 1, 8, 32;
    hostile('binary: something behind it', $body . 'x', connect => 400);

    # each byte of the trailer

    for my $at (1 .. 26) {
        my $bad = $body;

        substr $bad, -$at, 1, "\xff";
        hostile("binary: byte $at from the end is ff", $bad, connect => 400)
            unless $at == 1 && ord substr($body, -1) == 255;
    }
}

for my $order ('le', 'be') {
    my $pack = $order eq 'le' ? 'v*' : 'n*';
    my $text = pack $pack, map { ord } split //,
        $good =~ s/UTF-8/UTF-16/r;

    hostile("UTF-16$order", pack($pack, 0xfeff) . $text, connect => 400);
    hostile("UTF-16$order without BOM", $text, connect => 400);
}

hostile('declared UTF-16', $good =~ s/UTF-8/UTF-16/r);
hostile('declared ISO-8859-1', $good =~ s/UTF-8/ISO-8859-1/r);
hostile('declared UTF-7', $good =~ s/UTF-8/UTF-7/r);

my $s = sub { return xml("<key>A</key>$_[0]") };

# those of the following that do not say who speaks, or say it twice

my %unfound = map { $_ => 1 } (
    'NUL in front', 'NUL in the UDID', 'a key twice', 'two roots', 'no root',
    'only the prolog', 'HTML', 'JSON', 'bplist00 alone',
    'bplist of another version', 'noise', 'noise behind bplist00',
    '2^63 objects', '2^32 objects', 'no objects', 'another root',
    'a root that is not there', 'a root of 2^63', 'offsets of no bytes',
    'offsets of 255 bytes', 'references of no bytes',
    'references of 255 bytes', 'an offset table at 0',
    'an offset table behind the end', 'an offset table at 2^63',
    'an offset table at 2^64 - 1'
);

for my $case (
    [ 'NUL in a string', $s->("<string>a\0b</string>") ],
    [ 'NUL as an entity', $s->('<string>&#0;</string>') ],
    [ 'NUL in a key', xml("<key>A\0B</key><true/>") ],
    [ 'NUL in a tag', $s->("<str\0ing>a</string>") ],
    [ 'NUL in front', "\0$good" ],
    [ 'NUL behind', "$good\0" ],
    [ 'NUL in the UDID', $good =~ s/HOSTILE/HOSTILE\0/r ],
    [ 'a broken UTF-8', $s->("<string>\xff</string>") ],
    [ 'an overlong UTF-8', $s->("<string>\xc0\xaf</string>") ],
    [ 'a surrogate', $s->("<string>\xed\xa0\x80</string>") ],
    [ 'a surrogate as an entity', $s->('<string>&#xd800;</string>') ],
    [ 'beyond Unicode', $s->('<string>&#x110000;</string>') ],
    [ 'an entity of many digits', $s->('<string>&#' . '1' x 1000
                                       . ';</string>') ],
    [ 'an entity, not closed', $s->('<string>&#65</string>') ],
    [ 'a key twice', xml('<key>UDID</key><string>OTHER</string>') ],
    [ 'no value', $s->('') ],
    [ 'a value without a key', xml('<true/>') ],
    [ 'two values', $s->('<true/><true/>') ],
    [ 'a key in an array', $s->('<array><key>B</key></array>') ],
    [ 'text in a dictionary', $s->('text<true/>') ],
    [ 'an unknown element', $s->('<script>x</script>') ],
    [ 'an element in another case', $s->('<TRUE/>') ],
    [ 'an element within a string', $s->('<string>a<b/></string>') ],
    [ 'wrong order of ends', $s->('<array><dict></array></dict>') ],
    [ 'a bad number', $s->('<integer>12x</integer>') ],
    [ 'no number', $s->('<integer></integer>') ],
    [ 'a number over 64 bits', $s->('<integer>99999999999999999999'
                                    . '</integer>') ],
    [ 'a bad real', $s->('<real>a lot</real>') ],
    [ 'a bad date', $s->('<date>yesterday</date>') ],
    [ 'a date of no month', $s->('<date>2026-13-01T00:00:00Z</date>') ],
    [ 'bad base64', $s->('<data>****</data>') ],
    [ 'two plists', "$good$good" ],
    [ 'two roots', "<plist>$head<dict/><dict/></plist>" ],
    [ 'no root', '<plist version="1.0"></plist>' ],
    [ 'only the prolog', $head ],
    [ 'HTML', '<html><body>hello</body></html>' ],
    [ 'JSON', '{"UDID":"HOSTILE","Status":"Idle"}' ],
    [ 'bplist00 alone', 'bplist00' ],
    [ 'bplist of another version', 'bplist15' . substr binary([ "\x09" ]),
      8 ],
    [ 'noise', join '', map { chr int rand 256 } 1 .. 10000 ],
    [ 'noise behind bplist00', 'bplist00' . join '', map { chr int rand 256 }
                               1 .. 10000 ],

    # binary, with counts that are not true

    [ 'an array of 2^63', binary([ pack 'C C Q>', 0xaf, 0x13, 1 << 63 ]) ],
    [ 'an array of 2^32', binary([ pack 'C C Q>', 0xaf, 0x13, 1 << 32 ]) ],
    [ 'an array of 2^31 - 1', binary([ pack 'C C N', 0xaf, 0x12,
                                       0x7fffffff ]) ],
    [ 'a dictionary of 2^63', binary([ pack 'C C Q>', 0xdf, 0x13,
                                       1 << 63 ]) ],
    [ 'a dictionary of 2^64 - 1', binary([ pack 'C C Q>', 0xdf, 0x13, ~0 ]) ],
    [ 'a string of 2^64 - 1', binary([ pack 'C C Q>', 0x5f, 0x13, ~0 ]) ],
    [ 'a string of 2^40', binary([ pack 'C C Q>', 0x5f, 0x13, 1 << 40 ]) ],
    [ 'UTF-16 of 2^63', binary([ pack 'C C Q>', 0x6f, 0x13, 1 << 63 ]) ],
    [ 'data of 2^62', binary([ pack 'C C Q>', 0x4f, 0x13, 1 << 62 ]) ],
    [ 'data longer than the plist', binary([ pack 'C C C', 0x4f, 0x10,
                                             200 ]) ],
    [ 'a count of no integer', binary([ pack 'C C', 0xaf, 0x50 ]) ],
    [ 'an integer of 2^15 bytes', binary([ pack 'C', 0x1f ]) ],
    [ 'a real of 2^15 bytes', binary([ pack 'C', 0x2f ]) ],
    [ 'an unknown marker', binary([ "\x70" ]) ],
    [ 'a cycle', binary([ pack 'C C', 0xa1, 0 ]) ],
    [ 'an array in itself', binary([ pack 'C C', 0xa1, 8 ]) ],
    [ 'a cycle of three', binary([ pack('C C', 0xa1, 9),
                                   pack('C C', 0xa1, 10),
                                   pack('C C', 0xa1, 8) ]) ],
    [ 'a reference to nothing', binary([ pack 'C C', 0xa1, 200 ]) ],
    [ 'a key that is a number', binary([ pack('C*', 0xd1, 9, 1),
                                         "\x10\x01" ]) ],
    [ 'a key that is an array', binary([ pack('C*', 0xd1, 9, 1),
                                         "\xa0" ]) ],
    [ 'a key twice, binary', binary([ pack 'C*', 0xd2, 1, 1, 2, 2 ]) ],
    [ 'NUL in a string, binary', binary([ bstring("a\0b") ]) ],
    [ 'half a surrogate, binary', binary([ "\x61\xd8\x00" ]) ],
    [ 'a date that is none', binary([ pack 'C Q>', 0x33, ~0 ]) ],
    [ '2^63 objects', binary([ "\x09" ], count => 1 << 63) ],
    [ '2^32 objects', binary([ "\x09" ], count => 1 << 32) ],
    [ 'no objects', binary([ "\x09" ], count => 0) ],
    [ 'another root', binary([ "\x09" ], root => 1) ],
    [ 'a root that is not there', binary([ "\x09" ], root => 200) ],
    [ 'a root of 2^63', binary([ "\x09" ], root => 1 << 63) ],
    [ 'offsets of no bytes', binary([ "\x09" ], offset_size => 0) ],
    [ 'offsets of 255 bytes', binary([ "\x09" ], offset_size => 255) ],
    [ 'references of no bytes', binary([ "\x09" ], ref_size => 0) ],
    [ 'references of 255 bytes', binary([ "\x09" ], ref_size => 255) ],
    [ 'an offset table at 0', binary([ "\x09" ], table => 0) ],
    [ 'an offset table behind the end', binary([ "\x09" ], table => 4096) ],
    [ 'an offset table at 2^63', binary([ "\x09" ], table => 1 << 63) ],
    [ 'an offset table at 2^64 - 1', binary([ "\x09" ], table => ~0) ],
) {
    hostile(@$case, $unfound{$case->[0]} ? (connect => 400) : ());
}


# commands, by an administrator's mistake

{
    my $before = $t->redis_dump;

    for my $case (
        [ 'a bomb', $bomb ],
        [ 'nested arrays', '<plist>' . '<array>' x 100_000
                           . '</array>' x 100_000 . '</plist>' ],
        [ '100,000 keys', xml(join '', map { "<key>k$_</key><true/>" }
                              1 .. 100_000) ],
        [ 'billion laughs', "<!DOCTYPE plist [<!ENTITY l0 \"l\">$laughs]>"
                            . '<plist><string>&l9;</string></plist>' ],
    ) {
        my ($name, $body) = @$case;

        for my $call ([ 'PUT', '/v1/enqueue/HOSTILE' ],
                      [ 'PUT', '/migration' ])
        {
            my $begin = cpu();
            my $r = $t->api(@$call, body => $body);

            cmp_ok(cpu() - $begin, '<', $limit * 2, "$name: $call->[1]: CPU");
            is($r->status, 400, "$name: $call->[1]: 400");
        }
    }

    for my $nesting (100_000, 1000) {
        my $r = $t->api('PUT', '/v1/enqueue/HOSTILE',
            headers => [ 'Content-Type' => 'application/json' ],
            body => '[' x $nesting . ']' x $nesting);

        is($r->status, 400, "JSON nested $nesting times: 400");

        $r = $t->api('PUT', '/v1/enqueue/HOSTILE',
            headers => [ 'Content-Type' => 'application/json' ],
            body => '{"RequestType":"X","A":' . '[' x $nesting . ']' x $nesting
                    . '}');
        is($r->status, 400, "JSON nested $nesting times, in a command: 400");

        $r = $t->api('POST', '/v1/enrollments/query',
            body => '{"filter":' x $nesting . '{}' . '}' x $nesting);
        is($r->status, 400, "a query nested $nesting times: 400");
    }

    ok($t->redis_dump eq $before, 'broken commands: Redis is unchanged');
    is_deeply([ $t->workers ], [ $worker ],
              'broken commands: the worker lives');
}


# limits, exactly: one more is too much

sub nested { return '<array>' x $_[0] . '</array>' x $_[0] }
sub many { return '<array>' . '<true/>' x $_[0] . '</array>' }

# the root is one container; a message of three keys has 7 values with its
# own, and A and its array are two more

good('mdm_plist_depth 5', $s->(nested(4)), path => '/limits');
hostile('mdm_plist_depth 5: 6', $s->(nested(5)), path => '/limits');
good('mdm_plist_nodes 50', $s->(many(41)), path => '/limits');
hostile('mdm_plist_nodes 50: 51', $s->(many(42)), path => '/limits');
good('mdm_plist_nodes 50, as pairs', xml(join('', map {
    "<key>k$_</key><true/>" } 1 .. 21)), path => '/limits');
hostile('mdm_plist_nodes 50, as pairs: 51', xml(join('', map {
    "<key>k$_</key><true/>" } 1 .. 22)), path => '/limits');

my $deep = sub { binary([ (map { pack 'C*', 0xa1, $_ + 8 } 1 .. $_[0] - 1),
                          "\xa0" ]) };
my $wide = sub { binary([ pack('C C C a*', 0xaf, 0x10, $_[0],
                               "\x07" x $_[0]) ]) };

good('mdm_plist_depth 5, binary', $deep->(4), path => '/limits');
hostile('mdm_plist_depth 5, binary: 6', $deep->(5), path => '/limits');
good('mdm_plist_nodes 50, binary', $wide->(41), path => '/limits');
hostile('mdm_plist_nodes 50, binary: 51', $wide->(42), path => '/limits');

good('the default depth, 32', $s->(nested(31)));
hostile('the default depth: 33', $s->(nested(32)));
good('the default depth, 32, binary', $deep->(31));
hostile('the default depth, binary: 33', $deep->(32));
good('the default number of values, 100000', $s->(many(99_991)));
hostile('the default number of values: 100001', $s->(many(99_992)));

{
    my $command = sub {
        my ($uuid, $more) = @_;

        return $t->request('PUT', '/limits-api/v1/enqueue/HOSTILE?validate=0',
            body => "<plist><dict><key>CommandUUID</key><string>$uuid</string>"
            . '<key>Command</key><dict><key>RequestType</key>'
            . "<string>ProfileList</string><key>A</key>$more</dict></dict>"
            . '</plist>')->status;
    };

    is($command->('depth-5', nested(3)), 200, 'a command, depth 5: 200');
    is($command->('depth-6', nested(4)), 400, 'a command, depth 6: 400');
    is($command->('nodes-50', many(41)), 200, 'a command, 50 values: 200');
    is($command->('nodes-51', many(42)), 400, 'a command, 51 values: 400');
    is_deeply([ map { $_->{command_uuid} }
                @{$t->api('GET', '/v1/queue/HOSTILE')->json->{commands}} ],
              [ 'depth-5', 'nodes-50' ], 'commands within the limits');
    $t->api('DELETE', '/v1/queue/HOSTILE');
}


# ids

sub escape {
    my ($s, $more) = @_;

    return $s =~ s/([^A-Za-z0-9.~\@+_$more-])/sprintf '%%%02X', ord $1/ger;
}


sub tag {
    my ($id) = @_;

    my $crc = 0;

    for my $byte (unpack 'C*', $id) {
        $crc ^= $byte << 8;
        $crc = ($crc & 0x8000 ? $crc << 1 ^ 0x1021 : $crc << 1) & 0xffff
            for 1 .. 8;
    }

    return 'mdm:{default/' . $crc % 256 . '}';
}


sub shown { return $_[0] =~ s/([^\x21-\x7e])/sprintf '\\x%02x', ord $1/ger
                   =~ s/^(.{40}).*/$1.../sr }


my @harmless = (
    'a}b', '{b', '}{', '{default/1}', '{}', '}-e-HOSTILE', 'a"b', "a'b",
    'a\\b', 'a\\nb', '%', '%41', '%0a', '%00', '*', '?', '[a-z]', '^', '$HOME',
    '`id`', '../../etc', '/', 'a,b', 'a b', ' ', '<b>', '&amp;', '#', '=', ';',
    '|', '~', '@', '+', '-', '.', '_', '"] = nil; return {1} --', 'NULL',
    "\xc3\xa9", "\xf0\x9f\x8d\x8e", "\xe2\x80\xa8", "\xc2\x85", "\xc2\x9b1m",
    "\xe2\x80\xae", 'x' x 255, '%' x 255, "\xc3\xa9" x 127 . 'x',
);

my @harmful = (
    "\n", "a\n" . FORGED, "a\r\nb", "\t", "\x01", "\x1b[31m", "\x7f",
    "\x1f", 'x' x 256, "\xc3\xa9" x 128, 'x' x 100_000, "a\x{b}",
);

# of a device, without a colon; of users with one

my $n = 0;

for my $id (@harmless) {
    my $shown = 'id "' . shown($id) . '"';
    my $device = $t->device($id, cert => $t->cert(cn => 'id' . ++$n));

    is($device->authenticate->status, 200, "$shown: Authenticate");
    is($device->token_update(PushMagic => "m$n")->status, 200,
       "$shown: TokenUpdate");
    is($t->redis('HGET', tag($id) . ':e:' . escape($id, ''), 'magic'), "m$n",
       "$shown: its key");
    is($t->redis('GET', "mdm:{default/cert:$device->{cert}{sha256}}"),
       escape($id, ''), "$shown: its certificate's key");

    my $r = $t->api('POST', '/v1/enrollments/query', body =>
        JSON::PP->new->utf8->encode({ filter => { ids => [
            utf8_text($id) ] } }));

    is_deeply([ map { $_->{id} } @{$r->json->{enrollments}} ],
              [ utf8_text($id) ], "$shown: the API finds it");

    my $path = $id =~ s/([^A-Za-z0-9])/sprintf '%%%02x', ord $1/ger;

    if ($id =~ m{^(?:/|\.|\.\./\.\./etc)$}) {

        # nginx makes another path of it

        is($t->api('GET', "/v1/enrollments/$path")->status, 404,
           "$shown: not in a path");
        is($t->api('GET', "/v1/queue/HOSTILE/$path")->status, 404,
           "command $shown: not in a path");
        is($d->report('Acknowledged', $id)->status, 200,
           "command $shown: 200");
        next;
    }

    is($t->api('GET', "/v1/enrollments/$path")->json->{id}, utf8_text($id),
       "$shown: the API shows it");
    is($t->enqueue($id, $t->command("c$n", 'ProfileList'))->status, 200,
       "$shown: a command is queued");
    is($device->uuid($device->idle), "c$n", "$shown: it is delivered");
    is($device->report('Acknowledged', "c$n")->status, 200,
       "$shown: it is done");
    is($t->api('GET', "/v1/queue/$path/c$n")->json->{state}, 'acknowledged',
       "$shown: the result");

    # and as a user

    my $u = $d->user($id);

    is($u->token_update(PushMagic => 'm')->status, 200,
       "user $shown: TokenUpdate");
    is($t->redis('HGET', tag('HOSTILE') . ':e:' . escape("HOSTILE:$id", ':'),
                 'parent'), 'HOSTILE', "user $shown: its key");
    is($u->idle->status, 200, "user $shown: Idle");

    # as a CommandUUID

    is($d->report('Acknowledged', $id)->status, 200, "command $shown: 200");
    is($t->redis('HGET', tag('HOSTILE') . ':r:HOSTILE:' . escape($id, ''),
                 'status'), 'Acknowledged', "command $shown: its key");
    is($t->api('GET', "/v1/queue/HOSTILE/$path")->json->{command_uuid},
       utf8_text($id), "command $shown: in the API");
}

sub utf8_text { my ($s) = @_; utf8::decode($s); return $s }

for my $user ('a:b', ':', '::e:', ':HOSTILE') {
    is($d->user($user)->token_update->status, 200, "user \"$user\": 200");
    is($t->redis('HGET', tag('HOSTILE') . ":e:HOSTILE:$user", 'parent'),
       'HOSTILE', "user \"$user\": its key");
}

is($d->report('Acknowledged', 'a:b')->status, 200, 'command "a:b": 200');
is($t->redis('EXISTS', tag('HOSTILE') . ':r:HOSTILE:a%3Ab'), 1,
   'command "a:b": its key');


# those that are refused: in every place, XML and binary

{
    my @forms;

    for my $bad (@harmful, ':', 'a:b', ':b', 'a:') {
        my $shown = 'bad id "' . shown($bad) . '"';
        my $colon = $bad =~ /:/ && $bad !~ /\n/;
        my $text = $bad =~ s/</&lt;/gr;

        push @forms, [ "$shown: UDID", UDID => $text ],
                     [ "$shown: EnrollmentID", EnrollmentID => $text ];
        next if $colon;
        push @forms, [ "$shown: UserID", UDID => 'HOSTILE',
                       UserID => $text ],
                     [ "$shown: EnrollmentUserID", EnrollmentID => 'HOSTILE',
                       EnrollmentUserID => $text ],
                     [ "$shown: UserShortName", UDID => 'HOSTILE',
                       UserID => 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
                       UserShortName => $text ];
    }

    my $before = $t->redis_dump;

    for my $form (@forms) {
        my ($name, %keys) = @$form;
        my @status;

        for my $type ('Authenticate', 'TokenUpdate', 'Idle') {
            for my $entity (0, 1) {
                my $body = plist({ MessageType => $type, Status => 'Idle',
                    Topic => 'T', PushMagic => 'M',
                    Token => plist_data('t'), %keys });

                if ($entity) {
                    $body =~ s/([\x01-\x08\x0b-\x1f\x7f])/
                               sprintf '&#%d;', ord $1/ge;
                    $body =~ s{(<string>[^<]*)\n([^<]*)}{$1&#10;$2}g;
                    $body =~ s{(<string>[^<]*)\t([^<]*)}{$1&#x9;$2}g;
                }

                my $r = $t->request('PUT', '/mdm', cert => $d->cert,
                    body => $body, headers => [ 'Content-Type' =>
                        $type eq 'Idle' ? CONNECT : CHECKIN ]);

                push @status, $r->status;
            }
        }

        is_deeply(\@status, [ (400) x 6 ], "$name: 400");
    }

    ok($t->redis_dump eq $before, 'bad ids: Redis is unchanged');
}


# values that go into the log

{
    my $size = $t->log_size;

    for my $text (@harmful, "\x1b]0;title\x07", "\x08\x08\x08", "\r" . FORGED,
                  "\n\n" . FORGED . "\n", "\xc2\x9b31m", "\xc2\x85" . FORGED)
    {
        my $shown = 'in the log: "' . shown($text) . '"';
        my $plain = $text =~ s/</&lt;/gr;

        is($d->message($plain)->status, 400, "$shown: MessageType");
        is($d->connect(Status => $plain)->status, 400,
           "$shown: Status, of no command");
        is($d->connect(Status => $plain, CommandUUID => 'S')->status, 200,
           "$shown: Status");
        is($t->api('GET', '/v1/queue/HOSTILE/S')->json->{status}, 'unreadable',
           "$shown: Status is not kept as one");
        is($d->message('GetToken', TokenServiceType => $plain)->status, 400,
           "$shown: TokenServiceType");
        is($d->message('DeclarativeManagement', Endpoint => $plain)->status,
           400, "$shown: Endpoint");
        is($d->report('Acknowledged', $plain)->status, 200,
           "$shown: CommandUUID");
        is($d->report('NotNow', $plain)->status, 200,
           "$shown: CommandUUID of NotNow");
        is($d->token_update(UserLongName => $plain)->status, 200,
           "$shown: a value that is only kept");

        # and by the API

        my $path = substr $text =~ s/([^A-Za-z0-9])/sprintf '%%%02x',
                          ord $1/ger, 0, 1200;

        $path =~ s/%.?$//;

        for my $call ([ 'GET', "/v1/enrollments/$path" ],
                      [ 'GET', "/v1/queue/$path" ],
                      [ 'DELETE', "/v1/queue/$path" ],
                      [ 'GET', "/v1/queue/HOSTILE/$path-none" ],
                      [ 'DELETE', "/v1/queue/HOSTILE/$path-none" ],
                      [ 'DELETE', "/v1/enrollments/$path/certificate" ],
                      [ 'GET', "/v1/queue/HOSTILE?cursor=$path" ],
                      [ 'GET', "/v1/queue/HOSTILE?limit=$path" ])
        {
            my $r = $t->api(@$call);

            like($r->status, qr/^(?:400|404|500)$/, "$shown: $call->[0] "
                 . substr($call->[1], 0, 30) . ': refused');
            is(ref $r->json, 'HASH', "$shown: the answer is JSON");
        }

        for my $body ({ CommandUUID => $plain,
                        Command => { RequestType => 'ProfileList' } },
                      { CommandUUID => 'x', Command => {
                            RequestType => $plain } },
                      { CommandUUID => 'x', Command => {
                            RequestType => 'ProfileList', $text => 'x' } })
        {
            my $r = $t->api('PUT', '/v1/enqueue/HOSTILE?nopush=1',
                            body => plist($body));

            like($r->status, qr/^(?:200|400)$/, "$shown: a command");
            is(ref $r->json, 'HASH', "$shown: the answer is JSON");
            $t->api('DELETE', '/v1/queue/HOSTILE');
        }

        my $r = $t->api('POST', '/v1/enrollments/query',
                        body => JSON::PP->new->encode({ filter => {
                            utf8_text($text) => 1 } })
                            =~ s/([^\0-\x7f])/sprintf '\\u%04x', ord $1/ger);

        is($r->status, 400, "$shown: a query");
        is(ref $r->json, 'HASH', "$shown: the answer is JSON");
    }

    my $id = q{q" is answered 200 \x"};
    my $quoted = $t->device($id, cert => $t->cert(cn => 'quoted'))->enroll;

    is($quoted->message('None')->status, 400, 'in the log: an id with quotes');
    like($t->log($size),
         qr/"q\\x22 is answered 200 \\x5cx\\x22" is answered 400: unknown/,
         'in the log: quotes of an id do not end it');

    my @lines = split /\n/, $t->log($size), -1;

    is(pop @lines, '', 'the log ends with a whole line');
    cmp_ok(scalar(@lines), '>', 40, 'the log has lines of these');

    my @odd = grep { !m{^\d{4}/\d\d/\d\d\ \d\d:\d\d:\d\d\ \[\w+\]
                        \ $worker\#$worker:\ }x } @lines;

    is_deeply([ map { shown($_) } @odd ], [],
              'each line of the log is one of the worker\'s');
}


# the whole log, once more

my @control = grep { /[\x00-\x08\x0b-\x1f\x7f\t]|\xc2[\x80-\x9f]/ }
              split /\n/, $t->log;

is(scalar(@control), 0, 'no control character in the log')
    or diag(shown($control[0] =~ s/^.*?: //r));
is(scalar(grep { /^\Q${\FORGED}\E/ } split /\n/, $t->log), 0,
   'no forged line in the log');
unlike($t->access_log, qr/[\x00-\x08\x0b-\x1f\x7f]/,
       'no control character in the access log');

# the whole keyspace, once more

my $safe = qr/[A-Za-z0-9\-._~\@+%]/;
my @keys = @{$t->redis('KEYS', '*')};

cmp_ok(scalar(@keys), '>', 200, 'there are keys');
is_deeply([ map { shown($_) } grep {
    !/^mdm:(?: meta
             | \{default\/cert:[0-9a-f]{64}\}
             | \{default\/serial:$safe+\}
             | \{default\/(?:cert:[0-9a-f]{64}|serial:$safe+)\}:free
             | \{work\}:(?: state | gauges | due:[a-z]+ )
             | \{default\/cert:[0-9a-f]{64}\}:x
             | \{default\/ddm\}:[a-z]+(?::$safe+)*
             | \{default\/[0-9]+\}:(?: ids | events | exp | pd | ddm | dd | dm:[0-9a-f]{40}
                 | old(?::[0-9]+)?
                 | out | dead:$safe+
                 | (?:e|users|q|nn|c|u|crt|done|d|rk|ru|rb|ren):$safe+(?::(?:$safe|:)*)?
                 | r:$safe+:(?:$safe|:)* ))$/x } @keys ], [],
    'each key is of a form that docs/keyspace.md names');

is_deeply([ $t->workers ], [ $worker ], 'it is still the same worker');
is($d->idle->status, 200, 'and it serves');

is_deeply([ grep { $_ == 401 }
            $t->access_log =~ m{" (\d{3}) \d+ "}g ], [],
          'nobody was answered 401');

finish;
