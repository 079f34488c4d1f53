#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# scripts/torture in short: nothing is lost, reordered, doubled or spoofed, no
# push is missing, and a webhook gets each event, while workers, Redis and the
# receiver fail; and it says so where something must be: with a Redis that syncs
# its AOF each second on a slow disk, without a wait for replicas, without the
# check of pins, without pushes that are owed, without their leases, with an
# outbox that is capped.
#
# MDM_LONG=1: also Sentinel and Cluster, and longer.

use strict;
use warnings;

use lib 't/lib';
use Cwd ();
use File::Temp ();
use Test::More;

use MDM::Util qw(read_file spawn wait_exit);


my $root = Cwd::abs_path(__FILE__ =~ s{t/50_torture\.t$}{}r || '.');
my $long = $ENV{MDM_LONG};
my $linked = exists $ENV{MDM_MODULE} && $ENV{MDM_MODULE} eq '';

for my $name (qw(mdmsim mdmapns mdmsink mdmproxy slowsync.so)) {
    -x "$root/build/$name"
        or plan skip_all => "no build/$name: scripts/build sim makes it";
}

my $work = File::Temp->newdir('mdm-torture-XXXXXX', TMPDIR => 1);
my %pid;


sub begin {
    my ($name, @args) = @_;

    $pid{$name} = spawn({ out => "$work/$name" }, $^X, "$root/scripts/torture",
                        '--no-build', '--seed', 1, @args);

    return;
}


# (exit status, its counts, all that it said)

sub end {
    my ($name) = @_;

    my $rc = wait_exit($pid{$name}, $long ? 900 : 600);

    if (!defined $rc) {
        kill 'INT', $pid{$name};
        wait_exit($pid{$name}, 30);
    }

    delete $pid{$name};

    my $out = read_file("$work/$name");
    my ($line) = $out =~ /^(lost .*)$/m;

    $line //= '';
    $line =~ s/(redis|worker) kills/$1_kills/g;
    $line =~ s/(events|sink) (\w+)/$1_$2/g;

    return ($rc, { $line =~ /(\w+) (\d+)/g }, $out);
}


# they clean up when they are told to end

$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

END { kill 'INT', values %pid if %pid }


sub is_green {
    my ($name, $least) = @_;

    my ($rc, $n, $out) = end($name);

    ok(defined $rc && $rc == 0, "$name: exit code 0") or diag($out);
    my @figures = qw(lost reordered doubled spoofed unpushed events_lost
                     events_reordered events_renamed);

    is(join(' ', map { "$_ " . ($n->{$_} // 'none') } @figures),
       join(' ', map { "$_ 0" } @figures), "$name: green");
    cmp_ok($n->{commands} // 0, '>', $least, "$name: with commands");
    is($n->{results}, $n->{commands}, "$name: all were answered");

    return $n;
}


sub is_red {
    my ($name, @what) = @_;

    my ($rc, $n, $out) = end($name);
    my $sum = 0;

    $sum += $n->{$_} // 0 for @what;

    cmp_ok($rc // 0, '!=', 0, "$name: exit code");
    cmp_ok($sum, '>', 0, "$name: " . join(' or ', @what)) or diag($out);

    return;
}


if ($long) {
    for my $topology (qw(single sentinel cluster)) {
        begin($topology, '--topology', $topology, '--seconds', 60,
              '--devices', 500);
        is_green($topology, 1000);
    }
}

# a few at a time: what counts commands must get on

begin('short', '--topology', 'single', '--seconds', 8, '--devices', 60,
      '--rates', 'kill=24,worker_kill=24,cut=60,stop=8,reload=8,'
      . 'sink_away=8,sink_cross=16,sink_reset=8');
begin($_, '--control', $_) for 'everysec', $linked ? () : 'nolease';

# a machine that is busy brings about a hundred

my $n = is_green('short', 50);

cmp_ok($n->{$_} // 0, '>', 0, "short: $_")
    for qw(redis_kills worker_kills sink_faults);
begin($_, '--control', $_) for 'nowait', $linked ? () : qw(nopin noowe trim);

is_red('everysec', qw(lost doubled));
is_red('nowait', qw(lost doubled));

SKIP: {
    skip 'the module is linked in', 8 if $linked;
    is_red('nopin', 'spoofed');
    is_red('noowe', 'unpushed');
    is_red('nolease', 'unpushed');
    is_red('trim', 'events_lost');
}

done_testing;
