package MDM::Torture::Receiver;

# Copyright (C) ngx_mdm_module authors
#
# The receiver of a webhook (build/mdmsink), which is away, slow or cross.  What
# it got is judged by MDM::Events.

use strict;
use warnings;

use MDM::Events;
use MDM::HTTP;
use MDM::Sink;
use MDM::Util qw(wait_for);


# topology: whose agenda and dice are used

sub new {
    my ($class, %o) = @_;

    my $sink = MDM::Sink->new(dir => $o{dir}, tls => 0, brief => 1,
                              hmac_key => 'torture');

    return bless { %o, sink => $sink, faults => 0 }, $class;
}


# all events of the tenant, from the first one on

sub conf {
    my ($self) = @_;

    return ' mdm_webhook ' . $self->{sink}->url('/hook') . ' name=torture'
        . ' from=all topics=mdm.*,api.*,push.* connections=64 timeout=1s'
        . " hmac_key_file=$self->{sink}{hmac_file};";
}


# faults a minute

sub rates {
    return (sink_away => 3, sink_slow => 3, sink_cross => 4, sink_reset => 4,
            sink_silent => 2);
}


sub fault {
    my ($self, $what) = @_;

    my $t = $self->{topology};

    return 0 if $self->{busy};

    my $times = $t->random(5, 50);
    my $ms = $t->random(300, 2000);
    my %rule = (
        sink_slow => '200 delay=' . $t->random(20, 300),
        sink_cross => "503 times=$times"
                      . ($t->random(0, 1) ? ' retry=1' : ''),
        sink_reset => "200 action=reset times=$times",
        sink_silent => '200 action=none times=' . $t->random(2, 8),
    );

    if ($what eq 'sink_away') {
        $ms = $t->random(2000, 4000);
        $self->{sink}->tell($_) for 'listen off', 'drop';

    } else {
        $self->{sink}->tell("rule * $rule{$what}");
    }

    $self->{busy} = 1;
    $self->{faults}++;
    $t->after($ms, sub { $self->well });

    return 1;
}


sub well {
    my ($self) = @_;

    $self->{sink}->tell($_) for 'clear', 'listen on';
    $self->{busy} = 0;

    return;
}


# waits until the webhook has all; undef: it has not

sub wait_all {
    my ($self, $seconds, $port) = @_;

    return wait_for($seconds, sub {
        my $r = eval {
            MDM::HTTP->new(port => $port, plain => 1)
                     ->request('GET', '/v1/webhooks');
        } // return 0;

        return $r->status == 200 && $r->json->[0]{name} eq 'torture'
               && $r->json->[0]{lag_events} == 0;
    });
}


# reads what came

sub judge {
    my ($self) = @_;

    return MDM::Events->new(number => qr/^torture-\d+-(\d+)-/)
                      ->arrived($self->{sink}{ledger});
}


sub stop { my ($self) = @_; $self->{sink}->stop; return }


1;
