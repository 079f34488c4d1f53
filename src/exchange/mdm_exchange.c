
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Runs the steps of an exchange, and what they build calls and answers with.
 */


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/rand.h>

#include "mdm_exchange.h"
#include "mdm_webhook.h"
#include "mdm_json_write.h"


#define MDM_EXCHANGE_ARENA    3072
#define MDM_WORK_ARENA        1024
#define MDM_ERROR_MAX         512
#define MDM_ACTOR_MAX         255   /* bytes of "who" that are kept */

#define MDM_RETRY_AFTER_MIN   5     /* seconds */
#define MDM_RETRY_AFTER_SPAN  16


struct mdm_frame_s {
    mdm_step_pt               step;
    mdm_int_t                 state;
    void                     *ctx;
    mdm_frame_t              *next;
};


static mdm_int_t mdm_exchange_failed(mdm_exchange_t *x,
    const mdm_arena_t *arena);
static mdm_int_t mdm_exchange_limit(mdm_exchange_t *x);
static mdm_int_t mdm_exchange_behind(mdm_exchange_t *x);
static mdm_int_t mdm_exchange_end(mdm_exchange_t *x);
static mdm_int_t mdm_exchange_actor_clean(mdm_exchange_t *x, mdm_str_t *dst,
    const mdm_str_t *src);
static void mdm_exchange_work_free(void *data);
static mdm_int_t mdm_exchange_later(mdm_exchange_t *x, const char *why);
static void mdm_exchange_destroy(void *data);
static mdm_int_t mdm_exchange_error_body(mdm_exchange_t *x);
static mdm_int_t mdm_exchange_error_line(mdm_exchange_t *x);
static void mdm_format(mdm_arena_t *arena, mdm_str_t *dst, const char *fmt,
    va_list args);


mdm_exchange_t *
mdm_exchange_create(const mdm_settings_t *settings)
{
    return mdm_exchange_create_from(NULL, settings);
}


mdm_exchange_t *
mdm_exchange_create_from(mdm_arena_pool_t *pool,
    const mdm_settings_t *settings)
{
    mdm_arena_t     *arena;
    mdm_exchange_t  *x;

    arena = (pool != NULL) ? mdm_arena_create_from(pool, MDM_EXCHANGE_ARENA)
                           : mdm_arena_create(MDM_EXCHANGE_ARENA);
    if (arena == NULL) {
        return NULL;
    }

    x = mdm_arena_zalloc(arena, sizeof(mdm_exchange_t));
    if (x == NULL) {
        mdm_arena_destroy(arena);
        return NULL;
    }

    x->arena = arena;
    x->settings = settings;
    x->last_log = &x->log;

    return x;
}


mdm_int_t
mdm_exchange_step(mdm_exchange_t *x)
{
    mdm_int_t   rc;
    mdm_uint_t  i;

    if (x->ncalls != 0 && !x->own_failures) {

        for (i = 0; i < x->ncalls; i++) {

            if (x->calls[i].rc == MDM_CALL_UNAVAILABLE) {
                return (x->calls[i].kind == MDM_CALL_KIND_WORK)
                       ? mdm_exchange_busy(x) : mdm_exchange_unavailable(x);
            }

            if (x->calls[i].rc != MDM_CALL_OK) {

                if (x->calls[i].kind == MDM_CALL_KIND_WORK) {
                    return mdm_exchange_failed(x, x->calls[i].arena);
                }

                x->failure = MDM_FAILURE_SCRIPT;

                return mdm_exchange_refuse(x, 500, "the script \"%.*s\" "
                                           "failed",
                                           mdm_fmt(&x->calls[i].script->name));
            }
        }
    }

    x->heavy = 0;

    rc = x->step(x);

    if (rc == MDM_DONE && x->behind != NULL) {
        return mdm_exchange_behind(x);
    }

    if (rc == MDM_CALL || rc == MDM_DONE) {
        return rc;
    }

    return mdm_exchange_failed(x, x->arena);
}


const mdm_secret_keys_t *
mdm_exchange_secrets(const mdm_exchange_t *x)
{
    return x->away ? x->secrets : x->settings->store->secrets;
}


static mdm_int_t
mdm_exchange_failed(mdm_exchange_t *x, const mdm_arena_t *arena)
{
    const char  *what;

    x->failure = mdm_arena_failure(arena, &what);

    if (x->failure == MDM_FAILURE_MEMORY) {
        return mdm_exchange_refuse(x, 500, "out of memory");
    }

    x->failure = MDM_FAILURE_LIBRARY;

    return mdm_exchange_refuse(x, 500, "a library failed%s%s%s",
                               (what != NULL) ? ": " : "",
                               (what != NULL) ? what : "",
                               (what != NULL) ? "()" : "");
}


/* the response is there: failures from here on matter to the log only */

static mdm_int_t
mdm_exchange_behind(mdm_exchange_t *x)
{
    mdm_step_pt  step;

    step = x->behind;

    x->behind = NULL;
    x->frames = NULL;
    x->step = mdm_exchange_end;

    return (mdm_exchange_enter(x, step, x->ctx, 0) == MDM_CALL) ? MDM_CALL
                                                                : MDM_DONE;
}


static mdm_int_t
mdm_exchange_end(mdm_exchange_t *x)
{
    (void) x;

    return MDM_DONE;
}


mdm_int_t
mdm_exchange_enter(mdm_exchange_t *x, mdm_step_pt step, void *ctx,
    mdm_int_t state)
{
    mdm_frame_t  *frame;

    frame = mdm_arena_alloc(x->arena, sizeof(mdm_frame_t));
    if (frame == NULL) {
        return MDM_ERROR;
    }

    frame->step = x->step;
    frame->state = state;
    frame->ctx = x->ctx;
    frame->next = x->frames;

    x->frames = frame;
    x->step = step;
    x->state = 0;
    x->ctx = ctx;

    return step(x);
}


mdm_int_t
mdm_exchange_leave(mdm_exchange_t *x)
{
    mdm_frame_t  *frame;

    frame = x->frames;

    x->frames = frame->next;
    x->step = frame->step;
    x->state = frame->state;
    x->ctx = frame->ctx;

    return x->step(x);
}


mdm_int_t
mdm_exchange_calls(mdm_exchange_t *x, mdm_uint_t n, mdm_int_t state)
{
    x->calls = mdm_arena_zalloc(x->arena, n * sizeof(mdm_call_t));
    if (x->calls == NULL) {
        return MDM_ERROR;
    }

    x->ncalls = n;
    x->state = state;
    x->own_failures = 0;

    return MDM_CALL;
}


mdm_str_t *
mdm_exchange_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_script_t *script,
    const mdm_str_t *key, mdm_uint_t more)
{
    mdm_call_t  *call;

    if (more > script->most - script->nargs) {
        return NULL;
    }

    call = &x->calls[i];

    x->owes |= (script->owes != 0);

    call->script = script;
    call->key = *key;
    call->nargs = script->nargs + more;

    call->args = mdm_arena_zalloc(x->arena, call->nargs * sizeof(mdm_str_t));
    if (call->args == NULL) {
        return NULL;
    }

    if (script->events) {

        if (mdm_exchange_actor(x) != MDM_OK) {
            return NULL;
        }

        memcpy(call->args, x->actor, sizeof(x->actor));

        if (x->consumers && mdm_exchange_event_tag(x, key) != MDM_OK) {
            return NULL;
        }
    }

    return call->args;
}


mdm_int_t
mdm_exchange_actor(mdm_exchange_t *x)
{
    if (x->actor[MDM_ARG_LIMIT].len != 0) {
        return MDM_OK;
    }

    /* a device's event names the device */

    if ((x->kind == MDM_KIND_API || x->kind == MDM_KIND_ENROLL)
        && (mdm_exchange_actor_clean(x, &x->actor[MDM_ARG_WHO],
                                     (x->kind == MDM_KIND_API)
                                     ? &x->remote_user : &x->person)
            != MDM_OK
            || mdm_exchange_actor_clean(x, &x->actor[MDM_ARG_ADDRESS],
                                        &x->remote_addr)
               != MDM_OK))
    {
        return MDM_ERROR;
    }

    return mdm_exchange_limit(x);
}


/*
 * How many events are kept, whether somebody gets each of them, whether pushes
 * are owed, and with what arguments the device has asked: see src/lua/_event.
 */

static mdm_int_t
mdm_exchange_limit(mdm_exchange_t *x)
{
    mdm_str_t  window, params;

    mdm_str_set(&window, "");
    mdm_str_set(&params, "");

    x->consumers = (mdm_webhook_consumers(x->settings, &x->tenant) != 0);

    if (x->settings->push) {

        mdm_str_set(&window, "-");

        if (!x->nopush
            && mdm_printf(x->arena, &window, "%lu",
                          (unsigned long) x->settings->push_window)
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    if (x->consumers
        && (x->kind == MDM_KIND_CHECKIN || x->kind == MDM_KIND_CONNECT))
    {
        params = x->query;

        /* arguments that have no room are left out as a whole */

        if (params.len > MDM_EVENT_PARAMS_MAX) {
            params.len = MDM_EVENT_PARAMS_MAX;

            while (params.len != 0 && params.data[params.len] != '&') {
                params.len--;
            }
        }
    }

    return mdm_printf(x->arena, &x->actor[MDM_ARG_LIMIT], "%lu%s%s%.*s%s%.*s",
                      (unsigned long) x->settings->event_limit,
                      x->consumers ? "+" : "",
                      (window.len + params.len != 0) ? " " : "",
                      mdm_fmt(&window), (params.len != 0) ? " " : "",
                      mdm_fmt(&params));
}


/* what a script's cjson puts into an event must be UTF-8 */

static mdm_int_t
mdm_exchange_actor_clean(mdm_exchange_t *x, mdm_str_t *dst,
    const mdm_str_t *src)
{
    mdm_str_t  s;

    s = *src;

    if (s.len > MDM_ACTOR_MAX) {
        s.len = MDM_ACTOR_MAX;
    }

    if (mdm_utf8_valid(&s)) {
        *dst = s;
        return MDM_OK;
    }

    return mdm_escape(x->arena, dst, &s, "");
}


mdm_int_t
mdm_exchange_work(mdm_exchange_t *x, mdm_uint_t i, mdm_work_pt work,
    void *data)
{
    mdm_call_t  *call;

    call = &x->calls[i];

    call->kind = MDM_CALL_KIND_WORK;
    call->work = work;
    call->data = data;

    call->arena = mdm_arena_create(MDM_WORK_ARENA);
    if (call->arena == NULL) {
        return mdm_arena_no_memory(x->arena);
    }

    return mdm_arena_defer(x->arena, mdm_exchange_work_free, call->arena);
}


mdm_int_t
mdm_exchange_work_alone(mdm_exchange_t *x, mdm_int_t state, mdm_work_pt work,
    void *data)
{
    return (mdm_exchange_calls(x, 1, state) == MDM_CALL
            && mdm_exchange_work(x, 0, work, data) == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static void
mdm_exchange_work_free(void *data)
{
    mdm_arena_destroy(data);
}


mdm_push_t *
mdm_exchange_push(mdm_exchange_t *x, mdm_uint_t i)
{
    mdm_call_t  *call;

    call = &x->calls[i];

    call->kind = MDM_CALL_KIND_PUSH;
    call->push = mdm_arena_zalloc(x->arena, sizeof(mdm_push_t));

    return call->push;
}


mdm_http_t *
mdm_exchange_http(mdm_exchange_t *x, mdm_uint_t i)
{
    mdm_call_t  *call;

    call = &x->calls[i];

    call->kind = MDM_CALL_KIND_HTTP;
    call->http = mdm_arena_zalloc(x->arena, sizeof(mdm_http_t));

    return call->http;
}


void
mdm_call_work(mdm_call_t *call)
{
    call->rc = (call->work(call->arena, call->data) == MDM_ERROR)
               ? MDM_CALL_FAILED : MDM_CALL_OK;
}


mdm_int_t
mdm_exchange_empty(mdm_exchange_t *x, mdm_uint_t status)
{
    x->status = status;
    mdm_str_null(&x->response);
    mdm_str_null(&x->response_type);

    return MDM_DONE;
}


mdm_int_t
mdm_exchange_body(mdm_exchange_t *x, mdm_uint_t status, const char *type,
    const mdm_str_t *body)
{
    x->status = status;
    x->response = *body;
    x->response_type.data = (u_char *) type;
    x->response_type.len = strlen(type);

    return MDM_DONE;
}


mdm_int_t
mdm_exchange_refuse(mdm_exchange_t *x, mdm_uint_t status, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    mdm_format(x->arena, &x->error, fmt, args);
    va_end(args);

    x->status = status;

    return mdm_exchange_error_body(x);
}


mdm_int_t
mdm_exchange_header(mdm_exchange_t *x, const char *name,
    const mdm_str_t *value)
{
    mdm_header_t  *h;

    h = mdm_arena_alloc(x->arena, sizeof(mdm_header_t));
    if (h == NULL) {
        return MDM_ERROR;
    }

    h->name = name;
    h->value = *value;
    h->next = x->headers;
    x->headers = h;

    return MDM_OK;
}


mdm_int_t
mdm_exchange_unknown(mdm_exchange_t *x, const char *why)
{
    x->unknown = 1;

    return mdm_exchange_refuse(x, 403, "%s", why);
}


mdm_int_t
mdm_exchange_unavailable(mdm_exchange_t *x)
{
    return mdm_exchange_later(x, "redis is unavailable, try again");
}


mdm_int_t
mdm_exchange_busy(mdm_exchange_t *x)
{
    return mdm_exchange_later(x, "too much work waits, try again");
}


static mdm_int_t
mdm_exchange_later(mdm_exchange_t *x, const char *why)
{
    u_char  b;

    if (RAND_bytes(&b, 1) != 1) {
        b = 0;
    }

    x->retry_after = MDM_RETRY_AFTER_MIN + b % MDM_RETRY_AFTER_SPAN;

    return mdm_exchange_refuse(x, 503, "%s", why);
}


void
mdm_exchange_keep(mdm_exchange_t *x, mdm_call_t *call)
{
    if (call->reply_arena == NULL) {
        return;
    }

    call->bytes = mdm_arena_used(call->reply_arena);

    if (mdm_arena_defer(x->arena, mdm_exchange_destroy, call->reply_arena)
        != MDM_OK)
    {
        call->reply = NULL;
        call->rc = MDM_CALL_UNAVAILABLE;

        /* it was in that arena */

        if (call->push != NULL) {
            mdm_exchange_push_lost(call);
        }

        if (call->http != NULL) {
            mdm_exchange_http_lost(call);
        }
    }

    call->reply_arena = NULL;
}


void
mdm_exchange_push_lost(mdm_call_t *call)
{
    mdm_push_t  *push;

    push = call->push;

    call->rc = MDM_CALL_UNAVAILABLE;

    push->outcome = MDM_PUSH_RESET;
    push->status = 0;

    mdm_str_set(&push->reason, "no memory");
    mdm_str_null(&push->apns_id);
}


void
mdm_exchange_http_lost(mdm_call_t *call)
{
    mdm_http_t  *http;

    http = call->http;

    call->rc = MDM_CALL_OK;

    http->outcome = MDM_HTTP_RESET;
    http->status = 0;
    http->retry_after = 0;

    mdm_str_set(&http->reason, "no memory");
    mdm_str_null(&http->answer);
}


static void
mdm_exchange_destroy(void *data)
{
    mdm_arena_destroy(data);
}


mdm_int_t
mdm_exchange_odd(mdm_exchange_t *x, mdm_uint_t i)
{
    x->failure = MDM_FAILURE_SCRIPT;

    return mdm_exchange_refuse(x, 500, "the script \"%.*s\" answered what it "
                               "never does",
                               mdm_fmt(&x->calls[i].script->name));
}


static mdm_int_t
mdm_exchange_error_body(mdm_exchange_t *x)
{
    json_t     *json;
    mdm_int_t   rc;

    (void) mdm_exchange_empty(x, x->status);

    if (x->kind == MDM_KIND_ENROLL) {
        return mdm_exchange_error_line(x);
    }

    if (x->kind != MDM_KIND_API) {
        return MDM_DONE;
    }

    json = json_pack("{s:s%}", "error", (char *) x->error.data, x->error.len);
    if (json == NULL) {

        /* not UTF-8: the text quotes what came in */

        json = json_pack("{s:s}", "error", "the request is not valid");
        if (json == NULL) {
            return MDM_DONE;
        }
    }

    rc = mdm_json_dump(x->arena, json, 0, &x->response);
    json_decref(json);

    if (rc == MDM_OK) {
        mdm_str_set(&x->response_type, "application/json");
    }

    return MDM_DONE;
}


/* for a person, in a browser or Setup Assistant */

static mdm_int_t
mdm_exchange_error_line(mdm_exchange_t *x)
{
    mdm_str_t  text;

    text = x->error;

    if (x->status >= 500 && x->status != 503) {
        mdm_str_set(&text, "this server has failed, try again later");
    }

    if (mdm_utf8_valid(&text) && !mdm_utf8_control(&text)
        && mdm_printf(x->arena, &x->response, "%.*s\n", mdm_fmt(&text))
           == MDM_OK)
    {
        mdm_str_set(&x->response_type, "text/plain; charset=utf-8");
    }

    return MDM_DONE;
}


mdm_int_t
mdm_exchange_code(mdm_exchange_t *x, const char *code,
    const mdm_str_t *details, const char *fmt, ...)
{
    va_list         args;
    mdm_json_out_t  j;

    va_start(args, fmt);
    mdm_format(x->arena, &x->error, fmt, args);
    va_end(args);

    (void) mdm_exchange_empty(x, 403);

    if (x->kind == MDM_KIND_CHECKIN || x->kind == MDM_KIND_CONNECT) {

        mdm_str_set(&x->response_type, "application/xml");

        return (mdm_printf(x->arena, &x->response,
                           "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                           "<plist version=\"1.0\"><dict><key>code</key>"
                           "<string>%s</string></dict></plist>\n", code)
                == MDM_OK)
               ? MDM_DONE : MDM_ERROR;
    }

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_text(&j, "code", code);

    if (details != NULL) {
        mdm_json_value(&j, "details", details);
    }

    mdm_json_close(&j, '}');

    mdm_str_set(&x->response_type, "application/json");

    return (mdm_json_end(&j, &x->response) == MDM_OK) ? MDM_DONE : MDM_ERROR;
}


void
mdm_exchange_log(mdm_exchange_t *x, mdm_log_e level, const char *fmt, ...)
{
    va_list     args;
    mdm_log_t  *line;

    line = mdm_arena_zalloc(x->arena, sizeof(mdm_log_t));
    if (line == NULL) {
        return;
    }

    va_start(args, fmt);
    mdm_format(x->arena, &line->text, fmt, args);
    va_end(args);

    line->level = level;

    *x->last_log = line;
    x->last_log = &line->next;
}


static void
mdm_format(mdm_arena_t *arena, mdm_str_t *dst, const char *fmt, va_list args)
{
    int        n;
    u_char     buf[MDM_ERROR_MAX];
    mdm_str_t  s;

    n = vsnprintf((char *) buf, sizeof(buf), fmt, args);

    s.data = buf;
    s.len = (n < 0) ? 0
                    : ((size_t) n < sizeof(buf)) ? (size_t) n
                                                 : sizeof(buf) - 1;

    if (mdm_str_dup(arena, dst, &s) != MDM_OK) {
        mdm_str_set(dst, "no memory");
    }
}
