#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# Who may say what: every message with every kind of certificate, from each
# source of identity.  What each must be answered is written down below; what
# is refused leaves Redis as it was, byte for byte.

use strict;
use warnings;

use lib 't/lib';
use MIME::Base64;
use Test::More;

use MDM;
use MDM::Device;
use MDM::Util qw(read_file write_file spawn wait_exit);


my $on = 'mdm_checkin on; mdm_connect on;';
my %source = (tls => 'mdm_certificate tls;',
              header => 'mdm_certificate header X-Client-Cert;'
                        . ' mdm_trusted_proxy 127.0.0.1;',
              signature => 'mdm_certificate signature;');

my $locations = '';

for my $name (sort keys %source) {
    $locations .= "location /$name { $on $source{$name} }\n"
        . join '', map { "location /$name-$_ { $on $source{$name}"
                         . " mdm_reenroll $_; }\n" } qw(bound deny);
}

my $t = MDM->new(locations => "$locations location /api/ { mdm_api on; }\n",
    server => 'mdm_trusted_certificate %%CA%%;'
              . ' large_client_header_buffers 4 32k;')->start;

my $dir = $t->dir;


# The victim, VICTIM, has a user, U-1; both have a command, SECRET, and the
# device has a bootstrap token, SECRET as well.  OTHER is a device, too.
#
#     pinned    the victim's own certificate
#     fresh     a new one of the right CA, which is no device's yet
#     other     that of OTHER
#     expired, foreign (of another CA), none
#
# A certificate that TLS does not verify is nginx's to refuse, with 400.  A
# poll of a user who is not known, U-2, on a device that is, finds nothing.

my @certs = qw(pinned fresh other expired foreign none);

my $table = <<'END';
                    |           tls           |         header          |        signature
                    |pin fre oth exp for none |pin fre oth exp for none |pin fre oth exp for none

Authenticate        |200 200 403 400 400 403  |200 200 403 403 403 403  |200 200 403 403 403 403
TokenUpdate         |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
CheckOut            |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
SetBootstrapToken   |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
SetBootstrapToken - |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
GetBootstrapToken   |200 403 403 400 400 403  |200 403 403 403 403 403  |403 403 403 403 403 403
UserAuthenticate    |410 403 403 400 400 403  |410 403 403 403 403 403  |410 403 403 403 403 403
GetToken            |400 403 403 400 400 403  |400 403 403 403 403 403  |403 403 403 403 403 403
ReturnToService     |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
DeclarativeMgmt     |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
Nothing             |400 400 400 400 400 403  |400 400 400 403 403 403  |400 400 400 403 403 403

Idle                |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
Acknowledged        |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
Error               |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
NotNow              |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
CommandFormatError  |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403

U-1 TokenUpdate     |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-1 CheckOut        |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-1 Idle            |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-1 Acknowledged    |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-1 Error           |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-1 NotNow          |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-1 CommandFormat   |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-2 TokenUpdate     |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-2 Idle            |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403
U-2 Acknowledged    |200 403 403 400 400 403  |200 403 403 403 403 403  |200 403 403 403 403 403

NEW Authenticate    |403 200 403 400 400 403  |403 200 403 403 403 403  |403 200 403 403 403 403
NEW TokenUpdate     |403 403 403 400 400 403  |403 403 403 403 403 403  |403 403 403 403 403 403
NEW Idle            |403 403 403 400 400 403  |403 403 403 403 403 403  |403 403 403 403 403 403
END

# Authenticate again, by what mdm_reenroll says; "named" is a fresh one that
# names the victim's serial number

my $policies = <<'END';
                    |pin fre named oth
any                 |200 200 200   403
bound               |200 403 200   403
deny                |200 403 403   403
END


# The same under certificates that were issued here, for a challenge that was
# bound to nobody, to VICTIM, to OTHER, to its serial number, to another; with
# purpose user, ota; for the renewal of VICTIM, for that of OTHER; and bound to
# nobody, but claimed for VICTIM, for OTHER, for VICTIM until another one took its
# place.  NEW: as a device that was never seen; RESET: when the pin was taken
# away.  A binding holds whatever
# mdm_reenroll says (fleet#8477, fleet#51785).

my $ledger = <<'END';
                    |nobody victim other serial wrong user ota renew foreign mine theirs former
any                 |200    200    403   200    403   403  403 200   403     200  403    200
bound               |403    200    403   200    403   403  403 200   403     403  403    403
deny                |403    403    403   403    403   403  403 200   403     403  403    403
NEW any             |200    403    403   200    403   403  403 403   403     403  403    403
NEW bound           |200    403    403   403    403   403  403 403   403     403  403    403
NEW deny            |200    403    403   200    403   403  403 403   403     403  403    403
RESET any           |200    200    403   200    403   403  403 200   403     200  403    200
RESET bound         |403    200    403   200    403   403  403 200   403     200  403    403
RESET deny          |200    200    403   200    403   403  403 200   403     200  403    200
END


# the messages; what begins with U- is of that user, NEW of a new device

my %topic = (Topic => 'com.apple.mgmt.External.test');
my %token = (%topic, PushMagic => 'm', Token => plist_data('other'));

my %message = (
    'Authenticate' => { %topic, SerialNumber => 'SOWN' },
    'TokenUpdate' => \%token,
    'CheckOut' => \%topic,
    'SetBootstrapToken' => { BootstrapToken => plist_data('other') },
    'SetBootstrapToken -' => { },
    'GetBootstrapToken' => { },
    'UserAuthenticate' => { UserID => 'U-1' },
    'GetToken' => { TokenServiceType => 'com.apple.maid' },
    'ReturnToService' => { },
    'DeclarativeMgmt' => { MessageType => 'DeclarativeManagement',
                           Endpoint => 'tokens' },
    'Nothing' => { },
    'CommandFormat' => { Status => 'CommandFormatError' },
);

my %connect = map { $_ => 1 } qw(Idle Acknowledged Error NotNow CommandFormat
                                 CommandFormatError);

# (the type, the body) of a line in the table

sub body {
    my ($name) = @_;

    my ($who, $what) = $name =~ /^(?:(U-\d|NEW) )?(.*)$/;
    my %ids = (UDID => 'VICTIM');

    $who //= '';
    %ids = (UDID => 'NEW') if $who eq 'NEW';
    %ids = (%ids, UserID => $who, UserShortName => 'joe')
        if $who =~ /^U-/;

    if ($connect{$what}) {
        return (MDM::Device::CONNECT,
            plist({ %ids, Status => $what,
                    ($what ne 'Idle' ? (CommandUUID => 'SECRET') : ()),
                    %{$message{$what} || {}} }));
    }

    my ($type) = $what =~ /^(\w+)/;

    return (MDM::Device::CHECKIN,
            plist({ %ids, MessageType => $type, %{$message{$what}} }));
}


# the three ways to say who one is

my $cms = 0;

sub signature {
    my ($body, $cert) = @_;

    my $file = "$dir/cms-" . ++$cms;
    my $pid = spawn({ out => "$file.log" }, 'openssl', 'cms', '-sign', '-in',
        write_file("$file.in", $body), '-binary', '-outform', 'DER', '-out',
        "$file.der", '-signer', $cert->{file}, '-inkey', $cert->{key});

    wait_exit($pid, 60) == 0 or die 'openssl: ' . read_file("$file.log");

    return encode_base64(read_file("$file.der"), '');
}

sub put {
    my ($source, $cert, $type, $body, $policy) = @_;

    my @headers = ('Content-Type' => $type);
    my @how;

    if ($source eq 'tls') {
        @how = (cert => $cert);

    } elsif ($source eq 'header') {
        @how = (plain => 1);
        push @headers, 'X-Client-Cert', ':' . encode_base64($cert->{der}, '')
            . ':' if $cert;

    } else {
        push @headers, 'Mdm-Signature', signature($body, $cert) if $cert;
    }

    return $t->request('PUT', "/$source" . ($policy ? "-$policy" : ''), @how,
                       headers => \@headers, body => $body);
}


# All that is in Redis, in one call each: a list of key, DUMP and expiry (before
# Redis 7: only whether it expires)

my $fetch = <<'END';
local keys, all = redis.call('KEYS', '*'), {}
table.sort(keys)
for _, key in ipairs(keys) do
    local at = redis.pcall('PEXPIRETIME', key)
    if type(at) == 'table' then
        at = redis.call('PTTL', key) < 0 and -1 or 'some time'
    end
    all[#all + 1] = key
    all[#all + 1] = redis.call('DUMP', key)
    all[#all + 1] = tostring(at)
end
return all
END

my $put_back = <<'END';
for _, key in ipairs(redis.call('KEYS', '*')) do
    redis.call('DEL', key)
end
for i = 1, #ARGV, 3 do
    local at = tonumber(ARGV[i + 2])
                   or (redis.call('TIME')[1] + 3600) * 1000
    redis.call('RESTORE', ARGV[i], string.format('%.0f', at < 0 and 0 or at),
               ARGV[i + 1], 'ABSTTL')
end
END

my (@state, $now);

sub state { return $t->redis('EVAL', $fetch, 0) }
sub text { return join "\0", map { length($_) . ":$_" } @{$_[0]} }

sub restore {
    $t->redis('EVAL', $put_back, 0, @state);
    $now = text(state());

    return;
}

# the keys that differ, for whoever reads the failure

sub difference {
    my ($old, $new) = @_;

    my (%old, %new);

    for my $pair ([ $old, \%old ], [ $new, \%new ]) {
        my @list = @{$pair->[0]};

        while (my ($key, @value) = splice @list, 0, 3) {
            $pair->[1]{$key} = "@value";
        }
    }

    return join ', ', grep { ($old{$_} // '') ne ($new{$_} // '') }
                      sort keys %{{ %old, %new }};
}


# what there is

my $victim = $t->device('VICTIM', path => '/tls', serial => 'SOWN')->enroll;

$victim->user('U-1')->enroll;
$victim->set_bootstrap_token('SECRET')->status == 200 or die;

my $other = $t->device('OTHER', path => '/tls')->enroll;

$t->enqueue([ 'VICTIM', 'VICTIM:U-1' ],
            $t->command('SECRET', 'ProfileList'))->status == 200 or die;

my %cert = (
    pinned => $victim->cert,
    fresh => $t->cert(cn => 'fresh'),
    named => $t->cert(cn => 'fresh', serial => 'SOWN'),
    other => $other->cert,
    expired => $t->cert(cn => 'VICTIM', expired => 1),
    foreign => $t->foreign_cert(cn => 'VICTIM'),
    none => undef,
);

@state = @{state()};
restore();

my $whole = $t->redis_dump;


# one cell of a table

my %count;

sub cell {
    my ($what, $status, @how) = @_;

    my $r = put(@how);
    my $new = state();
    my $same = text($new) eq $now;

    $count{$status}++;

    my @wrong;

    push @wrong, 'the status is ' . $r->status if $r->status != $status;
    push @wrong, 'something is given away'
        if $status != 200 && $r->body =~ /SECRET|U0VDUkVU|plist/;
    push @wrong, 'Redis is changed: ' . difference(\@state, $new)
        if $status != 200 && !$same;

    restore() unless $same;

    return map { "$what: $_" } @wrong;
}

sub lines {
    my ($text) = @_;

    return map { [ map { s/^\s+|\s+$//gr } split /\|/ ] }
           grep { /^\S/ } split /\n/, $text;
}

my @sources = qw(tls header signature);

for my $line (lines($table)) {
    my ($name, @columns) = @$line;
    my ($type, $body) = body($name);

    for my $source (@sources) {
        my @expected = split ' ', shift @columns;
        my @wrong;

        is(scalar @expected, @certs, "$name: $source: six are written down")
            if @expected != @certs;

        for my $cert (@certs) {
            push @wrong, cell($cert, shift @expected, $source, $cert{$cert},
                              $type, $body);
        }

        ok(!@wrong, "$name: $source") or diag(map { "$_\n" } @wrong);
    }
}

for my $line (lines($policies)) {
    my ($policy, $expected) = @$line;
    my ($type, $body) = body('Authenticate');

    for my $source (@sources) {
        my @expected = split ' ', $expected;
        my @wrong;

        for my $cert (qw(pinned fresh named other)) {
            push @wrong, cell($cert, shift @expected, $source, $cert{$cert},
                              $type, $body, $policy ne 'any' && $policy);
        }

        ok(!@wrong, "mdm_reenroll $policy: Authenticate: $source")
            or diag(map { "$_\n" } @wrong);
    }
}


# The ledger, as certificate_store.lua and certificate_next.lua write it.  What
# is refused writes its event, and nothing else.

my %issued = (nobody => [ '', 'device' ],
    victim => [ '{"udid":"VICTIM"}', 'device' ],
    other => [ '{"udid":"OTHER"}', 'device' ],
    serial => [ '{"serial":"SOWN"}', 'device' ],
    wrong => [ '{"serial":"SX"}', 'device' ],
    user => [ '', 'user' ], ota => [ '', 'ota' ],
    renew => [ '{"udid":"VICTIM"}', 'renew', 'VICTIM' ],
    foreign => [ '{"udid":"OTHER"}', 'renew', 'OTHER' ],
    mine => [ '', 'device', 'VICTIM' ], theirs => [ '', 'device', 'OTHER' ],
    former => [ '', 'device', 'VICTIM', 'replaced' ]);

my ($partition) = map { s/:e:VICTIM$//r } @{$t->redis('KEYS', 'mdm:*:e:VICTIM')};

sub issue {
    my ($name) = @_;

    my ($bind, $purpose, $device, $state) = @{$issued{$name}};
    my $c = $cert{"issued $name"} ||= $t->cert(cn => "issued $name");
    my $key = "mdm:{default/cert:$c->{sha256}}";

    $t->redis('HSET', "$key:x", ca => 'devices', serial => '01',
              purpose => $purpose, bind => $bind, state => $state // 'issued',
              renew => 2000000000);

    if ($device) {
        $t->redis('SET', $key, $device);
        $t->redis('HSET', "$partition:e:VICTIM", next =>
                  pack('H*', $c->{sha256}))
            if $device eq 'VICTIM' && $purpose eq 'renew';
    }

    return $c;
}

my @names = split ' ', (split /\|/, (split /\n/, $ledger)[0])[1];

for my $line (lines($ledger)) {
    my ($what, $expected) = @$line;
    my ($new, $reset, $policy) = $what =~ /^(NEW )?(RESET )?(.*)/;

    for my $source (@sources) {
        my @expected = split ' ', $expected;
        my @wrong;

        for my $name (@names) {
            my $c = issue($name);

            $t->api(DELETE => '/v1/enrollments/VICTIM/certificate')->status
                == 204 or die if $reset;

            my $before = state();
            my ($type, $body) = body(($new // '') . 'Authenticate');
            my $status = shift @expected;
            my $r = put($source, $c, $type, $body,
                        $policy ne 'any' && $policy);

            push @wrong, "$name: " . $r->status if $r->status != $status;
            push @wrong, "$name: something is given away"
                if $r->body =~ /SECRET|U0VDUkVU/;

            my @changed = grep { !/:events$/ }
                          split /, /, difference($before, state());

            push @wrong, "$name: Redis is changed: @changed"
                if $status != 200 && @changed;
            restore();
        }

        ok(!@wrong, "issued here, mdm_reenroll $what: $source")
            or diag(map { "$_\n" } @wrong);
    }
}


# nothing of it has been left behind, and the victim has what is its own

is($t->redis_dump, $whole, 'Redis is as it was before all this');
is($victim->get_bootstrap_token->plist->{BootstrapToken}, 'SECRET',
   'the device has its token');
is($victim->uuid($victim->idle), 'SECRET', 'and its command');

my $cells = 0;

$cells += $_ for values %count;
is($cells, 29 * 18 + 3 * 12, "all cells were tried: $cells");
cmp_ok($count{200}, '>', 60, 'and enough of them are to be accepted');

# a cell that changes Redis is seen

{
    my ($type, $body) = body('TokenUpdate');
    my @wrong = cell('planted', 403, 'tls', $cert{pinned}, $type, $body);

    is(scalar @wrong, 2, 'the status and a change of Redis are seen')
        or diag("@wrong");
    like("@wrong", qr/Redis is changed: mdm:\{/, 'also where');
}

unlike($t->access_log, qr/" (?:401|5\d\d) /, 'no device has seen 401 or 5xx');

finish;
