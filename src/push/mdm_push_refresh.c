
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Reads push certificates out of Redis, those that have changed.
 */


#include <openssl/crypto.h>

#include "mdm_push_refresh.h"

#include "mdm_exchange_secret.h"
#include "mdm_key.h"
#include "mdm_push_pem.h"
#include "mdm_push_stop.h"
#include "mdm_quote.h"


/* topics that one refresh asks about */
#define MDM_PUSH_PROBES       16


enum {
    MDM_PUSH_REFRESH_BEGIN = 0,
    MDM_PUSH_REFRESH_ROWS,
    MDM_PUSH_REFRESH_PROBES
};


static mdm_int_t mdm_push_refresh_begin(mdm_exchange_t *x,
    mdm_push_refresh_t *refresh);
static mdm_int_t mdm_push_refresh_rows(mdm_exchange_t *x,
    mdm_push_refresh_t *refresh);
static mdm_int_t mdm_push_refresh_probe(mdm_exchange_t *x,
    mdm_push_refresh_t *refresh);
static mdm_int_t mdm_push_refresh_probed(mdm_exchange_t *x,
    mdm_push_refresh_t *refresh);
static mdm_int_t mdm_push_refresh_row(mdm_exchange_t *x,
    mdm_push_refresh_t *refresh, mdm_push_topic_t *t,
    const mdm_reply_t *reply, size_t row);
static mdm_int_t mdm_push_refresh_read(mdm_exchange_t *x, mdm_push_topic_t *t,
    const mdm_str_t *topic, const mdm_str_t *cert, mdm_str_t *key);
static mdm_int_t mdm_push_refresh_pair(mdm_exchange_t *x,
    mdm_push_topic_t *t, const mdm_str_t *cert, const mdm_str_t *key,
    const char **why);
static const mdm_push_known_t *mdm_push_refresh_known(
    const mdm_push_refresh_t *refresh, const mdm_str_t *topic);
static void mdm_push_refresh_free(void *data);


mdm_int_t
mdm_push_refresh_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_PUSH_REFRESH_BEGIN:
        return mdm_push_refresh_begin(x, x->ctx);

    case MDM_PUSH_REFRESH_ROWS:
        return mdm_push_refresh_rows(x, x->ctx);

    default: /* MDM_PUSH_REFRESH_PROBES */
        return mdm_push_refresh_probed(x, x->ctx);
    }
}


static mdm_int_t
mdm_push_refresh_begin(mdm_exchange_t *x, mdm_push_refresh_t *refresh)
{
    mdm_str_t          key, *args;
    mdm_uint_t         i, k, n, files;
    mdm_push_known_t  *known;

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_PUSH_REFRESH_ROWS) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    files = 0;

    for (i = 0; i < refresh->nknown; i++) {
        files += refresh->known[i].file;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_push_cert_read, &key,
                             2 * refresh->nknown);
    if (args == NULL) {
        return MDM_ERROR;
    }

    if (mdm_printf(x->arena, &args[MDM_ARG_PUSH_CERT_READ_FILES], "%lu",
                   (unsigned long) files)
        != MDM_OK)
    {
        return MDM_ERROR;
    }

    args += MDM_ARG_PUSH_CERT_READ_KNOWN;

    /* those of files stand in front */

    n = 0;

    for (i = 0; i < refresh->nknown; i++) {
        known = &refresh->known[i];
        k = known->file ? n++ : files + i - n;

        if (mdm_key_id(x->arena, &args[2 * k], &known->topic) != MDM_OK) {
            return MDM_ERROR;
        }

        args[2 * k + 1] = known->sha256;
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_push_refresh_rows(mdm_exchange_t *x, mdm_push_refresh_t *refresh)
{
    size_t              row;
    mdm_push_topic_t   *t;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;

    refresh->topics = mdm_arena_zalloc(x->arena,
                                       (mdm_reply_size(reply)
                                        / MDM_NRET_PUSH_CERT_READ_CERTS + 1)
                                       * sizeof(mdm_push_topic_t));
    if (refresh->topics == NULL) {
        return MDM_ERROR;
    }

    for (row = MDM_RET_PUSH_CERT_READ_CERTS;
         mdm_reply_row(reply, row, MDM_NRET_PUSH_CERT_READ_CERTS);
         row += MDM_NRET_PUSH_CERT_READ_CERTS)
    {
        t = &refresh->topics[refresh->ntopics];

        switch (mdm_push_refresh_row(x, refresh, t, reply, row)) {

        case MDM_OK:
            refresh->ntopics++;
            break;

        case MDM_DECLINED:
            break;

        default:
            return MDM_ERROR;
        }
    }

    return mdm_push_refresh_probe(x, refresh);
}


/* those that are stopped, and waited for */

static mdm_int_t
mdm_push_refresh_probe(mdm_exchange_t *x, mdm_push_refresh_t *refresh)
{
    mdm_uint_t               i, n;
    mdm_push_topic_t        *t;
    const mdm_push_known_t  *known;

    refresh->probes = mdm_arena_alloc(x->arena, MDM_PUSH_PROBES
                                                * sizeof(mdm_push_topic_t *));
    if (refresh->probes == NULL) {
        return MDM_ERROR;
    }

    n = 0;

    for (i = 0; i < refresh->ntopics && n < MDM_PUSH_PROBES; i++) {
        t = &refresh->topics[i];
        known = mdm_push_refresh_known(refresh, &t->topic);

        if (t->stop.len != 0 && known != NULL && known->wanted) {
            refresh->probes[n++] = t;
        }
    }

    if (n == 0) {
        return mdm_exchange_empty(x, 200);
    }

    if (mdm_exchange_calls(x, n, MDM_PUSH_REFRESH_PROBES) != MDM_CALL) {
        return MDM_ERROR;
    }

    /* where it cannot be asked for, there is none this time */

    x->own_failures = 1;

    for (i = 0; i < n; i++) {
        t = refresh->probes[i];
        known = mdm_push_refresh_known(refresh, &t->topic);

        if (mdm_push_probe_call(x, i, &t->topic, &t->sha256, known->file)
            != MDM_OK)
        {
            return MDM_ERROR;
        }
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_push_refresh_probed(mdm_exchange_t *x, mdm_push_refresh_t *refresh)
{
    mdm_uint_t  i;

    for (i = 0; i < x->ncalls; i++) {
        refresh->probes[i]->probe
            = (x->calls[i].rc == MDM_CALL_OK
               && mdm_reply_code(x->calls[i].reply, 0) == 1);
    }

    return mdm_exchange_empty(x, 200);
}


/* MDM_DECLINED: what is no row of ours */

static mdm_int_t
mdm_push_refresh_row(mdm_exchange_t *x, mdm_push_refresh_t *refresh,
    mdm_push_topic_t *t, const mdm_reply_t *reply, size_t row)
{
    mdm_str_t                topic, cert, key, number;
    const mdm_push_known_t  *known;

    topic = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_READ_CERTS_TOPIC);
    number = mdm_reply_str(reply,
                           row + MDM_RET_PUSH_CERT_READ_CERTS_NOT_AFTER);

    if (mdm_unescape(x->arena, &t->topic, &topic) != MDM_OK) {
        return MDM_DECLINED;
    }

    known = mdm_push_refresh_known(refresh, &t->topic);

    if (mdm_atoi(&number, &t->not_after) != MDM_OK
        && (known == NULL || !known->file))
    {
        return MDM_DECLINED;
    }

    t->sha256 = mdm_reply_str(reply,
                              row + MDM_RET_PUSH_CERT_READ_CERTS_SHA256);
    t->stop = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_READ_CERTS_STOP);
    number = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_READ_CERTS_SINCE);

    (void) mdm_atoi(&number, &t->since);

    if (known == NULL || known->file
        || mdm_str_eq(&known->sha256, &t->sha256))
    {
        return MDM_OK;
    }

    t->changed = 1;

    cert = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_READ_CERTS_CERT);
    key = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_READ_CERTS_KEY);

    return mdm_push_refresh_read(x, t, &topic, &cert, &key);
}


/* in an arena of its own, which outlives the exchange */

static mdm_int_t
mdm_push_refresh_read(mdm_exchange_t *x, mdm_push_topic_t *t,
    const mdm_str_t *topic, const mdm_str_t *cert, mdm_str_t *key)
{
    mdm_int_t                rc;
    u_char                  *sealed;
    mdm_str_t                tag;
    mdm_quote_t              quote;
    const char              *why;
    mdm_secret_where_t       where;

    why = "its key cannot be used";

    if (mdm_key_push(x->arena, &tag, &x->tenant) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_where_push(&where, &tag, topic);

    sealed = key->data;

    rc = mdm_exchange_open(x, &where, key);

    if (rc == MDM_ERROR) {
        return MDM_ERROR;
    }

    /* the others are none the worse */

    mdm_str_null(&x->error);

    if (rc == MDM_OK) {
        rc = mdm_push_refresh_pair(x, t, cert, key, &why);

        /* the exchange's memory is used again, and not cleared */

        if (key->data != sealed) {
            OPENSSL_cleanse(key->data, key->len);
        }

        if (rc != MDM_DECLINED) {
            return rc;
        }
    }

    mdm_exchange_log(x, MDM_LOG_ERROR, "the push certificate of topic \"%s\", "
                     "tenant \"%.*s\", in redis cannot be used: %s",
                     mdm_quote(&quote, (const char *) t->topic.data,
                               t->topic.len),
                     mdm_fmt(&x->tenant), why);

    return MDM_OK;
}


/* MDM_OK, MDM_DECLINED, MDM_ERROR */

static mdm_int_t
mdm_push_refresh_pair(mdm_exchange_t *x, mdm_push_topic_t *t,
    const mdm_str_t *cert, const mdm_str_t *key, const char **why)
{
    mdm_int_t                rc;
    mdm_push_certificate_t  *read;

    t->arena = mdm_arena_create(1024);
    if (t->arena == NULL) {
        return mdm_arena_no_memory(x->arena);
    }

    if (mdm_arena_defer(x->arena, mdm_push_refresh_free, t) != MDM_OK) {
        return MDM_ERROR;
    }

    read = mdm_arena_alloc(t->arena, sizeof(mdm_push_certificate_t));
    if (read == NULL) {
        return mdm_arena_no_memory(x->arena);
    }

    rc = mdm_push_pem_read(t->arena, cert, key, read, why);

    if (rc == MDM_ERROR) {
        return mdm_arena_no_memory(x->arena);
    }

    if (rc == MDM_OK && !mdm_str_eq(&read->topic, &t->topic)) {
        *why = "it is of another topic";
        return MDM_DECLINED;
    }

    if (rc == MDM_OK) {
        t->cert = read;
    }

    return rc;
}


static const mdm_push_known_t *
mdm_push_refresh_known(const mdm_push_refresh_t *refresh,
    const mdm_str_t *topic)
{
    mdm_uint_t  i;

    for (i = 0; i < refresh->nknown; i++) {

        if (mdm_str_eq(&refresh->known[i].topic, topic)) {
            return &refresh->known[i];
        }
    }

    return NULL;
}


static void
mdm_push_refresh_free(void *data)
{
    mdm_push_topic_t *t = data;

    mdm_arena_destroy(t->arena);

    t->arena = NULL;
    t->cert = NULL;
}
