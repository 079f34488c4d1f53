package MDM::DER;

# Copyright (C) ngx_mdm_module authors
#
# DER, written and read by hand, for messages that openssl's tools cannot make
# or take apart.
#
#     der(0x30, @parts), der_oid('1.2.840'), der_int(3), der_set(@parts)
#     my $node = der_read($bytes);   tag, body, whole; its children:
#     my ($first, $second) = der_children($node);
#     der_oid_text($node)            '1.2.840'

use strict;
use warnings;

use Exporter 'import';

our @EXPORT_OK = qw(der der_oid der_int der_set der_read der_children
                    der_oid_text);


sub der {
    my ($tag, @parts) = @_;

    my $body = join '', @parts;
    my $n = length $body;

    return pack('CC', $tag, $n) . $body if $n < 128;

    my $len = pack('N', $n) =~ s/^\0+//r;

    return pack('CC', $tag, 0x80 | length $len) . $len . $body;
}


sub der_oid {
    my ($text) = @_;

    my ($one, $two, @arcs) = split /\./, $text;

    return der(0x06, pack 'w*', $one * 40 + $two, @arcs);
}


sub der_int { return der(0x02, pack 'C', $_[0]) }


# in the order that DER asks for

sub der_set { return der(0x31, sort @_) }


# the first value in some bytes; dies where there is none

sub der_read {
    my ($bytes, $at) = @_;

    $at //= 0;

    my ($tag, $n) = unpack 'CC', substr $bytes, $at, 2;
    my $head = 2;

    die "no DER\n" unless defined $n && $n != 0x80;

    if ($n > 0x80) {
        my $len = $n & 0x7f;

        $n = unpack 'N', "\0" x (4 - $len) . substr $bytes, $at + 2, $len;
        $head += $len;
    }

    die "short DER\n" if $at + $head + $n > length $bytes;

    return { tag => $tag, body => substr($bytes, $at + $head, $n),
             whole => substr($bytes, $at, $head + $n) };
}


sub der_children {
    my ($node) = @_;

    my @children;

    for (my $at = 0; $at < length $node->{body}; ) {
        push @children, der_read($node->{body}, $at);
        $at += length $children[-1]{whole};
    }

    return @children;
}


sub der_oid_text {
    my ($node) = @_;

    my ($first, @arcs) = unpack 'w*', $node->{body};

    return join '.', int($first / 40), $first % 40, @arcs if $first < 80;
    return join '.', 2, $first - 80, @arcs;
}


1;
