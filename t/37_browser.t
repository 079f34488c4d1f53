#!/usr/bin/perl

# Copyright (C) ngx_mdm_module authors
#
# The API and real pages in Chromium: a form, fetch and an image of another
# origin, and a console of an origin that is allowed.  Skipped where there is
# no Chromium; t/38 has the same with headers alone.

use strict;
use warnings;

use lib 't/lib';
use Test::More;

use MDM;
use MDM::Util qw(read_file write_file free_port spawn wait_exit);


my ($chromium) = grep { -x }
                 map { my $name = $_; map { "$_/$name" } split /:/, $ENV{PATH} }
                 qw(chromium chromium-browser google-chrome);

my $console = free_port();

my $t = MDM->new(vars => { CONSOLE_PORT => $console }, locations => <<'END',
        location /api/ {
            mdm_api on;
            mdm_api_origin http://localhost:%%CONSOLE_PORT%%;
        }

        location /closed/ {
            mdm_api on;
            auth_basic mdm;
            auth_basic_user_file %%PREFIX%%/htpasswd;
        }

        location /closed-cors/ {
            mdm_api on;
            mdm_api_origin http://localhost:%%CONSOLE_PORT%%;
            auth_basic mdm;
            auth_basic_user_file %%PREFIX%%/htpasswd;
        }

        location /mdm { mdm_checkin on; mdm_connect on; }
        location /page/ { root %%PREFIX%%; }
    }

    server {
        listen 127.0.0.1:%%CONSOLE_PORT%%;
        location /page/ { root %%PREFIX%%; }
END
    http => 'log_format sec \'$request_uri $status $http_sec_fetch_site'
          . ' $http_origin\'; access_log %%PREFIX%%/sec.log sec;');

my $dir = $t->dir;
my $port = $t->plain_port;
my $api = "http://127.0.0.1:$port";
my $n = 0;

mkdir "$dir/page";
write_file("$dir/htpasswd", "admin:{PLAIN}secret\n");
$t->start;

if (!defined $chromium) {
    diag('SKIPPED: there is no chromium here, pages are not tried');

    SKIP: { skip('no chromium', 1); }

    finish;
    exit 0;
}

$t->device('UDID-1')->enroll;


# what is left in the page at $url when all has been loaded

sub visit {
    my ($url, %o) = @_;

    my $pid = spawn({ out => "$dir/chromium.out",
                      env => { HOME => $dir, XDG_CONFIG_HOME => $dir,
                               XDG_CACHE_HOME => $dir } },
        'timeout', '-k', 5, 90, $chromium, qw(--headless --no-sandbox
        --disable-gpu --disable-dev-shm-usage --no-first-run
        --disable-background-networking --disable-component-update
        --disable-sync --virtual-time-budget=10000 --dump-dom),
        "--user-data-dir=$dir/profile", $url);

    my $rc = wait_exit($pid, 100);

    die "chromium hangs\n" unless defined $rc;

    return read_file("$dir/chromium.out");
}


# a page of ours; $host is 127.0.0.1 (same-site, but another port) or
# localhost (cross-site)

sub page {
    my ($host, $at, $html) = @_;

    my $name = 'p' . ++$n . '.html';

    write_file("$dir/page/$name", "<!DOCTYPE html><title>x</title>$html\n");

    return "http://$host:$at/page/$name";
}


sub plist_of { return plist($t->command($_[0], 'EraseDevice')) }


sub html { return $_[0] =~ s/([&<>"'])/'&#' . ord($1) . ';'/ger }


# "text/plain" writes name=value, which a plist can be cut into

sub form {
    my ($action, $uuid) = @_;

    my ($name, $value) = split /=/, plist_of($uuid), 2;

    return '<form method=post enctype=text/plain action="' . html($action)
        . '"><input type=hidden name="' . html($name) . '" value="'
        . html($value) . '"></form><script>document.forms[0].submit()</script>';
}


# fetches one after the other, and writes what came of each

sub script {
    my @steps = map { "await t('$_->[0]', $_->[1]);" } @_;

    return "<pre id=o>\n</pre><script>\n"
        . "const t = async (name, ...args) => { let s;\n"
        . " try { const r = await fetch(...args);\n"
        . " s = r.status + ' ' + (await r.text()).trim(); }\n"
        . " catch (e) { s = e; }\n"
        . " document.getElementById('o').textContent +="
        . " name + ': ' + s + '\\n'; };\n"
        . "(async () => { @steps })()</script>";
}


sub queued {
    my ($uuid) = @_;

    my $list = $t->api('GET', '/v1/queue/UDID-1')->json->{commands};

    $t->api('DELETE', '/v1/queue/UDID-1') if @$list;

    return scalar grep { $_->{command_uuid} eq $uuid } @$list;
}


sub said { return (split /\n/, read_file("$dir/sec.log"))[-1] // '' }


# the control: a page of the API's own origin

my $enqueue = '/v1/enqueue/UDID-1?nopush=1';

visit(page('127.0.0.1', $port, form("$api/api$enqueue", 'OWN')));
is(queued('OWN'), 1, 'a form of our own origin queues a command');

visit(page('127.0.0.1', $port, form("http://admin:secret\@127.0.0.1:$port"
                                    . "/closed$enqueue", 'OWN-2')));
is(queued('OWN-2'), 1, 'also where the browser authenticates');


# another origin, of the same site and of another

for my $host (qw(localhost 127.0.0.1)) {
    my $at = $host eq 'localhost' ? $port : $console;

    for my $where ("$api/api", "http://admin:secret\@127.0.0.1:$port/closed") {
        my $uuid = 'FORM-' . ++$n;
        my $dom = visit(page($host, $at, form("$where$enqueue", $uuid)));

        is(queued($uuid), 0, "$host: a form to $where queues nothing");
        like($dom, qr/cross-site request/, 'and is told why');
    }

    # all else by one page

    my $uuid = 'FETCH-' . ++$n;
    my $body = plist_of($uuid) =~ s/\n//gr;
    my $size = -s "$dir/sec.log";
    my $dom = visit(page($host, $at,
        "<img src=\"$api/api/v1/push/UDID-1\">" . script(
            [ send => "'$api/api$enqueue', { method: 'POST', mode: 'no-cors',"
                      . " credentials: 'include', body: '$body' }" ],
            [ put => "'$api/api$enqueue', { method: 'PUT', body: 'x' }" ],
            [ get => "'$api/api/v1/queue/UDID-1'" ])));

    is(queued($uuid), 0, "$host: fetch without CORS queues nothing");
    like($dom, qr/send: 0 \n/, 'but was sent');
    like($dom, qr/put: TypeError/, "$host: PUT stops at the preflight");
    like($dom, qr/get: TypeError/, "$host: a read cannot be read");
    like(substr(read_file("$dir/sec.log"), $size),
         qr{^/api/v1/push/UDID-1 403 (?:cross|same)-site}m,
         "$host: an image does not push");
}


# the console that is allowed

my $body = plist_of('CORS') =~ s/\n//gr;
my $dom = visit(page('localhost', $console, script(
    [ enqueue => "'$api/api$enqueue', { method: 'PUT', credentials: 'include',"
                 . " headers: { 'Content-Type': 'application/xml' },"
                 . " body: '$body' }" ],
    [ error => "'$api/api/v1/nothing'" ],
    [ patch => "'$api/api/version', { method: 'PATCH' }" ],
    [ user => "'$api/closed-cors/version', { headers: { Authorization:"
              . " 'Basic ' + btoa('admin:secret') } }" ],
    [ none => "'$api/closed-cors/v1/queue/UDID-1', { method: 'DELETE' }" ])));

like($dom, qr/enqueue: 200 .*command_uuid.*CORS/, 'the console: its answer');
is(queued('CORS'), 1, 'its command is queued');
like($dom, qr/error: 404 .*there is no such API call/, 'an error');
like($dom, qr/patch: TypeError/, 'a method that is not allowed');
like($dom, qr/user: 200 .*version/, 'with basic authentication');
like($dom, qr/none: 401/, 'without it, it sees why not');

finish;
