#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Status reports with one odd value: all others are merged, the odd one is kept
# as text and named in the log.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use MDM;


my $t = MDM->new->start;
my $d = $t->device('ODD-1')->enroll;


sub ok_status {
    my ($report, $name) = @_;

    my $r = $d->message('DeclarativeManagement', Endpoint => 'status',
                        Data => plist_data($report));

    is($r->status . ' ' . length $r->body, '200 0', "$name: 200, empty");
}


sub doc { return $t->api(GET => '/v1/status/ODD-1')->json->{status} }


my $n = 0;

for my $case (
    [ '18446744073709551616', '18446744073709551616' ],
    [ '1e400', '1e400' ],
    [ '"a\\ud800b"', "a\x{fffd}b" ],
    [ qq("a\xffb"), "a\x{fffd}b" ],
    [ 'NaN', 'NaN' ],
) {
    my ($sent, $kept) = @$case;
    my $report = qq({"StatusItems":{"n":@{[ ++$n ]},"device":{"model":)
                 . qq({"family":"Mac","number":$sent}},"odd":)
                 . qq({"case-$n":[1,$sent]}},"Errors":[]});

    ok_status($report, "odd $n");

    my $doc = doc();

    is($doc->{n}, $n, 'the others are merged');
    is($doc->{device}{model}{number}, $kept, 'it is kept as text');
    is_deeply($doc->{odd}{"case-$n"}, [ 1, $kept ], 'in an array, too');
    is($t->api(GET => '/v1/status-report/ODD-1')->body, $report,
       'the report is kept as it came');
    like($t->log, qr/"StatusItems\.odd\.case-$n\[1\]" .* is kept as text/,
         'and named in the log');
}

my $full = '{"StatusItems":{"n":1e999},"FullReport":true}';

ok_status($full, 'a full one');
is_deeply(doc(), { n => '1e999' }, 'is all there is');

# The push token that the device reports is held against that of its last
# TokenUpdate.  What is no token at all says nothing.

my ($partition) = map { s/:e:ODD-1$//r } @{$t->redis('KEYS', 'mdm:*:e:ODD-1')};

sub differs {
    return scalar grep { $_ eq 'push.TokenDiffers' }
        map { @{$_->[1]} } @{$t->redis('XRANGE', "$partition:events", '-', '+')};
}

my $token = $t->redis('HGET', "$partition:e:ODD-1", 'token');

for my $case (
    [ 'the same token', encode_base64($token, ''), 0 ],
    [ 'another token', encode_base64("$token\xff\xfe", ''), 1 ],
    [ 'no base64', '???', 0 ],
    [ 'an empty one', '', 0 ],
) {
    my ($name, $said, $events) = @$case;
    my $before = differs();

    ok_status(qq({"StatusItems":{"mdm":{"push-token":"$said"}},"Errors":[]}),
              $name);
    is(differs() - $before, $events, "$name: events");
}

like($t->log, qr/the push token that "ODD-1" reports is not that of its last/,
     'and a log line');
unlike($t->log, qr/\Q${\encode_base64("$token\xff\xfe", '')}/,
       'without the token');

$t->finish;
