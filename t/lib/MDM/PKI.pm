package MDM::PKI;

# Copyright (C) ngx_mdm_module authors
#
# A certificate authority of a test's own, in memory and as files.
#
#     my $ca = MDM::PKI->new(dir => DIR, name => 'Test CA');
#     my $cert = $ca->issue(cn => 'UDID', serial => 'C02…', san => [[DNS => …]],
#                           expired => 1, future => 1, purpose => 'client',
#                           uid => …);
#     $cert->{file}, $cert->{key}     paths of PEM files
#     $cert->{pem}, $cert->{der}, $cert->{sha256}

use strict;
use warnings;

use Digest::SHA 'sha256_hex';
use IO::Socket::SSL::Utils;
use MIME::Base64;

use MDM::Util 'write_file';

my $count = 0;


sub new {
    my ($class, %o) = @_;

    my $name = $o{name} || 'Test CA';
    my $self = bless { dir => $o{dir}, name => $name }, $class;

    $self->{key_obj} = KEY_create_ec('prime256v1');
    ($self->{cert_obj}) = CERT_create(
        CA => 1,
        purpose => { ca => 1, sslCA => 1, keyCertSign => 1, cRLSign => 1 },
        subject => { commonName => $name },
        key => $self->{key_obj},
        digest => 'sha256',
        not_before => time - 10 * 86400,
        not_after => time + 3650 * 86400,
    );

    $self->{pem} = PEM_cert2string($self->{cert_obj});
    $self->{file} = write_file("$o{dir}/ca-" . ++$count . '.pem',
                               $self->{pem});

    return $self;
}


sub issue {
    my ($self, %o) = @_;

    my $purpose = $o{purpose} || 'client';
    my ($from, $to) = (time - 86400, time + 365 * 86400);

    ($from, $to) = (time - 9 * 86400, time - 86400) if $o{expired};
    ($from, $to) = (time + 86400, time + 9 * 86400) if $o{future};

    my %subject = (commonName => $o{cn} // 'device');

    $subject{serialNumber} = $o{serial} if defined $o{serial};
    $subject{organizationName} = $o{org} if defined $o{org};
    $subject{UID} = $o{uid} if defined $o{uid};

    my $key = KEY_create_ec('prime256v1');

    my ($cert) = CERT_create(
        subject => \%subject,
        issuer => [ $self->{cert_obj}, $self->{key_obj} ],
        key => $key,
        digest => 'sha256',
        not_before => $o{not_before} // $from,
        not_after => $o{not_after} // $to,
        purpose => $purpose,
        ($o{san} ? (subjectAltNames => $o{san}) : ()),
    );

    my $pem = PEM_cert2string($cert);
    my $file = "$self->{dir}/cert-" . ++$count;
    my ($base64) = $pem =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    my $der = decode_base64($base64);

    CERT_free($cert);

    my $pem_key = PEM_key2string($key);

    KEY_free($key);

    return {
        cn => $subject{commonName},
        pem => $pem,
        der => $der,
        sha256 => sha256_hex($der),
        file => write_file("$file.pem", $pem),
        key => write_file("$file.key", $pem_key),
    };
}


sub DESTROY {
    my ($self) = @_;

    CERT_free($self->{cert_obj}) if $self->{cert_obj};
    KEY_free($self->{key_obj}) if $self->{key_obj};

    return;
}


1;
