#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Whole lives, from the profile to the last key that is forgotten: an iPhone
# and a Mac with a user that enroll by links, and an iPad that Apple vouches
# for and that waits in Setup Assistant.  All of one life is one simulated
# device's, and the events of its partition tell it in order.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;

use MDM;
use MDM::APNs;
use MDM::Apple;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

my $made = File::Temp->newdir('mdm-life-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $topic = 'com.apple.mgmt.External.0f1e2d3c';
my $apple = MDM::Apple->new("$made");
my $ca = MDM::CA->new("$made", 'devices', key => 'ec:P-256');
my $ra = $ca->ra('ra');
my $key = write_file("$made/store.key", 'k' x 31 . "\x01");

chmod 0600, $key;

my $t = MDM->new(redis => {}, ca => { file => $ca->{cert} },
                 store => "encryption_key $key;",
                 server => 'large_client_header_buffers 4 16k;');
my $apns = MDM::APNs->new(dir => $t->dir);
my $url = 'https://localhost:' . $t->port;

$t->{http} = $apns->conf($apns->cert($topic)) . <<"END";
    mdm_push_window 1s;

    mdm_ca devices {
        certificate $ca->{cert};
        certificate_key $ca->{key};
        ra_certificate $ra->{cert};
        ra_certificate_key $ra->{key};
    }

    mdm_enrollment main {
        identifier com.example.mdm;
        display_name "Example";
        server_url $url/mdm;
        capabilities per-user-connections bootstraptoken;
        identity scep devices $url/scep;
        enroll_url $url/enroll;
        sign %%SERVER_CERT%% %%SERVER_KEY%%;
        apple_ca $apple->{ca};
    }
END

$t->{locations} = <<'END';
        location = /mdm {
            mdm_checkin on;
            mdm_connect on;
            mdm_release always;
        }
        location /api/ { mdm_api on; }
        location = /scep { mdm_scep devices; }
        location /enroll { mdm_enroll main link; }
        location = /ade { mdm_enroll main ade; }
END

$t->start;


sub api {
    my ($method, $path, $body) = @_;

    return $t->api($method => "/v1/$path",
                   defined $body ? (body => JSON::PP::encode_json($body))
                                 : ());
}

sub shown { return api(GET => "enrollments/$_[0]")->json }

sub started {
    my ($life, $command, @args) = @_;

    return spawn({ out => "$made/out" }, $sim, $command, '--quiet', '--first',
                 $life->{n}, '--count', 1, '--kinds', "$life->{kind}:1",
                 '--users', $life->{users}, '--server-ca',
                 $t->{server_ca}{file}, '--identities', "$made/ids",
                 '--topic', $topic, @args);
}

# exit code, and figures

sub sim {
    my $rc = wait_exit(started(@_), 120);
    my $out = read_file("$made/out");
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { %v, rc => defined $rc ? $rc >> 8 : -1, out => $out };
}

sub polled {
    my ($life, $what, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = sim($life, 'poll', '--url', "$url/mdm", @args);

    is($r->{rc}, 0, $what) or diag($r->{out});

    return $r;
}

sub refused {
    my ($life, $what, @args) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = sim($life, 'poll', '--url', "$url/mdm", '--channels', 'device',
                @args);

    is(join(' ', map { "$_ $r->{$_}" } grep { /^status/ } sort keys %$r),
       'status_403 1', $what) or diag($r->{out});

    return;
}

sub message {
    my ($life, $what, @more) = @_;

    my $pid = spawn({ out => "$made/message" }, $sim, 'message', '--device',
                    $life->{n}, '--kinds', "$life->{kind}:1", '--topic',
                    $topic, '--what', $what, @more);

    is(wait_exit($pid, 30), 0, "a message: $what");

    return read_file("$made/message");
}

# one message under the certificate that it has ("old": had); the plist that is
# answered

sub says {
    my ($life, $old, $what, @more) = @_;

    my $file = write_file("$made/as-$life->{n}-" . ++$life->{identities},
                          read_file("$made/ids/1-$life->{n}$old.pem"));
    my $type = 'application/x-apple-aspen-mdm'
               . ($what =~ /Token/ ? '-checkin' : '');
    my $r = $t->request(PUT => '/mdm', cert => { file => $file, key => $file },
                        headers => [ 'Content-Type', $type ],
                        body => message($life, $what, @more));

    is($r->status, 200, $what);
    $life->{said} = $r->body;

    return length $r->body ? plist_read($r->body) : {};
}

sub pin {
    my ($life) = @_;

    my @list = @{api(GET => "certificates?id=$life->{id}&state=pinned")->json
                 ->{certificates}};

    is(scalar(@list), 1, 'one certificate is its pin');

    return $list[0] // {};
}

# the names of events of the device, in their order, as often as they came

sub told {
    my ($id) = @_;

    return map { $_->{event} }
        grep { grep { $_ eq $id } split /,/, $_->{id} }
        map { my %e = @{$_->[1]}; \%e }
        map { @{$t->redis('XRANGE', $_, '-', '+')} }
        grep { m{^mdm:\{default/\d+\}:} }
        @{$t->redis('KEYS', 'mdm:{default/*}:events')};
}


# what happens in a life, in this order

# comes, by its way

sub enrolls {
    my ($life) = @_;

    my @way = ('--way', 'link', '--link');

    if ($life->{serial}) {
        my $who = $life->{apple} //= $apple->device($life->{serial});

        @way = ('--way', 'ade', '--awaiting', '--apple-cert', $who->{cert},
                '--apple-key', $who->{key}, '--apple-chain', $apple->{ca},
                '--link', "$url/ade");

    } else {
        my $r = api(POST => 'enrollment-links', { enrollment => 'main',
            person => 'ann@example.com', tags => [ 'lab' ] });

        is($r->status, 201, 'a link') or diag($r->body);
        push @way, $r->json->{url};
    }

    my $r = sim($life, 'enroll', @way, '--profile-ca', $t->{server_ca}{file},
                $life->{users} ? '--bootstrap-token' : ());

    is("$r->{rc} " . join(' ', map { $r->{$_} // '' }
                          qw(scep_issued scep_warnings enrolled)),
       '0 1 0 1',
       "$life->{name}: profile, SCEP, Authenticate, TokenUpdate")
        or diag($r->{out});

    my $e = shown($life->{id});

    ok($e->{enabled}, 'it is managed');
    is_deeply([ @{$e->{device}}{qw(enrollment way)} ],
              [ 'main', $life->{serial} ? 'ade' : 'link' ], 'by this way');
    is_deeply($e->{users}, $life->{user} ? [ $life->{user} ] : [],
              'and its users');
    is(api(GET => "enrollment-tags/$life->{id}")->body, '["lab"]',
       'it has what it was to be given');

    if ($life->{serial}) {
        ok($e->{awaiting_configuration}, 'it waits in Setup Assistant');
        is(polled($life, 'it is set up')->{commands}, 2,
           'what a setup says, and the way out');
        ok(!shown($life->{id})->{awaiting_configuration}, 'it is out');
    }

    is(pin($life)->{purpose}, 'device', 'with a certificate of ours');

    return;
}

# sleeps, is woken, answers

sub woken {
    my ($life) = @_;

    my @channels = grep { defined } @$life{qw(id user)};
    my $uuid = sprintf 'LIFE-%d-%d', $life->{n}, ++$life->{commands};
    my $pid = started($life, 'run', '--url', "$url/mdm", '--wake',
                      $apns->{control}, '--duration', 100);
    my $r = $t->enqueue(\@channels,
        $t->command($uuid, 'DeviceInformation',
                    Queries => [ qw(DeviceName OSVersion SerialNumber) ]),
        query => '');

    is($r->status, 200, 'a command is queued, and pushed for')
        or diag($r->body);

    for my $id (@channels) {
        my $status = $r->json->{status}{$id} // {};
        my $answer;

        ok($status->{push_result} || $status->{push_joined},
           'APNs takes the push');
        ok(wait_for(20, sub {
                $answer = api(GET => "queue/$id/$uuid?format=json")->json;

                return $answer->{state} eq 'acknowledged' }),
           'it wakes up, and answers');
        ok($answer->{result}{QueryResponses}{SerialNumber},
           'what it was asked for');
    }

    kill 'TERM', $pid;
    wait_exit($pid, 20);

    return;
}

# the profile is installed anew, and with it another certificate

sub enrolls_again {
    my ($life) = @_;

    my $before = pin($life)->{sha256};

    enrolls($life);
    isnt(pin($life)->{sha256}, $before, 'it has another certificate');
    refused($life, 'the one before is good for nothing', '--previous');

    return;
}

# its certificate comes to an end

sub renews {
    my ($life) = @_;

    my $before = pin($life);
    my $token = token($life);

    ok($before->{renew} lt $before->{not_after}, 'when it is to be renewed');

    my ($due) = grep { $_->{sha256} eq $before->{sha256} }
        @{api(GET => "certificates?expires_before=$before->{not_after}")->json
          ->{certificates}},
        @{api(GET => 'certificates?expires_before=2199-01-01T00:00:00Z')->json
          ->{certificates}};

    ok($due, 'it is listed with those that end');

    $life->{job} ? is_renewed($life) : renews_itself($life);

    my $now = pin($life);

    isnt($now->{sha256}, $before->{sha256}, 'another certificate');
    is($now->{purpose}, 'renew', 'of a renewal');
    is(api(GET => "queue/$life->{id}/KEPT-$life->{n}")->json->{state},
       $life->{job} ? 'not_now' : 'pending',
       'what was queued is still there');
    is(shown($life->{id})->{users}[0], $life->{user}, 'so are its users');
    is(token($life), $token, 'and its tokens');
    polled($life, 'it goes on');
    polled($life, 'the one before is good for a while', '--channels',
           'device', '--previous');

    return;
}

# it asks the SCEP server again, with what it has

sub renews_itself {
    my ($life) = @_;

    keep($life);

    my $r = sim($life, 'renew', '--url', "$url/mdm", '--scep', "$url/scep",
                '--then', 'token');

    is("$r->{rc} $r->{scep_issued}", '0 1', 'it renews') or diag($r->{out});

    return;
}

sub keep {
    my ($life) = @_;

    return $t->enqueue($life->{id},
                       $t->command("KEPT-$life->{n}", 'ProfileList'));
}

# A job finds it, as if a year had passed, and sends it a profile: it asks for a
# certificate with the challenge in there, and answers.

sub is_renewed {
    my ($life) = @_;

    my ($e) = @{$t->redis('KEYS', "mdm:*:e:$life->{id}")};

    $t->redis('ZADD', $e =~ s/:e:.*/:exp/r, 0, $life->{id});
    $t->redis('ZADD', 'mdm:{work}:due:renew', 0, 'default');

    # any change of a setup has jobs look

    api(PUT => 'setups/none', { filter => { model => [ 'none' ] } });

    ok(wait_for(30, sub {
            @{api(GET => "queue/$life->{id}")->json->{commands}} == 1 }),
       'a job renews it');
    keep($life);

    my $command = says($life, '', 'Idle');

    is($command->{Command}{RequestType}, 'InstallProfile', 'by a profile');

    my ($challenge) = "$command->{Command}{Payload}"
        =~ m{<key>Challenge</key>\s*<string>([^<]+)};
    my $file = write_file("$made/command", $life->{said});
    my $r = sim($life, 'enroll', '--scep', "$url/scep", '--scep-challenge',
                $challenge);

    is($r->{scep_issued}, 1, 'it has a new certificate') or diag($r->{out});
    says($life, '.old', 'Acknowledged', '--command', $file);
    is(polled($life, 'it comes with it', '--channels', 'device', '--notnow',
              100)->{commands_notnow}, 1, 'and is busy');

    return;
}

# a Mac's bootstrap token, as the Mac gets it

sub token {
    my ($life) = @_;

    return '' unless $life->{users};

    my $token = says($life, '', 'GetBootstrapToken')->{BootstrapToken};

    ok($token, 'it has one');

    return $token;
}

# stolen, and found

sub blocked {
    my ($life) = @_;

    my $pin = pin($life)->{sha256};

    is(api(POST => "enrollments/$life->{id}/block", { reason => 'stolen' })
       ->status, 204, 'blocked');
    $t->enqueue($life->{id}, $t->command("FOUND-$life->{n}", 'ProfileList'));
    refused($life, 'it is refused');
    is(api(POST => "enrollment-profiles/main?serial=$life->{number}")->status,
       403, 'there is no profile for it');

    is(api(DELETE => "enrollments/$life->{id}/block")->status, 204,
       'it was found');
    is(pin($life)->{sha256}, $pin, 'its pin is that of before');
    is(polled($life, 'it comes')->{commands}, 1, 'what waited is there');

    return;
}

# goes, and is forgotten

sub goes {
    my ($life) = @_;

    my $r = api(POST => "enrollments/$life->{id}/unenroll");

    is($r->json->{request_type}, 'RemoveProfile', 'its profile is removed')
        or diag($r->body);
    is(polled($life, 'it removes it', '--channels', 'device')->{commands}, 1,
       'as it was told');
    is(api(DELETE => "enrollments/$life->{id}")->status, 409,
       'as long as it is there it is not forgotten');
    $r = sim($life, 'checkout', '--url', "$url/mdm", '--channels', 'device');
    is($r->{rc}, 0, 'it says goodbye') or diag($r->{out});
    ok(!shown($_)->{enabled}, 'nobody is there')
        for grep { defined } @$life{qw(id user)};

    is(api(DELETE => "enrollments/$life->{id}")->status, 204, 'forgotten');
    refused($life, 'it is refused');
    is(api(GET => "enrollments/$life->{id}")->status, 404, 'it is not known');
    is_deeply([ grep { !/:events$/ } @{$t->redis('KEYS', "*$life->{id}*")} ],
              [], 'nothing is left of it');

    return;
}


is(api(PUT => 'setups/ipad', { hold => 'acknowledged',
       filter => { model => [ 'iPad*' ] },
       steps => [ { command => { RequestType => 'ProfileList' } } ] })->status,
   204, 'a setup');

my @enrolled = qw(mdm.Authenticate mdm.TokenUpdate);
my @setup = (@enrolled, qw(mdm.Setup mdm.Connect mdm.Released mdm.Connect));

# the second time: a token that is the same is no event; a certificate for a
# device that is known is one of that device

my %life = (
    iPhone => { kind => 'iphone', first => \@enrolled,
                second => \@enrolled },
    Mac => { kind => 'mac', users => 1, job => 1, second => \@enrolled,
             first => [ @enrolled, 'mdm.SetBootstrapToken' ] },
    iPad => { kind => 'ipad', owned => 1, job => 1, first => \@setup,
              second => [ 'mdm.CertificateIssued', @setup ] },
);

my $n = 0;

for my $name (sort keys %life) {
    my $life = $life{$name};

    $life->{name} = $name;
    $life->{n} = $n++;
    $life->{users} //= 0;

    my $who = plist_read(message($life, 'Authenticate'));

    $life->{id} = $who->{UDID};
    $life->{number} = $who->{SerialNumber};

    if ($life->{owned}) {
        $life->{serial} = $life->{number};
        is(api(PUT => "serials/$life->{serial}", { tags => [ 'lab' ] })
           ->status, 204, 'it is one of ours');
    }

    if ($life->{users}) {
        my $pid = spawn({ out => "$made/users" }, $sim, 'ids', '--first',
                        $life->{n}, '--count', 1, '--kinds', 'mac:1',
                        '--users', 1, '--channels', 'user');

        wait_exit($pid, 30);
        ($life->{user}) = split /\n/, read_file("$made/users");
    }

    $_->($life) for \&enrolls, \&woken, \&enrolls_again, \&renews, \&blocked,
                    \&goes;

    my @renewed = $life->{job}
        ? qw(api.Enqueue mdm.CertificateIssued mdm.Connect
             mdm.CertificateRenewed mdm.Connect)
        : qw(api.Enqueue mdm.CertificateIssued mdm.CertificateRenewed
             mdm.TokenUpdate);

    # then the command that was kept

    my @life = (@{$life->{first}}, qw(api.Enqueue mdm.Connect),
        @{$life->{second}}, @renewed,
        qw(mdm.Connect api.Block api.Enqueue api.Unblock mdm.Connect),
        qw(api.Enqueue mdm.Connect mdm.CheckOut api.Forget));

    is(join(' ', told($life->{id})), "@life", 'its life, in events');
}

finish;
