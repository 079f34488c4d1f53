#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Why an enrollment is not pushed to, in the API, and the filters of a query for
# it; its sets and tags, too.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new->start;

my %device = map { $_ => $t->device($_)->enroll } qw(P-1 P-2 P-3 P-4);

$device{'P-1'}->user('U')->enroll;

my %partition = map { my $id = $_;
                      $id => $t->redis('KEYS', "mdm:*:e:$id")->[0] =~ s/:e:.*//r
                    } keys %device;


sub found {
    my ($filter) = @_;

    my $r = $t->api(POST => '/v1/enrollments/query?limit=2',
                    body => "{\"filter\":{$filter}}");
    my @ids = map { $_->{id} } @{$r->json->{enrollments}};

    while (my $cursor = $r->json->{next_cursor}) {
        $r = $t->api(POST => "/v1/enrollments/query?limit=2&cursor=$cursor",
                     body => "{\"filter\":{$filter}}");
        push @ids, map { $_->{id} } @{$r->json->{enrollments}};
    }

    return join ' ', sort @ids;
}


sub state_of { return $t->api(GET => "/v1/enrollments/$_[0]")->json->{push} }


for my $path (
    'enrollment-sets/P-1?set=a%20set', 'enrollment-sets/P-1:U?set=other',
    'enrollment-tags/P-1?tag=x', 'enrollment-tags/P-2?tag=x',
    'enrollment-tags/P-2?tag=y',
) {
    is($t->api(PUT => "/v1/$path&nonotify=1")->status, 204, "PUT $path");
}

# as push_done and push_take write it

my @e = map { "$partition{$_}:e:$_" } qw(P-1 P-2 P-3);

$t->redis('HSET', $e[0], push => '1767225600 2 410 Unregistered',
          dead => '1767229200 410 Unregistered');
$t->redis('HSET', $e[1], push => '1767225600 3 200');
$t->redis('HSET', $e[2], erased => 1);
$t->redis('ZADD', "$partition{'P-2'}:push", '1767225660500.5', 'P-2');

for my $case (
    [ '"sets":["a set"]', 'P-1' ],
    [ '"sets":["a set","other"]', 'P-1 P-1:U' ],
    [ '"tags":["y"]', 'P-2' ],
    [ '"tags":["x"]', 'P-1 P-2' ],
    [ '"tags":["x"],"sets":["none","a set"]', 'P-1' ],
    [ '"tags":["none"]', '' ],
    [ '"tags":[],"sets":null,"types":["User"]', 'P-1:U' ],
    [ '"push_dead":true', 'P-1' ],
    [ '"push_dead":false', 'P-1:U P-2 P-3 P-4' ],
    [ '"push_dead":false,"ids":["P-1","P-2"]', 'P-2' ],
    [ '"push_dead":null,"ids":["P-1","P-2"]', 'P-1 P-2' ],
) {
    my ($filter, $ids) = @$case;

    is(found($filter), $ids, "query: $filter");
}

for my $case (
    [ '"tags":[' . join(',', map { "\"t$_\"" } 1 .. 33) . ']',
      'filter.tags: at most 32 are allowed' ],
    [ '"sets":[1]', 'filter.sets[0]: a string expected' ],
    [ '"push_dead":1', qr/^filter\.push_dead: / ],
) {
    my ($filter, $error) = @$case;
    my $r = $t->api(POST => '/v1/enrollments/query',
                    body => "{\"filter\":{$filter}}");

    is($r->status, 400, 'refused: ' . substr $filter, 0, 12);
    like($r->json->{error}, ref $error ? $error : qr/^\Q$error\E/, 'and why');
}

is_deeply(state_of('P-1'),
          { last => '2026-01-01T00:00:00Z', result => '410 Unregistered',
            tries => 2, dead => { reason => '410 Unregistered',
                                  since => '2026-01-01T01:00:00Z' } },
          'its token is dead');
is_deeply(state_of('P-2'),
          { last => '2026-01-01T00:00:00Z', result => '200', tries => 3,
            next => '2026-01-01T00:01:00Z' }, 'it was pushed to');
is_deeply(state_of('P-3'), { erased => JSON::PP::true }, 'it was erased');
is_deeply(state_of('P-4'), {}, 'it was never pushed to');

# what it was before it enrolled again does not show

is($device{'P-1'}->authenticate->status, 200, 'it begins anew');
is_deeply(state_of('P-1'), {}, 'and so do its pushes');
is(found('"push_dead":true'), '', 'also in a query');

$t->finish;
