#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The fuzzers: what is in the corpus, which holds every input that has failed
# once, and a few seconds of what comes of it.

use strict;
use warnings;

use File::Basename 'basename';
use Test::More;


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

my @targets = grep { !/^(?:nginx|planted)$/ }
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
