#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# runner.pl NAME TALLY JOBS FILE ...: runs tests that speak TAP (a Perl test,
# or a cmocka program) and appends "NAME passed failed skipped" to the file
# TALLY.  A file that breaks off, dies or runs no test is a failure by
# itself.

use strict;
use warnings;

use TAP::Harness;

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

        return $file =~ /\.t$/ ? [ $^X, $file ] : [ $file ];
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
