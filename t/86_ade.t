#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Automated Device Enrolment: whose MachineInfo is taken, who is let in, who has
# to update first, the login, and what one that was kept is good for.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use MDM;
use MDM::Apple;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit write_file);

my $made = File::Temp->newdir('mdm-ade-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $apple = MDM::Apple->new("$made");
my $strange = MDM::Apple->new("$made");
my $ca = MDM::CA->new("$made", 'devices');
my $signer = MDM::CA->new("$made", 'signer-root')->ra('signer');
my $key = write_file("$made/store.key", 'k' x 31 . "\x01");

chmod 0600, $key;

my $http = <<"END";
    mdm_ca devices { certificate $ca->{chain}; certificate_key $ca->{key}; }

    mdm_enrollment main {
        identifier   com.example.mdm;
        display_name "Example";
        organization "Example Ltd";
        topic        com.apple.mgmt.External.test;
        server_url   https://localhost:%%PORT%%/mdm;
        identity     scep devices https://localhost:%%PORT%%/scep;
        sign         $signer->{chain} $signer->{key};
        apple_ca     $apple->{ca};
        minimum_os   iOS 18.1;
        minimum_os   macOS 15.2 build=24C101;
    }
END

my $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /scep { mdm_scep devices; }
        location /api/ { mdm_api on; }
        location = /ade { mdm_enroll main ade; }
        location = /any { mdm_enroll main ade; mdm_enroll_allow any; }
        location = /once {
            mdm_enroll main ade;
            mdm_enroll_allow any;
            mdm_enroll_replace none;
        }
        location = /web {
            mdm_enroll main ade;
            mdm_enroll_person $arg_user;
            mdm_enroll_login https://idp.example.com/?state=$mdm_enroll_state;
        }
        location = /web-any {
            mdm_enroll main ade;
            mdm_enroll_allow any;
            mdm_enroll_person $arg_user;
            mdm_enroll_login https://idp.example.com/?state=$mdm_enroll_state;
        }
END

my %same = (http => $http, locations => $locations,
            server => 'large_client_header_buffers 4 16k;',
            store => "encryption_key $key;", ca => { file => $ca->{chain} });

my $t = MDM->new(redis => {}, %same)->start;


sub post {
    my ($path, $der, %o) = @_;

    return ($o{on} // $t)->request(POST => $path, body => $der,
        headers => [ 'Content-Type' => 'application/pkcs7-signature' ]);
}

sub page {
    my ($path, $der, %o) = @_;

    return ($o{on} // $t)->request(GET => $path, headers =>
        [ defined $der ? ('x-apple-aspen-deviceinfo', encode_base64($der, ''))
                       : () ]);
}

# the profile, whose signature holds

sub profile {
    my ($r, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, 200, $what) or diag($r->body), return {};
    is($r->header('Content-Type'), 'application/x-apple-aspen-config',
       'it is a profile');

    my $in = write_file("$made/profile", $r->body);
    my $rc = wait_exit(spawn({ out => "$made/openssl.log" }, 'openssl', 'cms',
                             '-verify', '-inform', 'DER', '-in', $in,
                             '-noverify', '-out', "$made/profile.plist"), 30);

    is($rc, 0, 'signed') or return {};

    return plist_read(read_file("$made/profile.plist"));
}

sub payload {
    my ($profile, $type) = @_;

    return (grep { $_->{PayloadType} eq $type }
                 @{$profile->{PayloadContent} // []})[0] // {};
}

sub challenge {
    return payload($_[0], 'com.apple.security.scep')->{PayloadContent}
           {Challenge} // '';
}

sub put { return $t->api(PUT => "/v1/serials/$_[0]",
                         body => JSON::PP::encode_json($_[1] // {})) }

sub events {
    return map { my %e = @{$_->[1]};
                 +{ %e, data => JSON::PP::decode_json($e{data}) } }
        @{$t->redis('XRANGE', "mdm:{default/$_[0]}:events", '-', '+')};
}

# refused, and nothing is another in Redis

sub spoof {
    my ($what, $r, $status, $why) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, $status // 403, "refused: $what");
    like($r->body, $why, 'and why') if $why;
    unlike($r->header('Content-Type') // '', qr/aspen/, 'no profile');

    return;
}


# who is let in

my $iphone = $apple->device('C02IPHONE001');
my $mac = $apple->device('C02MAC000001');

{
    my $r = post('/ade', $iphone->info);

    is($r->status, 403, 'a serial number that is not in the list');
    is($r->header('Content-Type'), 'application/json', 'told in JSON');
    is($r->json->{code}, 'com.apple.unrecognized.device', 'by its code');
    is($r->header('Cache-Control'), 'no-store', 'and is not kept');

    my ($e) = grep { $_->{event} eq 'mdm.EnrollRefused' } events('prof');

    is($e->{data}{serial}, 'C02IPHONE001', 'there is an event');

    post('/ade', $iphone->info);
    is(scalar(grep { $_->{event} eq 'mdm.EnrollRefused' } events('prof')), 1,
       'once');
}

is(put('C02IPHONE001', { sets => ['office'], tags => ['lab'],
                         variables => { site => 'north' } })->status, 204,
   'it is put there');

{
    my $r = post('/ade', $iphone->info);
    my $p = profile($r, 'then it is given a profile');

    is($r->header('Cache-Control'), 'no-store', 'which is not kept');
    like($r->header('Content-Disposition') // '', qr/enroll\.mobileconfig/,
         'by its name');
    is(payload($p, 'com.apple.mdm')->{ServerURL}, 'https://localhost:'
       . $t->port . '/mdm', 'for this server');
    like(challenge($p), qr/^[\w-]{43}$/, 'with a challenge');
    isnt(challenge(profile(post('/ade', $iphone->info), 'another one')),
         challenge($p), 'each with its own');

    my ($e) = grep { $_->{event} eq 'mdm.Enrolling' } events('ca');

    is("$e->{data}{way} $e->{data}{serial}", 'ade C02IPHONE001',
       'there is an event');
}

is(post('/any', $mac->info(PRODUCT => 'Mac16,1', OS_VERSION => '15.0'))
   ->status, 200, 'mdm_enroll_allow any');


# all kinds of devices, under one CA

for (['a Mac, which sends its certificate alone', [chain => 0]],
     ['SHA-1 without attributes', [md => 'sha1', noattr => 1]],
     ['BER', [ber => 1]], ['BER, SHA-1', [ber => 1, md => 'sha1']])
{
    my ($what, $how) = @$_;

    is(post('/any', $mac->sign($mac->said(PRODUCT => 'iPad16,3'), @$how))
       ->status, 200, $what);
}


# spoofs

{
    my $before = $t->redis_dump;
    my $evil = $strange->device('C02IPHONE001');
    my $below = $apple->device('C02IPHONE001', by => $iphone);
    my $info = $iphone->info;
    my $other = $iphone->info(SERIAL => 'C02OTHER0001');

    spoof('another CA of the same name', post('/ade', $evil->info));
    spoof('a device as a CA', post('/ade', $below->info));
    spoof('two signers', post('/ade', $iphone->sign($iphone->said,
                                                    with => [ $mac ])),
          403, qr/exactly one signer/);
    spoof('no content', post('/ade', $iphone->sign($iphone->said,
                                                   detached => 1)));
    spoof('one that is cut', post('/ade', substr $info, 0, -1));
    spoof('no message', post('/ade', $iphone->said));
    spoof('an empty one', post('/ade', ''));
    spoof('a long one', post('/ade', 'x' x 70000), 413);

    (my $changed = $info) =~ s/C02IPHONE001/C02IPHONE002/g;
    spoof('another content', post('/ade', $changed), 403);

    ($changed = $iphone->sign($iphone->said, noattr => 1))
        =~ s/C02IPHONE001/C02IPHONE002/;
    spoof('another content, without attributes', post('/ade', $changed));

    spoof('no UDID', post('/ade', $iphone->info(UDID => undef)), 403,
          qr/UDID/);
    spoof('no plist', post('/ade', $iphone->sign('hello')));

    spoof('a page without a device', page('/ade'), 403);
    spoof('no base64', $t->request(GET => '/ade', headers =>
                               [ 'x-apple-aspen-deviceinfo', '!' ]), 403);
    spoof('a page with another CA', page('/ade', $evil->info));

    is($t->redis_dump, $before, 'nothing is another');
}


# who has to update first

for (['equal', '18.1', 200], ['lower', '18.0.1', 403], ['higher', '18.2', 200],
     ['absent', undef, 200], ['17.10', '17.10', 403], ['18.10', '18.10', 200],
     ['18.1.1', '18.1.1', 200], ['what is no number', 'beta', 200])
{
    my ($what, $os, $status) = @$_;
    my $info = $iphone->info(OS_VERSION => $os,
                             MDM_CAN_REQUEST_SOFTWARE_UPDATE => \1);

    for my $r (post('/ade', $info), page('/ade', $info)) {
        is($r->status, $status, "$what: $status");

        next if $status == 200;

        is($r->header('Content-Type'), 'application/json', 'JSON');
        is_deeply([ @{$r->json}{qw(code details)} ],
                  [ 'com.apple.softwareupdate.required',
                    { OSVersion => '18.1' } ], 'what it has to have');
    }
}

is(post('/ade', $iphone->info(OS_VERSION => '17.0'))->status, 200,
   'one that cannot be told is let in');
is(post('/any', $mac->info(PRODUCT => 'Mac16,1', OS_VERSION => '15.1',
                           MDM_CAN_REQUEST_SOFTWARE_UPDATE => \1))
   ->json->{details}{BuildVersion}, '24C101', 'a Mac, by its own');


# a login

{
    my $r = page('/web', $iphone->info);

    is($r->status, 302, 'the first page leads to the login');

    my ($state) = ($r->header('Location') // '')
        =~ m{^https://idp\.example\.com/\?state=([\w-]{100,})$};

    ok(defined $state, 'with a state') or diag($r->header('Location'));
    is($r->header('Cache-Control'), 'no-store', 'and is not kept');

    profile(page("/web?user=ann&code=1&state=$state"),
            'back from it, a profile');
    is(page("/web?user=&state=$state")->status, 403, 'nobody is logged in');
    is(post('/web?user=', $iphone->info)->status, 403,
       'nor does a POST go by it');

    (my $bad = $state) =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/e;
    spoof('a state that was changed', page("/web?user=ann&state=$bad"));
    spoof('an empty state', page('/web?user=ann&state='));
    spoof('a state of an earlier form', page('/web?user=ann&state=e30'));

    # another host, and one that has another key

    my $two = MDM->new(redis => 0, redis_socket => $t->redis_server->socket,
                       auth => $t->redis_server->auth, %same)->start;

    profile(page("/web?user=ann&state=$state", undef, on => $two),
            'another host');
    $two->quit;
}


# whoever only looks spends nothing

{
    my $before = $t->redis_dump;

    for my $path (qw(/ade /any)) {
        my $r = $t->request(HEAD => $path, headers =>
            [ 'x-apple-aspen-deviceinfo', encode_base64($iphone->info, '') ]);

        is($r->status, 200, "HEAD $path");
    }

    is($t->redis_dump, $before, 'nothing is another');
}


# a MachineInfo that was kept: a simulated Mac, and somebody with its message

SKIP: {
    my $sim = "$MDM::root/build/mdmsim";

    skip('no build/mdmsim: scripts/build sim makes it', 1) unless -x $sim;

    my $who = $apple->device('SIM');
    my @fleet = ('--quiet', '--kinds', 'mac:1', '--first', 0, '--count', 1,
                 '--server-ca', $t->{server_ca}{file});

    my $run = sub {
        my ($command, $ids, @args) = @_;

        my $rc = wait_exit(spawn({ out => "$made/sim.log" }, $sim, $command,
                                 @fleet, '--identities', "$made/$ids", @args),
                           120);

        return defined $rc && $rc == 0 ? '' : read_file("$made/sim.log");
    };

    my $enroll = sub {
        my ($ids, $path, @args) = @_;

        return $run->('enroll', $ids, '--link', 'https://localhost:' . $t->port
                      . $path, '--apple-cert', $who->{cert}, '--apple-key',
                      $who->{key}, '--apple-chain', $apple->{ca}, @args);
    };

    my $poll = sub {
        return $run->('poll', $_[0], '--requests', 1, '--url',
                      'https://localhost:' . $t->port . '/mdm');
    };

    is($enroll->('mine', '/once', '--way', 'ade', '--bootstrap-token'), '',
       'mdmsim enroll --way ade');
    is($poll->('mine'), '', 'it polls');

    my ($e) = @{$t->redis('KEYS', 'mdm:{default/*}:e:*')};
    my ($tag, $id) = $e =~ /^(.*):e:(.*)$/;
    my $pin = $t->redis('HGET', $e, 'cert');

    is($t->redis('HGET', $e, 'way'), 'ade', 'by this way');

    isnt($enroll->('thief', '/once', '--way', 'ade'), '',
         'mdm_enroll_replace none: somebody else does not take its place');
    is($t->redis('HGET', $e, 'cert'), $pin, 'the pin stays');
    is($poll->('mine'), '', 'and the device is served');
    isnt($poll->('thief'), '', 'the other one is not');

    my $told = sub {
        my ($name) = @_;

        return map { my %e = @{$_->[1]}; JSON::PP::decode_json($e{data}) }
            grep { my %e = @{$_->[1]}; $e{event} eq $name }
            @{$t->redis('XRANGE', "$tag:events", '-', '+')};
    };

    my ($refused) = $told->('mdm.CertificateRefused');

    like($refused->{why} // '', qr/^mdm_enroll_replace /, 'there is an event');

    # with "any" it does, and gets no token of the former one

    is($enroll->('thief', '/any', '--way', 'ade'), '',
       'mdm_enroll_replace any: it does');
    isnt($t->redis('HGET', $e, 'cert'), $pin, 'the pin is another one');
    is($t->redis('HGET', "$tag:u:$id", 'bootstrap_held'), 1,
       'the bootstrap token is withheld');

    my ($last) = reverse $told->('mdm.Authenticate');

    is("$last->{way} @{[ $last->{withheld} ? 1 : 0 ]}", 'ade 1',
       'there is an event');
    ok(defined $last->{replaced}, 'with both certificates');

    # the web view

    @fleet[2, 4] = ('iphone:1', 7);

    is($enroll->('web', '/web-any?user=ann', '--way', 'ade-web'), '',
       'mdmsim enroll --way ade-web');
    is($poll->('web'), '', 'it polls');
}

finish;
