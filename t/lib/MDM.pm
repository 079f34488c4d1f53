package MDM;

# Copyright (C) ngx_mdm_module authors
#
# The harness of t/*.t: a real nginx with the module and a real redis-server
# in a temporary directory of the test's own.
#
#     use lib 't/lib';
#     use Test::More;
#     use MDM;
#
#     my $t = MDM->new(mdm => 'mdm_reenroll bound;')->start;
#     my $d = $t->device('UDID-1')->enroll;
#     is($d->idle->status, 200, 'idle');
#     finish;                              # not done_testing
#
# finish() stops all, and asserts for each nginx that it ended with 0 within
# 10 seconds and that its logs hold no alert and no sanitizer's report; where
# one is wanted, the test says so: $t->expect_log(qr/…/).  A test that does
# not call it fails.
#
# new() takes pieces of the configuration
#
#     main, events, http, server   further lines at that level
#     store                        lines in the mdm_store block
#     mdm, api                     lines in location /mdm and /api/
#     locations                    instead of both locations
#     store_conf                   instead of the mdm_store block
#     conf                         the whole file
#     verify                       of ssl_verify_client (optional)
#     workers (1), log (info), daemon (off)
#     api_path                     prefix of the API (/api)
#     redis                        options of MDM::Redis; 0: none
#     redis_socket                 of another server, such as a fake one
#     auth                         of MDM::Redis->auth of a server behind that
#     ca                           MDM::PKI to trust, of another instance
#     env                          environment of nginx
#     watch                        called with method, path and response of
#                                  each request() that got one
#
# in which %%NAME%% stands for PREFIX, PORT (TLS), PLAIN_PORT, REDIS_SOCKET,
# REDIS_PORT, AUTH, CA, SERVER_CERT, SERVER_KEY, or a name given in "vars".
#
# nginx is the user of docs/keyspace.md to Redis, and finish() asserts that
# Redis has refused it no command and no key.  A "store" that has a
# password_file goes its own way; a store_conf uses %%AUTH%% or its own.
#
# MDM_NGINX is the nginx to test, MDM_MODULE the module to load (empty: none,
# it is linked in), MDM_KEEP=1 keeps the directory, MDM_DEBUG=1 logs at debug.

use strict;
use warnings;

use Cwd ();
use Exporter 'import';
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use MDM::Device;
use MDM::HTTP;
use MDM::PKI;
use MDM::Plist qw(plist plist_binary plist_read plist_data plist_int
                  plist_real plist_date);
use MDM::Redis;
use MDM::Util qw(read_file write_file free_port spawn wait_exit wait_for
                 slurp_from);

our @EXPORT = qw(finish plist plist_binary plist_read plist_data plist_int
                 plist_real plist_date wait_for);

our $root = Cwd::abs_path(__FILE__ =~ s{t/lib/MDM\.pm$}{}r || '.');

my @instances;
my $owner = $$;


sub new {
    my ($class, %o) = @_;

    my $dir = File::Temp::tempdir('mdm-t-XXXXXX', TMPDIR => 1, CLEANUP => 0);

    chmod 0755, $dir;

    my $self = bless { workers => 1, log => 'info', daemon => 'off',
                       verify => 'optional', %o,
                       dir => $dir, expect => [], clients => {} }, $class;

    mkdir "$dir/$_" for qw(pki tmp redis);

    $self->{ca} ||= MDM::PKI->new(dir => "$dir/pki", name => 'Device CA');
    $self->{server_ca} = MDM::PKI->new(dir => "$dir/pki", name => 'TLS CA');
    $self->{server_cert} = $self->{server_ca}->issue(cn => 'localhost',
        purpose => 'server',
        san => [ [ DNS => 'localhost' ], [ IP => '127.0.0.1' ] ]);

    $self->{port} = free_port();
    $self->{plain_port} = free_port();

    if (ref $self->{redis} || !defined $self->{redis}) {
        $self->{redis} = MDM::Redis->new(dir => "$dir/redis",
                                         admin => 'admin',
                                         %{$self->{redis} || {}});
    }

    push @instances, $self;

    return $self;
}


sub start {
    my ($self) = @_;

    $self->redis_server->start if $self->{redis} && !$self->{redis}->pid;

    return $self->start_nginx;
}


sub redis_server { return $_[0]{redis} }
sub redis { my ($self, @cmd) = @_; return $self->{redis}->cmd(@cmd) }
sub redis_dump { my ($self) = @_; return $self->{redis}->dump }
sub dir { return $_[0]{dir} }
sub port { return $_[0]{port} }
sub plain_port { return $_[0]{plain_port} }
sub ca { return $_[0]{ca} }
sub cert { my ($self, %o) = @_; return $self->{ca}->issue(%o) }


# a certificate of a CA that the server does not know

sub foreign_cert {
    my ($self, %o) = @_;

    $self->{foreign_ca} ||= MDM::PKI->new(dir => "$self->{dir}/pki",
                                          name => 'Foreign CA');

    return $self->{foreign_ca}->issue(%o);
}


sub device {
    my ($self, $id, %o) = @_;

    return MDM::Device->new($self, $id, %o);
}


# the configuration

sub _module {
    return exists $ENV{MDM_MODULE} ? $ENV{MDM_MODULE}
                                   : "$root/build/ngx_mdm_module.so";
}


sub nginx_binary {
    return $ENV{MDM_NGINX} if $ENV{MDM_NGINX};

    for (split(/:/, $ENV{PATH}), '/usr/sbin') {
        return "$_/nginx" if -x "$_/nginx";
    }

    die "no nginx found";
}


# three digits for each part, so that versions compare as strings

my %version;

sub nginx_version {
    my ($self) = @_;

    my $binary = $self->nginx_binary;

    return $version{$binary} //= do {
        my ($v) = `$binary -v 2>&1` =~ m{/(\d+(?:\.\d+)+)};

        join '.', map { sprintf '%03d', $_ } split /\./, $v // '0';
    };
}


sub _vars {
    my ($self) = @_;

    my $r = $self->{redis};

    return {
        PREFIX => $self->{dir},
        PORT => $self->{port},
        PLAIN_PORT => $self->{plain_port},
        REDIS_SOCKET => $self->{redis_socket} // ($r ? $r->socket : ''),
        REDIS_PORT => $r ? $r->port : '',
        AUTH => $self->{auth} // ($r ? $r->auth : ''),
        CA => $self->{ca}{file},
        SERVER_CERT => $self->{server_cert}{file},
        SERVER_KEY => $self->{server_cert}{key},
        %{$self->{vars} || {}},
    };
}


# what stands for %%NAME%%

sub var { my ($self, $name) = @_; return $self->_vars->{$name} }


sub conf {
    my ($self) = @_;

    my $get = sub { return $self->{$_[0]} // '' };

    my $user = $> == 0 ? "user root;\n" : '';
    my $load = _module() ne '' ? 'load_module ' . _module() . ";\n" : '';
    my $level = $ENV{MDM_DEBUG} ? 'debug' : $self->{log};

    my $auth = $get->('store') =~ /\bpassword_file\b/ ? '' : '%%AUTH%%';
    my $store = $self->{store_conf} // <<"END";
    mdm_store main {
        server unix:%%REDIS_SOCKET%%;
        $auth
        @{[ $get->('store') ]}
    }
END

    my $locations = $self->{locations} // <<"END";
        location /mdm {
            mdm_checkin on;
            mdm_connect on;
            @{[ $get->('mdm') ]}
        }

        location /api/ {
            mdm_api on;
            @{[ $get->('api') ]}
        }
END

    my $text = $self->{conf} // <<"END";
worker_processes $self->{workers};
worker_shutdown_timeout 20s;
@{[ $get->('main') ]}

events {
    worker_connections 1024;
    @{[ $get->('events') ]}
}

http {
    access_log %%PREFIX%%/access.log;
    client_body_temp_path %%PREFIX%%/tmp/body;
    proxy_temp_path %%PREFIX%%/tmp/proxy;
    fastcgi_temp_path %%PREFIX%%/tmp/fastcgi;
    uwsgi_temp_path %%PREFIX%%/tmp/uwsgi;
    scgi_temp_path %%PREFIX%%/tmp/scgi;
    client_max_body_size 64m;

    ssl_session_cache shared:t:1m;
    ssl_session_tickets off;

$store
    @{[ $get->('http') ]}

    server {
        listen 127.0.0.1:%%PORT%% ssl http2;
        listen 127.0.0.1:%%PLAIN_PORT%%;
        server_name localhost;

        ssl_certificate %%SERVER_CERT%%;
        ssl_certificate_key %%SERVER_KEY%%;
        ssl_client_certificate %%CA%%;
        ssl_verify_client $self->{verify};
        @{[ $get->('server') ]}

$locations
    }
}
END

    my $vars = $self->_vars;

    $text =~ s/%%([A-Z0-9_]+)%%/$vars->{$1} \/\/ die "no variable $1"/ge;

    # "listen … http2" is deprecated where there is "http2 on"

    if ($self->nginx_version ge '001.025.001') {
        $text =~ s/(\blisten \S+ ssl) http2;/$1; http2 on;/g;
    }

    return "daemon $self->{daemon};\n$user${load}pid $self->{dir}/nginx.pid;\n"
        . "error_log $self->{dir}/error.log $level;\n$text";
}


sub _env {
    my ($self) = @_;

    my $lib = "$root/t/lib";

    return {
        ASAN_OPTIONS => 'detect_leaks=1:detect_stack_use_after_return=1:'
            . 'abort_on_error=0:exitcode=23',
        UBSAN_OPTIONS => "print_stacktrace=1:suppressions=$lib/ubsan.supp",
        LSAN_OPTIONS => "suppressions=$lib/lsan.supp:print_suppressions=0:"
            . 'exitcode=23',
        %{$self->{env} || {}},
    };
}


# nginx

sub write_conf {
    my ($self, %o) = @_;

    $self->{$_} = $o{$_} for keys %o;

    return write_file("$self->{dir}/nginx.conf", $self->conf);
}


sub _argv {
    my ($self, @more) = @_;

    return ($self->nginx_binary, '-p', $self->{dir}, '-c',
            "$self->{dir}/nginx.conf", '-e', "$self->{dir}/error.log", @more);
}


# mdm-store: (exit code, what it said)

sub mdm_store {
    my ($self, @args) = @_;

    my $out = "$self->{dir}/mdm-store.log";
    my $rc = wait_exit(spawn({ out => $out }, "$root/build/mdm-store",
                             @args), 30);

    die "mdm-store hangs\n" unless defined $rc;

    return ($rc >> 8, read_file($out));
}


# "nginx -t": (1 if the configuration is accepted, what it said)

sub test_conf {
    my ($self, %o) = @_;

    $self->write_conf(%o);

    my $out = "$self->{dir}/test.log";
    my $env = $self->_env;

    # "nginx -t" ends without freeing what it has read

    $env->{ASAN_OPTIONS} .= ':detect_leaks=0';

    my $pid = spawn({ out => $out, env => $env },
                    $self->nginx_binary, '-p', $self->{dir}, '-c',
                    "$self->{dir}/nginx.conf", '-e', 'stderr', '-t');
    my $rc = wait_exit($pid, 60);
    my $said = read_file($out);

    die "nginx -t hangs\n" unless defined $rc;

    $self->{test_problem} .= $said
        if $said =~ /Sanitizer|runtime error:/ || ($rc & 127);

    return ($rc == 0 ? 1 : 0, $said);
}


sub start_nginx {
    my ($self) = @_;

    die "nginx runs already" if $self->{pid};

    $self->write_conf;
    $self->{pid} = spawn({ out => "$self->{dir}/stderr.log", append => 1,
                           env => $self->_env }, $self->_argv);
    $self->{started} = 1;
    $self->_wait_workers;

    return $self;
}


sub _wait_workers {
    my ($self) = @_;

    my $ok = wait_for(30, sub {
        if (waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid}) {
            $self->{exit} = $?;
            $self->{pid} = undef;
            die "nginx did not start:\n" . $self->log . $self->stderr;
        }

        return 0 unless $self->workers == $self->{workers};

        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}, Timeout => 1) or return $self->{conf};
        close $s;

        return 1;
    });

    $ok or die "nginx did not start its workers:\n" . $self->log;

    return;
}


sub pid { return $_[0]{pid} }


# the processes that serve, by pid; those that are shutting down are left out

sub workers {
    my ($self, %o) = @_;

    my @pids;

    open my $fh, '<', "/proc/$self->{pid}/task/$self->{pid}/children"
        or return;
    my @children = split ' ', <$fh> // '';

    for my $pid (@children) {
        my $cmd = read_file("/proc/$pid/cmdline");

        next unless $cmd =~ /^nginx: worker process/;
        next if $cmd =~ /is shutting down/ && !$o{all};
        push @pids, $pid;
    }

    return @pids;
}


# HUP; returns when new workers serve.  What is given replaces pieces of the
# configuration.

sub reload {
    my ($self, %o) = @_;

    my %old = map { $_ => 1 } $self->workers;

    $self->write_conf(%o);
    kill 'HUP', $self->{pid};

    my $ok = wait_for(30, sub {
        my @new = $self->workers;

        return @new == $self->{workers} && !grep { $old{$_} } @new;
    });

    $ok or die "reload: no new workers:\n" . $self->log;

    # an old worker may close a kept connection just when it is used again

    $self->{clients} = {};

    return $self;
}


# waits until the workers from before a reload are gone

sub wait_old_workers {
    my ($self, $seconds) = @_;

    return wait_for($seconds // 20, sub {
        return $self->workers(all => 1) == $self->workers;
    });
}


# kills a worker, and waits for the one that takes its place

sub kill_worker {
    my ($self, $signal, $pid) = @_;

    ($pid) = $self->workers unless defined $pid;
    $signal //= 'KILL';
    $self->expect_log(qr/\Qworker process $pid exited on signal\E/)
        unless $signal =~ /^(?:TERM|QUIT)$/;
    kill $signal, $pid;

    wait_for(20, sub {
        my @now = $self->workers;

        return @now == $self->{workers} && !grep { $_ == $pid } @now;
    }) or die "no new worker:\n" . $self->log;

    $self->{clients} = {};

    return $pid;
}


# QUIT; returns the exit status as of waitpid(), undef: it hung

sub quit {
    my ($self, $seconds) = @_;

    return unless $self->{pid};

    $self->{clients} = {};

    my $begin = time;

    kill 'QUIT', $self->{pid};
    $self->{exit} = wait_exit($self->{pid}, $seconds // 10);
    $self->{quit_time} = time - $begin;

    if (!defined $self->{exit}) {
        my @left = $self->workers(all => 1);

        kill 'KILL', $self->{pid}, @left;
        waitpid $self->{pid}, 0;
    }

    $self->{pid} = undef;

    return $self->{exit};
}


# logs

sub log { my ($self, $from) = @_;
          return slurp_from("$self->{dir}/error.log", $from // 0) }
sub log_size { return -s "$_[0]{dir}/error.log" || 0 }
sub access_log { return read_file("$_[0]{dir}/access.log") }
sub stderr { return read_file("$_[0]{dir}/stderr.log") }


sub wait_log {
    my ($self, $re, %o) = @_;

    return wait_for($o{timeout} // 10,
                    sub { $self->log($o{from}) =~ $re ? 1 : 0 });
}


# such a line is wanted, which would be a problem otherwise; it must come

sub expect_log {
    my ($self, $re) = @_;

    push @{$self->{expect}}, { re => $re, seen => 0 };

    return $self;
}


# lines of both logs that must not be

sub problems {
    my ($self) = @_;

    my @bad;

    $_->{seen} = 0 for @{$self->{expect}};

    LINE:
    for my $line (split /\n/, $self->log . $self->stderr
                              . ($self->{test_problem} // ''))
    {
        next unless $line =~ /\[(?:alert|emerg)\]|Sanitizer|runtime error:/;

        for my $expect (@{$self->{expect}}) {
            if ($line =~ $expect->{re}) {
                $expect->{seen}++;
                next LINE;
            }
        }

        push @bad, $line;
    }

    for my $expect (@{$self->{expect}}) {
        push @bad, "expected, but not logged: $expect->{re}"
            unless $expect->{seen};
    }

    return @bad;
}


# requests

sub client {
    my ($self, %o) = @_;

    return MDM::HTTP->new(port => $o{plain} ? $self->{plain_port}
                                            : $self->{port}, %o);
}


# one request; connections are kept, one a certificate

# As if the last push to each had been long ago, and none were owed; a push,
# then, goes to APNs at once, whatever its window is.

sub push_forget {
    my ($self, @ids) = @_;

    for my $e (map { @{$self->redis('KEYS', "mdm:*:e:$_")} } @ids) {
        my ($partition, $id) = $e =~ /^(.*):e:(.*)$/;

        $self->redis('HDEL', $e, qw(taken push pf dead));
        $self->redis('ZREM', "$partition:push", $id);
    }

    return;
}


sub push_at_once {
    my ($self, @ids) = @_;

    $self->push_forget(@ids);

    my $r = $self->api(POST => '/v1/push/' . join(',', @ids), timeout => 30);

    $self->push_forget(@ids);

    return $r;
}


sub request {
    my ($self, $method, $path, %o) = @_;

    my %how = map { $_ => delete $o{$_} } grep { exists $o{$_} }
                  qw(cert plain tls sni timeout);
    my $fresh = delete $o{fresh};
    my $name = join ' ', ($how{cert} ? $how{cert}{file} : ''),
                   map { $how{$_} // '' } qw(plain tls sni);

    if ($fresh) {
        return $self->client(%how)->request($method, $path, %o);
    }

    my $c = $self->{clients}{$name} ||= $self->client(%how);

    $c->{timeout} = $how{timeout} // 20;

    my $r = eval { $c->request($method, $path, %o) };

    if (!$r) {
        my $why = $@;

        delete $self->{clients}{$name};
        die $why;
    }

    $self->{watch}->($method, $path, $r) if $self->{watch};

    return $r;
}


sub api {
    my ($self, $method, $path, %o) = @_;

    return $self->request($method, ($self->{api_path} // '/api') . $path, %o);
}


# a command as Perl data; %keys go beside RequestType

sub command {
    my ($self, $uuid, $type, %keys) = @_;

    return { (defined $uuid ? (CommandUUID => $uuid) : ()),
             Command => { RequestType => $type, %keys } };
}


# $ids: one, or a list; $command: as of command(), a plist, or a RequestType;
# query: such as "nopush=1"

sub enqueue {
    my ($self, $ids, $command, %o) = @_;

    my $path = join ',', map { s/([^A-Za-z0-9_.~:-])/sprintf '%%%02X', ord $1/ger }
               ref $ids ? @$ids : $ids;
    my $query = delete $o{query} // 'nopush=1';

    $command = plist($command) if ref $command;

    return $self->api('PUT',
        "/v1/enqueue/$path" . ($query ne '' ? "?$query" : ''),
        body => $command, %o);
}


# a request by curl: http2 => 1, method, path, body, cert, headers; returns a
# response like that of MDM::HTTP

sub curl {
    my ($self, %o) = @_;

    my $dir = $self->{dir};
    my @cmd = ('curl', '-sS', '-k', '--max-time', 30, '-D', "$dir/curl.head",
               '-o', "$dir/curl.body", ($o{http2} ? '--http2' : '--http1.1'),
               '-X', $o{method} // 'GET');

    push @cmd, '--cert', $o{cert}{file}, '--key', $o{cert}{key} if $o{cert};

    # of what comes from a pipe curl does not know the length

    if (defined $o{body}) {
        my $file = write_file("$dir/curl.in", $o{body});

        push @cmd, $o{no_length} ? ('-T', '-') : ('--data-binary', "\@$file");
    }

    my @h = ('Expect', '', @{$o{headers} || []});

    while (my ($name, $value) = splice @h, 0, 2) {
        push @cmd, '-H', $value eq '' ? "$name:" : "$name: $value";
    }

    push @cmd, @{$o{args} || []},
         $o{url} // "https://127.0.0.1:$self->{port}$o{path}";

    unlink "$dir/curl.head", "$dir/curl.body";

    my $pid = spawn({ out => "$dir/curl.log",
                      in => $o{no_length} ? "$dir/curl.in" : undef }, @cmd);

    waitpid $pid, 0;
    $? == 0 or die "curl: " . read_file("$dir/curl.log");

    my ($head) = read_file("$dir/curl.head") =~ /(?:^|\r\n\r\n)
        (HTTP\/\S+\ [2-5](?:(?!\r\n\r\n).)*)\r\n\r\n$/sx
        or die "curl: no header";

    my $r = MDM::HTTP::Response->parse($head);

    $r->{body} = read_file("$dir/curl.body");

    return $r;
}


# what the documented user was refused

sub refused {
    my ($self) = @_;

    my $redis = $self->{redis};

    return unless ref $redis && $redis->{user} && $redis->pid;

    $redis->resume;

    my @entries = map { my %entry = @$_; \%entry }
                  @{$redis->cmd('ACL', 'LOG', 128)};

    return map { "Redis refused: $_->{reason} $_->{object} ($_->{context})" }
           grep { $_->{username} eq $redis->{user} && $_->{reason} ne 'auth' }
           @entries;
}


# the end

sub assert_clean {
    my ($self) = @_;

    if ($self->{pid}) {
        $self->quit;
        is($self->{exit}, 0, 'nginx ended with 0 within 10 s of QUIT')
            or diag($self->{stderr});
    }

    my @bad = ($self->problems, $self->refused);

    if (!ok(!@bad, 'no alert, no sanitizer report, nothing refused')) {
        diag($_) for @bad;
        diag("the log:\n" . substr($self->log . $self->stderr, -20000));
    }

    $self->{done} = 1;

    return;
}


sub finish {
    $_->assert_clean for grep { !$_->{done} } @instances;
    $_->_release for @instances;
    done_testing();

    return;
}


sub _release {
    my ($self) = @_;

    if ($self->{pid}) {
        kill 'KILL', $self->workers(all => 1), $self->{pid};
        waitpid $self->{pid}, 0;
        $self->{pid} = undef;
    }

    if (ref $self->{redis} && $self->{redis}->pid) {
        $self->{redis}->stop;
    }

    if ($ENV{MDM_KEEP}) {
        diag("kept: $self->{dir}") unless $self->{kept}++;

    } elsif (-d $self->{dir}) {
        require File::Path;
        File::Path::remove_tree($self->{dir}, { error => \my $error });
    }

    return;
}


$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP PIPE);


END {
    if ($$ == $owner) {
        my $rc = $?;

        for my $t (@instances) {
            if (!$t->{done} && !$rc) {
                print STDERR "# the test did not call finish()\n";
                $rc = 1;
            }

            # the test broke off: what nginx wrote may tell why

            if (!$t->{done} && $rc) {
                my $tail = substr $t->log . $t->stderr, -4000;

                print STDERR map { "# $_\n" } 'the end of the log:',
                    split(/\n/, $tail), $t->problems;
            }

            eval { $t->_release };
        }

        $? = $rc;
    }
}


1;
