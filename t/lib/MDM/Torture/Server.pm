package MDM::Torture::Server;

# Copyright (C) ngx_mdm_module authors
#
# nginx with two workers that are killed and reloaded.

use strict;
use warnings;

use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

use MDM::Util qw(read_file write_file free_port spawn wait_exit wait_for
                 slurp_from);


sub new {
    my ($class, %o) = @_;

    return bless { workers => 2, http => '', killed => {}, kills => 0,
                   reloads => 0, restarts => 0, bad => [],
                   port => free_port(), plain_port => free_port(), %o },
                 $class;
}


sub url { return "https://127.0.0.1:$_[0]{port}/mdm" }
sub api_url { return "http://127.0.0.1:$_[0]{plain_port}/" }
sub log { return read_file("$_[0]{dir}/error.log") }


sub conf {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $user = $> == 0 ? "user root;\n" : '';

    my $load = $self->{module} ne '' ? "load_module $self->{module};\n" : '';

    return $user . $load . <<"END";
daemon                  off;
pid                     $dir/nginx.pid;
error_log               $dir/error.log notice;
worker_processes        $self->{workers};
worker_shutdown_timeout 5s;
worker_rlimit_nofile    8192;

events { worker_connections 2048; }

http {
    access_log off;
    keepalive_requests 100000;
    large_client_header_buffers 4 64k;
    client_max_body_size 16m;

    client_body_temp_path $dir/tmp/body;
    proxy_temp_path       $dir/tmp/proxy;
    fastcgi_temp_path     $dir/tmp/fastcgi;
    scgi_temp_path        $dir/tmp/scgi;
    uwsgi_temp_path       $dir/tmp/uwsgi;

    mdm_store main {
        $self->{store}
        connect_timeout 500ms;
        timeout         $self->{timeout};
        partitions      $self->{partitions};
    }

    $self->{http}

    mdm_reenroll    bound;
    mdm_queue_limit 10000;
    mdm_event_limit 100000000;

    server {
        listen      127.0.0.1:$self->{port} ssl;
        listen      127.0.0.1:$self->{plain_port};
        server_name localhost;

        ssl_certificate        $dir/ca/server.pem;
        ssl_certificate_key    $dir/ca/server.key;
        ssl_session_cache      off;
        ssl_session_tickets    off;
        ssl_client_certificate $dir/ca/ca.pem;
        ssl_verify_client      optional;

        location = /mdm {
            mdm_checkin on;
            mdm_connect on;
        }

        location / { mdm_api on; }
    }
}
END
}


sub start {
    my ($self) = @_;

    mkdir "$self->{dir}/tmp";
    write_file("$self->{dir}/nginx.conf", $self->conf);

    my ($nginx) = grep { -x } map { "$_/nginx" } split(/:/, $ENV{PATH}),
                                                 '/usr/sbin';

    my $lib = "$self->{root}/t/lib";

    $self->{pid} = spawn({ out => "$self->{dir}/stderr.log", append => 1, env => {
            ASAN_OPTIONS => 'abort_on_error=0:exitcode=23',
            UBSAN_OPTIONS => "print_stacktrace=1:suppressions=$lib/ubsan.supp",
            LSAN_OPTIONS => "suppressions=$lib/lsan.supp:exitcode=23:"
                . 'print_suppressions=0',
        } },
        $ENV{MDM_NGINX} || $nginx, '-p', $self->{dir}, '-c',
        "$self->{dir}/nginx.conf", '-e', "$self->{dir}/error.log");

    wait_for(15, sub {
        die "nginx did not start:\n" . $self->log
            . read_file("$self->{dir}/stderr.log") if $self->ended;

        return 0 unless $self->pids == $self->{workers};

        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}, Timeout => 1) or return 0;

        close $s;

        return 1;
    }) or die "nginx did not start:\n" . $self->log;

    return;
}


sub ended {
    my ($self) = @_;

    return $self->{pid}
           && waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
}


# the workers, but those that are shutting down

sub pids {
    my ($self) = @_;

    my $children =
        read_file("/proc/$self->{pid}/task/$self->{pid}/children");

    return grep {
        my $cmd = read_file("/proc/$_/cmdline");

        $cmd =~ /^nginx: worker process/ && $cmd !~ /is shutting down/;
    } split ' ', $children;
}


sub kill_worker {
    my ($self, $n) = @_;

    return 0 if $self->{quitting};

    my @pids = sort { $a <=> $b } $self->pids or return 0;
    my $pid = $pids[$n % @pids];

    $self->{killed}{$pid} = 1;
    $self->{kills} += kill 'KILL', $pid;

    return 1;
}


sub reload {
    my ($self) = @_;

    return 0 if $self->{quitting};

    kill 'HUP', $self->{pid};
    $self->{reloads}++;

    return 1;
}


# SIGQUIT, which may take it some seconds; started_again() is to be called until
# it is true

sub begin_quit {
    my ($self) = @_;

    return 0 if $self->{quitting};

    kill 'QUIT', $self->{pid};
    $self->{quitting} = time;
    $self->{restarts}++;

    return 1;
}


sub quitting { return $_[0]{quitting} }


sub started_again {
    my ($self) = @_;

    if (!$self->ended) {
        if (time - $self->{quitting} <= 15) {
            sleep 0.01;
            return 0;
        }

        push @{$self->{bad}}, 'nginx did not quit in 15 s';
        $self->kill9;

    } elsif ($? != 0) {
        push @{$self->{bad}}, "nginx ended with $?";
    }

    $self->{quitting} = undef;
    $self->start;

    return 1;
}


# lines of the log that must not be there

sub problems {
    my ($self) = @_;

    my @bad = @{$self->{bad}};

    for my $line (split /\n/, $self->log
                              . read_file("$self->{dir}/stderr.log"))
    {
        next unless $line =~ /\[(?:alert|emerg)\]|Sanitizer|runtime error:/;

        next if $line =~ /worker process (\d+) exited on signal 9\b/
                && $self->{killed}{$1};

        push @bad, $line;
    }

    return @bad;
}


# true if it ended as it should

sub quit {
    my ($self) = @_;

    return 1 unless $self->{pid};

    kill 'QUIT', $self->{pid};

    my $rc = wait_exit($self->{pid}, 15);

    $self->kill9 unless defined $rc;
    $self->{pid} = undef;

    return defined $rc && $rc == 0;
}


sub kill9 {
    my ($self) = @_;

    return unless $self->{pid};

    my $children =
        read_file("/proc/$self->{pid}/task/$self->{pid}/children");

    kill 'KILL', $self->{pid}, split ' ', $children;
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;

    return;
}


1;
