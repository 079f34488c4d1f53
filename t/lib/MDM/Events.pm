package MDM::Events;

# Copyright (C) ngx_mdm_module authors
#
# Judges what a webhook got: the ledger of mdmsink, by what devices were told
# is taken and by what the streams have.
#
#     my $e = MDM::Events->new(number => qr/-(\d+)$/);
#     $e->arrived($sink->{ledger});         # in the order in which they came
#     $e->did($file);                       # lines "id TAB uuid TAB status"
#     $e->streams($redis, …);               # masters, at the end
#     $e->verdict                           # a hash of counts
#     $e->notes                             # the first ones, in words
#
#     lost         results that devices were told are taken, entries of streams
#                  and events that arrived, which the receiver has never
#                  answered 2xx; events of streams that never arrived
#     reordered    events whose first arrival is behind that of a later one of
#                  their stream, and so of their enrollment; results of a
#                  channel behind that of a later command ("number" is in its
#                  CommandUUID), unless NotNow put them off
#     renamed      the same result, or the same call, under another event_id; an
#                  event_id with another body; more events than the streams had
#     other        results with another status than the device's
#     unsigned     requests whose HMAC is not right
#     arrived, repeated
#
# Whoever calls it has a webhook for all topics, with from=all.

use strict;
use warnings;

my $NOTES = 20;


sub new {
    my ($class, %o) = @_;

    my %n = map { $_ => 0 } qw(lost reordered renamed other unsigned arrived
                               repeated);

    # event: digest, 1 if it was taken, its status; named: event of a result;
    # last: entry of a stream; seq: command of a channel; put_off: by NotNow;
    # missed: events of which it is known that they were not taken

    return bless { n => \%n, notes => [], event => {}, named => {},
                   last => {}, seq => {}, put_off => {}, streams => {},
                   missed => {}, %o }, $class;
}


sub verdict { return $_[0]{n} }
sub notes { return @{$_[0]{notes}} }


sub _note {
    my ($self, $what, $text) = @_;

    $self->{n}{$what}++;
    push @{$self->{notes}}, "event $what: $text"
        if @{$self->{notes}} < $NOTES;

    return;
}


sub arrived {
    my ($self, $file, $from) = @_;

    open my $fh, '<', $file or die "$file: $!\n";
    seek $fh, $from // 0, 0;

    while (my $line = <$fh>) {
        my %l;

        @l{qw(status action hmac event topic id answer uuid digest)}
            = $line =~ /"status":(\d+),.*"action":"(\w+)","hmac":"(\w*)",
                .*"event_id":"([^"]+)","topic":"([^"]*)","id":"([^"]*)",
                "answer":"([^"]*)","uuid":"([^"]*)","digest":"(\w+)"/x
            or next;

        $self->_arrived(\%l);
    }

    return $self;
}


sub _arrived {
    my ($self, $l) = @_;

    my $taken = $l->{status} =~ /^2/ && $l->{action} eq 'answer' ? 1 : 0;
    my $event = $l->{event};
    my $digest = substr $l->{digest}, 0, 16;

    $self->{n}{arrived}++;
    $self->_note(unsigned => "$event is signed \"$l->{hmac}\"")
        if $l->{hmac} !~ /^(?:ok)?$/;

    if (my $was = $self->{event}{$event}) {
        my ($old, $before, $answer) = split / /, $was, 3;

        $self->{n}{repeated}++;
        $self->_note(renamed => "$event came with another body")
            if $old ne $digest;
        $self->{event}{$event} = "$old 1 $answer" if $taken && !$before;

        return;
    }

    $self->{event}{$event} = "$digest $taken $l->{answer}";

    my ($stream, $ms, $n) = $event =~ /^(.+)\.(\d+)-(\d+)$/
        or return $self->_note(renamed => "$event is no event_id");
    my $last = $self->{last}{$stream} // [ 0, 0 ];

    $self->{streams}{$stream}++;

    if ($ms < $last->[0] || $ms == $last->[0] && $n < $last->[1]) {
        $self->_note(reordered => "$event came behind "
                                  . join '-', @$last);

    } else {
        $self->{last}{$stream} = [ $ms, $n ];
    }

    return $self->_result($l);
}


# what must be there once

sub _result {
    my ($self, $l) = @_;

    my $key;

    if ($l->{topic} eq 'mdm.Connect') {
        $key = "$l->{id}\t$l->{uuid}";

        if ($l->{answer} eq 'NotNow') {
            $self->{put_off}{$key} = 1;
            return;
        }

        $self->_seq($l, $key);

    } elsif ($l->{topic} eq 'api.Enqueue' && $l->{uuid} ne '') {

        # a call that is repeated may concern others, and then comes without
        # those that it has concerned before

        $key = "$l->{uuid}\t" . $l->{id} =~ s/,.*//r;

    } else {
        return;
    }

    $self->_note(renamed => "$l->{event} is $self->{named}{$key}, too: $key")
        if exists $self->{named}{$key};
    $self->{named}{$key} //= $l->{event};

    return;
}


sub _seq {
    my ($self, $l, $key) = @_;

    return unless $self->{number} && !$self->{put_off}{$key};

    my ($n) = $l->{uuid} =~ $self->{number} or return;
    my $last = $self->{seq}{$l->{id}} // -1;

    if ($n < $last) {
        $self->_note(reordered => "$l->{event}: $key came behind number $last");

    } else {
        $self->{seq}{$l->{id}} = $n;
    }

    return;
}


# the status of a result that arrived, by "id TAB uuid"; undef: it did not

sub status {
    my ($self, $key) = @_;

    my $event = $self->{named}{$key} // return undef;
    my (undef, $taken, $status) = split / /, $self->{event}{$event}, 3;

    return $taken ? $status : undef;
}


sub did {
    my ($self, $file) = @_;

    open my $fh, '<', $file or die "$file: $!\n";

    while (my $line = <$fh>) {
        my ($key, $did) = $line =~ /^(.*)\t(\w+)$/ or next;
        my $status = $self->status($key);

        if (!defined $status) {
            $self->_note(lost => $key);
            $self->{missed}{$self->{named}{$key} // ''} = 1;

        } elsif ($status ne $did) {
            $self->_note(other => "$key came as $status");
        }
    }

    return $self;
}


# What is still in them must have been taken, and so must what arrived; and so
# many events as they ever had, which Redis 7 counts, must have arrived.

sub streams {
    my ($self, @nodes) = @_;

    my %rest = %{$self->{streams}};

    for my $node (@nodes) {
        for my $key (@{$node->cmd('KEYS', 'mdm:*:events')}) {
            my $stream = $key =~ s/^mdm:\{(.*)\}:events$/$1/r =~ s{/}{.}r;
            my %info = @{$node->cmd('XINFO', 'STREAM', $key)};
            my $arrived = delete $rest{$stream} // 0;

            $self->_entries($node, $key, $stream);

            my $added = $info{'entries-added'} // next;

            for (1 .. abs($added - $arrived)) {
                $self->_note(($arrived < $added ? 'lost' : 'renamed')
                             => "$key had $added events, $arrived arrived");
            }
        }
    }

    $self->_note(renamed => "there is no stream of $_") for sort keys %rest;

    # one that is in no stream any more will not be sent again

    for my $event (sort keys %{$self->{event}}) {
        $self->_missed($event, 'was never answered 2xx')
            if $self->{event}{$event} =~ /^\w+ 0 /;
    }

    return $self;
}


sub _entries {
    my ($self, $node, $key, $stream) = @_;

    my $from = '-';

    while (1) {
        my $page = $node->cmd('XRANGE', $key, $from, '+', 'COUNT', 1000);

        for my $entry (@$page) {
            my $event = "$stream.$entry->[0]";
            my $is = $self->{event}{$event} // '';

            $self->_missed($event, 'is in the stream only')
                if $is !~ /^\w+ 1 /;
        }

        return if @$page < 1000;
        $from = "($page->[-1][0]";
    }

    return;
}


sub _missed {
    my ($self, $event, $why) = @_;

    $self->_note(lost => "$event $why") unless $self->{missed}{$event}++;

    return;
}


1;
