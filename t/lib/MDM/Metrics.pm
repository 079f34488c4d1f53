package MDM::Metrics;

# Copyright (C) ngx_mdm_module authors
#
# Reads what mdm_metrics answers.
#
#     my $m = scrape($t);                  hash: "name{labels}" to its value
#     sum($m, 'messages_total', code => 200)
#                                          adds up those that have the labels
#     names($m)                            of families, without "nginx_mdm_"
#     went_back($old, $new)                counters that did, as lines

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(names scrape sum went_back);


sub scrape {
    my ($t, $path) = @_;

    my $r = $t->request('GET', $path // '/metrics', plain => 1, fresh => 1);

    die 'scrape: ' . $r->status if $r->status != 200;

    return parse($r->body);
}


sub parse {
    my ($text) = @_;

    my %m;

    for my $line (split /\n/, $text) {
        next if $line =~ /^#/;

        my ($what, $value) = $line =~ /^(\S.*) (\S+)$/ or die "line: $line";

        die "twice: $what" if exists $m{$what};

        $m{$what} = $value;
    }

    return \%m;
}


sub sum {
    my ($m, $name, %label) = @_;

    my $sum;

    for my $what (keys %$m) {
        my ($n, $labels) = $what =~ /^nginx_mdm_(\w+)(?:\{(.*)\})?$/
            or die "what: $what";

        next if $n ne $name
                || grep { ($labels // '') !~ /(?:^|,)$_="\Q$label{$_}\E"/ }
                   keys %label;

        $sum = ($sum // 0) + $m->{$what};
    }

    return $sum;
}


sub names {
    my ($m) = @_;

    my %names = map { /^nginx_mdm_(\w+)/ ? ($1 => 1) : () } keys %$m;

    return sort keys %names;
}


sub went_back {
    my ($old, $new) = @_;

    return map { "$_: $old->{$_}, then " . ($new->{$_} // 'gone') }
           grep { /_(?:total|bucket|sum|count)(?:\{|$)/
                  && ($new->{$_} // -1) < $old->{$_} }
           sort keys %$old;
}


1;
