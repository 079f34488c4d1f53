#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Declarative management of the simulator against a small scripted server:
# what devices fetch, when they fetch nothing, which declarations they call
# active, what they report; and that "ddm --check" finds a server that does
# not do what it says.
#
#     prove t/sim/mdmsim_ddm.t       MDM_SIM names another binary

use strict;
use warnings;

use Cwd ();
use File::Basename;
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64;
use POSIX ();
use Test::More;

my $root = Cwd::abs_path(dirname(__FILE__) . '/../..');
my $sim = $ENV{MDM_SIM} || "$root/build/mdmsim";
my $parent = $$;
my $server;

plan skip_all => "no $sim: scripts/build sim makes it" unless -x $sim;

my $tmp = File::Temp->newdir('mdmsim-XXXXXX', TMPDIR => 1);
my $json = JSON::PP->new->canonical->utf8;

END {
    if ($$ == $parent) {
        my $rc = $?;
        stop();
        $? = $rc;
    }
}


my @fleet = ('--count', 3, '--kinds', 'iphone:1');
my %declarations = (
    'activation/act' => { Type => 'com.apple.activation.simple', Payload => {
        StandardConfigurations => [ 'conf', 'subs' ] } },
    'activation/never' => { Type => 'com.apple.activation.simple',
        Payload => { StandardConfigurations => [ 'other' ], Predicate =>
            q{@status(device.model.family) == 'Mac'} } },
    'activation/soon' => { Type => 'com.apple.activation.simple',
        Payload => { StandardConfigurations => [ 'other' ], Predicate =>
            q{(@property(age) >= 18) AND @status(device.model.family) }
            . q{BEGINSWITH 'iP' AND NOT FALSEPREDICATE} } },
    'activation/odd' => { Type => 'com.apple.activation.simple',
        Payload => { StandardConfigurations => [ 'conf' ],
                     Predicate => 'SUBQUERY(what' } },
    'activation/lost' => { Type => 'com.apple.activation.simple',
        Payload => { StandardConfigurations => [ 'conf', 'nowhere' ] } },
    'configuration/conf' => {
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => "\x{e9}\x{1f600} \"x\"",
                     EchoDataAssetReference => 'asset' } },
    'configuration/other' => {
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => 'x', ReturnStatus => 'Failed' } },
    'configuration/alone' => {
        Type => 'com.apple.configuration.management.test',
        Payload => { Echo => 'x', EchoDataAssetReference => 'gone' } },
    'configuration/subs' => { Type => 'com.apple.configuration.management.'
            . 'status-subscriptions',
        Payload => { StatusItems => [ map { { Name => $_ } }
            'device.operating-system.version', 'device.model.family',
            'device.operating-system.family', 'test.error-value' ] } },
    'asset/asset' => { Type => 'com.apple.asset.data', Payload => {} },
    'asset/spare' => { Type => 'com.apple.asset.data', Payload => {} },
    'management/props' => { Type => 'com.apple.management.properties',
        Payload => { age => 18 } },
);
my %arrays = (activation => 'Activations', asset => 'Assets',
              configuration => 'Configurations', management => 'Management');


# the server: it sends each device its commands in turn; %how:
#
#     commands    DeclarationsToken in Data, or '' for no Data
#     versions    number of the n-th sync's declarations, from 1
#     404, other, api, busy   what it does wrong

sub stop {
    if ($server) {
        kill 'TERM', $server;
        waitpid $server, 0;
        $server = undef;
    }

    return;
}


sub manifest {
    my ($how, $version) = @_;

    my %m = map { $_ => [] } values %arrays;

    for my $name (sort keys %declarations) {
        my ($kind, $id) = split m{/}, $name;

        next if $version > 1 && $id eq 'never';
        push @{$m{$arrays{$kind}}},
             { Identifier => $id,
               ServerToken => $id eq 'conf' ? "v$version" : 'v1' };
    }

    return $json->encode({ Declarations => \%m,
                           DeclarationsToken => "set-$version" });
}


sub answer {
    my ($how, $state, $method, $path, $body) = @_;

    my ($id) = $body =~ m{<key>UDID</key>\s*<string>([^<]+)};

    if ($method eq 'GET') {
        $how->{api} ? (200, manifest($how, 99))
                    : (200, manifest($how, $how->{versions}));

    } elsif ($body =~ m{<key>Endpoint</key>\s*<string>([^<]+)}) {
        my $what = $1;
        my $s = $state->{$id};
        my $version = $s->{command};

        $version = $how->{versions} if $version > $how->{versions};

        if ($what eq 'tokens') {
            return (200, $json->encode({ SyncTokens => {
                DeclarationsToken => "set-$version",
                Timestamp => '2026-01-01T00:00:0'
                             . ($how->{backwards} ? 9 - $version : $version)
                             . 'Z' } }));
        }

        return (200, manifest($how, $version)) if $what eq 'declaration-items';

        if ($what eq 'status') {
            my ($data) = $body =~ m{<data>([^<]+)};

            open my $f, '>>', "$tmp/reports" or die;
            print $f "$id ", decode_base64($data), "\n";
            close $f;
            return (503, '') if $how->{busy} && !$s->{busy}++;
            return (200, '');
        }

        $what =~ s{^declaration/}{};
        my ($kind, $name) = split m{/}, $what;
        return (404, '') if ($how->{404} // '') eq $name;

        $s->{fetched}++;
        return (200, $json->encode({ %{$declarations{$what}},
            Identifier => $name,
            ServerToken => ($how->{other} // '') eq $name ? 'odd'
                : $name eq 'conf' ? "v$version" : 'v1' }));

    } else {
        my $s = $state->{$id} ||= { command => 0 };

        # a command comes again until it is answered

        if ($body !~ /Idle/) {
            $s->{open} = 0;
            return (200, '');
        }

        if (!$s->{open}) {
            return (200, '') if $s->{command} >= @{$how->{commands}};
            $s->{command}++;
            $s->{open} = 1;
        }

        my $data = $how->{commands}[$s->{command} - 1];

        $data = '<key>Data</key><data>' . encode_base64($json->encode(
            { SyncTokens => { DeclarationsToken => $data,
                              Timestamp => '2026-01-01T00:00:00Z' } }))
            . '</data>' if $data ne '';

        return (200, '<plist version="1.0"><dict><key>CommandUUID</key>'
            . "<string>u$s->{command}</string><key>Command</key><dict>"
            . '<key>RequestType</key><string>DeclarativeManagement</string>'
            . "$data</dict></dict></plist>");
    }
}


sub start {
    my (%how) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        Listen => 64, ReuseAddr => 1) or die "listen: $!";

    stop();
    unlink "$tmp/reports";
    $server = fork // die "fork: $!";

    if ($server == 0) {
        my ($select, %in, %state) = (IO::Select->new($listen));

        $SIG{TERM} = sub { POSIX::_exit(0) };
        alarm 120;

        for ( ;; ) {
            for my $s ($select->can_read(1)) {
                if ($s == $listen) {
                    my $c = $listen->accept or next;
                    $c->autoflush(1);
                    $select->add($c);
                    $in{$c} = '';
                    next;
                }

                if (!sysread $s, $in{$s}, 65536, length $in{$s}) {
                    $select->remove($s);
                    delete $in{$s};
                    close $s;
                    next;
                }

                next unless $in{$s} =~ /^(\S+) (\S+) (.*?)\r\n\r\n/s;
                my ($head, $method, $path) = ($&, $1, $2);
                my $len = $head =~ /Content-Length: (\d+)/ ? $1 : 0;

                next if length($in{$s}) < length($head) + $len;
                my $body = substr $in{$s}, length $head;
                $in{$s} = '';

                my ($status, $out) = answer(\%how, \%state, $method, $path,
                                            $body);

                print $s "HTTP/1.1 $status X\r\nContent-Length: "
                    . length($out) . "\r\n\r\n$out";
            }
        }
    }

    my $port = $listen->sockport;
    close $listen;

    return "http://127.0.0.1:$port";
}


# (exit code, figures, what it said)

sub ddm {
    my ($url, @more) = @_;

    my $pid = fork // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$tmp/out" or POSIX::_exit(126);
        open STDERR, '>', "$tmp/err" or POSIX::_exit(126);
        exec $sim, 'ddm', @fleet, '--quiet', '--url', "$url/mdm",
             '--interval', 0.1, '--duration', 1, @more
            or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    my $rc = $?;

    open my $f, '<', "$tmp/out" or die;
    my %value = map { split ' ' } map { s/ \S+$//r } grep { /^\S+ \S+ \S+$/ }
                <$f>;
    open $f, '<', "$tmp/err" or die;
    local $/;

    return ($rc >> 8, \%value, scalar <$f>);
}


sub reports {
    open my $f, '<', "$tmp/reports" or return {};
    my %r;

    while (<$f>) {
        my ($id, $text) = split / /, $_, 2;

        push @{$r{$id}}, $json->decode($text);
    }

    return \%r;
}


# one that does all right: two sets, the second twice

my $url = start(commands => [ '', 'set-2', '', 'set-2' ], versions => 2);
my ($rc, $v, $err) = ddm($url, '--check', '--api-url', $url);

is($rc, 0, 'consistent') or diag($err);
is($v->{ddm_channels}, 3, 'all channels');
is($v->{ddm_commands}, 12, 'all commands');
is($v->{ddm_unchanged}, 6, 'the same token is no work');
is($v->{ddm_manifests}, 6, 'manifests');
is($v->{ddm_fetched}, 3 * (12 + 1), 'only what changed is fetched');
is($v->{ddm_removed}, 3, 'what is not listed is dropped');
is($v->{ddm_reports}, 6, 'reports');
is($v->{ddm_reports_full}, 3, 'the first one is full');
is($v->{ddm_checked}, 3, 'all were checked');
is($v->{ddm_inconsistent}, 0, 'none differs');

my $r = reports();
my ($first, $second) = @{(values %$r)[0]};
my $d = $first->{StatusItems}{management}{declarations};
my %by = map { ($_->{identifier} => $_) } map { @$_ } values %$d;
my %code = map { $_ => join ',', map { $_->{code} }
                       @{$by{$_}{reasons} || []} } keys %by;

ok($first->{FullReport}, 'FullReport');
is_deeply([ sort keys %$d ],
          [ qw(activations assets configurations management) ],
          'four arrays');
is_deeply([ grep { $by{$_}{active} } sort keys %by ],
          [ qw(act asset conf soon subs) ], 'what is active')
    or diag($json->encode($d));
is_deeply(\%code, { act => '', soon => '', conf => '', subs => '',
    asset => '', props => '', never => 'Info.Predicate',
    odd => 'Error.UnableToParsePredicate',
    lost => 'Error.MissingConfigurations',
    other => 'Error.ConfigurationCannotBeApplied',
    alone => 'Info.NotReferencedByActivation,Error.MissingAssets',
    spare => 'Info.NotReferencedByConfiguration' }, 'reasons');
is($by{conf}{'server-token'}, 'v1', 'server-token');
is($by{lost}{reasons}[0]{details}{ConfigurationIdentifiers}[0], 'nowhere',
   'details');
ok($first->{StatusItems}{management}{'client-capabilities'}
       {'supported-payloads'}{'status-items'}, 'client-capabilities');
like($first->{StatusItems}{device}{'operating-system'}{version}, qr/^\d+\./,
     'a subscribed item');
is($first->{StatusItems}{device}{'operating-system'}{family}, 'iOS',
   'another one');
is($first->{StatusItems}{device}{model}{family}, 'iPhone', 'a third one');
is($first->{Errors}[0]{StatusItem}, 'test.error-value', 'Errors');

ok(!$second->{FullReport}, 'then incremental');
is_deeply([ keys %{$second->{StatusItems}} ], [ 'management' ],
          'without what has not changed');
is_deeply([ keys %{$second->{StatusItems}{management}} ],
          [ 'declarations' ], 'but for declarations');


# a report that the server did not take comes again

$url = start(commands => [ '', '' ], versions => 1, busy => 1);
($rc, $v, $err) = ddm($url, '--check', '--api-url', $url,
                      '--max-errors', 3);
is($rc, 0, 'a report again') or diag($err);
is($v->{ddm_reports}, 3, 'once each');
is_deeply([ map { scalar @{$_} } values %{reports()} ], [ 2, 2, 2 ],
          'each twice');


# devices that hang up in the middle of a sync go on with it before the check,
# though none has got another command

$url = start(commands => [ '' ], versions => 1);
($rc, $v, $err) = ddm($url, '--check', '--api-url', $url, '--duration', 0.1,
                      '--abort', 15);
is($rc, 0, 'hung up') or diag($err);
cmp_ok($v->{aborted}, '>', 0, 'some of them did');
is($v->{ddm_checked}, 3, 'and all have it at the end');


# what the check must find

for my $case ([ 'a listed one that is 404', 404 => 'conf' ],
              [ 'another ServerToken than listed', other => 'conf' ],
              [ 'not what the API says', api => 1 ],
              [ 'a Timestamp that runs backwards', backwards => 1 ])
{
    my ($name, @how) = @$case;

    $url = start(commands => [ '', '' ], versions => 2, @how);
    ($rc, $v, $err) = ddm($url, '--check', '--api-url', $url);
    is($rc, 1, "found: $name") or diag($err);
}

$url = start(commands => [], versions => 1);
($rc, $v, $err) = ddm($url, '--check', '--api-url', $url);
is($rc, 1, 'found: a device that was not told');
is($v->{ddm_inconsistent}, 3, 'all three');

done_testing();
