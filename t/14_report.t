#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Reports that the guarded plist reader refuses: none of them holds a queue.
# Each is sent as the result of a command that is queued; the next one must
# come, and the body be kept as it came.

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64 'decode_base64';
use Test::More;

use MDM;

use constant {
    T => 'mdm:{default/0}',
    CONNECT => 'application/x-apple-aspen-mdm',
    CHECKIN => 'application/x-apple-aspen-mdm-checkin',
};


my $t = MDM->new(store => 'partitions 1; timeout 20s;', http => <<'CONF',
    log_format v '$status id=$mdm_enrollment_id message=$mdm_message '
                 'status=$mdm_status uuid=$mdm_command_uuid '
                 'error="$mdm_error"';
CONF
                 locations => <<'END')->start;
        location /mdm {
            mdm_checkin on;
            mdm_connect on;
            client_body_buffer_size 16m;
            access_log %%PREFIX%%/v.log v;
        }
        location /small {
            mdm_checkin on;
            mdm_connect on;
            client_max_body_size 1k;
        }
        location /static {
            client_max_body_size 1k;
            return 200;
        }
        location /api/ { mdm_api on; }
END

my $d = $t->device('REPORT')->enroll;
my $n = 0;


sub xml {
    return qq{<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE plist PUBLIC }
        . '"-//Apple//DTD PLIST 1.0//EN" '
        . qq{"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n}
        . qq{<plist version="1.0">\n<dict>\n$_[0]</dict>\n</plist>\n};
}


# keys in the order in which Apple sends them: sorted

sub report {
    my ($uuid, $status, $list, %o) = @_;

    return xml("<key>CommandUUID</key><string>$uuid</string>\n"
               . "<key>List</key>$list\n"
               . (defined $status
                  ? "<key>Status</key><string>$status</string>\n" : '')
               . ($o{udid} // "<key>UDID</key><string>REPORT</string>\n"));
}


sub put { my ($body) = @_;
          return $t->request('PUT', '/mdm', cert => $d->cert, body => $body,
                             headers => [ 'Content-Type' => CONNECT ]) }


sub event {
    my $e = $t->redis('XREVRANGE', T . ':events', '+', '-', 'COUNT', 1)->[0];
    my %f = @{$e->[1]};

    return "$f{event} $f{id} $f{data}";
}


# the result of a queued command: it leaves the queue, the next one comes

sub takes {
    my ($name, $state, $make) = @_;

    my $uuid = 'u-' . ++$n;
    my $next = 'v-' . $n;

    $t->enqueue('REPORT', $t->command($_, 'InstalledApplicationList'))
        for $uuid, $next;

    my $size = $t->log_size;
    my $body = $make->($uuid);
    my $r = put($body);

    is($r->status, 200, "$name: 200");
    is($d->uuid($r), $next, "$name: the next command comes");

    my $j = $t->api('GET', "/v1/queue/REPORT/$uuid")->json;

    is($j->{state}, $state, "$name: state $state");
    ok($j->{was_queued}, "$name: was queued");
    ok(decode_base64($j->{result} // '') eq $body, "$name: kept as it came");

    if ($state eq 'unreadable') {
        is($j->{status}, 'unreadable', "$name: status");
        like($t->log($size), qr/\[warn\] .*"$uuid" for "REPORT" is unreadable/,
             "$name: the log names device and command");
        like(event(), qr/^mdm\.Connect\ REPORT\ (?=.*"status":"unreadable")
                         (?=.*"command_uuid":"$uuid")/x, "$name: event");

    } else {
        unlike($t->log($size), qr/unreadable/, "$name: not unreadable");
    }

    # once more: harmless

    is($d->uuid(put($body)), $next, "$name: repeated");
    is($d->uuid($d->report('Acknowledged', $next)), '', "$name: all done");

    return;
}


# a list as Apple has it: 18 to 21 keys an app

sub apps {
    my ($count) = @_;

    my $list = '<array>';

    for my $i (1 .. $count) {
        $list .= '<dict>'
            . join('', map { "<key>$_</key><false/>" }
                   qw(AdHocCodeSigned AppStoreVendable BetaApp DeviceBasedVPP
                      HasUpdateAvailable Installing IsAppClip IsValidated
                      DownloadCancelled DownloadFailed DownloadPaused
                      DownloadWaiting))
            . join('', map { "<key>$_</key><integer>" . $i * 4096
                             . '</integer>' }
                   qw(BundleSize DynamicSize ExternalVersionIdentifier))
            . "<key>Identifier</key><string>com.example.app$i</string>"
            . "<key>Name</key><string>App &amp; $i</string>"
            . '<key>ShortVersion</key><string>1.2</string>'
            . "<key>Version</key><string>$i</string>"
            . ($i % 3 ? '' : '<key>DistributorIdentifier</key><string>x'
               . '</string>')
            . ($i % 4 ? '' : '<key>Source</key><string>AppStore</string>')
            . '</dict>';
    }

    return "$list</array>";
}


# binary: the pairs come in the order given; a value is bytes of an object

sub bplist {
    my (@pairs) = @_;

    my (@objects, @keys, @values);

    my $string = sub {
        my ($s) = @_;
        return length $s < 15 ? pack('C a*', 0x50 + length $s, $s)
                              : pack('C C n a*', 0x5f, 0x11, length $s, $s);
    };

    while (my ($key, $value) = splice @pairs, 0, 2) {
        push @objects, $string->($key);
        push @keys, scalar @objects;
        push @objects, ref $value ? $$value : $string->($value);
        push @values, scalar @objects;
    }

    my $out = 'bplist00';
    my @offsets;

    for my $object (pack('C C C n*', 0xdf, 0x10, scalar @keys, @keys,
                         @values), @objects)
    {
        push @offsets, length $out;
        $out .= $object;
    }

    my $table = length $out;

    return $out . pack('N*', @offsets)
        . pack('x6 C C Q> Q> Q>', 4, 2, scalar @offsets, 0, $table);
}


sub binary {
    my ($list, $status) = @_;

    return sub { return bplist(CommandUUID => $_[0], List => \$list,
                               (defined $status ? (Status => $status) : ()),
                               UDID => 'REPORT') };
}


my $deep = '<array>' x 5000 . '</array>' x 5000;
my %list = (
    '3,000 apps' => apps(3000),
    'a key twice' => '<dict><key>k</key><true/><key>k</key><true/></dict>',
    'year 10000' => '<date>10000-01-01T00:00:00Z</date>',
    'ISO-8859-1' => "<string>Caf\xe9 M\xfcller</string>",
    '&#0;' => '<array><string>a&#0;b</string></array>',
    'unknown entity' => '<string>&nbsp;</string>',
    'depth over 32' => '<array>' x 40 . '</array>' x 40,
    'depth of 5,000' => $deep,
    'a bad number' => '<array><integer>12x</integer><real>,5</real></array>',
    'bad base64' => '<data>****</data>',
    'an unknown element' => '<null/>',
    'a value without a key' => '<dict><true/></dict>',
    'CDATA' => '<string><![CDATA[</string></dict></plist>]]></string>',
);

for my $name (sort keys %list) {
    takes("$name, Acknowledged", 'acknowledged',
          sub { report($_[0], 'Acknowledged', $list{$name}) });
}

for my $name ('a key twice', 'ISO-8859-1', 'depth of 5,000') {
    takes("$name, no Status", 'unreadable',
          sub { report($_[0], undef, $list{$name}) });
}

takes("a known Status: $_->[0]", $_->[1],
      sub { report($_[0], $_->[0], $list{'a key twice'}) })
    for [ 'Error', 'error' ], [ 'CommandFormatError', 'command_format_error' ];

takes('an unknown Status', 'unreadable',
      sub { report($_[0], 'Finished', '<array/>') });
takes('a Status of another type', 'unreadable',
      sub { report($_[0], undef, '<array/><key>Status</key><true/>') });
takes('a Status that is not UTF-8', 'unreadable',
      sub { report($_[0], "Idle\xe9", '<array/>') });
takes('"unreadable" as a Status', 'unreadable',
      sub { report($_[0], 'unreadable', '<array/>') });
takes('a Status behind broken nesting', 'unreadable',
      sub { xml("<key>UDID</key><string>REPORT</string><key>CommandUUID</key>"
                . "<string>$_[0]</string><key>List</key><array><dict></array>"
                . '<key>Status</key><string>Acknowledged</string>') });
takes('a Status before broken nesting', 'acknowledged',
      sub { xml("<key>UDID</key><string>REPORT</string><key>CommandUUID</key>"
                . "<string>$_[0]</string><key>Status</key><string>Acknowledged"
                . '</string><key>List</key><array><dict></array>') });
takes('cut off', 'acknowledged',
      sub { my $body = report($_[0], 'Acknowledged', '<array/>');
            return substr $body, 0, length($body) - 12 });

takes("binary: $_->[0]", $_->[2] ? 'acknowledged' : 'unreadable',
      binary($_->[1], $_->[2]))
    for [ 'an array in itself', pack('C n', 0xa1, 4), 'Acknowledged' ],
        [ 'an array of nothing', pack('C n', 0xa1, 999), 'Acknowledged' ],
        [ 'a bad date', pack('C Q>', 0x33, ~0), 'Acknowledged' ],
        [ 'a string with a NUL', "\x53a\0b", 'Acknowledged' ],
        [ 'ISO-8859-1', "\x53a\xe9b", 'Acknowledged' ],
        [ 'an unknown object', "\x71", 'Acknowledged' ],
        [ 'a huge count', pack('C C Q>', 0xaf, 0x13, ~0), 'Acknowledged' ],
        [ 'no Status', pack('C n', 0xa1, 4), undef ];

takes('binary: 60,000 keys', 'acknowledged', sub {
    return bplist((map { ("k$_", \"\x08") } 1 .. 100), CommandUUID => $_[0],
                  Status => 'Acknowledged', UDID => 'REPORT') });


# NotNow stays queued, and Idle is a poll, whatever the rest

{
    $t->enqueue('REPORT', $t->command($_, 'ProfileList')) for 'n-1', 'n-2';

    is($d->uuid(put(report('n-1', 'NotNow', $list{'ISO-8859-1'}))), 'n-2',
       'NotNow: the next one');
    is($t->api('GET', '/v1/queue/REPORT/n-1')->json->{state}, 'not_now',
       'NotNow: stays queued');
    is($d->uuid(put(report('n-1', 'Idle', $list{'&#0;'}))), 'n-1',
       'Idle: a poll');

    $d->report('Acknowledged', $_) for 'n-1', 'n-2';
}


# what is left of 400: the log names the certificate

{
    my $head = '<key>CommandUUID</key><string>w-1</string>';
    my $status = '<key>Status</key><string>Acknowledged</string>';
    my $udid = '<key>UDID</key><string>REPORT</string>';

    for my $case (
        [ 'no UDID', report('w-1', 'Acknowledged', '<array/>', udid => '') ],
        [ 'broken before the UDID', xml("$head<key>List</key><array><dict>"
                                        . "</array>$status$udid") ],
        [ 'no Status, no CommandUUID', xml($udid) ],
        [ 'an unknown Status, no CommandUUID',
          xml("<key>Status</key><string>Done</string>$udid") ],
        [ 'no plist', 'x' ],
        [ 'nothing', '' ],
        [ 'UDID twice', xml("$head$status$udid$udid") ],
        [ 'UDID twice, with an entity', xml("$head$status$udid<key>&#85;DID"
                                           . '</key><string>X</string>') ],
        [ 'Status twice', xml("$head$status$status$udid") ],
        [ 'CommandUUID twice', xml("$head$head$status$udid") ],
        [ 'UDID twice, binary',
          bplist(CommandUUID => 'w-1', Status => 'Acknowledged',
                 UDID => 'REPORT', UDID => 'REPORT') ],
    ) {
        my ($name, $body) = @$case;
        my $size = $t->log_size;
        my $before = $t->redis_dump;
        my $r = put($body);

        is($r->status . $r->body, 400, "$name: 400");
        ok($t->redis_dump eq $before, "$name: Redis is unchanged");
        like($t->log($size), qr/\[warn\] .* answered 400: .* "CN=REPORT"/,
             "$name: the log names the certificate's subject");
    }
}


# a check-in message keeps its 400

for my $name ('a key twice', 'ISO-8859-1', 'year 10000', '&#0;',
              'depth over 32', '3,000 apps')
{
    my $r = $t->request('PUT', '/mdm', cert => $d->cert,
        headers => [ 'Content-Type' => CHECKIN ],
        body => xml("<key>List</key>$list{$name}<key>MessageType</key>"
                    . '<string>ReturnToService</string><key>UDID</key>'
                    . '<string>REPORT</string>'));

    is($r->status, 400, "check-in, $name: 400");
}


# 15 MB of a Status: nothing of it comes into a variable or a log

for my $case ([ 'with a CommandUUID', 'x-1', 200,
                'status=unreadable uuid=x-1 error="-"' ],
              [ 'without', undef, 400, 'status=- uuid=- error="neither ' ])
{
    my ($name, $uuid, $code, $want) = @$case;
    my $size = $t->log_size;
    my $from = -s $t->dir . '/v.log';
    my $r = put(xml((defined $uuid ? "<key>CommandUUID</key><string>$uuid"
                     . '</string>' : '')
                    . '<key>Status</key><string>' . "\x01" x 15e6
                    . '</string><key>UDID</key><string>REPORT</string>'));

    is($r->status, $code, "a Status of 15 MB, $name: $code");

    ok(MDM::Util::wait_for(10, sub { -s $t->dir . '/v.log' > $from }),
       "$name: it is logged");

    my $line = substr MDM::Util::read_file($t->dir . '/v.log'), $from;

    cmp_ok(length $line, '<', 1024, "$name: the access log's line is short");
    like($line, qr/\Q$want\E/, "$name: it holds what is known");
    cmp_ok($t->log_size - $size, '<', 4096, "$name: so is the error log's");
}


# 256 bytes of a long id

{
    my $long = 'L' x 255;
    my $user = 'U' x 200;
    my $owner = $t->device($long);
    my $u = $owner->user($user);

    is($owner->authenticate->status, 200, 'a long id: Authenticate');
    is($owner->token_update(PushMagic => 'magic')->status, 200,
       'a long id: TokenUpdate');

    my $from = -s $t->dir . '/v.log';

    is($u->idle->status, 200, 'a long id: Idle');

    # the line of TokenUpdate may come behind, too

    my $id;

    ok(MDM::Util::wait_for(10, sub {
        ($id) = substr(MDM::Util::read_file($t->dir . '/v.log'), $from)
                =~ /id=(L+:\S*)/;
    }), 'a long id: it is logged');

    is($id, "$long:", 'a long id: 256 bytes of it');
}


# over client_max_body_size: nginx's own line names the certificate

for my $chunked (0, 1) {
    my $name = $chunked ? 'chunked' : 'Content-Length';

    for my $path ('/small', '/static') {
        my $size = $t->log_size;

        # what answers by "return" reads no chunk

        next if $path eq '/static' && $chunked;

        my $r = $t->request('PUT', $path, cert => $d->cert, fresh => 1,
                            body => 'x' x 2000, chunked => $chunked,
                            headers => [ 'Content-Type' => CONNECT ]);

        is($r->status, 413, "$path, $name: 413");

        my ($line) = $t->log($size) =~ /(.*intended to send too large .*)/;

        if ($path eq '/small') {
            like($line, qr/, certificate: "CN=REPORT",/,
                 "$path, $name: names the certificate");

        } else {
            unlike($line, qr/certificate/, "$path: not ours, as before");
        }
    }
}

finish;
