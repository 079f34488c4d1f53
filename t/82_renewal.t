#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A device's certificate from its challenge to its renewal, by a simulated
# device that asks as Apple's do: SCEP, Authenticate, polls, and a renewal by a
# PKCSReq or a RenewalReq, under CAs of several kinds; what a renewal keeps,
# and a wipe does not; and workers that are killed while they issue.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use File::Temp ();
use JSON::PP ();
use MIME::Base64;
use Test::More;

use MDM;
use MDM::CA;
use MDM::FakeRedis;
use MDM::Util qw(read_file spawn wait_exit write_file);


my $sim = "$MDM::root/build/mdmsim";

plan skip_all => 'no build/mdmsim: scripts/build sim makes it' unless -x $sim;

my $made = File::Temp->newdir('mdm-renewal-XXXXXX', TMPDIR => 1);

chmod 0755, $made;

my $rsa = MDM::CA->new("$made", 'rsa');
my $large = MDM::CA->new("$made", 'large', key => 'rsa:4096');
my $ec = MDM::CA->new("$made", 'ec', key => 'ec:P-256');
my $sub = MDM::CA->new("$made", 'root')->sub_ca('middle')
              ->sub_ca('lowest', key => 'ec:P-384');
my %ca = (rsa => [ $rsa ], large => [ $large ], ec => [ $ec, $ec->ra('ra') ],
          sub => [ $sub, $sub->ra('ra') ]);

# one that comes after another one

my $later = MDM::CA->new("$made", 'later');
my $bundle = write_file("$made/bundle.pem",
                        map { read_file($_->[0]{chain}) } values %ca,
                                                          [ $later ]);
my $http = "mdm_ca later { certificate $later->{chain};"
           . " certificate_key $later->{key}; previous $rsa->{cert}; }\n";

for my $name (sort keys %ca) {
    my ($ca, $ra) = @{$ca{$name}};

    $http .= "mdm_ca $name { certificate $ca->{chain};"
             . " certificate_key $ca->{key};"
             . ($ra ? " ra_certificate $ra->{cert};"
                      . " ra_certificate_key $ra->{key};" : '') . " }\n";
}

my $t = MDM->new(redis => {}, http => $http, mdm => 'mdm_reenroll bound;',
                 ca => { file => $bundle },
                 server => 'large_client_header_buffers 4 16k;'
                           . ' ssl_verify_depth 3;',
                 locations => join "\n", <<'END',
        location /mdm { mdm_checkin on; mdm_connect on; mdm_reenroll bound; }
        location /api/ { mdm_api on; }
END
                 map { "location /scep/$_ { mdm_scep $_; }" }
                     'later', sort keys %ca);

$t->start;

my $scep = 'http://127.0.0.1:' . $t->plain_port . '/scep';
my $url = 'https://localhost:' . $t->port . '/mdm';
my @common = ('--quiet', '--kinds', 'iphone:1', '--server-ca',
              $t->{server_ca}{file}, '--count', 1);


sub sim {
    my ($command, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$made/out" }, $sim, $command, @common,
                             (grep { $_ eq '--ca-cert' } @args)
                             ? () : ('--identities', "$made/ids"), @args),
                       120);
    my $out = read_file("$made/out");
    my %v = $out =~ /^(\S+) ([\d.]+) \S+$/mg;

    return { rc => defined $rc ? $rc >> 8 : -1, out => $out, v => \%v };
}

# a challenge; all that was said of it is in $made_last then

my $made_last;

sub challenge {
    my (%o) = @_;

    my $r = $t->request(POST => '/api/v1/challenge',
                         body => JSON::PP::encode_json(\%o));

    is($r->status, 200, 'a challenge') or diag($r->body);
    $made_last = $r->json;

    return $made_last->{challenge};
}

my $out = "$made/ids.txt";

wait_exit(spawn({ out => $out }, $sim, 'ids', '--count', 60, '--kinds',
                'iphone:1'), 30);

my @ids = split /\n/, read_file($out);

sub certificates {
    my ($n) = @_;

    return @{$t->request(GET => "/api/v1/certificates?id=$ids[$n]")->json
             ->{certificates}};
}

sub states { return join ' ', sort map { "$_->{purpose} $_->{state}" }
                 certificates($_[0]) }

sub events {
    my ($id, $name) = @_;

    return grep { my %e = @{$_->[1]}; $e{event} eq $name
                      && ($e{id} // '') eq $id }
        map { @{$t->redis('XRANGE', $_, '-', '+')} }
        @{$t->redis('KEYS', 'mdm:{default/*}:events')};
}

# what the last refusal of a device, or of a challenge, says, and of how many

sub refusal {
    my ($id) = @_;

    my @all = events($id, 'mdm.CertificateRefused');
    my %e = @all ? @{$all[-1][1]} : (data => '{}');

    return (JSON::PP::decode_json($e{data}), scalar @all);
}


# a first certificate, and its renewal, under each kind of CA, by a PKCSReq or a
# RenewalReq (sscep#96, pki#3413, core#1901), in a body or in a query; a reply
# in another cipher than that of the request would be warned of (scep#218,
# scep#244)

my $n = 0;

for my $name (sort keys %ca) {
    my @device = ('--first', $n, '--url', $url);
    my @way = $n % 2 ? () : '--scep-get';
    my $verb = @way ? 'GET' : 'POST';
    my $r = sim('enroll', @device, '--scep', "$scep/$name", @way,
                '--scep-challenge',
                challenge(udid => $ids[$n], person => 'ann@example.com'));

    is("$r->{rc} " . join(' ', map { $r->{v}{$_} // '' }
                          qw(scep_issued scep_warnings enrolled)),
       '0 1 0 1', "$name: SCEP, and the device enrolls") or diag($r->{out});
    is(states($n), 'device pinned', 'the ledger has its certificate');
    is((certificates($n))[0]{ca}, $name, 'of this CA');
    is(sim('poll', @device, '--requests', 1)->{rc}, 0, 'it polls');

    my @kind = $n % 2 ? '--scep-renewal' : ();
    my $then = (qw(token authenticate poll poll))[$n];

    $r = sim('renew', @device, '--scep', "$scep/$name", '--then', $then, @kind,
             @way);
    is("$r->{rc} $r->{v}{scep_issued} $r->{v}{scep_warnings}", '0 1 0',
       "$name: renewed without a challenge, then $then") or diag($r->{out});
    is(scalar(() = $t->access_log =~ m{"$verb /scep/$name\?operation=PKIOper}g),
       2, "both by $verb");
    is(states($n), 'device replaced renew pinned', 'the new one is its pin');
    is(scalar(events($ids[$n], 'mdm.CertificateRenewed')), 1, 'an event');
    is(sim('poll', @device, '--requests', 1)->{rc}, 0, 'it polls with it');
    is(sim('poll', @device, '--requests', 1, '--previous')->{rc}, 0,
       'the former one is good for a while');

    $n++;
}


# a challenge is for one key, and for whom it is bound to (fleet#8477,
# fleet#51785); who is refused gets a CertRep (scep#37)

{
    my $c = challenge();
    my $id = $made_last->{challenge_id};
    my @device = ('--first', 10);

    is(sim('enroll', @device, '--scep', "$scep/rsa", '--scep-challenge', $c,
           '--url', $url)->{rc}, 0, 'a challenge that is bound to nobody');

    my $r = sim('enroll', '--first', 11, '--scep', "$scep/rsa",
                '--scep-challenge', $c);

    is($r->{v}{scep_badRequest}, 1, 'it is used up');
    ok($t->wait_log(qr/badRequest:\ the\ challenge\ is\ used\ up,
                       \ transaction\ "[^"]+",\ challenge\ "$id"/x),
       'the log says so, and which one');
    like($t->log, qr/is issued, transaction "[^"]+", challenge "$id"/,
         'also of whom it was given');

    my ($told, $times) = refusal($id);

    is($times, 1, 'so does an event: it may be stolen');
    is_deeply([ @$told{qw(ca purpose why serial cert)} ],
              [ 'rsa', 'device', 'the challenge is used up', '', undef ],
              'with what is known');

    is(sim('enroll', '--first', 11, '--scep', "$scep/rsa",
           '--scep-challenge', 'x' x 43)->{v}{scep_badRequest}, 1,
       'one that nobody made');
    is(sim('enroll', '--first', 11, '--scep', "$scep/rsa")
       ->{v}{scep_badRequest}, 1, 'none');
    is(scalar(events('', 'mdm.CertificateRefused')), 0,
       'who has shown no secret writes no event');
    unlike($t->log, qr/\Q$c/, 'challenges are not logged');

    $c = challenge(udid => $ids[12]);
    $r = sim('enroll', '--first', 13, '--scep', "$scep/rsa",
             '--scep-challenge', $c, '--url', $url);
    is("$r->{v}{scep_issued} $r->{v}{enrolled}", '1 0',
       'another device has its certificate, but cannot enroll with it')
        or diag($r->{out});
    ok($t->wait_log(qr/the certificate is bound to another device/),
       'the log says why');

    $r = sim('enroll', '--first', 14, '--scep', "$scep/rsa",
             '--scep-challenge', challenge(udid => $ids[14]),
             '--scep-key-of', 10);
    is($r->{v}{scep_badRequest}, 1, 'a key of another device');
    $id = $made_last->{challenge_id};
    ok($t->wait_log(qr/badRequest:\ the\ public\ key\ is\ another\ device's,
                       \ transaction\ "[^"]+",\ challenge\ "$id",
                       \ device\ "$ids[14]"/x), 'the log says so');

    ($told, $times) = refusal($id);

    is("$times $told->{purpose} $told->{why}",
       "1 device the public key is another device's",
       'an event, where a challenge was known');

    # core#1968; keys that no other device here has

    $r = sim('enroll', '--first', 0, '--count', 64, '--connections', 64,
             '--seed', 99, '--scep', "$scep/rsa", '--scep-challenge',
             challenge());
    is("$r->{v}{scep_issued} $r->{v}{scep_badRequest}", '1 63',
       '64 keys at once, one certificate') or diag($r->{out});
}


# a renewal by who may not

{
    my $r = sim('enroll', '--first', 20, '--scep', "$scep/rsa",
                '--scep-challenge', challenge());

    is($r->{v}{scep_issued}, 1, 'a certificate that no device enrolled with');

    $r = sim('renew', '--first', 20, '--scep', "$scep/rsa", '--scep-renewal');
    is($r->{v}{scep_badRequest}, 1, 'is not renewed');

    $r = sim('renew', '--first', 20, '--scep', "$scep/rsa", '--scep-renewal',
             '--scep-challenge', challenge());
    is($r->{v}{scep_issued}, 1, 'but a challenge that is right decides')
        or diag($r->{out});

    $r = sim('renew', '--first', 1, '--scep', "$scep/ec", '--scep-renewal');
    is($r->{v}{scep_badRequest}, 1, 'nor one of another CA');

    my $id = "/api/v1/enrollments/$ids[2]";
    my ($pin) = grep { $_->{state} eq 'pinned' } certificates(2);
    my $state = sub {
        return $t->request(GET => "/api/v1/certificates/$pin->{sha256}")
            ->json->{state};
    };

    is($state->(), 'pinned', 'the pin');
    is($t->request(DELETE => "$id/certificate")->status, 204, 'a pin is reset')
        or diag($t->request(GET => $id)->body);
    is($state->(), 'replaced', 'it is none any more');
    $r = sim('renew', '--first', 2, '--scep', "$scep/rsa", '--scep-renewal');
    is($r->{v}{scep_badRequest}, 1, 'nor one that is the pin no more');
    ok($t->wait_log(qr/not signed with the pinned certificate of a device/),
       'the log says so');

    $r = sim('renew', '--first', 0, '--scep', "$scep/ec", '--scep-challenge',
             'x' x 43);
    is($r->{v}{scep_badRequest}, 1, 'a challenge that is there must be right');

    ($pin) = grep { $_->{state} eq 'pinned' } certificates(0);

    my ($told, $times) = refusal($ids[0]);

    is($times, 1, 'an event of the device');
    is_deeply([ @$told{qw(ca serial cert purpose why)} ],
              [ 'ec', $pin->{certificate_serial}, $pin->{sha256}, 'renew',
                'the challenge is not known, or has expired' ],
              'with its certificate, though it was not bound yet');
    ok($t->wait_log(qr/has\ expired,\ transaction\ "[^"]+",
                       \ device\ "$ids[0]"/x), 'the log names it');

    $r = sim('renew', '--first', 0, '--scep', "$scep/ec", '--scep-challenge',
             challenge(udid => $ids[0], serial => 'ANOTHER',
                       purpose => 'renew'));
    is($r->{v}{scep_badRequest}, 1, 'also in the serial number');

    $r = sim('renew', '--first', 0, '--scep', "$scep/ec", '--url', $url,
             '--then', 'token', '--scep-challenge',
             challenge(udid => $ids[0], purpose => 'renew'));
    is("$r->{rc} $r->{v}{scep_issued}", '0 1', 'and then it is')
        or diag($r->{out});

    # as if it had renewed as often as it may today

    my ($e) = @{$t->redis('KEYS', "mdm:{default/*}:e:$ids[0]")};
    $t->redis('HSET', $e, 'renewals', int(time / 86400) . ' 20 0');

    $r = sim('renew', '--first', 0, '--scep', "$scep/ec");
    is($r->{v}{scep_badRequest}, 1, 'but not too often');

    ($told) = refusal($ids[0]);
    is("$told->{purpose} $told->{why}",
       'renew the device has renewed its certificate too often today',
       'an event of this, too');
}


# a new CA renews what the one before it has issued (scep#235)

{
    my @device = ('--first', 35, '--url', $url);

    is(sim('enroll', @device, '--scep', "$scep/rsa", '--scep-challenge',
           challenge(udid => $ids[35]))->{rc}, 0, 'one of the former CA');

    my $r = sim('renew', @device, '--scep', "$scep/ec", '--scep-renewal');

    is($r->{v}{scep_badRequest}, 1, 'any other CA does not renew it');

    $r = sim('renew', @device, '--scep', "$scep/later", '--then', 'token',
             '--scep-renewal');
    is("$r->{rc} $r->{v}{scep_issued}", '0 1', 'the one that comes after does')
        or diag($r->{out});
    is(join(' ', sort map { "$_->{ca} $_->{state}" } certificates(35)),
       'later pinned rsa replaced', 'and that is its pin');
}


# the same key once more: another certificate all the same, with dates of its
# own (sscep#189)

for my $case ([ 36 ], [ 37, '--scep-renewal' ]) {
    my ($number, @kind) = @$case;
    my @device = ('--first', $number, '--url', $url);

    is(sim('enroll', @device, '--scep', "$scep/rsa", '--scep-challenge',
           challenge(udid => $ids[$number]))->{rc}, 0, 'a certificate');

    my ($before) = certificates($number);

    sleep 2;            # dates are in seconds

    my $r = sim('renew', @device, '--scep', "$scep/rsa", '--scep-same-key',
                '--then', 'token', @kind);

    is("$r->{rc} $r->{v}{scep_issued}", '0 1', "the same key: @kind")
        or diag($r->{out});

    my ($now) = grep { $_->{state} eq 'pinned' } certificates($number);

    isnt($now->{certificate_serial}, $before->{certificate_serial},
         'another serial number');
    cmp_ok($now->{not_after}, 'gt', $before->{not_after}, 'it ends later');
}


# one of the same CA that nobody has entered, such as another tenant's

{
    my $r = sim('enroll', '--first', 30, '--url', $url, '--ca-cert',
                $rsa->{cert}, '--ca-key', $rsa->{key});

    is($r->{v}{enrolled}, 0, 'a certificate that is in no ledger')
        or diag($r->{out});
    ok($t->wait_log(qr/is of a CA of ours, but in no ledger of this tenant/),
       'the log says so');
}


# what comes first under the new certificate (micromdm#557), what the device had
# (fleet#41167), and how it ends: it goes on, or is wiped while its renewal is
# pending (fleet#40881, fleet#48486, fleet#48661)

sub enrollment { return $t->api(GET => "/v1/enrollments/$_[0]")->json }

# as the simulator was given it last; by a name of its own, as connections are
# kept by it

sub identity {
    my ($number, $name) = @_;

    my $file = write_file("$made/$number-$name.pem",
                          read_file("$made/ids/1-$number.pem"));

    return { file => $file, key => $file };
}

sub with {
    my ($c, $cert) = @_;

    $_->{cert} = $cert for grep { defined } @$c{qw(device user)};

    return $c->{device};
}

sub token_of {
    my ($r) = @_;

    return $r->status == 200 ? plist_read($r->body)->{BootstrapToken} : '';
}

my %give = (
    commands => sub {
        my ($c) = @_;

        $t->enqueue($c->{id}, $t->command("$c->{n}-$_", 'ProfileList'))
            for 1, 2;
    },
    users => sub {
        my ($c) = @_;

        $c->{user} = $c->{device}->user('USER-1')->enroll;
        $t->enqueue($c->{user}->id, $t->command("$c->{n}-1", 'ProfileList'));
    },
    bootstrap => sub {
        my ($c) = @_;

        $c->{device}->set_bootstrap_token("token of $c->{n}");
    },
);

my %has = (
    commands => sub { return enrollment($_[0]{id})->{queue_length} == 2 },
    users => sub {
        my $e = enrollment($_[0]{user}->id);

        return $e->{enabled} && $e->{queue_length} == 1;
    },
    bootstrap => sub {
        return token_of($_[0]{device}->get_bootstrap_token)
               eq "token of $_[0]{n}";
    },
);

# a wiped device of the same name gets its bootstrap token back, as ever

my %lost = (
    commands => sub { return enrollment($_[0]{id})->{queue_length} == 0 },
    users => sub {
        my $e = enrollment($_[0]{user}->id);

        return !$e->{enabled} && $e->{queue_length} == 0;
    },
    bootstrap => $has{bootstrap},
);

my %gets = (
    commands => sub { return join ' ', $_[0]{device}->drain },
    users => sub { return join ' ', $_[0]{user}->drain },
    bootstrap => sub { return token_of($_[0]{device}->get_bootstrap_token) },
);

my %first = (authenticate => sub { return $_[0]->authenticate },
             token => sub { return $_[0]->token_update },
             connect => sub { return $_[0]->idle });

sub pinned {
    my ($c) = @_;

    return join ' ', map { "$_->{purpose} $_->{sha256}" }
        @{$t->api(GET => "/v1/certificates?id=$c->{id}&state=pinned")->json
          ->{certificates}};
}

sub digest {
    my ($cert) = @_;

    my ($pem) = read_file(ref $cert ? $cert->{file} : $cert)
                =~ /-----BEGIN CERTIFICATE-----\n(.*?)-----END/s or return '';

    return sha256_hex(decode_base64($pem));
}

sub refused_by {
    my ($c, @certs) = @_;

    return join ' ', map { with($c, $_)->idle->status } @certs;
}

sub renewed {
    my ($c, $what) = @_;

    is($first{$c->{first}}->(with($c, $c->{next}))->status, 200, $what);
    ok($has{$c->{has}}->($c), 'it has what it had');
    is($c->{device}->token_update->status, 200, 'it goes on');
    is(with($c, $c->{old})->idle->status, 200,
       'the certificate before is good for a while');
    with($c, $c->{next});
    is($gets{$c->{has}}->($c),
       { commands => "$c->{n}-1 $c->{n}-2", users => "$c->{n}-1",
         bootstrap => "token of $c->{n}" }->{$c->{has}}, 'and gets it all');
    is(pinned($c), 'renew ' . digest($c->{next}), 'the new one is its pin');
    is(scalar(events($c->{id}, 'mdm.CertificateRenewed')), 1, 'an event');

    return;
}

sub wiped {
    my ($c, $what) = @_;

    my $r = sim('enroll', '--first', $c->{n}, '--scep', "$scep/ec",
                '--scep-challenge', challenge(udid => $c->{id}));

    is($r->{v}{scep_issued}, 1, "$what: a certificate of its own")
        or diag($r->{out});

    my $fresh = identity($c->{n}, 'fresh');

    if ($c->{first} ne 'authenticate') {
        is($first{$c->{first}}->(with($c, $fresh))->status, 403,
           'it has to begin with Authenticate');
        with($c, $c->{old});
        ok($has{$c->{has}}->($c), 'what is refused takes nothing away');
    }

    is(with($c, $fresh)->authenticate->status, 200, 'it starts afresh');
    is($c->{device}->token_update->status, 200, 'TokenUpdate');
    ok($lost{$c->{has}}->($c), 'it has no more than a new one');
    is(refused_by($c, $c->{next}, $c->{old}), '403 403',
       'the renewal that was pending is none any more');
    is(with($c, $fresh)->idle->body, '', 'no command is left');
    is(pinned($c), 'device ' . digest($fresh), 'the fresh one is its pin');
    is(scalar(events($c->{id}, 'mdm.CertificateRenewed')), 0, 'no renewal');

    my %e = @{(events($c->{id}, 'mdm.Authenticate'))[-1][1]};

    like($e{data}, qr/"gen":2\b/, 'the event is that of a new enrolment');
    unlike($e{data}, qr/"renewal"/, 'and of no renewal');

    return;
}

{
    my @cases;

    for my $first (qw(authenticate token connect)) {
        for my $has (qw(commands users bootstrap)) {
            push @cases, map { { first => $first, has => $has, end => $_ } }
                         qw(renew wipe);
        }
    }

    my @fleet = ('--first', 40, '--count', scalar @cases, '--scep',
                 "$scep/ec");

    $cases[$_]{n} = 40 + $_, $cases[$_]{id} = $ids[40 + $_] for 0 .. $#cases;

    my $file = write_file("$made/challenges",
                          map { challenge(udid => $_->{id}) . "\n" } @cases);

    is(sim('enroll', @fleet, '--scep-challenge-file', $file)->{v}{scep_issued},
       scalar @cases, 'a certificate for each');

    for my $c (@cases) {
        $c->{old} = identity($c->{n}, 'old');
        $c->{device} = $t->device($c->{id}, cert => $c->{old})->enroll;
        $give{$c->{has}}->($c);
        ok($has{$c->{has}}->($c), "$c->{n} has its $c->{has}");
    }

    is(sim('renew', @fleet)->{v}{scep_issued}, scalar @cases,
       'and another one');
    $_->{next} = identity($_->{n}, 'next') for @cases;

    for my $c (@cases) {
        my $what = "$c->{first} first, $c->{has}, $c->{end}";

        $c->{end} eq 'renew' ? renewed($c, $what) : wiped($c, $what);
    }
}


# A worker is killed before each call to Redis that issues a certificate, and
# behind the last one: the client, which asks again, gets the certificate that
# it was to get, and there is no other one (openxpki#126, core#1834).

# what passes on each script that a worker brings along takes its time

my $k = MDM->new(redis_socket => "$made/hold.sock", ca => { file => $bundle },
                 store => 'connect_timeout 10s; timeout 4s;',
                 mdm => 'mdm_reenroll bound;', http => $http,
                 server => 'large_client_header_buffers 4 16k;'
                           . ' location /scep { mdm_scep ec; }');

$k->redis_server->start;

# a connection is a process of its own: what is to be held, and what came since,
# is in files

my $hold = "$made/hold";
my $held = "$made/held";
my $came = "$made/came";

my $proxy = MDM::FakeRedis->new(
    socket => "$made/hold.sock", upstream => $k->redis_server->socket,
    script => sub {
        my ($cmd, undef, undef, $forward) = @_;

        return $forward->() if uc $cmd->[0] ne 'EVALSHA'
                               || $cmd->[3] !~ m{^mdm:\{default/(\w+)};

        open my $fh, '>>', $came;
        syswrite $fh, "$1\n";
        close $fh;

        my ($when, $n) = split / /, read_file($hold);
        my @before = split /\n/, read_file($came);

        return $forward->() if !$n || @before != $n;

        $forward->() if $when eq 'behind';
        unlink $hold;
        write_file($held, '');

        return { stall => 1 };
    });

$k->start_nginx;

my @killed = ('--scep', 'http://127.0.0.1:' . $k->plain_port . '/scep',
              '--url', 'https://localhost:' . $k->port . '/mdm',
              '--server-ca', $k->{server_ca}{file}, '--retries', 100);

sub issue_of {
    my ($command, $number, $when, $n, @args) = @_;

    unlink $held, $came;
    write_file($hold, "$when $n");

    my $pid = spawn({ out => "$made/out" }, $sim, $command, '--quiet',
                    '--kinds', 'iphone:1', '--count', 1, '--identities',
                    "$made/ids-killed", '--first', $number, @killed, @args);

    if ($n) {
        ok(wait_for(20, sub { -e $held }), "held $when call $n")
            or diag(read_file("$made/out"));
        $k->kill_worker;
    }

    my $rc = wait_exit($pid, 60);
    my $said = read_file("$made/out");

    ok(defined $rc && $rc == 0, 'and it is issued') or diag($said);

    return scalar(() = read_file($came) =~ /\n/g);
}

sub challenge_of {
    my ($number) = @_;

    return $k->api(POST => '/v1/challenge', body =>
        JSON::PP::encode_json({ udid => $ids[$number] }))->json->{challenge};
}

sub count { return scalar @{$k->redis('KEYS', "mdm:{default/$_[0]")} }

sub one_more {
    my ($number, $known) = @_;

    is(count('sn:*') . ' ' . count('cert:*}:x'), "$known $known",
       'there is one certificate more');

    my $e = $k->api(GET => '/v1/certificates/'
                    . digest("$made/ids-killed/1-$number.pem"));

    is($e->status == 200 && $e->json->{state}, 'pinned', 'that of the device')
        or diag($e->body);

    return;
}

{
    my $number = 0;
    my $known = 0;

    my $all = issue_of('enroll', $number, 'before', 0, '--scep-challenge',
                       challenge_of($number));
    my @calls = split /\n/, read_file($came);
    my ($last) = grep { $calls[$_] eq 'sn' } 0 .. $#calls;

    # the ones that follow are of Authenticate

    ok(defined $last, "calls: @calls") or die "no serial number\n";
    one_more($number, ++$known);
    $last += 2;

    for my $at ((map { [ before => $_ ] } 1 .. $last), [ behind => $last ]) {
        $number++;
        cmp_ok(issue_of('enroll', $number, @$at, '--scep-challenge',
                        challenge_of($number)), '>', $all, 'it asks again');
        one_more($number, ++$known);
    }

    # a renewal: the key has taken it by itself

    $all = issue_of('renew', 0, 'before', 0);
    one_more(0, ++$known);
    @calls = split /\n/, read_file($came);
    ($last) = grep { $calls[$_] eq 'sn' } 0 .. $#calls;
    note("calls: @calls");

    for my $at ([ before => $last - 2 ], [ before => $last ],
                [ before => $last + 2 ], [ behind => $last + 2 ])
    {
        cmp_ok(issue_of('renew', $number, @$at), '>', $all, 'it asks again');
        one_more($number--, ++$known);
    }
}

finish;
