
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An nginx module for tests, which is loaded behind ngx_mdm_module: it makes
 * calls of kind http as an endpoint does.
 *
 *     mdm_call_client NAME=VALUE …;       http; a client of our own, whose
 *                                         number is 1, 2, …
 *     mdm_call;                           location
 *
 * A request to such a location says by its arguments what is called: url,
 * method (GET), client (0: that of http { }), timeout (ms), limit, size (bytes
 * of the body), h (a header, "name:value"), n (so many calls in a round).  The
 * answer is JSON, an object for each call.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "mdm_exchange.h"
#include "ngx_mdm_http.h"
#include "ngx_mdm_round.h"


#define CALL_CLIENTS  16
#define CALL_ROUND    64
#define CALL_SHOWN    64


typedef struct {
    ngx_http_request_t       *request;
    mdm_exchange_t           *exchange;
    ngx_mdm_round_t           round;
    ngx_uint_t                n;
    mdm_http_t                http;
    mdm_http_header_t         header;
} call_ctx_t;


static ngx_int_t call_reset(ngx_conf_t *cf);
static ngx_int_t call_init(ngx_conf_t *cf);
static char *call_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *call_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t call_handler(ngx_http_request_t *r);
static ngx_int_t call_text(ngx_http_request_t *r, const char *name,
    mdm_str_t *text);
static ngx_uint_t call_number(ngx_http_request_t *r, const char *name,
    ngx_uint_t initial);
static ngx_int_t call_request(ngx_http_request_t *r, call_ctx_t *ctx);
static mdm_int_t call_step(mdm_exchange_t *x);
static ngx_int_t call_run(call_ctx_t *ctx);
static void call_done(void *data);
static void call_cleanup(void *data);
static ngx_int_t call_send(call_ctx_t *ctx);
static u_char *call_json(u_char *p, u_char *last, mdm_http_t *http);


static ngx_mdm_http_client_t  *call_clients[CALL_CLIENTS];
static ngx_uint_t              call_nclients;
static mdm_settings_t          call_settings;


static ngx_command_t  call_commands[] = {

    { ngx_string("mdm_call_client"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_ANY,
      call_client,
      0,
      0,
      NULL },

    { ngx_string("mdm_call"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      call_set,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  call_module_ctx = {
    call_reset, call_init, NULL, NULL, NULL, NULL, NULL, NULL
};


ngx_module_t  ngx_mdm_call_module = {
    NGX_MODULE_V1,
    &call_module_ctx,
    call_commands,
    NGX_HTTP_MODULE,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NGX_MODULE_V1_PADDING
};


/* what nginx looks for in a module that it loads */

extern ngx_module_t *ngx_modules[];
extern char *ngx_module_names[];
extern char *ngx_module_order[];

ngx_module_t  *ngx_modules[] = { &ngx_mdm_call_module, NULL };
char  *ngx_module_names[] = { (char *) "ngx_mdm_call_module", NULL };
char  *ngx_module_order[] = { NULL };


static char *
call_client(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char                 *p;
    ngx_str_t              *value, text;
    ngx_uint_t              i, k;
    ngx_mdm_http_client_t  *client;

    static const struct {
        const char  *name;
        size_t       offset;
    } texts[] = {
        { "trusted_certificate",
          offsetof(ngx_mdm_http_client_t, trusted_certificate) },
        { "certificate", offsetof(ngx_mdm_http_client_t, certificate) },
        { "key", offsetof(ngx_mdm_http_client_t, certificate_key) },
        { "proxy", offsetof(ngx_mdm_http_client_t, proxy) },
        { "proxy_auth_file",
          offsetof(ngx_mdm_http_client_t, proxy_auth_file) }
    };

    client = ngx_mdm_http_client_create(cf);

    if (client == NULL || call_nclients == CALL_CLIENTS) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        p = (u_char *) ngx_strchr(value[i].data, '=');

        if (p == NULL) {
            return "has a parameter without a value";
        }

        *p++ = '\0';
        text.data = p;
        text.len = ngx_strlen(p);

        if (ngx_strcmp(value[i].data, "max") == 0) {
            client->max = (ngx_uint_t) ngx_atoi(text.data, text.len);

        } else if (ngx_strcmp(value[i].data, "timeout") == 0) {
            client->timeout = (ngx_msec_t) ngx_parse_time(&text, 0);
        }

        for (k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {

            if (ngx_strcmp(value[i].data, texts[k].name) == 0) {
                *(ngx_str_t *) ((u_char *) client + texts[k].offset) = text;
            }
        }
    }

    call_clients[call_nclients++] = client;

    return NGX_CONF_OK;
}


/* the master reads its configuration again and again */

static ngx_int_t
call_reset(ngx_conf_t *cf)
{
    call_nclients = 0;

    return NGX_OK;
}


static ngx_int_t
call_init(ngx_conf_t *cf)
{
    ngx_uint_t  i;

    for (i = 0; i < call_nclients; i++) {

        if (ngx_mdm_http_client_init(cf, call_clients[i], NULL)
            != NGX_CONF_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static char *
call_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = call_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
call_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    call_ctx_t          *ctx;
    ngx_pool_cleanup_t  *cln;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(call_ctx_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (ctx == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->exchange = mdm_exchange_create(&call_settings);

    if (ctx->exchange == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = call_cleanup;
    cln->data = ctx;

    if (call_request(r, ctx) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    ctx->exchange->step = call_step;
    ctx->exchange->ctx = ctx;

    ctx->round.exchange = ctx->exchange;
    ctx->round.done = call_done;
    ctx->round.data = ctx;

    if (call_run(ctx) == NGX_DONE) {
        r->main->count++;
        r->read_event_handler = ngx_http_test_reading;
        return NGX_DONE;
    }

    return call_send(ctx);
}


static ngx_int_t
call_text(ngx_http_request_t *r, const char *name, mdm_str_t *text)
{
    u_char     *dst, *src;
    ngx_str_t   value;

    mdm_str_null(text);

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return NGX_DECLINED;
    }

    src = value.data;
    dst = ngx_pnalloc(r->pool, value.len + 1);

    if (dst == NULL) {
        return NGX_ERROR;
    }

    text->data = dst;
    ngx_unescape_uri(&dst, &src, value.len, 0);
    text->len = (size_t) (dst - text->data);

    return NGX_OK;
}


static ngx_uint_t
call_number(ngx_http_request_t *r, const char *name, ngx_uint_t initial)
{
    ngx_str_t  value;

    return (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value)
            == NGX_OK)
           ? (ngx_uint_t) ngx_atoi(value.data, value.len) : initial;
}


static ngx_int_t
call_request(ngx_http_request_t *r, call_ctx_t *ctx)
{
    u_char      *p;
    mdm_str_t    h;
    ngx_uint_t   client;
    mdm_http_t  *http;

    http = &ctx->http;

    if (call_text(r, "url", &http->url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call_text(r, "method", &http->method) != NGX_OK) {
        mdm_str_set(&http->method, "GET");
    }

    client = call_number(r, "client", 0);

    if (client > call_nclients) {
        return NGX_ERROR;
    }

    http->client = (client != 0) ? call_clients[client - 1] : NULL;
    http->timeout = call_number(r, "timeout", 0);
    http->limit = call_number(r, "limit", 0);
    http->body.len = call_number(r, "size", 0);

    if (http->body.len != 0) {
        http->body.data = ngx_pnalloc(r->pool, http->body.len);

        if (http->body.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memset(http->body.data, 'b', http->body.len);
    }

    ctx->n = ngx_min(call_number(r, "n", 1), CALL_ROUND);

    if (call_text(r, "h", &h) == NGX_OK) {
        p = ngx_strlchr(h.data, h.data + h.len, ':');

        if (p == NULL) {
            return NGX_ERROR;
        }

        ctx->header.name.data = h.data;
        ctx->header.name.len = (size_t) (p - h.data);
        ctx->header.value.data = p + 1;
        ctx->header.value.len = h.len - ctx->header.name.len - 1;

        http->headers = &ctx->header;
        http->nheaders = 1;
    }

    return NGX_OK;
}


static mdm_int_t
call_step(mdm_exchange_t *x)
{
    call_ctx_t  *ctx;
    mdm_http_t  *http;
    ngx_uint_t   i;

    ctx = x->ctx;

    if (x->state != 0) {
        return MDM_DONE;
    }

    if (mdm_exchange_calls(x, ctx->n, 1) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < ctx->n; i++) {
        http = mdm_exchange_http(x, i);

        if (http == NULL) {
            return MDM_ERROR;
        }

        *http = ctx->http;
    }

    return MDM_CALL;
}


static ngx_int_t
call_run(call_ctx_t *ctx)
{
    while (mdm_exchange_run(ctx->exchange) == MDM_CALL) {

        if (ngx_mdm_round_send(&ctx->round) != 0) {
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


static void
call_done(void *data)
{
    call_ctx_t *ctx = data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    if (call_run(ctx) != NGX_DONE) {
        ngx_http_finalize_request(r, call_send(ctx));
        ngx_http_run_posted_requests(c);
    }
}


static void
call_cleanup(void *data)
{
    call_ctx_t *ctx = data;

    ngx_mdm_round_abandon(&ctx->round);
    mdm_arena_destroy(ctx->exchange->arena);
}


static ngx_int_t
call_send(call_ctx_t *ctx)
{
    u_char              *p, *last;
    ngx_buf_t           *b;
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = ctx->request;

    b = ngx_create_temp_buf(r->pool, ctx->n * 1024 + 2);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    p = b->pos;
    last = b->end;

    for (i = 0; i < ctx->n; i++) {
        *p++ = (i == 0) ? '[' : ',';
        p = call_json(p, last, ctx->exchange->calls[i].http);
    }

    *p++ = ']';

    b->last = p;
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = p - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/json");

    rc = ngx_http_send_header(r);

    return (rc == NGX_ERROR || rc > NGX_OK) ? rc
                                            : ngx_http_output_filter(r, &out);
}


static u_char *
call_json(u_char *p, u_char *last, mdm_http_t *http)
{
    size_t  i;

    static const char  *names[] = {
        "off", "answered", "timeout", "unreachable", "resolve", "tls",
        "proxy", "reset", "too large", "odd", "busy"
    };

    p = ngx_slprintf(p, last, "{\"outcome\":\"%s\",\"status\":%ui,"
                     "\"retry_after\":%L,\"bytes\":%uz,\"ms\":%ui,"
                     "\"reason\":\"", names[http->outcome],
                     (ngx_uint_t) http->status, http->retry_after,
                     http->answer.len, (ngx_uint_t) http->ms);

    for (i = 0; i < http->reason.len; i++) {

        if (http->reason.data[i] == '"' || http->reason.data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = http->reason.data[i];
    }

    p = ngx_slprintf(p, last, "\",\"answer\":\"");

    for (i = 0; i < http->answer.len && i < CALL_SHOWN; i++) {

        if (http->answer.data[i] == '"' || http->answer.data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = http->answer.data[i];
    }

    return ngx_slprintf(p, last, "\"}");
}
