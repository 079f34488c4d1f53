
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads the metrics that live in Redis.
 */


#include "mdm_gauges.h"

#include "mdm_gauges_outbox.h"
#include "mdm_hook_job.h"
#include "mdm_key.h"
#include "mdm_number.h"
#include "mdm_push_lease.h"
#include "mdm_webhook.h"


/* streams asked in a round, and in the first one, which shows what one costs;
   microseconds of Redis that a round is to take */
#define MDM_GAUGES_ROUND      64
#define MDM_GAUGES_FIRST      8
#define MDM_GAUGES_TIME       5000

/*
 * What a partition costs Redis at least, in microseconds, and how many times of
 * what all tenants cost are between two readings: they take 1 % of its time.
 */
#define MDM_GAUGES_COST       30
#define MDM_GAUGES_SHARE      100

/* microseconds that a tenant costs at most: what Redis says of it is bounded */
#define MDM_GAUGES_LONG       INT64_C(60000000)

/* tenants that are counted */
#define MDM_GAUGES_ALL        100000000

/* pages of tenants that are read of what was stored, 100 tenants each */
#define MDM_GAUGES_PAGES      1000

/* seconds after which nobody reads any more what is stored */
#define MDM_GAUGES_QUIET      "600"


typedef struct {
    mdm_uint_t                next;        /* stream */
    int64_t                   cost;        /* microseconds of Redis */
    int64_t                   owed;
    int64_t                   oldest;      /* Unix ms, 0: none */
    int64_t                   dead;
    int64_t                   enrollments;
    mdm_gauges_outbox_t       outbox;
} mdm_gauges_sums_t;


enum {
    MDM_GAUGES_BEGIN = 0,
    MDM_GAUGES_READ,
    MDM_GAUGES_TOPICS,
    MDM_GAUGES_STORED
};


static mdm_int_t mdm_gauges_begin(mdm_exchange_t *x);
static mdm_int_t mdm_gauges_ask(mdm_exchange_t *x, mdm_gauges_sums_t *sums);
static mdm_uint_t mdm_gauges_most(const mdm_gauges_sums_t *sums);
static mdm_int_t mdm_gauges_add(mdm_exchange_t *x, mdm_gauges_sums_t *sums);
static mdm_int_t mdm_gauges_topics(mdm_exchange_t *x);
static mdm_int_t mdm_gauges_store(mdm_exchange_t *x, mdm_gauges_sums_t *sums);
static mdm_int_t mdm_gauges_put(mdm_exchange_t *x, mdm_gauges_sums_t *sums,
    mdm_str_t *args, mdm_str_t **rows);
static mdm_int_t mdm_gauges_stored(mdm_exchange_t *x);
static mdm_int_t mdm_gauges_page(mdm_exchange_t *x, mdm_gauges_get_t *get,
    const mdm_str_t *cursor);
static mdm_int_t mdm_gauges_got(mdm_exchange_t *x, mdm_gauges_get_t *get);
static mdm_int_t mdm_gauges_add_page(mdm_exchange_t *x,
    mdm_gauges_get_t *get);
static void mdm_gauges_works(mdm_gauges_t *gauges, mdm_gauges_get_t *get,
    const mdm_reply_t *works);
static void mdm_gauges_topic(mdm_exchange_t *x, mdm_gauges_t *gauges,
    const mdm_reply_t *reply, size_t row);


const mdm_job_kind_t  mdm_gauges_jobs[] = {

    { mdm_string("gauges"), mdm_gauges_step, 0, MDM_JOB_LEASE, 0, 0 },

    mdm_job_null
};


mdm_int_t
mdm_gauges_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_GAUGES_BEGIN:
        return mdm_gauges_begin(x);

    case MDM_GAUGES_READ:
        return mdm_gauges_add(x, x->ctx);

    case MDM_GAUGES_TOPICS:
        return mdm_gauges_store(x, x->ctx);

    default: /* MDM_GAUGES_STORED */
        return mdm_gauges_stored(x);
    }
}


static mdm_int_t
mdm_gauges_begin(mdm_exchange_t *x)
{
    mdm_gauges_sums_t  *sums;

    sums = mdm_arena_zalloc(x->arena, sizeof(mdm_gauges_sums_t));
    if (sums == NULL) {
        return MDM_ERROR;
    }

    x->ctx = sums;

    return mdm_gauges_ask(x, sums);
}


/* the next streams, or behind the last one the certificates */

static mdm_int_t
mdm_gauges_ask(mdm_exchange_t *x, mdm_gauges_sums_t *sums)
{
    mdm_int_t   rc;
    mdm_str_t   tags[MDM_GAUGES_ROUND], *args;
    mdm_uint_t  i, n, most;

    most = mdm_gauges_most(sums);

    for (n = 0; n < most; n++) {
        rc = mdm_hook_tag(x, sums->next + n, &tags[n]);

        if (rc == MDM_ERROR) {
            return MDM_ERROR;
        }

        if (rc == MDM_DECLINED) {
            break;
        }
    }

    if (n == 0) {
        return mdm_gauges_topics(x);
    }

    if (x->stop) {
        return mdm_exchange_empty(x, 202);
    }

    if (mdm_exchange_calls(x, n, MDM_GAUGES_READ) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        args = mdm_exchange_call(x, i, &mdm_script_gauges_read, &tags[i], 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        mdm_str_set(&args[MDM_ARG_GAUGES_READ_PARTITION], "0");

        if (sums->next + i < x->settings->store->partitions) {
            mdm_str_set(&args[MDM_ARG_GAUGES_READ_PARTITION], "1");
        }
    }

    sums->next += n;

    return MDM_CALL;
}


/* devices wait for as long as a round takes */

static mdm_uint_t
mdm_gauges_most(const mdm_gauges_sums_t *sums)
{
    int64_t  n;

    if (sums->next == 0) {
        return MDM_GAUGES_FIRST;
    }

    n = MDM_GAUGES_TIME * (int64_t) sums->next / (sums->cost + 1);

    if (n < 1) {
        return 1;
    }

    return (n < MDM_GAUGES_ROUND) ? (mdm_uint_t) n : MDM_GAUGES_ROUND;
}


static mdm_int_t
mdm_gauges_add(mdm_exchange_t *x, mdm_gauges_sums_t *sums)
{
    int64_t             since;
    mdm_str_t           oldest;
    mdm_uint_t          i;
    const mdm_reply_t  *reply;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        sums->owed += (int64_t) mdm_gauges_number(reply,
                                                  MDM_RET_GAUGES_READ_OWED);
        sums->dead += (int64_t) mdm_gauges_number(reply,
                                                  MDM_RET_GAUGES_READ_DEAD);
        sums->enrollments
            += (int64_t) mdm_gauges_number(reply,
                                           MDM_RET_GAUGES_READ_ENROLLMENTS);

        oldest = mdm_reply_str(reply, MDM_RET_GAUGES_READ_OLDEST);

        if (mdm_atoi(&oldest, &since) == MDM_OK && since != 0
            && (sums->oldest == 0 || since < sums->oldest))
        {
            sums->oldest = since;
        }

        sums->cost += (int64_t) mdm_gauges_number(reply,
                                                  MDM_RET_GAUGES_READ_COST);

        if (mdm_gauges_outbox_add(x, &sums->outbox, reply) != MDM_OK) {
            return MDM_ERROR;
        }
    }

    return mdm_gauges_ask(x, sums);
}


/* of a topic whose certificate is in a file, only that it is stopped */

static mdm_int_t
mdm_gauges_topics(mdm_exchange_t *x)
{
    mdm_str_t               key, *args;
    mdm_uint_t              i, n;
    const mdm_push_file_t  *file;

    n = 0;

    for (i = 0; i < x->settings->npush_files; i++) {
        file = &x->settings->push_files[i];
        n += mdm_str_eq(&file->tenant, &x->tenant);
    }

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_GAUGES_TOPICS) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_push_cert_get, &key, n);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args += MDM_ARG_PUSH_CERT_GET_FILES;

    for (i = 0; i < x->settings->npush_files; i++) {
        file = &x->settings->push_files[i];

        if (mdm_str_eq(&file->tenant, &x->tenant)
            && mdm_key_id(x->arena, args++, &file->topic) != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_gauges_store(mdm_exchange_t *x, mdm_gauges_sums_t *sums)
{
    size_t              row;
    mdm_str_t           key, value, *args;
    mdm_uint_t          n, hooks;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    row = MDM_RET_PUSH_CERT_GET_CERTS;

    for (n = 0; mdm_reply_row(reply, row + n * MDM_NRET_PUSH_CERT_GET_CERTS,
                              MDM_NRET_PUSH_CERT_GET_CERTS); n++)
    { /* void */ }

    mdm_str_set(&key, MDM_JOB_KEY);

    if (mdm_exchange_calls(x, 1, MDM_GAUGES_STORED) != MDM_CALL) {
        return MDM_ERROR;
    }

    hooks = sums->outbox.nhooks
            + (sums->outbox.hooks[MDM_GAUGES_HOOKS].name.len != 0);

    args = mdm_exchange_call(x, 0, &mdm_script_gauges_put, &key,
                             3 * (n + hooks));

    if (args == NULL || mdm_gauges_put(x, sums, args, &args) != MDM_OK) {
        return MDM_ERROR;
    }

    for ( /* void */ ; n != 0; n--, row += MDM_NRET_PUSH_CERT_GET_CERTS) {

        *args++ = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOPIC);

        value = mdm_reply_str(reply,
                              row + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);

        if (value.len == 0) {
            mdm_str_set(&value, "0");
        }

        *args++ = value;

        value = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_STOP);

        mdm_str_set(args, "0");

        if (value.len != 0) {
            mdm_str_set(args, "1");
        }

        args++;
    }

    return MDM_CALL;
}


/* all but the topics, which are to be set from *rows on */

static mdm_int_t
mdm_gauges_put(mdm_exchange_t *x, mdm_gauges_sums_t *sums, mdm_str_t *args,
    mdm_str_t **rows)
{
    int64_t  cost;

    *rows = &args[MDM_ARG_GAUGES_PUT_ROWS];

    cost = (sums->cost < MDM_GAUGES_LONG) ? sums->cost : MDM_GAUGES_LONG;

    args[MDM_ARG_GAUGES_PUT_TENANT] = x->tenant;
    mdm_str_set(&args[MDM_ARG_GAUGES_PUT_QUIET], MDM_GAUGES_QUIET);

    if (mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_OWED], sums->owed)
        != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_OLDEST], sums->oldest)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_DEAD], sums->dead)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_ENROLLMENTS],
                    sums->enrollments)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_PUT_COST], cost) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_gauges_outbox_put(x, &sums->outbox, args, rows);
}


/* the next time: all tenants together are to cost Redis 1 % at most */

static mdm_int_t
mdm_gauges_stored(mdm_exchange_t *x)
{
    int64_t             tenants, least, cost;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    tenants = mdm_reply_count(reply, MDM_RET_GAUGES_PUT_TENANTS,
                              MDM_GAUGES_ALL);

    if (tenants > 0) {

        /* those that were not read yet are in no sum */

        least = tenants * (int64_t) x->settings->store->partitions
                * MDM_GAUGES_COST;

        cost = mdm_reply_count(reply, MDM_RET_GAUGES_PUT_COST,
                               MDM_GAUGES_ALL * MDM_GAUGES_LONG);

        if (cost < least) {
            cost = least;
        }

        x->again = cost * MDM_GAUGES_SHARE / 1000;

        if (x->again < MDM_GAUGES_EVERY * 1000) {
            x->again = MDM_GAUGES_EVERY * 1000;
        }
    }

    return mdm_exchange_empty(x, 200);
}


mdm_int_t
mdm_gauges_get(mdm_exchange_t *x)
{
    mdm_gauges_get_t  *get;

    static const mdm_str_t  first = mdm_string("0");

    get = x->ctx;

    if (x->state != MDM_GAUGES_BEGIN) {
        return mdm_gauges_got(x, get);
    }

    get->pages = 0;

    get->gauges = mdm_arena_zalloc(x->arena, sizeof(mdm_gauges_t));
    if (get->gauges == NULL) {
        return MDM_ERROR;
    }

    mdm_gauges_outbox_begin(x, get->gauges);

    return mdm_gauges_page(x, get, &first);
}


static mdm_int_t
mdm_gauges_page(mdm_exchange_t *x, mdm_gauges_get_t *get,
    const mdm_str_t *cursor)
{
    mdm_str_t   key, *args;
    mdm_uint_t  i, hooks;

    mdm_str_set(&key, MDM_JOB_KEY);

    hooks = mdm_gauges_outbox_names(x->settings);

    if (mdm_exchange_calls(x, 1, MDM_GAUGES_STORED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_gauges_get, &key,
                             get->nkinds + hooks + get->ntenants);

    if (args == NULL
        || mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_GET_NKINDS],
                    (int64_t) get->nkinds)
           != MDM_OK
        || mdm_itoa(x->arena, &args[MDM_ARG_GAUGES_GET_NHOOKS],
                    (int64_t) hooks)
           != MDM_OK
        || mdm_str_dup(x->arena, &args[MDM_ARG_GAUGES_GET_CURSOR], cursor)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args += MDM_ARG_GAUGES_GET_KINDS;

    for (i = 0; i < get->nkinds; i++) {
        *args++ = get->kinds[i];
    }

    for (i = 0; i < hooks; i++) {
        *args++ = x->settings->webhooks[i].name;
    }

    for (i = 0; i < get->ntenants; i++) {
        *args++ = get->tenants[i];
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_gauges_got(mdm_exchange_t *x, mdm_gauges_get_t *get)
{
    mdm_str_t  cursor;

    if (mdm_gauges_add_page(x, get) != MDM_OK) {
        return MDM_ERROR;
    }

    cursor = mdm_reply_str(x->calls[0].reply, MDM_RET_GAUGES_GET_CURSOR);

    if (cursor.len == 0 || (cursor.len == 1 && cursor.data[0] == '0')
        || ++get->pages == MDM_GAUGES_PAGES)
    {
        return mdm_exchange_empty(x, 200);
    }

    return mdm_gauges_page(x, get, &cursor);
}


static mdm_int_t
mdm_gauges_add_page(mdm_exchange_t *x, mdm_gauges_get_t *get)
{
    size_t              row;
    mdm_gauges_t       *gauges;
    unsigned long       age;
    const mdm_reply_t  *reply;

    gauges = mdm_arena_zalloc(x->arena, sizeof(mdm_gauges_t));
    if (gauges == NULL) {
        return MDM_ERROR;
    }

    reply = x->calls[0].reply;

    if (mdm_reply_int(reply, MDM_RET_GAUGES_GET_AGE, -1) >= 0) {
        age = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_AGE);

        gauges->read = (age < (unsigned long) x->now)
                       ? (unsigned long) x->now - age : 1;
    }

    gauges->owed = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_OWED);
    gauges->oldest = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_OLDEST);
    gauges->dead = mdm_gauges_number(reply, MDM_RET_GAUGES_GET_DEAD);
    gauges->enrollments = mdm_gauges_number(reply,
                                            MDM_RET_GAUGES_GET_ENROLLMENTS);

    if (get->pages == 0) {
        mdm_gauges_works(gauges, get,
                         mdm_reply_at(reply, MDM_RET_GAUGES_GET_WORKS));
    }

    mdm_gauges_outbox_got(x, reply, gauges);

    for (row = MDM_RET_GAUGES_GET_TOPICS;
         mdm_reply_row(reply, row, MDM_NRET_GAUGES_GET_TOPICS);
         row += MDM_NRET_GAUGES_GET_TOPICS)
    {
        mdm_gauges_topic(x, gauges, reply, row);
    }

    mdm_gauges_merge(get->gauges, gauges);

    return MDM_OK;
}


static void
mdm_gauges_works(mdm_gauges_t *gauges, mdm_gauges_get_t *get,
    const mdm_reply_t *works)
{
    mdm_uint_t  i;

    for (i = 0; i < get->nkinds && i < MDM_METRICS_WORKS; i++) {
        gauges->works[i].late = mdm_gauges_number(works, i);
        gauges->works[i].len = get->kinds[i].len;

        if (get->kinds[i].len > MDM_METRICS_WORK) {
            gauges->works[i].len = MDM_METRICS_WORK;
        }

        memcpy(gauges->works[i].data, get->kinds[i].data,
               gauges->works[i].len);
    }
}


static void
mdm_gauges_topic(mdm_exchange_t *x, mdm_gauges_t *gauges,
    const mdm_reply_t *reply, size_t row)
{
    mdm_str_t              topic, raw;
    mdm_gauges_topic_t    *t;

    topic = mdm_reply_str(reply, row + MDM_RET_GAUGES_GET_TOPICS_TOPIC);

    if (gauges->ntopics == MDM_METRICS_TOPICS
        || mdm_unescape(x->arena, &raw, &topic) != MDM_OK
        || raw.len == 0 || raw.len > MDM_METRICS_TOPIC
        || !mdm_utf8_valid(&raw) || mdm_utf8_control(&raw))
    {
        return;
    }

    t = &gauges->topics[gauges->ntopics++];

    t->len = raw.len;
    memcpy(t->data, raw.data, raw.len);

    t->not_after
        = mdm_gauges_number(reply, row + MDM_RET_GAUGES_GET_TOPICS_NOT_AFTER);
    t->stopped
        = mdm_gauges_number(reply, row + MDM_RET_GAUGES_GET_TOPICS_STOPPED);
}
