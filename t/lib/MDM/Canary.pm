package MDM::Canary;

# Copyright (C) ngx_mdm_module authors
#
# Values that must not be somewhere, and how to look for them.
#
#     my $value = canary('token');
#     holds($text, $value)          1 if it is there, in one way or another

use strict;
use warnings;

use Exporter 'import';
use MIME::Base64 qw(encode_base64);

our @EXPORT_OK = qw(canary holds ways);


sub canary {
    return join '', "CANARY-$_[0]-", map { ('a' .. 'z')[rand 26] } 1 .. 24;
}


# how a value may be written: by itself, in hex, in base64 at each alignment

sub ways {
    my ($value) = @_;

    my @ways = ($value, unpack('H*', $value), uc unpack('H*', $value));

    for my $shift (0 .. 2) {
        my $text = encode_base64(('x' x $shift) . $value, '');

        push @ways, substr $text, 4, length($text) - 8;
    }

    return @ways;
}


sub holds {
    my ($text, $value) = @_;

    return scalar grep { index($text, $_) >= 0 } ways($value);
}


1;
