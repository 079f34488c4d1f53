#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Enrolment by a link: the profile, who is given one and how often, what a
# device makes of it, and what it is given when it enrolls.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;

use MDM;
use MIME::Base64 qw(encode_base64);
use MDM::APNs;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

my $made = File::Temp->newdir('mdm-enroll-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $topic = 'com.apple.mgmt.External.0f1e2d3c';
my $ca = MDM::CA->new("$made", 'device-ca');
my $root = MDM::CA->new("$made", 'root');
my $middle = $root->sub_ca('middle');
my $scep = 'identity scep devices http://127.0.0.1:%%PLAIN_PORT%%/scep';
my $url = 'https://localhost:%%PORT%%';

my $t = MDM->new(ca => { file => $ca->{cert} }, redis => {},
                 server => 'large_client_header_buffers 4 16k;');
my $apns = MDM::APNs->new(dir => $t->dir);

$t->{http} = $apns->conf($apns->cert($topic)) . <<"END";
    mdm_ca devices {
        certificate $ca->{cert};
        certificate_key $ca->{key};
    }

    mdm_enrollment main {
        identifier com.example.mdm;
        display_name "Example & Söhne";
        organization "Example Ltd";
        description "Manages this device.";
        server_url $url/mdm;
        capabilities per-user-connections bootstraptoken;
        $scep keysize=2048 retries=5 retry_delay=7;
        enroll_url $url/enroll/;
        trust_certificate $middle->{chain};
        pin on;
        sign %%SERVER_CERT%% %%SERVER_KEY%%;
    }

    mdm_enrollment bare {
        identifier com.example.bare;
        topic $topic;
        server_url $url/mdm;
        checkin_url $url/checkin;
        access_rights 3;
        checkout off;
        sign_message on;
        $scep fingerprint=off;
        enroll_url $url/bare;
    }
END

$t->{locations} = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /scep { mdm_scep devices; }
        location /enroll { mdm_enroll main link; }
        location /bare { mdm_enroll bare link; }
        location /staff {
            mdm_enroll main link;
            mdm_enroll_person $http_x_person;
        }
        location /other/ { mdm_api on; mdm_tenant other; }
        location /named {
            mdm_enroll main link;
            mdm_enroll_person $remote_user;
        }
        location /asked {
            auth_basic "Enroll";
            auth_basic_user_file %%MADE%%/people;
            mdm_enroll main link;
            mdm_enroll_person $remote_user;
        }
        location = /MDMServiceConfig { mdm_enroll main config; }
        location = /bare/MDMServiceConfig { mdm_enroll bare config; }
END

$t->{locations} =~ s/%%MADE%%/$made/;
spew("$made/people", "ann:{PLAIN}secret\n");

$t->start;

sub spew {
    my ($file, $text) = @_;

    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $text;
    close $out or die "$file: $!\n";

    return;
}

sub api {
    my ($method, $path, $body) = @_;

    return $t->request($method => "/api/v1/$path",
                       defined $body
                       ? (body => JSON::PP::encode_json($body)) : ());
}

sub link_for {
    my (%o) = @_;

    my $r = api(POST => 'enrollment-links', { enrollment => 'main', %o });

    is($r->status, 201, 'a link') or diag($r->body);

    return $r->json;
}

sub path_of { return $_[0]{url} =~ s{^https://[^/]+}{}r }

sub get {
    my ($path, %headers) = @_;

    return $t->request(GET => $path, headers => \%headers);
}

sub events {
    my ($key, $name) = @_;

    return grep { $_->{event} eq $name }
        map { my %e = @{$_->[1]}; $e{data} = JSON::PP::decode_json($e{data});
              \%e } @{$t->redis('XRANGE', "mdm:{default/$key}:events", '-',
                                '+')};
}

sub sim {
    my ($command, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$made/out" }, $sim, $command, '--quiet',
                             '--kinds', 'iphone:1', '--server-ca',
                             $t->{server_ca}{file}, '--identities',
                             "$made/ids", @args), 120);
    my $out = read_file("$made/out");
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => defined $rc ? $rc >> 8 : -1, out => $out, v => \%v };
}

wait_exit(spawn({ out => "$made/ids.txt" }, $sim, 'ids', '--count', 64,
                '--kinds', 'iphone:1'), 30);

my @ids = split /\n/, read_file("$made/ids.txt");


# the profile, as the API gives it

{
    my $r = api(POST => 'enrollment-profiles/main?plain=1&serial=C02X');

    is($r->status, 200, 'a profile') or diag($r->body);
    is($r->header('Content-Type'), 'application/x-apple-aspen-config',
       'its type');
    is($r->header('Content-Disposition'),
       'attachment; filename="enroll.mobileconfig"', 'it is a file');
    is($r->header('Cache-Control'), 'no-store', 'for nobody else');

    my $p = $r->plist;
    my @payloads = @{$p->{PayloadContent}};
    my %of = map { $_->{PayloadType} => $_ } @payloads;
    my $mdm = $of{'com.apple.mdm'};
    my $identity = $of{'com.apple.security.scep'};
    my $c = $identity->{PayloadContent};

    is_deeply([ map { $_->{PayloadType} } @payloads ],
              [ qw(com.apple.security.pkcs1 com.apple.security.root
                   com.apple.security.scep com.apple.mdm) ],
              'what is trusted comes first');
    is_deeply([ @$p{qw(PayloadType PayloadVersion PayloadIdentifier
                       PayloadDisplayName PayloadOrganization PayloadScope
                       PayloadDescription)} ],
              [ 'Configuration', 1, 'com.example.mdm', 'Example & Söhne',
                'Example Ltd', 'System', 'Manages this device.' ],
              'the profile itself');
    is_deeply([ @$mdm{qw(Topic ServerURL AccessRights PayloadIdentifier)} ],
              [ $topic, 'https://localhost:' . $t->port . '/mdm', 8191,
                'com.example.mdm.mdm' ], 'the MDM payload');
    ok(!exists $mdm->{CheckInURL}, 'the same URL for both');
    ok(${$mdm->{CheckOutWhenRemoved}} && !${$mdm->{SignMessage}},
       'its flags');
    is_deeply($mdm->{ServerCapabilities},
              [ qw(com.apple.mdm.per-user-connections
                   com.apple.mdm.bootstraptoken) ], 'capabilities');
    is_deeply($mdm->{$_},
              [ map { $_->{PayloadUUID} } @payloads[0, 1] ], $_)
        for qw(ServerURLPinningCertificateUUIDs
               CheckInURLPinningCertificateUUIDs);
    is($mdm->{IdentityCertificateUUID}, $identity->{PayloadUUID},
       'the identity is that of the MDM payload');
    is_deeply([ @$c{'URL', 'Key Type', 'Key Usage', 'Keysize', 'Retries',
                    'RetryDelay'} ],
              [ 'http://127.0.0.1:' . $t->plain_port . '/scep', 'RSA', 5, 2048,
                5, 7 ], 'SCEP');
    is_deeply($c->{Subject}, [ [ [ 'O', 'Example Ltd' ] ],
                               [ [ 'CN', 'Device Identity' ] ] ],
              'Subject is three arrays deep');
    like($c->{Challenge}, qr/^[A-Za-z0-9_-]{43}$/, 'a challenge');

    my ($print) = `openssl x509 -in $ca->{cert} -noout -fingerprint -sha1`
        =~ /=(.*)/;

    is(uc unpack('H*', $c->{CAFingerprint}), $print =~ s/://gr,
       'CAFingerprint');

    my $again = api(POST => 'enrollment-profiles/main?plain=1')->plist;
    my %then = map { $_->{PayloadType} => $_ } @{$again->{PayloadContent}};

    is($again->{PayloadUUID}, $p->{PayloadUUID}, 'the next one takes its place');
    is($then{'com.apple.mdm'}{PayloadUUID}, $mdm->{PayloadUUID},
       'so does the MDM payload');
    isnt($then{'com.apple.security.scep'}{PayloadUUID},
         $identity->{PayloadUUID}, 'the identity is a new one');

    my ($e) = events('ca', 'api.EnrollmentProfile');

    is("$e->{data}{enrollment} $e->{data}{serial}", 'main C02X', 'an event');
    unlike($t->log, qr/\Q$c->{Challenge}/, 'challenges are not logged');

    my $bare = api(POST => 'enrollment-profiles/bare')->plist;

    %of = map { $_->{PayloadType} => $_ } @{$bare->{PayloadContent}};
    $mdm = $of{'com.apple.mdm'};

    is(scalar(keys %of), 2, 'one without certificates');
    is($mdm->{CheckInURL}, 'https://localhost:' . $t->port . '/checkin',
       'another URL for check-in');
    ok(${$mdm->{SignMessage}} && !${$mdm->{CheckOutWhenRemoved}}
       && !exists $mdm->{ServerCapabilities}, 'other flags');
    ok(!exists $of{'com.apple.security.scep'}{PayloadContent}{CAFingerprint},
       'fingerprint=off');
    isnt($bare->{PayloadUUID}, $p->{PayloadUUID}, 'another block, others');

    is(api(POST => 'enrollment-profiles/none')->status, 404, 'no such block');
    is(api(POST => 'enrollment-profiles/main?plain=2')->status, 400,
       'no such flag');
    is(api(GET => 'enrollment-profiles/main')->status, 405, 'GET');
}


# signed

{
    my $signed = api(POST => 'enrollment-profiles/main')->body;
    my $file = write_file("$made/signed", $signed);
    my $out = `openssl cms -verify -inform DER -in $file -purpose any -CAfile $t->{server_ca}{file} 2>&1`;

    like($out, qr/CMS Verification successful/i, 'its signature');
    like($out, qr/<key>PayloadContent/, 'with the content');

    my $print = `openssl cms -cmsout -print -inform DER -in $file`;

    like($print, qr/algorithm: sha256/, 'SHA-256');
    unlike($print, qr/subject: .*TLS CA/, 'without the root');
}


# links

{
    my $l = link_for(person => 'ann@example.com', sets => [ 'office' ],
                     tags => [ 'lab' ], variables => { site => 'north' },
                     ttl => '1h');
    my $path = path_of($l);

    is_deeply([ sort keys %$l ], [ qw(expires id url) ], 'what is told');
    like($l->{url}, qr{^https://localhost:\d+/enroll/[A-Za-z0-9_-]{43}$},
         'the URL');

    my ($token) = $path =~ m{([^/]+)$};

    unlike($t->redis_dump, qr/\Q$token/, 'Redis does not know the token');
    unlike(api(GET => 'enrollment-links')->body, qr/\Q$token/,
           'nor does the list show it');

    my ($row) = @{api(GET => 'enrollment-links')->json->{links}};

    is_deeply([ @$row{qw(id state uses used fetched person)} ],
              [ $l->{id}, 'open', 1, 0, 0, 'ann@example.com' ], 'its row');
    is_deeply([ @$row{qw(sets tags variables)} ],
              [ [ 'office' ], [ 'lab' ], { site => 'north' } ],
              'what it gives');

    my $r = $t->request(HEAD => $path);

    is($r->status, 200, 'HEAD');
    is($r->header('Cache-Control'), 'no-store', 'of what is not kept');

    my $ios = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)'
              . ' AppleWebKit/605.1.15 (KHTML, like Gecko)';

    $r = get($path, 'User-Agent' => "$ios CriOS/130.0 Mobile/15E148 Safari/604.1");
    is($r->status, 200, 'another browser on iOS');
    like($r->header('Content-Type'), qr{^text/html}, 'gets a page');
    like($r->body, qr/Safari/, 'that says what to do');
    is(get($path, 'User-Agent' => "$ios Mobile/15E148")
       ->header('Content-Type'), 'text/html; charset=utf-8',
       'so does a view within another application');

    ($row) = @{api(GET => 'enrollment-links')->json->{links}};
    is($row->{fetched}, 0, 'that counts for nothing');

    $r = get($path, 'User-Agent' => "$ios Version/18.1 Mobile/15E148 Safari/604.1");
    is($r->header('Content-Type'), 'application/x-apple-aspen-config',
       'Safari gets a profile');

    my ($e) = events('ca', 'mdm.Enrolling');

    is("$e->{data}{way} $e->{data}{enrollment}", 'link main', 'an event');

    for my $wrong ("$path/x", '/enroll/' . 'x' x 43, '/enroll', '/enroll/',
                   path_of($l) =~ s{/enroll}{/bare}r)
    {
        $r = get($wrong);
        is($r->status, 403, "refused: $wrong");
        is($r->header('Content-Type'), 'text/plain; charset=utf-8',
           'never a profile');
        like($r->body, qr/^[^\n]+\n$/, 'one line');
        is($r->header('Content-Disposition'), undef, 'and no file');
    }

    $r = $t->request(PUT => $path);
    is($r->status, 405, 'PUT');

    for (2 .. 20) {
        get($path)->status == 200 or fail("fetch $_");
    }

    $r = get($path);
    is($r->status, 410, '20 fetches a use, and no more');

    is(api(DELETE => "enrollment-links/$l->{id}")->status, 204, 'taken back');
    is(get($path)->status, 403, 'it is gone');
    is(api(DELETE => "enrollment-links/$l->{id}")->status, 404, 'twice');
    is_deeply(api(GET => 'enrollment-links')->json, { links => [] },
              'nothing is left');
    is(join(' ', map { $_->{data}{change} } events('prof', 'api.EnrollmentLink')),
       'new deleted', 'both are audited');

    for my $bad ({}, { enrollment => 'none' }, { enrollment => 'main', x => 1 },
                 { enrollment => 'main', uses => 0 },
                 { enrollment => 'main', uses => 1001 },
                 { enrollment => 'main', ttl => '400d' },
                 { enrollment => 'main', udid => 'a:b' },
                 { enrollment => 'main', sets => [ '' ] },
                 { enrollment => 'main', tags => 'lab' },
                 { enrollment => 'main', variables => { 'a b' => 'x' } },
                 { enrollment => 'main', variables => { a => 1 } })
    {
        like(api(POST => 'enrollment-links', $bad)->status, qr/^40[04]$/,
             'refused: ' . JSON::PP::encode_json($bad));
    }

    is_deeply(api(GET => 'enrollment-links')->json, { links => [] },
              'which changes nothing');
}


# one that has expired

{
    my $l = link_for(ttl => 1);

    ok(wait_for(10, sub { $t->request(HEAD => path_of($l))->status == 410 }),
       'expired: 410');
    like(get(path_of($l))->body, qr/has expired/, 'why');
}


# a device: link, profile, SCEP, Authenticate, TokenUpdate, push, command

{
    my $l = link_for(person => 'ann@example.com', sets => [ 'office' ],
                     tags => [ 'lab' ], variables => { site => 'north' });
    my $r = sim('enroll', '--count', 1, '--way', 'link', '--link', $l->{url},
                '--profile-ca', $t->{server_ca}{file});

    is("$r->{rc} " . join(' ', map { $r->{v}{$_} // '' }
                          qw(scep_issued scep_warnings enrolled)),
       '0 1 0 1', 'it enrolls') or diag($r->{out});

    my $d = api(GET => "enrollments/$ids[0]")->json;

    is_deeply([ @{$d->{device}}{qw(person enrollment way)} ],
              [ 'ann@example.com', 'main', 'link' ], 'the API shows how');
    is(api(GET => "enrollment-sets/$ids[0]")->body, '["office"]', 'its sets');
    is(api(GET => "enrollment-tags/$ids[0]")->body, '["lab"]', 'its tags');
    is_deeply(api(GET => "enrollment-variables/$ids[0]")->json,
              { site => 'north' }, 'its variables');

    is(get(path_of($l))->status, 410, 'the link is used');

    my ($row) = @{api(GET => 'enrollment-links')->json->{links}};

    is("$row->{state} $row->{used}", 'used 1', 'the list says so');

    $r = sim('enroll', '--count', 1, '--first', 1, '--way', 'link', '--link',
             $l->{url});
    like($r->{out}, qr/HTTP status 410/, 'for one device only');

    $apns->clear;

    my $uuid = 'C0FFEE00-0000-4000-8000-000000000001';

    is($t->request(PUT => "/api/v1/enqueue/$ids[0]",
                   body => plist({ Command => { RequestType =>
                                                'ProfileList' },
                                   CommandUUID => $uuid }))->status,
       200, 'a command');
    ok(wait_for(10, sub { scalar $apns->ledger }), 'it is pushed for');

    $r = sim('poll', '--count', 1, '--requests', 1, '--url',
             'https://localhost:' . $t->port . '/mdm', '--topic', $topic);
    is($r->{rc}, 0, 'it polls') or diag($r->{out});
    is(api(GET => "queue/$ids[0]/$uuid")->json->{status}, 'Acknowledged',
       'and has answered');

    # it enrolls again: what was assigned since stays

    is(api(PUT => "enrollment-tags/$ids[0]?tag=own")->status, 204, 'a tag');

    $l = link_for(tags => [ 'second' ]);
    $r = sim('enroll', '--count', 1, '--way', 'link', '--link', $l->{url});
    is("$r->{rc} $r->{v}{enrolled}", '0 1', 'it enrolls again')
        or diag($r->{out});
    is_deeply([ sort @{api(GET => "enrollment-tags/$ids[0]")->json} ],
              [ qw(lab own second) ], 'its tags');
}


# one link, many devices at once

{
    my $l = link_for(uses => 1);
    my $r = sim('enroll', '--count', 16, '--first', 8, '--connections', 16,
                '--way', 'link', '--link', $l->{url});

    is("$r->{v}{scep_issued} $r->{v}{scep_badRequest}", '1 15',
       'one of 16 gets a certificate') or diag($r->{out});
    ok($t->wait_log(qr/badRequest: the link of the profile is used up/),
       'the log says why');

    $l = link_for(uses => 8);
    $r = sim('enroll', '--count', 64, '--first', 0, '--connections', 64,
             '--way', 'link', '--link', $l->{url});
    is("$r->{v}{scep_issued} $r->{v}{scep_badRequest}", '8 56',
       'eight of 64, where eight may') or diag($r->{out});
}


# for one device alone

{
    my $l = link_for(udid => $ids[40]);
    my $r = sim('enroll', '--count', 1, '--first', 41, '--way', 'link',
                '--link', $l->{url});

    is($r->{v}{enrolled}, 0, 'another one cannot enroll with it')
        or diag($r->{out});
    ok($t->wait_log(qr/the certificate is bound to another device/),
       'the log says why');
}


# a link that is taken back between profile and SCEP

{
    my $l = link_for();
    my $p = get(path_of($l));

    is($p->status, 200, 'a profile');
    is(api(DELETE => "enrollment-links/$l->{id}")->status, 204, 'taken back');

    my ($c) = $p->body =~ m{<key>Challenge</key>\s*<string>([^<]+)};

    my $r = sim('enroll', '--count', 1, '--first', 45, '--scep',
                'http://127.0.0.1:' . $t->plain_port . '/scep',
                '--scep-challenge', $c);

    is($r->{v}{scep_badRequest}, 1, 'no certificate') or diag($r->{out});
    ok($t->wait_log(qr/the link of the profile is gone, or has expired/),
       'the log says why');
}


# whom nginx knows

{
    is(get('/staff')->status, 403, 'nobody');
    is($t->request(HEAD => '/staff', headers => { 'X-Person' => 'bob' })
       ->status, 200, 'HEAD');

    my $r = get('/staff', 'X-Person' => 'bob');

    is($r->header('Content-Type'), 'application/x-apple-aspen-config',
       'a person gets a profile');

    my ($c) = $r->body =~ m{<key>Challenge</key>\s*<string>([^<]+)};

    $r = sim('enroll', '--count', 1, '--first', 50, '--scep',
             'http://127.0.0.1:' . $t->plain_port . '/scep',
             '--scep-challenge', $c, '--topic', $topic, '--url',
             'https://localhost:' . $t->port . '/mdm');
    is("$r->{rc} $r->{v}{enrolled}", '0 1', 'and enrolls') or diag($r->{out});
    is(api(GET => "enrollments/$ids[50]")->json->{device}{person}, 'bob',
       'as that person');
    is(get('/staff', 'X-Person' => 'x' x 300)->status, 403,
       'a name that is too long');
}


# a block is for the tenants of its CA

for my $call ([ 'enrollment-profiles/main', '{}' ],
              [ 'enrollment-links', '{"enrollment":"main"}' ])
{
    is($t->request(POST => "/other/v1/$call->[0]", body => $call->[1])->status,
       404, "$call->[0] of another tenant");
}


# a name that a client gives, and nobody has asked for

{
    my $basic = 'Basic ' . encode_base64('ann:secret', '');

    is(get('/named', Authorization => $basic)->status, 403,
       '$remote_user without a login is nobody');
    is(get('/asked')->status, 401, 'a login is asked for');
    is(get('/asked', Authorization => 'Basic ' . encode_base64('ann:x', ''))
       ->status, 401, 'a wrong one');
    is(get('/asked', Authorization => $basic)->status, 200,
       '$remote_user behind a login');
}


# Apple Configurator

{
    my $r = get('/MDMServiceConfig');

    is($r->header('Content-Type'), 'application/json; charset=UTF8',
       'MDMServiceConfig');

    my $base = 'https://localhost/MDMServiceConfig';

    is_deeply($r->json,
              { dep_enrollment_url => 'https://localhost:' . $t->port
                                      . '/enroll',
                dep_anchor_certs_url => "$base?anchors",
                trust_profile_url => "$base?trust" }, 'its URLs')
        or diag($r->body);
    is(scalar(@{get('/MDMServiceConfig?anchors')->json}), 2, 'the anchors');

    $r = get('/MDMServiceConfig?trust');
    is_deeply([ map { $_->{PayloadType} } @{$r->plist->{PayloadContent}} ],
              [ 'com.apple.security.root' ], 'roots only');
    is(get('/bare/MDMServiceConfig?anchors')->body, '[]', 'none');
    ok(!exists get('/bare/MDMServiceConfig')->json->{trust_profile_url},
       'no profile, no URL');
    is(get('/bare/MDMServiceConfig?trust')->status, 404, 'nor at its place');
    is(get('/MDMServiceConfig?x')->status, 404, 'what there is not');
}

finish;
