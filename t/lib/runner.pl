#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# runner.pl NAME TALLY JOBS [FILE ...] [-- [FILE ...]] ...: runs tests that
# speak TAP (a Perl test, or a cmocka program) and appends "NAME passed failed
# skipped" to the file TALLY, and before it a line "failed FILE: which" for each
# file that failed.  A file that breaks off, dies or runs no test is a failure by
# itself.  Those behind a "--", which mostly wait, run one at a time beside the
# others.
#
# runner.pl --again NAME TALLY JOBS ...: the same, and a file that fails is run
# once more, alone: many watch the clock, on machines that others use as well.
# Each that needed it is told, and is a line "again FILE: which" of TALLY.
#
# runner.pl --cmocka PROGRAM: its TAP, put right.

use strict;
use warnings;

use TAP::Harness;

cmocka($ARGV[1]) if ($ARGV[0] // '') eq '--cmocka';

my $again = ($ARGV[0] // '') eq '--again' && shift @ARGV;
my ($name, $tally, $jobs, @files) = @ARGV;
my @waiting = ([]);

for my $file (splice @files) {
    if ($file eq '--') {
        push @waiting, [];
    } elsif (@waiting > 1) {
        push @{$waiting[-1]}, $file;
    } else {
        push @files, $file;
    }
}

@waiting = grep { @$_ } @waiting;

die "usage: runner.pl NAME TALLY JOBS FILE ...\n" unless @files || @waiting;

$ENV{CMOCKA_MESSAGE_OUTPUT} = 'TAP';

# lanes, of each of which one file runs at a time

my @lanes;

if (@waiting) {
    push @{$lanes[$_ % $jobs]{seq}}, $files[$_] for 0 .. $#files;
    push @lanes, map { { seq => $_ } } @waiting;
    push @files, map { @$_ } @waiting;
    $jobs = @lanes;
}

my $harness = TAP::Harness->new({
    verbosity => $ENV{MDM_VERBOSE} ? 1 : 0,
    jobs => $jobs,
    @lanes ? (rules => { par => \@lanes }) : (),
    timer => 1,
    color => 0,
    exec => sub {
        my ($self, $file) = @_;

        return [ $^X, $file ] if $file =~ /\.t$/;
        return [ $^X, $0, '--cmocka', $file ];
    },
});

my ($passed, $failed, $skipped) = (0, 0, 0);
my @lines;

my $aggregate = $harness->runtests(@files);
my %parser;

@parser{$aggregate->descriptions} =
    $aggregate->parsers($aggregate->descriptions);

if ($again) {
    for my $file (grep { failures($parser{$_}) } sort keys %parser) {
        print "\n$file failed: once more\n";
        push @lines, "again $file: " . which($parser{$file}) . "\n";

        my $second = $harness->runtests($file);

        ($parser{$file}) = $second->parsers($second->descriptions);
    }
}

for my $file (sort keys %parser) {
    my $parser = $parser{$file};
    my $skip = () = $parser->skipped;
    my $bad = failures($parser);

    push @lines, "failed $file: " . which($parser) . "\n" if $bad;

    $skipped += $skip;
    $passed += $parser->passed - $skip;
    $failed += $bad;
}

open my $fh, '>>', $tally or die "$tally: $!\n";
print $fh @lines, "$name $passed $failed $skipped\n";
close $fh or die "$tally: $!\n";

exit($failed || !$passed ? 1 : 0);


# a file may go wrong although each of its tests was well, and one that was
# skipped as a whole has told us nothing

sub failures {
    my ($parser) = @_;

    my $bad = $parser->failed;

    return 1 if !$bad && ($parser->has_problems || $parser->tests_run == 0);
    return $bad;
}


sub which {
    my ($parser) = @_;

    my @bad = $parser->failed;

    return @bad ? "test @bad" : 'it broke off, or ran no test';
}


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
