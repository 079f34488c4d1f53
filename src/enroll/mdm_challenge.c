
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * One-time challenges: made, taken, taken back.
 */


#include <openssl/rand.h>

#include "mdm_certificate.h"
#include "mdm_challenge.h"
#include "mdm_key.h"
#include "mdm_number.h"


enum {
    MDM_CHALLENGE_BEGIN = 0,
    MDM_CHALLENGE_ENTERED,
    MDM_CHALLENGE_MADE
};


static mdm_int_t mdm_challenge_list(mdm_exchange_t *x,
    mdm_challenge_new_t *n);
static mdm_int_t mdm_challenge_put(mdm_exchange_t *x, mdm_challenge_new_t *n);
static mdm_int_t mdm_challenge_ask(mdm_exchange_t *x,
    mdm_challenge_take_t *t);
static mdm_int_t mdm_challenge_taken(mdm_exchange_t *x,
    mdm_challenge_take_t *t);


const mdm_listed_kind_t  mdm_challenges_listed = {
    mdm_key_ca,
    mdm_key_challenge,
    mdm_string(":ids"),
    mdm_string(":due"),
    mdm_string(":c:"),
    mdm_string("api.Challenge")
};


mdm_int_t
mdm_challenge_sha256(mdm_arena_t *arena, const mdm_str_t *data,
    mdm_str_t *hex)
{
    u_char  *p, digest[MDM_SHA256];

    p = mdm_arena_alloc(arena, 2 * MDM_SHA256);
    if (p == NULL) {
        return MDM_ERROR;
    }

    hex->data = p;
    hex->len = 2 * MDM_SHA256;

    return (mdm_certificate_sha256(data, digest, p) == MDM_OK)
           ? MDM_OK : mdm_arena_failed(arena, "EVP_Digest");
}


/* audited and counted in the list first, then it is good */

mdm_int_t
mdm_challenge_create(mdm_exchange_t *x)
{
    mdm_challenge_new_t  *n;

    n = x->ctx;

    if (x->state != MDM_CHALLENGE_BEGIN && x->calls[0].rc != MDM_CALL_OK) {
        n->code = MDM_CHALLENGE_AWAY;
        return mdm_exchange_leave(x);
    }

    switch (x->state) {

    case MDM_CHALLENGE_BEGIN:
        return mdm_challenge_list(x, n);

    case MDM_CHALLENGE_ENTERED:
        return mdm_challenge_put(x, n);

    default: /* MDM_CHALLENGE_MADE */
        return mdm_exchange_leave(x);
    }
}


mdm_int_t
mdm_challenge_random(mdm_exchange_t *x, mdm_str_t *value, mdm_str_t *digest,
    mdm_str_t *id)
{
    u_char     bytes[MDM_CHALLENGE];
    mdm_str_t  s;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return mdm_arena_failed(x->arena, "RAND_bytes");
    }

    s.data = bytes;
    s.len = sizeof(bytes);

    if (mdm_base64url_encode(x->arena, value, &s) != MDM_OK
        || mdm_challenge_sha256(x->arena, value, digest) != MDM_OK
        || mdm_uuid(x->arena, id) != MDM_OK)
    {
        return MDM_ERROR;
    }

    mdm_str_lower(id);

    return MDM_OK;
}


static mdm_int_t
mdm_challenge_list(mdm_exchange_t *x, mdm_challenge_new_t *n)
{
    mdm_str_t           key, *args;
    mdm_secret_where_t  where;

    if (mdm_challenge_random(x, &n->value, &n->digest, &n->c.id) != MDM_OK
        || mdm_key_ca(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CHALLENGE_ENTERED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    x->own_failures = (n->quiet != 0);

    args = mdm_exchange_call(x, 0, &mdm_script_challenge_index, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_INDEX_ID] = n->c.id;
    args[MDM_ARG_CHALLENGE_INDEX_DIGEST] = n->digest;
    args[MDM_ARG_CHALLENGE_INDEX_PURPOSE] = mdm_purpose_name(n->c.purpose);
    args[MDM_ARG_CHALLENGE_INDEX_WAY] = n->c.way;
    args[MDM_ARG_CHALLENGE_INDEX_ENROLLMENT] = n->c.enrollment;
    args[MDM_ARG_CHALLENGE_INDEX_SERIAL] = n->c.serial;
    args[MDM_ARG_CHALLENGE_INDEX_PRODUCT] = n->product;

    mdm_where_challenge_listed(&where, &key, &n->c.id);

    return (mdm_itoa(x->arena, &args[MDM_ARG_CHALLENGE_INDEX_USES],
                     (int64_t) n->uses)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CHALLENGE_INDEX_TTL], n->ttl)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CHALLENGE_INDEX_MOST],
                        (int64_t) x->settings->challenge_limit)
               == MDM_OK
            && mdm_challenge_bind(x, &where, &n->c,
                                  &args[MDM_ARG_CHALLENGE_INDEX_BIND])
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_challenge_put(mdm_exchange_t *x, mdm_challenge_new_t *n)
{
    int64_t             code;
    mdm_str_t           key, ends, *args;
    mdm_secret_where_t  where;

    code = mdm_reply_code(x->calls[0].reply, -1);

    if (code == -2) {
        n->code = MDM_CHALLENGE_LIMIT;
        return mdm_exchange_leave(x);
    }

    if (code == MDM_CHALLENGE_OFTEN) {
        n->code = MDM_CHALLENGE_OFTEN;
        return mdm_exchange_leave(x);
    }

    ends = mdm_reply_str(x->calls[0].reply, MDM_RET_CHALLENGE_INDEX_ENDS);

    if (code < 0 || mdm_atoi(&ends, &n->ends) != MDM_OK) {
        return mdm_exchange_odd(x, 0);
    }

    n->code = MDM_CHALLENGE_TAKEN;

    if (mdm_key_challenge(x->arena, &key, &x->tenant, &n->digest) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CHALLENGE_MADE) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    x->own_failures = (n->quiet != 0);

    args = mdm_exchange_call(x, 0, &mdm_script_challenge_put, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_PUT_ID] = n->c.id;
    args[MDM_ARG_CHALLENGE_PUT_PURPOSE] = mdm_purpose_name(n->c.purpose);
    args[MDM_ARG_CHALLENGE_PUT_ENDS] = ends;

    mdm_where_challenge(&where, &key);

    return (mdm_itoa(x->arena, &args[MDM_ARG_CHALLENGE_PUT_USES],
                     (int64_t) n->uses)
            == MDM_OK
            && mdm_challenge_bind(x, &where, &n->c,
                                  &args[MDM_ARG_CHALLENGE_PUT_BIND])
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


mdm_int_t
mdm_challenge_take(mdm_exchange_t *x)
{
    return (x->state == MDM_CHALLENGE_BEGIN) ? mdm_challenge_ask(x, x->ctx)
                                             : mdm_challenge_taken(x, x->ctx);
}


static mdm_int_t
mdm_challenge_ask(mdm_exchange_t *x, mdm_challenge_take_t *t)
{
    mdm_str_t  digest, *args;

    if (mdm_challenge_sha256(x->arena, &t->value, &digest) != MDM_OK
        || mdm_key_challenge(x->arena, &t->key, &x->tenant, &digest) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_CHALLENGE_ENTERED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    /* the arguments and the answers of both are the same */

    args = mdm_exchange_call(x, 0, t->look ? &mdm_script_challenge_look
                                           : &mdm_script_challenge_take,
                             &t->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_TAKE_SPKI] = t->spki;
    args[MDM_ARG_CHALLENGE_TAKE_SN] = t->sn;
    args[MDM_ARG_CHALLENGE_TAKE_CA] = t->ca;

    return (mdm_itoa(x->arena, &args[MDM_ARG_CHALLENGE_TAKE_FROM], t->from)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_CHALLENGE_TAKE_ENDS], t->ends)
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_challenge_taken(mdm_exchange_t *x, mdm_challenge_take_t *t)
{
    mdm_int_t           rc;
    mdm_str_t           purpose, bind, from, ends;
    const mdm_reply_t  *reply;
    mdm_secret_where_t  where;

    reply = x->calls[0].reply;

    t->code = mdm_reply_code(reply, MDM_CHALLENGE_LIMIT);

    if (t->code == MDM_CHALLENGE_UNKNOWN) {
        return mdm_exchange_leave(x);
    }

    t->c.id = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_ID);
    purpose = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_PURPOSE);

    if (t->c.id.len == 0
        || mdm_purpose_read(&purpose, &t->c.purpose) != MDM_OK)
    {
        return mdm_exchange_odd(x, 0);
    }

    if (t->code == MDM_CHALLENGE_USED) {
        return mdm_exchange_leave(x);
    }

    t->sn = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_SN);
    t->ca = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_CA);
    t->der = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_DER);

    bind = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_BIND);
    from = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_FROM);
    ends = mdm_reply_str(reply, MDM_RET_CHALLENGE_TAKE_ENDS);

    if ((t->code != MDM_CHALLENGE_TAKEN && t->code != MDM_CHALLENGE_AGAIN)
        || t->sn.len == 0
        || mdm_atoi(&from, &t->from) != MDM_OK
        || mdm_atoi(&ends, &t->ends) != MDM_OK)
    {
        return mdm_exchange_odd(x, 0);
    }

    mdm_where_challenge(&where, &t->key);

    rc = mdm_challenge_bound(x, &where, &bind, &t->c);

    return (rc == MDM_OK) ? mdm_exchange_leave(x) : rc;
}


mdm_int_t
mdm_challenge_back(mdm_exchange_t *x)
{
    mdm_str_t             *args;
    mdm_challenge_take_t  *t;

    if (x->state != MDM_CHALLENGE_BEGIN) {
        return mdm_exchange_leave(x);
    }

    t = x->ctx;

    if (mdm_exchange_calls(x, 1, MDM_CHALLENGE_ENTERED) != MDM_CALL) {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_challenge_back, &t->key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_BACK_SPKI] = t->spki;

    return MDM_CALL;
}
