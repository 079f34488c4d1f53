#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# How directives are inherited: every merged one, seen by what it does.

use strict;
use warnings;

use lib 't/lib';
use File::Temp ();
use IO::Socket::INET;
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;
use MDM::HTTP;
use MDM::PKI;
use MDM::Redis;
use MDM::Util qw(write_file);


# X stands in http, Y in what overrides it

my $dir = File::Temp::tempdir('mdm-t-XXXXXX', TMPDIR => 1, CLEANUP => 1);

mkdir "$dir/pki";

my $other = MDM::PKI->new(dir => "$dir/pki", name => 'Other CA');
my $second = MDM::Redis->new(dir => "$dir/second")->start;

END { local $?; $second->stop if $second && $second->pid; }

my $x = <<'END';
    mdm_tenant one;
    mdm_certificate header A-Cert;
    mdm_trusted_certificate %%CA%%;
    mdm_trusted_proxy 127.0.0.1;
    mdm_validate strict;
    mdm_reenroll deny;
    mdm_user_authenticate accept;
    mdm_queue_limit 2;
    mdm_result_ttl 1h;
    mdm_result_bytes 2000;
    mdm_event_limit 0;
    mdm_event_payload on;
    mdm_keep_certificate off;
    mdm_api_ids 2;
    mdm_api_body 20k;
    mdm_plist_depth 4;
    mdm_plist_nodes 50;
    mdm_auth on;
END

my $y = <<'END';
    mdm_store second;
    mdm_tenant two;
    mdm_certificate header B-Cert;
    mdm_trusted_certificate %%OTHER_CA%%;
    mdm_trusted_proxy 127.0.0.2;
    mdm_validate off;
    mdm_reenroll any;
    mdm_user_authenticate refuse;
    mdm_queue_limit 3;
    mdm_result_ttl 2h;
    mdm_result_bytes 64m;
    mdm_event_limit 1000;
    mdm_event_payload off;
    mdm_keep_certificate on;
    mdm_api_ids 3;
    mdm_api_body 30k;
    mdm_plist_depth 32;
    mdm_plist_nodes 100000;
    mdm_auth off;
END

# handlers are of their location only, so each has its own

my $on = 'mdm_checkin on; mdm_connect on; mdm_auth off;';

sub places {
    my ($prefix, $more) = @_;

    return <<"END";
        location $prefix/mdm { $on $more }
        location $prefix/api { mdm_api on; mdm_auth off; $more }
        location $prefix/payload { $on $more mdm_event_limit 1000; }
        location $prefix/file { $more alias $dir; }
END
}

my $event_x = $x =~ s/mdm_event_limit 0;\n//r =~ s/mdm_auth \w+;\n//r;
my $event_y = $y =~ s/mdm_event_limit 1000;\n//r =~ s/mdm_auth \w+;\n//r;
my ($loc_x, $loc_y) = map { s/mdm_auth \w+;\n//r } $x, $y;

sub over {
    my ($name, $text, $event, $auth) = @_;

    return <<"END";
        location /$name/mdm { $on $text }
        location /$name/api { mdm_api on; mdm_auth off; $text }
        location /$name/payload { $on $event mdm_event_limit 1000; }
        location /$name/file { $auth alias $dir; $text }

        location /$name/in {
            $text
            $auth
            location /$name/in/mdm { $on }
            location /$name/in/api { mdm_api on; mdm_auth off; }
            location /$name/in/payload { $on mdm_event_limit 1000; }
            location /$name/in/file { alias $dir; }
        }
END
}

$x =~ s/^/    /mg;

my $t = MDM->new(vars => { OTHER_CA => $other->{file},
                           SECOND => $second->socket,
                           SECOND_AUTH => $second->auth },
    http => "mdm_store second { server unix:%%SECOND%%; %%SECOND_AUTH%% }\n$x",
    locations => places('', '') . over(over => $loc_y, $event_y,
                                       'mdm_auth off;') . <<"END");
    }

    server {
        listen 127.0.0.1:%%PLAIN_PORT%%;
        server_name two.test;
        $y
@{[ places('', '') ]}
@{[ over(over => "mdm_store main; $loc_x", "mdm_store main; $event_x",
         'mdm_auth on;') ]}
END

$t->start;


# what holds at a place: everything is found out by asking

my %client;
my $serial = 0;

sub ask {
    my ($place, $method, $path, %o) = @_;

    my ($host, $prefix) = @$place;
    my $from = $o{from} // '127.0.0.1';
    my $c = $client{$from} ||= MDM::HTTP->new(port => $t->plain_port,
                                              plain => 1);

    if (!$c->{sock} || !$c->alive) {
        $c->{sock} = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $t->plain_port, LocalAddr => $from) or die;
        $c->{buf} = '';
    }

    return $c->request($method, "$prefix$path", body => $o{body},
        headers => [ Host => $host, @{$o{headers} || []} ]);
}

sub device {
    my ($place, $who, $message, %o) = @_;

    my $type = $message->{MessageType} ? MDM::Device::CHECKIN
                                       : MDM::Device::CONNECT;

    return ask($place, 'PUT', $o{path} // '/mdm', from => $who->[1],
        body => plist({ UDID => $o{id}, %$message }),
        headers => [ 'Content-Type' => $type, $who->[0] => ':'
                     . encode_base64(($o{cert} // $who->[2])->{der}, '')
                     . ':' ])->status;
}

my %topic = (Topic => 'com.apple.mgmt.x');

sub deep { return $_[0] ? [ deep($_[0] - 1) ] : [] }

sub keys_of {
    my ($redis, $id, $kind) = @_;

    return grep { /:\Q$id\E/ } @{$redis->cmd('KEYS', "mdm:{*}:$kind:*")};
}

# three directives at once: which header, CA and proxy are believed

sub believed {
    my ($place, $id) = @_;

    my @let_in;

    for my $ca (map { [ $_, $_->issue(cn => $id) ] } $t->ca, $other) {
        for my $name ('A-Cert', 'B-Cert') {
            for my $from ('127.0.0.1', '127.0.0.2') {
                my $who = [ $name, $from, $ca->[1], $ca->[0] ];

                if (device($place, $who, { MessageType => 'Authenticate',
                                           %topic }, id => $id) == 200)
                {
                    push @let_in, $who;
                }
            }
        }
    }

    is(scalar @let_in, 1, "$place->[0]$place->[1]: one identity is believed")
        or return;

    return $let_in[0];
}


# what the API says of a command: of its text, its ids and the queue's length

sub look_at_api {
    my ($place, $id, $is) = @_;

    my $enqueue = sub {
        my ($uuid, $type, @ids) = @_;

        return ask($place, 'PUT', '/api/v1/enqueue/' . join(',', @ids),
                   body => plist($t->command($uuid, $type)));
    };

    my $r = $enqueue->('v', 'NoSuchType', $id);

    $is->{validate} = $r->status == 400 ? 'strict'
        : $r->json->{warnings} ? 'warn' : 'off';
    $is->{api_ids} = $enqueue->('i', 'ProfileList', $id, 'x', 'y')->status;

    $is->{api_body} = ask($place, 'POST', '/api/v1/enrollments/query',
                          body => ' ' x 25000 . '{}')->status;

    ask($place, 'DELETE', "/api/v1/queue/$id");
    $is->{queue_limit} = grep { $enqueue->("q$_", 'ProfileList', $id)->status
                                == 200 } 1 .. 5;

    return;
}


sub look {
    my ($place) = @_;

    my $id = 'I' . ++$serial;
    my $who = believed($place, $id) or return {};
    my %is;

    @is{qw(certificate trusted_proxy)} = @$who[0, 1];
    $is{trusted_certificate} = $who->[3]{name};

    my @mdm = ($place, $who);
    my @redis = grep { keys_of($_, $id, 'e') } $t->redis_server, $second;

    $is{store} = join ' ', map { $_ == $second ? 'second' : 'main' } @redis;

    my ($key) = keys_of($redis[0], $id, 'e');

    ($is{tenant}) = $key =~ /^mdm:\{(\w+)\//;
    $is{keep_certificate} = scalar(() = keys_of($redis[0], $id, 'crt'));

    $is{enabled} = device(@mdm, { MessageType => 'TokenUpdate', %topic,
        PushMagic => 'm', Token => plist_data('t') }, id => $id);
    $is{user_authenticate} = device(@mdm, { MessageType => 'UserAuthenticate',
        UserID => 'U' }, id => $id);

    # a depth of 5, and 60 nodes

    # of check-ins: a report to connect has no such limits

    $is{plist_depth} = device(@mdm, { MessageType => 'ReturnToService',
                              Deep => deep(3) }, id => $id);
    $is{plist_nodes} = device(@mdm, { MessageType => 'ReturnToService',
                              map { ("k$_" => 'v') } 1 .. 60 }, id => $id);

    look_at_api($place, $id, \%is);

    device(@mdm, { Status => 'Acknowledged', CommandUUID => 'q1' },
           id => $id);

    my ($result) = keys_of($redis[0], $id, 'r');

    $is{result_ttl} = $redis[0]->cmd('TTL', $result) > 3600 ? '2h' : '1h';

    # a result that deflate makes no smaller than 3 kB

    device(@mdm, { Status => 'Acknowledged', CommandUUID => 'q2', Answer =>
                   join '', map { chr 97 + rand 26 } 1 .. 5000 }, id => $id);

    $is{result_bytes} = $redis[0]->cmd('HEXISTS',
                                       $result =~ s/q1$/q2/r, 'body')
        ? '64m' : '2000';

    # an event, and with the message

    my $tag = $key =~ s/:e:.*//r;
    my $payload = sub {
        my ($path, $tally) = @_;

        my @before = @{$redis[0]->cmd('XRANGE', "$tag:events", '-', '+')};

        device(@mdm, { MessageType => 'CheckOut', %topic }, id => $id,
               path => $path);

        my @e = @{$redis[0]->cmd('XRANGE', "$tag:events", '-', '+')};

        device(@mdm, { MessageType => 'TokenUpdate', %topic,
            PushMagic => 'm', Token => plist_data('t') }, id => $id);

        return @e == @before ? 'none'
            : (grep { $_ eq 'raw' } @{$e[-1][1]}) ? 'raw' : 'plain';
    };

    $is{event_limit} = $payload->('/mdm') eq 'none' ? 0 : 1;
    $is{event_payload} = $payload->('/payload');

    # a new certificate, last as it may replace the other one

    $is{reenroll} = device(@mdm, { MessageType => 'Authenticate', %topic },
        id => $id, cert => $who->[3]->issue(cn => 'new'));

    # and a file

    $is{auth} = ask($place, 'GET', '/file/text')->status;

    return \%is;
}

write_file("$dir/text", 'text');

my %is_x = (certificate => 'A-Cert', trusted_proxy => '127.0.0.1',
    trusted_certificate => 'Device CA', store => 'main', tenant => 'one',
    keep_certificate => 0, enabled => 200, user_authenticate => 200,
    plist_depth => 400, plist_nodes => 400, validate => 'strict',
    api_ids => 400, api_body => 413, queue_limit => 2, result_ttl => '1h', result_bytes => '2000',
    event_limit => 0,
    event_payload => 'raw', reenroll => 403, auth => 403);

my %is_y = (certificate => 'B-Cert', trusted_proxy => '127.0.0.2',
    trusted_certificate => 'Other CA', store => 'second', tenant => 'two',
    keep_certificate => 1, enabled => 200, user_authenticate => 410,
    plist_depth => 200, plist_nodes => 200, validate => 'off',
    api_ids => 207, api_body => 200, queue_limit => 3, result_ttl => '2h', result_bytes => '64m',
    event_limit => 1,
    event_payload => 'plain', reenroll => 200, auth => 200);

for my $case (
    [ 'http', \%is_x, 'localhost', '' ],
    [ 'http, location', \%is_y, 'localhost', '/over' ],
    [ 'http, location, location', \%is_y, 'localhost', '/over/in' ],
    [ 'http, server', \%is_y, 'two.test', '' ],
    [ 'http, server, location', \%is_x, 'two.test', '/over' ],
    [ 'http, server, location, location', \%is_x, 'two.test', '/over/in' ],
) {
    my ($name, $want, @place) = @$case;
    my $got = look(\@place);

    is($got->{$_}, $want->{$_}, "$name: $_") for sort keys %$want;
}

finish;
