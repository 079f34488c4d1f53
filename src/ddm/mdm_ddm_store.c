
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Stores a status report.  One that is too much for a script has a name before
 * its values are stored, part by part, and is the newest report when the last
 * part is; what it takes away is found by slices.  If that ends half-way the
 * device sends it again.
 */


#include "mdm_ddm_store.h"
#include "mdm_ddm_facts.h"
#include "mdm_ddm_watch.h"
#include "mdm_quote.h"


/* slices of what a channel has, at most; watchers of another revision */
#define MDM_DDM_STORE_SCANS   10000
#define MDM_DDM_STORE_TRIES   5

#define MDM_DDM_STORE_DROPS   256     /* room for drops, at first */


enum {
    MDM_DDM_STORE_SENT = 1,
    MDM_DDM_STORE_WATCHERS,
    MDM_DDM_STORE_SCAN,
    MDM_DDM_STORE_TOLD
};


/* "next" of ddm_status */

enum {
    MDM_DDM_NEXT_DONE = 0,
    MDM_DDM_NEXT_PARTS,
    MDM_DDM_NEXT_WATCHERS
};


static mdm_int_t mdm_ddm_store_send(mdm_exchange_t *x, mdm_ddm_store_t *s,
    const char *part);
static mdm_int_t mdm_ddm_store_full(mdm_exchange_t *x,
    const mdm_ddm_store_t *s, mdm_str_t *dst);
static mdm_uint_t mdm_ddm_store_errors(const mdm_ddm_store_t *s,
    mdm_str_t *list);
static mdm_int_t mdm_ddm_store_lists(mdm_exchange_t *x, mdm_str_t *args,
    const mdm_ddm_store_t *s, const mdm_str_t *errors, mdm_uint_t nerrors);
static mdm_int_t mdm_ddm_store_watch(mdm_exchange_t *x, mdm_ddm_store_t *s,
    mdm_str_t *args);
static mdm_int_t mdm_ddm_store_sent(mdm_exchange_t *x, mdm_ddm_store_t *s);
static void mdm_ddm_store_differs(mdm_exchange_t *x, mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_part(mdm_exchange_t *x, mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_ask(mdm_exchange_t *x, mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_watchers(mdm_exchange_t *x,
    mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_cache(mdm_exchange_t *x, mdm_str_t *key);
static mdm_int_t mdm_ddm_store_look(mdm_exchange_t *x, mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_found(mdm_exchange_t *x, mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_drop(mdm_exchange_t *x, mdm_ddm_store_t *s,
    const mdm_str_t *place);
static mdm_int_t mdm_ddm_store_order(mdm_exchange_t *x, mdm_ddm_store_t *s);
static mdm_int_t mdm_ddm_store_done(mdm_exchange_t *x, mdm_ddm_store_t *s);


mdm_int_t
mdm_ddm_store_begin(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    size_t          bytes;
    mdm_uint_t      i;
    mdm_message_t  *m;

    m = x->ctx;
    m->data = s;

    s->values = s->report.values;
    s->nvalues = s->report.nvalues;

    bytes = 0;

    for (i = 0; i < s->nvalues; i++) {
        bytes += s->values[i].place.len + s->values[i].json.len;
    }

    if (s->nvalues + s->report.nerrors > MDM_DDM_STORE_VALUES
        || (bytes > MDM_DDM_STORE_BYTES && s->nvalues > 1))
    {
        return mdm_ddm_store_send(x, s, "begin");
    }

    s->to = s->nvalues;
    s->last = 1;

    return mdm_ddm_store_send(x, s, "all");
}


mdm_int_t
mdm_ddm_store_step(mdm_exchange_t *x)
{
    mdm_message_t  *m;

    m = x->ctx;

    switch (x->state) {

    case MDM_DDM_STORE_WATCHERS:
        return mdm_ddm_store_watchers(x, m->data);

    case MDM_DDM_STORE_SCAN:
        return mdm_ddm_store_found(x, m->data);

    case MDM_DDM_STORE_TOLD:
        return mdm_exchange_empty(x, 200);

    default: /* MDM_DDM_STORE_SENT */
        return mdm_ddm_store_sent(x, m->data);
    }
}


static mdm_int_t
mdm_ddm_store_send(mdm_exchange_t *x, mdm_ddm_store_t *s, const char *part)
{
    mdm_str_t   *args, *errors;
    mdm_uint_t   n, nerrors;

    errors = mdm_arena_alloc(x->arena,
                             (s->report.nerrors + 1) * sizeof(mdm_str_t));
    if (errors == NULL) {
        return MDM_ERROR;
    }

    n = s->to - s->from;
    nerrors = mdm_ddm_store_errors(s, errors);

    args = mdm_message_call(x, &mdm_script_ddm_status,
                            1 + x->settings->store->nstatus_index
                            + 1 + nerrors + 3 * n, MDM_DDM_STORE_SENT);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_DDM_STATUS_PART].data = (u_char *) (uintptr_t) part;
    args[MDM_ARG_DDM_STATUS_PART].len = strlen(part);

    args[MDM_ARG_DDM_STATUS_DIGESTS] = s->digests;
    args[MDM_ARG_DDM_STATUS_Z] = s->z;
    args[MDM_ARG_DDM_STATUS_CLIENT] = s->client;
    args[MDM_ARG_DDM_STATUS_UUID] = s->uuid;
    args[MDM_ARG_DDM_STATUS_BODY] = s->body;
    args[MDM_ARG_DDM_STATUS_TOKEN] = s->token;
    args[MDM_ARG_DDM_STATUS_RID] = s->rid;
    args[MDM_ARG_DDM_STATUS_WITHHOLD].data =
        (u_char *) (x->settings->ddm_withhold ? "1" : "0");
    args[MDM_ARG_DDM_STATUS_WITHHOLD].len = 1;

    if (s->last) {
        args[MDM_ARG_DDM_STATUS_REPORT] = s->kept;
    }

    if (mdm_ddm_store_full(x, s, &args[MDM_ARG_DDM_STATUS_FULL]) != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_DDM_STATUS_KEPT],
                              x->settings->status_reports)
           != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_DDM_STATUS_MOST_ERRORS],
                              x->settings->status_errors)
           != MDM_OK
        || mdm_message_number(x, &args[MDM_ARG_DDM_STATUS_TOLD],
                              (mdm_uint_t) s->told)
           != MDM_OK
        || mdm_ddm_store_watch(x, s, args) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return (mdm_ddm_store_lists(x, args + MDM_ARG_DDM_STATUS_LISTS, s, errors,
                                nerrors)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* what of the report it is: a full one, of declarations, of the client */

static mdm_int_t
mdm_ddm_store_full(mdm_exchange_t *x, const mdm_ddm_store_t *s,
    mdm_str_t *dst)
{
    mdm_uint_t  i, d, c;

    d = 0;
    c = 0;

    for (i = 0; i < s->report.nvalues; i++) {
        d |= (mdm_ddm_replace_apart(&s->report.values[i].place) == 'd');
        c |= (mdm_ddm_replace_apart(&s->report.values[i].place) == 'c');
    }

    if (!s->report.full) {
        mdm_str_set(dst, "0");
        return MDM_OK;
    }

    return mdm_printf(x->arena, dst, "1%s%s", d ? "d" : "", c ? "c" : "");
}


/*
 * Those of declarations go with the first part, which has their lists: what was
 * said of them before is still there.  The others go with the last one.
 */

static mdm_uint_t
mdm_ddm_store_errors(const mdm_ddm_store_t *s, mdm_str_t *list)
{
    mdm_str_t   *error;
    mdm_uint_t   i, n, declaration;

    n = 0;

    for (i = 0; i < s->report.nerrors; i++) {
        error = &s->report.errors[i];
        declaration = (error->len != 0 && error->data[0] == '.');

        if (s->to == s->from && !s->last) {
            continue;
        }

        if (declaration ? s->from == 0 : s->last) {
            list[n++] = *error;
        }
    }

    return n;
}


static mdm_int_t
mdm_ddm_store_lists(mdm_exchange_t *x, mdm_str_t *args,
    const mdm_ddm_store_t *s, const mdm_str_t *errors, mdm_uint_t nerrors)
{
    mdm_uint_t              i, n;
    const mdm_ddm_value_t  *v;

    static const char  types[] = "=?-?@?[?~?";

    n = x->settings->store->nstatus_index;

    if (mdm_message_number(x, args++, n) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        *args++ = x->settings->store->status_index[i];
    }

    if (mdm_message_number(x, args++, nerrors) != MDM_OK) {
        return MDM_ERROR;
    }

    for (i = 0; i < nerrors; i++) {
        *args++ = errors[i];
    }

    for (i = s->from; i < s->to; i++) {
        v = &s->values[i];

        args->data = (u_char *) strchr(types, (int) v->type);
        args->len = v->unknown ? 2 : 1;
        args++;

        *args++ = v->place;
        *args++ = v->json;
    }

    return MDM_OK;
}


/* what the worker knows of watchers */

static mdm_int_t
mdm_ddm_store_watch(mdm_exchange_t *x, mdm_ddm_store_t *s, mdm_str_t *args)
{
    u_char     *p;
    mdm_int_t   rc;
    mdm_str_t   key, value;

    value = s->watch;

    if (value.len == 0) {

        if (mdm_ddm_store_cache(x, &key) != MDM_OK) {
            return MDM_ERROR;
        }

        if (mdm_exchange_cache_get(x, &key, &value) != MDM_OK) {
            mdm_str_null(&value);
        }
    }

    p = (value.len != 0) ? memchr(value.data, '\n', value.len) : NULL;

    if (p == NULL) {
        return MDM_OK;
    }

    key.len = (size_t) (p - value.data);

    if (mdm_printf(x->arena, &args[MDM_ARG_DDM_STATUS_REV], "%.*s",
                   (int) key.len, (char *) value.data)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    value.data = p + 1;
    value.len -= key.len + 1;

    rc = mdm_ddm_watch_find(x->arena, &value,
                            (s->to != s->from) ? &s->values[s->from] : NULL,
                            s->to - s->from,
                            &args[MDM_ARG_DDM_STATUS_WATCH],
                            &args[MDM_ARG_DDM_STATUS_HEADS]);

    if (rc == MDM_DECLINED) {

        /* none that can be read */

        mdm_str_set(&args[MDM_ARG_DDM_STATUS_WATCH], "");
        mdm_str_set(&args[MDM_ARG_DDM_STATUS_HEADS], "");

        return MDM_OK;
    }

    return rc;
}


static mdm_int_t
mdm_ddm_store_sent(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    int64_t             code, next;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    code = mdm_reply_code(reply, MDM_CODE_LOST);

    if (code != MDM_CODE_NONE) {
        return mdm_message_refused(x, code);
    }

    next = mdm_reply_int(reply, MDM_RET_DDM_STATUS_NEXT, -1);

    switch (next) {

    case MDM_DDM_NEXT_DONE:
        s->dropped += (mdm_uint_t) mdm_reply_count(reply,
                                       MDM_RET_DDM_STATUS_DROPPED,
                                       MDM_DDM_VALUES);

        if (s->unnamed.len == 0) {
            s->unnamed = mdm_reply_str(reply, MDM_RET_DDM_STATUS_UNNAMED);
        }

        s->told = mdm_reply_count(reply, MDM_RET_DDM_STATUS_TOLD, INT32_MAX);
        s->unfinished |= (mdm_reply_int(reply,
                                        MDM_RET_DDM_STATUS_UNFINISHED, 0)
                          == 1);

        if (mdm_reply_int(reply, MDM_RET_DDM_STATUS_DIFFERS, 0) != 0) {
            mdm_ddm_store_differs(x, s);
        }

        /* also one that has come before, of which nothing is sent */

        if (s->last || !s->parts) {
            return mdm_ddm_store_done(x, s);
        }

        return mdm_ddm_store_part(x, s);

    case MDM_DDM_NEXT_PARTS:

        if (s->parts) {
            return mdm_exchange_odd(x, 0);
        }

        s->parts = 1;
        s->last = 0;
        s->to = 0;
        s->rid = mdm_reply_str(reply, MDM_RET_DDM_STATUS_RID);

        /* half a report is worse than one that nobody waits for */

        x->lasting = 1;

        return mdm_ddm_store_look(x, s);

    case MDM_DDM_NEXT_WATCHERS:
        return mdm_ddm_store_ask(x, s);

    default: /* another one is being stored, or the script is odd */
        return mdm_exchange_unavailable(x);
    }
}


/* said once, in whichever part it comes */

static void
mdm_ddm_store_differs(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    mdm_message_t  *m;

    m = x->ctx;
    s->token.len = 0;

    mdm_exchange_log(x, MDM_LOG_WARN, "the push token that \"%.*s\" reports is "
                     "not that of its last TokenUpdate",
                     mdm_fmt(&m->en.id_key));
}


/* the next part, as large as a script may take */

static mdm_int_t
mdm_ddm_store_part(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    size_t            bytes;
    mdm_uint_t        n;
    mdm_ddm_value_t  *v;

    s->from = s->to;
    bytes = 0;

    for (n = 0; s->to < s->nvalues && n < MDM_DDM_STORE_VALUES; n++) {
        v = &s->values[s->to];
        bytes += v->place.len + v->json.len;

        if (bytes > MDM_DDM_STORE_BYTES && n != 0) {
            break;
        }

        s->to++;
    }

    s->last = (s->to == s->nvalues);

    return mdm_ddm_store_send(x, s, s->last ? "end" : "more");
}


/* the watchers as the partition has them */

static mdm_int_t
mdm_ddm_store_ask(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    mdm_message_t  *m;

    m = x->ctx;

    if (++s->tries > MDM_DDM_STORE_TRIES) {
        return mdm_exchange_unavailable(x);
    }

    if (mdm_exchange_calls(x, 1, MDM_DDM_STORE_WATCHERS) != MDM_CALL
        || mdm_exchange_call(x, 0, &mdm_script_ddm_watchers, &m->en.tag, 0)
           == NULL)
    {
        return MDM_ERROR;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_store_watchers(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    u_char             *p;
    mdm_int_t           rc;
    mdm_str_t           key, rev, watchers, compiled;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    rev = mdm_reply_str(reply, MDM_RET_DDM_WATCHERS_REV);
    watchers = mdm_reply_str(reply, MDM_RET_DDM_WATCHERS_WATCHERS);

    rc = mdm_ddm_watch_compile(x->arena, &watchers, &compiled);

    if (rc == MDM_ERROR || mdm_ddm_store_cache(x, &key) != MDM_OK) {
        return MDM_ERROR;
    }

    if (rc == MDM_DECLINED) {
        mdm_exchange_log(x, MDM_LOG_ERROR, "the watchers of status values "
                         "cannot be read");
        mdm_str_null(&compiled);
    }

    s->watch.len = rev.len + 1 + compiled.len;

    p = mdm_arena_alloc(x->arena, s->watch.len);
    if (p == NULL) {
        return MDM_ERROR;
    }

    s->watch.data = p;

    if (rev.len != 0) {
        memcpy(p, rev.data, rev.len);
        p += rev.len;
    }

    *p++ = '\n';

    if (compiled.len != 0) {
        memcpy(p, compiled.data, compiled.len);
    }

    mdm_exchange_cache_put(x, &key, &s->watch);

    return mdm_ddm_store_send(x, s, !s->parts ? "all"
                                              : s->last ? "end" : "more");
}


/* no declaration has such a key; a worker has one cache for all stores */

static mdm_int_t
mdm_ddm_store_cache(mdm_exchange_t *x, mdm_str_t *key)
{
    return mdm_printf(x->arena, key, "\1watch %p %.*s",
                      (const void *) x->settings->store, mdm_fmt(&x->tenant));
}


/* what is there, slice by slice */

static mdm_int_t
mdm_ddm_store_look(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    mdm_str_t      *args;
    mdm_message_t  *m;

    m = x->ctx;

    if (s->replace == NULL) {
        s->replace = mdm_ddm_replace_create(x->arena, &s->report);
        if (s->replace == NULL) {
            return MDM_ERROR;
        }
    }

    if (s->scans++ == MDM_DDM_STORE_SCANS) {
        return mdm_exchange_odd(x, 0);
    }

    if (mdm_exchange_calls(x, 1, MDM_DDM_STORE_SCAN) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_status_scan, &m->en.tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_STATUS_SCAN_ID] = m->en.id_key;
    args[MDM_ARG_STATUS_SCAN_CURSOR] = s->cursor;

    return MDM_CALL;
}


static mdm_int_t
mdm_ddm_store_found(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    size_t              i;
    mdm_str_t           place;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    for (i = MDM_RET_STATUS_SCAN_PLACES; i < mdm_reply_size(reply); i++) {
        place = mdm_reply_str(reply, i);

        if (place.len != 0 && mdm_ddm_replace_takes(s->replace, &place)
            && mdm_ddm_store_drop(x, s, &place) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    s->cursor = mdm_reply_str(reply, MDM_RET_STATUS_SCAN_CURSOR);

    if (s->cursor.len != 0) {
        return mdm_ddm_store_look(x, s);
    }

    if (mdm_ddm_store_order(x, s) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_ddm_store_part(x, s);
}


static mdm_int_t
mdm_ddm_store_drop(mdm_exchange_t *x, mdm_ddm_store_t *s,
    const mdm_str_t *place)
{
    mdm_uint_t        size;
    mdm_ddm_value_t  *v;

    if (s->ndrops == s->size) {
        size = (s->size == 0) ? MDM_DDM_STORE_DROPS : 4 * s->size;

        v = mdm_arena_alloc(x->arena, size * sizeof(mdm_ddm_value_t));
        if (v == NULL) {
            return MDM_ERROR;
        }

        if (s->ndrops != 0) {
            memcpy(v, s->drops, s->ndrops * sizeof(mdm_ddm_value_t));
        }

        s->drops = v;
        s->size = size;
    }

    v = &s->drops[s->ndrops++];

    v->type = MDM_DDM_REMOVE;
    v->unknown = 0;
    v->place = *place;
    mdm_str_set(&v->json, "");

    return MDM_OK;
}


/*
 * Lists of declarations first, with which their errors are compared; then what
 * is taken away, so that there is room for what comes.
 */

static mdm_int_t
mdm_ddm_store_order(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    mdm_uint_t              i, k, n;
    const mdm_ddm_value_t  *v;

    s->values = mdm_arena_alloc(x->arena, (s->report.nvalues + s->ndrops + 1)
                                          * sizeof(mdm_ddm_value_t));
    if (s->values == NULL) {
        return MDM_ERROR;
    }

    n = 0;

    for (k = 0; k < 2; k++) {

        for (i = 0; i < s->report.nvalues; i++) {
            v = &s->report.values[i];

            if ((mdm_ddm_replace_apart(&v->place) == 'd') == (k == 0)) {
                s->values[n++] = *v;
            }
        }

        if (k == 0 && s->ndrops != 0) {
            memcpy(s->values + n, s->drops,
                   s->ndrops * sizeof(mdm_ddm_value_t));
            n += s->ndrops;
        }
    }

    s->nvalues = n;

    return MDM_OK;
}


static mdm_int_t
mdm_ddm_store_done(mdm_exchange_t *x, mdm_ddm_store_t *s)
{
    mdm_quote_t       quote;
    mdm_message_t    *m;
    mdm_ddm_facts_t  *facts;

    m = x->ctx;

    if (s->dropped != 0) {
        mdm_exchange_log(x, MDM_LOG_WARN, "%lu new values in a status "
                         "report of \"%.*s\" are left out: it has too many",
                         (unsigned long) s->dropped, mdm_fmt(&m->en.id_key));
    }

    if (s->unnamed.len != 0) {
        mdm_exchange_log(x, MDM_LOG_NOTICE, "the array \"%s\" in a status "
                         "report of \"%.*s\" is left out: its elements have "
                         "no identifier, those that are known have one",
                         mdm_quote(&quote, (char *) s->unnamed.data,
                                   s->unnamed.len),
                         mdm_fmt(&m->en.id_key));
    }

    if (!s->unfinished) {
        return mdm_exchange_empty(x, 200);
    }

    facts = mdm_arena_zalloc(x->arena, sizeof(mdm_ddm_facts_t));
    if (facts == NULL) {
        return MDM_ERROR;
    }

    facts->tag = m->en.tag;
    facts->device = m->en.device_key;

    return mdm_exchange_enter(x, mdm_ddm_facts, facts, MDM_DDM_STORE_TOLD);
}
