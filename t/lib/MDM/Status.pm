package MDM::Status;

# Copyright (C) ngx_mdm_module authors
#
# Status reports of a device, and what the API shows of them.

use strict;
use warnings;

use Exporter 'import';
use JSON::PP ();
use Test::More;

use MDM::Plist 'plist_data';

our @EXPORT_OK = qw(doc events get items join_pages ok_status pages status
                    values_of);

my $json = JSON::PP->new->canonical->utf8->allow_nonref;


# a report: JSON as Perl data, or text

sub status {
    my ($d, $report, %keys) = @_;

    return $d->message('DeclarativeManagement', Endpoint => 'status',
        Data => plist_data(ref $report ? $json->encode($report) : $report),
        %keys);
}


sub ok_status {
    my ($d, $report, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $r = status($d, $report);

    is($r->status . ' ' . length $r->body, '200 0', "$name: 200, empty");

    return $r;
}


sub items { my ($items, %more) = @_;
            return { StatusItems => $items, Errors => [], %more } }

sub get { my ($t, $path) = @_; return $t->api(GET => $path)->json }
# the pages of one: what is in objects, and in elements of arrays, adds up

sub join_pages {
    my ($one, $two) = @_;

    return [ @$one, @$two ] if ref $one eq 'ARRAY';

    $one->{$_} = exists $one->{$_} ? join_pages($one->{$_}, $two->{$_})
                                   : $two->{$_} for keys %$two;

    return $one;
}

sub pages {
    my ($t, $path, $join) = @_;

    my ($all, $cursor, $n) = (undef, undef, 0);

    do {
        my $r = $t->api(GET => $path . (defined $cursor
            ? ($path =~ /\?/ ? '&' : '?') . "cursor=$cursor" : ''));

        $r->status == 200 or die $r->body;
        $all = defined $all ? $join->($all, $r->json) : $r->json;
        $cursor = $r->header('X-Next-Cursor');
        die "$path: no end\n" if ++$n > 100;
    } while (defined $cursor);

    return ($all, $n);
}

sub doc {
    my ($t, $id) = @_;

    return (pages($t, "/v1/status/$id", sub {
        return { status => join_pages($_[0]{status}, $_[1]{status}) };
    }))[0]->{status};
}

# rows, a path with more than one as "a,b"

sub values_of {
    my ($t, $id, $prefix) = @_;

    my %v;
    my $list = get($t, "/v1/status-values/$id"
                       . (defined $prefix ? "?prefix=$prefix" : ''))->{$id};

    for my $row (@$list) {
        my $path = $row->{path} =~ s/^\.StatusItems\.//r
                   . (defined $row->{identifier} ? "/$row->{identifier}" : '');

        $v{$path} = defined $v{$path} ? "$v{$path},$row->{value}"
                                      : $row->{value};
    }

    return \%v;
}

# events of all partitions, by name

sub events {
    my ($t, $name) = @_;

    my @found;

    for my $key (sort @{$t->redis('KEYS', 'mdm:*:events')}) {
        for my $entry (@{$t->redis('XRANGE', $key, '-', '+')}) {
            my %e = @{$entry->[1]};

            push @found, { id => $e{id}, %{$json->decode($e{data})} }
                if $e{event} eq $name;
        }
    }

    return @found;
}


1;
