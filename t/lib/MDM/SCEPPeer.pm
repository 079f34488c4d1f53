package MDM::SCEPPeer;

# Copyright (C) ngx_mdm_module authors
#
# A small SCEP server for tests of clients, made of openssl's tools, that does
# right or wrong what it is told to.
#
#     my $peer = MDM::SCEPPeer->new(dir => DIR);
#     $peer->url                     what --scep takes
#     $peer->set(pending => 2);      what it does from now on, see %default;
#                                    it forgets what it has issued
#     $peer->seen                    what came, a hash each; forgets it
#     $peer->ca                      path of the root's certificate
#
# It has a root, an issuing CA, an RA of both uses, one of each use, and a CA
# and an RA that it does not show.  A certificate is kept by transaction.

use strict;
use warnings;

use Digest::SHA ();
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64;
use POSIX ();

use MDM::DER qw(der der_oid der_int der_set der_read der_children
                der_oid_text);
use MDM::Util qw(free_port read_file replace_file wait_exit wait_for
                 write_file);

my %default = (
    caps => "AES\nPOSTPKIOperation\nRenewal\nSCEPStandard\nSHA-256\n",

    # root: the root alone; ra, split: RAs and all of the chain; none: the
    # chain without an RA; short: an RA without the root
    certs => 'root',
    certs_type => '',          # instead of the one that is right
    junk => '',                # behind the certificates

    status => 200,             # of HTTP
    busy => 0,                 # 1: PKIOperations alone get 503
    type => 'application/x-pki-message',
    drop => 0,                 # so many requests get no answer
    challenge => '',           # that is asked for
    pending => 0,              # so many PENDING before the certificate
    fail => -1,                # failInfo
    fail_text => '',
    wrong => '',               # with the reply: see sub wrong
    digest => 'sha256',
    cipher => '',              # '': that of the request
);

my %digests = (
    '1.3.14.3.2.26' => 'sha1', '2.16.840.1.101.3.4.2.1' => 'sha256',
    '2.16.840.1.101.3.4.2.2' => 'sha384',
    '2.16.840.1.101.3.4.2.3' => 'sha512'
);

my %ciphers = (
    '2.16.840.1.101.3.4.1.2' => 'aes-128-cbc',
    '2.16.840.1.101.3.4.1.22' => 'aes-192-cbc',
    '2.16.840.1.101.3.4.1.42' => 'aes-256-cbc',
    '1.2.840.113549.3.7' => 'des-ede3-cbc', '1.3.14.3.2.7' => 'des-cbc'
);

my $scep = '2.16.840.1.113733.1.9';
my $data = '1.2.840.113549.1.7.1';
my $count = 0;


sub new {
    my ($class, %o) = @_;

    my $dir = "$o{dir}/scep-" . ++$count;
    mkdir $_ or die "$_: $!" for $dir, "$dir/tx";

    my $self = bless { dir => $dir, port => free_port(), how => { %default } },
               $class;

    $self->make;
    $self->set;
    write_file("$dir/log", '');
    $self->start;

    return $self;
}


sub url { return "http://127.0.0.1:$_[0]{port}/scep" }
sub port { return $_[0]{port} }
sub ca { return "$_[0]{dir}/root.pem" }


sub set {
    my ($self, %o) = @_;

    for my $key (keys %o) {
        die "no such thing: $key" unless exists $default{$key};
    }

    my $how = $self->{how} = { %default, %o };

    unlink glob "$self->{dir}/drop-* $self->{dir}/tx/*";
    write_file("$self->{dir}/drop-$_", '') for 1 .. $how->{drop};
    replace_file("$self->{dir}/how", JSON::PP::encode_json($how));

    return;
}


sub seen {
    my ($self) = @_;

    my @lines = split /\n/, read_file("$self->{dir}/log");

    write_file("$self->{dir}/log", '');

    return map { JSON::PP::decode_json($_) } @lines;
}


sub openssl {
    my ($self, @args) = @_;

    my $pid = open my $out, '-|';

    if (!$pid) {
        $self->{both} ? open STDERR, '>&', \*STDOUT
                      : open STDERR, '>>', "$self->{dir}/openssl.log";
        exec 'openssl', @args or POSIX::_exit(127);
    }

    binmode $out;
    local $/;
    my $text = <$out> // '';

    return close $out ? $text : undef;
}


# certificates

sub make {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $ca = "basicConstraints=critical,CA:TRUE\n"
             . "keyUsage=critical,keyCertSign,cRLSign,digitalSignature,"
             . "keyEncipherment\n";

    write_file("$dir/client.ext", "basicConstraints=CA:FALSE\n"
               . "extendedKeyUsage=clientAuth\n");

    $self->certify('root', undef, $ca);
    $self->certify('foreign', undef, $ca);
    $self->certify('issuing', 'root', $ca);

    my %usage = (ra => 'digitalSignature,keyEncipherment',
                 'ra-sign' => 'digitalSignature',
                 'ra-read' => 'keyEncipherment',
                 'ra-other' => 'digitalSignature,keyEncipherment');

    for my $name (sort keys %usage) {
        $self->certify($name, 'issuing', "basicConstraints=CA:FALSE\n"
                       . "keyUsage=critical,$usage{$name}\n");
    }

    return;
}


sub certify {
    my ($self, $name, $by, $ext) = @_;

    my $dir = $self->{dir};
    my $file = "$dir/$name";

    $self->openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt',
                   'rsa_keygen_bits:2048', '-out', "$file.key");
    $self->openssl('req', '-new', '-key', "$file.key", '-subj',
                   "/O=Test/CN=$name", '-out', "$file.csr");
    write_file("$file.ext", $ext);

    $self->openssl('x509', '-req', '-in', "$file.csr", '-days', 30,
        '-extfile', "$file.ext", '-out', "$file.pem",
        $by ? ('-CA', "$dir/$by.pem", '-CAkey', "$dir/$by.key",
               '-set_serial', 1000 + ++$count)
            : ('-signkey', "$file.key"))
        // die "openssl: " . read_file("$dir/openssl.log");

    $self->openssl('x509', '-in', "$file.pem", '-outform', 'DER', '-out',
                   "$file.der");

    return;
}


# the certificates of GetCACert, and whose they are

sub certs {
    my ($self) = @_;

    my %lists = (ra => [qw(ra issuing root)],
                 split => [qw(issuing ra-sign root ra-read)],
                 none => [qw(issuing root)], short => [qw(ra issuing)]);
    my $names = $lists{$self->{how}{certs}};

    return read_file("$self->{dir}/root.der"), 'application/x-x509-ca-cert'
        unless $names;

    return $self->pkcs7(map { "$self->{dir}/$_.pem" } @$names),
           'application/x-x509-ca-ra-cert';
}


sub pkcs7 {
    my ($self, @files) = @_;

    return $self->openssl('crl2pkcs7', '-nocrl', '-outform', 'DER',
                          map { ('-certfile', $_) } @files);
}


sub reader {
    my ($self) = @_;

    return { split => 'ra-read', ra => 'ra', short => 'ra' }
           ->{$self->{how}{certs}} || 'root';
}


sub signer {
    my ($self) = @_;

    return 'ra-other' if $self->{how}{wrong} eq 'signer';
    return { split => 'ra-sign', ra => 'ra', short => 'ra' }
           ->{$self->{how}{certs}} || 'root';
}


# requests

# digest and attributes of the only SignerInfo

sub attributes {
    my ($self, $der) = @_;

    my (undef, $explicit) = der_children(der_read($der));
    my ($signed) = der_children($explicit);
    my @parts = der_children($signed);
    my @infos = der_children($parts[-1]);

    return { signers => scalar @infos } if @infos != 1;

    my @info = der_children($infos[0]);
    my ($oid) = der_children($info[2]);
    my %request = (signers => 1,
                   digest => $digests{der_oid_text($oid)} // '?');

    return { %request, attributes => 0 } if $info[3]{tag} != 0xa0;

    my %names = (2 => 'message', 5 => 'nonce', 7 => 'transaction');

    for my $attr (der_children($info[3])) {
        my ($type, $set) = der_children($attr);
        my ($value) = der_children($set);
        my ($name) = der_oid_text($type) =~ /^\Q$scep\E\.(\d+)$/;

        next unless $name && $names{$name};

        $request{$names{$name}} = $name == 5 ? unpack 'H*', $value->{body}
                                             : $value->{body};
        $request{tags} .= sprintf '%02x', $value->{tag};
    }

    return \%request;
}


# cipher and number of recipients

sub envelope {
    my ($self, $der) = @_;

    my (undef, $explicit) = der_children(der_read($der));
    my ($enveloped) = der_children($explicit);
    my ($to) = grep { $_->{tag} == 0x31 } der_children($enveloped);
    my ($content) = grep { $_->{tag} == 0x30 } der_children($enveloped);
    my (undef, $alg) = der_children($content);
    my ($oid) = der_children($alg);

    return (cipher => $ciphers{der_oid_text($oid)} // '?',
            recipients => scalar(() = der_children($to)));
}


sub operation {
    my ($self, $message) = @_;

    my $dir = $self->{dir};
    my $file = "$dir/$$-" . ++$count;

    write_file("$file.p7", $message);

    my $request = $self->attributes($message);

    if ($request->{signers} != 1
        || !defined $self->openssl('cms', '-verify', '-inform', 'DER',
               '-binary', '-in', "$file.p7", '-noverify', '-signer',
               "$file.signer", '-out', "$file.envelope"))
    {
        return ($request, 400, 'text/plain', 'not verified');
    }

    my $subject = $self->openssl('x509', '-in', "$file.signer", '-noout',
                                 '-subject', '-issuer');
    ($request->{signer}) = $subject =~ /^subject=(.*)$/m;
    ($request->{signer_issuer}) = $subject =~ /^issuer=(.*)$/m;

    %$request = (%$request, $self->envelope(read_file("$file.envelope")));
    $request->{file} = $file;

    my $reader = $self->reader;
    my $opened = $self->openssl('cms', '-decrypt', '-inform', 'DER',
        '-binary', '-in', "$file.envelope", '-recip', "$dir/$reader.pem",
        '-inkey', "$dir/$reader.key", '-out', "$file.csr", '-provider',
        'default', '-provider', 'legacy');

    return ($request, $self->decide($request, defined $opened));
}


sub decide {
    my ($self, $request, $opened) = @_;

    my $how = $self->{how};
    my $id = $request->{transaction};

    return $self->reply($request, 2, 2) unless $id && $request->{nonce};
    return $self->reply($request, 2, 1) unless $opened;
    return $self->reply($request, 2, $how->{fail}) if $how->{fail} >= 0;

    if ($request->{message} == 20) {
        return $self->reply($request, 2, 4) unless -e "$self->{dir}/tx/$id.csr";

    } elsif ($request->{message} == 19 || $request->{message} == 17) {
        # the exit code does not tell that the signature is wrong

        my $text = do {
            local $self->{both} = 1;
            $self->openssl('req', '-inform', 'DER', '-in',
                "$request->{file}.csr", '-verify', '-noout', '-text');
        };

        return $self->reply($request, 2, 1)
            unless $text && $text =~ /signature verify OK/;

        ($request->{challenge}) = $text =~ /challengePassword\s*:(.*)$/m;
        ($request->{subject}) = $text =~ /^\s*Subject: (.*)$/m;
        ($request->{usage}) = $text =~ /X509v3 Key Usage.*\n\s*(.*)$/m;
        ($request->{bits}) = $text =~ /Public-Key: \((\d+) bit\)/;

        return $self->reply($request, 2, 2)
            if $how->{challenge} ne ''
               && ($request->{challenge} // '') ne $how->{challenge};

        rename "$request->{file}.csr", "$self->{dir}/tx/$id.csr";

    } else {
        return $self->reply($request, 2, 2);
    }

    # a file for each time that it was asked for

    my $asked = () = glob "$self->{dir}/tx/$id.asked-*";

    write_file("$self->{dir}/tx/$id.asked-" . ($asked + 1), '');

    return $self->reply($request, 3) if $asked < $how->{pending};

    $self->issue($id);

    return $self->reply($request, 0);
}


sub issue {
    my ($self, $id) = @_;

    my $dir = $self->{dir};
    my $tx = "$dir/tx/$id";
    my $by = $self->{how}{wrong} eq 'foreign' ? 'foreign'
             : $self->{how}{certs} eq 'root' ? 'root' : 'issuing';

    return if -e "$tx.pem";

    $self->openssl('x509', '-req', '-inform', 'DER', '-in', "$tx.csr",
        '-CA', "$dir/$by.pem", '-CAkey', "$dir/$by.key", '-set_serial',
        '0x' . unpack('H*', pack 'nNN', 1, time, $$), '-days', 10,
        '-extfile', "$dir/client.ext", '-out', "$tx.pem");

    return;
}


# replies

sub sealed {
    my ($self, $request) = @_;

    my $dir = $self->{dir};
    my $wrong = $self->{how}{wrong};
    my @certs = ("$dir/tx/$request->{transaction}.pem",
                 $self->{how}{certs} eq 'root' ? () : "$dir/issuing.pem");

    @certs = reverse @certs, "$dir/ra-other.pem" if $wrong eq 'order';
    @certs = ("$dir/ra-other.pem") if $wrong eq 'key';

    write_file("$request->{file}.certs", $self->pkcs7(@certs));

    return $self->openssl('cms', '-encrypt', '-binary', '-outform', 'DER',
        '-in', "$request->{file}.certs", '-provider', 'default', '-provider',
        'legacy', '-' . ($self->{how}{cipher} || $request->{cipher}),
        $wrong eq 'recipient' ? "$dir/ra-other.pem"
                              : "$request->{file}.signer");
}


sub reply {
    my ($self, $request, $status, $fail) = @_;

    my $how = $self->{how};
    my $wrong = $how->{wrong};
    my $id = $request->{transaction} // '';
    my $nonce = pack 'H*', $request->{nonce} // '';

    $request->{status} = $status;
    $id .= '0' if $wrong eq 'transaction';
    $nonce = ~$nonce if $wrong eq 'nonce';

    my @attrs = (
        [ 2, der(0x13, $wrong eq 'message' ? 19 : 3) ],
        [ 3, der(0x13, $wrong eq 'status' ? 7 : $status) ],
        [ 5, der(0x04, pack 'N4', map { int rand 2 ** 32 } 1 .. 4) ],
        [ 6, der(0x04, $nonce) ],
        [ 7, der($wrong eq 'tag' ? 0x0c : 0x13, $id) ],
    );

    push @attrs, [ 4, der(0x13, $fail) ] if $status == 2;
    @attrs = map { [ der_oid("$scep.$_->[0]"), $_->[1] ] } @attrs;
    push @attrs, [ der_oid('1.3.6.1.5.5.7.24.1'), der(0x0c, $how->{fail_text}) ]
        if $status == 2 && $how->{fail_text} ne '';

    my $content = $status == 0 ? $self->sealed($request) : undef;

    $content = undef if $wrong eq 'envelope';

    return ($how->{status}, $how->{type},
            $self->signed($request, $content, @attrs));
}


sub signed {
    my ($self, $request, $content, @attrs) = @_;

    my ($dir, $how) = ($self->{dir}, $self->{how});
    my $wrong = $how->{wrong};
    my $name = $self->signer;
    my $cert = read_file("$dir/$name.der");
    my ($oid) = grep { $digests{$_} eq $how->{digest} } keys %digests;
    my $alg = der(0x30, der_oid($oid), der(0x05));
    my $rsa = der(0x30, der_oid('1.2.840.113549.1.1.1'), der(0x05));
    my $hash = Digest::SHA->new($how->{digest} =~ s/sha//r)
               ->add($content // '')->digest;

    unshift @attrs, [ der_oid('1.2.840.113549.1.9.3'), der_oid($data) ],
                    [ der_oid('1.2.840.113549.1.9.4'), der(0x04, $hash) ];
    push @attrs, $attrs[-1] if $wrong eq 'twice';

    my $set = der_set(map { der(0x30, $_->[0], der(0x31, $_->[1])) } @attrs);

    write_file("$request->{file}.set",
               $wrong eq 'attributes' ? $content // '' : $set);

    my $signature = $self->openssl('dgst', "-$how->{digest}", '-sign',
                                   "$dir/$name.key", "$request->{file}.set");

    substr($signature, -1) ^= "\1" if $wrong eq 'signature';

    # version, serial number, algorithm, issuer

    my ($tbs) = der_children(der_read($cert));
    my @tbs = der_children($tbs);

    shift @tbs if $tbs[0]{tag} == 0xa0;

    my $info = der(0x30, der_int(1),
        der(0x30, $tbs[2]{whole}, $tbs[0]{whole}), $alg,
        $wrong eq 'attributes' ? () : der(0xa0, der_read($set)->{body}),
        $rsa, der(0x04, $signature));

    return der(0x30, der_oid('1.2.840.113549.1.7.2'),
        der(0xa0, der(0x30, der_int(1), der(0x31, $alg),
            der(0x30, der_oid($data),
                defined $content ? der(0xa0, der(0x04, $content)) : ()),
            $wrong eq 'bare' ? () : der(0xa0, $cert),
            der(0x31, $wrong eq 'signers' ? ($info, $info) : $info))));
}


# HTTP

sub start {
    my ($self) = @_;

    my $listen = IO::Socket::INET->new(Listen => 128, Proto => 'tcp',
        LocalAddr => '127.0.0.1', LocalPort => $self->{port}, ReuseAddr => 1)
        or die "listen: $!";

    my $pid = $self->{pid} = fork // die "fork: $!";

    return if $pid;

    $self->{pid} = undef;
    local $SIG{CHLD} = 'IGNORE';
    local $SIG{TERM} = sub { POSIX::_exit(0) };

    while (1) {
        my $c = $listen->accept or next;
        my $child = fork // next;

        next if $child;

        close $listen;
        local $SIG{CHLD} = 'DEFAULT';
        eval { 1 while $self->serve($c) };
        warn $@ if $@;
        POSIX::_exit(0);
    }
}


sub serve {
    my ($self, $c) = @_;

    my ($head, $body) = ('', '');

    while ($head !~ /\r\n\r\n/) {
        sysread $c, $head, 65536, length $head or return 0;
    }

    ($head, $body) = split /\r\n\r\n/, $head, 2;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;

    while (length $body < ($length // 0)) {
        sysread $c, $body, 65536, length $body or return 0;
    }

    $self->{how} = JSON::PP::decode_json(read_file("$self->{dir}/how"));

    for my $drop (glob "$self->{dir}/drop-*") {
        return 0 if unlink $drop;
    }

    my ($method, $url) = $head =~ /^(\S+) (\S+)/;
    my ($seen, @answer) = $self->answer($method, $url, $body);

    $seen->{method} = $method;
    ($seen->{operation}) = $url =~ /operation=(\w+)/;
    ($seen->{query}) = $url =~ /message=(.*)/;

    open my $log, '>>', "$self->{dir}/log" or die "log: $!";
    syswrite $log, JSON::PP::encode_json($seen) . "\n";
    close $log;

    my ($status, $type, $text) = @answer;

    print {$c} "HTTP/1.1 $status x\r\nContent-Type: $type\r\n"
        . 'Content-Length: ' . length($text) . "\r\n\r\n$text";
    $c->flush;

    return 1;
}


sub answer {
    my ($self, $method, $url, $body) = @_;

    my $how = $self->{how};
    my ($operation) = $url =~ /operation=(\w+)/;

    return ({}, $how->{status}, 'text/plain', $how->{caps})
        if $operation eq 'GetCACaps';

    if ($operation eq 'GetCACert') {
        my ($certs, $type) = $self->certs;

        return ({}, $how->{status}, $how->{certs_type} || $type,
                $certs . $how->{junk});
    }

    if ($method eq 'GET') {
        my ($message) = $url =~ /message=(.*)/;

        $body = decode_base64($message =~ s/%(..)/chr hex $1/ger);
    }

    my $status = $how->{busy} ? 503 : $how->{status};

    return ({}, $status, 'text/plain', 'later') if $status != 200;
    return $self->operation($body);
}


sub stop {
    my ($self) = @_;

    return unless $self->{pid};

    kill 'TERM', $self->{pid};
    wait_exit($self->{pid}, 10);
    $self->{pid} = undef;

    return;
}


sub DESTROY {
    my ($self) = @_;

    local $?;
    $self->stop;

    return;
}


1;
