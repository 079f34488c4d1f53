#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Metrics of commands and pushes, the log of requests as JSON, and that what
# docs/observability.md, the dashboard and the rules name is there.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP ();
use Test::More;

use MDM;
use MDM::APNs;
use MDM::Metrics qw(names scrape sum);
use MDM::Plist qw(plist_data);
use MDM::Util qw(read_file wait_for write_file);


my $topic = 'com.apple.mgmt.External.test';
my $docs = read_file('docs/observability.md');
my ($map) = $docs =~ /^(    map \$uri .*?^    \}\n)/ms;
my ($format) = $docs =~ /^(    log_format mdm_json .*?;\n)/ms;

my $t = MDM->new(workers => 2, store => 'partitions 4;',
                 locations => <<'END');
        location /mdm { mdm_checkin on; mdm_connect on; }
        location /api/ { mdm_api on; }
        location = /metrics { mdm_metrics on; access_log off; }
END

my $apns = MDM::APNs->new(dir => $t->dir);

$t->{http} = $apns->conf($apns->cert($topic)) . " mdm_push_retry 1h;\n$map$format"
             . "    access_log %%PREFIX%%/mdm.json mdm_json;\n"
             . "    mdm_webhook http://127.0.0.1:9/secret name=hook;\n";
$t->start;

sub settled {
    my ($value, $name, %label) = @_;

    my $got;

    wait_for(10, sub {
        $got = sum(scrape($t), $name, %label) // 0;
        return $got >= $value;
    });

    return $got;
}


# a command is queued, pushed for, sent, answered

my $d = $t->device('UDID-1');

$d->authenticate;
$d->token_update(Token => plist_data(pack 'H*', 'ab' x 32));

my $r = $t->enqueue('UDID-1', $t->command('c1', 'ProfileList'), query => '');

is($r->status, 200, 'a command');
is(settled(1, 'pushes_total', outcome => 'taken'), 1, 'its push is taken');
is(settled(1, 'push_duration_seconds_count'), 1, 'by APNs, in some time');
is(settled(1, 'push_delay_seconds_count'), 1, 'since it was owed');

is($d->idle->status, 200, 'it is sent');
is($d->report('NotNow', 'c1')->status, 200, 'not now');
is($d->idle->status, 200, 'sent again');
is($d->report('Acknowledged', 'c1')->status, 200, 'answered');
is($d->report('Acknowledged', 'c1')->status, 200, 'answered again');

my %state = (queued => 1, sent => 2, not_now => 1, acknowledged => 1);

is(settled($state{$_}, 'commands_total', request_type => 'ProfileList',
           state => $_), $state{$_}, $_) for sort keys %state;
is(settled(1, 'command_answer_seconds_count'), 1, 'how long it took');

# a RequestType that nobody knows, an answer that cannot be read

$t->enqueue('UDID-1', $t->command('c2', 'Foo' . 'x' x 80));
$d->report('Error', 'c2');
is(settled(1, 'commands_total', request_type => 'other', state => 'error'), 1,
   'one of no known type');
unlike(join(' ', keys %{scrape($t)}), qr/Foox/, 'is not named');
unlike(join(' ', keys %{scrape($t)}),
       qr/UDID-1|abababab|magic|"default"|secret/i,
       'no id, token, magic, tenant or URL is');

# what APNs refuses, and what does not reach it

$apns->tell('rule * 410 Unregistered times=1');
is($t->push_at_once('UDID-1')->status, 500, 'a dead token');
is(settled(1, 'pushes_total', outcome => 'unregistered'), 1, 'is counted');

is(settled(1, 'push_connections'), 1, 'a connection');
is(settled(1, 'push_topic_stopped', topic => $topic), 0,
   'the topic is not stopped');
cmp_ok(settled(1, 'push_certificate_expiry_timestamp_seconds',
               topic => $topic), '>', time, 'its certificate ends');


# the log

my ($line) = grep { /"command_uuid":"c1"/ && /"method":"PUT"/ && m{/api/} }
             split /\n/, read_file($t->dir . '/mdm.json');
my $log = eval { JSON::PP::decode_json($line // '') };

is(ref $log, 'HASH', 'the log is JSON');
is($log->{request_type}, 'ProfileList', 'the command');

$t->request('GET', $_, plain => 1) for qw(/enroll/t0ken /enroll/me);
wait_for(10, sub {
    return read_file($t->dir . '/mdm.json') =~ m{"uri":"/enroll/me"};
});
$log = read_file($t->dir . '/mdm.json');
like($log, qr{"uri":"/enroll/-"}, 'a link to enroll was opened');
unlike($log, qr/t0ken/, 'its token is not in the log');

my %documented = map { $_ => 1 }
    read_file('docs/directives.md') =~ /^\| [^|]*?`\$(mdm_\w+)`/mg,
    map { /`\$(mdm_\w+)`/g }
    grep { /^\| `\$mdm_/ } split /\n/, read_file('docs/directives.md');

is_deeply([ grep { $format !~ /\$$_\b/ && $_ ne 'mdm_enroll_state' }
            sort keys %documented ], [], 'it has all variables');
cmp_ok(scalar(keys %documented), '>', 20, 'which are many');


# what is named somewhere is there, and what is there is documented

wait_for(45, sub { return defined sum(scrape($t), 'enrollments') });

my %there = map { s/_(?:bucket|sum|count)$//r => 1 } names(scrape($t));
my %named = map { $_ => 1 } $docs =~ /^\| `(\w+)[`{]/mg;

$named{$_} = 1 for $docs =~ /^\| `\w+`, `(\w+)`/mg;
delete $named{$_} for grep { /^Mdm/ } keys %named;

is_deeply([ sort keys %there ], [ sort keys %named ],
          'docs/observability.md has each, and no other');

for my $file ('docker/mdm.rules.yml', 'docker/grafana-dashboard.json') {
    my %used = map { s/_(?:bucket|sum|count)$//r => 1 }
               read_file($file) =~ /\bnginx_mdm_(\w+)/g;

    cmp_ok(scalar(keys %used), '>', 5, "$file has metrics");
    is_deeply([ grep { !$there{$_} } sort keys %used ], [],
              'which all are there');
}

my $board = JSON::PP::decode_json(read_file('docker/grafana-dashboard.json'));

is($board->{title}, 'nginx MDM', 'the dashboard is JSON');
is_deeply([ grep { !@{$_->{targets}} || grep { $_->{expr} eq '' }
                                        @{$_->{targets}} }
            @{$board->{panels}} ], [], 'each panel asks for something');

my %drawn = map { $_ => 1 }
            read_file('docker/grafana-dashboard.json') =~ /nginx_mdm_(\w+)/g;

is_deeply([ grep { my $n = $_; !grep { /^${n}(?:_bucket)?$/ } keys %drawn }
            sort keys %there ], [], 'it draws each metric');


# promtool's opinion

my $promtool = `sh -c 'command -v promtool'`;

SKIP: {
    skip 'no promtool', 4 if $promtool eq '';

    my $scrape = write_file($t->dir . '/scrape',
        $t->request('GET', '/metrics', plain => 1)->body);

    my $said = `promtool check metrics < $scrape 2>&1`;

    is($?, 0, 'metrics');
    is($said, '', 'it has nothing to say of them');
    $said = `promtool check rules docker/mdm.rules.yml 2>&1`;
    is($?, 0, 'rules') or diag($said);

    # an alert comes when it should

    $said = `promtool test rules t/rules_test.yml 2>&1`;
    is($?, 0, 'alerts') or diag($said);
}

finish;
