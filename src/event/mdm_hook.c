
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Delivers events of one stream to one webhook.
 */


#include <openssl/rand.h>

#include "mdm_hook.h"
#include "mdm_hook_payload.h"
#include "mdm_number.h"
#include "mdm_topic.h"


/* events that are taken at a time, and bytes of their payloads */
#define MDM_HOOK_BATCH        64
#define MDM_HOOK_BYTES        262144

/* ms that a lease goes on behind the longest delivery */
#define MDM_HOOK_LEASE        5000

/* ms after which what was delivered is acknowledged */
#define MDM_HOOK_ACK          200

/* ms until the next attempt: of the first one, doubled to the last */
#define MDM_HOOK_FIRST        1000
#define MDM_HOOK_LAST         (5 * 60 * 1000)
#define MDM_HOOK_LATEST       (60 * 60 * 1000)

/* the same where nothing was tried */
#define MDM_HOOK_BUSY         1000

/* bytes of memory behind which a run ends once it has delivered something */
#define MDM_HOOK_ROOM         (4 * 1024 * 1024)

/* attempts where the body is the trouble */
#define MDM_HOOK_BODY         3


enum {
    MDM_HOOK_TAKE = 0,
    MDM_HOOK_TAKEN,
    MDM_HOOK_NEXT,
    MDM_HOOK_SENT,
    MDM_HOOK_ENDED
};


enum {
    MDM_HOOK_TAKEN_NONE = 0,
    MDM_HOOK_TAKEN_ROWS,
    MDM_HOOK_TAKEN_HELD,
    MDM_HOOK_TAKEN_EARLY
};


typedef struct {
    mdm_hook_t               *hook;
    const mdm_reply_t        *rows;
    size_t                    row;         /* the next one */
    int64_t                   attempts;    /* of it, before this one */
    int64_t                   age;         /* ms since the first of them */
    int64_t                   body;        /* of them, where the body was the
                                              trouble */
    mdm_str_t                 entry;       /* that is sent now */
    mdm_str_t                 event_id;
    mdm_str_t                 done;        /* the last one that is, but not
                                              acknowledged; empty: none */
    mdm_uint_t                ms;          /* since the last acknowledgement */
    mdm_http_t               *http;
    mdm_uint_t                lost;        /* 1: a result is, that should go
                                              with it */

    /* of the last acknowledgement */

    mdm_str_t                 status;      /* empty: nothing was tried */
    mdm_str_t                 error;
    mdm_uint_t                taken;       /* 1: one was, since then */
    mdm_uint_t                failed;      /* attempts of the next one */
    mdm_uint_t                next;        /* ms */
    mdm_str_t                 dead;        /* entry to be kept aside */
} mdm_hook_run_t;


static mdm_int_t mdm_hook_take(mdm_exchange_t *x);
static mdm_int_t mdm_hook_taken(mdm_exchange_t *x, mdm_hook_run_t *run);
static mdm_int_t mdm_hook_wait(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_hook_next(mdm_exchange_t *x, mdm_hook_run_t *run);
static mdm_int_t mdm_hook_send(mdm_exchange_t *x, mdm_hook_run_t *run,
    mdm_event_t *event);
static mdm_int_t mdm_hook_sent(mdm_exchange_t *x, mdm_hook_run_t *run);
static mdm_int_t mdm_hook_failed(mdm_exchange_t *x, mdm_hook_run_t *run,
    const mdm_str_t *why);
static mdm_int_t mdm_hook_dead(mdm_exchange_t *x, mdm_hook_run_t *run,
    const mdm_str_t *why);
static mdm_uint_t mdm_hook_over(const mdm_hook_run_t *run);
static mdm_uint_t mdm_hook_backoff(const mdm_hook_run_t *run);
static mdm_int_t mdm_hook_ack(mdm_exchange_t *x, mdm_uint_t i,
    mdm_hook_run_t *run, mdm_uint_t last);
static void mdm_hook_acked(mdm_exchange_t *x, const mdm_reply_t *reply,
    const mdm_hook_run_t *run);
static mdm_int_t mdm_hook_end(mdm_exchange_t *x, mdm_hook_run_t *run,
    mdm_hook_e end, mdm_uint_t wait);
static mdm_int_t mdm_hook_over_now(mdm_exchange_t *x, mdm_hook_t *hook,
    mdm_hook_e end, mdm_uint_t wait);
static mdm_uint_t mdm_hook_lease(const mdm_hook_run_t *run);


mdm_int_t
mdm_hook_step(mdm_exchange_t *x)
{
    mdm_hook_run_t  *run;

    switch (x->state) {

    case MDM_HOOK_TAKE:
        return mdm_hook_take(x);

    case MDM_HOOK_TAKEN:
        return mdm_hook_taken(x, x->ctx);

    case MDM_HOOK_NEXT:
        return mdm_hook_next(x, x->ctx);

    case MDM_HOOK_SENT:
        return mdm_hook_sent(x, x->ctx);

    default: /* MDM_HOOK_ENDED */

        run = x->ctx;
        run->hook->leased = (x->calls[0].rc != MDM_CALL_OK);

        if (!run->hook->leased
            && mdm_reply_code(x->calls[0].reply, 0) == 1)
        {
            mdm_hook_acked(x, x->calls[0].reply, run);

            run->hook->dead += (run->dead.len != 0);

            /* there is no need to look once more */

            run->hook->last = (mdm_reply_int(x->calls[0].reply,
                                             MDM_RET_HOOK_ACK_MORE, 1)
                               == 0);
        }

        return mdm_exchange_empty(x, 200);
    }
}


static mdm_int_t
mdm_hook_take(mdm_exchange_t *x)
{
    mdm_int_t        rc;
    mdm_str_t       *args, *consumers;
    mdm_uint_t       n;
    mdm_hook_t      *hook;
    mdm_hook_run_t  *run;

    static const mdm_str_t  connect = mdm_string("mdm.Connect");

    hook = x->ctx;

    hook->end = MDM_HOOK_WAIT;
    hook->wait = MDM_HOOK_BUSY;

    /* that is how it ends where Redis is away */

    if (x->ncalls != 0 && x->calls[0].rc != MDM_CALL_OK) {
        return mdm_exchange_empty(x, 200);
    }

    rc = mdm_hook_consumers(x, MDM_HOOK_TAKE, &consumers, &n);
    if (rc != MDM_OK) {
        return rc;
    }

    run = mdm_arena_zalloc(x->arena, sizeof(mdm_hook_run_t));

    if (run == NULL || mdm_exchange_calls(x, 1, MDM_HOOK_TAKEN) != MDM_CALL) {
        return MDM_ERROR;
    }

    run->hook = hook;

    args = mdm_exchange_call(x, 0, &mdm_script_hook_take, &hook->tag, n);

    if (args == NULL
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_TAKE_LEASE],
                    (int64_t) mdm_hook_lease(run))
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_TAKE_KEEP],
                    (int64_t) x->settings->event_limit)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_TAKE_MOST], MDM_HOOK_BATCH)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_TAKE_BYTES], MDM_HOOK_BYTES)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_HOOK_TAKE_NAME] = hook->webhook->name;
    args[MDM_ARG_HOOK_TAKE_RUNNER] = hook->runner;

    mdm_str_set(&args[MDM_ARG_HOOK_TAKE_PAYLOAD], "0");
    mdm_str_set(&args[MDM_ARG_HOOK_TAKE_FORCE], "0");

    if (hook->webhook->payload) {
        mdm_str_set(&args[MDM_ARG_HOOK_TAKE_PAYLOAD], "1");

        if (mdm_topic(&connect) & hook->webhook->topics) {
            mdm_str_set(&args[MDM_ARG_HOOK_TAKE_PAYLOAD], "2");
        }
    }

    if (hook->force) {
        mdm_str_set(&args[MDM_ARG_HOOK_TAKE_FORCE], "1");
    }

    memcpy(&args[MDM_ARG_HOOK_TAKE_CONSUMERS], consumers,
           n * sizeof(mdm_str_t));

    x->ctx = run;
    x->own_failures = 1;
    hook->leased = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_hook_taken(mdm_exchange_t *x, mdm_hook_run_t *run)
{
    mdm_int_t           rc;
    mdm_uint_t          wait;
    const mdm_reply_t  *reply;

    if (x->calls[0].rc != MDM_CALL_OK) {
        return mdm_hook_over_now(x, run->hook, MDM_HOOK_WAIT, MDM_HOOK_BUSY);
    }

    reply = x->calls[0].reply;
    wait = (mdm_uint_t) mdm_reply_count(reply, MDM_RET_HOOK_TAKE_WAIT,
                                        MDM_HOOK_LATEST);

    switch (mdm_reply_code(reply, MDM_HOOK_TAKEN_NONE)) {

    case MDM_HOOK_TAKEN_ROWS:
        break;

    case MDM_HOOK_TAKEN_HELD:
        run->hook->held = 1;

        /* fall through */

    case MDM_HOOK_TAKEN_EARLY:
        run->hook->leased = 0;
        return mdm_hook_over_now(x, run->hook, MDM_HOOK_WAIT, wait + 1);

    default:
        run->hook->leased = 0;
        return mdm_hook_over_now(x, run->hook, MDM_HOOK_IDLE, 0);
    }

    run->rows = mdm_reply_at(reply, MDM_RET_HOOK_TAKE_ROWS);
    run->attempts = mdm_reply_count(reply, MDM_RET_HOOK_TAKE_ATTEMPTS,
                                    INT32_MAX);
    run->age = mdm_reply_int(reply, MDM_RET_HOOK_TAKE_AGE, 0);
    run->body = mdm_reply_count(reply, MDM_RET_HOOK_TAKE_BODY, INT32_MAX);

    if (x->away || !mdm_hook_large(run->hook->webhook, run->rows, 0)) {
        return mdm_hook_next(x, run);
    }

    /* a thread is to send the first one, as it does with others */

    rc = mdm_exchange_work_alone(x, MDM_HOOK_NEXT, mdm_hook_wait, run);

    x->own_failures = 1;
    x->heavy = 1;

    return rc;
}


static mdm_int_t
mdm_hook_wait(mdm_arena_t *arena, void *data)
{
    (void) arena;
    (void) data;

    return MDM_OK;
}


/* sends the next event that is wanted */

static mdm_int_t
mdm_hook_next(mdm_exchange_t *x, mdm_hook_run_t *run)
{
    size_t       row;
    mdm_event_t  event;

    while (mdm_reply_row(run->rows, run->row, MDM_NRET_HOOK_TAKE_ROWS)) {

        /* what was sent stays in memory until the end */

        if (x->stop
            || (run->hook->delivered != 0
                && mdm_arena_used(x->arena) > MDM_HOOK_ROOM))
        {
            return mdm_hook_end(x, run, MDM_HOOK_MORE, 0);
        }

        row = run->row;

        memset(&event, 0, sizeof(mdm_event_t));

        event.stream = mdm_hook_stream(&run->hook->tag);
        event.entry = mdm_reply_str(run->rows,
                                    row + MDM_RET_HOOK_TAKE_ROWS_SHOWN);
        event.name = mdm_reply_str(run->rows,
                                   row + MDM_RET_HOOK_TAKE_ROWS_EVENT);

        run->entry = mdm_reply_str(run->rows,
                                   row + MDM_RET_HOOK_TAKE_ROWS_ENTRY);

        if (mdm_topic(&event.name) & run->hook->webhook->topics) {
            return mdm_hook_send(x, run, &event);
        }

        run->done = run->entry;
        run->row += MDM_NRET_HOOK_TAKE_ROWS;
        run->attempts = 0;
        run->body = 0;
    }

    return mdm_hook_end(x, run, MDM_HOOK_MORE, 0);
}


static mdm_int_t
mdm_hook_send(mdm_exchange_t *x, mdm_hook_run_t *run, mdm_event_t *event)
{
    size_t      row;
    mdm_str_t   body;
    mdm_uint_t  ack;

    row = run->row;

    event->id = mdm_reply_str(run->rows, row + MDM_RET_HOOK_TAKE_ROWS_ID);
    event->data = mdm_reply_str(run->rows, row + MDM_RET_HOOK_TAKE_ROWS_DATA);
    event->params = mdm_reply_str(run->rows,
                                  row + MDM_RET_HOOK_TAKE_ROWS_PARAMS);
    event->type = mdm_reply_str(run->rows, row + MDM_RET_HOOK_TAKE_ROWS_TYPE);
    event->parent = mdm_reply_str(run->rows,
                                  row + MDM_RET_HOOK_TAKE_ROWS_PARENT);

    if (mdm_hook_payload(x, run->hook, run->rows, row, event) != MDM_OK
        || mdm_event_id(x->arena, &x->tenant, event, &run->event_id) != MDM_OK
        || mdm_event_body(x->arena, run->hook->webhook, &x->tenant, event,
                          &body)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    run->lost = event->lost;

    /* what was delivered is acknowledged meanwhile */

    ack = (run->done.len != 0 && run->ms >= MDM_HOOK_ACK);

    if (mdm_exchange_calls(x, 1 + ack, MDM_HOOK_SENT) != MDM_CALL
        || (ack && mdm_hook_ack(x, 1, run, 0) != MDM_OK))
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;
    x->heavy = (mdm_hook_large(run->hook->webhook, run->rows,
                               row + MDM_NRET_HOOK_TAKE_ROWS)
                != 0);

    run->http = mdm_hook_request(x, 0, run->hook->webhook, &body,
                                 (mdm_uint_t) run->attempts + 1);

    return (run->http != NULL) ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_hook_sent(mdm_exchange_t *x, mdm_hook_run_t *run)
{
    mdm_int_t          rc;
    mdm_str_t          why;
    mdm_hook_t        *hook;
    const mdm_http_t  *http;

    hook = run->hook;
    http = run->http;

    if (http->outcome != MDM_HTTP_BUSY) {
        hook->attempt = http;
    }

    /* the acknowledgement beside it: who has lost the lease stops */

    if (x->ncalls > 1
        && (x->calls[1].rc != MDM_CALL_OK
            || mdm_reply_code(x->calls[1].reply, 0) != 1))
    {
        hook->leased = (x->calls[1].rc != MDM_CALL_OK);
        return mdm_hook_over_now(x, hook, MDM_HOOK_WAIT, MDM_HOOK_BUSY);
    }

    if (x->ncalls > 1) {
        mdm_hook_acked(x, x->calls[1].reply, run);
    }

    /* it was not sent at all */

    if (http->outcome == MDM_HTTP_BUSY) {
        return mdm_hook_end(x, run, MDM_HOOK_WAIT, MDM_HOOK_BUSY);
    }

    if (mdm_printf(x->arena, &run->status, "%lu",
                   (unsigned long) mdm_hook_status(http))
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    run->ms += http->ms;

    rc = mdm_hook_outcome(x, http, &why);

    if (rc == MDM_DECLINED) {
        hook->failed++;
        hook->silent = (mdm_hook_status(http) == 0);

        return mdm_hook_failed(x, run, &why);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    if (run->attempts != 0) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "mdm webhook \"%.*s\" has taken "
                         "event %.*s at attempt %lld",
                         mdm_fmt(&hook->webhook->name),
                         mdm_fmt(&run->event_id),
                         (long long) run->attempts + 1);
    }

    hook->delivered++;
    hook->lost += run->lost;

    run->taken = 1;
    run->done = run->entry;
    run->row += MDM_NRET_HOOK_TAKE_ROWS;
    run->attempts = 0;
    run->body = 0;

    return mdm_hook_next(x, run);
}


/* the next attempt, or none */

static mdm_int_t
mdm_hook_failed(mdm_exchange_t *x, mdm_hook_run_t *run, const mdm_str_t *why)
{
    mdm_hook_t  *hook;

    hook = run->hook;
    run->error = *why;

    if (mdm_hook_over(run)) {
        return mdm_hook_dead(x, run, why);
    }

    run->failed = (mdm_uint_t) run->attempts + 1;
    run->next = mdm_hook_backoff(run);

    mdm_exchange_log(x, (run->attempts == 0 && !hook->quiet) ? MDM_LOG_WARN
                                                             : MDM_LOG_INFO,
                     "mdm webhook \"%.*s\" has not taken event %.*s at "
                     "attempt %lu: %.*s; the next one is in %lu ms",
                     mdm_fmt(&hook->webhook->name), mdm_fmt(&run->event_id),
                     (unsigned long) run->failed, mdm_fmt(why),
                     (unsigned long) run->next);

    return mdm_hook_end(x, run, MDM_HOOK_WAIT, run->next);
}


static mdm_int_t
mdm_hook_dead(mdm_exchange_t *x, mdm_hook_run_t *run, const mdm_str_t *why)
{
    mdm_exchange_log(x, MDM_LOG_ERROR, "mdm webhook \"%.*s\" has not taken "
                     "event %.*s in %lld attempts, it is put aside: %.*s",
                     mdm_fmt(&run->hook->webhook->name),
                     mdm_fmt(&run->event_id), (long long) run->attempts + 1,
                     mdm_fmt(why));

    run->done = run->entry;
    run->dead = run->entry;

    return mdm_hook_end(x, run, MDM_HOOK_MORE, 0);
}


/* was that the last attempt?  Redis' clock says for how long it was tried */

static mdm_uint_t
mdm_hook_over(const mdm_hook_run_t *run)
{
    mdm_uint_t  status;

    status = mdm_hook_status(run->http);

    if ((status == 400 || status == 413 || status == 422)
        && run->body + 1 >= MDM_HOOK_BODY)
    {
        return 1;
    }

    return run->attempts != 0
           && run->age / 1000 >= (int64_t) run->hook->webhook->retry;
}


static mdm_uint_t
mdm_hook_backoff(const mdm_hook_run_t *run)
{
    u_char      b;
    int64_t     i;
    mdm_uint_t  ms, after;

    ms = MDM_HOOK_FIRST;

    for (i = 0; i < run->attempts && ms < MDM_HOOK_LAST; i++) {
        ms *= 2;
    }

    if (ms > MDM_HOOK_LAST) {
        ms = MDM_HOOK_LAST;
    }

    if (RAND_bytes(&b, 1) != 1) {
        b = 0;
    }

    ms += ms / 4 * b / 256;

    if (mdm_hook_status(run->http) == 0 || run->http->retry_after <= 0) {
        return ms;
    }

    after = MDM_HOOK_LATEST;

    if (run->http->retry_after < MDM_HOOK_LATEST / 1000) {
        after = (mdm_uint_t) run->http->retry_after * 1000;
    }

    return (after > ms) ? after : ms;
}


static mdm_int_t
mdm_hook_ack(mdm_exchange_t *x, mdm_uint_t i, mdm_hook_run_t *run,
    mdm_uint_t last)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_hook_ack, &run->hook->tag, 0);

    if (args == NULL
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_ACK_LEASE],
                    last ? 0 : (int64_t) mdm_hook_lease(run))
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_ACK_MOST],
                    (int64_t) x->settings->event_limit)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_ACK_HOLD],
                    (int64_t) x->settings->event_hold * 1000)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_ACK_FAILED],
                    (int64_t) run->failed)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_HOOK_ACK_NEXT],
                    (int64_t) run->next)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_HOOK_ACK_NAME] = run->hook->webhook->name;
    args[MDM_ARG_HOOK_ACK_RUNNER] = run->hook->runner;
    args[MDM_ARG_HOOK_ACK_ID] = run->done;
    args[MDM_ARG_HOOK_ACK_STATUS] = run->status;
    args[MDM_ARG_HOOK_ACK_ERROR] = run->error;
    args[MDM_ARG_HOOK_ACK_ENTRY] = run->entry;
    args[MDM_ARG_HOOK_ACK_DEAD] = run->dead;

    mdm_str_set(&args[MDM_ARG_HOOK_ACK_TAKEN], "0");
    mdm_str_set(&args[MDM_ARG_HOOK_ACK_SKIPPED], "0");

    if (run->taken) {
        mdm_str_set(&args[MDM_ARG_HOOK_ACK_TAKEN], "1");
    }

    if (run->dead.len != 0) {
        mdm_str_set(&args[MDM_ARG_HOOK_ACK_SKIPPED], "1");
    }

    run->ms = 0;
    run->taken = 0;
    mdm_str_null(&run->done);
    mdm_str_null(&run->status);

    return MDM_OK;
}


static void
mdm_hook_acked(mdm_exchange_t *x, const mdm_reply_t *reply,
    const mdm_hook_run_t *run)
{
    mdm_hook_say(x, &run->hook->tag,
                 mdm_reply_int(reply, MDM_RET_HOOK_ACK_LENGTH, 0),
                 mdm_reply_int(reply, MDM_RET_HOOK_ACK_LIMIT, 0),
                 mdm_reply_int(reply, MDM_RET_HOOK_ACK_WARN, 0),
                 mdm_reply_at(reply, MDM_RET_HOOK_ACK_LEFT));
}


/* what is done is acknowledged, and the lease is over */

static mdm_int_t
mdm_hook_end(mdm_exchange_t *x, mdm_hook_run_t *run, mdm_hook_e end,
    mdm_uint_t wait)
{
    run->hook->end = end;
    run->hook->wait = wait;

    if (mdm_exchange_calls(x, 1, MDM_HOOK_ENDED) != MDM_CALL
        || mdm_hook_ack(x, 0, run, 1) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_hook_over_now(mdm_exchange_t *x, mdm_hook_t *hook, mdm_hook_e end,
    mdm_uint_t wait)
{
    hook->end = end;
    hook->wait = wait;

    return mdm_exchange_empty(x, 200);
}


static mdm_uint_t
mdm_hook_lease(const mdm_hook_run_t *run)
{
    return run->hook->webhook->timeout + MDM_HOOK_LEASE;
}
