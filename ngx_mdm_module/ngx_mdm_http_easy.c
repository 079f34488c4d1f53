
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A request as libcurl is told of it, what comes in, and what its end means.
 */


#include "ngx_mdm_http_pool.h"


/* bytes of the headers of an answer */
#define NGX_MDM_HTTP_HEADS    65536

/* the first block of a body */
#define NGX_MDM_HTTP_BODY     4096

/* seconds: the longest Retry-After that is believed */
#define NGX_MDM_HTTP_RETRY    86400

/* bytes of a header that go without another block of memory */
#define NGX_MDM_HTTP_LINE     512


static CURL *ngx_mdm_http_easy_new(ngx_mdm_http_pool_t *pool);
static CURLcode ngx_mdm_http_easy_proxy(ngx_mdm_http_client_t *client,
    CURL *easy);
static CURLcode ngx_mdm_http_easy_request(ngx_mdm_http_op_t *op);
static ngx_int_t ngx_mdm_http_easy_headers(ngx_mdm_http_op_t *op);
static ngx_int_t ngx_mdm_http_easy_header(ngx_mdm_http_op_t *op,
    const mdm_http_header_t *header);
static ngx_int_t ngx_mdm_http_easy_line(ngx_mdm_http_op_t *op,
    const char *line);
static CURLcode ngx_mdm_http_easy_ssl(CURL *easy, void *ctx, void *data);
static size_t ngx_mdm_http_easy_head(char *p, size_t size, size_t n,
    void *data);
static size_t ngx_mdm_http_easy_body(char *p, size_t size, size_t n,
    void *data);
static ngx_int_t ngx_mdm_http_easy_grow(ngx_mdm_http_op_t *op, size_t len);
static mdm_http_e ngx_mdm_http_easy_answer(ngx_mdm_http_op_t *op,
    ngx_str_t *reason);
static ngx_uint_t ngx_mdm_http_easy_proxied(ngx_mdm_http_op_t *op,
    CURLcode code, ngx_str_t *reason);
static mdm_http_e ngx_mdm_http_easy_failed(ngx_mdm_http_op_t *op,
    CURLcode code);
static mdm_http_e ngx_mdm_http_easy_late(ngx_mdm_http_op_t *op);


ngx_int_t
ngx_mdm_http_easy_create(ngx_mdm_http_op_t *op)
{
    ngx_mdm_http_pool_t  *pool;

    pool = op->pool;

    op->easy = (pool->nidle != 0) ? pool->idle[--pool->nidle]
                                  : ngx_mdm_http_easy_new(pool);

    if (op->easy == NULL) {
        return NGX_ERROR;
    }

    if (ngx_mdm_http_easy_headers(op) != NGX_OK
        || ngx_mdm_http_easy_request(op) != CURLE_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* with all that the requests of a client have in common */

static CURL *
ngx_mdm_http_easy_new(ngx_mdm_http_pool_t *pool)
{
    CURL      *easy;
    CURLcode   rc;

    easy = curl_easy_init();
    if (easy == NULL) {
        return NULL;
    }

    rc = ngx_mdm_http_multi_sockets(pool, easy);

#define ngx_mdm_http_set(option, value)                                       \
    if (rc == CURLE_OK) {                                                     \
        rc = curl_easy_setopt(easy, option, value);                           \
    }

    /* a signal would end what nginx waits for, and not the name server */

    ngx_mdm_http_set(CURLOPT_NOSIGNAL, 1L);
    ngx_mdm_http_set(CURLOPT_QUICK_EXIT, 1L);
    ngx_mdm_http_set(CURLOPT_CONNECTTIMEOUT_MS, (long) NGX_MDM_HTTP_CONNECT);

    /*
     * Where it goes is said by nobody else: no redirects.  Which of the two
     * schemes it is, ngx_mdm_http_op_create() has made sure of.
     */

    ngx_mdm_http_set(CURLOPT_PROTOCOLS_STR, "http,https");
    ngx_mdm_http_set(CURLOPT_FOLLOWLOCATION, 0L);
    ngx_mdm_http_set(CURLOPT_REDIR_PROTOCOLS_STR, "https");
    ngx_mdm_http_set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    ngx_mdm_http_set(CURLOPT_PATH_AS_IS, 1L);
    ngx_mdm_http_set(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
    ngx_mdm_http_set(CURLOPT_USERAGENT, "ngx_mdm_module");

    /*
     * The CAs are those of the client, in memory, and so is our certificate:
     * a worker may not read the files, nor is there time for it.
     */

    ngx_mdm_http_set(CURLOPT_SSL_VERIFYPEER, 1L);
    ngx_mdm_http_set(CURLOPT_SSL_VERIFYHOST, 2L);
    ngx_mdm_http_set(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
    ngx_mdm_http_set(CURLOPT_CAINFO, NULL);
    ngx_mdm_http_set(CURLOPT_CAPATH, NULL);
    ngx_mdm_http_set(CURLOPT_SSL_CTX_FUNCTION, ngx_mdm_http_easy_ssl);
    ngx_mdm_http_set(CURLOPT_SSL_CTX_DATA, pool->client);

    ngx_mdm_http_set(CURLOPT_HEADERFUNCTION, ngx_mdm_http_easy_head);
    ngx_mdm_http_set(CURLOPT_WRITEFUNCTION, ngx_mdm_http_easy_body);

    if (rc == CURLE_OK) {
        rc = ngx_mdm_http_easy_proxy(pool->client, easy);
    }

    if (rc != CURLE_OK) {
        ngx_log_error(NGX_LOG_ALERT, &pool->http->log, 0,
                      "curl_easy_setopt() failed: %s", curl_easy_strerror(rc));

        curl_easy_cleanup(easy);
        return NULL;
    }

    return easy;
}


/* an empty text keeps libcurl from looking into the environment */

static CURLcode
ngx_mdm_http_easy_proxy(ngx_mdm_http_client_t *client, CURL *easy)
{
    char      proxy[NGX_MDM_HTTP_TEXT + sizeof("http://:65535")];
    u_char   *p;
    CURLcode  rc;

    proxy[0] = '\0';

    if (client->proxy_host.len != 0) {
        p = ngx_snprintf((u_char *) proxy, sizeof(proxy) - 1, "http://%V:%ui",
                         &client->proxy_host,
                         (ngx_uint_t) client->proxy_port);
        *p = '\0';
    }

    rc = curl_easy_setopt(easy, CURLOPT_PROXY, proxy);

    ngx_mdm_http_set(CURLOPT_NOPROXY, "");
    ngx_mdm_http_set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    ngx_mdm_http_set(CURLOPT_HEADEROPT, (long) CURLHEADER_SEPARATE);

    if (client->proxy_user.len != 0) {
        ngx_mdm_http_set(CURLOPT_PROXYAUTH, (long) CURLAUTH_BASIC);
        ngx_mdm_http_set(CURLOPT_PROXYUSERNAME,
                         (char *) client->proxy_user.data);
        ngx_mdm_http_set(CURLOPT_PROXYPASSWORD,
                         (char *) client->proxy_password.data);
    }

    return rc;
}


/* the rest, all of which is set for each request: the handle had another one */

static CURLcode
ngx_mdm_http_easy_request(ngx_mdm_http_op_t *op)
{
    CURL        *easy;
    char         method[32];
    CURLcode     rc;
    mdm_http_t  *http;
    ngx_msec_t   spent;
    ngx_uint_t   get, post, head;

    http = op->call->http;
    easy = op->easy;

    if (http->method.len >= sizeof(method)) {
        return CURLE_BAD_FUNCTION_ARGUMENT;
    }

    *ngx_cpymem(method, http->method.data, http->method.len) = '\0';

    head = (ngx_strcmp(method, "HEAD") == 0);
    get = head || ngx_strcmp(method, "GET") == 0;
    post = http->body.len != 0 || !(get || ngx_strcmp(method, "DELETE") == 0);

    spent = ngx_current_msec - op->called;

    rc = curl_easy_setopt(easy, CURLOPT_URL, op->url);

    ngx_mdm_http_set(CURLOPT_PRIVATE, (char *) op);
    ngx_mdm_http_set(CURLOPT_ERRORBUFFER, op->error);
    ngx_mdm_http_set(CURLOPT_HTTPHEADER, op->headers);
    ngx_mdm_http_set(CURLOPT_RESOLVE, op->addrs);
    ngx_mdm_http_set(CURLOPT_HEADERDATA, op);
    ngx_mdm_http_set(CURLOPT_WRITEDATA, op);
    ngx_mdm_http_set(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) op->limit);
    ngx_mdm_http_set(CURLOPT_TIMEOUT_MS,
                     (spent < op->timeout) ? (long) (op->timeout - spent) : 1L);

    /* these say what the request is, and the last one decides */

    ngx_mdm_http_set(CURLOPT_NOBODY, 0L);

    if (post) {
        ngx_mdm_http_set(CURLOPT_POSTFIELDSIZE_LARGE,
                         (curl_off_t) http->body.len);
        ngx_mdm_http_set(CURLOPT_POSTFIELDS,
                         (http->body.len != 0) ? (char *) http->body.data
                                               : (char *) "");
        ngx_mdm_http_set(CURLOPT_POST, 1L);

    } else {
        ngx_mdm_http_set(CURLOPT_POSTFIELDS, NULL);
        ngx_mdm_http_set(CURLOPT_HTTPGET, 1L);

        if (head) {
            ngx_mdm_http_set(CURLOPT_NOBODY, 1L);
        }
    }

    /* what libcurl sends by itself needs no name, and no copy of one */

    ngx_mdm_http_set(CURLOPT_CUSTOMREQUEST,
                     ((get && !post) || ngx_strcmp(method, "POST") == 0)
                     ? NULL : method);

    return rc;
}


/* none that libcurl would add by itself, but Host and Content-Length */

static ngx_int_t
ngx_mdm_http_easy_headers(ngx_mdm_http_op_t *op)
{
    mdm_uint_t                i;
    mdm_http_t               *http;
    ngx_uint_t                typed;
    const mdm_http_header_t  *h;

    http = op->call->http;
    typed = 0;

    for (i = 0; i < http->nheaders; i++) {
        h = &http->headers[i];

        if (h->name.len == sizeof("Content-Type") - 1
            && ngx_strncasecmp(h->name.data, (u_char *) "Content-Type",
                               h->name.len)
               == 0)
        {
            typed = 1;
        }

        if (ngx_mdm_http_easy_header(op, h) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (!typed && ngx_mdm_http_easy_line(op, "Content-Type:") != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_mdm_http_easy_line(op, "Expect:");
}


static ngx_int_t
ngx_mdm_http_easy_header(ngx_mdm_http_op_t *op,
    const mdm_http_header_t *header)
{
    u_char     *p, *line, buf[NGX_MDM_HTTP_LINE];
    size_t      size;
    ngx_int_t   rc;

    size = header->name.len + header->value.len + sizeof(": ");
    line = buf;

    if (size > sizeof(buf)) {
        line = ngx_alloc(size, &op->pool->http->log);
        if (line == NULL) {
            return NGX_ERROR;
        }
    }

    p = ngx_cpymem(line, header->name.data, header->name.len);

    /* "Name:" would take a header away */

    if (header->value.len != 0) {
        *p++ = ':';
        *p++ = ' ';
        p = ngx_cpymem(p, header->value.data, header->value.len);

    } else {
        *p++ = ';';
    }

    *p = '\0';

    rc = ngx_mdm_http_easy_line(op, (char *) line);

    OPENSSL_cleanse(line, size);

    if (line != buf) {
        ngx_free(line);
    }

    return rc;
}


static ngx_int_t
ngx_mdm_http_easy_line(ngx_mdm_http_op_t *op, const char *line)
{
    struct curl_slist  *list;

    list = curl_slist_append(op->headers, line);
    if (list == NULL) {
        return NGX_ERROR;
    }

    op->headers = list;

    return NGX_OK;
}


/* TLS begins on a new connection; libcurl has put no CA into the store */

static CURLcode
ngx_mdm_http_easy_ssl(CURL *easy, void *ctx, void *data)
{
    SSL_CTX *ssl = ctx;
    ngx_mdm_http_client_t *client = data;

    char  *private;

    private = NULL;
    (void) curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);

    if (private != NULL) {
        ((ngx_mdm_http_op_t *) (void *) private)->secured = 1;
    }

    if (SSL_CTX_set1_verify_cert_store(ssl, client->trusted) != 1) {
        return CURLE_OUT_OF_MEMORY;
    }

    if (client->cert == NULL) {
        return CURLE_OK;
    }

    if (SSL_CTX_use_cert_and_key(ssl, client->cert, client->key,
                                 client->chain, 1)
        != 1)
    {
        return CURLE_SSL_CERTPROBLEM;
    }

    return CURLE_OK;
}


static size_t
ngx_mdm_http_easy_head(char *p, size_t size, size_t n, void *data)
{
    ngx_mdm_http_op_t *op = data;

    (void) p;

    size *= n;

    if (size > NGX_MDM_HTTP_HEADS - op->heads) {
        op->odd = 1;
        return 0;
    }

    op->heads += size;

    return size;
}


static size_t
ngx_mdm_http_easy_body(char *p, size_t size, size_t n, void *data)
{
    ngx_mdm_http_op_t *op = data;

    size *= n;

    if (size > op->limit - op->len) {
        op->large = 1;
        return 0;
    }

    if (ngx_mdm_http_easy_grow(op, op->len + size) != NGX_OK) {
        return 0;
    }

    ngx_memcpy(op->body + op->len, p, size);
    op->len += size;

    return size;
}


static ngx_int_t
ngx_mdm_http_easy_grow(ngx_mdm_http_op_t *op, size_t len)
{
    u_char      *body;
    size_t       size;
    curl_off_t   expected;

    if (len <= op->size) {
        return NGX_OK;
    }

    size = ngx_max(2 * op->size, NGX_MDM_HTTP_BODY);

    if (op->size == 0
        && curl_easy_getinfo(op->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                             &expected)
           == CURLE_OK
        && expected > 0)
    {
        size = (size_t) expected;
    }

    size = ngx_min(ngx_max(size, len), op->limit);

    body = ngx_alloc(size, &op->pool->http->log);
    if (body == NULL) {
        return NGX_ERROR;
    }

    if (op->body != NULL) {
        ngx_memcpy(body, op->body, op->len);
        ngx_free(op->body);
    }

    op->body = body;
    op->size = size;

    return NGX_OK;
}


ngx_uint_t
ngx_mdm_http_easy_sent(ngx_mdm_http_op_t *op)
{
    curl_off_t  begun;

    return op->state == NGX_MDM_HTTP_RUNNING
           && curl_easy_getinfo(op->easy, CURLINFO_PRETRANSFER_TIME_T, &begun)
              == CURLE_OK
           && begun > 0;
}


void
ngx_mdm_http_easy_release(ngx_mdm_http_op_t *op)
{
    CURL                 *easy;
    ngx_mdm_http_pool_t  *pool;

    pool = op->pool;
    easy = op->easy;
    op->easy = NULL;

    /* these are the request's own */

    if (pool->nidle < pool->client->max
        && curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, NULL) == CURLE_OK
        && curl_easy_setopt(easy, CURLOPT_PRIVATE, NULL) == CURLE_OK)
    {
        pool->idle[pool->nidle++] = easy;
        return;
    }

    curl_easy_cleanup(easy);
}


mdm_http_e
ngx_mdm_http_easy_outcome(ngx_mdm_http_op_t *op, CURLcode code,
    ngx_str_t *reason)
{
    if (op->large || code == CURLE_FILESIZE_EXCEEDED) {
        (void) ngx_mdm_http_easy_answer(op, reason);

        ngx_str_set(reason, "the answer is too large");
        return MDM_HTTP_TOO_LARGE;
    }

    if (op->odd) {
        ngx_str_set(reason, "the headers of the answer are too large");
        return MDM_HTTP_ODD;
    }

    if (ngx_mdm_http_easy_proxied(op, code, reason)) {
        return MDM_HTTP_PROXY;
    }

    if (code == CURLE_OK) {
        return ngx_mdm_http_easy_answer(op, reason);
    }

    reason->data = (u_char *) ((op->error[0] != '\0')
                               ? op->error : curl_easy_strerror(code));
    reason->len = ngx_strlen(reason->data);

    return ngx_mdm_http_easy_failed(op, code);
}


static mdm_http_e
ngx_mdm_http_easy_answer(ngx_mdm_http_op_t *op, ngx_str_t *reason)
{
    long        status;
    curl_off_t  after;

    status = 0;
    after = 0;

    (void) curl_easy_getinfo(op->easy, CURLINFO_RESPONSE_CODE, &status);
    (void) curl_easy_getinfo(op->easy, CURLINFO_RETRY_AFTER, &after);

    if (status < 200) {
        ngx_str_set(reason, "the answer has no status");
        return MDM_HTTP_ODD;
    }

    ngx_str_null(reason);

    op->status = (ngx_uint_t) status;
    op->retry_after = (after > 0) ? ngx_min(after, NGX_MDM_HTTP_RETRY) : 0;

    return MDM_HTTP_ANSWERED;
}


/* 1: it is the proxy that refuses, or that speaks no HTTP */

static ngx_uint_t
ngx_mdm_http_easy_proxied(ngx_mdm_http_op_t *op, CURLcode code,
    ngx_str_t *reason)
{
    long  status;

    if (op->pool->client->proxy_host.len == 0) {
        return 0;
    }

    status = 0;

    (void) curl_easy_getinfo(op->easy,
                             op->plain ? CURLINFO_RESPONSE_CODE
                                       : CURLINFO_HTTP_CONNECTCODE,
                             &status);

    if (op->plain ? status == 407 : (code != CURLE_OK && status != 0
                                     && (status < 200 || status > 299)))
    {
        reason->data = op->text;
        reason->len = ngx_snprintf(op->text, NGX_MDM_HTTP_TEXT,
                                   "the proxy answers %l", status)
                      - op->text;
        return 1;
    }

    if (!op->plain && !op->secured && code != CURLE_OK && status == 0
        && op->connected)
    {
        ngx_str_set(reason, "the proxy gives no answer to CONNECT");
        return 1;
    }

    return 0;
}


static mdm_http_e
ngx_mdm_http_easy_failed(ngx_mdm_http_op_t *op, CURLcode code)
{
    switch (code) {

    case CURLE_OPERATION_TIMEDOUT:
        return ngx_mdm_http_easy_late(op);

    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return MDM_HTTP_RESOLVE;

    case CURLE_COULDNT_CONNECT:
    case CURLE_INTERFACE_FAILED:
        return MDM_HTTP_UNREACHABLE;

    case CURLE_PROXY:
        return MDM_HTTP_PROXY;

    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CLIENTCERT:
    case CURLE_USE_SSL_FAILED:
        return MDM_HTTP_TLS;

    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:

        /* TLS 1.3 refuses our certificate once all is said */

        return (ngx_strstr(op->error, " alert ") != NULL) ? MDM_HTTP_TLS
                                                           : MDM_HTTP_RESET;

    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_WRITE_ERROR:
        return MDM_HTTP_RESET;

    default:
        return MDM_HTTP_ODD;
    }
}


/* what has not come in time */

static mdm_http_e
ngx_mdm_http_easy_late(ngx_mdm_http_op_t *op)
{
    curl_off_t  named;

    if (op->secured || ngx_mdm_http_easy_sent(op)) {
        return MDM_HTTP_TIMEOUT;
    }

    named = 0;

    (void) curl_easy_getinfo(op->easy, CURLINFO_NAMELOOKUP_TIME_T, &named);

    return (named > 0) ? MDM_HTTP_UNREACHABLE : MDM_HTTP_RESOLVE;
}
