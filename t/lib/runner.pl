#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# runner.pl NAME TALLY JOBS FILE ...: runs tests that speak TAP (a Perl test,
# or a cmocka program) and appends "NAME passed failed skipped" to the file
# TALLY.  A file that breaks off, dies or runs no test is a failure by
# itself.
#
# runner.pl --cmocka PROGRAM: its TAP, put right.

use strict;
use warnings;

use TAP::Harness;

cmocka($ARGV[1]) if ($ARGV[0] // '') eq '--cmocka';

my ($name, $tally, $jobs, @files) = @ARGV;

die "usage: runner.pl NAME TALLY JOBS FILE ...\n" unless @files;

$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';

my $harness = TAP::Harness->new({
    verbosity => $ENV{MDM_VERBOSE} ? 1 : 0,
    jobs => $jobs,
    timer => 1,
    color => 0,
    exec => sub {
        my ($self, $file) = @_;

        return [ $^X, $file ] if $file =~ /\.t$/;
        return [ $^X, $0, '--cmocka', $file ];
    },
});

my $aggregate = $harness->runtests(@files);
my ($passed, $failed, $skipped) = (0, 0, 0);

for my $parser ($aggregate->parsers($aggregate->descriptions)) {
    my $bad = $parser->failed;
    my $skip = () = $parser->skipped;

    $skipped += $skip;
    $passed += $parser->passed - $skip;

    # a file may go wrong although each of its tests was well, and one that
    # was skipped as a whole has told us nothing

    if (!$bad && ($parser->has_problems || $parser->tests_run == 0)) {
        $bad = 1;
    }

    $failed += $bad;
}

open my $fh, '>>', $tally or die "$tally: $!\n";
print $fh "$name $passed $failed $skipped\n";
close $fh or die "$tally: $!\n";

exit($failed || !$passed ? 1 : 0);


# cmocka calls a test that was skipped "not ok N # SKIP", which is a failure
# to whoever reads TAP; all else, and how it ended, is passed on

sub cmocka {
    my ($program) = @_;

    $| = 1;
    open my $in, '-|', $program or die "$program: $!\n";

    while (<$in>) {
        s/^not (ok \d+ # SKIP)/$1/;
        print;
    }

    close $in;
    kill $? & 127, $$ if $? & 127;
    exit($? >> 8);
}
