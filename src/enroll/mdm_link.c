
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Links to enroll by: made, opened, spent, taken back.
 */


#include "mdm_key.h"
#include "mdm_link.h"
#include "mdm_number.h"


enum {
    MDM_LINK_BEGIN = 0,
    MDM_LINK_LISTED,
    MDM_LINK_MADE
};


static mdm_int_t mdm_link_list(mdm_exchange_t *x, mdm_link_new_t *n);
static mdm_int_t mdm_link_put(mdm_exchange_t *x, mdm_link_new_t *n);
static mdm_int_t mdm_link_ask(mdm_exchange_t *x, mdm_link_fetch_t *f);
static mdm_int_t mdm_link_read(mdm_exchange_t *x, mdm_link_fetch_t *f);


const mdm_listed_kind_t  mdm_links_listed = {
    mdm_key_profiles,
    mdm_key_link,
    mdm_string(":links"),
    mdm_string(":links_due"),
    mdm_string(":link:"),
    mdm_string("api.EnrollmentLink")
};


/* audited and counted in the list first, then it is good */

mdm_int_t
mdm_link_create(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_LINK_BEGIN:
        return mdm_link_list(x, x->ctx);

    case MDM_LINK_LISTED:
        return mdm_link_put(x, x->ctx);

    default: /* MDM_LINK_MADE */
        return mdm_exchange_leave(x);
    }
}


static mdm_int_t
mdm_link_list(mdm_exchange_t *x, mdm_link_new_t *n)
{
    mdm_str_t           key, *args;
    mdm_secret_where_t  where;

    if (mdm_challenge_random(x, &n->value, &n->digest, &n->c.id) != MDM_OK
        || mdm_key_profiles(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_LINK_LISTED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_link_index, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LINK_INDEX_ID] = n->c.id;
    args[MDM_ARG_LINK_INDEX_DIGEST] = n->digest;
    args[MDM_ARG_LINK_INDEX_ENROLLMENT] = n->c.enrollment;

    mdm_where_link_listed(&where, &key, &n->c.id);

    return (mdm_itoa(x->arena, &args[MDM_ARG_LINK_INDEX_USES],
                     (int64_t) n->uses)
            == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_LINK_INDEX_TTL], n->ttl)
               == MDM_OK
            && mdm_itoa(x->arena, &args[MDM_ARG_LINK_INDEX_MOST],
                        (int64_t) x->settings->challenge_limit)
               == MDM_OK
            && mdm_challenge_bind(x, &where, &n->c,
                                  &args[MDM_ARG_LINK_INDEX_BIND])
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


static mdm_int_t
mdm_link_put(mdm_exchange_t *x, mdm_link_new_t *n)
{
    int64_t             code;
    mdm_str_t           key, ends, *args;
    mdm_secret_where_t  where;

    code = mdm_reply_code(x->calls[0].reply, -1);

    if (code == -2) {
        n->code = MDM_CHALLENGE_LIMIT;
        return mdm_exchange_leave(x);
    }

    ends = mdm_reply_str(x->calls[0].reply, MDM_RET_LINK_INDEX_ENDS);

    if (code < 0 || mdm_atoi(&ends, &n->ends) != MDM_OK) {
        return mdm_exchange_odd(x, 0);
    }

    n->code = MDM_CHALLENGE_TAKEN;

    if (mdm_key_link(x->arena, &key, &x->tenant, &n->digest) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_LINK_MADE) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_link_put, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LINK_PUT_ID] = n->c.id;
    args[MDM_ARG_LINK_PUT_ENROLLMENT] = n->c.enrollment;
    args[MDM_ARG_LINK_PUT_ENDS] = ends;

    mdm_where_link(&where, &key);

    return (mdm_itoa(x->arena, &args[MDM_ARG_LINK_PUT_USES],
                     (int64_t) n->uses)
            == MDM_OK
            && mdm_challenge_bind(x, &where, &n->c,
                                  &args[MDM_ARG_LINK_PUT_BIND])
               == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


mdm_int_t
mdm_link_fetch(mdm_exchange_t *x)
{
    return (x->state == MDM_LINK_BEGIN) ? mdm_link_ask(x, x->ctx)
                                        : mdm_link_read(x, x->ctx);
}


static mdm_int_t
mdm_link_ask(mdm_exchange_t *x, mdm_link_fetch_t *f)
{
    mdm_str_t  digest, key, *args;

    if (f->value.len != MDM_CHALLENGE_TEXT) {
        f->code = MDM_LINK_UNKNOWN;
        return mdm_exchange_leave(x);
    }

    if (mdm_challenge_sha256(x->arena, &f->value, &digest) != MDM_OK
        || mdm_key_link(x->arena, &key, &x->tenant, &digest) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_LINK_LISTED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    f->c.link = digest;

    args = mdm_exchange_call(x, 0, &mdm_script_link_fetch, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LINK_FETCH_ENROLLMENT] = f->enrollment;
    mdm_str_set(&args[MDM_ARG_LINK_FETCH_COUNT], "0");

    if (f->count) {
        mdm_str_set(&args[MDM_ARG_LINK_FETCH_COUNT], "1");
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_link_read(mdm_exchange_t *x, mdm_link_fetch_t *f)
{
    mdm_int_t           rc;
    mdm_str_t           key, bind, ends, digest;
    const mdm_reply_t  *reply;
    mdm_secret_where_t  where;

    reply = x->calls[0].reply;
    digest = f->c.link;

    f->code = mdm_reply_code(reply, MDM_LINK_OPENED - 1);

    if (f->code <= MDM_LINK_UNKNOWN && f->code >= MDM_LINK_OPENED) {
        return mdm_exchange_leave(x);
    }

    bind = mdm_reply_str(reply, MDM_RET_LINK_FETCH_BIND);
    ends = mdm_reply_str(reply, MDM_RET_LINK_FETCH_ENDS);

    if (f->code != MDM_LINK_GOOD || mdm_atoi(&ends, &f->ends) != MDM_OK) {
        return mdm_exchange_odd(x, 0);
    }

    if (mdm_key_link(x->arena, &key, &x->tenant, &digest) != MDM_OK) {
        return MDM_ERROR;
    }

    mdm_where_link(&where, &key);

    rc = mdm_challenge_bound(x, &where, &bind, &f->c);
    if (rc != MDM_OK) {
        return rc;
    }

    f->c.id = mdm_reply_str(reply, MDM_RET_LINK_FETCH_ID);
    f->c.enrollment = f->enrollment;
    f->c.link = digest;

    return mdm_exchange_leave(x);
}


mdm_int_t
mdm_link_spend(mdm_exchange_t *x)
{
    mdm_str_t          key, *args;
    mdm_link_spend_t  *s;

    s = x->ctx;

    if (x->state != MDM_LINK_BEGIN) {
        s->code = mdm_reply_code(x->calls[0].reply, MDM_LINK_EXPIRED);

        return mdm_exchange_leave(x);
    }

    if (mdm_key_link(x->arena, &key, &x->tenant, &s->digest) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_LINK_LISTED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_link_spend, &key, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_LINK_SPEND_SPKI] = s->spki;

    return MDM_CALL;
}
