#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Ids of which nginx makes another path (it merges slashes and resolves dots):
# whatever can be put is reached by ?identifier= and ?uuid=.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $t = MDM->new(locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location / { mdm_api on; }
END

my $json = JSON::PP->new->canonical->allow_nonref;
my @ids = ('/a', 'a//b', './x', 'x/..', '.', '..', '/', '//', 'a/../b',
           'a&b=c', 'a+b', 'a b', 'a?b#c', 'a%2Fb', 'a,b');

# The path as it came is taken where nginx has made no other one of it: then
# these are all its own.

my @lost = @ids[0 .. 8];

sub q_ { return $_[0] =~ s/([^A-Za-z0-9_~-])/sprintf '%%%02X', ord $1/ger }

sub call {
    my ($method, $path, %o) = @_;

    return $t->request($method, ($o{prefix} // '/api') . "/v1/$path",
                       plain => 1,
                       defined $o{body} ? (body => $o{body}) : ());
}

sub is_call {
    my ($status, $method, $path, %o) = @_;

    my $r = call($method, $path, %o);

    is($r->status, $status, "$method $path: $status") or diag($r->body);

    return $r;
}


# declarations and sets

for my $id (@ids) {
    my $body = $json->encode({ Identifier => $id,
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => 'x' } });

    is_call(204, PUT => 'declarations?nonotify=1', body => $body);
    is_call(204, PUT => 'set-declarations?identifier=' . q_($id)
            . '&declaration=' . q_($id));
}

is_deeply([ sort @{call(GET => 'declarations')->json} ], [ sort @ids ],
          'all are there');

for my $id (@lost) {
    isnt(call(GET => 'declarations/' . q_($id))->status, 200,
         "\"$id\" is not reached by its path");
}

for my $id (@ids) {
    my $q = '?identifier=' . q_($id);

    is(is_call(200, GET => "declarations$q")->json->{Identifier}, $id,
       "\"$id\" is reached");
    is(is_call(200, GET => "declarations$q", prefix => '')->json->{Identifier},
       $id, 'without a prefix, too');
    is_call(204, POST => "declarations/touch$q");
    is_deeply(call(GET => "declaration-sets$q")->json, [ $id ], 'its sets');
    is_deeply(call(GET => "set-declarations$q")->json, [ $id ],
              'what its set holds');
    is_call(304, PUT => "set-declarations$q&declaration=" . q_($id));
    is_call(204, PUT => "set-filters$q", body => '{"tag":["x"]}');
    is_call(200, GET => "set-filters$q");
    is_call(204, DELETE => "set-filters$q");
    is_call(204, DELETE => "set-declarations$q&declaration=" . q_($id));
    is_call(204, DELETE => "declarations$q");
    is_call(404, GET => "declarations$q");
}

is_deeply(call(GET => 'declarations')->json, [], 'none is there any more');


# enrollments and commands

for my $id (@ids) {
    my $q = '?identifier=' . q_($id =~ s/,/%2C/gr);

    next if $id eq 'a%2Fb' || $id eq 'a,b';

    my $d = $t->device($id, cert => $t->cert(cn => 'D' . unpack 'H*', $id));

    is($d->enroll->idle->status, 200, "\"$id\" enrolls");
    is(is_call(200, GET => "enrollments$q")->json->{id}, $id, 'it is found');

    for my $uuid ($id, 'U1') {
        my $command = plist($t->command($uuid, 'ProfileList'));
        my $u = '&uuid=' . q_($uuid);

        is(is_call(200, PUT => "enqueue$q&nopush=1", body => $command)
           ->json->{command_uuid}, $uuid, 'a command is queued');
        is(is_call(200, GET => "queue$q$u")->json->{command_uuid}, $uuid,
           'and is there');
    }

    is(scalar @{is_call(200, GET => "queue$q")->json->{commands}}, 2,
       'two in the queue');
    is_call(204, DELETE => "queue$q&uuid=" . q_($id));
    is(scalar @{call(GET => "queue$q")->json->{commands}}, 1, 'one was taken back');
    is_call(400, DELETE => "queue$q&identifier=x");
    is_call(204, DELETE => "queue$q");
    is(scalar @{call(GET => "queue$q")->json->{commands} // []}, 0,
       'none is left');
    is_call(204, PUT => "enrollment-tags$q&tag=a");
    is_deeply(call(GET => "enrollment-tags$q")->json, [ 'a' ], 'a tag');
    is_call(200, GET => "status-values$q");
    is_call(200, GET => "declaration-status$q");
    is_call(204, DELETE => "enrollments/certificate$q");
}


# what names somebody in two ways, or in one that is not understood

is_call(400, DELETE => 'queue/A?identifier=B');
is_call(404, DELETE => 'queue?uuid=A');
is_call(404, DELETE => 'queue');
is_call(400, POST => 'enrollments/secrets/release?identifier=A&uuid=B');
is_call(405, POST => 'queue?identifier=A');

# a page of another site does not push by it, either

is($t->request(GET => '/api/v1/push?identifier=A', plain => 1,
               headers => [ 'Sec-Fetch-Site' => 'cross-site' ])->status, 403,
   'GET /v1/push?identifier= is a call that acts');

finish;
