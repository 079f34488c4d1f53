#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# A rollout whose worker is killed in the middle of it: another one goes on
# from there, and each channel gets one command.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep);

use MDM;
use MDM::Util qw(read_file spawn wait_exit);


my $sim = $ENV{MDM_SIM} || "$MDM::root/build/mdmsim";

-x $sim or plan skip_all => "no $sim: scripts/build sim makes it";

my $json = JSON::PP->new->utf8->canonical;
my $work = File::Temp->newdir('mdm-rollout-XXXXXX', TMPDIR => 1);
my $job = 'mdm:{default/ddm}:job';


sub sim {
    my ($name, @args) = @_;

    my $rc = wait_exit(spawn({ out => "$work/$name.out" }, $sim, $name,
                             @args), 120);

    is($rc, 0, "mdmsim $name") or diag(read_file("$work/$name.out"));

    return;
}


sim('ca', '--dir', "$work/ca");

my $t = MDM->new(workers => 2, ca => { file => "$work/ca/ca.pem" },
    locations => <<'END')->start;
        location /mdm { mdm_checkin on; mdm_connect on; }
        location / { mdm_api on; }
END

my @fleet = ('--count', 400, '--shared-key', '--kinds', 'iphone:1');
my @how = (@fleet, '--dir', "$work/ca", '--quiet', '--connections', 8,
           '--url', 'https://127.0.0.1:' . $t->port . '/mdm');

sim('enroll', @how);


sub put {
    my ($path, $body) = @_;

    my $r = $t->request(PUT => $path, plain => 1, fresh => 1,
                        defined $body ? (body => $json->encode($body)) : ());

    is($r->status, 204, "PUT $path") or diag($r->body);

    return;
}


sub change {
    my ($n) = @_;

    put('/v1/declarations', { Identifier => 'test',
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => "number $n" } });

    return;
}


sub progress {
    return $t->request(GET => '/v1/ddm/rollout', plain => 1, fresh => 1)->json;
}


sub rolled_out {
    return wait_for(60, sub {
        my $p = progress();

        return ($p->{state} // '') eq 'done' && $p->{rev} == $p->{rolled_out};
    });
}


# of a channel: what waits in its queue

sub waiting {
    my %n;

    for my $key (@{$t->redis('KEYS', 'mdm:*:e:*')}) {
        my $head = $t->redis('HGET', $key, 'q');
        my $n = $t->redis('LLEN', $key =~ s/:e:/:q:/r);

        $n{(defined $head ? 1 : 0) + $n}++;
    }

    return \%n;
}


change(0);
put('/v1/set-declarations/all?declaration=test');
put('/v1/set-filters/all', { type => [ 'Device' ] });
ok(rolled_out(), 'the first rollout');
is_deeply(waiting(), { 1 => 400 }, 'each has one command');
sim('ddm', @how, '--check', '--duration', 1, '--api-url',
    'http://127.0.0.1:' . $t->plain_port);
is_deeply(waiting(), { 0 => 400 }, 'each has taken it');

my $hit = 0;

for my $try (1 .. 5) {
    change($try);

    # when some partitions are through, nobody can write any more; that
    # leaves time to see who it is

    my %now;

    wait_for(20, sub {
        %now = @{$t->redis('HGETALL', $job)};

        return $now{state} eq 'done' || $now{done} > 0;
    });

    $t->redis('CLIENT', 'PAUSE', 2500, 'WRITE');
    sleep 0.3;
    %now = @{$t->redis('HGETALL', $job)};

    if ($now{state} eq 'done') {
        $t->redis('CLIENT', 'UNPAUSE');
        ok(rolled_out(), "try $try: too late");

    } else {
        my ($pid) = $t->redis('HGET', 'mdm:{work}:state', 'h rollout default')
                    =~ / (\d+)-/;

        ok(scalar(grep { $_ == $pid } $t->workers), 'it is a worker') or last;
        note("$now{done} of $now{partitions} partitions");

        $t->kill_worker('KILL', $pid);
        $hit++;
        ok(rolled_out(), 'another one goes on');

        my $p = progress();

        is($p->{done}, $p->{partitions}, 'all partitions');
    }

    is_deeply(waiting(), { 1 => 400 }, 'each has one command');
    sim('ddm', @how, '--check', '--duration', 1, '--api-url',
        'http://127.0.0.1:' . $t->plain_port);
    last if $hit;
}

ok($hit, 'a worker was killed in a rollout');

finish;
