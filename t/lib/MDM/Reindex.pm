package MDM::Reindex;

# Copyright (C) ngx_mdm_module authors
#
# mdm-store reindex, for the tests of it: two tenants, of whom "b" is below /b,
# and the user of docs/keyspace.md.
#
#     my $t = MDM->new(locations => $MDM::Reindex::locations, ...);
#     my $tool = MDM::Reindex->new($t);
#     $tool->allow($redis);             # makes the user there
#     $tool->ends('what', [ $server, @args ], $rc, @lines);   # what it says
#     $tool->args($server);             # of mdm-store, to spawn it
#     $tool->found('/b', @serials);     # ids of devices, as the API finds them

use strict;
use warnings;

use Test::More;

use MDM ();
use MDM::Util qw(read_file write_file);


our $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location /b/mdm { mdm_tenant b; mdm_checkin on; mdm_connect on; }
        location /b/api/ { mdm_tenant b; mdm_api on; }
END


sub new {
    my ($class, $t) = @_;

    my ($rules) = read_file("$MDM::root/docs/keyspace.md")
        =~ /^ {4}ACL SETUSER mdm-reindex (.*)$/m or die;

    my $pass = $t->dir . '/reindex.pass';

    write_file($pass, "secret\n");

    return bless { t => $t, rules => [ split ' ', $rules ], pass => $pass },
                 $class;
}


sub allow {
    my ($self, $node) = @_;

    $node->cmd('ACL', 'SETUSER', 'mdm-reindex', @{$self->{rules}});

    return;
}


sub args {
    my ($self, $server) = @_;

    return ('reindex', '-s', $server, '-u', 'mdm-reindex', '-p', $self->{pass});
}


# runs it, and compares the exit code and lines of what it says

sub ends {
    my ($self, $what, $args, $rc, @lines) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($server, @more) = @$args;
    my ($got, $said) = $self->{t}->mdm_store($self->args($server), @more);

    is($got, $rc, "$what: ends with $rc") or diag($said);
    like($said, qr/^$_$/m, "$what: $_") for @lines;

    return $said;
}


sub found {
    my ($self, $path, @serials) = @_;

    my $query = join '&', map { "serial=$_" } @serials;
    my $r = $self->{t}->request('GET', "$path/api/v1/enrollments?$query");

    return [ $r->status ] if $r->status != 200;

    return [ sort map { $_->{id} } @{$r->json->{enrollments}} ];
}


1;
