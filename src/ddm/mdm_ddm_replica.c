
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * How what changed of a tenant's sets comes to the copy of a partition.
 */


#include "mdm_ddm_replica.h"
#include "mdm_ddm_rollout.h"
#include "mdm_ddm_token.h"
#include "mdm_key.h"


enum {
    MDM_DDM_SYNC_BEGIN = 0,
    MDM_DDM_SYNC_ASKED,
    MDM_DDM_SYNC_PAGE,
    MDM_DDM_SYNC_APPLIED
};


enum {
    MDM_DDM_FOLLOW_BEGIN = 0,
    MDM_DDM_FOLLOW_SYNCED,
    MDM_DDM_FOLLOW_TOLD
};


static mdm_int_t mdm_ddm_page_sort(mdm_exchange_t *x, mdm_str_t *members);
static mdm_int_t mdm_ddm_sync_asked(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_sync_next(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_sync_apply(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_sync_applied(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_follow_call(mdm_exchange_t *x);
static mdm_int_t mdm_ddm_follow_end(mdm_exchange_t *x);


mdm_int_t
mdm_ddm_page_call(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *key,
    int64_t since)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_changes, key, 0);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_CHANGES_SINCE], "%lld",
                      (long long) since) != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_CHANGES_MOST], "%d",
                      MDM_DDM_PAGE) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_page_read(mdm_exchange_t *x, mdm_uint_t i, mdm_ddm_page_t *page)
{
    size_t              k, n;
    const mdm_reply_t  *reply;

    reply = x->calls[i].reply;

    n = mdm_reply_size(reply);

    if (n < MDM_RET_DDM_CHANGES_ROWS
        || (n - MDM_RET_DDM_CHANGES_ROWS) % MDM_NRET_DDM_CHANGES_ROWS != 0)
    {
        return MDM_DECLINED;
    }

    n -= MDM_RET_DDM_CHANGES_ROWS;

    page->rev = mdm_reply_int(reply, MDM_RET_DDM_CHANGES_REV, 0);
    page->upto = mdm_reply_int(reply, MDM_RET_DDM_CHANGES_UPTO, 0);
    page->last = mdm_reply_int(reply, MDM_RET_DDM_CHANGES_LAST, 0) == 1;
    page->watchers = mdm_reply_str(reply, MDM_RET_DDM_CHANGES_WATCHERS);
    page->bytes = x->calls[i].bytes;
    page->nrows = n;
    page->rows = mdm_arena_alloc(x->arena, (n + 1) * sizeof(mdm_str_t));

    if (page->rows == NULL) {
        return MDM_ERROR;
    }

    for (k = 0; k < n; k++) {
        page->rows[k] = mdm_reply_str(reply, MDM_RET_DDM_CHANGES_ROWS + k);
    }

    for (k = 0; k < n; k += MDM_NRET_DDM_CHANGES_ROWS) {

        if (mdm_str_is(&page->rows[k + MDM_RET_DDM_CHANGES_ROWS_WHAT], "m")
            && mdm_ddm_page_sort(x,
                        &page->rows[k + MDM_RET_DDM_CHANGES_ROWS_MEMBERS])
               != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_OK;
}


/*
 * Lines, sorted by bytes: scripts have no order that is the same on each
 * server, and need milliseconds for it.
 */

static mdm_int_t
mdm_ddm_page_sort(mdm_exchange_t *x, mdm_str_t *members)
{
    size_t      i, n;
    u_char     *p, *last, *end;
    mdm_str_t  *lines;

    if (members->len == 0) {
        return MDM_OK;
    }

    last = members->data + members->len;
    n = 1;

    for (p = members->data; p < last; p++) {
        n += (*p == '\n');
    }

    lines = mdm_arena_alloc(x->arena, n * sizeof(mdm_str_t));
    p = mdm_arena_alloc(x->arena, members->len);

    if (lines == NULL || p == NULL) {
        return MDM_ERROR;
    }

    lines[0].data = members->data;

    for (i = 0, end = members->data; end <= last; end++) {

        if (end == last || *end == '\n') {
            lines[i].len = (size_t) (end - lines[i].data);

            if (++i < n) {
                lines[i].data = end + 1;
            }
        }
    }

    qsort(lines, n, sizeof(mdm_str_t), mdm_str_order);

    members->data = p;

    for (i = 0; i < n; i++) {

        if (i != 0) {
            *p++ = '\n';
        }

        if (lines[i].len != 0) {
            memcpy(p, lines[i].data, lines[i].len);
            p += lines[i].len;
        }
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_page_apply(mdm_exchange_t *x, mdm_uint_t i, const mdm_str_t *tag,
    int64_t cursor, mdm_uint_t reset, const mdm_ddm_page_t *page)
{
    mdm_str_t  *args;

    args = mdm_exchange_call(x, i, &mdm_script_ddm_apply, tag, page->nrows);

    if (args == NULL
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_APPLY_SINCE], "%lld",
                      (long long) cursor) != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_APPLY_UPTO], "%lld",
                      (long long) page->upto) != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_APPLY_LAST], "%d",
                      (int) page->last) != MDM_OK
        || mdm_printf(x->arena, &args[MDM_ARG_DDM_APPLY_RESET], "%d",
                      (int) reset) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_APPLY_WATCHERS] = page->watchers;

    if (page->nrows != 0) {
        memcpy(&args[MDM_ARG_DDM_APPLY_ROWS], page->rows,
               page->nrows * sizeof(mdm_str_t));
    }

    return MDM_OK;
}


mdm_int_t
mdm_ddm_sync(mdm_exchange_t *x)
{
    mdm_uint_t       i;
    mdm_ddm_sync_t  *sync;

    sync = x->ctx;

    /* it is for who has entered this to say what follows */

    for (i = 0; x->state != MDM_DDM_SYNC_BEGIN && i < x->ncalls; i++) {

        if (x->calls[i].rc != MDM_CALL_OK) {
            return mdm_exchange_leave(x);
        }
    }

    switch (x->state) {

    case MDM_DDM_SYNC_BEGIN:

        if (mdm_key_declarations(x->arena, &sync->key, &x->tenant) != MDM_OK
            || mdm_exchange_calls(x, 2, MDM_DDM_SYNC_ASKED) != MDM_CALL
            || mdm_exchange_call(x, 0, &mdm_script_ddm_rev, &sync->key, 0)
               == NULL
            || mdm_exchange_call(x, 1, &mdm_script_ddm_state, &sync->tag, 0)
               == NULL)
        {
            return MDM_ERROR;
        }

        x->own_failures = 1;

        return MDM_CALL;

    case MDM_DDM_SYNC_ASKED:
        return mdm_ddm_sync_asked(x);

    case MDM_DDM_SYNC_PAGE:
        return mdm_ddm_sync_apply(x);

    default: /* MDM_DDM_SYNC_APPLIED */
        return mdm_ddm_sync_applied(x);
    }
}


static mdm_int_t
mdm_ddm_sync_asked(mdm_exchange_t *x)
{
    int64_t             rev, to, cursor;
    mdm_ddm_sync_t     *sync;
    const mdm_reply_t  *state;

    sync = x->ctx;
    state = x->calls[1].reply;

    rev = mdm_reply_int(x->calls[0].reply, MDM_RET_DDM_REV_REV, 0);
    to = mdm_reply_int(state, MDM_RET_DDM_STATE_REPLICA, -1);
    cursor = mdm_reply_int(state, MDM_RET_DDM_STATE_CURSOR, -1);

    /* a tenant that has no sets, or a partition that has all of them */

    if (cursor < 0 && ((rev <= 0 && to <= 0) || to == rev)) {
        sync->done = 1;
        return mdm_exchange_leave(x);
    }

    sync->cursor = (cursor >= 0) ? cursor : (to >= 0) ? to : 0;

    /* "rev" may have been read before another one brought what is newer */

    sync->reset = 0;

    return mdm_ddm_sync_next(x);
}


static mdm_int_t
mdm_ddm_sync_next(mdm_exchange_t *x)
{
    mdm_ddm_sync_t  *sync;

    sync = x->ctx;

    if (mdm_exchange_calls(x, 1, MDM_DDM_SYNC_PAGE) != MDM_CALL
        || mdm_ddm_page_call(x, 0, &sync->key,
                             sync->reset ? 0 : sync->cursor) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_sync_apply(mdm_exchange_t *x)
{
    mdm_int_t        rc;
    mdm_ddm_sync_t  *sync;

    sync = x->ctx;

    rc = mdm_ddm_page_read(x, 0, &sync->page);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    sync->bytes += sync->page.bytes;

    if (rc == MDM_DECLINED || sync->bytes > MDM_DDM_BYTES) {
        return mdm_exchange_leave(x);
    }

    /*
     * The tenant has lost changes, in a failover: what the copy has of them
     * must go, too.
     */

    if (!sync->reset && sync->page.rev < sync->cursor) {
        sync->reset = 1;
        return mdm_ddm_sync_next(x);
    }

    if (mdm_exchange_calls(x, 1, MDM_DDM_SYNC_APPLIED) != MDM_CALL
        || mdm_ddm_page_apply(x, 0, &sync->tag, sync->cursor, sync->reset,
                              &sync->page) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = 1;

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_sync_applied(mdm_exchange_t *x)
{
    mdm_ddm_sync_t     *sync;
    const mdm_reply_t  *reply;

    sync = x->ctx;
    reply = x->calls[0].reply;

    if (mdm_reply_code(reply, 0) == 1 && sync->page.last) {
        sync->done = 1;
        x->kick = MDM_DDM_ROLLOUT;

        return mdm_exchange_leave(x);
    }

    /* the next page, or that behind what another one brought meanwhile */

    sync->cursor = mdm_reply_int(reply, MDM_RET_DDM_APPLY_CURSOR, 0);
    sync->reset = 0;

    /* a reply that is none of the script's brings nobody any further */

    sync->bytes += 16384;

    return mdm_ddm_sync_next(x);
}


void
mdm_ddm_sync_again(mdm_ddm_sync_t *sync)
{
    sync->done = 0;
    sync->reset = 0;
}


mdm_int_t
mdm_ddm_follow(mdm_exchange_t *x)
{
    int64_t            code;
    mdm_ddm_follow_t  *follow;

    follow = x->ctx;

    switch (x->state) {

    case MDM_DDM_FOLLOW_BEGIN:
        follow->sync.tag = follow->tag;

        return mdm_exchange_enter(x, mdm_ddm_sync, &follow->sync,
                                  MDM_DDM_FOLLOW_SYNCED);

    case MDM_DDM_FOLLOW_SYNCED:

        if (!follow->sync.done) {
            return mdm_ddm_follow_end(x);
        }

        /* though no page was missing: another one may have brought it by now */

        return mdm_ddm_follow_call(x);

    default: /* MDM_DDM_FOLLOW_TOLD */

        break;
    }

    if (x->calls[0].rc != MDM_CALL_OK || ++follow->calls == MDM_DDM_SLICES) {
        return mdm_ddm_follow_end(x);
    }

    code = mdm_reply_code(x->calls[0].reply, 0);

    if (code == 0) {
        return mdm_exchange_leave(x);
    }

    follow->must = 1;

    if (code == MDM_DDM_EVICTED) {
        mdm_ddm_evicted(x);
        return mdm_ddm_follow_end(x);
    }

    if (code != 2) {
        return mdm_ddm_follow_call(x);
    }

    mdm_ddm_sync_again(&follow->sync);

    return mdm_exchange_enter(x, mdm_ddm_sync, &follow->sync,
                              MDM_DDM_FOLLOW_SYNCED);
}


/* it was not done: a rollout does what it can */

static mdm_int_t
mdm_ddm_follow_end(mdm_exchange_t *x)
{
    mdm_ddm_follow_t  *follow;

    follow = x->ctx;

    x->kick = MDM_DDM_ROLLOUT;

    return follow->must ? mdm_exchange_unavailable(x) : mdm_exchange_leave(x);
}


static mdm_int_t
mdm_ddm_follow_call(mdm_exchange_t *x)
{
    mdm_str_t         *args;
    mdm_ddm_follow_t  *follow;

    follow = x->ctx;

    if (mdm_exchange_calls(x, 1, MDM_DDM_FOLLOW_TOLD) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_ddm_channel, &follow->tag, 0);

    if (args == NULL
        || mdm_ddm_notify_args(x, &follow->tag,
                               &args[MDM_ARG_DDM_CHANNEL_UUID],
                               &args[MDM_ARG_DDM_CHANNEL_BODY]) != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_CHANNEL_ID] = follow->id;
    x->owed = 1;
    x->owed_tag = follow->tag;

    mdm_str_set(&args[MDM_ARG_DDM_CHANNEL_FRESH], "0");

    if (follow->fresh) {
        mdm_str_set(&args[MDM_ARG_DDM_CHANNEL_FRESH], "1");
    }

    x->own_failures = 1;

    return MDM_CALL;
}


void
mdm_ddm_evicted(mdm_exchange_t *x)
{
    mdm_exchange_log(x, MDM_LOG_ERROR, "redis evicts what is under way of a "
                     "large manifest, which cannot be made: is its "
                     "maxmemory-policy \"noeviction\"?");
}
