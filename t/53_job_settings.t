#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# What jobs go by: the limits of the store's block, or of the http level, and
# never those of a location.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;


my $json = JSON::PP->new->canonical;

# is an event of the rollout there once a set was given to a channel?

sub event_of_rollout {
    my (%conf) = @_;

    my $t = MDM->new(locations => <<"END", %conf)->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; mdm_event_limit 1000; }
        location /quiet/ { mdm_api on; mdm_event_limit 0; }
END

    my $d = $t->device('JOB-1');

    my $put = sub {
        my ($path, $body) = @_;

        return $t->request(PUT => "/quiet/v1/$path", plain => 1,
            defined $body ? (body => $json->encode($body)) : ())->status;
    };

    $d->authenticate;
    $d->token_update;

    like($put->('enrollment-sets/JOB-1?set=one'), qr/^20[04]$/, 'a set');

    # the set is given first, so that the rollout finds the channel behind

    like($put->('declarations', { Type => 'com.apple.configuration.passcode.settings',
                            Identifier => 'a', Payload => {} }), qr/^20[04]$/,
         'a declaration');
    like($put->('set-declarations/one?declaration=a'), qr/^20[04]$/,
         'is in it');

    my $told = wait_for(15, sub { $d->idle->body =~ /DeclarativeManagement/ });

    ok($told, 'the device is told');

    my $keys = $t->redis('KEYS', '*:events');
    my $found = grep { $json->encode($t->redis('XRANGE', $_, '-', '+'))
                       =~ /DeclarationsChanged/ } @$keys;

    $t->assert_clean;

    return $found ? 1 : 0;
}

is(event_of_rollout(), 1, 'by default, whatever the location says');
is(event_of_rollout(http => 'mdm_event_limit 0;'), 0, 'by the http level');
is(event_of_rollout(http => 'mdm_event_limit 0;', store => 'event_limit 10;'),
   1, 'by the block before the http level');
is(event_of_rollout(store => 'event_limit 0;'), 0, 'by the block');

MDM->finish;
