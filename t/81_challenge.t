#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# One-time challenges by the API: what is told once, what Redis has of it, who
# made it, and whose tenant it is of.

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha256_hex);
use MIME::Base64 qw(encode_base64);
use Test::More;
use Time::Local qw(timegm);

use MDM;
use MDM::Util qw(read_file write_file spawn wait_exit);


my $t = MDM->new(redis => { auth => 0 }, store => 'partitions 8;',
                 locations => <<'END')->start;
        location /api/ {
            mdm_api on;
            mdm_challenge_ttl 2h;
            mdm_challenge_limit 3;
        }

        location /other/ {
            mdm_api on;
            mdm_tenant other;
        }
END

my @alice = (headers => { Authorization => 'Basic '
                          . encode_base64('alice:secret', '') });

sub seconds {
    my ($date) = @_;

    my ($y, $m, $d, @hms) = $date =~ /^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)Z$/
        or return 0;

    return timegm(reverse(@hms), $d, $m - 1, $y);
}

sub about {
    my ($date, $in, $what) = @_;

    my $off = seconds($date) - time - $in;

    return ok(abs $off < 10, $what) || diag("off by $off seconds");
}

sub keys_like { return sort @{$t->redis('KEYS', $_[0])} }

sub events {
    return map { my %e = @{$_->[1]}; \%e }
        @{$t->redis('XRANGE', 'mdm:{default/ca}:events', '-', '+')};
}


# made

my $r = $t->request(POST => '/api/v1/challenge', @alice);

is($r->status, 200, 'a challenge without a body');
is($r->header('Content-Type'), 'application/json', 'JSON');

my $c = $r->json;

is_deeply([ sort keys %$c ], [ qw(challenge challenge_id expires) ],
          'what is told');
like($c->{challenge}, qr/^[A-Za-z0-9_-]{43}$/, 'base64url of 32 octets');
about($c->{expires}, 7200, 'mdm_challenge_ttl');

my $key = 'mdm:{default/chal:' . sha256_hex($c->{challenge}) . '}';

is_deeply([ keys_like('mdm:{default/chal:*') ], [ $key ],
          'Redis has its SHA-256');

my $ttl = $t->redis('TTL', $key);

ok($ttl > 7190 && $ttl <= 7200, 'as long as it is good') or diag($ttl);

my $dump = join ' ', map { $_, map { ref ? "@$_" : $_ // '' }
    $t->redis('TYPE', $_) eq 'hash' ? @{$t->redis('HGETALL', $_)} : () }
    keys_like('mdm:*');

unlike($dump, qr/\Q$c->{challenge}\E/, 'and nothing else of it');

my @events = events();

is(scalar @events, 1, 'one event');
is_deeply([ @{$events[0]}{qw(event id)} ],
          [ 'api.Challenge', $c->{challenge_id} ], 'which it is');
like($events[0]{data}, qr/"by":"alice"/, 'by whom');
unlike($events[0]{data}, qr/\Q$c->{challenge}\E/, 'and not the challenge');

my $bound = $t->request(POST => '/api/v1/challenge', body => '{"udid":"U/1",'
    . '"serial":"S1","person":"Anna \u00c4","purpose":"renew","uses":3,'
    . '"ttl":"15m"}')->json;

about($bound->{expires}, 900, 'its own ttl');


# listed

my $list = $t->request(GET => '/api/v1/challenges')->json->{challenges};

is(scalar @$list, 2, 'two in the list');

my ($row) = grep { $_->{challenge_id} eq $bound->{challenge_id} } @$list;

about(delete $row->{time}, 0, 'when it was made');
is_deeply($row, { challenge_id => $bound->{challenge_id}, purpose => 'renew',
    state => 'open', uses => 3, used => 0, udid => 'U/1', serial => 'S1',
    person => "Anna \x{c4}", expires => $bound->{expires} },
    'all of its bindings');

is($t->request(GET => '/other/v1/challenges')->body, '{"challenges":[]}',
   'not those of another tenant');
is($t->request(DELETE => "/other/v1/challenges/$c->{challenge_id}")->status,
   404, 'whom they are not to take back, either');


# the limit, and what was wrong, change nothing

is($t->request(POST => '/api/v1/challenge')->status, 200, 'a third one');

my $before = $t->redis('DBSIZE');

$r = $t->request(POST => '/api/v1/challenge');
is($r->status, 409, 'mdm_challenge_limit');
like($r->json->{error}, qr/there are 3 challenges already/, 'why');

for my $bad ('{"ttl":"31d"}', '{"uses":1001}', '{"purpose":"ota"}',
             '{"Udid":"x"}', 'x')
{
    is($t->request(POST => '/other/v1/challenge', body => $bad)->status, 400,
       "refused: $bad");
}

is($t->redis('DBSIZE'), $before, 'nothing is left of them');
is($t->request(PUT => '/api/v1/challenge')->status, 405, 'PUT');


# taken back

is($t->request(DELETE => "/api/v1/challenges/$c->{challenge_id}", @alice)
   ->status, 204, 'taken back');
is($t->redis('EXISTS', $key), 0, 'it is gone');
is($t->request(DELETE => "/api/v1/challenges/$c->{challenge_id}")->status,
   404, 'and not there any more');
like((events())[-1]{data}, qr/"change":"deleted"/, 'an event tells it');
is($t->request(POST => '/api/v1/challenge')->status, 200, 'there is room');
is($t->request(DELETE => '/api/v1/challenges/%2E%2E%2Fx')->status, 404,
   'an id of another form');


# bindings are encrypted: those of new ones, and by mdm-reencrypt all

write_file(my $file = $t->dir . '/mdm.key', sha256_hex('a key') . "\n");
chmod 0600, $file;
$t->reload(store => "partitions 8; encryption_key $file;");
ok($t->wait_old_workers, 'the old workers are gone');

sub binds {
    return map { my $h = $t->redis_server->hash($_);
                 defined $h->{bind} && $h->{bind} ne '' ? $h->{bind} : () }
        keys_like('mdm:{default/chal:*'), keys_like('mdm:{default/ca}:c:*');
}

is($t->request(POST => '/other/v1/challenge', body => '{"udid":"U-2"}')
   ->status, 200, 'with a key');

my ($sealed) = map { $t->redis_server->hash($_)->{bind} }
               keys_like('mdm:{other/chal:*');

like($sealed, qr/^\xeeMK\x01/, 'a new one is encrypted');
is(scalar(grep { /U\/1/ } binds()), 2, 'an older one is not');

my $tool = spawn({ out => $t->dir . '/tool.log' },
    "$MDM::root/build/mdm-reencrypt", '-s', 'unix:' . $t->redis_server->socket,
    '-k', $file);

is(wait_exit($tool, 60), 0, 'mdm-reencrypt') or
    diag(read_file($t->dir . '/tool.log'));
is(scalar(grep { /^\xeeMK\x01/ } binds()), 2, 'now it is');
like($t->request(GET => '/api/v1/challenges')->body, qr/"udid":"U\/1"/,
     'and read');


# Redis is away: nothing is handed out

$t->redis_server->stop;

$r = $t->request(POST => '/api/v1/challenge');
is($r->status, 503, 'Redis is away');
unlike($r->body, qr/challenge"/, 'no challenge');

finish;
