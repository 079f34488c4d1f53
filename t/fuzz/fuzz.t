#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The fuzzers: what is in the corpus, which holds every input that has failed
# once, and a few seconds of what comes of it.

use strict;
use warnings;

use File::Basename 'basename';
use File::Path 'make_path';
use Test::More;

use lib 't/lib';
use MDM::Util 'write_file';


sub fuzz {
    my (@args) = @_;

    open my $fh, '-|', 'sh', '-c', 'exec scripts/fuzz "$@" 2>&1 < /dev/null',
        'sh', @args or die "scripts/fuzz: $!\n";
    my $out = do { local $/; <$fh> } // '';
    close $fh;

    return ($? >> 8, $out);
}


# a bug is found, fails the run, and the input is kept

{
    my ($dir, $seen) = 'build/fuzz/found/planted';

    unlink glob "$dir/*";

    my ($rc, $out) = fuzz('--short', 'planted');

    is($rc, 1, 'a planted bug fails the run') or diag($out);
    like($out, qr/heap-buffer-overflow/, 'what it is, is said');
    like($out, qr{^kept: \Q$dir\E/crash-\w+$}m, 'and where the input is');

    my ($kept) = glob "$dir/crash-*";

    ok(defined $kept && -s $kept == 4, 'the input is kept');

    ($rc, $out) = fuzz('--seconds', 5, 'planted');
    is($rc, 1, 'a long run fails, too');

    ($rc, $out) = fuzz('none-such');
    is($rc, 2, 'there is no such target');
}

# so is what takes too long, or too much memory; by the program itself, as
# libFuzzer ends at the first one

for my $case ([ c => qr/ERROR: limits: 1 bytes took (?:[5-9]\d|\d{3,})\.\d ms/ ],
              [ m => qr/ERROR: limits: 1 bytes took \S+ ms and 524289 bytes/ ],
              [ x => undef ])
{
    my ($byte, $said) = @$case;
    my $dir = 'build/fuzz/found/planted_limits';

    make_path($dir);
    write_file("$dir/$byte", $byte);

    my $out = `build/fuzz/planted_limits -artifact_prefix=$dir/ $dir/$byte 2>&1`;

    if ($said) {
        isnt($?, 0, 'a limit that is passed fails the run');
        like($out, $said, 'which limit, is said');

    } else {
        is($?, 0, 'what keeps to them does not') or diag($out);
    }
}

my @targets = grep { !/^(?:nginx|planted\w*)$/ }
              map { basename($_) =~ /^fuzz_(\w+)\.c$/ } glob 't/fuzz/fuzz_*.c';

my ($replay, $known) = fuzz('--replay');
my ($short, $new) = fuzz('--short');

for my $target (sort @targets) {
    my $inputs = grep { -f } glob "t/fuzz/corpus/$target/*";

    cmp_ok($inputs, '>', 0, "$target has a corpus");
    like($known, qr/^$target: $inputs inputs, well$/m,
         "$target: $inputs inputs that are known");
    like($new, qr/^$target: \d+ runs in \d+ s, well$/m,
         "$target: what comes of them");
}

is($replay, 0, 'all known inputs are read well') or diag($known);
is($short, 0, 'and so are new ones') or diag($new);
diag($new) if $ENV{MDM_VERBOSE};

done_testing;
