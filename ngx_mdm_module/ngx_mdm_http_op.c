
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An HTTP request on its way, and how its caller is told of its end.
 */


#include "ngx_mdm_http_pool.h"


/* bytes of a URL */
#define NGX_MDM_HTTP_URL      8192


static const char *ngx_mdm_http_op_check(mdm_http_t *http);
static ngx_uint_t ngx_mdm_http_is_token(mdm_str_t *s);
static ngx_uint_t ngx_mdm_http_is_value(mdm_str_t *s);
static const char *ngx_mdm_http_op_url(ngx_mdm_http_pool_t *pool,
    mdm_str_t *text);
static const char *ngx_mdm_http_op_parse(const char *text,
    ngx_mdm_http_url_t *url);
static const char *ngx_mdm_http_op_parts(CURLU *u, const char *text,
    ngx_mdm_http_url_t *url);
static ngx_mdm_http_op_t *ngx_mdm_http_op_alloc(ngx_mdm_http_pool_t *pool);
static ngx_uint_t ngx_mdm_http_named(ngx_str_t *host);


ngx_mdm_http_op_t *
ngx_mdm_http_op_create(ngx_mdm_http_pool_t *pool, mdm_call_t *call,
    ngx_str_t *reason)
{
    const char         *text;
    mdm_http_t         *http;
    ngx_mdm_http_op_t  *op;

    http = call->http;

    ngx_str_null(reason);

    text = ngx_mdm_http_op_check(http);

    if (text == NULL) {
        text = ngx_mdm_http_op_url(pool, &http->url);
    }

    if (text != NULL) {
        reason->data = (u_char *) text;
        reason->len = ngx_strlen(text);
        return NULL;
    }

    op = ngx_mdm_http_op_alloc(pool);
    if (op == NULL) {
        return NULL;
    }

    op->call = call;
    op->called = ngx_current_msec;
    op->timeout = (http->timeout != 0) ? (ngx_msec_t) http->timeout
                                       : pool->client->timeout;
    op->limit = (http->limit != 0)
                ? ngx_min(http->limit, MDM_HTTP_LIMIT_MAX) : MDM_HTTP_LIMIT;

    pool->http->pending++;

    return op;
}


/* nothing may end a line of the request before its time; NULL: it is well */

static const char *
ngx_mdm_http_op_check(mdm_http_t *http)
{
    mdm_str_t    s;
    mdm_uint_t   i;

    s = http->method;

    if (!ngx_mdm_http_is_token(&s)) {
        return "the method is none";
    }

    for (i = 0; i < http->nheaders; i++) {
        s = http->headers[i].name;

        if (!ngx_mdm_http_is_token(&s)) {
            return "the name of a header is none";
        }

        s = http->headers[i].value;

        if (!ngx_mdm_http_is_value(&s)) {
            return "the value of a header is none";
        }
    }

    return NULL;
}


/* RFC 9110, 5.6.2 */

static ngx_uint_t
ngx_mdm_http_is_token(mdm_str_t *s)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < s->len; i++) {
        ch = s->data[i];

        if (ch <= 0x20 || ch >= 0x7f
            || ngx_strchr("\"(),/:;<=>?@[\\]{}", ch) != NULL)
        {
            return 0;
        }
    }

    return s->len != 0;
}


static ngx_uint_t
ngx_mdm_http_is_value(mdm_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {

        if ((s->data[i] < 0x20 && s->data[i] != '\t') || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


/*
 * Most requests of a client go where the last one went.  NULL: it is well; an
 * empty text: there is no memory.
 */

static const char *
ngx_mdm_http_op_url(ngx_mdm_http_pool_t *pool, mdm_str_t *text)
{
    u_char      *copy;
    size_t       i;
    const char  *why;

    if (text->len != 0 && text->len == pool->url.text.len
        && ngx_memcmp(text->data, pool->url.text.data, text->len) == 0)
    {
        return NULL;
    }

    if (text->len == 0 || text->len > NGX_MDM_HTTP_URL) {
        return "the URL is too long, or there is none";
    }

    for (i = 0; i < text->len; i++) {

        if (text->data[i] <= 0x20 || text->data[i] >= 0x7f) {
            return "the URL has a space, or what is no ASCII";
        }
    }

    copy = ngx_alloc(text->len + 1, &pool->http->log);
    if (copy == NULL) {
        return "";
    }

    *ngx_cpymem(copy, text->data, text->len) = '\0';

    ngx_mdm_http_op_forget_url(pool);

    why = ngx_mdm_http_op_parse((char *) copy, &pool->url);

    if (why != NULL) {
        ngx_free(copy);
        return why;
    }

    pool->url.text.data = copy;
    pool->url.text.len = text->len;

    return NULL;
}


void
ngx_mdm_http_op_forget_url(ngx_mdm_http_pool_t *pool)
{
    if (pool->url.text.data != NULL) {
        ngx_free(pool->url.text.data);
    }

    ngx_str_null(&pool->url.text);
}


/* the same */

static const char *
ngx_mdm_http_op_parse(const char *text, ngx_mdm_http_url_t *url)
{
    CURLU       *u;
    const char  *why;

    if (ngx_strncasecmp((u_char *) text, (u_char *) "https://", 8) == 0) {
        url->plain = 0;

    } else if (ngx_strncasecmp((u_char *) text, (u_char *) "http://", 7) == 0) {
        url->plain = 1;

    } else {
        return "the URL is neither https: nor http:";
    }

    u = curl_url();
    if (u == NULL) {
        return "";
    }

    why = ngx_mdm_http_op_parts(u, text, url);

    curl_url_cleanup(u);

    return why;
}


static const char *
ngx_mdm_http_op_parts(CURLU *u, const char *text, ngx_mdm_http_url_t *url)
{
    char       *host, *port;
    ngx_int_t   n;

    host = NULL;
    port = NULL;
    n = NGX_ERROR;

    if (curl_url_set(u, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK
        && curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK
        && curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT)
           == CURLUE_OK
        && ngx_strlen(host) <= NGX_MDM_HTTP_HOST)
    {
        n = ngx_atoi((u_char *) port, ngx_strlen(port));
    }

    if (n > 0 && n <= 65535) {
        url->len = ngx_strlen(host);
        url->port = (in_port_t) n;

        ngx_memcpy(url->host, host, url->len + 1);
    }

    curl_free(host);
    curl_free(port);

    return (n > 0 && n <= 65535) ? NULL
                                 : "the URL is none, or it names a user";
}


/* it goes to pool->url */

static ngx_mdm_http_op_t *
ngx_mdm_http_op_alloc(ngx_mdm_http_pool_t *pool)
{
    u_char                 *p;
    ngx_mdm_http_op_t      *op;
    ngx_mdm_http_url_t     *url;
    ngx_mdm_http_client_t  *client;

    client = pool->client;
    url = &pool->url;

    op = ngx_alloc(sizeof(ngx_mdm_http_op_t) + url->text.len + 1
                   + url->len + 1
                   + sizeof("https://:65535") + url->len,
                   &pool->http->log);
    if (op == NULL) {
        return NULL;
    }

    ngx_memzero(op, sizeof(ngx_mdm_http_op_t));

    op->pool = pool;
    op->plain = url->plain;

    p = (u_char *) op + sizeof(ngx_mdm_http_op_t);

    op->url = (char *) p;
    p = ngx_cpymem(p, url->text.data, url->text.len + 1);

    if (client->proxy_host.len != 0) {
        op->host = client->proxy_host;
        op->port = client->proxy_port;

    } else {
        op->host.data = p;
        op->host.len = url->len;
        op->port = url->port;
        p = ngx_cpymem(p, url->host, url->len + 1);
    }

    op->named = ngx_mdm_http_named(&op->host);

    op->site.data = p;
    op->site.len = ngx_sprintf(p, "%s://%s:%ui", url->plain ? "http" : "https",
                               url->host, (ngx_uint_t) url->port)
                   - p;

    return op;
}


/* libcurl knows where localhost is, as browsers do */

static ngx_uint_t
ngx_mdm_http_named(ngx_str_t *host)
{
    u_char           *p;
    struct in6_addr   in6;

    p = host->data + host->len - ngx_min(host->len, sizeof("localhost") - 1);

    if (host->data[0] == '['
        || (ngx_strcasecmp(p, (u_char *) "localhost") == 0
            && (p == host->data || p[-1] == '.')))
    {
        return 0;
    }

    return ngx_inet_addr(host->data, host->len) == INADDR_NONE
           && ngx_inet6_addr(host->data, host->len, in6.s6_addr) != NGX_OK;
}


void
ngx_mdm_http_op_free(ngx_mdm_http_op_t *op)
{
    curl_slist_free_all(op->headers);
    curl_slist_free_all(op->addrs);

    if (op->body != NULL) {
        ngx_free(op->body);
    }

    op->pool->http->pending--;

    ngx_free(op);
}


void
ngx_mdm_http_op_end(ngx_mdm_http_op_t *op, mdm_http_e outcome,
    ngx_str_t *reason)
{
    size_t  i;

    op->outcome = outcome;
    op->reason = ngx_min(reason->len, NGX_MDM_HTTP_TEXT);

    for (i = 0; i < op->reason; i++) {
        op->text[i] = (reason->data[i] < 0x20 || reason->data[i] >= 0x7f)
                      ? '?' : reason->data[i];
    }

    ngx_log_debug5(NGX_LOG_DEBUG_EVENT, &op->pool->http->log, 0,
                   "mdm http ended: %V outcome:%d status:%ui bytes:%uz ms:%M",
                   &op->site, (int) outcome, op->status, op->len,
                   ngx_current_msec - op->called);
}


void
ngx_mdm_http_op_deliver(ngx_mdm_http_op_t *op)
{
    mdm_str_t                 text, body;
    mdm_call_t               *call;
    mdm_http_t               *http;
    mdm_arena_t              *arena;
    void                     *data;
    ngx_mdm_http_handler_pt   handler;

    call = op->call;
    http = call->http;
    handler = op->handler;
    data = op->data;

    arena = mdm_arena_create(1024);

    text.data = op->text;
    text.len = op->reason;

    body.data = op->body;
    body.len = (op->outcome == MDM_HTTP_ANSWERED) ? op->len : 0;

    call->rc = MDM_CALL_OK;
    call->reply = NULL;
    call->reply_arena = arena;

    http->outcome = op->outcome;
    http->status = op->status;
    http->retry_after = op->retry_after;
    http->ms = ngx_current_msec - op->called;

    if (arena == NULL
        || mdm_str_dup(arena, &http->reason, &text) != MDM_OK
        || mdm_str_dup(arena, &http->answer, &body) != MDM_OK)
    {
        mdm_exchange_http_lost(call);
    }

    ngx_mdm_http_op_free(op);

    handler(call, data);
}
