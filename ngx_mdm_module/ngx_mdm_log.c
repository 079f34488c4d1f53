
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * What the error log is told of requests, written so that it is safe to read.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "ngx_mdm_log.h"


/* milliseconds between two lines about stray requests */
#define NGX_MDM_LOG_STRAY     60000

/* seconds between two lines of MDM_LOG_ALERT_RARE */
#define NGX_MDM_LOG_RARE      60

#define NGX_MDM_LOG_INVALID   0xffffffff


/* of this worker */

typedef struct {
    ngx_uint_t                count;       /* not told yet */
    time_t                    since;       /* of the last line */
    ngx_event_t               timer;       /* set: a line was written */
    ngx_connection_t          dumb;        /* for the timer's debug line */
} ngx_mdm_log_stray_t;


typedef struct {
    uint32_t                  first;
    uint32_t                  last;
} ngx_mdm_log_range_t;


static ngx_uint_t ngx_mdm_log_again(void);
static void ngx_mdm_log_stray(ngx_log_t *log);
static void ngx_mdm_log_stray_handler(ngx_event_t *ev);
static void ngx_mdm_log_stray_line(ngx_log_t *log);
static ngx_uint_t ngx_mdm_log_plain(u_char *p, u_char *end, size_t *len);
static uint32_t ngx_mdm_log_decode(u_char *p, u_char *end, size_t *len);


/*
 * Characters that a terminal or an editor does not show, or that change how
 * the rest of a line is shown: controls, those of the direction of text, of
 * no width, line and paragraph separators, tags.
 */

static const ngx_mdm_log_range_t  ngx_mdm_log_hidden[] = {
    { 0x0000, 0x001f },
    { 0x007f, 0x009f },
    { 0x00ad, 0x00ad },
    { 0x061c, 0x061c },
    { 0x180e, 0x180e },
    { 0x200b, 0x200f },
    { 0x2028, 0x202e },
    { 0x2060, 0x206f },
    { 0xfeff, 0xfeff },
    { 0xfff9, 0xfffb },
    { 0xe0000, 0xe007f }
};


static ngx_mdm_log_stray_t  ngx_mdm_stray;


void
ngx_mdm_log_exchange(ngx_mdm_ctx_t *ctx)
{
    ngx_log_t       *log;
    ngx_str_t        text, id;
    ngx_uint_t       level, stray;
    ngx_pool_t      *pool;
    mdm_log_t       *line;
    mdm_exchange_t  *x;

    x = ctx->exchange;
    log = ctx->request->connection->log;
    pool = ctx->request->pool;

    static const ngx_uint_t  levels[] = {
        NGX_LOG_INFO, NGX_LOG_NOTICE, NGX_LOG_WARN, NGX_LOG_ERR,
        NGX_LOG_ALERT, NGX_LOG_ALERT
    };

    for (line = x->log; line != NULL; line = line->next) {

        if (line->level == MDM_LOG_ALERT_RARE && ngx_mdm_log_again()) {
            continue;
        }

        text = ngx_mdm_printable(pool, (ngx_str_t *) &line->text, 0);

        ngx_log_error(levels[line->level], log, 0, "%V", &text);
    }

    x->log = NULL;
    x->last_log = &x->log;

    if (x->error.len == 0) {
        return;
    }

    /*
     * The operator must see why a device was refused.  An API client was told
     * what it did wrong, and the log says once that Redis is away.  Requests
     * without a certificate can come from anybody, in any number.
     */

    level = NGX_LOG_WARN;
    stray = 0;

    if (x->status == 503 || (x->kind == MDM_KIND_API && x->status < 500)) {
        level = NGX_LOG_INFO;

    } else if (x->status >= 500) {
        level = NGX_LOG_ERR;

    } else if (x->identity.source == MDM_IDENTITY_NONE) {
        level = NGX_LOG_INFO;
        stray = 1;
    }

    text = ngx_mdm_printable(pool, (ngx_str_t *) &x->error, 0);

    if (x->enrollment_id.len != 0) {
        id = ngx_mdm_printable(pool, (ngx_str_t *) &x->enrollment_id, 1);

        ngx_log_error(level, log, 0, "mdm %s%V of \"%V\" is answered %ui: %V",
                      (x->message.len == 0) ? "message" : "",
                      (ngx_str_t *) &x->message, &id, x->status, &text);

    } else {
        ngx_log_error(level, log, 0, "mdm request is answered %ui: %V",
                      x->status, &text);
    }

    if (stray) {
        ngx_mdm_log_stray(log);
    }
}


/* 1: this worker logged such a line less than a minute ago */

static ngx_uint_t
ngx_mdm_log_again(void)
{
    static time_t      next;
    static ngx_uint_t  held;

    if (ngx_time() < next) {
        held++;
        return 1;
    }

    if (held != 0) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, 0,
                      "%ui more lines such as the next one were left out",
                      held);
        held = 0;
    }

    next = ngx_time() + NGX_MDM_LOG_RARE;

    return 0;
}


/* the first one is told at once, those of the minute after it by number */

static void
ngx_mdm_log_stray(ngx_log_t *log)
{
    ngx_event_t  *ev;

    ngx_mdm_stray.count++;

    ev = &ngx_mdm_stray.timer;

    if (ev->timer_set) {
        return;
    }

    if (ngx_mdm_stray.since != 0
        && ngx_time() - ngx_mdm_stray.since < NGX_MDM_LOG_STRAY / 1000)
    {
        return;
    }

    ngx_mdm_log_stray_line(log);

    ngx_mdm_stray.dumb.fd = (ngx_socket_t) -1;

    ev->handler = ngx_mdm_log_stray_handler;
    ev->data = &ngx_mdm_stray.dumb;
    ev->log = ngx_cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_MDM_LOG_STRAY);
}


static void
ngx_mdm_log_stray_handler(ngx_event_t *ev)
{
    if (ngx_mdm_stray.count == 0) {
        return;
    }

    ngx_mdm_log_stray_line(ev->log);

    ngx_add_timer(ev, NGX_MDM_LOG_STRAY);
}


static void
ngx_mdm_log_stray_line(ngx_log_t *log)
{
    ngx_log_error(NGX_LOG_WARN, log, 0,
                  "mdm: %ui request%s without a device's certificate "
                  "%s refused, see the lines of level info",
                  ngx_mdm_stray.count, (ngx_mdm_stray.count == 1) ? "" : "s",
                  (ngx_mdm_stray.count == 1) ? "was" : "were");

    ngx_mdm_stray.count = 0;
    ngx_mdm_stray.since = ngx_time();
}


void
ngx_mdm_log_exit_process(ngx_cycle_t *cycle)
{
    if (ngx_mdm_stray.count != 0) {
        ngx_mdm_log_stray_line(cycle->log);
    }

    if (ngx_mdm_stray.timer.timer_set) {
        ngx_del_timer(&ngx_mdm_stray.timer);
    }
}


ngx_str_t
ngx_mdm_printable(ngx_pool_t *pool, ngx_str_t *src, ngx_uint_t quote)
{
    size_t      len;
    u_char     *p, *end, *dst;
    ngx_str_t   text;

    dst = NULL;
    end = src->data + src->len;

    for (p = src->data; p < end; p += len) {

        if (ngx_mdm_log_plain(p, end, &len)
            && !(quote && (*p == '"' || *p == '\\')))
        {
            if (dst != NULL) {
                dst = ngx_cpymem(dst, p, len);
            }

            continue;
        }

        if (dst == NULL) {
            text.data = ngx_pnalloc(pool, 4 * src->len);
            if (text.data == NULL) {
                ngx_str_set(&text, "no memory");
                return text;
            }

            dst = ngx_cpymem(text.data, src->data, p - src->data);
        }

        for ( /* void */ ; len != 0; len--) {
            dst = ngx_sprintf(dst, "\\x%02xd", (int) *p++);
        }
    }

    if (dst == NULL) {
        return *src;
    }

    text.len = dst - text.data;

    return text;
}


/* 1: the character of *len bytes at p may stand in a log as it is */

static ngx_uint_t
ngx_mdm_log_plain(u_char *p, u_char *end, size_t *len)
{
    uint32_t    c;
    ngx_uint_t  i;

    if (*p >= 0x20 && *p < 0x7f) {
        *len = 1;
        return 1;
    }

    c = ngx_mdm_log_decode(p, end, len);

    if (c == NGX_MDM_LOG_INVALID) {
        return 0;
    }

    for (i = 0;
         i < sizeof(ngx_mdm_log_hidden) / sizeof(ngx_mdm_log_range_t);
         i++)
    {
        if (c >= ngx_mdm_log_hidden[i].first
            && c <= ngx_mdm_log_hidden[i].last)
        {
            return 0;
        }
    }

    return 1;
}


/*
 * One character of UTF-8 (RFC 3629), or NGX_MDM_LOG_INVALID with a length of
 * 1.  ngx_utf8_decode() is not strict: it lets surrogates pass, and bytes that
 * do not continue a character.
 */

static uint32_t
ngx_mdm_log_decode(u_char *p, u_char *end, size_t *len)
{
    size_t    i, n;
    uint32_t  c, min;

    *len = 1;
    c = *p;

    if (c < 0x80) {
        return c;
    }

    if (c >= 0xc0 && c < 0xe0) {
        n = 2;
        c &= 0x1f;
        min = 0x80;

    } else if (c >= 0xe0 && c < 0xf0) {
        n = 3;
        c &= 0x0f;
        min = 0x800;

    } else if (c >= 0xf0 && c < 0xf8) {
        n = 4;
        c &= 0x07;
        min = 0x10000;

    } else {
        return NGX_MDM_LOG_INVALID;
    }

    if ((size_t) (end - p) < n) {
        return NGX_MDM_LOG_INVALID;
    }

    for (i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return NGX_MDM_LOG_INVALID;
        }

        c = (c << 6) | (p[i] & 0x3f);
    }

    if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) {
        return NGX_MDM_LOG_INVALID;
    }

    *len = n;

    return c;
}
