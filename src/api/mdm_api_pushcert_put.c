
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * PUT /v1/pushcert: a push certificate and its key are kept, and used from
 * then on.
 */


#include "mdm_api.h"
#include "mdm_api_ids.h"
#include "mdm_api_pushcert.h"
#include "mdm_date.h"
#include "mdm_exchange_secret.h"
#include "mdm_key.h"
#include "mdm_push_expiry.h"
#include "mdm_push_job.h"
#include "mdm_push_pem.h"
#include "mdm_quote.h"


/* enrollments of each partition whose topic is looked at */
#define MDM_API_PUSHCERT_LOOK  "20"

#define MDM_API_PUSHCERT_WARNINGS  4


typedef struct {
    mdm_push_certificate_t    cert;
    mdm_str_t                 tag;         /* "mdm:{tenant/push}" */
    mdm_str_t                 key;         /* the topic, key form */
    mdm_str_t                 kept_cert;
    mdm_str_t                 kept_key;

    uint32_t                  next;        /* partition to be looked at */
    mdm_str_t                 other;       /* another topic that was seen */

    mdm_str_t                 warnings[MDM_API_PUSHCERT_WARNINGS];
    mdm_uint_t                nwarnings;
} mdm_api_pushcert_t;


enum {
    MDM_API_PUSHCERT_BEGIN = 0,
    MDM_API_PUSHCERT_STORED,
    MDM_API_PUSHCERT_LOOKED,
    MDM_API_PUSHCERT_PUT
};


static mdm_int_t mdm_api_pushcert_begin(mdm_exchange_t *x);
static mdm_int_t mdm_api_pushcert_check(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static mdm_int_t mdm_api_pushcert_seal(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static mdm_int_t mdm_api_pushcert_stored(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static mdm_int_t mdm_api_pushcert_look(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static mdm_int_t mdm_api_pushcert_looked(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static mdm_int_t mdm_api_pushcert_write(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static mdm_int_t mdm_api_pushcert_answer(mdm_exchange_t *x,
    mdm_api_pushcert_t *p);
static const char *mdm_api_pushcert_date(u_char *date,
    int64_t seconds);

#define mdm_api_pushcert_warn(x, p, ...)                                      \
    mdm_printf((x)->arena, &(p)->warnings[(p)->nwarnings++], __VA_ARGS__)


mdm_int_t
mdm_api_pushcert_put_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_PUSHCERT_BEGIN:
        return mdm_api_pushcert_begin(x);

    case MDM_API_PUSHCERT_STORED:
        return mdm_api_pushcert_stored(x, x->ctx);

    case MDM_API_PUSHCERT_LOOKED:
        return mdm_api_pushcert_looked(x, x->ctx);

    default: /* MDM_API_PUSHCERT_PUT */
        return mdm_api_pushcert_answer(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_pushcert_begin(mdm_exchange_t *x)
{
    mdm_int_t            rc;
    mdm_str_t           *args;
    const char          *why;
    mdm_api_pushcert_t  *p;

    p = mdm_arena_zalloc(x->arena, sizeof(mdm_api_pushcert_t));
    if (p == NULL) {
        return MDM_ERROR;
    }

    x->ctx = p;
    why = NULL;

    rc = mdm_push_certificate_read(x->arena, &x->body, &p->cert, &why);

    if (rc == MDM_DECLINED) {
        return mdm_exchange_refuse(x, 400, "the body is no push certificate "
                                   "with its key: %s", why);
    }

    if (rc == MDM_OK) {
        rc = mdm_api_pushcert_check(x, p);
    }

    if (rc != MDM_OK) {
        return rc;
    }

    /* the one that is there; and that somebody looks when this one ends */

    if (mdm_exchange_calls(x, 2, MDM_API_PUSHCERT_STORED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_push_cert_get, &p->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_PUSH_CERT_GET_TOPIC] = p->key;

    return (mdm_job_kick_call(x, 1, MDM_PUSH_CERT_JOB, MDM_JOB_ANNOUNCE)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* MDM_OK, MDM_DONE, MDM_ERROR */

static mdm_int_t
mdm_api_pushcert_check(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    u_char  date[MDM_DATE_LEN + 1];

    if (p->cert.not_after <= x->now) {
        return mdm_exchange_refuse(x, 400, "the push certificate has expired "
                                   "on %s",
                                   mdm_api_pushcert_date(date,
                                                         p->cert.not_after));
    }

    if (mdm_api_pushcert_file(x, &p->cert.topic) != NULL) {
        return mdm_api_pushcert_fixed(x, &p->cert.topic);
    }

    if (x->settings->store->secrets == NULL && !x->settings->push_plain) {
        return mdm_exchange_refuse(x, 409, "the key would be in the clear in "
                                   "redis: give the store an "
                                   "\"encryption_key\", or say "
                                   "\"mdm_push_plain on\"");
    }

    if (mdm_key_push(x->arena, &p->tag, &x->tenant) != MDM_OK
        || mdm_key_id(x->arena, &p->key, &p->cert.topic) != MDM_OK)
    {
        return MDM_ERROR;
    }

    return mdm_api_pushcert_seal(x, p);
}


static mdm_int_t
mdm_api_pushcert_seal(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    mdm_secret_where_t  where;

    if (mdm_push_pem_cert(x->arena, &p->cert, &p->kept_cert) != MDM_OK
        || mdm_push_pem_key(x->arena, &p->cert, &p->kept_key) != MDM_OK)
    {
        return MDM_ERROR;
    }

    /* it has to be read again */

    if (p->kept_cert.len + p->kept_key.len > MDM_PUSH_PEM) {
        return mdm_exchange_refuse(x, 400, "certificate, chain and key are "
                                   "larger than 64 kB");
    }

    mdm_where_push(&where, &p->tag, &p->key);

    return mdm_exchange_seal(x, x->arena, &where, &p->kept_key, NULL);
}


static mdm_int_t
mdm_api_pushcert_stored(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    int64_t             stored;
    u_char              date[MDM_DATE_LEN + 1];
    mdm_int_t           rc;
    mdm_str_t           value;
    const mdm_reply_t  *reply;

    reply = x->calls[0].reply;
    stored = 0;
    rc = MDM_OK;

    if (mdm_reply_row(reply, MDM_RET_PUSH_CERT_GET_CERTS,
                      MDM_NRET_PUSH_CERT_GET_CERTS))
    {
        value = mdm_reply_str(reply, MDM_RET_PUSH_CERT_GET_CERTS
                                     + MDM_RET_PUSH_CERT_GET_CERTS_NOT_AFTER);

        (void) mdm_atoi(&value, &stored);
    }

    if (stored > p->cert.not_after) {
        rc = mdm_api_pushcert_warn(x, p, "the certificate that was there is "
                                   "newer: it ends on %s",
                                   mdm_api_pushcert_date(date, stored));
    }

    if (rc == MDM_OK
        && p->cert.not_after - x->now <= MDM_PUSH_EXPIRING * MDM_PUSH_DAY)
    {
        rc = mdm_api_pushcert_warn(x, p, "it ends within %d days: on %s",
                                   MDM_PUSH_EXPIRING,
                                   mdm_api_pushcert_date(date,
                                                         p->cert.not_after));
    }

    if (rc == MDM_OK && p->cert.not_before > x->now) {
        rc = mdm_api_pushcert_warn(x, p, "it is not valid before %s",
                                   mdm_api_pushcert_date(date,
                                                        p->cert.not_before));
    }

    return (rc == MDM_OK) ? mdm_api_pushcert_look(x, p) : MDM_ERROR;
}


/* has any device this topic? */

static mdm_int_t
mdm_api_pushcert_look(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    mdm_str_t   tag, *args;
    mdm_uint_t  i, n;

    n = x->settings->store->partitions - p->next;

    if (n == 0) {
        return mdm_api_pushcert_write(x, p);
    }

    if (n > MDM_API_ROUND) {
        n = MDM_API_ROUND;
    }

    if (mdm_exchange_calls(x, n, MDM_API_PUSHCERT_LOOKED) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (mdm_key_partition(x->arena, &tag, &x->tenant, p->next++)
            != MDM_OK)
        {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_push_topics, &tag, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        mdm_str_set(&args[MDM_ARG_PUSH_TOPICS_MOST], MDM_API_PUSHCERT_LOOK);
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_pushcert_looked(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    size_t              k;
    mdm_str_t           topic;
    mdm_uint_t          i;
    const mdm_reply_t  *reply;

    for (i = 0; i < x->ncalls; i++) {
        reply = x->calls[i].reply;

        for (k = MDM_RET_PUSH_TOPICS_TOPICS; k < mdm_reply_size(reply); k++) {
            topic = mdm_reply_str(reply, k);

            if (mdm_str_eq(&topic, &p->cert.topic)) {
                mdm_str_null(&p->other);

                return mdm_api_pushcert_write(x, p);
            }

            if (topic.len != 0) {
                p->other = topic;
            }
        }
    }

    return mdm_api_pushcert_look(x, p);
}


static mdm_int_t
mdm_api_pushcert_write(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    mdm_str_t    *args;
    mdm_quote_t   quote;

    if (p->other.len != 0
        && mdm_api_pushcert_warn(x, p, "no enrollment that was looked at has "
                                 "its topic, but some have \"%s\": was a new "
                                 "certificate made instead of a renewal? "
                                 "Devices with another topic cannot be pushed "
                                 "to with it",
                                 mdm_quote(&quote,
                                           (const char *) p->other.data,
                                           p->other.len))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    if (mdm_exchange_calls(x, 1, MDM_API_PUSHCERT_PUT) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_push_cert_put, &p->tag, 0);

    if (args == NULL
        || mdm_api_number(x, &args[MDM_ARG_PUSH_CERT_PUT_NOT_AFTER],
                          p->cert.not_after)
           != MDM_OK
        || mdm_api_number(x, &args[MDM_ARG_PUSH_CERT_PUT_MOST],
                          MDM_API_PUSHCERTS)
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    args[MDM_ARG_PUSH_CERT_PUT_TOPIC] = p->key;
    args[MDM_ARG_PUSH_CERT_PUT_CERT] = p->kept_cert;
    args[MDM_ARG_PUSH_CERT_PUT_KEY] = p->kept_key;
    args[MDM_ARG_PUSH_CERT_PUT_SHA256].data = p->cert.sha256;
    args[MDM_ARG_PUSH_CERT_PUT_SHA256].len = sizeof(p->cert.sha256);

    return MDM_CALL;
}


static mdm_int_t
mdm_api_pushcert_answer(mdm_exchange_t *x, mdm_api_pushcert_t *p)
{
    mdm_uint_t      i;
    mdm_json_out_t  j;

    if (mdm_reply_code(x->calls[0].reply, 0) == -2) {
        return mdm_exchange_refuse(x, 409, "there are push certificates for "
                                   "%d topics already, the most that a tenant "
                                   "has", MDM_API_PUSHCERTS);
    }

    x->kick = MDM_PUSH_CERT_JOB;

    mdm_json_init(&j, x->arena, 512);
    mdm_json_open(&j, NULL, '{');
    mdm_api_pushcert_facts(&j, &p->cert.topic, p->cert.not_after);

    if (p->nwarnings != 0) {
        mdm_json_open(&j, "warnings", '[');

        for (i = 0; i < p->nwarnings; i++) {
            mdm_json_str(&j, NULL, &p->warnings[i]);
        }

        mdm_json_close(&j, ']');
    }

    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


static const char *
mdm_api_pushcert_date(u_char *date, int64_t seconds)
{
    date[MDM_DATE_LEN] = '\0';

    if (mdm_date_unix(date, seconds) != MDM_OK) {
        date[0] = '?';
        date[1] = '\0';
    }

    return (const char *) date;
}
