package MDM::Redis;

# Copyright (C) ngx_mdm_module authors
#
# A real redis-server of a test's own, and a small client.
#
#     my $redis = MDM::Redis->new(dir => DIR, tcp => 1, args => [...],
#                                 admin => P, password => P, acl => [LINES],
#                                 auth => 0, for => [ 'mode cluster' ],
#                                 file => redis.conf, again => 1);
#     $redis->start; $redis->cmd('SET', 'a', 1); $redis->dump;
#     $redis->kill9; $redis->restart; $redis->pause; $redis->resume;
#
# It has the user of docs/keyspace.md, with those rights and no more;
# and those that the settings in "for" need, by the table below its ACL;
# $redis->auth are the lines for mdm_store.  The client is the user "default",
# who may do all; "admin" is the password of that one.  With "password" (of
# "default") or "acl" (lines of an ACL file) the users are those, with
# auth => 0 there are none and everybody may do all.
#
# MDM_REDIS is the server to run.  MDM_ACL_WITHOUT takes a command away from
# the documented user: then tests must fail.

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep time);

use MDM::Util qw(free_port read_file spawn wait_exit write_file);

my $doc = __FILE__ =~ s{t/lib/MDM/Redis\.pm$}{docs/keyspace.md}r;

# commands that the server here is too old to know

our %unknown;

# the store id that each new server gets: in a test whose servers replace each
# other they count as one store

our $store_id;


# the documented user: name, password, and all rules; the line may be
# continued by a backslash

sub documented_user {
    my (@settings) = @_;

    my $keyspace = read_file($doc);
    my ($text) = $keyspace
        =~ /^\ {4}ACL\ SETUSER\ ((?:[^\n]*\\\n)*[^\n]*)$/mx
        or die "no ACL in $doc";
    my ($name, @rules) = split ' ', $text =~ s/\\\n/ /gr;
    my ($password) = map { /^>(.+)/ ? $1 : () } @rules;

    die "no password in the ACL of $doc" unless defined $password;

    for my $setting (@settings) {
        my ($row) = $keyspace =~ /^\| `\Q$setting\E` \|(.*)$/m
            or die "no \"$setting\" in $doc";

        push @rules, map { s/\\\|/|/gr } $row =~ /(\+[a-z]+(?:\\\|[a-z]+)?)/g;
    }

    return ($name, $password, @rules);
}


sub new {
    my ($class, %o) = @_;

    my $self = bless {
        dir => $o{dir},
        socket => "$o{dir}/redis.sock",
        args => $o{args} || [],
        password => $o{password},
        acl => $o{acl},
        file => $o{file},
        again => $o{again},
        for => $o{for} || [],
        db => 0,
    }, $class;

    $self->{port} = $o{tcp} ? free_port() : 0;

    mkdir $o{dir} or die "$o{dir}: $!" unless -d $o{dir};

    if (!$o{acl} && !defined $o{password} && ($o{auth} // 1)) {
        my ($name, $password) = documented_user();

        $self->{user} = $name;
        $self->{admin} = $o{admin};
        $self->{client_auth} = [ 'default', $o{admin} ] if defined $o{admin};
        $self->{password_file} = write_file("$o{dir}/$name.password",
                                            "$password\n");
        chmod 0600, $self->{password_file};
    }

    return $self;
}


# what mdm_store needs to be that user

sub auth {
    my ($self) = @_;

    return $self->{user}
        ? "user $self->{user}; password_file $self->{password_file};" : '';
}


sub _users {
    my ($self) = @_;

    return @{$self->{acl}} if $self->{acl};
    return unless $self->{user};

    my ($name, undef, @rules) = documented_user(@{$self->{for}});
    my $without = $ENV{MDM_ACL_WITHOUT} // '';
    my $admin = defined $self->{admin} ? ">$self->{admin}" : 'nopass';

    @rules = grep { !$unknown{$_} && $_ ne "+$without" } @rules;

    return ("user default on $admin ~* &* +\@all", "user $name @rules");
}


sub start {
    my ($self) = @_;

    die "redis runs already" if $self->{pid};

    unlink $self->{socket};

    my @users = $self->_users;
    my $log_size = -s "$self->{dir}/redis.log" || 0;

    if (@users) {
        write_file("$self->{dir}/users.acl", map { "$_\n" } @users);
    }

    $self->{pid} = spawn({ out => "$self->{dir}/redis.log", append => 1 },
        $ENV{MDM_REDIS} || 'redis-server', $self->{file} || (),
        '--port', $self->{port}, '--bind', '127.0.0.1',
        '--unixsocket', $self->{socket}, '--unixsocketperm', '777',
        '--dir', $self->{dir}, '--save', '', '--daemonize', 'no',
        ($self->{password} ? ('--requirepass', $self->{password}) : ()),
        (@users ? ('--aclfile', "$self->{dir}/users.acl") : ()),
        @{$self->{args}});

    my $end = time + 20;

    while (time < $end) {
        if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
            $self->{pid} = undef;

            my $said = MDM::Util::slurp_from("$self->{dir}/redis.log",
                                             $log_size);
            if ($self->{user} && $said =~ /Unknown command/
                && $self->_learn_unknown)
            {
                return $self->start;
            }

            die "redis-server did not start:\n$said";
        }

        if (-S $self->{socket}) {
            my $pong = eval { $self->cmd('PING') };

            if (defined $pong && $pong eq 'PONG') {
                $self->try_cmd('HSET', 'mdm:meta', 'store_id', $store_id)
                    if defined $store_id;

                return $self;
            }

            $self->disconnect;
        }

        sleep 0.02;
    }

    die "redis-server does not answer";
}


# the version of the server that runs here, such as 7.0

sub version {
    my $server = $ENV{MDM_REDIS} || 'redis-server';
    my ($version) = `"$server" --version` =~ /\bv=(\d+\.\d+)/
        or die "$server does not tell its version";

    return $version;
}


# asks which documented commands the server does not know; is there a new one?

sub _learn_unknown {
    my ($self) = @_;

    my $before = keys %unknown;
    my $bare = MDM::Redis->new(dir => "$self->{dir}/bare", auth => 0)->start;
    my (undef, undef, @rules) = documented_user(@{$self->{for}});

    for my $rule (@rules) {
        my ($name) = $rule =~ /^\+([a-z]+)/ or next;

        $unknown{$rule} = 1 unless $bare->cmd('COMMAND', 'INFO', $name)->[0];
    }

    $bare->stop;

    return keys(%unknown) > $before;
}


sub disconnect { my ($self) = @_; delete $self->{sock}; return }

sub pid { return $_[0]{pid} }
sub port { return $_[0]{port} }
sub socket { return $_[0]{socket} }
sub log { return read_file("$_[0]{dir}/redis.log") }


# an orderly stop; save => 1 keeps the data for a restart

sub stop {
    my ($self, %o) = @_;

    return unless $self->{pid};

    $self->resume;

    if ($o{save}) {
        $self->cmd('SAVE');
    }

    $self->disconnect;
    kill 'TERM', $self->{pid};
    $self->_gone(10);

    return;
}


sub kill9 {
    my ($self) = @_;

    $self->disconnect;
    kill 'KILL', $self->{pid};
    $self->_gone(10);

    return;
}


sub restart {
    my ($self, %o) = @_;

    $self->stop(save => 1, %o) if $self->{pid};

    return $self->start;
}


sub pause { my ($self) = @_; kill 'STOP', $self->{pid}; return }
sub resume { my ($self) = @_; kill 'CONT', $self->{pid}; return }


sub _gone {
    my ($self, $seconds) = @_;

    if (!defined wait_exit($self->{pid}, $seconds)) {
        kill 'KILL', $self->{pid};
        waitpid $self->{pid}, 0;
    }

    $self->{pid} = undef;

    return;
}


# the client

sub _connect {
    my ($self) = @_;

    return if $self->{sock};

    $self->{sock} = IO::Socket::UNIX->new(Peer => $self->{socket})
        or die "$self->{socket}: $!";
    $self->{buf} = '';

    if ($self->{password}) {
        $self->_call('AUTH', $self->{password});

    } elsif ($self->{client_auth}) {
        $self->_call('AUTH', @{$self->{client_auth}});
    }

    return;
}


# returns the reply; an error dies, with its text

sub cmd {
    my ($self, @args) = @_;

    my $reply = eval { $self->_connect; $self->_call(@args) };

    if ($@) {
        die $@ unless $self->{again} && !$self->{sock};

        # a failover has closed the connection

        $self->_connect;
        $reply = $self->_call(@args);
    }

    return $reply;
}


# the same, but an error comes back as a MDM::Redis::Error

sub try_cmd {
    my ($self, @args) = @_;

    my $reply = eval { $self->cmd(@args) };

    return defined $reply || !$@ ? $reply
                                 : bless({ text => $@ }, 'MDM::Redis::Error');
}


sub _call {
    my ($self, @args) = @_;

    my $out = '*' . @args . "\r\n";

    for my $arg (@args) {
        my $a = "$arg";

        utf8::encode($a) if utf8::is_utf8($a);
        $out .= '$' . length($a) . "\r\n$a\r\n";
    }

    local $SIG{PIPE} = 'IGNORE';

    my $off = 0;

    while ($off < length $out) {
        my $n = syswrite $self->{sock}, $out, length($out) - $off, $off;

        if (!defined $n) {
            delete $self->{sock};
            die "redis: write: $!\n";
        }

        $off += $n;
    }

    my $reply = $self->_reply;

    die "$reply->{text}\n" if ref $reply eq 'MDM::Redis::Error';

    return $reply;
}


sub _fill {
    my ($self) = @_;

    my $n = sysread $self->{sock}, $self->{buf}, 65536, length $self->{buf};

    if (!$n) {
        delete $self->{sock};
        die "redis: the connection was closed\n";
    }

    return;
}


sub _line {
    my ($self) = @_;

    my $i;

    $self->_fill while ($i = index $self->{buf}, "\r\n") < 0;

    my $line = substr $self->{buf}, 0, $i;

    substr $self->{buf}, 0, $i + 2, '';

    return $line;
}


sub _reply {
    my ($self) = @_;

    my $line = $self->_line;
    my $type = substr $line, 0, 1, '';

    return $line if $type eq '+';
    return 0 + $line if $type eq ':';
    return bless { text => $line }, 'MDM::Redis::Error' if $type eq '-';

    if ($type eq '$') {
        return undef if $line < 0;

        $self->_fill while length $self->{buf} < $line + 2;

        my $bulk = substr $self->{buf}, 0, $line;

        substr $self->{buf}, 0, $line + 2, '';

        return $bulk;
    }

    if ($type eq '*') {
        return undef if $line < 0;

        return [ map { $self->_reply } 1 .. $line ];
    }

    die "redis: bad reply type \"$type\"\n";
}


# Every key of every database with its type, value and expiry, as text that
# is the same if and only if the data is.  That a worker which has just started
# looks for certificates that are due is none of it.

sub dump {
    my ($self) = @_;

    my @out;
    my $keyspace = $self->cmd('INFO', 'keyspace');

    for my $db (sort { $a <=> $b } $keyspace =~ /^db(\d+):/mg) {
        $self->cmd('SELECT', $db);

        for my $key (sort @{$self->cmd('KEYS', '*')}) {
            my $type = $self->cmd('TYPE', $key);

            next if $type eq 'none';            # it has just expired
            next if $key eq 'mdm:{work}:due:renew';

            my @value = $self->_dump_value($type, $key);

            if ($key eq 'mdm:{work}:state') {
                @value = grep { !/^"[hkn] renew / } @value;
                next if !@value;
            }

            my $expires = $self->try_cmd('PEXPIRETIME', $key);

            # before Redis 7: only whether it expires

            if (ref $expires) {
                $expires = $self->cmd('PTTL', $key) < 0 ? -1 : 'yes';
            }

            push @out, "db$db " . _quote($key) . " $type"
                . ($expires eq '-1' ? '' : " expires=$expires");

            push @out, map { "    $_" } @value;
        }
    }

    $self->cmd('SELECT', $self->{db});

    return join '', map { "$_\n" } @out;
}


sub _dump_value {
    my ($self, $type, $key) = @_;

    if ($type eq 'string') {
        return _quote($self->cmd('GET', $key));
    }

    if ($type eq 'list') {
        return map { _quote($_) } @{$self->cmd('LRANGE', $key, 0, -1)};
    }

    if ($type eq 'set') {
        return map { _quote($_) } sort @{$self->cmd('SMEMBERS', $key)};
    }

    if ($type eq 'hash') {
        my %hash = @{$self->cmd('HGETALL', $key)};

        return map { _quote($_) . ' = ' . _quote($hash{$_}) } sort keys %hash;
    }

    if ($type eq 'zset') {
        my @z = @{$self->cmd('ZRANGE', $key, 0, -1, 'WITHSCORES')};
        my @lines;

        while (my ($member, $score) = splice @z, 0, 2) {
            push @lines, "$score " . _quote($member);
        }

        return @lines;
    }

    if ($type eq 'stream') {
        my %info = @{$self->cmd('XINFO', 'STREAM', $key)};
        my @lines = ("last-generated-id $info{'last-generated-id'}");

        for my $entry (@{$self->cmd('XRANGE', $key, '-', '+')}) {
            push @lines, join ' ', $entry->[0],
                map { _quote($_) } @{$entry->[1]};
        }

        for my $group (@{$self->cmd('XINFO', 'GROUPS', $key)}) {
            push @lines, 'group ' . join ' ', map { _quote($_ // '') } @$group;
        }

        return @lines;
    }

    die "redis: type \"$type\" of key \"$key\" cannot be dumped\n";
}


sub _quote {
    my ($s) = @_;

    $s =~ s/([^\x20-\x21\x23-\x5b\x5d-\x7e])/sprintf '\\x%02x', ord $1/ge;

    return "\"$s\"";
}


# fields of an enrollment hash, for tests that look into the keyspace

sub hash {
    my ($self, $key) = @_;

    return { @{$self->cmd('HGETALL', $key)} };
}


package MDM::Redis::Error;

use overload '""' => sub { $_[0]{text} };


1;
