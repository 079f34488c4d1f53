#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# How messages come in: trap 15 (content types, chunks, HTTP/2, binary) and
# trap 17 (no message is too large for a buffer).

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64 'encode_base64';
use Test::More;

use MDM;

use constant {
    CHECKIN => 'application/x-apple-aspen-mdm-checkin',
    CONNECT => 'application/x-apple-aspen-mdm',
    XML => 'application/xml',
    COMMAND => 'application/xml; charset=UTF-8',
    MB => 1024 * 1024,
};


my $t = MDM->new(store => 'partitions 1; timeout 20s;',
                 http => <<'HTTP', locations => <<'END')->start;
    log_format length '$request_method $uri $status [$http_content_length] '
                      '$request_length $server_protocol';
    access_log %%PREFIX%%/length.log length;
HTTP
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /checkin { mdm_checkin on; }
        location /connect { mdm_connect on; }
        location /off { mdm_checkin on; mdm_connect off; }
        location /tight {
            mdm_checkin on;
            mdm_connect on;
            client_max_body_size 10k;
        }
        location /spool {
            mdm_checkin on;
            mdm_connect on;
            client_body_in_file_only clean;
        }
        location /keep {
            mdm_checkin on;
            mdm_connect on;
            client_body_in_file_only on;
        }
        location /small {
            mdm_checkin on;
            mdm_connect on;
            client_body_buffer_size 1k;
        }
        location /single {
            mdm_checkin on;
            mdm_connect on;
            client_body_in_single_buffer on;
            client_body_buffer_size 8m;
        }
        location /large {
            mdm_checkin on;
            mdm_connect on;
            client_body_buffer_size 8m;
        }
        location /api/ { mdm_api on; }
        location /single-api/ {
            mdm_api on;
            client_body_buffer_size 1k;
        }
END

my $d = $t->device('BODY')->enroll;
my $reports = 0;


# A message that is good as both: as a check-in it is answered with a plist,
# as a connect it is an Idle with nothing queued.

my $both = { UDID => 'BODY', MessageType => 'ReturnToService',
             Status => 'Idle' };


sub kind {
    my ($r) = @_;

    return $r->status if $r->status != 200;
    return 'connect' if $r->body eq '' && !defined $r->header('Content-Type');
    return 'check-in' if $r->header('Content-Type') eq XML
                         && $r->plist->{ReturnToService};
    return 'neither';
}


sub send_type {
    my ($path, $type) = @_;

    return $t->request('PUT', $path, cert => $d->cert, body => plist($both),
        headers => [ defined $type ? ('Content-Type' => $type) : () ]);
}


# trap 15: content types

my @checkin = (
    CHECKIN,
    CHECKIN . '; charset=UTF-8',
    CHECKIN . ';charset=utf-8',
    CHECKIN . ' ; charset="utf-8"; x=y',
    uc CHECKIN,
    'Application/X-Apple-Aspen-MDM-Checkin; Charset=UTF-8',
);

my @connect = (
    CONNECT,
    CONNECT . '; charset=UTF-8',
    CONNECT . ';charset=utf-8',
    uc CONNECT,
    'Application/X-Apple-Aspen-MDM; Charset=UTF-8',
    'application/xml', 'text/xml', 'application/octet-stream',
    'application/x-apple-aspen-mdm-check', 'x ' . CHECKIN, 'a', '', undef,
);

for my $type (@checkin) {
    is(kind(send_type('/mdm', $type)), 'check-in', "trap 15: \"$type\"");
    is(kind(send_type('/connect', $type)), 'connect',
       "connect only: \"$type\"");
    is(kind(send_type('/checkin', $type)), 'check-in',
       "check-in only: \"$type\"");
}

for my $type (@connect) {
    my $name = defined $type ? "\"$type\"" : 'no type';

    is(kind(send_type('/mdm', $type)), 'connect', "trap 15: $name");
    is(kind(send_type('/connect', $type)), 'connect', "connect only: $name");
    is(kind(send_type('/checkin', $type)), 'check-in',
       "check-in only: $name");
}

is(kind(send_type('/off', CONNECT)), 'check-in', 'mdm_connect off');
is(kind($t->request('PUT', '/mdm', cert => $d->cert, body => plist($both),
        headers => [ 'cOnTeNt-TyPe' => CHECKIN ])), 'check-in',
   'trap 15: odd case of the header\'s name');


# A report of so many bytes must be answered, and come back from Redis byte
# for byte.

sub message {
    my ($size, %keys) = @_;

    my $uuid = 'r' . ++$reports;
    my $m = { UDID => 'BODY', Status => 'Acknowledged', CommandUUID => $uuid,
              Fill => '', %keys };
    my $more = $size - length plist($m);

    die "too short: $size" if $more < 0;
    $m->{Fill} = substr '0123456789abcdef' x ($more / 16 + 1), 0, $more;

    return ($uuid, plist($m));
}


sub arrived {
    my ($r, $uuid, $body, $name) = @_;

    is($r->status, 200, "$name: 200");

    my $back = $t->api('GET', "/v1/queue/BODY/$uuid?format=plist");

    ok($back->status == 200 && $back->body eq $body,
       "$name: all of it arrived") or diag($back->status);

    return;
}


sub via {
    my ($path, $name, $size, %how) = @_;

    my ($uuid, $body) = message($size);

    arrived($t->request('PUT', $path, cert => $d->cert, body => $body,
                        headers => [ 'Content-Type' => CONNECT ], %how),
            $uuid, $body, "$path, $name");

    return;
}


for my $path ('/mdm', '/spool', '/small', '/single', '/large') {
    via($path, 'a short one', 500);
    via($path, 'of 1 kB', 1024);
    via($path, 'of 20 kB', 20000);
    via($path, 'of 300 kB', 300000);
    via($path, 'one chunk', 3000, chunked => 1);
    via($path, 'chunks of 7 bytes', 3000, chunked => 7);
    via($path, 'chunks of 1000 bytes', 100000, chunked => 1000);
    via($path, 'slow pieces', 3000, delay => 0.02,
        pieces => [ 1, 10, 100, 90, 300, 1000, 1 ]);
    via($path, 'slow pieces, chunked', 3000, delay => 0.02, chunked => 500,
        pieces => [ 200, 100, 1, 1, 300, 1000, 1 ]);
    via($path, 'the header in one piece, the body in another', 3000,
        delay => 0.02, pieces => [ 131, 1 ]);
}

# a byte at a time

via('/mdm', 'byte by byte', 420, delay => 0.0005, pieces => [ (1) x 400 ]);

{
    my ($uuid, $body) = message(2000);

    via('/keep', 'kept in a file', 2000);
    my @files = grep { -f } glob($t->dir . '/tmp/body/*');

    is(scalar(@files), 1, '/keep: the file stays');
    via('/spool', 'cleaned', 2000);
    is(scalar(grep { -f } glob($t->dir . '/tmp/body/*')), 1,
       '/spool: no file stays');
}

# all check-ins spooled, too

{
    my $s = $t->device('SPOOL', path => '/spool')->enroll;

    is($s->set_bootstrap_token('t' x 5000)->status, 200,
       '/spool: SetBootstrapToken');
    is($s->get_bootstrap_token->plist->{BootstrapToken}, 't' x 5000,
       '/spool: GetBootstrapToken');
    is($s->idle->status, 200, '/spool: Idle');
    is($s->checkout->status, 200, '/spool: CheckOut');
}


# trap 15: binary plists

{
    my $b = $t->device('BINARY', plist => 'binary');

    is($b->authenticate->status, 200, 'binary: Authenticate');
    is($b->token_update->status, 200, 'binary: TokenUpdate');
    is($t->redis('HGET', 'mdm:{default/0}:e:BINARY', 'token'),
       "\x01\xff" x 16, 'binary: the token');
    $t->enqueue('BINARY', $t->command('b1', 'ProfileList'));
    is($b->uuid($b->idle), 'b1', 'binary: Idle');
    is($b->report('Acknowledged', 'b1', List => [ 1, 'two', \1 ])->status,
       200, 'binary: Acknowledged');

    my $back = $t->api('GET', '/v1/queue/BINARY/b1?format=plist')->body;

    like($back, qr/^bplist00/, 'binary: the result is as it came');
    is_deeply(plist_read($back)->{List}, [ 1, 'two', \1 ],
              'binary: the result');

    for my $how ([ chunked => 11 ], [ delay => 0.01, pieces => [ 150, 9 ] ]) {
        my $uuid = 'b' . $how->[0];
        my $body = plist_binary({ UDID => 'BINARY', CommandUUID => $uuid,
                                  Status => 'Acknowledged' });

        is($t->request('PUT', '/small', cert => $b->cert, body => $body,
                       headers => [ 'Content-Type' => CONNECT ], @$how)
             ->status, 200, "binary: $how->[0]");
        ok($t->api('GET', "/v1/queue/BINARY/$uuid?format=plist")->body
           eq $body, "binary: $how->[0]: all of it");
    }
}


# HTTP/2

{
    my $h = $t->device('H2');

    for my $type ('Authenticate', 'TokenUpdate') {
        my $r = $t->curl(http2 => 1, method => 'PUT', path => '/mdm',
            cert => $h->cert, headers => [ 'Content-Type' => CHECKIN ],
            body => plist({ MessageType => $type, UDID => 'H2', Topic => 'T',
                            PushMagic => 'M', Token => plist_data('t') }));

        is($r->{version}, 2, "HTTP/2: $type");
        is($r->status, 200, "HTTP/2: $type: 200");
    }

    my $put = sub {
        my ($path, $body, %o) = @_;

        return $t->curl(http2 => 1, method => 'PUT', path => $path,
            cert => $h->cert, body => $body, %o,
            headers => [ 'Content-Type' => CONNECT ]);
    };

    my $command = plist($t->command('h1', 'ProfileList'));

    $t->enqueue('H2', $command);

    my $r = $put->('/mdm', plist({ UDID => 'H2', Status => 'Idle' }));

    is($r->status, 200, 'HTTP/2: Idle');
    is($r->body, $command, 'HTTP/2: the command');
    is($r->header('Content-Type'), COMMAND, 'HTTP/2: Content-Type');

    my $n = 0;

    for my $path ('/mdm', '/spool', '/small') {
        for my $size (300, 300000) {
            for my $length (1, 0) {
                my $uuid = 'h2-' . ++$n;
                my $body = plist({ UDID => 'H2', Status => 'Acknowledged',
                                   CommandUUID => $uuid, Fill => 'f' x $size });
                my $name = "HTTP/2: $path, $size bytes, "
                    . ($length ? 'with' : 'without') . ' Content-Length';

                $r = $put->($path, $body, no_length => !$length);
                is($r->{version}, 2, $name);
                is($r->status, 200, "$name: 200");
                ok($t->api('GET', "/v1/queue/H2/$uuid?format=plist")->body
                   eq $body, "$name: all of it");
            }
        }
    }

    $r = $put->('/mdm', plist_binary({ UDID => 'H2', Status => 'Idle' }));
    is($r->body, $command, 'HTTP/2: binary plist');

    is($put->('/mdm', '')->status, 400, 'HTTP/2: empty body');
    is($put->('/tight', 'x' x 20000)->status, 413, 'HTTP/2: 413');
    is($put->('/tight', 'x' x 20000, no_length => 1)->status, 413,
       'HTTP/2: 413, without Content-Length');

    $r = $t->curl(http2 => 1, path => '/mdm', cert => $h->cert);
    is($r->status, 405, 'HTTP/2: GET');
    is($r->header('Allow'), 'PUT', 'HTTP/2: Allow');
}

{
    my $log = MDM::Util::read_file($t->dir . '/length.log');

    like($log, qr{^PUT /small 200 \[-\] \d+ HTTP/2}m,
         'HTTP/2: some came without Content-Length');
    like($log, qr{^PUT /small 200 \[\d+\] \d+ HTTP/2}m,
         'HTTP/2: some came with Content-Length');
}


# trap 17: megabytes

sub writes {
    my ($n) = $t->redis('INFO', 'persistence')
              =~ /rdb_changes_since_last_save:(\d+)/;

    return $n;
}


# does JSON hold these bytes?  JSON::PP takes seconds for so much

sub holds {
    my ($r, $name, $bytes) = @_;

    return $r->status == 200
        && index($r->body, "\"$name\":\"" . encode_base64($bytes, '') . '"')
           > 0;
}


{
    open my $random, '<:raw', '/dev/urandom' or die "urandom: $!";
    read($random, my $noise, 5 * MB) == 5 * MB or die "urandom: $!";
    close $random;

    # in XML the data grows by a third

    my %data = (XML => substr($noise, 0, 3.8 * MB), binary => $noise);
    my %command = map {
        $_ => $t->command("big-$_", 'InstallProfile',
                          Payload => plist_data($data{$_}))
    } keys %data;

    $command{XML} = plist($command{XML});
    $command{binary} = plist_binary($command{binary});

    for my $form ('XML', 'binary') {
        my $command = $command{$form};
        my $uuid = "big-$form";
        my $name = "trap 17: $form";

        cmp_ok(length $command, '>', 5 * MB, "$name: over 5 MB");

        my $r = $t->request('PUT', ($form eq 'XML' ? '/api' : '/single-api')
            . '/v1/enqueue/BODY?nopush=1', body => $command,
            ($form eq 'XML' ? () : (chunked => 60000)));

        is($r->status, 200, "$name: queued") or diag($r->body);

        my ($now) = @{$t->redis('TIME')};

        $t->redis('HSET', 'mdm:{default/0}:e:BODY', 'last_seen', $now);

        my $before = writes();

        for my $path ('/mdm', '/spool') {
            $r = $t->request('PUT', $path, cert => $d->cert,
                headers => [ 'Content-Type' => CONNECT ],
                body => plist({ UDID => 'BODY', Status => 'Idle' }));
            is($r->status, 200, "$name: $path: Idle");
            is($r->header('Content-Length'), length $command,
               "$name: $path: the length");
            ok($r->body eq $command, "$name: $path: byte for byte");
        }

        $r = $t->curl(http2 => 1, method => 'PUT', path => '/mdm',
            cert => $d->cert, headers => [ 'Content-Type' => CONNECT ],
            body => plist({ UDID => 'BODY', Status => 'Idle' }));
        ok($r->body eq $command, "$name: HTTP/2: byte for byte");

        ok(holds($t->api('GET', '/v1/queue/BODY'), command => $command),
           "$name: in the API, too");
        is(writes(), $before, "$name: Redis is unchanged");

        # and the answer, as large

        my $result = { UDID => 'BODY', Status => 'Acknowledged',
                       CommandUUID => $uuid, Text => 'text' x 1000,
                       Data => plist_data($data{$form}) };

        $result = $form eq 'binary' ? plist_binary($result) : plist($result);
        cmp_ok(length $result, '>', 5 * MB, "$name: a large result");

        $r = $t->request('PUT', $form eq 'XML' ? '/mdm' : '/small',
            cert => $d->cert, headers => [ 'Content-Type' => CONNECT ],
            body => $result, ($form eq 'XML' ? () : (chunked => 50000)));
        is($r->status, 200, "$name: the result is taken");
        is($r->body, '', "$name: the queue is empty");

        ok($t->api('GET', "/v1/queue/BODY/$uuid?format=plist")->body
           eq $result, "$name: the result comes back byte for byte");
        ok(holds($t->api('GET', "/v1/queue/BODY/$uuid"), result => $result),
           "$name: in JSON, too");
        is($t->redis('EXISTS', "mdm:{default/0}:c:$uuid"), 0,
           "$name: the command is gone");
        $t->redis('DEL', "mdm:{default/0}:r:BODY:$uuid");
    }
}


# what is refused, and changes nothing

sub refused {
    my ($status, $name, $do) = @_;

    my $before = $t->redis_dump;
    my $r = $do->();

    is($r->status, $status, "$name: $status");
    ok($t->redis_dump eq $before, "$name: Redis is unchanged");

    return $r;
}


my ($uuid, $over) = message(10241);
my ($fits_uuid, $fits) = message(10240);
my @type = (cert => $d->cert, headers => [ 'Content-Type' => CONNECT ]);

is(length $fits, 10240, 'client_max_body_size: exactly as much');
arrived($t->request('PUT', '/tight', @type, body => $fits), $fits_uuid, $fits,
        'client_max_body_size: exactly as much');
refused(413, 'client_max_body_size: one byte more', sub {
    $t->request('PUT', '/tight', @type, body => $over, fresh => 1) });
refused(413, 'client_max_body_size: chunked', sub {
    $t->request('PUT', '/tight', @type, body => $over, chunked => 100,
                fresh => 1) });
refused(413, 'client_max_body_size: Content-Length says so', sub {
    $t->client(cert => $d->cert)->request('PUT', '/tight', raw =>
        "PUT /tight HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Length: 99999999\r\n\r\n") });

for my $path ('/mdm', '/checkin', '/connect', '/spool', '/single') {
    refused(400, "$path: an empty body", sub {
        $t->request('PUT', $path, @type, body => '') });
    refused(400, "$path: no body", sub {
        $t->request('PUT', $path, @type) });
    refused(400, "$path: an empty chunked body", sub {
        $t->request('PUT', $path, @type, body => '', chunked => 1) });
    refused(400, "$path: a blank", sub {
        $t->request('PUT', $path, @type, body => "\n") });

    next if $path =~ /spool|single/;

    for my $method (qw(GET POST DELETE PATCH PROPFIND)) {
        my $r = refused(405, "$path: $method", sub {
            $t->request($method, $path, @type,
                        ($method eq 'GET' ? () : (body => plist($both)))) });

        is($r->header('Allow'), 'PUT', "$path: $method: Allow");
        is($r->body, '', "$path: $method: no body");
    }

    my $r = refused(405, "$path: HEAD", sub {
        $t->request('HEAD', $path, @type) });

    is($r->header('Allow'), 'PUT', "$path: HEAD: Allow");
}

# the method matters more than who asks, but nobody gets a 401

refused(405, 'GET without a certificate', sub {
    $t->request('GET', '/mdm', plain => 1) });
refused(403, 'an empty body without a certificate', sub {
    $t->request('PUT', '/mdm', body => '', plain => 1) });

# a client that goes away in the middle of the body

{
    my $before = $t->redis_dump;
    my $c = $t->client(cert => $d->cert);
    my $size = $t->log_size;

    $c->send_request('PUT', '/mdm', raw => "PUT /mdm HTTP/1.1\r\n"
        . "Host: localhost\r\nContent-Length: 1000\r\n\r\n" . substr $fits, 0,
        500);
    $c->close;
    ok($t->wait_log(qr/client prematurely closed connection/, from => $size),
       'half a body: nginx has seen it');
    ok($t->redis_dump eq $before, 'half a body: Redis is unchanged');
}


# other ways to send a message

{
    my ($id, $body) = message(3000);
    my $c = $t->client(cert => $d->cert);
    my $r = $c->request('PUT', '/mdm', raw => "PUT /mdm HTTP/1.0\r\n"
        . 'Content-Type: ' . CONNECT . "\r\nContent-Length: " . length($body)
        . "\r\n\r\n$body");

    arrived($r, $id, $body, 'HTTP/1.0');
    is($r->header('Connection'), 'close', 'HTTP/1.0: Connection: close');
    ok(!$c->{sock} || wait_for(10, sub { !$c->alive }),
       'HTTP/1.0: and it is closed');

    $t->enqueue('BODY', $t->command('old', 'ProfileList'));
    $body = plist({ UDID => 'BODY', Status => 'Idle' });
    $r = $t->client(cert => $d->cert)->request('PUT', '/mdm', raw =>
        "PUT /mdm HTTP/1.0\r\nContent-Length: " . length($body)
        . "\r\n\r\n$body");
    is($d->uuid($r), 'old', 'HTTP/1.0: a command');
    is($r->header('Transfer-Encoding'), undef, 'HTTP/1.0: not chunked');
    $d->report('Acknowledged', 'old');

    # the client waits for leave to send

    ($id, $body) = message(3000);
    $c = $t->client(cert => $d->cert);
    $c->send_request('PUT', '/mdm', raw => "PUT /mdm HTTP/1.1\r\n"
        . "Host: localhost\r\nExpect: 100-continue\r\nContent-Length: "
        . length($body) . "\r\n\r\n");
    $c->{end} = time + 20;
    $c->_fill_to(sub { index($c->{buf}, "\r\n\r\n") > 0 });
    like($c->{buf}, qr{^HTTP/1.1 100 }, 'Expect: 100-continue: 100');
    $c->_write($body);
    arrived($c->read_response('PUT'), $id, $body, 'Expect: 100-continue');

    # several messages in one go on one connection

    my @messages = map { [ message(500 * $_) ] } 1 .. 10;

    $c = $t->client(cert => $d->cert);
    $c->send_request('PUT', '/mdm', raw => join '', map {
        MDM::HTTP::_format('PUT', '/mdm', { body => $_->[1],
            ($_->[1] =~ /r\d*[02468]</ ? (chunked => 100) : ()),
            headers => [ 'Content-Type' => CONNECT ] }) } @messages);

    arrived($c->read_response('PUT'), @$_, "pipelined: $_->[0]")
        for @messages;
    is($c->{connects}, 1, 'pipelined: on one connection');
}


is_deeply([ grep { $_ == 401 || $_ >= 500 }
            MDM::Util::read_file($t->dir . '/length.log')
                =~ m{^\S+ \S+ (\d+) }mg ], [],
          'nobody was answered 401, or 500 and above');

finish;
