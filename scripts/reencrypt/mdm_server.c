
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A blocking connection to Redis: a Unix socket or TCP, with TLS where it is
 * asked for.
 */


#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "mdm_server.h"


#define MDM_SERVER_TIMEOUT    30      /* seconds */
#define MDM_SERVER_PASSWORD   4096


static int mdm_server_unix(const char *path);
static int mdm_server_tcp(mdm_server_t *s, char *host);
static void mdm_server_tls(mdm_server_t *s, const char *host);
static void mdm_server_login(mdm_server_t *s);
static void mdm_server_write(mdm_server_t *s, const char *p, size_t len);
static void mdm_server_read(mdm_server_t *s);
static const char *mdm_server_ssl_error(void);


const char  *mdm_cursor;


void
mdm_trouble(const char *fmt, ...)
{
    va_list  args;

    (void) fflush(stdout);
    (void) fprintf(stderr, "%s: ", mdm_program);

    va_start(args, fmt);
    (void) vfprintf(stderr, fmt, args);
    va_end(args);

    (void) fputc('\n', stderr);

    if (mdm_cursor != NULL) {
        (void) fprintf(stderr, "go on with --cursor %s\n", mdm_cursor);
    }

    exit(MDM_EXIT_TROUBLE);
}


mdm_uint_t
mdm_server_option(mdm_server_t *s, int c, char *value)
{
    switch (c) {

    case 's': s->server = value; break;
    case 'u': s->user = value; break;
    case 'p': s->password_file = value; break;
    case 'n': s->database = mdm_number(value); break;
    case 'A': s->tls_ca = value; break;
    case 'C': s->tls_cert = value; break;
    case 'K': s->tls_key = value; break;
    case 'N': s->tls_name = value; break;
    default: return 0;
    }

    return 1;
}


const char *
mdm_number(const char *text)
{
    if (*text == '\0' || strlen(text) > 20
        || strspn(text, "0123456789") != strlen(text))
    {
        mdm_trouble("\"%s\" is not a number", text);
    }

    return text;
}


size_t
mdm_read_file(const char *name, u_char *buf, size_t size)
{
    FILE    *file;
    size_t   n;

    file = fopen(name, "rb");
    if (file == NULL) {
        mdm_trouble("%s: %s", name, strerror(errno));
    }

    /* its buffer would keep a copy of a key */

    (void) setvbuf(file, NULL, _IONBF, 0);

    n = fread(buf, 1, size, file);

    if (ferror(file)) {
        mdm_trouble("%s: %s", name, strerror(errno));
    }

    (void) fclose(file);

    return n;
}


void
mdm_server_connect(mdm_server_t *s)
{
    char            *host;
    struct timeval   tv;

    s->reader = redisReaderCreate();
    host = strdup(s->server);

    if (s->reader == NULL || host == NULL) {
        mdm_trouble("no memory");
    }

    s->fd = (strncmp(host, "unix:", 5) == 0) ? mdm_server_unix(host + 5)
                                             : mdm_server_tcp(s, host);

    if (s->fd == -1) {
        mdm_trouble("%s: %s", s->server, strerror(errno));
    }

    tv.tv_sec = MDM_SERVER_TIMEOUT;
    tv.tv_usec = 0;

    (void) setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
    (void) setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));

    if (s->tls_ca != NULL) {
        mdm_server_tls(s, host);
    }

    free(host);

    mdm_server_login(s);
}


static int
mdm_server_unix(const char *path)
{
    int                 fd;
    struct sockaddr_un  sun;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;

    if (strlen(path) >= sizeof(sun.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }

    memcpy(sun.sun_path, path, strlen(path));

    fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd != -1
        && connect(fd, (struct sockaddr *) &sun, sizeof(sun)) == -1)
    {
        (void) close(fd);
        return -1;
    }

    return fd;
}


/* "host:port" or "[address]:port"; the host alone is left in its place */

static int
mdm_server_tcp(mdm_server_t *s, char *host)
{
    int               fd, rc;
    char             *port;
    size_t            len;
    struct addrinfo   hints, *list, *ai;

    port = strrchr(host, ':');
    len = strlen(host);

    if (port != NULL && (strchr(host, ':') == port || port[-1] == ']')) {
        *port++ = '\0';
        len = strlen(host);

    } else {
        port = NULL;
    }

    if (host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    rc = getaddrinfo(host, (port != NULL) ? port : "6379", &hints, &list);
    if (rc != 0) {
        mdm_trouble("%s: %s", s->server, gai_strerror(rc));
    }

    fd = -1;

    for (ai = list; ai != NULL; ai = ai->ai_next) {
        fd = socket(ai->ai_family, ai->ai_socktype, ai->ai_protocol);

        if (fd == -1 || connect(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
            break;
        }

        rc = errno;
        (void) close(fd);
        errno = rc;
        fd = -1;
    }

    freeaddrinfo(list);

    return fd;
}


static void
mdm_server_tls(mdm_server_t *s, const char *host)
{
    SSL_CTX           *ctx;
    const char        *name;
    X509_VERIFY_PARAM *param;

    name = (s->tls_name != NULL) ? s->tls_name : host;

    if (s->tls_name == NULL && strncmp(host, "unix:", 5) == 0) {
        mdm_trouble("TLS on a Unix socket needs --tls-name");
    }

    ctx = SSL_CTX_new(TLS_client_method());

    if (ctx == NULL
        || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
    {
        mdm_trouble("TLS: %s", mdm_server_ssl_error());
    }

    if (SSL_CTX_load_verify_locations(ctx, s->tls_ca, NULL) != 1) {
        mdm_trouble("%s: %s", s->tls_ca, mdm_server_ssl_error());
    }

    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);

    if (s->tls_cert != NULL
        && SSL_CTX_use_certificate_chain_file(ctx, s->tls_cert) != 1)
    {
        mdm_trouble("%s: %s", s->tls_cert, mdm_server_ssl_error());
    }

    if (s->tls_key != NULL
        && SSL_CTX_use_PrivateKey_file(ctx, s->tls_key, SSL_FILETYPE_PEM)
           != 1)
    {
        mdm_trouble("%s: %s", s->tls_key, mdm_server_ssl_error());
    }

    s->ssl = SSL_new(ctx);

    SSL_CTX_free(ctx);

    if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1) {
        mdm_trouble("TLS: %s", mdm_server_ssl_error());
    }

    param = SSL_get0_param(s->ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, name) != 1) {

        ERR_clear_error();

        if (SSL_set1_host(s->ssl, name) != 1
            || SSL_set_tlsext_host_name(s->ssl, name) != 1)
        {
            mdm_trouble("TLS: %s", mdm_server_ssl_error());
        }
    }

    if (SSL_connect(s->ssl) != 1) {

        if (SSL_get_verify_result(s->ssl) != X509_V_OK) {
            mdm_trouble("%s: its certificate: %s", s->server,
                        X509_verify_cert_error_string(
                                            SSL_get_verify_result(s->ssl)));
        }

        mdm_trouble("%s: TLS: %s", s->server, mdm_server_ssl_error());
    }
}


static void
mdm_server_login(mdm_server_t *s)
{
    u_char       password[MDM_SERVER_PASSWORD];
    size_t       n;
    mdm_str_t    argv[3];
    redisReply  *reply;

    if (s->password_file != NULL) {
        n = 0;
        mdm_str_set(&argv[n], "AUTH");
        n++;

        if (s->user != NULL) {
            argv[n].data = (u_char *) (uintptr_t) s->user;
            argv[n++].len = strlen(s->user);
        }

        argv[n].data = password;
        argv[n].len = mdm_read_file(s->password_file, password,
                                    sizeof(password));

        while (argv[n].len != 0
               && (password[argv[n].len - 1] == '\n'
                   || password[argv[n].len - 1] == '\r'))
        {
            argv[n].len--;
        }

        reply = mdm_server_command(s, n + 1, argv);

        OPENSSL_cleanse(password, sizeof(password));

        if (reply->type == REDIS_REPLY_ERROR) {
            mdm_trouble("%s: %s", s->server, reply->str);
        }

        freeReplyObject(reply);
    }

    if (s->database != NULL) {
        mdm_str_set(&argv[0], "SELECT");
        argv[1].data = (u_char *) (uintptr_t) s->database;
        argv[1].len = strlen(s->database);

        reply = mdm_server_command(s, 2, argv);

        if (reply->type == REDIS_REPLY_ERROR) {
            mdm_trouble("%s: %s", s->server, reply->str);
        }

        freeReplyObject(reply);
    }
}


void
mdm_server_close(mdm_server_t *s)
{
    if (s->ssl != NULL) {
        (void) SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
    }

    (void) close(s->fd);

    redisReaderFree(s->reader);
}


redisReply *
mdm_server_command(mdm_server_t *s, size_t argc, const mdm_str_t *argv)
{
    int          n;
    char        *out;
    void        *reply;
    size_t       i, lens[MDM_ARGS];
    const char  *args[MDM_ARGS];

    for (i = 0; i < argc; i++) {
        args[i] = (const char *) argv[i].data;
        lens[i] = argv[i].len;
    }

    n = (int) redisFormatCommandArgv(&out, (int) argc, args, lens);
    if (n < 0) {
        mdm_trouble("no memory");
    }

    mdm_server_write(s, out, (size_t) n);

    redisFreeCommand(out);

    for ( ;; ) {

        if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
            mdm_trouble("%s: %s", s->server, s->reader->errstr);
        }

        if (reply != NULL) {
            return reply;
        }

        mdm_server_read(s);
    }
}


redisReply *
mdm_server_eval(mdm_server_t *s, const mdm_script_t *script,
    const mdm_str_t *key, size_t argc, const mdm_str_t *argv)
{
    mdm_str_t  words[MDM_ARGS];

    mdm_str_set(&words[0], "EVAL");
    words[1] = script->body;
    mdm_str_set(&words[2], "1");
    words[3] = *key;

    if (argc != 0) {
        memcpy(&words[4], argv, argc * sizeof(mdm_str_t));
    }

    return mdm_server_command(s, 4 + argc, words);
}


static void
mdm_server_write(mdm_server_t *s, const char *p, size_t len)
{
    size_t   sent;
    ssize_t  n;

    while (len != 0) {

        if (s->ssl != NULL) {

            if (SSL_write_ex(s->ssl, p, len, &sent) != 1) {
                mdm_trouble("%s: the connection broke", s->server);
            }

        } else {
            n = send(s->fd, p, len, MSG_NOSIGNAL);

            if (n == -1 && errno == EINTR) {
                continue;
            }

            if (n == -1) {
                mdm_trouble("%s: %s", s->server, strerror(errno));
            }

            sent = (size_t) n;
        }

        p += sent;
        len -= sent;
    }
}


static void
mdm_server_read(mdm_server_t *s)
{
    char     buf[65536];
    size_t   len;
    ssize_t  n;

    if (s->ssl != NULL) {

        if (SSL_read_ex(s->ssl, buf, sizeof(buf), &len) != 1) {
            mdm_trouble("%s: the connection broke", s->server);
        }

    } else {

        do {
            n = recv(s->fd, buf, sizeof(buf), 0);
        } while (n == -1 && errno == EINTR);

        if (n <= 0) {
            mdm_trouble("%s: %s", s->server,
                        (n == 0) ? "the connection was closed"
                                 : strerror(errno));
        }

        len = (size_t) n;
    }

    if (redisReaderFeed(s->reader, buf, len) != REDIS_OK) {
        mdm_trouble("%s: %s", s->server, s->reader->errstr);
    }
}


static const char *
mdm_server_ssl_error(void)
{
    const char  *text;

    text = ERR_reason_error_string(ERR_peek_last_error());

    return (text != NULL) ? text : "no further reason";
}
