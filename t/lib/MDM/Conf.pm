package MDM::Conf;

# Copyright (C) ngx_mdm_module authors
#
# Tests of what "nginx -t" says of a configuration.
#
#     my $conf = MDM::Conf->new($t);           # an MDM that is not started
#     $conf->ok('a list', mdm => 'mdm_tenants a b;');
#     $conf->refused(mdm => 'mdm_tenant a/b;', 'must be');
#     $conf->refused({ mdm => undef, store_conf => '' }, 'no store', 'why');
#     $conf->table('t/01_conf.tsv');           # where, level, text, message

use strict;
use warnings;

use Test::More ();

use MDM::Util qw(read_file);

# what a test may leave at its default

my @pieces = qw(main http server mdm api store locations store_conf);


sub new {
    my ($class, $t) = @_;

    return bless { t => $t }, $class;
}


# accepted, and nothing is said above a warning; returns what was said

sub ok {
    my ($self, $what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($ok, $said) = $self->{t}->test_conf(map({ $_ => undef } @pieces), %o);

    Test::More::ok($ok, "accepted: $what") or Test::More::diag($said);
    Test::More::unlike($said, qr/\[(?:emerg|alert|crit|error)\]/, "quietly: $what");

    return $said;
}


# refused, and one line says why

sub refused {
    my ($self, $where, $text, $why) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my %o = ref $where ? %$where : ($where => $text);
    my ($ok, $said) = $self->{t}->test_conf(map({ $_ => undef } @pieces), %o);

    Test::More::ok(!$ok, "refused: $text");

    my @emerg = grep { /\[emerg\]/ } split /\n/, $said;

    Test::More::is(scalar @emerg, 1, "one line says why: $text") or Test::More::diag($said);
    Test::More::like($emerg[0] // '', qr/$why/, "and what: $text");

    return;
}


# A table of wrong configurations, a line each: where the text stands, "emerg"
# or "warn", the text, and the message, which names the line of the text.

sub table {
    my ($self, $file) = @_;

    for my $line (split /\n/, read_file($file)) {
        next if $line eq '' || $line =~ /^#/;

        my ($where, $level, $text, $message) = split /\t/, $line;

        $self->_row($where, $level, $text, $message);
    }

    return;
}


sub _row {
    my ($self, $where, $level, $text, $message) = @_;

    my $t = $self->{t};
    my ($ok, $said) = $t->test_conf(map({ $_ => undef } @pieces),
                                    $where => "$text # here");

    my @lines = split /\n/, read_file($t->dir . '/nginx.conf');
    my ($n) = grep { $lines[$_ - 1] =~ /# here$/ } 1 .. @lines;

    my @said = grep { /\[(?:emerg|alert|crit|error|warn)\]/ } split /\n/, $said;

    # a variable of the harness is what the configuration has in its place

    $message =~ s/%%(\w+)%%/$t->var($1)/ge;

    Test::More::is($ok, $level eq 'warn' ? 1 : 0, "$level: $text");
    Test::More::is(scalar @said, 1, 'one line says why');
    Test::More::like($said[0] // '', qr/\[$level\] .*\Q$message\E/, 'and what');
    Test::More::like($said[0] // '', qr/ in \S+nginx\.conf:$n\b/, 'and where')
        or Test::More::diag("$text is in line $n");

    return;
}


1;
