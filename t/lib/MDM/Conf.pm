package MDM::Conf;

# Copyright (C) ngx_mdm_module authors
#
# Tests of what "nginx -t" says of a configuration.
#
#     my $conf = MDM::Conf->new($t);           # an MDM that is not started
#     $conf->ok('a list', mdm => 'mdm_tenants a b;');
#     $conf->refused(mdm => 'mdm_tenant a/b;', 'must be');
#     $conf->refused({ mdm => undef, store_conf => '' }, 'no store', 'why');

use strict;
use warnings;

use Test::More ();

# what a test may leave at its default

my @pieces = qw(http server mdm api store locations store_conf);


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


1;
