#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What administrators read: unlock tokens always, commands, results and status
# reports with mdm_audit_reads; an answer whose event cannot be written is
# none.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);

use MDM;


my $t = MDM->new(store => 'partitions 8;', locations => <<'END')->start;
        location /mdm {
            mdm_checkin on;
            mdm_connect on;
        }

        mdm_audit_reads on;

        location /api/ {
            mdm_api on;
            mdm_audit_reads off;
        }

        location /strict/ {
            mdm_api on;
        }

        location /strict/inner/ {
            mdm_api on;
        }

        location /quiet/ {
            mdm_api on;
            mdm_event_limit 0;
        }
END

sub get {
    my ($path, %o) = @_;

    return $t->request(GET => $path, headers => {
        Authorization => 'Basic ' . encode_base64('alice:secret', '') }, %o);
}

sub reads {
    my @found;

    for my $key (sort @{$t->redis('KEYS', 'mdm:*:events')}) {
        for my $entry (@{$t->redis('XRANGE', $key, '-', '+')}) {
            my %e = @{$entry->[1]};

            push @found, { id => $e{id}, %{decode_json($e{data})} }
                if $e{event} eq 'api.Read';
        }
    }

    return @found;
}

sub forget {
    for my $key (@{$t->redis('KEYS', 'mdm:*:events')}) {
        $t->redis('DEL', $key);
    }

    return;
}

# event members that all have

my %by = (by => 'alice', address => '127.0.0.1');


my $d = $t->device('ONE');

$d->authenticate;
$d->token_update(UnlockToken => plist_data('canary-unlock'));
$d->set_bootstrap_token('bootstrap');

my $none = $t->device('NONE');

$none->enroll;

for my $uuid ('a', 'b') {
    $t->enqueue('ONE', plist({ CommandUUID => $uuid, Command => {
        RequestType => 'RestartDevice' } }));
}

$d->report('Acknowledged', 'a', Text => 'x');
$d->ddm('status', '{"StatusItems":{},"Errors":[]}');


# tokens: always

my $one = '/api/v1/enrollments/ONE';

is(get($one)->status, 200, 'an enrollment');
is(get("$one?include_unlock_token=0")->status, 200, 'without its token');
is(get('/api/v1/enrollments/NONE?include_unlock_token=1')->status, 200,
   'one that has none');
is_deeply([ reads() ], [], 'no token, no event');

my $r = get("$one?include_unlock_token=1");

is(decode_base64($r->json->{device}{unlock_token}), 'canary-unlock',
   'its token');
is_deeply([ reads() ], [ { id => 'ONE', what => 'unlock_token', %by } ],
          'who, what, whose');
unlike($t->redis_dump =~ s/^\s+"unlock" = .*$//mr, qr/canary-unlock/,
       'never the token itself');
forget();

$d->get_bootstrap_token;
is_deeply([ reads() ], [], 'a device that reads its own is no administrator');

# a query: one event a partition

my %tag;

for my $n (1 .. 30) {
    my $more = $t->device("M-$n");

    $more->authenticate;
    $more->token_update(UnlockToken => plist_data("unlock-$n"));

    my ($tag) = map { /^(mdm:\{default\/\d+\}):u:M-$n$/ ? $1 : () }
                @{$t->redis('KEYS', "mdm:*:u:M-$n")};

    push @{$tag{$tag}}, "M-$n";
}

forget();

sub query {
    my ($body) = @_;

    return $t->request(POST => '/api/v1/enrollments/query?limit=1000',
                       body => encode_json($body));
}

$r = query({ options => { include_device_cert => JSON::PP::true } });
is($r->status, 200, 'a query without tokens');
is_deeply([ reads() ], [], 'writes no event');

$r = query({ options => { include_unlock_token => JSON::PP::true },
             filter => { ids => [ map { "M-$_" } 1 .. 30 ] } });
is(scalar(grep { $_->{device}{unlock_token} } @{$r->json->{enrollments}}), 30,
   'a query with 30 tokens');

my @reads = reads();

is(scalar @reads, scalar keys %tag, 'one event a partition');
is(join(' ', sort map { split /,/, $_->{id} } @reads),
   join(' ', sort map { "M-$_" } 1 .. 30), 'that name all');
is(scalar(grep { $_->{what} ne 'unlock_token' || $_->{by} ne ''
                 || $_->{address} ne '127.0.0.1' } @reads), 0,
   'what, and from where');
forget();

# those of a page that is not shown are not read

query({ options => { include_unlock_token => JSON::PP::true } });
forget();
$r = $t->request(POST => '/api/v1/enrollments/query?limit=3',
                 body => '{"options":{"include_unlock_token":true}}');

my @shown = map { $_->{id} } grep { $_->{device}{unlock_token} }
            @{$r->json->{enrollments}};

is(join(' ', sort map { split /,/, $_->{id} } reads()),
   join(' ', sort @shown), 'a page: just what it shows');
forget();


# commands, results and reports: where it is asked for

my @paths = ([ 'v1/queue/ONE', 'command', 'b' ],
             [ 'v1/queue/ONE/a', 'result', 'a' ],
             [ 'v1/queue/ONE/a?format=plist', 'result', 'a' ],
             [ 'v1/status-report/ONE', 'status_report' ]);

for my $path (@paths) {
    is(get("/api/$path->[0]")->status, 200, "off: $path->[0]");
}

is_deeply([ reads() ], [], 'mdm_audit_reads off: no events');

for my $where ('strict', 'strict/inner') {
    for my $path (@paths) {
        my ($name, $what, $uuid) = @$path;

        is(get("/$where/$name")->status, 200, "on, /$where: $name");
        is_deeply([ reads() ], [ { id => 'ONE', what => $what, %by,
            $uuid ? (command_uuid => $uuid) : () } ], 'is told');
        forget();
    }
}

is(get('/strict/v1/queue/ONE/b')->status, 200, 'a command that is pending');
is(get('/strict/v1/queue/ONE/none')->status, 404, 'one that is not there');
is(get('/strict/v1/enrollments/ONE')->status, 200, 'an enrollment');
is(get('/strict/v1/queue/NONE')->status, 200, 'an empty queue');
is_deeply([ reads() ], [], 'show no body, and write no event');

$t->enqueue('ONE', plist({ CommandUUID => 'c', Command => {
    RequestType => 'RestartDevice' } }));
forget();
get('/strict/v1/queue/ONE');
is_deeply([ reads() ], [ { id => 'ONE', what => 'command', %by,
                           command_uuid => 'b,c' } ],
          'a page of a queue is one event, with all that it shows');
forget();


# without events the log has it

is(get('/quiet/v1/enrollments/ONE?include_unlock_token=1')->status, 200,
   'mdm_event_limit 0: a token');
ok($t->wait_log(qr/\[notice\].*unlock_token of "ONE" is read by "alice" from 127/),
   'is told in the log');


# what cannot be written is not shown

$t->redis('CONFIG', 'SET', 'maxmemory', 1);

for my $path ("$one?include_unlock_token=1", '/strict/v1/queue/ONE',
              '/strict/v1/queue/ONE/a?format=plist')
{
    $r = get($path);

    is($r->status, 503, "a full Redis: $path");
    ok($r->header('Retry-After'), 'with Retry-After');
    like($r->json->{error}, qr/audit event of this read/, 'says why');
    unlike($r->body, qr/canary|unlock_token|plist version/,
           'nothing is shown');
}

is(get($one)->status, 200, 'without a token it is shown');
is(get('/api/v1/queue/ONE')->status, 200, 'as is what needs no event');

$t->redis('CONFIG', 'SET', 'maxmemory', 0);
is(get("$one?include_unlock_token=1")->status, 200, 'and again');

finish();
