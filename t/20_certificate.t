#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The client certificate of the TLS connection: who is let in, what is pinned
# and what may replace it.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Device;
use MDM::Util qw(read_file write_file spawn wait_exit);


my %modes = (any => '', bound => 'mdm_reenroll bound;',
             deny => 'mdm_reenroll deny;',
             forget => 'mdm_keep_certificate off;');

my $on = 'mdm_checkin on; mdm_connect on;';

my $t = MDM->new(workers => 2, locations => join('', map {
        "location /$_ { $on $modes{$_} }\n" } sort keys %modes) . <<'END', server => <<'END');
        location /api/ { mdm_api on; }
    }

    # another CA, and none at all, at the same address

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        server_name other.test;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        ssl_client_certificate %%OTHER_CA%%;
        ssl_verify_client optional;
        location / { mdm_checkin on; mdm_connect on; }
    }

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        server_name unverified.test;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        location / { mdm_checkin on; mdm_connect on; }
    }

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        server_name lax.test;
        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        ssl_client_certificate %%CA%%;
        ssl_verify_client optional_no_ca;
        location / { mdm_checkin on; mdm_connect on; }
END
        ssl_protocols TLSv1.2 TLSv1.3;
        add_header X-TLS "$ssl_session_reused $ssl_protocol" always;
END

my $foreign = $t->foreign_cert(cn => 'VICTIM', serial => 'SVIC');

$t->{vars}{OTHER_CA} = $t->{foreign_ca}{file};
$t->start;


sub device {
    my ($mode, $id, %o) = @_;

    return $t->device($id, path => "/$mode", %o);
}


# the same device with another certificate, at another location

sub as {
    my ($d, $cert, $mode) = @_;

    return bless { %$d, cert => $cert, ($mode ? (path => "/$mode") : ()) },
        ref $d;
}


# Redis counts each change that a command makes: a cheap look at it.  The
# whole is compared as well where it may have changed.

my ($dump, $dirty);

sub dirty {
    my ($n) = $t->redis('INFO', 'persistence')
        =~ /rdb_changes_since_last_save:(\d+)/ or die 'no counter';

    return $n;
}


sub snapshot {
    ($dump, $dirty) = ($t->redis_dump, dirty());

    return;
}


sub unchanged {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $now = dirty();

    if ($now != $dirty) {
        fail("$what: Redis is unchanged");
        diag($t->redis_dump);
        $dirty = $now;
    }

    return;
}


sub same_dump {
    my ($what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($t->redis_dump, $dump, "$what: Redis is byte for byte unchanged");

    return;
}


sub refused {
    my ($r, $status, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, $status, $what);
    unlike($r->body, qr/plist|SECRET/, "$what: nothing is given away")
        if length $r->body;
    unchanged($what);

    return;
}


# each message, from each stranger

my $victim = device(deny => 'VICTIM', serial => 'SVIC')->enroll;
my $joe = $victim->user('U-1')->enroll;
my $other = device(deny => 'OTHER', serial => 'SOTH')->enroll;

$victim->set_bootstrap_token('SECRET')->status == 200 or die;
$t->enqueue([ 'VICTIM', 'VICTIM:U-1' ],
            $t->command('SECRET-1', 'DeviceInformation',
                        Queries => [ 'UDID' ]))->status == 200 or die;

my @messages = (
    [ Authenticate => sub { $_[0]->authenticate } ],
    [ TokenUpdate => sub { $_[0]->token_update } ],
    [ CheckOut => sub { $_[0]->checkout } ],
    [ SetBootstrapToken => sub { $_[0]->set_bootstrap_token('other') } ],
    [ 'SetBootstrapToken, empty' => sub { $_[0]->set_bootstrap_token } ],
    [ GetBootstrapToken => sub { $_[0]->get_bootstrap_token } ],
    [ UserAuthenticate => sub { $_[0]->user('U-1')
                                     ->message('UserAuthenticate') } ],
    [ GetToken => sub { $_[0]->message('GetToken',
                            TokenServiceType => 'com.apple.maid') } ],
    [ ReturnToService => sub { $_[0]->message('ReturnToService') } ],
    [ DeclarativeManagement => sub { $_[0]->message('DeclarativeManagement',
                                         Endpoint => 'tokens') } ],
    [ Idle => sub { $_[0]->idle } ],
    [ Acknowledged => sub { $_[0]->report('Acknowledged', 'SECRET-1') } ],
    [ Error => sub { $_[0]->report('Error', 'SECRET-1') } ],
    [ NotNow => sub { $_[0]->report('NotNow', 'SECRET-1') } ],
    [ 'user: TokenUpdate' => sub { $_[0]->user('U-1')->token_update } ],
    [ 'new user: TokenUpdate' => sub { $_[0]->user('U-2')->token_update } ],
    [ 'user: CheckOut' => sub { $_[0]->user('U-1')->checkout } ],
    [ 'user: Idle' => sub { $_[0]->user('U-1')->idle } ],
    [ 'user: Acknowledged' => sub { $_[0]->user('U-1')
                                 ->report('Acknowledged', 'SECRET-1') } ],
);

my @strangers = (
    [ 'no certificate', undef, 403 ],
    [ 'a foreign CA', $foreign, 400 ],
    [ 'an expired certificate', $t->cert(cn => 'VICTIM', expired => 1), 400 ],
    [ 'a certificate of tomorrow', $t->cert(cn => 'VICTIM', future => 1),
      400 ],
    [ 'a server\'s certificate', $t->cert(cn => 'VICTIM',
                                          purpose => 'server'), 400 ],
    [ 'another device\'s certificate', $other->cert, 403 ],
    [ 'a fresh certificate', $t->cert(cn => 'VICTIM'), 403 ],
);

snapshot();

for my $stranger (@strangers) {
    my ($name, $cert, $status) = @$stranger;

    for my $message (@messages) {
        refused($message->[1]->(as($victim, $cert)), $status,
                "$message->[0] with $name");
    }

    same_dump($name);
}

# bad input of a stranger is no better

for my $body ('', 'x', '<plist/>', plist({}), plist({ UDID => 'VICTIM' }),
              plist({ UDID => 'VICTIM', MessageType => 'Nothing' }),
              plist({ UDID => 'VICTIM', Status => 'Idle' }) x 2)
{
    my $what = 'bad input of ' . length($body) . ' bytes';

    refused(as($victim, undef)->send(MDM::Device::CHECKIN, $body), 403,
            "$what, no certificate");
    refused($victim->send(MDM::Device::CHECKIN, $body), 400,
            "$what, the right certificate");
}

refused($t->request('GET', '/deny', cert => $victim->cert), 405, 'GET');
refused($t->request('GET', '/deny'), 405, 'GET without a certificate');
refused($t->request('PUT', '/deny', plain => 1, body => 'x'), 403,
        'without TLS');

# a device that is not enrolled

for my $message (@messages) {
    next if $message->[0] eq 'Authenticate';

    refused($message->[1]->(device(any => 'NEW')), 403,
            "$message->[0] of an unknown device");
}

same_dump('bad input, unknown devices');

# the enrolled device still gets what is its own

is($victim->get_bootstrap_token->plist->{BootstrapToken}, 'SECRET',
   'the device itself has its token');
is($victim->uuid($victim->idle), 'SECRET-1', 'and its command');
is($joe->uuid($joe->idle), 'SECRET-1', 'and so has its user');


# nginx would let it pass: it is no identity for us

is($t->request('PUT', '/', sni => 'lax.test', cert => $foreign,
       headers => [ Host => 'lax.test', 'Content-Type' =>
                    MDM::Device::CONNECT ],
       body => plist({ UDID => 'VICTIM', Status => 'Idle' }))->status, 403,
   'optional_no_ca: a certificate that is not verified is none');

# verified for one server, used at another of the same address

for my $case ([ localhost => 'other.test', $victim->cert, 421 ],
              [ 'other.test' => 'localhost', $foreign, 421 ],
              [ localhost => 'unverified.test', $victim->cert, 403 ],
              [ 'unverified.test' => 'unverified.test', $victim->cert, 403 ],
              [ 'other.test' => 'unverified.test', $foreign, 403 ],
              [ 'unverified.test' => 'localhost', $victim->cert, 421 ])
{
    my ($sni, $host, $cert, $status) = @$case;

    snapshot();
    refused($t->client(sni => $sni, cert => $cert)->request('PUT', '/deny',
                headers => [ Host => $host,
                             'Content-Type' => MDM::Device::CONNECT ],
                body => plist({ UDID => 'VICTIM', Status => 'Idle' })),
            $status, "SNI $sni, Host $host");
}


# mdm_reenroll any: only Authenticate brings a new certificate

sub pin {
    my ($id) = @_;

    return $t->api('GET', "/v1/enrollments/$id")->json->{device}
             {certificate_sha256};
}

sub events {
    my ($name, $id) = @_;

    my @events;

    for my $key (@{$t->redis('KEYS', 'mdm:{*}:events')}) {
        for my $entry (@{$t->redis('XRANGE', $key, '-', '+')}) {
            my %e = @{$entry->[1]};

            push @events, JSON::PP->new->decode($e{data})
                if $e{event} eq $name && $e{id} eq $id;
        }
    }

    return @events;
}

{
    my $d = device(any => 'ANY-1')->enroll;
    my $old = $d->cert;
    my $new = as($d, $t->cert(cn => 'no name of it'));
    my $from = $t->log_size;

    is(pin('ANY-1'), $old->{sha256}, 'any: the first certificate is pinned');

    snapshot();
    refused($new->token_update, 403, 'any: TokenUpdate brings no new one');
    refused($new->idle, 403, 'any: nor does a connect');
    is($new->authenticate->status, 200, 'any: Authenticate does');
    is(pin('ANY-1'), $new->cert->{sha256}, 'any: it is pinned');

    snapshot();
    refused($d->$_, 403, "any: $_ with the old one")
        for qw(idle token_update checkout get_bootstrap_token);
    is($new->token_update->status, 200, 'any: TokenUpdate with the new one');
    is($new->idle->status, 200, 'any: a connect with the new one');

    like($t->log($from), qr/\[notice\] .*\Qcertificate of "ANY-1" was replaced\E:
                            \ $old->{sha256}\ by\ $new->{cert}{sha256}/x,
         'any: a notice says so');

    my @e = events('mdm.Authenticate', 'ANY-1');

    is_deeply($e[-1], { gen => 2, cert => $new->{cert}{sha256},
                        replaced => $old->{sha256} }, 'any: so does an event');
    is($e[0]{replaced}, undef, 'any: the first one replaced nothing');

    # again with the same one: that replaces nothing

    $from = $t->log_size;
    is($new->authenticate->status, 200, 'any: Authenticate once more');
    is((events('mdm.Authenticate', 'ANY-1'))[-1]{replaced}, undef,
       'any: nothing was replaced');
    unlike($t->log($from), qr/was replaced/, 'any: and nothing is said');
    $new->token_update;

    # neither the one in use nor the old one can serve another device

    my $thief = device(any => 'ANY-2')->enroll;

    snapshot();
    refused(as($thief, $new->cert)->authenticate, 403,
            'a certificate in use is refused to another device');
    refused(as($thief, $old)->authenticate, 403,
            'an old certificate is refused to another device');
    refused(as(device(any => 'ANY-3'), $old)->authenticate, 403,
            'also to a new one');
    is($thief->idle->status, 200, 'that device is as it was');
    is($new->idle->status, 200, 'and so is this one');
}

# one certificate, two ids at once: it goes to one of them

{
    my $cert = $t->cert(cn => 'shared');
    my @d = map { as(device(any => "RACE-$_"), $cert) } 1 .. 6;
    my @c = map { $t->client(cert => $cert)->connect } @d;

    for my $i (0 .. $#d) {
        $c[$i]->send_request('PUT', '/any',
            headers => [ 'Content-Type' => MDM::Device::CHECKIN ],
            body => plist({ MessageType => 'Authenticate',
                            UDID => $d[$i]->id,
                            Topic => 'com.apple.mgmt.External.test' }));
    }

    my @status = map { $_->read_response->status } @c;
    my @won = grep { $status[$_] == 200 } 0 .. $#d;

    is_deeply([ sort @status ], [ 200, (403) x 5 ],
              'six ids claim one certificate: one gets it')
        or diag("@status");
    is(scalar(grep { $t->api('GET', '/v1/enrollments/' . $_->id)->status
                     == 200 } @d), 1, 'and only that one is enrolled');
    is($d[$won[0]]->token_update->status, 200, 'and goes on') if @won;
}

# one id, many certificates at once: one of them is pinned in the end

{
    my @cert = map { $t->cert(cn => "X-$_") } 1 .. 6;
    my @c = map { $t->client(cert => $_)->connect } @cert;

    $_->send_request('PUT', '/any',
        headers => [ 'Content-Type' => MDM::Device::CHECKIN ],
        body => plist({ MessageType => 'Authenticate', UDID => 'RACE',
                        Topic => 'com.apple.mgmt.External.test' })) for @c;

    my @status = map { $_->read_response->status } @c;

    is(scalar(grep { $_ != 200 && $_ != 503 } @status), 0,
       'six certificates for one id: each is taken, or told to try again')
        or diag("@status");

    my @pinned = grep { $_->{sha256} eq pin('RACE') } @cert;
    my @works = grep { as(device(any => 'RACE'), $_)->token_update->status
                       == 200 } @cert;

    is_deeply(\@works, \@pinned, 'the one that is pinned works, no other');
    is(scalar @works, 1, 'it is one');
}


# mdm_reenroll bound

{
    my $d = device(bound => 'BOUND-a1', serial => 'SB1');

    $d = as($d, $t->cert(cn => 'first'));
    snapshot();
    refused($d->authenticate, 403, 'bound: the first one does not name it');
    same_dump('bound: the first one does not name it');
    is(as($d, $d->cert, 'any')->authenticate->status, 200,
       'any: it is pinned');
    is($d->token_update->status, 200, 'bound: it goes on');

    my @good = (
        [ 'CN' => cn => 'BOUND-a1' ],
        [ 'CN, other case' => cn => 'bound-A1' ],
        [ 'CN that is the serial number' => cn => 'SB1' ],
        [ 'serialNumber' => serial => 'SB1' ],
        [ 'serialNumber that is the UDID' => serial => 'BOUND-a1' ],
        [ 'SAN dns' => san => [ [ DNS => 'a.test' ], [ DNS => 'BOUND-a1' ] ] ],
        [ 'SAN dns, serial number' => san => [ [ DNS => 'sb1' ] ] ],
        [ 'SAN URI' => san => [ [ URI => 'https://a.test/devices/BOUND-a1' ]
                              ] ],
        [ 'SAN URI, urn' => san => [ [ URI => 'urn:uuid:BOUND-a1' ] ] ],
        [ 'SAN email' => san => [ [ email => 'BOUND-a1@a.test' ] ] ],
    );

    my @bad = (
        [ 'nothing of it' => cn => 'x' ],
        [ 'a part of it' => cn => 'BOUND-a' ],
        [ 'more than it' => cn => 'BOUND-a1 x' ],
        [ 'it elsewhere in the subject' => cn => 'x', org => 'BOUND-a1' ],
        [ 'another serial' => serial => 'SB2' ],
        [ 'SAN URI with it in the middle' =>
              san => [ [ URI => 'https://BOUND-a1/x' ] ] ],
        [ 'SAN dns below it' => san => [ [ DNS => 'BOUND-a1.a.test' ] ] ],
        [ 'SAN email at it' => san => [ [ email => 'x@BOUND-a1' ] ] ],
    );

    for my $case (@bad) {
        my ($name, %cert) = @$case;
        my $thief = as($d, $t->cert(cn => 'x', %cert));

        snapshot();
        refused($thief->authenticate, 403, "bound: $name");
    }

    # it says who it is in the certificate and in the message: what counts
    # is the serial number that is stored

    my $attacker = $t->cert(cn => 'x', serial => 'SATT');
    my $thief = as($d, $attacker);

    $thief->{serial} = 'SATT';
    snapshot();
    refused($thief->authenticate, 403,
            'bound: an attacker\'s own serial number in both places');
    refused($thief->authenticate(SerialNumber => 'SB1'), 403,
            'bound: an attacker\'s certificate, the right serial number');
    refused($d->authenticate(UDID => 'BOUND-a1', EnrollmentID => 'SATT'), 400,
            'bound: two ids in one message');
    same_dump('bound: refused ones');
    is($d->idle->status, 200, 'bound: the device was not disturbed');

    my $from = $t->log_size;
    my $last = $d;

    for my $case (@good) {
        my ($name, %cert) = @$case;
        my $new = as($d, $t->cert(cn => 'x', %cert));

        is($new->authenticate->status, 200, "bound: $name");
        is(pin('BOUND-a1'), $new->cert->{sha256}, "bound: $name: is pinned");
        snapshot();
        refused($last->idle, 403, "bound: $name: the old one is out");
        $last = $new;
    }

    is(scalar(() = $t->log($from) =~ /"BOUND-a1" was replaced/g),
       scalar @good, 'bound: a notice for each');

    # a device without a serial number is not named by an empty one

    my $bare = device(bound => 'BARE');

    $bare->message('Authenticate', Topic => 'com.apple.mgmt.External.test');
    snapshot();
    refused(as($bare, $t->cert(cn => 'x', serial => ' '))->authenticate, 403,
            'bound: no serial number is stored, the certificate\'s is blank');
}


# mdm_reenroll deny, and the way out

{
    my $d = device(deny => 'DENY-1')->enroll;
    my $new = as($d, $t->cert(cn => 'DENY-1', serial => 'SDENY-1'));

    snapshot();
    refused($new->authenticate, 403, 'deny: a new certificate');
    is($d->authenticate->status, 200, 'deny: the one that is pinned');
    $d->token_update;

    is($t->api('DELETE', '/v1/enrollments/DENY-1/certificate')->status, 204,
       'deny: the pin is reset');
    is(pin('DENY-1'), undef, 'deny: none is pinned');

    snapshot();
    refused($_->idle, 403, 'deny: a connect before Authenticate')
        for $d, $new;
    refused($_->token_update, 403, 'deny: a TokenUpdate before Authenticate')
        for $d, $new;
    refused(as($d, $other->cert)->authenticate, 403,
            'deny: after the reset, another device\'s certificate');
    is($new->authenticate->status, 200, 'deny: after the reset, a new one');
    is($new->token_update->status, 200, 'deny: it goes on');
    is($new->idle->status, 200, 'deny: and connects');
    snapshot();
    refused($d->idle, 403, 'deny: the old one is out');
    refused($d->authenticate, 403, 'deny: and stays out');

    my ($e) = events('api.PinReset', 'DENY-1');

    is($e->{cert}, $d->cert->{sha256}, 'deny: the reset is an event');
}

# migrated devices: the first contact pins

for my $mode (qw(any bound deny)) {
    my $id = "MIG-$mode";
    my $d = device($mode => $id);
    my $stranger = as($d, $t->cert(cn => 'x'));

    $t->api('PUT', '/migration', body => plist({ UDID => $id, %$_ }))
      ->status == 200 or die
        for { MessageType => 'Authenticate', Topic => 'com.apple.mgmt.x',
              SerialNumber => "S$id" },
            { MessageType => 'TokenUpdate', Topic => 'com.apple.mgmt.x',
              PushMagic => 'm', Token => plist_data('t') };

    snapshot();
    refused(as($d, undef)->idle, 403, "migrated, $mode: no certificate");
    refused(as($d, $other->cert)->idle, 403,
            "migrated, $mode: another device's");
    refused($stranger->idle, 403, 'migrated, bound: not named')
        if $mode eq 'bound';

    is($d->idle->status, 200, "migrated, $mode: the first contact");
    is(pin($id), $d->cert->{sha256}, "migrated, $mode: is pinned");
    is((events('mdm.Pin', $id))[0]{cert}, $d->cert->{sha256},
       "migrated, $mode: is an event");
    snapshot();
    refused($stranger->idle, 403, "migrated, $mode: another one then");
}


# the certificate itself, kept or not

sub kept {
    my ($id) = @_;

    my $list = $t->api('POST', '/v1/enrollments/query',
        body => qq({"filter":{"ids":["$id"]},)
            . '"options":{"include_device_cert":true}}')->json->{enrollments};

    return $list->[0]{device}{device_cert};
}

sub same_pem { return $_[0] =~ s/\s+//gr }

{
    my $d = device(any => 'KEEP')->enroll;
    my $none = device(forget => 'KEEP-NOT')->enroll;

    is(same_pem(kept('KEEP')), same_pem($d->cert->{pem}),
       'the certificate is kept');
    is(kept('KEEP-NOT'), undef, 'mdm_keep_certificate off: it is not');
    is(pin('KEEP-NOT'), $none->cert->{sha256}, 'but its digest is');
    is($none->idle->status, 200, 'and that is enough');

    my $new = as($d, $t->cert(cn => 'KEEP'));

    $new->authenticate;
    is(same_pem(kept('KEEP')), same_pem($new->cert->{pem}),
       'a new one takes its place');
    as($new, $new->cert, 'forget')->authenticate;
    is(kept('KEEP'), undef, 'mdm_keep_certificate off: it is dropped');
}


# HTTP/2: the streams of one connection have its identity

{
    my $d = device(any => 'H2')->enroll;
    my $idle = write_file($t->dir . '/idle',
                          plist({ UDID => 'H2', Status => 'Idle' }));

    $t->enqueue('H2', $t->command('h2-1', 'ProfileList'));

    my $r = $t->curl(http2 => 1, method => 'PUT', path => '/any',
        cert => $d->cert, body => plist({ UDID => 'H2', Status => 'Idle' }),
        headers => [ 'Content-Type' => MDM::Device::CONNECT ]);

    is($r->{version}, '2', 'HTTP/2');
    is($d->uuid($r), 'h2-1', 'HTTP/2: the device has its command');

    for my $case ([ $d->cert, 200, 'its own certificate' ],
                  [ undef, 403, 'none' ], [ $other->cert, 403, 'another' ],
                  [ $foreign, 400, 'a foreign CA' ])
    {
        my ($cert, $status, $name) = @$case;
        my @cmd = ('curl', '-sSk', '--http2', '--max-time', 30,
            ($cert ? ('--cert', $cert->{file}, '--key', $cert->{key}) : ()));

        for (1 .. 3) {
            push @cmd, '--next' if $_ > 1;
            push @cmd, '-k', '--http2', '-X', 'PUT', '--data-binary',
                "\@$idle", '-H', 'Content-Type: application/x-apple-aspen-mdm',
                ($cert && $_ > 1 ? ('--cert', $cert->{file}, '--key',
                                    $cert->{key}) : ()),
                '-o', '/dev/null', '-w', '%{http_code} %{num_connects}\n',
                'https://127.0.0.1:' . $t->port . '/any';
        }

        snapshot();
        is(wait_exit(spawn({ out => $t->dir . '/h2.log' }, @cmd), 60), 0,
           "HTTP/2, $name: curl") or diag(read_file($t->dir . '/h2.log'));
        like(read_file($t->dir . '/h2.log'),
             qr/^$status 1\n(?:$status [01]\n){2}\z/,
             "HTTP/2, $name: three requests");
        unchanged("HTTP/2, $name") if $status != 200;
    }
}


# a session that is resumed brings its certificate

for my $tls (qw(1.2 1.3)) {
    my $d = device(any => "RESUMED-$tls")->enroll;

    for my $case ([ $d->id, 200 ], [ VICTIM => 403 ]) {
        my ($id, $status) = @$case;
        my $idle = write_file($t->dir . '/idle',
                              plist({ UDID => $id, Status => 'Idle' }));
        my @cmd = ('curl', '-sSk', '--http1.1', '--max-time', 30, '--tlsv1.2',
            '--tls-max', $tls, '--cert', $d->cert->{file}, '--key',
            $d->cert->{key}, '-X', 'PUT', '--data-binary', "\@$idle", '-H',
            'Connection: close', '-H',
            'Content-Type: application/x-apple-aspen-mdm', '-D', '-',
            ('-o', '/dev/null') x 3,
            ('https://localhost:' . $t->port . '/any') x 3,
            '--resolve', 'localhost:' . $t->port . ':127.0.0.1');
        my $log = $t->dir . '/resume.log';

        is(wait_exit(spawn({ out => $log }, @cmd), 60), 0,
           "TLS $tls, resumed: curl") or diag(read_file($log));

        is_deeply([ grep { defined && length }
                    read_file($log) =~ /^HTTP\S+ (\d+)|^X-TLS: ([^\r]*)/mg ],
                  [ $status, ". TLSv$tls", ($status, "r TLSv$tls") x 2 ],
                  "TLS $tls: as $id: a new session, two resumed ones");
    }
}


# devices that alternate do not mix

{
    my @d = map { device(any => "ALT-$_")->enroll } 0 .. 3;

    $t->enqueue($_->id, $t->command('for-' . $_->id, 'ProfileList')) for @d;

    my @c = map { $t->client(cert => $_->cert)->connect } @d;
    my (%own, %wrong);

    for my $turn (0 .. 15) {
        my $as = $d[$turn % 4]->id;

        $c[$_]->send_request('PUT', '/any',
            headers => [ 'Content-Type' => MDM::Device::CONNECT ],
            body => plist({ UDID => $as, Status => 'Idle' })) for 0 .. 3;

        for (0 .. 3) {
            my $r = $c[$_]->read_response;

            if ($_ == $turn % 4) {
                $own{$r->status . ' ' . ($d[$_]->uuid($r) eq "for-$as")}++;

            } else {
                $wrong{$r->status}++;
            }
        }
    }

    is_deeply(\%own, { '200 1' => 16 }, 'each certificate opens its own id');
    is_deeply(\%wrong, { 403 => 48 }, 'and no other');
}

unlike($t->access_log, qr/" 401 /, 'no device has seen 401');

finish;
