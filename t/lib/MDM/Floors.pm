package MDM::Floors;

# Copyright (C) ngx_mdm_module authors
#
# The house, as scripts/lint checks it: who may use whom.  What is found comes
# as a list of lines.
#
#     floors()            the core: a file includes its own floor and lower ones
#     rooms()             the same for the nginx side, and calls go down, too
#     circles()           on each side: files that call each other, and headers
#                         that include each other
#     headers()           each external is declared in a header of its room,
#                         and the nginx side includes nginx first

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(basename dirname);

use MDM::Source qw(code_of files slurp);

our @EXPORT_OK = qw(circles floors headers rooms);

# The rooms of the nginx side, from the top: a file uses its own room and those
# below.  The longest name that a file begins with says where it belongs.

my @rooms = (

    # directives: all that can be configured, and what nginx calls
    [ qw(ngx_mdm_module.c) ],
    [ qw(ngx_mdm_conf) ],

    # requests, whose header is ngx_mdm_module.h: the settings of a location
    # and the context.  "exchange" runs one for whoever has the request; "log"
    # is what the error log is told of a request, "tenant" whom it is for,
    # "origin" and "filter" what web pages may do and which headers go out.
    [ qw(ngx_mdm_module.h ngx_mdm_access ngx_mdm_api ngx_mdm_body
         ngx_mdm_enroll ngx_mdm_exchange ngx_mdm_filter ngx_mdm_identity ngx_mdm_log
         ngx_mdm_origin ngx_mdm_request ngx_mdm_response ngx_mdm_tenant
         ngx_mdm_variable) ],

    [ qw(ngx_mdm_job) ],

    [ qw(ngx_mdm_metrics ngx_mdm_health) ],

    # webhooks: who gets events
    [ qw(ngx_mdm_hook) ],
    [ qw(ngx_mdm_round) ],

    # what pushes are sent with: certificates out of Redis and of files
    [ qw(ngx_mdm_push) ],

    # Redis; "store" is what a configuration says of one, with its files, keys
    # and the id ("store_id") that tells one store from another
    [ qw(ngx_mdm_store ngx_mdm_redis) ],
    [ qw(ngx_mdm_apns) ],

    # blocks mdm_enrollment { }: how devices enroll
    [ qw(ngx_mdm_enrollment) ],

    # blocks mdm_ca { }: keys and certificates that identities are issued with
    [ qw(ngx_mdm_ca) ],
    [ qw(ngx_mdm_http) ],
    [ qw(ngx_mdm_work) ],
    [ qw(ngx_mdm_peer) ],

    # the ground: the parser of blocks such as mdm_store { }, which rooms above
    # have tables for; files that are read with them, and when those end; where
    # directives stand; counters that all add to; the module's name, what all
    # know
    [ qw(ngx_mdm_block ngx_mdm_count ngx_mdm_expiry ngx_mdm_file ngx_mdm_place ngx_mdm.h) ],
);


sub _rooms_by_name {
    return { map { my $n = $_; map { $_ => $n } @{$rooms[$n]} } 0 .. $#rooms };
}


# the number of a file's room, from the top; undef if it has none

sub _room_of {
    my ($by_name, $file) = @_;

    my ($name) = grep { index(basename($file), $_) == 0
                        && basename($file) =~ /^\Q$_\E(?:$|[_.])/ }
                 sort { length $b <=> length $a } keys %$by_name;

    return defined $name ? $by_name->{$name} : undef;
}


sub _includes {
    my ($file) = @_;

    return slurp($file) =~ /^\s*#\s*include\s*"([^"]+)"/mg;
}


# functions that each file defines for others, and those that it calls

sub _calls {
    my @files = @_;

    my (%where, %code, %calls);

    for my $f (@files) {
        $code{$f} = code_of(slurp($f));

        while ($code{$f} =~ /^(?!static\b)\w[\w \t*]*\n(\w+)\(/mg) {
            $where{$1} = $f;
        }
    }

    # a name that no "(" follows is a handler that is handed on: no call

    for my $f (@files) {
        while ($code{$f} =~ /\b(\w+)\s*\(/g) {
            my $to = $where{$1};

            $calls{$f}{$to}{$1} = 1 if defined $to && $to ne $f;
        }
    }

    return \%calls;
}


sub _reachable {
    my ($edges, $start) = @_;

    my %seen;
    my @todo = keys %{$edges->{$start} || {}};

    while (defined(my $next = shift @todo)) {
        push @todo, keys %{$edges->{$next} || {}} unless $seen{$next}++;
    }

    return \%seen;
}


# the groups of files, each of which reaches each other

sub _groups {
    my ($edges) = @_;

    my %reach = map { $_ => _reachable($edges, $_) } keys %$edges;
    my (%done, @groups);

    for my $f (sort keys %reach) {
        next if $done{$f} || !$reach{$f}{$f};

        my @group = grep { $reach{$_}{$_} && $reach{$f}{$_} && $reach{$_}{$f} }
                    sort keys %reach;

        $done{$_} = 1 for @group;
        push @groups, \@group;
    }

    return @groups;
}


sub floors {
    my @bad;
    my @all = files(qr/\.[ch]$/, 'src');
    my %where = map { basename($_) => $_ } @all;

    # the folders in src/dirs, from the bottom, and above them src/ itself

    my $n = 0;
    my %floors = map { $_ => ++$n }
                 grep { length } -f 'src/dirs' ? split /\n/, slurp('src/dirs')
                                               : ();
    my $floor_of = sub {
        my ($folder) = $_[0] =~ m{^src/(?:([\w/]+)/)?\w+\.[ch]$} or return;

        return defined $folder ? $floors{$folder} : 1 + keys %floors;
    };

    for my $folder (sort keys %floors) {
        push @bad, "src/dirs: there is no src/$folder" if !-d "src/$folder";
    }

    for my $f (@all) {
        my $own = $floor_of->($f);

        if (!defined $own) {
            push @bad, "$f: its folder is not in src/dirs";
            next;
        }

        for my $header (_includes($f)) {
            my $to = $where{basename($header)};

            # this one is made of the scripts

            next if $header eq 'mdm_scripts.h';

            if (!defined $to) {
                push @bad, "$f: includes \"$header\", which is not in src/";
                next;
            }

            my $its = $floor_of->($to);

            if (defined $its && $its > $own) {
                push @bad, "$f (floor $own) includes $header (floor $its)";
            }
        }
    }

    return @bad;
}


sub _header_circles {
    my ($includes) = @_;

    return map { "headers in a circle: @$_" }
           _groups({ map { $_ => $includes->{$_} }
                     grep { /\.h$/ } keys %$includes });
}


sub rooms {
    my @bad;
    my @all = files(qr/\.[ch]$/, 'ngx_mdm_module');
    my %where = map { basename($_) => $_ } @all;
    my $calls = _calls(grep { /\.c$/ } @all);
    my $by_name = _rooms_by_name();

    for my $f (@all) {
        my $own = _room_of($by_name, $f);

        if (!defined $own) {
            push @bad, "$f: no room of this name in t/lib/MDM/Floors.pm";
            next;
        }

        for my $header (_includes($f)) {
            my $to = $where{basename($header)};

            # headers of the core belong to no room

            next if !defined $to;

            my $its = _room_of($by_name, $to);

            push @bad, "$f includes $header, of a room above it"
                if defined $its && $its < $own;
        }

        for my $to (sort keys %{$calls->{$f} || {}}) {
            my $its = _room_of($by_name, $to);

            push @bad, "$f calls " . join(', ', sort keys %{$calls->{$f}{$to}})
                       . " of $to, a room above it"
                if defined $its && $its < $own;
        }
    }

    return @bad;
}


sub circles {
    return map { _circles_of($_) } qw(ngx_mdm_module src);
}


sub _circles_of {
    my ($side) = @_;

    my (@bad, %includes);
    my @all = files(qr/\.[ch]$/, $side);
    my %where = map { basename($_) => $_ } @all;
    my $calls = _calls(grep { /\.c$/ } @all);

    for my $f (@all) {
        for my $to (map { $where{basename($_)} // () } _includes($f)) {
            $includes{$f}{$to} = 1;
        }
    }

    for my $group (_groups($calls)) {
        my %in = map { $_ => 1 } @$group;

        push @bad, "files call each other in a circle: "
                   . join(' ', map { basename($_) } @$group);

        for my $f (@$group) {
            for my $to (grep { $in{$_} } sort keys %{$calls->{$f}}) {
                push @bad, "    $f calls " . basename($to) . ': '
                           . join ' ', sort keys %{$calls->{$f}{$to}};
            }
        }
    }

    return @bad, _header_circles(\%includes);
}


# A .c file has a header of its own name or none; what others use of it is
# declared in one of its own room (of its folder, in the core).

sub headers {
    my (@bad, %declared);
    my @all = files(qr/\.[ch]$/, 'src', 'ngx_mdm_module');
    my $by_name = _rooms_by_name();

    for my $f (grep { /\.h$/ } @all) {
        my $text = code_of(slurp($f));

        while ($text =~ /^(?!static\b|typedef\b|\#)\w[\w \t*]*?\b(\w+)
                         \([^;{}]*\)[^;{}]*;/mgx)
        {
            push @{$declared{$1}}, $f;
        }
    }

    for my $f (grep { /\.c$/ } @all) {
        my $text = code_of(slurp($f));

        # nginx sets what the system's headers look at, such as _GNU_SOURCE

        my ($first) = slurp($f) =~ /^\s*#\s*include\s*[<"]([^">]+)/m;

        if ($f =~ m{^ngx_mdm_module/} && defined $first && $first !~ /^ngx_/) {
            push @bad, "$f: includes $first before what is nginx's";
        }

        while ($text =~ /^(?!static\b)\w[\w \t*]*\n(\w+)\(/mg) {
            my $name = $1;
            my @in = @{$declared{$name} || []};

            if (!@in) {
                push @bad, "$f: no header declares $name()";
                next;
            }

            push @bad, map { "$f: $name() is declared in $_, another room" }
                       grep { !_same_room($by_name, $f, $_) } @in;
        }
    }

    return @bad;
}


sub _same_room {
    my ($by_name, $f, $header) = @_;

    return 0 if dirname($f) ne dirname($header);
    return 1 if dirname($f) ne 'ngx_mdm_module';

    my ($own, $its) = map { _room_of($by_name, $_) // -1 } $f, $header;

    return $own == $its;
}


1;
