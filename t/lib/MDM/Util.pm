package MDM::Util;

# Copyright (C) ngx_mdm_module authors
#
# Files, ports and processes.

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(read_file write_file replace_file free_port spawn wait_exit
                    wait_for slurp_from);

my %taken;


sub read_file { return slurp_from($_[0], 0) }


# what a file holds from an offset on; nothing if there is none

sub slurp_from {
    my ($path, $offset) = @_;

    open my $fh, '<:raw', $path or return '';
    seek $fh, $offset, 0;
    local $/;

    return scalar(<$fh>) // '';
}


sub write_file {
    my ($path, @text) = @_;

    open my $fh, '>:raw', $path or die "$path: $!";
    print $fh @text;
    close $fh or die "$path: $!";

    return $path;
}


# written at once, by a rename: somebody may read it at any time

sub replace_file {
    my ($path, @text) = @_;

    write_file("$path.new", @text);
    rename "$path.new", $path or die "rename: $!";

    return $path;
}


# below the range from which the kernel takes ports for outgoing connections

sub free_port {
    for (1 .. 500) {
        my $port = 10000 + int rand 20000;

        next if $taken{$port};

        my $s = IO::Socket::INET->new(Listen => 1, Proto => 'tcp',
            LocalAddr => '127.0.0.1', LocalPort => $port) or next;

        close $s;
        $taken{$port} = 1;

        return $port;
    }

    die "no free port";
}


# starts a program; out: the file for its output

sub spawn {
    my ($o, @argv) = @_;

    my $pid = fork // die "fork: $!";

    return $pid if $pid;

    my $mode = $o->{append} ? '>>' : '>';

    open STDIN, '<', $o->{in} // '/dev/null';
    open STDOUT, $mode, $o->{out};
    open STDERR, '>&', \*STDOUT;

    if ($o->{env}) {
        @ENV{keys %{$o->{env}}} = values %{$o->{env}};
    }

    { no warnings 'exec'; exec { $argv[0] } @argv; }

    print STDERR "$argv[0]: $!\n";
    POSIX::_exit(127);
}


# the status of an ended child as of waitpid(); undef: it still runs

sub wait_exit {
    my ($pid, $seconds) = @_;

    my $end = time + $seconds;

    while (1) {
        my $rc = waitpid $pid, POSIX::WNOHANG();

        return $? if $rc == $pid;
        return 0 if $rc < 0;
        return undef if time > $end;
        sleep 0.01;
    }
}


# repeats a check until it is true, or time is over; returns what it returned

sub wait_for {
    my ($seconds, $check) = @_;

    my $end = time + $seconds;

    while (1) {
        my $value = $check->();

        return $value if $value;
        return undef if time > $end;
        sleep 0.02;
    }
}


1;
