package MDM::Source;

# Copyright (C) ngx_mdm_module authors
#
# The sources as scripts/lint reads them, below the current directory.
#
#     files(qr/\.c$/, qw(src t)); slurp($file); code_of($text);

use strict;
use warnings;

use Exporter qw(import);
use File::Find ();

our @EXPORT_OK = qw(code_of files slurp);


# files, relative to the directory that is checked

sub files {
    my ($re, @dirs) = @_;

    my @found;

    for my $dir (grep { -d } @dirs) {
        # what is built, or was fetched for it, is not ours

        File::Find::find({ no_chdir => 1, preprocess => sub {
            grep { !/^(?:build|\.git)$/ } @_;
        }, wanted => sub {
            push @found, $File::Find::name =~ s{^\./}{}r
                if -f && $File::Find::name =~ $re;
        } }, $dir);
    }

    return sort @found;
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', $file or die "$file: $!\n";
    local $/;

    return scalar(<$fh>) // '';
}


# the same text with comments and strings blanked, line by line

sub code_of {
    my ($text) = @_;

    $text =~ s{
        ( /\*.*?\*/ | "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    }{ my $s = $1; my $q = substr($s, 0, 1) eq '/' ? '' : substr $s, 0, 1;
       $s =~ s/[^\n]/ /g; $q ne '' ? $q . substr($s, 2) . $q : $s }gsex;

    return $text;
}


1;
