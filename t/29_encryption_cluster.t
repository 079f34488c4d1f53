#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# encryption_key in a cluster: mdm:meta is on one node, values are on all.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Cluster;
use MDM::Util qw(write_file);


my $t = MDM->new(redis => 0);
my $dir = $t->dir;
my $c = MDM::Cluster->new(dir => "$dir/cluster", replicas => 0)->start;

END { local $?; $c->stop if $c }

for my $n (1, 2) {
    write_file("$dir/$n.key", map { sprintf '%02x', rand 256 } 1 .. 32);
    chmod 0600, "$dir/$n.key";
}

my @nodes = $c->nodes;

sub store {
    return (store_conf => 'mdm_store main { mode cluster; timeout 10s; '
        . join(' ', map { "server $_->{addr};" } @nodes) . $c->auth
        . " encryption_key @{[ map { qq($dir/$_.key) } @_ ]}; }");
}

sub tool {
    my ($node, @args) = @_;

    my $said = `$MDM::root/build/mdm-reencrypt -s $node->{addr} -k $dir/2.key -k $dir/1.key @args 2>&1`;

    return ($? >> 8, $said);
}

$t->write_conf(store(1));
$t->start_nginx;

my @device = map { $t->device("C-$_")->enroll } 1 .. 20;
my @ids = map { $_->id } @device;
my $command = plist({ CommandUUID => 'u', Command => {
    RequestType => 'InstallProfile', Payload => plist_data('secret') } });

sub all_get { return scalar grep { $_->idle->body eq $command } @_ }

is($t->enqueue(\@ids, $command)->status, 200, 'enqueue');
is(all_get(@device), 20, 'all get it');

$t->reload(store(2, 1));
is($t->enqueue(\@ids, $command)->status, 200, 'rotated: once more');
is(all_get(@device[0 .. 4]), 5, 'rotated: some get it');

my ($moved, $retired) = (0, 0);

for my $node (@nodes) {
    my ($rc, $said) = tool($node, '--retire');

    isnt($rc, 0, "$node->{addr}: nothing is retired yet") or diag($said);
    ($rc, $said) = tool($node);
    is($rc, 0, "$node->{addr}: all is done") or diag($said);
    $moved++ if $said =~ /^mdm:meta is on another node/m;
    like($said, qr/^key \S+ older values 0 events 0 /m,
         "$node->{addr}: none under the old key");

    ($rc, $said) = tool($node, '--retire');
    isnt($rc, 0, "$node->{addr}: one master does not retire a key");
    like($said, qr/^this is one master of a cluster|MOVED/m,
         "$node->{addr}: and says so");
}

is($moved, @nodes - 1, 'one node has mdm:meta');

for my $node (@nodes) {
    my ($rc, $said) = tool($node, '--retire', '--all-masters');

    $retired++ if $rc == 0 && $said =~ /^older keys are retired/m;
}

is($retired, 1, 'it retires the old key');

$t->reload(store(2));
is(all_get(@device), 20, 'all get it with the new key alone');

my $from = $t->log_size;

$t->reload(store(1));
is($device[0]->idle->status, 503, 'another key: 503');
ok($t->wait_log(qr/\[error\] .*encrypted with key \S+, which is in no file/,
                from => $from), 'another key: the log');

finish;
