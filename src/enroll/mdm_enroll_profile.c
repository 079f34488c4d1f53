
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Makes a profile to enroll with: finds the topic, makes a challenge, builds
 * and signs.
 */


#include "mdm_block.h"
#include "mdm_enroll.h"
#include "mdm_key.h"


#define MDM_ENROLL_AWAY       "redis is away, or a script failed"

#define MDM_ENROLL_FILE       "attachment; filename=\"enroll.mobileconfig\""


enum {
    MDM_ENROLL_BEGIN = 0,
    MDM_ENROLL_BLOCKED,
    MDM_ENROLL_TOPICS,
    MDM_ENROLL_CHALLENGE,
    MDM_ENROLL_MADE
};


/* what the work has */

typedef struct {
    mdm_profile_t             p;
    mdm_str_t                 out;
} mdm_enroll_work_t;


static mdm_int_t mdm_enroll_profile_step(mdm_exchange_t *x);
static mdm_int_t mdm_enroll_begin(mdm_exchange_t *x, mdm_enroll_grant_t *g);
static mdm_int_t mdm_enroll_start(mdm_exchange_t *x, mdm_enroll_grant_t *g);
static mdm_int_t mdm_enroll_topics(mdm_exchange_t *x, mdm_enroll_grant_t *g);
static mdm_int_t mdm_enroll_found(mdm_exchange_t *x, mdm_enroll_grant_t *g);
static mdm_uint_t mdm_enroll_topic_is(mdm_str_t *topic,
    const mdm_str_t *other);
static mdm_int_t mdm_enroll_challenge(mdm_exchange_t *x,
    mdm_enroll_grant_t *g);
static mdm_int_t mdm_enroll_make(mdm_exchange_t *x, mdm_enroll_grant_t *g);
static mdm_int_t mdm_enroll_work(mdm_arena_t *arena, void *data);
static mdm_int_t mdm_enroll_made(mdm_exchange_t *x, mdm_enroll_grant_t *g);
static mdm_int_t mdm_enroll_none(mdm_exchange_t *x, mdm_enroll_grant_t *g,
    const char *why);
static mdm_int_t mdm_enroll_cannot(mdm_exchange_t *x, const char *why);


mdm_int_t
mdm_enroll_profile(mdm_exchange_t *x, mdm_enroll_grant_t *grant)
{
    x->ctx = grant;
    x->state = MDM_ENROLL_BEGIN;
    x->step = mdm_enroll_profile_step;

    return mdm_enroll_profile_step(x);
}


static mdm_int_t
mdm_enroll_profile_step(mdm_exchange_t *x)
{
    mdm_enroll_grant_t  *g;

    g = x->ctx;

    if (x->state == MDM_ENROLL_BEGIN) {
        return mdm_exchange_enter(x, mdm_enroll_build, g, MDM_ENROLL_MADE);
    }

    return mdm_enroll_answer(x, &g->profile);
}


mdm_int_t
mdm_enroll_answer(mdm_exchange_t *x, const mdm_str_t *profile)
{
    mdm_str_t  file;

    mdm_str_set(&file, MDM_ENROLL_FILE);

    if (mdm_exchange_header(x, "Content-Disposition", &file) != MDM_OK) {
        return MDM_ERROR;
    }

    return mdm_exchange_body(x, 200, MDM_PROFILE_TYPE, profile);
}


mdm_int_t
mdm_enroll_build(mdm_exchange_t *x)
{
    mdm_enroll_grant_t  *g;

    g = x->ctx;

    /* that of the state before, which is not asked where one was entered */

    if (x->own_failures && x->state != MDM_ENROLL_BEGIN
        && x->state != MDM_ENROLL_CHALLENGE && x->calls[0].rc != MDM_CALL_OK)
    {
        return mdm_enroll_none(x, g, (x->state == MDM_ENROLL_MADE)
                                     ? "it cannot be signed"
                                     : MDM_ENROLL_AWAY);
    }

    switch (x->state) {

    case MDM_ENROLL_BEGIN:
        return mdm_enroll_begin(x, g);

    case MDM_ENROLL_BLOCKED:

        if (mdm_block_read(x->calls[0].reply, MDM_RET_BLOCK_GET_ANSWER)
            != MDM_BLOCK_NONE)
        {
            if (g->quiet) {
                return mdm_enroll_none(x, g, "the device is blocked");
            }

            return mdm_exchange_refuse(x, 403, "the device is blocked");
        }

        return mdm_enroll_start(x, g);

    case MDM_ENROLL_TOPICS:
        return mdm_enroll_found(x, g);

    case MDM_ENROLL_CHALLENGE:
        return mdm_enroll_make(x, g);

    default: /* MDM_ENROLL_MADE */
        return mdm_enroll_made(x, g);
    }
}


/* a device that is blocked gets none, where it is known which one it is */

static mdm_int_t
mdm_enroll_begin(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    mdm_str_t  id;

    if (g->c.udid.len == 0 && g->c.serial.len == 0) {
        return mdm_enroll_start(x, g);
    }

    if (mdm_key_id(x->arena, &id, &g->c.udid) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_ENROLL_BLOCKED) != MDM_CALL
        || mdm_block_call(x, 0, &id, &g->c.serial) != MDM_OK)
    {
        return MDM_ERROR;
    }

    x->own_failures = (g->quiet != 0);

    return MDM_CALL;
}


static mdm_int_t
mdm_enroll_start(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    if (g->block->topic.len == 0) {
        return mdm_enroll_topics(x, g);
    }

    g->topic = g->block->topic;

    return mdm_enroll_challenge(x, g);
}


/* the push certificates of the tenant, those of files aside */

static mdm_int_t
mdm_enroll_topics(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    mdm_str_t  key;

    if (mdm_key_push(x->arena, &key, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_ENROLL_TOPICS) != MDM_CALL
        || mdm_exchange_call(x, 0, &mdm_script_push_cert_get, &key, 0) == NULL)
    {
        return MDM_ERROR;
    }

    x->own_failures = (g->quiet != 0);

    return MDM_CALL;
}


static mdm_int_t
mdm_enroll_found(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    mdm_int_t    rc;
    const char  *why;

    rc = mdm_enroll_topic(x, g->block, x->calls[0].reply, &g->topic, &why);

    if (rc == MDM_DECLINED) {
        return mdm_enroll_none(x, g, why);
    }

    return (rc == MDM_OK) ? mdm_enroll_challenge(x, g) : MDM_ERROR;
}


mdm_int_t
mdm_enroll_topic(mdm_exchange_t *x, const mdm_enroll_block_t *block,
    const mdm_reply_t *reply, mdm_str_t *found, const char **why)
{
    size_t                    row;
    mdm_str_t                 topic;
    mdm_uint_t                i, fits;
    const mdm_push_file_t    *file;

    *found = block->topic;

    if (found->len != 0) {
        return MDM_OK;
    }

    fits = 1;

    for (i = 0; i < x->settings->npush_files; i++) {
        file = &x->settings->push_files[i];

        if (mdm_str_eq(&file->tenant, &x->tenant)) {
            fits &= mdm_enroll_topic_is(found, &file->topic);
        }
    }

    for (row = MDM_RET_PUSH_CERT_GET_CERTS;
         mdm_reply_row(reply, row, MDM_NRET_PUSH_CERT_GET_CERTS);
         row += MDM_NRET_PUSH_CERT_GET_CERTS)
    {
        topic = mdm_reply_str(reply, row + MDM_RET_PUSH_CERT_GET_CERTS_TOPIC);

        if (mdm_unescape(x->arena, &topic, &topic) == MDM_ERROR) {
            return MDM_ERROR;
        }

        fits &= mdm_enroll_topic_is(found, &topic);
    }

    if (!fits) {
        *why = "the tenant has several push certificates: the mdm_enrollment "
               "needs a \"topic\"";
        return MDM_DECLINED;
    }

    if (found->len == 0) {
        *why = "the tenant has no push certificate";
        return MDM_DECLINED;
    }

    return MDM_OK;
}


/* is it the only one? */

static mdm_uint_t
mdm_enroll_topic_is(mdm_str_t *topic, const mdm_str_t *other)
{
    if (topic->len == 0) {
        *topic = *other;
        return 1;
    }

    return mdm_str_eq(topic, other);
}


mdm_int_t
mdm_enroll_keys(mdm_exchange_t *x, const mdm_enroll_block_t *block,
    const mdm_str_t *topic, mdm_str_t *keys)
{
    mdm_profile_t  p;

    memset(&p, 0, sizeof(mdm_profile_t));
    p.block = block;
    p.topic = *topic;

    return mdm_profile_keys(x->arena, &p, keys);
}


static mdm_int_t
mdm_enroll_challenge(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    mdm_challenge_new_t  *n;

    n = &g->challenge;

    if (mdm_enroll_keys(x, g->block, &g->topic, &g->c.keys) != MDM_OK) {
        return MDM_ERROR;
    }

    if (g->keys.len != 0 && !mdm_str_eq(&g->keys, &g->c.keys)) {
        return mdm_enroll_none(x, g, "its topic, URLs or channels of users "
                               "are not those that the device has");
    }

    g->c.enrollment = g->block->name;

    n->c = g->c;
    n->uses = 1;
    n->ttl = (int64_t) x->settings->challenge_ttl;
    n->product = g->product;
    n->quiet = g->quiet;

    if (g->ttl != 0 && g->ttl < n->ttl) {
        n->ttl = g->ttl;
    }

    return mdm_exchange_enter(x, mdm_challenge_create, n,
                              MDM_ENROLL_CHALLENGE);
}


mdm_int_t
mdm_enroll_full(mdm_exchange_t *x, int64_t code)
{
    if (code != MDM_CHALLENGE_OFTEN) {
        return mdm_enroll_cannot(x, "there are too many challenges "
                                 "(mdm_challenge_limit)");
    }

    x->retry_after = 600;

    return mdm_exchange_refuse(x, 503, "this device has asked for too many "
                               "profiles within an hour");
}


static mdm_int_t
mdm_enroll_make(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    mdm_enroll_work_t  *w;

    if (g->challenge.code < 0) {
        return !g->quiet
               ? mdm_enroll_full(x, g->challenge.code)
               : mdm_enroll_none(x, g,
                                 (g->challenge.code == MDM_CHALLENGE_AWAY)
                                 ? MDM_ENROLL_AWAY
                                 : "there are too many challenges "
                                   "(mdm_challenge_limit)");
    }

    w = mdm_arena_zalloc(x->arena, sizeof(mdm_enroll_work_t));
    if (w == NULL) {
        return MDM_ERROR;
    }

    w->p.block = g->block;
    w->p.tenant = x->tenant;
    w->p.topic = g->topic;
    w->p.challenge = g->challenge.value;
    w->p.recipient = g->recipient;
    w->p.plain = g->plain;

    if (mdm_exchange_work_alone(x, MDM_ENROLL_MADE, mdm_enroll_work, w)
        != MDM_CALL)
    {
        return MDM_ERROR;
    }

    x->own_failures = (g->quiet != 0);

    return MDM_CALL;
}


static mdm_int_t
mdm_enroll_work(mdm_arena_t *arena, void *data)
{
    mdm_enroll_work_t *w = data;

    return mdm_profile_make(arena, &w->p, &w->out);
}


static mdm_int_t
mdm_enroll_made(mdm_exchange_t *x, mdm_enroll_grant_t *g)
{
    g->profile = ((mdm_enroll_work_t *) x->calls[0].data)->out;

    mdm_exchange_log(x, MDM_LOG_NOTICE, "mdm enroll: a profile of \"%.*s\" is "
                     "made, %.*s, challenge %.*s", mdm_fmt(&g->block->name),
                     mdm_fmt(&g->c.way), mdm_fmt(&g->challenge.c.id));

    return mdm_exchange_leave(x);
}


static mdm_int_t
mdm_enroll_none(mdm_exchange_t *x, mdm_enroll_grant_t *g, const char *why)
{
    if (!g->quiet) {
        return mdm_enroll_cannot(x, why);
    }

    g->why = why;

    return mdm_exchange_leave(x);
}


/* nothing that who has asked can do anything about */

static mdm_int_t
mdm_enroll_cannot(mdm_exchange_t *x, const char *why)
{
    if (x->kind == MDM_KIND_API) {
        return mdm_exchange_refuse(x, 409, "%s", why);
    }

    mdm_exchange_log(x, MDM_LOG_ERROR, "mdm enroll: no profile can be made: "
                     "%s", why);

    x->retry_after = 60;

    return mdm_exchange_refuse(x, 503, "nobody can enroll at the moment, try "
                               "again later");
}
