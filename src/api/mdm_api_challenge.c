
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * POST /v1/challenge, GET /v1/challenges, DELETE /v1/challenges/ID: one-time
 * challenges.
 */


#include "mdm_api.h"
#include "mdm_api_json.h"
#include "mdm_api_util.h"
#include "mdm_challenge.h"
#include "mdm_date.h"
#include "mdm_key.h"
#include "mdm_quote.h"


#define MDM_API_CHALLENGES      100
#define MDM_API_CHALLENGES_MAX  500


/* a page of the list, between its rounds */

typedef struct {
    mdm_str_t                 tag;
    const mdm_reply_t        *page;
    mdm_str_t                *states;      /* keys of the challenges */
} mdm_api_challenges_t;


enum {
    MDM_API_CHALLENGE_BEGIN = 0,
    MDM_API_CHALLENGE_LISTED,
    MDM_API_CHALLENGE_SEEN,
    MDM_API_CHALLENGE_DONE
};


static mdm_int_t mdm_api_challenge_read(mdm_exchange_t *x,
    mdm_challenge_new_t *n);
static mdm_int_t mdm_api_challenge_member(mdm_exchange_t *x,
    mdm_challenge_new_t *n, const char *name, const json_t *value);
static mdm_int_t mdm_api_challenge_text(mdm_exchange_t *x, const char *name,
    const json_t *value, mdm_str_t *dst);
static mdm_int_t mdm_api_challenge_purpose(mdm_exchange_t *x,
    const json_t *value, mdm_uint_t *purpose);
static mdm_int_t mdm_api_challenge_ttl(mdm_exchange_t *x,
    const json_t *value, int64_t *ttl);
static mdm_int_t mdm_api_challenge_answer(mdm_exchange_t *x,
    const mdm_challenge_new_t *n);
static mdm_int_t mdm_api_challenges_ask(mdm_exchange_t *x);
static mdm_int_t mdm_api_challenges_look(mdm_exchange_t *x,
    mdm_api_challenges_t *p);
static mdm_int_t mdm_api_challenges_answer(mdm_exchange_t *x,
    mdm_api_challenges_t *p);
static mdm_int_t mdm_api_challenges_row(mdm_exchange_t *x,
    mdm_api_challenges_t *p, mdm_json_out_t *j, size_t row,
    const mdm_reply_t *state);


mdm_int_t
mdm_api_challenge_post_step(mdm_exchange_t *x)
{
    mdm_int_t             rc;
    mdm_challenge_new_t  *n;

    if (x->state == MDM_API_CHALLENGE_DONE) {
        return mdm_api_challenge_answer(x, x->ctx);
    }

    n = mdm_arena_zalloc(x->arena, sizeof(mdm_challenge_new_t));
    if (n == NULL) {
        return MDM_ERROR;
    }

    x->ctx = n;

    n->uses = 1;
    n->ttl = (int64_t) x->settings->challenge_ttl;

    rc = mdm_api_challenge_read(x, n);

    return (rc == MDM_OK)
           ? mdm_exchange_enter(x, mdm_challenge_create, n,
                                MDM_API_CHALLENGE_DONE)
           : rc;
}


/* MDM_OK, MDM_DONE, MDM_ERROR */

static mdm_int_t
mdm_api_challenge_read(mdm_exchange_t *x, mdm_challenge_new_t *n)
{
    json_t      *root, *value;
    mdm_int_t    rc;
    const char  *name;

    if (x->body.len == 0) {
        return MDM_OK;
    }

    rc = mdm_api_body(x, "a JSON object", &root);
    if (rc != MDM_OK) {
        return rc;
    }

    if (!json_is_object(root)) {
        return mdm_exchange_refuse(x, 400, "the body is not a JSON object");
    }

    json_object_foreach(root, name, value) {
        rc = mdm_api_challenge_member(x, n, name, value);

        if (rc != MDM_OK) {
            return rc;
        }
    }

    if (n->c.purpose == MDM_PURPOSE_RENEW && n->c.udid.len == 0
        && n->c.serial.len == 0)
    {
        return mdm_exchange_refuse(x, 400, "a challenge for a renewal says of "
                                   "which device: by \"udid\" or \"serial\"");
    }

    if (n->c.purpose == MDM_PURPOSE_USER && n->c.serial.len != 0) {
        return mdm_exchange_refuse(x, 400, "\"serial\" cannot be bound: a "
                                   "device in User Enrollment does not tell "
                                   "it");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_challenge_member(mdm_exchange_t *x, mdm_challenge_new_t *n,
    const char *name, const json_t *value)
{
    mdm_int_t    rc;
    json_int_t   uses;
    mdm_quote_t  quote;

    if (strcmp(name, "udid") == 0) {
        rc = mdm_api_challenge_text(x, name, value, &n->c.udid);

        if (rc == MDM_OK && n->c.udid.len != 0
            && memchr(n->c.udid.data, ':', n->c.udid.len) != NULL)
        {
            return mdm_exchange_refuse(x, 400, "\"udid\" is not that of a "
                                       "device: it has a colon");
        }

        return rc;
    }

    if (strcmp(name, "serial") == 0) {
        return mdm_api_challenge_text(x, name, value, &n->c.serial);
    }

    if (strcmp(name, "person") == 0) {
        return mdm_api_challenge_text(x, name, value, &n->c.person);
    }

    if (strcmp(name, "purpose") == 0) {
        return mdm_api_challenge_purpose(x, value, &n->c.purpose);
    }

    if (strcmp(name, "ttl") == 0) {
        return mdm_api_challenge_ttl(x, value, &n->ttl);
    }

    if (strcmp(name, "uses") == 0) {
        uses = json_integer_value(value);

        if (!json_is_integer(value) || uses < 1 || uses > MDM_CHALLENGE_USES) {
            return mdm_exchange_refuse(x, 400, "\"uses\" is not a number from "
                                       "1 to %d", MDM_CHALLENGE_USES);
        }

        n->uses = (mdm_uint_t) uses;

        return MDM_OK;
    }

    /* a binding that is spelled in another way must not be lost */

    return mdm_exchange_refuse(x, 400, "unknown member \"%s\"",
                               mdm_quote(&quote, name, strlen(name)));
}


/* null is as good as none */

static mdm_int_t
mdm_api_challenge_text(mdm_exchange_t *x, const char *name,
    const json_t *value, mdm_str_t *dst)
{
    if (json_is_null(value)) {
        return MDM_OK;
    }

    dst->data = (u_char *) (uintptr_t) json_string_value(value);
    dst->len = json_string_length(value);

    if (dst->data == NULL || dst->len == 0 || dst->len > MDM_CHALLENGE_NAME
        || mdm_utf8_control(dst))
    {
        return mdm_exchange_refuse(x, 400, "\"%s\" is not a string of 1 to %d "
                                   "octets without control characters", name,
                                   MDM_CHALLENGE_NAME);
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_challenge_purpose(mdm_exchange_t *x, const json_t *value,
    mdm_uint_t *purpose)
{
    mdm_str_t  name;

    mdm_str_set(&name, "");

    if (json_is_string(value)) {
        name.data = (u_char *) (uintptr_t) json_string_value(value);
        name.len = json_string_length(value);
    }

    if (mdm_purpose_read(&name, purpose) != MDM_OK
        || *purpose == MDM_PURPOSE_OTA)
    {
        return mdm_exchange_refuse(x, 400, "\"purpose\" is none of "
                                   "\"device\", \"user\" and \"renew\"");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_challenge_ttl(mdm_exchange_t *x, const json_t *value, int64_t *ttl)
{
    if (mdm_api_seconds(value, MDM_CHALLENGE_TTL_MAX, ttl) != MDM_OK) {
        return mdm_exchange_refuse(x, 400, "\"ttl\" is not a time from 1s to "
                                   "30d, such as \"90s\", \"15m\", \"1h\" or "
                                   "\"7d\"");
    }

    return MDM_OK;
}


static mdm_int_t
mdm_api_challenge_answer(mdm_exchange_t *x, const mdm_challenge_new_t *n)
{
    u_char          buf[MDM_DATE_LEN];
    mdm_str_t       date;
    mdm_json_out_t  j;

    if (n->code == MDM_CHALLENGE_LIMIT) {
        return mdm_exchange_refuse(x, 409, "there are %lu challenges already "
                                   "(mdm_challenge_limit)", (unsigned long)
                                   x->settings->challenge_limit);
    }

    if (mdm_date_unix(buf, n->ends) != MDM_OK) {
        return mdm_exchange_odd(x, 0);
    }

    date.data = buf;
    date.len = MDM_DATE_LEN;

    mdm_json_init(&j, x->arena, 256);
    mdm_json_open(&j, NULL, '{');
    mdm_json_str(&j, "challenge", &n->value);
    mdm_json_str(&j, "challenge_id", &n->c.id);
    mdm_json_str(&j, "expires", &date);
    mdm_json_close(&j, '}');

    return mdm_api_json_answer(&j, x, 200);
}


mdm_int_t
mdm_api_challenges_step(mdm_exchange_t *x)
{
    switch (x->state) {

    case MDM_API_CHALLENGE_BEGIN:
        return mdm_api_challenges_ask(x);

    case MDM_API_CHALLENGE_LISTED:
        return mdm_api_challenges_look(x, x->ctx);

    default: /* MDM_API_CHALLENGE_SEEN */
        return mdm_api_challenges_answer(x, x->ctx);
    }
}


static mdm_int_t
mdm_api_challenges_ask(mdm_exchange_t *x)
{
    int64_t                limit;
    mdm_int_t              rc;
    mdm_str_t              cursor, *args;
    mdm_api_challenges_t  *p;

    p = mdm_arena_zalloc(x->arena, sizeof(mdm_api_challenges_t));
    if (p == NULL) {
        return MDM_ERROR;
    }

    x->ctx = p;
    limit = MDM_API_CHALLENGES;

    rc = mdm_api_page_args(x, MDM_API_CHALLENGES_MAX, &limit, &cursor);
    if (rc != MDM_OK) {
        return rc;
    }

    if (mdm_key_ca(x->arena, &p->tag, &x->tenant) != MDM_OK
        || mdm_exchange_calls(x, 1, MDM_API_CHALLENGE_LISTED) != MDM_CALL)
    {
        return MDM_ERROR;
    }

    args = mdm_exchange_call(x, 0, &mdm_script_challenge_list, &p->tag, 0);
    if (args == NULL) {
        return MDM_ERROR;
    }

    args[MDM_ARG_CHALLENGE_LIST_AFTER] = cursor;

    return (mdm_api_number(x, &args[MDM_ARG_CHALLENGE_LIST_MOST], limit)
            == MDM_OK)
           ? MDM_CALL : MDM_ERROR;
}


/* what became of each stands in its own slot */

static mdm_int_t
mdm_api_challenges_look(mdm_exchange_t *x, mdm_api_challenges_t *p)
{
    size_t      row;
    mdm_str_t   key, digest, *args;
    mdm_uint_t  i, n;

    p->page = x->calls[0].reply;
    n = 0;

    for (row = MDM_RET_CHALLENGE_LIST_CHALLENGES;
         mdm_reply_row(p->page, row, MDM_NRET_CHALLENGE_LIST_CHALLENGES);
         row += MDM_NRET_CHALLENGE_LIST_CHALLENGES)
    {
        n++;
    }

    if (n == 0) {
        x->ncalls = 0;
        return mdm_api_challenges_answer(x, p);
    }

    if (mdm_exchange_calls(x, n, MDM_API_CHALLENGE_SEEN) != MDM_CALL) {
        return MDM_ERROR;
    }

    for (i = 0; i < n; i++) {
        row = MDM_RET_CHALLENGE_LIST_CHALLENGES
              + i * MDM_NRET_CHALLENGE_LIST_CHALLENGES;
        digest = mdm_reply_str(p->page,
                               row + MDM_RET_CHALLENGE_LIST_CHALLENGES_DIGEST);

        if (mdm_key_challenge(x->arena, &key, &x->tenant, &digest) != MDM_OK) {
            return MDM_ERROR;
        }

        args = mdm_exchange_call(x, i, &mdm_script_challenge_get, &key, 0);
        if (args == NULL) {
            return MDM_ERROR;
        }

        args[MDM_ARG_CHALLENGE_GET_ID] =
            mdm_reply_str(p->page,
                          row + MDM_RET_CHALLENGE_LIST_CHALLENGES_ID);
    }

    return MDM_CALL;
}


static mdm_int_t
mdm_api_challenges_answer(mdm_exchange_t *x, mdm_api_challenges_t *p)
{
    mdm_int_t       rc;
    mdm_str_t       next;
    mdm_uint_t      i;
    mdm_json_out_t  j;

    mdm_json_init(&j, x->arena, 64 + 256 * (x->ncalls + 1));
    mdm_json_open(&j, NULL, '{');
    mdm_json_open(&j, "challenges", '[');

    for (i = 0; i < x->ncalls; i++) {
        rc = mdm_api_challenges_row(x, p, &j,
                                    MDM_RET_CHALLENGE_LIST_CHALLENGES
                                    + i * MDM_NRET_CHALLENGE_LIST_CHALLENGES,
                                    x->calls[i].reply);
        if (rc != MDM_OK) {
            return rc;
        }
    }

    next = mdm_reply_str(p->page, MDM_RET_CHALLENGE_LIST_NEXT);

    return mdm_api_page_end(x, &j, &next);
}


static mdm_int_t
mdm_api_challenges_row(mdm_exchange_t *x, mdm_api_challenges_t *p,
    mdm_json_out_t *j, size_t row, const mdm_reply_t *state)
{
    int64_t             uses, used;
    mdm_int_t           rc;
    mdm_str_t           value, bind;
    mdm_uint_t          lost;
    mdm_challenge_t     c;
    mdm_secret_where_t  where;

#define mdm_api_challenge_value(name)                                         \
    mdm_reply_str(p->page, row + MDM_RET_CHALLENGE_LIST_CHALLENGES_ ## name)

    c.id = mdm_api_challenge_value(ID);
    bind = mdm_api_challenge_value(BIND);

    mdm_where_challenge_listed(&where, &p->tag, &c.id);

    rc = mdm_challenge_bound_listed(x, &where, "challenge", &bind, &c);
    if (rc != MDM_OK) {
        return rc;
    }

    value = mdm_api_challenge_value(USES);

    if (mdm_atoi(&value, &uses) != MDM_OK) {
        uses = 1;
    }

    /* of one that was being made, or taken back, when the worker ended */

    lost = (mdm_reply_code(state, 0) != 1);
    used = mdm_reply_int(state, MDM_RET_CHALLENGE_GET_USED, 0);

    mdm_json_open(j, NULL, '{');
    mdm_json_str(j, "challenge_id", &c.id);
    value = mdm_api_challenge_value(PURPOSE);
    mdm_json_str(j, "purpose", &value);
    mdm_json_text(j, "state", lost ? "lost" : (used >= uses) ? "used" : "open");
    mdm_json_int(j, "uses", uses);
    mdm_json_int(j, "used", used);
    mdm_json_opt_str(j, "udid", &c.udid);
    mdm_json_opt_str(j, "serial", &c.serial);
    mdm_json_opt_str(j, "person", &c.person);
    value = mdm_api_challenge_value(TIME);
    mdm_json_opt_time(j, "time", &value);
    value = mdm_api_challenge_value(BY);
    mdm_json_opt_str(j, "by", &value);
    value = mdm_api_challenge_value(ENDS);
    mdm_json_opt_time(j, "expires", &value);
    mdm_json_close(j, '}');

    return MDM_OK;
}


mdm_int_t
mdm_api_challenge_delete_step(mdm_exchange_t *x)
{
    mdm_int_t             rc;
    mdm_listed_delete_t  *d;

    if (x->state == MDM_API_CHALLENGE_DONE) {
        d = x->ctx;

        return d->found ? mdm_exchange_empty(x, 204)
                        : mdm_exchange_refuse(x, 404, "there is no challenge "
                                              "with this id");
    }

    d = mdm_arena_zalloc(x->arena, sizeof(mdm_listed_delete_t));
    if (d == NULL) {
        return MDM_ERROR;
    }

    d->kind = &mdm_challenges_listed;

    rc = mdm_api_uuid(x, 0, &d->id);
    if (rc != MDM_OK) {
        return rc;
    }

    mdm_str_null(&x->command_uuid);
    x->ctx = d;

    return mdm_exchange_enter(x, mdm_listed_delete, d, MDM_API_CHALLENGE_DONE);
}
