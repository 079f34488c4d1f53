package MDM::Device;

# Copyright (C) ngx_mdm_module authors
#
# A device, or a user on one, that speaks to the module under test.
#
#     my $d = $t->device('UDID-1');            # with a certificate of its own
#     my $d = $t->device('UDID-1', cert => $cert, plist => 'binary');
#     my $d = $t->device('E-1', user_enrollment => 1);
#     my $d = $t->device('UDID-1', cert => undef, plain => 1, headers => […]);
#     my $u = $d->user('USER-1', short => 'joe');
#     $d->enroll; $d->authenticate; $d->token_update; $d->idle;
#     my $r = $d->report('Acknowledged', $uuid, DeviceName => 'x');
#
# Every call returns the response (MDM::HTTP::Response).

use strict;
use warnings;

use MDM::Plist qw(plist plist_binary plist_data plist_read);

use constant {
    CHECKIN => 'application/x-apple-aspen-mdm-checkin',
    CONNECT => 'application/x-apple-aspen-mdm',
};


sub new {
    my ($class, $test, $id, %o) = @_;

    my $self = bless { test => $test, id => $id, path => '/mdm',
                       topic => 'com.apple.mgmt.External.test', %o }, $class;

    $self->{ids} = $o{user_enrollment} ? { EnrollmentID => $id }
                                       : { UDID => $id };
    $self->{cert} = $test->cert(cn => $id) unless exists $o{cert};

    return $self;
}


sub user {
    my ($self, $user, %o) = @_;

    my $new = bless { %$self, %o }, ref $self;

    if ($self->{user_enrollment}) {
        $new->{ids} = { %{$self->{ids}}, EnrollmentUserID => $user };
        $new->{id} = "$self->{id}:$user";

    } else {
        $new->{ids} = { %{$self->{ids}}, UserID => $user,
                        UserShortName => $o{short} // 'joe',
                        UserLongName => $o{long} // 'Joe' };
        $new->{id} = $user =~ /^F{8}(?:-F{4}){3}-F{12}$/
            ? "$self->{id}:" . ($o{short} // 'joe') : "$self->{id}:$user";
    }

    $new->{is_user} = 1;

    return $new;
}


sub id { return $_[0]{id} }
sub cert { return $_[0]{cert} }


# any body at all

sub send {
    my ($self, $type, $message, %o) = @_;

    my $body = ref $message
        ? (($self->{plist} // '') eq 'binary' ? plist_binary($message)
                                              : plist($message))
        : $message;

    return $self->{test}->request('PUT', $self->{path}, cert => $self->{cert},
        headers => [ 'Content-Type' => $type, @{$self->{headers} || []} ],
        ($self->{plain} ? (plain => 1) : ()), body => $body, %o);
}


sub message {
    my ($self, $type, %keys) = @_;

    return $self->send(CHECKIN,
                       { MessageType => $type, %{$self->{ids}}, %keys });
}


sub authenticate {
    my ($self, %keys) = @_;

    return $self->message('Authenticate', Topic => $self->{topic},
        Model => 'Mac14,2', ModelName => 'MacBook Air',
        DeviceName => "Name of $self->{id}", OSVersion => '15.1',
        BuildVersion => '24B83', ProductName => 'Mac14,2',
        SerialNumber => $self->{serial} // "S$self->{id}", %keys);
}


sub token_update {
    my ($self, %keys) = @_;

    return $self->message('TokenUpdate', Topic => $self->{topic},
        PushMagic => "magic-$self->{id}", Token => plist_data("\x01\xff" x 16),
        %keys);
}


# both, each of which must be answered 200; returns the device

sub enroll {
    my ($self) = @_;

    if (!$self->{is_user}) {
        my $r = $self->authenticate;

        $r->status == 200 or die "Authenticate: " . $r->status . "\n";
    }

    my $r = $self->token_update;

    $r->status == 200 or die "TokenUpdate: " . $r->status . "\n";

    return $self;
}


sub checkout {
    my ($self, %keys) = @_;

    return $self->message('CheckOut', Topic => $self->{topic}, %keys);
}


sub set_bootstrap_token {
    my ($self, $token, %keys) = @_;

    return $self->message('SetBootstrapToken', AwaitingConfiguration => \0,
        (defined $token ? (BootstrapToken => plist_data($token)) : ()), %keys);
}


sub get_bootstrap_token {
    my ($self, %keys) = @_;

    return $self->message('GetBootstrapToken', AwaitingConfiguration => \0,
                          %keys);
}


# declarative management; $data: what goes with "status"

sub ddm {
    my ($self, $endpoint, $data) = @_;

    return $self->message('DeclarativeManagement', Endpoint => $endpoint,
        defined $data ? (Data => plist_data($data)) : ());
}


sub connect {
    my ($self, %keys) = @_;

    return $self->send(CONNECT, { %{$self->{ids}}, %keys });
}


sub idle {
    my ($self, %keys) = @_;

    return $self->connect(Status => 'Idle', %keys);
}


sub report {
    my ($self, $status, $uuid, %keys) = @_;

    return $self->connect(Status => $status, CommandUUID => $uuid, %keys);
}


# the CommandUUID that a response carries; "" where there is no command

sub uuid {
    my ($self, $r) = @_;

    return '' unless length $r->body;

    return plist_read($r->body)->{CommandUUID};
}


# Idle, then Acknowledged until no command is left; returns their UUIDs

sub drain {
    my ($self) = @_;

    my @uuids;
    my $r = $self->idle;

    while ($r->status == 200 && length $r->body) {
        my $uuid = $self->uuid($r);

        push @uuids, $uuid;
        die "drain: no end" if @uuids > 10000;
        $r = $self->report('Acknowledged', $uuid);
    }

    $r->status == 200 or die "drain: " . $r->status . "\n";

    return @uuids;
}


1;
