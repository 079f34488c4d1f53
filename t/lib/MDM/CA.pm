package MDM::CA;

# Copyright (C) ngx_mdm_module authors
#
# CAs as an administrator makes them, by openssl, in files.
#
#     my $root = MDM::CA->new($dir, 'root', key => 'rsa:2048');
#     my $ca = $root->sub_ca('ca', key => 'ec:P-256', days => 30);
#     my $ra = $ca->ra('ra');
#     $ca->{cert}, $ca->{key}, $ca->{chain}    paths of PEM files
#
# "ext" takes the place of the extensions, "pass" encrypts the key.

use strict;
use warnings;

use IO::Socket::SSL::Utils;

use MDM::Util qw(read_file spawn wait_exit write_file);

my $count = 0;


sub new {
    my ($class, $dir, $name, %o) = @_;

    my $self = $class->_key($dir, $name, %o);

    $self->_openssl('req', '-x509', '-new', '-key', $self->{plain},
           '-subj', "/CN=$name", '-days', $o{days} // 3650, '-sha256',
           '-out', $self->{cert},
           map { ('-addext', $_) } @{$o{ext}
               // [ 'keyUsage=critical,keyCertSign,cRLSign' ]});

    $self->{chain} = $self->{cert};

    return $self;
}


sub sub_ca {
    my ($self, $name, %o) = @_;

    return $self->_issue($name, %o, ext => $o{ext}
        // [ 'basicConstraints=critical,CA:TRUE',
             'keyUsage=critical,keyCertSign,cRLSign',
             'subjectKeyIdentifier=hash', 'authorityKeyIdentifier=keyid' ]);
}


sub ra {
    my ($self, $name, %o) = @_;

    return $self->_issue($name, %o, ext => $o{ext}
        // [ 'basicConstraints=critical,CA:FALSE',
             'keyUsage=critical,digitalSignature,keyEncipherment' ]);
}


# a root that has ended, with the key of another one: "openssl req" makes none

sub expired {
    my ($class, $dir, $other) = @_;

    my $file = "$dir/expired-" . ++$count . '.pem';
    my ($cert) = CERT_create(CA => 1, subject => { commonName => 'expired' },
                             key => PEM_file2key($other->{plain}),
                             not_before => time - 20 * 86400,
                             not_after => time - 86400, digest => 'sha256');

    write_file($file, PEM_cert2string($cert));
    CERT_free($cert);

    return bless { %$other, cert => $file, chain => $file }, $class;
}


# "key": rsa:BITS or ec:CURVE

sub _key {
    my ($class, $dir, $name, %o) = @_;

    my $base = "$dir/$name-" . ++$count;
    my ($kind, $size) = split /:/, $o{key} // 'rsa:2048';
    my @opt = $kind eq 'rsa' ? (RSA => "rsa_keygen_bits:$size")
                             : (EC => "ec_paramgen_curve:$size");

    my $self = bless { dir => $dir, name => $name, cert => "$base.pem",
                       key => "$base.key", plain => "$base.key" }, $class;

    $self->_openssl('genpkey', '-algorithm', $opt[0], '-pkeyopt', $opt[1],
                    '-out', $self->{key});

    if (defined $o{pass}) {
        $self->{key} = "$base.enc.key";
        $self->_openssl('pkey', '-in', "$base.key", '-aes128', '-passout',
               "pass:$o{pass}", '-out', $self->{key});
    }

    chmod 0600, $self->{key}, $self->{plain};

    return $self;
}


sub _openssl {
    my ($self, @args) = @_;

    my $out = "$self->{dir}/openssl.log";
    my $rc = wait_exit(spawn({ out => $out }, 'openssl', @args), 60);

    die "openssl @args: " . read_file($out) if !defined $rc || $rc != 0;

    return;
}


sub _issue {
    my ($self, $name, %o) = @_;

    my $new = ref($self)->_key($self->{dir}, $name, %o);
    my $base = $new->{cert};

    write_file("$base.ext", map { "$_\n" } @{$o{ext}});

    $new->_openssl('req', '-new', '-key', $new->{plain}, '-subj',
           "/CN=$name", '-out', "$base.csr");
    $new->_openssl('x509', '-req', '-in', "$base.csr", '-CA',
           $self->{cert}, '-CAkey', $self->{plain}, '-CAcreateserial',
           '-days', $o{days} // 365, '-sha256', '-extfile', "$base.ext",
           '-out', $new->{cert});

    $new->{chain} = write_file("$base.chain", read_file($new->{cert}),
                               read_file($self->{chain}));

    return $new;
}


1;
