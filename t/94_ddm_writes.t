#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Reading one's writes: a change, told to nobody or to all, and then something
# that is given to an enrollment by it.  Right after the answer the manifest of
# that enrollment is what follows from all that was changed before, on either
# of two hosts, while a second administrator changes other things; and the
# device is told, also one that enrolls in between.  In the end simulated
# devices that sync only when they are told have what the server says.
#
#     MDM_SEED=N    the same schedule again
#     MDM_STEPS=N   of the schedule (60)

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Util qw(read_file spawn wait_exit);


my $sim = $ENV{MDM_SIM} || "$MDM::root/build/mdmsim";

-x $sim or plan skip_all => "no $sim: scripts/build sim makes it";

my $seed = $ENV{MDM_SEED} // int(time * 1000) % 1_000_000_000;
my $steps = $ENV{MDM_STEPS} // 60;
my $json = JSON::PP->new->utf8->canonical;
my $work = File::Temp->newdir('mdm-writes-XXXXXX', TMPDIR => 1);

note("MDM_SEED=$seed");

my $random = $seed;

sub any {
    $random = ($random * 1103515245 + 12345) & 0x7fffffff;

    return int(($random >> 8) % $_[0]);
}

sub one_of { return $_[any(scalar @_)] }

sub escape { return $_[0] =~ s/([^A-Za-z0-9._~:-])/sprintf '%%%02X', ord $1/ger }


sub sim {
    my ($name, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$work/$name.out" }, $sim, @args), 120);

    return $rc;
}


sim('ca', 'ca', '--dir', "$work/ca");

my $locations = <<'END';
        location /mdm { mdm_checkin on; mdm_connect on; }
        location / { mdm_api on; }
END

my $t = MDM->new(workers => 2, ca => { file => "$work/ca/ca.pem" },
                 locations => $locations)->start;
my $u = MDM->new(redis => 0, redis_socket => $t->redis_server->socket,
                 auth => $t->redis_server->auth,
                 ca => { file => "$work/ca/ca.pem" },
                 locations => $locations)->start;

my ($enrolled, $all) = (16, 24);
my @fleet = ('--kinds', 'iphone:1');
my @how = (@fleet, '--shared-key', '--dir', "$work/ca", '--quiet', '--connections', 8,
           '--url', 'https://127.0.0.1:' . $t->port . '/mdm');

is(sim('enroll', 'enroll', @how, '--count', $enrolled), 0, 'they enroll')
    or diag(read_file("$work/enroll.out"));
sim('ids', 'ids', @fleet, '--count', $all);

my @ids = split /\n/, read_file("$work/ids.out");
my $next = $enrolled;


# by a new connection, so to either worker, and to either host

sub call {
    my ($method, $path, %o) = @_;

    return ($o{host} // (any(2) ? $t : $u))->request($method, $path,
        plain => 1, fresh => 1,
        exists $o{body} ? (body => $json->encode($o{body})) : ());
}


my @bad;

sub change {
    my ($what, @call) = @_;

    my $r = call(@call);

    push @bad, "$what: " . $r->status . ' ' . $r->body
        unless $r->status == 204 || $r->status == 304;

    return;
}


# the model: what the server should say

my (%decl, %set, %given, %filter, %tag, %var);
my @names = map { "d$_" } 1 .. 12;
my @sets = map { "s$_" } 1 .. 4;
my @filtered = map { "f$_" } 1 .. 3;
my @tags = map { "t$_" } 1 .. 4;
my $serial = 0;


sub put {
    my ($name, $quiet) = @_;

    my $text = any(3) ? 'n' . ++$serial : '${site} n' . ++$serial;

    change("put $name", PUT => "/v1/declarations?validate=0$quiet",
           body => { Identifier => $name,
                     Type => 'com.apple.configuration.management.test',
                     Payload => { Echo => $text } });
    $decl{$name} = $text;
    states();

    return;
}


# quiet or not; what is put into a set is there before

sub content {
    my $quiet = any(4) ? '&nonotify=1' : '';

    for (0 .. any(4)) {
        my $name = one_of(@names);
        my $set = one_of(@sets, @filtered);

        put($name, $quiet) if !$decl{$name} || any(2);

        if ($set{$set}{$name} && any(3) == 0) {
            change("$set - $name", DELETE => "/v1/set-declarations/$set"
                   . "?declaration=$name$quiet");
            delete $set{$set}{$name};

        } else {
            change("$set + $name", PUT => "/v1/set-declarations/$set"
                   . "?declaration=$name$quiet");
            $set{$set}{$name} = 1;
        }

        states();
    }

    if (any(2)) {
        my $set = one_of(@filtered);

        $filter{$set} = [ one_of(@tags), one_of(@tags) ];
        change("filter $set", PUT => "/v1/set-filters/$set?x=1$quiet",
               body => { tag => $filter{$set}, type => [ 'Device' ] });
        states();
    }

    return;
}


sub assign {
    my ($id) = @_;

    my $e = escape($id);
    my $what = any(4);

    if ($what == 0) {
        my $tag = one_of(@tags);
        my $on = !$tag{$id}{$tag};

        change("tag $id $tag", ($on ? 'PUT' : 'DELETE') =>
               "/v1/enrollment-tags/$e?tag=$tag");
        $tag{$id}{$tag} = $on;

    } elsif ($what == 1) {
        $var{$id} = 'v' . ++$serial;
        change("variable $id", PUT => "/v1/enrollment-variables/$e"
               . "?variable=site&value=$var{$id}");

    } else {
        my $set = one_of(@sets);
        my $on = !$given{$id}{$set};

        change("set $id $set", ($on ? 'PUT' : 'DELETE') =>
               "/v1/enrollment-sets/$e?set=$set");
        $given{$id}{$set} = $on;
    }

    return;
}


# what an enrollment should have, by the model: with the text of each, so that
# it is another one when that changes

sub model {
    my ($id) = @_;

    my %have;

    for my $set (@sets, @filtered) {
        next unless $given{$id}{$set}
                    || grep { $tag{$id}{$_} } @{$filter{$set} || []};
        $have{$_} = $decl{$_} for keys %{$set{$set} || {}};
    }

    return { map { ($_ => $have{$_} =~ s/\$\{site\}/$var{$id} \/\/ ''/er) }
             keys %have };
}


# What each enrollment may have by now: what it had when it was looked at last,
# and what it should have had since.  Who has it again after quiet changes is not
# told.

my %may;

sub states {
    $may{$_}{$json->encode(model($_))} = 1 for @ids;

    return;
}


# The manifest is that of the model, and the device is told if it is another
# one than it has.  What is told is taken out of the queue.

sub check {
    my ($what, $id, $before) = @_;

    my $m = call(GET => '/v1/enrollment-declarations/' . escape($id))->json;
    my $want = model($id);
    my %have = map { ($_->{Identifier} => $_->{ServerToken}) }
               @{$m->{Declarations}{Configurations}};
    my ($x, $y) = map { join ' ', sort keys %$_ } $want, \%have;

    push @bad, "$what: want $x; have $y" if $x ne $y;

    for my $name (grep { $decl{$_} !~ /\$/ } keys %have) {
        my $d = call(GET => "/v1/declarations/$name")->json;

        push @bad, "$what: $name is an older one"
            if $d->{ServerToken} ne $have{$name};
    }

    my $now = $json->encode($want);

    push @bad, "$what: it is not told"
        if $now ne $before && !$may{$id}{$now} && !$m->{notification_queued};
    $may{$id} = { $now => 1 };
    call(DELETE => '/v1/queue/' . escape($id));

    return;
}


# a second administrator, who changes what is his

my $other = fork // die "fork: $!";

if ($other == 0) {
    my $k = 0;
    my $end = time + 600;

    $random += 1;

    while (time < $end) {
        my $name = 'other' . ($k++ % 5);
        my $quiet = any(2) ? '&nonotify=1' : '';

        $t->request(PUT => "/v1/declarations?validate=0$quiet", plain => 1,
            fresh => 1, body => $json->encode({ Identifier => $name,
                Type => 'com.apple.configuration.management.test',
                Payload => { Echo => "other $k" } }));
        $u->request(PUT => '/v1/set-declarations/theirs?declaration='
                    . "$name$quiet", plain => 1, fresh => 1);
        sleep 0.02;
    }

    POSIX::_exit(0);
}

for my $step (1 .. $steps) {
    my $fresh = any(6) == 0 && $next < $all;
    my $id = $ids[$fresh ? $next : any($next)];

    content() if any(5);

    my $before = $fresh ? '{}' : $json->encode(model($id));

    assign($id);

    # it enrolls in between: quiet changes of what it was given go before

    if ($fresh) {
        assign($id);
        content();
        push @bad, 'enroll: ' . read_file("$work/again.out")
            if sim('again', 'enroll', @how, '--first', $next, '--count', 1);
        $next++;
    }

    check("step $step, $id" . ($fresh ? ' enrolls' : ''), $id, $before);
}

kill 'TERM', $other;
waitpid $other, 0;

is(join("\n", @bad), '', "what was written is read, in $steps steps")
    or diag("MDM_SEED=$seed");


# quiet changes, and then each gets something: all are told of all

@bad = ();
put($_, '&nonotify=1') for @names;

for my $i (0 .. $next - 1) {
    change('last', PUT => '/v1/set-declarations/' . one_of(@sets)
           . '?declaration=' . one_of(@names) . '&nonotify=1');
    change("last of $ids[$i]", PUT => '/v1/enrollment-sets/' . escape($ids[$i])
           . '?set=last');
    change("last of $ids[$i]", PUT => '/v1/enrollment-variables/'
           . escape($ids[$i]) . '?variable=site&value=last');
}

is(join("\n", @bad), '', 'the last changes');
change('the last set', PUT => '/v1/set-declarations/last?declaration=d1');
ok(wait_for(60, sub {
    my $r = call(GET => '/v1/ddm/rollout')->json;

    return $r->{state} eq 'done' && $r->{rev} == $r->{rolled_out};
}), 'the rollout ends');
is(sim('ddm', 'ddm', @how, '--count', $next, '--duration', 1, '--check',
       '--api-url', 'http://127.0.0.1:' . $u->plain_port), 0,
   'devices that sync when they are told have what the server says')
    or diag(read_file("$work/ddm.out"), "MDM_SEED=$seed");

finish;
