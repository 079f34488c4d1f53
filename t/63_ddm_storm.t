#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A storm: a seeded schedule of what administrators change (declarations,
# sets, assignments, variables, tags, filters, subscriptions) while simulated
# devices sync, and enroll again, workers are killed and Redis is cut off.  At
# the end each device has what the server says, the server says what follows
# from the changes, nothing that was listed was missing, and equal assignments
# have equal tokens, whichever worker computed them and in whatever order they
# were made.
#
#     MDM_SEED=N    the same schedule again
#     MDM_STEPS=N   of the schedule (250)

use strict;
use warnings;

use lib 't/lib';
use Digest::SHA qw(sha1_hex);
use File::Temp ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM;
use MDM::Util qw(read_file spawn wait_exit);


my $sim = $ENV{MDM_SIM} || "$MDM::root/build/mdmsim";

-x $sim or plan skip_all => "no $sim: scripts/build sim makes it";

my $seed = $ENV{MDM_SEED} // int(time * 1000) % 1_000_000_000;
my $steps = $ENV{MDM_STEPS} // 250;
my $json = JSON::PP->new->utf8->canonical;
my $work = File::Temp->newdir('mdm-storm-XXXXXX', TMPDIR => 1);

note("MDM_SEED=$seed");

# numbers of our own: rand() is another one elsewhere

my $random = $seed;

sub any {
    $random = ($random * 1103515245 + 12345) & 0x7fffffff;

    return int(($random >> 8) % $_[0]);
}

sub one_of { return @_ ? $_[any(scalar @_)] : undef }

sub escape { return $_[0] =~ s/([^A-Za-z0-9._~:-])/sprintf '%%%02X', ord $1/ger }


sub sim {
    my ($name, @args) = @_;

    return spawn({ out => "$work/$name.out" }, $sim, @args);
}


wait_exit(sim('ca', 'ca', '--dir', "$work/ca"), 20);

my $t = MDM->new(
    workers => 2, ca => { file => "$work/ca/ca.pem" },
    http => 'keepalive_requests 100000;',
    server => 'large_client_header_buffers 4 64k;',
    locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; mdm_reenroll bound; }
        location /api/ { mdm_api on; }
END

my @fleet = ('--count', 30, '--users', 1, '--kinds',
             'iphone:3,ipad:1,mac:3,shared:1,byod:1');
my @how = (@fleet, '--dir', "$work/ca", '--quiet', '--url',
           'https://127.0.0.1:' . $t->port . '/mdm');

is(wait_exit(sim('enroll', 'enroll', @how), 60), 0, 'all enroll')
    or diag(read_file("$work/enroll.out"));
wait_exit(sim('ids', 'ids', @fleet, '--channels', 'all'), 20);

my @ids = split /\n/, read_file("$work/ids.out");


# by a connection of its own, so that either worker may get it; again where
# Redis was just cut off

sub call {
    my ($method, $path, %o) = @_;

    my $r;

    for (1 .. 20) {
        $r = $t->request($method, "/api$path", plain => 1, fresh => 1, %o);
        return $r if $r->status != 503;
        sleep 0.1;
    }

    return $r;
}

if (call(GET => '/v1/declarations')->status == 404) {
    note("no declarations in this build");
    finish;
    exit 0;
}


# the model: what the server should say

my @names = ('base', 'c/1 x', map { "d$_" } 1 .. 14);
my @sets = ('everyone', 'mac', 'a b', 's1', 's2', 's3');
my @tags = ('lab', 'lab-1', 'office');
my (%decl, %set, %given, %filter, %tag, %var, %sub);
my (%type, %model);

for my $id (@ids) {
    my $e = call(GET => '/v1/enrollments/' . escape($id))->json;

    $type{$id} = $e->{type};
    $model{$id} = [ grep { defined } @{$e->{device}}{qw(model product)} ];
}


my %kind = (activation => 'com.apple.activation.simple',
            asset => 'com.apple.asset.data',
            configuration => 'com.apple.configuration.management.test',
            management => 'com.apple.management.properties');
my %array = (activation => 'Activations', asset => 'Assets',
             configuration => 'Configurations', management => 'Management');

sub kind_of {
    my ($name) = @_;

    return (sort keys %kind)[ord(substr $name, -1) % 4];
}


sub payload {
    my ($name) = @_;

    my $kind = kind_of($name);
    my $text = one_of('plain', 'of ${serial}', '${site}/${model} x', '$${site}',
                      'n' . any(1000));

    return { StandardConfigurations =>
                 [ grep { kind_of($_) eq 'configuration' } @names ],
             Predicate => one_of('TRUEPREDICATE',
                 q{@status(device.model.family) == 'Mac'}) }
        if $kind eq 'activation';
    return { Reference => { DataURL => "https://x/$text", Size => 0 } }
        if $kind eq 'asset';
    return { Echo => $text } if $kind eq 'configuration';
    return { text => $text, number => any(100) };
}


sub is_change {
    my ($r, $what) = @_;

    return if $r->status == 204 || $r->status == 304;

    push @main::bad, "$what: " . $r->status . ' '
        . substr($r->body, 0, 200);

    return;
}

our @bad;
my %done;


# each step: a name and what it does; nothing that the server must refuse

my %step = (
    put => sub {
        my $name = one_of(@names);

        $decl{$name} = 1;
        is_change(call(PUT => '/v1/declarations?validate=0',
            body => $json->encode({
            Identifier => $name, Type => $kind{kind_of($name)},
            Payload => payload($name) })), "put $name");
    },
    touch => sub {
        my $name = one_of(sort keys %decl) // return;

        is_change(call(POST => '/v1/declarations/' . escape($name)
                                . '/touch'), "touch $name");
    },
    delete => sub {
        my $name = one_of(sort keys %decl) // return;
        my $used = grep { $set{$_}{$name} } keys %set;
        my $r = call(DELETE => '/v1/declarations/' . escape($name));

        # one that is in a set, or that another one names, stays

        return if $r->status == 409;
        push @bad, "deleted $name, which is used" if $used;
        delete $decl{$name};
        is_change($r, "delete $name");
    },
    add => sub {
        my $name = one_of(sort keys %decl) // return;
        my $set = one_of(@sets);

        $set{$set}{$name} = 1;
        is_change(call(PUT => '/v1/set-declarations/' . escape($set)
            . '?declaration=' . escape($name)), "$set + $name");
    },
    remove => sub {
        my $set = one_of(@sets);
        my $name = one_of(sort keys %{$set{$set} || {}}) // return;

        delete $set{$set}{$name};
        is_change(call(DELETE => '/v1/set-declarations/' . escape($set)
            . '?declaration=' . escape($name)), "$set - $name");
    },
    assign => sub {
        my $id = one_of(@ids);
        my $set = one_of(@sets);

        $given{$id}{$set} = 1;
        is_change(call(PUT => '/v1/enrollment-sets/' . escape($id)
            . '?set=' . escape($set)), "$id + $set");
    },
    unassign => sub {
        my $id = one_of(@ids);
        my $set = one_of(sort keys %{$given{$id} || {}}) // return;

        delete $given{$id}{$set};
        is_change(call(DELETE => '/v1/enrollment-sets/' . escape($id)
            . '?set=' . escape($set)), "$id - $set");
    },
    filter => sub {
        my $set = one_of(@sets);
        my $f = {};

        $f->{type} = [ one_of('Device', 'User', 'Shared iPad') ] if any(3);
        $f->{tag} = [ one_of(@tags, 'lab*') ] if any(3) == 0;
        $f->{model} = [ one_of('iPhone*', 'Mac*', 'iPad*') ] if any(3) == 0;

        if (%$f && any(4)) {
            $filter{$set} = $f;
            is_change(call(PUT => '/v1/set-filters/' . escape($set),
                           body => $json->encode($f)), "filter $set");

        } else {
            delete $filter{$set};
            is_change(call(DELETE => '/v1/set-filters/' . escape($set)),
                      "no filter $set");
        }
    },
    tag => sub {
        my $id = one_of(@ids);
        my $tag = one_of(@tags);
        my $on = any(3);

        $on ? ($tag{$id}{$tag} = 1) : delete $tag{$id}{$tag};
        is_change(call(($on ? 'PUT' : 'DELETE') => '/v1/enrollment-tags/'
            . escape($id) . "?tag=$tag"), "tag $id");
    },
    variable => sub {
        my $id = one_of(@ids);
        my $on = any(4);

        is_change(call(($on ? 'PUT' : 'DELETE') =>
            '/v1/enrollment-variables/' . escape($id) . '?variable=site'
            . ($on ? '&value=' . one_of(qw(north south)) : '')),
            "variable $id");
    },
    subscribe => sub {
        my $set = one_of(@sets);
        my @items = grep { any(2) } qw(device.model.family
            device.operating-system.version test.error-value);

        $sub{$set} = [ @items ];
        is_change(@items ? call(PUT => '/v1/status-subscriptions/'
                . escape($set) . '?kind=set', body => $json->encode(\@items))
            : call(DELETE => '/v1/status-subscriptions/' . escape($set)
                   . '?kind=set'),
            "subscribe $set");
    },
);

# what must not matter

%step = (%step,
    kill_worker => sub { $t->kill_worker },
    cut => sub { $t->redis(qw(CLIENT KILL TYPE normal)) },
    pause => sub { $t->redis(qw(CLIENT PAUSE 300 ALL)) },
    enroll => sub {
        my $n = 1 + any(6);
        my $rc = 1;

        # as devices do, until it is done; those that sync only afterwards:
        # no device enrolls in the middle of a sync

        for (1 .. 20) {
            last unless $rc;
            $rc = wait_exit(sim('again', 'enroll', @how, '--first', 24,
                                '--count', $n), 60);
        }

        push @bad, 'enroll again: ' . read_file("$work/again.out") if $rc;
    },
);

my @weights = (qw(kill_worker cut pause enroll), (qw(put) x 8),
               (qw(touch) x 2), 'delete', (qw(add) x 6), (qw(remove) x 2),
               (qw(assign) x 5), (qw(unassign) x 2), 'filter', (qw(tag) x 2),
               (qw(variable) x 2), 'subscribe');


# all that was changed has come to all partitions

sub rolled_out {
    return wait_for(90, sub {
        my $r = call(GET => '/v1/ddm/rollout');
        my $p = $r->status == 200 ? $r->json : return 0;

        return $p->{state} eq 'done' && $p->{rev} == $p->{rolled_out};
    });
}


# what Redis has of an enrollment, for a failure

sub what_of {
    my ($id) = @_;

    return map {
        my ($key, $v) = ($_, undef);
        my %types = (hash => [ 'HGETALL' ], list => [ 'LRANGE', 0, -1 ],
                     zset => [ 'ZRANGE', 0, -1 ], set => [ 'SMEMBERS' ]);
        my ($read, @range) = @{$types{$t->redis('TYPE', $key)}
                               || [ 'EXISTS' ]};

        $v = $t->redis($read, $key, @range);
        $v = [ $v ] unless ref $v;
        "$key: " . join(' ', map { tr/ -~/?/cr } map { substr $_ // '', 0, 60 }
                                 @$v) . "\n";
    } grep { /:\Q$id\E$/ } @{$t->redis('KEYS', 'mdm:*')};
}


# the fleet syncs meanwhile

my $ddm = sim('ddm', 'ddm', @how, '--count', 24, '--channels', 'all',
    '--interval', 0.5,
    '--connections', 16, '--reopen-every', 20, '--duration', 300,
    '--abort', 1, '--notnow', 3, '--max-errors', 100_000, '--check',
    '--api-url', 'http://127.0.0.1:' . $t->plain_port . '/api');

for (1 .. $steps) {
    my $what = one_of(@weights);

    $step{$what}->();
    $done{$what}++;
    sleep 0.1 if any(10) == 0;
}

note(join ', ', map { "$_ $done{$_}" } sort keys %done);
is(join("\n", @bad), '', "all $steps changes were taken");

ok(rolled_out(), 'the rollout is done') or diag(call(GET => '/v1/ddm/rollout')->body);

kill 'USR1', $ddm;
is(wait_exit($ddm, 120), 0, 'all devices are consistent')
    or diag(read_file("$work/ddm.out"), "MDM_SEED=$seed\n",
            map { what_of($_) } read_file("$work/ddm.out")
                =~ /^mdmsim: ([^ ]+): /mg);

my %v = read_file("$work/ddm.out") =~ /^(\S+) ([\d.]+) \S+$/mg;

is($v{ddm_missing}, 0, 'nothing that was listed was missing');
is($v{ddm_mismatched}, 0, 'nothing was another one than was listed');
is($v{ddm_backwards}, 0, 'no Timestamp ran backwards');
is($v{ddm_inconsistent}, 0, 'no device differs');

is(wait_exit(sim('last', 'ddm', @how, '--first', 24, '--count', 6,
                 '--channels', 'all', '--duration', 1, '--check', '--api-url',
                 'http://127.0.0.1:' . $t->plain_port . '/api'), 120), 0,
   'nor those that enrolled again') or diag(read_file("$work/last.out"));

my %last = read_file("$work/last.out") =~ /^(\S+) ([\d.]+) \S+$/mg;

is($v{ddm_checked} + $last{ddm_checked}, scalar @ids, 'all were asked for');
cmp_ok($v{ddm_fetched}, '>', 50, 'and they had something to do');


# what the server says follows from the changes

sub fits {
    my ($id, $f) = @_;

    my $like = sub {
        my ($list, @have) = @_;

        for my $want (@$list) {
            my $re = $want =~ /^(.*)\*$/ ? qr/^\Q$1\E/ : qr/^\Q$want\E$/;

            return 1 if grep { /$re/ } @have;
        }

        return 0;
    };

    return 0 if $f->{type} && !$like->($f->{type}, $type{$id});
    return 0 if $f->{model} && !$like->($f->{model}, @{$model{$id}});
    return 0 if $f->{tag} && !$like->($f->{tag}, keys %{$tag{$id} || {}});

    return 1;
}

my (%token, %own, $wrong, $odd);

for my $id (@ids) {
    my $m = call(GET => '/v1/enrollment-declarations/' . escape($id))->json;
    my (%want, %have, @lines, $subs);

    for my $set (@sets) {
        next unless $given{$id}{$set}
                    || ($filter{$set} && fits($id, $filter{$set}));
        $want{kind_of($_) . "/$_"} = 1 for keys %{$set{$set} || {}};
        $subs = 1 if @{$sub{$set} || []};
    }

    @want{'configuration/ngx_mdm.status-subscriptions',
          'activation/ngx_mdm.status-subscriptions.activation'} = (1, 1)
        if $subs;

    for my $kind (keys %array) {
        for my $d (@{$m->{Declarations}{$array{$kind}}}) {
            $have{"$kind/$d->{Identifier}"} = 1;
            push @lines, "$kind/$d->{Identifier}\t$d->{ServerToken}\n";
        }
    }

    my ($x, $y) = map { join ' ', sort keys %$_ } \%want, \%have;

    if ($x ne $y && $wrong++ < 3) {
        diag("$id ($type{$id}):\n  want $x\n  have $y\n  model @{$model{$id}}, sets ",
             $json->encode({ given => $given{$id}, tag => $tag{$id},
                             filters => \%filter }));
    }

    my @keys = map {
        my ($kind, $name, $rest) = m{^(\w+)/(.*)\t(\w+)$}s;

        "$kind/" . escape($name) . "\t$rest\n";
    } @lines;

    @keys = sort @keys;
    $odd++ if $m->{DeclarationsToken} ne sha1_hex(join '', @keys);
    $own{$id} = join '', sort @lines;
    push @{$token{$m->{DeclarationsToken}}}, $id;
}

is($wrong // 0, 0, 'the declarations of each follow from the changes')
    or diag("MDM_SEED=$seed");
is($odd // 0, 0, 'a token is that of its list');

$odd = 0;

for my $list (values %token) {
    my %lists = map { $own{$_} => 1 } @$list;

    $odd++ if keys %lists != 1;
}

is($odd // 0, 0, 'one token, one list');


# any order, either worker

{
    my @order = ([ 'a b', 's1', 's2' ], [ 's2', 'a b', 's1' ],
                 [ 's1', 's2', 'a b' ]);
    my %tokens;

    # three iPhones of the fleet without anything of their own

    my @plain = grep { $type{$_} eq 'Device' && !/:/ } @ids;

    for my $id (@plain[0 .. 2]) {
        call(DELETE => '/v1/enrollment-sets-all/' . escape($id));
        call(DELETE => '/v1/enrollment-tags/' . escape($id) . "?tag=$_")
            for @tags;
        call(DELETE => '/v1/enrollment-variables/' . escape($id)
             . '?variable=site');
    }

    for my $set (@sets) {
        call(DELETE => '/v1/set-filters/' . escape($set));
    }

    call(PUT => '/v1/declarations?validate=0',
            body => $json->encode({
        Identifier => $_, Type => $kind{kind_of($_)},
        Payload => { Echo => 'the same', StandardConfigurations => [],
                     Reference => {} } })) for @names;

    for my $i (0 .. 2) {
        call(PUT => '/v1/enrollment-sets/' . escape($plain[$i]) . '?set='
             . escape($_)) for @{$order[$i]};
    }

    ok(rolled_out(), 'order: rolled out');

    for my $i (0 .. 2) {
        for (1 .. 6) {
            $tokens{call(GET => '/v1/enrollment-declarations/'
                         . escape($plain[$i]))->json->{DeclarationsToken}}++;
        }
    }

    is(scalar keys %tokens, 1, 'order: the tokens are equal')
        or diag($json->encode(\%tokens));
}


# in Redis: each manifest has as many references as channels

{
    my (%refs, %want);

    for my $key (@{$t->redis('KEYS', 'mdm:*')}) {
        if ($key =~ /:e:/) {
            my $dt = $t->redis('HGET', $key, 'dt') // next;

            $want{$key =~ s/:e:.*//r . " $dt"}++;

        } elsif ($key =~ /^(.*):dm:(.*)$/) {
            my ($token, $n) = ("$1 $2", $t->redis('HGET', $key, 'refs') // 0);

            $refs{$token} = $n if $n != 0;
            push @bad, "$key has no time to live"
                if $n == 0 && $t->redis('TTL', $key) < 0;
        }
    }

    is_deeply(\%refs, \%want, 'references of the manifests')
        or diag(map { my $x = $refs{$_} // 0;
                      "$_: $x, not $want{$_}\n" }
                grep { ($refs{$_} // 0) != $want{$_} } sort keys %want);
    is(join("\n", @bad), '', 'what nobody has goes away');
}

finish;
