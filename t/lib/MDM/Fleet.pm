package MDM::Fleet;

# Copyright (C) ngx_mdm_module authors
#
# Devices that have push tokens, what came to APNs for them, and what the store
# has of them, wherever it is.
#
#     my $fleet = MDM::Fleet->new(test => $t, apns => $apns,
#                                 nodes => sub { $s->master });
#     my $d = $fleet->device('A');          # enrolled
#     my ($r, $uuid) = $fleet->enqueue('A');
#     $fleet->pushes('A');                  # lines of the ledger
#     $fleet->field('A', 'push'); $fleet->due('A'); $fleet->refused;

use strict;
use warnings;

use Test::More;

use MDM::Plist qw(plist plist_data);
use MDM::Util qw(wait_for);


sub new {
    my ($class, %o) = @_;

    my $t = $o{test};

    return bless { nodes => sub { $t->redis_server }, serial => 0, %o,
                   token => {}, device => {} }, $class;
}


sub device {
    my ($self, $id, %o) = @_;

    my $d = $self->{device}{$id} = $self->{test}->device($id, %o);

    $d->authenticate->status == 200 or die "$id: Authenticate";
    $self->token($id, "token of $id")->status == 200
        or die "$id: TokenUpdate";

    return $d;
}


# a TokenUpdate; the token is text of up to 32 bytes

sub token {
    my ($self, $id, $text) = @_;

    my $token = pack 'A32', $text;

    $self->{token}{$id} = unpack 'H*', $token;

    return $self->{device}{$id}->token_update(Token => plist_data($token));
}


sub token_of { my ($self, $id) = @_; return $self->{token}{$id} }


# a command for each; (response, CommandUUID)

sub enqueue {
    my ($self, $ids, %o) = @_;

    my $on = delete $o{on} // $self->{test};
    my $query = delete $o{query} // '';
    my $uuid = 'c-' . ++$self->{serial};
    my $path = ref $ids ? join ',', @$ids : $ids;
    my $r = $on->api(PUT => "/v1/enqueue/$path$query", %o,
                     body => plist($on->command($uuid, 'ProfileList')));

    return wantarray ? ($r, $uuid) : $r;
}


# what came to APNs since its clear()

sub pushes {
    my ($self, $id) = @_;

    return grep { $_->{token} eq $self->{token}{$id} } $self->{apns}->ledger;
}


# how many came to each id of these

sub pushed {
    my ($self, @ids) = @_;

    my %count;

    $count{$_->{token}}++ for $self->{apns}->ledger;

    return map { $_ => $count{$self->{token}{$_}} // 0 } @ids;
}


sub came {
    my ($self, $id, $count, $seconds, $what) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    wait_for($seconds, sub { $self->pushes($id) >= $count });

    return is(scalar(() = $self->pushes($id)), $count, $what);
}


# the node that has an enrollment, and the name of its partition

sub place {
    my ($self, $id) = @_;

    for my $node ($self->{nodes}->()) {
        my ($key) = @{$node->cmd('KEYS', "mdm:*:e:$id")} or next;

        return ($node, $key =~ s/:e:.*//r);
    }

    die "$id is nowhere";
}


sub field {
    my ($self, $id, $name) = @_;

    my ($node, $tag) = $self->place($id);

    return $node->cmd('HGET', "$tag:e:$id", $name);
}


# when it is owed a push, Unix ms; undef: it is not

sub due {
    my ($self, $id) = @_;

    my ($node, $tag) = $self->place($id);

    return $node->cmd('ZSCORE', "$tag:push", $id);
}


# what the documented user was refused, by any node

sub refused {
    my ($self) = @_;

    return map { my %e = @$_; "$e{reason} $e{object}" }
           grep { my %e = @$_; $e{username} eq 'mdm' && $e{reason} ne 'auth' }
           map { @{$_->cmd('ACL', 'LOG', 128)} } $self->{nodes}->();
}


1;
