#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The renewal job: devices whose certificate is due get their enrolment profile
# anew, with a challenge that is made when it is delivered; until the new
# certificate has spoken, and whatever becomes of devices and workers meanwhile.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;

use MDM;
use MDM::APNs;
use MDM::CA;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

my $made = File::Temp->newdir('mdm-renew-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $topic = 'com.apple.mgmt.External.0f1e2d3c';
my $ca = MDM::CA->new("$made", 'device-ca');
my $short = MDM::CA->new("$made", 'short-ca');
my $bundle = write_file("$made/bundle.pem",
                        map { read_file($_->{cert}) } $ca, $short);
my $key = write_file("$made/store.key", 'k' x 31 . "\x01");

chmod 0600, $key;

my $t = MDM->new(ca => { file => $bundle }, redis => {}, workers => 2,
                 store => "partitions 16; encryption_key $key;",
                 server => 'large_client_header_buffers 4 16k;');
my $apns = MDM::APNs->new(dir => $t->dir);

# the URL is the same wherever it is asked

my $url = 'https://localhost:' . $t->port;
my $scep = 'http://127.0.0.1:' . $t->plain_port . '/scep';

sub http {
    my ($server_url) = @_;

    return $apns->conf($apns->cert($topic)) . <<"END";
    mdm_ca devices { certificate $ca->{cert}; certificate_key $ca->{key}; }

    mdm_ca short {
        certificate $short->{cert};
        certificate_key $short->{key};
        lifetime 1h;
        renew 3598s;
    }

    mdm_enrollment main {
        identifier com.example.mdm;
        display_name "Example";
        organization "Example Ltd";
        server_url $server_url/mdm;
        capabilities per-user-connections;
        identity scep devices $scep/devices;
        enroll_url $url/enroll;
        sign %%SERVER_CERT%% %%SERVER_KEY%%;
    }

    mdm_enrollment brief {
        identifier com.example.brief;
        server_url $url/mdm;
        identity scep short $scep/short;
        enroll_url $url/brief;
    }
END
}

my $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /scep/devices { mdm_scep devices; }
        location /scep/short { mdm_scep short; }
        location /enroll { mdm_enroll main link; }
        location /brief { mdm_enroll brief link; }
END

@$t{qw(http locations)} = (http($url), $locations);
$t->start;

# whoever has enrolled before there was such work, or elsewhere

ok(wait_for(20, sub { $t->redis('ZSCORE', 'mdm:{work}:due:renew',
                                  'default') }),
   'a worker that starts has it looked after');


sub sim {
    my ($command, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$made/out" }, $sim, $command, '--quiet',
                             '--kinds', 'iphone:1', '--count', 1,
                             '--server-ca', $t->{server_ca}{file},
                             '--identities', "$made/ids", @args), 120);
    my $out = read_file("$made/out");
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => defined $rc ? $rc >> 8 : -1, out => $out, v => \%v };
}

wait_exit(spawn({ out => "$made/ids.txt" }, $sim, 'ids', '--count', 32,
                '--kinds', 'iphone:1'), 30);

my @ids = split /\n/, read_file("$made/ids.txt");
my %tag;

sub api { my ($method, $path, @more) = @_;
          return $t->api($method, "/v1/$path", @more) }

sub shown { return api(GET => "enrollments/$ids[$_[0]]")->json }

# the prefix of keys of a device's partition

sub tag {
    my ($n) = @_;

    return $tag{$n} //= (map { s/:e:.*//r }
                         @{$t->redis('KEYS', "mdm:*:e:$ids[$n]")})[0];
}

sub events {
    my ($n, $name) = @_;

    return map { JSON::PP->new->utf8->decode($_->{data}) }
        grep { $_->{event} eq $name && $_->{id} eq $ids[$n] }
        map { my %e = @{$_->[1]}; \%e }
        @{$t->redis('XRANGE', tag($n) . ':events', '-', '+')};
}

# a device that enrolled by a link; its certificates are files

sub identity {
    my ($n, $name) = @_;

    my $file = write_file("$made/$n-$name.pem",
                          read_file("$made/ids/1-$n.pem"));

    return { file => $file, key => $file };
}

sub enrolled {
    my ($n, $enrollment, %o) = @_;

    my $l = api(POST => 'enrollment-links',
                body => JSON::PP::encode_json({ enrollment => $enrollment,
                                                %o }))->json;
    my $r = sim('enroll', '--first', $n, '--way', 'link', '--link',
                $l->{url});

    is("$r->{rc} " . ($r->{v}{enrolled} // ''), '0 1', "$n enrolls")
        or diag($r->{out});

    return $t->device($ids[$n], cert => identity($n, 'first'),
                      topic => $topic, number => $n,
                      serial => shown($n)->{device}{serial_number});
}

# A job looks at what is due; another one's kick is as good as its own time.

sub look {
    $t->redis('ZADD', 'mdm:{work}:due:renew', 0, 'default');
    api(PUT => 'setups/kick', body => '{"filter":{"model":["none"]}}');

    return;
}

sub due {
    my ($n) = @_;

    $t->redis('ZADD', tag($n) . ':exp', 0, $ids[$n]);
    look();

    return;
}

sub queue { return @{api(GET => "queue/$ids[$_[0]]")->json->{commands}} }

sub queued {
    my ($n, $count) = @_;

    return ok(wait_for(30, sub { queue($n) == $count }),
              "$n: $count in its queue");
}

# what it fetches: the profile's challenge, and the CommandUUID

sub fetch {
    my ($d, $r) = @_;

    $r //= $d->idle;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->status, 200, 'it polls');

    my $c = length $r->body ? plist_read($r->body) : { Command => {} };

    is($c->{Command}{RequestType}, 'InstallProfile', 'InstallProfile')
        or return {};

    my $text = "$c->{Command}{Payload}";
    my $in = write_file("$made/profile", $text);

    if ($text !~ /^<\?xml/) {
        $text = `openssl cms -verify -inform DER -in $in -noverify 2>/dev/null`;
    }

    my $profile = plist_read($text);
    my %of = map { $_->{PayloadType} => $_ } @{$profile->{PayloadContent}};

    return { uuid => $c->{CommandUUID}, body => $r->body, profile => $profile,
             mdm => $of{'com.apple.mdm'},
             scep => $of{'com.apple.security.scep'},
             challenge => $of{'com.apple.security.scep'}{PayloadContent}
                             {Challenge} };
}

# it installs the profile: another certificate

sub installs {
    my ($d, $p) = @_;

    my $r = sim('enroll', '--first', $d->{number}, '--scep',
                $p->{scep}{PayloadContent}{URL}, '--scep-challenge',
                $p->{challenge});

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->{v}{scep_issued}, 1, 'it has a certificate by SCEP')
        or diag($r->{out});

    return identity($d->{number}, 'next-' . ++$d->{installs});
}


# from a certificate that is due to the new one's first message

{
    my $d = enrolled(0, 'main', person => 'ann@example.com',
                     tags => [ 'lab' ]);
    my $user = $d->user('USER-1')->enroll;

    ok($t->redis('ZSCORE', 'mdm:{work}:due:renew', 'default'),
       'somebody will look');
    $d->set_bootstrap_token('secret');
    $t->enqueue($ids[0], $t->command('BEFORE', 'ProfileList'));
    $apns->clear;
    due(0);
    queued(0, 2);
    ok(wait_for(20, sub { scalar $apns->ledger }), 'it is woken');

    my ($before, $renewal) = queue(0);

    is_deeply([ sort keys %$renewal ],
              [ qw(command_uuid enrollment request_type) ],
              'the queue shows a reference');
    is("$renewal->{request_type} $renewal->{enrollment}",
       'InstallProfile main', 'by what it will be made');

    my $open = @{api(GET => 'challenges')->json->{challenges}};
    my $r = $d->idle;

    is(plist_read($r->body)->{CommandUUID}, 'BEFORE', 'first in, first out');
    is(scalar(@{api(GET => 'challenges')->json->{challenges}}), $open,
       'there is no challenge before it is delivered');

    my $p = fetch($d, $d->report('Acknowledged', 'BEFORE',
                                 ProfileList => []));

    is($p->{uuid}, $renewal->{command_uuid}, 'it is that one');
    is($p->{profile}{PayloadIdentifier}, 'com.example.mdm',
       'the profile takes the place of the one before');
    is($p->{mdm}{IdentityCertificateUUID}, $p->{scep}{PayloadUUID},
       'with another identity');
    is($p->{mdm}{ServerURL}, "$url/mdm", 'and the same URL');

    is(fetch($d)->{body}, $p->{body}, 'the same bytes until it is answered');
    unlike($t->redis_dump, qr/\Q$p->{challenge}/, 'Redis cannot read it');
    unlike(api(GET => "queue/$ids[0]")->body, qr/"command":/,
           'nor does the queue show it');
    unlike(api(GET => "queue/$ids[0]/$p->{uuid}")->body,
           qr/\Q$p->{challenge}/, 'nor the command');
    unlike($t->log, qr/\Q$p->{challenge}/, 'nor the log');

    my $next = installs($d, $p);

    is($d->report('Acknowledged', $p->{uuid})->status, 200,
       'it answers under the certificate before');
    is(scalar(events(0, 'mdm.CertificateRenewed')), 0, 'which is the pin');

    $d->{cert} = $user->{cert} = $next;
    is($d->token_update->status, 200, 'TokenUpdate under the new one');

    my ($e) = events(0, 'mdm.CertificateRenewed');

    ok($e, 'an event');
    is(api(GET => "certificates/$e->{cert}")->json->{purpose}, 'renew',
       'the ledger says what for');
    is(api(GET => "queue/$ids[0]/$p->{uuid}")->json->{status},
       'Acknowledged', 'the command is answered');

    my $now = shown(0);

    ok($now->{enabled} && $now->{has_bootstrap_token}, 'nothing is lost');
    is_deeply([ @{$now->{device}}{qw(person enrollment way)} ],
              [ 'ann@example.com', 'main', 'link' ], 'nor who it is for');
    is(api(GET => "enrollment-tags/$ids[0]")->body, '["lab"]', 'nor its tags');
    is($user->idle->status, 200, 'its user is there');
    ok($t->redis('ZSCORE', tag(0) . ':exp', $ids[0]) > time + 300 * 86400,
       'it is not due for a year');
    look();
    $t->enqueue($ids[0], $t->command('BEHIND', 'ProfileList'));
    is_deeply([ $d->drain ], [ 'BEHIND' ], 'and not asked again');
    is(scalar(events(0, 'mdm.CertificateDue')), 0, 'no complaint');
}


# its CA would have it renewed at once, which is after half of its life then;
# with an Authenticate first

{
    my $d = enrolled(1, 'brief');
    my $wait = $t->redis('ZSCORE', tag(1) . ':exp', $ids[1]) - time;

    ok($wait > 1500 && $wait <= 1805, 'not before half of its life is over');
    due(1);
    queued(1, 1);

    my $p = fetch($d);

    $d->{cert} = installs($d, $p);
    is($d->authenticate->status, 200, 'Authenticate under the new one');
    is($d->token_update->status, 200, 'TokenUpdate');

    my ($e) = events(1, 'mdm.CertificateRenewed');

    is($e->{ca}, 'short', 'it is renewed');
    is(shown(1)->{device}{way}, 'link', 'by the way that it came');
    is((events(1, 'mdm.Authenticate'))[-1]{gen}, 1, 'it is no other device');
}


# NotNow, and an error

{
    my $d = enrolled(2, 'main');

    due(2);
    queued(2, 1);

    my $p = fetch($d);

    is($d->report('NotNow', $p->{uuid})->body, '', 'NotNow');
    is(fetch($d)->{uuid}, $p->{uuid}, 'it is asked again');
    is($d->report('Error', $p->{uuid})->body, '', 'an error');
    queued(2, 0);
    cmp_ok($t->redis('ZSCORE', tag(2) . ':exp', $ids[2]), '<=',
           time + 3600 + 5, 'it will be asked within an hour');

    due(2);
    queued(2, 1);

    my $q = fetch($d);

    isnt($q->{uuid}, $p->{uuid}, 'by another command');
    isnt($q->{challenge}, $p->{challenge}, 'with a challenge of its own');
    is($d->report('Acknowledged', $q->{uuid})->body, '', 'all is well');

    # but no new certificate has spoken

    my $wait = $t->redis('ZSCORE', tag(2) . ':exp', $ids[2]) - time;

    ok($wait > 2 * 86400 - 60 && $wait <= 2 * 86400 + 5, 'two days later');
    due(2);
    queued(2, 1);
    $wait = $t->redis('ZSCORE', tag(2) . ':exp', $ids[2]) - time;
    ok($wait > 4 * 86400 - 60 && $wait <= 4 * 86400 + 5, 'then four');
}


# the one that renews is this device

{
    my $d = enrolled(3, 'main');

    due(3);
    queued(3, 1);

    my $p = fetch($d);
    my $r = sim('enroll', '--first', 4, '--scep', "$scep/devices",
                '--scep-challenge', $p->{challenge}, '--url', "$url/mdm",
                '--topic', $topic);

    is($r->{v}{enrolled}, 0, 'another one cannot enroll by it')
        or diag($r->{out});
    ok($t->wait_log(qr/the certificate belongs to another device/),
       'the log says why');
}


# workers that are killed: behind the job, and while it is delivered

{
    my $d = enrolled(5, 'main');

    due(5);
    $t->kill_worker('KILL', $_) for $t->workers;
    ok(wait_for(60, sub { look(); queue(5) == 1 }), 'a job does it, once');

    my $p = fetch($d);

    $t->kill_worker('KILL', $_) for $t->workers;
    is(fetch($d)->{body}, $p->{body}, 'the same bytes by another worker');
    $d->{cert} = installs($d, $p);
    $t->kill_worker('KILL', $_) for $t->workers;
    is($d->report('Acknowledged', $p->{uuid})->status, 200,
       'the answer comes under the new one');
    is(scalar(events(5, 'mdm.CertificateRenewed')), 1, 'it is renewed');
    is(api(GET => "queue/$ids[5]/$p->{uuid}")->json->{request_type},
       'InstallProfile', 'by this command');
}


# two hosts, one job

{
    my %same = (http => http($url), locations => $locations,
                store => $t->{store}, server => $t->{server},
                ca => { file => $bundle });
    my $two = MDM->new(redis => 0, redis_socket => $t->redis_server->socket,
                       auth => $t->redis_server->auth, %same)->start;
    my @d = map { enrolled($_, 'main') } 6 .. 9;

    $t->redis('ZADD', tag($_->{number}) . ':exp', 0, $ids[$_->{number}])
        for @d;
    $t->redis('ZADD', 'mdm:{work}:due:renew', 0, 'default');

    for my $host ($t, $two, $t, $two) {
        $host->api(PUT => '/v1/setups/kick',
                   body => '{"filter":{"model":["none"]}}');
    }

    for my $d (@d) {
        queued($d->{number}, 1);
        is(fetch($d)->{mdm}{Topic}, $topic, 'once');
    }

    $two->quit;
}


# whom there is no profile for; adoption; the end

{
    my $d = enrolled(10, 'main');
    my $tag = tag(10);

    $t->redis('HDEL', "$tag:e:$ids[10]", 'enrollment', 'keys');
    due(10);
    ok(wait_for(30, sub { events(10, 'mdm.CertificateDue') }),
       'one that did not enroll by a block');
    is((events(10, 'mdm.CertificateDue'))[0]{reason}, 'no_enrollment', 'why');

    my $adopt = "enrollments/$ids[10]/enrollment?name=main";

    is(api(PUT => $adopt)->status, 409, 'it has not told its profiles');

    for my $id (qw(com.example.other com.example.mdm)) {
        $t->enqueue($ids[10], $t->command($id, 'ProfileList'));
        $d->idle;
        $d->report('Acknowledged', $id,
                   ProfileList => [ { PayloadIdentifier => 'x' },
                                    { PayloadIdentifier => $id } ]);
        is(api(PUT => $adopt)->status, $id =~ /other/ ? 409 : 204,
           "it has $id");
    }

    is(shown(10)->{device}{enrollment}, 'main', 'it is adopted');
    queued(10, 1);
    fetch($d);

    # another URL than it has

    $t->{http} = http("$url/other");
    $t->write_conf;
    $t->reload;

    my $other = $t->device($ids[9], cert => identity(9, 'first'), number => 9);

    due(9);
    ok(wait_for(30, sub { events(9, 'mdm.CertificateDue') }),
       'the block is another one now');
    is((events(9, 'mdm.CertificateDue'))[0]{reason}, 'changed', 'why');
    is($other->idle->body, '', 'what was queued is not delivered any more');
    queued(9, 0);

    # the end of its certificate

    $t->redis('HSET', "$tag:e:$ids[10]", 'cert_end', time - 1);
    due(10);
    ok(wait_for(30, sub { events(10, 'mdm.CertificateLapsed') }),
       'a certificate has lapsed');
    like(shown(10)->{certificate_lapsed}, qr/^\d{4}-\d\d-\d\dT/,
         'the API says so');
    is(scalar(grep { $_->{certificate_lapsed} }
              @{api(POST => 'enrollments/query')->json->{enrollments}}), 1,
       'so does the list');
}

finish;
