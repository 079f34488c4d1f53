package MDM::Plist;

# Copyright (C) ngx_mdm_module authors
#
# Property lists: XML from Perl data, Perl data from XML or binary.
#
#     string        plain scalar            integer   a Perl number, plist_int()
#     true, false   \1, \0                  real      plist_real()
#     data          plist_data($bytes)      date      plist_date($text)
#     array, dict   references
#
# What is read back has the same forms, so it can be written again.

use strict;
use warnings;

use B ();
use Exporter 'import';
use IPC::Open3;
use MIME::Base64;
use Symbol 'gensym';

our @EXPORT_OK = qw(plist plist_binary plist_read plist_data plist_int
                    plist_real plist_date);


sub plist_data { return bless { data => $_[0] }, 'MDM::Plist::Value' }
sub plist_int { return bless { integer => $_[0] }, 'MDM::Plist::Value' }
sub plist_real { return bless { real => $_[0] }, 'MDM::Plist::Value' }
sub plist_date { return bless { date => $_[0] }, 'MDM::Plist::Value' }


sub plist {
    my ($root) = @_;

    return qq{<?xml version="1.0" encoding="UTF-8"?>\n}
        . qq{<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" }
        . qq{"http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n}
        . qq{<plist version="1.0">\n} . _write($root, '') . "</plist>\n";
}


sub plist_binary {
    my ($root) = @_;

    return _plistutil('bin', ref $root ? plist($root) : $root);
}


sub plist_read {
    my ($in) = @_;

    $in = _plistutil('xml', $in) if $in =~ /^bplist00/;

    $in =~ s/<!--.*?-->//gs;
    $in =~ s/^\s*<\?xml.*?\?>\s*//s;
    $in =~ s/^\s*<!DOCTYPE[^>]*>\s*//s;
    $in =~ s/^\s*<plist[^>]*>//s or die "no plist: " . substr($in, 0, 80);

    my $value = _read(\$in);

    $in =~ m{\G\s*</plist>\s*$}gc or die "text behind the plist";

    return $value;
}


sub _escape {
    my ($s) = @_;

    $s =~ s/&/&amp;/g;
    $s =~ s/</&lt;/g;
    $s =~ s/>/&gt;/g;

    return $s;
}


sub _write {
    my ($v, $in) = @_;

    if (ref $v eq 'HASH') {
        return "$in<dict/>\n" unless %$v;

        return "$in<dict>\n"
            . join('', map { "$in\t<key>" . _escape($_) . "</key>\n"
                             . _write($v->{$_}, "$in\t") } sort keys %$v)
            . "$in</dict>\n";
    }

    if (ref $v eq 'ARRAY') {
        return "$in<array/>\n" unless @$v;

        return "$in<array>\n" . join('', map { _write($_, "$in\t") } @$v)
            . "$in</array>\n";
    }

    if (ref $v eq 'SCALAR') {
        return $in . ($$v ? '<true/>' : '<false/>') . "\n";
    }

    if (ref $v eq 'MDM::Plist::Value') {
        my ($type, $value) = %$v;

        $value = encode_base64($value, '') if $type eq 'data';

        return "$in<$type>$value</$type>\n";
    }

    die "plist: undefined value" unless defined $v;
    die "plist: cannot write " . ref $v if ref $v;

    my $flags = B::svref_2object(\$v)->FLAGS;

    if ($flags & B::SVf_IOK && !($flags & B::SVf_POK)) {
        return "$in<integer>$v</integer>\n";
    }

    return "$in<string>" . _escape($v) . "</string>\n";
}


sub _text {
    my ($s) = @_;

    my %entity = (amp => '&', lt => '<', gt => '>', quot => '"', apos => "'");

    $s =~ s/&(?:\#x([0-9a-fA-F]+)|\#([0-9]+)|(\w+));/
        defined $3 ? $entity{$3} : do {
            my $c = chr(defined $1 ? hex $1 : $2);
            utf8::encode($c) if ord $c > 127;
            $c;
        }/gex;

    return $s;
}


sub _read {
    my ($in) = @_;

    $$in =~ /\G\s*<([a-z]+)\s*(\/?)>/gc
        or die "plist: no value at: " . substr($$in, pos $$in // 0, 40);

    my ($tag, $empty) = ($1, $2);

    return \1 if $tag eq 'true';
    return \0 if $tag eq 'false';

    if ($tag eq 'dict') {
        my %dict;

        return \%dict if $empty;

        until ($$in =~ m{\G\s*</dict>}gc) {
            $$in =~ m{\G\s*<key>([^<]*)</key>}gc or die "plist: no key";
            my $key = _text($1);

            die "plist: key $key twice" if exists $dict{$key};
            $dict{$key} = _read($in);
        }

        return \%dict;
    }

    if ($tag eq 'array') {
        my @array;

        return \@array if $empty;

        until ($$in =~ m{\G\s*</array>}gc) {
            push @array, _read($in);
        }

        return \@array;
    }

    my $text = '';

    if (!$empty) {
        $$in =~ m{\G([^<]*)</\Q$tag\E>}gc or die "plist: <$tag> not closed";
        $text = _text($1);
    }

    return $text if $tag eq 'string';
    return 0 + $text if $tag eq 'integer' && $text =~ /^-?\d{1,18}$/;
    return plist_data(decode_base64($text)) if $tag eq 'data';
    return bless { $tag => $text }, 'MDM::Plist::Value'
        if $tag =~ /^(?:integer|real|date)$/;

    die "plist: unknown <$tag>";
}


sub _plistutil {
    my ($format, $in) = @_;

    my ($dir, $out) = ($ENV{TMPDIR} || '/tmp');
    my $file = "$dir/mdm-plist-$$";

    open my $fh, '>:raw', $file or die "$file: $!";
    print $fh $in;
    close $fh or die "$file: $!";

    my $pid = open3(my $stdin, $out, undef, 'plistutil', '-f', $format, '-i',
                    $file);
    close $stdin;
    binmode $out;
    my $text = do { local $/; <$out> };
    waitpid $pid, 0;
    my $rc = $?;
    unlink $file;

    die "plistutil failed: " . ($text // '') if $rc != 0;

    return $text;
}


package MDM::Plist::Value;

use overload '""' => sub { my ($v) = values %{$_[0]}; $v },
    'eq' => sub { "$_[0]" eq "$_[1]" }, 'bool' => sub { 1 };


1;
