package MDM::Apple;

# Copyright (C) ngx_mdm_module authors
#
# An Apple of the test's own: a root and an intermediate that have expired and
# are signed with SHA-1, certificates for devices, and what devices sign with
# them before they are enrolled.
#
#     my $apple = MDM::Apple->new($dir);
#     $apple->{root}, $apple->{ca}         PEM files
#     my $d = $apple->device('C02XK1ZGJGH5');
#     $d->{cert}, $d->{key}                PEM files
#     my $der = $d->info(PRODUCT => 'Mac16,1');
#     my $der = $d->sign($content, noattr => 1, md => 'sha1', ber => 1,
#                        chain => 0, with => [ $other ]);
#
# A device sends the intermediate, too, unless "chain" is 0, as Macs do.

use strict;
use warnings;

use MDM::Plist qw(plist);
use MDM::Util qw(read_file spawn wait_exit write_file);

my $count = 0;


sub new {
    my ($class, $dir, $name) = @_;

    my $self = bless { dir => $dir, name => $name // 'Test' }, $class;

    $self->{root} = $self->_cert("$self->{name} Root CA", undef, ca => 1);
    $self->{between} = $self->_cert("$self->{name} iPhone Device CA",
                                    $self->{root}, ca => 1);
    $self->{ca} = $self->{between}{cert};

    return $self;
}


# "by": another issuer than the intermediate; "bits" of its key

sub device {
    my ($self, $serial, %o) = @_;

    my $new = $self->_cert($serial, $o{by} // $self->{between}, %o);

    return bless { %$new, apple => $self, dir => $self->{dir},
                   serial => $serial,
                   udid => $o{udid} // sprintf('00008140-%016X', ++$count) },
                 'MDM::Apple::Device';
}


sub _cert {
    my ($self, $cn, $by, %o) = @_;

    my $base = "$self->{dir}/apple-" . ++$count;
    my $new = { cert => "$base.pem", key => "$base.key" };

    write_file("$base.cnf", "[req]\ndistinguished_name = dn\n[dn]\n[v3]\n",
               $o{ca} ? "basicConstraints = critical,CA:TRUE\n"
                        . "keyUsage = critical,keyCertSign,cRLSign\n"
                      : "keyUsage = critical,digitalSignature\n");

    $self->_openssl('genrsa', '-out', $new->{key}, $o{bits} // 1024);
    $self->_openssl('req', '-new', '-config', "$base.cnf", '-key', $new->{key},
                    '-subj', "/CN=$cn", '-sha1', '-out', "$base.csr");

    # they ended a day ago: "openssl x509" takes no other dates before 3.4

    write_file("$base.ca.cnf", <<"END");
[ca]
default_ca = one
[one]
database = $base.db
new_certs_dir = $self->{dir}
rand_serial = yes
default_md = sha1
policy = any
unique_subject = no
[any]
commonName = supplied
END

    write_file("$base.db", '');

    $self->_openssl('ca', '-batch', '-notext', '-config', "$base.ca.cnf",
                    '-in', "$base.csr", '-out', $new->{cert}, '-extfile',
                    "$base.cnf", '-extensions', 'v3',
                    '-startdate', '20070101000000Z', '-enddate',
                    '20140101000000Z',
                    defined $by ? ('-cert', $by->{cert}, '-keyfile', $by->{key})
                                : ('-selfsign', '-keyfile', $new->{key}));

    return $new;
}


sub _openssl {
    my ($self, @args) = @_;

    my $out = "$self->{dir}/apple.log";
    my $rc = wait_exit(spawn({ out => $out }, 'openssl', @args), 60);

    die "openssl @args: " . read_file($out) if !defined $rc || $rc != 0;

    return;
}


package MDM::Apple::Device;

use strict;
use warnings;

use MDM::Plist qw(plist);
use MDM::Util qw(read_file write_file);


# what it says of itself, as a plist; a key that is undef is left out

sub said {
    my ($self, %keys) = @_;

    my %info = (UDID => $self->{udid}, SERIAL => $self->{serial},
                PRODUCT => 'iPhone17,2', VERSION => '22B83',
                OS_VERSION => '18.1', LANGUAGE => 'en', %keys);

    delete $info{$_} for grep { !defined $info{$_} } keys %info;

    return plist(\%info);
}


# the same, signed

sub info {
    my ($self, %keys) = @_;

    return $self->sign($self->said(%keys));
}


sub sign {
    my ($self, $content, %o) = @_;

    my $dir = $self->{dir};
    my $in = write_file("$dir/apple.in", $content);
    my $out = "$dir/apple.out";

    my @args = ('cms', '-sign', '-in', $in, '-binary', '-outform', 'DER',
                '-out', $out, '-md', $o{md} // 'sha256');

    for my $one ($self, @{$o{with} // []}) {
        push @args, '-signer', $one->{cert}, '-inkey', $one->{key};
    }

    push @args, $o{detached} ? () : '-nodetach';
    push @args, '-noattr' if $o{noattr};
    push @args, '-stream' if $o{ber};
    push @args, '-certfile', $self->{apple}{ca} if $o{chain} // 1;

    $self->{apple}->_openssl(@args);

    return read_file($out);
}


1;
