#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Messages that change nothing: a webhook that wants them gets them, as NanoMDM
# sends them; nothing of them is written, and polls do not wait for a sink that
# is away.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use Test::More;
use Time::HiRes qw(time);

use MDM;
use MDM::Sink;
use MDM::Util qw(wait_for);


my $t = MDM->new;
my $sink = MDM::Sink->new(dir => $t->dir, tls => 0);

$t->redis_server->start;
$t->write_conf(store => 'partitions 1;', http => 'mdm_webhook '
    . $sink->url('/nano') . ' name=nano topics=nanomdm timeout=2s;'
    . ' mdm_webhook ' . $sink->url('/other') . ' name=second topics=mdm.*;');
$t->start_nginx;

my $d = $t->device('ONCE-1');

$d->enroll;

my $n = $t->redis('XLEN', 'mdm:{default/0}:events');

is($d->idle->status, 200, 'Idle');
is($d->user('U1')->message('UserAuthenticate')->status, 410,
   'UserAuthenticate');
is($d->get_bootstrap_token->status, 200, 'GetBootstrapToken');
is($d->ddm('tokens')->status, 200, 'DeclarativeManagement');

sub got {
    my ($path) = @_;

    return map { JSON::PP->new->decode($_->{body}) }
           grep { $_->{path} eq $path } $sink->ledger;
}

ok(wait_for(20, sub { got('/nano') >= 6 }), 'all arrive')
    or diag($t->log);

my %by = map { $_->{topic} => $_ } got('/nano');

is_deeply([ sort keys %by ],
    [ map { "mdm.$_" } qw(Authenticate Connect DeclarativeManagement
                          GetBootstrapToken TokenUpdate UserAuthenticate) ],
    'the topics');
is($by{'mdm.Connect'}{acknowledge_event}{status}, 'Idle', 'Idle');
is($by{'mdm.Connect'}{acknowledge_event}{udid}, 'ONCE-1', 'udid');
like(decode_base64($by{'mdm.Connect'}{acknowledge_event}{raw_payload}),
     qr/Idle/, 'raw_payload');
is_deeply($by{'mdm.UserAuthenticate'}{checkin_event}{ids},
          { id => 'ONCE-1:U1', type => 'User', parent_id => 'ONCE-1' },
          'a user');
like($by{'mdm.Connect'}{event_id}, qr/^default\.once\.\d+-[0-9a-f]+$/,
     'event_id');
is($t->redis('XLEN', 'mdm:{default/0}:events'), $n, 'no entry in the outbox');
is_deeply([ grep { !/^mdm\.(?:Authenticate|TokenUpdate)$/ }
            map { $_->{topic} } got('/other') ], [],
          'who did not ask for them gets none');


# one that is large is whole, too, though a thread makes it

{
    my $long = 'x' x 40_000;

    $sink->clear;
    is($d->message('DeclarativeManagement', Endpoint => 'tokens',
                   Long => $long)->status, 200, 'a large message');
    ok(wait_for(20, sub { got('/nano') }), 'it arrives') or diag($t->log);
    like(decode_base64((got('/nano'))[0]{checkin_event}{raw_payload}),
         qr/>$long</, 'and is whole');
}


# nobody takes them: some wait, others are dropped

$sink->tell('rule /nano 200 action=none');

my $begin = time;
my $bad = grep { $d->idle->status != 200 } 1 .. 1200;
my $took = time - $begin;

is($bad, 0, 'polls are answered');
cmp_ok($took, '<', 60, 'and do not wait');
ok($t->wait_log(qr/webhook "nano" is too slow for messages that are not kept/),
   'what is dropped is said');

$sink->clear;
is($d->idle->status, 200, 'one more');
ok(wait_for(30, sub { got('/nano') > 900 }), 'what has waited comes');

finish;
